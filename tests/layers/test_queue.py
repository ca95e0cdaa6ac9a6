"""The queue as a layer: who waits, for how long, what it is told, and that no permit is lost wherever a call is cancelled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from backstay.errors import DeadlineExceeded, QueueFull, QueueTimedOut, ServerFault
from backstay.event import Finished, TextDelta
from backstay.layers.queue import Queue
from backstay.layers.queue_policy import Place, QueuePolicy
from backstay.offline.scripted import Scripted
from backstay.service import Call, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.types import Metadata, Priority, Request, Response

ONE = QueuePolicy(running=1)


def call(
    name: str = "c", priority: Priority = "medium", *, stream: bool = False, deadline: float | None = None
) -> Call:
    about = Metadata(priority=priority)
    return Call(request=Request(model="acme:m", id=name, metadata=about), stream=stream, deadline=deadline)


def working(seconds: float, order: list[str] | None = None) -> Service:
    """A service that takes `seconds` for each call and notes the order in which they began."""

    async def work(call: Call) -> Reply:
        if order is not None:
            order.append(call.request.id)
        await asyncio.sleep(seconds)
        return Reply(response=Response())

    return work


def build(service: Service, policy: QueuePolicy = ONE) -> tuple[Service, Queue]:
    queue = Queue(policy, clock=sim_world().clock)
    return stack(service, queue), queue


async def outcome(service: Service, asked: Call) -> str:
    try:
        await (await service(asked)).response()
    except (QueueFull, DeadlineExceeded) as error:
        return type(error).__name__
    return "served"


async def test_high_goes_first_and_a_class_is_first_in_first_out() -> None:
    """Whoever waits is served by class, then by arrival."""
    order: list[str] = []
    service, queue = build(working(0.1, order))
    names: list[tuple[str, Priority]] = [
        ("first", "low"), ("l1", "low"), ("m1", "medium"), ("h1", "high"), ("l2", "low"), ("h2", "high"), ("m2", "medium")
    ]  # fmt: skip
    await asyncio.gather(*(outcome(service, call(name, priority)) for name, priority in names))
    assert order == ["first", "h1", "h2", "m1", "m2", "l1", "l2"]
    assert queue.stats().running == queue.stats().waiting == 0
    assert queue.stats().high.served == 2
    assert queue.stats().high.wait_p50 == pytest.approx(0.2, abs=0.11)


async def test_the_default_bounds_hold_and_a_refusal_comes_at_once() -> None:
    """5 + 3 + 10 places but 15 in all; who finds none is told at once, with the seconds after which to return."""
    service, queue = build(working(1000.0), QueuePolicy(running=1))
    tasks = [asyncio.ensure_future(outcome(service, call("running")))]
    await asyncio.sleep(0)
    for priority, count in (("low", 11), ("medium", 4), ("high", 2)):
        tasks += [asyncio.ensure_future(outcome(service, call(f"{priority}{i}", priority))) for i in range(count)]  # type: ignore[arg-type]
        await asyncio.sleep(0)
    stats = queue.stats()
    assert (stats.low.waiting, stats.medium.waiting, stats.high.waiting, stats.waiting) == (10, 3, 2, 15)
    assert (stats.low.refused, stats.medium.refused) == (1, 1)
    with pytest.raises(QueueFull) as caught:
        await service(call("one more", "low"))
    assert caught.value.retry_after == 5.0
    assert asyncio.get_running_loop().time() < 1e-3
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (queue.stats().running, queue.stats().waiting) == (0, 0)


@pytest.mark.parametrize(("priority", "seconds"), [("high", 3.0), ("medium", 10.0), ("low", 5.0)])
async def test_each_class_has_its_time_out(priority: Priority, seconds: float) -> None:
    """To the tick; it is a QueueFull that says when to return, and the waiter is out of the line."""
    service, queue = build(working(1000.0))
    held = asyncio.ensure_future(outcome(service, call("running")))
    await asyncio.sleep(0)
    started = asyncio.get_running_loop().time()
    with pytest.raises(QueueTimedOut, match=priority) as caught:
        await service(call("late", priority))
    assert asyncio.get_running_loop().time() - started == pytest.approx(seconds, abs=1e-6)
    assert caught.value.retry_after is not None
    assert queue.stats().waiting == 0
    assert getattr(queue.stats(), priority).timed_out == 1
    held.cancel()
    await asyncio.wait([held])


async def test_the_callers_deadline_ends_the_wait_if_it_is_earlier() -> None:
    """And says that it was the deadline."""
    service, _ = build(working(1000.0))
    held = asyncio.ensure_future(outcome(service, call("running")))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded):
        await service(call("late", deadline=2.0))
    assert asyncio.get_running_loop().time() == pytest.approx(2.0, abs=1e-6)
    held.cancel()
    await asyncio.wait([held])


async def test_a_wait_that_cannot_succeed_is_not_begun() -> None:
    """Once it is known how long calls run, who would wait too long is refused at once."""
    service, queue = build(working(6.0))
    await outcome(service, call("teaches"))
    held = asyncio.ensure_future(outcome(service, call("running")))
    await asyncio.sleep(0)
    before = asyncio.get_running_loop().time()
    with pytest.raises(QueueFull, match="would wait") as caught:
        await service(call("hopeless", "high"))
    assert caught.value.retry_after == pytest.approx(3.0, abs=1e-3)
    assert asyncio.get_running_loop().time() == before
    assert queue.eta("high") == pytest.approx(6.0, abs=1e-3)
    await held


async def test_a_stream_holds_its_permit_to_its_end_and_a_whole_answer_does_not() -> None:
    """The next one starts when the stream has ended, or was left."""
    script = Scripted([TextDelta("a"), 1.0, Finished("stop")], is_endless=True)
    service, queue = build(script)
    reply = await service(call(stream=True))
    assert queue.stats().running == 1
    await reply.response()
    assert queue.stats().running == 0
    reply = await service(call(stream=True))
    await reply.aclose()
    assert queue.stats().running == 0
    service, queue = build(working(1.0))
    await service(call())
    assert queue.stats().running == 0


async def test_a_failure_gives_the_permit_back() -> None:
    """Whether it is raised from the call or breaks the stream."""
    service, queue = build(Scripted(ServerFault("x", status=500), [TextDelta("a"), ServerFault("x", status=500)]))
    for stream in (False, True):
        with pytest.raises(Exception, match="x"):
            await (await service(call(stream=stream))).response()
        assert queue.stats().running == 0


async def test_a_waiting_call_can_rise() -> None:
    """A LOW call that somebody of class HIGH has joined goes with HIGH, and has HIGH's patience on top."""
    order: list[str] = []
    service, queue = build(working(4.0, order))
    names: list[tuple[str, Priority]] = [("first", "low"), ("l1", "low"), ("l2", "low")]
    tasks = [asyncio.ensure_future(outcome(service, call(name, priority))) for name, priority in names]
    await asyncio.sleep(3.0)
    assert queue.promote("l2", "high")
    assert not queue.promote("l2", "high")
    assert not queue.promote("nobody", "high")
    assert await asyncio.gather(*tasks) == ["served", "QueueTimedOut", "served"]
    assert order == ["first", "l2"]


