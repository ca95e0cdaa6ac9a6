"""What must never happen: a key in an error, a header made of a value, a certificate that nobody signed, a redirect."""

from __future__ import annotations

import base64
import logging
import ssl
import traceback

import pytest
import trustme
from fault_server import FaultServer, Guest, always, answer

from backstay.errors import ConfigurationError, ConnectFailed, InvalidRequest, LLMError
from backstay.secret import Secret
from backstay.transport.address import parse_url
from backstay.transport.base import Timeouts
from backstay.transport.fake import FakeTransport
from backstay.transport.fault import FAULTS
from backstay.transport.http import HTTPTransport
from backstay.transport.proxy import parse_proxy
from backstay.transport.script import Answer
from backstay.wire import HTTPRequest

KEY = "canary-4f9a1c-key"
HASTY = Timeouts(connect=0.05, first_event=0.05, between_events=0.05, total=0.5)


def shown(error: BaseException) -> str:
    """All that a careless logger could print of an error: text, repr, facts, causes, and the locals of every frame."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(told.format()) + repr(error) + repr(vars(error))


@pytest.mark.parametrize("name", FAULTS)
async def test_no_key_in_any_error(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Every fault, with the locals of all frames printed: the key is nowhere."""
    caplog.set_level(logging.DEBUG)
    request = HTTPRequest(url="http://provider.example/v1", headers={"authorization": Secret(KEY)}, body=b"{}")
    told = ""
    try:
        response = await FakeTransport(FAULTS[name]()).send(request, timeouts=HASTY)
        told = repr(response)
        await response.read()
    except LLMError as error:
        told += shown(error)
    assert KEY not in told + caplog.text
    assert told


def test_the_search_for_keys_can_find_one() -> None:
    """The broken variant: a key that is a plain local is seen."""
    plain = KEY
    with pytest.raises(ValueError) as caught:
        raise ValueError(len(plain))
    assert KEY in shown(caught.value)


@pytest.mark.server
async def test_no_key_in_an_error_of_the_real_client() -> None:
    """Neither the provider's key nor the proxy's password."""
    transport = HTTPTransport(proxy=f"http://user:{KEY}@127.0.0.1:9")
    for url in ("http://provider.example/", "https://provider.example/"):
        with pytest.raises(ConnectFailed) as caught:
            await transport.send(HTTPRequest(url=url, headers={"x-api-key": Secret(KEY)}))
        text = shown(caught.value)
        assert KEY not in text
        assert base64.b64encode(f"user:{KEY}".encode()).decode() not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", "a\r\nevil: 1"), ("x", "a\nb"), ("x", "a\0b"), ("x: y\r\nz", "a"), ("", "a"), ("a b", "c"), ("x", "\u2026"),
     ("Host", "evil"), ("content-length", "0"), ("transfer-encoding", "chunked"), ("connection", "close")],
)  # fmt: skip
async def test_no_header_out_of_a_value(name: str, value: str) -> None:
    """Injection is refused before anything is opened, all faults in one error, without the values."""
    transport = FakeTransport(Answer())
    request = HTTPRequest(url="http://provider.example/", headers={name: value, "y": f"{KEY}\n"})
    with pytest.raises(InvalidRequest) as caught:
        await transport.send(request)
    assert len(caught.value.faults) == 2
    assert KEY not in str(caught.value)
    assert transport.requests == []


@pytest.mark.parametrize("path", ["/a b", "/a\r\nx: y", "/a\0", "/\u00e9"])
def test_no_header_out_of_a_path(path: str) -> None:
    """A path is quoted by whoever makes it, or refused."""
    with pytest.raises(InvalidRequest):
        parse_url(f"http://provider.example{path}")


@pytest.mark.parametrize(
    "url",
    [f"ftp://u:{KEY}@host/", f"http://u:{KEY}@host/", f"http://u:{KEY}@host:port/", "http://", "host/path", "http://[::1/",
     "http://a..b\u2024/", "http://host:99999/"],
)  # fmt: skip
def test_an_address_that_is_none(url: str) -> None:
    """One clear error, without the password that a URL may hold."""
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert KEY not in str(caught.value) + repr(caught.value)


@pytest.mark.server
async def test_redirects_are_not_followed() -> None:
    """The key goes where it was sent, and nowhere else."""
    async with FaultServer(always(answer())) as other:
        moved = answer(status="307 Temporary Redirect", headers=f"location: {other.url()}\r\n")
        async with FaultServer(always(moved)) as server:
            transport = HTTPTransport()
            response = await transport.send(
                HTTPRequest(url=server.url(), headers={"x-api-key": Secret(KEY)}, body=b"{}")
            )
            assert response.status == 307
            await transport.aclose()
        assert other.connections == 0


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.server
async def test_a_certificate_that_nobody_signed(authority: trustme.CA) -> None:
    """Refused, not to be retried, and no byte of the request was sent."""
    async with FaultServer(always(answer()), tls=server_tls(authority, "127.0.0.1")) as server:
        with pytest.raises(ConnectFailed, match="certificate") as caught:
            await HTTPTransport().send(HTTPRequest(url=server.url(), body=b"{}"))
        assert (caught.value.sent, caught.value.retryable, server.requests) == (False, False, [])


