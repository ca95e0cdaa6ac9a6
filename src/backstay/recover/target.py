"""What to align to: a JSON Schema as it is, or a type with the schema it implies and the way to its instances.

pydantic is never imported: a model is known by `model_json_schema` and `model_validate`. Everything else (Structs, dataclasses,
TypedDicts, enums, unions, dates, decimals, scalars) msgspec describes and converts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

import msgspec

from backstay.recover.outcome import Fault
from backstay.recover.validator import make_validator

REMEDY = "ask the model again with this message"


class Target:
    """A JSON Schema, the check of a value against it, and the conversion to the type behind it."""

    __slots__ = ("_make", "_validator", "schema")

    def __init__(self, schema: Mapping[str, Any] | bool, make: Callable[[Any], Any] | None = None) -> None:
        self.schema = schema
        self._make = make
        try:
            self._validator = make_validator(schema)
        except ValueError as error:
            raise ValueError(f"the schema is not valid JSON Schema: {error}") from error

    def check(self, value: Any) -> tuple[Fault, ...]:
        """Everything in `value` that the schema forbids, by path."""
        return tuple(
            Fault(message=error.message, remedy=REMEDY, path=_json_path(error.instance_path))
            for error in self._validator.iter_errors(value)
        )

    def convert(self, value: Any) -> tuple[Any, tuple[Fault, ...]]:
        """The instance of the target type, or why there is none."""
        if self._make is None:
            return value, ()
        try:
            return self._make(value), ()
        except (ValueError, TypeError) as error:  # msgspec and pydantic errors are ValueErrors
            return None, (Fault(message=str(error), remedy=REMEDY, path="$"),)


def read_target(schema: Any) -> Target:
    """The target a caller named. Raises TypeError for what describes no value, ValueError for an invalid schema."""
    if isinstance(schema, Mapping):
        return Target(schema)
    if hasattr(schema, "model_json_schema") and hasattr(schema, "model_validate"):
        return Target(schema.model_json_schema(), schema.model_validate)
    wrapped = _wrapped_model(schema)
    if wrapped is not None:
        return wrapped
    described = msgspec.json.schema(schema)
    return Target(_flatten(described), lambda value: msgspec.convert(value, schema, strict=False))


def _wrapped_model(schema: Any) -> Target | None:
    """`list[Model]` and `Model | None` of a pydantic model, which msgspec cannot describe."""
    arguments = get_args(schema)
    models = [part for part in arguments if hasattr(part, "model_json_schema")]
    if not models:
        return None
    inner = read_target(models[0])
    if get_origin(schema) in (list, tuple, set, frozenset):
        kind = get_origin(schema)
        described: dict[str, Any] = {"type": "array", "items": _without_definitions(inner.schema)}
        made: Callable[[Any], Any] = lambda value: kind(models[0].model_validate(item) for item in value)  # noqa: E731
    elif len(arguments) == 2 and type(None) in arguments:
        described = {"anyOf": [_without_definitions(inner.schema), {"type": "null"}]}
        made = lambda value: None if value is None else models[0].model_validate(value)  # noqa: E731
    else:
        raise TypeError(f"align to one model at a time, a list of it, or it or None; not {schema!r}")
    if isinstance(inner.schema, Mapping) and "$defs" in inner.schema:
        described["$defs"] = inner.schema["$defs"]
    return Target(described, made)


def _without_definitions(schema: Mapping[str, Any] | bool) -> Any:
    return schema if isinstance(schema, bool) else {key: value for key, value in schema.items() if key != "$defs"}


def _flatten(schema: dict[str, Any]) -> dict[str, Any]:
    """msgspec's schema as it is; kept apart so that its dialect can be adapted in one place."""
    return schema


def _json_path(steps: Any) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
