"""Per attack: how often it is named, called unknown, told from known ones, and mistaken."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.corpora.cues import auc_interval
from spoofscope.exhibits import Table
from spoofscope.metrics.limits import QUANTILE, clopper_pearson
from spoofscope.metrics.open_set import auroc
from spoofscope.metrics.slices import SCORE
from spoofscope.names import NONE, UNKNOWN
from spoofscope.summaries.traced import evaluation_first, settings_of
from spoofscope.tables import write_table
from spoofscope.tracing.systems import KNOWN
from spoofscope.tracing.traces import read_traces

TABLE = Table(
    title="Source tracing per attack",
    shows="How often every attack is named or called unknown, and what it is mistaken for.",
    caption=(
        "One row per tracer, seed, traced set and attack. recall is the share of its clips whose "
        "likeliest known attack is the right one, precision the share of right ones among the "
        "known clips that are said to be of it; both without a threshold. called_unknown is the "
        "share of clips beyond the threshold chosen on dev: a miss for known attacks, the right "
        "answer for unknown ones. auroc is how often the detector of unknown attacks that decides "
        "scores a clip of the unknown attack higher than one of the known attacks (all of the "
        "set). mistaken_for is the most frequent wrong attack, with its share. Intervals are of "
        "single clips (exact binomial ones, and for auroc Newcombe's method 5), so they are too "
        "narrow where clips of an attack are alike."
    ),
    needs="traced_clips",
    place=56,
)

RATES = ("recall", "precision", "called_unknown")
_AREA = "auroc"

# A split may have no known attack, and a tracer may make no mistake.
_COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("attack", "known", "family"), pl.String()),
    "n": pl.Int64(),
    **{f"{rate}{end}": pl.Float64() for rate in RATES[:2] for end in ("", "_low", "_high")},
    "n_said": pl.Int64(),
    **{f"{name}{end}": pl.Float64() for name in (RATES[2], _AREA) for end in ("", "_low", "_high")},
    "mistaken_for": pl.String(),
    "mistaken_share": pl.Float64(),
}


def make(traced: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Write the table, see :func:`attacks_of`."""
    parts = []
    for entry in evaluation_first(traced):
        where = [pl.lit(entry[key]).alias(key) for key in ("name", "seed", "corpus", "split")]
        found = attacks_of(read_traces(entry["traces"]), settings_of(entry)["decide_by"])
        parts.append(found.select(*where, pl.all()))
    write_table(outputs["table"], pl.concat(parts))


def attacks_of(clips: pl.DataFrame, decides: str) -> pl.DataFrame:
    """A row per attack of traced clips: known ones by their number, then unknown ones by name.

    Args:
        clips: as `tracing.traces.read_traces` gives them.
        decides: the detector of unknown attacks that decides.

    Returns:
        attack, known (yes or no), family, n, then recall and precision of known attacks,
        called_unknown of all and auroc of unknown ones, each with `_low` and `_high` (95 %, Clopper
        and Pearson, or Newcombe), n_said (known clips that are said to be of it), mistaken_for
        ("-" if it never is) and mistaken_share. Null where there is nothing to count. Clips of an
        unknown attack are mistaken where they are not called unknown.
    """
    rows = []
    score = SCORE + decides
    of_known = clips.filter(known=KNOWN[0])
    said = of_known["predicted"]
    order = clips.select("known", "known_id", "attack", "family").unique(subset="attack")
    order = order.sort(pl.col("known") != KNOWN[0], "known_id", "attack")
    for known, number, attack, family in order.iter_rows():
        own = clips.filter(attack=attack)
        row: dict[str, Any] = {"attack": attack, "known": known, "family": family, "n": own.height}
        if known == KNOWN[0]:
            right = int((own["predicted"] == number).sum())
            n_said = int((said == number).sum())
            row |= _rate("recall", right, own.height) | _rate("precision", right, n_said)
            row["n_said"] = n_said
            wrong = own.filter(pl.col("predicted") != number)
            row |= dict.fromkeys((_AREA, f"{_AREA}_low", f"{_AREA}_high"))
        else:
            row |= _rate("recall", 0, 0) | _rate("precision", 0, 0) | {"n_said": None}
            wrong = own.filter(pl.col("answer") != UNKNOWN)
            row |= _area(of_known[score], own[score])
        row |= _rate("called_unknown", int((own["answer"] == UNKNOWN).sum()), own.height)
        others = (
            wrong["predicted_attack"]
            .value_counts()
            .sort("count", "predicted_attack", descending=[True, False])
        )
        row["mistaken_for"] = others["predicted_attack"][0] if others.height else NONE
        row["mistaken_share"] = others["count"][0] / own.height if others.height else None
        rows.append(row)
    return pl.DataFrame(rows, schema=_COLUMNS)


def _rate(name: str, count: int, n: int) -> dict[str, float | None]:
    if n == 0:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = clopper_pearson(count, n)
    return {name: count / n, f"{name}_low": low, f"{name}_high": high}


def _area(known: pl.Series, unknown: pl.Series) -> dict[str, float | None]:
    """Of the scores of all known clips, and of those of an unknown attack."""
    value = low = high = None
    if known.len():
        value = auroc(known, unknown)
        low, high = auc_interval(value, unknown.len(), known.len(), QUANTILE)
    return {_AREA: value, f"{_AREA}_low": low, f"{_AREA}_high": high}
