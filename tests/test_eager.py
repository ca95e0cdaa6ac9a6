"""Eager: the first stretch at once, and from there on a task like any other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from backstay.eager import start
from backstay.sim import run

PLACE: ContextVar[str] = ContextVar("PLACE", default="nowhere")

Begin = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None] | None]
Log = list[object]


def scheduled(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """What `start` must not be told from, once its first stretch is over."""
    return asyncio.get_running_loop().create_task(work)


def borrowed(work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Broken on purpose: the first stretch runs as the caller, the rest as another task."""
    try:
        awaited = copy_context().run(work.send, None)
    except StopIteration:
        return None

    async def rest() -> None:
        if awaited is not None:
            awaited._asyncio_future_blocking = False
            await asyncio.wait([awaited])
        with contextlib.suppress(StopIteration):
            while True:
                work.send(None)
                await asyncio.sleep(0)

    return scheduled(rest())


async def test_what_need_not_wait_is_over_at_once() -> None:
    """No task, no turn of the event loop."""
    turns: list[int] = []
    log: Log = []
    asyncio.get_running_loop().call_soon(turns.append, 1)

    async def work() -> None:
        log.append(asyncio.current_task())

    assert start(work()) is None
    assert turns == []
    assert len(log) == 1
    assert log != [asyncio.current_task()]
    assert len(asyncio.all_tasks()) == 1


async def test_a_failure_of_the_first_stretch_is_the_callers_to_hear() -> None:
    """It is raised where the work was started, and the caller is the current task again."""
    me = asyncio.current_task()

    async def work() -> None:
        raise ValueError("at once")

    with pytest.raises(ValueError, match="at once"):
        start(work())
    assert asyncio.current_task() is me


async def test_a_failure_after_it_is_its_tasks() -> None:
    """As of any task."""

    async def work() -> None:
        await asyncio.sleep(1)
        raise ValueError("later")

    task = start(work())
    assert task is not None
    with pytest.raises(ValueError, match="later"):
        await task


async def test_it_is_one_task_in_one_context_from_first_to_last() -> None:
    """What it sets stays with it; the caller has its own back."""
    me, seen = asyncio.current_task(), set()
    places: Log = []

    async def work() -> None:
        seen.add(asyncio.current_task())
        PLACE.set("inside")
        await asyncio.sleep(1)
        seen.add(asyncio.current_task())
        places.append(PLACE.get())

    task = start(work())
    assert task is not None
    assert asyncio.current_task() is me
    assert task in asyncio.all_tasks()
    await task
    assert (seen, places, PLACE.get()) == ({task}, ["inside"], "nowhere")


def timeout_of_its_own(begin: Begin) -> bool:
    """True where a time-out that was entered in the first stretch ends the work, and not its caller."""

    async def main() -> bool:
        ended: list[str] = []

        async def work() -> None:
            try:
                async with asyncio.timeout(1.0):
                    await asyncio.sleep(3600)
            except TimeoutError:
                ended.append("timed out")

        task = begin(work())
        assert task is not None
        try:
            await asyncio.sleep(2.0)
        except asyncio.CancelledError:
            ended.append("the caller was hit")
        task.cancel()
        await asyncio.wait([task])
        return ended == ["timed out"]

    return run(main())


def test_a_time_out_of_the_first_stretch_ends_the_work_and_not_the_caller() -> None:
    """Because the work is its own task from its first line; the broken variant, which borrows its caller's, hits that."""
    assert timeout_of_its_own(start)
    assert not timeout_of_its_own(borrowed)


async def _sleeps(log: Log) -> None:
    try:
        await asyncio.sleep(1.0)
        log.append("slept")
    finally:
        log.append("out")


async def _yields(log: Log) -> None:
    for number in range(3):
        log.append(number)
        await asyncio.sleep(0)


async def _waits_for_a_task(log: Log) -> None:
    try:
        await asyncio.ensure_future(_sleeps(log))
    finally:
        log.append("outer")


async def _stubborn(log: Log) -> None:
    for _ in range(2):
        try:
            await asyncio.sleep(1.0)
        except asyncio.CancelledError:
            log.append("no")
    log.append("done")


