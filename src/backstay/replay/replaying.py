"""Replaying: a run answered from a journal alone: the same answers, errors, chunks, draws and ids, with the network closed.

Three modes. `strict`: what was not recorded is a `Divergence`, and so is what was recorded and is not asked for. `patch`: what
was not recorded is asked live and added to the journal, which is replaced when the run ends. `hybrid`: the calls of `live_tasks`
go live and are not matched, all others are strict. The network is closed in strict mode only, because the others need it.

Calls are matched by what they ask and how often that was asked before, never by their order among others; so a concurrent program
may ask in any order. A divergence that the program swallows is raised again when the run ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, Self, TypeAlias, get_args
from weakref import WeakKeyDictionary

import msgspec

from backstay.canonical import FieldChange, difference
from backstay.errors import ConfigurationError, LLMError
from backstay.ports import World
from backstay.replay.current import entered
from backstay.replay.divergence import Divergence, place_of_caller
from backstay.replay.failure import to_error
from backstay.replay.fault import JournalDamaged
from backstay.replay.form import asked
from backstay.replay.given import given_world
from backstay.replay.guard import SocketGuard
from backstay.replay.index import Index
from backstay.replay.journal import read_journal
from backstay.replay.notebook import state_at
from backstay.replay.patch import Patch, whole_calls
from backstay.replay.played import Played
from backstay.replay.run import Booking, EnteredRun, ToolAsked, sha_of, state_of, tool_key
from backstay.replay.turnstile import Turnstile
from backstay.service import Call, Reply, Service

Mode: TypeAlias = Literal["strict", "patch", "hybrid"]
SHOWN: Final = 5
"""Unused entries that a message names."""


class Replaying(EnteredRun):
    """The run to enter: `with replay(path) as run`, or `async with`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: Mode = "strict",
        live_tasks: Iterable[str] = (),
        speed: float | None = None,
        world: World | None = None,
    ) -> None:
        super().__init__(world)
        self._live_tasks = frozenset(live_tasks)
        if faults := _faults(mode, self._live_tasks, speed):
            raise ConfigurationError(*faults)
        self._mode = mode
        self._speed = speed
        journal = read_journal(path)
        if mode == "patch":
            journal = whole_calls(journal)
        self.journal = journal
        self._index = Index(journal)
        self._patch = Patch(path, journal)
        self._form = b"null"
        self._turnstiles: WeakKeyDictionary[asyncio.AbstractEventLoop, Turnstile] = WeakKeyDictionary()
        self._network = contextlib.ExitStack()
        self._has_begun = False
        self.divergence: Divergence | None = None

    def begin(self) -> Self:
        """Close the network, where the mode does. `__enter__` does it."""
        if self._has_begun:
            raise RuntimeError("a replay is entered once: make another one for another run")
        self._has_begun = True
        if self._mode == "strict":
            self._network.enter_context(SocketGuard())
        return self

    def finish(self, outcome: str = "complete") -> None:
        """Open the network again and finish a patched journal. Raises Divergence for one that the program swallowed, and in
        strict and hybrid mode for what was recorded and not asked for, if the program came to its end."""
        self._network.close()
        self._patch.finish(outcome)
        if outcome != "complete":
            return
        if self.divergence is not None:
            raise self.divergence
        unused = list(self._index.unused(self._live_tasks))
        if unused and self._mode != "patch":
            rest = [f"  and {len(unused) - SHOWN} more"] if len(unused) > SHOWN else []
            lines = [f"  {line}" for line in unused[:SHOWN]]
            raise Divergence(
                "\n".join([f"{len(unused)} recorded entries were not asked for:", *lines, *rest]), kind="unused"
            )

    def abandon(self) -> None:
        """End the replay without a word about what was left; the journal stays as it was."""
        self._network.close()
        self._patch.abandon()

    def _diverged(self, kind: str, message: str, changes: Iterable[FieldChange] = ()) -> Divergence:
        """The error to raise; the first one is kept, because a program may swallow it."""
        found = Divergence(message, kind=kind, changes=tuple(changes), place=place_of_caller(), tick=self.now)
        if self.divergence is None:
            self.divergence = found
        return found

    def tick(self, number: int) -> None:
        super().tick(number)
        if self._index.ticks:
            recorded = self._index.ticks.popleft().tick
            if recorded != number:
                raise self._diverged("tick", "another tick was recorded", [FieldChange("tick", recorded, number)])
        elif self._mode == "patch":
            self._patch.notebook.tick(number, self.base)
        else:
            raise self._diverged("tick", f"tick {number} was not recorded: the run had ended")

    def random(self, system: str, name: str = "") -> float:
        recorded = self._index.take_draw(system, name)
        if recorded is None:
            if self._mode == "patch":
                return self._patch.draw(system, name, super().random(system, name), self.now)
            raise self._diverged("draw", f"no further draw of {system}/{name} was recorded")
        if recorded.tick != self.now:
            change = FieldChange("tick", recorded.tick, self.now)
            raise self._diverged("draw", f"the draw of {system}/{name} was recorded in another tick", [change])
        return recorded.value

    def snapshot(self, state: Any) -> str:
        form = state_of(state)
        if not self._index.snapshots:
            if self._mode == "patch":
                return self._patch.notebook.snapshot(form, tick=self.now)
            raise self._diverged("snapshot", "no further snapshot was recorded")
        recorded = self._index.snapshots.popleft()
        if recorded.sha256 != sha_of(form) or recorded.tick != self.now:
            try:
                then = state_of(state_at(msgspec.json.decode(self._form), recorded))
            except ValueError as error:
                raise JournalDamaged(str(error)) from error
            changes = [FieldChange("tick", recorded.tick, self.now)] if recorded.tick != self.now else []
            raise self._diverged("snapshot", "the state is not the recorded one", [*changes, *difference(then, form)])
        self._form = form
        return recorded.sha256

    async def run_tool(self, tool: ToolAsked) -> Any:
        form = state_of(tool.arguments)
        recorded = self._index.take_tool(tool_key(tool.name, form))
        if recorded is None:
            if self._mode == "patch":
                return await self._patch.tool(self.base, self.now).run(tool)
            found = [difference(bytes(run.arguments), form) for run in self._index.tools(tool.name)]
            changes = min(found, key=len, default=[])
            raise self._diverged("tool", f"this run of the tool {tool.name!r} was not recorded", changes)
        if recorded.failure is not None:
            raise to_error(recorded.failure)
        return msgspec.json.decode(bytes(recorded.result), type=tool.type)

    async def answer(self, call: Call, inner: Service, world: World, booking: Booking | None) -> Reply:
        if call.request.metadata.task in self._live_tasks:
            with entered("below"):
                return await inner(call)
        question = asked(call)
        recorded = self._index.take_call(question.key)
        if recorded is None:
            if self._mode == "patch":
                return await self._patch.answer(call, inner, tick=self.now, world=world)
            raise self._missed(call)
        played = Played(
            recorded,
            wait=self._waiting(world),
            sleep=world.sleep,
            diverged=lambda message: self._diverged("call", message),
        )
        try:
            reply = await played.reply()
        except LLMError as error:
            if booking is not None:
                booking(call, error)
            raise
        if booking is not None:
            reply.observe(lambda outcome: booking(call, outcome))
        return reply

    def _missed(self, call: Call) -> Divergence:
        question = asked(call)
        if self._index.was_asked(question.key):
            return self._diverged("call", "this call was recorded, but not so often")
        nearest = self._index.nearest(question, task=call.request.metadata.task, tick=self.now)
        if nearest is None:
            return self._diverged("call", "no further call was recorded")
        began, changes = nearest
        where = "" if began.tick is None else f", of tick {began.tick}"
        return self._diverged("call", f"this call was not recorded; the nearest is call {began.call}{where}", changes)

    def _waiting(self, world: World) -> Callable[[int, float], Any]:
        """How a call waits for its turn: its recorded time, or at full speed the others that wait."""
        speed = self._speed
        if speed is not None:
            return lambda place, gap: world.sleep(gap / speed)
        loop = asyncio.get_running_loop()
        turnstile = self._turnstiles.get(loop)
        if turnstile is None:
            turnstile = self._turnstiles[loop] = Turnstile()
        return lambda place, gap: turnstile.passed(place)

    def around(self, world: World) -> World:
        return given_world(self._index, self._patch if self._mode == "patch" else None, world, run=self)


def _faults(mode: str, live_tasks: frozenset[str], speed: float | None) -> list[str]:
    faults = []
    if mode not in get_args(Mode):
        faults.append(f"mode = {mode!r}: there are strict, patch and hybrid")
    if (mode == "hybrid") != bool(live_tasks):
        faults.append("live_tasks: hybrid mode names the tasks that go live, and no other mode does")
    if speed is not None and not speed > 0:
        faults.append(f"speed = {speed}: must be more than 0, or None for full speed")
    return faults
