"""Results of a study as pandas frames and NumPy arrays, for notebooks and further analyses.

    from spoofscope import results

    study = results.open("results/mini")
    study.scores(split="eval")
    study.metrics()
    study.table("headline")

Nothing is computed here: all values are read from the files of a study, which the workflow made. A
study may be copied elsewhere; only its folder is needed.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import yaml

from spoofscope.attribution.store import SCALARS, Attributions, Explanation
from spoofscope.errors import ProvenanceError, TableError
from spoofscope.options import nearest
from spoofscope.provenance.sidecars import SUFFIX, Record, read_sidecar
from spoofscope.rows import read_header
from spoofscope.tables import MANIFEST_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

# Columns that hold names, whatever these look like.
_NAMES = {
    *(name for name, kind in MANIFEST_COLUMNS.items() if isinstance(kind, pl.String)),
    *("corpus", "name", "system", "condition", "level", "metric", "detector", "run"),
}
_NUMBER = re.compile(r"-?(inf|nan|[0-9]+\.[0-9]+(e[-+]?[0-9]+)?|[0-9]+e[-+]?[0-9]+)")
_DTYPES = {"string": "str", "number": "float64", "integer": "Int64", "boolean": "boolean"}


def open(folder: str | Path) -> "Results":
    """The results of a study.

    Args:
        folder: of the study, such as `results/mini`.

    Raises:
        ProvenanceError: there is no such folder, or no study is in it.
    """
    return Results(folder)


class Results:
    """What a study made, read when it is asked for.

    Attributes:
        folder: of the study.
        name: of the study.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "manifests").is_dir():
            raise ProvenanceError(
                f"{folder} has no results of a study (no folder `manifests`); name a folder "
                "such as results/mini"
            )
        self.name = self.folder.resolve().name

    def __repr__(self) -> str:
        return f"spoofscope.results.open({str(self.folder)!r})"

    # --- the study -------------------------------------------------------------------------

    @cached_property
    def study(self) -> dict[str, Any]:
        """The study file, as it was given.

        Raises:
            ProvenanceError: the study is not finished, so that its research object is missing.
        """
        path = self.folder / "provenance" / "study.yaml"
        if not path.is_file():
            raise ProvenanceError(
                f"{path} is missing; the workflow writes it last, with the target `provenance`"
            )
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))

    @property
    def tables(self) -> list[str]:
        """Names of the tables, see :meth:`table`."""
        return self._names("tables")

    @property
    def figures(self) -> list[str]:
        """Names of the figures, see :meth:`figure`."""
        return self._names("figures")

    @property
    def corpora(self) -> list[str]:
        """Names of the corpora and of their augmented copies, see :meth:`manifest`."""
        return [name for name in self._names("manifests") if not name.endswith(".problems")]

    def _names(self, kind: str) -> list[str]:
        return sorted(path.name.removesuffix(".tsv") for path in (self.folder / kind).glob("*.tsv"))

    # --- tables ----------------------------------------------------------------------------

    def table(self, name: str) -> "pd.DataFrame":
        """A table of the report, such as `headline`.

        Raises:
            TableError: the study has none of that name; the message has the nearest.
        """
        return self._read_named("tables", name, self.tables)

    def figure(self, name: str) -> "pd.DataFrame":
        """The numbers that a figure shows, such as `det_curves`.

        Raises:
            TableError: the study has none of that name; the message has the nearest.
        """
        return self._read_named("figures", name, self.figures)

    def manifest(self, corpus: str) -> "pd.DataFrame":
        """The utterances of a corpus or of an augmented copy.

        Raises:
            TableError: the study has none of that name; the message has the nearest.
        """
        return self._read_named("manifests", corpus, self.corpora)

    def _read_named(self, kind: str, name: str, names: list[str]) -> "pd.DataFrame":
        if name not in names:
            raise TableError(f"{self.folder / kind} has no {name!r}; {nearest(name, names)}")
        return self.read(f"{kind}/{name}.tsv")

    def read(self, path: str | Path) -> "pd.DataFrame":
        """Any table of the study, with the types that its columns were written with.

        Numbers that are undefined are NaN (integers and truth values: NA); texts are never missing,
        and empty where a field is. Every number is the written one, to the last bit.

        Args:
            path: relative to the folder of the study.
        """
        import pandas as pd

        return pd.read_csv(self.folder / path, **self.csv_options(path))

    def csv_options(self, path: str | Path) -> dict[str, Any]:
        """Keyword arguments with which `pandas.read_csv` reads a table as :meth:`read` does.

        By itself, pandas would read the speaker 0012 as a number, and an attack called NA as
        missing. Before version 3.1 it also rounds; add `float_precision="round_trip"` there.

        Args:
            path: relative to the folder of the study.

        Raises:
            TableError: it is no table.
        """
        kinds = self.columns(path)
        numbers = [name for name, kind in kinds.items() if kind != "string"]
        return {
            "sep": "\t",
            "dtype": {name: _DTYPES[kind] for name, kind in kinds.items()},
            "keep_default_na": False,
            "na_values": {name: [""] for name in numbers},
            "quoting": csv.QUOTE_NONE,
            "skip_blank_lines": False,
        }

    def columns(self, path: str | Path) -> dict[str, str]:
        """Column of a table to type: `string`, `number`, `integer` or `boolean`.

        The record of the job that wrote the table has the types. Where it has none, as for what
        Snakemake measures, columns of names are strings, and the others what all fields look like.

        Args:
            path: relative to the folder of the study.

        Raises:
            TableError: it is no table.
        """
        place = Path(path).as_posix()
        record = self._records.get(place)
        if record is not None:
            for entry in record["outputs"]:
                if self._within(entry["path"], record) == place and "columns" in entry:
                    return dict(entry["columns"])
        table = read_header(self.folder / path, "\t")
        looks: dict[str, set[str]] = {name: set() for name in table.header}
        for _, fields in table.rows:
            for name, field in zip(table.header, fields, strict=True):
                looks[name].add(_look(field))
        return {
            name: "string" if name in _NAMES else _kind(looks_of)
            for name, looks_of in looks.items()
        }

    # --- scores and metrics ----------------------------------------------------------------

    def scores(
        self, name: str | None = None, corpus: str | None = None, split: str | None = None
    ) -> "pd.DataFrame":
        """Scores with their trials: a row per system, seed and trial.

        Args:
            name: of a detector or fusion; default: of all.
            corpus, split: of the trials; default: all that are scored.

        Returns:
            system (run id), name, seed, corpus, split, score, then all columns of the manifest;
            higher scores mean more bona fide.

        Raises:
            TableError: nothing of that name, corpus and split is scored.
        """
        import pandas as pd

        frames = []
        manifests: dict[str, pd.DataFrame] = {}
        for system, seed, of_corpus, of_split, path in self._scored("scores", name, corpus, split):
            if of_corpus not in manifests:
                manifests[of_corpus] = self.manifest(of_corpus)
            trials = manifests[of_corpus]
            trials = trials[trials["split"] == of_split].drop(columns="split")
            scores = self.read(path).merge(trials, on="utt_id", how="left", validate="1:1")
            frames.append(_preceded(scores, system, seed, corpus=of_corpus, split=of_split))
        return pd.concat(frames, ignore_index=True)

    def metrics(
        self, name: str | None = None, corpus: str | None = None, split: str | None = None
    ) -> "pd.DataFrame":
        """Error rates: a row per system, seed, set, condition, level and metric.

        Args:
            name: of a detector or fusion; default: of all.
            corpus, split: of the trials; default: all that are scored.

        Returns:
            name, then the columns of the tables in `metrics/`; 95 % intervals from ci_low to
            ci_high.

        Raises:
            TableError: nothing of that name, corpus and split is scored.
        """
        import pandas as pd

        frames = []
        for system, _, _, _, path in self._scored("metrics", name, corpus, split):
            frame = self.read(path)
            frame.insert(0, "name", name_of(system))
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def histories(self) -> "pd.DataFrame":
        """Training curves: a row per detector or tracer, seed and epoch.

        Returns:
            system (run id), name, seed, then the columns of the tables `history.tsv`; no rows if
            nothing was trained by gradients.
        """
        import pandas as pd

        places = ("detectors/*/seed*/history.tsv", "tracers/*/seed*/network/history.tsv")
        frames = []
        for path in (path for place in places for path in sorted(self.folder.glob(place))):
            frame = self.read(path.relative_to(self.folder))
            owner = path.parent if path.parent.name == "network" else path
            frames.append(_preceded(frame, *_owner_of(owner)))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def _scored(
        self, kind: str, name: str | None, corpus: str | None, split: str | None
    ) -> Iterator[tuple[str, int, str, str, str]]:
        """Run id, seed, corpus, split and path of every file of a kind that is asked for."""
        any_there = False
        for path in sorted((self.folder / kind).glob("*/seed*/*.tsv")):
            system, seed = _owner_of(path)
            of_corpus, _, of_split = path.stem.rpartition(".")
            there = (name_of(system), of_corpus, of_split)
            asked = (name, corpus, split)
            if all(wish in (None, one) for wish, one in zip(asked, there, strict=True)):
                any_there = True
                yield system, seed, of_corpus, of_split, path.relative_to(self.folder).as_posix()
        if not any_there:
            wishes = ", ".join(filter(None, (name, corpus, split)))
            raise TableError(f"{self.folder / kind} has nothing of {wishes or 'any system'}")

    # --- source tracing --------------------------------------------------------------------

    def systems(self, corpus: str) -> "pd.DataFrame":
        """The attacks of a corpus that is traced: whether train has them, their numbers and parts.

        `study.manifest(corpus).merge(study.systems(corpus), on="attack", how="left")` says it of
        every utterance.

        Raises:
            TableError: the attacks of no such corpus are listed; the message has the nearest.
        """
        names = [name for name in self._names("systems") if not name.endswith(".audit")]
        return self._read_named("systems", corpus, names)

    def traces(
        self, name: str | None = None, corpus: str | None = None, split: str | None = None
    ) -> "pd.DataFrame":
        """Answers of tracers with their clips: a row per tracer, seed and clip.

        Args:
            name: of a tracer; default: of all.
            corpus, split: of the clips; default: all that are traced.

        Returns:
            system (run id), name, seed, corpus, split, then the columns of the tables in `traces/`
            and all others of the manifest. `known` and `quadrant` are about the training of the
            tracer, which need not be that of the corpus (:meth:`systems`).

        Raises:
            TableError: nothing of that name, corpus and split is traced.
        """
        import pandas as pd

        frames = []
        manifests: dict[str, pd.DataFrame] = {}
        for system, seed, of_corpus, of_split, path in self._scored("traces", name, corpus, split):
            if of_corpus not in manifests:
                manifests[of_corpus] = self.manifest(of_corpus).drop(columns="split")
            traces, clips = self.read(path), manifests[of_corpus]
            others = ["utt_id", *(column for column in clips if column not in traces)]
            traces = traces.merge(clips[others], on="utt_id", how="left", validate="1:1")
            frames.append(_preceded(traces, system, seed, corpus=of_corpus, split=of_split))
        return pd.concat(frames, ignore_index=True)

    # --- explanations ----------------------------------------------------------------------

    def explanations(self) -> "pd.DataFrame":
        """All clips that were explained: a row per detector, seed, method and clip.

        Returns:
            system (run id), name, seed, method, target (positive attributions are evidence for this
            class), then what the files say of each clip: utt_id, label, attack, score, completeness
            and others, see `attribution.store.Explanation`; no rows where nothing was explained.
        """
        import pandas as pd

        rows = [
            {
                "system": system,
                "name": name_of(system),
                "seed": seed,
                "method": of_file.settings.method,
                "target": of_file.settings.target,
                **{name: getattr(one, name) for name in SCALARS},
            }
            for system, seed, of_file in self._explained
            for one in of_file
        ]
        return pd.DataFrame(rows)

    def explanation(
        self, utt_id: str, name: str, method: str | None = None, seed: int | None = None
    ) -> Explanation:
        """One explanation with its arrays: `map` (rows, frames), `times` (frames,), ...

        Args:
            utt_id: the clip.
            name: of the detector.
            method: of attribution; default: the first there is.
            seed: of the training; default: the first there is.

        Raises:
            TableError: this detector's judgement of this clip was not explained.
        """
        for system, of_seed, of_file in self._explained:
            if (
                name_of(system) == name
                and method in (None, of_file.settings.method)
                and seed in (None, of_seed)
                and utt_id in of_file.utt_ids
            ):
                return of_file[utt_id]
        raise TableError(f"{self.folder}: no explanation of {utt_id!r} by {name!r} is there")

    @cached_property
    def _explained(self) -> list[tuple[str, int, Attributions]]:
        return [
            (
                path.parent.parent.name,
                int(path.parent.name.removeprefix("seed")),
                Attributions(path),
            )
            for path in sorted(self.folder.glob("attributions/*/seed*/*.safetensors"))
            if self._rule_of(path) == "explain"
        ]

    # --- provenance ------------------------------------------------------------------------

    def jobs(self) -> "pd.DataFrame":
        """What was done: a row per job, in the order of their starts.

        Returns:
            rule, output (the first one, relative to the folder of the study), started, seconds,
            max_memory_bytes, threads, device, commit, dirty (whether the code was changed since
            that commit).
        """
        import pandas as pd

        rows = [
            {
                "rule": record["rule"],
                "output": output,
                "started": pd.Timestamp(record["started"]),
                "seconds": float(record["seconds"]),
                "max_memory_bytes": record.get("max_memory_bytes"),
                "threads": record.get("threads"),
                "device": record["device"],
                "commit": record["git"]["commit"],
                "dirty": record["git"]["dirty"],
            }
            for output, record in self._records.items()
            if output == self._within(record["outputs"][0]["path"], record)
        ]
        return pd.DataFrame(rows).sort_values(["started", "output"], ignore_index=True)

    def job_of(self, path: str | Path) -> Record:
        """How a file was made: rule, parameters, inputs and outputs with their hashes, commit,
        package versions, device, times.

        Args:
            path: relative to the folder of the study.

        Raises:
            ProvenanceError: no record names the file.
        """
        place = Path(path).as_posix()
        if place not in self._records:
            raise ProvenanceError(f"no record (*{SUFFIX}) below {self.folder} names {place}")
        return self._records[place]

    def _rule_of(self, path: Path) -> str | None:
        record = self._records.get(path.relative_to(self.folder).as_posix())
        return None if record is None else str(record["rule"])

    @cached_property
    def _records(self) -> Mapping[str, Record]:
        """Output, relative to the folder of the study, to the record of its job."""
        records: dict[str, Record] = {}
        for sidecar in sorted(self.folder.rglob(f"*{SUFFIX}")):
            if "work" in sidecar.relative_to(self.folder).parts[:1]:
                continue
            record = read_sidecar(sidecar)
            # Paths in it are relative to where the workflow ran.
            first = sidecar.relative_to(self.folder).as_posix().removesuffix(SUFFIX)
            record["root"] = record["outputs"][0]["path"].removesuffix(first)
            for entry in record["outputs"]:
                records[self._within(entry["path"], record)] = record
        return records

    def _within(self, path: str, record: Record) -> str:
        return path.removeprefix(str(record["root"]))


