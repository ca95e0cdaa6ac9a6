"""HTML to text as a reader sees it: blocks on lines of their own, table rows on one line with cells parted by two spaces."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from backstay.document.plain import decode

MEDIA_TYPE = "text/html"
_HIDDEN = frozenset(["script", "style", "template", "noscript", "head", "svg"])
_CELLS = frozenset(["td", "th"])
_BLOCK_NAMES = """
    address article aside blockquote body br caption dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4
    h5 h6 header hr li main nav ol option p pre section summary table tbody tfoot thead title tr ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?\s*([\w.:-]+)", re.IGNORECASE)


def html_to_text(markup: str) -> str:
    """The visible text of `markup`; never raises, as browsers never do."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader.text()


def decode_html(content: bytes) -> str | None:
    """The markup in `content`, by the character set that it declares when that one fits; None when it is not text."""
    declared = _CHARSET.search(content[:4096])
    if declared and not content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        try:
            return content.decode(declared[1].decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            return decode(content)
    return decode(content)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[list[str]] = [[""]]
        self._hidden = 0
        self._in_row = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _CELLS:
            self._in_row += 1
            self._lines[-1].append("")
        elif tag in _BLOCKS:
            self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(self._hidden - 1, 0)
        elif tag in _CELLS:
            self._in_row = max(self._in_row - 1, 0)
        elif tag in _BLOCKS:
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._lines[-1][-1] += data

    def _break(self, tag: str) -> None:
        """A new line; inside a table's cell a block only parts words, so that the row stays one line."""
        if self._in_row and tag not in ("tr", "table"):
            self._lines[-1][-1] += " "
        else:
            self._in_row = 0 if tag in ("tr", "table") else self._in_row
            self._lines.append([""])

    def text(self) -> str:
        lines = (
            "  ".join(cell for cell in (re.sub(r"\s+", " ", cell).strip() for cell in line) if cell)
            for line in self._lines
        )
        return "\n".join(line for line in lines if line)
