"""The dates of an American letter and their places: strict forms only, month before day where both orders are possible.

A letter is full of numbers, so a date here must be a complete one with a real month; the general reader then gives its value.
"""

from __future__ import annotations

import re

from backstay.offline.date import DateMention, parse_date

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.?"
)
_ORDINAL = r"(?:st|nd|rd|th)?"
_UNITS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_TEENS = ("tenth", "eleventh", "twelfth", *(f"{name}th" for name in ("thirteen", "fourteen", "fifteen", "sixteen")))
_SPELLED = {
    name: day
    for day, name in enumerate(
        [
            *(*_UNITS, *_TEENS, "seventeenth", "eighteenth", "nineteenth", "twentieth"),
            *(f"twenty-{name}" for name in _UNITS),
            *("thirtieth", "thirty-first"),
        ],
        1,
    )
}
_FORM = re.compile(
    rf"(?:(?<![\w.,/-])|(?<=\d{{4}}-)|(?<=/\d\d-))(?:{_MONTH}\s?\d{{1,2}}{_ORDINAL},?\s*\d{{4}}"
    rf"|\d{{1,2}}{_ORDINAL}(?:\s+day)?(?:\s+of)?[\s-]?{_MONTH},?[\s-]?(?:\d{{4}}|(?<=-)\d{{2}})"
    rf"|(?P<spelled>{'|'.join(sorted(_SPELLED, key=len, reverse=True))})(?:\s+day)?\s+of\s+{_MONTH},?\s+\d{{4}}"
    r"|\d{1,2} ?/ ?\d{1,2} ?/ ?\d{4}"
    r"|(?P<six>(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d\d(?=[ \t]+(?:\d\d[ \t]+)?(?:\d{5}|[A-V]\d{4})\b[^\n]*\d\.\d\d))"
    r"|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/]\d{1,2}[-/](?:\d{4}|\d{2})|\d{1,2}\.\d{1,2}\.\d{4}"
    r"|(?P<compact>(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])))(?!\w|-(?!\d{1,2}/)|[/.]\d)",
    re.I,
)


def find_days(text: str) -> list[DateMention]:
    """Every complete date of a letter, in order, with its place."""
    found = []
    for match in _FORM.finditer(text):
        printed = re.sub(r"\s+day\b", "", " ".join(match.group().split()))
        if match["compact"]:
            printed = f"{printed[:4]}-{printed[4:6]}-{printed[6:]}"
        elif match["six"]:
            printed = f"{printed[:2]}/{printed[2:4]}/20{printed[4:]}"
        elif "/" in printed:
            printed = printed.replace(" ", "")
        if match["spelled"]:
            spelled = match["spelled"].lower()
            printed = printed.lower().replace(spelled, str(_SPELLED[spelled]), 1).replace(" of ", " ")
        value = parse_date(printed, day_first=False)
        if value is not None:
            found.append(DateMention(value=value, start=match.start(), end=match.end(), is_certain=True))
    return found
