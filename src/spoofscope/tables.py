"""Tables that pass between rules: their columns, checks, reading and writing.

All tables are UTF-8 TSV with a header. They are written atomically and joined by id, never by
position. Every reader names file, line and column when it refuses.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from spoofscope import names, rows
from spoofscope.errors import TableError
from spoofscope.files import atomic_path
from spoofscope.options import nearest

LABELS = ("bonafide", "spoof")
SPLITS = ("train", "dev", "eval")
TIERS = ("word", "phone", "character", "silence", "artefact")

_BREAKS = re.compile("[\t\n\r\\x00]")

MANIFEST_COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "path": pl.String(),
    "split": pl.String(),
    "label": pl.String(),
    "attack": pl.String(),
    "speaker": pl.String(),
    "duration": pl.Float64(),
    "sample_rate": pl.Int64(),
}
SCORE_COLUMNS: dict[str, pl.DataType] = {"utt_id": pl.String(), "score": pl.Float64()}
SEGMENT_COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "start": pl.Float64(),
    "end": pl.Float64(),
    "tier": pl.String(),
    "label": pl.String(),
}
BAND_COLUMNS: dict[str, pl.DataType] = {"low_hz": pl.Float64(), "high_hz": pl.Float64()}
"""Further columns of segments, where a table has them: the band of frequencies that a segment is
about; null where it is about all."""
TRIAL_COLUMNS: dict[str, pl.DataType] = {"utt_id": pl.String(), "label": pl.String()}


def read_table(
    path: str | Path,
    required: Mapping[str, pl.DataType],
    optional: Mapping[str, pl.DataType] | None = None,
    rest: pl.DataType | None = None,
) -> pl.DataFrame:
    """Read a TSV file with a header.

    Columns without a name are left out. Empty lines are allowed at the end alone.

    Args:
        path: the file.
        required: column name to type; Float64 and Int64 columns must be finite numbers in every
            row, string columns must not be empty.
        optional: further columns that the table must have, whose fields may be empty: numbers are
            null there, strings stay empty.
        rest: the type of all columns that neither names, whose fields may be empty; default:
            strings.

    Raises:
        TableError: missing file or column, a row with the wrong number of fields, a value that is
            not of its type; the message names file, line and column.
    """
    path = Path(path)
    texts = _texts(path)
    header = [name.strip() for name in texts[0].split("\t")]
    optional = dict(optional or {})
    named = [*required, *optional]
    if rest is not None:
        optional |= {name: rest for name in header if name and name not in named}
    rows.check_columns(path, header, dict.fromkeys([*named, *filter(None, header)]))
    tabs = len(header) - 1
    for number, text in enumerate(texts, start=1):
        if text.count("\t") != tabs:
            raise TableError(
                f"{path}: line {number}: {text.count(chr(9)) + 1} fields where the header has "
                f"{len(header)}"
            )
    # Everything is read as text first: that way a bad value can be named with its line.
    places = [f"column {place}" for place in range(len(header))]
    schema = dict.fromkeys(places, pl.String())
    frame = pl.DataFrame(schema=schema)
    if len(texts) > 1:
        # Never the path itself, in which polars takes brackets for a pattern.
        content = io.BytesIO("\n".join(texts[1:]).encode())
        frame = pl.read_csv(
            content, separator="\t", has_header=False, schema=schema, quote_char=None
        ).fill_null("")
    frame = frame.select(
        pl.col(place).alias(name) for place, name in zip(places, header, strict=True) if name
    )
    for name, dtype in required.items():
        frame = frame.with_columns(_typed(path, frame[name], dtype))
    for name, dtype in optional.items():
        if not isinstance(dtype, pl.String):
            frame = frame.with_columns(_typed(path, frame[name], dtype, may_be_empty=True))
    return frame


def _texts(path: Path) -> list[str]:
    """The lines of a table, without empty ones at its end."""
    texts = [text for _, text in rows.lines(path)]
    while texts and not texts[-1]:
        texts.pop()
    if not texts:
        raise TableError(f"{path}: the table is empty, not even a header")
    if "" in texts:
        raise TableError(f"{path}: line {texts.index('') + 1}: an empty line; remove it")
    return texts


def stream_table(path: str | Path, columns: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The rows of a TSV file with a header, one by one, for tables too long for the memory.

    Yields:
        The line number, and the texts of the given columns in the order asked for.

    Raises:
        TableError: as `rows.read_header`; a missing column, or an empty field in one of the
            columns; while the rows are read.
    """
    table = rows.read_header(path, "\t")
    rows.check_columns(path, table.header, columns)
    places = [table.header.index(name) for name in columns]
    for number, fields in table.rows:
        values = tuple(fields[place] for place in places)
        if "" in values:
            name = columns[values.index("")]
            raise TableError(f"{path}: line {number}: column {name!r} is empty")
        yield number, values


