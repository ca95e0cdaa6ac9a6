"""Choice: which model is asked when the settings leave it open, and whether the one they name can be.

Nothing named: the first provider, in the order of the registry, whose key is there; then a server that needs no key and whose
address was given; else `offline:rules`, which always answers. A provider alone stands for its default model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from backstay.codecs.registry import ProviderRow
from backstay.config.environment import Environment
from backstay.config.reference import describe
from backstay.config.schema import suggest
from backstay.config.setting import Config, Provider
from backstay.config.usual import BUILT_IN, DEFAULT_MODELS, OFFLINE, has_address


class Choice(msgspec.Struct, frozen=True):
    """A whole model name and why it was taken, or the fault that prevents one. `why` is empty where the settings name it."""

    model: str = ""
    why: str = ""
    fault: str = ""


def choose(
    config: Config, rows: Sequence[ProviderRow], environment: Environment, *, services: Collection[str] = ()
) -> Choice:
    """The model to ask. `services` are further names that answer."""
    models: dict[str, str | None] = {**dict.fromkeys(services), **BUILT_IN}
    models |= {row.name: DEFAULT_MODELS.get(row.name) for row in rows}
    for name, provider in config.providers.items():
        models[name] = provider.model or models.get(name)
    if config.model is not None:
        return _named(config.model, models)
    return _first_able(config, models, rows, environment)


def _named(text: str, models: dict[str, str | None]) -> Choice:
    provider, colon, model = text.partition(":")
    if provider not in models:
        near = suggest(provider, models)
        example = "write provider:model, for example openai:gpt-5-mini or offline:rules"
        return Choice(fault=f"names no known provider; {f'did you mean {near}{colon}...?' if near else example}")
    if colon:
        return Choice(text) if model else Choice(fault="names no model after the colon")
    default = models[provider]
    if default is None:
        return Choice(fault=f"{provider} has no default model: write {provider}:MODEL")
    return Choice(f"{provider}:{default}", why=f"default model of {provider}")


def _first_able(
    config: Config, models: dict[str, str | None], rows: Sequence[ProviderRow], environment: Environment
) -> Choice:
    lacking = {
        row.name
        for row in rows
        if not has_address(row, environment) and not config.providers.get(row.name, Provider()).base_url
    }
    able = [(name, config.providers[name]) for name in models if name in config.providers and models[name]]
    for name, provider in able:
        if name not in lacking and provider.key is not None and is_there(provider.key, environment):
            return Choice(f"{name}:{models[name]}", why=f"first provider with a key ({describe(provider.key)})")
    keyed = {row.name for row in rows if row.needs_key}
    for name, provider in able:
        if name not in keyed and provider.base_url is not None and provider.key is None:
            return Choice(f"{name}:{models[name]}", why=f"its address is set (providers.{name}.base_url)")
    return Choice(OFFLINE, why="no key is set")


def is_there(reference: str, environment: Environment) -> bool:
    """True when the reference leads somewhere, as far as can be seen without reading a secret; a keyring is taken at its word."""
    kind, _, place = reference.partition(":")
    if kind == "env":
        return environment.get(place) is not None
    return kind == "keyring" or Path(place).expanduser().is_file()


def missing_address(
    config: Config, rows: Sequence[ProviderRow], model: str, environment: Environment
) -> Iterator[tuple[str, str]]:
    """Providers that lack an address, with the fault: those that are not built in, and the one to ask if its row has a gap."""
    known = {row.name: row for row in rows}
    for name, provider in config.providers.items():
        if name not in known and name not in BUILT_IN and provider.base_url is None:
            near = suggest(name, known)
            yield (
                name,
                "is not built in, so it needs a base_url" + (f"; did you mean providers.{near}?" if near else ""),
            )
    name = model.partition(":")[0]
    if (
        name in known
        and not has_address(known[name], environment)
        and not config.providers.get(name, Provider()).base_url
    ):
        yield name, f"has an address of your own, like {known[name].base_url}: set providers.{name}.base_url"
