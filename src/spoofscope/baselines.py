"""What attributions are relative to: features that stand for "nothing to hear"."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, DetectorError, TableError
from spoofscope.files import atomic_path
from spoofscope.frontends.base import Features
from spoofscope.identity import rng_of
from spoofscope.inputs import FeatureSource, check_features, detector_inputs
from spoofscope.options.attribution import BASELINES, Baseline

_CENTROID = "centroid"


@torch.no_grad()
def window_features(detector: Detector, windows: Sequence[npt.NDArray[np.float32]]) -> list[Tensor]:
    """What the back-end sees of each window: normalised features (C, N, D), on its device.

    Args:
        detector: in evaluation mode.
        windows: each a waveform (n_samples,) cut by the input policy, or its raw features
            (C, N, D).
    """
    results = []
    for window in windows:
        values = torch.from_numpy(window[None]).to(detector.device)
        waveform = values.dim() == 2
        lengths = torch.full((1,), values.shape[1 if waveform else 2], device=detector.device)
        if waveform:
            features = detector.frontend(values, lengths)
        else:
            features = detector.frontend.normalise(Features(values, lengths))
        results.append(features.values[0, :, : int(features.lengths[0])])
    return results


def bonafide_centroid(
    detector: Detector, rows: pl.DataFrame, features: FeatureSource | None = None
) -> Tensor:
    """Mean of the bona fide frames of some utterances: float32 (C, D).

    Every frame has the same weight, so long clips weigh more. Sums are kept in float64.

    Args:
        detector: in evaluation mode.
        rows: manifest rows of the training data; spoof rows are left out.
        features: their cached raw features; None reads the audio.

    Raises:
        TableError: no row is bona fide, or the features lack one. AudioError: a file cannot be
            read. DetectorError: the features were made for another detector.
    """
    rows = rows.filter(pl.col("label") == "bonafide")
    if rows.is_empty():
        raise TableError("no bona fide utterance to average: the centroid needs training data")
    if features is not None:
        check_features(features, detector.frontend, detector.policy)
    total = torch.zeros(detector.frontend.n_channels, detector.frontend.dim, dtype=torch.float64)
    n_frames = 0
    for _, windows in detector_inputs(rows, detector.policy, features):
        for values in window_features(detector, windows):
            total += values.double().sum(dim=1).cpu()
            n_frames += values.shape[1]
    return (total / n_frames).float()


def write_centroid(path: str | Path, centroid: Tensor) -> None:
    """Write a centroid (C, D) as safetensors, atomically."""
    with atomic_path(path) as temporary:
        safetensors.torch.save_file({_CENTROID: centroid.contiguous()}, temporary)


def read_centroid(path: str | Path) -> Tensor:
    """Read what :func:`write_centroid` wrote.

    Raises:
        DetectorError: the file is missing or holds no centroid.
    """
    try:
        return safetensors.torch.load_file(path)[_CENTROID]
    except (OSError, KeyError, safetensors.SafetensorError) as error:
        raise DetectorError(f"{path} holds no centroid: {error}; compute it again") from error


def baseline_features(
    kind: Baseline,
    detector: Detector,
    windows: npt.NDArray[np.float32],
    features: Sequence[Tensor],
    *,
    centroid: Tensor | None,
    seed_parts: tuple[int | str, ...],
) -> list[Tensor]:
    """The baseline of each window of one clip, with the shape of its features (C, N, D).

    * `zeros`: all features 0; where the front-end normalises, that is the training mean.
    * `centroid`: the bona fide centroid in every frame.
    * `silence`: the features of a window of digital silence.
    * `noise`: the features of white Gaussian noise that is as loud as the window.

    Args:
        kind: one of `BASELINES`.
        detector: in evaluation mode.
        windows: (n, n_samples), as the input policy cut them.
        features: their features, n times (C, N, D).
        centroid: (C, D), for `centroid`.
        seed_parts: what the noise depends on: seed and utterance.

    Raises:
        ConfigError: no such baseline, or the centroid is missing.
        DetectorError: the centroid does not fit the features.
    """
    if kind == "zeros":
        return [torch.zeros_like(values) for values in features]
    if kind == "centroid":
        if centroid is None:
            raise ConfigError("attribution: the baseline 'centroid' needs a centroid")
        expected = (detector.frontend.n_channels, detector.frontend.dim)
        if tuple(centroid.shape) != expected:
            raise DetectorError(
                f"the centroid is {tuple(centroid.shape)}, the detector's features {expected}"
            )
        column = centroid.to(detector.device)[:, None]
        return [column.expand_as(values).contiguous() for values in features]
    return window_features(detector, list(baseline_waveforms(kind, windows, seed_parts)))


def baseline_waveforms(
    kind: Baseline, windows: npt.NDArray[np.float32], seed_parts: tuple[int | str, ...]
) -> npt.NDArray[np.float32]:
    """The baseline of each window of one clip as a waveform (n, n_samples); see
    :func:`baseline_features`. The zeros are silence.

    Raises:
        ConfigError: no such baseline, or the centroid, which is no waveform.
    """
    if kind in ("zeros", "silence"):
        return np.zeros_like(windows)
    if kind == "noise":
        rng = rng_of("attribution noise baseline", *seed_parts)
        return noise_like(windows, rng)
    if kind == "centroid":
        raise ConfigError(
            "attribution: the baseline 'centroid' is a mean of features and no waveform; with "
            "`wrt: waveform`, choose silence or noise"
        )
    raise ConfigError(f"attribution: baseline must be one of {', '.join(BASELINES)}, not {kind!r}")


def noise_like(
    windows: npt.NDArray[np.float32], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """White Gaussian noise that is as loud as each window (n, n_samples)."""
    noise = rng.standard_normal(windows.shape)
    level = np.sqrt(np.mean(np.square(windows, dtype=np.float64), axis=1, keepdims=True))
    noise *= level / np.sqrt(np.mean(noise**2, axis=1, keepdims=True))
    return noise.astype(np.float32)
