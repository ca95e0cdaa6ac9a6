"""Address: where a request goes, and the bytes of its head.

Names and values are checked before anything is sent, because a line break in a header value is another header. A `Secret` is
revealed here, where the bytes are made, and nowhere else.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote, urlsplit

import msgspec

from backstay.errors import ConfigurationError, InvalidRequest
from backstay.secret import Secret
from backstay.wire import HTTPRequest

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_UNSAFE_TARGET = re.compile(r"[\x00-\x20\x7f]")
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade"})
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One origin: scheme, host and port, with the Host header's value. `peer` is how errors call it."""

    scheme: str
    host: str
    port: int
    authority: str

    @property
    def is_tls(self) -> bool:
        """True for https."""
        return self.scheme == "https"

    @property
    def peer(self) -> str:
        """ "host:port"."""
        return f"{self.host}:{self.port}"


def parse_url(url: str) -> tuple[Address, str]:
    """The origin and the request target (path with query) of an absolute URL.

    Raises ConfigurationError for another scheme than http and https, a missing host, or a user name in the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"base_url: {url.partition('?')[0]!r} is no URL ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"base_url: {url.partition('?')[0]!r} must begin with http:// or https:// and name a host"
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("base_url: holds a user name or password; put the key where keys belong")
    host = parts.hostname
    shown = f"[{host}]" if ":" in host else host
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if _UNSAFE_TARGET.search(target) or not target.isascii():
        raise InvalidRequest(
            "the request's path holds a space, a control character or a letter outside ASCII: quote it"
        )
    address = Address(
        scheme=parts.scheme,
        host=host,
        port=port or (443 if parts.scheme == "https" else 80),
        authority=f"{shown}:{port}" if port else shown,
    )
    return address, target


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP proxy: its address, and its authorization where its URL had a user name."""

    address: Address
    authorization: Secret | None = None


def parse_proxy(url: str) -> Proxy:
    """The Proxy at `url` ("http://user:password@host:port"). Raises ConfigurationError for other kinds, without the URL."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigurationError("transport.proxy: only http:// proxies are supported (they tunnel https too)")
    address = Address(
        scheme="http", host=parts.hostname, port=parts.port or 80, authority=f"{parts.hostname}:{parts.port or 80}"
    )
    if parts.username is None:
        return Proxy(address=address)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return Proxy(address=address, authorization=Secret("Basic " + base64.b64encode(pair).decode()))


def write_head(request: HTTPRequest, target: str, authority: str, extra: dict[str, str | Secret]) -> bytes:
    """The request's head as bytes. Raises InvalidRequest naming every header or method that could not be sent as it is."""
    faults = (
        [] if request.method in METHODS else [f"method {request.method!r}: must be one of {', '.join(sorted(METHODS))}"]
    )
    lines = [f"{request.method} {target} HTTP/1.1\r\nhost: {authority}\r\n"]
    for name, value in (*extra.items(), *request.headers.items()):
        text = value.reveal() if isinstance(value, Secret) else value
        if not _TOKEN.match(name) or name.lower() in OURS:
            faults.append(f"header {name!r}: not a name that may be set")
        elif _UNSAFE.search(text):
            faults.append(f"header {name!r}: its value holds a line break or another control character")
        else:
            lines.append(f"{name}: {text}\r\n")
    if faults:
        raise InvalidRequest(*faults)
    if request.body or request.method != "GET":
        lines.append(f"content-length: {len(request.body)}\r\n")
    lines.append("\r\n")
    try:
        return "".join(lines).encode("latin-1")
    except UnicodeEncodeError as error:
        raise InvalidRequest("a header value holds a letter outside Latin-1") from error.with_traceback(None)
