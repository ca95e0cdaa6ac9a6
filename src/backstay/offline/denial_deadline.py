"""The last day to appeal: printed, or counted from the notice date, or only a number of days.

A number of days belongs to the appeal when its sentence speaks of the member's asking, not of the plan's answering, and of
the plan's own review, not of an outside one. A printed date is preferred; a counted one is marked derived and has no
place of its own. Months are counted by the calendar, not turned into days.
Source of the contexts: 29 CFR 2560.503-1(h), 42 CFR 422.582.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re

import msgspec

from backstay.offline.denial_date import date_form, value_at
from backstay.offline.denial_layout import Conflict, Letter, Reading, absent, labels
from backstay.offline.finding import Finding

_PRINTED = labels(
    r"(?:internal |first level |member )?appeals? (?:filing )?(?:deadline|due(?: date)?|by|before|must be (?:filed|received) by)",
    r"deadline (?:to|for) (?:file |filing |submit |submitting |request |requesting )?(?:an |your |a |the )?(?:internal )?"
    r"(?:appeals?|redetermination|reconsideration)(?: request)?",
    r"(?:last (?:day|date)) (?:to|for) (?:file |filing |request )?(?:an |your )?(?:appeals?|appealing)",
    r"(?:file|submit|send) (?:your |an )?appeal (?:by|before|no later than|on or before)",
    r"(?:we must receive your (?:appeal|request)|right to appeal expires|appeal rights expire)(?: by| on| no later than)?",
)
_DATE_CUE = re.compile(
    r"\b(?:by|before|until|through|no later than|not later than|on or before|deadline(?: is| of)?|expires?(?: on)?|"
    r"up to|is|ends(?: on)?)"
    r"\s*:?\s*(?:midnight |the close of business |close of business |5:00 p\.?m\.? )?(?:on |of )?(?:the )?$",
    re.I,
)
_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred")
_WORDS = {
    **dict(zip(_UNITS, range(1, 13), strict=True)),
    **dict(zip(_TENS, range(20, 101, 10), strict=True)),
    "fourteen": 14,
    "fifteen": 15,
}
_WORD = rf"(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})"
_SPELLED = rf"\b{_WORD}(?:(?:[ -]|\sand\s){_WORD}){{0,3}}"
_COUNT = rf"(?:\d{{1,3}}|[a-z]+(?:[- ][a-z]+){{0,4}}\s*\(\s*\d{{1,3}}\s*\)|{_SPELLED})"
_DAYS = re.compile(
    rf"(?<![\d$.,/-])\(?(?P<count>{_COUNT})\)?[ -]*(?:\n\s*)?(?P<kind>calendar|business|working|consecutive)?"
    r"[ -]*(?P<unit>days?|months?)\b",
    re.I,
)
_ASKS = re.compile(
    r"\b(?:appeals?|appealing|reconsider(?:ation)?|redetermination|internal review|grievance|dispute)\b|"
    r"(?:request|ask for) (?:a|an|for) (?:\w+ )?review|\bchange our (?:mind|decision)|"
    r"\blook at (?:this|it|our decision|your \w+) again|\breview (?:of )?(?:our|this|the) decision|"
    r"\b(?:contest|challenge) (?:this|it|our|the)\b|\bwrite to us within\b|"
    r"\bif you (?:think|believe|feel)\b[^.]{0,50}\b(?:wrong|incorrect|mistaken?|error)\b",
    re.I,
)
_MEMBER_ACTS = re.compile(
    r"\b(?:ask|you|your|member|must|may|file|filed|submit|submitted|request|requested|write|send|received by|right to|deadline|"
    r"in writing|"
    r"time limit|have)\b|^\W*(?:appeals?|disputes?)\b",
    re.I,
)
# "Appeal this decision within" speaks of the appeal, not of when a decision is due.
_DECISION_APPEALED = re.compile(
    r"\b(?:appeal\w*|disput\w+|challeng\w+|contest\w*|review|reconsider\w*|disagree with) (?:of )?(?:this|the|our|that|a|any) "
    r"(?:\w+ ){0,2}(?:decision|determination)",
    re.I,
)
_PLAN_ANSWERS = re.compile(
    r"\b(?:we (?:will|must|have|shall|are required)(?! (?:receive|get)\b)|(?:plan|company|reviewer) (?:will|must|shall)|"
    r"you will (?:receive|get|be notified)|(?:decision|response|answer|determination|resol\w+|decided|acknowledg\w+|notif\w+|"
    r"complet\w+|respond\w*)\b[^.]{0,40}\bwithin|will be (?:made|decided|completed|sent)|takes? up to|let you know)\b",
    re.I,
)
_OUTSIDE = re.compile(
    r"\b(?:external|independent|state|fair hearing|department of|commissioner|ombudsman|judge|(?-i:court)|lawsuit|"
    r"hearing|arbitration|"
    r"IRO|complaint)\b",
    re.I,
)
_SECOND_LEVEL = re.compile(r"\b(?:provider disputes?|second[- ]level|level 2|level two|second appeal)\b", re.I)
_CLAUSE_BREAK = re.compile(r";|\n\n|,\s+(?:or|and|but)\s")
_LIMITS = re.compile(r"\b(?:within|have|in|than|to|until|after)\s+\(?$|:\s*$", re.I)
_OTHER_TIME = re.compile(
    r"\b(?:peer[- ]to[- ]peer|additional (?:information|documentation)|timely filing|filing limit|claims? must be|supply|"
    r"visits?|stay|free of charge|records? (?:request|be)|resubmit\w*|corrected claim)\b",
    re.I,
)
_ADDRESSES = re.compile(r"\byou\b|deadline|must|ask|\bdo (?:this|so|it)\b", re.I)
_TIMELY_FILING = labels(
    r"timely filing (?:deadline|limit|date)",
    r"(?:claim )?filing deadline",
    r"last (?:day|date) to file (?:the |this |a )?claim",
)
_FINAL = re.compile(
    r"\b(?:upheld|uphold(?:ing|s)?|final (?:internal )?(?:adverse|decision|determination)|exhausted)\b", re.I
)
_NEAR = 120
_MAX_MONTHS = 12
_MAX_DAYS = 400


def read_deadline(letter: Letter, notice: Finding) -> Reading:
    """The appeal deadline and its number of days; `notice` is the notice date that a derived deadline counts from."""
    days, phrase, conflicts = _days(letter)
    printed, printed_conflicts = _printed(letter)
    conflicts += printed_conflicts
    derived = _derived(notice, phrase, days)
    if printed.value is not None:
        if derived.value is not None and derived.value != printed.value and days.value:
            conflicts += (Conflict("dates.appeal_deadline", (printed.value, derived.value)),)
            printed = msgspec.structs.replace(
                printed,
                confidence=min(printed.confidence, 0.85),
                reason=f"the printed {days.value} days from the notice date would end on {derived.value}",
            )
        derived = printed
    fields = {
        "dates.appeal_deadline": derived,
        "dates.appeal_deadline_days": days,
        "dates.timely_filing_deadline": _timely_filing(letter),
    }
    return Reading(fields, conflicts)


def _printed(letter: Letter) -> tuple[Finding, tuple[Conflict, ...]]:
    form = date_form(letter)
    found = [(hit.start, hit.end, f"label/{hit.place}", 0.96) for hit in letter.hits(_PRINTED, form)]
    for mention in letter.dates:
        start, end = letter.sentence(mention.start)
        sentence = letter.text[start:end].replace("\n", " ")
        before = letter.text[start : mention.start].replace("\n", " ")
        if not _ASKS.search(sentence):
            sentence = (
                " ".join(letter.text[max(0, start - _NEAR) : start].rsplit("\n\n", 1)[-1].split()[-12:])
                + " "
                + sentence
            )
        if _DATE_CUE.search(before) and _is_members_appeal(sentence):
            found.append((mention.start, mention.end, "sentence", 0.94))
    if not found:
        return absent("no last day to appeal is printed"), ()
    start, end, rule, confidence = found[0]
    values = tuple(dict.fromkeys(value_at(letter, place[0]) for place in found))
    is_contradicted = len(values) > 1
    finding = Finding(
        value=values[0],
        confidence=0.6 if is_contradicted else confidence,
        start=start,
        end=end,
        rule=rule,
        reason="the letter prints more than one; the first is taken" if is_contradicted else None,
    )
    return finding, (Conflict("dates.appeal_deadline", values),) if is_contradicted else ()


def _is_members_appeal(sentence: str) -> bool:
    sentence = _DECISION_APPEALED.sub("appeal", sentence)
    return bool(
        _ASKS.search(sentence)
        and _MEMBER_ACTS.search(sentence)
        and not _PLAN_ANSWERS.search(sentence)
        and not _OUTSIDE.search(sentence)
        and not _OTHER_TIME.search(sentence)
    )


def _days(letter: Letter) -> tuple[Finding, re.Match[str] | None, tuple[Conflict, ...]]:
    scored = _scored(letter)
    if not scored:
        return absent("no number of days to appeal is printed"), None, ()
    best = max(score for score, _ in scored)
    matches = [match for score, match in scored if score == best]
    match = matches[0]
    if _is_months(match):
        return absent(f"the time to appeal is printed in months: {_count(match)}"), match, ()
    values = tuple(dict.fromkeys(str(_count(m)) for m in matches))
    is_contradicted = len(values) > 1
    finding = Finding(
        value=_count(match),
        confidence=0.6 if is_contradicted else (0.96 if best >= 3 else 0.8),
        start=match.start(),
        end=match.end(),
        rule="days phrase",
        reason="the letter prints more than one; the first is taken" if is_contradicted else None,
    )
    return finding, match, (Conflict("dates.appeal_deadline_days", values),) if is_contradicted else ()


def _scored(letter: Letter) -> list[tuple[int, re.Match[str]]]:
    """Phrases that limit the appeal, with their scores: days, else months; after a last decision, an outside review's."""
    for is_outside in (False, True) if _FINAL.search(letter.text) else (False,):
        every = [
            (score, match)
            for match in _DAYS.finditer(letter.text)
            if (score := _days_score(letter, match, is_outside=is_outside)) > 0
        ]
        found = [one for one in every if not _is_months(one[1])] or every
        if found:
            return found
    return []


