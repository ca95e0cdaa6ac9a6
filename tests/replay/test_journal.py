"""A journal is trusted only as far as it holds: every changed byte and every cut is seen, and what is before a cut is usable."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.replay.game import ask, play, said, service

from backstay.errors import AllTargetsFailed, ConfigurationError, LLMError, Overloaded, RateLimited
from backstay.event import LogprobsDelta
from backstay.replay import record, replay
from backstay.replay.chain import Chain
from backstay.replay.delta import apply, delta_of
from backstay.replay.divergence import Divergence
from backstay.replay.entry import Answered, Chunk, Failed, decode_entry, encode_entry
from backstay.replay.failure import to_error, to_failure
from backstay.replay.fault import JournalDamaged, JournalFailed, RecordedError
from backstay.replay.form import asked
from backstay.replay.journal import Journal, parse_journal, read_journal
from backstay.replay.run import current_run
from backstay.replay.writer import Writer
from backstay.service import Call
from backstay.sim import run, sim_world
from backstay.types import Attempt, Response, Text, TokenLogprob

CANARY = "sk-canary-51d27f3a9c"


def small(path: Path, ticks: int = 9) -> bytes:
    """The bytes of a journal of a few ticks."""

    async def main() -> None:
        world = sim_world(1)
        async with record(path, world=world, facts={"game": "village"}):
            await play(current_run(), service(world), ticks)

    run(main())
    return path.read_bytes()


def test_one_program_and_one_seed_give_one_journal(tmp_path: Path) -> None:
    """Two recordings of the same run in virtual time are equal byte for byte."""
    assert small(tmp_path / "a.jsonl") == small(tmp_path / "b.jsonl")


def test_a_cut_at_every_byte_is_seen_and_the_rest_is_usable(tmp_path: Path) -> None:
    """No cut passes for a finished journal, and each keeps exactly the lines that were whole."""
    data = small(tmp_path / "run.jsonl", ticks=5)
    entries = parse_journal(data).entries
    first = data.index(b"\n") + 1
    for size in range(len(data)):
        if size < first:
            with pytest.raises(JournalDamaged):
                parse_journal(data[:size])
            continue
        journal = parse_journal(data[:size])
        lines = data[:size].count(b"\n") - 1
        assert not journal.is_finished
        assert journal.entries == entries[:lines]
        assert journal.cut_bytes == size - data[:size].rindex(b"\n") - 1


def test_a_changed_byte_anywhere_is_seen(tmp_path: Path) -> None:
    """Every place of the file, changed to another value, is found; the line break of the last line counts as a cut."""
    data = small(tmp_path / "run.jsonl")
    draw = random.Random(1)
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= draw.randrange(1, 256)
        assert not is_whole(bytes(changed)), place


def is_whole(data: bytes) -> bool:
    try:
        return parse_journal(data).is_finished
    except JournalDamaged:
        return False


@pytest.mark.parametrize("change", ["drop", "swap", "double", "append", "other"])
def test_lines_that_were_moved_are_seen(change: str, tmp_path: Path) -> None:
    """A line taken out, two exchanged, one twice, one after the end, one of another journal."""
    lines = small(tmp_path / "run.jsonl").splitlines(keepends=True)
    if change == "drop":
        del lines[3]
    elif change == "swap":
        lines[3], lines[4] = lines[4], lines[3]
    elif change == "double":
        lines.insert(3, lines[3])
    elif change == "append":
        lines.append(lines[3])
    else:
        lines[1] = Chain().seal(b'{"type":"tick","tick":1}')
    with pytest.raises(JournalDamaged) as caught:
        parse_journal(b"".join(lines))
    assert caught.value.line > 0


def test_a_hash_without_its_predecessor_would_not_see_it(tmp_path: Path) -> None:
    """The broken variant: a chain that forgets accepts a missing line, so the check above can fail."""

    class Forgetful(Chain):
        def seal(self, body: bytes) -> bytes:
            self._last = b""
            return super().seal(body)

    lines = [Forgetful().seal(body) for body in (b"{}", b"[]", b"{}")]
    forgetful = Forgetful()
    for line in (lines[0], lines[2]):
        forgetful._last = b""
        assert forgetful.open(line.rstrip(b"\n")) == b"{}"
    strict = Chain()
    sealed = [strict.seal(body) for body in (b"{}", b"[]", b"{}")]
    reader = Chain()
    reader.open(sealed[0].rstrip(b"\n"))
    with pytest.raises(ValueError, match="does not follow"):
        reader.open(sealed[2].rstrip(b"\n"))


def test_a_compressed_journal_can_be_cut_and_changed_too(tmp_path: Path) -> None:
    """Every cut is seen, and the lines of whole blocks are there; changed bytes never give another journal."""
    path = tmp_path / "run.jsonl.zst"
    data = small(path, ticks=5)
    whole = read_journal(path)
    most = 0
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        try:
            journal = read_journal(path)
        except JournalDamaged:
            assert most == 0
            continue
        assert not journal.is_finished
        assert journal.entries == whole.entries[: len(journal.entries)]
        assert len(journal.entries) >= most
        most = len(journal.entries)
    assert most > len(whole.entries) // 2
    draw = random.Random(1)
    for _ in range(300):
        changed = bytearray(data)
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        assert unchanged_or_seen(path, whole)


def unchanged_or_seen(path: Path, whole: Journal) -> bool:
    try:
        journal = read_journal(path)
    except JournalDamaged:
        return True
    return journal == whole or not journal.is_finished


def test_a_killed_program_leaves_what_it_had_done(tmp_path: Path) -> None:
    """SIGKILL in the middle of a run: all that was noted is there, and patch mode finishes the run."""
    path = tmp_path / "run.jsonl"
    program = (
        "import os, signal, sys\n"
        "from backstay.replay import record\n"
        "with record(sys.argv[1]) as run:\n"
        "    for number in range(1, 9):\n"
        "        run.tick(number)\n"
        "        run.snapshot({'n': number})\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -9
    assert len(read_journal(path).entries) == 16
    assert not read_journal(path).is_finished
    with replay(path, mode="patch") as again:
        for number in range(1, 10):
            again.tick(number)
            again.snapshot({"n": number})
    journal = read_journal(path)
    assert journal.is_finished
    assert len(journal.entries) == 18


def test_a_call_without_its_end_is_asked_again_in_patch_mode_only(tmp_path: Path) -> None:
    """The process died while a call was under way: strict mode says so, patch mode asks it."""
    path = tmp_path / "run.jsonl"
    world = sim_world(1)

    async def live() -> None:
        with record(path, world=world):
            await said(service(world), ask("a"), stream=True)

    run(live())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))

    async def again(mode: Any) -> Any:
        with replay(path, mode=mode, world=world):
            return await said(service(world), ask("a"), stream=True)

    with pytest.raises(Divergence, match="cut off before call 0 ended"):
        run(again("strict"))
    assert run(again("patch")).text == "a: yes"
    assert run(again("strict")).text == "a: yes"


def test_an_older_journal_is_replaced_only_when_asked_and_only_by_a_whole_one(tmp_path: Path) -> None:
    """No recording destroys another by accident, or by being interrupted."""
    path = tmp_path / "run.jsonl"
    first = small(path)
    with pytest.raises(ConfigurationError, match="overwrite=True"), record(path):
        pass
    draft = Writer(path, overwrite=True)
    assert path.read_bytes() == first
    draft.discard()
    with record(path, overwrite=True) as again:
        again.tick(1)
        assert path.read_bytes() == first
    assert [type(entry).__name__ for entry in read_journal(path).entries] == ["Tick"]


def test_a_journal_that_cannot_be_written_fails_the_run(tmp_path: Path) -> None:
    """The first fault is kept: each later entry says it, and so does the end."""
    recording = record(tmp_path / "run.jsonl")
    recording.begin()
    os.close(recording.notebook.writer._file or -1)
    with pytest.raises(JournalFailed, match="could not be written"):
        recording.tick(1)
    with pytest.raises(JournalFailed):
        recording.tick(2)
    recording.notebook.writer._file = os.open(os.devnull, os.O_WRONLY)
    with pytest.raises(JournalFailed):
        recording.finish()


def test_a_program_that_fails_leaves_a_finished_journal(tmp_path: Path) -> None:
    """The last line says how the program left."""
    path = tmp_path / "run.jsonl"
    with pytest.raises(KeyError), record(path):
        raise KeyError("lost")
    end = read_journal(path).end
    assert end is not None
    assert end.outcome == "KeyError"


def test_no_secret_reaches_the_file(tmp_path: Path) -> None:
    """Options and extra fields stand as digests, facts of errors come from a list; a change of one is seen all the same."""
    request = ask("a", options={"openai_chat": {"api_key": CANARY, "store": True}})
    request = msgspec.structs.replace(
        request, messages=(msgspec.structs.replace(request.messages[0], extra={"auth": [CANARY]}),)
    )
    path = tmp_path / "run.jsonl"

    async def main() -> None:
        world = sim_world(1)
        with record(path, world=world):
            await said(service(world), request)

    run(main())
    data = path.read_bytes()
    assert CANARY.encode() not in data
    assert b'"store":true' in data
    assert b'"text":"a"' in data
    error = Overloaded("busy", status=529)
    error.__dict__["headers"] = {"authorization": CANARY}
    assert CANARY not in str(msgspec.to_builtins(to_failure(error)))

    async def other() -> None:
        world = sim_world(1)
        changed = msgspec.structs.replace(request, options={"openai_chat": {"api_key": "another", "store": True}})
        with replay(path, world=world):
            await service(world)(Call(request=changed))

    with pytest.raises(Divergence) as caught:
        run(other())
    assert [change.path for change in caught.value.changes] == ["options.openai_chat.api_key"]
    assert CANARY not in str(caught.value)


def test_a_field_that_is_not_listed_is_not_written() -> None:
    """A request type of a later day, with a field that nobody judged yet: matched by it, but not shown."""

    class Later(type(ask("a")), frozen=True, kw_only=True):  # type: ignore[misc]
        token: str = CANARY

    form = asked(Call(request=Later(model="m:n"))).form
    assert CANARY.encode() not in form
    assert b'"token":"sha256:' in form


ERRORS: list[BaseException] = [
    RateLimited("slow", status=429, code="rate", retry_after=2.5, request_id="r-1"),
    AllTargetsFailed("none", errors=[Overloaded("busy", status=529), ValueError("x", 3)]),
    ConfigurationError("one", "two"),
    TimeoutError(),
    OSError(2, "no such file"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_come_back_as_what_they_were(error: BaseException) -> None:
    """The class, its arguments, its facts, its attempts and its notes."""
    if isinstance(error, LLMError):
        error.attempts = (Attempt(number=1, error="Overloaded", delay_before=0.5),)
    error.add_note("while asking")
    entry = decode_entry(encode_entry(Failed(call=0, after=0.1, failure=to_failure(error))))
    assert isinstance(entry, Failed)
    again = to_error(entry.failure)
    assert type(again) is type(error)
    assert again.args == error.args
    facts, before = dict(again.__dict__), dict(error.__dict__)
    for inner, old in zip(facts.pop("errors", ()), before.pop("errors", ()), strict=True):
        assert (type(inner), inner.args) == (type(old), old.args)
    assert facts == before


def test_an_error_of_an_unknown_class_is_said_to_be_one() -> None:
    """Reading a journal imports nothing, so a class that is not loaded stays a name."""
    failure = msgspec.structs.replace(to_failure(ValueError("x")), kind="os:system")
    error = to_error(failure)
    assert isinstance(error, RecordedError)
    assert error.kind == "os:system"


def test_what_json_would_change_is_kept_exactly() -> None:
    """An infinite log-probability survives, in an answer and in an event."""
    token = TokenLogprob(token="a", logprob=float("-inf"))
    for entry in (
        Answered(call=0, after=0.0, response=Response(logprobs=(token,))),
        Chunk(call=0, after=0.0, events=(LogprobsDelta((token,)),)),
        Answered(call=0, after=0.0, response=Response(parts=(Text(text="\x00 ä 🜁"),))),
    ):
        assert decode_entry(encode_entry(entry)) == entry


@pytest.mark.parametrize("seed", range(30))
def test_a_delta_gives_the_new_state(seed: int) -> None:
    """Any two states: applying what changed to the old one gives the new one, and the old one stays."""
    draw = random.Random(seed)

    def value(depth: int = 0) -> Any:
        kind = draw.randrange(5 if depth < 3 else 3)
        if kind == 3:
            return {draw.choice("abcd"): value(depth + 1) for _ in range(draw.randrange(4))}
        if kind == 4:
            return [value(depth + 1) for _ in range(draw.randrange(4))]
        return [draw.random(), draw.choice("xyz"), None][kind]

    for _ in range(50):
        old, new = value(), value()
        before = msgspec.json.encode(old)
        assert apply(delta_of(old, new), old) == new
        assert msgspec.json.encode(old) == before
    assert delta_of({"a": 1}, {"a": 1}).put == ()
