"""Reliability and calibration error: closed forms, and a count bin by bin."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoofscope.errors import SpoofscopeError
from spoofscope.metrics.bootstrap import Draws
from spoofscope.metrics.limits import clopper_pearson
from spoofscope.metrics.reliability import posteriors, reliability


def test_posteriors():
    assert posteriors([0.0, math.log(3), 1e4, -1e4], 0.5).tolist() == [0.5, 0.75, 1.0, 0.0]
    assert posteriors([math.log(2)], 0.2)[0] == pytest.approx(0.4 / (0.4 + 0.8))


def by_hand(bonafide, spoof, bins):
    """The textbook's loop: plain frequencies, bins of equal width."""
    clips = [(1 / (1 + math.exp(-x)), 1) for x in bonafide]
    clips += [(1 / (1 + math.exp(-x)), 0) for x in spoof]
    error = 0.0
    for i in range(bins):
        last = i == bins - 1
        own = [c for c in clips if i / bins <= c[0] and (c[0] < (i + 1) / bins or last)]
        if own:
            predicted = sum(p for p, _ in own) / len(own)
            observed = sum(truth for _, truth in own) / len(own)
            error += len(own) / len(clips) * abs(predicted - observed)
    return error


_RATIOS = st.lists(st.floats(-6, 6), min_size=1, max_size=30)


@settings(deadline=None)
@given(_RATIOS, _RATIOS, st.integers(1, 20))
def test_equals_the_textbook_at_the_prior_of_the_test_set(bonafide, spoof, bins):
    # At the prior that the mix has, weights are equal; so take the shift of that prior out again.
    prior = len(bonafide) / (len(bonafide) + len(spoof))
    shift = math.log(prior / (1 - prior))
    edges = [math.log(i / (bins - i)) for i in range(1, bins)]
    near_edge = any(abs(x - edge) < 1e-9 for x in [*bonafide, *spoof] for edge in edges)
    found = reliability(np.array(bonafide) - shift, np.array(spoof) - shift, prior, bins)
    table = found.table
    assert table["mass"].sum() == pytest.approx(1.0)
    assert table["n_bonafide"].sum() == len(bonafide)
    assert table["n_spoof"].sum() == len(spoof)
    if not near_edge:
        expected = by_hand(bonafide, spoof, bins)
        assert found.error == pytest.approx(expected, abs=1e-9)


def test_closed_forms():
    # 3 of 4 bona fide and 1 of 4 spoofs at 75 %, the rest at 25 %: right, whatever the mix.
    up, down = math.log(3), -math.log(3)
    right = reliability([up] * 3 + [down], [up] * 5 + [down] * 15, bins=4)
    assert right.table["observed"].to_list() == pytest.approx([0.25, 0.75])
    assert right.table["predicted"].to_list() == pytest.approx([0.25, 0.75])
    assert right.table.select("n_bonafide", "n_spoof").rows() == [(1, 15), (3, 5)]
    assert right.error == pytest.approx(0.0)
    # Sure, and right half of the time.
    assert reliability([50, -50], [50, -50]).error == pytest.approx(0.5)
    assert reliability([-50], [50]).error == pytest.approx(1.0)
    # Perfect, and undecided.
    assert reliability([0.0], [0.0]).error == pytest.approx(0.0)


@pytest.mark.parametrize("adaptive", [False, True])
def test_true_ratios_are_reliable_at_every_prior(adaptive):
    rng = np.random.default_rng(2)
    bonafide, spoof = rng.normal(2, 2, 40000), rng.normal(-2, 2, 10000)
    for prior in (0.1, 0.5, 0.655):
        assert reliability(bonafide, spoof, prior, adaptive=adaptive).error < 0.01
        assert reliability(3 * bonafide, 3 * spoof, prior).error > 0.03


def test_bins_of_equal_mass():
    rng = np.random.default_rng(4)
    bonafide, spoof = rng.normal(1, 1, 500), rng.normal(-1, 1, 300)
    table = reliability(bonafide, spoof, bins=10, adaptive=True).table
    assert table.height == 10
    assert table["mass"].to_list() == pytest.approx([0.1] * 10, abs=0.004)
    assert table["low"].to_list()[1:] == table["high"].to_list()[:-1]
    # Equal values are never taken apart.
    tied = reliability([1.0] * 6 + [2.0] * 4, [1.0] * 6 + [2.0] * 4, bins=10, adaptive=True).table
    assert tied.height == 2
    assert tied["n_bonafide"].to_list() == [6, 4]


