"""Metrics against closed forms, brute force, scikit-learn and the ordinary bootstrap."""

import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score, roc_curve

from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.metrics import bootstrap, information, rates
from spoofscope.metrics.tables import MACRO, clusters_of, evaluate, over_seeds, split_levels
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
    assert information.calibration_loss(*ratios) == pytest.approx(0, abs=1e-3)


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


def test_roc_convex_hull_corners():
    # Points (spoof below, bona fide below): (0,0) (1,0) (1,1) (2,1) (2,2); (1,1) is a corner of the
    # staircase but above the line from (1,0) to (2,1), so it is no corner of the hull.
    below_bonafide, below_spoof = information.roc_convex_hull([2.0, 4.0], [1.0, 3.0])
    assert below_spoof.tolist() == [0, 1, 2, 2]
    assert below_bonafide.tolist() == [0, 0, 1, 2]


# ---------------------------------------------------------------- bootstrap


@pytest.mark.parametrize("blocks", [1, 3, 16, 512])
@pytest.mark.parametrize("decimals", [1, 12])
def test_bootstrap_metrics_are_those_of_the_resampled_trials(monkeypatch, blocks, decimals):
    """Same counts through blocks and bounds, and by repeating each trial."""
    monkeypatch.setattr(bootstrap, "BLOCKS", blocks)
    rng = np.random.default_rng(5)
    for distance in (-1.0, 0.0, 1.0, 4.0):
        bonafide, spoof = (np.round(x, decimals) for x in gaussian(120, 300, distance))
        drawn = bootstrap._Bootstrap(bonafide, spoof)
        units = np.arange(120), np.arange(120, 420)
        for times in bootstrap._draw_trials(120, 300, 10, rng):
            repeated = np.repeat(bonafide, times[:120]), np.repeat(spoof, times[120:])
            value, cost = drawn.metrics(drawn.draw_units(times, drawn.sort_units(units)))
            assert value == pytest.approx(rates.eer(*repeated).value, abs=1e-12)
            assert cost == pytest.approx(rates.min_dcf(*repeated), abs=1e-12)


@pytest.mark.parametrize("blocks", [1, 2, 3, 512])
def test_bootstrap_has_the_exact_distribution(monkeypatch, blocks):
    """All 27 * 27 resamples of three and three trials, counted."""
    monkeypatch.setattr(bootstrap, "BLOCKS", blocks)
    bonafide, spoof = np.array([0.0, 2.0, 3.0]), np.array([-1.0, 1.0, 2.0])
    expected: dict[tuple[float, float], float] = {}
    for b in itertools.product(bonafide, repeat=3):
        for s in itertools.product(spoof, repeat=3):
            key = round(rates.eer(b, s).value, 9), round(rates.min_dcf(b, s), 9)
            expected[key] = expected.get(key, 0) + 1 / 27**2
    n = 6000
    resamples = bootstrap.resample(bonafide, spoof, n, np.random.default_rng(7))
    seen: dict[tuple[float, float], int] = {}
    for value, cost in zip(*resamples, strict=True):
        key = round(value, 9), round(cost, 9)
        seen[key] = seen.get(key, 0) + 1
    assert seen.keys() <= expected.keys()
    for key, probability in expected.items():
        error = math.sqrt(probability * (1 - probability) / n)
        assert seen.get(key, 0) / n == pytest.approx(probability, abs=5 * error)


