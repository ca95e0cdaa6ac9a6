"""Metrics from elsewhere, watched and not adapted; here from a CSV file, row by row; `prometheus.py` has another source.

A source is anything with `read`, which gives one table of metrics or None at its end. `Watched` makes a managed system of it
that has no actions, so that the loop analyses and advises.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from backstay.errors import ConfigurationError, LLMError
from backstay.kits.operations.state import Action, ActionKind, Execution, State

MOST_FAILURES: Final = 3
"""Readings in a row that may fail before a watched system is away."""


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


class Watched:
    """A system that is only watched: its metrics come from a source, one reading for every `wait`.

    A reading that fails is a round in which nothing is known, and `notice` hears why; `most_failures` in a row are an end, and
    the last of them is raised. `wait` lets real time pass by `sleep` where it is given, as it must for what is measured now.
    """

    def __init__(
        self,
        source: MetricSource,
        *,
        system_id: str,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        notice: Callable[[str], None] | None = None,
        most_failures: int = MOST_FAILURES,
    ) -> None:
        self.system_id = system_id
        self._source = source
        self._sleep = sleep
        self._notice = notice
        self._most_failures = most_failures
        self._failures = 0
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
        """The next reading; its time is counted, not measured. Raises LLMError where too many failed."""
        if self._sleep is not None and self._now:
            await self._sleep(seconds)
        self._now += seconds
        try:
            self._last = await self._source.read()
            self._failures = 0
        except LLMError as error:
            self._failures += 1
            if isinstance(error, ConfigurationError) or self._failures >= self._most_failures:
                raise
            self._last = {}
            if self._notice is not None:
                self._notice(f"no reading at {self._now:.0f} s: {type(error).__name__}: {error}")
        return self._last is not None
