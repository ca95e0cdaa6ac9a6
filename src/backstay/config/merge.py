"""Merge: the entries of all sources, joined, judged, and made into one Config.

The lists are joined weakest first; each entry is judged on its own; the last good one of each place counts. Precedence is
therefore the order of one list, and provenance is a field of what won.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from backstay.codecs.registry import ProviderRow, dialects
from backstay.config import file
from backstay.config.check import check, section_faults
from backstay.config.choice import Choice, choose, missing_address
from backstay.config.entry import Arguments, Entry
from backstay.config.environment import Environment
from backstay.config.file import Source
from backstay.config.schema import Names, Node, Place, Section, Setting, dotted, find, suggest, tree
from backstay.config.setting import Config
from backstay.config.trust import trust_faults
from backstay.config.variable import misspelt, read_proxy, read_variables


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: settings, or faults and no settings, because a refused value must not travel on."""

    config: Config = Config()
    sources: dict[str, str] = {}
    choice: Choice = Choice()
    faults: list[str] = []


def settle(
    source: Source | None,
    cwd: Path,
    environment: Environment,
    given: Arguments,
    *,
    rows: tuple[ProviderRow, ...],
    services: Collection[str] = (),
) -> Settled:
    """Everything that the sources say, and everything that is wrong with it."""
    written, faults = file.read(source, cwd=cwd) if source else ([], [])
    names = {entry.place[1] for entry in written if entry.place[0] == "providers" and len(entry.place) > 1}
    entries = [*written, *read_variables(environment, rows, names), *given.entries]
    checked = check(entries)
    faults = [*faults, *misspelt(environment), *checked.faults]
    values = dict(checked.values)
    if source is not None and source.is_found:
        faults += trust_faults(values, rows)
    if _is_on(values, ("transport", "trust_env")):
        values = {**{entry.place: entry for entry in read_proxy(environment)}, **values}
    config = Config(**_build(tree(), (), values))
    choice = choose(config, rows, environment, services=services)
    faults += _joint_faults(config, values, choice, rows, environment)
    if faults:
        return Settled(faults=sorted(faults, key=_line))
    return Settled(config=config, sources=_sources(values, choice), choice=choice)


def _line(fault: str) -> tuple[bool, int]:
    """Faults of the file first, in its order; the rest as they came."""
    line = re.match(r"[^ ][^:]*:(\d+): ", fault)
    return line is None, int(line[1]) if line else 0


def _is_on(values: Mapping[Place, Entry], place: Place) -> bool:
    return place in values and values[place].value is True


def _build(section: Section, place: Place, values: Mapping[Place, Entry]) -> dict[str, Any]:
    """The arguments of a section's Struct: what is set; what is not is left to its defaults."""
    made: dict[str, Any] = {}
    for name, node in section.children.items():
        here = (*place, name)
        match node:
            case Setting() if here in values:
                made[name] = values[here].value
            case Section():
                made[name] = node.struct(**_build(node, here, values))
            case Names():
                made[name] = {chosen: _each(node.each, (*here, chosen), values) for chosen in _names(here, values)}
    return made


def _each(node: Node, place: Place, values: Mapping[Place, Entry]) -> Any:
    return node.struct(**_build(node, place, values)) if isinstance(node, Section) else values[place].value


def _names(place: Place, values: Mapping[Place, Entry]) -> list[str]:
    return list(
        dict.fromkeys(key[len(place)] for key in values if key[: len(place)] == place and len(key) > len(place))
    )


def _sources(values: Mapping[Place, Entry], choice: Choice) -> dict[str, str]:
    """Where each setting came from: every fixed one, and those of the names in use."""
    sources = {
        dotted(place): values[place].origin if place in values else "default" for place in _places(tree(), values)
    }
    if choice.why:
        sources["model"] = f"{sources['model']}: {choice.why}"
    return sources


def _places(node: Node, values: Mapping[Place, Entry], place: Place = ()) -> Iterator[Place]:
    """The places of all settings; under names that the user chose, of those that are set."""
    match node:
        case Setting():
            yield place
        case Section():
            for name, child in node.children.items():
                yield from _places(child, values, (*place, name))
        case Names():
            for name in _names(place, values):
                under = (key for key in values if key[: len(place) + 1] == (*place, name))
                yield from (key for key in under if isinstance(find(key), Setting))


def _joint_faults(
    config: Config,
    values: Mapping[Place, Entry],
    choice: Choice,
    rows: Sequence[ProviderRow],
    environment: Environment,
) -> Iterator[str]:
    """Faults that only several values together have."""
    for name, fault in missing_address(config, rows, choice.model, environment):
        yield f"{_where(values, ('providers', name))}: providers.{name}: {fault}"
    for name, provider in config.providers.items():
        if provider.dialect is not None and provider.dialect not in dialects():
            near = suggest(provider.dialect, dialects())
            hint = f"did you mean {near}?" if near else f"there is {', '.join(dialects())}"
            where = _where(values, ("providers", name, "dialect"))
            yield f"{where}: providers.{name}.dialect: is no known dialect; {hint}"
    for place, fault in section_faults(config):
        yield f"{_where(values, place)}: {dotted(place)}: {fault}"
    if choice.fault:
        yield f"{_where(values, ('model',))}: model: {choice.fault}"


def _where(values: Mapping[Place, Entry], place: Place) -> str:
    """Where the value at `place` was written, else the first under it, else the first of its section."""
    for prefix in (place, place[:1]):
        for key, entry in values.items():
            if key[: len(prefix)] == prefix:
                return entry.origin.removeprefix("file ")
    return "default"
