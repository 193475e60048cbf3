"""A back-end whose score is a cosine to a prototype of bona fide speech."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from spoofscope.backends.base import OUTPUTS, BackEnd
from spoofscope.errors import ConfigError


class Prototype(BackEnd):
    """A back-end that ends with its read-out vector, and a trained prototype behind it.

    The score is the cosine between the two, from -1 to 1; the prototype's length does not count
    (Zhang, Jiang and Duan, "One-class learning towards synthetic voice spoofing detection", IEEE
    Signal Processing Letters 2021). `name` and `config` are those of the back-end, which has
    `n_outputs: 0`.
    """

    name = "prototype"

    def __init__(self, backend: BackEnd) -> None:
        nn.Module.__init__(self)
        if backend.readout_dim is None:
            raise ConfigError(f"back-end {backend.name} has no read-out vector to be compared")
        self.backend = backend
        self.name = backend.name  # type: ignore[misc]
        self.config = backend.config
        self.outputs = OUTPUTS[1]
        self.readout_dim = backend.readout_dim
        self.prototype = nn.Parameter(torch.randn(backend.readout_dim))

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Cosines (B, 1) of features (B, C, N, D) with `lengths` (B,) valid frames."""
        vectors = self.backend(values, lengths)
        return functional.cosine_similarity(vectors, self.prototype[None], dim=1)[:, None]

    def layer_weights(self) -> dict[str, Tensor] | None:
        """Those of the back-end."""
        return self.backend.layer_weights()

    def layer_logits(self) -> dict[str, Tensor] | None:
        """Those of the back-end."""
        return self.backend.layer_logits()
