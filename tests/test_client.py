"""The client through its whole default stack, over the real transport with scripted bytes, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backstay import Client, Scripted, create_client, user
from backstay.client import Wiring
from backstay.config import Loaded, load
from backstay.errors import (
    AuthenticationFailed,
    BadRequest,
    ConfigurationError,
    ConnectFailed,
    InvalidRequest,
    LLMError,
    ProtocolError,
    RateLimited,
    ReadFailed,
    RecoveryFailed,
    SchemaMismatch,
    ServerFault,
    StreamInterrupted,
    TimedOut,
)
from backstay.event import TextDelta
from backstay.layers.telemetry import Signal
from backstay.ledger.memory import MemoryLedger
from backstay.sim import sim_world
from backstay.transport import fault
from backstay.transport.fake import FakeTransport
from backstay.transport.script import Answer
from backstay.types import Request, Response, Text, Usage

CANARY = "sk-canary-7f3a9c51d2"
MODEL = "openai:gpt-5-mini"


def settings(tmp_path: Path, **arguments: Any) -> Loaded:
    return load(
        environ={"OPENAI_API_KEY": CANARY},
        arguments={"model": MODEL, "retry.jitter": 0.0, **arguments},
        cwd=tmp_path,
        user_folder=tmp_path,
    )


class Bench:
    """A client, its script, its ledger, and what its listener heard."""

    def __init__(self, tmp_path: Path, *answers: Any, repeat: bool = False, **arguments: Any) -> None:
        self.transport = FakeTransport(*answers, repeat=repeat)
        self.ledger = MemoryLedger()
        self.signals: list[Signal] = []
        self.client = Client(
            loaded=settings(tmp_path, **arguments),
            transport=self.transport,
            world=sim_world(1),
            ledger=self.ledger,
            wiring=Wiring(listener=self.signals.append),
        )

    def states(self) -> list[tuple[str, str | None]]:
        return [(row.state, row.outcome) for row in self.ledger.rows()]


GOOD = Answer(
    body=fault.chat_answer("Hello", usage={"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200})
)


async def test_a_call_is_answered_priced_counted_and_written_down(tmp_path: Path) -> None:
    """Text, usage, exact cost, provenance, ledger row and sums, from one JSON body."""
    bench = Bench(tmp_path, GOOD)
    response = await bench.client.generate("Hi", task="greeting", tenant="acme")
    assert response.text == "Hello"
    assert response.usage.input_tokens == 1000
    assert response.cost is not None
    assert response.cost.nano_usd == 1000 * 250 + 200 * 2000
    assert response.provenance.target == MODEL
    (row,) = bench.ledger.rows()
    assert (row.state, row.outcome, row.tenant, row.task) == ("posted", "complete", "acme", "greeting")
    assert row.cost_nano_usd == response.cost.nano_usd
    assert row.attempt_id == f"{row.call_id}.1"
    summary = bench.client.usage.summary()
    assert (summary.call_count, summary.total_tokens, summary.estimated_cost_usd) == (1, 1200, response.cost.usd)
    assert bench.transport.requests[0].url == "https://api.openai.com/v1/chat/completions"
    assert bench.transport.open_connections == 0


async def test_a_stream_arrives_as_events_and_folds_to_the_same_answer(tmp_path: Path) -> None:
    """Every fragment is an event; the end is a Response like any other."""
    bench = Bench(tmp_path, Answer(chunks=fault.chat_events("Hel", "lo")))
    async with bench.client.stream("Hi") as answer:
        texts = [event.text async for event in answer if isinstance(event, TextDelta)]
        response = await answer.response()
    assert texts == ["Hel", "lo"]
    assert response.text == "Hello"
    assert response.finish_reason == "stop"
    assert response.time_to_first_token is not None
    assert bench.states() == [("posted", "complete")]


Expected = tuple[Callable[[], Answer], type[LLMError], int, tuple[str, str | None]]
FAULTS: list[Expected] = [
    (fault.refused, ConnectFailed, 3, ("voided", "failed")),
    (fault.dns, ConnectFailed, 3, ("voided", "failed")),
    (fault.tls, ConnectFailed, 1, ("voided", "failed")),
    (fault.reset_before_headers, ReadFailed, 3, ("posted", "failed")),
    (fault.reset_after_headers, ReadFailed, 3, ("posted", "failed")),
    (fault.truncated_json, ProtocolError, 3, ("posted", "failed")),
    (fault.truncated_length, ReadFailed, 3, ("posted", "failed")),
    (fault.garbage, ProtocolError, 3, ("posted", "failed")),
    (fault.empty_200, ProtocolError, 3, ("posted", "failed")),
    (fault.html_200, ProtocolError, 3, ("posted", "failed")),
    (fault.gzip_bomb, ProtocolError, 3, ("posted", "failed")),
    (fault.hang_before_headers, TimedOut, 1, ("posted", "failed")),
    (lambda: fault.status(400), BadRequest, 1, ("voided", "failed")),
    (lambda: fault.status(401), AuthenticationFailed, 1, ("voided", "failed")),
    (lambda: fault.status(500), ServerFault, 3, ("posted", "failed")),
    (lambda: fault.status(529), ServerFault, 3, ("posted", "failed")),
    (fault.rate_limited, RateLimited, 3, ("voided", "failed")),
]


@pytest.mark.parametrize(("make", "kind", "tries", "row"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
async def test_each_fault_ends_in_its_class_and_in_settled_rows(
    tmp_path: Path, make: Callable[[], Answer], kind: type[LLMError], tries: int, row: tuple[str, str | None]
) -> None:
    """What kind, how often tried, and what stands in the ledger: nothing reserved is left, no connection open."""
    bench = Bench(tmp_path, make(), repeat=True)
    with pytest.raises(kind) as caught:
        await bench.client.generate("Hi")
    assert len(bench.transport.requests) == tries
    assert len(caught.value.attempts) == tries
    assert bench.states() == [row] * tries
    assert bench.transport.open_connections == 0
    assert [signal.stage for signal in bench.signals if signal.level == "call"] == ["started", "failed"]
    assert CANARY not in "".join(traceback.format_exception(caught.value))


async def test_a_stream_that_breaks_before_content_is_tried_again(tmp_path: Path) -> None:
    """An error event inside a 200, before any content, is an error of the call."""
    bench = Bench(tmp_path, fault.error_event_in_200(), Answer(chunks=fault.chat_events("fine")))
    async with bench.client.stream("Hi") as answer:
        assert (await answer.response()).text == "fine"
    assert bench.states() == [("posted", "failed"), ("posted", "complete")] or bench.states()[1] == (
        "posted",
        "complete",
    )
    assert len(bench.transport.requests) == 2


EVENTS = fault.chat_events("one ", "two ", "three")


@pytest.mark.parametrize("cut", range(len(EVENTS)))
async def test_a_stream_cut_after_any_event_is_never_a_clean_end(tmp_path: Path, cut: int) -> None:
    """Before the first content it is retried, after it the consumer gets the part and an error, and never a success."""
    complete = any(b'"finish_reason":"stop"' in event.replace(b" ", b"") for event in EVENTS[:cut])
    if complete:
        pytest.skip("the finish reason had arrived")
    bench = Bench(tmp_path, fault.truncated_sse(EVENTS[:cut] or (b": ping\n\n",)), repeat=True)
    with pytest.raises((StreamInterrupted, ProtocolError)) as caught:
        async with bench.client.stream("Hi") as answer:
            await answer.response()
    if isinstance(caught.value, StreamInterrupted):
        assert caught.value.partial is not None
        assert "one two three".startswith(caught.value.partial.text.strip() or "one")
        assert len(bench.transport.requests) == 1
    assert all(state == "posted" for state, _ in bench.states())
    assert bench.transport.open_connections == 0


@pytest.mark.parametrize("instant", [step / 10 for step in range(45)])
async def test_cancelled_at_any_instant_nothing_is_left_behind(tmp_path: Path, instant: float) -> None:
    """A slow stream after a retried failure, cancelled at every tenth of a second: one end per attempt, no leak."""
    bench = Bench(tmp_path, fault.status(500), fault.slow_drip(EVENTS, delay=0.5))

    async def ask() -> None:
        async with bench.client.stream("Hi") as answer:
            await answer.response()

    task = asyncio.ensure_future(ask())
    await asyncio.sleep(instant)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await asyncio.sleep(60)
    assert all(state in ("posted", "voided") for state, _ in bench.states())
    assert bench.transport.open_connections == 0
    assert len(asyncio.all_tasks()) == 1
    for level in ("call", "attempt"):
        stages = [signal.stage for signal in bench.signals if signal.level == level]
        assert stages.count("started") == sum(stages.count(end) for end in ("complete", "failed", "dropped"))


async def test_retry_after_is_obeyed_to_the_second(tmp_path: Path) -> None:
    """The provider's own floor decides the delay, and the answer tells about the wait."""
    bench = Bench(tmp_path, fault.rate_limited("seconds"), GOOD)
    response = await bench.client.generate("Hi")
    first, second = response.provenance.attempts
    assert first.outcome == "failed"
    assert second.delay_before >= 1.0
    assert asyncio.get_running_loop().time() >= second.delay_before


