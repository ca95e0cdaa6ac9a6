"""Root causes: which service of a call graph began it, when an alarm fires at its edge.

A caller is slow because its callees are. So each node is charged with what it added itself: the excess time of its requests
(slower than usual, times how many) less the excess time of the nodes that it calls; for an alarm on availability the failed
requests, in the same way. What stood before the alarm is no effect of the fault and is taken off. Whoever added most is the
likeliest cause. It is book-keeping in seconds and requests, not correlation, so it needs no training and one usual value for
each metric.

Nodes that are seen from outside only (a client's view of a call, a host name) are views of another node, which is charged for
the same; so they come last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError

Signal: TypeAlias = Literal["latency", "availability"]
VIEWS: Final = ("_remote", "_client")
"""How AWS X-Ray ends the names of inferred segments."""


class Usual(msgspec.Struct, frozen=True, kw_only=True):
    """What is usual for a metric: its middle value and its spread."""

    middle: float
    spread: float = 0.0


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm and what is known about it.

    `calls`: node to the nodes that it calls. `series`: (node, metric) to one value a bin, None where nothing was measured; the
    metrics are `latency` (seconds), `availability` (percent) and `requests`. `usual`: the same keys; what is not there is taken
    from the first bin. `node` and `signal` are the alarm's.
    """

    calls: Mapping[str, Sequence[str]]
    series: Mapping[tuple[str, str], Sequence[float | None]]
    usual: Mapping[tuple[str, str], Usual] = {}
    node: str
    signal: Signal


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """How causes are ranked. `noise`: spreads within which a value is usual. `is_new_only`: what stood in the first bin is taken
    off; False where the fault began before it. `is_view_last`: nodes whose names end in `views` come behind all others."""

    noise: float = 2.0
    is_new_only: bool = True
    is_view_last: bool = True
    views: tuple[str, ...] = VIEWS


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """A node and what it added itself (`own`) of what was seen at it (`excess`): seconds, or failed requests; and why."""

    node: str
    own: float
    excess: float
    distance: int | None
    reason: str


def rank(incident: Incident, settings: Ranking | None = None) -> list[Suspect]:
    """The suspects, likeliest first: those that the alarm's node reaches before others, and only nodes with some charge.

    Raises ConfigurationError where the alarm's signal is none that can be booked.
    """
    settings = settings or Ranking()
    if incident.signal not in ("latency", "availability"):
        raise ConfigurationError(f"signal {incident.signal!r}: must be latency or availability")
    nodes = sorted({*incident.calls, *(callee for callees in incident.calls.values() for callee in callees)})
    excess = {node: _excess(incident, node, settings) for node in nodes}
    far = _distances(incident)
    found = []
    for node in nodes:
        below = sum(excess[callee] for callee in set(incident.calls.get(node, ())) if not _is_view(callee, settings))
        own = max(excess[node] - below, 0.0)
        if own > 0:
            found.append(_suspect(incident, node, own, excess[node], far.get(node)))
    is_last = {node: settings.is_view_last and _is_view(node, settings) for node in nodes}
    return sorted(found, key=lambda one: (one.distance is None, is_last[one.node], -one.own, one.node))


def _is_view(node: str, settings: Ranking) -> bool:
    return node.endswith(settings.views)


def _suspect(incident: Incident, node: str, own: float, excess: float, distance: int | None) -> Suspect:
    unit = "s of latency" if incident.signal == "latency" else "failed requests"
    reason = f"added {own:,.1f} of the {excess:,.1f} {unit} that were seen at it"
    return Suspect(node=node, own=own, excess=excess, distance=distance, reason=reason)


def _excess(incident: Incident, node: str, settings: Ranking) -> float:
    """What was unusual at a node over all bins, in seconds or failed requests."""
    values = incident.series.get((node, incident.signal), ())
    requests = incident.series.get((node, "requests"), ())
    usual = incident.usual.get((node, incident.signal))
    if usual is None:
        usual = _first(values)
    if usual is None:
        return 0.0
    booked = [
        _unusual(value, usual, incident.signal, settings) * (count or 0.0)
        for value, count in zip(values, requests, strict=False)
    ]
    before = booked[0] if booked and settings.is_new_only else 0.0
    return sum(max(one - before, 0.0) for one in booked)


def _first(values: Sequence[float | None]) -> Usual | None:
    """The first value as the usual one."""
    first = next((value for value in values if value is not None), None)
    return None if first is None else Usual(middle=first)


def _unusual(value: float | None, usual: Usual, signal: Signal, settings: Ranking) -> float:
    """Seconds slower than usual, or the share of failed requests beyond the usual; 0 within the noise."""
    if value is None:
        return 0.0
    beyond = value - usual.middle if signal == "latency" else usual.middle - value
    if beyond <= settings.noise * usual.spread:
        return 0.0
    return beyond if signal == "latency" else beyond / 100


def _distances(incident: Incident) -> dict[str, int]:
    """Calls from the alarm's node to each node that it reaches."""
    found = {incident.node: 0}
    edge = [incident.node]
    while edge:
        edge = [callee for node in edge for callee in incident.calls.get(node, ()) if callee not in found]
        for callee in edge:
            caller_at = min(found[node] for node in found if callee in incident.calls.get(node, ()))
            found[callee] = caller_at + 1
    return found
