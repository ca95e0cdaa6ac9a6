"""With a model in this process: a real llama.cpp, of random weights, or the GGUF file that BACKSTAY_LOCAL_MODEL names.

Random weights answer in the shape that is asked for and with nothing behind it. Whatever they say, nothing of it is booked.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from backstay.client import Client
from backstay.config import load
from backstay.kits.invoices.layout import load_layouts
from backstay.kits.invoices.record import Record
from backstay.kits.invoices.workflow import process_all
from backstay.ledger.memory import MemoryLedger

pytestmark = [pytest.mark.server, pytest.mark.slow]
pytest.importorskip("xllamacpp")
ROOT = Path(__file__).resolve().parents[3]
RECEIPTS = [ROOT / "examples" / "receipts" / f"{name}.txt" for name in ("us-diner", "uk-bookshop", "my-rounding")]
INVOICES = [
    ROOT / "examples" / "invoices" / "uk-joinery.txt",
    ROOT / "examples" / "layouts" / "labelled" / "kontor-nord-3.txt",
]
NAMED = os.environ.get("BACKSTAY_LOCAL_MODEL")


def tiny() -> ModuleType:
    """The module that writes a model of random weights."""
    described = importlib.util.spec_from_file_location("tiny_model", ROOT / "tests" / "local" / "tiny.py")
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


async def read(model: Path | str, paths: list[Path], folder: Path, **arguments: Any) -> list[Record]:
    given = {"model": f"local:{model}", **arguments}
    loaded = load(environ={}, arguments=given, cwd=folder, user_folder=folder)
    layouts = load_layouts(ROOT / "examples" / "layouts")
    async with Client(loaded=loaded, ledger=MemoryLedger()) as client:
        return [record async for record in process_all(client, paths, layouts=layouts)]


async def test_nonsense_is_never_accepted_and_ends_no_run(tmp_path: Path) -> None:
    """Every document has a record; what random weights wrote is for a person or is rejected, with reasons."""
    model = tiny().write_model(tmp_path / "tiny.gguf")
    records = await read(model, [*INVOICES, *RECEIPTS[:1]], tmp_path)
    assert len(records) == 3
    assert {record.decision for record in records} <= {"review", "rejected"}
    assert all(record.reasons or record.error for record in records)
    assert not any(record.is_degraded for record in records)


@pytest.mark.skipif(NAMED is None, reason="no model: set BACKSTAY_LOCAL_MODEL to a GGUF file")
async def test_a_real_model_reads_receipts_and_what_is_accepted_is_right(tmp_path: Path) -> None:
    """It answers each of them, and an accepted record has the right total and day."""
    assert NAMED is not None
    records = await read(NAMED, RECEIPTS, tmp_path, **{"local.context": 8192})
    right = {"us-diner": ("33.66", "2026-03-14"), "uk-bookshop": ("12.74", "2026-02-21")}
    for record in records:
        assert (record.target or "").startswith("local")
        wanted = right.get(Path(record.source).stem)
        if record.decision == "accepted" and wanted is not None:
            assert (record.data["grand_total"], record.data["issue_date"]) == wanted
