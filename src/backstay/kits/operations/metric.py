"""Metrics from elsewhere: a CSV file replayed row by row, Prometheus text from a file or over HTTP; watched, not adapted.

A source is anything with `read`, which gives one table of metrics or None at its end. `Watched` makes a managed system of it
that has no actions, so that the loop analyses and advises.
"""

from __future__ import annotations

import asyncio
import csv
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from backstay.errors import ConfigurationError, ProtocolError
from backstay.kits.operations.state import Action, ActionKind, Execution, State
from backstay.transport.base import Timeouts, Transport
from backstay.wire import HTTPRequest

SAMPLE: Final = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?")
LABEL: Final = re.compile(r'([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"')
MAX_BYTES: Final = 8 << 20
PROBE: Final = Timeouts(connect=5.0, first_event=10.0, between_events=10.0, total=15.0)


class MetricSource(Protocol):
    """Gives metrics by name, None when there are no more."""

    async def read(self) -> dict[str, float] | None: ...


class CsvSource:
    """Rows of a CSV file, one a reading; `columns` renames (column to metric), and leaves out all others where it is given.

    Cells that are empty or no number are absent. Raises ConfigurationError where the file can't be read or lacks a column.
    """

    def __init__(self, path: str | Path, columns: Mapping[str, str] | None = None) -> None:
        self._rows = self._read(Path(path), columns)

    @staticmethod
    def _read(path: Path, columns: Mapping[str, str] | None) -> Iterator[dict[str, float]]:
        try:
            with path.open(encoding="utf-8", newline="") as file:
                table = csv.DictReader(file)
                names = columns or {name: name for name in table.fieldnames or ()}
                if lacking := sorted(names.keys() - set(table.fieldnames or ())):
                    raise ConfigurationError(*(f"{path}: has no column {name!r}" for name in lacking))
                for row in table:
                    numbers = {metric: number_of(row[column] or "") for column, metric in names.items()}
                    yield {metric: value for metric, value in numbers.items() if value is not None}
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error

    async def read(self) -> dict[str, float] | None:
        """The next row."""
        return next(self._rows, None)


def number_of(text: str) -> float | None:
    """The finite number that `text` is, None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


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
        self, where: str, names: Mapping[str, str] | None = None, *, transport: Transport | None = None
    ) -> None:
        if where.startswith(("http://", "https://")) and transport is None:
            raise ConfigurationError(f"{where}: a transport is needed to read it; give HTTPTransport()")
        self._where = where
        self._names = names
        self._transport = transport

    async def read(self) -> dict[str, float] | None:
        """What is there now. Raises ProtocolError for an answer that is no success, ConfigurationError for a file."""
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
        request = HTTPRequest(method="GET", url=self._where, headers={"accept": "text/plain; version=0.0.4"})
        raw = await self._transport.send(request, timeouts=PROBE)
        try:
            body = await raw.read(MAX_BYTES)
        finally:
            await raw.aclose()
        if raw.status != 200:
            raise ProtocolError(f"{self._where}: answered {raw.status}")
        return body.decode("utf-8", "replace")


class Watched:
    """A system that is only watched: its metrics come from a source, one reading for every `wait`."""

    def __init__(self, source: MetricSource, *, system_id: str) -> None:
        self.system_id = system_id
        self._source = source
        self._now = 0.0
        self._last: dict[str, float] | None = None

    def actions(self) -> tuple[ActionKind, ...]:
        """None."""
        return ()

    async def observe(self) -> State:
        """The reading of the last `wait`."""
        return State(system_id=self.system_id, at=self._now, metrics=self._last or {})

    async def execute(self, action: Action) -> Execution:
        """Refused."""
        return Execution(action=action, status="refused", detail="this system is watched, not adapted")

    async def wait(self, seconds: float) -> bool:
        """The next reading; its time is counted, not measured."""
        self._last = await self._source.read()
        self._now += seconds
        return self._last is not None
