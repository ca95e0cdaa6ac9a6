"""Templates of regular expressions become layouts: what they have is read, what cannot be taken over is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.errors import ConfigurationError
from backstay.kits.invoices.detect import detect
from backstay.kits.invoices.hint import read_fields
from backstay.kits.invoices.layout import load_layouts, save_layout
from backstay.kits.invoices.learn import read_labels
from backstay.kits.invoices.shelf import import_layouts
from backstay.kits.invoices.template import read_template

LAYOUTS = Path(__file__).resolve().parents[3] / "examples" / "layouts"
TEXT = (LAYOUTS / "labelled" / "imkerei-3.txt").read_text(encoding="utf-8")
SQUEEZED = r"""
issuer: Café Ünal
keywords: ['cafeunal']
fields:
  amount: 'summe(\d+,\d{2})'
  invoice_number: [ 'beleg(\w+)', 'bon(\w+)' ]
  date: 'vom(\d{2}\.\d{2}\.\d{4})'
  sum_amount_tax: [ 'mwst7(\d+,\d{2})', 'mwst19(\d+,\d{2})' ]
options: {remove_whitespace: true, remove_accents: true, lowercase: true, currency: EUR, decimal_separator: ','}
"""


def test_a_template_reads_its_vendors_document() -> None:
    """Number, date, totals, what is fixed, under our names and each with its place."""
    ((layout, notes),) = import_layouts([LAYOUTS / "templates"])
    assert notes == ()
    assert detect(TEXT, [layout]).name == "imkerei-sonnental"
    found = read_fields(layout, TEXT)
    right = read_labels(LAYOUTS / "labels.json")["imkerei-3.txt"]
    assert {name: found[name].value for name in right} == right
    assert found["vat"].value == "DE301774020"
    start, end = found["grand_total"].start, found["grand_total"].end
    assert TEXT[start:end] == "276,00"


def test_all_keywords_are_needed_and_an_excluded_word_is_enough() -> None:
    """One keyword less, or a reminder: it is not this vendor's invoice."""
    ((layout, _),) = import_layouts([LAYOUTS / "templates"])
    assert detect(TEXT.replace("DE301774020", "DE999999999"), [layout]).layout is None
    assert detect(f"Mahnung\n{TEXT}", [layout]).layout is None


def test_a_text_without_spaces_accents_and_capitals_is_read_and_placed_in_the_real_one() -> None:
    """The options change what patterns see; the evidence is a place of the document."""
    layout, _ = read_template(SQUEEZED, "cafe")
    text = "CAFÉ ÜNAL\nBeleg  A17\nvom 03.02.2026\nMwSt 7  1,40\nMwSt 19  3,80\nSumme  25,20 EUR\n"
    assert detect(text, [layout]).name == "cafe"
    found = read_fields(layout, text)
    assert found["issue_date"].value == "2026-02-03"
    assert found["grand_total"].value == "25.20"
    assert text[found["grand_total"].start : found["grand_total"].end] == "25,20"
    assert found["tax_total"].value == "5.20"


def test_the_order_of_day_and_month_is_the_templates() -> None:
    """The first format with both says so, whatever the document would suggest."""
    text = "ACME No 7, 03/04/2026, total 5.00"
    for written, value in (("%m/%d/%Y", "2026-03-04"), ("%d/%m/%Y", "2026-04-03")):
        layout, _ = read_template(
            f"keywords: [ACME]\nfields: {{date: '(\\S+/\\S+/\\d+)'}}\noptions: {{date_formats: ['{written}']}}", "acme"
        )
        assert read_fields(layout, text)["issue_date"].value == value


def test_what_is_not_taken_over_is_named() -> None:
    """Lines, tables, areas and replacements: one sentence each, and the rest is read."""
    layout, notes = read_template(
        "keywords: [ACME]\nlines: {start: a, end: b, line: c}\ntables: []\n"
        "fields:\n  amount: {parser: regex, regex: 'total (\\S+)', area: {f: 1}}\n  rows: {parser: lines, start: a}\n"
        "options: {replace: [['a', 'b']]}",
        "acme",
    )
    assert [hint.name for hint in layout.fields] == ["grand_total"]
    assert {note.partition(":")[0] for note in notes} == {
        "lines",
        "tables",
        "options.replace",
        "fields.amount.area",
        "fields.rows.start",
        "fields.rows",
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("keywords: [a", "no YAML"),
        ("- a", "must be a mapping"),
        ("fields: {amount: x}", "needs keywords"),
        ("keywords: [a]", "needs fields"),
        ("keywords: [a]\nfields: {amount: '(x'}", "no regular expression"),
        ("keywords: [a]\nfields: {amount: }", "neither a regular expression nor a value"),
    ],
)
def test_a_wrong_template_is_one_clear_error(text: str, fault: str) -> None:
    """It names the template and what is wrong."""
    with pytest.raises(ConfigurationError, match=fault) as caught:
        read_template(text, "acme")
    assert "acme" in str(caught.value)


def test_the_shipped_layouts_are_what_is_imported_and_learned(tmp_path: Path) -> None:
    """A template's layout, written and read again, is the one that ships."""
    ((layout, _),) = import_layouts([LAYOUTS / "templates" / "imkerei-sonnental.yml"])
    save_layout(layout, tmp_path / "imkerei-sonnental.toml")
    assert load_layouts(tmp_path) == [layout]
    assert layout in load_layouts(LAYOUTS)


def test_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """And a folder without templates says so."""
    with pytest.raises(ConfigurationError, match="no template"):
        import_layouts([tmp_path])
    (tmp_path / "a.yml").write_text("- a")
    (tmp_path / "b.yml").write_text("keywords: [a]")
    with pytest.raises(ConfigurationError) as caught:
        import_layouts([tmp_path])
    assert len(caught.value.faults) == 2
