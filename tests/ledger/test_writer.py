"""The writer: few commits for many entries, a bad entry is its own affair, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backstay.errors import ConfigurationError, LLMError
from backstay.ledger import statement
from backstay.ledger.base import LedgerFailed, Ticket
from backstay.ledger.memory import MemoryLedger
from backstay.ledger.migrate import STEPS, version_of
from backstay.ledger.row import Reservation, Row, Settlement, voided
from backstay.ledger.sqlite import SQLiteLedger, read_rows
from backstay.ledger.writer import Pending, Writer

from . import test_conformance
from .conftest import BEGIN, Opened, reservation, settlement


class Line:
    """A database in memory with the ledger's table, and a writer that waits for `go` before it writes, so that entries gather."""

    def __init__(self, write: Callable[..., Any] = statement.write) -> None:
        self.batches: list[int] = []
        self.taken = threading.Event()
        self.go = threading.Event()
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for name in STEPS:
            folder = Path(statement.__file__).with_name("migrations")
            self.connection.executescript(folder.joinpath(name).read_text(encoding="utf-8"))

        def counted(connection: sqlite3.Connection, batch: Sequence[Pending]) -> Any:
            self.taken.set()
            self.go.wait()
            self.batches.append(len(batch))
            return write(connection, batch)

        self.writer = Writer(lambda: self.connection, counted)

    def reserve(self, entry: Reservation) -> Ticket:
        return self.writer.submit(Pending((*_facts(entry), "me"), False))

    def settle(self, entry: Settlement, state: str = "posted") -> Ticket:
        return self.writer.submit(Pending((*_facts(entry), state), True))

    async def results(self, tickets: Sequence[Ticket]) -> list[str | None]:
        """What each ticket came to, once the line may be written."""
        self.go.set()
        return list(await asyncio.gather(*map(outcome, tickets)))

    def states(self) -> dict[str, str]:
        return dict(self.connection.execute("SELECT attempt_id, state FROM attempt"))


def _facts(entry: Reservation | Settlement) -> tuple[Any, ...]:
    return tuple(getattr(entry, name) for name in entry.__struct_fields__)


async def outcome(ticket: Awaitable[None]) -> str | None:
    try:
        await ticket
    except LLMError as error:
        return str(error)
    return None


async def test_entries_that_wait_together_are_committed_together() -> None:
    """A thousand entries, three commits: the first that came alone, and two of what had gathered behind it."""
    line = Line()
    first = line.reserve(reservation("first"))
    await asyncio.to_thread(line.taken.wait)
    tickets = [line.reserve(reservation(f"a{number}")) for number in range(500)]
    tickets += [line.settle(settlement(f"a{number}")) for number in range(500)]
    assert await line.results([first, *tickets]) == [None] * 1_001
    assert sum(line.batches) == 1_001
    assert len(line.batches) == 3
    assert list(line.states().values()).count("posted") == 500


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 130, 257])
async def test_a_batch_of_any_size_is_written_whole(count: int) -> None:
    """Statements for 64, 32 ... 1 rows make up every number."""
    line = Line()
    tickets = [line.reserve(reservation(f"a{number}", number=number + 1)) for number in range(count)]
    tickets += [line.settle(settlement(f"a{number}", cost_nano_usd=number)) for number in range(count)]
    assert set(await line.results(tickets)) == {None}
    found = line.connection.execute("SELECT attempt_id, number, cost_nano_usd FROM attempt").fetchall()
    assert sorted(found) == sorted((f"a{number}", number + 1, number) for number in range(count))


BAD: dict[str, tuple[Callable[[Line], Ticket], str]] = {
    "another call's id": (lambda line: line.reserve(reservation("a0", call_id="other")), "for another call"),
    "settled already": (lambda line: line.settle(settlement("a0", cost_nano_usd=1)), "other figures"),
    "never reserved": (lambda line: line.settle(settlement("nobody")), "never reserved"),
    "voided after it was paid": (lambda line: line.settle(voided("a0", BEGIN, "no"), "voided"), "other figures"),
    "text that is no Unicode": (lambda line: line.reserve(reservation("bad", tenant="\ud800")), "cannot hold"),
    "a list for a name": (lambda line: line.reserve(reservation("bad", task=["x"])), "cannot hold"),
}


