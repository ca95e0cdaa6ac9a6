"""The blocking client: in scripts, threads, running loops and forked children, with the async client's answers and errors."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from backstay import Scripted
from backstay.config import load
from backstay.errors import ConfigurationError, RateLimited
from backstay.event import TextDelta
from backstay.sync import Client

ROOT = Path(__file__).resolve().parents[1]


def make(tmp_path: Path, *lines: Any, **arguments: Any) -> Client:
    loaded = load(
        environ={},
        arguments={
            "model": "scripted:x",
            "ledger.path": str(tmp_path / "ledger.db"),
            "retry.max_attempts": 1,
            **arguments,
        },
        cwd=tmp_path,
        user_folder=tmp_path,
    )
    return Client(loaded=loaded, services={"scripted": Scripted(*lines, is_endless=True)})


def test_each_verb_blocks_until_its_answer(tmp_path: Path) -> None:
    """generate, generate_json, stream, estimate, count_tokens, extract and summary, one after the other."""
    with make(tmp_path, "```json\n{'a': 1}\n```") as client:
        assert "'a'" in client.generate("x").text
        assert client.generate_json("x").value == {"a": 1}
        with client.stream("x") as answer:
            assert "".join(event.text for event in answer if isinstance(event, TextDelta)) == answer.response().text
        assert client.estimate("x").cost is not None
        assert not client.count_tokens("x").is_exact
        receipt = client.extract(
            "receipt", (ROOT / "examples/receipts/us-diner.txt").read_text(), model="offline:rules"
        )
        assert receipt.data["total"] == "33.66"
        assert client.summary().call_count == 4


def test_errors_are_the_async_clients(tmp_path: Path) -> None:
    """The class and its facts cross over."""
    with make(tmp_path, RateLimited("slow", status=429, retry_after=5.0)) as client:
        with pytest.raises(RateLimited) as caught:
            client.generate("x")
        assert caught.value.retry_after == 5.0


@pytest.mark.server
async def test_it_works_inside_a_running_loop(tmp_path: Path) -> None:
    """A notebook cell or a handler may call it."""
    with make(tmp_path, "yes") as client:
        assert client.generate("x").text == "yes"


def test_many_threads_share_one_client(tmp_path: Path) -> None:
    """Each gets its own answer; the ledger has a row for each."""
    with make(tmp_path, lambda request: request.messages[0].text.upper()) as client:
        results: dict[int, str] = {}

        def ask(number: int) -> None:
            results[number] = client.generate(f"question {number}").text

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == {number: f"QUESTION {number}" for number in range(16)}
        assert client.summary().call_count == 16


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_client_of_its_own(tmp_path: Path) -> None:
    """Pre-forking servers make the client first and fork then; both sides go on, and both write their rows."""
    with make(tmp_path, "fine") as client:
        client.generate("before")
        pid = os.fork()
        if pid == 0:
            try:
                code = 0 if client.generate("in the child").text == "fine" else 1
                client.close()
            except BaseException:  # noqa: BLE001 - a forked child must never return into pytest
                code = 2
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        client.generate("after")
    from backstay.ledger.sqlite import read_rows

    rows = list(read_rows(tmp_path / "ledger.db"))
    assert [row.state for row in rows] == ["posted"] * 3
    assert len({row.owner for row in rows}) == 2


def test_it_starts_again_after_close(tmp_path: Path) -> None:
    """A closed client that is used again opens anew, and closing twice is fine."""
    client = make(tmp_path, "one")
    assert client.generate("x").text == "one"
    client.close()
    client.close()
    assert client.generate("x").text == "one"
    client.close()


def test_a_wrong_model_is_refused_when_the_client_is_made(tmp_path: Path) -> None:
    """Not at the first question."""
    with pytest.raises(ConfigurationError):
        Client("no-such-provider:x")


def test_an_agent_works_without_a_loop_of_ones_own() -> None:
    """The objective is met by a tool and an answer, in plain blocking code."""
    from backstay.tools import ToolRegistry
    from backstay.tools import tool as as_tool

    @as_tool
    def stock(item: str) -> int:
        """How many are left.

        Args:
            item: its name
        """
        return {"rope": 3}[item]

    script = Scripted(
        '{"action": "use_tool", "tool_name": "stock", "parameters": {"item": "rope"}}',
        '{"action": "final_answer", "result": "3 ropes", "confidence": 0.9}',
    )
    with Client("scripted:demo", services={"scripted": script}) as client:
        from backstay.conversation import AgentOptions

        result = client.run_agent(
            ToolRegistry(stock), "How many ropes are left?", options=AgentOptions(protocol="json")
        )
    assert (result.result, result.stop_reason, result.iterations) == ("3 ropes", "answered", 2)


def test_a_conversation_goes_on_without_a_loop_of_ones_own() -> None:
    """The second turn brings the first one with it."""
    script = Scripted("Ann.", "You are Ann.", "Still Ann.")
    with Client("scripted:demo", services={"scripted": script}) as client:
        chat = client.chat()
        begun = chat.begin()
        chat.say(begun.id, "I am Ann. Who am I?")
        said = chat.say(begun.id, "And again?")
        with chat.stream(begun.id, "And once more?") as answer:
            texts = "".join(answer.texts())
            assert answer.said().response.text == texts
        kept = chat.load(begun.id)
    assert said.response.text == "You are Ann."
    assert len(script.requests[1].messages) == 3
    assert len(kept.turns) == 6
