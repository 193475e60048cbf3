"""The augmented copies of the baseline of the Interspeech 2025 session on source tracing.

As its released code makes them, faults included: the copies `reverb`, `speech`, `music` and `noise`
are meant to be independent, but each is made of the one before; and noise is always speech.
So `noise` is the reverberant clip with three voices. To augment properly, use `rir` and `musan`.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.signal import oaconvolve

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect, power
from spoofscope.augmentation.sources import (
    audio_files,
    read_channel,
    read_stretch,
    source_folder,
)
from spoofscope.errors import AudioError
from spoofscope.options.effects.stacked import StackedOptions

_VOICES = {"reverb": 0, "speech": 1, "music": 2, "noise": 3}
_SNR = (13.0, 20.0)
# The level of a clip, and of a voice, has this added before its logarithm; quiet clips get another
# SNR than the one that is drawn.
_FLOOR = 1e-4


class Stacked(Effect):
    """Reverberation, then so many voices, one after the other.

    The room response has energy 1 and its delay stays, as does the level that it gives. A voice is
    the beginning of one recording, repeated if it is too short.
    """

    name: ClassVar[str] = "stacked"
    declared = StackedOptions
    options: StackedOptions

    def __init__(
        self, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
    ) -> None:
        super().__init__(options, sources, sample_rate)
        self._rirs = source_folder(sources, "rirs", "RIRS_NOISES", self.name)
        self._responses = audio_files(self._rirs / "simulated_rirs", "rirs")
        self._musan = source_folder(sources, "musan", "musan", self.name)
        self._speech = audio_files(self._musan / "speech", "musan")

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Make the copy of (n,) samples.

        Returns:
            The copy; and copy, the file of the response, and file and snr (dB) of every voice.

        Raises:
            AudioError: a file cannot be read, or a response holds only zeros.
        """
        path = self._responses[rng.integers(len(self._responses))]
        response, _ = read_channel(path, self._sample_rate, rng)
        energy = math.sqrt(float(np.sum(np.square(response, dtype=np.float64))))
        if energy == 0.0:
            raise AudioError(f"{path}: the room response holds only zeros")
        y = oaconvolve(x.astype(np.float64), response.astype(np.float64) / energy)[: x.size]
        voices = []
        for _ in range(_VOICES[self.options.copy]):
            file = self._speech[rng.integers(len(self._speech))]
            noise, _ = read_stretch(file, x.size, self._sample_rate, None)
            snr = float(rng.uniform(*_SNR))
            ratio = (float(np.mean(np.square(y))) + _FLOOR) / (power(noise) + _FLOOR)
            y = y + math.sqrt(ratio * 10 ** (-snr / 10)) * noise
            voices.append({"file": file.relative_to(self._musan).as_posix(), "snr": snr})
        used = {
            "copy": self.options.copy,
            "room": path.relative_to(self._rirs).as_posix(),
            "voices": voices,
        }
        return y.astype(np.float32), used
