"""Environment: the variables of a process, which may hold keys, closed to the eye.

A plain mapping of them would show every key in the first traceback with locals. Here the values live in a closure, and a
reader asks for one by name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any


class Environment:
    """Environment variables, closed to the eye: repr and traceback locals show how many there are and nothing else.

    Pickled, it is empty-handed, and opened elsewhere it is the environment of that process.
    """

    __slots__ = ("_get", "_names")
    _get: Callable[[str], str | None]
    _names: tuple[str, ...]

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        held = dict(os.environ if variables is None else variables)
        self._get = lambda name: held.get(name) or None
        self._names = tuple(name for name in held if held[name])

    def get(self, name: str) -> str | None:
        """The value of `name`; None where it is unset or empty, which is how compose files leave a variable out."""
        return self._get(name)

    def names(self) -> tuple[str, ...]:
        """The names of all variables that hold something."""
        return self._names

    def __repr__(self) -> str:
        return f"Environment({len(self._names)} variables)"

    def __reduce__(self) -> tuple[Any, ...]:
        return Environment, ()
