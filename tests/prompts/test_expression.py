"""An expression of a flow computes what it says over plain data, and reaches nothing else."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import ConfigurationError
from backstay.prompts.expression import LONGEST, parse_expression

STATE: dict[str, Any] = {
    "facts": {"confidence": 0.9, "dates": {"due": None, "sent": "2026-03-02"}, "class": "x"},
    "codes": ["CO-50", "PR-96"],
    "count": 2,
    "empty": [],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("facts.confidence >= 0.8 and not given(facts.dates.due)", True),
        ("given(facts.dates.sent)", True),
        ("given(nothing.at.all)", False),
        ("given(empty)", False),
        ("given(count)", True),
        ("len(codes) == count", True),
        ("1 < count <= 2", True),
        ("1 < count < 2", False),
        ("codes[0] in ['CO-50', 'CO-16']", True),
        ("codes[-1]", "PR-96"),
        ("'sent' in facts.dates", True),
        ('facts["class"]', "x"),
        ("facts.dates.due == null", True),
        ("true and not false", True),
        ("empty or codes", ["CO-50", "PR-96"]),
        ("[count, {'sent': facts.dates.sent}]", [2, {"sent": "2026-03-02"}]),
        ("'{{ facts }}'", "{{ facts }}"),
        ("-1", -1),
    ],
)
def test_it_says_what_it_means(text: str, value: Any) -> None:
    """Paths, comparisons, membership, and what is given."""
    assert parse_expression(text).value(STATE) == value


@pytest.mark.parametrize(
    "text",
    [
        "open('x')",
        "facts.keys()",
        "(lambda: 1)()",
        "[x for x in codes]",
        "f'{codes}'",
        "codes[0:1]",
        "codes[count]",
        "count + 1",
        "'a' * 999999999",
        "2 ** 99",
        "x := 1",
        "len(codes, codes)",
        "given(*codes)",
        "facts is null",
        "{**facts}",
        "b'x'",
        "...",
        "1j",
        "-true",
        "-True",
        "count if codes else 1",
        "await codes",
        "",
        "count; count",
        "import os",
        "a" * (LONGEST + 1),
        "(" * 300,
        "not " * 120 + "(",
    ],
)
def test_what_is_not_in_the_grammar_is_refused_when_it_is_read(text: str) -> None:
    """Before anything runs."""
    with pytest.raises(ConfigurationError):
        parse_expression(text)


@pytest.mark.parametrize(
    "text",
    ["facts.__class__", "''.__class__", "codes.append", "facts.keys", "count.real", "nothing", "codes[2]", "codes.x"],
)
def test_what_is_not_data_is_not_there(text: str) -> None:
    """A member is a member of an object or a place in a list, never an attribute; the error names it."""
    with pytest.raises(ConfigurationError, match="there is no"):
        parse_expression(text).value(STATE)


@pytest.mark.parametrize("text", ["codes < 1", "count in count", "len(count)", "facts.dates.due < 3"])
def test_what_cannot_be_compared_is_an_error_that_names_the_expression(text: str) -> None:
    """Not a guess, and not a bare TypeError."""
    with pytest.raises(ConfigurationError, match=text.split("(")[0].split(" ")[0]):
        parse_expression(text).value(STATE)


def test_the_names_that_it_reads_are_known() -> None:
    """So that a flow can be checked before it runs."""
    assert parse_expression("a.b[0] == c and given(d) and true").names == {"a", "c", "d"}


ATOMS = st.sampled_from(["count", "len(codes)", "facts.confidence", "1", "0.5", "3"])
COMPARISONS = st.tuples(ATOMS, st.sampled_from(["<", "<=", "==", "!=", ">", ">="]), ATOMS).map(" ".join)
LOGIC = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda one: f"({' '.join(one)})")
        | inner.map(lambda one: f"not ({one})")
    ),
    max_leaves=6,
)


@given(LOGIC)
def test_it_agrees_with_python(text: str) -> None:
    """Precedence and short circuits are those of the language whose parser reads it."""
    names = {"count": 2, "codes": STATE["codes"], "len": len}
    same = eval(text.replace("facts.confidence", "0.9"), {"__builtins__": {}}, names)
    assert parse_expression(text).is_true(STATE) == same


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    """One kind of error, whatever was written."""
    with suppress(ConfigurationError):
        parse_expression(text)
