"""Budget watch: what Failover knows of the money of a request, without waiting for a store.

The layer that chooses a target asks at once, and a shared store answers after a while; so what is known is the standing of some
seconds ago, and asking for it begins to find out how things stand now. That is enough to choose the cheaper target near the end
of a budget; it is Admission that keeps the budget, to the nano-dollar and in any process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from backstay.errors import LLMError
from backstay.ports import Clock
from backstay.stores.limit import Standing
from backstay.types import Request

log = logging.getLogger("backstay")

FRESH: Final = 5.0
"""Seconds for which a standing is taken as it is."""

KEPT: Final = 1_000
"""Accounts (tenant, task, user, model) whose standing is remembered; beyond, the oldest is forgotten."""

Look: TypeAlias = Callable[[Request], Awaitable[Sequence[Standing]]]
Account: TypeAlias = tuple[str | None, str | None, str | None, str]


class _Known(msgspec.Struct):
    seen: float
    left: int | None
    share: float


class BudgetWatch:
    """What is left of the budgets that a request falls under. `look` reads their standings; `cheaper_at` is the share of a
    budget from which it counts as low."""

    def __init__(self, look: Look, *, clock: Clock, cheaper_at: float) -> None:
        self._look = look
        self._clock = clock
        self._cheaper_at = cheaper_at
        self._known: dict[Account, _Known] = {}
        self._tasks: dict[Account, asyncio.Task[None]] = {}

    def is_low(self, request: Request) -> bool:
        """True when a budget that pays for `request` is used up to `cheaper_at`, as far as is known."""
        known = self._of(request)
        return known is not None and known.share >= self._cheaper_at

    def left(self, request: Request) -> int | None:
        """Nano-dollars that may still be spent on `request`; None where no budget binds it, or it is not known yet."""
        known = self._of(request)
        return None if known is None else known.left

    def _of(self, request: Request) -> _Known | None:
        about = request.metadata
        account = (about.tenant, about.task, about.user, request.model)
        known = self._known.get(account)
        is_stale = known is None or self._clock.monotonic() - known.seen >= FRESH
        if is_stale and account not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._learn(account, request))
            self._tasks[account] = task
            task.add_done_callback(lambda _: self._tasks.pop(account, None))
        return known

    async def _learn(self, account: Account, request: Request) -> None:
        try:
            standings = await self._look(request)
        except LLMError as error:  # the store is out of reach: Admission says so to whoever needs money
            log.debug("budgets could not be read: %s", error)
            return
        money = [one for one in standings if one.rule.dimension == "nano_usd"]
        left = min((one.rule.capacity - one.used for one in money), default=None)
        share = max((one.used / one.rule.capacity if one.rule.capacity else 1.0 for one in money), default=0.0)
        if len(self._known) >= KEPT:
            self._known.pop(next(iter(self._known)))
        self._known[account] = _Known(self._clock.monotonic(), left, share)

    async def aclose(self) -> None:
        """End what is being looked up. Idempotent."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
