"""`backstay narrate`: a village through its year, played, run by itself, or replayed from a journal."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from backstay.cli.choice import OutputFile
from backstay.cli.group import Group
from backstay.errors import ConfigurationError

WEEKS, TICKS = 24, 200
journal_option = click.option("--journal", type=OutputFile(), help="Record the game in this file.")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace a journal that is there.")
model_option = click.option(
    "--model", metavar="PROVIDER:MODEL", help="Who tells it; else the configured model, else rules."
)
patience_option = click.option(
    "--patience",
    type=click.FloatRange(0.1, 1000),
    default=1.0,
    show_default=True,
    help="Times the seconds that a model is given: 20 for one on this machine.",
)
config_option = click.option(
    "--config", "config_path", type=click.Path(dir_okay=False), help="The settings file to read."
)


@click.group(cls=Group)
def command() -> None:
    """A village, its people, and what becomes of them under you.

    Words are read and told by a model, or by rules where there is none. A recorded game replays to the letter.
    """


@command.command()
@click.option("--weeks", type=click.IntRange(1, 1000), default=WEEKS, show_default=True, help="Weeks until the moot.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Which village.")
@click.option("--save", "save_path", type=OutputFile(), help="Where `save` writes; loaded from if --load is given.")
@click.option("--load", "is_loaded", is_flag=True, help="Go on with the game in --save.")
@journal_option
@overwrite_option
@model_option
@patience_option
@config_option
def play(weeks: int, seed: int, save_path: str | None, is_loaded: bool, journal: str | None, **options: Any) -> None:
    """Play at this terminal; piped, every line of the input is an order. `help` explains it."""
    from backstay.kits.narrative.game import load

    saved = None
    if is_loaded:
        if save_path is None:
            raise click.UsageError("--load needs --save FILE, the file to load")
        try:
            data = Path(save_path).read_bytes()
            saved = load(data)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"--save {save_path}: {error}") from error
    elif save_path is not None and (fault := _not_ours(save_path)):
        raise ConfigurationError(f"--save {save_path}: {fault}")
    facts = {"way": "play", "seed": str(seed), "weeks": str(weeks)}
    if saved is not None:
        facts["saved"] = data.decode()
    _begin(facts, journal, save_path=save_path, **options)


@command.command("run")
@click.option("--ticks", type=click.IntRange(1, 100_000), default=TICKS, show_default=True, help="Weeks to go through.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Which village.")
@click.option("--quiet", is_flag=True, help="Only the report.")
@journal_option
@overwrite_option
@model_option
@patience_option
@config_option
def run_(ticks: int, seed: int, quiet: bool, journal: str | None, **options: Any) -> None:
    """Let a Reeve of the program's own play, and print the chronicle and a report as JSON."""
    _begin({"way": "run", "seed": str(seed), "weeks": str(ticks), "quiet": str(int(quiet))}, journal, **options)


@command.command()
@click.argument("journal", type=click.Path(dir_okay=False, exists=True))
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="NAME=NUMBER",
    help="Replay under another rule, such as scarce_food=200, and say where the game goes another way.",
)
@config_option
def replay(journal: str, rules: tuple[str, ...], config_path: str | None) -> None:
    """Play the game in JOURNAL again, from the journal alone: the same lines, or the first divergence with its tick and field.

    Exit codes: 0 the game was the same; 1 it diverged, or the journal is damaged or was cut off before the game's end; 2 it
    is no journal of a game.
    """
    from backstay.replay import replay as open_replay
    from backstay.replay.divergence import Divergence

    if not Path(journal).stat().st_size:
        raise ConfigurationError(f"{journal}: is empty, and no journal of a game")
    with open_replay(journal) as run:
        facts = run.journal.header.facts
        if facts.get("way") not in ("play", "run"):
            raise ConfigurationError(f"{journal}: this is no journal of a game")
        changed = {**facts, "rules": msgspec.json.encode(_numbers(rules)).decode()}
        try:
            asyncio.run(_go(changed, run, _settings(config_path, facts["model"]), _dice(facts), save_path=None))
        except Divergence as error:
            _tell_cut(journal, run.journal, error)
            raise


def _tell_cut(path: str, journal: Any, error: Any) -> None:
    """Raise JournalDamaged where `error` only means that the journal breaks off: the game was the same until there."""
    from backstay.replay.entry import Tick
    from backstay.replay.fault import JournalDamaged

    last = max((entry.tick for entry in journal.of(Tick)), default=0)
    is_other_state = error.kind == "snapshot" and error.changes
    if not journal.is_finished and (error.tick or 0) >= last and not is_other_state:
        raise JournalDamaged(
            f"{path}: the journal is cut off in week {max(last, 1)}, as after a kill; the game was the same until there"
        ) from error


