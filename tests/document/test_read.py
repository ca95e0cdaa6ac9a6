"""Reading: each kind of file becomes text, each fault one typed error that names the file, folders are walked in order."""

from __future__ import annotations

import codecs
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.document import (
    DocumentEmpty,
    DocumentError,
    DocumentMissing,
    DocumentTooLarge,
    DocumentUnreadable,
    UnknownFormat,
    expand,
    read_bytes,
    read_document,
)
from backstay.document.plain import decode

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = "Betrag: 12,00 €\nMüller & Söhne\n"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (b"", "cp1252"),
    ],
)
def test_encodings_are_recognized(tmp_path: Path, mark: bytes, encoding: str) -> None:
    """The byte order mark, strict UTF-8 and the Windows code page, in this order."""
    path = tmp_path / "a.txt"
    path.write_bytes(mark + TEXT.encode(encoding))
    document = read_document(path)
    assert document.text == TEXT
    assert document.source == str(path)
    assert document.media_type == "text/plain"


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_utf8_text_is_never_changed(text: str) -> None:
    """Decoding gives back what was encoded."""
    assert decode(b"\xef\xbb\xbf" + text.encode()) == text


@given(st.binary(max_size=300))
def test_any_bytes_are_a_document_or_a_document_error(content: bytes) -> None:
    """No content raises anything but the typed errors."""
    for name in ("a.txt", "a.html", "a.eml", "a.pdf", "a.xml", "a"):
        assert outcome(content, name).startswith(("text", f"{name}: "))


def outcome(content: bytes, name: str) -> str:
    """`text` for a document that holds something, the message of a document error otherwise."""
    try:
        document = read_bytes(content, source=name)
    except DocumentError as error:
        return str(error)
    return "text" if document.text.strip() or document.attachments else "nothing"


def test_line_ends_are_unified() -> None:
    """Windows and old Mac line ends become line feeds."""
    assert read_bytes(b"a\r\nb\rc\n", source="a.txt").text == "a\nb\nc\n"


def test_form_feeds_begin_pages() -> None:
    """A text file's pages are those its form feeds make."""
    assert read_bytes(b"one\ftwo", source="a.txt").pages == (0, 4)


def test_missing_file(tmp_path: Path) -> None:
    """A name without file is said to be one."""
    with pytest.raises(DocumentMissing, match=r"nothing\.txt: no such file"):
        read_document(tmp_path / "nothing.txt")


@pytest.mark.parametrize("content", [b"", b" \n\t", b"\xef\xbb\xbf"])
def test_empty_file(content: bytes) -> None:
    """Nothing, white space and a lone byte order mark are empty."""
    with pytest.raises(DocumentEmpty):
        read_bytes(content, source="a.txt")


def test_folder_is_no_document(tmp_path: Path) -> None:
    """A folder is refused with the function that takes folders."""
    with pytest.raises(DocumentUnreadable, match="expand"):
        read_document(tmp_path)


def test_oversize_is_refused_without_reading_on(tmp_path: Path) -> None:
    """One byte over the bound is too many, the bound itself is not."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 101)
    with pytest.raises(DocumentTooLarge, match="100 bytes"):
        read_document(path, max_bytes=100)
    assert len(read_document(path, max_bytes=101).text) == 101


@pytest.mark.parametrize("content", [bytes(range(256)) * 4, b"\x00" * 64, b"\x7fELF\x02\x01\x01" + b"\x00\x10" * 50])
def test_binary_data_is_not_text(content: bytes) -> None:
    """A text file's name does not make its bytes text."""
    with pytest.raises(DocumentUnreadable, match="binary"):
        read_bytes(content, source="a.txt")


def test_a_name_that_lies(tmp_path: Path) -> None:
    """Content goes before the name; a PDF's name without a PDF in it is an error."""
    pdf = (EXAMPLES / "invoices" / "us-software.pdf").read_bytes()
    assert read_bytes(pdf, source="a.txt").media_type == "application/pdf"
    assert read_bytes(b"<!DOCTYPE html><p>Hi</p>", source="a.txt").text == "Hi"
    with pytest.raises(DocumentUnreadable, match="not begin like a PDF"):
        read_bytes(b"hello", source="a.pdf")


def test_unknown_kind_lists_the_known(tmp_path: Path) -> None:
    """The remedy stands in the message."""
    with pytest.raises(UnknownFormat, match=r"\.xyz; known are .*\.pdf"):
        read_bytes(b"hello", source="a.xyz")


def test_errors_cross_process_borders() -> None:
    """A document error is the same after pickling."""
    with pytest.raises(DocumentEmpty) as caught:
        read_bytes(b"", source="a.txt")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy), copy.source) == (DocumentEmpty, str(caught.value), "a.txt")


def test_xml_is_kept_as_an_attachment() -> None:
    """A stand-alone electronic invoice is at hand as bytes, for who reads it exactly."""
    document = read_document(EXAMPLES / "invoices" / "nl-ubl.xml")
    assert document.media_type == "text/xml"
    assert [file.content for file in document.attachments] == [(EXAMPLES / "invoices" / "nl-ubl.xml").read_bytes()]


def make_folder(root: Path) -> None:
    for name in ("b.txt", "a.pdf", "sub/c.HTML", "sub/.hidden.txt", ".git/d.txt", "photo.jpg", "Makefile"):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")


def test_folders_are_walked_in_order(tmp_path: Path) -> None:
    """Known kinds sorted, hidden ones passed over, unknown ones told."""
    make_folder(tmp_path)
    skipped: list[str] = []
    found = [
        str(p.relative_to(tmp_path)) for p in expand([tmp_path], on_skip=lambda path, reason: skipped.append(path.name))
    ]
    assert found == ["a.pdf", "b.txt", "sub/c.HTML"]
    assert skipped == ["Makefile", "photo.jpg"]


def test_a_named_path_must_be_readable(tmp_path: Path) -> None:
    """What is asked for by name is never skipped in silence."""
    make_folder(tmp_path)
    assert list(expand([tmp_path / "b.txt", str(tmp_path / "a.pdf")])) == [tmp_path / "b.txt", tmp_path / "a.pdf"]
    with pytest.raises(UnknownFormat, match=r"photo\.jpg"):
        list(expand([tmp_path / "photo.jpg"]))
    with pytest.raises(DocumentMissing):
        list(expand([tmp_path / "gone.txt"]))
