"""Grounding: what a text states that its sources do not is found, and what they do state in another form is not."""

from __future__ import annotations

import importlib.util
import json
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay import Client, Scripted
from backstay.config import load
from backstay.errors import RecoveryFailed
from backstay.extract.entailment import ask_entailment, split_sentences
from backstay.extract.grounding import check
from backstay.extract.mention import find_mentions
from backstay.extract.view import find_line, mark_text, to_html
from backstay.types import Request

ROOT = Path(__file__).resolve().parents[2]
SOURCE = """\
Northwind Health Plan, a member of the Regional Insurance Authority (RIA)
Notice of March 2, 2026. Claim NH-55102-A, member id W771 203 44.
We denied CPT 97110 and J0135 for diagnosis M54.5 with codes CO-50 and N130.
Billed $1,250.00, allowed 400.00; services 03/01/2026. Costs rose 7.5 per cent in the 2018-2019 season.
You may appeal within 180 days. Phone (555) 010-4477, appeals@northwind.example.
The Turkish consulate in New York asked about it on April 9th. About two million people read it in 1994.
"""


@pytest.mark.parametrize(
    "said",
    [
        "Your notice is dated 2026-03-02.",
        "Services of 1 March 2026 were billed at 1250 dollars, and 400 was allowed.",
        "The codes are 97110, J0135, M54.5, CO 50 and N130.",
        "Claim NH55102A of member W77120344.",
        "Call 555-010-4477 or write to Appeals@Northwind.example.",
        "Costs rose by 7.5 % in 2018-19, and again in the 1990s.",
        "The deadline is August 29, 2026.",
        "Some 2,000,000 people in Turkey read it.",
        "The Authority (RIA) and the Regional Insurance Authority's members agree.",
        "It was asked on 9 April, that is on April 9, 2026.",
        "The parts are 850.00 and 400.00: 1,250.00 in all.",
    ],
)
def test_other_forms_of_the_same_fact_are_no_alarm(said: str) -> None:
    """Dates, amounts, codes, ids, phones, scales, decades, countries, acronyms, what follows, and the marks of a list."""
    if "850.00" in said:
        said = said.replace("850.00", "$850.00")
        report = check(said, SOURCE + "We paid $850.00.")
    else:
        report = check(said, SOURCE)
    assert report.items
    assert [item.text for item in report.ungrounded] == []


@pytest.mark.parametrize(
    ("said", "kind", "wrong", "nearest"),
    [
        ("Your notice is dated 2026-03-03.", "date", "2026-03-03", None),
        ("We were billed $1,205.00.", "amount", "$1,205.00", "$1,250.00"),
        ("For procedure code 97112.", "code", "97112", None),
        ("Remark N131 applies.", "code", "N131", "N130"),
        ("Claim NH-55103-A.", "id", "NH-55103-A", "NH-55102-A"),
        ("Call 555-010-4478.", "contact", "555-010-4478", "(555) 010-4477"),
        ("Costs rose 8.5 %.", "percent", "8.5", None),
        ("The deadline is August 30, 2026.", "date", "August 30, 2026", None),
        ("Ask Doctor Mirabel Quist.", "name", "Quist", None),
        ("It was asked on 10 April.", "date", "10 April", None),
        ("About three million people.", "amount", "three million", None),
    ],
)
def test_what_the_sources_lack_is_found(said: str, kind: str, wrong: str, nearest: str | None) -> None:
    """One digit is enough; the place is right and the nearest item of the source is named."""
    found = {item.text: item for item in check(said, SOURCE).ungrounded}
    assert wrong in found
    item = found[wrong]
    assert item.kind == kind
    assert said[item.start : item.end] == wrong
    if nearest is not None:
        assert item.nearest == nearest


def test_the_marks_of_a_list_state_nothing() -> None:
    """Numbers that count the points of a list are no amounts; the same numbers in a sentence are."""
    assert check("1. Read it\n2. Sign it\n(3) Send it", "Nothing.").items == ()
    assert len(check("Sign 2 of 3.", "Nothing.").ungrounded) == 2


def test_a_number_of_days_is_no_other_number() -> None:
    """Only what is a number of days, weeks or months makes one date of another."""
    base = "On 31 January 2026 he paid 12 of 40 bills."
    assert not check("It is due 12 February 2026.", base).is_grounded
    assert check("It is due 12 February 2026.", base + " Reply within twelve (12) calendar days.").is_grounded
    assert check("It is due 28 February 2026.", base + " Reply within 1 month.").is_grounded
    assert check("It is due 14 February 2026.", base + " Reply within 2 weeks.").is_grounded


def test_what_follows_says_how() -> None:
    """A deadline from a date and a number of days, a sum and a difference of amounts, a phrase from its acronym."""
    derived = {item.text: item.derived for item in check("Due August 29, 2026.", SOURCE).items}
    assert derived["August 29, 2026"] == "2026-03-02 plus 180 days"
    items = check("Paid 10.50 and 20.25, which is 30.75; of 20.25 there is 9.75 left.", "10.50 20.25").items
    assert [item.derived for item in items] == [None, None, "the sum of 2 amounts before it", None, "20.25 less 10.50"]
    items = check("The Bureau of Standard Weights said so.", "BSW said so.").items
    assert {item.derived for item in items} == {"spelled out from BSW"}


