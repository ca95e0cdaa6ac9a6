"""A recorded run comes back from its journal alone: byte for byte, in any order of arrival, with the network closed."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.replay.game import (
    answered,
    ask,
    nowhere,
    recorded,
    replayed,
    replayed_error,
    said,
    service,
    told,
    whole,
)

from backstay.errors import ConfigurationError, LLMError, Overloaded, ReplayMiss, StreamInterrupted
from backstay.offline.scripted import Scripted
from backstay.replay import record, replay
from backstay.replay.current import entered
from backstay.replay.divergence import Divergence
from backstay.replay.entry import Chunk
from backstay.replay.index import Index
from backstay.replay.journal import Journal, Recorded, read_journal
from backstay.replay.layer import JournalLayer
from backstay.replay.run import current_run
from backstay.service import Call, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.types import Metadata, Response, ResponseFormat, Tool, user


async def many(provider: Service, order: list[int] | None = None) -> list[Any]:
    """Forty calls at once, some alike, some failing, some streamed; their outcomes by number, whatever the order of asking."""
    names = [("fail", "break", "a", "bb", "ccc")[number % 5] + str(number % 20) for number in range(40)]
    order = order or list(range(40))
    outcomes = await asyncio.gather(
        *(said(provider, ask(names[number], id=str(number)), stream=number % 2 == 0) for number in order)
    )
    return [told(outcome) for _, outcome in sorted(zip(order, outcomes, strict=True), key=lambda pair: pair[0])]


def test_answers_errors_and_broken_streams_come_back_byte_for_byte(tmp_path: Path) -> None:
    """Every outcome of a concurrent program is what it was, at full speed and at the recorded pace, plain and compressed."""
    for name in ("run.jsonl", "run.jsonl.zst"):
        path = tmp_path / name
        live = recorded(path, many)
        assert any(isinstance(one, Response) for one in live)
        assert any(one[0] is Overloaded for one in live if isinstance(one, tuple))
        assert any(one[0] is StreamInterrupted and one[2]["partial"].text for one in live if isinstance(one, tuple))
        assert replayed(path, many) == live
        assert replayed(path, many, speed=1.0) == live


def test_any_order_of_arrival_gives_the_same_answers(tmp_path: Path) -> None:
    """Calls are matched by what they ask and how often, so a concurrent program may ask in another order."""
    path = tmp_path / "run.jsonl"
    live = recorded(path, many)
    for seed in range(10):
        order = list(range(40))
        random.Random(seed).shuffle(order)
        again = replayed(path, lambda provider, order=order: many(provider, order))
        assert again == live


class InOrder(Index):
    """Broken: recorded calls are handed out in the order of the journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._line = iter(journal.calls().values())

    def take_call(self, key: str) -> Recorded | None:
        return next(self._line, None)


def test_matching_by_order_would_not_do(tmp_path: Path) -> None:
    """The broken variant: the same check with calls matched by their global order finds wrong answers."""
    path = tmp_path / "run.jsonl"
    live = recorded(path, many)

    async def main() -> list[Any]:
        world = sim_world(2)
        replaying = replay(path, world=world)
        replaying._index = InOrder(replaying.journal)
        order = list(range(40))
        random.Random(1).shuffle(order)
        replaying.begin()
        try:
            with entered(replaying):
                return await many(nowhere(world), order)
        finally:
            replaying.abandon()

    assert run(main()) != live


async def numbered(provider: Service) -> list[str]:
    """The same question three times; the provider answers otherwise each time."""
    replies = [await provider(Call(request=ask("again"))) for _ in range(3)]
    return [(await reply.response()).text for reply in replies]


def test_equal_questions_keep_their_order(tmp_path: Path) -> None:
    """The third call of a key gets the third answer. The first recorded answer for all, as some cassettes give, is not enough."""
    path = tmp_path / "run.jsonl"

    async def main() -> list[str]:
        world = sim_world(1)
        provider = stack(Scripted("one", "two", "three"), JournalLayer(world))
        with record(path, world=world):
            return await numbered(provider)

    assert run(main()) == ["one", "two", "three"]
    assert replayed(path, numbered) == ["one", "two", "three"]


async def race(provider: Service) -> list[str]:
    """Who comes first, of calls that take 0 to 60 ms."""
    finished: list[str] = []

    async def one(name: str) -> None:
        await said(provider, ask(name), stream=True)
        finished.append(name)

    await asyncio.gather(*(one("x" * length) for length in (6, 3, 5, 1, 4, 2)))
    return finished


