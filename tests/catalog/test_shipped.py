"""The rows that ship: all of them load, and none before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from backstay.catalog import Catalog, Model
from backstay.catalog.shipped import Shipped, pack, shipped


def test_every_row_loads_and_says_where_it_comes_from() -> None:
    """Thousands of rows, each under its provider, with a date and a source, and with rates that are not negative."""
    rows = list(Catalog.load().models())
    assert len(rows) > 2_000
    assert all(row.source and row.checked == Catalog.load().date for row in rows)
    for row in rows:
        for period in (*row.periods, *row.batch):
            for name in period.rates.__struct_fields__:
                rate = getattr(period.rates, name)
                assert rate is None or (rate if isinstance(rate, int) else rate.base) >= 0, row.id


def test_a_packed_file_gives_its_rows_back() -> None:
    """Row for row, in order, a provider at a time; a provider that is not in it has none."""
    rows = {name: [Model(provider=name, id=f"{name}-{number}") for number in range(3)] for name in ("acme", "zeta")}
    data = pack("2026-11-21", ["made up"], {name: msgspec.json.encode(those) for name, those in rows.items()})
    opened = Shipped(data)
    assert (opened.date, opened.sources, list(opened.providers)) == ("2026-11-21", ("made up",), ["acme", "zeta"])
    assert {name: list(opened.rows(name)) for name in rows} == rows
    assert opened.rows("nobody") == ()


def test_finding_a_model_decodes_its_provider_only() -> None:
    """What is not asked costs nothing."""
    opened = Shipped(pack("", [], {"acme": b'[{"provider":"acme","id":"m"}]', "broken": b"no JSON at all"}))
    catalog = Catalog((), below=lambda: opened)
    assert catalog.find("acme", "m") is not None
    with pytest.raises(msgspec.DecodeError):  # the broken block is noticed as soon as it is asked for
        catalog.find("broken", "m")


def test_a_catalogue_that_is_not_asked_reads_no_file() -> None:
    """`Catalog.load()` alone costs nothing, and all catalogues share what was read."""
    code = (
        "from backstay.catalog import Catalog; from backstay.catalog.shipped import shipped\n"
        "catalog = Catalog.load()\n"
        "assert shipped.cache_info().currsize == 0\n"
        "catalog.find('openai', 'gpt-4o'), Catalog.load().date\n"
        "assert shipped.cache_info().misses == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_own_rows_stand_before_the_shipped_ones() -> None:
    """The same name in both is the own one."""
    own = Model(provider="openai", id="gpt-4o", name="ours")
    catalog = Catalog([own], below=shipped)
    assert catalog.find("openai", "gpt-4o") is own
    assert next(catalog.models("openai")) is own
    assert catalog.find("openai", "gpt-4o-mini") is not None
