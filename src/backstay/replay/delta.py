"""Delta: what changed between two states, as paths with values; a game's state changes little from tick to tick.

Both states are JSON data. Lists of one length are compared item by item, others are put whole. `apply` never changes what it is
given: untouched branches are shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from backstay.replay.entry import Delta

Path: TypeAlias = tuple[str | int, ...]
_GONE = object()


def delta_of(old: Any, new: Any) -> Delta:
    """What must be done to `old` to have `new`."""
    found = list(_walk((), old, new))
    return Delta(
        put=tuple((path, value) for path, value in found if value is not _GONE),
        gone=tuple(path for path, value in found if value is _GONE),
    )


def _walk(path: Path, old: Any, new: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() - new.keys()):
            yield (*path, name), _GONE
        for name, value in new.items():
            if name in old:
                yield from _walk((*path, name), old[name], value)
            else:
                yield (*path, name), value
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _walk((*path, index), before, after)
    elif type(old) is not type(new) or old != new:
        yield path, new


def apply(delta: Delta, old: Any) -> Any:
    """The state that `delta` makes of `old`. Raises ValueError where it does not fit."""
    state = old
    try:
        for path in delta.gone:
            state = _changed(state, path, _GONE)
        for path, value in delta.put:
            state = _changed(state, path, value)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"the change does not fit the state before it: {error!r}") from error
    return state


def _changed(state: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    name, *rest = path
    copy: Any = dict(state) if isinstance(state, dict) else list(state)
    if rest:
        copy[name] = _changed(copy[name], tuple(rest), value)
    elif value is _GONE:
        del copy[name]
    else:
        copy[name] = value
    return copy
