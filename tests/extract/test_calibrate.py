"""Calibration: over-confidence is mended, measures are right, files are versioned, and few labels change nothing."""

from __future__ import annotations

import importlib.util
import math
import struct
import zlib
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy")

from backstay.errors import ConfigurationError  # noqa: E402
from backstay.extract.calibrate import (  # noqa: E402
    METHODS,
    Calibrator,
    accept_threshold,
    brier,
    ece,
    ece_interval,
    fit,
    load,
    log_loss,
    reliability,
)
from backstay.extract.calibrate.curve import pool_adjacent_violators  # noqa: E402
from backstay.extract.calibrate.history import Label, confidences, fit_history, fit_weights, read_labels  # noqa: E402
from backstay.extract.calibrate.reliability import to_png, to_svg, to_text  # noqa: E402
from backstay.extract.confidence import combine  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def sharpened(count: int, seed: int = 0, k: int = 3) -> tuple[list[float], list[int]]:
    """Labels of a source that is right as often as p, and says p^k / (p^k + (1-p)^k)."""
    generator = np.random.default_rng(seed)
    p = generator.uniform(0.05, 0.95, count)
    stated = p**k / (p**k + (1 - p) ** k)
    return stated.tolist(), (generator.uniform(size=count) < p).astype(int).tolist()


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_each_method_mends_over_confidence(method: str) -> None:
    """Fitted on one sample and judged on another, the ECE falls from 0.2 to under 0.04."""
    stated, right = sharpened(4000, seed=1)
    other, outcome = sharpened(4000, seed=2)
    calibrator = fit(stated, right, method=method)
    before, after = ece(other, outcome), ece(calibrator(other), outcome)
    assert before > 0.12
    assert after < 0.04
    assert log_loss(calibrator(other), outcome) < log_loss(other, outcome)


def test_the_single_factor_would_not() -> None:
    """The broken variant: mean(right) / mean(stated) is 1 where over-confidence is symmetric, and mends nothing."""
    stated, right = sharpened(4000, seed=1)
    factor = float(np.mean(right) / np.mean(stated))
    assert factor == pytest.approx(1.0, abs=0.05)
    assert ece(np.clip(np.array(stated) * factor, 0, 1), right) > 0.12


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=10, max_size=60),
    st.sampled_from(METHODS),
)
def test_a_map_is_monotone_and_stays_in_bounds(labels: list[tuple[float, bool]], method: str) -> None:
    """On any labels, separable, constant and extreme ones included."""
    stated, right = zip(*labels, strict=True)
    if len(set(right)) < 2:
        return
    mapped = fit(stated, right, method=method)(np.linspace(0, 1, 101))
    assert np.isfinite(mapped).all()
    assert (mapped >= 0).all()
    assert (mapped <= 1).all()
    assert (np.diff(mapped) >= -1e-12).all()


@pytest.mark.parametrize("labels", [([0.5] * 9, [1] * 5 + [0] * 4), ([0.9] * 20, [1] * 20), ([], [])])
def test_too_few_labels_change_nothing_and_say_so(labels: tuple[list[float], list[int]]) -> None:
    """Under ten labels, or labels of one kind: the identity, with a warning."""
    with pytest.warns(UserWarning, match="too few or too alike"):
        calibrator = fit(*labels)
    assert calibrator.method == "identity"
    assert calibrator(0.3) == 0.3


@pytest.mark.parametrize(
    ("probabilities", "outcomes", "method", "said"),
    [
        ([0.5, 1.5], [0, 1], "auto", "from 0 to 1"),
        ([0.5, float("nan")], [0, 1], "auto", "from 0 to 1"),
        ([0.5], [0, 1], "auto", "one length"),
        ([0.5, 0.6], [0, 2], "auto", "1 .right. or 0"),
        ([0.5, 0.6], [0, 1], "magic", "magic"),
    ],
)
def test_wrong_input_is_refused(probabilities: list[float], outcomes: list[int], method: str, said: str) -> None:
    """ValueError with what is wrong."""
    with pytest.raises(ValueError, match=said):
        fit(probabilities, outcomes, method=method)


