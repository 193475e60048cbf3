"""Bootstrap confidence intervals of EER and minDCF, exact and fast on millions of trials.

A resample gives every trial a count. Both metrics need cumulative counts over the sorted trials,
but only near the threshold where they are attained. So the sorted trials are cut into some hundreds
of blocks; a resample first draws how many trials fall into each block (multinomial) and only then,
for the blocks that can hold the EER crossing or the cost minimum, which trials these are. A block
is left out only when a bound proves that its inside cannot matter: the result has exactly the
distribution of the ordinary bootstrap, nothing is binned.

References: Efron, "Bootstrap methods" (1979); for clusters, Bolle, Ratha and Pankanti, "Error
analysis of pattern recognition systems: the subsets bootstrap" (2004).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.errors import SpoofscopeError
from spoofscope.selection.operating_points import (
    C_FA,
    C_MISS,
    P_SPOOF,
    Floats,
    check_scores,
    equal_error_rate,
)

Counts = npt.NDArray[np.int64]
BLOCKS = 512
WEIGHT_MISS = C_MISS * (1 - P_SPOOF) / min(C_MISS * (1 - P_SPOOF), C_FA * P_SPOOF)
WEIGHT_FA = C_FA * P_SPOOF / min(C_MISS * (1 - P_SPOOF), C_FA * P_SPOOF)


class Interval(NamedTuple):
    """Lower and upper end of a confidence interval."""

    low: float
    high: float


class Resamples(NamedTuple):
    """EER and minDCF (ASVspoof 5 costs) of every resample, two arrays of shape (n_resamples,)."""

    eer: Floats
    min_dcf: Floats


class _Trials:
    """The trials of one class, by increasing score, with their place among the distinct scores.

    Attributes:
        order: (n,) position of the sorted trials in the list that was given.
        group: (n,) index of each sorted trial's score in the distinct scores of both classes.
        starts: (n_blocks + 1,) the sorted trials of block b are starts[b] to starts[b + 1].
    """

    def __init__(self, scores: Floats, distinct: Floats, edges: Counts) -> None:
        self.order = np.argsort(scores, kind="stable")
        self.group = np.searchsorted(distinct, scores[self.order])
        self.starts = np.searchsorted(self.group, edges)


# One class of one resample: the trials drawn in each block, and a function that tells for the
# blocks first..last-1 how often each of their distinct scores was drawn.
_Draw = tuple[Counts, Callable[[int, int], Counts]]

# What is resampled as a whole, a cluster or a single trial, numbered across both classes: the unit
# of each bona fide trial and of each spoof trial.
_Units = tuple[Counts, Counts]


class _Bootstrap:
    def __init__(self, bonafide: Floats, spoof: Floats) -> None:
        distinct = np.unique(np.concatenate([bonafide, spoof]))
        n_blocks = min(BLOCKS, distinct.size)
        self.edges: Counts = np.arange(n_blocks + 1) * distinct.size // n_blocks
        self.classes = [_Trials(scores, distinct, self.edges) for scores in (bonafide, spoof)]

    def draw_trials(self, rng: np.random.Generator) -> list[_Draw]:
        """Resample the trials of each class with replacement."""
        return [self._draw_class(trials, rng) for trials in self.classes]

    def _draw_class(self, trials: _Trials, rng: np.random.Generator) -> _Draw:
        sizes = np.diff(trials.starts)
        n = trials.group.size
        drawn = rng.multinomial(n, sizes / n)

        def inside(first: int, last: int) -> Counts:
            counts = drawn[first:last]
            # Uniform within each block: the trials drawn there are any of its trials.
            offsets = np.repeat(trials.starts[first:last], counts)
            position = offsets + (
                rng.random(offsets.size) * np.repeat(sizes[first:last], counts)
            ).astype(np.int64)
            low, high = self.edges[first], self.edges[last]
            return np.bincount(trials.group[position] - low, minlength=int(high - low))

        return drawn, inside

    def sort_units(self, units: _Units) -> _Units:
        """The resampling unit of each trial, by sorted trial, per class."""
        bonafide, spoof = (of[trials.order] for of, trials in zip(units, self.classes, strict=True))
        return bonafide, spoof

    def draw_units(self, times: Counts, sorted_units: _Units) -> list[_Draw]:
        """Count each trial as often as its unit was drawn: `times` (n_units,)."""
        draws: list[_Draw] = []
        for trials, units in zip(self.classes, sorted_units, strict=True):
            weight = times[units]
            total = np.append(0, np.cumsum(weight))[trials.starts]

            def inside(
                first: int, last: int, trials: _Trials = trials, weight: Counts = weight
            ) -> Counts:
                low, high = self.edges[first], self.edges[last]
                part = slice(trials.starts[first], trials.starts[last])
                counts = np.bincount(
                    trials.group[part] - low, weights=weight[part], minlength=int(high - low)
                )
                return counts.astype(np.int64)

            draws.append((np.diff(total), inside))
        return draws

    def metrics(self, draws: list[_Draw]) -> tuple[float, float]:
        """EER and minDCF of one resample."""
        (bonafide, bonafide_inside), (spoof, spoof_inside) = draws
        below = [np.append(0, np.cumsum(drawn)) for drawn in (bonafide, spoof)]
        p_miss = below[0] / below[0][-1]
        p_fa = (below[1][-1] - below[1]) / below[1][-1]
        crossing = int(np.searchsorted(p_miss - p_fa, 0.0, side="left")) - 1
        # Inside a block no threshold costs less than its first P_miss with its last P_fa.
        cost = WEIGHT_MISS * p_miss + WEIGHT_FA * p_fa
        bound = WEIGHT_MISS * p_miss[:-1] + WEIGHT_FA * p_fa[1:]
        open_blocks = np.flatnonzero(bound < cost.min())
        first = min([crossing, *open_blocks[:1].tolist()])
        last = max([crossing, *open_blocks[-1:].tolist()]) + 1
        fine = [
            start[first] + np.append(0, np.cumsum(inside(first, last)))
            for start, inside in zip(below, (bonafide_inside, spoof_inside), strict=True)
        ]
        p_miss = fine[0] / below[0][-1]
        p_fa = (below[1][-1] - fine[1]) / below[1][-1]
        fine_cost = WEIGHT_MISS * p_miss + WEIGHT_FA * p_fa
        return equal_error_rate(p_miss, p_fa), float(min(cost.min(), fine_cost.min()))


def resample(
    bonafide: npt.ArrayLike,
    spoof: npt.ArrayLike,
    n_resamples: int,
    rng: np.random.Generator,
) -> Resamples:
    """Bootstrap over trials: each class is resampled with replacement to its own size.

    Raises:
        SpoofscopeError: as :func:`check_scores`.
    """
    bootstrap = _Bootstrap(*check_scores(bonafide, spoof))
    values = [bootstrap.metrics(bootstrap.draw_trials(rng)) for _ in range(n_resamples)]
    return _as_resamples(values)


def resample_clusters(
    bonafide: npt.ArrayLike,
    spoof: npt.ArrayLike,
    clusters: tuple[npt.ArrayLike, npt.ArrayLike],
    n_resamples: int,
    rng: np.random.Generator,
) -> Resamples:
    """Bootstrap over clusters, usually speakers: each resample draws whole clusters.

    Trials of one speaker are not independent, so the trial bootstrap is too narrow. A resample that
    happens to lack a class is drawn again.

    Args:
        bonafide: bona fide scores, (n_bonafide,).
        spoof: spoof scores, (n_spoof,).
        clusters: the cluster (string or integer) of each bona fide trial and of each spoof trial;
            a cluster may have trials of both classes.
        n_resamples: how many resamples.
        rng: where the draws come from.

    Raises:
        SpoofscopeError: as :func:`check_scores`; also when there are not
            as many cluster names as trials, or fewer than two clusters.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    bootstrap = _Bootstrap(bonafide, spoof)
    units = _number_clusters(clusters, (bonafide.size, spoof.size))
    sorted_units = bootstrap.sort_units(units)
    return _as_resamples(
        [
            bootstrap.metrics(bootstrap.draw_units(times, sorted_units))
            for times in _draw_clusters(units, n_resamples, rng)
        ]
    )


