"""The dilated convolutional network of Gasenzer and Wolter (TMLR 2024)."""

import itertools
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from spoofscope.backends.base import BackEnd
from spoofscope.errors import ConfigError, DetectorError
from spoofscope.options.backends.dcnn import DCNNOptions

_OWNER = "back-end dcnn"
_LAST_CHANNELS = 64


class DCNN(BackEnd):
    """Convolutions over (frames, bands), then dilated convolutions with the frames as channels.

    The last block mixes the remaining N / 8 or so rows of time as channels and looks at the map of
    (64 channels, bands); a linear layer judges each row, and the logits are the mean over rows. The
    network has no mask and is built for one number of frames N. Layers are numbered as in the
    published weights, which load as they are.

    As published, a dropout (`dropout_cnn`) feeds a batch norm. The batch norm's running variance
    then includes the dropout's noise, and in evaluation mode, without the noise, its outputs are
    too small: scores shift, so a threshold at zero can be far off although the ranking is good. Set
    the threshold on a development set, train with `recalibrate_norms`, or set `dropout_cnn: 0.0`.
    """

    name = "dcnn"
    declared = DCNNOptions
    options: DCNNOptions
    outputs = ("bonafide", "spoof")

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        if n_frames is None:
            raise ConfigError(
                f"{_OWNER} is built for one number of frames: give the input policy a length"
            )
        self.n_frames = n_frames
        c1, c2, c3, c4, c5 = self.options.channels
        dropout_cnn, dropout_dilated = self.options.dropout_cnn, self.options.dropout_dilated
        dilation = self.options.dilation
        pooled = self.options.downsampling == "pool"

        # The dilated convolutions take (kernel - 1) * dilation - 2 * padding: 0, 4 and 20.
        shrinking = 24 if dilation else 0
        rows, width = (_left(size, pooled) for size in (n_frames, dim))
        if rows < 1 or width <= shrinking:
            fewest, plain = (_fewest(n + 1, pooled) for n in (shrinking, 0))
            raise ConfigError(
                f"{_OWNER}: {n_frames} frames of {dim} values are too few: it needs {plain} frames "
                f"of {fewest} values"
                + (f", or of {plain} with dilation: false" if dilation else "")
            )

        self.cnn = nn.Sequential(
            *_block(n_channels, c1, 3, 2, pooled, halve=True),
            nn.BatchNorm2d(c1, affine=False),
            *_block(c1, c2, 1, 0, pooled),
            nn.BatchNorm2d(c2, affine=False),
            *_block(c2, c3, 3, 1, pooled, halve=True),
            nn.BatchNorm2d(c3, affine=False),
            *_block(c3, c4, 3, 1, pooled),
            nn.BatchNorm2d(c4, affine=False),
            *_block(c4, c5, 3, 1, pooled),
            nn.BatchNorm2d(c5, affine=False),
            *_block(c5, _LAST_CHANNELS, 3, 1 if pooled else 0, pooled, halve=True),
            nn.Dropout(dropout_cnn),
        )
        self.dil_conv = nn.Sequential()
        if dilation:
            self.dil_conv = nn.Sequential(
                nn.BatchNorm2d(rows),
                nn.Conv2d(rows, rows, 3, padding=1),
                nn.PReLU(),
                nn.BatchNorm2d(rows),
                nn.Conv2d(rows, rows, 5, padding=2, dilation=2),
                nn.PReLU(),
                nn.BatchNorm2d(rows),
                nn.Conv2d(rows, rows, 7, padding=2, dilation=4),
                nn.PReLU(),
                nn.Dropout(dropout_dilated),
            )
        size = (_LAST_CHANNELS - shrinking) * (width - shrinking)
        self.fc = nn.Sequential(nn.Flatten(2), nn.Linear(size, len(self.outputs)))

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, 2) of features (B, C, N, D), whose N frames are all valid.

        Raises:
            DetectorError: N is not what the network was built for, or some frames are padding.
        """
        if values.shape[2] != self.n_frames or not bool((lengths == self.n_frames).all()):
            raise DetectorError(
                f"{_OWNER} was built for {self.n_frames} frames, got {values.shape[2]}, "
                f"of which {int(lengths.min())} or more are valid"
            )
        # (B, 64, rows, width) -> (B, rows, 64, width): time rows become channels.
        rows = self.cnn(values).transpose(1, 2)
        logits: Tensor = self.fc(self.dil_conv(rows)).mean(dim=1)
        return logits


def _left(n: int, pooled: bool) -> int:
    """Frames or bands, of `n`, that the six convolutions leave; below 1 where `n` is too few."""
    if pooled:
        # The first convolution pads by 2 and so adds 2.
        return (n + 2) // 8
    first = (n + 3) // 2
    third = (first + 1) // 2
    return (third - 1) // 2


def _fewest(left: int, pooled: bool) -> int:
    """The smallest number of frames or bands of which `left` are left."""
    return next(n for n in itertools.count(1) if _left(n, pooled) >= left)


def _block(
    channels_in: int,
    channels_out: int,
    kernel: int,
    padding: int,
    pooled: bool,
    halve: bool = False,
) -> list[nn.Module]:
    """A convolution and its PReLU; where frames and bands are halved, by a pool or a stride."""
    stride = 2 if halve and not pooled else 1
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, channels_out, kernel, stride=stride, padding=padding),
        nn.PReLU(),
    ]
    if halve and pooled:
        layers.append(nn.MaxPool2d(2))
    return layers
