#!/usr/bin/env python3
"""One call through all layers, beside litellm's Router on the same work: what it costs, and whether its limits hold in a crowd.

    python bench/layers/router.py [CALLS]

Both have request and token limits on, two retries, and a second target to fall back on, around a provider that answers inside the
process. "us a call" is CPU time of the whole process, threads included, over calls that come one after the other, the best of
several rounds. Then 1,000 callers come at once, to one target whose limit is the worth of 100 calls, in requests, in tokens or in
dollars; the provider takes 50 milliseconds, and who is refused asks again every second. The table says how many calls the
provider got within five seconds: above 100 the limit did not hold. Every figure comes from a process of its own.

The Router keeps nothing, so the client that is compared keeps ledger and limits in memory; the line below it is a client as it
comes, with both in files, flushed for each call because calls come alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2] / "src")  # and not this folder, whose `queue` is not Python's

ROUNDS, CROWD, WORTH, SECONDS, TAKES = 5, 1_000, 100, 5.0, 0.05
MOST_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS = 50, 20, 10
INPUT_USD, OUTPUT_USD = 0.25e-6, 2e-6
ROOMY = {"requests": 10**9, "tokens": 10**12, "usd": 1e6}
TIGHT = {
    "requests": WORTH,
    "tokens": WORTH * (INPUT_TOKENS + OUTPUT_TOKENS),
    "usd": WORTH * (INPUT_TOKENS * INPUT_USD + OUTPUT_TOKENS * OUTPUT_USD),
}
Ask = Callable[[str], Awaitable[Any]]
Counted = Callable[[], int]


def backstay(bounds: dict[str, Any], *, is_crowd: bool, is_durable: bool = False) -> tuple[Ask, Counted]:
    """A client with its default layers, and a count of the calls that its provider got."""
    from backstay.client import Client
    from backstay.config import load
    from backstay.ledger.memory import MemoryLedger
    from backstay.service import Call, Reply
    from backstay.types import Response, Text, Usage

    usage = Usage(input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS)
    answer = Response(parts=(Text(text="Air scatters it."),), finish_reason="stop", usage=usage, model="gpt-5-mini")

    class Provider:
        is_remote = True
        calls = 0

        async def __call__(self, call: Call, /) -> Reply:
            self.calls += 1
            if is_crowd:
                await asyncio.sleep(TAKES)
            return Reply(response=answer)

    provider, folder = Provider(), tempfile.mkdtemp()
    loaded = load(
        environ={"OPENAI_API_KEY": "made-up", "HOME": folder},
        arguments={
            "model": "openai:gpt-5-mini",
            "failover.targets": [] if is_crowd else ["openai:gpt-5-nano"],
            "limits.mode": "strict",
            "limits.requests_per_minute": bounds["requests"],
            "limits.tokens_per_minute": bounds["tokens"],
            "limits.requests_per_day": 10**9,
            "limits.tokens_per_day": 10**12,
            "budget.usd_per_day": bounds["usd"],
            "queue.running": CROWD,
            "ledger.path": f"{folder}/ledger.db",
        },
        cwd=folder,
        user_folder=folder,
    )
    ledger = None if is_durable else MemoryLedger(max_rows=1_000)
    client = Client(loaded=loaded, ledger=ledger, services={"openai": provider})

    async def ask(text: str) -> Any:
        return (await client.generate(text, max_output_tokens=MOST_TOKENS)).text

    return ask, lambda: provider.calls


def litellm(bounds: dict[str, Any], *, is_crowd: bool) -> tuple[Ask, Counted]:
    """A Router that enforces the limits of its deployments, with a budget of their provider where one is asked for."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # so that it asks nobody when it is imported
    import logging

    import litellm as library
    from litellm.types.utils import Choices, Message, ModelResponse
    from litellm.types.utils import Usage as Used

    for name in ("LiteLLM", "LiteLLM Router"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    library.suppress_debug_info = True

    class Handler(library.CustomLLM):  # type: ignore[misc, name-defined]
        calls = 0

        async def acompletion(self, *_: Any, **__: Any) -> ModelResponse:
            Handler.calls += 1
            if is_crowd:
                await asyncio.sleep(TAKES)
            message = Message(role="assistant", content="Air scatters it.")
            used = Used(INPUT_TOKENS, OUTPUT_TOKENS, INPUT_TOKENS + OUTPUT_TOKENS)
            return ModelResponse(choices=[Choices(finish_reason="stop", index=0, message=message)], usage=used)

    library.custom_provider_map = [{"provider": "bench", "custom_handler": Handler()}]
    limits = {"rpm": bounds["requests"], "tpm": bounds["tokens"]}
    prices = {"input_cost_per_token": INPUT_USD, "output_cost_per_token": OUTPUT_USD}
    budget = {"bench": {"budget_limit": bounds["usd"], "time_period": "1d"}} if bounds["usd"] != ROOMY["usd"] else None
    router = library.Router(
        model_list=[
            {"model_name": name, "litellm_params": {"model": f"bench/{name}", **limits, **prices}}
            for name in ("one", "two")
        ],
        num_retries=2,
        fallbacks=[] if is_crowd else [{"one": ["two"]}],
        optional_pre_call_checks=["enforce_model_rate_limits"],
        provider_budget_config=budget,
    )

    async def ask(text: str) -> Any:
        answer = await router.acompletion("one", [{"role": "user", "content": text}], max_tokens=MOST_TOKENS)
        return answer.choices[0].message.content

    return ask, lambda: Handler.calls


PEERS: dict[str, Callable[..., tuple[Ask, Counted]]] = {
    "backstay": backstay,
    "backstay, kept on disk": partial(backstay, is_durable=True),
    "litellm Router": litellm,
}


def cpu() -> float:
    """CPU seconds of this process, its threads included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def cost(name: str, calls: int) -> float:
    """CPU microseconds a call; what is done behind the caller's back has half a second to end, and counts."""
    ask, _ = PEERS[name](ROOMY, is_crowd=False)
    best = float("inf")
    for run in range(ROUNDS):
        began = cpu()
        for number in range(calls):
            await ask(f"Why is the sky blue? {run} {number}")
        await asyncio.sleep(0.5)
        best = min(best, cpu() - began)
    return best / calls * 1e6


async def crowd(name: str, bound: str) -> int:
    """How many calls of the crowd reach the provider where only `bound` is tight."""
    ask, counted = PEERS[name]({**ROOMY, bound: TIGHT[bound]}, is_crowd=True)
    left = 60 - time.time() % 60
    if left < 3 * SECONDS:
        await asyncio.sleep(left)  # the peer counts by the minute of the clock, and has all of it

    async def caller(number: int) -> None:
        while True:
            try:
                await ask(f"Why is the sky blue? {number}")
                return
            except Exception:  # noqa: BLE001 - each has its own; who is refused comes again
                await asyncio.sleep(1.0)

    tasks = [asyncio.ensure_future(caller(number)) for number in range(CROWD)]
    await asyncio.wait(tasks, timeout=SECONDS)
    count = counted()
    for task in tasks:
        task.cancel()
    return count


def figure(name: str, what: str, calls: int) -> float | str:
    """One figure, from a process of its own; in words, why there is none."""
    command = [sys.executable, __file__, "--one", name, what, str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1]
    value: float = json.loads(done.stdout.splitlines()[-1])
    return value


def one(name: str, what: str, calls: int) -> None:
    """Print one figure, and end without waiting for what a peer leaves running."""
    work = cost(name, calls) if what == "cost" else crowd(name, what)
    print(json.dumps(asyncio.run(work)), flush=True)  # type: ignore[arg-type]
    os._exit(0)


def main(calls: int) -> None:
    """Print the table."""
    whats = ("cost", *TIGHT)
    heads = ("us a call", "x", *(f"of {WORTH} {name}" for name in TIGHT))
    print(f"{'':26}{heads[0]:>10}{heads[1]:>7}" + "".join(f"{head:>18}" for head in heads[2:]))
    base = 0.0
    for name in PEERS:
        found = [figure(name, what, calls) for what in whats]
        absent = [value for value in found if isinstance(value, str)]
        if absent:
            print(f"{name:26}not measured: {absent[0][:90]}")
            continue
        spent, *passed = (float(value) for value in found)
        base = base or spent
        print(f"{name:26}{spent:10.0f}{spent / base:7.1f}" + "".join(f"{count:18.0f}" for count in passed), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
