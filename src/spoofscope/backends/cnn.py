"""A plain small convolutional network, to start with on small sets."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from spoofscope.backends.convolutional import ConvolutionalBackEnd, statistics_over_time
from spoofscope.options.backends.cnn import CNNOptions

_CHANNELS = (16, 32, 64, 64)


class CNN(ConvolutionalBackEnd):
    """Four blocks of convolution, batch norm, ReLU and maximum over 2 x 2; statistics; two layers.

    The convolutions are 3 x 3, of 16, 32, 64 and 64 channels. Mean and standard deviation over time
    keep channels and bands apart: 640 values for 80 bands. The two layers behind them have a
    dropout in front of each.

    For one channel of 80 bands it has 101,489 parameters.
    """

    name = "cnn"
    declared = CNNOptions
    options: CNNOptions
    shrinking = 2 ** len(_CHANNELS)

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        hidden, dropout = self.options.hidden, self.options.dropout
        self.check_size(dim, n_frames)
        self.blocks = nn.Sequential(
            *(_block(before, after) for before, after in pairwise((n_channels, *_CHANNELS)))
        )
        size = 2 * _CHANNELS[-1] * (dim // self.shrinking)
        self.classify = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(size, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            self.output_layer(hidden),
        )

    def _logits(self, values: Tensor) -> Tensor:
        logits: Tensor = self.classify(statistics_over_time(self.blocks(values)))
        return logits


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
