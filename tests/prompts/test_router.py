"""The router finds the model of which a success costs the least, says why, and learns from what a ledger can know."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import ConfigurationError
from backstay.ledger.row import Reservation, Row, Settlement, reserved_row, settled_row
from backstay.prompts.router import MEMORY, Policy, Router

MODELS = ["a:large", "b:small", "c:bad"]
TRUTH = {"a:large": (0.98, 20_000_000), "b:small": (0.9, 1_000_000), "c:bad": (0.02, 500_000)}
"""Chance of success and cost; with a loss of 0.01 dollars a failure, b:small costs the least for a success."""


def router(strategy: str, seed: int = 1, **policy: float) -> Router:
    return Router(Policy(strategy=strategy, **policy), rng=random.Random(seed))  # type: ignore[arg-type]


def play(one: Router, rounds: int, seed: int = 2) -> list[str]:
    """Let the router choose, and tell it how it went, `rounds` times."""
    world, chosen = random.Random(seed), []
    for _ in range(rounds):
        model = one.choose("read", MODELS).model
        chance, cost = TRUTH[model]
        one.observe("read", model, world.random() < chance, cost_nano_usd=cost)
        chosen.append(model)
    return chosen


def row(model: str, outcome: str = "complete", cost: int | None = 1_000, **facts: object) -> Row:
    begun = Reservation(attempt_id="a", call_id="c", number=1, started_ns=1, provider="p", model=model, task="read")
    end = Settlement(attempt_id="a", settled_ns=2, outcome=outcome, cost_nano_usd=cost)  # type: ignore[arg-type]
    return msgspec.structs.replace(settled_row(reserved_row(begun, "me"), end), **facts)


def test_off_it_takes_the_first_and_draws_nothing() -> None:
    """The default: whatever was learned, nothing is routed."""
    one = Router()
    one.observe("read", "b:small", True)
    choice = one.choose("read", MODELS)
    assert (choice.model, choice.is_exploring, choice.standings) == ("a:large", False, ())
    assert "off" in choice.why


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("strategy", ["thompson", "epsilon"])
def test_it_comes_to_the_model_whose_success_costs_the_least(strategy: str, seed: int) -> None:
    """After a few hundred attempts nearly all go there, though the cheapest is another one, and the surest is another one."""
    chosen = play(router(strategy, seed), 600, seed=seed + 100)
    assert chosen[300:].count("b:small") > 300 * 0.8


def test_without_exploring_a_bad_start_is_for_ever() -> None:
    """The broken variant of the same test: a greedy choice never tries again what failed twice."""
    one = router("epsilon", epsilon=0.0)
    for _ in range(6):
        one.observe("read", "b:small", False, cost_nano_usd=1_000_000)
        one.observe("read", "a:large", True, cost_nano_usd=1_000_000)
    assert set(play(one, 200)) == {"a:large"}


def test_a_loss_that_is_dear_buys_the_surer_model() -> None:
    """What a failure costs beside its price decides."""
    for failure_usd, best in ((0.01, "b:small"), (5.0, "a:large")):
        one = router("epsilon", epsilon=0.0, failure_usd=failure_usd)
        for number in range(100):
            for model, (chance, cost) in TRUTH.items():
                one.observe("read", model, number < chance * 100, cost_nano_usd=cost)
        assert one.choose("read", MODELS).model == best


def test_it_says_why() -> None:
    """The figures of the choice, and what it was compared with."""
    one = router("epsilon", epsilon=0.0)
    for _ in range(10):
        one.observe("read", "b:small", True, cost_nano_usd=2_000_000)
    choice = one.choose("read", ["b:small", "a:large"])
    assert choice.why == (
        "at 'read', b:small should succeed in 91.7% of its attempts (10 seen), 0.002000 USD an attempt: "
        "0.003091 USD a success; the least of 2"
    )
    assert [standing.model for standing in choice.standings] == ["b:small", "a:large"]
    assert not choice.standings[1].is_price_known
    tried = router("epsilon", epsilon=1.0, seed=3)
    tried.observe("read", "b:small", True)
    seen = {tried.choose("read", MODELS).is_exploring for _ in range(20)}
    assert seen == {True, False}


def test_tasks_are_learned_apart() -> None:
    """What is bad at one thing may be good at another."""
    one = router("epsilon", epsilon=0.0)
    for _ in range(5):
        one.observe("read", "a:large", False)
        one.observe("write", "b:small", False)
    assert one.choose("read", MODELS[:2]).model == "b:small"
    assert one.choose("write", MODELS[:2]).model == "a:large"


def test_a_ledger_tells_only_what_a_model_did() -> None:
    """Attempts that were not sent, were left, came from a cache or by rules, or whose end is unknown, are left out."""
    one = Router()
    rows = [
        row("m"),
        row("m", "failed"),
        row("m", cost=None),
        row("m", "dropped"),
        row("m", state="voided"),
        row("m", state="unknown", outcome=None),
        row("m", state="reserved", outcome=None),
        row("m", is_cached=True),
        row("m", is_replayed=True),
        row("m", is_degraded=True),
    ]
    assert one.learn(rows) == 3
    record = one.record("read", "p:m")
    assert (record.successes, record.failures, record.priced) == (2, 1, 2)
    assert record.usd == pytest.approx(2e-6)


def test_old_attempts_fade() -> None:
    """A model that got better is seen to be better within as many attempts as are remembered."""
    one = Router()
    for is_success in [False] * 5_000 + [True] * 2_000:
        one.observe("read", "m", is_success)
    record = one.record("read", "m")
    assert record.successes + record.failures <= MEMORY + 1
    assert record.successes / (record.successes + record.failures) > 0.7


@given(
    st.lists(st.tuples(st.sampled_from(MODELS), st.booleans(), st.none() | st.integers(0, 10**12)), max_size=30),
    st.integers(),
)
def test_any_history_gives_a_choice_among_those_named(history: list[tuple[str, bool, int | None]], seed: int) -> None:
    """With finite figures, the same for the same draws."""

    def choose() -> object:
        one = router("thompson", seed)
        for model, is_success, cost in history:
            one.observe(None, model, is_success, cost_nano_usd=cost)
        return one.choose(None, MODELS)

    choice = choose()
    assert choice == choose()
    assert choice.model in MODELS  # type: ignore[attr-defined]
    figures = [standing.expected_usd for standing in choice.standings]  # type: ignore[attr-defined]
    assert figures == sorted(figures)
    assert all(0 <= one < float("inf") for one in figures)


def test_wrong_policies_and_choices_are_errors() -> None:
    """All faults of a policy at once."""
    with pytest.raises(ConfigurationError) as caught:
        Policy(strategy="greedy", epsilon=2, failure_usd=-1)  # type: ignore[arg-type]
    assert len(caught.value.faults) == 3
    for models in ([], ["a:b", "a:b"]):
        with pytest.raises(ValueError, match="each once"):
            Router().choose("x", models)
