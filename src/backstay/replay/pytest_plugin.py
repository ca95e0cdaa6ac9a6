"""The pytest plugin: a test that asks a model asks it once, when it is recorded, and is answered from its journal ever after.

    @pytest.mark.backstay_replay
    def test_summary():
        with Client("openai:gpt-5-mini") as client:
            assert summarize(client, "...") == "All is well."

`pytest --backstay-record` asks live and (re)writes the journals; without it they are replayed, strictly, with the network closed,
and a test without a journal fails. A journal stands beside its test in `journals/<file>/<test>.jsonl`, or where the marker says.
The marker takes the settings of `replay` (`mode`, `live_tasks`, `speed`) and `has_clock` of `record`; the fixture `backstay_run`
is the run, for ticks, draws and snapshots. A test that fails while it is recorded leaves its old journal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from backstay.replay.recording import Recording
    from backstay.replay.replaying import Replaying

MARKER = "backstay_replay"
_FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--backstay-record`."""
    parser.getgroup("backstay").addoption(
        "--backstay-record", action="store_true", help="Ask live and (re)write the journals of backstay_replay tests."
    )


def pytest_configure(config: pytest.Config) -> None:
    """The marker's words for `pytest --markers`."""
    words = "answered from a recorded journal; --backstay-record writes it"
    config.addinivalue_line("markers", f"{MARKER}(path=None, mode='strict', live_tasks=(), speed=None): {words}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember whether the test itself failed: then its teardown has nothing to add."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[_FAILED] = bool(report.failed)


@pytest.fixture(autouse=True)
def _backstay_marked(request: pytest.FixtureRequest) -> None:
    """A marked test is recorded or replayed whether or not it names the fixture."""
    if request.node.get_closest_marker(MARKER) is not None:
        request.getfixturevalue("backstay_run")


@pytest.fixture
def backstay_run(request: pytest.FixtureRequest) -> Iterator[Recording | Replaying]:
    """The run around this test."""
    from backstay.replay.current import entered
    from backstay.replay.recording import Recording
    from backstay.replay.replaying import Replaying

    marker = request.node.get_closest_marker(MARKER)
    settings = dict(marker.kwargs) if marker else {}
    path = _path(request, settings.pop("path", None) or (marker.args[0] if marker and marker.args else None))
    has_clock = settings.pop("has_clock", False)
    run: Recording | Replaying
    if request.config.getoption("--backstay-record"):
        path.parent.mkdir(parents=True, exist_ok=True)
        run = Recording(path, has_clock=has_clock, overwrite=True)
    elif not path.exists():
        pytest.fail(f"there is no journal {path}: record it with `pytest --backstay-record`", pytrace=False)
    else:
        run = Replaying(path, **settings)
    run.begin()
    with entered(run):
        yield run
    if request.node.stash.get(_FAILED, False):
        run.abandon()
    else:
        run.finish()


def _path(request: pytest.FixtureRequest, given: str | None) -> Path:
    test = Path(request.node.path)
    if given is not None:
        return test.parent / given
    name = re.sub(r"[^\w.-]+", "-", request.node.name).strip("-")
    return test.parent / "journals" / test.stem / f"{name}.jsonl"
