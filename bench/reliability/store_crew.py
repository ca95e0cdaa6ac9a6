"""The crew of the goals about shared stores: processes that work for `store_worker`, and what the store says in the end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from bench.reliability.store_worker import Done, Job, opened

from backstay.stores.limit import Standing

ROOT = Path(__file__).parents[2]


def start(job: Job) -> subprocess.Popen[bytes]:
    """A process that does `job`."""
    command = [sys.executable, "-m", "bench.reliability.store_worker", msgspec.json.encode(job).decode()]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(crew: Sequence[subprocess.Popen[bytes]], seconds: float) -> list[Done]:
    """What all of them came to. Raises RuntimeError with what a process said where one failed; none is left running."""
    done = []
    try:
        for process in crew:
            out, errors = process.communicate(timeout=seconds)
            if process.returncode != 0:
                raise RuntimeError(errors.decode()[-2000:])
            done.append(msgspec.json.decode(out, type=Done))
    finally:
        for process in crew:
            if process.poll() is None:
                process.kill()
                process.communicate()
    return done


def standings(job: Job) -> dict[str, Standing]:
    """How the rules of the job's store stand now, by their keys."""

    async def asked() -> dict[str, Standing]:
        store = opened(job)
        try:
            return {each.rule.key: each for each in await store.standings()}
        finally:
            await store.aclose()

    return asyncio.run(asked())
