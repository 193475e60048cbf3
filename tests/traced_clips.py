"""What a tracer says of made-up clips, in the files that tables and figures are made of."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from spoofscope.ood.base import Outputs
from spoofscope.tables import write_table
from spoofscope.tracing.outputs import write_outputs
from spoofscope.tracing.traces import fit_from, measures, traces

OOD = {"energy": {"type": "energy"}, "inverted": {"type": "energy", "as_published": True}}


def write_traced(
    folder: Path,
    name: str,
    classes: Sequence[str],
    clips: Mapping[str, int],
    *,
    strength: float = 6.0,
    seed: int = 1,
    ood: Mapping[str, Mapping[str, Any]] = OOD,
    resamples: int = 200,
    split: str = "eval",
    ambiguous: Sequence[str] = (),
    dev_unknown: bool = True,
) -> dict[str, Any]:
    """A tracer, what it says of the clips of a corpus `made`, and how well it does.

    Args:
        folder: for its files.
        name: of the tracer.
        classes: the known attacks.
        clips: attack to number of its clips in the traced split.
        strength: how much larger the logit of the right attack is.
        seed: of the tracer.
        ood: name to detector of unknown attacks; `energy` decides.
        resamples, split, ambiguous: see `tracing.traces.measures`.
        dev_unknown: whether dev has clips of an unknown attack.

    Returns:
        The plan's entry, see `plan.tracing.Tracing`.
    """
    rng = np.random.default_rng(seed)

    def outputs(attacks: Sequence[str]) -> Outputs:
        logits = rng.normal(size=(len(attacks), len(classes)))
        for row, attack in zip(logits, attacks, strict=True):
            if attack in classes:
                row[classes.index(attack)] += strength
        return Outputs(logits.astype(np.float32), logits.astype(np.float32))

    def rows(part: str, attacks: Sequence[str]) -> pl.DataFrame:
        ids = [f"{part}{i}" for i in range(len(attacks))]
        labels = ["bonafide" if attack == "bonafide" else "spoof" for attack in attacks]
        names = ["-" if attack == "bonafide" else attack for attack in attacks]
        languages = ["en" if i % 3 else "de" for i in range(len(attacks))]
        columns = {"utt_id": ids, "path": ids, "label": labels, "attack": names}
        columns["language"] = languages
        return pl.DataFrame(columns).with_columns(split=pl.lit(part))

    def both(part: str, attacks: Sequence[str]) -> tuple[pl.DataFrame, Outputs]:
        return rows(part, attacks), outputs(attacks)

    tracer = fit_from(
        classes,
        both("train", [*classes] * 4),
        both("dev", [*classes, *["dev unknown"] * dev_unknown] * 8),
        {},
        ood=ood,
        decide_by="energy",
        threshold="eer" if dev_unknown else "known",
        accept_known=0.95,
        where="made",
        name=name,
    )
    place = folder / name / str(seed)
    place.mkdir(parents=True, exist_ok=True)
    tracer.write_into(place, "0" * 64)
    manifest = rows(split, [attack for attack, n in clips.items() for _ in range(n)])
    given = outputs([attack for attack, n in clips.items() for _ in range(n)])
    write_outputs(place / "outputs.safetensors", manifest["utt_id"].to_list(), given)
    table = traces(tracer, manifest, split, given, [])
    write_table(place / "traces.tsv", table)
    measured = measures(
        table,
        tracer.thresholds,
        ambiguous=ambiguous,
        unit="attack",
        resamples=resamples,
        seed=1,
    )
    write_table(place / "metrics.tsv", measured)
    return {
        "id": f"{name}-00000000",
        "name": name,
        "kind": "tracer",
        "seed": seed,
        "corpus": "made",
        "split": split,
        "traces": str(place / "traces.tsv"),
        "metrics": str(place / "metrics.tsv"),
        "tracer": str(place / "tracer.json"),
        "outputs": str(place / "outputs.safetensors"),
    }
