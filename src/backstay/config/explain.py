"""Explain: every setting, its value as text that may be shown, and where it came from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from backstay.config.choice import is_there
from backstay.config.load import Loaded
from backstay.config.reference import describe, is_reference
from backstay.config.schema import Setting, find
from backstay.errors import ConfigurationError


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    setting: str
    value: str
    source: str


def explain(loaded: Loaded) -> tuple[Row, ...]:
    """A row for each setting, those of the providers in use among them. Secrets show as "set (env NAME)"."""
    return tuple(Row(setting=name, value=_show(loaded, name), source=source) for name, source in loaded.sources.items())


def verify(loaded: Loaded) -> tuple[str, ...]:
    """Faults that show only when references are resolved: missing variables, open files, a chosen model without a key."""
    faults = []
    wanted = {**dict.fromkeys(loaded.config.providers), loaded.model.partition(":")[0]: None}
    attempts: list[tuple[str, Callable[[], object]]] = [
        *((f"providers.{name}.key", partial(loaded.key, name)) for name in wanted if _needs(loaded, name)),
        *((f"providers.{name}.headers", partial(loaded.headers, name)) for name in wanted),
        ("transport.proxy", loaded.proxy),
    ]
    for setting, attempt in attempts:
        try:
            attempt()
        except ConfigurationError as error:
            faults.append(f"{setting}: {error}")
    return tuple(faults)


def _needs(loaded: Loaded, name: str) -> bool:
    """A key is looked for where one is named, and for the model that will be asked."""
    return loaded.provider(name).key is not None or loaded.model.startswith(f"{name}:")


def _show(loaded: Loaded, name: str) -> str:
    place = tuple(name.split("."))
    value = msgspec.to_builtins(loaded.config)
    for part in place:
        value = value.get(part) if isinstance(value, dict) else None
    return show(loaded, value, place)


def show(loaded: Loaded, value: Any, place: tuple[str, ...]) -> str:
    """A value as text: a reference says whether it leads somewhere, an absent one what it stands for."""
    node = find(place)
    if place == ("model",):
        return loaded.model
    if isinstance(value, str) and is_reference(value):
        state = "set" if is_there(value, loaded.environment) else "missing"
        return f"{state} ({describe(value)})"
    if value is None:
        absent = node.absent if isinstance(node, Setting) else None
        return f"({absent.replace('`', '')})" if absent else "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
