"""Lease: how one attempt gets its reservation, in about one screen: ask, wait in place, and never leave anything behind.

The place in line is taken by `reserve`, before any sleep. Whoever is cancelled, refused or out of time at any point gives it
back on the way out. A waiter holds nothing but its place: no connection, no slot of a gauge, no lock.
"""

from __future__ import annotations

import msgspec

from backstay.errors import BudgetExceeded, LimitReached, Refused
from backstay.ports import Clock
from backstay.stores.limit import SLACK_US, Answer, Claim, Granted, LimitStore, Waiting
from backstay.stores.limit import Refused as NoRoom

MOST_CHECKS_LOST = 3
"""Times that a store may lose a waiter (its loop stood still for longer than its patience) before the call gives up."""

SLACK = SLACK_US / 1e6
"""Seconds by which a wait may exceed its longest, as a prediction may. It gives nobody room: the store's clock alone does."""


class Place(msgspec.Struct, kw_only=True):
    """A call that waits, for `backstay limits` and `explain`: which, for which rule, since when, with what prospect."""

    lease_id: str
    call_id: str
    target: str
    tenant: str | None
    task: str | None
    since: float
    rule: str = ""
    place: int = 0
    wait: float = 0.0
    until: float = 0.0


class Waiters:
    """The calls of this process that wait now, in the order in which they came."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}


async def acquire(
    store: LimitStore,
    claim: Claim,
    *,
    clock: Clock,
    waiters: Waiters,
    place: Place,
    answer: Answer | None = None,
) -> None:
    """Returns once the lease is granted. Raises LimitReached or BudgetExceeded, at once where waiting would not help.

    `answer` is what the store said to the reservation, for a caller that has asked already.
    """
    until = place.until = clock.monotonic() + claim.max_wait + SLACK
    try:
        if answer is None:
            answer = await store.reserve(claim)
        lost = 0
        while not isinstance(answer, Granted):
            if isinstance(answer, NoRoom):
                if answer.reason != "gone" or lost == MOST_CHECKS_LOST:
                    raise refusal(claim, answer)
                lost += 1
                answer = await store.reserve(claim)
                continue
            left = until - clock.monotonic()
            if left <= 0 or answer.wait > left:
                raise refusal(claim, NoRoom(answer.rule, answer.wait or None, "full"), waiting=answer)
            place.rule, place.place, place.wait = answer.rule, answer.place, answer.wait
            waiters.places[claim.lease_id] = place
            await store.pause(claim.lease_id, min(left, claim.patience / 3))
            answer = await store.check(claim.lease_id)
    except BaseException:
        store.release(claim.lease_id)
        raise
    finally:
        waiters.places.pop(claim.lease_id, None)


def refusal(claim: Claim, answer: NoRoom, *, waiting: Waiting | None = None) -> Refused:
    """The typed error of a refusal: what was asked of which limit, and when it is worth another try."""
    entry = next((entry for entry in claim.entries if entry.rule.key == answer.rule), None)
    if entry is None:
        return LimitReached("the place in line was lost: the event loop stood still", limit=answer.rule)
    rule, amount = entry.rule, entry.amount
    what = f"{amount / 1e9:.6f} USD" if rule.dimension == "nano_usd" else f"{amount:,} {rule.dimension}"
    whole = f"{rule.capacity / 1e9:.2f} USD" if rule.dimension == "nano_usd" else f"{rule.capacity:,}"
    if answer.reason == "never":
        message = f"{rule.key}: this call needs up to {what}, the limit is {whole}: it can never fit; ask for less or raise it"
    elif answer.reason == "line":
        message = f"{rule.key}: too many calls wait already"
    elif waiting is not None and answer.retry_after is None:
        message = f"{rule.key}: no room for {what} of {whole} within the longest wait of {claim.max_wait:.1f} s"
    else:
        when = "unknown" if answer.retry_after is None else f"in {answer.retry_after:.1f} s"
        message = f"{rule.key}: no room for {what} of {whole}; next room {when}, longest wait {claim.max_wait:.1f} s"
    if rule.dimension == "nano_usd":
        return BudgetExceeded(message, retry_after=answer.retry_after)
    return LimitReached(message, limit=rule.key, retry_after=answer.retry_after)
