"""Placeholders: the `{parts}` of a provider's address that are the user's own, and the variables that fill them.

A region, a project, a resource: each is a name, so what fills it is held to the form of a name; a value that could move the
request to another host is refused. `{model}` is the model that is asked, as a path segment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from backstay.errors import ConfigurationError

_HOLE: Final = re.compile(r"\{([a-z_]+)\}")
Lookup = Callable[[str], str | None]
"""A variable's value by its name; None where it is unset."""


class Placeholder(msgspec.Struct, frozen=True, kw_only=True):
    """What fills a hole: the first of `variables` that is set, else `default`.

    `special` spells some values in their own way, `form` spells the rest; `pattern` is what a value must look like.
    """

    variables: tuple[str, ...]
    default: str | None = None
    form: str = "{}"
    special: dict[str, str] = {}
    pattern: str = "[a-z0-9-]+"

    def value(self, lookup: Lookup) -> str | None:
        """The text that stands in the hole, None where nothing is set. Raises ConfigurationError for what is no name."""
        for variable in self.variables:
            found = lookup(variable)
            if found is not None:
                if not re.fullmatch(self.pattern, found):
                    raise ConfigurationError(f"environment {variable}: is no name that an address may hold")
                return self.special.get(found, self.form.format(found))
        return self.default


def holes(template: str, placeholders: Mapping[str, Placeholder], lookup: Lookup) -> tuple[str, ...]:
    """The names of those holes that nothing fills, in order; `{model}` is never among them."""
    names = dict.fromkeys(_HOLE.findall(template))
    return tuple(
        name
        for name in names
        if name != "model" and (name not in placeholders or placeholders[name].value(lookup) is None)
    )


def fill(template: str, placeholders: Mapping[str, Placeholder], lookup: Lookup, *, model: str, provider: str) -> str:
    """`template` without holes. Raises ConfigurationError naming each hole that nothing fills, with the variables that would."""
    if missing := holes(template, placeholders, lookup):
        raise ConfigurationError(*(_remedy(name, placeholders.get(name), template, provider) for name in missing))

    def text(match: re.Match[str]) -> str:
        name = match[1]
        return quote(model, safe="") if name == "model" else placeholders[name].value(lookup) or ""

    return _HOLE.sub(text, template)


def _remedy(name: str, placeholder: Placeholder | None, template: str, provider: str) -> str:
    ways = [] if placeholder is None else [f"export {variable}=..." for variable in placeholder.variables]
    where = " or ".join([*ways, f"set providers.{provider}.base_url"])
    return f"{provider}: {{{name}}} of its address {template} is not known. Remedy: {where}"
