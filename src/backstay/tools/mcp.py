"""MCP: the tools of a Model Context Protocol server, over its standard input and output or over HTTP.

    async with MCPServer.stdio(sys.executable, "server.py") as server:
        for one in await server.tools(prefix="files_"):
            registry.add(one)

What a server says of its own tools is a stranger's word. So its tools count as having a side effect, even where they are
annotated as read-only, until the caller says `is_trusted`; nothing is shown of a server but name, description and schema, which
the registry mends and checks as any other's. Needs the extra `mcp` (the official SDK). Source: MCP specification, 2025-06-18 and
later, section Tools.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from backstay import types
from backstay.errors import ConfigurationError, ToolFailed
from backstay.secret import Secret
from backstay.tools.execution import shorten
from backstay.tools.flag import TIMEOUT, Flags, FlagSettings, flags_of

if TYPE_CHECKING:
    from mcp import Client

MAX_DESCRIPTION: Final = 4_000
"""Characters of a stranger's description that a model is shown."""

MAX_PAGES: Final = 100
"""Pages of a list of tools that are read; a server that has more goes on for ever."""


class MCPServer:
    """A connection to one server, open inside of `async with`. Made by `stdio` or `http`, and bound to the task that opens it."""

    def __init__(self, connect: Callable[[AsyncExitStack], Any], *, name: str) -> None:
        self.name = name
        self._connect = connect
        self._stack = AsyncExitStack()
        self._client: Client | None = None

    @classmethod
    def stdio(cls, command: str, *arguments: str, env: Mapping[str, str] | None = None, cwd: str | None = None) -> Self:
        """A server that is started as a program and ended with the connection. It sees `env` and little else of ours."""
        _require()

        async def connect(stack: AsyncExitStack) -> Any:
            from mcp import StdioServerParameters

            given = None if env is None else dict(env)
            return StdioServerParameters(command=command, args=list(arguments), env=given, cwd=cwd)

        return cls(connect, name=command)

    @classmethod
    def http(cls, url: str, *, headers: Mapping[str, str | Secret] | None = None) -> Self:
        """A server at `url` (streamable HTTP); `headers` go with every request, a Secret among them is told to nobody else."""
        _require()

        async def connect(stack: AsyncExitStack) -> Any:
            import httpx2
            from mcp.client.streamable_http import streamable_http_client

            shown = {name: Secret(value).reveal() for name, value in (headers or {}).items()}
            session = httpx2.AsyncClient(headers=shown, timeout=TIMEOUT, follow_redirects=False)  # they may hold a key
            http_client = await stack.enter_async_context(session)
            return streamable_http_client(url, http_client=http_client)

        return cls(connect, name=url.partition("?")[0])

    async def __aenter__(self) -> Self:
        from mcp import Client

        try:
            place = await self._connect(self._stack)
            self._client = await self._stack.enter_async_context(Client(place))
        except BaseException as error:
            await self._stack.aclose()
            if isinstance(error, (OSError, ValueError)):
                raise ConfigurationError(f"MCP server {self.name}: cannot be started: {error}") from error
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._client = None
        await self._stack.aclose()

    async def tools(
        self, *, prefix: str = "", is_trusted: bool = False, **flags: Unpack[FlagSettings]
    ) -> list[MCPTool]:
        """The server's tools; each name with `prefix` before it, and `flags` over what is known of it.

        A tool has a side effect unless `is_trusted` and the server calls it read-only.
        """
        found: list[MCPTool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._open().list_tools(cursor=cursor)
            for one in page.tools:
                is_reading = is_trusted and one.annotations is not None and one.annotations.read_only_hint is True
                schema = types.Tool(
                    name=f"{prefix}{one.name}",
                    description=shorten(one.description or one.title or "", MAX_DESCRIPTION),
                    parameters=dict(one.input_schema),
                )
                known = flags_of(Flags(side_effect=not is_reading), flags)
                found.append(MCPTool(self, name=one.name, schema=schema, flags=known))
            cursor = page.next_cursor
            if cursor is None:
                return found
        raise ConfigurationError(f"MCP server {self.name}: its list of tools has no end")

    async def call(self, name: str, arguments: dict[str, Any]) -> Any:
        """What the server's tool `name` gives: its structured result, or its text, or its parts. Raises ToolFailed."""
        answer = await self._open().call_tool(name, arguments)
        parts = [_part(one) for one in answer.content]
        text = "\n".join(part.text for part in parts if isinstance(part, types.Text))
        if answer.is_error:
            raise ToolFailed(text or f"{name} failed and does not say why")
        if any(not isinstance(part, types.Text) for part in parts):
            return parts
        return text if answer.structured_content is None else answer.structured_content

    def _open(self) -> Client:
        if self._client is None:
            raise ToolFailed(f"MCP server {self.name}: the connection is not open; use it inside of `async with`")
        return self._client


class MCPTool:
    """One tool of a server."""

    def __init__(self, server: MCPServer, *, name: str, schema: types.Tool, flags: Flags) -> None:
        self.schema = schema
        self.flags = flags
        self._server = server
        self._name = name

    async def execute(self, arguments: dict[str, Any]) -> Any:
        """What the server gives for `arguments`."""
        return await self._server.call(self._name, arguments)


def _part(block: Any) -> types.Text | types.Image | types.File:
    """A content block in this library's words; one that it has no part for is named in words."""
    kind = block.type
    if kind == "text":
        return types.Text(text=block.text)
    if kind == "image":
        return types.Image(data=base64.b64decode(block.data), media_type=block.mime_type)
    if kind == "resource":
        found = block.resource
        text = getattr(found, "text", None)
        data = None if text is not None else base64.b64decode(found.blob)
        return types.File(text=text, data=data, media_type=found.mime_type, name=str(found.uri))
    if kind == "resource_link":
        return types.Text(text=f"[{block.name}: {block.uri}]")
    return types.Text(text=f"[{kind}]")


def _require() -> None:
    try:
        import mcp  # noqa: F401
    except ImportError:
        raise ConfigurationError("MCP servers need the SDK: pip install 'backstay[mcp]'") from None
