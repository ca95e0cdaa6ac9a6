"""A client over a script, and a small document that every test of extraction can read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from backstay import Client, Scripted
from backstay.config import load
from backstay.types import Cost, Response, Text, Usage

TEXT = """\
Harbour Light Ltd
Order no. HL-2041
Date: 5 March 2026
2 lamps        80.00
1 cable        12.50
Total          92.50
"""

SCHEMA: dict[str, Any] = {
    "title": "order",
    "type": "object",
    "properties": {
        "number": {"type": "string"},
        "date": {"type": "string", "format": "date"},
        "total": {"type": "number"},
        "note": {"type": "string"},
    },
    "required": ["number", "total"],
    "additionalProperties": False,
}
RIGHT: dict[str, Any] = {"number": "HL-2041", "date": "2026-03-05", "total": 92.5, "note": None}

Make: TypeAlias = Callable[..., tuple[Client, Scripted]]


def said(value: Any, **facts: Any) -> Response:
    """A whole answer: text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    given: dict[str, Any] = {"finish_reason": "stop", "cost": Cost(nano_usd=1000), **facts}
    return Response(parts=(Text(text=text),), usage=Usage(input_tokens=10, output_tokens=5), **given)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make(*answers)` is a client whose model says these things, and its script, which holds what was asked."""

    def build(*lines: Any, **arguments: Any) -> tuple[Client, Scripted]:
        settings = {"model": "scripted:x", "ledger.mode": "off", "retry.max_attempts": 1, **arguments}
        loaded = load(environ={}, arguments=settings, cwd=tmp_path, user_folder=tmp_path, services=("scripted",))
        script = Scripted(*lines)
        return Client(loaded=loaded, services={"scripted": script}), script

    return build
