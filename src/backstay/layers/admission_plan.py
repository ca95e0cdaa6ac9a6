"""Plan: which rules a request falls under, and how much of each it asks for. Pure: settings and a request give entries.

The vector is an upper bound, so that what is granted together cannot exceed a limit: one request, the bound of the input tokens
plus the longest output, and the dearest price of those. The settlement gives back what was not used. A bound above a token limit
is cut to that limit where a likely count says that the request fits: else a bound that errs upward would refuse it for ever.

Which rules a request falls under hangs on a few of its facts (tenant, task, user), so they are sorted and looked through once for
each set of facts and kept as a `Form`. A call fills in its amounts and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from backstay.errors import ConfigurationError
from backstay.estimate import Estimate, Estimator
from backstay.layers.admission_policy import FIGURES, MONEY, BudgetPolicy, LimitPolicy, Quota, stars
from backstay.stores.limit import LARGEST, Dimension, Entry, Rule
from backstay.tokens import likely_input
from backstay.types import Request

MINUTE: Final = 60_000_000
DEFAULT_OUTPUT: Final = 4096
"""Output tokens to reserve where neither the request nor the model has a limit; what exceeds it becomes overdraft."""

KEPT_SCOPES: Final = 10_000

DIMENSIONS: Final[tuple[Dimension, ...]] = (
    "requests",
    "concurrency",
    "tokens",
    "input_tokens",
    "output_tokens",
    "nano_usd",
)
"""The order of the amounts with which a form is filled."""


class Form:
    """The rules that some request falls under, in the order of a claim's entries: by key, no key twice.

    `slots` are the rules, each with the place of its dimension in DIMENSIONS.
    """

    __slots__ = ("has_money", "least_tokens", "rules", "slots")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(sorted({rule.key: rule for rule in rules}.values(), key=lambda rule: rule.key))
        self.slots = [(rule, DIMENSIONS.index(rule.dimension)) for rule in self.rules]
        self.has_money = any(rule.dimension == "nano_usd" for rule in self.rules)
        self.least_tokens = min(
            (rule.capacity for rule in self.rules if rule.dimension == "tokens" and rule.algorithm != "open"),
            default=LARGEST,
        )


class Plan:
    """The rules of one target. Rules are made once for each scope and kept, so a store knows them by identity."""

    def __init__(
        self,
        target: str,
        *,
        limits: LimitPolicy,
        budget: BudgetPolicy | None = None,
        quotas: tuple[Quota, ...] = (),
        is_free: bool = False,
    ) -> None:
        """`is_free`: calls of this target cost nothing, because it runs in this process or on this machine."""
        self.target = target
        self._limits = limits
        self._budget = budget or BudgetPolicy(usd_per_day=None)
        self._quotas = tuple(sorted(quotas, key=stars, reverse=True))
        self._is_free = is_free
        self._scope = scope = f"target={quote(target, safe=':.@-_')}"
        self._always = (*_limits_of(limits, limits, scope), *_money_of(self._budget, self._budget, "client"))
        self._kept: dict[tuple[int, str], tuple[Rule, ...]] = {}
        facts = ("tenant", "task", "user")
        self._named = [fact for fact in facts if any(getattr(quota, fact) is not None for quota in quotas)]
        self._forms: dict[tuple[str | None, ...], Form] = {}
        self.gates = {rule.dimension: rule for rule in self._always if rule.algorithm in ("strict", "bucket")}
        if "requests" not in self.gates:
            self.gates["requests"] = self.gate("requests")
            self._always = (*self._always, self.gates["requests"])

    def gate(self, dimension: Dimension) -> Rule:
        """A rule without a limit of its own, for what the provider says about `dimension`."""
        return Rule(scope=self._scope, name=f"gate_{dimension}", dimension=dimension, capacity=0, algorithm="open")

    def observe(self, dimension: Dimension) -> Rule:
        """The rule that a provider's limit on `dimension` tightens: the target's own, else a gate in every vector from now on."""
        rule = self.gates.get(dimension)
        if rule is None:
            rule = self.gates[dimension] = self.gate(dimension)
            self._always = (*self._always, rule)
            self._forms.clear()
        return rule

    def rules(self, request: Request) -> tuple[Rule, ...]:
        """Every rule that `request` falls under, by key."""
        return self._form(request).rules

    def _form(self, request: Request) -> Form:
        about = request.metadata
        named = tuple([getattr(about, fact) for fact in self._named]) if self._named else ()
        form = self._forms.get(named)
        if form is None:
            if len(self._forms) >= KEPT_SCOPES:
                self._forms.clear()
            facts = {"tenant": about.tenant, "task": about.task, "user": about.user, "model": self.target}
            special = [rule for number, quota in enumerate(self._quotas) for rule in self._of(number, quota, facts)]
            form = self._forms[named] = Form((*self._always, *special))
        return form

    def _of(self, number: int, quota: Quota, facts: dict[str, str | None]) -> tuple[Rule, ...]:
        scope = quota.scope(facts)
        if scope is None:
            return ()
        found = self._kept.get((number, scope))
        if found is None:
            if len(self._kept) >= KEPT_SCOPES:
                self._kept.clear()
            found = (*_limits_of(quota, self._limits, scope), *_money_of(quota, self._budget, scope))
            self._kept[number, scope] = found
        return found

    def entries(self, request: Request, estimator: Estimator, second: int) -> tuple[Entry, ...]:
        """What `request` asks for at most, of every rule, by the rule's key.

        Raises ConfigurationError where a budget counts what has no price, ValueError for a negative number of tokens.
        """
        form = self._form(request)
        estimate = estimator(request, second)
        given, output = estimate.input_tokens, estimate.output_tokens
        if output is None:
            output = DEFAULT_OUTPUT
        if given < 0 or output < 0:
            raise ValueError(f"{self.target}: {given} input and {output} output tokens are asked for: write 0 or more")
        tokens = bound = given + output
        if bound > form.least_tokens >= likely_input(request) + output:
            tokens = form.least_tokens
        money = self._price(estimate) if form.has_money else 0
        if bound > LARGEST or money > LARGEST:
            given, output, tokens, money = (min(amount, LARGEST) for amount in (given, output, tokens, money))
        amounts = (1, 1, tokens, given, output, money)
        return tuple([Entry(rule, amounts[place]) for rule, place in form.slots])

    def _price(self, estimate: Estimate) -> int:
        if self._is_free:
            return 0
        if estimate.cost is not None:
            return estimate.cost.nano_usd
        if self._budget.unknown_usd is None:
            raise ConfigurationError(
                f"{self.target}: its price is unknown and a budget counts it: give it a price in the catalogue "
                "(catalog.path), or say with budget.unknown_usd what such a call counts as"
            )
        return nano_usd(self._budget.unknown_usd)


def nano_usd(usd: float) -> int:
    """US dollars as nano-dollars, exact for the decimal number as it is written."""
    return int((Decimal(str(usd)) * 10**9).to_integral_value())


def _limits_of(figures: LimitPolicy | Quota, policy: LimitPolicy, scope: str) -> Iterator[Rule]:
    for name, dimension in FIGURES:
        capacity = getattr(figures, name)
        if capacity is None:
            continue
        if dimension == "concurrency":
            yield Rule(scope=scope, name=name, dimension=dimension, capacity=capacity, algorithm="gauge")
        elif name.endswith("_day"):
            yield Rule(
                scope=scope,
                name=name,
                dimension=dimension,
                capacity=capacity,
                algorithm="calendar",
                span="day",
                zone=policy.zone,
            )
        elif policy.mode == "strict":
            yield Rule(
                scope=scope, name=name, dimension=dimension, capacity=capacity, algorithm="strict", window_us=MINUTE
            )
        else:
            burst = max(int(capacity * (Decimal(str(policy.burst)) - 1)), 1)
            yield Rule(
                scope=scope,
                name=name,
                dimension=dimension,
                capacity=capacity,
                algorithm="bucket",
                window_us=MINUTE,
                burst=burst,
            )


def _money_of(figures: BudgetPolicy | Quota, policy: BudgetPolicy, scope: str) -> Iterator[Rule]:
    alert_at = tuple(sorted({round(share * 100) for share in policy.alert_at}))
    for name, span in MONEY:
        usd = getattr(figures, name)
        if usd is not None:
            yield Rule(
                scope=scope,
                name=name,
                dimension="nano_usd",
                capacity=nano_usd(usd),
                algorithm="calendar",
                span=span,
                zone=policy.zone,
                alert_at=alert_at,
            )
