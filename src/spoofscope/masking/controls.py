"""Random masks of the same size: what a mask has to be held against."""

import numpy as np
import numpy.typing as npt

from spoofscope.audio import Samples
from spoofscope.masking.base import Floats, Frames

CANDIDATES = 16
"""Random masks of the same size, of which the one is taken that is nearest in energy."""


def random_frames(chosen: Frames, energies: Floats, rng: np.random.Generator) -> Frames:
    """Frames in as many runs of the same lengths, in random order at random places.

    Args:
        chosen: (n,) those of the mask.
        energies: (n,) of the waveform; of some random choices, that with the energy nearest to the
            mask's is taken. Where the mask has the loudest frames there is none as loud.
        rng: the source of randomness.

    Returns:
        (n,) as many True as in `chosen`.
    """
    runs = run_lengths(chosen)
    if not runs.size or chosen.all():
        return chosen.copy()
    wanted = float(energies[chosen].sum())
    candidates = [_placed(runs, chosen.size, rng) for _ in range(CANDIDATES)]
    return min(candidates, key=lambda frames: abs(float(energies[frames].sum()) - wanted))


def run_lengths(chosen: Frames) -> npt.NDArray[np.int64]:
    """Lengths of the runs of True, in their order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(np.int8), [0]])))
    return (edges[1::2] - edges[::2]).astype(np.int64)


def _placed(runs: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> Frames:
    # Between two runs at least one frame stays free; the others are dealt out at random.
    spare = n - int(runs.sum()) - (runs.size - 1)
    cuts = np.sort(rng.permutation(spare + runs.size)[: runs.size]) - np.arange(runs.size)
    lengths = rng.permutation(runs)
    starts = cuts + np.concatenate([[0], np.cumsum(lengths[:-1] + 1)])
    frames: Frames = np.zeros(n, dtype=bool)
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        frames[start : start + length] = True
    return frames


def moved_change(x: Samples, y: Samples, shift: int) -> Samples:
    """The change from `x` to `y` at another time, around the end of the clip: of the same size and
    energy, and unrelated to what is there.
    """
    return (x + np.roll(y - x, shift)).astype(np.float32)
