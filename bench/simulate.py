"""Does the simulation tell the truth? The same traces twice: in real time against servers on loopback, and in virtual time.

A server is a process of its own that speaks HTTP: first token and pace by a law without chance, a rate limit of its own with
429 and Retry-After, and an outage. The real side is a `Client` with its transport and the machine's clock; the simulated side is
the driver of `backstay simulate` with the same settings and the same traces.

How fast the provider is, the simulation learns as a program's owner would: from the ledger of a few quiet calls (`--fit`). Those
hold what the server's own figures do not: the network and this machine, some milliseconds a call, which decide who finds the
queue full. Above their limits such systems are chaotic: one call that comes a few milliseconds later is refused, and everyone
behind it waits a seventh of a second less. No model foretells one such run; so several traces run side by side, and their calls
are counted together. Counts must agree within 5 % (or 6 calls of all), median latency and time to the first token within 10 %.

    python bench/simulate.py                      about 85 seconds for each rate; exit code 1 where they do not agree
    python bench/simulate.py --rate 8 --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, ClassVar, NamedTuple

import msgspec

from backstay.client import Client
from backstay.config import Loaded, load
from backstay.errors import LLMError
from backstay.ledger.memory import MemoryLedger
from backstay.sim import Outage, run, sim_world
from backstay.sim.fit import fit
from backstay.sim.report import Line
from backstay.sim.scenario import Conduct, Scenario
from backstay.sim.simulate import Options, Scene, first_of
from backstay.sim.workload import Arrival, Mix, Traffic

FIRST, PACE, REFUSAL = 0.25, 0.004, 0.05
TRACES = 4
"""Traces that run side by side; each has a client and a server of its own."""

QUIET = 40
"""Calls that the provider's law is fitted from."""

LIMIT = 300
"""The server's own requests in any minute: less than the client is told, so that 429s come."""

OUTAGE = (0.45, 0.5)
"""The part of the run in which the server answers 503."""

OVERESTIMATE = 3.0
"""What the library's bound makes of the prompt below: three for each of its words."""

COUNTS, FEW, TIMES = 0.05, 6, 0.10
SUMS = {
    "answered": ("answered",),
    "refused by our layers": ("CircuitOpen", "LimitReached", "QueueFull", "QueueTimedOut", "BudgetExceeded"),
    "failed at the provider": ("RateLimited", "ServerFault"),
    "attempts": ("attempts",),
    "attempts with 429": ("attempts with 429",),
}
"""What must agree, each with the kinds that it is the sum of."""

MODEL = "mock:small"


class Figures(NamedTuple):
    """What is compared."""

    counts: dict[str, int]
    latency: float
    first_token: float


