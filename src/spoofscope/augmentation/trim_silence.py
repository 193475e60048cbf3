"""What comes before the speech is cut off."""

from typing import Any, ClassVar

import numpy as np
import torch
import torchaudio

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect
from spoofscope.options.effects.trim_silence import TrimSilenceOptions

# What the detector needs before it believes in speech: less than that is none.
_TRIGGER_SECONDS = 0.25


class TrimSilence(Effect):
    """Everything before the first speech that torchaudio's detector (that of SoX) finds is cut off.

    The detector can miss all of it, in quiet or tonal clips; one of which less than 0.25 s would be
    left stays as it is.
    """

    name: ClassVar[str] = "trim_silence"
    declared = TrimSilenceOptions
    options: TrimSilenceOptions
    keeps_time: ClassVar[bool] = False

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Trim (n,) samples.

        Returns:
            The last m samples of the signal, m <= n; how many seconds were cut off.
        """
        found = torchaudio.functional.vad(torch.from_numpy(x).unsqueeze(0), self._sample_rate)
        left = found.shape[-1]
        if left < _TRIGGER_SECONDS * self._sample_rate:
            left = x.size
        return x[x.size - left :], {"seconds": (x.size - left) / self._sample_rate}
