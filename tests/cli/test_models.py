"""`backstay models`: the catalogue, searched; limits and prices in people's units, all that is known as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backstay.catalog.model import Rate
from backstay.cli.models import _count, _price

from .conftest import Run


def test_a_model_is_found_with_its_price(backstay: Run) -> None:
    """Words in any order; the date and the sources of the prices below."""
    done = backstay("models", "mini", "openai:gpt-4o", "-n", "40")
    (line,) = [line for line in done.stdout.splitlines() if line.split()[:2] == ["openai", "gpt-4o-mini"]]
    assert line.split()[2:7] == ["128k", "16k", "0.15", "0.6", "0.075"]
    assert "tools" in line
    assert "genai-prices" in done.stdout


def test_what_the_words_spell_stands_first(backstay: Run) -> None:
    """The model itself, of its own provider, before others that serve it and others that are called alike."""
    lines = backstay("models", "gpt-5", "mini", "--limit", "3").stdout.splitlines()
    assert lines[1].split()[:2] == ["openai", "gpt-5-mini"]
    assert "gpt-5-image-mini" not in lines[2]


def test_a_long_list_is_cut_and_says_so(backstay: Run) -> None:
    """The limit counts rows; the rest is counted."""
    lines = backstay("models", "-n", "5").stdout.splitlines()
    assert len(lines) == 1 + 5 + 3
    assert "more: --limit" in lines[-1]


def test_json_holds_all_that_is_known(backstay: Run) -> None:
    """Rates as exact integers, and where they come from."""
    told = json.loads(backstay("models", "openai", "gpt-4o-mini", "--json").stdout)
    (row,) = [row for row in told if row["provider"] == "openai" and row["id"] == "gpt-4o-mini"]
    assert row["periods"][0]["rates"]["input"] == [150_000_000, []]
    assert row["checked"]


def test_nothing_found_names_the_remedy(backstay: Run) -> None:
    """An exit code, and where prices of one's own go."""
    done = backstay("models", "no-such-model")
    assert done.returncode == 1
    assert "catalog.path" in done.stderr


def test_a_users_file_is_searched_too(backstay: Run, tmp_path: Path) -> None:
    """Its rows stand with the shipped ones."""
    (tmp_path / "own.toml").write_text(
        '[[models]]\nprovider = "compatible"\nid = "house-model"\ninput = 0.2\noutput = 0.6\n', encoding="utf-8"
    )
    (tmp_path / "backstay.toml").write_text('[catalog]\npath = "own.toml"\n', encoding="utf-8")
    assert "house-model" in backstay("models", "house", "--config", "backstay.toml").stdout


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (None, "?"),
        (512, "512"),
        (16_384, "16k"),
        (128_000, "128k"),
        (1_000_000, "1M"),
        (1_048_576, "1.05M"),
        (2_000_000, "2M"),
    ],
)
def test_limits_are_rounded(number: int | None, shown: str) -> None:
    """To what people call them."""
    assert _count(number) == shown


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(None, "-"), (Rate(0), "0"), (Rate(150_000_000), "0.15"), (Rate(3 * 10**9, ((200_000, 6 * 10**9),)), "3+")],
)
def test_rates_are_dollars_per_million(rate: Rate | None, shown: str) -> None:
    """Short, and marked where a long input is dearer."""
    assert _price(rate) == shown
