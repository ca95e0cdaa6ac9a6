"""Content parts of the Chat Completions dialect, in both directions.

The wire's parts are `text`, `image_url`, `input_audio`, `file` and `refusal`; Mistral adds `thinking` and `document_url`,
Perplexity `file_url`. A part of another type becomes `Unknown` and goes back verbatim. Unknown fields of a known part are kept
in its `extra`, under this dialect's name.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from backstay.codecs.lenient import keep, objects_of, own, rest_of, text_of, text_or_none
from backstay.codecs.media import audio_format, audio_type, from_base64, from_data_url, sniff, to_base64, to_data_url
from backstay.codecs.openai_rule import ChatRules
from backstay.types import AnyPart, Audio, File, Image, Reasoning, Refusal, Text, Unknown

DIALECT: Final = "openai_chat"
Wire = dict[str, Any]
_KNOWN: Final = frozenset({"type", "text", "cache_control"})


class Draft:
    """A request being written: the server's rules, what is wrong (`faults`) and what was changed or left out (`notes`)."""

    __slots__ = ("faults", "notes", "rules")

    def __init__(self, rules: ChatRules) -> None:
        self.rules = rules
        self.faults: list[str] = []
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        """Add a note once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def read_content(content: Any) -> tuple[AnyPart, ...]:
    """The parts of a message's `content`: a string, an array of parts, or null."""
    if isinstance(content, str):
        return (Text(text=content),) if content else ()
    return tuple(read_part(item) for item in objects_of(content))


def read_part(item: Wire) -> AnyPart:
    """One content part; `Unknown` where its type, or its shape, is not one that we know."""
    kind = text_of(item.get("type")) or ("text" if "text" in item else "")
    reader = _READERS.get(kind)
    part = reader(item) if reader else None
    return Unknown(dialect=DIALECT, data=item) if part is None else part


def read_cache(item: Wire) -> Literal["5m", "1h"] | None:
    """The cache mark of `item`."""
    mark = item.get("cache_control")
    if not isinstance(mark, dict):
        return None
    return "1h" if mark.get("ttl") == "1h" else "5m"


def _read_text(item: Wire) -> AnyPart | None:
    if not isinstance(item.get("text"), str):
        return None
    return Text(text=item["text"], cache=read_cache(item), extra=keep(DIALECT, rest_of(item, _KNOWN)))


def _inner(item: Wire, field: str) -> Wire | None:
    """The object under `field`; a bare string there is its `url`, as Mistral writes it."""
    value = item.get(field)
    return {"url": value} if isinstance(value, str) else value if isinstance(value, dict) else None


def _extra(item: Wire, field: str, inner: Wire, known: frozenset[str]) -> dict[str, Any] | None:
    """Unknown fields of a part and of its inner object, the latter under the part's own field name."""
    rest = rest_of(item, frozenset({"type", "cache_control", field}))
    below = rest_of(inner, known)
    return keep(DIALECT, {**rest, field: below} if below else rest)


def _read_image(item: Wire) -> AnyPart | None:
    inner = _inner(item, "image_url")
    if inner is None or not isinstance(inner.get("url"), str):
        return None
    detail = text_or_none(inner.get("detail"))
    cache, extra = read_cache(item), _extra(item, "image_url", inner, frozenset({"url", "detail"}))
    embedded = from_data_url(inner["url"])
    if embedded is None:
        return Image(url=inner["url"], detail=detail, cache=cache, extra=extra)
    return Image(data=embedded[0], media_type=embedded[1] or None, detail=detail, cache=cache, extra=extra)


def _read_audio(item: Wire) -> AnyPart | None:
    value = item.get("input_audio")
    inner = {"data": value} if isinstance(value, str) else value
    data = from_base64(text_of(inner.get("data"))) if isinstance(inner, dict) else None
    if not data or not isinstance(inner, dict):
        return None
    short = text_or_none(inner.get("format"))
    extra = _extra(item, "input_audio", inner, frozenset({"data", "format"}))
    return Audio(data=data, media_type=audio_type(short) if short else None, cache=read_cache(item), extra=extra)


def _read_file(item: Wire) -> AnyPart | None:
    inner = item.get("file")
    if not isinstance(inner, dict):
        return None
    facts: dict[str, Any] = {
        "name": text_or_none(inner.get("filename")),
        "cache": read_cache(item),
        "extra": _extra(item, "file", inner, frozenset({"filename", "file_data", "file_id"})),
    }
    data, file_id = text_or_none(inner.get("file_data")), text_or_none(inner.get("file_id"))
    if file_id:
        return File(file_id=file_id, **facts)
    embedded = from_data_url(data) if data else None
    if embedded:
        return File(data=embedded[0], media_type=embedded[1] or None, **facts)
    return File(url=data, **facts) if data and "://" in data[:12] else None


