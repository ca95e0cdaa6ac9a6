"""PDF to text in visual rows, with the files inside: the only module that knows the PDF library (pypdfium2, PDFium).

Characters come with their boxes from the page's text layer; `layout.py` sets them into rows. Writing that runs across the
reading direction of the page (marginal stamps) goes to the page's end. A page turned by its producer is turned back.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from backstay.document.document import Attachment, Document
from backstay.document.fault import DocumentEncrypted, DocumentUnreadable, NeedsRecognition
from backstay.document.layout import Glyph, lay_out

MEDIA_TYPE = "application/pdf"
# PDFium marks a hyphen at a line's end with one of these.
_HYPHENS = {0x02: "-", 0xFFFE: "-", 0xAD: "-"}
_REPLACEMENT = "\ufffd"


def read_pdf(content: bytes, *, source: str) -> Document:
    """The document in `content`.

    Raises `DocumentEncrypted` when a password is needed, `DocumentUnreadable` when it is damaged, `NeedsRecognition` when no
    page has a text layer.
    """
    pdf = _open(content, source)
    try:
        pages = [_page_text(pdf[i]) for i in range(len(pdf))]
        attachments = _attachments(pdf)
    except pypdfium2.PdfiumError as error:
        raise DocumentUnreadable(f"the PDF is damaged ({error})", source=source) from error
    finally:
        pdf.close()
    blank = [i + 1 for i, page in enumerate(pages) if not page.strip()]
    if len(blank) == len(pages):
        raise NeedsRecognition("no page has a text layer, it is a scan: run OCR first", source=source)
    warnings = (f"no text on page {', '.join(map(str, blank))}: a scan or a blank page",) if blank else ()
    return Document(
        source=source,
        text="\f".join(pages),
        media_type=MEDIA_TYPE,
        pages=_offsets(pages),
        attachments=attachments,
        warnings=warnings,
    )


def _open(content: bytes, source: str) -> Any:
    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise DocumentEncrypted("the PDF is encrypted: save it without a password first", source=source) from error
        raise DocumentUnreadable(f"not a readable PDF ({error})", source=source) from error


def _offsets(pages: list[str]) -> tuple[int, ...]:
    offsets, place = [], 0
    for page in pages:
        offsets.append(place)
        place += len(page) + 1
    return tuple(offsets)


def _page_text(page: Any) -> str:
    """A page's text in rows; writing in another direction than most of it follows after an empty line."""
    textpage = page.get_textpage()
    try:
        by_direction = _glyphs(textpage.raw, textpage.count_chars())
    finally:
        textpage.close()
        page.close()
    if not by_direction:
        return ""
    ordered = sorted(by_direction, key=lambda direction: len(by_direction[direction]), reverse=True)
    return "\n\n".join(lay_out(by_direction[direction]) for direction in ordered)


def _glyphs(textpage: Any, count: int) -> dict[int, list[Glyph]]:
    """The page's glyphs by their direction in quarter turns, each turned so that it reads from left to right."""
    found: dict[int, list[Glyph]] = {}
    box = pdfium.FS_RECTF()
    for i in range(count):
        char = _char(pdfium.FPDFText_GetUnicode(textpage, i))
        if not char or pdfium.FPDFText_IsGenerated(textpage, i) == 1:
            continue
        if not pdfium.FPDFText_GetLooseCharBox(textpage, i, ctypes.byref(box)):
            continue
        turns = round(pdfium.FPDFText_GetCharAngle(textpage, i) / (math.pi / 2)) % 4
        found.setdefault(turns, []).append(_turn(char, box, turns))
    return found


def _char(code: int) -> str:
    """The character of a code point; surrogates come in two and are left to the replacement sign."""
    if code in _HYPHENS:
        return _HYPHENS[code]
    if code < 0x20 or 0xD800 <= code <= 0xDFFF:
        return "" if code < 0x20 else _REPLACEMENT
    return chr(code)


def _turn(char: str, box: Any, turns: int) -> Glyph:
    """The glyph with its box turned back by quarter turns."""
    left, bottom, right, top = box.left, min(box.bottom, box.top), box.right, max(box.bottom, box.top)
    left, right = min(left, right), max(left, right)
    if turns == 1:
        return Glyph(char, -top, left, -bottom, right)
    if turns == 2:
        return Glyph(char, -right, -top, -left, -bottom)
    if turns == 3:
        return Glyph(char, bottom, -right, top, -left)
    return Glyph(char, left, bottom, right, top)


def _attachments(pdf: Any) -> tuple[Attachment, ...]:
    """The embedded files, in the order of the document."""
    found = []
    for i in range(pdf.count_attachments()):
        attachment = pdf.get_attachment(i)
        name = attachment.get_name()
        media_type = "text/xml" if name.lower().endswith(".xml") else "application/octet-stream"
        found.append(Attachment(name=name, content=bytes(attachment.get_data()), media_type=media_type))
    return tuple(found)