def test_who_came_first_comes_first_again(tmp_path: Path) -> None:
    """At full speed, too, answers that a program waits for together arrive in the recorded order."""
    path = tmp_path / "run.jsonl"
    live = recorded(path, race)
    assert live == ["x" * length for length in (1, 2, 3, 4, 5, 6)]
    assert replayed(path, race) == live


async def chunks(provider: Service) -> list[list[Any]]:
    """The events of a stream, batch by batch, as a layer outside sees them."""
    reply = await provider(Call(request=ask("weather"), stream=True))
    seen: list[list[Any]] = [[]]

    async def apart(batches: Any) -> Any:
        async for batch in batches:
            seen.append([])
            yield batch

    reply.wrap(apart)
    async for event in reply:
        seen[-1].append(event)
    return seen


def test_a_stream_has_the_same_chunks(tmp_path: Path) -> None:
    """What arrived together arrives together; the events that were read ahead are the first chunk."""
    path = tmp_path / "run.jsonl"
    live = recorded(path, chunks)
    assert [len(batch) for batch in live] == [2, 1, 1, 1]
    assert replayed(path, chunks) == live
    assert [len(chunk.events) for chunk in read_journal(path).of(Chunk)] == [2, 1, 1, 1]


async def timed(provider: Service) -> float:
    start = asyncio.get_running_loop().time()
    await said(provider, ask("xxxxxx"), stream=True)
    return asyncio.get_running_loop().time() - start


def test_the_pace_is_the_recorded_one_or_none(tmp_path: Path) -> None:
    """60 ms take 60 ms at speed 1, 30 at speed 2, and nothing at full speed."""
    path = tmp_path / "run.jsonl"
    assert recorded(path, timed) == pytest.approx(0.06, abs=1e-4)
    assert replayed(path, timed, speed=1.0) == pytest.approx(0.06, abs=1e-4)
    assert replayed(path, timed, speed=2.0) == pytest.approx(0.03, abs=1e-4)
    assert replayed(path, timed) < 1e-4


async def impatient(provider: Service) -> str:
    """It leaves one call before its first event and another in the middle of its stream."""
    try:
        async with asyncio.timeout(0.005):
            await said(provider, ask("xxx"), stream=False)
    except TimeoutError:
        pass
    reply = await provider(Call(request=ask("yyy"), stream=True))
    async for _ in reply:
        break
    await reply.aclose()
    return "left"


def test_calls_that_the_program_left_are_left_again(tmp_path: Path) -> None:
    """A cancelled call waits to be cancelled; one that now stays is told that it went another way."""
    path = tmp_path / "run.jsonl"

    async def slow(provider: Service) -> str:
        async with asyncio.timeout(None):
            return str(await said(provider, ask("xxx")))

    async def main() -> str:
        world = sim_world(1)

        async def never(call: Call) -> Reply:
            if call.request.messages[-1].text == "xxx":
                await world.sleep(3600)
            return await Scripted(answered, is_endless=True, sleep=world.sleep)(call)

        with record(path, world=world):
            return await impatient(stack(never, JournalLayer(world)))

    assert run(main()) == "left"
    assert replayed(path, impatient) == "left"
    assert "was left by the program" in replayed_error(path, slow).message


BASE = ask(
    "why?",
    task="talk",
    system="be brief",
    tools=(Tool(name="clock", description="time"),),
    options={"openai_chat": {"store": "yes"}},
    stop=("END",),
)
CHANGED = {
    "model": "acme:n",
    "messages": (user("why not?"),),
    "system": "be long",
    "max_output_tokens": 7,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "stop": ("STOP",),
    "seed": 1,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "logprobs": 2,
    "tools": (Tool(name="clock", description="the time"),),
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "response_format": ResponseFormat(name="x"),
    "reasoning_effort": "low",
    "options": {"openai_chat": {"store": "no"}},
    "metadata": Metadata(task="other"),
}


@pytest.mark.parametrize("field", CHANGED)
def test_a_change_of_any_field_is_a_typed_miss_that_names_it(field: str, tmp_path: Path) -> None:
    """One field changed, one field in the diff."""
    path = tmp_path / "run.jsonl"
    recorded(path, lambda provider: said(provider, BASE))
    changed = msgspec.structs.replace(BASE, **{field: CHANGED[field]})
    error = replayed_error(path, lambda provider: provider(Call(request=changed)))
    assert error.kind == "call"
    assert {change.path.split("[")[0].split(".")[0] for change in error.changes} == {
        "task" if field == "metadata" else field
    }


