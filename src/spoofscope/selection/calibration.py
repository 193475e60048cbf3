"""Affine calibration: from scores to natural-log likelihood ratios, bona fide over spoof.

Prior-weighted logistic regression, as in Brümmer's FoCal and "Measuring, refining and calibrating
speaker and language information extracted from speech" (2010), eq. 8.9. Fit it on development
trials, never on the trials that it is applied to.

A line goes on for ever, and n trials support no ratio beyond about n. So every calibration has
bounds, within which the development trials themselves show that its ratios help a decision.
"""

import logging
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from spoofscope.errors import SpoofscopeError
from spoofscope.selection.operating_points import Floats, check_scores

log = logging.getLogger(__name__)

_MAX_STEPS = 200
# Natural logarithm of the least ratio that is called evidence.
_EVIDENCE = math.log(2)
# Ratios from here on are written out, up to its third power.
_THOUSAND = 1e3


class Calibration(TypedDict):
    """LLR = scale * score + offset, within bounds; see :func:`log_likelihood_ratios`.

    prior: effective prior of bona fide at which it was fitted; the posterior at a prior p is
    sigmoid(LLR + ln(p / (1 - p))). lower, upper: the least and the largest LLR that the
    development trials support, natural logarithms, see :func:`empirical_bounds`. n_bonafide,
    n_spoof: how many these were.
    """

    scale: float
    offset: float
    prior: float
    lower: float
    upper: float
    n_bonafide: int
    n_spoof: int


class Bounds(NamedTuple):
    """Natural-log likelihood ratios: `lower` is at most 0, `upper` at least 0."""

    lower: float
    upper: float


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
        SpoofscopeError: as :func:`check_scores`; also for a prior outside (0, 1), scores that are
            all the same, and scores of which some are so far from the others that no line fits.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    check_prior(prior)
    scores = np.concatenate([bonafide, spoof])
    if scores.min() == scores.max():
        raise SpoofscopeError(
            f"all {scores.size} scores are {scores[0]}; a constant score cannot be calibrated"
        )
    # In shares of the largest: squares of huge scores are larger than any number.
    size = float(np.abs(scores).max())
    shares = scores / size
    centre, spread = float(shares.mean()), float(shares.std())
    targets = np.repeat([1.0, 0.0], [bonafide.size, spoof.size])
    if bonafide.min() >= spoof.max() or bonafide.max() <= spoof.min():
        targets[: bonafide.size] = (bonafide.size + 1) / (bonafide.size + 2)
        targets[bonafide.size :] = 1 / (spoof.size + 2)
    weights = class_weights(bonafide.size, spoof.size, prior)
    try:
        slope, intercept = fit_logistic(
            ((shares - centre) / spread)[:, None], targets, weights, _logit(prior), ridge=0.0
        )
    except SpoofscopeError as error:
        # Separable classes have soft targets, so that only distances can be the reason.
        raise SpoofscopeError(_out_of_line(scores)) from error
    if slope < 0:
        log.warning(
            "calibration: the scale is negative: on these trials spoof scores higher than bona "
            "fide, so the detector is worse than chance or its polarity is inverted"
        )
    scale = float(slope / spread) / size
    offset = float(intercept - slope / spread * centre)
    if not math.isfinite(scale) or (scale == 0) != (slope == 0):
        raise SpoofscopeError(_out_of_line(scores))
    bounds = empirical_bounds(scale * bonafide + offset, scale * spoof + offset)
    return {
        "scale": scale,
        "offset": offset,
        "prior": prior,
        "lower": bounds.lower,
        "upper": bounds.upper,
        "n_bonafide": bonafide.size,
        "n_spoof": spoof.size,
    }


def _out_of_line(scores: Floats) -> str:
    low, middle, high = np.quantile(scores, [0.0, 0.5, 1.0], method="nearest")
    return (
        f"no calibration fits these {scores.size} scores, which reach from {low:.4g} to {high:.4g} "
        f"with {middle:.4g} in the middle: they are too large or too small for the arithmetic, or "
        "the farthest make all others look alike; look for scores that are wrong, or scale them"
    )


