"""How well known attacks are told apart: from a confusion matrix.

Averages over classes are over those that occur in the truth. A class that is never predicted has
precision and F1 of 0, not of nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.errors import SpoofscopeError
from spoofscope.selection.operating_points import Floats

Ids = npt.NDArray[np.int64]

PER_CLASS: dict[str, pl.DataType] = {
    "class": pl.String(),
    "precision": pl.Float64(),
    "recall": pl.Float64(),
    "f1": pl.Float64(),
    "n": pl.Int64(),
}


class ClosedSet(NamedTuple):
    """Shares in [0, 1]. balanced_accuracy: mean recall over the classes of the truth."""

    accuracy: float
    balanced_accuracy: float
    macro_f1: float


class OfClasses(NamedTuple):
    """Rates of every class, (..., K), 0 where there is nothing to divide by."""

    precision: Floats
    recall: Floats
    f1: Floats


def confusion_matrix(truth: npt.ArrayLike, predicted: npt.ArrayLike, n_classes: int) -> Ids:
    """How many clips of each class (row) are predicted to be of each class (column), (K, K).

    Args:
        truth, predicted: (n,) class ids from 0 to K - 1.
        n_classes: K.

    Raises:
        SpoofscopeError: none, other lengths, or an id that is no class.
    """
    true, said = check_ids("truth", truth, n_classes), check_ids("predicted", predicted, n_classes)
    if true.size != said.size:
        raise SpoofscopeError(f"{said.size} predicted classes of {true.size} clips")
    if true.size == 0:
        raise SpoofscopeError("no clips: this metric needs some")
    counts = np.bincount(true * n_classes + said, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def check_ids(name: str, ids: npt.ArrayLike, n_classes: int) -> Ids:
    """Class ids as int64 (n,); `name` is for the message.

    Raises:
        SpoofscopeError: not whole numbers in one dimension, or one that is no class.
    """
    values = np.asarray(ids)
    if values.ndim != 1 or (values.size and not np.issubdtype(values.dtype, np.integer)):
        raise SpoofscopeError(f"{name}: expected class ids, got {values.dtype} {values.shape}")
    values = values.astype(np.int64)
    bad = (values < 0) | (values >= n_classes)
    if bad.any():
        first = int(np.argmax(bad))
        raise SpoofscopeError(
            f"{name}: row {first} has the class {values[first]}; ids are from 0 to {n_classes - 1}"
        )
    return values


def of_classes(confusion: Ids | Floats) -> OfClasses:
    """Precision, recall and F1 of every class, (..., K), of confusion matrices (..., K, K)."""
    right = np.einsum("...kk->...k", confusion).astype(np.float64)
    truth, said = confusion.sum(axis=-1), confusion.sum(axis=-2)
    return OfClasses(
        _share(right, said), _share(right, truth), _share(2 * right, (truth + said).astype(float))
    )


def _share(part: Floats, whole: Ids | Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def closed_set(confusion: Ids) -> ClosedSet:
    """Accuracy, balanced accuracy and macro-F1 of a confusion matrix (K, K) that is not empty."""
    there = confusion.sum(axis=1) > 0
    return ClosedSet(*(float(value) for value in closed_rates(confusion, there * 1.0)))


def closed_rates(confusion: Ids | Floats, weights: Floats) -> tuple[Floats, ...]:
    """The fields of :class:`ClosedSet` of confusion matrices (..., K, K), (...) each.

    Args:
        confusion: of which none is empty.
        weights: (..., K) of the classes in averages, not all 0.
    """
    rates = of_classes(confusion)
    right = np.einsum("...kk->...", confusion)
    return (
        right / confusion.sum(axis=(-2, -1)),
        weighted_mean(rates.recall, weights),
        weighted_mean(rates.f1, weights),
    )


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """Mean over the last axis."""
    mean: Floats = (values * weights).sum(axis=-1) / weights.sum(axis=-1)
    return mean


def per_class(confusion: Ids, names: Sequence[str]) -> pl.DataFrame:
    """A row for every class of the truth, in the order of ids: columns :data:`PER_CLASS`.

    Args:
        confusion: (K, K).
        names: of the classes, (K,).
    """
    rates = of_classes(confusion)
    n = confusion.sum(axis=1)
    table = {"class": list(names), **rates._asdict(), "n": n}
    return pl.DataFrame(table, schema=PER_CLASS).filter(pl.col("n") > 0)
