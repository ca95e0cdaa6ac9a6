"""Oracles of the dialects that are not OpenAI's: Anthropic Messages, Gemini, Bedrock Converse."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

from wire_expected import Expected, arguments, sse_data


def anthropic_answer(body: bytes) -> Expected:
    """A whole Messages body."""
    answer = json.loads(body)
    if answer.get("type") == "error":
        return Expected(is_error=True)
    expected = Expected(raw_finish=answer.get("stop_reason"))
    for block in answer["content"]:
        _anthropic_block(block, expected)
    _anthropic_usage(answer.get("usage") or {}, expected)
    return expected


def _anthropic_block(block: dict[str, Any], expected: Expected) -> None:
    if block["type"] == "text":
        expected.text += block["text"]
    elif block["type"] == "thinking":
        expected.reasoning += block["thinking"]
    elif block["type"] == "tool_use":
        expected.calls.append((block["name"], arguments(block["input"])))


def _anthropic_usage(usage: dict[str, Any], expected: Expected) -> None:
    cached = (usage.get("cache_creation_input_tokens") or 0) + (usage.get("cache_read_input_tokens") or 0)
    if usage.get("input_tokens") is not None:
        expected.input_tokens = usage["input_tokens"] + cached
    expected.output_tokens = usage.get("output_tokens", expected.output_tokens)
    expected.cache_read_tokens = usage.get("cache_read_input_tokens", expected.cache_read_tokens)


def anthropic_stream(body: bytes) -> Expected:
    """A Messages stream; where it begins anew, the last beginning counts."""
    expected, usage = Expected(), {}
    blocks: dict[int, dict[str, Any]] = {}
    for event in sse_data(body):
        kind = event["type"]
        if kind == "error":
            return Expected(is_error=True)
        if kind == "message_stop":
            break
        if kind == "message_start":
            usage = dict(event["message"].get("usage") or {})
            blocks = dict(enumerate(event["message"].get("content") or []))
        elif kind == "content_block_start":
            blocks[event["index"]] = {**event["content_block"], "json": ""}
        elif kind == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            for field, source in (("text", "text"), ("thinking", "thinking"), ("json", "partial_json")):
                if source in delta:
                    block[field] = block.get(field, "") + delta[source]
        elif kind == "message_delta":
            expected.raw_finish = event["delta"].get("stop_reason") or expected.raw_finish
            usage.update({name: value for name, value in (event.get("usage") or {}).items() if value is not None})
    for block in blocks.values():
        _anthropic_block({**block, "input": block.get("json") or block.get("input") or {}}, expected)
    _anthropic_usage(usage, expected)
    return expected


def gemini_answer(body: bytes) -> Expected:
    """One generateContent body, or an array of them, or a stream of them."""
    try:
        decoded = json.loads(body)
    except ValueError:
        decoded = list(sse_data(body))
    expected = Expected()
    for answer in decoded if isinstance(decoded, list) else [decoded]:
        expected.is_error = expected.is_error or "error" in answer
        candidate = (answer.get("candidates") or [{}])[0]
        for part in (candidate.get("content") or {}).get("parts") or []:
            if part.get("thought"):
                expected.reasoning += part.get("text", "")
            else:
                expected.text += part.get("text", "")
            call = part.get("functionCall")
            if call is not None and ("partialArgs" in call or "willContinue" in call or "name" not in call):
                expected.has_calls_opinion = False
            elif call is not None:
                expected.calls.append((call["name"], call.get("args") or {}))
        blocked = (answer.get("promptFeedback") or {}).get("blockReason")
        expected.raw_finish = candidate.get("finishReason") or blocked or expected.raw_finish
        usage = answer.get("usageMetadata") or {}
        if usage:
            expected.input_tokens = None if "toolUsePromptTokenCount" in usage else usage.get("promptTokenCount")
            parts = usage.get("candidatesTokenCount"), usage.get("thoughtsTokenCount")
            expected.output_tokens = None if parts[0] is None else parts[0] + (parts[1] or 0)
            expected.cache_read_tokens = usage.get("cachedContentTokenCount")
    return expected


def bedrock_answer(body: bytes) -> Expected:
    """A whole Converse body."""
    answer = json.loads(body)
    expected = Expected(raw_finish=answer.get("stopReason"))
    for block in answer["output"]["message"]["content"]:
        expected.text += block.get("text", "")
        expected.reasoning += ((block.get("reasoningContent") or {}).get("reasoningText") or {}).get("text", "")
        for piece in (block.get("citationsContent") or {}).get("content") or []:
            expected.text += piece.get("text", "")
        if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use":
            expected.calls.append((block["toolUse"]["name"], block["toolUse"]["input"]))
    _bedrock_usage(answer.get("usage") or {}, expected)
    return expected


def _bedrock_usage(usage: dict[str, Any], expected: Expected) -> None:
    read = usage.get("cacheReadInputTokens")
    if usage.get("inputTokens") is not None:
        expected.input_tokens = usage["inputTokens"] + (read or 0) + (usage.get("cacheWriteInputTokens") or 0)
    expected.output_tokens, expected.cache_read_tokens = usage.get("outputTokens"), read


def bedrock_stream(body: bytes) -> Expected:
    """A ConverseStream body."""
    expected = Expected()
    calls: dict[int, list[str]] = {}
    for kind, event in _messages(body):
        index, delta = event.get("contentBlockIndex", 0), event.get("delta") or {}
        if kind.endswith("Exception"):
            return Expected(is_error=True)
        if kind == "contentBlockStart" and "toolUse" in event["start"]:
            if event["start"]["toolUse"].get("type") != "server_tool_use":
                calls[index] = [event["start"]["toolUse"]["name"], ""]
        elif kind == "contentBlockDelta":
            expected.text += delta.get("text", "")
            expected.reasoning += (delta.get("reasoningContent") or {}).get("text", "")
            if "toolUse" in delta and index in calls:
                calls[index][1] += delta["toolUse"]["input"]
        elif kind == "messageStop":
            expected.raw_finish = event["stopReason"]
        elif kind == "metadata":
            _bedrock_usage(event.get("usage") or {}, expected)
    expected.calls = [(name, arguments(text)) for name, text in calls.values()]
    return expected


def _messages(body: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """The type and payload of each message of a binary event stream."""
    while body:
        total, size = struct.unpack(">II", body[:8])
        headers, payload = body[12 : 12 + size], body[12 + size : total - 4]
        names: dict[str, str] = {}
        while headers:
            end = 1 + headers[0]
            length = struct.unpack(">H", headers[end + 1 : end + 3])[0]
            names[headers[1:end].decode()] = headers[end + 3 : end + 3 + length].decode()
            headers = headers[end + 3 + length :]
        yield names.get(":event-type") or names.get(":exception-type", ""), json.loads(payload)
        body = body[total:]


OTHER_ANSWERS: dict[str, Callable[[bytes], Expected]] = {
    "anthropic": anthropic_answer,
    "gemini": gemini_answer,
    "bedrock": bedrock_answer,
}
OTHER_STREAMS: dict[str, Callable[[bytes], Expected]] = {
    "anthropic": anthropic_stream,
    "gemini": gemini_answer,
    "bedrock": bedrock_stream,
}
