"""Unit: what is counted. A log seen as events, as steps from one event of a case to the next, or as whole cases.

Each unit is a bag of facts, key to values, so that every claim of this kit has one form: of the units with these facts, so many
have that one. It is mined, counted again and refuted by the same few lines (`claim.py`), whoever made it.

    event  what, who, where, how, event_type, source, outcome, weekday, hour, period, burst, severe, alert, attr.NAME
    step   what, who, next.what, next.who, gap          the last step of a case leads to "(end)"
    case   has, repeats, first, last, who, outcome, pace, period, attr.NAME        an event without a case is in none
"""

from __future__ import annotations

import math
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from backstay.kits.patterns.alert import is_alert, is_severe
from backstay.kits.patterns.event import Event, moment
from backstay.kits.patterns.setting import Mining
from backstay.kits.patterns.statistic import median

UnitKind: TypeAlias = Literal["event", "step", "case"]
KINDS: Final[tuple[UnitKind, ...]] = ("event", "step", "case")
Facts: TypeAlias = Mapping[str, tuple[str, ...]]

END: Final = "(end)"
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
OUTCOMES: Final = ("outcome", "result", "decision", "verdict", "disposition", "status")
"""Columns that tell how an event ended."""
ENDED: Final = re.compile(
    r"\b(granted|denied|dismissed|settled|scheduled|affirmed|reversed|approved|rejected|succeeded|failed|completed|cancell?ed)\b"
    r"|\b(grants?|den(?:y|ies)|dismiss(?:es)?|approves?|rejects?)\b",
    re.IGNORECASE,
)
BASE_FORM: Final = {
    "grant": "granted",
    "den": "denied",
    "dismiss": "dismissed",
    "approve": "approved",
    "reject": "rejected",
}
ROBUST: Final = 1.4826
"""What makes a median absolute deviation comparable to a standard deviation of the normal law."""
GAP_SAMPLE: Final = 20
"""Gaps of one kind of step from which on a long one can be told."""
BURST_LEAST: Final = 5
"""Events within the window that can be a burst at all."""


class Unit(msgspec.Struct, frozen=True):
    """One thing that is counted: its facts, the event that stands for it, when it was, and its case (itself without one): what
    happens within a case is not independent."""

    facts: Facts
    event_id: str
    at: float
    case: str


