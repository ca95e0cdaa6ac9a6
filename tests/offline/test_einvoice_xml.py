"""Electronic invoices: CII and UBL read exactly, and nothing else taken for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backstay.document import read_document
from backstay.offline.einvoice_xml import CONFIDENCE, InvoiceXMLError, is_invoice_xml, read_invoice_xml
from backstay.offline.invoice import FIELDS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "invoices"
TRUTH: dict[str, dict[str, Any]] = json.loads((EXAMPLES.parent / "truth" / "invoices.json").read_text(encoding="utf-8"))
XML = ["fr-jardin.xml", "nl-ubl.xml"]


@pytest.mark.parametrize("name", XML)
def test_the_xml_is_the_invoice(name: str) -> None:
    """Both syntaxes give the same fields as the printed page."""
    findings = read_invoice_xml((EXAMPLES / name).read_bytes())
    truth = dict(TRUTH[name])
    assert len(findings.data["lines"]) == truth.pop("lines")
    assert {field: findings.data[field] for field in FIELDS} == truth
    assert {finding.confidence for finding in findings.fields.values()} == {CONFIDENCE}
    assert findings.warnings == ()


@pytest.mark.parametrize("name", XML)
def test_evidence_is_the_text_of_the_xml(name: str) -> None:
    """A value's span in the XML holds the value as it is written there."""
    content = (EXAMPLES / name).read_bytes()
    text = content.decode()
    for finding in read_invoice_xml(content).fields.values():
        if finding.start is not None:
            printed = text[finding.start : finding.end]
            assert printed.replace("-", "") == finding.value.replace("-", "")


def test_the_attachment_of_a_pdf_is_read() -> None:
    """The file inside a Factur-X PDF is the electronic invoice."""
    (attachment,) = read_document(EXAMPLES / "fr-jardin.pdf").attachments
    assert is_invoice_xml(attachment.content)
    assert read_invoice_xml(attachment.content).data["grand_total"] == "783.00"


def test_a_line_without_amount_is_a_note() -> None:
    """ZUGFeRD 1 puts free text into lines; those are none."""
    xml = (EXAMPLES / "fr-jardin.xml").read_text(encoding="utf-8")
    note = "<ram:IncludedSupplyChainTradeLineItem><ram:SpecifiedTradeProduct/></ram:IncludedSupplyChainTradeLineItem>"
    place = xml.index("<ram:ApplicableHeaderTradeAgreement>")
    assert len(read_invoice_xml((xml[:place] + note + xml[place:]).encode()).data["lines"]) == 2


def test_what_the_xml_leaves_out_is_absent_with_a_reason() -> None:
    """A missing element is None, never a default."""
    xml = (EXAMPLES / "nl-ubl.xml").read_text(encoding="utf-8").replace("<cbc:DueDate>2026-02-14</cbc:DueDate>", "")
    findings = read_invoice_xml(xml.encode())
    assert findings.data["due_date"] is None
    assert findings.fields["due_date"].reason


def test_entities_are_refused() -> None:
    """A document type definition never reaches the parser: neither expansion nor file access."""
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><Invoice>&b;</Invoice>'
    with pytest.raises(InvoiceXMLError, match="refused"):
        read_invoice_xml(bomb)
    with pytest.raises(InvoiceXMLError, match="refused"):
        read_invoice_xml(bomb.decode().encode("utf-16"))


@pytest.mark.parametrize("content", [b"", b"<Invoice", b"<html><body/></html>", b"plain text", b"<Order/>"])
def test_other_content_is_refused(content: bytes) -> None:
    """Anything but a CII or UBL invoice is one clear error."""
    with pytest.raises(InvoiceXMLError):
        read_invoice_xml(content)


def test_the_root_tells_invoices_from_other_xml() -> None:
    """`is_invoice_xml` looks at the first element's name only."""
    assert not is_invoice_xml(b"<Order><Invoices/></Order>")
    assert is_invoice_xml(b'<?xml version="1.0"?><ubl:CreditNote xmlns:ubl="x"/>')
