"""What a program says of its run comes back too: tools, draws, ids, ticks, states; and nothing reaches the network."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.replay.game import (
    ask,
    nowhere,
    play,
    recorded,
    replayed,
    replayed_error,
    said,
    told,
    whole,
)

from backstay import Client
from backstay.config import load
from backstay.errors import Overloaded
from backstay.layers.bookkeeping import Bookkeeping
from backstay.ledger.memory import MemoryLedger
from backstay.ledger.row import Row
from backstay.offline.scripted import Scripted
from backstay.portal import Portal
from backstay.replay import record, replay
from backstay.replay.booking import Booking
from backstay.replay.current import current_world
from backstay.replay.divergence import Divergence
from backstay.replay.entry import Tick
from backstay.replay.guard import NetworkBlocked
from backstay.replay.journal import read_journal
from backstay.replay.layer import JournalLayer
from backstay.replay.run import Run, current_run
from backstay.service import Call, Reply, Service, stack
from backstay.sim import run, sim_world
from backstay.types import Cost, Provenance, Response, Text, ToolCall, Usage, assistant
from backstay.usage import Meter, Summary


def test_the_network_is_closed_and_opened_again(tmp_path: Path) -> None:
    """Connecting and looking up raise, loopback too; afterwards sockets are what they were, however many replays there were."""
    path = tmp_path / "run.jsonl"
    recorded(path, lambda provider: said(provider, ask("a")))
    before = socket.socket.connect, socket.getaddrinfo
    first, second = (replay(path, mode="strict", world=sim_world()) for _ in range(2))
    first.begin()
    second.begin()
    with pytest.raises(Divergence):
        first.finish()
    with socket.socket() as one, pytest.raises(NetworkBlocked, match=r"127\.0\.0\.1"):
        one.connect(("127.0.0.1", 9))
    with pytest.raises(NetworkBlocked, match="localhost"):
        socket.getaddrinfo("localhost", 80)
    with pytest.raises(Divergence):
        second.finish()
    assert (socket.socket.connect, socket.getaddrinfo) == before


async def test_without_a_run_the_layer_passes_on() -> None:
    """Neither recorded nor replayed: the provider's own reply object, and a run that only lives."""
    world = sim_world(1)
    reply = Reply(response=whole("a"))

    async def provider(call: Call) -> Reply:
        return reply

    assert await stack(provider, JournalLayer(world))(Call(request=ask("a"))) is reply
    lived = current_run()
    assert 0 <= lived.random("weather") < 1
    assert await lived.tool("t", {}, lambda: 5) == 5
    assert current_world(world) is world


async def tooled(provider: Service) -> list[Any]:
    """Tools that answer, fail and have effects; arguments in any order are the same arguments."""
    run_ = current_run()
    seen: list[Any] = [await run_.tool("weather", {"b": 1, "a": 2}, lambda: {"sky": "clear"})]

    def broken() -> None:
        raise ValueError("no such city")

    try:
        await run_.tool("weather", {"a": 3}, broken)
    except ValueError as error:
        seen.append(error.args)
    seen.append(await run_.tool("pay", {"sum": 3}, lambda: whole("paid"), has_side_effect=True, type=Response))
    return seen


def test_tools_are_answered_from_the_journal(tmp_path: Path) -> None:
    """Results and errors come back, and nothing is executed: a side effect happens once."""
    path = tmp_path / "run.jsonl"
    live = recorded(path, tooled)

    async def other_order(provider: Service) -> list[Any]:
        def never() -> None:
            raise AssertionError("executed in a replay")

        run_ = current_run()
        seen = [await run_.tool("weather", {"a": 2, "b": 1}, never)]
        with pytest.raises(ValueError, match="no such city"):
            await run_.tool("weather", {"a": 3}, never)
        return [*seen, ("no such city",), await run_.tool("pay", {"sum": 3}, never, type=Response)]

    assert replayed(path, other_order) == live

    async def other(provider: Service) -> None:
        await current_run().tool("weather", {"a": 2, "b": 5}, list)

    error = replayed_error(path, other)
    assert [(change.path, change.old, change.new) for change in error.changes] == [("b", 1, 5)]


def test_a_tool_whose_result_json_would_change_is_refused(tmp_path: Path) -> None:
    """A tuple that comes back as a list would be another run: the program is told to say the type."""
    with pytest.raises(TypeError, match="say its type"):
        recorded(tmp_path / "run.jsonl", lambda provider: current_run().tool("t", {}, lambda: (1, 2)))


