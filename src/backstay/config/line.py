"""The line of every key of a TOML text, which tomllib does not tell.

One pass, line by line: a line is a table header, or it begins a key, whose value is then skipped (strings of four kinds,
brackets, comments) until it ends. The text has been parsed by tomllib before, so it is good TOML and the scan need not judge;
keys inside an inline table have the line of the key that holds it.
"""

from __future__ import annotations

import re
import tomllib

_KEY_PART = re.compile(r"""[ \t]*(?:"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'|([A-Za-z0-9_-]+))[ \t]*""")
_TOKEN = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*|[\[{]|[\]}]|\n|[^"'\#\[\]{}\n]+''',
    re.DOTALL,
)


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The 1-based line of each table and key of `text`, by its place; of a table written twice, the first."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    position, line = 0, 1
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        start = text[position:end].lstrip()
        if start.startswith("["):
            table = _key(text, position + text[position:end].index("[") + (2 if start.startswith("[[") else 1))[0]
            lines.setdefault(table, line)
        elif start and not start.startswith("#"):
            key, after = _key(text, position)
            for depth in range(1, len(key) + 1):
                lines.setdefault((*table, *key[:depth]), line)
            end = _value_end(text, after)
        line += text.count("\n", position, end) + 1
        position = end + 1
    return lines


def _key(text: str, position: int) -> tuple[tuple[str, ...], int]:
    """The dotted key at `position` and the place after it."""
    parts: list[str] = []
    while match := _KEY_PART.match(text, position):
        basic, literal, bare = match.groups()
        if basic is not None:
            parts.append(next(iter(tomllib.loads(f'"{basic}" = 0'))))
        else:
            parts.append(literal if literal is not None else bare)
        position = match.end()
        if not text.startswith(".", position):
            break
        position += 1
    return tuple(parts), position


def _value_end(text: str, position: int) -> int:
    """Where the value that begins after `position` ends: the first line break outside strings and brackets."""
    depth = 0
    while match := _TOKEN.match(text, position):
        token = match.group()
        if token == "\n" and depth == 0:
            return position
        depth += (token in ("[", "{")) - (token in ("]", "}"))
        position = match.end()
    return len(text)
