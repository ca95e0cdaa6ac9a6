"""AgentRun: one run of an agent, step by step; the loop, and what makes it safe to break off at any point.

Ask, write down the answer, run its tools, write down their results, ask again. What is written down is the whole conversation
with the trace in it, so a run that was broken off goes on from its last write:

- a call whose result is there is not run again;
- a call without a result and without a mark never began, and is run;
- a call with a side effect is marked, durably, before it begins. A mark without a result means that nobody knows whether it took
  effect: the model is told so, and the call is not repeated.

Outcomes: an answer or a bound reached is a `stop_reason`. A failure of the model's provider is raised, with a note that names the
conversation to resume. Cancelling the task raises CancelledError and leaves the conversation at its last write.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import groupby
from typing import Any, Protocol, Unpack, runtime_checkable

import msgspec

from backstay.ask import Prompt, Settings
from backstay.conversation.chat import new_turn
from backstay.conversation.conversation import Conversation, Turn
from backstay.conversation.option import AgentOptions, Bounds
from backstay.conversation.protocol import (
    FINAL,
    LAST,
    SYSTEM,
    Decision,
    final_tool,
    history,
    read_json,
    read_native,
    step_schema,
)
from backstay.conversation.store import ConversationStore
from backstay.conversation.trace import AgentResult, ModelStep, Step, StopReason, ToolStep, Trace
from backstay.conversation.window import Asker, Window, fit_window
from backstay.errors import BudgetExceeded, ContentFiltered, DeadlineExceeded, InvalidRequest, LLMError, TimedOut
from backstay.estimate import Estimate
from backstay.ports import World
from backstay.prompts import PromptLibrary
from backstay.tools.execution import Execution
from backstay.tools.flag import ToolContext
from backstay.tools.registry import ToolRegistry
from backstay.types import Request, Response, ResponseFormat, ToolCall, user

STATE = "agent"
"""Where an agent's own state stands in the conversation's."""

UNKNOWN = (
    "the run was interrupted while this tool was at work: it may have taken effect or not, and it was not called again; "
    "find out what happened before you decide"
)


@runtime_checkable
class Estimating(Protocol):
    """A client that knows the price of a question before it is sent."""

    def estimate(self, prompt: Prompt, **settings: Unpack[Settings]) -> Estimate: ...


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What the runs of one agent share."""

    client: Asker
    tools: ToolRegistry
    options: AgentOptions
    bounds: Bounds
    store: ConversationStore
    world: World
    prompts: PromptLibrary


class AgentState(msgspec.Struct, kw_only=True):
    """What a run must know to go on, kept in its conversation; `earlier` are the traces of runs before it in the same one."""

    trace: Trace
    protocol: str
    objective_turn: str
    context: Any = None
    failures: int = 0
    earlier: tuple[Trace, ...] = ()


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of this run only: its `deadline` on the loop's clock, an event that ends it, and the agent above it."""

    deadline: float | None = None
    cancelled: asyncio.Event | None = None
    parent: ToolContext = ToolContext()


