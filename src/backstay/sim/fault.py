"""Fault: what goes wrong between a caller and a simulated provider, and plans that mix it.

`KINDS` names every fault once, with the stage at which it strikes. A `FaultPlan` gives each kind a probability; one draw decides
for one attempt. `FaultPlan.of(seed)` is swarm testing (Groce et al. 2012): each seed switches a random subset of the kinds on,
because faults hide one another when all of them happen all the time.

Kinds of stage "bytes" need bytes to damage: they are for `SimTransport`; `SimProvider` knows all others.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import accumulate
from typing import Final, Literal, NamedTuple, TypeAlias

from backstay.errors import ConnectFailed, LLMError, ProtocolError, QuotaExhausted, ReadFailed, TimedOut, from_status
from backstay.sim.hint import FORMS

Stage: TypeAlias = Literal[
    "connect", "refusal", "early", "late", "hang", "hang_late", "drip", "usage", "clock", "bytes"
]
"""connect: nothing arrives. refusal: an error instead of work. early, late: the work is lost, before or after its first
content. hang, hang_late: silence instead. drip, usage, clock: a good answer, but slow, with wrong counts, or while the wall clock
jumps."""

CONNECT_TIMEOUT: Final = 10.0


def _no_error() -> LLMError:
    raise LookupError("this kind of fault is no error")


class Kind(NamedTuple):
    """One kind: its `stage`, what makes its error where it has one, and the `form` in which a 429 names its wait."""

    name: str
    stage: Stage
    error: Callable[[], LLMError] = _no_error
    form: str | None = None


def _lost(text: str) -> Callable[[], LLMError]:
    return partial(ReadFailed, text)


def _garbled(text: str) -> Callable[[], LLMError]:
    return partial(ProtocolError, text)


def _status(code: int) -> Kind:
    return Kind(f"status_{code}", "refusal", partial(from_status, code, f"the provider answered {code}"))


_CONNECT: Final = (
    Kind("refused", "connect", partial(ConnectFailed, "cannot connect (Connection refused)")),
    Kind("dns", "connect", partial(ConnectFailed, "no such host")),
    Kind("tls", "connect", partial(ConnectFailed, "its certificate is not trusted", retryable=False)),
    Kind("hang_connecting", "connect", partial(TimedOut, "no connection in time", phase="connect", sent=False)),
)
_REFUSALS: Final = (
    *map(_status, (400, 401, 403, 404, 408, 413, 422, 500, 502, 503, 529)),
    Kind("quota", "refusal", partial(QuotaExhausted, "the credit is spent", status=429)),
    Kind("status_429", "refusal", partial(from_status, 429, "slow down")),
    *(Kind(f"status_429_{form}", "refusal", partial(from_status, 429, "slow down"), form) for form in FORMS),
    Kind("error_event_in_200", "refusal", partial(from_status, 529, "overloaded, said inside a stream")),
    Kind("empty_200", "refusal", _garbled("an answer of no bytes")),
)
_LOSSES: Final = (
    Kind("reset_before_headers", "early", _lost("reset before the answer")),
    Kind("reset_after_headers", "early", _lost("reset after the headers")),
    Kind("reset_mid_stream", "late", _lost("reset in the middle of the answer")),
    Kind("truncated", "late", _garbled("the answer ended before its end")),
    Kind("error_event_late", "late", partial(from_status, 529, "overloaded, said after the first content")),
)
_OTHERS: Final = (
    Kind("hang_before_headers", "hang"),
    Kind("hang_mid_stream", "hang_late"),
    Kind("slow_drip", "drip"),
    Kind("wrong_usage", "usage"),
    Kind("missing_usage", "usage"),
    Kind("clock_step", "clock"),
)
_BYTES: Final = tuple(
    Kind(name, "bytes")
    for name in (
        "truncated_json", "truncated_sse", "truncated_length", "bad_utf8", "gzip_bomb", "missing_done", "double_done", "html_200",
        "garbage", "reset_mid_chunk",
    )
)  # fmt: skip

KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in (*_CONNECT, *_REFUSALS, *_LOSSES, *_OTHERS, *_BYTES)}
"""Every kind by its name."""

SERVICE_KINDS: Final = tuple(name for name, kind in KINDS.items() if kind.stage != "bytes")
"""The kinds that `SimProvider` can play."""

WIRE_KINDS: Final = tuple(name for name, kind in KINDS.items() if kind.stage not in ("clock", "usage"))
"""The kinds that `SimTransport` can play."""


class FaultPlan:
    """Probabilities by kind; what is left of 1 is no fault. Raises ValueError for an unknown kind or a sum above 1."""

    __slots__ = ("_edges", "_kinds", "shares")

    def __init__(self, shares: Mapping[str, float]) -> None:
        unknown = [name for name in shares if name not in KINDS]
        if unknown:
            raise ValueError(f"fault {unknown[0]!r}: there is {', '.join(KINDS)}")
        self.shares = dict(shares)
        self._kinds = [KINDS[name] for name in shares]
        self._edges = list(accumulate(shares.values()))
        if min(shares.values(), default=0.0) < 0 or (self._edges and self._edges[-1] > 1 + 1e-9):
            raise ValueError(f"probabilities must be 0 or more and 1 together, not {self.shares}")

    def __repr__(self) -> str:
        return f"FaultPlan({self.shares})"

    @classmethod
    def of(cls, seed: int, *, kinds: Iterable[str] = SERVICE_KINDS, most: float = 0.5) -> FaultPlan:
        """The plan of `seed`: about half of `kinds`, which together strike a share of up to `most` of all attempts."""
        draw = random.Random(f"faults {seed}")
        weights = {name: draw.random() for name in kinds if draw.random() < 0.5}
        total, share = sum(weights.values()), draw.random() * most
        return cls({name: weight * share / total for name, weight in weights.items()})

    def draw(self, draw: float) -> Kind | None:
        """The fault of an attempt, from `draw` in [0, 1); None for none."""
        if not self._edges or draw >= self._edges[-1]:
            return None
        return self._kinds[bisect_right(self._edges, draw)]


NO_FAULTS: Final = FaultPlan({})
