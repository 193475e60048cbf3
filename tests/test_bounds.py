"""What a development set supports: bounds of likelihood ratios, against the forensic package `lir`
and in closed form, and probabilities with the digits that they have."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lir.algorithms.bayeserror import elub

from calibrations import calibration_of
from spoofscope.errors import SpoofscopeError
from spoofscope.selection.calibration import (
    empirical_bounds,
    fit_calibration,
    log_likelihood_ratios,
    posterior,
    probability_text,
    supported_text,
)

STEP = 0.01
"""lir looks at every hundredth of a decade."""


def of_lir(bonafide, spoof):
    labels = np.repeat([1, 0], [len(bonafide), len(spoof)])
    lower, upper = elub(np.concatenate([bonafide, spoof]) / math.log(10), labels)
    return lower, upper


def in_decades(bounds):
    return bounds.lower / math.log(10), bounds.upper / math.log(10)


@pytest.mark.parametrize(
    ("n_bonafide", "n_spoof", "distance"),
    [
        (48, 48, 2),
        (96, 96, 8),
        (10, 200, 1),
        (200, 10, 1),
        (500, 500, 3),
        (5, 5, 30),
        (20, 30, 0.2),
    ],
)
def test_bounds_are_those_of_the_netherlands_forensic_institute(n_bonafide, n_spoof, distance):
    rng = np.random.default_rng(n_bonafide)
    bonafide = rng.normal(distance, math.sqrt(2 * distance), n_bonafide)
    spoof = rng.normal(-distance, math.sqrt(2 * distance), n_spoof)
    lower, upper = in_decades(empirical_bounds(bonafide, spoof))
    theirs = of_lir(bonafide, spoof)
    # They stop at the last of their steps before the end of the range.
    assert theirs[0] - STEP - 1e-9 <= lower <= theirs[0] + 1e-9
    assert theirs[1] - 1e-9 <= upper <= theirs[1] + STEP + 1e-9


ratios = st.lists(st.floats(-6, 6).map(lambda x: round(x, 2)), min_size=1, max_size=20)


def loss(bonafide, spoof, t):
    """What who accepts above t loses, with one unseen trial in each class, at thresholds (n,)."""
    missed = (np.array(bonafide)[:, None] <= np.log(t)).sum(axis=0) + 1
    accepted = (np.array(spoof)[:, None] > np.log(t)).sum(axis=0) + 1
    return missed / (len(bonafide) + 1) + t * accepted / (len(spoof) + 1)


@settings(deadline=None, max_examples=100)
@given(ratios, ratios)
def test_bounds_end_where_the_system_costs_more_than_none(bonafide, spoof):
    lower, upper = empirical_bounds(bonafide, spoof)
    # Whatever the ratios are, no more than the number of trials.
    assert -math.log(len(bonafide) + 1) <= lower <= 0 <= upper <= math.log(len(spoof) + 1)
    above = np.exp(np.linspace(0, upper, 501)[1:-1])
    below = np.exp(np.linspace(lower, 0, 501)[1:-1])
    if upper:
        assert (loss(bonafide, spoof, above) <= 1 + 1e-9).all()
    if lower:
        assert (loss(bonafide, spoof, below) <= below * (1 + 1e-9)).all()
    beyond = np.exp(np.array([upper + 1e-6]))
    assert loss(bonafide, spoof, beyond)[0] > 1
    before = np.exp(np.array([lower - 1e-6]))
    assert loss(bonafide, spoof, before)[0] > before[0]
    # Stepping over a narrow loss, lir may go further; it never stops much earlier.
    theirs = of_lir(np.array(bonafide), np.array(spoof))
    if 0 not in bonafide + spoof:
        assert lower / math.log(10) >= theirs[0] - 2 * STEP
        assert upper / math.log(10) <= theirs[1] + 2 * STEP


@pytest.mark.parametrize(("n", "m"), [(48, 48), (10, 99), (1, 1)])
def test_a_perfect_separation_supports_as_much_as_there_are_trials(n, m):
    bounds = empirical_bounds(np.full(n, 100.0), np.full(m, -100.0))
    # P_miss = 1/(n+1) and P_fa = 1/(m+1) of what has not been seen: t P_fa = 1 - P_miss.
    assert math.exp(bounds.upper) == pytest.approx((m + 1) * n / (n + 1))
    assert math.exp(-bounds.lower) == pytest.approx((n + 1) * m / (m + 1))


@pytest.mark.parametrize("gap", [0.0, -1.0, -5.0])
def test_a_system_that_does_not_help_supports_nothing(gap):
    rng = np.random.default_rng(0)
    bounds = empirical_bounds(gap + rng.normal(0, 1, 500) * 0, rng.normal(0, 1, 500) * 0)
    assert bounds == (0.0, 0.0)
    assert str(bounds.lower) == "0.0"


def test_ratios_stay_within_the_bounds_and_keep_their_order():
    rng = np.random.default_rng(1)
    bonafide, spoof = rng.normal(2, 1, 48), rng.normal(-2, 1, 48)
    calibration = fit_calibration(bonafide, spoof)
    assert (calibration["n_bonafide"], calibration["n_spoof"]) == (48, 48)
    scores = np.linspace(-100, 100, 401)
    found = log_likelihood_ratios(scores, calibration)
    assert (found.min(), found.max()) == (calibration["lower"], calibration["upper"])
    assert (np.diff(found) >= 0).all()
    inside = (found > found.min()) & (found < found.max())
    raw = calibration["scale"] * scores + calibration["offset"]
    assert np.array_equal(found[inside], raw[inside])
    assert math.exp(calibration["upper"]) <= 49
    assert math.exp(-calibration["lower"]) <= 49


@settings(deadline=None)
@given(st.integers(1, 10**6), st.floats(0.01, 0.99), st.floats(-20, 20))
def test_no_text_claims_more_than_the_trials(n, prior, llr):
    calibration = calibration_of(prior=prior, n=n, band=0.1)
    bounded = float(np.clip(llr, calibration["lower"], calibration["upper"]))
    probability = posterior(bounded, prior)
    text = probability_text(probability, calibration)
    least, largest = (posterior(calibration[end], prior) for end in ("lower", "upper"))
    if match := re.fullmatch(r"at most 1 in (\d+)", text):
        assert 1 / int(match[1]) >= probability * (1 - 1e-9)
    elif match := re.fullmatch(r"at least (\d+) in (\d+)", text):
        assert int(match[1]) / int(match[2]) <= probability * (1 + 1e-9)
    elif text.startswith("no evidence"):
        assert n == 1
    elif text.startswith(("below", "above")):
        edge = float(text.split()[1])
        assert edge == pytest.approx(0.5 + 0.1 if text[0] == "b" else 0.5 - 0.1)
        assert 0 < (edge - probability if text[0] == "b" else probability - edge) < 0.05
    else:
        digits = len(text.partition(".")[2])
        assert abs(float(text) - probability) <= 0.5 * 10.0**-digits + 1e-12
        # One more digit than the bound has would be made up.
        assert 10.0**-digits >= min(least, 1 - largest) / 10 - 1e-12


@pytest.mark.parametrize(
    ("n", "llr", "said"),
    [
        (48, -9, "at most 1 in 49"),
        (48, 9, "at least 48 in 49"),
        (96, -9, "at most 1 in 97"),
        (48, 0.1, "0.52"),
        (48, -2.5, "0.08"),
        (2000, -6, "0.0025"),
        (4, 0.5, "0.6"),
        (2, -9, "at most 1 in 3"),
        (1, 9, "no evidence for spoof"),
    ],
)
def test_probabilities_as_they_are_said(n, llr, said):
    calibration = calibration_of(n=n)
    bounded = max(calibration["lower"], min(calibration["upper"], llr))
    assert probability_text(posterior(bounded, 0.5), calibration) == said


def test_no_probability_seems_to_decide_otherwise():
    """Between the edges nothing is decided, so no text there reads as an edge."""
    for n in (4, 48, 500):
        calibration = calibration_of(n=n, band=0.1)
        for probability in np.arange(0.301, 0.7, 0.002):
            text = probability_text(float(probability), calibration)
            number = float(text.split()[-1])
            if text.startswith("below"):
                assert probability < number == 0.6
            elif text.startswith("above"):
                assert probability > number == 0.4
            else:
                assert (number >= 0.6, number <= 0.4) == (probability >= 0.6, probability <= 0.4)
    assert probability_text(0.58, calibration_of(n=4, band=0.1)) == "below 0.6"
    assert probability_text(0.404, calibration_of(n=48, band=0.1)) == "above 0.4"
    assert probability_text(0.498, calibration_of(n=48, band=0.0)) == "below 0.5"


def test_what_supports_it_is_said():
    assert supported_text(calibration_of(n=48, n_speakers=4)) == (
        "48 bona fide and 48 spoof development clips of 4 speakers support likelihood ratios from "
        "1/48 to 48"
    )
    assert " of 1 speaker support" in supported_text(calibration_of(n_speakers=1))
    assert "clips support likelihood ratios" in supported_text(calibration_of())
    assert json.dumps(calibration_of())


def test_bounds_that_say_nothing_are_said_to_say_nothing():
    """Where a probability would be "at least 1 in 2", words say that there is no evidence."""
    narrow = calibration_of(n=40) | {"lower": -0.1, "upper": 0.3}
    said = [probability_text(posterior(llr, 0.5), narrow) for llr in (-0.1, 0.1, 0.3)]
    assert said == ["no evidence for spoof", "0.5", "no evidence for bona fide"]
    assert supported_text(narrow) == (
        "40 bona fide and 40 spoof development clips support likelihood ratios from 1/1.11 to 1.35 "
        "only, which is hardly any evidence"
    )
    assert supported_text(calibration_of(n=1)).endswith(
        "support no likelihood ratio but 1, which is no evidence"
    )
    # One side may still say something.
    lopsided = calibration_of(n=40) | {"lower": -0.1}
    assert probability_text(posterior(-0.1, 0.5), lopsided) == "no evidence for spoof"
    assert probability_text(posterior(math.log(40), 0.5), lopsided) == "at least 40 in 41"
    assert "evidence" not in supported_text(lopsided)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e200, 2e307])
def test_the_size_of_scores_changes_no_ratio(size):
    rng = np.random.default_rng(3)
    bonafide, spoof = rng.normal(1, 1, 30), rng.normal(-1, 1, 40)
    usual, scaled = fit_calibration(bonafide, spoof), fit_calibration(size * bonafide, size * spoof)
    assert scaled["scale"] * size == pytest.approx(usual["scale"])
    assert log_likelihood_ratios(size * bonafide, scaled) == pytest.approx(
        log_likelihood_ratios(bonafide, usual)
    )
    assert (scaled["lower"], scaled["upper"]) == pytest.approx((usual["lower"], usual["upper"]))


@pytest.mark.filterwarnings("error")
def test_scores_that_no_line_fits_are_named():
    with pytest.raises(SpoofscopeError, match=r"from -2e-310 to 3e-310.*too large or too small"):
        fit_calibration([3e-310, 1e-310, -1e-310], [-2e-310, 0.0, 2e-310])
