"""Labels and currencies: the longest phrase at a word's edge, in any spelling a page may give it."""

from __future__ import annotations

import pytest

from backstay.offline.currency import find_currency
from backstay.offline.label import find_labels
from backstay.offline.lexicon import LABELS
from backstay.offline.text import squeeze


def kinds(text: str) -> list[str]:
    return [label.kind for label in find_labels(text)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("RECHNUNGS-NR. :", "number"),
        ("Facture n°562", "number"),
        ("Br uttosumme", "gross"),
        ("Fälligkeit:", "due_date"),
        ("FALLIGKEIT", "due_date"),
        ("Data di emissione", "issue_date"),
        ("Base imponible", "net"),
        ("Termin płatności", "due_date"),
        ("Jumlah cukai", "tax"),
    ],
)
def test_spelling_does_not_matter(text: str, kind: str) -> None:
    """Case, accents, punctuation and kerning gaps are folded away."""
    assert kinds(text) == [kind]


@pytest.mark.parametrize("text", ["Subtotals are", "totally", "vatican", "Dateline"])
def test_a_label_is_a_whole_word(text: str) -> None:
    """A phrase inside a longer word is no label."""
    assert kinds(text) == []


def test_the_longest_phrase_wins() -> None:
    """`Total taxes` is tax although it begins with the label of the gross total."""
    assert kinds("Total taxes") == ["tax"]
    assert kinds("Subtotal") == ["net"]


def test_glued_labels_are_parted_at_capitals() -> None:
    """Text without layout is read where small and capital letters meet."""
    assert kinds("56,87 BruttosummeErhaltene Anzahlungen") == ["gross", "prepaid"]


def test_places_are_those_of_the_text() -> None:
    """A label's span is its printed form, counted from the given offset."""
    text = "Nr: 5  Total HT : 9,00"
    label = find_labels(text, offset=0)[-1]
    assert text[label.start : label.end] == "Total HT"
    assert find_labels(text, offset=100)[-1].start == label.start + 100


def test_every_phrase_of_the_lexicon_is_found() -> None:
    """A phrase that its own spelling does not find would be dead data."""
    for phrases in LABELS.values():
        for phrase in phrases:
            assert [label.phrase for label in find_labels(phrase)] == [squeeze(phrase).text], phrase


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Währung: EUR", "EUR"),
        ("Total 5,00 €", "EUR"),
        ("Amount (RM) 5.00", "MYR"),
        ("$5.00 Jalan Sultan, Kuala Lumpur", "MYR"),
        ("$5.00", "USD"),
        ("5 000 kr, Oslo, Norge", "NOK"),
        ("Total £3", "GBP"),
        ("Total Rs 1939 GSTIN 27AAACS1234F1Z5", "INR"),
        ("3,00 zł", "PLN"),
        ("SUMME 4,20 MwSt", "EUR"),
        ("Währung : EURLieferdatum", "EUR"),
    ],
)
def test_currency_by_code_sign_or_country(text: str, code: str) -> None:
    """The code beside a label, the sign beside numbers, then the country decide."""
    assert find_currency(text).value == code


def test_no_currency_is_said_with_a_reason() -> None:
    """A text that names none gets None, not a default."""
    finding = find_currency("Total 5.00")
    assert finding.value is None
    assert finding.reason
