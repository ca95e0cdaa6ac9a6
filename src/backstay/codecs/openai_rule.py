"""ChatRules: how one OpenAI-compatible server differs from OpenAI's Chat Completions, as data.

The codec holds no provider's name; a row of the registry holds one of these. The defaults are OpenAI's own API.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from backstay.types import Effort

ReasoningOut: TypeAlias = Literal["none", "reasoning_content", "reasoning", "thinking_part"]


class ChatRules(msgspec.Struct, frozen=True, kw_only=True):
    """Names of fields, and what is taken at all.

    `seed_field`, `top_k_field`: None where the parameter is unknown to the server. `stream_usage`: whether
    `stream_options.include_usage` may be sent. `reasoning_in`: how an effort is asked for, and `efforts`: which, where the server
    narrows them; `reasoning_back`: where the
    reasoning of an earlier turn is returned ("none": it is not). `forced_tool`: the word for "some tool must be called".
    `has_named_tool`: whether one tool can be forced by name. `schema`: "strict" (OpenAI's subset is enforced), "any", or
    "object_only" where no JSON Schema is taken. `tool_id_length`: the longest tool-call id, exact with `has_exact_tool_id`.
    `has_cache_control`: whether `cache_control` marks are understood. `uses_model_traits`: whether model names mean what they
    mean at OpenAI, so that `trait.py` applies. `path` is joined to the base URL, and so is `count_path`, where the server counts
    the input tokens of a request in Anthropic's form.
    """

    path: str = "/chat/completions"
    max_tokens_field: str = "max_completion_tokens"
    seed_field: str | None = "seed"
    top_k_field: str | None = None
    system_role: Literal["system", "developer"] | None = None
    max_stop: int | None = 4
    stream_usage: bool = True
    reasoning_in: Literal["effort", "object", "thinking", "template", "none"] = "effort"
    efforts: tuple[Effort, ...] | None = None
    reasoning_back: ReasoningOut = "none"
    forced_tool: str = "required"
    has_named_tool: bool = True
    has_parallel_tools: bool = True
    schema: Literal["strict", "any", "object_only"] = "strict"
    needs_json_word: bool = True
    has_user: bool = True
    has_tool_name: bool = False
    has_cache_control: bool = False
    tool_id_length: int = 40
    has_exact_tool_id: bool = False
    has_penalties: bool = True
    has_logprobs: bool = True
    file_url_part: Literal["file", "document_url", "file_url"] | None = None
    is_audio_bare: bool = False
    uses_model_traits: bool = True
    count_path: str | None = None


COMPATIBLE = ChatRules(
    max_tokens_field="max_tokens",
    top_k_field="top_k",
    max_stop=None,
    reasoning_back="reasoning_content",
    schema="any",
    needs_json_word=False,
    uses_model_traits=False,
)
"""A server about which nothing is known but that it speaks this dialect: what most of them take."""
