"""Whether the explanations of a detector pass their controls, by rules that are written down here.

Deletion and insertion are held against masks of the same size elsewhere, a map against that of a
back-end with shuffled weights (see `attribution.faithfulness`), and, where a study asks for it,
against that of the same clip with inaudible noise. Agreement with other methods has
a verdict, too, but is no control: methods that are all right may differ. NumPy only.
"""

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import polars as pl

from spoofscope.attribution.checks import GAINS
from spoofscope.attribution_methods import BASELINE_CHECKS, NOISE_CHECK, OWN_CHECK
from spoofscope.names import ALL
from spoofscope.options.attribution import PATH_INTEGRAL
from spoofscope.tables import read_table

Verdict = Literal["passes", "fails", "undecided"]
Standing = Literal["passes", "fails", "undecided", "unchecked"]

RANDOMISED = "randomised_spearman"
CONTROLS = (*GAINS, RANDOMISED, NOISE_CHECK)
AGREEMENTS = ("gradient_spearman", "occlusion_spearman", *BASELINE_CHECKS.values())
ASKED = (*BASELINE_CHECKS.values(), NOISE_CHECK)
"""Checks that are made only where a study asks for them."""
JUDGED = (*GAINS, "gradient_spearman", "occlusion_spearman", RANDOMISED, *ASKED)
"""What has a verdict, in the order of tables and figures."""

NEGLIGIBLE = 0.1
"""Share of its scale below which a gain or an agreement counts as none. An interval around 0 alone
shows nothing, with few clips; one that ends below a tenth shows that there is next to nothing. Of a
gain the scale is the mean change of the score by the masks themselves; of a correlation it is 1,
and a correlation of 0.1 is a hundredth of the variance of ranks."""

LARGEST_RANDOMISED = 0.5
"""Most agreement with the map of a back-end that has forgotten what it learned. It is not 0 for
good explanations either, because both maps are zero where features and baseline are alike. At 0.5 a
quarter of the variance of ranks is there without anything learned."""

LEAST_STABLE = 0.7
"""Least agreement with the map of the same clip with noise that nobody hears. At 0.7 half of the
variance of ranks is there in both."""

RULES = {
    **dict.fromkeys(
        GAINS,
        "passes if the interval lies above 0; fails if it ends below a tenth of the mean change of "
        "the score by the masks",
    ),
    **dict.fromkeys(
        AGREEMENTS, f"passes if the interval lies above 0; fails if it ends below {NEGLIGIBLE:g}"
    ),
    RANDOMISED: f"passes if the interval lies below {LARGEST_RANDOMISED:g}; fails if it lies above",
    NOISE_CHECK: f"passes if the interval lies above {LEAST_STABLE:g}; fails if it lies below",
}
"""Of every check in :data:`JUDGED`; all others are undecided, as are checks without interval."""

TITLES = {
    "deletion_gain": "deletion beyond random frames",
    "insertion_gain": "insertion beyond random frames",
    "gradient_spearman": "agreement with gradient × input",
    "occlusion_spearman": "agreement with occlusion",
    RANDOMISED: "agreement with shuffled weights",
    "centroid_baseline_spearman": "agreement with the baseline of mean features",
    "bonafide_baseline_spearman": "agreement with the baseline of bona fide passages",
    "zeros_baseline_spearman": "agreement with the baseline of zeros",
    "silence_baseline_spearman": "agreement with the baseline of silence",
    "noise_baseline_spearman": "agreement with the baseline of noise",
    NOISE_CHECK: "agreement under inaudible noise",
}

SHORT_TITLES = {
    "deletion_gain": "Deletion",
    "insertion_gain": "Insertion",
    "gradient_spearman": "Gradient × input",
    "occlusion_spearman": "Occlusion",
    RANDOMISED: "Shuffled weights",
    "centroid_baseline_spearman": "Mean baseline",
    "bonafide_baseline_spearman": "Bona fide baseline",
    "zeros_baseline_spearman": "Zeros baseline",
    "silence_baseline_spearman": "Silence baseline",
    "noise_baseline_spearman": "Noise baseline",
    NOISE_CHECK: "Inaudible noise",
}
"""As columns of the report."""

_ALIKE = 1 - 1e-9

MARKS: dict[Standing, str] = {"passes": "", "fails": " †", "undecided": " ‡", "unchecked": " §"}
"""What follows the name of a detector wherever its explanations are shown."""


class Check(NamedTuple):
    """One check of the explanations of a detector, over all explained clips.

    Attributes:
        check: one of :data:`JUDGED`.
        value, ci_low, ci_high: mean over clips, and its interval; None where there is none.
        scale: what the value may be divided by to compare detectors: of a gain the larger of the
            mean changes by the masks and by their controls, of a correlation 1.
        n, clusters: clips behind the value; clusters is None where clips are drawn.
        verdict: by :data:`RULES`.
    """

    check: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    scale: float
    n: int
    clusters: int | None
    verdict: Verdict


