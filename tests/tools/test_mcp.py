"""Tools of an MCP server, made with the official SDK, run through the registry: over pipes and over HTTP on loopback."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backstay.errors import ConfigurationError, ToolFailed
from backstay.tools import ToolRegistry
from backstay.tools.mcp import MCPServer
from backstay.types import Image, Text

pytestmark = [pytest.mark.server, pytest.mark.slow]
PROGRAM = str(Path(__file__).with_name("mcp_server.py"))


@contextlib.contextmanager
def http_server() -> Iterator[str]:
    """The server on a port of its own; gone after the block."""
    process = subprocess.Popen([sys.executable, PROGRAM, "http"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextlib.asynccontextmanager
async def opened(kind: str) -> AsyncIterator[MCPServer]:
    """A connection of either kind."""
    with contextlib.ExitStack() as stack:
        if kind == "stdio":
            server = MCPServer.stdio(sys.executable, PROGRAM)
        else:
            server = MCPServer.http(stack.enter_context(http_server()), headers={"x-shelf": "1"})
        async with server:
            yield server


@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_a_servers_tools_run_in_the_registry(kind: str) -> None:
    """Listed with their schemas, checked, run, failed and drawn as any other tool."""
    async with opened(kind) as server:
        registry = ToolRegistry(*await server.tools(prefix="shelf_", tags=["books"]))
        assert registry.names("books") == ["shelf_burn", "shelf_count", "shelf_cover", "shelf_put"]
        assert (await registry.execute("shelf_put", {"title": "atlas", "copies": "2"})).value == {"result": "atlas: 5"}
        assert (await registry.execute("shelf_count", {"title": "atlas"})).value == {"result": 5}
        wrong = await registry.execute("shelf_put", {"copies": 1})
        assert (wrong.outcome, "$.title" in wrong.text) == ("invalid", True)
        burnt = await registry.execute("shelf_burn", {"title": "atlas"})
        assert burnt.outcome == "failed"
        assert "not burnt" in burnt.text
        content = (await registry.execute("shelf_cover", {"title": "atlas"})).content
        assert content == (Text(text="atlas"), Image(data=b"\x89PNG", media_type="image/png"))
    closed = await registry.execute("shelf_count", {"title": "atlas"})
    assert closed.outcome == "failed"


async def test_a_strangers_word_is_not_taken() -> None:
    """Read-only by annotation counts only for a server that is trusted."""
    async with opened("stdio") as server:
        strange = {one.schema.name: one.flags.side_effect for one in await server.tools()}
        trusted = {one.schema.name: one.flags.side_effect for one in await server.tools(is_trusted=True)}
    assert set(strange.values()) == {True}
    assert trusted == {"count": False, "put": True, "burn": True, "cover": True}


async def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    """A program that cannot be started, and a connection that is not open."""
    with pytest.raises(ConfigurationError, match="no-such-program"):
        async with MCPServer.stdio("/no-such-program"):
            pass
    with pytest.raises(ToolFailed, match="not open"):
        await MCPServer.stdio("x").tools()
