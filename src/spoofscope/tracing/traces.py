"""What a tracer says of the clips of a split, and how well it does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import polars as pl

from spoofscope.errors import TableError, TrainingError
from spoofscope.metrics.slices import slices
from spoofscope.names import BONAFIDE, NONE, SPOOF
from spoofscope.ood.base import Outputs
from spoofscope.tables import read_table, rows_of_source
from spoofscope.tracing.fitted import Clips, FittedTracer, fit
from spoofscope.tracing.outputs import read_outputs
from spoofscope.tracing.systems import KNOWN, quadrants_of, systems, with_source_text

Families = Sequence[tuple[str, str, str, str]]

TRACE_COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "attack": pl.String(),
    "known": pl.String(),
    "known_id": pl.Int64(),
    "family": pl.String(),
    "language": pl.String(),
    "quadrant": pl.String(),
    "source_text": pl.String(),
    "predicted": pl.Int64(),
    "predicted_attack": pl.String(),
    "p_max": pl.Float64(),
    "predicted_family": pl.String(),
    "p_family": pl.Float64(),
    "answer": pl.String(),
}
"""Columns of the traces of a split, besides `ood_{detector}` for every detector of unknown
attacks. known is yes or no: whether the tracer was trained on the attack."""


def attack_names(rows: pl.DataFrame) -> pl.Series:
    """The attack of each row, or `bonafide`."""
    bonafide = pl.col("label") == BONAFIDE
    return rows.select(
        pl.when(bonafide).then(pl.lit(BONAFIDE)).otherwise(pl.col("attack")).alias("attack")
    ).to_series()


def families_of_attacks(manifest: pl.DataFrame, families: Families) -> dict[str, str]:
    """Attack to family, "-" where it is not known; see `systems`."""
    if not (manifest["label"] == SPOOF).any():
        return {}
    return dict(systems(manifest, families).select("attack", "family").iter_rows())


def clips_of_sources(
    manifests: Mapping[str, pl.DataFrame],
    paths: Mapping[str, str],
    sources: Sequence[Mapping[str, Any]],
    split: str,
    files: Sequence[str | Path],
) -> tuple[pl.DataFrame, Outputs]:
    """The clips of a training or development set, and the outputs in their order.

    Args:
        manifests: by corpus.
        paths: of the manifests, for messages.
        sources: corpora, and which of their attacks are meant.
        split: of the clips.
        files: of `tracing.outputs`, which have these clips.

    Returns:
        utt_id, path, label, attack and language of each clip, and the outputs.

    Raises:
        TableError: a clip has no outputs.
    """

    def with_language(manifest: pl.DataFrame) -> pl.DataFrame:
        told = "language" in manifest.columns
        return manifest if told else manifest.with_columns(pl.lit(NONE).alias("language"))

    rows = pl.concat(
        [
            rows_of_source(
                with_language(manifests[source["corpus"]]),
                split,
                paths[source["corpus"]],
                tuple(source["attacks"]) if "attacks" in source else None,
                tuple(source.get("exclude_attacks", ())),
            ).select("utt_id", "path", "label", "attack", "language")
            for source in sources
        ]
    )
    return rows, in_order(rows["utt_id"].to_list(), files)


def in_order(utt_ids: Sequence[str], files: Sequence[str | Path]) -> Outputs:
    """The outputs of some clips, in their order.

    Raises:
        TableError: a clip has none.
    """
    places: dict[str, tuple[int, int]] = {}
    read = []
    for number, path in enumerate(files):
        ids, outputs = read_outputs(path)
        places |= {utt_id: (number, place) for place, utt_id in enumerate(ids)}
        read.append(outputs)
    missing = [utt_id for utt_id in utt_ids if utt_id not in places]
    if missing:
        raise TableError(
            f"{', '.join(map(str, files))}: {len(missing)} clips have no outputs of the tracer, "
            f"the first is {missing[0]!r}; make these files anew"
        )
    offsets = np.cumsum([0, *(len(outputs) for outputs in read)])
    chosen = np.array([offsets[n] + place for n, place in (places[u] for u in utt_ids)], dtype=int)
    vectors = np.concatenate([outputs.vectors for outputs in read])[chosen]
    return Outputs(vectors, np.concatenate([outputs.logits for outputs in read])[chosen])


def fit_from(
    classes: Sequence[str],
    train: tuple[pl.DataFrame, Outputs],
    dev: tuple[pl.DataFrame, Outputs],
    families: Mapping[str, str],
    *,
    ood: Mapping[str, Mapping[str, Any]],
    decide_by: str,
    threshold: str,
    accept_known: float,
    where: str,
    name: str,
) -> FittedTracer:
    """Fit what a decision needs to the clips that a network was trained and selected on.

    Bona fide clips take part where they are a class of the network. See `fitted.fit`.

    Raises:
        TrainingError: as `fitted.fit`; a class has no training clip.
        DetectorError: as `fitted.fit`.
    """
    numbers = {attack: i for i, attack in enumerate(classes)}

    def chosen(rows: pl.DataFrame, outputs: Outputs) -> tuple[pl.DataFrame, Outputs, Any]:
        names = attack_names(rows)
        wanted = (names != BONAFIDE) | (BONAFIDE in numbers)
        ids = np.array([numbers.get(attack, -1) for attack in names.filter(wanted)], dtype=np.int64)
        return rows.filter(wanted), outputs.rows(wanted.to_numpy()), ids

    rows, outputs, ids = chosen(*train)
    absent = [attack for attack in classes if numbers[attack] not in set(ids.tolist())]
    if absent or (ids < 0).any():
        raise TrainingError(
            f"{where}: the training clips are not those of the network "
            f"(no clip of {', '.join(absent[:3])}); train it anew"
        )
    dev_rows, dev_outputs, dev_ids = chosen(*dev)
    return fit(
        Clips(rows["utt_id"].to_list(), rows["path"].to_list(), ids, outputs),
        dev_outputs,
        dev_ids,
        dev_unknown=sorted(set(attack_names(dev_rows)) - set(classes)),
        classes=classes,
        families=[families.get(attack, NONE) for attack in classes],
        ood=ood,
        decide_by=decide_by,
        threshold=threshold,
        accept_known=accept_known,
        languages=sorted(set(rows.filter(pl.col("label") == SPOOF)["language"])),
        where=where,
        name=name,
    )


def traces(
    tracer: FittedTracer, manifest: pl.DataFrame, split: str, outputs: Outputs, families: Families
) -> pl.DataFrame:
    """What a tracer says of the clips of a split.

    Bona fide clips are left out unless they are a class of the tracer.

    Args:
        tracer: with what a decision needs.
        manifest: of the corpus, all splits.
        split: of the clips.
        outputs: for all rows of the split, in their order.
        families: see `systems`.

    Returns:
        Columns `TRACE_COLUMNS` and `ood_{detector}`.

    Raises:
        TableError: no clip is left.
    """
    numbers = {name: i for i, name in enumerate(tracer.classes)}
    of_attack = families_of_attacks(manifest, families)
    table = manifest.filter(pl.col("split") == split)
    # Of the tracer's own training, which the corpus need not have.
    table = table.with_columns(quadrants_of(table, tracer.meta["languages"], tracer.classes))
    names = attack_names(table)
    wanted = (names != BONAFIDE) | (BONAFIDE in numbers)
    table, names = table.filter(wanted), names.filter(wanted)
    if table.is_empty():
        raise TableError(
            f"split {split!r}: all clips are bona fide, which this tracer was not trained on"
        )
    table = with_source_text(table)
    if "language" not in table.columns:
        table = table.with_columns(pl.lit(NONE).alias("language"))
    ids = [numbers.get(name, -1) for name in names]
    answers = tracer.answers(outputs.rows(wanted.to_numpy()))
    said = table.select("utt_id", "language", "quadrant", "source_text").with_columns(
        names,
        pl.Series("known", [KNOWN[number < 0] for number in ids]),
        pl.Series("known_id", ids, dtype=pl.Int64()),
        pl.Series("family", [of_attack.get(name, NONE) for name in names]),
    )
    whole = pl.concat([said, answers], how="horizontal")
    scores = [name for name in whole.columns if name.startswith("ood_")]
    return whole.select(*TRACE_COLUMNS, *scores)


def read_traces(path: str | Path) -> pl.DataFrame:
    """Read the traces of a split.

    Raises:
        TableError: as `tables.read_table`.
    """
    head = read_table(path, TRACE_COLUMNS)
    scores = {name: pl.Float64() for name in head.columns if name.startswith("ood_")}
    return read_table(path, {**TRACE_COLUMNS, **scores}).select(*TRACE_COLUMNS, *scores)


def measures(
    table: pl.DataFrame,
    thresholds: Mapping[str, float],
    *,
    ambiguous: Sequence[str],
    unit: str,
    resamples: int,
    seed: int,
) -> pl.DataFrame:
    """All metrics of the traces of a split, see `metrics.slices`.

    Ambiguous attacks that the split does not have are passed over.
    """
    there = set(table["attack"])
    return slices(
        table.with_columns(pl.col("known") == KNOWN[0]),
        thresholds,
        unit=cast(Literal["attack", "source_text"], unit),
        ambiguous=[name for name in ambiguous if name in there],
        resamples=resamples,
        seed=seed,
    )
