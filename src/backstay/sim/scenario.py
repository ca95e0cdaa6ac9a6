"""Scenario: what the simulated providers are like: how fast, how strict, how often in trouble, and when they are down.

It comes from a TOML file, from what the ledger knows of real ones (`fit.py`), or from stated defaults; prices and windows are
those of the catalogue, because the layers price attempts themselves.

    [targets."openai:gpt-5-mini"]
    first_token = { kind = "lognormal", scale = 0.6, spread = 0.5 }    # or a number: always so many seconds
    per_token = 0.012
    requests_per_minute = 500                                          # the provider's own limits: above them it says 429
    retry_after = ["seconds"]                                          # how its 429s name the wait: forms taken in turn
    faults = { status_503 = 0.01 }                                     # shares by kind; see `backstay.sim.KINDS`
    outages = [{ start = 600.0, end = 900.0 }]                         # seconds from the beginning
    [default]                                                          # every other target
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from backstay.codecs.registry import default_registry
from backstay.errors import ConfigurationError
from backstay.ports import World
from backstay.service import Call, Reply
from backstay.sim.fault import SERVICE_KINDS, FaultPlan
from backstay.sim.hint import FORMS
from backstay.sim.law import Law, constant, lognormal
from backstay.sim.provider import SimProvider
from backstay.sim.quota import Quota
from backstay.sim.record import Log, NoLog, Prices
from backstay.sim.traits import Outage, Traits

BEAT: Final = 10.0
"""Seconds between the events of a simulated stream after its first one: few events, and far below any time-out between them."""

LIMITS: Final[tuple[tuple[str, Literal["requests", "tokens", "input_tokens"]], ...]] = (
    ("requests_per_minute", "requests"),
    ("tokens_per_minute", "tokens"),
    ("input_tokens_per_minute", "input_tokens"),
)


class Conduct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one target is like. A law may be a number. `None` of a limit: none. The defaults are those of a hosted small model.

    `retry_after`: the forms in which its 429s name the wait, taken in turn (`hint.py`): a whole second or a date is a later one
    than the wait itself, so who comes back when hangs on it; an empty list names none.
    """

    first_token: float | Law = lognormal(0.5, 0.5, most=30.0)
    per_token: float | Law = lognormal(0.012, 0.3, most=0.1)
    refusal: float | Law = 0.05
    output_tokens: float | Law = lognormal(200, 0.7, most=4096)
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    input_tokens_per_minute: int | None = None
    tells_limits: bool = False
    retry_after: tuple[str, ...] = tuple(FORMS)
    faults: Mapping[str, float] = {}
    outages: tuple[Outage, ...] = ()

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.faults) - set(SERVICE_KINDS)):
            raise ValueError(f"faults.{unknown[0]}: there is {', '.join(SERVICE_KINDS)}")
        if unknown := sorted(set(self.retry_after) - set(FORMS)):
            raise ValueError(f"retry_after {unknown[0]!r}: there is {', '.join(FORMS)}")
        FaultPlan(self.faults)

    def traits(self, name: str) -> Traits:
        """What a SimProvider is made of."""
        limits = ((dimension, getattr(self, setting)) for setting, dimension in LIMITS)
        return Traits(
            name=name,
            first_token=_law(self.first_token),
            per_token=_law(self.per_token),
            refusal=_law(self.refusal),
            output_tokens=_law(self.output_tokens),
            seconds_per_event=BEAT,
            tells_limits=self.tells_limits,
            quotas=tuple(Quota(dimension=dimension, limit=limit) for dimension, limit in limits if limit is not None),
            outages=self.outages,
            retry_after=self.retry_after,
        )


def _law(value: float | Law) -> Law:
    return value if isinstance(value, Law) else constant(float(value))


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Targets ("provider:model") by name, and what all others are like."""

    targets: Mapping[str, Conduct] = {}
    default: Conduct = Conduct()

    def of(self, target: str) -> Conduct:
        """What `target` is like."""
        return self.targets.get(target, self.default)


def read_scenario(path: str | Path) -> Scenario:
    """The scenario of the TOML file at `path`. Raises ConfigurationError naming the place and what is wrong."""
    try:
        return msgspec.convert(tomllib.loads(Path(path).read_text(encoding="utf-8")), Scenario)
    except OSError as error:
        raise ConfigurationError(f"scenario {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"scenario {path}: {error}") from error


class Fleet:
    """A service that stands for every provider: one SimProvider for each target, made when it is first asked, with a record that
    `log` makes; by default nothing is recorded, so that memory does not grow."""

    is_remote = True

    def __init__(self, scenario: Scenario, world: World, *, log: Callable[[Prices], Log] = NoLog) -> None:
        self._scenario = scenario
        self._world = world
        self._log = log
        self.providers: dict[str, SimProvider] = {}

    async def __call__(self, call: Call, /) -> Reply:
        target = call.request.model
        provider = self.providers.get(target)
        if provider is None:
            provider = self.providers[target] = self._make(target)
        return await provider(call)

    def _make(self, target: str) -> SimProvider:
        conduct = self._scenario.of(target)
        traits = conduct.traits(target)
        return SimProvider(traits, world=self._world, plan=FaultPlan(conduct.faults), log=self._log(traits.prices))


def provider_names(configured: Iterable[str] = ()) -> tuple[str, ...]:
    """Every name that a Fleet answers for: all providers that there are, so that nothing of a simulation leaves the machine."""
    return tuple(dict.fromkeys((*(row.name for row in default_registry().providers()), "local", *configured)))
