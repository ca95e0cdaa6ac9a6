"""Run: what a program says of itself while it runs, so that the run can be recorded, and later replayed.

This class is a run that is neither: it draws, executes and passes on, and notes nothing. A program may therefore speak to a run
always (`current_run()`), and is recorded or replayed by whoever stands around it. `Recording` and `Replaying` are the other two.

    with record("run.jsonl") as run:
        for number in range(1000):
            run.tick(number)
            if run.random("weather", "rain") < 0.1: ...
            run.snapshot(state)
"""

from __future__ import annotations

import abc
import contextlib
import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import msgspec

from backstay.canonical import digest
from backstay.ports import World
from backstay.replay.current import current, entered
from backstay.replay.fault import JournalFailed
from backstay.service import Call, Outcome, Reply, Service

Booking: TypeAlias = Callable[[Call, Outcome], None]
"""Hears of every call that a journal answered, and how."""

_SORTED = msgspec.json.Encoder(order="sorted")


class ToolAsked(NamedTuple):
    """One run of a tool that a program asks for."""

    name: str
    arguments: Mapping[str, Any]
    execute: Callable[[], Any]
    has_side_effect: bool
    type: Any


class Run:
    """A run that is only lived. `world` is where its random numbers and times come from."""

    def __init__(self, world: World | None = None) -> None:
        self._given = world
        self.now: int | None = None

    @functools.cached_property
    def base(self) -> World:
        """The world behind the run: the given one, else the machine's, made when it is first needed."""
        return self._given or World.real()

    def tick(self, number: int) -> None:
        """A frame of the program begins. Numbers only grow."""
        if self.now is not None and number <= self.now:
            raise ValueError(f"tick {number} does not follow tick {self.now}: ticks only grow")
        self.now = number

    def random(self, system: str, name: str = "") -> float:
        """A random number in [0, 1), drawn by the part `system` of the program for `name`."""
        return self.base.rng.random()

    def snapshot(self, state: Any) -> str:
        """Note the state of the program (anything msgspec writes as JSON); its SHA-256 in hex."""
        return sha_of(state_of(state))

    async def tool(
        self,
        name: str,
        arguments: Mapping[str, Any],
        execute: Callable[[], Any],
        *,
        has_side_effect: bool = False,
        type: Any = Any,
    ) -> Any:
        """The result of `execute()`, awaited where it must be; in a replay the recorded one, of `type`."""
        return await self.run_tool(ToolAsked(name, arguments, execute, has_side_effect, type))

    async def run_tool(self, tool: ToolAsked) -> Any:
        """What `tool` gives, as `tool()` says."""
        result = tool.execute()
        return await result if inspect.isawaitable(result) else result

    def tool_now(
        self,
        name: str,
        arguments: Mapping[str, Any],
        execute: Callable[[], Any],
        *,
        has_side_effect: bool = False,
        type: Any = Any,
    ) -> Any:
        """As `tool`, for blocking programs: `execute` is a plain function."""
        work = self.tool(name, arguments, execute, has_side_effect=has_side_effect, type=type)
        try:
            work.send(None)
        except StopIteration as done:
            return done.value
        work.close()
        raise TypeError(f"the tool {name!r} waits for something: use `await run.tool(...)`")

    async def answer(self, call: Call, inner: Service, world: World, booking: Booking | None) -> Reply:
        """The reply to `call`: `inner`'s, or the recorded one. Called by JournalLayer."""
        return await inner(call)

    def around(self, world: World) -> World:
        """`world` as this run has it: with ids, random numbers and clock that it notes or gives back."""
        return world

    @property
    def world(self) -> World:
        """The world for the program's own use."""
        return self.around(self.base)


class EnteredRun(Run, abc.ABC):
    """A run with a begin and an end, to enter with `with` or `async with`; inside it is the current one."""

    def __init__(self, world: World | None = None) -> None:
        super().__init__(world)
        self._leaving = contextlib.ExitStack()

    @abc.abstractmethod
    def begin(self) -> Self:
        """Begin the run. Raises RuntimeError where it has begun before."""

    @abc.abstractmethod
    def finish(self, outcome: str = "complete") -> None:
        """End it; `outcome` is the class of the exception that the program left with."""

    def __enter__(self) -> Self:
        self.begin()
        self._leaving.enter_context(entered(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        self._leaving.close()
        try:
            self.finish("complete" if kind is None else kind.__name__)
        except JournalFailed as failed:  # the program's own exception is the one to be seen
            if error is None:
                raise
            error.add_note(str(failed))
        return False

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        return self.__exit__(kind, error, trace)


def current_run() -> Run:
    """The run that is current here, or one that is only lived: a program can speak to it in either case."""
    return current() or Run()


def state_of(state: Any) -> bytes:
    """The canonical JSON of `state`. Raises TypeError where it has none."""
    return _SORTED.encode(state)


def sha_of(form: bytes) -> str:
    """The SHA-256 of a canonical form, in hex."""
    return hashlib.sha256(form).hexdigest()


def tool_key(name: str, arguments: bytes) -> str:
    """The key by which a tool's run is matched."""
    return digest("tool", name, arguments)
