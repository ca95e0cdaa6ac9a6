"""Ctrl-C in the middle of a run: what is finished is kept, what was under way is settled, and the exit code says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backstay.ledger.sqlite import read_rows

from .conftest import ROOT

pytestmark = [pytest.mark.server, pytest.mark.slow]
ANSWER = json.dumps({"company": "Corner", "date": "2026-03-14", "address": None, "total": "33.66", "currency": "USD"})


class Handler(BaseHTTPRequestHandler):
    """Answers the first question at once; lets the second wait until the test is over."""

    count = 0
    over = threading.Event()
    waiting = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        type(self).count += 1
        if self.count > 1:
            self.waiting.set()
            self.over.wait(30)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        body = json.dumps(
            {"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}"
    Handler.over.set()
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_an_interrupted_run_keeps_what_is_done(server: str, tmp_path: Path) -> None:
    """One record is on standard output, the running call is settled as dropped, exit code 130, no traceback."""
    receipts = sorted((ROOT / "examples" / "receipts").glob("u*.txt"))
    command = [sys.executable, "-m", "backstay", "extract", "receipt", *map(str, receipts), "-j", "1", "-f", "jsonl"]
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "LLAMA_SERVER_URL": server,
        "LLM_MODEL": "llamacpp:m",
    }
    running = subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert Handler.waiting.wait(30)
    running.send_signal(signal.SIGINT)
    printed, said = running.communicate(timeout=30)
    assert running.returncode == 130, said
    assert [json.loads(line)["data"]["total"] for line in printed.splitlines()] == ["33.66"]
    assert f"interrupted: 1 of {len(receipts)} documents are written" in said
    assert "Traceback" not in said
    rows = list(read_rows(tmp_path / ".local" / "share" / "backstay" / "ledger.db"))
    assert [(row.state, row.outcome) for row in rows] == [("posted", "complete"), ("posted", "dropped")]
