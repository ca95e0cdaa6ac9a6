"""The settings file: which one is read, and its entries with the line of each.

The first that is named: the `path` argument, then `BACKSTAY_CONFIG`, both of which must exist; else the first that is there:
`backstay.toml` in the working folder, then the one in the user's configuration folder.

A file in the working folder is *found*, not chosen: it may have come with a checkout. See `trust.py` for what it may not do.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from backstay.config.entry import Entry, flatten
from backstay.config.environment import Environment
from backstay.config.line import key_lines

NAME = "backstay.toml"
VARIABLE = "BACKSTAY_CONFIG"
MAX_BYTES = 1 << 20


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The file to read.

    `origin` says who named it: "argument", "environment BACKSTAY_CONFIG", "working folder" or "user folder".
    """

    path: Path
    origin: str

    @property
    def is_found(self) -> bool:
        """True for a file that nobody named: it was just there."""
        return self.origin == "working folder"


def locate(path: str | Path | None, environment: Environment, *, cwd: Path, user_folder: Path) -> Source | None:
    """The file to read; None where there is none. A file that was named is given back whether or not it exists."""
    named = environment.get(VARIABLE)
    if path is not None:
        return Source(path=cwd / Path(path).expanduser(), origin="argument")
    if named:
        return Source(path=cwd / Path(named).expanduser(), origin=f"environment {VARIABLE}")
    for folder, origin in ((cwd, "working folder"), (user_folder, "user folder")):
        if (folder / NAME).is_file():
            return Source(path=folder / NAME, origin=origin)
    return None


def user_folder() -> Path:
    """The user's configuration folder, as the platform has it."""
    import platformdirs

    return platformdirs.user_config_path("backstay", appauthor=False)


def read(source: Source, *, cwd: Path) -> tuple[list[Entry], list[str]]:
    """The entries of the file, and the faults that kept it from being read."""
    shown = display(source.path, cwd)
    text = _text(source.path)
    if text.fault:
        return [], [f"{shown}: {text.fault}"]
    table, fault = _parse(text.value)
    if fault:
        return [], [f"{shown}: is not TOML: {fault}"]
    lines = key_lines(text.value)
    return [_entry(place, value, shown, lines) for place, value in flatten(table)], []


def display(path: Path, cwd: Path) -> str:
    """A path as a user would write it: short inside the working folder, whole elsewhere."""
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)


class _Text:
    """A file's text, closed to the eye, or the fault that kept it from being read."""

    __slots__ = ("fault", "value")

    def __init__(self, value: str = "", fault: str = "") -> None:
        self.value = value
        self.fault = fault


def _text(path: Path) -> _Text:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return _Text(fault=f"cannot be read ({error.strerror})")
    if len(data) > MAX_BYTES:
        return _Text(fault=f"is larger than {MAX_BYTES} bytes, so it is no settings file")
    try:
        return _Text(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        return _Text(fault=f"is not UTF-8 (byte {error.start})")


def _parse(text: str) -> tuple[dict[str, Any], str]:
    try:
        return tomllib.loads(text), ""
    except tomllib.TOMLDecodeError as error:
        return {}, str(error)
    except (ValueError, RecursionError) as error:
        return {}, f"a number or a nesting beyond all bounds ({type(error).__name__})"


def _entry(place: tuple[str, ...], value: Any, shown: str, lines: dict[tuple[str, ...], int]) -> Entry:
    known = next((lines[place[:depth]] for depth in range(len(place), 0, -1) if place[:depth] in lines), 1)
    return Entry(place=place, value=value, origin=f"file {shown}:{known}")
