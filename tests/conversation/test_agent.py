"""The loop: it ends for a stated reason, with both protocols, and every tool runs as often as it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from backstay.client import Client
from backstay.conversation import Agent, AgentOptions, ConversationConflict, MemoryConversations
from backstay.conversation.conversation import Conversation
from backstay.conversation.run import STATE
from backstay.conversation.trace import ModelStep, ToolStep
from backstay.errors import ConfigurationError, InvalidRequest, NotFound, ServerFault
from backstay.estimate import Estimate
from backstay.ledger.memory import MemoryLedger
from backstay.offline.provider import Answer, Offline, Rule
from backstay.offline.scripted import Line, Scripted
from backstay.sim import sim_world
from backstay.tools import ToolContext, ToolRegistry, tool
from backstay.types import Cost, Refusal, Request, Response, Text, ToolCall, ToolResult

USE = '{"action": "use_tool", "tool_name": "get_load", "parameters": {"server": "web"}, "reasoning": "not known yet"}'
FINISH = '{"action": "final_answer", "result": "Add a server.", "reasoning": "load is 0.97", "confidence": 0.9}'


@tool
async def get_load(server: str) -> float:
    """The load of a server, 0 to 1."""
    return 0.97


def calling(name: str, id: str = "c1", **arguments: Any) -> Response:
    """A model's answer that calls one tool."""
    return Response(parts=(ToolCall(id=id, name=name, arguments=arguments),), finish_reason="tool_call")


def final(result: Any = "Add a server.", confidence: float = 0.9) -> Response:
    """A model's final answer, native."""
    return calling("final_answer", "f1", result=result, reasoning="load is 0.97", confidence=confidence)


def talking(*lines: Line, **options: Any) -> tuple[Client, Scripted]:
    """A client that answers by a script, in virtual time."""
    script = Scripted(*lines, **options)
    return Client(
        "scripted:demo", services={"scripted": script}, world=sim_world(), ledger=MemoryLedger(owner="t")
    ), script


def agent(client: Client, *tools: Any, store: Any = None, **settings: Any) -> Agent:
    """An agent in the virtual world."""
    names = ("protocol", "max_tool_failures", "allowed", "result_schema", "parallel", "system", "max_context_tokens")
    options = {name: settings.pop(name) for name in names if name in settings}
    made = AgentOptions(world=sim_world(), **options)
    registry = tools[0] if tools and isinstance(tools[0], ToolRegistry) else ToolRegistry(*(tools or (get_load,)))
    return Agent(client, registry, options=made, store=store, **settings)


@pytest.mark.parametrize(
    ("protocol", "lines"),
    [("json", (USE, FINISH)), ("native", (calling("get_load", server="web"), final()))],
)
async def test_a_tool_then_an_answer(protocol: str, lines: tuple[Line, ...]) -> None:
    """Two answers of the model end a run with the result, its confidence and two iterations, in either protocol."""
    client, script = talking(*lines)
    found = await agent(client, protocol=protocol).run("Is the web tier overloaded?")
    assert (found.stop_reason, found.result, found.confidence) == ("answered", "Add a server.", 0.9)
    assert found.iterations == 2
    assert [one.text for one in found.trace.executions] == ["0.97"]
    assert len(script.requests) == 2
    await client.aclose()


async def test_the_result_goes_back_as_a_tool_result() -> None:
    """Native: the second question carries the tool's answer in the tool role, not as words of the user."""
    client, script = talking(calling("get_load", server="web"), final())
    await agent(client).run("Is it overloaded?")
    sent = script.requests[1].messages
    assert [message.role for message in sent] == ["user", "assistant", "tool"]
    assert sent[2].parts == (ToolResult(call_id="c1", name="get_load", content="0.97"),)
    assert {one.name for one in script.requests[0].tools} == {"get_load", "final_answer"}
    await client.aclose()


async def test_the_json_protocol_sends_no_tools_and_knows_the_steps() -> None:
    """JSON: what is known so far stands in the prompt as data, and tool results with it."""
    client, script = talking(USE, FINISH)
    await agent(client, protocol="json").run("Is it overloaded?", context={"tier": "web"})
    assert script.requests[1].tools == ()
    assert script.requests[1].metadata.task == "agentic_reasoning"
    text = script.requests[1].messages[0].text
    assert '"result":"0.97"' in text
    assert '"context":{"tier":"web"}' in text
    await client.aclose()


