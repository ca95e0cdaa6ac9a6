"""Screen: the game as one sees it: panels and bars on a terminal, plain lines where the output is piped.

Both show the same, so a piped game can be read, compared and tested. Nothing here changes the game.
"""

from __future__ import annotations

from textwrap import fill
from typing import Any, Final, Protocol

from backstay.kits.narrative.game import Game, Heard, Week
from backstay.kits.narrative.problem import find_problems
from backstay.kits.narrative.realm import SEASON_WEEKS, WORKS, Crisis

HELP: Final = """\
You are Reeve of the Ford. Hold the village together until the moot; then the households vote.
Each week there is time for a few orders. Say them in your own words:

  give 30 food to the Makers          from the store: food, timber, coin, medicine; to a faction, a person, everyone
  send the Wardens to hunt            farm, hunt, gather, guard, trade, buy (food, for coin), heal, rest
  have the Makers build the granary   granary (less spoils), palisade (fewer raids), infirmary (less sickness)
  talk to NAME: your words            or negotiate with a faction
  praise everyone, hold a feast       hearts rise; less each time
  cut the rations, restore rations    less is eaten, and resented
  punish the Traders                  quiet, for a price
  1, 2, 3                             meet a crisis in one of its ways

end (or an empty line) lets the week pass. advice, people, status, save, help, quit do what they say.

Fields bear in autumn and summer, little in spring, nothing in winter: then hunt, or buy. Building takes timber. Unguarded, the
raiders grow bold. A crisis that nobody answers does all its harm, and a rebellion ends you. Below 14 % loyalty people leave;
below 45 % they vote against you. Above half the votes you stay; with four fifths and all three works you are remembered."""


def intro(game: Game) -> str:
    """What a player reads first: who they are, what it is about, and how to begin."""
    realm = game.realm
    return (
        f"You are the new Reeve of the Ford, a village on the river Ash: {len(realm.people)} households, {realm.heads} people, "
        "four trades.\n"
        f"In {game.settings.weeks} weeks the moot meets, and every household votes on you. Winter comes first.\n"
        "Say what shall be done in your own words. `help` explains it, `advice` asks the elders, `quit` leaves."
    )


WIDTH: Final = 100
"""Columns of a story in plain text."""


class Screen(Protocol):
    """What a game is shown on."""

    def week(self, game: Game) -> None: ...
    def heard(self, heard: Heard) -> None: ...
    def told(self, game: Game, week: Week) -> None: ...
    def ending(self, game: Game) -> None: ...
    def say(self, text: str) -> None: ...
    def typed(self, prompt: str, line: str) -> None: ...


