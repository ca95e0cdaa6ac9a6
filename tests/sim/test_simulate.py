"""Simulated traffic: the figures are those of the real layers, exact where they can be, the same for the same seed; no call is
lost and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backstay.chart import Lines
from backstay.config import Loaded, load
from backstay.errors import ConfigurationError
from backstay.ledger.memory import MemoryLedger
from backstay.ledger.row import Reservation, Settlement
from backstay.sim import Outage, constant, run, sim_world
from backstay.sim.fit import fit
from backstay.sim.record import Log
from backstay.sim.report import Report
from backstay.sim.scenario import Conduct, Scenario, provider_names, read_scenario
from backstay.sim.simulate import Options, Scene, simulate
from backstay.sim.trace import read_trace
from backstay.sim.view import charts, comparison, summary
from backstay.sim.workload import Arrival, Mix, Traffic

ROOT = Path(__file__).resolve().parents[2]
MODEL = "openai:gpt-5-mini"
WIDE: dict[str, Any] = {
    "limits.requests_per_minute": 10**6,
    "limits.tokens_per_minute": 10**9,
    "limits.tokens_per_day": 10**12,
    "limits.requests_per_day": 10**9,
    "budget.usd_per_day": 10**6,
    "queue.running": 10**6,
}
QUICK = Scenario(default=Conduct(first_token=0.5, per_token=0.01))


def settings(**given: Any) -> Loaded:
    """The defaults and `given`, from nothing else on this machine; a dot is written as two underscores."""
    arguments = {"model": MODEL, **{name.replace("__", "."): value for name, value in given.items()}}
    return load(environ={}, arguments=arguments, services=provider_names(), cwd="/", user_folder="/")


def steady(count: int, *, gap: float = 1.0, **facts: Any) -> list[Arrival]:
    return [
        Arrival(at=number * gap, **{"input_tokens": 1_000, "output_tokens": 100, **facts}) for number in range(count)
    ]


def wide(**given: Any) -> Loaded:
    return settings(**{**WIDE, **given})


def test_the_cost_is_the_tokens_at_the_catalogues_price() -> None:
    """Exact, to the nano-dollar: a quarter of a dollar a million in, two dollars a million out."""
    report = simulate(steady(10), wide(), scenario=QUICK)
    assert (report.calls, report.complete, report.failed) == (10, 10, 0)
    assert report.cost_nano_usd == 10 * (1_000 * 250 + 100 * 2_000)
    assert report.estimated_nano_usd == report.unpriced == 0
    assert report.targets[MODEL].input_tokens == 10_000


def test_times_are_those_of_the_provider() -> None:
    """With nothing in the way a call takes its first token and its tokens, and waits for nobody."""
    report = simulate(steady(10), wide(), scenario=QUICK)
    assert report.latency.p50 == pytest.approx(0.5 + 100 * 0.01, rel=0.006)
    assert report.first_token.p50 == pytest.approx(0.5 + 0.01, rel=0.006)
    assert report.queue_wait.largest == report.limit_wait.largest == 0
    whole = simulate(steady(10), wide(), scenario=QUICK, options=Options(is_stream=False))
    assert whole.latency == report.latency
    assert whole.first_token.count == 0


def test_one_seed_is_one_result() -> None:
    """Byte for byte; another seed is another result."""
    law = Traffic(kind="bursty", rate=2.0, duration=120.0)
    mix = Mix(priority={"high": 1, "medium": 1, "low": 1}, repeats=0.2)

    def once(seed: int) -> bytes:
        report = simulate(mix.deal(law.arrivals(1), 1), settings(), seed=seed)
        return msgspec.json.encode(report)

    assert once(1) == once(1)
    assert once(1) != once(2)


PROGRAM = """
import msgspec
from backstay.config import load
from backstay.sim.scenario import provider_names
from backstay.sim.simulate import simulate
from backstay.sim.workload import Mix, Traffic
loaded = load(environ={}, arguments={"model": "openai:gpt-5-mini"}, services=provider_names(), cwd="/", user_folder="/")
mix = Mix(tenant={"a": 1, "b": 2, "c": 3}, priority={"high": 1, "low": 1})
print(msgspec.json.encode(simulate(mix.deal(Traffic(rate=3.0, duration=60.0).arrivals(1)), loaded)))
"""


def test_the_result_hangs_on_no_hash() -> None:
    """Two processes with other hashes of strings print the same bytes."""

    def once(hash_seed: str) -> bytes:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True).stdout

    first = once("1")
    assert b'"complete":' in first
    assert first == once("2")


@pytest.mark.parametrize("seed", range(5))
def test_every_call_ends_once_and_nothing_stays_behind(seed: int) -> None:
    """Under faults, limits and outages: as many ends as calls, and no lease, attempt or task is left open."""
    faults = {"status_503": 0.1, "status_429_seconds": 0.05, "reset_mid_stream": 0.05, "hang_before_headers": 0.02}
    conduct = Conduct(requests_per_minute=100, faults=faults, outages=(Outage(start=20, end=40),))
    scenario = Scenario(default=conduct)
    arrivals = list(Mix(priority={"high": 1, "low": 1}).deal(Traffic(rate=3, duration=90).arrivals(seed), seed))

    async def main() -> tuple[Report, Scene]:
        scene = Scene(settings(), scenario, Options(), sim_world(seed))
        return await scene.play(arrivals, lambda calls, now: None), scene

    report, scene = run(main())
    assert report.calls == report.complete + report.failed == len(arrivals)
    assert sum(report.failures.values()) == report.failed
    assert report.attempts == sum(one.complete + sum(one.errors.values()) for one in report.targets.values())
    assert not scene.book._open
    assert not scene.gauge._leases
    assert all(use.held == 0 for use in scene.gauge.uses.values())


def fullest(log: Iterable[tuple[float, int]], window: float = 60.0) -> int:
    """The most that any window of so many seconds holds."""
    entries = sorted(log)
    most = held = start = 0
    for at, amount in entries:
        held += amount
        while entries[start][0] <= at - window:
            held -= entries[start][1]
            start += 1
        most = max(most, held)
    return most


def arrived(arrivals: Sequence[Arrival], loaded: Loaded, scenario: Scenario = QUICK) -> tuple[Report, Log]:
    """The report, and what the provider itself wrote down."""

    async def main() -> tuple[Report, Scene]:
        scene = Scene(loaded, scenario, Options(max_output_tokens=500), sim_world(1), log=Log)
        return await scene.play(arrivals, lambda calls, now: None), scene

    report, scene = run(main())
    return report, scene.fleet.providers[MODEL].log


def used(log: Log) -> list[tuple[float, int]]:
    return [(entry.at, entry.input_tokens + entry.output_tokens) for entry in log]


STRICT = {"limits__mode": "strict", "limits__requests_per_minute": 30, "limits__tokens_per_minute": 20_000}


def test_limits_hold_at_the_provider() -> None:
    """In any window of a minute no more arrives than the settings allow; without limits the same check finds far more."""
    arrivals = list(
        Traffic(rate=2.0, duration=300, input_tokens=constant(300), output_tokens=constant(100)).arrivals(1)
    )
    report, log = arrived(arrivals, settings(**STRICT))
    assert fullest((entry.at, 1) for entry in log) <= 30
    assert fullest(used(log)) <= 20_000
    assert report.limits[f"target={MODEL}/requests_per_minute"].peak <= 1.0
    _, unbound = arrived(arrivals, wide())
    assert fullest((entry.at, 1) for entry in unbound) > 60
    assert fullest(used(unbound)) > 20_000


def test_the_gauge_counts_what_the_provider_counts() -> None:
    """Use of a limit is what was answered, not what was reserved."""
    report, log = arrived(steady(50), wide())
    rule = report.limits[f"target={MODEL}/tokens_per_minute"]
    assert rule.used == sum(amount for _, amount in used(log)) == 50 * 1_100
    assert rule.peak == pytest.approx(60 * 1_100 / 10**9, rel=0.2)


def test_what_is_refused_after_a_wait_is_counted_too() -> None:
    """A call that leaves its place in line is refused by that limit as well as one that is sent away at once."""
    report = simulate(
        read_trace(ROOT / "examples" / "traces" / "helpdesk.csv"),
        settings(limits__tokens_per_minute=200_000, limits__requests_per_minute=120),
        options=Options(max_output_tokens=1_200),
    )
    assert report.failed == report.refused > 0
    assert {name: use.refusals for name, use in report.limits.items() if use.refusals} == report.refused_by


def test_a_cost_that_nobody_knows_is_not_zero() -> None:
    """A model without a price: None in the report, "unknown" in every table, no bar of its cost."""
    report = simulate(steady(5), wide(model="openai:nosuch"), scenario=QUICK)
    assert (report.cost_nano_usd, report.cost_usd, report.unpriced) == (None, None, 5)
    assert report.targets["openai:nosuch"].cost_nano_usd is None
    assert dict(summary(report).rows)["cost USD"] == "unknown, 5 attempts without a price"
    (row, _) = comparison({"a": report, "b": report}).rows
    assert row[5] == "unknown"
    assert [chart.title for chart in charts({"a": report, "b": report}) if "Cost" in chart.title] == []


def test_lines_over_time_end_together() -> None:
    """What fails early is drawn as nothing until the end, so that it does not look as if nobody had counted."""
    early = Scenario(default=Conduct(first_token=0.5, outages=(Outage(start=0.0, end=20.0, status=503),)))
    report = simulate(steady(600), wide(retry__max_attempts=1), scenario=early)
    (chart,) = [one for one in charts({"": report}) if one.title == "Calls a second"]
    assert isinstance(chart, Lines)
    ends = {series.name: series.points[-1] for series in chart.series}
    assert ends["failed"][1] == 0
    assert ends["failed"][0] == pytest.approx(ends["complete"][0], rel=0.02)


def test_how_a_429_names_its_wait_is_the_scenarios() -> None:
    """To the millisecond, or rounded up to a second: who is told exactly is answered sooner."""
    waits = []
    for form in ("fraction", "seconds"):
        strict = Conduct(first_token=0.5, per_token=0.001, requests_per_minute=10, retry_after=(form,))
        report = simulate(steady(12, gap=0.33), wide(), scenario=Scenario(default=strict))
        assert report.rate_limited > 0
        waits.append(report.latency.largest)
    exact, rounded = waits
    assert 0.1 < rounded - exact < 1.5


def test_a_stricter_provider_says_429_and_is_heeded() -> None:
    """Its refusals are counted and retried, and each call still has one end."""
    scenario = Scenario(default=Conduct(first_token=0.5, per_token=0.01, requests_per_minute=30))
    report = simulate(steady(90), wide(), scenario=scenario)
    assert report.rate_limited > 0
    assert report.retries > 0
    assert report.targets[MODEL].errors["RateLimited"] == report.rate_limited
    free = simulate(steady(90), wide(), scenario=QUICK)
    assert (free.rate_limited, free.retries) == (0, 0)


def test_a_budget_ends_and_is_never_exceeded() -> None:
    """The report says when; the money spent is at most the budget."""
    report = simulate(steady(500), wide(budget__usd_per_day=0.1), scenario=QUICK)
    assert 0 < report.cost_nano_usd <= 10**8
    assert report.failures == {"BudgetExceeded": report.failed}
    assert report.budget_end is not None
    assert 100 < report.budget_end < 500
    assert simulate(steady(500), wide(), scenario=QUICK).budget_end is None


def test_a_budget_begins_anew_at_midnight() -> None:
    """Traffic that begins late in the evening has two budgets."""
    late = Options(time_of_day=86_400 - 250)
    report = simulate(steady(500), wide(budget__usd_per_day=0.1), scenario=QUICK, options=late)
    noon = simulate(steady(500), wide(budget__usd_per_day=0.1), scenario=QUICK)
    assert report.cost_nano_usd > 1.8 * noon.cost_nano_usd


def test_high_priority_waits_less() -> None:
    """Where calls compete, who is first in rank is first in line."""
    arrivals = Mix(priority={"high": 0.2, "low": 0.8}).deal(steady(400, gap=0.5), 1)
    report = simulate(
        arrivals, wide(queue__running=2, queue__size=40, queue__low_size=30, queue__high_size=10), scenario=QUICK
    )
    high, low = report.classes["high"], report.classes["low"]
    assert high.queue_wait.p95 < low.queue_wait.p95
    assert high.failed / high.calls < low.failed / low.calls


def test_an_outage_moves_calls_to_the_next_target() -> None:
    """During it the second target answers; at the end of the chain the offline rules do, and that counts as degraded."""
    down = Conduct(first_token=0.5, per_token=0.01, outages=(Outage(start=50, end=150),))
    scenario = Scenario(targets={MODEL: down}, default=QUICK.default)
    other = simulate(steady(200), wide(failover__targets=["anthropic:claude-haiku-4-5"]), scenario=scenario)
    assert other.complete == 200
    assert other.degraded == 0
    assert other.targets["anthropic:claude-haiku-4-5"].complete > 50
    rules = simulate(steady(200), wide(failover__targets=["offline:rules"]), scenario=scenario)
    assert rules.complete == 200
    assert rules.degraded > 50
    alone = simulate(steady(200), wide(), scenario=scenario)
    assert alone.failures.get("CircuitOpen", 0) > 50


def test_repeated_questions_come_from_the_cache() -> None:
    """Only questions that the trace says are the same, and they cost nothing."""
    arrivals = list(Mix(repeats=0.5, questions=5).deal(steady(200), 1))
    report = simulate(arrivals, wide(), scenario=QUICK)
    again = sum(bool(one.content) for one in arrivals)
    assert again - 15 <= report.cached + report.joined <= again
    assert report.saved_nano_usd == report.cached * (1_000 * 250 + 100 * 2_000)
    assert report.attempts == 200 - report.cached - report.joined
    assert simulate(steady(200), wide(), scenario=QUICK).cached == 0


def test_stores_of_the_settings_are_left_alone(tmp_path: Path) -> None:
    """A cache in a file is simulated in memory: nothing is written, and the figures are the same."""
    arrivals = list(Mix(repeats=0.5, questions=5).deal(steady(50), 1))
    path = tmp_path / "cache.db"
    report = simulate(arrivals, wide(cache__store="sqlite", cache__path=str(path)), scenario=QUICK)
    assert report == simulate(arrivals, wide(), scenario=QUICK)
    assert not path.exists()


def test_an_answer_is_cut_at_what_the_call_allows() -> None:
    """max_output_tokens is kept by the simulated provider, and told."""
    report = simulate(steady(5), wide(), scenario=QUICK, options=Options(max_output_tokens=40))
    assert report.cut == 5
    assert report.targets[MODEL].output_tokens == 200


def test_a_request_beyond_the_window_is_refused_by_the_check() -> None:
    """Stated counts are seen by every layer that looks at lengths."""
    report = simulate(steady(1, input_tokens=5_000_000), wide(), scenario=QUICK)
    assert report.failures == {"InvalidRequest": 1}


def test_no_calls_are_a_report_too() -> None:
    """An empty trace is no error."""
    report = simulate([], settings())
    assert (report.calls, report.seconds, report.cost_nano_usd, report.over_time) == (0, 0, 0, {})


def test_what_cannot_be_simulated_is_said() -> None:
    """Offline rules have no provider to simulate; bad options are named together."""
    with pytest.raises(ConfigurationError, match="no model to simulate"):
        simulate([], load(environ={}, cwd="/", user_folder="/", services=provider_names()))
    with pytest.raises(ConfigurationError) as caught:
        Options(max_output_tokens=0, overestimate=0.5)
    assert "max_output_tokens = 0" in str(caught.value)
    assert "overestimate = 0.5" in str(caught.value)


def test_memory_does_not_grow_with_the_trace() -> None:
    """Ten times the calls, as many bins, leases and open entries: none but those of the sums."""

    def sizes(count: int) -> list[int]:
        async def main() -> Scene:
            scene = Scene(wide(), QUICK, Options(is_stream=False), sim_world(1))
            await scene.play(iter(steady(count, gap=0.1)), lambda calls, now: None)
            return scene

        scene = run(main())
        provider = scene.fleet.providers[MODEL]
        windows = [len(use._windows) for use in scene.gauge.uses.values()]
        return [
            len(scene.gauge._leases),
            len(scene.book._open),
            len(provider.log),
            len(provider._floors),
            max(windows) // 65,
        ]

    assert sizes(300) == sizes(3_000) == [0, 0, 0, 0, 0]


def test_a_bug_ends_the_simulation() -> None:
    """What is no failure of a call is no figure of a report: it is raised, from a task as from the trace."""

    class Broken(Scene):
        def _question(self, arrival: Arrival, number: int) -> Any:
            if number == 3:
                raise TypeError("a bug")
            return super()._question(arrival, number)

    async def main() -> Report:
        return await Broken(wide(), QUICK, Options(), sim_world(1)).play(steady(1_000), lambda calls, now: None)

    def trace() -> Iterator[Arrival]:
        yield from steady(2)
        raise ConfigurationError("line 4: no number")

    with pytest.raises(TypeError, match="a bug"):
        run(main())
    with pytest.raises(ConfigurationError, match="line 4"):
        simulate(trace(), wide(), scenario=QUICK)


SCENARIO = """
[default]
first_token = 0.4

