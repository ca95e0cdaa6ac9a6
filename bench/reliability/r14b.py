"""R14b: processes that share a budget do not overspend it, in SQLite, PostgreSQL and Redis.

Eight processes make 10,000 calls each, 200 at once in all, against one budget in three scopes. Each call reserves the most that
it may cost, then posts a random part of it. The demand is about twice the budget, so calls wait for what others give back and are
refused in the end. The processes add up what they posted; that sum, not the store's, is held against the budget.

The broken variant looks at a counter in Redis, acts, and counts afterwards.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.reliability.goal import Verdict, sized
from bench.reliability.store_crew import finish, standings, start
from bench.reliability.store_worker import SCOPES, Job
from tests.servers import PostgresServer, ValkeyServer, running

CLAIM = (
    "8 processes, 10,000 calls each, 200 at once, 3 scopes, on SQLite, PostgreSQL and Redis: overspend 0, pending 0 at the "
    "end, unused at most one reservation"
)
GATE = 0.02
PROCESSES, CALLS, MOST = 8, 10_000, 1_000_000
Figures = dict[str, int | float | str]


def overspend(kind: str, url: str, calls: int) -> Figures:
    """The figures of one store."""
    budget = PROCESSES * calls * MOST // 8  # a call posts a quarter of MOST on average, so this is half of the demand
    job = Job(
        kind=kind,
        url=url,
        calls=calls,
        concurrency=min(25, max(calls // 40, 4)),
        budget=budget,
        most=MOST,
        max_wait=2.0,
    )
    standings(job)
    crew = [start(Job(**{**_facts(job), "number": number})) for number in range(PROCESSES)]
    done = finish(crew, 600)
    posted = sum(each.posted for each in done)
    stands = standings(job)
    found = [stands[f"{scope}/day_budget"] for scope in SCOPES if f"{scope}/day_budget" in stands]
    granted = sum(each.granted for each in done)
    return {
        f"{kind}: overspend": max(posted - budget, 0),
        f"{kind}: pending": sum(each.reserved + each.waiting for each in found),
        f"{kind}: difference to the store": sum(abs(each.used - posted) for each in found),
        f"{kind}: unused": max(budget - posted, 0),
        f"{kind}: granted": granted,
        f"{kind}: operations a second": round((PROCESSES * calls + granted) / max(each.seconds for each in done)),
    }


def _facts(job: Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in job.__struct_fields__}


def judged(figures: Figures, kinds: tuple[str, ...]) -> Verdict:
    """Nothing over, nothing left, and no more unused than one call may have reserved."""
    exact = ("overspend", "pending", "difference to the store")
    is_exact = all(figures[f"{kind}: {name}"] == 0 for kind in kinds for name in exact)
    is_used = all(float(figures[f"{kind}: unused"]) <= MOST for kind in kinds)
    return Verdict(is_exact and is_used, figures)


def measure(scale: float) -> Verdict:
    """All three stores."""
    calls = sized(CALLS, scale, least=20)
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        figures |= overspend("sqlite", str(Path(folder) / "limits.db"), calls)
    with running(PostgresServer) as server:
        figures |= overspend("postgres", server.url, calls)
    with running(ValkeyServer) as server:
        figures |= overspend("redis", server.url, calls)
    return judged(figures, ("sqlite", "postgres", "redis"))


def broken(scale: float) -> Verdict:
    """Check, then act."""
    with running(ValkeyServer) as server:
        return judged(overspend("naive", server.url, sized(CALLS, scale, least=20)), ("naive",))