@given(_RATIOS, _RATIOS, st.integers(1, 12))
@settings(deadline=None)
def test_adaptive_bins_hold_every_trial_once(bonafide, spoof, bins):
    table = reliability(bonafide, spoof, bins=bins, adaptive=True).table
    assert table.height <= bins
    assert table["n_bonafide"].sum() == len(bonafide)
    assert table["n_spoof"].sum() == len(spoof)
    inside = (pl.col("low") - 1e-12 <= pl.col("predicted")) & (
        pl.col("predicted") <= pl.col("high") + 1e-12
    )
    assert table.select(inside.all()).item()


def test_what_makes_no_sense():
    with pytest.raises(SpoofscopeError, match="no spoof trials"):
        reliability([1.0], [])
    with pytest.raises(SpoofscopeError, match="prior"):
        reliability([1.0], [1.0], prior=1.0)
    with pytest.raises(SpoofscopeError, match="at least one bin"):
        reliability([1.0], [1.0], bins=0)


def drawn(bonafide, spoof, clusters=None, prior=0.5, resamples=400, **options):
    is_bonafide = np.repeat([True, False], [len(bonafide), len(spoof)])
    draws = Draws(is_bonafide, clusters, resamples, np.random.default_rng(1))
    units = draws.units[is_bonafide], draws.units[~is_bonafide]
    return reliability(bonafide, spoof, prior, units=units, draws=draws, **options)


def test_intervals_of_bins_are_at_least_the_exact_binomial_of_their_clips():
    # A bin of 3 bona fide and 1 spoof, and its mirror; 10 speakers with a clip each.
    up, down = math.log(3), -math.log(3)
    found = drawn([up] * 15 + [down] * 5, [up] * 5 + [down] * 15, bins=4)
    for row, share in zip(found.table.iter_rows(named=True), (0.25, 0.75), strict=True):
        exact = clopper_pearson(share * 20, 20)
        assert row["observed"] == pytest.approx(share)
        assert row["ci_low"] <= exact.low + 1e-9
        assert row["ci_high"] >= exact.high - 1e-9
        assert row["ci_high"] - row["ci_low"] < 0.5
    # Bins without an error are as sure as they have clips, or speakers.
    right = drawn([50.0] * 20, [-50.0] * 20)
    assert right.table["ci_high"][0] == pytest.approx(clopper_pearson(0, 20).high)
    speakers = np.tile(np.arange(5), 8)
    few = drawn([50.0] * 20, [-50.0] * 20, speakers)
    assert few.table["ci_high"][0] == pytest.approx(clopper_pearson(0, 5).high)
    assert right.interval.low == 0
    assert 0.1 < right.interval.high < few.interval.high < 0.6
    # Weighted to another prior, the ends are moved as what they hold.
    shifted = drawn([up] * 15 + [down] * 5, [up] * 5 + [down] * 15, prior=0.9, bins=1)
    (row,) = shifted.table.iter_rows(named=True)
    assert row["observed"] == pytest.approx(0.9)
    odds = clopper_pearson(20, 40).low / (1 - clopper_pearson(20, 40).low) * 9
    assert row["ci_low"] <= odds / (1 + odds) + 1e-9


@pytest.mark.slow
def test_the_error_of_few_clips_is_not_taken_for_sure():
    """Right probabilities have an error of 0, which a few clips never show; their interval does."""
    rng = np.random.default_rng(7)
    held, wrong = 0, 0
    for _ in range(60):
        bonafide, spoof = rng.normal(2, 2, 80), rng.normal(-2, 2, 180)
        found = drawn(bonafide, spoof, resamples=100)
        assert found.interval.low <= found.error <= found.interval.high
        held += found.interval.low < 0.001
        wrong += drawn(4 * bonafide, 4 * spoof, resamples=100).interval.low > 0.001
    assert held >= 54
    # Scores that are four times too sure are seen all the same.
    assert wrong >= 20


def test_one_speaker_of_a_class_has_no_interval():
    clusters = ["a"] * 4 + ["b"] * 2 + ["c"] * 2
    found = drawn([1.0, 2.0, 3.0, 0.5], [-1.0, -2.0, 0.0, 1.0], clusters)
    assert found.interval is None
    assert found.table["ci_low"].null_count() == found.table.height
    assert reliability([1.0, 2.0], [0.0]).interval is None
