"""Agent: works on an objective with tools, in at most so many steps, seconds and dollars, and says how it ended.

    agent = Agent(client, registry, objective="Why is the web tier slow?", max_iterations=10, budget="0.50")
    found = await agent.run()
    print(found.result, found.confidence, found.stop_reason)
    print(found.report())

Whatever it does is in its conversation, in a store: `resume(conversation_id)` goes on after a crash without repeating a tool with
a side effect (`run.py` says how). The client is anything with `generate`; an agent is itself a tool of another by `as_tool`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, Unpack

import msgspec

from backstay import types
from backstay.conversation.chat import load_conversation, new_conversation, new_turn
from backstay.conversation.conversation import Conversation
from backstay.conversation.option import MAX_DEPTH, MAX_ITERATIONS, TIMEOUT, AgentOptions, Bounds, Budget, nano_usd
from backstay.conversation.protocol import FINAL
from backstay.conversation.run import STATE, AgentRun, AgentState, Setup, Trip
from backstay.conversation.store import ConversationStore, MemoryConversations
from backstay.conversation.trace import AgentResult, Trace
from backstay.conversation.window import Asker
from backstay.errors import ConfigurationError, ToolFailed
from backstay.ports import World
from backstay.prompts import PromptLibrary
from backstay.tools.flag import Flags, FlagSettings, ToolContext, flags_of
from backstay.tools.registry import AnyTool, ToolRegistry

ENDED: Final = frozenset({"answered", "refused"})
"""Ends that resuming does not undo; a run that reached a bound goes on when it is resumed."""


class Agent:
    """Runs of a model with tools. `timeout` is seconds, `budget` US dollars (Decimal, int or str); None is no bound.

    `tools` is a ToolRegistry, or the tools to make one of. `store` keeps the conversations, in memory by default. Raises
    ConfigurationError with every fault of the settings.
    """

    def __init__(
        self,
        client: Asker,
        tools: ToolRegistry | Iterable[AnyTool],
        *,
        objective: str | None = None,
        max_iterations: int = MAX_ITERATIONS,
        timeout: float | None = TIMEOUT,
        budget: Budget | None = None,
        options: AgentOptions | None = None,
        store: ConversationStore | None = None,
    ) -> None:
        self.objective = objective
        registry = tools if isinstance(tools, ToolRegistry) else ToolRegistry(*tools)
        options = options or AgentOptions()
        faults = [f"agent: the tool name {FINAL!r} is the agent's own"] if FINAL in registry else []
        faults += [
            f"agent.allowed: there is no tool {name!r}" for name in options.allowed or () if name not in registry
        ]
        if faults:
            raise ConfigurationError(*faults)
        self._world = options.world or World.real()
        self._setup = Setup(
            client=client,
            tools=registry,
            options=options,
            bounds=Bounds(max_iterations=max_iterations, timeout=timeout, budget_nano_usd=nano_usd(budget)),
            store=store or MemoryConversations(),
            world=self._world,
            prompts=options.prompts or PromptLibrary(rng=self._world.rng),
        )

    async def run(
        self,
        objective: str | None = None,
        *,
        context: Any = None,
        conversation_id: str | None = None,
        tenant: str | None = None,
        deadline: float | None = None,
        cancelled: asyncio.Event | None = None,
        parent: ToolContext | None = None,
    ) -> AgentResult:
        """The end of a run towards `objective`; see `stream` for the arguments. Raises LLMError where the model fails."""
        return await self.stream(
            objective,
            context=context,
            conversation_id=conversation_id,
            tenant=tenant,
            deadline=deadline,
            cancelled=cancelled,
            parent=parent,
        ).result()

    def stream(
        self,
        objective: str | None = None,
        *,
        context: Any = None,
        conversation_id: str | None = None,
        tenant: str | None = None,
        deadline: float | None = None,
        cancelled: asyncio.Event | None = None,
        parent: ToolContext | None = None,
    ) -> AgentRun:
        """A run towards `objective`, step by step: `async for step in agent.stream("...")`, then `await run.result()`.

        `context` is JSON data that the model is given beside the objective. `conversation_id` goes on with an earlier
        conversation. `deadline` is an instant on the loop's clock, beside the agent's own timeout. Setting `cancelled` ends the
        run after the step under way. `parent` is the context of the tool that this run is.
        """
        chosen = objective if objective is not None else self.objective
        if not chosen or not chosen.strip():
            raise ConfigurationError("an agent needs an objective: Agent(..., objective=...) or run('...')")
        parent = parent or ToolContext()
        if parent.depth >= MAX_DEPTH:
            raise ToolFailed(f"agents within agents are {MAX_DEPTH} deep here already: do it without another one")
        trip = self._trip(deadline, cancelled, parent)
        return AgentRun(self._setup, lambda: self._begin(chosen, context, conversation_id, tenant), trip)

    async def resume(
        self,
        conversation_id: str,
        *,
        tenant: str | None = None,
        deadline: float | None = None,
        cancelled: asyncio.Event | None = None,
    ) -> AgentResult:
        """The end of a run that was broken off, or that reached a bound. A run that has ended gives its end again.

        Raises NotFound where there is no such conversation, ConversationConflict where somebody else goes on with it.
        """
        trip = self._trip(deadline, cancelled, ToolContext())
        return await AgentRun(self._setup, lambda: self._again(conversation_id, tenant), trip).result()

    def _trip(self, deadline: float | None, cancelled: asyncio.Event | None, parent: ToolContext) -> Trip:
        timeout = self._setup.bounds.timeout
        own = None if timeout is None else self._world.clock.monotonic() + timeout
        ends = [end for end in (own, deadline, parent.deadline) if end is not None]
        return Trip(deadline=min(ends, default=None), cancelled=cancelled, parent=parent)

    async def _begin(
        self, objective: str, context: Any, conversation_id: str | None, tenant: str | None
    ) -> Conversation:
        """A conversation with the objective in it, saved before anything is asked."""
        earlier: tuple[Trace, ...] = ()
        options = self._setup.options
        if conversation_id is None:
            conversation = new_conversation(self._world, tenant=tenant, system=options.system, ttl=options.ttl)
        else:
            conversation = await load_conversation(self._setup.store, self._world, conversation_id, tenant)
            if STATE in conversation.state:
                before = msgspec.convert(conversation.state[STATE], AgentState)
                if before.trace.stop_reason is None or conversation.unanswered():
                    raise ConfigurationError(f"conversation {conversation_id}: its run has not ended; resume it first")
                earlier = (*before.earlier, before.trace)
        known = () if context is None else ("\n\nWhat is known (data):\n" + msgspec.json.encode(context).decode(),)
        turn = new_turn(self._world, types.user(objective, *known), is_pinned=True)
        state = AgentState(
            trace=Trace(objective=objective),
            protocol="json" if options.protocol == "json" else "native",
            objective_turn=turn.id,
            context=context,
            earlier=earlier,
        )
        return await self._save(conversation.with_turn(turn), state)

    async def _again(self, conversation_id: str, tenant: str | None) -> Conversation:
        conversation = await load_conversation(self._setup.store, self._world, conversation_id, tenant)
        if STATE not in conversation.state:
            raise ConfigurationError(f"conversation {conversation_id}: is not an agent's")
        state = msgspec.convert(conversation.state[STATE], AgentState)
        if state.trace.stop_reason is None or state.trace.stop_reason in ENDED:
            return conversation
        state.trace = msgspec.structs.replace(state.trace, stop_reason=None)
        state.failures = 0
        return await self._save(conversation, state)

    async def _save(self, conversation: Conversation, state: AgentState) -> Conversation:
        kept = {**conversation.state, STATE: msgspec.to_builtins(state)}
        return await self._setup.store.save(msgspec.structs.replace(conversation, state=kept))

    def as_tool(self, name: str, description: str, **flags: Unpack[FlagSettings]) -> AgentTool:
        """This agent as a tool of another: it takes an objective and gives its result. Its cost is its caller's as well.

        It has a side effect where one of its own tools has one; its time-out is the agent's own.
        """
        allowed = self._setup.options.allowed
        tools = self._setup.tools
        has_effect = any(tools.get(one).flags.side_effect for one in tools.names(allowed=allowed))
        base = Flags(side_effect=has_effect, timeout=None)
        return AgentTool(self, name=name, description=description, flags=flags_of(base, flags))


class AgentTool:
    """An agent as a tool."""

    def __init__(self, agent: Agent, *, name: str, description: str, flags: Flags) -> None:
        self.flags = flags
        self._run: Callable[..., Any] = agent.run
        self.schema = types.Tool(
            name=name,
            description=description,
            parameters={
                "type": "object",
                "properties": {"objective": {"type": "string", "description": "what it is to find out or do"}},
                "required": ["objective"],
                "additionalProperties": False,
            },
        )

    async def execute(self, arguments: dict[str, Any], context: ToolContext | None = None) -> dict[str, Any]:
        """The agent's result. Raises ToolFailed where it ended without one."""
        context = context or ToolContext()
        found: AgentResult = await self._run(arguments["objective"], tenant=context.tenant, parent=context)
        if not found.is_answered:
            raise ToolFailed(f"it ended without an answer: {found.stop_reason} after {found.iterations} steps")
        return {"result": found.result, "confidence": found.confidence, "conversation_id": found.conversation_id}
