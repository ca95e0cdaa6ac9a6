"""The route: read off the reason and the codes; declined where reasons ask for different ways; nothing where none helps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backstay.kits.denials.fact import Fact, Facts
from backstay.kits.denials.route import APPEAL, AUTHORIZATION, CODES, CORRECTION, OUTSIDE_CODES, choose_route

from .conftest import Work, text_of

ROUTES = json.loads((Path(__file__).parent / "routes.json").read_text(encoding="utf-8"))


def facts(reason: str | None = None, *codes: str, **more: object) -> Facts:
    """Facts with a reason, adjustment codes and whatever else."""
    found = {"denial_reason": Fact(value=reason, confidence=0.9)}
    for number, code in enumerate(codes):
        found[f"denial_codes[{number}].code"] = Fact(value=code, confidence=0.9)
        found[f"denial_codes[{number}].code_type"] = Fact(value="CARC", confidence=0.9)
    found |= {name.replace("__", "."): Fact(value=value, confidence=0.9) for name, value in more.items()}
    return Facts(case_id="case-1", facts=found)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if rank % 4 else []) for rank, name in enumerate(sorted(ROUTES))],
)
async def test_letters_are_routed(name: str, work: Work) -> None:
    """Each letter goes its way, or none."""
    pack = await work(text_of(name))
    assert pack.route.route == ROUTES[name], pack.route.reasoning
    assert (pack.route.declined is None) == (ROUTES[name] is not None)


def test_codes_alone_decide() -> None:
    """Without words, the adjustment reason speaks."""
    assert choose_route(facts(None, "CO-197")).route == AUTHORIZATION
    assert choose_route(facts(None, "CO-16")).route == CORRECTION
    assert choose_route(facts(None, "PR-50")).route == APPEAL
    assert choose_route(facts(None, "OA-22")).is_out_of_scope


def test_no_code_stands_for_two_ways() -> None:
    """The table is a function: a code that stood twice would vote against itself."""
    sets = [*CODES.values(), OUTSIDE_CODES]
    assert len(frozenset().union(*sets)) == sum(map(len, sets))


def test_two_stated_reasons_are_not_weighed() -> None:
    """Authorization and necessity together: no route, both as alternatives, and a reason why."""
    route = choose_route(facts("prior authorization was not obtained and the service is not medically necessary"))
    assert route.route is None
    assert not route.is_out_of_scope
    assert set(route.alternative_routes) == {AUTHORIZATION, APPEAL}
    assert "different ways" in str(route.declined)


def test_an_authorization_on_file_speaks_against_asking_for_one() -> None:
    """A negative signal is shown as one."""
    route = choose_route(facts("an exact duplicate claim", "CO-197", prior_authorization__was_obtained=True))
    assert route.route == CORRECTION
    assert [one.weight for one in route.signals if one.source == "prior_authorization.was_obtained"] == [-0.5]


def test_nothing_to_go_by_is_said() -> None:
    """A reason of no known kind: the appeal keeps rights open, and the confidence is low."""
    route = choose_route(facts("our committee took a vote"))
    assert (route.route, route.confidence) == (APPEAL, 0.3)
    assert route.requires_verified_mode


def test_what_denies_nothing_is_out_of_scope() -> None:
    """No reason, no statement, no code."""
    route = choose_route(facts(None))
    assert route.is_out_of_scope


def test_urgency_is_read() -> None:
    """Words of an expedited review before the care; not after it."""
    assert choose_route(facts("not medically necessary"), "You may ask for an expedited appeal.").urgency == "expedited"
    after = facts("not medically necessary", service__is_pre_service=False)
    assert choose_route(after, "You may ask for an expedited appeal.").urgency == "standard"