def test_measures_by_hand() -> None:
    """Small samples whose values can be worked out on paper."""
    assert ece([0.9, 0.9, 0.1], [1, 0, 0], bins=10) == pytest.approx((0.8 + 0.1) / 3)
    assert ece([1.0, 0.0], [1, 0]) == 0
    assert brier([0.8, 0.4], [1, 0]) == pytest.approx((0.04 + 0.16) / 2)
    assert log_loss([0.5, 0.5], [1, 0]) == pytest.approx(math.log(2))
    low, high = ece_interval(*sharpened(500))
    assert low < ece(*sharpened(500)) < high
    assert sum(one.count for one in reliability(*sharpened(500))) == 500
    assert pool_adjacent_violators([1, 3, 2, 4], [1, 1, 1, 1]) == [1, 2.5, 2.5, 4]


def test_the_accepted_are_as_right_as_was_asked() -> None:
    """Over many samples the threshold of one half keeps the promise on the other; an impossible promise is None."""
    shares = []
    for seed in range(40):
        stated, right = sharpened(2000, seed=seed, k=1)
        threshold = accept_threshold(stated[:1000], right[:1000], 0.2)
        assert threshold is not None
        accepted = [y for p, y in zip(stated[1000:], right[1000:], strict=True) if p >= threshold]
        shares.append(1 - sum(accepted) / len(accepted))
    assert sum(shares) / len(shares) < 0.21
    assert sum(shares) / len(shares) > 0.15  # it accepts as much as it may
    assert accept_threshold([0.9] * 20, [0] * 20, 0.5) is None
    assert accept_threshold([0.9] * 99, [1] * 99, 0.009) is None  # one more wrong one would be one in a hundred
    assert accept_threshold([0.9] * 99, [1] * 99, 0.01) == 0.9
    with pytest.raises(ValueError, match="max_error"):
        accept_threshold([0.5], [1], 0.0)


@pytest.mark.slow
def test_against_scikit_learn() -> None:
    """Isotonic, Platt, log loss and Brier score agree with the usual implementation."""
    linear = pytest.importorskip("sklearn.linear_model")
    isotonic = pytest.importorskip("sklearn.isotonic")
    metrics = pytest.importorskip("sklearn.metrics")
    stated, right = sharpened(600, seed=5)
    grid = np.linspace(0.02, 0.98, 49)
    theirs = isotonic.IsotonicRegression(out_of_bounds="clip").fit(stated, right)
    assert np.allclose(fit(stated, right, "isotonic")(grid), theirs.predict(grid), atol=1e-9)
    odds = np.log(np.array(stated) / (1 - np.array(stated)))[:, None]
    model = linear.LogisticRegression(C=1e9, fit_intercept=False).fit(odds, right)
    assert fit(stated, right, "temperature").parameters["scale"][0] == pytest.approx(model.coef_[0][0], rel=1e-3)
    assert log_loss(stated, right) == pytest.approx(metrics.log_loss(right, stated))
    assert brier(stated, right) == pytest.approx(metrics.brier_score_loss(right, stated))


