"""The page of providers is complete: its tables are those made from the registry, and it names every dialect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backstay.codecs.provider_page import differences_table, places_table, providers_table
from backstay.codecs.registry import ProviderRow, dialects, providers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers.md"


def held(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("name", "table"),
    [("providers", providers_table()), ("places", places_table()), ("differences", differences_table())],
)
def test_the_page_holds_the_table(name: str, table: str) -> None:
    """Run `backstay.codecs.provider_page` and paste its output where the page is behind."""
    assert held(name) == table


def test_every_row_and_dialect_is_on_the_page() -> None:
    """Nobody has to read the source to learn what there is."""
    text = PAGE.read_text(encoding="utf-8")
    assert [row.name for row in providers() if f"| `{row.name}` |" not in held("providers")] == []
    assert [name for name in dialects() if f"| `{name}` |" not in text] == []


def test_a_new_row_makes_the_page_stale() -> None:
    """The broken variant: with one provider more the tables are others."""
    more = (*providers(), ProviderRow(name="new", dialect="openai_chat", base_url="https://new.example/v1"))
    assert providers_table(more) != held("providers")
