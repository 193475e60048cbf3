"""The sets of trials that a study has scored with a detector, and the ratios that they support.

The scores are those that the study made, and nothing is scored again. Their records say whether
they are of this very detector and of the present trials; other scores are refused.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from spoofscope.detector import Detector
from spoofscope.detector_folder import WEIGHTS
from spoofscope.errors import ConfigError, ProvenanceError, TableError
from spoofscope.files import sha256_file, shown
from spoofscope.layout import Layout, Scoring
from spoofscope.metrics.information import cllr
from spoofscope.metrics.tables import split_levels
from spoofscope.names import NONE
from spoofscope.options import nearest
from spoofscope.provenance.sidecars import Record, read_sidecar, sidecar_path
from spoofscope.selection.calibration import empirical_bounds, log_likelihood_ratios
from spoofscope.settings import SETTINGS_FILE, read_settings
from spoofscope.support import Support, Supported
from spoofscope.tables import LABELS, join_scores, read_manifest, read_scores, rows_of_source

EVAL = "eval"
TRAINING, CALIBRATION = "training", "calibration"

NOT_AT_HAND = "the results of its study are not at hand"
NO_EVAL = (
    "the study at hand has scored no eval set with it that has clips of both classes; if it was "
    "copied from another study, name the results of that one"
)

_AGAIN = "; run the study again, or copy it whole"


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
    if study is None:
        above = folder.parent.parent.parent
        if folder.parent.parent.name != "detectors" or not (above / "scores").is_dir():
            return None
        return find_in(above, folder)
    found = find_in(study, folder)
    if found is None:
        raise ConfigError(
            f"{shown(study)}: no detector of this study is the one in {shown(detector)}; name the "
            "results of the study that trained it, such as results/mini"
        )
    return found


def find_in(study: str | Path, detector: str | Path) -> Study | None:
    """A detector in a study; None where the study has no detector of these two files.

    Args:
        study: the results of any study.
        detector: its folder; it may be a copy elsewhere.
    """
    folder = Path(detector)
    settings, weights = sha256_file(folder / SETTINGS_FILE), sha256_file(folder / WEIGHTS)
    for path in sorted(Path(study).glob(f"detectors/*/seed*/{SETTINGS_FILE}")):
        if not path.parent.name.removeprefix("seed").isdecimal():
            # A copy that somebody has put beside it.
            continue
        if sha256_file(path) == settings and sha256_file(path.with_name(WEIGHTS)) == weights:
            run, seed = path.parent.parent.name, int(path.parent.name.removeprefix("seed"))
            return Study(Path(study), Layout(str(study), ""), run, seed, weights, settings)
    return None


class ScoredSet(NamedTuple):
    """Trials that a study has scored with a detector.

    Attributes:
        corpus, split: of the set.
        condition: the levels that the trials are restricted to, such as `codec=opus`; empty where
            all trials count.
        own_dev: whether the detector was trained or calibrated on this set, which then validates
            nothing.
        trials: manifest rows with `score` and, of a calibrated detector, `llr` (natural logarithm,
            within the bounds), in the order of their names.
        scores, manifest: the files that were read.
        uses: what the detector used clips of this set for: training, calibration.
        left_out: clips that are no trials, because the detector was trained or calibrated on them;
            other clips of the set remain.
        unknown: uses of clips whose list is not at hand, so that nobody knows whether they are
            clips of this set.
    """

    corpus: str
    split: str
    condition: str
    own_dev: bool
    trials: pl.DataFrame
    scores: Path
    manifest: Path
    uses: tuple[str, ...] = ()
    left_out: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        condition = f" ({self.condition})" if self.condition else ""
        use, own = " and ".join(self.uses), ""
        if self.own_dev:
            own = f", used for {use}"
        elif self.left_out:
            total = self.left_out + self.trials.height
            were = "was" if self.left_out == 1 else "were"
            own = f", without {self.left_out} of {total} clips, which {were} used for {use}"
        if self.unknown:
            use = " or ".join(self.unknown)
            own += f" (whether its clips were used for {use} is not known)"
        return f"{self.corpus}, {self.split}{condition}{own}"

    @property
    def supported(self) -> Supported | None:
        """The ratios that these trials support; None without a calibration."""
        if "llr" not in self.trials.columns:
            return None
        ratios = [self.trials.filter(label=label)["llr"].to_numpy() for label in LABELS]
        n_bonafide, n_spoof = (each.size for each in ratios)
        bounds = empirical_bounds(*ratios)
        return Supported(self.name, n_bonafide, n_spoof, bounds, cllr(*ratios))


def scored_sets(
    study: Study,
    calibration: Mapping[str, Any] | None,
    corpora: Sequence[str] = (),
    conditions: Sequence[str] = (),
) -> list[ScoredSet]:
    """Every eval set that the study has scored with a detector, and then the detector's own sets.

    Clips that the detector was trained or calibrated on validate nothing, in whatever manifest they
    are: an eval set goes without them, and a set of nothing else is the detector's own.

    Args:
        study: the detector in its study.
        calibration: the detector's.
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
    scored = _scored(study)
    there = sorted(corpus for corpus, split in scored if split == EVAL)
    for corpus in corpora:
        if corpus not in there:
            raise ConfigError(
                f"the study has no scores of this detector on an eval set of {corpus!r}; "
                f"{nearest(corpus, there or [NONE])}"
            )
    # A manifest holds all splits of a corpus, and may have a million rows.
    read = functools.cache(read_manifest)
    own = _OwnClips(study, read)
    found, known = [], set[str]()
    for corpus, split in scored:
        scores = Path(study.layout.scores(Scoring(study.run, study.seed, corpus, split)))
        manifest = Path(study.layout.manifest(corpus))
        _check_manifest(manifest)
        rows = read(manifest).filter(split=split)
        uses, shared = own.among(rows, corpus, split)
        own_dev = shared.height == rows.height
        if not own_dev and (split != EVAL or (corpora and corpus not in corpora)):
            continue
        _check_records(study, scores, manifest)
        trials = join_scores(
            read_scores(scores),
            rows,
            scores_name=str(scores),
            trials_name=f"{manifest} ({split})",
        )
        if columns and not set(columns) <= set(trials.columns):
            continue
        if columns:
            by_level = dict(split_levels(trials, "+".join(columns)))
            known |= by_level.keys()
            if "+".join(levels) not in by_level:
                continue
            trials = by_level["+".join(levels)]
        if trials["label"].n_unique() < len(LABELS):
            continue
        others = trials.join(shared, on="utt_id", how="anti")
        # The other clips may be of one class, and say nothing then.
        own_dev |= others["label"].n_unique() < len(LABELS)
        left_out = 0 if own_dev else trials.height - others.height
        trials = (trials if own_dev else others).sort("utt_id")
        if calibration is not None:
            ratios = log_likelihood_ratios(trials["score"].to_numpy(), calibration)
            trials = trials.with_columns(llr=pl.Series(ratios))
        condition = ", ".join(conditions)
        found.append(
            ScoredSet(
                *(corpus, split, condition, own_dev, trials, scores, manifest),
                uses if own_dev or left_out else (),
                left_out,
                () if own_dev else own.unknown,
            )
        )
    if columns and all(each.own_dev for each in found):
        names = "+".join(columns)
        raise ConfigError(
            f"no eval set of the study has bona fide and spoofed trials of {names} = "
            f"{'+'.join(levels)}; {nearest('+'.join(levels), sorted(known) or [NONE])}"
        )
    return sorted(found, key=lambda each: each.own_dev)


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


