"""Where the kit meets the outside: SWIM's protocol both ways, CSV, Prometheus, and the command line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from backstay.cli.operations import command
from backstay.errors import ConfigurationError
from backstay.kits.operations.advice import PolicyAdviser
from backstay.kits.operations.loop import ControlLoop, read_trace
from backstay.kits.operations.metric import CsvSource, Watched
from backstay.kits.operations.policy import Thresholds
from backstay.kits.operations.setting import Tier
from backstay.kits.operations.state import Action
from backstay.kits.operations.swim import UNKNOWN, SwimServer, SwimSystem, answer
from backstay.kits.operations.tier import WebTier
from backstay.kits.operations.trace import waves


def tier() -> WebTier:
    made = WebTier(waves(minutes=20, low=20, high=30), Tier(initial_servers=2, boot_delay=60))
    made.advance(120)
    return made


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("get_dimmer", "0.9"),
        ("get_servers", "2"),
        ("get_max_servers\r", "3"),
        ("add_server", "OK"),
        ("set_dimmer 0.25", "OK"),
        ("set_dimmer", "error: missing dimmer argument"),
        ("set_dimmer 2", "error: dimmer 2.0: must be from 0 to 1"),
        ("set_dimmer nan", "error: dimmer nan: must be from 0 to 1"),
        ("get_utilization", "error: missing server argument"),
        ("get_utilization server9", "error: server 'server9' does not exist"),
        ("reboot", UNKNOWN),
        ("", ""),
    ],
)
def test_the_protocol_is_swims(line: str, said: str) -> None:
    """Each command has SWIM's answer, and a wrong one an error."""
    assert answer(tier(), line) == said


def test_what_is_set_is_read() -> None:
    """The dimmer that was set, the server that boots, and measured rates."""
    one = tier()
    assert [answer(one, line) for line in ("set_dimmer 0.25", "add_server")] == ["OK", "OK"]
    assert [answer(one, f"get_{name}") for name in ("dimmer", "servers", "active_servers")] == ["0.25", "3", "2"]
    assert float(answer(one, "get_arrival_rate")) == pytest.approx(20, rel=0.2)
    assert 0 < float(answer(one, "get_utilization server1")) < 1
    assert answer(one, "add_server").startswith("error: ")


@given(st.text(max_size=60))
def test_no_line_breaks_the_server(line: str) -> None:
    """Whatever a client sends, there is one line of an answer and the tier stays within its bounds."""
    one = WebTier(iter(()), Tier(initial_servers=1))
    assert "\n" not in answer(one, line)
    assert 1 <= one.servers <= 3


@asynccontextmanager
async def serving(one: WebTier, clock: Callable[[], float]) -> AsyncIterator[SwimSystem]:
    server = SwimServer(one, clock)
    port = await server.start(0)
    try:
        async with SwimSystem(port=port) as system:
            yield system
    finally:
        await server.aclose()


@pytest.mark.server
async def test_the_loop_runs_over_the_wire() -> None:
    """A tier behind a socket is observed and adapted as one in the same process."""
    one = WebTier(waves(minutes=20, low=30, high=40), Tier(initial_servers=1, boot_delay=60))
    async with serving(one, lambda: 120.0) as system:
        state = await system.observe()
        assert state.metrics["server_count"] == 1
        assert state.metrics["arrival_rate_per_s"] == pytest.approx(30, rel=0.2)
        assert state.metrics["utilisation"] > 0.9
        (wanted,) = Thresholds().decide(state)
        assert (await system.execute(wanted)).status == "success"
        assert one.servers == 2
        done = await system.execute(Action(action_type="SET_DIMMER", parameters={"value": 9}))
        assert done.status == "failed"
        assert "from 0 to 1" in done.detail


@pytest.mark.server
async def test_a_server_that_leaves_is_told() -> None:
    """The client raises ConnectionError when its server goes, and an answer that is none is named."""

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"many\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    async with server, SwimSystem(port=server.sockets[0].getsockname()[1]) as system:
        with pytest.raises(ConfigurationError, match="'many' is no number"):
            await system.observe()
        with pytest.raises(ConnectionError):
            await system.ask("get_dimmer")


@pytest.mark.server
async def test_a_late_answer_is_not_the_next_one() -> None:
    """A server that says nothing in time is a time-out; what it says later belongs to a connection that is gone."""
    asked: list[str] = []
    gate = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            asked.append(line.decode().strip())
            if asked == ["get_dimmer"]:
                await gate.wait()
            for byte in b"0.5\n" if asked[-1] == "get_dimmer" else b"3\n":  # one byte a packet
                writer.write(bytes([byte]))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    async with server, SwimSystem(port=server.sockets[0].getsockname()[1], timeout=0.05) as system:
        with pytest.raises(TimeoutError):
            await system.ask("get_dimmer")
        assert await system.ask("get_servers") == "3"
        gate.set()
        assert await system.ask("get_servers") == "3"
    assert asked == ["get_dimmer", "get_servers", "get_servers"]


