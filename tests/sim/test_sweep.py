"""The cancel sweep finds what is left behind after a cancellation, and finds nothing where nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from backstay.sim.sweep import Leak, cancel_points

Scene = tuple[Coroutine[Any, Any, object], Callable[[], None]]


class Gate:
    """One permit; whoever waits is handed it directly."""

    def __init__(self) -> None:
        self.free = 1
        self.waiters: list[asyncio.Future[None]] = []

    def release(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
                return
        self.free += 1

    async def acquire_carelessly(self) -> None:
        """Loses the permit when it is cancelled in the moment in which it was handed it."""
        if self.free:
            self.free -= 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            await waiter
        finally:
            self.waiters.remove(waiter)

    async def acquire(self) -> None:
        """Hands the permit on when it can no longer be taken."""
        if self.free:
            self.free -= 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            self.waiters.remove(waiter)
            if waiter.done() and not waiter.cancelled():
                self.release()
            raise
        self.waiters.remove(waiter)


def scene(acquire: Callable[[Gate], Coroutine[Any, Any, None]]) -> Scene:
    """Somebody holds the permit for a second; we wait for it, and use it for another."""
    gate = Gate()
    gate.free = 0
    asyncio.get_running_loop().call_later(1.0, gate.release)

    async def work() -> None:
        await acquire(gate)
        try:
            await asyncio.sleep(1)
        finally:
            gate.release()

    def check() -> None:
        assert gate.free == 1, f"{gate.free} permits are free"
        assert not gate.waiters, "a waiter is left"

    return work(), check


def test_a_clean_coroutine_passes() -> None:
    """Two suspensions, two ways each, and the pairs that can happen."""
    sweep = cancel_points(lambda: scene(Gate.acquire))
    assert (sweep.ended, sweep.points) == ("complete", 2)
    assert sweep.runs >= 4
    assert sweep.absorbed == 0


def test_a_permit_that_was_granted_to_nobody_is_found() -> None:
    """The broken variant: only a cancellation in the moment of the grant shows it."""
    with pytest.raises(Leak, match="0 permits are free") as caught:
        cancel_points(lambda: scene(Gate.acquire_carelessly))
    assert "{1: 'woken'}" in caught.value.points
    assert "{1: 'waiting'}" not in caught.value.points


def test_a_task_that_goes_on_is_found() -> None:
    """A background task that outlives its maker is left behind."""

    def make() -> Scene:
        async def work() -> None:
            task = asyncio.create_task(asyncio.sleep(10**6))
            await asyncio.sleep(1)
            task.cancel()

        return work(), lambda: None

    with pytest.raises(Leak, match="a task"):
        cancel_points(make)


def test_an_await_in_cleaning_up_needs_the_second_cancellation() -> None:
    """A `finally` that awaits before it gives back is good until somebody cancels twice."""

    def make() -> Scene:
        held = [1]

        async def work() -> None:
            try:
                await asyncio.sleep(1)
            finally:
                await asyncio.sleep(1)
                held.clear()

        def check() -> None:
            assert not held, "held"

        return work(), check

    with pytest.raises(Leak) as caught:
        cancel_points(make)
    assert "{1: 'waiting'}" not in caught.value.points
    assert "{1: 'waiting', 2: 'waiting'}" in caught.value.points


def test_a_cancellation_that_becomes_an_error_is_found() -> None:
    """Whoever cancels must see the cancellation, not a failure that never was."""

    def make() -> Scene:
        async def work() -> None:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                raise ValueError("misread") from None

        return work(), lambda: None

    with pytest.raises(Leak, match="ended in ValueError"):
        cancel_points(make)