def _typed(
    path: Path, column: pl.Series, dtype: pl.DataType, may_be_empty: bool = False
) -> pl.Series:
    if isinstance(dtype, pl.String):
        bad = (column.str.len_bytes() == 0).arg_true()
        if bad.len():
            raise TableError(f"{path}: line {bad[0] + 2}: column {column.name!r} is empty")
        return column
    kind = rows.NUMBER if dtype.is_float() else "[+-]?[0-9]+"
    # What a number could be and is none, polars takes for null; a number too large for infinity.
    typed = column.set(~column.str.contains(f"^{kind}$"), None).cast(dtype, strict=False)
    wrong = typed.is_null() | ~typed.is_finite()
    if may_be_empty:
        wrong &= column != ""
    bad = wrong.arg_true()
    if bad.len():
        raise TableError(
            f"{path}: line {bad[0] + 2}: column {column.name!r}: {column[bad[0]]!r} "
            f"is not {'a finite number' if dtype.is_float() else 'a whole number'}"
        )
    return typed


def write_table(path: str | Path, frame: pl.DataFrame) -> None:
    """Write a frame as TSV, atomically; null is an empty field, floats keep full precision.

    Raises:
        TableError: what would not be read back: a tab, a line break or a NUL in a value or in a
            column's name, a name that is empty or has blanks around it, a row without any text.
    """
    for name in frame.columns:
        if not name or name != name.strip() or _BREAKS.search(name):
            raise TableError(
                f"{path}: a column cannot be called {name!r}; names are texts without tabs, line "
                "breaks and blanks around them"
            )
        if frame[name].dtype == pl.String:
            bad = frame[name].fill_null("").str.contains(_BREAKS.pattern).arg_true()
            if bad.len():
                raise TableError(
                    f"{path}: row {bad[0] + 1}: column {name!r} holds a tab, a line break or a "
                    f"NUL: {frame[name][bad[0]]!r}"
                )
    if frame.width == 1 and (frame.to_series().cast(pl.String).fill_null("") == "").any():
        raise TableError(f"{path}: column {frame.columns[0]!r}, the only one, is empty in a row")
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        stream.write("\t".join(frame.columns) + "\n")
        for row in frame.iter_rows():
            fields = ("" if value is None else _text(value) for value in row)
            stream.write("\t".join(fields) + "\n")
    _written[str(path)] = {name: _kind(frame[name].dtype) for name in frame.columns}


def written_columns(path: str) -> dict[str, str] | None:
    """Column to type of a table that this process wrote; None if it wrote none there.

    Returns:
        `string`, `number`, `integer` or `boolean` of every column. The text of a table does not say
        this: a column of speakers may hold digits alone.
    """
    return _written.get(path)


_written: dict[str, dict[str, str]] = {}


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_integer():
        return "integer"
    # A column without any value is one of numbers that are not defined.
    return "number" if dtype.is_float() or dtype == pl.Null else "string"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _refuse_duplicates(path: Path, frame: pl.DataFrame) -> None:
    blank = (frame["utt_id"].str.strip_chars() == "").arg_true()
    if blank.len():
        raise TableError(f"{path}: line {blank[0] + 2}: column 'utt_id': the utterance has no name")
    duplicated = frame["utt_id"].is_duplicated().arg_true()
    if duplicated.len():
        name = frame["utt_id"][duplicated[0]]
        lines = [str(i + 2) for i in (frame["utt_id"] == name).arg_true()]
        raise TableError(f"{path}: utt_id {name!r} is there twice (lines {', '.join(lines[:5])})")


def _refuse_unknown(
    path: Path, frame: pl.DataFrame, column: str, vocabulary: Sequence[str]
) -> None:
    bad = (~frame[column].is_in(list(vocabulary))).arg_true()
    if bad.len():
        raise TableError(
            f"{path}: line {bad[0] + 2}: column {column!r}: unknown value "
            f"{frame[column][bad[0]]!r}; it must be one of {', '.join(vocabulary)}"
        )


def read_manifest(path: str | Path) -> pl.DataFrame:
    """Read a manifest: one row per utterance.

    Columns: utt_id, path, split, label, attack, speaker (strings), duration (s), sample_rate (Hz),
    and any condition of the corpus as further string columns.

    Raises:
        TableError: as :func:`read_table`; also a duplicate utt_id, an unknown label or split, a
            duration that is not positive, a bona fide row with an attack or a spoof without one.
    """
    path = Path(path)
    frame = read_table(path, MANIFEST_COLUMNS)
    check_manifest(frame, path)
    return frame


