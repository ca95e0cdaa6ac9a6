"""AgentOptions: what a run is bounded by, and how it talks to its model."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from backstay.errors import ConfigurationError
from backstay.ports import World
from backstay.prompts import PromptLibrary

MAX_ITERATIONS = 10
TIMEOUT = 300.0
MAX_TOOL_FAILURES = 5
"""Tool calls in a row that did not succeed: as many as a model needs to read an error and mend its call, twice."""
MAX_CONTEXT_TOKENS = 100_000
MAX_DEPTH = 4
"""Agents within agents."""

Budget: TypeAlias = Decimal | int | str
"""Money in US dollars, exact; a float is none."""


class AgentOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of an agent.

    `protocol`: "native" tool calls, the "json" protocol for models without them, or "auto": native until the provider or the
    model turns out to take no tools. `allowed`: the tools that may run; None allows all of the registry. `parallel`: calls of
    one turn run together, but for those with a side effect, which run one by one. `max_tool_failures`: calls in a row that
    don't succeed. `max_context_tokens`: the window of the conversation that is sent; None sends all. `result_schema`: a JSON
    Schema that the result must fit. `ttl`: seconds until its conversations expire. `settings`: settings of the client's
    `generate`, such as `model` or `temperature`. `world` and `prompts` put another clock, other ids or other prompts in
    place. Raises ConfigurationError with every fault.
    """

    system: str | None = None
    protocol: Literal["auto", "native", "json"] = "auto"
    allowed: frozenset[str] | None = None
    parallel: bool = True
    max_tool_failures: int = MAX_TOOL_FAILURES
    max_context_tokens: int | None = MAX_CONTEXT_TOKENS
    result_schema: dict[str, Any] | None = None
    ttl: float | None = None
    settings: Mapping[str, Any] = {}
    world: World | None = None
    prompts: PromptLibrary | None = None

    def __post_init__(self) -> None:
        faults = []
        if self.protocol not in ("auto", "native", "json"):
            faults.append(f"agent.protocol = {self.protocol!r}: must be auto, native or json")
        if self.max_tool_failures < 1:
            faults.append(f"agent.max_tool_failures = {self.max_tool_failures}: must be 1 or more")
        if self.max_context_tokens is not None and self.max_context_tokens < 1:
            faults.append(f"agent.max_context_tokens = {self.max_context_tokens}: must be 1 or more, or None")
        taken = {"tools", "tool_choice", "system", "schema", "response_format", "timeout", "task"} & set(self.settings)
        if taken:
            faults.append(f"agent.settings: {', '.join(sorted(taken))} are the agent's own")
        if faults:
            raise ConfigurationError(*faults)


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run ends: asks of the model, seconds, money in nano-dollars."""

    max_iterations: int = MAX_ITERATIONS
    timeout: float | None = TIMEOUT
    budget_nano_usd: int | None = None

    def __post_init__(self) -> None:
        faults = []
        if self.max_iterations < 1:
            faults.append(f"agent.max_iterations = {self.max_iterations}: must be 1 or more")
        if self.timeout is not None and self.timeout <= 0:
            faults.append(f"agent.timeout = {self.timeout}: must be above 0 seconds, or None")
        if self.budget_nano_usd is not None and self.budget_nano_usd < 0:
            faults.append("agent.budget: must be 0 or more US dollars")
        if faults:
            raise ConfigurationError(*faults)


def nano_usd(budget: Budget | None) -> int | None:
    """`budget` in nano-dollars. Raises TypeError for a float, ConfigurationError for what is no sum of money."""
    if budget is None:
        return None
    if isinstance(budget, float):
        raise TypeError("a budget is exact: give it as Decimal, int or str")
    try:
        exact = Decimal(budget).scaleb(9)
    except ArithmeticError as error:
        raise ConfigurationError(f"agent.budget = {budget!r}: is no sum of money") from error
    if not exact.is_finite() or exact != exact.to_integral_value():
        raise ConfigurationError(f"agent.budget = {budget!r}: is no sum of whole nano-dollars")
    return int(exact)
