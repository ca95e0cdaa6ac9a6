"""The body of generateContent to a Request: the gateway's side of `gemini_request`.

Field names are read in both spellings, `parts` as a list or a single object, schemas in either language. What has no neutral
name is kept in `options["gemini"]` for a target of this dialect. Function responses without ids are matched to the calls before
them by name and order.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.codecs.gemini_part import read_parts
from backstay.codecs.gemini_request import BUDGETS
from backstay.codecs.gemini_schema import json_schema
from backstay.codecs.gemini_wire import DIALECT, Wire, field, items, rest
from backstay.codecs.lenient import count_of, keep, number_of, object_of, text_of, text_or_none
from backstay.codecs.trait import traits
from backstay.errors import BadRequest
from backstay.types import (
    AnyPart,
    Effort,
    Message,
    NamedTool,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

_NAMED: Final = frozenset({"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "model"})
_CONFIG: Final = frozenset(
    {
        "maxOutputTokens",
        "temperature",
        "topP",
        "topK",
        "stopSequences",
        "seed",
        "frequencyPenalty",
        "presencePenalty",
        "responseLogprobs",
        "logprobs",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "thinkingConfig",
    }
)
_FUNCTION: Final = frozenset({"name", "description", "parameters", "parametersJsonSchema"})
_CHOICES: Final[dict[str, ToolChoice]] = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
_EFFORTS: Final[dict[str, Effort]] = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    "XHIGH": "xhigh",
}


def read_object(data: bytes) -> Wire:
    """The JSON object in a client's body. Raises BadRequest where there is none."""
    try:
        wire = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadRequest(f"the body is no JSON: {fault}", status=400, code="INVALID_ARGUMENT") from fault
    if not isinstance(wire, dict):
        raise BadRequest("the body is no JSON object", status=400, code="INVALID_ARGUMENT")
    return wire


def read_request(data: bytes, *, model: str) -> Request:
    """The Request in a body. Raises BadRequest naming the field that is wrong."""
    wire = read_object(data)
    config = object_of(field(wire, "generationConfig"))
    options = rest(wire, _NAMED)
    kept = rest(config, _CONFIG)
    effort, thinking = _read_thinking(
        object_of(field(config, "thinkingConfig")), model, count_of(field(config, "maxOutputTokens"))
    )
    if thinking:
        kept["thinkingConfig"] = thinking
    if kept:
        options["generationConfig"] = kept
    choice = _read_tool_choice(wire, options)
    wants_logprobs = field(config, "responseLogprobs") is True
    return Request(
        model=model,
        messages=_read_contents(field(wire, "contents")),
        system=_read_system(field(wire, "systemInstruction")),
        max_output_tokens=count_of(field(config, "maxOutputTokens")),
        temperature=number_of(field(config, "temperature")),
        top_p=number_of(field(config, "topP")),
        top_k=count_of(field(config, "topK")),
        stop=_texts_of(field(config, "stopSequences")),
        seed=_whole(field(config, "seed")),
        frequency_penalty=number_of(field(config, "frequencyPenalty")),
        presence_penalty=number_of(field(config, "presencePenalty")),
        logprobs=(count_of(field(config, "logprobs")) or 0) if wants_logprobs else None,
        tools=tuple(tool for entry in items(field(wire, "tools")) for tool in _read_tools(entry)),
        tool_choice=choice,
        response_format=_read_format(config),
        reasoning_effort=effort,
        options=keep(DIALECT, options) or {},
    )


def _texts_of(value: Any) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _read_contents(contents: Any) -> tuple[Message, ...]:
    if isinstance(contents, list) and not all(isinstance(item, dict) for item in contents):
        raise BadRequest(
            "contents: each item must be an object with role and parts", status=400, code="INVALID_ARGUMENT"
        )
    messages: list[Message] = []
    waiting: list[ToolCall] = []
    turns = 0
    for index, content in enumerate(items(contents)):
        role = content.get("role") or "user"
        if role not in ("user", "model", "function"):
            raise BadRequest(
                f"contents[{index}].role: {role!r} is neither user nor model", status=400, code="INVALID_ARGUMENT"
            )
        parts = read_parts(content, f"{turns}")
        if not parts and content.get("parts"):
            parts = (Text(text=""),)
        if role == "model":
            turns += 1
            messages.append(Message(role="assistant", parts=parts))
            waiting = [part for part in parts if isinstance(part, ToolCall)]
        else:
            messages += _split(tuple(_matched(part, waiting) for part in parts))
    return tuple(messages)