async def test_a_queue_works_on_more_than_one_loop() -> None:
    """It binds itself to no loop before somebody waits."""
    queue = Queue(ONE, clock=sim_world().clock)

    async def use() -> list[str]:
        service = stack(working(0.1), queue)
        return await asyncio.gather(*(outcome(service, call(f"{i}", "low")) for i in range(3)))

    results: list[list[str]] = []

    def twice() -> None:
        results.extend(run(use()) for _ in range(2))

    import threading

    thread = threading.Thread(target=twice)
    thread.start()
    thread.join()
    assert results == [["served"] * 3] * 2


class Ghostly(Queue):
    """The broken variant: a permit that was handed to a waiter in the instant of its cancellation is lost."""

    def _abandon(self, place: Place) -> None:  # type: ignore[override]
        return


class Leaky(Queue):
    """The broken variant: it counts on the reply, and forgets that the call itself may be cancelled."""

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        if not self._lines.start():
            await self._wait(call)
        reply = await inner(call)
        reply.observe(lambda outcome: self._leave(None))
        return reply


def cancelled_at(step: int, kind: Callable[..., Queue], *, stream: bool) -> tuple[bool, int, int]:
    """Of three calls the second is cancelled after `step` turns: whether it had ended; what is left running, and waiting."""

    async def main() -> tuple[bool, int, int]:
        queue = kind(ONE, clock=sim_world().clock)
        script = Scripted([0.2, TextDelta("a"), 0.2, Finished("stop")], is_endless=True)
        service = stack(script, queue)
        tasks = [asyncio.ensure_future(outcome(service, call(f"{i}", stream=stream))) for i in range(3)]
        for _ in range(step):
            await asyncio.sleep(0.01 if step % 2 else 0)
        has_ended = tasks[1].done()
        tasks[1].cancel()
        await asyncio.wait(tasks)
        await asyncio.sleep(20)
        assert len(asyncio.all_tasks()) == 1
        return has_ended, queue.stats().running, queue.stats().waiting

    return run(main())


