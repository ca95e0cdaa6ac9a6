"""Request to the body of generateContent, and every reason for which the API would refuse it.

Roles are `user` and `model`; tool results are a user's content of their own, all results of one turn in one. The system prompt
stands apart. `Request.options["gemini"]` is laid over the body; its `generationConfig` is merged key by key.

Thinking is asked for as a budget of tokens (2.5) or as a level (since 3); both count against maxOutputTokens.
Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import re
from typing import Any, Final

from backstay.codecs.gemini_part import SKIP_SIGNATURE, Draft, write_parts
from backstay.codecs.gemini_schema import openapi_schema, readable_schema
from backstay.codecs.gemini_wire import DIALECT, Wire
from backstay.codecs.lenient import object_of, own
from backstay.codecs.trait import Traits
from backstay.types import Message, NamedTool, Request, Tool, ToolCall, ToolResult

BUDGETS: Final = {"minimal": 512, "low": 1024, "medium": 8192, "high": 16384, "xhigh": 20480, "max": 24576}
"""Thinking tokens by effort, for models that take a number. Ours: the API names only the range, 128 or 512 to 24576."""

_MIN_BUDGET: Final = 512
_MAX_STOP: Final = 5
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
_MODES: Final = {"auto": "AUTO", "required": "ANY", "none": "NONE"}


def write_body(request: Request, traits: Traits, draft: Draft) -> Wire:
    """The body. Faults and notes go to `draft`."""
    contents, system = _write_contents(request, traits, draft)
    body: Wire = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    tools = _write_tools(request, traits, draft)
    if tools:
        body["tools"] = tools
    _write_tool_choice(request, body, draft)
    config = _write_config(request, traits, draft)
    if config:
        body["generationConfig"] = config
    for key, value in object_of(request.options.get(DIALECT)).items():
        is_merged = key in ("generationConfig", "toolConfig") and isinstance(value, dict)
        body[key] = {**body.get(key, {}), **value} if is_merged else value
    return body


def _write_contents(request: Request, traits: Traits, draft: Draft) -> tuple[list[Wire], list[Wire]]:
    contents: list[Wire] = []
    names: dict[str, str] = {}
    system = _system(request)
    last: str | None = None
    for index, message in enumerate(request.messages):
        place = f"messages[{index}]"
        if message.role == "system":
            if contents:
                draft.notes.append(f"{place} was moved into the system prompt: this API takes none in between.")
            system += write_parts(message.parts, place, draft, names)
            continue
        _in_roles(message, place, draft)
        names.update({part.id: part.name for part in message.parts if isinstance(part, ToolCall)})
        parts = write_parts(message.parts, place, draft, names)
        if not parts and message.role == "user" and message.parts:
            parts = [{"text": ""}]
        if not parts:
            _on_empty(message, place, draft)
        elif message.role == "tool" and last == "tool":
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": "model" if message.role == "assistant" else "user", "parts": parts})
            last = message.role
    if not contents:
        draft.faults.append("messages: at least one message is needed")
    if traits.needs_call_signature:
        _sign_calls(contents, draft)
    _in_calls(request.messages, draft)
    return contents, system


def _system(request: Request) -> list[Wire]:
    if isinstance(request.system, str):
        return [{"text": request.system}] if request.system else []
    return [{"text": part.text, **own(part.extra, DIALECT)} for part in request.system or () if part.text]


def _on_empty(message: Message, place: str, draft: Draft) -> None:
    if message.role == "assistant":
        draft.notes.append(f"{place} was left out: the assistant had said nothing.")
    else:
        draft.faults.append(f"{place}: the content is empty; give it a text or another part")


def _in_roles(message: Message, place: str, draft: Draft) -> None:
    for index, part in enumerate(message.parts):
        if isinstance(part, ToolCall) and message.role != "assistant":
            draft.faults.append(f"{place}.parts[{index}]: a ToolCall belongs to an assistant message")
        if isinstance(part, ToolResult) and message.role == "assistant":
            draft.faults.append(f"{place}.parts[{index}]: a ToolResult belongs to a message of role 'tool'")


def _in_calls(messages: tuple[Message, ...], draft: Draft) -> None:
    """The number of results must be that of the calls before them, so each call needs its result."""
    wanted: set[str] = set()
    answered: set[str] = set()
    for message in messages:
        answered |= {part.call_id for part in message.parts if isinstance(part, ToolResult)}
        if message.role == "assistant":
            wanted |= {part.id for part in message.parts if isinstance(part, ToolCall)}
    for call in sorted(wanted - answered):
        draft.faults.append(
            f"tool call {call!r} has no result: add ToolResult(call_id={call!r}) to the message after it"
        )


def _sign_calls(contents: list[Wire], draft: Draft) -> None:
    """The first call of each turn needs a signature; one that another model made gets the documented stand-in."""
    for content in contents:
        calls = [part for part in content["parts"] if "functionCall" in part]
        if content["role"] == "model" and calls and "thoughtSignature" not in calls[0]:
            calls[0]["thoughtSignature"] = SKIP_SIGNATURE
            draft.notes.append(
                f"The call of {calls[0]['functionCall']['name']!r} was sent with a stand-in thought signature."
            )


def _write_tools(request: Request, traits: Traits, draft: Draft) -> list[Wire]:
    declared: list[Wire] = []
    served: list[Wire] = []
    for index, tool in enumerate(request.tools):
        extra = own(tool.extra, DIALECT)
        if tool.name in extra:
            served.append({tool.name: extra[tool.name]})
        else:
            declared.append(_write_function(tool, f"tools[{index}]", traits, draft, extra))
    return [*([{"functionDeclarations": declared}] if declared else []), *served]


def _write_function(tool: Tool, place: str, traits: Traits, draft: Draft, extra: Wire) -> Wire:
    if _NAME.fullmatch(tool.name) is None:
        draft.faults.append(
            f"{place}.name: {tool.name!r} must begin with a letter or '_' and hold letters, digits, '_.:-'"
        )
    wire: Wire = {"name": tool.name}
    if tool.description:
        wire["description"] = tool.description
    if traits.takes_json_schema:
        if tool.parameters:
            wire["parametersJsonSchema"] = readable_schema(tool.parameters, f"{place}.parameters", draft.notes)
    elif tool.parameters.get("properties"):
        wire["parameters"] = openapi_schema(tool.parameters, f"{place}.parameters", draft.notes)
    return {**wire, **extra}


def _write_tool_choice(request: Request, body: Wire, draft: Draft) -> None:
    choice = request.tool_choice
    if request.parallel_tool_calls is False and request.tools:
        draft.notes.append("parallel_tool_calls was left out: this API cannot forbid parallel calls.")
    if choice is None:
        return
    if not request.tools:
        if isinstance(choice, NamedTool) or choice == "required":
            draft.faults.append("tool_choice: a tool is demanded, but the request has no tools")
        return
    config: Wire = {"mode": "ANY" if isinstance(choice, NamedTool) else _MODES[choice]}
    if isinstance(choice, NamedTool):
        if all(tool.name != choice.name for tool in request.tools):
            draft.faults.append(f"tool_choice: there is no tool named {choice.name!r}")
        config["allowedFunctionNames"] = [choice.name]
    body["toolConfig"] = {"functionCallingConfig": config}


def _write_config(request: Request, traits: Traits, draft: Draft) -> Wire:
    config: Wire = {
        "maxOutputTokens": request.max_output_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "stopSequences": list(request.stop) or None,
        "seed": request.seed,
        "frequencyPenalty": request.frequency_penalty,
        "presencePenalty": request.presence_penalty,
    }
    if request.logprobs is not None:
        config |= {"responseLogprobs": True, "logprobs": request.logprobs or None}
    if len(request.stop) > _MAX_STOP:
        draft.faults.append(f"stop: {len(request.stop)} sequences, the API takes {_MAX_STOP}")
    if request.temperature is not None and not 0 <= request.temperature <= traits.temperature_max:
        draft.faults.append(f"temperature: {request.temperature} is outside 0..{traits.temperature_max:g}")
    if request.top_p is not None and not 0 <= request.top_p <= 1:
        draft.faults.append(f"top_p: {request.top_p} is outside 0..1")
    if request.max_output_tokens is not None and request.max_output_tokens < 1:
        draft.faults.append("max_output_tokens: must be 1 or more")
    config |= _write_format(request, traits, draft) | _write_thinking(request, traits, draft)
    return {name: value for name, value in config.items() if value is not None}


def _write_format(request: Request, traits: Traits, draft: Draft) -> Wire:
    wanted = request.response_format
    if wanted is None:
        return {}
    config: Wire = {"responseMimeType": "application/json"}
    if wanted.schema is not None and traits.takes_json_schema:
        config["responseJsonSchema"] = readable_schema(wanted.schema, "response_format.schema", draft.notes)
    elif wanted.schema is not None:
        config["responseSchema"] = openapi_schema(wanted.schema, "response_format.schema", draft.notes)
    return config


def _write_thinking(request: Request, traits: Traits, draft: Draft) -> Wire:
    effort: Any = request.reasoning_effort
    if effort is None or "thinkingConfig" in object_of(object_of(request.options.get(DIALECT)).get("generationConfig")):
        return {}
    if traits.efforts is not None and effort not in traits.efforts:
        if effort == "none" and not traits.efforts:
            return {}
        known = ", ".join(traits.efforts) or "none, because it does not reason"
        draft.faults.append(f"reasoning_effort: {request.model} does not take {effort!r}; it takes {known}")
        return {}
    if effort == "none":
        return {"thinkingConfig": {"thinkingBudget": 0}}
    if traits.thinking != "budget":
        return {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": effort.upper()}}
    wanted = BUDGETS[effort]
    room = wanted if request.max_output_tokens is None else max(request.max_output_tokens * 3 // 4, _MIN_BUDGET)
    if wanted > room:
        draft.notes.append(
            f"Reasoning at effort {effort!r} got {room} of {wanted} tokens, because max_output_tokens bounds both."
        )
    return {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": min(wanted, room)}}
