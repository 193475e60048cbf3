"""AASIST and AASIST-L (Jung et al., ICASSP 2022) behind the sinc filter bank of front-end `raw`."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from spoofscope.backends.aasist import GraphBackEnd, ResidualBlock
from spoofscope.backends.base import OUTPUTS
from spoofscope.batches import apply_by_length
from spoofscope.errors import AudioError, ConfigError
from spoofscope.options.backends.raw_aasist import RawAASISTOptions

_OWNER = "back-end raw_aasist"
_BLOCKS = 6
_POOL = 3
_SHORTEST = _POOL**_BLOCKS


class _Size(NamedTuple):
    """Channels from the third block on, and the shares of nodes that the pools keep."""

    width: int
    ratios: tuple[float, float, float]


_SIZES = {
    "full": _Size(64, (0.5, 0.7, 0.5)),
    "light": _Size(24, (0.4, 0.5, 0.7)),
}


class RawAASIST(GraphBackEnd):
    """AASIST on the bands of the sinc filter bank.

    Six residual blocks, each followed by a max-pooling over three frames; the nodes are maxima of
    magnitudes, over time for the spectral graph and over bands for the temporal one.

    The logits are spoof and bona fide. Clips of different lengths in a batch are processed length
    by length, because no mask is exact through the max-pooling and the graphs.
    """

    name = "raw_aasist"
    declared = RawAASISTOptions
    options: RawAASISTOptions
    outputs = OUTPUTS[2]

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        size, residual = _SIZES[self.options.variant], self.options.residual
        if n_channels != 1:
            raise ConfigError(f"{_OWNER} takes one channel, as of front-end raw, not {n_channels}")
        if n_frames is not None and n_frames < _SHORTEST:
            raise ConfigError(
                f"{_OWNER} needs at least {_SHORTEST} frames, not {n_frames}: "
                "raise the input policy's length (2315 samples for front-end raw)"
            )
        self.norm_in = nn.BatchNorm2d(1)
        widths = (1, 32, 32, *[size.width] * (_BLOCKS - 2))
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(
                    ResidualBlock(*pair, first=i == 0, preactivated=residual == "preactivated"),
                    nn.MaxPool2d((1, _POOL)),
                )
                for i, pair in enumerate(pairwise(widths))
            )
        )
        self._build_graphs(dim, size.width, size.ratios)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, 2) of features (B, 1, N, D) with `lengths` (B,) valid frames.

        Raises:
            AudioError: a row has fewer than 729 frames.
        """
        shortest = int(lengths.min())
        if shortest < _SHORTEST:
            raise AudioError(
                f"a clip of {shortest} frames is too short for the {_OWNER}, which needs "
                f"{_SHORTEST} (2315 samples of front-end raw): raise the input policy's "
                "min_samples"
            )
        return apply_by_length(self._logits, values, lengths, dim=2)

    def _logits(self, values: Tensor) -> Tensor:
        bands = functional.selu(self.norm_in(values.transpose(2, 3)))  # (B, 1, D, N)
        magnitudes = self.encoder(bands).abs()
        spectral = magnitudes.amax(dim=3).transpose(1, 2)
        temporal = magnitudes.amax(dim=2).transpose(1, 2)
        return self._graph_logits(temporal, spectral)
