"""The body of a Chat Completions request as the neutral Request: the mirror of `openai_request.py`, for a server of this dialect.

Fields without a neutral name go to `Request.options`, so that a gateway passes them on to a target of the same dialect. A
client that wants no usage in its stream is remembered there too, as `stream_options`.
"""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

from backstay.codecs.lenient import keep, object_of, rest_of, text_of, text_or_none
from backstay.codecs.openai_history import read_messages
from backstay.codecs.openai_part import DIALECT, Wire, read_cache
from backstay.errors import BadRequest
from backstay.types import Effort, Metadata, NamedTool, Request, ResponseFormat, Tool, ToolChoice

_EFFORTS: Final = frozenset(get_args(Effort))


class _Body(msgspec.Struct, kw_only=True):
    """What a client may send and we read; msgspec names the field that is of the wrong kind."""

    model: str | None = None
    messages: list[dict[str, Any]]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    random_seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None


_FIELDS: Final = frozenset(_Body.__struct_fields__)


def read_request(data: bytes, *, asks_usage: bool = True) -> Request:
    """The Request of a client's body. Raises BadRequest that names the field which is wrong.

    `asks_usage`: whether a stream has usage only where the client asks for it, as at OpenAI.
    """
    try:
        raw = msgspec.json.decode(data)
        body = msgspec.convert(raw, _Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadRequest(f"the request body is not as it should be: {fault}", status=400) from fault
    system, messages = read_messages(body.messages)
    options = rest_of(raw, _FIELDS)
    tools, foreign = _read_tools(body.tools or [])
    if foreign:
        options["tools"] = foreign
    effort = body.reasoning_effort
    if effort is not None and effort not in _EFFORTS:
        options["reasoning_effort"] = effort
        effort = None
    effort = effort or _read_effort(options)
    choice = _read_choice(body.tool_choice)
    if body.tool_choice is not None and choice is None:
        options["tool_choice"] = body.tool_choice
    wanted = _read_format(body.response_format)
    if body.response_format and wanted is None and body.response_format.get("type") != "text":
        options["response_format"] = body.response_format
    if asks_usage and body.stream and not (body.stream_options or {}).get("include_usage"):
        options["stream_options"] = {**(body.stream_options or {}), "include_usage": False}
    return Request(
        model=body.model or "",
        messages=messages,
        system=system,
        max_output_tokens=body.max_completion_tokens if body.max_tokens is None else body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        seed=body.random_seed if body.seed is None else body.seed,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.parallel_tool_calls,
        response_format=wanted,
        reasoning_effort=effort,  # type: ignore[arg-type]
        options=keep(DIALECT, options) or {},
        metadata=Metadata(user=body.user),
    )


def _read_effort(options: Wire) -> str | None:
    """An effort from the `reasoning` object of OpenRouter, where nothing else stands in it."""
    reasoning = options.get("reasoning")
    if isinstance(reasoning, dict) and set(reasoning) == {"effort"} and text_of(reasoning["effort"]) in _EFFORTS:
        return str(options.pop("reasoning")["effort"])
    return None


def _read_tools(wires: list[Wire]) -> tuple[tuple[Tool, ...], list[Wire]]:
    """The functions among the tools, and those of other kinds as they are."""
    functions: list[Tool] = []
    foreign: list[Wire] = []
    for wire in wires:
        function = wire.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            foreign.append(wire)
            continue
        parameters = function.get("parameters")
        given = {"parameters": parameters} if isinstance(parameters, dict) else {}
        strict = function.get("strict")
        functions.append(
            Tool(
                name=function["name"],
                description=text_of(function.get("description")),
                strict=strict if isinstance(strict, bool) else None,
                cache=read_cache(wire),
                extra=keep(DIALECT, rest_of(wire, frozenset({"type", "function", "cache_control"}))),
                **given,
            )
        )
    return tuple(functions), foreign


def _read_choice(choice: str | Wire | None) -> ToolChoice | None:
    if isinstance(choice, dict):
        name = text_or_none(object_of(choice.get("function")).get("name"))
        return NamedTool(name) if name else None
    if choice == "any":
        return "required"
    return choice if choice in ("auto", "none", "required") else None  # type: ignore[return-value]


def _read_format(wire: Wire | None) -> ResponseFormat | None:
    kind = (wire or {}).get("type")
    if kind == "json_object":
        return ResponseFormat()
    inner = object_of((wire or {}).get("json_schema"))
    schema = inner.get("schema")
    if kind != "json_schema" or not isinstance(schema, dict):
        return None
    return ResponseFormat(
        schema=schema,
        name=text_of(inner.get("name")) or "answer",
        strict=bool(inner.get("strict")),
        description=text_or_none(inner.get("description")),
    )
