"""The cache layer: what it answers, what it keeps, what it refuses to keep, and what it does when something breaks."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from backstay.codecs.embedding import Embeddings, ask_for_vectors
from backstay.errors import (
    AuthenticationFailed,
    BadRequest,
    CircuitOpen,
    ConfigurationError,
    LLMError,
    ServerFault,
    StreamInterrupted,
)
from backstay.event import Event, Finished, PartDone, ReasoningDelta, TextDelta, ToolCallDelta, UsageReport
from backstay.fold import fold
from backstay.layers.cache import Cache, CachePolicy, Hit, is_storable
from backstay.layers.join import Join
from backstay.offline.scripted import Line, Scripted
from backstay.service import Call, Reply, Service, stack
from backstay.sim.loop import run
from backstay.sim.world import SimClock
from backstay.stores.cache import CacheFailed, CacheStore, Entry, StoreStats, entry_of
from backstay.stores.memory_cache import MemoryCache
from backstay.types import (
    Attempt,
    Cost,
    File,
    Image,
    Limit,
    Message,
    Metadata,
    NamedTool,
    Provenance,
    Reasoning,
    Refusal,
    Request,
    Response,
    ResponseFormat,
    Text,
    TokenLogprob,
    Tool,
    ToolCall,
    Unknown,
    Usage,
    assistant,
    user,
)

ANSWER = Response(
    parts=(
        Reasoning(text="thinking", signature="sig", id="r1"),
        Text(text="It is blue."),
        ToolCall(id="t1", name="look", arguments={"at": ["the", {"sky": 1.5}]}, signature="proof"),
    ),
    finish_reason="tool_call",
    raw_finish_reason="tool_calls",
    usage=Usage(input_tokens=7, output_tokens=3, reasoning_tokens=1, extra={"tier": "x"}),
    model="m-2026",
    id="a1",
    logprobs=(TokenLogprob(token="It", logprob=-0.5, top=(("It", -0.5), ("He", -1.5))),),
    extra={"deep": {"list": [1, None, True]}},
    request_id="q1",
    created_at=5.0,
    latency=2.0,
    time_to_first_token=0.5,
    cost=Cost(nano_usd=37_000, price_id="p"),
    provenance=Provenance(
        target="acme:m",
        attempts=(Attempt(number=1),),
        notes=("temperature: left out",),
        limits=(Limit(dimension="requests", remaining=3),),
    ),
)


def cached(*lines: Line, store: CacheStore | None = None, is_endless: bool = True, **settings: Any) -> tuple[Any, ...]:
    """A service that plays `lines` behind a Cache, the cache, the script and the clock."""
    clock = SimClock()
    script = Scripted(*lines, is_endless=is_endless)
    policy = CachePolicy(
        **{name: settings.pop(name) for name in list(settings) if name in CachePolicy.__struct_fields__}
    )
    layer = Cache(store or MemoryCache(), clock=clock, policy=policy, **settings)
    return stack(script, layer), layer, script, clock


def call(
    text: str = "?", *, tenant: str | None = None, stream: bool = False, is_fresh: bool = False, **facts: Any
) -> Call:
    request = Request(model="acme:m", messages=(user(text),), metadata=Metadata(tenant=tenant), **facts)
    return Call(request=request, stream=stream, is_fresh=is_fresh)


async def ask(service: Service, trip: Call) -> Response:
    return await (await service(trip)).response()


async def test_the_second_answer_is_the_first_ones_and_free() -> None:
    """Same parts, same usage; labelled, cost zero, and nothing of the first one's attempt."""
    service, layer, script, _ = cached(ANSWER)
    first = await ask(service, call())
    second = await ask(service, call())
    assert not first.provenance.cached
    assert len(script.requests) == 1
    assert second.provenance.cached
    assert second.cost == Cost(nano_usd=0, price_id="p")
    assert (second.provenance.attempts, second.provenance.limits) == ((), ())
    assert (second.provenance.target, second.provenance.notes) == ("acme:m", ("temperature: left out",))
    assert (second.time_to_first_token, second.latency) == (None, pytest.approx(0, abs=1e-6))
    changed = ("provenance", "cost", "latency", "time_to_first_token")
    facts = dict.fromkeys(changed)
    assert {**msgspec.structs.asdict(second), **facts} == {**msgspec.structs.asdict(first), **facts}
    stats = await layer.stats()
    assert (stats.hits, stats.misses, stats.stores, stats.entries, stats.hit_rate) == (1, 1, 1, 1, 0.5)
    assert stats.saved_nano_usd == 37_000


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
async def test_a_stream_and_a_whole_answer_share_an_entry(first: bool, second: bool) -> None:
    """Whichever was asked for first, the other gets the same, a stream as events that fold into it, without loss."""
    service, _, script, _ = cached(ANSWER)
    origin = await ask(service, call(stream=first))
    reply = await service(call(stream=second))
    events = [event async for event in reply]
    response = await reply.response()
    assert len(script.requests) == 1
    assert response.parts == origin.parts == ANSWER.parts
    folded = fold(events)
    for name in (
        "parts",
        "finish_reason",
        "raw_finish_reason",
        "usage",
        "model",
        "id",
        "logprobs",
        "extra",
        "created_at",
    ):
        assert getattr(folded, name) == getattr(ANSWER, name), name


