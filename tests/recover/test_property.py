"""What holds for every text: valid JSON is untouched, a cut document closes rightly, nothing raises, any split is the same."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backstay.recover import Parsed, Status, Stream, align, parse

JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)
RAW = st.text(alphabet=st.sampled_from("{}[]()\":,'`\\/#* \n\tabtrue0-1.<>“”"), max_size=60)


def is_prefix(partial: Any, whole: Any) -> bool:
    """True if `partial` is `whole` with a tail missing: fewer last members or items, a shorter last string."""
    if isinstance(whole, dict) and isinstance(partial, dict):
        names = list(whole)[: len(partial)]
        return list(partial) == names and all(is_prefix(partial[name], whole[name]) for name in names)
    if isinstance(whole, list) and isinstance(partial, list):
        return len(partial) <= len(whole) and all(map(is_prefix, partial, whole))
    if isinstance(whole, str) and isinstance(partial, str):
        return whole.startswith(partial)
    if isinstance(whole, (int, float)) and isinstance(partial, (int, float)) and not isinstance(whole, bool):
        digits = json.dumps(whole)  # a number with an exponent, cut in it, renders in another form
        return "e" in digits or digits.startswith(json.dumps(partial).removesuffix(".0"))
    return bool(partial == whole)


@given(JSON_VALUE, st.sampled_from([None, 1, 2]))
def test_valid_json_is_never_changed(value: Any, indent: int | None) -> None:
    """JSON comes back as `json.loads` reads it, with status SUCCESS and no repair."""
    text = json.dumps(value, indent=indent)
    found = parse(text)
    assert found == Parsed(status=Status.SUCCESS, value=json.loads(text), method="json")


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', "[1E400]", "-0", "123456789012345678901234567890", '"\\ud800"', " [ ] "]
)
def test_the_gate_agrees_with_the_standard_parser(text: str) -> None:
    """Duplicate keys, overflow, minus zero, big integers and lone surrogates are those of `json.loads`."""
    assert parse(text).status is Status.SUCCESS
    assert repr(parse(text).value) == repr(json.loads(text))


@settings(deadline=None, derandomize=True)
@given(
    st.dictionaries(st.text(st.characters(codec="ascii"), max_size=6), JSON_VALUE, min_size=1, max_size=4), st.data()
)
def test_a_cut_document_is_partial_and_a_prefix(value: dict[str, Any], data: st.DataObject) -> None:
    """At any cut behind the first brace the value is the document with its tail missing, never FAILED."""
    text = json.dumps(value)
    cut = data.draw(st.integers(1, len(text) - 1))
    found = parse(text[:cut])
    assert found.status is Status.PARTIAL
    assert is_prefix(found.value, value), (text[:cut], found.value)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(RAW)
@example("[" * 2000)
@example('{"a":' * 1500)
@example("\\" * 50)
def test_no_text_raises(text: str) -> None:
    """Every text has an outcome; FAILED has an error with a remedy, and what is no JSON never claims SUCCESS."""
    found = parse(text)
    if found.status is Status.FAILED:
        assert found.errors
        assert all(fault.remedy for fault in found.errors)
    if found.status is Status.SUCCESS:
        json.loads(text)
    align(text, {"type": "object", "properties": {"a": {"type": "integer"}}})


@settings(deadline=None, derandomize=True)
@given(JSON_VALUE.filter(lambda value: isinstance(value, (dict, list))), st.integers(1, 9), st.booleans())
def test_a_stream_cut_anywhere_ends_as_the_whole(value: Any, size: int, is_ascii: bool) -> None:
    """Fed in pieces of any size, the live value ends as the document and the outcome is that of `parse`."""
    text = json.dumps(value, ensure_ascii=is_ascii)
    stream = Stream()
    for at in range(0, len(text), size):
        stream.feed(text[at : at + size])
    assert stream.value == value
    assert stream.finish() == parse(text)


@settings(deadline=None, derandomize=True)
@given(RAW, st.integers(1, 7))
def test_a_stream_of_any_text_ends_as_the_whole(text: str, size: int) -> None:
    """Damage does not make the outcome depend on where the text was cut."""
    stream = Stream()
    for at in range(0, len(text), size):
        stream.feed(text[at : at + size])
    assert repr(stream.finish()) == repr(parse(text))


@pytest.mark.parametrize("text", ['"b:"', '"b:', '"b: 4', '"b: "', "\"'k", "\"'\\udb"])
@pytest.mark.parametrize("value", ["1", '"x"'])
def test_a_key_with_marks_in_it_is_cut_like_any_other(text: str, value: str) -> None:
    """What looks like a key without its closing quote, or like quotes in a text, is at the end the beginning of a key."""
    found = parse(f'{{"a": {value}, {text}')
    assert (found.status, found.value) == (Status.PARTIAL, {"a": json.loads(value)})


def test_a_key_without_its_quote_is_read_where_something_follows() -> None:
    """The bound of the rule above: a bracket or another member shows that the key had ended."""
    assert parse('{"a": 1, "b: 4}').value == {"a": 1, "b": 4}
    assert parse('{"a": 1, "b: 4, "c": 5').value["b"] == 4


class Counted(Stream):
    """A stream that notes the length of every text that it parses as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.lengths: list[int] = []

    def _read(self) -> Parsed:
        self.lengths.append(self._length)
        return super()._read()


