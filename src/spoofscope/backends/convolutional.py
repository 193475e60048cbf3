"""What convolutional back-ends share: blocks over frames and bands, then statistics over time."""

from abc import abstractmethod

import torch
from torch import Tensor

from spoofscope.backends.base import BackEnd
from spoofscope.batches import apply_by_length
from spoofscope.errors import AudioError, ConfigError

_SMALLEST_VARIANCE = 1e-5


def statistics_over_time(maps: Tensor) -> Tensor:
    """Mean and standard deviation over frames: maps (B, C, N, D) -> (B, 2 C D)."""
    rows = maps.transpose(1, 2).flatten(2)
    variance = rows.var(dim=1, correction=0)
    # At 0 the root has an infinite gradient, and digital silence has no variance.
    return torch.cat([rows.mean(dim=1), variance.clamp(min=_SMALLEST_VARIANCE).sqrt()], dim=1)


class ConvolutionalBackEnd(BackEnd):
    """A convolutional network that reads features as pictures of frames and bands.

    Clips of any length: rows of one length are processed together, so that neither convolutions nor
    batch norms see padding. Where training clips differ in length this means small batches for the
    batch norms: train with a fixed input length.
    """

    shrinking: int
    """By how much the network reduces frames and bands; it needs at least so many of each."""

    def check_size(self, dim: int, n_frames: int | None) -> None:
        """Refuse features of which the network would leave nothing.

        Raises:
            ConfigError: there are too few frames or bands.
        """
        if dim < self.shrinking or (n_frames is not None and n_frames < self.shrinking):
            raise ConfigError(
                f"back-end {self.name} needs at least {self.shrinking} frames of {self.shrinking} "
                f"values, not {'any number' if n_frames is None else n_frames} of {dim}"
            )

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of features (B, C, N, D) with `lengths` (B,) valid frames.

        Raises:
            AudioError: a row has too few frames.
        """
        shortest = int(lengths.min())
        if shortest < self.shrinking:
            raise AudioError(
                f"back-end {self.name} needs at least {self.shrinking} frames, a clip has "
                f"{shortest}: lengthen it, or raise the input policy's min_samples"
            )
        return apply_by_length(self._logits, values, lengths, dim=2)

    @abstractmethod
    def _logits(self, values: Tensor) -> Tensor:
        """Logits (B, n_outputs) of features (B, C, N, D) without padding."""
