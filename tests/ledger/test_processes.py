"""Many processes, one file: who still lives, what a fork may do, what a power cut leaves, and what a report may see."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backstay.errors import ConfigurationError
from backstay.ledger.base import LedgerFailed
from backstay.ledger.sqlite import SQLiteLedger, read_rows

from .conftest import BEGIN, SECOND, Opened, reservation, settlement

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")


class Child:
    """A forked process that runs `work` until it is told to go on, which it says by its step."""

    def __init__(self, work: Callable[[Callable[[], None]], None]) -> None:
        said, says = os.pipe()
        hears, tells = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(tells)  # or the child would keep its own ear open

            def step() -> None:
                os.write(says, b".")
                os.read(hears, 1)

            try:
                work(step)
                os._exit(0)
            finally:
                os._exit(1)
        os.close(says)
        os.close(hears)
        self._said, self._tells = said, tells
        os.read(said, 1)

    def finish(self) -> int:
        """Let it go on, and wait for its exit code."""
        os.close(self._tells)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._said)
        return os.waitstatus_to_exitcode(status)


def states(path: Path) -> dict[str, str]:
    return {row.attempt_id: row.state for row in read_rows(path)}


def reserve_and_stay(path: Path, owner: str, count: int = 1) -> Child:
    """Another process that has reserved and is still alive."""

    def work(step: Callable[[], None]) -> None:
        async def run() -> None:
            ledger = SQLiteLedger(path, owner=owner)
            await asyncio.gather(*(_wait(ledger, f"{owner}-{number}") for number in range(count)))
            step()

        asyncio.run(run())
        os._exit(0)  # as in a crash: nothing is closed

    return Child(work)


async def _wait(ledger: SQLiteLedger, id: str) -> None:
    await ledger.reserve(reservation(id))


async def test_a_living_process_keeps_its_reservations(tmp_path: Path) -> None:
    """A second process that opens the file leaves the first one's attempts alone, until the first has died."""
    path = tmp_path / "ledger.db"
    child = reserve_and_stay(path, "one")
    async with Opened(SQLiteLedger(path, owner="two")) as ledger:
        await ledger.reserve(reservation("two-0"))
        assert states(path) == {"one-0": "reserved", "two-0": "reserved"}
        child.finish()
        async with Opened(SQLiteLedger(path, owner="three")):
            assert states(path) == {"one-0": "unknown", "two-0": "reserved"}
        await ledger.post(settlement("two-0"))
        await ledger.post(settlement("one-0"))
    assert states(path) == {"one-0": "posted", "two-0": "posted"}


async def test_an_unknown_attempt_stays_charged_until_it_is_settled(tmp_path: Path) -> None:
    """At its estimate; then at what it cost."""
    path = tmp_path / "ledger.db"
    reserve_and_stay(path, "one").finish()
    async with Opened(SQLiteLedger(path, owner="two")) as ledger:
        (row,) = ledger.rows()
        assert (row.state, row.outcome, row.cost_nano_usd, row.is_estimate) == ("unknown", "unknown", 9_000, True)
        await ledger.post(settlement("one-0"))
        (row,) = ledger.rows()
    assert (row.state, row.cost_nano_usd, row.is_estimate) == ("posted", 1_234, False)


@pytest.mark.slow
async def test_two_processes_write_one_file(tmp_path: Path) -> None:
    """Both at once, with nothing lost and nothing mixed up."""
    path = tmp_path / "ledger.db"

    def work(step: Callable[[], None]) -> None:
        async def run() -> None:
            ledger = SQLiteLedger(path, owner="one")
            step()
            await asyncio.gather(*(_pay(ledger, f"one-{number}") for number in range(300)))
            await ledger.aclose()

        asyncio.run(run())

    child = Child(work)
    async with Opened(SQLiteLedger(path, owner="two")) as ledger:
        code = asyncio.create_task(asyncio.to_thread(child.finish))
        await asyncio.gather(*(_pay(ledger, f"two-{number}") for number in range(300)))
        assert await code == 0
    assert list(states(path).values()) == ["posted"] * 600


