"""State: how limits stand and who waits for them, in words and in the order of urgency: what `backstay limits` shows.

`explain` answers why one request would wait or be refused, rule by rule, from the same figures that decide it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from backstay.layers.lease import Place
from backstay.stores.limit import Entry, Standing


def amount_of(dimension: str, amount: int) -> str:
    """An amount as people read it: money in US dollars, anything else with its thousands."""
    return f"{amount / 1e9:,.4f} USD" if dimension == "nano_usd" else f"{amount:,} {dimension}"


def describe(standing: Standing) -> str:
    """One rule in one line: what is used of what, how much of it is only reserved, who waits, until when."""
    rule = standing.rule
    words = [f"{rule.key}: {amount_of(rule.dimension, standing.used)}"]
    if rule.algorithm != "open":
        words[0] += f" of {amount_of(rule.dimension, rule.capacity)}"
    if standing.reserved:
        words.append(f"{amount_of(rule.dimension, standing.reserved)} of it reserved")
    if standing.overdraft:
        words.append(f"{amount_of(rule.dimension, standing.overdraft)} beyond their reservations")
    if standing.waiting:
        words.append(f"{standing.waiting} wait")
    if standing.end is not None:
        words.append(f"until {dt.datetime.fromtimestamp(standing.end, dt.UTC):%Y-%m-%d %H:%M} UTC")
    if standing.gate_seconds is not None and standing.gate_room is not None:
        words.append(f"the provider leaves {standing.gate_room:,} for {standing.gate_seconds:.1f} s")
    return ", ".join(words)


def explain(entries: Sequence[Entry], standings: Sequence[Standing]) -> list[str]:
    """Why a claim over `entries` would not go now: a sentence for each rule without room, else for those with a line."""
    known = {standing.rule.key: standing for standing in standings}
    short: list[str] = []
    behind: list[str] = []
    for entry in entries:
        rule, asked = entry.rule, amount_of(entry.rule.dimension, entry.amount)
        standing = known.get(rule.key)
        if entry.amount > rule.most:
            short.append(f"{rule.key}: {asked} are more than the limit of {rule.capacity:,}: it can never fit")
        elif standing is not None and _is_short(entry, standing):
            short.append(f"{asked} are asked for; {describe(standing)}")
        elif standing is not None and standing.waiting:
            behind.append(f"{asked} are asked for behind others; {describe(standing)}")
    return short or behind


def _is_short(entry: Entry, standing: Standing) -> bool:
    """True when the rule has no room for the entry, by the sums alone."""
    rule = entry.rule
    if standing.gate_room is not None and standing.gate_room < entry.amount:
        return True
    if rule.algorithm == "open":
        return False
    # a bucket lets go at once what it holds; an amount above that, only from a full one
    room = rule.burst if rule.algorithm == "bucket" else rule.capacity
    return standing.used > 0 and standing.used + entry.amount > room


def waiting(places: Sequence[Place], now: float) -> Iterator[str]:
    """Who waits, one line each, the longest first; `now` is the clock's that the places were made by."""
    for place in sorted(places, key=lambda place: place.since):
        who = ", ".join(filter(None, (place.target, place.tenant, place.task)))
        prospect = f"about {place.wait:.1f} s more" if place.wait > 0 else "until somebody ends"
        yield (
            f"{place.call_id} ({who}): for {now - place.since:.1f} s, place {place.place} for {place.rule}, {prospect}, "
            f"at most {max(place.until - now, 0.0):.1f} s"
        )
