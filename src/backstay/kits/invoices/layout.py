"""Layout: one vendor's form as data: the marks that tell it, where its values stand, and documents with their right answers.

A layout is a TOML file that a person can read and correct. `learn.py` makes one from labelled documents, `template.py` from a
template of regular expressions; `detect.py` tells which layout a document has, `hint.py` reads by it.

    name = "druckerei-adler"
    vendor = "Druckerei Adler GmbH"

    [[marks]]
    text = "Druckerei Adler GmbH"
    weight = 3.0

    [[fields]]
    name = "number"
    label = "Rechnung Nr."
    place = "right"

    [[examples]]
    text = "..."
    data = {number = "A-17", issue_date = "2026-02-03"}
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError

Place: TypeAlias = Literal["right", "below", "pattern", "fixed"]
Kind: TypeAlias = Literal["text", "date", "amount"]

DATES: Final = ("issue_date", "due_date")
AMOUNTS: Final = ("net_total", "tax_total", "grand_total")


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A text that tells a layout; case and spaces do not count. `weight` is more than 0.

    With `is_pattern` it is a regular expression, searched in the text as the layout's `form` has it.
    """

    text: str
    weight: float = 1.0
    is_pattern: bool = False


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a field stands.

    `place`: "right" of its `label` on the line; "below" it, on the next line with text; "pattern": what the first of `patterns`
    that matches has in its group (`is_sum`: all of them, added up); "fixed": it is always `value`. `kind` says how it is read,
    by its name where it is not given.
    """

    name: str
    label: str = ""
    place: Place = "right"
    patterns: tuple[str, ...] = ()
    value: str = ""
    is_sum: bool = False
    kind: Kind | None = None

    @property
    def reads(self) -> Kind:
        """How the cell is read: as a day, as an amount, or as it stands."""
        if self.kind is not None:
            return self.kind
        return "date" if self.name in DATES else "amount" if self.name in AMOUNTS else "text"


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to a text before patterns are searched in it."""

    is_squeezed: bool = False
    is_lower: bool = False
    is_plain: bool = False
    """Without accents."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A document of this form, and its right values: what a model is shown."""

    text: str
    data: dict[str, Any]


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor's form. It is taken for a document's from the share `least` of its marks, and never where a pattern of `exclude`
    is found. `day_first` and `decimal_mark` say how it writes days and amounts, where the document alone does not.

    Raises ConfigurationError with every fault.
    """

    name: str
    vendor: str = ""
    least: float = 0.5
    marks: tuple[Mark, ...]
    exclude: tuple[str, ...] = ()
    form: Form = Form()
    day_first: bool | None = None
    decimal_mark: str | None = None
    fields: tuple[Hint, ...] = ()
    examples: tuple[Sample, ...] = ()

    def __post_init__(self) -> None:
        if faults := list(_faults(self)):
            raise ConfigurationError(*(f"layout {self.name}: {fault}" for fault in faults))


def _faults(layout: Layout) -> Iterator[str]:
    if not layout.marks or not all(mark.text.strip() and mark.weight > 0 for mark in layout.marks):
        yield "needs marks, each with a text and a weight above 0"
    if not 0 < layout.least <= 1:
        yield f"least = {layout.least}: must be above 0 and at most 1"
    if layout.decimal_mark not in (None, ".", ","):
        yield f"decimal_mark = {layout.decimal_mark!r}: must be '.' or ','"
    for hint in layout.fields:
        needed = {"pattern": hint.patterns, "fixed": hint.value}.get(hint.place, hint.label.strip())
        if not needed:
            wanted = {"pattern": "patterns", "fixed": "value"}.get(hint.place, "label")
            yield f"fields.{hint.name}: place {hint.place} needs {wanted}"
    patterns = [("marks", mark.text) for mark in layout.marks if mark.is_pattern]
    patterns += [("exclude", pattern) for pattern in layout.exclude]
    patterns += [(f"fields.{hint.name}", pattern) for hint in layout.fields for pattern in hint.patterns]
    for place, pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"{place}: {pattern!r} is no regular expression: {error}"


def load_layouts(folder: str | Path) -> list[Layout]:
    """The layouts of a folder's TOML files, by file name. Raises ConfigurationError with the faults of all files."""
    layouts: list[Layout] = []
    faults: list[str] = []
    seen: dict[str, Path] = {}
    for path in sorted(Path(folder).glob("*.toml")):
        try:
            layout = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Layout)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            faults.append(f"{path}: {error}")
        except ConfigurationError as error:
            faults += [f"{path}: {fault}" for fault in error.faults]
        else:
            if (first := seen.setdefault(layout.name, path)) != path:
                faults.append(f"{path}: the name {layout.name!r} is that of {first.name} already")
            layouts.append(layout)
    if faults:
        raise ConfigurationError(*faults)
    return layouts


def save_layout(layout: Layout, path: str | Path) -> None:
    """Write a layout as TOML, to be read and corrected by a person. What is as by default is left out."""
    facts: dict[str, Any] = msgspec.to_builtins(layout)
    lines = [f"{name} = {_value(facts[name])}" for name in ("name", "vendor")]
    for name in ("least", "exclude", "form", "day_first", "decimal_mark"):
        if getattr(layout, name) != _DEFAULTS[name]:
            lines.append(f"{name} = {_value(facts[name])}")
    for mark in layout.marks:
        lines += ["", "[[marks]]", *_members(mark, ("is_pattern",))]
    for hint in layout.fields:
        lines += ["", "[[fields]]", *_members(hint, ("label", "patterns", "value", "is_sum", "kind"))]
    for example in layout.examples:
        lines += ["", "[[examples]]", f"text = {_block(example.text)}", f"data = {_value(example.data)}"]
    Path(path).write_text("\n".join([*lines, ""]), encoding="utf-8")


_DEFAULTS: Final = {"least": 0.5, "exclude": (), "form": Form(), "day_first": None, "decimal_mark": None}


def _members(struct: msgspec.Struct, optional: Iterable[str]) -> Iterator[str]:
    for name, value in msgspec.to_builtins(struct).items():
        if name not in optional or value not in ("", (), [], False, None):
            yield f"{name} = {_value(value)}"


def _value(value: Any) -> str:
    """A JSON value as TOML on one line; what is null is left out, as TOML has none."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(name)} = {_value(one)}" for name, one in value.items() if one is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(one) for one in value if one is not None) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def _block(text: str) -> str:
    """A text over several lines, as it stands."""
    return '"""\n' + "\n".join(_text(line)[1:-1] for line in text.split("\n")) + '"""'
