"""The settings: one frozen Struct per section, every number with its default, its range and what it means.

These Structs are the single source. The loader validates by them, `backstay config explain` lists them, `save` compares with
their defaults, and the table of `docs/configuration.md` is made from them. A new section is a Struct and a field of `Config`.

A `Meta(description=...)` is what a user reads. `extra` may hold `kind` (a check of text, see `kind.py`) and `absent` (what an
absent value stands for). A section may define `faults()`, which yields what only several values together can get wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from backstay.config.range import Count, Seconds, Share
from backstay.config.reference import is_reference
from backstay.config.reliability import (
    Breaker,
    Budget,
    Cache,
    Failover,
    Group,
    Hedge,
    Limits,
    Queue,
    Quota,
    SemanticCache,
    Stores,
    Tiers,
)

Fault: TypeAlias = tuple[str, str]
"""The setting that is wrong, named within its section, and what is wrong with it."""


class Provider(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`[providers.NAME]`: what differs from the built-in row of that provider, or, under a new name, a server of your own."""

    key: Annotated[
        str | None,
        Meta(
            description="Where the key is: `env:NAME`, `file:/path` or `keyring:service/user`. Never the key itself.",
            extra={"kind": "reference", "absent": "the provider's usual variable"},
        ),
    ] = None
    base_url: Annotated[
        str | None,
        Meta(
            description="Where requests go, without a user, a password or a query.",
            extra={"kind": "url", "absent": "the provider's own address"},
        ),
    ] = None
    dialect: Annotated[
        str | None,
        Meta(
            description="How the server speaks.",
            extra={"kind": "name", "absent": "the provider's own; `openai_chat` for a server of your own"},
        ),
    ] = None
    model: Annotated[
        str | None,
        Meta(
            description="The model to use when only the provider is named.",
            extra={"absent": "the provider's own default"},
        ),
    ] = None
    headers: Annotated[
        dict[str, Annotated[str, Meta(extra={"kind": "header"})]],
        Meta(description="More headers for every request. One that carries a secret takes a reference, as `key` does."),
    ] = {}

    def __post_init__(self) -> None:
        """Refuse a literal key from code too, so that no Config ever holds one."""
        if self.key is not None and not is_reference(self.key):
            msgspec.structs.force_setattr(self, "key", None)  # so that no traceback with locals shows it
            raise ValueError(
                "providers.*.key holds a reference (env:NAME, file:/path, keyring:service/user), never a key"
            )


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """`[timeouts]`: the longest waits of one call, in seconds; "none" for no limit."""

    connect: Annotated[Seconds | None, Meta(description="Seconds for name lookup, TCP and TLS.")] = 10.0
    first_event: Annotated[
        Seconds | None, Meta(description="Seconds from a stream's request to its first content.")
    ] = 120.0
    between_events: Annotated[Seconds | None, Meta(description="Seconds between two events of a stream.")] = 60.0
    total: Annotated[
        Seconds | None, Meta(description="Seconds for the whole call: waiting, retries and failover included.")
    ] = 600.0


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """`[retry]`: when a failed attempt is tried again."""

    max_attempts: Annotated[Count, Meta(description="Attempts in all; 1 means no retry.")] = 3
    first_delay: Annotated[Annotated[float, Meta(ge=0)], Meta(description="Seconds before the second attempt.")] = 1.0
    factor: Annotated[Annotated[float, Meta(ge=1)], Meta(description="What each further delay is multiplied by.")] = 2.0
    max_delay: Annotated[
        Annotated[float, Meta(ge=0)],
        Meta(description="Seconds that no delay of ours exceeds. A provider's Retry-After is not cut."),
    ] = 60.0
    jitter: Annotated[Share, Meta(description="The share by which a delay varies to either side.")] = 0.25
    total_time: Annotated[Seconds, Meta(description="Seconds after which no further attempt begins.")] = 300.0
    budget_capacity: Annotated[
        Annotated[float, Meta(ge=0)],
        Meta(description="Retries that all calls of a client may spend before they earn more."),
    ] = 20.0
    budget_ratio: Annotated[Share, Meta(description="The part of a retry that each success earns.")] = 0.1

    def faults(self) -> Iterator[Fault]:
        if self.max_delay < self.first_delay:
            yield "max_delay", f"{self.max_delay:g} is below first_delay, which is {self.first_delay:g}: raise it"


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """`[ledger]`: the record of every attempt and its cost."""

    store: Annotated[
        Literal["sqlite", "postgres"],
        Meta(description="`sqlite`: a file of this machine. `postgres`: the database of `stores.postgres`."),
    ] = "sqlite"

    path: Annotated[
        str | None,
        Meta(
            description="The ledger's file.", extra={"kind": "path", "absent": "`ledger.db` in the user's data folder"}
        ),
    ] = None
    mode: Annotated[
        Literal["full", "normal", "off"],
        Meta(
            description="`full`: on disk before an answer is handed out. `normal`: a power cut may lose the last "
            "rows. `off`: in memory only."
        ),
    ] = "full"


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """`[catalog]`: models and prices."""

    path: Annotated[
        str | None,
        Meta(
            description="A file with models and prices of your own, which win over the built-in ones.",
            extra={"kind": "path", "absent": "only the built-in catalogue"},
        ),
    ] = None


