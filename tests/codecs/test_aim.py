"""From a configured provider to the bytes that are sent: addresses, keys, signatures, embeddings, counts, limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backstay import Client, sync
from backstay.codecs.embedding import Embeddings
from backstay.codecs.sigv4 import AWSCredentials, sign
from backstay.config import load
from backstay.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InvalidRequest,
    NotFound,
    ProtocolError,
    RateLimited,
)
from backstay.ledger.memory import MemoryLedger
from backstay.secret import Secret
from backstay.sim import sim_world
from backstay.transport import fault
from backstay.transport.fake import FakeTransport
from backstay.transport.script import Answer
from backstay.types import Limit
from backstay.wire import HTTPRequest

AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-canary-17", "AWS_REGION": "eu-west-1"}
CONVERSE = Answer(
    body=json.dumps(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
        }
    ).encode()
)
CLAUDE = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"


class Bench:
    """A client with an environment of its own, its script and its ledger."""

    def __init__(self, tmp_path: Path, model: str, environ: dict[str, str], *answers: Any, **arguments: Any) -> None:
        self.transport = FakeTransport(*answers)
        self.ledger = MemoryLedger()
        self.world = sim_world(1)
        loaded = load(
            environ=environ,
            arguments={"model": model, "retry.jitter": 0.0, **arguments},
            cwd=tmp_path,
            user_folder=tmp_path,
        )
        self.client = Client(loaded=loaded, transport=self.transport, world=self.world, ledger=self.ledger)

    @property
    def sent(self) -> HTTPRequest:
        return self.transport.requests[-1]


async def test_aws_credentials_sign_each_attempt_anew(tmp_path: Path) -> None:
    """Claude over Bedrock Converse: a retry is signed at its own instant, and each signature is the one of its request."""
    bench = Bench(tmp_path, f"bedrock:{CLAUDE}", AWS, fault.status(503), CONVERSE)
    assert (await bench.client.generate("Hi")).text == "Hello"
    first, second = bench.transport.requests
    assert second.url == f"https://bedrock-runtime.eu-west-1.amazonaws.com/model/{CLAUDE.replace(':', '%3A')}/converse"
    assert first.headers["x-amz-date"] != second.headers["x-amz-date"]
    key = AWSCredentials(access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret-canary-17"))
    bare = msgspec.structs.replace(
        second,
        headers={name: value for name, value in second.headers.items() if name not in ("authorization", "x-amz-date")},
    )
    now = bench.world.clock.wall_ns() / 1e9
    assert sign(bare, key, region="eu-west-1", service="bedrock", now=now).headers == second.headers


async def test_a_bearer_key_is_preferred_to_a_signature(tmp_path: Path) -> None:
    """AWS_BEARER_TOKEN_BEDROCK wins where both are set."""
    bench = Bench(tmp_path, f"bedrock:{CLAUDE}", {**AWS, "AWS_BEARER_TOKEN_BEDROCK": "bearer-1"}, CONVERSE)
    await bench.client.generate("Hi")
    assert bench.sent.headers["authorization"] == Secret("Bearer bearer-1")
    assert "x-amz-date" not in bench.sent.headers


async def test_a_session_token_is_sent_and_never_shown(tmp_path: Path) -> None:
    """AWS quotes the signed request in the error that refuses it; our error does not."""
    quoted = json.dumps({"message": "canonical string: x-amz-security-token:token-canary-9 secret-canary-17"}).encode()
    refusal = Answer(status=403, headers={"x-amzn-errortype": "InvalidSignatureException"}, body=quoted)
    bench = Bench(tmp_path, f"bedrock:{CLAUDE}", {**AWS, "AWS_SESSION_TOKEN": "token-canary-9"}, refusal)
    with pytest.raises(Exception) as caught:
        await bench.client.generate("Hi")
    assert bench.sent.headers["x-amz-security-token"] == Secret("token-canary-9")
    assert "canonical string" in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_missing_aws_settings_are_told_with_the_remedy(tmp_path: Path) -> None:
    """No key at all, half a key, no region."""
    region = {"AWS_REGION": "eu-west-1"}
    for environ, words in (
        (region, "AWS_BEARER_TOKEN_BEDROCK=.*AWS_ACCESS_KEY_ID"),
        ({**region, "AWS_ACCESS_KEY_ID": "x"}, "AWS_SECRET_ACCESS_KEY is not set"),
        ({**region, "AWS_SECRET_ACCESS_KEY": "x"}, "AWS_ACCESS_KEY_ID is not set"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            await Bench(tmp_path, "bedrock:m", environ).client.generate("Hi")
    with pytest.raises(ConfigurationError, match=r"providers\.bedrock\.base_url"):
        Bench(tmp_path, "bedrock:m", {name: value for name, value in AWS.items() if name != "AWS_REGION"})


async def test_a_host_of_ones_own_is_signed_for_the_region_of_the_environment(tmp_path: Path) -> None:
    """A private gateway in front of Bedrock names no region."""
    address = {"providers.bedrock.base_url": "https://bedrock.example"}
    bench = Bench(tmp_path, "bedrock:m", AWS, CONVERSE, **address)
    await bench.client.generate("Hi")
    assert "/eu-west-1/bedrock/aws4_request" in str(bench.sent.headers["authorization"])


async def test_azure_classic_names_deployment_and_version_in_the_address(tmp_path: Path) -> None:
    """The deployment is the model, the version a default that the environment may change."""
    environ = {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com/"}
    url = "https://mine.openai.azure.com/openai/deployments/my-gpt/chat/completions?api-version="
    bench = Bench(tmp_path, "azure_classic:my-gpt", environ, Answer(body=fault.chat_answer("Hello")))
    await bench.client.generate("Hi")
    assert bench.sent.url == url + "2024-10-21"
    assert bench.sent.headers["api-key"] == Secret("k")
    named = {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_RESOURCE": "mine", "OPENAI_API_VERSION": "2025-01-01-preview"}
    bench = Bench(tmp_path, "azure_classic:my-gpt", named, Answer(body=fault.chat_answer("Hello")))
    await bench.client.generate("Hi")
    assert bench.sent.url == url + "2025-01-01-preview"


GOOGLE = {"GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.x", "GOOGLE_CLOUD_PROJECT": "my-project"}
ANTHROPIC_ANSWER = Answer(
    body=json.dumps(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude",
            "content": [{"type": "text", "text": "Hello"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 1},
        }
    ).encode()
)


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
async def test_claude_on_vertex(tmp_path: Path, location: str, host: str) -> None:
    """Project and location come from the environment, the version stands in the body, the model in the path."""
    model = "vertex_anthropic:claude-sonnet-4-5@20250929"
    bench = Bench(tmp_path, model, {**GOOGLE, "GOOGLE_CLOUD_LOCATION": location}, ANTHROPIC_ANSWER)
    assert (await bench.client.generate("Hi")).text == "Hello"
    path = f"/v1/projects/my-project/locations/{location}/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict"
    assert bench.sent.url == f"https://{host}{path}"
    assert bench.sent.headers["authorization"] == Secret("Bearer ya29.x")
    body = msgspec.json.decode(bench.sent.body)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body


async def test_an_address_with_holes_names_each_variable(tmp_path: Path) -> None:
    """What is missing is found before anything is sent."""
    with pytest.raises(ConfigurationError, match=r"providers\.vertex"):
        Bench(tmp_path, "vertex:gemini-3.5-flash", GOOGLE)
    bench = Bench(tmp_path, "offline:rules", GOOGLE)
    with pytest.raises(ConfigurationError, match="GOOGLE_CLOUD_LOCATION"):
        await bench.client.generate("Hi", model="vertex:gemini-3.5-flash")


# embeddings

OPENAI = {"OPENAI_API_KEY": "sk-1"}
EMBEDDING = "openai:text-embedding-3-small"


def vectors(*rows: list[float], tokens: int = 1000) -> Answer:
    data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Answer(body=json.dumps({"object": "list", "data": data, "model": "m", "usage": usage}).encode())


async def test_an_embedding_is_a_call_like_any_other(tmp_path: Path) -> None:
    """Retried, priced, written down; one vector for each text."""
    bench = Bench(tmp_path, EMBEDDING, OPENAI, fault.status(503), vectors([1.0], [2.0]))
    found = await bench.client.embed(["a", "b"], dimensions=1)
    assert found.vectors == ((1.0,), (2.0,))
    assert msgspec.json.decode(bench.sent.body) == {
        "model": "text-embedding-3-small",
        "input": ["a", "b"],
        "dimensions": 1,
    }
    assert bench.sent.url == "https://api.openai.com/v1/embeddings"
    assert found.cost is not None
    assert found.cost.nano_usd == 1000 * 20
    assert found.provenance.target == EMBEDDING
    assert len(found.provenance.attempts) == 2
    rows = list(bench.ledger.rows())
    assert [row.outcome for row in rows] == ["failed", "complete"]
    assert (rows[1].input_tokens, rows[1].output_tokens, rows[1].cost_nano_usd) == (1000, 0, 20_000)
    assert rows[0].cost_nano_usd is not None  # the estimate of an attempt that may have been worked for
    assert bench.client.usage.summary().total_tokens == 1000


async def test_one_text_is_a_list_of_one(tmp_path: Path) -> None:
    """A string is not taken for a sequence of letters."""
    bench = Bench(tmp_path, EMBEDDING, OPENAI, vectors([1.0]))
    assert len((await bench.client.embed("word")).vectors) == 1


async def test_embeddings_by_name_of_another_provider(tmp_path: Path) -> None:
    """Gemini and Ollama have dialects of their own."""
    google = Answer(body=b'{"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 2}}')
    ollama = Answer(body=b'{"embeddings": [[0.25]], "prompt_eval_count": 3}')
    bench = Bench(tmp_path, EMBEDDING, {**OPENAI, "GEMINI_API_KEY": "g"}, google, ollama)
    assert (await bench.client.embed("a", model="gemini:gemini-embedding-001")).vectors == ((0.5,),)
    assert bench.sent.url.endswith("/v1beta/models/gemini-embedding-001:batchEmbedContents")
    assert (await bench.client.embed("a", model="ollama:nomic-embed-text")).usage.input_tokens == 3
    assert bench.sent.url.endswith("/api/embed")


async def test_embedding_faults_are_found_before_anything_is_sent(tmp_path: Path) -> None:
    """Bad texts, a provider without embeddings, a service that only writes."""
    bench = Bench(tmp_path, EMBEDDING, {**OPENAI, "ANTHROPIC_API_KEY": "a"})
    with pytest.raises(InvalidRequest, match=r"texts\[1\]"):
        await bench.client.embed(["a", ""])
    with pytest.raises(ConfigurationError, match="anthropic has no embeddings"):
        await bench.client.embed("a", model="anthropic:claude-sonnet-5")
    with pytest.raises(ConfigurationError, match="no vectors"):
        await bench.client.embed("a", model="offline:rules")
    assert bench.transport.requests == []


async def test_fewer_vectors_than_texts_is_an_error(tmp_path: Path) -> None:
    """Never the wrong vector for a text."""
    bench = Bench(tmp_path, EMBEDDING, OPENAI, vectors([1.0]))
    with pytest.raises(ProtocolError, match="1 vectors came back for 2 texts"):
        await bench.client.embed(["a", "b"])


async def test_an_embedding_error_is_typed(tmp_path: Path) -> None:
    """And its attempt voided: nothing was worked for."""
    bench = Bench(tmp_path, EMBEDDING, OPENAI, fault.status(404))
    with pytest.raises(NotFound):
        await bench.client.embed("a")
    assert [row.state for row in bench.ledger.rows()] == ["voided"]


def test_the_blocking_face_embeds(tmp_path: Path) -> None:
    """The same verb without `await`."""
    loaded = load(environ=OPENAI, arguments={"model": EMBEDDING}, cwd=tmp_path, user_folder=tmp_path)
    with sync.Client(loaded=loaded, transport=FakeTransport(vectors([1.0])), ledger=MemoryLedger()) as client:
        found = client.embed("a")
    assert isinstance(found, Embeddings)
    assert found.vectors == ((1.0,),)


# counts

COUNTS: list[tuple[str, dict[str, str], bytes, str]] = [
    ("openai_responses:gpt-5-mini", OPENAI, b'{"input_tokens":11}', "/v1/responses/input_tokens"),
    ("anthropic:claude-sonnet-5", {"ANTHROPIC_API_KEY": "a"}, b'{"input_tokens":11}', "/v1/messages/count_tokens"),
    ("gemini:gemini-3.5-flash", {"GEMINI_API_KEY": "g"}, b'{"totalTokens":11}', "/models/gemini-3.5-flash:countTokens"),
    ("vertex:gemini-3.5-flash", {**GOOGLE, "GOOGLE_CLOUD_LOCATION": "global"}, b'{"totalTokens":11}', ":countTokens"),
    ("bedrock:anthropic.claude-x", AWS, b'{"inputTokens":11}', "/model/anthropic.claude-x/count-tokens"),
    ("llamacpp:any", {}, b'{"input_tokens":11}', "/v1/messages/count_tokens"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "environ", "body", "path"), COUNTS, ids=[row[0] for row in COUNTS])
async def test_the_provider_counts(tmp_path: Path, model: str, environ: dict[str, str], body: bytes, path: str) -> None:
    """Where there is an endpoint the count is the provider's own, exact, and nothing is generated."""
    bench = Bench(tmp_path, model, environ, Answer(body=body))
    counted = await bench.client.count_tokens("How long is this?", system="Be brief.")
    assert (counted.input_tokens, counted.is_exact) == (11, True)
    assert bench.sent.url.endswith(path)
    assert b"How long is this?" in bench.sent.body
    assert not {"max_output_tokens", "temperature", "stream", "store"} & set(msgspec.json.decode(bench.sent.body))