async def test_a_streams_own_events_are_kept_whole() -> None:
    """Deltas of every kind, as providers send them, come back as the parts that they built."""
    events: list[Event | float | BaseException] = [
        ReasoningDelta("let me ", 0),
        ReasoningDelta("see", 0, signature="sig", id="r"),
        TextDelta("Hel", 1),
        TextDelta("lo", 1),
        ToolCallDelta(2, "c1", "look", '{"a":'),
        ToolCallDelta(2, arguments="1}", signature="s"),
        PartDone(Unknown(dialect="acme", data={"odd": [1]}), 3),
        UsageReport(Usage(input_tokens=1, output_tokens=2)),
        Finished("tool_call", "tool_calls", None, {"more": True}),
    ]
    service, _, script, _ = cached(events)
    origin = await ask(service, call(stream=True))
    reply = await service(call(stream=True))
    folded = fold([event async for event in reply])
    assert len(script.requests) == 1
    assert (folded.parts, folded.usage, folded.extra) == (origin.parts, origin.usage, origin.extra)
    assert len(origin.parts) == 4


QUESTIONS: dict[str, Request] = {
    "plain": Request(model="m", messages=(user("?"),)),
    "model": Request(model="n", messages=(user("?"),)),
    "text": Request(model="m", messages=(user("!"),)),
    "split": Request(model="m", messages=(user("?", ""),)),
    "role": Request(model="m", messages=(assistant("?"),)),
    "name": Request(model="m", messages=(Message(role="user", parts=(Text(text="?"),), name="n"),)),
    "image": Request(model="m", messages=(user("?", Image(data=b"a", media_type="image/png")),)),
    "other image": Request(model="m", messages=(user("?", Image(data=b"b", media_type="image/png")),)),
    "file": Request(model="m", messages=(user("?", File(data=b"a", media_type="image/png")),)),
    "system": Request(model="m", messages=(user("?"),), system="s"),
    "tools": Request(model="m", messages=(user("?"),), tools=(Tool(name="t"),)),
    "choice": Request(model="m", messages=(user("?"),), tools=(Tool(name="t"),), tool_choice=NamedTool("t")),
    "schema": Request(model="m", messages=(user("?"),), response_format=ResponseFormat()),
    "other schema": Request(model="m", messages=(user("?"),), response_format=ResponseFormat(schema={})),
    "tokens": Request(model="m", messages=(user("?"),), max_output_tokens=9),
    "temperature": Request(model="m", messages=(user("?"),), temperature=0.1),
    "top_p": Request(model="m", messages=(user("?"),), top_p=0.5),
    "top_k": Request(model="m", messages=(user("?"),), top_k=5),
    "stop": Request(model="m", messages=(user("?"),), stop=("x",)),
    "seed": Request(model="m", messages=(user("?"),), seed=0),
    "frequency": Request(model="m", messages=(user("?"),), frequency_penalty=1.0),
    "presence": Request(model="m", messages=(user("?"),), presence_penalty=1.0),
    "logprobs": Request(model="m", messages=(user("?"),), logprobs=0),
    "parallel": Request(model="m", messages=(user("?"),), parallel_tool_calls=False),
    "effort": Request(model="m", messages=(user("?"),), reasoning_effort="low"),
    "options": Request(model="m", messages=(user("?"),), options={"acme": {"n": 2}}),
    "tenant": Request(model="m", messages=(user("?"),), metadata=Metadata(tenant="a")),
    "other tenant": Request(model="m", messages=(user("?"),), metadata=Metadata(tenant="b")),
    "vectors": ask_for_vectors("m", ["?"], max_output_tokens=4096),
}


