"""A provider's own count of tokens is a recorded call like any other, and never mistaken for an answer to the same question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backstay import Client
from backstay.config import load
from backstay.errors import NotFound
from backstay.ledger.memory import MemoryLedger
from backstay.replay import record, replay
from backstay.replay.divergence import Divergence
from backstay.replay.journal import read_journal
from backstay.replay.stats import stats
from backstay.replay.verify import verify
from backstay.sim import run, sim_world
from backstay.transport.fake import FakeTransport
from backstay.transport.script import Answer

COUNTED = Answer(body=b'{"input_tokens": 17}')
BUSY = Answer(status=529, body=b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}')
DENIED = Answer(status=404, body=b'{"type":"error","error":{"type":"not_found_error","message":"no such model"}}')
SAID = Answer(
    body=b'{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"Hello"}],'
    b'"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":2}}'
)


def lived(around: Any, folder: Path, program: Any, *answers: Answer, key: str = "") -> tuple[Any, int]:
    """What `program` got of a client, and how many requests went out."""

    async def main() -> tuple[Any, int]:
        world, transport = sim_world(1), FakeTransport(*answers)
        environ = {"ANTHROPIC_API_KEY": key} if key else {}
        arguments = {"model": "anthropic:claude-haiku-4-5"}
        loaded = load(environ=environ, arguments=arguments, cwd=folder, user_folder=folder)
        async with Client(loaded=loaded, transport=transport, world=world, ledger=MemoryLedger()) as client:
            with around(folder / "run.jsonl", world=world):
                return await program(client), len(transport.requests)

    return run(main())


async def both(client: Client) -> list[Any]:
    """The same words asked for a count and for an answer, the count first."""
    counted = await client.count_tokens("why?", max_output_tokens=50)
    answered = await client.generate("why?", max_output_tokens=50)
    return [counted.input_tokens, counted.is_exact, answered.text]


def test_a_count_comes_back_with_no_network_and_no_key(tmp_path: Path) -> None:
    """Retried when it was recorded, then equal, beside an answer to the same words."""
    assert lived(record, tmp_path, both, BUSY, COUNTED, SAID, key="k") == ([17, True, "Hello"], 3)
    assert lived(replay, tmp_path, both) == ([17, True, "Hello"], 0)
    assert verify(read_journal(tmp_path / "run.jsonl")).is_good


def test_the_order_of_a_count_and_an_answer_does_not_matter(tmp_path: Path) -> None:
    """They are different questions, so neither is given for the other."""

    async def other_way_round(client: Client) -> list[Any]:
        answered = await client.generate("why?", max_output_tokens=50)
        return [(await client.count_tokens("why?", max_output_tokens=50)).input_tokens, answered.text]

    lived(record, tmp_path, both, COUNTED, SAID, key="k")
    assert lived(replay, tmp_path, other_way_round) == ([17, "Hello"], 0)


def test_a_failed_count_fails_again_and_another_one_is_a_miss(tmp_path: Path) -> None:
    """As for any call."""

    async def failing(client: Client) -> None:
        with pytest.raises(NotFound):
            await client.count_tokens("why?")

    async def another(client: Client) -> None:
        await client.count_tokens("how?")

    lived(record, tmp_path, failing, DENIED, key="k")
    assert lived(replay, tmp_path, failing) == (None, 0)
    with pytest.raises(Divergence, match="messages"):
        lived(replay, tmp_path, another)


def test_a_count_is_free_in_the_figures_of_a_run(tmp_path: Path) -> None:
    """It is a call; its tokens were not paid for, so they are not among the sums."""
    lived(record, tmp_path, both, COUNTED, SAID, key="k")
    total = stats(read_journal(tmp_path / "run.jsonl")).total
    assert (total.calls, total.input_tokens, total.unpriced) == (2, 9, 0)
