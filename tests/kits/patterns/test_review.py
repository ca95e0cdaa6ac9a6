"""From a proposal to a weight: confidence, calibration, the gate and its roles, evidence and decay, predictions and drift."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import ConfigurationError
from backstay.kits.patterns import ExtractedPattern, PatternStore, Settings
from backstay.kits.patterns.calibration import Review, calibration_error, factor, fit
from backstay.kits.patterns.drift import actor_concentration, drifted, forecast_drift
from backstay.kits.patterns.gate import Stakes, contradicts, decide, judge, queue
from backstay.kits.patterns.mine import mine
from backstay.kits.patterns.pattern import effective_confidence
from backstay.kits.patterns.predict import measure, predict, settle
from backstay.kits.patterns.setting import Thresholds
from backstay.kits.patterns.store import Observation, Prediction
from backstay.kits.patterns.weight import pattern_base, weigh
from backstay.kits.patterns.workflow import calibrated, mine_store, persons, put_to_gate

from .conftest import DAY, StandingClock, event, orders


def pattern(confidence: float = 0.9, *, domain: str = "judicial", **more: object) -> ExtractedPattern:
    facts = {"pattern_type": "outcome", "subject": "s", "description": f"d {confidence}", "llm_confidence": confidence}
    return ExtractedPattern(domain=domain, **(facts | more))  # type: ignore[arg-type]


def test_effective_confidence_has_a_branch_for_every_result() -> None:
    """The application's formula; what the gate passed keeps its confidence and is not taken for wrong."""
    assert effective_confidence(0.8, is_validated=False, result=None) == pytest.approx(0.64)
    assert effective_confidence(0.8, is_validated=True, result="correct") == pytest.approx(0.96)
    assert effective_confidence(0.9, is_validated=True, result="correct") == 1
    assert effective_confidence(0.8, is_validated=True, result="partial") == pytest.approx(0.56)
    assert effective_confidence(0.8, is_validated=True, result="incorrect") == 0
    for is_validated in (True, False):
        assert effective_confidence(0.96, is_validated=is_validated, result="auto_validated") == 0.96
    with pytest.raises(ValueError, match="there is correct"):
        effective_confidence(0.8, is_validated=True, result="maybe")
    assert pattern(0.8).effective_confidence() == pytest.approx(0.8 * 0.85 * 0.8)


def test_the_id_is_made_of_the_claim() -> None:
    """New figures are the same pattern; another claim, type or subject is another."""
    one, *_ = mine(orders(40), types=("procedural",))
    more = next(other for other in mine(orders(60), types=("procedural",)) if other.pattern_id == one.pattern_id)
    assert more.structured_pattern["total"] > one.structured_pattern["total"]
    assert len(one.pattern_id) == 16
    assert one.pattern_id.startswith("pat_")
    assert msgspec.structs.replace(one, subject="other").pattern_id != one.pattern_id


@pytest.mark.parametrize(
    ("domain", "confidence", "decision"),
    [
        ("judicial", 0.95, "auto_pass"), ("judicial", 0.949, "review"), ("judicial", 0.70, "review"),
        ("judicial", 0.69, "escalated"), ("judicial", 0.5, "escalated"), ("judicial", 0.49, "blocked"),
        ("market", 0.90, "auto_pass"), ("market", 0.65, "review"), ("market", 0.40, "escalated"), ("market", 0.39, "blocked"),
        ("compliance", 0.92, "auto_pass"), ("compliance", 0.91, "review"), ("anything", 0.94, "review"),
    ],
)  # fmt: skip
def test_the_gate_by_domain(domain: str, confidence: float, decision: str) -> None:
    """The application's thresholds; an unknown domain has the strictest."""
    assert judge(pattern(domain=domain), confidence, settings=Settings()).decision == decision


