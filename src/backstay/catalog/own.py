"""Own: models and prices in a file of the user's, which win over the shipped ones.

A row names a provider and a model, and states what it knows better: limits, abilities, prices in US dollars per million tokens.
What it does not state is taken from the shipped row of that name, if there is one. Several rows of one model, each with its
`since`, are the history of its price. Numbers are read as decimals, so 0.1 is a tenth.

    [[models]]
    provider = "openai"
    id = "gpt-5.1"
    input = 1.10
    output = 8.80
    above = [{ tokens = 200_000, input = 2.20 }]
    batch = { input = 0.55, output = 4.40 }
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Callable, Iterable
from decimal import Decimal
from fnmatch import translate
from pathlib import Path
from typing import Any, Final

import msgspec

from backstay.catalog.model import Model, Period, Rate, Rates
from backstay.errors import ConfigurationError

Find = Callable[[str, str], Model | None]
KINDS: Final = tuple(name for name in Rates.__struct_fields__ if name != "per_request")


class _Prices(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """US dollars per million tokens."""

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    input_audio: Decimal | None = None
    cache_audio_read: Decimal | None = None
    output_audio: Decimal | None = None
    input_image: Decimal | None = None
    output_image: Decimal | None = None
    reasoning: Decimal | None = None


class _Tier(_Prices, kw_only=True, forbid_unknown_fields=True):
    """Prices of requests whose input is longer than `tokens`."""

    tokens: int


class _Own(_Prices, kw_only=True, forbid_unknown_fields=True):
    """A row as a user writes it. `matches` are further names, with `*` for any text."""

    provider: str
    id: str
    name: str | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    has_json_mode: bool | None = None
    has_json_schema: bool | None = None
    has_system_prompt: bool | None = None
    has_streaming: bool | None = None
    has_tools: bool | None = None
    has_vision: bool | None = None
    has_audio: bool | None = None
    has_reasoning: bool | None = None
    matches: list[str] | None = None
    since: dt.date | None = None
    per_request: Decimal | None = None
    above: list[_Tier] = []
    batch: _Prices | None = None


FACTS: Final = (
    "name",
    "context_window",
    "max_output_tokens",
    *(name for name in _Own.__struct_fields__ if name.startswith("has_")),
)


def read_own(path: Path, find: Find) -> list[Model]:
    """The models of a user's file, completed by what `find` knows. Raises ConfigurationError with all rows that are wrong."""
    faults: list[str] = []
    made: dict[tuple[str, str], Model] = {}
    for number, raw in enumerate(_rows(path), 1):
        label = raw.get("id", "no id") if isinstance(raw, dict) else "no table"
        try:
            row = msgspec.convert(raw, _Own, strict=False)
            known = made.get((row.provider, row.id))
            made[row.provider, row.id] = _model(row, path, known or find(row.provider, row.id), is_first=known is None)
        except (msgspec.ValidationError, ValueError) as error:
            faults.append(f"catalog {path}: model {number} ({label}): {error}")
    if faults:
        raise ConfigurationError(*faults)
    return list(made.values())


def _rows(path: Path) -> Iterable[Any]:
    try:
        text = path.read_text(encoding="utf-8")
        data: Any = (
            tomllib.loads(text, parse_float=Decimal)
            if path.suffix == ".toml"
            else msgspec.json.Decoder(float_hook=Decimal).decode(text)
        )
    except OSError as error:
        raise ConfigurationError(f"catalog {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"catalog {path}: {error}") from error
    rows = data.get("models") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise ConfigurationError(f"catalog {path}: has no list of models: write [[models]] with provider and id")
    return rows


def _model(row: _Own, path: Path, known: Model | None, *, is_first: bool) -> Model:
    facts: dict[str, Any] = {name: value for name in FACTS if (value := getattr(row, name)) is not None}
    if row.matches is not None:
        facts["matches"] = ["or", [["regex", translate(name.lower())] for name in row.matches]]
    if known is None:
        known = Model(provider=row.provider, id=row.id)
    facts |= {"provider": row.provider, "id": row.id, "source": str(path), "checked": "", "base": None}
    if is_first and row.matches is None:
        facts["matches"] = None
    period = _period(row, row)
    if period is not None:
        facts["periods"] = (period,) if is_first else (*known.periods, period)
        facts["batch"] = () if is_first else known.batch
    if row.batch is not None and (cheaper := _period(row.batch, row)) is not None:
        facts["batch"] = (cheaper,) if is_first else (*known.batch, cheaper)
    return msgspec.structs.replace(known, **facts)


def _period(prices: _Prices, row: _Own) -> Period | None:
    """The rates that `prices` state, from the day of `row` on; None when they state none."""
    tiers = row.above if prices is row else []
    found: dict[str, Any] = {}
    for kind in KINDS:
        if (base := getattr(prices, kind)) is not None:
            steps = [(tier.tokens, nano(value)) for tier in tiers if (value := getattr(tier, kind)) is not None]
            found[kind] = Rate(nano(base), tuple(sorted(steps)))
    if prices is row and row.per_request is not None:
        found["per_request"] = nano(row.per_request)
    return Period(rates=Rates(**found), since=None if row.since is None else row.since.isoformat()) if found else None


def nano(dollars: Decimal) -> int:
    """Nano-dollars from US dollars. Raises ValueError for less than nothing, and for parts of a nano-dollar."""
    if not dollars.is_finite() or dollars < 0:
        raise ValueError(f"price {dollars}: must be 0 or more")
    exact = dollars.scaleb(9)
    if exact != exact.to_integral_value():
        raise ValueError(f"price {dollars}: has more than nine decimals; round it to a nano-dollar")
    return int(exact)
