"""What attributions are relative to: features that stand for "nothing to hear"."""

from collections.abc import Sequence
from dataclasses import dataclass
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
from spoofscope.inputs import FeatureSource, check_features, decoded_windows, detector_inputs
from spoofscope.options.attribution import BASELINES, Baseline

MOST_FRAMES = 16384
"""Bona fide frames that are kept of the training data."""

_CENTROID, _FRAMES, _LEVELS, _FIRSTS = "centroid", "frames", "levels", "firsts"
# Values of kept frames; of large SSL models these are 2,600 frames, or 52 s.
_MOST_VALUES = 2**26
_LEVEL_SECONDS = 0.032
_SOFTEST = 1e-10
# Squared dB. Cheaper joins follow levels more closely, and put cuts where no recording has any.
_JOIN_COST = 1000.0
_SHARE_DRAWN = 0.5


@dataclass(frozen=True)
class BonafideFrames:
    """Passages of bona fide training clips: frames as they follow each other in a window.

    Attributes:
        values: normalised features, float32 (P, C, D), one passage after the other.
        levels: float64 (P,), in dB: of the waveform around each frame.
        firsts: int64, ascending from 0: the first frame of each passage.
    """

    values: Tensor
    levels: npt.NDArray[np.float64]
    firsts: npt.NDArray[np.int64]

    def alike(self, levels: npt.NDArray[np.float64], rng: np.random.Generator) -> Tensor:
        """Runs of frames, joined, that are about as loud as some levels (n,): (C, n, D)."""
        return self.values[torch.from_numpy(self.places(levels, rng))].transpose(0, 1)

    def places(
        self, levels: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        """Which frames stand in for frames of some levels (n,).

        Half of the passages are drawn. Of all ways through them, joined anywhere, this is the one
        with the least cost: the sum of squared differences of levels in dB, and 1,000 per join.
        Levels beyond those of the drawn passages count as the nearest that they have.
        """
        n_passages = len(self.firsts)
        ends = np.append(self.firsts[1:], len(self.levels))
        drawn = rng.permutation(n_passages)[: max(1, round(_SHARE_DRAWN * n_passages))]
        order = np.concatenate([np.arange(self.firsts[i], ends[i]) for i in drawn])
        first, known = np.isin(order, self.firsts), self.levels[order]
        wanted = levels.clip(known.min(), known.max())

        # The cheapest way to each frame either comes from the frame before it, or joins it to the
        # cheapest way there was (Viterbi).
        goes_on = np.zeros((len(wanted), len(order)), dtype=bool)
        joined = np.zeros(len(wanted), dtype=np.int64)
        cost = np.square(wanted[0] - known)
        for i in range(1, len(wanted)):
            joined[i] = cost.argmin()
            join = cost[joined[i]] + _JOIN_COST
            before = np.where(first, np.inf, np.roll(cost, 1))
            goes_on[i] = before <= join
            cost = np.minimum(before, join) + np.square(wanted[i] - known)
        path = np.full(len(wanted), cost.argmin())
        for i in range(len(wanted) - 1, 0, -1):
            path[i - 1] = path[i] - 1 if goes_on[i, path[i]] else joined[i]
        places: npt.NDArray[np.int64] = order[path]
        return places


def frame_levels(
    detector: Detector, window: npt.NDArray[np.float32], n_frames: int
) -> npt.NDArray[np.float64]:
    """Levels (n_frames,) in dB of the 32 ms of a window (n_samples,) around each of its frames."""
    frontend, rate = detector.frontend, detector.policy.sample_rate
    total = np.concatenate([[0.0], np.cumsum(np.square(window, dtype=np.float64))])
    centres = frontend.first_centre_seconds + frontend.hop_seconds * np.arange(n_frames)
    # Front-ends may have frames that are centred before the start or behind the end.
    start = np.rint((centres - _LEVEL_SECONDS / 2) * rate).clip(0, window.size - 1).astype(np.int64)
    end = np.rint((centres + _LEVEL_SECONDS / 2) * rate).clip(1, window.size).astype(np.int64)
    levels: npt.NDArray[np.float64] = 10 * np.log10(
        (total[end] - total[start]) / np.maximum(end - start, 1) + _SOFTEST
    )
    return levels


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


def bonafide_frames(
    detector: Detector, rows: pl.DataFrame, features: FeatureSource | None = None, *, seed: int
) -> BonafideFrames:
    """Drawn windows of the bona fide utterances, see :func:`bonafide_centroid`.

    Every window is as likely. Together they have :data:`MOST_FRAMES`, or fewer of large features;
    the last one is cut there.

    Raises:
        As :func:`bonafide_centroid`.
    """
    rows = rows.filter(pl.col("label") == "bonafide")
    if rows.is_empty():
        raise TableError("no bona fide utterance to draw frames of: they are training data")
    if features is not None:
        check_features(features, detector.frontend, detector.policy)
    frontend = detector.frontend
    most = max(1, min(MOST_FRAMES, _MOST_VALUES // (frontend.n_channels * frontend.dim)))
    rng = rng_of("bona fide frames", seed)
    kept: list[tuple[float, Tensor, npt.NDArray[np.float64]]] = []
    for utt_id, windows in decoded_windows(rows, detector.policy):
        cached = None if features is None else features[utt_id]
        of_windows = window_features(detector, list(windows.values) if cached is None else cached)
        for window, of_window in zip(windows.values, of_windows, strict=True):
            levels = frame_levels(detector, window, of_window.shape[1])
            kept.append((rng.random(), of_window.transpose(0, 1).cpu(), levels))
        # Of all windows so far, those with the lowest random numbers.
        kept.sort(key=lambda entry: entry[0])
        ends = np.cumsum([levels.size for _, _, levels in kept])
        kept = kept[: int(np.searchsorted(ends, most)) + 1]
    return BonafideFrames(
        torch.cat([values for _, values, _ in kept])[:most].float(),
        np.concatenate([levels for _, _, levels in kept])[:most],
        np.cumsum([0, *(levels.size for _, _, levels in kept[:-1])]),
    )


def write_centroid(
    path: str | Path, centroid: Tensor, frames: BonafideFrames | None = None
) -> None:
    """Write a centroid (C, D), and frames where there are any, as safetensors, atomically."""
    tensors = {_CENTROID: centroid.contiguous()}
    if frames is not None:
        tensors[_FRAMES] = frames.values.contiguous()
        tensors[_LEVELS] = torch.from_numpy(frames.levels)
        tensors[_FIRSTS] = torch.from_numpy(frames.firsts)
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(tensors, temporary)


def read_centroid(path: str | Path) -> Tensor:
    """Read what :func:`write_centroid` wrote.

    Raises:
        DetectorError: the file is missing or holds no centroid.
    """
    try:
        return safetensors.torch.load_file(path)[_CENTROID]
    except (OSError, KeyError, safetensors.SafetensorError) as error:
        raise DetectorError(f"{path} holds no centroid: {error}; compute it again") from error


def read_frames(path: str | Path) -> BonafideFrames | None:
    """The frames that :func:`write_centroid` wrote; None where it wrote a centroid alone.

    Raises:
        DetectorError: as :func:`read_centroid`.
    """
    read_centroid(path)
    tensors = safetensors.torch.load_file(path)
    if _FIRSTS not in tensors:
        return None
    return BonafideFrames(tensors[_FRAMES], tensors[_LEVELS].numpy(), tensors[_FIRSTS].numpy())


def baseline_features(
    kind: Baseline,
    detector: Detector,
    windows: npt.NDArray[np.float32],
    features: Sequence[Tensor],
    *,
    centroid: Tensor | None,
    frames: BonafideFrames | None = None,
    seed_parts: tuple[int | str, ...],
) -> list[Tensor]:
    """The baseline of each window of one clip, with the shape of its features (C, N, D).

    * `zeros`: all features 0; where the front-end normalises, that is the training mean.
    * `centroid`: the bona fide centroid in every frame.
    * `bonafide`: passages of bona fide training data that are about as loud, drawn and joined.
    * `silence`: the features of a window of digital silence.
    * `noise`: the features of white Gaussian noise that is as loud as the window.

    Args:
        kind: one of `BASELINES`.
        detector: in evaluation mode.
        windows: (n, n_samples), as the input policy cut them.
        features: their features, n times (C, N, D).
        centroid: (C, D), for `centroid`.
        frames: for `bonafide`.
        seed_parts: what noise and drawn frames depend on: seed and utterance.

    Raises:
        ConfigError: no such baseline, or the centroid, or what frames are drawn from, is missing.
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
    if kind == "bonafide":
        if frames is None:
            raise ConfigError("attribution: the baseline 'bonafide' needs frames of training data")
        return drawn_alike(detector, windows, features, frames, seed_parts)
    return window_features(detector, list(baseline_waveforms(kind, windows, seed_parts)))


def drawn_alike(
    detector: Detector,
    windows: npt.NDArray[np.float32],
    features: Sequence[Tensor],
    frames: BonafideFrames,
    seed_parts: tuple[int | str, ...],
) -> list[Tensor]:
    """For each window, joined bona fide passages that are about as loud: (C, N, D) each.

    Args:
        detector, windows, features, frames, seed_parts: as of :func:`baseline_features`.

    Raises:
        DetectorError: the frames do not fit the features.
    """
    expected = (detector.frontend.n_channels, detector.frontend.dim)
    if tuple(frames.values.shape[1:]) != expected:
        raise DetectorError(
            f"the bona fide frames are {tuple(frames.values.shape[1:])}, the detector's features "
            f"{expected}"
        )
    rng = rng_of("bona fide frames as loud", *seed_parts)
    return [
        frames.alike(frame_levels(detector, window, values.shape[1]), rng).to(values)
        for window, values in zip(windows, features, strict=True)
    ]


def baseline_waveforms(
    kind: Baseline, windows: npt.NDArray[np.float32], seed_parts: tuple[int | str, ...]
) -> npt.NDArray[np.float32]:
    """The baseline of each window of one clip as a waveform (n, n_samples); see
    :func:`baseline_features`. The zeros are silence.

    Raises:
        ConfigError: no such baseline, or one that is no waveform.
    """
    if kind in ("zeros", "silence"):
        return np.zeros_like(windows)
    if kind == "noise":
        rng = rng_of("attribution noise baseline", *seed_parts)
        return noise_like(windows, rng)
    if kind in ("centroid", "bonafide"):
        raise ConfigError(
            f"attribution: the baseline {kind!r} is made of features and no waveform; with "
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
