"""Noise reduction: a Wiener filter, as in simple speech enhancement.

Sources: P. Scalart and J. Filho, "Speech enhancement based on a priori signal to noise estimation",
ICASSP 1996 (the filter); Y. Ephraim and D. Malah, "Speech enhancement using a minimum mean-square
error short-time spectral amplitude estimator", 1984 (the decision-directed estimate); V. Stahl,
A. Fischer and R. Bippus, "Quantile based noise estimation for spectral subtraction and Wiener
filtering", ICASSP 2000 (the noise).
"""

import math
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.signal import istft, stft

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.enhance import EnhanceOptions

_WINDOW_SECONDS = 0.032
# Of the frames of a clip, the share that holds no speech in a band.
_QUIET = 0.2
# What the decision-directed estimate keeps of the frame before.
_MEMORY = 0.98
# Less power than this is digital silence, which has no noise.
_SILENT = 1e-20


class Enhance(Effect):
    """Stationary noise is reduced by a Wiener filter.

    The noise of a band is told from the quietest fifth of the frames: were they noise alone, their
    power would be exponentially distributed, so that their highest is -ln(0.8) times the mean.
    """

    name: ClassVar[str] = "enhance"
    declared = EnhanceOptions
    options: EnhanceOptions

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Filter (n,) samples.

        Returns:
            (n,) samples; the reduction in dB.
        """
        size = 2 * round(_WINDOW_SECONDS / 2 * self._sample_rate)
        padded = np.pad(x, (0, max(0, size - x.size))).astype(np.float64)
        spectrum = stft(padded, nperseg=size, window="hann")[2]
        gains = _gains(np.abs(spectrum) ** 2, 10 ** (-self.options.reduction / 20))
        filtered = istft(spectrum * gains, nperseg=size, window="hann")[1][: x.size]
        return filtered.astype(np.float32), {"reduction": self.options.reduction}


def _gains(power: npt.NDArray[np.float64], lowest: float) -> npt.NDArray[np.float64]:
    """Gain of every band and frame, (bands, frames), from their power."""
    noise = np.quantile(power, _QUIET, axis=1) / -math.log(1 - _QUIET)
    ratio = power / np.maximum(noise, _SILENT)[:, None]
    gains = np.ones_like(power)
    kept = np.maximum(ratio[:, 0] - 1, 0)
    for frame in range(power.shape[1]):
        posterior = ratio[:, frame]
        prior = _MEMORY * kept + (1 - _MEMORY) * np.maximum(posterior - 1, 0)
        gains[:, frame] = np.maximum(prior / (1 + prior), lowest)
        kept = gains[:, frame] ** 2 * posterior
    return gains
