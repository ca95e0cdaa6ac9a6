"""Portal: a door from blocking code into an event loop that runs in a thread of its own.

`asyncio.run` per call would open new connections each time and fails inside a running loop. A portal keeps one loop in one daemon
thread, so blocking calls work in scripts, in threads, in notebooks and inside async handlers (where they block that handler, as
blocking calls do). After a fork the child has no such thread; the portal notices and starts a new one.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class Portal:
    """Runs coroutines on its loop and waits for them. Usable from any thread; started by its first use."""

    def __init__(self, name: str = "backstay") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    @property
    def generation(self) -> int:
        """A number that changes when the loop is another one: what was bound to the old loop must be made anew."""
        return self._pid

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._start()
            assert self._loop is not None
            return self._loop

    def _start(self) -> None:
        loop = asyncio.new_event_loop()
        started = threading.Event()

        def serve() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(started.set)
            loop.run_forever()

        self._thread = threading.Thread(target=serve, name=self._name, daemon=True)
        self._thread.start()
        started.wait()
        self._loop, self._pid = loop, os.getpid()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Interrupted (Ctrl-C), it cancels the work, waits for its clean end, and raises."""
        loop = self._running()
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a blocking call inside its own loop would wait for itself: use the async client there")
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """`items`, one at a time, each awaited on the loop."""

        async def following() -> tuple[bool, Any]:
            try:
                return True, await anext(items)
            except StopAsyncIteration:
                return False, None

        while True:
            has_item, item = self.run(following())
            if not has_item:
                return
            yield item

    def close(self) -> None:
        """Stop the loop and join its thread. Idempotent; in a forked child it forgets the parent's."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            if loop is None or thread is None or self._pid != os.getpid():
                return
        asyncio.run_coroutine_threadsafe(_cancel_rest(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_rest() -> None:
    """End whatever still runs, and let asynchronous generators close."""
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
