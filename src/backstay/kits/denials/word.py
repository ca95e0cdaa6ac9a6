"""Papers as DOCX: the only module that knows python-docx (the extra `docs`)."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from backstay.errors import ConfigurationError
from backstay.kits.denials.paper import Paper

if TYPE_CHECKING:
    from backstay.kits.denials.body import Section


def paper_to_docx(paper: Paper) -> bytes:
    """The paper as a DOCX file. Raises ConfigurationError where python-docx is not installed."""
    try:
        from docx import Document
        from docx.shared import Pt
    except ImportError as error:
        raise ConfigurationError("DOCX needs python-docx: pip install 'backstay[docs]'") from error
    page = Document()
    page.core_properties.title = paper.title
    page.core_properties.author = ""
    page.styles["Normal"].font.size = Pt(11)
    if paper.form != "letter":
        page.add_heading(paper.title, 1)
    for lines in (paper.sender, paper.recipient, (paper.day,)):
        _lines(page, lines)
    if paper.form == "letter":
        page.add_heading(paper.title, 1)
    _references(page, paper)
    if paper.salutation:
        page.add_paragraph(paper.salutation)
    for section in paper.sections:
        _section(page, section, box="\u2610 " if paper.form == "checklist" else "")
    _lines(page, paper.closing)
    for line in paper.footer:
        page.add_paragraph().add_run(line).italic = True
    out = io.BytesIO()
    page.save(out)
    return out.getvalue()


def _lines(page: Any, lines: Iterable[str]) -> None:
    """Lines of one paragraph."""
    kept = [line for line in lines if line]
    if kept:
        page.add_paragraph("\n".join(kept))


def _references(page: Any, paper: Paper) -> None:
    if not paper.references:
        return
    table = page.add_table(rows=0, cols=2)
    for label, value in paper.references:
        cells = table.add_row().cells
        cells[0].text, cells[1].text = label, value
        cells[0].paragraphs[0].runs[0].bold = True
    page.add_paragraph()


def _section(page: Any, section: Section, *, box: str) -> None:
    if section.heading:
        page.add_heading(section.heading, 2)
    for paragraph in section.paragraphs:
        page.add_paragraph(paragraph)
    for item in section.items:
        page.add_paragraph(box + item, style=None if box else "List Bullet")