async def test_a_deadline_binds_retries_too(tmp_path: Path) -> None:
    """With two seconds in all, no third attempt begins."""
    bench = Bench(tmp_path, fault.status(500), repeat=True)
    with pytest.raises(ServerFault):
        await bench.client.generate("Hi", timeout=2.0)
    assert len(bench.transport.requests) == 2
    assert asyncio.get_running_loop().time() < 2.0


async def test_a_ledger_that_cannot_write_stops_the_call_before_it_is_sent(tmp_path: Path) -> None:
    """What cannot be accounted for is not asked."""

    class Full(MemoryLedger):
        def reserve(self, entry: Any) -> Any:
            from backstay.ledger.base import LedgerFailed

            async def refuse() -> None:
                raise LedgerFailed("disk full")

            return refuse()

    transport = FakeTransport(GOOD)
    client = Client(loaded=settings(tmp_path), transport=transport, world=sim_world(), ledger=Full())
    with pytest.raises(LLMError, match="disk full"):
        await client.generate("Hi")
    assert transport.requests == []


async def test_json_is_recovered_and_says_so(tmp_path: Path) -> None:
    """Fences and single quotes are read, and the response is marked as recovered."""
    bench = Bench(tmp_path, Answer(body=fault.chat_answer("Sure:\n```json\n{'a': 1,}\n```")))
    answer = await bench.client.generate_json("Give me JSON")
    assert answer.value == {"a": 1}
    assert answer.response.provenance.recovered


