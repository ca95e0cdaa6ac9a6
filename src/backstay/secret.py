"""Secret: a key that can be used but not seen.

A provider key is wrapped as soon as it is read and unwrapped in one place, where the transport writes the header. Between
the two nothing can show it: repr, str, format, JSON, pickle, copy into a dict, traceback locals and dataclass dumps all
print `Secret(***)` or refuse. The plain text lives in a closure, so even `vars()` has nothing to give.
"""

from __future__ import annotations

import hashlib
import hmac
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
        fault = _fault(plain)
        if fault is not None:
            text = plain = ""  # a traceback with locals must not show even a bad key
            raise ValueError(fault)
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
        """Compared in constant time, because gateways compare what strangers send."""
        return isinstance(other, Secret) and hmac.compare_digest(other.reveal(), self.reveal())

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


def _fault(plain: object) -> str | None:
    if not isinstance(plain, str):
        return "a key is text"
    if not plain:
        return "an empty key is no key: leave it out instead"
    if not plain.isascii():
        return "a key holds printable ASCII only: this one has another character, perhaps a curly quote or an ellipsis"
    if not plain.isprintable():
        return "a key holds printable ASCII only: this one has a line break or another control character"
    if plain != plain.strip():
        return "a key neither begins nor ends with a space: strip it"
    return None
