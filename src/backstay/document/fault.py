"""What can be wrong with a document before anyone reads it: one error for each, naming the file and the remedy.

DocumentError          .source
  DocumentMissing      no such file
  DocumentEmpty        no bytes, or no text in them
  DocumentTooLarge     more bytes than allowed
  DocumentUnreadable   damaged, or not what its name says
  DocumentEncrypted    a password is needed
  NeedsRecognition     pages without a text layer: a scan, to be recognized first
  UnknownFormat        no reader for this kind of file
"""

from __future__ import annotations

from typing import Any

from backstay.errors import LLMError


class DocumentError(LLMError):
    """A document that cannot be read; `source` is its name as given."""

    def __init__(self, message: str, *, source: str) -> None:
        super().__init__(f"{source}: {message}")
        self.source = source
        self._reason = message

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self._reason, self.source)


class DocumentMissing(DocumentError):
    """There is no file of this name."""


class DocumentEmpty(DocumentError):
    """The file has no bytes, or no text in them."""


class DocumentTooLarge(DocumentError):
    """The file has more bytes than the caller allows."""


class DocumentUnreadable(DocumentError):
    """The file is damaged, or not what its name says."""


class DocumentEncrypted(DocumentError):
    """The file opens with a password only."""


class NeedsRecognition(DocumentError):
    """The pages are pictures: optical character recognition has to come first."""


class UnknownFormat(DocumentError):
    """No reader takes this kind of file."""


def _restore(kind: type[DocumentError], message: str, source: str) -> DocumentError:
    return kind(message, source=source)
