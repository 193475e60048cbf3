"""Folders of noises and room responses, in the layouts of MUSAN and RIRS_NOISES."""

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from spoofscope.audio import Samples, resample
from spoofscope.errors import AudioError, ConfigError
from spoofscope.files import files_below, paths_below
from spoofscope.recordings import Recording, look_at, portable_paths

_SUFFIXES = (".wav", ".flac")


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
    """All WAV and FLAC files below a folder, as paths of a list of recordings, in any order."""
    paths = (path for path in paths_below(folder) if path.lower().endswith(_SUFFIXES))
    return portable_paths(paths, folder)


def list_recordings(folder: str, key: str, workers: int | None = None) -> dict[str, Recording]:
    """What is read of every WAV and FLAC file below a folder, by its name relative to the folder.

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
    """All WAV and FLAC files of `files.files_below`, sorted by path.

    Raises:
        ConfigError: there are none; the message names `noise.{key}`.
    """
    files = sorted(p for p in files_below(folder) if p.suffix.lower() in _SUFFIXES)
    if not files:
        raise ConfigError(
            f"noise.{key}: no {' or '.join(_SUFFIXES)} file below {folder}; "
            "check the folder or leave this part out of the step"
        )
    return files


def read_stretch(
    path: Path, n_samples: int, sample_rate: int, rng: np.random.Generator
) -> tuple[Samples, float]:
    """A random stretch of a recording, channels averaged; no more than it is read from disk.

    A recording that is shorter than the stretch is repeated from its start.

    Args:
        path: any file that libsndfile reads.
        n_samples: length of the stretch at `sample_rate`.
        sample_rate: Hz of the result.
        rng: draws where the stretch starts.

    Returns:
        (n_samples,) float32, and the start of the stretch in the recording, in seconds.

    Raises:
        AudioError: the file cannot be decoded, is empty, or ends before its header says.
    """
    try:
        with soundfile.SoundFile(str(path)) as file:
            rate = int(file.samplerate)
            wanted = math.ceil(n_samples * rate / sample_rate)
            start = int(rng.integers(0, file.frames - wanted + 1)) if file.frames > wanted else 0
            file.seek(start)
            block = file.read(min(wanted, file.frames), dtype="float32", always_2d=True)
            expected = min(wanted, file.frames)
    except soundfile.SoundFileError as error:
        raise AudioError(f"{path}: cannot be decoded: {error}") from error
    if block.shape[0] < expected or expected == 0:
        raise AudioError(f"{path}: empty or truncated; fetch the file again")
    mono = resample(np.ascontiguousarray(block.mean(axis=1)), rate, sample_rate)
    return np.resize(mono, n_samples), start / rate


def read_channel(path: Path, sample_rate: int, rng: np.random.Generator) -> tuple[Samples, int]:
    """One channel of a short recording, whole.

    Args:
        path: any file that libsndfile reads.
        sample_rate: Hz of the result.
        rng: draws the channel where there are several (their mean would be a comb filter).

    Returns:
        (n,) float32, and the channel's index.

    Raises:
        AudioError: the file cannot be decoded or is empty.
    """
    try:
        block, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise AudioError(f"{path}: cannot be decoded: {error}") from error
    if block.shape[0] == 0:
        raise AudioError(f"{path}: the file holds no samples")
    channel = int(rng.integers(block.shape[1])) if block.shape[1] > 1 else 0
    return resample(np.ascontiguousarray(block[:, channel]), int(rate), sample_rate), channel
