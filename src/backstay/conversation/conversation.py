"""Conversation: turns with ids, what they cost, and the marks of what was begun; one frozen value that stores keep whole.

It holds neutral messages, so a conversation begun with one provider goes on with another. Every change gives a new value; the
`version` is the store's, which refuses to put an older one over a newer one. `begun` names the tool calls with a side effect
that were started and whose end is not written down yet: after a crash nobody knows whether they took effect.
"""

from __future__ import annotations

from typing import Any

import msgspec

from backstay.errors import ConfigurationError
from backstay.types import Message, Response, ToolCall, ToolResult

FORMAT = 1
"""The version of the exported form."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One message and its place in time (Unix nanoseconds). A pinned turn is never trimmed; a summary stands for others."""

    id: str
    message: Message
    created_ns: int
    is_pinned: bool = False
    is_summary: bool = False


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversation used: model calls, tokens, exact money. `unpriced` counts calls whose cost is not known."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    nano_usd: int = 0
    unpriced: int = 0

    def with_response(self, response: Response) -> Spent:
        """These sums with one answer more."""
        usage = response.usage
        return Spent(
            calls=self.calls + 1,
            input_tokens=self.input_tokens + (usage.input_tokens or 0),
            output_tokens=self.output_tokens + (usage.output_tokens or 0),
            nano_usd=self.nano_usd + (response.cost.nano_usd if response.cost is not None else 0),
            unpriced=self.unpriced + (response.cost is None),
        )

    def with_charge(self, nano_usd: int | None) -> Spent:
        """These sums with money that a tool spent; None is a sum that is not known."""
        if nano_usd is None:
            return msgspec.structs.replace(self, unpriced=self.unpriced + 1)
        return msgspec.structs.replace(self, nano_usd=self.nano_usd + nano_usd)


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state of a conversation. Instants are Unix nanoseconds; `expires_ns` None means never.

    `metadata` is the caller's; `state` belongs to whoever drives the conversation (an agent keeps its trace there). `version`
    is 0 until a store has it.
    """

    id: str
    version: int = 0
    tenant: str | None = None
    system: str | None = None
    turns: tuple[Turn, ...] = ()
    metadata: dict[str, str] = {}
    created_ns: int = 0
    updated_ns: int = 0
    expires_ns: int | None = None
    spent: Spent = Spent()
    begun: tuple[str, ...] = ()
    state: dict[str, Any] = {}

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages of all turns, in order."""
        return tuple(turn.message for turn in self.turns)

    def is_expired(self, now_ns: int) -> bool:
        """True once its time is over."""
        return self.expires_ns is not None and now_ns >= self.expires_ns

    def with_turn(self, turn: Turn) -> Conversation:
        """This conversation with one turn more."""
        return msgspec.structs.replace(self, turns=(*self.turns, turn), updated_ns=turn.created_ns)

    def with_response(self, response: Response, turn: Turn) -> Conversation:
        """This conversation with a model's answer as `turn`, and its cost."""
        return msgspec.structs.replace(self.with_turn(turn), spent=self.spent.with_response(response))

    def with_results(self, results: tuple[ToolResult, ...], *, id: str, now_ns: int) -> Conversation:
        """This conversation with results of tools: in the message that answers the same turn, or in a new one called `id`.

        Calls that have their result are no longer marked as begun.
        """
        answered = {result.call_id for result in results}
        begun = tuple(call for call in self.begun if call not in answered)
        last = self.turns[-1] if self.turns else None
        if last is not None and last.message.role == "tool":
            message = msgspec.structs.replace(last.message, parts=(*last.message.parts, *results))
            turns = (*self.turns[:-1], msgspec.structs.replace(last, message=message))
        else:
            turns = (*self.turns, Turn(id=id, message=Message(role="tool", parts=results), created_ns=now_ns))
        return msgspec.structs.replace(self, turns=turns, begun=begun, updated_ns=now_ns)

    def with_begun(self, *calls: str) -> Conversation:
        """This conversation with `calls` marked: what is saved before a side effect begins."""
        return msgspec.structs.replace(self, begun=(*self.begun, *calls))

    def pin(self, turn_id: str, *, is_pinned: bool = True) -> Conversation:
        """This conversation with one turn pinned, or not. Raises KeyError where there is no such turn."""
        if turn_id not in {turn.id for turn in self.turns}:
            raise KeyError(turn_id)
        turns = tuple(
            msgspec.structs.replace(turn, is_pinned=is_pinned) if turn.id == turn_id else turn for turn in self.turns
        )
        return msgspec.structs.replace(self, turns=turns)

    def unanswered(self) -> tuple[ToolCall, ...]:
        """The tool calls of the last assistant turn that have no result yet, in their order."""
        answered: set[str] = set()
        for turn in reversed(self.turns):
            parts = turn.message.parts
            answered |= {part.call_id for part in parts if isinstance(part, ToolResult)}
            if turn.message.role == "assistant":
                return tuple(part for part in parts if isinstance(part, ToolCall) and part.id not in answered)
        return ()

    def export(self) -> bytes:
        """This conversation as JSON, for `read_conversation`."""
        return msgspec.json.encode(_Export(format=FORMAT, conversation=self))


class _Export(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    conversation: Conversation


_decoder = msgspec.json.Decoder(_Export)


def read_conversation(data: bytes | str) -> Conversation:
    """The conversation that `export` wrote. Raises ConfigurationError where `data` is none, or of a later format."""
    try:
        read = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"this is no exported conversation: {error}") from error
    if read.format > FORMAT:
        raise ConfigurationError(f"the conversation is of format {read.format}, this program knows {FORMAT}: update")
    return read.conversation
