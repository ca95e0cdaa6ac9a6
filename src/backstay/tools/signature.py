"""Signature: the JSON Schema of a function's parameters, from its type hints, its defaults and its docstring.

Types are described by msgspec (scalars, Literal, Enum, Optional, containers, dataclasses, TypedDicts, Structs, Annotated with
`msgspec.Meta`), and by a type's own `model_json_schema` where it has one. A parameter called `context` is the registry's and
is no part of the schema; `**rest` admits parameters that are not named.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

import docstring_parser
import msgspec

from backstay.errors import ConfigurationError
from backstay.recover.target import Target, read_target
from backstay.tools.flag import ToolContext

CONTEXT = "context"
"""The parameter that the registry fills with a ToolContext."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a function says of itself: its `description`, the schema of its `parameters`, and how each value is made."""

    description: str
    parameters: dict[str, Any]
    targets: dict[str, Target]
    wants_context: bool

    def convert(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """JSON `arguments` as instances of the parameters' types. Raises ValueError where a type refuses its value."""
        made: dict[str, Any] = {}
        for name, value in arguments.items():
            target = self.targets.get(name)
            made[name], faults = (value, ()) if target is None else target.convert(value)
            if faults:
                raise ValueError(f"{name}: {'; '.join(fault.message for fault in faults)}")
        return made


def read_signature(function: Callable[..., Any]) -> Signature:
    """The signature of `function`. Raises ConfigurationError for parameters that a model could not give, all at once."""
    doc = docstring_parser.parse(inspect.getdoc(function) or "")
    told = {one.arg_name: one.description or "" for one in doc.params}
    hints = _hints(function)
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    targets: dict[str, Target] = {}
    required: list[str] = []
    faults: list[str] = []
    is_open = False
    for one in _parameters(function):
        if one.kind is one.VAR_KEYWORD:
            is_open = True
            continue
        if one.kind in (one.VAR_POSITIONAL, one.POSITIONAL_ONLY):
            faults.append(f"tool {_name(function)}: parameter {one.name} cannot be given by its name")
            continue
        hint = hints.get(one.name, Any)
        try:
            targets[one.name] = target = read_target(hint)
        except (TypeError, ValueError) as error:
            faults.append(f"tool {_name(function)}: parameter {one.name}: {error}")
            continue
        node = dict(target.schema) if isinstance(target.schema, Mapping) else {}
        faults += _hoist(node, definitions, f"tool {_name(function)}: parameter {one.name}")
        properties[one.name] = _described(node, one, _note(hint) or told.get(one.name, ""))
        if one.default is one.empty:
            required.append(one.name)
    if faults:
        raise ConfigurationError(*faults)
    parameters: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    parameters["additionalProperties"] = is_open
    if definitions:
        parameters["$defs"] = definitions
    told_of = "\n\n".join(filter(None, (doc.short_description, doc.long_description)))
    return Signature(
        description=told_of, parameters=parameters, targets=targets, wants_context=_wants_context(function)
    )


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    subject = function if inspect.isroutine(function) else type(function).__call__
    try:
        return typing.get_type_hints(subject, include_extras=True)
    except NameError as error:
        raise ConfigurationError(
            f"tool {_name(function)}: a type hint names what cannot be found at its module's top: {error}"
        ) from error


def _parameters(function: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    return (one for one in inspect.signature(function).parameters.values() if one.name != CONTEXT)


def _wants_context(function: Callable[..., Any]) -> bool:
    if CONTEXT not in inspect.signature(function).parameters:
        return False
    hint = _hints(function).get(CONTEXT)
    if hint is None or hint is ToolContext or ToolContext in get_args(hint):
        return True
    raise ConfigurationError(
        f"tool {_name(function)}: the parameter {CONTEXT!r} is for the ToolContext; give another name to your own"
    )


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _hoist(node: dict[str, Any], definitions: dict[str, Any], place: str) -> list[str]:
    """Move the node's definitions to the root's, where references look for them; two that differ under one name are a fault."""
    faults = []
    for name, definition in node.pop("$defs", {}).items():
        if definitions.setdefault(name, definition) != definition:
            faults.append(f"{place}: another type is called {name} too")
    return faults


def _described(node: dict[str, Any], one: inspect.Parameter, description: str) -> dict[str, Any]:
    if description and "$ref" in node:
        node = {"anyOf": [node]}  # beside a reference some dialects read nothing
    if description:
        node["description"] = " ".join(description.split())
    if one.default is not one.empty:
        try:
            node["default"] = msgspec.to_builtins(one.default)
        except (TypeError, ValueError):  # a default without a JSON form is the function's own business
            node.pop("default", None)
    return node


def _note(hint: Any) -> str:
    """The text in `Annotated[type, "text"]`."""
    if get_origin(hint) is not Annotated:
        return ""
    return next((note for note in get_args(hint)[1:] if isinstance(note, str)), "")
