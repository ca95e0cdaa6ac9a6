"""Answers of every dialect are stored and read back without loss: the same value, the same bytes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix import CODECS, answered
from strategies import Reach, responses
from wire_record import read_records

from backstay.codecs.embedding import Embeddings
from backstay.errors import LLMError
from backstay.stores.answer import decode_answer, encode_answer
from backstay.types import Cost, Image, Provenance, Response, Text


@settings(max_examples=60, deadline=None)
@given(response=responses(Reach(model="model-1", has_refusal=True)))
def test_any_answer_comes_back_as_it_was(response: Response) -> None:
    """Value for value and byte for byte."""
    data = encode_answer(response)
    assert decode_answer(data) == response
    assert encode_answer(decode_answer(data)) == data


@pytest.mark.corpus
def test_recorded_answers_come_back_as_they_were(corpus: Path) -> None:
    """Every tenth recorded answer and stream of every dialect."""
    seen: set[tuple[str, str]] = set()
    for record in list(read_records(corpus / "wire" / "dev.jsonl.gz"))[::10]:
        if record.dialect not in CODECS or record.kind == "error":
            continue
        try:
            response = answered(record)
        except LLMError:
            continue
        data = encode_answer(response)
        assert decode_answer(data) == response
        assert msgspec.json.encode(decode_answer(data)) == msgspec.json.encode(response)
        seen.add((record.dialect or "", record.kind))
    assert len(seen) >= 8


def test_bytes_and_kinds_are_kept() -> None:
    """A picture in an answer, vectors, money and provenance."""
    picture = Response(parts=(Image(data=bytes(range(256)), media_type="image/png"),), cost=Cost(nano_usd=2**62))
    vectors = Embeddings(vectors=((0.1, -1e-300),), provenance=Provenance(target="x", notes=("n",)))
    for response in (picture, vectors):
        back = decode_answer(encode_answer(response))
        assert back == response
        assert type(back) is type(response)


class Own(Response, frozen=True, kw_only=True):
    """A type that no store knows."""


@pytest.mark.parametrize("response", [Own(), Response(extra={"x": object()}), Response(extra={"x": 2**80})])
def test_what_would_not_come_back_is_refused(response: Response) -> None:
    """It is an error at once, not a surprise later."""
    with pytest.raises(ValueError, match="cannot be stored"):
        encode_answer(response)


@given(data=st.binary(max_size=40))
def test_any_bytes_are_an_answer_or_an_error(data: bytes) -> None:
    """Nothing else is raised and nothing else is made."""
    for mark in (b"", b"r", b"v"):
        try:
            assert isinstance(decode_answer(mark + data), Response)
        except ValueError:
            continue


def test_nothing_but_data_is_revived() -> None:
    """A pickle is no answer."""
    import pickle

    with pytest.raises(ValueError, match="no answer"):
        decode_answer(pickle.dumps(Response(parts=(Text(text="x"),))))
