"""The feed-forward classifier with attentive statistics of the layer-wise study of SSL detectors.

After "Comprehensive layer-wise analysis of SSL models for audio deepfake detection" (Findings of
NAACL 2025, arXiv 2502.03559).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spoofscope.backends.base import BackEnd, gain_corrected
from spoofscope.batches import valid_mask
from spoofscope.options.backends.ffn import FFNOptions

_SIZE = 128


class FFN(BackEnd):
    """A weighted sum of batch-normalised layers, two linear layers, attentive statistics, two more.

    A batch norm whose channels are the layers puts them on one scale, a softmax mixes them, and
    Linear-ReLU twice makes frames x of size 128. The attention weights are
    a = softmax over time of tanh(v . (W x + b)); the pooled values are the mean m = sum a x and the
    variance s = sum a (x - m)^2 of every dimension; Linear-ReLU-Linear maps both to the logits.

    The valid frames of all rows go through the network as one long sequence, so padding enters
    neither the attention nor, in training, the statistics of the batch norm.

    With 2 logits it has 164,756 parameters for 6 layers of size 768, 197,578 for 24 of size 1024.
    """

    name = "ffn"
    declared = FFNOptions
    options: FFNOptions

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        self.legacy_pooling = self.options.legacy_pooling
        self.mix_norm = nn.BatchNorm1d(n_channels)
        self.mix = nn.Parameter(torch.ones(n_channels))
        self.frames = nn.Sequential(
            nn.Linear(dim, _SIZE), nn.ReLU(), nn.Linear(_SIZE, _SIZE), nn.ReLU()
        )
        self.attention = nn.Linear(_SIZE, _SIZE)
        self.vector = nn.Parameter(torch.randn(_SIZE))
        self.output = nn.Sequential(
            nn.Linear(2 * _SIZE, _SIZE), nn.ReLU(), self.output_layer(_SIZE)
        )

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of features (B, C, N, D) with `lengths` (B,) valid frames."""
        valid = valid_mask(lengths, values.shape[2])
        layers = self.mix_norm(values.transpose(1, 2)[valid])  # (frames of all rows, C, D)
        x = self.frames(torch.einsum("c,mcd->md", self.mix.softmax(0), layers))
        logits = x.new_full(valid.shape, -torch.inf)
        logits[valid] = torch.tanh(self.attention(x) @ self.vector).to(x.dtype)
        padded = x.new_zeros((*valid.shape, _SIZE))
        padded[valid] = x
        pooled: Tensor = self.output(self._statistics(padded, logits.softmax(1), lengths))
        return pooled

    def _statistics(self, x: Tensor, attention: Tensor, lengths: Tensor) -> Tensor:
        """Frames (B, N, 128) and their weights (B, N) -> mean and variance (B, 256)."""
        weights = attention[:, None]
        mean = (weights @ x).squeeze(1)
        if self.legacy_pooling:
            mean = mean / lengths[:, None]
            variance = (weights @ x.square()).squeeze(1) - mean.square()
        else:
            variance = (weights @ (x - mean[:, None]).square()).squeeze(1)
        return torch.cat([mean, variance], dim=1)

    def layer_weights(self) -> dict[str, Tensor]:
        """Two distributions over C, each (C,) and of sum 1.

        "mix" is the softmax itself, "mix_times_gain" what the layers contribute after their norm.
        """
        mix = self.mix.detach().softmax(0)
        return {"mix": mix, "mix_times_gain": gain_corrected(mix, self.mix_norm.weight.detach())}

    def layer_logits(self) -> dict[str, Tensor]:
        """The argument of the softmax, as "mix" (C,)."""
        return {"mix": self.mix.detach()}
