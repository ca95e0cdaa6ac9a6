"""Reading documents: a file or bytes to text with the layout kept, its pages and the files inside it.

Text, Markdown, CSV, JSON, XML, HTML and e-mail need nothing but the standard library, PDF needs pypdfium2.
"""

from __future__ import annotations

from backstay.document.document import Attachment, Document
from backstay.document.fault import (
    DocumentEmpty,
    DocumentEncrypted,
    DocumentError,
    DocumentMissing,
    DocumentTooLarge,
    DocumentUnreadable,
    NeedsRecognition,
    UnknownFormat,
)
from backstay.document.read import KINDS, MAX_BYTES, expand, read_bytes, read_document

__all__ = [
    "KINDS",
    "MAX_BYTES",
    "Attachment",
    "Document",
    "DocumentEmpty",
    "DocumentEncrypted",
    "DocumentError",
    "DocumentMissing",
    "DocumentTooLarge",
    "DocumentUnreadable",
    "NeedsRecognition",
    "UnknownFormat",
    "expand",
    "read_bytes",
    "read_document",
]
