"""Ask: from what a caller writes (a text, messages, keyword settings) to a validated `Request`.

One place knows the settings that every verb of the client takes, so `generate`, `stream`, `estimate` and `count_tokens`
cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

import msgspec

from backstay.errors import InvalidRequest
from backstay.types import (
    AnyPart,
    Effort,
    Message,
    Priority,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolChoice,
    user,
)

Prompt: TypeAlias = str | Message | Sequence[Message | AnyPart | str] | Request


class Settings(TypedDict, total=False):
    """The keyword settings of a question. `schema` is a JSON Schema that the answer must fit; `timeout` is seconds in all."""

    model: str
    system: str | tuple[Text, ...] | None
    max_output_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stop: str | Iterable[str]
    seed: int | None
    tools: Iterable[Tool]
    tool_choice: ToolChoice | None
    parallel_tool_calls: bool | None
    schema: dict[str, Any] | None
    response_format: ResponseFormat | None
    reasoning_effort: Effort | None
    logprobs: int | None
    options: Mapping[str, dict[str, Any]]
    task: str | None
    tenant: str | None
    priority: Priority
    correlation_id: str | None
    tags: dict[str, str]
    timeout: float | None


METADATA = frozenset({"task", "tenant", "priority", "correlation_id", "tags"})
TRIP = frozenset({"timeout"})
KNOWN = frozenset(Settings.__annotations__)


def build_request(prompt: Prompt, settings: Mapping[str, Any], *, model: str, id: str, created_at: float) -> Request:
    """The Request that `prompt` and `settings` describe; `model` is used where the settings name none.

    A text is one user message; a sequence may mix Messages with texts and parts, which become user messages. A Request is taken
    as it is, with `settings` over it. Raises TypeError for a setting that does not exist and InvalidRequest for values that
    make no request, all faults at once.
    """
    if unknown := sorted(settings.keys() - KNOWN):
        raise TypeError(f"unknown setting(s) {', '.join(unknown)}; there are: {', '.join(sorted(KNOWN))}")
    base = prompt if isinstance(prompt, Request) else Request(model=model, messages=_messages(prompt))
    changes: dict[str, Any] = {
        name: value
        for name, value in settings.items()
        if name not in METADATA and name not in TRIP and name != "schema"
    }
    for name in ("stop", "tools"):
        if name in changes:
            changes[name] = (changes[name],) if isinstance(changes[name], (str, Tool)) else tuple(changes[name])
    if settings.get("schema") is not None:
        changes["response_format"] = ResponseFormat(schema=settings["schema"])
    about = {name: value for name, value in settings.items() if name in METADATA}
    if about:
        changes["metadata"] = msgspec.structs.replace(base.metadata, **about)
    changes["id"] = base.id or id
    changes["created_at"] = base.created_at if base.created_at is not None else created_at
    if not base.model:
        changes.setdefault("model", model)
    request = msgspec.structs.replace(base, **changes)
    if faults := faults_of(request):
        raise InvalidRequest(*faults)
    return request


def _messages(prompt: str | Message | Sequence[Message | AnyPart | str]) -> tuple[Message, ...]:
    if isinstance(prompt, (str, Message)):
        prompt = (prompt,)
    messages: list[Message] = []
    loose: list[AnyPart | str] = []
    for item in prompt:
        if isinstance(item, Message):
            if loose:
                messages.append(user(*loose))
                loose = []
            messages.append(item)
        else:
            loose.append(item)
    if loose:
        messages.append(user(*loose))
    return tuple(messages)


def faults_of(request: Request) -> list[str]:
    """What no provider would take, whatever its dialect: one sentence per fault, naming the field and the remedy."""
    faults: list[str] = []
    if not request.messages:
        faults.append("messages: there are none; ask something")
    if request.max_output_tokens is not None and request.max_output_tokens < 1:
        faults.append(
            f"max_output_tokens = {request.max_output_tokens}: must be 1 or more, or None for the model's own limit"
        )
    if request.temperature is not None and not 0 <= request.temperature <= 2:
        faults.append(f"temperature = {request.temperature}: must lie between 0 and 2")
    if request.top_p is not None and not 0 < request.top_p <= 1:
        faults.append(f"top_p = {request.top_p}: must be above 0 and at most 1")
    if request.top_k is not None and request.top_k < 1:
        faults.append(f"top_k = {request.top_k}: must be 1 or more")
    if not all(request.stop):
        faults.append("stop: an empty stop sequence would end every answer at once")
    if request.tools and len({tool.name for tool in request.tools}) < len(request.tools):
        faults.append("tools: two tools share a name; the model could not tell them apart")
    return faults
