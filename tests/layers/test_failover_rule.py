"""Failover rules: errors as conditions, what each narrows, how time is shared: tables and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay import errors
from backstay.catalog import Catalog, Model, Period, Rate, Rates
from backstay.errors import ConfigurationError
from backstay.layers.failover_fact import CatalogFacts
from backstay.layers.failover_rule import (
    CONDITIONS,
    DEFAULT_RULES,
    Link,
    cheapest_first,
    condition_of,
    limit_of,
    objection,
    rules_of,
)
from backstay.types import Image, Message, Request, ResponseFormat, Text, Tool, user


def model(name: str, price: int | None = None, **facts: object) -> Model:
    periods = () if price is None else (Period(rates=Rates(input=Rate(price), output=Rate(price))),)
    return Model(provider="acme", id=name, max_output_tokens=10_000, periods=periods, **facts)  # type: ignore[arg-type]


CATALOG = Catalog(
    [
        model("small", 1_000_000_000, context_window=8_000, has_tools=True, has_vision=True, has_json_schema=True),
        model("large", 4_000_000_000, context_window=1_000_000, has_tools=False, has_json_mode=False),
        model("blind", None, context_window=8_000, has_vision=False, has_json_schema=False),
        model("free", 0),
    ]
)
FACTS = CatalogFacts(CATALOG)
SMALL, LARGE, BLIND, FREE = (Link.of(f"acme:{name}") for name in ("small", "large", "blind", "free"))
OFFLINE = Link.of("offline:rules")
ASK = Request(messages=(user("hello"),))


@pytest.mark.parametrize(
    ("error", "condition", "action"),
    [
        (errors.ContextLengthExceeded("x", status=400), "context_length", "larger"),
        (errors.ContentFiltered("x", status=400), "content_filter", "stop"),
        (errors.BadRequest("x", status=400), "bad_request", "stop"),
        (errors.AuthenticationFailed("x", status=401), "authentication", "other_key"),
        (errors.PermissionDenied("x", status=403), "permission", "other_key"),
        (errors.NotFound("x", status=404), "not_found", "next"),
        (errors.RateLimited("x", status=429), "rate_limit", "next"),
        (errors.QuotaExhausted("x", status=429), "quota", "next"),
        (errors.Overloaded("x", status=529), "overloaded", "next"),
        (errors.ServerFault("x", status=500), "server_fault", "next"),
        (errors.ConnectFailed("x"), "connect", "next"),
        (errors.ReadFailed("x"), "read", "next"),
        (errors.TimedOut("x", phase="total", sent=True), "timeout", "next"),
        (errors.DeadlineExceeded("x"), "timeout", "next"),
        (errors.ProtocolError("x"), "protocol", "next"),
        (errors.CircuitOpen("x"), "circuit_open", "next"),
        (errors.LimitReached("x", limit="rpm"), "limit", "next"),
        (errors.BudgetExceeded("x"), "budget", "cheaper"),
        (errors.QueueFull("x"), "queue_full", "stop"),
        (errors.InvalidRequest("x"), "unfit", "next"),
        (ConfigurationError("x"), "configuration", "next"),
    ],
)
def test_the_table_of_rules(error: errors.LLMError, condition: str, action: str) -> None:
    """Each kind of error has its condition, and each condition its rule."""
    assert condition_of(error) == condition
    assert DEFAULT_RULES[condition] == action  # type: ignore[index]


def test_every_condition_has_a_rule_and_what_is_no_condition_has_none() -> None:
    """No error of a target's falls through; bugs, recoveries and cancellations are none of them."""
    assert {condition for _, condition in CONDITIONS} == set(DEFAULT_RULES)
    for error in (ValueError("a bug"), errors.RecoveryFailed("x"), errors.ReplayMiss("x"), KeyboardInterrupt()):
        assert condition_of(error) is None


def test_rules_may_be_changed_and_bad_changes_are_refused_together() -> None:
    """A change leaves the others as they are."""
    assert rules_of({"content_filter": "next"}) == {**DEFAULT_RULES, "content_filter": "next"}
    with pytest.raises(ConfigurationError) as caught:
        rules_of({"weather": "next", "connect": "panic"})
    assert len(caught.value.faults) == 2