def _matched(part: AnyPart, waiting: list[ToolCall]) -> AnyPart:
    """A result with the id of its call: its own, else that of the first waiting call with its name, else of the first."""
    if not isinstance(part, ToolResult):
        return part
    call = next((call for call in waiting if call.id == part.call_id), None)
    call = call or next((call for call in waiting if call.name == part.name), None)
    if call is None or (part.call_id and call.id != part.call_id):
        return part
    waiting.remove(call)
    name = None if part.name == call.name else part.name
    return msgspec.structs.replace(part, call_id=call.id, name=name)


def _split(parts: tuple[AnyPart, ...]) -> list[Message]:
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    others = tuple(part for part in parts if not isinstance(part, ToolResult))
    messages = [Message(role="tool", parts=results)] if results else []
    return [*messages, Message(role="user", parts=others)] if others or not results else messages


def _read_system(wire: Any) -> str | tuple[Text, ...] | None:
    texts = tuple(part for part in read_parts(wire) if isinstance(part, Text))
    if len(texts) == 1 and texts[0].extra is None:
        return texts[0].text
    return texts or None


def _read_tools(entry: Wire) -> list[Tool]:
    tools = [_read_function(wire) for wire in items(field(entry, "functionDeclarations"))]
    served = rest(entry, frozenset({"functionDeclarations"}))
    return tools + [Tool(name=name, extra={DIALECT: {name: value}}) for name, value in served.items()]


def _read_function(wire: Wire) -> Tool:
    schema = object_of(field(wire, "parametersJsonSchema")) or json_schema(object_of(wire.get("parameters")))
    common: dict[str, Any] = {"parameters": schema} if schema else {}
    return Tool(
        name=text_of(wire.get("name")),
        description=text_of(wire.get("description")),
        extra=keep(DIALECT, rest(wire, _FUNCTION)),
        **common,
    )


def _read_tool_choice(wire: Wire, options: Wire) -> ToolChoice | None:
    config = object_of(field(wire, "toolConfig"))
    calling = object_of(field(config, "functionCallingConfig"))
    mode = text_of(calling.get("mode")).upper()
    names = _texts_of(field(calling, "allowedFunctionNames"))
    other = rest(config, frozenset({"functionCallingConfig"}))
    if (
        len(names) > 1
        or (mode and mode not in _CHOICES)
        or len(rest(calling, frozenset({"mode", "allowedFunctionNames"})))
    ):
        other["functionCallingConfig"] = calling
    if other:
        options["toolConfig"] = other
    if mode == "ANY" and len(names) == 1:
        return NamedTool(names[0])
    return _CHOICES.get(mode)


def _read_format(config: Wire) -> ResponseFormat | None:
    schema = object_of(field(config, "responseJsonSchema")) or json_schema(object_of(field(config, "responseSchema")))
    if schema:
        return ResponseFormat(schema=schema)
    return ResponseFormat() if text_or_none(field(config, "responseMimeType")) == "application/json" else None


def _read_thinking(wire: Wire, model: str, limit: int | None) -> tuple[Effort | None, Wire]:
    """The effort asked for, and the configuration itself where the effort alone would not give it again."""
    if not wire:
        return None, {}
    level, budget = text_of(field(wire, "thinkingLevel")).upper(), _whole(field(wire, "thinkingBudget"))
    shows = field(wire, "includeThoughts") is True
    is_budget = traits(DIALECT, model).thinking == "budget"
    if level in _EFFORTS:
        return _EFFORTS[level], {} if shows and not is_budget and len(wire) == 2 else wire
    if budget == 0:
        return "none", {} if len(wire) == 1 and is_budget else wire
    if budget is None or budget < 0:
        return None, wire
    known: list[Effort] = [effort for effort in _EFFORTS.values() if BUDGETS[effort] <= budget]
    effort: Effort = "max" if budget >= BUDGETS["max"] else max(known or ["minimal"], key=BUDGETS.__getitem__)
    is_exact = BUDGETS[effort] == budget and (limit is None or budget <= limit * 3 // 4)
    return effort, {} if is_exact and shows and is_budget and len(wire) == 2 else wire
