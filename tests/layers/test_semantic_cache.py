"""The semantic cache: alike is not enough; what may differ, what may not, and what happens when something breaks."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from backstay.errors import ConfigurationError
from backstay.layers.cache import Cache
from backstay.layers.likeness import marks
from backstay.layers.semantic_cache import Embed, Index, SemanticCache, SemanticPolicy, question_of
from backstay.offline.scripted import Scripted
from backstay.service import Call, Service, stack
from backstay.sim.world import SimClock
from backstay.stores.cache import CacheStore
from backstay.stores.memory_cache import MemoryCache
from backstay.types import Image, Metadata, Request, Response, ResponseFormat, Tool, assistant, user


async def same(text: str) -> Sequence[float]:
    """The worst embedding there is: all texts are alike. What keeps answers apart then is not the vectors."""
    return [1.0, 0.0, 0.0]


async def words(text: str) -> Sequence[float]:
    """A bag of words, as a vector."""
    vector = [0.0] * 64
    for word in text.lower().split():
        vector[zlib.crc32(word.strip("?.,!").encode()) % 64] += 1.0
    return vector


def semantic(
    embed: Embed = same, *, store: CacheStore | None = None, **settings: Any
) -> tuple[Service, Any, Any, SimClock]:
    """A service that says what it was asked behind a SemanticCache, the layer, the script and the clock."""
    clock = SimClock()
    script = Scripted(lambda request: f"answer to {request.messages[0].text}", is_endless=True)
    layer = SemanticCache(store or MemoryCache(), embed, clock=clock, policy=SemanticPolicy(**settings))
    return stack(script, layer), layer, script, clock


def request(text: str, **facts: Any) -> Request:
    about = Metadata(tenant=facts.pop("tenant", None), task=facts.pop("task", None))
    return Request(model=facts.pop("model", "m"), messages=(user(text),), metadata=about, **facts)


async def ask(service: Service, asked: Request, **facts: Any) -> Response:
    return await (await service(Call(request=asked, **facts))).response()


async def test_a_question_of_the_same_meaning_gets_the_answer() -> None:
    """Labelled with its similarity, free, also as a stream."""
    service, layer, script, _ = semantic(words, threshold=0.8)
    await ask(service, request("please explain why the sky is blue"))
    hit = await ask(service, request("explain why the sky is blue, please"), stream=True)
    assert hit.text == "answer to please explain why the sky is blue"
    assert hit.provenance.cached
    assert hit.provenance.notes[-1].startswith("semantic, similarity ")
    assert hit.cost is not None
    assert hit.cost.nano_usd == 0
    await ask(service, request("tell us a joke about cats"))
    assert len(script.requests) == 2
    stats = await layer.stats()
    assert (stats.hits, stats.misses, stats.entries) == (1, 2, 2)


APART = [
    ("take 5 mg a day", "take 50 mg a day"),
    ("is it safe to drive", "is it not safe to drive"),
    ("is it safe to drive", "isn't it safe to drive"),
    ("a flight from Rome to Oslo", "a flight from Oslo to Rome"),
    ("the weather in Paris", "the weather in London"),
    ("Paris weather", "London weather"),
    ("what happened on 2024-03-01", "what happened on 2024-03-02"),
    ("what happened in March", "what happened in May"),
    ("error in utf8_decode", "error in utf16_decode"),
    ("mail to a@b.de", "mail to c@b.de"),
    ("tickets with lunch", "tickets without lunch"),
    ("values greater than 3 and less than 5", "values less than 3 and greater than 5"),
    ("the highest price", "the lowest price"),
    ("who is the owner", "when is the owner"),
    ("cost in $", "cost in \u20ac"),
    ("compute 2 + 3", "compute 2 - 3"),
    ("is it cold at -5 degrees", "is it cold at 5 degrees"),
    ("compute 2 + 3", "compute 2 * 3"),
    ("invoice A-17", "invoice A-71"),
    ("how do I enable it", "how do I disable it"),
    ("how do I log in", "how do I log out"),
]


@pytest.mark.parametrize(("one", "other"), APART)
async def test_what_a_vector_does_not_see_keeps_questions_apart(one: str, other: str) -> None:
    """Numbers, names, negations, opposites: with an embedding that takes all for one, each is asked by itself."""
    service, _, script, _ = semantic()
    for text in (one, other):
        assert (await ask(service, request(text))).text == f"answer to {text}"
    assert len(script.requests) == 2


def test_without_the_marks_these_would_be_one_question() -> None:
    """The broken variant: vectors alone, as this embedding has them, put every pair together."""
    index, vector = Index(100), pytest.importorskip("numpy").array([1.0, 0.0], dtype="float32")
    blind = marks("")
    assert blind is not None
    for one, _ in APART:
        index.add("scope", one, blind, vector)
    assert len(index.nearest("scope", blind, vector, 0.95)) == 3


SCOPES = [
    {"tenant": "north"},
    {"tenant": "south"},
    {"tenant": ""},
    {"task": "support"},
    {"model": "n"},
    {"system": "Be brief."},
    {"temperature": 0.3},
    {"seed": 1},
    {"max_output_tokens": 9},
    {"response_format": ResponseFormat()},
    {"options": {"acme": {"n": 2}}},
    {},
]


async def test_all_but_the_text_must_be_equal() -> None:
    """Tenant, task, model, system prompt and every setting: no vector leads from one scope to another."""
    service, _, script, _ = semantic()
    for facts in SCOPES:
        assert not (await ask(service, request("why", **facts))).provenance.cached
    assert len(script.requests) == len(SCOPES)
    for facts in SCOPES:
        assert (await ask(service, request("why", **facts))).provenance.cached


OTHERS = [
    Request(model="m", messages=(user("a"), assistant("b"), user("c"))),
    Request(model="m", messages=(assistant("a"),)),
    Request(model="m", messages=(user("a", Image(url="u")),)),
    Request(model="m", messages=(user("a"),), tools=(Tool(name="t"),)),
    Request(model="m", messages=(user(" "),)),
    Request(model="m", messages=(user("\u5929\u6c14"),)),
    Request(model="m", messages=(user("a"),), system="\ud800"),
]


@pytest.mark.parametrize("asked", OTHERS, ids=range(len(OTHERS)))
async def test_other_kinds_of_request_are_let_through(asked: Request) -> None:
    """Conversations, pictures, tools, blanks, scripts without capitals: nobody vouches for them."""
    service, layer, script, _ = semantic()
    assert question_of(asked) is None
    for _ in range(2):
        assert not (await ask(service, asked)).provenance.cached
    assert len(script.requests) == 2
    assert (await layer.stats()).bypasses == 2


async def test_a_fresh_answer_is_asked_for() -> None:
    """As in the exact cache."""
    service, _, script, _ = semantic()
    for _ in range(2):
        await ask(service, request("why"), is_fresh=True)
    assert len(script.requests) == 2


async def test_an_answer_stands_for_its_time() -> None:
    """And leaves the index when its entry is gone."""
    service, layer, script, clock = semantic(ttl=10.0)
    await ask(service, request("why"))
    clock.step(11)
    await ask(service, request("why so"))
    assert len(script.requests) == 2
    assert len(layer._index) == 1


async def test_the_index_is_bounded_over_all_scopes() -> None:
    """The first one in is the first one out."""
    service, layer, _, _ = semantic(max_entries=5)
    for number in range(20):
        await ask(service, request("why", seed=number))
    assert len(layer._index) == 5
    assert len(layer._index._scopes) == 5
    assert (await ask(service, request("why", seed=19))).provenance.cached
    assert not (await ask(service, request("why", seed=0))).provenance.cached


class Away(MemoryCache):
    """A store that cannot be had."""

    async def get(self, key: str, *, tenant: str | None, now_ns: int) -> Any:
        raise OSError("away")


async def failing(text: str) -> Sequence[float]:
    raise RuntimeError("no embedding today")


async def nothing(text: str) -> Sequence[float]:
    return [0.0, 0.0]


async def broken(text: str) -> Sequence[float]:
    return [float("nan"), 1.0]


@pytest.mark.parametrize("embed", [failing, nothing, broken])
async def test_an_embedding_that_fails_fails_no_call(embed: Embed) -> None:
    """It is a counted fault, and the call goes on."""
    service, layer, _, _ = semantic(embed)
    assert (await ask(service, request("why"))).text == "answer to why"
    assert (await layer.stats()).errors == 1


async def test_a_store_that_fails_fails_no_call() -> None:
    """Nor does a store."""
    service, layer, script, _ = semantic(store=Away())
    for _ in range(2):
        assert (await ask(service, request("why"))).text == "answer to why"
    assert len(script.requests) == 2
    assert (await layer.stats()).errors == 1


async def test_an_exact_cache_above_does_not_keep_a_guess() -> None:
    """What was answered by likeness is never stored as the answer of the question itself."""
    script = Scripted("one", is_endless=True)
    clock = SimClock()
    exact = Cache(MemoryCache(), clock=clock)
    service = stack(script, exact, SemanticCache(MemoryCache(), same, clock=clock))
    await ask(service, request("why"))
    for _ in range(2):
        assert (await ask(service, request("why so"))).provenance.notes == ("semantic, similarity 1.00",)
    assert (await exact.stats()).stores == 1


async def test_a_cancelled_call_leaves_nothing() -> None:
    """While the vector is made, or the answer."""

    async def slow(text: str) -> Sequence[float]:
        await asyncio.sleep(1)
        return [1.0]

    service, layer, script, _ = semantic(slow)
    task = asyncio.ensure_future(ask(service, request("why")))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (len(script.requests), len(layer._index)) == (0, 0)
    assert (await ask(service, request("why"))).text == "answer to why"


@pytest.mark.parametrize("settings", [{"threshold": 0.1}, {"threshold": 1.1}, {"ttl": 0}, {"max_entries": 0}])
def test_a_bad_policy_is_refused(settings: Any) -> None:
    """With the name of the setting."""
    with pytest.raises(ConfigurationError, match=rf"semantic_cache\.{next(iter(settings))}"):
        SemanticPolicy(**settings)


def test_marks_allow_other_words() -> None:
    """A question may be put in other words, and in another order of its clauses, while its facts stand."""
    pairs = [
        ("Why is the sky blue?", "Please tell me why the sky is blue"),
        ("what is the capital of France", "What's the capital city of France?"),
        ("Explain the treaty of 1648 to me", "could you explain the 1648 treaty"),
    ]
    assert [marks(one) == marks(other) for one, other in pairs] == [True, True, True]
