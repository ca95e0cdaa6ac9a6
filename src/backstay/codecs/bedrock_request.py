"""Request to the body of Converse, and every reason for which Bedrock would refuse it.

Roles alternate, so neighbours of one role become one turn and tool results join the user's. What the common form has no field
for (top_k, Claude's thinking) goes to `additionalModelRequestFields`. A history with tool calls needs a `toolConfig`, even
when no tool may be called any more. `Request.options["bedrock"]` is laid over the body.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from backstay.codecs.anthropic_request import BUDGETS, MIN_BUDGET
from backstay.codecs.anthropic_schema import closed_schema
from backstay.codecs.bedrock_part import Draft, cache_point, wire_id, write_blocks
from backstay.codecs.bedrock_wire import DIALECT, Wire
from backstay.codecs.lenient import object_of
from backstay.codecs.trait import Traits
from backstay.types import Message, NamedTool, Request, Text, Tool, ToolCall, ToolResult

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NEVER_TAKEN: Final = ("seed", "frequency_penalty", "presence_penalty", "logprobs")
_MERGED: Final = frozenset({"inferenceConfig", "additionalModelRequestFields", "outputConfig", "toolConfig"})


def write_body(request: Request, traits: Traits, draft: Draft) -> Wire:
    """The body. Faults and notes go to `draft`."""
    turns, system = _write_turns(request, draft)
    body: Wire = {"messages": turns}
    if system:
        body["system"] = system
    more = _write_reasoning(request, traits, draft)
    body |= more
    config = _write_config(request, traits, draft, is_thinking="additionalModelRequestFields" in more)
    if config:
        body["inferenceConfig"] = config
    if request.top_k is not None:
        body["additionalModelRequestFields"] = {**body.get("additionalModelRequestFields", {}), "top_k": request.top_k}
    tools = _write_tools(request, draft)
    if tools:
        body["toolConfig"] = tools
    _write_format(request, traits, body, draft)
    for key, value in object_of(request.options.get(DIALECT)).items():
        body[key] = {**body.get(key, {}), **value} if key in _MERGED and isinstance(value, dict) else value
    _in_turns(turns, draft)
    return body


def _write_turns(request: Request, draft: Draft) -> tuple[list[Wire], list[Wire]]:
    given = (Text(text=request.system),) if isinstance(request.system, str) else request.system or ()
    system = write_blocks(given, "system", "system", draft)
    turns: list[Wire] = []
    for index, message in enumerate(request.messages):
        place = f"messages[{index}]"
        if message.role == "system":
            if turns:
                draft.notes.append(f"{place} was moved into the system prompt: Converse takes none in between.")
            system += write_blocks(message.parts, "system", place, draft)
        else:
            _add_turn(turns, message, place, draft)
    for turn in turns:
        turn["content"] = _results_first(turn["content"])
    if not turns:
        draft.faults.append("messages: at least one message is needed")
    return turns, system


def _add_turn(turns: list[Wire], message: Message, place: str, draft: Draft) -> None:
    role = "assistant" if message.role == "assistant" else "user"
    content = write_blocks(message.parts, message.role, place, draft)
    if not content and role == "assistant":
        draft.notes.append(f"{place} was left out: the assistant had said nothing.")
    elif not content:
        draft.faults.append(f"{place}: the content is empty; give it a text or another part")
    elif turns and turns[-1]["role"] == role:
        turns[-1]["content"] += content
    else:
        turns.append({"role": role, "content": content})


def _results_first(content: list[Wire]) -> list[Wire]:
    """Tool results in front, each with its cache point."""
    results: list[Wire] = []
    others: list[Wire] = []
    place = others
    for block in content:
        if "cachePoint" not in block:
            place = results if "toolResult" in block else others
        place.append(block)
    return results + others


def _in_turns(turns: list[Wire], draft: Draft) -> None:
    """Every call has its result in the next turn, every result its call."""
    wanted: set[str] = set()
    for turn in [*turns, {"content": []}]:
        results = [str(result.get("toolUseId")) for result in _inside(turn, "toolResult")]
        for call in sorted(wanted - set(results)):
            draft.faults.append(
                f"tool call {call!r} has no result: add ToolResult(call_id={call!r}) to the message after it"
            )
        for result in results:
            if result not in wanted:
                draft.faults.append(f"tool result {result!r} answers no call of the message before it")
            wanted.discard(result)
        calls = _inside(turn, "toolUse")
        wanted = {str(call.get("toolUseId")) for call in calls if call.get("type") != "server_tool_use"}


def _inside(turn: Wire, kind: str) -> list[Wire]:
    return [block[kind] for block in turn["content"] if isinstance(block.get(kind), dict)]


def _write_config(request: Request, traits: Traits, draft: Draft, *, is_thinking: bool) -> Wire:
    for name in _NEVER_TAKEN:
        if getattr(request, name) is not None:
            draft.faults.append(f"{name}: Converse has no such parameter; leave it out")
    config: Wire = {}
    if request.max_output_tokens is not None:
        config["maxTokens"] = request.max_output_tokens
        if request.max_output_tokens < 1:
            draft.faults.append("max_output_tokens: must be 1 or more")
    if request.stop:
        config["stopSequences"] = list(request.stop)
    reason = _refusal_of_default(request, traits, is_thinking=is_thinking)
    if request.temperature == 0.0 and reason is not None:
        draft.notes.append(f"temperature 0.0 was left out: {reason}.")
    elif request.temperature is not None:
        config["temperature"] = request.temperature
        if reason is not None and not (is_thinking and request.temperature == 1.0):
            draft.faults.append(f"temperature: {reason}")
        elif not 0.0 <= request.temperature <= 1.0:
            draft.faults.append(f"temperature: {request.temperature} is outside 0..1")
    if request.top_p is not None:
        config["topP"] = request.top_p
        if traits.sampling == "never":
            draft.faults.append(f"top_p: {request.model} takes no sampling parameters")
    if request.top_k is not None and not traits.takes_top_k:
        draft.faults.append(f"top_k: {request.model} does not take it")
    return config


def _refusal_of_default(request: Request, traits: Traits, *, is_thinking: bool) -> str | None:
    """Why a temperature cannot be sent here; None where it can."""
    if traits.sampling == "never":
        return f"{request.model} takes no sampling parameters"
    if is_thinking:
        return "while thinking is on it may only be 1"
    if request.top_p is not None and not traits.takes_temperature_with_top_p:
        return f"{request.model} takes temperature or top_p, not both"
    return None


def _write_reasoning(request: Request, traits: Traits, draft: Draft) -> Wire:
    """Claude's thinking in its own fields, an effort in the common one for every other model."""
    effort, own_fields = request.reasoning_effort, object_of(request.options.get(DIALECT))
    if effort is None or "thinking" in object_of(own_fields.get("additionalModelRequestFields")):
        return {}
    if traits.efforts is not None and effort not in traits.efforts:
        if effort == "none" and not traits.efforts:
            return {}
        known = ", ".join(traits.efforts) or "none, because it does not reason"
        draft.faults.append(f"reasoning_effort: {request.model} does not take {effort!r}; it takes {known}")
        return {}
    if traits.thinking is None:
        return {"outputConfig": {"effort": effort}} if effort != "none" else {}
    if effort == "none":
        return {"additionalModelRequestFields": {"thinking": {"type": "disabled"}}}
    if traits.thinking == "budget":
        budget = {"type": "enabled", "budget_tokens": _budget(effort, request.max_output_tokens, draft)}
        return {"additionalModelRequestFields": {"thinking": budget}}
    level = "low" if effort == "minimal" else effort
    return {"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}, "outputConfig": {"effort": level}}


def _budget(effort: str, limit: int | None, draft: Draft) -> int:
    """Thinking counts against maxTokens, so at most three quarters of it are given to thinking."""
    wanted = BUDGETS[effort]
    if limit is None:
        return wanted
    if limit <= MIN_BUDGET:
        draft.faults.append(f"max_output_tokens: {limit} must exceed the least thinking budget of {MIN_BUDGET}")
    room = max(limit * 3 // 4, MIN_BUDGET)
    if wanted > room:
        draft.notes.append(
            f"Reasoning at effort {effort!r} got {room} of {wanted} tokens: max_output_tokens is {limit}."
        )
    return min(wanted, room)


def _write_tools(request: Request, draft: Draft) -> Wire:
    choice, tools = request.tool_choice, list(request.tools)
    used = {part.name for message in request.messages for part in message.parts if isinstance(part, ToolCall)}
    has_history = bool(used) or any(
        isinstance(part, ToolResult) for message in request.messages for part in message.parts
    )
    if not tools and isinstance(choice, NamedTool | str) and choice not in ("auto", "none"):
        draft.faults.append("tool_choice: a tool is demanded, but the request has no tools")
    if choice == "none" and not has_history:
        if tools:
            draft.notes.append("The tools were left out: Converse knows no tool_choice 'none'.")
        return {}
    if not tools and has_history:
        tools = [Tool(name=name) for name in sorted(used)]
        draft.notes.append(
            "Tools of the history were declared: Converse refuses tool calls without a tool configuration."
        )
    elif choice == "none":
        draft.notes.append("tool_choice 'none' was left out: Converse cannot forbid tools that the history uses.")
    if request.parallel_tool_calls is False and tools:
        draft.notes.append("parallel_tool_calls was left out: Converse cannot forbid parallel calls.")
    wire: Wire = {"tools": [block for index, tool in enumerate(tools) for block in _write_tool(tool, index, draft)]}
    if isinstance(choice, NamedTool):
        if all(tool.name != choice.name for tool in tools):
            draft.faults.append(f"tool_choice: there is no tool named {choice.name!r}")
        wire["toolChoice"] = {"tool": {"name": choice.name}}
    elif choice in ("auto", "required"):
        wire["toolChoice"] = {"any" if choice == "required" else "auto": {}}
    return wire if tools else {}


def _write_tool(tool: Tool, index: int, draft: Draft) -> list[Wire]:
    place = f"tools[{index}]"
    extra = object_of((tool.extra or {}).get(DIALECT))
    if extra:
        return [extra]
    if _NAME.fullmatch(tool.name) is None:
        draft.faults.append(f"{place}.name: {tool.name!r} must be 1 to 64 letters, digits, '_' or '-'")
    if tool.parameters.get("type") != "object":
        draft.faults.append(f'{place}.parameters: a tool\'s schema needs "type": "object" at its top')
    schema = closed_schema(tool.parameters, f"{place}.parameters", draft.notes) if tool.strict else tool.parameters
    spec: Wire = {"name": tool.name, "inputSchema": {"json": schema}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict is not None:
        spec["strict"] = tool.strict
    return [{"toolSpec": spec}, *([cache_point(tool.cache)] if tool.cache else [])]


def _write_format(request: Request, traits: Traits, body: Wire, draft: Draft) -> None:
    wanted = request.response_format
    if wanted is None:
        return
    if wanted.schema is None:
        draft.notes.append(
            "response_format was left out: Converse has no JSON mode without a schema; ask in the prompt."
        )
        return
    if not traits.takes_schema:
        draft.faults.append(f"response_format: {request.model} has no structured output; use a tool or the prompt")
        return
    schema = closed_schema(wanted.schema, "response_format.schema", draft.notes) if wanted.strict else wanted.schema
    definition: dict[str, Any] = {"schema": msgspec.json.encode(schema).decode(), "name": wire_id(wanted.name)}
    if wanted.description:
        definition["description"] = wanted.description
    text_format = {"type": "json_schema", "structure": {"jsonSchema": definition}}
    body["outputConfig"] = {**body.get("outputConfig", {}), "textFormat": text_format}
