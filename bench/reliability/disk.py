"""Disk: the ledger's own tests of kills, flushes, power cuts and full disks, as they are called by the goals R10 to R13.

The proofs live beside the ledger's tests, which run them small; the goals run them at their full size.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def proof(module: str) -> Any:
    """The module `tests/ledger/<module>.py`."""
    return importlib.import_module(f"tests.ledger.{module}")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)
