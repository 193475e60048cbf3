"""Agreement between people, and dependence between categories."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.errors import SpoofscopeError
from spoofscope.selection.operating_points import Floats

Scale = Literal["nominal", "ordinal"]


class Dependence(NamedTuple):
    """Pearson's test of independence of rows and columns.

    chi_squared: its statistic. dof: degrees of freedom. p: by the chi-squared distribution, which
    takes all counts for independent. cramers_v: sqrt(chi_squared / (n min(rows - 1, columns - 1))),
    in [0, 1].
    """

    chi_squared: float
    dof: int
    p: float
    cramers_v: float


def dependence(counts: npt.ArrayLike) -> Dependence | None:
    """Pearson's chi-squared test and Cramer's V of a table of counts, without any correction.

    Rows and columns without counts are left out.

    Args:
        counts: (rows, columns), whole numbers, 0 or more.

    Returns:
        None where fewer than two rows or columns have counts.

    Raises:
        SpoofscopeError: something else than a table of counts.
    """
    from scipy.special import chdtrc

    table = np.asarray(counts)
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.integer) or (table < 0).any():
        raise SpoofscopeError("a test of independence needs a table of whole numbers, 0 or more")
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    if min(table.shape) < 2:
        return None
    statistic = float(chi_squared(table.astype(np.float64)))
    dof = (table.shape[0] - 1) * (table.shape[1] - 1)
    v = float(np.sqrt(statistic / (table.sum() * (min(table.shape) - 1))))
    return Dependence(statistic, dof, float(chdtrc(dof, statistic)), min(v, 1.0))


def chi_squared(tables: Floats) -> Floats:
    """Pearson's statistic of tables, (..., rows, columns); an empty row or column adds nothing."""
    total = tables.sum(axis=(-2, -1), keepdims=True)
    expected = tables.sum(axis=-1, keepdims=True) * tables.sum(axis=-2, keepdims=True) / total
    parts = np.zeros_like(expected)
    np.divide((tables - expected) ** 2, expected, out=parts, where=expected > 0)
    return parts.sum(axis=(-2, -1))


class Units(NamedTuple):
    """What units contribute to Krippendorff's alpha.

    coincidences: (units, values, values) pairs of values of each unit, each pair with the weight
    1 / (values of the unit - 1); zero where a unit has a single value. scale: of the values.
    """

    coincidences: Floats
    scale: Scale


def units_of(answers: Sequence[Sequence[int]], n_values: int, scale: Scale) -> Units:
    """The coincidences of each unit.

    Args:
        answers: of each unit the values that people gave it, 0 ... n_values - 1; who has not
            answered is not there.
        n_values: how many values there are.
        scale: whether the order of the values counts.
    """
    counts = np.zeros((len(answers), n_values))
    for place, values in enumerate(answers):
        for value in values:
            counts[place, value] += 1
    n = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(n_values)
    pairs[:, diagonal, diagonal] -= counts
    weights = np.divide(1.0, n - 1, out=np.zeros_like(n), where=n > 1)
    return Units(pairs * weights[:, None, None], scale)


def alpha(units: Units, weights: Floats | None = None) -> float | None:
    """Krippendorff's alpha: 1 is perfect agreement, 0 that of chance.

    Krippendorff, "Computing Krippendorff's alpha-reliability" (2011).

    Args:
        units: see :func:`units_of`.
        weights: (units,) how often each counts, such as in a resample; None: once.

    Returns:
        None where no unit has two answers, or all answers are the same value.
    """
    times = np.ones(len(units.coincidences)) if weights is None else weights
    coincidences = np.tensordot(times, units.coincidences, axes=1)
    margins = coincidences.sum(axis=1)
    n = margins.sum()
    distances = _distances(margins, units.scale)
    expected = float(margins @ distances @ margins)
    if n <= 1 or expected <= 0:
        return None
    observed = float((coincidences * distances).sum())
    return 1.0 - (n - 1) * observed / expected


def _distances(margins: Floats, scale: Scale) -> Floats:
    if scale == "nominal":
        return 1.0 - np.eye(margins.size)
    # Values between two others lie between them, half of those of the two themselves.
    ranks = np.cumsum(margins) - margins / 2
    squared: Floats = (ranks[:, None] - ranks[None, :]) ** 2
    return squared