def _is_months(match: re.Match[str]) -> bool:
    return match["unit"].lower().startswith("month")


def _days_score(letter: Letter, match: re.Match[str], *, is_outside: bool) -> int:
    """How surely a days phrase limits the member's appeal: 3 by its own clause, 1 by its neighbourhood, 0 not at all.

    `is_outside` lets a review outside the plan count as the appeal.
    """
    start, end = letter.sentence(match.start())
    sentence = " ".join(letter.text[start:end].split())
    if not 1 <= _count(match) <= (_MAX_MONTHS if _is_months(match) else _MAX_DAYS):
        return 0
    clause = _DECISION_APPEALED.sub("appeal", _clause(letter.text[start:end], match.start() - start))
    if _PLAN_ANSWERS.search(clause) or _OTHER_TIME.search(clause) or (_OUTSIDE.search(clause) and not is_outside):
        return 0
    if _SECOND_LEVEL.search(clause):
        return 1
    if _ASKS.search(clause) and _MEMBER_ACTS.search(clause):
        return 3
    if _ASKS.search(sentence) and _MEMBER_ACTS.search(sentence) and not _OUTSIDE.search(sentence):
        return 2
    before = letter.text[max(0, start - 300) : start]
    is_limit = _LIMITS.search(letter.text, max(0, match.start() - 12), match.start()) is not None
    return int(is_limit and bool(_ASKS.search(before) and _ADDRESSES.search(clause)) and not _OUTSIDE.search(before))


