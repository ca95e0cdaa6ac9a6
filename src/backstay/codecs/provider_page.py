"""The tables of `docs/providers.md`, made from the registry; a test holds the page against them.

python -c "from backstay.codecs.provider_page import providers_table; print(providers_table())"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from backstay.codecs.openai_rule import COMPATIBLE
from backstay.codecs.registry import ProviderRow, providers


def providers_table(rows: Sequence[ProviderRow] | None = None) -> str:
    """Every provider in Markdown: name, dialect, where its key is looked for, its address, embeddings."""
    return _table(
        ("Provider", "Dialect", "Key", "Address", "Embeddings"),
        (
            (f"`{row.name}`", f"`{row.dialect}`", _key(row), f"`{row.base_url}`", "yes" if row.embedding_path else "")
            for row in (providers() if rows is None else rows)
        ),
    )


def differences_table(rows: Sequence[ProviderRow] | None = None) -> str:
    """How each server of Chat Completions differs from what most of them take, by the fields of its `ChatRules`."""
    return _table(
        ("Provider", "Differences"),
        (
            (f"`{row.name}`", ", ".join(found))
            for row in (providers() if rows is None else rows)
            if (found := _differences(row))
        ),
    )


def places_table(rows: Sequence[ProviderRow] | None = None) -> str:
    """What fills the holes of the addresses: the variables, the first one set counts."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in providers() if rows is None else rows:
        for name, place in row.placeholders.items():
            default = f" (else `{place.default}`)" if place.default else ""
            variables = ", ".join(f"`{variable}`" for variable in place.variables) + default
            found.setdefault((name, variables), []).append(f"`{row.name}`")
    return _table(
        ("Hole", "Variables", "Providers"),
        ((f"`{{{name}}}`", variables, ", ".join(names)) for (name, variables), names in found.items()),
    )


def _key(row: ProviderRow) -> str:
    ways = [f"`{variable}`" for variable in row.key_env]
    if row.auth == "sigv4":
        ways.append("AWS credentials")
    return " or ".join(ways) + (" (optional)" if row.key_env and row.is_local else "") or "none"


def _differences(row: ProviderRow) -> list[str]:
    if row.rules is None:
        return []
    theirs, usual = msgspec.structs.asdict(row.rules), msgspec.structs.asdict(COMPATIBLE)
    return [f"`{name}={_show(value)}`" for name, value in theirs.items() if value != usual[name]]


def _show(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
