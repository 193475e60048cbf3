"""Folders of noises and room responses, in the layouts of MUSAN and RIRS_NOISES."""

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from spoofscope.audio import Clip, Samples, has_suffix, info, mix, resample
from spoofscope.errors import AudioError, ConfigError
from spoofscope.files import files_below, paths_below
from spoofscope.recordings import Recording, look_at, portable_paths


def source_folder(sources: Mapping[str, Path], key: str, inner: str, effect: str) -> Path:
    """The folder of one source; the folder above it (as an archive unpacks) will do too.

    Args:
        sources: what the study names under `noise`.
        key: `musan` or `rirs`.
        inner: the archive's own top folder, `musan` or `RIRS_NOISES`.
        effect: the effect that asks, for the message.

    Raises:
        ConfigError: the study names none, or it is no folder.
    """
    if key not in sources:
        raise ConfigError(
            f"effect {effect} needs recordings: give their folder as noise.{key} in the study file"
        )
    folder = Path(sources[key])
    if not folder.is_dir():
        raise ConfigError(f"noise.{key}: {folder} is no folder; effect {effect} needs it")
    return folder / inner if (folder / inner).is_dir() else folder


def found_in(folder: str) -> list[str]:
    """All audio files below a folder, as paths of a list of recordings, in any order."""
    paths = (path for path in paths_below(folder) if has_suffix(path))
    return portable_paths(paths, folder)


def list_recordings(folder: str, key: str, workers: int | None = None) -> dict[str, Recording]:
    """What is read of every audio file below a folder, by its name relative to the folder.

    Raises:
        ConfigError: there are none; the message names `noise.{key}`.
        AudioError: a file cannot be read.
    """
    if not Path(folder).is_dir():
        raise ConfigError(f"noise.{key}: {folder} is no folder")
    paths = [str(path) for path in audio_files(Path(folder), key)]
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        read = list(pool.map(look_at, paths))
    for recording in read:
        if recording.sha256 is None:
            raise AudioError(f"{recording.path}: cannot be read")
    return {os.path.relpath(path, folder): entry for path, entry in zip(paths, read, strict=True)}


def audio_files(folder: Path, key: str) -> list[Path]:
    """All audio files of `files.files_below`, by their suffix, sorted by path.

    Raises:
        ConfigError: there are none; the message names `noise.{key}`.
    """
    files = sorted(p for p in files_below(folder) if has_suffix(p))
    if not files:
        raise ConfigError(
            f"noise.{key}: no audio file below {folder}; "
            "check the folder or leave this part out of the step"
        )
    return files


def read_stretch(
    path: Path, n_samples: int, sample_rate: int, rng: np.random.Generator | None
) -> tuple[Samples, float]:
    """A stretch of a recording, channels averaged; no more than it is read from disk.

    A recording that is shorter than the stretch is repeated from its start.

    Args:
        path: any file that `audio` reads.
        n_samples: length of the stretch at `sample_rate`.
        sample_rate: Hz of the result.
        rng: draws where the stretch starts; None takes the beginning.

    Returns:
        (n_samples,) float32, and the start of the stretch in the recording, in seconds.

    Raises:
        AudioError: as `audio.Clip`; damage outside of the stretch may stay unseen.
    """
    clip = Clip(path)
    rate, there = clip.rate, clip.n_samples or info(path).n_samples
    wanted = math.ceil(n_samples * rate / sample_rate)
    start = 0
    if rng is not None and there > wanted:
        start = int(rng.integers(0, there - wanted + 1))
    mono = resample(mix(clip.stretch(start, min(wanted, there))), rate, sample_rate)
    return np.resize(mono, n_samples), start / rate


def read_channel(path: Path, sample_rate: int, rng: np.random.Generator) -> tuple[Samples, int]:
    """One channel of a short recording, whole.

    Args:
        path: any file that `audio` reads.
        sample_rate: Hz of the result.
        rng: draws the channel where there are several (their mean would be a comb filter).

    Returns:
        (n,) float32, and the channel's index.

    Raises:
        AudioError: as `audio.decode`.
    """
    clip = Clip(path)
    block = clip.stored()
    channel = int(rng.integers(clip.channels)) if clip.channels > 1 else 0
    return resample(np.ascontiguousarray(block[:, channel]), clip.rate, sample_rate), channel
