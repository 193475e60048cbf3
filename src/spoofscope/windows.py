"""The windows of a clip that a detector sees, and the policy that cuts them."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

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
from spoofscope.options import check_keys


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
        yield from not_empty(resample_sinc(kept, source_rate, self.sample_rate)[: self.length - 1])

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
