"""Cache: the same question of the same tenant is answered from a store while its answer is fresh.

The key is the whole canonical request with the tenant (`canonical.py`), so parameters cannot be forgotten and tenants cannot
meet. Only what is surely a good answer is kept: it came to its end for a reason of its own (`stop`, `stop_sequence`,
`tool_call`), it is not empty, refused, degraded or from a cache already. A request at any temperature is cached as it was asked,
because whoever wants another sample says so (`Call.is_fresh`) or sets `max_temperature`.

A hit is a Reply like any other, streamed where a stream was asked for, and without loss: `unfold` gives reasoning, signatures,
tool calls and log-probabilities. Its usage is that of the answer, its cost zero; `provenance.cached` says what it is.

    complete    stored before it is acknowledged, where it may be
    failed      nothing is stored; with `stale_if_error`, a failure of the call itself is answered by the last good answer
    dropped     nothing is stored

A fault of the store is a miss, never a failed call. One flight for many misses is the affair of the Join layer below.
The ideas of freshness and of stale-if-error are those of RFC 9111 and RFC 5861.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec

from backstay.canonical import request_key
from backstay.codecs.embedding import Embeddings
from backstay.errors import AllTargetsFailed, ConfigurationError, LLMError, RateLimited, Refused, ReplayMiss
from backstay.ports import Clock
from backstay.service import Call, Outcome, Reply, Service
from backstay.stores.answer import decode_answer, encode_answer
from backstay.stores.cache import CacheStore, Entry
from backstay.stores.guarded import CacheStats, Guarded
from backstay.types import AnyPart, Cost, Reasoning, Refusal, Request, Response, Text, ToolCall

GOOD_ENDS: Final = ("stop", "stop_sequence", "tool_call")
"""The reasons for which an answer ends that is whole."""

KEPT: Final = 256
"""The latest entries of which it is remembered that they were stored, so that the callers of one flight store it once. What is
forgotten too soon is stored twice."""


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is cached and for how long. Times in seconds.

    `stale_if_error`: how long after its time an answer may still stand in for a call that failed. `max_temperature`: requests
    above it are not cached; None for no such limit, and a request that states no temperature is as one with 1.0. `tools`:
    whether requests with tools are cached. Raises ConfigurationError listing every bad setting at once.
    """

    ttl: float = 300.0
    stale_if_error: float = 0.0
    max_temperature: float | None = None
    tools: bool = True

    def __post_init__(self) -> None:
        if faults := list(self._faults()):
            raise ConfigurationError(*faults)

    def _faults(self) -> Iterator[str]:
        if not self.ttl > 0:
            yield f"cache.ttl = {self.ttl}: must be more than 0 seconds"
        if not self.stale_if_error >= 0:
            yield f"cache.stale_if_error = {self.stale_if_error}: must be 0 or more seconds"
        if self.max_temperature is not None and not self.max_temperature >= 0:
            yield f"cache.max_temperature = {self.max_temperature}: must be 0 or more"

    def is_cached(self, request: Request) -> bool:
        """True when answers to `request` may come from the cache and go there."""
        if request.tools and not self.tools:
            return False
        temperature = 1.0 if request.temperature is None else request.temperature
        return self.max_temperature is None or temperature <= self.max_temperature


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was answered from the cache: the answer as it is handed out, what it had cost (None: unknown), its age in
    seconds, and whether it was past its time."""

    call: Call
    response: Response
    saved: Cost | None
    age: float
    is_stale: bool = False


class Cache:
    """The layer over one store. `version` names what else answers hang on, such as where the providers' names lead; a `key` that
    is shared with other layers has it already.

    `listener` hears each hit, synchronously; a ledger row is made there.
    """

    def __init__(
        self,
        store: CacheStore,
        *,
        clock: Clock,
        policy: CachePolicy | None = None,
        version: str = "",
        key: Callable[[Request], str] | None = None,
        listener: Callable[[Hit], None] | None = None,
    ) -> None:
        self._guarded = Guarded(store, clock=clock)
        self._tally = self._guarded.tally
        self._clock = clock
        self._policy = policy or CachePolicy()
        self._key = key or (lambda request: request_key(request, version=version))
        self._listener = listener
        self._kept: dict[tuple[str | None, str], int] = {}

    async def __call__(self, call: Call, inner: Service, /) -> Reply:
        if call.is_fresh or not self._policy.is_cached(call.request):
            self._tally.bypasses += 1
            return await inner(call)
        try:
            key = self._key(call.request)
        except (TypeError, ValueError, OverflowError, RecursionError):  # no JSON form: its codec will say what is wrong
            self._tally.bypasses += 1
            return await inner(call)
        tenant = call.request.metadata.tenant
        started = self._clock.monotonic()
        entry = await self._guarded.find(key, tenant=tenant)
        answer = None if entry is None else await self._read(entry)
        if entry is not None and answer is not None and entry.is_fresh(self._guarded.now_ns()):
            return self._served(call, entry, answer, started)
        self._tally.misses += 1
        stores = self._tally.stores
        try:
            reply = await inner(call)
        except LLMError as error:
            if entry is None or answer is None or not is_outage(error):
                raise
            return self._served(call, entry, answer, started, error)
        when_complete(reply, self._keep, key, tenant, stores)
        return reply

    async def stats(self) -> CacheStats:
        """Hits, misses, hit rate, stores, evictions, bytes, errors, money saved."""
        return await self._guarded.stats()

    async def _read(self, entry: Entry) -> Response | None:
        try:
            return decode_answer(entry.payload)
        except ValueError:
            await self._guarded.spoilt(entry.key, tenant=entry.tenant)
            return None

    def _served(
        self, call: Call, entry: Entry, answer: Response, started: float, error: LLMError | None = None
    ) -> Reply:
        """The hit. With `error`, a stale one that stands in for a failed call."""
        age = (self._guarded.now_ns() - entry.created_ns) / 1e9
        response = as_cached(answer, self._clock.monotonic() - started)
        if error is None:
            self._tally.hits += 1
        else:
            self._tally.stale_hits += 1
            response = noted(response, f"stale: an answer of {age:.0f} s ago, because of {type(error).__name__}")
        if answer.cost is not None:
            self._tally.saved_nano_usd += answer.cost.nano_usd
        if self._listener is not None:
            hit = Hit(call=call, response=response, saved=answer.cost, age=age, is_stale=error is not None)
            reply = Reply(response=response)
            reply.observe(lambda outcome: self._tell(hit))
            return reply
        return Reply(response=response)

    def _tell(self, hit: Hit) -> None:
        if self._listener is not None:
            self._listener(hit)

    async def _keep(self, response: Response, key: str, tenant: str | None, stores: int) -> None:
        """Store it, unless another caller of the same flight has done so since this one asked, at the count `stores`."""
        place = (tenant, key)
        if self._kept.get(place, 0) > stores:
            return
        try:
            payload = encode_answer(as_asked(response)) if is_storable(response) else None
        except ValueError:
            payload = None
        if payload is None:
            self._tally.refused += 1
            return
        policy = self._policy
        if await self._guarded.keep(key, payload, tenant=tenant, ttl=policy.ttl, stale_ttl=policy.stale_if_error):
            self._kept[place] = self._tally.stores
            if len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]


def when_complete(reply: Reply, keep: Callable[..., Awaitable[None]], *facts: object) -> None:
    """Await `keep(response, *facts)` with the answer as it is at this layer, once it is known to be complete and before it is
    acknowledged."""
    end = _End(keep, facts)
    reply.amend(end.capture)
    reply.observe(end.observe)
    reply.hold(end.kept)


class _End:
    """What `when_complete` knows of a reply's end: the answer, and whether it is the outcome."""

    __slots__ = ("answer", "facts", "is_complete", "keep")

    def __init__(self, keep: Callable[..., Awaitable[None]], facts: tuple[object, ...]) -> None:
        self.keep = keep
        self.facts = facts
        self.answer: Response | None = None
        self.is_complete = False

    def capture(self, response: Response) -> Response:
        self.answer = response
        return response

    def observe(self, outcome: Outcome) -> None:
        self.is_complete = isinstance(outcome, Response)

    def kept(self) -> Awaitable[None]:
        if self.answer is not None and self.is_complete:
            return self.keep(self.answer, *self.facts)
        return _nothing()


