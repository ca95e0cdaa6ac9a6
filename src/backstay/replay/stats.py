"""Stats: what a recorded run asked, what it cost and how long it took, by task, by tick or by model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from backstay.replay.entry import Answered, Draw, Dropped, Failed, Snapshot, Tick, ToolRun
from backstay.replay.journal import Journal, Recorded

KEYS: Final[dict[str, Callable[[Recorded], str]]] = {
    "task": lambda call: call.began.task or "-",
    "tick": lambda call: "-" if call.began.tick is None else str(call.began.tick),
    "model": lambda call: msgspec.json.decode(bytes(call.began.request)).get("model", "-"),
}
"""What calls can be summed by."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One group of calls. `cost_nano_usd` leaves out the `unpriced` ones; `seconds` is the mean time to the end of a call."""

    group: str
    calls: int
    failed: int
    dropped: int
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int
    unpriced: int
    seconds: float | None


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """A run in figures; `draws` and `tools` count by system and by name."""

    lines: tuple[Line, ...]
    total: Line
    ticks: int
    snapshots: int
    draws: dict[str, int]
    tools: dict[str, int]


def stats(journal: Journal, by: str = "task") -> Stats:
    """The figures of `journal`, its calls grouped by one of `KEYS`."""
    groups: dict[str, list[Recorded]] = {}
    calls = journal.calls().values()
    for call in calls:
        groups.setdefault(KEYS[by](call), []).append(call)
    return Stats(
        lines=tuple(_line(group, members) for group, members in groups.items()),
        total=_line("all", calls),
        ticks=sum(1 for _ in journal.of(Tick)),
        snapshots=sum(1 for _ in journal.of(Snapshot)),
        draws=dict(Counter(draw.system for draw in journal.of(Draw))),
        tools=dict(Counter(tool.name for tool in journal.of(ToolRun))),
    )


def _line(group: str, members: Iterable[Recorded]) -> Line:
    ends = [call.end for call in members]
    answers = [end.answer for end in ends if isinstance(end, Answered)]
    times = [end.after for end in ends if end is not None]
    costs = [answer.cost.nano_usd for answer in answers if answer.cost is not None]
    return Line(
        group=group,
        calls=len(ends),
        failed=sum(isinstance(end, Failed) for end in ends),
        dropped=sum(isinstance(end, Dropped) for end in ends),
        input_tokens=sum(answer.usage.input_tokens or 0 for answer in answers),
        output_tokens=sum(answer.usage.output_tokens or 0 for answer in answers),
        cost_nano_usd=sum(costs),
        unpriced=len(answers) - len(costs),
        seconds=sum(times) / len(times) if times else None,
    )
