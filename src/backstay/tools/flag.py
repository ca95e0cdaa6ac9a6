"""Flags: what a registry must know of a tool beside its schema; and the context that it hands to a tool on each run.

A tool that changes the world says so (`side_effect`). Its result is never taken from a cache and its run never repeated by this
library, because nobody but the caller knows whether twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypedDict

import msgspec

from backstay.errors import ConfigurationError

TIMEOUT = 30.0
"""Seconds that a tool may take unless it says otherwise."""


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """How a tool is run. `timeout` and `ttl` are seconds; None is no time-out, a `ttl` of 0 keeps no result.

    `max_attempts` counts tries of a run that failed in a way that may pass (an error that says `retryable`, OSError, a
    time-out). A `dangerous` tool runs only when the registry's `approve` says so. `version` is part of the key of kept results.
    Raises ConfigurationError with every contradiction.
    """

    tags: frozenset[str] = frozenset()
    timeout: float | None = TIMEOUT
    ttl: float = 0.0
    max_attempts: int = 1
    side_effect: bool = False
    dangerous: bool = False
    version: str = ""

    def __post_init__(self) -> None:
        checks = (
            (self.timeout is None or self.timeout > 0, f"timeout = {self.timeout}: must be above 0, or None"),
            (self.ttl >= 0, f"ttl = {self.ttl}: must be 0 or more"),
            (self.max_attempts >= 1, f"max_attempts = {self.max_attempts}: must be 1 or more"),
            (not (self.side_effect and self.ttl), "ttl: the result of a tool with a side effect is not kept"),
            (not (self.side_effect and self.max_attempts > 1), "max_attempts: a side effect is not tried twice"),
        )
        if faults := [f"tool flag {fault}" for good, fault in checks if not good]:
            raise ConfigurationError(*faults)


class FlagSettings(TypedDict, total=False):
    """The flags as keyword settings of `tool` and `ToolRegistry.add`."""

    tags: Iterable[str]
    timeout: float | None
    ttl: float
    max_attempts: int
    side_effect: bool
    dangerous: bool
    version: str


def flags_of(base: Flags, settings: FlagSettings) -> Flags:
    """`base` with `settings` over it. Raises TypeError for a flag that does not exist."""
    if unknown := sorted(settings.keys() - FlagSettings.__annotations__.keys()):
        raise TypeError(
            f"unknown tool flag(s) {', '.join(unknown)}; there are: {', '.join(FlagSettings.__annotations__)}"
        )
    changes: dict[str, Any] = {**msgspec.structs.asdict(base), **settings}
    tags = changes["tags"]
    return Flags(**{**changes, "tags": frozenset((tags,) if isinstance(tags, str) else tags)})


class ToolContext(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one run. A tool that takes a parameter called `context` is given them; the model does not see it.

    `call_id` is the same if the same call is run again, so it serves as an idempotency key. `deadline` is an instant on the event
    loop's clock. `depth` counts the agents above. `charge(nano_usd)` adds money that the tool spent to its caller's account; None
    stands for a sum that is not known.
    """

    call_id: str = ""
    tenant: str | None = None
    conversation_id: str | None = None
    deadline: float | None = None
    depth: int = 0
    charge: Callable[[int | None], None] | None = None
