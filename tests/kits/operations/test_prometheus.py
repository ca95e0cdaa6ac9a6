"""Prometheus over real sockets: a server that speaks its API and shows its text, with errors, holes and silence."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from backstay.cli.operations import command
from backstay.errors import ConfigurationError, LLMError, ProtocolError, TransportError
from backstay.kits.operations.advice import PolicyAdviser
from backstay.kits.operations.loop import ControlLoop
from backstay.kits.operations.metric import Watched
from backstay.kits.operations.policy import Thresholds
from backstay.kits.operations.prometheus import PrometheusQuery, PrometheusSource, parse_prometheus
from backstay.kits.operations.setting import Loop
from backstay.transport.base import Timeouts
from backstay.transport.http import HTTPTransport

SHORT = Timeouts(connect=1.0, first_event=0.2, between_events=0.2, total=0.5)
TEXT = """\
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="get", path="C:\\\\a \\"b\\"",} 3
process_cpu_seconds 0.5
broken{ 7
temperature NaN
"""


def vector(*values: str) -> dict[str, Any]:
    """An instant vector as the API gives it."""
    result = [{"metric": {"pod": f"p{at}"}, "value": [1_700_000_000.123, value]} for at, value in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


SERIES: dict[str, tuple[int, Any]] = {
    "rt": (200, vector("1234.5")),
    "busy": (200, vector("0.97")),
    "nan": (200, vector("NaN")),
    "inf": (200, vector("+Inf")),
    "empty": (200, vector()),
    "many": (200, vector("1", "2")),
    "scalar": (200, {"status": "success", "data": {"resultType": "scalar", "result": [1_700_000_000, "3"]}}),
    "range": (200, {"status": "success", "data": {"resultType": "matrix", "result": [{"values": [[1, "2"]]}]}}),
    "bad(": (400, {"status": "error", "errorType": "bad_data", "error": "1:5: parse error: unclosed left parenthesis"}),
    "late": (503, {"status": "error", "errorType": "timeout", "error": "query timed out in expression evaluation"}),
    "proxy": (502, "<html>Bad Gateway</html>"),
    "denied": (403, ""),
    "odd": (200, {"status": "success", "data": {"resultType": "vector", "result": [{"value": 7}]}}),
}


class Handler(BaseHTTPRequestHandler):
    """Answers as Prometheus does; `silence` holds the answer back until the test is over."""

    over = threading.Event()
    seen: list[str] = []  # noqa: RUF012 - one server at a time
    failing = 0

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        query = parse_qs(where.query).get("query", [""])[0]
        self.seen.append(query or where.path)
        if query == "silence":
            self.over.wait(20)
            return
        if where.path == "/api/v1/query":
            status, answer = SERIES[query]
            if type(self).failing:
                type(self).failing -= 1
                status, answer = SERIES["late"]
        else:
            status, answer = (200, TEXT) if where.path == "/metrics" else (404, "404 page not found\n")
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.seen, Handler.failing = [], 0
    Handler.over.clear()
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}"
    Handler.over.set()
    listening.shutdown()
    thread.join()
    listening.server_close()


@asynccontextmanager
async def wire() -> AsyncIterator[HTTPTransport]:
    made = HTTPTransport()
    try:
        yield made
    finally:
        await made.aclose()


def test_the_text_is_read() -> None:
    """Samples with labels in their order; comments, NaN and what is no sample are passed over."""
    found = parse_prometheus(TEXT)
    assert found['http_requests_total{code="200",method="post"}'] == 1027
    assert found["process_cpu_seconds"] == 0.5
    assert len(found) == 3


@pytest.mark.server
async def test_a_target_shows_its_text(server: str, tmp_path: Path) -> None:
    """At a URL and in a file, renamed; a page that is not there is named, and a URL needs a transport."""
    async with wire() as transport:
        source = PrometheusSource(f"{server}/metrics", {"process_cpu_seconds": "cpu"}, transport=transport)
        assert await source.read() == {"cpu": 0.5}
        with pytest.raises(ProtocolError, match="answered 404"):
            await PrometheusSource(f"{server}/nothing", transport=transport).read()
    path = tmp_path / "metrics.prom"
    path.write_text("up 1\n", encoding="utf-8")
    assert await PrometheusSource(str(path), {"up": "is_up"}).read() == {"is_up": 1.0}
    with pytest.raises(ConfigurationError, match="transport"):
        PrometheusSource("http://127.0.0.1:1/metrics")


@pytest.mark.server
async def test_queries_become_metrics(server: str) -> None:
    """A vector of one series and a scalar are numbers; NaN, infinity and an empty answer are absent, and never zero."""
    queries = {"response_time_ms": "rt", "servers": "scalar", "a": "nan", "b": "inf", "c": "empty"}
    async with wire() as transport:
        found = await PrometheusQuery(f"{server}/", queries, transport=transport).read()
    assert found == {"response_time_ms": 1234.5, "servers": 3.0}
    assert Handler.seen == list(queries.values())


@pytest.mark.server
@pytest.mark.parametrize(
    ("query", "error", "said"),
    [
        ("bad(", ConfigurationError, "bad_data: 1:5: parse error"),
        ("many", ConfigurationError, "2 series; sum or select"),
        ("late", ProtocolError, "timeout: query timed out"),
        ("proxy", ProtocolError, "answered 502"),
        ("denied", ProtocolError, "answered 403"),
        ("range", ProtocolError, "no vector"),
        ("odd", ProtocolError, "no vector"),
        ("silence", TransportError, "0.2 s"),
    ],
)
async def test_what_is_no_answer_is_named(server: str, query: str, error: type[LLMError], said: str) -> None:
    """Each error of the API, of a proxy before it, and silence: one typed error that says what and where."""
    async with wire() as transport:
        with pytest.raises(error, match=said):
            await PrometheusQuery(server, {"x": query}, transport=transport, timeouts=SHORT).read()


@pytest.mark.server
async def test_a_missed_reading_is_unknown_and_three_are_the_end(server: str) -> None:
    """One failure is a round in which nothing is known; the loop goes on. A server that stays away ends it with the error."""
    told: list[str] = []
    async with wire() as transport:
        source = PrometheusQuery(server, {"response_time_ms": "rt", "utilisation": "busy"}, transport=transport)
        watched = Watched(source, system_id="shop", notice=told.append)
        loop = ControlLoop(watched, PolicyAdviser(Thresholds(), name="thresholds"), settings=Loop(period=10))
        Handler.failing = 1
        found = [one async for one in loop.rounds(2)]
        assert [one.health for one in found] == ["unknown", "critical"]
        assert "query timed out" in told[0]
        Handler.failing = 9
        with pytest.raises(ProtocolError, match="timed out"):
            [one async for one in loop.rounds(5)]
    assert len(told) == 3


@pytest.mark.server
def test_the_command_asks_a_server(server: str) -> None:
    """`--query` names metric and query; what the server refuses is one line with the query in it."""
    given = [
        "run",
        "--prometheus",
        server,
        "--rounds",
        "1",
        "--query",
        "response_time_ms=rt",
        "--query",
        "utilisation=busy",
    ]
    done = CliRunner().invoke(command, given)
    assert done.exit_code == 0, done.output
    assert "critical" in done.output
    assert "1,234 ms" in done.output
    refused = CliRunner().invoke(command, ["run", "--prometheus", server, "--query", "x=bad("])
    assert isinstance(refused.exception, ConfigurationError)
    for wrong in (["--query", "x"], []):
        done = CliRunner().invoke(
            command, ["run", *(["--prometheus", server] if wrong else ["--query", "a=b"]), *wrong]
        )
        assert done.exit_code == 2
