"""Calls that a model wrote as words: small models know tools, and not their provider's way of calling them.

They answer with the object of a call, or with several, in tags or in a fence: `<tool_call>{"name": ..., "arguments": ...}`,
`{"type": "function", "function": {...}}`, `{"tool_name": ..., "parameters": ...}`. Such an answer is read as the calls that it is
meant to be, but only where the whole of it is calls of tools that were offered: an answer that speaks of a call is an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from backstay.recover import Status, parse
from backstay.types import ToolCall

TAG: Final = re.compile(r"</?(?:tools?|tool_?calls?|function(?:_?calls?)?)\s*/?>", re.IGNORECASE)
FENCE: Final = re.compile(r"^```[\w-]*\s*|\s*```$")
NAMES: Final = ("name", "tool_name", "function_name")
ARGUMENTS: Final = ("arguments", "parameters", "input", "args")


def spoken_calls(text: str, names: Collection[str], new_id: Callable[[], str]) -> tuple[ToolCall, ...]:
    """The calls that `text` consists of, each with an id of its own; none where it is anything else."""
    bare = FENCE.sub("", TAG.sub(" ", text).strip()).strip()
    if bare[:1] not in ("{", "[") or bare[-1:] not in ("}", "]"):
        return ()
    found = parse(bare)
    if found.status not in (Status.SUCCESS, Status.RECOVERED):
        return ()
    values = found.value if isinstance(found.value, list) else [found.value]
    calls = [_call(value, names, new_id) for value in values]
    return tuple(call for call in calls if call is not None) if calls and None not in calls else ()


def _call(value: Any, names: Collection[str], new_id: Callable[[], str]) -> ToolCall | None:
    if isinstance(value, Mapping) and isinstance(value.get("function"), Mapping):
        value = value["function"]
    if not isinstance(value, Mapping):
        return None
    name = next((value[key] for key in NAMES if isinstance(value.get(key), str)), None)
    if name is None or name not in names:
        return None
    given: Any = next((value[key] for key in ARGUMENTS if key in value), {})
    if isinstance(given, str):
        given = parse(given).value if given.strip() else {}
    return ToolCall(id=new_id(), name=name, arguments=dict(given)) if isinstance(given, Mapping) else None
