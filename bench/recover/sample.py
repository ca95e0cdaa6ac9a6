"""The documents of the recovery benchmark: one table of rows in every kind of damage, and hostile text of any size."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

DOCUMENT: dict[str, Any] = {
    "rows": [
        {
            "id": number,
            "name": f"Vessel {number}",
            "email": f"master{number}@example.org",
            "length": number * 1.5,
            "moored": number % 2 == 0,
            "cargo": ["grain", "steel pipe", f"lot {number}"],
            "note": "Arrives on the tide with papers in order, pilot on board.",
            "agent": {"code": number, "phone": None},
        }
        for number in range(480)
    ],
    "total": 480,
}


def documents() -> dict[str, tuple[str, Any]]:
    """Name to (text, the value it means)."""
    flat, pretty = json.dumps(DOCUMENT), json.dumps(DOCUMENT, indent=1)
    quoted = {**DOCUMENT, "rows": [dict(row) for row in DOCUMENT["rows"]]}
    for row in quoted["rows"][::10]:
        row["note"] = row["note"].replace("papers", '"papers"')
    unescaped = json.dumps(quoted).replace('\\"', '"')
    raw = {**DOCUMENT, "rows": [{**row, "note": row["note"].replace("papers", '"papers"')} for row in DOCUMENT["rows"]]}
    long = {**DOCUMENT, "rows": DOCUMENT["rows"] * 8}
    commented = re.sub(r",\n", ", // as told\n", re.sub(r'"(\w+)":', r"\1:", pretty))
    return {
        "clean": (flat, DOCUMENT),
        "fence and prose": (f"Here it is:\n```json\n{pretty}\n```\nAnything else?", DOCUMENT),
        "single quotes, trailing commas": (re.sub(r"(\n\s*[}\]])", r",\1", pretty.replace('"', "'")), DOCUMENT),
        "Python repr": (repr(DOCUMENT), DOCUMENT),
        "one bad comma": (flat[:-1] + ",}", DOCUMENT),
        "unescaped quotes, a row in ten": (unescaped, quoted),
        "unescaped quotes, every row": (json.dumps(raw).replace('\\"', '"'), raw),
        "unquoted keys, comments": (commented, DOCUMENT),
        "truncated": (flat[:-1], DOCUMENT),
        "truncated, 1 MB": (json.dumps(long)[:-1], long),
    }


def hostile() -> dict[str, Callable[[int], str]]:
    """Name to a maker of about `size` characters."""
    return {
        "open brackets": lambda size: "[" * size,
        "open braces": lambda size: "{" * size,
        "open members": lambda size: '{"a":' * (size // 5),
        "closed nesting": lambda size: "[" * (size // 2) + "]" * (size // 2),
        "double quotes": lambda size: '"' * size,
        "backslashes": lambda size: "\\" * size,
        "escaped quotes": lambda size: '"' + '\\"' * (size // 2),
        "closing braces": lambda size: "}" * size,
        "commas": lambda size: "," * size,
        "unclosed string, commas": lambda size: '{"a":"' + "x," * (size // 2),
        "unclosed string, quotes": lambda size: '{"a":"' + 'x" y ' * (size // 5),
        "unclosed string, keys": lambda size: '{"a":"' + 'x "k": ' * (size // 7),
        "unclosed strings in array": lambda size: '["a,' * (size // 4),
        "unclosed strings, closed array": lambda size: "[" + '"a,' * (size // 3) + "]",
        "unclosed keys": lambda size: '{"a' * (size // 3),
        "junk after each value": lambda size: '{"a":"b" c} ' * (size // 12),
        "junk after each item": lambda size: "[" + '"a" b, ' * (size // 7),
        "fence marks": lambda size: "```" * (size // 3),
        "prose": lambda size: "lorem ipsum dolor " * (size // 18),
        "prose with brackets": lambda size: "a {b} [c] " * (size // 10),
        "block comments": lambda size: "/*" * (size // 2),
        "line comments": lambda size: "// x\n" * (size // 5),
        "spaces": lambda size: " " * size,
        "digits": lambda size: "1" * size,
        "apostrophes": lambda size: "'" * size,
        "cut nesting": lambda size: '{"a":["' * (size // 7),
        "concatenated objects": lambda size: '{"a":1}' * (size // 7),
        "concatenated arrays": lambda size: "[1]" * (size // 3),
        "cut arrays": lambda size: "[1," * (size // 3),
        "cut arrays as text": lambda size: '"[1,"' * (size // 5),
        "junk objects in array": lambda size: "[" + '{"a":"b" c} ' * (size // 12) + "]",
        "unclosed keys in array": lambda size: "[" + '{"a: 1}, ' * (size // 9) + "]",
        "unclosed strings in objects": lambda size: "[" + '{"a": "b}, ' * (size // 11) + "]",
        "one raw quote a row": lambda size: "[" + '{"a":"b"c","d":[{"e":1}]}, ' * (size // 27) + "]",
        "bare values": lambda size: "[" + "{a: b c, d: e}, " * (size // 16) + "]",
        "mixed brackets": lambda size: "[}" * (size // 2),
        "quotes and newlines": lambda size: '{"a":"' + 'x"\n' * (size // 3),
        "parentheses": lambda size: "(" * size,
    }
