"""Looking up: names and their forms, fine-tuned and dated models, local servers, the user's own file."""

from __future__ import annotations

import datetime as dt
import json
from functools import cache
from pathlib import Path

import pytest

from backstay.catalog import Catalog, Model, Period, Rate, Rates, estimate, price
from backstay.catalog.alias import ALIASES, FREE
from backstay.codecs.registry import providers
from backstay.errors import ConfigurationError
from backstay.types import Usage

USAGE = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
AT = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@cache
def catalog() -> Catalog:
    return Catalog.load()


def usd(provider: str, model: str, where: Catalog | None = None) -> str | None:
    found = (where or catalog()).price(provider, model, USAGE, at=AT)
    return None if found is None else f"{found.usd.normalize():f}"


@pytest.mark.parametrize(
    ("provider", "name", "id"),
    [
        ("openai", "gpt-4o", "gpt-4o"),
        ("openai", "GPT-4o", "gpt-4o"),
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "gpt-4o-20240806", "gpt-4o"),
        ("openai_responses", "gpt-4o", "gpt-4o"),
        ("azure", "gpt-4o", "gpt-4o"),
        ("azure", "claude-3-5-haiku-20241022", "claude-3-5-haiku-latest"),
        ("anthropic", "claude-3-5-haiku-20241022", "claude-3-5-haiku-latest"),
        ("vertex", "claude-3-5-haiku@20241022", "claude-3-5-haiku"),
        ("gemini", "models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("vertex", "publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("xai", "grok-3", "grok-3"),
        ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0", "regional.anthropic.claude-3-haiku-20240307-v1:0"),
        (
            "bedrock",
            "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
            "regional.anthropic.claude-3-haiku-20240307-v1:0",
        ),
    ],
)
def test_a_name_finds_its_row(provider: str, name: str, id: str) -> None:
    """Case, dates, resource paths, ARNs and the makers behind a cloud lead to one row, which has a price."""
    found = catalog().find(provider, name)
    assert found is not None
    assert found.id == id
    assert found.rates(AT) is not None


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "no-such-model"),
        ("nowhere", "gpt-4o"),
        ("openai", ""),
        ("bedrock", "arn:aws:bedrock:us-east-1:1:provisioned-model/x"),
    ],
)
def test_an_unknown_model_is_none(provider: str, name: str) -> None:
    """No row, and so no price: not zero."""
    assert catalog().find(provider, name) is None
    assert catalog().price(provider, name, USAGE) is None


@pytest.mark.parametrize(
    ("provider", "name", "base"),
    [
        ("openai", "ft:gpt-4.1-2025-04-14:acme::Ab1", "gpt-4.1"),
        ("openai", "gpt-4.1-2031-01-01", "gpt-4.1"),
        ("openai", "ft:gpt-4.1-2031-01-01:acme::Ab1", "gpt-4.1"),
        ("azure", "gpt-4.1-2025-04-14.ft-0123abcd", "gpt-4.1"),
    ],
)
def test_a_tuned_or_unlisted_model_has_limits_but_no_price(provider: str, name: str, base: str) -> None:
    """It can do what its base can; what it costs nobody said."""
    found, known = catalog().find(provider, name), catalog().find(provider, base)
    assert found is not None
    assert known is not None
    assert (found.id, found.base, found.context_window) == (name, known.id, known.context_window)
    assert price(found, USAGE) is None
    assert estimate(found, 1, 1) is None


def test_a_wide_clause_gives_no_tuned_model_a_price() -> None:
    """A row that takes any name with "mini" in it says what its base costs, and not what a model tuned from it does."""
    rates = Rates(input=Rate(1), output=Rate(1))
    row = Model(provider="acme", id="mini", matches=["contains", "mini"], periods=(Period(rates=rates),))
    found = Catalog([row]).find("acme", "ft:mini:us::1")
    assert found is not None
    assert (found.base, price(found, USAGE)) == ("mini", None)


def test_a_stated_price_of_tuned_models_is_used() -> None:
    """Where the source has a row for fine-tuned models, theirs is the price, and not the base's."""
    tuned, base = (
        catalog().find("openai", "ft:gpt-4o-mini-2024-07-18:acme::Ab1"),
        catalog().find("openai", "gpt-4o-mini"),
    )
    assert tuned is not None
    assert base is not None
    assert tuned.base is None
    assert usd("openai", "ft:gpt-4o-mini-2024-07-18:acme::Ab1") != usd("openai", "gpt-4o-mini")


@pytest.mark.parametrize("provider", sorted(FREE))
def test_a_server_of_ones_own_costs_nothing_by_statement(provider: str) -> None:
    """Zero, with a source that says why; also when it did not count its tokens."""
    found = catalog().find(provider, "qwen3:4b")
    assert found is not None
    assert found.source
    assert usd(provider, "qwen3:4b") == "0"
    assert price(found, Usage()) is not None


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "glm-5:cloud"])
def test_a_cloud_model_behind_a_local_server_is_not_free(name: str) -> None:
    """Ollama passes these on to a service that charges."""
    assert catalog().find("ollama", name) is None


UNLISTED = {"alibaba", "nvidia", "vercel", "venice", "compatible"}


