"""Catalog: the models that are known, found by the name under which they are called.

The rows ship with the package as dated data, and a file of the user's own may add to them and override them. Nothing is fetched.
A name is matched as its provider means it: exactly, or by the clauses of its row ("starts with claude-sonnet-5"). A fine-tuned
model has the limits of its base, but no price, because a guess of a price is a wrong bill.
"""

from __future__ import annotations

import gzip
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from backstay.catalog.alias import ALIASES, FREE
from backstay.catalog.model import Model, Period, Rate, Rates
from backstay.catalog.price import estimate, price
from backstay.errors import ConfigurationError
from backstay.types import Cost, Usage

DATA = "data/models.json.gz"
FINE_TUNED = re.compile(r"ft:(?P<base>[^:]+):")
NOTHING = Rates(input=Rate(0), output=Rate(0))


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """The file that ships: its date, its sources, its rows."""

    date: str
    sources: list[str]
    models: list[Model]


class Catalog:
    """A set of models. Immutable; the answers to `find` are remembered."""

    def __init__(self, models: Iterable[Model], *, date: str = "", sources: Iterable[str] = ()) -> None:
        self.date = date
        self.sources = tuple(sources)
        self._models: dict[str, list[Model]] = {}
        for model in models:
            self._models.setdefault(model.provider, []).append(model)
        self._found: dict[tuple[str, str], Model | None] = {}

    @classmethod
    def load(cls, user_file: str | Path | None = None) -> Catalog:
        """The shipped rows, those of `user_file` (TOML or JSON: a list `models`) before them.

        Raises ConfigurationError naming the file and the row that is wrong.
        """
        data = resources.files("backstay.catalog").joinpath(DATA).read_bytes()
        shipped = msgspec.json.decode(gzip.decompress(data), type=Shipped)
        own = read_models(Path(user_file)) if user_file is not None else []
        return cls([*own, *shipped.models], date=shipped.date, sources=shipped.sources)

    def find(self, provider: str, model: str) -> Model | None:
        """The model that `provider` knows as `model`; None where the catalogue has no row for it."""
        key = (provider, model)
        if key not in self._found:
            if len(self._found) > 10_000:
                self._found.clear()
            self._found[key] = self._find(provider, model)
        return self._found[key]

    def _find(self, provider: str, name: str) -> Model | None:
        if provider in FREE:
            return Model(provider=provider, id=name, name=name, periods=(Period(rates=NOTHING),), source=FREE[provider])
        tuned = FINE_TUNED.match(name)
        wanted = (tuned["base"] if tuned else name).lower()
        for place in (provider, *ALIASES.get(provider, ())):
            for model in self._models.get(place, ()):
                if wanted == model.id.lower() or (model.matches is not None and matches(model.matches, wanted)):
                    return msgspec.structs.replace(model, id=name, periods=(), batch=()) if tuned else model
        return None

    def models(self, provider: str | None = None) -> Iterator[Model]:
        """All rows, or those of one provider (by its own name or its alias)."""
        places = self._models if provider is None else dict.fromkeys((provider, *ALIASES.get(provider, ())))
        for place in places:
            yield from self._models.get(place, ())

    def search(self, text: str) -> Iterator[Model]:
        """The rows whose provider, id or name holds every word of `text`."""
        words = text.lower().replace(":", " ").split()
        for model in self.models():
            hay = f"{model.provider} {model.id} {model.name}".lower()
            if all(word in hay for word in words):
                yield model

    def price(self, provider: str, model: str, usage: Usage) -> Cost | None:
        """What `usage` cost; None where the model, its price or the tokens are unknown."""
        found = self.find(provider, model)
        return None if found is None else price(found, usage)

    def estimate(self, model: Model, input_tokens: int, output_tokens: int) -> Cost | None:
        """The most that a request of at most these tokens can cost; None where the price is unknown."""
        return estimate(model, input_tokens, output_tokens)


_TESTS: dict[str, Callable[[str, Any], bool]] = {
    "equals": lambda name, value: name == value,
    "starts": lambda name, value: name.startswith(value),
    "ends": lambda name, value: name.endswith(value),
    "contains": lambda name, value: value in name,
    "regex": lambda name, value: re.search(value, name) is not None,
    "or": lambda name, value: any(matches(clause, name) for clause in value),
    "and": lambda name, value: all(matches(clause, name) for clause in value),
}


def matches(clause: list[Any], name: str) -> bool:
    """Whether `name` (lower case) fulfils a clause: [test, value], with nested clauses as the value of "or" and "and"."""
    test, value = clause
    return _TESTS[test](name, value)


class _Own(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A row as a user writes it: prices in US dollars per million tokens."""

    provider: str
    id: str
    name: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None
    input: float | str | None = None
    output: float | str | None = None
    cache_read: float | str | None = None
    cache_write: float | str | None = None
    has_tools: bool | None = None
    has_vision: bool | None = None
    has_json_schema: bool | None = None
    has_reasoning: bool | None = None


def read_models(path: Path) -> list[Model]:
    """The models of a user's file. Raises ConfigurationError with its name, the row and the remedy."""
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix == ".toml" else msgspec.json.decode(text)
        return [_model(row, path) for row in msgspec.convert(data["models"], list[_Own], strict=False)]
    except OSError as error:
        raise ConfigurationError(f"catalog {path}: cannot be read ({error.strerror})") from error
    except KeyError as error:
        raise ConfigurationError(
            f"catalog {path}: has no list of models: write [[models]] with provider and id"
        ) from error
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, msgspec.ValidationError, TypeError) as error:
        raise ConfigurationError(f"catalog {path}: {error}") from error


def _model(row: _Own, path: Path) -> Model:
    facts = msgspec.structs.asdict(row)
    prices = {name: facts.pop(name) for name in ("input", "output", "cache_read", "cache_write")}
    rates: dict[str, Any] = {name: Rate(dollars_to_rate(value)) for name, value in prices.items() if value is not None}
    periods = (Period(rates=Rates(**rates)),) if rates else ()
    return Model(**facts, periods=periods, source=str(path))


def dollars_to_rate(dollars: float | str) -> int:
    """Nano-dollars per million tokens from US dollars per million tokens. Raises ConfigurationError below a nano-dollar."""
    from decimal import Decimal, InvalidOperation

    try:
        nano = Decimal(str(dollars)).scaleb(9)
    except InvalidOperation as error:
        raise ConfigurationError(f"price {dollars!r}: is no number of US dollars per million tokens") from error
    if nano != nano.to_integral_value() or nano < 0:
        raise ConfigurationError(f"price {dollars!r}: must be 0 or more, in steps of a nano-dollar per million tokens")
    return int(nano)
