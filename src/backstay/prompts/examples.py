"""Examples: a few-shot prompt, and which examples are worth their tokens.

Selection is greedy and deterministic: the example whose words are nearest to the input (cosine of word counts weighted by how
rare a word is among the examples) comes first, each further one loses by how near it is to what was chosen (maximal marginal
relevance, Carbonell and Goldstein 1998), and one that does not fit the budget is passed over. The chosen ones are shown with the
nearest last, because what stands next to the question weighs most.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from backstay.prompts.escape import enclose, escape_json, escape_text
from backstay.tokens import TokenCounter, upper_bound

WORD: Final = re.compile(r"\w+")
DIVERSITY: Final = 0.3
"""The weight of being unlike what was chosen, against being like the input."""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """An input and the answer that is right for it: text, or any JSON value."""

    input: str
    answer: Any


def select(
    examples: Sequence[Example], text: str, *, max_tokens: int, limit: int = 5, count: TokenCounter = upper_bound
) -> list[Example]:
    """At most `limit` examples for the input `text`, together at most `max_tokens` as they will be shown; the nearest last."""
    bags = [_words(example.input) for example in examples]
    spread = Counter(word for bag in bags for word in bag)
    weight = {word: math.log(1 + len(bags) / number) for word, number in spread.items()}
    asked = _words(text)
    near = [_cosine(bag, asked, weight) for bag in bags]
    chosen: list[int] = []
    left, rest = max_tokens, set(range(len(examples)))
    while rest and len(chosen) < limit:
        best = max(sorted(rest), key=lambda place: near[place] - _likeness(place, chosen, bags, weight))
        rest.discard(best)
        tokens = count(show(examples[best]) + "\n")
        if tokens <= left:
            chosen.append(best)
            left -= tokens
    return [examples[place] for place in sorted(chosen, key=lambda place: (near[place], -place))]


def _likeness(place: int, chosen: Sequence[int], bags: Sequence[Counter[str]], weight: Mapping[str, float]) -> float:
    return DIVERSITY * max((_cosine(bags[place], bags[other], weight) for other in chosen), default=0.0)


def _words(text: str) -> Counter[str]:
    return Counter(word.lower() for word in WORD.findall(text))


def _cosine(one: Counter[str], other: Counter[str], weight: Mapping[str, float]) -> float:
    def size(bag: Counter[str]) -> float:
        return math.sqrt(sum((number * weight.get(word, 1.0)) ** 2 for word, number in sorted(bag.items())))

    shared = sum(one[word] * other[word] * weight.get(word, 1.0) ** 2 for word in sorted(one.keys() & other.keys()))
    return shared / (size(one) * size(other)) if shared else 0.0


def show(example: Example) -> str:
    """The example as it stands in a prompt, its texts escaped."""
    answer = escape_text(example.answer) if isinstance(example.answer, str) else escape_json(example.answer)
    return f"<example>\n<input>\n{escape_text(example.input)}\n</input>\n<answer>\n{answer}\n</answer>\n</example>"


def few_shot(
    instruction: str,
    text: str,
    *,
    nonce: str,
    examples: Sequence[Example] = (),
    schema: Mapping[str, Any] | None = None,
) -> str:
    """A prompt of the base instruction, the schema, the examples and the input, in this order, which lets a prefix be cached.

    `instruction` is the developer's; `text` is enclosed with `nonce`, as in a template.
    """
    parts = [instruction.strip()]
    if schema is not None:
        parts.append(f"The JSON Schema of the answer:\n{escape_json(schema)}")
    if examples:
        parts.append("Examples:\n" + "\n".join(map(show, examples)))
    return "\n\n".join([*parts, enclose("input", escape_text(text), nonce)])
