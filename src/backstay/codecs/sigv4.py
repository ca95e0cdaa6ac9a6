"""AWS Signature Version 4: a request and the instant to a signed request. Pure: the clock is an argument.

The canonical request is method, path, query, headers and the hash of the body; the key is derived from secret, day, region and
service. Every service but S3 encodes each path segment twice: Bedrock's `:` is `%3A` in the URL and `%253A` in the canonical
request. Secrets are revealed here to compute with, never written into the request but for the session token, which stays a
`Secret` there.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from backstay.secret import Secret
from backstay.wire import HTTPRequest

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNSIGNED: Final = frozenset(
    {"authorization", "user-agent", "x-amzn-trace-id", "expect", "connection", "transfer-encoding"}
)
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class AWSCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """An access key: its id, its secret, and the session token of temporary credentials."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None


def sign(http: HTTPRequest, credentials: AWSCredentials, *, region: str, service: str, now: float) -> HTTPRequest:
    """`http` (its url absolute) with the headers that prove it at `now`, Unix seconds. Headers in `http` are signed too."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    headers: dict[str, str | Secret] = {name.lower(): value for name, value in http.headers.items()}
    headers.setdefault("host", _host(http.url))
    headers["x-amz-date"] = stamp
    if credentials.session_token is not None:
        headers["x-amz-security-token"] = credentials.session_token
    signed = {name: value for name, value in headers.items() if name not in _UNSIGNED}
    text = canonical_request(http.method, http.url, signed, http.body)
    digest = hashlib.sha256(text.encode()).hexdigest()
    key = _derive(credentials.secret_access_key, stamp[:8], region, service)
    signature = hmac.new(key, f"{ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={';'.join(sorted(signed))}, Signature={signature}"
    )
    return msgspec.structs.replace(http, headers=headers)


def canonical_request(method: str, url: str, headers: Mapping[str, str | Secret], body: bytes) -> str:
    """The text whose hash is signed; header names are lower case."""
    parts = urlsplit(url)
    names = sorted(headers)
    lines = [f"{name}:{' '.join(_plain(headers[name]).split())}" for name in names]
    return "\n".join(
        [
            method,
            quote(parts.path or "/", safe="/-_.~"),
            _query(parts.query),
            *lines,
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        ]
    )


def _query(query: str) -> str:
    """The parameters, sorted by name and value; they are encoded in the URL already."""
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return "&".join(f"{name}={value}" for name, _, value in sorted(pairs))


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{parts.port}"


def _derive(secret: Secret, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret.reveal()}".encode()
    for step in (day, region, service, "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return key


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value
