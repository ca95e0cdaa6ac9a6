"""The schema of the facts: the built-in `denial`, with what a route and a letter need beside it; and a short form of it."""

from __future__ import annotations

import copy
from typing import Any, Final

from backstay.extract.schema import Schema, built_in
from backstay.prompts.library import PromptLibrary

TEXT: Final = {"type": "string"}
MORE: Final[dict[str, Any]] = {
    "patient_name": {**TEXT, "description": "The patient"},
    "policy_section": {**TEXT, "description": "The section of the plan that the decision cites, as printed"},
    "conflicts": {
        "type": "array",
        "description": "Fields for which the letter prints different values",
        "items": {
            "type": "object",
            "properties": {"field": TEXT, "values": {"type": "array", "items": TEXT}},
            "additionalProperties": False,
        },
    },
}
PRE_SERVICE: Final = {"type": "boolean", "description": "True when the care was still to come"}
SHORT: Final = {
    "": ("denial_reason", "denial_codes", "patient_name"),
    "service": ("description", "cpt_codes", "date_of_service", "provider_name"),
    "payer": ("name", "member_id", "claim_number"),
    "dates": ("date_of_denial", "appeal_deadline", "appeal_deadline_days"),
    "contact": ("phone", "fax", "address"),
}
"""What the short form asks for: group to fields, "" for the top."""


def facts_schema(library: PromptLibrary, *, is_short: bool = False) -> Schema:
    """What a letter is asked for; its description is the prompt `denial_facts` (or `denial_facts_short`)."""
    base = built_in("denial")
    whole = copy.deepcopy(base.schema)
    properties = whole["properties"]
    properties |= copy.deepcopy(MORE)
    properties["service"]["properties"]["is_pre_service"] = dict(PRE_SERVICE)
    properties["payer"]["properties"]["policy_number"] = {**TEXT, "description": "The policy number"}
    if is_short:
        whole["properties"] = _short(properties)
        whole["required"] = ["denial_reason"]
    whole["description"] = library.get("denial_facts_short" if is_short else "denial_facts").system
    return Schema(name=base.name, schema=whole)


def _short(properties: dict[str, Any]) -> dict[str, Any]:
    kept = {name: properties[name] for name in SHORT[""]}
    for group, names in SHORT.items():
        if group:
            inner = {name: properties[group]["properties"][name] for name in names}
            kept[group] = {**properties[group], "properties": inner}
            kept[group].pop("required", None)
    return kept
