"""The simulated tier is a tier: processor sharing is exact, work is conserved, servers boot, one seed gives one run."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.errors import ConfigurationError
from backstay.kits.operations.queueing import foresee, service_of, truncated_mean
from backstay.kits.operations.server import Server
from backstay.kits.operations.setting import Tier, Worth
from backstay.kits.operations.tier import WebTier
from backstay.kits.operations.trace import read_deltas, waves
from backstay.kits.operations.utility import utility

JOBS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 30)), min_size=1, max_size=12)


def run_server(jobs: list[tuple[int, int]], *, threads: int = 100) -> tuple[list[float], float]:
    """Response times in the order of leaving, and the busy time; `jobs` are gaps and needs in tenths of a second."""
    needs = iter([need / 10 for _, need in jobs])
    left: list[float] = []
    server = Server(
        0.0, threads=threads, timeout=1e9, need=lambda: (next(needs), False), finished=lambda took, _: left.append(took)
    )
    for at in accumulate(gap / 10 for gap, _ in jobs):
        server.arrive(at)
    server.advance(1e6)
    return left, server.busy


def shared_in_steps(jobs: list[tuple[int, int]], step: float = 0.002) -> float:
    """The sum of response times of processor sharing, followed in small steps: the reference."""
    arrivals = list(accumulate(gap / 10 for gap, _ in jobs))
    rest = {number: need / 10 for number, (_, need) in enumerate(jobs)}
    now, total = 0.0, 0.0
    while rest:
        present = [number for number in rest if arrivals[number] <= now + 1e-9]
        for number in present:
            rest[number] -= step / len(present)
            if rest[number] <= 1e-9:
                del rest[number]
                total += now + step - arrivals[number]
        now += step
    return total


@given(JOBS)
@settings(max_examples=25)
def test_processors_are_shared_exactly(jobs: list[tuple[int, int]]) -> None:
    """The response times are those of a step by step simulation, and the busy time is the work that came."""
    left, busy = run_server(jobs)
    assert len(left) == len(jobs)
    assert sum(left) == pytest.approx(shared_in_steps(jobs), abs=0.02 * len(jobs) + 0.01)
    assert busy == pytest.approx(sum(need for _, need in jobs) / 10)


def test_the_reference_sees_a_server_that_does_not_share() -> None:
    """The broken variant: one thread, which serves one after the other, has other response times."""
    jobs = [(0, 30), (1, 1)]
    left, _ = run_server(jobs, threads=1)
    assert sum(left) != pytest.approx(shared_in_steps(jobs), abs=0.05)


def test_who_waits_too_long_in_line_is_sent_away() -> None:
    """Behind a full server a request leaves at its time-out's first chance, without being served."""
    left: list[float] = []
    server = Server(0.0, threads=1, timeout=2.0, need=lambda: (5.0, False), finished=lambda took, _: left.append(took))
    server.arrive(0.0)
    server.arrive(1.0)
    server.advance(100.0)
    assert left == [5.0, 4.0]
    assert server.busy == 5.0


def test_response_time_is_that_of_theory() -> None:
    """With Poisson arrivals on one server the mean is E[S] / (1 - rho), as the queueing model says."""
    tier = WebTier(
        waves(minutes=120, low=15, high=15.0001, seed=5), Tier(max_servers=1, initial_servers=1, initial_dimmer=1)
    )
    tier.advance(7_000)
    seen = tier.measure(7_000)
    expected = foresee(rate=15, servers=1, service=service_of(Tier()).optional)
    assert seen.response_time == pytest.approx(expected.response_time, rel=0.1)
    assert seen.mean_utilisation == pytest.approx(expected.utilisation, rel=0.05)


def test_the_mean_of_a_truncated_normal() -> None:
    """SWIM's service time of 30 ms with a spread of 30 ms takes 38.6 ms in the mean."""
    assert truncated_mean(0.030, 0.030) == pytest.approx(0.03863, abs=1e-5)
    assert truncated_mean(0.030, 0.0) == 0.030


def test_a_server_boots_before_it_serves() -> None:
    """It is paid for from the start, and serves after its delay."""
    tier = WebTier(waves(minutes=5, low=5, high=6), Tier(initial_servers=1, boot_delay=60))
    tier.add_server()
    assert (tier.servers, tier.active_servers) == (2, 1)
    tier.advance(59.9)
    assert tier.active_servers == 1
    tier.advance(60.1)
    assert tier.active_servers == 2
    assert tier.measure(60.1).mean_servers == pytest.approx(2.0)


def test_a_server_that_goes_ends_its_requests() -> None:
    """Nothing that arrived is lost, whatever servers come and go."""
    tier = WebTier(waves(minutes=4, low=20, high=40), Tier(initial_servers=3, boot_delay=0))
    for second in range(1, 260):
        tier.advance(float(second))
        if second % 10 == 0:
            (tier.remove_server if second % 20 else tier.add_server)()
    tier.advance(10_000)
    seen = tier.measure(10_000)
    served = (seen.basic_rate + seen.optional_rate) * seen.seconds
    assert served == pytest.approx(seen.arrival_rate * seen.seconds)
    assert all(0 <= share <= 1 for share in seen.utilisation)


def test_bounds_are_kept() -> None:
    """No server beyond the most or below one, no dimmer outside of 0 to 1, no tier without servers."""
    tier = WebTier([1.0], Tier(initial_servers=1, max_servers=1))
    with pytest.raises(ValueError, match="1 of 1"):
        tier.add_server()
    with pytest.raises(ValueError, match="last server"):
        tier.remove_server()
    with pytest.raises(ValueError, match="from 0 to 1"):
        tier.set_dimmer(1.1)
    with pytest.raises(ConfigurationError, match="initial_servers"):
        Tier(initial_servers=4)


@given(st.integers(0, 2**32))
def test_one_seed_one_run(seed: int) -> None:
    """Two tiers with one seed measure the same to the last bit."""
    runs = [WebTier(waves(minutes=2, low=5, high=20, seed=seed), seed=seed) for _ in range(2)]
    for tier in runs:
        tier.advance(60)
        tier.set_dimmer(0.5)
        tier.advance(120)
    assert runs[0].measure(60) == runs[1].measure(60)


def test_utility_is_the_published_one() -> None:
    """Revenue, the credit for servers only with all optional content, and late periods."""
    worth = Worth()
    assert utility(worth, rate=10, dimmer=1, servers=1, max_servers=3, response_time=0.1) == pytest.approx(35)
    assert utility(worth, rate=10, dimmer=0.5, servers=1, max_servers=3, response_time=0.1) == pytest.approx(12.5)
    assert utility(worth, rate=10, dimmer=1, servers=1, max_servers=3, response_time=0.8) < 0
    late = utility(worth, rate=60, dimmer=1, servers=3, max_servers=3, response_time=9.0)
    assert late == pytest.approx(1.5 * (60 - 3 / 0.04452713))
    assert utility(worth, rate=10, dimmer=1, servers=1, max_servers=3, response_time=None) < 0


def test_a_trace_names_its_wrong_line(tmp_path: object) -> None:
    """A line that is no time between requests is an error with its place."""
    path = f"{tmp_path}/trace.delta"
    with open(path, "w", encoding="utf-8") as file:
        file.write("0.5\n\n0.25\n-1\n")
    with pytest.raises(ConfigurationError, match=r"trace\.delta:4"):
        list(read_deltas(path))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        list(read_deltas(f"{tmp_path}/none.delta"))
