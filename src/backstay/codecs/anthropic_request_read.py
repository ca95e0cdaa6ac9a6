"""The body of POST /v1/messages to a Request: the gateway's side of `anthropic_request`.

The shape is checked first, so a client is told which field is wrong, in the API's own words for places ("messages.0.content").
Fields without a neutral name are kept in `options["anthropic"]` and go on to a target of this dialect. `thinking` becomes a
reasoning effort for targets of any dialect, and is kept verbatim as well where the effort alone would not say the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from backstay.codecs.anthropic_part import Block, read_blocks, read_cache
from backstay.codecs.anthropic_request import BUDGETS, MIN_BUDGET
from backstay.codecs.anthropic_wire import DIALECT
from backstay.codecs.lenient import keep, object_of, rest_of, text_of
from backstay.codecs.trait import traits
from backstay.errors import BadRequest
from backstay.types import (
    Effort,
    Message,
    Metadata,
    NamedTool,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
)

_TOOL_KEYS: Final = frozenset({"name", "description", "input_schema", "strict", "cache_control"})
_NAMED: Final = frozenset(
    {
        "model",
        "max_tokens",
        "messages",
        "system",
        "stop_sequences",
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "top_k",
        "stream",
        "output_config",
        "output_format",
        "thinking",
        "metadata",
        "anthropic_version",
        "anthropic_beta",
    }
)
_LEVELS: Final[tuple[Effort, ...]] = ("minimal", "low", "medium", "high", "xhigh", "max")
_CHOICES: Final[dict[str, ToolChoice]] = {"auto": "auto", "any": "required", "none": "none"}


class _Turn(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class _Body(msgspec.Struct):
    """The shape that every client's body has; what is inside the blocks is read leniently."""

    messages: list[_Turn]
    model: str = ""
    max_tokens: int | None = None
    system: str | list[Block] | None = None
    stop_sequences: list[str] | None = None
    tools: list[Block] | None = None
    tool_choice: Block | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    output_config: Block | None = None
    output_format: Block | None = None
    thinking: Block | None = None
    metadata: Block | None = None


def read_request(data: bytes, *, model: str = "", betas: Iterable[str] = ()) -> Request:
    """The Request in a body; `model` is used where the body has none. Raises BadRequest naming the field."""
    wire = read_object(data)
    try:
        body = msgspec.convert(wire, _Body)
    except msgspec.ValidationError as fault:
        raise BadRequest(str(fault).replace("$.", ""), status=400, code="invalid_request_error") from fault
    options = rest_of(wire, _NAMED)
    if flags := list(betas):
        options["betas"] = flags
    effort = _read_reasoning(body, options)
    choice, parallel = _read_tool_choice(body.tool_choice)
    user = object_of(body.metadata).get("user_id")
    return Request(
        model=body.model or model,
        messages=tuple(message for turn in body.messages for message in _read_turn(turn)),
        system=_read_system(body.system),
        max_output_tokens=body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        stop=tuple(body.stop_sequences or ()),
        tools=tuple(_read_tool(tool) for tool in body.tools or ()),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        response_format=_read_format(body),
        reasoning_effort=effort,
        options=keep(DIALECT, options) or {},
        metadata=Metadata(user=user) if isinstance(user, str) else Metadata(),
    )


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object in a client's body. Raises BadRequest where there is none."""
    try:
        wire = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadRequest(f"the body is no JSON: {fault}", status=400, code="invalid_request_error") from fault
    if not isinstance(wire, dict):
        raise BadRequest("the body is no JSON object", status=400, code="invalid_request_error")
    return wire


def _read_turn(turn: _Turn) -> list[Message]:
    """One message, or two where tool results and other content stand in one turn."""
    parts = read_blocks(turn.content)
    if turn.role != "user":
        return [Message(role=turn.role, parts=parts)]
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    rest = tuple(part for part in parts if not isinstance(part, ToolResult))
    messages = [Message(role="tool", parts=results)] if results else []
    return [*messages, Message(role="user", parts=rest)] if rest or not results else messages


def _read_system(system: str | list[Block] | None) -> str | tuple[Text, ...] | None:
    if isinstance(system, str):
        return system or None
    return tuple(part for part in read_blocks(system) if isinstance(part, Text)) or None


def _read_tool(wire: Block) -> Tool:
    strict = wire.get("strict")
    extra = keep(DIALECT, rest_of(wire, _TOOL_KEYS))
    common: dict[str, Any] = {"cache": read_cache(wire), "strict": strict if isinstance(strict, bool) else None}
    schema = wire.get("input_schema")
    if isinstance(schema, dict):
        common["parameters"] = schema
    return Tool(name=text_of(wire.get("name")), description=text_of(wire.get("description")), extra=extra, **common)


def _read_tool_choice(wire: Block | None) -> tuple[ToolChoice | None, bool | None]:
    if wire is None:
        return None, None
    kind = text_of(wire.get("type"))
    choice = NamedTool(text_of(wire.get("name"))) if kind == "tool" else _CHOICES.get(kind)
    if choice is None:
        raise BadRequest(f"tool_choice.type: {kind!r} is none of auto, any, tool, none", status=400)
    disabled = wire.get("disable_parallel_tool_use")
    return choice, not disabled if isinstance(disabled, bool) else None


def _read_format(body: _Body) -> ResponseFormat | None:
    """Structured output, from its place of today or the older one."""
    wire = object_of(object_of(body.output_config).get("format") or body.output_format)
    schema = wire.get("schema")
    return ResponseFormat(schema=schema) if isinstance(schema, dict) else None


def _read_reasoning(body: _Body, options: dict[str, Any]) -> Effort | None:
    """The effort that the body asks for; what it says beyond that goes to `options`."""
    config = {key: value for key, value in object_of(body.output_config).items() if key != "format"}
    thinking = object_of(body.thinking)
    kind, level = thinking.get("type"), text_of(config.get("effort"))
    effort = _level(level)
    if kind == "adaptive" and effort is not None and len(thinking) == len(config) == 1:
        return effort
    if kind == "disabled" and not config:
        return "none"
    if kind == "enabled" and not config and _is_our_budget(thinking, body):
        return _effort_of(thinking)
    if thinking:
        options["thinking"] = thinking
    if config:
        options["output_config"] = config
    if kind == "disabled":
        return "none"
    return effort or (_effort_of(thinking) if kind in ("enabled", "adaptive") else None)


def _level(text: str) -> Effort | None:
    return next((level for level in _LEVELS if level == text), None)


def _is_our_budget(thinking: Block, body: _Body) -> bool:
    """True for a budget that an effort alone would give again."""
    budget, room = thinking.get("budget_tokens"), (body.max_tokens or 0) * 3 // 4
    is_exact = len(thinking) == 2 and isinstance(budget, int) and budget in BUDGETS.values() and budget <= room
    return is_exact and traits(DIALECT, body.model).thinking == "budget"


def _effort_of(thinking: Block) -> Effort:
    """The effort nearest to a budget of thinking tokens; "high", the API's own default, where none is given."""
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < MIN_BUDGET:
        return "high"
    return [level for level in _LEVELS if BUDGETS[level] <= budget][-1]
