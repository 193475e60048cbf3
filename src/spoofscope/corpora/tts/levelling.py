"""The same treatment for human and synthetic clips, so that no trivial cue tells them apart.

What differs between recordings and the output of a synthesizer without being speech: silence at the
ends, length, level, DC and rumble, bandwidth, the colour of the sound, and exact zeros. Levels and
tilts are dealt so that every group of clips has the same of them. NumPy only.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from spoofscope.corpora.cues import frame_size, silent_frames

Signal = npt.NDArray[np.float64]

LOWEST_HZ = 70.0
"""Everything below is removed."""

HIGHEST = 0.45
"""Everything above this share of the sample rate is removed: of engines of that rate, too."""

SILENCE_DB = 30.0
"""Frames so far below the loud ones are silence, where it stands at the ends of a clip."""

KEPT = 0.95
"""Share of its length that the shortest clip keeps, so that every clip is cut at both ends."""

SHORTEST_SECONDS = 0.5
"""Clips with less speech are left out."""

LEVELS_DB = (-44.0, -24.0)
"""Root mean squares of all clips, re full scale."""

NOISE_DB = (-34.0, -26.0)
"""White noise that is added to every clip, re its speech."""

TILTS_DB = (-3.0, 3.0)
"""Per octave: so much brighter or duller than the recordings' average a clip is made."""

BANDS_PER_OCTAVE = 2
"""Bands in which the colour of clips is the same; formants are in narrower ones."""

_MOST_GAIN_DB = 30.0
_MIDDLE_HZ = 1000.0
_FADE_SECONDS = 0.005
_PEAK = 0.98


def speech_of(samples: npt.NDArray[np.float32], sample_rate: int) -> tuple[int, int] | None:
    """First sample of speech, and the one after the last.

    Args:
        samples: (n,).
        sample_rate: Hz.

    Returns:
        None where less than half a second is left.
    """
    loud = np.flatnonzero(~silent_frames(samples, sample_rate, SILENCE_DB))
    if not loud.size:
        return None
    size = frame_size(sample_rate)
    start, end = int(loud[0]) * size, min(samples.size, (int(loud[-1]) + 1) * size)
    return (start, end) if end - start >= SHORTEST_SECONDS * sample_rate else None


