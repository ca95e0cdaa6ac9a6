"""R10: a process that is killed at any moment loses nothing that it was promised, and leaves nothing twice.

A child writes attempts with sixteen tasks and says each promise into a pipe; it is killed with SIGKILL in the middle. The file
must be sound, hold every promised entry once, and call `unknown` what was begun and not settled.
"""

from __future__ import annotations

from bench.reliability.disk import folder, proof
from bench.reliability.goal import Verdict, sized

CLAIM = "500 kills with SIGKILL: 0 promised entries lost, 0 twice, every open attempt unknown, the file sound."
GATE = 0.06


def _verdict(kills: int, *wrap: object) -> Verdict:
    with folder() as path:
        promised, unknown, wrong = proof("test_kill").rounds(path / "ledger.db", kills, *wrap)
    return Verdict(
        not wrong and promised > 0, {"kills": kills, "promised": promised, "unknown": unknown, "wrong": len(wrong)}
    )


def measure(scale: float) -> Verdict:
    """So many kills of a ledger in mode "full"."""
    return _verdict(sized(500, scale))


def broken(scale: float) -> Verdict:
    """A ledger that promises before it has written."""
    return _verdict(10, proof("test_kill").Hasty)
