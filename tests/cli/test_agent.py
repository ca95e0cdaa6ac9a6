"""`backstay agent`: it finds its tools, says what is wrong with what it is given, and how a run ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from backstay.cli.agent import command, load_tools
from backstay.errors import ConfigurationError

TOOLS = """
from backstay.tools import ToolRegistry, tool

@tool
async def look(place: str) -> str:
    return "dust"

registry = ToolRegistry(look)
several = [look]
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of tools, and a world without keys."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "LLAMA_SERVER_URL", "LLM_PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "attic.py"
    path.write_text(TOOLS, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["registry", "several", "look"])
def test_tools_are_found_in_a_file(tools: Path, name: str) -> None:
    """A registry, a list of tools, or one tool."""
    assert load_tools(f"{tools}:{name}").names() == ["look"]


def test_tools_are_found_in_a_module() -> None:
    """By the module's name."""
    assert "f" in load_tools("tests.cli.test_agent:f")


def f(place: str) -> str:
    """A tool of this module."""
    return place


@pytest.mark.parametrize("place", ["attic", "attic.py:none", "no_such_module:x", "missing.py:x", ":x", "attic:"])
def test_what_is_no_place_of_tools_is_refused(tools: Path, place: str) -> None:
    """With words that name it."""
    with pytest.raises(ConfigurationError, match="--tools"):
        load_tools(place)


def test_a_run_without_a_model_says_so(tools: Path) -> None:
    """Offline nobody can work on it: exit code 1, the reason on standard error, and the trace as JSON on demand."""
    done = CliRunner().invoke(
        command, ["Clean up", "--tools", "attic.py:registry", "--model", "offline:rules", "--json"]
    )
    assert done.exit_code == 1
    assert '"stop_reason":"refused"' in done.stdout
    assert "degraded" in done.stderr


@pytest.mark.parametrize(
    "arguments", [[], ["Clean up", "--resume", "x"], ["--resume", "x"], ["Clean up", "--max-iterations", "0"]]
)
def test_contradictions_are_refused(tools: Path, arguments: list[str]) -> None:
    """Exit code 2, nothing done."""
    assert CliRunner().invoke(command, [*arguments, "--tools", "attic.py:registry"]).exit_code == 2
