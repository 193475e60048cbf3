"""The windows of a clip that a detector sees, and the policy that cuts them."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import InitVar, asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.audio import (
    Samples,
    not_empty,
    read,
    resample,
    resample_blocks,
    resample_sinc,
)
from spoofscope.errors import AudioError, ConfigError
from spoofscope.options.input import Input


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
        block_mean = float(block.mean(dtype=np.float64))
        block_squares = float(np.square(block - np.float64(block_mean)).sum())
        # Chan, Golub and LeVeque (1983): moments of two parts joined.
        share = block.size / (n + block.size)
        squares += block_squares + (block_mean - mean) ** 2 * n * share
        mean += (block_mean - mean) * share
        n += block.size
    return mean, math.sqrt(squares / n + 1e-7) if n else 1.0


@dataclass(frozen=True, kw_only=True)
class InputPolicy(Input):
    """How a clip becomes the windows that a detector sees.

    Stored with the detector and used by training, scoring, attribution, command line and demo
    alike, so the logit that is explained is the logit that was scored.

    With `normalize`, the variance is that of SSL preprocessors: + 1e-7 under the root. `resample:
    window` (see `resample_sinc`) has zeros around each window; windows then do not overlap, a
    remainder is dropped, and clips of a lower rate are an error.
    """

    place: InitVar[str] = "input"

    normalize: bool = False

    def check(self, place: str) -> None:
        """Windows follow each other; resampled one by one, they are apart."""
        if self.hop is not None and (self.length is None or self.hop > self.length):
            raise ConfigError(f"{place}: hop must be between 1 and length")
        if self.resample == "window" and (
            self.length is None or self.hop not in (None, self.length) or self.tail != "drop"
        ):
            raise ConfigError(f"{place}: resample: window needs a length, no hop, and tail: drop")

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
        yield from not_empty(resample_sinc(kept, source_rate, self.sample_rate)[: self.length - 1])

    def window_lengths(self, n_samples: int) -> list[int]:
        """The length of every window of a clip of `n_samples` samples at `sample_rate`."""
        length, hop = self.length, self.hop or self.length
        if length is None or hop is None:
            return [max(n_samples, self.min_samples)]
        if self.long == "crop" or n_samples < length:
            return [length]
        count, rest = divmod(n_samples - length, hop)
        return [length] * (count + 1 + (self.tail == "align" and rest > 0))

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
