"""How well tracers name attacks and tell unknown ones, and whether they differ."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.exhibits import Table
from spoofscope.metrics.paired_tracing import SCHEMA, compare_tracers
from spoofscope.metrics.slices import CLOSED, OVERALL, SCORE, STRICT, WITHOUT
from spoofscope.names import NONE
from spoofscope.options import check_resamples
from spoofscope.summaries.traced import evaluation_first, over_seeds, polarity, settings_of, summary
from spoofscope.tables import write_table
from spoofscope.tracing.systems import KNOWN
from spoofscope.tracing.traces import read_traces

TABLE = Table(
    title="Source tracing",
    shows="How well every tracer names attacks and tells unknown ones, with intervals.",
    caption=(
        "One row per tracer, traced set and selection of attacks: overall; without the ambiguous "
        "attacks; strict, without unknown attacks of a family that a known attack has. Each has "
        "the mean over seeds, the standard deviation (columns _sd) and the 95 % interval of the "
        "first seed (columns _low and _high), for which whole attacks (or texts) are drawn again. "
        "accuracy, balanced_accuracy and macro_f1 are those of known clips, with no threshold. The "
        "others judge the detector of unknown attacks that decides: auroc, eer, fpr95 and oscr "
        "over all thresholds; open_set_f1, known_rejected and unknown_accepted at the one chosen "
        "on dev. polarity says whether dev showed that a higher score means more unknown; without "
        "an unknown attack in dev nobody has checked it. n_unknown_in_dev of the unknown attacks "
        "are in this dev, too, and so not new to what was chosen there. tracing.pairs.tsv has the "
        "differences between tracers, first minus second, on the same resamples, with p values."
    ),
    needs="traced_pairs",
    place=52,
    more=("pairs",),
)

OPEN = ("auroc", "eer", "fpr95", "oscr", "open_set_f1", "known_rejected", "unknown_accepted")


def make(
    traced: Sequence[Mapping[str, Any]],
    unit: str,
    resamples: int,
    bootstrap_seed: int,
    outputs: Mapping[str, str],
) -> None:
    """Write the table, see :func:`tracing_table`, and `pairs`, see :func:`tracing_pairs`."""
    write_table(outputs["table"], tracing_table(traced))
    write_table(outputs["pairs"], tracing_pairs(traced, unit, resamples, bootstrap_seed))


def tracing_table(traced: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """All metrics per tracer, set and selection of attacks.

    Args:
        traced: name, seed, corpus, split, and the files metrics, traces and tracer of each tracer,
            seed and set.

    Returns:
        name, corpus, split, attacks (selection), n_seeds, decides (the detector of unknown
        attacks), polarity (see `summaries.traced.polarity`), n_known_attacks, n_unknown_attacks,
        n_unknown_in_dev (of these, those that the tracer's dev has, too), n_known, n_unknown
        (clips), then the metrics.
    """
    rows = []
    for (name, corpus, split), of_set in over_seeds(traced).items():
        settings = settings_of(of_set[0][0])
        decides, met = settings["decide_by"], settings["meta"]["dev_unknown"]
        clips = read_traces(of_set[0][0]["traces"])
        for selection in (OVERALL, WITHOUT, STRICT):
            chosen = [table.filter(slice=selection) for _, table in of_set]
            if chosen[0].is_empty():
                continue
            closed = [table.filter(detector=NONE) for table in chosen]
            opened = [table.filter(detector=decides) for table in chosen]
            first = opened[0].row(0, named=True)
            left_out = first["value"].split(", ") if selection == WITHOUT else []
            rows.append(
                {
                    "name": name,
                    "corpus": corpus,
                    "split": split,
                    "attacks": selection,
                    "n_seeds": len(of_set),
                    "decides": decides,
                    "polarity": polarity(settings, decides),
                    **_attacks(clips, selection, left_out, met),
                    "n_known": first["n_known"],
                    "n_unknown": first["n_unknown"],
                    **summary(closed, CLOSED),
                    **summary(opened, OPEN),
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None)


def _attacks(
    clips: pl.DataFrame, selection: str, left_out: Sequence[str], met: Sequence[str]
) -> dict[str, int]:
    """How many known and unknown attacks a selection has, and how many of the latter were met in
    dev; bona fide speech is none.
    """
    known, unknown = (clips.filter(known=word) for word in KNOWN)
    if selection == STRICT:
        shared = {*known["family"], NONE}
        unknown = unknown.filter(~pl.col("family").is_in(sorted(shared)))
    names = [{*part["attack"]} - {*left_out, "bonafide"} for part in (known, unknown)]
    return {
        "n_known_attacks": len(names[0]),
        "n_unknown_attacks": len(names[1]),
        "n_unknown_in_dev": len(names[1] & set(met)),
    }


def tracing_pairs(
    traced: Sequence[Mapping[str, Any]], unit: str, resamples: int, seed: int
) -> pl.DataFrame:
    """Differences between the tracers of a set, first seeds; see `metrics.paired_tracing`.

    Tracers that know other attacks are not compared with each other.

    Returns:
        corpus, split, then the columns of `compare_tracers`; no row without resamples.
    """
    check_resamples(resamples, "bootstrap.resamples")
    alike: dict[tuple[Any, ...], dict[str, pl.DataFrame]] = {}
    for entry in evaluation_first(traced):
        settings = settings_of(entry)
        place = entry["corpus"], entry["split"], frozenset(settings["classes"])
        table = read_traces(entry["traces"]).with_columns(
            pl.col("known") == KNOWN[0], pl.col(SCORE + settings["decide_by"]).alias("ood_score")
        )
        alike.setdefault(place, {}).setdefault(entry["name"], table)
    parts = [
        compare_tracers(tables, unit=unit, resamples=resamples, seed=seed).select(
            pl.lit(corpus).alias("corpus"), pl.lit(split).alias("split"), pl.all()
        )
        for (corpus, split, _), tables in alike.items()
        if len(tables) > 1 and resamples
    ]
    schema = {"corpus": pl.String(), "split": pl.String(), **SCHEMA}
    return pl.concat(parts) if parts else pl.DataFrame(schema=schema)