class Server(asyncio.Protocol):
    """One connection. `admitted` and `begun` are shared by all."""

    admitted: ClassVar[deque[float]] = deque()
    begun: ClassVar[list[float]] = []
    seconds = 60.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        self.pending += data
        head, found, rest = self.pending.partition(b"\r\n\r\n")
        size = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        if found and len(rest) >= size:
            self.pending = rest[size:]
            self._answer(json.loads(rest[:size]))

    def _answer(self, body: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self.begun:
            self.begun.append(now)
        share = (now - self.begun[0]) / self.seconds
        while self.admitted and self.admitted[0] <= now - 60.0:
            self.admitted.popleft()
        if OUTAGE[0] <= share < OUTAGE[1]:
            loop.call_later(REFUSAL, self._refuse, b"503 Service Unavailable", b"")
        elif len(self.admitted) >= LIMIT:
            wait = self.admitted[0] + 60.0 - now
            loop.call_later(REFUSAL, self._refuse, b"429 Too Many Requests", f"retry-after: {wait:.3f}\r\n".encode())
        else:
            self.admitted.append(now)
            answer = int(body["messages"][-1]["content"].split()[1])
            loop.call_later(FIRST + PACE, self._begin)
            loop.call_later(FIRST + PACE * answer, self._end, answer, body["messages"][-1]["content"].count(" "))

    def _refuse(self, status: bytes, header: bytes) -> None:
        body = b'{"error": {"message": "no", "type": "server_error"}}'
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n"
        self.transport.write(head % (status, header, len(body)) + body)

    def _begin(self) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        self._event(
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "word"}, "finish_reason": None}]}
        )

    def _end(self, answer: int, asked: int) -> None:
        self._event({"choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": "stop"}]})
        self._event(
            {
                "choices": [],
                "usage": {"prompt_tokens": asked, "completion_tokens": answer, "total_tokens": asked + answer},
            }
        )
        self._chunk(b"data: [DONE]\n\n")
        self.transport.write(b"0\r\n\r\n")

    def _event(self, fields: dict[str, Any]) -> None:
        event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "small", **fields}
        self._chunk(b"data: " + json.dumps(event).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.transport.write(b"%x\r\n%s\r\n" % (len(data), data))


async def serve(seconds: float) -> None:
    Server.seconds = seconds
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def traffic(seconds: float, rate: float, seed: int) -> list[Arrival]:
    """Calls in heaps, of three classes."""
    law = Traffic(kind="bursty", rate=rate, duration=seconds, burst=3.0, peak=3.0)
    return list(Mix(priority={"high": 1, "medium": 2, "low": 1}).deal(law.arrivals(seed), seed))


def settings(port: int) -> Loaded:
    """Limits that bite, a queue that fills, a short patience: every layer has something to do."""
    return load(
        environ={},
        cwd="/",
        user_folder="/",
        arguments={
            "model": MODEL,
            "providers": {"mock": {"base_url": f"http://127.0.0.1:{port}/v1", "dialect": "openai_chat"}},
            "limits": {
                "requests_per_minute": 420,
                "tokens_per_minute": 900_000,
                "tokens_per_day": 10**8,
                "max_wait": 6.0,
            },
            "queue": {"running": 24, "size": 30, "high_size": 20, "medium_size": 20, "low_size": 20},
            "retry": {"jitter": 0.0},
            "breaker": {"open_time": 2.0, "jitter": 0.0},
            "budget": {"unknown_usd": 0.0},
            "ledger": {"mode": "off"},
        },
    )


async def fitted(port: int) -> Conduct:
    """How fast the server is as a client sees it: from the ledger of calls as long as those of the traces."""
    ledger, few = MemoryLedger(), asyncio.Semaphore(4)

    async def ask(number: int) -> None:
        async with few:
            text = f"{number} {50 + 20 * (number % 16)} word"
            await (await client.send(client.request(text, {}), stream=True)).response()

    async with Client(loaded=settings(port), ledger=ledger, key="made-up") as client:
        await asyncio.gather(*map(ask, range(QUIET)))
    return fit(ledger.rows()).targets[MODEL]


class Side(NamedTuple):
    """One side of one trace: counts, and every wait."""

    counts: dict[str, int]
    latencies: list[float]
    firsts: list[float]


async def real(arrivals: Sequence[Arrival], loaded: Loaded) -> Side:
    """The trace in real time, over HTTP."""
    ledger, loop = MemoryLedger(), asyncio.get_running_loop()
    failures: Counter[str] = Counter()
    latencies: list[float] = []
    firsts: list[float] = []

    async def ask(number: int, arrival: Arrival) -> None:
        text = f"{number} {arrival.output_tokens} " + "word " * max(arrival.input_tokens - 2, 0)
        begun = loop.time()
        request = client.request(text, {"priority": arrival.priority or "medium"})
        try:
            reply = await client.send(request, stream=True)
            first = loop.time() - begun
            await reply.response()
        except LLMError as error:
            failures[type(first_of(error)).__name__] += 1
        else:
            firsts.append(first)
            latencies.append(loop.time() - begun)

    async with Client(loaded=loaded, ledger=ledger, key="made-up") as client:
        begun, tasks = loop.time(), []
        for number, arrival in enumerate(arrivals):
            await asyncio.sleep(max(begun + arrival.at - loop.time(), 0))
            tasks.append(loop.create_task(ask(number, arrival)))
        await asyncio.gather(*tasks)
        rows = list(ledger.rows())
    limited = sum((row.error or "").startswith("RateLimited") for row in rows)
    return Side(counts_of(len(latencies), failures, len(rows), limited), latencies, firsts)


def counts_of(answered: int, failures: Mapping[str, int], attempts: int, limited: int) -> dict[str, int]:
    return {"answered": answered, **dict(sorted(failures.items())), "attempts": attempts, "attempts with 429": limited}


async def simulated(
    arrivals: Sequence[Arrival], loaded: Loaded, seconds: float, law: Conduct
) -> tuple[dict[str, int], Line]:
    """The same in virtual time."""
    start, end = (arrivals[0].at + share * seconds for share in OUTAGE)
    more = {"refusal": REFUSAL, "requests_per_minute": LIMIT, "outages": (Outage(start=start, end=end),)}
    more |= {"retry_after": ("fraction",)}
    scenario = Scenario(default=msgspec.structs.replace(law, **more, faults={}))
    scene = Scene(loaded, scenario, Options(overestimate=OVERESTIMATE), sim_world(1))
    report = await scene.play(iter(arrivals), lambda count, now: None)
    return counts_of(report.complete, report.failures, report.attempts, report.rate_limited), scene.calls.every()


def pooled(several: Sequence[dict[str, int]]) -> dict[str, int]:
    """The counts of all traces together."""
    return dict(sum(map(Counter, several), Counter()))


def compare(one: Figures, other: Figures) -> list[str]:
    """What does not agree; one line for each figure is printed. Below the sums stand the kinds of failure, without a verdict:
    which layer turns a call away hangs on milliseconds."""
    wrong = []
    for name, kinds in SUMS.items():
        a, b = (sum(figures.counts.get(kind, 0) for kind in kinds) for figures in (one, other))
        wrong += _line(name, a, b, is_good=abs(a - b) <= max(COUNTS * a, FEW))
        for kind in kinds if len(kinds) > 1 else ():
            _line(f"  {kind}", one.counts.get(kind, 0), other.counts.get(kind, 0), is_good=True)
    for name in ("latency", "first_token"):
        c, d = getattr(one, name), getattr(other, name)
        wrong += _line(f"median {name}, s", round(c, 3), round(d, 3), is_good=abs(c - d) <= TIMES * c)
    unknown = {*one.counts, *other.counts} - {kind for kinds in SUMS.values() for kind in kinds}
    assert not unknown, f"no sum counts {unknown}"
    return wrong


def _line(name: str, a: float, b: float, *, is_good: bool) -> list[str]:
    print(f"{name:24} {a:>10,} {b:>10,} {100 * (b - a) / a if a else 0:>+8.1f} %{'' if is_good else '   DIFFERS'}")
    return [] if is_good else [name]


async def main(seconds: float, rate: float) -> int:
    command = (sys.executable, __file__, "--serve", "--seconds", str(seconds))
    pipe = asyncio.subprocess.PIPE
    servers = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(TRACES + 1)]
    try:
        ports = [int(await server.stdout.readline()) for server in servers if server.stdout is not None]
        law = await fitted(ports.pop())
        traces = [(traffic(seconds, rate, number), settings(port)) for number, port in enumerate(ports)]
        lived = await asyncio.gather(*(real(*trace) for trace in traces))
    finally:
        for server in servers:
            server.terminate()
            await server.wait()
    began = time.perf_counter()
    told = await asyncio.to_thread(lambda: [run(simulated(*trace, seconds, law)) for trace in traces])
    spent = time.perf_counter() - began
    line = Line()
    for _, one in told:
        line.merge(one)
    measured = Figures(
        pooled([one.counts for one in lived]),
        median(value for one in lived for value in one.latencies),
        median(value for one in lived for value in one.firsts),
    )
    foretold = Figures(pooled([counts for counts, _ in told]), line.latency.at(0.5), line.first_token.at(0.5))
    calls = sum(len(arrivals) for arrivals, _ in traces)
    print(f"{rate:g} calls a second: {calls} calls of {TRACES} traces of {seconds:g} s; simulated in {spent:.2f} s\n")
    print(f"{'':24} {'real':>10} {'simulated':>10}")
    return 1 if compare(measured, foretold) else 0


async def every(seconds: float, rates: Sequence[float]) -> int:
    found = 0
    for rate in rates:
        found |= await main(seconds, rate)
        print(flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=70.0)
    parser.add_argument(
        "--rate", type=float, nargs="*", default=[5.0, 8.0, 9.0, 12.0], help="calls a second; 7 pass the limits"
    )
    parser.add_argument("--serve", action="store_true")
    given = parser.parse_args()
    sys.exit(asyncio.run(serve(given.seconds) if given.serve else every(given.seconds, given.rate)))