@pytest.mark.slow
def test_many_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Each of them gets a ledger, whoever makes the tables."""
    for number in range(10):
        path = tmp_path / f"{number}.db"
        go, start = os.pipe()

        def opened(path: Path = path, go: int = go, start: int = start) -> int:
            pid = os.fork()
            if pid == 0:
                try:
                    os.close(start)
                    os.read(go, 1)
                    SQLiteLedger(path, owner=str(os.getpid())).close()
                    os._exit(0)
                finally:
                    os._exit(1)
            return pid

        children = [opened() for _ in range(6)]
        os.close(go)
        os.close(start)
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 6


async def _pay(ledger: SQLiteLedger, id: str) -> None:
    await ledger.reserve(reservation(id))
    await ledger.post(settlement(id))


async def test_a_fork_may_not_use_its_parents_ledger(tmp_path: Path) -> None:
    """The thread that writes is not in the child: it says so, and opens one of its own."""
    path = tmp_path / "ledger.db"
    async with Opened(SQLiteLedger(path, owner="parent")) as ledger:
        await ledger.reserve(reservation("parent-0"))

        def work(step: Callable[[], None]) -> None:
            with pytest.raises(LedgerFailed, match="fork"):
                ledger.reserve(reservation("child-0"))
            ledger.close()
            step()

        assert Child(work).finish() == 0
        await ledger.post(settlement("parent-0"))
    assert states(path) == {"parent-0": "posted"}


def test_the_file_is_private(tmp_path: Path) -> None:
    """Mode 0600, its log too; the folder is made."""
    path = tmp_path / "new" / "ledger.db"

    async def run() -> None:
        async with Opened(SQLiteLedger(path, owner="one")) as ledger:
            await ledger.reserve(reservation())
            for file in path.parent.glob("ledger.db*"):
                allowed = 0o700 if file.is_dir() else 0o600
                assert stat.S_IMODE(file.stat().st_mode) == allowed, file

    asyncio.run(run())


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be read as one" * 20, None])
def test_what_is_no_ledger_is_left_alone(tmp_path: Path, content: bytes | None) -> None:
    """Somebody else's file is refused before anything is written into it."""
    path = tmp_path / "ledger.db"
    if content is None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE precious (value)")
        connection.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="ledger"):
        SQLiteLedger(path, owner="one")
    assert path.read_bytes() == before


def test_a_later_versions_file_is_refused(tmp_path: Path) -> None:
    """With the remedy."""
    path = tmp_path / "ledger.db"
    SQLiteLedger(path, owner="one").close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(ConfigurationError, match="update backstay"):
        SQLiteLedger(path, owner="two")


async def test_a_report_does_not_stop_the_writer(tmp_path: Path) -> None:
    """Entries are written while somebody reads, and each row is read once."""
    path = tmp_path / "ledger.db"
    async with Opened(SQLiteLedger(path, owner="one")) as ledger:
        await asyncio.gather(*(_pay(ledger, f"a{number}") for number in range(50)))
        seen = []
        for row in ledger.rows():
            seen.append(row.attempt_id)
            if len(seen) == 10:
                await ledger.reserve(reservation("late", started_ns=BEGIN + SECOND))
        assert len(seen) == len(set(seen)) >= 50
        assert "late" in {row.attempt_id for row in ledger.rows()}


def test_there_is_nothing_to_report_on_before_the_first_call(tmp_path: Path) -> None:
    """A report makes no file."""
    with pytest.raises(ConfigurationError, match="none yet"):
        list(read_rows(tmp_path / "ledger.db"))
    assert list(tmp_path.iterdir()) == []


PROGRAM = """
import sys
from backstay.ledger.row import Reservation
from backstay.ledger.sqlite import SQLiteLedger
ledger = SQLiteLedger(sys.argv[1], owner="one")
for number in range(500):
    ledger.reserve(Reservation(attempt_id=str(number), call_id="c", number=1, started_ns=1, provider="acme", model="m"))
"""


