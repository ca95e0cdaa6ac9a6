"""Failover rules: which target is asked next, and which is not, as data. Pure.

An error is read as a `Condition`, a rule says what follows from it, and what follows narrows the targets that are left:

    next        any target
    larger      one whose context window is larger, as far as both are known
    cheaper     one that is known to be cheaper
    other_key   one with another key
    stop        none: the question itself is at fault, or the answer must not be had elsewhere

A narrowing holds for the rest of the call: a key that was refused once is not tried again three targets later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, Protocol, TypeAlias, get_args

import msgspec

from backstay import errors
from backstay.errors import ConfigurationError
from backstay.target import parse_model
from backstay.types import Request

Condition: TypeAlias = Literal[
    "authentication",
    "bad_request",
    "budget",
    "circuit_open",
    "configuration",
    "connect",
    "content_filter",
    "context_length",
    "limit",
    "not_found",
    "overloaded",
    "permission",
    "protocol",
    "queue_full",
    "quota",
    "rate_limit",
    "read",
    "server_fault",
    "timeout",
    "unfit",
]
Action: TypeAlias = Literal["next", "larger", "cheaper", "other_key", "stop"]

DEFAULT_RULES: Final[Mapping[Condition, Action]] = MappingProxyType(
    {
        "authentication": "other_key",
        "bad_request": "stop",
        "budget": "cheaper",
        "circuit_open": "next",
        "configuration": "next",
        "connect": "next",
        "content_filter": "stop",
        "context_length": "larger",
        "limit": "next",
        "not_found": "next",
        "overloaded": "next",
        "permission": "other_key",
        "protocol": "next",
        "queue_full": "stop",
        "quota": "next",
        "rate_limit": "next",
        "read": "next",
        "server_fault": "next",
        "timeout": "next",
        "unfit": "next",
    }
)
"""What follows from what. A content filter stops by default: to ask elsewhere for what was blocked is the user's choice."""

CONDITIONS: Final[tuple[tuple[type[BaseException], Condition], ...]] = (
    (errors.InvalidRequest, "unfit"),
    (errors.ConfigurationError, "configuration"),
    (errors.ConnectFailed, "connect"),
    (errors.TimedOut, "timeout"),
    (errors.TransportError, "read"),
    (errors.ContextLengthExceeded, "context_length"),
    (errors.ContentFiltered, "content_filter"),
    (errors.BadRequest, "bad_request"),
    (errors.AuthenticationFailed, "authentication"),
    (errors.PermissionDenied, "permission"),
    (errors.NotFound, "not_found"),
    (errors.QuotaExhausted, "quota"),
    (errors.RateLimited, "rate_limit"),
    (errors.Overloaded, "overloaded"),
    (errors.ServerFault, "server_fault"),
    (errors.ProtocolError, "protocol"),
    (errors.CircuitOpen, "circuit_open"),
    (errors.LimitReached, "limit"),
    (errors.BudgetExceeded, "budget"),
    (errors.QueueFull, "queue_full"),
    (errors.DeadlineExceeded, "timeout"),
    (ConnectionError, "connect"),
    (TimeoutError, "timeout"),
)
"""The first row that an error is an instance of names its condition. An error without a row is the caller's own affair."""

SAYS_LESS: Final = frozenset({"offline"})
"""Providers whose answers are less than what was asked for."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One target of a chain. `key` says whose key it uses: two links with equal ones fail together when a key is refused.

    `is_degraded`: an answer from here is less than what was asked for, and says so.
    """

    model: str
    key: str
    is_degraded: bool = False

    @classmethod
    def of(cls, model: str, *, is_degraded: bool = False) -> Link:
        """The link to "provider:model", with one key for each provider. Raises ConfigurationError for another form."""
        provider, _ = parse_model(model)
        return cls(model=model, key=provider, is_degraded=is_degraded or provider in SAYS_LESS)


class Facts(Protocol):
    """What is known of targets, "provider:model", beforehand; None is "not known", which forbids nothing."""

    def fits(self, model: str, request: Request, /) -> Sequence[str]:
        """Each reason why `model` must not be asked this; empty where there is none."""

    def window(self, model: str, /) -> int | None:
        """Its context window in tokens."""

    def price(self, model: str, request: Request, /) -> int | None:
        """The most that `request` can cost there, in nano-dollars."""


def condition_of(error: BaseException) -> Condition | None:
    """What `error` says of its target; None where it says nothing (a bug, a cancellation, a ledger that cannot write)."""
    return next((condition for kind, condition in CONDITIONS if isinstance(error, kind)), None)


def rules_of(changes: Mapping[str, str]) -> Mapping[Condition, Action]:
    """The default rules with `changes`. Raises ConfigurationError with every unknown condition and action."""
    conditions, actions = get_args(Condition), get_args(Action)
    faults = [
        f"failover.rules.{name}: there is no such condition; there are {', '.join(conditions)}"
        for name in changes
        if name not in conditions
    ]
    faults += [
        f"failover.rules.{name} = {action!r}: must be one of {', '.join(actions)}"
        for name, action in changes.items()
        if action not in actions
    ]
    if faults:
        raise ConfigurationError(*faults)
    return MappingProxyType({**DEFAULT_RULES, **changes})


def objection(action: Action, failed: Link, link: Link, request: Request, facts: Facts) -> str:
    """Why `link` is not asked after `failed` ended as `action` says; empty where nothing speaks against it."""
    if action == "other_key" and link.key == failed.key:
        return f"it has the key of {failed.model}, which was refused"
    if action == "larger":
        had, has = facts.window(failed.model), facts.window(link.model)
        if had is not None and has is not None and has <= had:
            return f"its context window of {has:,} tokens is no larger than that of {failed.model}"
    if action == "cheaper":
        spent, asked = facts.price(failed.model, request), facts.price(link.model, request)
        if asked is None:
            return "its price is not known, and the budget is short"
        if asked and spent is not None and asked >= spent:
            return f"it is no cheaper than {failed.model}"
    return ""


def cheapest_first(links: Sequence[Link], request: Request, facts: Facts) -> list[Link]:
    """`links` by their price for `request`, unknown prices last; the order is kept among equals, and degraded links stay last."""

    def rank(link: Link) -> tuple[bool, bool, int]:
        price = facts.price(link.model, request)
        return link.is_degraded, price is None, price or 0

    return sorted(links, key=rank)


RESERVE = 1.0
"""Seconds kept for a target that answers at once, where that is no more than a twentieth of the time that is left."""


def limit_of(now: float, deadline: float | None, later: Sequence[Link], share: float) -> float | None:
    """The instant until which a target may take, when `later` ones wait behind it; None where there is no deadline.

    It has `share` of the time that is left while another model waits, nearly all of it when only a degraded answer does.
    """
    if deadline is None or not later:
        return deadline
    left = max(deadline - now, 0.0)
    most = left - min(RESERVE, left / 20)
    return now + (most if all(link.is_degraded for link in later) else min(left * share, most))