def leaks(kind: Callable[..., Queue]) -> int:
    """How many instants of cancellation leave a permit or a place behind."""
    found = 0
    for stream in (False, True):
        for step in range(140):
            _, running, waiting = cancelled_at(step, kind, stream=stream)
            found += bool(running or waiting)
    return found


def test_wherever_a_call_is_cancelled_nothing_is_left() -> None:
    """In line, in the same turn as the permit, in the call, in the stream: no permit and no place is lost."""
    assert leaks(Queue) == 0


def test_the_sweep_sees_a_lost_permit() -> None:
    """The broken variant is caught."""
    assert leaks(Leaky) > 0


def in_one_instant(kind: Callable[..., Queue], *, is_before: bool) -> tuple[str, int, int]:
    """A waiter is cancelled just before, or just after, the permit comes: how the next one fares; calls running; cancelled."""

    async def main() -> tuple[str, int, int]:
        gate = asyncio.Event()

        async def gated(call: Call) -> Reply:
            await gate.wait()
            return Reply(response=Response())

        queue = kind(ONE, clock=sim_world().clock)
        tasks = [asyncio.ensure_future(outcome(stack(gated, queue), call(f"{i}"))) for i in range(3)]
        await asyncio.sleep(0.5)
        gate.set()
        if not is_before:
            await asyncio.sleep(0)  # the first call ends and hands its permit to the second, which has not woken yet
        tasks[1].cancel()
        return await tasks[2], queue.stats().running, queue.stats().medium.cancelled

    return run(main())


@pytest.mark.parametrize(("is_before", "cancelled"), [(True, 1), (False, 0)])
def test_a_permit_that_comes_in_the_instant_of_a_cancellation_is_passed_on(is_before: bool, cancelled: int) -> None:
    """In either order the next in line is served at once."""
    assert in_one_instant(Queue, is_before=is_before) == ("served", 0, cancelled)


def test_the_instant_finds_a_ghost() -> None:
    """The broken variant gives the permit to nobody, and the next one waits in vain."""
    assert in_one_instant(Ghostly, is_before=False) == ("QueueTimedOut", 1, 0)


@pytest.mark.parametrize("seed", range(3))
def test_random_cancellations_leave_nothing(seed: int) -> None:
    """Hundreds of calls of all classes, tenants and deadlines, a third of them cancelled at random."""

    async def main() -> tuple[int, int, int]:
        rng = random.Random(seed)
        service, queue = build(working(0.3), QueuePolicy(running=3))
        tasks = []
        for number in range(400):
            about = Metadata(priority=rng.choice(["high", "medium", "low"]), tenant=rng.choice("ab"))
            deadline = asyncio.get_running_loop().time() + rng.uniform(0.1, 4) if rng.random() < 0.3 else None
            asked = Call(request=Request(model="acme:m", id=f"{number}", metadata=about), deadline=deadline)
            tasks.append(asyncio.ensure_future(outcome(service, asked)))
            await asyncio.sleep(rng.expovariate(20))
            if rng.random() < 0.3:
                rng.choice(tasks[-20:]).cancel()
            assert queue.stats().running <= 3
            assert queue.stats().waiting <= 15
        await asyncio.wait(tasks)
        return queue.stats().running, queue.stats().waiting, len(asyncio.all_tasks())

    assert run(main(), seed=seed) == (0, 0, 1)
