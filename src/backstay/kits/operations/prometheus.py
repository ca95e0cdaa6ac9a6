"""Prometheus as a source of metrics: the text that a target shows, from a file or a URL, or the answers of a server to queries.

The text is the exposition format 0.0.4. A server is asked over its HTTP API (`GET /api/v1/query`, prometheus.io/docs, "HTTP
API"), an instant query for each metric. What is NaN, infinite or not there is absent, which is unknown and never zero.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from backstay.errors import ConfigurationError, ProtocolError
from backstay.kits.operations.metric import number_of
from backstay.transport.base import Timeouts, Transport
from backstay.wire import HTTPRequest

SAMPLE: Final = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?")
LABEL: Final = re.compile(r'([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"')
MAX_BYTES: Final = 8 << 20
PROBE: Final = Timeouts(connect=5.0, first_event=10.0, between_events=10.0, total=15.0)


def parse_prometheus(text: str) -> dict[str, float]:
    """The samples of Prometheus text (exposition format 0.0.4): `name` or `name{label="value",...}`, labels sorted, to value.

    Lines that are no samples are passed over, as comments are; so are NaN and infinities.
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = SAMPLE.fullmatch(line.strip())
        if match is None or line.lstrip().startswith("#"):
            continue
        value = number_of(match[3])
        if value is not None:
            labels = sorted(LABEL.findall(match[2] or ""))
            inside = ",".join(f'{name}="{said}"' for name, said in labels)
            found[f"{match[1]}{{{inside}}}" if inside else match[1]] = value
    return found


class PrometheusSource:
    """Prometheus text at a URL, or in a file that something writes; `names` picks and renames (sample to metric)."""

    def __init__(
        self,
        where: str,
        names: Mapping[str, str] | None = None,
        *,
        transport: Transport | None = None,
        timeouts: Timeouts = PROBE,
    ) -> None:
        if where.startswith(("http://", "https://")) and transport is None:
            raise ConfigurationError(f"{where}: a transport is needed to read it; give HTTPTransport()")
        self._where = where
        self._names = names
        self._transport = transport
        self._timeouts = timeouts

    async def read(self) -> dict[str, float] | None:
        """What is there now. Raises LLMError for an answer that is none, ConfigurationError for a file."""
        found = parse_prometheus(await self._text())
        if self._names is None:
            return found
        return {metric: found[sample] for sample, metric in self._names.items() if sample in found}

    async def _text(self) -> str:
        if self._transport is None:
            try:
                return await asyncio.to_thread(Path(self._where).read_text, encoding="utf-8")
            except OSError as error:
                raise ConfigurationError(f"{self._where}: cannot be read ({error.strerror})") from error
        status, body = await _get(self._transport, self._where, "text/plain; version=0.0.4", self._timeouts)
        if status != 200:
            raise ProtocolError(f"{self._where}: answered {status}")
        return body.decode("utf-8", "replace")


async def _get(transport: Transport, url: str, accept: str, timeouts: Timeouts) -> tuple[int, bytes]:
    """Status and body. Raises TransportError where there is no answer, and where it is none within the time-outs."""
    raw = await transport.send(HTTPRequest(method="GET", url=url, headers={"accept": accept}), timeouts=timeouts)
    try:
        return raw.status, await raw.read(MAX_BYTES)
    finally:
        await raw.aclose()


class _Answer(msgspec.Struct, frozen=True):
    """What the API answers."""

    status: str
    data: Any = None
    errorType: str = ""  # noqa: N815 - the API's own name
    error: str = ""


class PrometheusQuery:
    """A Prometheus server at `url` (http://HOST:9090), asked one query for each metric: `queries` from metric to PromQL.

    A query that gives several series is a fault: which of them is meant, only the query can say.
    """

    def __init__(
        self, url: str, queries: Mapping[str, str], *, transport: Transport, timeouts: Timeouts = PROBE
    ) -> None:
        if not queries:
            raise ConfigurationError(f"{url}: nothing is asked of it; give a query for each metric")
        self._url = url.rstrip("/")
        self._queries = dict(queries)
        self._transport = transport
        self._timeouts = timeouts

    async def read(self) -> dict[str, float] | None:
        """The metrics that have a value now. Raises LLMError for a server that is away or an answer that is none, and
        ConfigurationError for a query that the server refuses or that gives several series."""
        found = {}
        for metric, query in self._queries.items():
            value = await self._value(metric, query)
            if value is not None:
                found[metric] = value
        return found

    async def _value(self, metric: str, query: str) -> float | None:
        url = f"{self._url}/api/v1/query?{urlencode({'query': query})}"
        status, body = await _get(self._transport, url, "application/json", self._timeouts)
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except msgspec.DecodeError as error:
            raise ProtocolError(f"{self._url}: answered {status} with what is no answer of the API") from error
        if answer.status != "success":
            said = f"{metric}: {query}: {answer.errorType or status}: {answer.error}"[:500]
            raise ConfigurationError(said) if answer.errorType == "bad_data" else ProtocolError(f"{self._url}: {said}")
        samples = _samples(answer.data)
        if samples is None:
            raise ProtocolError(f"{self._url}: {metric}: {query}: gives no vector and no number")
        if len(samples) > 1:
            raise ConfigurationError(f"{metric}: {query}: gives {len(samples)} series; sum or select until it is one")
        return number_of(samples[0]) if samples else None


def _samples(data: Any) -> list[str] | None:
    """The values of a vector or a scalar, as the API writes them; None where it is something else."""
    kind, result = (data.get("resultType"), data.get("result")) if isinstance(data, dict) else (None, None)
    if not isinstance(result, list):
        return None
    points: list[Any] = [result] if kind == "scalar" else [one.get("value") for one in result if isinstance(one, dict)]
    if kind not in ("vector", "scalar") or not all(isinstance(one, list) and len(one) == 2 for one in points):
        return None
    return [str(one[1]) for one in points]
