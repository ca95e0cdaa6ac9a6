"""`backstay usage`: what the ledger holds, as a table that fits, as JSON and as CSV that are exact."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backstay.cli.table import columns, lay_out, left_out_of
from backstay.cli.usage import money_of, tokens_of
from backstay.ledger.row import Reservation, Settlement
from backstay.ledger.sqlite import SQLiteLedger

from .conftest import Run

pytestmark = pytest.mark.slow

NOON = 1_795_003_200 * 10**9
"""18 November 2026, 12:00 UTC."""

DAY = 86_400 * 10**9


async def _fill(path: Path) -> None:
    ledger = SQLiteLedger(path, owner="one")
    entries: list[tuple[str, str, int, dict[str, Any]]] = [
        (
            "a",
            "gpt-4o",
            NOON,
            {"outcome": "complete", "input_tokens": 12_345, "cost_nano_usd": 1_500_000_001, "latency": 1.0},
        ),
        ("b", "gpt-4o", NOON, {"outcome": "failed", "cost_nano_usd": 200_000_000, "is_estimate": True}),
        ("c", "my-own", NOON + DAY, {"outcome": "complete", "input_tokens": 5, "output_tokens": 7, "latency": 3.0}),
    ]
    for id, model, started, facts in entries:
        ledger.reserve(
            Reservation(
                attempt_id=id, call_id=id, number=1, started_ns=started, provider="acme", model=model, tenant="north"
            )
        )
        await ledger.post(Settlement(attempt_id=id, settled_ns=started, **facts))
    await ledger.aclose()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Three attempts on two days: one paid, one at its estimate, one of unknown price."""
    path = tmp_path / "ledger.db"
    asyncio.run(_fill(path))
    return path


def test_the_table_sums_by_day_with_a_total(backstay: Run, ledger: Path) -> None:
    """Each day a line, all of them a last one; what the marks mean is said."""
    lines = backstay("usage", "--ledger", ledger).stdout.splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["day", "calls", "attempts", "failed", "input", "output", "cost", "USD", "avg", "s", "p95", "s"],
        ["2026-11-18", "2", "2", "1", "12.3k", "0", "1.7000~", "1.00", "1.00"],
        ["2026-11-19", "1", "1", "0", "5", "7", "0.0000+", "3.00", "3.00"],
        ["total", "3", "3", "1", "12.3k", "7", "1.7000~+", "2.00", "3.00"],
    ]
    assert lines[4:] == [
        "+ without 1 attempts whose price is unknown",
        "~ of which 0.2000 USD are estimates: failed, dropped or open attempts",
    ]


def test_json_and_csv_are_exact(backstay: Run, ledger: Path) -> None:
    """Every nano-dollar and every token, in both forms alike."""
    arguments = ("usage", "--ledger", ledger, "--by", "model,tenant", "--format")
    told = json.loads(backstay(*arguments, "json").stdout)
    table = list(csv.DictReader(io.StringIO(backstay(*arguments, "csv").stdout)))
    assert [(line["model"], line["tenant"], line["cost_usd"], line["unpriced"]) for line in told] == [
        ("gpt-4o", "north", "1.700000001", 0),
        ("my-own", "north", "0.000000000", 1),
    ]
    assert [{name: "" if value is None else str(value) for name, value in line.items()} for line in told] == table


def test_days_are_bounded_in_the_named_zone(backstay: Run, ledger: Path) -> None:
    """Noon in UTC is the next day in Auckland; since is in, until is out."""
    here = backstay("usage", "--ledger", ledger, "--since", "2026-11-19", "--until", "2026-11-20", "-f", "csv").stdout
    assert here.splitlines()[1].startswith("2026-11-19,1,")
    there = backstay(
        "usage", "--ledger", ledger, "--until", "2026-11-20", "--zone", "Pacific/Auckland", "-f", "csv"
    ).stdout
    assert [line.split(",")[:2] for line in there.splitlines()[1:]] == [["2026-11-19", "2"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--by", "colour"), "colour"),
        (("--zone", "Mars/Olympus"), "Mars/Olympus"),
        (("--since", "yesterday"), "'yesterday' is no day"),
        (("--ledger", "missing.db"), "there is none yet"),
    ],
)
def test_a_wrong_use_is_one_clear_line(backstay: Run, ledger: Path, arguments: tuple[str, ...], said: str) -> None:
    """The option and the remedy, no traceback."""
    done = backstay("usage", "--ledger", ledger, *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_span_says_so(backstay: Run, ledger: Path) -> None:
    """Nothing is an answer."""
    assert "no attempts in the ledger" in backstay("usage", "--ledger", ledger, "--since", "2030-01-01").stdout


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10.0k"),
        (99_949, "99.9k"),
        (99_950, "100k"),
        (853_000, "853k"),
        (5_256_005, "5.3M"),
    ],
)
def test_tokens_are_rounded_to_three_digits(count: int, shown: str) -> None:
    """Whole where they are few."""
    assert tokens_of(count) == shown


