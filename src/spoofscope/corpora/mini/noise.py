"""Small noise and room-response folders in the layouts of MUSAN and RIRS_NOISES.

Layouts: Snyder et al., "MUSAN: A music, speech, and noise corpus" (OpenSLR 17); Ko et al., "A study
on data augmentation of reverberant speech" (OpenSLR 28). File names follow the originals, so a
reader of the real folders can read these. All files are 16 kHz, mono, 16 bit.
"""

from pathlib import Path

import numpy as np
from scipy import signal

from spoofscope import audio
from spoofscope.corpora.mini.talker import (
    LANGUAGES,
    SAMPLE_RATE,
    Signal,
    Silences,
    make_sentence,
    make_speaker,
    room_noise,
    speak,
)
from spoofscope.files import atomic_folder, write_text
from spoofscope.identity import rng_of

_N_NOISES = 12
_N_MUSIC = 6
_N_SPEECH = 8
_ROOMS = {"smallroom": (0.15, 0.35), "mediumroom": (0.3, 0.6), "largeroom": (0.6, 1.2)}
"""Range of the reverberation time (60 dB) in s, per size of room."""
_ROOMS_PER_SIZE = 2
_RESPONSES_PER_ROOM = 3


def _hum(n: int, rng: np.random.Generator) -> Signal:
    """A machine: harmonics of the mains over wind."""
    time = np.arange(n) / SAMPLE_RATE
    f0 = rng.choice([50.0, 60.0, 100.0])
    x = 0.5 * room_noise(n, 0.9, rng)
    for harmonic in range(1, 9):
        x += np.sin(2 * np.pi * (f0 * harmonic * time + rng.random())) / harmonic
    return x


def _wind(n: int, rng: np.random.Generator) -> Signal:
    """Gusts of low-passed noise."""
    knots = rng.uniform(0.2, 1.0, size=8)
    gusts = np.interp(np.linspace(0, 7, n), np.arange(8), knots)
    return gusts * room_noise(n, float(rng.uniform(0.8, 0.97)), rng)


def _clatter(n: int, rng: np.random.Generator) -> Signal:
    """Short resonant knocks at random times, as of keys and dishes."""
    x = 0.02 * room_noise(n, 0.7, rng)
    for start in rng.integers(0, n - 1600, size=24):
        time = np.arange(1600) / SAMPLE_RATE
        knock = np.exp(-time / rng.uniform(0.005, 0.02))
        x[start : start + 1600] += knock * np.sin(2 * np.pi * rng.uniform(600, 5000) * time)
    return x


def _bird(n: int, rng: np.random.Generator) -> Signal:
    """Chirps over a quiet outdoors."""
    x = 0.03 * room_noise(n, 0.8, rng)
    length = int(0.12 * SAMPLE_RATE)
    time = np.arange(length) / SAMPLE_RATE
    for start in rng.integers(0, n - length, size=10):
        low, high = rng.uniform(2000, 3500), rng.uniform(3500, 6500)
        x[start : start + length] += np.hanning(length) * signal.chirp(time, low, time[-1], high)
    return x


def _music(n: int, rng: np.random.Generator) -> Signal:
    """Plucked chords in one key, two per second."""
    x = np.zeros(n)
    key = rng.uniform(110, 220)
    length = SAMPLE_RATE // 2
    time = np.arange(length) / SAMPLE_RATE
    decay = np.exp(-time / 0.2) * np.minimum(1, time / 0.01)
    for start in range(0, n - length + 1, length):
        for step in rng.choice([0, 2, 4, 5, 7, 9, 11, 12], size=3, replace=False):
            f0 = key * 2 ** (step / 12)
            for harmonic in range(1, 7):
                x[start : start + length] += (
                    decay * np.sin(2 * np.pi * f0 * harmonic * time) / harmonic**1.3
                )
    return x


def _voice(index: int, rng: np.random.Generator) -> Signal:
    """Two sentences of a speaker who is not in a corpus."""
    language = sorted(LANGUAGES)[index % len(LANGUAGES)]
    speaker = make_speaker(f"noise{index}", index, language, rng)
    silences = Silences(leading=0.1, trailing=0.1, pause=0.15)
    sentences = [make_sentence(language, 7, rng) for _ in range(2)]
    return np.concatenate([speak(speaker, s, 2.6, silences, rng).samples for s in sentences])


def _write(path: Path, x: Signal, peak: float = 0.5) -> None:
    audio.write(path, x * (peak / np.max(np.abs(x))), SAMPLE_RATE)


