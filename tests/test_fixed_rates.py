"""Operating points at held errors, against the definition applied to every threshold."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoofscope.metrics.bootstrap import Draws, Sample, repeated
from spoofscope.metrics.fixed_rates import HELD, RATES, errors_allowed, metric, point
from spoofscope.metrics.limits import clopper_pearson
from spoofscope.metrics.measure import measure
from spoofscope.summaries.operating_points import operating_points
from spoofscope.tables import write_manifest, write_scores


def brute(bonafide, spoof, held, rate):
    """The lowest rate of the other error over all thresholds that hold the one."""
    thresholds = [*np.concatenate([bonafide, spoof]), np.inf]
    pairs = [(np.mean(spoof >= t), np.mean(bonafide < t)) for t in thresholds]
    if held == "bonafide_rejected":
        pairs = [(missed, accepted) for accepted, missed in pairs]
    return min(other for kept, other in pairs if kept <= rate + 1e-12)


scores = st.lists(st.integers(-6, 6).map(float), min_size=20, max_size=80).map(np.array)


@pytest.mark.slow
@given(scores, scores, st.sampled_from(HELD), st.sampled_from([0.05, 0.1, 0.3]))
@settings(max_examples=200, deadline=None)
def test_points_are_the_best_of_all_thresholds(bonafide, spoof, held, rate):
    found = point(bonafide, spoof, held, rate)
    assert found is not None
    assert found.rate == brute(bonafide, spoof, held, rate)
    accepted, missed = np.mean(spoof >= found.threshold), np.mean(bonafide < found.threshold)
    kept, other = (accepted, missed) if held == "spoof_accepted" else (missed, accepted)
    assert kept <= rate + 1e-12
    assert other == found.rate


def test_closed_form():
    """Spoofs of scores 0 to 999, and bona fide below and above the eleven highest of them."""
    spoof = np.arange(1000.0)
    bonafide = np.concatenate([np.full(200, 988.5), np.full(800, 2000.0)])
    # Ten of a thousand may be accepted: 990 to 999, so the threshold is 990.
    assert point(bonafide, spoof, "spoof_accepted", 0.01) == (990.0, 0.2)
    # One may: 999.
    assert point(bonafide, spoof, "spoof_accepted", 0.001) == (999.0, 0.2)
    # Ten bona fide may be lost, and 200 have the lowest score: eleven spoofs are above it.
    assert point(bonafide, spoof, "bonafide_rejected", 0.01) == (988.5, 0.011)


@pytest.mark.parametrize(("n", "allowed"), [(99, 0), (100, 1), (199, 1), (1000, 10)])
def test_too_few_trials_have_no_point(n, allowed):
    many, few = np.arange(5000.0), np.arange(float(n))
    assert errors_allowed("spoof_accepted", 0.01, many.size, n) == allowed
    assert (point(many, few, "spoof_accepted", 0.01) is None) == (allowed == 0)
    assert (point(few, many, "bonafide_rejected", 0.01) is None) == (allowed == 0)


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("rate", RATES)
def test_resamples_are_those_of_the_definition(held, rate):
    rng = np.random.default_rng(3)
    bonafide, spoof = rng.normal(2, 1, 1200).round(2), rng.normal(0, 1, 1500).round(2)
    draws = Draws(np.arange(2700) < 1200, None, 40, rng)
    sample = Sample(bonafide, spoof, (draws.units[:1200], draws.units[1200:]), draws)
    of = metric(held, rate)
    assert of.resampled is not None
    fast, slow = sample.values([of.resampled, repeated(of.of)], [0.0, 0.0])
    assert np.allclose(fast, slow, atol=1e-12)


def test_intervals_are_at_least_the_binomial_one():
    spoof, bonafide = np.arange(200.0), np.full(50, 1000.0)
    draws = Draws(np.arange(250) < 50, None, 200, np.random.default_rng(0))
    units = draws.units[:50], draws.units[50:]
    held = {"x": metric("spoof_accepted", 0.01)}
    found = measure(bonafide, spoof, held, units, draws)["x"]
    assert found.value == 0.0
    assert found.interval is not None
    assert found.interval.high == pytest.approx(clopper_pearson(0, 50).high)


def test_the_table_says_why_there_is_no_point(tmp_path):
    rng = np.random.default_rng(1)
    n = 300
    labels = ["bonafide"] * 150 + ["spoof"] * 150
    manifest = pl.DataFrame(
        {
            "utt_id": [f"u{i}" for i in range(n)],
            "path": "x.wav",
            "split": "eval",
            "label": labels,
            "attack": ["-"] * 150 + ["A1"] * 150,
            "speaker": [f"s{i % 12}" for i in range(n)],
            "duration": 1.0,
            "sample_rate": 16000,
        }
    )
    write_manifest(tmp_path / "m.tsv", manifest)
    values = rng.normal(0, 1, n) + np.repeat([3.0, 0.0], 150)
    write_scores(tmp_path / "s.tsv", manifest.select("utt_id").with_columns(score=values))
    entry = {
        **{"name": "net", "seed": 1, "corpus": "c", "split": "eval"},
        **{"scores": str(tmp_path / "s.tsv"), "manifest": str(tmp_path / "m.tsv")},
    }
    table = operating_points([entry], 200, 1, None)
    assert table.select("held_error", "held_at", "n_errors", "why").rows() == [
        ("spoof_accepted", 0.01, 1, "-"),
        ("spoof_accepted", 0.001, 0, "fewer than 1000 spoofs"),
        ("bonafide_rejected", 0.01, 1, "-"),
        ("bonafide_rejected", 0.001, 0, "fewer than 1000 bona fide trials"),
    ]
    assert table["rate"].is_null().to_list() == [False, True, False, True]
    there = table.filter(pl.col("rate").is_not_null())
    assert (there["ci_low"] <= there["rate"]).all()
    assert (there["rate"] <= there["ci_high"]).all()
    for row in there.iter_rows(named=True):
        bonafide, spoof = values[:150], values[150:]
        assert row["rate"] == brute(bonafide, spoof, row["held_error"], row["held_at"])
