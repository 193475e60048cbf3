"""Validation of a detector for a case: its errors on the sets that its study scored.

The scores are those that the study made, and nothing is scored again. Their records say whether
they are of this very detector and of the present trials; other scores are refused.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from spoofscope.detector_folder import WEIGHTS
from spoofscope.errors import ConfigError, ProvenanceError
from spoofscope.files import sha256_file, shown
from spoofscope.layout import Layout, Scoring
from spoofscope.metrics.measure import METRICS, Measured, Metric, measure, threshold_metrics
from spoofscope.metrics.reliability import Reliability, reliability
from spoofscope.metrics.tables import draw, resampled_by, split_levels
from spoofscope.names import NONE
from spoofscope.options import nearest
from spoofscope.provenance.sidecars import Record, read_sidecar, sidecar_path
from spoofscope.selection.calibration import Bounds, empirical_bounds, log_likelihood_ratios
from spoofscope.selection.operating_points import Floats
from spoofscope.settings import SETTINGS_FILE, read_settings
from spoofscope.summaries.inputs import read_scored
from spoofscope.tables import LABELS

RESAMPLES, SEED = 1000, 1
"""Of the bootstrap behind the intervals."""

EVAL = "eval"

_UNNAMED = "unknown"
"""What corpora call the attack of spoofs of which they do not tell it."""

_ROUNDING = 1e-9


class ValidatedSet(NamedTuple):
    """A set of trials with the errors of a detector on it.

    Attributes:
        corpus, split: of the set.
        condition: the level that the trials are restricted to, such as `codec=opus`; empty where
            all trials count.
        own_dev: whether the detector was calibrated on this set, which then validates nothing.
        trials: manifest rows with `score` and, of a calibrated detector, `llr` (natural logarithm,
            within the bounds).
        n_bonafide, n_spoof: trials. n_speakers: None where they are not known. n_attacks:
            None where the corpus does not name all.
        unit: what the bootstrap draws, `speakers` or `clips`.
        measured: by name, see :data:`MEANINGS`.
        reliability: of the calibrated ratios; None without a calibration.
        supported: the ratios that these trials support, see `calibration.empirical_bounds`; None
            without a calibration.
        scores, manifest: the files that were read.
    """

    corpus: str
    split: str
    condition: str
    own_dev: bool
    trials: pl.DataFrame
    n_bonafide: int
    n_spoof: int
    n_speakers: int | None
    n_attacks: int | None
    unit: str
    measured: dict[str, Measured]
    reliability: Reliability | None
    supported: Bounds | None
    scores: Path
    manifest: Path

    def ratios(self, label: str) -> Floats:
        """Natural-log likelihood ratios (n,) of a class."""
        return self.trials.filter(label=label)["llr"].to_numpy()

    def supports(self, llr: float) -> bool:
        """Whether these trials support a natural-log ratio."""
        if self.supported is None:
            return False
        lower, upper = self.supported
        return lower - _ROUNDING <= llr <= upper + _ROUNDING


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


class Study(NamedTuple):
    """A detector in the study that trained it.

    Attributes:
        folder: of the study.
        layout: its paths.
        run, seed: of the detector.
        weights_sha256, settings_sha256: of the detector's two files.
    """

    folder: Path
    layout: Layout
    run: str
    seed: int
    weights_sha256: str
    settings_sha256: str


def study_of(detector: str | Path, study: str | Path | None) -> Study | None:
    """The study that a detector is from.

    Args:
        detector: its folder; it may be a copy elsewhere.
        study: the study's results; None looks above the detector's folder.

    Returns:
        None where no study was named, and the detector is in none.

    Raises:
        ConfigError: the named study has no such detector.
    """
    folder = Path(detector).resolve()
    settings, weights = sha256_file(folder / SETTINGS_FILE), sha256_file(folder / WEIGHTS)
    if study is None:
        above = folder.parent.parent.parent
        if folder.parent.parent.name != "detectors" or not (above / "scores").is_dir():
            return None
        study = above
    for path in sorted(Path(study).glob(f"detectors/*/seed*/{SETTINGS_FILE}")):
        if sha256_file(path) == settings and sha256_file(path.with_name(WEIGHTS)) == weights:
            run, seed = path.parent.parent.name, int(path.parent.name.removeprefix("seed"))
            return Study(Path(study), Layout(str(study), ""), run, seed, weights, settings)
    raise ConfigError(
        f"{shown(study)}: no detector of this study is the one in {shown(detector)}; name the "
        "results of the study that trained it, such as results/mini"
    )


def validate(
    study: Study,
    calibration: Mapping[str, Any] | None,
    score: float,
    corpora: Sequence[str] = (),
    conditions: Sequence[str] = (),
) -> list[ValidatedSet]:
    """The errors of a detector on every eval set that its study scored, then on its own dev sets.

    Args:
        study: the detector in its study.
        calibration: the detector's.
        score: of the recording, which is set beside those of the trials.
        corpora: the eval sets of these alone; none means all.
        conditions: `COLUMN=LEVEL` each: only trials of these levels count, by the rule of
            `metrics.tables.evaluate`. Sets without the columns are left out.

    Raises:
        ConfigError: a corpus has no scored eval set; no set has trials of both classes under these
            conditions.
        ProvenanceError: scores are of another detector or of other trials, or have no record.
        TableError: a table cannot be read.
    """
    columns, levels = _asked(conditions)
    own, scored = _own_sets(study), _scored(study)
    there = sorted(corpus for corpus, split in scored if split == EVAL)
    for corpus in corpora:
        if corpus not in there:
            raise ConfigError(
                f"the study has no scores of this detector on an eval set of {corpus!r}; "
                f"{nearest(corpus, there or [NONE])}"
            )
    validated, known = [], set[str]()
    for corpus, split in scored:
        own_dev = (corpus, split) in own
        if not own_dev and (split != EVAL or (corpora and corpus not in corpora)):
            continue
        scoring = Scoring(study.run, study.seed, corpus, split)
        scores = Path(study.layout.scores(scoring))
        manifest = Path(study.layout.manifest(corpus))
        _check_records(study, scores, manifest)
        trials = read_scored(scores, manifest, split)
        if columns and not set(columns) <= set(trials.columns):
            continue
        if columns:
            found = dict(split_levels(trials, "+".join(columns)))
            known |= found.keys()
            if "+".join(levels) not in found:
                continue
            trials = found["+".join(levels)]
        if trials["label"].n_unique() < len(LABELS):
            continue
        validated.append(
            _validated(
                trials.sort("utt_id"), calibration, score, ", ".join(conditions), own_dev, scoring
            )._replace(scores=scores, manifest=manifest)
        )
    if columns and not any(not each.own_dev for each in validated):
        names = "+".join(columns)
        raise ConfigError(
            f"no eval set of the study has bona fide and spoofed trials of {names} = "
            f"{'+'.join(levels)}; {nearest('+'.join(levels), sorted(known) or [NONE])}"
        )
    return sorted(validated, key=lambda each: each.own_dev)


def _asked(conditions: Sequence[str]) -> tuple[list[str], list[str]]:
    pairs = [condition.partition("=") for condition in conditions]
    for (column, sign, level), condition in zip(pairs, conditions, strict=True):
        if not (column and sign and level):
            raise ConfigError(
                f"{condition!r} is no condition; write a column and a level, such as codec=opus"
            )
    columns = [column for column, _, _ in pairs]
    if len(set(columns)) < len(columns):
        raise ConfigError("a column can have one level; name every column once")
    return columns, [level for _, _, level in pairs]


def _scored(study: Study) -> list[tuple[str, str]]:
    """Corpus and split of every score file of the detector."""
    folder = Path(study.layout.scores(Scoring(study.run, study.seed, "c", "s"))).parent
    names = sorted(path.stem.rpartition(".") for path in folder.glob("*.*.tsv"))
    return [(corpus, split) for corpus, _, split in names]


def _own_sets(study: Study) -> set[tuple[str, str]]:
    """Corpus and split of what the detector was trained and calibrated on."""
    detector = Path(study.folder) / "detectors" / study.run / f"seed{study.seed}"
    meta = read_settings(detector / SETTINGS_FILE)["meta"]
    sources = [*meta.get("trained_on", ()), *meta.get("dev", ())]
    return {(Path(source["manifest"]).stem, source["split"]) for source in sources}


def _check_records(study: Study, scores: Path, manifest: Path) -> None:
    """Refuse scores that are not of this detector, or not of the present trials."""
    again = "; run the study again, or copy it whole"
    record = _record(scores, again)
    if sha256_file(scores) != _hash_of(record["outputs"], scores.name):
        raise ProvenanceError(f"{shown(scores)} is not the file that the study made{again}")
    if sha256_file(manifest) != _hash_of(record["inputs"], f"manifests/{manifest.name}"):
        raise ProvenanceError(f"{shown(scores)} is of other trials than {shown(manifest)}{again}")
    names = [Path(entry["path"]).name for entry in record["inputs"]]
    shards = [name for name in names if name.startswith(f"{scores.stem}-")]
    if not shards:
        raise ProvenanceError(f"{sidecar_path(scores)} does not say which detector scored{again}")
    # A backbone may have files of the same names.
    detector = f"detectors/{study.run}/seed{study.seed}"
    for name in shards:
        made = _record(scores.parent / "shards" / name, again)["inputs"]
        weights, settings = (
            _hash_of(made, f"{detector}/{file}") for file in (WEIGHTS, SETTINGS_FILE)
        )
        if (weights, settings) != (study.weights_sha256, study.settings_sha256):
            raise ProvenanceError(
                f"{shown(scores)} was scored by another detector than the one in {detector}{again}"
            )


def _record(path: Path, again: str) -> Record:
    try:
        return read_sidecar(sidecar_path(path))
    except FileNotFoundError as error:
        raise ProvenanceError(
            f"{sidecar_path(path)} is missing, so it is not known whose scores these are{again}"
        ) from error


def _hash_of(entries: Sequence[Mapping[str, Any]], end: str) -> str | None:
    """The hash of the one file whose path has this end; None where there is none."""
    hashes = [entry.get("sha256") for entry in entries if entry["path"].endswith(end)]
    return hashes[0] if len(hashes) == 1 else None


def _validated(
    trials: pl.DataFrame,
    calibration: Mapping[str, Any] | None,
    score: float,
    condition: str,
    own_dev: bool,
    scoring: Scoring,
) -> ValidatedSet:
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
    diagram, supported = None, None
    if calibration is not None:
        trials = trials.with_columns(
            llr=pl.Series(log_likelihood_ratios(trials["score"].to_numpy(), calibration))
        )
        first, second = (trials.filter(label=label)["llr"].to_numpy() for label in LABELS)
        measured |= measure(first, second, _of_ratios(calibration), units, draws)
        diagram = reliability(first, second, calibration["prior"], units=units, draws=draws)
        supported = empirical_bounds(first, second)
    speakers = trials.filter(pl.col("speaker") != NONE)["speaker"].n_unique()
    attacks = set(trials.filter(label=LABELS[1])["attack"])
    return ValidatedSet(
        corpus=scoring.corpus,
        split=scoring.split,
        condition=condition,
        own_dev=own_dev,
        trials=trials,
        n_bonafide=bonafide.size,
        n_spoof=spoof.size,
        n_speakers=speakers or None,
        n_attacks=None if _UNNAMED in attacks else len(attacks),
        unit="clips" if resampled_by(trials, None) is None else "speakers",
        measured={name: measured[name] for name in MEANINGS if name in measured},
        reliability=diagram,
        supported=supported,
        scores=Path(),
        manifest=Path(),
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
