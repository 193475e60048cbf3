"""Changes as large as a cue that are no cue: what the cue has to be held against."""

import math

import numpy as np

from spoofscope.audio import Samples
from spoofscope.augmentation.base import power
from spoofscope.rescoring import random_shift


def matched_control(x: Samples, y: Samples, rng: np.random.Generator) -> Samples:
    """A change of `x` as large as that to `y`, which makes it no more like `y`.

    Args:
        x: (n,) a clip.
        y: (m,) the clip with a cue put on, or taken off.
        rng: the source of randomness.

    Returns:
        Where m is n: (n,) the clip and its own sound at another time, which is as strong as the
        change from `x` to `y`, at the level of the clip. It is speech with the band, the spectrum,
        the offset and the marks that the clip has. Otherwise (m,): what was put before the clip is
        put behind it, what was cut off its start is cut off its end, and the reverse.
    """
    if y.size != x.size:
        return _at_other_end(x, y)
    strength = math.sqrt(power(y - x) / power(x)) if power(x) > 0 else 0.0
    if strength == 0:
        return x
    shift = random_shift(x.size, rng)
    mixed = x + strength * np.roll(x, shift).astype(np.float64)
    level = math.sqrt(power(x) / float(np.mean(np.square(mixed))))
    changed: Samples = (level * mixed).astype(np.float32)
    return changed


def _at_other_end(x: Samples, y: Samples) -> Samples:
    """The same number of samples, put or cut at the other end of the clip."""
    n = min(x.size, y.size)
    # At the start, where the end is what stayed.
    at_start = _distance(x[-n:], y[-n:]) < _distance(x[:n], y[:n])
    if y.size < x.size:
        return x[:n] if at_start else x[-n:]
    return np.concatenate([x, y[: y.size - n]] if at_start else [y[n:], x])


def _distance(x: Samples, y: Samples) -> float:
    return float(np.square(x - y, dtype=np.float64).sum())
