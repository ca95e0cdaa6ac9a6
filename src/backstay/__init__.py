"""backstay: one dependable layer between a program and language models.

The public names are here; each is imported from its own module when it is first used, so `import backstay` costs a few
milliseconds. Everything else is importable from the module that defines it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backstay.client import Client, Streaming, create_client
    from backstay.config import load
    from backstay.conversation import Agent, AgentOptions, Chat
    from backstay.errors import LLMError
    from backstay.layers.retry import RetryPolicy
    from backstay.layers.retry_function import retry
    from backstay.offline.scripted import Scripted
    from backstay.prompts import PromptLibrary
    from backstay.recover import align, parse
    from backstay.replay import record, replay
    from backstay.secret import Secret
    from backstay.service import Call, Reply, stack
    from backstay.tools import ToolRegistry
    from backstay.types import (
        Audio,
        File,
        Image,
        Message,
        NamedTool,
        Reasoning,
        Refusal,
        Request,
        Response,
        ResponseFormat,
        Text,
        Tool,
        ToolCall,
        ToolResult,
        Usage,
        assistant,
        system,
        tool,
        user,
    )

_HOMES = {
    "client": ("Client", "Streaming", "create_client"),
    "config": ("load",),
    "conversation": ("Agent", "AgentOptions", "Chat"),
    "errors": ("LLMError",),
    "layers.retry": ("RetryPolicy",),
    "layers.retry_function": ("retry",),
    "offline.scripted": ("Scripted",),
    "prompts": ("PromptLibrary",),
    "recover": ("align", "parse"),
    "replay": ("record", "replay"),
    "secret": ("Secret",),
    "service": ("Call", "Reply", "stack"),
    "tools": ("ToolRegistry",),
    "types": (
        "Audio",
        "File",
        "Image",
        "Message",
        "NamedTool",
        "Reasoning",
        "Refusal",
        "Request",
        "Response",
        "ResponseFormat",
        "Text",
        "Tool",
        "ToolCall",
        "ToolResult",
        "Usage",
        "assistant",
        "system",
        "tool",
        "user",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Agent",
    "AgentOptions",
    "Audio",
    "Call",
    "Chat",
    "Client",
    "File",
    "Image",
    "LLMError",
    "Message",
    "NamedTool",
    "PromptLibrary",
    "Reasoning",
    "Refusal",
    "Reply",
    "Request",
    "Response",
    "ResponseFormat",
    "RetryPolicy",
    "Scripted",
    "Secret",
    "Streaming",
    "Text",
    "Tool",
    "ToolCall",
    "ToolRegistry",
    "ToolResult",
    "Usage",
    "align",
    "assistant",
    "create_client",
    "load",
    "parse",
    "record",
    "replay",
    "retry",
    "stack",
    "system",
    "tool",
    "user",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'backstay' has no attribute {name!r}")
    return getattr(importlib.import_module(f"backstay.{home}"), name)


def __dir__() -> list[str]:
    return __all__
