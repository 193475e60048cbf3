"""Paired comparison of detectors: against a plain bootstrap, and where the answer is known."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.metrics import paired
from spoofscope.metrics.correlation import holm
from spoofscope.metrics.paired import METRICS, compare
from spoofscope.metrics.rates import eer, min_dcf

N = 120


@pytest.fixture(scope="module")
def trials() -> pl.DataFrame:
    label = ["bonafide", "spoof"] * (N // 2)
    speaker = [f"s{i // 10}" for i in range(N)]
    return pl.DataFrame({"utt_id": [f"u{i:03}" for i in range(N)], "label": label}).with_columns(
        speaker=pl.Series(speaker)
    )


@pytest.fixture(scope="module")
def systems(trials) -> dict[str, pl.DataFrame]:
    rng = np.random.default_rng(3)
    truth = (trials["label"] == "bonafide").to_numpy() * 1.0
    common = rng.normal(0, 1, N)
    scores = {
        "good": 2 * truth + common,
        "nearly": 2 * truth + common + rng.normal(0, 0.3, N),
        "poor": 0.3 * truth + rng.normal(0, 1, N),
    }
    return {
        name: trials.select("utt_id").with_columns(score=pl.Series(values)).reverse()
        for name, values in scores.items()
    }


@pytest.fixture(scope="module")
def compared(systems, trials) -> pl.DataFrame:
    return compare(systems, trials, 800, seed=1, cluster="none")


def row(table: pl.DataFrame, first: str, second: str, metric: str = "eer") -> dict:
    found = table.filter(
        (pl.col("first") == first) & (pl.col("second") == second) & (pl.col("metric") == metric)
    )
    return found.row(0, named=True)


def test_values_are_those_of_the_metrics(compared, systems, trials):
    assert compared.height == 3 * len(METRICS)
    for name in ("good", "poor"):
        joined = trials.join(systems[name], on="utt_id")
        classes = [
            joined.filter(pl.col("label") == label)["score"].to_numpy()
            for label in ("bonafide", "spoof")
        ]
        side = "first" if name == "good" else "second"
        pair = row(compared, "good", "poor"), row(compared, "good", "poor", "min_dcf")
        assert pair[0][f"value_{side}"] == eer(*classes).value
        assert pair[1][f"value_{side}"] == min_dcf(*classes)
    found = row(compared, "good", "poor")
    assert found["difference"] == found["value_first"] - found["value_second"] < 0
    assert (found["n_bonafide"], found["n_spoof"], found["n_clusters"]) == (60, 60, None)


def test_interval_and_p_agree_with_a_plain_bootstrap(compared, systems, trials):
    rng = np.random.default_rng(11)
    joined = trials.join(systems["good"], on="utt_id").join(
        systems["nearly"], on="utt_id", suffix="_other"
    )
    classes = [
        joined.filter(pl.col("label") == label).select("score", "score_other").to_numpy()
        for label in ("bonafide", "spoof")
    ]
    differences = []
    for _ in range(800):
        drawn = [part[rng.integers(len(part), size=len(part))] for part in classes]
        one, other = (eer(drawn[0][:, i], drawn[1][:, i]).value for i in (0, 1))
        differences.append(one - other)
    found = row(compared, "good", "nearly")
    low, high = np.quantile(differences, [0.025, 0.975])
    # The rates of 60 trials come in steps of a sixtieth.
    assert found["ci_low"] == pytest.approx(low, abs=1.01 / 60)
    assert found["ci_high"] == pytest.approx(high, abs=1.01 / 60)


def test_what_is_different_is_found_and_nothing_else(compared):
    clear = row(compared, "good", "poor")
    assert clear["ci_high"] < 0
    assert clear["p"] == pytest.approx(2 / 801)
    assert row(compared, "good", "nearly")["p_holm"] > 0.05


def test_holm_is_over_the_pairs_of_a_metric(compared):
    for metric in METRICS:
        own = compared.filter(pl.col("metric") == metric)
        assert own["p_holm"].to_list() == pytest.approx(holm(own["p"].to_numpy()).tolist())
    assert (compared["p_holm"] >= compared["p"]).all()


def test_a_detector_does_not_differ_from_itself(systems, trials):
    same = compare({"a": systems["good"], "b": systems["good"]}, trials, 100, 1, cluster="none")
    assert same["difference"].to_list() == [0.0, 0.0]
    assert same["p"].to_list() == [1.0, 1.0]
    # As far as 0 of 60 trials that differ may be from the truth.
    far = binomtest(0, 60).proportion_ci(method="exact").high
    assert same["ci_low"].to_list() == pytest.approx([-far, -1.9 * far])
    assert same["ci_high"].to_list() == pytest.approx([far, 1.9 * far])


def test_speakers_are_resampled_as_a_whole(systems, trials, compared):
    clustered = compare(systems, trials, 400, seed=1, cluster="speaker")
    assert clustered["n_clusters"].to_list() == [12] * 6
    assert clustered["difference"].to_list() == compared["difference"].to_list()
    assert clustered["ci_low"].to_list() != compared["ci_low"].to_list()
    again = compare(systems, trials.reverse(), 400, seed=1, cluster="speaker")
    assert again.equals(clustered)
    assert compare(systems, trials, 400, seed=1).equals(clustered)


def test_two_speakers_prove_nothing(systems, trials, caplog):
    """However often they are resampled: whatever both have in common is in every resample."""
    few = trials.with_columns(speaker=pl.Series([f"s{i // 60}" for i in range(N)]))
    pair = {name: systems[name] for name in ("good", "poor")}
    found = row(compare(pair, few, 400, seed=1, cluster="speaker"), "good", "poor")
    assert found["ci_low"] < 0 < found["ci_high"]
    assert (found["p"], found["p_holm"], found["n_clusters"]) == (0.5, 0.5, 2)
    assert found["p_smallest"] == 0.5
    assert "2 clusters of the rarer class are too few for 1 pairs" in caplog.text


def test_few_speakers_are_not_surer_than_student_says():
    """Percentiles alone would find a difference in 11 of 100 tests of seven speakers without one,
    and hold 0 in 89.
    """
    rng = np.random.default_rng(3)
    found = []
    for _ in range(400):
        values = 0.2 * rng.normal(size=7)
        resamples = rng.multinomial(7, np.full(7, 1 / 7), size=400) @ values / 7
        found.append(paired.tested(resamples, float(values.mean()), 1.0, 7))
    assert np.mean([test["p"] < 0.05 for test in found]) == pytest.approx(0.05, abs=0.022)
    held = [test["ci_low"] <= 0 <= test["ci_high"] for test in found]
    assert np.mean(held) == pytest.approx(0.95, abs=0.022)


def test_resamples_that_are_all_the_same_are_not_taken_for_certain():
    """Their standard deviation is not 0, but 7e-18."""
    found = paired.tested(np.full(400, 0.05), 0.05, 1.0, 7)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(
        (0.05 - 0.41, 0.05 + 0.41), abs=0.01
    )


def test_what_the_correction_leaves_within_reach(systems, trials):
    by_speaker = compare(systems, trials, 400, seed=1)
    # Three pairs; 12 speakers give 2^-11, 400 resamples 2 / 401.
    assert by_speaker["p_smallest"].unique().to_list() == pytest.approx([3 * 2 / 401])
    few = trials.with_columns(speaker=pl.Series([f"s{i // 20}" for i in range(N)]))
    assert compare(systems, few, 400, seed=1)["p_smallest"][0] == pytest.approx(3 * 2**-5)


@pytest.mark.parametrize("n_bonafide", [1, 2, 3])
def test_one_trial_of_a_class_proves_nothing(n_bonafide):
    ids = [f"u{k:02}" for k in range(n_bonafide + 30)]
    trials = pl.DataFrame({"utt_id": ids, "label": ["bonafide"] * n_bonafide + ["spoof"] * 30})
    spoof = np.linspace(-2, 0.5, 30).tolist()
    scores = {
        name: pl.DataFrame({"utt_id": ids, "score": [value] * n_bonafide + spoof})
        for name, value in (("good", 1.0), ("bad", -1.0))
    }
    found = row(compare(scores, trials, 1000, 1), "good", "bad")
    if n_bonafide == 1:
        assert found["p_smallest"] is found["ci_low"] is None
        assert np.isnan([found["p"], found["p_holm"]]).all()
    else:
        assert found["p"] == found["p_holm"] == found["p_smallest"] == 2.0 ** (1 - n_bonafide)


def test_too_few_resamples_are_remarked_on(systems, trials, caplog):
    compare(systems, trials, 119, seed=1, cluster="none")
    assert "too few for 3 pairs" in caplog.text
    assert "take at least 120" in caplog.text
    caplog.clear()
    compare(systems, trials, 120, seed=1, cluster="none")
    assert caplog.text == ""


def test_what_cannot_be_compared(systems, trials):
    with pytest.raises(SpoofscopeError, match="at least two"):
        compare({"a": systems["good"]}, trials, 100, seed=1)
    with pytest.raises(SpoofscopeError, match="needs resamples"):
        compare(systems, trials, 0, seed=1)
    with pytest.raises(SpoofscopeError, match=r"comparisons\.resamples: 99 resamples are too few"):
        compare(systems, trials, 99, seed=1)
    with pytest.raises(TableError, match="lacks 1 of the trials"):
        compare({"a": systems["good"], "b": systems["good"].head(N - 1)}, trials, 100, seed=1)
    with pytest.raises(TableError, match="no column 'talker'"):
        compare(systems, trials, 100, seed=1, cluster="talker")
