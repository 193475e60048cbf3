"""What front-ends without a backbone share: a fixed transform, clip by clip, and its statistics."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spoofscope.batches import valid_mask
from spoofscope.errors import AudioError, DetectorError, TrainingError
from spoofscope.frontends.base import Features, FrontEnd


class Standardisation(nn.Module):
    """Mean and standard deviation of features over a training set, along one of their axes.

    Both are float32 buffers and NaN until `fit`, so that an unfitted detector cannot score.

    Args:
        axis: the axis of features (B, C, N, D) that keeps statistics of its own: 1 or 3.
        size: its length.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, axis: int, size: int) -> None:
        super().__init__()
        self.axis = axis
        self.register_buffer("mean", torch.full((size,), torch.nan))
        self.register_buffer("std", torch.full((size,), torch.nan))

    def fit(self, batches: Iterable[Features]) -> None:
        """Gather mean and population standard deviation over all valid frames, in float64.

        Raises:
            TrainingError: there are no frames, a value is not finite, or one is the same in all
                frames.
        """
        count = 0
        total = torch.zeros(len(self.mean), dtype=torch.float64)
        squares = torch.zeros_like(total)
        for values, lengths in batches:
            valid = valid_mask(lengths, values.shape[2])
            # (valid frames, C, D), then one row per entry of the axis.
            frames = values.transpose(1, 2)[valid].double().cpu()
            rows = frames.movedim(1 if self.axis == 1 else 2, 0).flatten(1)
            count += rows.shape[1]
            total += rows.sum(dim=1)
            squares += rows.square().sum(dim=1)
        if count == 0:
            raise TrainingError("no frames to take the mean and standard deviation of")
        mean = total / count
        std = (squares / count - mean.square()).clamp(min=0).sqrt()
        if not (mean.isfinite() & std.isfinite()).all():
            raise TrainingError("the training features hold NaN or infinite values")
        # Rounding leaves a constant with a standard deviation of about 1e-8 of its size.
        constant = torch.nonzero(std <= 1e-6 * mean.abs()).flatten().tolist()
        if constant:
            raise TrainingError(
                f"feature {constant[0]} of {len(std)} has the same value in all frames of the "
                "training set: it cannot be standardised; is the audio silent?"
            )
        self.mean.copy_(mean)
        self.std.copy_(std)

    def forward(self, values: Tensor) -> Tensor:
        """(values - mean) / std, for values (B, C, N, D).

        Raises:
            DetectorError: the statistics have not been gathered yet.
        """
        if self.mean.isnan().any():
            raise DetectorError(
                "the front-end normalises with the training set's mean and standard deviation, "
                "which it has not got: train the detector first"
            )
        shape = [1, 1, 1, 1]
        shape[self.axis] = -1
        return (values - self.mean.view(shape)) / self.std.view(shape)


class LargestMagnitude(nn.Module):
    """The largest magnitude of each band over a training set, which magnitudes are divided by.

    The block normalisation of Gasenzer and Wolter (TMLR 2024) divides by the largest magnitude of
    the batch, so that a score depends on the other clips of its batch; here it is the training
    set's, for every clip the same. Logarithms are shifted instead, which divides the offset under
    the logarithm, too. A second channel (of signs) stays as it is.

    One float32 buffer, NaN until `fit`, so that an unfitted detector cannot score.

    Args:
        size: bands, D of the features.
        logarithmic: whether channel 0 holds logarithms of magnitudes, or signed values.
    """

    largest: Tensor

    def __init__(self, size: int, logarithmic: bool) -> None:
        super().__init__()
        self.logarithmic = logarithmic
        self.register_buffer("largest", torch.full((size,), torch.nan))

    def fit(self, batches: Iterable[Features]) -> None:
        """Gather the largest magnitude of every band over all valid frames.

        Raises:
            TrainingError: there are no frames, a value is not finite, or a band is silent.
        """
        largest = torch.full_like(self.largest, -torch.inf, device="cpu")
        for values, lengths in batches:
            valid = valid_mask(lengths, values.shape[2])
            frames = values[:, 0][valid].cpu()
            magnitudes = frames if self.logarithmic else frames.abs()
            largest = torch.maximum(largest, magnitudes.amax(dim=0))
        if (largest == -torch.inf).all():
            raise TrainingError("no frames to take the largest magnitudes of")
        if not largest.isfinite().all():
            raise TrainingError("the training features hold NaN or infinite values")
        if not self.logarithmic and (largest == 0).any():
            band = int(torch.nonzero(largest == 0)[0])
            raise TrainingError(
                f"band {band} of {len(largest)} is zero in all frames of the training set: it "
                "cannot be divided by its largest magnitude; is the audio silent?"
            )
        self.largest.copy_(largest)

    def forward(self, values: Tensor) -> Tensor:
        """Values (B, C, N, D); magnitudes of the training set become at most 1.

        Raises:
            DetectorError: the statistics have not been gathered yet.
        """
        if self.largest.isnan().any():
            raise DetectorError(
                "the front-end divides by the training set's largest magnitudes, which it has not "
                "got: train the detector first"
            )
        magnitudes = values[:, :1]
        scaled = magnitudes - self.largest if self.logarithmic else magnitudes / self.largest
        return torch.cat([scaled, values[:, 1:]], dim=1)


