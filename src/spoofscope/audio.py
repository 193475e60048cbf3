"""Reading, resampling, writing and windowing audio.

Samples are float32, mono, in about [-1, 1]. A recording is read whole or refused by name: its
structure is checked (`containers`), libsndfile decodes it, and FFmpeg what libsndfile cannot open
(`decoding`).
"""

import functools
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from spoofscope.containers.kinds import SUFFIXES as SUFFIXES
from spoofscope.decoding import Recording, recording
from spoofscope.errors import AudioError, ConfigError
from spoofscope.files import atomic_path, one_line, shown
from spoofscope.options import check_keys

Samples = npt.NDArray[np.float32]

_QUALITY = "HQ"
_LOUDEST = 16.0
# The mean of channels that is so much weaker than the loudest of them (20 dB) tells of none.
_CANCELLED = 0.01
# Decoded at once at most, whatever a header says: memory is asked for as samples come.
_BLOCK_SAMPLES = 1 << 20


@dataclass(frozen=True)
class AudioInfo:
    """What a file's structure says: `sample_rate` in Hz, `n_samples` per channel, `channels`."""

    sample_rate: int
    n_samples: int
    channels: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever reading raises becomes an `AudioError` that names the file."""
    try:
        yield
    except AudioError as error:
        raise AudioError(f"{shown(path)}: {error}") from error
    except MemoryError as error:
        raise AudioError(f"{shown(path)}: there is too little memory for it; cut it") from error
    except OSError as error:
        raise AudioError(f"{shown(path)}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        kind = type(error).__name__
        raise AudioError(f"{shown(path)}: cannot be decoded: {kind}: {one_line(error)}") from error


def _check_exists(path: Path) -> None:
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise AudioError("no such audio file") from None
    if stat.S_ISDIR(mode):
        raise AudioError("this is a folder; name the recordings in it")
    if not stat.S_ISREG(mode):
        raise AudioError("this is no regular file; copy the recording into one")
    with open(path, "rb") as stream:
        if not stream.read(1):
            raise AudioError("the file is empty (0 bytes)")


def _looked_at(path: Path, *, check: bool) -> Recording:
    _check_exists(path)
    return recording(path, check=check)


def has_suffix(path: str | os.PathLike[str]) -> bool:
    """Whether a file is found below a folder of recordings: its suffix is one of `SUFFIXES`."""
    return os.path.splitext(path)[1].lower() in SUFFIXES


def info(path: str | Path) -> AudioInfo:
    """Sample rate, length and channel count, without decoding where the structure tells.

    The length is that of what :func:`read` gives: without the samples that encoders add at the
    start and the end. MP3, Ogg and the like are followed frame by frame; AAC, AC-3, AMR, Matroska
    and MP4 files, and FLAC files of unknown length are decoded.

    Raises:
        AudioError: the file is missing, empty, holds no samples, is no audio, or is cut, damaged
            or implausible by its structure. Damage inside of frames only :func:`read` finds.
    """
    path = Path(path)
    with _named(path):
        found = _looked_at(path, check=False)
        n_samples = found.n_samples
        if n_samples is None:
            n_samples = sum(block.shape[0] for block in found.blocks(_BLOCK_SAMPLES))
        return AudioInfo(found.rate, n_samples, found.channels)


class Clip:
    """A file that is decoded to mono, as often as it is asked for.

    Channels are averaged. Where they cancel each other (opposite phase: their mean is 20 dB or more
    below the loudest of them), the loudest channel is taken instead; for that a file of several
    channels is decoded once more.

    Args:
        path: any kind of file in `SUFFIXES`; what it is, its content says.
        longest: seconds; a longer recording is refused as soon as so much is decoded, whatever
            its header says.

    Attributes:
        path: the file.
        rate: Hz.
        channels: of the file.
        n_samples: per channel; None where only decoding tells.

    Raises:
        AudioError: as :func:`decode`.
    """

    def __init__(self, path: str | Path, *, longest: float | None = None) -> None:
        self.path = Path(path)
        self._longest = longest
        with _named(self.path):
            self._recording = _looked_at(self.path, check=True)
        self.rate = self._recording.rate
        self.channels = self._recording.channels
        self.n_samples = self._recording.n_samples

    @functools.cached_property
    def channel(self) -> int | None:
        """The channel that is taken, from 0: the only one, or the loudest; None for their mean."""
        if self.channels == 1:
            return 0
        energies = _Energies(self.channels)
        with _named(self.path):
            for block in self._stored(_BLOCK_SAMPLES):
                energies.add(block)
        return energies.channel()

    @property
    def one_channel(self) -> bool:
        """Whether one of several channels is taken, because they cancel each other."""
        return self.channels > 1 and self.channel is not None

    def blocks(self, seconds: float | None = None) -> Iterator[Samples]:
        """Blocks (n,) of about so many seconds, n >= 1; None leaves their length to the decoder."""
        channel = self.channel
        size = _BLOCK_SAMPLES if seconds is None else max(1, round(seconds * self.rate))
        with _named(self.path):
            for block in self._stored(size):
                yield _mono(block, channel)

    def whole(self) -> Samples:
        """All of it, (n,)."""
        return mix(self.stored())

    def stored(self) -> Samples:
        """All of it, (n, channels)."""
        with _named(self.path):
            blocks = list(self._stored(_BLOCK_SAMPLES))
            return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def stretch(self, start: int, n_samples: int) -> Samples:
        """(n_samples, channels) from sample `start` on; no more is decoded than has to be.

        Of WAV, FLAC and their like nothing else is decoded, so that damage elsewhere stays unseen.
        """
        with _named(self.path):
            if self._recording.part is not None:
                block = self._recording.part(start, n_samples)
                _check_values(block)
                return block
            place, found = 0, []
            for block in self._stored(_BLOCK_SAMPLES):
                found.append(block[max(0, start - place) :][: start + n_samples - place])
                place += block.shape[0]
                if place >= start + n_samples:
                    break
            return np.concatenate(found)

    def _stored(self, size: int) -> Iterator[Samples]:
        """Blocks (n, channels), checked."""
        decoded = 0
        for block in self._recording.blocks(max(1, min(size, _BLOCK_SAMPLES // self.channels))):
            decoded += block.shape[0]
            if self._longest is not None and decoded > self._longest * self.rate:
                raise AudioError(
                    f"longer than {self._longest:g} s, the longest recording taken here; cut it "
                    "into shorter ones"
                )
            _check_values(block)
            yield block
        if not decoded:
            raise AudioError("the file holds no samples")


def _check_values(block: Samples) -> None:
    # NaN wins in min and max.
    peak = max(float(block.max()), -float(block.min()))
    if not math.isfinite(peak):
        raise AudioError("the file holds NaN or infinite samples")
    if peak > _LOUDEST:
        raise AudioError(
            f"its samples reach {peak:g} times full scale: it is damaged, or holds whole numbers "
            "that were not scaled; write it as 16-bit PCM, or scale it into [-1, 1]"
        )


def mix(block: npt.NDArray[Any]) -> Samples:
    """Samples (n, channels) as mono (n,), by the rule of :class:`Clip`."""
    if block.shape[1] == 1:
        return _mono(block, 0)
    energies = _Energies(block.shape[1])
    energies.add(block)
    return _mono(block, energies.channel())


class _Energies:
    """Sums of squares of channels and of their mean."""

    def __init__(self, channels: int) -> None:
        self._of_channels = np.zeros(channels)
        self._of_mean = 0.0

    def add(self, block: npt.NDArray[Any]) -> None:
        """`block`: (n, channels)."""
        columns = np.ascontiguousarray(block.T, dtype=np.float32)
        self._of_channels += [float(np.dot(column, column)) for column in columns]
        mean = _mean(block)
        self._of_mean += float(np.dot(mean, mean))

    def channel(self) -> int | None:
        """The loudest channel where they cancel each other, else None."""
        loudest = int(np.argmax(self._of_channels))
        cancelled = self._of_mean < _CANCELLED * self._of_channels[loudest]
        return loudest if cancelled else None


def _mean(block: npt.NDArray[Any]) -> Samples:
    # Column by column, which is four times as fast as the mean along so short an axis.
    total = block[:, 0].astype(np.float32)
    for column in block.T[1:]:
        total += column.astype(np.float32, copy=False)
    total /= np.float32(block.shape[1])
    return total


def _mono(block: npt.NDArray[Any], channel: int | None) -> Samples:
    """(n, channels) to (n,) float32: one channel, or their mean."""
    mono = _mean(block) if channel is None else block[:, channel]
    return np.ascontiguousarray(mono, dtype=np.float32)


def decode(
    path: str | Path, seconds: float | None = None, *, longest: float | None = None
) -> Iterator[tuple[Samples, int]]:
    """Decode a file to mono (see :class:`Clip`), block by block, at its own rate.

    Args:
        path: any kind of file in `SUFFIXES`; what it is, its content says.
        seconds: length of the blocks, about; None leaves it to the decoder.
        longest: seconds; a longer recording is refused as soon as so much is decoded, whatever
            its header says.

    Yields:
        float32 samples (n,) in about [-1, 1], n >= 1, and their rate in Hz, the same for all.

    Raises:
        AudioError: the file is missing, empty, no audio, of an implausible rate or number of
            channels, cut, damaged (FLAC's MD5 or checksums, those of Ogg, and of MP3 where its
            encoder wrote one, differ), too long, or holds samples that are NaN, infinite or beyond
            16 times full scale; perhaps only after some blocks.
    """
    clip = Clip(path, longest=longest)
    for block in clip.blocks(seconds):
        yield block, clip.rate


def read(
    path: str | Path, sample_rate: int | None = None, *, longest: float | None = None
) -> tuple[Samples, int]:
    """Decode a whole file to mono.

    Args:
        path: as for :func:`decode`.
        sample_rate: resample to this rate in Hz (soxr, high quality); None keeps the file's.
        longest: as for :func:`decode`.

    Returns:
        float32 samples of shape (n,) in about [-1, 1], and their rate in Hz.

    Raises:
        AudioError: as :func:`decode`.
    """
    clip = Clip(path, longest=longest)
    mono, rate = clip.whole(), clip.rate
    if sample_rate is not None and rate != sample_rate:
        mono = resample(mono, rate, sample_rate)
        rate = sample_rate
    return mono, rate


def read_start(path: str | Path, seconds: float) -> tuple[Samples, int]:
    """Decode the first seconds of a file to mono, or all where it is shorter, at its own rate.

    Returns:
        float32 samples of shape (n,), n >= 1, and their rate in Hz.

    Raises:
        AudioError: as :func:`decode`; damage beyond the start stays unseen.
    """
    blocks: list[Samples] = []
    n, wanted, rate = 0, 1, 0
    for samples, rate in decode(path, seconds):
        wanted = max(1, round(seconds * rate))
        blocks.append(samples)
        n += samples.size
        if n >= wanted:
            break
    return np.concatenate(blocks)[:wanted], rate


def resample(samples: Samples, source_rate: int, target_rate: int) -> Samples:
    """Resample (n,) samples from one rate to another, in Hz, with soxr's high quality."""
    if source_rate == target_rate:
        return samples
    result = soxr.resample(samples, source_rate, target_rate, quality=_QUALITY)
    return np.asarray(result, dtype=np.float32)


