"""ToolRegistry: keeps tools, shows them to a model, and runs what the model asks for, within bounds.

Nothing that a model writes is trusted. A name that is unknown or not allowed is refused when it is called, not only left out of
what the model is shown; arguments are checked before anything runs; time, text and parallel runs are bounded; a dangerous tool
waits for an approval. Whatever goes wrong is an `Execution` with words for the model, never an exception: only cancellation and
mistakes in the program that uses the registry are raised.
"""

from __future__ import annotations

import asyncio
import difflib
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, Final, TypeAlias, Unpack

import msgspec

from backstay import types
from backstay.canonical import digest
from backstay.errors import ConfigurationError, ToolFailed
from backstay.layers.retry import RetryPolicy
from backstay.ports import World
from backstay.replay.current import current
from backstay.stores.memory_cache import MemoryCache
from backstay.stores.result_cache import ResultCache, result_key
from backstay.tools.execution import MAX_ERROR, MAX_TEXT, Content, Execution, ToolStats, packed, shorten, unpacked
from backstay.tools.flag import FlagSettings, ToolContext
from backstay.tools.tool import Bound, Executable, FunctionTool, bind

AnyTool: TypeAlias = FunctionTool | Executable | Callable[..., Any]
Verdict: TypeAlias = bool | str
"""An approval: True, or False, or the words for which it was refused."""

