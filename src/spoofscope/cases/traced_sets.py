"""The errors of a tracer on the sets that its study has traced.

They are those that the study measured, and nothing is traced again. The records beside them say
whether they are of this very tracer; others are left out.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from spoofscope.errors import ProvenanceError, TableError
from spoofscope.files import sha256_file
from spoofscope.layout import Layout, Scoring
from spoofscope.metrics.slices import OVERALL
from spoofscope.names import NONE
from spoofscope.provenance.sidecars import read_sidecar, sidecar_path
from spoofscope.settings import TRACER_FILE
from spoofscope.summaries.traced import UNCHECKED, polarity, read_measures
from spoofscope.tracing.fitted import read_tracer
from spoofscope.tracing.judging import LoadedTracer, load_tracer
from spoofscope.tracing.validation import MEASURES, NO_SET, NOT_AT_HAND, Rate, TracedSet, TracedSets

_EVAL = "eval"


def load_validated(folder: str | Path, study: str | Path | None = None) -> LoadedTracer:
    """A tracer that knows its errors on the sets of its study, see `LoadedTracer.traced`.

    Args:
        folder: the tracer's; it may be a copy.
        study: the results of any study; where the tracer is none of its own, and without one, the
            study is looked for above the folder.

    Raises:
        DetectorError: as `tracing.judging.load_tracer`.
    """
    tracer = load_tracer(folder)
    return dataclasses.replace(tracer, traced=traced_sets(tracer, study))


def traced_sets(tracer: LoadedTracer, study: str | Path | None) -> TracedSets:
    """The errors of a tracer on every set that its study has measured it on.

    Args:
        tracer, study: see :func:`load_validated`.
    """
    decides = tracer.fitted.decide_by
    how = polarity(read_tracer(tracer.folder), decides)

    def found(sets: list[TracedSet], missing: str, files: tuple[Path, ...] = ()) -> TracedSets:
        return TracedSets(sets, decides, how, how != UNCHECKED, missing, files)

    home = _home(tracer.folder, study)
    if home is None:
        return found([], NOT_AT_HAND)
    layout = Layout(str(home.parent.parent.parent), "")
    run, seed = home.parent.name, int(home.name.removeprefix("seed"))
    metrics = Path(layout.tracing_metrics(Scoring(run, seed, "c", "s"))).parent
    sets, files = [], []
    for path in sorted(metrics.glob("*.*.tsv")):
        try:
            _check_record(path, sha256_file(tracer.folder / TRACER_FILE))
            sets.append(_set_of(path, tracer, decides))
        except (ProvenanceError, TableError) as error:
            # Where the study lies is no affair of who reads a report.
            return found([], str(error).replace(f"{layout.root}/", ""))
        files.append(path)
    # Numbers of sets that thresholds were chosen on are optimistic.
    sets.sort(key=lambda each: each["split"] != _EVAL or each["own_dev"])
    return found(sets, "" if sets else NO_SET, tuple(files))


def _home(folder: Path, study: str | Path | None) -> Path | None:
    """The folder of a tracer in its study; None where that is not at hand."""
    own = sha256_file(folder / TRACER_FILE)
    places = [] if study is None else sorted(Path(study).glob(f"tracers/*/seed*/{TRACER_FILE}"))
    folders = [path.parent for path in places if sha256_file(path) == own]
    if folder.resolve().parent.parent.name == "tracers":
        folders.append(folder.resolve())
    folders = [each for each in folders if each.name.removeprefix("seed").isdecimal()]
    return folders[0] if folders else None


def _check_record(path: Path, tracer_sha256: str) -> None:
    """Refuse numbers that are not of this tracer."""
    again = "; run the study again, or copy it whole"
    try:
        record = read_sidecar(sidecar_path(path))
    except FileNotFoundError as error:
        raise ProvenanceError(
            f"{sidecar_path(path)} is missing, so it is not known whose numbers these are{again}"
        ) from error
    if record["outputs"][0]["sha256"] != sha256_file(path):
        raise ProvenanceError(f"{path} is not the file that the study made{again}")
    hashes = [
        entry.get("sha256") for entry in record["inputs"] if Path(entry["path"]).name == TRACER_FILE
    ]
    if hashes != [tracer_sha256]:
        raise ProvenanceError(f"{path} is of another tracer{again}")


def _set_of(path: Path, tracer: LoadedTracer, decides: str) -> TracedSet:
    corpus, _, split = path.stem.rpartition(".")
    table = read_measures(path).filter(
        pl.col("detector").is_in([NONE, decides]),
        pl.col("metric").is_in([*MEASURES]),
        slice=OVERALL,
    )
    rows = {row["metric"]: row for row in table.iter_rows(named=True)}
    dev = [
        (Path(source["manifest"]).stem, source["split"])
        for source in tracer.network.meta.get("dev", ())
    ]

    def count(name: str) -> int:
        return max((row[name] for row in rows.values()), default=0)

    return {
        "corpus": corpus,
        "split": split,
        "own_dev": (corpus, split) in dev,
        "n_known": count("n_known"),
        "n_unknown": count("n_unknown"),
        "numbers": {name: _rate(rows.get(name)) for name in MEASURES},
    }


def _rate(row: Mapping[str, Any] | None) -> Rate:
    if row is None:
        return {"value": None, "low": None, "high": None, "reason": ""}
    reason = (row["reason"] or "").removeprefix("no interval: ")
    return {"value": row["estimate"], "low": row["low"], "high": row["high"], "reason": reason}
