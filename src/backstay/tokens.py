"""Tokens, counted without a tokenizer: an upper bound to reserve by, and a likely count to warn by.

A byte-level tokenizer never makes more tokens than bytes, which is a bound and a useless one: English has four bytes to a
token. The bound here goes by what tokenizers do with each kind of character, and errs upward: 9 tokens to 16 small letters and
half a token more a word; capitals, digits, punctuation one each; spaces four to a token, and one for each gap; what lies outside
ASCII one per byte. It holds for the byte-level vocabularies of 100,000 entries and more, random text included but for strings of
rare letters, which reach 1.12 of it; old ones of 32,000 make more of gaps. On prose and code it is two to three times the truth.

Whoever has the model's own tokenizer passes it as the `TokenCounter`. Without one, `Learned` turns the bound into what is to be
expected, from the counts that answers bring back. Pictures and sounds count with stated ceilings.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

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
MEMORY: Final = 1_000_000
"""Tokens of estimates after which what was learned counts half: some hundred requests."""

LOWER: Final = bytes(range(ord("a"), ord("z") + 1))
LETTERS: Final = LOWER.upper() + LOWER


class Counted(Request, frozen=True, kw_only=True):
    """A request that stands for one whose texts are not at hand, and states what they would count: for simulations."""

    input_tokens: int = 0
    input_bound: int = 0


class TokenCounter(Protocol):
    """Counts the tokens of a text: `upper_bound`, or a tokenizer's own count."""

    def __call__(self, text: str, /) -> int: ...


def upper_bound(text: str) -> int:
    """At most how many tokens `text` is, by the rule above; 0 for empty text. Passes in C, about two microseconds a kilobyte."""
    if not text:
        return 0
    data = text.encode("utf-8", "surrogatepass")
    others = data.translate(None, LETTERS)
    letters, spaces = len(data) - len(others), others.count(b" ")
    capitals = letters - (len(data) - len(data.translate(None, LOWER)))
    words = min(letters, len(others) + 1)
    gaps = data.count(b"  ") - data.count(b"    ")
    lower = letters - capitals
    bound = (9 * lower + 8 * words) // 16 + capitals + (spaces + 3) // 4 + gaps + len(others) - spaces + 1
    return min(bound, len(data))


def likely(text: str) -> int:
    """About how many tokens `text` is: four bytes to a token in ASCII, two in other scripts."""
    size = len(text.encode("utf-8", "surrogatepass"))
    wide = size - sum(1 for char in text if char.isascii()) if not text.isascii() else 0
    return math.ceil((size - wide) / BYTES_PER_TOKEN + wide / 2)


def estimate_request(request: Request, count: TokenCounter = upper_bound) -> int:
    """An upper bound of the input tokens of `request`: its messages, system prompt, tools and schema."""
    if isinstance(request, Counted):
        return request.input_bound
    total = PER_REQUEST + count(_system(request)) + PER_MESSAGE * len(request.messages)
    for message in request.messages:
        for part in message.parts:
            total += count(part.text) if isinstance(part, Text) else _part(part, count)
    if request.tools:
        total += TOOL_PREAMBLE + sum(
            PER_TOOL + count(tool.name + tool.description) + _json(tool.parameters, count) for tool in request.tools
        )
    if request.response_format is not None and request.response_format.schema is not None:
        total += PER_TOOL + _json(request.response_format.schema, count)
    return total


def likely_input(request: Request) -> int:
    """About how many input tokens the texts of `request` are; pictures and other bytes are left out."""
    if isinstance(request, Counted):
        return request.input_tokens
    texts = [_system(request), *(_text(message) for message in request.messages)]
    return sum(map(likely, texts))


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """What a model's answers taught: `counted` tokens came of `bound` that were reserved. A pure state, one per model."""

    bound: int = 0
    counted: int = 0

    def learn(self, bound: int, input_tokens: int) -> Learned:
        """The state after an answer: `bound` was estimated, the provider counted `input_tokens`. Old answers fade."""
        if bound <= 0 or input_tokens < 0:
            return self
        kept, known = (self.bound // 2, self.counted // 2) if self.bound >= MEMORY else (self.bound, self.counted)
        return Learned(bound=kept + bound, counted=known + input_tokens)

    def expected(self, bound: int) -> int:
        """About how many tokens a request estimated at `bound` has: by the ratio so far, never above it; `bound` before any."""
        return bound if self.bound == 0 else min(bound, -(-bound * self.counted // self.bound))


def _system(request: Request) -> str:
    system = request.system or ""
    return system if isinstance(system, str) else "".join(part.text for part in system)


def _json(value: object, count: TokenCounter) -> int:
    return count(msgspec.json.encode(value).decode())


def _text(message: Message) -> str:
    return "".join(part.text or "" for part in message.parts if isinstance(part, (Text, File, Reasoning)))


def _part(part: AnyPart, count: TokenCounter) -> int:
    match part:
        case Text() | Refusal():
            return count(part.text)
        case Reasoning():
            return count(part.text) + count(part.encrypted or "")
        case ToolCall():
            return PER_TOOL + count(part.name) + _json(part.arguments, count) + count(part.raw_arguments or "")
        case ToolResult():
            content = part.content
            whole = count(content) if isinstance(content, str) else sum(_part(piece, count) for piece in content)
            return PER_TOOL + whole
        case Image():
            return PER_IMAGE
        case File():
            return count(part.text or "") + math.ceil(len(part.data or b"") * PER_PDF_BYTE)
        case Audio():
            return math.ceil(len(part.data or b"") * PER_PDF_BYTE)
        case _:
            return _json(part.data, count)
