"""Is a recording like those that a detector was trained on? Outside its data none can judge.

A recording is cut into seconds. Each is described by how its sound moves in the band that
telephones and codecs keep (80 Hz to 3.8 kHz), and by how much there is above that band. The
training recordings say which descriptions are usual, and, speaker by speaker, how far a recording
of somebody who is not among them is from the others. Nothing of a detector is used but its sample
rate, so all back-ends are treated alike.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.audio import Samples
from spoofscope.errors import DetectorError

Floats = npt.NDArray[np.float64]

PIECES = {"seconds": 1.0, "halves": 0.5}
"""Lengths of the pieces that recordings are cut into, in seconds; halves below one second."""

_LOWEST, _HIGHEST = 80.0, 3800.0  # Hz
# Codecs and rooms fill what is far below the loudest, so nothing there is looked at.
_RANGE_DB = 30.0
_WINDOW, _HOP = 0.032, 0.010  # s
_BANDS = 20
# Broad shapes: what lies between the harmonics and in fine shapes, attacks change.
_COEFFICIENTS = 3
_LAGS = (1, 2, 4, 8, 16)
_UPPER_BANDS, _UPPER_WIDTH = 4000.0, 500.0  # Hz
_UPPER_FLOOR_DB = -90.0


class Piece(NamedTuple):
    """A description: how a second moves (d,), and its power above 4 kHz (b,), dB re all of it."""

    motion: Floats
    upper: Floats


class Description(NamedTuple):
    """The pieces of a recording, at least one, and which of `PIECES` they are."""

    kind: str
    pieces: list[Piece]


class Describer:
    """Describes a recording while its blocks pass by; an hour needs little more than a minute."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._size = round(PIECES["seconds"] * sample_rate)
        self._last = self._left = np.empty(0, dtype=np.float32)
        self._pieces: list[Piece] = []

    def heard(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Pass on blocks (n,) at the detector's rate."""
        for block in blocks:
            samples = np.concatenate([self._left, block])
            whole = samples.size // self._size * self._size
            for start in range(0, whole, self._size):
                self._last = samples[start : start + self._size].copy()
                self._pieces.append(describe(self._last, self._rate))
            self._left = samples[whole:].copy()
            yield block

    def description(self) -> Description:
        """Of what has passed, which is one sample at least."""
        if self._pieces:
            pieces = self._pieces
            if self._left.size:
                # As windows are: the last piece ends with the recording.
                last = np.concatenate([self._last, self._left])[-self._size :]
                pieces = [*pieces, describe(last, self._rate)]
            return Description("seconds", pieces)
        return Description("halves", halves(self._left, self._rate))


def halves(samples: Samples, sample_rate: int) -> list[Piece]:
    """Half a second from the start of a recording (n,), and from its end where it has more."""
    size = round(PIECES["halves"] * sample_rate)
    pieces = [describe(samples[:size], sample_rate)]
    if samples.size > size:
        pieces.append(describe(samples[-size:], sample_rate))
    return pieces


def describe(samples: Samples, sample_rate: int) -> Piece:
    """Describe a piece of sound (n,), n >= 1.

    Its motion is statistics of the first three cepstral coefficients of mel bands, in windows of
    32 ms: means, variances, mean squared differences over 1 to 16 frames, and how peaky the
    differences are; then how far the quieter frames are below the loud ones.
    """
    shortest = math.ceil((_WINDOW + (max(_LAGS) + 1) * _HOP) * sample_rate)
    if samples.size < shortest:
        # Some frames are needed to say how they change; what is so short is judged by nobody.
        samples = np.tile(samples, -(-shortest // samples.size))
    size = round(_WINDOW * sample_rate)
    # Padded, so that the lowest bands have bins of their own.
    spectra = _power_spectra(samples, size, round(_HOP * sample_rate), 2 * size)
    energies = spectra @ _mel_bands(sample_rate, 2 * size, _BANDS).T
    motion = np.concatenate([_movement(energies), _spread(spectra, sample_rate)])
    return Piece(motion, _upper(spectra.mean(axis=0), sample_rate))


def _power_spectra(samples: Samples, size: int, hop: int, n_fft: int) -> Floats:
    """Of frames without their means under a Hann window (n, bins)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop].astype(np.float64)
    frames -= frames.mean(axis=1, keepdims=True)
    spectra = np.fft.rfft(frames * np.hanning(size), n_fft, axis=1)
    power: Floats = spectra.real**2 + spectra.imag**2
    return power


@cache
def _mel_bands(sample_rate: int, n_fft: int, n_bands: int) -> Floats:
    """Triangular filters (n_bands, bins), each of sum 1, up to 3.8 kHz or 95 % of the bandwidth."""
    highest = min(_HIGHEST, 0.475 * sample_rate)
    low, high = (2595 * math.log10(1 + edge / 700) for edge in (_LOWEST, highest))
    edges = 700 * (10 ** (np.linspace(low, high, n_bands + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    bands = np.clip(np.minimum(rising, falling), 0, None)
    # A narrow band may lie between two bins: it hears the nearest one.
    nearest = np.abs(frequencies - edges[1:-1, None]).argmin(axis=1)
    empty = bands.sum(axis=1) == 0
    bands[empty, nearest[empty]] = 1.0
    filters: Floats = bands / bands.sum(axis=1, keepdims=True)
    return filters


def _log(values: Floats) -> Floats:
    logarithms: Floats = np.log(values + 1e-9)
    return logarithms


def _movement(energies: Floats) -> Floats:
    """Statistics of the cepstral coefficients of band energies (frames, bands)."""
    loud = float(np.percentile(energies.mean(axis=1), 95)) + 1e-12
    # The orthonormal DCT-II, of which only the first rows are needed.
    n = energies.shape[1]
    angles = np.pi * np.outer(np.arange(_COEFFICIENTS), np.arange(n) + 0.5) / n
    basis = np.sqrt(2 / n) * np.cos(angles)
    basis[0] /= math.sqrt(2)
    cepstra = np.log(energies + loud * 10 ** (-_RANGE_DB / 10)) @ basis.T
    parts = [cepstra[:, 1:].mean(axis=0), _log(cepstra.var(axis=0))]
    parts += [_log(np.mean((cepstra[lag:] - cepstra[:-lag]) ** 2, axis=0)) for lag in _LAGS]
    steps = np.abs(np.diff(cepstra, axis=0))
    parts.append(_log(np.mean(steps**2, axis=0)) - 2 * _log(steps.mean(axis=0)))
    return np.concatenate(parts)


def _spread(spectra: Floats, sample_rate: int) -> Floats:
    """How far quartiles of the frames' levels are below the loud frames (3,), in dB."""
    frequencies = np.linspace(0, sample_rate / 2, spectra.shape[1])
    heard = (frequencies >= _LOWEST) & (frequencies <= _HIGHEST)
    levels = 10 * np.log10(spectra[:, heard].sum(axis=1) + 1e-12)
    spread: Floats = np.percentile(levels, 95) - np.percentile(levels, [25, 50, 75])
    return spread


def _upper(spectrum: Floats, sample_rate: int) -> Floats:
    """Power in bands of 500 Hz from 4 kHz up (b,), in dB re all; none for a detector of 8 kHz."""
    frequencies = np.linspace(0, sample_rate / 2, spectrum.size)
    starts = np.arange(_UPPER_BANDS, sample_rate / 2 - _UPPER_WIDTH / 2, _UPPER_WIDTH)
    shares = np.array(
        [
            spectrum[(frequencies >= start) & (frequencies < start + _UPPER_WIDTH)].sum()
            for start in starts
        ]
    )
    total = float(spectrum.sum()) + 1e-12
    bands: Floats = 10 * np.log10(shares / total + 10 ** (_UPPER_FLOOR_DB / 10))
    return bands


# --- what is usual -------------------------------------------------------------------------------

_FEWEST = 20
_FOLDS = 10
_QUANTILE = 0.975
# Attacks and codecs that no training clip went through move a little otherwise.
_ALLOWANCE = 1.3
_UPPER_QUANTILE = 0.99
_UPPER_SLACK_DB = 1.0
_PARTS = ("mean", "scale", "precision", "upper_mean", "upper_scale", "limits")


@dataclass(frozen=True)
class _Usual:
    """Pieces of one length: a Gaussian of their motion, and the power above 4 kHz.

    mean, scale: (d,). precision: (d, d), of values with scale 1. upper_mean, upper_scale: (b,), dB.
    limits: (2,), the largest usual distance of a recording in either.
    """

    mean: Floats
    scale: Floats
    precision: Floats
    upper_mean: Floats
    upper_scale: Floats
    limits: Floats

    def distances(self, pieces: Sequence[Piece]) -> Floats:
        """Of a recording, (2,): mean Mahalanobis distance per dimension of its pieces' motion, and
        the largest excess of power in a band, in standard deviations."""
        values = (np.array([piece.motion for piece in pieces]) - self.mean) / self.scale
        squared = np.einsum("ij,jk,ik->i", values, self.precision, values) / self.mean.size
        upper = np.mean([piece.upper for piece in pieces], axis=0)
        # Only more than usual counts: what a codec took away is not foreign.
        excess = np.max((upper - self.upper_mean) / self.upper_scale, initial=0.0)
        return np.array([np.mean(np.sqrt(squared)), excess])


def _usual(recordings: Sequence[Sequence[Piece]]) -> _Usual:
    # A second to import, and judging needs none of it.
    from sklearn.covariance import ledoit_wolf

    motion = np.array([piece.motion for pieces in recordings for piece in pieces])
    mean, scale = motion.mean(axis=0), motion.std(axis=0)
    # What never changes in training has no scale; it counts in units of its own size.
    scale = np.where(scale > 1e-6 * np.abs(mean) + 1e-12, scale, np.abs(mean) + 1.0)
    covariance, _ = ledoit_wolf((motion - mean) / scale, assume_centered=True)
    # Where recordings are all but alike, a distance is bounded by a thousandth of their scale.
    precision = np.linalg.inv(covariance + 1e-6 * np.eye(mean.size))
    upper = np.array([np.mean([piece.upper for piece in pieces], axis=0) for pieces in recordings])
    return _Usual(
        mean,
        scale,
        precision,
        upper.mean(axis=0),
        upper.std(axis=0) + _UPPER_SLACK_DB,
        np.ones(2),
    )


def _folds(speakers: Sequence[str]) -> npt.NDArray[np.int64]:
    """In which of at most ten folds each recording is left out: with its speaker, where known.

    A speaker of more than half of all recordings is left out recording by recording.
    """
    names = np.array([f"{i}" if name == "-" else f"of {name}" for i, name in enumerate(speakers)])
    _, number = np.unique(names, return_inverse=True)
    counts = np.bincount(number)
    if 2 * counts.max() > counts.sum():
        # The few recordings of others do not tell what is usual: this one is dealt over the folds.
        number = np.where(number == counts.argmax(), counts.size + np.arange(number.size), number)
    folds: npt.NDArray[np.int64] = number % _FOLDS
    return folds


@dataclass(frozen=True)
class Likeness:
    """What the recordings of a training are like, for pieces of every length in `PIECES`."""

    usual: Mapping[str, _Usual]

    def distance(self, description: Description) -> float:
        """How far a recording is from the training recordings: above 1 it is unlike them."""
        usual = self.usual[description.kind]
        return float(np.max(usual.distances(description.pieces) / usual.limits))

    def to_arrays(self) -> dict[str, Floats]:
        """All numbers, by name."""
        return {
            f"{kind}.{part}": getattr(usual, part)
            for kind, usual in self.usual.items()
            for part in _PARTS
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats], sample_rate: int) -> "Likeness":
        """Rebuild from :meth:`to_arrays`, for a detector of this rate in Hz.

        Raises:
            DetectorError: a part is missing, of another shape, or not finite.
        """
        names = {f"{kind}.{part}" for kind in PIECES for part in _PARTS}
        if set(arrays) != names:
            odd = sorted(names.symmetric_difference(arrays))
            raise DetectorError(
                f"the description of the training data has {odd[0]!r} missing or too much"
            )
        silence = describe(np.zeros(1, dtype=np.float32), sample_rate)
        d, b = silence.motion.size, silence.upper.size
        shapes = [(d,), (d,), (d, d), (b,), (b,), (2,)]
        for kind in PIECES:
            for part, shape in zip(_PARTS, shapes, strict=True):
                array = arrays[f"{kind}.{part}"]
                if array.shape != shape or array.dtype != np.float64:
                    raise DetectorError(
                        f"the description of the training data: {kind}.{part} is {array.dtype} of "
                        f"shape {array.shape}, not float64 of shape {shape}"
                    )
                positive = part in ("scale", "upper_scale", "limits")
                if not np.isfinite(array).all() or (positive and not (array > 0).all()):
                    raise DetectorError(
                        f"the description of the training data: {kind}.{part} holds a value that "
                        f"is not {'positive' if positive else 'finite'}"
                    )
        return cls(
            {kind: _Usual(*(arrays[f"{kind}.{part}"] for part in _PARTS)) for kind in PIECES}
        )


def fit_likeness(
    recordings: Sequence[Mapping[str, Sequence[Piece]]], speakers: Sequence[str]
) -> Likeness | None:
    """Describe training recordings.

    The distance is Mahalanobis's, with the covariance of Ledoit and Wolf (J. Multivariate Analysis
    88, 2004), averaged over a recording's pieces. Its limit is 1.3 times the 97.5 % quantile of the
    distances of recordings whose speakers were left out, in ten-fold cross-validation. For the
    power above 4 kHz it is the 99 % quantile of the same.

    Args:
        recordings: for each the pieces of every length in `PIECES`.
        speakers: of each, "-" where unknown: then it is left out by itself.

    Returns:
        None with fewer than 20 recordings, or where all are alike: that says nothing about others.
    """
    if len(recordings) < _FEWEST:
        return None
    folds = _folds(speakers)
    learned = {}
    for kind in PIECES:
        pieces = [recording[kind] for recording in recordings]
        motion = np.array([piece.motion for of_one in pieces for piece in of_one])
        if np.all(motion == motion[0]):
            return None
        distances = np.zeros((len(pieces), 2))
        for fold in np.unique(folds):
            left_out = folds == fold
            others = _usual([pieces[i] for i in np.flatnonzero(~left_out)])
            for i in np.flatnonzero(left_out):
                distances[i] = others.distances(pieces[i])
        limits = [
            float(np.quantile(values, quantile, method="higher"))
            for values, quantile in zip(distances.T, (_QUANTILE, _UPPER_QUANTILE), strict=True)
        ]
        limits[0] *= _ALLOWANCE
        # Where nothing above 4 kHz ever exceeds its mean, the limit is not 0 all the same.
        learned[kind] = replace(_usual(pieces), limits=np.maximum(limits, 1e-3))
    return Likeness(learned)
