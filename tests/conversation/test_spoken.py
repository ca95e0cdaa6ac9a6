"""Calls that a model wrote as words are calls; words about a call are words."""

from __future__ import annotations

from itertools import count

import pytest

from backstay.conversation.spoken import spoken_calls

NAMES = ("get_load", "final_answer")
WEB = '{"name": "get_load", "arguments": {"server": "web"}}'


@pytest.mark.parametrize(
    "text",
    [
        WEB,
        f"<tool_call>\n{WEB}\n</tool_call>",
        f"<tools>{WEB}</tools>",
        f"```json\n{WEB}\n```",
        f"[{WEB}]",
        '{"type": "function", "function": ' + WEB + "}",
        '{"type": "function", "function": {"name": "get_load", "arguments": "{\\"server\\": \\"web\\"}"}}',
        '{"tool_name": "get_load", "parameters": {"server": "web"}}',
        '{"action": "use_tool", "tool_name": "get_load", "parameters": {"server": "web"}, "reasoning": "unknown yet"}',
        "{'name': 'get_load', 'arguments': {'server': 'web',}}",
    ],
)
def test_a_written_call_is_a_call(text: str) -> None:
    """In tags, in a fence, in a list, nested, with its arguments as text, or with small damage."""
    (call,) = spoken_calls(text, NAMES, lambda: "id")
    assert (call.id, call.name, call.arguments) == ("id", "get_load", {"server": "web"})


def test_several_calls_have_ids_of_their_own() -> None:
    """One answer may hold more than one call, each in tags or one a line."""
    ids = count(1)
    text = f"<tool_call>{WEB}</tool_call>\n<tool_call>{WEB.replace('web', 'db')}</tool_call>"
    calls = spoken_calls(text, NAMES, lambda: str(next(ids)))
    assert [(call.id, call.arguments["server"]) for call in calls] == [("1", "web"), ("2", "db")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The load is 0.97.",
        f"I would call {WEB} next.",
        f"{WEB} is what I would call.",
        '{"name": "delete_all", "arguments": {}}',
        f'[{WEB}, {{"name": "delete_all"}}]',
        '{"name": "get_load", "arguments": 3}',
        '{"load": 0.97}',
        '{"name": "get_load", "arguments": {"server": ',
        "[]",
    ],
)
def test_anything_else_is_no_call(text: str) -> None:
    """Prose around it, a tool that was not offered, an answer in JSON, and a call that is cut short stay what they are."""
    assert spoken_calls(text, NAMES, lambda: "id") == ()
