"""Scans: recognized words set into rows; a letter drawn as a picture is read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.document.fault import DocumentMissing, DocumentUnreadable
from backstay.document.scan import Word, is_image, read_scan, set_rows


def test_words_of_a_row_stand_on_one_line_in_their_columns() -> None:
    """Order is by place, not by when a word was found; a wide gap is a column, a small one a blank, a tall one an empty line."""
    words = [
        Word("CO-50", 300, 11, 350, 21),
        Word("Reason", 0, 10, 60, 20),
        Word("code", 66, 10, 106, 20),
        Word("Dear", 0, 60, 40, 70),
    ]
    first, blank, last = set_rows(words).split("\n")
    assert first.startswith("Reason code  ")
    assert first.endswith("CO-50")
    assert (blank, last) == ("", "Dear")


def test_no_words_are_no_text() -> None:
    """An empty page is empty."""
    assert set_rows([]) == ""


def test_pictures_are_known_by_their_name() -> None:
    """PNG, JPEG and TIFF."""
    assert is_image("a.PNG")
    assert not is_image("a.pdf")


@pytest.mark.slow
def test_a_drawn_letter_is_read(tmp_path: Path) -> None:
    """A PDF of words becomes a picture, and the picture words again; what is no picture is refused."""
    pytest.importorskip("rapidocr")
    typst = pytest.importorskip("typst")
    page = b"#set text(14pt)\nAcorn Health Plan \\ Member ID: AC-55-1020 \\ We denied your claim (CO-197)."
    picture = tmp_path / "letter.png"
    picture.write_bytes(typst.compile(page, format="png", ppi=150.0))
    read = read_scan(picture)
    assert "Acorn Health Plan" in read.text
    assert "AC-55-1020" in read.text
    assert "CO-197" in read.text
    assert read.warnings
    (tmp_path / "noise.png").write_bytes(b"no picture")
    with pytest.raises(DocumentUnreadable):
        read_scan(tmp_path / "noise.png")
    with pytest.raises(DocumentMissing):
        read_scan(tmp_path / "nowhere.png")
