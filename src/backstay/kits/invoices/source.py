"""Source: which files are one document. An electronic invoice that lies beside its PDF, under the same name, belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from backstay.document.document import Attachment, Document
from backstay.document.read import read_document
from backstay.offline.einvoice_xml import is_invoice_xml

PAGE, FACTS = ".pdf", ".xml"


def open_document(source: str | Path) -> Document:
    """The document of a file; a PDF's with the electronic invoice beside it, behind those that it holds itself.

    Raises as `read_document` does.
    """
    document = read_document(source)
    content = _beside(Path(source))
    if content is None:
        return document
    attached = Attachment(name=Path(source).with_suffix(FACTS).name, content=content, media_type="text/xml")
    return msgspec.structs.replace(document, attachments=(*document.attachments, attached))


def parts_of(sources: Iterable[str | Path]) -> dict[str, str]:
    """Of `sources` those that are read with another of them: the electronic invoice to its PDF."""
    listed = {Path(source): str(source) for source in sources}
    return {
        listed[facts]: name
        for page, name in listed.items()
        if (facts := page.with_suffix(FACTS)) in listed and facts != page and _beside(page) is not None
    }


def _beside(page: Path) -> bytes | None:
    """The electronic invoice beside a PDF; None where there is none."""
    if page.suffix.lower() != PAGE:
        return None
    try:
        content = page.with_suffix(FACTS).read_bytes()
    except OSError:  # no file, or none that can be read: the PDF is still there
        return None
    return content if is_invoice_xml(content) else None
