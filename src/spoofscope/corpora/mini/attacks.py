"""Attacks of the mini corpus: each corrupts a recording with exactly one known cue.

Every attack keeps length and timing, so the words, phones and silences of the recording keep their
places. A local attack records the place of its cue; a global attack has its cue everywhere.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft, linalg, signal

from spoofscope.corpora.mini.talker import SAMPLE_RATE, VOWELS, Recording, Segment, Signal

SPIKE_SPACING = 1000
"""Hz between the spectral lines of `upsampling`: the rate before its last layer."""

SPIKE_REACH = 50
"""Hz on either side of a line of `upsampling` that count as its artefact: where a line still shows
in the bands of front-ends."""

BAND_EDGE = 4000
"""Hz; `band_limit` removes all energy above."""

BUZZ_PITCH = 125.0
"""Hz; pitch of the vowels of `buzz` for all speakers."""

SPLICE_REACH = int(0.015 * SAMPLE_RATE)
"""Samples on either side of a cut that count as the artefact of `splice`."""

_MOST_CUTS = 4
_MIN_VOWEL = int(0.05 * SAMPLE_RATE)
_BANDS = 24

Spans = list[tuple[int, int]]
Bands = tuple[tuple[float, float], ...]
Corruption = Callable[[Recording, np.random.Generator], tuple[Signal, Spans]]


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        name: as in the column `attack`.
        cue: the planted cue; the label of its artefact segments.
        scope: `local` cues are where the artefact segments are, `global` ones everywhere.
        bands: lowest and highest frequency (Hz) of every band that the cue is in; without any it is
            at all frequencies. A segment has one band, so each span has a segment for every band.
        splits: where the attack appears.
        known: whether the training data of source tracing contain it.
        plants: trivial cues, by their names in the audit, that the cue changes by intention.
        description: one line for people.
        corrupt: recording and generator to samples of equal length and the spans of the cue.
    """

    name: str
    cue: str
    scope: Literal["global", "local"]
    splits: tuple[str, ...]
    known: bool
    plants: tuple[str, ...]
    description: str
    corrupt: Corruption
    bands: Bands = ()

    def spoof(self, recording: Recording, rng: np.random.Generator) -> tuple[Signal, list[Segment]]:
        """Corrupt a recording.

        Returns:
            (n,) samples, as many as the recording has, and its artefact segments.
        """
        samples, spans = self.corrupt(recording, rng)
        return samples, [
            Segment(start, end, "artefact", self.cue, *band)
            for start, end in spans
            for band in self.bands or ((None, None),)
        ]


def _everywhere(recording: Recording) -> Spans:
    return [(0, recording.samples.size)]