[targets."openai:gpt-5-mini"]
first_token = { kind = "lognormal", scale = 0.6, spread = 0.5 }
per_token = 0.012
requests_per_minute = 500
faults = { status_503 = 0.01 }
outages = [{ start = 600.0, end = 900.0 }]
"""


def test_a_scenario_is_read_from_its_file(tmp_path: Path) -> None:
    """Numbers are laws that never vary; what a target does not say is the default of the kind."""
    path = tmp_path / "scenario.toml"
    path.write_text(SCENARIO)
    scenario = read_scenario(path)
    traits = scenario.of(MODEL).traits(MODEL)
    assert (traits.first_token.scale, traits.per_token, traits.quotas[0].limit) == (0.6, constant(0.012), 500)
    assert traits.outages == (Outage(start=600, end=900),)
    assert scenario.of("other:model").traits("x").first_token == constant(0.4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[default]\nfirst_tokn = 1\n", "first_tokn"),
        ("[default]\nfaults = { status_999 = 0.1 }\n", "faults.status_999"),
        ("[default]\nfaults = { status_503 = 1.5 }\n", "probabilities"),
        ("[default]\nretry_after = ['weeks']\n", "retry_after 'weeks': there is seconds, fraction"),
        ("[default\n", "scenario"),
        ("[default]\nper_token = 'slow'\n", "per_token"),
    ],
)
def test_a_wrong_scenario_is_named(tmp_path: Path, text: str, words: str) -> None:
    """The file and what is wrong in it."""
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="scenario") as caught:
        read_scenario(path)
    assert words in str(caught.value)


def booked(first: float, pace: float, *, is_stream: bool, errors: int = 0) -> MemoryLedger:
    """A ledger of 40 answers of 10 to 400 tokens that took exactly so long, and some errors."""
    ledger = MemoryLedger()
    for number in range(40 + errors):
        id, tokens = f"a{number}", 10 * (number + 1)
        ledger.reserve(Reservation(attempt_id=id, call_id=id, number=1, started_ns=number, provider="p", model="m"))
        facts: dict[str, Any] = {"outcome": "failed", "error": "Overloaded(overloaded)"}
        if number < 40:
            time = first + pace * (tokens - 1)
            facts = {"outcome": "complete", "output_tokens": tokens, "latency": time, "input_tokens": 1}
            facts |= {"time_to_first_token": first} if is_stream else {}
        ledger.post(Settlement(attempt_id=id, settled_ns=number, **facts))
    return ledger


@pytest.mark.parametrize("is_stream", [True, False])
def test_the_ledger_tells_what_a_provider_is_like(is_stream: bool) -> None:
    """Streams by their first tokens, whole answers by a line through their times, to the same end; errors by their share."""
    conduct = fit(booked(0.7, 0.02, is_stream=is_stream, errors=10).rows()).of("p:m")
    traits = conduct.traits("p:m")
    assert traits.first_token.at(0.5) == pytest.approx(0.68, rel=1e-6)
    assert traits.per_token.at(0.5) == pytest.approx(0.02, rel=1e-6)
    assert conduct.faults == {"status_529": 0.2}


def test_what_was_fitted_takes_as_long_as_what_it_was_fitted_from() -> None:
    """A simulated stream has its first token, and its last, when the streams in the ledger had them."""
    scenario = fit(booked(0.7, 0.02, is_stream=True).rows())
    arrivals = steady(30, gap=20.0, output_tokens=100)
    report = simulate(arrivals, wide(), scenario=Scenario(default=scenario.of("p:m")))
    assert report.first_token.p50 == pytest.approx(0.7, rel=0.006)
    assert report.latency.p50 == pytest.approx(0.7 + 0.02 * 99, rel=0.006)


def test_few_answers_fit_nothing() -> None:
    """A law of three values would be a guess, so the default stands."""
    ledger = booked(0.7, 0.02, is_stream=True)
    assert fit(list(ledger.rows())[:10]).targets == {}


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.parametrize("name", ["azure_code.csv", "azure_conv.csv", "mooncake_conversation.jsonl"])
def test_public_traces_keep_every_limit(corpus: Path, name: str) -> None:
    """An hour of real traffic, far above the limits: at the provider no window of a minute holds more than they allow."""
    arrivals = list(read_trace(corpus / "data" / "llm_traces" / "dev" / name))
    loaded = settings(
        limits__mode="strict",
        limits__requests_per_minute=120,
        limits__tokens_per_minute=300_000,
        limits__tokens_per_day=10**9,
        limits__requests_per_day=1_500,
        queue__running=200,
    )
    report, log = arrived(arrivals, loaded, Scenario())
    assert report.calls == len(arrivals) == report.complete + report.failed
    assert fullest((entry.at, 1) for entry in log) <= 120
    assert fullest(used(log)) <= 300_000
    assert len(log) <= 1_500
    assert report.limits[f"target={MODEL}/tokens_per_minute"].peak > 0.5  # the limit was felt
    assert report.cost_nano_usd == sum(entry.input_tokens * 250 + entry.output_tokens * 2_000 for entry in log)
