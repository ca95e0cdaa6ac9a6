"""Request to the body of POST /v1/messages, and every reason for which the API would refuse it.

The wire knows two roles, so system messages go to the top (or stay, where the model takes them in the conversation), tool
results join the user's turn in front of its text, and neighbours of one role become one turn. `Request.options["anthropic"]`
is laid over the body before it is judged, so what the user sets there is checked too.

Sampling parameters depend on the pair (API version, model): gone from version 2026-10-21 and from models since 4.7, and
while thinking is on only their neutral values pass. Source: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from backstay.codecs.anthropic_part import Block, Draft, write_blocks, write_cache
from backstay.codecs.anthropic_schema import closed_schema
from backstay.codecs.anthropic_wire import DIALECT
from backstay.codecs.lenient import object_of, own
from backstay.codecs.trait import Traits
from backstay.types import Message, NamedTool, Request, Text, Tool

DEFAULT_MAX_TOKENS: Final = 4096
MIN_BUDGET: Final = 1024
BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
"""Thinking tokens by effort, for models that take a number. Ours: the API names only the minimum."""

_NEWER: Final = "2026-10-21"
_NEVER_TAKEN: Final = ("seed", "frequency_penalty", "presence_penalty", "logprobs")


class Turn(msgspec.Struct):
    """One wire message under construction."""

    role: str
    content: list[Block]


def write_body(request: Request, traits: Traits, version: str, draft: Draft) -> dict[str, Any]:
    """The body without `model` and `stream`. Faults and notes go to `draft`."""
    turns, system = _write_turns(request, traits, draft)
    limit = request.max_output_tokens
    if limit is None:
        draft.notes.append(f"max_tokens is set to {DEFAULT_MAX_TOKENS}: the API has no default of its own.")
    body: dict[str, Any] = {"max_tokens": DEFAULT_MAX_TOKENS if limit is None else limit}
    body["messages"] = [{"role": turn.role, "content": turn.content} for turn in turns]
    if system:
        body["system"] = system
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools:
        body["tools"] = [_write_tool(tool, index, traits, draft) for index, tool in enumerate(request.tools)]
    _write_tool_choice(request, body, draft)
    _write_reasoning(request, traits, body, draft)
    _write_format(request, traits, body, draft)
    if request.metadata.user is not None:
        body["metadata"] = {"user_id": request.metadata.user}
    _lay_over(body, request.options.get(DIALECT, {}))
    _write_sampling(request, traits, version, body, draft)
    return body


def _lay_over(body: dict[str, Any], options: dict[str, Any]) -> None:
    for key, value in options.items():
        if key == "output_config" and isinstance(value, dict):
            body[key] = {**body.get(key, {}), **value}
        elif key != "betas":
            body[key] = value


def _write_turns(request: Request, traits: Traits, draft: Draft) -> tuple[list[Turn], str | list[Block]]:
    """The wire's turns and its `system`, which is a string where it was one and nothing joins it."""
    turns: list[Turn] = []
    moved: list[Block] = []
    for index, message in enumerate(request.messages):
        place = f"messages[{index}]"
        if message.role == "system" and not (turns and traits.takes_system_turn):
            if turns:
                draft.notes.append(f"{place} was moved into the system prompt: the model takes none in between.")
            moved += write_blocks(message.parts, "system", place, draft)
            continue
        _add_turn(turns, message, place, draft)
    for turn in turns:
        turn.content.sort(key=lambda block: block.get("type") != "tool_result")
    if isinstance(request.system, str) and not moved:
        return turns, request.system if request.system.strip() else ""
    given = (Text(text=request.system),) if isinstance(request.system, str) else request.system or ()
    return turns, write_blocks(given, "system", "system", draft) + moved


def _add_turn(turns: list[Turn], message: Message, place: str, draft: Draft) -> None:
    role = "user" if message.role == "tool" else message.role
    content = write_blocks(message.parts, message.role, place, draft)
    if not content:
        if role == "assistant":
            draft.notes.append(f"{place} was left out: the assistant had said nothing.")
        else:
            draft.faults.append(f"{place}: the content is empty; give it a text or another part")
    elif turns and turns[-1].role == role:
        turns[-1].content += content
    else:
        turns.append(Turn(role, content))


def _write_tool(tool: Tool, index: int, traits: Traits, draft: Draft) -> dict[str, Any]:
    extra = own(tool.extra, DIALECT)
    wire: dict[str, Any] = {"name": tool.name}
    if extra.get("type", "custom") == "custom":
        if tool.description:
            wire["description"] = tool.description
        wire["input_schema"] = _write_input_schema(tool, f"tools[{index}].parameters", traits, draft)
        if tool.strict and not traits.takes_strict:
            draft.notes.append(f"tools[{index}].strict was left out: the model has no strict tools.")
        elif tool.strict is not None:
            wire["strict"] = tool.strict
    if tool.cache is not None:
        wire["cache_control"] = write_cache(tool.cache)
    return {**wire, **extra}