async def test_no_json_and_the_wrong_json_are_different_errors(tmp_path: Path) -> None:
    """Prose is RecoveryFailed with the text; an object of another shape is SchemaMismatch with faults by path."""
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    script = Scripted("There is nothing to say.", '{"m": "x"}')
    client = Client("scripted:x", loaded=settings(tmp_path, model="scripted:x"), services={"scripted": script},
                    world=sim_world(), ledger=MemoryLedger())  # fmt: skip
    with pytest.raises(RecoveryFailed) as caught:
        await client.generate_json("JSON")
    assert caught.value.text == "There is nothing to say."
    with pytest.raises(SchemaMismatch) as mismatch:
        await client.generate_json("JSON", schema=schema)
    assert mismatch.value.faults


@pytest.mark.parametrize(
    ("prompt", "given", "said"),
    [
        ([], {}, "messages: there are none"),
        ("x", {"temperature": 3}, "temperature = 3"),
        ("x", {"max_output_tokens": 0}, "max_output_tokens = 0"),
        ("x", {"stop": [""]}, "stop: an empty"),
        ("x", {"max_output_tokens": 10_000_000}, "the model writes"),
    ],
)
async def test_a_request_nobody_would_take_is_refused_here(tmp_path: Path, prompt: Any, given: Any, said: str) -> None:
    """The fault and its remedy, before anything is sent or written."""
    bench = Bench(tmp_path, GOOD)
    with pytest.raises(InvalidRequest, match=said):
        await bench.client.generate(prompt, **given)
    assert bench.transport.requests == []
    assert list(bench.ledger.rows()) == []


async def test_an_unknown_setting_is_a_type_error(tmp_path: Path) -> None:
    """A slip of the pen is a programming mistake, named with what there is."""
    with pytest.raises(TypeError, match=r"unknown setting\(s\) temprature"):
        await Bench(tmp_path, GOOD).client.generate("x", temprature=1)  # type: ignore[call-arg]


async def test_an_estimate_bounds_the_true_cost(tmp_path: Path) -> None:
    """What was estimated before is at least what it cost after."""
    bench = Bench(tmp_path, Answer(body=fault.chat_answer("Hi", usage={"prompt_tokens": 9, "completion_tokens": 2})))
    estimate = bench.client.estimate("Hello there, how are you?", max_output_tokens=50)
    response = await bench.client.generate("Hello there, how are you?", max_output_tokens=50)
    assert estimate.cost is not None
    assert response.cost is not None
    assert estimate.cost.nano_usd >= response.cost.nano_usd
    assert bench.client.estimate("x", model="openai:no-such-model").cost is None


async def test_an_unknown_price_is_unknown_and_not_zero(tmp_path: Path) -> None:
    """The call works, its cost is None, and the sums say that one is missing."""
    bench = Bench(tmp_path, GOOD)
    response = await bench.client.generate("Hi", model="openai:no-such-model")
    assert response.cost is None
    assert bench.client.usage.summary().unpriced == 1
    (row,) = bench.ledger.rows()
    assert row.cost_nano_usd is None


async def test_a_request_object_goes_through_as_it_is(tmp_path: Path) -> None:
    """A Request of one's own keeps its id, and settings go over it."""
    bench = Bench(tmp_path, GOOD)
    request = Request(model=MODEL, messages=(user("Hi"),), id="mine")
    await bench.client.generate(request, tenant="acme")
    (row,) = bench.ledger.rows()
    assert (row.call_id, row.attempt_id, row.tenant) == ("mine", "mine.1", "acme")