def check_manifest(frame: pl.DataFrame, path: str | Path) -> None:
    """Raise TableError when a manifest breaks its contract; `path` is only for the message."""
    path = Path(path)
    if frame.is_empty():
        raise TableError(f"{path}: the manifest has no utterances")
    for name, dtype in MANIFEST_COLUMNS.items():
        if isinstance(dtype, pl.String):
            _typed(path, frame[name].fill_null(""), dtype)
    _refuse_duplicates(path, frame)
    _refuse_unknown(path, frame, "split", SPLITS)
    _refuse_unknown(path, frame, "label", LABELS)
    bad = (~(frame["sample_rate"] > 0)).arg_true()
    if bad.len():
        raise TableError(
            f"{path}: line {bad[0] + 2}: column 'sample_rate': {frame['sample_rate'][bad[0]]} "
            "is not a positive number of Hz"
        )
    bad = (~(frame["duration"] > 0) | ~frame["duration"].is_finite()).arg_true()
    if bad.len():
        raise TableError(
            f"{path}: line {bad[0] + 2}: column 'duration': {frame['duration'][bad[0]]} "
            "is not a positive number of seconds"
        )
    bad = ((frame["label"] == "bonafide") != (frame["attack"] == "-")).arg_true()
    if bad.len():
        raise TableError(
            f"{path}: line {bad[0] + 2}: column 'attack': {frame['attack'][bad[0]]!r} does not fit "
            f"label {frame['label'][bad[0]]!r}; bona fide rows have '-', spoof rows a name"
        )
    conditions = [name for name in frame.columns if name not in MANIFEST_COLUMNS]
    check_conditions(frame, ["attack", *conditions], path)


def check_conditions(frame: pl.DataFrame, columns: Sequence[str], path: str | Path) -> None:
    """Raise TableError where a condition or one of its levels has a reserved name, see `names`.

    Args:
        frame: rows of the table.
        columns: conditions, and the attack of spoofs.
        path: of the table, for the message.
    """
    for column in columns:
        names.check_condition(column, f"{path}: line 1")
        if frame[column].dtype != pl.String:
            continue
        for level in frame[column].unique(maintain_order=True).drop_nulls():
            if level != names.NONE and names.reserved(level) is not None:
                line = frame[column].index_of(level)
                names.check_level(level, column, f"{path}: line {(line or 0) + 2}")


def rows_of_source(
    manifest: pl.DataFrame,
    split: str,
    name: str,
    attacks: Sequence[str] | None = None,
    exclude_attacks: Sequence[str] = (),
) -> pl.DataFrame:
    """The rows of a split: all bona fide ones, and the spoofs that are asked for.

    Args:
        manifest: see :func:`read_manifest`.
        split: one of its splits.
        name: of the manifest, for messages.
        attacks: spoofs of these attacks alone; None takes all.
        exclude_attacks: no spoofs of these.

    Raises:
        TableError: an attack is not in the split, or one to exclude is nowhere in the manifest.
    """
    rows = manifest.filter(pl.col("split") == split)
    for asked, where, there in (
        (attacks or (), rows, f"{name}: split {split!r}"),
        (exclude_attacks, manifest, name),
    ):
        present = sorted(set(where["attack"]) - {"-"})
        for attack in asked:
            if attack not in present:
                raise TableError(f"{there} has no attack {attack!r}; {nearest(attack, present)}")
    chosen = pl.lit(True) if attacks is None else pl.col("attack").is_in(["-", *attacks])
    return rows.filter(chosen & ~pl.col("attack").is_in(list(exclude_attacks)))


def write_manifest(path: str | Path, frame: pl.DataFrame) -> None:
    """Check and write a manifest, contract columns first."""
    missing = [name for name in MANIFEST_COLUMNS if name not in frame.columns]
    if missing:
        raise TableError(f"{path}: the manifest lacks column {missing[0]!r}")
    check_manifest(frame, path)
    rest = [name for name in frame.columns if name not in MANIFEST_COLUMNS]
    write_table(path, frame.select([*MANIFEST_COLUMNS, *rest]))


def read_scores(path: str | Path) -> pl.DataFrame:
    """Read a score file: utt_id, score (higher = more bona fide).

    Raises:
        TableError: as :func:`read_table`; also a duplicate utt_id.
    """
    path = Path(path)
    frame = read_table(path, SCORE_COLUMNS)
    if frame.is_empty():
        raise TableError(f"{path}: the score file has no scores")
    _refuse_duplicates(path, frame)
    return frame


