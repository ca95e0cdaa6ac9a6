"""A small MCP server made with the official SDK: over standard input and output, or over HTTP on a port that it prints."""

from __future__ import annotations

import socket
import sys
from typing import Any

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

server = MCPServer("shelf")
BOOKS: dict[str, int] = {"atlas": 3}


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def count(title: str) -> int:
    """How many copies there are."""
    return BOOKS.get(title, 0)


@server.tool()
def put(title: str, copies: int = 1) -> str:
    """Put copies on the shelf."""
    BOOKS[title] = BOOKS.get(title, 0) + copies
    return f"{title}: {BOOKS[title]}"


@server.tool()
def burn(title: str) -> str:
    """Never allowed."""
    raise ToolError("books are not burnt here")


@server.tool(structured_output=False)
def cover(title: str) -> list[Any]:
    """A picture and a word."""
    return [title, Image(data=b"\x89PNG", format="png")]


def main() -> None:
    if sys.argv[1:] == ["http"]:
        import uvicorn

        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(server.streamable_http_app(), log_level="error", lifespan="on")
        uvicorn.Server(config).run(sockets=[listener])
    else:
        server.run("stdio")


if __name__ == "__main__":
    main()
