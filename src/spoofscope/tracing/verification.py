"""Source verification: cosines of trials, likelihood ratios, and how good they are.

A score is the cosine between the mean of the references' vectors, each of length 1, and the vector
of the test. An affine calibration, fitted on dev trials of the same level, turns it into a natural-
log likelihood ratio: the claimed source over another one, within the bounds that dev supports.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from spoofscope.errors import TableError
from spoofscope.identity import rng_of
from spoofscope.metrics import bootstrap
from spoofscope.metrics.information import cllr
from spoofscope.metrics.measure import METRICS, Measured, measure
from spoofscope.names import ALL
from spoofscope.ood.base import Outputs, class_means, unit_rows
from spoofscope.options import check_resamples
from spoofscope.selection.calibration import fit_calibration, log_likelihood_ratios
from spoofscope.selection.operating_points import Floats
from spoofscope.tables import read_table, write_table
from spoofscope.tracing.systems import KNOWN
from spoofscope.tracing.trials import (
    TARGET,
    TEST_COLUMNS,
    SourceTrials,
    check_disjoint,
)

_LOGGER = logging.getLogger(__name__)

Calibrations = dict[str, dict[str, Any]]
"""By level: as `selection.calibration.Calibration`, where bona fide stands for targets and spoof
for tests of other sources; n_claims, of how many claims these are; and n_references, the median
number of references of a claim. Of :func:`verify` also n_known_claims, how many of these claims are
of sources that the tracer was trained on; n_unknown_evaluated, how many claims of other sources the
scored trials have; and cllr_unknown, the Cllr of their ratios in bits, None without such trials."""

SCORE_COLUMNS: dict[str, pl.DataType] = {
    **TEST_COLUMNS,
    "known": pl.String(),
    "enrolled": pl.String(),
    "cosine": pl.Float64(),
    "llr": pl.Float64(),
}

METRIC_COLUMNS: dict[str, pl.DataType] = {
    "level": pl.String(),
    "trials": pl.String(),
    "metric": pl.String(),
    "estimate": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n_claims": pl.Int64(),
    "n_target": pl.Int64(),
    "n_nontarget": pl.Int64(),
    "reason": pl.String(),
}

BY_CLAIM = ("known_claims", "unknown_claims")
"""Trials by whether the tracer was trained on the claimed source."""
BY_TEST = ("enrolled_tests", "unenrolled_tests")
"""Trials by whether a reference has the attack of the test. The latter are the tests of attacks
without references, and all targets. STOPA's baseline calls them known and unknown."""

_OF_COSINE = {name: METRICS[name] for name in ("eer", "min_cllr")}
_OF_RATIO = {"cllr": METRICS["cllr"]}

# Rows whose products are held at once.
_AT_ONCE = 4096


class Vectors(NamedTuple):
    """Vectors of length 1, by clip.

    rows: utt_id to row. units: float64 (n, D); a vector of zeros stays one, and is at a right
    angle to all others.
    """

    rows: Mapping[str, int]
    units: Floats

    def of(self, utt_ids: Sequence[str], what: str) -> Floats:
        """Those of some clips, (m, D); `what` they are is for the message.

        Raises:
            TableError: a clip has none.
        """
        for utt_id in utt_ids:
            if utt_id not in self.rows:
                raise TableError(
                    f"the tracer has no vector of {utt_id!r}, which is a {what}; trace the split "
                    "that it is of"
                )
        return self.units[[self.rows[utt_id] for utt_id in utt_ids]]


def unit_vectors(parts: Iterable[tuple[Sequence[str], Outputs]]) -> Vectors:
    """Vectors of one tracer from its outputs for some splits.

    Args:
        parts: as `tracing.outputs.read_outputs` gives them.

    Raises:
        TableError: a clip is there twice, or vectors have different sizes.
    """
    rows: dict[str, int] = {}
    blocks: list[Floats] = []
    for utt_ids, outputs in parts:
        for utt_id in utt_ids:
            if utt_id in rows:
                raise TableError(f"there are two vectors of {utt_id!r}; name each split once")
            rows[utt_id] = len(rows)
        blocks.append(unit_rows(outputs.vectors))
    sizes = sorted({block.shape[1] for block in blocks})
    if len(sizes) != 1:
        raise TableError(f"expected vectors of one tracer, got sizes {sizes}")
    return Vectors(rows, np.concatenate(blocks))


