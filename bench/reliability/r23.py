"""R23: the cache answers with the right answer or not at all.

Three dangers. Keys: a million pairs of tenant and request, built so that careless concatenation makes many of them equal; no
two may share a key, and no tenant may get another's bytes, not even under a key that it knows. Crowds: a thousand callers that
miss at once make one call upstream, and when the one that began it leaves, the others are served by that same call. Damage:
bits flipped in what a medium holds, and in the SQLite file itself; what comes back is what was stored, or nothing.

The broken variant leaves the tenant out of the row's check and joins the key's pieces with nothing between them, believes what it
reads, and has no Join.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
from bench.reliability.goal import Verdict, seed, sized

from backstay.canonical import canonical, request_key
from backstay.errors import ConfigurationError
from backstay.layers.cache import Cache
from backstay.layers.join import Join
from backstay.service import Call, Layer, Reply, stack
from backstay.sim.loop import run
from backstay.sim.world import SimClock
from backstay.stores.cache import CacheFailed, Entry, entry_of, pack, unpack
from backstay.stores.memory_cache import MemoryCache
from backstay.stores.sqlite_cache import SQLiteCache
from backstay.types import Metadata, Request, Response, Text, user

CLAIM = (
    "1,000,000 pairs of tenant and request: 0 keys shared, 0 answers of another tenant; 1,000 misses at once: 1 call, also where "
    "its first caller leaves; 10,000 flipped bits: 0 wrong payloads"
)

NOW = 1_795_000_000 * 10**9
TTL = 300 * 10**9


class Variant(NamedTuple):
    """A cache by its three decisions: the key, whether an entry is believed, and the layers."""

    key: Callable[[Request, str], str]
    is_sound: Callable[[Entry, str, str], bool]
    layers: Callable[[], list[Layer]]


def whole_key(request: Request, tenant: str) -> str:
    return request_key(request, tenant=tenant)


def naive_key(request: Request, tenant: str) -> str:
    text = "".join(message.text for message in request.messages)
    return hashlib.sha256(f"{tenant}{request.model}{text}".encode()).hexdigest()


GOOD = Variant(
    whole_key,
    lambda entry, key, tenant: entry.is_sound(key, tenant),
    lambda: [Cache(MemoryCache(), clock=SimClock()), Join()],
)
BAD = Variant(naive_key, lambda entry, key, tenant: True, lambda: [Cache(MemoryCache(), clock=SimClock())])


def pairs(count: int, rng: random.Random) -> Iterator[tuple[str, Request]]:
    """Distinct pairs of tenant and request: one word cut at every place, the head to the one and the tail to the other."""
    plain = Request(model="", temperature=0.5)
    word, made = rng.randrange(10**8, 10**9), 0
    while made < count:
        text, word = str(word), word + 1
        for cut in range(len(text) + 1):
            messages = (user(text[cut:]),)
            yield text[:cut], msgspec.structs.replace(plain, messages=messages)
            made += 1


async def keys(variant: Variant, count: int) -> dict[str, int]:
    """Keys that two pairs share, and answers that were another tenant's."""
    rng = random.Random(seed())
    store = MemoryCache(max_entries=2_000)
    seen: set[bytes] = set()
    total = crossed = 0
    before = ("", "")
    for tenant, request in pairs(count, rng):
        key = variant.key(request, tenant)
        seen.add(bytes.fromhex(key))
        total += 1
        found = await store.get(key, tenant=tenant, now_ns=NOW)  # nobody has stored this pair
        crossed += found is not None and variant.is_sound(found, key, tenant)
        await store.put(entry_of(key, canonical(request), tenant=tenant, now_ns=NOW, ttl_ns=TTL), now_ns=NOW)
        other_key, other = before
        stolen = store._entries.get((other, other_key))  # a store that mixes up its rows
        crossed += stolen is not None and other != tenant and variant.is_sound(stolen, other_key, tenant)
        before = (key, tenant)
    return {"pairs": total, "keys shared": total - len(seen), "answers of another": crossed}


async def crowd(variant: Variant, count: int, *, leader_leaves: bool) -> tuple[int, int]:
    """Calls upstream, and callers that got the answer."""
    calls = 0

    async def inner(call: Call) -> Reply:
        nonlocal calls
        calls += 1
        await asyncio.sleep(1.0)
        return Reply(response=Response(parts=(Text(text="yes"),), finish_reason="stop"))

    service = stack(inner, *variant.layers())

    async def ask(number: int) -> str:
        request = Request(model="m", messages=(user("?"),), id=str(number), metadata=Metadata(tenant="t"))
        return (await (await service(Call(request=request))).response()).text

    tasks = [asyncio.ensure_future(ask(number)) for number in range(count)]
    await asyncio.sleep(0.5)
    if leader_leaves:
        tasks[0].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    await ask(count)
    return calls, sum(answer == "yes" for answer in done)


