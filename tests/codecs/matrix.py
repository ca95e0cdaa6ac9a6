"""Any dialect in, any dialect out: what a request or an answer says, in words that no dialect owns, to compare across them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from wire_record import Record

from backstay.codecs.base import Codec
from backstay.codecs.registry import codec, dialects
from backstay.codecs.shown import RAW
from backstay.errors import InvalidRequest
from backstay.fold import fold, unfold
from backstay.types import Audio, File, Image, Message, Refusal, Request, Response, Text, ToolCall, ToolResult, Unknown
from backstay.wire import HTTPRequest

CODECS: dict[str, Codec] = {name: codec(name) for name in dialects()}
PATHS = {
    "gemini": "/v1beta/models/{model}:generateContent",
    "bedrock": "/model/{model}/converse",
}
SETTINGS = ("top_p", "top_k", "stop", "seed", "frequency_penalty", "presence_penalty", "max_output_tokens")


def asked(record: Record) -> Request | None:
    """The Request of a recorded exchange, by its own dialect's mirror, under a model that no trait knows; None for none."""
    if not isinstance(record.request, dict):
        return None
    url = PATHS.get(record.dialect or "", "/").format(model="model-1")
    http = HTTPRequest(url=url, body=msgspec.json.encode(record.request))
    return msgspec.structs.replace(CODECS[record.dialect or ""].decode_request(http), model="model-1", options={})


def answered(record: Record) -> Response:
    """The Response of a recorded exchange."""
    dialect = CODECS[record.dialect or ""]
    if record.kind == "answer":
        return dialect.decode(record.body)
    decoder = dialect.decoder()
    return fold([*decoder.feed(record.body), *decoder.finish()])


def _pieces(content: str | tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    for piece in (Text(text=content),) if isinstance(content, str) else content:
        yield from _say(piece)


def _say(part: Any) -> Iterator[tuple[str, Any]]:
    match part:
        case Text() | Refusal():
            yield "text", part.text
        case ToolCall():
            shown = part.arguments if part.raw_arguments is None else {RAW: part.raw_arguments}
            yield "call", (part.name, shown)
        case ToolResult():
            for kind, said in _pieces(part.content):
                yield f"result {kind}", said
        case File() if part.text is not None or (part.media_type or "").startswith("text/"):
            yield "document", part.text if part.text is not None else (part.data or b"").decode()
        case Image() | File() | Audio():
            kind = "audio" if isinstance(part, Audio) else "media"
            yield kind, part.data if part.data is not None else (getattr(part, "url", None) or part.file_id)
        case Unknown():
            yield "unknown", part.data


def said(messages: tuple[Message, ...]) -> dict[str, Any]:
    """Texts joined by speaker and kind, without blanks, which dialects put between parts; calls, results and media in order."""
    found: dict[str, Any] = {}
    for message in messages:
        for kind, value in (item for part in message.parts for item in _say(part)):
            if kind.endswith("text"):
                key = f"{message.role} {kind}"
                found[key] = found.get(key, "") + "".join(value.split())
            else:
                found.setdefault(kind, []).append(value)
    return found


def pairing(request: Request) -> list[tuple[int, ...]]:
    """For each tool result, which of the calls before it it answers."""
    ids: list[str] = []
    pairs = []
    for part in (part for message in request.messages for part in message.parts):
        if isinstance(part, ToolCall):
            ids.append(part.id)
        elif isinstance(part, ToolResult):
            pairs.append(tuple(place for place, id_ in enumerate(ids) if id_ == part.call_id)[-1:])
    return pairs


def meaning(request: Request) -> dict[str, Any]:
    """What must not be lost between dialects."""
    system = request.system if isinstance(request.system, str) else "".join(part.text for part in request.system or ())
    words = said(request.messages)
    words["system text"] = "".join(system.split()) + words.pop("system text", "")
    return {
        **{key: value for key, value in words.items() if value not in ("", [])},
        "pairing": pairing(request),
        "tools": sorted((tool.name, tool.description) for tool in request.tools),
        "choice": request.tool_choice or "auto",
        "format": request.response_format is not None,
        "temperature": request.temperature or 0.0,
        **{name: getattr(request, name) for name in SETTINGS},
    }


def is_kept(name: str, value: Any, back: dict[str, Any]) -> bool:
    """True where `back` says `value` too. A text document may have become text, in front of what the user wrote."""
    if name in ("document", "result document"):
        texts = ["".join(str(found).split()) for found in back.values()]
        return all(
            any("".join(text.split()) in found for found in texts) or text in back.get(name, ()) for text in value
        )
    if name.endswith("text") and back.get(name) != value:
        return bool(value) and value in back.get(name, "")
    return bool(back.get(name) == value)


def request_faults(request: Request, dialect: Codec) -> list[str]:
    """What encoding `request` and reading it back loses without a word; empty when it was refused, or said in a note."""
    try:
        http = dialect.encode(request)
    except InvalidRequest:
        return []
    notes = " ".join(http.notes)
    back = meaning(dialect.decode_request(http))
    return [
        f"{name}: {_short(value)} became {_short(back.get(name))}"
        for name, value in meaning(request).items()
        if not is_kept(name, value, back) and not (name in NOTED and re.search(NOTED[name], notes))
    ]


NOTED = {
    "call": "arguments",
    "unknown": "left out",
    "result unknown": "left out",
    "result media": "pictures and files",
    "format": "response_format",
    "max_output_tokens": "max_tokens",
    "choice": "tool",
    "tools": "[Tt]ools",
}
"""What a dialect may change or leave out, and the words of the note that has to say so."""


def answer_meaning(response: Response) -> dict[str, Any]:
    """What a client must be told of an answer."""
    words = said((response.message,))
    return {
        **{key: value for key, value in words.items() if value not in ("", [])},
        "truncated": response.was_truncated,
        "input_tokens": response.usage.input_tokens,
        "output_tokens": response.usage.output_tokens,
    }


def answer_faults(response: Response, dialect: Codec) -> list[str]:
    """What a client of `dialect` is not told of an answer, whole or streamed."""
    wanted = answer_meaning(response)
    encoder = dialect.encoder(Request(model="model-1"))
    body = b"".join(encoder.encode(event) for event in unfold(response)) + encoder.finish()
    decoder = dialect.decoder()
    found = {
        "whole": dialect.decode(dialect.encode_response(response)),
        "stream": fold([*decoder.feed(body), *decoder.finish()]),
    }
    return [
        f"{form} {name}: {_short(value)} became {_short(answer_meaning(back).get(name))}"
        for form, back in found.items()
        for name, value in wanted.items()
        if answer_meaning(back).get(name) != value and not _has_no_place(form, name, value, response, dialect.name)
    ]


NO_PLACE = {("bedrock", "stream", "media")}
"""What an answer of a dialect has no word for, by the form of the answer."""


def _has_no_place(form: str, name: str, value: Any, response: Response, target: str) -> bool:
    """Blocks of another dialect's own, sounds, and counts that the wire insists on and nobody said."""
    if name == "unknown":
        return any(isinstance(part, Unknown) and part.dialect != target for part in response.parts)
    if name == "audio":
        is_typed = all(part.media_type for part in response.parts if isinstance(part, Audio))
        return target != "openai_chat" and not (target == "gemini" and is_typed)
    usage = response.usage
    if (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0) > (usage.input_tokens or 0):
        return name == "input_tokens"  # counts that contradict each other, and dialects that state them apart
    return (target, form, name) in NO_PLACE or (name.endswith("_tokens") and value is None)


def _short(value: Any) -> str:
    return repr(base64.b64encode(value)[:40] if isinstance(value, bytes) else value)[:160]
