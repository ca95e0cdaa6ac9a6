"""Where in a model's text the JSON is: after its thinking, in a fence, or bare among the prose.

One scan of start marks (`{`, `[`, fences) yields candidates in order; each is read to its end and the scan goes on behind
it, so marks inside a value are never starts. Fences rank above bare text; a bare bracket must look like JSON (a
key, a quoted or numeric item) to count, because prose is full of `[1]` and `{placeholder}`.
"""

from __future__ import annotations

import re

import msgspec

THINK_END = re.compile(r"</(?:think|thinking|thought|reasoning|reflection|scratchpad|analysis)>", re.IGNORECASE)
MARK = re.compile(r"(?:`{3,}|~{3,})[ \t]*([\w+.-]*)|[{\[｛［]|\((?=\s*[\"'\d{\[-])")
STRONG_OBJECT = re.compile(
    r"[{｛]\s*(?:(?://[^\n]*|/\*[\s\S]{0,400}?\*/|#[^\n]*|,)\s*)*"
    r"(?:\\*[\"'“‘`][^\n]|[\"'“‘`]?\Z|\}|\w[\w$.\- \\]{0,60}[\"'”]?\s*[:：]|[\w$]+\s+[\"'“]|\{|\.\.\.|…|```)"
)
STRONG_ARRAY = re.compile(
    r"[\[［]\s*(?:(?:,|//[^\n]*|/\*[\s\S]{0,400}?\*/)\s*)*"
    r"(?:\\*[\"'“‘`{\[(（｛]|\]|[-+.]?\d[\w.]*\s*(?:,|\n|\]|\Z)|(?:true|false|null|True|False|None|NaN|undefined)\b|\Z|\.\.\.)"
)
NEAR = 200
"""Characters of white space at most between a fence, or the start of the text, and its value."""
FENCE_IN_BRACKET = re.compile(r"[\[{]\s*```")
TUPLE_OPEN = re.compile(r"\(\s*[\"'\d{\[-]")
WEAK_ARRAY = re.compile(r"\[\s*\d+\s*\]|\[\s*\]|\{\s*\}")
JSON_TAGS = frozenset({"json", "json5", "jsonc", "jsonl", "ndjson", "javascript", "js", "python", "py", ""})


class Start(msgspec.Struct, frozen=True):
    """A place where a value may begin; a higher `rank` wins."""

    at: int
    rank: int
    method: str


def thought_end(text: str) -> int:
    """The offset behind the last closing tag of the model's thinking; 0 without one."""
    end, first = 0, text.find("<")  # one character is found at memory speed, two are not
    if first < 0:
        return end
    for match in THINK_END.finditer(text, first):
        end = match.end()
    return end


def next_start(text: str, at: int) -> Start | None:
    """The next place from `at` on where a value may begin."""
    fence_end = -1
    for mark in MARK.finditer(text, at):
        char = text[mark.start()]
        if char in "`~":
            fence_end = mark.end()
            continue
        is_alone = _is_alone(text, mark.start())
        is_fenced = 0 <= fence_end > mark.start() - NEAR and not text[fence_end : mark.start()].strip(" \t\r\n=")
        if FENCE_IN_BRACKET.match(text, mark.start()):
            continue
        method = "fence" if is_fenced else "bare"
        rank = max(_rank(text, mark.start(), is_fenced), 2 if is_alone else 0)
        if rank:
            return Start(at=mark.start(), rank=rank, method=method)
    return None


def _is_alone(text: str, at: int) -> bool:
    """True if the text begins at `at` and ends with a closing bracket."""
    return at < NEAR and not text[:at].strip() and text[-NEAR:].rstrip(" \n\r\t,;`").endswith(("]", "}", ")"))


def _rank(text: str, at: int, is_fenced: bool) -> int:
    """3 in a fence, 2 bare and like JSON, 1 bare and perhaps a citation or an empty placeholder, 0 prose."""
    char = text[at]
    if char == "(":
        is_tuple = TUPLE_OPEN.match(text, at) is not None
        return (3 if is_fenced else 1) if is_tuple else 0
    strong = (STRONG_OBJECT if char in "{｛" else STRONG_ARRAY).match(text, at) is not None
    if is_fenced:
        return 3 if strong else 2
    if WEAK_ARRAY.match(text, at):
        return 1
    return 2 if strong else 0
