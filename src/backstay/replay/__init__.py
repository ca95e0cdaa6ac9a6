"""Record and replay: a journal of every decision of a run that its code does not determine, and the run again from it alone.

    with record("run.jsonl") as run:          # lived, and noted
        play(run, client)
    with replay("run.jsonl") as run:          # the same answers, draws and ids; no network
        play(run, client)

`run.current_run()` is for programs that speak to whichever run is around them.

`backstay.replay` is the verb as well as this package: once the package is imported, Python binds it under that name, so the
package can be called, and is then `replay`.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backstay.ports import World
    from backstay.replay.recording import Recording
    from backstay.replay.replaying import Mode, Replaying


def record(
    path: str | os.PathLike[str],
    *,
    world: World | None = None,
    has_clock: bool = False,
    overwrite: bool = False,
    facts: Mapping[str, str] | None = None,
) -> Recording:
    """A run to enter with `with` or `async with`: it is lived as ever, and noted in the journal `path`.

    `has_clock`: readings of the clock are noted too. `overwrite`: an older journal is replaced when this one is whole. `facts`
    are kept in its header. A path that ends in `.zst` is compressed. Raises ConfigurationError where it cannot be written.
    """
    from backstay.replay.recording import Recording

    return Recording(path, world=world, has_clock=has_clock, overwrite=overwrite, facts=facts)


def replay(
    path: str | os.PathLike[str],
    *,
    mode: Mode = "strict",
    live_tasks: Iterable[str] = (),
    speed: float | None = None,
    world: World | None = None,
) -> Replaying:
    """A run to enter with `with` or `async with`: it is answered from the journal `path`, with the network closed.

    `mode`: strict, patch (what is new is asked live and added) or hybrid (the calls of `live_tasks` go live). `speed`: 1.0 for
    the recorded pace, None for none. Raises ConfigurationError, JournalDamaged; in the run, Divergence.
    """
    from backstay.replay.replaying import Replaying

    return Replaying(path, mode=mode, live_tasks=live_tasks, speed=speed, world=world)


class _Verb(types.ModuleType):
    """A package that can be called ("Customizing module attribute access" in Python's data model)."""

    def __call__(self, path: str | os.PathLike[str], **settings: Any) -> Replaying:
        return replay(path, **settings)


sys.modules[__name__].__class__ = _Verb

__all__ = ["record", "replay"]