async def test_everything_that_may_change_an_answer_is_in_the_key() -> None:
    """Of questions that differ in one field each, none gets another's answer; asked again each gets its own."""
    service, _, script, _ = cached(lambda request: msgspec.json.encode(msgspec.to_builtins(request)).decode())
    first = {name: (await ask(service, Call(request=request))).text for name, request in QUESTIONS.items()}
    assert len(script.requests) == len(QUESTIONS)
    again = {name: await ask(service, Call(request=request)) for name, request in QUESTIONS.items()}
    assert {name: response.text for name, response in again.items()} == first
    assert all(response.provenance.cached for response in again.values())


async def test_who_asks_and_when_is_not_in_the_key() -> None:
    """Ids, times, priorities and tags make no difference; the tenant does."""
    service, _, script, _ = cached("yes")
    for number in range(3):
        about = Metadata(
            tenant="t", task=f"t{number}", priority="high", correlation_id=str(number), tags={"a": str(number)}
        )
        request = Request(model="m", messages=(user("?"),), id=str(number), created_at=float(number), metadata=about)
        assert (await ask(service, Call(request=request))).text == "yes"
    assert len(script.requests) == 1


def test_another_version_is_another_cache() -> None:
    """What answers hang on beside the request, such as a provider's address, keeps users of one store apart."""

    async def main() -> None:
        store = MemoryCache()
        one, _, first, _ = cached("one", store=store, version="1")
        two, _, second, _ = cached("two", store=store, version="2")
        assert [(await ask(service, call())).text for service in (one, two, one, two)] == ["one", "two", "one", "two"]
        assert len(first.requests) == len(second.requests) == 1

    run(main())


def good(**changes: Any) -> Response:
    return msgspec.structs.replace(Response(parts=(Text(text="yes"),), finish_reason="stop"), **changes)


