"""Attached: facts that a document carries in a machine's form, which are read instead of being guessed.

An electronic invoice brings its own data as XML, inside a PDF, beside it in an e-mail, or alone. Where it does, nobody
needs to be asked: the XML is what the sender's system meant.
"""

from __future__ import annotations

from backstay.document.document import Document
from backstay.extract.extraction import Extraction
from backstay.extract.found import field_of
from backstay.extract.gate import judge
from backstay.extract.schema import Schema, complete
from backstay.extract.settle import status_of
from backstay.offline.einvoice_xml import InvoiceXMLError, is_invoice_xml, read_invoice_xml
from backstay.types import Cost, Provenance


def read_attached(schema: Schema, document: Document) -> Extraction | None:
    """The Extraction of an attachment that states the facts of `schema`; None where there is none.

    One that looks like an invoice and cannot be read is passed over: the document's text is still there to be read.
    """
    if schema.name != "invoice":
        return None
    for attachment in document.attachments:
        if not is_invoice_xml(attachment.content):
            continue
        try:
            findings = read_invoice_xml(attachment.content)
        except InvoiceXMLError:
            continue
        data = complete(findings.data, schema.schema)
        fields = {path: field_of(finding) for path, finding in findings.fields.items()}
        target = f"attachment:{attachment.name}"
        return Extraction(
            status=status_of(data, schema.schema),
            data=data,
            fields=fields,
            provenance=Provenance(target=target, rule="einvoice_xml"),
            source=document.source,
            attempts=0,
            cost=Cost(nano_usd=0, price_id="attachment"),
            retry_cost=Cost(nano_usd=0, price_id="attachment"),
            warnings=findings.warnings,
            gate=judge(status_of(data, schema.schema), fields, schema.schema),
        )
    return None
