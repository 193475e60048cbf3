"""Are the probabilities right? Reliability diagrams and expected calibration error.

Of the clips to which a detector gives, say, 80 % probability of bona fide, 80 % should be bona
fide. A probability depends on the prior, and the mix of a test set is nobody's prior, so the
classes are weighted to the prior asked for: with that of the calibration, a detector can be
perfect whatever the mix.

Definitions: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
binning" (2015) for bins of equal width; Nixon et al., "Measuring calibration in deep learning"
(2019) for those of equal mass.
"""

import math

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import expit

from spoofscope.errors import SpoofscopeError
from spoofscope.selection.calibration import check_prior, class_weights
from spoofscope.selection.operating_points import Floats, check_scores

BINS = 15
SCHEMA: dict[str, pl.DataType] = {
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n_bonafide": pl.Int64(),
    "n_spoof": pl.Int64(),
    "mass": pl.Float64(),
    "predicted": pl.Float64(),
    "observed": pl.Float64(),
}


def posteriors(ratios: npt.ArrayLike, prior: float) -> Floats:
    """Probability of bona fide (n,) from natural-log likelihood ratios at a prior.

    Raises:
        SpoofscopeError: the prior is not between 0 and 1.
    """
    check_prior(prior)
    return np.asarray(expit(np.asarray(ratios, dtype=np.float64) + math.log(prior / (1 - prior))))


def reliability(
    bonafide: npt.ArrayLike,
    spoof: npt.ArrayLike,
    prior: float = 0.5,
    bins: int = BINS,
    adaptive: bool = False,
) -> pl.DataFrame:
    """Predicted against observed probability of bona fide, in bins.

    Args:
        bonafide: log-likelihood ratios of bona fide trials, natural log.
        spoof: log-likelihood ratios of spoof trials.
        prior: of bona fide; the classes are weighted to it.
        bins: how many; [low, high), the last one closed.
        adaptive: bins of equal mass instead of equal width. Equal probabilities stay together, so
            there can be fewer.

    Returns:
        One row per bin that is not empty: low, high, n_bonafide, n_spoof, mass (share of the
        weight, summing to 1), predicted (mean posterior), observed (weighted share of bona fide).

    Raises:
        SpoofscopeError: as `check_scores`; also for a prior outside (0, 1) or fewer than one bin.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    if bins < 1:
        raise SpoofscopeError(f"a reliability diagram needs at least one bin, not {bins}")
    probability = posteriors(np.concatenate([bonafide, spoof]), prior)
    is_bonafide = np.repeat([True, False], [bonafide.size, spoof.size])
    weights = class_weights(bonafide.size, spoof.size, prior)
    edges = _equal_mass(probability, weights, bins) if adaptive else np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, probability, side="right") - 1, 0, edges.size - 2)
    rows = []
    for i in np.unique(place).tolist():
        own = place == i
        mass = float(weights[own].sum())
        rows.append(
            {
                "low": float(edges[i]),
                "high": float(edges[i + 1]),
                "n_bonafide": int((own & is_bonafide).sum()),
                "n_spoof": int((own & ~is_bonafide).sum()),
                "mass": mass,
                "predicted": float(weights[own] @ probability[own]) / mass,
                "observed": float(weights[own & is_bonafide].sum()) / mass,
            }
        )
    return pl.DataFrame(rows, schema=SCHEMA)


def _equal_mass(probability: Floats, weights: Floats, bins: int) -> Floats:
    """Edges from 0 to 1 between which lies about the same weight, never between equal values."""
    order = np.argsort(probability, kind="stable")
    ordered = probability[order]
    reached = np.cumsum(weights[order])
    starts = np.searchsorted(reached, np.arange(1, bins) / bins, side="left") + 1
    inner = np.unique(ordered[starts[starts < ordered.size]])
    return np.concatenate([[0.0], inner[(inner > ordered[0]) & (inner < 1)], [1.0]])


def calibration_error(table: pl.DataFrame) -> float:
    """Expected calibration error of :func:`reliability`'s table, from 0 (right) to 1.

    The mean distance of predicted and observed probability, weighted by mass. It depends on the
    bins; Cllr does not.
    """
    distance = (table["predicted"] - table["observed"]).abs()
    return float((table["mass"] * distance).sum())
