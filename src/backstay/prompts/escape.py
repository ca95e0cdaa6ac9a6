"""Escape: how a value enters a prompt without being able to leave its place.

A value that came from outside stands between tags that carry a nonce, which is drawn for each rendering and unknown to whoever
wrote the value; and the three characters of which tags are made are written as entities, in every value that is not trusted.
So a value can neither close its tag, nor open another, nor look like one to a reader who folds width: the full-width and small
forms of `<`, `>` and `&` are escaped too. This bounds what a text can pretend to be. It does not stop a model from obeying a
text; that is what the instructions around it, the schema and the checks of the answer are for (OWASP LLM01).
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any, Final

import msgspec

LOOKALIKES: Final = {
    "<": "&lt;",
    ">": "&gt;",
    "&": "&amp;",
    "\uff1c": "&#xff1c;",
    "\uff1e": "&#xff1e;",
    "\uff06": "&#xff06;",
    "\ufe64": "&#xfe64;",
    "\ufe65": "&#xfe65;",
    "\u2039": "&#x2039;",
    "\u203a": "&#x203a;",
    "\u3008": "&#x3008;",
    "\u3009": "&#x3009;",
    "\u2329": "&#x2329;",
    "\u232a": "&#x232a;",
    "\u27e8": "&#x27e8;",
    "\u27e9": "&#x27e9;",
}
"""Characters that are, or are drawn like, the marks of a tag."""

_TABLE: Final = str.maketrans(LOOKALIKES | dict.fromkeys(map(chr, (11, 12, 133, 8232, 8233)), " "))


def escape_text(text: str) -> str:
    """`text` without any character of which a tag can be made; odd line ends become spaces."""
    return text.translate(_TABLE)


def escape_line(text: str) -> str:
    """As `escape_text`, in one line: for a value that stands inside a sentence."""
    return " ".join(escape_text(text).split())


def unescape_text(text: str) -> str:
    """What `escape_text` was given, but for odd line ends."""
    return unescape(text)


def escape_json(value: Any) -> str:
    """`value` as JSON in which the marks of tags are written as \\u escapes: the same JSON value, harmless as text."""
    text = msgspec.json.encode(value, order="sorted").decode()
    return re.sub(f"[{''.join(map(re.escape, LOOKALIKES))}]", lambda found: f"\\u{ord(found[0]):04x}", text)


def enclose(name: str, body: str, nonce: str) -> str:
    """`body` between tags called `name` that nobody else can write, because they carry the nonce."""
    return f'<{name} id="{nonce}">\n{body}\n</{name} id="{nonce}">'


def enclosed(text: str, name: str) -> str | None:
    """The body between the tags called `name` in a rendered prompt, as it was before escaping; None where there is none."""
    found = re.search(rf'<{re.escape(name)} id="(\w+)">\n(.*?)\n</{re.escape(name)} id="\1">', text, re.DOTALL)
    return None if found is None else unescape_text(found[2])