def cosines(trials: SourceTrials, vectors: Vectors) -> Floats:
    """Scores of `trials.tests`, float64 (n,) in [-1, 1].

    They depend on the order of references and tests in nothing.

    Raises:
        TableError: a claim has no references, or a clip no vector.
    """
    references = trials.references.sort("level", "claim", "utt_id")
    own = vectors.of(references["utt_id"].to_list(), "reference")
    keys = references.select("level", "claim").unique(maintain_order=True).with_row_index("place")
    places = references.join(keys, on=["level", "claim"], maintain_order="left")["place"]
    means = unit_rows(class_means(own, places.to_numpy().astype(np.int64)))
    joined = trials.tests.join(keys, on=["level", "claim"], how="left", maintain_order="left")
    lacking = joined.filter(pl.col("place").is_null())
    if lacking.height:
        raise TableError(
            f"the {lacking['level'][0]} {lacking['claim'][0]!r} is claimed and has no references"
        )
    claims, utt_ids = joined["place"].to_numpy(), joined["utt_id"].to_list()
    scores = np.empty(joined.height)
    for start in range(0, joined.height, _AT_ONCE):
        block = slice(start, start + _AT_ONCE)
        tests = vectors.of(utt_ids[block], "test")
        scores[block] = np.einsum("nd,nd->n", means[claims[block]], tests)
    return np.clip(scores, -1.0, 1.0)


def verify(
    dev: SourceTrials,
    evaluated: SourceTrials,
    vectors: Vectors,
    known: Collection[tuple[str, str]],
    attacks: Mapping[str, str],
    prior: float,
) -> tuple[pl.DataFrame, Calibrations]:
    """Score trials, and calibrate the scores on those of dev.

    Args:
        dev: fits the calibration.
        evaluated: gets the scores.
        vectors: of all clips of both.
        known: level and name of the sources that the tracer was trained on, see
            `trials.known_sources`.
        attacks: utt_id to attack, of the references and tests of `evaluated`.
        prior: of the claimed source, at which the calibration is best.

    Returns:
        The tests of `evaluated` with whether the claimed source is known and whether a reference of
        the level has the attack of the test (yes or no), cosine and llr: columns `SCORE_COLUMNS`.
        And the calibrations.

    Raises:
        TableError: as :func:`trials.check_disjoint`, :func:`cosines` and :func:`calibrate`; dev
            lacks a level; a clip has no attack.
        SpoofscopeError: dev cannot be calibrated.
    """
    check_disjoint(dev, evaluated)
    for level in sorted(set(evaluated.tests["level"]) - set(dev.tests["level"])):
        raise TableError(
            f"level {level!r}: dev has no trials, which likelihood ratios are calibrated on; make "
            "some, or leave this level out"
        )
    calibrations = calibrate(dev, cosines(dev, vectors), prior)
    pairs = evaluated.tests.select("level", "claim").iter_rows()
    tests = evaluated.tests.with_columns(
        pl.Series("known", [KNOWN[pair not in known] for pair in pairs]),
        pl.Series("enrolled", _enrolled(evaluated, attacks)),
        pl.Series("cosine", cosines(evaluated, vectors)),
    ).sort("level", "claim", "utt_id")
    ratios = [
        log_likelihood_ratios(of_level["cosine"], calibrations[str(level)])
        for (level,), of_level in tests.group_by("level", maintain_order=True)
    ]
    scored = tests.with_columns(pl.Series("llr", np.concatenate(ratios)))
    for level, calibration in calibrations.items():
        claims = dev.tests.filter(level=level)["claim"].unique()
        calibration["n_known_claims"] = sum((level, claim) in known for claim in claims)
        calibration |= _for_unknown(scored.filter(level=level, known=KNOWN[1]))
    return scored.select(list(SCORE_COLUMNS)), calibrations


def _for_unknown(trials: pl.DataFrame) -> dict[str, int | float | None]:
    """How good ratios are for sources that the tracer was not trained on, as enrolled ones are."""
    target, other = (trials.filter(target=word)["llr"].to_numpy() for word in TARGET)
    return {
        "n_unknown_evaluated": trials["claim"].n_unique(),
        "cllr_unknown": cllr(target, other) if target.size and other.size else None,
    }


