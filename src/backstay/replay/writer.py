"""Writer: appends entries to a journal's file so that a kill at any moment costs at most the line that was being written.

Each line goes to the operating system before the program goes on, so what was noted outlives the process; `close` writes the
last line and makes all of it durable. A journal that replaces another is written beside it and takes its place only when it is
whole. A file that ends in `.zst` is compressed, each line flushed as a block of its own.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Protocol

from backstay.errors import ConfigurationError
from backstay.replay.chain import Chain
from backstay.replay.entry import End, Entry, encode_entry
from backstay.replay.fault import JournalFailed


class Packing(Protocol):
    """Turns lines into what stands in the file; `finish` gives what is left."""

    def pack(self, line: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class Plain:
    """Lines as they are."""

    def pack(self, line: bytes) -> bytes:
        return line

    def finish(self) -> bytes:
        return b""


class Zstd:
    """Lines as blocks of one Zstandard frame with a checksum."""

    def __init__(self) -> None:
        self._library = load_zstandard()
        self._frame = self._library.ZstdCompressor(write_checksum=True).compressobj()

    def pack(self, line: bytes) -> bytes:
        packed: bytes = self._frame.compress(line) + self._frame.flush(self._library.COMPRESSOBJ_FLUSH_BLOCK)
        return packed

    def finish(self) -> bytes:
        rest: bytes = self._frame.flush(self._library.COMPRESSOBJ_FLUSH_FINISH)
        return rest


def load_zstandard() -> Any:
    """The library for `.zst` files. Raises ConfigurationError that says what to install."""
    try:
        import zstandard
    except ImportError as error:
        raise ConfigurationError("a journal that ends in .zst needs: pip install 'backstay[zstd]'") from error
    return zstandard


class Writer:
    """One journal being written. Usable from any thread; the first failure is kept, and every later entry raises it."""

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Open the file; ConfigurationError where it cannot be, or exists and may not be replaced."""
        self.path = Path(path)
        self._packing: Packing = Zstd() if self.path.suffix == ".zst" else Plain()
        self._draft = self.path.with_name(f"{self.path.name}.new") if overwrite else self.path
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if overwrite else os.O_EXCL) | getattr(os, "O_BINARY", 0)
        try:
            self._file: int | None = os.open(self._draft, flags, 0o600)
        except FileExistsError as error:
            raise ConfigurationError(
                f"{self.path}: there is a journal already; choose another name or record with overwrite=True"
            ) from error
        except OSError as error:
            raise ConfigurationError(f"{self.path}: cannot be written: {error.strerror}") from error
        self._pid = os.getpid()
        self._chain = Chain()
        self._lock = threading.Lock()
        self._count = 0
        self.failure: Exception | None = None

    @property
    def is_open(self) -> bool:
        """False after `close` or `discard`."""
        return self._file is not None

    def add(self, entry: Entry) -> None:
        """Write `entry` as the next line. Raises JournalFailed; nothing to do once the journal is closed."""
        with self._lock:
            if self._file is None:
                return
            if self._pid != os.getpid():
                raise JournalFailed(f"{self.path}: a forked process cannot write to its parent's journal")
            if self.failure is None:
                try:
                    self._put(self._packing.pack(self._chain.seal(encode_entry(entry))))
                    self._count += 1
                    return
                except (OSError, TypeError, ValueError, OverflowError, RecursionError) as error:
                    self.failure = error
            raise JournalFailed(f"{self.path}: an entry could not be written: {self.failure}") from self.failure

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def close(self, outcome: str = "complete") -> None:
        """Write the last line, make the file durable and put it in its place. Idempotent. Raises JournalFailed."""
        if self._file is None:
            return
        if self._pid != os.getpid():
            self._release()
            return
        try:
            self.add(End(entries=self._count, outcome=outcome))
            self._put(self._packing.finish())
            os.fsync(self._file)
        finally:
            self._release()
        if self._draft != self.path:
            os.replace(self._draft, self.path)

    def discard(self) -> None:
        """Close, and leave what was there before as it was."""
        if self._file is not None:
            self._release()
            self._draft.unlink()

    def _release(self) -> None:
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None
