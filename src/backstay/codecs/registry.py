"""The registry: providers as data. A provider is a row: where it is, how its key is sent, which dialect it speaks, and how.

`provider("groq")` gives a row, `row.codec()` its codec. Rows of the user's own are added by making a new registry
(`DEFAULT.with_rows(row)`); there is no table that changes. The shipped rows stand in `provider_table.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import msgspec

from backstay.codecs.base import Codec, EmbeddingCodec
from backstay.codecs.openai_rule import ChatRules
from backstay.codecs.placeholder import Placeholder
from backstay.errors import ConfigurationError
from backstay.secret import Secret

Auth: TypeAlias = Literal["bearer", "x-api-key", "api-key", "x-goog-api-key", "sigv4", "none"]
"""How a key is sent. "sigv4": as a bearer token where there is one, else AWS credentials sign each request."""

_CODECS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openai_chat": "backstay.codecs.openai_chat:OpenAIChat",
        "openai_responses": "backstay.codecs.openai_responses:OpenAIResponses",
        "anthropic": "backstay.codecs.anthropic:AnthropicCodec",
        "gemini": "backstay.codecs.gemini:GeminiCodec",
        "bedrock": "backstay.codecs.bedrock:BedrockCodec",
        "ollama": "backstay.codecs.ollama:Ollama",
    }
)
"""Dialects, and the class that speaks each; imported when it is first asked for."""

_EMBEDDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openai_embedding": "backstay.codecs.embedding:OpenAIEmbedding",
        "gemini_embedding": "backstay.codecs.embedding_other:GeminiEmbedding",
        "vertex_embedding": "backstay.codecs.embedding_other:VertexEmbedding",
        "ollama_embedding": "backstay.codecs.embedding_other:OllamaEmbedding",
    }
)
"""Dialects of embeddings, likewise."""


class ProviderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One provider, or one kind of local server.

    `base_url` is without a trailing slash; a `{hole}` in it is filled by `placeholders`, or by a base_url of the user's own.
    `query` (with holes too) is added to every URL. `key_env` and `url_env` name environment variables, the preferred one
    first; whoever reads the environment reads them. `rules` is the dialect's own struct of differences (None: the dialect's
    defaults), `settings` what else its codec takes. `embedding_path` is None where there is no such API, `embedding` the
    dialect that it speaks, with `embedding_settings`. `service` is the AWS service that signatures are for. `source` is the
    page that the facts are from.
    """

    name: str
    dialect: str
    base_url: str
    key_env: tuple[str, ...] = ()
    url_env: tuple[str, ...] = ()
    auth: Auth = "bearer"
    headers: dict[str, str] = {}
    is_local: bool = False
    rules: ChatRules | None = None
    settings: dict[str, Any] = {}
    embedding_path: str | None = None
    embedding: str = "openai_embedding"
    embedding_settings: dict[str, Any] = {}
    placeholders: dict[str, Placeholder] = {}
    query: str = ""
    service: str = ""
    source: str = ""

    @property
    def needs_key(self) -> bool:
        """True when a call without a key is refused."""
        return self.auth != "none" and not self.is_local

    def codec(self) -> Codec:
        """The codec that speaks to this provider."""
        rules = {} if self.rules is None else {"rules": self.rules}
        return _load(self.dialect)(**rules, **self.settings)

    def embedding_codec(self) -> EmbeddingCodec:
        """The codec of this provider's embeddings. Raises ConfigurationError where it has none."""
        if self.embedding_path is None:
            raise ConfigurationError(
                f"{self.name} has no embeddings: ask a provider that has them, such as openai or gemini"
            )
        make: Callable[..., EmbeddingCodec] = _find(_EMBEDDINGS[self.embedding])
        return make(path=self.embedding_path, **self.embedding_settings)

    def auth_headers(self, key: Secret | None, *, is_signed: bool = False) -> dict[str, str | Secret]:
        """The headers that carry `key`, and the row's own; lower-case names.

        `is_signed`: a signature will stand in for a key. Raises ConfigurationError without a needed key.
        """
        headers: dict[str, str | Secret] = dict(self.headers)
        if key is None:
            if self.needs_key and not is_signed:
                where = " or ".join(self.key_env) or "the configuration"
                raise ConfigurationError(f"{self.name}: there is no key: set {where}")
            return headers
        if self.auth in ("bearer", "sigv4"):
            headers["authorization"] = Secret(f"Bearer {key.reveal()}")
        elif self.auth != "none":
            headers[self.auth] = key
        return headers


class Registry:
    """An immutable set of provider rows; a later row replaces an earlier one of the same name."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Iterable[ProviderRow]) -> None:
        self._rows = {row.name: row for row in rows}

    def with_rows(self, *rows: ProviderRow) -> Registry:
        """A registry that holds `rows` too."""
        return Registry((*self._rows.values(), *rows))

    def provider(self, name: str) -> ProviderRow:
        """The row called `name`. Raises ConfigurationError that suggests the nearest names."""
        row = self._rows.get(name) or self._rows.get(name.strip().lower().replace("-", "_"))
        if row is None:
            raise ConfigurationError(_unknown("provider", name, self._rows))
        return row

    def providers(self) -> tuple[ProviderRow, ...]:
        """All rows, in the order in which they were given."""
        return tuple(self._rows.values())


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(names)}"
    return f"there is no {what} {name!r}: {hint}"


def codec(name: str) -> Codec:
    """The codec of the dialect called `name`, with its default rules. Raises ConfigurationError for an unknown one."""
    return _load(name)()


@cache
def _load(dialect: str) -> Callable[..., Codec]:
    place = _CODECS.get(dialect)
    if place is None:
        raise ConfigurationError(_unknown("dialect", dialect, _CODECS))
    make: Callable[..., Codec] = _find(place)
    return make


def _find(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def dialects() -> tuple[str, ...]:
    """The names of all dialects."""
    return tuple(_CODECS)


@cache
def default_registry() -> Registry:
    """The registry of the shipped rows."""
    return Registry(import_module("backstay.codecs.provider_table").ROWS)


def provider(name: str) -> ProviderRow:
    """The shipped row called `name`."""
    return default_registry().provider(name)


def providers() -> tuple[ProviderRow, ...]:
    """All shipped rows."""
    return default_registry().providers()