class AgentRun:
    """A run in progress: iterate it for steps as they happen, or `await result()`. One consumer."""

    def __init__(self, setup: Setup, begin: Callable[[], Awaitable[Conversation]], trip: Trip) -> None:
        self._setup = setup
        self._begin = begin
        self._trip = trip
        self._conversation: Conversation | None = None
        self._state: AgentState | None = None
        self._steps = self._go()

    def __aiter__(self) -> AsyncIterator[Step]:
        return self._steps

    async def result(self) -> AgentResult:
        """The end of the run, once it is there; takes the steps that are left. Raises RuntimeError where the run was left."""
        async for _ in self._steps:
            pass
        if self.trace.stop_reason is None:
            raise RuntimeError(f"the run was left before its end; resume conversation {self.conversation.id}")
        return AgentResult(conversation_id=self.conversation.id, trace=self.trace)

    async def aclose(self) -> None:
        """Leave the run where it is. Its conversation can be resumed."""
        await self._steps.aclose()  # type: ignore[attr-defined]

    @property
    def conversation(self) -> Conversation:
        """The conversation as it was last saved. Raises RuntimeError before the run has begun."""
        if self._conversation is None:
            raise RuntimeError("the run has not begun: iterate it, or await its result()")
        return self._conversation

    @property
    def state(self) -> AgentState:
        """The run's own state."""
        assert self._state is not None
        return self._state

    @property
    def trace(self) -> Trace:
        """All that was done so far."""
        return self.state.trace

    async def _go(self) -> AsyncIterator[Step]:
        self._conversation = await self._begin()
        self._state = msgspec.convert(self._conversation.state[STATE], AgentState)
        while self.trace.stop_reason is None:
            async for step in self._answer_calls():
                yield step
            if (reason := self._bound()) is not None:
                await self._stop(reason)
                return
            asked = await self._ask()
            if asked is not None:
                yield asked

    def _bound(self) -> StopReason | None:
        """The bound that is reached before the model is asked again."""
        setup, trip = self._setup, self._trip
        if trip.cancelled is not None and trip.cancelled.is_set():
            return "cancelled"
        if trip.deadline is not None and setup.world.clock.monotonic() >= trip.deadline:
            return "deadline"
        if self.state.failures >= setup.options.max_tool_failures:
            return "tool_failures"
        if self.trace.iterations >= setup.bounds.max_iterations:
            return "iterations"
        return None

    async def _ask(self) -> ModelStep | None:
        """One question to the model, and its answer in the conversation; None where it was not asked, or could not answer."""
        setup, options = self._setup, self._setup.options
        window = fit_window(self.conversation, options.max_context_tokens, tools=self._tools())
        request = self._request(window)
        if self._is_too_dear(request):
            await self._stop("budget")
            return None
        try:
            response = await setup.client.generate(request, **options.settings, timeout=self._time_left())
        except LLMError as error:
            if isinstance(error, InvalidRequest) and self._takes_no_tools(error):
                return await self._ask_in_json()
            reason = self._reason_of(error)
            if reason is None:
                error.add_note(f"agent: the run is kept as conversation {self.conversation.id}; resume it")
                raise
            await self._stop(reason)
            return None
        if self._is_auto and response.provenance.rule is not None and not response.tool_calls:
            self._charge(response)
            return await self._ask_in_json()  # offline rules know the JSON protocol only
        return await self._take(response, len(window.left_out))

    @property
    def _is_auto(self) -> bool:
        return self._setup.options.protocol == "auto" and self.state.protocol == "native"

    def _takes_no_tools(self, error: InvalidRequest) -> bool:
        return self._is_auto and any(fault.startswith("tools") for fault in error.faults)

    async def _ask_in_json(self) -> ModelStep | None:
        self.state.protocol = "json"
        return await self._ask()

    def _tools(self) -> tuple[Any, ...]:
        options = self._setup.options
        return (*self._setup.tools.schemas(allowed=options.allowed), final_tool(options.result_schema))

    def _request(self, window: Window) -> Request:
        options = self._setup.options
        if self.state.protocol == "native":
            request = Request(
                system="\n\n".join(filter(None, (options.system, SYSTEM, LAST if self._is_last else None))),
                messages=window.messages,
                tools=self._tools(),
            )
            request = msgspec.structs.replace(request, metadata=msgspec.structs.replace(request.metadata, task="agent"))
        else:
            request = self._json_request(window.turns)
        about = request.metadata
        tags = {**about.tags, "conversation": self.conversation.id}
        about = msgspec.structs.replace(about, tenant=self.conversation.tenant, tags=tags)
        return msgspec.structs.replace(request, metadata=about)

    def _json_request(self, turns: Sequence[Turn]) -> Request:
        """The prompt `agentic_reasoning`: the objective, the tools, and all that is known so far as data."""
        options, state = self._setup.options, self.state
        known = history(self.conversation, [turn for turn in turns if turn.id != state.objective_turn])
        if state.context is not None:
            known.insert(0, {"context": state.context})
        rendered = self._setup.prompts.render(
            "agentic_reasoning",
            reasoning_objective=self.trace.objective,
            available_tools=[
                {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
                for tool in self._setup.tools.schemas(allowed=options.allowed)
            ],
            context=known,
        )
        request = rendered.request()
        system = "\n\n".join(filter(None, (options.system, rendered.system, LAST if self._is_last else None)))
        schema = step_schema(options.result_schema, is_last=self._is_last)
        form = ResponseFormat(schema=schema, name="step", strict=False)
        return msgspec.structs.replace(request, system=system, response_format=form)

    @property
    def _is_last(self) -> bool:
        """True where the next answer is the last one that the bounds allow: what it calls would not be read any more."""
        return 1 < self._setup.bounds.max_iterations == self.trace.iterations + 1

    def _time_left(self) -> float | None:
        deadline = self._trip.deadline
        return None if deadline is None else deadline - self._setup.world.clock.monotonic()

    def _is_too_dear(self, request: Request) -> bool:
        """True where the question could cost more than is left of the budget. A price that is not known is too dear."""
        limit = self._setup.bounds.budget_nano_usd
        if limit is None:
            return False
        if self.conversation.spent.unpriced:
            return True
        if isinstance(self._setup.client, Estimating):
            cost = self._setup.client.estimate(request, **self._setup.options.settings).cost
            return cost is None or self.trace.spent_nano_usd + cost.nano_usd > limit
        return self.trace.spent_nano_usd >= limit

    def _reason_of(self, error: LLMError) -> StopReason | None:
        """The stop that an error of the client stands for, None where it is a failure."""
        if isinstance(error, BudgetExceeded):
            return "budget"
        if isinstance(error, ContentFiltered):
            return "refused"
        is_late = isinstance(error, DeadlineExceeded) or (isinstance(error, TimedOut) and error.phase == "total")
        left = self._time_left()
        return "deadline" if is_late and left is not None and left <= 0 else None

    def _charge(self, response: Response) -> None:
        cost = 0 if response.cost is None else response.cost.nano_usd
        self._set(spent_nano_usd=self.trace.spent_nano_usd + cost)
        if self._trip.parent.charge is not None:
            self._trip.parent.charge(None if response.cost is None else cost)

    async def _take(self, response: Response, left_out: int) -> ModelStep:
        """Read the answer, and write it down with what it means."""
        result = self._setup.options.result_schema
        if self.state.protocol == "native":
            names = self._setup.tools.names(allowed=self._setup.options.allowed)
            decision = read_native(response, result, self._setup.world.ids.new, names)
        else:
            decision = read_json(response, result, self._setup.world.ids.new)
        is_refused = response.refusal is not None or response.finish_reason in ("refusal", "content_filter")
        is_helpless = decision.fault is not None and response.provenance.rule is not None
        step = ModelStep(
            iteration=self.trace.iterations + 1,
            text=response.text or response.refusal or "",
            calls=decision.calls,
            answer=None if is_refused else decision.answer,
            fault=decision.fault,
            finish_reason=response.finish_reason,
            target=response.provenance.target,
            is_degraded=response.provenance.degraded,
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
            cost_nano_usd=None if response.cost is None else response.cost.nano_usd,
            latency=response.latency,
            left_out=left_out,
        )
        self._charge(response)
        stop: StopReason | None = "answered" if step.answer is not None else None
        if is_refused or is_helpless:
            stop = "refused"
        self._set(steps=(*self.trace.steps, step), iterations=step.iteration, answer=step.answer, stop_reason=stop)
        await self._save(self._written(decision, response))
        return step

    def _written(self, decision: Decision, response: Response) -> Conversation:
        """The conversation with the answer in it, and with what the model must hear of it before it goes on."""
        world = self._setup.world
        changed = self.conversation.with_response(response, new_turn(world, decision.message))
        open_calls = changed.unanswered()
        if decision.calls or (decision.fault is None and not open_calls):
            return changed
        words = "accepted" if decision.fault is None else f"That was no valid step: {decision.fault}"
        if not open_calls:
            return changed.with_turn(new_turn(world, user(words)))
        outcome: Any = "success" if decision.fault is None else "invalid"
        told = tuple(
            Execution(call_id=call.id, name=call.name, outcome=outcome, content=words).result() for call in open_calls
        )
        return changed.with_results(told, id=world.ids.new(), now_ns=world.clock.wall_ns())

    async def _answer_calls(self) -> AsyncIterator[Step]:
        """Run the calls of the last turn that have no result: those without a side effect together, the others one by one."""
        calls = self.conversation.unanswered()
        is_parallel = self._setup.options.parallel
        numbers = iter(range(len(calls)))
        for _, group in groupby(calls, lambda call: next(numbers) if self._has_effect(call) or not is_parallel else -1):
            batch = tuple(group)
            if any(self._has_effect(call) and call.id not in self.conversation.begun for call in batch):
                await self._save(self.conversation.with_begun(*(call.id for call in batch)))
                done = await self._execute(batch)
            else:
                done = [self._lost(call) for call in batch if call.id in self.conversation.begun]
                done += await self._execute([call for call in batch if call.id not in self.conversation.begun])
            for step in await self._note(done):
                yield step

    def _has_effect(self, call: ToolCall) -> bool:
        tools = self._setup.tools
        return call.name in tools and tools.get(call.name).flags.side_effect

    async def _execute(self, calls: Sequence[ToolCall]) -> list[Execution]:
        trip, conversation = self._trip, self.conversation
        context = ToolContext(
            tenant=conversation.tenant,
            conversation_id=conversation.id,
            deadline=trip.deadline,
            depth=trip.parent.depth + 1,
            charge=self._charge_tool,
        )
        ours = [call for call in calls if call.name == FINAL]
        words = "error: call final_answer alone, after you have seen the results of the other calls"
        told = [Execution(call_id=call.id, name=FINAL, outcome="refused", content=words, error=words) for call in ours]
        rest = [call for call in calls if call.name != FINAL]
        return told + await self._setup.tools.execute_all(rest, allowed=self._setup.options.allowed, context=context)

    def _charge_tool(self, nano_usd: int | None) -> None:
        """Money that a tool spent, an agent below for one."""
        spent = self.conversation.spent.with_charge(nano_usd)
        self._conversation = msgspec.structs.replace(self.conversation, spent=spent)
        self._set(spent_nano_usd=self.trace.spent_nano_usd + (nano_usd or 0))
        if self._trip.parent.charge is not None:
            self._trip.parent.charge(nano_usd)

    def _lost(self, call: ToolCall) -> Execution:
        """A call that was begun before a crash: its end is not known."""
        return Execution(
            call_id=call.id,
            name=call.name,
            arguments=call.arguments,
            outcome="failed",
            content=f"error: {UNKNOWN}",
            error=UNKNOWN,
            is_uncertain=True,
        )

    async def _note(self, done: Sequence[Execution]) -> list[Step]:
        """Write down results; the trace keeps what the model was given, and not the whole value behind it."""
        world, state = self._setup.world, self.state
        steps: list[Step] = [
            ToolStep(iteration=self.trace.iterations, execution=msgspec.structs.replace(one, value=None))
            for one in done
        ]
        for one in done:
            state.failures = state.failures + 1 if one.is_error else 0
        self._set(steps=(*self.trace.steps, *steps))
        results = tuple(one.result() for one in done)
        await self._save(self.conversation.with_results(results, id=world.ids.new(), now_ns=world.clock.wall_ns()))
        return steps

    async def _stop(self, reason: StopReason) -> None:
        self._set(stop_reason=reason)
        await self._save(self.conversation)

    def _set(self, **changes: Any) -> None:
        self.state.trace = msgspec.structs.replace(self.trace, **changes)

    async def _save(self, conversation: Conversation) -> None:
        kept = {**conversation.state, STATE: msgspec.to_builtins(self._state)}
        self._conversation = await self._setup.store.save(msgspec.structs.replace(conversation, state=kept))