@given(st.floats(0, 1), st.sampled_from(["judicial", "market", "compliance"]))
def test_high_stakes_never_make_it_easier(confidence: float, domain: str) -> None:
    """With high stakes each decision is as strict or stricter, and nothing under 1 passes a judicial gate by itself."""
    order = ("auto_pass", "review", "escalated", "blocked")
    plain = judge(pattern(domain=domain), confidence, settings=Settings()).decision
    strict = judge(pattern(domain=domain), confidence, settings=Settings(), stakes=Stakes(is_high=True)).decision
    assert order.index(strict) >= order.index(plain)
    assert not (domain == "judicial" and confidence < 1 and strict == "auto_pass")


def test_what_an_expert_must_see() -> None:
    """A new judge, a contradiction, a large position; and one event never passes."""
    new = pattern(0.99, pattern_type="preference", subject="ruth adair")
    ruling = judge(new, 0.99, settings=Settings())
    assert ruling.decision == "escalated"
    assert any("new_judge" in reason for reason in ruling.reasons)
    assert judge(new, 0.99, settings=Settings(), base=[new]).decision == "auto_pass"
    large = judge(pattern(), 0.99, settings=Settings(), stakes=Stakes(position=100_001))
    assert large.decision == "escalated"
    assert judge(pattern(), 0.99, settings=Settings(), stakes=Stakes(position=100_000)).decision == "auto_pass"
    single = pattern(evidence_strength="single_event")
    assert judge(single, 0.99, settings=Settings()).decision == "blocked"


def test_contradictions() -> None:
    """Two majorities of one whole contradict each other, and two shares whose intervals lie apart; others do not."""

    def claim(then: str, low: float, high: float, given: str = "a") -> ExtractedPattern:
        form = {"unit": "step", "given": {"what": given}, "then": {"next.what": then}, "interval": [low, high]}
        return pattern(structured_pattern=form)

    assert contradicts(claim("b", 0.6, 0.8), claim("c", 0.55, 0.9))
    assert contradicts(claim("b", 0.6, 0.8), claim("b", 0.1, 0.3))
    assert not contradicts(claim("b", 0.6, 0.8), claim("b", 0.7, 0.9))
    assert not contradicts(claim("b", 0.6, 0.8), claim("c", 0.1, 0.3))
    assert not contradicts(claim("b", 0.6, 0.8), claim("c", 0.6, 0.8, given="z"))


def test_roles(store: PatternStore) -> None:
    """Each may decide what its role may; a trainee's word is noted and decides nothing."""
    kinds = {"review": pattern(0.8), "escalated": pattern(0.6), "blocked": pattern(0.2)}
    store.propose(kinds.values())
    for one in kinds.values():
        store.rule(judge(one, one.llm_confidence, settings=Settings()))
    assert [ruling.decision for ruling, _ in queue(store)] == ["escalated", "review", "blocked"]
    with pytest.raises(ConfigurationError, match="standard may not"):
        decide(store, kinds["escalated"].pattern_id, "correct", by="Ada", role="standard")
    with pytest.raises(ConfigurationError, match="expert may not"):
        decide(store, kinds["blocked"].pattern_id, "correct", by="Ada", role="expert")
    decide(store, kinds["review"].pattern_id, "correct", by="Tim", role="trainee")
    assert len(queue(store)) == 3
    assert not store.patterns()[kinds["review"].pattern_id].human_validated
    decide(store, kinds["review"].pattern_id, "correct", by="Ada", role="standard")
    decide(store, kinds["escalated"].pattern_id, "incorrect", by="Eve", role="expert")
    decide(store, kinds["blocked"].pattern_id, "partial", by="Ann", role="admin", correction="only in May")
    assert queue(store) == []
    assert [store.patterns()[one.pattern_id].result for one in kinds.values()] == ["correct", "incorrect", "partial"]
    with pytest.raises(ConfigurationError, match="say who decides"):
        decide(store, kinds["review"].pattern_id, "correct", by=" ", role="admin")
    with pytest.raises(ConfigurationError, match="the gate's word"):
        decide(store, kinds["review"].pattern_id, "auto_validated", by="Ada", role="admin")