@pytest.mark.server
async def test_a_certificate_of_another_host(authority: trustme.CA) -> None:
    """A good chain for another name is no better."""
    async with FaultServer(always(answer()), tls=server_tls(authority, "other.example")) as server:
        with pytest.raises(ConnectFailed, match="certificate"):
            await HTTPTransport(tls=client_tls(authority)).send(HTTPRequest(url=server.url()))


@pytest.mark.server
async def test_a_good_certificate(authority: trustme.CA) -> None:
    """A custom context's authority is trusted, and the connection is kept."""
    transport = HTTPTransport(tls=client_tls(authority))
    async with FaultServer(always(answer(b"safe")), tls=server_tls(authority, "127.0.0.1")) as server:
        for _ in range(2):
            assert await (await transport.send(HTTPRequest(url=server.url(), body=b"{}"))).read() == b"safe"
        assert server.connections == 1
        await transport.aclose()


@pytest.mark.server
async def test_tls_to_a_server_that_speaks_none() -> None:
    """A plain server on a TLS port is ConnectFailed."""

    async def plain(guest: Guest) -> None:
        await guest.reader.read(1)
        await guest.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with FaultServer(plain) as server:
        with pytest.raises(ConnectFailed, match="TLS"):
            await HTTPTransport().send(HTTPRequest(url=server.url().replace("http:", "https:")))


@pytest.mark.server
async def test_a_plain_proxy() -> None:
    """It is asked for the whole URL, with its own authorization; `no_proxy` hosts are reached without it."""
    async with FaultServer(always(answer(b"via"))) as proxy:
        transport = HTTPTransport(proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        response = await transport.send(HTTPRequest(url="http://provider.example/v1?x=1", body=b"{}"))
        assert await response.read() == b"via"
        received = proxy.requests[0]
        assert received.line == "POST http://provider.example/v1?x=1 HTTP/1.1"
        assert received.headers["host"] == "provider.example"
        assert base64.b64decode(received.headers["proxy-authorization"].removeprefix("Basic ")) == b"user:p@ss"
        await transport.aclose()
        async with FaultServer(always(answer(b"straight"))) as server:
            around = HTTPTransport(proxy=parse_proxy(f"http://127.0.0.1:{proxy.port}", no_proxy="127.0.0.0/8"))
            assert await (await around.send(HTTPRequest(url=server.url()))).read() == b"straight"
            await around.aclose()
        assert proxy.connections == 1


@pytest.mark.server
async def test_a_tunnel(authority: trustme.CA) -> None:
    """https goes through CONNECT, and TLS is checked against the provider's name inside the tunnel."""

    async def handler(guest: Guest) -> None:
        await guest.request()
        await guest.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        await guest.writer.start_tls(server_tls(authority, "provider.example"))
        await always(answer(b"tunnelled"))(guest)

    async with FaultServer(handler) as proxy:
        transport = HTTPTransport(proxy=f"http://user:pass@127.0.0.1:{proxy.port}", tls=client_tls(authority))
        for _ in range(2):
            request = HTTPRequest(url="https://provider.example/v1", headers={"x-api-key": Secret(KEY)}, body=b"{}")
            assert await (await transport.send(request)).read() == b"tunnelled"
        connect, first, _ = proxy.requests
        assert connect.line == "CONNECT provider.example:443 HTTP/1.1"
        assert "proxy-authorization" in connect.headers
        assert KEY.encode() not in connect.head
        assert (first.line, first.headers["x-api-key"]) == ("POST /v1 HTTP/1.1", KEY)
        assert "proxy-authorization" not in first.headers
        await transport.aclose()


@pytest.mark.server
@pytest.mark.parametrize("reply", [answer(status="407 Proxy Authentication Required"), b"SSH-2.0\r\n\r\n", b""])
async def test_a_tunnel_that_is_refused(reply: bytes) -> None:
    """Nothing was sent to the provider."""

    async def handler(guest: Guest) -> None:
        await guest.request()
        await guest.send(reply)

    async with FaultServer(handler) as proxy:
        with pytest.raises(ConnectFailed) as caught:
            await HTTPTransport(proxy=f"http://127.0.0.1:{proxy.port}").send(
                HTTPRequest(url="https://provider.example/")
            )
        assert not caught.value.sent
        await proxy.quiet()
