"""The mask of known artefacts: frames, and bands, in which something was planted or labelled."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from spoofscope.masking.base import Clip, Floats, Frames, Mask
from spoofscope.masking.controls import as_much_energy, random_frames
from spoofscope.options.masks import ArtefactOptions, MaskOptions
from spoofscope.places import EVERYWHERE, Place, positive_bands, positive_frames

TIER = "artefact"

_MOST_COMMON = 0.5


class Artefact(Mask):
    """Features at known artefacts become what stands nearest to them, see `scores.refilled`.

    The places are cells: frames times bands. Where features have no bands, there is one for all.
    """

    name: ClassVar[str] = "artefact"
    declared: ClassVar[type[MaskOptions]] = ArtefactOptions
    options: ArtefactOptions

    def cells(self, clip: Clip) -> Frames:
        """The cells (n_frames, bands) of the artefacts; none where they are everywhere, because
        there is nothing to hold them against.
        """
        n_bands = 1 if clip.band_edges is None else len(clip.band_edges) - 1
        cells = np.zeros((clip.n_frames, n_bands), dtype=bool)
        for segment in clip.of_tier([TIER]):
            place = Place(segment.start, segment.end, segment.low_hz, segment.high_hz)
            bands = np.ones(1, dtype=bool)
            if clip.band_edges is not None:
                bands = positive_bands(clip.band_edges, [place])
            cells |= np.outer(positive_frames(clip.centres, [place]), bands)
        return np.zeros_like(cells) if cells.mean() > EVERYWHERE else cells

    def random_cells(self, cells: Frames, clip: Clip, rng: np.random.Generator) -> Frames:
        """As many cells elsewhere.

        Artefacts at all frequencies: frames in runs of the same lengths, see
        `controls.random_frames`. Others: shifted circularly, in time where they are in at most half
        of the frames, and over the bands where they are in more of them; by a shift that leaves at
        most half of the cells where they were, if there is one.
        """
        if (cells == cells[:, :1]).all():
            frames = random_frames(cells[:, 0], clip.energies(), rng)
            return np.repeat(frames[:, None], cells.shape[1], axis=1)
        axis = int(cells.any(axis=1).mean() > _MOST_COMMON)
        return np.roll(cells, _shift(cells, axis, rng), axis=axis)

    def cells_of_energy(self, cells: Frames, clip: Clip, rng: np.random.Generator) -> Frames:
        """Cells elsewhere that hold as much energy, see `controls.as_much_energy`: frames, in the
        same bands; or, where artefacts are in more than half of the frames, but in some bands
        alone, other bands in the same frames. None, of an utterance without artefacts.
        """
        if not cells.any():
            return cells.copy()
        frames: Frames = np.asarray(cells.any(axis=1))
        bands: Frames = np.asarray(cells.any(axis=0))
        if bands.all() or frames.mean() <= _MOST_COMMON:
            frames = as_much_energy(frames, _within(clip, bands), rng)
        else:
            bands = as_much_energy(bands, _of_bands(clip), rng)
        return np.outer(frames, bands)

    def energy(self, cells: Frames, clip: Clip) -> float:
        """Energy of the samples of cells: of their frames, through filters of their bands."""
        total = 0.0
        for pattern in np.unique(cells, axis=0):
            if pattern.any():
                frames = (cells == pattern).all(axis=1)
                total += float(_within(clip, pattern)[frames].sum())
        return total


def _shift(cells: Frames, axis: int, rng: np.random.Generator) -> int:
    shifts = np.arange(1, cells.shape[axis])
    common = np.array([(np.roll(cells, shift, axis) & cells).sum() for shift in shifts])
    apart = shifts[common <= _MOST_COMMON * cells.sum()]
    return int(rng.choice(apart if apart.size else shifts))


def _spectrum(clip: Clip) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.int64]]:
    """Of the whole clip, and the band that each frequency is in."""
    assert clip.band_edges is not None
    spectrum = np.fft.rfft(clip.samples.astype(np.float64))
    frequencies = np.fft.rfftfreq(clip.samples.size, 1 / clip.sample_rate)
    return spectrum, np.searchsorted(np.asarray(clip.band_edges), frequencies, side="right") - 1


def _of_bands(clip: Clip) -> Floats:
    """Energy of each band in the whole clip."""
    assert clip.band_edges is not None
    spectrum, at = _spectrum(clip)
    n = len(clip.band_edges) - 1
    inside = (at >= 0) & (at < n)
    power = np.square(np.abs(spectrum[inside]))
    return np.bincount(at[inside], weights=power, minlength=n).astype(np.float64)


def _within(clip: Clip, bands: Frames) -> Floats:
    """Energies (n_frames,) of what is in some bands."""
    if bands.all():
        return clip.energies()
    spectrum, at = _spectrum(clip)
    inside = (at >= 0) & (at < bands.size) & bands[np.clip(at, 0, bands.size - 1)]
    kept = np.fft.irfft(spectrum * inside, clip.samples.size)
    return Clip(
        kept.astype(np.float32),
        clip.sample_rate,
        (),
        clip.n_frames,
        clip.first_centre,
        clip.hop,
    ).energies()
