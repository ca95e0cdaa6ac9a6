"""Full: every layer that has a state, in the client's order, around one target; and what must be left of each when nobody calls.

The bounds are wide enough that a storm passes, and narrow enough that it queues, waits and is refused now and then.
"""

from __future__ import annotations

from collections.abc import Sequence

from backstay.layers.admission import Admission
from backstay.layers.admission_plan import Plan
from backstay.layers.admission_policy import LimitPolicy
from backstay.layers.bookkeeping import Bookkeeping
from backstay.layers.breaker import Breaker
from backstay.layers.breaker_policy import BreakerPolicy
from backstay.layers.hedge import Hedge, HedgePolicy
from backstay.layers.join import Join
from backstay.layers.queue import Queue
from backstay.layers.queue_policy import QueuePolicy
from backstay.layers.retry import Retry, RetryBudget, RetryPolicy
from backstay.layers.timeout import Timeout
from backstay.ports import World
from backstay.service import Layer
from backstay.stores.memory_limit import MemoryLimits
from backstay.transport.base import Timeouts
from backstay.types import Request
from backstay.usage import Meter

TARGET = "sim:model"
TIMEOUTS = Timeouts(first_event=20.0, between_events=15.0)
QUEUE = QueuePolicy(
    running=150, size=90, high_size=30, medium_size=30, low_size=30, high_timeout=20, medium_timeout=20, low_timeout=20
)
LIMITS = LimitPolicy(
    requests_per_minute=None, tokens_per_minute=None, requests_per_day=None, tokens_per_day=None, concurrency=120
)


class Full:
    """One set of layers, and the questions to ask of it at the end."""

    def __init__(
        self,
        world: World,
        kept: Meter,
        *,
        limits: LimitPolicy = LIMITS,
        queue: QueuePolicy = QUEUE,
        hedge_share: float = 0.1,
        is_flat: bool = False,
    ) -> None:
        """`is_flat` leaves out the two layers that put what is inside them into a task of its own."""
        self.queue = Queue(queue, clock=world.clock)
        self.join = Join(promote=self.queue.promote)
        self.store = MemoryLimits(world.clock)
        budget = RetryBudget(capacity=1e6)
        plan = Plan(TARGET, limits=limits)
        self.breaker = Breaker(BreakerPolicy(open_time=5.0, consecutive_failures=20), world=world, target=TARGET)
        self.admission = Admission(plan, self.store, world=world, model=kept.catalog.find("sim", "model"))
        hedge = Hedge(HedgePolicy(delay=0.6, share=hedge_share), clock=world.clock, budget=budget)
        self.layers: Sequence[Layer] = (
            *(() if is_flat else (self.join,)),
            self.queue,
            Retry(RetryPolicy(), world=world, budget=budget, target=TARGET),
            *(() if is_flat else (hedge,)),
            self.breaker,
            self.admission,
            Bookkeeping(kept, world=world, target=TARGET),
            Timeout(TIMEOUTS),
        )

    async def held(self) -> dict[str, int]:
        """What is still held: calls in the queue, questions in the air, permits of concurrency."""
        stats = self.queue.stats()
        standings = await self.admission.standings(Request(model="model"))
        return {
            "queue": stats.running + stats.waiting,
            "permits": sum(one.reserved for one in standings if one.rule.dimension == "concurrency"),
            "in line for permits": sum(one.waiting for one in standings),
        }
