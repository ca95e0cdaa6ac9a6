"""Hint: the forms in which a provider says when to come back, written as headers, so that the library's own parser reads them.

Numbers that stand for whole seconds are rounded up, as a provider must round them that means what it says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

FORMS: Final[dict[str, Callable[[float, float], dict[str, str]]]] = {
    "seconds": lambda wait, wall: {"retry-after": str(math.ceil(wait))},
    "fraction": lambda wait, wall: {"retry-after": f"{math.ceil(wait * 1000) / 1000:.3f}"},
    "milliseconds": lambda wait, wall: {"retry-after-ms": str(math.ceil(wait * 1000))},
    "date": lambda wait, wall: {
        "retry-after": formatdate(math.ceil(wall + wait), usegmt=True),
        "date": formatdate(math.floor(wall), usegmt=True),
    },
    "reset": lambda wait, wall: {"x-rate-limit-reset-requests": _go_duration(math.ceil(wait))},
    "duration": lambda wait, wall: {"retry-after": f"{math.ceil(wait * 1000) / 1000:.3f}s"},
}
"""By name: the headers that ask for `wait` seconds when the wall clock shows `wall`."""


def _go_duration(seconds: int) -> str:
    return f"{seconds // 60}m{seconds % 60}s"
