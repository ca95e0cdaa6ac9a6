#!/usr/bin/env python3
"""Write the PDFs among the examples from their text files: PDF 1.7 by hand, no library, the same bytes every time.

    python examples/make_pdfs.py

`pdf_bytes` sets lines in Courier, one text object per word, so that a reader has to find rows and columns from the places of the
words; `attachment` embeds a file the way Factur-X does.
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT, SIZE, MARGIN = 612, 792, 9, 40
ADVANCE = 0.6 * SIZE  # Every character of Courier is 600 thousandths wide.
LEADING = 12


def pdf_bytes(
    pages: list[list[str]], *, attachment: tuple[str, bytes] | None = None, rotate: int = 0, trailer: str = ""
) -> bytes:
    """A PDF whose pages hold the given lines; `rotate` turns the pages, `trailer` is added to the trailer dictionary."""
    kids = [4 + 2 * i for i in range(len(pages))]
    names = ""
    if attachment is not None:
        file = 4 + 2 * len(pages)
        names = f" /Names << /EmbeddedFiles << /Names [({attachment[0]}) {file} 0 R] >> >>"
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R{names} >>".encode(),
        f"<< /Type /Pages /Count {len(pages)} /Kids [{' '.join(f'{kid} 0 R' for kid in kids)}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
    ]
    for kid, lines in zip(kids, pages, strict=True):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Rotate {rotate} "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {kid + 1} 0 R >>".encode()
        )
        objects.append(_stream(_content(lines)))
    if attachment is not None:
        name, content = attachment
        objects.append(
            f"<< /Type /Filespec /F ({name}) /UF ({name}) /AFRelationship /Data /EF << /F {len(objects) + 2} 0 R >> >>".encode()
        )
        objects.append(_stream(content, "/Type /EmbeddedFile /Subtype /text#2Fxml "))
    return _file(objects, trailer)


def _content(lines: list[str]) -> bytes:
    """The drawing of a page: words from the last to the first, so that drawing order is not reading order."""
    drawn = []
    for number, line in enumerate(lines):
        for word in re.finditer(r"\S+(?: \S+)*", line):
            x, y = MARGIN + word.start() * ADVANCE, HEIGHT - MARGIN - number * LEADING
            text = word[0].encode("cp1252").replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
            drawn.append(b"BT /F1 %d Tf %.1f %.1f Td (%s) Tj ET" % (SIZE, x, y, text))
    return b"\n".join(reversed(drawn))


def _stream(content: bytes, extra: str = "") -> bytes:
    return f"<< {extra}/Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream"


def _file(objects: list[bytes], trailer: str) -> bytes:
    body, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    xref = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    end = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer}>>\nstartxref\n{len(body)}\n%%EOF\n"
    return bytes(body) + xref + end.encode()


def main() -> None:
    """Write the example PDFs beside their sources."""
    folder = HERE / "invoices"
    einvoice = ("factur-x.xml", (folder / "fr-jardin.xml").read_bytes())
    for name, attachment in (("de-druckerei", None), ("us-software", None), ("fr-jardin", einvoice)):
        lines = (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        (folder / f"{name}.pdf").write_bytes(pdf_bytes([lines], attachment=attachment))


if __name__ == "__main__":
    main()