def _enrolled(trials: SourceTrials, attacks: Mapping[str, str]) -> list[str]:
    """Whether the attack of each test is one that a reference of its level has."""
    for table in trials:
        missing = table.filter(~pl.col("utt_id").is_in(list(attacks)))
        if missing.height:
            raise TableError(
                f"the manifest has no {missing['utt_id'][0]!r}, which is in a trial; make the "
                "trials of this manifest"
            )
    levels, utt_ids = trials.references["level"], trials.references["utt_id"]
    enrolled = {(level, attacks[clip]) for level, clip in zip(levels, utt_ids, strict=True)}
    tests = trials.tests.select("level", "utt_id").iter_rows()
    return [KNOWN[(level, attacks[clip]) not in enrolled] for level, clip in tests]


def calibrate(dev: SourceTrials, scores: Floats, prior: float) -> Calibrations:
    """Fit a calibration for each level.

    Where targets of dev score no higher than other tests, cosines are no evidence: every ratio is 1
    then, and a warning says so.

    Args:
        dev: trials of dev.
        scores: cosines of the tests (n,).
        prior: of the claimed source, in (0, 1).

    Raises:
        TableError: a level has tests of one kind alone, or none at all.
        SpoofscopeError: as `selection.calibration.fit_calibration`.
    """
    if dev.tests.is_empty():
        raise TableError("dev has no trials, which likelihood ratios are calibrated on")
    calibrations: Calibrations = {}
    table = dev.tests.with_columns(pl.Series("cosine", scores)).sort("level", "claim", "utt_id")
    for (level,), of_level in table.group_by("level", maintain_order=True):
        is_target = (of_level["target"] == TARGET[0]).to_numpy()
        own = of_level["cosine"].to_numpy()
        target, other = own[is_target], own[~is_target]
        if not target.size or not other.size:
            kind = "of another source" if target.size else "of the claimed source"
            raise TableError(f"level {level!r}: dev has no tests {kind}; a calibration needs both")
        if target.mean() > other.mean():
            fitted: dict[str, Any] = {**fit_calibration(target, other, prior)}
        else:
            # The slope of a logistic regression has the sign of the difference of these means.
            _LOGGER.warning(
                "level %r: on dev, clips are as like references of other sources as those of their "
                "own; all likelihood ratios are 1",
                level,
            )
            sizes = {"n_bonafide": target.size, "n_spoof": other.size}
            nothing = dict.fromkeys(("scale", "offset", "lower", "upper"), 0.0)
            fitted = {**nothing, "prior": prior, **sizes}
        calibrations[str(level)] = {
            **fitted,
            "n_claims": of_level["claim"].n_unique(),
            "n_references": _references_of_a_claim(dev, str(level)),
        }
    return calibrations


def _references_of_a_claim(trials: SourceTrials, level: str) -> float:
    """The median number, of the claims of a level that have tests."""
    tested = trials.tests.filter(level=level).select("claim").unique()
    counts = trials.references.filter(level=level).join(tested, on="claim").group_by("claim").len()
    return float(np.median(counts["len"].to_numpy()))


