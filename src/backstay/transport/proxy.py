"""Proxy: an HTTP proxy between this machine and the providers.

https goes through a tunnel (CONNECT, RFC 9110 section 9.3.6), inside which TLS ends at the provider, so the proxy sees a host
name and nothing else. http is sent to the proxy with the whole URL in its request line. Hosts of `no_proxy` are reached directly.
"""

from __future__ import annotations

import base64
import ipaddress
from urllib.parse import unquote, urlsplit

import msgspec

from backstay.errors import ConfigurationError
from backstay.secret import Secret
from backstay.transport.address import Address


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP proxy: its address, its authorization where its URL had a user name, and the hosts it is not for."""

    address: Address
    authorization: Secret | None = None
    no_proxy: tuple[str, ...] = ()

    def is_for(self, address: Address) -> bool:
        """False where `no_proxy` names the host: "*", a name, a domain (with or without a dot), an IP address or network."""
        return not any(_covers(entry, address) for entry in self.no_proxy)


def parse_proxy(url: str, no_proxy: str = "") -> Proxy:
    """The Proxy at `url` ("http://user:password@host:port"), not used for the comma-separated hosts of `no_proxy`.

    Raises ConfigurationError for other kinds of proxy, without repeating the URL: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        raise ConfigurationError("transport.proxy: is no URL: its host or port is malformed") from None
    if parts.scheme != "http" or not host:
        raise ConfigurationError("transport.proxy: only http:// proxies are supported (they tunnel https too)")
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    exempt = tuple(entry for part in no_proxy.split(",") if (entry := part.strip().lower()))
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        authorization = Secret("Basic " + base64.b64encode(pair).decode())
    address = Address(scheme="http", host=host, port=port, authority=authority)
    return Proxy(address=address, authorization=authorization, no_proxy=exempt)


def _covers(entry: str, address: Address) -> bool:
    host = address.host.lower()
    if entry in ("*", host, address.peer.lower()):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return host.endswith("." + entry.lstrip("."))
