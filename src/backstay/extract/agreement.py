"""Agreement: several answers to one question, and how many of them say the same, field by field.

What a model says every time it is asked is right more often than what it says once (Wang et al. 2022,
"self-consistency"). The whole answer that agrees best with the others is chosen, so that its fields belong together; each
field's share is its agreement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from backstay.extract.schema import leaves


def vote(answers: Sequence[dict[str, Any]]) -> tuple[int, dict[str, float]]:
    """The index of the answer that agrees best with all of them, and the share in (0, 1] that says the same of each field."""
    forms = [{path: same_form(value) for path, value in leaves(answer)} for answer in answers]
    counts = Counter(pair for form in forms for pair in form.items())
    scores = [sum(counts[pair] for pair in form.items()) / max(1, len(form)) for form in forms]
    best = max(range(len(answers)), key=lambda index: scores[index])
    return best, {path: counts[path, form] / len(answers) for path, form in forms[best].items()}


def same_form(value: Any) -> str:
    """The form in which equal values are equal: texts without case and spacing, numbers by value."""
    if isinstance(value, str):
        return "".join(value.casefold().split())
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return msgspec.json.encode(value).decode()
