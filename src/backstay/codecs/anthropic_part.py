"""Parts and content blocks of the Anthropic dialect, in both directions.

A block type that the neutral model has no part for becomes `Unknown` and goes back verbatim; fields that it has no name for go
to `extra`. Reading never fails on what it does not know. Writing reports what the API would refuse to `Draft.faults`, and
what had to be left out to `Draft.notes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from backstay.codecs.anthropic_wire import DIALECT
from backstay.codecs.lenient import keep, objects_of, own, rest_of, text_of, text_or_none
from backstay.codecs.media import from_base64, sniff, to_base64
from backstay.codecs.shown import join_blanks
from backstay.fold import parse_arguments
from backstay.types import (
    AnyPart,
    Audio,
    File,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
)

Block = dict[str, Any]

IMAGE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_TEXT_KEYS: Final = frozenset({"type", "text", "cache_control"})
_TOOL_USE_KEYS: Final = frozenset({"type", "id", "name", "input", "cache_control"})
_TOOL_RESULT_KEYS: Final = frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"})
_THINKING_KEYS: Final = frozenset({"type", "thinking", "signature", "data", "cache_control"})
_SOURCE_KEYS: Final = frozenset({"type", "source", "title", "cache_control"})
_REFUSED_IN_IDS: Final = re.compile(r"[^a-zA-Z0-9_-]")


class Draft:
    """A request being written: what is wrong with it (`faults`) and what was left out of it (`notes`)."""

    __slots__ = ("faults", "notes")

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []


def read_blocks(content: Any) -> tuple[AnyPart, ...]:
    """The parts of `content`: a string, a list of blocks, or null."""
    if isinstance(content, str):
        return (Text(text=content),)
    return tuple(read_block(block) for block in objects_of(content))


def read_block(block: Block) -> AnyPart:
    """The part that `block` stands for; `Unknown` where there is none or where the block is not as documented."""
    reader = _READERS.get(text_of(block.get("type")))
    part = reader(block) if reader else None
    return part if part is not None else Unknown(dialect=DIALECT, data=block)


def _read_text(block: Block) -> AnyPart | None:
    text = block.get("text")
    if not isinstance(text, str):
        return None
    return Text(text=text, cache=read_cache(block), extra=_keep(block, _TEXT_KEYS))


def _read_thinking(block: Block) -> AnyPart:
    return Reasoning(
        text=text_of(block.get("thinking")),
        signature=text_or_none(block.get("signature")),
        extra=_keep(block, _THINKING_KEYS),
    )


def _read_redacted_thinking(block: Block) -> AnyPart | None:
    data = block.get("data")
    return Reasoning(encrypted=data, extra=_keep(block, _THINKING_KEYS)) if isinstance(data, str) else None


def _read_tool_use(block: Block) -> AnyPart:
    given = block.get("input")
    arguments, raw = (given, None) if isinstance(given, dict) else parse_arguments(text_of(given))
    return ToolCall(
        id=text_of(block.get("id")),
        name=text_of(block.get("name")),
        arguments=arguments,
        raw_arguments=raw,
        cache=read_cache(block),
        extra=_keep(block, _TOOL_USE_KEYS),
    )


def _read_tool_result(block: Block) -> AnyPart:
    content = block.get("content")
    parts: Any = content if isinstance(content, str) else read_blocks(content)
    return ToolResult(
        call_id=text_of(block.get("tool_use_id")),
        content=parts or "",
        is_error=bool(block.get("is_error")),
        cache=read_cache(block),
        extra=_keep(block, _TOOL_RESULT_KEYS),
    )


def _read_image(block: Block) -> AnyPart | None:
    facts = _read_source(block)
    if facts is None or "text" in facts:
        return None
    return Image(**facts, cache=read_cache(block), extra=_keep(block, _SOURCE_KEYS))


def _read_document(block: Block) -> AnyPart | None:
    facts = _read_source(block)
    if facts is None:
        return None
    return File(
        **facts, name=text_or_none(block.get("title")), cache=read_cache(block), extra=_keep(block, _SOURCE_KEYS)
    )


def _read_source(block: Block) -> dict[str, Any] | None:
    """The neutral fields of a `source`; None for a kind that has no neutral form."""
    source = block.get("source")
    if not isinstance(source, dict):
        return None
    kind = source.get("type")
    if kind == "base64":
        data = from_base64(text_of(source.get("data")))
        return None if data is None else {"data": data, "media_type": text_or_none(source.get("media_type"))}
    if kind == "text" and isinstance(source.get("data"), str):
        return {"text": source["data"], "media_type": text_or_none(source.get("media_type"))}
    if kind == "url" and isinstance(source.get("url"), str):
        return {"url": source["url"]}
    if kind == "file" and isinstance(source.get("file_id"), str):
        return {"file_id": source["file_id"]}
    return None


_READERS: Final[dict[str, Callable[[Block], AnyPart | None]]] = {
    "text": _read_text,
    "thinking": _read_thinking,
    "redacted_thinking": _read_redacted_thinking,
    "tool_use": _read_tool_use,
    "tool_result": _read_tool_result,
    "image": _read_image,
    "document": _read_document,
}


def _keep(block: Block, known: frozenset[str]) -> dict[str, Any] | None:
    """The fields that no part has a name for; an empty list (`citations`) says nothing."""
    return keep(DIALECT, {key: value for key, value in rest_of(block, known).items() if value != []})


def read_cache(block: Block) -> Literal["5m", "1h"] | None:
    """The lifetime in a `cache_control`, None where there is none."""
    control = block.get("cache_control")
    if not isinstance(control, dict):
        return None
    return "1h" if control.get("ttl") == "1h" else "5m"


def write_cache(cache: Literal["5m", "1h"]) -> dict[str, str]:
    """The `cache_control` for a lifetime; five minutes is the wire's default."""
    return {"type": "ephemeral", "ttl": "1h"} if cache == "1h" else {"type": "ephemeral"}


