"""Filler: a model's value that only says that there is none ("Unknown", "N/A", "not stated in the letter") becomes null.

Small models fill every field. Such a word is a value all the same where the schema offers it as a choice, and where the document
prints it in the place of a value: behind a label, or in a cell or line of its own.
"""

from __future__ import annotations

import re
from typing import Any, Final

from backstay.extract.schema import branch, resolve

_FILLER: Final = re.compile(
    r"(?:unknown|unspecified|none|null|nil|undefined|n/a|n\.a|not applicable|"
    r"not (?:stated|provided|specified|mentioned|given|available|found|known|listed|printed|included|disclosed)|"
    r"no (?:data|information|value)(?: (?:given|provided|available))?)"
    r"(?: (?:in|by|on|from) (?:the|this) \w+)?|[-–—?.]+",
    re.I,
)
_BEFORE: Final = r"(?:^|[:=|\t]|[ ]{2})[ \t]*"
_BEHIND: Final = r"[ \t]*(?=[.;]?[ \t]*$|[|\t]|[ ]{2})"


def without_fillers(data: dict[str, Any], schema: dict[str, Any], text: str) -> tuple[dict[str, Any], dict[str, str]]:
    """`data` with null for every filler that `text` does not print as a value, and by path what stood there.

    A filler in a list of texts is taken out of it, and an item of which nothing else is left.
    """
    said: dict[str, str] = {}
    kept: dict[str, Any] = _kept(data, schema, schema, text, "", said)
    return kept, said


def _kept(value: Any, node: dict[str, Any], root: dict[str, Any], text: str, path: str, said: dict[str, str]) -> Any:
    node = resolve(branch(node), root)
    if isinstance(value, dict):
        known = node.get("properties", {})
        return {
            name: _kept(child, known.get(name) or {}, root, text, f"{path}.{name}" if path else name, said)
            for name, child in value.items()
        }
    if isinstance(value, list):
        below = node.get("items")
        items: list[Any] = []
        for one in value:
            kept = _kept(one, below if isinstance(below, dict) else {}, root, text, f"{path}[{len(items)}]", said)
            if kept == one or not _is_bare(kept):
                items.append(kept)
        return items
    if not isinstance(value, str) or value in (node.get("enum") or ()) or not _is_filler(value, text):
        return value
    said[path] = value
    return None


def _is_filler(value: str, text: str) -> bool:
    plain = value.strip()
    if not _FILLER.fullmatch(plain.rstrip(".") or plain):
        return False
    return re.search(_BEFORE + re.escape(plain) + _BEHIND, text, re.I | re.M) is None


def _is_bare(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(map(_is_bare, value.values())))
