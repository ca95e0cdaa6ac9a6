"""The virtual loop: time passes without waiting, hangs are errors, one seed is one order."""

from __future__ import annotations

import asyncio

import pytest

from backstay.sim import Deadlock, Livelock, SimLoop, run, sim_world
from backstay.sim.loop import FEW


def test_an_hour_passes_at_once_and_to_the_microsecond() -> None:
    """Sleeping moves the loop's clock by the delay and by nothing else."""

    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(3600, abs=1e-6)


def test_a_wait_for_nothing_is_a_deadlock_error() -> None:
    """A real program would hang here for ever."""

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run(main())


def test_spinning_at_one_instant_is_a_livelock_error() -> None:
    """A task that reschedules itself without time passing is found."""

    async def main() -> None:
        while True:  # noqa: ASYNC110 - the spinning is the point
            await asyncio.sleep(0)

    with pytest.raises(Livelock):
        run(main(), spin_limit=1000)


def test_a_thread_is_refused() -> None:
    """An executor would bring real time back in."""

    async def main() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(RuntimeError, match="not deterministic"):
        run(main())


def _order(seed: int | None) -> list[int]:
    order: list[int] = []

    async def worker(number: int) -> None:
        await asyncio.sleep(1)
        order.append(number)

    async def main() -> None:
        await asyncio.gather(*(worker(number) for number in range(20)))

    run(main(), seed=seed)
    return order


def test_one_seed_is_one_order_and_seeds_differ() -> None:
    """Callbacks of one instant are shuffled by the seed alone."""
    assert sorted(_order(None)) == list(range(20))
    assert _order(1) == _order(1)
    assert len({tuple(_order(seed)) for seed in range(5)}) > 1


def test_the_virtual_world_is_repeatable_and_its_wall_clock_can_jump() -> None:
    """Same seed, same draws and ids; stepping the wall clock leaves the monotonic one alone."""
    first, second = sim_world(7), sim_world(7)
    assert [first.rng.random() for _ in range(5)] == [second.rng.random() for _ in range(5)]
    assert [first.ids.new(), first.ids.new()] == [second.ids.new(), second.ids.new()]
    before = first.clock.wall_ns(), first.clock.monotonic()
    first.clock.step(-3600)  # type: ignore[attr-defined]
    assert first.clock.wall_ns() == before[0] - 3600 * 10**9
    assert first.clock.monotonic() == before[1]


def test_timers_of_one_instant_run_in_the_order_in_which_they_were_set() -> None:
    """Whatever else stands in the heap between them."""

    async def main() -> list[int]:
        loop, order = asyncio.get_running_loop(), list[int]()
        for number in range(50):
            loop.call_at(1.0, order.append, number)
            loop.call_at(0.5 + number % 7, lambda: None)
        await asyncio.sleep(10)
        return order

    assert run(main()) == list(range(50))


def test_cancelled_timers_do_not_run_and_are_swept_out() -> None:
    """A million calls set and cancel a million time-outs of ten minutes: what is kept is what may still run, and a few."""

    async def main() -> tuple[int, list[int]]:
        loop, ran = asyncio.get_running_loop(), list[int]()
        assert isinstance(loop, SimLoop)
        loop.call_at(700.0, ran.append, -1)
        most = 0
        for number in range(1_000):
            timer = loop.call_at(600.0 + number, ran.append, number)
            await asyncio.sleep(0.001)
            timer.cancel()
            most = max(most, len(loop._timers))
        await asyncio.sleep(2_000)
        return most, ran

    most, ran = run(main())
    assert most <= 2 * FEW + 5
    assert ran == [-1]
