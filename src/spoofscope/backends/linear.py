"""Linear probe: mean over time, then one linear layer."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spoofscope.backends.base import OUTPUTS, BackEnd
from spoofscope.batches import valid_mask
from spoofscope.components import one_of, resolve


class Linear(BackEnd):
    """The mean over valid frames of one hidden state or of a mix, and a linear layer.

    Options:
        layer: "weighted" mixes all C with softmax weights; "last" uses the uppermost (index -1), as
            a classifier on the output of a fine-tuned encoder does.
        n_outputs: 1 or 2 logits, see `base.OUTPUTS`.
    """

    name = "linear"

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        owner = "back-end linear"
        self.config = resolve(config, {"layer": "weighted", "n_outputs": 1}, owner)
        self.outputs = OUTPUTS[one_of(self.config, "n_outputs", tuple(OUTPUTS), owner)]
        self.mix: nn.Parameter | None = None
        if one_of(self.config, "layer", ("last", "weighted"), owner) == "weighted":
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