@pytest.mark.parametrize("name", sorted(BAD))
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_bad_entry_does_not_take_its_neighbours_with_it(name: str, place: int) -> None:
    """Whatever is wrong with one entry of a batch, the others are written, each ticket tells its own, and the writer goes on."""
    make, message = BAD[name]
    line = Line()
    before = [line.reserve(reservation("a0")), line.settle(settlement("a0"))]
    good = [line.reserve(reservation("b")), line.settle(settlement("b"))]
    tickets = [*before, *good[:place], make(line), *good[place:]]
    results = await line.results(tickets)
    wrong = results.pop(2 + place)
    assert wrong is not None
    assert message in wrong
    assert results == [None] * 4
    assert line.states() == {"a0": "posted", "b": "posted"}
    assert await line.results([line.reserve(reservation("c"))]) == [None]


async def test_the_neighbours_of_a_bad_entry_are_watched() -> None:
    """The broken variant: a writer that gives a whole batch the fault of one entry is seen."""

    def hasty(connection: sqlite3.Connection, batch: Sequence[Pending]) -> Sequence[LLMError | None]:
        results = statement.write(connection, batch)
        return [next(filter(None, results or ()), None)] * len(batch)

    line = Line(hasty)
    results = await line.results([line.reserve(reservation("b")), line.settle(settlement("nobody"))])
    assert results != [None, "attempt nobody was never reserved"]


async def test_the_order_within_a_batch_is_kept() -> None:
    """A settlement before its reservation is refused, and of two settlements the first stands, although they share a batch."""
    line = Line()
    tickets = [
        line.settle(settlement("a")),
        line.reserve(reservation("a")),
        line.settle(voided("a", BEGIN, "no"), "voided"),
        line.settle(settlement("a")),
    ]
    early, reserved, first, second = await line.results(tickets)
    assert (early, second) == ("attempt a was never reserved", "attempt a is settled already, with other figures")
    assert (reserved, first) == (None, None)
    assert line.states() == {"a": "voided"}


async def test_a_full_disk_is_told_to_every_waiter_and_passes() -> None:
    """No ticket of a batch that did not fit is good, nothing of it is there, and with room again the ledger goes on by itself."""
    line = Line()
    assert await line.results([line.reserve(reservation("a0"))]) == [None]
    (pages,) = line.connection.execute("PRAGMA page_count").fetchone()
    line.connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    line.go.clear()
    tickets = [line.reserve(reservation(f"b{number}", tenant="x" * 500)) for number in range(100)]
    results = await line.results(tickets)
    assert all(result is not None and "full" in result for result in results)
    assert isinstance(line.writer.failure, LedgerFailed)
    assert isinstance(line.writer.failure.__cause__, sqlite3.OperationalError)
    assert line.states() == {"a0": "reserved"}
    line.connection.execute("PRAGMA max_page_count = 100000")
    assert await line.results([line.reserve(reservation("c")), line.settle(settlement("c"))]) == [None, None]
    assert line.writer.failure is None
    assert line.states() == {"a0": "reserved", "c": "posted"}


async def test_a_writer_that_breaks_tells_everybody() -> None:
    """A fault of the program's own in the thread: whoever waits, and whoever comes, is told, and nobody hangs."""

    def broken(connection: sqlite3.Connection, batch: Sequence[Pending]) -> None:
        raise ZeroDivisionError("a fault of the program")

    line = Line(broken)
    hook, threading.excepthook = threading.excepthook, lambda _: None  # the thread's end is what is tested
    try:
        tickets = [line.reserve(reservation(f"a{number}")) for number in range(3)]
        results = await line.results(tickets)
        line.writer.close()
    finally:
        threading.excepthook = hook
    assert all(result is not None and "a fault of the program" in result for result in results)
    late = await line.results([line.reserve(reservation("late"))])
    assert late[0] is not None
    assert "a fault of the program" in late[0]


