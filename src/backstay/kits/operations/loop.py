"""ControlLoop: observe, think, validate, act; again, until the system ends; and a trace of all of it.

Monitor, analyse, plan, execute over a knowledge base (Kephart and Chess 2003). Advice comes first and actions after: nothing is
carried out that the validator did not pass, and in a dry run nothing at all. With a model, a round begins with a new world model,
and what the model recommends is simulated before it is done. Each round is a `Round`, kept and told to whoever listens, so a run
can be read, compared and replayed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from backstay.errors import ConfigurationError
from backstay.kits.operations.advice import Advice, Adviser
from backstay.kits.operations.knowledge import Entry, EntryKind, KnowledgeBase
from backstay.kits.operations.policy import health_of
from backstay.kits.operations.setting import Loop, Tier
from backstay.kits.operations.state import Action, Execution, HealthStatus, State
from backstay.kits.operations.system import ManagedSystem
from backstay.kits.operations.thinking import Impact, Thinker
from backstay.kits.operations.toolbox import View
from backstay.kits.operations.validate import IDLE, ActionValidator, Verdict
from backstay.kits.operations.world_model import WorldModel
from backstay.ports import World


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of the loop: what was seen, advised, judged and done."""

    number: int
    state: State
    health: HealthStatus
    advice: Advice
    verdicts: tuple[Verdict, ...] = ()
    executions: tuple[Execution, ...] = ()
    world: WorldModel | None = None
    impacts: tuple[Impact, ...] = ()

    @property
    def done(self) -> tuple[Action, ...]:
        """The actions that were carried out."""
        return tuple(one.action for one in self.executions if one.status == "success")


class ControlLoop:
    """Looks after one system. `thinker` keeps a world model and foresees what a model recommends; `is_dry` validates and carries
    out nothing."""

    def __init__(
        self,
        system: ManagedSystem,
        adviser: Adviser,
        *,
        settings: Loop | None = None,
        knowledge: KnowledgeBase | None = None,
        thinker: Thinker | None = None,
        tier: Tier | None = None,
        is_dry: bool = False,
    ) -> None:
        self.system = system
        self.settings = settings or Loop()
        self.knowledge = KnowledgeBase() if knowledge is None else knowledge
        self._adviser = adviser
        self._thinker = thinker
        self._tier = tier or Tier()
        self._is_dry = is_dry
        self._validator = ActionValidator(system.actions(), self.settings)
        self._states: deque[State] = deque(maxlen=self.settings.history)
        self._last: Round | None = None

    async def rounds(self, most: int | None = None) -> AsyncIterator[Round]:
        """Rounds until the system ends, or `most` of them."""
        number = 0
        while most is None or number < most:
            if not await self.system.wait(self.settings.period):
                return
            number += 1
            self._last = await self._round(number)
            yield self._last
            # a simulated system never waits, and an interruption comes in where something does
            await World.real().sleep(0)

    async def _round(self, number: int) -> Round:
        state = await self.system.observe()
        before = self._states[-1] if self._states else None
        self._states.append(state)
        health = health_of(state)
        self._learn(state, health, before)
        model = None if self._thinker is None else await self._thinker.update(state, before)
        view = View(
            states=tuple(self._states),
            kinds=self.system.actions(),
            validator=self._validator,
            knowledge=self.knowledge,
            tier=self._tier,
            world=model,
        )
        advice = await self._adviser.advise(view)
        wanted = [one for one in advice.recommendations if one.action_type.upper() not in IDLE]
        verdicts = tuple(self._validator.check(one, state) for one in wanted)
        verdicts, impacts = await self._foreseen(verdicts, advice, state)
        executions = tuple([await self._carry_out(verdict, state) for verdict in verdicts])
        return Round(
            number=number,
            state=state,
            health=health,
            advice=advice,
            verdicts=verdicts,
            executions=executions,
            world=model,
            impacts=impacts,
        )

    async def _foreseen(
        self, verdicts: tuple[Verdict, ...], advice: Advice, state: State
    ) -> tuple[tuple[Verdict, ...], tuple[Impact, ...]]:
        """What a model recommended and the validator passed, simulated; one that is advised against is refused.

        A policy's actions come out of a simulation already.
        """
        if self._thinker is None or advice.source.startswith("rule:"):
            return verdicts, ()
        judged: list[Verdict] = []
        impacts: list[Impact] = []
        for verdict in verdicts:
            if verdict.is_valid and len(impacts) == self.settings.most_simulations:
                fault = f"it was not simulated: {len(impacts)} actions are, in one round"
                verdict = msgspec.structs.replace(verdict, faults=(fault,))
            elif verdict.is_valid:
                impacts.append(impact := await self._thinker.foresee(verdict.action, state))
                if not impact.proceed:
                    verdict = msgspec.structs.replace(verdict, faults=(against(impact),))
            judged.append(verdict)
        return tuple(judged), tuple(impacts)

    async def _carry_out(self, verdict: Verdict, state: State) -> Execution:
        if not verdict.is_valid:
            done = Execution(action=verdict.action, status="refused", detail="; ".join(verdict.faults))
        elif self._is_dry:
            done = Execution(action=verdict.action, status="dry_run", detail="would be carried out")
        else:
            done = await self.system.execute(verdict.action)
            self._validator.note(verdict.action, state.at)
        facts = {"action_type": verdict.action.action_type, "status": done.status}
        self._note("execution", state, f"{verdict.action.action_type} {done.status} {done.detail}".strip(), facts)
        return done

    def _learn(self, state: State, health: HealthStatus, before: State | None) -> None:
        """What is seen, and what came of the last round's actions."""
        self._note("observation", state, f"the system is {health}", {"health": health, "metrics": state.metrics})
        if self._last is None or before is None or not self._last.done:
            return
        names = [one.action_type for one in self._last.done]
        old, new = before.get("response_time_ms"), state.get("response_time_ms")
        moved = "" if old is None or new is None else f": response time from {old:,.0f} to {new:,.0f} ms"
        facts = {"actions": names, "before": self._last.health, "after": health}
        self._note("outcome", state, f"after {', '.join(names)} the system is {health}{moved}", facts)

    def _note(self, kind: EntryKind, state: State, text: str, data: dict[str, Any]) -> None:
        self.knowledge.add(Entry(at=state.at, kind=kind, system_id=state.system_id, text=text, data=data))


def against(impact: Impact) -> str:
    """Why an action is not carried out that its simulation advises against."""
    instead = f"; rather: {'; '.join(impact.modifications)}" if impact.modifications else ""
    return f"the simulation ({impact.source}) advises against it: risk {impact.risk_level}{instead}"


def write_round(path: Path, one: Round) -> None:
    """Append a round to a trace of JSON Lines."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(one) + b"\n")


def read_trace(path: str | Path) -> list[Round]:
    """The rounds of a trace. Raises ConfigurationError that names the line of what is none."""
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    if not lines:
        raise ConfigurationError(f"{path}: holds no round; write a trace with backstay operations run --out {path}")
    rounds = []
    for number, line in enumerate(lines, 1):
        try:
            rounds.append(msgspec.json.decode(line, type=Round))
        except msgspec.DecodeError as error:
            raise ConfigurationError(f"{path}:{number}: is no round of a trace ({error})") from error
    return rounds
