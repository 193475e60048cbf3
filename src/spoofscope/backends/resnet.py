"""A residual network of 18 layers (He et al., CVPR 2016) with statistics pooling."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from spoofscope.backends.convolutional import ConvolutionalBackEnd, statistics_over_time
from spoofscope.options.backends.resnet import ResNetOptions

_STAGES = 4
_BLOCKS = 2


class ResNet(ConvolutionalBackEnd):
    """ResNet18 on features, as for speaker verification (Chung et al., Interspeech 2020).

    A convolution of 3 x 3 and a maximum over 2 x 2 (in place of 7 x 7 in steps of 2 and 3 x 3 in
    steps of 2, as features are smaller than photographs); four stages of two basic blocks of
    `width`, 2, 4 and 8 times `width` channels, each stage but the first halving frames and bands;
    mean and standard deviation over time of all channels and bands; one linear layer.

    For one channel of 80 bands it has 701,169 parameters, with `width: 64` 11,172,801.
    """

    name = "resnet"
    declared = ResNetOptions
    options: ResNetOptions
    shrinking = 2**_STAGES

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        width, dropout = self.options.width, self.options.dropout
        self.check_size(dim, n_frames)
        layers: list[nn.Module] = [*_convolution(n_channels, width), nn.ReLU(), nn.MaxPool2d(2)]
        channels, bands = width, dim // 2
        for stage in range(_STAGES):
            for block in range(_BLOCKS):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(BasicBlock(channels, width * 2**stage, stride))
                channels, bands = width * 2**stage, -(-bands // stride)
        self.network = nn.Sequential(*layers)
        self.classify = nn.Sequential(nn.Dropout(dropout), self.output_layer(2 * channels * bands))

    def _logits(self, values: Tensor) -> Tensor:
        logits: Tensor = self.classify(statistics_over_time(self.network(values)))
        return logits


class BasicBlock(nn.Module):
    """relu(x + f(x)) with two convolutions in f; x is projected where its size changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_convolution(channels_in, channels_out, stride=stride),
            nn.ReLU(),
            *_convolution(channels_out, channels_out),
        )
        self.shortcut = nn.Sequential()
        if stride > 1 or channels_in != channels_out:
            self.shortcut.extend(_convolution(channels_in, channels_out, 1, stride))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, N, D) -> (B, channels_out, ceil(N / stride), ceil(D / stride))."""
        summed: Tensor = self.relu(self.residual(x) + self.shortcut(x))
        return summed


def _convolution(
    channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1
) -> list[nn.Module]:
    """A convolution without bias and its batch norm."""
    padding = kernel // 2
    return [
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(channels_out),
    ]