async def test_words_alone_are_an_answer() -> None:
    """A native model that just says it has answered, without a confidence."""
    client, _ = talking("Nothing is wrong.")
    found = await agent(client).run("Look")
    assert (found.result, found.confidence, found.iterations) == ("Nothing is wrong.", None, 1)
    await client.aclose()


@pytest.mark.parametrize(
    "broken",
    ['{"action": "use_tool", "parameters": {}}', "I would rather not use JSON", '{"action": "fly"}', ""],
)
async def test_what_is_no_step_is_told_to_the_model(broken: str) -> None:
    """An answer that is no step costs an iteration, and the model hears why."""
    client, script = talking(broken, FINISH)
    found = await agent(client, protocol="json").run("Look")
    assert (found.stop_reason, found.iterations) == ("answered", 2)
    assert "no valid step" in script.requests[1].messages[0].text
    await client.aclose()


async def test_a_damaged_step_is_recovered() -> None:
    """A fence, single quotes and a trailing comma cost nothing."""
    client, _ = talking("Sure:\n```json\n{'action': 'final_answer', 'result': 'ok', 'confidence': '0.8',}\n```")
    found = await agent(client, protocol="json").run("Look")
    assert (found.result, found.confidence, found.iterations) == ("ok", 0.8, 1)
    await client.aclose()


async def test_iterations_end_a_run() -> None:
    """A model that never finishes is asked max_iterations times."""
    client, script = talking(USE, is_endless=True)
    found = await agent(client, protocol="json", max_iterations=3).run("Look")
    assert (found.stop_reason, found.iterations, found.result) == ("iterations", 3, None)
    assert len(script.requests) == 3
    await client.aclose()


async def test_the_deadline_ends_a_run() -> None:
    """Tools that take their time run into the agent's time-out."""

    @tool
    async def wait() -> str:
        await asyncio.sleep(40)
        return "waited"

    client, _ = talking(calling("wait"), is_endless=True)
    registry = ToolRegistry(wait, world=sim_world())
    found = await agent(client, registry, timeout=100.0).run("Wait")
    assert found.stop_reason == "deadline"
    assert asyncio.get_running_loop().time() <= 101
    await client.aclose()


async def test_the_budget_ends_a_run_before_it_is_overspent() -> None:
    """What an answer costs counts; a run stops rather than spend more than its budget."""

    class Priced:
        """A client whose every answer costs 0.4 dollars, and that knows no prices before."""

        async def generate(self, prompt: Any, **settings: Any) -> Response:
            return msgspec.structs.replace(calling("get_load", server="web"), cost=Cost(nano_usd=400_000_000))

    found = await agent(Priced(), budget="1").run("Look")  # type: ignore[arg-type]
    assert (found.stop_reason, found.iterations, found.cost_usd) == ("budget", 3, Decimal("1.2"))


async def test_an_unknown_price_is_not_zero() -> None:
    """With a budget, an answer whose cost is not known ends the run."""

    class Free:
        async def generate(self, prompt: Any, **settings: Any) -> Response:
            return calling("get_load", server="web")

    found = await agent(Free(), budget="1").run("Look")  # type: ignore[arg-type]
    assert (found.stop_reason, found.iterations) == ("budget", 1)


async def test_a_float_is_no_budget() -> None:
    """Money is exact."""
    client, _ = talking("x")
    with pytest.raises(TypeError, match="exact"):
        agent(client, budget=0.5)
    await client.aclose()


async def test_a_refusal_ends_a_run() -> None:
    """What the model declines is not asked again."""
    client, _ = talking(Response(parts=(Refusal(text="No."),), finish_reason="refusal"))
    found = await agent(client).run("Do harm")
    assert (found.stop_reason, found.result) == ("refused", None)
    await client.aclose()


async def test_tool_failures_in_a_row_end_a_run() -> None:
    """A tool that always fails is given up; one success in between begins the count anew."""
    failing = {"left": 2}

    @tool
    async def shaky() -> str:
        if failing["left"] == 0:
            failing["left"] = 3
            return "ok"
        failing["left"] -= 1
        raise ValueError("down")

    client, _ = talking(lambda _: calling("shaky"), is_endless=True)
    found = await agent(client, shaky, max_tool_failures=3).run("Try")
    assert found.stop_reason == "tool_failures"
    assert [one.outcome for one in found.trace.executions] == ["failed"] * 2 + ["success"] + ["failed"] * 3
    await client.aclose()


