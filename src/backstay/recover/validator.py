"""Validator: the one place where a JSON Schema becomes a validator, and nothing is fetched for it.

A schema comes from a user, from a foreign tool or from a prompt's file, and `$ref` and `$schema` may name any address or file.
Left to itself the validator opens what they name. Here a reference that leaves the schema is refused, by name; the
meta-schemas that json-schema.org publishes are built in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def make_validator(schema: Mapping[str, Any] | bool) -> Any:
    """The validator of `schema`, which opens no file and no connection. Raises ValueError, of one line, that says what is
    wrong with the schema, and which reference leads out of it."""
    foreign: list[str] = []

    def refuse(address: str) -> Any:
        foreign.append(address)
        raise ValueError("nothing is fetched")

    try:
        return jsonschema_rs.validator_for(schema if isinstance(schema, bool) else dict(schema), retriever=refuse)
    except jsonschema_rs.ValidationError as error:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        fault = f"${place}: {_line(error.message)}" if place else _line(error.message)
        raise ValueError(_outside(foreign[0], schema) if foreign else fault) from error
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise ValueError(_outside(foreign[0], schema) if foreign else _line(str(error))) from error


def _outside(address: str, schema: Mapping[str, Any] | bool) -> str:
    if isinstance(schema, Mapping) and schema.get("$schema") == address:
        return f"its $schema {address!r} is not known, and nothing is fetched: leave it out, or name {DRAFT}"
    address = address.removeprefix("json-schema:///")
    return (
        f"the reference {address!r} leads out of the schema, and nothing is fetched:"
        ' put what it names under "$defs" and write "#/$defs/NAME"'
    )


def _line(message: str) -> str:
    return message.partition("\n")[0]
