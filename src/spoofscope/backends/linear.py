"""Linear probe: mean over time, then one linear layer."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spoofscope.backends.base import BackEnd
from spoofscope.batches import valid_mask
from spoofscope.options.backends.linear import LinearOptions


class Linear(BackEnd):
    """The mean over valid frames of one hidden state or of a mix, and a linear layer."""

    name = "linear"
    declared = LinearOptions
    options: LinearOptions

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        self.mix: nn.Parameter | None = None
        if self.options.layer == "weighted":
            self.mix = nn.Parameter(torch.ones(n_channels))
        self.output = self.output_layer(dim)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of features (B, C, N, D) with `lengths` (B,) valid frames."""
        if self.mix is None:
            mixed = values[:, -1]
        else:
            mixed = torch.einsum("c,bcnd->bnd", self.mix.softmax(0), values)
        valid = valid_mask(lengths, values.shape[2])[:, :, None]
        mean = mixed.masked_fill(~valid, 0.0).sum(dim=1) / lengths[:, None]
        logits: Tensor = self.output(mean)
        return logits

    def layer_weights(self) -> dict[str, Tensor] | None:
        """With `layer: weighted`, the softmax mix over C, as "mix" (C,)."""
        return None if self.mix is None else {"mix": self.mix.detach().softmax(0)}

    def layer_logits(self) -> dict[str, Tensor] | None:
        """With `layer: weighted`, the argument of the softmax, as "mix" (C,)."""
        return None if self.mix is None else {"mix": self.mix.detach()}
