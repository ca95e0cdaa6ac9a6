"""Deadlines: each with the date it is counted from, the rule, and who says so; nothing is counted from a guess.

The base is what the letter names: the notice date for "of this letter", and the day of receipt for "after you receive", which the
letter cannot print. There the notice date is the careful base, because it can only be too early (29 CFR 2560.503-1(h)(2)(i)).
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

import msgspec

from backstay.kits.denials.fact import Facts
from backstay.kits.denials.setting import FEW_DAYS

_RECEIPT: Final = re.compile(r"\b(?:receiv\w+|receipt|get (?:this|it)|you (?:got|get))\b", re.I)


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """The appeal deadline and what follows from it. Each date is ISO; `source` says where the deadline comes from."""

    appeal_deadline: str | None
    source: str
    base: str | None = None
    days_remaining: int | None = None
    recommended_submission_date: str | None = None
    expected_response_time: str = "The letter does not say how long a decision takes; ask when you file."
    is_past: bool = False
    is_near: bool = False


def make_timeline(facts: Facts, *, today: dt.date, days_before: int) -> Timeline:
    """The Timeline of a case on the day `today`; submission is recommended `days_before` the deadline, never before today."""
    fact = facts.get("dates.appeal_deadline")
    if fact.use is None:
        return Timeline(appeal_deadline=None, source=fact.reason or "no deadline is printed")
    deadline = _day(fact.value)
    if deadline is None:
        return Timeline(appeal_deadline=None, source=f"the deadline reads {fact.value!r}, which is no date")
    left = (deadline - today).days
    return Timeline(
        appeal_deadline=deadline.isoformat(),
        source=_source(facts),
        base=facts["dates.date_of_denial"] if fact.quote is None else None,
        days_remaining=left,
        recommended_submission_date=_submission(deadline, today, days_before),
        is_past=left < 0,
        is_near=0 <= left <= FEW_DAYS,
    )


def days_left(days: int) -> str:
    """The days until a deadline in words: "35 days left", "1 day ago"."""
    unit = "day" if abs(days) == 1 else "days"
    return f"{days} {unit} left" if days >= 0 else f"{-days} {unit} ago"


def _submission(deadline: dt.date, today: dt.date, days_before: int) -> str | None:
    if deadline < today:
        return None
    return max(deadline - dt.timedelta(days_before), min(today, deadline)).isoformat()


def _source(facts: Facts) -> str:
    fact = facts.get("dates.appeal_deadline")
    if fact.quote is not None:
        return f"printed in the letter: {fact.quote}"
    said = f"{(fact.reason or 'counted from the letter').removeprefix('derived: ')}"
    instructions = str(facts["raw_text_snippets.appeal_instructions"] or "")
    careful = (
        "; the days run from the day you received the letter, so this is the careful date"
        if _RECEIPT.search(instructions)
        else ""
    )
    return f"counted: {said}{careful}"


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None
