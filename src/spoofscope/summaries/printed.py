"""Tables as papers print them: LaTeX with booktabs, and CSV for spreadsheets.

Numbers have the digits that their intervals support: the half-width of the interval has two
significant digits, and the number as many decimals. Where there is no interval, a number has as
many decimals as the smallest count of trials in its row has digits, because it moves in steps of
one trial; and three significant digits where there is no count either. p values are printed as
`p_values` says; in CSV they stay numbers, however small.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from spoofscope.display import DisplayNames
from spoofscope.files import write_text
from spoofscope.names import BONAFIDE, NONE
from spoofscope.p_values import p_number, p_text
from spoofscope.summaries.latex import Column, escaped, table_of
from spoofscope.tables import read_table

_MOST_DECIMALS = 12
_FLOOR = "p_smallest"
_ENDS = ("_low", "_high")

PERCENT = frozenset(
    ("eer", "hter", "bonafide_rejected", "spoof_accepted", "macro_eer", "worst_eer")
)
"""Columns of shares that LaTeX shows as per cent, as papers do."""

HEADINGS = {
    **{"eer": "EER", "min_dcf": "minDCF", "act_dcf": "actDCF", "auc": "AUC"},
    **{"cllr": "Cllr", "min_cllr": "min Cllr"},
    **{"act_dcf_calibrated": "actDCF, calibrated", "cllr_calibrated": "Cllr, calibrated"},
    **{"hter": "HTER", "act_tdcf_calibrated": "t-DCF, calibrated"},
    **{"macro_eer": "Mean EER", "worst_eer": "Highest EER", "worst_level": "Level with it"},
    **{"name": "System", "n_bonafide": "Bona fide", "n_spoof": "Spoofs", "n_seeds": "Seeds"},
    **{"min_tdcf": "min t-DCF", "act_tdcf": "act t-DCF", "ours": "Here"},
    **{"p_holm": "p (Holm)", "auroc": "AUROC", "fpr95": "FPR95"},
}
"""What columns and metrics are called in print; others by their names without underscores. Metrics
are not asked, so that an edit of one makes no table stale that has it not."""


def write_printed(
    tsv: str,
    tex: str,
    csv_path: str,
    *,
    title: str,
    caption: str,
    columns: Sequence[str],
    interval_of: str,
    names: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write what a paper prints of a table, beside it.

    Args:
        tsv: the table.
        tex, csv_path: the files that are written.
        title, caption: of its record.
        columns: those that LaTeX shows, if they are there; by default all. CSV has all.
        interval_of: the column that `ci_low` and `ci_high` belong to; by default the one before.
        names: section `names` of the study file.
    """
    table = typed(tsv)
    people = DisplayNames(names)
    rows = [_named(*each, people) for each in rounded_rows(table, interval_of)]
    write_text(csv_path, _csv(table.columns, rows))
    in_percent = [
        _named(*each, people) for each in rounded_rows(table, interval_of, PERCENT, p_text)
    ]
    pairs = intervals(table.columns, interval_of)
    ends = {end for pair in pairs.values() for end in pair}
    spreads = {f"{column}_sd" for column in pairs}
    kept = [column for column in columns if column in table.columns] or [
        column for column in table.columns if column not in ends | spreads
    ]
    name = Path(tsv).name.removesuffix(".tsv")
    write_text(tex, _latex(name, title, caption, kept, _numbers(table), pairs, in_percent))


def typed(tsv: str) -> pl.DataFrame:
    """A table whose columns are numbers where every field is one or empty, and texts otherwise."""
    texts = read_table(tsv, {}, rest=pl.String())
    columns = []
    for name in texts.columns:
        filled = texts[name].replace("", None)
        numbers = filled.cast(pl.Float64, strict=False)
        is_number = name not in _NAMES and filled.drop_nulls().len() == numbers.drop_nulls().len()
        whole = is_number and filled.drop_nulls().str.contains(r"^-?\d+$").all()
        columns.append((filled.cast(pl.Int64) if whole else numbers) if is_number else texts[name])
    return pl.DataFrame(columns)


# Columns that hold names, which may be digits alone.
_NAMES = (
    *("name", "corpus", "split", "condition", "level", "worst_level", "attack", "group", "utt_id"),
    *("speaker", "run", "seeds", "published", "small_levels", "without_eer", "without_interval"),
)


def _numbers(table: pl.DataFrame) -> set[str]:
    return {name for name in table.columns if table[name].dtype.is_numeric()}


