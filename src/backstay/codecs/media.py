"""Media: bytes as data URLs and back, media types from magic numbers and file formats.

Source: RFC 2397 (data URLs); the signatures of PNG, JPEG, GIF, WebP and PDF.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Final

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_AUDIO_FORMATS: Final = {"audio/mpeg": "mp3", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mp4": "m4a"}


def sniff(data: bytes) -> str | None:
    """The media type that the first bytes of `data` tell, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


def to_base64(data: bytes) -> str:
    """`data` in base64."""
    return b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes | None:
    """The bytes of a base64 text, None where it is none."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def to_data_url(data: bytes, media_type: str) -> str:
    """`data` as a data URL in base64."""
    return f"data:{media_type};base64,{to_base64(data)}"


def from_data_url(url: str) -> tuple[bytes, str] | None:
    """Bytes and media type of a base64 data URL; None where `url` is another kind of URL or is damaged."""
    if url[:5].lower() != "data:":
        return None
    head, found, text = url[5:].partition(",")
    if not found or not head.endswith(";base64"):
        return None
    data = from_base64(text)
    return None if data is None else (data, head.removesuffix(";base64"))


def audio_format(media_type: str | None) -> str:
    """The short name of an audio type ("audio/mpeg" is "mp3"); "wav" where there is none."""
    if not media_type:
        return "wav"
    return _AUDIO_FORMATS.get(media_type) or media_type.partition("/")[2] or media_type


def audio_type(short: str) -> str:
    """The media type of a short name ("mp3" is "audio/mpeg")."""
    return "audio/mpeg" if short == "mp3" else f"audio/{short}"
