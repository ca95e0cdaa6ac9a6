"""With a model in this process: a real llama.cpp, of random weights, or the GGUF file that BACKSTAY_LOCAL_MODEL names.

Random weights answer in the shape that is asked for and with nothing behind it. Whatever they say: the case says who read and
wrote, nothing that the letter does not print stands in a document as a fact, and no run ends in an error that is not told.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from backstay.config import load
from backstay.errors import LLMError
from backstay.extract.grounding import STRICT, check
from backstay.kits.denials.check import Sources
from backstay.kits.denials.desk import Desk
from backstay.kits.denials.setting import Settings
from backstay.kits.denials.workflow import Pack, open_client, work_case
from backstay.ledger.memory import MemoryLedger
from backstay.prompts.library import shipped

from .conftest import ROOT, TODAY, document

pytestmark = [pytest.mark.server, pytest.mark.slow]
pytest.importorskip("xllamacpp")
NAMED = os.environ.get("BACKSTAY_LOCAL_MODEL")
LARGE = {"local.context": 16384, "retry.max_attempts": 1}
LETTER = (
    "Acorn Health Plan\nDate: May 4, 2026\nMember ID: AC-55-1020\n\nWe denied your request for an MRI of the knee (73721) "
    "because the service is not medically necessary (CO-50).\nYou may file an appeal until October 31, 2026.\n"
)


def tiny() -> ModuleType:
    """The module that writes a model of random weights."""
    described = importlib.util.spec_from_file_location("tiny_model", ROOT / "tests" / "local" / "tiny.py")
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


async def work(model: Path | str, folder: Path, **arguments: Any) -> Pack:
    """The short letter worked on by a model, an address or a file."""
    given = {"model": model if isinstance(model, str) else f"local:{model}", "ledger.mode": "off", **arguments}
    loaded = load(environ={}, arguments=given, cwd=folder, user_folder=folder)
    async with open_client(loaded=loaded, ledger=MemoryLedger()) as client:
        return await work_case(client, document(LETTER), today=TODAY, settings=Settings(is_short=True))


def assert_nothing_is_invented(pack: Pack) -> None:
    """No document states a code, date, amount, number or contact that the letter does not, but for the plan's own days."""
    timeline = pack.plan.timeline
    own = [day for day in (timeline.recommended_submission_date, timeline.appeal_deadline) if day]
    for name, text in {"summary": pack.summary, **{one.name: one.text for one in pack.papers}}.items():
        found = check(text, [LETTER, *own], kinds=STRICT).ungrounded
        assert [item.text for item in found] == [], name


async def test_nonsense_is_never_told_as_fact(tmp_path: Path) -> None:
    """Random weights read: the letter is refused with one error, or what they claim is for a person and no document states it."""
    model = tiny().write_model(tmp_path / "tiny.gguf", context=16384)
    told, pack = "", None
    try:
        pack = await work(model, tmp_path, **LARGE)
    except LLMError as error:
        told = str(error)
    if pack is None:
        assert told
        return
    assert pack.needs_person
    assert_nothing_is_invented(pack)


async def test_nonsense_is_written_by_rules_instead(tmp_path: Path) -> None:
    """Random weights write from good facts: every text is the rules' in the end, or grounded, and each failure is noted."""
    read = await work("offline:rules", tmp_path)
    model = tiny().write_model(tmp_path / "tiny.gguf", context=16384)
    loaded = load(environ={}, arguments={"model": f"local:{model}", **LARGE}, cwd=tmp_path, user_folder=tmp_path)
    async with open_client(loaded=loaded, ledger=MemoryLedger()) as client:
        sources = Sources(read.facts, read.plan.timeline)
        desk = Desk(client, shipped(), sources, facts=read.facts.data(), plan=read.plan)
        paper = await desk.paper("appeal_letter", ())
    assert paper is not None
    assert desk.writers["appeal_letter"] == "rules"
    assert len(desk.notes) == 1
    assert not sources.judge("appeal_letter", paper.text).is_blocked


@pytest.mark.skipif(NAMED is None, reason="no model: set BACKSTAY_LOCAL_MODEL to a GGUF file")
async def test_a_real_model_works_on_a_letter(tmp_path: Path) -> None:
    """It reads the letter, and every document that leaves is grounded, whoever wrote it."""
    assert NAMED is not None
    pack = await work(Path(NAMED), tmp_path, **{"local.context": 16384})
    print({path: fact.value for path, fact in pack.facts.facts.items() if fact.value is not None})
    print(pack.writers, pack.notes, pack.needs_person, sep="\n")
    assert "local" in pack.facts.read_by
    assert pack.papers
    assert_nothing_is_invented(pack)
