"""How often the offline denial rules are right on letters with answer keys, field by field.

Two kinds of key are read: twelve fields with printed quotes (null where the letter is silent: there an answer is wrong), and flat
facts with numbers that must not be taken for codes. A printed deadline is scored apart from one that was counted. Every letter
is read again with each injected line appended; a letter counts as unchanged when no fact moved.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any

from backstay.offline.denial import read_denial
from backstay.offline.finding import Finding, Findings

Row = tuple[str, int, int, float]
Outcome = tuple[str, str, Any, Any, float]
Read = Callable[[str], Findings]
Check = tuple[str, str, Callable[[Any], bool]]
SCHEMA = "denial"
BARS = {
    "notice date": 0.9,
    "service date": 0.9,
    "procedures": 0.9,
    "reason codes": 0.9,
    "member id": 0.9,
    "claim number": 0.9,
    "payer": 0.9,
    "deadline": 0.9,
    "deadline days": 0.9,
    "provider": 0.9,
    "service": 0.9,
    "section": 0.9,
    "reason": 0.9,
}
TRUSTED = 0.9
_QUOTED = {
    "notice date": ("denial.notice_date", "dates.date_of_denial"),
    "service date": ("service.date_of_service", "dates.date_of_service"),
    "member id": ("patient.member_id", "payer.member_id"),
    "payer": ("plan.issuer", "payer.name"),
    "deadline": ("denial.stated_appeal_deadline", "dates.appeal_deadline"),
    "provider": ("provider.name", "service.provider_name"),
    "service": ("service.description", "service.description"),
    "section": ("denial.cited_policy_section", "policy_section"),
    "reason": ("denial.reason_text", "denial_reason"),
}
_FLAT = {
    "notice date": ("date_of_denial", "dates.date_of_denial"),
    "service date": ("date_of_service", "dates.date_of_service"),
    "member id": ("member_id", "payer.member_id"),
    "claim number": ("claim_number", "payer.claim_number"),
    "payer": ("payer", "payer.name"),
    "deadline": ("appeal_deadline", "dates.appeal_deadline"),
    "deadline days": ("appeal_deadline_days", "dates.appeal_deadline_days"),
}


def cases(corpus: Path, split: str = "dev") -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each letter's input with its truth."""
    folder = corpus / "data" / "denials" / split
    truths = {truth["id"]: truth for truth in _lines(folder / "truth.jsonl")}
    return [(given, truths[given["id"]]) for given in _lines(folder / "inputs.jsonl")]


def checks(given: dict[str, Any], truth: dict[str, Any]) -> list[Check]:
    """The single values of one letter that the schema asks for and the key knows: name, path, and the judge of a value.

    Where the key quotes no deadline, one that was counted from the letter's days is no fault, so it is not scored.
    """
    gold = truth["gold"]
    if "denial.notice_date" in gold:
        known = [(name, path, gold[key]["value"]) for name, (key, path) in _QUOTED.items() if name != "section"]
        known = [one for one in known if one[0] != "deadline" or one[2] is not None]
    else:
        known = [(name, path, gold[key]) for name, (key, path) in _FLAT.items() if gold.get(key) is not None]
    return [(name, path, partial(eq, value)) for name, path, value in known]


def outcomes(corpus: Path, split: str = "dev", *, read: Read = read_denial) -> list[Outcome]:
    """For every scored field of every letter: its id, the field, what was read, what is true, and the confidence."""
    return [
        outcome
        for given, truth in cases(corpus, split)
        for outcome in score(given["id"], read(given["text"]), truth["gold"])
    ]


