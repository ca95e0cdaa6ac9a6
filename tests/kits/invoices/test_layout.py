"""A vendor's form is told from others, learned from two of its documents, and read where its values stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backstay.errors import ConfigurationError
from backstay.kits.invoices.detect import detect
from backstay.kits.invoices.hint import read_fields
from backstay.kits.invoices.layout import Hint, Layout, Mark, load_layouts, save_layout
from backstay.kits.invoices.learn import learn

SELLER = "Druckerei Adler GmbH"


def adler(number: str, day: str, total: str) -> tuple[str, dict[str, Any]]:
    """A document of a print shop, and what is right about it."""
    year, month, date = day.split("-")
    text = (
        f"Druckerei Adler GmbH      Muehlgasse 4, 04105 Leipzig\n\nRechnung Nr. {number}\nvom {date}.{month}.{year}\n\n"
        f"Wir danken fuer Ihren Auftrag.\nDruck nach Muster   {total}\n\nEndbetrag EUR   {total}\n"
    )
    return text, {
        "number": number,
        "issue_date": day,
        "grand_total": total.replace(".", "").replace(",", "."),
        "seller": "Druckerei Adler GmbH",
    }


OTHER = "Joinery Ltd, Leeds\nInvoice 7\n2 March 2026\nTotal due GBP 120.00\n"
ONE, TWO, THREE = (
    adler("A-17", "2026-02-03", "119,00"),
    adler("A-31", "2026-03-09", "1.250,40"),
    adler("A-40", "2026-05-01", "8,00"),
)


def test_a_form_is_learned_from_two_documents_and_read_in_a_third() -> None:
    """Marks are what they share, hints the labels that lead to the right values; no value is a mark."""
    layout = learn("adler", [ONE, TWO], others=[OTHER])
    assert {hint.name for hint in layout.fields} >= {"number", "grand_total"}
    assert not any(value in mark.text for mark in layout.marks for value in ("A-17", "119,00"))
    found = read_fields(layout, THREE[0])
    assert found["number"].value == "A-40"
    assert found["grand_total"].value == "8.00"
    start, end = found["number"].start, found["number"].end
    assert THREE[0][start:end] == "A-40"


def test_a_document_is_told_by_its_marks() -> None:
    """Its own vendor's with the reasons; another's, and one of nobody, are generic."""
    layout = learn("adler", [ONE, TWO], others=[OTHER])
    found = detect(THREE[0], [layout])
    assert (found.name, found.layout) == ("adler", layout)
    assert found.confidence == 1.0
    assert "Adler" in found.reasoning
    assert detect(OTHER, [layout]).layout is None
    assert detect(OTHER, []).reasoning == "no vendor layout is known"


def test_two_layouts_that_fit_alike_decide_nothing() -> None:
    """In doubt it is generic, and the reason says so."""
    marks = (Mark(text="Druckerei Adler"),)
    found = detect(ONE[0], [Layout(name="a", marks=marks), Layout(name="b", marks=marks)])
    assert found.name == "generic"
    assert "alike" in found.reasoning


def test_a_value_may_stand_below_its_label() -> None:
    """The cell in the label's column of the next line with text."""
    layout = Layout(name="x", marks=(Mark(text="x"),), fields=(Hint(name="number", label="Invoice", place="below"),))
    assert read_fields(layout, "Date        Invoice\n\n3 May 2026  INV-9\n")["number"].value == "INV-9"


def test_a_hint_that_leads_to_another_kind_gives_nothing() -> None:
    """A date is a date and an amount an amount."""
    layout = Layout(
        name="x",
        marks=(Mark(text="x"),),
        fields=(Hint(name="issue_date", label="Date"), Hint(name="net_total", label="Net")),
    )
    assert read_fields(layout, "Date: soon\nNet: none\n") == {}


def test_layouts_are_files(tmp_path: Path) -> None:
    """Written, read back, and every fault of a folder told with its file."""
    layout = learn("adler", [ONE, TWO])
    save_layout(layout, tmp_path / "adler.toml")
    assert load_layouts(tmp_path) == [layout]
    (tmp_path / "bad.toml").write_text('name = "bad"\nmarks = []\n')
    (tmp_path / "worse.toml").write_text("name = ")
    with pytest.raises(ConfigurationError) as caught:
        load_layouts(tmp_path)
    assert len(caught.value.faults) == 2


def test_the_order_of_day_and_month_is_learned() -> None:
    """Days that only one order reads tell it for the days that both would."""
    documents = [
        (f"ACME Tools Inc\nInvoice date {printed}\nTotal {total}\n", {"issue_date": day, "grand_total": total})
        for printed, day, total in (("02/03/2026", "2026-02-03", "5.00"), ("04/07/2026", "2026-04-07", "8.00"))
    ]
    layout = learn("acme", documents)
    assert layout.day_first is False
    assert read_fields(layout, "ACME Tools Inc\nInvoice date 09/10/2026\n")["issue_date"].value == "2026-09-10"


def test_one_example_is_not_enough() -> None:
    """What changes cannot be told from what stays."""
    with pytest.raises(ConfigurationError, match="two labelled documents"):
        learn("adler", [ONE])


def test_a_month_first_date_is_read_as_its_document_writes_dates() -> None:
    """What the day is, is told by the other dates of the document."""
    layout = Layout(name="x", marks=(Mark(text="x"),), fields=(Hint(name="issue_date", label="Date"),))
    assert read_fields(layout, "Date: 03/04/2026\nShipped 01/15/2026\n")["issue_date"].value == "2026-03-04"
    assert read_fields(layout, "Date: 03/04/2026\nGeliefert 15/01/2026\n")["issue_date"].value == "2026-04-03"


def test_a_label_or_a_mark_is_no_part_of_a_word() -> None:
    """Total is not Subtotal, and a short mark does not stand in a longer word."""
    layout = Layout(name="x", marks=(Mark(text="ACME"),), fields=(Hint(name="grand_total", label="Total"),))
    assert read_fields(layout, "Subtotal 5.00\nTotal 9.00\n")["grand_total"].value == "9.00"
    assert detect("The acmeist poets", [layout]).layout is None
    assert "0%" in detect("nothing", [layout]).reasoning


def test_thousands_are_told_by_the_whole_document() -> None:
    """1.250 is a thousand where commas stand before the cents."""
    layout = Layout(name="x", marks=(Mark(text="x"),), fields=(Hint(name="net_total", label="Netto"),))
    assert read_fields(layout, "Netto  1.250\nUSt  237,50\nBrutto  1.487,50\n")["net_total"].value == "1250"
