"""A Responses request: the neutral Request written, and a client's body read back.

Stateless: `store` is false and the encrypted reasoning is asked for, so that a conversation lives with the caller and any
target can answer its next turn. What the API has no parameter for (stop sequences, seed, penalties) is a fault.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

import re
from typing import Any, Final, get_args

import msgspec

from backstay.codecs.lenient import keep, object_of, objects_of, own, rest_of, text_of, text_or_none
from backstay.codecs.openai_schema import strict_faults
from backstay.codecs.responses_history import read_items, write_items
from backstay.codecs.responses_item import DIALECT, Draft, Wire
from backstay.codecs.trait import Traits, traits
from backstay.errors import BadRequest
from backstay.types import Effort, Message, Metadata, NamedTool, Request, ResponseFormat, Tool, ToolChoice

ENCRYPTED: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"
MIN_OUTPUT_TOKENS: Final = 16
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_EFFORTS: Final = frozenset(get_args(Effort))
_ABSENT: Final = ("stop", "seed", "top_k", "frequency_penalty", "presence_penalty")
_NEUTRAL: Final = (("temperature", 1.0), ("top_p", 1.0))
_OWN_OPTIONS: Final = frozenset({"input", "model", "stream", "tools", "include", "reasoning", "text"})


def write_request(request: Request, *, stream: bool) -> tuple[Wire, Draft]:
    """The JSON body, and the draft with its faults and notes."""
    draft = Draft()
    model = traits(DIALECT, request.model)
    role = "developer" if model.system_role == "none" else model.system_role
    options = own(request.options, DIALECT)
    body: Wire = {"model": request.model, "input": write_items(request, role, draft), "store": False}
    if isinstance(request.system, str):
        body["instructions"] = request.system
    if not request.model:
        draft.faults.append("model: there must be one")
    if not body["input"] and not ({"previous_response_id", "prompt"} & options.keys()):
        draft.faults.append("messages: there must be one at least")
    draft.faults += [
        f"{name}: the Responses API takes none" for name in _ABSENT if getattr(request, name) not in (None, ())
    ]
    _write_limits(request, model, body, draft)
    _write_tools(request, body, draft)
    _write_format(request, body, draft)
    _write_reasoning(request, model, body, draft)
    if request.metadata.user is not None:
        body["user"] = request.metadata.user
    body.update({name: value for name, value in options.items() if name not in _OWN_OPTIONS})
    if stream:
        body["stream"] = True
    return body, draft


def _write_limits(request: Request, model: Traits, body: Wire, draft: Draft) -> None:
    if request.max_output_tokens is not None:
        body["max_output_tokens"] = request.max_output_tokens
        if request.max_output_tokens < MIN_OUTPUT_TOKENS:
            draft.faults.append(
                f"max_output_tokens: must be {MIN_OUTPUT_TOKENS} or more, not {request.max_output_tokens}"
            )
    given = {name: value for name in ("temperature", "top_p") if (value := getattr(request, name)) is not None}
    if not model.takes_sampling(request.reasoning_effort):
        if given.get("temperature") == 0.0:
            draft.note(f"temperature was left out: {request.model} takes none")
            del given["temperature"]
        refused = [name for name, value in given.items() if (name, value) not in _NEUTRAL]
        draft.faults += [f"{name}: {request.model} takes none while it reasons: leave it out" for name in refused]
        given = {}
    for name, high in (("temperature", model.temperature_max), ("top_p", 1.0)):
        if name in given and not 0.0 <= given[name] <= high:
            draft.faults.append(f"{name}: must be from 0 to {high}, not {given[name]}")
    body.update(given)
    if request.logprobs is not None:
        body["top_logprobs"] = request.logprobs
        if not 0 <= request.logprobs <= 20:
            draft.faults.append(f"logprobs: must be from 0 to 20, not {request.logprobs}")


def _write_tools(request: Request, body: Wire, draft: Draft) -> None:
    foreign = objects_of(own(request.options, DIALECT).get("tools"))
    names = [tool.name for tool in request.tools]
    tools = [_write_tool(tool, f"tools[{number}]", draft) for number, tool in enumerate(request.tools)] + foreign
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        draft.faults.append(f"tools: names must be unique: {', '.join(doubled)}")
    choice = request.tool_choice
    if isinstance(choice, NamedTool) and choice.name not in names and not foreign:
        draft.faults.append(f"tool_choice: there is no tool {choice.name!r}")
    if choice == "required" and not tools:
        draft.faults.append("tool_choice: 'required' needs a tool")
    if not tools:
        return
    body["tools"] = tools
    if choice is not None:
        body["tool_choice"] = {"type": "function", "name": choice.name} if isinstance(choice, NamedTool) else choice
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _write_tool(tool: Tool, place: str, draft: Draft) -> Wire:
    if not _TOOL_NAME.fullmatch(tool.name):
        draft.faults.append(f"{place}: the name {tool.name!r} must be 1 to 64 of a-z, A-Z, 0-9, _ and -")
    if tool.strict:
        draft.faults += [f"{place}.parameters {fault} (strict)" for fault in strict_faults(tool.parameters)]
    wire: Wire = {"type": "function", "name": tool.name, "parameters": tool.parameters}
    if tool.description:
        wire["description"] = tool.description
    if tool.strict is not None:
        wire["strict"] = tool.strict
    return {**wire, **own(tool.extra, DIALECT)}


def _write_format(request: Request, body: Wire, draft: Draft) -> None:
    text: Wire = dict(object_of(own(request.options, DIALECT).get("text")))
    wanted = request.response_format
    if wanted is not None and wanted.schema is None:
        text["format"] = {"type": "json_object"}
        if "json" not in f"{body['input']} {body.get('instructions')}".lower():
            draft.faults.append("response_format: a message must contain the word JSON: the server insists on it")
    elif wanted is not None:
        outside = strict_faults(wanted.schema) if wanted.strict else []
        if outside:
            draft.note(f"the schema was sent with strict false: {'; '.join(outside[:3])}")
        kind: Wire = {"type": "json_schema", "name": wanted.name, "schema": wanted.schema}
        text["format"] = {**kind, "strict": wanted.strict and not outside}
        if wanted.description is not None:
            text["format"]["description"] = wanted.description
        if not _TOOL_NAME.fullmatch(wanted.name):
            draft.faults.append(f"response_format: the name {wanted.name!r} must be 1 to 64 of a-z, A-Z, 0-9, _ and -")
    if text:
        body["text"] = text


def _write_reasoning(request: Request, model: Traits, body: Wire, draft: Draft) -> None:
    """The effort, and what is to be included: encrypted reasoning where the model reasons, log-probabilities on demand."""
    effort = request.reasoning_effort
    options = own(request.options, DIALECT)
    reasoning: Wire = dict(object_of(options.get("reasoning")))
    if effort is not None:
        reasoning["effort"] = effort
        if model.efforts is not None and effort not in model.efforts:
            accepted = ", ".join(model.efforts) or "none at all"
            draft.faults.append(f"reasoning_effort: {request.model} accepts {accepted}, not {effort!r}")
    if reasoning:
        body["reasoning"] = reasoning
    include = [name for name in options.get("include") or () if isinstance(name, str)]
    if model.sampling != "always" or effort not in (None, "none"):
        include.append(ENCRYPTED)
    if request.logprobs is not None:
        include.append(LOGPROBS)
    if include:
        body["include"] = list(dict.fromkeys(include))


class _Body(msgspec.Struct, kw_only=True):
    """What a client may send and we read; msgspec names the field that is of the wrong kind."""

    model: str | None = None
    input: str | list[dict[str, Any]] | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    include: list[str] | None = None
    user: str | None = None
    store: bool | None = None
    stream: bool | None = None


_FIELDS: Final = frozenset(_Body.__struct_fields__)


def read_request(data: bytes) -> Request:
    """The Request of a client's body. Raises BadRequest that names the field which is wrong."""
    try:
        raw = msgspec.json.decode(data)
        body = msgspec.convert(raw, _Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadRequest(f"the request body is not as it should be: {fault}", status=400) from fault
    system, messages = read_items(body.input or [])
    if body.instructions is not None and system is not None:
        messages, system = (Message(role="system", parts=system), *messages), None
    options = rest_of(raw, _FIELDS)
    tools, foreign = _read_tools(body.tools or [])
    choice = _read_choice(body.tool_choice)
    wanted, text = _read_format(body.text or {})
    reasoning = dict(body.reasoning or {})
    effort: Any = reasoning.pop("effort") if text_of(reasoning.get("effort")) in _EFFORTS else None
    include = [name for name in body.include or [] if name not in (ENCRYPTED, LOGPROBS)]
    kept: Wire = {
        "tools": foreign,
        "text": text,
        "reasoning": reasoning,
        "include": include,
        "store": body.store or None,
    }
    if body.tool_choice is not None and choice is None:
        kept["tool_choice"] = body.tool_choice
    options.update({name: value for name, value in kept.items() if value})
    return Request(
        model=body.model or "",
        messages=messages,
        system=body.instructions if body.instructions is not None else system,
        max_output_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        logprobs=body.top_logprobs,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.parallel_tool_calls,
        response_format=wanted,
        reasoning_effort=effort,
        options=keep(DIALECT, options) or {},
        metadata=Metadata(user=body.user),
    )


def _read_tools(wires: list[Wire]) -> tuple[tuple[Tool, ...], list[Wire]]:
    """The functions among the tools, and those of other kinds as they are."""
    functions: list[Tool] = []
    foreign: list[Wire] = []
    for wire in wires:
        if wire.get("type") != "function" or not isinstance(wire.get("name"), str):
            foreign.append(wire)
            continue
        parameters, strict = wire.get("parameters"), wire.get("strict")
        given: Wire = {"parameters": parameters} if isinstance(parameters, dict) else {}
        known = frozenset({"type", "name", "parameters", "strict", "description"})
        functions.append(
            Tool(
                name=wire["name"],
                description=text_of(wire.get("description")),
                strict=strict if isinstance(strict, bool) else None,
                extra=keep(DIALECT, rest_of(wire, known)),
                **given,
            )
        )
    return tuple(functions), foreign


def _read_choice(choice: str | Wire | None) -> ToolChoice | None:
    if isinstance(choice, dict):
        name = text_or_none(choice.get("name")) if choice.get("type") == "function" else None
        return NamedTool(name) if name else None
    return choice if choice in ("auto", "none", "required") else None  # type: ignore[return-value]


def _read_format(text: Wire) -> tuple[ResponseFormat | None, Wire]:
    """The wanted format, and what else stands in `text`."""
    rest = rest_of(text, frozenset({"format"}))
    wire = object_of(text.get("format"))
    if wire.get("type") == "json_object":
        return ResponseFormat(), rest
    schema = wire.get("schema")
    if wire.get("type") != "json_schema" or not isinstance(schema, dict):
        return None, rest
    wanted = ResponseFormat(
        schema=schema,
        name=text_of(wire.get("name")) or "answer",
        strict=bool(wire.get("strict")),
        description=text_or_none(wire.get("description")),
    )
    return wanted, rest