async def _nothing() -> None:
    """There is nothing to wait for."""


def as_asked(response: Response) -> Response:
    """`response` without what made it the answer of a joiner: its cost, which the first caller has, and the label."""
    about = response.provenance
    if not about.joined:
        return response
    return msgspec.structs.replace(response, cost=None, provenance=msgspec.structs.replace(about, joined=False))


def as_cached(response: Response, latency: float) -> Response:
    """`response` as a hit hands it out: labelled, free, without what belonged to the attempt that made it."""
    about = response.provenance
    return msgspec.structs.replace(
        response,
        latency=latency,
        time_to_first_token=None,
        cost=Cost(nano_usd=0, price_id="" if response.cost is None else response.cost.price_id),
        provenance=msgspec.structs.replace(about, cached=True, attempts=(), limits=()),
    )


def noted(response: Response, note: str) -> Response:
    """`response` with one more sentence in its provenance."""
    about = response.provenance
    return msgspec.structs.replace(response, provenance=msgspec.structs.replace(about, notes=(*about.notes, note)))


def is_storable(response: Response) -> bool:
    """True for a complete, good answer of a model that was asked for."""
    about = response.provenance
    if about.degraded or about.cached:
        return False
    if isinstance(response, Embeddings):
        return bool(response.vectors)
    if response.finish_reason not in GOOD_ENDS:
        return False
    has_content = False
    for part in response.parts:
        if _is_bad(part):
            return False
        has_content = has_content or _has_content(part)
    return has_content


def _has_content(part: AnyPart) -> bool:
    if isinstance(part, Text):
        return bool(part.text) and not part.text.isspace()
    return not isinstance(part, Reasoning)


def _is_bad(part: AnyPart) -> bool:
    """A refusal, or a tool call whose arguments are no JSON: asking again may do better."""
    return isinstance(part, Refusal) or (isinstance(part, ToolCall) and part.raw_arguments is not None)


def is_outage(error: LLMError) -> bool:
    """True for an error that says nothing about the request, only that it cannot be answered now."""
    if isinstance(error, ReplayMiss):
        return False
    return error.retryable or isinstance(error, (Refused, AllTargetsFailed, RateLimited))
