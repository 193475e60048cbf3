"""A source-filter talker: speech-like utterances with their true word and phone times.

Glottal pulses (the KLGLOTT88 flow derivative of Klatt and Klatt, "Analysis, synthesis, and
perception of voice quality variations", JASA 1990) with jitter, shimmer and breath noise drive a
cascade of digital resonators (Klatt, "Software for a cascade/parallel formant synthesizer", JASA
1980); fricatives and bursts are filtered noise beside the cascade. Then the module adds the
response and the noise of a room. The words have no meaning.

Times are in samples at `SAMPLE_RATE`; signals are float64, mono.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import signal

Signal = npt.NDArray[np.float64]

SAMPLE_RATE = 16000
"""Hz."""

RECORDING_RMS = 0.05
"""Root mean square of every recording that :func:`speak` returns."""

_FRAME = 80  # control frame of the synthesiser: 5 ms
_OVERSAMPLING = 4  # of the glottal source, so that its sharp closures do not alias audibly


class Segment(NamedTuple):
    """A stretch of an utterance: first sample, one past the last, tier and label.

    low_hz, high_hz: the band of frequencies that it is about; None is all.
    """

    start: int
    end: int
    tier: Literal["word", "phone", "silence", "artefact"]
    label: str
    low_hz: float | None = None
    high_hz: float | None = None


@dataclass(frozen=True)
class Speaker:
    """The constant properties of all recordings of one speaker.

    Attributes:
        name: identifier.
        gender: `female` or `male`.
        language: key of `LANGUAGES`.
        f0: mean fundamental frequency in Hz.
        formant_scale: factor on the formants of an average male adult.
        open_quotient: open share of the glottal cycle, 0 to 1.
        tilt: pole of the low-pass on the glottal pulses, 0 (bright) to 1 (dull).
        breath: aspiration noise relative to the voice.
        jitter: relative standard deviation of the period.
        shimmer: relative standard deviation of the pulse amplitude.
        reverberation: time for the room to decay by 60 dB, in s.
        direct_to_reverberant: dB.
        noise_colour: pole of the room noise, 0 (white) to 1 (rumble).
        signal_to_noise: dB.
    """

    name: str
    gender: Literal["female", "male"]
    language: str
    f0: float
    formant_scale: float
    open_quotient: float
    tilt: float
    breath: float
    jitter: float
    shimmer: float
    reverberation: float
    direct_to_reverberant: float
    noise_colour: float
    signal_to_noise: float


@dataclass(frozen=True)
class Sentence:
    """Words as tuples of phones, and after which words the talker pauses (0-based)."""

    words: tuple[tuple[str, ...], ...]
    pauses: frozenset[int]

    @property
    def text(self) -> str:
        """The words, spelt by their phones; a comma marks a pause."""
        spelt = ["".join(word) for word in self.words]
        return " ".join(
            f"{word}," if index in self.pauses else word for index, word in enumerate(spelt)
        )


class Silences(NamedTuple):
    """Durations of silence before, after and at each pause of a sentence, in s."""

    leading: float
    trailing: float
    pause: float


@dataclass(frozen=True)
class Recording:
    """A recorded utterance.

    samples: (n,) float64 with root mean square `RECORDING_RMS` and no DC. segments: words, phones
    and silences in order of time; together the phones and silences cover the whole recording.
    """

    samples: Signal
    segments: tuple[Segment, ...]


class _Phone(NamedTuple):
    kind: Literal["vowel", "sonorant", "fricative", "plosive"]
    formants: tuple[float, float, float]  # Hz, average male adult
    voicing: float  # amplitude of the glottal source
    noise: float  # amplitude of frication or burst
    noise_centre: float  # Hz
    noise_width: float  # Hz
    duration: float  # s, before the sentence is fitted to its length


# Vowels: the men's averages of Peterson and Barney (JASA 1952). Consonants: near Klatt (1980).
_PHONES: dict[str, _Phone] = {
    "i": _Phone("vowel", (270, 2290, 3010), 1.0, 0, 0, 0, 0.11),
    "e": _Phone("vowel", (530, 1840, 2480), 1.0, 0, 0, 0, 0.12),
    "ä": _Phone("vowel", (660, 1720, 2410), 1.0, 0, 0, 0, 0.13),
    "a": _Phone("vowel", (730, 1090, 2440), 1.0, 0, 0, 0, 0.13),
    "o": _Phone("vowel", (570, 840, 2410), 1.0, 0, 0, 0, 0.13),
    "u": _Phone("vowel", (300, 870, 2240), 1.0, 0, 0, 0, 0.11),
    "ö": _Phone("vowel", (490, 1350, 1690), 1.0, 0, 0, 0, 0.12),
    "m": _Phone("sonorant", (260, 1050, 2200), 0.55, 0, 0, 0, 0.07),
    "n": _Phone("sonorant", (270, 1450, 2500), 0.55, 0, 0, 0, 0.065),
    "l": _Phone("sonorant", (350, 1200, 2750), 0.7, 0, 0, 0, 0.065),
    "r": _Phone("sonorant", (330, 1080, 1450), 0.7, 0, 0, 0, 0.065),
    "w": _Phone("sonorant", (290, 650, 2150), 0.7, 0, 0, 0, 0.065),
    "j": _Phone("sonorant", (260, 2070, 2950), 0.7, 0, 0, 0, 0.06),
    "s": _Phone("fricative", (320, 1390, 2530), 0.0, 0.30, 5600, 2200, 0.10),
    "ç": _Phone("fricative", (300, 1840, 2750), 0.0, 0.28, 3000, 1300, 0.10),
    "f": _Phone("fricative", (340, 1100, 2080), 0.0, 0.10, 4500, 5500, 0.09),
    "h": _Phone("fricative", (500, 1500, 2500), 0.0, 0.07, 1600, 2000, 0.06),
    "z": _Phone("fricative", (240, 1390, 2530), 0.4, 0.16, 5400, 2200, 0.08),
    "v": _Phone("fricative", (220, 1100, 2080), 0.5, 0.05, 4500, 5500, 0.06),
    "p": _Phone("plosive", (400, 1100, 2150), 0.0, 0.22, 900, 2500, 0.09),
    "t": _Phone("plosive", (400, 1600, 2600), 0.0, 0.40, 4200, 2800, 0.085),
    "k": _Phone("plosive", (300, 1990, 2850), 0.0, 0.40, 1900, 1200, 0.09),
    "b": _Phone("plosive", (200, 1100, 2150), 0.25, 0.12, 900, 2500, 0.07),
    "d": _Phone("plosive", (200, 1600, 2600), 0.25, 0.22, 4000, 2800, 0.065),
    "g": _Phone("plosive", (200, 1990, 2850), 0.25, 0.22, 1900, 1200, 0.07),
}

VOWELS = frozenset(name for name, phone in _PHONES.items() if phone.kind == "vowel")
"""Labels of the phones that are vowels."""


class _Language(NamedTuple):
    vowels: str
    onsets: str
    codas: str
    closed: float  # share of syllables with a coda


LANGUAGES: dict[str, _Language] = {
    "qaa": _Language("ieaou", "mnlrsftkpbdgh", "nstlr", 0.35),
    "qab": _Language("ieäaöu", "mnlwjsçfvzktdg", "nsçkm", 0.5),
    "qac": _Language("iaou", "mnrjhkpbdzçv", "n", 0.15),
}
"""The invented languages, under ISO 639-2 codes reserved for local use."""


def make_speaker(name: str, index: int, language: str, rng: np.random.Generator) -> Speaker:
    """Draw a speaker; even indices are women, odd ones men."""
    female = index % 2 == 0
    return Speaker(
        name=name,
        gender="female" if female else "male",
        language=language,
        f0=float(rng.uniform(175, 235) if female else rng.uniform(95, 140)),
        formant_scale=float(rng.uniform(1.12, 1.22) if female else rng.uniform(0.95, 1.06)),
        open_quotient=float(rng.uniform(0.5, 0.7)),
        tilt=float(rng.uniform(0.1, 0.5)),
        breath=float(rng.uniform(0.02, 0.06)),
        jitter=float(rng.uniform(0.005, 0.012)),
        shimmer=float(rng.uniform(0.03, 0.07)),
        reverberation=float(rng.uniform(0.12, 0.28)),
        direct_to_reverberant=float(rng.uniform(12, 18)),
        noise_colour=float(rng.uniform(0.6, 0.9)),
        signal_to_noise=float(rng.uniform(35, 42)),
    )


def make_sentence(language: str, n_words: int, rng: np.random.Generator) -> Sentence:
    """Draw `n_words` words of one to three syllables, and one or two pauses between them.

    From three words on, some word follows another without a pause.
    """
    inventory = LANGUAGES[language]
    words = []
    for _ in range(n_words):
        phones: list[str] = []
        for _ in range(int(rng.choice([1, 2, 3], p=[0.35, 0.5, 0.15]))):
            phones.append(inventory.onsets[rng.integers(len(inventory.onsets))])
            phones.append(inventory.vowels[rng.integers(len(inventory.vowels))])
            if rng.random() < inventory.closed:
                phones.append(inventory.codas[rng.integers(len(inventory.codas))])
        words.append(tuple(phones))
    n_pauses = 1 if n_words < 6 else 2
    pauses = rng.choice(n_words - 1, size=n_pauses, replace=False)
    return Sentence(tuple(words), frozenset(int(index) for index in pauses))


def _timeline(
    sentence: Sentence, n_samples: int, silences: Silences, rng: np.random.Generator
) -> list[Segment]:
    """Word, phone and silence segments that fill exactly `n_samples`, on control frames."""
    phones: list[tuple[str, float]] = []  # label ("" is silence) and wished duration in s
    for index, word in enumerate(sentence.words):
        last = index == len(sentence.words) - 1 or index in sentence.pauses
        for position, label in enumerate(word):
            duration = _PHONES[label].duration * rng.uniform(0.85, 1.2)
            if last and position >= len(word) - 2:
                duration *= 1.3  # lengthening before a pause
            phones.append((label, duration))
    speech = sum(duration for _, duration in phones)
    silent = silences.leading + silences.trailing + silences.pause * len(sentence.pauses)
    scale = (n_samples / SAMPLE_RATE - silent) / speech

    segments: list[Segment] = []
    clock = 0.0
    position = 0

    def frame_edge(seconds: float) -> int:
        return min(n_samples, round(seconds * SAMPLE_RATE / _FRAME) * _FRAME)

    def add(tier: Literal["phone", "silence"], label: str, duration: float) -> None:
        nonlocal clock
        start = frame_edge(clock)
        clock += duration
        segments.append(Segment(start, frame_edge(clock), tier, label))

    add("silence", "leading", silences.leading)
    for index, word in enumerate(sentence.words):
        first = len(segments)
        for _ in word:
            label, duration = phones[position]
            position += 1
            add("phone", label, duration * scale)
        start, end = segments[first].start, segments[-1].end
        segments.insert(first, Segment(start, end, "word", "".join(word)))
        if index in sentence.pauses:
            add("silence", "pause", silences.pause)
    segments.append(Segment(segments[-1].end, n_samples, "silence", "trailing"))
    return segments


def _smooth(track: Signal, frames: int) -> Signal:
    """Moving Hann average over control frames, edges held."""
    window = np.hanning(frames + 2)[1:-1]
    half = frames // 2
    padded = np.pad(track, (half, frames - 1 - half), mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")


@dataclass
class _Tracks:
    """Control values per 5 ms frame."""

    formants: Signal  # (3, frames), Hz
    voicing: Signal  # (frames,)


def _tracks(segments: list[Segment], n_frames: int, rng: np.random.Generator) -> _Tracks:
    formants = np.full((3, n_frames), np.nan)
    voicing = np.zeros(n_frames)
    for segment in segments:
        if segment.tier != "phone":
            continue
        phone = _PHONES[segment.label]
        frames = slice(segment.start // _FRAME, segment.end // _FRAME)
        # Each realisation misses its target a little, as articulation does.
        formants[:, frames] = (np.array(phone.formants) * rng.normal(1, 0.03, size=3))[:, None]
        voicing[frames] = phone.voicing * rng.uniform(0.8, 1.1)
    with_formants = np.flatnonzero(~np.isnan(formants[0]))
    for row in formants:
        row[:] = np.interp(np.arange(n_frames), with_formants, row[with_formants])
    return _Tracks(np.stack([_smooth(row, 9) for row in formants]), _smooth(voicing, 5))


def _f0_track(
    segments: list[Segment], n_frames: int, speaker: Speaker, rng: np.random.Generator
) -> Signal:
    """Hz per frame: declination over each phrase, a bump on each word, a slow wander."""
    track = np.ones(n_frames)
    words = [segment for segment in segments if segment.tier == "word"]
    pauses = [segment.start for segment in segments if segment.tier == "silence"][1:]
    start = 0
    for end in pauses:
        frames = np.arange(start // _FRAME, end // _FRAME)
        track[frames] = np.linspace(1.12, 0.86, frames.size)
        start = end
    for word in words:
        frames = np.arange(word.start // _FRAME, word.end // _FRAME)
        bump = np.sin(np.pi * (np.arange(frames.size) + 0.5) / frames.size) ** 2
        track[frames] *= 1 + rng.uniform(0.02, 0.22) * bump
    wander = _smooth(rng.normal(size=n_frames), 21)
    return speaker.f0 * _smooth(track, 13) * (1 + 0.03 * wander)


def _glottal_source(
    f0: Signal, n_samples: int, speaker: Speaker, rng: np.random.Generator
) -> Signal:
    """Flow derivative with peak near 1, plus the breath noise of the open phase."""
    epochs = [0.0]
    end = n_samples / SAMPLE_RATE
    while epochs[-1] < end:
        frame = min(int(epochs[-1] * SAMPLE_RATE / _FRAME), f0.size - 1)
        period = (1 + speaker.jitter * rng.standard_normal()) / f0[frame]
        epochs.append(epochs[-1] + period)
    amplitude = 1 + speaker.shimmer * rng.standard_normal(len(epochs))
    rate = SAMPLE_RATE * _OVERSAMPLING
    time = np.arange(n_samples * _OVERSAMPLING) / rate
    cycle = np.interp(time, epochs, np.arange(len(epochs)))
    number = cycle.astype(np.int64)
    phase = (cycle - number) / speaker.open_quotient
    pulse = np.where(phase < 1, 2 * phase - 3 * phase**2, 0.0) * amplitude[number]
    source = signal.resample_poly(pulse, 1, _OVERSAMPLING)
    source = signal.lfilter([1 - speaker.tilt], [1, -speaker.tilt], source)
    is_open = phase[::_OVERSAMPLING] < 1
    breath = rng.standard_normal(n_samples) * np.where(is_open, 1.0, 0.3)
    return np.asarray(source + speaker.breath * breath)


def _vocal_tract(source: Signal, formants: Signal, speaker: Speaker) -> Signal:
    """A cascade of seven resonators with unit gain at DC, whose lower three move.

    Args:
        source: (n,) glottal source.
        formants: (3, frames) in Hz, for a male adult.
        speaker: scales all formants.
    """
    n_frames = formants.shape[1]
    upper = np.array([6500.0, 5500.0, 4500.0, 3500.0])
    # The moving formants come last, the lowest at the very end, so that the steepest filters of the
    # chain damp the transient of a step of their coefficients.
    frequency = np.concatenate([np.repeat(upper[:, None], n_frames, axis=1), formants[::-1]]).T
    angle = 2 * np.pi * np.minimum(frequency * speaker.formant_scale, 7600.0) / SAMPLE_RATE
    width = np.array([500.0, 400.0, 300.0, 220.0, 140.0, 90.0, 70.0])
    radius = np.exp(-np.pi * width / SAMPLE_RATE)
    cosine, sine = np.cos(angle), np.sin(angle)
    gain = 1 - 2 * radius * cosine + radius**2
    sections = np.zeros((*angle.shape, 6))
    sections[..., 0] = gain
    sections[..., 3] = 1
    sections[..., 4] = -2 * radius * cosine
    sections[..., 5] = radius**2

    # When a formant moves, the direct form would turn its stored energy into a click. So at every
    # frame edge the state continues as an oscillation of the same energy and phase at the new
    # frequency.
    turn = sine[1:] / sine[:-1]
    mix = (turn * cosine[:-1] - cosine[1:]) / radius
    scale = gain[1:] / gain[:-1] / turn
    output = np.empty_like(source)
    state = np.zeros((angle.shape[1], 2))
    for frame, sos in enumerate(sections):
        if frame > 0:
            state[:, 0] = turn[frame - 1] * state[:, 0] + mix[frame - 1] * state[:, 1]
            state *= scale[frame - 1, :, None]
        block = slice(frame * _FRAME, (frame + 1) * _FRAME)
        output[block], state = signal.sosfilt(sos, source[block], zi=state)
    return output


def _frication(
    segments: list[Segment], n_samples: int, speaker: Speaker, rng: np.random.Generator
) -> Signal:
    """Noise of fricatives and plosive releases."""
    output = np.zeros(n_samples)
    for segment in segments:
        if segment.tier != "phone" or _PHONES[segment.label].noise == 0:
            continue
        phone = _PHONES[segment.label]
        length = segment.end - segment.start
        if phone.kind == "plosive":
            # Closure first; the release is a sharp burst that decays into the next phone.
            start = segment.start + int(0.55 * length)
            n = min(int(0.05 * SAMPLE_RATE), n_samples - start)
            envelope = np.exp(-np.arange(n) / (0.008 * SAMPLE_RATE))
        else:
            start, n = segment.start, length
            edge = min(int(0.025 * SAMPLE_RATE), n // 3)
            ramp = np.sin(0.5 * np.pi * np.arange(edge) / edge) ** 2
            envelope = np.concatenate([ramp, np.ones(n - 2 * edge), ramp[::-1]])
        centre = phone.noise_centre * (1 + 0.5 * (speaker.formant_scale - 1)) * rng.normal(1, 0.04)
        low = max(centre - phone.noise_width / 2, 150.0)
        high = min(centre + phone.noise_width / 2, 7800.0)
        band = signal.butter(1, [low, high], btype="bandpass", fs=SAMPLE_RATE, output="sos")
        noise = signal.sosfilt(band, rng.standard_normal(n + 200))[200:]
        output[start : start + n] += phone.noise * envelope * noise / np.sqrt(np.mean(noise**2))
    return output


def _room_response(speaker: Speaker, rng: np.random.Generator) -> Signal:
    n = int(speaker.reverberation * SAMPLE_RATE)
    decay = 10 ** (-3 * np.arange(n) / n)  # 60 dB over the reverberation time
    tail = rng.standard_normal(n) * decay
    tail[: int(0.003 * SAMPLE_RATE)] = 0.0
    tail *= 10 ** (-speaker.direct_to_reverberant / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def room_noise(n_samples: int, colour: float, rng: np.random.Generator) -> Signal:
    """Stationary noise with unit root mean square: a low-passed part over a white floor."""
    white = rng.standard_normal(n_samples + 200)
    low = signal.lfilter([1 - colour], [1, -colour], white)[200:]
    noise = low / np.sqrt(np.mean(low**2)) + 0.35 * rng.standard_normal(n_samples)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def speak(
    speaker: Speaker,
    sentence: Sentence,
    duration: float,
    silences: Silences,
    rng: np.random.Generator,
) -> Recording:
    """Say a sentence in `duration` seconds and record it in the speaker's room.

    Args:
        speaker: the speaker.
        sentence: the sentence; the duration sets its speaking rate.
        duration: of the whole recording in s, silences included; rounded up to 5 ms.
        silences: durations of the silences.
        rng: of all differences between two recordings of one sentence.
    """
    n_frames = math.ceil(duration * SAMPLE_RATE / _FRAME)
    n_samples = n_frames * _FRAME
    segments = _timeline(sentence, n_samples, silences, rng)
    tracks = _tracks(segments, n_frames, rng)
    f0 = _f0_track(segments, n_frames, speaker, rng)
    gain = np.interp(np.arange(n_samples) / _FRAME, np.arange(n_frames), tracks.voicing)
    source = gain * _glottal_source(f0, n_samples, speaker, rng)
    voice = _vocal_tract(source, tracks.formants, speaker)
    dry = voice / np.sqrt(np.mean(voice**2)) + _frication(segments, n_samples, speaker, rng)
    rumble = signal.butter(2, 60, btype="highpass", fs=SAMPLE_RATE, output="sos")
    wet = signal.fftconvolve(dry, _room_response(speaker, rng))[:n_samples]
    level = np.sqrt(np.mean(wet**2))
    noise = room_noise(n_samples, speaker.noise_colour, rng)
    recorded = signal.sosfilt(rumble, wet + level * 10 ** (-speaker.signal_to_noise / 20) * noise)
    recorded -= recorded.mean()
    recorded *= RECORDING_RMS / np.sqrt(np.mean(recorded**2))
    return Recording(recorded, tuple(segments))
