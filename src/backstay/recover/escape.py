"""String contents to text: JSON's escapes, JavaScript's and Python's where the quotes say so, and the wrong ones kept.

An escape that JSON does not know keeps its backslash (`\\d` stays `\\d`): dropping it would destroy regular expressions,
paths and TeX, the three things models forget to escape. Such an escape is also evidence about its neighbours: in a
string that holds `\\alpha`, the `\\b` of `\\beta` and the `\\t` of `\\text` were not meant as backspace and tab.
"""

from __future__ import annotations

import re

from backstay.recover.outcome import Log

ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})"
    r"|(\r\n|[\s\S]))"
)
PLAIN = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "'": "'", "`": "`"}
JUDGED = re.compile(r"\\(?:[\"\\/bfnrt'`\s]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\Z|([\s\S]))")
TEX = re.compile(
    r"\\\\|(\\)(?=(?:[bf][a-zA-Z]{2}|(?:tau|text|tfrac|theta|tilde|times|to|top|triangle|tan)(?![a-z])|text[a-z]{2}"
    r"|(?:nabla|neq|ne|neg|not|nu|newline|notin|ni|rangle|rho|right|rightarrow|Rightarrow|rm|root)(?![a-z])))"
)
HALF = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3}|x[0-9a-fA-F]?)?$")
HALF_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?$")


def unescape(raw: str, log: Log, offset: int, *, is_script: bool = False, is_cut: bool = False) -> str:
    """The text of string contents `raw` (found at `offset`, quotes not included).

    `is_script` reads `\\xHH` as JavaScript and Python do; `is_cut` drops an escape that the end of the input halved.
    """
    if "\\" not in raw:
        return raw
    if is_cut:
        raw = drop_half_escape(raw)
    if has_bad_escape(raw):
        log.add("bad_escape", offset, "kept the backslash")
        raw = TEX.sub(r"\\\\", raw)

    def decode(match: re.Match[str]) -> str:
        high, low, unit, byte, char = match.groups()
        if high is not None:
            return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
        if unit is not None:
            return chr(int(unit, 16))
        if byte is not None:
            return chr(int(byte, 16)) if is_script else match[0]
        if char in "\r\n":
            return ""
        return PLAIN.get(char, match[0])

    return ESCAPE.sub(decode, raw)


def has_bad_escape(raw: str) -> bool:
    """True if a backslash in string contents begins no escape that JSON, JavaScript or Python know."""
    return any(match.lastindex for match in JUDGED.finditer(raw))


def drop_half_escape(raw: str) -> str:
    """`raw` without an escape, or half of a surrogate pair, that the cut left incomplete."""
    pair = HALF_PAIR.search(raw)
    if pair is not None and (len(raw[: pair.start()]) - len(raw[: pair.start()].rstrip("\\"))) % 2 == 0:
        return raw[: pair.start()]
    half = HALF.search(raw)
    return raw if half is None else raw[: half.end(1)]


def dedent(block: str) -> str:
    """A block of lines without their common indentation and the blank lines around them."""
    lines = block.replace("\r\n", "\n").split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:] for line in lines).strip("\n").rstrip()
