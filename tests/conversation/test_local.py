"""With a real llama.cpp: an agent ends for a stated reason whatever a model writes, and a named model does the work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.local.tiny import write_model

from backstay import Client
from backstay.config import Loaded, load
from backstay.conversation import Agent, AgentOptions
from backstay.errors import LLMError
from backstay.tools import ToolRegistry, tool

pytest.importorskip("xllamacpp")
pytestmark = [pytest.mark.server, pytest.mark.slow]
NAMED = os.environ.get("BACKSTAY_LOCAL_MODEL")
LOADS = {"web": 0.97, "db": 0.31}
OBJECTIVE = "Which of the two servers web and db has the higher load? Look it up for both."


@tool
async def get_load(server: str) -> float:
    """The load of a server, 0 to 1. The servers are 'web' and 'db'."""
    return LOADS[server]


def settings(model: str | Path, folder: Path) -> Loaded:
    arguments = {"model": f"local:{model}", "local.context": 8192, "ledger.path": str(folder / "ledger.db")}
    return load(environ={}, arguments=arguments, cwd=folder, user_folder=folder)


@pytest.mark.parametrize("protocol", ["native", "json"])
async def test_nonsense_ends_for_a_reason(tmp_path: Path, protocol: str) -> None:
    """Random weights call no tool that is there; the run ends at a bound, with an answer in words, or with a typed error."""
    model = write_model(tmp_path / "tiny.gguf", context=8192)
    async with Client(loaded=settings(model, tmp_path)) as client:
        options = AgentOptions(protocol=protocol, settings={"max_output_tokens": 64})
        agent = Agent(client, ToolRegistry(get_load), max_iterations=3, options=options)
        try:
            found = await agent.run(OBJECTIVE)
        except LLMError:
            return
    assert found.stop_reason in ("answered", "iterations", "tool_failures")
    assert not any(one.outcome == "success" for one in found.trace.executions)


@pytest.mark.skipif(NAMED is None, reason="no model: set BACKSTAY_LOCAL_MODEL to a GGUF file")
async def test_a_named_model_looks_it_up(tmp_path: Path) -> None:
    """It calls the tool for both servers and names the right one, in its own way of writing calls."""
    async with Client(loaded=settings(str(NAMED), tmp_path)) as client:
        found = await Agent(client, ToolRegistry(get_load), max_iterations=6, timeout=400).run(OBJECTIVE)
    assert found.stop_reason == "answered"
    assert {one.arguments["server"] for one in found.trace.executions} == {"web", "db"}
    assert "web" in str(found.result).lower()
