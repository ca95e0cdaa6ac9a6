"""The settings of the reliability layers: limits, budgets, queue, breaker, failover, cache, hedging, and where state is kept.

Each section has the names and the defaults of the layer's own policy, which it becomes; what several settings together get
wrong is said by that policy, when the client is made.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from backstay.config.range import Count, Natural, Seconds, Share, Usd


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """`[limits]`: the most that is asked of each target, over all callers."""

    requests_per_minute: Annotated[Count | None, Meta(description="Requests to one target in a minute.")] = 50
    tokens_per_minute: Annotated[Count | None, Meta(description="Tokens, input and output, in a minute.")] = 80_000
    requests_per_day: Annotated[Count | None, Meta(description="Requests in a day.")] = 10_000
    tokens_per_day: Annotated[Count | None, Meta(description="Tokens in a day.")] = 2_000_000
    concurrency: Annotated[
        Count | None, Meta(description="Requests under way at once.", extra={"absent": "no limit"})
    ] = None
    burst: Annotated[
        Annotated[float, Meta(gt=1)], Meta(description="What a window may hold at most, as a multiple of the limit.")
    ] = 1.2
    mode: Annotated[
        Literal["bucket", "strict"],
        Meta(description="`bucket`: refilled evenly, with a burst. `strict`: never more than the limit in any window."),
    ] = "bucket"
    zone: Annotated[str, Meta(description="The time zone in which a day begins.")] = "UTC"
    max_wait: Annotated[
        Annotated[float, Meta(ge=0)],
        Meta(description="Seconds that a call waits for its limits at most; 0 never waits."),
    ] = 60.0


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """`[budget]`: the money of all calls together, in US dollars; never exceeded, whoever calls at once."""

    usd_per_hour: Annotated[Usd | None, Meta(description="US dollars in an hour.", extra={"absent": "no limit"})] = None
    usd_per_day: Annotated[Usd | None, Meta(description="US dollars in a day.")] = 100.0
    usd_per_month: Annotated[Usd | None, Meta(description="US dollars in a month.", extra={"absent": "no limit"})] = (
        None
    )
    alert_at: Annotated[
        tuple[Annotated[float, Meta(gt=0, le=1)], ...],
        Meta(description="Shares of a budget at which an alert is raised, once a period."),
    ] = (0.8, 1.0)
    unknown_usd: Annotated[
        Usd | None,
        Meta(description="What a call of unknown price counts as; `none` refuses such calls."),
    ] = 1.0
    zone: Annotated[str, Meta(description="The time zone in which a day and a month begin.")] = "UTC"


class Quota(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`[quotas.NAME]`: limits and money of one tenant, task, user or model; `*` means each by itself."""

    tenant: Annotated[str | None, Meta(description="A tenant, or `*`.", extra={"absent": "any"})] = None
    task: Annotated[str | None, Meta(description="A task, or `*`.", extra={"absent": "any"})] = None
    user: Annotated[str | None, Meta(description="A user, or `*`.", extra={"absent": "any"})] = None
    model: Annotated[str | None, Meta(description="`provider:model`, or `*`.", extra={"absent": "any"})] = None
    requests_per_minute: Annotated[
        Count | None, Meta(description="Requests in a minute.", extra={"absent": "no limit"})
    ] = None
    tokens_per_minute: Annotated[
        Count | None, Meta(description="Tokens in a minute.", extra={"absent": "no limit"})
    ] = None
    requests_per_day: Annotated[Count | None, Meta(description="Requests in a day.", extra={"absent": "no limit"})] = (
        None
    )
    tokens_per_day: Annotated[Count | None, Meta(description="Tokens in a day.", extra={"absent": "no limit"})] = None
    concurrency: Annotated[
        Count | None, Meta(description="Requests under way at once.", extra={"absent": "no limit"})
    ] = None
    usd_per_hour: Annotated[Usd | None, Meta(description="US dollars in an hour.", extra={"absent": "no limit"})] = None
    usd_per_day: Annotated[Usd | None, Meta(description="US dollars in a day.", extra={"absent": "no limit"})] = None
    usd_per_month: Annotated[Usd | None, Meta(description="US dollars in a month.", extra={"absent": "no limit"})] = (
        None
    )


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """`[queue]`: how many calls run at once, and how many wait for how long, by priority."""

    running: Annotated[Count, Meta(description="Calls that run at once.")] = 64
    size: Annotated[Natural, Meta(description="Calls that wait, in all classes together.")] = 15
    high_size: Annotated[Natural, Meta(description="Calls of high priority that wait.")] = 5
    medium_size: Annotated[Natural, Meta(description="Calls of medium priority that wait.")] = 3
    low_size: Annotated[Natural, Meta(description="Calls of low priority that wait.")] = 10
    high_timeout: Annotated[Seconds, Meta(description="Seconds that a call of high priority waits.")] = 3.0
    medium_timeout: Annotated[Seconds, Meta(description="Seconds that a call of medium priority waits.")] = 10.0
    low_timeout: Annotated[Seconds, Meta(description="Seconds that a call of low priority waits.")] = 5.0
    medium_share: Annotated[
        Share, Meta(description="The least share of the starts that medium has while higher ones wait.")
    ] = 0.2
    low_share: Annotated[Share, Meta(description="The least share of the starts that low has.")] = 0.1


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """`[breaker]`: when a target that keeps failing is left alone, and how it is tried again."""

    consecutive_failures: Annotated[Count | None, Meta(description="Failures in a row that open the circuit.")] = 5
    failure_rate: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(description="The share of failures in the window that opens it."),
    ] = 0.5
    slow_rate: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(description="The share of slow calls in the window that opens it."),
    ] = 0.8
    slow_after: Annotated[
        Seconds | None,
        Meta(description="Seconds to the first content from which a stream is slow.", extra={"absent": "none is slow"}),
    ] = None
    slow_after_of: Annotated[
        dict[str, Annotated[Seconds, Meta(description="The same for this `provider:model` alone.")]],
        Meta(extra={"kind": "model"}),
    ] = {}
    window_calls: Annotated[Count, Meta(description="The last results that the window holds.")] = 100
    window_time: Annotated[Seconds | None, Meta(description="Seconds after which a result leaves the window.")] = 60.0
    min_calls: Annotated[Count, Meta(description="Results from which a rate is judged.")] = 20
    open_time: Annotated[Seconds, Meta(description="Seconds that the circuit stays open the first time.")] = 60.0
    open_factor: Annotated[
        Annotated[float, Meta(ge=1)], Meta(description="What that is multiplied by each further time in a row.")
    ] = 2.0
    max_open_time: Annotated[Seconds, Meta(description="Seconds that it stays open at most.")] = 600.0
    jitter: Annotated[Share, Meta(description="The share by which the open time is prolonged at random.")] = 0.1
    probes: Annotated[Count, Meta(description="Calls that may try it while it is half open.")] = 3
    probe_lease: Annotated[Seconds, Meta(description="Seconds after which a lost probe is given to another call.")] = (
        120.0
    )
    patience: Annotated[
        Annotated[float, Meta(ge=0)],
        Meta(description="Seconds that a target must have had before a caller's own deadline counts against it."),
    ] = 30.0


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """`[cache]`: answers that are given again to the same question of the same tenant."""

    store: Annotated[Literal["memory", "sqlite", "redis", "off"], Meta(description="Where answers are kept.")] = (
        "memory"
    )
    ttl: Annotated[Seconds, Meta(description="Seconds for which an answer is fresh.")] = 300.0
    max_entries: Annotated[Count, Meta(description="Answers that are kept; the least recently used goes first.")] = (
        1_000
    )
    max_bytes: Annotated[Count, Meta(description="Bytes that they may take together.")] = 64 * 2**20
    stale_if_error: Annotated[
        Annotated[float, Meta(ge=0)],
        Meta(description="Seconds after its time for which an answer stands in for a call that failed."),
    ] = 0.0
    max_temperature: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Requests above it are not cached.", extra={"absent": "no limit"}),
    ] = None
    tools: Annotated[bool, Meta(description="Whether requests with tools are cached.")] = True
    path: Annotated[
        str | None,
        Meta(
            description="The file of the SQLite cache.",
            extra={"kind": "path", "absent": "`cache.db` beside the ledger"},
        ),
    ] = None


