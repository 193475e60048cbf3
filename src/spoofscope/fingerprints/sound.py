"""Audible fingerprints: noise with the spectrum of a source, or with its difference spectrum.

The published recipe applies an inverse Fourier transform to the mean waveform, which is already a
signal in time. Here a mean magnitude spectrum gets random phases, and the mean magnitudes of
wavelet packets get random signs. Each gets one inverse transform.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pywt

from spoofscope import audio
from spoofscope.files import atomic_folder, file_stem, sha256_file
from spoofscope.fingerprints.means import Fingerprints
from spoofscope.fingerprints.spectra import Floats, packets
from spoofscope.identity import rng_of
from spoofscope.names import BONAFIDE

PEAK = 0.9
"""Largest magnitude of the samples."""

COLUMNS: dict[str, pl.DataType] = {
    "source": pl.String(),
    "sound": pl.String(),
    "path": pl.String(),
    "n_clips": pl.Int64(),
    "sha256": pl.String(),
}


def noise(
    magnitudes: Floats, n_samples: int, seconds: float, sample_rate: int, seed: int
) -> Floats:
    """Noise of a given spectrum: random phases, inverse Fourier transform, repeated without a seam.

    All sounds of one seed and size have the same phases, so they differ in their spectra alone.

    Args:
        magnitudes: (n_samples // 2 + 1,), at the bins of `numpy.fft.rfftfreq`.
        n_samples: of one period.
        seconds: length of the sound.
        sample_rate: Hz.
        seed: of the phases.

    Returns:
        (n,) samples with the largest magnitude `PEAK`; silence where all magnitudes are 0.
    """
    phases = rng_of(seed, "fingerprints", "phases").uniform(0, 2 * np.pi, magnitudes.size)
    # Bin 0, and the last bin of an even number of samples, are real.
    phases[0] = 0.0
    if n_samples % 2 == 0:
        phases[-1] = 0.0
    period = np.fft.irfft(magnitudes * np.exp(1j * phases), n_samples)
    sound: Floats = np.resize(period * _gain(period), round(seconds * sample_rate))
    return sound


def inverse_packets(nodes: Floats, wavelet: str, n_samples: int) -> Floats:
    """The signals of which :func:`spectra.packets` gives these coefficients.

    By the inverse transform of the PyTorch wavelet toolbox (ptwt). Its `WaveletPacket` makes the
    same of every pair of nodes in turn; here all nodes of a level are transformed at once.

    Args:
        nodes: (signals, 2**level, T), by band, the lowest first.
        wavelet: a discrete wavelet of PyWavelets.
        n_samples: of each signal; T is what so many make.

    Returns:
        (signals, n_samples).
    """
    import ptwt
    import torch

    taps, level = pywt.Wavelet(wavelet).dec_len, nodes.shape[1].bit_length() - 1
    sizes = [n_samples]
    for _ in range(level - 1):
        sizes.append((sizes[-1] + taps - 1) // 2)
    signals = torch.from_numpy(nodes)
    for size in reversed(sizes):
        halves = signals.reshape(len(signals), -1, 2, signals.shape[-1]).clone()
        # The children of every other node come in reverse, see `spectra.packets`.
        halves[:, 1::2] = halves[:, 1::2].flip(2)
        signals = ptwt.waverec([halves[:, :, 0], halves[:, :, 1]], wavelet)[..., :size]
    made: Floats = signals[:, 0].numpy()
    return made


def packet_noise(
    magnitudes: Floats, wavelet: str, seconds: float, sample_rate: int, seed: int
) -> Floats:
    """Noise whose wavelet packet coefficients have given magnitudes and random signs.

    All sounds of one seed and size have the same signs.

    Args:
        magnitudes: (sounds, 2**level), by band, the lowest first.
        wavelet: a discrete wavelet of PyWavelets.
        seconds: how long.
        sample_rate: Hz.
        seed: of the signs.

    Returns:
        (sounds, n) samples, each with the largest magnitude `PEAK`, or silent.
    """
    n_samples, n_bands = round(seconds * sample_rate), magnitudes.shape[1]
    n_steps = packets(np.zeros(n_samples), wavelet, n_bands.bit_length() - 1).shape[1]
    signs = rng_of(seed, "fingerprints", "signs").choice([-1.0, 1.0], (n_bands, n_steps))
    made = inverse_packets(magnitudes[:, :, None] * signs, wavelet, n_samples)
    return made * np.array([[_gain(sound)] for sound in made])


def _gain(samples: Floats) -> float:
    """What gives samples the largest magnitude `PEAK`; 0 for silence."""
    peak = np.abs(samples).max()
    return float(PEAK / peak) if peak > 0 else 0.0


def sounds(fingerprints: Fingerprints, seconds: float, seed: int) -> dict[tuple[str, str], Floats]:
    """Every sound, by source and kind.

    `mean`, of every source: noise with its mean magnitude spectrum. `packets`, of every source:
    noise with its mean packet magnitudes, see :func:`packet_noise`. `difference`, of every
    generator: noise whose magnitude at a frequency is |ln(bona fide) - ln(generator)|, so that a
    difference is as loud in the faint high bands of speech as in its strong low bands.

    Args:
        fingerprints: of all sources.
        seconds: of each sound.
        seed: of phases and signs.
    """
    shape = (fingerprints.n_samples, seconds, fingerprints.sample_rate, seed)
    means, _ = fingerprints.magnitudes("fourier")
    magnitudes, _ = fingerprints.magnitudes("packets")
    packet_noises = packet_noise(
        magnitudes, fingerprints.wavelet, seconds, fingerprints.sample_rate, seed
    )
    made = {}
    for i, source in enumerate(fingerprints.sources):
        made[source, "mean"] = noise(means[i], *shape)
        made[source, "packets"] = packet_noises[i]
        if source != BONAFIDE:
            difference = fingerprints.differences("fourier")[i - 1]
            made[source, "difference"] = noise(np.abs(difference), *shape)
    return made


def write_sounds(
    fingerprints: Fingerprints, folder: str | Path, seconds: float, seed: int
) -> pl.DataFrame:
    """Write every sound of :func:`sounds` as `{source}.{sound}.wav` into one folder.

    The function replaces the content of the folder.

    Returns:
        source, sound, path, n_clips (of the source) and sha256 (of the file), bona fide first.

    Raises:
        AudioError: a file cannot be written.
    """
    n_clips = dict(zip(fingerprints.sources, fingerprints.n_clips, strict=True))
    rows: list[dict[str, Any]] = []
    with atomic_folder(folder) as temporary:
        for (source, kind), samples in sounds(fingerprints, seconds, seed).items():
            # Names of attacks may hold a slash, or be long.
            name = f"{file_stem(source)}.{kind}.wav"
            audio.write(temporary / name, samples.astype(np.float32), fingerprints.sample_rate)
            row = {"source": source, "sound": kind, "path": f"{folder}/{name}"}
            sha256 = sha256_file(temporary / name)
            rows.append({**row, "n_clips": n_clips[source], "sha256": sha256})
    return pl.DataFrame(rows, schema=COLUMNS)
