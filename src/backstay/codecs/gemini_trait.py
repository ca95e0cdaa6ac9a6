"""The rows of `trait.py` for Gemini models: how each generation is told to think, and which schemas it reads.

Thinking came with 2.5 as a budget of tokens and became a level with 3. Structured output by JSON Schema came with 2.5; before it
there is the OpenAPI subset. Source: https://ai.google.dev/gemini-api/docs/thinking and /structured-output.
"""

from __future__ import annotations

from typing import Any, Final

_DIALECTS: Final = ("gemini",)
_ALL: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_OLD: Final[dict[str, Any]] = {"thinking": "none", "efforts": (), "takes_json_schema": False}

_PATTERNS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("*gemini-1*", _OLD),
    ("*gemini-2.0*", _OLD),
    ("*gemini-2.5*", {"thinking": "budget", "efforts": _ALL}),
    ("*gemini-2.5-pro*", {"efforts": _ALL[1:]}),
    ("*gemini-2.5-*image*", {"efforts": ()}),
    ("*gemini-2.5-*tts*", {"efforts": ()}),
    ("*gemini-[3-9]*", {"thinking": "adaptive", "efforts": _ALL[1:6], "needs_call_signature": True}),
    ("*gemini-3-flash*", {"efforts": _ALL[1:5]}),
    ("*gemini-3-pro*", {"efforts": ("low", "high")}),
    ("*gemini-3.1-*", {"efforts": _ALL[1:5]}),
    ("*gemini-3.1-pro*", {"efforts": ("low", "medium", "high")}),
)

ROWS: Final = tuple((_DIALECTS, pattern, fields) for pattern, fields in _PATTERNS)