class _OwnClips:
    """What a detector was trained and calibrated on, as far as the lists of it are at hand.

    Another study may have trained it, and have given the corpus another name, other columns or
    other splits. So clips are told by the SHA-256 of their files, or else by name and duration.

    Attributes:
        unknown: uses of clips whose manifest is neither in this study nor where it was.

    Args:
        study: the detector in a study.
        read: reads a manifest.
    """

    def __init__(self, study: Study, read: Callable[[Path], pl.DataFrame]) -> None:
        detector = Path(study.folder) / "detectors" / study.run / f"seed{study.seed}"
        meta = read_settings(detector / SETTINGS_FILE)["meta"]
        uses = ((TRAINING, "trained_on"), (CALIBRATION, "dev"))
        self._sources = [(use, source) for use, key in uses for source in meta.get(key, ())]
        self._clips = []
        unknown = []
        for use, source in self._sources:
            path = _listed_in(study, source)
            if path is None:
                unknown.append(use)
                continue
            chosen = source.get("attacks"), source.get("exclude_attacks", ())
            rows = rows_of_source(read(path), source["split"], str(path), *chosen)
            self._clips.append((use, rows))
        self.unknown = tuple(dict.fromkeys(unknown))

    def among(
        self, rows: pl.DataFrame, corpus: str, split: str
    ) -> tuple[tuple[str, ...], pl.DataFrame]:
        """What clips of a scored set were used for, and the utt_id of those that were.

        Args:
            rows: of the set's manifest.
            corpus, split: of the set. A set that the detector names as its own is so as a whole,
                whichever attacks were chosen of it.
        """
        name = (corpus, split)
        named = [
            use
            for use, each in self._sources
            if (Path(each["manifest"]).stem, each["split"]) == name
        ]
        shared = [
            (use, _same(rows, clips).select("utt_id"))
            for use, clips in self._clips
            if use not in named
        ]
        uses = [*named, *(use for use, clips in shared if clips.height)]
        clips = [rows.select("utt_id")] if named else [clips for _, clips in shared]
        order = [use for use in (TRAINING, CALIBRATION) if use in uses]
        return tuple(order), pl.concat([rows.select("utt_id").clear(), *clips]).unique()


