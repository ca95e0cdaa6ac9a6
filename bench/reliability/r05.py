"""R5: a limit that four processes share in Valkey holds, whoever dies.

Four processes with clocks up to ten seconds apart ask for a rate (a strict window) and a place inside (concurrency). They are
killed with kill -9 and begun anew, the server is killed and begun anew. Each process writes down, between two readings of the
machine's own clock, when it was granted and when it ended. No window may hold more grants than the limit that lie in it for
certain, and at no instant may more calls be inside for certain than there are places. When all is over the places of the dead are
back within the lease.

The broken variant counts windows by the client's clock.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

import msgspec
from bench.reliability.goal import Verdict, seed, sized
from bench.reliability.store_crew import standings, start
from bench.reliability.store_worker import Job
from tests.servers import Server, ValkeyServer, running

CLAIM = (
    "4 processes, clocks 5 s off either way, 50 kill -9 of clients, 20 of the server: over-admission 0, "
    "leaked places back within the lease"
)
GATE = 0.05
KILLS, RESTARTS, SECONDS, LEASE = 50, 20, 60.0, 2.0
RATE, WINDOW, INSIDE = 100, 1.0, 6
SLACK = 0.002
"""Seconds that the server's clock may be slewed against the machine's in one window."""


def storm(kind: str, server: Server, journal: Path, scale: float) -> int:
    """Let the processes work and kill them and the server at random, in the end all; how many clients were killed at work."""
    rng = random.Random(seed())
    seconds = max(SECONDS * scale, 7.0)
    kills, restarts = sized(KILLS, scale, least=2), sized(RESTARTS, scale)
    until = time.monotonic() + seconds
    jobs = [
        Job(
            kind=kind,
            url=server.url,
            number=number,
            seconds=seconds,
            concurrency=4,
            rate=RATE,
            window=WINDOW,
            inside=INSIDE,
            hold=0.04,
            ttl=LEASE,
            skew=(-5.0, -1.3, 1.7, 5.0)[number],
            journal=str(journal),
        )
        for number in range(4)
    ]
    crew = [start(job) for job in jobs]
    events = sorted((rng.uniform(0.4, 0.9) * seconds, number < kills) for number in range(kills + restarts))
    killed = 0
    began = time.monotonic()
    try:
        for at, is_client in events:
            time.sleep(max(began + at - time.monotonic(), 0))
            if not is_client:
                server.kill()
                server.start()
                continue
            place = rng.randrange(4)
            killed += crew[place].poll() is None
            crew[place].kill()
            crew[place].communicate()
            left = max(until - time.monotonic(), 0.1)
            crew[place] = start(msgspec.structs.replace(jobs[place], seconds=left))
        time.sleep(max(until - 0.5 - time.monotonic(), 0))
    finally:
        for process in crew:
            killed += process.poll() is None
            process.kill()
            process.communicate()
    return killed


def most_in_a_window(grants: list[tuple[float, float]]) -> int:
    """The most grants that lie for certain within one window."""
    most = 0
    for begin, _ in grants:
        most = max(
            most, sum(begin <= first and last <= begin + WINDOW - SLACK for first, last in grants_near(grants, begin))
        )
    return most


def grants_near(grants: list[tuple[float, float]], begin: float) -> list[tuple[float, float]]:
    """Those that may lie in the window that begins at `begin`; the list is sorted."""
    from bisect import bisect_left, bisect_right

    return grants[bisect_left(grants, (begin, 0.0)) : bisect_right(grants, (begin + WINDOW, 0.0))]


def most_inside(spans: list[tuple[float, float]]) -> int:
    """The most calls that were inside at one instant, each from when it knew of its grant until it said its end."""
    steps = sorted([(first, 1) for first, _ in spans] + [(last, -1) for _, last in spans])
    inside = most = 0
    for _, step in steps:
        inside += step
        most = max(most, inside)
    return most


def judged(kind: str, scale: float) -> Verdict:
    """Run the storm and read what the processes wrote."""
    with tempfile.TemporaryDirectory() as folder, running(ValkeyServer) as server:
        journal = Path(folder) / "journal"
        killed = storm(kind, server, journal, scale)
        back = 0.0
        leaked = -1
        if kind != "naive":
            began = time.monotonic()
            job = Job(kind=kind, url=server.url)
            leaked = standings(job)["client/concurrency"].reserved
            while standings(job)["client/concurrency"].reserved and back <= 2 * LEASE:
                back = time.monotonic() - began
        grants: dict[str, tuple[float, float]] = {}
        ends: dict[str, float] = {}
        for line in journal.read_text().splitlines():
            verb, lease, *times = line.split()
            if verb == "g":
                grants[lease] = (float(times[0]), float(times[1]))
            else:
                ends[lease] = float(times[0])
    spans = [(last, ends[lease]) for lease, (_, last) in grants.items() if lease in ends]
    window, inside = most_in_a_window(sorted(grants.values())), most_inside(spans)
    figures: dict[str, int | float | str] = {
        "over-admission": max(window - RATE, 0) + max(inside - INSIDE, 0),
        "most in a window": window,
        "most inside": inside,
        "granted": len(grants),
        "clients killed": killed,
        "places leaked at the end": leaked,
        "seconds until they were back": round(back, 2),
    }
    is_used = len(grants) > RATE
    return Verdict(window <= RATE and inside <= INSIDE and back <= LEASE + 0.5 and is_used, figures)


def measure(scale: float) -> Verdict:
    """The shared limit."""
    return judged("redis", scale)


def broken(scale: float) -> Verdict:
    """Windows by the client's clock, and no gauge."""
    return judged("naive", scale)
