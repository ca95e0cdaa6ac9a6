"""The registry runs what it should, as often as it should, within its bounds; a failure is words for the model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from backstay.errors import ConfigurationError, Overloaded, ReplayMiss, ToolFailed
from backstay.replay import record, replay
from backstay.sim import sim_world
from backstay.tools import Execution, ToolContext, ToolRegistry, tool
from backstay.tools.check import ArgumentCheck
from backstay.tools.registry import Proposal
from backstay.types import Image, Text, ToolCall


@tool(tags="math")
async def add(a: int, b: int = 0) -> int:
    """a + b"""
    return a + b


def registry(*tools: Any, **settings: Any) -> ToolRegistry:
    """A registry in virtual time."""
    return ToolRegistry(*tools, world=sim_world(), **settings)


async def test_a_failing_tool_is_an_answer() -> None:
    """What it raises is told in bounded words, and nothing is raised."""

    @tool
    async def explode() -> None:
        raise ValueError("x" * 100_000)

    @tool
    async def decline() -> None:
        raise ToolFailed("come back on Monday")

    made = registry(explode, decline)
    done = await made.execute("explode")
    assert done.outcome == "failed"
    assert "ValueError" in done.text
    assert len(done.text) < 2_200
    assert done.result().is_error
    assert (await made.execute("decline")).text == "error: come back on Monday"


async def test_a_result_is_bounded() -> None:
    """A long result keeps its beginning and its end, and says what is missing."""

    @tool
    async def much() -> str:
        return "begin" + "x" * 1_000_000 + "end"

    done = await registry(much, max_text=1_000).execute("much")
    assert len(done.text) < 1_100
    assert done.text.startswith("begin")
    assert done.text.endswith("end")
    assert "999,008 characters left out" in done.text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "$.a: required and missing"),
        ({"a": "five"}, "$.a"),
        ({"a": 1.5}, "$.a"),
        ({"a": None}, "$.a"),
        ({"a": [1, 2]}, "$.a"),
        ({"a": {"x": 1}}, "$.a"),
        ({"a": 1, "bb": 2}, "did you mean b?"),
        ({"a": 1, "zzz": 2}, "there is: a, b"),
        ({"a": "about 5 apples"}, "$.a"),
    ],
)
async def test_arguments_that_do_not_fit_run_nothing(given: dict[str, Any], words: str) -> None:
    """The model is told what is wrong and where."""
    ran = []

    @tool(name="add")
    async def counted(a: int, b: int = 0) -> None:
        ran.append(a)

    done = await registry(counted).execute("add", given)
    assert (done.outcome, ran) == ("invalid", [])
    assert words in done.text


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ({"a": "5"}, {"number_from_text"}),
        ({"a": 5.0}, set()),
        ({"A": 5}, {"key_spelling"}),
        ({"a": 5, "b": None}, {"null_is_absent"}),
        ({"a": 5}, set()),
    ],
)
async def test_what_loses_nothing_is_coerced_and_reported(given: dict[str, Any], codes: set[str]) -> None:
    """Each change of an argument is named; nothing is filled in."""
    done = await registry(add).execute("add", given)
    assert done.value == 5
    assert {one.code for one in done.coercions} == codes
    assert set(done.arguments) == {"a"}


async def test_broken_argument_text_is_recovered_but_never_guessed() -> None:
    """A trailing comma is mended; a text that is cut short runs nothing."""
    made = registry(add)
    whole = ToolCall(id="1", name="add", raw_arguments="{'a': 5,}")
    cut = ToolCall(id="2", name="add", raw_arguments='{"a": 5, "b": 1')
    assert (await made.execute(whole)).value == 5
    assert (await made.execute(cut)).outcome == "invalid"


def test_defaults_are_the_tools_own() -> None:
    """A default in a schema is not put into the arguments."""
    check = ArgumentCheck("f", {"type": "object", "properties": {"a": {"type": "integer", "default": 7}}})
    assert check({}).arguments == {}
    assert check({"a": "1"}).arguments == {"a": 1}


async def test_unknown_and_forbidden_tools_are_refused_when_they_are_called() -> None:
    """The allow-list is enforced at execution, and a near name is offered."""
    made = registry(add)
    assert "did you mean 'add'?" in (await made.execute("ad", {"a": 1})).text
    done = await made.execute("add", {"a": 1}, allowed=[])
    assert (done.outcome, done.value) == ("refused", None)
    assert made.schemas(allowed=[]) == ()
    assert (await made.execute("add", {"a": 1}, allowed=["add"])).value == 1


async def test_a_tool_that_takes_too_long_is_broken_off() -> None:
    """Its own time-out counts, and the deadline where that is sooner; a side effect may have happened."""

    @tool(timeout=5, side_effect=True)
    async def order() -> None:
        await asyncio.sleep(60)

    made = registry(order)
    done = await made.execute("order")
    assert (done.outcome, done.is_uncertain, done.attempts) == ("timeout", True, 1)
    assert "may have taken effect" in done.text
    assert asyncio.get_running_loop().time() == pytest.approx(5, abs=0.1)
    await made.execute("order", context=ToolContext(deadline=7.0))
    assert asyncio.get_running_loop().time() == pytest.approx(7, abs=0.1)
    late = await made.execute("order", context=ToolContext(deadline=7.0))
    assert (late.outcome, late.attempts) == ("refused", 0)


async def test_a_time_out_of_the_tools_own_is_its_failure() -> None:
    """A TimeoutError that the tool raises is not taken for ours."""

    @tool
    async def raises() -> None:
        raise TimeoutError("the printer")

    assert (await registry(raises).execute("raises")).outcome == "failed"


async def test_what_may_pass_is_tried_again_and_side_effects_are_not() -> None:
    """A retryable error costs attempts; any other ends it; a side effect has one attempt only."""
    ran: list[str] = []

    @tool(max_attempts=3)
    async def flaky() -> str:
        ran.append("flaky")
        if len(ran) < 3:
            raise Overloaded("busy", status=529)
        return "ok"

    @tool(max_attempts=3)
    async def wrong() -> None:
        ran.append("wrong")
        raise KeyError("no")

    @tool(side_effect=True)
    async def pay() -> None:
        ran.append("pay")
        raise ConnectionError("lost")

    made = registry(flaky, wrong, pay)
    done = await made.execute("flaky")
    assert (done.value, done.attempts) == ("ok", 3)
    await made.execute("wrong")
    await made.execute("pay")
    assert (ran.count("wrong"), ran.count("pay")) == (1, 1)


async def test_results_are_kept_for_their_time_and_their_tenant() -> None:
    """The same arguments within the ttl run once; another tenant, other arguments or later run again; errors are not kept."""
    ran: list[Any] = []

    @tool(ttl=60)
    async def metrics(system: str) -> dict[str, Any]:
        ran.append(system)
        if system == "down":
            raise ToolFailed("down")
        return {"load": len(ran)}

    made = registry(metrics)
    first = await made.execute("metrics", {"system": "web"})
    again = await made.execute("metrics", {"system": "web"})
    assert (again.value, again.text, again.is_cached) == (first.value, first.text, True)
    await made.execute("metrics", {"system": "web"}, context=ToolContext(tenant="other"))
    await made.execute("metrics", {"system": "db"})
    for _ in range(2):
        await made.execute("metrics", {"system": "down"})
    await asyncio.sleep(61)
    await made.execute("metrics", {"system": "web"})
    assert ran == ["web", "web", "db", "down", "down", "web"]


async def test_a_batch_runs_in_parallel_within_its_bound() -> None:
    """Eight waits of a second, four at a time, take two seconds, and their results come in order."""
    now, most = 0, 0

    @tool
    async def wait(n: int) -> int:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(1)
        now -= 1
        return n

    made = registry(wait, max_parallel=4)
    calls = [ToolCall(id=str(n), name="wait", arguments={"n": n}) for n in range(8)]
    done = await made.execute_all(calls)
    assert ([one.value for one in done], most) == (list(range(8)), 4)
    assert asyncio.get_running_loop().time() == pytest.approx(2, abs=0.1)
    most = 0
    await made.execute_all(calls[:3], parallel=False)
    assert most == 1


@pytest.mark.parametrize(
    ("verdict", "ran"),
    [(True, 1), (False, 0), ("too much", 0), ("", 0), (None, 0), (ValueError("lost"), 0)],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_dangerous_tool_waits_for_its_approval(verdict: Any, ran: int, is_async: bool) -> None:
    """Only True lets it run; a refusal's words reach the model; an approval that fails is none."""
    runs: list[int] = []

    @tool(dangerous=True)
    async def drop(table: str) -> None:
        runs.append(1)

    def decide(proposal: Proposal) -> Any:
        assert proposal.arguments == {"table": "t"}
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    async def later(proposal: Proposal) -> Any:
        return decide(proposal)

    made = registry(drop) if verdict is None else registry(drop, approve=later if is_async else decide)
    done = await made.execute("drop", {"table": "t"})
    assert len(runs) == ran
    assert done.outcome == ("success" if ran else "refused")
    if verdict == "too much":
        assert "too much" in done.text