def intervals(columns: Sequence[str], interval_of: str = "") -> dict[str, tuple[str, str]]:
    """Column of a number to the columns of the ends of its interval.

    Those of `eer` are `eer_low` and `eer_high`. Ends of another name belong to `interval_of`, or to
    the column before them.
    """
    pairs = {}
    for i, low in enumerate(columns):
        stem = low.removesuffix("_low")
        high = f"{stem}_high"
        if stem == low or high not in columns or i == 0:
            continue
        if stem in columns:
            pairs[stem] = (low, high)
        else:
            pairs[interval_of if stem == "ci" and interval_of else columns[i - 1]] = (low, high)
    return pairs


def rounded_rows(
    table: pl.DataFrame,
    interval_of: str = "",
    percent: Collection[str] = (),
    said: Callable[[float], str] = p_number,
) -> list[tuple[dict[str, Any], dict[str, str]]]:
    """Every row with its values and, by column, its texts, numbers rounded as the module says.

    Args:
        table: with typed columns.
        interval_of: see :func:`write_printed`.
        percent: columns of shares that are written as per cent, with their intervals.
        said: text of a p value; what one cannot be below is a number always.
    """
    pairs = intervals(table.columns, interval_of)
    owners = {end: column for column, ends in pairs.items() for end in ends}
    owners |= {f"{column}_sd": column for column in pairs if f"{column}_sd" in table.columns}
    owners |= {column: column for column in pairs}
    counts = [name for name in table.columns if name == "n" or name.startswith("n_")]
    rows = []
    for row in table.iter_rows(named=True):
        trials = [row[name] for name in counts if isinstance(row[name], int) and row[name] > 0]
        texts = {}
        for column, value in row.items():
            if isinstance(value, float):
                ends = pairs.get(owners.get(column, ""))
                low, high = (row[ends[0]], row[ends[1]]) if ends else (None, None)
                places = 2 if owners.get(column, column) in percent else 0
                p = re.fullmatch("p|p_.*", column) and 0 <= value <= 1
                texts[column] = (
                    (p_number if column == _FLOOR else said)(value)
                    if p
                    else _rounded(value, low, high, trials, places)
                )
            else:
                texts[column] = "" if value is None else str(value)
        rows.append((row, texts))
    return rows


def _rounded(
    value: float,
    low: float | None,
    high: float | None,
    trials: Sequence[int],
    places: int,
) -> str:
    """A number with the decimal point moved to the right by so many places."""
    if not math.isfinite(value):
        return ""
    moved = value * 10**places
    if low is not None and high is not None and high > low:
        return fixed(moved, decimals_of(10**places * (high - low) / 2))
    if trials and abs(value) <= 1:
        return fixed(moved, max(0, max(1, math.ceil(math.log10(min(trials)))) - places))
    return f"{moved:.3g}" if abs(moved) < 1000 else f"{moved:.0f}"


def decimals_of(half_width: float) -> int:
    """Decimals with which a half-width has two significant digits; none below zero."""
    return min(max(1 - math.floor(math.log10(half_width)), 0), _MOST_DECIMALS)


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals; zero has no sign."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _named(row: Mapping[str, Any], texts: Mapping[str, str], names: DisplayNames) -> dict[str, str]:
    """The texts of a row with the names for people."""
    return {
        column: text
        if not isinstance(row[column], str) or text == NONE
        else "bona fide"
        if text == BONAFIDE
        else HEADINGS.get(text, text)
        if column == "metric"
        else names.of_column(column, text, row)
        for column, text in texts.items()
    }


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[column] for column in columns] for row in rows)
    return stream.getvalue()


# --- LaTeX ---------------------------------------------------------------------------------------


def _latex(
    name: str,
    title: str,
    caption: str,
    columns: Sequence[str],
    numbers: set[str],
    pairs: Mapping[str, tuple[str, str]],
    rows: Sequence[Mapping[str, str]],
) -> str:
    brackets = " Brackets hold 95 % intervals." if pairs.keys() & set(columns) else ""
    return table_of(
        [
            Column(
                escaped(heading(column)),
                [_cell(column, row, pairs) for row in rows],
                column in numbers,
            )
            for column in columns
        ],
        f"{escaped(title)}. {escaped(caption + brackets)}",
        name.replace("_", "-").replace(".", "-"),
    )


def heading(column: str) -> str:
    """What a column is called in print."""
    words = column.replace("_", " ")
    text = HEADINGS.get(column, words[:1].upper() + words[1:])
    return f"{text} (%)" if column in PERCENT else text


def _cell(column: str, row: Mapping[str, str], pairs: Mapping[str, tuple[str, str]]) -> str:
    text = escaped(row[column])
    if not text or column not in pairs:
        return text
    low, high = (escaped(row[end]) for end in pairs[column])
    spread = row.get(f"{column}_sd")
    text += f" $\\pm$ {escaped(spread)}" if spread else ""
    return f"{text} {{[{low}, {high}]}}" if low and high else text
