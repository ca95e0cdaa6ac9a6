"""Facts about the targets of a chain, read from the catalogue: what fits, how large a window is, what a request may cost.

Everything that was checked for the first target is checked again for the next one. A chain that goes from a free model to a paid
one, or from a model with tools to one without, does so only where the request, the abilities and the money agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from backstay.catalog.catalog import Catalog
from backstay.catalog.model import Model
from backstay.catalog.price import estimate
from backstay.estimate import estimate_for
from backstay.layers.check import faults_of
from backstay.target import parse_model
from backstay.types import Request

Left: TypeAlias = Callable[[Request], int | None]
"""Nano-dollars that may still be spent on a request's account; None where no budget binds it."""

SAMPLE = 1_000_000
"""Tokens by which a price of nothing is told from a small one."""


class CatalogFacts:
    """Facts of a catalogue, and of the budget that `left` tells of."""

    def __init__(self, catalog: Catalog, *, left: Left | None = None) -> None:
        self._catalog = catalog
        self._left = left

    def fits(self, model: str, request: Request, /) -> tuple[str, ...]:
        """Each reason why `model` must not be asked this; empty where there is none, or where the model is not known."""
        row = self._row(model)
        known = () if row is None else (*faults_of(request, row), *_format_faults(request, row))
        return (*known, *self._money_faults(model, request))

    def window(self, model: str, /) -> int | None:
        """Its context window in tokens; None where it is not known."""
        row = self._row(model)
        return None if row is None else row.context_window

    def price(self, model: str, request: Request, /) -> int | None:
        """The most that `request` can cost there, in nano-dollars; None where that is not known."""
        row = self._row(model)
        cost = estimate_for(request, row).cost
        if cost is None and row is not None and (sample := estimate(row, SAMPLE, SAMPLE)) and sample.nano_usd == 0:
            return 0  # without an output limit there is no upper bound, except of nothing
        return None if cost is None else cost.nano_usd

    def _row(self, model: str) -> Model | None:
        return self._catalog.find(*parse_model(model))

    def _money_faults(self, model: str, request: Request) -> Iterator[str]:
        left = None if self._left is None else self._left(request)
        if left is None:
            return
        price = self.price(model, request)
        if price is None:
            yield "its price is not known, and a budget binds this call"
        elif price > left:
            yield f"it may cost {price / 1e9:.6f} USD, and {max(left, 0) / 1e9:.6f} are left"


def _format_faults(request: Request, row: Model) -> Iterator[str]:
    wanted = request.response_format
    if wanted is not None and wanted.schema is not None and row.has_json_schema is False:
        yield "response_format: the model does not keep to a JSON Schema"
    if wanted is not None and wanted.schema is None and row.has_json_mode is False:
        yield "response_format: the model has no JSON mode"
