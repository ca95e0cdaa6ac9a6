"""The page for whoever reviews: who waits and why, each value with the words around it, nothing unescaped."""

from __future__ import annotations

from pathlib import Path

from backstay import Client
from backstay.config import load
from backstay.document.document import Document
from backstay.kits.invoices.page import review_page
from backstay.kits.invoices.record import Record
from backstay.kits.invoices.workflow import process
from backstay.ledger.memory import MemoryLedger

TEXT = (Path(__file__).resolve().parents[3] / "examples" / "receipts" / "us-diner.txt").read_text(encoding="utf-8")


async def record(text: str) -> Record:
    async with Client(loaded=load(environ={}, arguments={"model": "offline:rules"}), ledger=MemoryLedger()) as client:
        return await process(client, Document(source="diner.txt", text=text, media_type="text/plain"))


async def test_each_value_stands_among_its_words() -> None:
    """With the reasons above it."""
    found = await record(TEXT)
    shown = review_page([found], lambda _: TEXT)
    assert "1 document: 0 accepted, 1 review, 0 rejected." in shown
    assert f"Why: {found.reasons[0]}" in shown
    assert "33.66</mark>" in shown


async def test_a_document_that_is_gone_or_changed_has_no_words() -> None:
    """The values are shown without their place."""
    found = await record(TEXT)
    for text in (None, TEXT[:20]):
        shown = review_page([found], lambda _, text=text: text)  # type: ignore[misc]
        assert "33.66</mark>" not in shown
        assert "33.66" in shown


async def test_what_a_document_says_is_text() -> None:
    """A tag in it is shown and does nothing."""
    text = TEXT.replace("ROSIE'S CORNER DINER", "<script>ROSIE DINER")
    shown = review_page([await record(text)], lambda _: text)
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_no_document_is_a_page_too() -> None:
    """And one that could not be read says why."""
    assert "0 documents" in review_page([])
    assert "is no PDF" in review_page([Record(source="a.pdf", decision="rejected", error="is no PDF")])
