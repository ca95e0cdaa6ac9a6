"""A program to record and to replay, for R25: concurrent calls that stream, fail and repeat, tools, and a game in ticks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from backstay.errors import LLMError, Overloaded
from backstay.event import Event, Finished, Started, TextDelta, ToolCallDelta, UsageReport
from backstay.offline.scripted import Plain, Scripted
from backstay.ports import World
from backstay.replay import record, replay
from backstay.replay.layer import JournalLayer
from backstay.replay.replaying import Replaying
from backstay.replay.run import Run, current_run
from backstay.service import Call, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.types import Metadata, Request, Response, Usage, user


def question(number: int, alike: int) -> Request:
    """Question `number`; those with the same number modulo `alike` ask the same."""
    text = f"{('say', 'fail', 'break', 'count')[number % 4]} {number % alike}"
    return Request(
        model="acme:m", messages=(user(text),), id=f"q-{number}", metadata=Metadata(task=f"task-{number % 3}")
    )


class Moody:
    """A provider whose answers hang on how often it was asked: equal questions have other answers each time."""

    def __init__(self, world: World, seed: int) -> None:
        self._draw = random.Random(seed)
        self._scripted = Scripted(self._line, is_endless=True, sleep=world.sleep)

    async def __call__(self, call: Call, /) -> Reply:
        return await self._scripted(call)

    def _line(self, request: Request) -> Plain:
        text = request.messages[-1].text
        draw = self._draw
        if text.startswith("fail"):
            return Overloaded(f"busy {draw.random()}", status=529, retry_after=draw.random())
        begin: list[Event | float | BaseException] = [Started(id=f"a-{draw.random()}", model="m-1"), TextDelta("so ")]
        if text.startswith("break"):
            return [*begin, draw.random(), TextDelta(str(draw.random())), Overloaded("gone", status=529)]
        call = [
            ToolCallDelta(index=1, id="t", name="clock", arguments='{"zone":'),
            ToolCallDelta(index=1, arguments='"UTC"}'),
        ]
        words = [TextDelta(str(draw.random())) for _ in range(draw.randrange(1, 5))]
        usage = UsageReport(Usage(input_tokens=len(text), output_tokens=len(words)))
        return [
            *begin,
            draw.random(),
            *words,
            *(call if text.startswith("count") else []),
            usage,
            Finished("stop", "stop"),
        ]


async def outcome(provider: Service, request: Request, *, stream: bool) -> bytes:
    """All that a program can see of one call, as bytes."""
    seen: list[Event] = []
    try:
        reply = await provider(Call(request=request, stream=stream))
        if stream:
            async for event in reply:
                seen.append(event)
        response: Response | None = await reply.response()
        error: list[Any] = []
    except LLMError as failed:
        response = getattr(failed, "partial", None)
        error = [type(failed).__name__, failed.args, failed.retryable, failed.retry_after, getattr(failed, "status", 0)]
    return msgspec.msgpack.encode([seen, response, error])


Weigh = Callable[[], float]
"""A tool's inside: a scale that never shows the same."""


async def crowd(provider: Service, order: Sequence[int], alike: int, weigh: Weigh) -> list[bytes]:
    """The calls of `order`, all at once, and a tool for each tenth; their outcomes by number."""

    async def one(number: int) -> bytes:
        if number % 10 == 9:
            return msgspec.msgpack.encode(await current_run().tool("weigh", {"item": number}, weigh))
        return await outcome(provider, question(number, alike), stream=number % 2 == 0)

    found = await asyncio.gather(*(one(number) for number in order))
    return [data for _, data in sorted(zip(order, found, strict=True))]


def recorded(path: Path, calls: int, seed: int, *, alike: int) -> list[bytes]:
    """The outcomes of a recorded crowd."""

    async def main() -> list[bytes]:
        world = sim_world(seed)
        async with record(path, world=world):
            provider = stack(Moody(world, seed), JournalLayer(world))
            return await crowd(provider, range(calls), alike, random.Random(seed).random)

    return run(main(), seed=seed)


def never() -> float:
    """A tool that a replay must not execute."""
    raise AssertionError("a tool was executed in a replay")


async def refuse(call: Call) -> Reply:
    """A provider that a replay must not reach."""
    raise AssertionError("a live call in a replay")


def replayed(replaying: Replaying, order: Sequence[int], *, alike: int, seed: int) -> list[bytes]:
    """The outcomes of the same crowd, which arrives in another order."""

    async def main() -> list[bytes]:
        async with replaying:
            return await crowd(stack(refuse, JournalLayer(sim_world(seed))), order, alike, never)

    return run(main(), seed=seed)


async def play(game: Run, provider: Service, ticks: int, *, flip: int = -1) -> list[str]:
    """The hashes of a game's states; in tick `flip` its rules differ in one bit."""
    state: dict[str, Any] = {
        "food": 150,
        "villages": [{"name": name, "mood": 50} for name in ("ada", "bo")],
        "talks": 0,
    }
    hashes: list[str] = []
    for tick in range(ticks):
        game.tick(tick)
        state["food"] += int(game.random("weather", "rain") * 8) - 4
        if tick % 4 == 0:
            village = state["villages"][tick // 4 % 2]
            data = await outcome(provider, question(tick, 997), stream=True)
            village["mood"] = (village["mood"] + data[-3]) % 100
            state["talks"] += 1
        if tick == flip:
            state["food"] ^= 1
        hashes.append(game.snapshot(state))
    return hashes


def played(path: Path, ticks: int, *, is_replay: bool, flip: int = -1) -> list[str]:
    """The hashes of a game that is recorded, or replayed."""

    async def main() -> list[str]:
        world = sim_world(5)
        service: Service = refuse if is_replay else Moody(world, 5)
        async with replay(path, world=world) if is_replay else record(path, world=world) as game:
            return await play(game, stack(service, JournalLayer(world)), ticks, flip=flip)

    return run(main())
