"""Whether a recording is fit to be judged: measures and flags.

Nothing here changes a score. Flags say why a score may mean little; with some of them there is
nothing to judge. NumPy only; a clip comes in blocks, so an hour needs no more memory than a minute.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from spoofscope.audio import FULL_SCALE, Samples

SHORTEST_SECONDS = 0.5
"""Below this a recording is too short to be judged, whatever the detector's window."""

AUDIBLE_DBFS = -65.0
"""A 10 ms frame is audible when its RMS is above this level re full scale (about 18 steps of
16-bit audio, far below the noise of a quiet room in a usual recording)."""

SHORTEST_AUDIBLE_SECONDS = 0.25
LOW_LEVEL_DBFS = -45.0
CLIPPED_SHARE = 1e-3
NARROW_SHARE = 0.6
"""A recording is band-limited when it has nothing above this share of the detector's bandwidth."""

_FRAME_SECONDS = 0.010
_FFT_SECONDS = 0.032
_CUTOFF_DB = -60.0
# The rounding noise of 16-bit audio, spread over a spectrum of 32 ms frames, and some room: what is
# below cannot be told from it, however quiet the recording.
_FLOOR_DBFS = -120.0

FLAGS: dict[str, str] = {
    "too_short": f"the recording is shorter than {SHORTEST_SECONDS} s",
    "extended": "the recording is shorter than a window, which was filled up",
    "silent": f"less than {SHORTEST_AUDIBLE_SECONDS} s of the recording is audible",
    "low_level": f"what is audible has a level below {LOW_LEVEL_DBFS:g} dB re full scale",
    "clipped": f"more than {100 * CLIPPED_SHARE:g} % of the samples are at full scale",
    "band_limited": f"nothing above {100 * NARROW_SHARE:g} % of the band that is listened to",
    "one_channel": "its channels cancel each other (opposite phase): the loudest one was judged",
    "out_of_distribution": "the recording is unlike those of the training",
}
"""What each flag says of a recording when it is raised."""

DISQUALIFYING = ("too_short", "silent", "out_of_distribution")
"""Flags with which a recording is not judged: the decision is inconclusive."""


class Measures(NamedTuple):
    """What the flags are raised on.

    duration_s: seconds. audible_s: seconds of 10 ms frames above `AUDIBLE_DBFS`. level_dbfs: RMS of
    these frames, dB re full scale; None where there are none. clipped_share: of the samples that
    :class:`Meter` is given as stored, share at full scale. cutoff_hz: highest frequency within
    60 dB of the strongest, at the detector's sample rate; None in silence.
    """

    duration_s: float
    audible_s: float
    level_dbfs: float | None
    clipped_share: float
    cutoff_hz: float | None


class Meter:
    """Measures a clip while its blocks pass by.

    Clipping is looked for in the samples as they were stored, because resampling hides it; all else
    in what the detector hears.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._stored = self._clipped = self._n = self._audible = 0
        self._power = 0.0
        self._frame = max(1, round(_FRAME_SECONDS * sample_rate))
        self._size = max(16, round(_FFT_SECONDS * sample_rate) // 2 * 2)
        self._window = np.hanning(self._size)
        self._spectrum = np.zeros(self._size // 2 + 1)
        self._n_spectra = 0
        self._left_frame = self._left_spectrum = np.empty(0, dtype=np.float32)

    def stored(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Pass on blocks (n,) at the file's own rate."""
        for block in blocks:
            self._stored += block.size
            self._clipped += int(np.count_nonzero(np.abs(block) >= FULL_SCALE))
            yield block

    def heard(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Pass on blocks (n,) at the detector's rate."""
        for block in blocks:
            self._n += block.size
            self._add_frames(block)
            self._add_spectra(block)
            yield block

    def _add_frames(self, block: Samples) -> None:
        samples = np.concatenate([self._left_frame, block])
        whole = samples.size // self._frame * self._frame
        frames = samples[:whole].reshape(-1, self._frame)
        power = np.mean(np.square(frames, dtype=np.float64), axis=1)
        audible = power > 10 ** (AUDIBLE_DBFS / 10)
        self._audible += int(audible.sum())
        self._power += float(power[audible].sum())
        self._left_frame = samples[whole:].copy()

    def _add_spectra(self, block: Samples) -> None:
        samples = np.concatenate([self._left_spectrum, block])
        hop = self._size // 2
        if samples.size >= self._size:
            frames = np.lib.stride_tricks.sliding_window_view(samples, self._size)[::hop]
            for start in range(0, len(frames), 1024):
                part = frames[start : start + 1024].astype(np.float64)
                part -= part.mean(axis=1, keepdims=True)
                values = np.fft.rfft(part * self._window, axis=1)
                self._spectrum += np.square(np.abs(values)).sum(axis=0)
            self._n_spectra += len(frames)
            samples = samples[len(frames) * hop :]
        self._left_spectrum = samples.copy()

    def measures(self) -> Measures:
        """What was measured, once the clip has passed."""
        level = None
        if self._audible:
            level = 10 * math.log10(self._power / self._audible)
        return Measures(
            duration_s=self._n / self._rate,
            audible_s=self._audible * self._frame / self._rate,
            level_dbfs=level,
            clipped_share=self._clipped / max(self._stored, 1),
            cutoff_hz=self._cutoff(),
        )

    def _cutoff(self) -> float | None:
        if not self._n_spectra:
            return None
        # Per bin, relative to a sine of full scale.
        power = self._spectrum / self._n_spectra / (self._window.sum() / 2) ** 2
        strongest = float(power.max())
        threshold = max(strongest * 10 ** (_CUTOFF_DB / 10), 10 ** (_FLOOR_DBFS / 10))
        if strongest <= threshold:
            return None
        last = int(np.flatnonzero(power >= threshold)[-1])
        return last * self._rate / self._size


def flags(
    measures: Measures,
    sample_rate: int,
    extended: bool,
    distance: float | None,
    one_channel: bool | None = None,
) -> dict[str, bool | None]:
    """The flags of a recording, in the order of `FLAGS`; None where nothing is known.

    Args:
        measures: of the recording.
        sample_rate: the detector's, in Hz.
        extended: whether its window had to be filled up.
        distance: see `likeness.Likeness.distance`; None where nothing is known.
        one_channel: whether its channels cancel each other, see `audio.Clip`; None where nobody
            asked.
    """
    level, cutoff = measures.level_dbfs, measures.cutoff_hz
    return {
        "too_short": measures.duration_s < SHORTEST_SECONDS,
        "extended": extended,
        "silent": measures.audible_s < SHORTEST_AUDIBLE_SECONDS,
        "low_level": None if level is None else level < LOW_LEVEL_DBFS,
        "clipped": measures.clipped_share > CLIPPED_SHARE,
        "band_limited": None if cutoff is None else cutoff < NARROW_SHARE * sample_rate / 2,
        "one_channel": one_channel,
        "out_of_distribution": None if distance is None else distance > 1,
    }
