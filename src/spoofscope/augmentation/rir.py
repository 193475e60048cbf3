"""Reverberation with the room impulse responses of RIRS_NOISES or a folder like it.

Source: T. Ko et al., "A study on data augmentation of reverberant speech for robust speech
recognition", ICASSP 2017.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.signal import oaconvolve

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect, power
from spoofscope.augmentation.sources import audio_files, read_channel, source_folder
from spoofscope.errors import AudioError, ConfigError
from spoofscope.options.effects.rir import RoomResponseOptions


class RoomResponse(Effect):
    """Convolve with a room impulse response; length, level and time labels stay.

    The response's strongest sample, the direct path, is put at time zero: segment labels remain
    valid. The result has the RMS of the input.
    """

    name: ClassVar[str] = "rir"
    declared = RoomResponseOptions
    options: RoomResponseOptions

    def __init__(
        self, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
    ) -> None:
        super().__init__(options, sources, sample_rate)
        self._folder = source_folder(sources, "rirs", "RIRS_NOISES", self.name)
        self._files = {room: self._list(room) for room in self.options.rooms}

    def _list(self, room: str) -> list[Path]:
        if room != "real":
            return audio_files(self._folder / "simulated_rirs" / room, "rirs")
        folder = self._folder / "real_rirs_isotropic_noises"
        responses = [p for p in audio_files(folder, "rirs") if "noise" not in p.stem]
        if not responses:
            raise ConfigError(f"noise.rirs: {folder} holds noises only, no room responses")
        return responses

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Reverberate (n,) samples.

        Returns:
            The reverberant signal, and room, file and channel.

        Raises:
            AudioError: the impulse response cannot be read or holds only zeros.
        """
        room = list(self._files)[rng.integers(len(self._files))]
        path = self._files[room][rng.integers(len(self._files[room]))]
        response, channel = read_channel(path, self._sample_rate, rng)
        used = {
            "room": room,
            "file": path.relative_to(self._folder).as_posix(),
            "channel": channel,
        }
        direct = int(np.argmax(np.abs(response)))
        if response[direct] == 0.0:
            raise AudioError(f"{path}: the room response holds only zeros")
        wet = oaconvolve(x.astype(np.float64), response.astype(np.float64))
        wet = wet[direct : direct + x.size]
        level = float(np.mean(wet**2))
        if level > 0.0:
            wet = wet * math.sqrt(power(x) / level)
        return wet.astype(np.float32), used
