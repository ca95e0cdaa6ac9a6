"""`backstay limits`: what another process of this machine uses, read while it is there and after it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from backstay import Client
from backstay.board import read_board
from backstay.config import Loaded, load
from backstay.errors import BudgetExceeded, LLMError
from backstay.transport import fault
from backstay.transport.fake import FakeTransport
from backstay.transport.script import Answer

from .conftest import Run

pytestmark = pytest.mark.slow

GOOD = Answer(
    body=fault.chat_answer("Hello", usage={"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200})
)
PRICE = 1000 * 250 + 200 * 2000


def settings(folder: Path, **arguments: Any) -> Loaded:
    return load(
        environ={"OPENAI_API_KEY": "made-up"},
        arguments={"model": "openai:gpt-5-mini", "ledger.path": str(folder / "ledger.db"), **arguments},
        cwd=folder,
        user_folder=folder,
    )


async def _ask(folder: Path, *questions: str, **arguments: Any) -> None:
    async with Client(loaded=settings(folder, **arguments), transport=FakeTransport(GOOD, repeat=True)) as client:
        for question in questions:
            await client.generate(question)


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A folder whose ledger and limits two processes' worth of calls went through."""
    (tmp_path / "backstay.toml").write_text('[ledger]\npath = "ledger.db"\n')
    asyncio.run(_ask(tmp_path, "one", "two"))
    asyncio.run(_ask(tmp_path, "three"))
    return tmp_path


def test_limits_and_money_outlive_a_process(backstay: Run, used: Path) -> None:
    """What two clients spent one after the other stands in one sum, exact to the nano-dollar."""
    facts = json.loads(backstay("limits", "--json").stdout)
    money = next(one for one in facts["limits"] if one["rule"]["name"].startswith("usd_per_day"))
    assert money["used"] == 3 * PRICE
    requests = next(one for one in facts["limits"] if one["rule"]["name"] == "requests_per_day")
    assert requests["used"] == 3
    assert facts["targets"][0]["attempts"] == 3


def test_the_table_is_read_by_people(backstay: Run, used: Path) -> None:
    """Scopes, limits, money in dollars and the targets of the last minutes."""
    out = backstay("limits").stdout
    assert "USD" in out
    assert "requests_per_minute" in out
    assert "openai:gpt-5-mini" in out.split("Targets in the last")[1]


def test_a_budget_holds_over_processes(used: Path) -> None:
    """The next client cannot spend what the earlier ones have spent already."""
    with pytest.raises(BudgetExceeded):
        asyncio.run(_ask(used, "four", **{"budget.usd_per_day": 3.5 * PRICE / 1e9}))


def test_nothing_in_use_is_said(backstay: Run) -> None:
    """An empty store is no empty table."""
    assert "no limit is in use" in backstay("limits").stdout


async def _break(client: Client) -> None:
    for number in range(6):
        with contextlib.suppress(LLMError):
            await client.generate(f"question {number}")


def test_an_open_circuit_of_a_running_client_is_seen(backstay: Run, tmp_path: Path) -> None:
    """While the client runs, its circuit and the target's health are listed with the reason; when it has ended, they are not."""
    (tmp_path / "backstay.toml").write_text('[ledger]\npath = "ledger.db"\n')
    down = FakeTransport(Answer(status=503, body=b'{"error": {"message": "down"}}'), repeat=True)

    async def run() -> tuple[str, Any]:
        loaded = settings(tmp_path, **{"retry.max_attempts": 1})
        async with Client(loaded=loaded, transport=down) as client:
            await _break(client)
            text = await asyncio.to_thread(backstay, "limits")
            facts = await asyncio.to_thread(backstay, "limits", "--json")
            return text.stdout, json.loads(facts.stdout)

    text, facts = asyncio.run(run())
    line = next(line for line in text.splitlines() if " open " in line)
    assert "openai:gpt-5-mini" in line
    assert "unhealthy" in line
    assert facts["clients"][0]["process"] == os.getpid()
    assert facts["clients"][0]["circuits"][0]["state"] == "open"
    assert json.loads(backstay("limits", "--json").stdout)["clients"] == []


def test_what_a_killed_client_left_is_no_news(tmp_path: Path) -> None:
    """A state without the lock of a living process is left out, and removed."""
    left = tmp_path / "ledger.db.board.owners"
    left.mkdir()
    (left / "dead").touch()
    (left / "dead.json.new").write_text("{}")
    assert read_board(tmp_path / "ledger.db") == []
    assert not list(left.iterdir())
