"""The local provider: models in GGUF files, run inside this process, asked like any other.

`local:model` is the file that the settings name, `local:/path/to/model.gguf` any other. Each file is loaded once, on its first
question, and freed when the client closes.
"""

from __future__ import annotations

from backstay.codecs.registry import provider
from backstay.errors import ConfigurationError
from backstay.ports import World
from backstay.provider import Provider
from backstay.service import Call, Reply
from backstay.target import Target, parse_model
from backstay.transport.base import Timeouts
from backstay.transport.llama import LlamaTransport

CONFIGURED = "model"
"""The model name that stands for the file in the settings."""


class Local:
    """A service that runs GGUF files. `path` is the configured file; `threads` and `context` hold for all of them."""

    is_costly = True
    """An answer takes seconds of a processor: worth keeping, and worth joining."""

    def __init__(self, path: str | None, *, threads: int, context: int, timeouts: Timeouts, world: World) -> None:
        self._path = path
        self._threads = threads
        self._context = context
        self._timeouts = timeouts
        self._world = world
        self._loaded: dict[str, tuple[LlamaTransport, Provider]] = {}

    @property
    def context_window(self) -> int:
        """Tokens that a question and its answer may have together."""
        return self._context

    async def __call__(self, call: Call, /) -> Reply:
        _, name = parse_model(call.request.model)
        path = self._path if name == CONFIGURED else name
        if path is None:
            raise ConfigurationError("local.path: no model file is set; set it, or ask local:/path/to/model.gguf")
        if path not in self._loaded:
            self._loaded[path] = self._load(path)
        return await self._loaded[path][1](call)

    def _load(self, path: str) -> tuple[LlamaTransport, Provider]:
        guard = self._world.ids.new() + self._world.ids.new()
        transport = LlamaTransport(path, guard=guard, threads=self._threads, context=self._context)
        codec = provider("llamacpp").codec()
        target = Target(provider="local", model=path, codec=codec, base_url="local:")
        return transport, Provider(target, transport, timeouts=self._timeouts, clock=self._world.clock)

    async def aclose(self) -> None:
        """Free every model. Idempotent."""
        loaded, self._loaded = self._loaded, {}
        for transport, _ in loaded.values():
            await transport.aclose()
