"""A Secret can be used but not seen, by any of the ways in which keys have leaked elsewhere."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import logging
import pickle
import pprint
import traceback

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from backstay.secret import Secret

PLAIN = "sk-canary-0123456789"


@dataclasses.dataclass
class Holder:
    key: Secret


class Careless(str):
    """The broken variant: a key that is only text."""


def shows(key: object) -> list[str]:
    """Everything that a program may print about an object it holds."""
    return [
        repr(key),
        str(key),
        f"{key}",
        f"{key!r:>40}",
        "%s".__mod__((key,)),
        repr([key]),
        repr({"key": key}),
        repr(Holder(key)),  # type: ignore[arg-type]
        repr(dataclasses.asdict(Holder(key))),  # type: ignore[arg-type]
        repr(copy.deepcopy({"key": key})),
        pprint.pformat(key),
        pretty_repr({"key": key}),
        json.dumps({"key": key}, default=str),
        repr(getattr(key, "__dict__", "")),
        repr(inspect.getmembers(key)),
        logging.LogRecord("x", 10, "x", 1, "%s %r", (key, key), None).getMessage(),
    ]


def test_nothing_shows_the_plain_text() -> None:
    """Sixteen ways to print it, none of which does; and the check would see one that did."""
    assert [text for text in shows(Secret(PLAIN)) if PLAIN in text] == []
    assert any(PLAIN in text for text in shows(Careless(PLAIN)))


def test_it_is_neither_pickled_nor_encoded() -> None:
    """Bytes that leave the process cannot hold it."""
    for write in (pickle.dumps, msgspec.json.encode, msgspec.msgpack.encode, json.dumps, msgspec.to_builtins):
        with pytest.raises(TypeError) as caught:
            write(Secret(PLAIN))  # type: ignore[operator]
        assert PLAIN not in str(caught.value)
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps([Secret(PLAIN)])


@pytest.mark.parametrize(
    "text",
    ["", "two\nlines", "tab\there", "nul\x00", "“curly”", "del\x7f", " leading", "trailing ", b"bytes-key", None, 7],
)
def test_what_cannot_be_a_key_is_refused_without_being_shown(text: object) -> None:
    """Line breaks would inject headers; and not even the locals of the traceback show what was given."""
    with pytest.raises(ValueError) as caught:
        Secret(text)  # type: ignore[arg-type]
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    shown = [str(frame.locals) for frame in frames if frame.filename == inspect.getsourcefile(Secret)]
    assert shown
    assert [
        held for held in [*shown, str(caught.value)] if text not in ("", None, 7) and repr(text)[1:-1] in held
    ] == []


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
)
def test_secrets_are_equal_when_their_texts_are(one: str, other: str) -> None:
    """Equality, hash and fingerprint follow the text; revealing gives it back."""
    assert Secret(one).reveal() == one
    assert (Secret(one) == Secret(other)) == (one == other)
    assert Secret(one) == Secret(Secret(one))
    assert hash(Secret(one)) == hash(Secret(one))
    assert Secret(one).fingerprint() == Secret(one).fingerprint()
    assert len(Secret(one).fingerprint()) == 8


def test_it_is_not_equal_to_its_text_and_does_not_change() -> None:
    """A comparison with text would be a comparison that somebody times or logs."""
    key = Secret(PLAIN)
    assert key != PLAIN
    with pytest.raises(AttributeError, match="does not change"):
        key._reveal = lambda: "other"
    assert key.reveal() == PLAIN
