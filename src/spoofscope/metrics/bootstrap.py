"""Bootstrap of any metric: it draws trials, or whole speakers, with replacement.

A resample gives every trial a count; all trials of a cluster have the same count. Metrics need only
the counts per score: the numbers of bona fide and spoof trials with each score. So the resamples of
a table are one matrix (how often each unit was drawn). The counts of a set of trials are the
product of this matrix and a sparse matrix (the number of trials of each score in each unit). Most
metrics are a few operations on whole arrays of counts, for all resamples at once.

The counts are exact up to `CELLS` distinct scores. Beyond this number, neighbouring scores share a
cell, within which the ROC curve is straight. The change that cells cause in the metric of the
trials themselves is subtracted, and the spread of the resamples changes by less than 1 %.
Beyond `GROUPS` trials or clusters, the bootstrap draws random groups of them as wholes, which does
not change the spread of the resamples.

References: Efron, "Bootstrap methods" (1979); for clusters, Bolle, Ratha and Pankanti, "Error
analysis of pattern recognition systems: the subsets bootstrap" (2004).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from spoofscope.errors import SpoofscopeError
from spoofscope.metrics.information import min_cllr_of_shares
from spoofscope.metrics.limits import Trials
from spoofscope.selection.operating_points import (
    C_FA,
    C_MISS,
    P_SPOOF,
    Floats,
    normalised_cost,
)

Counts = npt.NDArray[np.int64]

CELLS = 4096
GROUPS = 10_000

# Number of cells, over resamples, whose counts are in memory at once.
_AT_ONCE = 2**21


class Draws:
    """The resamples of one table of trials: how often each unit was drawn.

    Attributes:
        clustered: whether units are clusters; otherwise trials are drawn within their class.
        units: (n,) the unit of each trial.
        times: (n_resamples, n_units) how often each unit is in each resample.
    """

    def __init__(
        self,
        is_bonafide: npt.NDArray[np.bool_],
        clusters: npt.ArrayLike | None,
        n_resamples: int,
        rng: np.random.Generator,
    ) -> None:
        """Draw.

        Args:
            is_bonafide: (n,) the class of each trial; both classes have trials.
            clusters: (n,) the cluster of each trial, strings or integers; a resample that happens
                to lack a class is drawn again. None draws trials within their class.
            n_resamples: how many resamples.
            rng: the source of the draws.

        Raises:
            SpoofscopeError: not as many cluster names as trials, or fewer than two clusters.
        """
        self.clustered = clusters is not None
        if clusters is None:
            self.units = np.empty(is_bonafide.size, dtype=np.int64)
            n_units = 0
            parts = []
            for members in (np.flatnonzero(is_bonafide), np.flatnonzero(~is_bonafide)):
                class_units = _grouped(np.arange(members.size), rng)
                size = int(class_units.max(initial=-1)) + 1
                self.units[members] = n_units + class_units
                n_units += size
                parts.append(_times(size, n_resamples, rng))
            self.times = np.concatenate(parts, axis=1)
            return
        names = np.asarray(clusters)
        if names.shape != is_bonafide.shape:
            raise SpoofscopeError(f"{names.size} cluster names for {is_bonafide.size} trials")
        distinct, numbers = np.unique(names, return_inverse=True)
        if distinct.size < 2:
            raise SpoofscopeError(
                f"all trials are of one cluster, {str(distinct[0])!r}; "
                "a bootstrap over clusters needs at least two, use the one over trials"
            )
        self.units = _grouped(numbers, rng)
        n_units = int(self.units.max()) + 1
        has = [
            np.bincount(self.units[of_class], minlength=n_units) > 0
            for of_class in (is_bonafide, ~is_bonafide)
            if of_class.any()
        ]
        self.times = np.empty((0, n_units), dtype=np.int32)
        while len(self.times) < n_resamples:
            more = _times(n_units, n_resamples, rng)
            both = np.all([more[:, members].any(axis=1) for members in has], axis=0)
            self.times = np.concatenate([self.times, more[both]])[:n_resamples]


def _grouped(numbers: Counts, rng: np.random.Generator) -> Counts:
    """Unit of each trial from the number of its cluster: itself, or a random group of clusters."""
    n = int(numbers.max(initial=-1)) + 1
    return numbers if n <= GROUPS else (rng.permutation(n) % GROUPS)[numbers]


def _times(n_units: int, n_resamples: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """(n_resamples, n_units) how often each unit is among as many draws as there are units."""
    times = np.empty((n_resamples, n_units), dtype=np.int32)
    for row in times:
        row[:] = np.bincount(rng.integers(n_units, size=n_units), minlength=n_units)
    return times


class Resampled(NamedTuple):
    """Some resamples of a set of trials, counted by score.

    Attributes:
        scores: (c,) the scores, ascending.
        bonafide: (r, c) bona fide trials of each score in each resample.
        spoof: (r, c) spoof trials.
    """

    scores: Floats
    bonafide: Floats
    spoof: Floats

    def p_miss(self) -> Floats:
        """Share of bona fide below each score, and last below infinity; (r, c + 1)."""
        return _below(self.bonafide)

    def p_fa(self) -> Floats:
        """Share of spoof at or above each score, and last at infinity; (r, c + 1)."""
        return 1 - _below(self.spoof)

    def bonafide_rejected(self, threshold: float) -> Floats:
        """Share of bona fide below a threshold, (r,); exact for `cuts` of :class:`Sample`."""
        return _share(self.bonafide, self.scores < threshold)

    def spoof_accepted(self, threshold: float) -> Floats:
        """Share of spoof at or above a threshold, (r,); exact for `cuts` of :class:`Sample`."""
        return _share(self.spoof, self.scores >= threshold)


def _below(counts: Floats) -> Floats:
    total = np.cumsum(counts, axis=1)
    # A resample may lack a class; its rates are not a number.
    with np.errstate(invalid="ignore"):
        shares: Floats = np.pad(total, ((0, 0), (1, 0))) / total[:, -1:]
    return shares


def _share(counts: Floats, chosen: npt.NDArray[np.bool_]) -> Floats:
    with np.errstate(invalid="ignore"):
        share: Floats = counts[:, chosen].sum(axis=1) / counts.sum(axis=1)
    return share


OfResampled = Callable[[Resampled], Floats]
"""A metric of every resample, (r,)."""


def eer(resampled: Resampled) -> Floats:
    """As `selection.operating_points.eer`, without its threshold."""
    p_miss, p_fa = resampled.p_miss(), resampled.p_fa()
    after = np.argmax(p_miss >= p_fa, axis=1)
    rows = np.arange(len(after))
    # At infinity all are rejected, so only a resample without a class has no crossing.
    before = np.maximum(after - 1, 0)
    gap_before = p_fa[rows, before] - p_miss[rows, before]
    gap_after = p_miss[rows, after] - p_fa[rows, after]
    with np.errstate(invalid="ignore"):
        share = gap_before / (gap_before + gap_after)
    value: Floats = p_miss[rows, before] + share * (p_miss[rows, after] - p_miss[rows, before])
    return value


def min_dcf(resampled: Resampled) -> Floats:
    """As `selection.operating_points.min_dcf` with its defaults."""
    cost = normalised_cost(resampled.p_miss(), resampled.p_fa(), P_SPOOF, C_MISS, C_FA)
    value: Floats = cost.min(axis=1)
    return value


def auc(resampled: Resampled) -> Floats:
    """As `metrics.rates.auc`."""
    below = np.cumsum(resampled.spoof, axis=1) - resampled.spoof / 2
    pairs = resampled.bonafide.sum(axis=1) * resampled.spoof.sum(axis=1)
    with np.errstate(invalid="ignore"):
        value: Floats = np.einsum("rc,rc->r", resampled.bonafide, below) / pairs
    return value


def mean(counts: Floats, losses: Floats) -> Floats:
    """Mean loss of the trials of a class, (r,), from the loss of each score (c,)."""
    with np.errstate(invalid="ignore", over="ignore"):
        value: Floats = counts @ losses / counts.sum(axis=1)
    return value


def min_cllr(resampled: Resampled) -> Floats:
    """As `metrics.information.min_cllr`."""
    values = np.full(len(resampled.bonafide), np.nan)
    totals = resampled.bonafide.sum(axis=1), resampled.spoof.sum(axis=1)
    for i in np.flatnonzero((totals[0] > 0) & (totals[1] > 0)):
        values[i] = min_cllr_of_shares(
            resampled.bonafide[i] / totals[0][i], resampled.spoof[i] / totals[1][i]
        )
    return values


class Sample:
    """A set of trials whose metrics are resampled by the draws of a table.

    Attributes:
        bonafide, spoof: scores of the classes.
        counted: the trials behind a rate, by class: of `bonafide`, of `spoof`, of `all`, and of the
            `rarer` of both classes.
    """

    def __init__(
        self,
        bonafide: npt.ArrayLike,
        spoof: npt.ArrayLike,
        units: tuple[Counts, Counts],
        draws: Draws,
        cuts: Sequence[float] = (),
    ) -> None:
        """Count.

        Args:
            bonafide, spoof: scores, finite; a class may be empty.
            units: of each trial of the classes, as in `draws.units`.
            draws: of a table that has these trials.
            cuts: thresholds at which rates are exact, however many scores there are.
        """
        self.bonafide = np.asarray(bonafide, dtype=np.float64)
        self.spoof = np.asarray(spoof, dtype=np.float64)
        self._times = draws.times
        scores = np.concatenate([self.bonafide, self.spoof])
        distinct, place = np.unique(scores, return_inverse=True)
        self._is_exact = distinct.size <= CELLS
        if self._is_exact:
            self.scores = distinct
        else:
            ends = np.arange(CELLS) * distinct.size // CELLS
            starts = np.unique(np.concatenate([ends, np.searchsorted(distinct, cuts, "left")]))
            starts = starts[starts < distinct.size]
            place = np.searchsorted(starts, place, "right") - 1
            self.scores = distinct[starts]
        n = self.bonafide.size
        self._members = [
            _counts_by_unit(units[0], place[:n], (draws.times.shape[1], self.scores.size)),
            _counts_by_unit(units[1], place[n:], (draws.times.shape[1], self.scores.size)),
        ]
        self.counted = {
            name: Trials(
                np.unique(of_class).size if draws.clustered else of_class.size, of_class.size
            )
            for name, of_class in (
                ("bonafide", units[0]),
                ("spoof", units[1]),
                ("all", np.concatenate(units)),
            )
        }
        of_classes = self.counted["bonafide"], self.counted["spoof"]
        self.counted["rarer"] = Trials(*(min(numbers) for numbers in zip(*of_classes, strict=True)))

    def values(self, metrics: Sequence[OfResampled], observed: Sequence[float]) -> list[Floats]:
        """Metrics of all resamples; not a number for a resample without one of the classes.

        Args:
            metrics: of the resamples.
            observed: of the trials themselves, which cells may not shift.

        Returns:
            For each metric (n_resamples,).
        """
        step = max(1, _AT_ONCE // self.scores.size)
        parts = [
            [metric(some) for metric in metrics]
            for some in (
                self._resampled(self._times[start : start + step])
                for start in range(0, len(self._times), step)
            )
        ]
        values = [np.concatenate(part) for part in zip(*parts, strict=True)]
        if self._is_exact:
            return values
        once = self._resampled(np.ones((1, self._times.shape[1]), dtype=np.int32))
        return [
            of_metric + (value - metric(once)[0])
            for of_metric, metric, value in zip(values, metrics, observed, strict=True)
        ]

    def _resampled(self, times: npt.NDArray[np.int32]) -> Resampled:
        bonafide, spoof = ((members @ times.T).T.astype(np.float64) for members in self._members)
        return Resampled(self.scores, bonafide, spoof)


def _counts_by_unit(units: Counts, cells: Counts, shape: tuple[int, int]) -> csr_array:
    """How many trials each unit has in each cell, (cells, units)."""
    ones = np.ones(units.size, dtype=np.int32)
    return csr_array((ones, (cells, units)), shape=shape[::-1])


def repeated(of: Callable[[Floats, Floats], float]) -> OfResampled:
    """A metric for resamples, for a metric without a faster form: it computes each resample."""

    def values(resampled: Resampled) -> Floats:
        results = np.full(len(resampled.bonafide), np.nan)
        for i, counts in enumerate(zip(resampled.bonafide, resampled.spoof, strict=True)):
            bonafide, spoof = (np.repeat(resampled.scores, n.astype(np.int64)) for n in counts)
            if bonafide.size and spoof.size:
                results[i] = of(bonafide, spoof)
        return results

    return values


def p_value(differences: Floats) -> float:
    """Two-sided bootstrap p-value of "no difference", at least 2 / (number of resamples + 1)."""
    n = differences.size
    smaller = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (n + 1))
