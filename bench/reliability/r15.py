"""R15: our ledger and the provider's bill agree to the nano-dollar.

Retries, hedges, joined questions, cancellations, streams that are left, answers that break: each attempt stands in the
ledger, and each is held against the provider's own bill, attempt by attempt.

    not an estimate     our row equals the bill, exactly
    an estimate         the end was not seen (a cut stream, a lost answer, a caller that left): only the provider knows what it
                        made. Our row is marked, and is no less than the bill
    voided              billed at nothing
    no cost             an answer without usage: unknown, which is not zero; counted apart

A provider whose counts are wrong cannot be found out from its answers, so `wrong_usage` is not among the faults here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
from bench.reliability.goal import Verdict, seed, sized
from bench.reliability.storm import Storm, meter

from backstay.layers.bookkeeping import Bookkeeping
from backstay.layers.hedge import Hedge, HedgePolicy
from backstay.layers.join import Join
from backstay.layers.retry import Retry, RetryBudget, RetryPolicy
from backstay.layers.timeout import Timeout
from backstay.ledger.row import Row
from backstay.ports import World
from backstay.service import Call, Layer, Reply, Service
from backstay.sim import FaultPlan, SimProvider, Traits, run, sim_world
from backstay.sim.fault import SERVICE_KINDS
from backstay.transport.base import Timeouts
from backstay.usage import Meter

CLAIM = "100,000 calls with retries, hedges, joins, cancels: exact rows less the bill = 0; every other row is marked and no less."
GATE = 0.05
CALLS, SEEDS = 100_000, 20
KINDS = tuple(name for name in SERVICE_KINDS if name != "wrong_usage")
CALM = tuple(name for name in KINDS if "429" not in name)
"""Without refusals that name a wait: they stop all hedges for so long, and this proof wants hedges."""


def layers(world: World, kept: Meter) -> Sequence[Layer]:
    """Everything that makes more, or fewer, attempts than calls, and the books within it."""
    budget = RetryBudget(capacity=1e9)
    return (
        Join(),
        Retry(RetryPolicy(), world=world, budget=budget, target="sim:model"),
        Hedge(HedgePolicy(delay=0.6, share=0.2), clock=world.clock, budget=budget),
        Bookkeeping(kept, world=world, target="sim:model"),
        Timeout(Timeouts(first_event=20.0, between_events=15.0)),
    )


def compared(rows: Sequence[Row], bill: dict[str, int]) -> Counter[str]:
    """Rows and nano-dollars, ours against the provider's."""
    sums: Counter[str] = Counter()
    left = dict(bill)
    for row in rows:
        billed = left.pop(row.attempt_id, 0)
        sums["billed nano-dollars"] += billed
        if row.cost_nano_usd is None:
            sums["rows without a cost"] += 1
            sums["not marked"] += row.outcome != "complete" or row.output_tokens is not None
        elif row.is_estimate:
            sums["estimated rows"] += 1
            sums["estimates below the bill"] += row.cost_nano_usd < billed
            sums["over by estimates"] += row.cost_nano_usd - billed
        else:
            sums["exact rows"] += 1
            sums["difference"] += abs(row.cost_nano_usd - billed)
        sums["open rows"] += row.state in ("reserved", "unknown")
    sums["billed without a row"] += len(left)
    return sums


MUST_BE_0 = ("difference", "estimates below the bill", "not marked", "open rows", "billed without a row")


def _verdict(calls: int, broken: type[Bookkeeping] | None = None) -> Verdict:
    seeds = min(SEEDS, max(calls // 1000, 2))
    sums: Counter[str] = Counter(dict.fromkeys(MUST_BE_0, 0))
    for number in range(seed() * SEEDS, seed() * SEEDS + seeds):
        world = sim_world(number)
        traits = Traits(has_usage=number % 5 != 4)
        provider = SimProvider(traits, world=world, plan=FaultPlan.of(number, kinds=KINDS if number % 2 else CALM))
        kept = meter(world, traits.prices)
        around = list(layers(world, kept))
        if broken is not None:
            around[3] = broken(kept, world=world, target="sim:model")
        storm = Storm(number, calls=calls // seeds, alike=0.2)
        run(storm.blow(storm.around(provider, around, world)), seed=number)
        sums.update(compared(list(kept.ledger.rows()), provider.log.bill()))
        sums["hedges"] += sum(".100" in entry.attempt_id for entry in provider.log)
        sums["attempts"] += len(provider.log)
        sums["retries"] += sum(int(entry.attempt_id.rpartition(".")[2]) % 1000 > 1 for entry in provider.log)
        sums["calls"] += calls // seeds
    return Verdict(not any(sums[name] for name in MUST_BE_0), dict(sums))


def measure(scale: float) -> Verdict:
    """Twenty seeds, a fifth of them with a provider whose streams say nothing of their tokens."""
    return _verdict(sized(CALLS, scale))


class _SuccessOnly(Bookkeeping):
    """Broken: it books every attempt of a call under the number of the first, so that the books of a retry are lost."""

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        if call.attempt == 1:
            return await super().__call__(call, inner)
        return await inner(msgspec.structs.replace(call))


def broken(scale: float) -> Verdict:
    """Books that leave the retries out."""
    return _verdict(sized(CALLS, scale), _SuccessOnly)
