"""The `input` of a Responses request: neutral turns to items and back.

A turn of the assistant is spread over items in the order of its parts. Every call must be answered before the next turn, as in
Chat Completions. The system prompt is `instructions` where it is a string, else the first item.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from backstay.codecs.lenient import keep, objects_of, own, rest_of, text_of
from backstay.codecs.responses_item import (
    DIALECT,
    Draft,
    Wire,
    read_content,
    read_item,
    write_call,
    write_input,
    write_reasoning,
)
from backstay.types import (
    AnyPart,
    File,
    Image,
    Message,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
)

_OUTPUTS: Final = ("function_call_output", "custom_tool_call_output")


def write_items(request: Request, role: str, draft: Draft) -> list[Wire]:
    """The input items of `request`; faults name their place as `messages[i]`."""
    items: list[Wire] = []
    if request.system is not None and not isinstance(request.system, str):
        items.append({"role": role, "content": [{"type": "input_text", "text": part.text} for part in request.system]})
    asked: dict[str, ToolCall] = {}
    for number, message in enumerate(request.messages):
        place = f"messages[{number}]"
        if message.name is not None:
            draft.note("the names of speakers were left out: this API has no place for them")
        if message.role == "tool":
            items += _write_results(message, place, asked, draft)
            continue
        _close(asked, place, draft)
        if message.role == "assistant":
            items += write_turn(message.parts, place, draft)
        else:
            items.append(_write_plain(message, place, role, draft))
        asked = {part.id: part for part in message.parts if isinstance(part, ToolCall)}
    _close(asked, "the end of messages", draft)
    return items


def _close(asked: dict[str, ToolCall], place: str, draft: Draft) -> None:
    if asked:
        names = ", ".join(f"{call.name} ({call.id})" for call in asked.values())
        draft.faults.append(f"{place}: before it, these tool calls need a result: {names}")


def _write_plain(message: Message, place: str, role: str, draft: Draft) -> Wire:
    parts = [
        wire
        for number, part in enumerate(message.parts)
        if (wire := write_input(part, f"{place}.parts[{number}]", draft)) is not None
    ]
    is_plain = len(parts) == 1 and isinstance(message.parts[0], Text) and set(parts[0]) == {"type", "text"}
    content = parts[0]["text"] if is_plain else parts
    return {"role": role if message.role == "system" else "user", "content": content}


def write_turn(parts: tuple[AnyPart, ...], place: str, draft: Draft) -> list[Wire]:
    """The items of an assistant's turn; texts that follow each other in one phase share a message."""
    items: list[Wire] = []
    for number, part in enumerate(parts):
        if isinstance(part, Text | Refusal):
            _add_text(part, items)
        elif isinstance(part, ToolCall):
            items.append(write_call(part))
        elif isinstance(part, Reasoning):
            item = write_reasoning(part, draft)
            items += [] if item is None else [item]
        elif isinstance(part, Unknown) and part.dialect == DIALECT:
            items.append(part.data)
        elif isinstance(part, Image) and isinstance(own(part.extra, DIALECT).get("item"), dict):
            items.append({"type": "image_generation_call", "id": own(part.extra, DIALECT)["item"].get("id")})
        elif isinstance(part, Unknown):
            draft.note(f"a block of dialect {part.dialect!r} in an assistant's turn was left out")
        else:
            draft.faults.append(
                f"{place}.parts[{number}]: a {type(part).__name__} cannot stand in an assistant's turn here"
            )
    return items


def _add_text(part: Text | Refusal, items: list[Wire]) -> None:
    phase = own(part.extra, DIALECT).get("phase")
    last = items[-1] if items else {}
    if last.get("role") != "assistant" or last.get("phase") != phase:
        last = {"role": "assistant", "content": [], **({"phase": phase} if phase else {})}
        items.append(last)
    is_text = isinstance(part, Text)
    last["content"].append(
        {"type": "output_text", "text": part.text} if is_text else {"type": "refusal", "refusal": part.text}
    )


def _write_results(message: Message, place: str, asked: dict[str, ToolCall], draft: Draft) -> list[Wire]:
    items: list[Wire] = []
    for number, part in enumerate(message.parts):
        where = f"{place}.parts[{number}]"
        if not isinstance(part, ToolResult):
            draft.faults.append(f"{where}: a tool message holds tool results only, not a {type(part).__name__}")
            continue
        call = asked.pop(part.call_id, None)
        if call is None:
            draft.faults.append(f"{where}: no tool call {part.call_id!r} waits for this result")
        output: str | list[Wire | None]
        if isinstance(part.content, str):
            output = part.content
        else:
            pieces = (write_input(piece, where, draft) for piece in part.content)
            output = [piece for piece in pieces if piece is not None]
        is_custom = call is not None and own(call.extra, DIALECT).get("type") == "custom_tool_call"
        kind = _OUTPUTS[1] if is_custom else _OUTPUTS[0]
        items.append({"type": kind, "call_id": part.call_id, "output": output, **own(part.extra, DIALECT)})
    return items


class _Turns:
    """Items gathered into messages: those of the assistant run together, results too."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._role: Literal["assistant", "tool"] | None = None
        self._parts: list[AnyPart] = []

    def add(self, role: Literal["assistant", "tool"], parts: tuple[AnyPart, ...]) -> None:
        if role != self._role:
            self.close()
        self._role = role
        self._parts += parts

    def close(self) -> None:
        if self._role is not None:
            self.messages.append(Message(role=self._role, parts=tuple(self._parts)))
        self._role, self._parts = None, []


def read_items(value: Any) -> tuple[tuple[Text, ...] | None, tuple[Message, ...]]:
    """The system prompt, where the first item is one of texts, and the turns of an `input`."""
    if isinstance(value, str):
        return None, (Message(role="user", parts=(Text(text=value),)),)
    system: tuple[Text, ...] | None = None
    turns = _Turns()
    for number, item in enumerate(objects_of(value)):
        role = item.get("role")
        if role in ("user", "system", "developer"):
            parts = _read_parts(item)
            texts = tuple(part for part in parts if isinstance(part, Text))
            if number == 0 and role != "user" and len(texts) == len(parts) and not isinstance(item.get("content"), str):
                system = texts
                continue
            turns.close()
            turns.messages.append(Message(role="user" if role == "user" else "system", parts=parts))
        elif item.get("type") in _OUTPUTS:
            turns.add("tool", (_read_result(item),))
        elif role == "assistant" and isinstance(item.get("content"), str):
            turns.add("assistant", (Text(text=item["content"]),))
        else:
            turns.add("assistant", read_item(item))
    turns.close()
    return system, tuple(turns.messages)


def _read_parts(item: Wire) -> tuple[AnyPart, ...]:
    content = item.get("content")
    if isinstance(content, str):
        return (Text(text=content),) if content else ()
    return tuple(read_content(piece) for piece in objects_of(content))


def _read_result(item: Wire) -> ToolResult:
    output = item.get("output")
    content: Any = output if isinstance(output, str) else ()
    if not isinstance(output, str):
        parts = (read_content(piece) for piece in objects_of(output))
        content = tuple(part for part in parts if isinstance(part, Text | Image | File | Unknown))
    rest = rest_of(item, frozenset({"type", "id", "status", "call_id", "output"}))
    return ToolResult(call_id=text_of(item.get("call_id")), content=content or "", extra=keep(DIALECT, rest))
