"""Check: entries in, good values and all faults out. Nothing stops at the first fault.

A fault names the place where the value was written, the setting, what is wrong, and the remedy or what was probably meant. It
repeats numbers and truth values, never text: the text may be a key.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from backstay.config import kind
from backstay.config.entry import Entry
from backstay.config.reference import is_key_like
from backstay.config.schema import Names, Place, Section, Setting, Unknown, dotted, find, suggest, tree
from backstay.config.setting import Config

_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_WORDS: Mapping[type, str] = {str: "text", list: "a list", tuple: "a list", dict: "a table", bool: "a truth value"}


class Wrong(Exception):
    """What is wrong with one value, in words that do not repeat it."""


class Checked(msgspec.Struct, frozen=True):
    """The good values by place, the later entry winning, and the faults of all entries."""

    values: dict[Place, Entry]
    faults: list[str]


def check(entries: Iterable[Entry]) -> Checked:
    """Every entry judged on its own, also those that a later one overrules: a wrong file is wrong."""
    values: dict[Place, Entry] = {}
    faults: list[str] = []
    seen: set[tuple[str, Place]] = set()
    for entry in entries:
        where = entry.origin.removeprefix("file ")
        node = find(entry.place)
        try:
            value = _judge(entry, node)
        except Wrong as wrong:
            shown = entry.place[: node.depth] if isinstance(node, Unknown) else entry.place
            if (where.partition(":")[0], shown) not in seen:
                faults.append(f"{where}: {dotted(shown)}: {wrong}")
            seen.add((where.partition(":")[0], shown))
            continue
        values[entry.place] = Entry(place=entry.place, value=value, origin=entry.origin)
    return Checked(values, faults)


def section_faults(config: Config) -> Iterator[tuple[Place, str]]:
    """What only several values of one section together have wrong, with the place of the one to change."""
    for name, node in tree().children.items():
        section = getattr(config, name)
        if isinstance(node, Section) and hasattr(section, "faults"):
            yield from (((name, setting), fault) for setting, fault in section.faults())


def _judge(entry: Entry, node: Any) -> Any:
    """The entry's value as its setting has it. Raises Wrong."""
    if isinstance(node, Unknown):
        raise Wrong(f"no such setting; {node.hint}{_key_warning(entry.value)}")
    _check_names(entry.place)
    if isinstance(node, Setting):
        return fit(node, entry.value, name=entry.place[-1], is_text=entry.is_text)
    if isinstance(entry.value, Mapping):
        return {}
    raise Wrong(f"is a section: write [{dotted(entry.place)}] and its settings under it")


def _check_names(place: Place) -> None:
    for depth, name in enumerate(place):
        parent = find(place[:depth])
        fault = kind.check(parent.kind, name, name) if isinstance(parent, Names) and parent.kind else None
        if fault:
            raise Wrong(f"the name of a table here {fault}")


def _key_warning(value: Any) -> str:
    is_key = isinstance(value, str) and is_key_like(value)
    return f" It looks like a key, and providers.NAME.key {kind.REFERENCE_RULE}" if is_key else ""


def fit(setting: Setting, value: Any, *, name: str, is_text: bool) -> Any:
    """`value` as `setting` takes it. Raises Wrong."""
    if setting.is_optional and (value is None or value == "none"):
        return None
    if setting.is_list:
        return _fit_list(setting, value, name=name, is_text=is_text)
    if setting.choices:
        return _choose(setting, value)
    if setting.type is str:
        return _fit_text(setting, value, name)
    if is_text and isinstance(value, str):
        value = _read_word(setting, value)
    if setting.type is bool or isinstance(value, bool):
        if setting.type is bool and isinstance(value, bool):
            return value
        raise Wrong(f"expects {setting.expected}, not {_show(value)}")
    return _fit_number(setting, value)


def _fit_list(setting: Setting, value: Any, *, name: str, is_text: bool) -> tuple[Any, ...]:
    """A list, each item as the setting takes it; in a variable or an argument the items stand between commas."""
    if is_text and isinstance(value, str):
        value = [
            item.strip().strip("\"'")
            for item in value.strip().removeprefix("[").removesuffix("]").split(",")
            if item.strip()
        ]
    if not isinstance(value, (list, tuple)):
        raise Wrong(f"expects {setting.expected}, not {_show(value)}")
    item = msgspec.structs.replace(setting, is_list=False, is_optional=False)
    return tuple(fit(item, one, name=name, is_text=is_text) for one in value)


def _choose(setting: Setting, value: Any) -> str:
    if value in setting.choices:
        return str(value)
    near = suggest(value, setting.choices) if isinstance(value, str) else None
    raise Wrong(f"expects {setting.expected}" + (f"; did you mean {near}?" if near else f", not {_show(value)}"))


def _fit_text(setting: Setting, value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Wrong(f"expects text, not {_show(value)}")
    fault = kind.check(setting.kind, value, name)
    if fault:
        raise Wrong(fault)
    if is_key_like(value):
        raise Wrong(f"looks like a key, and providers.NAME.key {kind.REFERENCE_RULE}")
    return value


def _read_word(setting: Setting, text: str) -> Any:
    """A number or a truth value from a word; the word itself where it is neither."""
    if setting.type is bool:
        return _TRUTH.get(text.strip().lower(), text)
    try:
        return setting.type(text.strip())
    except ValueError:
        return text


def _fit_number(setting: Setting, value: Any) -> Any:
    is_number = isinstance(value, int) or (isinstance(value, float) and setting.type is float)
    if not is_number:
        raise Wrong(f"expects {setting.expected}, not {_show(value)}")
    is_low = (setting.above is not None and not value > setting.above) or (
        setting.least is not None and not value >= setting.least
    )
    is_high = setting.most is not None and not value <= setting.most
    if is_low or is_high or not -1e15 < value < 1e15:
        raise Wrong(f"expects {setting.expected}, not {_show(value)}")
    return setting.type(value)


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else "a huge number"
    if isinstance(value, float):
        return f"{value:g}" if math.isfinite(value) else "a number without bound"
    return _WORDS.get(type(value), "a date or time")
