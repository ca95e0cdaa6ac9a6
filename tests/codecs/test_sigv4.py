"""Signature Version 4 against the published vectors, and against botocore where that is installed."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from backstay.codecs.sigv4 import AWSCredentials, authority, canonical_request, region_of, sign
from backstay.secret import Secret
from backstay.transport.address import parse_url
from backstay.wire import HTTPRequest

NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
KEY = AWSCredentials(access_key_id="AKIDEXAMPLE", secret_access_key=Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
MODEL_URL = (
    "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"
)


def signature(http: HTTPRequest, service: str = "service") -> str:
    signed = sign(http, KEY, region="us-east-1", service=service, now=NOW)
    return str(signed.headers["authorization"]).rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("method", "url", "headers", "service", "expected"),
    [
        (
            "GET",
            "https://example.amazonaws.com/",
            {},
            "service",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "GET",
            "https://example.amazonaws.com/?Param2=value2&Param1=value1",
            {},
            "service",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "POST",
            "https://example.amazonaws.com/",
            {},
            "service",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "GET",
            "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
            {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
            "iam",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ],
)
def test_published_vectors(method: str, url: str, headers: dict[str, str], service: str, expected: str) -> None:
    """The signatures that AWS publishes for its example key."""
    assert signature(HTTPRequest(method=method, url=url, headers=headers), service) == expected


def test_the_path_is_encoded_twice() -> None:
    """A colon that is %3A in the URL is %253A in the canonical request."""
    text = canonical_request("POST", MODEL_URL, {"host": "h"}, b"{}")
    assert text.split("\n")[1] == "/model/us.anthropic.claude-haiku-4-5-20251001-v1%253A0/converse"


def test_a_session_token_is_signed_and_stays_secret() -> None:
    """The token goes into a header, among the signed ones, and does not show when the request is printed."""
    temporary = msgspec.structs.replace(KEY, session_token=Secret("token-7"))
    signed = sign(HTTPRequest(url=MODEL_URL, body=b"{}"), temporary, region="us-east-1", service="bedrock", now=NOW)
    assert "host;x-amz-date;x-amz-security-token" in str(signed.headers["authorization"])
    assert "token-7" not in repr(signed)
    assert "wJalr" not in repr(signed)


def test_every_part_of_a_request_changes_the_signature() -> None:
    """Method, path, query, body, a header, the day and the region are all proven."""
    base = HTTPRequest(url=MODEL_URL, headers={"content-type": "application/json"}, body=b"{}")
    changed = [
        msgspec.structs.replace(base, method="GET"),
        msgspec.structs.replace(base, url=MODEL_URL + "-stream"),
        msgspec.structs.replace(base, url=MODEL_URL + "?a=1"),
        msgspec.structs.replace(base, body=b"{ }"),
        msgspec.structs.replace(base, headers={"content-type": "text/plain"}),
    ]
    found = {signature(http, "bedrock") for http in [base, *changed]}
    found.add(signature(base, "other"))
    for region, now in (("eu-west-1", NOW), ("us-east-1", NOW + 1)):
        found.add(str(sign(base, KEY, region=region, service="bedrock", now=now).headers["authorization"]))
    assert len(found) == 9


def test_headers_that_proxies_change_are_not_signed() -> None:
    """A user agent or an earlier authorization is left alone."""
    http = HTTPRequest(url=MODEL_URL, headers={"User-Agent": "x", "Accept": "a/b"})
    signed = sign(http, KEY, region="us-east-1", service="bedrock", now=NOW)
    assert "SignedHeaders=accept;host;x-amz-date," in str(signed.headers["authorization"])
    assert signed.headers["user-agent"] == "x"


def test_what_is_signed_is_the_host_that_the_transport_writes() -> None:
    """The port stands in it where it stands in the URL; the header itself is left to the transport."""
    for url, host in (
        ("https://h:443/", "h:443"),
        ("http://H/", "h"),
        ("https://h:8443/", "h:8443"),
        ("http://[::1]:9/", "[::1]:9"),
    ):
        assert authority(url) == host == parse_url(url)[0].authority
        assert "host" not in sign(HTTPRequest(url=url), KEY, region="r", service="s", now=NOW).headers


def test_the_region_stands_in_the_address() -> None:
    """Endpoints of every kind name their region; another host names none."""
    for host, region in (
        ("bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("vpce-1.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2"),
        ("bedrock-mantle.eu-west-1.api.aws", "eu-west-1"),
        ("gateway.example.com", None),
        ("127.0.0.1", None),
    ):
        assert region_of(f"https://{host}/v1") == region


def test_botocore_signs_the_same() -> None:
    """The reference implementation agrees on a Bedrock request with a session token."""
    pytest.importorskip("botocore")
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    http = HTTPRequest(url=MODEL_URL, headers={"content-type": "application/json"}, body=b'{"messages":[]}')
    theirs = AWSRequest(method="POST", url=http.url, headers=dict(http.headers), data=http.body)
    theirs.context["timestamp"] = "20150830T123600Z"
    auth = SigV4Auth(Credentials("AKIDEXAMPLE", KEY.secret_access_key.reveal(), "token-7"), "bedrock", "us-east-1")
    theirs.headers["X-Amz-Date"] = theirs.context["timestamp"]
    theirs.headers["X-Amz-Security-Token"] = "token-7"
    wanted = auth.signature(auth.string_to_sign(theirs, auth.canonical_request(theirs)), theirs)
    temporary = msgspec.structs.replace(KEY, session_token=Secret("token-7"))
    ours = sign(http, temporary, region="us-east-1", service="bedrock", now=NOW)
    assert str(ours.headers["authorization"]).endswith(wanted)