def test_bootstrap_interval_against_the_direct_loop():
    bonafide, spoof = gaussian(2000, 3000, 2.0)
    fast = bootstrap.resample(bonafide, spoof, 1000, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    direct = np.array(
        [
            (rates.eer(b, s).value, rates.min_dcf(b, s))
            for b, s in ((rng.choice(bonafide, 2000), rng.choice(spoof, 3000)) for _ in range(1000))
        ]
    )
    for mine, other in zip(fast, direct.T, strict=True):
        error = other.std() / math.sqrt(1000)
        assert mine.mean() == pytest.approx(other.mean(), abs=6 * error)
        assert mine.std() == pytest.approx(other.std(), rel=0.15)
        for a, b in zip(
            bootstrap.percentile_interval(mine), bootstrap.percentile_interval(other), strict=True
        ):
            assert a == pytest.approx(b, abs=0.35 * other.std())


def test_bootstrap_is_a_function_of_the_seed():
    bonafide, spoof = gaussian()
    first, again, other = (
        bootstrap.resample(bonafide, spoof, 20, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_cluster_bootstrap_is_wider_when_speakers_differ():
    rng = np.random.default_rng(11)
    speakers = np.arange(20)
    shift = rng.normal(0, 1, 20)
    bonafide_speaker, spoof_speaker = (np.repeat(speakers, n) for n in (50, 100))
    bonafide = rng.normal(2, 0.5, 1000) + shift[bonafide_speaker]
    spoof = rng.normal(0, 0.5, 2000) + shift[spoof_speaker]
    clustered = bootstrap.resample_clusters(
        bonafide, spoof, (bonafide_speaker, spoof_speaker), 300, rng
    )
    by_trial = bootstrap.resample(bonafide, spoof, 300, rng)
    assert clustered.eer.std() > 3 * by_trial.eer.std()


def test_cluster_bootstrap_of_single_trials_is_the_unstratified_bootstrap():
    bonafide, spoof = gaussian(200, 200)
    single = np.arange(200), np.arange(200, 400)
    clustered = bootstrap.resample_clusters(bonafide, spoof, single, 400, np.random.default_rng(1))
    by_trial = bootstrap.resample(bonafide, spoof, 400, np.random.default_rng(2))
    assert clustered.eer.std() == pytest.approx(by_trial.eer.std(), rel=0.2)


def test_cluster_bootstrap_with_one_bonafide_speaker_never_lacks_a_class():
    result = bootstrap.resample_clusters(
        [1.0, 2.0], [0.0, 1.5], (["a", "a"], ["b", "c"]), 50, np.random.default_rng(0)
    )
    assert np.isfinite(result.eer).all()
    assert result.eer.size == 50


def test_cluster_bootstrap_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(SpoofscopeError, match="one cluster, 'a'"):
        bootstrap.resample_clusters([1.0], [0.0], (["a"], ["a"]), 5, rng)
    with pytest.raises(SpoofscopeError, match="1 cluster names for 2 trials"):
        bootstrap.resample_clusters([1.0, 2.0], [0.0], (["a"], ["b"]), 5, rng)


def test_paired_differences():
    bonafide, spoof = gaussian(500, 500)
    rng = np.random.default_rng(4)
    same = bootstrap.resample_differences(
        (bonafide, spoof), (3 * bonafide - 1, 3 * spoof - 1), 30, rng
    )
    assert not same.eer.any()
    assert bootstrap.p_value(same.eer) == 1
    noisy = tuple(x + rng.normal(0, 1.5, x.size) for x in (bonafide, spoof))
    worse = bootstrap.resample_differences(noisy, (bonafide, spoof), 199, rng)
    assert (worse.eer > 0).all()
    assert bootstrap.p_value(worse.eer) == pytest.approx(2 / 200)
    speakers = np.arange(500) % 25
    clustered = bootstrap.resample_differences(
        noisy, (bonafide, spoof), 50, rng, (speakers, speakers)
    )
    assert (clustered.eer > 0).all()
    with pytest.raises(SpoofscopeError, match="same trials"):
        bootstrap.resample_differences((bonafide, spoof), (bonafide[1:], spoof), 5, rng)


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
                "system": "-" if label == "bonafide" else f"A{i % 4}",
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


def test_systems_are_compared_with_all_bonafide():
    joined = trials()
    table = evaluate(joined, ["system"], 0, 1)
    bonafide = scores_of(joined, "bonafide")
    values = []
    for system in ("A1", "A2", "A3"):
        spoof = joined.filter(system=system)["score"].to_numpy()
        values.append(rates.eer(bonafide, spoof).value)
        assert value(table, "system", system, "eer") == values[-1]
    assert value(table, "system", MACRO, "eer") == pytest.approx(np.mean(values))
    assert (
        value(table, "pooled", "-", "eer") == rates.eer(bonafide, scores_of(joined, "spoof")).value
    )
    counts = table.filter(condition="system", level="A1")
    assert counts["n_bonafide"].unique().to_list() == [60]
    assert counts["n_spoof"].unique().to_list() == [60]
    assert set(table.filter(condition="system")["level"]) == {"A1", "A2", "A3", MACRO}


def test_codecs_take_both_classes_from_the_level():
    joined = trials()
    table = evaluate(joined, ["codec", "codec+system"], 0, 1)
    mp3 = joined.filter(codec="mp3")
    expected = rates.min_dcf(scores_of(mp3, "bonafide"), scores_of(mp3, "spoof"))
    assert value(table, "codec", "mp3", "min_dcf") == expected
    crossed = rates.auc(scores_of(mp3, "bonafide"), mp3.filter(system="A2")["score"].to_numpy())
    assert value(table, "codec+system", "mp3+A2", "auc") == crossed
    assert [level for level, _ in split_levels(joined, "codec+system")] == sorted(
        f"{codec}+{system}" for codec in ("-", "mp3") for system in ("A1", "A2", "A3")
    )
    renamed = joined.rename({"codec": "snr+codec"})
    assert [level for level, _ in split_levels(renamed, "snr+codec")] == ["-", "mp3"]


def test_one_class_levels_are_null_with_counts():
    joined = trials().with_columns(pl.col("codec").replace("-", "opus"))
    joined = joined.filter(~((pl.col("codec") == "mp3") & (pl.col("label") == "bonafide")))
    table = evaluate(joined, ["codec"], 10, 1, threshold=0.0)
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
    table = evaluate(trials().filter(label="spoof"), ["system"], 10, 1)
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
    table = evaluate(joined, [], 0, 1, calibration={"scale": 2.0, "offset": -1.0})
    ratios = [2 * scores_of(joined, label) - 1 for label in ("bonafide", "spoof")]
    assert value(table, "pooled", "-", "cllr_calibrated") == pytest.approx(
        information.cllr(*ratios), abs=1e-12
    )
    assert value(table, "pooled", "-", "act_dcf_calibrated") == rates.act_dcf(*ratios)
    assert value(table, "pooled", "-", "cllr") != value(table, "pooled", "-", "cllr_calibrated")


def test_intervals_are_reproducible_and_independent_of_other_conditions():
    joined = trials()
    alone = evaluate(joined, ["codec"], 50, 3)
    together = evaluate(joined.reverse(), ["system", "codec"], 50, 3)
    assert alone.filter(condition="codec").equals(evaluate(joined, ["codec"], 50, 3)[6:])
    interval = alone.filter(condition="pooled", metric="eer").row(0, named=True)
    assert interval["ci_low"] < interval["value"] < interval["ci_high"]
    assert together.filter(condition="codec", metric="auc")["value"].to_list() == (
        alone.filter(condition="codec", metric="auc")["value"].to_list()
    )
    assert together.filter(condition="codec").equals(alone.filter(condition="codec"))
    assert evaluate(joined, [], 50, 4).filter(metric="eer")["ci_low"][0] != interval["ci_low"]


def test_clustered_intervals():
    joined = trials()
    table = evaluate(joined, ["speaker"], 30, 1, cluster="speaker")
    assert table.filter(condition="pooled", metric="eer")["ci_low"][0] is not None
    assert table.filter(condition="speaker", metric="eer")["ci_low"].is_null().all()
    with pytest.raises(TableError, match="column 'speaker' is empty for"):
        evaluate(joined.with_columns(speaker=pl.lit("")), [], 30, 1, cluster="speaker")
    with pytest.raises(SpoofscopeError, match="single value"):
        evaluate(joined.with_columns(speaker=pl.lit("x")), [], 30, 1, cluster="speaker")


def test_trials_of_unknown_speakers_are_resampled_one_by_one():
    joined = trials()
    unknown = joined.with_columns(speaker=pl.lit("-"))
    single = joined.with_columns(speaker=pl.format("- {}", "utt_id"))
    first, second = (evaluate(frame, [], 30, 1, cluster="speaker") for frame in (unknown, single))
    assert first.equals(second)
    assert first["ci_low"][0] < first["value"][0] < first["ci_high"][0]
    half = pl.when(pl.col("label") == "spoof").then(pl.lit("-")).otherwise("speaker")
    mixed = clusters_of(joined.with_columns(speaker=half), "speaker")
    n_spoof = int((joined["label"] == "spoof").sum())
    bonafide = joined.filter(label="bonafide")
    assert mixed.n_unique() == n_spoof + bonafide["speaker"].n_unique()


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