MAX_PARALLEL: Final = 8
HISTORY: Final = 1_000


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What a dangerous tool is about to do, for whoever approves it: `arguments` are checked already."""

    tool: types.Tool
    arguments: dict[str, Any]
    context: ToolContext


Approve: TypeAlias = Callable[[Proposal], Verdict | Awaitable[Verdict]]


class ToolRegistry:
    """Tools by name. `approve` decides on dangerous tools, which are refused without it; `cache` keeps the results of
    tools with a `ttl`.

    `max_parallel` bounds the runs of one batch. `max_text` is the most characters of a result that a model is given.
    """

    def __init__(
        self,
        *tools: AnyTool,
        approve: Approve | None = None,
        cache: ResultCache | None = None,
        world: World | None = None,
        max_parallel: int = MAX_PARALLEL,
        max_text: int = MAX_TEXT,
        history: int = HISTORY,
    ) -> None:
        if max_parallel < 1 or max_text < 1 or history < 0:
            raise ConfigurationError("tools: max_parallel and max_text must be 1 or more, history 0 or more")
        self._world = world or World.real()
        self.approve = approve
        self._cache = cache or ResultCache(MemoryCache(), clock=self._world.clock)
        self._max_parallel = max_parallel
        self._max_text = max_text
        self._tools: dict[str, Bound] = {}
        self._aliases: dict[str, str] = {}
        self._history: deque[Execution] = deque(maxlen=history)
        self._stats: dict[str, ToolStats] = {}
        for one in tools:
            self.add(one)

    def add(self, source: AnyTool, **flags: Unpack[FlagSettings]) -> Bound:
        """Keep a tool, with `flags` over its own. Raises ConfigurationError for a name that is taken or a schema past mending."""
        bound = bind(source, flags)
        taken = {bound.name, *filter(None, (bound.alias,))} & (self._tools.keys() | self._aliases.keys())
        if taken:
            raise ConfigurationError(f"tool {sorted(taken)[0]!r}: is there already; give one of them another name")
        self._tools[bound.name] = bound
        if bound.alias is not None:
            self._aliases[bound.alias] = bound.name
        return bound

    def __contains__(self, name: str) -> bool:
        return name in self._tools or name in self._aliases

    def __len__(self) -> int:
        return len(self._tools)

    def names(self, *tags: str, allowed: Collection[str] | None = None) -> list[str]:
        """The names of all tools, sorted; with `tags`, of those that bear one of them; of `allowed` ones where it is given."""
        known = None if allowed is None else {self._aliases.get(name, name) for name in allowed}
        return sorted(
            name
            for name, one in self._tools.items()
            if (not tags or one.flags.tags & set(tags)) and (known is None or name in known)
        )

    def get(self, name: str) -> Bound:
        """The tool `name`. Raises ConfigurationError with a near name."""
        found = self._tools.get(self._aliases.get(name, name))
        if found is None:
            raise ConfigurationError(self._unknown(name, self.names()))
        return found

    def schemas(self, *tags: str, allowed: Collection[str] | None = None) -> tuple[types.Tool, ...]:
        """The tools as a Request takes them, whatever the provider's dialect."""
        return tuple(self._tools[name].schema for name in self.names(*tags, allowed=allowed))

    @property
    def history(self) -> tuple[Execution, ...]:
        """The latest executions, oldest first."""
        return tuple(self._history)

    def stats(self) -> dict[str, ToolStats]:
        """The sums of each tool that was called, by name."""
        return dict(self._stats)

    async def execute(
        self,
        call: types.ToolCall | str,
        arguments: dict[str, Any] | None = None,
        *,
        allowed: Collection[str] | None = None,
        context: ToolContext | None = None,
    ) -> Execution:
        """What came of `call`: a model's ToolCall, or a name with its `arguments`. Tools in `allowed` run; None allows all."""
        if isinstance(call, str):
            call = types.ToolCall(id=self._world.ids.new(), name=call, arguments=arguments or {})
        context = msgspec.structs.replace(context or ToolContext(), call_id=call.id)
        run = _Run(call=call, wall_ns=self._world.clock.wall_ns(), began=self._world.clock.monotonic())
        try:
            done = await self._decide(run, allowed, context)
        except asyncio.CancelledError:
            self._note(self._finished(run, outcome="cancelled", error="cancelled"))
            raise
        return self._note(done)

    async def execute_all(
        self,
        calls: Sequence[types.ToolCall],
        *,
        parallel: bool = True,
        allowed: Collection[str] | None = None,
        context: ToolContext | None = None,
    ) -> list[Execution]:
        """What came of each of `calls`, in their order: at most `max_parallel` at a time, or one after the other."""
        room = asyncio.Semaphore(self._max_parallel if parallel else 1)

        async def one(call: types.ToolCall) -> Execution:
            async with room:
                return await self.execute(call, allowed=allowed, context=context)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(call)) for call in calls]
        return [task.result() for task in tasks]

    async def _decide(self, run: _Run, allowed: Collection[str] | None, context: ToolContext) -> Execution:
        """Name, permission, arguments, approval, kept result; then the run itself."""
        call = run.call
        shown = self.names(allowed=allowed)
        name = self._aliases.get(call.name, call.name)
        if name not in self._tools:
            return self._finished(run, outcome="refused", error=self._unknown(call.name, shown))
        if name not in shown:
            return self._finished(
                run, outcome="refused", error=f"tool {call.name!r} is not allowed here; use {_listed(shown)}"
            )
        bound = self._tools[name]
        checked = bound.check(call.arguments if call.raw_arguments is None else call.raw_arguments)
        if not checked:
            return self._finished(run, outcome="invalid", error=f"{name} was not run: {'; '.join(checked.faults)}")
        run.arguments, run.coercions = checked.arguments, checked.coercions
        if bound.flags.dangerous and (reason := await self._objection(bound, run, context)):
            return self._finished(run, outcome="refused", error=f"{name} was not run: {reason}")
        if not bound.flags.ttl:
            return await self._run(bound, run, context)
        key = result_key(name, run.arguments, version=digest(bound.flags.version, msgspec.json.encode(bound.schema)))
        kept = await self._cache.get(key, tenant=context.tenant)
        if kept is not None:
            run.is_cached = True
            value, content = msgspec.json.decode(kept, type=tuple[Any, Content])
            return self._finished(run, outcome="success", value=value, content=content)
        done = await self._run(bound, run, context)
        if not done.is_error:
            payload = msgspec.json.encode((done.value, done.content))
            await self._cache.put(key, payload, tenant=context.tenant, ttl=bound.flags.ttl)
        return done

    async def _objection(self, bound: Bound, run: _Run, context: ToolContext) -> str:
        """Why a dangerous tool may not run; empty where it may. An approval that fails is none."""
        if self.approve is None:
            return "it is dangerous and nobody is there to approve it"
        try:
            verdict = self.approve(Proposal(tool=bound.schema, arguments=run.arguments, context=context))
            decided = verdict if isinstance(verdict, (bool, str)) else await verdict
        except Exception as error:  # noqa: BLE001  an approval that raises anything at all is not given
            return f"the approval failed: {type(error).__name__}"
        if decided is True:
            return ""
        return decided if isinstance(decided, str) and decided else "it was not approved"

    async def _run(self, bound: Bound, run: _Run, context: ToolContext) -> Execution:
        """Run it, again where its flags allow it and the failure may pass."""
        policy = RetryPolicy(max_attempts=bound.flags.max_attempts)
        while True:
            left = self._time_left(bound, context)
            if left is not None and left <= 0:
                return self._finished(run, outcome="refused", error=f"{bound.name} was not run: no time is left")
            run.attempts += 1
            try:
                found = await self._noted(bound, run, context, left)
            except ToolFailed as error:
                delay = self._delay(policy, error, run, context)
                if delay is None:
                    return self._broken(bound, run, error)
                await self._world.sleep(delay)
                continue
            value, content = unpacked(found, max_text=self._max_text)
            return self._finished(run, outcome="success", value=value, content=content)

    def _time_left(self, bound: Bound, context: ToolContext) -> float | None:
        """Seconds that a run may take: the tool's own, or what is left until the deadline where that is less."""
        if context.deadline is None:
            return bound.flags.timeout
        left = context.deadline - self._world.clock.monotonic()
        return left if bound.flags.timeout is None else min(left, bound.flags.timeout)

    def _delay(self, policy: RetryPolicy, error: ToolFailed, run: _Run, context: ToolContext) -> float | None:
        """Seconds until the next try; None where there is none."""
        now = self._world.clock.monotonic()
        decision = policy.decide(
            error,
            attempt=run.attempts,
            elapsed=now - run.began,
            time_left=None if context.deadline is None else context.deadline - now,
            draw=self._world.rng.random(),
        )
        return decision.delay if decision.kind == "retry" else None

    async def _noted(self, bound: Bound, run: _Run, context: ToolContext, left: float | None) -> Any:
        """One run, through the journal where one is kept: a replay gives what was recorded, and runs nothing."""

        async def live() -> Any:
            return await _lived(bound, dict(run.arguments), context, left)

        journal = current()
        if journal is None:
            return await live()
        return await journal.tool(bound.name, run.arguments, live, has_side_effect=bound.flags.side_effect)

    def _broken(self, bound: Bound, run: _Run, error: ToolFailed) -> Execution:
        is_late = isinstance(error, ToolTimedOut)
        words = str(error)
        if is_late and bound.flags.side_effect:
            words += "; it may have taken effect all the same: find out before you call it again"
        done = self._finished(run, outcome="timeout" if is_late else "failed", error=words)
        return msgspec.structs.replace(done, is_uncertain=is_late and bound.flags.side_effect)

    def _finished(
        self, run: _Run, *, outcome: Any, value: Any = None, content: Content = "", error: str = ""
    ) -> Execution:
        words = shorten(error, MAX_ERROR) if error else None
        return Execution(
            call_id=run.call.id,
            name=self._aliases.get(run.call.name, run.call.name),
            arguments=run.arguments if run.arguments is not None else run.call.arguments,
            outcome=outcome,
            value=value,
            content=content if words is None else f"error: {words}",
            error=words,
            coercions=run.coercions,
            is_cached=run.is_cached,
            attempts=run.attempts,
            started_at=run.wall_ns / 1e9,
            duration=0.0 if run.is_cached else self._world.clock.monotonic() - run.began,
        )

    def _note(self, done: Execution) -> Execution:
        self._history.append(done)
        if done.name in self._tools:  # names that a model made up would let the table grow for ever
            self._stats[done.name] = self._stats.get(done.name, ToolStats()).with_one(done)
        return done

    @staticmethod
    def _unknown(name: str, names: Iterable[str]) -> str:
        known = list(names)
        near = difflib.get_close_matches(name, known, n=1)
        return f"there is no tool {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"use {_listed(known)}")