class Adding(MemoryLedger):
    """The broken variant: it adds up what it is told, instead of keeping a row for each id."""

    def rows(self, **bounds: Any) -> Iterator[Row]:
        for row in super().rows(**bounds):
            yield msgspec.structs.replace(row, cost_nano_usd=self.total)

    total = 0

    def post(self, entry: Settlement) -> Ticket:
        self.total += entry.cost_nano_usd or 0
        return super().post(entry)


async def test_a_ledger_that_adds_up_is_caught() -> None:
    """The list for all ledgers sees that the same entry twice counts twice."""
    with pytest.raises(AssertionError):
        await test_conformance.test_the_same_entry_twice_is_one_entry(Adding)


async def test_a_closed_ledger_refuses(tmp_path: Path) -> None:
    """What comes after the end is an error of the one who waits for it."""
    ledger = SQLiteLedger(tmp_path / "ledger.db", owner="one")
    await ledger.reserve(reservation())
    await ledger.aclose()
    with pytest.raises(LedgerFailed, match="closed"):
        await ledger.post(settlement())
    assert [row.state for row in read_rows(tmp_path / "ledger.db")] == ["unknown"]


def test_threads_with_loops_of_their_own_share_a_ledger(tmp_path: Path) -> None:
    """Each waiter is woken on its own loop."""
    ledger = SQLiteLedger(tmp_path / "ledger.db", owner="one")

    async def pay(thread: int) -> None:
        for number in range(50):
            await ledger.reserve(reservation(f"{thread}-{number}"))
            await ledger.post(settlement(f"{thread}-{number}"))

    threads = [threading.Thread(target=lambda thread=thread: asyncio.run(pay(thread))) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    ledger.close()
    assert [row.state for row in read_rows(tmp_path / "ledger.db")] == ["posted"] * 200


@pytest.mark.parametrize(("mode", "level"), [("full", 2), ("normal", 1)])
def test_the_mode_sets_what_a_commit_waits_for(tmp_path: Path, mode: Any, level: int) -> None:
    """`full` is synchronous = FULL (2), `normal` NORMAL (1), both over a write-ahead log."""
    ledger = SQLiteLedger(tmp_path / "ledger.db", owner="one", mode=mode)
    connection = ledger._connect()
    assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    ledger.close()


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    """Pages of rubbish in the middle: the reader says which file, and what to do."""
    path = tmp_path / "ledger.db"

    async def fill() -> None:
        async with Opened(SQLiteLedger(path, owner="one")) as ledger:
            await asyncio.gather(*(_wait(ledger.reserve(reservation(f"a{number}"))) for number in range(300)))

    asyncio.run(fill())
    data = bytearray(path.read_bytes())
    data[4096 * 2 :] = b"\xa5" * (len(data) - 4096 * 2)
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"is damaged.*restore"):
        list(read_rows(path))


async def _wait(ticket: Ticket) -> None:
    await ticket


def test_a_file_that_is_being_made_is_not_taken_for_another_programs(tmp_path: Path) -> None:
    """What the header says is read in one moment: the tables of a first opening are there with its mark, or not at all."""
    path = tmp_path / "ledger.db"
    SQLiteLedger(path, owner="one").close()
    asked: list[str] = []
    connection = sqlite3.connect(path)
    connection.set_trace_callback(asked.append)
    assert version_of(connection) == len(STEPS)
    connection.close()
    assert len([statement for statement in asked if not statement.startswith("--")]) == 1  # the rest are its own steps


def test_every_migration_is_listed() -> None:
    """The files of the folder are the steps, in their order."""
    folder = Path(statement.__file__).with_name("migrations")
    assert sorted(path.name for path in folder.glob("*.sql")) == list(STEPS)
