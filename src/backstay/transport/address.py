"""Address: where a request goes, and the bytes of its head.

Names and values are checked before anything is sent, because a line break in a header value is another header. A `Secret` is
revealed in `write_head`, where the bytes are made, and nowhere else: no error is raised from a frame that has seen it.

Source: RFC 9110 section 5 (fields), RFC 9112 section 3 (request line).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from backstay.errors import ConfigurationError, InvalidRequest
from backstay.secret import Secret
from backstay.wire import HTTPRequest

_is_name = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_is_value = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
_is_host = re.compile(r"[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+(%[0-9A-Za-z._-]+)?").fullmatch
_has_unsafe = re.compile(r"[\x00-\x20\x7f]").search
_user = re.compile(r"//[^/?#]*@")

OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"}
)
"""Headers that belong to the connection: setting them could make two requests of one."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

Headers = Mapping[str, str | Secret]


class Head:
    """A request's head: bytes that hold a key, in an object whose repr does not show them (tracebacks print locals)."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


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
    def bracketed(self) -> str:
        """The host as it stands in a URL: an IPv6 address in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def peer(self) -> str:
        """ "host:port"."""
        return f"{self.bracketed}:{self.port}"


def parse_url(url: str) -> tuple[Address, str]:
    """The origin and the request target (path with query) of an absolute URL.

    Raises ConfigurationError for another scheme than http and https, a missing host, or a user name in the URL, and
    InvalidRequest for a path that could not be sent as it is.
    """
    shown = repr(_user.sub("//***@", url.partition("?")[0]))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"base_url: {shown} is no URL: look at its host and port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"base_url: {shown} must begin with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("base_url: holds a user name or password; put the key where keys belong")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if _has_unsafe(url) or not target.isascii():
        raise InvalidRequest(
            "the request's path holds a space, a control character or a letter outside ASCII: quote it"
        )
    host = _host(parts, shown)
    bracketed = f"[{host}]" if ":" in host else host
    address = Address(
        scheme=parts.scheme,
        host=host,
        port=port or (443 if parts.scheme == "https" else 80),
        authority=f"{bracketed}:{port}" if port else bracketed,
    )
    return address, target


def _host(parts: SplitResult, shown: str) -> str:
    host = parts.hostname or ""
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            host = ""
    if not _is_host(host):
        raise ConfigurationError(f"base_url: {shown} names no host that can be looked up")
    return host


def write_head(request: HTTPRequest, target: str, authority: str, extra: Headers) -> Head:
    """The request's head. `extra` headers give way to the request's own.

    Raises InvalidRequest naming every header or method that could not be sent as it is, without its value.
    """
    faults = _faults(request)
    if faults:
        raise InvalidRequest(*faults)
    own = request.headers
    lines = [f"{request.method} {target} HTTP/1.1\r\nhost: {authority}\r\n"]
    for name, value in extra.items():
        if name not in own:
            lines.append(f"{name}: {value.reveal() if isinstance(value, Secret) else value}\r\n")
    for name, value in own.items():
        lines.append(f"{name}: {value.reveal() if isinstance(value, Secret) else value}\r\n")
    if request.body or request.method not in ("GET", "HEAD"):
        lines.append(f"content-length: {len(request.body)}\r\n")
    lines.append("\r\n")
    return Head("".join(lines).encode("latin-1"))


def _faults(request: HTTPRequest) -> list[str]:
    faults = []
    if request.method not in METHODS:
        faults.append(f"method {request.method!r}: must be one of {', '.join(sorted(METHODS))}")
    for name, value in request.headers.items():
        if not _is_name(name) or name.lower() in OURS:
            faults.append(f"header {name!r}: not a name that may be set")
        elif type(value) is str and not _is_value(value):  # a Secret was checked when it was made
            faults.append(f"header {name!r}: its value holds a line break, a control character or no Latin-1 letter")
    return faults