REFUSED: dict[str, Response] = {
    "truncated": good(finish_reason="length"),
    "context full": good(finish_reason="context_window"),
    "filtered": good(finish_reason="content_filter"),
    "refused": good(finish_reason="refusal"),
    "refusal part": good(parts=(Refusal(text="no"),)),
    "paused": good(finish_reason="pause"),
    "error": good(finish_reason="error"),
    "other": good(finish_reason="other"),
    "unsaid": good(finish_reason=None),
    "empty": good(parts=()),
    "blank": good(parts=(Text(text=" \n"),)),
    "only thought": good(parts=(Reasoning(text="hm"),)),
    "degraded": good(provenance=Provenance(target="offline", degraded=True)),
    "cached already": good(provenance=Provenance(target="x", cached=True)),
    "broken arguments": good(parts=(ToolCall(id="1", name="t", raw_arguments="{"),), finish_reason="tool_call"),
    "no vectors": Embeddings(),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
async def test_what_is_not_a_whole_good_answer_is_not_kept(name: str) -> None:
    """The next call asks again."""
    service, layer, script, _ = cached(REFUSED[name])
    for _ in range(2):
        await ask(service, call())
    stats = await layer.stats()
    assert (len(script.requests), stats.stores, stats.refused, stats.entries) == (2, 0, 2, 0)


def test_a_careless_rule_would_keep_bad_answers() -> None:
    """The broken variant: "it has a finish reason" keeps most of what must not be kept; the rule keeps none."""
    careless = [name for name, response in REFUSED.items() if response.finish_reason is not None]
    assert len(careless) > 5
    assert [name for name, response in REFUSED.items() if is_storable(response)] == []
    assert is_storable(good())


async def test_vectors_are_cached_with_their_type() -> None:
    """An embedding call's answer comes back as one."""

    async def vectors(call: Call) -> Reply:
        return Reply(response=Embeddings(vectors=((0.1, -2.0), (3.0, 1e-300)), usage=Usage(input_tokens=2)))

    service = stack(vectors, Cache(MemoryCache(), clock=SimClock()))
    trip = Call(request=ask_for_vectors("m", ["a", "b"]))
    first, second = await ask(service, trip), await ask(service, trip)
    assert isinstance(second, Embeddings)
    assert isinstance(first, Embeddings)
    assert (second.vectors, second.provenance.cached) == (first.vectors, True)


async def test_nobody_can_change_what_another_gets() -> None:
    """A hit is made anew each time."""
    service, _, _, _ = cached(ANSWER)
    await ask(service, call())
    spoilt = await ask(service, call())
    spoilt.tool_calls[0].arguments.clear()
    assert spoilt.extra is not None
    spoilt.extra["deep"] = "gone"
    assert (await ask(service, call())).parts == ANSWER.parts
    assert (await ask(service, call())).extra == ANSWER.extra


async def test_a_fresh_answer_is_neither_taken_nor_kept() -> None:
    """Samples that are asked to differ bypass the cache."""
    service, layer, script, _ = cached("a", "b", "c", is_endless=False)
    assert (await ask(service, call())).text == "a"
    assert (await ask(service, call(is_fresh=True))).text == "b"
    assert (await ask(service, call())).text == "a"
    assert len(script.requests) == 2
    assert (await layer.stats()).bypasses == 1


@pytest.mark.parametrize(
    ("settings", "facts", "is_kept"),
    [
        ({}, {"temperature": 1.5}, True),
        ({"max_temperature": 0.5}, {"temperature": 0.5}, True),
        ({"max_temperature": 0.5}, {"temperature": 0.6}, False),
        ({"max_temperature": 0.5}, {"temperature": None}, False),
        ({"max_temperature": 1.0}, {"temperature": None}, True),
        ({}, {"tools": (Tool(name="t"),)}, True),
        ({"tools": False}, {"tools": (Tool(name="t"),)}, False),
        ({"tools": False}, {}, True),
    ],
)
async def test_the_policy_decides_by_temperature_and_tools(settings: Any, facts: Any, is_kept: bool) -> None:
    """By default all is cached as it was asked."""
    service, _, script, _ = cached("yes", **settings)
    for _ in range(2):
        await ask(service, call(**facts))
    assert len(script.requests) == (1 if is_kept else 2)


@pytest.mark.parametrize(
    "settings", [{"ttl": 0}, {"ttl": float("nan")}, {"stale_if_error": -1}, {"max_temperature": -1}]
)
def test_a_bad_policy_is_refused(settings: Any) -> None:
    """With the name of the setting."""
    with pytest.raises(ConfigurationError, match=rf"cache\.{next(iter(settings))}"):
        CachePolicy(**settings)


async def test_an_answer_is_fresh_for_its_time_on_the_wall_clock() -> None:
    """To the moment; a clock that was set back a day makes misses, not answers that never end."""
    service, _, script, clock = cached("yes", ttl=10.0)
    await ask(service, call())
    clock.step(9.9)
    await ask(service, call())
    assert len(script.requests) == 1
    clock.step(0.2)
    await ask(service, call())
    assert len(script.requests) == 2
    clock.step(-86_400)
    await ask(service, call())
    assert len(script.requests) == 3


OUTAGES: list[tuple[LLMError, bool]] = [
    (ServerFault("oh", status=500), True),
    (CircuitOpen("open"), True),
    (BadRequest("no", status=400), False),
    (AuthenticationFailed("key", status=401), False),
]


@pytest.mark.parametrize(("error", "is_served"), OUTAGES, ids=lambda value: type(value).__name__)
async def test_a_stale_answer_stands_in_for_an_outage(error: LLMError, is_served: bool) -> None:
    """By choice, labelled, and only where the fault is not the request's own; a good call makes it fresh again."""
    service, layer, script, clock = cached("old", error, "new", is_endless=False, ttl=10.0, stale_if_error=60.0)
    await ask(service, call())
    clock.step(30)
    if is_served:
        stale = await ask(service, call())
        assert (stale.text, stale.provenance.cached) == ("old", True)
        assert stale.provenance.notes[-1] == f"stale: an answer of 30 s ago, because of {type(error).__name__}"
    else:
        with pytest.raises(type(error)):
            await ask(service, call())
    assert (await layer.stats()).stale_hits == is_served
    assert (await ask(service, call())).text == "new"
    assert (await ask(service, call())).text == "new"
    assert len(script.requests) == 3


async def test_without_the_choice_an_outage_is_an_error() -> None:
    """And past its second time a stale answer is gone."""
    for settings, wait in (({}, 11), ({"stale_if_error": 60.0}, 71)):
        service, _, _, clock = cached("old", ServerFault("oh", status=500), ttl=10.0, **settings)
        await ask(service, call())
        clock.step(wait)
        with pytest.raises(ServerFault):
            await ask(service, call())


async def test_failed_and_dropped_streams_leave_nothing() -> None:
    """A stream that broke or was left is asked again."""
    broken = [TextDelta("a"), StreamInterrupted("cut")]
    long = [TextDelta("a"), 1.0, TextDelta("b"), Finished("stop")]
    service, layer, _, _ = cached(broken, long, long, "whole", is_endless=False)
    with pytest.raises(StreamInterrupted):
        await ask(service, call(stream=True))
    async with await service(call(stream=True)) as reply:
        await anext(aiter(reply))
    task = asyncio.ensure_future(ask(service, call(stream=True)))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await layer.stats()).entries == 0
    assert (await ask(service, call(stream=True))).text == "whole"


