"""Replay: the decisions of a recorded run made again from its states alone, and the first one that differs.

A policy is deterministic, so the same policy must decide the same: a difference is a change of its rules or a damaged trace.
Another policy shows where it would have gone another way; from there on it would have seen other states, so what follows is a
hint only.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from backstay.kits.operations.loop import Round
from backstay.kits.operations.policy import Decides
from backstay.kits.operations.state import Action


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """A round whose decision differs: what was recorded, and what was decided again; `field` is the first that differs."""

    number: int
    at: float
    field: str
    recorded: str
    again: str


def replay(rounds: Sequence[Round], policy: Decides) -> list[Divergence]:
    """The rounds in which `policy` decides otherwise than was recorded. It sees every state, in order, so it learns as it did."""
    found = []
    for one in rounds:
        again = policy.decide(one.state)
        different = _difference(one.advice.recommendations, again)
        if different is not None:
            field, recorded, now = different
            found.append(Divergence(number=one.number, at=one.state.at, field=field, recorded=recorded, again=now))
    return found


def _difference(recorded: Sequence[Action], again: Sequence[Action]) -> tuple[str, str, str] | None:
    """The first field in which two lists of actions differ."""
    for place, (old, new) in enumerate(zip(recorded, again, strict=False)):
        for field in ("action_type", "parameters", "confidence", "risk_level", "rationale"):
            before, now = getattr(old, field), getattr(new, field)
            if before != now:
                return f"recommendations[{place}].{field}", f"{before}", f"{now}"
    if len(recorded) != len(again):
        return "recommendations", _names(recorded), _names(again)
    return None


def _names(actions: Sequence[Action]) -> str:
    return ", ".join(one.action_type for one in actions) or "nothing"
