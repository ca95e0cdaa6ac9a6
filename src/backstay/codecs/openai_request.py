"""The neutral Request as the body of a Chat Completions request.

Writing is strict: whatever the server or the model is known to refuse is a fault, all faults are collected, and settings that
are only our defaults are left out with a note instead. Which server refuses what stands in `ChatRules`, which model in
`trait.py`. The way back is `openai_request_read.py`.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

import re
from typing import Final

from backstay.codecs.lenient import object_of, objects_of, own
from backstay.codecs.openai_history import SystemRole, write_messages
from backstay.codecs.openai_part import DIALECT, Draft, Wire
from backstay.codecs.openai_rule import ChatRules
from backstay.codecs.openai_schema import strict_faults
from backstay.codecs.trait import Traits, traits
from backstay.types import NamedTool, Request, Tool, ToolChoice

DEFAULT_TEMPERATURE: Final = 0.0
_NEUTRAL: Final = (("temperature", 1.0), ("top_p", 1.0), ("frequency_penalty", 0.0), ("presence_penalty", 0.0))
"""Values that say what a model without sampling parameters does anyway: left out in silence."""
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OWN_OPTIONS: Final = frozenset({"messages", "model", "stream", "stream_options", "tools"})


def write_request(request: Request, rules: ChatRules, *, stream: bool) -> tuple[Wire, Draft]:
    """The JSON body, and the draft with its faults and notes."""
    draft = Draft(rules)
    model_traits = traits(DIALECT, request.model) if rules.uses_model_traits else Traits()
    if not request.model:
        draft.faults.append("model: there must be one")
    role: SystemRole = model_traits.system_role
    if rules.system_role is not None and role != "none":
        role = rules.system_role
    body: Wire = {"model": request.model, "messages": write_messages(request, role, draft)}
    _write_bounds(request, body, draft)
    _write_sampling(request, model_traits, body, draft)
    _write_stop(request, model_traits, body, draft)
    _write_tools(request, model_traits, body, draft)
    _write_format(request, body, draft)
    _write_effort(request, model_traits, body, draft)
    if request.metadata.user is not None and rules.has_user:
        body["user"] = request.metadata.user
    _write_options(request, body, draft, stream=stream)
    return body, draft


def _write_bounds(request: Request, body: Wire, draft: Draft) -> None:
    rules = draft.rules
    if request.max_output_tokens is not None:
        if request.max_output_tokens < 1:
            draft.faults.append(f"max_output_tokens: must be 1 or more, not {request.max_output_tokens}")
        body[rules.max_tokens_field] = request.max_output_tokens
    for name, field, value in (
        ("seed", rules.seed_field, request.seed),
        ("top_k", rules.top_k_field, request.top_k),
    ):
        if value is None:
            continue
        if field is None:
            draft.faults.append(f"{name}: this server takes none")
        else:
            body[field] = value


def _write_sampling(request: Request, model: Traits, body: Wire, draft: Draft) -> None:
    """Temperature, top_p, penalties and log-probabilities: together refused by models that reason."""
    given: dict[str, float | int] = {
        name: value
        for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty", "logprobs")
        if (value := getattr(request, name)) is not None
    }
    if not model.takes_sampling(request.reasoning_effort):
        if given.get("temperature") == DEFAULT_TEMPERATURE:
            draft.note(f"temperature was left out: {request.model} takes none")
            del given["temperature"]
        refused = [name for name, value in given.items() if (name, value) not in _NEUTRAL]
        draft.faults += [f"{name}: {request.model} takes none while it reasons: leave it out" for name in refused]
        return
    _check_ranges(given, model, draft)
    logprobs = given.pop("logprobs", None)
    if logprobs is not None:
        body["logprobs"] = True
        if logprobs:
            body["top_logprobs"] = logprobs
    body.update(given)


def _check_ranges(given: dict[str, float | int], model: Traits, draft: Draft) -> None:
    ranges = {
        "temperature": (0.0, model.temperature_max),
        "top_p": (0.0, 1.0),
        "frequency_penalty": (-2.0, 2.0),
        "presence_penalty": (-2.0, 2.0),
        "logprobs": (0, 20),
    }
    for name, value in given.items():
        low, high = ranges[name]
        if not low <= value <= high:
            draft.faults.append(f"{name}: must be from {low} to {high}, not {value}")
    missing = () if draft.rules.has_penalties else ("frequency_penalty", "presence_penalty")
    for name in (*missing, *(() if draft.rules.has_logprobs else ("logprobs",))):
        if name in given:
            draft.faults.append(f"{name}: this server takes none")


def _write_stop(request: Request, model: Traits, body: Wire, draft: Draft) -> None:
    if not request.stop:
        return
    limit = draft.rules.max_stop
    if not model.takes_stop:
        draft.faults.append(f"stop: {request.model} takes none: leave it out")
    if limit is not None and len(request.stop) > limit:
        draft.faults.append(f"stop: at most {limit} sequences, not {len(request.stop)}")
    if "" in request.stop:
        draft.faults.append("stop: an empty sequence would end every answer")
    body["stop"] = list(request.stop)


def _write_tools(request: Request, model: Traits, body: Wire, draft: Draft) -> None:
    foreign = objects_of(own(request.options, DIALECT).get("tools"))
    tools = [_write_tool(tool, f"tools[{number}]", draft) for number, tool in enumerate(request.tools)]
    if tools or foreign:
        body["tools"] = tools + foreign
    _check_tools(request, model, draft, has_foreign=bool(foreign))
    choice = request.tool_choice
    if choice is not None and (tools or foreign):
        body["tool_choice"] = _write_choice(choice, draft)
    if request.parallel_tool_calls is not None and tools and draft.rules.has_parallel_tools:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _write_choice(choice: ToolChoice, draft: Draft) -> str | Wire:
    if isinstance(choice, NamedTool):
        if not draft.rules.has_named_tool:
            draft.faults.append("tool_choice: this server cannot be made to call one tool by name")
        return {"type": "function", "function": {"name": choice.name}}
    return draft.rules.forced_tool if choice == "required" else choice


def _check_tools(request: Request, model: Traits, draft: Draft, *, has_foreign: bool) -> None:
    names = [tool.name for tool in request.tools]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        draft.faults.append(f"tools: names must be unique: {', '.join(doubled)}")
    if names and not model.takes_tools:
        draft.faults.append(f"tools: {request.model} takes none")
    if names and not model.takes_tools_with_reasoning and request.reasoning_effort != "none":
        draft.faults.append(
            f"tools: {request.model} takes tools here only with reasoning_effort 'none': use the Responses dialect"
        )
    choice = request.tool_choice
    if isinstance(choice, NamedTool) and choice.name not in names and not has_foreign:
        draft.faults.append(f"tool_choice: there is no tool {choice.name!r}")
    if choice == "required" and not names and not has_foreign:
        draft.faults.append("tool_choice: 'required' needs a tool")


def _write_tool(tool: Tool, place: str, draft: Draft) -> Wire:
    if not _TOOL_NAME.fullmatch(tool.name):
        draft.faults.append(f"{place}: the name {tool.name!r} must be 1 to 64 of a-z, A-Z, 0-9, _ and -")
    if tool.strict and draft.rules.schema == "strict":
        draft.faults += [f"{place}.parameters {fault} (strict)" for fault in strict_faults(tool.parameters)]
    function: Wire = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    wire: Wire = {"type": "function", "function": function}
    if tool.cache is not None and draft.rules.has_cache_control:
        wire["cache_control"] = (
            {"type": "ephemeral"} if tool.cache == "5m" else {"type": "ephemeral", "ttl": tool.cache}
        )
    return {**wire, **own(tool.extra, DIALECT)}


def _write_format(request: Request, body: Wire, draft: Draft) -> None:
    wanted = request.response_format
    if wanted is None:
        return
    if wanted.schema is None:
        body["response_format"] = {"type": "json_object"}
        if draft.rules.needs_json_word and "json" not in str(body["messages"]).lower():
            draft.faults.append("response_format: a message must contain the word JSON: the server insists on it")
        return
    if draft.rules.schema == "object_only":
        draft.faults.append(
            "response_format: this server takes no JSON Schema: leave the schema out and put it in words"
        )
        return
    if not _TOOL_NAME.fullmatch(wanted.name):
        draft.faults.append(f"response_format: the name {wanted.name!r} must be 1 to 64 of a-z, A-Z, 0-9, _ and -")
    inner: Wire = {"name": wanted.name, "schema": wanted.schema, "strict": wanted.strict}
    outside = strict_faults(wanted.schema) if wanted.strict and draft.rules.schema == "strict" else []
    if outside:
        inner["strict"] = False
        draft.note(f"the schema was sent with strict false: {'; '.join(outside[:3])}")
    if wanted.description is not None:
        inner["description"] = wanted.description
    body["response_format"] = {"type": "json_schema", "json_schema": inner}


def _write_effort(request: Request, model: Traits, body: Wire, draft: Draft) -> None:
    effort = request.reasoning_effort
    if effort is None:
        return
    known = model.efforts if draft.rules.efforts is None else draft.rules.efforts
    if known is not None and effort not in known:
        accepted = ", ".join(known) or "none at all"
        draft.faults.append(f"reasoning_effort: {request.model} accepts {accepted}, not {effort!r}")
    way = draft.rules.reasoning_in
    if way == "none":
        draft.faults.append("reasoning_effort: this server takes none")
    elif way == "object":
        body["reasoning"] = {"effort": effort}
    elif way == "thinking":
        body["thinking"] = {"type": "disabled" if effort == "none" else "enabled"}
        if effort != "none":
            body["reasoning_effort"] = effort
    elif way == "template":
        switch: Wire = {"enable_thinking": False} if effort == "none" else {"reasoning_effort": effort}
        body["chat_template_kwargs"] = switch
    else:
        body["reasoning_effort"] = effort


def _write_options(request: Request, body: Wire, draft: Draft, *, stream: bool) -> None:
    options = own(request.options, DIALECT)
    if options.get("n") not in (None, 1):
        draft.faults.append("options.n: one answer at a time: send the request n times")
    body.update({name: value for name, value in options.items() if name not in _OWN_OPTIONS})
    if stream:
        body["stream"] = True
        if draft.rules.stream_usage:
            body["stream_options"] = {**object_of(options.get("stream_options")), "include_usage": True}
