"""Failover: who is asked, in what order, with how much time, and what the answer or the error says of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay import errors
from backstay.codecs.embedding import EmbeddingRequest
from backstay.errors import AllTargetsFailed, ConfigurationError, LLMError, StreamInterrupted, TimedOut
from backstay.event import Finished, TextDelta
from backstay.layers.breaker import Breakers
from backstay.layers.breaker_policy import BreakerPolicy
from backstay.layers.failover import Failover
from backstay.layers.failover_rule import Link, rules_of
from backstay.layers.health import Health, HealthPolicy
from backstay.layers.retry import Retry, RetryPolicy
from backstay.layers.timeout import Timeout
from backstay.offline.provider import Offline
from backstay.offline.scripted import Line, Scripted
from backstay.service import Call, Reply, Service, stack
from backstay.sim import SimLoop, run, sim_world
from backstay.transport.base import Timeouts
from backstay.types import Request, Response


def DOWN(_: Request) -> LLMError:  # noqa: N802 - a line of a script: a new error each time, because an error keeps its attempts
    return errors.ServerFault("down", status=503)


CHAIN = ("a:x", "b:y", "offline:rules")
UNTIMED = Timeouts(first_event=None, between_events=None, total=None)


class Place:
    """A dispatch of scripts: each target has its own, and every call that reaches one is kept in order."""

    def __init__(self, scripts: Mapping[str, Any], layers: Callable[[str], tuple[Any, ...]] = lambda _: ()) -> None:
        self.calls: list[Call] = []
        self._services = {name: stack(self._seen(service), *layers(name)) for name, service in scripts.items()}

    def _seen(self, service: Any) -> Service:
        target = Scripted(*service, is_endless=True) if isinstance(service, (list, tuple)) else service

        async def inner(call: Call) -> Reply:
            self.calls.append(call)
            return await target(call)  # type: ignore[no-any-return]

        return inner

    async def __call__(self, call: Call, /) -> Reply:
        found = self._services.get(call.request.model)
        if found is None:
            raise ConfigurationError(f"no provider for {call.request.model}")
        return await found(call)

    @property
    def asked(self) -> list[str]:
        return [call.request.model for call in self.calls]


def chained(place: Place, links: tuple[str, ...] = CHAIN, **facts: Any) -> Service:
    return stack(place, Failover([Link.of(name) for name in links], world=sim_world(), **facts))


def call(model: str = "a:x", *, stream: bool = False, deadline: float | None = None) -> Call:
    return Call(request=Request(model=model, id="c"), stream=stream, deadline=deadline)


def built(a: Line, b: Line = "from b", **facts: Any) -> tuple[Service, Place]:
    place = Place({"a:x": [a], "b:y": [b], "offline:rules": Offline()})
    return chained(place, **facts), place


async def asked(service: Service, **facts: Any) -> Response:
    return await (await service(call(**facts))).response()


async def test_a_first_target_that_answers_is_all_there_is_to_say() -> None:
    """No other is asked, nothing is noted, and the call reaches it unchanged."""
    service, place = built("from a")
    response = await asked(service, deadline=100.0)
    assert (response.text, place.asked) == ("from a", ["a:x"])
    assert not response.provenance.degraded
    assert response.provenance.notes == ()


async def test_the_next_targets_answer_says_whose_it_is_and_why() -> None:
    """The request is aimed at the next target, and the answer tells why the first one is not its author."""
    service, place = built(DOWN)
    response = await asked(service)
    assert (response.text, place.asked) == ("from b", ["a:x", "b:y"])
    about = response.provenance
    assert not about.degraded
    assert about.notes == ("failover: a:x failed: ServerFault: down",)
    assert [(one.number, one.target, one.outcome) for one in about.attempts] == [(1, "a:x", "failed")]
    assert [one.attempt_id for one in place.calls] == ["c.1", "c.2"]


async def test_a_chain_that_ends_offline_always_answers_and_always_says_so() -> None:
    """Degraded, by the rule's name, for nothing."""
    service, place = built(DOWN, DOWN)
    response = await asked(service)
    assert place.asked == list(CHAIN)
    assert response.provenance.degraded
    assert response.provenance.rule == "explain"
    assert response.cost is not None
    assert response.cost.nano_usd == 0
    assert len(response.provenance.notes) == 2


