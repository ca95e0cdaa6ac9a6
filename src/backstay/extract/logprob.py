"""Log-probabilities: how likely a model found each value that it wrote.

The tokens of an answer, joined, are its text; a value's tokens are those that overlap the place where the answer writes
it. The least likely of them counts, because one wrong digit makes a wrong number, and a product would punish length.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from backstay.extract.schema import leaves
from backstay.types import TokenLogprob


def value_probabilities(data: Any, text: str, tokens: Sequence[TokenLogprob]) -> dict[str, float]:
    """For each leaf of `data` that `text` writes: the probability in [0, 1] of its least likely token.

    The tokens may be more than `text`, where a server gives those of a fence or of thoughts that it took away. Empty where
    they do not hold it.
    """
    ahead = "".join(token.token for token in tokens).find(text)
    if ahead < 0:
        return {}
    ends = [last - ahead for last in accumulate(len(token.token) for token in tokens)]
    found: dict[str, float] = {}
    for path, start, end in _places(data, text):
        logprobs = [
            token.logprob
            for token, last in zip(tokens, ends, strict=True)
            if last > start and last - len(token.token) < end
        ]
        if logprobs:
            found[path] = math.exp(min(min(logprobs), 0.0))
    return found


def _places(data: Any, text: str) -> Iterator[tuple[str, int, int]]:
    """The place of each leaf in the JSON `text`, found in order, behind its key."""
    at = 0
    for path, value in leaves(data):
        if isinstance(value, (dict, list)):
            continue
        key = path.rpartition(".")[2]
        behind = text.find(f'"{key}"', at) if not key.endswith("]") else at
        if behind < 0:
            continue
        start = behind + (len(key) + 2 if not key.endswith("]") else 0)
        for written in dict.fromkeys((json.dumps(value, ensure_ascii=False), json.dumps(value), str(value))):
            place = text.find(written, start)
            if place >= 0:
                yield path, place, place + len(written)
                at = place + len(written)
                break
