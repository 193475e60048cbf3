"""Padded batches: several clips of different lengths in one tensor.

A score must not depend on the clips that happen to share its batch. Where a mask makes that exact,
components use `valid_mask`; where no mask can (a normalisation or a graph over time), they process
the rows of each length on their own, with `rows_by_length`.
"""

from collections.abc import Iterator

import torch
from torch import Tensor


def valid_mask(lengths: Tensor, size: int) -> Tensor:
    """True where a padded batch holds signal: lengths (B,) int64 -> (B, size) bool."""
    return torch.arange(size, device=lengths.device)[None, :] < lengths[:, None]


def rows_by_length(lengths: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Each distinct length, ascending, with the indices (n,) int64 of the rows that have it."""
    for length in lengths.unique(sorted=True).tolist():
        yield length, torch.nonzero(lengths == length).squeeze(1)
