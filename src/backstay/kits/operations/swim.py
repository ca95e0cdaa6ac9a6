"""SWIM's protocol: one text command a line over TCP, one line back; as a server around a simulated tier, and as a client.

The commands and answers are SWIM's (cps-sei/swim, AdaptInterface): `get_dimmer`, `get_servers`, `get_active_servers`,
`get_max_servers`, `get_utilization SERVER`, `get_basic_rt`, `get_opt_rt`, `get_basic_throughput`, `get_opt_throughput`,
`get_arrival_rate`, `add_server`, `remove_server`, `set_dimmer X`. Numbers have six digits, changes answer `OK`, faults begin with
`error:`. So an adaptation manager made for SWIM runs against this tier, and this loop runs against SWIM.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Self

from backstay.errors import ConfigurationError
from backstay.kits.operations.state import Action, ActionKind, Execution, State
from backstay.kits.operations.system import WEB_ACTIONS
from backstay.kits.operations.tier import WebTier
from backstay.ports import World

PORT: Final = 4242
MAX_LINE: Final = 1_024
UNKNOWN: Final = "error: unknown command"


def answer(tier: WebTier, line: str, *, window: float = 60.0) -> str:
    """What the server says to one command; "" to an empty line."""
    words = line.split()
    if not words:
        return ""
    command, arguments = words[0], words[1:]
    if command in READS:
        return f"{READS[command](tier, window):g}"
    if command == "get_utilization":
        return _utilisation(tier, arguments, window)
    try:
        if command == "set_dimmer":
            if not arguments:
                return "error: missing dimmer argument"
            tier.set_dimmer(float(arguments[0]))
        elif command in ("add_server", "remove_server"):
            getattr(tier, command)()
        else:
            return UNKNOWN
    except ValueError as error:
        return f"error: {error}"
    return "OK"


READS: Final[dict[str, Callable[[WebTier, float], float]]] = {
    "get_dimmer": lambda tier, window: tier.dimmer,
    "get_servers": lambda tier, window: tier.servers,
    "get_active_servers": lambda tier, window: tier.active_servers,
    "get_max_servers": lambda tier, window: tier.max_servers,
    "get_basic_rt": lambda tier, window: tier.measure(window).basic_response_time,
    "get_opt_rt": lambda tier, window: tier.measure(window).optional_response_time,
    "get_basic_throughput": lambda tier, window: tier.measure(window).basic_rate,
    "get_opt_throughput": lambda tier, window: tier.measure(window).optional_rate,
    "get_arrival_rate": lambda tier, window: tier.measure(window).arrival_rate,
}
"""The commands that read one number."""


def _utilisation(tier: WebTier, arguments: list[str], window: float) -> str:
    """Servers are called server1, server2 and so on."""
    if not arguments:
        return "error: missing server argument"
    shares = tier.measure(window).utilisation
    names = [f"server{number}" for number in range(1, len(shares) + 1)]
    if arguments[0] not in names:
        return f"error: server '{arguments[0]}' does not exist"
    return f"{shares[names.index(arguments[0])]:g}"


class SwimServer:
    """Serves the protocol on loopback. `clock` says what time it is in the tier, in seconds: the tier follows it."""

    def __init__(self, tier: WebTier, clock: Callable[[], float], *, window: float = 60.0) -> None:
        self.tier = tier
        self._clock = clock
        self._window = window
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = PORT) -> int:
        """Listen; the port, which is a free one for 0."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=MAX_LINE)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while line := await reader.readline():
                self.tier.advance(max(self._clock(), self.tier.now))
                said = answer(self.tier, line.decode("ascii", "replace"), window=self._window)
                if said:
                    writer.write(f"{said}\n".encode())
                    await writer.drain()
        except (ValueError, ConnectionError):  # a line without an end, or a client that left: that connection is over
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def aclose(self) -> None:
        """Stop listening and close what is open. Idempotent."""
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._open):
                writer.close()
            await self._server.wait_closed()
            self._server = None


