"""The day of a receipt, as tills print it and as text recognition spoils it."""

from __future__ import annotations

import pytest

from backstay.offline.date import find_dates
from backstay.offline.date_noise import mend_dates
from backstay.offline.receipt import read_receipt

HEAD = "KEDAI RUNCIT SERI MELUR SDN BHD\n(884213-K)\nNO 12 JALAN KENARI 5, 47100 PUCHONG, SELANGOR\nGST ID : 000384712704\n"
TAIL = (
    "\nMILO 3IN1     1 x 12.90   12.90\nROTI GARDENIA 1 x 3.10   3.10\nTOTAL RM 16.00\nCASH 20.00\nCHANGE 4.00\n"
    "THANK YOU PLEASE COME AGAIN\n"
)
CASES = {
    "glued time": ("DATE: 03/02/201814:22:10", "2018-02-03"),
    "glued time, two-digit year": ("Date:17/06/18 09:05AM", "2018-06-17"),
    "label glued": ("DATE09/11/2017 TIME 18:40", "2017-11-09"),
    "spaces round the slashes": ("Date : 21 / 08 / 2018", "2018-08-21"),
    "uneven spaces": ("Date : 21 /08/2018 12:00", "2018-08-21"),
    "letter O for zero": ("DATE: O5/1O/2018", "2018-10-05"),
    "letter l for one": ("DATE: l2/03/2018", "2018-03-12"),
    "comma for a dot": ("Date: 14,03,2018", "2018-03-14"),
    "dots and short year": ("Tarikh: 07.12.17 20:11", "2017-12-07"),
    "month name glued": ("05MAR2018 11:20", "2018-03-05"),
    "month name short year glued": ("Date: 28JAN18", "2018-01-28"),
    "month name with dashes": ("02-Apr-2018", "2018-04-02"),
    "day name first": ("Wed, 14 Feb 2018 13:01", "2018-02-14"),
    "day name behind": ("14-02-2018 WED 13:01", "2018-02-14"),
    "month first in words": ("Printed Sep 9, 2018 7:45 PM", "2018-09-09"),
    "ISO with T": ("2018-05-19T17:21:09", "2018-05-19"),
    "year first, slashes": ("2018/05/07 10:10", "2018-05-07"),
    "compact behind a label": ("DATE 20180507 1010", "2018-05-07"),
    "compact two-digit year, day first, beside a slip number": ("Slip 0000231 Trx Date 070518", None),
    "expiry beside sale": ("Member valid until 31/12/2019\n05/06/2018 16:33 Cashier: 02", "2018-06-05"),
    "law named with a date": ("GST since 01/04/2015\nDate 22/03/2017", "2017-03-22"),
    "delivery date below": ("Bill date: 03/04/2018\nDelivery date: 05/04/2018", "2018-04-03"),
    "system's date in the foot": ("Date: 03/04/2018 10:11\nPrinted: 04/04/2018 09:00", "2018-04-03"),
    "backslashes": ("Date: 19\\07\\2018", "2018-07-19"),
    "apostrophe year": ("19 Jul '18", "2018-07-19"),
    "month in Malay": ("Tarikh 9 Ogos 2018", "2018-08-09"),
    "time with dots before": ("14.33 23.10.2018", "2018-10-23"),
    "bars": ("Date | 11-01-2018 | Time | 12:31", "2018-01-11"),
    "line break inside": ("DATE:\n24/12/2016\nTIME:\n11:15", "2016-12-24"),
    "short year, spaces for slashes": ("DATE 24 12 16  TIME 11:15", "2016-12-24"),
    "month first, proven by a later one": ("Date 12/11/2018 9:12\nReturn by 12/25/2018", "2018-12-11"),
    "year beyond all doubt": ("Date: 30/13/2018\nDate 30/12/2018", "2018-12-30"),
    "future slip": ("Invoice date 01/02/18 Due 03/03/18", "2018-02-01"),
    "invoice number like a date": ("Bill no 12-03-2018/55\nDate 13-03-2018 09:00", "2018-03-13"),
    "phone like a date": ("Tel 03-8060 12 11\nDate 13-03-2018 09:00", "2018-03-13"),
    "rounded opening hours": ("Open since 1998-01-01 daily\n13-03-2018 09:00", "2018-03-13"),
}
"""What is printed, and the day; None where nobody can tell."""

SPOILT = ("O5/1O/2018", "l2/03/2018", "03/02/201814:22", "14,03,2018", "19\\07\\2018", "21 /08/2018")


@pytest.mark.parametrize("case", CASES)
def test_the_day_of_the_sale_is_read(case: str) -> None:
    """Thirty-six ways to print a date, among expiries, laws, slips and telephones."""
    line, wanted = CASES[case]
    assert read_receipt(HEAD + line + TAIL).fields["date"].value == wanted


@pytest.mark.parametrize("printed", SPOILT)
def test_a_mended_date_is_never_sure(printed: str) -> None:
    """Its place is where it stands, and a person looks at it."""
    text = f"{HEAD}DATE: {printed}{TAIL}"
    found = read_receipt(text).fields["date"]
    assert found.confidence <= 0.85
    assert text[found.start : found.end].startswith(printed[:8])


@pytest.mark.parametrize(
    "text",
    ["Total 12,50,80 net", "SOLO/BIO/IS", "ID lO-ll-SO", "Table 4/5/6", "Size 10/12/14/16", "1B.50.99", "12/31/5"],
)
def test_what_is_no_date_is_not_mended_into_one(text: str) -> None:
    """Amounts, words, sizes: letters count as figures only among enough figures, and only where a day comes of it."""
    assert mend_dates(text, []) == []


@pytest.mark.parametrize(
    ("printed", "day"),
    [
        ("DATE/TIME  : 20180428/191204", "2018-04-28"),
        ("201804281912", "2018-04-28"),
        ("Trx 20180428T1912", "2018-04-28"),
        ("No 20180428/991204", None),
        ("No 201802301912", None),
        ("No 2018042819", None),
    ],
)
def test_a_time_stamp_without_marks_is_a_day_and_a_time(printed: str, day: str | None) -> None:
    """Only with a time of day behind a day of the calendar, and only where no other date is printed."""
    assert read_receipt(HEAD + printed + TAIL).fields["date"].value == day
    assert read_receipt(f"{HEAD}Date 01-02-2018\n{printed}{TAIL}").fields["date"].value == "2018-02-01"


def test_a_clean_date_stays_beside_a_spoilt_one() -> None:
    """Spoilt dates take the place of nothing but their own rest."""
    text = "Date 22/03/2017 old O1/O2/2O16"
    assert [one.value for one in mend_dates(text, find_dates(text))] == ["2017-03-22"]
