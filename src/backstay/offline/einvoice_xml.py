"""Electronic invoices in XML, read as they are: UN/CEFACT Cross Industry Invoice (ZUGFeRD, Factur-X, XRechnung) and UBL 2.

What the XML says is the invoice, so nothing is guessed: every value is exact, its confidence is that of the format, and its
place is that of the value's text in the XML where it occurs there. Document type definitions are refused: they are never
part of an invoice, and entities are how XML parsers are attacked. Sources: EN 16931-3-2 (UBL) and -3-3 (CII).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.etree import ElementTree

from backstay.offline.amount import format_amount
from backstay.offline.finding import Finding, Findings
from backstay.offline.invoice import FIELDS, check_totals

CONFIDENCE = 0.99
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_CII, _UBL = ("CrossIndustryInvoice", "CrossIndustryDocument"), ("Invoice", "CreditNote")
# Where each field stands, by local element names, the first path that exists; CII first in ZUGFeRD 2, then ZUGFeRD 1 spelling.
_CII_PATHS: dict[str, tuple[str, ...]] = {
    "number": ("ExchangedDocument/ID", "HeaderExchangedDocument/ID"),
    "issue_date": (
        "ExchangedDocument/IssueDateTime/DateTimeString",
        "HeaderExchangedDocument/IssueDateTime/DateTimeString",
    ),
    "due_date": ("SpecifiedTradePaymentTerms/DueDateDateTime/DateTimeString",),
    "seller": ("SellerTradeParty/Name",),
    "buyer": ("BuyerTradeParty/Name",),
    "currency": ("InvoiceCurrencyCode",),
    "net_total": (
        "HeaderMonetarySummation/TaxBasisTotalAmount",
        "SpecifiedTradeSettlementMonetarySummation/TaxBasisTotalAmount",
    ),
    "tax_total": ("HeaderMonetarySummation/TaxTotalAmount", "SpecifiedTradeSettlementMonetarySummation/TaxTotalAmount"),
    "grand_total": (
        "HeaderMonetarySummation/GrandTotalAmount",
        "SpecifiedTradeSettlementMonetarySummation/GrandTotalAmount",
    ),
}
_UBL_PATHS: dict[str, tuple[str, ...]] = {
    "number": ("/ID",),
    "issue_date": ("/IssueDate",),
    "due_date": ("/DueDate", "PaymentMeans/PaymentDueDate"),
    "seller": (
        "AccountingSupplierParty/Party/PartyLegalEntity/RegistrationName",
        "AccountingSupplierParty/Party/PartyName/Name",
    ),
    "buyer": (
        "AccountingCustomerParty/Party/PartyLegalEntity/RegistrationName",
        "AccountingCustomerParty/Party/PartyName/Name",
    ),
    "currency": ("/DocumentCurrencyCode",),
    "net_total": ("LegalMonetaryTotal/TaxExclusiveAmount",),
    "tax_total": ("/TaxTotal/TaxAmount",),
    "grand_total": ("LegalMonetaryTotal/TaxInclusiveAmount",),
}
_CII_LINE = {
    "name": ("SpecifiedTradeProduct/Name",),
    "quantity": ("BilledQuantity",),
    "unit_price": ("NetPriceProductTradePrice/ChargeAmount",),
    "total": ("LineTotalAmount",),
}
_UBL_LINE = {
    "name": ("Item/Name",),
    "quantity": ("InvoicedQuantity", "CreditedQuantity"),
    "unit_price": ("Price/PriceAmount",),
    "total": ("LineExtensionAmount",),
}
Paths = dict[str, tuple[str, ...]]


class InvoiceXMLError(ValueError):
    """The bytes are no electronic invoice: not XML, XML with a DTD, or another kind of document."""


def is_invoice_xml(content: bytes) -> bool:
    """Whether `content` looks like an electronic invoice, by the name of its root element alone.

    Comments before the root do not count: a licence of several thousand characters stands there in published specimens.
    """
    names = "|".join([*_CII, *_UBL])
    start = _PROLOG.match(content)
    root = content[start.end() if start else 0 :][:4096]
    return re.search(rf"<(?:\w+:)?(?:{names})[\s>]".encode(), root) is not None


def read_invoice_xml(content: bytes) -> Findings:
    """What an electronic invoice says, in the shape of `read_invoice`.

    Raises `InvoiceXMLError` for anything but a CII or UBL invoice or credit note.
    """
    root = _parse(content)
    name = _local(root)
    if name not in (*_CII, *_UBL):
        raise InvoiceXMLError(f"<{name}> is neither a Cross Industry Invoice nor a UBL Invoice or CreditNote")
    is_cii = name in _CII
    text = content.decode("utf-8", errors="replace")
    fields = {field: _find(root, paths, field, text) for field, paths in (_CII_PATHS if is_cii else _UBL_PATHS).items()}
    data: dict[str, Any] = {field: fields[field].value for field in FIELDS}
    data["lines"] = []
    for i, line in enumerate(_lines(root, is_cii)):
        found = {key: _find(line, paths, key, text) for key, paths in (_CII_LINE if is_cii else _UBL_LINE).items()}
        fields.update({f"lines[{i}].{key}": finding for key, finding in found.items()})
        data["lines"].append({key: finding.value for key, finding in found.items()})
    return Findings(data=data, fields=fields, warnings=tuple(check_totals(data)))


def _parse(content: bytes) -> ElementTree.Element:
    if re.search(rb"<!\s*(?:DOCTYPE|ENTITY)", content, re.IGNORECASE) or content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvoiceXMLError("a document type definition or an encoding other than UTF-8: refused, no invoice has one")
    try:
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise InvoiceXMLError(f"not well-formed XML ({error})") from error


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _lines(root: ElementTree.Element, is_cii: bool) -> Iterator[ElementTree.Element]:
    names = ("IncludedSupplyChainTradeLineItem",) if is_cii else ("InvoiceLine", "CreditNoteLine")
    for element in root.iter():
        if _local(element) in names and any(
            _local(child) == "LineTotalAmount" or not is_cii for child in element.iter()
        ):
            yield element


def _find(root: ElementTree.Element, paths: tuple[str, ...], field: str, text: str) -> Finding:
    """The finding at the first path that holds a value."""
    for path in paths:
        steps = path.lstrip("/").split("/")
        for element in _descend(root, steps, is_anchored=path.startswith("/")):
            printed = (element.text or "").strip()
            value = _value(field, printed)
            if value is not None:
                start = text.find(f">{element.text}<") + 1 if element.text else 0
                place = (start + (element.text or "").index(printed), len(printed)) if start else None
                return Finding(
                    value=value,
                    confidence=CONFIDENCE,
                    start=place[0] if place else None,
                    end=place[0] + place[1] if place else None,
                    rule=f"einvoice.{steps[-1]}",
                )
    return Finding(reason="the electronic invoice leaves it out")


def _descend(root: ElementTree.Element, steps: list[str], *, is_anchored: bool) -> Iterator[ElementTree.Element]:
    """The elements at a path of local names, from the root's children or from anywhere; a name may end in the step's."""
    starts = list(root) if is_anchored else list(root.iter())
    current = [element for element in starts if _matches(element, steps[0])]
    for step in steps[1:]:
        current = [child for element in current for child in element if _matches(child, step)]
    yield from current


def _matches(element: ElementTree.Element, step: str) -> bool:
    name = _local(element)
    return name == step or (step.endswith("MonetarySummation") and name.endswith(step))


def _value(field: str, printed: str) -> str | None:
    if not printed:
        return None
    if field.endswith("_date"):
        digits = re.sub(r"\D", "", printed)[:8]
        return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if len(digits) == 8 else None
    if field.endswith("total") or field in ("quantity", "unit_price"):
        try:
            return format_amount(Decimal(printed))
        except InvalidOperation:
            return None
    return " ".join(printed.split())
