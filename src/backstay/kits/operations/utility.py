"""What a period of the web tier was worth, and how runs compare. The formula and its source are at `setting.Worth`."""

from __future__ import annotations

from backstay.kits.operations.setting import Worth
from backstay.kits.operations.tier import Measurement

PRECISION = 1e-5


def utility(
    worth: Worth, *, rate: float, dimmer: float, servers: float, max_servers: int, response_time: float | None
) -> float:
    """The utility of one period with `rate` requests a second. Servers are credited only when all optional content is served.

    A period in which nothing was served although requests came is late.
    """
    is_late = rate > 0 if response_time is None else response_time > worth.response_goal
    if is_late:
        return min(0.0, rate - max_servers * worth.service_rate) * worth.optional_revenue
    revenue = rate * ((1 - dimmer) * worth.basic_revenue + dimmer * worth.optional_revenue)
    if revenue >= rate * worth.optional_revenue - PRECISION:
        return revenue + worth.server_credit * (max_servers - servers)
    return revenue


def score(one: Measurement, worth: Worth) -> float:
    """The utility of a measured period."""
    return utility(
        worth,
        rate=one.arrival_rate,
        dimmer=one.mean_dimmer,
        servers=one.mean_servers,
        max_servers=one.max_servers,
        response_time=one.response_time,
    )