def write_blocks(parts: Iterable[AnyPart], role: str, place: str, draft: Draft) -> list[Block]:
    """The content blocks of `parts`. Texts of blanks alone, which the API refuses and models produce, join their neighbours."""
    blocks = []
    for index, part in join_blanks(parts):
        block = _write_part(part, role, f"{place}.parts[{index}]", draft)
        if block is not None:
            blocks.append(_with_cache(block, part))
    return blocks


def _with_cache(block: Block, part: Part) -> Block:
    if part.cache is None or block.get("type") in ("thinking", "redacted_thinking"):
        return block
    return {**block, "cache_control": write_cache(part.cache)}


def _write_part(part: AnyPart, role: str, place: str, draft: Draft) -> Block | None:
    if isinstance(part, Unknown):
        if part.dialect != DIALECT:
            draft.notes.append(f"{place} was left out: only the {part.dialect} dialect knows this block.")
            return None
        return part.data
    if isinstance(part, ToolCall | Reasoning) and role != "assistant":
        draft.faults.append(f"{place}: a {type(part).__name__} belongs to an assistant message, not to role {role!r}")
        return None
    if isinstance(part, ToolResult) and role == "assistant":
        draft.faults.append(f"{place}: a ToolResult belongs to a message of role 'tool', not 'assistant'")
        return None
    if isinstance(part, Text | Refusal):
        return {"type": "text", "text": part.text, **own(part.extra, DIALECT)}
    if isinstance(part, ToolCall):
        return _write_tool_call(part, place, draft)
    if isinstance(part, ToolResult):
        return _write_tool_result(part, place, draft)
    if isinstance(part, Reasoning):
        return _write_reasoning(part, place, draft)
    return _write_media(part, place, draft)


def wire_id(call_id: str) -> str:
    """`call_id` in the characters that the API takes; ids of other providers may hold dots and colons."""
    return _REFUSED_IN_IDS.sub("_", call_id)


def _write_tool_call(part: ToolCall, place: str, draft: Draft) -> Block:
    if not part.id or not part.name:
        draft.faults.append(f"{place}: a ToolCall needs an id and a name")
    if part.raw_arguments is not None:
        draft.notes.append(f"{place} is sent with empty input: the model's arguments were no JSON object.")
    return {
        "type": "tool_use",
        "id": wire_id(part.id),
        "name": part.name,
        "input": part.arguments,
        **own(part.extra, DIALECT),
    }


def _write_tool_result(part: ToolResult, place: str, draft: Draft) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": wire_id(part.call_id)}
    if isinstance(part.content, str):
        block["content"] = part.content
    else:
        block["content"] = write_blocks(part.content, "tool", place, draft)
    if part.is_error:
        block["is_error"] = True
    return {**block, **own(part.extra, DIALECT)}


def _write_reasoning(part: Reasoning, place: str, draft: Draft) -> Block | None:
    """Thoughts go back only with the proof that this API made them: another provider's carry an id, an extra of its own
    dialect, or no signature."""
    is_foreign = part.id is not None or bool(part.extra and DIALECT not in part.extra)
    if not is_foreign and part.encrypted is not None:
        return {"type": "redacted_thinking", "data": part.encrypted, **own(part.extra, DIALECT)}
    if not is_foreign and part.signature:
        return {
            "type": "thinking",
            "thinking": part.text,
            "signature": part.signature,
            **own(part.extra, DIALECT),
        }
    draft.notes.append(f"{place} was left out: reasoning without an Anthropic signature is refused.")
    return None


def _write_media(part: Image | Audio | File, place: str, draft: Draft) -> Block | None:
    if isinstance(part, Audio):
        draft.faults.append(f"{place}: the Anthropic Messages API takes no audio; send a transcript")
        return None
    source = _write_source(part)
    if isinstance(source, str):
        draft.faults.append(f"{place}: {source}")
        return None
    if isinstance(part, Image):
        return {"type": "image", "source": source, **own(part.extra, DIALECT)}
    title = {"title": part.name} if part.name else {}
    return {"type": "document", "source": source, **title, **own(part.extra, DIALECT)}


def _write_source(part: Image | File) -> Block | str:
    """The `source` of a picture or document, or the sentence that says why there is none."""
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if isinstance(part, File) and part.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": part.text}
    if part.data is None:
        return f"this {type(part).__name__} has no data, url or file_id"
    media_type = part.media_type or sniff(part.data)
    if isinstance(part, Image):
        if media_type not in IMAGE_TYPES:
            return f"media_type {media_type!r} is not one of {', '.join(sorted(IMAGE_TYPES))}"
    elif media_type == "text/plain":
        return {"type": "text", "media_type": "text/plain", "data": part.data.decode("utf-8", "replace")}
    elif media_type != "application/pdf":
        return f"media_type {media_type!r} is not taken: send application/pdf or text"
    return {"type": "base64", "media_type": media_type, "data": to_base64(part.data)}
