"""Workloads: traces in every form, laws that keep their rates, shares that are dealt out, and nothing kept in memory."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.errors import ConfigurationError
from backstay.ledger.memory import MemoryLedger
from backstay.ledger.row import Reservation, Settlement
from backstay.sim.law import constant
from backstay.sim.trace import from_ledger, read_trace, time_of_day
from backstay.sim.workload import Arrival, Mix, Traffic, faster, in_order

SECOND = 10**9


def call(at: float, content: str = "") -> Arrival:
    return Arrival(at=at, input_tokens=10, output_tokens=5, content=content)


def test_azures_columns_are_read_to_the_microsecond(tmp_path: Path) -> None:
    """Dates with seven digits of a second become seconds from the first call on."""
    path = tmp_path / "trace.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,1,2\n"
    )
    first, second = read_trace(path)
    assert (first.at, first.input_tokens, first.output_tokens) == (0.0, 374, 44)
    assert second.at == pytest.approx(4.314579, abs=1e-9)
    assert time_of_day(path) == 18 * 3600 + 15 * 60 + 46


def test_mooncakes_lines_are_milliseconds_and_name_their_content(tmp_path: Path) -> None:
    """Equal blocks are an equal question, other blocks another."""
    path = tmp_path / "trace.jsonl"
    line = '{"timestamp": %d, "input_length": 7, "output_length": 3, "hash_ids": [%s]}\n'
    path.write_text(line % (500, "1, 2") + line % (1500, "1, 2") + line % (2500, "12"))
    one, two, three = read_trace(path)
    assert [one.at, two.at, three.at] == [0.0, 1.0, 2.0]
    assert one.content == two.content != three.content


def test_a_trace_of_ones_own_says_who_asks(tmp_path: Path) -> None:
    """Optional columns are taken in any order and any case; a byte-order mark is no part of a name."""
    path = tmp_path / "own.csv"
    path.write_text(
        "\ufeffTenant,at_ms,output_tokens,INPUT_TOKENS,priority\nnorth,1000,5,10,High\n,3500,6,11,\n", encoding="utf-8"
    )
    first, second = read_trace(path)
    assert (first.tenant, first.priority, first.at) == ("north", "high", 0.0)
    assert (second.tenant, second.priority, second.at) == (None, None, 2.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("at,input_tokens\n1,2\n", "no column for output_tokens"),
        ("at,input_tokens,output_tokens\n1,2,3\nx,2,3\n", "line 3: 'x' is no time"),
        ("at,input_tokens,output_tokens\n1,2.5,3\n", "input_tokens = 2.5: must be a whole number"),
        ("at,input_tokens,output_tokens\n1,-2,3\n", "input_tokens = -2"),
        ("at,input_tokens,output_tokens\n1,2\n", "line 2: no output_tokens"),
        ("at,input_tokens,output_tokens,priority\n1,2,3,urgent\n", "there is high, medium, low"),
        ("at,input_tokens,output_tokens\nnan,2,3\n", "is no time"),
        ('{"at": 1, "input_tokens": 2, "output_tokens": 3}\n{"at": 1,\n', "line 2"),
        ("", "no column for at"),
    ],
)
def test_a_wrong_trace_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    """One clear error: the file, the line, and what is wrong there."""
    path = tmp_path / "trace"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="trace") as caught:
        list(read_trace(path))
    assert words in str(caught.value)


def test_a_missing_file_is_named() -> None:
    """A path that leads nowhere is an error of the caller, not a traceback."""
    with pytest.raises(ConfigurationError, match=r"nowhere\.csv: cannot be read"):
        list(read_trace("nowhere.csv"))


def test_a_little_disorder_is_sorted_and_a_lot_is_refused() -> None:
    """Logs are written at the ends of calls; but a file that is in no order at all is not guessed at."""
    assert [one.at for one in in_order([call(3), call(1), call(2), call(9)], disorder=2)] == [0.0, 1.0, 2.0, 8.0]
    with pytest.raises(ConfigurationError, match="not in order"):
        list(in_order([call(5), call(6), call(7), call(1)], disorder=2))


def test_calls_of_one_instant_keep_their_order() -> None:
    """Sorting is stable."""
    assert [one.content for one in in_order([call(1, "a"), call(0, "b"), call(1, "c")])] == ["b", "a", "c"]


def test_the_ledger_is_a_trace() -> None:
    """A call stands at its first attempt with the tokens of its answer; what was never answered and the cache's hits do not."""
    ledger = MemoryLedger()

    def book(call_id: str, number: int, at: int, **facts: object) -> None:
        entry = Reservation(
            attempt_id=f"{call_id}.{number}",
            call_id=call_id,
            number=number,
            started_ns=at * SECOND,
            provider="p",
            model="m",
            tenant="t",
        )
        ledger.reserve(entry)
        if facts:
            ledger.post(Settlement(attempt_id=entry.attempt_id, settled_ns=at * SECOND, **facts))  # type: ignore[arg-type]

    book("a", 1, 100, outcome="failed", error="Overloaded")
    book("b", 1, 101, outcome="complete", input_tokens=3, output_tokens=4)
    book("a", 2, 103, outcome="complete", input_tokens=1, output_tokens=2)
    book("c", 1, 104, outcome="failed", error="Overloaded")
    found = list(in_order(from_ledger(ledger.rows())))
    assert [(one.at, one.input_tokens, one.output_tokens, one.tenant) for one in found] == [
        (0.0, 1, 2, "t"),
        (1.0, 3, 4, "t"),
    ]


