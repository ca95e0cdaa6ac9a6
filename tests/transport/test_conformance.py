"""One list of scripts, played by the fake transport in virtual time and by a real server over sockets: the same outcomes."""

from __future__ import annotations

import asyncio

import pytest
from conformance import CASES, MAX_BODY, SHORT, Case, Outcome, is_same, outcome, settle
from fault_server import FaultServer, Guest

from backstay.transport.fake import FakeTransport
from backstay.transport.http import HTTPTransport
from backstay.transport.script import Answer, Delay, Fault, wire

EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


async def play(guest: Guest, answer: Answer) -> None:
    """Do over a socket what the fake does in memory."""
    await guest.request()
    for step in wire(answer):
        if isinstance(step, Delay):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, bytes):
            await guest.send(step)
        elif step.kind == "reset":
            guest.reset()
        if step == Fault("close"):
            return
    await guest.gone()


@EACH
async def test_the_fake_comes_to_the_outcome(case: Case) -> None:
    """In memory: the outcome of the list, and nothing left open."""
    transport = FakeTransport(case.answer, max_body_bytes=MAX_BODY)
    seen = await outcome(transport, "http://provider.example/v1", case.timeouts)
    await settle()
    assert is_same(case, seen), seen
    assert transport.open_connections == 0
    assert len(asyncio.all_tasks()) == 1


@EACH
@pytest.mark.server
async def test_the_real_transport_comes_to_the_outcome(case: Case) -> None:
    """Over a socket: the same outcome, the socket closed after every error, and no task left."""
    transport = HTTPTransport(max_body_bytes=MAX_BODY)
    async with FaultServer(lambda guest: play(guest, case.answer)) as server:
        seen = await outcome(transport, server.url(), case.timeouts)
        assert is_same(case, seen), seen
        if seen.error:
            await server.quiet()
        await transport.aclose()
        await server.quiet()
    assert len(asyncio.all_tasks()) == 1


def test_the_list_can_tell_a_wrong_outcome() -> None:
    """The broken variants: a cut stream taken for a whole one, a wrong phase, and "sent" forgotten are all seen."""
    cut = next(case for case in CASES if case.name == "closed inside chunks")
    assert not is_same(cut, Outcome(200, cut.outcome.body))
    hang = next(case for case in CASES if case.name == "hang before headers")
    assert not is_same(hang, hang.outcome._replace(phase="between_events"))
    assert not is_same(hang, hang.outcome._replace(is_sent=False))


async def test_time_limits_are_exact_in_virtual_time() -> None:
    """Each limit ends the wait at its own instant, not at the next look."""
    for name, at in [("hang before headers", SHORT), ("hang in the stream", SHORT), ("slow drip", SHORT)]:
        case = next(case for case in CASES if case.name == name)
        began = asyncio.get_running_loop().time()
        await outcome(FakeTransport(case.answer), "http://provider.example/v1", case.timeouts)
        assert asyncio.get_running_loop().time() - began == pytest.approx(at, abs=1e-6)


def test_a_fault_stands_where_it_can_happen() -> None:
    """A name that is no fault, and one at the wrong point of an exchange, are refused when the script is written."""
    with pytest.raises(ValueError, match="must be one of"):
        Fault("explode")
    with pytest.raises(ValueError, match="cannot happen"):
        Answer(chunks=[Fault("dns")])
