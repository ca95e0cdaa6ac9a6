"""PDF: rows and columns kept whatever the drawing order, files inside exposed, every fault one clear error."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from types import ModuleType

import pypdfium2
import pytest

from backstay.document import DocumentEncrypted, DocumentUnreadable, NeedsRecognition, read_bytes, read_document

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load_maker() -> ModuleType:
    """The examples' own PDF writer."""
    spec = importlib.util.spec_from_file_location("make_pdfs_under_test", EXAMPLES / "make_pdfs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = load_maker().pdf_bytes
ROWS = ["Invoice        4711", "Date           05.03.2026", "", "Total        1.190,00"]


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.split("\n") if line.strip()]


def test_rows_stand_on_one_line() -> None:
    """Words drawn last to first come back in rows, columns at least two spaces apart."""
    document = read_bytes(make([ROWS]), source="a.pdf")
    assert words(document.text) == words("\n".join(ROWS))
    assert "Invoice  " in document.text
    assert document.media_type == "application/pdf"


@pytest.mark.parametrize("name", ["de-druckerei", "us-software", "fr-jardin"])
def test_an_example_reads_like_its_source(name: str) -> None:
    """The PDF gives back the words of the text file it was made of, row by row."""
    source = (EXAMPLES / "invoices" / f"{name}.txt").read_text(encoding="utf-8")
    assert words(read_document(EXAMPLES / "invoices" / f"{name}.pdf").text) == words(source)


def test_the_examples_are_what_the_script_writes() -> None:
    """The PDFs in the tree are those of `examples/make_pdfs.py`, byte for byte."""
    folder = EXAMPLES / "invoices"
    lines = (folder / "us-software.txt").read_text(encoding="utf-8").splitlines()
    assert (folder / "us-software.pdf").read_bytes() == make([lines])


def test_pages_are_parted_by_form_feeds() -> None:
    """`pages` holds where each page begins."""
    document = read_bytes(make([["first"], ["second page"], ["third"]]), source="a.pdf")
    assert [document.text[start:].split("\f")[0] for start in document.pages] == ["first", "second page", "third"]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_page_reads_the_same(turn: int) -> None:
    """How a viewer turns the page changes nothing in its text."""
    assert words(read_bytes(make([ROWS], rotate=turn), source="a.pdf").text) == words("\n".join(ROWS))


@pytest.mark.parametrize(("degrees", "right", "up"), [(90, 0, 612), (180, 612, 792), (270, 792, 0)])
def test_text_drawn_sideways_is_turned_back(degrees: int, right: int, up: int) -> None:
    """A page whose producer drew its text at a right angle reads like the upright one."""
    pdf = pypdfium2.PdfDocument(make([ROWS]))
    page = pdf[0]
    for drawn in page.get_objects():
        drawn.transform(pypdfium2.PdfMatrix().rotate(degrees).translate(right, up))
    page.gen_content()
    buffer = io.BytesIO()
    pdf.save(buffer)
    pdf.close()
    assert words(read_bytes(buffer.getvalue(), source="a.pdf").text) == words("\n".join(ROWS))


def test_embedded_files_are_attachments() -> None:
    """A file inside the PDF comes with its name and bytes."""
    document = read_bytes(make([ROWS], attachment=("factur-x.xml", b"<Invoice/>")), source="a.pdf")
    assert [(file.name, file.content, file.media_type) for file in document.attachments] == [
        ("factur-x.xml", b"<Invoice/>", "text/xml")
    ]


def test_a_scan_says_that_it_needs_recognition() -> None:
    """Pages without text layer are refused with the remedy."""
    with pytest.raises(NeedsRecognition, match=r"scan\.pdf: no page has a text layer.*OCR"):
        read_bytes(make([[], []]), source="scan.pdf")


def test_one_page_without_text_is_a_warning() -> None:
    """The pages with text are read, and the others named."""
    document = read_bytes(make([["first"], [], ["third"]]), source="a.pdf")
    assert document.warnings == ("no text on page 2: a scan or a blank page",)
    assert words(document.text.replace("\f", "\n")) == [["first"], ["third"]]


def test_an_encrypted_pdf_is_refused() -> None:
    """A password that is not empty is named as the reason."""
    key = "41" * 32
    trailer = f"/ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /O <{key}> /U <{key}> /P -4 >> "
    with pytest.raises(DocumentEncrypted, match=r"locked\.pdf: .*encrypted"):
        read_bytes(make([ROWS], trailer=trailer), source="locked.pdf")


@pytest.mark.parametrize("content", [b"%PDF-1.7\n" + bytes(range(256)) * 8, b"%PDF-1.4\n%%EOF"])
def test_a_damaged_pdf_is_refused(content: bytes) -> None:
    """What begins like a PDF and is none is one clear error."""
    with pytest.raises(DocumentUnreadable, match=r"bad\.pdf: "):
        read_bytes(content, source="bad.pdf")


@pytest.mark.corpus
def test_recorded_invoices_are_read_in_rows(corpus: Path) -> None:
    """Real invoices of many producers have their text, and the electronic invoice where they carry one."""
    files = sorted((corpus / "data" / "zugferd" / "dev" / "pdf").glob("*.pdf"))
    assert len(files) > 5
    for file in files:
        document = read_document(file)
        assert len(document.text) > 500
        assert any(attachment.name.lower().endswith(".xml") for attachment in document.attachments)
