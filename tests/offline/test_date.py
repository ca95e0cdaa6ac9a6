"""Dates: each way of printing a day is read back as that day, and the order of day and month follows the evidence."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.offline.date import find_compact_dates, find_dates, find_order, parse_date
from backstay.offline.lexicon import MONTHS

days = st.dates(min_value=dt.date(1970, 1, 1), max_value=dt.date(2068, 12, 31))
FORMS = (
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%d.%m.%Y",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d/%m/%y",
    "%d-%m-%y",
    "%d %B %Y",
    "%d. %b %Y",
    "%d-%b-%Y",
    "%B %d, %Y",
)


@given(days, st.sampled_from(FORMS))
def test_every_form_of_a_day_is_read_back(day: dt.date, form: str) -> None:
    """A printed day is read as the same ISO day."""
    assert parse_date(day.strftime(form)) == day.isoformat()


@given(days)
def test_month_first_is_read_when_asked(day: dt.date) -> None:
    """`day_first=False` reads the American order."""
    assert parse_date(day.strftime("%m/%d/%Y"), day_first=False) == (day.isoformat() if day.month <= 12 else None)


@given(st.text(alphabet="0123456789/.- marjulvon", max_size=60))
def test_evidence_is_the_printed_form(text: str) -> None:
    """The span of every date found anywhere parses, alone and in the document's order, to the same day."""
    day_first, _ = find_order(text)
    for date in find_dates(text):
        dt.date.fromisoformat(date.value)
        alone = find_dates(text[date.start : date.end], day_first=day_first)
        assert [found.value for found in alone] == [date.value]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("24. Januar 2014", "2014-01-24"),
        ("2. März 2021", "2021-03-02"),
        ("2. Ma\u0308rz 2021", "2021-03-02"),
        ("1er juillet 2015", "2015-07-01"),
        ("5 février 2026", "2026-02-05"),
        ("5 de julio de 2026", "2026-07-05"),
        ("14 gennaio 2026", "2026-01-14"),
        ("16 lutego 2026", "2026-02-16"),
        ("3 de março de 2026", "2026-03-03"),
        ("7 ogos 2025", "2025-08-07"),
        ("12 maart 2026", "2026-03-12"),
        ("August 5th, 2024", "2024-08-05"),
        ("15/APR/2017", "2017-04-15"),
        ("18 - 11 - 18", "2018-11-18"),
        ("2026年3月31日", "2026-03-31"),
        ("20180304", "2018-03-04"),
        ("05.03.2018Währung", "2018-03-05"),
    ],
)
def test_languages_and_oddities(text: str, day: str) -> None:
    """Month names of every language of the lexicon, ordinals, spaces, glued text."""
    assert parse_date(text) == day


def test_every_month_name_is_known_to_the_finder() -> None:
    """A name in the lexicon that the finder cannot match would be dead data."""
    for name, month in MONTHS.items():
        assert parse_date(f"17 {name} 2024") == f"2024-{month:02}-17", name


def test_another_date_of_the_document_decides() -> None:
    """`03/04` is the fourth of March where `11/17` stands beside it, and the third of April beside `17/11`."""
    assert find_dates("03/04/2026 11/17/2026")[0].value == "2026-03-04"
    assert find_dates("03/04/2026 17/11/2026")[0].value == "2026-04-03"


def test_an_american_address_decides() -> None:
    """State and ZIP code put the month first; the same text without them puts the day first, in doubt."""
    assert find_dates("Portland, OR 97205\n03/04/2026")[0].value == "2026-03-04"
    doubtful = find_dates("03/04/2026")[0]
    assert (doubtful.value, doubtful.is_certain) == ("2026-04-03", False)


def test_a_dotted_date_begins_with_the_day() -> None:
    """No country writes the month first with dots, so such a date is beyond doubt even on an American page."""
    date = find_dates("Portland, OR 97205\n03.04.2026")[0]
    assert (date.value, date.is_certain) == ("2026-04-03", True)


@pytest.mark.parametrize("text", ["31/02/2026", "45/13/2026", "Version 2.1.1", "1234567890", "12:30:45"])
def test_what_is_no_date(text: str) -> None:
    """Impossible days, versions, long numbers and times are not dates."""
    assert find_dates(text) == []


def test_a_word_before_a_date_does_not_eat_it() -> None:
    """`Datum 11-02` looks like month, day and year until the word is known to be no month."""
    assert parse_date("Datum 11-02-2026 16:20") == "2026-02-11"


def test_compact_dates_are_found_only_when_asked() -> None:
    """Eight digits are a date to who looks for one, and a number to everyone else."""
    assert find_dates("RE-20170509/505") == []
    assert [date.value for date in find_compact_dates("Issued 20170509")] == ["2017-05-09"]
