"""R13: a disk that fails is an error of whoever waits, and never a promise that is not kept.

A program that has opened its ledger writes entries one by one while strace makes its disk fail: an I/O error of a flush, or a
full disk at a write, at the first such call, at a later one, and so on. What it was promised must be in the file, what failed
must have been said, and once the disk is well again the same ledger takes entries without a restart.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from bench.reliability.disk import folder
from bench.reliability.goal import Verdict, sized

from backstay.ledger.sqlite import read_rows

CLAIM = "EIO or ENOSPC at 30 points: 0 promised entries lost, 0 failures unsaid, entries taken again without a restart."
GATE = 0.2
POINTS, ENTRIES = 30, 40

PROGRAM = """
import asyncio, sys
from backstay.ledger.base import LedgerFailed
from backstay.ledger.row import Reservation
from backstay.ledger.sqlite import SQLiteLedger
async def run(path, hides):
    ledger = SQLiteLedger(path, owner="one")
    for number in range({entries}):
        entry = Reservation(attempt_id=f"a{{number:02}}", call_id="c", number=1, started_ns=1, provider="acme", model="m")
        try:
            await ledger.reserve(entry)
            said = "promised"
        except LedgerFailed:
            said = "promised" if hides else "refused"
        print(said, entry.attempt_id, flush=True)
    await ledger.aclose()
asyncio.run(run(sys.argv[1], sys.argv[2] == "hides"))
"""


def _point(number: int, hides: bool) -> tuple[int, int, int, int]:
    """Refused, promised and lost entries, and 1 where it did not recover.

    The opening itself makes 30 writes and 8 flushes; the faults come after it.
    """
    kind, when = ("fdatasync:error=EIO", 10 + number) if number % 2 else ("pwrite64:error=ENOSPC", 40 + 8 * number)
    with folder() as place:
        path = place / "ledger.db"
        command = ["strace", "-f", "-qq", "-o", str(place / "trace"), "-e", f"inject={kind}:when={when}..{when + 2}"]
        program = [sys.executable, "-c", PROGRAM.format(entries=ENTRIES), str(path), "hides" if hides else "says"]
        done = subprocess.run([*command, *program], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            return 0, 0, 0, 1
        said = [line.split() for line in done.stdout.splitlines()]
        promised = {id for word, id in said if word == "promised"}
        kept = {row.attempt_id for row in read_rows(path)}
        return len(said) - len(promised), len(promised), len(promised - kept), said[-1][0] != "promised"


def _verdict(points: int, hides: bool) -> Verdict:
    if shutil.which("strace") is None:
        raise FileNotFoundError("strace is not installed: this goal makes the program's disk fail with it")
    refused, promised, lost, stuck = (
        sum(column) for column in zip(*(_point(n, hides) for n in range(points)), strict=True)
    )
    figures: dict[str, int | float | str] = {
        "points": points, "refused": refused, "promised": promised, "lost": lost, "not recovered": stuck,
    }  # fmt: skip
    return Verdict(lost == 0 and stuck == 0 and promised > 0 and (refused > 0 or hides), figures)


def measure(scale: float) -> Verdict:
    """Flushes and writes by turns."""
    return _verdict(sized(POINTS, scale, least=4), False)


def broken(scale: float) -> Verdict:
    """A program that takes a failed entry for a written one."""
    return _verdict(4, True)
