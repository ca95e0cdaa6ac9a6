"""Sweep: cancel a coroutine at every point where it can be cancelled, and look at what it leaves behind.

A coroutine can be cancelled wherever it suspends, in two ways that differ: while it still waits, and in the very moment in which
what it waited for has come (the permit is granted, and nobody is there to take it). A sweep first counts the suspensions of an
undisturbed run, and then runs the coroutine anew for each of them and each way, and for pairs of them: a second cancellation
while the first is being cleaned up. It is exhaustive where a random search is lucky.

    def make() -> tuple[Coroutine[Any, Any, object], Callable[[], None]]:
        gate = Gate(1)                                  # everything new for each run
        def check() -> None:
            assert gate.free == 1                       # runs after the coroutine ended
        return use(gate), check

    cancel_points(make)

Each run has an event loop in virtual time of its own. Source: cancellation is an exception at an await (PEP 492, PEP 3156).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.sim.loop import run
from backstay.sim.world import sim_world

Check: TypeAlias = Callable[[], object]
Make: TypeAlias = Callable[[], tuple[Coroutine[Any, Any, object], Check]]
Way: TypeAlias = Literal["waiting", "woken"]
WAYS: Final[tuple[Way, ...]] = ("waiting", "woken")

SETTLE: Final = 3600.0
"""Virtual seconds in which what runs in the background may end by itself, before it counts as left behind."""


class Leak(AssertionError):
    """Something was left behind; `points` says after which cancellations, each with what was found."""

    def __init__(self, points: dict[str, str], runs: int) -> None:
        shown = "\n".join(f"  {point}: {found}" for point, found in list(points.items())[:10])
        super().__init__(f"{len(points)} of {runs} cancelled runs left something behind:\n{shown}")
        self.points = points


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """`points`: suspensions of the undisturbed run, `ended`: "complete" or the name of its error; `runs`: cancelled runs;
    `absorbed`: those of them that ended as if nothing was."""

    ended: str
    points: int
    runs: int
    absorbed: int


class _Driven:
    """Awaits a coroutine step by step, and cancels the task that it runs in at the chosen suspensions."""

    def __init__(self, inner: Coroutine[Any, Any, object], at: dict[int, Way]) -> None:
        self._inner = inner
        self._at = at
        self.count = 0
        self.struck = 0

    def __await__(self) -> Generator[Any, None, object]:
        error: BaseException | None = None
        while True:
            try:
                awaited = self._inner.send(None) if error is None else self._inner.throw(error)
            except StopIteration as end:
                return end.value
            self.count += 1
            if self.count in self._at:
                self._strike(awaited, self._at[self.count])
            try:
                yield awaited
                error = None
            except BaseException as thrown:  # noqa: BLE001 - it is thrown into the coroutine
                error = thrown

    def _strike(self, awaited: Any, way: Way) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.struck += 1
        if way == "waiting" or not isinstance(awaited, asyncio.Future):
            task.cancel()
        else:  # called before the task's own wake-up, which was not added yet
            awaited.add_done_callback(lambda _: task.cancel())


class _Ran(msgspec.Struct, frozen=True):
    """One run: its suspensions, whether all cancellations took place, how it ended, and what was left behind."""

    count: int
    is_struck: bool
    ended: str
    found: str


async def _scene(make: Make, at: dict[int, Way]) -> _Ran:
    inner, check = make()
    driven = _Driven(inner, at)
    ended = "complete"

    async def main() -> object:
        return await driven

    try:
        await asyncio.create_task(main())
    except asyncio.CancelledError:
        ended = "cancelled"
    except Exception as error:  # noqa: BLE001 - how a run ended is what is compared
        ended = type(error).__name__
    await sim_world().sleep(SETTLE)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    found = ", ".join(f"a task {task.get_coro()!r}" for task in left)
    try:
        verdict = check()
        if inspect.isawaitable(verdict):
            await verdict
    except AssertionError as error:
        found = f"{found} {str(error) or 'the check failed'}".strip()
    return _Ran(driven.count, driven.struck == len(at), ended, found)


def _plans(count: int, most_pairs: int) -> list[dict[int, Way]]:
    singles: list[dict[int, Way]] = [{point: way} for point in range(1, count + 1) for way in WAYS]
    if count > most_pairs:
        return singles
    seconds = range(1, count + 2)  # cleaning up may suspend where the undisturbed run did not
    pairs: list[dict[int, Way]] = [
        {first: way, first + later: "waiting"} for first in range(1, count + 1) for way in WAYS for later in seconds
    ]
    return singles + pairs


def cancel_points(make: Make, *, most_pairs: int = 40, seed: int | None = None) -> Sweep:
    """Cancel what `make` makes at every suspension, both ways, and at every pair of them where there are up to `most_pairs`.

    `make` gives a new coroutine and the check of what it uses, which may be a coroutine function; it is called once a run, inside
    the loop. Raises Leak with every
    point at which the check failed, a task was left, or the run ended in an error that the undisturbed run does not have;
    Deadlock and Livelock where a run hangs; AssertionError where the undisturbed run fails its check.
    """
    base = run(_scene(make, {}), seed=seed)
    if base.found:
        raise Leak({"undisturbed": base.found}, 1)
    faults: dict[str, str] = {}
    runs = absorbed = 0
    for plan in _plans(base.count, most_pairs):
        ran = run(_scene(make, plan), seed=seed)
        if not ran.is_struck:  # it ended before its second cancellation
            continue
        runs += 1
        absorbed += ran.ended == base.ended
        if ran.ended not in ("cancelled", base.ended):
            faults[str(plan)] = f"ended in {ran.ended}"
        if ran.found:
            faults[str(plan)] = ran.found
    if faults:
        raise Leak(faults, runs)
    return Sweep(ended=base.ended, points=base.count, runs=runs, absorbed=absorbed)
