"""`backstay narrate`: run, play and replay, piped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backstay.cli.narrate import command
from backstay.errors import ConfigurationError
from backstay.replay.divergence import Divergence
from backstay.replay.fault import JournalDamaged

ORDERS = "help\npeople\ngive 30 food to the Makers\n\nhold a feast\nsave\nquit\n"


def narrate(*arguments: str | Path, typed: str = "") -> Result:
    environment = {"BACKSTAY_CONFIG": None, "OPENAI_API_KEY": None, "ANTHROPIC_API_KEY": None}
    given = [*map(str, arguments), *(() if arguments[0] == "replay" else ("--model", "offline:rules"))]
    return CliRunner().invoke(command, given, input=typed, env=environment)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_replays_byte_for_byte(folder: Path) -> None:
    """The chronicle and the report are the same bytes, from the journal alone."""
    first = narrate("run", "--ticks", "20", "--seed", "7", "--journal", "run.jsonl")
    assert first.exit_code == 0, first.output
    again = narrate("replay", "run.jsonl")
    assert again.exit_code == 0, again.output
    assert again.output == first.output
    report = json.loads(first.output[first.output.index("\n{") :])
    assert report["weeks"] == 20
    assert report["calls"]["world_narrative/rule"] == 20


def test_a_played_game_replays_with_what_was_typed(folder: Path) -> None:
    """Piped orders show in the output; the replay has them from the journal, and does not save again."""
    first = narrate("play", "--journal", "game.jsonl", "--save", "game.json", typed=ORDERS)
    assert first.exit_code == 0, first.output
    for said in (
        "You are Reeve",
        "> give 30 food to the Makers",
        "done: 30 food",
        "a feast of 20 food",
        "Saved the beginning",
    ):
        assert said in first.output
    (folder / "game.json").unlink()
    assert narrate("replay", "game.jsonl").output == first.output
    assert not (folder / "game.json").exists()


def test_a_player_is_told_what_it_is_about(folder: Path) -> None:
    """The beginning says who one is and how it ends, `advice` says what one may type, and leaving says how it stood."""
    done = narrate("play", typed="what should I do?\n\nadvice\nquit\n")
    assert "You are the new Reeve of the Ford" in done.output
    assert done.output.count("The elders put their heads together") == 2
    assert "You leave the Ford in week 2. Today" in done.output
    short = narrate("play", "--weeks", "2", typed="\n\n")
    assert "Votes: " in short.output
    assert "Another --seed is another village." in short.output
    assert max(map(len, short.output.splitlines())) <= 160


def test_another_rule_is_a_divergence(folder: Path) -> None:
    """Replayed under another rule, the game is the same until that rule counts, and the error names the tick."""
    narrate("run", "--ticks", "24", "--journal", "run.jsonl")
    assert narrate("replay", "run.jsonl", "--rule", "vote_loyalty=450").exit_code == 0
    done = narrate("replay", "run.jsonl", "--rule", "vote_loyalty=900")
    assert isinstance(done.exception, Divergence)
    assert done.exception.tick == 24
    assert any("ended" in change.path for change in done.exception.changes)
    for rule, said in (("scarse_food=2", "did you mean scarce_food"), ("weeks=x", "NAME=NUMBER")):
        wrong = narrate("replay", "run.jsonl", "--rule", rule)
        assert wrong.exit_code == 2
        assert said in wrong.output
    assert isinstance(narrate("replay", "run.jsonl", "--rule", "weeks=0").exception, ConfigurationError)


def test_a_saved_game_is_loaded(folder: Path) -> None:
    """It goes on in the week in which it was saved."""
    narrate("play", "--save", "game.json", typed="\n\nsave\nquit\n")
    again = narrate("play", "--save", "game.json", "--load", typed="quit\n")
    assert again.exit_code == 0
    assert "Week 3 of 24" in again.output


def test_a_changed_journal_is_refused(folder: Path) -> None:
    """One letter of a recorded line is changed: the journal is damaged, and nothing is played."""
    narrate("run", "--ticks", "5", "--journal", "run.jsonl")
    text = (folder / "run.jsonl").read_text().replace('"system":"weather"', '"system":"whether"', 1)
    (folder / "run.jsonl").write_text(text)
    assert isinstance(narrate("replay", "run.jsonl").exception, (JournalDamaged, Divergence))


def test_a_cut_journal_says_that_it_is_cut(folder: Path) -> None:
    """Wherever the file breaks off, a replay tells that, and never a divergence; a finished one still diverges."""
    narrate("run", "--ticks", "6", "--journal", "run.jsonl")
    whole = (folder / "run.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    for kept in range(2, len(lines) - 1, max(1, len(lines) // 25)):
        (folder / "cut.jsonl").write_bytes(b"".join(lines[:kept]) + lines[kept][:7])
        done = narrate("replay", "cut.jsonl")
        assert isinstance(done.exception, JournalDamaged), (kept, done.exception)
        assert "the journal is cut off in week" in str(done.exception)
    (folder / "cut.jsonl").write_bytes(b"".join(lines[: len(lines) * 3 // 4]))
    assert isinstance(narrate("replay", "cut.jsonl", "--rule", "attention=1").exception, Divergence)
    narrate("play", "--journal", "game.jsonl", typed="give 3 food to the Makers\n\n\nquit\n")
    game = (folder / "game.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "cut.jsonl").write_bytes(b"".join(game[: len(game) * 2 // 3]))
    assert isinstance(narrate("replay", "cut.jsonl").exception, JournalDamaged)
    (folder / "empty.jsonl").touch()
    empty = narrate("replay", "empty.jsonl").exception
    assert isinstance(empty, ConfigurationError)
    assert "is empty" in str(empty)


def test_what_is_there_is_not_replaced(folder: Path) -> None:
    """A journal stays without --overwrite, and a file that is no saved game always."""
    narrate("run", "--ticks", "2", "--journal", "year.jsonl")
    first = (folder / "year.jsonl").read_bytes()
    for way in (("run", "--ticks", "3"), ("play",)):
        refused = narrate(*way, "--journal", "year.jsonl", typed="quit\n")
        assert isinstance(refused.exception, ConfigurationError)
        assert "choose another name or add --overwrite" in str(refused.exception)
        assert (folder / "year.jsonl").read_bytes() == first
    assert narrate("run", "--ticks", "3", "--journal", "year.jsonl", "--overwrite").exit_code == 0
    assert (folder / "year.jsonl").read_bytes() != first
    (folder / "note.txt").write_text("mine")
    refused = narrate("play", "--save", "note.txt", typed="save\nquit\n")
    assert isinstance(refused.exception, ConfigurationError)
    assert "no saved game" in str(refused.exception)
    assert (folder / "note.txt").read_text() == "mine"
    for _ in range(2):
        assert "Saved the beginning" in narrate("play", "--save", "game.json", typed="save\nquit\n").output


def test_less_than_nothing_is_not_given(folder: Path) -> None:
    """An amount below zero is refused in words and costs nothing."""
    said = narrate("play", typed="give -5 food to the Makers\nquit\n").output
    assert "done: 5 food" not in said
    assert "How much food? Say a number" in said


@pytest.mark.parametrize(
    "arguments", [("play", "--load"), ("play", "--save", "none.json", "--load"), ("replay", "none.jsonl")]
)
def test_wrong_commands_say_so(arguments: tuple[str, ...]) -> None:
    """A usage or configuration error, no traceback."""
    done = narrate(*arguments)
    assert done.exit_code != 0
    assert done.exception is None or isinstance(done.exception, (SystemExit, ConfigurationError))
