"""Each kind of repair: what it makes of the text, where it says it did so, and that healthy text needs none."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.recover import Status, parse
from backstay.recover.outcome import MAX_REPAIRS

CASES: list[tuple[str, str, Any]] = [
    ("trailing_comma", '{"berth": 4, "crew": [1, 2,],}', {"berth": 4, "crew": [1, 2]}),
    ("extra_comma", '{"berth": 4,, "pier": "B"}', {"berth": 4, "pier": "B"}),
    ("missing_comma", '{"berth": 4\n"pier": "B"}', {"berth": 4, "pier": "B"}),
    ("missing_colon", '{"berth" 4, "pier": "B"}', {"berth": 4, "pier": "B"}),
    ("missing_quote", '{"pier": "North end,\n "berth": 4}', {"pier": "North end", "berth": 4}),
    ("missing_value", '{"berth": , "pier": "B"}', {"berth": None, "pier": "B"}),
    ("missing_key", '{"berth": 4, : 5}', {"berth": 4}),
    ("missing_close", '```json\n{"tide": {"at": "06:10"\n```\ndone', {"tide": {"at": "06:10"}}),
    ("missing_open", '["berth": 4, "pier": "B"]', [{"berth": 4, "pier": "B"}]),
    ("extra_close", '{"berth": 4}}, "pier": "B"}', {"berth": 4, "pier": "B"}),
    ("wrong_close", '{"crew": ["Ada", "Lin"}, "berth": 4}', {"crew": ["Ada", "Lin"], "berth": 4}),
    ("quote_style", "{'pier': 'B', “mast”: `oak`}", {"pier": "B", "mast": "oak"}),
    ("doubled_quote", '{""pier"": 2}', {"pier": 2}),
    ("block_quote", '{"log": """\n  one\n    two\n""", "n": 1}', {"log": "one\n  two", "n": 1}),
    ("unescaped_quote", '{"note": "the "old" pier", "n": 1}', {"note": 'the "old" pier', "n": 1}),
    ("raw_control", '{"note": "two\nlines"}', {"note": "two\nlines"}),
    ("bad_escape", r'{"path": "C:\docks\west"}', {"path": r"C:\docks\west"}),
    ("unquoted_key", "{pier: 2, dry-dock: 3}", {"pier": 2, "dry-dock": 3}),
    ("unquoted_value", "{pier: north end, n: 1}", {"pier": "north end", "n": 1}),
    ("literal", '{"open": True, "fee": None, "x": undefined}', {"open": True, "fee": None, "x": None}),
    ("number_form", '{"a": +5, "b": .5, "c": 1_000, "d": 0x1F}', {"a": 5, "b": 0.5, "c": 1000, "d": 31}),
    ("comment", '{"a": 1, // one\n "b": 2 /* two */, # three\n "c": 3}', {"a": 1, "b": 2, "c": 3}),
    ("ellipsis", '{"crew": ["Ada", "Lin", ...], "n": 2}', {"crew": ["Ada", "Lin"], "n": 2}),
    ("punctuation", '{"pier"：2， "berth"：4}', {"pier": 2, "berth": 4}),
    ("set", "{'Ada', 'Lin'}", ["Ada", "Lin"]),
    ("tuple", '{"at": (54.3, 10.1)}', {"at": [54.3, 10.1]}),
    ("parentheses", '{"n": (7)}', {"n": 7}),
    ("call", '{"id": ObjectId("65ab"), "n": NumberLong(7)}', {"id": "65ab", "n": 7}),
    ("concatenation", '{"note": "north" + " end"}', {"note": "north end"}),
    ("stray_backslash", '["Ada"\\, "Lin"]', ["Ada", "Lin"]),
    ("stray_text", '{"open": true, MAYBE "pier": "B"}', {"open": True, "pier": "B"}),
    ("escaped_document", r"{\"pier\": \"B\", \"n\": [1]}", {"pier": "B", "n": [1]}),
    ("multiple_values", '{"pier": 1}\n{"pier": 2}', [{"pier": 1}, {"pier": 2}]),
    ("fence", 'Here:\n```json\n{"pier": 1}\n```\nBye.', {"pier": 1}),
    ("prose", 'As asked [1], {name}: {"pier": 1} is it.', {"pier": 1}),
    ("byte_order_mark", '\ufeff{"pier": 1}', {"pier": 1}),
    ("white_space", '{"pier":\u00a01}', {"pier": 1}),
    ("truncated", '{"pier": 1, "crew": ["Ada", "Li', {"pier": 1, "crew": ["Ada", "Li"]}),
    ("non_finite", '{"x": null, "y": [nan]}', None),
]


@pytest.mark.parametrize(("code", "text", "value"), CASES, ids=[code for code, _, _ in CASES])
def test_a_repair_gives_its_value_and_says_so(code: str, text: str, value: Any) -> None:
    """The damaged text yields the value meant, the repair is listed by its code, and its offset lies in the text."""
    found = parse(text)
    assert code in {repair.code for repair in found.repairs}
    assert found.status in (Status.RECOVERED, Status.PARTIAL)
    assert all(0 <= repair.offset <= len(text) for repair in found.repairs)
    if code != "non_finite":
        assert found.value == value


FAILURES = [
    "",
    "   ",
    "no structure here",
    "False",
    "]",
    "See [1] for {details}.",
    "call()",
    '{"a",',
    "{:2}",
    "{several words}",
]


@pytest.mark.parametrize("text", FAILURES)
def test_prose_fails_and_says_what_to_do(text: str) -> None:
    """What holds no JSON is FAILED with a remedy, never an empty or invented value."""
    found = parse(text)
    assert found.status is Status.FAILED
    assert not found
    assert found.value is None
    assert "ask the model" in found.errors[0].remedy


def test_thinking_is_not_the_answer() -> None:
    """JSON inside the model's thinking is set aside for what follows it."""
    text = '<think>maybe {"pier": 1} or [2]</think>\n{"pier": 3}'
    assert parse(text).value == {"pier": 3}