def verification_metrics(scored: pl.DataFrame, resamples: int = 0, seed: int = 1) -> pl.DataFrame:
    """EER, Cllr and its minimum of every level: of all trials, and of parts of them.

    The parts are those of :data:`BY_CLAIM` and, where tests are of attacks without references,
    those of :data:`BY_TEST`. EER and minimum are of cosines, Cllr is of the calibrated ratios.
    Whole claims are drawn again for the intervals, with all their tests, and no interval is
    narrower than their number allows (`metrics.limits`).

    Args:
        scored: as :func:`verify` gives it.
        resamples: at least 100; 0 makes no intervals.
        seed: of the resamples.

    Returns:
        Columns `METRIC_COLUMNS`. Where there is no estimate, or no interval, these are null and
        `reason` says why; else it is empty.

    Raises:
        ConfigError: too few resamples.
        TableError: there are no trials.
    """
    check_resamples(resamples, "bootstrap.resamples")
    if scored.is_empty():
        raise TableError("there are no scored trials of sources")
    rows: list[dict[str, Any]] = []
    # Draws are by row, so the order of the rows must not show in the numbers.
    for (level,), trials in scored.sort("level", "claim", "utt_id").group_by(
        "level", maintain_order=True
    ):
        draws = None
        if resamples and trials["claim"].n_unique() > 1:
            is_target = (trials["target"] == TARGET[0]).to_numpy()
            rng = rng_of(seed, "bootstrap")
            draws = bootstrap.Draws(is_target, trials["claim"].to_numpy(), resamples, rng)
        for part, chosen in _parts(trials).items():
            own = trials.filter(chosen)
            counts = {
                "n_claims": own["claim"].n_unique(),
                "n_target": int((own["target"] == TARGET[0]).sum()),
                "n_nontarget": int((own["target"] == TARGET[1]).sum()),
            }
            why = _why_not(part, counts, resamples)
            units = None if draws is None else draws.units[chosen.to_numpy()]
            for metric, (estimate, interval, _) in _measured(own, draws, units).items():
                given = estimate is not None and interval is None and not why
                rows.append(
                    {
                        "level": level,
                        "trials": part,
                        "metric": metric,
                        "estimate": estimate,
                        "low": None if interval is None else interval.low,
                        "high": None if interval is None else interval.high,
                        **counts,
                        "reason": "no interval: all resamples are alike" if given else why,
                    }
                )
    return pl.DataFrame(rows, schema=METRIC_COLUMNS)


def _parts(trials: pl.DataFrame) -> dict[str, pl.Series]:
    """Which trials of a level are in each part that is measured."""
    known, enrolled = (trials[name] == KNOWN[0] for name in ("known", "enrolled"))
    parts = dict(zip(BY_CLAIM, (known, ~known), strict=True))
    if not enrolled.all():
        of_others = ~enrolled | (trials["target"] == TARGET[0])
        parts |= zip(BY_TEST, (enrolled, of_others), strict=True)
    return {ALL: known | ~known, **parts}


def _why_not(part: str, counts: Mapping[str, int], resamples: int) -> str:
    """Why there is no estimate, or no interval; empty where there are both."""
    where = "" if part == ALL else f" in {part.replace('_', ' ')}"
    if not counts["n_claims"]:
        return f"no trials{where}"
    for kind in ("target", "nontarget"):
        if not counts[f"n_{kind}"]:
            return f"no {kind} trials{where}"
    if not resamples:
        return "no interval: none was asked for"
    return f"no interval: all trials{where} are of one claim" if counts["n_claims"] < 2 else ""


def _measured(
    trials: pl.DataFrame, draws: bootstrap.Draws | None, units: bootstrap.Counts | None
) -> dict[str, Measured]:
    """Metrics of some trials of a level; `units` are those of the trials in `draws`."""
    is_target = (trials["target"] == TARGET[0]).to_numpy()
    of_classes = None
    # Nothing can be drawn from no trials.
    if units is not None and units.size:
        of_classes = units[is_target], units[~is_target]
    found: dict[str, Measured] = {}
    for column, metrics in (("cosine", _OF_COSINE), ("llr", _OF_RATIO)):
        scores = trials[column].to_numpy()
        found |= measure(scores[is_target], scores[~is_target], metrics, of_classes, draws)
    return found


def write_scored_trials(path: str | Path, scored: pl.DataFrame) -> None:
    """Write what :func:`verify` gives."""
    write_table(path, scored.select(list(SCORE_COLUMNS)))


def read_scored_trials(path: str | Path) -> pl.DataFrame:
    """Read it again.

    Raises:
        TableError: as `tables.read_table`.
    """
    return read_table(path, SCORE_COLUMNS).select(list(SCORE_COLUMNS))


def read_verification_metrics(path: str | Path) -> pl.DataFrame:
    """Read what :func:`verification_metrics` gives; absent estimates and intervals are null.

    Raises:
        TableError: as `tables.read_table`.
    """
    optional = ("estimate", "low", "high", "reason")
    required = {name: kind for name, kind in METRIC_COLUMNS.items() if name not in optional}
    table = read_table(path, required, {name: METRIC_COLUMNS[name] for name in optional})
    return table.select(list(METRIC_COLUMNS))