def common_lengths(groups: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Lengths to which clips are cut so that all groups have the same distribution of lengths.

    The clip at a quantile of its group gets `KEPT` of the shortest length that any group has there;
    nothing is made longer.

    Args:
        groups: name to the lengths of its clips, in samples.

    Returns:
        The same with the new lengths, in the order of the clips.
    """
    ordered = {name: np.sort(np.asarray(lengths)) for name, lengths in groups.items()}
    shares = {name: (np.arange(len(x)) + 0.5) / len(x) for name, x in ordered.items()}
    cut: dict[str, list[int]] = {}
    for name, lengths in groups.items():
        at = [np.interp(shares[name], shares[other], ordered[other]) for other in groups]
        shortest = KEPT * np.min(at, axis=0)
        ranks = np.argsort(np.argsort(np.asarray(lengths), kind="stable"), kind="stable")
        cut[name] = [int(shortest[rank]) for rank in ranks]
    return cut


def spread(n: int, low: float, high: float, rng: np.random.Generator) -> Signal:
    """`n` values that cover a range evenly, in random order."""
    return np.asarray(low + (high - low) * (rng.permutation(n) + 0.5) / max(n, 1))


def _band_limited(samples: Signal, sample_rate: int) -> Signal:
    """Only what is between `LOWEST_HZ` and `HIGHEST` of the rate, with edges of 20 % and 5 %."""
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(samples.size, 1 / sample_rate)
    highest = HIGHEST * sample_rate
    rise = np.clip((frequencies / LOWEST_HZ - 0.8) / 0.2, 0, 1)
    fall = np.clip((1.0 - frequencies / highest) / 0.05, 0, 1)
    return np.asarray(np.fft.irfft(spectrum * rise * fall, n=samples.size))


def _band_edges(sample_rate: int) -> Signal:
    highest = HIGHEST * sample_rate
    n = round(BANDS_PER_OCTAVE * np.log2(highest / LOWEST_HZ))
    return np.geomspace(LOWEST_HZ, highest, n + 1)


def colour(samples: npt.NDArray[np.float32], sample_rate: int) -> Signal:
    """The level of a clip in each band, in dB re its level in all of them.

    Args:
        samples: (n,) of speech alone.
        sample_rate: Hz.

    Returns:
        (bands,), not below -80.
    """
    power = np.square(np.abs(np.fft.rfft(samples.astype(np.float64))))
    places = np.fft.rfftfreq(samples.size, 1 / sample_rate)
    inside = np.searchsorted(_band_edges(sample_rate), places, side="right") - 1
    n_bands = _band_edges(sample_rate).size - 1
    used = (inside >= 0) & (inside < n_bands)
    bands = np.bincount(inside[used], weights=power[used], minlength=n_bands)
    return np.asarray(10 * np.log10(np.maximum(bands / bands.sum(), 1e-8)))


def _coloured(
    samples: npt.NDArray[np.float32], sample_rate: int, target: Signal, tilt_db: float
) -> Signal:
    """Filtered without delay, so that its colour is the target's with a tilt."""
    edges = _band_edges(sample_rate)
    octaves = np.log2(np.sqrt(edges[:-1] * edges[1:]) / _MIDDLE_HZ)
    gains = target + tilt_db * octaves - colour(samples, sample_rate)
    gains = np.clip(gains - np.median(gains), -_MOST_GAIN_DB, _MOST_GAIN_DB)
    spectrum = np.fft.rfft(samples.astype(np.float64))
    places = np.maximum(np.fft.rfftfreq(samples.size, 1 / sample_rate), 1.0)
    gain = np.interp(np.log2(places / _MIDDLE_HZ), octaves, gains)
    return np.asarray(np.fft.irfft(spectrum * 10 ** (gain / 20), n=samples.size))


def _without_zeros(samples: Signal, rng: np.random.Generator) -> Signal:
    """Samples that 16 bits would round to zero are one step above or below."""
    steps = np.round(samples * 32768)
    return np.asarray(np.where(steps == 0, rng.choice((-1.0, 1.0), samples.size), steps) / 32768)


def levelled(
    samples: npt.NDArray[np.float32],
    sample_rate: int,
    target: Signal,
    tilt_db: float,
    noise_db: float,
    level_db: float,
    rng: np.random.Generator,
) -> Signal:
    """A clip of speech with common colour, band, noise, level and ends.

    Args:
        samples: (n,) of speech alone.
        sample_rate: Hz.
        target: (bands,) the colour of all clips.
        tilt_db: what is added to it, dB per octave above 1 kHz.
        noise_db: of the noise re the speech.
        level_db: root mean square re full scale, but for clips whose peak would be clipped.
        rng: of the noise.

    Returns:
        (n,) in [-1, 1], in steps of 16 bits, none of them zero.
    """
    speech = _band_limited(_coloured(samples, sample_rate, target, tilt_db), sample_rate)
    noise = rng.standard_normal(speech.size)
    noise *= np.sqrt(np.mean(speech**2)) * 10 ** (noise_db / 20)
    x = speech + noise
    fade = min(round(_FADE_SECONDS * sample_rate), x.size // 2)
    ramp = (np.arange(fade) + 0.5) / fade
    x[:fade] *= ramp
    x[-fade:] *= ramp[::-1]
    x -= x.mean()
    x *= 10 ** (level_db / 20) / np.sqrt(np.mean(x**2))
    x *= min(1.0, _PEAK / float(np.max(np.abs(x))))
    return _without_zeros(x, rng)
