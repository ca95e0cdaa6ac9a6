"""A document that has been read: its text, where its pages begin, and the files inside it."""

from __future__ import annotations

import msgspec


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file inside a document: the XML of an electronic invoice in a PDF, a PDF in an e-mail."""

    name: str
    content: bytes
    media_type: str = "application/octet-stream"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document's text with what is known about it.

    `pages` holds the offset in `text` at which each page begins; pages are parted by a form feed. Rows of a table stand on one
    line each, columns parted by two or more spaces. `warnings` says what was left out.
    """

    source: str
    text: str
    media_type: str
    pages: tuple[int, ...] = (0,)
    attachments: tuple[Attachment, ...] = ()
    warnings: tuple[str, ...] = ()