def resample_differences(
    first: tuple[npt.ArrayLike, npt.ArrayLike],
    second: tuple[npt.ArrayLike, npt.ArrayLike],
    n_resamples: int,
    rng: np.random.Generator,
    clusters: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> Resamples:
    """Paired bootstrap: first detector minus second, both on the same resampled trials.

    Args:
        first: bona fide and spoof scores of one detector.
        second: the other detector's scores of the same trials, in the same order.
        n_resamples: how many resamples.
        rng: where the draws come from.
        clusters: as in :func:`resample_clusters`; None resamples trials within their class.

    Raises:
        SpoofscopeError: as :func:`resample_clusters`; also when the detectors differ in the number
            of trials.
    """
    one, other = resample_together([first, second], n_resamples, rng, clusters)
    return Resamples(one.eer - other.eer, one.min_dcf - other.min_dcf)


def resample_together(
    systems: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
    n_resamples: int,
    rng: np.random.Generator,
    clusters: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> list[Resamples]:
    """Bootstrap of several detectors, all on the same resampled trials.

    Args:
        systems: bona fide and spoof scores of each detector, of the same trials in the same order.
        n_resamples: how many resamples.
        rng: where the draws come from.
        clusters: as in :func:`resample_clusters`; None resamples trials within their class.

    Returns:
        The resamples of each detector; the i-th of all of them are of the same draw.

    Raises:
        SpoofscopeError: as :func:`resample_clusters`; also when the detectors differ in the number
            of trials.
    """
    pairs = [check_scores(*system) for system in systems]
    sizes = [(bonafide.size, spoof.size) for bonafide, spoof in pairs]
    for size in sizes:
        if size != sizes[0]:
            raise SpoofscopeError(
                f"a paired comparison needs the same trials: {sizes[0]} and {size} "
                "(bona fide, spoof) were given"
            )
    n_bonafide, n_spoof = sizes[0]
    if clusters is None:
        units = np.arange(n_bonafide), np.arange(n_bonafide, n_bonafide + n_spoof)
        draws = _draw_trials(n_bonafide, n_spoof, n_resamples, rng)
    else:
        units = _number_clusters(clusters, sizes[0])
        draws = _draw_clusters(units, n_resamples, rng)
    detectors = [_Bootstrap(bonafide, spoof) for bonafide, spoof in pairs]
    sorted_units = [detector.sort_units(units) for detector in detectors]
    values: list[list[tuple[float, float]]] = [[] for _ in detectors]
    for times in draws:
        for own, detector, units_of in zip(values, detectors, sorted_units, strict=True):
            own.append(detector.metrics(detector.draw_units(times, units_of)))
    return [_as_resamples(own) for own in values]


def p_value(differences: Floats) -> float:
    """Two-sided bootstrap p-value of "no difference", at least 2 / (number of resamples + 1)."""
    n = differences.size
    smaller = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (n + 1))


def _draw_trials(
    n_bonafide: int, n_spoof: int, n_resamples: int, rng: np.random.Generator
) -> Iterator[Counts]:
    """How often each trial was drawn within its class, bona fide first, per resample."""
    for _ in range(n_resamples):
        yield np.concatenate(
            [np.bincount(rng.integers(n, size=n), minlength=n) for n in (n_bonafide, n_spoof)]
        )


def _draw_clusters(units: _Units, n_resamples: int, rng: np.random.Generator) -> Iterator[Counts]:
    """How often each cluster was drawn, per resample; resamples without a class are drawn again."""
    n = 1 + max(int(of_class.max()) for of_class in units)
    present = [np.bincount(of_class, minlength=n) > 0 for of_class in units]
    drawn = 0
    while drawn < n_resamples:
        times = np.bincount(rng.integers(n, size=n), minlength=n)
        if all(times[has_class].any() for has_class in present):
            drawn += 1
            yield times


def _number_clusters(
    clusters: tuple[npt.ArrayLike, npt.ArrayLike], sizes: tuple[int, int]
) -> _Units:
    names = [np.asarray(of_class) for of_class in clusters]
    for n_trials, of_class in zip(sizes, names, strict=True):
        if of_class.shape != (n_trials,):
            raise SpoofscopeError(f"{of_class.size} cluster names for {n_trials} trials")
    distinct, units = np.unique(np.concatenate(names), return_inverse=True)
    if distinct.size < 2:
        raise SpoofscopeError(
            f"all trials are of one cluster, {str(distinct[0])!r}; "
            "a bootstrap over clusters needs at least two, use the one over trials"
        )
    return units[: sizes[0]], units[sizes[0] :]


def _as_resamples(values: list[tuple[float, float]]) -> Resamples:
    table = np.array(values, dtype=np.float64).reshape(-1, 2)
    return Resamples(table[:, 0], table[:, 1])


def percentile_interval(values: Floats, confidence: float = 0.95) -> Interval:
    """The central share `confidence` of the resamples (percentile method)."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))
