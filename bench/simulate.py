"""Does the simulation tell the truth? One trace, twice: in real time against a server on loopback, and in virtual time.

The server is a process of its own that speaks HTTP: first token and pace by a law without chance, a rate limit of its own with
429 and Retry-After, and an outage. The real side is a `Client` with its transport and the machine's clock; the simulated side is
`simulate` with the same settings and the same trace. Counts must agree within 5 % (or 3 calls), median latency and time to the
first token within 10 %.

    python bench/simulate.py              about 75 seconds; exit code 1 where they do not agree
    python bench/simulate.py --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from statistics import median
from typing import Any, ClassVar, NamedTuple

from backstay.client import Client
from backstay.config import Loaded, load
from backstay.errors import LLMError
from backstay.ledger.memory import MemoryLedger
from backstay.sim import Outage
from backstay.sim.report import Report
from backstay.sim.scenario import Conduct, Scenario
from backstay.sim.simulate import Options, first_of, simulate
from backstay.sim.workload import Arrival, Mix, Traffic

FIRST, PACE, REFUSAL = 0.25, 0.004, 0.05
LIMIT = 300
"""The server's own requests in any minute: less than the client is told, so that 429s come."""

OUTAGE = (0.45, 0.5)
"""The part of the run in which the server answers 503."""

OVERESTIMATE = 3.0
"""What the library's bound makes of the prompt below: three for each of its words."""

COUNTS, TIMES = 0.05, 0.10
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


def traffic(seconds: float, rate: float) -> list[Arrival]:
    """Calls in heaps, of three classes."""
    law = Traffic(kind="bursty", rate=rate, duration=seconds, burst=3.0, peak=3.0)
    return list(Mix(priority={"high": 1, "medium": 2, "low": 1}).deal(law.arrivals(5), 5))


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


async def real(arrivals: Sequence[Arrival], loaded: Loaded) -> Figures:
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
            firsts.append(loop.time() - begun)
            await reply.response()
        except LLMError as error:
            failures[type(first_of(error)).__name__] += 1
        else:
            latencies.append(loop.time() - begun)

    async with Client(loaded=loaded, ledger=ledger, key="made-up") as client:
        begun, tasks = loop.time(), []
        for number, arrival in enumerate(arrivals):
            await asyncio.sleep(max(begun + arrival.at - loop.time(), 0))
            tasks.append(loop.create_task(ask(number, arrival)))
        await asyncio.gather(*tasks)
        rows = list(ledger.rows())
    limited = sum((row.error or "").startswith("RateLimited") for row in rows)
    counts = counts_of(len(latencies), failures, len(rows), limited)
    return Figures(counts, median(latencies), median(firsts))


def counts_of(answered: int, failures: dict[str, int], attempts: int, limited: int) -> dict[str, int]:
    return {"answered": answered, **dict(sorted(failures.items())), "attempts": attempts, "attempts with 429": limited}


def simulated(arrivals: Sequence[Arrival], loaded: Loaded, seconds: float) -> tuple[Figures, Report]:
    """The same in virtual time."""
    conduct = Conduct(
        first_token=FIRST,
        per_token=PACE,
        refusal=REFUSAL,
        requests_per_minute=LIMIT,
        outages=(Outage(start=arrivals[0].at + OUTAGE[0] * seconds, end=arrivals[0].at + OUTAGE[1] * seconds),),
    )
    options = Options(overestimate=OVERESTIMATE)
    report = simulate(arrivals, loaded, scenario=Scenario(default=conduct), options=options)
    counts = counts_of(report.complete, report.failures, report.attempts, report.rate_limited)
    return Figures(counts, report.latency.p50, report.first_token.p50), report


def compare(one: Figures, other: Figures) -> list[str]:
    """What does not agree; one line for each figure is printed."""
    wrong = []
    for name in dict.fromkeys((*one.counts, *other.counts)):
        a, b = one.counts.get(name, 0), other.counts.get(name, 0)
        wrong += _line(name, a, b, is_good=abs(a - b) <= max(COUNTS * a, 3))
    for name in ("latency", "first_token"):
        c, d = getattr(one, name), getattr(other, name)
        wrong += _line(f"median {name}, s", round(c, 3), round(d, 3), is_good=abs(c - d) <= TIMES * c)
    return wrong


def _line(name: str, a: float, b: float, *, is_good: bool) -> list[str]:
    print(f"{name:24} {a:>10,} {b:>10,} {100 * (b - a) / a if a else 0:>+8.1f} %{'' if is_good else '   DIFFERS'}")
    return [] if is_good else [name]


async def main(seconds: float, rate: float) -> int:
    command = (sys.executable, __file__, "--serve", "--seconds", str(seconds))
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        assert server.stdout is not None
        port = int(await server.stdout.readline())
        arrivals, loaded = traffic(seconds, rate), settings(port)
        measured = await real(arrivals, loaded)
    finally:
        server.terminate()
        await server.wait()
    began = time.perf_counter()
    told, report = await asyncio.to_thread(simulated, arrivals, loaded, seconds)
    spent = time.perf_counter() - began
    print(f"{len(arrivals)} calls, {report.seconds:.1f} s of traffic; simulated in {spent:.2f} s\n")
    print(f"{'':24} {'real':>10} {'simulated':>10}")
    return 1 if compare(measured, told) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=70.0)
    parser.add_argument("--rate", type=float, default=8.0, help="calls a second; the limits let 7 pass")
    parser.add_argument("--serve", action="store_true")
    given = parser.parse_args()
    sys.exit(asyncio.run(serve(given.seconds) if given.serve else main(given.seconds, given.rate)))
