"""The command line as a user runs it: a process of its own, an empty home, no key in the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

ROOT = Path(__file__).resolve().parents[2]
Run: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def backstay(tmp_path: Path) -> Run:
    """`backstay("extract", "invoice", path)` runs the command in an empty folder; `env` adds variables, `stdin` is piped in."""
    (tmp_path / "home").mkdir()

    def run(*arguments: str | Path, stdin: str = "", env: dict[str, str] | None = None, **options: Any) -> Any:
        environment = {
            "HOME": str(tmp_path / "home"),
            "PATH": os.environ["PATH"],
            "PYTHONWARNINGS": "error",
            **(env or {}),
        }
        return subprocess.run(
            [sys.executable, "-m", "backstay", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,
        )

    return run
