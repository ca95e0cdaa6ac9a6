"""Redis and Valkey: one script an operation, one round trip, and a connection that is either clean or closed.

An operation is a Lua script: the server runs it whole and alone, so nothing comes between the look and the change. It is called
by its digest and sent in full only where the server does not know it (a restart forgets scripts). Time is the server's own.

A connection whose command was cancelled, timed out or broke is closed, never used again: the answer that is still on its way
would be handed to the next caller (redis-py, CVE-2023-28858). A command on a connection that had been idle, and was closed by
the server meanwhile, is sent again on a new one; every operation is idempotent by its id.

All keys begin with `{name}`, braces included: a cluster keeps the keys of one name on one node, where scripts can reach them
together. Needs `pip install 'backstay[redis]'`.
"""

from __future__ import annotations

import asyncio
import hashlib
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backstay.errors import ConfigurationError
from backstay.secret import Secret
from backstay.stores.failure import StoreFailed

if TYPE_CHECKING:
    from valkey.asyncio.connection import AbstractConnection


class Script:
    """A Lua script and its digest, as the server computes it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    @classmethod
    def read(cls, *names: str) -> Script:
        """The script in the files `names` of this package, joined in this order."""
        return cls("\n".join(_read(name) for name in names))


class Redis:
    """Connections to `url` (redis://, rediss://, unix://), opened when they are needed, on one event loop.

    `name` begins every key: two programs with one server take two names. `timeout` is the most seconds that a command may take,
    its wait for a connection included; at most `max_connections` are open. Raises ConfigurationError where the driver is missing
    or the address is none.
    """

    def __init__(
        self, url: str | Secret, *, name: str = "backstay", max_connections: int = 8, timeout: float = 5.0
    ) -> None:
        if not name or set(name) & set("{}"):
            raise ConfigurationError(f"Redis name {name!r}: is a word without braces, which begins every key")
        self._driver = _driver()
        self._timeout = timeout
        self.prefix = f"{{{name}}}"
        plain = Secret(url).reveal()
        address = f"redis{plain.removeprefix('valkey')}" if plain.startswith("valkey") else plain
        try:
            self._factory = self._driver.asyncio.ConnectionPool.from_url(address, socket_connect_timeout=timeout)
        except (ValueError, TypeError) as error:
            raise ConfigurationError("the address of Redis is none: redis://host:port/0 or unix:///path") from error
        self._idle: list[AbstractConnection] = []
        self._room = asyncio.Semaphore(max_connections)
        self.commands = 0

    async def run(self, script: Script, keys: list[str], arguments: Sequence[str | bytes | int]) -> Any:
        """What `script` answers for `keys` (without the prefix). Raises StoreFailed."""
        rest = [len(keys), *(self.prefix + key for key in keys), *arguments]
        try:
            return await self.command("EVALSHA", script.digest, *rest)
        except self._driver.exceptions.NoScriptError:
            return await self.command("EVAL", script.source, *rest)

    async def command(self, *parts: str | bytes | int | float) -> Any:
        """The server's answer to one command. Raises StoreFailed where there is none, or it is an error of the server."""
        try:
            async with asyncio.timeout(self._timeout), self._room:
                return await self._sent(parts)
        except TimeoutError as error:
            raise StoreFailed(f"Redis took longer than {self._timeout:g} s", is_uncertain=True) from error
        except self._driver.exceptions.NoScriptError:
            raise
        except (OSError, self._driver.exceptions.ConnectionError, self._driver.exceptions.TimeoutError) as error:
            raise StoreFailed(f"Redis cannot be reached: {type(error).__name__}", is_uncertain=True) from error
        except self._driver.exceptions.ValkeyError as error:
            raise StoreFailed(f"Redis refused: {error}") from error

    async def _sent(self, parts: tuple[Any, ...]) -> Any:
        if self._idle:
            try:
                return await self._over(self._idle.pop(), parts)
            except (OSError, self._driver.exceptions.ConnectionError):
                await self._drop_idle()  # the server closed it while nobody looked; so it did with the others
        return await self._over(self._factory.make_connection(), parts)

    async def _over(self, connection: AbstractConnection, parts: tuple[Any, ...]) -> Any:
        """One command over one connection, which is idle again, or closed."""
        is_clean = False
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            self.commands += 1
            await connection.send_packed_command(connection.pack_command(*parts), check_health=False)
            answer = await connection.read_response()
            is_clean = True
            return answer
        except self._driver.exceptions.ResponseError:
            is_clean = connection.is_connected  # the server said no, and all of it was read
            raise
        finally:
            if is_clean:
                self._idle.append(connection)
            else:
                await connection.disconnect(nowait=True)  # does not wait, so a cancellation cannot come between

    async def _drop_idle(self) -> None:
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)

    async def aclose(self) -> None:
        """Close the connections that are idle. Idempotent."""
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.disconnect()
            except (OSError, self._driver.exceptions.ValkeyError):
                continue  # it was broken already


def _read(name: str) -> str:
    text = pkgutil.get_data("backstay.stores", f"scripts/{name}")
    if text is None:
        raise FileNotFoundError(f"backstay.stores/scripts/{name}: is missing from this installation")
    return text.decode()


def _driver() -> Any:
    try:
        import valkey.asyncio
    except ImportError:
        raise ConfigurationError("Redis needs its driver: pip install 'backstay[redis]'") from None
    return valkey
