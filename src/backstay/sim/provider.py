"""SimProvider: a model provider in virtual time: its latency, its own rate limits, its outages, its faults and its bill.

It stands where the innermost service of a stack stands, so a proof runs the very layers that a program runs:

    world = sim_world(seed)
    provider = SimProvider(Traits(quotas=(Quota(dimension="requests", limit=60),)), world=world, plan=FaultPlan.of(seed))
    service = stack(provider, Retry(RetryPolicy(), world=world))

It keeps a `log` of its own, which is the oracle: what arrived, when, what was made of it and what it is billed at. It bills as
providers do: a stream that the caller left for the tokens that had been made, work whose answer was lost in full, a refusal
not at all. Errors are the ones that a codec makes of the same answer, so what stands above cannot tell the difference.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NoReturn

from backstay.codecs.retry_after import retry_after
from backstay.errors import ConnectFailed, LLMError, StreamInterrupted, from_status
from backstay.event import Event, Finished, Started, TextDelta, UsageReport
from backstay.ports import World
from backstay.service import Call, Reply
from backstay.sim.fault import CONNECT_TIMEOUT, NO_FAULTS, FaultPlan, Kind
from backstay.sim.hint import FORMS
from backstay.sim.quota import Window
from backstay.sim.record import Ending, Entry, Log
from backstay.sim.traits import Outage, Traits
from backstay.sim.work import Question, Work, count_tokens
from backstay.types import Limit, Provenance, Request, Response, Text, Usage

DRIP = 20.0
"""A slow answer takes this many times as long for each token."""
JUMPS = (3600.0, -3600.0, 86400.0, -0.5)
"""What a wall clock may be set by, in seconds."""
WRONG_COUNTS = (-5, 0, 10**12)
MOST_FLOORS = 10_000
"""Instants named to callers that are remembered, those that have passed not counted."""


class SimProvider:
    """A Service. `plan` says what goes wrong; `answer` gives the text of an answer, else it is words of the drawn length.

    A `Question` says itself how long its answer is; that answer is one word that counts as so many tokens. `log` is the record
    to write to, one of its own by default.
    """

    is_remote = True
    """A client treats it as a server elsewhere: with circuit, limits, cache and hedge."""

    def __init__(
        self,
        traits: Traits | None = None,
        *,
        world: World,
        plan: FaultPlan = NO_FAULTS,
        answer: Callable[[Request], str] | None = None,
        log: Log | None = None,
    ) -> None:
        self.traits = traits or Traits()
        self.plan = plan
        self.log = Log(self.traits.prices) if log is None else log
        self.in_flight = 0
        self.most_in_flight = 0
        self._world = world
        self._answer = answer
        self._windows = tuple(Window(quota) for quota in self.traits.quotas)
        self._limits: tuple[Limit, ...] = ()
        self._floors: dict[str, float] = {}
        self._forms = 0

    async def __call__(self, call: Call, /) -> Reply:
        draw, clock = self._world.rng.random, self._world.clock
        kind = self.plan.draw(draw())
        outage = self._outage(clock.monotonic())
        if outage is not None and outage.status is None:
            raise ConnectFailed("cannot connect (Connection refused)")
        if kind is not None and kind.stage == "connect":
            await self._never(kind)
        entry = self._arrive(call)
        if outage is not None and outage.status is not None:
            await self._refuse(entry, call, from_status(outage.status, "the provider is down"))
        if self._windows and (wait := self._over(entry, call.request)) > 0:
            await self._refuse(entry, call, from_status(429, "the rate limit is reached"), wait, self._form())
        if kind is not None:
            await self._strike(kind, entry, call)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        text, tokens = self._text(call.request, draw())
        pace = self.traits.per_token.at(draw()) * (DRIP if kind is not None and kind.stage == "drip" else 1.0)
        work = Work(entry, text, tokens, self.traits.first_token.at(draw()), pace, kind)
        return await (self._streamed(work, call) if call.stream else self._whole(work, call))

    def forget(self) -> None:
        """Drop the log and what is known of earlier attempts: for runs that are longer than memory."""
        self.log.forget()
        self._floors.clear()

    # what arrives, and what is refused

    def _arrive(self, call: Call) -> Entry:
        now, id, request = self._world.clock.monotonic(), call.attempt_id, call.request
        entry = Entry(
            at=now,
            attempt_id=id,
            model=request.model,
            input_tokens=count_tokens(request),
            is_early=bool(self._floors) and now < self._floors.pop(request.id, 0.0),
        )
        self.log.add(entry)
        return entry

    def _outage(self, now: float) -> Outage | None:
        return next((outage for outage in self.traits.outages if outage.start <= now < outage.end), None)

    def _over(self, entry: Entry, request: Request) -> float:
        """Seconds until the provider's limits take this attempt; 0 when they take it now, and then it counts."""
        most = request.max_output_tokens or 0
        amounts = {"requests": 1, "input_tokens": entry.input_tokens, "tokens": entry.input_tokens + most}
        pairs = [(window, amounts[window.quota.dimension]) for window in self._windows]
        wait = max(window.wait(amount, entry.at) for window, amount in pairs)
        if wait <= 0:
            for window, amount in pairs:
                window.admit(amount, entry.at)
        if self.traits.tells_limits:
            self._limits = tuple(_told(window, entry.at) for window, _ in pairs)
        return wait

    def _form(self) -> str | None:
        """The next form in turn; None where this provider names no wait."""
        forms = self.traits.retry_after
        self._forms += 1
        return forms[self._forms % len(forms)] if forms else None

    async def _refuse(
        self, entry: Entry, call: Call, error: LLMError, wait: float = 0.0, form: str | None = None
    ) -> NoReturn:
        """Answer with `error`; `wait` is counted from the moment in which the caller hears of it."""
        entry.outcome = "refused"
        entry.status = getattr(error, "status", 200)
        await self._world.sleep(self.traits.refusal.at(self._world.rng.random()))
        now = self._world.clock.monotonic()
        entry.ended = now
        if form is not None:
            wall = self._world.clock.wall_ns() / 1e9
            error.retry_after = retry_after(FORMS[form](wait, wall), now=wall)
            self._floors[call.request.id] = now + wait
            if len(self._floors) > MOST_FLOORS:
                self._floors = {id: floor for id, floor in self._floors.items() if floor > now}
        error.limits = self._limits
        raise error

    # what goes wrong

    async def _never(self, kind: Kind) -> NoReturn:
        """Nothing arrives at the provider, and its log knows nothing of it."""
        await self._world.sleep(CONNECT_TIMEOUT if kind.name == "hang_connecting" else 0.001)
        raise kind.error()

    async def _strike(self, kind: Kind, entry: Entry, call: Call) -> None:
        entry.fault = kind.name
        if kind.stage == "refusal":
            await self._refuse(entry, call, kind.error(), 1 + 9 * self._world.rng.random(), kind.form)
        if kind.stage == "clock":
            jump = JUMPS[int(self._world.rng.random() * len(JUMPS))]
            getattr(self._world.clock, "step", _no_step)(jump)

    # answers

    def _text(self, request: Request, draw: float) -> tuple[str, int]:
        if self._answer is not None:
            text = self._answer(request)
            return text, len(text) // 4 + 1
        asked = request.answer_tokens if isinstance(request, Question) else 0
        tokens = asked or max(1, round(self.traits.output_tokens.at(draw)))
        if request.max_output_tokens is not None:
            tokens = min(tokens, request.max_output_tokens)
        return "word " * (1 if asked else tokens), tokens

    async def _whole(self, work: Work, call: Call) -> Reply:
        began = self._world.clock.monotonic()
        try:
            if work.stage in ("hang", "hang_late"):
                await asyncio.get_running_loop().create_future()
            await self._world.sleep(work.first + work.pace * work.tokens)
        except BaseException:
            spent = self._world.clock.monotonic() - began - work.first
            made = 0 if spent <= 0 else work.tokens if work.pace == 0 else min(work.tokens, int(spent / work.pace) + 1)
            self._end(work, "dropped", 0 if work.stage == "hang" else made)
            raise
        if work.stage in ("early", "late"):
            self._end(work, "lost", work.tokens)
            raise work.error()
        self._end(work, "complete", work.tokens)
        return Reply(
            response=Response(
                parts=(Text(text=work.text),),
                finish_reason=work.reason(call.request),
                usage=self._usage(work, has_usage=True),
                model=call.request.model,
                latency=self._world.clock.monotonic() - began,
                provenance=Provenance(target=self.traits.name, limits=self._limits),
            )
        )

    def _usage(self, work: Work, *, has_usage: bool) -> Usage:
        entry = work.entry
        if not has_usage or (work.kind is not None and work.kind.name == "missing_usage"):
            return Usage()
        if work.stage == "usage":
            wrong = WRONG_COUNTS[int(self._world.rng.random() * len(WRONG_COUNTS))]
            return Usage(input_tokens=entry.input_tokens, output_tokens=wrong)
        return Usage(input_tokens=entry.input_tokens, output_tokens=work.tokens)

    def _end(self, work: Work, outcome: Ending, made: int | None = None) -> None:
        """The provider stops working for an attempt; the first end stands."""
        entry = work.entry
        if entry.ended is None:
            entry.ended = self._world.clock.monotonic()
            entry.outcome = outcome
            self.in_flight -= 1
            if made is not None:
                entry.output_tokens = made

    async def _streamed(self, work: Work, call: Call) -> Reply:
        """The reply, read ahead to its first content event, as a real provider's is."""
        try:
            if work.stage == "hang":
                await asyncio.get_running_loop().create_future()
            await self._world.sleep(work.first + work.pace * self._batch(work, 0))
        except BaseException:
            self._end(work, "dropped", 0)
            raise
        if work.stage == "early":
            self._end(work, "lost", work.tokens)
            raise work.error()
        step = work.entry.output_tokens = self._batch(work, 0)
        size = math.ceil(len(work.text) * step / work.tokens)
        head = (Started(model=call.request.model), TextDelta(work.text[:size]))

        async def close() -> None:
            self._end(work, "dropped")

        return Reply(self._rest(work, call.request, size), head=head, close=close)

    def _batch(self, work: Work, made: int) -> int:
        """The tokens that a stream sends next, all at once."""
        traits = self.traits
        if traits.seconds_per_event is None:
            return min(traits.tokens_per_event, work.tokens - made)
        if made == 0 or work.pace <= 0:
            return 1 if made == 0 else work.tokens - made
        return min(max(1, int(traits.seconds_per_event / work.pace)), work.tokens - made)

    async def _rest(self, work: Work, request: Request, size: int) -> AsyncIterator[Sequence[Event]]:
        entry, at = work.entry, size
        middle = work.tokens // 2
        while entry.output_tokens < work.tokens or work.stage in ("late", "hang_late"):
            if work.stage in ("late", "hang_late") and entry.output_tokens >= middle:
                if work.stage == "hang_late":
                    await asyncio.get_running_loop().create_future()
                self._end(work, "lost")
                cause = work.error()
                raise StreamInterrupted(f"the stream broke after its first content: {cause}") from cause
            step = self._batch(work, entry.output_tokens)
            await self._world.sleep(work.pace * step)
            entry.output_tokens += step
            yield (TextDelta(work.text[at : at + size]),)
            at += size
        usage = self._usage(work, has_usage=self.traits.has_usage)
        self._end(work, "complete")
        yield (UsageReport(usage), Finished(work.reason(request)))


def _told(window: Window, now: float) -> Limit:
    quota = window.quota
    return Limit(
        dimension=quota.dimension,
        limit=quota.limit,
        remaining=max(quota.limit - window.used, 0),
        reset=window.wait(quota.limit, now),
        period=quota.window,
    )


def _no_step(seconds: float) -> None:
    """A world whose clock cannot be set has no jumps."""
