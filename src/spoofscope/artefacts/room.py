"""What the place and the mains leave in a recording: reverberation and hum. NumPy only."""

import numpy as np

from spoofscope.artefacts.spectra import Floats, decibels
from spoofscope.audio import Samples

_HUM_SECONDS = 0.5
_MAINS_HZ = (50.0, 60.0)
_HARMONICS = 4
# Neighbours of a harmonic lie so far from it: beyond the main lobe of its window.
_NEIGHBOURS_HZ = (8.0, 24.0)

# ISO 3382 fits a decay from 5 dB below its start on; over 10 dB this is its T10, and speech seldom
# falls further in a room before it goes on.
_START_DB, _END_DB = 5.0, 15.0
_RISE_DB = 2.0
_FASTEST = 25.0
# A slope of so many dB a frame is none but for rounding.
_LEVEL = 1e-9


def hum(samples: Samples, sample_rate: int) -> float | None:
    """How far mains hum stands out, in dB; 0 = not at all, None below half a second.

    In windows of 0.5 s (Hann, half overlapped), each frequency has the level of its quietest
    quarter of windows: hum stays, speech does not. A harmonic stands out by its level less the
    median of the levels 8 to 24 Hz away. The measure is the mean of this over the first four
    harmonics of 50 Hz, or of 60 Hz, whichever is more. Noise alone has some dB, and so has a voice
    that never pauses.
    """
    size = round(_HUM_SECONDS * sample_rate)
    if samples.size < size:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(samples, size)[:: size // 2]
    step = sample_rate / size
    highest = int((max(_MAINS_HZ) * _HARMONICS + _NEIGHBOURS_HZ[1]) / step) + 1
    shape = np.hanning(size)
    # In blocks, so that an hour of audio needs no gigabytes.
    powers = [
        np.abs(np.fft.rfft(windows[i : i + 256] * shape, axis=1)[:, : highest + 1]) ** 2
        for i in range(0, len(windows), 256)
    ]
    level = decibels(np.percentile(np.concatenate(powers), 25, axis=0) / np.sum(shape**2) / size)
    near, far = (round(distance / step) for distance in _NEIGHBOURS_HZ)
    sides = np.concatenate([np.arange(-far, -near + 1), np.arange(near, far + 1)])
    families = []
    for mains in _MAINS_HZ:
        bins = np.rint(mains * np.arange(1, _HARMONICS + 1) / step).astype(np.int64)
        families.append(float(np.mean(level[bins] - np.median(level[bins[:, None] + sides], 1))))
    return max(families)


def reverberation(energy: Floats, hop_seconds: float) -> float | None:
    """Time (s) that the sound would need to fall by 60 dB, from the fastest falls in a clip.

    A room does not let the level fall faster than it decays itself. A fall begins at a local
    maximum of the level and lasts until the level rises by more than 2 dB. Falls that reach 15 dB
    count: from 5 to 15 dB below the maximum a straight line is fitted to the level, as ISO 3382
    does for T10, and its slope gives the time for 60 dB; a line that does not fall is none. The
    measure is the 25th percentile over falls. Dry speech gives about 0.05 to 0.15 s by its own
    falls; clips of a second or two vary, so that means of many are compared.

    Args:
        energy: (n,) level of frames in dB.
        hop_seconds: from one frame to the next.

    Returns:
        None without a fall of 15 dB.
    """
    rising = np.diff(energy) > 0
    starts = np.flatnonzero(np.pad(rising, (1, 0), constant_values=True)[:-1] & ~rising)
    times = []
    for start in starts.tolist():
        top = lowest = float(energy[start])
        first = None
        for i in range(start + 1, energy.size):
            level = float(energy[i])
            if level > top or level > lowest + _RISE_DB:
                break
            lowest = min(lowest, level)
            if first is None and level <= top - _START_DB:
                first = i
            if level <= top - _END_DB:
                # The line goes through at least two frames, the one before the 5 dB included.
                begin = min(first if first is not None else i, i - 1)
                slope = float(np.polyfit(np.arange(i - begin + 1), energy[begin : i + 1], 1)[0])
                # After a drop at once to near 15 dB, the rest can be level, or rise by the 2 dB.
                if slope < -_LEVEL:
                    times.append(-60.0 * hop_seconds / slope)
                break
    return float(np.percentile(times, _FASTEST)) if times else None
