"""What a recovery returns: a status, the value, how it was found, and every repair with its place.

Statuses follow one question, "how far may a caller trust this value": SUCCESS is JSON as written, RECOVERED is a
complete document after repairs, PARTIAL is a document whose tail is missing, FAILED is no document. A value that
needed repair never claims SUCCESS.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

MAX_REPAIRS = 100
"""Repairs and warnings kept in full; the rest are counted (`Parsed.repair_count`), so a report stays small."""


class Status(StrEnum):
    """How far the value may be trusted."""

    SUCCESS = "SUCCESS"
    RECOVERED = "RECOVERED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


class Repair(msgspec.Struct, frozen=True):
    """One change of reading: `code` (see docs/recovery.md), `offset` in characters of the input, a short `detail`."""

    code: str
    offset: int
    detail: str = ""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no (whole) value: what, where (`offset` in characters, or a JSON path), and what to do about it."""

    message: str
    remedy: str
    offset: int | None = None
    path: str | None = None

    def __str__(self) -> str:
        place = self.path if self.path is not None else "" if self.offset is None else f"offset {self.offset}"
        return f"{place}: {self.message}; {self.remedy}" if place else f"{self.message}; {self.remedy}"


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of `parse`: `value` is None when `status` is FAILED."""

    status: Status
    value: Any = None
    method: str = ""
    repairs: tuple[Repair, ...] = ()
    repair_count: int = 0
    warnings: tuple[str, ...] = ()
    errors: tuple[Fault, ...] = ()
    open_path: str | None = None

    def __bool__(self) -> bool:
        """True unless FAILED, so `if parsed:` reads as "is there a value"."""
        return self.status is not Status.FAILED


class Log:
    """Collects repairs and warnings of one run; the first `MAX_REPAIRS` are kept, all are counted."""

    __slots__ = ("count", "is_cut", "kept", "lost", "warnings")

    def __init__(self) -> None:
        self.kept: list[Repair] = []
        self.count = 0
        self.warnings: list[str] = []
        self.is_cut = False
        self.lost = 0

    def add(self, code: str, offset: int, detail: str = "") -> None:
        """Note one repair; beyond the cap it is only counted."""
        self.count += 1
        if self.count <= MAX_REPAIRS:
            self.kept.append(Repair(code, offset, detail))

    def warn(self, message: str) -> None:
        """Note something the caller should know that is no repair."""
        if len(self.warnings) < MAX_REPAIRS:
            self.warnings.append(message)

    def extend(self, other: Log) -> None:
        """Take over what another run noted."""
        self.kept.extend(other.kept[: max(0, MAX_REPAIRS - len(self.kept))])
        self.count += other.count
        self.warnings.extend(other.warnings[: max(0, MAX_REPAIRS - len(self.warnings))])
        self.is_cut = self.is_cut or other.is_cut
        self.lost += other.lost
