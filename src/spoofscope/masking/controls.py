"""Random masks of the same size, or energy: what a mask has to be held against."""

import numpy as np
import numpy.typing as npt

from spoofscope.audio import Samples
from spoofscope.masking.base import Floats, Frames

CANDIDATES = 16
"""Random masks, of which the one is taken that is nearest in energy."""
CLOSE = 0.05
"""Share of its energy by which a mask and a random one of the same energy may differ."""


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


def as_much_energy(
    chosen: Frames, energies: Floats, rng: np.random.Generator, scale: float = 1.0
) -> Frames:
    """Frames, or bands, at random places that hold as much energy, however many these are.

    They are drawn beside the mask, and among all where not as much is beside it. Runs of the
    lengths of the mask's are taken in random order, each up to where it would be too much, until
    there is enough. Where even a single one is too much, the softest is taken.

    Args:
        chosen: (n,) those of the mask.
        energies: (n,) of each.
        rng: the source of randomness.
        scale: how much energy is wanted, over that of the mask.

    Returns:
        (n,) of some random choices the first that is within :data:`CLOSE` of the energy, or else
        the nearest one.
    """
    runs = run_lengths(chosen)
    if not runs.size or chosen.all():
        return chosen.copy()
    wanted = scale * float(energies[chosen].sum())
    pool = ~chosen if energies[~chosen].sum() >= wanted else np.ones_like(chosen)
    softest = np.where(pool, energies, np.inf) == energies[pool].min()
    best, distance = softest & (np.cumsum(softest) == 1), np.inf
    for _ in range(CANDIDATES):
        drawn = _until(wanted, pool, energies, rng.permutation(runs), rng)
        if drawn.any() and abs(float(energies[drawn].sum()) - wanted) < distance:
            best, distance = drawn, abs(float(energies[drawn].sum()) - wanted)
        if distance <= CLOSE * wanted:
            break
    return best


def _until(
    wanted: float,
    pool: Frames,
    energies: Floats,
    runs: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> Frames:
    """Beginnings of runs in random order, until they hold an energy."""
    n = pool.size
    ends = np.cumsum(np.resize(runs, n))
    edges = np.concatenate([[0], ends[ends < n], [n]])
    offset = int(rng.integers(n))
    taken: Frames = np.zeros(n, dtype=bool)
    total = 0.0
    for piece in rng.permutation(edges.size - 1).tolist():
        at = (offset + np.arange(edges[piece], edges[piece + 1])) % n
        at = at[pool[at]]
        held = total + np.cumsum(energies[at])
        enough = np.flatnonzero(held >= (1 - CLOSE) * wanted)
        at = at[: enough[0] + 1] if enough.size else at
        at = at[held[: at.size] <= (1 + CLOSE) * wanted]
        taken[at] = True
        total += float(energies[at].sum())
        if at.size and total >= (1 - CLOSE) * wanted:
            break
    return taken


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
