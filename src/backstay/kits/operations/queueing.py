"""A queueing model of the web tier: what the next period will be like with so many servers and such a dimmer.

Each server is an M/G/1 queue with processor sharing, whose mean response time is E[S] / (1 - rho) whatever the law of S
(Kleinrock, "Queueing Systems" II, 1976, 4.4). What is left over from a period with too little capacity is carried on as fluid:
seconds of work that all servers must do before things are normal. The service times begin as the settings say and are learned:
utilisation over arrivals shows what a request really costs.
"""

from __future__ import annotations

import math

import msgspec

from backstay.kits.operations.setting import Tier


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """Mean seconds of service of a request with optional content and of one without; `scale` is what was learned."""

    optional: float
    basic: float
    scale: float = 1.0

    def mean(self, dimmer: float) -> float:
        """Seconds of service that a request takes at this dimmer."""
        return self.scale * (dimmer * self.optional + (1 - dimmer) * self.basic)

    def learned(self, *, rate: float, dimmer: float, busy_servers: float, share: float = 0.2) -> Service:
        """The same with its scale moved by `share` to what was seen: so many busy servers at such a rate. Full servers teach
        nothing, because what they refuse is not seen; the caller leaves those out."""
        expected = rate * (dimmer * self.optional + (1 - dimmer) * self.basic)
        if expected <= 0:
            return self
        seen = min(max(busy_servers / expected, 0.25), 4.0)
        return msgspec.structs.replace(self, scale=self.scale + share * (seen - self.scale))


def truncated_mean(mean: float, spread: float) -> float:
    """The mean of a normal law that is drawn again below zero."""
    if spread == 0:
        return mean
    bound = -mean / spread
    density = math.exp(-bound * bound / 2) / math.sqrt(2 * math.pi)
    return mean + spread * density / (0.5 * math.erfc(bound / math.sqrt(2)))


def service_of(settings: Tier) -> Service:
    """The service times that the settings of a tier stand for."""
    return Service(optional=truncated_mean(*settings.service), basic=truncated_mean(*settings.basic))


class Expected(msgspec.Struct, frozen=True):
    """A period foreseen: mean response time in seconds, utilisation, and the work (seconds) left at its end."""

    response_time: float
    utilisation: float
    left: float


def foresee(*, rate: float, servers: int, service: float, left: float = 0.0, period: float = 60.0) -> Expected:
    """One period with `rate` requests a second of `service` seconds on `servers`, beginning with `left` seconds of work."""
    load = rate * service / servers
    spare = 1.0 - load
    if spare <= 0:
        after = left - spare * servers * period
        return Expected((left + after) / 2 / servers + service * 10, 1.0, after)
    clearing = min(left / (spare * servers), period)
    after = max(left - spare * servers * period, 0.0)
    steady = service / spare
    waiting = steady + (left + after) / 2 / servers
    share = clearing / period
    return Expected(share * waiting + (1 - share) * min(steady, period), max(load, share), after)
