"""What the kit's tests share: letters of the project, a day, a case worked on by rules or by a script."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from backstay import Scripted
from backstay.config import load
from backstay.document.document import Document
from backstay.kits.denials.workflow import Pack, open_client, work_case

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = (
    ROOT / "examples" / "letters",
    ROOT / "tests" / "offline" / "test_denial_letters",
    ROOT / "examples" / "denials",
)
TODAY = dt.date(2026, 6, 1)
Work = Callable[..., Awaitable[Pack]]


def text_of(name: str) -> str:
    """The text of a letter by its name."""
    (path,) = (folder / f"{name}.txt" for folder in FOLDERS if (folder / f"{name}.txt").exists())
    return path.read_text(encoding="utf-8")


def document(text: str, source: str = "letter.txt") -> Document:
    """A text as a document."""
    pages = (0, *(place + 1 for place, char in enumerate(text) if char == "\f"))
    return Document(source=source, text=text, media_type="text/plain", pages=pages)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """Works on a text: by rules, or where answers are given by a scripted model that gives them in order."""

    async def run(text: str, *answers: Any, **settings: Any) -> Pack:
        said = [one if isinstance(one, str) else json.dumps(one) for one in answers]
        services = {"scripted": Scripted(*said)} if said else {}
        model = "scripted:model" if said else "offline:rules"
        arguments = {"model": model, "ledger.mode": "off", "retry.max_attempts": 1}
        loaded = load(environ={}, arguments=arguments, cwd=tmp_path, user_folder=tmp_path, services=tuple(services))
        async with open_client(loaded=loaded, services=services) as client:
            return await work_case(client, document(text), today=TODAY, **settings)

    return run
