"""The embedding of the GE2E baseline of source tracing (Interspeech 2025)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from spoofscope.backends.base import BackEnd
from spoofscope.batches import valid_mask
from spoofscope.options.backends.projection import ProjectionOptions


class Projection(BackEnd):
    """The mean over valid frames of the uppermost hidden state, Linear, ReLU and Linear to an
    embedding, and a linear layer."""

    name = "projection"
    declared = ProjectionOptions
    options: ProjectionOptions

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        hidden, size = self.options.hidden, self.options.size
        self.embedding = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, size))
        self.output = self.output_layer(size)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of features (B, C, N, D) with `lengths` (B,) valid frames."""
        valid = valid_mask(lengths, values.shape[2])[:, :, None]
        mean = values[:, -1].masked_fill(~valid, 0.0).sum(dim=1) / lengths[:, None]
        logits: Tensor = self.output(self.embedding(mean))
        return logits
