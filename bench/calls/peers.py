"""The clients that are compared: each makes one call, or one stream, against the benchmark's server.

A peer is a function of the server's port that gives two coroutine functions: `ask()` reads a whole answer's text, `stream()`
counts the events of a streamed one. Every peer's retries are left as they ship; nothing fails here.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any

Calls = tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[int]] | None]
PROMPT = "Why is the sky blue? " * 10
MESSAGES: Any = [{"role": "user", "content": PROMPT}]


def backstay_bare(port: int) -> Calls:
    """The transport alone: the limit of what any client over it can reach."""
    import msgspec

    from backstay.transport.http import HTTPTransport
    from backstay.wire import HTTPRequest

    transport = HTTPTransport()
    body = msgspec.json.encode({"model": "gpt-5-mini", "messages": MESSAGES})
    streamed = msgspec.json.encode({"model": "gpt-5-mini", "messages": MESSAGES, "stream": True})
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    headers = {"content-type": "application/json", "authorization": "Bearer x"}

    async def ask() -> Any:
        raw = await transport.send(HTTPRequest(url=url, headers=headers, body=body))
        return msgspec.json.decode(await raw.read())

    async def stream() -> int:
        raw = await transport.send(HTTPRequest(url=url, headers=headers, body=streamed))
        return (await raw.read()).count(b"data: ")

    return ask, stream


def backstay(port: int) -> Calls:
    """The client with its default stack on: checks, retry, time-outs, a durable ledger row before and after each call."""
    from backstay.client import Client
    from backstay.config import load

    folder = tempfile.mkdtemp()
    loaded = load(
        environ={"OPENAI_API_KEY": "made-up", "HOME": folder},
        arguments={
            "model": "openai:gpt-5-mini",
            "providers.openai.base_url": f"http://127.0.0.1:{port}/v1",
            "providers.openai.key": "env:OPENAI_API_KEY",
            "ledger.path": os.path.join(folder, "ledger.db"),
            "ledger.mode": os.environ.get("BENCH_LEDGER", "full"),
            "cache.store": "off",  # the same question over and over would not be asked
            "limits.requests_per_minute": 10_000_000,
            "limits.tokens_per_minute": 10_000_000_000,
            "limits.requests_per_day": 1_000_000_000,
            "limits.tokens_per_day": 1_000_000_000_000,
        },
        cwd=folder,
        user_folder=folder,
    )
    client = Client(loaded=loaded)
    number = itertools.count()  # so that no two calls are one

    async def ask() -> Any:
        return (await client.generate(PROMPT, seed=next(number))).text

    async def stream() -> int:
        count = 0
        async for _ in client.stream(PROMPT, seed=next(number)):
            count += 1
        return count

    return ask, stream


def openai(port: int) -> Calls:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="x", base_url=f"http://127.0.0.1:{port}/v1")

    async def ask() -> Any:
        return (await client.chat.completions.create(model="gpt-5-mini", messages=MESSAGES)).choices[0].message.content

    async def stream() -> int:
        count = 0
        async for _ in await client.chat.completions.create(model="gpt-5-mini", messages=MESSAGES, stream=True):
            count += 1
        return count

    return ask, stream


def anthropic(port: int) -> Calls:
    from anthropic import AsyncAnthropic

    client = AsyncAnthropic(api_key="x", base_url=f"http://127.0.0.1:{port}")

    async def ask() -> Any:
        answer = await client.messages.create(model="claude-sonnet-4-5", max_tokens=1024, messages=MESSAGES)
        return answer.content[0].text

    return ask, None


def litellm(port: int) -> Calls:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm as library

    settings = {
        "model": "openai/gpt-5-mini",
        "api_key": "x",
        "api_base": f"http://127.0.0.1:{port}/v1",
        "messages": MESSAGES,
    }

    async def ask() -> Any:
        return (await library.acompletion(**settings)).choices[0].message.content

    async def stream() -> int:
        count = 0
        async for _ in await library.acompletion(**settings, stream=True):
            count += 1
        return count

    return ask, stream


def langchain(port: int) -> Calls:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="gpt-5-mini", api_key="x", base_url=f"http://127.0.0.1:{port}/v1", use_responses_api=False)  # type: ignore[arg-type]

    async def ask() -> Any:
        return (await model.ainvoke(PROMPT)).content

    async def stream() -> int:
        count = 0
        async for _ in model.astream(PROMPT):
            count += 1
        return count

    return ask, stream


def any_llm(port: int) -> Calls:
    from any_llm import AnyLLM

    client = AnyLLM.create("openai", api_key="x", api_base=f"http://127.0.0.1:{port}/v1")

    async def ask() -> Any:
        return (await client.acompletion(model="gpt-5-mini", messages=MESSAGES)).choices[0].message.content

    async def stream() -> int:
        count = 0
        async for _ in await client.acompletion(model="gpt-5-mini", messages=MESSAGES, stream=True):
            count += 1
        return count

    return ask, stream


PEERS = {
    "bare transport": ("backstay.transport.http", backstay_bare),
    "backstay": ("backstay.client", backstay),
    "openai SDK": ("openai", openai),
    "anthropic SDK": ("anthropic", anthropic),
    "litellm": ("litellm", litellm),
    "langchain-openai": ("langchain_openai", langchain),
    "any-llm-sdk": ("any_llm", any_llm),
}
"""Name, the module whose import is timed, and the peer."""
