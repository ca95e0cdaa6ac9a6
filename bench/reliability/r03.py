"""R3: a client adds nothing to the load of a provider that is down, and is back within seconds when it is up again.

Fifty calls a second for six minutes, and a total outage for one of them. During the outage each attempt counts that reached the
provider; afterwards, the share of calls that are answered. Retries multiply load exactly when there is too much of it, so
there is one layer of them in the whole client, and it has a purse.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from bench.reliability.goal import Verdict, seed, sized

from backstay.errors import LLMError
from backstay.layers.retry import Retry, RetryBudget, RetryPolicy
from backstay.service import Call, Service, stack
from backstay.sim import FaultPlan, Outage, SimProvider, Traits, run, sim_world
from backstay.types import Request, user

CLAIM = "In a total outage of 60 s at most 1.10 attempts a call reach the provider; 10 s after it 95 % are answered."
GATE = 0.1
RATE, SECONDS = 250, 360
DOWN = Outage(start=120.0, end=180.0)
QUESTION = (user("What is the capital of France?"),)


def _weather(rate: int, budget: RetryBudget | None, forms: FaultPlan) -> dict[str, int | float | str]:
    """What the provider saw and what callers got, at `rate` calls a second."""
    world = sim_world(seed())
    provider = SimProvider(Traits(outages=(DOWN,)), world=world, plan=forms)
    service: Service = stack(provider, Retry(RetryPolicy(), world=world, budget=budget))
    asked: Counter[int] = Counter()
    answered: Counter[int] = Counter()

    async def one(number: int) -> None:
        second = int(asyncio.get_running_loop().time())
        asked[second] += 1
        try:
            reply = await service(Call(request=Request(id=f"c{number}", model="model", messages=QUESTION)))
            await reply.response()
        except LLMError:
            return
        answered[second] += 1

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(rate * SECONDS):
                group.create_task(one(number))
                await world.sleep(1 / rate)

    run(main())
    start, end = int(DOWN.start), int(DOWN.end)
    calls = sum(asked[second] for second in range(start, end))
    attempts = sum(start <= entry.at < end for entry in provider.log)
    back = next(second for second in range(end, SECONDS) if answered[second] >= 0.95 * asked[second])
    after = [answered[second] / asked[second] for second in range(end + 10, SECONDS)]
    return {
        "calls": sum(asked.values()),
        "calls in the outage": calls,
        "attempts a call": attempts / calls,
        "back after s": back + 1 - end,
        "worst second after 10 s": min(after),
        "answered after 10 s": sum(after) / len(after),
    }


def _verdict(figures: dict[str, int | float | str]) -> Verdict:
    held = float(figures["attempts a call"]) <= 1.10
    return Verdict(
        held and float(figures["back after s"]) <= 10 and float(figures["answered after 10 s"]) >= 0.95, figures
    )


def measure(scale: float) -> Verdict:
    """With the purse that a client has by default, and one fault in a hundred besides the outage."""
    return _verdict(_weather(sized(RATE, scale, least=10), RetryBudget(), FaultPlan({"status_500": 0.01})))


def broken(scale: float) -> Verdict:
    """Retries without a purse."""
    return _verdict(_weather(sized(RATE, scale, least=10), None, FaultPlan({"status_500": 0.01})))