def name_of(system: str) -> str:
    """The name of the detector, tracer or fusion that a run id `{name}-{hash}` belongs to."""
    return re.sub("-[0-9a-f]{8}$", "", system)


def _owner_of(path: Path) -> tuple[str, int]:
    """Run id and seed of a file in `.../{system}/seed{n}/`."""
    return path.parent.parent.name, int(path.parent.name.removeprefix("seed"))


def _preceded(frame: "pd.DataFrame", system: str, seed: int, **about: str) -> "pd.DataFrame":
    """A frame behind columns that say what it is about."""
    columns = {"system": system, "name": name_of(system), "seed": seed, **about}
    for place, (column, value) in enumerate(columns.items()):
        frame.insert(place, column, value)
    return frame


def _look(field: str) -> str:
    """The narrowest type that fits a field; empty for none."""
    if not field:
        return ""
    if field in ("true", "false"):
        return "boolean"
    if re.fullmatch("0|-?[1-9][0-9]*", field):
        return "integer"
    return "number" if _NUMBER.fullmatch(field) else "string"


def _kind(looks: set[str]) -> str:
    """The narrowest type that fits all fields of a column."""
    looks = looks - {""}
    if len(looks) == 1:
        return looks.pop()
    return "number" if looks <= {"integer", "number"} else "string"