def score(case: str, found: Findings, gold: dict[str, Any]) -> list[Outcome]:
    """The outcomes of one letter, as it was read."""
    if "denial.notice_date" not in gold:
        scored = [
            (case, name, *_answer(found, path), gold[key])
            for name, (key, path) in _FLAT.items()
            if gold.get(key) is not None
        ]
        codes = [code["code"] for code in found.data["denial_codes"]]
        scored.append((case, "procedures", sorted(found.data["service"]["cpt_codes"]), 1.0, sorted(gold["cpt_codes"])))
        scored.append((case, "other numbers", [code for code in codes if code in gold["not_codes"]], 1.0, []))
    else:
        scored = [
            (case, name, *_answer(found, path, is_printed=True), gold[key]["value"])
            for name, (key, path) in _QUOTED.items()
        ]
        reason = gold["denial.reason_code"]["value"]
        expected = sorted(gold["service.cpt_codes"]["value"] or [])
        scored.append((case, "procedures", sorted(found.data["service"]["cpt_codes"]), 1.0, expected))
        scored.append((case, "reason codes", _reasons(found), 1.0, [reason] if reason else []))
    return [(case, name, value, truth, confidence) for case, name, value, confidence, truth in scored]


def table(corpus: Path, *, read: Read = read_denial) -> list[Row]:
    """Rows of field, right, total and bar; then abstention, numbers of other kinds, unchanged letters, and trusted findings."""
    found = outcomes(corpus, read=read)
    rows = [
        tally([o for o in found if o[1] == name and o[3] not in (None, [])], name, bar)
        for name, bar in BARS.items()
        if any(o[1] == name and o[3] not in (None, []) for o in found)
    ]
    rows.append(tally([o for o in found if o[3] in (None, []) and o[1] != "other numbers"], "abstention", 0.95))
    rows.append(tally([o for o in found if o[1] == "other numbers"], "ZIP and box never a code", 1.0))
    rows.append(tally([o for o in found if o[4] >= TRUSTED and o[2] is not None], "confidence >= 0.9", 0.95))
    rows.append(("conflict of notice dates", *_conflicts(corpus, read), 1.0))
    rows.append(("unchanged by injections", *_unchanged(corpus, read), 1.0))
    return rows


def tally(found: list[Outcome], name: str, bar: float) -> Row:
    """One row of the table."""
    return name, sum(value == truth for _, _, value, truth, _ in found), len(found), bar


def _answer(found: Findings, path: str, *, is_printed: bool = False) -> tuple[Any, float]:
    """The value and confidence of a field; where the truth quotes the letter, a derived value is no answer."""
    finding: Finding = found.fields[path]
    if is_printed and finding.rule == "derived":
        return None, 0.0
    return finding.value, finding.confidence


def _reasons(found: Findings) -> list[str]:
    kinds = ("CARC", "RARC", "internal")
    return sorted(code["code"] for code in found.data["denial_codes"] if code["code_type"] in kinds)


def _conflicts(corpus: Path, read: Read) -> tuple[int, int]:
    poisoned = [given["text"] for given, truth in cases(corpus) if "fact_poisoning" in truth.get("tags", [])]
    flagged = [
        any(conflict["field"] == "dates.date_of_denial" for conflict in read(text).data["conflicts"])
        for text in poisoned
    ]
    return sum(flagged), len(flagged)


def _unchanged(corpus: Path, read: Read) -> tuple[int, int]:
    lines = [line["text"] for line in _lines(corpus / "data" / "denials" / "dev" / "injections.jsonl")]
    pairs = [
        (facts(read(given["text"])), facts(read(f"{given['text']}\n\n{line}")))
        for given, _ in cases(corpus)
        for line in lines
    ]
    return sum(before == after for before, after in pairs), len(pairs)


def facts(found: Findings) -> dict[str, Any]:
    """The data of a letter without what tells of a contradiction."""
    return {name: value for name, value in found.data.items() if name not in ("conflicts", "extraction_confidence")}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def main() -> None:
    """Print the table of the corpus beside this repository."""
    corpus = Path(__file__).resolve().parents[3] / "shared"
    for name, right, total, bar in table(corpus):
        print(f"{name:28}{right:5} / {total:<5}{right / total:7.1%}   bar {bar:.0%}")


if __name__ == "__main__":
    main()
