"""Do detectors use the artefacts whose places are known? Localisation and masking together."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.attribution.localisation import is_above_chance, read_localisation
from spoofscope.attribution.verdicts import of_controls, read_checks
from spoofscope.exhibits import Table
from spoofscope.identity import rng_of
from spoofscope.masking.tables import UNMASKED, read_masked
from spoofscope.metrics.correlation import holm, mean_interval
from spoofscope.metrics.flips import flipped_mean
from spoofscope.metrics.paired import ALPHA
from spoofscope.metrics.tables import clusters_of, evaluate, resampled_by
from spoofscope.names import BONAFIDE, BOTH, NONE, SIZE
from spoofscope.tables import join_scores, read_manifest, read_scores, read_table, write_table

TABLE = Table(
    title="Use of known cues",
    shows="Whether every detector uses the known artefact of every attack, by four criteria.",
    caption=(
        "One row per detector, attack and method of attribution. axis: where the artefact has a "
        "place, in time or among the bands; none where it is everywhere, so that nothing can be "
        "said. controls: whether explanations of this detector by this method pass their controls "
        "(table faithfulness). eer: of the attack's spoofs against all bona fide speech. auc: of "
        "the evidence for spoof at the artefact, and the upper end of chance. drop: by how much "
        "the evidence for spoof falls, in units of the score, where features at the artefact are "
        "replaced (by the nearest that stay, in time or among the bands, or by bona fide passages "
        "as loud, as the mask says); drop_control: where as "
        "many others are; beyond: the difference, with its 95 % interval over speakers (or clips), "
        "p by sign flips and p_holm over all detectors and attacks. p_copies: share of copies of "
        "the detector with shuffled weights, itself counted as one, whose drop beyond control is "
        "as large, each in standard deviations of its own bona fide scores. uses the planted cue: "
        "the interval of the EER lies below 50 %, that of the AUC above chance, drop and beyond "
        "are positive with p_holm below 0.05, and p_copies is at most 0.05. Otherwise: no "
        "evidence, which does not prove that the cue is not used; lacks says which of the four is "
        "missing."
    ),
    needs="cue_uses",
    place=65,
)

USES, NO_EVIDENCE = "uses the planted cue", "no evidence"
DETECTION, LOCALISATION, CAUSE, LEARNING = "detection", "localisation", "causal drop", "learning"
METRIC = "auc_evidence"
NOWHERE = "none"

_CHANCE_EER = 0.5

_TEXTS = ("name", "corpus", "split", "attack", "method", "axis", "controls", "verdict", "lacks")
_NUMBERS = (
    *("eer", "eer_low", "eer_high", "auc", "auc_low", "auc_high", "auc_chance_high", "drop"),
    *("drop_control", "beyond", "beyond_low", "beyond_high", "p", "p_holm", "p_copies"),
)
_COUNTS = ("seed", "n_spoof", "n_localised", "n_masked", "n_units", "copies")
_ORDER = (
    *("name", "seed", "corpus", "split", "attack", "method", "axis", "controls"),
    *("verdict", "lacks"),
    *("eer", "eer_low", "eer_high", "n_spoof"),
    *("auc", "auc_low", "auc_high", "auc_chance_high", "n_localised"),
    *("drop", "drop_control", "beyond", "beyond_low", "beyond_high", "p", "p_holm"),
    *("n_masked", "n_units", "copies", "p_copies"),
)
_SCHEMA: dict[str, pl.DataType] = {
    name: pl.String() if name in _TEXTS else pl.Int64() if name in _COUNTS else pl.Float64()
    for name in _ORDER
}

Floats = npt.NDArray[np.float64]


class Drop(NamedTuple):
    """What replacing an artefact does, and what as many other features do.

    drop, control, beyond: means over clips, in units of the score; beyond with its interval, None
    where there is none. p: of beyond, None where nothing is masked, or there is a single unit.
    n, units: clips, and what is resampled. copies: with shuffled weights. p_copies: None without.
    """

    drop: float
    control: float
    beyond: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    units: int
    copies: int
    p_copies: float | None


def make(
    uses: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
    *,
    resamples: int,
    bootstrap_seed: int,
    cluster: str | None,
) -> None:
    """Write the table, see :func:`cue_use`."""
    write_table(outputs["table"], cue_use(uses, resamples, bootstrap_seed, cluster))


def cue_use(
    uses: Sequence[Mapping[str, Any]], resamples: int, seed: int, cluster: str | None
) -> pl.DataFrame:
    """The table, with Holm's correction over all detectors and attacks.

    Args:
        uses: of every detector: name, seed, corpus, split, `scores`, `manifest`, `masked` (scores
            of masked utterances), `mask` (the one of artefacts) and `localisations` (of each method
            a table, and the `checks` of its explanations).
        resamples, seed, cluster: of the bootstrap.

    Returns:
        The columns in the caption.

    Raises:
        TableError: a table is damaged, or does not fit its manifest.
    """
    rows: list[dict[str, Any]] = []
    for entry in uses:
        rows += _of_detector(entry, resamples, seed, cluster)
    tests = {
        (row["name"], row["corpus"], row["split"], row["attack"]): row["p"]
        for row in rows
        if row["p"] is not None
    }
    corrected = dict(zip(tests, holm(list(tests.values())).tolist(), strict=True)) if tests else {}
    for row in rows:
        row["p_holm"] = corrected.get((row["name"], row["corpus"], row["split"], row["attack"]))
        missing = lacking(row)
        row["lacks"] = ", ".join(missing) or "-"
        row["verdict"] = NO_EVIDENCE if missing else USES
    return pl.DataFrame(rows, schema=_SCHEMA)


def lacking(row: Mapping[str, Any]) -> list[str]:
    """The criteria that a row does not meet; all four have to be met."""
    met = {
        DETECTION: row["eer_high"] is not None and row["eer_high"] < _CHANCE_EER,
        LOCALISATION: is_above_chance(
            {"ci_low": row["auc_low"], "chance_high": row["auc_chance_high"]}
        ),
        # Where the replacement itself sounds like a spoof, less harm than elsewhere is no drop.
        CAUSE: row["p_holm"] is not None
        and row["p_holm"] < ALPHA
        and min(row["drop"], row["beyond"]) > 0,
        LEARNING: row["p_copies"] is not None and row["p_copies"] <= ALPHA,
    }
    return [name for name, is_met in met.items() if not is_met]


def _of_detector(
    entry: Mapping[str, Any], resamples: int, seed: int, cluster: str | None
) -> list[dict[str, Any]]:
    manifest = read_manifest(entry["manifest"]).filter(split=entry["split"])
    scores = read_scores(entry["scores"])
    trials = manifest.join(scores.select("utt_id"), on="utt_id", maintain_order="left")
    joined = join_scores(scores, trials, scores_name=entry["scores"], trials_name=entry["manifest"])
    rates = evaluate(joined, ["attack"], resamples, seed, cluster, only={"eer"})
    masked = read_masked(entry["masked"]).join(
        manifest, on="utt_id", how="inner", maintain_order="left"
    )
    localised = pl.concat(
        read_localisation(of_method["table"]).with_columns(
            pl.lit(of_controls(read_checks(of_method["checks"]))).alias("controls")
        )
        for of_method in entry["localisations"]
    )
    rows: list[dict[str, Any]] = []
    for attack in sorted(set(masked.filter(pl.col("label") != BONAFIDE)["attack"])):
        rate = rates.filter(condition="attack", level=attack, metric="eer").row(0, named=True)
        drop = drop_of(masked, attack, entry["mask"], resamples, seed, cluster)
        common = {
            **{key: entry[key] for key in ("name", "seed", "corpus", "split")},
            "attack": attack,
            "eer": rate["value"],
            "eer_low": rate["ci_low"],
            "eer_high": rate["ci_high"],
            "n_spoof": rate["n_spoof"],
            "drop": drop.drop,
            "drop_control": drop.control,
            "beyond": drop.beyond,
            "beyond_low": drop.low,
            "beyond_high": drop.high,
            "p": drop.p,
            "n_masked": drop.n,
            "n_units": drop.units,
            "copies": drop.copies,
            "p_copies": drop.p_copies,
        }
        found = localised.filter(pl.col("n") > 0, attack=attack, metric=METRIC)
        for row in found.iter_rows(named=True):
            rows.append(
                {
                    **common,
                    "method": row["method"],
                    "axis": row["axis"],
                    "auc": row["value"],
                    "auc_low": row["ci_low"],
                    "auc_high": row["ci_high"],
                    "auc_chance_high": row["chance_high"],
                    "n_localised": row["n"],
                    "controls": row["controls"],
                }
            )
        if found.is_empty():
            nothing = dict.fromkeys(("auc", "auc_low", "auc_high", "auc_chance_high"))
            nowhere = {"method": NOWHERE, "axis": NOWHERE, "controls": NONE, "n_localised": 0}
            rows.append({**common, **nothing, **nowhere})
    return rows


def drop_of(
    masked: pl.DataFrame, attack: str, mask: str, resamples: int, seed: int, cluster: str | None
) -> Drop:
    """What a mask of artefacts does to the scores of an attack.

    Args:
        masked: the scores of masked utterances with the columns of their manifest.
        attack: whose spoofs count.
        mask: its name; at its greatest strength.
        resamples, seed, cluster: of the bootstrap.

    Raises:
        TableError: the cluster column is missing or empty.
    """
    by_weights = {
        int(weights): rows for (weights,), rows in masked.group_by("weights", maintain_order=True)
    }
    own = _differences(by_weights[0], attack, mask)
    column = resampled_by(own, cluster)
    units = own["utt_id"] if column is None else clusters_of(own, column)
    beyond = own["beyond"].to_numpy()
    n_units = units.n_unique()
    changes = bool(own["changes"].any()) and n_units > 1
    rng = rng_of("cue use", seed, attack)
    interval = mean_interval(beyond, resamples, rng, units) if changes else None
    effects = {weights: _standardised(rows, attack, mask) for weights, rows in by_weights.items()}
    effect = effects.pop(0)
    p_copies = None
    if effects and effect is not None and changes:
        # A copy whose bona fide scores are all the same has no scale, and counts against.
        larger = sum(other is None or other >= effect for other in effects.values())
        p_copies = (1 + larger) / (1 + len(effects))
    return Drop(
        float(own["drop"].to_numpy().mean()),
        float(own["control"].to_numpy().mean()),
        float(beyond.mean()),
        None if interval is None else interval.low,
        None if interval is None else interval.high,
        flipped_mean(beyond, units) if changes else None,
        own.height,
        n_units,
        len(effects),
        p_copies,
    )


def _differences(masked: pl.DataFrame, attack: str, mask: str) -> pl.DataFrame:
    """Of every spoof of an attack: drop, control (mean over controls), beyond, changes; and the
    columns of the manifest.
    """
    of_attack = masked.filter(pl.col("label") != BONAFIDE, attack=attack)
    unmasked = of_attack.filter(mask=UNMASKED).rename({"score": "unmasked"})
    forms = of_attack.filter(mask=mask).filter(pl.col("strength") == pl.col("strength").max())
    with_mask = forms.filter(control=0).select("utt_id", pl.col("score").alias("with_mask"))
    controls = (
        forms.filter(pl.col("matched").is_in([SIZE, BOTH]))
        .group_by("utt_id")
        .agg(pl.col("score").mean().alias("with_control"))
    )
    return (
        unmasked.join(with_mask, on="utt_id", maintain_order="left")
        .join(controls, on="utt_id", maintain_order="left")
        .with_columns(
            (pl.col("with_mask") - pl.col("unmasked")).alias("drop"),
            (pl.col("with_control") - pl.col("unmasked")).alias("control_drop"),
            (pl.col("with_mask") - pl.col("with_control")).alias("beyond"),
            (pl.col("with_mask") != pl.col("unmasked")).alias("changes"),
        )
        .drop("control")
        .rename({"control_drop": "control"})
        .sort("utt_id")
    )


def _standardised(masked: pl.DataFrame, attack: str, mask: str) -> float | None:
    """Mean drop beyond control in standard deviations of the bona fide scores."""
    bonafide = masked.filter(mask=UNMASKED, label=BONAFIDE).sort("utt_id")["score"].to_numpy()
    spread = float(bonafide.std())
    if spread == 0:
        return None
    return float(_differences(masked, attack, mask)["beyond"].to_numpy().mean()) / spread


def read_cue_use(path: str) -> pl.DataFrame:
    """The table; an undefined value is null.

    Raises:
        TableError: as `tables.read_table`.
    """
    optional = {name: kind for name, kind in _SCHEMA.items() if name in _NUMBERS}
    required = {name: kind for name, kind in _SCHEMA.items() if name not in optional}
    return read_table(path, required, optional).select(list(_SCHEMA))
