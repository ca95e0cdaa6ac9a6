"""`backstay models`: the catalogue, searched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import click
import msgspec

from backstay.catalog import Catalog, Model
from backstay.catalog.model import Rate
from backstay.cli import FAILED
from backstay.cli.table import print_table
from backstay.codecs.registry import providers
from backstay.config import load

PRICES = ("input", "output", "cache_read")
FIGURES = ("window", "output", "$ in", "$ out", "$ cached")
SPARE = ("can", "output", "$ cached")
"""What a narrow terminal does without, the first one first."""

ABILITIES = {
    "has_json_schema": "schema",
    "has_tools": "tools",
    "has_vision": "vision",
    "has_audio": "audio",
    "has_reasoning": "reasoning",
}
"""What sets models apart, and the word for it."""


@click.command()
@click.argument("words", nargs=-1)
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=40, show_default=True, help="How many to show at most."
)
@click.option("--json", "as_json", is_flag=True, help="Print all that is known as JSON.")
@click.option("--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read.")
def command(words: tuple[str, ...], limit: int, as_json: bool, config_path: str | None) -> None:
    """Models whose provider, id or name holds all WORDS: limits, abilities and prices in US dollars per million tokens.

    The model that WORDS spell stands first, and providers that can be asked by name stand before others.
    """
    catalog = Catalog.load(load(config_path).config.catalog.path)
    found = sorted(catalog.search(" ".join(words)), key=_nearness(words))
    if not found:
        click.echo(
            f"no model matches {' '.join(words)!r}; prices of your own go into a file named by catalog.path", err=True
        )
        raise SystemExit(FAILED)
    shown = list(islice(found, limit))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
    else:
        _show(shown)
        click.echo(
            f"USD per million tokens on {catalog.date}; ? unknown, - no rate of its own, + dearer for long inputs"
        )
        click.echo(f"from {'; '.join(catalog.sources)}")
        if len(found) > limit:
            click.echo(f"{len(found) - limit:,} more: --limit")


def _nearness(words: Sequence[str]) -> Callable[[Model], tuple[bool, int]]:
    """A key to sort by: what is spelt by the words first, then by the providers in the order of the registry."""
    places = {row.name: place for place, row in enumerate(providers())}
    spelt = "-".join(" ".join(words).lower().replace(":", " ").split())

    def key(model: Model) -> tuple[bool, int]:
        is_spelt = spelt in (model.id.lower(), f"{model.provider}-{model.id}".lower())
        return not is_spelt, places.get(model.provider, len(places))

    return key


def _show(models: Iterable[Model]) -> None:
    rows = []
    for model in models:
        rates: Any = model.rates(None)
        prices = [_price(getattr(rates, name)) if rates is not None else "?" for name in PRICES]
        limits = [_count(model.context_window), _count(model.max_output_tokens)]
        rows.append([model.provider, model.id, *limits, *prices, _can(model)])
    print_table(["provider", "model", *FIGURES, "can"], rows, figures=FIGURES, spare=SPARE)


def _price(rate: Rate | None) -> str:
    if rate is None:
        return "-"
    text = f"{rate.base / 1e9:.6f}".rstrip("0").rstrip(".")
    return f"{text}+" if rate.tiers else text


def _count(number: int | None) -> str:
    if number is None:
        return "?"
    if number >= 1_000_000:
        return f"{number / 1e6:.3g}M"
    return f"{number / 1000:.0f}k" if number >= 1000 else str(number)


def _can(model: Model) -> str:
    return " ".join(word for name, word in ABILITIES.items() if getattr(model, name))
