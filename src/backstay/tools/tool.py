"""Tool: a typed function as a tool, and the one form in which a registry keeps tools of every kind.

    @tool(tags=["metrics"], ttl=60)
    async def get_metrics(system_id: str, window: int = 60) -> dict[str, float]:
        '''The latest metrics of a system.

        Args:
            system_id: which system
            window: seconds to look back
        '''

An object with a `schema` (a `types.Tool`, or its parts as a dict) and an async `execute(arguments)` is a tool as well; so is
everything that an MCP server offers (`tools/mcp.py`). A sync function runs in a thread, so that it holds nobody up; `inline=True`
says that it never waits and may run where it stands.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias, Unpack, overload, runtime_checkable

import msgspec

from backstay import types
from backstay.errors import ConfigurationError
from backstay.tools.check import ArgumentCheck
from backstay.tools.flag import Flags, FlagSettings, ToolContext, flags_of
from backstay.tools.mend import mend_name, mend_schema
from backstay.tools.signature import CONTEXT, read_signature

Run: TypeAlias = Callable[[dict[str, Any], ToolContext], Awaitable[Any]]


@runtime_checkable
class Executable(Protocol):
    """A tool made by hand: its `schema`, and what it does. It may have `flags` (a Flags), and take a `context` beside."""

    @property
    def schema(self) -> types.Tool | Mapping[str, Any]: ...

    async def execute(self, arguments: dict[str, Any], /) -> Any: ...


class FunctionTool:
    """A function that knows its schema and flags. Called, it is the function itself."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        inline: bool = False,
        flags: Flags | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.flags = flags or Flags()
        self._signature = read_signature(function)
        self._inline = inline
        self.schema = types.Tool(
            name=name or str(getattr(function, "__name__", type(function).__name__)),
            description=self._signature.description if description is None else description,
            parameters=self._signature.parameters,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    async def execute(self, arguments: dict[str, Any], context: ToolContext | None = None) -> Any:
        """What the function gives for JSON `arguments`, which are converted to its parameters' types first."""
        given = self._signature.convert(arguments)
        if self._signature.wants_context:
            given[CONTEXT] = context or ToolContext()
        if self._inline or _is_async(self.function):
            found = self.function(**given)
        else:
            found = await asyncio.to_thread(functools.partial(self.function, **given))
        return await found if inspect.isawaitable(found) else found


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, inline: bool = False, **flags: Unpack[FlagSettings]
) -> Callable[[Callable[..., Any]], FunctionTool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    inline: bool = False,
    **flags: Unpack[FlagSettings],
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """`function` as a tool; with settings, a decorator that makes one. Raises ConfigurationError for what can be none."""

    def made(function: Callable[..., Any]) -> FunctionTool:
        chosen = flags_of(Flags(), flags)
        return FunctionTool(function, name=name, description=description, inline=inline, flags=chosen)

    return made if function is None else made(function)


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as a registry keeps it: a schema that every provider takes, its flags, the check of its arguments, and how it runs.

    `alias` is the name that it came with, where that was mended; `mended` says what was changed in its schema.
    """

    schema: types.Tool
    flags: Flags
    run: Run
    check: ArgumentCheck
    alias: str | None = None
    mended: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name under which it is called."""
        return self.schema.name


def bind(source: FunctionTool | Executable | Callable[..., Any], settings: FlagSettings) -> Bound:
    """Any kind of tool in the registry's form. Raises ConfigurationError where its schema is past mending."""
    if not isinstance(source, Executable):
        if not callable(source):
            raise ConfigurationError(
                f"{source!r}: is no tool; give a function, or an object with `schema` and `execute`"
            )
        source = FunctionTool(source)
    schema = _schema_of(source.schema)
    flags = flags_of(getattr(source, "flags", None) or Flags(), settings)
    name, parameters, mended = mend_name(schema.name), *mend_schema(schema.parameters)
    notes = mended if name == schema.name else (f"name {schema.name!r}: called {name!r}", *mended)
    return Bound(
        schema=msgspec.structs.replace(schema, name=name, parameters=parameters),
        flags=flags,
        run=_runner(source),
        check=ArgumentCheck(name, parameters),
        alias=None if name == schema.name else schema.name,
        mended=notes,
    )


def _schema_of(schema: types.Tool | Mapping[str, Any]) -> types.Tool:
    """A types.Tool from one, from its parts, or from a wire form with the parts under `function`."""
    if isinstance(schema, types.Tool):
        return schema
    parts = schema.get("function", schema)
    if not isinstance(parts, Mapping) or not isinstance(parts.get("name"), str):
        raise ConfigurationError("a tool's schema is a types.Tool, or a dict with name, description and parameters")
    parameters = parts.get("parameters") or parts.get("input_schema") or parts.get("inputSchema") or {}
    return types.Tool(name=parts["name"], description=str(parts.get("description", "")), parameters=dict(parameters))


def _runner(source: Executable) -> Run:
    execute: Callable[..., Awaitable[Any]] = source.execute
    if CONTEXT in inspect.signature(execute).parameters:
        return lambda arguments, context: execute(arguments, context=context)
    return lambda arguments, context: execute(arguments)
