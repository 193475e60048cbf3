"""Score files of others: reading them as ours, and writing ours in their formats.

Ours are TSV with utt_id and score, higher = more bona fide (`tables.read_scores`). Which end of a
external file's scores speaks for bona fide cannot be seen in it, so the caller says so.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from spoofscope.errors import ConfigError, TableError
from spoofscope.files import atomic_path, no_file
from spoofscope.options import check_keys, nearest
from spoofscope.rows import check_columns, finite_number, lines, read_header
from spoofscope.selection.operating_points import eer
from spoofscope.tables import LABELS, SCORE_COLUMNS, join_scores

_LOGGER = logging.getLogger(__name__)

# Formats of lines without a header: what stands behind the utterance, from left to right. The
# utterance comes first and may contain blanks, so lines are taken apart from the right.
_LINES: dict[str, tuple[str, ...]] = {
    "asvspoof2019": ("source", "label", "score"),
    "asvspoof2021": ("score",),
    "file_score": ("score",),
    "file_score_label": ("score", "label"),
    "file_label_score": ("label", "score"),
}
# Formats with a header: the delimiter, and which columns hold what where nothing else is said.
_TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "asvspoof5": ("\t", {"utt_id": "filename", "score": "cm-score"}),
    "csv": (",", {"utt_id": "utt_id", "score": "score"}),
    "tsv": ("\t", {"utt_id": "utt_id", "score": "score"}),
}
FORMATS = (*_LINES, *_TABLES)
EXPORTS = ("asvspoof5", "asvspoof2019", "asvspoof2021")

LABEL_WORDS = {
    "bonafide": "bonafide",
    "bona-fide": "bonafide",
    "genuine": "bonafide",
    "human": "bonafide",
    "real": "bonafide",
    "spoof": "spoof",
    "fake": "spoof",
}
"""What words for the classes mean."""

_AUDIO = re.compile(r"\.(wav|flac|mp3|ogg|oga|opus|m4a|mp4|aac|wma|aif|aiff|webm|amr)$", re.I)


class _Row(NamedTuple):
    """One score as it stands in a file; `label` is None where the format has none."""

    line: int
    name: str
    score: str
    label: str | None


def read_external_scores(
    path: str | Path,
    format: str,
    *,
    higher: str = "bonafide",
    columns: Mapping[str, str] | None = None,
    trials: pl.DataFrame | None = None,
    ignore_others: bool = False,
) -> pl.DataFrame:
    """Read somebody else's scores.

    Formats without a header, fields between blanks: `asvspoof2019` (utterance, source, key, score),
    `asvspoof2021` and `file_score` (utterance, score), `file_score_label`, `file_label_score`.
    Formats with a header: `asvspoof5` (filename, cm-score; tabs), `csv`, `tsv`.

    An utterance may be written as a file name: without `trials` its folder and the extension of an
    audio file are taken off, and in a format without header its name has no blanks: they could be
    a column more. With them it is the trial of that id, else the one with that name without the
    extension, without folders, or the one whose audio file is called that.

    Args:
        path: the file.
        format: one of :data:`FORMATS`.
        higher: what a higher score in the file speaks for, bonafide or spoof; with spoof the signs
            are turned.
        columns: for formats with a header, the names of the columns utt_id, score and, to have it
            checked, label.
        trials: utt_id and, where it is known, label and path: what the scores must be of. Their
            labels must agree with those in the file.
        ignore_others: leave out scores of what is no trial, such as those of another phase.

    Returns:
        utt_id, score (higher = more bona fide): in the order of the file, or with `trials` one row
        per trial in theirs.

    Raises:
        ConfigError: an unknown format, polarity or key of `columns`.
        TableError: the file is missing or empty; a line does not fit the format, repeats an
            utterance, has no finite score, an unknown label or one that `trials` contradicts; a
            score without trial or a trial without score. Names file and line.
    """
    path = Path(path)
    if format not in FORMATS:
        raise ConfigError(f"unknown score format {format!r}; {nearest(format, FORMATS)}")
    if higher not in LABELS:
        raise ConfigError(f"higher: must be one of {', '.join(LABELS)}, not {higher!r}")
    if not path.is_file():
        raise TableError(no_file(path, "score file"))
    rows = _table_rows(path, format, columns or {}) if format in _TABLES else None
    if rows is None:
        if columns:
            raise ConfigError(f"columns: format {format!r} has no header that could name them")
        rows = _line_rows(path, format, names_known=trials is not None)
    id_of = _bare_name if trials is None else _finder(trials)
    labels = _labels_of(trials)
    sign = 1.0 if higher == "bonafide" else -1.0
    first: dict[str, int] = {}
    scores: list[float] = []
    others: list[_Row] = []
    for row in rows:
        score = _score(path, row)
        label = _label(path, row)
        utt_id = id_of(row.name)
        if utt_id is None:
            others.append(row)
            continue
        if utt_id in first:
            raise TableError(
                f"{path}: line {row.line}: {row.name!r} has a score already, in line "
                f"{first[utt_id]}; a scoring that was repeated may have been appended to the file"
            )
        if label is not None and labels.get(utt_id, label) != label:
            raise TableError(
                f"{path}: line {row.line}: {row.name!r} is {label} here and {labels[utt_id]} "
                "among the trials"
            )
        first[utt_id] = row.line
        scores.append(sign * score)
    if others and not ignore_others:
        raise TableError(
            f"{path}: line {others[0].line}: {others[0].name!r} is none of the trials, nor are "
            f"{len(others) - 1} more of the file; name the trials of this file, or leave such "
            "scores out (ignore_others)"
        )
    if others:
        _LOGGER.info("%s: left out %d scores of what is no trial", path, len(others))
    if not first:
        raise TableError(
            f"{path}: there are no scores" + (" of the trials" if others else " in the file")
        )
    frame = pl.DataFrame({"utt_id": list(first), "score": scores}, schema=SCORE_COLUMNS)
    if trials is None:
        return frame
    joined = join_scores(frame, trials, scores_name=str(path), trials_name="the list of trials")
    return joined.select(list(SCORE_COLUMNS))


def _line_rows(path: Path, format: str, *, names_known: bool) -> Iterator[_Row]:
    """The lines of a format without header; `names_known` where there are trials to find."""
    fields = _LINES[format]
    for number, line in lines(path):
        if not line.strip():
            continue
        parts = line.strip().rsplit(None, len(fields))
        expected = f"format {format!r}, which has utterance, {', '.join(fields)}"
        if len(parts) <= len(fields):
            raise TableError(f"{path}: line {number}: {line.strip()!r} is not a line of {expected}")
        # A name with blanks and a further column look the same.
        if not names_known and len(parts[0].split()) > 1:
            raise TableError(
                f"{path}: line {number}: {line.strip()!r} has more fields than {expected}; name "
                "another format or, if utterances have blanks in their names, the trials (a "
                "manifest)"
            )
        values = dict(zip(fields, parts[1:], strict=True))
        yield _Row(number, parts[0], values["score"], values.get("label"))


def _table_rows(path: Path, format: str, columns: Mapping[str, str]) -> Iterator[_Row]:
    delimiter, defaults = _TABLES[format]
    check_keys(columns, ("utt_id", "score", "label"), "columns")
    names = {**defaults, **columns}
    if len(set(names.values())) < len(names):
        pairs = ", ".join(f"{ours}={theirs}" for ours, theirs in names.items())
        raise ConfigError(f"columns: one column cannot be two things ({pairs}); name another one")
    table = read_header(path, delimiter)
    check_columns(path, table.header, names.values())
    for number, fields in table.records(names.values()):
        texts = {key: fields[name].strip() for key, name in names.items()}
        if not texts["utt_id"]:
            raise TableError(f"{path}: line {number}: no utterance is named")
        if re.search(r"[\t\n]", texts["utt_id"]):
            raise TableError(
                f"{path}: line {number}: the name {texts['utt_id']!r} holds a tab or a line break"
            )
        yield _Row(number, texts["utt_id"], texts["score"], texts.get("label"))


def _score(path: Path, row: _Row) -> float:
    value = finite_number(row.score)
    if value is None:
        raise TableError(
            f"{path}: line {row.line}: the score of {row.name!r} is {row.score!r}, which is no "
            "finite number"
        )
    return value


def _label(path: Path, row: _Row) -> str | None:
    if row.label is None:
        return None
    label = LABEL_WORDS.get(row.label.lower())
    if label is None:
        raise TableError(
            f"{path}: line {row.line}: {row.label!r} is no label; known are "
            f"{', '.join(LABEL_WORDS)} (a number would not say which class it stands for)"
        )
    return label


def _bare_name(name: str) -> str:
    base = re.split(r"[/\\]", name)[-1]
    return _AUDIO.sub("", base)


def _finder(trials: pl.DataFrame) -> Callable[[str], str | None]:
    """A function from an utterance as a score file has it to its utt_id, or None."""
    ids = {str(utt_id): str(utt_id) for utt_id in trials["utt_id"]}
    files: dict[str, str | None] = {}
    if "path" in trials.columns:
        for utt_id, path in trials.select("utt_id", "path").iter_rows():
            name = _bare_name(path)
            # A name that two trials' files have says nothing.
            files[name] = None if name in files else utt_id

    def find(name: str) -> str | None:
        for candidate in (name, _AUDIO.sub("", name), _bare_name(name)):
            if candidate in ids:
                return candidate
        return files.get(_bare_name(name))

    return find


def _labels_of(trials: pl.DataFrame | None) -> dict[str, str]:
    if trials is None or "label" not in trials.columns:
        return {}
    return dict(trials.select("utt_id", "label").iter_rows())


def polarity_warning(scores: pl.DataFrame, trials: pl.DataFrame) -> str | None:
    """A sentence for the user where scores rank spoofs above bona fide trials; None where not.

    Args:
        scores: utt_id, score.
        trials: utt_id, label.

    Raises:
        TableError: the scores are not of the trials.
    """
    joined = join_scores(scores, trials, scores_name="the scores", trials_name="the trials")
    bonafide, spoof = (
        joined.filter(pl.col("label") == label)["score"].to_numpy() for label in LABELS
    )
    if not (bonafide.size and spoof.size):
        return None
    rate = eer(bonafide, spoof).value
    if rate <= 0.5:
        return None
    return (
        f"the EER of these scores is {100 * rate:.1f} %: spoofs score higher than bona fide; if a "
        "higher score stands for spoof in the file, say so (higher: spoof)"
    )


def write_external_scores(
    path: str | Path, scores: pl.DataFrame, format: str, trials: pl.DataFrame | None = None
) -> None:
    """Write scores in the format of a challenge; higher stays more bona fide.

    `asvspoof5`: header and lines `filename<TAB>cm-score`; `asvspoof2021`: lines `utterance score`;
    `asvspoof2019`: lines `utterance source key score`, for which the trials must be known. Floats
    are written so that they read back as the same number.

    Args:
        path: the file, written atomically.
        scores: utt_id, score.
        format: one of :data:`EXPORTS`.
        trials: utt_id, label, attack; their order is that of the file.

    Raises:
        ConfigError: an unknown format.
        TableError: a score is not finite, an utterance cannot be written in the format, or the
            scores are not of the trials.
    """
    if format not in EXPORTS:
        raise ConfigError(f"scores cannot be written as {format!r}; {nearest(format, EXPORTS)}")
    if format == "asvspoof2019" and trials is None:
        raise ConfigError("format 'asvspoof2019' has source and key: a manifest is needed")
    if trials is not None:
        scores = join_scores(scores, trials, scores_name=str(path), trials_name="the trials")
    bad = scores.filter(~pl.col("score").is_finite() | pl.col("score").is_null())
    if bad.height:
        raise TableError(f"{path}: the score of {bad['utt_id'][0]!r} is {bad['score'][0]}")
    pattern = "[\t\n\r]" if format == "asvspoof5" else r"\s"
    broken = scores.filter(pl.col("utt_id").str.contains(pattern))
    if broken.height:
        raise TableError(
            f"{path}: {broken['utt_id'][0]!r} cannot be written in format {format!r}, where blanks "
            "end a field"
        )
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        if format == "asvspoof5":
            stream.write("filename\tcm-score\n")
        for row in scores.iter_rows(named=True):
            stream.write(_export_line(format, row))


def _export_line(format: str, row: Mapping[str, Any]) -> str:
    if format == "asvspoof5":
        return f"{row['utt_id']}\t{row['score']!r}\n"
    if format == "asvspoof2021":
        return f"{row['utt_id']} {row['score']!r}\n"
    return f"{row['utt_id']} {row['attack']} {row['label']} {row['score']!r}\n"