async def test_a_provider_without_a_count_is_bounded(tmp_path: Path) -> None:
    """No endpoint: a bound that says that it is one, and no request."""
    bench = Bench(tmp_path, "groq:some-model", {"GROQ_API_KEY": "k"})
    counted = await bench.client.count_tokens("How long is this?")
    assert not counted.is_exact
    assert counted.method == "upper bound from its bytes"
    assert bench.transport.requests == []


async def test_a_refused_count_is_a_typed_error_without_the_key(tmp_path: Path) -> None:
    """As for answers."""
    body = b'{"error": {"type": "authentication_error", "message": "bad key key-canary-3"}}'
    bench = Bench(tmp_path, "anthropic:m", {"ANTHROPIC_API_KEY": "key-canary-3"}, Answer(status=401, body=body))
    with pytest.raises(AuthenticationFailed) as caught:
        await bench.client.count_tokens("x")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"input_tokens":"x"}', b"nothing"])
@pytest.mark.parametrize("model", ["openai_responses:m", "anthropic:m", "llamacpp:m", "gemini:m"])
async def test_an_answer_without_a_count_is_no_count(tmp_path: Path, model: str, body: bytes) -> None:
    """Never zero for unknown, however often it is asked."""
    keys = {**OPENAI, "ANTHROPIC_API_KEY": "a", "GEMINI_API_KEY": "g"}
    with pytest.raises(ProtocolError):
        await Bench(tmp_path, model, keys, *[Answer(body=body)] * 3).client.count_tokens("x")


