"""Parts and content blocks of the Bedrock Converse dialect, in both directions.

A block is an object with one key that names its kind. A `cachePoint` is a block of its own after the part that it marks; text
with citations is a `citationsContent`, whose citations are kept in `extra`. Bytes travel as base64; addresses are S3 only.
Kinds without a neutral form are `Unknown`. Source: API_runtime_ContentBlock of the Bedrock reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from backstay.codecs.bedrock_wire import DIALECT, Wire
from backstay.codecs.lenient import keep, object_of, objects_of, own, rest_of, text_of, text_or_none
from backstay.codecs.media import from_base64, sniff, to_base64
from backstay.codecs.shown import join_blanks
from backstay.fold import parse_arguments
from backstay.types import AnyPart, Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult, Unknown

_FORMATS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_TYPES: Final = {short: long for long, short in _FORMATS.items()}
_IMAGES: Final = ("png", "jpeg", "gif", "webp")
_REFUSED_IN_IDS: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
_REFUSED_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9\s()\[\]-]+|(?<=\s)\s+")
_MAX_ID: Final = 64
_DOCUMENT_KEYS: Final = frozenset({"format", "name", "source"})


class Draft:
    """A request being written: what is wrong with it (`faults`) and what was left out of it (`notes`)."""

    __slots__ = ("faults", "needs_signature", "notes")

    def __init__(self, *, needs_signature: bool = False) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.needs_signature = needs_signature


def read_blocks(content: Any) -> tuple[AnyPart, ...]:
    """The parts of a list of blocks; a cache point marks the part before it."""
    parts: list[AnyPart] = []
    for block in objects_of(content):
        if "cachePoint" in block and parts:
            lifetime: Literal["5m", "1h"] = "1h" if object_of(block["cachePoint"]).get("ttl") == "1h" else "5m"
            parts[-1] = msgspec.structs.replace(parts[-1], cache=lifetime)
        else:
            parts.append(read_block(block))
    return tuple(parts)


def read_block(block: Wire) -> AnyPart:
    """The part that `block` stands for; `Unknown` where there is none."""
    if isinstance(block.get("text"), str):
        return Text(text=block["text"])
    for kind, reader in _READERS.items():
        inner = block.get(kind)
        if isinstance(inner, dict):
            part = reader(inner)
            if part is not None:
                return part
    return Unknown(dialect=DIALECT, data=block)


def _read_tool_use(wire: Wire) -> AnyPart | None:
    """A call; one of a server's own tools is no call of ours."""
    if wire.get("type") == "server_tool_use":
        return None
    given = wire.get("input")
    arguments, raw = (given, None) if isinstance(given, dict) else parse_arguments(text_of(given))
    return ToolCall(
        id=text_of(wire.get("toolUseId")), name=text_of(wire.get("name")), arguments=arguments, raw_arguments=raw
    )


def _read_tool_result(wire: Wire) -> AnyPart | None:
    if wire.get("type"):
        return None
    parts = tuple(map(_read_json, read_blocks(wire.get("content"))))
    parts = tuple(part for part in parts if isinstance(part, Text | Image | File | Unknown))
    is_text = len(parts) == 1 and isinstance(parts[0], Text) and parts[0].extra is None
    content: Any = parts[0].text if is_text and isinstance(parts[0], Text) else parts or ""
    return ToolResult(call_id=text_of(wire.get("toolUseId")), content=content, is_error=wire.get("status") == "error")


def _read_json(part: AnyPart) -> AnyPart:
    """A result in JSON is its text, so that every dialect can say it; the mark makes it JSON again here."""
    if not isinstance(part, Unknown) or set(part.data) != {"json"}:
        return part
    return Text(text=msgspec.json.encode(part.data["json"]).decode(), extra=keep(DIALECT, {"json": True}))