def resample_blocks(
    blocks: Iterable[Samples], source_rate: int, target_rate: int
) -> Iterator[Samples]:
    """Resample a clip that comes in blocks (n,): the bytes of :func:`resample`, in other blocks."""
    if source_rate == target_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality=_QUALITY)
    before: Samples | None = None
    for block in blocks:
        if before is not None:
            yield from _not_empty(stream.resample_chunk(before))
        before = block
    if before is not None:
        yield from _not_empty(stream.resample_chunk(before, last=True))


def _not_empty(samples: Samples) -> list[Samples]:
    return [samples] if samples.size else []


def resample_sinc(samples: Samples, source_rate: int, target_rate: int) -> Samples:
    """Resample (n,) samples by a sinc function that ends after six zero crossings.

    It has a Hann window and is cut off at 0.99 of the lower Nyquist frequency (Smith, Digital Audio
    Resampling, 1984). It is torchaudio's own: networks of others were trained on it, and logarithms
    of quiet bands tell the last digit of another one. Beyond the clip's ends are zeros.

    Returns:
        ceil(n * target_rate / source_rate) samples.
    """
    if source_rate == target_rate or not samples.size:
        return samples
    # Seconds to import, and only detectors of others resample so.
    import torch
    import torchaudio.functional

    waveform = torch.from_numpy(np.array(samples, dtype=np.float32))
    resampled: Samples = torchaudio.functional.resample(waveform, source_rate, target_rate).numpy()
    return resampled