def empirical_bounds(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> Bounds:
    """The ratios beyond which trials no longer show that a system helps: ELUB.

    Empirical lower and upper bound (Vergeer, van Es, de Jongh, Alberink and Stoel, "Numerical
    likelihood ratios outputted by LR systems are often based on extrapolation: when to stop
    extrapolating?", Science and Justice 56, 2016). Whoever accepts a trial as bona fide when its
    ratio exceeds t loses P_miss(t) + t P_fa(t), and without the system the smaller of 1 and t. One
    more bona fide trial below all thresholds and one more spoof above all of them stand for what
    the sample has not shown. The bounds are the ends of the range of t around 1 in which the system
    loses no more than nobody; so LR <= n_spoof + 1 and LR >= 1 / (n_bonafide + 1), always. A system
    that never helps has the bounds 0 and 0: it says nothing.

    The range is found exactly, between the trials' own ratios; `lir` of the Netherlands Forensic
    Institute steps through it by 0.01 decades, and so ends up to one step nearer to 0.

    Args:
        bonafide: natural-log likelihood ratios of bona fide trials (n,). spoof: of spoof (m,).

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    # Seen from the other class, a lower bound is an upper one: the ratio is inverted.
    lower = 0.0 - _largest_supported(-spoof, -bonafide)
    return Bounds(lower, _largest_supported(bonafide, spoof))


def _largest_supported(own: Floats, other: Floats) -> float:
    """The largest ln t >= 0 up to which P_miss + t P_fa <= 1, with one trial added to each class.

    `own` are ratios of the class that a large ratio speaks for, `other` those of the other.
    """
    steps = np.unique(np.concatenate([[0.0], own[own > 0], other[other > 0]]))
    missed = np.searchsorted(np.sort(own), steps, side="right") + 1
    accepted = other.size - np.searchsorted(np.sort(other), steps, side="right") + 1
    # From one ratio to the next both shares stay, and the loss grows with t.
    ends = np.append(steps[1:], np.inf)
    with np.errstate(divide="ignore"):
        # In whole numbers, so that a ratio of 1 is exactly that.
        largest = np.log((own.size + 1 - missed) * (other.size + 1) / ((own.size + 1) * accepted))
    first = int(np.argmax(largest < ends))
    return float(max(largest[first], steps[first]))


def log_likelihood_ratios(scores: npt.ArrayLike, calibration: Mapping[str, Any]) -> Floats:
    """Natural-log likelihood ratios of scores, of the same shape, within the bounds.

    Args:
        scores: of one detector.
        calibration: its own, see :class:`Calibration`.
    """
    ratios = calibration["scale"] * np.asarray(scores, dtype=np.float64) + calibration["offset"]
    return np.clip(ratios, calibration["lower"], calibration["upper"])


def class_weights(n_bonafide: int, n_spoof: int, prior: float) -> Floats:
    """Weights (n_bonafide + n_spoof,) under which the classes weigh `prior` and 1 - `prior`."""
    return np.repeat([prior / n_bonafide, (1 - prior) / n_spoof], [n_bonafide, n_spoof])


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def posterior(llr: float, prior: float) -> float:
    """Probability of bona fide from a natural-log likelihood ratio and the prior of bona fide."""
    return 0.5 * (1 + math.tanh(0.5 * (llr + _logit(prior))))


def supported_text(calibration: Mapping[str, Any]) -> str:
    """What the development trials of a calibration support, as half a sentence."""
    speakers = calibration.get("n_speakers")
    of = "" if speakers is None else f" of {speakers} speaker{'s' if speakers != 1 else ''}"
    clips = (
        f"{calibration['n_bonafide']} bona fide and {calibration['n_spoof']} spoof development "
        f"clips{of}"
    )
    lower, upper = (ratio_text(calibration[end]) for end in ("lower", "upper"))
    if lower == upper == "1":
        return f"{clips} support no likelihood ratio but 1, which is no evidence"
    weak = _is_weak(calibration["lower"]) and _is_weak(calibration["upper"])
    no_evidence = " only, which is hardly any evidence" if weak else ""
    return f"{clips} support likelihood ratios from {lower} to {upper}{no_evidence}"


def ratio_text(llr: float) -> str:
    """A natural-log likelihood ratio as a ratio with three digits, below 1 as 1/x."""
    ratio = float(f"{math.exp(abs(llr)):.3g}")
    text = f"{ratio:,.0f}" if _THOUSAND <= ratio < _THOUSAND**3 else f"{ratio:g}"
    return text if llr >= 0 or ratio == 1 else f"1/{text}"


def _is_weak(ratio: float) -> bool:
    """Whether a natural-log ratio says next to nothing."""
    return abs(ratio) < _EVIDENCE


def probability_text(probability: float, calibration: Mapping[str, Any]) -> str:
    """A posterior with the digits that the development trials support, such as "0.31".

    At the bounds it says that it is one: "at most 1 in 49", "at least 48 in 49". Where a bound is
    so near to 1 that this would say nothing, the words are "no evidence for spoof" or "no evidence
    for bona fide". Where these digits would put it on the other side of the band in which nothing
    is decided, it is "below 0.6" or "above 0.4".

    Args:
        probability: :func:`posterior` of a ratio of this calibration, at its prior.
        calibration: see :class:`Calibration`.
    """
    prior = calibration["prior"]
    least, largest = (posterior(calibration[end], prior) for end in ("lower", "upper"))
    if probability <= least:
        if _is_weak(calibration["lower"]):
            return "no evidence for spoof"
        if (n := _one_in(least)) > 2:
            return f"at most 1 in {n}"
    if probability >= largest:
        if _is_weak(calibration["upper"]):
            return "no evidence for bona fide"
        if (n := _one_in(1 - largest)) > 2:
            return f"at least {n - 1} in {n}"
    # As many digits as a step of one in that many has.
    digits = max(1, math.ceil(-math.log10(min(least, 1 - largest)) - 1e-9))
    text = f"{probability:.{digits}f}"
    # What decides is the number, so its text must not seem to decide otherwise.
    band = calibration.get("band")
    if band is not None:
        if (float(text) >= 0.5 + band) > (probability >= 0.5 + band):
            return f"below {0.5 + band:g}"
        if (float(text) <= 0.5 - band) > (probability <= 0.5 - band):
            return f"above {0.5 - band:g}"
    return text


def _one_in(share: float) -> int:
    """The largest n with 1/n not below the share, so that nothing is promised beyond it."""
    return math.floor(1 / share + 1e-9)