@pytest.mark.parametrize("kind", ["poisson", "constant", "bursty"])
def test_each_law_keeps_its_rate(kind: str) -> None:
    """Over a long time as many calls come as the rate says, in order; one seed is one traffic."""
    traffic = Traffic(kind=kind, rate=5.0, duration=20_000.0, burst=1.0)  # type: ignore[arg-type]
    times = [one.at for one in traffic.arrivals(3)]
    assert len(times) == pytest.approx(100_000, rel=0.06)
    assert times == sorted(times)
    assert times == [one.at for one in traffic.arrivals(3)]


def test_bursts_are_bursts() -> None:
    """The variance of calls a second over their mean is 1 for Poisson, and far above it in bursts."""

    def dispersion(kind: str) -> float:
        traffic = Traffic(kind=kind, rate=5.0, duration=5_000.0)  # type: ignore[arg-type]
        counts = Counter(int(one.at) for one in traffic.arrivals(1))
        values = [counts[second] for second in range(5_000)]
        mean = sum(values) / len(values)
        return sum((value - mean) ** 2 for value in values) / len(values) / mean

    assert dispersion("poisson") == pytest.approx(1.0, abs=0.1)
    assert dispersion("bursty") > 3
    assert dispersion("constant") == 0


def test_shares_are_dealt_out_where_the_trace_is_silent() -> None:
    """Shares come out as asked; what an arrival says itself stands; one seed deals in one way."""
    arrivals = [call(at) for at in range(10_000)]
    arrivals[0] = Arrival(at=0, input_tokens=1, output_tokens=1, priority="low", tenant="own")
    mix = Mix(priority={"high": 1, "medium": 3}, tenant={"a": 0.5, "b": 0.5}, repeats=0.25)
    dealt = list(mix.deal(arrivals, seed=2))
    counts = Counter(one.priority for one in dealt)
    assert (dealt[0].priority, dealt[0].tenant) == ("low", "own")
    assert counts["high"] == pytest.approx(2_500, rel=0.06)
    assert sum(bool(one.content) for one in dealt) == pytest.approx(2_500, rel=0.06)
    assert dealt == list(mix.deal(arrivals, seed=2)) != list(mix.deal(arrivals, seed=3))


def test_speed_presses_time_together() -> None:
    """Twice as fast is half of every time, and nothing else."""
    assert [one.at for one in faster([call(2), call(6)], 2.0)] == [1.0, 3.0]
    with pytest.raises(ConfigurationError, match="must be above 0"):
        list(faster([call(2)], 0))


def test_an_endless_trace_is_read_as_far_as_it_is_wanted() -> None:
    """Everything streams: a generator that never ends gives its first calls at once."""

    def endless() -> Iterator[Arrival]:
        yield from (call(float(number)) for number in itertools.count())

    stream = Mix(tenant={"a": 1}).deal(faster(in_order(endless(), disorder=8), 2.0))
    assert [one.at for one in itertools.islice(stream, 3)] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Traffic(rate=0, peak=1), ("traffic.rate = 0", "traffic.peak = 1")),
        (lambda: Mix(priority={"urgent": 1}, repeats=2), ("priority 'urgent'", "repeats 2")),
        (lambda: list(Mix(tenant={"a": 0}).deal([call(0)])), ("one above 0",)),
    ],
)
def test_wrong_figures_are_named_all_at_once(make: object, words: tuple[str, ...]) -> None:
    """Every fault in one error."""
    with pytest.raises(ConfigurationError) as caught:
        make()  # type: ignore[operator]
    assert all(word in str(caught.value) for word in words)


def test_laws_of_tokens_are_used() -> None:
    """The lengths come from their own laws."""
    traffic = Traffic(kind="constant", rate=1, duration=3, input_tokens=constant(7), output_tokens=constant(9))
    assert [(one.input_tokens, one.output_tokens) for one in traffic.arrivals()] == [(7, 9)] * 3
