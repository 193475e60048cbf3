"""Additive noise, music and babble from MUSAN or a folder like it.

Source: D. Snyder, G. Chen, D. Povey, "MUSAN: A Music, Speech, and Noise Corpus", 2015; the ranges
are those of the x-vector recipe (Snyder et al., "X-vectors", ICASSP 2018) for VoxCeleb.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spoofscope.audio import Samples
from spoofscope.augmentation.base import Effect, power
from spoofscope.augmentation.sources import audio_files, read_stretch, source_folder
from spoofscope.errors import AudioError
from spoofscope.options.effects.musan import MusanOptions

# MUSAN holds recordings with stretches of digital silence, whose SNR no gain can set.
_ATTEMPTS = 10


class Musan(Effect):
    """Add one noise, one piece of music, or a babble of voices, at a drawn SNR.

    The recordings of a babble are brought to one level and added up; the sum gets the drawn SNR.
    The SNR is the ratio of the mean squares over the whole clip. Expects
    `{folder}/{category}/**/*.wav` below `noise.musan`.
    """

    name: ClassVar[str] = "musan"
    declared = MusanOptions
    options: MusanOptions

    def __init__(
        self, options: Mapping[str, Any], sources: Mapping[str, Path], sample_rate: int
    ) -> None:
        super().__init__(options, sources, sample_rate)
        # Sorted, so that the order of the keys in the study file does not matter.
        self._snr = dict(sorted(self.options.categories.items()))
        self._voices = self.options.voices
        self._folder = source_folder(sources, "musan", "musan", self.name)
        self._files = {key: audio_files(self._folder / key, "musan") for key in self._snr}

    def apply(self, x: Samples, rng: np.random.Generator) -> tuple[Samples, dict[str, Any]]:
        """Add noise to (n,) samples; a silent clip, which has no SNR, is left as it is.

        Returns:
            The mix, and category, snr (dB) and the files with their start in seconds.

        Raises:
            AudioError: a noise file is broken, or a category holds next to nothing but silence.
        """
        category = list(self._snr)[rng.integers(len(self._snr))]
        snr = float(rng.uniform(*self._snr[category]))
        n_files = 1
        if category == "speech":
            n_files = int(rng.integers(self._voices[0], self._voices[1] + 1))
        level = power(x)
        if level == 0.0:
            return x, {"category": category, "skipped": "silent clip"}
        noise = np.zeros(x.size, dtype=np.float64)
        used: list[dict[str, Any]] = []
        for index in self._draw(category, n_files, rng):
            stretch, entry = self._stretch(category, index, x.size, rng)
            noise += stretch / math.sqrt(power(stretch))
            used.append(entry)
        gain = math.sqrt(level / float(np.mean(noise**2)) * 10.0 ** (-snr / 10.0))
        mix = (x + gain * noise).astype(np.float32)
        return mix, {"category": category, "snr": snr, "files": used}

    def _draw(self, category: str, n_files: int, rng: np.random.Generator) -> list[int]:
        available = len(self._files[category])
        drawn = rng.choice(available, size=n_files, replace=n_files > available)
        return [int(index) for index in drawn]

    def _stretch(
        self, category: str, index: int, n_samples: int, rng: np.random.Generator
    ) -> tuple[Samples, dict[str, Any]]:
        files = self._files[category]
        for _ in range(_ATTEMPTS):
            path = files[index]
            stretch, start = read_stretch(path, n_samples, self._sample_rate, rng)
            if power(stretch) > 0.0:
                name = path.relative_to(self._folder).as_posix()
                return stretch, {"file": name, "start": start}
            index = int(rng.integers(len(files)))
        raise AudioError(
            f"{path}: {_ATTEMPTS} stretches of {category} in a row are digital silence; "
            "remove the silent files from noise.musan"
        )
