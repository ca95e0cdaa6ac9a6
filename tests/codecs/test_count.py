"""Counting tokens is a call like any other: retried, bound by its deadline, and booked nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backstay.answer import TokenCount, count_tokens
from backstay.config import load
from backstay.dispatch import Dispatch, retry_policy_of
from backstay.errors import AuthenticationFailed, DeadlineExceeded, ProtocolError, RateLimited, TimedOut
from backstay.layers.retry import Retry
from backstay.layers.timeout import Timeout
from backstay.service import Layer
from backstay.sim import run, sim_world
from backstay.transport import fault
from backstay.transport.base import DEFAULT_TIMEOUTS, Timeouts
from backstay.transport.fake import FakeTransport
from backstay.transport.script import Answer, Delay
from backstay.types import Request, user

COUNT = Answer(body=b'{"input_tokens":11}')
REQUEST = Request(id="r", model="anthropic:claude-sonnet-5", messages=(user("How long is this?"),))


class Bench:
    """A dispatch with its script, in virtual time, and the layers around a count."""

    def __init__(self, tmp_path: Path, *answers: Any) -> None:
        self.transport = FakeTransport(*answers)
        self.world = sim_world(1)
        loaded = load(
            environ={"ANTHROPIC_API_KEY": "a", "BACKSTAY__MODEL": REQUEST.model}, cwd=tmp_path, user_folder=tmp_path
        )
        self.dispatch = Dispatch(
            loaded, services={}, keys={}, transport=lambda: self.transport, world=self.world, layers=lambda _: ()
        )
        self.layers: tuple[Layer, ...] = (
            Retry(retry_policy_of(loaded), world=self.world),
            Timeout(DEFAULT_TIMEOUTS),
        )

    async def count(self, *, deadline: float | None = None, timeouts: Timeouts | None = None) -> TokenCount:
        return await count_tokens(
            self.dispatch,
            lambda: self.transport,
            REQUEST,
            layers=self.layers,
            timeouts=timeouts,
            clock=self.world.clock,
            deadline=deadline,
        )


def test_a_count_is_tried_again(tmp_path: Path) -> None:
    """An overload and a rate limit pass; the third try's count is the count."""
    bench = Bench(tmp_path, fault.status(503), fault.rate_limited("seconds"), COUNT)
    counted = run(bench.count())
    assert (counted.input_tokens, counted.is_exact) == (11, True)
    assert [request.url.rpartition("/")[2] for request in bench.transport.requests] == ["count_tokens"] * 3


def test_without_retry_the_first_failure_is_raised(tmp_path: Path) -> None:
    """The proof that the test above tests the layers: with none, the first error is the caller's."""
    bench = Bench(tmp_path, fault.rate_limited("seconds"), COUNT)
    bench.layers = ()
    with pytest.raises(RateLimited):
        run(bench.count())


def test_a_refusal_is_not_tried_again(tmp_path: Path) -> None:
    """A bad key stays bad."""
    bench = Bench(tmp_path, fault.status(401), COUNT)
    with pytest.raises(AuthenticationFailed):
        run(bench.count())
    assert len(bench.transport.requests) == 1


def test_a_count_keeps_to_its_deadline(tmp_path: Path) -> None:
    """A server that is silent is left at the deadline, and a deadline that is past asks nothing."""
    bench = Bench(tmp_path, Answer(before=[Delay(60.0)], body=COUNT.body))
    with pytest.raises((TimedOut, DeadlineExceeded)):
        run(bench.count(deadline=5.0))
    bench = Bench(tmp_path)
    with pytest.raises(DeadlineExceeded):
        run(bench.count(deadline=-1.0))
    assert bench.transport.requests == []


def test_a_count_of_nothing_is_no_count(tmp_path: Path) -> None:
    """An answer without the number is a ProtocolError after all tries, not a zero."""
    bench = Bench(tmp_path, *[Answer(body=b"{}")] * 3)
    with pytest.raises(ProtocolError):
        run(bench.count())