async def test_cancelling_ends_a_run_after_its_step() -> None:
    """An event that is set stops the run before the next question."""
    stop = asyncio.Event()

    @tool
    async def halt() -> str:
        stop.set()
        return "stopping"

    client, script = talking(calling("halt"), final())
    found = await agent(client, halt).run("Go", cancelled=stop)
    assert (found.stop_reason, len(script.requests)) == ("cancelled", 1)
    await client.aclose()


async def test_tools_that_are_not_allowed_do_not_run() -> None:
    """The allow-list holds when the model calls, not only when it is told what there is."""
    ran = []

    @tool
    async def drop_all() -> str:
        ran.append(1)
        return "gone"

    client, script = talking(calling("drop_all"), final())
    found = await agent(client, ToolRegistry(get_load, drop_all), allowed=frozenset({"get_load"})).run("Go")
    assert ran == []
    assert found.trace.executions[0].outcome == "refused"
    assert {one.name for one in script.requests[0].tools} == {"get_load", "final_answer"}
    await client.aclose()


async def test_a_final_answer_beside_other_calls_waits() -> None:
    """An answer given before its tools have spoken is sent back; the tools run."""
    both = Response(parts=(*calling("get_load", server="web").parts, *final("guess").parts), finish_reason="tool_call")
    client, _ = talking(both, final("seen"))
    found = await agent(client).run("Go")
    assert (found.result, found.iterations) == ("seen", 2)
    assert [(one.name, one.outcome) for one in found.trace.executions] == [
        ("final_answer", "refused"),
        ("get_load", "success"),
    ]
    await client.aclose()


async def test_calls_of_one_turn_run_together() -> None:
    """Four waits of ten seconds take ten seconds, and their results stand in one message."""

    @tool
    async def wait(n: int) -> int:
        await asyncio.sleep(10)
        return n

    calls = tuple(ToolCall(id="same", name="wait", arguments={"n": n}) for n in range(4))
    client, script = talking(Response(parts=calls, finish_reason="tool_call"), final())
    await agent(client, ToolRegistry(wait, world=sim_world())).run("Go")
    assert asyncio.get_running_loop().time() == pytest.approx(10, abs=1)
    (results,) = [message for message in script.requests[1].messages if message.role == "tool"]
    assert [part.content for part in results.parts if isinstance(part, ToolResult)] == ["0", "1", "2", "3"]
    assert len({part.call_id for part in results.parts if isinstance(part, ToolResult)}) == 4
    await client.aclose()


async def test_auto_changes_to_json_where_a_model_takes_no_tools() -> None:
    """A provider that refuses tools before anything is sent is asked again by the JSON protocol, in the same iteration."""

    def answer(request: Request) -> Response | InvalidRequest:
        if request.tools:
            return InvalidRequest("tools: this model takes none")
        return Response(parts=(Text(text=FINISH),), finish_reason="stop")

    client, script = talking(answer, is_endless=True)
    found = await agent(client).run("Go")
    assert (found.result, found.iterations, len(script.requests)) == ("Add a server.", 1, 2)
    await client.aclose()


async def test_offline_rules_are_asked_by_the_json_protocol() -> None:
    """Without a model the rule that knows the task answers, and the run says that it is degraded."""

    def rule(request: Request) -> Answer | None:
        if request.metadata.task != "agentic_reasoning":
            return None
        return Answer(text=FINISH if '"result":"0.97"' in request.messages[0].text else USE)

    client = Client(
        "offline:rules",
        world=sim_world(),
        ledger=MemoryLedger(owner="t"),
        services={"offline": Offline((Rule("agent", rule),))},
    )
    found = await agent(client).run("Is it overloaded?")
    assert (found.result, found.iterations, found.trace.is_degraded) == ("Add a server.", 2, True)
    await client.aclose()


async def test_without_a_rule_the_run_is_refused_at_once() -> None:
    """An offline provider that knows no such task ends the run after one question, not after ten."""
    client = Client("offline:rules", world=sim_world(), ledger=MemoryLedger(owner="t"))
    found = await agent(client).run("Is it overloaded?")
    assert (found.stop_reason, found.iterations) == ("refused", 1)
    await client.aclose()


async def test_the_result_fits_its_schema() -> None:
    """A result that does not fit is sent back with the reason; one that can be read into it is."""
    schema = {"type": "object", "properties": {"servers": {"type": "integer"}}, "required": ["servers"]}
    client, script = talking(final("many"), final({"servers": "3"}))
    found = await agent(client, result_schema=schema).run("How many?")
    assert (found.result, found.iterations) == ({"servers": 3}, 2)
    told = script.requests[1].messages[-1].parts[0]
    assert isinstance(told, ToolResult)
    assert told.is_error
    await client.aclose()