def test_every_field_of_a_request_is_in_the_list() -> None:
    """A field that is added to Request must be changed here too, or be one that cannot change an answer."""
    assert {*CHANGED, "id", "created_at"} == {*type(BASE).__struct_fields__}


def test_a_miss_says_what_differs_where_and_when(tmp_path: Path) -> None:
    """Field, tick, file and line; and a program that swallows the error is told at the end of the run."""
    path = tmp_path / "run.jsonl"

    async def asks(provider: Service, text: str) -> Any:
        current_run().tick(7)
        await said(provider, ask("something else entirely", task="other"))
        return await said(provider, ask(f"how is the harvest, {text}?", task="talk"))

    recorded(path, lambda provider: asks(provider, "Ada"))
    error = replayed_error(path, lambda provider: asks(provider, "Bo"))
    (change,) = error.changes
    assert (change.path, change.old, change.new) == (
        "messages[0].parts[0].text",
        "how is the harvest, Ada?",
        "how is the harvest, Bo?",
    )
    assert error.tick == 7
    assert error.place is not None
    assert "game.py:" in error.place
    assert isinstance(error, ReplayMiss)


def test_strict_fails_for_what_was_not_asked_for(tmp_path: Path) -> None:
    """A program that asks less than it did has changed too; patch mode allows it."""
    path = tmp_path / "run.jsonl"

    async def both(provider: Service) -> None:
        await said(provider, ask("a"))
        await said(provider, ask("b"))

    recorded(path, both)
    error = replayed_error(path, lambda provider: said(provider, ask("a")))
    assert error.kind == "unused"
    assert "1 recorded entries were not asked for" in error.message
    before = path.read_bytes()
    assert isinstance(replayed(path, lambda provider: said(provider, ask("a")), mode="patch"), Response)
    assert path.read_bytes() == before
    assert (
        "not so often" in replayed_error(path, lambda provider: asyncio.gather(both(provider), both(provider))).message
    )


def test_patch_adds_what_is_new(tmp_path: Path) -> None:
    """A new call is asked live, once: the next replay has it. What was there is not asked again."""
    path = tmp_path / "run.jsonl"
    recorded(path, lambda provider: said(provider, ask("a")))

    async def more() -> list[str]:
        world = sim_world(2)
        live = Scripted("new")
        provider = stack(live, JournalLayer(world))
        with replay(path, mode="patch", world=world):
            answers = [await said(provider, ask(text)) for text in ("a", "b")]
        assert len(live.requests) == 1
        return [answer.text for answer in answers if isinstance(answer, Response)]

    assert run(more()) == ["a: yes", "new"]

    async def both(provider: Service) -> list[str]:
        answers = [await said(provider, ask(text)) for text in ("b", "a")]
        return [answer.text for answer in answers if isinstance(answer, Response)]

    assert replayed(path, both) == ["new", "a: yes"]


def test_hybrid_goes_live_for_the_named_tasks(tmp_path: Path) -> None:
    """The calls of one task reach the provider, all others come from the journal."""
    path = tmp_path / "run.jsonl"

    async def both(provider: Service) -> list[str]:
        answers = [await said(provider, ask("a", task="talk")), await said(provider, ask("b", task="plan"))]
        return [answer.text for answer in answers if isinstance(answer, Response)]

    recorded(path, both)

    async def main() -> list[str]:
        world = sim_world(2)
        with replay(path, mode="hybrid", live_tasks=["plan"], world=world):
            return await both(stack(Scripted(whole("live")), JournalLayer(world)))

    assert run(main()) == ["a: yes", "live"]


@pytest.mark.parametrize(
    "settings", [{"mode": "loose"}, {"mode": "hybrid"}, {"live_tasks": ["a"]}, {"speed": 0.0}, {"speed": -1.0}]
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    """With a sentence that says what there is."""
    path = tmp_path / "run.jsonl"
    recorded(path, lambda provider: said(provider, ask("a")))
    with pytest.raises(ConfigurationError):
        replay(path, **settings)


async def test_a_replay_of_nothing_asked_is_no_llm_error_hidden(tmp_path: Path) -> None:
    """A program that swallows every LLMError is still told that it diverged."""
    path = tmp_path / "run.jsonl"
    world = sim_world(1)
    with record(path, world=world):
        assert isinstance(await said(service(world), ask("a")), Response)

    async def swallowing() -> None:
        with replay(path, world=world):
            assert isinstance(await said(nowhere(world), ask("b")), LLMError)

    with pytest.raises(Divergence, match="the nearest is call 0"):
        await swallowing()