def bar(value: int, whole: int, width: int = 10) -> str:
    """A bar of `width` places."""
    full = max(0, min(width, (value * width + whole // 2) // max(1, whole)))
    return "#" * full + "." * (width - full)


def percent(value: int) -> str:
    """Thousandths as a percentage."""
    return f"{value // 10:3d} %"


def headline(game: Game) -> str:
    """Which week it is, of how many, in what season."""
    realm = game.realm
    within = (realm.week - 1) % SEASON_WEEKS + 1
    return f"Week {realm.week} of {game.settings.weeks}: {realm.season}, week {within} of {SEASON_WEEKS}"


def source_line(game: Game, week: Week) -> str:
    """Who told the week."""
    about = "told by a model" if week.told.source == "model" else "told by rule"
    mode = ", degraded: models do not answer" if game.narrator.mode.is_degraded else ""
    return f"{about} ({week.told.by}){mode}"


def stores(game: Game) -> str:
    """What is in the store, with what came and went last week, and how long the food lasts if nothing comes."""
    realm = game.realm
    goods = ", ".join(f"{count} {good}{_moved(game.change.get(good, 0))}" for good, count in realm.stock.items())
    weeks = realm.stock["food"] * 1000 // max(1, realm.heads * 4 * realm.rations)
    lasts = "not enough food for a week" if weeks < 1 else f"food for {weeks} {'week' if weeks == 1 else 'weeks'}"
    rations = "" if realm.rations == 100 else f", rations cut to {realm.rations} in a hundred"
    return f"{goods}; {lasts}{rations}"


def _moved(change: int) -> str:
    return f" ({change:+d})" if change else ""


def folk(game: Game) -> str:
    """How many people there are, who is ill, how they would vote, and how bold the raiders are."""
    realm = game.realm
    ill = sum(1 for one in realm.people if one.sick)
    sick = f"; ill: {ill} {'household' if ill == 1 else 'households'}" if ill else ""
    return f"{realm.heads}{sick}; the vote today: {game.votes()} of {realm.heads}; raiders: {percent(realm.threat).strip()}"


def works(game: Game) -> str:
    """How far the works are."""
    return ", ".join(
        f"{name} {'built' if game.realm.is_built(name) else f'{done * 100 // WORKS[name]} %'}"
        for name, done in game.realm.works.items()
    )


def outcome_line(heard: Heard) -> str:
    """What came of an order, and how people took it."""
    return f"{heard.outcome.text} ({heard.effect})" if heard.effect else heard.outcome.text


def summary(game: Game) -> str:
    """The figures of a game that is over."""
    realm = game.realm
    return (
        f"Week {realm.week} of {game.settings.weeks}. People: {realm.heads} of {realm.first_heads}. "
        f"Votes: {game.votes()} of {realm.heads}. Works: {works(game)}.\nAnother --seed is another village."
    )


def task_of(task: str, work: str) -> str:
    """What a faction does, to read."""
    return f"build the {work}" if work else task


class Plain:
    """Lines of text, written by `write`."""

    def __init__(self, write: Any) -> None:
        self._write = write

    def say(self, text: str) -> None:
        """Any text."""
        self._write(f"{text}\n")

    def typed(self, prompt: str, line: str) -> None:
        """What the player typed: piped input does not show by itself."""
        self.say(f"{prompt}{line}")

    def week(self, game: Game) -> None:
        """The state at the beginning of a week."""
        realm = game.realm
        lines = ["", f"== {headline(game)} ==", f"Store: {stores(game)}", f"Works: {works(game)}"]
        lines.append(f"People: {folk(game)}")
        for one in realm.factions:
            loyalty, mood = (realm.mean(one.id, "loyalty"), realm.mean(one.id, "mood"))
            held = ", held down" if one.restricted else ""
            lines.append(
                f"  {one.name:12} loyalty {bar(loyalty, 1000)} {percent(loyalty)}  mood {bar(mood, 1000)} {percent(mood)}  "
                f"{task_of(one.task, one.work)}{held}"
            )
        lines += [f"  ! {one.description}: {'; '.join(one.solutions)}" for one in find_problems(realm, game.settings)]
        if realm.crisis is not None:
            lines += crisis_lines(realm.crisis, realm.week)
        self.say("\n".join(lines))

    def heard(self, heard: Heard) -> None:
        """What came of an order."""
        if heard.reply:
            self.say(f'{heard.speaker}: "{heard.reply}"')
        self.say(f"{'  done:' if heard.outcome.is_done else '  not done:'} {outcome_line(heard)}")

    def told(self, game: Game, week: Week) -> None:
        """The story of a week."""
        self.say(f"\n-- {week.title} --\n{fill(week.story, WIDTH)}\n[{source_line(game, week)}]")

    def ending(self, game: Game) -> None:
        """How it ended."""
        self.say(f"\n{fill(game.ending(), WIDTH)}\n{summary(game)}")


def crisis_lines(crisis: Crisis, week: int) -> list[str]:
    """A crisis and the ways to meet it."""
    left = crisis.due - week
    when = "before this week is over" if left <= 0 else f"within {left + 1} weeks"
    ways = [f"  {number}. {one.label}" for number, one in enumerate(crisis.options, 1)]
    return [f"CRISIS: {crisis.title}. {crisis.description}", f"  Answer {when}:", *ways]


class Panels:
    """The same on a terminal, with rich."""

    def __init__(self, console: Any, *, is_replay: bool = False) -> None:
        self._console = console
        self._is_replay = is_replay

    def typed(self, prompt: str, line: str) -> None:
        """What the player typed stands on the terminal already, but for a replay."""
        if self._is_replay:
            self.say(f"{prompt}{line}")

    def say(self, text: str) -> None:
        """Any text."""
        self._console.print(text, highlight=False, markup=False)

    def week(self, game: Game) -> None:
        """The state at the beginning of a week: store, factions, problems, crisis."""
        from rich.panel import Panel
        from rich.table import Table

        realm = game.realm
        table = Table(box=None, pad_edge=False, expand=True)
        for name in ("", "loyalty", "mood", "at work on"):
            table.add_column(name, header_style="dim")
        for one in realm.factions:
            loyalty, mood = (realm.mean(one.id, "loyalty"), realm.mean(one.id, "mood"))
            held = " (held down)" if one.restricted else ""
            table.add_row(one.name, _meter(loyalty), _meter(mood), task_of(one.task, one.work) + held)
        self._console.rule(f"[bold]{headline(game)}")
        self._console.print(
            f"[bold]Store[/]  {stores(game)}\n[bold]Works[/]  {works(game)}\n[bold]Folk [/]  {folk(game)}"
        )
        self._console.print(table)
        for problem in find_problems(realm, game.settings):
            ways = "; ".join(problem.solutions)
            self._console.print(f"[yellow]! {problem.description}[/] [dim]{ways}[/]", highlight=False)
        if realm.crisis is not None:
            title, *lines = map(_safe, crisis_lines(realm.crisis, realm.week))
            self._console.print(
                Panel("\n".join([title, *lines]), border_style="red", title="crisis", title_align="left")
            )

    def heard(self, heard: Heard) -> None:
        """What came of an order."""
        if heard.reply:
            self._console.print(f'[italic]{_safe(heard.speaker)}: "{_safe(heard.reply)}"[/]', highlight=False)
        colour = "green" if heard.outcome.is_done else "red"
        self._console.print(f"[{colour}]{_safe(outcome_line(heard))}[/]", highlight=False)

    def told(self, game: Game, week: Week) -> None:
        """The story of a week, on a clean screen."""
        from rich.panel import Panel

        self._console.clear()
        panel = Panel(
            _safe(week.story),
            title=f"[bold]{_safe(week.title)}",
            subtitle=f"[dim]{_safe(source_line(game, week))}",
            padding=(1, 2),
        )
        self._console.print(panel, highlight=False)

    def ending(self, game: Game) -> None:
        """How it ended."""
        from rich.panel import Panel

        said = f"{_safe(game.ending())}\n\n[dim]{_safe(summary(game))}[/]"
        self._console.print(Panel(said, border_style="bold", padding=(1, 2)), highlight=False)


def _meter(value: int) -> str:
    colour = "green" if value >= 500 else "yellow" if value >= 300 else "red"
    return f"[{colour}]{bar(value, 1000)}[/] {percent(value)}"


def _safe(text: str) -> str:
    """`text` without markup: what a model wrote must not colour the screen, nor send it control characters."""
    from rich.markup import escape

    return escape("".join(letter if letter.isprintable() else " " for letter in text))