@pytest.mark.parametrize(
    ("usd", "decimals", "shown"),
    [("0", 4, "0.0000"), ("0.00001", 4, "<0.0001"), ("1234.5", 2, "1,234.50"), ("0.000000001", 6, "<0.000001")],
)
def test_money_is_never_shown_as_nothing(usd: str, decimals: int, shown: str) -> None:
    """What is less than the last decimal says so."""
    assert money_of(Decimal(usd), decimals) == shown


HEADER = ["model", "task", "calls", "avg s"]
ROWS = [["a-model-with-a-very-long-name-indeed", "denials", "1,234", "0.99"], ["模型", "-", "7", "12.00"]]
FIGURES = ("calls", "avg s")


@pytest.mark.parametrize("width", range(36, 80))
def test_a_table_fits_and_no_figure_is_cut(width: int) -> None:
    """At every width the lines fit and the figures stand whole."""
    lines = lay_out(HEADER, ROWS, figures=FIGURES, width=width)
    assert max(map(columns, lines)) <= width
    assert [line.split()[-2:] for line in lines[1:]] == [["1,234", "0.99"], ["7", "12.00"]]


def test_a_spare_column_goes_before_a_name_is_cut_short() -> None:
    """A readable name is worth more than an average; where there is no terminal all is shown."""
    arguments: dict[str, Any] = {"figures": FIGURES, "spare": ("avg s", "calls")}
    assert left_out_of(HEADER, ROWS, width=None, **arguments) == []
    assert left_out_of(HEADER, ROWS, width=80, **arguments) == []
    assert left_out_of(HEADER, ROWS, width=40, **arguments) == ["avg s"]
    assert left_out_of(HEADER, ROWS, width=30, **arguments) == ["avg s", "calls"]


def test_parquet_holds_exact_money(backstay: Run, ledger: Path, tmp_path: Path) -> None:
    """What a reader of the file sums is what the ledger holds, to the nano-dollar."""
    duckdb = pytest.importorskip("duckdb")
    sheet = tmp_path / "usage.parquet"
    backstay("usage", "--by", "day,model", "--ledger", ledger, "--parquet", sheet)
    with duckdb.connect(":memory:") as database:
        rows = database.execute("SELECT day, model, calls, cost_usd FROM read_parquet(?)", [str(sheet)]).fetchall()
    assert rows == [
        ("2026-11-18", "gpt-4o", 2, Decimal("1.700000001")),
        ("2026-11-19", "my-own", 1, Decimal("0.000000000")),
    ]


def test_charts_stand_below_the_table_and_in_the_page(backstay: Run, ledger: Path, tmp_path: Path) -> None:
    """Bars in the terminal and in one HTML file that loads nothing."""
    target = tmp_path / "usage.html"
    out = backstay("usage", "--ledger", ledger, "--chart", "--html", target).stdout
    assert "Cost by day, USD" in out
    assert "█" in out
    text = target.read_text(encoding="utf-8")
    assert text.count("<svg") == 2
    assert "src=" not in text
    assert '<td class="figure">' in text


def test_a_chart_that_has_nothing_is_left_out(backstay: Run, tmp_path: Path) -> None:
    """Answers of rules cost nothing and have no tokens: the page has the figures, and no axis without a bar."""
    backstay("ask", "one")
    done = backstay("usage", "--chart", "--html", "usage.html", "--svg", "usage.svg")
    assert done.returncode == 0
    assert "Cost by day" not in done.stdout
    assert "nothing to draw" in done.stderr
    text = (tmp_path / "usage.html").read_text(encoding="utf-8")
    assert "<svg" not in text
    assert "Cost and tokens" not in text
    assert "Figures" in text