class _Run(msgspec.Struct, kw_only=True):
    """The facts of a run as they become known."""

    call: types.ToolCall
    wall_ns: int
    began: float
    arguments: Any = None
    coercions: tuple[Any, ...] = ()
    is_cached: bool = False
    attempts: int = 0


class ToolTimedOut(ToolFailed):
    """A tool took longer than it may."""

    retryable = True


async def _lived(bound: Bound, arguments: dict[str, Any], context: ToolContext, left: float | None) -> Any:
    """The result of one run in its JSON form. Whatever goes wrong is a ToolFailed in words, which a journal can keep."""
    scope = asyncio.timeout(left)
    try:
        async with scope:
            return packed(await bound.run(arguments, context))
    except ToolFailed:
        raise
    except Exception as error:  # a tool may raise anything, and the model is told of it
        if isinstance(error, TimeoutError) and scope.expired():
            raise ToolTimedOut(f"{bound.name} took longer than {left:g} s") from error
        said = getattr(error, "retryable", None)
        may_pass = isinstance(error, OSError) if said is None else bool(said)
        delay = getattr(error, "retry_after", None)
        raise ToolFailed(f"{type(error).__name__}: {error}", retryable=may_pass, retry_after=delay) from error


def _listed(names: Collection[str]) -> str:
    return f"one of: {', '.join(names)}" if names else "none: there are no tools here"
