"""What every test shares: coroutine tests run in virtual time; `corpus` tests find the recorded material or say why not."""

from __future__ import annotations

import asyncio
import inspect
import os
from pathlib import Path

import pytest

from backstay.sim import SimLoop

CORPUS = Path(os.environ.get("BACKSTAY_CORPUS", Path(__file__).resolve().parents[2] / "shared"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test on a fresh loop: in virtual time, or on a real loop when it is marked `server`."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    factory = None if pyfuncitem.get_closest_marker("server") else SimLoop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(pyfuncitem.obj(**arguments))
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CORPUS.is_dir():
        return
    skip = pytest.mark.skip(reason=f"no corpus at {CORPUS.name!r}: set BACKSTAY_CORPUS")
    for item in items:
        if "corpus" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of recorded traffic and real documents."""
    return CORPUS
