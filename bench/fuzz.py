#!/usr/bin/env python3
"""Throw mutated bodies of recorded traffic at every decoder: how many, what escaped the error tree, which was slowest.

    python bench/fuzz.py FILE.jsonl.gz [--inputs 1000000] [--seed 1] [--minutes 20]

A mutation replaces, deletes, repeats or swaps JSON tokens (the body stays nearly well formed and says something else), or flips,
cuts and splices bytes. Binary event streams are mutated inside their messages too, with checksums made right again. Each input is
decoded the way it was recorded, what comes out is encoded again, and now and then it is read as an error and as a client's
request. The whole run is a function of the seed. Exit code 1 when an exception outside the error tree was seen, or an input took
a second or more.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "codecs"), str(ROOT / "src")]

from wire_record import Record, read_records  # noqa: E402

from backstay.codecs.base import Codec  # noqa: E402
from backstay.codecs.eventstream import EventStreamParser, write_message  # noqa: E402
from backstay.codecs.registry import codec, dialects  # noqa: E402
from backstay.errors import LLMError  # noqa: E402
from backstay.fold import fold  # noqa: E402
from backstay.types import Request  # noqa: E402
from backstay.wire import HTTPRequest  # noqa: E402

VALUE = re.compile(rb'(?<=[:,\[])\s*("(?:[^"\\]|\\.)*"(?!\s*:)|-?\d[\d.eE+-]*|true|false|null)(?=\s*[,\]}])')
NAME = re.compile(rb'"(?:[^"\\]|\\.)*"(?=\s*:)')
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[\[\]{}:,]|data: |event: \w+|\r?\n')
ODD = (
    b"null", b"[]", b"{}", b"0", b"-1", b"1.5", b"99999999999999999999", b"true", b'"x"', b'""', b"[null]", b"[1]", b"[{}]",
    b'{"a":1}', b'["x"]', b'"\\ud83d"', b'"{}"', b'[{"type":"text","text":null}]',
)  # fmt: skip
BROKEN = (b"1e999", b"NaN", b"]", b"}", b",", b"\n\n", b"[DONE]", b'"\\ud800"', b"")
SLOW = 1.0
MAX_BYTES = 200_000


class Places(NamedTuple):
    """Where a body's JSON values, its names, and all its tokens stand."""

    values: list[tuple[int, int]]
    names: list[tuple[int, int]]
    tokens: list[tuple[int, int]]


def places_of(body: bytes) -> Places:
    spans = [[match.span(match.lastindex or 0) for match in kind.finditer(body)] for kind in (VALUE, NAME, TOKEN)]
    return Places(*spans)


class Seed(NamedTuple):
    """A recorded body, the places of its JSON, and its messages where it is a binary stream."""

    record: Record
    dialect: Codec
    body: bytes
    places: Places
    messages: list[tuple[dict[str, object], bytes]]


def seeds(path: Path) -> list[Seed]:
    """Every record of a dialect that we speak."""
    codecs = {name: codec(name) for name in dialects()}
    found = []
    for record in read_records(path):
        if record.dialect in codecs and 0 < len(record.body) < MAX_BYTES:
            is_binary = record.api == "converse_stream" and record.kind == "stream"
            messages = list(EventStreamParser().feed(record.body)) if is_binary else []
            places = places_of(b"" if is_binary else record.body)
            found.append(Seed(record, codecs[record.dialect], record.body, places, messages))
    return found


def mutate(seed: Seed, chance: random.Random, others: list[Seed]) -> bytes:
    """A mutated body of `seed`."""
    if seed.messages and chance.random() < 0.8:
        messages = list(seed.messages)
        number = chance.randrange(len(messages))
        headers, payload = messages[number]
        messages[number] = headers, by_token(payload, places_of(payload), chance)
        if chance.random() < 0.2:
            chance.shuffle(messages)
        return b"".join(write_message(headers, payload) for headers, payload in messages)
    body = seed.body
    if seed.places.tokens and chance.random() < 0.75:
        return by_token(body, seed.places, chance)
    return by_byte(body, chance, chance.choice(others).body)


