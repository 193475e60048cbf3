"""Explaining one recording with a detector alone, without a study and its training data."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
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
from spoofscope.errors import AudioError, DetectorError
from spoofscope.files import sha256_file, shown
from spoofscope.options.attribution import Baseline, ExplainOptions, Method
from spoofscope.quality import FLAGS
from spoofscope.randomised import randomised_backend
from spoofscope.windows import Windows

Floats = npt.NDArray[np.float64]

LONGEST_SECONDS = 120.0
"""Longer recordings are refused: all windows of one are held in memory."""

_SAME_SCORE = 0.01
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
) -> ExplainedRecording:
    """Judge a recording as `Detector.predict` does, and explain the score of that judgement.

    Args:
        detector: it is put into evaluation mode.
        path: the file.
        method: of attribution.
        baseline: see `options.attribution`.
        regions: top regions per class.
        centroid: (C, D), for the baseline `centroid`.

    Raises:
        AudioError: the file cannot be read, or is too long, too short or silent.
        ConfigError: the detector cannot be explained by this method.
        DetectorError: a value is not finite, or the explained score is not that of the judgement.
    """
    path = Path(path)
    options = ExplainOptions(baseline=baseline, regions=regions, controls=MASKS)
    judgement = detector.predict(path, longest=LONGEST_SECONDS)
    for flag in _UNUSABLE:
        if judgement["flags"][flag]:
            raise AudioError(f"{shown(path)}: {FLAGS[flag]}, and there is nothing to explain")
    pieces = list(detector.windows(path))
    windows = Windows(
        np.stack([piece.values for piece in pieces]),
        np.array([piece.start for piece in pieces]),
        np.array([piece.valid for piece in pieces]),
    )
    controlled = explain_with_controls(
        detector, windows, options, method, shuffles=SHUFFLES, seed=_SEED, centroid=centroid
    )
    explanation, scored = controlled.explanation, judgement["score"]
    if abs(explanation.score - scored) > _SAME_SCORE * max(1.0, abs(scored)):
        raise DetectorError(
            f"{shown(path)}: the score is {scored:.6g}, and what would be explained is "
            f"{explanation.score:.6g}; was the file written to meanwhile? Repeat, and report it"
        )
    rate = detector.policy.sample_rate
    return ExplainedRecording(
        str(path),
        sha256_file(path),
        judgement,
        explanation,
        controls_of(controlled),
        region_table(explanation, judgement["duration_s"], regions),
        np.stack([windows.starts, windows.starts + windows.valid], axis=1) / rate,
        audio.read(path, rate)[0],
    )