def as_mono(waveform: Any) -> Samples:
    """Samples that somebody holds in memory, as this module has them.

    Args:
        waveform: a NumPy array or a PyTorch tensor, (n,) or (channels, n); channels become mono as
            those of :class:`Clip`.
            Floats are about in [-1, 1]; whole numbers are scaled by the range of their type
            (int16: 1 / 32768; uint8 has its zero at 128, as in WAV files).

    Returns:
        float32 (n,), n >= 1.

    Raises:
        AudioError: another type or shape, no samples, NaN or infinite samples, or floats that
            reach beyond 16: those are whole numbers that were not scaled.
    """
    if hasattr(waveform, "detach"):
        tensor = waveform.detach().cpu()
        # NumPy has no bfloat16.
        waveform = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    if not isinstance(waveform, np.ndarray):
        raise AudioError(
            f"a waveform is a NumPy array or a PyTorch tensor, not {type(waveform).__name__}"
        )
    if waveform.ndim not in (1, 2) or waveform.shape[0] > waveform.shape[-1]:
        raise AudioError(
            f"a waveform has the shape (samples,) or (channels, samples), not {waveform.shape}"
            + ("; transpose it" if waveform.ndim == 2 else "")
        )
    if waveform.size == 0:
        raise AudioError("the waveform holds no samples")
    if waveform.dtype == np.uint8:
        values = (waveform.astype(np.float32) - 128) / 128
    elif np.issubdtype(waveform.dtype, np.signedinteger):
        values = waveform / np.float64(-np.iinfo(waveform.dtype).min)
    elif np.issubdtype(waveform.dtype, np.floating):
        values = waveform
    else:
        raise AudioError(f"samples are floats or whole numbers with a sign, not {waveform.dtype}")
    result = mix(np.atleast_2d(values).T)
    if not np.isfinite(result).all():
        raise AudioError("the waveform holds NaN or infinite samples")
    peak = float(np.max(np.abs(result)))
    if peak > _LOUDEST:
        raise AudioError(
            f"the samples reach {peak:g}; floats are about in [-1, 1]: scale them, or hand over "
            "whole numbers as int16 or int32"
        )
    return result


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


