"""Tooling: one live run of a tool, noted: its arguments by their hash and as they are, its result or its error, its time."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import msgspec

from backstay.ports import World
from backstay.replay.current import entered
from backstay.replay.entry import ToolRun
from backstay.replay.failure import to_failure
from backstay.replay.notebook import Notebook
from backstay.replay.run import ToolAsked, state_of, tool_key


class ToolNoting(NamedTuple):
    """How one live run of a tool is noted."""

    notebook: Notebook
    world: World
    tick: int | None

    async def run(self, tool: ToolAsked) -> Any:
        """What `tool` gives, noted with how long it took. Raises TypeError where JSON would not give it back."""
        form = state_of(tool.arguments)
        key = tool_key(tool.name, form)
        start = self.world.clock.monotonic()
        about: dict[str, Any] = {
            "name": tool.name,
            "key": key,
            "ordinal": self.notebook.ordinal(key),
            "arguments": msgspec.Raw(form),
            "has_side_effect": tool.has_side_effect,
            "tick": self.tick,
            "at": self.notebook.at(self.world),
        }
        try:
            with entered("below"):
                result = tool.execute()
                if inspect.isawaitable(result):
                    result = await result
            written = _written(tool.name, result, tool.type)
        except Exception as error:
            about["duration"] = self.world.clock.monotonic() - start
            self.notebook.add(ToolRun(**about, failure=to_failure(error)))
            raise
        about["duration"] = self.world.clock.monotonic() - start
        self.notebook.add(ToolRun(**about, result=msgspec.Raw(written)))
        return result


def _written(name: str, result: Any, type: Any) -> bytes:
    """`result` as JSON that gives it back."""
    written = msgspec.json.encode(result)
    if msgspec.json.decode(written, type=type) != result:
        raise TypeError(
            f"JSON would change what the tool {name!r} gave: say its type, as in run.tool(..., type=Forecast)"
        )
    return written