class Log:
    """Events in the order of time, those of one instant as they were given, and the units that they make."""

    def __init__(self, events: Iterable[Event], mining: Mining | None = None) -> None:
        self._mining = mining or Mining()
        self.events = sorted(events, key=lambda event: event.at)
        self.cases: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            if event.case_id:
                self.cases[f"{event.source_id}\0{event.case_id}"].append(event)
        first, last = (self.events[0].at, self.events[-1].at) if self.events else (0.0, 0.0)
        self.middle = (first + last) / 2
        self.span = last - first
        self._gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._units: dict[str, list[Unit]] = {}

    def units(self, kind: UnitKind) -> list[Unit]:
        """All units of a kind, made once."""
        if kind not in self._units:
            self._units[kind] = {"event": self._event_units, "step": self._step_units, "case": self._case_units}[kind]()
        return self._units[kind]

    def gap(self, what: str, following: str) -> float | None:
        """The median seconds from `what` to a directly `following` event of the same case; None where there is none."""
        self.units("step")
        gaps = self._gaps.get((what, following))
        return median(gaps) if gaps else None

    def _period(self, at: float) -> tuple[str]:
        return ("late" if at >= self.middle else "early",)

    def _event_units(self) -> list[Unit]:
        bursts = self._bursts()
        units = []
        for event in self.events:
            when = moment(event.when)
            assert when is not None
            facts: dict[str, tuple[str, ...]] = {
                "what": (event.what,),
                "event_type": (event.event_type,),
                "source": (event.source_id,),
                "weekday": (DAYS[when.weekday()],),
                "period": self._period(event.at),
                "burst": ("yes" if event.id in bursts else "no",),
                "severe": ("yes" if is_severe(event) else "no",),
                "alert": ("yes" if is_alert(event) else "no",),
            }
            facts |= {name: (value,) for name, value in (("where", event.where), ("how", event.how)) if value}
            facts |= {"hour": (f"{when.hour:02d}",)} if ":" in event.when else {}  # a date alone tells no hour
            facts |= {"who": event.who} if event.who else {}
            facts |= {f"attr.{name}": (value,) for name, value in event.attributes.items() if value}
            if outcome := outcome_of(event):
                facts["outcome"] = (outcome,)
            units.append(Unit(facts, event.id, event.at, event.case_id or event.id))
        return units

    def _step_units(self) -> list[Unit]:
        pairs = [
            (event, after) for case in self.cases.values() for event, after in zip(case, [*case[1:], None], strict=True)
        ]
        for event, after in pairs:
            if after is not None:
                self._gaps[event.what, after.what].append(after.at - event.at)
        bounds = {pair: self._long(gaps) for pair, gaps in self._gaps.items()}
        units = []
        for event, after in pairs:
            facts: dict[str, tuple[str, ...]] = {"what": (event.what,), "who": event.who}
            facts["next.what"] = (END if after is None else after.what,)
            if after is not None:
                facts["next.who"] = after.who
                bound = bounds[event.what, after.what]
                if bound is not None:
                    facts["gap"] = ("long" if after.at - event.at > bound else "usual",)
            units.append(
                Unit({key: one for key, one in facts.items() if one}, (after or event).id, event.at, event.case_id)
            )
        return units

    def _long(self, gaps: list[float]) -> float | None:
        """Seconds above which a gap is long, by the median and the deviation of the logarithms; None with too few."""
        if len(gaps) < GAP_SAMPLE:
            return None
        logs = [math.log1p(max(gap, 0.0)) for gap in gaps]
        middle = median(logs)
        spread = max(ROBUST * median(abs(one - middle) for one in logs), 0.1)
        return math.expm1(min(middle + self._mining.long_gap * spread, 700.0))

    def _case_units(self) -> list[Unit]:
        units = []
        lengths = [case[-1].at - case[0].at for case in self.cases.values()]
        usual = median(lengths) if lengths else 0.0
        for case, length in zip(self.cases.values(), lengths, strict=True):
            names = [event.what for event in case]
            has = dict.fromkeys(names)
            facts: dict[str, tuple[str, ...]] = {
                "has": tuple(has),
                "repeats": tuple(name for name in has if names.count(name) > 1),
                "first": (names[0],),
                "last": (names[-1],),
                "outcome": (next(filter(None, map(outcome_of, reversed(case))), names[-1]),),
                "period": self._period(case[0].at),
                "pace": ("slow" if length > usual else "quick",),
                "who": tuple(dict.fromkeys(name for event in case for name in event.who)),
            }
            for event in case:
                for name, value in event.attributes.items():
                    if value:
                        facts.setdefault(f"attr.{name}", (value,))
            units.append(
                Unit(
                    {key: one for key, one in facts.items() if one or key == "repeats"},
                    case[-1].id,
                    case[0].at,
                    case[0].case_id,
                )
            )
        return units

    def _bursts(self) -> set[str]:
        """The events that came in a burst: many of one kind within the window, against the usual rate of that kind."""
        by_what: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            by_what[event.what].append(event)
        window = self._mining.burst_window
        found: set[str] = set()
        for events in by_what.values():
            usual = len(events) * window / self.span if self.span > window else math.inf
            bound = max(BURST_LEAST, self._mining.burst * usual)
            recent: deque[Event] = deque()
            for event in events:
                recent.append(event)
                while event.at - recent[0].at > window:
                    recent.popleft()
                if len(recent) >= bound:
                    found.update(one.id for one in recent)
        return found


def outcome_of(event: Event) -> str:
    """How the event ended: a column that says so, else a word of its text; empty where nothing does."""
    for name in OUTCOMES:
        if value := event.attributes.get(name):
            return value
    found = None if event.case_id else ENDED.search(event.what)  # a step of a case is not its end
    if found is None:
        return ""
    word = found[0].lower()
    return next((form for stem, form in BASE_FORM.items() if word.startswith(stem)), word)
