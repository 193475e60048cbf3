"""What stages share that change recordings and let a detector score them again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl

from spoofscope.audio import Samples
from spoofscope.errors import DetectorError
from spoofscope.windows import InputPolicy

# Half-precision features and other devices move a score by about 0.1 %; more is another score.
_SAME_SCORE = 0.01

_LEAST_SHIFT = 0.1


def decoded(rows: pl.DataFrame, policy: InputPolicy) -> Iterator[tuple[dict[str, Any], Samples]]:
    """Rows of a manifest with their samples; the next clip is decoded while the caller works.

    Args:
        rows: with the column `path`.
        policy: how files are read.

    Raises:
        AudioError: a file cannot be read.
    """
    left = list(rows.iter_rows(named=True))
    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = [pool.submit(policy.read, row["path"]) for row in left[:1]]
        for i, row in enumerate(left):
            samples = ahead.pop().result()
            ahead = [pool.submit(policy.read, r["path"]) for r in left[i + 1 : i + 2]]
            yield row, samples


def check_score(utt_id: str, score: float, scored: float) -> None:
    """Refuse to go on where an unchanged recording has another score than before.

    Args:
        utt_id: of the recording.
        score: now.
        scored: in the score file.

    Raises:
        DetectorError: they differ by more than 1 %.
    """
    if abs(score - scored) > _SAME_SCORE * max(1.0, abs(scored)):
        raise DetectorError(
            f"utterance {utt_id!r}: its score file says {scored:.6g}, the score of the unchanged "
            f"recording is {score:.6g}; are detector, audio and scores of one run?"
        )


def random_shift(n: int, rng: np.random.Generator) -> int:
    """By how many of n samples something is moved: a random tenth to nine tenths of them."""
    least = max(1, round(_LEAST_SHIFT * n))
    return int(rng.integers(least, max(least + 1, n - least)))
