"""What every dialect's errors share: each condition has a row everywhere, and no body stops the reading."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay import errors
from backstay.codecs import anthropic_error, bedrock_error, gemini_error, openai_error
from backstay.codecs.error_body import (
    MAX_MESSAGE,
    Condition,
    condition_of,
    deciding,
    one_line,
    read_body,
    read_object,
    seconds_text,
    start_of,
)
from backstay.errors import (
    AllTargetsFailed,
    CircuitOpen,
    ConfigurationError,
    ContextLengthExceeded,
    LLMError,
    QuotaExhausted,
    RateLimited,
    ServerFault,
)

DIALECTS = (anthropic_error, bedrock_error, gemini_error, openai_error)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_condition_has_a_row_in_every_dialect(dialect: Any) -> None:
    """None is missing, so no error of ours is a KeyError for a client; and every status is one of a failure."""
    assert set(dialect._OUTWARD) == set(get_args(Condition))
    assert all(400 <= row[0] < 600 for row in dialect._OUTWARD.values())


def test_the_finest_condition_is_named() -> None:
    """A class that is a kind of another has its own word, not that of the other; those without a word have the nearest."""
    refusals = (ContextLengthExceeded, QuotaExhausted, RateLimited, ServerFault)
    words = [condition_of(kind("x", status=400)) for kind in refusals]
    assert words == ["context_length", "quota", "rate_limit", "status"]
    assert condition_of(ConfigurationError("x")) == "configuration"
    assert condition_of(CircuitOpen("x")) == "circuit_open"
    assert condition_of(LLMError("x")) == "other"
    table = [kind for kind, _ in condition_table()]
    for place, kind in enumerate(table):
        assert not any(issubclass(later, kind) for later in table[place + 1 :]), f"{kind.__name__} hides a later row"


def condition_table() -> Any:
    from backstay.codecs import error_body

    return error_body._CONDITIONS


def test_a_table_in_the_wrong_order_is_caught() -> None:
    """The broken variant: with the general classes first, an empty purse would be a passing rate limit."""
    reverse = list(reversed(condition_table()))
    assert next(word for kind, word in reverse if isinstance(QuotaExhausted("x", status=429), kind)) != "quota"


def test_the_last_of_several_targets_decides() -> None:
    """However deep the failures are nested, and without failures it is the error itself."""
    inner = RateLimited("slow", status=429)
    first = AllTargetsFailed("all", errors=[LLMError("other"), inner])
    assert deciding(AllTargetsFailed("all", errors=[first])) is inner
    empty = AllTargetsFailed("all", errors=[])
    assert deciding(empty) is empty


@given(st.binary(max_size=40))
def test_any_body_is_read_without_an_error(body: bytes) -> None:
    """No bytes raise; only an object is an object."""
    read_body(body)
    assert isinstance(read_object(body), dict | None)
    assert len(start_of(body * 100)) <= MAX_MESSAGE


def test_bodies_of_several_forms() -> None:
    """An object, an object in an array, an empty one, and what is none."""
    assert read_object(b' {"a": 1}') == {"a": 1}
    assert read_object(b'[{"a": 1}, 2]') == {"a": 1}
    assert read_object(b"{}") == {}
    assert [read_object(body) for body in (b"", b" ", b"[]", b"3", b"<html>")] == [None] * 5


def test_texts_for_the_wire() -> None:
    """A message is one bounded line; seconds have no zeros at their end."""
    assert one_line(" a \n\t b ") == "a b"
    assert len(one_line("x" * 9999)) == MAX_MESSAGE
    assert [seconds_text(value) for value in (2.0, 0.5, 34.0744, 100.0)] == ["2", "0.5", "34.074", "100"]


def test_every_error_of_ours_has_a_condition() -> None:
    """Each class of the tree is of one of the kinds, or "other", and none is an error to ask about."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LLMError)]
    known = [kind for kind in kinds if any(issubclass(kind, row) for row, _ in condition_table())]
    assert len(kinds) > len(known) > 15
