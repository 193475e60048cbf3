"""Affine calibration: from scores to natural-log likelihood ratios, bona fide over spoof.

Prior-weighted logistic regression, as in Brümmer's FoCal and "Measuring, refining and calibrating
speaker and language information extracted from speech" (2010), eq. 8.9. Fit it on development
trials, never on the trials that it is applied to.
"""

import logging
import math
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from spoofscope.errors import SpoofscopeError
from spoofscope.selection.operating_points import Floats, check_scores

log = logging.getLogger(__name__)

_MAX_STEPS = 200


class Calibration(TypedDict):
    """LLR = scale * score + offset, fitted at the effective prior `prior` of bona fide.

    The posterior at a prior p is sigmoid(LLR + ln(p / (1 - p))).
    """

    scale: float
    offset: float
    prior: float


def check_prior(prior: float) -> None:
    """Raise SpoofscopeError unless the prior of bona fide lies strictly between 0 and 1."""
    if not 0 < prior < 1:
        raise SpoofscopeError(f"the prior of bona fide must lie between 0 and 1, not be {prior}")


def fit_logistic(
    features: Floats, targets: Floats, weights: Floats, bias: float, ridge: float
) -> Floats:
    """Minimise a weighted logistic loss by Newton's method to machine precision.

    sum_i w_i [t_i softplus(-z_i) + (1 - t_i) softplus(z_i)] + ridge / 2 |a|^2
    with z_i = a . x_i + b + bias.

    Args:
        features: x, (n, k).
        targets: t, (n,), probabilities of bona fide.
        weights: w, (n,), summing to 1.
        bias: a fixed addition to the log-odds, here the prior's.
        ridge: the penalty of a; b is free.

    Returns:
        a and then b, (k + 1,).

    Raises:
        SpoofscopeError: no minimum was found, e.g. because the classes are separable and the
            penalty is 0.
    """
    design = np.column_stack([features, np.ones(len(features))])
    penalty = np.append(np.full(features.shape[1], ridge), 0.0)

    def loss(parameters: Floats) -> float:
        z = design @ parameters + bias
        terms = targets * np.logaddexp(0.0, -z) + (1 - targets) * np.logaddexp(0.0, z)
        return float(weights @ terms + 0.5 * penalty @ parameters**2)

    parameters = np.zeros(design.shape[1])
    parameters[-1] = -bias
    current = loss(parameters)
    for _ in range(_MAX_STEPS):
        z = design @ parameters + bias
        posterior = 0.5 * (1 + np.tanh(0.5 * z))
        gradient = design.T @ (weights * (posterior - targets)) + penalty * parameters
        curvature = weights * posterior * (1 - posterior)
        hessian = (design * curvature[:, None]).T @ design + np.diag(penalty)
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            break
        # Newton's decrement: how far the loss still is above its minimum.
        # At 1e-16 the loss cannot tell two points apart any more, and the line search would creep.
        # The last, whole step squares what is left.
        if gradient @ step < 1e-14:
            return parameters - step
        size = 1.0
        while not (proposed := loss(parameters - size * step)) <= current and size > 1e-10:
            size /= 2
        if size <= 1e-10:
            # No descent left in floating point: this is the minimum.
            return parameters
        parameters = parameters - size * step
        current = proposed
    raise SpoofscopeError(
        "the logistic regression found no minimum: the systems' scores are redundant or separate "
        "the classes perfectly"
    )


def fit_calibration(
    bonafide: npt.ArrayLike, spoof: npt.ArrayLike, prior: float = 0.5
) -> Calibration:
    """Scale and offset that turn scores into log-likelihood ratios.

    Minimises prior * mean softplus(-(LLR + logit prior)) over bona fide + (1 - prior) * mean
    softplus(LLR + logit prior) over spoof; with prior 0.5 that is Cllr. When a threshold separates
    the classes perfectly that loss has no minimum; then the targets are softened from 1 and 0 to
    (n + 1)/(n + 2) and 1/(n + 2) (Platt, "Probabilistic outputs for support vector machines",
    1999), so the ratios stay as modest as the number of trials warrants.

    Args:
        bonafide: development scores of bona fide trials.
        spoof: development scores of spoof trials.
        prior: effective prior of bona fide at which the fit is best, in (0, 1); 0.655 for the costs
            of ASVspoof 5.

    Raises:
        SpoofscopeError: as :func:`check_scores`; also for a prior outside
            (0, 1), or scores that are all the same.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    check_prior(prior)
    scores = np.concatenate([bonafide, spoof])
    centre, spread = float(scores.mean()), float(scores.std())
    if scores.min() == scores.max():
        raise SpoofscopeError(
            f"all {scores.size} scores are {scores[0]}; a constant score cannot be calibrated"
        )
    targets = np.repeat([1.0, 0.0], [bonafide.size, spoof.size])
    if bonafide.min() >= spoof.max() or bonafide.max() <= spoof.min():
        targets[: bonafide.size] = (bonafide.size + 1) / (bonafide.size + 2)
        targets[bonafide.size :] = 1 / (spoof.size + 2)
    weights = class_weights(bonafide.size, spoof.size, prior)
    slope, intercept = fit_logistic(
        ((scores - centre) / spread)[:, None], targets, weights, _logit(prior), ridge=0.0
    )
    if slope < 0:
        log.warning(
            "calibration: the scale is negative: on these trials spoof scores higher than bona "
            "fide, so the detector is worse than chance or its polarity is inverted"
        )
    scale = float(slope / spread)
    return {"scale": scale, "offset": float(intercept - scale * centre), "prior": prior}


def class_weights(n_bonafide: int, n_spoof: int, prior: float) -> Floats:
    """Weights (n_bonafide + n_spoof,) under which the classes weigh `prior` and 1 - `prior`."""
    return np.repeat([prior / n_bonafide, (1 - prior) / n_spoof], [n_bonafide, n_spoof])


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
