"""Oracles: what a recorded body says, read a second time by the plainest means, to check the codecs against.

An oracle knows nothing of the library: `json`, loops and the meaning of a few fields. It reads text, tool calls, the raw
finish reason and the token counts; `None` for a fact means that it has no opinion on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from wire_expected import Expected, arguments, sse_data
from wire_oracle_other import OTHER_ANSWERS, OTHER_STREAMS


def chat_answer(body: bytes) -> Expected:
    """A whole Chat Completions body."""
    answer = json.loads(body)
    choices = (answer or {}).get("choices") or []
    if not choices or choices[0].get("error"):
        return Expected(is_error=True)
    choice = choices[0]
    message = choice.get("message") or choice.get("delta") or {}
    expected = Expected(raw_finish=choice.get("finish_reason"))
    _chat_content(message, expected)
    for call in message.get("tool_calls") or []:
        expected.calls.append((call["function"]["name"], arguments(call["function"].get("arguments"))))
    legacy = message.get("function_call") or {}
    if legacy.get("name"):
        expected.calls.append((legacy["name"], arguments(legacy["arguments"])))
    _chat_usage(answer.get("usage"), expected)
    return expected


def _chat_content(message: dict[str, Any], expected: Expected) -> None:
    content = message.get("content")
    if isinstance(content, str):
        expected.text += content
    for item in content if isinstance(content, list) else []:
        if item.get("type") == "thinking":
            expected.reasoning += "".join(piece["text"] for piece in item["thinking"])
        else:
            expected.text += item.get("text", "")
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    details = message.get("reasoning_details") or []
    if not reasoning:
        reasoning = "".join(detail.get("text") or detail.get("summary") or "" for detail in details)
    expected.reasoning += reasoning
    expected.refusal += message.get("refusal") or ""


def _chat_usage(usage: dict[str, Any] | None, expected: Expected) -> None:
    if not usage:
        return
    prompt, completion, total = (usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    details = usage.get("completion_tokens_details") or {}
    reasoning = details.get("reasoning_tokens") or usage.get("reasoning_tokens") or 0
    expected.input_tokens, expected.output_tokens = prompt, completion
    if prompt is not None and completion is not None and total is not None and total != prompt + completion:
        expected.output_tokens = completion + reasoning if total == prompt + completion + reasoning else completion
    if completion is not None and reasoning > completion:
        expected.output_tokens = completion + reasoning
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    expected.cache_read_tokens = cached
    if prompt is not None and cached and cached > prompt:
        expected.input_tokens = prompt + cached


def chat_stream(body: bytes) -> Expected:
    """A Chat Completions stream."""
    expected = Expected()
    calls: dict[Any, list[str]] = {}
    has_choice = False
    for chunk in sse_data(body):
        expected.is_error = expected.is_error or bool(chunk.get("error"))
        for choice in chunk.get("choices") or []:
            if choice.get("index"):
                continue
            has_choice = True
            delta = choice.get("delta") or {}
            _chat_content(delta, expected)
            expected.raw_finish = choice.get("finish_reason") or expected.raw_finish
            for call in delta.get("tool_calls") or []:
                function = call.get("function") or {}
                index = call.get("index", len(calls) if function.get("name") else len(calls) - 1)
                name, text = calls.setdefault(index, ["", ""])
                calls[index] = [name or function.get("name") or "", text + (function.get("arguments") or "")]
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage")
        _chat_usage(usage, expected)
    expected.calls = [(name, arguments(text)) for name, text in calls.values()]
    expected.is_error = expected.is_error or not has_choice
    return expected


def responses_answer(body: bytes) -> Expected:
    """A whole Responses body."""
    return _responses(json.loads(body))


def _responses(answer: Any) -> Expected:
    if not isinstance(answer, dict) or "output" not in answer or answer.get("error"):
        return Expected(is_error=True)
    details = answer.get("incomplete_details") or {}
    expected = Expected(raw_finish=details.get("reason") or answer.get("status"))
    if expected.raw_finish in ("in_progress", "queued"):
        expected.unfinished = True
    for item in answer["output"]:
        if item["type"] == "message":
            for content in item["content"]:
                expected.text += content.get("text", "")
                expected.refusal += content.get("refusal", "")
        elif item["type"] == "reasoning":
            thought = "".join(piece["text"] for piece in item.get("content") or [])
            expected.reasoning += thought or "\n\n".join(piece["text"] for piece in item.get("summary") or [])
        elif item["type"] == "function_call":
            expected.calls.append((item["name"], arguments(item["arguments"])))
        elif item["type"] == "custom_tool_call":
            expected.calls.append((item["name"], item["input"]))
    usage = answer.get("usage") or {}
    expected.input_tokens, expected.output_tokens = usage.get("input_tokens"), usage.get("output_tokens")
    expected.cache_read_tokens = (usage.get("input_tokens_details") or {}).get("cached_tokens")
    return expected


def responses_stream(body: bytes) -> Expected:
    """A Responses stream: its first terminal event holds all of it, or else its items do."""
    items: list[Any] = []
    for event in sse_data(body):
        if event["type"] == "response.output_item.done":
            items.append(event["item"])
        if event["type"] in ("response.completed", "response.incomplete"):
            answer = event["response"]
            return _responses({**answer, "output": answer.get("output") or items})
    return Expected(is_error=True)


def ollama_answer(body: bytes) -> Expected:
    """A native Ollama answer, whole or as lines."""
    expected = Expected()
    try:
        lines = [json.dumps(json.loads(body))]
    except ValueError:
        lines = body.decode().split("\n")
    for line in lines:
        if not line.strip():
            continue
        answer = json.loads(line)
        message = answer.get("message") or {}
        expected.is_error = expected.is_error or "error" in answer
        expected.text += message.get("content") or ""
        expected.reasoning += message.get("thinking") or ""
        for call in message.get("tool_calls") or []:
            expected.calls.append((call["function"]["name"], arguments(call["function"]["arguments"])))
        expected.raw_finish = answer.get("done_reason") or expected.raw_finish
        expected.input_tokens = answer.get("prompt_eval_count", expected.input_tokens)
        expected.output_tokens = answer.get("eval_count", expected.output_tokens)
    return expected


ANSWERS: dict[str, Callable[[bytes], Expected]] = {
    "openai_chat": chat_answer,
    "openai_responses": responses_answer,
    "ollama": ollama_answer,
    **OTHER_ANSWERS,
}
STREAMS: dict[str, Callable[[bytes], Expected]] = {
    "openai_chat": chat_stream,
    "openai_responses": responses_stream,
    "ollama": ollama_answer,
    **OTHER_STREAMS,
}
"""The oracles by dialect; a dialect without one is checked for decoding, splits and cuts only."""
