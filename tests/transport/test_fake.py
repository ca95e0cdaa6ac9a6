"""The fake that users test with: scripts, records, faults by name, virtual time."""

from __future__ import annotations

import asyncio

import pytest

from backstay.errors import ConnectFailed, TimedOut
from backstay.transport import fault
from backstay.transport.base import Timeouts
from backstay.transport.fake import FakeTransport
from backstay.transport.script import Answer, Delay
from backstay.wire import HTTPRequest

ASK = HTTPRequest(url="http://provider.example/v1/chat/completions", body=b'{"model": "m"}')


async def test_answers_in_order_and_requests_kept() -> None:
    """Each exchange has its answer; a function sees the request; beyond the script is a mistake."""
    transport = FakeTransport(Answer(body=b"one"), lambda request: Answer(body=request.body.upper()))
    assert await (await transport.send(ASK)).read() == b"one"
    assert await (await transport.send(ASK)).read() == b'{"MODEL": "M"}'
    with pytest.raises(RuntimeError, match="2 exchanges, and this is request 3"):
        await transport.send(ASK)
    assert transport.requests == [ASK, ASK]


async def test_the_last_answer_may_repeat() -> None:
    """`repeat` serves any number of calls, as a simulation needs."""
    transport = FakeTransport(fault.status(503), Answer(body=b"ok"), repeat=True)
    statuses = [(await transport.send(ASK)).status for _ in range(4)]
    assert statuses == [503, 200, 200, 200]


async def test_an_hour_costs_nothing_and_chunks_stay_apart() -> None:
    """Delays pass in virtual time, and each chunk is one chunk."""
    transport = FakeTransport(Answer(chunks=[b"a", Delay(3600), b"b", b"c"]))
    response = await transport.send(ASK, timeouts=Timeouts(between_events=None, total=None))
    began = asyncio.get_running_loop().time()
    assert [chunk async for chunk in response] == [b"a", b"b", b"c"]
    assert asyncio.get_running_loop().time() - began == pytest.approx(3600)


async def test_a_deadline_holds_while_the_reader_is_busy() -> None:
    """The end of the whole call comes at its instant even though bytes wait and nobody reads; those bytes are not lost."""
    transport = FakeTransport(Answer(chunks=[b"a", Delay(60), b"b"]))
    response = await transport.send(ASK, deadline=10.0)
    await asyncio.sleep(30)
    assert transport.open_connections == 0
    assert await anext(response) == b"a"
    with pytest.raises(TimedOut) as caught:
        await anext(response)
    assert caught.value.phase == "total"


async def test_a_large_body_waits_for_a_slow_reader() -> None:
    """Of 8 MiB no more than the high-water mark is taken in before the reader begins."""
    transport = FakeTransport(Answer(chunks=[bytes(1 << 16)] * 128))
    response = await transport.send(ASK)
    await asyncio.sleep(1)
    assert len(await anext(response)) < 1 << 19
    assert sum([len(chunk) async for chunk in response]) > 7 << 20


@pytest.mark.parametrize("name", ["refused", "dns", "tls"])
async def test_faults_of_connecting(name: str) -> None:
    """Nothing was sent."""
    with pytest.raises(ConnectFailed) as caught:
        await FakeTransport(fault.FAULTS[name]()).send(ASK)
    assert not caught.value.sent


async def test_a_hang_while_connecting() -> None:
    """It is the connect limit that ends it, with nothing sent."""
    with pytest.raises(TimedOut) as caught:
        await FakeTransport(fault.hang_connecting()).send(ASK)
    assert (caught.value.phase, caught.value.sent) == ("connect", False)
    assert asyncio.get_running_loop().time() == pytest.approx(10.0)


async def test_cancelling_at_every_point_leaves_nothing() -> None:
    """For every k: cancelled after k rounds of the loop, no connection and no task is left."""
    for rounds in range(100):
        transport = FakeTransport(Answer(connect=[Delay(0)], before=[Delay(0)], chunks=[b"a", b"b"]))

        async def call(transport: FakeTransport = transport) -> bytes:
            return await (await transport.send(ASK)).read()

        task = asyncio.ensure_future(call())
        for _ in range(rounds):
            await asyncio.sleep(0)
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        assert transport.open_connections == 0
        if result == b"ab":
            break
    assert 5 < rounds < 99
    assert len(asyncio.all_tasks()) == 1
