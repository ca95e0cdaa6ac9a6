"""What every ledger does alike: one list, run on each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.ledger.base import Ledger, LedgerFailed
from backstay.ledger.memory import MemoryLedger
from backstay.ledger.row import Reservation, Row, Settlement
from backstay.ledger.sqlite import SQLiteLedger

from .conftest import BEGIN, SECOND, Opened, reservation, settlement

Make = Callable[[], Ledger]


def only(ledger: Ledger) -> Row:
    (row,) = ledger.rows()
    return row


async def test_a_reservation_stands_at_its_estimate(make_ledger: Make) -> None:
    """Before the bytes leave, the row is there with the most that the attempt may cost."""
    async with Opened(make_ledger()) as ledger:
        await ledger.reserve(reservation(tenant="t", task="extract", correlation_id="c", price_id="p"))
        row = only(ledger)
    assert (row.state, row.cost_nano_usd, row.is_estimate, row.owner) == ("reserved", 9_000, True, "me")
    assert (row.tenant, row.task, row.correlation_id, row.price_id, row.outcome) == ("t", "extract", "c", "p", None)


async def test_a_settlement_replaces_the_estimate(make_ledger: Make) -> None:
    """Every figure of it is in the row; what it does not know is None."""
    entry = settlement(
        finish_reason="stop",
        answered_by="m1-2026",
        request_id="r1",
        cache_read_tokens=50,
        cache_write_tokens=9,
        cache_write_1h_tokens=3,
        reasoning_tokens=7,
        input_audio_tokens=2,
        output_audio_tokens=1,
        price_id="acme/m1",
        time_to_first_token=0.1,
        is_cached=True,
        is_recovered=True,
    )
    async with Opened(make_ledger()) as ledger:
        await ledger.reserve(reservation())
        await ledger.post(entry)
        row = only(ledger)
    assert row.state == "posted"
    assert {name: getattr(row, name) for name in entry.__struct_fields__} == msgspec.structs.asdict(entry)
    assert row.started_ns == BEGIN


async def test_an_unknown_cost_stays_unknown(make_ledger: Make) -> None:
    """None goes in and None comes out, not zero."""
    async with Opened(make_ledger()) as ledger:
        await ledger.reserve(reservation(cost_nano_usd=None))
        assert only(ledger).cost_nano_usd is None
        await ledger.post(settlement(cost_nano_usd=None, input_tokens=None))
        row = only(ledger)
    assert (row.cost_nano_usd, row.input_tokens) == (None, None)


async def test_a_voided_attempt_costs_nothing(make_ledger: Make) -> None:
    """Nothing was sent, so nothing is owed; the reason is kept; voiding twice is voiding once."""
    async with Opened(make_ledger()) as ledger:
        await ledger.reserve(reservation())
        await ledger.void("a1", BEGIN + 5, "ConnectFailed")
        await ledger.void("a1", BEGIN + 9, "ConnectFailed")
        row = only(ledger)
    assert (row.state, row.cost_nano_usd, row.is_estimate, row.error) == ("voided", 0, False, "ConnectFailed")
    assert row.settled_ns == BEGIN + 5


async def test_the_same_entry_twice_is_one_entry(make_ledger: Make) -> None:
    """Idempotent by attempt id, so a caller in doubt may repeat."""
    async with Opened(make_ledger()) as ledger:
        for _ in range(2):
            await ledger.reserve(reservation())
        for _ in range(2):
            await ledger.post(settlement())
        await ledger.reserve(reservation())
        row = only(ledger)
    assert (row.state, row.cost_nano_usd) == ("posted", 1_234)


CONFLICTS: dict[str, Callable[[Ledger], Any]] = {
    "reserved for another call": lambda ledger: ledger.reserve(reservation(call_id="other")),
    "settled with other figures": lambda ledger: ledger.post(settlement(cost_nano_usd=1)),
    "settled as another outcome": lambda ledger: ledger.post(settlement(outcome="failed")),
    "voided after it was paid": lambda ledger: ledger.void("a1", BEGIN, "no"),
    "posted without a reservation": lambda ledger: ledger.post(settlement("b")),
    "voided without a reservation": lambda ledger: ledger.void("b", BEGIN, "no"),
}


@pytest.mark.parametrize("name", sorted(CONFLICTS))
async def test_a_conflict_is_an_error_and_changes_nothing(make_ledger: Make, name: str) -> None:
    """Nothing is counted twice, and nothing is overwritten."""
    async with Opened(make_ledger()) as ledger:
        await ledger.reserve(reservation())
        await ledger.post(settlement())
        before = list(ledger.rows())
        with pytest.raises(LedgerFailed):
            await CONFLICTS[name](ledger)
        assert list(ledger.rows()) == before


async def test_a_voided_attempt_is_not_paid_later(make_ledger: Make) -> None:
    """Void is an end."""
    async with Opened(make_ledger()) as ledger:
        await ledger.reserve(reservation())
        await ledger.void("a1", BEGIN, "ConnectFailed")
        with pytest.raises(LedgerFailed):
            await ledger.post(settlement())


async def test_rows_come_by_time_and_within_bounds(make_ledger: Make) -> None:
    """Oldest first, ties by id; since is in, until is out."""
    async with Opened(make_ledger()) as ledger:
        for id, second in (("c", 2), ("a", 1), ("d", 3), ("b", 1)):
            await ledger.reserve(reservation(id, started_ns=BEGIN + second * SECOND))
        assert [row.attempt_id for row in ledger.rows()] == ["a", "b", "c", "d"]
        within = ledger.rows(since_ns=BEGIN + SECOND, until_ns=BEGIN + 3 * SECOND)
        assert [row.attempt_id for row in within] == ["a", "b", "c"]
        assert list(ledger.rows(since_ns=BEGIN + 4 * SECOND)) == []


async def test_what_nobody_waits_for_is_written(make_ledger: Make) -> None:
    """Entries are in line as soon as they are made; closing writes the line."""
    async with Opened(make_ledger()) as ledger:
        for number in range(300):
            ledger.reserve(reservation(f"a{number}"))
            ledger.post(settlement(f"a{number}"))
    assert [row.state for row in ledger.rows()] == ["posted"] * 300


async def test_a_cancelled_wait_loses_nothing(make_ledger: Make) -> None:
    """The entry is not the waiter's to take back."""
    async with Opened(make_ledger()) as ledger:
        ticket = ledger.reserve(reservation())

        async def wait() -> None:
            await ticket

        waiter = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        await ticket
        assert only(ledger).attempt_id == "a1"


