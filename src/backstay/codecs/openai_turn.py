"""An assistant's turn in the Chat Completions dialect: reasoning, text, refusal and tool calls in one wire message.

The wire keeps each kind in a field of its own, so a turn's parts are read, and must stand to be written back unchanged, in
the order reasoning, content, refusal, tool calls. Reasoning has four spellings: a string `reasoning_content` (DeepSeek,
llama.cpp), a string `reasoning` (vLLM, Groq, Ollama), `thinking` parts inside `content` (Mistral), and OpenRouter's
`reasoning_details`, which carry signatures and encrypted blocks and must return verbatim: each detail is one part, whose
remaining fields are kept in its `extra` under "detail".
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import msgspec

from backstay.codecs.lenient import keep, objects_of, own, rest_of, text_of, text_or_none
from backstay.codecs.media import from_base64, to_base64
from backstay.codecs.openai_part import DIALECT, Draft, Wire, read_content, read_part, write_part
from backstay.fold import parse_arguments
from backstay.types import (
    AnyPart,
    Audio,
    Message,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Unknown,
)

TURN_FIELDS: Final = frozenset(
    {
        "role",
        "content",
        "name",
        "refusal",
        "tool_calls",
        "function_call",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "audio",
        "images",
        "padding",
        "obfuscation",
    }
)
_DETAIL_FIELDS: Final = frozenset({"text", "summary", "data", "signature", "id"})
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def make_call_id(seed: str, index: int, name: str) -> str:
    """A tool call's id where the server gave none: the same for the same answer, place and tool."""
    return "call_" + sha256(f"{seed}\0{index}\0{name}".encode("utf-8", "replace")).hexdigest()[:24]


_SILENT: Final = ("refusal", "tool_calls", "annotations", "audio", "function_call")
_PLAIN: Final = frozenset({"role", "content", *_SILENT})
"""The fields of a turn that says a text and nothing else; the silent ones hold nothing then."""


def read_turn(message: Wire, seed: str = "") -> tuple[AnyPart, ...]:
    """The parts of an assistant's wire message; `seed` is the answer's id, from which missing call ids are made."""
    content = message.get("content")
    if type(content) is str and content and message.keys() <= _PLAIN and not any(map(message.get, _SILENT)):
        return (Text(text=content),)
    parts: list[AnyPart] = [*read_reasoning(message), *read_content(content)]
    parts += [read_part(item) for item in objects_of(message.get("images"))]
    audio = message.get("audio")
    if isinstance(audio, dict) and (audio.get("id") or audio.get("data")):
        parts.append(read_audio(audio))
    if refusal := text_or_none(message.get("refusal")):
        parts.append(Refusal(text=refusal))
    for index, item in enumerate(objects_of(message.get("tool_calls"))):
        parts.append(read_tool_call(item, index, seed))
    legacy = message.get("function_call")
    if isinstance(legacy, dict) and legacy.get("name"):
        parts.append(read_tool_call({"function": legacy}, 0, seed))
    return tuple(parts)


def read_reasoning(message: Wire) -> list[Reasoning]:
    """The reasoning of a turn, from whichever fields hold it; details win over the plain string that repeats them."""
    details = [read_detail(detail) for detail in objects_of(message.get("reasoning_details"))]
    text = text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))
    if text and not any(detail.text for detail in details):
        return [Reasoning(text=text), *details]
    return details


def read_detail(detail: Wire) -> Reasoning:
    """One entry of `reasoning_details` as a part that `write_detail` turns into the same entry again."""
    return Reasoning(
        text=text_of(detail.get("text")) or text_of(detail.get("summary")),
        signature=text_or_none(detail.get("signature")),
        encrypted=text_or_none(detail.get("data")),
        id=text_or_none(detail.get("id")),
        is_summary=isinstance(detail.get("summary"), str),
        extra=keep(DIALECT, {"detail": rest_of(detail, _DETAIL_FIELDS)}),
    )


def write_detail(part: Reasoning) -> Wire:
    """The entry of `reasoning_details` that `part` was read from."""
    wire: Wire = dict(own(part.extra, DIALECT)["detail"])
    if part.is_summary:
        wire["summary"] = part.text
    elif part.text:
        wire["text"] = part.text
    for field, value in (("data", part.encrypted), ("signature", part.signature), ("id", part.id)):
        if value is not None:
            wire[field] = value
    return wire


def read_audio(audio: Wire) -> AnyPart:
    """A spoken answer: its bytes, with id, transcript and expiry in `extra`; `Unknown` where the bytes are damaged."""
    data = from_base64(text_of(audio.get("data")))
    if data is None:
        return Unknown(dialect=DIALECT, data={"audio": audio})
    return Audio(data=data, extra=keep(DIALECT, {"audio": rest_of(audio, frozenset({"data"}))}))