def test_a_program_that_just_ends_has_written_its_line(tmp_path: Path) -> None:
    """Nobody waited and nobody closed; the entries are there all the same."""
    path = tmp_path / "ledger.db"
    subprocess.run([sys.executable, "-c", PROGRAM, str(path)], check=True, timeout=60)
    assert len(states(path)) == 500


def copied(path: Path, log: bytes, folder: Path) -> list[tuple[str, str]]:
    """The rows of a copy of the database at `path` whose write-ahead log is only `log`, in the order of their ids."""
    target = folder / "copy.db"
    for file in folder.glob("copy.db*"):
        file.unlink()
    shutil.copy(path, target)
    folder.joinpath("copy.db-wal").write_bytes(log)
    connection = sqlite3.connect(target)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found = connection.execute("SELECT attempt_id, state FROM attempt ORDER BY attempt_id").fetchall()
    connection.close()
    return found


def cuts(log: bytes, every: int) -> list[int]:
    """Places in a write-ahead log where a power cut may leave it: in its header, at frames, within frames."""
    page = int.from_bytes(log[8:12], "big")
    frames = [32 + (24 + page) * number for number in range((len(log) - 32) // (24 + page) + 1)]
    return sorted({0, 16, *frames, *range(32, len(log), every)})


@pytest.mark.slow
@pytest.mark.parametrize("every", [1_999, 97])
async def test_a_power_cut_leaves_what_was_acknowledged(tmp_path: Path, every: int) -> None:
    """Cut at any byte, the log gives the entries up to some point, all that were acknowledged by then among them."""
    path, log = tmp_path / "ledger.db", tmp_path / "ledger.db-wal"
    promised: list[tuple[int, int]] = []
    SQLiteLedger(path, owner="first").close()  # the tables are in the file, the rows will be in the log
    async with Opened(SQLiteLedger(path, owner="one")) as ledger:
        keeper = sqlite3.connect(path)  # an open reader keeps the log from being taken into the file
        keeper.execute("BEGIN")
        keeper.execute("SELECT count(*) FROM attempt").fetchone()
        for number in range(30):
            await ledger.reserve(reservation(f"a{number:02}"))
            promised.append((log.stat().st_size, number + 1))
        written = log.read_bytes()
        folder = tmp_path / "copies"
        folder.mkdir()
        for cut in cuts(written, every):
            rows = copied(path, written[:cut], folder)
            due = max((count for size, count in promised if size <= cut), default=0)
            assert [id for id, _ in rows] == [f"a{number:02}" for number in range(len(rows))]
            assert due <= len(rows) <= 30, cut
        keeper.close()


ACKNOWLEDGE = """
import asyncio, os
async def run():
    for number in range(100):
        entry = Reservation(attempt_id=str(number), call_id="c", number=1, started_ns=1, provider="acme", model="m")
        await ledger.reserve(entry)
        os.write(9, b"ack")
asyncio.run(run())
"""


def unflushed(folder: Path, mode: str) -> tuple[int, int]:
    """How often a program acknowledged, and how often the kernel had seen no flush since the acknowledgement before."""
    program = PROGRAM.partition("for number")[0].replace('"one"', f'"one", mode="{mode}"') + ACKNOWLEDGE
    trace = folder / "trace"
    command = f'exec 9>/dev/null; strace -f -e trace=write,fsync,fdatasync -o {trace} "$0" -c "$1" "$2"'
    subprocess.run(["/bin/sh", "-c", command, sys.executable, program, str(folder / "l.db")], check=True, timeout=120)
    is_flushed, acknowledged, early = False, 0, 0
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if "sync(" in line or "sync resumed" in line:
            is_flushed = True
        elif 'write(9, "ack"' in line:
            acknowledged += 1
            early += not is_flushed
            is_flushed = False
    return acknowledged, early


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_acknowledgement_before_the_flush(tmp_path: Path) -> None:
    """As the kernel sees it: in "full" mode the disk was flushed before each acknowledgement; "normal" does not, and is seen."""
    assert unflushed(tmp_path, "full") == (100, 0)
    (tmp_path / "l.db").unlink()
    acknowledged, early = unflushed(tmp_path, "normal")
    assert acknowledged == 100
    assert early > 50