class SemanticCache(msgspec.Struct, frozen=True, kw_only=True):
    """`[semantic_cache]`: a question that means the same as an earlier one gets its answer."""

    model: Annotated[
        str | None,
        Meta(
            description="The embedding model: `provider:model`, or `local:minilm`, which needs the extra `semantic`.",
            extra={"kind": "model", "absent": "off"},
        ),
    ] = None
    threshold: Annotated[Annotated[float, Meta(ge=0.5, le=1)], Meta(description="The least cosine.")] = 0.95
    ttl: Annotated[Seconds, Meta(description="Seconds for which an answer stands.")] = 300.0
    max_entries: Annotated[Annotated[int, Meta(ge=1, le=50_000)], Meta(description="Questions that are kept.")] = 5_000


class Stores(msgspec.Struct, frozen=True, kw_only=True):
    """`[stores]`: where limits and budgets are kept, and what all stores share."""

    limits: Annotated[
        Literal["auto", "memory", "sqlite", "postgres", "redis"],
        Meta(
            description="Who shares limits and budgets: one process, one machine, or all that reach the server. "
            "`auto`: where the ledger is."
        ),
    ] = "auto"
    path: Annotated[
        str | None,
        Meta(
            description="The file of shared limits.", extra={"kind": "path", "absent": "`limits.db` beside the ledger"}
        ),
    ] = None
    postgres: Annotated[
        str | None,
        Meta(
            description="Where the address of PostgreSQL is: `env:NAME`, `file:/path` or `keyring:service/user`.",
            extra={"kind": "reference", "absent": "none"},
        ),
    ] = None
    redis: Annotated[
        str | None,
        Meta(
            description="Where the address of Redis or Valkey is, likewise.",
            extra={"kind": "reference", "absent": "none"},
        ),
    ] = None
    processes: Annotated[
        Count, Meta(description="Processes that share a store: the share of each while it is out of reach.")
    ] = 1
    timeout: Annotated[Seconds, Meta(description="Seconds that a call waits for a store.")] = 0.25


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """`[hedge]`: a second request where the first is slow to begin; both are paid for."""

    on: Annotated[bool, Meta(description="Whether to hedge at all.")] = False
    delay: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Seconds before the second request.", extra={"absent": "the percentile of what was seen"}),
    ] = None
    percentile: Annotated[
        Annotated[float, Meta(gt=0, lt=1)], Meta(description="Of the times to the first content, after which it goes.")
    ] = 0.95
    min_samples: Annotated[Annotated[int, Meta(ge=1, le=256)], Meta(description="Times that the percentile needs.")] = (
        20
    )
    share: Annotated[Share, Meta(description="The share of calls that may be hedged.")] = 0.05
    burst: Annotated[Count, Meta(description="Hedges that may come at once.")] = 5


