"""Through a client's real stack over scripted bytes: what it answered comes back, and its key is in no journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from tests.replay.game import said, told

from backstay import Client
from backstay.config import load
from backstay.errors import AuthenticationFailed
from backstay.ledger.memory import MemoryLedger
from backstay.replay import record, replay
from backstay.replay.layer import JournalLayer
from backstay.replay.run import Run
from backstay.service import Call, Service, stack
from backstay.sim import run, sim_world
from backstay.transport import fault
from backstay.transport.fake import FakeTransport
from backstay.transport.script import Answer
from backstay.types import Request, Response, user

CANARY = "sk-canary-7f3a9c51d2"
GOOD = Answer(body=fault.chat_answer("Hello", usage={"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}))
DENIED = Answer(status=401, body=b'{"error":{"message":"the key is wrong","code":"invalid_api_key"}}')


def question(text: str, **fields: Any) -> Request:
    return Request(model="openai:gpt-5-mini", messages=(user(text),), id=text, **fields)


async def program(service: Service) -> list[Any]:
    """A call that is tried twice, a stream event by event, and a call that is denied."""
    options = {"openai_chat": {"safety_identifier": CANARY}}
    first = await said(service, question("hello", options=options))
    reply = await service(Call(request=question("why?"), stream=True))
    events = [event async for event in reply]
    return [told(one) for one in (first, await reply.response(), await said(service, question("denied")))] + events


def lived(around: Any, folder: Path, *answers: Answer) -> tuple[list[Any], int]:
    """What the program saw, and how many requests went out."""

    async def main() -> tuple[list[Any], int]:
        world, transport = sim_world(1), FakeTransport(*answers)
        arguments = {"model": "openai:gpt-5-mini"}
        loaded = load(environ={"OPENAI_API_KEY": CANARY}, arguments=arguments, cwd=folder, user_folder=folder)
        async with Client(loaded=loaded, transport=transport, world=world, ledger=MemoryLedger()) as client:
            run_: Run
            with around(folder / "run.jsonl", world=world) as run_:
                assert run_.now is None
                seen = await program(stack(client._service, JournalLayer(world)))
        return seen, len(transport.requests)

    return run(main())


def test_a_clients_answers_come_back_with_cost_and_attempts(tmp_path: Path) -> None:
    """Retried, streamed and denied calls: equal in every field, with no request sent."""
    stream = Answer(chunks=fault.chat_events("The sky ", "is blue."))
    seen, sent = lived(record, tmp_path, fault.rate_limited("seconds"), GOOD, stream, DENIED)
    again, sent_again = lived(replay, tmp_path, GOOD)
    assert (sent, sent_again) == (4, 0)
    assert again == seen
    first, streamed, denied = seen[:3]
    assert isinstance(first, Response)
    assert isinstance(streamed, Response)
    assert len(first.provenance.attempts) == 2
    assert first.cost is not None
    assert streamed.text == "The sky is blue."
    assert denied[0] is AuthenticationFailed
    assert msgspec.msgpack.encode(again[:2]) == msgspec.msgpack.encode(seen[:2])


def test_the_clients_key_is_not_in_the_journal(tmp_path: Path) -> None:
    """Neither from the header that it was sent in, nor from the options that somebody put it into."""
    stream = Answer(chunks=fault.chat_events("The sky ", "is blue."))
    lived(record, tmp_path, GOOD, stream, DENIED)
    data = (tmp_path / "run.jsonl").read_bytes()
    assert b"authorization" not in data.lower()
    assert CANARY.encode() not in data
    assert b"safety_identifier" in data