async def _waits_for_a_stubborn_one(log: Log) -> None:
    await asyncio.ensure_future(_stubborn(log))
    log.append("after it")


async def _cleans_up(log: Log) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError as error:
        log.append(error.args)
        await asyncio.sleep(1.0)
        log.append("clean")
        raise


async def _cancels_itself(log: Log) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    log.append(task.cancelling())
    await _sleeps(log)


async def _thinks_better_of_it(log: Log) -> None:
    async with asyncio.timeout(0.5) as scope:
        scope.reschedule(asyncio.get_running_loop().time() + 5.0)
        await _sleeps(log)


async def _group(log: Log) -> None:
    async def fails() -> None:
        await asyncio.sleep(0.5)
        raise ValueError("one of them")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            group.create_task(_sleeps(log))
    except* ValueError as errors:
        log.append(len(errors.exceptions))


async def _is_heard(log: Log) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(lambda done: log.append(("heard", done is task, done.cancelled())))
    log.append(task.get_loop() is asyncio.get_running_loop())
    await _sleeps(log)


async def _is_named(log: Log) -> None:
    task = asyncio.current_task()
    assert task is not None
    log.append(task.get_name().startswith("Task-"))
    task.set_name("flight")
    log.append("name='flight'" in repr(task))
    await asyncio.sleep(1.0)
    log.append(task.get_name())


async def _is_asked_and_cancels_itself(log: Log) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.get_name()
    task.cancel("me")
    await _cleans_up(log)


WORKS = [
    _sleeps, _yields, _waits_for_a_task, _stubborn, _waits_for_a_stubborn_one, _cleans_up, _cancels_itself,
    _thinks_better_of_it, _group, _is_heard, _is_named, _is_asked_and_cancels_itself,
]  # fmt: skip


def told(begin: Begin, work: Callable[[Log], Coroutine[Any, Any, None]], moments: tuple[float, ...]) -> Log:
    """What `work` logs, how it ends and when, with a cancellation after each of `moments`; 0 is the very turn of its start."""

    async def main() -> Log:
        log: Log = []
        task = begin(work(log))
        assert task is not None
        if begin is scheduled:
            await asyncio.sleep(0)  # so that its first stretch is behind it too
        for moment in moments:
            if moment:
                await asyncio.sleep(moment)
            task.cancel("enough")
        done, _ = await asyncio.wait([task], timeout=60)
        log.append("cancelled" if task.cancelled() else task.exception() if done else "hangs")
        log.append(round(asyncio.get_running_loop().time(), 3))
        task.cancel()
        return log

    return run(main())


@pytest.mark.parametrize("moments", [(), (0,), (0.25,), (0.75,), (0, 0.25), (0.25, 0.5), (0, 0)], ids=str)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
def test_it_cannot_be_told_from_a_task_of_the_loop(work: Any, moments: tuple[float, ...]) -> None:
    """Cancelled never, at once, later or twice: it does, says and becomes the same, at the same time."""
    assert told(start, work, moments) == told(scheduled, work, moments)


def test_the_comparison_sees_a_difference() -> None:
    """The broken variant, which borrows its caller's task, is told from one."""
    assert told(borrowed, _sleeps, (0.25,)) != told(scheduled, _sleeps, (0.25,))


async def test_a_task_that_is_asked_after_its_end_has_ended() -> None:
    """Whoever kept it may ask it anything; nothing runs twice."""
    kept: list[asyncio.Task[Any]] = []
    runs: Log = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        kept.append(task)
        runs.append(1)

    assert start(work()) is None
    (task,) = kept
    assert task.get_name()
    task.cancel()
    await asyncio.wait([task])
    assert (task.done(), task.exception(), runs, len(asyncio.all_tasks())) == (True, None, [1], 1)


async def test_what_hears_of_an_end_in_the_first_stretch_is_told() -> None:
    """Also where the work asks for that itself, and then need not wait."""
    heard: list[bool] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda done: heard.append(done is task and done.exception() is None))

    start(work())
    await asyncio.sleep(0.1)
    assert heard == [True]
    assert len(asyncio.all_tasks()) == 1