async def test_many_may_wait_for_one_entry(make_ledger: Make) -> None:
    """Before and after it is durable."""
    async with Opened(make_ledger()) as ledger:
        ticket = ledger.reserve(reservation())

        async def wait() -> str:
            await ticket
            return only(ledger).attempt_id

        assert await asyncio.gather(*(wait() for _ in range(5))) == ["a1"] * 5
        assert await wait() == "a1"


async def test_closing_twice_is_closing_once(make_ledger: Make) -> None:
    """Idempotent."""
    ledger = make_ledger()
    await ledger.aclose()
    await ledger.aclose()


@pytest.mark.parametrize(
    "facts",
    [
        {"cost_nano_usd": -1},
        {"input_tokens": -5},
        {"latency": float("nan")},
        {"latency": float("inf")},
        {"cost_nano_usd": 2**63},
        {"time_to_first_token": -0.1},
    ],
)
def test_a_figure_that_cannot_be_is_refused(facts: dict[str, Any]) -> None:
    """Negative, not finite or beyond any database: no sum is made of it."""
    with pytest.raises(ValueError, match=next(iter(facts))):
        settlement(**facts)


FIGURES = [
    (kind, field.name)
    for kind in (Reservation, Settlement)
    for field in msgspec.structs.fields(kind)
    if any(one in (int, float) for one in get_args(field.type) or (field.type,))
]


@pytest.mark.parametrize(("kind", "name"), FIGURES)
def test_no_figure_of_an_entry_is_left_unchecked(kind: type, name: str) -> None:
    """Whatever is a number is looked at, and named by its own name."""
    make = reservation if kind is Reservation else settlement
    with pytest.raises(ValueError, match=f"^{name} of attempt a1 is -1;"):
        make(**{name: -1})


ids = st.sampled_from(["a", "b", "c"])
steps = st.one_of(
    st.tuples(st.just("reserve"), ids, st.integers(1, 2)),
    st.tuples(st.just("post"), ids, st.integers(1, 2)),
    st.tuples(st.just("void"), ids, st.just(0)),
)


async def run(ledger: Ledger, program: list[tuple[str, str, int]]) -> tuple[list[bool], list[Row]]:
    """Which steps were taken, and the rows at the end."""
    taken = []
    for verb, id, figure in program:
        entry = {
            "reserve": lambda id=id, figure=figure: ledger.reserve(reservation(id, number=figure)),
            "post": lambda id=id, figure=figure: ledger.post(settlement(id, cost_nano_usd=figure)),
            "void": lambda id=id: ledger.void(id, BEGIN, "no"),
        }[verb]()
        try:
            await entry
            taken.append(True)
        except LedgerFailed:
            taken.append(False)
    rows = list(ledger.rows())
    await ledger.aclose()
    return taken, rows


@given(st.lists(steps, max_size=12))
@settings(max_examples=40, deadline=None)
def test_all_ledgers_agree(program: list[tuple[str, str, int]]) -> None:
    """Whatever the order of entries, memory and file refuse the same ones and hold the same rows."""
    with TemporaryDirectory() as folder:
        in_memory = asyncio.run(run(MemoryLedger(owner="me"), program))
        in_file = asyncio.run(run(SQLiteLedger(Path(folder) / "ledger.db", owner="me"), program))
    assert in_memory == in_file
