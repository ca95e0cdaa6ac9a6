"""Escape: how a value enters a prompt without being able to leave its place.

A value that came from outside stands between tags that carry a nonce, which is drawn for each rendering and unknown to whoever
wrote the value; and `<` and `>` are written as entities, in every value that is not trusted. So a value can neither close its
tag, nor open another, nor look like one to a reader who folds shapes: what is drawn like `<`, `>` or `&` (Unicode UTS 39,
confusables), what is not drawn at all (tag characters) and what changes the order in which a line is drawn (bidirectional
overrides) is written as a number too. An `&` is written as an entity only where it would be read as the beginning of one, so that
"R&D" stays what a model is to quote. All of it is undone exactly by `unescape_text`.

This bounds what a text can pretend to be. It does not stop a model from obeying a text; that is what the instructions around
it, the schema and the checks of the answer are for (OWASP LLM01).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

ENTITIES: Final = {"<": "&lt;", ">": "&gt;"}

DRAWN_LIKE: Final = (
    "\uff1c\uff1e\uff06\ufe60\ufe64\ufe65"  # full-width and small forms, which NFKC folds to the ASCII ones
    "\u2039\u203a\u276c\u276d\u276e\u276f\u2770\u2771\u02c2\u02c3\u1433\u1438\u16b2\u227a\u227b"
    "\u2329\u232a\u27e8\u27e9\u3008\u3009\u29fc\u29fd\ufe3f\ufe40"
    "\U00016f3f\U0001d236\U0001d237"
)
"""Characters that are drawn like the marks of a tag."""

UNSEEN: Final = "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xE0000, 0xE0080))))
"""Characters that hide text from a person and not from a model, or show it in another order."""

MARKS: Final = ENTITIES | {char: f"&#x{ord(char):x};" for char in DRAWN_LIKE + UNSEEN}
"""What may not stand in a value, and how it is written."""

_TABLE: Final = str.maketrans(MARKS)
_AMPERSAND: Final = re.compile(r"&(?=#?\w{1,31};)")
"""An `&` that a reader may take for the beginning of an entity; the longest name of HTML has 31 letters."""

_ENTITY: Final = re.compile(r"&(?:(lt|gt|amp)|#x([0-9a-f]{2,6}));")
_WRITTEN: Final = {"lt": "<", "gt": ">", "amp": "&"}
_MARK: Final = re.compile(f"[{''.join(map(re.escape, MARKS))}]|{_AMPERSAND.pattern}")


def escape_text(text: str) -> str:
    """`text` without any character of which a tag can be made."""
    return _AMPERSAND.sub("&amp;", text).translate(_TABLE)


def escape_line(text: str) -> str:
    """As `escape_text`, in one line: for a value that stands inside a sentence."""
    return " ".join(escape_text(text).split())


def unescape_text(text: str) -> str:
    """What `escape_text` was given, to the character."""
    return _ENTITY.sub(lambda found: _WRITTEN[found[1]] if found[1] else _char(found), text)


def _char(found: re.Match[str]) -> str:
    """The character that a number stands for; a number that `escape_text` never writes stands for itself."""
    code = int(found[2], 16)
    return chr(code) if code <= 0x10FFFF and chr(code) in MARKS else found[0]


def escape_json(value: Any) -> str:
    """`value` as JSON in which the marks of tags are written as \\u escapes: the same JSON value, harmless as text."""
    text = msgspec.json.encode(value, order="sorted").decode()
    return _MARK.sub(lambda found: _json_escape(ord(found[0])), text)


def _json_escape(code: int) -> str:
    """The \\u escape of a character; above U+FFFF a pair of surrogates, as JSON asks."""
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def enclose(name: str, body: str, nonce: str) -> str:
    """`body` between tags called `name` that nobody else can write, because they carry the nonce."""
    return f'<{name} id="{nonce}">\n{body}\n</{name} id="{nonce}">'


def enclosed(text: str, name: str) -> str | None:
    """The body between the tags called `name` in a rendered prompt, as it was before escaping; None where there is none."""
    found = re.search(rf'<{re.escape(name)} id="(\w+)">\n(.*?)\n</{re.escape(name)} id="\1">', text, re.DOTALL)
    return None if found is None else unescape_text(found[2])