class Eager(Counted):
    """The broken variant: it parses all that has arrived again and again."""

    GROWTH = 1.0


def test_undamaged_text_is_never_parsed_anew() -> None:
    """The incremental path reads it alone: the whole is parsed once, by `finish`."""
    stream = Counted()
    text = json.dumps([{"id": 7, "note": "fourteen words\n"}] * 500)
    for at in range(0, len(text), 5):
        stream.feed(text[at : at + 5])
    assert (len(stream.value), stream.lengths) == (500, [])
    stream.finish()
    assert stream.lengths == [len(text)]


def test_a_damaged_stream_costs_a_multiple_of_its_length() -> None:
    """Off the incremental path the texts parsed are a geometric series; without it, the sum would be their square."""
    for kind, is_bounded in ((Counted, True), (Eager, False)):
        stream = kind()
        for _ in range(600):
            stream.feed("{'a': 1}, ")
        assert (sum(stream.lengths) < 8 * 6000) is is_bounded


def test_the_prefix_check_catches_a_parser_that_drops_or_invents() -> None:
    """The oracle of the cut property refuses an invented member, a lost first item and a changed string."""
    assert is_prefix({"a": "x"}, {"a": "xyz", "b": 1})
    assert not is_prefix({"a": "x", "c": None}, {"a": "xyz", "b": 1})
    assert not is_prefix([2], [1, 2])
    assert not is_prefix({"a": "y"}, {"a": "xyz"})


@pytest.mark.parametrize(
    ("text", "word"),
    [("[NaN]", "NaN"), ('{"a": Infinity}', "Infinity"), ("[1, -Infinity]", "-Infinity"), ("{a: NaN}", "NaN")],
)
def test_non_finite_numbers_are_a_repair(text: str, word: str) -> None:
    """NaN and the infinities are kept as floats, or null on request, and never SUCCESS."""
    found = parse(text)
    assert found.status is Status.RECOVERED
    assert [repair.detail for repair in found.repairs if repair.code == "non_finite"] == [word]
    numbers = [
        n for n in (found.value.values() if isinstance(found.value, dict) else found.value) if not isinstance(n, int)
    ]
    assert not math.isfinite(numbers[0])
    nulled = parse(text, non_finite="null").value
    assert None in (nulled.values() if isinstance(nulled, dict) else nulled)


DEPTH = 1000


@pytest.mark.parametrize("text", ["[" * DEPTH, '{"a":' * DEPTH, "[{'a':" * DEPTH, "[" * DEPTH + "]" * DEPTH])
def test_depth_is_bounded_by_the_setting_and_not_by_the_interpreter(text: str) -> None:
    """Nesting beyond `max_depth` is FAILED with the bound named; a higher bound reads it without recursion."""
    assert re.search("max_depth", parse(text).errors[0].remedy)
    assert parse(text + "x", max_depth=5 * DEPTH).status is not Status.FAILED
    assert parse("[[[1]]]", max_depth=2).status is Status.FAILED
