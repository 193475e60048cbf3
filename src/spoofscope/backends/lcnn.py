"""The light CNN with two LSTM layers of the ASVspoof 2021 baseline (Wang and Yamagishi, 2021)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spoofscope.backends.base import BackEnd
from spoofscope.batches import apply_by_length
from spoofscope.errors import AudioError, ConfigError
from spoofscope.options.backends.lcnn import LCNNOptions

_OWNER = "back-end lcnn"
_LAST_CHANNELS = 32
_POOLING = 16
_DROPOUT = 0.7


class _Maximum(torch.autograd.Function):
    """The larger of two tensors, with gradients in a third of the time of PyTorch's own.

    Where both are equal, the first one has the whole gradient, and not each a half.
    """

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        ctx.save_for_backward(first >= second)
        return first.maximum(second)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (is_first,) = ctx.saved_tensors
        return gradients[0] * is_first, gradients[0] * ~is_first


class MaxFeatureMap(nn.Module):
    """Halves the channels by the maximum of their two halves (Wu et al., 2018)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 2 C, ...) -> (B, C, ...)."""
        maximum: Tensor = _Maximum.apply(*x.chunk(2, dim=1))  # type: ignore[no-untyped-call]
        return maximum


def _block(
    channels_in: int, channels_out: int, kernel: int, *, pool: bool = False, norm: bool = False
) -> list[nn.Module]:
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, 2 * channels_out, kernel, padding=kernel // 2),
        MaxFeatureMap(),
    ]
    if pool:
        layers.append(nn.MaxPool2d(2))
    if norm:
        layers.append(nn.BatchNorm2d(channels_out, affine=False))
    return layers


class LCNN(BackEnd):
    """Nine convolutions with max-feature-map, two bidirectional LSTM layers, a mean over steps.

    A step is 16 frames; a remainder of fewer is dropped. Rows of one length are processed together,
    so that neither convolutions nor batch norms see padding; where training clips differ in length
    this means small batches for the batch norms: train with a fixed input length.

    It has no options.
    """

    name = "lcnn"
    declared = LCNNOptions
    options: LCNNOptions
    outputs = ("bonafide", "spoof")

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        if dim < _POOLING or (n_frames is not None and n_frames < _POOLING):
            raise ConfigError(
                f"{_OWNER} needs at least {_POOLING} frames of {_POOLING} values, "
                f"not {n_frames} of {dim}"
            )
        self.cnn = nn.Sequential(
            *_block(n_channels, 32, 5, pool=True),
            *_block(32, 32, 1, norm=True),
            *_block(32, 48, 3, pool=True, norm=True),
            *_block(48, 48, 1, norm=True),
            *_block(48, 64, 3, pool=True),
            *_block(64, 64, 1, norm=True),
            *_block(64, 32, 3, norm=True),
            *_block(32, 32, 1, norm=True),
            *_block(32, _LAST_CHANNELS, 3, pool=True),
            nn.Dropout(_DROPOUT),
        )
        size = _LAST_CHANNELS * (dim // _POOLING)
        self.lstm = nn.LSTM(size, size // 2, num_layers=2, batch_first=True, bidirectional=True)
        self.output = nn.Linear(size, len(self.outputs))

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, 2) of features (B, C, N, D) with `lengths` (B,) valid frames.

        Raises:
            AudioError: a row has fewer than 16 frames.
        """
        shortest = int(lengths.min())
        if shortest < _POOLING:
            raise AudioError(
                f"{_OWNER} needs at least {_POOLING} frames, a clip has {shortest}: "
                "lengthen it, or raise the input policy's min_samples"
            )
        return apply_by_length(self._logits, values, lengths, dim=2)

    def _logits(self, values: Tensor) -> Tensor:
        maps = self.cnn(values)
        steps = maps.transpose(1, 2).flatten(2)
        states, _ = self.lstm(steps)
        logits: Tensor = self.output(states.mean(dim=1))
        return logits
