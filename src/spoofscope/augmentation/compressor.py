"""Compression of the dynamic range."""

import math
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.compressor import CompressorOptions, CompressorSettings

_BLOCK_SECONDS = 0.001
_SILENT = 1e-6


class Compressor(Effect):
    """Loud parts are made softer by a ratio, then all is made louder; nothing beyond 1 is left."""

    name: ClassVar[str] = "compressor"
    declared = CompressorOptions
    options: CompressorOptions

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Compress (n,) samples.

        Returns:
            The compressed signal; the largest reduction of the level in dB.
        """
        options = self.options
        reduction = reductions(x, self._sample_rate, options)
        compressed = np.clip(x * 10 ** ((options.make_up - reduction) / 20), -1.0, 1.0)
        y = x + options.share * (compressed - x)
        return y.astype(np.float32), {"reduction_db": float(reduction.max())}


def reductions(
    x: Samples, sample_rate: int, options: CompressorSettings
) -> npt.NDArray[np.float64]:
    """By how many dB each sample is reduced, (n,), at least 0.

    The gain computer is that of a hard knee, and the smoothing the branching one of Giannoulis,
    Massberg and Reiss, "Digital dynamic range compressor design" (2012), over the peaks of blocks
    of 1 ms; between blocks the reduction is interpolated. `static` has no smoothing: every sample
    is its own level.
    """
    if options.static:
        return _above(np.abs(x).astype(np.float64), options)
    size = max(1, round(_BLOCK_SECONDS * sample_rate))
    blocks = np.pad(np.abs(x).astype(np.float64), (0, -x.size % size)).reshape(-1, size)
    wanted = _above(blocks.max(axis=1), options)
    attack, release = (
        math.exp(-size / sample_rate / seconds) for seconds in (options.attack, options.release)
    )
    smooth, now = np.empty(wanted.size), 0.0
    for i, target in enumerate(wanted.tolist()):
        kept = attack if target > now else release
        now = kept * now + (1 - kept) * target
        smooth[i] = now
    return np.interp(np.arange(x.size), (np.arange(smooth.size) + 0.5) * size, smooth)


def _above(levels: npt.NDArray[np.float64], options: CompressorSettings) -> npt.NDArray[np.float64]:
    """dB by which levels (linear) have to be reduced."""
    decibels = 20 * np.log10(np.maximum(levels, _SILENT))
    above: npt.NDArray[np.float64] = np.maximum(decibels - options.threshold, 0.0)
    return (1 - 1 / options.ratio) * above
