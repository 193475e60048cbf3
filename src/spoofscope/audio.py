"""Reading, resampling and writing audio.

Samples are float32, mono, in about [-1, 1]. A recording is read whole or refused by name: its
structure is checked (`containers`), libsndfile decodes it, and FFmpeg what libsndfile cannot open
(`decoding`).
"""

import functools
import math
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from spoofscope.containers.kinds import SUFFIXES as SUFFIXES
from spoofscope.decoding import Recording, recording
from spoofscope.errors import AudioError
from spoofscope.files import atomic_path, one_line, shown

Samples = npt.NDArray[np.float32]

_QUALITY = "HQ"
_LOUDEST = 16.0
FULL_SCALE = 0.9999
"""From here on a sample is at full scale: 16-bit audio reaches 32767 / 32768 at the top."""

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
        clipped_share: share of samples at full scale, in the channel that has most of them, of what
            was decoded last; the mean of channels hides it.
        peak: the largest size of a sample in any channel, of what was decoded last.

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
        self.clipped_share = 0.0
        self.peak = 0.0

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
        decoded, clipped, self.peak = 0, np.zeros(self.channels), 0.0
        for block in self._recording.blocks(max(1, min(size, _BLOCK_SAMPLES // self.channels))):
            decoded += block.shape[0]
            if self._longest is not None and decoded > self._longest * self.rate:
                raise AudioError(
                    f"longer than {self._longest:g} s, the longest recording taken here; cut it "
                    "into shorter ones"
                )
            peak = _check_values(block)
            self.peak = max(self.peak, peak)
            if peak >= FULL_SCALE:
                clipped += np.count_nonzero(np.abs(block) >= FULL_SCALE, axis=0)
            self.clipped_share = float(clipped.max()) / decoded
            yield block
        if not decoded:
            raise AudioError("the file holds no samples")


def _check_values(block: Samples) -> float:
    """The peak of samples, which are no nonsense."""
    # NaN wins in min and max.
    peak = max(float(block.max()), -float(block.min()))
    if not math.isfinite(peak):
        raise AudioError("the file holds NaN or infinite samples")
    if peak > _LOUDEST:
        raise AudioError(
            f"its samples reach {peak:g} times full scale: it is damaged, or holds whole numbers "
            "that were not scaled; write it as 16-bit PCM, or scale it into [-1, 1]"
        )
    return peak


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
            yield from not_empty(stream.resample_chunk(before))
        before = block
    if before is not None:
        yield from not_empty(stream.resample_chunk(before, last=True))


def not_empty(samples: Samples) -> list[Samples]:
    """A list of the samples (n,), which is empty where n is 0."""
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


def _pcm(samples: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    return np.round(np.clip(samples * 32768.0, -32768, 32767)).astype(np.int16)


def as_written(samples: Samples) -> Samples:
    """What :func:`read` gives of (n,) samples in [-1, 1] that :func:`write` wrote: 16-bit PCM."""
    return _pcm(samples.astype(np.float64)).astype(np.float32) / np.float32(32768)


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
    pcm = _pcm(values)
    with atomic_path(path) as temporary:
        try:
            soundfile.write(str(temporary), pcm, sample_rate, subtype="PCM_16")
            with soundfile.SoundFile(str(temporary)) as written:
                whole = written.frames == pcm.size
        except soundfile.SoundFileError as error:
            raise AudioError(f"{path}: cannot be written: {error}; is the disk full?") from error
        if not whole:
            raise AudioError(f"{path}: cannot be written whole; is the disk full?")
