"""Circuit: the state machine against a model, and each of its promises with a variant that breaks it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from backstay.errors import (
    AuthenticationFailed,
    BudgetExceeded,
    ConfigurationError,
    ConnectFailed,
    ContextLengthExceeded,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    QuotaExhausted,
    RateLimited,
    ReadFailed,
    ServerFault,
    StreamInterrupted,
    TimedOut,
)
from backstay.layers.breaker_policy import BreakerPolicy
from backstay.layers.circuit import Circuit, Permit, Result, Window

PLACE = Path(__file__).resolve().parents[2] / "bench" / "reliability" / "circuit_model.py"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("circuit_model_under_test", PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODEL = _load()
POLICY = BreakerPolicy(jitter=0.0)


def circuit(policy: BreakerPolicy = POLICY, kind: type[Circuit] = Circuit) -> Circuit:
    return kind(policy, draw=lambda: 0.5)


def take(one: Circuit, now: float) -> Permit:
    permit = one.try_acquire(now)
    assert permit is not None
    return permit


def fail(one: Circuit, times: int, now: float = 0.0, result: Result = "failure") -> None:
    for _ in range(times):
        one.record(take(one, now), result, now)


def half_opened(policy: BreakerPolicy = POLICY, kind: type[Circuit] = Circuit) -> Circuit:
    """A circuit whose next caller is the first probe, at 60 s."""
    one = circuit(policy, kind)
    fail(one, 5)
    assert one.state == "open"
    return one


def test_five_failures_in_a_row_open_it_for_a_minute() -> None:
    """Four do not, a success in between starts anew, and nothing passes before the minute is over."""
    one = circuit()
    fail(one, 4)
    fail(one, 1, result="success")
    fail(one, 4)
    assert one.state == "closed"
    fail(one, 1)
    assert one.state == "open"
    assert [one.try_acquire(now) for now in (0.0, 30.0, 59.999)] == [None, None, None]
    assert one.retry_after(20.0) == 40.0
    assert one.try_acquire(60.0) is not None
    assert one.state == "half_open"


def test_the_rates_count_from_enough_calls_on() -> None:
    """Nine failures of nineteen calls say nothing yet; ten of twenty open."""
    one = circuit(BreakerPolicy(consecutive_failures=None))
    for number in range(19):
        fail(one, 1, result="failure" if number % 2 else "success")
    assert one.state == "closed"
    fail(one, 1)
    assert one.state == "open"


def test_slow_calls_open_it_as_failures_do() -> None:
    """Sixteen slow calls of twenty; the same with the condition switched off leave it closed."""
    for rate, state in ((0.8, "open"), (None, "closed")):
        one = circuit(BreakerPolicy(slow_rate=rate))
        fail(one, 4, result="success")
        fail(one, 16, result="slow")
        assert one.state == state


def test_a_window_forgets_what_is_old_and_what_is_pushed_out() -> None:
    """Its sums are those of the results that are left in it."""
    window = Window(3, 10.0)
    for now, result in ((0.0, "failure"), (1.0, "slow"), (2.0, "failure"), (3.0, "success")):
        window.add(result, now)  # type: ignore[arg-type]
    assert (len(window), window.failures, window.slow) == (3, 1, 1)
    window.expire(11.5)
    assert (len(window), window.failures, window.slow) == (2, 1, 0)
    window.expire(100.0)
    assert (len(window), window.failures, window.slow) == (0, 0, 0)


def test_each_opening_in_a_row_lasts_longer_up_to_its_cap() -> None:
    """60, 120, 240, 480, 600, 600 seconds; a closing in between starts anew."""
    one, now, waits = half_opened(), 0.0, []
    for _ in range(6):
        wait = one.retry_after(now)
        assert wait is not None
        waits.append(wait)
        now += wait
        one.record(take(one, now), "failure", now)
    assert waits == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0]
    now += 600.0
    fail(one, 3, now, "success")
    assert one.state == "closed"
    fail(one, 5, now)
    assert one.retry_after(now) == 60.0


def test_jitter_only_ever_adds() -> None:
    """A probe never comes before the minute that was promised, and at most a tenth after it."""
    policy = BreakerPolicy()
    waits = [policy.open_for(1, draw / 100) for draw in range(100)]
    assert min(waits) == 60.0
    assert 65.0 < max(waits) <= 66.0


def admitted(one: Circuit, callers: int, now: float = 60.0) -> int:
    return sum(one.try_acquire(now) is not None for _ in range(callers))


def test_half_open_admits_no_more_than_its_probes() -> None:
    """Of 1,000 callers three pass, and three successes close it."""
    one = half_opened()
    permits = [permit for permit in (one.try_acquire(60.0) for _ in range(1000)) if permit]
    assert len(permits) == 3
    for permit in permits:
        assert one.state == "half_open"
        one.record(permit, "success", 61.0)
    assert one.state == "closed"


def test_a_lost_probe_comes_back_after_its_lease() -> None:
    """Probes that nobody ever ends hold their places for 120 s, not for ever; their late word still counts."""
    one = half_opened()
    lost = [take(one, 60.0) for _ in range(3)]
    assert one.retry_after(70.0) == pytest.approx(110.0)
    assert admitted(one, 10, 179.9) == 0
    assert admitted(one, 10, 180.0) == 3
    for permit in lost:
        one.record(permit, "success", 181.0)
    assert one.state == "closed"


def test_lost_probes_do_not_gather() -> None:
    """After a thousand leases without a word the circuit remembers a few of them, and no more."""
    one = half_opened()
    for number in range(1000):
        assert admitted(one, 5, 60.0 + 120.0 * number) == 3
    assert len(one._probes) <= 48


def test_a_result_of_another_generation_changes_nothing() -> None:
    """Calls that began before the circuit opened cannot close it, and their failures cannot open it again."""
    one = circuit()
    early = [take(one, 0.0) for _ in range(20)]
    fail(one, 5)
    take(one, 60.0)
    for permit in early:
        one.record(permit, "success", 60.0)
        assert one.state == "half_open"
    assert one.stale == 20
    for _ in range(2):
        one.record(take(one, 61.0), "success", 61.0)
    assert one.state == "half_open"


def test_a_permit_that_was_given_back_counts_once() -> None:
    """The same probe recorded three times is one success."""
    one = half_opened()
    permit = take(one, 60.0)
    for _ in range(3):
        one.record(permit, "success", 60.0)
    assert one.state == "half_open"
    assert one.stale == 2


def test_a_probe_without_a_result_gives_its_place_back() -> None:
    """A cancelled probe neither closes nor opens, and the next caller may probe at once."""
    one = half_opened()
    for _ in range(100):
        permits = [take(one, 60.0) for _ in range(3)]
        for permit in permits:
            one.release(permit)
        assert one.state == "half_open"


def test_an_operator_opens_and_closes() -> None:
    """Forced open it stays so for any length of time; closing it holds nothing against the target."""
    one = circuit()
    one.force_open()
    assert one.try_acquire(10**9) is None
    assert one.retry_after(10**9) is None
    one.force_close()
    fail(one, 4)
    assert one.state == "closed"
    fail(one, 1)
    assert one.state == "open"
    one.force_close()
    assert one.retry_after(0.0) == 0.0


def test_every_change_is_told_once_with_its_reason() -> None:
    """The way round: closed, open, half open, closed."""
    told: list[tuple[str, str, str]] = []
    one = Circuit(POLICY, draw=lambda: 0.0, tell=lambda *change: told.append(change))
    fail(one, 5)
    fail(one, 3, 60.0, "success")
    assert told == [
        ("closed", "open", "5 failures in a row"),
        ("open", "half_open", "its time is over"),
        ("half_open", "closed", "3 probe(s) succeeded"),
    ]


class NoGeneration(Circuit):
    """Broken: it takes every result for one of its own time."""

    def record(self, permit: Permit, result: Result, now: float) -> None:
        super().record(Permit(self.generation, permit.probe or next(iter(self._probes), 0)), result, now)


class NoBound(Circuit):
    """Broken: half open lets everybody through."""

    def in_flight(self, now: float) -> int:
        return 0


class NoLease(Circuit):
    """Broken: a probe holds its place until it says something."""

    def in_flight(self, now: float) -> int:
        return len(self._probes)


class CancelCounts(Circuit):
    """Broken: a cancelled call is a failed one."""

    def release(self, permit: Permit) -> None:
        self.record(permit, "failure", 60.0)


def test_the_broken_variants_break_their_promise() -> None:
    """What the tests above would see of each."""
    one = half_opened(kind=NoGeneration)
    probe = take(one, 60.0)
    for _ in range(3):
        one.record(Permit(1), "success", 60.0)
        one.try_acquire(60.0)
    assert probe
    assert one.state == "closed"
    assert admitted(half_opened(kind=NoBound), 1000) == 1000
    one = half_opened(kind=NoLease)
    assert admitted(one, 5) == 3
    assert admitted(one, 5, 10**6) == 0
    one = half_opened(kind=CancelCounts)
    one.release(take(one, 60.0))
    assert one.state == "open"


@pytest.mark.parametrize("seed", range(10))
def test_a_random_walk_agrees_with_the_model(seed: int) -> None:
    """Two thousand steps under each of five policies; `bench.reliability` R8 walks a million."""
    assert MODEL.walk(seed, 2000) == ""


@pytest.mark.parametrize("kind", [NoGeneration, NoBound, NoLease, CancelCounts])
def test_the_walk_catches_every_broken_variant(kind: type[Circuit]) -> None:
    """Each of them parts from the model on its way."""
    assert any(MODEL.walk(seed, 2000, kind=kind) for seed in range(10))


class Machine(RuleBasedStateMachine):
    """Hypothesis drives the circuit and its model through the same steps, and shrinks a disagreement to a few."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = MODEL.Pair(BreakerPolicy(consecutive_failures=2, min_calls=4, window_calls=6, probes=2))

    @rule(seconds=st.sampled_from([0.1, 1.0, 30.0, 60.0, 66.0, 120.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.pair.now += seconds

    @rule()
    def begin(self) -> None:
        self.pair.acquire()

    @precondition(lambda self: self.pair.permits)
    @rule(data=st.data(), result=st.sampled_from(["success", "slow", "failure", None]))
    def end(self, data: st.DataObject, result: Result | None) -> None:
        name = data.draw(st.sampled_from(sorted(self.pair.permits)))
        if result is None:
            self.pair.release(name)
        else:
            self.pair.record(name, result)

    @rule(state=st.sampled_from(["open", "closed"]))
    def force(self, state: str) -> None:
        self.pair.force(state)

    @invariant()
    def agree(self) -> None:
        assert self.pair.differs() == ""


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize(
    ("error", "is_counted"),
    [
        (ServerFault("x", status=500), True),
        (Overloaded("x", status=529), True),
        (ConnectFailed("x"), True),
        (ReadFailed("x"), True),
        (TimedOut("x", phase="first_event", sent=True), True),
        (TimedOut("x", phase="connect", sent=False), True),
        (ProtocolError("x"), True),
        (StreamInterrupted("x"), True),
        (ConnectionResetError("x"), True),
        (RateLimited("x", status=429), False),
        (QuotaExhausted("x", status=429), False),
        (AuthenticationFailed("x", status=401), False),
        (PermissionDenied("x", status=403), False),
        (ContextLengthExceeded("x", status=400), False),
        (BudgetExceeded("x"), False),
        (ConfigurationError("x"), False),
        (ValueError("a bug"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_the_table_of_errors(error: BaseException, is_counted: bool) -> None:
    """What speaks against a target, and what does not."""
    assert POLICY.counts(error, 1.0) is is_counted


def test_a_callers_own_haste_is_not_held_against_a_target() -> None:
    """A deadline that cut the attempt after a second says nothing; one that had waited half a minute does."""
    late = TimedOut("x", phase="total", sent=True)
    cut = StreamInterrupted("x")
    cut.__cause__ = late
    for error in (late, cut):
        assert not POLICY.counts(error, 1.0)
        assert POLICY.counts(error, 30.0)


def test_bad_settings_are_refused_all_at_once() -> None:
    """One error names every bad setting and its rule."""
    with pytest.raises(ConfigurationError) as caught:
        BreakerPolicy(consecutive_failures=0, failure_rate=2, min_calls=200, open_factor=0.5, probes=0, jitter=-1)
    assert len(caught.value.faults) == 6
    assert "breaker.probes = 0: must be 1 or more" in str(caught.value)
