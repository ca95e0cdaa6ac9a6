"""Recorded traffic of forty providers through the codecs: every fact checked against a second reading of the same bytes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from genai_prices import extract_usage
from jsonschema import Draft202012Validator
from wire_record import Record, read_records
from wire_table import build, decode

from backstay.codecs.openai_chat import OpenAIChat
from backstay.codecs.openai_rule import ChatRules
from backstay.errors import LLMError
from backstay.types import Request
from backstay.wire import HTTPRequest

pytestmark = pytest.mark.corpus
MINE = ("openai_chat", "openai_responses", "ollama")


@pytest.fixture(scope="module")
def records(corpus: Path) -> list[Record]:
    return list(read_records(corpus / "wire" / "dev.jsonl.gz"))


@pytest.mark.parametrize("dialect", MINE)
def test_every_record_decodes_as_the_oracle_reads_it(corpus: Path, dialect: str) -> None:
    """No record of the dialect fails: text, calls, usage, finish, splits, cuts and errors."""
    table = build(corpus / "wire" / "dev.jsonl.gz", only=[dialect])
    assert table.failures == []
    assert sum(sum(counter.values()) for counter in table.right.values()) > 100


@pytest.mark.slow
@pytest.mark.parametrize("dialect", MINE)
def test_every_stream_splits_at_every_byte(corpus: Path, dialect: str) -> None:
    """The exhaustive form of the split check, on streams of up to 2 500 bytes."""
    table = build(corpus / "wire" / "dev.jsonl.gz", only=[dialect], every_byte=True, max_bytes=2500)
    assert table.failures == []


PRICED = {
    "openai": "openai",
    "deepseek": "deepseek",
    "groq": "groq",
    "mistral": "mistral",
    "openrouter": "openrouter",
    "zai": "zai",
}


def test_usage_agrees_with_a_library_of_prices(records: list[Record]) -> None:
    """genai-prices reads the same counts from the same whole answers, wherever it knows the model."""
    compared = 0
    for record in records:
        if record.api != "chat_completions" or record.kind != "answer" or record.provider not in PRICED:
            continue
        counts = _priced(record)
        if counts is None:
            continue
        usage = decode(record, OpenAIChat(), [record.body]).usage
        assert (usage.input_tokens, usage.output_tokens) == counts, record.id
        compared += 1
    assert compared > 200


def _priced(record: Record) -> tuple[int | None, int | None] | None:
    for flavor in ("chat", "default"):
        try:
            usage = extract_usage(json.loads(record.body), provider_id=PRICED[record.provider], api_flavor=flavor).usage
        except (LookupError, ValueError, TypeError):
            continue
        return usage.input_tokens, usage.output_tokens
    return None


def accepted(records: list[Record], provider: str) -> list[Request]:
    """The requests that a provider took, as a gateway would read them."""
    codec = OpenAIChat()
    found = []
    for record in records:
        if record.api == "chat_completions" and record.provider == provider and record.kind != "error":
            body = record.request
            if isinstance(body, dict) and body.get("messages") and body.get("n") in (None, 1):
                found.append(codec.decode_request(HTTPRequest(url="/", body=msgspec.json.encode(body))))
    return found


def test_requests_that_openai_took_are_taken_here(corpus: Path, records: list[Record]) -> None:
    """Strictness refuses nothing that the API accepts, and what is written fits the API's own schema."""
    schema = json.loads(gzip.decompress((corpus / "wire" / "specs" / "openai-openapi.json.gz").read_bytes()))
    root = {**schema["components"]["schemas"]["CreateChatCompletionRequest"], "components": schema["components"]}
    validator = Draft202012Validator(root)
    refused, invalid, count = [], [], 0
    for request in accepted(records, "openai"):
        count += 1
        try:
            body = json.loads(OpenAIChat().encode(request).body)
        except LLMError as error:
            refused.append(str(error))
            continue
        invalid += [f"{fault.json_path}: {fault.message[:200]}" for fault in validator.iter_errors(body)]
    assert refused == []
    assert invalid == []
    assert count > 150


def test_a_request_read_and_written_says_the_same(records: list[Record]) -> None:
    """Pass-through: a recorded request, read by the gateway's side and written by the client's, loses no field."""
    lossless = OpenAIChat(
        ChatRules(
            max_tokens_field="max_tokens", reasoning_back="reasoning_content", schema="any", needs_json_word=False,
            has_cache_control=True, top_k_field="top_k", max_stop=None, uses_model_traits=False, file_url_part="file",
        )
    )  # fmt: skip
    lost: dict[str, Any] = {}
    for record in records:
        body = record.request
        is_chat = record.api == "chat_completions" and record.provider in (
            "openai",
            "azure_openai",
            "vllm",
            "huggingface",
        )
        if (
            not is_chat
            or record.kind == "error"
            or not isinstance(body, dict)
            or not (body.get("messages") and body.get("model"))
        ):
            continue
        http = HTTPRequest(url="/", body=msgspec.json.encode(body))
        if body.get("n") not in (None, 1):
            continue
        request = lossless.decode_request(http)
        back = json.loads(lossless.encode(request, stream=lossless.is_stream(http)).body)
        missing = {name for name, value in body.items() if value not in (None, False, [], {}) and name not in back}
        if body.get("response_format") == {"type": "text"}:
            missing.discard("response_format")
        missing -= {"max_completion_tokens", "stream_options", "parallel_tool_calls", "functions"}
        if missing or len(back["messages"]) != len(body["messages"]):
            lost[record.id] = missing or "messages"
    assert lost == {}
