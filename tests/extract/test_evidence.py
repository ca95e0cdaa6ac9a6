"""Evidence: a value is found in whatever form the document prints it, and not where it only seems to stand."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.extract.evidence import Evidence, snippet
from backstay.extract.found import Finder

LETTER = """\
Bergstroem & Söhne GmbH
Rechnungs-Nr.: RE-2026/0117     vom 24. Januar 2026
Zahlbar bis 07/02/2026
Kunde: Anna-Maria  van der
  Velde, Lindenweg 4
Betrag EUR 1.234,50 zzgl. 19 % = 1 469,06
IBAN NL91 ABNA O417 1643 OO
Artikel 12345 und 123456, Menge 3
"""


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("RE-2026/0117", "RE-2026/0117"),
        ("2026-01-24", "24. Januar 2026"),
        ("2026-02-07", "07/02/2026"),
        ("1234.50", "1.234,50"),
        (1234.5, "1.234,50"),
        ("1469.06", "1 469,06"),
        (3, "3"),
        ("Anna-Maria van der Velde", "Anna-Maria  van der\n  Velde"),
        ("anna maria van der velde", "Anna-Maria  van der\n  Velde"),
        ("Bergstroem & Sohne GmbH", "Bergstroem & Söhne GmbH"),
        ("RE20260117", "RE-2026/0117"),
        ("NL91ABNA0417164300", "NL91 ABNA O417 1643 OO"),
        ("Artikel 12345 sowie 123456, Menge 3", "Artikel 12345 und 123456, Menge 3"),
        (19, "19"),
    ],
)
def test_a_value_is_found_in_any_form(value: Any, printed: str) -> None:
    """Dates, amounts, ids with other spacing, names over a line's end, letters for digits, a changed word."""
    span = Evidence(LETTER).find(value)
    assert span is not None
    assert LETTER[slice(*span)] == printed


@pytest.mark.parametrize(
    "value",
    [
        "RE-2026/0118",
        "2026-01-25",
        "1234.51",
        "234",
        2345,
        "2026-02-30",
        "Velden",
        "NL91ABNA0417164301",
        "erg",
        "one two three four five six",
        None,
        "",
        True,
    ],
)
def test_what_is_not_there_is_not_found(value: Any) -> None:
    """A neighbour, the inside of a longer word or number, a day that no calendar has, and nothing at all."""
    assert Evidence(LETTER).find(value) is None


def test_a_worse_find_is_less_sure() -> None:
    """The quality falls from the letters themselves over spacing to confused letters, and confidence with it."""
    evidence = Evidence(LETTER)
    found = [evidence.search(value) for value in ("RE-2026/0117", "RE20260117", "NL91ABNA0417164300")]
    qualities = [one.quality for one in found if one is not None]
    assert len(qualities) == 3
    assert qualities == sorted(qualities, reverse=True)
    fields = Finder(LETTER).fields({"a": "RE-2026/0117", "b": "NL91ABNA0417164300", "c": "XX-1"}, {})
    assert fields["a"].confidence > fields["b"].confidence > fields["c"].confidence


def test_a_currency_is_stated_by_its_sign() -> None:
    """A code that is not printed is found as its sign; less surely where other currencies share that; not from a neighbour's."""
    evidence = Evidence("Total RM 9.00, deposit $5, 3 lamps")
    ringgit, dollar = evidence.search("MYR"), evidence.search("USD")
    assert ringgit is not None
    assert dollar is not None
    assert (evidence.text[slice(*ringgit.span)], ringgit.quality) == ("RM", 1.0)
    assert (evidence.text[slice(*dollar.span)], dollar.quality) == ("$", 0.6)
    assert evidence.find("EUR") is None
    assert evidence.find("RMR") is None


def test_values_of_one_item_are_found_together() -> None:
    """The same price on several lines has its evidence on the line of its item."""
    text = "tea   2   4.00\nmilk  2   3.00\njam   2   4.00\n"
    rows = [{"name": name, "count": 2, "price": price} for name, price in (("tea", 4), ("milk", 3), ("jam", 4))]
    fields = Finder(text).fields({"rows": rows}, {})
    for index in range(3):
        lines = {text.count("\n", 0, (fields[f"rows[{index}].{key}"].evidence or (99,))[0]) for key in rows[0]}
        assert lines == {index}


def test_a_derived_date_is_grounded_and_says_how() -> None:
    """A deadline that follows from a date and a number of days has no place, but a reason."""
    text = "Notice of 2 March 2026. You may appeal within 180 days."
    fields = Finder(text).fields({"deadline": "2026-08-29", "other": "2026-08-28"}, {})
    assert fields["deadline"].grounded
    assert fields["deadline"].reason == "2026-03-02 plus 180 days"
    assert not fields["other"].grounded


def test_without_evidence_nothing_is_looked_for() -> None:
    """The choice is the caller's; the field says that nobody looked."""
    fields = Finder("Order 17", has_evidence=False).fields({"number": "17"}, {})
    assert not fields["number"].grounded
    assert fields["number"].confidence == pytest.approx(0.6, abs=0.01)


def test_a_snippet_is_one_line() -> None:
    """What stands around the evidence, with the evidence marked."""
    assert snippet("a b\nc DEF g", (6, 9), around=4) == "b c «DEF» g"
