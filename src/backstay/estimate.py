"""Estimate: the most that a request may use and cost, before it is sent."""

from __future__ import annotations

import datetime as dt

import msgspec

from backstay.catalog.catalog import Catalog
from backstay.catalog.model import Model
from backstay.catalog.price import estimate
from backstay.catalog.tariff import Tariff
from backstay.recent import Recent
from backstay.target import parse_model
from backstay.tokens import estimate_request
from backstay.types import Cost, Request, Usage


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Upper bounds of a request's tokens and cost. `output_tokens` is None where neither the request nor the model has a limit;
    `cost` is None where it, or a price, is unknown, which is not zero."""

    input_tokens: int
    output_tokens: int | None
    cost: Cost | None


def estimate_cost(request: Request, catalog: Catalog) -> Estimate:
    """The Estimate of `request`, whose model is "provider:model". Without an output limit of its own, the model's counts."""
    return estimate_for(request, catalog.find(*parse_model(request.model)))


class Estimator:
    """The Estimate of requests to one model, worked out once for all layers that need it of one request; and what answers cost.

    Prices change by the minute at most, so the tariff, and with it each estimate, is made anew with each minute.
    """

    __slots__ = ("_limit", "_minute", "_model", "_recent", "_tariff")

    def __init__(self, model: Model | None) -> None:
        self._model = model
        self._limit = None if model is None else model.max_output_tokens
        self._minute = -1
        self._tariff: Tariff | None = None
        self._recent = Recent(self._estimate)

    def __call__(self, request: Request, second: int) -> Estimate:
        """The Estimate of `request` if it is sent at `second` (Unix time)."""
        if second // 60 != self._minute:
            self._turn(second // 60)
        return self._recent(request)

    def price(self, usage: Usage, second: int) -> Cost | None:
        """What `usage` cost at the rates of `second`; None where it is unknown. Raises ValueError for a negative count."""
        if second // 60 != self._minute:
            self._turn(second // 60)
        return None if self._tariff is None else self._tariff.price(usage)

    def _turn(self, minute: int) -> None:
        self._minute, self._recent = minute, Recent(self._estimate)
        if self._model is not None:
            self._tariff = Tariff(self._model, dt.datetime.fromtimestamp(minute * 60, tz=dt.UTC))

    def _estimate(self, request: Request) -> Estimate:
        input_tokens = estimate_request(request)
        limit = self._limit if request.max_output_tokens is None else request.max_output_tokens
        cost = None if self._tariff is None or limit is None else self._tariff.estimate(input_tokens, limit)
        return Estimate(input_tokens=input_tokens, output_tokens=limit, cost=cost)


def estimate_for(request: Request, model: Model | None, *, at: dt.datetime | None = None) -> Estimate:
    """The Estimate of `request` if `model` answers it at `at`; `model` is None where the catalogue has no row."""
    input_tokens = estimate_request(request)
    limit = request.max_output_tokens
    if limit is None and model is not None:
        limit = model.max_output_tokens
    cost = None if model is None or limit is None else estimate(model, input_tokens, limit, at=at)
    return Estimate(input_tokens=input_tokens, output_tokens=limit, cost=cost)
