"""Screen: a round as lines of text, who decided in a run, and a run as it looks on a terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Final

from backstay.kits.operations.loop import Round
from backstay.kits.operations.state import Execution

FONTS: Final = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)
"""Fonts that a drawing would fetch from elsewhere; the reader's own will do."""


def line_of(one: Round) -> str:
    """A round as lines: its figures, what a model thinks, what was done."""
    shown = [("response_time_ms", "{:,.0f} ms"), ("arrival_rate_per_s", "{:.1f}/s"), ("server_count", "{:.0f} servers")]
    shown += [("utilisation", "{:.0%} busy"), ("dimmer", "dimmer {:.2f}")]
    facts = [form.format(value) for name, form in shown if (value := one.state.get(name)) is not None]
    facts = ["1 server" if fact == "1 servers" else fact for fact in facts]
    done = [_done(each) for each in one.executions]
    mark = f" [degraded: {one.advice.source}]" if one.advice.is_degraded else ""
    lines = [f"{one.state.at / 60:6.0f} min  {one.health:<8}  {'  '.join(facts)}{mark}"]
    if one.world is not None and not one.world.is_degraded:
        lines.append(f"    {clipped(one.world.trend)}")
    if one.advice.note:
        lines.append(f"    {clipped(one.advice.note)}")
    return "\n".join([*lines, *(f"    -> {clipped(it)}" for it in done)])


def _done(execution: Execution) -> str:
    """An action, what came of it where that is not success, and why it was wanted."""
    action = execution.action
    values = (f"{one:g}" if isinstance(one, (int, float)) else f"{one}" for one in action.parameters.values())
    named = " ".join([action.action_type, *values])
    if execution.status != "success":
        return f"{named} ({execution.status}: {execution.detail})"
    return f"{named}: {action.rationale}" if action.rationale else named


def clipped(text: str, most: int = 102) -> str:
    """A text on one line, so short that it fits; what a model wrote sends no control characters to the terminal."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def decided_by(rounds: Sequence[Round]) -> str:
    """Who decided, and how often a rule answered where a model was asked."""
    sources = sorted({one.advice.source for one in rounds})
    counts = {
        "advice": sum(one.advice.is_degraded for one in rounds),
        "world models": sum(one.world is not None and one.world.is_degraded for one in rounds),
        "simulations": sum(impact.is_degraded for one in rounds for impact in one.impacts),
    }
    told = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return f"decided by {', '.join(sources)}" + (f"; by rules where a model was asked: {told}" if told else "")


def drawn(text: str, title: str, *, width: int = 110) -> str:
    """A terminal that shows `text`, as SVG."""
    from rich.console import Console

    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    console.print(text, highlight=False, markup=False)
    return FONTS.sub("", console.export_svg(title=title))
