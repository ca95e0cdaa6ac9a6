"""Tools read journals line by line: what they need does not grow with the file, and they say what they say of one in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from backstay.cli.replay import command, opened
from backstay.errors import ConfigurationError
from backstay.replay.compare import compare
from backstay.replay.entry import Answered, Began, Draw, Entry, Header, Snapshot, Tick
from backstay.replay.form import asked
from backstay.replay.journal import read_journal
from backstay.replay.listing import listing
from backstay.replay.reading import JournalFile, Source
from backstay.replay.run import sha_of, state_of
from backstay.replay.stats import stats
from backstay.replay.timeline import timeline
from backstay.replay.verify import verify
from backstay.replay.writer import Writer
from backstay.service import Call
from backstay.types import Metadata, Request, Response, Text, Usage, user

pytestmark = pytest.mark.slow


def frame(tick: int, words: str) -> Iterable[Entry]:
    """One tick: two calls that overlap, a draw and a state."""
    yield Tick(tick=tick)
    for number in (2 * tick, 2 * tick + 1):
        request = Request(model="acme:m", messages=(user(f"{number} {'why? ' * 40}"),), metadata=Metadata(task="talk"))
        question = asked(Call(request=request))
        form = msgspec.Raw(question.form)
        yield Began(call=number, key=question.key, ordinal=0, request=form, task="talk", tick=tick)
    for number in (2 * tick, 2 * tick + 1):
        usage = Usage(input_tokens=10, output_tokens=5)
        response = Response(parts=(Text(text=f"{words} " * 40),), finish_reason="stop", usage=usage, model="m")
        yield Answered(call=number, after=0.5, response=response, is_whole=True)
    yield Draw(system="weather", name="rain", value=tick / 10_000, tick=tick)
    form = state_of({"tick": tick})
    yield Snapshot(sha256=sha_of(form), tick=tick, state=msgspec.Raw(form))


def written(path: Path, ticks: int, *, other_at: int | None = None) -> Path:
    writer = Writer(path)
    writer.add(Header(library="backstay test"))
    for tick in range(ticks):
        for entry in frame(tick, "no" if tick == other_at else "so"):
            writer.add(entry)
    writer.close()
    return path


TOOLS: dict[str, Callable[[Source, Source], Any]] = {
    "verify": lambda one, other: verify(one),
    "stats": lambda one, other: stats(one),
    "show": lambda one, other: sum(len(line) for line in listing(one)),
    "diff": lambda one, other: compare(one, other),
}


def peak(work: Callable[[], object]) -> int:
    """The most memory that `work` held, in bytes; it runs twice, so that what is imported or cached is not counted."""
    work()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("tool", TOOLS)
def test_ten_times_the_journal_needs_no_more_memory(tool: str, tmp_path: Path) -> None:
    """The peak of each tool on 600 ticks is near that on 60; a comparison keeps a sum for each. In memory it would be 2 MB."""
    peaks = []
    for ticks in (60, 600):
        one = written(tmp_path / f"one-{ticks}.jsonl", ticks)
        other = written(tmp_path / f"other-{ticks}.jsonl", ticks, other_at=ticks - 1)
        peaks.append(peak(lambda one=one, other=other: TOOLS[tool](JournalFile(one), JournalFile(other))))  # type: ignore[misc]
    assert peaks[1] - peaks[0] < (250_000 if tool == "diff" else 100_000)
    path = tmp_path / "one-600.jsonl"
    assert peak(lambda: read_journal(path)) > 2_000_000


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.zst"])
def test_a_file_says_what_the_journal_in_memory_says(suffix: str, tmp_path: Path) -> None:
    """Every tool, on a file and on the same journal read whole; and the difference is found at its tick."""
    one = written(tmp_path / f"one.{suffix}", 30)
    other = written(tmp_path / f"other.{suffix}", 30, other_at=17)
    for name, tool in TOOLS.items():
        assert tool(JournalFile(one), JournalFile(other)) == tool(read_journal(one), read_journal(other)), name
    pages = [timeline(read(one), name="x", against=read(other)) for read in (JournalFile, read_journal)]
    assert pages[0] == pages[1]
    assert {(found.tick, found.kind) for found in compare(JournalFile(one), JournalFile(other))} == {(17, "answer")}


def test_a_long_journal_is_drawn_around_its_difference(tmp_path: Path) -> None:
    """The lanes of a journal that is longer than a page hold the tick that differs, and say what they leave out."""
    one = written(tmp_path / "one.jsonl", 3_000)
    other = written(tmp_path / "other.jsonl", 3_000, other_at=2_500)
    page = timeline(JournalFile(one), name="x", against=JournalFile(other))
    assert "the first difference</title>" in page
    assert "The lanes begin after" in page
    assert "entries are not drawn" not in page
    assert "The lanes begin after" not in timeline(JournalFile(one), name="x")


def test_a_call_that_never_ends_does_not_hold_the_listing_up(tmp_path: Path) -> None:
    """Lines come in the order of the journal; a call without an end is cut off at its own place."""
    writer = Writer(tmp_path / "run.jsonl")
    writer.add(Header(library="backstay test"))
    entries = list(frame(1, "so"))
    for entry in (*entries[:3], *entries[4:]):  # the first call has lost its end
        writer.add(entry)
    writer.close()
    lines = list(listing(JournalFile(tmp_path / "run.jsonl")))
    assert [line.split()[:2] for line in lines] == [
        ["tick", "1"], ["call", "2"], ["call", "3"], ["draw", "weather/rain"], ["state", sha_of(b'{"tick":1}')[:16]],
    ]  # fmt: skip
    assert lines[1].endswith("->  cut off")
    assert "so so so" in lines[2]


@pytest.mark.parametrize("content", [b'{"a": 1}\n', b"PK\x03\x04 a whole other thing\n", b"", b"\x00" * 100_000])
@pytest.mark.parametrize("verb", [("verify",), ("stats",), ("show",), ("export", "--html", "x.html"), ("diff",)])
def test_what_is_no_journal_is_named_with_the_remedy(content: bytes, verb: tuple[str, ...], tmp_path: Path) -> None:
    """One line with the file and what to give instead, as for any wrong input, and no verdict."""
    path = tmp_path / "notes.jsonl"
    path.write_bytes(content)
    paths = [str(path)] * (2 if verb == ("diff",) else 1)
    done = CliRunner().invoke(command, [verb[0], *paths, *verb[1:]])
    assert isinstance(done.exception, ConfigurationError)
    assert str(done.exception).startswith(f"{path}: no journal (")
    assert "backstay record --journal FILE" in str(done.exception)
    assert "\n" not in str(done.exception)
    assert done.output == ""


def test_damage_behind_the_first_line_is_no_wrong_input(tmp_path: Path) -> None:
    """The file is a journal, so opening it is no error; reading up to the damage is."""
    path = written(tmp_path / "run.jsonl", 3)
    path.write_bytes(path.read_bytes().replace(b"weather", b"whether", 1))
    assert opened(str(path)).header.library == "backstay test"
    assert CliRunner().invoke(command, ["verify", str(path)]).exit_code == 1