def standardise_clips(features: Features) -> Features:
    """Zero mean and unit variance per clip and dimension, over the clip's valid frames (CMVN)."""
    values, lengths = features
    valid = valid_mask(lengths, values.shape[2])[:, None, :, None]
    count = lengths[:, None, None, None]
    mean = values.masked_fill(~valid, 0.0).sum(dim=2, keepdim=True) / count
    centred = (values - mean).masked_fill(~valid, 0.0)
    std = (centred.square().sum(dim=2, keepdim=True) / count).sqrt()
    # A clip of digital silence has the same values in all frames: leave it at zero.
    return Features(centred / std.clamp(min=1e-3), lengths)


class SpectralFrontEnd(FrontEnd):
    """A front-end without trainable parameters, given by a transform of whole clips.

    Transforms reflect a clip at its own end, which no mask can imitate: rows of one length are
    transformed together, each cut to that length. Mixed precision stops here: in a spectrum the
    quiet bands are as telling as the loud ones, and half precision would round them away.

    Attributes:
        statistics: of the training set, where the options ask for them.
    """

    channel_axis = "channel"
    statistics: Standardisation | LargestMagnitude | None

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.statistics = None

    @abstractmethod
    def transform(self, waveform: Tensor) -> Tensor:
        """Features (B, C, N, D) of clips (B, n_samples) without padding."""

    def raw(self, waveform: Tensor, lengths: Tensor) -> Features:
        """Un-normalised features; see `FrontEnd.raw`."""
        with torch.autocast(waveform.device.type, enabled=False):
            return self._raw(waveform, lengths)

    def _raw(self, waveform: Tensor, lengths: Tensor) -> Features:
        distinct = sorted(set(lengths.tolist()))
        if self.n_frames(distinct[0]) < 1:
            raise AudioError(
                f"a clip of {distinct[0]} samples is too short for front-end {self.name}: "
                "lengthen it, or raise the input policy's min_samples"
            )
        frames = torch.tensor([self.n_frames(n) for n in lengths.tolist()], device=lengths.device)
        if len(distinct) == 1:
            return Features(self.transform(waveform[:, : distinct[0]]), frames)
        shape = (len(lengths), self.n_channels, int(frames.max()), self.dim)
        values = waveform.new_zeros(shape)
        for length in distinct:
            rows = torch.nonzero(lengths == length).squeeze(1)
            result = self.transform(waveform[rows, :length])
            values[rows, :, : result.shape[2]] = result
        return Features(values, frames)

    def normalise(self, features: Features) -> Features:
        """Apply the training set's statistics, where there are any."""
        if self.statistics is None:
            return features
        return Features(self.statistics(features.values), features.lengths)

    def fit(self, batches: Iterable[Features]) -> None:
        """Gather the statistics of the training set, where they are used."""
        if self.statistics is not None:
            self.statistics.fit(batches)
