"""Hypothesis strategies for the neutral model, cut to what a dialect can say: `requests(reach)`, `responses(reach)`.

A dialect's `Reach` names what its wire format has a place for; within it, encoding and decoding must be inverse. Everything
else about a request is free: any text, any JSON, any order of turns that a provider would take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from backstay.types import (
    AnyPart,
    Audio,
    File,
    Image,
    Message,
    Metadata,
    NamedTool,
    Reasoning,
    Refusal,
    Request,
    Response,
    ResponseFormat,
    Text,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
TEXT = st.text(max_size=40)
WORDS = st.text(min_size=1, max_size=40)
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,16}", fullmatch=True)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
JSON = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)
BROKEN = st.sampled_from(["{", "nothing", "[1]", '{"a": ', "1"])
"""Arguments as a model writes them that are no object."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What a dialect has a place for. `call_ids`: a pattern of the ids that it keeps as they are."""

    model: str = "model-1"
    has_reasoning: bool = False
    has_signature: bool = False
    has_refusal: bool = False
    has_raw_arguments: bool = True
    has_names: bool = False
    has_system_turns: bool = False
    has_result_parts: bool = False
    has_result_errors: bool = False
    has_result_names: bool = False
    has_images: bool = True
    has_image_urls: bool = True
    has_image_detail: bool = False
    has_audio: bool = False
    has_files: bool = False
    has_user: bool = False
    has_penalties: bool = False
    has_seed: bool = False
    has_top_k: bool = False
    has_logprobs: bool = False
    has_stop: bool = True
    has_tool_strict: bool = False
    has_named_tool: bool = True
    has_tool_choice: bool = True
    has_parallel: bool = False
    has_format: bool = True
    has_bare_json: bool = True
    has_format_name: bool = True
    has_many_texts: bool = True
    has_system_parts: bool = True
    efforts: tuple[str, ...] = ()
    temperature_max: float = 2.0
    max_stop: int = 4
    call_ids: str = r"call_[a-zA-Z0-9]{1,12}"


def tools(reach: Reach) -> st.SearchStrategy[tuple[Tool, ...]]:
    """Tools of different names, with open schemas."""
    schemas = st.dictionaries(NAMES, st.just({"type": "string"}), max_size=2).map(
        lambda properties: {"type": "object", "properties": properties}
    )
    one = st.builds(
        Tool,
        name=NAMES,
        description=TEXT,
        parameters=schemas,
        strict=st.sampled_from([None, False]) if reach.has_tool_strict else st.none(),
    )
    return st.lists(one, max_size=3, unique_by=lambda tool: tool.name).map(tuple)


def images(reach: Reach) -> st.SearchStrategy[Image]:
    """Pictures by bytes and by address."""
    detail = st.sampled_from([None, "low", "high"]) if reach.has_image_detail else st.none()
    embedded = st.builds(
        Image, data=st.binary(max_size=8).map(lambda more: PNG + more), media_type=st.just("image/png"), detail=detail
    )
    linked = st.builds(Image, url=st.just("https://example.org/a.png"), detail=detail)
    return embedded | linked if reach.has_image_urls else embedded


def user_parts(reach: Reach) -> st.SearchStrategy[tuple[AnyPart, ...]]:
    """The content of a user message; a lone empty text is no content."""
    kinds: list[st.SearchStrategy[Any]] = [st.builds(Text, text=WORDS)]
    if reach.has_images:
        kinds.append(images(reach))
    if reach.has_audio:
        kinds.append(
            st.builds(
                Audio, data=st.binary(min_size=1, max_size=8), media_type=st.sampled_from(["audio/wav", "audio/mpeg"])
            )
        )
    if reach.has_files:
        kinds.append(
            st.builds(
                File,
                data=st.just(b"%PDF-1.4"),
                media_type=st.just("application/pdf"),
                name=st.none() | st.just("a.pdf"),
            )
        )
    many = st.lists(st.one_of(kinds), min_size=1, max_size=3).map(tuple)
    return (
        many if reach.has_many_texts else many.filter(lambda parts: sum(isinstance(part, Text) for part in parts) <= 1)
    )


def answer_parts(draw: st.DrawFn, reach: Reach, names: list[str], *, may_be_empty: bool = True) -> tuple[AnyPart, ...]:
    """An assistant's turn in the order reasoning, text, refusal, calls."""
    parts: list[AnyPart] = []
    if reach.has_reasoning and draw(st.booleans()):
        signature = draw(st.none() | NAMES) if reach.has_signature else None
        parts.append(Reasoning(text=draw(WORDS), signature=signature))
    texts = draw(st.lists(st.builds(Text, text=WORDS), max_size=2 if reach.has_many_texts else 1))
    parts += texts
    if reach.has_refusal and draw(st.booleans()):
        parts.append(Refusal(text=draw(WORDS)))
    if names:
        parts += draw(st.lists(calls(reach, names), max_size=2, unique_by=lambda call: call.id))
    if not parts and not may_be_empty:
        parts.append(Text(text=draw(WORDS)))
    return tuple(parts)


def calls(reach: Reach, names: list[str]) -> st.SearchStrategy[ToolCall]:
    """Tool calls with any arguments."""
    ids = st.from_regex(reach.call_ids, fullmatch=True)
    whole = st.builds(ToolCall, id=ids, name=st.sampled_from(names), arguments=OBJECTS)
    if not reach.has_raw_arguments:
        return whole
    return whole | st.builds(ToolCall, id=ids, name=st.sampled_from(names), raw_arguments=BROKEN)


