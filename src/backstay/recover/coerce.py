"""A value fitted to a JSON Schema at the least cost: objects, arrays, unions; scalars are in `primitive`.

Nothing is lost and nothing invented: an item that does not fit is an error and not dropped, a missing required member is an
error and not a default (a list nobody mentioned is empty, and is reported). Only in containers that the end of the input
left open are missing members null and a last item that does not fit left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from backstay.recover.cost import COST, Coercion, Match, fit, misfit
from backstay.recover.outcome import Status
from backstay.recover.primitive import _fold, to_boolean, to_member, to_null, to_number, to_text
from backstay.recover.recovery import parse

MAX_DEPTH = 150
"""Levels of value fitted; deeper is refused (each level costs a few Python frames)."""
GUESSES = frozenset(
    {"unquoted_value", "missing_value", "stray_text", "multiple_values", "missing_close", "set", "prose"}
)
"""Repairs that leave room for doubt whether a text was meant as JSON at all."""
Schema = Mapping[str, Any] | bool


class Fitter:
    """Fits values to the subschemas of one root schema."""

    def __init__(self, root: Schema, *, open_path: str | None = None, cut_number: str | None = None) -> None:
        self.root = root
        self.open_path = open_path
        self.cut_number = cut_number

    def fit(self, value: Any, schema: Schema, path: str = "$", depth: int = 0, *, is_prose: bool = False) -> Match:
        """The best match of `value`; `is_prose` says it is the model's whole text, not a JSON string."""
        schema = self._resolve(schema)
        if depth > MAX_DEPTH:
            return misfit(path, f"nested deeper than {MAX_DEPTH} levels")
        if schema is True or not schema:
            return fit(value, path) if schema is not False else misfit(path, "no value is allowed here")
        assert not isinstance(schema, bool)
        if "const" in schema:
            return self._one(value, to_member, path, [schema["const"]], _aliases(schema))
        if "enum" in schema:
            return self._one(value, to_member, path, list(schema["enum"]), _aliases(schema))
        branches = _branches(schema)
        if branches is not None:
            return self._union(value, branches, path, depth, is_prose=is_prose)
        kind = schema.get("type") or _implied_type(schema)
        if kind == "object":
            return self._object(value, schema, path, depth)
        if kind == "array":
            return self._array(value, schema, path, depth, is_prose=is_prose)
        return self._scalar(value, kind, path, is_prose=is_prose)

    def _is_open(self, path: str) -> bool:
        """True if the end of the input left the container at `path` open, so that more of it may have been meant."""
        return self.open_path is not None and (
            self.open_path == path or self.open_path.startswith((f"{path}.", f"{path}["))
        )

    def _scalar(self, value: Any, kind: Any, path: str, *, is_prose: bool) -> Match:
        if kind == "string":
            return to_text(value, path)
        if kind in ("integer", "number"):
            return self._one(value, to_number, path, is_integer=kind == "integer", is_prose=is_prose)
        if kind == "boolean":
            return self._one(value, to_boolean, path)
        if kind == "null":
            return to_null(value, path)
        return fit(value, path) if kind is None else misfit(path, f"the schema names no known type: {kind!r}")

    def _one(self, value: Any, read: Any, path: str, *args: Any, **options: Any) -> Match:
        """A scalar; of a list, the only item that fits."""
        if not isinstance(value, list):
            match: Match = read(value, path, *args, **options)
            return match
        fitting = [match for item in value if (match := read(item, path, *args, **options)).is_fit]
        if len(fitting) != 1:
            return misfit(path, f"a list in which {len(fitting)} items fit, where one value is required")
        return _raise_cost(fitting[0], path, "one_from_list")

    def _resolve(self, schema: Schema) -> Schema:
        for _ in range(50):
            if isinstance(schema, bool) or "$ref" not in schema:
                break
            target: Any = self.root
            for step in str(schema["$ref"]).lstrip("#").strip("/").split("/"):
                if step:
                    target = target[step.replace("~1", "/").replace("~0", "~")]
            schema = target
        if not isinstance(schema, bool) and len(schema.get("allOf", ())) > 0:
            return self._merge(schema)
        return schema

    def _merge(self, schema: Mapping[str, Any]) -> Schema:
        """`allOf` as one schema: properties and required names joined, the rest by the last word."""
        merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            piece = self._resolve(part)
            if isinstance(piece, bool):
                continue
            properties = {**merged.get("properties", {}), **piece.get("properties", {})}
            required = [*merged.get("required", []), *piece.get("required", [])]
            merged = {**piece, **merged}
            if properties:
                merged["properties"] = properties
            if required:
                merged["required"] = required
        return merged

    def _union(self, value: Any, branches: list[Schema], path: str, depth: int, *, is_prose: bool) -> Match:
        matches = [self.fit(value, branch, path, depth + 1, is_prose=is_prose) for branch in branches]
        fitting = [match for match in matches if match.is_fit]
        if fitting:
            return min(fitting, key=lambda match: match.cost)
        if len(matches) == 2 and any(self._resolve(branch) == {"type": "null"} for branch in branches):
            return next(m for m, b in zip(matches, branches, strict=True) if self._resolve(b) != {"type": "null"})
        return misfit(path, "; ".join(dict.fromkeys(fault for match in matches for _, fault in match.faults))[:200])

    def _array(self, value: Any, schema: Mapping[str, Any], path: str, depth: int, *, is_prose: bool) -> Match:
        coercions: list[Coercion] = []
        cost = 0
        if isinstance(value, str):
            unpacked = _unpack(value, list)
            if unpacked is not None:
                value, cost = unpacked, COST["json_from_text"]
                coercions.append(Coercion(path, "json_from_text"))
        is_wrapped = not isinstance(value, list)
        if not isinstance(value, list):
            if value is None:
                return misfit(path, "null where an array is required")
            value, cost = [value], COST["list_from_one"]
            coercions.append(Coercion(path, "list_from_one"))
        items: list[Any] = []
        faults: list[tuple[str, str]] = []
        prefix = schema.get("prefixItems", ())
        for index, item in enumerate(value):
            inner = prefix[index] if index < len(prefix) else schema.get("items", True)
            match = self.fit(item, inner, f"{path}[{index}]", depth + 1, is_prose=is_prose)
            if match.is_fit:
                items.append(match.value)
                coercions.extend(match.coercions)
                cost += 10 * match.cost
            elif index == len(value) - 1 and self._is_open(path) and not is_wrapped:
                coercions.append(Coercion(path, "cut_item", f"[{index}]"))
                cost += COST["cut_item"]
            else:
                faults.extend(match.faults)
        return Match(value=items, cost=cost, coercions=tuple(coercions), faults=tuple(faults))

    def _object(self, value: Any, schema: Mapping[str, Any], path: str, depth: int) -> Match:
        if isinstance(value, str):
            unpacked = _unpack(value, dict)
            if unpacked is None:
                return misfit(path, "text where an object is required")
            return _raise_cost(self._object(unpacked, schema, path, depth), path, "json_from_text")
        if isinstance(value, list):
            fitting = [match for item in value if (match := self._object(item, schema, path, depth)).is_fit]
            if self.open_path is not None and self._is_open(path):
                return misfit(path, "an unfinished array where one object is required")
            if len(fitting) == 1:
                return _raise_cost(fitting[0], path, "one_from_list")
            return misfit(path, f"an array in which {len(fitting)} items fit, where one object is required")
        if not isinstance(value, dict):
            return self._only_member(value, schema, path, depth)
        if "properties" not in schema:
            return self._map(value, schema, path, depth)
        return self._members(value, schema, path, depth)

    def _only_member(self, value: Any, schema: Mapping[str, Any], path: str, depth: int) -> Match:
        """A bare number or boolean has one place to go in an object of one member; text might be anything."""
        properties = schema.get("properties", {})
        if isinstance(value, (int, float)) and len(properties) == 1:
            ((name, inner),) = properties.items()
            match = self.fit(value, inner, f"{path}.{name}", depth + 1)
            if match.is_fit:
                return _raise_cost(msgspec.structs.replace(match, value={name: match.value}), path, "only_member")
        return misfit(path, "no object where one is required")

    def _map(self, value: dict[str, Any], schema: Mapping[str, Any], path: str, depth: int) -> Match:
        inner = schema.get("additionalProperties", True)
        names = schema.get("propertyNames")
        result: dict[str, Any] = {}
        coercions: list[Coercion] = []
        faults: list[tuple[str, str]] = []
        cost = 0
        for key, item in value.items():
            named = self.fit(key, names, f"{path}.{key}", depth + 1) if names else fit(key, path)
            match = self.fit(item, inner, f"{path}.{key}", depth + 1)
            for part in (named, match):
                coercions.extend(part.coercions)
                faults.extend(part.faults)
                cost += 10 * part.cost
            if named.is_fit and match.is_fit:
                result[named.value] = match.value
        return Match(value=result, cost=cost, coercions=tuple(coercions), faults=tuple(faults))

    def _members(self, value: dict[str, Any], schema: Mapping[str, Any], path: str, depth: int) -> Match:
        properties: Mapping[str, Schema] = schema["properties"]
        source, coercions = _assign(value, properties, schema, path)
        required = set(schema.get("required", ()))
        result: dict[str, Any] = {}
        faults: list[tuple[str, str]] = []
        is_open = self._is_open(path)
        if is_open and required and value and not source:
            return misfit(path, f"none of the members {', '.join(properties)}")
        cost = sum(COST[coercion.code] for coercion in coercions)
        for name, inner in properties.items():
            place = f"{path}.{name}"
            if name in source and self.cut_number != place:
                match = self.fit(source[name], inner, place, depth + 1)
                if not match.is_fit and is_open and source[name] is None:
                    match = self._missing(inner, place, is_required=name in required, is_open=is_open)
            else:
                match = self._missing(inner, place, is_required=name in required, is_open=is_open)
            cost += 10 * match.cost if name in source else match.cost
            coercions.extend(match.coercions)
            faults.extend(match.faults)
            if match.is_fit and match.value is not msgspec.UNSET:
                result[name] = match.value
        cost += self._keep_extra(value, schema, result, coercions, path)
        return Match(value=result, cost=cost, coercions=tuple(coercions), faults=tuple(faults))

    @staticmethod
    def _keep_extra(
        value: dict[str, Any],
        schema: Mapping[str, Any],
        result: dict[str, Any],
        coercions: list[Coercion],
        path: str,
    ) -> int:
        """Members the schema does not declare stay where it admits them in so many words, and are left out elsewhere."""
        extra = _extra_keys(value, schema)
        if schema.get("additionalProperties") not in (None, False):
            result.update((key, value[key]) for key in extra)
            return 0
        coercions.extend(Coercion(f"{path}.{key}", "extra_key") for key in extra)
        return COST["extra_key"] * len(extra)

    def _missing(self, schema: Schema, path: str, *, is_required: bool, is_open: bool) -> Match:
        """What stands for an absent member: its default, null if it may be null, nothing, or a fault."""
        resolved = self._resolve(schema)
        if not isinstance(resolved, bool) and "default" in resolved:
            return fit(resolved["default"], path, "default")
        if self._admits_null(resolved):
            return fit(None, path, "optional_missing")
        if is_open and is_required:
            kind = None if isinstance(resolved, bool) else resolved.get("type") or _implied_type(resolved)
            if kind == "array":
                return fit([], path, "unfinished")
            is_map = kind == "object" and not isinstance(resolved, bool) and "properties" not in resolved
            return fit({} if is_map else None, path, "unfinished")
        if is_required and not isinstance(resolved, bool) and resolved.get("type") == "array":
            return fit([], path, "empty_list")
        if is_required:
            return misfit(path, "required and missing")
        return fit(msgspec.UNSET, path)

    def _admits_null(self, schema: Schema) -> bool:
        if isinstance(schema, bool):
            return False
        branches = _branches(schema)
        if branches is not None:
            return any(self._resolve(branch) == {"type": "null"} for branch in branches)
        return schema.get("type") == "null"


