"""What every test shares: coroutine tests run in virtual time; `corpus` tests find the recorded material or say why not.

BACKSTAY_TEST_PROFILE=fast (which `scripts/test fast` sets) draws few examples for each property, whatever the test asks for.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from backstay.sim import SimLoop

FEW = 8
"""Examples of each property in the fast profile; the whole suite draws what the tests ask for, a hundred by default."""
settings.register_profile("full", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=FEW)
PROFILE = os.environ.get("BACKSTAY_TEST_PROFILE", "full")
settings.load_profile(PROFILE)

HOME = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
CORPUS = Path(os.environ.get("BACKSTAY_CORPUS", Path(__file__).resolve().parents[2] / "shared"))


def pytest_configure(config: pytest.Config) -> None:
    """Commands that a test starts find an empty home: they read nobody's settings, and write to nobody's ledger."""
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # as in a shell's background, and the tests' programs inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    home = config.stash[HOME] = tempfile.TemporaryDirectory(prefix="backstay-home-", ignore_cleanup_errors=True)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        os.environ[name] = str(Path(home.name) / name)


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[HOME].cleanup()


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
    if PROFILE == "fast":
        for item in items:
            draw_few(getattr(item, "obj", None))
    if CORPUS.is_dir():
        return
    skip = pytest.mark.skip(reason=f"no corpus at {CORPUS.name!r}: set BACKSTAY_CORPUS")
    for item in items:
        if "corpus" in item.keywords:
            item.add_marker(skip)


def draw_few(test: Any) -> None:
    """Bound the examples of a property that asks for a number of its own. Hypothesis keeps it in this attribute only."""
    asked = getattr(test, "_hypothesis_internal_use_settings", None)
    if asked is not None and asked.max_examples > FEW:
        test._hypothesis_internal_use_settings = settings(asked, max_examples=FEW)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of recorded traffic and real documents."""
    return CORPUS
