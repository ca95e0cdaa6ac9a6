"""Guard: no connection leaves a replay, not even to this machine: a silent live call would make a replay a lie.

While it is on, `connect`, `connect_ex` and `sendto` of every socket of the process and `getaddrinfo` raise `NetworkBlocked`. It
is the whole process's, because threads do the work of event loops; several replays at once share it, and the last one to leave
puts back what was there.
"""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Any, ClassVar, NoReturn

from backstay.errors import ReplayMiss
from backstay.replay.divergence import place_of_caller

METHODS = ("connect", "connect_ex", "sendto")


class NetworkBlocked(ReplayMiss):
    """The program asked for the network in a replay. `address` is where it wanted to go."""

    def __init__(self, address: str, place: str | None) -> None:
        super().__init__(
            f"a replay has no network, and {address} was asked for"
            + (f" at {place}" if place else "")
            + ": what the program needs from there must be recorded, as a model call or with run.tool(...)"
        )
        self.address = address


class SocketGuard:
    """A context manager; entering it closes the network."""

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _users: ClassVar[int] = 0
    _getaddrinfo: ClassVar[Any] = None

    def __enter__(self) -> None:
        with self._lock:
            SocketGuard._users += 1
            if SocketGuard._users == 1:
                SocketGuard._getaddrinfo = socket.getaddrinfo
                for name in METHODS:
                    setattr(socket.socket, name, _refuse_method)
                setattr(socket, "getaddrinfo", _refuse_lookup)  # noqa: B010

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            SocketGuard._users -= 1
            if SocketGuard._users == 0:
                for name in METHODS:
                    delattr(socket.socket, name)  # the C class below has the real ones
                setattr(socket, "getaddrinfo", SocketGuard._getaddrinfo)  # noqa: B010


def _refuse_method(self: socket.socket, *arguments: Any) -> NoReturn:
    raise NetworkBlocked(repr(arguments[-1]) if arguments else "a connection", place_of_caller())


def _refuse_lookup(host: Any, port: Any, *rest: Any, **options: Any) -> NoReturn:
    raise NetworkBlocked(f"the address of {host!r}", place_of_caller())