async def test_a_target_may_be_marked_as_degraded() -> None:
    """A small model at the end of a chain is a degraded answer too, if its owner says so."""
    place = Place({"a:x": [DOWN], "b:small": ["well"]})
    links = [Link.of("a:x"), Link.of("b:small", is_degraded=True)]
    response = await asked(stack(place, Failover(links, world=sim_world())))
    assert response.provenance.degraded


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.RateLimited("x", status=429, retry_after=900), ["a:x", "b:y"]),
        (errors.CircuitOpen("x"), ["a:x", "b:y"]),
        (errors.Overloaded("x", status=529), ["a:x", "b:y"]),
        (errors.ConnectFailed("x"), ["a:x", "b:y"]),
        (errors.ContextLengthExceeded("x", status=400), ["a:x", "b:y"]),
        (errors.AuthenticationFailed("x", status=401), ["a:x", "b:y"]),
        (ConnectionResetError("x"), ["a:x", "b:y"]),
        (errors.BadRequest("x", status=400), ["a:x"]),
        (errors.ContentFiltered("x", status=400), ["a:x"]),
        (errors.ReplayMiss("x"), ["a:x"]),
        (ValueError("a bug"), ["a:x"]),
    ],
)
async def test_who_is_asked_after_which_error(error: Exception, expected: list[str]) -> None:
    """The rules, through the layer; what stops is raised as it is."""
    service, place = built(error)
    if len(expected) == 1:
        with pytest.raises(type(error)) as caught:
            await service(call())
        assert caught.value is error
    else:
        assert (await asked(service)).text == "from b"
    assert place.asked == expected


async def test_after_a_content_filter_the_choice_is_the_users() -> None:
    """Stop by default, go on where the rule says so."""
    service, _ = built(errors.ContentFiltered("no", status=400), rules=rules_of({"content_filter": "next"}))
    assert (await asked(service)).text == "from b"


async def test_a_refused_key_is_not_tried_again_under_another_model() -> None:
    """Another model with the same key is passed over, and the answer says why."""
    place = Place({"a:x": [errors.AuthenticationFailed("no", status=401)], "a:z": ["never"], "b:y": ["from b"]})
    response = await asked(chained(place, ("a:x", "a:z", "b:y")))
    assert place.asked == ["a:x", "b:y"]
    assert response.provenance.notes[1].startswith("failover: a:z was not asked: it has the key of a:x")


class Fits:
    """Facts of a test: which targets do not fit, and what each costs."""

    def __init__(self, reasons: Mapping[str, str], prices: Mapping[str, int]) -> None:
        self._reasons = reasons
        self._prices = prices

    def fits(self, model: str, request: Request, /) -> tuple[str, ...]:
        return (self._reasons[model],) if model in self._reasons else ()

    def window(self, model: str, /) -> int | None:
        return None

    def price(self, model: str, request: Request, /) -> int | None:
        return self._prices.get(model)


async def test_a_target_that_does_not_fit_is_not_asked_and_the_reason_is_noted() -> None:
    """No attempt, no attempt number, one sentence; the target that was asked for is left to its own stack."""
    service, place = built(DOWN, facts=Fits({"a:x": "not judged here", "b:y": "it takes no tools"}, {}))
    response = await asked(service)
    assert place.asked == ["a:x", "offline:rules"]
    assert response.provenance.notes[1] == "failover: b:y was not asked: it takes no tools"
    assert place.calls[1].attempt == 2


async def test_near_the_end_of_a_budget_the_cheapest_is_asked_first() -> None:
    """And the answer says that it is not the target that was asked for."""
    service, place = built("from a", facts=Fits({}, {"a:x": 9, "b:y": 1}), is_budget_low=lambda _: True)
    response = await asked(service)
    assert place.asked == ["b:y"]
    assert "so b:y was preferred to a:x" in response.provenance.notes[0]


async def test_one_target_tried_raises_its_own_error_with_a_word_on_the_others() -> None:
    """Not wrapped, because there is nothing to collect."""
    service, _ = built(DOWN, facts=Fits({"b:y": "too dear", "offline:rules": "not wanted"}, {}))
    with pytest.raises(errors.ServerFault) as caught:
        await service(call())
    assert "failover: not asked: b:y: too dear" in caught.value.__notes__


async def test_all_targets_failed_holds_every_error_in_order() -> None:
    """With all attempts, the least wait that was named, and whether waiting may help."""
    place = Place({"a:x": [errors.RateLimited("slow", status=429, retry_after=30)], "b:y": [DOWN]})
    with pytest.raises(
        AllTargetsFailed, match=r"2 targets failed: a:x: RateLimited: slow; b:y: ServerFault: down"
    ) as caught:
        await chained(place, ("a:x", "b:y"))(call())
    error = caught.value
    assert [type(one) for one in error.errors] == [errors.RateLimited, errors.ServerFault]
    assert [one.number for one in error.attempts] == [1, 2]
    assert (error.retry_after, error.retryable, error.call_id) == (30, True, "c")


