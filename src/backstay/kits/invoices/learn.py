"""Learn: a layout from a few labelled documents of one vendor.

Marks are the lines that all of them share and no other document has; a hint is the label that stands before the right value in
every one of them; the first few documents are kept as examples for a model. A label's data is what a person says is right, or a
record that a person has corrected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from backstay.errors import ConfigurationError
from backstay.kits.invoices.detect import plain
from backstay.kits.invoices.hint import GAP, read_fields
from backstay.kits.invoices.layout import DATES, Hint, Layout, Mark, Place, Sample
from backstay.offline.date import find_dates

MOST_MARKS: Final = 12
SHORTEST_MARK: Final = 6
MOST_EXAMPLES: Final = 3
LONGEST_EXAMPLE: Final = 3_000
"""Characters: a longer document is no example, since every question would carry it."""

LONGEST_LABEL: Final = 5
"""Words."""

PLACES: Final[Sequence[Place]] = ("right", "below")


def learn(name: str, examples: Sequence[tuple[str, Mapping[str, Any]]], *, others: Iterable[str] = ()) -> Layout:
    """A layout from labelled documents of one vendor: text and right values. `others` are documents of other vendors.

    Raises ConfigurationError for fewer than two examples, and where they share no line that no other document has.
    """
    if len(examples) < 2:
        raise ConfigurationError(
            f"layout {name}: two labelled documents at least, or what changes cannot be told apart"
        )
    marks = _marks(examples, others)
    if not marks:
        raise ConfigurationError(f"layout {name}: the documents share no line that no other has")
    vendor = next((str(data["seller"]) for _, data in examples if data.get("seller")), "")
    day_first = _day_first(examples)
    hints = [hint for field in _fields(examples) if (hint := _hint(field, examples, day_first)) is not None]
    hints += _fixed(examples)
    samples = [Sample(text=text, data=dict(data)) for text, data in examples if len(text) <= LONGEST_EXAMPLE]
    return Layout(
        name=name,
        vendor=vendor,
        marks=tuple(marks),
        day_first=day_first,
        fields=tuple(hints),
        examples=tuple(samples[:MOST_EXAMPLES]),
    )


def _marks(examples: Sequence[tuple[str, Mapping[str, Any]]], others: Iterable[str]) -> list[Mark]:
    texts = [text for text, _ in examples]
    foreign = [plain(text) for text in others]
    first = examples[0][1]
    changing = [name for name in first if any(data.get(name) != first[name] for _, data in examples)]
    values = {plain(str(data[name])) for _, data in examples for name in changing if data.get(name)}
    shared = [
        part
        for part in dict.fromkeys(GAP.split(texts[0].replace("\n", "  ")))
        if len(part.strip()) >= SHORTEST_MARK
        and all(plain(part) in plain(text) for text in texts[1:])
        and not any(plain(part) in text for text in foreign)
        and not re.fullmatch(r"[\d.,/: -]+", part.strip())
        and not part.strip().endswith(":")
    ]
    marks = [
        Mark(text=part.strip(), weight=1.0 + len(part.split()) / 4) for part in shared if plain(part) not in values
    ]
    return sorted(marks, key=lambda mark: -mark.weight)[:MOST_MARKS]


def _fields(examples: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    names = [name for name, value in examples[0][1].items() if isinstance(value, str) and value]
    return [
        name for name in names if all(data.get(name) for _, data in examples) and name not in ("seller", "currency")
    ]


def _hint(name: str, examples: Sequence[tuple[str, Mapping[str, Any]]], day_first: bool | None) -> Hint | None:
    """The label of the first example's value that leads to the right value in all of them.

    One before the value is better than one above it, one without figures better than one with, and more words than fewer.
    """
    hints = [Hint(name=name, label=label, place=place) for place in PLACES for label in _labels(examples[0][0])]
    return next((hint for hint in hints if _leads(hint, examples, day_first)), None)


def _labels(text: str) -> list[str]:
    """What may be a label: the first words of each cell, the likeliest first."""
    cells = [cell.strip(" :") for line in text.splitlines() for cell in GAP.split(line) if cell.strip(" :")]
    found = dict.fromkeys(
        " ".join(words[:length])
        for words in map(str.split, cells)
        for length in range(min(len(words), LONGEST_LABEL), 0, -1)
    )
    return sorted(found, key=lambda label: any(char.isdigit() for char in label))


def _fixed(examples: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Hint]:
    """What is the same in all of them: who sold, and the currency."""
    for name in ("seller", "currency"):
        values = {str(data.get(name) or "") for _, data in examples}
        if len(values) == 1 and (value := values.pop()):
            yield Hint(name=name, place="fixed", value=value)


def _day_first(examples: Sequence[tuple[str, Mapping[str, Any]]]) -> bool | None:
    """Whether the day stands before the month, where one order reads every labelled day and the other does not."""
    wanted = [(text, data[name]) for text, data in examples for name in DATES if data.get(name)]
    reads = {
        order: all(day in {found.value for found in find_dates(text, day_first=order)} for text, day in wanted)
        for order in (True, False)
    }
    return None if reads[True] == reads[False] else reads[True]


def _leads(hint: Hint, examples: Sequence[tuple[str, Mapping[str, Any]]], day_first: bool | None) -> bool:
    trial = Layout(name="trial", marks=(Mark(text="trial"),), fields=(hint,), day_first=day_first)
    return all(
        (found := read_fields(trial, text).get(hint.name)) is not None and found.value == right[hint.name]
        for text, right in examples
    )


def read_labels(path: str | Path) -> dict[str, dict[str, Any]]:
    """Right values by the file name of their document: a JSON object, or JSON Lines of records as the kit writes them.

    Raises ConfigurationError that names the file, and the line where it has lines.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"labels {path}: cannot be read: {error.strerror}") from error
    if path.suffix != ".jsonl":
        try:
            found = msgspec.json.decode(content, type=dict[str, dict[str, Any]])
        except msgspec.MsgspecError as error:
            raise ConfigurationError(f"labels {path}: an object of file names and their values: {error}") from error
        return {Path(name).name: _facts(data) for name, data in found.items()}
    labels: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(content.splitlines(), 1):
        try:
            row = msgspec.json.decode(line, type=_Row)
        except msgspec.MsgspecError as error:
            raise ConfigurationError(f"labels {path}:{number}: is no record: {error}") from error
        labels[Path(row.source).name] = _facts(row.data)
    return labels


class _Row(msgspec.Struct):
    source: str
    data: dict[str, Any]


def _facts(data: Mapping[str, Any]) -> dict[str, Any]:
    """What of a label is shown and looked for: its texts, and the lines where they are written out."""
    return {
        name: value
        for name, value in data.items()
        if (isinstance(value, str) and value) or (name == "lines" and isinstance(value, list))
    }