Action: TypeAlias = Literal["next", "larger", "cheaper", "other_key", "stop"]


class Failover(msgspec.Struct, frozen=True, kw_only=True):
    """`[failover]`: which targets are asked where the first one cannot answer, in their order."""

    targets: Annotated[
        tuple[str, ...],
        Meta(description="`provider:model` or `group:NAME`, in order; `offline:rules` at the end always answers."),
    ] = ()
    degraded: Annotated[
        tuple[str, ...], Meta(description="Those of them whose answers count as less than what was asked for.")
    ] = ()
    rules: Annotated[
        dict[str, Annotated[Action, Meta(description="What follows from this kind of failure.")]],
        Meta(extra={"kind": "name"}),
    ] = {}
    share: Annotated[
        Annotated[float, Meta(gt=0, le=1)],
        Meta(description="The part of the time left that a target may use while others wait behind it."),
    ] = 0.5
    cheaper_at: Annotated[
        Annotated[float, Meta(gt=0, le=1)],
        Meta(description="The share of a budget from which the cheapest target is asked first."),
    ] = 0.9
    unhealthy_after: Annotated[Count, Meta(description="Failures in a row that make a target unhealthy.")] = 3
    healthy_after: Annotated[Count, Meta(description="Successes in a row that make it healthy again.")] = 2
    degraded_after: Annotated[
        Count, Meta(description="Calls in a row without a model's answer that degrade the client.")
    ] = 3
    probe_every: Annotated[Seconds, Meta(description="Seconds between tries of an unhealthy target.")] = 30.0


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """`[groups.NAME]`: equal targets, asked as `group:NAME`; the load is spread over them."""

    members: Annotated[
        dict[str, Annotated[float, Meta(gt=0, description="The weight of this `provider:model`.")]],
        Meta(extra={"kind": "model"}),
    ] = {}
    strategy: Annotated[Literal["least_loaded", "latency", "weighted"], Meta(description="How a member is chosen.")] = (
        "least_loaded"
    )
    sticky: Annotated[
        Literal["none", "session", "user"],
        Meta(description="Whose calls go to one member: those of `tags.session`, or those of a user."),
    ] = "none"


class Tiers(msgspec.Struct, frozen=True, kw_only=True):
    """`[tiers]`: which model a tier of work is given to."""

    BASIC: Annotated[
        str | None, Meta(description="For simple, short work.", extra={"kind": "model", "absent": "the client's model"})
    ] = None
    ADVANCED: Annotated[
        str | None, Meta(description="For the rest.", extra={"kind": "model", "absent": "the client's model"})
    ] = None
    PREMIUM: Annotated[
        str | None,
        Meta(description="For complex or long work.", extra={"kind": "model", "absent": "the client's model"}),
    ] = None
