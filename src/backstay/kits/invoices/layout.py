"""Layout: whose form a document is written on, told by its marks, and where on that form the values stand.

A layout is data: a TOML file with the vendor's marks (words and lines that stand on each of its documents and on few others) and
a hint for each field (the label that its value stands behind, or below). `learn` makes one from a few labelled documents. Where
no layout is sure enough a document is generic, and the general rules read it alone.

    name = "druckerei-adler"
    vendor = "Druckerei Adler GmbH"

    [[marks]]
    text = "Druckerei Adler GmbH"
    weight = 3.0

    [[fields]]
    name = "number"
    label = "Rechnung Nr."
    place = "right"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError
from backstay.offline.amount import format_amount, guess_decimal_mark, parse_amount
from backstay.offline.date import find_dates
from backstay.offline.finding import Finding

Place: TypeAlias = Literal["right", "below"]

SURE: Final = 0.5
"""A layout with less of its marks is not taken for the document's."""

HINT_CONFIDENCE: Final = 0.9
DATES: Final = ("issue_date", "due_date")
AMOUNTS: Final = ("net_total", "tax_total", "grand_total")
MOST_MARKS: Final = 12
SHORTEST_MARK: Final = 6
GAP: Final = re.compile(r"[ \t]{2,}|\t")


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A text that tells a layout; case and spaces do not count. `weight` is more than 0."""

    text: str
    weight: float = 1.0


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a field stands: behind its `label` on the line, or at its place on the next line that has text there."""

    name: str
    label: str
    place: Place = "right"


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor's form. Raises ConfigurationError for one without marks."""

    name: str
    vendor: str = ""
    marks: tuple[Mark, ...]
    fields: tuple[Hint, ...] = ()

    def __post_init__(self) -> None:
        if not self.marks or not all(mark.text.strip() and mark.weight > 0 for mark in self.marks):
            raise ConfigurationError(f"layout {self.name}: needs marks, each with a text and a weight above 0")


class Detected(msgspec.Struct, frozen=True, kw_only=True):
    """What a document was taken for: the layout or None, its name or "generic", how surely, and why."""

    layout: Layout | None
    name: str
    confidence: float
    reasoning: str


def detect(text: str, layouts: Sequence[Layout]) -> Detected:
    """The layout with the greatest share of its marks in `text`; generic where none has half of them, or two are alike."""
    plain = _plain(text)
    ranked = sorted(((_share(layout, plain), layout) for layout in layouts), key=lambda pair: (-pair[0], pair[1].name))
    if not ranked:
        return Detected(layout=None, name="generic", confidence=0.0, reasoning="no vendor layout is known")
    share, best = ranked[0]
    second = ranked[1][0] if len(ranked) > 1 else 0.0
    found = [mark.text for mark in best.marks if _stands_in(_plain(mark.text), plain)]
    if share < SURE or share == second:
        is_weak = share < SURE
        why = f"the nearest, {best.name}, has {share:.0%} of its marks" if is_weak else "two layouts fit alike"
        return Detected(layout=None, name="generic", confidence=1 - share if is_weak else 0.0, reasoning=why)
    shown = ", ".join(repr(mark) for mark in found[:3])
    return Detected(layout=best, name=best.name, confidence=share, reasoning=f"{share:.0%} of its marks: {shown}")


def _share(layout: Layout, plain: str) -> float:
    total = sum(mark.weight for mark in layout.marks)
    return sum(mark.weight for mark in layout.marks if _stands_in(_plain(mark.text), plain)) / total


def _stands_in(part: str, text: str) -> bool:
    """True where `part` stands in `text` as words, and not inside of one."""
    return _word_at(part, text) >= 0


def _word_at(part: str, text: str) -> int:
    """Where `part` stands in `text` with neither a letter nor a digit beside it; -1 where it does not."""
    at = text.find(part)
    while at >= 0:
        before, behind = text[at - 1 : at], text[at + len(part) : at + len(part) + 1]
        if not (before.isalnum() and part[:1].isalnum()) and not (behind.isalnum() and part[-1:].isalnum()):
            return at
        at = text.find(part, at + 1)
    return -1


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def read_fields(layout: Layout, text: str) -> dict[str, Finding]:
    """The fields that the layout's hints lead to, each with its place; a hint that leads nowhere gives nothing."""
    lines = [(found.start(), found[0]) for found in re.finditer(r"[^\n]+", text)]
    findings: dict[str, Finding] = {}
    for hint in layout.fields:
        for number, (start, line) in enumerate(lines):
            at = _word_at(hint.label.lower(), line.lower())
            if at < 0:
                continue
            spot = (
                _right(start, line, at + len(hint.label)) if hint.place == "right" else _below(lines[number + 1 :], at)
            )
            finding = None if spot is None else _finding(layout, hint, text, *spot)
            if finding is not None:
                findings.setdefault(hint.name, finding)
                break
    return findings


def _right(start: int, line: str, behind: int) -> tuple[int, int] | None:
    """The cell behind a label: up to the next gap of two spaces."""
    rest = line[behind:]
    skipped = len(rest) - len(rest.lstrip(" :.\t#"))
    cell = GAP.split(rest[skipped:], maxsplit=1)[0].rstrip()
    return (start + behind + skipped, start + behind + skipped + len(cell)) if cell else None


