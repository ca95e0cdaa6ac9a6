"""Eager: a task that runs its first stretch at once, and becomes a task of the loop only where it has to wait.

A coroutine that never waits then costs no turn of the event loop, and nothing is left of it. Otherwise it is a task like any
other: from its first line to its last it sees itself as the current task (`asyncio.timeout` cancels the task in which it was
entered), in a context of its own, and a cancellation reaches it where it waits.

Python 3.12 has this as `Task(eager_start=True)`. For 3.11 it is made here of the functions that asyncio documents for tasks of
one's own (`_enter_task` and `_leave_task`; "Extending" in its manual): the task object is there from the start, so that it can be
the current one, and is initialised, which schedules it, when its coroutine waits for the first time.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextvars import copy_context
from inspect import CORO_CLOSED, getcoroutinestate
from typing import Any, TypeAlias

Work: TypeAlias = Coroutine[Any, Any, None]


def start(work: Work) -> asyncio.Task[None] | None:
    """Run `work` up to where it waits first; the task that does the rest, None where there is none.

    Raises what `work` raises in that stretch.
    """
    if sys.version_info >= (3, 12):
        task = asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
        return None if task.done() and task.result() is None else task
    return _Task(work).begun()


if sys.version_info < (3, 12):
    from asyncio.tasks import _enter_task, _leave_task

    class _Rest(Work):
        """Work as its task drives it: what it waited for at the end of its first stretch comes first."""

        def __init__(self, work: Work) -> None:
            self.work = work
            self.awaited: Any = None
            self.is_driven = False
            self.is_cancelling = False
            self.cancellations: list[Any] = []

        def wait_for(self, awaited: Any) -> None:
            """The first stretch is over; where it was cancelled in that, so is what it waits for."""
            self.awaited = awaited
            if self.cancellations:
                self.cancel(self.cancellations[-1])

        def cancel(self, message: Any) -> None:
            """Cancel what is awaited, as a task does; where that takes place, it is awaited all the same."""
            self.cancellations.append(message)
            if not self.is_driven and self.awaited is not None and self.awaited.cancel(message):
                self.is_cancelling = True

        def has_ended(self) -> bool:
            """True where the first stretch was all."""
            return getcoroutinestate(self.work) == CORO_CLOSED

        def send(self, value: Any) -> Any:
            if self.is_driven:
                return self.work.send(value)
            self.is_driven = True
            if self.has_ended():
                raise StopIteration
            return self.awaited

        def throw(self, *error: Any) -> Any:
            if not self.is_driven:
                self.is_driven = True
                if self.has_ended():
                    raise StopIteration
                if self.is_cancelling:
                    return self.awaited
            return self.work.throw(*error)

        def close(self) -> None:
            self.work.close()

        def __await__(self) -> Any:
            return self.work.__await__()

    class _Task(asyncio.Task[None]):
        """A task that is initialised when it must be: when its work waits, or something is asked of it that needs it."""

        __slots__ = ("_own_context", "_rest", "_work")

        def __init__(self, work: Work) -> None:
            self._work = work
            self._own_context = copy_context()
            self._rest: _Rest | None = None

        def begun(self) -> asyncio.Task[None] | None:
            """Run the first stretch; None where that was all."""
            loop = asyncio.get_running_loop()
            caller = asyncio.current_task(loop)
            if caller is not None:
                _leave_task(loop, caller)
            _enter_task(loop, self)
            try:
                awaited = self._own_context.run(self._work.send, None)
            except StopIteration:
                return None
            finally:
                _leave_task(loop, self)
                if caller is not None:
                    _enter_task(loop, caller)
            self._enlisted().wait_for(awaited)
            return self

        def _enlisted(self) -> _Rest:
            """Become a task of the loop, once."""
            if self._rest is None:
                self._rest = _Rest(self._work)
                super().__init__(self._rest, loop=asyncio.get_running_loop(), context=self._own_context)
            return self._rest

        def cancel(self, msg: Any = None) -> bool:
            self._enlisted().cancel(msg)
            return super().cancel(msg)

        def add_done_callback(self, *arguments: Any, **options: Any) -> None:
            self._enlisted()
            super().add_done_callback(*arguments, **options)

        def get_loop(self) -> asyncio.AbstractEventLoop:
            self._enlisted()
            return super().get_loop()

        def done(self) -> bool:
            self._enlisted()
            return super().done()

        def get_name(self) -> str:
            self._enlisted()
            return super().get_name()

        def set_name(self, value: object, /) -> None:
            self._enlisted()
            super().set_name(value)

        def __repr__(self) -> str:
            self._enlisted()
            return super().__repr__()

        def get_coro(self) -> Any:
            return self._work
