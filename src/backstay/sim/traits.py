"""Traits: what a simulated provider is like: how fast it answers, how long, what it costs, what it allows, when it is down."""

from __future__ import annotations

import msgspec

from backstay.sim.hint import FORMS
from backstay.sim.law import Law, constant, lognormal
from backstay.sim.quota import Quota
from backstay.sim.record import Prices


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """From `start` until `end` (seconds of the loop's clock) every attempt is answered with `status`; None: no connection."""

    start: float
    end: float
    status: int | None = 503


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider is like. Laws in seconds (`output_tokens`: tokens); prices in nano-dollars a token.

    `refusal` is the time that an error takes; `tokens_per_event` how many tokens a stream sends at once; with
    `seconds_per_event` it sends the first token alone, then what it made in so many seconds, which costs few events.
    With `has_usage` False streams say nothing of their tokens. `retry_after` are the forms in which its 429s name the
    wait, taken in turn.
    """

    name: str = "sim:model"
    first_token: Law = lognormal(0.3, 0.5, most=5.0)
    per_token: Law = constant(0.01)
    output_tokens: Law = lognormal(40, 0.6, most=400)
    refusal: Law = constant(0.05)
    tokens_per_event: int = 10
    seconds_per_event: float | None = None
    has_usage: bool = True
    prices: Prices = Prices()
    quotas: tuple[Quota, ...] = ()
    outages: tuple[Outage, ...] = ()
    retry_after: tuple[str, ...] = tuple(FORMS)
    tells_limits: bool = False
