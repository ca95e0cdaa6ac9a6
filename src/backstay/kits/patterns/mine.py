"""Mine: patterns of all seven types by counting, one procedure for every row of the table (`row.py`).

For each row every share is counted over all units; the one-sided exact binomial test asks whether chance at the base rate
would do as much, and the false discovery rate over the whole row bounds how many of those that stay are chance. What stays
says how sure it is: `1 - q`, times n/(n+2) for the `n` units that show it, so that five events are 0.71 at the best, and
thirty-eight 0.95.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from backstay.kits.patterns.claim import FEW, Claim, Counted
from backstay.kits.patterns.event import Event
from backstay.kits.patterns.pattern import ExtractedPattern, strength_of
from backstay.kits.patterns.row import CAPACITY, LEAST_SPAN, ROWS, Row
from backstay.kits.patterns.setting import TYPES, Mining, PatternType
from backstay.kits.patterns.statistic import adjust, at_least, at_most
from backstay.kits.patterns.tally import Tally, Witnesses
from backstay.kits.patterns.unit import OUTCOMES, Log, Unit

MOST_VALUES: Final = 50
"""A column with more values than this names things and does not sort them."""
USUAL: Final = 0.5
SUREST: Final = 0.99
"""No count of events says that it will always be so."""


class Found(msgspec.Struct, frozen=True):
    """A claim that a row made, with its counts, what the cases say, the base rate and the probability of
    chance doing as much."""

    row: Row
    claim: Claim
    counted: Counted
    seen: Witnesses
    base: float
    p_value: float


def mine(
    events: Iterable[Event] | Log, mining: Mining | None = None, *, types: Iterable[PatternType] = TYPES
) -> list[ExtractedPattern]:
    """The patterns of `events`: by type, the surest first, at most `mining.most` of each. The same events give the same
    list."""
    bounds = mining or Mining()
    log = events if isinstance(events, Log) else Log(events, bounds)
    wanted = tuple(types)
    patterns: dict[str, list[ExtractedPattern]] = {kind: [] for kind in wanted}
    for row in ROWS:
        if row.type in patterns:
            patterns[row.type] += [_pattern(one, q, log) for one, q in _row(row, log, bounds)]
    return [one for kind in wanted for one in _surest(patterns[kind], bounds.most)]


def _surest(patterns: list[ExtractedPattern], most: int) -> list[ExtractedPattern]:
    return sorted(patterns, key=lambda one: (-one.llm_confidence, -len(one.source_event_ids), one.description))[:most]


def _row(row: Row, log: Log, mining: Mining) -> list[tuple[Found, float]]:
    """What one row finds, with its q-value."""
    found = [one for given, then in _keys(row, log) for one in _shares(row, given, then, log.units(row.unit), mining)]
    adjusted = adjust([one.p_value for one in found])
    return [(one, q) for one, q in zip(found, adjusted, strict=True) if q <= mining.alpha and _stays(one, mining)]


def _keys(row: Row, log: Log) -> Iterator[tuple[tuple[str, ...], str]]:
    """The facts that the row looks at in this log, each `attr.*` spelled out."""
    columns = _columns(log, row.unit)
    choices = [columns if key == "attr.*" else [key] for key in (*row.given, row.then)]
    for *given, then in itertools.product(*choices):
        if then not in given and log.span >= LEAST_SPAN.get(then, 0):
            yield tuple(given), then


def _columns(log: Log, unit: Any) -> list[str]:
    values: dict[str, set[str]] = defaultdict(set)
    for one in log.units(unit):
        for key, several in one.facts.items():
            if (
                key.startswith("attr.")
                and key.removeprefix("attr.").lower() not in OUTCOMES
                and len(values[key]) <= MOST_VALUES
            ):
                values[key].update(several)
    return sorted(key for key, several in values.items() if 2 <= len(several) <= MOST_VALUES)


def _shares(row: Row, given: tuple[str, ...], then: str, units: list[Unit], mining: Mining) -> Iterator[Found]:
    """Each share of this kind that has enough units to be looked at."""
    tally = Tally(units, given, then)
    if len(tally.overall) < row.least_values:
        return
    spread = CAPACITY.get(then, max(len(tally.overall), 2))
    least = 2 if row.mode in ("rare", "odd", "flag") else mining.least_support
    for values, value in tally.shares():
        ids = tally.hits[values, value]
        if value in values or (row.value is not None and value != row.value) or len(ids) < least:
            continue
        base = tally.base(value) if given else 1 / spread
        harder = max(base, tally.case_base(value)) if given else base
        claim = Claim(unit=row.unit, given=tuple(zip(given, values, strict=True)), then=(then, value))
        counted = Counted(support=len(ids), total=tally.totals[values], evidence=tuple(ids))
        seen = tally.witnesses(values, value)
        yield Found(row, claim, counted, seen, base, _chance(row, seen, harder, mining))


def _chance(row: Row, seen: Witnesses, base: float, mining: Mining) -> float:
    """The probability that chance at the base rate does as much, in as many cases."""
    if row.mode in ("odd", "flag"):
        return 0.0
    if row.mode == "rare":
        return at_most(seen.most, seen.cases, mining.rare)
    return at_least(seen.fewest, seen.cases, base)


def _stays(one: Found, mining: Mining) -> bool:
    """Whether it is large enough to tell, not only unlikely to be chance."""
    mode, rate = one.row.mode, one.counted.rate
    if mode == "usual":
        return rate >= USUAL
    if mode == "more":
        return rate >= one.base * one.row.least_lift
    return mode == "flag" or (one.counted.total >= mining.rare_total and rate <= mining.rare)


def _pattern(one: Found, q: float, log: Log) -> ExtractedPattern:
    counted, claim = one.counted, one.claim
    number = one.seen.cases if one.row.mode in ("rare", "odd") else one.seen.fewest
    figures = counted.figures() | {"base_rate": one.base, "q_value": q}
    if claim.unit == "step" and one.row.then == "next.what":
        gap = log.gap(claim.given[0][1], claim.then[1])
        figures |= {} if gap is None else {"median_gap_seconds": gap}
    return ExtractedPattern(
        pattern_type=one.row.type,
        subject=claim.given[0][1] if claim.given else claim.then[1],
        description=_words(one),
        structured_pattern=claim.form() | figures,
        source_event_ids=counted.evidence,
        extraction_source="rule",
        llm_confidence=round(min((1 - q) * number / (number + 2), SUREST), 4),
        reasoning=_reasoning(one, q),
        evidence_strength=strength_of(counted.support, is_tested=one.row.mode not in ("odd", "flag")),
        caveats=tuple(caveats_of(counted, log)),
        domain=log.events[0].domain,
    )


def _words(one: Found) -> str:
    given = one.claim.given
    facts: Mapping[str, str] = {
        "g": given[0][1] if given else "",
        "h": given[1][1] if len(given) > 1 else "",
        "k": given[0][0].removeprefix("attr.") if given else "",
        "c": one.claim.then[0].removeprefix("attr."),
        "t": one.claim.then[1],
        "n": f"{one.counted.support} of {one.counted.total}",
    }
    words = one.row.words
    for name in ("n", "c", "k", "t", "h", "g"):  # values are never read as places: see the order and the marks
        words = words.replace("{" + name + "}", "\0" + name)
    for name, value in facts.items():
        words = words.replace("\0" + name, value.replace("\0", ""))
    return words


def _reasoning(one: Found, q: float) -> str:
    if one.row.mode in ("odd", "flag"):
        return "counted; every unit with the flag is evidence"
    if one.row.mode == "rare":
        return f"counted; if it were no rarer than the bound, so few would have the probability {q:.2g} (corrected)"
    chance = f"so many in {one.seen.cases} cases would have the probability {q:.2g} (corrected)"
    return f"counted; at the base rate of {one.base:.3f} {chance}"


def caveats_of(counted: Counted, log: Log) -> Iterator[str]:
    """What a reader should know of the figures."""
    if counted.total < FEW:
        yield f"only {counted.total} chances: the share is uncertain"
    ids = set(counted.evidence)
    sources = {event.source_id for event in log.events if event.id in ids}
    if len(sources) == 1 and len({event.source_id for event in log.events}) > 1:
        yield f"all evidence is from one source, {next(iter(sources))}"
    if disputed := sum(event.id in ids and event.verification_status == "disputed" for event in log.events):
        yield f"{disputed} of the events are disputed"
