"""Causal masking: what masks do to error rates, and what random masks do."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from spoofscope.errors import SpoofscopeError
from spoofscope.exhibits import Table
from spoofscope.masking.tables import UNMASKED, read_masked
from spoofscope.metrics.correlation import holm
from spoofscope.metrics.limits import smallest_corrected, smallest_p
from spoofscope.metrics.masked import SCHEMA, compare_masked
from spoofscope.names import BOTH, ENERGY, NONE, SIZE
from spoofscope.options.masks import MASKS
from spoofscope.summaries.thresholds import fixed_threshold
from spoofscope.tables import read_manifest, read_table, write_table

TABLE = Table(
    title="Causal masking",
    shows="What masks do to error rates, against unmasked recordings and against random masks.",
    caption=(
        "One row per detector, mask, variant, strength, metric and reference. difference is the "
        "metric with the mask, less that without it (against unmasked), or that with random masks "
        "of the same size, of the same energy, or of both (against size, energy, both). "
        "bonafide_rejected and spoof_accepted are at the "
        "threshold that was chosen before masking. Intervals are 95 % intervals of the paired "
        "differences. A p_holm below 0.05 is significant after Holm's correction over all tests of "
        "this table; a larger one does not prove equality; if p_smallest is 0.05 or more, the test "
        "cannot be significant. share: of the frames, or of the spectrum, and 1 where the whole "
        "waveform is masked; energy: of the masked frames, or of the change of the waveform, over "
        "that of the clip. control_share and control_energy: of the random masks of the row. "
        "as_published: the form "
        "of the publication, kept for comparison."
    ),
    needs="masked_scores",
    place=64,
)

_KEYS = ("mask", "variant", "strength")
_SIZES = ("share", "energy")
_OPTIONAL = ("ci_low", "ci_high", "p", "p_holm", "p_smallest", "control_share", "control_energy")
_COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("name", "corpus", "split"), pl.String()),
    "seed": pl.Int64(),
    **dict.fromkeys(("mask", "type", "variant", "as_published", "unit"), pl.String()),
    "strength": pl.Float64(),
    **{name: kind for name, kind in SCHEMA.items() if name not in (*_OPTIONAL, "n_clusters")},
    **dict.fromkeys(_SIZES, pl.Float64()),
}


def make(
    masked: Sequence[Mapping[str, Any]],
    masks: Mapping[str, Mapping[str, Any]],
    outputs: Mapping[str, str],
    *,
    resamples: int,
    bootstrap_seed: int,
    cluster: str | None,
) -> None:
    """Write the table, see :func:`masking`."""
    table = masking(masked, masks, resamples, bootstrap_seed, cluster)
    write_table(outputs["table"], table)


def masking(
    masked: Sequence[Mapping[str, Any]],
    masks: Mapping[str, Mapping[str, Any]],
    resamples: int,
    seed: int,
    cluster: str | None,
) -> pl.DataFrame:
    """All differences, with Holm's correction over all tests.

    Args:
        masked: of every detector and set: name, seed, corpus, split, `scores` (the table of masked
            scores), `manifest`, and what knows the threshold: `detector` or, where it is chosen on
            other trials, their `dev_scores`, `dev_manifest` and `dev_split`.
        masks: the section `masking.masks`.
        resamples, seed, cluster: as in `metrics.masked.compare_masked`.

    Returns:
        The columns in the caption. What leaves every score as it was, such as a strength of 0, is
        not tested, and has no interval.

    Raises:
        TableError: a table is damaged, or does not fit its manifest.
        SpoofscopeError: a detector has no threshold; as `compare_masked`.
    """
    table = pl.concat(_differences(entry, masks, resamples, seed, cluster) for entry in masked)
    table = table.with_row_index("row")
    tests = table.filter(pl.col("p").is_not_null())
    floors = [max(smallest_p(n) or 1.0, 2 / (resamples + 1)) for n in tests["n_units"]]
    corrected = tests.select(
        "row",
        pl.Series("p_holm", holm(tests["p"]) if tests.height else [], dtype=pl.Float64),
        pl.Series("p_smallest", smallest_corrected(floors), dtype=pl.Float64),
    )
    joined = table.join(corrected, on="row", how="left", maintain_order="left")
    first = [name for name in _COLUMNS if name not in (*_SIZES, *SCHEMA)]
    order = [*first, *(name for name in SCHEMA if name != "p")]
    order.insert(order.index("ci_high") + 1, "p")
    order[order.index("p") + 1 : order.index("p") + 1] = ["p_holm", "p_smallest"]
    return joined.select(*order, *_SIZES, *(f"control_{name}" for name in _SIZES))


def _differences(
    entry: Mapping[str, Any],
    masks: Mapping[str, Mapping[str, Any]],
    resamples: int,
    seed: int,
    cluster: str | None,
) -> pl.DataFrame:
    """The tests of one detector on one set."""
    scores = read_masked(entry["scores"]).filter(weights=0).sort("utt_id")
    manifest = read_manifest(entry["manifest"]).filter(split=entry["split"])
    unmasked = scores.filter(mask=UNMASKED)
    trials = unmasked.select("utt_id").join(
        manifest, on="utt_id", how="inner", maintain_order="left"
    )
    if trials.height < unmasked.height:
        raise SpoofscopeError(
            f"{entry['scores']}: an utterance is not in {entry['manifest']}; delete it, and the "
            "next run makes it again"
        )
    forms = scores.filter(pl.col("mask") != UNMASKED).partition_by(
        *_KEYS, as_dict=True, maintain_order=False
    )
    order = sorted(forms)
    tested = compare_masked(
        unmasked["score"].to_numpy(),
        [
            {
                str(matched): [
                    of_one["score"].to_numpy()
                    for of_one in of_family.partition_by("control", maintain_order=True)
                ]
                for (matched,), of_family in forms[key].group_by("matched", maintain_order=True)
            }
            for key in order
        ],
        trials,
        fixed_threshold(entry, "masking"),
        resamples=resamples,
        seed=seed,
        cluster=cluster,
    )
    described = pl.DataFrame(
        [
            {
                "number": number,
                **dict(zip(_KEYS, key, strict=True)),
                **_described(masks[str(key[0])]),
                **_size(forms[key], NONE),
                "changes": not forms[key].filter(matched=NONE)["score"].equals(unmasked["score"]),
            }
            for number, key in enumerate(order)
        ]
    )
    sizes = pl.DataFrame(
        [
            {
                "number": number,
                "against": matched,
                **{f"control_{name}": mean for name, mean in _size(forms[key], matched).items()},
            }
            for number, key in enumerate(order)
            for matched in (SIZE, ENERGY, BOTH)
        ],
        schema_overrides=dict.fromkeys(("control_share", "control_energy"), pl.Float64),
    )
    changing = pl.col("changes")
    return (
        tested.join(described, on="number", maintain_order="left")
        .join(sizes, on=["number", "against"], how="left", maintain_order="left")
        .with_columns(
            *(pl.lit(entry[key]).alias(key) for key in ("name", "corpus", "split")),
            pl.lit(entry["seed"], dtype=pl.Int64).alias("seed"),
            *(pl.when(changing).then(pl.col(name)) for name in ("ci_low", "ci_high", "p")),
        )
        .drop("number", "changes")
    )


def _described(entry: Mapping[str, Any]) -> dict[str, str]:
    """What a mask is, from its entry."""
    options = MASKS[entry["type"]].from_dict({k: v for k, v in entry.items() if k != "type"})
    return {
        "type": entry["type"],
        "as_published": "yes" if options.is_published else "no",
        "unit": options.unit,
    }


def _size(form: pl.DataFrame, matched: str) -> dict[str, float | None]:
    """How much is masked, on average, by a mask, or by its controls of a family."""
    return form.filter(matched=matched).select(pl.col(_SIZES).mean()).row(0, named=True)


def read_masking(path: str) -> pl.DataFrame:
    """The table of masking; an undefined value is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    optional = {**dict.fromkeys(_OPTIONAL, pl.Float64()), "n_clusters": pl.Int64()}
    return read_table(path, _COLUMNS, optional)
