"""Recorded work on a shop's database: replayed through the agent loop it ends in the state that applying it directly gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conversation.retail import READING, Retail, shop_registry

from backstay.client import Client
from backstay.conversation import Agent, AgentOptions
from backstay.errors import ToolFailed
from backstay.ledger.memory import MemoryLedger
from backstay.offline.scripted import Scripted
from backstay.sim import sim_world
from backstay.types import Request, Response, ToolCall, ToolResult

pytestmark = pytest.mark.corpus


class Recorded(msgspec.Struct):
    """The database, the tools' schemas, and the tasks with what is to be done for each."""

    tables: bytes
    schemas: list[dict[str, Any]]
    tasks: list[tuple[str, list[dict[str, Any]]]]

    def shop(self) -> Retail:
        return Retail(msgspec.json.decode(self.tables))


@pytest.fixture(scope="module")
def recorded(corpus: Path) -> Recorded:
    folder = corpus / "data" / "tau_bench_retail"
    tables = {
        name: msgspec.json.decode((folder / "db" / f"{name}.json").read_bytes())
        for name in ("users", "products", "orders")
    }
    lines = [
        [msgspec.json.decode(line) for line in (folder / "dev" / f"{name}.jsonl").read_bytes().splitlines()]
        for name in ("inputs", "truth")
    ]
    asked = {one["id"]: one["instruction"] for one in lines[0]}
    return Recorded(
        tables=msgspec.json.encode(tables),
        schemas=msgspec.json.decode((folder / "tools.json").read_bytes()),
        tasks=[(asked[one["id"]], one["actions"]) for one in lines[1]],
    )


def applied(shop: Retail, actions: list[dict[str, Any]]) -> list[bool]:
    """Each action applied directly; whether it succeeded."""
    done = []
    for action in actions:
        try:
            getattr(shop, action["name"])(**action["kwargs"])
            done.append(True)
        except ToolFailed:
            done.append(False)
    return done


def following(actions: list[dict[str, Any]], protocol: str) -> Any:
    """A model that takes the recorded actions one by one, counted by the results that it has seen, and then ends."""

    def native(request: Request) -> Response:
        seen = sum(isinstance(part, ToolResult) for message in request.messages for part in message.parts)
        if seen < len(actions):
            call = ToolCall(id=f"c{seen}", name=actions[seen]["name"], arguments=actions[seen]["kwargs"])
        else:
            call = ToolCall(id="end", name="final_answer", arguments={"result": "done", "confidence": 1})
        return Response(parts=(call,), finish_reason="tool_call")

    taken = iter(range(len(actions)))

    def written(request: Request) -> str:
        at = next(taken, None)
        if at is None:
            return '{"action": "final_answer", "result": "done", "confidence": 1}'
        step = {"action": "use_tool", "tool_name": actions[at]["name"], "parameters": actions[at]["kwargs"]}
        return f"```json\n{msgspec.json.encode(step).decode()}\n```"

    return native if protocol == "native" else written


async def replayed(recorded: Recorded, task: int, protocol: str) -> tuple[Retail, Any]:
    """The shop after an agent followed the actions of a task, and how its run ended."""
    objective, actions = recorded.tasks[task]
    shop, world = recorded.shop(), sim_world(task)
    script = Scripted(following(actions, protocol), is_endless=True)
    client = Client("scripted:demo", services={"scripted": script}, world=world, ledger=MemoryLedger(owner="t"))
    agent = Agent(
        client,
        shop_registry(shop, recorded.schemas, world=world),
        max_iterations=len(actions) + 1,
        timeout=None,
        options=AgentOptions(protocol=protocol, world=world, max_context_tokens=None),  # type: ignore[arg-type]
    )
    found = await agent.run(objective)
    await client.aclose()
    return shop, found


@pytest.mark.parametrize(
    ("protocol", "every"), [pytest.param("native", 1, marks=pytest.mark.slow), ("native", 9), ("json", 9)]
)
async def test_replayed_work_ends_in_the_same_state(recorded: Recorded, protocol: str, every: int) -> None:
    """For every task, or every ninth: the same database, the same failures, one run of each tool."""
    changed = writes = 0
    for task in range(0, len(recorded.tasks), every):
        actions = recorded.tasks[task][1]
        reference = recorded.shop()
        before = reference.state()
        succeeded = applied(reference, actions)
        shop, found = await replayed(recorded, task, protocol)
        assert found.stop_reason == "answered"
        assert found.iterations == len(actions) + 1
        assert [not one.is_error for one in found.trace.executions] == succeeded
        assert shop.state() == reference.state()
        changed += reference.state() != before
        writes += sum(action["name"] not in READING for action in actions)
    assert changed > 40 // every
    print(f"{protocol}: {changed} tasks change the database, {writes} writes")


async def test_a_replay_is_byte_identical(recorded: Recorded) -> None:
    """Twice the same task: the same trace, to the byte."""
    (_, first), (_, second) = await replayed(recorded, 0, "native"), await replayed(recorded, 0, "native")
    assert first.trace.to_json() == second.trace.to_json()


def test_the_replay_test_sees_a_tool_that_does_nothing(recorded: Recorded) -> None:
    """The broken variant: leaving out one write ends in another state."""
    actions = next(
        actions
        for _, actions in recorded.tasks
        if any(one["name"].startswith("modify_pending_order_items") for one in actions)
    )
    whole, part = recorded.shop(), recorded.shop()
    applied(whole, actions)
    applied(part, [one for one in actions if one["name"] in READING])
    assert whole.state() != part.state()


def test_the_shop_has_all_sixteen_tools(recorded: Recorded) -> None:
    """Each recorded schema has its method."""
    assert len(shop_registry(recorded.shop(), recorded.schemas)) == 16
