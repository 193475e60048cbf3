"""Sensitive layer selection (Zhang et al., ACM Multimedia 2024)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from spoofscope.backends.base import BackEnd
from spoofscope.batches import valid_mask
from spoofscope.errors import AudioError, ConfigError
from spoofscope.options.backends.sls import SLSOptions

_OWNER = "back-end sls"
_POOL = 3
_PUBLISHED_FRAMES = 201


class SLS(BackEnd):
    """Layers weighted by gates that each clip opens for itself, and a pooled map of their sum.

    A linear layer and a sigmoid turn the mean over time of each layer into its gate, between 0 and
    1; the gates are independent of each other, so there are no layer weights to read off. The sum
    of the gated layers passes a batch norm, SELU and max-pooling over 3 frames and 3 dimensions;
    Linear-SELU-Linear, D wide, maps the pooled map to the logits.

    Clips of any length: the mean is over the valid frames, the batch norm sees no padding, and of
    the N // 3 steps of the pooled map the mean and the standard deviation over time go on.

    For D = 768 and one output it has 395,524 parameters, as published 13,175,044.
    """

    name = "sls"
    declared = SLSOptions
    options: SLSOptions

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        self.as_published = self.options.as_published
        if dim < _POOL:
            raise ConfigError(f"{_OWNER} needs features of at least {_POOL} dimensions, not {dim}")
        self.gate = nn.Linear(dim, 1)
        self.norm = nn.BatchNorm1d(1)
        steps = _PUBLISHED_FRAMES // _POOL if self.as_published else 2
        self.output = nn.Sequential(
            nn.Linear(steps * (dim // _POOL), dim), nn.SELU(), self.output_layer(dim)
        )

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of features (B, C, N, D) with `lengths` (B,) valid frames.

        Raises:
            AudioError: a row has fewer than 3 frames (with `as_published`, any length will do).
        """
        if self.as_published:
            values = _cut_or_filled(values, lengths)
            lengths = torch.full_like(lengths, _PUBLISHED_FRAMES)
        elif int(lengths.min()) < _POOL:
            raise AudioError(
                f"a clip of {int(lengths.min())} frames is too short for the {_OWNER}, which "
                f"needs {_POOL} (1040 samples of a 20 ms SSL front-end)"
            )
        pooled = self._pooled(values, lengths)
        if self.as_published:
            readout = pooled.flatten(1)
        else:
            readout = _mean_and_deviation(pooled, lengths // _POOL)
        logits: Tensor = self.output(readout)
        return logits

    def _pooled(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, C, N, D) -> their pooled map (B, N // 3, D // 3)."""
        valid = valid_mask(lengths, values.shape[2])
        total = values.masked_fill(~valid[:, None, :, None], 0.0).sum(dim=2)
        gates = torch.sigmoid(self.gate(total / lengths[:, None, None])).squeeze(2)
        mixed = torch.einsum("bc,bcnd->bnd", gates, values)
        normalised = mixed.new_zeros(mixed.shape)
        normalised[valid] = self.norm(mixed[valid][:, None]).squeeze(1).to(mixed.dtype)
        return functional.max_pool2d(functional.selu(normalised), _POOL)


def _cut_or_filled(values: Tensor, lengths: Tensor) -> Tensor:
    """Features (B, C, N, D) with 201 frames, zero where a row has none."""
    values = values[:, :, :_PUBLISHED_FRAMES]
    padding = ~valid_mask(lengths, values.shape[2])[:, None, :, None]
    missing = _PUBLISHED_FRAMES - values.shape[2]
    return functional.pad(values.masked_fill(padding, 0.0), (0, 0, 0, missing))


def _mean_and_deviation(x: Tensor, lengths: Tensor) -> Tensor:
    """Steps (B, N, D) with `lengths` (B,) valid ones -> (B, 2 D)."""
    padding = ~valid_mask(lengths, x.shape[1])[:, :, None]
    mean = x.masked_fill(padding, 0.0).sum(dim=1) / lengths[:, None]
    squares = (x - mean[:, None]).square().masked_fill(padding, 0.0)
    variance = squares.sum(dim=1) / lengths[:, None]
    # The constant keeps the gradient finite where all steps agree.
    return torch.cat([mean, (variance + 1e-5).sqrt()], dim=1)