async def test_a_rule_that_stops_after_a_failure_tells_both() -> None:
    """The chain ends there; the offline answer is not given to a question that is at fault."""
    service, place = built(DOWN, errors.BadRequest("no such parameter", status=400))
    with pytest.raises(AllTargetsFailed) as caught:
        await service(call())
    assert place.asked == ["a:x", "b:y"]
    assert any("by the rule for bad_request" in note for note in caught.value.__notes__)


async def test_nothing_is_asked_after_the_first_content() -> None:
    """The consumer gets what had arrived and the interruption; no text is ever said twice."""
    service, place = built([TextDelta("half"), StreamInterrupted("cut")])
    reply = await service(call(stream=True))
    with pytest.raises(StreamInterrupted) as caught:
        await reply.response()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "half"
    assert place.asked == ["a:x"]


async def test_a_target_that_is_named_is_asked_first_wherever_it_stands() -> None:
    """Then the others in their order; a stranger to the chain as well."""
    service, place = built("from a", DOWN)
    assert (await asked(service, model="b:y")).text == "from a"
    assert place.asked == ["b:y", "a:x"]
    stranger = Place({"s:t": [DOWN], "a:x": ["from a"]})
    assert (await asked(chained(stranger), model="s:t")).text == "from a"


async def test_a_missing_provider_is_no_reason_to_give_up() -> None:
    """A target whose key is not there is a note on the next one's answer."""
    place = Place({"b:y": ["from b"]})
    response = await asked(chained(place))
    assert response.text == "from b"
    assert "ConfigurationError" in response.provenance.notes[0]
    assert response.provenance.attempts == ()


async def hang(call: Call) -> Reply:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("never")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_target_that_hangs_leaves_time_for_the_next(stream: bool) -> None:
    """Half of what is left for the first, nearly all of the rest for the second, and the offline answer before the deadline."""
    place = Place(
        {"a:x": hang, "b:y": hang, "offline:rules": Offline()},
        lambda _: (Timeout(UNTIMED),),
    )
    response = await asked(chained(place), stream=stream, deadline=100.0)
    assert response.provenance.degraded
    assert place.asked == list(CHAIN)
    now = asyncio.get_running_loop().time()
    assert 98.0 < now < 100.0
    first = response.provenance.attempts[0]
    assert 50.0 <= first.duration <= 50.5


@pytest.mark.parametrize("last", [DOWN, "from b"])
async def test_errors_are_gone_with_their_call(last: Line) -> None:
    """No cycle of error, traceback and frame is left for the garbage collector, whether or not the chain answered."""
    made: list[weakref.ref[BaseException]] = []

    def make() -> LLMError:
        error = errors.ServerFault("down", status=503)
        made.append(weakref.ref(error))
        return error

    async def down(call: Call) -> Reply:
        raise make()

    place = Place({"a:x": down, "b:y": down if last is DOWN else [last]})
    service = chained(place, ("a:x", "b:y"))
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(AllTargetsFailed):
            await asked(service)
        assert made
        assert all(one() is None for one in made)
    finally:
        gc.enable()


async def test_without_a_deadline_nobody_is_cut() -> None:
    """A slow first target has all the time in the world."""

    async def slow(call: Call) -> Reply:
        await asyncio.sleep(10_000)
        return await Scripted("at last")(call)

    place = Place({"a:x": slow, "b:y": ["from b"]})
    assert (await asked(chained(place, ("a:x", "b:y")))).text == "at last"


async def test_a_committed_stream_may_use_all_the_time_there_is() -> None:
    """A target's share of the time holds until its first content, and no longer."""
    long = [TextDelta("a"), 90.0, TextDelta("b"), Finished("stop")]
    place = Place({"a:x": [long], "b:y": ["from b"]}, lambda _: (Timeout(UNTIMED),))
    assert (await asked(chained(place, ("a:x", "b:y")), stream=True, deadline=100.0)).text == "ab"


async def test_when_the_deadline_has_passed_nobody_else_is_asked() -> None:
    """The last error comes with the reason."""

    async def stubborn(call: Call) -> Reply:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)
            raise
        raise AssertionError("never")

    place = Place({"a:x": stubborn, "b:y": ["late"]})
    with pytest.raises(TimedOut) as caught:
        await chained(place, ("a:x", "b:y"))(call(deadline=20.0))
    assert any("the deadline passed" in note for note in caught.value.__notes__)
    assert place.asked == ["a:x"]


