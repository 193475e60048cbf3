"""Scalograms: the magnitude of the continuous wavelet transform of a passage, over time."""

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope import audio
from spoofscope.errors import TableError
from spoofscope.fingerprints.spectra import Floats
from spoofscope.identity import rng_of
from spoofscope.names import BONAFIDE

WAVELET = "cmor6.0-1.0"
"""Complex Morlet: a Gaussian window with a standard deviation of 1.7 periods of its frequency."""

LOWEST_HZ = 60.0
PER_OCTAVE = 8

SILENCE_DB = -120.0
"""Lower levels count as this."""

# Of the integrated wavelet: 2 to this power of points, more than the lowest frequency has samples.
_PRECISION = 15
# Of half the sample rate: a wavelet above has too few samples.
_HIGHEST = 0.9
# Half of the wavelet's support, in periods of its frequency.
_REACH = 8


def one_clip_each(clips: pl.DataFrame, seed: int) -> pl.DataFrame:
    """One clip of each source, of the same voice and group where there are such clips.

    Args:
        clips: see `means.choose_clips`.
        seed: of the lots.

    Returns:
        A row of each source, bona fide first.
    """
    of_what = clips.with_columns(like=pl.concat_str("voice", "group", separator="\t"))
    shared = of_what.group_by("like").agg(
        n=pl.col("source").n_unique(), real=(pl.col("source") == BONAFIDE).any()
    )
    # What most sources have, and bona fide speech among them.
    most = shared.filter("real").filter(pl.col("n") == pl.col("n").max())["like"].sort()
    like = most[int(rng_of(seed, "scalograms").integers(most.len()))]
    rows = []
    for (source,), own in of_what.group_by("source", maintain_order=True):
        alike = own.filter(like=like)
        candidates = (own if alike.is_empty() else alike).sort("utt_id")
        rows.append(candidates[int(rng_of(seed, "scalograms", source).integers(candidates.height))])
    return pl.concat(rows).drop("like")


def read_passages(
    clips: pl.DataFrame, seconds: float, sample_rate: int | None
) -> tuple[npt.NDArray[np.float32], int]:
    """The start of every clip.

    Args:
        clips: with the column path.
        seconds: of each clip; none is shorter.
        sample_rate: Hz; None takes the files', which agree.

    Returns:
        (clips, n) samples, and their rate in Hz.

    Raises:
        AudioError: a file cannot be read. TableError: a clip is shorter.
    """
    passages = []
    rate = 0
    for path in clips["path"]:
        samples, rate = audio.read(path, sample_rate)
        passage = samples[: round(seconds * rate)]
        if passage.size < round(seconds * rate):
            raise TableError(
                f"{path}: it has {samples.size / rate:.3f} s, and its manifest says at least "
                f"{seconds:g} s; make the manifest anew"
            )
        passages.append(passage)
    return np.stack(passages), rate


def centre_frequencies(sample_rate: int) -> Floats:
    """Hz of the rows of a scalogram, rising by `PER_OCTAVE` per octave."""
    octaves = np.log2(_HIGHEST * sample_rate / 2 / LOWEST_HZ)
    n = int(octaves * PER_OCTAVE) + 1
    return LOWEST_HZ * 2 ** (np.arange(n) / PER_OCTAVE)


def scalograms(samples: npt.NDArray[np.float32], sample_rate: int, columns: int) -> Floats:
    """Levels of passages by frequency and time.

    The transform is that of the PyTorch wavelet toolbox (ptwt). It is worked out one frequency
    after the other, so memory holds a few times the samples. Passages are mirrored at both ends, so
    that the cut is not seen.

    Args:
        samples: (passages, n), n >= `columns`.
        sample_rate: Hz, above 200.
        columns: steps of time; a level is the mean power in a step.

    Returns:
        (passages, frequencies, columns) in dB: 0 is a sinusoid of magnitude 1, whatever its
        frequency; at least `SILENCE_DB`.
    """
    import ptwt
    import pywt
    import torch

    n = samples.shape[1]
    margin = min(n, round(_REACH * sample_rate / LOWEST_HZ))
    mirrored = np.pad(samples.astype(np.float64), ((0, 0), (margin, margin)), mode="symmetric")
    signals = torch.from_numpy(mirrored)
    starts = np.arange(columns) * n // columns
    widths = np.diff([*starts, n])
    wavelet = pywt.ContinuousWavelet(WAVELET)
    frequencies = centre_frequencies(sample_rate)
    levels = np.empty((len(signals), frequencies.size, columns))
    for row, frequency in enumerate(frequencies):
        # The wavelet's centre is at one cycle per unit of time.
        scale = sample_rate / frequency
        coefficients, _ = ptwt.cwt(signals, [scale], wavelet, precision=_PRECISION)
        # A sinusoid of magnitude 1 has coefficients of half the root of the scale, times what is
        # left of it where the transform takes means over a sample.
        gain = 4 / scale / np.sinc(frequency / sample_rate) ** 2
        power = gain * coefficients[0, :, margin : margin + n].abs().square().numpy()
        levels[:, row] = np.add.reduceat(power, starts, axis=1) / widths
    return 10 * np.log10(np.maximum(levels, 10 ** (SILENCE_DB / 10)))