def test_a_fence_inside_a_string_is_text() -> None:
    """A fence mark within a value does not end it."""
    assert parse('Take {"md": "use\\n```json\\n{}\\n```", "n": 1,}').value == {"md": "use\n```json\n{}\n```", "n": 1}


@pytest.mark.parametrize(
    "text",
    [
        "[1,]",
        "[NaN]",
        '{"a": 1, "a": 2}',
        "\ufeff[]",
        "{'a': 1}",
        "[1] [2]",
        '```json\n{"a": 1}\n```',
        '{"a": 1',
        "nul",
    ],
)
def test_strict_refuses_all_but_json(text: str) -> None:
    """Strict mode has no repairs: repeated keys, a byte-order mark and non-finite numbers are refused too."""
    assert parse(text, strict=True).status is Status.FAILED
    assert parse(text, strict=True).errors


def test_strict_takes_json_with_space_around_it() -> None:
    """White space around the value is JSON's own."""
    assert parse(' \n{"a": [1, {"a": 2}]}\t', strict=True).value == {"a": [1, {"a": 2}]}


def test_a_schema_tells_keys_from_text() -> None:
    """A missing quote and comma before a declared name is seen only with the schema."""
    text = '{"title": "who sails"rating": 4, "tags": ["a"]}'
    schema = {"type": "object", "properties": {"title": {"type": "string"}, "rating": {"type": "integer"}, "tags": {}}}
    assert parse(text, schema=schema).value == {"title": "who sails", "rating": 4, "tags": ["a"]}
    assert parse(text).value != parse(text, schema=schema).value


def test_a_schema_chooses_between_candidates() -> None:
    """Of several values the one with the declared names is the answer; without a schema all are."""
    text = 'First {"mood": "good"} then {"pier": 2}'
    assert parse(text, schema={"properties": {"pier": {}}}).value == {"pier": 2}
    assert parse(text).value == [{"mood": "good"}, {"pier": 2}]


def test_fields_are_saved_from_a_ruin() -> None:
    """Named fields come out of text without a document, PARTIAL, and the missing ones are errors with their path."""
    text = 'oops "pier": 4, ]]} sorry **note**: "wet", "crew": ["Ada", "Li'
    found = parse(text, fields=["pier", "note", "crew", "fee"])
    assert found.status is Status.PARTIAL
    assert found.method == "salvage"
    assert found.value == {"pier": 4, "note": "wet", "crew": ["Ada", "Li"]}
    assert [fault.path for fault in found.errors] == ["$.fee"]


def test_repairs_are_capped_and_counted() -> None:
    """A report stays small: the first hundred repairs are kept, all are counted."""
    found = parse("[" + "{'a': 1}, " * 1000 + "]")
    assert len(found.repairs) == MAX_REPAIRS
    assert found.repair_count > 1000
    assert len(found.value) == 1000


def test_duplicate_keys_are_flagged_where_the_text_is_repaired() -> None:
    """The last value wins, as in JSON, and a warning says so."""
    found = parse("{'a': 1, 'a': 2}")
    assert found.value == {"a": 2}
    assert "duplicate key 'a'" in found.warnings[0]


def test_the_open_path_says_where_the_text_was_cut() -> None:
    """A PARTIAL outcome names the container the end of the input left open."""
    assert parse('{"a": [1, {"b": "x').open_path == "$.a[1]"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "x} "old" pier}', {"a": 'x} "old" pier'}),
        ('{"a": "low tide\n"\n", "b": 1}', {"a": "low tide", "b": 1}),
        ('["ebb, /* and */ "flow"]', ["ebb", "flow"]),
        ('["ebb" /* joined */ + /* to */ "flow"]', ["ebbflow"]),
        ('{"a": {"b": "quay" # see }, "c": "pier" }', {"a": {"b": "quay"}, "c": "pier"}),
        ('{"berth\n": 4,}', {"berth": 4}),
        ("''", ""),
    ],
)
def test_quotes_and_comments_that_went_astray(text: str, value: Any) -> None:
    """Inner quotes pair up, a lone quote line is layout, comments are space, `#` hides no brackets of a one-line document."""
    found = parse(text)
    assert (found.value, found.status) == (value, Status.RECOVERED)
