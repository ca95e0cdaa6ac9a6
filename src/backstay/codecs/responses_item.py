"""Items of the Responses dialect and neutral parts, in both directions.

An answer is a list of items: a message with content parts, a function call, a reasoning item, or one of a growing number of
server tools. Calls and results are items of their own, outside any message. A reasoning item comes back encrypted, because
nothing is stored on the server; it is sent only to where it came from, which the "item" in its `extra` proves.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.codecs.lenient import keep, objects_of, own, rest_of, text_of, text_or_none
from backstay.codecs.media import from_base64, from_data_url, sniff, to_data_url
from backstay.fold import parse_arguments
from backstay.types import AnyPart, File, Image, Reasoning, Refusal, Text, ToolCall, Unknown

DIALECT: Final = "openai_responses"
SUMMARY_BREAK: Final = "\n\n"
Wire = dict[str, Any]
_CALL_FIELDS: Final = frozenset({"type", "id", "call_id", "name", "arguments", "input", "status"})
_REASONING_FIELDS: Final = frozenset({"type", "id", "summary", "content", "encrypted_content"})


class Draft:
    """A request being written: what is wrong with it (`faults`) and what was changed or left out (`notes`)."""

    __slots__ = ("faults", "notes")

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        """Add a note once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def read_item(item: Wire) -> tuple[AnyPart, ...]:
    """The parts of one output item; an item of an unknown type is one `Unknown` part."""
    kind = item.get("type")
    if kind == "message" or (kind is None and "role" in item):
        phase = text_or_none(item.get("phase"))
        return tuple(read_content(content, phase) for content in objects_of(item.get("content")))
    if kind == "reasoning":
        return (read_reasoning(item),)
    if kind in ("function_call", "custom_tool_call"):
        return (read_call(item),)
    if kind == "image_generation_call" and (data := from_base64(text_of(item.get("result")))):
        rest = rest_of(item, frozenset({"result"}))
        kind = f"image/{text_of(item.get('output_format')) or 'png'}"
        return (Image(data=data, media_type=kind, extra=keep(DIALECT, {"item": rest})),)
    return (Unknown(dialect=DIALECT, data=item),)


def read_content(content: Wire, phase: str | None = None) -> AnyPart:
    """One content part of a message, from either side."""
    kind, text = content.get("type"), content.get("text")
    if kind in ("output_text", "input_text", "text", "summary_text") and isinstance(text, str):
        rest = rest_of(content, frozenset({"type", "text", "logprobs"}))
        rest = {name: value for name, value in rest.items() if value != []}
        return Text(text=text, extra=keep(DIALECT, {**rest, "phase": phase} if phase else rest))
    if kind == "refusal":
        return Refusal(text=text_of(content.get("refusal")))
    if kind == "input_image":
        return _read_image(content)
    if kind == "input_file":
        return _read_file(content)
    return Unknown(dialect=DIALECT, data=content)


def _read_image(content: Wire) -> AnyPart:
    url, file_id = text_or_none(content.get("image_url")), text_or_none(content.get("file_id"))
    detail = text_or_none(content.get("detail"))
    embedded = from_data_url(url) if url else None
    if embedded is not None:
        return Image(data=embedded[0], media_type=embedded[1] or None, detail=detail)
    if url is None and file_id is None:
        return Unknown(dialect=DIALECT, data=content)
    return Image(url=url, detail=detail) if url else Image(file_id=file_id, detail=detail)


def _read_file(content: Wire) -> AnyPart:
    name = text_or_none(content.get("filename"))
    embedded = from_data_url(text_of(content.get("file_data")))
    if embedded is not None:
        return File(data=embedded[0], media_type=embedded[1] or None, name=name)
    if file_id := text_or_none(content.get("file_id")):
        return File(file_id=file_id, name=name)
    url = text_or_none(content.get("file_url"))
    return File(url=url, name=name) if url else Unknown(dialect=DIALECT, data=content)


