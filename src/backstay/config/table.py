"""The tables of `docs/configuration.md`, made from the settings themselves; a test holds the page against them.

python -c "from backstay.config.table import settings_table; print(settings_table())"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from backstay.codecs.registry import ProviderRow
from backstay.config.schema import Setting, dotted, tree, walk
from backstay.config.usual import usual


def settings_table() -> str:
    """Every setting in Markdown: name, default, what it takes, what it means."""
    rows = [
        (f"`{_name(setting)}`", _default(setting), setting.expected, setting.description) for setting in walk(tree())
    ]
    return _table(("Setting", "Default", "Takes", "Meaning"), rows)


def variables_table(rows: Sequence[ProviderRow]) -> str:
    """Every usual variable in Markdown, with the settings that it gives."""
    places: dict[str, list[str]] = {"LLM_PROVIDER": ["model"], "LLM_MODEL": ["model"]}
    for each in usual(rows):
        places.setdefault(each.variable, []).append(dotted(each.place))
    return _table(
        ("Variable", "Setting"),
        [(f"`{variable}`", ", ".join(f"`{place}`" for place in given)) for variable, given in places.items()],
    )


def _name(setting: Setting) -> str:
    """The setting's place, "*" as users would read it."""
    return (
        dotted(setting.place)
        .replace("providers.*", "providers.NAME")
        .replace("headers.*", "headers.HEADER")
        .replace("quotas.*", "quotas.NAME")
        .replace("groups.*", "groups.NAME")
        .replace("members.*", "members.TARGET")
        .replace("rules.*", "rules.CONDITION")
        .replace("slow_after_of.*", "slow_after_of.TARGET")
    )


def _default(setting: Setting) -> str:
    if setting.default is None:
        return setting.absent or "none"
    return f"`{_word(setting.default)}`"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(_word, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
