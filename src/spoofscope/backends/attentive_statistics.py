"""Attentive statistics pooling (Okabe et al., Interspeech 2018) and a linear layer."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spoofscope.backends.base import BackEnd
from spoofscope.batches import valid_mask
from spoofscope.options.backends.attentive_statistics import AttentiveStatisticsOptions

# Of a variance, below which a standard deviation has no useful gradient.
_LEAST_VARIANCE = 1e-8


class AttentiveStatistics(BackEnd):
    """Statistics under one weight per frame, a = softmax over time of v . tanh(W x + b).

    The mean m = sum a x and the standard deviation sqrt(sum a (x - m)^2) of every dimension are
    mapped to the logits. For one hidden state of size 1,024 the read-out vector has 2,048 values.
    """

    name = "attentive_statistics"
    declared = AttentiveStatisticsOptions
    options: AttentiveStatisticsOptions

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        self.mix: nn.Parameter | None = None
        if self.options.layer == "weighted":
            self.mix = nn.Parameter(torch.ones(n_channels))
        self.attention = nn.Sequential(
            nn.Linear(dim, self.options.attention),
            nn.Tanh(),
            nn.Linear(self.options.attention, 1, bias=False),
        )
        self.dropout = nn.Dropout(self.options.dropout)
        self.output = self.output_layer(2 * dim)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of features (B, C, N, D) with `lengths` (B,) valid frames."""
        if self.mix is None:
            x = values[:, -1]
        else:
            x = torch.einsum("c,bcnd->bnd", self.mix.softmax(0), values)
        valid = valid_mask(lengths, x.shape[1])[:, :, None]
        x = x.masked_fill(~valid, 0.0)
        weights = self.attention(x).masked_fill(~valid, -torch.inf).softmax(dim=1)
        mean = (weights * x).sum(dim=1)
        variance = (weights * (x - mean[:, None]).square()).sum(dim=1)
        statistics = torch.cat([mean, variance.clamp(min=_LEAST_VARIANCE).sqrt()], dim=1)
        logits: Tensor = self.output(self.dropout(statistics))
        return logits

    def layer_weights(self) -> dict[str, Tensor] | None:
        """With `layer: weighted`, the softmax mix over C, as "mix" (C,)."""
        return None if self.mix is None else {"mix": self.mix.detach().softmax(0)}

    def layer_logits(self) -> dict[str, Tensor] | None:
        """With `layer: weighted`, the argument of the softmax, as "mix" (C,)."""
        return None if self.mix is None else {"mix": self.mix.detach()}
