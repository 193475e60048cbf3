"""The dilated convolutional network of Gasenzer and Wolter (TMLR 2024)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from spoofscope.backends.base import BackEnd
from spoofscope.components import one_of, positive_int, resolve
from spoofscope.errors import ConfigError, DetectorError

_OWNER = "back-end dcnn"
_LAST_CHANNELS = 64


class DCNN(BackEnd):
    """Convolutions over (frames, bands), then dilated convolutions with the frames as channels.

    The last block mixes the remaining (N + 2) // 8 rows of time as channels and looks at the map of
    (64 channels, bands); a linear layer judges each row, and the logits are the mean over rows. The
    network has no mask and is built for one number of frames N. Layers are numbered as in the
    published weights, which load as they are.

    As published, a dropout (`dropout_cnn`) feeds a batch norm. The batch norm's running variance
    then includes the dropout's noise, and in evaluation mode, without the noise, its outputs are
    too small: scores shift, so a threshold at zero can be far off although the ranking is good. Set
    the threshold on a development set, or `dropout_cnn: 0.0`.

    Options:
        channels: outputs of the first five convolutions; the sixth has 64.
        dropout_cnn: probability, after the six convolutions.
        dropout_dilated: probability, after the dilated convolutions.
        dilation: whether there is the dilated block.
    """

    name = "dcnn"
    outputs = ("bonafide", "spoof")

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        self.config = resolve(
            config,
            {
                "channels": [64, 64, 96, 128, 32],
                "dropout_cnn": 0.6,
                "dropout_dilated": 0.2,
                "dilation": True,
            },
            _OWNER,
        )
        if n_frames is None:
            raise ConfigError(
                f"{_OWNER} is built for one number of frames: give the input policy a length"
            )
        self.n_frames = n_frames
        c1, c2, c3, c4, c5 = _channels(self.config)
        dropout_cnn = _probability(self.config, "dropout_cnn")
        dropout_dilated = _probability(self.config, "dropout_dilated")
        dilation = one_of(self.config, "dilation", (True, False), _OWNER)

        rows, height, width = (n_frames + 2) // 8, _LAST_CHANNELS, (dim + 2) // 8
        if dilation:
            # The dilated convolutions take (kernel - 1) * dilation - 2 * padding: 0, 4 and 20.
            height, width = height - 24, width - 24
        if rows < 1 or width < 1:
            raise ConfigError(
                f"{_OWNER}: {n_frames} frames of {dim} values are too few: it needs 6 frames of "
                + ("198 values, or of 6 with dilation: false" if dilation else "6 values")
            )

        self.cnn = nn.Sequential(
            nn.Conv2d(n_channels, c1, 3, padding=2),
            nn.PReLU(),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(c1, affine=False),
            nn.Conv2d(c1, c2, 1),
            nn.PReLU(),
            nn.BatchNorm2d(c2, affine=False),
            nn.Conv2d(c2, c3, 3, padding=1),
            nn.PReLU(),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(c3, affine=False),
            nn.Conv2d(c3, c4, 3, padding=1),
            nn.PReLU(),
            nn.BatchNorm2d(c4, affine=False),
            nn.Conv2d(c4, c5, 3, padding=1),
            nn.PReLU(),
            nn.BatchNorm2d(c5, affine=False),
            nn.Conv2d(c5, _LAST_CHANNELS, 3, padding=1),
            nn.PReLU(),
            nn.MaxPool2d(2),
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
        self.fc = nn.Sequential(nn.Flatten(2), nn.Linear(height * width, len(self.outputs)))

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


def _channels(options: Mapping[str, Any]) -> list[int]:
    channels = options["channels"]
    if not isinstance(channels, list | tuple) or len(channels) != 5:
        raise ConfigError(f"{_OWNER}: channels must be a list of 5 integers, not {channels!r}")
    named = {f"channels[{i}]": value for i, value in enumerate(channels)}
    return [positive_int(named, key, _OWNER) for key in named]


def _probability(options: Mapping[str, Any], key: str) -> float:
    value = options[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ConfigError(f"{_OWNER}: {key} must be from 0 to below 1, not {value!r}")
    return float(value)
