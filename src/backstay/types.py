"""The neutral model: what is asked (`Request`), what comes back (`Event`s, folded into a `Response`), and their parts.

Every provider's dialect is translated into these types and back by a codec, and nothing else in the library knows a wire
format. All types are frozen: a changed copy is `msgspec.structs.replace(x, field=...)`. What a provider sends and this
model has no name for is kept, never dropped: in `extra` on the part, in `Unknown` parts, in `Request.options`.

Tokens are counted in one way for all providers: `input_tokens` includes cached ones, `output_tokens` includes reasoning;
the details are subsets. `None` means that the provider did not say, which is not zero.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Priority: TypeAlias = Literal["high", "medium", "low"]
FinishReason: TypeAlias = Literal[
    "stop",
    "stop_sequence",
    "length",
    "context_window",
    "tool_call",
    "content_filter",
    "refusal",
    "pause",
    "error",
    "other",
]


class Part(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """One piece of a message. `cache` marks the end of a prefix worth caching ("5m" or "1h"); `extra` holds wire fields
    that the model has no name for, and is sent back verbatim to the dialect that it came from."""

    cache: Literal["5m", "1h"] | None = None
    extra: dict[str, Any] | None = None


class Text(Part, frozen=True, kw_only=True, tag="text"):
    """Plain text."""

    text: str


class Image(Part, frozen=True, kw_only=True, tag="image"):
    """A picture: exactly one of `data` (bytes, with `media_type`), `url` or `file_id`."""

    data: bytes | None = None
    url: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    detail: str | None = None


class Audio(Part, frozen=True, kw_only=True, tag="audio"):
    """A sound: exactly one of `data` (bytes) or `file_id`; `media_type` such as "audio/wav"."""

    data: bytes | None = None
    file_id: str | None = None
    media_type: str | None = None


class File(Part, frozen=True, kw_only=True, tag="file"):
    """A document: exactly one of `data` (bytes), `url`, `file_id` or `text`, with its `media_type` and `name`."""

    data: bytes | None = None
    url: str | None = None
    file_id: str | None = None
    text: str | None = None
    media_type: str | None = None
    name: str | None = None


class ToolCall(Part, frozen=True, kw_only=True, tag="tool_call"):
    """The model asks for a tool. `arguments` is always an object.

    Where the model wrote arguments that are no JSON object, `arguments` is empty and `raw_arguments` holds the text as
    written; it is None otherwise. `signature` is the provider's proof of the reasoning before the call.
    """

    id: str
    name: str
    arguments: dict[str, Any] = {}
    raw_arguments: str | None = None
    signature: str | None = None


class ToolResult(Part, frozen=True, kw_only=True, tag="tool_result"):
    """A tool's answer to the call `call_id`: text, or parts where the provider takes them."""

    call_id: str
    content: str | tuple[Text | Image | File | Unknown, ...] = ""
    is_error: bool = False
    name: str | None = None


class Reasoning(Part, frozen=True, kw_only=True, tag="reasoning"):
    """What the model thought: readable `text`, a `signature` over it, or an `encrypted` form; sent back unchanged.

    `text` is empty where the provider hides it. `id` is the provider's name of the block; `is_summary` tells a summary from
    the thought itself.
    """

    text: str = ""
    signature: str | None = None
    encrypted: str | None = None
    id: str | None = None
    is_summary: bool = False


class Refusal(Part, frozen=True, kw_only=True, tag="refusal"):
    """The model declines, in the provider's refusal channel."""

    text: str


class Unknown(Part, frozen=True, kw_only=True, tag="unknown"):
    """A block that this model has no type for, kept verbatim: `dialect` names the codec that can send it back."""

    dialect: str
    data: dict[str, Any]