def test_a_larger_window_is_one_that_is_larger_as_far_as_is_known() -> None:
    """An equal one is passed over; an unknown one has its chance."""
    assert objection("larger", SMALL, LARGE, ASK, FACTS) == ""
    assert "8,000 tokens is no larger" in objection("larger", SMALL, BLIND, ASK, FACTS)
    assert objection("larger", SMALL, OFFLINE, ASK, FACTS) == ""
    assert objection("larger", OFFLINE, SMALL, ASK, FACTS) == ""


def test_cheaper_is_what_is_known_to_be_cheaper() -> None:
    """An unknown price is no saving; what costs nothing always is one."""
    assert objection("cheaper", LARGE, SMALL, ASK, FACTS) == ""
    assert "no cheaper" in objection("cheaper", SMALL, LARGE, ASK, FACTS)
    assert "not known" in objection("cheaper", SMALL, BLIND, ASK, FACTS)
    unlimited = Request(messages=(user("hello"),), max_output_tokens=None)
    for request in (ASK, unlimited):
        assert objection("cheaper", FREE, FREE, request, FACTS) == ""
        assert objection("cheaper", SMALL, OFFLINE, request, CatalogFacts(Catalog.load())) == ""
    order = cheapest_first([OFFLINE, LARGE, BLIND, SMALL, FREE], ASK, FACTS)
    assert order == [FREE, SMALL, LARGE, BLIND, OFFLINE]


def test_a_refused_key_is_not_tried_under_another_model() -> None:
    """Two models of one provider share a key; another provider has its own."""
    assert "which was refused" in objection("other_key", SMALL, LARGE, ASK, FACTS)
    assert objection("other_key", SMALL, OFFLINE, ASK, FACTS) == ""


@pytest.mark.parametrize(
    ("target", "request_", "reason"),
    [
        ("acme:large", Request(messages=(user("x"),), tools=(Tool(name="f"),)), "tools"),
        ("acme:blind", Request(messages=(user(Image(url="https://x/y.png")),)), "image"),
        (
            "acme:small",
            Request(messages=(Message(role="user", parts=(Text(text="word " * 40_000),)),)),
            "context window",
        ),
        ("acme:blind", Request(messages=(user("x"),), response_format=ResponseFormat(schema={})), "JSON Schema"),
        ("acme:large", Request(messages=(user("x"),), response_format=ResponseFormat()), "JSON mode"),
    ],
)
def test_everything_is_checked_again_for_each_target(target: str, request_: Request, reason: str) -> None:
    """Window, tools, pictures and answer format, from the catalogue's row of that very target."""
    assert reason in "; ".join(FACTS.fits(target, request_))
    assert FACTS.fits("acme:never-heard-of", request_) == ()


def test_money_is_checked_again_for_each_target() -> None:
    """A chain from a free model to a paid one goes as far as the budget, and not to an unknown price."""
    facts = CatalogFacts(CATALOG, left=lambda _: 5_000_000)
    assert facts.fits("acme:free", ASK) == ()
    assert facts.fits("acme:small", ASK) == ()
    assert "0.005000 are left" in facts.fits("acme:large", ASK)[0]
    assert "not known" in facts.fits("acme:blind", ASK)[0]
    assert CatalogFacts(CATALOG, left=lambda _: None).fits("acme:blind", ASK) == ()


@given(
    now=st.floats(0, 1e6), left=st.floats(0, 1e4), share=st.floats(0.01, 1), later=st.integers(0, 3), last=st.booleans()
)
def test_a_share_of_the_time_leaves_some_for_whoever_waits(
    now: float, left: float, share: float, later: int, last: bool
) -> None:
    """Never beyond the deadline; before it, where somebody waits and time is left; all of it for the last one."""
    waiting = [SMALL] * later + [OFFLINE] * last
    limit = limit_of(now, now + left, waiting, share)
    assert limit is not None
    assert limit <= now + left
    if not waiting:
        assert limit == now + left
    elif left > 1e-3:
        assert now < limit < now + left
    assert limit_of(now, None, waiting, share) is None
