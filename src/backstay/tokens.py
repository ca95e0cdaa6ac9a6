"""Tokens, counted without a tokenizer: an upper bound to reserve by, and a likely count to warn by.

A byte-level tokenizer never makes more tokens than bytes, which is a bound and a useless one: English has four bytes to a
token. The bound here goes by what tokenizers do with each kind of character, and errs upward: letters two to a token, and half
a token more a word; digits and punctuation one each; spaces four to a token; what lies outside ASCII one per byte. On prose it is
about twice the true count; on code, tables and other scripts it is closer. Pictures and sounds count with stated ceilings.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from backstay.types import AnyPart, Audio, File, Image, Message, Reasoning, Refusal, Request, Text, ToolCall, ToolResult

PER_MESSAGE: Final = 8
"""Role, separators and name of a message; the widest framing known takes seven tokens."""

PER_REQUEST: Final = 32
PER_TOOL: Final = 24
TOOL_PREAMBLE: Final = 700
"""The hidden system text that some providers add once tools are present; the largest that is documented is below this."""

PER_IMAGE: Final = 5_000
"""A ceiling over the providers' rules for the largest picture they take at full detail."""

PER_PDF_BYTE: Final = 0.25
BYTES_PER_TOKEN: Final = 4.0

LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def upper_bound(text: str) -> int:
    """At most how many tokens `text` is, by the rule above; 0 for empty text. Two passes in C, about a microsecond a kilobyte."""
    if not text:
        return 0
    data = text.encode("utf-8", "surrogatepass")
    others = data.translate(None, LETTERS)
    letters, spaces = len(data) - len(others), others.count(b" ") + others.count(b"\t")
    words = min(letters, len(others) + 1)
    return (letters + words + 1) // 2 + (spaces + 3) // 4 + len(others) - spaces


def likely(text: str) -> int:
    """About how many tokens `text` is: four bytes to a token in ASCII, two in other scripts."""
    size = len(text.encode("utf-8", "surrogatepass"))
    wide = size - sum(1 for char in text if char.isascii()) if not text.isascii() else 0
    return math.ceil((size - wide) / BYTES_PER_TOKEN + wide / 2)


def estimate_request(request: Request) -> int:
    """An upper bound of the input tokens of `request`: its messages, system prompt, tools and schema."""
    total = PER_REQUEST + _system(request, bound=True)
    total += sum(PER_MESSAGE + sum(_part(part) for part in message.parts) for message in request.messages)
    if request.tools:
        total += TOOL_PREAMBLE + sum(
            PER_TOOL + upper_bound(tool.name + tool.description) + _json(tool.parameters) for tool in request.tools
        )
    if request.response_format is not None and request.response_format.schema is not None:
        total += PER_TOOL + _json(request.response_format.schema)
    return total


def likely_input(request: Request) -> int:
    """About how many input tokens the texts of `request` are; pictures and other bytes are left out."""
    texts = [_text(message) for message in request.messages]
    return _system(request, bound=False) + sum(map(likely, texts))


def _system(request: Request, *, bound: bool) -> int:
    system = request.system or ""
    text = system if isinstance(system, str) else "".join(part.text for part in system)
    return upper_bound(text) if bound else likely(text)


def _json(value: object) -> int:
    return upper_bound(msgspec.json.encode(value).decode())


def _text(message: Message) -> str:
    return "".join(part.text or "" for part in message.parts if isinstance(part, (Text, File, Reasoning)))


def _part(part: AnyPart) -> int:
    match part:
        case Text() | Refusal():
            return upper_bound(part.text)
        case Reasoning():
            return upper_bound(part.text) + upper_bound(part.encrypted or "")
        case ToolCall():
            return PER_TOOL + upper_bound(part.name) + _json(part.arguments)
        case ToolResult():
            content = part.content
            return PER_TOOL + (upper_bound(content) if isinstance(content, str) else sum(map(_part, content)))
        case Image():
            return PER_IMAGE
        case File():
            return upper_bound(part.text or "") + math.ceil(len(part.data or b"") * PER_PDF_BYTE)
        case Audio():
            return math.ceil(len(part.data or b"") * PER_PDF_BYTE)
        case _:
            return _json(part.data)
