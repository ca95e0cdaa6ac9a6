"""ActionValidator: nothing reaches a system that does not exist there, is out of bounds, comes too soon, or is too unsure.

It is the same for a rule's action and for a model's, and every fault of an action is told at once. A dry run goes through all
of it and carries out nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from backstay.kits.operations.setting import Loop
from backstay.kits.operations.state import Action, ActionKind, State

RISKS: Final = {"low": 0, "medium": 1, "high": 2}
IDLE: Final = frozenset({"NO_ACTION", "NONE"})
"""Names by which a model says that nothing is to be done."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """An action in the system's own words, and the `faults` for which it is not carried out."""

    action: Action
    faults: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """True when it may be carried out."""
        return not self.faults


class ActionValidator:
    """Checks actions against `kinds` and the loop's bounds; remembers when each kind was last carried out."""

    def __init__(self, kinds: Iterable[ActionKind], settings: Loop | None = None) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._names = {name.upper(): kind.name for kind in self._kinds.values() for name in (kind.name, *kind.aliases)}
        self._settings = settings or Loop()
        self._last: dict[str, float] = {}

    def check(self, action: Action, state: State) -> Verdict:
        """Whether `action` may be carried out on a system in this state."""
        name = self._names.get(action.action_type.strip().upper())
        if name is None:
            near = difflib.get_close_matches(action.action_type.upper(), self._names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join(self._kinds) or 'none'}"
            return Verdict(action=action, faults=(f"there is no action {action.action_type[:60]!r}; {hint}",))
        kind = self._kinds[name]
        values, faults = _values(action.parameters, kind)
        faults += [f"{condition}" for condition in kind.conditions if not condition.holds(state)]
        faults += self._doubts(action) + self._haste(kind, state)
        named = msgspec.structs.replace(action, action_type=name, parameters=values)
        return Verdict(action=named, faults=tuple(faults))

    def _doubts(self, action: Action) -> list[str]:
        least, most = self._settings.least_confidence, self._settings.most_risk
        faults = []
        if action.confidence < least:
            faults.append(f"confidence {action.confidence:.2f} is below {least:.2f}")
        if RISKS[action.risk_level] > RISKS[most]:
            faults.append(f"risk {action.risk_level} is above {most}")
        return faults

    def _haste(self, kind: ActionKind, state: State) -> list[str]:
        pause = self._settings.stabilisation if kind.stabilisation is None else kind.stabilisation
        last = self._last.get(kind.name)
        if last is None or state.at - last >= pause:
            return []
        return [f"the last {kind.name} was {state.at - last:.0f} s ago; the system is left alone for {pause:.0f} s"]

    def note(self, action: Action, at: float) -> None:
        """An action was carried out at that time."""
        self._last[action.action_type] = at


def _values(given: dict[str, Any], kind: ActionKind) -> tuple[dict[str, Any], list[str]]:
    """The parameters as numbers, with what is wrong with them."""
    faults = [f"parameter {name}: is missing" for name in sorted(kind.parameters.keys() - given.keys())]
    faults += [f"parameter {name}: {kind.name} has none" for name in sorted(given.keys() - kind.parameters.keys())]
    values: dict[str, Any] = {}
    for name, value in given.items():
        bounds = kind.parameters.get(name)
        if bounds is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            faults.append(f"parameter {name}: {value!r} is no number"[:200])
        elif not bounds.least <= value <= bounds.most:
            faults.append(f"parameter {name}: {value:g} is outside {bounds.least:g} to {bounds.most:g}")
        else:
            values[name] = float(value)
    return values, faults