def test_a_surname_is_not_another_surname() -> None:
    """Endings that make one name of another are no forms of one word; endings of grammar are."""
    assert not check("It was Martinez who called.", "It was Martin who called.").is_grounded
    assert check("The Senators met.", "They met in the Senate.").is_grounded


def test_kinds_narrow_the_check() -> None:
    """Only what is asked for is looked at."""
    report = check("Ask Mirabel Quist about 97112 on 3 May 2020.", SOURCE, kinds=["date"])
    assert [item.kind for item in report.items] == ["date"]


@given(st.text(alphabet="abcAB 0123456789.,-/$%é€\n", max_size=80))
def test_a_text_is_grounded_in_itself(text: str) -> None:
    """Any text is its own source, and mentions never overlap."""
    assert check(text, text).is_grounded
    places = [(one.start, one.end) for one in find_mentions(text)]
    assert all(one[1] <= other[0] for one, other in pairwise(places))


@pytest.mark.parametrize("kind", ["invoices", "receipts", "letters"])
def test_our_own_documents_raise_no_alarm(kind: str) -> None:
    """What the offline rules read and write down in plain forms is found again in the example that it was read in."""
    from backstay.document.read import read_document
    from backstay.extract.schema import leaves
    from backstay.sync import Client as SyncClient

    schema = {"invoices": "invoice", "receipts": "receipt", "letters": "denial"}[kind]
    checked = 0
    with SyncClient("offline:rules") as client:
        for path in sorted((ROOT / "examples" / kind).glob("*.txt")):
            text = read_document(path).text
            found = client.extract(schema, text)
            grounded = {at for at, field in found.fields.items() if field.grounded}
            lines = [f"{at}: {value}" for at, value in leaves(found.data) if at in grounded and isinstance(value, str)]
            report = check("\n".join(line.partition(": ")[2] for line in lines), text)
            wrong = [item for item in report.ungrounded if not _is_worded(found.data, item.text)]
            assert wrong == [], path.name
            checked += len(report.items)
    assert checked > 50


def _is_worded(data: dict[str, Any], text: str) -> bool:
    """True for words of the schema's own (a currency's code, a kind of code), which a document need not print."""
    return text in {data.get("currency"), *(str(code.get("code_type")) for code in data.get("denial_codes", []))}


def test_the_views_mark_each_item() -> None:
    """Text and page carry the whole output, with what is wrong marked and everything escaped."""
    output = "Total <b>99.00</b> on 2026-03-02.\nDue August 29, 2026."
    report = check(output, SOURCE)
    marked = mark_text(output, report, lambda text, item: f"[{text}]" if not item.grounded else text)
    assert marked == output.replace("99.00", "[99.00]")
    page = to_html(output, report)
    assert '<mark class="wrong"' in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "follows: 2026-03-02 plus 180 days" in page
    assert find_line(output, output.index("Due")) == (2, 1)


async def test_a_model_may_be_asked_about_meaning(tmp_path: Path) -> None:
    """Its opinion is of each sentence, says whose it is, and what it passes over is not supported."""
    opinion = {"sentences": [{"number": 1, "is_supported": True, "reason": ""}]}
    settings = {"model": "scripted:x", "ledger.mode": "off"}
    loaded = load(environ={}, arguments=settings, cwd=tmp_path, user_folder=tmp_path, services=("scripted",))
    script = Scripted(json.dumps(opinion), "no idea")
    async with Client(loaded=loaded, services={"scripted": script}) as client:

        async def ask(request: Request) -> Any:
            return await (await client.send(request)).response()

        output = "It was denied. The plan regrets it."
        found = await ask_entailment(ask, output, [SOURCE], request=client.request("x", {}))
        assert [one.is_supported for one in found.judgements] == [True, False]
        assert output[found.unsupported[0].start :] == "The plan regrets it."
        assert found.provenance.target == "scripted"
        with pytest.raises(RecoveryFailed):
            await ask_entailment(ask, output, [SOURCE], request=client.request("x", {}))


def test_sentences() -> None:
    """Full stops inside numbers and abbreviations in small letters end nothing; a line's end does."""
    text = "It cost 3.50 e.g. here. Really?\n- A point"
    assert [text[start:end] for start, end in split_sentences(text)] == [
        "It cost 3.50 e.g. here.",
        "Really?",
        "- A point",
    ]


def bench(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"bench_{name}", ROOT / "bench" / "accuracy" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.corpus
@pytest.mark.slow
def test_real_claims_are_flagged_as_promised(corpus: Path) -> None:
    """On claims with sources that people judged: precision at least 0.85 at a recall of at least 0.75."""
    rows = {name: (right, total, bar) for name, right, total, bar in bench("grounding").table(corpus)}
    for name in ("wice all precision", "wice all recall"):
        right, total, bar = rows[name]
        assert bar > 0.7
        assert right >= bar * total, (name, right, total)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["a.", "A-", "1-", "A1", "1,", "(555) ", "A ", "in 30 days of 1 May "])
def test_long_runs_of_one_shape_take_no_longer_than_their_length(unit: str) -> None:
    """A text made to make patterns start over at each place is read in one go: quadratic time would not end here."""
    text = unit * (100_000 // len(unit))
    assert check(unit * 5, text).is_grounded
    assert find_mentions(text) is not None
