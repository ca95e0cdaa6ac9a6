"""Servers for the tests of stores: one of each kind a session, skipped with the reason where it cannot run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.servers import PostgresServer, Server, Unavailable, ValkeyServer, running


def _served(make: Callable[[], Server]) -> Iterator[Server]:
    try:
        with running(make) as server:
            yield server
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """A Valkey that all tests of the session share."""
    yield from _served(ValkeyServer)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL that all tests of the session share."""
    yield from _served(PostgresServer)