class Faulty:
    """A store that raises, or waits for ever, at every method."""

    def __init__(self, delay: float | None = None) -> None:
        self._delay = delay

    async def _fail(self) -> Any:
        if self._delay is not None:
            await asyncio.sleep(self._delay)
        raise OSError("the store is away")

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Entry | None:
        return await self._fail()  # type: ignore[no-any-return]

    async def put(self, entry: Entry, *, now_ns: int) -> None:
        await self._fail()

    async def delete(self, key: str, *, tenant: str | None) -> None:
        await self._fail()

    async def clear(self) -> None:
        await self._fail()

    async def sweep(self, *, now_ns: int) -> int:
        return await self._fail()  # type: ignore[no-any-return]

    async def stats(self) -> StoreStats:
        return await self._fail()  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        await self._fail()


@pytest.mark.parametrize("delay", [None, 3600.0])
async def test_a_store_that_fails_or_hangs_fails_no_call(delay: float | None, caplog: pytest.LogCaptureFixture) -> None:
    """Each fault is a counted miss, told once in the log; a store that hangs costs its patience and no more."""
    service, layer, script, _ = cached("yes", store=Faulty(delay))
    for _ in range(3):
        assert (await ask(service, call())).text == "yes"
    assert len(script.requests) == 3
    stats = await layer.stats()
    assert (stats.hits, stats.misses, stats.stores, stats.entries) == (0, 3, 0, None)
    assert stats.errors == (1 if delay else 7)  # of each call its look-up and its store, and the last one
    assert [record.getMessage() for record in caplog.records if "store fails" in record.getMessage()] != []
    assert len([record for record in caplog.records if "store fails" in record.getMessage()]) == 1
    assert asyncio.get_running_loop().time() < 0.6


class Mixed(MemoryCache):
    """A store that gives another's row: what a wrong index or a dirty connection does."""

    def __init__(self, **change: Any) -> None:
        super().__init__()
        self.change = change

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Entry | None:
        entry = await super().get(key, tenant=tenant, now_ns=now_ns)
        return None if entry is None else msgspec.structs.replace(entry, **self.change)