def _read_reasoning(wire: Wire) -> AnyPart | None:
    if isinstance(wire.get("redactedContent"), str):
        return Reasoning(encrypted=wire["redactedContent"])
    text = object_of(wire.get("reasoningText"))
    return Reasoning(text=text_of(text.get("text")), signature=text_or_none(text.get("signature")))


def _read_citations(wire: Wire) -> AnyPart:
    text = "".join(text_of(item.get("text")) for item in objects_of(wire.get("content")))
    return Text(text=text, extra=keep(DIALECT, {"citations": wire["citations"]} if wire.get("citations") else {}))


def _read_image(wire: Wire) -> AnyPart | None:
    facts = _read_source(wire)
    media_type = f"image/{wire['format']}" if isinstance(wire.get("format"), str) else None
    return None if facts is None or "text" in facts else Image(media_type=media_type, **facts)


def _read_audio(wire: Wire) -> AnyPart | None:
    facts = _read_source(wire)
    if facts is None or "data" not in facts or not isinstance(wire.get("format"), str):
        return None
    return Audio(media_type=f"audio/{wire['format']}", **facts)


def _read_document(wire: Wire) -> AnyPart | None:
    facts = _read_source(wire)
    if facts is None:
        return None
    media_type = _TYPES.get(text_of(wire.get("format")))
    extra = keep(DIALECT, rest_of(wire, _DOCUMENT_KEYS))
    return File(name=text_or_none(wire.get("name")), media_type=media_type, extra=extra, **facts)


def _read_source(wire: Wire) -> dict[str, Any] | None:
    source = object_of(wire.get("source"))
    if isinstance(source.get("bytes"), str):
        data = from_base64(source["bytes"])
        return None if data is None else {"data": data}
    if isinstance(source.get("text"), str):
        return {"text": source["text"]}
    place = object_of(source.get("s3Location"))
    return {"url": place["uri"]} if isinstance(place.get("uri"), str) and len(place) == 1 else None


_READERS: Final = {
    "toolUse": _read_tool_use,
    "toolResult": _read_tool_result,
    "reasoningContent": _read_reasoning,
    "citationsContent": _read_citations,
    "image": _read_image,
    "document": _read_document,
    "audio": _read_audio,
}


def write_blocks(parts: Iterable[AnyPart], role: str, place: str, draft: Draft) -> list[Wire]:
    """The content blocks of `parts`. Texts of blanks alone, which the API refuses, join their neighbours."""
    blocks: list[Wire] = []
    for index, part in join_blanks(parts):
        block = _write_part(part, role, f"{place}.parts[{index}]", draft)
        if block is None:
            continue
        blocks.append(block)
        if part.cache is not None:
            blocks.append(cache_point(part.cache))
    return blocks


def cache_point(cache: Literal["5m", "1h"]) -> Wire:
    """The block that ends a prefix worth caching."""
    return {"cachePoint": {"type": "default", "ttl": "1h"} if cache == "1h" else {"type": "default"}}


def _write_part(part: AnyPart, role: str, place: str, draft: Draft) -> Wire | None:
    if isinstance(part, Unknown):
        if part.dialect == DIALECT:
            return part.data
        draft.notes.append(f"{place} was left out: only the {part.dialect} dialect knows this block.")
        return None
    if isinstance(part, ToolCall | Reasoning) and role != "assistant":
        draft.faults.append(f"{place}: a {type(part).__name__} belongs to an assistant message, not to role {role!r}")
        return None
    if isinstance(part, ToolResult) and role == "assistant":
        draft.faults.append(f"{place}: a ToolResult belongs to a message of role 'tool', not 'assistant'")
        return None
    if isinstance(part, Text) and own(part.extra, DIALECT).get("json") is True:
        try:
            return {"json": msgspec.json.decode(part.text)}
        except msgspec.DecodeError:
            return {"text": part.text}  # somebody changed it
    if isinstance(part, Text | Refusal):
        citations = own(part.extra, DIALECT).get("citations")
        if citations:
            return {"citationsContent": {"content": [{"text": part.text}], "citations": citations}}
        return {"text": part.text}
    if isinstance(part, ToolCall):
        return _write_tool_call(part, place, draft)
    if isinstance(part, ToolResult):
        return _write_tool_result(part, place, draft)
    if isinstance(part, Reasoning):
        return _write_reasoning(part, place, draft)
    return _write_media(part, place, draft)


