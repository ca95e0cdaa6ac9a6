"""Parts of the Gemini dialect, in both directions.

A thought signature belongs to the part that it came with and goes back in the same place: on a call as `signature`, on a
thought as `signature`, on a text in `extra`. A call without an id gets one of ours (`MADE_UP`), so that results can name it;
such an id is never sent. Part kinds without a neutral form are `Unknown` and go back verbatim.

Source: https://ai.google.dev/gemini-api/docs/thought-signatures, https://ai.google.dev/api/caching#Part
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from backstay.codecs.gemini_wire import DIALECT, Wire, field, items, rest
from backstay.codecs.lenient import keep, object_of, own, text_of, text_or_none
from backstay.codecs.media import from_base64, sniff, to_base64
from backstay.types import AnyPart, Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult, Unknown

MADE_UP: Final = "gemini-call-"
"""The beginning of ids that this codec makes where the API gave none."""

SKIP_SIGNATURE: Final = "skip_thought_signature_validator"
"""What the API documents to be sent where a call of another model has no signature."""

_TEXT_KEYS: Final = frozenset({"text", "thought"})
_CALL_KEYS: Final = frozenset({"functionCall", "thoughtSignature", "thought"})
_THOUGHT_KEYS: Final = frozenset({"text", "thought", "thoughtSignature"})
_RESULT_KEYS: Final = frozenset({"functionResponse", "thought"})
_BLOB_KEYS: Final = frozenset({"inlineData", "fileData", "thought"})
_ANSWER_KEYS: Final = frozenset({"output", "error"})


class Draft:
    """A request being written: what is wrong with it (`faults`) and what was left out of it (`notes`)."""

    __slots__ = ("faults", "notes")

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []


def made_up_id(seed: str, index: int, call: Wire) -> str:
    """An id for a call that has none: from the answer's own id and the call's place, else from the call itself."""
    if not seed:
        seed = f"{binascii.crc32(msgspec.json.encode([call.get('name'), call.get('args')], order='sorted')):08x}"
    return f"{MADE_UP}{seed}-{index}"


def read_parts(content: Any, seed: str = "", first: int = 0) -> tuple[AnyPart, ...]:
    """The parts of a content object; `seed` and `first` number the calls that come without an id."""
    found: list[AnyPart] = []
    for wire in items(object_of(content).get("parts")):
        part = read_part(wire, seed, first + len(found))
        if part is not None:
            found.append(part)
    return tuple(found)


def read_part(wire: Wire, seed: str = "", index: int = 0) -> AnyPart | None:
    """The part that `wire` stands for, None for one that says nothing."""
    signature = text_or_none(field(wire, "thoughtSignature"))
    if wire.get("thought") is True and not (field(wire, "functionCall") or field(wire, "inlineData")):
        extra = keep(DIALECT, {"thoughtSignature": signature} if signature else rest(wire, _THOUGHT_KEYS))
        return Reasoning(text=text_of(wire.get("text")), signature=signature, extra=extra)
    if isinstance(wire.get("text"), str):
        extra = rest(wire, _TEXT_KEYS | {"thoughtSignature"})
        if signature:
            extra["thoughtSignature"] = signature
        return Text(text=wire["text"], extra=keep(DIALECT, extra)) if wire["text"] or extra else None
    call = field(wire, "functionCall")
    if isinstance(call, dict):
        return read_call(wire, call, signature, seed, index)
    result = field(wire, "functionResponse")
    if isinstance(result, dict):
        return _read_result(wire, result)
    blob = field(wire, "inlineData") or field(wire, "fileData")
    part = _read_blob(wire, blob) if isinstance(blob, dict) else None
    if part is None and not any(key != "thought" for key in wire):
        return None
    return part if part is not None else Unknown(dialect=DIALECT, data=wire)


def read_call(wire: Wire, call: Wire, signature: str | None, seed: str, index: int) -> ToolCall:
    """The tool call of a functionCall part."""
    return ToolCall(
        id=text_or_none(call.get("id")) or made_up_id(seed, index, call),
        name=text_of(call.get("name")),
        arguments=object_of(call.get("args")),
        signature=None if signature == SKIP_SIGNATURE else signature,
        extra=keep(DIALECT, rest(wire, _CALL_KEYS)),
    )


def _read_result(wire: Wire, result: Wire) -> ToolResult:
    """A result. One that is not `{"output": text}` or `{"error": text}` is shown as JSON and kept for the way back."""
    response = object_of(result.get("response"))
    key = next(iter(response)) if len(response) == 1 else ""
    extra = rest(wire, _RESULT_KEYS)
    if key in _ANSWER_KEYS and isinstance(response[key], str):
        text, is_error = response[key], key == "error"
    else:
        text, is_error = msgspec.json.encode(response).decode(), False
        extra["response"] = response
    media = tuple(
        part
        for part in (read_part(item) for item in items(result.get("parts")))
        if isinstance(part, Image | File | Unknown)
    )
    return ToolResult(
        call_id=text_of(result.get("id")),
        content=(*([Text(text=text)] if text else []), *media) if media else text,
        is_error=is_error,
        name=text_or_none(result.get("name")),
        extra=keep(DIALECT, extra),
    )


def _read_blob(wire: Wire, blob: Wire) -> AnyPart | None:
    media_type = text_or_none(field(blob, "mimeType"))
    extra = rest(wire, _BLOB_KEYS)
    facts: dict[str, Any] = {"media_type": media_type, "extra": keep(DIALECT, extra)}
    uri = text_or_none(field(blob, "fileUri"))
    if uri is not None:
        facts["url" if "://" in uri else "file_id"] = uri
    else:
        facts["data"] = from_base64(text_of(blob.get("data")).replace("-", "+").replace("_", "/"))
        if facts["data"] is None:
            return None
    kind = (media_type or "").partition("/")[0]
    if kind == "image":
        return Image(**facts)
    if kind == "audio" and "url" not in facts:
        return Audio(**facts)
    return File(name=text_or_none(field(blob, "displayName")), **facts)


def write_parts(parts: Iterable[AnyPart], place: str, draft: Draft, names: dict[str, str]) -> list[Wire]:
    """The wire's parts. `names` gives the tool's name by call id, which a result must repeat."""
    written = []
    for index, part in enumerate(parts):
        wire = _write_part(part, f"{place}.parts[{index}]", draft, names)
        if wire is not None:
            written.append(wire)
    return written


def _write_part(part: AnyPart, place: str, draft: Draft, names: dict[str, str]) -> Wire | None:
    extra = own(part.extra, DIALECT)
    if isinstance(part, Text | Refusal):
        return {"text": part.text, **extra} if part.text or extra else None
    if isinstance(part, ToolCall):
        return _write_call(part, place, draft, extra)
    if isinstance(part, ToolResult):
        return _write_result(part, place, draft, names, extra)
    if isinstance(part, Reasoning):
        return _write_thought(part, place, draft, extra)
    if isinstance(part, Unknown):
        if part.dialect == DIALECT:
            return part.data
        draft.notes.append(f"{place} was left out: only the {part.dialect} dialect knows this part.")
        return None
    return _write_blob(part, place, draft, extra)


def _write_call(part: ToolCall, place: str, draft: Draft, extra: Wire) -> Wire:
    if not part.name:
        draft.faults.append(f"{place}: a ToolCall needs a name")
    if part.raw_arguments is not None:
        draft.notes.append(f"{place} is sent without arguments: the model's own were no JSON object.")
    call: Wire = {"name": part.name, "args": part.arguments}
    if part.id and not part.id.startswith(MADE_UP):
        call["id"] = part.id
    wire: Wire = {"functionCall": call, **extra}
    return {**wire, "thoughtSignature": part.signature} if part.signature else wire


def _write_result(part: ToolResult, place: str, draft: Draft, names: dict[str, str], extra: Wire) -> Wire:
    name = part.name or names.get(part.call_id)
    if not name:
        draft.faults.append(
            f"{place}: the result of {part.call_id!r} needs the tool's name; no call before it has this id"
        )
    response = extra.get("response")
    media: list[Wire] = []
    if isinstance(part.content, str):
        text = part.content
    else:
        text = "".join(item.text for item in part.content if isinstance(item, Text))
        media = write_parts([item for item in part.content if not isinstance(item, Text)], place, draft, names)
    result: Wire = {"name": name or "", "response": response}
    if not isinstance(response, dict):
        result["response"] = {"error" if part.is_error else "output": text}
    if part.call_id and not part.call_id.startswith(MADE_UP):
        result["id"] = part.call_id
    if media:
        result["parts"] = media
    return {"functionResponse": result, **{key: value for key, value in extra.items() if key != "response"}}


def _write_thought(part: Reasoning, place: str, draft: Draft, extra: Wire) -> Wire | None:
    is_ours = bool(part.extra and DIALECT in part.extra)
    if not is_ours and (part.signature or part.encrypted or part.id or not part.text):
        draft.notes.append(f"{place} was left out: this reasoning is another provider's.")
        return None
    wire: Wire = {"thought": True, **({"text": part.text} if part.text else {}), **extra}
    return {**wire, "thoughtSignature": part.signature} if part.signature else wire


def _write_blob(part: Image | Audio | File, place: str, draft: Draft, extra: Wire) -> Wire | None:
    uri = part.file_id or (None if isinstance(part, Audio) else part.url)
    if uri is not None:
        kind = {"mimeType": part.media_type} if part.media_type else {}
        return {"fileData": {**kind, "fileUri": uri}, **extra}
    data, media_type = part.data, part.media_type
    if isinstance(part, File) and part.text is not None:
        data, media_type = part.text.encode(), media_type or "text/plain"
    if data is None:
        draft.faults.append(f"{place}: this {type(part).__name__} has no data, url or file_id")
        return None
    media_type = media_type or sniff(data)
    if media_type is None:
        draft.faults.append(f"{place}: media_type is needed, and the data do not tell it")
        return None
    name = {"displayName": part.name} if isinstance(part, File) and part.name else {}
    return {"inlineData": {"mimeType": media_type, "data": to_base64(data), **name}, **extra}
