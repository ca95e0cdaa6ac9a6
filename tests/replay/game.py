"""A small game in ticks, and the fixtures around it: a program with calls, streams, tools, draws and state, for these tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backstay.errors import LLMError, Overloaded
from backstay.event import Finished, Started, TextDelta, UsageReport
from backstay.offline.scripted import Plain, Scripted
from backstay.ports import World
from backstay.replay import record, replay
from backstay.replay.divergence import Divergence
from backstay.replay.layer import JournalLayer
from backstay.replay.run import Run
from backstay.service import Call, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.types import Metadata, Request, Response, Text, Usage, user


def ask(text: str, *, task: str | None = None, id: str = "r", **fields: Any) -> Request:
    """A request that asks `text`."""
    return Request(model="acme:m", messages=(user(text),), metadata=Metadata(task=task), id=id, **fields)


def answered(request: Request) -> Plain:
    """An answer that depends on the question alone: whole, streamed in uneven chunks, or an error."""
    text = request.messages[-1].text
    if "fail" in text:
        return Overloaded(f"busy: {text}", status=529, retry_after=0.5)
    if "break" in text:
        return [Started(id="s"), TextDelta("half "), 0.1, TextDelta("of it"), Overloaded("gone", status=529)]
    return [
        Started(id=f"id-{text}", model="m-1"),
        TextDelta(f"{text}: "),
        0.01 * (len(text) % 7),
        TextDelta("yes"),
        UsageReport(Usage(input_tokens=len(text), output_tokens=2)),
        Finished("stop", "stop"),
    ]


def service(world: World, answer: Callable[[Request], Plain] = answered) -> Service:
    """A provider behind the journal."""
    return stack(Scripted(answer, is_endless=True, sleep=world.sleep), JournalLayer(world))


async def said(provider: Service, request: Request, *, stream: bool = False) -> Response | LLMError:
    """The answer, or the error, of one call."""
    try:
        return await (await provider(Call(request=request, stream=stream))).response()
    except LLMError as error:
        return error


def told(outcome: Response | BaseException) -> Any:
    """All that a program can see of an outcome, as data that can be compared."""
    if isinstance(outcome, Response):
        return outcome
    return type(outcome), outcome.args, {**outcome.__dict__}


def whole(text: str) -> Response:
    """An answer in one piece."""
    return Response(parts=(Text(text=text),), finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=1))


async def play(game: Run, provider: Service, ticks: int, *, rain: float = 0.3, bonus: int = 2) -> list[Any]:
    """The game: weather from draws, decisions from a model, a tool, and a snapshot at the end of each tick."""
    state = {"food": 150, "mood": {"farmers": 50, "warriors": 50}, "log": [0, 0, 0]}
    seen: list[Any] = []
    for number in range(1, ticks + 1):
        game.tick(number)
        is_wet = game.random("weather", "rain") < rain
        state["food"] += bonus if is_wet else -1  # type: ignore[operator]
        if number % 5 == 0:
            talks = [
                said(provider, ask(f"{name} in {number}", task="talk"), stream=True) for name in ("ada", "bo", "ada")
            ]
            outcomes = await asyncio.gather(*talks)
            seen += [told(outcome) for outcome in outcomes]
            state["log"][number % 3] = number  # type: ignore[index]
        if number % 9 == 0:
            seen.append(told(await said(provider, ask(f"fail {number % 2}", task="crisis"))))
            seen.append(await game.tool("market", {"day": number}, lambda: {"price": 3, "at": "noon"}))
        seen.append(game.snapshot(state))
    return seen


def nowhere(world: World) -> Service:
    """A provider that must not be asked."""

    async def refuse(call: Call) -> Reply:
        raise AssertionError(f"a live call in a replay: {call.request}")

    return stack(refuse, JournalLayer(world))


def replayed(path: Path, program: Callable[[Service], Any], **settings: Any) -> Any:
    """What `program` gives when it is answered from the journal alone."""

    async def main() -> Any:
        world = sim_world(99)
        async with replay(path, world=world, **settings):
            return await program(nowhere(world))

    return run(main())


def recorded(path: Path, program: Callable[[Service], Any], **settings: Any) -> Any:
    """What `program` gives while it is recorded."""

    async def main() -> Any:
        world = sim_world(1)
        async with record(path, world=world, **settings):
            return await program(service(world))

    return run(main())


def replayed_error(path: Path, program: Callable[[Service], Any], **settings: Any) -> Divergence:
    with pytest.raises(Divergence) as caught:
        replayed(path, program, **settings)
    return caught.value
