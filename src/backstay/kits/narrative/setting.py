"""The game's settings: how long it lasts, when a state is a problem, and how each kind of question is asked.

Thresholds, priorities and time-outs are those of the simulation that this kit serves: food below 150 is scarce, loyalty below
0.3 a grievance and below 0.2 a conflict, mood below 0.2 a crisis of morale; HIGH, MEDIUM and LOW wait 3, 10 and 5 seconds.
Shares are kept as thousandths, whole numbers, so that no rounding of one machine differs from another's.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from backstay.config import Loaded
from backstay.config.reliability import Quota
from backstay.errors import ConfigurationError
from backstay.types import Priority

CallType: TypeAlias = Literal["decision_interpretation", "world_narrative", "npc_conversation", "crisis_generation"]
OFFLINE: Final = "offline:rules"
MODEL_SHARE: Final = 0.9


class CallSetting(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of question is asked: its class, its seconds in all, the length of its answer, and its money."""

    priority: Priority
    timeout: float
    max_output_tokens: int
    temperature: float
    usd_per_day: float


CALLS: Final[dict[CallType, CallSetting]] = {
    "decision_interpretation": CallSetting(
        priority="high", timeout=3.0, max_output_tokens=300, temperature=0.0, usd_per_day=2.0
    ),
    "npc_conversation": CallSetting(
        priority="high", timeout=3.0, max_output_tokens=300, temperature=0.8, usd_per_day=2.0
    ),
    "world_narrative": CallSetting(
        priority="medium", timeout=10.0, max_output_tokens=500, temperature=0.8, usd_per_day=4.0
    ),
    "crisis_generation": CallSetting(
        priority="low", timeout=5.0, max_output_tokens=500, temperature=0.8, usd_per_day=1.0
    ),
}
"""The player waits for an interpretation and a reply; the week's story may take longer; a crisis is written for later."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one game. Shares are thousandths."""

    weeks: int = 24
    attention: int = 2
    scarce_food: int = 150
    grievance_loyalty: int = 300
    conflict_loyalty: int = 200
    crisis_mood: int = 200
    crisis_odds: int = 340
    crisis_gap: int = 3
    crisis_weeks: int = 2
    vote_loyalty: int = 450
    deposed_loyalty: int = 220
    window: int = 40
    errors_in_a_row: int = 3
    error_share: int = 500
    error_tries: int = 10
    calls: dict[CallType, CallSetting] = msgspec.field(default_factory=lambda: dict(CALLS))

    def __post_init__(self) -> None:
        checks = (
            (self.weeks >= 1, "weeks", "1 or more"),
            (self.attention >= 1, "attention", "1 or more"),
            (self.crisis_weeks >= 1, "crisis_weeks", "1 or more"),
            (self.window >= 0, "window", "0 or more"),
            (set(self.calls) == set(CALLS), "calls", f"given for each of {', '.join(sorted(CALLS))}"),
        )
        faults = [f"{name}: must be {rule}" for is_good, name, rule in checks if not is_good]
        if faults:
            raise ValueError("; ".join(faults))

    def patient(self, factor: float) -> Settings:
        """These with `factor` times the seconds for each question."""
        calls = {
            task: msgspec.structs.replace(call, timeout=call.timeout * factor) for task, call in self.calls.items()
        }
        return msgspec.structs.replace(self, calls=calls)


def changed(settings: Settings, rules: dict[str, int]) -> Settings:
    """`settings` with other numbers. Raises ConfigurationError for those that a game can't be played by."""
    try:
        return msgspec.structs.replace(settings, **rules)
    except ValueError as error:
        raise ConfigurationError(f"--rule {error}") from error


SCARCITY, CONFLICT, MORALE, GRIEVANCE, UNKNOWN = (
    "RESOURCE_SCARCITY", "FACTION_CONFLICT", "MORAL_CRISIS", "PERSONAL_GRIEVANCE", "UNKNOWN",
)  # fmt: skip
BANDS: Final = ((300, "minor"), (600, "moderate"), (900, "serious"), (1001, "critical"))


def band_of(severity: int) -> str:
    """The word for a severity in thousandths: minor below 300, moderate below 600, serious below 900, else critical."""
    return next(word for bound, word in BANDS if severity < bound or bound > 1000)


def fitted(base: Loaded, settings: Settings) -> Loaded:
    """`base` with what a game needs of the layer: rules at the end of the chain of models, and money by kind of question.

    What the user's own settings say of either is left as it is. The rules answer at once, so a model may use most of the time.
    """
    failover, quotas = base.config.failover, base.config.quotas
    if not failover.targets and base.model != OFFLINE:
        failover = msgspec.structs.replace(failover, targets=(OFFLINE,), degraded=(OFFLINE,), share=MODEL_SHARE)
    if not quotas:
        quotas = {task: Quota(task=task, usd_per_day=call.usd_per_day) for task, call in settings.calls.items()}
    return msgspec.structs.replace(base, config=msgspec.structs.replace(base.config, failover=failover, quotas=quotas))