def _write_input_schema(tool: Tool, place: str, traits: Traits, draft: Draft) -> dict[str, Any]:
    if tool.parameters.get("type") != "object":
        draft.faults.append(f'{place}: a tool\'s schema needs "type": "object" at its top')
    if tool.strict and traits.takes_strict:
        return closed_schema(tool.parameters, place, draft.notes)
    return tool.parameters


def _write_tool_choice(request: Request, body: dict[str, Any], draft: Draft) -> None:
    choice = request.tool_choice
    if not request.tools:
        if isinstance(choice, NamedTool) or choice == "required":
            draft.faults.append("tool_choice: a tool is demanded, but the request has no tools")
        return
    if isinstance(choice, NamedTool):
        if all(tool.name != choice.name for tool in request.tools):
            draft.faults.append(f"tool_choice: there is no tool named {choice.name!r}")
        wire: dict[str, Any] = {"type": "tool", "name": choice.name}
    elif choice is None:
        if request.parallel_tool_calls is None:
            return
        wire = {"type": "auto"}
    else:
        wire = {"type": "any" if choice == "required" else choice}
    if request.parallel_tool_calls is not None and choice != "none":
        wire["disable_parallel_tool_use"] = not request.parallel_tool_calls
    body["tool_choice"] = wire


def _write_reasoning(request: Request, traits: Traits, body: dict[str, Any], draft: Draft) -> None:
    effort, options = request.reasoning_effort, request.options.get(DIALECT, {})
    if effort is None or "thinking" in options or "effort" in object_of(options.get("output_config")):
        return
    if traits.efforts is not None and effort not in traits.efforts:
        if traits.efforts or effort != "none":
            known = ", ".join(traits.efforts) or "none, because it does not reason"
            draft.faults.append(f"reasoning_effort: {request.model} does not take {effort!r}; it takes {known}")
    elif effort == "none":
        body["thinking"] = {"type": "disabled"}
    elif traits.thinking == "budget":
        body["thinking"] = {"type": "enabled", "budget_tokens": _budget(effort, body["max_tokens"], draft)}
    else:
        if effort == "minimal":
            draft.notes.append('reasoning_effort "minimal" was sent as "low", the lowest level of this API.')
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": "low" if effort == "minimal" else effort}


def _budget(effort: str, max_tokens: int, draft: Draft) -> int:
    """Thinking counts against max_tokens, so at most three quarters of it are given to thinking."""
    wanted, room = BUDGETS[effort], max(max_tokens * 3 // 4, MIN_BUDGET)
    if wanted > room:
        draft.notes.append(
            f"Reasoning at effort {effort!r} got {room} of {wanted} tokens: max_output_tokens is {max_tokens}."
        )
    return min(wanted, room)


def _write_format(request: Request, traits: Traits, body: dict[str, Any], draft: Draft) -> None:
    wanted = request.response_format
    if wanted is None:
        return
    if wanted.schema is None:
        draft.notes.append(
            "response_format was left out: this API has no JSON mode without a schema; ask in the prompt."
        )
    elif not traits.takes_schema:
        draft.faults.append(f"response_format: {request.model} has no structured output; use a tool or the prompt")
    else:
        schema = wanted.schema
        if wanted.strict:
            schema = closed_schema(schema, "response_format.schema", draft.notes)
        config = body.setdefault("output_config", {})
        config["format"] = {"type": "json_schema", "schema": schema}


def _write_sampling(request: Request, traits: Traits, version: str, body: dict[str, Any], draft: Draft) -> None:
    for name in _NEVER_TAKEN:
        if getattr(request, name) is not None:
            draft.faults.append(f"{name}: the Anthropic Messages API has no such parameter; leave it out")
    reason = _refusal_of_default(request, traits, version, body)
    if request.temperature == 0.0 and reason is not None:
        draft.notes.append(f"temperature 0.0 was left out: {reason}.")
    elif request.temperature is not None:
        body.setdefault("temperature", request.temperature)
    if request.top_p is not None:
        body.setdefault("top_p", request.top_p)
    if request.top_k is not None:
        body.setdefault("top_k", request.top_k)


def _refusal_of_default(request: Request, traits: Traits, version: str, body: dict[str, Any]) -> str | None:
    """Why the default temperature cannot be sent here; None where it can."""
    if not has_sampling(traits, version):
        return f"{request.model} under API version {version} takes no sampling parameters"
    if is_thinking(body):
        return "while thinking is on it may only be 1"
    if request.top_p is not None and not traits.takes_temperature_with_top_p:
        return f"{request.model} takes temperature or top_p, not both"
    return None


def has_sampling(traits: Traits, version: str) -> bool:
    """True when temperature, top_p and top_k exist for this model under this version ("2023-06-01", "vertex-2023-10-16")."""
    return traits.sampling != "never" and not is_newer(version)


def is_newer(version: str) -> bool:
    """True for API version 2026-10-21 and later."""
    return version[-10:] >= _NEWER


def is_thinking(body: dict[str, Any]) -> bool:
    """True when the body turns thinking on."""
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")