def _numbers(rules: tuple[str, ...]) -> dict[str, int]:
    """The rules of the options, by name."""
    from backstay.kits.narrative.setting import Settings

    known = {field.name for field in msgspec.structs.fields(Settings) if field.type is int}
    found = {}
    for rule in rules:
        name, _, number = rule.partition("=")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join(sorted(known))}"
            raise click.BadParameter(f"there is no rule {name!r}; {hint}", param_hint="--rule")
        if not number.removeprefix("-").isdigit():
            raise click.BadParameter(f"{rule!r}: write it as NAME=NUMBER, a whole one", param_hint="--rule")
        found[name] = int(number)
    return found


def _begin(
    facts: dict[str, str],
    journal: str | None,
    *,
    model: str | None,
    patience: float,
    config_path: str | None,
    overwrite: bool,
    save_path: str | None = None,
) -> None:
    from backstay.cli.choice import choose
    from backstay.kits.narrative.dice import dice_world
    from backstay.replay import record
    from backstay.replay.run import Run

    if journal is not None and Path(journal).exists() and not overwrite:
        raise ConfigurationError(
            f"--journal {journal}: there is a file already; choose another name or add --overwrite"
        )
    loaded = choose(config_path, model, quiet=True)
    facts |= {"model": loaded.model, "patience": f"{patience:g}"}
    dice = _dice(facts)
    world = dice_world(dice)
    if journal is None:
        asyncio.run(_go(facts, Run(world), loaded, dice, save_path=save_path))
        return
    with record(journal, world=world, facts=facts, overwrite=overwrite) as run:
        asyncio.run(_go(facts, run, loaded, dice, save_path=save_path))


def _settings(config_path: str | None, model: str) -> Any:
    from backstay.config import load

    return load(config_path, arguments={"model": model})


def _dice(facts: dict[str, str]) -> Any:
    from backstay.kits.narrative.dice import Dice
    from backstay.kits.narrative.game import load

    return Dice(load(facts["saved"].encode()).dice if "saved" in facts else int(facts["seed"]))


async def _go(facts: dict[str, str], run: Any, loaded: Any, dice: Any, *, save_path: str | None) -> None:
    """One game as `facts` say, on whatever run: lived, recorded or replayed."""
    from backstay.kits.narrative.game import Game, load
    from backstay.kits.narrative.play import Table, lead, open_client
    from backstay.kits.narrative.setting import Settings, changed
    from backstay.replay.replaying import Replaying

    saved = load(facts["saved"].encode()) if "saved" in facts else None
    settings = (saved.settings if saved else Settings(weeks=int(facts["weeks"]))).patient(float(facts["patience"]))
    settings = changed(settings, msgspec.json.decode(facts.get("rules", "{}"), type=dict[str, int]))
    async with open_client(loaded, settings) as client:
        if saved is not None:
            game = Game(saved.realm, client=client, run=run, settings=settings)
        else:
            game = Game.new(seed=int(facts["seed"]), client=client, run=run, settings=settings)
        if facts["way"] == "play":
            table = Table(
                game,
                run=run,
                screen=_screen(isinstance(run, Replaying)),
                read=_read,
                keep=_keeper(save_path),
                dice=dice,
            )
            report = await table.play()
        else:
            show = (
                None
                if facts.get("quiet") == "1"
                else lambda week: click.echo(f"{week.number}. {week.title}. {week.story}\n")
            )
            report = await lead(game, show=show)
    if facts["way"] == "run":
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())


def _screen(is_replay: bool) -> Any:
    from backstay.kits.narrative.screen import Panels, Plain

    if not sys.stdout.isatty():
        return Plain(lambda text: click.echo(text, nl=False))
    from rich.console import Console

    return Panels(Console(), is_replay=is_replay)


def _read(prompt: str) -> str | None:
    """A line of the input; None at its end."""
    if sys.stdin.isatty():
        with contextlib.suppress(EOFError):
            return input(prompt)
        return None
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None


def _not_ours(path: str) -> str:
    """Why a game may not be saved in the file `path`; empty where nothing is there, or a saved game."""
    from backstay.kits.narrative.game import load

    file = Path(path)
    try:
        if file.exists() and not file.is_file():
            return "is no regular file"
        if file.exists():
            load(file.read_bytes())
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except ValueError:
        return "there is a file that is no saved game; choose another name"
    return ""


def _keeper(path: str | None) -> Any:
    def keep(data: bytes) -> str:
        if path is None:
            return "Start with --save FILE to save."
        if fault := _not_ours(path):
            return f"Not saved: {path}: {fault}."
        try:
            Path(path).write_bytes(data)
        except OSError as error:
            return f"Not saved: {error.strerror}."
        return f"Saved the beginning of this week in {path}; go on with --save {path} --load."

    return keep
