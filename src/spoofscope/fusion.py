"""Combining the scores of several systems: fitted on development trials, applied to others.

Whatever the method, a model ends as one affine map of the systems' scores (of their ranks, for
`rank_mean`) whose output is a natural-log likelihood ratio, bona fide over spoof, calibrated on the
development trials.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.errors import ConfigError, SpoofscopeError, TableError
from spoofscope.selection.calibration import (
    Calibration,
    check_prior,
    class_weights,
    fit_calibration,
    fit_logistic,
)
from spoofscope.selection.operating_points import Floats, eer
from spoofscope.tables import LABELS, join_scores

__all__ = [
    "Calibration",
    "FusionModel",
    "apply_fusion",
    "error_overlap",
    "fit_calibration",
    "fit_fusion",
    "fuse",
    "subsets",
]

Method = Literal["logistic", "linear", "mean", "znorm_mean", "rank_mean"]
# Of standardised scores. Too small to be seen between different systems, and it shares the weight
# out between copies of one system, for which no unique answer exists without it.
RIDGE = 1e-5
# A system's development distribution is kept at this many of its scores at most.
RANK_POINTS = 1001


@dataclass(frozen=True)
class FusionModel:
    """LLR = sum over systems of weight * score + offset.

    Attributes:
        method: how the weights were found.
        systems: the systems in the order of `weights`.
        weights: one per system, for its scores as they are (its ranks, for rank_mean).
        offset: added to the sum.
        threshold: the fused score at the equal error rate of the development trials.
        calibration: how a fused score is read as a ratio: as it is (scale 1, offset 0), within the
            bounds that the development trials support. A score itself keeps its place beyond them.
        ranks: for rank_mean, per system the development scores and their ranks in [0, 1] between
            which a score's rank is interpolated; None for the other methods.
    """

    method: str
    systems: tuple[str, ...]
    weights: tuple[float, ...]
    offset: float
    threshold: float
    calibration: Calibration
    ranks: dict[str, dict[str, list[float]]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self) | {"systems": list(self.systems), "weights": list(self.weights)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FusionModel":
        """The inverse of :meth:`to_dict`."""
        return cls(
            **dict(values)
            | {"systems": tuple(values["systems"]), "weights": tuple(values["weights"])}
        )


def fit_fusion(
    dev: Mapping[str, npt.ArrayLike],
    labels: npt.ArrayLike,
    method: str = "logistic",
    prior: float = 0.5,
) -> FusionModel:
    """Fit a fusion on development trials.

    Methods: `logistic`, prior-weighted logistic regression; `linear`, Fisher's linear discriminant
    with the classes' covariances averaged; `mean`; `znorm_mean`, the mean after scaling each system
    to zero mean and unit variance over the development trials; `rank_mean`, the mean of the ranks
    among the development trials. `logistic` and `linear` carry a small ridge (`RIDGE`, on
    standardised scores), so that copies of one system share their weight.

    Args:
        dev: scores (n,) per system, all over the same trials in the same order.
        labels: (n,) strings, bonafide or spoof.
        method: one of the above.
        prior: effective prior of bona fide, in (0, 1), for `logistic` and for the calibration.

    Raises:
        ConfigError: an unknown method.
        SpoofscopeError: no system, unequal lengths, one class only, a score that is not finite, a
            system whose scores are all the same, or a prior outside (0, 1).
    """
    if method not in get_args(Method):
        raise ConfigError(f"unknown fusion {method!r}; valid are: {', '.join(get_args(Method))}")
    check_prior(prior)
    systems = tuple(sorted(dev))
    scores = _as_matrix(dev, systems)
    bonafide = _is_bonafide(labels, len(scores))
    for system, column in zip(systems, scores.T, strict=True):
        if column.min() == column.max():
            raise SpoofscopeError(
                f"system {system!r} gives all trials the score {column[0]}; leave it out"
            )
    ranks = None
    if method == "rank_mean":
        ranks = {
            system: _rank_table(column) for system, column in zip(systems, scores.T, strict=True)
        }
        scores = _to_ranks(scores, systems, ranks)
    weights = _weights(method, scores, bonafide, prior)
    combined = scores @ weights
    calibration = fit_calibration(combined[bonafide], combined[~bonafide], prior)
    fused = calibration["scale"] * combined + calibration["offset"]
    return FusionModel(
        method=method,
        systems=systems,
        weights=tuple((calibration["scale"] * weights).tolist()),
        offset=calibration["offset"],
        threshold=eer(fused[bonafide], fused[~bonafide]).threshold,
        calibration={**calibration, "scale": 1.0, "offset": 0.0},
        ranks=ranks,
    )


def apply_fusion(model: FusionModel, scores: Mapping[str, npt.ArrayLike]) -> Floats:
    """Fused log-likelihood ratios (n,); each depends on its own trial only.

    Args:
        model: from :func:`fit_fusion`.
        scores: scores (n,) per system, for exactly the model's systems.

    Raises:
        SpoofscopeError: a system is missing or not of the model, unequal lengths, or a score that
            is not finite.
    """
    if set(scores) != set(model.systems):
        raise SpoofscopeError(
            f"the fusion needs the systems {', '.join(model.systems)}; "
            f"given were {', '.join(sorted(scores))}"
        )
    matrix = _as_matrix(scores, model.systems)
    if model.ranks is not None:
        matrix = _to_ranks(matrix, model.systems, model.ranks)
    return np.asarray(matrix @ np.array(model.weights) + model.offset)


def fuse(
    dev_scores: Mapping[str, pl.DataFrame],
    dev_trials: pl.DataFrame,
    eval_scores: Mapping[str, pl.DataFrame],
    eval_trials: pl.DataFrame,
    method: str = "logistic",
    prior: float = 0.5,
) -> tuple[FusionModel, pl.DataFrame]:
    """Fit on the development trials, apply to the evaluation trials, join by utt_id.

    Args:
        dev_scores: per system a table utt_id, score.
        dev_trials: utt_id, label.
        eval_scores: as `dev_scores`, for the evaluation trials.
        eval_trials: utt_id and anything else; its labels are not looked at.
        method: as in :func:`fit_fusion`.
        prior: as in :func:`fit_fusion`.

    Returns:
        The model, and utt_id, score of the evaluation trials in their order.

    Raises:
        TableError: the two sets share an utt_id, or a system's ids are not exactly the trials.
        SpoofscopeError: as :func:`fit_fusion` and :func:`apply_fusion`.
    """
    shared = dev_trials.filter(pl.col("utt_id").is_in(eval_trials["utt_id"].implode()))["utt_id"]
    if shared.len():
        raise TableError(
            f"{shared.len()} trials are in both the development and the evaluation set, e.g. "
            f"{', '.join(map(repr, shared.head(5)))}; a fusion is never fitted on the trials that "
            "it is applied to"
        )
    dev = _aligned(dev_scores, dev_trials, "development")
    model = fit_fusion(dev, dev_trials["label"].to_numpy(), method, prior)
    fused = apply_fusion(model, _aligned(eval_scores, eval_trials, "evaluation"))
    return model, eval_trials.select("utt_id").with_columns(score=pl.Series(fused))


def fit_on_trials(
    scores: Mapping[str, pl.DataFrame],
    trials: pl.DataFrame,
    method: str = "logistic",
    prior: float = 0.5,
) -> FusionModel:
    """Fit a fusion on score tables, joined by utt_id.

    Args:
        scores: per system a table utt_id, score.
        trials: utt_id, label of the development trials.
        method: as in :func:`fit_fusion`.
        prior: as in :func:`fit_fusion`.

    Raises:
        TableError: a system's ids are not exactly the trials.
        SpoofscopeError: as :func:`fit_fusion`.
    """
    aligned = _aligned(scores, trials, "development")
    return fit_fusion(aligned, trials["label"].to_numpy(), method, prior)


def apply_to_trials(
    model: FusionModel,
    scores: Mapping[str, pl.DataFrame],
    trials: pl.DataFrame,
    fitted_on: pl.DataFrame,
) -> pl.DataFrame:
    """Fused log-likelihood ratios of score tables, joined by utt_id: utt_id, score.

    Args:
        model: from :func:`fit_on_trials`.
        scores: per system a table utt_id, score.
        trials: utt_id and path of what is scored.
        fitted_on: path of the trials that the model was fitted on. Applying it to exactly those is
            possible, for the optimistic numbers on the development set; to some of them is not.
            Paths are compared, as two corpora can have the same ids for different recordings.

    Raises:
        TableError: a system's ids are not those of the trials, or only some of the trials are those
            of the fit.
        SpoofscopeError: as :func:`apply_fusion`.
    """
    shared = trials.filter(pl.col("path").is_in(fitted_on["path"].implode()))["utt_id"]
    if shared.len() and set(trials["path"]) != set(fitted_on["path"]):
        raise TableError(
            f"{shared.len()} of the trials are in the set that the fusion was fitted on, e.g. "
            f"{', '.join(map(repr, shared.head(5)))}; a fusion is fitted and applied on different "
            "trials"
        )
    fused = apply_fusion(model, _aligned(scores, trials, "fused"))
    return trials.select("utt_id").with_columns(score=pl.Series(fused))


def subsets(systems: Mapping[str, object] | list[str]) -> Iterator[tuple[str, ...]]:
    """Every combination of two or more systems, smaller ones first, each sorted by name."""
    names = sorted(systems)
    for size in range(2, len(names) + 1):
        yield from itertools.combinations(names, size)


def error_overlap(
    scores: Mapping[str, npt.ArrayLike], labels: npt.ArrayLike, thresholds: Mapping[str, float]
) -> pl.DataFrame:
    """Whether two systems fail on the same trials: what a fusion can gain.

    Args:
        scores: scores (n,) per system, over the same trials.
        labels: (n,) strings, bonafide or spoof.
        thresholds: per system, a decision threshold chosen on development trials.

    Returns:
        One row per pair of systems and label: first, second, label, n, errors_first, errors_second,
        errors_both, expected_both (errors_first * errors_second / n, were the errors independent),
        jaccard (errors of both over errors of either; null when neither errs).

    Raises:
        SpoofscopeError: unequal lengths, a score that is not finite, or a missing threshold.
    """
    systems = tuple(sorted(scores))
    missing = [name for name in systems if name not in thresholds]
    if missing:
        raise SpoofscopeError(f"no decision threshold for the system {missing[0]!r}")
    matrix = _as_matrix(scores, systems)
    bonafide = _is_bonafide(labels, len(matrix))
    accepted = matrix >= np.array([thresholds[name] for name in systems])
    wrong = accepted != bonafide[:, None]
    rows = []
    for (i, first), (j, second) in itertools.combinations(enumerate(systems), 2):
        for label, of_class in zip(LABELS, (bonafide, ~bonafide), strict=True):
            a, b, n = wrong[of_class, i], wrong[of_class, j], int(of_class.sum())
            both, either = int((a & b).sum()), int((a | b).sum())
            rows.append(
                {
                    "first": first,
                    "second": second,
                    "label": label,
                    "n": n,
                    "errors_first": int(a.sum()),
                    "errors_second": int(b.sum()),
                    "errors_both": both,
                    "expected_both": int(a.sum()) * int(b.sum()) / n,
                    "jaccard": both / either if either else None,
                }
            )
    schema = dict.fromkeys(("first", "second", "label"), pl.String()) | dict.fromkeys(
        ("n", "errors_first", "errors_second", "errors_both"), pl.Int64()
    )
    return pl.DataFrame(
        rows, schema=schema | dict.fromkeys(("expected_both", "jaccard"), pl.Float64())
    )


def _as_matrix(scores: Mapping[str, npt.ArrayLike], systems: tuple[str, ...]) -> Floats:
    """(n, n_systems), checked."""
    if not systems:
        raise SpoofscopeError("a fusion needs at least one system")
    columns = [np.asarray(scores[name], dtype=np.float64) for name in systems]
    for name, column in zip(systems, columns, strict=True):
        if column.ndim != 1 or column.shape != columns[0].shape:
            raise SpoofscopeError(
                f"system {name!r} has {column.size} scores, {systems[0]!r} has {columns[0].size}"
            )
        if not np.isfinite(column).all():
            raise SpoofscopeError(f"system {name!r} has scores that are not finite")
    return np.column_stack(columns)


def _is_bonafide(labels: npt.ArrayLike, n: int) -> npt.NDArray[np.bool_]:
    names = np.asarray(labels)
    if names.shape != (n,):
        raise SpoofscopeError(f"{names.size} labels for {n} trials")
    for name in np.unique(names).tolist():
        if name not in LABELS:
            raise SpoofscopeError(f"unknown label {name!r}; it must be one of {', '.join(LABELS)}")
    bonafide: npt.NDArray[np.bool_] = names == "bonafide"
    if bonafide.all() or not bonafide.any():
        raise SpoofscopeError("the trials have one class only; both are needed")
    return bonafide


def _aligned(
    scores: Mapping[str, pl.DataFrame], trials: pl.DataFrame, trials_name: str
) -> dict[str, Floats]:
    return {
        name: join_scores(
            frame, trials.select("utt_id"), scores_name=name, trials_name=f"the {trials_name} set"
        )["score"].to_numpy()
        for name, frame in scores.items()
    }


def _weights(method: str, scores: Floats, bonafide: npt.NDArray[np.bool_], prior: float) -> Floats:
    """One weight per system, in the scale of its scores."""
    n_systems = scores.shape[1]
    if method in ("mean", "rank_mean"):
        return np.full(n_systems, 1 / n_systems)
    # In shares of the largest: squares of huge scores are larger than any number.
    sizes = np.abs(scores).max(axis=0)
    shares = scores / sizes
    spread = shares.std(axis=0) * sizes
    if method == "znorm_mean":
        return np.asarray(1 / (n_systems * spread))
    standardised = (shares - shares.mean(axis=0)) / shares.std(axis=0)
    real, fake = standardised[bonafide], standardised[~bonafide]
    if method == "logistic":
        ordered = np.concatenate([real, fake])
        targets = np.repeat([1.0, 0.0], [len(real), len(fake)])
        weights = class_weights(len(real), len(fake), prior)
        bias = float(np.log(prior / (1 - prior)))
        return np.asarray(fit_logistic(ordered, targets, weights, bias, RIDGE)[:-1] / spread)
    centred = [part - part.mean(axis=0) for part in (real, fake)]
    covariance = sum(part.T @ part / len(part) for part in centred) / 2
    difference = real.mean(axis=0) - fake.mean(axis=0)
    return np.asarray(np.linalg.solve(covariance + RIDGE * np.eye(n_systems), difference) / spread)


def _rank_table(column: Floats) -> dict[str, list[float]]:
    """Distinct scores and the share of trials below them, ties counted half."""
    distinct, counts = np.unique(column, return_counts=True)
    shares = (np.cumsum(counts) - counts / 2) / column.size
    if distinct.size > RANK_POINTS:
        kept = np.linspace(0, distinct.size - 1, RANK_POINTS).round().astype(np.int64)
        distinct, shares = distinct[kept], shares[kept]
    return {"scores": distinct.tolist(), "ranks": shares.tolist()}


def _to_ranks(
    scores: Floats, systems: tuple[str, ...], ranks: Mapping[str, Mapping[str, list[float]]]
) -> Floats:
    return np.column_stack(
        [
            np.interp(column, ranks[name]["scores"], ranks[name]["ranks"])
            for name, column in zip(systems, scores.T, strict=True)
        ]
    )
