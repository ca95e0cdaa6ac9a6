"""The servers that other tests rely on: they start, restart without forgetting, and leave nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers import PostgresServer, Server, Unavailable, ValkeyServer, running

pytestmark = pytest.mark.server


def is_running(pid: int) -> bool:
    """False for a process that has ended, even where nobody has asked after it yet (a zombie has no command line)."""
    file = Path(f"/proc/{pid}/cmdline")
    return file.exists() and file.read_bytes() != b""


@pytest.mark.parametrize("make", [ValkeyServer, PostgresServer])
def test_a_server_comes_back_and_leaves_nothing(make: Callable[[], Server]) -> None:
    """Started, killed, started again, removed: no process and no folder stays."""
    try:
        with running(make) as server:
            first = server.pids()
            server.kill()
            assert server.pids() == []
            server.start()
            second = server.pids()
            folder = Path(server.url.partition("/")[2].rpartition("=")[2])
    except Unavailable as reason:
        pytest.skip(str(reason))
    assert first[0] != second[0]
    assert not any(is_running(pid) for pid in (first[0], second[0]))
    assert not folder.exists()
    assert os.getpid() not in first
