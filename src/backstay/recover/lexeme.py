"""The lexemes: every regular expression of the scanner, each linear, with bounded look-ahead.

The two large ones (`MEMBER`, `ITEM`) take a whole healthy `"key": value,` or `value,` in one C match; everything they
refuse goes to the slow path, which decides by the cheapest reading.
"""

from __future__ import annotations

import re

WS = r"[ \n\r\t]*"
SPACE = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]*")
COMMENT = re.compile(r"//[^\n\r]*|/\*[\s\S]*?(?:\*/|\Z)|#[^\n\r]*|<!--[\s\S]*?(?:-->|\Z)")
ELLIPSIS = re.compile(r"(?:\.\.\.|…)[^\S\n]*(?=[,\]})/\n]|\Z)")
FENCE = re.compile(r"`{3,}|~{3,}")

DOUBLE = r'"[^"\\\n]{0,120}"'
QUOTED_KEY = re.compile(
    r'(?:"((?:[^"\\\n]|\\.){0,120})"|\'([^\'\n]{0,80})\'|[“”]([^“”"\n]{0,80})[“”"]|`([^`\n]{0,80})`)\s*[:：]'
)
BARE_KEY = re.compile(r"([A-Za-z_$][\w$-]{0,60})\s*:(?!//)")
OPEN_KEY = re.compile(
    r"[\"'“”‘`]([^\"'“”:{}\[\],\n]{1,80}?)\s*[:：]\s*(?=[\"'“{\[\-\d]|(?:true|false|null|True|False|None)\b)"
)
ANY_KEY = re.compile(r"([^\s:,{}\[\]()\"'`“”][^:,{}\[\]\"'“”\n]{0,80}?)(?:(\\?[\"'”])\s*)?\s*[:：]")
COLON = re.compile(r"\s*(?:[:：]+|=>?)")
VALUE_START = re.compile(r"[\"'“‘`{\[]|[-+.]?\d|(?:true|false|null|True|False|None|NaN|undefined)\b")
JSON_VALUE_START = re.compile(r"[\"'“{\[]|-?\d|(?:true|false|null|True|False|None)\b")

_NEXT = (
    rf"{WS}(?:,{WS}(?:{DOUBLE}{WS}:|'[^'\\\n]{{0,80}}'[ \t]*:|[A-Za-z_$][\w$]{{0,60}}[ \t]*:|\}}|//|\#)"
    rf"|\}}{WS}(?:[,}}\]]|\Z))"
)
_NUMBER_END = rf"(?={WS}[,}}\]])"
_SCALARS = (
    rf"(-?(?:0|[1-9]\d{{0,300}})){_NUMBER_END}|(-?(?:0|[1-9]\d{{0,300}})(?:\.\d{{1,300}})?(?:[eE][+-]?\d{{1,5}})?)"
    rf"{_NUMBER_END}|(true|false|null|True|False|None){_NUMBER_END}"
)
_NOTES = rf"{WS}((?://[^\n]*\n{WS})+)?"
_MEMBER_END = rf"{WS}(?:,(?:{WS}\}})?|\}})"
_ITEM_END = rf"{WS}(?:,(?:{WS}\])?|\])"
MEMBER = re.compile(
    rf"{_NOTES}(?:\"([^\"\\\x00-\x1f]+)\"|'([^'\"\\\x00-\x1f]+)'|([A-Za-z_$][\w$]*)){WS}:{WS}(?:"
    rf"\"([^\"\\\x00-\x1f]*)\"(?={_NEXT}){_MEMBER_END}|'([^'\\\x00-\x1f]*)'(?={_NEXT}){_MEMBER_END}"
    rf"|(?:{_SCALARS}){_MEMBER_END}|([{{\[]))"
)
"""Groups: 1 comments, 2-4 the key (double, single, bare), 5 and 6 a string, 7 int, 8 float, 9 word, 10 open."""

_NEXT_ITEM = (
    rf"{WS}(?:,{WS}(?:[\"'{{\[\]]|-?\d+[ \n\r\t]*[,\].]|(?:true|false|null|True|False|None)\b|//|\#)"
    rf"|\]{WS}(?:[,}}\]]|\Z))"
)
ITEM = re.compile(
    rf"{_NOTES}(?:\"([^\"\\\x00-\x1f]*)\"(?={_NEXT_ITEM}){_ITEM_END}|'([^'\\\x00-\x1f]*)'(?={_NEXT_ITEM}){_ITEM_END}"
    rf"|(?:{_SCALARS}){_ITEM_END}|([{{\[]))"
)
"""Groups: 1 comments, 2 and 3 a string (double, single), 4 int, 5 float, 6 word, 7 open."""

STRICT_OPEN = re.compile(rf"\{{{WS}[\"}}]|\[{WS}[\"\d\-{{\[\]tfn]")
"""A bracket behind which the C parser has a chance."""
SET_LIKE = re.compile(
    r"\{\s*(?:\"[^\"\\\n]*\"|'[^'\\\n]*'|-?\d+(?:\.\d+)?)\s*"
    r"(?:,\s*(?:\"[^\"\\\n]*\"|'[^'\\\n]*'|-?\d+(?:\.\d+)?)\s*[,}]|,?\s*\})"
)
LONE_GROUP = re.compile(r"\(\s*(?:\"[^\"\\\n]*\"|'[^'\\\n]*'|[^\s,()\"'\[\]{}]+)\s*\)")
CALL = re.compile(r"(?:new\s+)?[A-Za-z_][\w.]{0,60}\(\s*(\"[^\"\\\n]*\"|'[^'\\\n]*'|-?\d[\d.]*)\s*\)")
NUMBERISH = re.compile(r"[+\-]?\.?\d[\w.+\-]*|[+\-]")
WORD = re.compile(r"[+-]?[A-Za-z_$][\w$]*")
DELIMITED = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]*(?:[,，}\]):]|\{\s*\"|//|/\*|#|```|\Z)|[^\S\n]*\n")
WORDS: dict[str, object] = {
    "true": True, "false": False, "null": None, "True": True, "False": False, "None": None, "TRUE": True,
    "FALSE": False, "NULL": None, "Null": None, "NONE": None, "none": None, "undefined": None, "nil": None,
}  # fmt: skip
STRICT_WORDS = frozenset({"true", "false", "null"})
NON_FINITE = {
    "NaN": float("nan"), "nan": float("nan"), "Infinity": float("inf"), "inf": float("inf"), "Inf": float("inf"),
    "infinity": float("inf"),
}  # fmt: skip