def by_token(body: bytes, places: Places, chance: random.Random) -> bytes:
    """One to three values of another kind, names that changed places, or, now and then, tokens that break the JSON."""
    for _ in range(chance.randint(1, 3)):
        dice = chance.random()
        kind = places.values if dice < 0.6 else places.names if dice < 0.9 else places.tokens
        start, end = chance.choice(kind) if kind else (0, 0)
        if end > len(body):
            continue
        if dice < 0.6:
            new = chance.choice(ODD)
        elif dice < 0.9:
            new = body[slice(*chance.choice(kind))] if kind else b"{}"
        else:
            new = chance.choice((*BROKEN, body[start:end] * 2))
        body = body[:start] + new.ljust(end - start) + body[end:]
        if len(new) > end - start:
            break
    return body


def by_byte(body: bytes, chance: random.Random, other: bytes) -> bytes:
    """Bytes flipped, cut out, repeated, cut off, or followed by the end of another body."""
    place = chance.randrange(len(body))
    match chance.randrange(5):
        case 0:
            return body[:place] + bytes([body[place] ^ (1 << chance.randrange(8))]) + body[place + 1 :]
        case 1:
            return body[:place] + body[place + chance.randint(1, 40) :]
        case 2:
            return body[:place] + body[place : place + 40] * 3 + body[place:]
        case 3:
            return body[:place]
        case _:
            return body[:place] + other[chance.randrange(len(other)) :]


def read(seed: Seed, body: bytes, chance: random.Random) -> str:
    """Decode `body` as it was recorded, and encode what it says; the outcome in a word. LLMErrors are outcomes."""
    dialect = seed.dialect
    if chance.random() < 0.1:
        try:
            dialect.encode(dialect.decode_request(HTTPRequest(url=str(seed.record.model), body=body)))
        except LLMError:
            pass
    if seed.record.kind == "error" or chance.random() < 0.1:
        str(dialect.decode_error(chance.choice((400, 429, 500)), seed.record.headers, body))
    try:
        if seed.record.kind != "stream":
            dialect.encode_response(dialect.decode(body))
            return "answer"
        decoder, encoder, cut = dialect.decoder(), dialect.encoder(Request(model="m")), chance.randrange(len(body) + 1)
        events = [*decoder.feed(body[:cut]), *decoder.feed(body[cut:]), *decoder.finish()]
        for event in events:
            encoder.encode(event)
        encoder.finish()
        fold(events)
    except LLMError as error:
        return type(error).__name__
    return "stream"


def run(path: Path, inputs: int, seed: int, minutes: float) -> int:
    """The whole run; 0 when nothing escaped and nothing was slow."""
    chance, found = random.Random(seed), seeds(path)
    escaped: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    slowest, began, count = (0.0, ""), time.monotonic(), 0
    while count < inputs and time.monotonic() - began < minutes * 60:
        chosen = chance.choice(found)
        body = mutate(chosen, chance, found)
        start = time.process_time()
        try:
            outcomes[read(chosen, body, chance)] += 1
        except Exception as error:  # noqa: BLE001 - what escapes is what this program is for
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = (
                f"{chosen.dialect.name}: {type(error).__name__}: {error} at {Path(place.filename).name}:{place.lineno}"
            )
            escaped[where[:300]] += 1
        slowest = max(slowest, (time.process_time() - start, chosen.record.id))
        count += 1
    print(f"{count} inputs from {len(found)} bodies, seed {seed}, {time.monotonic() - began:.0f} s")
    print(", ".join(f"{name} {number}" for name, number in outcomes.most_common()))
    print(f"slowest: {slowest[0]:.3f} s CPU ({slowest[1]})")
    print(f"outside the error tree: {sum(escaped.values())}")
    for where, number in escaped.most_common(40):
        print(f"  {number} x {where}")
    return 1 if escaped or slowest[0] >= SLOW else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=20.0)
    given = parser.parse_args()
    return run(given.file, given.inputs, given.seed, given.minutes)


if __name__ == "__main__":
    raise SystemExit(main())
