"""Validation of a detector for a case: its errors on the sets that its study scored."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from spoofscope.cases.scored_sets import ScoredSet
from spoofscope.metrics.measure import METRICS, Measured, Metric, measure, threshold_metrics
from spoofscope.metrics.reliability import Reliability, reliability
from spoofscope.metrics.tables import draw, resampled_by
from spoofscope.names import NONE
from spoofscope.selection.operating_points import Floats
from spoofscope.tables import LABELS

RESAMPLES, SEED = 1000, 1
"""Of the bootstrap behind the intervals."""

_UNNAMED = "unknown"
"""What corpora call the attack of spoofs of which they do not tell it."""


class ValidatedSet(NamedTuple):
    """A set of trials with the errors of a detector on it.

    Attributes:
        scored: the trials.
        n_bonafide, n_spoof: trials. n_speakers: None where they are not known. n_attacks:
            None where the corpus does not name all.
        unit: what the bootstrap draws, `speakers` or `clips`.
        measured: by name, see :data:`MEANINGS`.
        reliability: of the calibrated ratios; None without a calibration.
    """

    scored: ScoredSet
    n_bonafide: int
    n_spoof: int
    n_speakers: int | None
    n_attacks: int | None
    unit: str
    measured: dict[str, Measured]
    reliability: Reliability | None

    def ratios(self, label: str) -> Floats:
        """Natural-log likelihood ratios (n,) of a class."""
        return self.scored.trials.filter(label=label)["llr"].to_numpy()


MEANINGS = {
    "eer": "equal error rate of the scores",
    "cllr": "Cllr: cost of the calibrated ratios in bits; 0 is perfect, 1 is no information",
    "min_cllr": "minimum Cllr: what would be left with an ideal calibration on these trials",
    "bonafide_misled": "bona fide clips whose ratio speaks for spoof (LLR below 0)",
    "spoof_misled": "spoofs whose ratio speaks for bona fide (LLR above 0)",
    "bonafide_wrong": "bona fide clips that the detector calls spoof",
    "spoof_wrong": "spoofs that the detector calls bona fide",
    "bonafide_undecided": "bona fide clips with a probability too near to one half",
    "spoof_undecided": "spoofs with a probability too near to one half",
    "bonafide_at_most": "bona fide clips with a score at most that of the recording",
    "spoof_at_least": "spoofs with a score at least that of the recording",
}
"""Of every number of a validation. The last two are there with the score of a recording, those from
`cllr` to `spoof_undecided` with a calibration."""


def validate(
    scored: Sequence[ScoredSet], calibration: Mapping[str, Any] | None, score: float
) -> list[ValidatedSet]:
    """The errors of a detector on the sets that its study has scored.

    Args:
        scored: the sets, see `scored_sets.scored_sets`.
        calibration: the detector's.
        score: of the recording, which is set beside those of the trials.
    """
    return [_validated(each, calibration, score) for each in scored]


def _validated(
    scored: ScoredSet, calibration: Mapping[str, Any] | None, score: float
) -> ValidatedSet:
    trials = scored.trials
    draws = draw(trials, RESAMPLES, SEED, None)
    bonafide, spoof = (trials.filter(label=label)["score"].to_numpy() for label in LABELS)
    units = None
    if draws is not None:
        of_classes = [draws.units[(trials["label"] == label).to_numpy()] for label in LABELS]
        units = of_classes[0], of_classes[1]
    # A score at the limit counts on both sides.
    place = {
        "bonafide_at_most": threshold_metrics(_above(score))["bonafide_rejected"],
        "spoof_at_least": threshold_metrics(score)["spoof_accepted"],
    }
    of_scores = {name: METRICS[name] for name in ("eer", "min_cllr")} | place
    measured = measure(bonafide, spoof, of_scores, units, draws)
    diagram = None
    if calibration is not None:
        first, second = (trials.filter(label=label)["llr"].to_numpy() for label in LABELS)
        measured |= measure(first, second, _of_ratios(calibration), units, draws)
        diagram = reliability(first, second, calibration["prior"], units=units, draws=draws)
    speakers = trials.filter(pl.col("speaker") != NONE)["speaker"].n_unique()
    attacks = set(trials.filter(label=LABELS[1])["attack"])
    return ValidatedSet(
        scored,
        n_bonafide=bonafide.size,
        n_spoof=spoof.size,
        n_speakers=speakers or None,
        n_attacks=None if _UNNAMED in attacks else len(attacks),
        unit="clips" if resampled_by(trials, None) is None else "speakers",
        measured={name: measured[name] for name in MEANINGS if name in measured},
        reliability=diagram,
    )


def _of_ratios(calibration: Mapping[str, Any]) -> dict[str, Metric]:
    """Metrics of calibrated ratios, see :data:`MEANINGS`."""
    low, high = decision_edges(calibration)
    # Where nothing lies between the two, a ratio on the edge is called bona fide.
    above_spoof = _above(low) if low < high else high
    return {
        "cllr": METRICS["cllr"],
        "bonafide_misled": threshold_metrics(0.0)["bonafide_rejected"],
        "spoof_misled": threshold_metrics(_above(0.0))["spoof_accepted"],
        "bonafide_wrong": threshold_metrics(above_spoof)["bonafide_rejected"],
        "spoof_wrong": threshold_metrics(high)["spoof_accepted"],
        "bonafide_undecided": Metric(
            "bona fide undecided",
            lambda bonafide, _: _between(bonafide, low, high),
            lambda drawn: drawn.bonafide_rejected(high) - drawn.bonafide_rejected(above_spoof),
            counted="bonafide",
            needs=("bonafide",),
        ),
        "spoof_undecided": Metric(
            "spoof undecided",
            lambda _, spoof: _between(spoof, low, high),
            lambda drawn: drawn.spoof_accepted(above_spoof) - drawn.spoof_accepted(high),
            counted="spoof",
            needs=("spoof",),
        ),
    }


def decision_edges(calibration: Mapping[str, Any]) -> tuple[float, float]:
    """The natural-log ratios up to which the decision is spoof, and from which it is bona fide;
    bona fide on both where they are the same.
    """
    prior = math.log(calibration["prior"] / (1 - calibration["prior"]))
    low, high = (
        math.log(posterior / (1 - posterior)) - prior
        for posterior in (0.5 - calibration["band"], 0.5 + calibration["band"])
    )
    return low, high


def _above(value: float) -> float:
    """The next number, so that "less than" includes the value itself."""
    return float(np.nextafter(value, math.inf))


def _between(ratios: Floats, low: float, high: float) -> float:
    return float(np.mean((ratios > low) & (ratios < high)))