def test_calibration_mends_what_the_factor_can_not() -> None:
    """Confidence that is too extreme on both sides: the factor is about 1 and leaves it, the fitted map mends it."""
    pytest.importorskip("numpy")
    draw = random.Random(3)
    history = []
    for _ in range(600):
        p = draw.random()
        stated = p**3 / (p**3 + (1 - p) ** 3)
        history.append(Review(pattern_type="outcome", stated=stated, found=float(draw.random() < p)))
    assert factor(history, "outcome") == pytest.approx(1, abs=0.1)
    fitted, legacy = fit(history), fit(history, "legacy")

    def error(calibration: object) -> float:
        pairs = [(calibration.of(pattern(one.stated)), one.found == 1.0) for one in history]  # type: ignore[attr-defined]
        found, _ = calibration_error(pairs)
        assert found is not None
        return found

    assert error(fitted) < 0.05 < 0.1 < error(legacy)


def test_without_history_nothing_passes_by_itself() -> None:
    """Nine reviews teach nothing: the factor is 0.85, and even 0.99 is not 0.95 then."""
    history = [Review(pattern_type="outcome", stated=0.9, found=1.0)] * 9
    assert fit(history).of(pattern(0.99)) == pytest.approx(0.99 * 0.85)
    assert factor(history, "outcome") == 0.85
    assert fit([Review(pattern_type="outcome", stated=0.9, found=1.0)] * 200).of(pattern(0.99)) > 0.95
    assert calibration_error([(0.9, True)] * 49) == (None, "unknown")
    assert calibration_error([(0.9, n % 10 != 0) for n in range(50)])[1] == "excellent"


def test_weights_follow_evidence_and_forget_it() -> None:
    """Hits raise, misses lower, time brings it back to where it began, a person overrules."""
    settings = Settings(half_life=10)
    start = weigh(0.6, [], now=0, settings=settings)
    assert start.value == pytest.approx(0.6)
    hits = [Observation(True, 1.0, 0.0)] * 20
    fresh = weigh(0.6, hits, now=0, settings=settings)
    assert fresh.value == pytest.approx((4 * 0.6 + 20) / 24)
    half = weigh(0.6, hits, now=10 * DAY, settings=settings)
    assert half.alpha == pytest.approx(4 * 0.6 + 10)
    assert weigh(0.6, hits, now=1_000 * DAY, settings=settings).value == pytest.approx(0.6, abs=1e-6)
    assert weigh(0.6, [Observation(False, 1.0, 0.0)] * 20, now=0, settings=settings).value < 0.2
    assert weigh(0.6, [Observation(True, 1.0, 5.0)], now=0, settings=settings) == start
    assert weigh(0.6, hits, now=0, settings=settings, override=0.1).value == 0.1
    assert fresh.deviation < start.deviation


def test_predictions_rest_on_patterns_and_teach_them(store: PatternStore, clock: StandingClock) -> None:
    """The rate of what is known; None of what is not; an outcome is counted once for each pattern that spoke."""
    store.add_events(orders(40, skipped=4))
    patterns = mine(orders(40, skipped=4), types=("procedural",))
    store.propose(patterns)
    following = next(one for one in patterns if one.structured_pattern["then"] == {"next.what": "check"})
    base = pattern_base(store, Settings(), calibrated(store))
    assert base == []
    assert predict(base, {"what": "take"}, ("next.what", "check")) is None
    decide(store, following.pattern_id, "correct", by="Ada", role="standard")
    base = pattern_base(store, Settings(), calibrated(store))
    found = predict(base, {"what": "take"}, ("next.what", "check"))
    assert found is not None
    assert (found.probability, found.pattern_ids) == (pytest.approx(0.9), (following.pattern_id,))
    assert predict(base, {"what": "ship"}, ("next.what", "check")) is None
    store.predict(found)
    clock.seconds += 3_600
    settle(store, found.prediction_id, outcome=False, by="Ada")
    (after,) = pattern_base(store, Settings(), calibrated(store))
    assert after.weight.value < base[0].weight.value
    assert measure(store.predictions())["brier"] == pytest.approx(0.81)


