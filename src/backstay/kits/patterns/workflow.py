"""Workflow: the kit's way from a store of events to a base of patterns, one function a step; the command line is a thin face
of it.

Rules always count over all events. Where a model is there, it proposes besides; what both find is one pattern, and the rules'
figures stand, because they are the same counts. Every new proposal goes to the gate; what a person has judged is not judged
again.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from backstay.errors import ConfigurationError
from backstay.kits.patterns.calibration import Calibration, Method, fit, reviews
from backstay.kits.patterns.event import Event
from backstay.kits.patterns.gate import Stakes, is_accepted, judge
from backstay.kits.patterns.mine import mine
from backstay.kits.patterns.name import canonical
from backstay.kits.patterns.pattern import ExtractedPattern
from backstay.kits.patterns.propose import Asks, Proposed, propose
from backstay.kits.patterns.setting import TYPES, PatternType, Settings
from backstay.kits.patterns.store import Added, PatternStore, Ruling
from backstay.kits.patterns.unit import Log


class Mined(msgspec.Struct, frozen=True, kw_only=True):
    """What one run found: the patterns, the gate's rulings on the new ones, and what a model proposed, where one was asked."""

    patterns: tuple[ExtractedPattern, ...]
    added: Added
    rulings: tuple[Ruling, ...]
    calibration: str
    model: Proposed | None = None


def domain_logs(store: PatternStore, settings: Settings, domain: str | None = None) -> list[Log]:
    """A Log for each domain of the store, or for one. Raises ConfigurationError where there is no event."""
    events = store.events(domain=domain)
    if not events:
        raise ConfigurationError(
            f"there are no events{f' of {domain}' if domain else ''}: backstay patterns ingest FILE"
        )
    domains = sorted({event.domain for event in events})
    logs = []
    for one in domains:
        several = [event for event in events if event.domain == one]
        logs.append(Log(persons(several) if one in settings.people else several, settings.mining))
    return logs


def persons(events: Sequence[Event]) -> list[Event]:
    """The events with each name in the fullest form that it can be ("Hon. R. Adair" is "ruth m adair" where only she is
    meant)."""
    names = canonical(name for event in events for name in event.who)
    return [
        msgspec.structs.replace(event, event_id=event.id, who=tuple(names[one] for one in event.who))
        for event in events
    ]


async def mine_store(
    store: PatternStore,
    *,
    settings: Settings | None = None,
    client: Asks | None = None,
    domain: str | None = None,
    types: Sequence[PatternType] = TYPES,
    stakes: Stakes | None = None,
    method: Method = "auto",
) -> Mined:
    """Mine each domain by rules, and by `client`'s model where one is given; write what is new; put it to the gate."""
    rules = settings or Settings()
    found: dict[str, ExtractedPattern] = {}
    proposals = []
    for log in domain_logs(store, rules, domain):
        if client is not None:
            proposed = await propose(client, log, settings=rules, types=types)
            proposals.append(proposed)
            found |= {one.pattern_id: one for one in proposed.patterns}
        found |= {one.pattern_id: one for one in mine(log, rules.mining, types=types)}
    patterns = tuple(found.values())
    added = store.propose(patterns)
    calibration = calibrated(store, method)
    rulings = put_to_gate(store, patterns, calibration, settings=rules, stakes=stakes)
    told = f"{calibration.method}, {calibration.count} reviews"
    return Mined(patterns=patterns, added=added, rulings=tuple(rulings), calibration=told, model=_joined(proposals))


def calibrated(store: PatternStore, method: Method = "auto") -> Calibration:
    """The calibration that the store's reviewed patterns teach."""
    return fit(reviews(store.patterns().values()), method)


def put_to_gate(
    store: PatternStore,
    patterns: Sequence[ExtractedPattern],
    calibration: Calibration,
    *,
    settings: Settings,
    stakes: Stakes | None = None,
) -> list[Ruling]:
    """The gate's rulings on those patterns that no person has judged, written where they say something new."""
    known, before = store.patterns(), store.rulings()
    base = [one for one in known.values() if is_accepted(one)]
    made = []
    for pattern in patterns:
        rulings = before.get(pattern.pattern_id, [])
        if any(one.is_final for one in rulings):
            continue
        others = [one for one in base if one.pattern_id != pattern.pattern_id]
        ruling = judge(pattern, calibration.of(pattern), settings=settings, base=others, stakes=stakes)
        if not rulings or (rulings[-1].decision, rulings[-1].confidence) != (ruling.decision, ruling.confidence):
            made.append(store.rule(ruling))
    return made


def _joined(proposals: Sequence[Proposed]) -> Proposed | None:
    """What was proposed for all domains, as one."""
    if not proposals:
        return None
    return Proposed(
        patterns=tuple(one for each in proposals for one in each.patterns),
        dropped=tuple(one for each in proposals for one in each.dropped),
        wanted=tuple(one for each in proposals for one in each.wanted),
        errors=tuple(one for each in proposals for one in each.errors),
        targets=tuple(sorted({one for each in proposals for one in each.targets})),
        is_degraded=any(each.is_degraded for each in proposals),
        batches=sum(each.batches for each in proposals),
    )
