"""Reading, resampling, writing and windowing audio.

Samples are float32, mono, in about [-1, 1]. Decoding goes through libsndfile, with FFmpeg (PyAV)
for what libsndfile lacks (M4A, AMR, ...) or fails on (some FLAC encoders of public corpora).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from spoofscope.errors import AudioError, ConfigError
from spoofscope.files import atomic_path
from spoofscope.options import check_keys

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says: `sample_rate` in Hz, `n_samples` per channel, `channels`."""

    sample_rate: int
    n_samples: int
    channels: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise AudioError(f"{path}: no such audio file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes)")


def info(path: str | Path) -> AudioInfo:
    """Sample rate, length and channel count from the header, without decoding where possible.

    Raises:
        AudioError: the file is missing, empty, holds no samples, is no audio or a truncated WAV
            file. Of other formats only :func:`read` finds out that they are truncated.
    """
    path = Path(path)
    _check_exists(path)
    try:
        header = soundfile.info(str(path))
    except soundfile.SoundFileError as error:
        samples, sample_rate = _decode_with_ffmpeg(path, error)
        return AudioInfo(sample_rate, samples.shape[0], samples.shape[1])
    _refuse_truncated_wav(path)
    if header.frames <= 0:
        raise AudioError(f"{path}: the file holds no samples")
    return AudioInfo(int(header.samplerate), int(header.frames), int(header.channels))


def _decode_with_ffmpeg(path: Path, reason: Exception) -> tuple[Samples, int]:
    """All samples (n, channels) through FFmpeg; `reason` is why libsndfile gave up."""
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError(f"{path}: the file has no audio stream ({reason})")
            stream = container.streams.audio[0]
            sample_rate = int(stream.rate)
            resampler = av.AudioResampler(format="fltp", rate=sample_rate)
            blocks: list[Samples] = []
            for frame in container.decode(stream):
                blocks.extend(block.to_ndarray() for block in resampler.resample(frame))
            blocks.extend(block.to_ndarray() for block in resampler.resample(None))
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise AudioError(f"{path}: cannot be decoded: {reason}; FFmpeg: {error}") from error
    if not blocks:
        raise AudioError(f"{path}: no samples could be decoded ({reason})")
    return np.concatenate(blocks, axis=1).T.astype(np.float32), sample_rate


def _missing_wav_bytes(path: Path) -> int:
    """How many bytes of a RIFF file's data chunk are not there; 0 for other files.

    libsndfile silently shortens the sample count of a truncated WAV file.
    """
    size = path.stat().st_size
    with open(path, "rb") as stream:
        if stream.read(4) != b"RIFF" or stream.read(8)[4:] != b"WAVE":
            return 0
        while len(header := stream.read(8)) == 8:
            length = int.from_bytes(header[4:], "little")
            if header[:4] == b"data":
                # 0xffffffff and 0 are what programs write that stream to a pipe.
                streamed = length in (0, 0xFFFFFFFF)
                return 0 if streamed else max(0, stream.tell() + length - size)
            stream.seek(length + length % 2, 1)
    return 0


def _refuse_truncated_wav(path: Path) -> None:
    missing = _missing_wav_bytes(path)
    if missing:
        raise AudioError(
            f"{path}: truncated: {missing} bytes of its data are missing; fetch the file again"
        )


def read(path: str | Path, sample_rate: int | None = None) -> tuple[Samples, int]:
    """Decode a whole file to mono.

    Args:
        path: any format that libsndfile or FFmpeg reads; channels are averaged.
        sample_rate: resample to this rate in Hz (soxr, high quality); None keeps the file's.

    Returns:
        float32 samples of shape (n,) in about [-1, 1], and their rate in Hz.

    Raises:
        AudioError: the file is missing, undecodable, truncated (fewer samples than its header
            says), empty, or holds NaN or infinite samples.
    """
    path = Path(path)
    _check_exists(path)
    try:
        with soundfile.SoundFile(str(path)) as file:
            expected = file.frames
            rate = int(file.samplerate)
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        samples, rate = _decode_with_ffmpeg(path, error)
        expected = samples.shape[0]
    _refuse_truncated_wav(path)
    if samples.shape[0] < expected:
        raise AudioError(
            f"{path}: truncated: the header promises {expected} samples, "
            f"{samples.shape[0]} could be decoded; fetch the file again"
        )
    if samples.shape[0] == 0:
        raise AudioError(f"{path}: the file holds no samples")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise AudioError(f"{path}: the file holds NaN or infinite samples")
    if sample_rate is not None and rate != sample_rate:
        mono = resample(mono, rate, sample_rate)
        rate = sample_rate
    return np.ascontiguousarray(mono), rate


def resample(samples: Samples, source_rate: int, target_rate: int) -> Samples:
    """Resample (n,) samples from one rate to another, in Hz, with soxr's high quality."""
    if source_rate == target_rate:
        return samples
    result = soxr.resample(samples, source_rate, target_rate, quality="HQ")
    return np.asarray(result, dtype=np.float32)