def flips(variant: Variant, count: int) -> int:
    """Payloads that are not what was stored, of `count` packed entries with one bit flipped."""
    rng = random.Random(seed() + 1)
    wrong = 0
    for number in range(count):
        payload = rng.randbytes(rng.randrange(1, 400))
        entry = entry_of(f"{number:064x}", payload, tenant="t", now_ns=NOW, ttl_ns=TTL)
        data = bytearray(pack(entry))
        bit = rng.randrange(len(data) * 8)
        data[bit // 8] ^= 1 << bit % 8
        found = unpack(bytes(data))
        wrong += found is not None and variant.is_sound(found, entry.key, "t") and found.payload != payload
    return wrong


async def file_flips(variant: Variant, count: int) -> tuple[int, int]:
    """Wrong payloads, and faults that were raised, of `count` openings of a SQLite file with one bit flipped.

    Each is read whole, written once and read again. A flip in the mark that says whose file it is makes it another program's:
    it is refused at the opening, and that is right.
    """
    rng = random.Random(seed() + 2)
    payloads = {f"{number:064x}": rng.randbytes(500) for number in range(20)}
    wrong = faults = 0
    with TemporaryDirectory() as folder:
        whole = await filled(f"{folder}/cache.db", payloads)
        for number in range(count):
            path = f"{folder}/{number}.db"
            write_flipped(path, whole, rng.randrange(len(whole) * 8))
            try:
                wrong += await reread(variant, path, payloads)
            except CacheFailed:
                faults += 1
            except ConfigurationError as error:
                faults += "another program" not in str(error)
    return wrong, faults


async def filled(path: str, payloads: dict[str, bytes]) -> bytes:
    """The bytes of a file that holds `payloads`."""
    store = SQLiteCache(path)
    for key, payload in payloads.items():
        await store.put(entry_of(key, payload, tenant="t", now_ns=NOW, ttl_ns=TTL), now_ns=NOW)
    await store.aclose()
    return read(path)


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def write_flipped(path: str, data: bytes, bit: int) -> None:
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    with open(path, "wb") as file:
        file.write(damaged)


async def reread(variant: Variant, path: str, payloads: dict[str, bytes]) -> int:
    """Payloads of the file that are not what was stored, before and after one is written anew."""
    store = SQLiteCache(path)
    wrong = 0
    try:
        for key, payload in payloads.items():
            found = await store.get(key, tenant="t", now_ns=NOW)
            wrong += found is not None and variant.is_sound(found, key, "t") and found.payload != payload
        key = next(iter(payloads))
        fresh = entry_of(key, b"fresh", tenant="t", now_ns=NOW, ttl_ns=TTL)
        await store.put(fresh, now_ns=NOW)
        found = await store.get(key, tenant="t", now_ns=NOW)
        wrong += found is not None and variant.is_sound(found, key, "t") and found != fresh
    finally:
        await store.aclose()
    return wrong


def judged(variant: Variant, scale: float) -> Verdict:
    figures: dict[str, int | float | str] = dict(run(keys(variant, sized(1_000_000, scale, least=2_000))))
    size = sized(1_000, scale, least=20)
    calls, served = run(crowd(variant, size, leader_leaves=False))
    late_calls, late_served = run(crowd(variant, size, leader_leaves=True))
    count, openings = sized(10_000, scale, least=500), sized(400, scale, least=20)
    wrong = flips(variant, count)
    file_wrong, faults = run(file_flips(variant, openings))
    figures |= {"callers": size, "calls upstream": calls, "served": served}
    figures |= {"calls where the first left": late_calls, "served then": late_served}
    figures |= {"bits flipped": count + openings, "wrong payloads": wrong + file_wrong, "faults of the file": faults}
    bad = [faults, figures["keys shared"], figures["answers of another"], wrong, file_wrong]
    is_ok = not any(bad) and (calls, served, late_calls, late_served) == (1, size, 1, size - 1)
    return Verdict(is_ok, figures)


def measure(scale: float) -> Verdict:
    return judged(GOOD, scale)


def broken(scale: float) -> Verdict:
    return judged(BAD, scale)
