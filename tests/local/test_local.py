"""A real llama.cpp: the in-process provider, and the same engine's HTTP server through three dialects.

The model is the tiny one of `tiny.py`, or the GGUF file that BACKSTAY_LOCAL_MODEL names.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backstay import Client
from backstay.codecs.registry import codec
from backstay.config import Loaded, load
from backstay.errors import ConfigurationError, DeadlineExceeded, TimedOut
from backstay.event import TextDelta
from backstay.ports import SystemClock
from backstay.provider import Provider
from backstay.secret import Secret
from backstay.service import DROPPED, Call
from backstay.target import Target
from backstay.transport.base import Timeouts
from backstay.transport.http import HTTPTransport
from backstay.types import Request, user

from .tiny import write_model

pytestmark = [pytest.mark.server, pytest.mark.slow]
xllamacpp: Any = pytest.importorskip("xllamacpp")
SCHEMA = {
    "type": "object",
    "properties": {"good": {"type": "boolean"}},
    "required": ["good"],
    "additionalProperties": False,
}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("BACKSTAY_LOCAL_MODEL")
    return Path(named) if named else write_model(tmp_path_factory.mktemp("model") / "tiny.gguf")


def settings(tmp_path: Path, **arguments: Any) -> Loaded:
    given = {"ledger.path": str(tmp_path / "ledger.db"), **arguments}
    return load(environ={}, arguments=given, cwd=tmp_path, user_folder=tmp_path)


async def test_a_file_answers_like_any_provider(model: Path, tmp_path: Path) -> None:
    """Whole and streamed answers agree, are counted and cost nothing."""
    async with Client(f"local:{model}", loaded=settings(tmp_path)) as client:
        whole = await client.generate("Why is the sky blue?", max_output_tokens=16, seed=1)
        assert whole.usage.output_tokens
        assert whole.usage.output_tokens <= 16
        assert whole.cost is not None
        assert whole.cost.nano_usd == 0
        assert not whole.provenance.degraded
        async with client.stream("Why is the sky blue?", max_output_tokens=16, seed=1) as answer:
            texts = [event.text async for event in answer if isinstance(event, TextDelta)]
            streamed = await answer.response()
        assert "".join(texts) == streamed.text == whole.text
        assert streamed.usage.output_tokens == whole.usage.output_tokens


async def test_a_schema_binds_even_a_model_that_writes_nonsense(model: Path, tmp_path: Path) -> None:
    """The grammar is made of the schema, so the answer fits it; log-probabilities come with it."""
    async with Client(loaded=settings(tmp_path, model="local:model", **{"local.path": str(model)})) as client:
        answer = await client.generate_json("Is that good?", schema=SCHEMA, max_output_tokens=64, logprobs=2)
    assert isinstance(answer.value["good"], bool)
    assert answer.response.logprobs
    assert len(answer.response.logprobs[0].top) == 2


async def test_leaving_a_stream_stops_the_generation(model: Path, tmp_path: Path) -> None:
    """The worker is free for the next question at once, and not after a thousand tokens."""
    async with Client(f"local:{model}", loaded=settings(tmp_path)) as client:
        reply = await client.send(client.request("Tell a long story.", {"max_output_tokens": 1500}), stream=True)
        await anext(reply)
        await reply.aclose()
        assert reply.outcome is DROPPED
        assert (await client.generate("Short.", max_output_tokens=4)).usage.output_tokens


async def test_a_deadline_ends_the_wait(model: Path, tmp_path: Path) -> None:
    """A question behind another one waits no longer than it was told to."""
    async with Client(f"local:{model}", loaded=settings(tmp_path)) as client:
        await client.generate("Load the model.", max_output_tokens=1)
        long = asyncio.ensure_future(client.generate("Count to ten thousand.", max_output_tokens=1500))
        await asyncio.sleep(0)
        with pytest.raises((TimedOut, DeadlineExceeded)):
            await client.generate("And me?", max_output_tokens=1, timeout=0.001)
        await long


@pytest.mark.parametrize("path", ["missing.gguf", "text.gguf"])
async def test_a_wrong_file_is_one_clear_error(path: str, tmp_path: Path) -> None:
    """Missing, or no model at all: the setting and the file are named."""
    (tmp_path / "text.gguf").write_text("this is no model")
    async with Client(f"local:{tmp_path / path}", loaded=settings(tmp_path)) as client:
        with pytest.raises(ConfigurationError, match=r"local\.path"):
            await client.generate("hello")


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[str]:
    """llama.cpp's own HTTP server, guarded by a key."""
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = 2048
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_parallel = 1
    params.warmup = False
    params.verbosity = -1
    params.api_keys = ["made-up-key"]
    running = xllamacpp.Server(params)
    yield running.listening_address
    del running


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("dialect", "path"), [("openai_chat", "/v1"), ("openai_responses", "/v1"), ("anthropic", "")])
async def test_the_real_server_speaks_three_dialects(server: str, dialect: str, path: str, stream: bool) -> None:
    """Each dialect's codec drives the real endpoint, whole and streamed, and agrees with itself."""
    transport = HTTPTransport()
    target = Target(
        provider="llamacpp",
        model="tiny",
        codec=codec(dialect),
        base_url=server + path,
        headers={"authorization": Secret("Bearer made-up-key")},
    )
    provider = Provider(target, transport, timeouts=Timeouts(), clock=SystemClock())
    question = Request(
        model="tiny", messages=(user("Why?"),), system="Be brief.", max_output_tokens=16, temperature=0.0
    )
    try:
        response = await (await provider(Call(request=question, stream=stream))).response()
    finally:
        await transport.aclose()
    assert response.finish_reason in ("length", "stop")
    assert response.usage.output_tokens
    assert response.usage.output_tokens <= 17
    assert json.dumps(response.text)