class SwimSystem:
    """A web tier behind SWIM's protocol, as a managed system. `timeout` is seconds for each answer."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = PORT,
        *,
        system_id: str = "swim",
        timeout: float = 5.0,
        world: World | None = None,
    ) -> None:
        self.system_id = system_id
        self._address = (host, port)
        self._timeout = timeout
        self._world = world or World.real()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._began: float | None = None

    def actions(self) -> tuple[ActionKind, ...]:
        """Servers and dimmer."""
        return WEB_ACTIONS

    async def ask(self, command: str) -> str:
        """The answer to a command. Raises ConnectionError where the server is away, TimeoutError where it says nothing in time,
        ValueError for an answer `error: ...`."""
        try:
            async with asyncio.timeout(self._timeout):
                line = await self._exchange(command)
        except TimeoutError:
            await self.aclose()  # what comes later would be taken for the answer to another command
            raise
        if not line.endswith(b"\n"):
            await self.aclose()
            raise ConnectionError(f"the server left without an answer to {command!r}")
        said = line.decode("ascii", "replace").strip()
        if said.startswith("error"):
            raise ValueError(f"{command}: {said}")
        return said

    async def _exchange(self, command: str) -> bytes:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, limit=MAX_LINE)
            if self._began is None:
                self._began = self._world.clock.monotonic()
        reader, writer = self._streams
        writer.write(f"{command}\n".encode())
        await writer.drain()
        return await reader.readline()

    async def observe(self) -> State:
        """All that the protocol tells."""
        metrics = {name: await self._number(command) for name, command in NUMBERS.items()}
        for name in ("basic_response_time", "optional_response_time"):
            metrics[f"{name}_ms"] = metrics.pop(name) * 1e3
        active = int(metrics["active_servers"])
        shares = [await self._share(number) for number in range(1, active + 1)]
        seen = [share for share in shares if share is not None]
        if seen:
            metrics["utilisation"] = sum(seen) / len(seen)
        served = metrics["basic_throughput_per_s"] + metrics["optional_throughput_per_s"]
        if served:
            spent = metrics["basic_throughput_per_s"] * metrics["basic_response_time_ms"]
            spent += metrics["optional_throughput_per_s"] * metrics["optional_response_time_ms"]
            metrics["response_time_ms"] = spent / served
        now = self._world.clock.monotonic()
        return State(system_id=self.system_id, at=now - (now if self._began is None else self._began), metrics=metrics)

    async def _number(self, command: str) -> float:
        said = await self.ask(command)
        try:
            return float(said)
        except ValueError as error:
            raise ConfigurationError(f"swim {command}: {said[:60]!r} is no number") from error

    async def _share(self, number: int) -> float | None:
        """A server's utilisation; None where it has not done anything yet and is not known under its name."""
        try:
            return float(await self.ask(f"get_utilization server{number}"))
        except ValueError:
            return None

    async def execute(self, action: Action) -> Execution:
        """Send the command; the server's refusal is the outcome."""
        commands = {"ADD_SERVER": "add_server", "REMOVE_SERVER": "remove_server"}
        command = commands.get(action.action_type) or f"set_dimmer {action.parameters.get('value')}"
        try:
            said = await self.ask(command)
        except TimeoutError:
            return Execution(action=action, status="timeout", detail=f"no answer in {self._timeout:g} s")
        except (ValueError, ConnectionError) as error:
            return Execution(action=action, status="failed", detail=str(error))
        return Execution(action=action, status="success" if said == "OK" else "failed", detail=said)

    async def wait(self, seconds: float) -> bool:
        """Real time passes."""
        await self._world.sleep(seconds)
        return True

    async def aclose(self) -> None:
        """Close the connection. Idempotent."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            try:
                await writer.wait_closed()
            except ConnectionError:  # it is closed either way
                pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


NUMBERS: Final = {
    "server_count": "get_servers",
    "active_servers": "get_active_servers",
    "max_servers": "get_max_servers",
    "dimmer": "get_dimmer",
    "arrival_rate_per_s": "get_arrival_rate",
    "basic_throughput_per_s": "get_basic_throughput",
    "optional_throughput_per_s": "get_opt_throughput",
    "basic_response_time": "get_basic_rt",
    "optional_response_time": "get_opt_rt",
}
"""Metric and the command that reads it."""
