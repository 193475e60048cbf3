"""Reliability and calibration error: closed forms, and a count bin by bin."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoofscope.errors import SpoofscopeError
from spoofscope.metrics.reliability import calibration_error, posteriors, reliability


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
    table = reliability(np.array(bonafide) - shift, np.array(spoof) - shift, prior, bins)
    assert table["mass"].sum() == pytest.approx(1.0)
    assert table["n_bonafide"].sum() == len(bonafide)
    assert table["n_spoof"].sum() == len(spoof)
    if not near_edge:
        expected = by_hand(bonafide, spoof, bins)
        assert calibration_error(table) == pytest.approx(expected, abs=1e-9)


def test_closed_forms():
    # 3 of 4 bona fide and 1 of 4 spoofs at 75 %, the rest at 25 %: right, whatever the mix.
    up, down = math.log(3), -math.log(3)
    right = reliability([up] * 3 + [down], [up] * 5 + [down] * 15, bins=4)
    assert right["observed"].to_list() == pytest.approx([0.25, 0.75])
    assert right["predicted"].to_list() == pytest.approx([0.25, 0.75])
    assert right.select("n_bonafide", "n_spoof").rows() == [(1, 15), (3, 5)]
    assert calibration_error(right) == pytest.approx(0.0)
    # Sure, and right half of the time.
    assert calibration_error(reliability([50, -50], [50, -50])) == pytest.approx(0.5)
    assert calibration_error(reliability([-50], [50])) == pytest.approx(1.0)
    # Perfect, and undecided.
    assert calibration_error(reliability([0.0], [0.0])) == pytest.approx(0.0)


@pytest.mark.parametrize("adaptive", [False, True])
def test_true_ratios_are_reliable_at_every_prior(adaptive):
    rng = np.random.default_rng(2)
    bonafide, spoof = rng.normal(2, 2, 40000), rng.normal(-2, 2, 10000)
    for prior in (0.1, 0.5, 0.655):
        table = reliability(bonafide, spoof, prior, adaptive=adaptive)
        assert calibration_error(table) < 0.01
        assert calibration_error(reliability(3 * bonafide, 3 * spoof, prior)) > 0.03


def test_bins_of_equal_mass():
    rng = np.random.default_rng(4)
    bonafide, spoof = rng.normal(1, 1, 500), rng.normal(-1, 1, 300)
    table = reliability(bonafide, spoof, bins=10, adaptive=True)
    assert table.height == 10
    assert table["mass"].to_list() == pytest.approx([0.1] * 10, abs=0.004)
    assert table["low"].to_list()[1:] == table["high"].to_list()[:-1]
    # Equal values are never taken apart.
    tied = reliability([1.0] * 6 + [2.0] * 4, [1.0] * 6 + [2.0] * 4, bins=10, adaptive=True)
    assert tied.height == 2
    assert tied["n_bonafide"].to_list() == [6, 4]


@given(_RATIOS, _RATIOS, st.integers(1, 12))
@settings(deadline=None)
def test_adaptive_bins_hold_every_trial_once(bonafide, spoof, bins):
    table = reliability(bonafide, spoof, bins=bins, adaptive=True)
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