def results(draw: st.DrawFn, reach: Reach, asked: list[ToolCall]) -> Message:
    """The tool message that answers every call."""
    contents: st.SearchStrategy[Any] = TEXT
    if reach.has_result_parts:
        contents = contents | st.lists(st.builds(Text, text=WORDS), min_size=1, max_size=2).map(tuple)
    parts = tuple(
        ToolResult(
            call_id=call.id,
            content=draw(contents),
            is_error=draw(st.booleans()) if reach.has_result_errors else False,
            name=call.name if reach.has_result_names else None,
        )
        for call in asked
    )
    return Message(role="tool", parts=parts)


@st.composite
def histories(draw: st.DrawFn, reach: Reach, names: list[str]) -> tuple[Message, ...]:
    """Turns that a provider would take: user first, calls answered at once."""
    speakers = st.none() | NAMES if reach.has_names else st.none()
    messages = [Message(role="user", parts=draw(user_parts(reach)), name=draw(speakers))]
    for _ in range(draw(st.integers(0, 2))):
        parts = answer_parts(draw, reach, names, may_be_empty=False)
        messages.append(Message(role="assistant", parts=parts, name=draw(speakers)))
        asked = [part for part in parts if isinstance(part, ToolCall)]
        if asked:
            messages.append(results(draw, reach, asked))
        if reach.has_system_turns and draw(st.booleans()):
            messages.append(Message(role="system", parts=(Text(text=draw(WORDS)),)))
        messages.append(Message(role="user", parts=draw(user_parts(reach)), name=draw(speakers)))
    return tuple(messages)


@st.composite
def requests(draw: st.DrawFn, reach: Reach) -> Request:
    """Requests within `reach`; the word JSON stands in the system prompt wherever JSON is asked for."""
    given = draw(tools(reach))
    names = [tool.name for tool in given]
    wanted = draw(formats(reach)) if reach.has_format else None
    system: Any = draw(st.none() | WORDS)
    if reach.has_system_parts and draw(st.booleans()):
        system = tuple(draw(st.lists(st.builds(Text, text=WORDS), min_size=1, max_size=2)))
    if wanted is not None:
        system = "Answer in JSON."
    optional: dict[str, Any] = {}
    if reach.has_penalties:
        optional |= {name: draw(st.none() | st.floats(-2, 2)) for name in ("frequency_penalty", "presence_penalty")}
    if reach.has_seed:
        optional["seed"] = draw(st.none() | st.integers(0, 2**31 - 1))
    if reach.has_top_k:
        optional["top_k"] = draw(st.none() | st.integers(1, 100))
    if reach.has_logprobs:
        optional["logprobs"] = draw(st.none() | st.integers(0, 20))
    if reach.has_parallel and names:
        optional["parallel_tool_calls"] = draw(st.none() | st.booleans())
    return Request(
        model=reach.model,
        system=system,
        messages=draw(histories(reach, names)),
        max_output_tokens=draw(st.integers(1, 100_000)),
        temperature=draw(st.none() | st.floats(0, reach.temperature_max)),
        top_p=draw(st.none() | st.floats(0.01, 1)),
        stop=tuple(draw(st.lists(WORDS, max_size=reach.max_stop, unique=True))) if reach.has_stop else (),
        tools=given,
        tool_choice=draw(choices(reach, names)) if names and reach.has_tool_choice else None,
        response_format=wanted,
        reasoning_effort=draw(st.none() | st.sampled_from(reach.efforts)) if reach.efforts else None,
        metadata=Metadata(user=draw(st.none() | NAMES) if reach.has_user else None),
        **optional,
    )


def choices(reach: Reach, names: list[str]) -> st.SearchStrategy[Any]:
    """A tool choice, or none."""
    simple = st.sampled_from([None, "auto", "none", "required"])
    return simple | st.builds(NamedTool, st.sampled_from(names)) if reach.has_named_tool else simple


def formats(reach: Reach) -> st.SearchStrategy[ResponseFormat | None]:
    """A wanted format: none, any JSON, or a schema of the strict subset."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    name = NAMES if reach.has_format_name else st.just("answer")
    some: list[st.SearchStrategy[Any]] = [
        st.none(),
        st.builds(
            ResponseFormat,
            schema=st.just(schema),
            name=name,
            strict=st.booleans() if reach.has_format_name else st.just(True),
            description=st.none() | WORDS if reach.has_format_name else st.none(),
        ),
    ]
    if reach.has_bare_json:
        some.append(st.just(ResponseFormat()))
    return st.one_of(some)


@st.composite
def responses(draw: st.DrawFn, reach: Reach) -> Response:
    """Answers within `reach`, their finish reason fitting their content."""
    parts = answer_parts(draw, reach, ["search", "add"])
    kinds = {type(part) for part in parts}
    natural = "tool_call" if ToolCall in kinds else "refusal" if Refusal in kinds else "stop"
    tokens = st.none() | st.integers(0, 10_000)
    return Response(
        parts=parts,
        finish_reason=draw(st.sampled_from([natural, "length"])),
        usage=Usage(
            input_tokens=draw(st.integers(0, 10_000)),
            output_tokens=draw(st.integers(0, 10_000)),
            cache_read_tokens=draw(tokens),
        ),
        model=reach.model,
        id=draw(NAMES),
        created_at=float(draw(st.integers(1, 2**31))),
        logprobs=draw(logprobs()) if reach.has_logprobs else None,
    )


def logprobs() -> st.SearchStrategy[tuple[TokenLogprob, ...] | None]:
    """Log-probabilities, or none."""
    values = st.floats(-50, 0)
    token = st.builds(
        TokenLogprob, token=TEXT, logprob=values, top=st.lists(st.tuples(TEXT, values), max_size=2).map(tuple)
    )
    return st.none() | st.lists(token, min_size=1, max_size=3).map(tuple)
