"""From documents to decisions: by rules, by a scripted model, into files, and on after an interruption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backstay import Client, Scripted
from backstay.config import load
from backstay.document.document import Attachment, Document
from backstay.errors import AuthenticationFailed, ServerFault
from backstay.kits.invoices.record import Record
from backstay.kits.invoices.setting import Settings
from backstay.kits.invoices.workflow import process, process_all, within_budget
from backstay.ledger.memory import MemoryLedger

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
TEXT = (EXAMPLES / "invoices" / "pt-ceramica.txt").read_text(encoding="utf-8")


def offline() -> Client:
    return Client(loaded=load(environ={}, arguments={"model": "offline:rules"}), ledger=MemoryLedger())


def document(text: str) -> Document:
    return Document(source="one.txt", text=text, media_type="text/plain")


async def read(text: str, **settings: Any) -> Record:
    async with offline() as client:
        return await process(client, document(text), settings=Settings(**settings))


async def test_a_good_invoice_is_accepted_with_its_reasons() -> None:
    """Every fact has a place; what was checked is told; rules read it, and it says so."""
    record = await read(TEXT)
    assert (record.kind, record.decision, record.is_degraded) == ("invoice", "accepted", True)
    assert record.fields["grand_total"].grounded
    assert all(check.outcome != "failed" for check in record.checks)
    assert record.cost_usd is not None


async def test_a_changed_total_goes_to_a_person() -> None:
    """The sum does not add up any more: the check is the reason."""
    good = await read(TEXT)
    total = good.fields["grand_total"]
    assert total.evidence is not None
    start, end = total.evidence
    digits = TEXT[start:end]
    wrong = digits[:-1] + str((int(digits[-1]) + 3) % 10)
    record = await read(TEXT.replace(digits, wrong))
    assert record.decision == "review"
    assert any(reason.startswith(("sum", "lines")) for reason in record.reasons)


async def test_a_letter_is_no_invoice() -> None:
    """Nothing of an invoice in it: rejected, in words."""
    record = await read("Dear Ann,\n\nit was lovely to see you by the sea.\n\nYours\nBen\n")
    assert record.decision in ("rejected", "review")
    assert record.reasons


async def test_a_receipt_has_the_names_of_an_invoice() -> None:
    """Company, date and total stand where an invoice has them, so one table holds both."""
    record = await read((EXAMPLES / "receipts" / "us-diner.txt").read_text(encoding="utf-8"))
    assert record.kind == "receipt"
    assert record.data["grand_total"] == "33.66"
    assert record.data["issue_date"] == "2026-03-14"


async def test_a_model_reads_where_there_is_one() -> None:
    """A scripted model's values are kept where the document states them, and an invented one is doubted."""
    facts = {
        "number": "X-1",
        "issue_date": "2026-02-03",
        "due_date": "",
        "seller": "A",
        "buyer": "B",
        "currency": "EUR",
    }
    amounts = {"net_total": "100.00", "tax_total": "19.00", "grand_total": "119.00", "lines": []}
    text = (
        "Invoice X-1 of 2026-02-03. From A to B. Net 100.00 EUR, VAT 19.00 EUR, total 119.00 EUR. Payment terms: now."
    )
    script = Scripted(json.dumps({**facts, **amounts}), is_endless=True)
    loaded = load(environ={}, arguments={"model": "scripted:m"}, services=("scripted",))
    async with Client(loaded=loaded, services={"scripted": script}, ledger=MemoryLedger()) as client:
        good = await process(client, document(text))
        invented = await process(client, document(text.replace("X-1", "Y-2")))
    assert not good.is_degraded
    assert good.fields["number"].grounded
    assert not invented.fields["number"].grounded
    assert invented.decision == "review"


async def test_a_failing_call_is_one_record_and_a_wrong_key_ends_the_run(tmp_path: Path) -> None:
    """One provider error rejects one document; an error that all would meet is raised."""
    loaded = load(environ={}, arguments={"model": "scripted:m", "retry.max_attempts": 1}, services=("scripted",))
    script = Scripted(ServerFault("down", status=500), AuthenticationFailed("no", status=401))
    async with Client(loaded=loaded, services={"scripted": script}, ledger=MemoryLedger()) as client:
        failed = await process(client, document(TEXT))
        assert failed.decision == "rejected"
        assert failed.error is not None
        with pytest.raises(AuthenticationFailed):
            await process(client, document(TEXT))


async def test_many_come_in_their_order_and_a_bad_file_is_one_of_them(tmp_path: Path) -> None:
    """A file that cannot be read is one more record."""
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.7 not really")
    sources = [EXAMPLES / "invoices" / "de-druckerei.txt", tmp_path / "bad.pdf", EXAMPLES / "receipts" / "us-diner.txt"]
    async with offline() as client:
        records = [record async for record in process_all(client, sources)]
    assert [Path(record.source).name for record in records] == ["de-druckerei.txt", "bad.pdf", "us-diner.txt"]
    assert records[1].error is not None


def test_the_budget_is_the_kits_unless_the_user_has_one() -> None:
    """100 US dollars a day and 80 per cent, and the user's own figure wins."""
    assert within_budget(load(environ={}), Settings(usd_per_day=7.0)).config.budget.usd_per_day == 7.0
    own = load(environ={}, arguments={"budget.usd_per_day": 3})
    assert within_budget(own, Settings()).config.budget.usd_per_day == 3


async def test_an_attached_electronic_invoice_is_read_whatever_stands_before_its_root_or_on_the_page() -> None:
    """A licence of many lines before the root, and a page that looks like a till's roll: the XML is the invoice still."""
    xml = (EXAMPLES / "invoices" / "nl-ubl.xml").read_bytes()
    head, _, rest = xml.partition(b"?>")
    licensed = head + b"?>\n<!-- " + b"may be used by anybody. " * 400 + b"-->" + rest
    attached = Attachment(name="factur-x.xml", content=licensed, media_type="text/xml")
    page = Document(
        source="a.pdf",
        text="Till 3\nTotal 1.00\nCash 2.00\nChange 1.00",
        media_type="application/pdf",
        attachments=(attached,),
    )
    async with offline() as client:
        record = await process(client, page)
    assert (record.kind, record.target) == ("invoice", "attachment:factur-x.xml")
    assert record.data["grand_total"] != "1.00"