async def test_a_client_closes_what_it_opened_and_nothing_else(tmp_path: Path) -> None:
    """A transport that was given is the giver's to close."""
    bench = Bench(tmp_path, GOOD, GOOD)
    async with bench.client as client:
        await client.generate("Hi")
    await bench.client.generate("again")


def test_a_factory_makes_a_client_for_one_provider() -> None:
    """Provider, key, model and retries; nonsense is refused with its remedy."""
    client = create_client("groq", key="made-up", model="llama-3.3-70b-versatile", max_retries=0)
    assert client.model == "groq:llama-3.3-70b-versatile"
    with pytest.raises(ConfigurationError, match="max_retries = -1"):
        create_client("openai", key="made-up", max_retries=-1)
    with pytest.raises(ConfigurationError, match="did you mean"):
        create_client("opnai", key="made-up", model="x")


async def test_the_key_is_nowhere_but_in_its_header(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A canary key through success, faults, streams and refusals: no log, repr, error, row, signal or pickle shows it."""
    caplog.set_level(logging.DEBUG)
    echo = Answer(status=401, body=msgspec.json.encode({"error": {"message": f"Incorrect API key provided: {CANARY}"}}))
    bench = Bench(tmp_path, GOOD, fault.status(500), GOOD, echo, Answer(chunks=fault.chat_events("x")))
    shown: list[str] = []
    await bench.client.generate("one")
    await bench.client.generate("two")
    with pytest.raises(AuthenticationFailed) as caught:
        await bench.client.generate("three")
    shown += [*traceback.format_exception(caught.value), repr(caught.value)]
    async with bench.client.stream("four") as answer:
        shown.append(repr(await answer.response()))
    inside = caught.value.__traceback__.tb_next  # this very frame holds the canary, on purpose
    stack = traceback.TracebackException(type(caught.value), caught.value, inside, capture_locals=True)
    shown += [repr(bench.signals), repr(list(bench.ledger.rows())), repr(bench.transport.requests), caplog.text]
    shown += [str(bench.client), repr(vars(bench.client)), "".join(stack.format())]
    assert not [text for text in shown if CANARY in text or CANARY[3:] in text]
    assert "authorization" in bench.transport.requests[0].headers


async def test_two_questions_are_two_rows(tmp_path: Path) -> None:
    """Ids are made per call, so nothing is merged by accident."""
    bench = Bench(tmp_path, GOOD, GOOD)
    await asyncio.gather(bench.client.generate("Hi"), bench.client.generate("Hello"))
    rows = list(bench.ledger.rows())
    assert len({row.attempt_id for row in rows}) == 2


async def test_the_same_question_is_asked_once(tmp_path: Path) -> None:
    """At once it is joined, afterwards it comes from the cache; each answer says so, and one row has the cost."""
    bench = Bench(tmp_path, GOOD)
    first, second = await asyncio.gather(bench.client.generate("Hi"), bench.client.generate("Hi"))
    third = await bench.client.generate("Hi")
    assert [one.provenance.joined for one in (first, second)] == [False, True]
    assert third.provenance.cached
    paid, hit = bench.ledger.rows()
    assert hit.is_cached
    assert hit.cost_nano_usd == 0
    assert hit.saved_nano_usd == paid.cost_nano_usd


async def test_a_scripted_stream_with_a_response_keeps_its_facts(tmp_path: Path) -> None:
    """A whole answer that is asked for as a stream is the same answer."""
    said = Response(
        parts=(Text(text="ok"),), finish_reason="stop", usage=Usage(input_tokens=1, output_tokens=1), model="m"
    )
    client = Client("scripted:x", loaded=settings(tmp_path, model="scripted:x"), services={"scripted": Scripted(said)},
                    world=sim_world(), ledger=MemoryLedger())  # fmt: skip
    async with client.stream("x") as answer:
        response = await answer.response()
    assert (response.text, response.model, response.usage.total_tokens) == ("ok", "m", 2)
    assert response.provenance.target == "scripted"


async def test_a_server_of_ones_own_needs_no_key(tmp_path: Path) -> None:
    """Its address is enough; no authorization is sent."""
    transport = FakeTransport(GOOD)
    loaded = load(
        environ={},
        arguments={"model": "mine:m", "providers.mine.base_url": "http://127.0.0.1:9/v1"},
        cwd=tmp_path,
        user_folder=tmp_path,
    )
    async with Client(loaded=loaded, transport=transport, world=sim_world(1), ledger=MemoryLedger()) as client:
        assert (await client.generate("Hi")).text == "Hello"
    assert "authorization" not in transport.requests[0].headers