AnyPart: TypeAlias = Text | Image | Audio | File | ToolCall | ToolResult | Reasoning | Refusal | Unknown


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn. Tool results stand in a message of role "tool"; `name` tells speakers of one role apart."""

    role: Role
    parts: tuple[AnyPart, ...]
    name: str | None = None
    extra: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


def user(*content: str | AnyPart) -> Message:
    """A user message from texts and parts."""
    return Message(role="user", parts=_parts(content))


def assistant(*content: str | AnyPart) -> Message:
    """An assistant message from texts and parts."""
    return Message(role="assistant", parts=_parts(content))


def system(*content: str | AnyPart) -> Message:
    """A system message from texts and parts; the usual place for the system prompt is `Request.system`."""
    return Message(role="system", parts=_parts(content))


def tool(*results: ToolResult) -> Message:
    """The message that brings tool results back."""
    return Message(role="tool", parts=results)


def _parts(content: tuple[str | AnyPart, ...]) -> tuple[AnyPart, ...]:
    return tuple(Text(text=item) if isinstance(item, str) else item for item in content)


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may call; `parameters` is a JSON Schema of type object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None
    cache: Literal["5m", "1h"] | None = None
    extra: dict[str, Any] | None = None


class NamedTool(msgspec.Struct, frozen=True):
    """A tool choice that forces one tool by name."""

    name: str


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | NamedTool


class ResponseFormat(msgspec.Struct, frozen=True, kw_only=True):
    """The answer must be JSON: any object (`schema` None) or one that fits the JSON Schema `schema`."""

    schema: dict[str, Any] | None = None
    name: str = "answer"
    strict: bool = True
    description: str | None = None


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks and why: facts for limits, budgets, queues, ledger and logs. Never sent to a provider, but for `user`."""

    task: str | None = None
    tenant: str | None = None
    priority: Priority = "medium"
    correlation_id: str | None = None
    user: str | None = None
    tags: dict[str, str] = {}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One question to one model, in no provider's words.

    `model` is "provider:model" until a target is chosen, then the provider's own name. `options` is the escape hatch: body
    fields by dialect (`{"anthropic": {"thinking": {...}}}`), sent verbatim to that dialect and to no other. `id` is made by
    the client before the call (the idempotency key); `created_at` is Unix time in seconds.

    The defaults of `max_output_tokens` and `temperature` are left out silently where a model takes none; another value there
    is a fault.
    """

    model: str = ""
    messages: tuple[Message, ...] = ()
    system: str | tuple[Text, ...] | None = None
    max_output_tokens: int | None = 4096
    temperature: float | None = 0.0
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Effort | None = None
    options: dict[str, dict[str, Any]] = {}
    metadata: Metadata = Metadata()
    id: str = ""
    created_at: float | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one answer. None is "not said". `cache_*`, `*_audio` and `reasoning` are subsets of input and output.

    `cache_write_1h_tokens` is the part of `cache_write_tokens` with the longer, dearer lifetime. `stated_total_tokens` is the
    provider's own sum, kept to check ours against.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    stated_total_tokens: int | None = None
    extra: dict[str, Any] | None = None

    @property
    def total_tokens(self) -> int | None:
        """Input and output together; None while either is unknown."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Money, exact: `nano_usd` is an integer of 10^-9 US dollars. `is_estimate` marks a sum made before, or without, usage."""

    nano_usd: int
    is_estimate: bool = False
    price_id: str = ""

    @property
    def usd(self) -> Decimal:
        """The sum in US dollars, exact to nine decimals."""
        return Decimal(self.nano_usd).scaleb(-9)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try: when (Unix seconds), how long (seconds), how it ended, and the delay that was slept before it."""

    number: int
    target: str = ""
    started_at: float = 0.0
    duration: float = 0.0
    outcome: Literal["complete", "failed", "dropped", "committed"] = "complete"
    error: str | None = None
    delay_before: float = 0.0


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One rate limit of a provider's, as its answer told it: what it counts, how much in all, how much is left, and the seconds
    until it is whole again. `period` is its window in seconds where that is told. Any fact may be None: not said."""

    dimension: Literal["requests", "tokens", "input_tokens", "output_tokens"]
    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    period: float | None = None


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer came about: the tries, the target that answered, and whether it is less than it seems.

    `degraded`: not from a model that was asked for (`rule` names the offline rule that spoke). `cached`: from a store. `joined`:
    an identical call in flight was answered, and has the cost.
    `recovered`: its JSON had to be repaired. `notes` are sentences about settings that were left out or changed. `limits` are
    the provider's rate limits as its answer told them.
    """

    attempts: tuple[Attempt, ...] = ()
    target: str | None = None
    cached: bool = False
    joined: bool = False
    degraded: bool = False
    recovered: bool = False
    rule: str | None = None
    notes: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()


class TokenLogprob(msgspec.Struct, frozen=True, kw_only=True):
    """One output token with its log-probability and the best alternatives (token, log-probability)."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer. `latency`, `time_to_first_token`: seconds. `id` is the provider's, `request_id` its HTTP request's."""

    parts: tuple[AnyPart, ...] = ()
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    stop_sequence: str | None = None
    usage: Usage = Usage()
    model: str | None = None
    id: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    extra: dict[str, Any] | None = None
    request_id: str | None = None
    created_at: float | None = None
    latency: float | None = None
    time_to_first_token: float | None = None
    cost: Cost | None = None
    provenance: Provenance = Provenance()

    @property
    def text(self) -> str:
        """The text parts, joined; reasoning and refusals are not text."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def reasoning(self) -> str:
        """The readable reasoning, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Reasoning))

    @property
    def refusal(self) -> str | None:
        """The refusal's text, or None where the model did not refuse in its refusal channel."""
        texts = [part.text for part in self.parts if isinstance(part, Refusal)]
        return "".join(texts) if texts else None

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in the order in which the model made them."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def was_truncated(self) -> bool:
        """True when a token limit cut the answer."""
        return self.finish_reason in ("length", "context_window")

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens over the time after the first token (over the whole latency where that is unknown)."""
        if not self.usage.output_tokens or not self.latency:
            return None
        span = self.latency - (self.time_to_first_token or 0.0)
        return self.usage.output_tokens / (span if span > 0 else self.latency)

    @property
    def message(self) -> Message:
        """This answer as the assistant turn to send back."""
        return Message(role="assistant", parts=self.parts)