def _assign(
    value: dict[str, Any], properties: Mapping[str, Schema], schema: Mapping[str, Any], path: str
) -> tuple[dict[str, Any], list[Coercion]]:
    """Which member of `value` serves each property: by name, alias, then the only similar spelling."""
    source = {name: value[name] for name in properties if name in value}
    coercions: list[Coercion] = []
    aliases = _aliases(schema)
    free = [key for key in value if key not in properties]
    for name in properties:
        if name in source:
            continue
        alias = aliases.get(name)
        if alias is not None and alias in value:
            source[name] = value[alias]
            free = [key for key in free if key != alias]
            continue
        similar = [key for key in free if _fold(key) in {_fold(name), _fold(alias or name)} and _fold(key)]
        if len(similar) == 1:
            source[name] = value[similar[0]]
            free.remove(similar[0])
            coercions.append(Coercion(f"{path}.{name}", "key_spelling", similar[0][:60]))
    return source, coercions


def _extra_keys(value: dict[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """The keys that are no property in any spelling."""
    folded = {_fold(name) for name in (*schema["properties"], *_aliases(schema).values())}
    return [key for key in value if key not in schema["properties"] and _fold(key) not in folded]


def _aliases(schema: Mapping[str, Any]) -> Mapping[str, str]:
    found = schema.get("x-alias")
    return found if isinstance(found, Mapping) else {}


def _branches(schema: Mapping[str, Any]) -> list[Schema] | None:
    """The alternatives of a union, `anyOf`, `oneOf` or a list of types."""
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return list(schema[word])
    kinds = schema.get("type")
    if isinstance(kinds, list):
        rest = {key: value for key, value in schema.items() if key != "type"}
        return [{"type": "null"} if kind == "null" else {**rest, "type": kind} for kind in kinds]
    return None


def _implied_type(schema: Mapping[str, Any]) -> str | None:
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else None


def _unpack(text: str, kind: type) -> Any:
    """The container a string is (a value serialised twice), mended as long as no word in it is a guess; else None."""
    text = text.strip()
    if text[:1] + text[-1:] != ("{}" if kind is dict else "[]"):
        return None
    found = parse(text)
    is_guess = found.status is Status.PARTIAL or any(repair.code in GUESSES for repair in found.repairs)
    return found.value if isinstance(found.value, kind) and not is_guess else None


def _raise_cost(match: Match, path: str, code: str) -> Match:
    if not match.is_fit:
        return match
    noted = (*match.coercions, Coercion(path, code))
    return msgspec.structs.replace(match, cost=match.cost + COST[code], coercions=noted)