async def test_history_and_statistics_count_what_happened() -> None:
    """Calls, errors, kept results and latency by tool; the history is bounded; names that nobody knows are not kept count of."""

    @tool
    async def slow(fail: bool = False) -> None:
        await asyncio.sleep(2)
        if fail:
            raise ToolFailed("no")

    made = registry(slow, history=3)
    for fail in (False, True, False, True):
        await made.execute("slow", {"fail": fail})
    for n in range(5):
        await made.execute(f"made_up_{n}")
    stats = made.stats()
    assert set(stats) == {"slow"}
    assert (stats["slow"].count, stats["slow"].errors) == (4, 2)
    assert stats["slow"].mean_latency == pytest.approx(2, abs=0.01)
    assert stats["slow"].by_outcome == {"success": 2, "failed": 2}
    assert len(made.history) == 3


async def test_cancelling_is_raised_and_noted() -> None:
    """Cancellation is the caller's; the history says that the call did not end."""

    @tool
    async def forever() -> None:
        await asyncio.sleep(1e9)

    made = registry(tool(timeout=None)(forever.function))
    task = asyncio.create_task(made.execute("forever"))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert made.history[-1].outcome == "cancelled"


async def test_parts_are_passed_on() -> None:
    """A tool may give a picture; what has no JSON form is a failure."""

    @tool
    async def draw() -> Any:
        return [Text(text="here"), Image(data=b"\x89PNG", media_type="image/png")]

    @tool
    async def odd() -> Any:
        return object()

    made = registry(draw, odd)
    content = (await made.execute("draw")).result().content
    assert isinstance(content, tuple)
    assert content[1] == Image(data=b"\x89PNG", media_type="image/png")
    assert (await made.execute("odd")).outcome == "failed"


