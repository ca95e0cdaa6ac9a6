"""Log-probabilities: a value has the probability of its least likely token, wherever the answer stands among the tokens."""

from __future__ import annotations

import math

import pytest

from backstay.extract.logprob import value_probabilities
from backstay.types import TokenLogprob

TEXT = '{"a": "tea", "b": 12}'
PIECES = (("{", 0.0), ('"a": "', -0.1), ("tea", -0.5), ('", "b": ', -2.0), ("1", -0.2), ("2", -0.7), ("}", 0.0))


def tokens(*pieces: tuple[str, float]) -> list[TokenLogprob]:
    return [TokenLogprob(token=token, logprob=logprob) for token, logprob in pieces]


@pytest.mark.parametrize(("before", "behind"), [((), ()), ((("```", -8.0), ("json\n", -1.0)), (("\n```", -3.0),))])
def test_the_least_likely_token_counts(
    before: tuple[tuple[str, float], ...], behind: tuple[tuple[str, float], ...]
) -> None:
    """Also where the server's tokens hold a fence that its text does not."""
    found = value_probabilities({"a": "tea", "b": 12}, TEXT, tokens(*before, *PIECES, *behind))
    assert found == {"a": pytest.approx(math.exp(-2.0)), "b": pytest.approx(math.exp(-0.7))}


def test_tokens_of_another_text_say_nothing() -> None:
    """No place is guessed."""
    assert value_probabilities({"a": "tea", "b": 12}, TEXT, tokens(("{", 0.0), ("}", -1.0))) == {}
