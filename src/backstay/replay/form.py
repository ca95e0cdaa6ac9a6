"""Form: what a call asks, as a key to match it by and as JSON that may be written to a file.

The key is the full SHA-256 of the canonical request, of who asks it (task, tenant, user) and of whether it streams: a call of
which any of these differs is another call. Ids, times, priority and correlation are of the trip and do not count.

The written form is made from a list of what may be written, not of what may not: a field of a request that is not listed, every
`options` and every `extra` have a digest in the place of each text in them, because keys get put there. Headers and keys of
providers are no part of a request and so of no journal.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any, Final, NamedTuple

import msgspec

from backstay.canonical import IGNORED, FieldChange, canonical, difference, digest
from backstay.errors import InvalidRequest
from backstay.service import Call
from backstay.types import Request

WRITTEN: Final = frozenset(
    {
        "frequency_penalty",
        "dimensions",
        "kind",
        "logprobs",
        "max_output_tokens",
        "messages",
        "model",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "stream",
        "system",
        "task",
        "temperature",
        "tenant",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "user",
        "version",
    }
)
"""The members of a form whose texts may be written as they are."""

SECRETIVE: Final = frozenset({"extra", "options"})
"""Members whose texts are written as digests wherever they stand."""


class Asked(NamedTuple):
    """What a call asks: the key to match it by, and its written form."""

    key: str
    form: bytes


def asked(call: Call) -> Asked:
    """What `call` asks. Raises InvalidRequest where it has no canonical form, and so cannot be matched."""
    about = call.request.metadata
    own = {"stream": call.stream, "task": about.task, "tenant": about.tenant, "user": about.user}
    try:
        head = msgspec.json.encode({name: value for name, value in own.items() if value is not None})
        form = head[:-1] + b"," + canonical(call.request)[1:]
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequest(
            f"a request without a canonical form can be neither recorded nor replayed: {error}"
        ) from error
    return Asked(digest("call", form), _written(call.request, form))


def _written(request: Request, form: bytes) -> bytes:
    has_extra = form.count(b'"extra":') > form.count(b'"extra":null')
    if _is_known(type(request)) and not request.options and not has_extra:
        return form
    members = msgspec.json.decode(form)
    return msgspec.json.encode(
        {name: _shown(value) if name in WRITTEN else _hidden(value) for name, value in members.items()}
    )


@functools.cache
def _is_known(kind: type[Request]) -> bool:
    return {*kind.__struct_fields__} - IGNORED - SECRETIVE <= WRITTEN


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return {name: _hidden(item) if name in SECRETIVE else _shown(item) for name, item in value.items()}
    return value


def _hidden(value: Any) -> Any:
    """`value` with a digest in the place of every text; names, numbers and truth values stay."""
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    if isinstance(value, dict):
        return {name: _hidden(item) for name, item in value.items()}
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:16]}" if isinstance(value, str) else value


def changes(recorded: bytes, now: bytes) -> tuple[FieldChange, ...]:
    """In which fields two written forms differ: recorded value, then the one asked for now."""
    return tuple(difference(recorded, now))
