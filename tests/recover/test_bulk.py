"""Large damaged texts: rewriting rows in bulk changes no value, and garbage is read in bounded work."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from backstay.recover import Status, parse
from backstay.recover.document import Settings, candidates
from backstay.recover.outcome import Log
from backstay.recover.rewrite import Rewriter
from backstay.recover.scan import Page

ROWS = [
    {
        "id": n,
        "name": f"Berth {n}",
        "free": n % 3 == 0,
        "tags": ["quay", "no. " + str(n)],
        "note": None,
        "box": {"w": 1.5},
    }
    for n in range(300)
]
PRETTY = json.dumps(ROWS, indent=1)


def bare(text: str) -> str:
    return re.sub(r'"(\w+)":', r"\1:", text)


DAMAGE: dict[str, tuple[str, Any]] = {
    "single quotes": (PRETTY.replace('"', "'"), ROWS),
    "Python repr": (repr(ROWS), ROWS),
    "trailing commas": (re.sub(r"(\n\s*[}\]])", r",\1", PRETTY), ROWS),
    "bare keys": (bare(PRETTY), ROWS),
    "bare keys and comments": (bare(PRETTY).replace(",\n", ", // as told\n"), ROWS),
    "bare keys and remarks with quotes": (bare(PRETTY).replace(",\n", ', // the "old" pier, a: 1\n'), ROWS),
    "hash comments": (bare(PRETTY).replace(",\n", ", # as told\n"), ROWS),
    "raw quotes": (
        PRETTY.replace("Berth", 'The "old" berth'),
        json.loads(PRETTY.replace("Berth", 'The \\"old\\" berth')),
    ),
    "raw quotes with keys in them": (
        PRETTY.replace("Berth", 'The "id: 4" berth'),
        json.loads(PRETTY.replace("Berth", 'The \\"id: 4\\" berth')),
    ),
    "words that look like literals": (
        PRETTY.replace('"', "'").replace("Berth", "True None // a: b, c: #"),
        json.loads(PRETTY.replace("Berth", "True None // a: b, c: #")),
    ),
    "missing commas": (PRETTY.replace('",\n  "free"', '"\n  "free"'), ROWS),
    "concatenation": (PRETTY.replace('"Berth ', '"Ber" + "th '), ROWS),
    "doubled quotes": (re.sub(r'"(Berth \d+)"', r'""\1""', PRETTY), ROWS),
    "missing comma in arrays": (PRETTY.replace('"quay",', '"quay"'), ROWS),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_every_row_of_a_long_table_is_read_like_the_first(name: str) -> None:
    """The rows beyond the report's cap go through the rewriter where it can prove them; none changes value."""
    text, expected = DAMAGE[name]
    found = parse(text)
    assert found.status is Status.RECOVERED
    assert found.value == expected


class Idle(Rewriter):
    """Leaves everything to the token readers."""

    def take(self, text: str, pos: int, depth: int, log: Log) -> None:
        return None

    def take_run(self, text: str, pos: int, depth: int, log: Log) -> None:
        return None


class Reckless(Rewriter):
    """The broken variant: forgets where the strings are."""

    def spell(self, chunk: str) -> tuple[str, int]:
        return chunk.replace("'", '"').replace("True", "true").replace("None", "null"), 1


def page_with(rewriter: type[Rewriter]) -> type[Page]:
    """The kind of page that rewrites with `rewriter`."""

    class Changed(Page):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            self.rewriter = rewriter(len(text))

    return Changed


def read_with(page: type[Page], text: str) -> Any:
    """The one value in `text`, scanned on a page of this kind."""
    (candidate,) = candidates(text, Settings(page=page))
    return candidate.value


@pytest.mark.parametrize("name", DAMAGE)
def test_the_rewriter_agrees_with_the_token_readers(name: str) -> None:
    """With the rewriter out of action the values are the same."""
    text, _ = DAMAGE[name]
    assert read_with(page_with(Idle), text) == parse(text).value


def test_a_rewriter_that_reaches_into_strings_is_caught() -> None:
    """The tables above notice a rewriting that forgets where the strings are."""
    text, expected = DAMAGE["words that look like literals"]
    assert read_with(page_with(Reckless), text) != expected
    assert read_with(page_with(Rewriter), text) == expected


def test_repairs_beyond_the_report_are_counted() -> None:
    """Rows read in bulk add to the count: each has a pair of raw quotes in one string."""
    found = parse(PRETTY.replace("Berth", 'The "old" berth'))
    assert found.repair_count == len(ROWS)
    assert len(found.repairs) == 100
    text = PRETTY.replace("Berth", 'The "old" berth')
    assert all(text[repair.offset :].startswith('"The "old" berth') for repair in found.repairs)


GARBAGE: dict[str, Callable[[int], str]] = {
    "junk after each value": lambda n: '{"a":"b" c} ' * n,
    "junk after each item": lambda n: "[" + '"a" b, ' * n,
    "unclosed strings": lambda n: "[" + '"a,' * n + "]",
    "unclosed keys": lambda n: '{"a' * n,
    "quotes and newlines": lambda n: '{"a":"' + 'x"\n' * n,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_the_weighing_of_garbage_is_bounded_by_its_length(name: str) -> None:
    """The effort spent never passes the budget by more than one candidate's, and what remains is read plainly."""
    begun: list[Page] = []

    class Metered(Page):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            begun.append(self)

    candidates(GARBAGE[name](20_000), Settings(page=Metered))
    assert begun
    assert all(page.effort > -100 for page in begun)


def test_the_plain_reading_keeps_what_is_whole_and_says_where_it_began() -> None:
    """Far into garbage, whole members and items still come out, brackets still nest."""
    text = "[" + '"a" b, ' * 20_000 + '{"key": "va\\"lue", "n": [1, 2.5, true], "w": north end}]'
    found = parse(text)
    assert "plain_reading" in {warning.split(" at ")[0] for warning in found.warnings}
    assert found.value[-1] == {"key": 'va"lue', "n": [1, 2.5, True], "w": "north end"}


def test_neighbouring_objects_become_a_list_of_all() -> None:
    """Concatenated objects, taken one behind the other, keep their order and number."""
    found = parse('{"a": 1}\n{"a": 2} {"a": 3},{"a": 4}{"a": [5}')
    assert found.value == [{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}, {"a": [5]}]