def judged(check: str, low: float | None, high: float | None, scale: float) -> Verdict:
    """The verdict on a check by its interval, see :data:`RULES`."""
    if low is None or high is None:
        return "undecided"
    if check == RANDOMISED:
        passes, fails = high < LARGEST_RANDOMISED, low > LARGEST_RANDOMISED
    elif check == NOISE_CHECK:
        passes, fails = low > LEAST_STABLE, high < LEAST_STABLE
    else:
        passes, fails = low > 0, high < NEGLIGIBLE * scale
    return "passes" if passes else "fails" if fails else "undecided"


def read_checks(path: str, method: str = PATH_INTEGRAL) -> list[Check]:
    """The checks in :data:`JUDGED` with their verdicts, from a table of `checks.check_means`; of
    :data:`ASKED` those that the table has, and none of a method with itself.

    Args:
        path: of the table.
        method: of the explanations that were checked.

    Raises:
        TableError: as `tables.read_table`.
    """
    required: dict[str, pl.DataType] = {
        "attack": pl.String(),
        "metric": pl.String(),
        "n": pl.Int64(),
    }
    optional: dict[str, pl.DataType] = {
        **dict.fromkeys(("value", "ci_low", "ci_high"), pl.Float64()),
        "clusters": pl.Int64(),
    }
    table = read_table(path, required, optional).filter(attack=ALL)
    rows = {row["metric"]: row for row in table.iter_rows(named=True)}
    found = []
    for name in JUDGED:
        if (name in ASKED and name not in rows) or name == OWN_CHECK.get(method):
            continue
        row, scale = rows[name], 1.0
        if name in GAINS:
            changes = (rows[GAINS[name]]["value"], rows[f"{GAINS[name]}_control"]["value"])
            scale = max(abs(change or 0.0) for change in changes)
        value, low, high = row["value"], row["ci_low"], row["ci_high"]
        verdict = judged(name, low, high, scale)
        # A mean of 1 has no interval, and needs none: all clips have the largest correlation.
        alike = value is not None and value > _ALIKE
        if alike and name in (*AGREEMENTS, NOISE_CHECK):
            verdict = "passes"
        found.append(Check(name, value, low, high, scale, row["n"], row["clusters"], verdict))
    return found


def of_controls(checks: Sequence[Check]) -> Verdict:
    """The verdict on all controls of a detector together: the worst."""
    return worst({check.verdict for check in checks if check.check in CONTROLS})


def worst(verdicts: Collection[Verdict]) -> Verdict:
    """The verdict on several things together."""
    if "fails" in verdicts:
        return "fails"
    return "undecided" if "undecided" in verdicts else "passes"


def conclusion(name: str, checks: Sequence[Check]) -> str:
    """A sentence: whether the explanations of a detector pass their controls, and by how much."""
    begins: dict[Verdict, str] = {
        "passes": f"The explanations of {name} pass their controls",
        "fails": f"The explanations of {name} fail their controls",
        "undecided": f"It is undecided whether the explanations of {name} pass their controls",
    }
    parts = "; ".join(_part(check) for check in checks if check.check in CONTROLS)
    others = [_part(check) for check in checks if check.check in BASELINE_CHECKS.values()]
    compared = f" Relative to other baselines: {'; '.join(others)}." if others else ""
    return f"{begins[of_controls(checks)]}: {parts}.{compared}"


def _part(check: Check) -> str:
    title = TITLES[check.check]
    if check.value is None:
        return f"{title} was not computed, which leaves it undecided"
    clips = f"{check.n} clip{'s' if check.n != 1 else ''}"
    if check.ci_low is None:
        return f"{title} {check.value:+.2f} is undecided ({clips}, no interval)"
    said = {"passes": "passes", "fails": "fails", "undecided": "is undecided"}[check.verdict]
    return (
        f"{title} {check.value:+.2f} {said} ({check.ci_low:+.2f} to {check.ci_high:+.2f}, {clips})"
    )


def note(standings: Mapping[str, Standing]) -> str:
    """What the marks behind names mean, for a figure or a caption; empty where nothing is marked.

    Args:
        standings: by the name of each detector whose explanations are shown.
    """
    words: dict[Standing, str] = {
        "fails": "Explanations of {} fail their controls: do not rely on them.",
        "undecided": "It is undecided whether explanations of {} pass their controls.",
        "unchecked": "Explanations of {} were not held against controls.",
    }
    return " ".join(
        f"{MARKS[standing].strip()} {text.format(', '.join(names))}"
        for standing, text in words.items()
        if (names := [name for name, own in standings.items() if own == standing])
    )


def wrapped_note(standings: Mapping[str, Standing], inches: float) -> str:
    """The note in lines that fit into a width, in type of 7 points."""
    return textwrap.fill(note(standings), int(inches / 0.055))
