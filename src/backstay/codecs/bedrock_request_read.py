"""The body of Converse to a Request: the gateway's side of `bedrock_request`.

What has no neutral name is kept in `options["bedrock"]` for a target of this dialect.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.codecs.anthropic_request import BUDGETS
from backstay.codecs.bedrock_part import read_blocks
from backstay.codecs.bedrock_wire import DIALECT, Wire
from backstay.codecs.lenient import count_of, keep, number_of, object_of, objects_of, rest_of, text_of, text_or_none
from backstay.codecs.trait import traits
from backstay.errors import BadRequest
from backstay.types import (
    Effort,
    Message,
    NamedTool,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
)

_NAMED: Final = frozenset(
    {"messages", "system", "inferenceConfig", "toolConfig", "outputConfig", "additionalModelRequestFields", "modelId"}
)
_LEVELS: Final[tuple[Effort, ...]] = ("minimal", "low", "medium", "high", "xhigh", "max")
_CONFIG: Final = frozenset({"maxTokens", "temperature", "topP", "stopSequences"})


def read_object(data: bytes) -> Wire:
    """The JSON object in a client's body. Raises BadRequest where there is none."""
    try:
        wire = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadRequest(f"the body is no JSON: {fault}", status=400, code="ValidationException") from fault
    if not isinstance(wire, dict):
        raise BadRequest("the body is no JSON object", status=400, code="ValidationException")
    return wire


def read_request(data: bytes, *, model: str) -> Request:
    """The Request in a body. Raises BadRequest naming the field that is wrong."""
    wire = read_object(data)
    config = object_of(wire.get("inferenceConfig"))
    options = rest_of(wire, _NAMED)
    model = model or text_of(wire.get("modelId"))
    if others := rest_of(config, _CONFIG):
        options["inferenceConfig"] = others
    fields = dict(object_of(wire.get("additionalModelRequestFields")))
    output = dict(object_of(wire.get("outputConfig")))
    wanted = _read_format(output)
    top_k = count_of(fields.pop("top_k", None))
    effort = _read_reasoning(fields, output, model, count_of(config.get("maxTokens")))
    options |= {
        name: rest for name, rest in (("additionalModelRequestFields", fields), ("outputConfig", output)) if rest
    }
    tools = object_of(wire.get("toolConfig"))
    return Request(
        model=model,
        messages=_read_messages(wire.get("messages")),
        system=_read_system(wire.get("system")),
        max_output_tokens=count_of(config.get("maxTokens")),
        temperature=number_of(config.get("temperature")),
        top_p=number_of(config.get("topP")),
        top_k=top_k,
        stop=_texts_of(config.get("stopSequences")),
        tools=_read_tools(tools.get("tools")),
        tool_choice=_read_choice(object_of(tools.get("toolChoice"))),
        response_format=wanted,
        reasoning_effort=effort,
        options=keep(DIALECT, options) or {},
    )


def _texts_of(value: Any) -> tuple[str, ...]:
    """The strings of `value` where it is a list, else none."""
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _read_messages(wire: Any) -> tuple[Message, ...]:
    if wire is not None and (not isinstance(wire, list) or not all(isinstance(item, dict) for item in wire)):
        raise BadRequest(
            "messages: must be a list of objects with role and content", status=400, code="ValidationException"
        )
    messages: list[Message] = []
    for index, turn in enumerate(wire or ()):
        role = turn.get("role")
        if role not in ("user", "assistant"):
            reason = f"messages[{index}].role: {role!r} is neither user nor assistant"
            raise BadRequest(reason, status=400, code="ValidationException")
        parts = read_blocks(turn.get("content"))
        if role == "assistant":
            messages.append(Message(role="assistant", parts=parts))
            continue
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        others = tuple(part for part in parts if not isinstance(part, ToolResult))
        if results:
            messages.append(Message(role="tool", parts=results))
        if others or not results:
            messages.append(Message(role="user", parts=others))
    return tuple(messages)


def _read_system(wire: Any) -> str | tuple[Text, ...] | None:
    texts = tuple(part for part in read_blocks(wire) if isinstance(part, Text))
    return texts[0].text if len(texts) == 1 and texts[0].cache is None else texts or None


def _read_tools(wire: Any) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for entry in objects_of(wire):
        spec = object_of(entry.get("toolSpec"))
        if "cachePoint" in entry and tools:
            lifetime = "1h" if object_of(entry["cachePoint"]).get("ttl") == "1h" else "5m"
            tools[-1] = msgspec.structs.replace(tools[-1], cache=lifetime)
        elif spec:
            schema = object_of(object_of(spec.get("inputSchema")).get("json"))
            common: dict[str, Any] = {"parameters": schema} if schema else {}
            strict = spec.get("strict") if isinstance(spec.get("strict"), bool) else None
            tools.append(
                Tool(
                    name=text_of(spec.get("name")),
                    description=text_of(spec.get("description")),
                    strict=strict,
                    **common,
                )
            )
        else:
            tools.append(Tool(name=text_of(object_of(entry.get("systemTool")).get("name")), extra={DIALECT: entry}))
    return tuple(tools)


def _read_choice(wire: Wire) -> ToolChoice | None:
    if "tool" in wire:
        return NamedTool(text_of(object_of(wire["tool"]).get("name")))
    if "any" in wire:
        return "required"
    return "auto" if "auto" in wire else None


def _read_format(output: Wire) -> ResponseFormat | None:
    """Structured output, taken out of `output`; its schema is JSON in a string."""
    definition = object_of(object_of(object_of(output.get("textFormat")).get("structure")).get("jsonSchema"))
    try:
        schema = msgspec.json.decode(text_of(definition.get("schema")))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    if not isinstance(schema, dict):
        return None
    del output["textFormat"]
    name, described = text_or_none(definition.get("name")), text_or_none(definition.get("description"))
    return ResponseFormat(schema=schema, name=name or "answer", description=described)


def _read_reasoning(fields: Wire, output: Wire, model: str, limit: int | None) -> Effort | None:
    """The effort asked for; what says no more than the effort is taken out of `fields` and `output`."""
    thinking, level = object_of(fields.get("thinking")), text_of(output.get("effort"))
    way = traits(DIALECT, model).thinking
    effort = next((each for each in _LEVELS if each == level), None)
    if thinking == {"type": "disabled"} and way is not None:
        del fields["thinking"]
        return "none"
    if thinking == {"type": "adaptive"} and way not in (None, "budget") and effort:
        del fields["thinking"], output["effort"]
        return effort
    if not thinking and way is None and effort:
        del output["effort"]
        return effort
    budget = thinking.get("budget_tokens")
    exact = next((each for each in _LEVELS if BUDGETS[each] == budget), None)
    if exact and len(thinking) == 2 and way == "budget" and (limit is None or BUDGETS[exact] <= limit * 3 // 4):
        del fields["thinking"]
        return exact
    if isinstance(budget, int):
        return [each for each in _LEVELS if BUDGETS[each] <= max(budget, BUDGETS["minimal"])][-1]
    return None
