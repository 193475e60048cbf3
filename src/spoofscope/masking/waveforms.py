"""Masks of waveforms: the effects that they are."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from spoofscope.augmentation.band import bins_within, energies_of_bins, part_of
from spoofscope.masking.base import Clip, Floats, Part, WaveformMask
from spoofscope.masking.controls import CANDIDATES, CLOSE, as_much_energy
from spoofscope.names import NONE, SIZE
from spoofscope.options.masks import (
    BandMaskOptions,
    CodecMaskOptions,
    CompressorMaskOptions,
    GainMaskOptions,
    MaskOptions,
)

_TRIES = 6


class BandMask(WaveformMask):
    """Bands of frequencies are made softer."""

    name: ClassVar[str] = "band"
    matched: ClassVar[str] = SIZE
    declared: ClassVar[type[MaskOptions]] = BandMaskOptions
    options: BandMaskOptions

    def targets(self, sample_rate: int) -> dict[str, Any]:
        """Lowest and highest frequency of each band."""
        bands = [list(band) for band in self.options.bands]
        width = self.options.sweep
        if width is not None:
            starts = np.arange(0, sample_rate / 2 - width + 1e-6, width).tolist()
            bands += [[start, start + width] for start in starts]
        return {f"{low:g}-{high:g} Hz": [low, high] for low, high in bands}

    def steps(self, target: Any, strength: float) -> list[dict[str, Any]]:
        """One effect."""
        low, high = target
        return [{"effect": "band", "low": low, "high": high, "gain": [-strength, -strength]}]

    def random_target(self, target: Any, clip: Clip, rng: np.random.Generator) -> Any | None:
        """A band of the same width beside this one, of about the same energy.

        A band that leaves no room for another of its width is compared with its change moved in
        time.
        """
        low, high = target
        width, highest = high - low, clip.sample_rate / 2
        room = np.array([max(0.0, low - width), max(0.0, highest - high - width)])
        if room.sum() <= 0:
            return None
        spectrum = np.abs(np.fft.rfft(clip.samples.astype(np.float64))) ** 2
        total = np.concatenate([[0.0], np.cumsum(spectrum)])
        # In Hz, what a bin of the spectrum is wide.
        bin_width = clip.sample_rate / clip.samples.size

        def energy(start: Floats | float) -> Any:
            ends = np.stack([np.asarray(start), np.asarray(start) + width]) / bin_width
            places = np.clip(np.rint(ends).astype(np.int64), 0, spectrum.size)
            return total[places[1]] - total[places[0]]

        drawn = rng.uniform(0, room.sum(), CANDIDATES)
        starts = np.where(drawn < room[0], drawn, high + drawn - room[0])
        nearest = float(starts[np.argmin(np.abs(energy(starts) - energy(low)))])
        return [nearest, nearest + width]

    def parts(self, target: Any, clip: Clip, rngs: Sequence[np.random.Generator]) -> list[Part]:
        """Bands that hold as much energy, see `controls.as_much_energy`.

        Windows smear what is in a bin, so what narrow bands hold is measured, and drawn again.
        """
        bins, energies = bins_within(clip.sample_rate, *target), energies_of_bins(clip.samples)
        wanted = float(np.square(part_of(clip.samples, bins)).sum())
        parts = []
        for rng in rngs:
            scale, best, distance = 1.0, None, np.inf
            for _ in range(_TRIES):
                drawn = as_much_energy(bins, energies, rng, scale)
                part = Part(part_of(clip.samples, drawn), float(drawn.mean()))
                energy = float(np.square(part.samples).sum())
                if best is None or abs(energy - wanted) < distance:
                    best, distance = part, abs(energy - wanted)
                if distance <= CLOSE * wanted or energy == 0:
                    break
                scale *= wanted / energy
            assert best is not None
            parts.append(best)
        return parts

    def share(self, target: Any, sample_rate: int) -> float:
        """Of the bins of the effect."""
        return float(bins_within(sample_rate, *target).mean())


class GainMask(WaveformMask):
    """The whole clip is made softer."""

    name: ClassVar[str] = "gain"
    declared: ClassVar[type[MaskOptions]] = GainMaskOptions
    options: GainMaskOptions

    def targets(self, sample_rate: int) -> dict[str, Any]:
        """The whole clip."""
        return {NONE: None}

    def steps(self, target: Any, strength: float) -> list[dict[str, Any]]:
        """One effect."""
        return [{"effect": "gain", "gain": [-strength, -strength]}]


class CompressorMask(WaveformMask):
    """The dynamic range is compressed."""

    name: ClassVar[str] = "compressor"
    declared: ClassVar[type[MaskOptions]] = CompressorMaskOptions
    options: CompressorMaskOptions

    def targets(self, sample_rate: int) -> dict[str, Any]:
        """The whole clip."""
        return {NONE: None}

    def steps(self, target: Any, strength: float) -> list[dict[str, Any]]:
        """One effect."""
        settings = self.options.to_dict()
        settings = {k: v for k, v in settings.items() if k not in ("strengths", "as_published")}
        return [{"effect": "compressor", **settings, "share": strength}]


class CodecMask(WaveformMask):
    """Round trips through codecs."""

    name: ClassVar[str] = "codec"
    declared: ClassVar[type[MaskOptions]] = CodecMaskOptions
    options: CodecMaskOptions

    def targets(self, sample_rate: int) -> dict[str, Any]:
        """The codecs."""
        choices = [choice.to_dict() for choice in self.options.codecs]
        return {" ".join(str(value) for value in choice.values()): choice for choice in choices}

    def steps(self, target: Any, strength: float) -> list[dict[str, Any]]:
        """As many effects as there are round trips."""
        return [{"effect": "codec", "codecs": [target]}] * int(strength)