@pytest.mark.server
@pytest.mark.slow
def test_the_command_serves_and_looks_after(tmp_path: Path) -> None:
    """`serve` in one process, `run --swim` in another, over a socket: the tier is observed and adapted."""
    command = [sys.executable, "-u", "-m", "backstay", "operations"]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}
    serving = [*command, "serve", "--port", "0", "--speed", "600", "--minutes", "600"]
    with subprocess.Popen(serving, env=environment, cwd=tmp_path, text=True, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            looking = [*command, "run", "--swim", address, "--rounds", "6", "--period", "0.3", "--out", "run.jsonl"]
            done = subprocess.run(
                looking, env=environment, cwd=tmp_path, text=True, capture_output=True, timeout=60, check=False
            )
        finally:
            server.kill()
    assert done.returncode == 0, done.stderr
    assert "6 rounds, decided by rule:predictive" in done.stdout
    rounds = read_trace(tmp_path / "run.jsonl")
    assert len(rounds) == 6
    assert all(one.state.metrics["max_servers"] == 3 for one in rounds)
    assert any(one.done for one in rounds)


async def test_files_are_watched(tmp_path: Path) -> None:
    """A CSV is a round for each row, with columns renamed; a system that is watched is advised and never touched."""
    path = tmp_path / "web.csv"
    path.write_text("time,rt,busy,n,most\n1,90,0.5,1,3\n2,1500,0.99,1,3\n3,,x,1,3\n", encoding="utf-8")
    columns = {"rt": "response_time_ms", "busy": "utilisation", "n": "server_count", "most": "max_servers"}
    loop = ControlLoop(
        Watched(CsvSource(path, columns), system_id="web"), PolicyAdviser(Thresholds(), name="thresholds")
    )
    found = [one async for one in loop.rounds()]
    assert [one.health for one in found] == ["healthy", "critical", "unknown"]
    assert found[1].advice.recommendations[0].action_type == "ADD_SERVER"
    assert [one.status for one in found[1].executions] == ["refused"]
    with pytest.raises(ConfigurationError, match="no column 'load'"):
        await CsvSource(path, {"load": "load"}).read()


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(command, arguments, catch_exceptions=True)
    assert done.exit_code == code, f"{done.output}{done.exception!r}"
    return done.output


def test_the_command_runs_writes_and_replays(tmp_path: Path) -> None:
    """A run without a model says that rules decided; its trace replays the same, and another policy differs."""
    trace, page, charts = (str(tmp_path / name) for name in ("run.jsonl", "run.html", "charts"))
    said = run("run", "--minutes", "12", "--out", trace, "--html", page, "--svg", charts)
    assert "decided by rule:predictive" in said
    assert "REMOVE_SERVER" in said
    assert "<svg" in Path(page).read_text(encoding="utf-8")
    assert sorted(one.name for one in Path(charts).iterdir())[:2] == ["arrivals.svg", "dimmer.svg"]
    assert "all the same" in run("replay", trace)
    assert "decided otherwise" in run("replay", trace, "--policy", "thresholds", code=1)


def test_the_command_compares(tmp_path: Path) -> None:
    """The report has every policy and every fixed configuration, and says that rules decided."""
    page = str(tmp_path / "report.html")
    said = run("report", "--minutes", "10", "--html", page)
    assert "all decided by rules" in said
    assert said.count("static, servers") == 15
    assert said.index("predictive") < said.index("static")
    assert "Utility" in Path(page).read_text(encoding="utf-8")


def test_the_command_watches(tmp_path: Path) -> None:
    """A CSV needs no simulation, and two systems at a time are one too many."""
    path = tmp_path / "web.csv"
    path.write_text("response_time_ms,utilisation\n90,0.5\n1500,0.99\n", encoding="utf-8")
    assert "2 rounds" in run("run", "--csv", str(path), "--policy", "thresholds")
    run("run", "--csv", str(path), "--swim", "127.0.0.1:1", code=2)
    away = run("run", "--swim", "127.0.0.1:1", "--period", "0.001", code=1)
    assert "swim is away" in away
    assert "at its end" not in away
    assert "no folder" in run("run", "--rounds", "1", "--html", str(tmp_path / "no" / "run.html"), code=2)
