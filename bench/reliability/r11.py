"""R11: a promise is made after the flush, as the kernel sees it.

A program acknowledges each entry by a write to a descriptor of its own; strace lists its system calls. Between two
acknowledgements there must be a flush. The variant is the mode that flushes less often, and says so.
"""

from __future__ import annotations

import shutil

from bench.reliability.disk import folder, proof
from bench.reliability.goal import Verdict, sized

CLAIM = "1,000 acknowledgements under strace: 0 before the flush of their bytes."
GATE = 0.1
EACH = 100


def _verdict(rounds: int, mode: str) -> Verdict:
    if shutil.which("strace") is None:
        raise FileNotFoundError("strace is not installed: this goal reads the program's system calls")
    acknowledged = early = 0
    for _ in range(rounds):
        with folder() as path:
            more, before = proof("test_processes").unflushed(path, mode)
        acknowledged, early = acknowledged + more, early + before
    return Verdict(acknowledged > 0 and early == 0, {"acknowledged": acknowledged, "before the flush": early})


def measure(scale: float) -> Verdict:
    """So many programs of a hundred acknowledgements each, in mode "full"."""
    return _verdict(sized(1_000 // EACH, scale), "full")


def broken(scale: float) -> Verdict:
    """Mode "normal", which acknowledges before the disk has it."""
    return _verdict(1, "normal")
