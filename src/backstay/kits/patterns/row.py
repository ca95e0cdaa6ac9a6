"""Row: which shares are looked at for each of the seven types of pattern, as a table.

    usual  the most common answer: in at least half of the chances, and above `base`
    more   more often than among all units: at least `least_lift` times
    rare   hardly ever: at most `mining.rare` of the chances
    odd    flagged, and hardly ever: a gap that is far too long
    flag   every unit that is flagged: a burst, an alert

`attr.*` stands for every column with two to fifty values. The words are what a person reads; `{g}` and `{h}` are the first and
second given value, `{k}` the name of the first given fact, `{t}` the claimed value, `{n}` its count, "3 of 47".
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from backstay.kits.patterns.setting import PatternType
from backstay.kits.patterns.unit import UnitKind

Mode: TypeAlias = Literal["usual", "more", "rare", "odd", "flag"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of share."""

    type: PatternType
    unit: UnitKind
    given: tuple[str, ...]
    then: str
    words: str
    mode: Mode = "more"
    least_lift: float = 1.5
    value: str | None = None
    """The only value of `then` that is looked at."""
    least_values: int = 1
    """Different values of `then` that there must be: where there is one outcome only, it tells nothing."""


ROWS: Final = (
    Row(type="procedural", unit="step", given=("what",), then="next.what", mode="usual",
        words="{g} is directly followed by {t} ({n})"),
    Row(type="procedural", unit="case", given=(), then="first", mode="usual", words="cases begin with {t} ({n})"),
    Row(type="procedural", unit="case", given=(), then="last", mode="usual", words="cases end with {t} ({n})"),
    Row(type="preference", unit="event", given=("who",), then="what", words="{g} mostly does {t}: {n} of what they do"),
    Row(type="preference", unit="event", given=("who",), then="attr.*", words="{g} works with {c} {t} more than others ({n})"),
    Row(type="preference", unit="event", given=("who", "what"), then="outcome", least_lift=1.2,
        words="{g}, for {h}: {t} ({n})"),
    Row(type="outcome", unit="case", given=("has",), then="outcome", least_lift=1.2,
        words="cases with {g} end with {t} more often ({n})"),
    Row(type="outcome", unit="case", given=("attr.*",), then="outcome", least_lift=1.2,
        words="cases whose {k} is {g} end with {t} more often ({n})"),
    Row(type="outcome", unit="event", given=(), then="outcome", mode="usual", least_values=2,
        words="the usual outcome is {t} ({n})"),
    Row(type="outcome", unit="case", given=(), then="outcome", mode="usual", least_values=2,
        words="the usual end of a case is {t} ({n})"),
    Row(type="outcome", unit="case", given=("who",), then="outcome", least_lift=1.2,
        words="cases in which {g} takes part end with {t} more often ({n})"),
    Row(type="outcome", unit="case", given=("has",), then="pace", least_lift=1.2, words="cases with {g} are {t} ({n})"),
    Row(type="outcome", unit="case", given=("who",), then="pace", least_lift=1.2,
        words="cases in which {g} takes part are {t} ({n})"),
    Row(type="outcome", unit="event", given=("attr.*",), then="outcome", least_lift=1.2,
        words="where {k} is {g}, the outcome is {t} ({n})"),
    Row(type="outcome", unit="event", given=("who",), then="outcome", least_lift=1.2, words="with {g} the outcome is {t} ({n})"),
    Row(type="behavioral", unit="step", given=("who",), then="next.who", words="after {g} comes {t} ({n})"),
    Row(type="behavioral", unit="case", given=(), then="repeats", mode="usual", words="cases repeat {t} ({n})"),
    Row(type="behavioral", unit="case", given=("who",), then="repeats", least_lift=1.5,
        words="where {g} takes part, {t} is repeated ({n})"),
    Row(type="temporal", unit="event", given=("what",), then="hour", words="{g} happens in the hour from {t}:00 ({n})"),
    Row(type="temporal", unit="event", given=(), then="weekday", least_lift=1.2, words="more happens on a {t} ({n})"),
    Row(type="temporal", unit="event", given=(), then="hour", words="more happens in the hour from {t}:00 ({n})"),
    Row(type="temporal", unit="event", given=("what",), then="weekday", words="{g} happens on a {t} ({n})"),
    Row(type="temporal", unit="event", given=("what",), then="period", least_lift=1.2,
        words="{g} is more common in the {t} half of the time ({n})"),
    Row(type="temporal", unit="case", given=(), then="period", least_lift=1.2,
        words="more cases begin in the {t} half of the time ({n})"),
    Row(type="contextual", unit="case", given=("attr.*",), then="has", least_lift=1.2,
        words="cases whose {k} is {g} have {t} more often ({n})"),
    Row(type="contextual", unit="case", given=("attr.*",), then="attr.*",
        words="cases whose {k} is {g} have the {c} {t} more often ({n})"),
    Row(type="contextual", unit="event", given=("where",), then="what", words="at {g}, {t} is more common ({n})"),
    Row(type="contextual", unit="event", given=("attr.*",), then="what", words="where {k} is {g}, {t} is more common ({n})"),
    Row(type="anomaly", unit="step", given=("what",), then="next.what", mode="rare",
        words="{g} is hardly ever followed by {t} ({n})"),
    Row(type="anomaly", unit="step", given=("what", "next.what"), then="gap", mode="odd", value="long",
        words="from {g} to {h} it took far longer than usual ({n})"),
    Row(type="anomaly", unit="event", given=("what",), then="burst", mode="flag", value="yes",
        words="{g} came in bursts ({n})"),
    Row(type="anomaly", unit="event", given=("what",), then="alert", mode="flag", value="yes",
        words="{g} is reported as a failure ({n})"),
)  # fmt: skip
"""The application's seven types, each with the shares that show it."""

CAPACITY: Final = {"weekday": 7, "hour": 24, "period": 2, "pace": 2}
"""How many values a fact can have; of others as many as were seen."""

LEAST_SPAN: Final = {"weekday": 14 * 86_400, "hour": 2 * 86_400, "period": 60}
"""Seconds that a log must cover before its days and hours tell anything."""
