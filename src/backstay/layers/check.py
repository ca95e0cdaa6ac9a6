"""Check: refuse what the model cannot do, before it costs time or money, with all the reasons at once.

The catalogue knows a model's context window, its longest output and what it can take. A row that says nothing about an ability
forbids nothing. Lengths are judged by a likely count with a wide margin, because a request that is refused here although it
would have fitted is worse than one that the provider refuses.
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.catalog.catalog import Catalog
from backstay.catalog.model import Model
from backstay.errors import InvalidRequest
from backstay.service import Call, Reply, Service
from backstay.target import parse_model
from backstay.tokens import likely_input
from backstay.types import Audio, Image, Request

MARGIN = 0.7
"""A likely count may be a third too high on code and tables; only what is beyond that is refused."""

DEFAULT_OUTPUT = Request.__struct_defaults__[Request.__struct_fields__.index("max_output_tokens")]


class Check:
    """The layer for one target; stateless."""

    def __init__(self, target: str, catalog: Catalog) -> None:
        self._target = target
        self._model = catalog.find(*parse_model(target))

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        if self._model is not None and (faults := list(faults_of(call.request, self._model))):
            raise InvalidRequest(*(f"{self._target}: {fault}" for fault in faults))
        return await inner(call)


def faults_of(request: Request, model: Model) -> Iterator[str]:
    """Each reason why `model` cannot answer `request`, with the remedy."""
    wanted, limit, window = request.max_output_tokens, model.max_output_tokens, model.context_window
    if wanted is not None and limit is not None and wanted > limit and wanted != DEFAULT_OUTPUT:
        yield f"max_output_tokens = {wanted:,}: the model writes {limit:,} at most; ask for that or less"
    if window is not None:
        length = likely_input(request)
        if length * MARGIN > window:
            yield f"the input is about {length:,} tokens, the context window {window:,}: shorten it or take a larger model"
    if request.tools and model.has_tools is False:
        yield "tools: the model takes none; leave them out or take a model with tools"
    if _has(request, Image) and model.has_vision is False:
        yield "an image: the model reads text only; take one with vision"
    if _has(request, Audio) and model.has_audio is False:
        yield "audio: the model does not listen; take one that does"
    if request.system and model.has_system_prompt is False:
        yield "system: the model takes no system prompt; put it into the first user message"


def _has(request: Request, kind: type) -> bool:
    return any(isinstance(part, kind) for message in request.messages for part in message.parts)
