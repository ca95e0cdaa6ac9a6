"""The `messages` of a Chat Completions request: neutral turns to wire messages and back.

Differences of structure: the system prompt is the first message; each tool result is a message of its own, so a neutral tool
message of n results is n wire messages; pictures in a tool result have no place there and follow in a user message. Every
tool call of a turn must be answered before the next turn, and no result may come without its call: the API refuses both,
so they are faults here.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from backstay.codecs.lenient import keep, own, rest_of, text_of, text_or_none
from backstay.codecs.openai_part import DIALECT, Draft, Wire, read_cache, read_content, write_part
from backstay.codecs.openai_turn import TURN_FIELDS, fit_call_id, read_turn, write_turn
from backstay.types import AnyPart, File, Image, Message, Request, Text, ToolCall, ToolResult, Unknown

SystemRole = Literal["system", "developer", "none"]
_FIELDS: Final = frozenset({"role", "content", "name", "tool_call_id"})


def write_messages(request: Request, role: SystemRole, draft: Draft) -> list[Wire]:
    """The wire messages of `request`; faults name their place as `messages[i]`."""
    wires: list[Wire] = []
    if request.system is not None:
        parts = (Text(text=request.system),) if isinstance(request.system, str) else request.system
        wire = _write_plain(Message(role="system", parts=parts), "system", role, draft)
        if not isinstance(request.system, str) and isinstance(wire["content"], str):
            wire["content"] = [{"type": "text", "text": wire["content"]}]
        wires.append(wire)
    asked: dict[str, str] = {}
    for number, message in enumerate(request.messages):
        place = f"messages[{number}]"
        if message.role != "tool":
            _close_calls(asked, place, draft)
            is_turn = message.role == "assistant"
            wire = write_turn(message, place, draft) if is_turn else _write_plain(message, place, role, draft)
            wires.append(_decorate(wire, message))
            asked = {part.id: part.name for part in message.parts if isinstance(part, ToolCall)}
        else:
            wires += _write_results(message, place, asked, draft)
    _close_calls(asked, "the end of messages", draft)
    if not wires:
        draft.faults.append("messages: there must be one at least")
    return wires


def _close_calls(asked: dict[str, str], place: str, draft: Draft) -> None:
    if asked:
        names = ", ".join(f"{name} ({call_id})" for call_id, name in asked.items())
        draft.faults.append(f"{place}: before it, these tool calls need a result: {names}")


def _decorate(wire: Wire, message: Message) -> Wire:
    if message.name is not None:
        wire["name"] = message.name
    return {**wire, **own(message.extra, DIALECT)} if message.extra else wire


def _write_plain(message: Message, place: str, role: SystemRole, draft: Draft) -> Wire:
    """A system or user message."""
    only = message.parts[0] if len(message.parts) == 1 and role != "none" else None
    if type(only) is Text and only.cache is None and only.extra is None:
        return {"role": role if message.role == "system" else message.role, "content": only.text}
    parts = [
        wire
        for number, part in enumerate(message.parts)
        if (wire := write_part(part, f"{place}.parts[{number}]", draft)) is not None
    ]
    content: str | list[Wire] = parts
    if len(parts) == 1 and set(parts[0]) == {"type", "text"} and isinstance(message.parts[0], Text):
        content = parts[0]["text"]
    elif not parts:
        content = ""
    if message.role != "system":
        return {"role": message.role, "content": content}
    if role == "none":
        draft.note("the model takes no system prompt: it was sent as a user message")
    return {"role": "user" if role == "none" else role, "content": content}


def _write_results(message: Message, place: str, asked: dict[str, str], draft: Draft) -> list[Wire]:
    """The messages of one or more tool results, and a user message with the media that they hold."""
    wires: list[Wire] = []
    media: list[Wire] = []
    for number, part in enumerate(message.parts):
        where = f"{place}.parts[{number}]"
        if not isinstance(part, ToolResult):
            draft.faults.append(f"{where}: a tool message holds tool results only, not a {type(part).__name__}")
            continue
        name = asked.pop(part.call_id, None)
        if name is None:
            draft.faults.append(f"{where}: no tool call {part.call_id!r} waits for this result")
        content = _write_result_content(part, where, media, draft)
        wire: Wire = {"role": "tool", "tool_call_id": fit_call_id(part.call_id, draft), "content": content}
        if draft.rules.has_tool_name and (part.name or name):
            wire["name"] = part.name or name
        wires.append({**wire, **own(part.extra, DIALECT)})
    if media:
        draft.note("pictures and files of tool results were sent in a user message: a tool message holds text only")
        wires.append({"role": "user", "content": media})
    return wires


def _write_result_content(part: ToolResult, place: str, media: list[Wire], draft: Draft) -> str | list[Wire]:
    if isinstance(part.content, str):
        return part.content
    texts: list[Wire] = []
    for number, piece in enumerate(part.content):
        wire = write_part(piece, f"{place}.content[{number}]", draft)
        if wire is None:
            continue
        if isinstance(piece, Image | File) and wire["type"] != "text":
            media.append(wire)
            texts.append({"type": "text", "text": f"(attachment {len(media)} of the next message)"})
        else:
            texts.append(wire)
    return texts


def read_messages(wires: list[Wire]) -> tuple[str | tuple[Text, ...] | None, tuple[Message, ...]]:
    """The system prompt, if the first message is one, and the other turns; runs of tool messages become one."""
    system: str | tuple[Text, ...] | None = None
    messages: list[Message] = []
    results: list[AnyPart] = []
    for number, wire in enumerate(wires):
        role = wire.get("role")
        if role in ("tool", "function"):
            results.append(_read_result(wire))
            continue
        if results:
            messages.append(Message(role="tool", parts=tuple(results)))
            results = []
        if number == 0 and role in ("system", "developer") and (found := _read_system(wire)) is not None:
            system = found
        else:
            messages.append(_read_message(wire))
    if results:
        messages.append(Message(role="tool", parts=tuple(results)))
    return system, tuple(messages)


def _read_system(wire: Wire) -> str | tuple[Text, ...] | None:
    """The system prompt of a first message that is nothing but text; None where it holds more."""
    content = wire.get("content")
    if rest_of(wire, frozenset({"role", "content"})):
        return None
    if isinstance(content, str):
        return content
    parts = read_content(content)
    texts = tuple(part for part in parts if isinstance(part, Text))
    return texts if len(texts) == len(parts) else None


def _read_message(wire: Wire) -> Message:
    role = wire.get("role")
    if role == "assistant":
        parts, known = read_turn(wire, ""), TURN_FIELDS
    else:
        parts, known = read_content(wire.get("content")), _FIELDS
    extra = keep(DIALECT, rest_of(wire, known))
    name = text_or_none(wire.get("name"))
    neutral: Literal["system", "user", "assistant"] = "user"
    if role == "assistant":
        neutral = "assistant"
    elif role in ("system", "developer"):
        neutral = "system"
    return Message(role=neutral, parts=parts, name=name, extra=extra)


def _read_result(wire: Wire) -> ToolResult:
    content: Any = wire.get("content")
    if not isinstance(content, str):
        content = tuple(part for part in read_content(content) if isinstance(part, Text | Image | File | Unknown))
    return ToolResult(
        call_id=text_of(wire.get("tool_call_id")) or text_of(wire.get("name")),
        content=content or "",
        name=text_or_none(wire.get("name")),
        cache=read_cache(wire),
        extra=keep(DIALECT, rest_of(wire, _FIELDS | {"cache_control"})),
    )