def read_reasoning(item: Wire) -> Reasoning:
    """A reasoning item: the thought where the server shows it, else its summary."""
    thought = "".join(text_of(piece.get("text")) for piece in objects_of(item.get("content")))
    pieces = objects_of(item.get("summary"))
    summary = SUMMARY_BREAK.join(text_of(piece.get("text")) for piece in pieces)
    kept = rest_of(item, _REASONING_FIELDS)
    if len(pieces) > 1 or (thought and summary):
        kept["summary"] = pieces
    return Reasoning(
        text=thought or summary,
        encrypted=text_or_none(item.get("encrypted_content")),
        id=text_or_none(item.get("id")),
        is_summary=bool(summary) and not thought,
        extra={DIALECT: {"item": kept}},
    )


def write_reasoning(part: Reasoning, draft: Draft) -> Wire | None:
    """The item that `part` was read from; None, with a note, where it cannot go back."""
    kept = own(part.extra, DIALECT).get("item")
    if not isinstance(kept, dict) or part.encrypted is None:
        draft.note("the reasoning of earlier turns was left out: only encrypted reasoning of this API can be sent back")
        return None
    summary = [{"type": "summary_text", "text": part.text}] if part.is_summary else []
    wire: Wire = {"type": "reasoning", "summary": summary, **kept, "encrypted_content": part.encrypted}
    if part.id is not None:
        wire["id"] = part.id
    if part.text and not part.is_summary:
        wire["content"] = [{"type": "reasoning_text", "text": part.text}]
    return wire


def read_call(item: Wire) -> ToolCall:
    """A function call, or a custom tool's call, whose input is free text and stands in `raw_arguments`."""
    rest = rest_of(item, _CALL_FIELDS)
    is_custom = item.get("type") == "custom_tool_call"
    raw: str | None
    if is_custom:
        rest["type"] = "custom_tool_call"
        arguments, raw = {}, text_of(item.get("input"))
    elif isinstance(item.get("arguments"), dict):
        arguments, raw = item["arguments"], None
    else:
        arguments, raw = parse_arguments(text_of(item.get("arguments")))
    return ToolCall(
        id=text_of(item.get("call_id")) or text_of(item.get("id")),
        name=text_of(item.get("name")),
        arguments=arguments,
        raw_arguments=raw,
        extra=keep(DIALECT, rest),
    )


def write_call(part: ToolCall) -> Wire:
    """The item of a tool call."""
    kept = own(part.extra, DIALECT)
    text = msgspec.json.encode(part.arguments).decode() if part.raw_arguments is None else part.raw_arguments
    field = "input" if kept.get("type") == "custom_tool_call" else "arguments"
    return {"type": "function_call", **kept, "call_id": part.id, "name": part.name, field: text}


def write_input(part: AnyPart, place: str, draft: Draft) -> Wire | None:
    """A content part of a user message or of a tool's output; None, and a fault, where there is no such part."""
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, Image):
        return _write_image(part, place, draft)
    if isinstance(part, File):
        return _write_file(part)
    if isinstance(part, Unknown) and part.dialect == DIALECT:
        return part.data
    what = f"a block of dialect {part.dialect!r}" if isinstance(part, Unknown) else f"a {type(part).__name__} part"
    draft.faults.append(f"{place}: {what} cannot be sent here")
    return None


def _write_image(part: Image, place: str, draft: Draft) -> Wire | None:
    wire: Wire = {"type": "input_image", "detail": part.detail or "auto"}
    if part.file_id is not None:
        return {**wire, "file_id": part.file_id}
    if part.data is None:
        return {**wire, "image_url": part.url}
    media_type = part.media_type or sniff(part.data)
    if media_type is None:
        draft.faults.append(f"{place}: the picture's media_type is not known: give it")
        return None
    return {**wire, "image_url": to_data_url(part.data, media_type)}


def _write_file(part: File) -> Wire:
    if part.text is not None:
        return {"type": "input_text", "text": f"{part.name}:\n{part.text}" if part.name else part.text}
    wire: Wire = {"type": "input_file"}
    if part.file_id is not None:
        return {**wire, "file_id": part.file_id}
    if part.url is not None:
        return {**wire, "file_url": part.url}
    data = part.data or b""
    media_type = part.media_type or sniff(data) or "application/octet-stream"
    return {**wire, "filename": part.name or "file", "file_data": to_data_url(data, media_type)}
