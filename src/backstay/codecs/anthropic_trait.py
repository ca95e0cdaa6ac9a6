"""The rows of `trait.py` for Claude models, under Anthropic's own name and inside the longer names of Bedrock and Vertex.

A name says its generation in every spelling ("claude-3-5-haiku-20241022", "us.anthropic.claude-opus-4-1-20250805-v1:0",
"anthropic/claude-haiku-4.5", "claude-3-7-sonnet@20250219"), so the rows are families and versions, and a new dated id needs no
new one. The first row is the newest generation, which a Claude that no later row knows is taken for.

Prefill went with 4.6, sampling parameters with 4.7; thinking by a token budget was joined by adaptive thinking in 4.6 and
replaced by it in 4.7. Source: https://platform.claude.com/docs (API versions, adaptive thinking, effort, structured outputs,
prefill), recorded errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from backstay.types import Effort

Fields = dict[str, Any]

_DIALECTS: Final = ("anthropic", "bedrock")
_LEVELS: Final[tuple[Effort, ...]] = ("minimal", "low", "medium", "high", "xhigh", "max")

_NEWEST: Final[Fields] = {
    "temperature_max": 1.0,
    "sampling": "never",
    "takes_temperature_with_top_p": False,
    "takes_top_k": False,
    "takes_prefill": False,
    "takes_strict": True,
    "takes_schema": True,
    "takes_system_turn": True,
    "thinking": "adaptive",
    "efforts": ("none", *_LEVELS),
}
_ALWAYS: Final[Fields] = {"thinking": "always", "efforts": _LEVELS}
_FIRST: Final[Fields] = {
    "sampling": "always",
    "takes_temperature_with_top_p": True,
    "takes_top_k": True,
    "takes_prefill": True,
    "takes_strict": False,
    "takes_schema": False,
    "takes_system_turn": False,
    "thinking": "none",
    "efforts": (),
}
_BUDGET: Final[Fields] = {**_FIRST, "thinking": "budget", "efforts": ("none", *_LEVELS)}
_SCHEMA: Final[Fields] = {"takes_schema": True, "takes_strict": True, "takes_temperature_with_top_p": False}
_EITHER: Final[Fields] = {
    **_BUDGET,
    **_SCHEMA,
    "takes_prefill": False,
    "thinking": "either",
    "efforts": ("none", "minimal", "low", "medium", "high", "max"),
}


def _of(version: str, fields: Fields, *families: str) -> Iterator[tuple[str, Fields]]:
    """The rows of one version in some families: the version ends the name, or no digit follows it."""
    for family in families or ("opus", "sonnet", "haiku"):
        yield f"*claude-{family}-{version}", fields
        yield f"*claude-{family}-{version}[!0-9]*", fields


_PATTERNS: Final[tuple[tuple[str, Fields], ...]] = (
    ("*claude-*", _NEWEST),
    ("*claude-fable*", _ALWAYS),
    ("*claude-mythos*", _ALWAYS),
    *_of("5[-.][5-9]", _ALWAYS, "opus"),
    ("*claude-v[12]*", _FIRST),
    ("*claude-[12]*", _FIRST),
    ("*claude-instant*", _FIRST),
    ("*claude-3[-.]*", _FIRST),
    ("*claude-3[-.]7-*", _BUDGET),
    *_of("4", _BUDGET),
    *_of("4[-.][1-5]", _SCHEMA),
    *_of("4[-.]6", _EITHER),
    *_of("4[-.][78]", _NEWEST),
    *_of("4[-.]7", {"takes_system_turn": False}),
)

ROWS: Final = tuple((_DIALECTS, pattern, fields) for pattern, fields in _PATTERNS)
