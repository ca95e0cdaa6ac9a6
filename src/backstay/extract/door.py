"""Door: from the client's verbs to the extraction loop: what the model can, what the settings say, one deadline for all.

`extract` answers with the Extraction; `Extracting` is the same while it arrives, as partial objects that grow.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import msgspec

from backstay.catalog.catalog import Catalog
from backstay.codecs.trait import traits
from backstay.config.setting import Extract as Limits
from backstay.dispatch import Dispatch
from backstay.document.document import Document
from backstay.event import TextDelta, ToolCallDelta
from backstay.extract.attached import read_attached
from backstay.extract.extraction import Extraction
from backstay.extract.form import strongest
from backstay.extract.loop import extract
from backstay.extract.plan import LOCAL_WINDOW, OWN, Plan, make_plan, piece_size
from backstay.extract.schema import Schema, load_schema
from backstay.recover import Stream
from backstay.target import parse_model
from backstay.types import Request, Response

if TYPE_CHECKING:
    from backstay.service import Reply

What: TypeAlias = "str | Path | dict[str, Any] | Schema | type"
Notify: TypeAlias = Callable[[Any], None]
Send: TypeAlias = Callable[[Request, bool], Awaitable["Reply"]]
"""(request, is it a stream) to the Reply, under the one deadline."""

WARM: Final = 0.7
"""Temperature of samples beyond the first: enough variety to disagree, as in Wang et al. 2022."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be extracted: everything that the caller gave, checked."""

    schema: Schema
    document: Document
    request: Request
    plan: Plan


def split_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of every question, and those of an extraction only."""
    own = {name: value for name, value in settings.items() if name in OWN}
    return {name: value for name, value in settings.items() if name not in OWN}, own


def read_order(
    what: What, document: str | Document, source: str, *, request: Request, options: Mapping[str, Any], base: Plan
) -> Order:
    """The Order of a call. Raises ConfigurationError for a schema that is none and ValueError for impossible options."""
    schema = what if isinstance(what, Schema) else load_schema(what)
    if isinstance(document, str):
        document = Document(source=source, text=document, media_type="text/plain")
    elif source:
        document = msgspec.structs.replace(document, source=source)
    return Order(schema=schema, document=document, request=request, plan=make_plan(base, options))


def plan_of(model: str, dispatch: Dispatch, catalog: Catalog, limits: Limits) -> Plan:
    """What suits `model` ("provider:model"): its strongest form, its longest piece, whether it takes a temperature.

    A service of ours (rules, a model in this process, a script) is asked by a schema. It and a local server hold an answer to
    a schema by a grammar, which the model does not see.
    """
    provider, name = parse_model(model)
    if dispatch.is_service(provider):
        window = dispatch.context_window(provider)
        return Plan(is_blind=True, piece_chars=piece_size(window) if window else None, limits=limits)
    row = dispatch.row(provider)
    known = catalog.find(provider, name)
    window = known.context_window if known is not None else None
    return Plan(
        form=strongest(row, name, known),
        is_blind=row.is_local,
        piece_chars=piece_size(window or (LOCAL_WINDOW if row.is_local else None)),
        sample_temperature=WARM if traits(row.dialect, name).takes_sampling(None) else None,
        limits=limits,
    )


async def run(order: Order, send: Send, *, notify: Notify | None = None) -> Extraction:
    """The Extraction of `order`; `notify` hears of the object each time that it has grown."""
    attached = read_attached(order.schema, order.document)
    if attached is not None:
        return attached
    teller = None if notify is None else _Teller(notify)

    async def ask(request: Request) -> Response:
        if teller is not None and not teller.is_busy:
            return await teller.response(await send(request, True))
        return await (await send(request, False)).response()

    return await extract(
        ask,
        order.schema,
        order.document.text,
        request=order.request,
        source=order.document.source,
        plan=order.plan,
    )


class _Teller:
    """Reads an answer as a stream and tells of the object in it. One at a time: of several pieces the first is told."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self.is_busy = False

    async def response(self, reply: Reply) -> Response:
        """The whole answer of `reply`."""
        self.is_busy = True
        growing = Stream()
        try:
            async for event in reply:
                piece = ""
                if isinstance(event, TextDelta):
                    piece = event.text
                elif isinstance(event, ToolCallDelta):
                    piece = event.arguments
                if piece and isinstance(growing.feed(piece), dict):
                    self._notify(copy.deepcopy(growing.value))
            return await reply.response()
        finally:
            self.is_busy = False
            await reply.aclose()


class Extracting:
    """An extraction while it arrives: iterate it for partial objects, then `await extraction()`. One consumer.

    A partial object is what the model has written so far: neither checked nor looked up. It begins anew where the model is
    asked again. Nothing is sent before the first step.
    """

    def __init__(self, begin: Callable[[Notify], Awaitable[Extraction]]) -> None:
        self._begin = begin
        self._partials: asyncio.Queue[Any] = asyncio.Queue()
        self._task: asyncio.Future[Extraction] | None = None

    def _started(self) -> asyncio.Future[Extraction]:
        if self._task is None:
            self._task = asyncio.ensure_future(self._begin(self._partials.put_nowait))
            self._task.add_done_callback(lambda _: self._partials.put_nowait(None))
        return self._task

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[dict[str, Any]]:
        task = self._started()
        while not (task.done() and self._partials.empty()):
            partial = await self._partials.get()
            if partial is not None:
                yield partial
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def extraction(self) -> Extraction:
        """The whole Extraction, once it is there."""
        return await self._started()

    async def aclose(self) -> None:
        """Leave; what is under way is dropped."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self._task])

    async def __aenter__(self) -> Self:
        self._started()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
