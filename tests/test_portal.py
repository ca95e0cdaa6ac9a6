"""The portal: blocking calls from anywhere, one loop, clean ends, and a fork that works."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator

import pytest

from backstay.portal import Portal


@pytest.fixture
def portal() -> object:
    door = Portal()
    yield door
    door.close()


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return value * 2


@pytest.mark.server
async def test_it_works_inside_a_running_loop(portal: Portal) -> None:
    """A notebook's or handler's loop is no obstacle: the work runs on another."""
    assert portal.run(double(21)) == 42


def test_threads_share_one_loop(portal: Portal) -> None:
    """Twenty threads, twenty answers, one background thread."""
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda number=number: results.append(portal.run(double(number))))
        for number in range(20)
    ]
    before = threading.active_count()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [number * 2 for number in range(20)]
    assert threading.active_count() == before + 1


def test_errors_and_iterators_cross_over(portal: Portal) -> None:
    """What the coroutine raises is raised here; an async iterator becomes a plain one."""

    async def fail() -> None:
        raise KeyError("there")

    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    with pytest.raises(KeyError, match="there"):
        portal.run(fail())
    assert list(portal.iterate(numbers())) == [0, 1, 2]


def test_a_call_from_its_own_loop_is_refused(portal: Portal) -> None:
    """It would wait for itself for ever."""

    async def inside() -> None:
        portal.run(double(1))

    with pytest.raises(RuntimeError, match="wait for itself"):
        portal.run(inside())


def test_closing_ends_what_still_runs(portal: Portal) -> None:
    """A task that was left behind is cancelled, not abandoned."""
    ended: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("ended")

    async def leave_behind() -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(linger())
        await asyncio.sleep(0)
        return task

    portal.run(leave_behind())
    portal.close()
    portal.close()
    assert ended == ["ended"]


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_gets_a_loop_of_its_own(portal: Portal) -> None:
    """The parent's thread does not exist in the child; the child notices and starts one."""
    assert portal.run(double(1)) == 2
    pid = os.fork()
    if pid == 0:
        try:
            code = 0 if portal.run(double(4)) == 8 else 1
        except BaseException:  # noqa: BLE001 - a forked child must never return into pytest
            code = 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert portal.run(double(3)) == 6
