"""Target: one place where a question can be asked: a provider's row, a model, a key, an address.

`parse_model("anthropic:claude-sonnet-5")` splits a model string; `Target.address` turns a codec's path into a full request, with
the key in a header or, where the key is never sent, with a signature over all of it.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from backstay.codecs.base import Asking
from backstay.codecs.sigv4 import AWSCredentials, sign
from backstay.errors import ConfigurationError, LLMError
from backstay.ports import Clock
from backstay.secret import Secret
from backstay.wire import HTTPRequest


class Signer(Protocol):
    """Proves an absolute request at the instant at which it is made."""

    def __call__(self, http: HTTPRequest, /) -> HTTPRequest: ...

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What must not be seen in an error that quotes the request."""


class AWSSigner(msgspec.Struct, frozen=True, kw_only=True):
    """Signature Version 4 with one set of credentials; the signature's date is the wall clock's."""

    credentials: AWSCredentials
    region: str
    service: str
    clock: Clock

    def __call__(self, http: HTTPRequest, /) -> HTTPRequest:
        now = self.clock.wall_ns() / 1e9
        return sign(http, self.credentials, region=self.region, service=self.service, now=now)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secret key and the session token: AWS quotes the request in the error that refuses its signature."""
        found = (self.credentials.secret_access_key, self.credentials.session_token)
        return tuple(secret for secret in found if secret is not None)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Provider, model and key, with the codec that speaks to it. Its name, "provider:model", is how logs and rows call it."""

    provider: str
    model: str
    codec: Asking
    base_url: str
    headers: dict[str, str | Secret] = {}
    query: str = ""
    signer: Signer | None = None

    @property
    def name(self) -> str:
        """ "provider:model"."""
        return f"{self.provider}:{self.model}"

    def scrub(self, text: str) -> str:
        """`text` without this target's keys: providers quote a key that they refuse in the message that refuses it."""
        secrets = [value for value in self.headers.values() if isinstance(value, Secret)]
        for value in (*secrets, *(self.signer.secrets if self.signer is not None else ())):
            plain = value.reveal()
            text = text.replace(plain, "***").replace(plain.rpartition(" ")[2], "***")
        return text

    def scrubbed(self, error: LLMError) -> LLMError:
        """The error without our keys in it, should the provider have quoted one."""
        clean = self.scrub(error.message)
        if clean != error.message:
            error.message = clean
            error.args = (clean, *error.args[1:])
        return error

    def address(self, http: HTTPRequest) -> HTTPRequest:
        """`http` with the absolute URL of this target, its headers (the key among them), and its signature."""
        url = self.base_url.rstrip("/") + http.url
        if self.query:
            url = f"{url}{'&' if '?' in url else '?'}{self.query}"
        absolute = msgspec.structs.replace(http, url=url, headers={**http.headers, **self.headers})
        return absolute if self.signer is None else self.signer(absolute)


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
