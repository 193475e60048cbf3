"""Metrics against closed forms, brute force, scikit-learn and the ordinary bootstrap."""

import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from scipy.stats import t as student
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score, roc_curve

from calibrations import calibration_of
from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.metrics import bootstrap, information, rates
from spoofscope.metrics.bootstrap import Draws, Sample
from spoofscope.metrics.limits import (
    Trials,
    clopper_pearson,
    effective_trials,
    hull,
    percentile_interval,
    rate_limits,
    smallest_p,
)
from spoofscope.metrics.measure import (
    METRICS,
    Metric,
    measure,
    tandem_metrics,
    threshold_metrics,
)
from spoofscope.metrics.tables import clusters_of, evaluate, over_seeds, split_levels
from spoofscope.metrics.tdcf import AsvRates, tandem
from spoofscope.names import MACRO
from spoofscope.selection.calibration import fit_calibration

# A small grid of values, so ties within and across the classes are the rule.
tied = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=25)


def gaussian(n_bonafide=400, n_spoof=900, distance=2.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(distance, 1, n_bonafide), rng.normal(0, 1, n_spoof)


def brute_points(bonafide, spoof):
    """Operating points by definition."""
    thresholds = [*sorted({*bonafide, *spoof}), math.inf]
    p_miss = [sum(s < t for s in bonafide) / len(bonafide) for t in thresholds]
    p_fa = [sum(s >= t for s in spoof) / len(spoof) for t in thresholds]
    return thresholds, p_miss, p_fa


# ---------------------------------------------------------------- rates


@given(tied, tied)
def test_det_curve_is_the_definition(bonafide, spoof):
    curve = rates.det_curve(bonafide, spoof)
    for mine, brute in zip(curve, brute_points(bonafide, spoof), strict=True):
        np.testing.assert_allclose(mine, brute, rtol=0, atol=1e-15)


@given(tied, tied)
def test_min_dcf_is_the_cheapest_point(bonafide, spoof):
    _, p_miss, p_fa = brute_points(bonafide, spoof)
    expected = min((0.95 * m + 0.5 * f) / 0.5 for m, f in zip(p_miss, p_fa, strict=True))
    assert rates.min_dcf(bonafide, spoof) == pytest.approx(expected, abs=1e-12)
    assert 0 <= rates.min_dcf(bonafide, spoof) <= 1


@given(tied, tied)
def test_eer_lies_on_the_line_between_two_points(bonafide, spoof):
    value = rates.eer(bonafide, spoof).value
    _, p_miss, p_fa = brute_points(bonafide, spoof)
    crossings = []
    for k in range(1, len(p_miss)):
        before, after = p_miss[k - 1] - p_fa[k - 1], p_miss[k] - p_fa[k]
        if before < 0 <= after:
            share = -before / (after - before)
            crossings.append(p_miss[k - 1] + share * (p_miss[k] - p_miss[k - 1]))
    assert value == pytest.approx(crossings[0], abs=1e-12)


@given(tied, tied)
def test_eer_threshold_gives_the_nearest_rates(bonafide, spoof):
    at_threshold = rates.error_rates(bonafide, spoof, rates.eer(bonafide, spoof).threshold)
    _, p_miss, p_fa = brute_points(bonafide, spoof)
    nearest = min(abs(m - f) for m, f in zip(p_miss, p_fa, strict=True))
    gap = abs(at_threshold.bonafide_rejected - at_threshold.spoof_accepted)
    assert gap == pytest.approx(nearest, abs=1e-12)


@given(tied, tied)
def test_swapping_classes_and_sign_changes_nothing(bonafide, spoof):
    mirrored = [-s for s in spoof], [-s for s in bonafide]
    assert rates.eer(*mirrored).value == pytest.approx(rates.eer(bonafide, spoof).value, abs=1e-12)
    assert rates.auc(*mirrored) == rates.auc(bonafide, spoof)
    assert information.min_cllr(*mirrored) == pytest.approx(
        information.min_cllr(bonafide, spoof), abs=1e-12
    )


@given(tied, tied)
def test_inverted_scores_mirror_eer_and_auc(bonafide, spoof):
    inverted = [-s for s in bonafide], [-s for s in spoof]
    assert rates.eer(*inverted).value == pytest.approx(1 - rates.eer(bonafide, spoof).value)
    assert rates.auc(*inverted) == pytest.approx(1 - rates.auc(bonafide, spoof))


@given(tied, tied)
def test_monotone_transforms_change_nothing(bonafide, spoof):
    moved = [math.exp(s) - 3 for s in bonafide], [math.exp(s) - 3 for s in spoof]
    for metric in (lambda b, s: rates.eer(b, s).value, rates.min_dcf, rates.auc):
        assert metric(*moved) == metric(bonafide, spoof)
    assert information.min_cllr(*moved) == information.min_cllr(bonafide, spoof)


def test_all_tied_is_one_half_and_cost_one():
    assert rates.eer([3.0] * 7, [3.0] * 5) == rates.EER(0.5, 3.0)
    assert rates.auc([3.0] * 7, [3.0] * 5) == 0.5
    assert rates.min_dcf([3.0] * 7, [3.0] * 5) == 1.0


@pytest.mark.parametrize("share_of_zeros", [0.7, 0.8, 0.9])
def test_many_ties_do_not_inflate_the_eer(share_of_zeros):
    # Trial-by-trial walks report 0.65 to 0.85 for two samples of one such distribution.
    rng = np.random.default_rng(3)
    first, second = (
        np.where(rng.random(20_000) < share_of_zeros, 0.0, rng.random(20_000)) for _ in range(2)
    )
    assert rates.eer(first, second).value == pytest.approx(0.5, abs=0.01)


def test_perfect_separation():
    bonafide, spoof = [1.0, 2.0], [-3.0, -1.0]
    assert rates.eer(bonafide, spoof) == rates.EER(0.0, 0.0)
    assert rates.min_dcf(bonafide, spoof) == 0
    assert rates.auc(bonafide, spoof) == 1
    assert rates.eer(spoof, bonafide).value == 1


def test_eer_threshold_between_neighbouring_floats_still_separates():
    low = 1.0
    high = float(np.nextafter(low, 2))
    assert rates.eer([high], [low]).threshold == high


def test_gaussian_closed_forms():
    bonafide, spoof = (norm.ppf((np.arange(n) + 0.5) / n) for n in (20_000, 30_000))
    bonafide = bonafide + 2
    assert rates.eer(bonafide, spoof).value == pytest.approx(norm.cdf(-1), abs=1e-4)
    assert rates.eer(bonafide, spoof).threshold == pytest.approx(1, abs=1e-3)
    assert rates.auc(bonafide, spoof) == pytest.approx(norm.cdf(2 / math.sqrt(2)), abs=1e-4)
    # The likelihood ratio of these scores is 2 s - 2; the cost is lowest at its Bayes threshold.
    best = 1 - math.log(1.9) / 2
    expected = 1.9 * norm.cdf(best - 2) + norm.sf(best)
    assert rates.min_dcf(bonafide, spoof) == pytest.approx(expected, abs=1e-4)
    ratios = 2 * bonafide - 2, 2 * spoof - 2
    assert rates.act_dcf(*ratios) == pytest.approx(expected, abs=1e-3)
    loss = information.cllr(*ratios) - information.min_cllr(*ratios)
    assert loss == pytest.approx(0, abs=1e-3)


def test_against_sklearn():
    bonafide, spoof = (np.round(x, 1) for x in gaussian())
    labels = np.repeat([1, 0], [bonafide.size, spoof.size])
    scores = np.concatenate([bonafide, spoof])
    assert rates.auc(bonafide, spoof) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    fpr, tpr, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    curve = rates.det_curve(bonafide, spoof)
    np.testing.assert_array_equal(curve.thresholds, thresholds[::-1])
    np.testing.assert_allclose(curve.p_miss, 1 - tpr[::-1], atol=1e-12)
    np.testing.assert_allclose(curve.p_fa, fpr[::-1], atol=1e-12)
    decided = scores >= 0.7
    assert rates.accuracy(bonafide, spoof, 0.7) == pytest.approx(accuracy_score(labels, decided))
    assert rates.f1(bonafide, spoof, 0.7) == pytest.approx(f1_score(labels == 0, ~decided))


def test_polarity_matters():
    bonafide, spoof = gaussian()
    assert rates.min_dcf(bonafide, spoof) < 0.5
    assert rates.min_dcf(spoof, bonafide) == pytest.approx(1, abs=0.05)


def test_act_dcf_at_the_bayes_threshold():
    assert rates.bayes_threshold() == pytest.approx(-0.641854, abs=1e-6)
    just_below, just_above = -0.6419, -0.6418
    assert rates.act_dcf([just_above], [just_below]) == 0
    assert rates.act_dcf([just_below], [just_above]) == pytest.approx(2.9)


def test_error_rates_at_a_given_threshold():
    result = rates.error_rates([0.0, 1.0, 2.0, 3.0], [-1.0, 0.5, 1.0], 1.0)
    assert result == rates.ErrorRates(0.25, 1 / 3, (0.25 + 1 / 3) / 2)
    assert rates.f1([1.0], [2.0], 0.0) == 0


@pytest.mark.parametrize(
    ("bonafide", "spoof", "message"),
    [
        ([], [1.0], "no bona fide trials"),
        ([1.0], [], "no spoof trials"),
        ([1.0, math.nan], [1.0], "bona fide scores: 1 of 2 are not finite.*nan at position 1"),
        ([1.0], [math.inf], "spoof scores: 1 of 1 are not finite"),
        ([[1.0]], [1.0], "one dimension"),
    ],
)
def test_unusable_scores_are_refused(bonafide, spoof, message):
    for metric in (
        rates.eer,
        rates.min_dcf,
        rates.auc,
        rates.act_dcf,
        information.cllr,
        information.min_cllr,
        fit_calibration,
    ):
        with pytest.raises(SpoofscopeError, match=message):
            metric(bonafide, spoof)


# ---------------------------------------------------------------- information


def test_cllr_closed_forms():
    assert information.cllr([0.0, 0.0], [0.0]) == 1
    # Odds of 3 for the truth: log2(1 + 1/3).
    assert information.cllr([math.log(3)], [-math.log(3)]) == pytest.approx(math.log2(4 / 3))
    assert information.cllr([-1e4], [1e4]) == pytest.approx(1e4 / math.log(2))
    assert information.cllr([1e4], [-1e4]) == 0


@pytest.mark.slow
@given(tied, tied)
def test_min_cllr_is_cllr_after_isotonic_regression(bonafide, spoof):
    scores = np.array([*bonafide, *spoof])
    labels = np.repeat([1.0, 0.0], [len(bonafide), len(spoof)])
    weights = np.repeat([1 / len(bonafide), 1 / len(spoof)], [len(bonafide), len(spoof)])
    posterior = IsotonicRegression().fit(scores, labels, weights).predict(scores)
    with np.errstate(divide="ignore"):
        ratios = np.log(posterior) - np.log1p(-posterior)
        bits = [np.log2(1 + np.exp(-ratios[labels == 1])), np.log2(1 + np.exp(ratios[labels == 0]))]
    expected = sum(part.mean() for part in bits) / 2
    assert information.min_cllr(bonafide, spoof) == pytest.approx(expected, abs=1e-9)


@given(tied, tied)
def test_min_cllr_bounds(bonafide, spoof):
    value = information.min_cllr(bonafide, spoof)
    assert -1e-12 <= value <= 1 + 1e-12
    assert value <= information.cllr(bonafide, spoof) + 1e-12


def test_blocks_are_the_corners_of_the_roc_convex_hull():
    # Points (spoof below, bona fide below): (0,0) (1,0) (1,1) (2,1) (2,2); (1,1) is a corner of the
    # staircase but above the line from (1,0) to (2,1), so it is no corner of the hull.
    bonafide, spoof = np.array([0.0, 1, 0, 1]), np.array([1.0, 0, 1, 0])
    in_blocks = information.calibrated_blocks(bonafide, spoof)
    assert [each.tolist() for each in in_blocks] == [[0, 1, 1], [1, 1, 0]]


# ---------------------------------------------------------------- bootstrap


def drawn(bonafide, spoof, n=1000, seed=0, clusters=None):
    """Draws of a table whose trials are these, and the units of the classes."""
    is_bonafide = np.repeat([True, False], [len(bonafide), len(spoof)])
    draws = Draws(is_bonafide, clusters, n, np.random.default_rng(seed))
    return draws, (draws.units[is_bonafide], draws.units[~is_bonafide])


def resampled(bonafide, spoof, metric, n=1000, seed=0, clusters=None):
    draws, units = drawn(bonafide, spoof, n, seed, clusters)
    sample = Sample(bonafide, spoof, units, draws)
    return sample.values([metric.resampled], [metric.of(np.array(bonafide), np.array(spoof))])[0]


EVERY_METRIC = {
    **METRICS,
    **threshold_metrics(0.5),
    **tandem_metrics(tandem("2021", AsvRates(0.02, 0.02, 0.46))),
}


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("decimals", [1, 12])
def test_resampled_metrics_are_those_of_the_repeated_trials(clustered, decimals):
    """Every metric by counting scores, and by repeating each trial as often as it was drawn."""
    for distance in (-1.0, 0.0, 1.0, 6.0):
        bonafide, spoof = (np.round(x, decimals) for x in gaussian(60, 90, distance))
        draws, units = drawn(bonafide, spoof, 12, 5, np.arange(150) % 11 if clustered else None)
        sample = Sample(bonafide, spoof, units, draws)
        forms = [metric.resampled for metric in EVERY_METRIC.values()]
        found = sample.values(forms, [0.0] * len(forms))
        for i, times in enumerate(draws.times):
            again = [np.repeat(x, times[u]) for x, u in zip((bonafide, spoof), units, strict=True)]
            for (name, metric), values in zip(EVERY_METRIC.items(), found, strict=True):
                assert values[i] == pytest.approx(metric.of(*again), abs=1e-10), name


def test_a_metric_without_a_form_of_its_own_is_computed_for_each_resample():
    bonafide, spoof = gaussian(40, 60, 1.0)
    own = METRICS["auc"]
    plain = Metric("AUC", rates.auc)
    for clusters in (None, np.arange(100) % 7):
        draws, units = drawn(bonafide, spoof, 120, 3, clusters)
        fast = measure(bonafide, spoof, {"auc": own}, units, draws)["auc"]
        slow = measure(bonafide, spoof, {"auc": plain}, units, draws)["auc"]
        np.testing.assert_allclose(slow.resamples, fast.resamples, atol=1e-12)


def test_bootstrap_has_the_exact_distribution():
    """All 27 * 27 resamples of three and three trials, counted."""
    bonafide, spoof = np.array([0.0, 2.0, 3.0]), np.array([-1.0, 1.0, 2.0])
    expected: dict[tuple[float, float], float] = {}
    for b in itertools.product(bonafide, repeat=3):
        for s in itertools.product(spoof, repeat=3):
            key = round(rates.eer(b, s).value, 9), round(rates.min_dcf(b, s), 9)
            expected[key] = expected.get(key, 0) + 1 / 27**2
    n = 6000
    draws, units = drawn(bonafide, spoof, n, 7)
    sample = Sample(bonafide, spoof, units, draws)
    seen: dict[tuple[float, float], int] = {}
    for value, cost in zip(*sample.values([bootstrap.eer, bootstrap.min_dcf], [0, 0]), strict=True):
        key = round(value, 9), round(cost, 9)
        seen[key] = seen.get(key, 0) + 1
    assert seen.keys() <= expected.keys()
    for key, probability in expected.items():
        error = math.sqrt(probability * (1 - probability) / n)
        assert seen.get(key, 0) / n == pytest.approx(probability, abs=5 * error)


@pytest.mark.parametrize("name", ["eer", "min_dcf", "act_dcf", "cllr", "min_cllr", "auc"])
def test_bootstrap_against_the_direct_loop(name):
    bonafide, spoof = gaussian(300, 500, 2.0)
    metric = METRICS[name]
    fast = resampled(bonafide, spoof, metric)
    rng = np.random.default_rng(2)
    direct = np.array(
        [metric.of(rng.choice(bonafide, 300), rng.choice(spoof, 500)) for _ in range(400)]
    )
    assert fast.mean() == pytest.approx(direct.mean(), abs=6 * direct.std() / math.sqrt(400))
    assert fast.std() == pytest.approx(direct.std(), rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
def test_cells_and_groups_leave_the_intervals_as_they_are(monkeypatch, clustered):
    bonafide, spoof = gaussian(6000, 9000, 2.0)
    clusters = np.arange(15_000) % 300 if clustered else None
    exact, coarse = [], []
    for found in (exact, coarse):
        if found is coarse:
            monkeypatch.setattr(bootstrap, "CELLS", 500)
            monkeypatch.setattr(bootstrap, "GROUPS", 2000)
        else:
            monkeypatch.setattr(bootstrap, "CELLS", 20_000)
        draws, units = drawn(bonafide, spoof, 400, 1, clusters)
        found += measure(bonafide, spoof, EVERY_METRIC, units, draws).items()
    for (name, one), (_, other) in zip(exact, coarse, strict=True):
        assert one.value == other.value
        if clustered:
            # The draws are the same, so that all that differs is what cells do.
            spread = one.resamples.std()
            assert (one.resamples - other.resamples).std() < 0.15 * spread, name
        assert other.resamples.std() == pytest.approx(one.resamples.std(), rel=0.15), name


def test_rates_at_a_threshold_are_exact_in_cells(monkeypatch):
    monkeypatch.setattr(bootstrap, "CELLS", 16)
    bonafide, spoof = gaussian(200, 300, 2.0)
    draws, units = drawn(bonafide, spoof, 20)
    sample = Sample(bonafide, spoof, units, draws, [0.7])
    (found,) = sample.values([lambda r: r.bonafide_rejected(0.7)], [np.mean(bonafide < 0.7)])
    for value, times in zip(found, draws.times, strict=True):
        assert value == pytest.approx(np.mean(np.repeat(bonafide, times[units[0]]) < 0.7))


def test_bootstrap_is_a_function_of_the_seed():
    bonafide, spoof = gaussian()
    first, again, other = (
        resampled(bonafide, spoof, METRICS["eer"], 20, seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_cluster_bootstrap_is_wider_when_speakers_differ():
    rng = np.random.default_rng(11)
    shift = rng.normal(0, 1, 20)
    speakers = [np.repeat(np.arange(20), n) for n in (50, 100)]
    bonafide = rng.normal(2, 0.5, 1000) + shift[speakers[0]]
    spoof = rng.normal(0, 0.5, 2000) + shift[speakers[1]]
    clustered = resampled(bonafide, spoof, METRICS["eer"], 300, 1, np.concatenate(speakers))
    by_trial = resampled(bonafide, spoof, METRICS["eer"], 300, 1)
    assert clustered.std() > 3 * by_trial.std()


def test_cluster_bootstrap_of_single_trials_is_the_unstratified_bootstrap():
    bonafide, spoof = gaussian(200, 200)
    clustered = resampled(bonafide, spoof, METRICS["eer"], 400, 1, np.arange(400))
    by_trial = resampled(bonafide, spoof, METRICS["eer"], 400, 2)
    assert clustered.std() == pytest.approx(by_trial.std(), rel=0.2)


def test_cluster_bootstrap_with_one_bonafide_speaker_never_lacks_a_class():
    found = resampled([1.0, 2.0], [0.0, 1.5], METRICS["eer"], 50, 0, ["a", "a", "b", "c"])
    assert np.isfinite(found).all()
    assert found.size == 50


def test_cluster_bootstrap_refusals():
    with pytest.raises(SpoofscopeError, match="one cluster, 'a'"):
        drawn([1.0], [0.0], clusters=["a", "a"])
    with pytest.raises(SpoofscopeError, match="3 cluster names for 2 trials"):
        drawn([1.0], [0.0], clusters=["a", "b", "c"])


# ---------------------------------------------------------------- limits


@given(st.integers(1, 60), st.data(), st.sampled_from([0.8, 0.95]))
def test_clopper_pearson_is_that_of_scipy(n, data, confidence):
    k = data.draw(st.integers(0, n))
    expected = binomtest(k, n).proportion_ci(confidence, "exact")
    found = clopper_pearson(k, n, confidence)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_limits_grow_with_the_rate_between_whole_numbers():
    ends = np.array([clopper_pearson(k, 10) for k in np.linspace(0, 10, 101)])
    assert (np.diff(ends, axis=0) >= -1e-12).all()


def intervals(table):
    return {row["metric"]: (row["ci_low"], row["ci_high"]) for row in table.iter_rows(named=True)}


def table_of(bonafide, spoof, speakers=None, **options):
    n = len(bonafide) + len(spoof)
    frame = pl.DataFrame(
        {
            "utt_id": [f"u{i:04}" for i in range(n)],
            "label": ["bonafide"] * len(bonafide) + ["spoof"] * len(spoof),
            "score": [*map(float, bonafide), *map(float, spoof)],
        }
    )
    if speakers is not None:
        frame = frame.with_columns(speaker=pl.Series(speakers))
    return evaluate(frame, [], options.pop("bootstrap", 200), 1, **options)


BOTH = {"threshold": 0.0, "calibration": calibration_of(2.0, n=10**9)}
BOTH["tandem"] = tandem("2021", AsvRates(0.02, 0.02, 0.46))


@pytest.mark.parametrize("speakers", [None, "six"])
def test_no_error_has_a_bound(speakers):
    """10 bona fide and 30 spoof clips, apart; of six speakers each counts once."""
    bonafide, spoof = np.linspace(1, 2, 10), np.linspace(-2, -1, 30)
    names = None if speakers is None else [f"s{i % 6}" for i in range(40)]
    table = table_of(bonafide, spoof, names, **BOTH)
    found = intervals(table)
    n, m = (10, 30) if speakers is None else (6, 6)
    bound, other = (binomtest(0, k).proportion_ci(method="exact").high for k in (n, m))
    if speakers is None:
        assert bound == pytest.approx(0.3085, abs=1e-4)
    assert found["eer"] == pytest.approx((0, bound))
    assert found["hter"] == pytest.approx((0, bound))
    assert found["bonafide_rejected"] == pytest.approx((0, bound))
    assert found["spoof_accepted"] == pytest.approx((0, other))
    assert found["auc"] == pytest.approx((1 - bound, 1))
    everything = binomtest(0, 40 if speakers is None else 6).proportion_ci(method="exact").high
    assert found["accuracy"] == pytest.approx((1 - everything, 1))
    cost = min(1.0, math.hypot(1.9 * bound, other))
    assert found["min_dcf"] == pytest.approx((0, cost))
    assert found["act_dcf"] == pytest.approx((0, math.hypot(1.9 * bound, other)))
    # What is left after calibration if so many bona fide trials were on the other side: n log2 ...
    bits = (other_side_bits(bound),) * 2
    assert found["min_cllr"] == pytest.approx((0, bits[0]))
    assert found["cllr"][1] == pytest.approx(bits[1])
    assert found["cllr_calibrated"][1] == pytest.approx(bits[1])
    for name, (low, high) in found.items():
        value = table.filter(metric=name)["value"][0]
        assert low <= value <= high, name
        assert high - low > 0.05, name


def other_side_bits(u):
    """Minimum Cllr of a share u of bona fide among all spoof, and 1 - u alone: by hand."""
    return (u * math.log2((u + 1) / u) + math.log2(u + 1)) / 2


def test_all_wrong_has_a_bound():
    found = intervals(table_of(np.linspace(-2, -1, 10), np.linspace(1, 2, 30), **BOTH))
    bound = binomtest(0, 10).proportion_ci(method="exact").high
    assert found["eer"] == pytest.approx((1 - bound, 1))
    assert found["auc"] == pytest.approx((0, bound))
    assert found["min_cllr"][0] < 0.95
    assert found["min_dcf"][0] < 0.9


def test_a_constant_score_has_intervals_where_rates_have_some():
    found = intervals(table_of([0.5] * 12, [0.5] * 20))
    half = binomtest(6, 12).proportion_ci(method="exact")
    assert found["eer"] == pytest.approx((half.low, half.high))
    # Every resample costs the same, and nothing limits the cost of a ratio.
    assert found["cllr"] == found["min_cllr"] == (None, None)


@settings(max_examples=40, deadline=None)
@given(tied, tied)
def test_no_interval_is_narrower_than_the_binomial(bonafide, spoof):
    if min(len(bonafide), len(spoof)) < 2:
        return
    table = table_of(bonafide, spoof, bootstrap=100, threshold=0.0)
    found = intervals(table)
    n = {"rarer": min(len(bonafide), len(spoof)), "bonafide": len(bonafide), "spoof": len(spoof)}
    for name, counted in (
        *(("eer", "rarer"), ("auc", "rarer"), ("hter", "rarer")),
        *(("bonafide_rejected", "bonafide"), ("spoof_accepted", "spoof")),
    ):
        value = table.filter(metric=name)["value"][0]
        low, high = found[name]
        for k in {math.floor(value * n[counted] + 1e-9), math.ceil(value * n[counted] - 1e-9)}:
            if k == pytest.approx(value * n[counted]):
                exact = binomtest(k, n[counted]).proportion_ci(method="exact")
                assert low <= exact.low + 1e-9, name
                assert high >= exact.high - 1e-9, name
        assert low <= value <= high
    assert all((low is None) or low < high for low, high in found.values())


@pytest.mark.parametrize("name", ["cllr", "min_cllr"])
def test_the_error_of_bits_is_that_of_the_bootstrap(name):
    bonafide, spoof = gaussian(400, 900, 1.5)
    error = METRICS[name].error(bonafide, spoof)
    assert error == pytest.approx(resampled(bonafide, spoof, METRICS[name]).std(), rel=0.12)


def test_two_speakers_do_not_make_bits_certain():
    rng = np.random.default_rng(3)
    bonafide, spoof = rng.normal(1, 1, 8), rng.normal(0, 1, 24)
    found = intervals(table_of(bonafide, spoof, [f"s{i % 2}" for i in range(32)]))
    for name, error in (("cllr", information.cllr_error), ("min_cllr", information.min_cllr_error)):
        low, high = found[name]
        assert high - low > 0.8 * 1.96 * error(bonafide, spoof)


def test_effective_trials_of_clusters():
    """Speakers who are always right or always wrong count once, errors spread evenly all."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(20), 10)
    gathered = np.isin(speakers, (0, 1)).astype(float)
    spread = np.tile([1.0] + [0.0] * 9, 20)
    for errors, low, high in ((gathered, 15, 40), (spread, 120, 150)):
        drawn = rng.integers(0, 20, (2000, 20))
        means = errors.reshape(20, 10).mean(axis=1)[drawn].mean(axis=1)
        n = effective_trials(0.1, means, Trials(20, 200))
        assert low <= n <= high
    assert effective_trials(0.0, np.zeros(10), Trials(20, 200)) == 20


def limits_of_speakers(wrong, n_trials, rng):
    """Interval of an error rate from the errors of each speaker, as the tables have it."""
    k = len(wrong)
    resampled = rng.multinomial(k, np.full(k, 1 / k), 400) @ wrong / (k * n_trials)
    limits = rate_limits(wrong.sum() / (k * n_trials), resampled, Trials(k, k * n_trials))
    return hull(limits, percentile_interval(resampled))


def test_a_few_errors_do_not_look_much_surer_than_none():
    """The first error shows that not all trials of its speaker fail, and hardly more."""
    rng = np.random.default_rng(0)
    ends = [limits_of_speakers(np.array([1] * n + [0] * (7 - n)), 10, rng).high for n in range(4)]
    assert ends[0] == pytest.approx(1 - 0.025 ** (1 / 7))
    assert 0.25 < ends[1] < ends[0]
    assert ends[3] > 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_speakers", "n_trials", "correlation", "rate"),
    # Where the bootstrap and the binomial of estimated effective trials held 78 to 90 %.
    [(15, 100, 0.5, 0.03), (40, 100, 0.5, 0.01), (67, 100, 0.2, 0.003), (7, 100, 0.2, 0.03)],
)
def test_rates_whose_errors_gather_in_speakers_are_held(n_speakers, n_trials, correlation, rate):
    rng = np.random.default_rng(0)
    size = (1 - correlation) / correlation
    held = 0
    for _ in range(400):
        shares = rng.beta(rate * size, (1 - rate) * size, n_speakers)
        limits = limits_of_speakers(rng.binomial(n_trials, shares), n_trials, rng)
        held += limits.low <= rate <= limits.high
    assert held / 400 > 0.94


def test_too_few_of_a_class_have_no_interval():
    for bonafide in ([1.0], [1.0, 2.0]):
        found = intervals(table_of(bonafide, np.linspace(-2, 1.5, 30), threshold=0.0))
        assert (found["eer"] == (None, None)) == (len(bonafide) < 2)
        assert found["spoof_accepted"] != (None, None)
    one_speaker = ["a", "a", *(f"s{i}" for i in range(30))]
    found = intervals(table_of([1.0, 2.0], np.linspace(-2, 1.5, 30), one_speaker, threshold=0.0))
    assert found["eer"] == (None, None)
    assert found["spoof_accepted"] != (None, None)


@pytest.mark.parametrize("n", [1, 99])
def test_too_few_resamples_are_refused(n):
    with pytest.raises(SpoofscopeError, match=f"bootstrap: {n} resamples are too few"):
        table_of([1.0, 2.0], [0.0, 1.0], bootstrap=n)


def test_scores_near_the_largest_number():
    table = table_of([1e308, 3.0], [-1e308, 2.0], bootstrap=0)
    values = dict(table.select("metric", "value").rows())
    assert values["eer"] == 0
    expected = (math.log1p(math.exp(-3)) + math.log1p(math.exp(2))) / 4 / math.log(2)
    assert values["cllr"] == pytest.approx(expected)
    wrong = table_of([-1e308, -1e308], [1e308, 1e308], bootstrap=0)
    assert wrong.filter(metric="cllr")["value"][0] == pytest.approx(1e308 / math.log(2))
    rng = np.random.default_rng(0)
    huge = table_of(*(rng.choice([-1e308, 1e308, 2.0, -3.0], 12) for _ in range(2)))
    numbers = huge.select("ci_low", "ci_high").to_numpy()
    assert np.isfinite(numbers[huge["ci_low"].is_not_null().to_numpy()]).all()
    assert huge.filter(metric="eer")["ci_low"][0] is not None
    with pytest.raises(SpoofscopeError, match=r"Cllr is larger than any number.*1\.7e\+308"):
        table_of([-1.7e308], [1.7e308], bootstrap=0)


def test_smallest_p():
    assert [smallest_p(n) for n in (0, 1, 2, 6)] == [None, None, 0.5, 2**-5]


# ---------------------------------------------------------------- tables


def trials():
    rng = np.random.default_rng(8)
    rows = []
    for i in range(240):
        label = "bonafide" if i % 4 == 0 else "spoof"
        rows.append(
            {
                "utt_id": f"u{i}",
                "label": label,
                "attack": "-" if label == "bonafide" else f"A{i % 4}",
                "codec": ("-", "mp3")[i % 3 == 0],
                "speaker": f"s{i % 7}",
                "score": rng.normal(1.5 if label == "bonafide" else -i % 4 / 4),
            }
        )
    return pl.DataFrame(rows)


def value(table, condition, level, metric):
    row = table.filter(condition=condition, level=level, metric=metric)
    assert row.height == 1
    return row["value"][0]


def scores_of(frame, label):
    return frame.filter(label=label)["score"].to_numpy()


def test_attacks_are_compared_with_all_bonafide():
    joined = trials()
    table = evaluate(joined, ["attack"], 0, 1)
    bonafide = scores_of(joined, "bonafide")
    values = []
    for attack in ("A1", "A2", "A3"):
        spoof = joined.filter(attack=attack)["score"].to_numpy()
        values.append(rates.eer(bonafide, spoof).value)
        assert value(table, "attack", attack, "eer") == values[-1]
    assert value(table, "attack", MACRO, "eer") == pytest.approx(np.mean(values))
    assert (
        value(table, "pooled", "-", "eer") == rates.eer(bonafide, scores_of(joined, "spoof")).value
    )
    counts = table.filter(condition="attack", level="A1")
    assert counts["n_bonafide"].unique().to_list() == [60]
    assert counts["n_spoof"].unique().to_list() == [60]
    assert set(table.filter(condition="attack")["level"]) == {"A1", "A2", "A3", MACRO}


def test_codecs_take_both_classes_from_the_level():
    joined = trials()
    table = evaluate(joined, ["codec", "codec+attack"], 0, 1)
    mp3 = joined.filter(codec="mp3")
    expected = rates.min_dcf(scores_of(mp3, "bonafide"), scores_of(mp3, "spoof"))
    assert value(table, "codec", "mp3", "min_dcf") == expected
    crossed = rates.auc(scores_of(mp3, "bonafide"), mp3.filter(attack="A2")["score"].to_numpy())
    assert value(table, "codec+attack", "mp3+A2", "auc") == crossed
    assert [level for level, _ in split_levels(joined, "codec+attack")] == sorted(
        f"{codec}+{attack}" for codec in ("-", "mp3") for attack in ("A1", "A2", "A3")
    )
    renamed = joined.rename({"codec": "snr+codec"})
    assert [level for level, _ in split_levels(renamed, "snr+codec")] == ["-", "mp3"]


def test_one_class_levels_are_null_with_counts():
    joined = trials().with_columns(pl.col("codec").replace("-", "opus"))
    joined = joined.filter(~((pl.col("codec") == "mp3") & (pl.col("label") == "bonafide")))
    table = evaluate(joined, ["codec"], 100, 1, threshold=0.0)
    level = table.filter(condition="codec", level="mp3")
    needs_both = level.filter(pl.col("metric").is_in(["eer", "min_dcf", "act_dcf", "auc", "hter"]))
    assert needs_both["value"].to_list() == [None] * 5
    assert needs_both["ci_low"].to_list() == [None] * 5
    assert level["n_bonafide"].unique().to_list() == [0]
    assert level["n_spoof"].unique().to_list() == [60]
    assert value(table, "codec", "mp3", "bonafide_rejected") is None
    accepted = joined.filter(codec="mp3")["score"].to_numpy() >= 0
    assert value(table, "codec", "mp3", "spoof_accepted") == accepted.mean()
    assert value(table, "codec", MACRO, "eer") == value(table, "codec", "opus", "eer")


def test_a_table_of_one_class_has_no_error_rates():
    table = evaluate(trials().filter(label="spoof"), ["attack"], 100, 1)
    assert table["value"].is_null().all()
    assert set(table["level"]) == {"-", "A1", "A2", "A3", MACRO}


def test_threshold_transfer():
    joined = trials()
    table = evaluate(joined, [], 0, 1, threshold=0.25)
    expected = rates.error_rates(scores_of(joined, "bonafide"), scores_of(joined, "spoof"), 0.25)
    for name in expected._fields:
        assert value(table, "pooled", "-", name) == getattr(expected, name)


def test_calibrated_costs():
    joined = trials()
    table = evaluate(joined, [], 0, 1, calibration=calibration_of(2.0, -1.0, n=10**9))
    ratios = [2 * scores_of(joined, label) - 1 for label in ("bonafide", "spoof")]
    assert value(table, "pooled", "-", "cllr_calibrated") == pytest.approx(
        information.cllr(*ratios), abs=1e-12
    )
    assert value(table, "pooled", "-", "act_dcf_calibrated") == rates.act_dcf(*ratios)
    assert value(table, "pooled", "-", "cllr") != value(table, "pooled", "-", "cllr_calibrated")


def test_intervals_are_reproducible_and_independent_of_other_conditions():
    joined = trials()
    alone = evaluate(joined, ["codec"], 100, 3)
    together = evaluate(joined.reverse(), ["attack", "codec"], 100, 3)
    assert alone.filter(condition="codec").equals(evaluate(joined, ["codec"], 100, 3)[6:])
    interval = alone.filter(condition="pooled", metric="cllr").row(0, named=True)
    assert interval["ci_low"] < interval["value"] < interval["ci_high"]
    assert together.filter(condition="codec", metric="auc")["value"].to_list() == (
        alone.filter(condition="codec", metric="auc")["value"].to_list()
    )
    assert together.filter(condition="codec").equals(alone.filter(condition="codec"))
    assert not evaluate(joined, [], 100, 4).equals(evaluate(joined, [], 100, 3))


def test_clustered_intervals():
    joined = trials()
    table = evaluate(joined, ["speaker"], 100, 1, cluster="speaker")
    assert table.filter(condition="pooled", metric="eer")["ci_low"][0] is not None
    assert table.filter(condition="speaker", metric="eer")["ci_low"].is_null().all()
    with pytest.raises(TableError, match="column 'speaker' is empty for"):
        evaluate(joined.with_columns(speaker=pl.lit("")), [], 100, 1, cluster="speaker")
    with pytest.raises(SpoofscopeError, match="single value"):
        evaluate(joined.with_columns(speaker=pl.lit("x")), [], 100, 1, cluster="speaker")
    with pytest.raises(TableError, match="column 'label' names no clusters"):
        evaluate(joined, [], 100, 1, cluster="label")


def test_trials_of_unknown_speakers_are_resampled_one_by_one():
    joined = trials()
    unknown = joined.with_columns(speaker=pl.lit("-"))
    # Where none is known, as if there were no such column.
    expected = evaluate(joined, [], 100, 1, cluster="none")
    for frame, cluster in ((unknown, "speaker"), (unknown, None), (joined.drop("speaker"), None)):
        assert evaluate(frame, [], 100, 1, cluster=cluster).equals(expected)
    half = pl.when(pl.col("label") == "spoof").then(pl.lit("-")).otherwise("speaker")
    mixed = clusters_of(joined.with_columns(speaker=half), "speaker")
    n_spoof = int((joined["label"] == "spoof").sum())
    bonafide = joined.filter(label="bonafide")
    assert mixed.n_unique() == n_spoof + bonafide["speaker"].n_unique()


def test_speakers_are_resampled_by_default():
    joined = trials()
    by_default = evaluate(joined, ["codec"], 100, 1)
    assert by_default.equals(evaluate(joined, ["codec"], 100, 1, cluster="speaker"))
    assert not by_default.equals(evaluate(joined, ["codec"], 100, 1, cluster="none"))


def test_a_single_speaker_is_no_cluster(caplog):
    one = trials().with_columns(speaker=pl.lit("x"))
    assert evaluate(one, [], 100, 1).equals(evaluate(one, [], 100, 1, cluster="none"))
    assert "all trials are of one speaker" in caplog.text


def test_the_macro_average_knows_what_levels_share():
    """Levels of the same bona fide clips: the mean of resamples drawn together, by brute force."""
    joined = trials()
    row = evaluate(joined, ["attack"], 1000, 1, cluster="none").row(
        by_predicate=(pl.col("level") == MACRO) & (pl.col("metric") == "auc"), named=True
    )
    rng = np.random.default_rng(5)
    bonafide = scores_of(joined, "bonafide")
    levels = [joined.filter(attack=f"A{k}")["score"].to_numpy() for k in (1, 2, 3)]
    means = []
    for _ in range(1000):
        again = rng.choice(bonafide, bonafide.size)
        means.append(np.mean([rates.auc(again, rng.choice(own, own.size)) for own in levels]))
    low, high = np.quantile(means, [0.025, 0.975])
    assert row["ci_low"] <= low + 0.01
    assert row["ci_high"] >= high - 0.01
    assert row["ci_high"] - row["ci_low"] < 1.8 * (high - low)


def test_one_error_makes_no_macro_average_much_surer():
    """Four of five attacks have none, which all may owe to the same ten bona fide clips."""

    def interval(errors: int) -> tuple[float, float]:
        spoofs = [2.0] * errors + [0.0] * (50 - errors)
        joined = pl.DataFrame(
            {
                "utt_id": [f"u{i:02d}" for i in range(60)],
                "label": ["bonafide"] * 10 + ["spoof"] * 50,
                "attack": ["-"] * 10 + [f"A{i // 10}" for i in range(50)],
                "score": [1.0] * 10 + spoofs,
            }
        )
        table = evaluate(joined, ["attack"], 200, 1).filter(level=MACRO, metric="eer")
        return table.select("ci_low", "ci_high").row(0)

    # The exact binomial bound of 0 errors in 10: 1 - 0.025^(1 / 10).
    assert interval(0) == (0.0, pytest.approx(0.308497, abs=1e-6))
    # Four fifths of it, and a fifth of the distance of 0.445016 from one error in 10, by squares.
    high = 0.02 + math.hypot(0.8 * 0.308497, 0.2 * (0.445016 - 0.1))
    assert interval(1) == (0.0, pytest.approx(high, abs=1e-5))


def test_tables_refuse_bad_conditions():
    with pytest.raises(TableError, match="no column 'codek'; did you mean 'codec'"):
        evaluate(trials(), ["codek"], 0, 1)
    empty = trials().with_columns(codec=pl.lit(""))
    with pytest.raises(TableError, match="column 'codec' is empty for 'u0'"):
        evaluate(empty, ["codec"], 0, 1)
    with pytest.raises(TableError, match="'score' has empty values"):
        evaluate(trials().with_columns(score=pl.lit(None, pl.Float64)), [], 0, 1)


def test_over_seeds():
    tables = [
        evaluate(trials().with_columns(pl.col("score") * (1 + k)), [], 0, 1).with_columns(
            seed=pl.lit(k), detector=pl.lit("d")
        )
        for k in (0, 1, 2)
    ]
    merged = pl.concat(tables)
    summary = over_seeds(merged)
    row = summary.filter(metric="cllr").row(0, named=True)
    values = merged.filter(metric="cllr")["value"].to_numpy()
    assert row["mean"] == pytest.approx(values.mean())
    assert row["sd"] == pytest.approx(values.std(ddof=1))
    assert row["n_seeds"] == 3
    assert summary.filter(metric="eer")["sd"][0] == 0
    with pytest.raises(TableError, match="two rows"):
        over_seeds(pl.concat([merged, merged]))


def test_a_variance_that_few_clusters_tell_counts_for_fewer_trials():
    """Korn and Graubard's effective number with their factor of Student's t."""
    resampled = np.array([0.1, 0.3] * 50)
    plain = 0.2 * 0.8 / 0.1**2
    known = plain * (student.ppf(0.975, 29) / student.ppf(0.975, 5)) ** 2
    # 1 / n is the mean of 1 / 6, once, and of 1 / known, for each effective error.
    wrong = 0.2 * known
    expected = 1 / ((1 / 6 + wrong / known) / (1 + wrong))
    assert effective_trials(0.2, resampled, Trials(6, 30)) == pytest.approx(expected)
    assert effective_trials(0.8, resampled, Trials(6, 30)) == pytest.approx(expected)
    # Where single trials are drawn there is nothing to correct.
    assert effective_trials(0.2, resampled, Trials(30, 30)) == pytest.approx(30)
    expected = 1 / ((1 / 6 + 1.6 / 8) / (1 + 1.6))
    assert effective_trials(0.2, resampled, Trials(6, 8)) == pytest.approx(expected)
