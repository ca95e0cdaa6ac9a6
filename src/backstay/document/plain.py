"""Bytes to text: the byte order mark decides, then strict UTF-8, then the Windows code page 1252, which takes what is left.

Text that holds NUL or many other control characters is no text, whatever the file is called.
"""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# One control character in a hundred: printers' escapes occur in text, binary data has one in eight.
_MOST_CONTROLS = 0.01


def decode(content: bytes) -> str | None:
    """The text of `content` with `\\n` line ends, or None when it is not text."""
    text = _decode(content)
    if text is None or "\x00" in text or len(_CONTROL.findall(text)) > _MOST_CONTROLS * len(text):
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(content: bytes) -> str | None:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _try(content[len(mark) :], encoding)
    text = _try(content, "utf-8")
    return text if text is not None else content.decode("cp1252", errors="replace")


def _try(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None