class Window(NamedTuple):
    """One of `Windows`: values (length,), its first sample in the clip, and its own samples."""

    values: Samples
    start: int
    valid: int


class Windows(NamedTuple):
    """The pieces of one clip that a detector looks at.

    values: (n, length) float32. starts: (n,) int64, first sample of each window in the clip.
    valid: (n,) int64, how many samples of the window, from its start, are the clip's own.
    """

    values: Samples
    starts: npt.NDArray[np.int64]
    valid: npt.NDArray[np.int64]


def _level(blocks: Iterable[Samples]) -> tuple[float, float]:
    """Mean of a clip, and root of its variance + 1e-7 as in SSL preprocessors."""
    n, mean, squares = 0, 0.0, 0.0
    for block in blocks:
        if not block.size:
            continue
        own = float(block.mean(dtype=np.float64))
        own_squares = float(np.square(block - np.float64(own)).sum())
        # Chan, Golub and LeVeque (1983): moments of two parts joined.
        share = block.size / (n + block.size)
        squares += own_squares + (own - mean) ** 2 * n * share
        mean += (own - mean) * share
        n += block.size
    return mean, math.sqrt(squares / n + 1e-7) if n else 1.0


_MOST_SAMPLES = 10**9


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
        short: clips shorter than a window: `tile` repeats them, `zero` appends silence, `refuse`
            makes them an error.
        min_samples: the shortest window when `length` is None; shorter clips are extended.
        normalize: zero mean and unit variance per clip, before windowing (the `do_normalize` of
            SSL preprocessors; variance + 1e-7 under the root, as there).
        resample: `clip` resamples clips as a whole. `window` cuts them at their own rate and
            resamples each window by itself (see `resample_sinc`), with zeros around it; windows
            then do not overlap, a remainder is dropped, and clips of a lower rate are an error.
    """

    sample_rate: int = 16000
    length: int | None = 64600
    hop: int | None = None
    long: Literal["window", "crop"] = "window"
    tail: Literal["align", "drop"] = "align"
    short: Literal["tile", "zero", "refuse"] = "tile"
    min_samples: int = 1040
    normalize: bool = False
    resample: Literal["clip", "window"] = "clip"

    def __post_init__(self) -> None:
        for key in ("sample_rate", "min_samples", "length", "hop"):
            value = getattr(self, key)
            if value is None and key in ("length", "hop"):
                continue
            if type(value) is not int or not 0 < value <= _MOST_SAMPLES:
                raise ConfigError(
                    f"input: {key} must be a whole number from 1 to {_MOST_SAMPLES}, not {value!r}"
                    + ("; or null for whole clips" if key == "length" else "")
                )
        if type(self.normalize) is not bool:
            raise ConfigError(f"input: normalize must be true or false, not {self.normalize!r}")
        if self.hop is not None and (self.length is None or self.hop > self.length):
            raise ConfigError("input: hop must be between 1 and length")
        for key, allowed in (
            ("long", ("window", "crop")),
            ("tail", ("align", "drop")),
            ("short", ("tile", "zero", "refuse")),
            ("resample", ("clip", "window")),
        ):
            if getattr(self, key) not in allowed:
                raise ConfigError(f"input: {key} must be one of {', '.join(allowed)}")
        if self.resample == "window" and (
            self.length is None or self.hop not in (None, self.length) or self.tail != "drop"
        ):
            raise ConfigError("input: resample: window needs a length, no hop, and tail: drop")

    def read(self, path: str | Path) -> Samples:
        """A file as one clip (n,) at `sample_rate`, as :meth:`windows` takes it.

        Raises:
            AudioError: as :func:`decode`, or the policy refuses the file's rate or length.
        """
        samples, rate = read(path)
        try:
            if self.resample == "clip":
                clip = resample(samples, rate, self.sample_rate)
            else:
                clip = np.concatenate(list(self.resampled([samples], rate)))
            self._check_length(clip.size)
        except AudioError as error:
            raise AudioError(f"{path}: {error}") from error
        return clip

    def resampled(self, blocks: Iterable[Samples], source_rate: int) -> Iterator[Samples]:
        """A clip that comes in blocks (n,) at its own rate, in blocks at `sample_rate`.

        Args:
            blocks: float32, n >= 1.
            source_rate: Hz.

        Raises:
            AudioError: windows are resampled one by one, and the clip's rate is below
                `sample_rate`.
        """
        if self.resample == "clip" or self.length is None:
            yield from resample_blocks(blocks, source_rate, self.sample_rate)
            return
        if source_rate < self.sample_rate:
            raise AudioError(
                f"the recording has {source_rate} Hz, and the detector needs {self.sample_rate} Hz "
                "or more: what is missing above the recording's band cannot be made up"
            )
        size = self.length * source_rate // self.sample_rate
        kept = np.empty(0, dtype=np.float32)
        for block in blocks:
            kept = np.concatenate([kept, block]) if kept.size else block
            whole = kept.size // size * size
            for start in range(0, whole, size):
                yield resample_sinc(kept[start : start + size], source_rate, self.sample_rate)
            kept = kept[whole:]
        # What remains is no window, even where resampling rounds its length up to that of one.
        yield from _not_empty(resample_sinc(kept, source_rate, self.sample_rate)[: self.length - 1])

    def windows(self, samples: Samples) -> Windows:
        """Cut one clip, already at `sample_rate`, into windows.

        Args:
            samples: (n,) float32.

        Raises:
            AudioError: the clip is empty, or too short for a policy that refuses such.
        """
        clip = np.ascontiguousarray(samples, dtype=np.float32)
        values, starts, valid = zip(*self.stream(lambda: [clip]), strict=True)
        return Windows(
            np.stack(values), np.array(starts, dtype=np.int64), np.array(valid, dtype=np.int64)
        )

    def stream(self, blocks: Callable[[], Iterable[Samples]]) -> Iterator[Window]:
        """The windows of a clip that comes in blocks, in bounded memory unless `length` is None.

        They are those of :meth:`windows`. Where the policy normalises, mean and variance are
        sums over blocks, so values may differ from those of the whole clip in their last digit;
        with one block they do not.

        Args:
            blocks: opens the clip: float32 (n,) at `sample_rate`, n >= 1. It is called twice where
                the policy normalises, for mean and variance come first.

        Raises:
            AudioError: the clip is empty, or too short for a policy that refuses such.
        """
        mean, scale = _level(blocks()) if self.normalize else (0.0, 1.0)
        length, hop, cropped = self.length, self.hop or self.length, self.long == "crop"
        kept = np.empty(0, dtype=np.float32)
        total = following = 0
        for block in blocks():
            if self.normalize:
                block = ((block - np.float64(mean)) / scale).astype(np.float32)
            kept = np.concatenate([kept, block]) if kept.size else block
            total += block.size
            if length is None or hop is None:
                continue
            first = total - kept.size
            while following + length <= total and not (cropped and following):
                yield Window(kept[following - first :][:length], following, length)
                following += hop
            # An aligned window at the end may reach back by the length.
            needed = total if cropped and following else min(following, total - length)
            kept = kept[max(0, needed - first) :]
        if not total:
            raise AudioError("an empty clip has no windows")
        self._check_length(total)
        if length is None or hop is None:
            yield Window(self._extend(kept, max(total, self.min_samples)), 0, total)
        elif total < length:
            yield Window(self._extend(kept, length), 0, total)
        elif not cropped and self.tail == "align" and following - hop + length < total:
            yield Window(kept[-length:], total - length, length)

    def _check_length(self, n: int) -> None:
        if n == 0:
            raise AudioError(f"too short: no sample is left of it at {self.sample_rate} Hz")
        shortest = self.length or self.min_samples
        if self.short == "refuse" and n < shortest:
            raise AudioError(
                f"the recording is too short: {n} samples at {self.sample_rate} Hz, and the "
                f"detector needs {shortest}"
            )

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
