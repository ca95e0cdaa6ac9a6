"""TRACES: public traces of real traffic, driven through the layers of a client in virtual time, keep every limit.

An hour of two services of Azure and one of Mooncake, call by call, with their own arrivals and token counts, far above what is
allowed. What is held against the limits is the simulated provider's own log: requests and tokens of any minute and of the day,
calls under way at one instant, and the bill. Once with strict windows, once with a bucket, whose minute may hold its burst too.

The traces are read from the folder that BACKSTAY_CORPUS names (`../shared` where it is not set); without it there is no such
goal. The broken variant counts tokens and money when the answer has come.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from bench.reliability.goal import Verdict, seed, sized

from backstay.config import Loaded, load
from backstay.sim import run, sim_world
from backstay.sim.record import Log
from backstay.sim.report import Report
from backstay.sim.scenario import Conduct, Scenario, provider_names
from backstay.sim.simulate import Options, Scene
from backstay.sim.trace import read_trace
from backstay.sim.workload import Arrival
from backstay.stores.limit import Claim, Granted
from backstay.stores.memory_limit import MemoryLimits

CLAIM = "20,107 calls of 3 public traces, strict and bucket: no minute, day, instant or bill at the provider above its limit."
GATE = 0.1
ROOT = Path(os.environ.get("BACKSTAY_CORPUS", Path(__file__).resolve().parents[3] / "shared"))
FOLDER = ROOT / "data" / "llm_traces" / "dev"
TRACES = ("azure_code.csv", "azure_conv.csv", "mooncake_conversation.jsonl")
MODEL, INPUT_NANO, OUTPUT_NANO = "openai:gpt-5-mini", 250, 2_000
BURST = 1.2
NANO = 10**9
Figures = dict[str, int | float | str]


def is_measurable() -> bool:
    """Whether the traces are there."""
    return FOLDER.is_dir()


def limits(scale: float) -> dict[str, float]:
    """The settings that bound the traffic; those of a day are as much smaller as the traffic is."""
    return {
        "limits.requests_per_minute": 120,
        "limits.tokens_per_minute": 300_000,
        "limits.requests_per_day": round(3_400 * scale),
        "limits.tokens_per_day": round(9_000_000 * scale),
        "limits.concurrency": 12,
        "budget.usd_per_day": 3.3 * scale,
    }


def settings(mode: str, bounds: Mapping[str, float]) -> Loaded:
    """A client's settings with these limits and nothing of this machine. The queue is wide: it is the limits that say no."""
    given = {"model": MODEL, "limits.mode": mode, "limits.burst": BURST, "queue.running": 200, **bounds}
    return load(environ={}, arguments=given, services=provider_names(), cwd="/", user_folder="/")


class Late(MemoryLimits):
    """The broken variant: what is reserved is next to nothing, and the true amount is counted at the end."""

    async def reserve(self, claim: Claim) -> Any:
        answer = await super().reserve(claim)
        if answer == Granted():
            self.settle(claim.lease_id, {"tokens": 0, "nano_usd": 0})
        return answer


def driven(arrivals: Iterable[Arrival], loaded: Loaded, *, is_broken: bool) -> tuple[Report, Log]:
    """The report of the layers, and what the provider wrote down."""
    scenario = Scenario(default=Conduct(first_token=0.5, per_token=0.01))

    async def main() -> tuple[Report, Log]:
        world = sim_world(seed())
        scene = Scene(loaded, scenario, Options(max_output_tokens=1_000), world, log=Log)
        if is_broken:
            scene.gauge._inner = Late(world.clock)
        report = await scene.play(arrivals, lambda calls, now: None)
        return report, scene.fleet.providers[MODEL].log

    return run(main(), seed=seed())


def fullest(entries: Iterable[tuple[float, int]]) -> int:
    """The most that any window of a minute holds, both of its ends included."""
    order = sorted(entries)
    most = held = start = 0
    for at, amount in order:
        held += amount
        while order[start][0] < at - 60.0:
            held -= order[start][1]
            start += 1
        most = max(most, held)
    return most


def most_at_once(log: Log) -> int:
    """The most calls that were under way at one instant, by the provider's own times."""
    steps = sorted(step for entry in log for step in ((entry.at, 1), (entry.ended or entry.at, -1)))
    most = inside = 0
    for _, step in steps:
        inside += step
        most = max(most, inside)
    return most


def seen(log: Log) -> dict[str, float]:
    """What the provider saw, by the names of the settings that bound it."""
    tokens = [(entry.at, entry.input_tokens + entry.output_tokens) for entry in log]
    bill = sum(entry.input_tokens * INPUT_NANO + entry.output_tokens * OUTPUT_NANO for entry in log)
    return {
        "limits.requests_per_minute": fullest((entry.at, 1) for entry in log),
        "limits.tokens_per_minute": fullest(tokens),
        "limits.requests_per_day": len(log),
        "limits.tokens_per_day": sum(amount for _, amount in tokens),
        "limits.concurrency": most_at_once(log),
        "budget.usd_per_day": bill / NANO,
    }


def judged(scale: float, modes: Iterable[str], *, is_broken: bool = False) -> Verdict:
    """All traces under each mode: the largest share of each limit that was used."""
    bounds = limits(scale)
    used = dict.fromkeys(bounds, 0.0)
    calls = answered = lost = 0
    for mode in modes:
        for name in TRACES:
            whole = list(read_trace(FOLDER / name))
            arrivals = list(islice(whole, sized(len(whole), scale, least=500)))
            report, log = driven(arrivals, settings(mode, bounds), is_broken=is_broken)
            calls, answered = calls + len(arrivals), answered + report.complete
            lost += len(arrivals) - report.complete - report.failed
            for key, amount in seen(log).items():
                allowed = bounds[key] * (BURST if mode == "bucket" and key.endswith("minute") else 1)
                used[key] = max(used[key], amount / allowed)
    figures: Figures = {"calls": calls, "answered": answered, "lost": lost}
    figures |= {f"{key.partition('.')[2]}, share used": round(share, 4) for key, share in used.items()}
    is_felt = sum(share >= 0.9 for share in used.values()) >= 4
    return Verdict(lost == 0 and is_felt and all(share <= 1 for share in used.values()), figures)


def measure(scale: float) -> Verdict:
    """Strict windows, then the bucket."""
    return judged(scale, ("strict", "bucket"))


def broken(scale: float) -> Verdict:
    """Counted after the fact."""
    return judged(scale, ("strict",), is_broken=True)
