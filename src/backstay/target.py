"""Target: one place where a question can be asked: a provider's row, a model, a key, an address.

`parse_model("anthropic:claude-sonnet-5")` splits a model string; `Target.address` turns a codec's path into a full request.
"""

from __future__ import annotations

import msgspec

from backstay.codecs.base import Codec
from backstay.errors import ConfigurationError
from backstay.secret import Secret
from backstay.wire import HTTPRequest


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Provider, model and key, with the codec that speaks to it. Its name, "provider:model", is how logs and rows call it."""

    provider: str
    model: str
    codec: Codec
    base_url: str
    headers: dict[str, str | Secret] = {}

    @property
    def name(self) -> str:
        """ "provider:model"."""
        return f"{self.provider}:{self.model}"

    def scrub(self, text: str) -> str:
        """`text` without this target's keys: providers quote a key that they refuse in the message that refuses it."""
        for value in self.headers.values():
            if isinstance(value, Secret):
                plain = value.reveal()
                text = text.replace(plain, "***").replace(plain.rpartition(" ")[2], "***")
        return text

    def address(self, http: HTTPRequest) -> HTTPRequest:
        """`http` with the absolute URL of this target, and its headers (the key among them)."""
        return msgspec.structs.replace(
            http, url=self.base_url.rstrip("/") + http.url, headers={**http.headers, **self.headers}
        )


def parse_model(text: str) -> tuple[str, str]:
    """Provider and model of "provider:model"; the model may hold colons itself ("ollama:qwen3:4b").

    Raises ConfigurationError where one of the two is missing.
    """
    provider, colon, model = text.partition(":")
    if not colon or not provider or not model:
        raise ConfigurationError(
            f"model {text!r}: write it as provider:model, for example 'openai:gpt-5-mini' or 'offline:rules'"
        )
    return provider, model
