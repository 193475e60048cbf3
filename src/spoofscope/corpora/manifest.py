"""From a corpus to its manifest: every file is looked at, none is trusted to exist."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from spoofscope import audio
from spoofscope.corpora.base import Corpus
from spoofscope.errors import AudioError, CorpusError
from spoofscope.tables import read_table, write_table

PROBLEM_COLUMNS: dict[str, pl.DataType] = dict.fromkeys(
    ("utt_id", "path", "split", "label", "reason"), pl.String()
)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Problem:
    """One audio file that cannot be used, and why."""

    utt_id: str
    path: str
    split: str
    label: str
    reason: str


def write_problems(path: str | Path, problems: Sequence[Problem]) -> None:
    """Write problems as a table, one row per file; only a header when there are none."""
    rows = [{**asdict(p), "reason": " ".join(p.reason.split())} for p in problems]
    write_table(path, pl.DataFrame(rows, schema=PROBLEM_COLUMNS))


def read_problems(path: str | Path) -> list[Problem]:
    """Read what :func:`write_problems` wrote.

    Raises:
        TableError: as `tables.read_table`.
    """
    table = read_table(path, PROBLEM_COLUMNS).select(list(PROBLEM_COLUMNS))
    return [Problem(**row) for row in table.iter_rows(named=True)]


def in_threads(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int | None
) -> list[_Result]:
    """Results in the order of the items. Decoding and FFTs run outside of Python's global lock."""
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        return list(pool.map(function, items))


def portable_path(path: str | Path) -> str:
    """Relative to the working directory when the path is below it, else absolute."""
    # Links are kept: data are often linked into the working directory from elsewhere.
    absolute = Path(os.path.abspath(path))
    here = Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def build_manifest(
    corpus: Corpus, workers: int | None = None
) -> tuple[pl.DataFrame, list[Problem]]:
    """The manifest of a corpus (see `tables.read_manifest`) and the files left out of it.

    Durations (s) and sample rates (Hz) come from the files' headers. With `on_bad_audio: exclude`
    every file is decoded, so that a truncated one is found here and not in a training.

    Args:
        corpus: the reader.
        workers: threads; None takes one per core.

    Raises:
        CorpusError: what `Corpus.trials` raises; with `on_bad_audio: fail` also a missing or
            undecodable file; with `exclude`, that a split has no usable file left.
    """
    trials = corpus.trials()
    exclude = corpus.options["on_bad_audio"] == "exclude"

    def inspect(path: str) -> audio.AudioInfo | str:
        try:
            header = audio.info(path)
            if exclude:
                audio.read(path)
        except AudioError as error:
            return str(error)
        return header

    found = in_threads(inspect, trials["path"].to_list(), workers)
    good = [isinstance(header, audio.AudioInfo) for header in found]
    problems = [
        Problem(row["utt_id"], portable_path(row["path"]), row["split"], row["label"], reason)
        for row, reason in zip(trials.iter_rows(named=True), found, strict=True)
        if isinstance(reason, str)
    ]
    if problems and not exclude:
        listed = "\n  ".join(problem.reason for problem in problems[:5])
        raise CorpusError(
            f"{corpus.root}: {len(problems)} of {len(found)} audio files of {corpus.owner} cannot "
            f"be used, the first are\n  {listed}\nFetch them again, or set "
            f"corpora.{corpus.key}.on_bad_audio to exclude to go on without them"
        )
    headers = [header for header in found if isinstance(header, audio.AudioInfo)]
    manifest = trials.filter(pl.Series(good, dtype=pl.Boolean))
    lost = sorted(set(trials["split"]) - set(manifest["split"]))
    if lost:
        raise CorpusError(
            f"{corpus.root}: no audio file of split {lost[0]!r} of {corpus.owner} can be used, the "
            f"first is {next(p.reason for p in problems if p.split == lost[0])}"
        )
    paths = [portable_path(path) for path in manifest["path"]]
    manifest = manifest.with_columns(
        pl.Series("path", paths),
        pl.Series("duration", [header.duration for header in headers]),
        pl.Series("sample_rate", [header.sample_rate for header in headers]),
    )
    return manifest, problems
