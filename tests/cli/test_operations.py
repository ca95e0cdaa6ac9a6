"""`backstay operations run --model`: the command asks a real endpoint each of its questions, and says who stood in for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from backstay.kits.operations.loop import read_trace

from .conftest import Run

pytestmark = [pytest.mark.server, pytest.mark.slow]
ADD = {"action_type": "ADD_SERVER", "parameters": {}, "rationale": "busy", "confidence": 0.9, "risk_level": "low"}
ADVICE = {"analysis": "Busy.", "recommendations": [ADD], "reasoning_steps": ["it is busy"]}
WORLD = {
    "updated_model": {
        "system_description": "A tier.",
        "key_metrics": {},
        "identified_patterns": [],
        "trend_analysis": "Arrivals rise.",
    },
    "predictions": {
        "short_term": "more",
        "medium_term": "more",
        "confidence_scores": {"short_term": 0.5, "medium_term": 0.3},
    },
}
IMPACT = {
    "simulation_result": {
        "immediate_effects": ["none for a minute"],
        "cascading_effects": [],
        "risk_assessment": {"level": "low", "factors": []},
        "success_probability": 0.8,
        "alternative_outcomes": [],
    },
    "recommendations": {"proceed": True, "modifications": [], "precautions": []},
}
PROMPTS = {
    "You keep the world model": WORLD,
    "You are the analysis step": ADVICE,
    "You simulate, on paper": IMPACT,
}


class Endpoint(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that knows the kit's prompts by their first words; `is_down` answers 500."""

    asked: list[str] = []  # noqa: RUF012 - one server at a time
    is_down = False

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        system = "\n".join(str(one["content"]) for one in body["messages"] if one["role"] == "system")
        message: dict[str, Any]
        if body.get("tools"):
            self.asked.append("agent")
            has_looked = any(one["role"] == "tool" for one in body["messages"])
            name, given = ("final_answer", {"result": ADVICE, "confidence": 0.9, "reasoning": "seen"})
            if not has_looked:
                name, given = "get_metrics", {"system_id": "web-tier"}
            call = {"id": f"c{len(self.asked)}", "type": "function"}
            call["function"] = {"name": name, "arguments": json.dumps(given)}  # type: ignore[assignment]
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        else:
            begin = next(begin for begin in PROMPTS if begin in system)
            self.asked.append(begin)
            message = {"role": "assistant", "content": json.dumps(PROMPTS[begin])}
        reason = "tool_calls" if body.get("tools") else "stop"
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        answer = {"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
        sent = json.dumps({"error": {"message": "down"}} if self.is_down else answer).encode()
        self.send_response(500 if self.is_down else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def endpoint() -> Iterator[dict[str, str]]:
    Endpoint.asked, Endpoint.is_down = [], False
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield {
        "LLAMA_SERVER_URL": f"http://127.0.0.1:{listening.server_address[1]}",
        "BACKSTAY__RETRY__MAX_ATTEMPTS": "1",
    }
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.mark.parametrize("reasoning", ["direct", "agent"])
def test_the_model_is_asked_all_of_it(backstay: Run, endpoint: dict[str, str], tmp_path: Path, reasoning: str) -> None:
    """World model, advice (in one answer, or by an agent that looks first) and simulation; the trace and the page have them."""
    given = ["--model", "llamacpp:m", "--reasoning", reasoning, "--minutes", "3", "--rounds", "1", "--servers", "3"]
    done = backstay("operations", "run", *given, "--out", "run.jsonl", "--html", "run.html", env=endpoint)
    assert done.returncode == 0, done.stderr
    assert "llamacpp:m decides" in done.stderr
    assert "Arrivals rise." in done.stdout
    wanted = {"You keep the world model", "agent" if reasoning == "agent" else "You are the analysis step"}
    assert wanted <= set(Endpoint.asked)
    (found,) = read_trace(tmp_path / "run.jsonl")
    assert found.world is not None
    assert found.world.source.startswith("llamacpp")
    assert not found.advice.is_degraded
    assert "What was thought" in (tmp_path / "run.html").read_text(encoding="utf-8")
    assert found.executions[0].status == "refused"  # three servers are all that there are
    assert "You simulate, on paper" not in Endpoint.asked  # what is refused is not paid for


def test_a_model_that_is_down_is_told(backstay: Run, endpoint: dict[str, str], tmp_path: Path) -> None:
    """The rules look after the tier; every line, the last one, and the trace say that a model was meant to."""
    Endpoint.is_down = True
    given = ["--model", "llamacpp:m", "--minutes", "3", "--rounds", "2", "--out", "run.jsonl"]
    done = backstay("operations", "run", *given, env=endpoint)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("[degraded: rule:predictive]") == 2
    assert "by rules where a model was asked: advice 2, world models 2" in done.stdout
    assert all(one.advice.is_degraded and one.advice.note for one in read_trace(tmp_path / "run.jsonl"))


def test_a_quota_that_is_used_up_is_told(backstay: Run, endpoint: dict[str, str], tmp_path: Path) -> None:
    """With one world model a day, the second is the rule's, and the trace names the limit; the advice goes on by the model."""
    quota = {"BACKSTAY__QUOTAS__ONCE__TASK": "world_model_update", "BACKSTAY__QUOTAS__ONCE__REQUESTS_PER_DAY": "1"}
    given = ["--model", "llamacpp:m", "--minutes", "3", "--rounds", "2", "--out", "run.jsonl"]
    done = backstay("operations", "run", *given, env=endpoint | quota)
    assert done.returncode == 0, done.stderr
    first, second = read_trace(tmp_path / "run.jsonl")
    assert first.world is not None
    assert second.world is not None
    assert not first.world.is_degraded
    assert second.world.source == "rule:differences"
    assert "LimitReached" in second.world.note
    assert not second.advice.is_degraded