def test_the_world_of_a_run_comes_back(tmp_path: Path) -> None:
    """Ids, random numbers and, by choice, the clock: the program sees what it saw."""
    path = tmp_path / "run.jsonl"

    async def worldly(provider: Service) -> list[Any]:
        world = current_run().world
        return [world.ids.new(), world.rng.random(), world.clock.wall_ns(), world.clock.monotonic(), world.ids.new()]

    live = recorded(path, worldly, has_clock=True)
    assert replayed(path, worldly) == live

    async def more(provider: Service) -> list[Any]:
        return [*await worldly(provider), current_run().world.rng.random()]

    assert "no further draw of world/random" in replayed_error(path, more).message


def test_a_game_replays_and_a_changed_rule_is_found(tmp_path: Path) -> None:
    """Ticks, draws, calls, tools and snapshots: equal in all, and one changed number is found at its tick and field."""
    path = tmp_path / "run.jsonl"
    live = recorded(path, lambda provider: play(current_run(), provider, 60))
    assert replayed(path, lambda provider: play(current_run(), provider, 60)) == live
    error = replayed_error(path, lambda provider: play(current_run(), provider, 60, bonus=3))
    assert error.kind == "snapshot"
    assert [change.path for change in error.changes] == ["food"]
    wet = next(entry for entry in read_journal(path).entries if getattr(entry, "value", 1.0) < 0.3)
    assert error.tick == wet.tick  # type: ignore[union-attr]


@pytest.mark.parametrize("ticks", [59, 61])
def test_a_game_that_ends_at_another_tick_is_found(ticks: int, tmp_path: Path) -> None:
    """Shorter: entries are left over. Longer: a tick was not recorded."""
    path = tmp_path / "run.jsonl"
    recorded(path, lambda provider: play(current_run(), provider, 60))
    error = replayed_error(path, lambda provider: play(current_run(), provider, ticks))
    assert error.kind == ("unused" if ticks == 59 else "tick")


def test_a_client_is_recorded_whether_made_before_or_inside(tmp_path: Path) -> None:
    """Through the whole stack of a client: retries are part of the answer, and its tool calls survive."""
    path = tmp_path / "run.jsonl"
    loaded = load(
        environ={}, arguments={"model": "scripted:m", "ledger.mode": "off"}, services=("scripted",), cwd=tmp_path
    )
    script = Scripted(
        Overloaded("busy", status=529, retry_after=0.01),
        Response(parts=(ToolCall(id="t", name="clock", arguments={"zone": "UTC"}),), finish_reason="tool_call"),
    )

    question = ask("time?", id="q", max_output_tokens=5)
    question = msgspec.structs.replace(question, model="scripted:m")

    async def main() -> Response:
        world = sim_world(1)
        client = Client(loaded=loaded, services={"scripted": script}, world=world, ledger=MemoryLedger())
        service = stack(client._service, JournalLayer(world))
        with record(path, world=world):
            return await (await service(Call(request=question))).response()

    live = run(main())
    assert len(live.provenance.attempts) == 2
    again = replayed(path, lambda provider: said(provider, question))
    assert again == live
    assert msgspec.msgpack.encode(again) == msgspec.msgpack.encode(live)
    assert assistant(*again.parts) == live.message


def test_a_replayed_call_is_booked_as_replayed_and_free(tmp_path: Path) -> None:
    """One row, marked, with the recorded cost as saved; the sums of the client are those of the recorded run."""
    path = tmp_path / "run.jsonl"
    paid = msgspec.structs.replace(whole("a"), cost=Cost(nano_usd=1234, price_id="p"), latency=0.5)

    async def main(around: Any, line: Any) -> tuple[list[Row], Summary]:
        world = sim_world(1)
        ledger = MemoryLedger()
        loaded = load(environ={}, arguments={"model": "acme:m"}, services=("acme",), cwd=tmp_path, user_folder=tmp_path)
        meter = Meter.open(loaded, ledger, world)
        layers = (
            JournalLayer(world, booking=Booking(meter, world=world)),
            Bookkeeping(meter, world=world, target="acme:m"),
        )
        provider = stack(Scripted(line, Overloaded("busy", status=529)), *layers)
        with around(path, world=world):
            for text in ("a", "fail"):
                await said(provider, ask(text, task="talk", id=text))
        return list(ledger.rows()), meter.summary()

    live, lived = run(main(record, paid))
    rows, summed = run(main(replay, "never said"))
    assert [row.is_replayed for row in live] == [False, False]
    assert [(row.is_replayed, row.outcome, row.cost_nano_usd, row.saved_nano_usd) for row in rows] == [
        (True, "complete", 0, 1234),
        (True, "failed", 0, None),
    ]
    assert [row.call_id for row in rows] == [row.call_id for row in live]
    assert {row.attempt_id for row in rows}.isdisjoint(row.attempt_id for row in live)
    assert summed == lived


