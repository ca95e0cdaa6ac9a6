"""Save: settings as a TOML file with what differs from the defaults, and never a key.

The file is written whole beside its place, with mode 0600, synced and then renamed, so that a crash leaves the old or the new
file and never half of one. A file with comments of the user's own is kept as `NAME.bak`, because rewriting loses them.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from backstay.config.check import check, section_faults
from backstay.config.entry import Entry, flatten
from backstay.config.schema import Names, Place, Section, Setting, dotted, find, tree
from backstay.config.setting import Config
from backstay.errors import ConfigurationError

HEADER = "# Settings of backstay. Keys are never in here, only where they are.\n"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """The file that was written, and where the former one is kept, if it had to be."""

    path: Path
    backup: Path | None = None


class Disk:
    """The two calls that a durable file rests on, as a seam: a disk of a test's own can fail, or note their order."""

    def sync(self, descriptor: int) -> None:
        """Bring what was written to `descriptor` to the disk."""
        os.fsync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Give `source` the name `target`, in one step."""
        os.replace(source, target)


DISK = Disk()


def save(config: Config, path: str | Path, *, disk: Disk = DISK) -> Saved:
    """Write `config` to `path`. Raises ConfigurationError for settings that `load` would refuse, before anything is written."""
    faults = config_faults(config)
    if faults:
        del config  # a traceback with locals must not show what was refused
        raise ConfigurationError(*faults)
    target = Path(path).expanduser().resolve()
    _refuse_what_is_no_place(target)
    backup = _back_up(target, disk)
    _write(target, render(config).encode(), disk)
    return Saved(path=target, backup=backup)


def _refuse_what_is_no_place(target: Path) -> None:
    """A device or a pipe is no settings file: read, it may never end; renamed over, it is gone."""
    if target.exists() and not target.is_file():
        raise ConfigurationError(f"{target}: is no regular file, and nothing else is replaced: choose another name")


def config_faults(config: Config) -> list[str]:
    """What is wrong with settings that were made in code, where nothing has checked them."""
    built = msgspec.to_builtins(config)
    single = check(
        Entry(place=place, value=value, origin="settings") for place, value in flatten(built) if value is not None
    ).faults
    return single or [f"settings: {dotted(place)}: {fault}" for place, fault in section_faults(config)]


def render(config: Config) -> str:
    """The TOML text of `config`: one table per section, in the order of the Structs, only what is not a default."""
    return HEADER + "".join(_blocks(tree(), (), msgspec.to_builtins(config), msgspec.to_builtins(Config())))


def _blocks(node: Section | Names, place: Place, value: dict[str, Any], default: dict[str, Any]) -> Iterator[str]:
    """The table at `place`, then those under it. A table under a name that the user chose is written even when empty."""
    children = node.children if isinstance(node, Section) else dict.fromkeys(value, node.each)
    lines = [
        f"{_key(name)} = {_toml(value[name])}\n"
        for name, child in children.items()
        if isinstance(child, Setting) and name in value and (name not in default or value[name] != default[name])
    ]
    if lines or (place and isinstance(find(place[:-1]), Names)):
        yield f"\n[{'.'.join(map(_key, place))}]\n" if place else "\n"
        yield from lines
    for name, child in children.items():
        if not isinstance(child, Setting):
            yield from _blocks(child, (*place, name), value.get(name, {}), default.get(name, _defaults(child)))


def _defaults(node: Section | Names) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(node.struct()) if isinstance(node, Section) else {}
    return made


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _toml(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """A TOML basic string: JSON's, and DEL escaped, which TOML alone forbids."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def _back_up(target: Path, disk: Disk) -> Path | None:
    try:
        former = target.read_bytes()
    except FileNotFoundError:
        return None
    own = former.removeprefix(HEADER.encode())
    if own != former and b"#" not in own:
        return None
    backup = next(path for path in _backup_names(target) if not path.exists())
    _write(backup, former, disk)
    return backup


def _backup_names(target: Path) -> list[Path]:
    return [target.with_name(f"{target.name}.bak{number or ''}") for number in range(1000)]


def _write(target: Path, data: bytes, disk: Disk) -> None:
    """Replace `target` by `data`, all or nothing. The temporary file's mode is 0600 from its first byte."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            disk.sync(out.fileno())
        disk.replace(Path(temporary), target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent, disk)


def _sync_folder(folder: Path, disk: Disk) -> None:
    """Make the rename durable, where folders can be opened at all."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
