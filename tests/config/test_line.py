"""The line of every key, against tomllib: the scanner finds exactly the keys that are there, on the lines they are on."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from backstay.config.line import key_lines

TRICKY = '''\
# a = 1
top = "x # not a comment"   # a comment
"quoted key" = 'lit # eral'
text = """
[not.a.table]
also = "not a key" \\""" still
end""""
raw = \'\'\'
x = 'y'
\'\'\'
list = [ # a comment with ] and "
  1, "]", [2,
  3],
]
inline = { a = 1, "b" = { c = 2 } }
[table] # comment
a.b."c.d" = 1
a.e = 2

[ spaced . 'name' ]
x = 1
[[many]]
y = 1
[[many]]
y = 2
z = 2026-01-01T00:00:00Z
'''


def places(table: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in table.items():
        yield (*prefix, name)
        if isinstance(value, dict):
            yield from places(value, (*prefix, name))


def test_every_form_of_toml_has_its_line() -> None:
    """Strings that look like tables, brackets in comments, dotted and quoted keys, tables written twice."""
    assert tomllib.loads(TRICKY)["table"]["a"] == {"b": {"c.d": 1}, "e": 2}
    assert key_lines(TRICKY) == {
        ("top",): 2,
        ("quoted key",): 3,
        ("text",): 4,
        ("raw",): 8,
        ("list",): 11,
        ("inline",): 15,
        ("table",): 16,
        ("table", "a"): 17,
        ("table", "a", "b"): 17,
        ("table", "a", "b", "c.d"): 17,
        ("table", "a", "e"): 18,
        ("spaced", "name"): 20,
        ("spaced", "name", "x"): 21,
        ("many",): 22,
        ("many", "y"): 23,
        ("many", "z"): 26,
    }


keys = st.text(st.sampled_from("abXY09-_"), min_size=1, max_size=5) | st.text(
    st.sampled_from("a.#=[]é "), max_size=4
).map(lambda text: '"' + text + '"')
values = st.sampled_from(
    [
        "1",
        "-2.5e3",
        "true",
        '"a#b"',
        "'[x]'",
        '"\\"="',
        "[1,\n 2] # c",
        "['a', # ]\n 'b']",
        '"""\n[t]\nk = 1\n"""',
        "'''\n'\n'''",
        "{}",
        '""',
    ]
)
lines = st.lists(
    st.tuples(keys, values).map(lambda pair: f"{pair[0]} = {pair[1]}")
    | keys.map(lambda key: f"[{key}]")
    | st.sampled_from(["", "# k = [", "  "]),
    max_size=12,
)


@given(lines)
def test_the_scanner_finds_the_keys_that_tomllib_finds(written: list[str]) -> None:
    """For any TOML: the same keys, and each line that is told holds the last name of its key."""
    text = "\n".join(written) + "\n"
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = key_lines(text)
    assert set(found) == set(places(table))
    rows = text.split("\n")
    for place, line in found.items():
        assert place[-1] in rows[line - 1]