CHANGES: list[dict[str, Any]] = [
    {"tenant": "south"},
    {"key": "0" * 64},
    {"payload": b"r" + msgspec.msgpack.encode(good())},
    {"created_ns": 1},
    {"expires_ns": 2**62},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
async def test_an_entry_that_is_not_what_was_stored_is_a_miss(change: dict[str, Any]) -> None:
    """Whatever field differs."""
    service, layer, script, _ = cached("mine", store=Mixed(**change))
    for _ in range(2):
        assert (await ask(service, call(tenant="north"))).text == "mine"
    assert len(script.requests) == 2
    assert (await layer.stats()).damaged >= 1


async def test_a_payload_of_another_form_is_a_miss() -> None:
    """What a later version wrote is deleted and asked again."""
    store = MemoryCache()
    service, layer, script, clock = cached("mine", store=store)
    await ask(service, call())
    ((tenant, key),) = store._entries
    strange = entry_of(key, b"\xffnew form", tenant=tenant, now_ns=clock.wall_ns(), ttl_ns=10**12)
    await store.put(strange, now_ns=clock.wall_ns())
    assert (await ask(service, call())).text == "mine"
    assert len(script.requests) == 2
    assert (await layer.stats()).damaged == 1


async def test_a_request_without_a_json_form_is_let_through() -> None:
    """Its codec says what is wrong with it; the cache does not."""
    service, layer, script, _ = cached("yes")
    for facts in ({"options": {"acme": {"x": object()}}}, {"system": "\ud800"}):
        assert (await ask(service, call(**facts))).text == "yes"
    assert len(script.requests) == 2
    assert (await layer.stats()).bypasses == 2


async def test_each_hit_is_told_with_what_it_saved() -> None:
    """What a ledger needs for its row; a listener that fails fails no call."""
    hits: list[Hit] = []

    def listen(hit: Hit) -> None:
        hits.append(hit)
        raise ValueError("a fault of the listener's")

    service, _, _, clock = cached(ANSWER, listener=listen)
    await ask(service, call())
    clock.step(5)
    await ask(service, call())
    (hit,) = hits
    assert (hit.saved, hit.is_stale, hit.response.cost) == (ANSWER.cost, False, Cost(nano_usd=0, price_id="p"))
    assert hit.age == pytest.approx(5, abs=1e-3)


async def test_many_misses_of_one_flight_store_once() -> None:
    """Callers that share one answer write it once."""
    store = Counting()
    service, layer, _, _ = cached([TextDelta("a"), 1.0, Finished("stop")], store=store)
    texts = await asyncio.gather(*(ask(service, call(stream=True)) for _ in range(20)))
    assert {response.text for response in texts} == {"a"}
    assert store.puts == 1
    assert (await layer.stats()).misses == 20


async def test_what_one_caller_could_not_store_the_next_one_stores() -> None:
    """It is remembered that an entry was stored, not that somebody tried."""
    service, layer, _, _ = cached([TextDelta("a"), 1.0, Finished("stop")], store=Hiccup())
    five = asyncio.gather(*(ask(service, call(stream=True)) for _ in range(5)))
    await asyncio.sleep(0.5)
    await ask(stack(good_one, layer), call("another"))
    await five
    stats = await layer.stats()
    assert (stats.stores, stats.errors) == (2, 1)
    assert (await ask(service, call())).provenance.cached


async def good_one(call: Call) -> Reply:
    return Reply(response=good())


async def test_an_answer_that_a_layer_outside_refuses_is_not_kept() -> None:
    """It came to its end, but the call failed."""

    def refuse(response: Response) -> Response:
        raise BadRequest("not this one", status=400)

    async def outside(call: Call, inner: Service) -> Reply:
        reply = await inner(call)
        reply.amend(refuse)
        return reply

    layer = Cache(MemoryCache(), clock=SimClock())
    with pytest.raises(BadRequest):
        await ask(stack(good_one, outside, layer), call())
    assert (await layer.stats()).stores == 0
    with pytest.raises(BadRequest):
        await ask(stack(stack(good_one, layer), outside), call("again"))
    assert (await layer.stats()).stores == 0


async def test_what_was_stored_and_thrown_out_is_stored_again() -> None:
    """A caller that asked after the last store is of another flight."""
    store = Counting()
    service, _, script, _ = cached("yes", store=store)
    for _ in range(3):
        await ask(service, call())
        await store.clear()
    assert (len(script.requests), store.puts) == (3, 3)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_joined_flight_is_one_call_and_outlives_its_first_caller(stream: bool) -> None:
    """With Join below, many misses ask once, the first caller may leave, and the answer is kept as if it had been asked for
    alone: no note of a joiner's, no cost that is not its own."""
    lines: list[Event | float | BaseException] = [1.0, TextDelta("a"), 1.0, Finished("stop")]
    script = Scripted(lines)
    service = stack(script, Cache(MemoryCache(), clock=SimClock()), Join())
    tasks = [asyncio.ensure_future(ask(service, call(stream=stream))) for _ in range(10)]
    await asyncio.sleep(0.5)
    tasks[0].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert [answer.text for answer in done[1:] if isinstance(answer, Response)] == ["a"] * 9
    hit = await ask(service, call(stream=stream))
    assert (len(script.requests), hit.provenance.cached, hit.provenance.notes) == (1, True, ())


class Counting(MemoryCache):
    puts = 0

    async def put(self, entry: Entry, *, now_ns: int) -> None:
        self.puts += 1
        await super().put(entry, now_ns=now_ns)


class Hiccup(Counting):
    """A store whose second write fails."""

    async def put(self, entry: Entry, *, now_ns: int) -> None:
        if self.puts == 1:
            self.puts += 1
            raise OSError("once")
        await super().put(entry, now_ns=now_ns)


class Slow(MemoryCache):
    """A store that gives way before each answer, as a network does."""

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Entry | None:
        await asyncio.sleep(0.1)
        return await super().get(key, tenant=tenant, now_ns=now_ns)

    async def put(self, entry: Entry, *, now_ns: int) -> None:
        await asyncio.sleep(0.1)
        await super().put(entry, now_ns=now_ns)


MOMENTS = [tenth / 10 + 0.05 for tenth in range(13)]
"""Between each two points at which a call to Slow waits."""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_call_may_be_cancelled_anywhere(stream: bool, moment: float) -> None:
    """It ends as cancelled or with its answer, closes what it opened, and the next call is served well."""
    closed: list[bool] = []

    async def inner(call: Call) -> Reply:
        await asyncio.sleep(0.4)

        async def batches() -> Any:
            yield (TextDelta("yes"),)
            await asyncio.sleep(0.3)
            yield (Finished("stop"),)

        async def close() -> None:
            closed.append(True)

        return Reply(batches(), close=close) if call.stream else Reply(response=good())

    async def main() -> None:
        service = stack(inner, Cache(Slow(), clock=SimClock()))
        task = asyncio.ensure_future(ask(service, call(stream=stream)))
        await asyncio.sleep(moment)
        task.cancel()
        done = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(done, asyncio.CancelledError) or done.text == "yes"
        opened = len(closed)
        assert (await ask(service, call(stream=stream))).text == "yes"
        assert len(closed) - opened <= 1
        assert (await ask(service, call(stream=stream))).provenance.cached

    run(main())


async def test_a_damaged_sqlite_cache_fails_no_call(tmp_path: Any) -> None:
    """The layer over the file, the file broken under it: answers go on."""
    from backstay.stores.sqlite_cache import SQLiteCache

    store = SQLiteCache(tmp_path / "cache.db")
    service, layer, _, _ = cached("yes", store=store)
    for number in range(50):
        await ask(service, call(str(number)))
    store._run(
        lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall(), in_transaction=False
    )
    path = tmp_path / "cache.db"
    path.write_bytes(b"\x00" * path.stat().st_size)
    for number in range(50):
        assert (await ask(service, call(str(number)))).text == "yes"
    assert (await layer.stats()).errors == 0
    await store.aclose()
    with pytest.raises(CacheFailed):
        await store.get("k", tenant=None, now_ns=0)
    assert (await ask(service, call("after"))).text == "yes"
