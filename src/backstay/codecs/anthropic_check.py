"""What the Anthropic API refuses about a body as a whole, found before it is sent.

Each rule answers with sentences that name the place and the remedy. The rules read the finished body, so they see what came
through `Request.options` as well. A model without traits of its own is judged by the rules of the wire alone.

Source: https://platform.claude.com/docs/en/api/errors and recorded 400 answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from backstay.codecs.anthropic_request import MIN_BUDGET, has_sampling, is_newer, is_thinking
from backstay.codecs.lenient import object_of
from backstay.codecs.trait import Traits

MAX_BREAKPOINTS: Final = 4
_MIN_TOP_P_WHILE_THINKING: Final = 0.95
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")

Body = dict[str, Any]


def find_faults(body: Body, traits: Traits, version: str) -> list[str]:
    """Every reason for which the API would refuse `body`."""
    return [
        *_in_limits(body),
        *_in_sampling(body, traits, version),
        *_in_thinking(body, traits),
        *_in_tools(body),
        *_in_turns(body, traits),
        *_in_cache(body),
        *(_in_newer_version(body) if is_newer(version) else ()),
    ]


def _in_limits(body: Body) -> Iterator[str]:
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 0:
        yield "max_output_tokens: must be a whole number, 0 (only warms the cache) or more"
    for index, text in enumerate(body.get("stop_sequences", ())):
        if not text.strip():
            yield f"stop[{index}]: a stop sequence needs a character that is no blank"


def _in_sampling(body: Body, traits: Traits, version: str) -> Iterator[str]:
    given = [name for name in ("temperature", "top_p", "top_k") if body.get(name) is not None]
    if not has_sampling(traits, version):
        for name in given:
            yield f"{name}: not taken by this model under API version {version}; leave it out"
        return
    temperature, top_p = body.get("temperature"), body.get("top_p")
    if temperature is not None and not 0.0 <= temperature <= traits.temperature_max:
        yield f"temperature: {temperature} is outside 0..{traits.temperature_max:g}"
    if top_p is not None and not 0.0 <= top_p <= 1.0:
        yield f"top_p: {top_p} is outside 0..1"
    if is_thinking(body):
        yield from _in_sampling_while_thinking(body)
    elif temperature is not None and top_p is not None and not traits.takes_temperature_with_top_p:
        yield "temperature, top_p: this model takes one of them, not both; set the other to None"


def _in_sampling_while_thinking(body: Body) -> Iterator[str]:
    if body.get("temperature") not in (None, 1, 1.0):
        yield f"temperature: may only be 1 while thinking is on, not {body['temperature']}"
    if body.get("top_k") is not None:
        yield "top_k: not taken while thinking is on"
    if body.get("top_p") is not None and body["top_p"] < _MIN_TOP_P_WHILE_THINKING:
        yield f"top_p: must be at least {_MIN_TOP_P_WHILE_THINKING} while thinking is on"


def _in_thinking(body: Body, traits: Traits) -> Iterator[str]:
    thinking = object_of(body.get("thinking"))
    kind = thinking.get("type")
    if kind == "enabled":
        budget, limit = thinking.get("budget_tokens"), body.get("max_tokens")
        if traits.thinking in ("adaptive", "always"):
            yield "thinking: this model takes no token budget; set reasoning_effort (adaptive thinking) instead"
        elif not isinstance(budget, int) or budget < MIN_BUDGET:
            yield f"thinking.budget_tokens: must be {MIN_BUDGET} or more"
        elif isinstance(limit, int) and budget >= limit:
            yield f"max_output_tokens: {limit} must exceed the thinking budget of {budget}"
    elif kind == "adaptive" and traits.thinking == "budget":
        yield "thinking: this model takes a token budget, not adaptive thinking"
    elif kind == "disabled" and traits.thinking == "always":
        yield "thinking: this model always thinks and refuses to have it disabled"
    if kind in ("enabled", "adaptive") and traits.efforts == ():
        yield "thinking: this model does not reason"
    level = object_of(body.get("output_config")).get("effort")
    if (
        level is not None
        and traits.thinking in ("adaptive", "either", "always")
        and level not in (traits.efforts or ())
    ):
        yield f"reasoning_effort: this model does not take {level!r}; it takes {', '.join(traits.efforts or ())}"
    choice = object_of(body.get("tool_choice"))
    if kind == "enabled" and choice.get("type") in ("any", "tool"):
        yield "tool_choice: a tool cannot be demanded while thinking has a budget; use 'auto'"


def _in_tools(body: Body) -> Iterator[str]:
    seen: set[str] = set()
    for index, tool in enumerate(body.get("tools", ())):
        name = tool.get("name")
        if not isinstance(name, str):
            continue
        if _TOOL_NAME.fullmatch(name) is None:
            yield f"tools[{index}].name: {name!r} must be 1 to 128 letters, digits, '_' or '-'"
        if name in seen:
            yield f"tools[{index}].name: {name!r} is used twice"
        seen.add(name)


def _in_turns(body: Body, traits: Traits) -> Iterator[str]:
    turns = body["messages"]
    if not turns:
        yield "messages: at least one message is needed"
        return
    if turns[-1]["role"] == "assistant" and not _calls(turns[-1]) and not _is_paused(turns[-1]):
        if not traits.takes_prefill:
            yield "messages: the last one is the assistant's, and this model takes no prefill; end with the user's"
        elif is_thinking(body):
            yield "messages: the last one is the assistant's, which is not taken while thinking is on"
    wanted: set[str] = set()
    for turn in [*turns, {"role": "user", "content": []}]:
        results = [str(block.get("tool_use_id")) for block in _blocks(turn, "tool_result")]
        for call in sorted(wanted - set(results)):
            yield f"tool call {call!r} has no result: add ToolResult(call_id={call!r}) to the message after it"
        for result in results:
            if result not in wanted:
                yield f"tool result {result!r} answers no call of the message before it"
            wanted.discard(result)
        wanted = _calls(turn)


def _in_newer_version(body: Body) -> Iterator[str]:
    """What version 2026-10-21 no longer takes inside messages."""
    for index, turn in enumerate(body["messages"]):
        if turn["role"] == "assistant" and _blocks(turn, "document"):
            yield f"messages: wire turn {index} is the assistant's and holds a document, which only a user's may"
        if turn["role"] == "user" and any(block.get("citations") for block in _blocks(turn, "text")):
            yield f"messages: wire turn {index} is the user's and holds a text with citations, which only an answer may"


def _calls(turn: Body) -> set[str]:
    return {str(block.get("id")) for block in _blocks(turn, "tool_use")}


def _is_paused(turn: Body) -> bool:
    """True for an answer that a server tool interrupted: it is sent back as it is, to be continued."""
    return turn["content"][-1].get("type") not in ("text", "thinking", "redacted_thinking")


def _blocks(turn: Body, kind: str) -> list[Body]:
    content = turn["content"]
    return [block for block in content if block.get("type") == kind] if isinstance(content, list) else []


def _in_cache(body: Body) -> Iterator[str]:
    count = _breakpoints(body.get("system")) + _breakpoints(body.get("tools"))
    count += sum(_breakpoints(turn["content"]) for turn in body["messages"])
    if count > MAX_BREAKPOINTS:
        yield f"cache: {count} parts are marked, the API takes {MAX_BREAKPOINTS}; mark the ends of the longest prefixes"


def _breakpoints(blocks: Any) -> int:
    if not isinstance(blocks, list):
        return 0
    found = [block for block in blocks if isinstance(block, dict)]
    return sum(("cache_control" in block) + _breakpoints(block.get("content")) for block in found)
