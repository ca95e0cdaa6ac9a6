"""R25: a recorded run comes back from its journal alone, byte for byte, or the difference is named.

Crowds of concurrent calls (whole, streamed, failing before and after their first event, asking the same) are recorded and
replayed with the network closed, arriving in another order each time. Every field of a request is changed once for many calls.
Journals are changed and cut. A game is replayed, and replayed with a rule that differs in one bit in one tick. And the journals
of many seeds are equal whatever the hash seed.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from bench.reliability.goal import Verdict, seed, sized
from bench.reliability.replay_run import played, question, recorded, refuse, replayed

from backstay.replay import replay
from backstay.replay.divergence import Divergence
from backstay.replay.fault import JournalDamaged
from backstay.replay.index import Index
from backstay.replay.journal import Journal, Recorded, parse_journal
from backstay.replay.layer import JournalLayer
from backstay.service import Call, stack
from backstay.sim import run, sim_world
from backstay.types import Metadata, NamedTool, Request, ResponseFormat, Tool, user

CLAIM = (
    "10,000 recorded calls replay byte for byte under 100 orders of arrival with sockets blocked; every changed field is a "
    "typed miss that names it; 1,000 changed or cut journals are seen; one bit in 1,000 ticks is "
    "found; 100 seeds, 4 runs each, are equal."
)
GATE = 0.03
CALLS, CROWD, ORDERS, TAMPERED, TICKS, SEEDS, MISSES = 10_000, 1_000, 10, 1_000, 1_000, 100, 50
ROOT = Path(__file__).parents[2]
CHANGES = {
    "model": "acme:other",
    "messages": (user("something else"),),
    "system": "be brief",
    "max_output_tokens": 7,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 3,
    "stop": ("END",),
    "seed": 3,
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "logprobs": 1,
    "tools": (Tool(name="clock"),),
    "tool_choice": NamedTool("clock"),
    "parallel_tool_calls": True,
    "response_format": ResponseFormat(),
    "reasoning_effort": "low",
    "options": {"openai_chat": {"store": True}},
    "metadata": Metadata(task="another"),
}
"""Another value for every field that can change an answer, or says who asks."""


class _InOrder(Index):
    """Broken: recorded calls are handed out in the order of the journal, as if a program always asked in that order."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._line = iter(journal.calls().values())

    def take_call(self, key: str) -> Recorded | None:
        return next(self._line, None)


