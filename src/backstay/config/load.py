"""Load: arguments over environment over file over defaults, each value with where it came from, all faults at once.

`merge.py` does the joining; here is what the rest of the library sees. The world (environment, working folder, the user's
folder) comes in as arguments, whose defaults are this process's own.

>>> loaded = load(environ={"OPENAI_API_KEY": "made-up-key"}, arguments={"retry.max_attempts": 5}, cwd="/", user_folder="/")
>>> loaded.config.retry.max_attempts, loaded.sources["retry.max_attempts"], loaded.sources["timeouts.total"]
(5, 'argument', 'default')
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from backstay.codecs.registry import ProviderRow, providers
from backstay.codecs.sigv4 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, AWSCredentials
from backstay.config import file
from backstay.config.aws import find_credentials
from backstay.config.entry import Arguments
from backstay.config.environment import Environment
from backstay.config.file import Source
from backstay.config.merge import settle
from backstay.config.reference import Keyring, is_reference, resolve
from backstay.config.setting import Config, Provider
from backstay.errors import ConfigurationError
from backstay.secret import Secret


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Settings with their provenance. It holds no key, only references; `key`, `headers` and `proxy` resolve them when asked.

    `sources` maps each setting to "default", "file backstay.toml:12", "environment LLM_MODEL" or "argument". `model` is the
    model to ask, chosen where the settings leave it open. `source` is the file that was read.
    """

    config: Config
    sources: dict[str, str]
    model: str
    source: Source | None
    rows: tuple[ProviderRow, ...]
    environment: Environment
    keyring: Keyring | None = None

    def provider(self, name: str) -> Provider:
        """What the settings say of a provider; an empty row where they say nothing."""
        return self.config.providers.get(name, Provider())

    def key(self, name: str) -> Secret | None:
        """The key of a provider; None for one that needs none. Raises ConfigurationError where it is missing, with the remedy."""
        provider = self.provider(name)
        if provider.key is not None:
            return resolve(provider.key, self.environment, keyring=self.keyring)
        row = self._row(name)
        if row is None or not row.needs_key or self.credentials(name) is not None:
            return None
        ways = [f"export {variable}=..." for variable in row.key_env]
        if row.auth == "sigv4":
            ways.append(f"export {ACCESS_KEY_ID}=... {SECRET_ACCESS_KEY}=... or AWS_PROFILE=...")
        raise ConfigurationError(f"{name} has no key. Remedy: {' or '.join(ways)} or set providers.{name}.key")

    def credentials(self, name: str) -> AWSCredentials | None:
        """The AWS credentials that sign a provider's requests; None where it takes none, has a key, or there are none.

        They come from the environment or the profile files (`aws.py`). Raises ConfigurationError where they are broken.
        """
        row = self._row(name)
        if row is None or row.auth != "sigv4" or self.provider(name).key is not None:
            return None
        try:
            return find_credentials(self.environment)
        except ConfigurationError as error:
            raise ConfigurationError(*(f"{name}: {fault}" for fault in error.faults)) from None

    def _row(self, name: str) -> ProviderRow | None:
        return next((row for row in self.rows if row.name == name), None)

    def headers(self, name: str) -> dict[str, str | Secret]:
        """The additional headers of a provider, references resolved. Raises ConfigurationError as `key` does."""
        return {
            header: resolve(value, self.environment, keyring=self.keyring) if is_reference(value) else value
            for header, value in self.provider(name).headers.items()
        }

    def address(self, store: str) -> Secret:
        """The address of a shared store, "postgres" or "redis". Raises ConfigurationError where it is missing."""
        reference: str | None = getattr(self.config.stores, store)
        if reference is None:
            raise ConfigurationError(
                f"stores.{store}: there is no address; set it to env:NAME, where NAME holds the URL"
            )
        return resolve(reference, self.environment, keyring=self.keyring)

    def proxy(self) -> Secret | None:
        """The proxy's URL, a Secret because it may hold a password; None for no proxy."""
        proxy = self.config.transport.proxy
        if proxy is None:
            return None
        return resolve(proxy, self.environment, keyring=self.keyring) if is_reference(proxy) else Secret(proxy)


def load(
    path: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    arguments: Mapping[str, Any] | Arguments | None = None,
    cwd: str | Path | None = None,
    user_folder: str | Path | None = None,
    rows: Sequence[ProviderRow] | None = None,
    services: Collection[str] = (),
    keyring: Keyring | None = None,
) -> Loaded:
    """The settings, merged and checked. Raises ConfigurationError with every fault of every source.

    `environ` is the process's environment, `cwd` its working folder and `user_folder` the platform's configuration folder
    unless given. `arguments` are dotted names or nested tables; a None among them means "not given". `services` are names of
    providers that the caller answers for himself.
    """
    environment = Environment(environ)
    given = arguments if isinstance(arguments, Arguments) else Arguments(arguments)
    del environ, arguments  # from here on nothing that a traceback shows can hold a key
    here = Path(cwd) if cwd is not None else Path.cwd()
    home = Path(user_folder) if user_folder is not None else file.user_folder()
    source = file.locate(path, environment, cwd=here, user_folder=home)
    known = tuple(rows) if rows is not None else providers()
    settled = settle(source, here, environment, given, rows=known, services=services)
    if settled.faults:
        raise ConfigurationError(*settled.faults)
    return Loaded(
        config=settled.config,
        sources=settled.sources,
        model=settled.choice.model,
        source=source,
        rows=known,
        environment=environment,
        keyring=keyring,
    )
