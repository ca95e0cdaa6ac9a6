"""A client whose model plays a script, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from backstay import Client, Scripted
from backstay.config import load

Make: TypeAlias = Callable[..., tuple[Client, Scripted]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make(*answers)` is a client whose model says these things, and its script, which holds what was asked."""

    def build(*lines: Any) -> tuple[Client, Scripted]:
        settings = {"model": "scripted:x", "ledger.mode": "off", "retry.max_attempts": 1}
        loaded = load(environ={}, arguments=settings, cwd=tmp_path, user_folder=tmp_path, services=("scripted",))
        script = Scripted(*lines)
        return Client(loaded=loaded, services={"scripted": script}), script

    return build