def _read_linked(field: str) -> Callable[[Wire], AnyPart | None]:
    def read(item: Wire) -> AnyPart | None:
        inner = _inner(item, field)
        if inner is None or not isinstance(inner.get("url"), str):
            return None
        known = frozenset({"type", field, "document_name", "file_name"})
        name = text_or_none(item.get("document_name")) or text_or_none(item.get("file_name"))
        return File(url=inner["url"], name=name, extra=keep(DIALECT, rest_of(item, known)))

    return read


def _read_refusal(item: Wire) -> AnyPart | None:
    return Refusal(text=item["refusal"]) if isinstance(item.get("refusal"), str) else None


def read_thinking(item: Wire) -> Reasoning:
    """A `thinking` part: its text is a string or an array of text parts."""
    inner = item.get("thinking")
    texts = [inner] if isinstance(inner, str) else [text_of(piece.get("text")) for piece in objects_of(inner)]
    rest = rest_of(item, frozenset({"type", "thinking", "signature", "closed"}))
    return Reasoning(text="".join(texts), signature=text_or_none(item.get("signature")), extra=keep(DIALECT, rest))


_READERS: Final[dict[str, Callable[[Wire], AnyPart | None]]] = {
    "text": _read_text,
    "output_text": _read_text,
    "input_text": _read_text,
    "image_url": _read_image,
    "input_audio": _read_audio,
    "file": _read_file,
    "document_url": _read_linked("document_url"),
    "file_url": _read_linked("file_url"),
    "refusal": _read_refusal,
    "thinking": read_thinking,
}


def write_part(part: AnyPart, place: str, draft: Draft) -> Wire | None:
    """The wire's form of `part`; None, and a fault at `place`, where this dialect has none."""
    if isinstance(part, Text):
        wire: Wire | None = {"type": "text", "text": part.text}
    elif isinstance(part, Image):
        wire = _write_image(part, place, draft)
    elif isinstance(part, Audio):
        wire = _write_audio(part, place, draft)
    elif isinstance(part, File):
        wire = _write_file(part, place, draft)
    elif isinstance(part, Unknown) and part.dialect == DIALECT:
        wire = part.data
    else:
        what = f"a block of dialect {part.dialect!r}" if isinstance(part, Unknown) else f"a {type(part).__name__} part"
        draft.faults.append(f"{place}: {what} cannot be sent here")
        wire = None
    return wire if wire is None else _decorate(wire, part, draft)


def _decorate(wire: Wire, part: AnyPart, draft: Draft) -> Wire:
    """Add the cache mark, where the server reads one, and the fields that were kept."""
    if part.cache is not None:
        if draft.rules.has_cache_control:
            mark = {"type": "ephemeral"} if part.cache == "5m" else {"type": "ephemeral", "ttl": part.cache}
            wire = {**wire, "cache_control": mark}
        else:
            draft.note("cache marks were left out: this server caches by itself")
    for name, value in own(part.extra, DIALECT).items() if part.extra else ():
        both = isinstance(value, dict) and isinstance(wire.get(name), dict)
        wire = {**wire, name: {**wire[name], **value} if both else value}
    return wire


def _write_image(part: Image, place: str, draft: Draft) -> Wire | None:
    url = part.url
    if part.data is not None:
        media_type = part.media_type or sniff(part.data)
        if media_type is None:
            draft.faults.append(f"{place}: the picture's media_type is not known: give it")
            return None
        url = to_data_url(part.data, media_type)
    if url is None:
        draft.faults.append(f"{place}: a picture by file id cannot be sent here: give data or url")
        return None
    return {"type": "image_url", "image_url": {"url": url, "detail": part.detail} if part.detail else {"url": url}}


def _write_audio(part: Audio, place: str, draft: Draft) -> Wire | None:
    if part.data is None:
        draft.faults.append(f"{place}: a sound by file id cannot be sent here: give data")
        return None
    data = to_base64(part.data)
    if draft.rules.is_audio_bare:
        return {"type": "input_audio", "input_audio": data}
    return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format(part.media_type)}}


def _write_file(part: File, place: str, draft: Draft) -> Wire | None:
    if part.text is not None:
        return {"type": "text", "text": f"{part.name}:\n{part.text}" if part.name else part.text}
    if part.url is not None:
        return _write_linked(part.url, part.name, place, draft)
    inner: Wire = {"filename": part.name} if part.name else {}
    if part.file_id is not None:
        return {"type": "file", "file": {**inner, "file_id": part.file_id}}
    media_type = part.media_type or (sniff(part.data) if part.data else None) or "application/octet-stream"
    return {"type": "file", "file": {**inner, "file_data": to_data_url(part.data or b"", media_type)}}


def _write_linked(url: str, name: str | None, place: str, draft: Draft) -> Wire | None:
    kind = draft.rules.file_url_part
    if kind is None:
        draft.faults.append(f"{place}: a file by url cannot be sent here: give data")
        return None
    if kind == "file":
        return {"type": "file", "file": {"filename": name, "file_data": url} if name else {"file_data": url}}
    if kind == "file_url":
        return {"type": kind, kind: {"url": url}, **({"file_name": name} if name else {})}
    return {"type": kind, kind: url, **({"document_name": name} if name else {})}