def _below(lines: Sequence[tuple[int, str]], column: int) -> tuple[int, int] | None:
    """The cell at `column` of the next line that is not empty."""
    for start, line in lines:
        if not line.strip():
            continue
        for cell in re.finditer(r"\S+(?: \S+)*", line):
            if cell.end() > column:
                return start + cell.start(), start + cell.end()
        return None
    return None


def _finding(layout: Layout, hint: Hint, text: str, start: int, end: int) -> Finding | None:
    value = read_value(hint.name, text, start, end)
    if value is None:
        return None
    return Finding(value=value, confidence=HINT_CONFIDENCE, start=start, end=end, rule=f"layout:{layout.name}")


def read_value(name: str, text: str, start: int, end: int) -> str | None:
    """The cell text[start:end] as the field `name` has it: an ISO date, a decimal, or the words; None where it is none.

    How a day and a month, or a thousand and a decimal, are told apart is a matter of the whole document.
    """
    if name in DATES:
        days = {date.value for date in find_dates(text) if start <= date.start and date.end <= end}
        return days.pop() if len(days) == 1 else None
    if name in AMOUNTS:
        number = parse_amount(text[start:end], decimal_mark=guess_decimal_mark(text))
        return None if number is None else format_amount(number)
    return text[start:end].strip() or None


def learn(name: str, examples: Sequence[tuple[str, Mapping[str, Any]]], *, others: Iterable[str] = ()) -> Layout:
    """A layout from labelled documents of one vendor: text and right values. `others` are documents of other vendors.

    Marks are lines that stand in every example and in none of `others`; a hint is the label that stands before the right value in
    every example. Raises ConfigurationError for fewer than two examples, and where they share no line.
    """
    if len(examples) < 2:
        raise ConfigurationError(
            f"layout {name}: two labelled documents at least, or what changes cannot be told apart"
        )
    texts = [text for text, _ in examples]
    foreign = [_plain(text) for text in others]
    first = examples[0][1]
    changing = [name for name in first if any(data.get(name) != first[name] for _, data in examples)]
    values = {_plain(str(data[name])) for _, data in examples for name in changing if data.get(name)}
    shared = [
        part
        for part in dict.fromkeys(GAP.split(texts[0].replace("\n", "  ")))
        if len(part.strip()) >= SHORTEST_MARK
        and all(_plain(part) in _plain(text) for text in texts[1:])
        and not any(_plain(part) in text for text in foreign)
        and not re.fullmatch(r"[\d.,/: -]+", part.strip())
        and not part.strip().endswith(":")
    ]
    marks = [
        Mark(text=part.strip(), weight=1.0 + len(part.split()) / 4) for part in shared if _plain(part) not in values
    ]
    if not marks:
        raise ConfigurationError(f"layout {name}: the documents share no line that no other has")
    vendor = next((str(data["seller"]) for _, data in examples if data.get("seller")), "")
    hints = [hint for field in _fields(examples) if (hint := _hint(field, examples)) is not None]
    best = sorted(marks, key=lambda mark: -mark.weight)[:MOST_MARKS]
    return Layout(name=name, vendor=vendor, marks=tuple(best), fields=tuple(hints))


def _fields(examples: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    names = [name for name, value in examples[0][1].items() if isinstance(value, str) and value]
    return [
        name for name in names if all(data.get(name) for _, data in examples) and name not in ("seller", "currency")
    ]


def _hint(name: str, examples: Sequence[tuple[str, Mapping[str, Any]]]) -> Hint | None:
    """The label of the first example's value that leads to the right value in all of them."""
    text = examples[0][0]
    for line in text.splitlines():
        cells = [cell.strip(" :") for cell in GAP.split(line) if cell.strip(" :")]
        for cell in cells:
            words = cell.split()
            for length in range(1, min(len(words), 5) + 1):
                label = " ".join(words[:length])
                for place in ("right", "below"):
                    hint = Hint(name=name, label=label, place=place)
                    trial = Layout(name="trial", marks=(Mark(text="trial"),), fields=(hint,))
                    if all(
                        (found := read_fields(trial, one).get(name)) is not None and found.value == right[name]
                        for one, right in examples
                    ):
                        return hint
    return None


def load_layouts(folder: str | Path) -> list[Layout]:
    """The layouts of a folder's TOML files, by name. Raises ConfigurationError with the faults of all files."""
    layouts, faults = [], []
    for path in sorted(Path(folder).glob("*.toml")):
        try:
            layouts.append(msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Layout))
        except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            faults.append(f"{path}: {error}")
        except ConfigurationError as error:
            faults += [f"{path}: {fault}" for fault in error.faults]
    if faults:
        raise ConfigurationError(*faults)
    return layouts


def save_layout(layout: Layout, path: str | Path) -> None:
    """Write a layout as TOML, to be read and corrected by a person."""

    def quote(text: str) -> str:
        return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")

    lines = [f"name = {quote(layout.name)}", f"vendor = {quote(layout.vendor)}"]
    for mark in layout.marks:
        lines += ["", "[[marks]]", f"text = {quote(mark.text)}", f"weight = {mark.weight!r}"]
    for hint in layout.fields:
        lines += [
            "",
            "[[fields]]",
            f"name = {quote(hint.name)}",
            f"label = {quote(hint.label)}",
            f"place = {quote(hint.place)}",
        ]
    Path(path).write_text("\n".join([*lines, ""]), encoding="utf-8")
