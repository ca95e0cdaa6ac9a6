"""LlamaTransport: a GGUF model inside this process, behind the same protocol as a server over the network.

The `xllamacpp` wheel carries llama.cpp's server; a request for `/chat/completions` is handed to it as JSON and its answer comes
back as the bytes that the server would have sent, so the codec, the time-outs and every layer above work unchanged. The model is
loaded on the first request, by one worker thread that also runs it: a small machine answers one question at a time, and more
threads than free cores make it slower, which is why one is the default. Cancelling stops the generation at its next token.

Needs `pip install 'backstay[local]'`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from backstay.errors import ConfigurationError, InvalidRequest, ProtocolError, TimedOut
from backstay.transport.base import DEFAULT_TIMEOUTS, Timeouts
from backstay.wire import HTTPRequest

QUIET = -1
"""llama.cpp's verbosity below its errors: what goes wrong is raised, not printed."""


class LlamaTransport:
    """A Transport to the model in the GGUF file at `path`. `context` is its window in tokens, `guard` a key for its own port.

    llama.cpp's server opens a port on loopback whether it is used or not; `guard` is a random text that keeps others out of it.
    Raises ConfigurationError, at the first request, where the file is missing or no model.
    """

    def __init__(self, path: str | Path, *, guard: str, threads: int = 1, context: int = 4096) -> None:
        self._path = Path(path).expanduser()
        self._guard = guard
        self._threads = threads
        self._context = context
        self._server: Any = None
        self._worker: ThreadPoolExecutor | None = None

    async def send(
        self, request: HTTPRequest, *, timeouts: Timeouts = DEFAULT_TIMEOUTS, deadline: float | None = None
    ) -> LlamaResponse:
        """The answer; a stream's chunks follow as they are generated. `deadline` is an instant of the loop's clock."""
        if not request.url.endswith("/chat/completions"):
            raise InvalidRequest("a model in this process answers chat completions and nothing else")
        loop = asyncio.get_running_loop()
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="backstay-llama")
        if timeouts.total is not None:
            deadline = min(deadline or float("inf"), loop.time() + timeouts.total)
        exchange = _Exchange(loop, msgspec.json.decode(request.body, type=dict[str, Any]))
        exchange.begin(loop.run_in_executor(self._worker, self._answer, exchange))
        try:
            async with asyncio.timeout_at(deadline):
                status = await exchange.status
        except TimeoutError as error:
            exchange.stop()
            raise TimedOut("the model in this process did not begin in time", phase="total", sent=True) from error
        except BaseException:
            exchange.stop()
            raise
        return LlamaResponse(exchange, status, deadline)

    def _answer(self, exchange: _Exchange) -> None:
        """In the worker: load the model if need be, and generate."""
        if exchange.is_stopped:
            return
        server = self._loaded()
        try:
            self._generate(server, exchange)
        except RuntimeError as error:  # such as an answer that its token limit cut in the middle of a bound form
            failure = ProtocolError(f"the model in this process gave an answer that llama.cpp cannot read: {error}")
            failure.retryable = False  # the same question would give the same tokens
            raise failure from error

    def _generate(self, server: Any, exchange: _Exchange) -> None:
        if not exchange.body.get("stream"):
            exchange.give(_encoded(server.handle_chat_completions(exchange.body)), last=True)
            return
        failure = server.handle_chat_completions(exchange.body, exchange.chunk)
        if failure is not None and not exchange.is_stopped:
            exchange.give(_encoded(failure), last=True)
        exchange.give((200, b"data: [DONE]\n\n"), last=True)

    def _loaded(self) -> Any:
        if self._server is None:
            library = _library()
            if not self._path.is_file():
                raise ConfigurationError(f"local.path: there is no model file {str(self._path)!r}")
            settings = library.CommonParams()
            settings.model.path = str(self._path)
            settings.n_ctx = self._context
            settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = self._threads
            settings.n_parallel = 1
            settings.warmup = False
            settings.verbosity = QUIET
            settings.api_keys = [self._guard]
            try:
                self._server = library.Server(settings)
            except (RuntimeError, ValueError) as error:
                raise ConfigurationError(
                    f"local.path: {str(self._path)!r} is no model that llama.cpp reads: {error}"
                ) from error
        return self._server

    async def aclose(self) -> None:
        """Free the model and end the worker. Idempotent."""
        worker, self._worker, self._server = self._worker, None, None
        if worker is not None:
            await asyncio.get_running_loop().run_in_executor(None, worker.shutdown)


def _library() -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise ConfigurationError("a model in this process needs llama.cpp: pip install 'backstay[local]'") from error
    return xllamacpp


def _encoded(answer: dict[str, Any]) -> tuple[int, bytes]:
    """Status and body of what llama.cpp gave: an error object has a code of its own."""
    error = answer.get("error", answer if "choices" not in answer and "code" in answer else None)
    if isinstance(error, dict):
        code = error.get("code")
        return (code if isinstance(code, int) and code >= 400 else 500), msgspec.json.encode({"error": error})
    return 200, msgspec.json.encode(answer)


class _Exchange:
    """One request on its way through the worker: what it gave so far, and whether anybody still wants it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, body: dict[str, Any]) -> None:
        self.body = body
        self.chunks: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
        self.status: asyncio.Future[int] = loop.create_future()
        self._loop = loop
        self._stopped = threading.Event()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        """Nobody waits any more: the generation ends at its next token."""
        self._stopped.set()

    def begin(self, work: asyncio.Future[None]) -> None:
        work.add_done_callback(self._finished)

    def chunk(self, piece: dict[str, Any]) -> bool:
        """In the worker: one event of a stream; True stops the generation."""
        status, body = _encoded(piece)
        self.give((status, b"data: " + body + b"\n\n"))
        return self.is_stopped

    def give(self, answer: tuple[int, bytes], *, last: bool = False) -> None:
        """In the worker: hand over bytes; `last` ends the body."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, answer, last)

    def _take(self, answer: tuple[int, bytes], last: bool) -> None:
        if not self.status.done():
            self.status.set_result(answer[0])
        self.chunks.put_nowait(answer[1])
        if last:
            self.chunks.put_nowait(None)

    def _finished(self, work: asyncio.Future[None]) -> None:
        error = None if work.cancelled() else work.exception()
        if error is None:
            return
        if not self.status.done():
            self.status.set_exception(error)
        else:
            self.chunks.put_nowait(error)


class LlamaResponse:
    """A RawResponse whose chunks the worker makes."""

    def __init__(self, exchange: _Exchange, status: int, deadline: float | None) -> None:
        self._exchange = exchange
        self._deadline = deadline
        self._is_done = False
        self.status = status
        self.headers: Mapping[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._next()) is not None:
            yield chunk

    async def _next(self) -> bytes | None:
        if self._is_done:
            return None
        try:
            async with asyncio.timeout_at(self._deadline):
                item = await self._exchange.chunks.get()
        except TimeoutError as error:
            await self.aclose()
            raise TimedOut("the model in this process was not done in time", phase="total", sent=True) from error
        if isinstance(item, BaseException):
            await self.aclose()
            raise item
        self._is_done = item is None
        return item

    async def read(self, max_bytes: int | None = None) -> bytes:
        """The whole body. Raises ProtocolError when it is longer than `max_bytes`."""
        pieces = [chunk async for chunk in self]
        body = b"".join(pieces)
        if max_bytes is not None and len(body) > max_bytes:
            raise ProtocolError(f"the model in this process wrote more than {max_bytes} bytes")
        return body

    async def aclose(self) -> None:
        """Stop the generation if it goes on. Idempotent."""
        self._is_done = True
        self._exchange.stop()
