"""What the tests of this kit share: a clock that stands still until it is moved, and small logs of our own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.kits.patterns import Event, PatternStore, open_store

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "patterns"
START = dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)
DAY = 86_400


class StandingClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = START.timestamp()

    def monotonic(self) -> float:
        return self.seconds

    def wall_ns(self) -> int:
        return int(self.seconds * 1e9)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def store(clock: StandingClock) -> Iterator[PatternStore]:
    with open_store(":memory:", clock=clock) as opened:
        yield opened


def event(what: str, minute: float = 0, *, case: str = "", who: str = "", **more: object) -> Event:
    """An event `minute` minutes after the start."""
    when = (START + dt.timedelta(minutes=minute)).isoformat()
    names = (who,) if who else ()
    return Event(what=what, when=when, case_id=case, who=names, record=f"{case}@{minute}", **more)  # type: ignore[arg-type]


def orders(count: int = 40, *, skipped: int = 4) -> list[Event]:
    """Cases that are taken, checked (but for `skipped` of them) and shipped; one actor for each step."""
    found = []
    for number in range(count):
        steps = ["take", "ship"] if number < skipped else ["take", "check", "ship"]
        who = {"take": "Ada", "check": "Ben", "ship": "Cleo"}
        found += [
            event(step, 600 * number + 10 * place, case=f"o{number}", who=who[step]) for place, step in enumerate(steps)
        ]
    return found
