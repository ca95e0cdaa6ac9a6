"""What a hit costs, in microseconds of CPU: this cache in memory and in SQLite, and peers where they are installed.

    python -m bench.layers.cache [backstay] [diskcache] [litellm]

A peer that is not installed is said to be absent. Each answers the same small question with the same text, from a warm store; the
peers are asked as their own code asks them, with the key made from the arguments of the call each time.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from tempfile import TemporaryDirectory
from typing import Any

ROUNDS = 5
CALLS = 2_000
TEXT = "Sunlight is scattered by the air, the blue of it most of all. " * 8
QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why is the sky blue?"}]


async def measure(name: str, hit: Callable[[], Awaitable[str]]) -> None:
    """Print the best of a few rounds: the CPU time of the whole process over the calls."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        for _ in range(CALLS):
            assert await hit() == TEXT
        best = min(best, (time.process_time_ns() - began) / CALLS / 1000)
    print(f"{name:34}{best:9.1f} us a hit")


async def backstay(folder: str) -> None:
    from backstay.canonical import request_key
    from backstay.layers.cache import Cache
    from backstay.ports import World
    from backstay.service import Call, Reply, stack
    from backstay.stores.memory_cache import MemoryCache
    from backstay.stores.sqlite_cache import SQLiteCache
    from backstay.types import Request, Response, Text, Usage, user

    async def inner(call: Call) -> Reply:
        usage = Usage(input_tokens=20, output_tokens=120)
        return Reply(response=Response(parts=(Text(text=TEXT),), finish_reason="stop", usage=usage))

    request = Request(model="acme:m", messages=(user("Why is the sky blue?"),), system="Be brief.")

    async def key() -> str:
        request_key(request)
        return TEXT

    await measure("backstay: the key alone", key)
    for name, store in (("memory", MemoryCache()), ("SQLite", SQLiteCache(f"{folder}/cache.db"))):
        service = stack(inner, Cache(store, clock=World.real().clock))

        async def hit(stream: bool = False, service: Any = service) -> str:
            reply = await service(Call(request=request, stream=stream))
            return (await reply.response()).text  # type: ignore[no-any-return]

        async def stream(service: Any = service) -> str:
            reply = await service(Call(request=request, stream=True))
            return "".join([getattr(event, "text", "") async for event in reply])

        await measure(f"backstay, {name}", hit)
        await measure(f"backstay, {name}, streamed", stream)
        await store.aclose()


async def diskcache(folder: str) -> None:
    import hashlib
    import json

    import diskcache as peer

    cache = peer.Cache(f"{folder}/diskcache")

    async def hit() -> str:
        question = json.dumps({"model": "m", "messages": QUESTION}, sort_keys=True)
        key = hashlib.sha256(question.encode()).hexdigest()
        answer = cache.get(key)
        if answer is None:
            cache.set(key, {"choices": [{"message": {"content": TEXT}}]}, expire=300)
            answer = cache.get(key)
        return answer["choices"][0]["message"]["content"]  # type: ignore[no-any-return]

    await measure("diskcache (SQLite, pickle)", hit)
    cache.close()


async def litellm(folder: str) -> None:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # so that it asks nobody when it is imported
    from litellm.caching.caching import Cache

    for name, cache in (
        ("memory", Cache(type="local")),
        ("disk", Cache(type="disk", disk_cache_dir=f"{folder}/litellm")),
    ):

        async def bare(cache: Any = cache) -> str:
            key = cache.get_cache_key(model="gpt-4o-mini", messages=QUESTION)
            answer = await cache.async_get_cache(cache_key=key)
            if answer is None:
                await cache.async_add_cache({"text": TEXT}, cache_key=key)
                answer = await cache.async_get_cache(cache_key=key)
            return answer["text"]  # type: ignore[no-any-return]

        await measure(f"litellm, {name}, key and look-up", bare)


PEERS = {"backstay": backstay, "diskcache": diskcache, "litellm": litellm}


async def main(names: list[str]) -> None:
    for name in names or list(PEERS):
        with TemporaryDirectory() as folder:
            try:
                await PEERS[name](folder)
            except ImportError as error:
                print(f"{name}: not installed ({error})")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
