"""SimTransport: a provider's server in virtual time, in real bytes: for proofs that run the real codec and the real client.

It reads each request with the dialect's own mirror (`decode_request`), answers with the dialect's own encoder, and damages the
bytes as its plan says. Beneath stands the fake transport, which is the real HTTP client over a connection in memory: its
parser, its bounds and its time limits are the ones that programs run with.

The log has an entry for each request that arrived; since HTTP carries no attempt id, it is the number of the request. An entry is
billed for the whole answer, which is the most that a provider may bill.
"""

from __future__ import annotations

from backstay.codecs.base import Codec
from backstay.event import Event, Finished, Started, TextDelta, UsageReport
from backstay.ports import World
from backstay.sim.damage import Spoken, damaged
from backstay.sim.fault import NO_FAULTS, FaultPlan, Kind
from backstay.sim.hint import FORMS
from backstay.sim.record import Entry, Log
from backstay.sim.traits import Traits
from backstay.sim.work import count_tokens
from backstay.transport.base import DEFAULT_TIMEOUTS, Timeouts
from backstay.transport.fake import FakeTransport
from backstay.transport.response import HTTPResponse
from backstay.transport.script import Answer
from backstay.types import Request, Response, Text, Usage
from backstay.wire import HTTPRequest


class SimTransport:
    """A Transport that answers for one dialect. Rate limits and outages of `traits` are `SimProvider`'s alone."""

    def __init__(
        self, codec: Codec, *, world: World, traits: Traits | None = None, plan: FaultPlan = NO_FAULTS
    ) -> None:
        self.traits = traits or Traits()
        self.plan = plan
        self.log = Log(self.traits.prices)
        self._codec = codec
        self._world = world
        self._fake = FakeTransport(self._answer, repeat=True)

    @property
    def open_connections(self) -> int:
        """Connections that are open: 0 when nothing was leaked."""
        return self._fake.open_connections

    async def send(
        self, request: HTTPRequest, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, deadline: float | None = None
    ) -> HTTPResponse:
        """The answer's status and headers, its body still to be read."""
        return await self._fake.send(request, timeouts=timeouts, deadline=deadline)

    async def aclose(self) -> None:
        """Close what is open. Idempotent."""
        await self._fake.aclose()

    def _answer(self, http: HTTPRequest) -> Answer:
        self._fake.requests.clear()  # the log is what is kept
        draw, traits = self._world.rng.random, self.traits
        kind = self.plan.draw(draw())
        request = self._codec.decode_request(http)
        tokens = max(1, round(traits.output_tokens.at(draw())))
        if request.max_output_tokens is not None:
            tokens = min(tokens, request.max_output_tokens)
        spoken = Spoken(
            self._codec,
            request,
            first=traits.first_token.at(draw()),
            pace=traits.per_token.at(draw()) * traits.tokens_per_event,
            is_stream=self._codec.is_stream(http),
        )
        spoken.say(*self._said(request, tokens))
        if kind is None or kind.stage != "connect":
            self._note(request, tokens, kind)
        return damaged(kind, spoken, self._hint(kind))

    def _said(self, request: Request, tokens: int) -> tuple[Response, list[Event]]:
        """The answer, whole and as events."""
        usage = Usage(input_tokens=count_tokens(request), output_tokens=tokens)
        model, step = request.model or "model", self.traits.tokens_per_event
        texts = ["word " * min(step, tokens - done) for done in range(0, tokens, step)]
        response = Response(
            parts=(Text(text="".join(texts)),), finish_reason="stop", usage=usage, model=model, id="answer-1"
        )
        events: list[Event] = [Started(id="answer-1", model=model), *map(TextDelta, texts)]
        return response, [*events, UsageReport(usage), Finished("stop")]

    def _note(self, request: Request, tokens: int, kind: Kind | None) -> None:
        entry = Entry(
            at=self._world.clock.monotonic(),
            attempt_id=str(len(self.log) + 1),
            model=request.model,
            input_tokens=count_tokens(request),
            output_tokens=tokens,
            outcome="complete",
        )
        if kind is not None:
            entry.fault = kind.name
            entry.outcome = "refused" if kind.stage == "refusal" else "lost"
        self.log.entries.append(entry)

    def _hint(self, kind: Kind | None) -> dict[str, str]:
        if kind is None or kind.form is None:
            return {}
        return FORMS[kind.form](1 + 9 * self._world.rng.random(), self._world.clock.wall_ns() / 1e9)
