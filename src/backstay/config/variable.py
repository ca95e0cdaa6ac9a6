"""Environment variables as entries.

`BACKSTAY__RETRY__MAX_ATTEMPTS` is `retry.max_attempts`: two underscores stand for the dot. A `-` of a name that the user chose
(a provider, a header) is written `_`. Then come the usual names (`usual.py`), which these overrule.

Where a setting may hold a secret, the entry holds `env:NAME`, a reference to the variable, and never its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from backstay.codecs.registry import ProviderRow
from backstay.config.entry import Entry
from backstay.config.environment import Environment
from backstay.config.file import VARIABLE
from backstay.config.kind import SECRET_KINDS
from backstay.config.reference import is_reference
from backstay.config.schema import Names, Place, Setting, Unknown, find, tree, walk
from backstay.config.usual import ALIASES, PROXIES, usual

PREFIX = "BACKSTAY__"


def read_variables(environment: Environment, rows: Sequence[ProviderRow], names: Iterable[str]) -> Iterator[Entry]:
    """Entries of the usual names, then of the `BACKSTAY__` ones. `names` are the providers that exist already."""
    yield from _usual(environment, rows)
    yield from _model(environment, {row.name for row in rows})
    known = {_plain(name): name for name in (*names, *(row.name for row in rows))}
    for variable in sorted(environment.names()):
        if variable.startswith(PREFIX):
            yield _entry(variable, _place(variable, known), environment)


def read_proxy(environment: Environment) -> Iterator[Entry]:
    """The entry of the environment's proxy, as a reference, because a proxy's URL may hold a password."""
    for variable in PROXIES:
        if environment.get(variable):
            yield Entry(place=("transport", "proxy"), value=f"env:{variable}", origin=f"environment {variable}")
            return


def misspelt(environment: Environment) -> Iterator[str]:
    """Faults of variables that name a setting with one underscore where two belong; else they would be ignored in silence."""
    meant = {"_".join(setting.place).upper(): setting.place for setting in walk(tree()) if "*" not in setting.place}
    for variable in sorted(environment.names()):
        rest = variable.removeprefix("BACKSTAY_")
        if rest != variable and variable != VARIABLE and not variable.startswith(PREFIX) and rest in meant:
            yield f"environment {variable}: is not read; did you mean {PREFIX}{'__'.join(meant[rest]).upper()}?"


def _usual(environment: Environment, rows: Sequence[ProviderRow]) -> Iterator[Entry]:
    done: set[Place] = set()
    for row in usual(rows):
        text = environment.get(row.variable)
        if text is None or row.place in done:
            continue
        done.add(row.place)
        origin = f"environment {row.variable}"
        try:
            yield Entry(place=row.place, value=row.read(text), origin=origin, is_text=True)
        except ValueError:
            yield Entry(place=row.place, value=text, origin=origin, is_text=True)  # `check` says what is wrong with it


def _model(environment: Environment, built_in: set[str]) -> Iterator[Entry]:
    """LLM_PROVIDER and LLM_MODEL as one setting. Together, the provider counts, for "mistral:7b" may be a model of Ollama's."""
    provider, model = environment.get("LLM_PROVIDER"), environment.get("LLM_MODEL")
    if provider:
        provider = provider.strip().lower()
        provider = provider if provider in built_in else ALIASES.get(provider, provider)
    if provider and model and model.partition(":")[0] != provider:
        yield Entry(place=("model",), value=f"{provider}:{model}", origin="environment LLM_PROVIDER, LLM_MODEL")
    elif provider or model:
        variable = "LLM_MODEL" if model else "LLM_PROVIDER"
        yield Entry(place=("model",), value=model or provider, origin=f"environment {variable}")


def _place(variable: str, known: dict[str, str]) -> Place:
    """The place that a variable names; names that the user chose are recognised, else taken in lower case."""
    place: Place = ()
    for name in variable.removeprefix(PREFIX).split("__"):
        parent = find(place)
        if isinstance(parent, Names) and parent.place == ("providers",):
            place = (*place, known.get(_plain(name), name.lower()))
        elif isinstance(parent, Names):
            place = (*place, name.lower().replace("_", "-"))
        else:
            place = (*place, name.lower())
    return place


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _entry(variable: str, place: Place, environment: Environment) -> Entry:
    origin = f"environment {variable}"
    node = find(place)
    may_be_secret = isinstance(node, Unknown) or (isinstance(node, Setting) and node.kind in SECRET_KINDS)
    if may_be_secret and not is_reference(environment.get(variable) or ""):
        return Entry(place=place, value=f"env:{variable}", origin=origin, is_text=True)
    return Entry(place=place, value=environment.get(variable), origin=origin, is_text=True)
