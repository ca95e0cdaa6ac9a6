"""AWS Signature Version 4: a request and the instant to a signed request. Pure: the clock is an argument.

The canonical request is method, path, query, headers and the hash of the body; the key is derived from secret, day, region and
service. Every service but S3 encodes each path segment twice: Bedrock's `:` is `%3A` in the URL and `%253A` in the canonical
request. Secrets are revealed here to compute with, never written into the request but for the session token, which stays a
`Secret` there. The Host header is signed as the transport will write it, and left for the transport to write.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from backstay.secret import Secret
from backstay.wire import HTTPRequest

ALGORITHM: Final = "AWS4-HMAC-SHA256"
ACCESS_KEY_ID: Final = "AWS_ACCESS_KEY_ID"
SECRET_ACCESS_KEY: Final = "AWS_SECRET_ACCESS_KEY"
SESSION_TOKEN: Final = "AWS_SESSION_TOKEN"
"""The variables that hold AWS credentials everywhere."""

_UNSIGNED: Final = frozenset(
    {"authorization", "user-agent", "x-amzn-trace-id", "expect", "connection", "transfer-encoding"}
)
_REGION: Final = re.compile(r"(?:^|[.-])([a-z]{2}(?:-[a-z]+){1,3}-[0-9])(?=\.)")


class AWSCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """An access key: its id, its secret, and the session token of temporary credentials."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None


def sign(http: HTTPRequest, credentials: AWSCredentials, *, region: str, service: str, now: float) -> HTTPRequest:
    """`http` (its url absolute) with the headers that prove it at `now`, Unix seconds.

    Headers in `http` are signed too, but for those that proxies change; an authorization that is there is replaced.
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    headers: dict[str, str | Secret] = {name.lower(): value for name, value in http.headers.items()}
    headers["x-amz-date"] = stamp
    if credentials.session_token is not None:
        headers["x-amz-security-token"] = credentials.session_token
    signed = {name: value for name, value in headers.items() if name not in _UNSIGNED} | {"host": authority(http.url)}
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


def authority(url: str) -> str:
    """The Host header of a request to `url`: the port stands in it where it stands in the URL."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port else host


def region_of(url: str) -> str | None:
    """The region that the host of an AWS address names; None where it names none."""
    found = _REGION.search(urlsplit(url).hostname or "")
    return found[1] if found else None


def _derive(secret: Secret, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret.reveal()}".encode()
    for step in (day, region, service, "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return key


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value
