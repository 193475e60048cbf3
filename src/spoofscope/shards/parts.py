"""Cutting the work on many utterances into parts, one per job."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from spoofscope.errors import ConfigError


def parse_shard(text: str) -> tuple[int, int]:
    """Shard and number of shards for :func:`shard_rows` from a name such as `2-of-8` (1-based)."""
    shard, _, n_shards = text.partition("-of-")
    return int(shard) - 1, int(n_shards)


def shard_slice(weights: Sequence[float], shard: int, n_shards: int) -> slice:
    """Which of many items belong to a shard: contiguous, and of about equal weight.

    Every item is in exactly one shard. No shard is empty, unless there are fewer items than shards;
    then the last shards are.

    Args:
        weights: of the items, positive.
        shard: 0 to n_shards - 1.
        n_shards: how many there are.

    Raises:
        ConfigError: there is no such shard.
    """
    if not 0 <= shard < n_shards:
        raise ConfigError(f"shard {shard} of {n_shards}: shards count from 0 to {n_shards - 1}")
    n_items, n_filled = len(weights), min(n_shards, len(weights))
    if shard >= n_filled:
        return slice(n_items, n_items)
    ends = np.cumsum(np.asarray(weights, dtype=np.float64))
    targets = ends[-1] * np.arange(1, n_filled) / n_filled
    cuts = np.searchsorted(ends, targets * (1 - 1e-12), side="left") + 1
    # Long clips may swallow several targets: every shard still gets at least one item.
    for i in range(len(cuts)):
        earliest = i + 1 if i == 0 else cuts[i - 1] + 1
        cuts[i] = min(max(cuts[i], earliest), n_items - (len(cuts) - i))
    bounds = [0, *cuts.tolist(), n_items]
    return slice(bounds[shard], bounds[shard + 1])


def shard_rows(
    rows: pl.DataFrame, shard: int, n_shards: int, may_be_empty: bool = False
) -> pl.DataFrame:
    """One of `n_shards` contiguous parts of a manifest, of about equal duration.

    Every row is in exactly one part.

    Args:
        rows: a manifest, in its order.
        shard: 0 to n_shards - 1.
        n_shards: how many parts.
        may_be_empty: whether the last parts are empty where there are fewer rows than parts; by
            default this is refused.

    Raises:
        ConfigError: there are more parts than rows, no rows at all, or no such part.
    """
    if rows.is_empty() and not may_be_empty:
        raise ConfigError(
            "there are no utterances of this split, and the study trains or scores on them (a "
            "detector that is trained needs train and dev)"
        )
    own = shard_slice(rows["duration"].to_list(), shard, n_shards)
    if n_shards > rows.height and not may_be_empty:
        raise ConfigError(
            f"scatter_shards: {n_shards} shards for {rows.height} utterances; use fewer shards"
        )
    return rows[own]
