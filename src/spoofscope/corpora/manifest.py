"""From a corpus to its manifest: every file is looked at, none is trusted to exist."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple, TypeVar

import polars as pl

from spoofscope import audio
from spoofscope.corpora.base import Corpus, Problem
from spoofscope.errors import AudioError, CorpusError
from spoofscope.files import one_line
from spoofscope.recordings import Recording, look_at, portable_path, portable_paths
from spoofscope.tables import read_table, write_table

PROBLEM_COLUMNS: dict[str, pl.DataType] = dict.fromkeys(
    ("utt_id", "path", "split", "label", "reason"), pl.String()
)

_LOGGER = logging.getLogger(__name__)

_PROGRESS_SECONDS = 30.0

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Inspected(NamedTuple):
    """A corpus that was looked at: its manifest, the files left out of it, and what was read of
    all files that decide the manifest.
    """

    manifest: pl.DataFrame
    problems: list[Problem]
    recordings: list[Recording]


def write_problems(path: str | Path, problems: Sequence[Problem]) -> None:
    """Write problems as a table, one row per file; only a header when there are none."""
    rows = [{**asdict(p), "reason": one_line(p.reason)} for p in problems]
    write_table(path, pl.DataFrame(rows, schema=PROBLEM_COLUMNS))


def read_problems(path: str | Path) -> list[Problem]:
    """Read what :func:`write_problems` wrote.

    Raises:
        TableError: as `tables.read_table`.
    """
    table = read_table(path, PROBLEM_COLUMNS).select(list(PROBLEM_COLUMNS))
    return [Problem(**row) for row in table.iter_rows(named=True)]


def in_threads(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    workers: int | None,
    progress: str = "",
) -> list[_Result]:
    """Results in the order of the items. Decoding and FFTs run outside of Python's global lock.

    Args:
        function: of one item.
        items: all of them.
        workers: threads; None takes one per core.
        progress: what is logged every half minute, with two %d: results, and items.
    """
    items = list(items)
    results: list[_Result] = []
    due = time.monotonic() + _PROGRESS_SECONDS
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for result in pool.map(function, items):
            results.append(result)
            if progress and time.monotonic() >= due:
                _LOGGER.info(progress, len(results), len(items))
                due = time.monotonic() + _PROGRESS_SECONDS
    return results


class _Looked(NamedTuple):
    """What a file's header says, or why it cannot be used; and what was read of the file."""

    header: audio.AudioInfo | str
    recording: Recording


def build_manifest(
    corpus: Corpus, workers: int | None = None
) -> tuple[pl.DataFrame, list[Problem]]:
    """The manifest of a corpus (see `tables.read_manifest`) and the files left out of it.

    Args and errors are those of :func:`inspect_corpus`.
    """
    inspected = inspect_corpus(corpus, workers)
    return inspected.manifest, inspected.problems


def inspect_corpus(corpus: Corpus, workers: int | None = None, times: bool = True) -> Inspected:
    """Look at every file of a corpus.

    Durations (s) and sample rates (Hz) come from the files' headers; the column `sha256` is of
    their contents, which are read in the same pass. Where files may be left out, every file is
    decoded, so that a truncated one is found here and not in a training.

    Args:
        corpus: the reader.
        workers: threads; None takes one per core.
        times: whether to note when files were modified. Of files that the workflow itself writes
            the times say nothing.

    Raises:
        CorpusError: what `Corpus.trials` raises; with `on_bad_audio: fail` also more
            missing or undecodable files than `most_bad_audio`; else, that a split has no usable
            file left.
    """
    trials = corpus.trials()
    options = corpus.options

    def inspect(path: str) -> _Looked:
        recording = look_at(path, times)
        try:
            header = audio.info(path)
            if options.leaves_out:
                audio.read(path)
        except AudioError as error:
            return _Looked(str(error), recording)
        return _Looked(header, recording)

    looked = in_threads(
        inspect, trials["path"].to_list(), workers, "looked at %d of %d audio files"
    )
    results = [each.header for each in looked]
    good = [isinstance(header, audio.AudioInfo) for header in results]
    problems = [
        Problem(row["utt_id"], portable_path(row["path"]), row["split"], row["label"], reason)
        for row, reason in zip(trials.iter_rows(named=True), results, strict=True)
        if isinstance(reason, str)
    ]
    if options.on_bad_audio == "fail" and len(problems) > options.most_bad_audio:
        reasons = "\n  ".join(problem.reason for problem in problems[:5])
        tolerated = f", {options.most_bad_audio} are tolerated" if options.most_bad_audio else ""
        raise CorpusError(
            f"{corpus.root}: {len(problems)} of {len(results)} audio files of {corpus.owner} "
            f"cannot be used{tolerated}; the first are\n  {reasons}\nFetch them again, or set "
            f"corpora.{corpus.key}.most_bad_audio to {len(problems)} to go on without them; the "
            "audit names each"
        )
    # These reasons name their files, as every `AudioError` does; those of a reader do not.
    for problem in problems:
        _LOGGER.warning("%s", one_line(problem.reason))
    left_out = corpus.left_out()
    for problem in left_out:
        _LOGGER.warning("%s: %s", one_line(problem.path), one_line(problem.reason))
    problems += left_out
    headers = [header for header in results if isinstance(header, audio.AudioInfo)]
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
        pl.Series(
            "sha256", [e.recording.sha256 for e, usable in zip(looked, good, strict=True) if usable]
        ),
    )
    recordings = {each.recording.path: each.recording for each in looked}
    for path in found_by(corpus) or ():
        # Left out by `splits`, or by a limit: only that the file is there counts.
        recordings.setdefault(path, Recording(path, 0, None, None))
    return Inspected(manifest, problems, list(recordings.values()))


def found_by(corpus: Corpus) -> list[str] | None:
    """What `Corpus.found` gives, as paths of a manifest.

    Raises:
        CorpusError: as `Corpus.found`.
    """
    paths = corpus.found()
    if paths is None:
        return None
    return portable_paths(paths, corpus.root)
