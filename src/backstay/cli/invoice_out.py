"""The file that `backstay invoice --out` writes: one run at a time, only over a file of its own, and no record is ever lost.

Each record is a line as soon as it is there: of the file itself, or, for a table, of one beside it that goes when the table is
whole. A document that is read again adds a line; the last line of a document counts, and the end of the run takes out the
others by writing beside and renaming. So a run may end at any moment, and what it had acknowledged is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import click
import msgspec

from backstay.cli.invoice_table import read_rows, replace, row_of, write_rows
from backstay.kits.invoices.record import Record

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

OPENING: Final = b'{"source":"'
"""How every line begins, by which one that was cut is told from what somebody else wrote."""


class Kept(Record, frozen=True, kw_only=True):
    """A record as a file keeps it, with the digest of the document that it was read from."""

    digest: str | None = None


class Output:
    """A run's file, checked and read when this is made. `earlier` holds what former runs have read, by document."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError for a file that is not of this command; nothing is changed then."""
        self.path = path
        self.is_table = path.suffix != ".jsonl"
        self.journal = path.with_name(f".{path.name}.partial") if self.is_table else path
        self._errors = path.with_name(f"{path.stem}.errors.jsonl")
        self._stream: IO[bytes] | None = None
        self._rows = _checked_rows(path) if self.is_table else {}
        _read_lines(self._errors)
        lines, whole, size = _read_lines(self.journal)
        self.earlier = {record.source: record for record in lines}
        self._is_doubled = len(lines) > len(self.earlier)
        if whole < size:
            os.truncate(self.journal, whole)
        self._has_open_end = bool(whole) and whole == size and not _ends_line(self.journal)

    def add(self, record: Record, digest: str | None) -> None:
        """Write a record down."""
        if self._stream is None:
            self._stream = self.journal.open("ab")
            if self._has_open_end:
                self._stream.write(b"\n")
        self._is_doubled |= record.source in self.earlier
        self._stream.write(line_of(Kept(**_fields(record), digest=digest)))
        self._stream.flush()

    def close(self) -> None:
        """Bring what was written to the disk; one line for a document."""
        if self._stream is not None and not self._stream.closed:
            os.fsync(self._stream.fileno())
            self._stream.close()
        if self._is_doubled and self.journal.exists():
            lines = {record.source: record for record in _read_lines(self.journal)[0]}
            replace(self.journal, b"".join(map(line_of, lines.values())))

    def finish(self, done: dict[str, Record]) -> int:
        """Write the table, if it is one; the number of rows that it keeps of documents that were not read."""
        if not self.is_table:
            return 0
        self.close()
        kept = [row for source, row in self._rows.items() if source not in done]
        if done:
            write_rows(self.path, [*kept, *map(row_of, done.values())])
        self.journal.unlink(missing_ok=True)
        return len(kept)

    def write_errors(self, failed: list[Record], *, is_whole: bool) -> None:
        """What could not be read, in a file of its own; no file where everything could."""
        if failed:
            replace(self._errors, b"".join(map(line_of, failed)))
        elif is_whole:
            self._errors.unlink(missing_ok=True)

    def told(self, *, is_whole: bool) -> str:
        """Where what was read stands now, in words."""
        if is_whole or not self.is_table:
            return f"written to {self.path}" if self.path.exists() else "nothing is written"
        state = "is as it was" if self.path.exists() else "is not there yet"
        return f"kept in {self.journal}; {self.path} {state}" if self.journal.exists() else f"{self.path} {state}"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Output]:
    """The output `path`, for this run alone. Raises UsageError where another run has it, or it is somebody else's."""
    with _alone(path):
        output = Output(path)
        try:
            yield output
        finally:
            output.close()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock on a file beside `path`, which is gone afterwards."""
    if fcntl is None:  # pragma: no cover - Windows
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    while True:
        try:
            file = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise click.UsageError(f"--out {path}: cannot be written ({error.strerror})") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_same(file, lock):  # else its owner took it away between the opening and the lock
                break
        except BlockingIOError as error:
            os.close(file)
            raise click.UsageError(
                f"--out {path}: another run is writing it; wait for its end, or name another file"
            ) from error
        os.close(file)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(file)


def _is_same(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def digest_of(source: str) -> str | None:
    """The SHA-256 of a document, with the electronic invoice of the same name that may be read with it; None where it cannot be
    read, which the reader then says."""
    try:
        total = hashlib.sha256(Path(source).read_bytes())
        beside = Path(source).with_suffix(".xml")
        if Path(source).suffix.lower() == ".pdf" and beside.is_file():
            total.update(beside.read_bytes())
    except OSError:
        return None
    return total.hexdigest()


def line_of(record: Record) -> bytes:
    """A record as one line of JSON Lines."""
    return msgspec.json.encode(record) + b"\n"


def _fields(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in Record.__struct_fields__}


def _refuse(path: Path, why: str) -> click.UsageError:
    return click.UsageError(f"{path}: this command did not write it ({why}), and leaves it alone; name another --out")


def _checked_rows(path: Path) -> dict[str, Any]:
    if path.exists() and not path.is_file():
        raise _refuse(path, "it is no regular file")
    try:
        return dict(read_rows(path))
    except ValueError as error:
        raise _refuse(path, str(error)) from error


def _read_lines(path: Path) -> tuple[list[Kept], int, int]:
    """The records of a file; how many of its bytes they are, and how many it has: a last line that was cut is no record."""
    if not path.exists():
        return [], 0, 0
    if not path.is_file():
        raise _refuse(path, "it is no regular file")
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(msgspec.json.decode(line, type=Kept))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if number == len(lines) and _is_cut(line):
                return found, len(content) - len(line), len(content)
            raise _refuse(path, f"line {number}: {error}") from error
    return found, len(content), len(content)


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _is_cut(line: bytes) -> bool:
    """Whether a line is the beginning of a record of ours, and no JSON of its own."""
    if line.endswith(b"\n") or not (line.startswith(OPENING) or OPENING.startswith(line)):
        return False
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return False
