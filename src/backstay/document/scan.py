"""Scan: pictures of pages to text, by optical character recognition: the only module that knows RapidOCR (the extra `ocr`).

Recognized words come with their boxes and are set into rows like the glyphs of a PDF, so a table stays a table. The models
come with the package; nothing is fetched. Recognition confuses letters (`O` and `0`, `l` and `I`), which is why the result says
that it was recognized.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import msgspec

from backstay.document.document import Document
from backstay.document.fault import DocumentMissing, DocumentUnreadable
from backstay.errors import ConfigurationError

IMAGES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
DPI: Final = 200
"""Dots an inch at which a PDF page is drawn: letters of ten points are then about 28 dots high, which recognition wants."""
MOST_PAGES: Final = 60
LEAST_SURE: Final = 0.5
"""Words that recognition is less sure of are left out: they are smudges more often than words."""


class Word(msgspec.Struct, frozen=True):
    """A recognized run of words and its box, in dots from the upper left."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


def is_image(path: str | os.PathLike[str]) -> bool:
    """True for a file name that is a picture's."""
    return Path(path).suffix.lower() in IMAGES


def read_scan(path: str | os.PathLike[str]) -> Document:
    """The document in a picture, or in a PDF whose pages are pictures.

    Raises ConfigurationError where RapidOCR is not installed, DocumentMissing, DocumentUnreadable.
    """
    source = os.fspath(path)
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise DocumentMissing("no such file", source=source) from error
    except OSError as error:
        raise DocumentUnreadable(f"cannot be opened ({error.strerror})", source=source) from error
    engine = _engine()
    pictures = [_decode(content, source)] if is_image(source) else _draw(content, source)
    pages = [set_rows(_words(engine, picture)) for picture in pictures]
    if not any(page.strip() for page in pages):
        raise DocumentUnreadable("no text was recognized in it", source=source)
    offsets = [0]
    for page in pages[:-1]:
        offsets.append(offsets[-1] + len(page) + 1)
    return Document(
        source=source,
        text="\f".join(pages),
        media_type=IMAGES.get(Path(source).suffix.lower(), "application/pdf"),
        pages=tuple(offsets),
        warnings=("the text was recognized in a picture: check numbers against it",),
    )


def _engine() -> Any:
    try:
        import logging

        from rapidocr import RapidOCR
    except ImportError as error:
        raise ConfigurationError("reading a scan needs RapidOCR: pip install 'backstay[ocr]'") from error
    engine = RapidOCR()
    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    return engine


def _decode(content: bytes, source: str) -> Any:
    import io

    import numpy
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as picture:
            return numpy.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise DocumentUnreadable(f"no picture that can be read ({error})", source=source) from error


def _draw(content: bytes, source: str) -> list[Any]:
    """The pages of a PDF as pictures."""
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        raise DocumentUnreadable(f"not a readable PDF ({error})", source=source) from error
    try:
        if len(pdf) > MOST_PAGES:
            raise DocumentUnreadable(f"{len(pdf)} pages are more than {MOST_PAGES} to recognize", source=source)
        return [pdf[number].render(scale=DPI / 72).to_numpy()[:, :, :3] for number in range(len(pdf))]
    finally:
        pdf.close()


def _words(engine: Any, picture: Any) -> list[Word]:
    found = engine(picture)
    if found is None or found.boxes is None:
        return []
    words = []
    for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
        if score >= LEAST_SURE and text.strip():
            across, down = [float(point[0]) for point in box], [float(point[1]) for point in box]
            words.append(Word(text.strip(), min(across), min(down), max(across), max(down)))
    return words


def set_rows(words: list[Word]) -> str:
    """Words in rows as they stand: neighbours joined by a blank, columns parted by as many blanks as keep them in place.

    A blank line stands where the gap between rows is larger than a row is high.
    """
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda one: (one.top + one.bottom) / 2):
        middle = (word.top + word.bottom) / 2
        if rows and rows[-1][0].top < middle < rows[-1][0].bottom:
            rows[-1].append(word)
        else:
            rows.append([word])
    width = _width(words)
    lines: list[str] = []
    bottom = None
    for row in rows:
        if bottom is not None and min(word.top for word in row) - bottom > 0.9 * (row[0].bottom - row[0].top):
            lines.append("")
        lines.append(_line(sorted(row, key=lambda word: word.left), width))
        bottom = max(word.bottom for word in row)
    return "\n".join(lines)


def _width(words: list[Word]) -> float:
    """The width of a letter, over all words."""
    letters = sum(len(word.text) for word in words)
    return max(1.0, sum(word.right - word.left for word in words) / letters) if letters else 1.0


def _line(row: list[Word], width: float) -> str:
    line = ""
    for number, word in enumerate(row):
        if number:
            gap = (word.left - row[number - 1].right) / width
            line += " " if gap < 1.8 else " " * max(2, round(gap))
        line += word.text
    return line
