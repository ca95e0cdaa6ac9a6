"""Codes of a denial: procedures (CPT, HCPCS), diagnoses (ICD-10) and reasons for adjustment (CARC, RARC).

The forms overlap, so a code counts where its surroundings name its kind (`denial_cue`). Only forms that nothing else has
(`CO-50`, `MA130`, `G47.33`) stand by themselves. Sources: CPT categories I-III, HCPCS level II, ICD-10-CM guidelines I.A,
X12 code lists 139 and 411.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from backstay.offline.denial_cue import (
    DIAGNOSIS,
    INPATIENT,
    PROCEDURE,
    REASON,
    REMARK,
    column_kind,
    context,
    is_announced,
)
from backstay.offline.denial_layout import Letter, Reading, absent
from backstay.offline.finding import Finding


class Code(msgspec.Struct, frozen=True):
    """One code: canonical form, kind, place, and how sure its surroundings make it."""

    code: str
    code_type: str
    start: int
    end: int
    confidence: float
    rule: str


_PROCEDURE = re.compile(
    r"(?<![\w$#.,/-])(?:\d{5}|\d{4}[FTUM]|[A-V]\d{4})(?![\d$])(?![A-Za-z])(?!-\d{3,})(?!\.\d)(?!,\d{3})(?!/\d)"
)
_ICD_DOTTED = re.compile(r"(?<![\w.$-])[A-Z]\d[0-9A-Z]\.[0-9A-Z]{1,4}(?![\w-])(?!\.\d)")
_ICD_BARE = re.compile(r"(?<![\w.$-])[A-Z]\d[0-9AB][0-9A-Z]{0,4}(?![\w-])(?!\.\d)")
_PCS = re.compile(r"(?<![\w-])[0-9BCDFGHX][0-9A-HJ-NP-Z]{6}(?![\w-])")
_CARC = re.compile(
    r"(?<![\w-])(?P<group>CO|PR|OA|PI|CR)(?:[ ]?[-/][ ]?|[ ])?(?P<number>\d{1,3}|[ABDPWY]\d{1,2})(?!\w|%|[.,-]\d)"
)
_BARE_CARC = re.compile(r"(?<![\w$.,/-])(?P<number>\d{1,3}|[ABDPWY]\d{1,2})(?![\w%/-]|[.,]\d)")
_BARE_NUMBER = re.compile(r"(?<![\w$.,/-])\d{1,3}(?![\w%/-]|[.,]\d)")
_RARC = re.compile(r"(?<![\w-])(?:MA|N|M)\d{1,3}(?![\w-]|\.\d)")
_INTERNAL = re.compile(r"(?<![\w$-])(?=[A-Z0-9-]*\d)[A-Z0-9]{2,6}(?:-[A-Z0-9]{1,4})?(?![\w-]|[.,]\d)")
_JOIN = re.compile(
    r"[\s,;/&+()]*(?:and|or|with|through)?[\s,;/&()]*(?:modifiers?\s*)?(?:-?[A-Z0-9]{2}\b)?[\s,;/&()]*", re.I
)
_STATE_ZIP = re.compile(
    r"\b[A-Z]{2}\.?,?\s+$|\b[A-Z][a-z]+,\s+[A-Z][A-Za-z]+\s+$|(?i:box|zip|suite|ste|#|no)\.?\s*(?:code)?:?\s*$"
)
_ICD_NOT = re.compile(r"(?i)\b(?:section|article|exclusion|policy|version|chapter|appendix|page|form)\s+$")
_DESCRIBED = re.compile(r"(?<!\w)[a-z]{3,}[,:]?\s$")
# Letters of Medicare contract numbers (`H1234`, `S5678`), which also begin HCPCS codes.
_PLAN_LETTERS = "HRSE"
_BESIDE = re.compile(r"\)?\s*(?:[:=]|-(?=\s))\s*(?P<value>[A-Z\"'(][^\n\t;]{5,160}?)\s*(?=\s{2,}|$)")
_ONLY_CODES = re.compile(r"(?:\b[A-V]?\d{4,5}[FTU]?\b(?:-\w\w\b)?(?:\s*(?:,|;|/|and|&)\s*(?:and )?)?)+")
_DESCRIPTION_ALONE = re.compile(r"(?:[A-Z][A-Za-z ()/'-]{3,60},\s*|\s+[A-Z][A-Za-z ,()/'-]{3,60})(?:-\w\w)?")
_SERVICES_FOLLOW = re.compile(
    r"(?i)^\s*(?:procedures?|services?|items?)(?: (?:denied|billed|requested|affected))?\s*:?$|"
    r"\b(?:services?|procedures?|items?|treatments?)\b[^\n]*:$"
)
_SUBJECT = re.compile(
    r"(?i)[ ]*(?P<about>re|subject|regarding|about|concerning|for)?"
    r"(?:(?:denied |requested )?(?:services?|items?|procedures?|treatments?)"
    r"(?: denied| requested)?|requested)?\s*:"
)
_WORDS_BEFORE = re.compile(r"[A-Za-z]{3,}\)?[,:]?\s+(?:-\s+)?$")
_CODE_ROW = re.compile(r"\s*(?:\d{5}|[A-V]\d{4})\b")
_LISTED_ROWS = 8
_LONG_LIST = 60
_MAX_CARC = 320


def read_codes(letter: Letter) -> Reading:
    """Denial codes with types and descriptions; procedure and diagnosis codes of the service."""
    found = list(find_codes(letter))
    fields: dict[str, Finding] = {}
    for i, code in enumerate(found):
        fields[f"denial_codes[{i}].code"] = _finding(code, code.code)
        fields[f"denial_codes[{i}].code_type"] = _finding(code, code.code_type)
        fields[f"denial_codes[{i}].description"] = _description(letter, code)
    lists = (("service.cpt_codes", ("CPT", "HCPCS")), ("service.diagnosis_codes", ("ICD-10-CM", "ICD-10-PCS")))
    for path, types in lists:
        chosen = [code for code in found if code.code_type in types]
        fields |= {f"{path}[{i}]": _finding(code, code.code) for i, code in enumerate(chosen)}
        if not chosen:
            fields[path] = absent(f"no {' or '.join(types)} code is printed in a context that names it")
    if not found:
        fields["denial_codes"] = absent("no code is printed in a context that names it")
    return Reading(fields)


def find_codes(letter: Letter) -> list[Code]:
    """Every code once, in reading order."""
    candidates = [*_reasons(letter), *_diagnoses(letter), *_procedures(letter), *_inpatient(letter)]
    taken: dict[tuple[str, str], Code] = {}
    covered: list[tuple[int, int]] = []
    for code in candidates:
        if any(code.start < end and start < code.end for start, end in covered):
            continue
        covered.append((code.start, code.end))
        taken.setdefault((code.code_type, code.code), code)
    return sorted(taken.values(), key=lambda code: code.start)


def _finding(code: Code, value: str) -> Finding:
    return Finding(value=value, confidence=code.confidence, start=code.start, end=code.end, rule=code.rule)


def _reasons(letter: Letter) -> Iterator[Code]:
    text = letter.text
    adjacent: list[int] = []
    for match in _CARC.finditer(text):
        if _is_carc(match["number"]):
            adjacent.append(match.end())
            yield Code(f"{match['group']}-{match['number']}", "CARC", *match.span(), 0.96, "group and reason")
    for match in _RARC.finditer(text):
        beside = any(0 <= match.start() - end <= 25 and _JOIN.fullmatch(text[end : match.start()]) for end in adjacent)
        in_list = _is_in_reason_list(letter, match.start())
        if beside or in_list or match.group().startswith("MA") or context(letter, match.start()) in (REASON, REMARK):
            adjacent.append(match.end())
            yield Code(match.group(), "RARC", *match.span(), 0.95, "remark")
    for match in _BARE_CARC.finditer(text):
        if _is_carc(match["number"]) and is_announced(letter, match.start(), REASON, adjacent):
            adjacent.append(match.end())
            yield Code(match["number"], "CARC", *match.span(), 0.9, "reason label")
    for match in _BARE_NUMBER.finditer(text):
        if _is_carc(match.group()) and is_announced(letter, match.start(), REMARK):
            yield Code(match.group(), "CARC", *match.span(), 0.8, "remark label")
    for match in _INTERNAL.finditer(text):
        if is_announced(letter, match.start(), REASON) and not _PROCEDURE.fullmatch(match.group()):
            yield Code(match.group(), "internal", *match.span(), 0.7, "reason label")


def _is_in_reason_list(letter: Letter, place: int) -> bool:
    """Whether the place begins its row and a neighbouring row begins with a group and reason code."""
    number = letter.row_at(place)
    if letter.rows[number].start != place:
        return False
    beside = letter.rows[max(0, number - 1) : number] + letter.rows[number + 1 : number + 2]
    return any(_CARC.match(row.text) for row in beside)


def _is_carc(number: str) -> bool:
    return not number.isdigit() or 1 <= int(number) <= _MAX_CARC


def _diagnoses(letter: Letter) -> Iterator[Code]:
    for match in _ICD_DOTTED.finditer(letter.text):
        if not _ICD_NOT.search(letter.text[max(0, match.start() - 20) : match.start()]):
            known = context(letter, match.start()) == DIAGNOSIS
            yield Code(match.group(), "ICD-10-CM", *match.span(), 0.97 if known else 0.92, "dotted form")
    for match in _ICD_BARE.finditer(letter.text):
        if context(letter, match.start()) == DIAGNOSIS:
            yield Code(match.group(), "ICD-10-CM", *match.span(), 0.92, "diagnosis label")


def _procedures(letter: Letter) -> Iterator[Code]:
    for match in _PROCEDURE.finditer(letter.text):
        confidence, rule = _procedure_context(letter, *match.span())
        if confidence:
            is_cpt = match.group()[0].isdigit()
            yield Code(match.group(), "CPT" if is_cpt else "HCPCS", *match.span(), confidence, rule)


def _procedure_context(letter: Letter, start: int, end: int) -> tuple[float, str]:
    """How surely a number of the right form is a procedure code here; 0.0 when nothing says so."""
    text = letter.text
    row = letter.row_at(start)
    column = column_kind(letter, start)
    before = text[max(letter.rows[row].start, start - 40) : start]
    is_numeric = text[start].isdigit()
    if column is not None:
        return (0.97, "column heading") if column == PROCEDURE else (0.0, "")
    kind = context(letter, start)
    if kind == PROCEDURE and not (is_numeric and _STATE_ZIP.search(before)):
        return 0.97, "procedure label"
    if kind is not None and kind != PROCEDURE:
        return 0.0, ""
    if _is_claim_line(letter, row, start, end):
        return 0.95, "claim line"
    if _is_parenthesis(letter, start, end):
        return 0.88, "in parentheses"
    if not is_numeric and text[start] not in _PLAN_LETTERS and _DESCRIBED.search(before):
        return 0.8, "after its description"
    if not before and re.match(r"(?:-\w\w)?\s*[-:]\s+[A-Za-z]{3}", text[end : end + 12]):
        return 0.85, "before its description"
    if (
        (about := _SUBJECT.match(letter.rows[row].text))
        and _WORDS_BEFORE.search(before)
        and not (is_numeric and _STATE_ZIP.search(before))
    ):
        is_last = not text[end : letter.rows[row].end].strip(" .")
        return (0.85, "subject line") if is_last or (not about["about"] and text[end] == ",") else (0.0, "")
    if _is_listed_service(letter, row, start, end):
        return 0.85, "listed service"
    return 0.0, ""


def _is_listed_service(letter: Letter, row: int, start: int, end: int) -> bool:
    """Whether the row holds the code and its description alone, under a row that announces services: "Procedures"."""
    line = letter.rows[row]
    words = letter.text[line.start : start] + letter.text[end : line.end]
    if row == 0 or not _DESCRIPTION_ALONE.fullmatch(words):
        return False
    above = next(
        (one.text for one in reversed(letter.rows[max(0, row - _LISTED_ROWS) : row]) if not _CODE_ROW.match(one.text)),
        "",
    )
    return _SERVICES_FOLLOW.search(above) is not None


def _is_parenthesis(letter: Letter, start: int, end: int) -> bool:
    """Whether a code stands in parentheses that hold only codes, after words: "infusion (J1745, 96413)"."""
    opening = letter.text.rfind("(", max(0, start - _LONG_LIST), start)
    closing = letter.text.find(")", end, end + _LONG_LIST)
    if opening < 0 or closing < 0 or not _ONLY_CODES.fullmatch(letter.text, opening + 1, closing):
        return False
    words = letter.text[max(0, opening - 20) : opening]
    return re.search(r"(?:[a-z]{3,}|[A-Z]{3,})\s+$" if letter.text[start].isdigit() else r"\w\s+$", words) is not None


def _is_claim_line(letter: Letter, row: int, start: int, end: int) -> bool:
    """Whether the row is a service line: the code a cell of its own or after a date, and a date or an amount beside it."""
    line = letter.rows[row]
    dates = [m for m in letter.dates if line.start <= m.start < line.end]
    is_cell = (
        any(cell.start == start and cell.end - end <= 4 for cell in letter.cells[row]) and len(letter.cells[row]) > 1
    )
    follows_date = any(0 < start - m.end <= 4 for m in dates)
    has_company = bool(dates) or bool(re.search(r"\$\s?\d|\b\d+\.\d\d\b|\b(?:denied|not covered)\b", line.text, re.I))
    return has_company and (is_cell or follows_date)


def _inpatient(letter: Letter) -> Iterator[Code]:
    for match in _PCS.finditer(letter.text):
        if re.search(r"\d", match.group()) and context(letter, match.start()) == INPATIENT:
            yield Code(match.group(), "ICD-10-PCS", *match.span(), 0.95, "ICD-10-PCS label")


def _description(letter: Letter, code: Code) -> Finding:
    """The words that follow a code after a colon or dash, on its row; or the reason why there are none."""
    row = letter.rows[letter.row_at(code.start)]
    match = _BESIDE.match(letter.text, code.end, row.end)
    if match is None or len(re.findall(r"[A-Za-z]{3,}", match["value"])) < 2:
        return absent("no description stands beside the code")
    return Finding(
        value=match["value"], confidence=0.85, start=match.start("value"), end=match.end("value"), rule="after the code"
    )