class Transport(msgspec.Struct, frozen=True, kw_only=True):
    """`[transport]`: how requests leave the machine."""

    proxy: Annotated[
        str | None,
        Meta(
            description="An HTTP proxy's URL. One that holds a password takes a reference, as `key` does.",
            extra={"kind": "proxy", "absent": "no proxy"},
        ),
    ] = None
    trust_env: Annotated[bool, Meta(description="Take the proxy from HTTPS_PROXY, where `proxy` is absent.")] = False


class Local(msgspec.Struct, frozen=True, kw_only=True):
    """`[local]`: a model in this process, asked as `local:model` (needs `pip install 'backstay[local]'`)."""

    path: Annotated[
        str | None,
        Meta(
            description="The model's GGUF file.",
            extra={"kind": "path", "absent": "name the file: `local:/path/model.gguf`"},
        ),
    ] = None
    threads: Annotated[
        Count, Meta(description="Threads that run it. More than there are free cores make it slower.")
    ] = 1
    context: Annotated[Count, Meta(description="Its context window, in tokens; memory grows with it.")] = 4096


class Extract(msgspec.Struct, frozen=True, kw_only=True):
    """`[extract]`: how sure an extraction must be."""

    accept_at: Annotated[Share, Meta(description="Confidence from which a result is accepted.")] = 0.75
    validate_below: Annotated[Share, Meta(description="Confidence under which a result is checked once more.")] = 0.9
    validate_fields: Annotated[
        Annotated[int, Meta(ge=0)], Meta(description="A result with fewer fields than this is checked once more.")
    ] = 5
    auto_validate_at: Annotated[Share, Meta(description="Confidence from which a check counts as passed.")] = 0.95

    def faults(self) -> Iterator[Fault]:
        if self.validate_below < self.accept_at:
            yield "validate_below", f"{self.validate_below:g} is below accept_at, which is {self.accept_at:g}: raise it"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings. `Config()` holds the defaults; `load()` gives one made from a file, the environment and arguments."""

    model: Annotated[
        str | None,
        Meta(
            description="The model to ask, as `provider:model`, or a provider alone for its default model.",
            extra={"kind": "model", "absent": "the first provider with a key, else `offline:rules`"},
        ),
    ] = None
    providers: Annotated[dict[str, Provider], Meta(extra={"kind": "name"})] = {}
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()
    limits: Limits = Limits()
    budget: Budget = Budget()
    quotas: Annotated[dict[str, Quota], Meta(extra={"kind": "name"})] = {}
    queue: Queue = Queue()
    breaker: Breaker = Breaker()
    failover: Failover = Failover()
    groups: Annotated[dict[str, Group], Meta(extra={"kind": "name"})] = {}
    cache: Cache = Cache()
    semantic_cache: SemanticCache = SemanticCache()
    hedge: Hedge = Hedge()
    stores: Stores = Stores()
    tiers: Tiers = Tiers()
    ledger: Ledger = Ledger()
    catalog: Catalog = Catalog()
    transport: Transport = Transport()
    local: Local = Local()
    extract: Extract = Extract()