async def test_settings_that_allow_nothing_are_refused() -> None:
    """A bound below one, and two tools of one name."""
    with pytest.raises(ConfigurationError):
        ToolRegistry(max_parallel=0)
    with pytest.raises(ConfigurationError, match="there already"):
        ToolRegistry(add, add)


class Lenient(ArgumentCheck):
    """The broken variant: arguments pass as they are."""

    def __call__(self, arguments: Any) -> Any:
        checked = super().__call__(arguments)
        return checked if checked else type(checked)(arguments=arguments)


async def test_the_argument_test_sees_a_lenient_check() -> None:
    """With the check broken, a text reaches the function."""
    import msgspec

    made = registry(add)
    bound = msgspec.structs.replace(made.get("add"), check=Lenient("add", add.schema.parameters))
    made._tools["add"] = bound
    done: Execution = await made.execute("add", {"a": "five"})
    assert done.outcome != "invalid"


async def test_a_replay_runs_no_tool_and_gives_the_same(tmp_path: Path) -> None:
    """In a recorded run results, failures, time-outs and pictures are kept; the replay gives them again and runs nothing."""
    ran: list[int] = []

    class Odd(Exception):
        """An error that only this program knows."""

    @tool(timeout=5, max_attempts=2)
    async def act(n: int) -> Any:
        ran.append(n)
        if n == 1:
            raise Odd("no")
        if n == 2:
            await asyncio.sleep(9)
        if n == 3:
            raise Overloaded("busy", status=529)
        return [Text(text="here"), Image(data=b"\x89PNG", media_type="image/png")] if n == 4 else {"n": n}

    async def played() -> list[Any]:
        made = registry(act)
        done = [await made.execute("act", {"n": n}) for n in range(5)]
        return [(one.outcome, one.value, one.content, one.error, one.attempts) for one in done]

    with record(tmp_path / "run.jsonl", world=sim_world()):
        lived = await played()
    assert ran == [0, 1, 2, 2, 3, 3, 4]
    assert [one[0] for one in lived] == ["success", "failed", "timeout", "failed", "success"]
    with replay(tmp_path / "run.jsonl", world=sim_world()):
        assert await played() == lived
    assert len(ran) == 7
    with pytest.raises(ReplayMiss), replay(tmp_path / "run.jsonl", world=sim_world()):
        await registry(act).execute("act", {"n": 99})