def _orders(folder: Path, scale: float, is_broken: bool) -> dict[str, int]:
    """Crowds, each replayed under several orders: how many calls, how many orders, how many outcomes that were not the same."""
    crowd = min(CROWD, sized(CALLS, scale))
    crowds = sized(CALLS, scale) // crowd
    unequal = 0
    for number in range(crowds):
        path = folder / f"crowd-{number}.jsonl"
        lived = recorded(path, crowd, seed() * CALLS + number, alike=crowd // 2)
        for turn in range(ORDERS):
            order = list(range(crowd))
            random.Random(turn).shuffle(order)
            replaying = replay(path, world=sim_world(turn))
            if is_broken:
                replaying._index = _InOrder(replaying.journal)
            try:
                again = replayed(replaying, _kept(order, crowd // 2), alike=crowd // 2, seed=turn)
            except Divergence:
                again = [b""] * crowd
            unequal += sum(one != other for one, other in zip(lived, again, strict=True))
    return {"calls": crowds * crowd, "orders": crowds * ORDERS, "unequal": unequal}


def _kept(order: list[int], alike: int) -> list[int]:
    """`order` with equal questions in their own order: which of two equal questions is which, only their order says."""
    groups: dict[tuple[int, bool], list[int]] = {}
    for number in sorted(order):
        groups.setdefault(_likeness(number, alike), []).append(number)
    lines = {likeness: iter(numbers) for likeness, numbers in groups.items()}
    return [next(lines[_likeness(number, alike)]) for number in order]


def _likeness(number: int, alike: int) -> tuple[int, bool]:
    key = question(number, alike)
    return hash((key.messages, key.metadata.task)), number % 2 == 0


def _misses(folder: Path, scale: float) -> dict[str, int]:
    """Every field of many requests changed: how many misses there were, and how many did not name their field alone."""
    path = folder / "misses.jsonl"
    recorded(path, 40, 1, alike=40)
    untold = count = 0
    for number in range(sized(MISSES, scale)):
        request = question(2 * (number % 4), 40)
        for field, value in CHANGES.items():
            count += 1
            untold += not _is_told(path, msgspec.structs.replace(request, **{field: value}), field)
    return {"changed fields": count, "untold": untold}


def _is_told(path: Path, request: Request, field: str) -> bool:
    async def main() -> bool:
        try:
            async with replay(path, world=sim_world(0)):
                await stack(refuse, JournalLayer(sim_world(0)))(Call(request=request, stream=True))
        except Divergence as miss:
            names = {change.path.replace("[", ".").split(".")[0] for change in miss.changes}
            return miss.kind == "call" and names == {"task" if field == "metadata" else field}
        return False

    return run(main())


def _tampered(folder: Path, scale: float) -> dict[str, int]:
    """Changed, moved and cut journals: how many, and how many passed for whole."""
    path = folder / "small.jsonl"
    recorded(path, 12, 2, alike=6)
    data, draw = path.read_bytes(), random.Random(seed())
    count, unseen = sized(TAMPERED, scale, least=50), 0
    for number in range(count):
        unseen += _is_whole(_changed(data, number, draw))
    unseen += sum(_is_whole(data[:size]) for size in range(0, len(data), 1 if scale >= 1 else 29))
    return {"tampered": count, "unseen": unseen}


def _changed(data: bytes, number: int, draw: random.Random) -> bytes:
    place, lines = draw.randrange(len(data)), data.splitlines(keepends=True)
    if number % 4 == 0:
        return data[:place] + bytes([data[place] ^ draw.randrange(1, 256)]) + data[place + 1 :]
    if number % 4 == 1:
        return data[:place]
    line = draw.randrange(len(lines) - 1)
    if number % 4 == 2:
        return b"".join(lines[:line] + lines[line + 1 :])
    return b"".join([*lines[:line], lines[line + 1], lines[line], *lines[line + 2 :]])


def _is_whole(data: bytes) -> bool:
    try:
        return parse_journal(data).is_finished
    except JournalDamaged:
        return False


def _game(folder: Path, scale: float) -> dict[str, int]:
    """A game, replayed, and replayed with one bit changed in one tick: how many ticks, and how many faults."""
    path, ticks = folder / "game.jsonl", sized(TICKS, scale, least=20)
    lived = played(path, ticks, is_replay=False)
    faults = int(played(path, ticks, is_replay=True) != lived)
    for flip in random.Random(seed()).sample(range(ticks), 5):
        try:
            played(path, ticks, is_replay=True, flip=flip)
            faults += 1
        except Divergence as found:
            faults += (found.tick, [change.path for change in found.changes]) != (flip, ["food"])
    return {"ticks": ticks, "ticks not found": faults}


def traces(first: int, count: int) -> list[str]:
    """The hashes of the journals of `count` seeds, each recorded twice."""
    with tempfile.TemporaryDirectory() as folder:
        hashes = []
        for number in range(first, first + count):
            for turn in range(2):
                path = Path(folder) / f"{number}-{turn}.jsonl"
                recorded(path, 30, number, alike=9)
                hashes.append(hashlib.sha256(path.read_bytes()).hexdigest())
    return hashes


def _seeds(scale: float) -> dict[str, int]:
    """Journals of many seeds under two hash seeds: how many, and how many seeds had more than one journal."""
    count, first = sized(SEEDS, scale, least=3), seed() * SEEDS
    program = f"from bench.reliability.r25 import traces; print(*traces({first}, {count}))"
    found: list[list[str]] = []
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        )
        found.append(done.stdout.split())
    unlike = sum(
        len({*found[0][place : place + 2], *found[1][place : place + 2]}) > 1 for place in range(0, 2 * count, 2)
    )
    return {"seeds": count, "unlike": unlike, "same for all": int(len(set(found[0])) < count)}


BAD = ("unequal", "untold", "unseen", "ticks not found", "unlike", "same for all")


def measure(scale: float) -> Verdict:
    """All five promises."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures: dict[str, int | float | str] = {
            **_orders(folder, scale, False),
            **_misses(folder, scale),
            **_tampered(folder, scale),
            **_game(folder, scale),
            **_seeds(scale),
        }
    return Verdict(all(figures[name] == 0 for name in BAD), figures)


def broken(scale: float) -> Verdict:
    """Calls are matched by their order in the journal."""
    with tempfile.TemporaryDirectory() as name:
        figures = _orders(Path(name), scale, True)
    return Verdict(figures["unequal"] == 0, {**figures})
