"""Dispatch: from a model string to the stack that answers for it.

A target's stack is built on its first call and kept: its retry budget, breaker and connections are shared by all later calls.
The order of the layers, outer to inner, with the reason of each, is in `docs/layers.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from backstay.codecs.registry import ProviderRow, default_registry
from backstay.config import Loaded
from backstay.errors import ConfigurationError
from backstay.layers.retry import RetryPolicy
from backstay.ports import World
from backstay.provider import Provider
from backstay.secret import Secret
from backstay.service import Call, Layer, Reply, Service, stack
from backstay.target import Target, parse_model
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

    async def __call__(self, call: Call, /) -> Reply:
        return await self.service(call.request.model)(call)

    def service(self, model: str) -> Service:
        """The stack of "provider:model". Raises ConfigurationError for an unknown provider or a missing key."""
        found = self._stacks.get(model)
        if found is None:
            found = self._stacks[model] = stack(self._innermost(model), *self._layers(model))
        return found

    def _innermost(self, model: str) -> Service:
        provider, name = parse_model(model)
        if provider in self._services:
            return self._services[provider]
        target = self.target(provider, name)
        return Provider(target, self._transport(), timeouts=timeouts_of(self._loaded), clock=self._world.clock)

    def is_service(self, provider: str) -> bool:
        """True for a name that answers itself, without codec and transport."""
        return provider in self._services

    def target(self, provider: str, model: str) -> Target:
        """The Target of a configured provider: its row, with what the settings change about it."""
        row = self.row(provider)
        settings = self._loaded.provider(provider)
        key = self._keys.get(provider) or self._loaded.key(provider)
        base_url = settings.base_url or row.base_url
        if not base_url:
            raise ConfigurationError(f"providers.{provider}.base_url: this provider has no address of its own; set one")
        return Target(
            provider=provider,
            model=model,
            codec=row.codec(),
            base_url=base_url,
            headers={**row.auth_headers(key), **self._loaded.headers(provider)},
        )

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
        return ProviderRow(name=provider, dialect=settings.dialect or "openai_chat", base_url=settings.base_url)


def timeouts_of(loaded: Loaded) -> Timeouts:
    """The configured waits, as the transport takes them."""
    return Timeouts(**msgspec.structs.asdict(loaded.config.timeouts))


def retry_policy_of(loaded: Loaded) -> RetryPolicy:
    """The configured retry policy."""
    settings: dict[str, Any] = msgspec.structs.asdict(loaded.config.retry)
    return RetryPolicy(**{name: settings[name] for name in RetryPolicy.__struct_fields__})
