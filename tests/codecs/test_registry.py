"""Providers as data: every row has a codec, a key's place and an address; unknown names are answered with a suggestion."""

from __future__ import annotations

import pytest

from backstay.codecs.embedding import ask_for_vectors
from backstay.codecs.placeholder import fill
from backstay.codecs.registry import ProviderRow, codec, default_registry, dialects, provider, providers
from backstay.errors import ConfigurationError
from backstay.secret import Secret
from backstay.types import Request, user

KEY = Secret("sk-test-0123456789")


@pytest.mark.parametrize("row", providers(), ids=lambda row: row.name)
def test_every_row_is_complete(row: ProviderRow) -> None:
    """An address without a trailing slash, https but for local servers, a source, a key's name where a key is needed."""
    assert not row.base_url.endswith("/")
    assert row.is_local or row.base_url.startswith("https://")
    assert row.source
    assert row.key_env or not row.needs_key
    assert row.dialect in dialects()


@pytest.mark.parametrize("row", providers(), ids=lambda row: row.name)
def test_every_rows_codec_encodes_a_question(row: ProviderRow) -> None:
    """The simplest request is taken by every provider, as a path and a JSON body."""
    http = row.codec().encode(Request(model="model-1", messages=(user("Good morning"),)))
    assert http.url.startswith("/")
    assert b"Good morning" in http.body


def test_names_are_unique() -> None:
    """No row hides another."""
    names = [row.name for row in providers()]
    assert len(set(names)) == len(names)


def test_keys_go_where_the_provider_wants_them() -> None:
    """Bearer, api-key and x-goog-api-key headers; the value stays a Secret, so printing shows nothing."""
    bearer = provider("openai").auth_headers(KEY)
    assert isinstance(bearer["authorization"], Secret)
    assert bearer["authorization"].reveal() == "Bearer sk-test-0123456789"
    assert provider("azure").auth_headers(KEY) == {"api-key": KEY}
    assert provider("gemini").auth_headers(KEY) == {"x-goog-api-key": KEY}
    assert "0123" not in repr(bearer)


def test_signed_requests_need_no_key() -> None:
    """Where AWS credentials sign, no header carries a key; a bearer key is sent where there is one."""
    row = provider("bedrock")
    assert row.auth_headers(None, is_signed=True) == {}
    assert set(row.auth_headers(KEY)) == {"authorization"}
    with pytest.raises(ConfigurationError, match="AWS_BEARER_TOKEN_BEDROCK"):
        row.auth_headers(None)


@pytest.mark.parametrize("row", [row for row in providers() if row.embedding_path], ids=lambda row: row.name)
def test_every_embedding_row_encodes_texts(row: ProviderRow) -> None:
    """A path, and the text in a JSON body."""
    http = row.embedding_codec().encode(ask_for_vectors("model-1", ["Good morning"]))
    assert http.url.startswith("/")
    assert b"Good morning" in http.body


def test_a_provider_without_embeddings_says_so() -> None:
    """And names providers that have them."""
    with pytest.raises(ConfigurationError, match=r"anthropic has no embeddings.*openai"):
        provider("anthropic").embedding_codec()


@pytest.mark.parametrize("row", providers(), ids=lambda row: row.name)
def test_every_hole_of_an_address_is_filled_by_something(row: ProviderRow) -> None:
    """With all its variables set no hole is left, and nothing that the environment says can move the request elsewhere."""
    variables = [name for each in row.placeholders.values() for name in each.variables]
    filled = (
        fill(
            row.base_url + row.query,
            row.placeholders,
            dict.fromkeys(variables, "place-1").get,
            model="a/b",
            provider=row.name,
        )
        if row.name != "compatible"
        else ""
    )
    assert "{" not in filled
    for bad in ("evil.example/", "x@evil", "a?b", "a#b", "A B"):
        for name in variables:
            with pytest.raises(ConfigurationError, match=name):
                fill(row.base_url + row.query, row.placeholders, {name: bad}.get, model="m", provider=row.name)


def test_a_missing_key_is_told_by_the_names_of_its_variables() -> None:
    """A provider that needs a key says where it is looked for; a local server needs none."""
    with pytest.raises(ConfigurationError, match="GEMINI_API_KEY or GOOGLE_API_KEY"):
        provider("gemini").auth_headers(None)
    assert provider("llamacpp").auth_headers(None) == {}
    assert not provider("llamacpp").needs_key


def test_an_unknown_name_gets_a_suggestion() -> None:
    """A typing mistake is answered with the nearest names, of providers and of dialects."""
    with pytest.raises(ConfigurationError, match="did you mean openrouter"):
        provider("open-router")
    with pytest.raises(ConfigurationError, match=r"did you mean .*openai_chat"):
        codec("openai-chat")
    with pytest.raises(ConfigurationError, match="known are"):
        provider("zzzzzz")


def test_hyphens_and_case_are_forgiven() -> None:
    """OpenAI-Responses is openai_responses."""
    assert provider("OpenAI-Responses").name == "openai_responses"


def test_a_users_row_joins_without_changing_the_shipped_ones() -> None:
    """with_rows gives another registry; the default one is as it was."""
    mine = ProviderRow(name="house", dialect="openai_chat", base_url="http://127.0.0.1:9/v1", is_local=True)
    registry = default_registry().with_rows(mine)
    assert registry.provider("house") is mine
    assert registry.provider("groq") == provider("groq")
    with pytest.raises(ConfigurationError):
        provider("house")