def generate_musan(out_dir: Path, seed: int) -> None:
    """Write `musan/{noise/free-sound,music/fma,speech/us-gov}/*.wav` below `out_dir`.

    A folder that is already there is replaced as a whole, and only when the new one is complete.
    """
    kinds = (_hum, _wind, _clatter, _bird)
    with atomic_folder(out_dir) as folder:
        root = folder / "musan"
        for index in range(_N_NOISES):
            rng = rng_of(seed, "musan", "noise", index)
            x = kinds[index % len(kinds)](4 * SAMPLE_RATE, rng)
            _write(root / "noise" / "free-sound" / f"noise-free-sound-{index:04d}.wav", x)
        for index in range(_N_MUSIC):
            rng = rng_of(seed, "musan", "music", index)
            x = _music(5 * SAMPLE_RATE, rng)
            _write(root / "music" / "fma" / f"music-fma-{index:04d}.wav", x)
        for index in range(_N_SPEECH):
            rng = rng_of(seed, "musan", "speech", index)
            x = _voice(index, rng)
            _write(root / "speech" / "us-gov" / f"speech-us-gov-{index:04d}.wav", x)


def _response(reverberation: float, rng: np.random.Generator) -> Signal:
    """Direct sound after its propagation delay, some early reflections, a decaying tail."""
    n = int(1.1 * reverberation * SAMPLE_RATE)
    direct = int(rng.uniform(1.0, 3.0) / 343 * SAMPLE_RATE)
    decay = 10 ** (-3 * np.arange(n) / (reverberation * SAMPLE_RATE))
    x = np.zeros(direct + n)
    x[direct:] = 0.06 * rng.standard_normal(n) * decay
    x[direct : direct + 32] = 0.0
    for _ in range(6):
        delay = int(rng.uniform(0.002, 0.03) * SAMPLE_RATE)
        x[direct + delay] += rng.uniform(-0.5, 0.5) * decay[delay]
    x[direct] = 1.0
    return x


def generate_rirs(out_dir: Path, seed: int) -> None:
    """Write `RIRS_NOISES/` with its three parts and their list files below `out_dir`.

    Simulated responses are in `simulated_rirs/<size>/RoomNNN/RoomNNN-NNNNN.wav`, the stand-ins for
    measured ones and isotropic noises in `real_rirs_isotropic_noises/`, point sources in
    `pointsource_noises/`. A folder that is already there is replaced as a whole.
    """
    with atomic_folder(out_dir) as folder:
        root = folder / "RIRS_NOISES"
        for size, (shortest, longest) in _ROOMS.items():
            lines = []
            for room in range(1, _ROOMS_PER_SIZE + 1):
                reverberation = float(rng_of(seed, "rirs", size, room).uniform(shortest, longest))
                for index in range(1, _RESPONSES_PER_ROOM + 1):
                    name = f"Room{room:03d}-{index:05d}"
                    x = _response(reverberation, rng_of(seed, "rirs", size, room, index))
                    path = root / "simulated_rirs" / size / f"Room{room:03d}" / f"{name}.wav"
                    _write(path, x, peak=0.9)
                    lines.append(
                        f"--rir-id {size}-{name} --room-id {size}-Room{room:03d} "
                        f"{path.relative_to(folder).as_posix()}"
                    )
            write_text(root / "simulated_rirs" / size / "rir_list", "\n".join(lines) + "\n")

        real = root / "real_rirs_isotropic_noises"
        responses, noises = [], []
        for number, size in enumerate(_ROOMS, start=1):
            place = f"{size}{number}"
            rng = rng_of(seed, "rirs", "real", place)
            path = real / f"RVB2014_type1_rir_{place}_near_angla.wav"
            _write(path, _response(float(rng.uniform(0.25, 0.7)), rng), peak=0.9)
            responses.append(
                f"--rir-id {path.stem} --room-id RVB2014_{place} "
                f"{path.relative_to(folder).as_posix()}"
            )
            path = real / f"RVB2014_type1_noise_{place}_1.wav"
            _write(path, room_noise(4 * SAMPLE_RATE, 0.9, rng))
            noises.append(
                f"--noise-id {path.stem} --noise-type isotropic --room-linkage RVB2014_{place} "
                f"{path.relative_to(folder).as_posix()}"
            )
        write_text(real / "rir_list", "\n".join(responses) + "\n")
        write_text(real / "noise_list", "\n".join(noises) + "\n")

        points = root / "pointsource_noises"
        sources = []
        for index, kind in enumerate((_hum, _wind, _clatter, _bird)):
            path = points / f"noise-free-sound-{index:04d}.wav"
            _write(path, kind(4 * SAMPLE_RATE, rng_of(seed, "rirs", "point", index)))
            ground = "background" if kind in (_hum, _wind) else "foreground"
            sources.append(
                f"--noise-id {path.stem} --noise-type point-source --bg-fg-type {ground} "
                f"{path.relative_to(folder).as_posix()}"
            )
        write_text(points / "noise_list", "\n".join(sources) + "\n")
