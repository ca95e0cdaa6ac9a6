"""Dispatch: from a model string to the stack that answers for it.

A target's stack is built on its first call and kept: its retry budget, breaker and connections are shared by all later calls.
The order of the layers, outer to inner, with the reason of each, is in `docs/layers.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from backstay.codecs.base import Asking
from backstay.codecs.embedding import EmbeddingRequest
from backstay.codecs.placeholder import fill
from backstay.codecs.registry import ProviderRow, default_registry
from backstay.codecs.sigv4 import region_of
from backstay.config import Loaded
from backstay.errors import ConfigurationError
from backstay.layers.check import Check
from backstay.layers.retry import RetryPolicy
from backstay.ports import World
from backstay.provider import Provider
from backstay.secret import Secret
from backstay.service import Call, Layer, Reply, Service, stack
from backstay.target import AWSSigner, Signer, Target, parse_model
from backstay.transport.base import Timeouts, Transport

LayersOf = Callable[[str], tuple[Layer, ...]]


class Dispatch:
    """A service that hands each call to its target's stack.

    `services` answer for a provider name themselves ("offline", "scripted", or a user's own); every other name is a row of the
    registry or of the configuration. `keys` are keys given in code, which win over configured references.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        services: Mapping[str, Service],
        keys: Mapping[str, Secret],
        transport: Callable[[], Transport],
        world: World,
        layers: LayersOf,
    ) -> None:
        self._loaded = loaded
        self._services = services
        self._keys = keys
        self._transport = transport
        self._world = world
        self._layers = layers
        self._stacks: dict[str, Service] = {}
        self._embedders: dict[str, Service] = {}

    async def __call__(self, call: Call, /) -> Reply:
        request = call.request
        service = self.embedder(request.model) if isinstance(request, EmbeddingRequest) else self.service(request.model)
        return await service(call)

    def service(self, model: str) -> Service:
        """The stack of "provider:model". Raises ConfigurationError for an unknown provider or a missing key."""
        found = self._stacks.get(model)
        if found is None:
            found = self._stacks[model] = stack(self._innermost(model, self.target), *self._layers(model))
        return found

    def embedder(self, model: str) -> Service:
        """The stack that makes vectors with "provider:model": the same layers but for Check, which judges conversations."""
        found = self._embedders.get(model)
        if found is None:
            layers = [layer for layer in self._layers(model) if not isinstance(layer, Check)]
            found = self._embedders[model] = stack(self._innermost(model, self.embedding_target), *layers)
        return found

    def _innermost(self, model: str, aim: Callable[[str, str], Target]) -> Service:
        provider, name = parse_model(model)
        if provider in self._services:
            return self._services[provider]
        target = aim(provider, name)
        return Provider(target, self._transport(), timeouts=timeouts_of(self._loaded), clock=self._world.clock)

    def is_service(self, provider: str) -> bool:
        """True for a name that answers itself, without codec and transport."""
        return provider in self._services

    def is_inside(self, provider: str) -> bool:
        """True for a name that answers inside this process; a service of a user's own that does not says `is_remote`."""
        return provider in self._services and not getattr(self._services[provider], "is_remote", False)

    def is_free(self, model: str) -> bool:
        """True where an answer takes next to nothing to make, so that keeping it or joining it would gain nothing: rules and
        scripts in this process. A service of this process that works hard for its answers says `is_costly`."""
        provider = model.partition(":")[0]
        return self.is_inside(provider) and not getattr(self._services[provider], "is_costly", False)

    def context_window(self, provider: str) -> int | None:
        """The window, in tokens, of a service that states one; None for all others."""
        return getattr(self._services.get(provider), "context_window", None)

    def target(self, provider: str, model: str) -> Target:
        """The Target of a configured provider: its row, with what the settings change about it."""
        row = self.row(provider)
        return self._target(row, model, row.codec())

    def embedding_target(self, provider: str, model: str) -> Target:
        """The Target of a configured provider's embeddings. Raises ConfigurationError where it has none."""
        row = self.row(provider)
        return self._target(row, model, row.embedding_codec())

    def _target(self, row: ProviderRow, model: str, codec: Asking) -> Target:
        template = self._loaded.provider(row.name).base_url or row.base_url
        if not template:
            raise ConfigurationError(f"providers.{row.name}.base_url: this provider has no address of its own; set one")
        lookup = self._loaded.environment.get
        base_url = fill(template, row.placeholders, lookup, model=model, provider=row.name)
        key = self._keys.get(row.name) or self._loaded.key(row.name)
        signer = None if key is not None else self._signer(row, base_url)
        return Target(
            provider=row.name,
            model=model,
            codec=codec,
            base_url=base_url,
            headers={**row.auth_headers(key, is_signed=signer is not None), **self._loaded.headers(row.name)},
            query=fill(row.query, row.placeholders, lookup, model=model, provider=row.name),
            signer=signer,
        )

    def _signer(self, row: ProviderRow, base_url: str) -> Signer | None:
        """The signer of a provider whose requests AWS credentials prove; the address's own region wins over the environment's."""
        credentials = self._loaded.credentials(row.name)
        if credentials is None:
            return None
        region = region_of(base_url) or fill(
            "{region}", row.placeholders, self._loaded.environment.get, model="", provider=row.name
        )
        return AWSSigner(credentials=credentials, region=region, service=row.service, clock=self._world.clock)

    def row(self, provider: str) -> ProviderRow:
        """The registry's row, or one made of the settings for a server of the user's own. Raises ConfigurationError."""
        settings = self._loaded.provider(provider)
        known = {row.name: row for row in default_registry().providers()}
        if provider in known:
            row = known[provider]
            return (
                row if settings.dialect is None else msgspec.structs.replace(row, dialect=settings.dialect, rules=None)
            )
        if settings.base_url is None:
            return default_registry().provider(provider)
        has_key = settings.key is not None or provider in self._keys
        return ProviderRow(
            name=provider,
            dialect=settings.dialect or "openai_chat",
            base_url=settings.base_url,
            auth="bearer" if has_key else "none",  # a server of one's own need not ask for a key
            embedding_path="/embeddings",
        )


def timeouts_of(loaded: Loaded) -> Timeouts:
    """The configured waits, as the transport takes them."""
    return Timeouts(**msgspec.structs.asdict(loaded.config.timeouts))


def retry_policy_of(loaded: Loaded) -> RetryPolicy:
    """The configured retry policy."""
    settings: dict[str, Any] = msgspec.structs.asdict(loaded.config.retry)
    return RetryPolicy(**{name: settings[name] for name in RetryPolicy.__struct_fields__})
