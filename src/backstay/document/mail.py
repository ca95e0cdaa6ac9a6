"""E-mail (RFC 5322, MIME) to text: who, to whom, when, what about, then the body; the files it carries as attachments.

The plain body is preferred to the HTML one. An attached file is not read here: `read_bytes` reads it on its own.
"""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart

from backstay.document.document import Attachment, Document
from backstay.document.fault import DocumentEmpty
from backstay.document.plain import decode
from backstay.document.web import html_to_text

MEDIA_TYPE = "message/rfc822"
_HEADERS = ("From", "To", "Cc", "Date", "Subject")


def read_mail(content: bytes, *, source: str) -> Document:
    """The document in `content`: headers, body and attachments. Raises `DocumentEmpty` for a message without body and files."""
    message = message_from_bytes(content, policy=policy.default)
    body, warning = _body(message)
    attachments = tuple(_attachment(part, i) for i, part in enumerate(message.iter_attachments()))
    if not body.strip() and not attachments:
        raise DocumentEmpty("the message has neither text nor attachments", source=source)
    headers = "\n".join(f"{name}: {message[name]}" for name in _HEADERS if message[name])
    return Document(
        source=source,
        text=f"{headers}\n\n{body}".strip() + "\n",
        media_type=MEDIA_TYPE,
        attachments=attachments,
        warnings=(warning,) if warning else (),
    )


def _body(message: EmailMessage) -> tuple[str, str | None]:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return "", "the message has no text body"
    content = _bytes(part)
    charset = part.get_content_charset()
    text, warning = _text(content, charset)
    return (html_to_text(text) if part.get_content_type() == "text/html" else text), warning


def _text(content: bytes, charset: str | None) -> tuple[str, str | None]:
    """The text in its declared character set; where that is wrong or unknown, the usual guess and a warning."""
    try:
        return content.decode(charset or "ascii"), None
    except (LookupError, UnicodeDecodeError):
        warning = f"the body is not {charset}" if charset else None
        return decode(content) or content.decode("ascii", errors="replace"), warning


def _attachment(part: MIMEPart, number: int) -> Attachment:
    name = part.get_filename() or f"part-{number + 1}"
    return Attachment(name=name, content=_bytes(part), media_type=part.get_content_type())


def _bytes(part: MIMEPart) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else part.as_bytes()