async def test_attempts_are_numbered_on_over_retries_and_targets() -> None:
    """Three attempts at the first, then the fourth at the second: every id is its own."""
    world = sim_world()
    place = Place(
        {"a:x": [DOWN], "b:y": ["from b"]},
        lambda name: (Retry(RetryPolicy(jitter=0.0), world=world, target=name),),
    )
    response = await asked(chained(place, ("a:x", "b:y")))
    assert [one.number for one in response.provenance.attempts] == [1, 2, 3, 4]
    assert [one.target for one in response.provenance.attempts] == ["a:x"] * 3 + ["b:y"]
    assert [one.attempt_id for one in place.calls] == ["c.1", "c.2", "c.3", "c.4"]


async def test_an_open_circuit_goes_to_the_next_target_at_once() -> None:
    """After five failures the first target is not asked for a minute, and no time is lost on it."""
    breakers = Breakers(BreakerPolicy(), world=sim_world())
    place = Place({"a:x": [DOWN], "b:y": ["from b"]}, lambda name: (breakers.of(name),))
    service = chained(place, ("a:x", "b:y"))
    for _ in range(20):
        assert (await asked(service)).text == "from b"
    assert place.asked.count("a:x") == 5
    assert asyncio.get_running_loop().time() < 0.001


async def test_embeddings_have_one_target() -> None:
    """Vectors of two models do not mix, so a failure is raised."""
    service, place = built(DOWN)
    with pytest.raises(errors.ServerFault):
        await service(Call(request=EmbeddingRequest(model="a:x", id="c")))
    assert place.asked == ["a:x"]


async def test_a_group_is_asked_member_by_member_before_the_next_link() -> None:
    """Each member once, with its own key."""
    place = Place({"a:x": [DOWN], "c:x": ["from c"], "b:y": ["from b"]})
    members = {"group:fast": ("a:x", "c:x")}
    service = chained(place, ("group:fast", "b:y"), members=lambda model, _: members.get(model, (model,)))
    assert (await asked(service, model="group:fast")).text == "from c"
    assert place.asked == ["a:x", "c:x"]


def healthy_chain(place: Place) -> tuple[Service, Health]:
    health = Health(HealthPolicy(), clock=sim_world().clock)
    return chained(place, health=health), health


async def test_the_client_degrades_after_three_calls_and_recovers_by_itself() -> None:
    """While degraded nobody waits for what is down; a probe finds it well again, and two answers end it."""
    state = {"is_up": False}

    async def flaky(call: Call) -> Reply:
        await asyncio.sleep(1)
        if not state["is_up"]:
            raise DOWN(call.request)
        return await Scripted("from a")(call)

    place = Place({"a:x": flaky, "b:y": [DOWN], "offline:rules": Offline()})
    service, health = healthy_chain(place)
    for _ in range(3):
        assert (await asked(service)).provenance.degraded
    assert health.is_degraded
    place.calls.clear()
    response = await asked(service)
    assert place.asked == ["offline:rules"]
    assert all("degraded mode" in note for note in response.provenance.notes)
    state["is_up"] = True
    await asyncio.sleep(30)
    for _ in range(2):
        assert (await asked(service)).text == "from a"
    assert not health.is_degraded
    assert health.is_healthy("a:x")


async def test_a_refused_key_is_not_hidden_by_the_degraded_mode() -> None:
    """Who reads the answer of the rules learns which target failed with what, and nothing of the key."""

    def refused(_: Request) -> LLMError:
        return errors.AuthenticationFailed("the key sk-secret was refused", status=401)

    place = Place({"a:x": [refused], "b:y": [DOWN], "offline:rules": Offline()})
    service, health = healthy_chain(place)
    for _ in range(3):
        await asked(service)
    assert health.is_degraded
    notes = (await asked(service)).provenance.notes
    assert notes[:2] == (
        "failover: a:x was not asked: it is unhealthy (it failed with AuthenticationFailed), and the client is in degraded mode",
        "failover: b:y was not asked: it is unhealthy (it failed with ServerFault), and the client is in degraded mode",
    )
    assert "sk-secret" not in " ".join(notes)


async def test_faulty_questions_and_offline_questions_degrade_nothing() -> None:
    """Ten bad requests, ten calls that were meant for the rules, ten readers who left: all is well."""
    place = Place(
        {"a:x": [errors.BadRequest("no", status=400)], "b:y": [[TextDelta("a"), 1.0]], "offline:rules": Offline()}
    )
    service, health = healthy_chain(place)
    for _ in range(10):
        with pytest.raises(errors.BadRequest):
            await service(call())
        await asked(service, model="offline:rules")
        await (await service(call("b:y", stream=True))).aclose()
    assert health.report().is_degraded is False
    assert all(one.is_healthy for one in health.report().targets)


