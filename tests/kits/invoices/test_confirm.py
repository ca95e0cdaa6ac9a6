"""Second readers: who agrees makes surer, who differs makes a person look; a page that contradicts its electronic invoice too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backstay import Client
from backstay.config import load
from backstay.document.document import Attachment, Document
from backstay.extract.extraction import Field
from backstay.kits.invoices.confirm import after, confirmed
from backstay.kits.invoices.record import Record
from backstay.kits.invoices.workflow import process
from backstay.ledger.memory import MemoryLedger
from backstay.offline.finding import Finding

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "invoices"
XML = (EXAMPLES / "fr-jardin.xml").read_bytes()
PAGE = (EXAMPLES / "fr-jardin.txt").read_text(encoding="utf-8")


def field(value: Any, confidence: float = 0.85) -> Field:
    return Field(value=value, confidence=confidence, grounded=True, evidence=(0, 1))


@pytest.mark.parametrize(("sure", "least", "most"), [(0.95, 0.95, 0.97), (0.75, 0.9, 0.92), (0.6, 0.85, 0.85)])
def test_who_agrees_makes_surer_by_how_sure_they_are(sure: float, least: float, most: float) -> None:
    """One who is hardly sure says nothing; amounts are the same by their value."""
    found = confirmed("grand_total", field("9.5"), Finding(value="9.50", confidence=sure), "the rules")
    assert least <= found.confidence <= most
    assert found.value == "9.5"


def test_who_is_sure_of_something_else_makes_a_doubt() -> None:
    """The value stays, the reason names the other one."""
    found = confirmed("number", field("A-1", 0.99), Finding(value="A-7", confidence=0.9), "the rules")
    assert (found.value, found.confidence, found.reason) == ("A-1", 0.5, "the rules read A-7")


def test_a_validation_adds_to_all_that_is_known() -> None:
    """It starts from the confidence that the field has, and a denial takes most of it."""
    assert after(field("x", 0.95), 0.98).confidence > 0.97
    assert after(field("x", 0.95), 0.0).confidence < 0.5


async def decided(page: str) -> Record:
    attached = Attachment(name="factur-x.xml", content=XML, media_type="text/xml")
    document = Document(source="a.pdf", text=page, media_type="application/pdf", attachments=(attached,))
    async with Client(loaded=load(environ={}, arguments={"model": "offline:rules"}), ledger=MemoryLedger()) as client:
        return await process(client, document)


async def test_a_page_that_says_what_its_electronic_invoice_says_passes() -> None:
    """As the example does."""
    record = await decided(PAGE)
    (check,) = [one for one in record.checks if one.name == "page"]
    assert check.outcome == "passed"


async def test_a_page_that_contradicts_its_electronic_invoice_is_for_a_person() -> None:
    """The XML stays the truth, and the reason names both values."""
    changed = PAGE.replace("783,00", "873,00").replace("652,50", "742,50").replace("583,00", "673,00")
    record = await decided(changed)
    assert record.data["grand_total"] == "783.00"
    assert record.decision == "review"
    assert any("783.00 in the electronic invoice and 873.00 on the page" in reason for reason in record.reasons)


async def test_a_page_without_text_contradicts_nothing() -> None:
    """A picture of an invoice is no reason."""
    (check,) = [one for one in (await decided("")).checks if one.name == "page"]
    assert check.outcome == "unknown"
