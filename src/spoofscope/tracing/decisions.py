"""Bona fide, made by a known attack, or by an unknown one: a detector and a tracer decide together.

The rule is that of REFD (Xie et al., "Generalized Source Tracing", Interspeech 2024): a clip whose
score says bona fide is bona fide, whatever else is said of it; of the others the tracer names the
attack, or calls it unknown. REFD's threshold was set by hand; here it is that of the detector's
development set.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from spoofscope.metrics.decided import measure_decisions
from spoofscope.metrics.tables import clusters_of
from spoofscope.names import BONAFIDE, NONE, UNKNOWN
from spoofscope.ood.base import Outputs
from spoofscope.tracing.fitted import FittedTracer
from spoofscope.tracing.systems import with_source_text
from spoofscope.tracing.traces import attack_names

DECISION_COLUMNS: dict[str, pl.DataType] = {
    "utt_id": pl.String(),
    "attack": pl.String(),
    "truth": pl.String(),
    "score": pl.Float64(),
    "answer": pl.String(),
    "decision": pl.String(),
}
"""attack: `bonafide` of bona fide clips. truth, decision: `bonafide`, a known attack, or `unknown`.
score: of the detector. answer: what the tracer says by itself."""


def decisions(
    tracer: FittedTracer, clips: pl.DataFrame, outputs: Outputs, threshold: float
) -> pl.DataFrame:
    """What is decided about every clip.

    Args:
        tracer: with what a decision needs.
        clips: utt_id, label, attack and the detector's score; bona fide ones and spoofs.
        outputs: of the tracer's network, in the order of the clips.
        threshold: of the score; from it on a clip is bona fide.

    Returns:
        Columns :data:`DECISION_COLUMNS`, in the order of the clips.
    """
    names = attack_names(clips)
    known = {*tracer.classes, BONAFIDE}
    answers = tracer.answers(outputs)["answer"]
    is_bonafide = (clips["score"] >= threshold).to_numpy()
    return pl.DataFrame(
        {
            "utt_id": clips["utt_id"],
            "attack": names,
            "truth": [name if name in known else UNKNOWN for name in names],
            "score": clips["score"],
            "answer": answers,
            "decision": np.where(is_bonafide, BONAFIDE, answers.to_numpy()),
        },
        schema=DECISION_COLUMNS,
    )


def decision_measures(
    table: pl.DataFrame,
    clips: pl.DataFrame,
    classes: Sequence[str],
    *,
    unit: str,
    resamples: int,
    seed: int,
) -> pl.DataFrame:
    """How good decisions are, see `metrics.decided.measure_decisions`.

    Args:
        table: of :func:`decisions`.
        clips: the same clips, with speaker and, where they are known, texts.
        classes: of the tracer.
        unit: "attack" draws whole attacks, and of bona fide clips whole speakers; "source_text"
            draws whole texts.
        resamples, seed: of the intervals.
    """
    rows = clips.with_columns(table["truth"], table["decision"], named=table["attack"])
    rows = with_source_text(rows).sort("utt_id")
    units = clusters_of(rows, "speaker").to_list()
    if unit == "source_text" and (rows[unit] != NONE).any():
        units = clusters_of(rows, unit).to_list()
    elif unit == "attack":
        units = [
            f"speaker {speaker}" if name == BONAFIDE else f"attack {name}"
            for name, speaker in zip(rows["named"], units, strict=True)
        ]
    return measure_decisions(
        rows["truth"].to_list(),
        rows["decision"].to_list(),
        [name for name in classes if name != BONAFIDE],
        units,
        resamples=resamples,
        seed=seed,
    )