def test_predictions_are_recalibrated_by_their_outcomes(store: PatternStore) -> None:
    """Where nine in ten were promised and half came true, the next promise is about a half."""
    pytest.importorskip("numpy")
    patterns = mine(orders(40, skipped=4), types=("procedural",))
    store.propose(patterns)
    for one in patterns:
        decide(store, one.pattern_id, "correct", by="Ada", role="standard")
    base = pattern_base(store, Settings(), calibrated(store))
    past = [
        Prediction(prediction_id=f"p{n}", given={}, then=("a", "b"), probability=0.9, raw=0.9, outcome=n % 2 == 0)
        for n in range(60)
    ]
    found = predict(base, {"what": "take"}, ("next.what", "check"), resolved=past)
    assert found is not None
    assert found.raw == pytest.approx(0.9)
    assert found.probability == pytest.approx(0.5, abs=0.1)


def test_drift_is_found_where_a_share_changed_and_nowhere_else() -> None:
    """A check that is left out from some day on drifts; what stays as it was does not."""
    steady, changed = orders(120, skipped=0), []
    for number in range(120):
        names = ["take", "check", "ship"] if number < 60 or number % 3 == 0 else ["take", "ship"]
        changed += [event(name, 600 * number + 10 * place, case=f"o{number}") for place, name in enumerate(names)]
    cut = event("cut", 600 * 60).at
    patterns = mine(changed, types=("procedural",))
    assert drifted(patterns, steady, cut=cut) == []
    (one,) = [each for each in drifted(patterns, changed, cut=cut) if "directly followed by check" in each.description]
    assert (one.before.support, one.before.total, one.after.support, one.after.total) == (60, 60, 20, 60)
    index, band = actor_concentration(steady)
    assert (round(index), band) == (3_333, "high")
    made = [
        Prediction(prediction_id=f"p{n}", given={}, then=("a", "b"), probability=0.9, raw=0.9, outcome=n < 60,
                   resolved_at=float(n))
        for n in range(120)
    ]  # fmt: skip
    errors = forecast_drift(made)
    assert errors is not None
    assert errors[0] < errors[1]


async def test_the_way_from_events_to_the_gate(store: PatternStore) -> None:
    """Mined twice, nothing is new; what a person judged is not judged again; names of judges are one person's."""
    store.add_events(orders(40))
    first = await mine_store(store)
    assert first.added.new == len(first.patterns) > 5
    assert {one.decision for one in first.rulings} <= {"review", "escalated", "blocked"}
    again = await mine_store(store)
    assert (again.added.new, again.rulings) == (0, ())
    decide(store, first.patterns[0].pattern_id, "correct", by="Ann", role="admin")
    calibration = calibrated(store)
    strict = put_to_gate(store, first.patterns, calibration, settings=Settings(), stakes=Stakes(is_high=True))
    assert first.patterns[0].pattern_id not in {one.pattern_id for one in strict}
    with pytest.raises(ConfigurationError, match="no events of nowhere"):
        await mine_store(store, domain="nowhere")
    named = persons([event("ruling", 1, who="Hon. Ruth M. Adair"), event("ruling", 2, who="ADAIR, RUTH")])
    assert [one.who for one in named] == [("ruth m adair",)] * 2
    assert [one.id for one in named] == [event("ruling", 1, who="Hon. Ruth M. Adair").id,
                                         event("ruling", 2, who="ADAIR, RUTH").id]  # fmt: skip


def test_settings_are_checked() -> None:
    """Thresholds in order; what cannot be is refused with its name."""
    with pytest.raises(ConfigurationError, match="block <= review"):
        Thresholds(auto_pass=0.5, review=0.7, block=0.3)
    with pytest.raises(ConfigurationError, match=r"half_life.*"):
        Settings(half_life=0)