async def cancelled_at(steps: int) -> tuple[list[str], int]:
    """Whom a call had asked when it was cancelled at its `steps`-th turn, and what was left running."""

    async def failing(call: Call) -> Reply:
        await asyncio.sleep(0)
        raise DOWN(call.request)

    place = Place({"a:x": failing, "b:y": failing, "offline:rules": Offline()})
    task = asyncio.ensure_future(asked(healthy_chain(place)[0], deadline=1e6))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    before = len(place.calls)
    await asyncio.sleep(100)
    assert len(place.calls) == before
    return place.asked, len(asyncio.all_tasks())


def test_cancelled_at_any_point_it_asks_nobody_else() -> None:
    """A cancelled caller is not failed over, and nothing is left running."""
    seen = []
    for steps in range(8):
        with asyncio.Runner(loop_factory=SimLoop) as runner:
            seen.append(runner.run(cancelled_at(steps)))
    assert {left for _, left in seen} == {1}
    assert seen[1][0] == ["a:x"]
    assert seen[-1][0] == list(CHAIN)


ERRORS = {
    "overloaded": lambda _: errors.Overloaded("x", status=529),
    "rate_limited": lambda _: errors.RateLimited("x", status=429),
    "bad_request": lambda _: errors.BadRequest("x", status=400),
    "refused_key": lambda _: errors.AuthenticationFailed("x", status=401),
    "no_connection": lambda _: errors.ConnectFailed("x"),
}
ENDINGS = st.sampled_from(["answer", "stream", "broken", "hang", *ERRORS])


@settings(max_examples=120, deadline=None)
@given(endings=st.lists(ENDINGS, min_size=1, max_size=4), stream=st.booleans(), has_offline=st.booleans())
def test_whatever_the_targets_do_the_promises_hold(endings: list[str], stream: bool, has_offline: bool) -> None:
    """Each target at most once, in order, within the deadline; ids differ; an offline answer says so."""

    async def main() -> None:
        names = [f"p{number}:m" for number in range(len(endings))]
        place = Place(
            {
                **{name: _service_of(ending) for name, ending in zip(names, endings, strict=True)},
                "offline:rules": Offline(),
            },
            lambda _: (Timeout(UNTIMED),),
        )
        links = (*names, "offline:rules") if has_offline else tuple(names)
        outcome: Any
        try:
            outcome = await asked(chained(place, links), model=names[0], stream=stream, deadline=60.0)
        except LLMError as error:
            outcome = error
        assert asyncio.get_running_loop().time() <= 60.001
        assert place.asked == [name for name in links if name in place.asked]
        assert len({one.attempt_id for one in place.calls}) == len(place.calls)
        if isinstance(outcome, Response):
            assert outcome.provenance.degraded == (place.asked[-1] == "offline:rules")

    run(main())


def _service_of(ending: str) -> Any:
    if ending == "hang":
        return hang
    if ending == "stream":
        return [[TextDelta("a"), 1.0, Finished("stop")]]
    if ending == "broken":
        return [[TextDelta("a"), StreamInterrupted("cut")]]
    return [ERRORS.get(ending, ending)]


class FailsOverLate(Failover):
    """Broken: it asks the next target after a stream broke, though the consumer has seen a part of it."""

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        reply = await super().__call__(call, inner)
        try:
            return Reply(response=await reply.response())
        except StreamInterrupted:
            other = Call(request=Request(model="b:y", id="c"), stream=True, attempt=2)
            return await inner(other)


class EjectsAll(Health):
    """Broken: it passes over every unhealthy target."""

    def arrange(self, links: Any) -> Any:
        return [one for one in links if self.is_healthy(one.model)], []


async def test_the_broken_variants_break_their_promise() -> None:
    """What the tests above would see of each."""
    place = Place({"a:x": [[TextDelta("half"), StreamInterrupted("cut")]], "b:y": ["from b"]})
    service = stack(place, FailsOverLate([Link.of("a:x"), Link.of("b:y")], world=sim_world()))
    await (await service(call(stream=True))).response()
    assert place.asked != ["a:x"]
    links = [Link.of("a:x"), Link.of("b:y")]
    health = EjectsAll(HealthPolicy(), clock=sim_world().clock)
    for link in links:
        for _ in range(3):
            health.fail(link.model, errors.ServerFault("down", status=503), 0.1)
    assert health.arrange(links)[0] == []


def test_a_bad_share_is_refused() -> None:
    """Nothing, or more than all, is no share."""
    for share in (0.0, 1.1):
        with pytest.raises(ConfigurationError, match=r"failover\.share"):
            Failover([], world=sim_world(), share=share)