def test_every_provider_of_the_registry_has_rows() -> None:
    """Its own, an alias's, or a statement that it is free; those of unknown price are listed here."""
    bare = {row.name for row in providers() if row.name not in FREE and not any(catalog().models(row.name))}
    assert bare == UNLISTED


def test_aliases_lead_somewhere() -> None:
    """No alias names a provider that the data does not have."""
    known = {model.provider for model in catalog().models()}
    assert {name for names in ALIASES.values() for name in names} <= known


def test_search_wants_every_word() -> None:
    """Words in any order, in provider, id or name."""
    found = [f"{model.provider}:{model.id}" for model in catalog().search("4o-mini openai")]
    assert "openai:gpt-4o-mini" in found
    assert all("openai" in name and "4o-mini" in name for name in found)


def test_the_shipped_file_is_small_and_whole() -> None:
    """Thousands of rows, each dated and with its source."""
    rows = list(catalog().models())
    assert len(rows) > 2_000
    assert all(row.checked == catalog().date and row.source for row in rows)
    assert len({(row.provider, row.id) for row in rows}) == len(rows)


OWN = """
[[models]]
provider = "openai"
id = "gpt-4.1"
input = 1.10
output = 0.1
above = [{ tokens = 500_000, input = "2.2" }]
batch = { input = 0.55, output = 0.05 }

[[models]]
provider = "acme"
id = "wide"
context_window = 1_000_000
has_vision = true
matches = ["wide-*", "broad"]
input = 1
output = 2

[[models]]
provider = "acme"
id = "wide"
since = 2026-06-01
input = 3
output = 4
"""


@pytest.fixture
def own(tmp_path: Path) -> Catalog:
    path = tmp_path / "models.toml"
    path.write_text(OWN, encoding="utf-8")
    return Catalog.load(path)


def test_an_own_price_wins_and_the_rest_is_kept(own: Catalog) -> None:
    """An overriding row states what it knows better; limits come from the shipped one; other names keep their price."""
    found, shipped = own.find("openai", "gpt-4.1"), catalog().find("openai", "gpt-4.1")
    assert found is not None
    assert shipped is not None
    assert (found.context_window, found.max_output_tokens) == (shipped.context_window, shipped.max_output_tokens)
    assert usd("openai", "gpt-4.1", own) == "2.3"
    short = own.price("openai", "gpt-4.1", Usage(input_tokens=1, output_tokens=1), at=AT)
    assert short is not None
    assert short.nano_usd == 1_100 + 100
    assert usd("openai", "gpt-4.1-mini", own) == usd("openai", "gpt-4.1-mini")


def test_an_own_batch_price(own: Catalog) -> None:
    """Stated beside the standard one."""
    found = own.price("openai", "gpt-4.1", Usage(input_tokens=2, output_tokens=0), at=AT, is_batch=True)
    assert found is not None
    assert found.nano_usd == 1_100


@pytest.mark.parametrize("name", ["wide", "wide-2", "BROAD"])
def test_an_own_model_is_added_under_all_its_names(own: Catalog, name: str) -> None:
    """Rows of one model with their days are its history."""
    found = own.find("acme", name)
    assert found is not None
    assert (found.id, found.has_vision, found.context_window) == ("wide", True, 1_000_000)
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    sums = [price(found, usage, at=dt.datetime(2026, month, 1, tzinfo=dt.UTC)) for month in (5, 6)]
    assert [sum_ and sum_.usd for sum_ in sums] == [1, 3]
    assert own.find("acme", "wid") is None


def test_an_own_file_may_be_json(tmp_path: Path) -> None:
    """Numbers of JSON are decimals too: a tenth is a tenth."""
    path = tmp_path / "models.json"
    path.write_text(
        json.dumps({"models": [{"provider": "acme", "id": "m", "input": 0.1, "output": 0.3}]}), encoding="utf-8"
    )
    assert usd("acme", "m", Catalog.load(path)) == "0.4"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("models = 3", ["no list of models"]),
        ("[[models]]\nid = 'x'", ["model 1 (x)", "provider"]),
        ("[[models]]\nprovider = 'p'\nid = 'x'\ninput = -1", ["model 1 (x)", "0 or more"]),
        ("[[models]]\nprovider = 'p'\nid = 'x'\ninput = 0.12345678901", ["nine decimals"]),
        ("[[models]]\nprovider = 'p'\nid = 'x'\nprice = 1", ["unknown field `price`"]),
        (
            "[[models]]\nprovider = 'p'\nid = 'x'\ninput = -1\n[[models]]\nprovider = 'p'\nid = 'y'\noutput = nan",
            ["model 1 (x)", "model 2 (y)"],
        ),
        ("[[models", ["catalog"]),
    ],
)
def test_a_bad_own_file_says_all_that_is_wrong(tmp_path: Path, text: str, faults: list[str]) -> None:
    """One error with the file, each row and each reason."""
    path = tmp_path / "models.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        Catalog.load(path)
    assert all(fault in str(caught.value) for fault in (*faults, str(path)))


def test_a_missing_own_file_is_an_error(tmp_path: Path) -> None:
    """It was named, so it is wanted."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Catalog.load(tmp_path / "none.toml")
