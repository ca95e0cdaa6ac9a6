"""The page of settings is complete: its tables are those made from the settings, and every setting explains itself."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from backstay.codecs.registry import providers
from backstay.config import schema
from backstay.config.schema import Names, Section, find, tree, walk
from backstay.config.setting import Config
from backstay.config.table import settings_table, variables_table
from backstay.layers.retry import RetryBudget, RetryPolicy
from backstay.transport.base import Timeouts


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """A section that is not there yet."""

    ttl: float = 300.0


class Larger(Config, frozen=True, kw_only=True):
    """Settings with one section more."""

    cache: Cache = Cache()


PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


@pytest.mark.parametrize(
    ("name", "table"), [("settings", settings_table()), ("variables", variables_table(providers()))]
)
def test_the_page_holds_the_table(name: str, table: str) -> None:
    """Run `backstay.config.table` and paste its output where the page is behind."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    assert found[1] == table


def test_every_setting_says_what_it_is() -> None:
    """A description, a place that leads to it, and for an absent default what that stands for."""
    for setting in walk(tree()):
        assert setting.description.endswith("."), setting.place
        assert find(setting.place) == setting or "*" in setting.place
        assert setting.default is not None or setting.absent or setting.place[-1] == "*", setting.place


def test_the_tree_is_the_structs() -> None:
    """Nothing of the Structs is missing in the tree: each field is a node, each section has its class."""
    for name in Config.__struct_fields__:
        node = tree().children[name]
        if isinstance(node, Section):
            assert tuple(node.children) == node.struct.__struct_fields__
            assert node.struct.__doc__
            assert node.struct.__doc__.startswith(f"`[{name}]`")
    assert isinstance(tree().children["providers"], Names)


def test_a_new_section_is_a_struct_and_nothing_else() -> None:
    """The machinery is read from the types: a Config with one more section needs no other change."""
    grown = schema._section(Larger, ())
    assert [setting.default for setting in walk(grown.children["cache"])] == [300.0]


def test_the_defaults_are_those_of_the_layers() -> None:
    """One number, one truth: the settings and the parts that they configure agree."""
    config = Config()
    assert msgspec.structs.asdict(config.timeouts) == msgspec.structs.asdict(Timeouts())
    retry = msgspec.structs.asdict(config.retry)
    assert {name: retry[name] for name in RetryPolicy.__struct_fields__} == msgspec.structs.asdict(RetryPolicy())
    assert (retry["budget_capacity"], retry["budget_ratio"]) == (RetryBudget().capacity, RetryBudget().ratio)