async def test_steps_stream_as_they_happen() -> None:
    """Iterating a run gives model steps and tool steps in their order, then its result."""
    client, _ = talking(USE, FINISH)
    run = agent(client, protocol="json").stream("Look")
    kinds = [type(step) async for step in run]
    assert kinds == [ModelStep, ToolStep, ModelStep]
    assert (await run.result()).is_answered
    await client.aclose()


async def test_an_agent_is_a_tool_of_another() -> None:
    """The inner result comes back, its cost is the outer's as well, and its context says how deep it stands."""
    depths = []

    @tool
    async def look(context: ToolContext) -> str:
        depths.append(context.depth)
        return "it is slow"

    inner_client, _ = talking(calling("look"), final("slow"))
    inner = agent(inner_client, look).as_tool("investigate", "Find out why.")
    client, _ = talking(calling("investigate", objective="why?"), final("add one"))
    found = await agent(client, inner).run("Mend it")
    assert (found.result, depths) == ("add one", [2])
    assert '"result":"slow"' in found.trace.executions[0].text
    await client.aclose()
    await inner_client.aclose()


async def test_a_report_says_what_happened() -> None:
    """The readable trace names the tool, its result, the reason and the answer."""
    client, _ = talking(USE, FINISH)
    report = (await agent(client, protocol="json").run("Is it overloaded?")).report()
    for words in ("Is it overloaded?", "get_load", "0.97", "answered after 2 iterations", "Add a server.", "0.90"):
        assert words in report
    await client.aclose()


async def test_an_agent_needs_an_objective_and_keeps_its_own_names() -> None:
    """Faults of the settings are told before anything is asked."""

    @tool
    async def final_answer() -> str:
        return ""

    client, _ = talking("x")
    with pytest.raises(ConfigurationError, match="objective"):
        await agent(client).run()
    with pytest.raises(ConfigurationError, match="agent's own"):
        agent(client, final_answer)
    with pytest.raises(ConfigurationError, match="no tool 'fly'"):
        agent(client, allowed=frozenset({"fly"}))
    with pytest.raises(ConfigurationError, match="max_iterations"):
        agent(client, max_iterations=0)
    await client.aclose()


class Crash(BaseException):
    """The process ends here."""


class CrashingStore(MemoryConversations):
    """A store whose program dies at its `at`-th save, before or after the write."""

    def __init__(self, at: int, *, is_written: bool) -> None:
        super().__init__()
        self.left, self.is_written = at, is_written

    async def save(self, conversation: Conversation) -> Conversation:
        self.left -= 1
        if self.left == 0 and not self.is_written:
            raise Crash
        saved = await super().save(conversation)
        if self.left == 0:
            raise Crash
        return saved


Crashing = Callable[[list[str]], Any]


def effects(ran: list[str]) -> ToolRegistry:
    """A registry with a tool that reads and one that changes the world; `ran` hears of each."""

    @tool
    async def read() -> str:
        ran.append("read")
        return "41"

    @tool(side_effect=True)
    async def pay(amount: int) -> str:
        ran.append(f"pay {amount}")
        return "paid"

    return ToolRegistry(read, pay, world=sim_world())


def next_step(request: Request) -> Response:
    """A model that decides by what the conversation holds: read and pay twice, then finish."""
    results = [part for message in request.messages for part in message.parts if isinstance(part, ToolResult)]
    if not results:
        calls = [("r", "read", {}), ("p1", "pay", {"amount": 1}), ("p2", "pay", {"amount": 2})]
        parts = tuple(ToolCall(id=id, name=name, arguments=given) for id, name, given in calls)
        return Response(parts=(Text(text="now"), *parts), finish_reason="tool_call")
    return final("; ".join(str(part.content)[:24] for part in results))


@pytest.mark.parametrize("is_written", [True, False])
@pytest.mark.parametrize("at", range(1, 9))
async def test_a_crash_at_any_save_repeats_no_side_effect(at: int, is_written: bool) -> None:
    """Broken off at each save in turn and resumed, a run pays each sum at most once, and ends with an answer."""
    ran: list[str] = []
    client, _ = talking(next_step, is_endless=True)
    store = CrashingStore(at, is_written=is_written)
    made = agent(client, effects(ran), store=store)
    try:
        found = await made.run("Pay")
    except (Crash, BaseExceptionGroup):
        ids = await store.ids(now_ns=0)
        if not ids:
            assert ran == []
            return
        found = await made.resume(ids[0])
    assert found.is_answered
    assert max(ran.count("pay 1"), ran.count("pay 2")) <= 1
    uncertain = sum(one.is_uncertain for one in found.trace.executions)
    assert ran.count("pay 1") + ran.count("pay 2") + uncertain >= 2
    await client.aclose()


