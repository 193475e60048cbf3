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

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.errors import SpoofscopeError
from spoofscope.metrics.rates import C_FA, C_MISS, P_SPOOF, Floats, check_scores, equal_error_rate

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

    def draw_weighted(self, weights: tuple[Counts, Counts]) -> list[_Draw]:
        """Count each trial as often as its weight says; `weights` are per class, as given."""
        draws: list[_Draw] = []
        for trials, weight in zip(self.classes, weights, strict=True):
            weight = weight[trials.order]
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
        SpoofscopeError: as :func:`spoofscope.metrics.rates.check_scores`.
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
        SpoofscopeError: as :func:`spoofscope.metrics.rates.check_scores`; also when there are not
            as many cluster names as trials, or fewer than two clusters.
    """
    bonafide, spoof = check_scores(bonafide, spoof)
    bootstrap = _Bootstrap(bonafide, spoof)
    weights = _cluster_weights(bonafide.size, spoof.size, clusters, n_resamples, rng)
    return _as_resamples([bootstrap.metrics(bootstrap.draw_weighted(w)) for w in weights])


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
    pairs = [check_scores(*first), check_scores(*second)]
    sizes = [(bonafide.size, spoof.size) for bonafide, spoof in pairs]
    if sizes[0] != sizes[1]:
        raise SpoofscopeError(
            f"a paired comparison needs the same trials: {sizes[0]} and {sizes[1]} "
            "(bona fide, spoof) were given"
        )
    bootstraps = [_Bootstrap(bonafide, spoof) for bonafide, spoof in pairs]
    weights = (
        _trial_weights(*sizes[0], n_resamples, rng)
        if clusters is None
        else _cluster_weights(*sizes[0], clusters, n_resamples, rng)
    )
    values = [[b.metrics(b.draw_weighted(w)) for b in bootstraps] for w in weights]
    differences = [(a[0] - b[0], a[1] - b[1]) for a, b in values]
    return _as_resamples(differences)


def p_value(differences: Floats) -> float:
    """Two-sided bootstrap p-value of "no difference", at least 2 / (number of resamples + 1)."""
    n = differences.size
    smaller = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (n + 1))


def _trial_weights(
    n_bonafide: int, n_spoof: int, n_resamples: int, rng: np.random.Generator
) -> Iterator[tuple[Counts, Counts]]:
    """How often each trial counts in each resample, per class."""
    for _ in range(n_resamples):
        bonafide, spoof = (
            np.bincount(rng.integers(n, size=n), minlength=n) for n in (n_bonafide, n_spoof)
        )
        yield bonafide, spoof


def _cluster_weights(
    n_bonafide: int,
    n_spoof: int,
    clusters: tuple[npt.ArrayLike, npt.ArrayLike],
    n_resamples: int,
    rng: np.random.Generator,
) -> Iterator[tuple[Counts, Counts]]:
    """How often each trial counts in each resample: as often as its cluster was drawn."""
    names = [np.asarray(of_class) for of_class in clusters]
    for n_trials, of_class in zip((n_bonafide, n_spoof), names, strict=True):
        if of_class.shape != (n_trials,):
            raise SpoofscopeError(f"{of_class.size} cluster names for {n_trials} trials")
    distinct, codes = np.unique(np.concatenate(names), return_inverse=True)
    n = distinct.size
    if n < 2:
        raise SpoofscopeError(
            f"all trials are of one cluster, {str(distinct[0])!r}; "
            "a bootstrap over clusters needs at least two, use the one over trials"
        )
    bonafide, spoof = codes[:n_bonafide], codes[n_bonafide:]
    drawn = 0
    while drawn < n_resamples:
        times = np.bincount(rng.integers(n, size=n), minlength=n)
        weights = times[bonafide], times[spoof]
        if weights[0].any() and weights[1].any():
            drawn += 1
            yield weights


def _as_resamples(values: list[tuple[float, float]]) -> Resamples:
    table = np.array(values, dtype=np.float64).reshape(-1, 2)
    return Resamples(table[:, 0], table[:, 1])


def percentile_interval(values: Floats, confidence: float = 0.95) -> Interval:
    """The central share `confidence` of the resamples (percentile method)."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))
