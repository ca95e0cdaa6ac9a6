"""The policy that looks ahead: plans over a queueing model, a forecast with its spread, and the time that a server boots.

For each sequence of server counts that can be reached it takes the best dimmer of each period against a spread of forecast
rates, and does the first step of the best sequence (receding horizon; the idea of PLA, Moreno et al., ESEC/FSE 2015: proactive,
and aware of how long an adaptation takes). Service times are learned while it runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final

from backstay.kits.operations.forecast import Forecast
from backstay.kits.operations.policy import Decides, Reactive, Static, Thresholds, set_dimmer
from backstay.kits.operations.queueing import Service, foresee, service_of
from backstay.kits.operations.setting import Tier, Worth
from backstay.kits.operations.state import Action, State
from backstay.kits.operations.utility import utility

DIMMERS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Five levels of service, SWIM's numberOfBrownoutLevels."""

SPREADS: Final = ((-1.0, 0.25), (0.0, 0.4), (1.0, 0.25), (2.5, 0.1))
"""Standard deviations from the forecast, with the weight of each: rates above it count, since lateness is dear."""


class Predictive:
    """Looks `horizon` periods ahead over a queueing model that learns from what it sees."""

    def __init__(
        self,
        tier: Tier | None = None,
        worth: Worth | None = None,
        *,
        period: float = 60.0,
        horizon: int = 4,
        margin: float = 0.8,
    ) -> None:
        self.tier = tier or Tier()
        self.worth = worth or Worth()
        self.period = period
        self.horizon = horizon
        self.margin = margin
        self.forecast = Forecast()
        self.service: Service = service_of(self.tier)
        self._left = 0.0
        self._booting: tuple[int, ...] = ()

    def learn(self, state: State) -> None:
        """Take in a state: the rate, what a request costs, and how much work is waiting."""
        rate, busy, response = (state.get(name) for name in ("arrival_rate_per_s", "utilisation", "response_time_ms"))
        servers, dimmer = state.get("active_servers"), state.get("dimmer")
        if rate is None or servers is None or dimmer is None:
            return
        self.forecast = self.forecast.seen(rate)
        served = (state.get("basic_throughput_per_s") or 0.0) + (state.get("optional_throughput_per_s") or 0.0)
        shown = (state.get("optional_throughput_per_s") or 0.0) / served if served else dimmer
        if busy is not None and 0 < busy < self.margin and served:
            self.service = self.service.learned(rate=served, dimmer=shown, busy_servers=busy * servers)
        per_request = self.service.mean(shown)
        waiting = rate * (response or 0.0) / 1e3 * per_request / 2
        self._left = waiting if busy is not None and busy >= self.margin else 0.0

    def decide(self, state: State) -> tuple[Action, ...]:
        """The first step of the best plan: at most one change of servers, and the dimmer that goes with it."""
        self.learn(state)
        servers, active, dimmer = (state.get(name) for name in ("server_count", "active_servers", "dimmer"))
        if servers is None or active is None or dimmer is None or self.forecast.count == 0:
            return ()
        waits = self._waits(int(servers) - int(active))
        best = max(self._plans(int(servers)), key=lambda plan: self._worth_of(plan, int(active), waits, dimmer)[0])
        gain, level = self._worth_of(best, int(active), waits, dimmer)
        rate, spread = self.forecast.at(1)
        why = f"{rate:.1f} requests/s expected (spread {spread:.1f}); best of {self.horizon} periods ahead: {gain:,.0f}"
        return self._actions(int(servers), best[0], dimmer, level, why)

    def _actions(self, servers: int, wanted: int, dimmer: float, level: float, why: str) -> tuple[Action, ...]:
        actions = []
        if level < dimmer - 1e-9:
            actions.append(set_dimmer(level, f"less optional content: {why}", 0.8, "medium"))
        if wanted > servers:
            actions.append(Action(action_type="ADD_SERVER", rationale=f"a server more: {why}", confidence=0.85))
        elif wanted < servers:
            actions.append(
                Action(
                    action_type="REMOVE_SERVER", rationale=f"a server less: {why}", confidence=0.75, risk_level="medium"
                )
            )
        if level > dimmer + 1e-9:
            actions.append(set_dimmer(level, f"more optional content: {why}", 0.8, "low"))
        return tuple(actions)

    def _waits(self, booting: int) -> tuple[int, ...]:
        """For each booting server, in how many periods it will serve; one that was not seen before has just begun."""
        delay = -(-self.tier.boot_delay // self.period)
        before = [wait - 1 for wait in self._booting if wait > 1]
        waits = (*before, *[max(int(delay) - 1, 0)] * booting)[:booting]
        self._booting = waits
        return waits

    def _plans(self, servers: int) -> list[tuple[int, ...]]:
        """The sequences of server counts of the horizon, each one step from the last; later steps change at most once."""
        counts = range(1, self.tier.max_servers + 1)
        first = [count for count in counts if abs(count - servers) <= 1]
        plans = []
        for now, then in itertools.product(first, counts):
            if abs(now - then) <= 1:
                plans += [(now,) * at + (then,) * (self.horizon - at) for at in range(1, self.horizon + 1)]
        return sorted(set(plans), key=lambda plan: (plan[0] != servers, plan))

    def _worth_of(
        self, plan: tuple[int, ...], active: int, waits: tuple[int, ...], dimmer: float
    ) -> tuple[float, float]:
        """The expected utility of a plan, with the best dimmer of each period, and the dimmer of the first."""
        serving = self._serving(plan, active, waits)
        total, first = 0.0, dimmer
        left = self._left
        for step, count in enumerate(plan):
            value, level, left = max(
                (self._period(step, count, serving[step], level, left) for level in DIMMERS), key=lambda one: one[0]
            )
            total += value
            first = level if step == 0 else first
        return total, first

    def _serving(self, plan: tuple[int, ...], active: int, waits: tuple[int, ...]) -> list[int]:
        """How many servers serve in each period of a plan, since a new one boots first."""
        delay = int(-(-self.tier.boot_delay // self.period))
        ready = sorted([0] * active + list(waits))
        serving = []
        for step, count in enumerate(plan):
            while len(ready) > count:
                ready.pop()
            while len(ready) < count:
                ready.append(step + delay)
            serving.append(max(sum(at <= step for at in ready), 1))
        return serving

    def _period(self, step: int, servers: int, serving: int, dimmer: float, left: float) -> tuple[float, float, float]:
        """Expected utility of one period over the spread of rates; its dimmer; the work left in the middle case."""
        mean, spread = self.forecast.at(step + 1)
        service = self.service.mean(dimmer)
        value, after = 0.0, 0.0
        for deviation, weight in SPREADS:
            rate = max(mean + deviation * spread, 0.0)
            seen = foresee(rate=rate, servers=serving, service=service, left=left, period=self.period)
            after = seen.left if deviation == 0 else after
            is_near = seen.utilisation > 1 - (1 - self.margin) / 4
            late = seen.response_time if not is_near else max(seen.response_time, self.worth.response_goal * 1.01)
            value += weight * utility(
                self.worth,
                rate=rate,
                dimmer=dimmer,
                servers=servers,
                max_servers=self.tier.max_servers,
                response_time=late,
            )
        return value, dimmer, after


POLICIES: Final[dict[str, Callable[[Tier, Worth, float], Decides]]] = {
    "static": lambda tier, worth, period: Static(),
    "thresholds": lambda tier, worth, period: Thresholds(),
    "reactive": lambda tier, worth, period: Reactive(worth),
    "predictive": lambda tier, worth, period: Predictive(tier, worth, period=period),
}
"""The policies by name."""
