"""What every test shares: coroutine tests run on a fresh event loop; `corpus` tests find the recorded material or say why not."""

from __future__ import annotations

import asyncio
import inspect
import os
from pathlib import Path

import pytest

CORPUS = Path(os.environ.get("BACKSTAY_CORPUS", Path(__file__).resolve().parents[2] / "shared"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test under its own `asyncio.Runner`, so nothing leaks from one test's loop into the next."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    with asyncio.Runner() as runner:
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