def _listed_in(study: Study, source: Mapping[str, Any]) -> Path | None:
    """The manifest of what a detector was trained or calibrated on; None if it is not at hand."""
    named, sha256 = Path(source["manifest"]), source.get("sha256")
    own = Path(study.layout.manifest(named.stem))
    places = [own, *(above / named for above in (Path(), *study.folder.resolve().parents))]
    if sha256 is not None:
        # Or under another name.
        places += sorted(own.parent.glob("*.tsv"))
    for path in places:
        if path.is_file() and sha256 in (None, sha256_file(path)):
            return path
    return None


def _same(rows: pl.DataFrame, clips: pl.DataFrame) -> pl.DataFrame:
    """The rows of a manifest that are clips of another one."""
    hashed = all("sha256" in each.columns for each in (rows, clips))
    keys = ["sha256"] if hashed else ["utt_id", "duration"]
    return rows.join(clips.select(keys).unique(), on=keys, how="semi")


def _check_manifest(manifest: Path) -> None:
    if not manifest.is_file():
        raise ProvenanceError(f"{shown(manifest)} is missing{_AGAIN}")


def _check_records(study: Study, scores: Path, manifest: Path) -> None:
    """Refuse scores that are not of this detector, or not of the present trials."""
    again = _AGAIN
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
                f"{shown(scores)} was scored by another detector than the one that is in "
                f"{detector} now; if that was copied there from another study, name the results of "
                "that one, otherwise run the study again, or copy it whole"
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


def support_of(sets: Sequence[ScoredSet], missing: str = NO_EVAL) -> Support:
    """What the sets support that validate a detector.

    Args:
        sets: of a calibrated or of any other detector, which has no ratios to support.
        missing: why there are none, should there be none.
    """
    supported = [each.supported for each in sets if not each.own_dev]
    return Support([each for each in supported if each is not None], missing)


def found_support(home: Study | None, calibration: Mapping[str, Any] | None) -> Support:
    """What the eval sets of a detector's study support.

    Where they cannot be read, or are not those of this detector, there is no validation, and it is
    said why.

    Args:
        home: the detector in its study; None where it is not known.
        calibration: the detector's.
    """
    if home is None:
        return Support((), NOT_AT_HAND)
    try:
        return support_of(scored_sets(home, calibration))
    except (ProvenanceError, TableError) as error:
        return Support((), str(error))


def load_supported(folder: str | Path, study: str | Path | None) -> Detector:
    """A detector that knows what the eval sets of its study support, see `Detector.support`.

    Args:
        folder: the detector's.
        study: see :func:`study_of`.

    Raises:
        ConfigError: as :func:`study_of`.
        DetectorError: as `Detector.load`.
    """
    detector = Detector.load(folder)
    detector.support = found_support(study_of(folder, study), detector.calibration)
    return detector
