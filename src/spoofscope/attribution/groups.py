"""How much evidence there is on average: in a class, attack or condition, and in kinds of sound.

NumPy only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope.attribution.store import Explanation
from spoofscope.attribution_methods import ADDS_UP
from spoofscope.phones import ARPABET, classes_of
from spoofscope.places import times_within

Floats = npt.NDArray[np.float64]

SILENCE, SPEECH, OTHER_PHONES, UNALIGNED = "silence", "speech", "other phones", "unaligned"
"""Kinds of sound beside the classes of phones. speech: what is no silence, where an aligner finds
only silences. other phones: labels outside the classes. unaligned: neither silence nor phone."""

SOUNDS = (SILENCE, SPEECH, *ARPABET, OTHER_PHONES, UNALIGNED)
"""All kinds of sound, in the order of tables and figures."""


@dataclass(frozen=True)
class Evidence:
    """The evidence in some frames of one clip.

    Attributes:
        rows: for spoof, summed over the frames: what each row of the map adds to the score, (rows,)
            in units of the score. Rows are layers, cepstra or bands.
        magnitude_share: magnitude of the frames' evidence, over that of all frames of the clip; in
            [0, 1]. NaN where the clip has no evidence at all.
        time_share: the frames, over all frames that a window covers; in (0, 1].
    """

    rows: Floats
    magnitude_share: float
    time_share: float

    @property
    def contribution(self) -> float:
        """For spoof, summed over the rows, in units of the score."""
        return float(self.rows.sum())

    @property
    def density(self) -> float:
        """Share of the magnitude over share of the time: 1 where evidence is spread evenly."""
        return self.magnitude_share / self.time_share


def is_complete(explanation: Explanation) -> bool:
    """Whether a map adds up to the difference of the scores, if its method says that it does."""
    return explanation.converged or explanation.settings.method not in ADDS_UP


def sounds_of(
    times: Floats, segments: pl.DataFrame, classes: Mapping[str, str] | None
) -> npt.NDArray[np.str_]:
    """The kind of sound of each frame.

    Args:
        times: centres of frames within the clip in seconds, (frames,).
        segments: tier, start, end and label of a clip's aligned segments. The tier `phone` stands
            over `silence`, because a recogniser's phones may reach into a pause.
        classes: of the labels of phones, see `phones.classes_of`; None if the aligner finds no
            phones.

    Returns:
        (frames,), values of `SOUNDS`.
    """
    kinds = np.full(times.size, SPEECH if classes is None else UNALIGNED, dtype="<U16")
    for tier in ("silence", "phone"):
        of_tier = segments.filter(tier=tier).select("start", "end", "label")
        for start, end, label in of_tier.iter_rows():
            kind = SILENCE if tier == "silence" else (classes or {}).get(label, OTHER_PHONES)
            kinds[(times >= start) & (times < end)] = kind
    return kinds


def evidence_in(explanation: Explanation, frames: npt.NDArray[np.bool_]) -> Evidence | None:
    """The evidence in some frames; None if no window covers any of them.

    Args:
        explanation: of a clip.
        frames: which frames, (frames,).
    """
    seen = explanation.seen
    inside = frames & seen
    if not inside.any():
        return None
    values = explanation.map.astype(np.float64)
    values = -values if explanation.settings.target == "bonafide" else values
    magnitudes = np.abs(values.sum(axis=0))
    total = float(magnitudes[seen].sum())
    return Evidence(
        rows=values[:, inside].sum(axis=1),
        magnitude_share=float(magnitudes[inside].sum()) / total if total else float("nan"),
        time_share=float(inside.sum()) / float(seen.sum()),
    )


def by_sound(
    explanations: Iterable[Explanation], segments: pl.DataFrame, seconds: Mapping[str, float]
) -> dict[str, dict[str, Evidence]]:
    """The evidence in each kind of sound.

    Args:
        explanations: of clips.
        segments: utt_id, tier, start, end and label of the segments of an aligner.
        seconds: durations of the clips. Frames that are centred before the start of one, or behind
            its end, hear its first or its last sound, see `places.times_within`.

    Returns:
        Kind of sound, in the order of `SOUNDS`, to utt_id to evidence; clips without any frame of a
        kind are not there. Clips without segments are left out.
    """
    phones = segments.filter(tier="phone")["label"].unique()
    classes = classes_of(phones) if phones.len() else None
    of_clips: Mapping[str, pl.DataFrame] = {
        str(name): part for (name,), part in segments.group_by("utt_id", maintain_order=True)
    }
    kinds: dict[str, dict[str, Evidence]] = {}
    for explanation in explanations:
        if explanation.utt_id not in of_clips:
            continue
        of_clip, hop = of_clips[explanation.utt_id], explanation.settings.hop_seconds
        times = times_within(explanation.times, seconds[explanation.utt_id], hop)
        sounds = sounds_of(times, of_clip, classes)
        for kind in SOUNDS:
            evidence = evidence_in(explanation, sounds == kind)
            if evidence is not None:
                kinds.setdefault(kind, {})[explanation.utt_id] = evidence
    return {kind: kinds[kind] for kind in SOUNDS if kind in kinds}


def mean_rows(evidence: Sequence[Evidence]) -> Floats:
    """Mean over clips of what each row adds to the score, (rows,)."""
    mean: Floats = np.mean([e.rows for e in evidence], axis=0)
    return mean
