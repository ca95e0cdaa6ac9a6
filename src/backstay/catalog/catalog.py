"""Catalog: the models that are known, found by the name under which they are called.

The rows ship with the package as dated data, and a file of the user's own may add to them and override them (`catalog.own`).
Nothing is fetched. A name is matched as its provider means it: exactly, or by the clauses of its row ("starts with
claude-sonnet-5"). A fine-tuned model, and a dated one that no row names, has the limits of its base, but no price, because a
guess of a price is a wrong bill.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from backstay.catalog.alias import ALIASES, FREE, NOT_FREE
from backstay.catalog.match import equals_of, forms_of, is_tuned_row, matches, snapshot_base, tuned_base
from backstay.catalog.model import Model, Period, Rate, Rates
from backstay.catalog.price import estimate, price
from backstay.catalog.shipped import Shipped, shipped
from backstay.types import Cost, Usage

REMEMBERED = 10_000
NOTHING = Rates(input=Rate(0), output=Rate(0))


class _Shelf:
    """One provider's rows, in the order in which they are asked. The first that takes a name has it."""

    def __init__(self, rows: Iterable[Model]) -> None:
        self._named: dict[str, tuple[int, Model]] = {}
        self._asked: list[tuple[int, Model]] = []
        for place, row in enumerate(rows):
            names = [] if row.matches is None else equals_of(row.matches)
            if names is None:
                self._asked.append((place, row))
            for name in (row.id.lower(), *(names or ())):
                self._named.setdefault(name.lower(), (place, row))

    def find(self, name: str) -> Model | None:
        place, found = self._named.get(name, (None, None))
        for other, row in self._asked:
            if place is not None and other > place:
                break
            if row.matches is not None and matches(row.matches, name):
                return row
        return found


class Catalog:
    """A set of models. Immutable; the answers to `find` are remembered."""

    def __init__(self, models: Iterable[Model], *, below: Callable[[], Shipped] | None = None) -> None:
        """Of `models`, and below them of those that `below` gives when one is first asked for."""
        self._below = below
        self._own: dict[str, list[Model]] = {}
        for model in models:
            self._own.setdefault(model.provider, []).append(model)
        self._shelves: dict[str, _Shelf] = {}
        self._found: dict[tuple[str, str], Model | None] = {}

    @classmethod
    def load(cls, user_file: str | Path | None = None) -> Catalog:
        """The shipped rows, those of `user_file` (TOML or JSON: a list `models`) before them.

        The shipped rows are read when one is first asked for. Raises ConfigurationError naming the user's file and each row of
        it that is wrong.
        """
        if user_file is None:
            return cls((), below=shipped)
        from backstay.catalog.own import read_own

        return cls(read_own(Path(user_file), cls((), below=shipped).find), below=shipped)

    @property
    def date(self) -> str:
        """The day on which the shipped rows were last true; empty where there are none."""
        return self._below().date if self._below is not None else ""

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the shipped rows come from."""
        return self._below().sources if self._below is not None else ()

    def _rows(self, place: str) -> Iterator[Model]:
        yield from self._own.get(place, ())
        if self._below is not None:
            yield from self._below().rows(place)

    def find(self, provider: str, model: str) -> Model | None:
        """The model that `provider` knows as `model`; None where the catalogue has no row for it."""
        key = (provider, model)
        if key not in self._found:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            self._found[key] = self._find(provider, model)
        return self._found[key]

    def _find(self, provider: str, name: str) -> Model | None:
        base = tuned_base(name)
        for form in forms_of(name):
            found = self._look_up(provider, form)
            if found is not None and (base is None or is_tuned_row(found.id) or found.id.lower() == form):
                return found
        if provider in FREE and not name.lower().endswith(NOT_FREE):
            return Model(provider=provider, id=name, name=name, periods=(Period(rates=NOTHING),), source=FREE[provider])
        return self._limits_of_base(provider, name, base or snapshot_base(name))

    def _look_up(self, provider: str, name: str) -> Model | None:
        for place in (provider, *ALIASES.get(provider, ())):
            if place not in self._shelves:
                self._shelves[place] = _Shelf(self._rows(place))
            if (found := self._shelves[place].find(name)) is not None:
                return found
        return None

    def _limits_of_base(self, provider: str, name: str, base: str | None) -> Model | None:
        while base is not None:
            for form in forms_of(base):
                if (found := self._look_up(provider, form)) is not None:
                    return msgspec.structs.replace(found, id=name, matches=None, periods=(), batch=(), base=found.id)
            base = snapshot_base(base)
        return None

    def models(self, provider: str | None = None) -> Iterator[Model]:
        """All rows, or those of one provider (by its own name or its alias)."""
        if provider is None:
            places = dict.fromkeys((*self._own, *(self._below().providers if self._below is not None else ())))
        else:
            places = dict.fromkeys((provider, *ALIASES.get(provider, ())))
        for place in places:
            yield from self._rows(place)

    def search(self, text: str) -> Iterator[Model]:
        """The rows whose provider, id or name holds every word of `text`."""
        words = text.lower().replace(":", " ").split()
        for model in self.models():
            hay = f"{model.provider} {model.id} {model.name}".lower()
            if all(word in hay for word in words):
                yield model

    def price(
        self, provider: str, model: str, usage: Usage, *, at: dt.datetime | None = None, is_batch: bool = False
    ) -> Cost | None:
        """What `usage` cost at `at`; None where the model, its price or the tokens are unknown."""
        found = self.find(provider, model)
        return None if found is None else price(found, usage, at=at, is_batch=is_batch)

    def estimate(
        self, model: Model, input_tokens: int, output_tokens: int, *, at: dt.datetime | None = None
    ) -> Cost | None:
        """The most that a request of at most these tokens can cost; None where the price is unknown."""
        return estimate(model, input_tokens, output_tokens, at=at)
