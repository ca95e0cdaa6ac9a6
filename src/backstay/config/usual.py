"""The variables that other tools already use, as rows: which setting each of them is.

Variables of keys and addresses come from the provider registry; the rows here are the few that it does not have, and the models
to use when only a provider is named. A default model is the provider's small general one: good enough for a first call, never
the dearest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import msgspec

from backstay.codecs.placeholder import holes
from backstay.codecs.registry import ProviderRow
from backstay.config.environment import Environment
from backstay.errors import ConfigurationError

OFFLINE: Final = "offline:rules"
BUILT_IN: Final[Mapping[str, str | None]] = MappingProxyType({"offline": "rules", "scripted": None, "local": "model"})
"""Providers that are part of the library, with the default model of each."""

DEFAULT_MODELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openai": "gpt-5-mini",
        "anthropic": "claude-haiku-4-5",
        "gemini": "gemini-3.5-flash",
        "mistral": "mistral-small-latest",
        "groq": "openai/gpt-oss-20b",
        "deepseek": "deepseek-chat",
        "xai": "grok-4.5",
        "openrouter": "openai/gpt-5-mini",
        "together": "openai/gpt-oss-20b",
        "llamacpp": "default",
    }
)


ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "google": "gemini",
        "claude": "anthropic",
        "grok": "xai",
        "x-ai": "xai",
        "llama.cpp": "llamacpp",
        "llama_cpp": "llamacpp",
        "llama-server": "llamacpp",
        "azure_openai": "azure",
        "azure-openai": "azure",
    }
)
"""What LLM_PROVIDER is set to elsewhere for a provider of ours."""


class Usual(msgspec.Struct, frozen=True, kw_only=True):
    """A variable that stands for a setting; `read` turns its text into the setting's."""

    variable: str
    place: tuple[str, ...]
    read: Callable[[str], str]


def server_address(like: str | None, text: str) -> str:
    """The base URL of a server that a variable names more or less: "0.0.0.0", "gpu-box:8080", "http://gpu-box:8080/v1".

    What is missing is taken from `like`, the address of that provider's row: its port where there is no scheme either, its path
    where there is none. An address to listen on ("0.0.0.0", "") becomes one to connect to. Raises ValueError for no URL.
    """
    model = urlsplit(like if like and "://" in like else "")
    url = urlsplit(text if "://" in text else f"http://{text}")
    host = LISTENING.get(url.hostname or "", url.hostname or "")
    host = f"[{host}]" if ":" in host else host
    port = url.port or (None if "://" in text else model.port)
    path = url.path.rstrip("/") or model.path
    if url.query or "@" in url.netloc:
        raise ValueError("not the address of a server")
    return f"{url.scheme}://{host}{f':{port}' if port else ''}{path}"


LISTENING: Final[Mapping[str, str]] = MappingProxyType({"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"})


def region_address(like: str | None, text: str) -> str:
    """The address of a provider's region, from the template of its row. Raises ValueError for what is no region's name."""
    if not re.fullmatch(r"[a-z0-9-]+", text):
        raise ValueError("not the name of a region")
    return (like or "").replace("{region}", text)


ADDRESSES: Final = (
    ("AZURE_OPENAI_ENDPOINT", "azure", server_address),
    ("AZURE_OPENAI_ENDPOINT", "azure_responses", server_address),
    ("AZURE_OPENAI_ENDPOINT", "azure_classic", server_address),
    ("AWS_REGION", "bedrock", region_address),
    ("AWS_DEFAULT_REGION", "bedrock", region_address),
)
"""Variable, provider, and how the text is read, where a row's `url_env` does not say it."""


def usual(rows: Sequence[ProviderRow]) -> Iterator[Usual]:
    """All such variables but LLM_PROVIDER and LLM_MODEL, which make one setting together; of one setting, the first set wins."""
    for row in rows:
        for variable in row.key_env:
            yield Usual(variable=variable, place=("providers", row.name, "key"), read=partial(_reference, variable))
        read = partial(server_address, row.base_url) if row.is_local else _same
        for variable in row.url_env:
            yield Usual(variable=variable, place=("providers", row.name, "base_url"), read=read)
    like = {row.name: row.base_url for row in rows}
    for variable, name, complete in ADDRESSES:
        if name in like:
            yield Usual(variable=variable, place=("providers", name, "base_url"), read=partial(complete, like[name]))


def _reference(variable: str, text: str) -> str:
    return f"env:{variable}"


def _same(text: str) -> str:
    return text


def has_address(row: ProviderRow, environment: Environment) -> bool:
    """True for a row whose address is whole, or made whole by the environment's names for the user's own parts of it."""
    try:
        return not holes(row.base_url, row.placeholders, environment.get)
    except ConfigurationError:
        return True  # what is wrong with the variable is said where the address is made


PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
"""Read only where `transport.trust_env` is on; the first that is set counts."""
