"""Spread: fair by load, by speed, by weight; faithful to a session; blind to nobody's failure."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import ConfigurationError, ServerFault
from backstay.event import Finished, TextDelta
from backstay.layers.spread import Group, Spread
from backstay.offline.scripted import Scripted
from backstay.service import Call, Reply, stack
from backstay.sim import SimLoop, sim_world
from backstay.types import Metadata, Request

EQUAL = {"a:x": 1.0, "b:x": 1.0, "c:x": 1.0}


def spread(members: dict[str, float] = EQUAL, **facts: Any) -> Spread:
    is_available = facts.pop("is_available", lambda _: True)
    return Spread({"g": Group(members=members, **facts)}, world=sim_world(), is_available=is_available)


def request(**about: Any) -> Request:
    return Request(model="group:g", id="c", metadata=Metadata(**about))


class Members:
    """The members' services: seconds to the first content by target, or an error."""

    def __init__(self, waits: dict[str, Any]) -> None:
        self.asked: list[str] = []
        self._waits = waits

    async def __call__(self, call: Call, /) -> Reply:
        self.asked.append(call.request.model)
        wait = self._waits[call.request.model]
        if isinstance(wait, Exception):
            raise wait
        return await Scripted([wait, TextDelta("a"), Finished("stop")])(call)


async def ask(service: Any, **about: Any) -> None:
    await (await service(Call(request=request(**about), stream=True))).response()


async def test_the_least_loaded_member_is_chosen() -> None:
    """Thirty calls at once are ten for each; with a weight of two, twice as many."""
    for members, expected in ((EQUAL, [10, 10, 10]), ({"a:x": 2.0, "b:x": 1.0}, [20, 10])):
        place = Members(dict.fromkeys(members, 1.0))
        service = stack(place, spread(members))
        await asyncio.gather(*(ask(service) for _ in range(30)))
        assert sorted(Counter(place.asked).values(), reverse=True) == expected


async def test_the_faster_member_gets_more_and_the_slower_one_is_not_forgotten() -> None:
    """By time to first content; what was slow once is tried again after a while."""
    place = Members({"a:x": 0.2, "b:x": 4.0})
    service = stack(place, spread({"a:x": 1.0, "b:x": 1.0}, strategy="latency"))
    for _ in range(300):
        await ask(service)
    counts = Counter(place.asked)
    assert counts["a:x"] > 10 * counts["b:x"]
    assert counts["b:x"] >= 1
    place.asked.clear()
    await asyncio.sleep(600)
    for _ in range(4):
        await ask(service)
    assert "b:x" in place.asked


async def test_a_member_that_fails_at_once_does_not_draw_everything() -> None:
    """A failure counts as ten seconds, so the black hole gets a few calls, and not nearly all."""
    place = Members({"a:x": ServerFault("down", status=503), "b:x": 1.0})
    service = stack(place, spread({"a:x": 1.0, "b:x": 1.0}, strategy="latency"))

    async def one(number: int) -> None:
        await asyncio.sleep(number * 0.2)
        try:
            await ask(service)
        except ServerFault:
            pass

    await asyncio.gather(*(one(number) for number in range(200)))
    assert Counter(place.asked)["a:x"] < 40


async def test_weights_are_shares() -> None:
    """Three to one, within what chance allows over 2,000 draws."""
    one = spread({"a:x": 3.0, "b:x": 1.0}, strategy="weighted")
    counts = Counter(one.order("group:g", request())[0] for _ in range(2000))
    assert 1400 < counts["a:x"] < 1600


async def test_a_session_stays_with_its_member_and_only_its_member_can_move_it() -> None:
    """When a member leaves, its own sessions move, a third of all, and nobody else's."""
    everyone = spread(sticky="session")
    without = spread({"a:x": 1.0, "b:x": 1.0}, sticky="session")
    moved = 0
    for number in range(600):
        about = request(tags={"session": str(number)})
        first = everyone.order("group:g", about)[0]
        assert everyone.order("group:g", about)[0] == first
        if first == "c:x":
            moved += 1
        else:
            assert without.order("group:g", about)[0] == first
    assert 140 < moved < 260


async def test_a_user_may_be_what_sticks_and_nobody_is_no_key() -> None:
    """Without the fact that would bind it, a call is spread as any other."""
    one = spread(sticky="user")
    assert len({one.order("group:g", request(user="u"))[0] for _ in range(50)}) == 1
    assert len({one.order("group:g", request())[0] for _ in range(50)}) == 3


@given(st.sets(st.sampled_from(sorted(EQUAL))), st.sampled_from(["least_loaded", "latency", "weighted"]), st.booleans())
def test_an_order_holds_every_member_the_open_ones_last(down: set[str], strategy: Any, is_sticky: bool) -> None:
    """Nobody is left out; a member whose circuit is open comes after all others."""
    one = spread(strategy=strategy, sticky="user" if is_sticky else "none", is_available=lambda name: name not in down)
    order = one.order("group:g", request(user="u"))
    assert sorted(order) == sorted(EQUAL)
    assert set(order[len(EQUAL) - len(down) :]) == down


def test_cancelled_at_any_point_nothing_stays_in_flight() -> None:
    """Whether the caller left before, during or after the answer."""

    async def main(steps: int) -> int:
        one = spread()
        service = stack(Members(dict.fromkeys(EQUAL, 0.0)), one)
        task = asyncio.ensure_future(ask(service))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(1)
        return sum(load.in_flight for load in one.loads())

    for steps in range(8):
        with asyncio.Runner(loop_factory=SimLoop) as runner:
            assert runner.run(main(steps)) == 0


async def test_a_member_that_is_asked_by_its_own_name_counts_too() -> None:
    """Load is load, whoever named the target; strangers are none of the layer's business."""
    one = spread()
    place = Members({**dict.fromkeys(EQUAL, 5.0), "d:x": 0.0})
    service = stack(place, one)
    replies = [asyncio.ensure_future(service(Call(request=Request(model="a:x", id="c"), stream=True)))]
    replies.append(asyncio.ensure_future(service(Call(request=Request(model="d:x", id="d"), stream=True))))
    await asyncio.sleep(1)
    assert [(load.member, load.in_flight) for load in one.loads()] == [("a:x", 1), ("b:x", 0), ("c:x", 0)]
    for reply in await asyncio.gather(*replies):
        await reply.aclose()


def test_bad_groups_are_refused() -> None:
    """No members, a group in a group, a weight of nothing, a name that there is not."""
    with pytest.raises(ConfigurationError, match="at least one"):
        Group(members={})
    with pytest.raises(ConfigurationError) as caught:
        Group(members={"group:h": 1.0, "a:x": 0.0})
    assert len(caught.value.faults) == 2
    with pytest.raises(ConfigurationError, match="there are: group:g"):
        spread().order("group:h", request())
