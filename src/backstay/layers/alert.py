"""Alerts: what a budget has to say, told once for each period and threshold, at least once to each channel.

The store writes an alert in the same step as the settlement that raised it, under a key that it takes only once (an outbox).
A deliverer takes what is due, tells every channel, and marks it delivered. One that dies in between leaves it due again for the
next one, in this process or another: a channel may hear an alert twice, the record exists once. Webhooks carry the key, so a
receiver can tell.

Delivery never holds up a call. It goes on in a task of its own, retries a failing channel with growing delays, and is
finished, or given back, by `aclose`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from backstay.errors import LLMError
from backstay.ports import World
from backstay.secret import Secret
from backstay.stores.limit import Alert, LimitStore, Told
from backstay.transport.base import Timeouts, Transport
from backstay.wire import HTTPRequest

log = logging.getLogger("backstay")

Channel: TypeAlias = Callable[[Alert], Awaitable[None]]
"""Tells an alert; raises where it could not."""

LEASE: Final = 120.0
"""Seconds for which a deliverer has an alert to itself."""

FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 60.0
WEBHOOK_TIMEOUTS: Final = Timeouts(connect=5.0, first_event=10.0, between_events=10.0, total=15.0)


def sentence(alert: Alert) -> str:
    """The alert in words."""
    if alert.dimension == "nano_usd":
        spent, capacity = (f"{Decimal(value).scaleb(-9):.2f} USD" for value in (alert.spent, alert.capacity))
    else:
        spent, capacity = f"{alert.spent:,} {alert.dimension}", f"{alert.capacity:,}"
    if alert.percent >= 100 and alert.spent < alert.capacity:
        return f"budget {alert.rule}: a call was refused, {spent} of {capacity} are spent"
    return f"budget {alert.rule}: {alert.percent} % reached, {spent} of {capacity} are spent"


def alert_key(alert: Alert) -> str:
    """What tells an alert from every other, for ever."""
    return f"{alert.rule}@{alert.start}#{alert.percent}"


async def log_channel(alert: Alert) -> None:
    """A warning in the log "backstay"."""
    log.warning("%s", sentence(alert))


def callback_channel(function: Callable[[Alert], object]) -> Channel:
    """A function of yours, plain or async. What it raises counts as not told."""

    async def tell(alert: Alert) -> None:
        result = function(alert)
        if isinstance(result, Awaitable):
            await result

    return tell


class WebhookFailed(LLMError):
    """A webhook did not answer with 2xx."""

    retryable = True


def webhook_channel(url: str | Secret, transport: Callable[[], Transport]) -> Channel:
    """POSTs the alert as JSON, with its key as Idempotency-Key. A URL that holds a token is given as a Secret."""

    async def tell(alert: Alert) -> None:
        key = alert_key(alert)
        body = msgspec.json.encode({"key": key, "message": sentence(alert), **msgspec.structs.asdict(alert)})
        request = HTTPRequest(
            url=url.reveal() if isinstance(url, Secret) else url,
            headers={"content-type": "application/json", "idempotency-key": key},
            body=body,
        )
        response = await transport().send(request, timeouts=WEBHOOK_TIMEOUTS)
        try:
            await response.read(65_536)
        finally:
            await response.aclose()
        if not 200 <= response.status < 300:
            raise WebhookFailed(f"the alert webhook answered with status {response.status}")

    return tell


class Alerts:
    """The deliverer of one process. `note` and `look` never wait; `aclose` waits for what is under way."""

    def __init__(self, store: LimitStore, channels: Sequence[Channel], *, world: World) -> None:
        self._store = store
        self._channels = tuple(channels)
        self._world = world
        self._tasks: set[asyncio.Task[None]] = set()
        self._delivery: asyncio.Task[None] | None = None
        self._nap: asyncio.Future[None] | None = None
        self._has_news = False
        self._is_closing = False
        self._told: dict[str, set[int]] = {}

    def note(self, ticket: Awaitable[int]) -> None:
        """A settlement is under way; deliver what it raises."""
        if isinstance(ticket, Told):
            if ticket.value:
                self.look()
            return
        self._keep(asyncio.ensure_future(self._after(ticket)))

    async def _after(self, ticket: Awaitable[int]) -> None:
        if await ticket:
            self.look()

    def look(self) -> None:
        """There may be something to deliver."""
        self._has_news = True
        if self._delivery is None or self._delivery.done():
            self._delivery = asyncio.ensure_future(self._deliver_all())
            self._keep(self._delivery)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    def _let_go(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("alerts could not be read or delivered", exc_info=task.exception())

    async def _deliver_all(self) -> None:
        delay = FIRST_DELAY
        failed: list[Alert] = []
        while self._has_news or failed:
            self._has_news = False
            fresh = await self._store.due_alerts(LEASE)
            known = {alert_key(alert) for alert in fresh}
            failed = [
                alert
                for alert in (*fresh, *(old for old in failed if alert_key(old) not in known))
                if not await self._deliver(alert)
            ]
            if failed and not self._is_closing:
                self._nap = asyncio.ensure_future(self._world.sleep(delay))
                await asyncio.wait({self._nap})
                delay = min(delay * 2, LONGEST_DELAY)
            elif failed:
                return

    async def _deliver(self, alert: Alert) -> bool:
        """Tell every channel that has not been told; True once all have."""
        told = self._told.setdefault(alert_key(alert), set())
        for number, channel in enumerate(self._channels):
            if number in told:
                continue
            try:
                await channel(alert)
                told.add(number)
            except Exception:
                log.exception("an alert could not be delivered and will be tried again: %s", alert_key(alert))
        if len(told) < len(self._channels):
            return False
        await self._store.delivered(alert)
        del self._told[alert_key(alert)]
        return True

    async def aclose(self) -> None:
        """Finish what is under way. What a failing channel did not take stays due, for the next process. Idempotent."""
        self._is_closing = True
        if self._nap is not None:
            self._nap.cancel()
        while self._tasks:
            notes = self._tasks - {self._delivery}
            if notes:
                await asyncio.wait(notes)
                continue
            await self._finish_delivery()

    async def _finish_delivery(self) -> None:
        assert self._delivery is not None
        await asyncio.wait({self._delivery}, timeout=WEBHOOK_TIMEOUTS.total)
        if not self._delivery.done():
            self._delivery.cancel()
            await asyncio.wait({self._delivery})