def test_a_blocking_program_is_recorded_through_its_portal(tmp_path: Path) -> None:
    """The background loop belongs to the run of the caller, and a miss names the caller's line, not the loop's."""
    path = tmp_path / "run.jsonl"
    portal = Portal()
    provider = stack(Scripted("yes"), JournalLayer())
    try:
        with record(path):
            assert told(portal.run(said(provider, ask("why?")))) == told(whole_yes())
        with replay(path):
            assert told(portal.run(said(provider, ask("why?")))) == told(whole_yes())
        with pytest.raises(Divergence) as caught, replay(path):
            portal.run(forwarded(provider, "how?"))
    finally:
        portal.close()
    assert caught.value.place is not None
    assert "test_run.py:" in caught.value.place


def whole_yes() -> Response:
    """What the script says, as its service labels it."""
    usage = Usage(input_tokens=0, output_tokens=0)
    return Response(
        parts=(Text(text="yes"),),
        finish_reason="stop",
        raw_finish_reason="stop",
        usage=usage,
        latency=0.0,
        provenance=Provenance(target="scripted"),
    )


async def forwarded(provider: Service, text: str) -> Reply:
    return await provider(Call(request=ask(text)))


async def test_what_happens_below_a_call_is_part_of_its_answer(tmp_path: Path) -> None:
    """A provider that draws, makes ids and asks another model is one entry; in a replay it is not there to do so."""
    path = tmp_path / "run.jsonl"
    world = sim_world(1)
    deep = stack(Scripted("deep", is_endless=True), JournalLayer(world))

    async def drawing(call: Call) -> Reply:
        inside = current_world(world)
        inside.ids.new()
        inside.rng.random()
        return await deep(call)

    with record(path, world=world):
        await said(stack(drawing, JournalLayer(world)), ask("a"))
    assert [type(entry).__name__ for entry in read_journal(path).entries] == ["Began", "Answered"]
    with replay(path, world=world):
        assert told(await said(nowhere(world), ask("a"))).text == "deep"


def test_a_blocking_program_has_tools_too(tmp_path: Path) -> None:
    """`tool_now` gives what `tool` gives; a tool that waits is told to be awaited."""
    path = tmp_path / "run.jsonl"
    with record(path) as live:
        assert live.tool_now("scale", {"item": 1}, lambda: 5) == 5
    with replay(path) as again:
        assert again.tool_now("scale", {"item": 1}, lambda: 6) == 5

    async def waiting() -> None:
        await asyncio.sleep(0)

    with pytest.raises(TypeError, match=r"await run\.tool"):
        Run().tool_now("slow", {}, waiting)


def test_a_run_is_entered_once(tmp_path: Path) -> None:
    """A second `with` of the same object is a clear mistake, and leaves the network open."""
    path = tmp_path / "run.jsonl"
    recording = record(path)
    with recording:
        pass
    with pytest.raises(RuntimeError, match="entered once"), recording:
        pass
    again = replay(path)
    with again:
        pass
    with pytest.raises(RuntimeError, match="entered once"), again:
        pass
    with socket.socket() as one:
        assert one.connect_ex(("127.0.0.1", 1)) != 0


def test_a_forked_process_does_not_write_to_the_journal(tmp_path: Path) -> None:
    """Two writers would tear each other's lines: the child is refused, and the parent's journal stays whole."""
    path = tmp_path / "run.jsonl"
    program = (
        "import os, sys\n"
        "from backstay.replay import record\n"
        "from backstay.replay.fault import JournalFailed\n"
        "with record(sys.argv[1]) as run:\n"
        "    if os.fork() == 0:\n"
        "        try:\n"
        "            run.tick(1)\n"
        "        except JournalFailed:\n"
        "            os._exit(7)\n"
        "        os._exit(0)\n"
        "    assert os.waitstatus_to_exitcode(os.wait()[1]) == 7\n"
        "    run.tick(2)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert [entry.tick for entry in read_journal(path).of(Tick)] == [2]
