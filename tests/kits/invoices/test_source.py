"""An electronic invoice beside its PDF is a part of it: read once, as the truth, and compared with the page."""

from __future__ import annotations

import shutil
from pathlib import Path

from backstay import Client
from backstay.config import load
from backstay.kits.invoices.source import open_document, parts_of
from backstay.kits.invoices.workflow import process_all
from backstay.ledger.memory import MemoryLedger

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "invoices"


def beside(folder: Path, page: str, facts: str) -> list[Path]:
    """A PDF and an XML under one name."""
    shutil.copy(EXAMPLES / page, folder / "a.pdf")
    shutil.copy(EXAMPLES / facts, folder / "a.xml")
    return [folder / "a.pdf", folder / "a.xml"]


async def test_the_xml_beside_a_pdf_is_the_truth_and_a_page_of_another_invoice_is_seen(tmp_path: Path) -> None:
    """A print shop's page beside a plumber's XML: the XML is read, and a person looks."""
    page, _ = beside(tmp_path, "de-druckerei.pdf", "nl-ubl.xml")
    async with Client(loaded=load(environ={}, arguments={"model": "offline:rules"}), ledger=MemoryLedger()) as client:
        (record,) = [one async for one in process_all(client, [page])]
    assert record.target == "attachment:a.xml"
    assert record.data["grand_total"] == "360.58"
    assert record.decision == "review"
    assert any(reason.startswith("page: number is") for reason in record.reasons)


def test_what_lies_beside_is_listed_once(tmp_path: Path) -> None:
    """The XML is a part of the PDF; one without a PDF, and one that is no invoice, stand for themselves."""
    page, facts = beside(tmp_path, "de-druckerei.pdf", "nl-ubl.xml")
    assert parts_of([facts, page]) == {str(facts): str(page)}
    assert parts_of([facts]) == {}
    facts.write_text("<note>not an invoice</note>")
    assert parts_of([facts, page]) == {}
    assert open_document(page).attachments == ()


def test_what_a_pdf_holds_itself_comes_first(tmp_path: Path) -> None:
    """The embedded XML was sealed with the page."""
    page, _ = beside(tmp_path, "fr-jardin.pdf", "nl-ubl.xml")
    assert [one.name for one in open_document(page).attachments][-1] == "a.xml"
    assert len(open_document(page).attachments) == 2
