"""Files to documents: what kind of file it is, which reader takes it, and what is wrong when none can.

The content decides before the name: a PDF called `.txt` is a PDF. The only I/O of this package is here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from backstay.document import mail, web
from backstay.document.document import Attachment, Document
from backstay.document.fault import DocumentEmpty, DocumentMissing, DocumentTooLarge, DocumentUnreadable, UnknownFormat
from backstay.document.plain import decode

# The largest document read without being asked: invoices and letters are a hundredth of it.
MAX_BYTES = 50 * 2**20
KINDS = {
    ".txt": "text/plain",
    ".text": "text/plain",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".csv": "text/csv",
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".eml": "message/rfc822",
    ".xml": "text/xml",
}


def read_document(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Document:
    """The document in the file at `path`.

    Raises a `DocumentError` that names the file: missing, empty, larger than `max_bytes`, damaged, encrypted, a scan, or of an
    unknown kind.
    """
    source = os.fspath(path)
    try:
        with open(source, "rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise DocumentMissing("no such file", source=source) from error
    except IsADirectoryError as error:
        raise DocumentUnreadable("this is a folder: expand() lists its documents", source=source) from error
    except OSError as error:
        raise DocumentUnreadable(f"cannot be opened ({error.strerror})", source=source) from error
    return read_bytes(content, source=source, max_bytes=max_bytes)


def read_bytes(content: bytes, *, source: str, max_bytes: int = MAX_BYTES) -> Document:
    """The document in `content`, as `read_document` would read it from a file named `source`."""
    if len(content) > max_bytes:
        raise DocumentTooLarge(f"more than {max_bytes} bytes: raise max_bytes to read it", source=source)
    if not content.strip():
        raise DocumentEmpty("the file is empty", source=source)
    kind = _kind(content, source)
    if kind == "application/pdf":
        from backstay.document.pdf import read_pdf

        return read_pdf(content, source=source)
    if kind == mail.MEDIA_TYPE:
        return mail.read_mail(content, source=source)
    return _read_text(content, kind, source)


def expand(
    paths: Iterable[str | os.PathLike[str]], *, on_skip: Callable[[Path, str], None] | None = None
) -> Iterator[Path]:
    """The documents that `paths` name, folders walked in sorted order.

    In a folder hidden files are passed over, and files of unknown kinds are skipped and told to `on_skip(path, reason)`. A path
    given by name must exist and be of a known kind, else `DocumentMissing` or `UnknownFormat`.
    """
    for path in map(Path, paths):
        if path.is_dir():
            yield from _walk(path, on_skip)
        elif not path.exists():
            raise DocumentMissing("no such file or folder", source=str(path))
        elif path.suffix.lower() not in KINDS:
            raise UnknownFormat(_unknown(path.suffix), source=str(path))
        else:
            yield path


def _walk(folder: Path, on_skip: Callable[[Path, str], None] | None) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(parent, name)
            if path.suffix.lower() in KINDS:
                yield path
            elif on_skip is not None:
                on_skip(path, _unknown(path.suffix))


def _unknown(suffix: str) -> str:
    return f"no reader for {suffix or 'a file without suffix'}; known are {' '.join(sorted(KINDS))}"


def _kind(content: bytes, source: str) -> str:
    """The media type, by the first bytes where they tell, else by the name."""
    head = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"%PDF-") or b"%PDF-" in content[:1024]:
        return "application/pdf"
    if head[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "text/html"
    suffix = Path(source).suffix.lower()
    if head.startswith(b"<?xml") and suffix not in (".html", ".htm", ".xhtml"):
        return "text/xml"
    if suffix not in KINDS:
        raise UnknownFormat(_unknown(suffix), source=source)
    if KINDS[suffix] == "application/pdf":
        raise DocumentUnreadable("named .pdf but does not begin like a PDF", source=source)
    return KINDS[suffix]


def _read_text(content: bytes, kind: str, source: str) -> Document:
    markup = web.decode_html(content) if kind == web.MEDIA_TYPE else decode(content)
    if markup is None:
        raise DocumentUnreadable("binary data, not text", source=source)
    text = web.html_to_text(markup) if kind == web.MEDIA_TYPE else markup
    if not text.strip():
        raise DocumentEmpty("there is no text in it", source=source)
    pages = (0, *(i + 1 for i, char in enumerate(text) if char == "\f"))
    attachments = (Attachment(name=Path(source).name, content=content, media_type=kind),) if kind == "text/xml" else ()
    return Document(source=source, text=text, media_type=kind, pages=pages, attachments=attachments)