def write_scores(path: str | Path, frame: pl.DataFrame) -> None:
    """Write utt_id and score; NaN and infinite scores are refused."""
    bad = (~frame["score"].is_finite()).arg_true()
    if bad.len():
        raise TableError(
            f"{path}: the score of {frame['utt_id'][bad[0]]!r} is {frame['score'][bad[0]]}"
        )
    write_table(path, frame.select(list(SCORE_COLUMNS)))


def read_trials(path: str | Path) -> pl.DataFrame:
    """Read a list of trials: utt_id, label and any condition columns (a manifest is one).

    Raises:
        TableError: as :func:`read_table`; also a duplicate utt_id or an unknown label.
    """
    path = Path(path)
    frame = read_table(path, TRIAL_COLUMNS)
    for former, name in names.RENAMED_COLUMNS.items():
        if former in frame.columns and name not in frame.columns:
            raise TableError(
                f"{path}: line 1: the column {former!r} is called {name!r} now; rename it"
            )
    if frame.is_empty():
        raise TableError(f"{path}: the list has no trials")
    _refuse_duplicates(path, frame)
    _refuse_unknown(path, frame, "label", LABELS)
    return frame


def read_segments(path: str | Path) -> pl.DataFrame:
    """Read segments: utt_id, start and end (s), tier (one of `TIERS`), label.

    A table that has one of `BAND_COLUMNS` has to have both.

    Raises:
        TableError: as :func:`read_table`; also an unknown tier, an end before its start, or a band
            that is none.
    """
    path = Path(path)
    frame = read_table(path, SEGMENT_COLUMNS)
    if _has_bands(frame):
        frame = read_table(path, SEGMENT_COLUMNS, BAND_COLUMNS)
    _check_segments(frame, path)
    return frame


def _has_bands(segments: pl.DataFrame) -> bool:
    return not set(BAND_COLUMNS).isdisjoint(segments.columns)


def _check_segments(frame: pl.DataFrame, path: Path) -> None:
    _refuse_unknown(path, frame, "tier", TIERS)
    whole = (frame["start"] >= 0) & (frame["end"] > frame["start"]) & frame["end"].is_finite()
    bad = (~whole).arg_true()
    if bad.len():
        row = frame.row(bad[0], named=True)
        raise TableError(
            f"{path}: line {bad[0] + 2}: segment from {row['start']} to {row['end']} s; "
            "a segment starts at 0 s or later and ends after its start"
        )
    if _has_bands(frame):
        _check_bands(frame, path)


def _check_bands(frame: pl.DataFrame, path: Path) -> None:
    low, high = frame["low_hz"], frame["high_hz"]
    neither = low.is_null() & high.is_null()
    band = ((low >= 0) & (high > low) & high.is_finite()).fill_null(value=False)
    bad = (~(neither | band)).arg_true()
    if bad.len():
        row = frame.row(bad[0], named=True)
        raise TableError(
            f"{path}: line {bad[0] + 2}: band from {row['low_hz']} to {row['high_hz']} Hz; a band "
            "starts at 0 Hz or higher and ends above its start; leave both fields empty where a "
            "segment is about all frequencies"
        )


def write_segments(path: str | Path, frame: pl.DataFrame) -> None:
    """Check and write a segments table, with `BAND_COLUMNS` where the frame has them."""
    _check_segments(frame, Path(path))
    bands = BAND_COLUMNS if _has_bands(frame) else {}
    write_table(path, frame.select(*SEGMENT_COLUMNS, *bands))


def join_scores(
    scores: pl.DataFrame, trials: pl.DataFrame, *, scores_name: str, trials_name: str
) -> pl.DataFrame:
    """Join scores to trials by utt_id, in the order of the trials.

    Raises:
        TableError: a trial has no score, or a score no trial; up to five ids are named.
    """
    missing = trials.filter(~pl.col("utt_id").is_in(scores["utt_id"].implode()))["utt_id"]
    extra = scores.filter(~pl.col("utt_id").is_in(trials["utt_id"].implode()))["utt_id"]
    for ids, text in (
        (missing, f"{scores_name} lacks {missing.len()} of the trials in {trials_name}"),
        (extra, f"{scores_name} has {extra.len()} ids that are no trials of {trials_name}"),
    ):
        if ids.len():
            raise TableError(f"{text}: {', '.join(map(repr, ids.head(5)))}")
    # A score column that the trials bring along is somebody else's.
    trials = trials.drop("score", strict=False)
    return trials.join(
        scores.select("utt_id", "score"), on="utt_id", how="left", maintain_order="left"
    )
