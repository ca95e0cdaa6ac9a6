"""Amounts of money as people print them, and the plain decimal string they mean.

`1,234.56`, `1.234,56`, `1 234,56` and `1'234.56` are one value. Which mark is the decimal one is decided by the number itself
where it can be (two different marks, or one mark before one, two or four digits) and by the rest of the document where it
can't (`9.000`). A printed precision is kept: `9.00` stays `9.00`. Parentheses are not read as a minus sign: outside
accounting they mean "included".
"""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

_SPACE = "\u00a0\u2009\u202f"
_SIGN = r"[-\u2212\u2013]"
_CURRENCY = r"(?:[$€£¥₹]|RM|R\$|US\$|EUR|USD|GBP|MYR|CHF|PLN|zł|kr|Rs\.?)"
# A number may touch a word ("Total473,00" in text without layout) but never another number.
NUMBER = re.compile(
    rf"""(?<!\d)(?<!\d[.,'’])
    (?P<sign>{_SIGN}[ ]?(?={_CURRENCY}?[ ]?\d)|{_SIGN}[ ]?(?={_CURRENCY}))?
    (?P<before>{_CURRENCY}[ ]?{_SIGN}?[ ]?)?
    (?P<digits>
        \d{{1,3}}(?:,\d{{2,3}})*,\d{{3}}\.\d{{1,4}} | \d{{1,3}}(?:,\d{{3}})+(?![.,]?\d)
      | \d{{1,3}}(?:\.\d{{3}})+,\d{{1,4}} | \d{{1,3}}(?:\.\d{{3}})+(?![.,]?\d)
      | \d{{1,3}}(?:[ {_SPACE}]\d{{3}})+,\d{{1,4}} | \d{{1,3}}(?:[{_SPACE}]\d{{3}})+(?:\.\d{{1,4}})?
      | \d{{1,3}}(?:['’]\d{{3}})+(?:[.,]\d{{1,4}})?
      | \d+[.,]\d{{1,4}} | [.,]\d{{2}} | \d+
    )
    (?!\d)(?![.,]\d)
    (?P<after>[ ]?-(?![\w\d-]))?(?P<percent>[ ]?%)?""",
    re.VERBOSE,
)


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """A number found in a text: its exact value, its place, and how many decimals were printed."""

    value: Decimal
    start: int
    end: int
    decimals: int
    is_percent: bool = False
    has_currency: bool = False


def parse_amount(text: str, *, decimal_mark: str | None = None) -> Decimal | None:
    """The value of the one number in `text`, at its printed precision; None when there is none or more than one."""
    found = [amount for amount in find_amounts(text, decimal_mark=decimal_mark) if not amount.is_percent]
    return found[0].value if len(found) == 1 else None


def format_amount(value: Decimal) -> str:
    """`value` as a plain decimal string: no exponent, no separators, its own precision, no negative zero."""
    text = f"{value:f}"
    return text.lstrip("-") if value == 0 else text


def find_amounts(text: str, *, decimal_mark: str | None = None) -> list[Amount]:
    """Every number of `text`, in order; `decimal_mark` settles what a lone mark before three digits means."""
    mark = decimal_mark or guess_decimal_mark(text)
    return [_read(match, mark) for match in NUMBER.finditer(text)]


def guess_decimal_mark(text: str) -> str:
    """The mark that stands before two final digits more often; a dot when neither does."""
    commas = len(re.findall(r"\d,\d{2}(?!\d)", text))
    dots = len(re.findall(r"(?<!\d\.)\d\.\d{2}(?!\d|\.\d)", text))
    return "," if commas > dots else "."


def _read(match: re.Match[str], mark: str) -> Amount:
    digits = match["digits"]
    whole, fraction = _split(digits, mark)
    value = Decimal(f"{whole or '0'}.{fraction}" if fraction else whole)
    is_negative = bool(match["sign"] or match["after"] or re.search(_SIGN, match["before"] or ""))
    return Amount(
        value=-value if is_negative else value,
        start=match.start(),
        end=match.end("after") if match["after"] else match.end("digits"),
        decimals=len(fraction),
        is_percent=match["percent"] is not None,
        has_currency=match["before"] is not None,
    )


def _split(digits: str, mark: str) -> tuple[str, str]:
    """The whole and the fractional digits of a printed number."""
    marks = re.findall(r"[.,]", digits)
    groups = re.split(r"[.,]", digits)
    has_other_groups = re.search(rf"[ '’{_SPACE}]", digits) is not None
    is_fraction = bool(marks) and (
        has_other_groups or len(set(marks)) == 2 or (len(marks) == 1 and (len(groups[-1]) != 3 or marks[0] == mark))
    )
    if len(marks) == 1 and len(groups[-1]) == 3 and groups[0] in ("0", ""):
        is_fraction = True
    fraction = groups.pop() if is_fraction else ""
    return re.sub(r"\D", "", "".join(groups)), fraction