@pytest.mark.parametrize("method", METHODS)
def test_a_file_is_the_map(method: str, tmp_path: Path) -> None:
    """Saved and loaded it gives the same values; a damaged, foreign or missing file is one clear error."""
    calibrator = fit(*sharpened(300), method=method, name="demo")
    path = tmp_path / "demo.json"
    calibrator.save(path)
    again = load(path)
    assert again == calibrator
    assert (again(np.linspace(0, 1, 21)) == calibrator(np.linspace(0, 1, 21))).all()
    assert list(tmp_path.iterdir()) == [path]
    path.write_text(path.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(ConfigurationError, match="format 99"):
        load(path)
    path.write_text("{")
    with pytest.raises(ConfigurationError, match="no calibration file"):
        load(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "none.json")


def test_each_task_and_kind_has_a_map_of_its_own() -> None:
    """Where one kind is over-confident and the other is not, one map for both would spoil one; few labels get none."""
    over, right = sharpened(400, seed=3)
    fair, outcome = sharpened(400, seed=4, k=1)
    labels = [Label(confidence=p, correct=y, task="invoice", kind="date") for p, y in zip(over, right, strict=True)]
    labels += [Label(confidence=p, correct=y, task="invoice", kind="id") for p, y in zip(fair, outcome, strict=True)]
    labels += [Label(confidence=0.9, correct=1, task="rare", kind="id")] * 5
    calibrator = fit_history(labels)
    assert "rare/" not in calibrator.groups
    assert calibrator.of("invoice", "date", 0.95) < 0.85
    assert calibrator.of("invoice", "id", 0.95) > 0.88
    assert calibrator.of("rare", "text", 0.95) == calibrator(0.95)


def test_weights_of_signals_are_learned() -> None:
    """A signal that tells right from wrong gets weight, one that does not loses it, and too few labels teach none."""
    generator = np.random.default_rng(7)
    labels = []
    for _ in range(800):
        agreement, logprob = (float(value) for value in generator.uniform(0.05, 0.95, 2))
        right = int(generator.uniform() < agreement)
        labels.append(Label(confidence=0.8, correct=right, signals={"agreement": agreement, "logprob": logprob}))
    weights = fit_weights(labels)
    assert weights is not None
    assert weights["agreement"] == pytest.approx(1.0, abs=0.25)
    assert abs(weights["logprob"]) < 0.2
    assert combine({"agreement": 0.9}, weights) > combine({"agreement": 0.3}, weights) + 0.3
    assert ece(confidences(labels, weights), [label.correct for label in labels]) < 0.08
    assert fit_weights(labels[:50]) is None


def test_labels_are_read_with_their_faults(tmp_path: Path) -> None:
    """Each line that is none is named with its place; a missing column is, too."""
    path = tmp_path / "labels.csv"
    path.write_text("Confidence,correct,task,kind,grounded\n0.9,yes,extract:invoice,date,1\n1.2,1,,,\n0.5,maybe,,,\n")
    with pytest.raises(ConfigurationError) as caught:
        read_labels(path)
    assert [fault.partition(": ")[0] for fault in caught.value.faults] == [f"{path}:3", f"{path}:4"]
    path.write_text("Confidence,correct,task,kind,grounded\n0.9,yes,extract:invoice,date,1\n")
    (label,) = read_labels(path)
    assert label == Label(confidence=0.9, correct=1, task="invoice", kind="date", signals={"grounded": 1.0})
    path.write_text("p,y\n")
    with pytest.raises(ConfigurationError, match="no column confidence"):
        read_labels(path)


def test_the_drawings_are_what_they_say(tmp_path: Path) -> None:
    """Each bin is a point of the SVG, the PNG is a picture of the right size, the terminal shows both series."""
    stated, right = sharpened(500)
    series = [("before <raw>", reliability(stated, right)), ("after", reliability(fit(stated, right)(stated), right))]
    root = ElementTree.fromstring(to_svg(series, title="a & b"))
    circles = [node for node in root.iter() if node.tag.endswith("circle")]
    assert len(circles) == sum(len(bins) for _, bins in series)
    png = to_png(series)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    assert len(zlib.decompress(png[start + 4 : start + 4 + length])) == height * (3 * width + 1)
    text = to_text(series)
    assert "o before" in text
    assert text.count("●") > 3


def test_a_calibration_is_applied_to_an_extraction(tmp_path: Path) -> None:
    """The confidence of each field is what the map of its task and kind makes of it."""
    from backstay.sync import Client

    halves = Calibrator(method="temperature", parameters={"scale": [0.0]})
    path = tmp_path / "half.json"
    Calibrator(method="identity", groups={"receipt/date": halves}).save(path)
    text = (ROOT / "examples" / "receipts" / "us-diner.txt").read_text(encoding="utf-8")
    with Client("offline:rules") as client:
        plain = client.extract("receipt", text)
        calibrated = client.extract("receipt", text, calibration=path)
    assert calibrated.fields["date"].confidence == 0.5 != plain.fields["date"].confidence
    assert calibrated.fields["total"].confidence == plain.fields["total"].confidence
    assert calibrated.gate is not None
    assert plain.gate is not None
    assert calibrated.gate.confidence < plain.gate.confidence


def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_calibration", ROOT / "bench" / "accuracy" / "calibration.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["nba_games", "nfl_games", "nhl_games"])
def test_real_forecasts_are_mended(corpus: Path, name: str) -> None:
    """Sharpened and mended by maps of the other half: an ECE of 0.04 at most, from four times that."""
    errors = bench().errors(corpus, name)
    assert errors["sharpened"] > 0.1
    assert errors["mended"] <= 0.04
