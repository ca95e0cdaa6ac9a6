"""Check: a document leaves only when every code, date, amount, contact and id in it stands in the facts or follows from them.

The sources are the facts as they were read (values and quotes), the dates that the plan counts from them, and quotes of plan
documents; not the letter as a whole, so that a passage which was not read as a fact cannot vouch for anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

import msgspec

from backstay.extract.grounding import STRICT, Item, Report, check
from backstay.kits.denials.coverage import Rule
from backstay.kits.denials.deadline import Timeline
from backstay.kits.denials.fact import Facts

DERIVED: Final = ("recommended_submission_date", "appeal_deadline")


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that a reviewer finds unsupported or contradicted, in the text's own words, and why."""

    statement: str
    verdict: str
    reason: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one document: blocked where something is ungrounded or a reviewer objects."""

    document: str
    checked: int
    ungrounded: tuple[Item, ...] = ()
    objections: tuple[Objection, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """True when the document must not leave."""
        return bool(self.ungrounded or self.objections)


class Sources:
    """What documents of a case may state."""

    def __init__(self, facts: Facts, timeline: Timeline, rules: tuple[Rule, ...] = ()) -> None:
        self._texts = ["\n".join(_stated(facts)), *(rule_text(rule) for rule in rules), *_counted(facts, timeline)]

    @property
    def text(self) -> str:
        """All of it, as a reviewer reads it."""
        return "\n".join(self._texts)

    def judge(self, document: str, text: str) -> Verdict:
        """The Verdict on `text`."""
        report = self.report(text)
        return Verdict(document=document, checked=len(report.items), ungrounded=report.ungrounded)

    def report(self, text: str) -> Report:
        """Every item of `text` with how it stands."""
        return check(text, self._texts, kinds=STRICT)


def rule_text(rule: Rule) -> str:
    """A quote with where it stands, as it is cited."""
    return f"{rule.quote}\n{rule.source}, page {rule.page}, {rule.section or ''}"


def _stated(facts: Facts) -> Iterator[str]:
    """Each value and its quote, with words beside it that say what it is."""
    for path, fact in facts.facts.items():
        if fact.use is not None and not isinstance(fact.use, bool):
            name = "code" if path.endswith(".code") or "_codes[" in path else path.rsplit(".", 1)[-1].replace("_", " ")
            yield f"{name} {fact.value}{' days' if path.endswith('_days') else ''}"
            if fact.quote:
                yield f"{name} {fact.quote}"


def _counted(facts: Facts, timeline: Timeline) -> Iterator[str]:
    """The plan's own dates, each only if the counting comes out again from the facts."""
    deadline, submission = timeline.appeal_deadline, timeline.recommended_submission_date
    if deadline is None or deadline != facts["dates.appeal_deadline"]:
        return
    yield deadline
    if submission is not None and dt.date.fromisoformat(submission) <= dt.date.fromisoformat(deadline):
        yield submission