def write(path: str | Path, samples: npt.NDArray[Any], sample_rate: int) -> None:
    """Write mono 16-bit PCM, atomically; the suffix (.wav or .flac) chooses the container.

    Raises:
        AudioError: the samples are empty, not finite or beyond [-1, 1], or the disk is full.
    """
    path = Path(path)
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise AudioError(f"{path}: expected mono samples, got shape {values.shape}")
    peak = float(np.max(np.abs(values)))
    if not peak <= 1.0:
        raise AudioError(f"{path}: samples reach {peak:.3f}; scale them into [-1, 1] first")
    pcm = np.round(np.clip(values * 32768.0, -32768, 32767)).astype(np.int16)
    with atomic_path(path) as temporary:
        try:
            soundfile.write(str(temporary), pcm, sample_rate, subtype="PCM_16")
            with soundfile.SoundFile(str(temporary)) as written:
                whole = written.frames == pcm.size
        except soundfile.SoundFileError as error:
            raise AudioError(f"{path}: cannot be written: {error}; is the disk full?") from error
        if not whole:
            raise AudioError(f"{path}: cannot be written whole; is the disk full?")


class Windows(NamedTuple):
    """The pieces of one clip that a detector looks at.

    values: (n, length) float32. starts: (n,) int64, first sample of each window in the clip.
    valid: (n,) int64, how many samples of the window, from its start, are the clip's own.
    """

    values: Samples
    starts: npt.NDArray[np.int64]
    valid: npt.NDArray[np.int64]


@dataclass(frozen=True)
class InputPolicy:
    """How a clip becomes the windows that a detector sees.

    Stored with the detector and used by training, scoring, attribution, command line and demo
    alike, so the logit that is explained is the logit that was scored.

    Attributes:
        sample_rate: Hz; other rates are resampled.
        length: samples per window; None takes the whole clip as one window.
        hop: samples from one window to the next; None means `length` (no overlap).
        long: clips longer than `length`: `window` takes all windows, `crop` the first only.
        tail: a remainder after the last whole window: `align` adds a window that ends with the
            clip, `drop` leaves the remainder out.
        short: clips shorter than a window: `tile` repeats them, `zero` appends silence.
        min_samples: the shortest window when `length` is None; shorter clips are extended.
        normalize: zero mean and unit variance per clip, before windowing (the `do_normalize` of
            SSL preprocessors; variance + 1e-7 under the root, as there).
    """

    sample_rate: int = 16000
    length: int | None = 64600
    hop: int | None = None
    long: Literal["window", "crop"] = "window"
    tail: Literal["align", "drop"] = "align"
    short: Literal["tile", "zero"] = "tile"
    min_samples: int = 1040
    normalize: bool = False

    def __post_init__(self) -> None:
        if self.sample_rate <= 0 or self.min_samples <= 0:
            raise ConfigError("input: sample_rate and min_samples must be positive")
        if self.length is not None and self.length <= 0:
            raise ConfigError("input: length must be positive, or null for whole clips")
        if self.hop is not None and (self.length is None or not 0 < self.hop <= self.length):
            raise ConfigError("input: hop must be between 1 and length")
        for key, allowed in (
            ("long", ("window", "crop")),
            ("tail", ("align", "drop")),
            ("short", ("tile", "zero")),
        ):
            if getattr(self, key) not in allowed:
                raise ConfigError(f"input: {key} must be one of {', '.join(allowed)}")

    def windows(self, samples: Samples) -> Windows:
        """Cut one clip, already at `sample_rate`, into windows.

        Args:
            samples: (n,) float32.

        Raises:
            AudioError: the clip is empty.
        """
        if samples.size == 0:
            raise AudioError("an empty clip has no windows")
        clip = np.ascontiguousarray(samples, dtype=np.float32)
        if self.normalize:
            centred = clip - clip.mean(dtype=np.float64)
            clip = (centred / np.sqrt(np.mean(centred**2) + 1e-7)).astype(np.float32)
        length = self.length if self.length is not None else max(clip.size, self.min_samples)
        if clip.size <= length:
            valid = np.array([clip.size], dtype=np.int64)
            return Windows(self._extend(clip, length)[None], np.zeros(1, dtype=np.int64), valid)
        hop = self.hop or length
        starts = np.arange(0, clip.size - length + 1, hop, dtype=np.int64)
        if self.long == "crop":
            starts = starts[:1]
        elif self.tail == "align" and starts[-1] + length < clip.size:
            starts = np.append(starts, clip.size - length)
        values = np.stack([clip[start : start + length] for start in starts])
        return Windows(values, starts, np.full(starts.size, length, dtype=np.int64))

    def _extend(self, clip: Samples, length: int) -> Samples:
        if clip.size == length:
            return clip
        if self.short == "zero":
            return np.pad(clip, (0, length - clip.size))
        return np.tile(clip, -(-length // clip.size))[:length]

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "InputPolicy":
        """Rebuild from :meth:`to_dict`, or from a study file's `input` section.

        Raises:
            ConfigError: an unknown key; the message names the nearest valid one.
        """
        check_keys(values, list(cls.__dataclass_fields__), "input")
        return cls(**values)
