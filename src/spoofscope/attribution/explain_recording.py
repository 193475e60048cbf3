"""Explaining one recording with a detector alone, without a study and its training data."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from torch import Tensor

from spoofscope import audio
from spoofscope.attribution.explain import Clip, Explainer
from spoofscope.attribution.explained_recording import (
    MASKS,
    SHUFFLES,
    Controlled,
    ExplainedRecording,
    controls_of,
    region_table,
)
from spoofscope.attribution.integrated import recurrent_safe
from spoofscope.attribution.store import MASKINGS
from spoofscope.detector import Detector
from spoofscope.errors import AudioError, ConfigError, DetectorError
from spoofscope.files import sha256_file, shown
from spoofscope.inputs import aggregate_windows
from spoofscope.options.attribution import Baseline, ExplainOptions, Method
from spoofscope.quality import FLAGS
from spoofscope.randomised import randomised_backend
from spoofscope.windows import Windows

Floats = npt.NDArray[np.float64]

LONGEST_SECONDS = 120.0
"""Longer recordings and passages are refused: all windows of one are held in memory."""

_SAME_SCORE = 0.01
_BLOCK_SECONDS = 10.0
_UNUSABLE = ("too_short", "silent")
# The same numbers for every recording: whoever repeats a command gets the same files.
_SEED = 0


def explain_with_controls(
    detector: Detector,
    windows: Windows,
    options: ExplainOptions,
    method: str,
    *,
    shuffles: int,
    seed: int,
    centroid: Tensor | None = None,
) -> Controlled:
    """Explain the score of one clip by a method, and hold the explanation against controls.

    Args:
        detector: it is put into evaluation mode.
        windows: all of the clip's, as the input policy cuts them.
        options: what is explained relative to what, and how.
        method: of attribution, see `attribution_methods`.
        shuffles: back-ends with shuffled weights to compare with.
        seed: of all random choices.
        centroid: (C, D), where the baseline is `centroid`, see `baselines.bonafide_centroid`.

    Raises:
        ConfigError: the detector cannot be explained by this method, or has no weights to shuffle.
        DetectorError: an attribution is not finite, or the centroid is not of these features.
    """
    detector.eval()
    explainer = Explainer(detector, options, method, centroid, seed)
    with recurrent_safe(detector):
        clip = Clip({"utt_id": "-", "label": "-", "attack": "-"}, windows)
        item = explainer.attributed([clip])[0]
        curves = explainer.curves(item)
        shuffled = [
            explainer.against(item, randomised_backend(detector.backend, seed + number))
            for number in range(shuffles)
        ]

    def mean(name: str) -> Floats:
        values = [getattr(curve, name) for curve in curves]
        averages: Floats = np.average(values, axis=0, weights=item.weights)
        return averages

    return Controlled(
        replace(item.explanation, maskings={name: mean(name) for name in MASKINGS}),
        mean("deletion_draws").mean(axis=0),
        mean("insertion_draws").mean(axis=0),
        shuffled,
    )


def explain_recording(
    detector: Detector,
    path: str | os.PathLike[str],
    method: Method,
    baseline: Baseline,
    regions: int,
    centroid: Tensor | None = None,
    passage: tuple[float, float] | None = None,
) -> ExplainedRecording:
    """Judge a recording as `Detector.predict` does, and explain the score of that judgement, or
    that of a passage.

    Args:
        detector: it is put into evaluation mode.
        path: the file.
        method: of attribution.
        baseline: see `options.attribution`.
        regions: top regions per class.
        centroid: (C, D), for the baseline `centroid`.
        passage: from when to when, in seconds: the windows that reach into it are explained. None
            is the whole recording.

    Raises:
        AudioError: the file cannot be read, or is too long, too short or silent.
        ConfigError: the detector cannot be explained by this method; there is no such passage, or
            it is too long, or the detector hears nothing of it.
        DetectorError: a value is not finite, or the explained score is not that of the judgement.
    """
    path = Path(path)
    options = ExplainOptions(baseline=baseline, regions=regions, controls=MASKS)
    if passage is None:
        # Before it is judged, which takes long where it is long.
        _check_whole(detector, path, audio.info(path).duration)
    judgement = detector.predict(path)
    duration, rate = judgement["duration_s"], detector.policy.sample_rate
    if passage is not None:
        check_passage(detector, path, duration, passage)
    for flag in _UNUSABLE:
        if judgement["flags"][flag]:
            raise AudioError(f"{shown(path)}: {FLAGS[flag]}, and there is nothing to explain")
    begin, end = passage or (0.0, duration)
    numbered = [
        (number, piece)
        for number, piece in enumerate(detector.windows(path))
        if piece.start < end * rate and piece.start + piece.valid > begin * rate
    ]
    if not numbered:
        raise ConfigError(
            f"{shown(path)}: this detector hears nothing of the recording from {begin:g} to "
            f"{end:g} s"
        )
    numbers, pieces = zip(*numbered, strict=True)
    first = 0 if passage is None else pieces[0].start
    windows = Windows(
        np.stack([piece.values for piece in pieces]),
        np.array([piece.start - first for piece in pieces]),
        np.array([piece.valid for piece in pieces]),
    )
    last = max(piece.start + piece.valid for piece in pieces)
    controlled = explain_with_controls(
        detector, windows, options, method, shuffles=SHUFFLES, seed=_SEED, centroid=centroid
    )
    explanation = controlled.explanation
    scores = [judgement["window_scores"][number] for number in numbers]
    scored = aggregate_windows(scores, detector.aggregation)
    if abs(explanation.score - scored) > _SAME_SCORE * max(1.0, abs(scored)):
        raise DetectorError(
            f"{shown(path)}: the score is {scored:.6g}, and what would be explained is "
            f"{explanation.score:.6g}; was the file written to meanwhile? Repeat, and report it"
        )
    start = first / rate
    end = duration if passage is None else min(duration, last / rate)
    found = region_table(explanation, end - start, regions)
    return ExplainedRecording(
        str(path),
        sha256_file(path),
        judgement,
        explanation,
        controls_of(controlled),
        found.with_columns(pl.col("start", "end") + start),
        start + np.stack([windows.starts, windows.starts + windows.valid], axis=1) / rate,
        scores,
        _samples(path, rate, first, round(end * rate)),
        (start, end),
    )


def _check_whole(detector: Detector, path: Path, duration: float) -> None:
    if duration > LONGEST_SECONDS:
        # Others take the whole recording at once.
        way_out = "" if detector.policy.length is None else "; name a passage of it"
        raise AudioError(
            f"{shown(path)}: the recording lasts {duration:.2f} s, and at most "
            f"{LONGEST_SECONDS:g} s are explained{way_out}"
        )


def check_passage(
    detector: Detector, path: Path, duration: float, passage: tuple[float, float]
) -> None:
    """Refuse a passage that cannot be explained.

    Args:
        detector: by which.
        path: of the recording, for the message.
        duration: of the recording, in seconds.
        passage: from when to when, in seconds.

    Raises:
        ConfigError: the recording has no such passage, it is too long, or the detector takes whole
            recordings.
    """
    begin, end = passage
    if not 0 <= begin < min(end, duration):
        raise ConfigError(
            f"{shown(path)}: the recording lasts {duration:.2f} s, so {begin:g} to {end:g} s is no "
            "passage of it"
        )
    seconds = min(end, duration) - begin
    if seconds > LONGEST_SECONDS:
        raise ConfigError(
            f"a passage of {seconds:g} s is too long; at most {LONGEST_SECONDS:g} s are explained"
        )
    if detector.policy.length is None:
        raise ConfigError("this detector takes whole recordings, and judges no passage of one")


def _samples(path: Path, rate: int, first: int, last: int) -> audio.Samples:
    """Samples (n,) of a file at `rate` Hz, from one number to another."""
    clip = audio.Clip(path)
    parts, passed = [], 0
    for block in audio.resample_blocks(clip.blocks(_BLOCK_SECONDS), clip.rate, rate):
        parts.append(block[max(0, first - passed) : max(0, last - passed)])
        passed += block.size
        if passed >= last:
            break
    return np.concatenate(parts)
