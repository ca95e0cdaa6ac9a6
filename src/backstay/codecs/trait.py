"""Traits: what a model takes and what it refuses, as rows of data; `traits(dialect, model)` looks one up.

Providers change the rules of a parameter from model to model: a temperature is a setting here and an error there. Codecs read
these rows and hold no model name. A row is a dialect, a pattern over the model's name, and the fields that differ from the
neutral defaults; rows are applied from general to special, so a later row that matches overrides an earlier one.

A model without a row gets the neutral defaults, which refuse nothing: a wrong refusal of ours costs more than the
provider's own error. Facts are of November 2026, from the providers' references and from recorded errors.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from backstay.codecs import anthropic_trait, gemini_trait
from backstay.types import Effort


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """The differences between models of one dialect.

    `sampling`: whether temperature, top_p, penalties and logprobs are taken: "always", "never", or "unless_reasoning" (only at
    effort "none", given or by default). `temperature_max`: the upper end of the range. `efforts`: the reasoning efforts
    accepted; None is unknown, empty is none at all. `default_effort`: what the model does when none is asked for.
    `system_role`: the word for the system prompt, "none" where the model takes no system prompt at all. `thinking`: how
    reasoning is asked for where a dialect has several ways: "budget" (a number of tokens), "adaptive" (an effort), "either",
    "always" (adaptive, cannot be turned off), "none" (the model does not reason); None is unknown.

    `takes_schema`: structured output by a schema; `takes_json_schema`: in JSON Schema, not only in the dialect's own schema
    language; `takes_strict`: tools that are held to their schema. `takes_system_turn`: system messages among the others.
    `needs_call_signature`: tool calls in the history must carry a signature.
    """

    sampling: Literal["always", "never", "unless_reasoning"] = "always"
    temperature_max: float = 2.0
    takes_temperature_with_top_p: bool = True
    takes_top_k: bool = True
    takes_stop: bool = True
    takes_tools: bool = True
    takes_tools_with_reasoning: bool = True
    takes_prefill: bool = True
    takes_strict: bool = True
    takes_schema: bool = True
    takes_system_turn: bool = False
    takes_json_schema: bool = True
    needs_call_signature: bool = False
    system_role: Literal["system", "developer", "none"] = "system"
    efforts: tuple[Effort, ...] | None = None
    default_effort: Effort | None = None
    thinking: Literal["none", "budget", "adaptive", "either", "always"] | None = None

    def takes_sampling(self, effort: Effort | None) -> bool:
        """True when sampling parameters are accepted at this reasoning effort (None: the model's default)."""
        if self.sampling == "unless_reasoning":
            return (effort or self.default_effort) == "none"
        return self.sampling == "always"


_OPENAI: Final = ("openai_chat", "openai_responses")
_CLASSIC: Final[tuple[Effort, ...]] = ("low", "medium", "high")
_REASONER: Final[dict[str, Any]] = {"sampling": "never", "system_role": "developer"}

_OPENAI_ROWS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("o1*", {**_REASONER, "efforts": _CLASSIC}),
    ("o1-mini*", {"system_role": "none", "efforts": (), "takes_tools": False}),
    ("o1-preview*", {"system_role": "none", "efforts": (), "takes_tools": False}),
    ("o3*", {**_REASONER, "efforts": _CLASSIC, "takes_stop": False}),
    ("o3-mini*", {"takes_stop": True}),
    ("o4-mini*", {**_REASONER, "efforts": _CLASSIC, "takes_stop": False}),
    ("gpt-5", {**_REASONER, "efforts": ("minimal", *_CLASSIC), "takes_stop": False}),
    ("gpt-5-*", {**_REASONER, "efforts": ("minimal", *_CLASSIC), "takes_stop": False}),
    ("gpt-5-pro*", {"efforts": ("high",)}),
    ("gpt-5-codex*", {"efforts": _CLASSIC}),
    ("gpt-5-chat*", {"sampling": "always", "system_role": "system", "efforts": (), "takes_stop": True}),
    ("gpt-5.[1-9]*", {"sampling": "unless_reasoning", "system_role": "developer"}),
    ("gpt-5.[1-4]*", {"default_effort": "none"}),
    ("gpt-5.1*", {"efforts": ("none", *_CLASSIC)}),
    ("gpt-5.[2-4]*", {"efforts": ("none", *_CLASSIC, "xhigh")}),
    ("gpt-5.[1-4]-codex*", {"sampling": "never", "efforts": (*_CLASSIC, "xhigh"), "default_effort": "medium"}),
    ("gpt-5.[1-4]-pro*", {"sampling": "never", "efforts": ("medium", "high", "xhigh"), "default_effort": "medium"}),
    ("gpt-5.[1-9]-chat*", {"sampling": "never", "efforts": ("medium",), "default_effort": "medium"}),
    ("gpt-6*", {"sampling": "unless_reasoning", "system_role": "developer"}),
    ("gpt-6-astra*", {"sampling": "never", "efforts": ("minimal", *_CLASSIC, "xhigh", "max")}),
    ("gpt-6.1-sol*", {"sampling": "never", "efforts": ("minimal", *_CLASSIC, "xhigh", "max")}),
)

_ROWS: Final[tuple[tuple[tuple[str, ...], str, dict[str, Any]], ...]] = (
    *((_OPENAI, pattern, fields) for pattern, fields in _OPENAI_ROWS),
    (("openai_chat",), "gpt-6.1-sol*", {"efforts": ("minimal", *_CLASSIC, "xhigh")}),
    *anthropic_trait.ROWS,
    *gemini_trait.ROWS,
)


@lru_cache(maxsize=512)
def traits(dialect: str, model: str) -> Traits:
    """The traits of `model` (the provider's own name, in any case) as spoken to in `dialect`."""
    fields: dict[str, Any] = {}
    name = model.lower()
    for dialects, pattern, differences in _ROWS:
        if dialect in dialects and fnmatchcase(name, pattern):
            fields.update(differences)
    return Traits(**fields)
