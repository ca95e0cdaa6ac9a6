"""The tree of settings, read once from the Structs of `setting.py`: what exists, what it takes, what was probably meant.

Three kinds of node: a `Setting` is one value, a `Section` has named children, `Names` has children whose names the user chooses
(providers, headers). A place in the tree is a tuple of names, written with dots: `providers.openai.base_url`.
"""

from __future__ import annotations

import difflib
import functools
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from backstay.config.setting import Config

Place: TypeAlias = tuple[str, ...]


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One value: its type, default, range and words. `place` has "*" where the user chooses a name."""

    place: Place
    type: type
    default: Any = None
    is_optional: bool = False
    choices: tuple[str, ...] = ()
    above: float | None = None
    least: float | None = None
    most: float | None = None
    description: str = ""
    absent: str | None = None
    kind: str | None = None
    is_list: bool = False

    @property
    def expected(self) -> str:
        """What it takes, in words: "a number from 0 to 1"."""
        return _expected(self) + (' or "none"' if self.is_optional and self.type is not str else "")


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Named children; `struct` is the class that holds their values."""

    place: Place
    struct: type[msgspec.Struct]
    children: dict[str, Node]


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Children under names that the user chooses, all alike; `kind` checks the names."""

    place: Place
    each: Node
    kind: str | None = None


Node: TypeAlias = Setting | Section | Names


class Unknown(msgspec.Struct, frozen=True):
    """No such place: the first `depth` names of it lead nowhere. `hint` says what may have been meant."""

    depth: int
    hint: str


def dotted(place: Place) -> str:
    """A place as users write it."""
    return ".".join(place)


@functools.cache
def tree() -> Section:
    """The root of all settings."""
    return _section(Config, ())


def walk(node: Node) -> Iterator[Setting]:
    """Every setting under `node`, in the order of the Structs."""
    match node:
        case Setting():
            yield node
        case Section():
            for child in node.children.values():
                yield from walk(child)
        case Names():
            yield from walk(node.each)


def find(place: Place) -> Node | Unknown:
    """The node at `place`, or what was probably meant."""
    node: Node = tree()
    for depth, name in enumerate(place, 1):
        match node:
            case Section() if name in node.children:
                node = node.children[name]
            case Names():
                node = node.each
            case Section():
                return Unknown(depth, _hint(place[: depth - 1], name, node))
            case Setting():
                return Unknown(depth, f"{dotted(place[: depth - 1])} is one value, not a table")
    return node


def _hint(parent: Place, name: str, section: Section) -> str:
    joined = {"_".join(setting.place): setting.place for setting in walk(tree()) if "*" not in setting.place}
    if name in joined and len(joined[name]) > 1:
        return f"did you mean {dotted(joined[name])}?"
    near = suggest(name, section.children)
    if near:
        return f"did you mean {dotted((*parent, near))}?"
    elsewhere = {setting.place[-1]: setting.place for setting in walk(tree()) if "*" not in setting.place}
    near = suggest(name, elsewhere)
    if near:
        return f"did you mean {dotted(elsewhere[near])}?"
    return f"there is {', '.join(section.children)}"


def suggest(name: str, known: typing.Iterable[str]) -> str | None:
    """The name of `known` that `name` is probably a slip of; None where none is near."""
    candidates = list(known)
    near = difflib.get_close_matches(name.lower().replace("-", "_"), candidates, n=1, cutoff=0.6)
    if near:
        return near[0]
    words = [candidate for candidate in candidates if set(candidate.split("_")) & set(name.lower().split("_"))]
    return words[0] if len(words) == 1 else None


def _section(struct: type[msgspec.Struct], place: Place) -> Section:
    hints = typing.get_type_hints(struct, include_extras=True)
    children = {
        field.name: _node(hints[field.name], (*place, field.name), field.default)
        for field in msgspec.structs.fields(struct)
    }
    return Section(place=place, struct=struct, children=children)


def _node(hint: Any, place: Place, default: Any) -> Node:
    plain, metas = _unwrap(hint)
    facts = _facts(metas)
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        return _section(plain, place)
    if typing.get_origin(plain) is dict:
        each = _node(typing.get_args(plain)[1], (*place, "*"), None)
        if isinstance(each, Setting) and not each.description:
            each = msgspec.structs.replace(each, description=facts.get("description", ""))
        return Names(place=place, each=each, kind=facts.get("kind"))
    if typing.get_origin(plain) in (types.UnionType, typing.Union):
        (plain,) = (option for option in typing.get_args(plain) if option is not type(None))
        plain, inner = _unwrap(plain)
        facts = {**_facts(inner), **facts, "is_optional": True}
    if typing.get_origin(plain) is tuple:
        plain, inner = _unwrap(typing.get_args(plain)[0])
        facts = {**_facts(inner), **facts, "is_list": True}
    if typing.get_origin(plain) is Literal:
        facts["choices"] = typing.get_args(plain)
        plain = str
    return Setting(place=place, type=plain, default=default, **facts)


def _unwrap(hint: Any) -> tuple[Any, list[msgspec.Meta]]:
    """A type and all the Metas around it (nested Annotated types arrive flat)."""
    if typing.get_origin(hint) is not Annotated:
        return hint, []
    plain, *metas = typing.get_args(hint)
    return plain, [meta for meta in metas if isinstance(meta, msgspec.Meta)]


def _facts(metas: list[msgspec.Meta]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for meta in metas:
        given = {"above": meta.gt, "least": meta.ge, "most": meta.le, "description": meta.description}
        facts |= {name: value for name, value in given.items() if value is not None}
        facts |= typing.cast(Mapping[str, Any], meta.extra or {})
    return facts


def _expected(setting: Setting) -> str:
    if setting.is_list:
        return f"a list, each {_expected(msgspec.structs.replace(setting, is_list=False))}"
    if setting.choices:
        return "one of " + ", ".join(setting.choices)
    noun = {int: "a whole number", float: "a number", bool: "true or false"}.get(setting.type, "text")
    if setting.above is not None and setting.most is not None:
        return f"{noun} above {setting.above:g} and up to {setting.most:g}"
    if setting.above is not None:
        return f"{noun} above {setting.above:g}"
    if setting.least is not None and setting.most is not None:
        return f"{noun} from {setting.least:g} to {setting.most:g}"
    return noun if setting.least is None else f"{noun} of at least {setting.least:g}"