@pytest.mark.parametrize("name", ["pay 1", "pay 2"])
async def test_a_crash_inside_a_side_effect_is_told_to_the_model(name: str) -> None:
    """A tool that dies with the program is not called again; the model reads that its outcome is unknown."""
    ran: list[str] = []

    @tool
    async def read() -> str:
        return "41"

    @tool(side_effect=True)
    async def pay(amount: int) -> str:
        ran.append(f"pay {amount}")
        if f"pay {amount}" == name:
            raise Crash
        return "paid"

    client, _ = talking(next_step, is_endless=True)
    store = MemoryConversations()
    made = agent(client, ToolRegistry(read, pay, world=sim_world()), store=store)
    with pytest.raises(BaseExceptionGroup):
        await made.run("Pay")
    (id,) = await store.ids(now_ns=0)
    found = await made.resume(id)
    assert ran == ["pay 1", "pay 2"]
    (lost,) = [one for one in found.trace.executions if one.is_uncertain]
    assert f"pay {lost.arguments['amount']}" == name
    assert "error: the run was inter" in found.result
    assert "may have taken effect" in lost.text
    await client.aclose()


async def test_the_crash_test_sees_a_run_without_marks() -> None:
    """The broken variant: with the mark forgotten, the same crash pays twice."""

    class Forgetful(MemoryConversations):
        async def save(self, conversation: Conversation) -> Conversation:
            saved = await super().save(msgspec.structs.replace(conversation, begun=()))
            return msgspec.structs.replace(saved, begun=conversation.begun)

    ran: list[str] = []

    @tool(side_effect=True)
    async def pay(amount: int) -> str:
        ran.append(f"pay {amount}")
        if len(ran) == 1:
            raise Crash
        return "paid"

    client, _ = talking(calling("pay", amount=1), final())
    store = Forgetful()
    made = agent(client, ToolRegistry(pay, world=sim_world()), store=store)
    with pytest.raises(BaseExceptionGroup):
        await made.run("Pay")
    (id,) = await store.ids(now_ns=0)
    await made.resume(id)
    assert ran == ["pay 1", "pay 1"]
    await client.aclose()


async def test_a_run_survives_its_provider() -> None:
    """A failure of the provider is raised with the conversation's name, and resuming goes on where it was."""
    client, script = talking(
        calling("get_load", server="web"), ServerFault("down", status=500, retryable=False), final()
    )
    made = agent(client)
    run = made.stream("Look")
    with pytest.raises(ServerFault) as caught:
        await run.result()
    assert run.conversation.id in "".join(caught.value.__notes__)
    found = await made.resume(run.conversation.id)
    assert (found.result, found.iterations) == ("Add a server.", 2)
    assert len(found.trace.executions) == 1
    assert len(script.requests) == 3
    await client.aclose()


async def test_resuming_what_has_ended_gives_its_end_again() -> None:
    """No second question is asked."""
    client, script = talking(final())
    made = agent(client)
    first = await made.run("Look")
    again = await made.resume(first.conversation_id)
    assert (again.trace, len(script.requests)) == (first.trace, 1)
    with pytest.raises(NotFound):
        await made.resume("no-such")
    await client.aclose()


async def test_a_conversation_takes_a_second_objective() -> None:
    """The next run knows what was said before; the earlier trace is kept."""
    store = MemoryConversations()
    client, script = talking(final("one"), final("two"))
    made = agent(client, store=store)
    first = await made.run("First")
    second = await made.run("Second", conversation_id=first.conversation_id)
    assert (second.result, second.iterations) == ("two", 1)
    roles = [message.role for message in script.requests[1].messages]
    assert roles == ["user", "assistant", "tool", "user"]
    kept = await store.load(first.conversation_id, now_ns=0)
    assert kept is not None
    assert kept.state[STATE]["earlier"][0]["answer"]["result"] == "one"
    await client.aclose()


