"""Do decisions follow a cue that changes sides, more than they follow a change that is none?

Of recordings that a detector decides rightly as they are, some are decided otherwise when a cue is
put on, or taken off: they flip. The same recordings flip, or not, under a control: a change as
large that is no cue. Both are counted on the same recordings, so pairs decide, as in McNemar's test
("Note on the sampling error of the difference between correlated proportions or percentages",
1947).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spoofscope.metrics.bootstrap import Counts, Draws
from spoofscope.metrics.limits import (
    Interval,
    Trials,
    hull,
    percentile_interval,
    rate_limits,
    smallest_p,
    sum_limits,
    within,
)
from spoofscope.metrics.rates import Floats

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Flips:
    """Which recordings flip, of those that are decided rightly as they are.

    Attributes:
        cue: (n,) with the cue put on, or taken off.
        control: (n,) with the control.
        units: (n,) of each recording, as in `bootstrap.Draws.units`.
    """

    cue: Flags
    control: Flags
    units: Counts

    @property
    def n_units(self) -> int:
        """Clusters, or recordings, that decide."""
        return int(np.unique(self.units).size)

    @property
    def only(self) -> tuple[Flags, Flags]:
        """Which flip under the cue alone, and which under the control alone."""
        return self.cue & ~self.control, self.control & ~self.cue

    def resampled(self, flags: Flags, draws: Draws) -> Floats:
        """A rate in every resample, (n_resamples,); not a number where it has no recording."""
        size = draws.times.shape[1]
        counts = np.bincount(self.units, minlength=size)
        flipped = np.bincount(self.units[flags], minlength=size)
        with np.errstate(invalid="ignore"):
            rates: Floats = (draws.times @ flipped) / (draws.times @ counts)
        return rates

    def limits(self, flags: Flags, draws: Draws) -> Interval:
        """95 % interval of a rate, at least as wide as the exact one, see `metrics.limits`."""
        drawn = self.resampled(flags, draws)
        drawn = drawn[np.isfinite(drawn)]
        exact = rate_limits(float(flags.mean()), drawn, Trials(self.n_units, flags.size))
        return within(hull(percentile_interval(drawn), exact), 0.0, 1.0)

    def excess(self, draws: Draws) -> Interval:
        """95 % interval of the rate of the cue less that of the control.

        At least as wide as what the exact intervals of the two kinds of unequal pairs add up to.
        """
        rates, limits, drawn = [], [], []
        for flags in self.only:
            rates.append(float(flags.mean()))
            limits.append(self.limits(flags, draws))
            drawn.append(self.resampled(flags, draws))
        (first, second), (of_first, of_second) = rates, limits
        less = Interval(-of_second.high, -of_second.low)
        added = sum_limits((1.0, 1.0), (first, -second), (of_first, less))
        difference = drawn[0] - drawn[1]
        paired = percentile_interval(difference[np.isfinite(difference)])
        return within(hull(paired, added), -1.0, 1.0)


def flip_rates(flips: Flips, draws: Draws) -> dict[str, Any]:
    """How many recordings flip under a cue, and how many more than under its control.

    Args:
        flips: of one test.
        draws: of the table that has these recordings.

    Returns:
        n, n_units; rate, ci_low, ci_high: share that flips under the cue (95 %); control_rate;
        excess: rate less control_rate, with excess_low and excess_high; p: exact, two-sided, of the
        cue and the control doing the same, see :func:`sign_p`. Values are None where there is no
        recording, and intervals and p where there are fewer than two units.
    """
    n, units = int(flips.cue.size), flips.n_units
    row: dict[str, Any] = dict.fromkeys(
        ("rate", "ci_low", "ci_high", "control_rate", "excess", "excess_low", "excess_high", "p")
    )
    row |= {"n": n, "n_units": units}
    if n == 0:
        return row
    rate, control_rate = float(flips.cue.mean()), float(flips.control.mean())
    row |= {"rate": rate, "control_rate": control_rate, "excess": rate - control_rate}
    if smallest_p(units) is None:
        return row
    own, excess = flips.limits(flips.cue, draws), flips.excess(draws)
    return row | {
        "ci_low": own.low,
        "ci_high": own.high,
        "excess_low": excess.low,
        "excess_high": excess.high,
        "p": sign_p(flips),
    }


def sign_p(flips: Flips) -> float:
    """Exact two-sided p value of the cue and its control flipping the same.

    In every unit, the cue and the control could as well change places. p is the share of all these
    2^n exchanges whose difference is at least as large as the one seen. Where every unit is one
    recording, that is McNemar's exact test.
    """
    size = int(flips.units.max(initial=0)) + 1
    differences = np.bincount(flips.units[flips.cue], minlength=size) - np.bincount(
        flips.units[flips.control], minlength=size
    )
    seen = abs(int(differences.sum()))
    sizes = np.abs(differences[differences != 0])
    # Chances of the sum, from -reach to reach.
    reach = int(sizes.sum())
    chances = np.zeros(2 * reach + 1)
    chances[reach] = 1.0
    for step in sizes.tolist():
        chances = (np.roll(chances, step) + np.roll(chances, -step)) / 2
    sums = np.abs(np.arange(-reach, reach + 1))
    return min(1.0, float(chances[sums >= seen].sum()))


def shortcut_index(tests: Sequence[Flips], draws: Draws) -> dict[str, float | None]:
    """The mean excess over the tests of a cue that have recordings.

    Args:
        tests: of the cue put on, and of it taken off.
        draws: of the table that has the recordings of all of them.

    Returns:
        index, from -1 to 1: 1 where every recording flips under the cue and none under the control,
        0 where the control flips as many; index_low and index_high (95 %). None where there is no
        recording, and the interval where a test has fewer than two units.
    """
    measured = [flips for flips in tests if flips.cue.size]
    if not measured:
        return dict.fromkeys(("index", "index_low", "index_high"))
    excesses = [float(flips.cue.mean() - flips.control.mean()) for flips in measured]
    index = float(np.mean(excesses))
    if any(smallest_p(flips.n_units) is None for flips in measured):
        return {"index": index, "index_low": None, "index_high": None}
    drawn = np.mean(
        [np.subtract(*(f.resampled(flags, draws) for flags in f.only)) for f in measured], axis=0
    )
    limits = [flips.excess(draws) for flips in measured]
    added = sum_limits([1 / len(measured)] * len(measured), excesses, limits)
    low, high = within(hull(percentile_interval(drawn[np.isfinite(drawn)]), added), -1.0, 1.0)
    return {"index": index, "index_low": low, "index_high": high}