def wire_id(call_id: str) -> str:
    """`call_id` in the characters and length that the API takes."""
    return _REFUSED_IN_IDS.sub("_", call_id)[-_MAX_ID:]


def _write_tool_call(part: ToolCall, place: str, draft: Draft) -> Wire:
    if not part.id or not part.name:
        draft.faults.append(f"{place}: a ToolCall needs an id and a name")
    if part.raw_arguments is not None:
        draft.notes.append(f"{place} is sent with empty input: the model's arguments were no JSON object.")
    return {"toolUse": {"toolUseId": wire_id(part.id), "name": part.name, "input": part.arguments}}


def _write_tool_result(part: ToolResult, place: str, draft: Draft) -> Wire:
    if isinstance(part.content, str):
        content = [{"text": part.content}] if part.content else []
    else:
        content = write_blocks(part.content, "tool", place, draft)
    result: Wire = {"toolUseId": wire_id(part.call_id), "content": content}
    return {"toolResult": {**result, "status": "error"} if part.is_error else result}


def _write_reasoning(part: Reasoning, place: str, draft: Draft) -> Wire | None:
    """Claude's thoughts go back with their signature or not at all; those of other models have none."""
    is_foreign = part.id is not None or bool(part.extra and DIALECT not in part.extra)
    if not is_foreign and part.encrypted is not None:
        return {"reasoningContent": {"redactedContent": part.encrypted}}
    if not is_foreign and (part.signature or not draft.needs_signature):
        signature = {"signature": part.signature} if part.signature else {}
        return {"reasoningContent": {"reasoningText": {"text": part.text, **signature}}}
    draft.notes.append(f"{place} was left out: this reasoning is another provider's, or lacks its signature.")
    return None


def _write_media(part: Image | Audio | File, place: str, draft: Draft) -> Wire | None:
    if isinstance(part, File) and part.text is not None:
        source: Wire = {"text": part.text}
    elif part.data is not None:
        source = {"bytes": to_base64(part.data)}
    elif not isinstance(part, Audio) and part.url is not None and part.url.startswith("s3://"):
        source = {"s3Location": {"uri": part.url}}
    else:
        draft.faults.append(f"{place}: Bedrock takes bytes or an s3:// url; fetch the {type(part).__name__} first")
        return None
    media_type = part.media_type or (sniff(part.data) if part.data is not None else None) or ""
    if isinstance(part, File):
        return _write_document(part, media_type, source, place, draft)
    kind, _, name = media_type.partition("/")
    if isinstance(part, Image) and name not in _IMAGES:
        draft.faults.append(f"{place}: media_type {media_type!r} is not one of {', '.join(_IMAGES)}")
        return None
    if isinstance(part, Audio) and kind != "audio":
        draft.faults.append(f"{place}: media_type {media_type!r} is no audio type")
        return None
    return {"image" if isinstance(part, Image) else "audio": {"format": name, "source": source}}


def _write_document(part: File, media_type: str, source: Wire, place: str, draft: Draft) -> Wire | None:
    """A document; its name may hold few characters, and must be there."""
    short = _FORMATS.get(media_type)
    if short is None and "text" not in source:
        draft.faults.append(f"{place}: media_type {media_type!r} is none of {', '.join(_FORMATS.values())}")
        return None
    name = _REFUSED_IN_NAMES.sub(" ", part.name or "document").strip() or "document"
    kind = {"format": short} if short else {}
    return {"document": {**kind, "name": name[:200], "source": source, **own(part.extra, DIALECT)}}