async def test_leaving_a_run_early_keeps_it() -> None:
    """A consumer that stops iterating leaves a conversation that can be resumed."""
    client, _ = talking(calling("get_load", server="web"), final())
    made = agent(client)
    run = made.stream("Look")
    steps: AsyncIterator[Any] = aiter(run)
    await anext(steps)
    await run.aclose()
    assert (await made.resume(run.conversation.id)).is_answered
    await client.aclose()


async def test_a_cancelled_task_leaves_its_mark() -> None:
    """Cancelled inside of a side effect, the run is resumed without a second one."""
    ran = []

    @tool(side_effect=True)
    async def pay() -> str:
        ran.append(1)
        await asyncio.sleep(10)
        return "paid"

    client, _ = talking(calling("pay"), final())
    made = agent(client, ToolRegistry(pay, world=sim_world()))
    run = made.stream("Pay")
    task = asyncio.create_task(run.result())
    await asyncio.sleep(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(RuntimeError, match="resume"):
        await run.result()
    found = await made.resume(run.conversation.id)
    assert (len(ran), found.trace.executions[0].is_uncertain) == (1, True)
    await client.aclose()


async def test_of_two_that_resume_one_goes_on() -> None:
    """Both load the run before its payment; one pays, the other is told and runs nothing."""
    ran = []

    @tool(side_effect=True)
    async def pay() -> str:
        ran.append(1)
        await asyncio.sleep(1)
        return "paid"

    client, _ = talking(calling("pay"), final(), is_endless=True)
    store = CrashingStore(3, is_written=False)
    made = agent(client, ToolRegistry(pay, world=sim_world()), store=store)
    with pytest.raises(Crash):
        await made.run("Pay")
    (id,) = await store.ids(now_ns=0)
    done = await asyncio.gather(made.resume(id), made.resume(id), return_exceptions=True)
    assert sum(isinstance(one, ConversationConflict) for one in done) == 1
    assert len(ran) == 1
    await client.aclose()


async def test_a_budget_counts_what_a_question_may_cost() -> None:
    """With a client that knows its prices, a question that could cost more than is left is not asked."""
    client, script = talking(final())

    class Dear:
        """The client, at a price of two dollars a question."""

        generate = staticmethod(client.generate)

        @staticmethod
        def estimate(prompt: Any, **settings: Any) -> Estimate:
            return Estimate(input_tokens=1, output_tokens=1, cost=Cost(nano_usd=2 * 10**9))

    found = await agent(Dear(), budget="1.99").run("Look")  # type: ignore[arg-type]
    assert (found.stop_reason, found.iterations, len(script.requests)) == ("budget", 0, 0)
    assert (await agent(Dear(), budget=2).run("Look")).is_answered  # type: ignore[arg-type]
    await client.aclose()


async def test_a_native_call_that_was_written_as_words_is_run() -> None:
    """Small models write their calls; the second question then has them as calls, with their results."""
    words = '<tool_call>{"name": "get_load", "arguments": {"server": "web"}}</tool_call>'
    client, script = talking(words, final())
    found = await agent(client, protocol="native").run("Is the web tier overloaded?")
    assert (found.stop_reason, found.iterations) == ("answered", 2)
    parts = [part for message in script.requests[1].messages for part in message.parts]
    assert [part.name for part in parts if isinstance(part, ToolCall)] == ["get_load"]
    assert any(isinstance(part, ToolResult) for part in parts)
    await client.aclose()


@pytest.mark.parametrize("protocol", ["json", "native"])
async def test_the_last_step_asks_for_an_answer(protocol: str) -> None:
    """With one question left the model is told that no tool will be run; before that it is not."""
    call: Line = USE if protocol == "json" else calling("get_load", server="web")
    client, script = talking(call, call, FINISH if protocol == "json" else final())
    found = await agent(client, protocol=protocol, max_iterations=3).run("Is the web tier overloaded?")
    assert found.stop_reason == "answered"
    told = ["This is the last step" in (request.system or "") for request in script.requests]
    assert told == [False, False, True]
    if protocol == "json":
        form = script.requests[2].response_format
        assert form is not None
        assert form.schema["properties"]["action"]["enum"] == ["final_answer"]
    await client.aclose()


async def test_a_repeated_call_is_told_to_be_one() -> None:
    """JSON: the same call with the same result is marked in what is known, so a small model does not go round in circles."""
    client, script = talking(USE, USE, FINISH)
    await agent(client, protocol="json").run("Is the web tier overloaded?")
    notes = [request.messages[-1].text.count("do not ask again") for request in script.requests]
    assert notes == [0, 0, 1]
    await client.aclose()
