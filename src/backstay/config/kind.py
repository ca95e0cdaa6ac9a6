"""Kinds: what a text setting must look like, one check per kind, each giving the fault in words or None.

No fault repeats the text that it is about: a key in the wrong place must not reach a log by way of the complaint about it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from backstay.config.reference import is_reference

SECRET_KINDS: Final = frozenset({"reference", "header", "proxy"})
"""Kinds whose text may be a secret: the loader keeps a reference to the variable, never its value."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECRET_HEADER = re.compile(r"(?i)authorization|cookie|key|token|secret|password")
_OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "content-type", "accept-encoding"}
)

REFERENCE_RULE = (
    "holds a reference to the key, never the key itself: write env:NAME, file:/path or keyring:service/user"
)


def check(kind: str | None, text: str, name: str) -> str | None:
    """What is wrong with `text` as a value of `kind` under the key `name`, in words; None when it is good."""
    if not text.strip():
        return "is empty: leave it out for the default"
    rule = KINDS.get(kind or "")
    return rule(text, name) if rule else None


def _reference(text: str, name: str) -> str | None:
    return None if is_reference(text) else REFERENCE_RULE


def _name(text: str, name: str) -> str | None:
    return None if _NAME.fullmatch(text) else "is a name of lower-case letters, digits, - and _"


def _url(text: str, name: str) -> str | None:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        return "is not a URL"
    if url.scheme not in ("http", "https") or not url.hostname or re.search(r"[\s\\]|[^!-~]", text):
        return "is not a URL: write http://host:port/path or https://..."
    if "@" in url.netloc:
        return "holds a user or a password, which would end up in logs: keep it out of the URL"
    if url.query or url.fragment:
        return "holds a query or a fragment: end it before the ? or #"
    return None


def _proxy(text: str, name: str) -> str | None:
    if is_reference(text):
        return None
    fault = _url(text, name)
    return f"{fault} (for a proxy with a password: env:NAME)" if fault else None


def _header(text: str, name: str) -> str | None:
    if not _HEADER_NAME.fullmatch(name):
        return "is not a header's name"
    if name.lower() in _OWN_HEADERS:
        return "is a header that the transport writes itself: leave it out"
    if is_reference(text):
        return None
    if _SECRET_HEADER.search(name):
        return REFERENCE_RULE
    return (
        None if text.isascii() and text.isprintable() else "holds a line break or another character no header may hold"
    )


KINDS: Final[Mapping[str, Callable[[str, str], str | None]]] = MappingProxyType(
    {"reference": _reference, "name": _name, "url": _url, "proxy": _proxy, "header": _header}
)
