"""Check: refuse what the model cannot do, before it costs time or money, with all the reasons at once.

The catalogue knows a model's context window, its longest output and what it can take. A row that says nothing about an ability
forbids nothing. Lengths are judged by a likely count with a wide margin, because a request that is refused here although it
would have fitted is worse than one that the provider refuses.
"""

from __future__ import annotations

from backstay.catalog.catalog import Catalog
from backstay.catalog.model import Model
from backstay.errors import InvalidRequest
from backstay.service import Call, Reply, Service
from backstay.target import parse_model
from backstay.tokens import Counted, likely_input
from backstay.types import Audio, File, Image, Reasoning, Request, Text

MARGIN = 0.7
"""A likely count may be a third too high on code and tables; only what is beyond that is refused."""

DEFAULT_OUTPUT = Request.__struct_defaults__[Request.__struct_fields__.index("max_output_tokens")]


class Check:
    """The layer for one target; stateless."""

    def __init__(self, target: str, catalog: Catalog) -> None:
        self._target = target
        self._model = catalog.find(*parse_model(target))

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        if self._model is not None and (faults := faults_of(call.request, self._model)):
            raise InvalidRequest(*(f"{self._target}: {fault}" for fault in faults))
        return await inner(call)


def faults_of(request: Request, model: Model) -> list[str]:
    """Each reason why `model` cannot answer `request`, with the remedy."""
    faults: list[str] = []
    wanted, limit, window = request.max_output_tokens, model.max_output_tokens, model.context_window
    if wanted is not None and limit is not None and wanted > limit and wanted != DEFAULT_OUTPUT:
        faults.append(f"max_output_tokens = {wanted:,}: the model writes {limit:,} at most; ask for that or less")
    if window is not None and not _is_short(request, window):
        length = likely_input(request)
        if length * MARGIN > window:
            faults.append(
                f"the input is about {length:,} tokens, the context window {window:,}: shorten it or take a larger model"
            )
    if model.has_tools is False and request.tools:
        faults.append("tools: the model takes none; leave them out or take a model with tools")
    if model.has_vision is False and _has(request, Image):
        faults.append("an image: the model reads text only; take one with vision")
    if model.has_audio is False and _has(request, Audio):
        faults.append("audio: the model does not listen; take one that does")
    if model.has_system_prompt is False and request.system:
        faults.append("system: the model takes no system prompt; put it into the first user message")
    return faults


def _is_short(request: Request, window: int) -> bool:
    """True where the texts have too few characters to fill the window, of whatever kind they are: then nothing is counted.

    No character counts for more than two likely tokens, and each text is rounded up by less than one.
    """
    if isinstance(request, Counted):
        return False
    room = window // 2 - len(request.messages) - 1
    if request.system is not None:
        room -= (
            sum(len(part.text) for part in request.system) if isinstance(request.system, tuple) else len(request.system)
        )
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, (Text, File, Reasoning)):
                room -= len(part.text or "")
    return room >= 0


def _has(request: Request, kind: type) -> bool:
    return any(isinstance(part, kind) for message in request.messages for part in message.parts)