def _clause(sentence: str, at: int) -> str:
    """The part of a sentence around a place, between semicolons and before or after ", or"."""
    start = max((match.end() for match in _CLAUSE_BREAK.finditer(sentence, 0, at)), default=0)
    stop = _CLAUSE_BREAK.search(sentence, at)
    return " ".join(sentence[start : stop.start() if stop else len(sentence)].split())


def _count(match: re.Match[str]) -> int:
    digits = re.findall(r"\d+", match["count"])
    if digits:
        return int(digits[-1])
    total = 0
    for word in re.findall(r"[a-z]+", match["count"].lower()):
        total = total * 100 if word == "hundred" else total + _WORDS.get(word, 0)
    return total


def _later(day: dt.date, months: int) -> dt.date:
    """The same day some months later, or the last of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, calendar.monthrange(year, month + 1)[1]))


def _derived(notice: Finding, phrase: re.Match[str] | None, days: Finding) -> Finding:
    if phrase is None:
        return absent("neither a last day to appeal nor a number of days is printed")
    if (phrase["kind"] or "").lower() in ("business", "working"):
        return absent("derivable only with a calendar of business days")
    if notice.value is None:
        return absent("a number of days is printed but no notice date to count from")
    day, count, unit = dt.date.fromisoformat(notice.value), _count(phrase), "months" if _is_months(phrase) else "days"
    try:
        value = _later(day, count) if unit == "months" else day + dt.timedelta(days=count)
    except (OverflowError, ValueError):
        return absent("the counted date lies outside the calendar")
    return Finding(
        value=value.isoformat(),
        confidence=round(min(notice.confidence, days.confidence or 0.9) - 0.02, 2),
        rule="derived",
        reason=f"derived: notice date {notice.value} plus {count} {unit}",
    )


def _timely_filing(letter: Letter) -> Finding:
    form = date_form(letter)
    for hit in letter.hits(_TIMELY_FILING, form):
        value = value_at(letter, hit.start)
        return Finding(value=value, confidence=0.9, start=hit.start, end=hit.end, rule=f"label/{hit.place}")
    return absent("no last day to file the claim is printed")
