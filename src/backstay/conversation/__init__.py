"""Conversations of many turns that outlive the program, and agents that work on an objective within one.

Names are resolved on first use, so that reading a stored conversation loads no agent.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backstay.conversation.agent import Agent as Agent
    from backstay.conversation.chat import Chat as Chat
    from backstay.conversation.conversation import Conversation as Conversation
    from backstay.conversation.conversation import Turn as Turn
    from backstay.conversation.conversation import read_conversation as read_conversation
    from backstay.conversation.option import AgentOptions as AgentOptions
    from backstay.conversation.run import AgentRun as AgentRun
    from backstay.conversation.store import ConversationConflict as ConversationConflict
    from backstay.conversation.store import ConversationStore as ConversationStore
    from backstay.conversation.store import MemoryConversations as MemoryConversations
    from backstay.conversation.trace import AgentResult as AgentResult
    from backstay.conversation.trace import Trace as Trace

_HOME = {
    "Agent": "agent", "AgentOptions": "option", "AgentResult": "trace", "AgentRun": "run", "Chat": "chat",
    "Conversation": "conversation", "ConversationConflict": "store", "ConversationStore": "store",
    "MemoryConversations": "store", "Trace": "trace", "Turn": "conversation", "read_conversation": "conversation",
}  # fmt: skip

__all__ = [
    "Agent",
    "AgentOptions",
    "AgentResult",
    "AgentRun",
    "Chat",
    "Conversation",
    "ConversationConflict",
    "ConversationStore",
    "MemoryConversations",
    "Trace",
    "Turn",
    "read_conversation",
]


def __getattr__(name: str) -> Any:
    """The public name, from its module."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
