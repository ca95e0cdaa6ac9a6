"""Secret: a key that can be used but not seen.

A provider key is wrapped as soon as it is read and unwrapped in one place, where the transport writes the header. Between
the two nothing can show it: repr, str, format, JSON, pickle, copy into a dict, traceback locals and dataclass dumps all
print `Secret(***)` or refuse. The plain text lives in a closure, so even `vars()` has nothing to give.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NoReturn


class Secret:
    """A key, token or password. `reveal()` gives the plain text; everything else hides it.

    Two secrets are equal when their plain texts are. An empty text is refused, because an empty key is a missing key.

    >>> key = Secret("sk-123")
    >>> key, f"{key}", str(key)
    (Secret(***), '***', '***')
    >>> key.reveal()
    'sk-123'
    """

    __slots__ = ("_reveal",)
    _reveal: Callable[[], str]

    def __init__(self, text: str | Secret) -> None:
        plain = text.reveal() if isinstance(text, Secret) else text
        if not plain:
            raise ValueError("an empty key is no key: leave it out instead")
        if not plain.isprintable() or not plain.isascii():
            raise ValueError("a key holds printable ASCII only: this one has a line break or another control character")
        object.__setattr__(self, "_reveal", lambda: plain)

    def reveal(self) -> str:
        """The plain text. Called where a header is written, and nowhere else."""
        return self._reveal()

    def fingerprint(self) -> str:
        """Eight hex digits that tell two keys apart in logs without saying anything of either."""
        return hashlib.sha256(b"backstay key\0" + self.reveal().encode()).hexdigest()[:8]

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self.reveal()

    def __hash__(self) -> int:
        return hash(("Secret", self.reveal()))

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError("a Secret does not change")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled or copied to disk: pass the reference (env:NAME) instead")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self