def read_tool_call(item: Wire, index: int, seed: str) -> ToolCall:
    """One tool call. A custom tool's input is free text and so stands in `raw_arguments`."""
    custom = item.get("custom")
    inner = custom if isinstance(custom, dict) else item.get("function")
    inner = inner if isinstance(inner, dict) else {}
    name = text_of(inner.get("name"))
    given = inner.get("input") if isinstance(custom, dict) else inner.get("arguments")
    raw: str | None
    if isinstance(given, dict):
        arguments, raw = given, None
    elif isinstance(custom, dict):
        arguments, raw = {}, text_of(given)
    else:
        arguments, raw = parse_arguments(text_of(given))
    return ToolCall(
        id=text_or_none(item.get("id")) or make_call_id(seed, index, name),
        name=name,
        arguments=arguments,
        raw_arguments=raw,
        extra=tool_call_extra(item),
    )


def tool_call_extra(item: Wire) -> dict[str, Any] | None:
    """The unknown fields of a tool call (Google's signatures stand in one), and its type where it is no function."""
    rest = rest_of(item, frozenset({"id", "type", "index", "function", "custom"}))
    if item.get("type") == "custom":
        rest["type"] = "custom"
    return keep(DIALECT, rest)


def _write_audio(part: Audio, *, is_answer: bool) -> Wire:
    """A spoken turn is sent back by its id alone; a client gets all of it."""
    kept: Wire = own(part.extra, DIALECT)["audio"]
    return {**kept, "data": to_base64(part.data or b"")} if is_answer else {"id": kept.get("id")}


def write_turn(message: Message, place: str, draft: Draft, *, is_answer: bool = False) -> Wire:
    """The wire message of an assistant's turn; faults and notes go to `draft`."""
    wire: Wire = {"role": "assistant"}
    content: list[Wire] = []
    calls: list[Wire] = []
    thoughts: list[Reasoning] = []
    for number, part in enumerate(message.parts):
        where = f"{place}.parts[{number}]"
        if isinstance(part, ToolCall):
            calls.append(write_tool_call(part, draft))
        elif isinstance(part, Reasoning):
            thoughts.append(part)
        elif isinstance(part, Refusal):
            wire["refusal"] = wire.get("refusal", "") + part.text
        elif isinstance(part, Audio) and "audio" in own(part.extra, DIALECT):
            wire["audio"] = _write_audio(part, is_answer=is_answer)
        elif isinstance(part, Unknown) and part.dialect != DIALECT:
            draft.note(f"a block of dialect {part.dialect!r} in an assistant's turn was left out")
        elif (item := write_part(part, where, draft)) is not None:
            content.append(item)
    content = _write_thoughts(thoughts, wire, content, draft)
    wire["content"] = _fold_content(content, message.parts)
    if wire["content"] is None and not (calls or "refusal" in wire or "audio" in wire):
        wire["content"] = ""
    if calls:
        wire["tool_calls"] = calls
    return wire


def _fold_content(content: list[Wire], parts: tuple[AnyPart, ...]) -> str | list[Wire] | None:
    """A single plain text as a string, nothing as null, anything else as an array."""
    if not content:
        return None
    plain = len(content) == 1 and set(content[0]) == {"type", "text"} and any(isinstance(part, Text) for part in parts)
    return str(content[0]["text"]) if plain else content


def _write_thoughts(thoughts: list[Reasoning], wire: Wire, content: list[Wire], draft: Draft) -> list[Wire]:
    """Put the reasoning where the server wants it back; the content, with `thinking` parts before it where those are meant."""
    way = draft.rules.reasoning_back
    if not thoughts:
        return content
    if way == "none":
        draft.note("the reasoning of earlier turns was left out: this server takes none back")
        return content
    details = [write_detail(part) for part in thoughts if "detail" in own(part.extra, DIALECT)]
    text = "".join(part.text for part in thoughts if "detail" not in own(part.extra, DIALECT))
    if details:
        wire["reasoning_details"] = details
    if way == "thinking_part":
        return [_write_thinking(part) for part in thoughts] + content
    if text:
        wire[way] = text
    return content


def _write_thinking(part: Reasoning) -> Wire:
    wire: Wire = {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]}
    if part.signature is not None:
        wire["signature"] = part.signature
    return {**wire, **{name: value for name, value in own(part.extra, DIALECT).items() if name != "detail"}}


def write_tool_call(part: ToolCall, draft: Draft) -> Wire:
    """The wire's form of a tool call."""
    kept = own(part.extra, DIALECT)
    text = part.raw_arguments
    if text is None:
        text = msgspec.json.encode(part.arguments).decode()
    wire: Wire = {"id": fit_call_id(part.id, draft), "type": "function"}
    if kept.get("type") == "custom":
        return {**wire, **kept, "custom": {"name": part.name, "input": text}}
    return {**wire, **kept, "function": {"name": part.name, "arguments": text}}


def fit_call_id(call_id: str, draft: Draft) -> str:
    """`call_id` where the server takes it, else a digest of it in the server's length: calls and results stay matched."""
    rules = draft.rules
    if rules.has_exact_tool_id:
        fits = len(call_id) == rules.tool_id_length and call_id.isascii() and call_id.isalnum()
    else:
        fits = len(call_id) <= rules.tool_id_length
    if fits:
        return call_id
    number = int.from_bytes(sha256(call_id.encode("utf-8", "replace")).digest())
    digits = []
    for _ in range(rules.tool_id_length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
