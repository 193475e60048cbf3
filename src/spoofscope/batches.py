"""Padded batches: several clips of different lengths in one tensor.

A score must not depend on the clips that happen to share its batch. Where a mask makes that exact,
components use `valid_mask`; where no mask can (a normalisation or a graph over time), they process
the rows of each length on their own, with `apply_by_length`.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def valid_mask(lengths: Tensor, size: int) -> Tensor:
    """True where a padded batch holds signal: lengths (B,) int64 -> (B, size) bool."""
    return torch.arange(size, device=lengths.device)[None, :] < lengths[:, None]


def apply_by_length(
    function: Callable[[Tensor], Tensor], values: Tensor, lengths: Tensor, dim: int
) -> Tensor:
    """Apply `function` to the rows of each distinct length, cut to that length.

    Args:
        function: from (n, ...) to (n, ...); all its results must agree beyond the first axis.
        values: (B, ...), padded along `dim`.
        lengths: (B,) int64, the valid length of each row along `dim`.
        dim: the padded axis, not the first.

    Returns:
        The results (B, ...) in the order of the rows.
    """
    distinct = sorted(set(lengths.tolist()))
    if len(distinct) == 1:
        return function(values.narrow(dim, 0, distinct[0]))
    rows = [torch.nonzero(lengths == length).squeeze(1) for length in distinct]
    results = [
        function(values[members].narrow(dim, 0, length))
        for members, length in zip(rows, distinct, strict=True)
    ]
    return torch.cat(results)[torch.cat(rows).argsort()]
