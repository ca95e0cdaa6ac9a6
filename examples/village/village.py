"""A village in ticks: weather from dice, decisions from a model. No two live runs are alike; a replay is like its recording.

python village.py record run.jsonl [--harvest N]     live, and noted
python village.py replay run.jsonl [--harvest N]     from the journal alone
"""

from __future__ import annotations

import random
import sys
from typing import Any

from backstay import Request, Scripted
from backstay.errors import ReplayMiss
from backstay.replay import record, replay
from backstay.replay.run import Run
from backstay.sync import Client

TICKS = 12


def elder(request: Request) -> str:
    """What stands in for a model here: it never says the same twice."""
    return f"{random.choice(['Sow', 'Store', 'Trade', 'Feast'])}: {random.randrange(1, 9)}"


def play(run: Run, client: Client, harvest: int) -> dict[str, Any]:
    """The game. All that its code does not determine goes through `run` or `client`."""
    state: dict[str, Any] = {"food": 50, "decisions": []}
    for tick in range(1, TICKS + 1):
        run.tick(tick)
        if run.random("weather", "rain") < 0.7:
            state["food"] += harvest
        run.snapshot(state)
        if tick % 4 == 0:
            question = f"It is month {tick} and we have {state['food']} sacks. What shall we do?"
            decision = client.generate(question, task="council").text
            state["decisions"].append(decision)
            state["food"] -= int(decision.partition(": ")[2])
    return state


def main(mode: str, journal: str, harvest: int = 2) -> int:
    """Play once; exit code 1 where the replayed game went another way."""
    around = record(journal) if mode == "record" else replay(journal)
    with Client("scripted:elder", services={"scripted": Scripted(elder, is_endless=True)}) as client:
        try:
            with around as run:
                state = play(run, client, harvest)
        except ReplayMiss as miss:
            print(miss)
            return 1
    print(f"{state['food']} sacks after {TICKS} months; {'; '.join(state['decisions'])}")
    return 0


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--harvest"]
    sys.exit(main(arguments[0], arguments[1], *(int(number) for number in arguments[2:])))