def _stft(x: Signal, size: int) -> np.ndarray:
    """Hann frames every size / 4 samples, the ends reflected: (frames, size // 2 + 1) complex."""
    frames = sliding_window_view(np.pad(x, size // 2, mode="reflect"), size)[:: size // 4]
    spectrum: np.ndarray = fft.rfft(frames * signal.get_window("hann", size), axis=1)
    return spectrum


def _istft(spectrum: np.ndarray, size: int, n_samples: int) -> Signal:
    """Least-squares inverse of :func:`_stft` (Griffin and Lim, IEEE TASSP 1984, eq. 6)."""
    window = signal.get_window("hann", size)
    frames = fft.irfft(spectrum, size, axis=1) * window
    hop = size // 4
    total = np.zeros((frames.shape[0] + 3, hop))
    weight = np.zeros_like(total)
    for quarter in range(4):
        part = slice(quarter * hop, (quarter + 1) * hop)
        rows = slice(quarter, quarter + frames.shape[0])
        total[rows] += frames[:, part]
        weight[rows] += window[part] ** 2
    samples = (total / np.maximum(weight, 1e-8)).reshape(-1)
    return samples[size // 2 : size // 2 + n_samples]


def _triangles(n_bands: int, size: int) -> Signal:
    """Triangular filters, equally spaced on the mel scale: (bands, bins).

    They end at 8.5 kHz, above the Nyquist rate, so that the highest bins are in a band too.
    """
    mel = np.linspace(0, 2595 * np.log10(1 + 8500 / 700), n_bands + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = fft.rfftfreq(size, 1 / SAMPLE_RATE)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling))


def _griffin_lim(recording: Recording, rng: np.random.Generator) -> tuple[Signal, Spans]:
    """64 mel bands back to a spectrogram, phases by fast Griffin-Lim (Perraudin et al. 2013)."""
    size, momentum = 512, 0.99
    x = recording.samples
    filters = _triangles(64, size)
    mel = np.abs(_stft(x, size)) @ filters.T
    # Each bin takes the mean of its bands: smooth where bands are wide, as mel inversion is.
    inverse = filters / np.maximum(filters.sum(axis=0), 1e-8)
    magnitude = (mel / filters.sum(axis=1)) @ inverse
    estimate = magnitude * np.exp(2j * np.pi * rng.random(magnitude.shape))
    previous = np.zeros_like(estimate)
    for _ in range(8):
        consistent = _stft(_istft(estimate, size, x.size), size)
        ahead = consistent + momentum * (consistent - previous)
        estimate = magnitude * ahead / np.maximum(np.abs(ahead), 1e-12)
        previous = consistent
    return _istft(estimate, size, x.size), _everywhere(recording)


def _upsampling(recording: Recording, rng: np.random.Generator) -> tuple[Signal, Spans]:
    """The checkerboard of a transposed convolution (Pons et al. 2021): gain and bias with period.

    The gain that differs between the phases of the stride mirrors the speech around multiples of
    the lower rate; the bias leaves lines there, in the pauses too.
    """
    period = SAMPLE_RATE // SPIKE_SPACING
    # One pattern for all recordings: a fingerprint of the attack, not of the recording.
    pattern = np.zeros(period)
    for harmonic in range(1, period // 2 + 1):
        pattern += np.cos(2 * np.pi * harmonic * (np.arange(period) / period + 0.31 * harmonic))
    pattern /= np.sqrt(np.mean(pattern**2))
    phase = int(rng.integers(period))
    tiled = np.resize(np.roll(pattern, phase), recording.samples.size)
    level = np.sqrt(np.mean(recording.samples**2))
    return recording.samples * (1 + 0.04 * tiled) + 0.009 * level * tiled, _everywhere(recording)


def _digital_silence(recording: Recording, rng: np.random.Generator) -> tuple[Signal, Spans]:
    """Exact zeros inside every pause; the silences at both ends stay as recorded."""
    x = recording.samples.copy()
    spans = []
    for segment in recording.segments:
        if segment.tier == "silence" and segment.label == "pause":
            # The first third keeps the decay of the last word, which is not silence.
            start = segment.start + (segment.end - segment.start) // 3
            x[start : segment.end] = 0.0
            spans.append((start, segment.end))
    return x, spans


def _linear_prediction(frame: Signal, order: int) -> Signal:
    """Coefficients (order + 1,) of the inverse filter, by the autocorrelation method."""
    lags = signal.correlate(frame, frame, mode="full")[frame.size - 1 : frame.size + order]
    lags[0] *= 1 + 1e-6
    solution = linalg.solve_toeplitz(lags[:order], lags[1 : order + 1])
    return np.concatenate([[1.0], -solution])


def _monotone(x: Signal) -> Signal:
    """Speech with its own envelope on a strictly periodic pulse train: the LPC vocoder's buzz.

    The result has another level than `x`, which must be longer than a frame of 25 ms.
    """
    size, hop, order = 400, 100, 18
    padded = np.pad(x, size, mode="reflect")
    pulses = np.zeros(padded.size)
    # A pulse between two samples is shared by both, else rounding would bring jitter back.
    times = np.arange(0, padded.size - 1, SAMPLE_RATE / BUZZ_PITCH)
    whole = times.astype(np.int64)
    pulses[whole] += 1 - (times - whole)
    pulses[whole + 1] += times - whole
    pulses -= pulses.mean()  # neither a larynx nor a microphone passes direct current
    window = np.hanning(size + 1)[:-1]
    output = np.zeros_like(padded)
    for start in range(0, padded.size - size + 1, hop):
        frame = padded[start : start + size] * window
        inverse = _linear_prediction(frame, order)
        # The filter starts a frame early, so that it rings as if it had never stopped.
        early = max(start - size, 0)
        synthetic = signal.lfilter([1.0], inverse, pulses[early : start + size])[-size:]
        energy = np.sum((synthetic * window) ** 2)
        gain = np.sqrt(np.sum(frame**2) / np.maximum(energy, 1e-12))
        output[start : start + size] += gain * synthetic * window
    return output[size : size + x.size]


def _buzz(recording: Recording, rng: np.random.Generator) -> tuple[Signal, Spans]:
    """Every second longer vowel gets one fixed pitch, without jitter or shimmer."""
    x = recording.samples.copy()
    vowels = [
        segment
        for segment in recording.segments
        if segment.tier == "phone"
        and segment.label in VOWELS
        and segment.end - segment.start >= _MIN_VOWEL
    ]
    first = int(rng.integers(2)) if len(vowels) > 1 else 0
    spans = [(vowel.start, vowel.end) for vowel in vowels[first::2]]
    edge = int(0.008 * SAMPLE_RATE)
    ramp = np.sin(0.5 * np.pi * (np.arange(edge) + 0.5) / edge) ** 2
    for start, end in spans:
        original = x[start:end].copy()
        synthetic = _monotone(original)
        synthetic *= np.sqrt(np.mean(original**2) / np.maximum(np.mean(synthetic**2), 1e-12))
        mix = np.concatenate([ramp, np.ones(end - start - 2 * edge), ramp[::-1]])
        x[start:end] = (1 - mix) * original + mix * synthetic
    return x, spans


def _splice(recording: Recording, rng: np.random.Generator) -> tuple[Signal, Spans]:
    """Cuts where one word follows another at once: a click, and other level and polarity.

    Polarity and level return at the next cut, so both states fill about half of the utterance.
    """
    x = recording.samples.copy()
    words = [segment for segment in recording.segments if segment.tier == "word"]
    # Near each border, a cut where the wave is strongest is a discontinuity for sure; of all
    # borders, those inside a closure (silent on both sides) come last.
    reach = SPLICE_REACH // 3
    candidates = []
    for before, after in itertools.pairwise(words):
        if before.end == after.start:
            first = before.end - reach
            candidates.append(first + int(np.argmax(np.abs(x[first : first + 2 * reach]))))
    cuts = sorted(sorted(candidates, key=lambda cut: -abs(x[cut]))[:_MOST_CUTS])
    spans = [(cut - SPLICE_REACH, cut + SPLICE_REACH) for cut in cuts]
    gain = 10 ** (rng.choice([-4.0, 4.0]) / 20)
    for start, end in zip(cuts[::2], [*cuts[1::2], x.size], strict=False):
        x[start:end] *= -gain
    # The click of the edit: one sample against the wave, not as loud as the loudest, so that the
    # clip's peak says nothing.
    click = 0.7 * np.max(np.abs(x))
    for cut in cuts:
        x[cut] = -np.copysign(click, x[cut])
    return x, spans


def _band_limit(recording: Recording, rng: np.random.Generator) -> tuple[Signal, Spans]:
    """Nothing above half of 8 kHz, as from a vocoder of that rate."""
    band = signal.firwin(255, BAND_EDGE - 200, fs=SAMPLE_RATE)
    padded = np.pad(recording.samples, 127, mode="reflect")
    return signal.fftconvolve(padded, band, mode="valid"), _everywhere(recording)


def _phase_smear(recording: Recording, rng: np.random.Generator) -> tuple[Signal, Spans]:
    """Phases drift at random from bin to bin: the smear of a phase vocoder."""
    size = 512
    spectrum = _stft(recording.samples, size)
    drift = rng.normal(0, 1.0, size=spectrum.shape)
    smeared = spectrum * np.exp(1j * drift)
    return _istft(smeared, size, recording.samples.size), _everywhere(recording)


def _quantised_envelope(recording: Recording, rng: np.random.Generator) -> tuple[Signal, Spans]:
    """Band energies in steps of 12 dB, as of a codec that spends two bits on each."""
    size, step = 512, 12.0
    spectrum = _stft(recording.samples, size)
    filters = _triangles(_BANDS, size)
    filters /= np.maximum(filters.sum(axis=0), 1e-8)
    decibel = 10 * np.log10(np.abs(spectrum) ** 2 @ filters.T + 1e-12)
    gain = (np.round(decibel / step) * step - decibel) @ filters
    return _istft(spectrum * 10 ** (gain / 20), size, recording.samples.size), _everywhere(
        recording
    )


def _over_smoothed(recording: Recording, rng: np.random.Generator) -> tuple[Signal, Spans]:
    """Formants filled in: the spectral envelope keeps 5 cepstral coefficients instead of 20."""
    size = 512
    spectrum = _stft(recording.samples, size)
    log_magnitude = np.log(np.abs(spectrum) + 1e-6)
    cepstrum = fft.irfft(log_magnitude, size, axis=1)
    detail = np.zeros_like(cepstrum)
    detail[:, 5:20] = cepstrum[:, 5:20]
    detail[:, -19:-4] = cepstrum[:, -19:-4]
    smooth = spectrum * np.exp(-fft.rfft(detail, axis=1).real)
    # Wide bands keep their energy in each frame: pauses stay quiet and the balance of low and high
    # stays what it was, only the formants within a band go.
    bands = _triangles(6, size)
    bands /= np.maximum(bands.sum(axis=0), 1e-8)
    before = np.log(np.abs(spectrum) ** 2 @ bands.T + 1e-12)
    after = np.log(np.abs(smooth) ** 2 @ bands.T + 1e-12)
    smooth *= np.exp(0.5 * (before - after) @ bands)
    return _istft(smooth, size, recording.samples.size), _everywhere(recording)


def _lines() -> Bands:
    """Around every multiple of 1 kHz up to half the sample rate."""
    highest = SAMPLE_RATE / 2
    lines = np.arange(SPIKE_SPACING, highest + 1, SPIKE_SPACING).tolist()
    return tuple((line - SPIKE_REACH, min(line + SPIKE_REACH, highest)) for line in lines)


_ALL = ("train", "dev", "eval")
_EVAL = ("eval",)
_BANDWIDTH = ("bandwidth_95", "bandwidth_99", "cutoff")
_SILENCE = ("silence_ratio", "zeros")

ATTACKS: tuple[Attack, ...] = (
    Attack(
        "griffin_lim", "phase_reconstruction", "global", _ALL, True, (),
        "64-band mel spectrogram inverted with Griffin-Lim", _griffin_lim,
    ),
    Attack(
        "upsampling", "spectral_lines", "global", _ALL, True, (),
        "gain and bias of a transposed convolution: lines and images at multiples of 1 kHz",
        _upsampling, _lines(),
    ),
    Attack(
        "digital_silence", "digital_silence", "local", _ALL, True, _SILENCE,
        "exact zeros inside pauses", _digital_silence,
    ),
    Attack(
        "buzz", "constant_pitch", "local", _ALL, True, (),
        "every second vowel re-synthesised by LPC on a strictly periodic pulse train", _buzz,
    ),
    Attack(
        "splice", "splice", "local", _ALL, True, (),
        "hard cuts at word borders with a click and a jump of level and polarity", _splice,
    ),
    Attack(
        "band_limit", "band_limit", "global", _ALL, False, _BANDWIDTH,
        "nothing above 4 kHz", _band_limit, ((BAND_EDGE, SAMPLE_RATE / 2),),
    ),
    Attack(
        "phase_smear", "phase_smear", "global", _EVAL, False, (),
        "random phase drift in 32 ms frames", _phase_smear,
    ),
    Attack(
        "quantised_envelope", "envelope_steps", "global", _EVAL, False, (),
        "24 band energies rounded to 12 dB", _quantised_envelope,
    ),
    Attack(
        "over_smoothed", "flat_formants", "global", _EVAL, False, (),
        "spectral envelope without its fine structure", _over_smoothed,
    ),
)  # fmt: skip
"""All attacks, in the order of the tables."""