# limits

LIMITED = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
    "x-ratelimit-remaining-tokens": "29000",
    "x-ratelimit-reset-tokens": "6m0s",
}


async def _whole(client: Client) -> Any:
    return await client.generate("Hi")


async def _stream(client: Client) -> Any:
    return await client.stream("Hi").response()


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (_whole, Answer(body=fault.chat_answer("Hello"), headers=LIMITED)),
        (_stream, Answer(chunks=fault.chat_events("Hello"), headers=LIMITED)),
    ],
    ids=["whole", "stream"],
)
async def test_an_answer_tells_the_limits(tmp_path: Path, ask: Callable[[Client], Any], answer: Answer) -> None:
    """What the provider said of its limits stands on the provenance, streamed or not."""
    bench = Bench(tmp_path, "openai:gpt-5-mini", OPENAI, answer)
    found = {entry.dimension: entry for entry in (await ask(bench.client)).provenance.limits}
    assert found["requests"] == Limit(dimension="requests", limit=500, remaining=499, reset=0.12)
    assert (found["tokens"].remaining, found["tokens"].reset) == (29_000, 360.0)


async def test_a_refusal_tells_the_limits_too(tmp_path: Path) -> None:
    """A 429 is where they matter most."""
    refusal = Answer(
        status=429, headers=LIMITED, body=b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}'
    )
    bench = Bench(tmp_path, "openai:gpt-5-mini", OPENAI, refusal, **{"retry.max_attempts": 1})
    with pytest.raises(RateLimited) as caught:
        await bench.client.generate("Hi")
    assert {entry.dimension for entry in caught.value.limits} == {"requests", "tokens"}
