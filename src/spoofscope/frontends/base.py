"""What every front-end is: a module that turns padded waveforms into padded feature sequences."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from spoofscope.options.frontends.base import FrontEndOptions


class Features(NamedTuple):
    """The one feature layout of all front-ends.

    Attributes:
        values: float32 (B, C, N, D): channels (the hidden states of an SSL model, or the magnitude
            and sign of wavelet coefficients), frames, dimensions.
        lengths: int64 (B,), valid frames per row. What lies beyond is padding: any finite value.
    """

    values: Tensor
    lengths: Tensor


class FrontEnd(nn.Module, ABC):
    """From waveforms (B, n_samples) to `Features`.

    A subclass computes un-normalised features in `raw`. If it normalises them with statistics of
    the training set, it gathers those in `fit`, keeps them in buffers, and applies them in
    `normalise`. Raw features of a frozen front-end can therefore be computed once and cached.

    Attributes:
        name: the key in the registry.
        sample_rate: Hz that the waveforms must have.
        n_channels: C of the features.
        dim: D of the features.
        hop_seconds, first_centre_seconds: frame i is centred at
            first_centre_seconds + i * hop_seconds, in seconds from the start of the waveform.
        channel_axis: what C is, for figures: "layer" or "channel".
        dim_axis: what D is, for figures: "embedding", "cepstrum" or "band".
        declared: the class of its options, see `options.frontends`.
        options: what it is told.
        config: everything that rebuilds the front-end, defaults included, without the key `type`.
    """

    name: ClassVar[str]
    declared: ClassVar[type[FrontEndOptions]] = FrontEndOptions
    options: FrontEndOptions
    channel_axis: ClassVar[Literal["layer", "channel"]]
    dim_axis: ClassVar[Literal["embedding", "cepstrum", "band"]]
    sample_rate: int
    n_channels: int
    dim: int
    hop_seconds: float
    first_centre_seconds: float
    config: dict[str, Any]

    @abstractmethod
    def __init__(self, config: Mapping[str, Any]) -> None:
        """Build from a resolved slice of the study file, without the key `type`.

        Raises:
            ConfigError: an option is unknown or out of range.
        """
        super().__init__()
        self.options = self.declared.from_dict(config, f"front-end {self.name}")
        self.config = self.options.to_dict()
        # Whether and how its output is kept is no part of a front-end.
        del self.config["cache"], self.config["precision"]

    @abstractmethod
    def raw(self, waveform: Tensor, lengths: Tensor) -> Features:
        """Un-normalised features.

        Args:
            waveform: float32 (B, n_samples), in about [-1, 1], at `sample_rate`.
            lengths: int64 (B,), samples of each row that are signal; the rest is padding, which
                does not influence the result.

        Raises:
            AudioError: a row is too short for one frame.
        """

    def normalise(self, features: Features) -> Features:
        """Apply the statistics that `fit` has gathered; by default, nothing."""
        return features

    def forward(self, waveform: Tensor, lengths: Tensor) -> Features:
        """Normalised features; arguments and errors as for `raw`."""
        return self.normalise(self.raw(waveform, lengths))

    @abstractmethod
    def n_frames(self, n_samples: int) -> int:
        """Frames that `raw` makes of a clip of `n_samples` samples; 0 where it is too short."""

    def band_edges(self) -> list[float] | None:
        """Where the bands of the last axis begin and end, D + 1 values in Hz, ascending: band k
        reaches from value k to k + 1. None where that axis is no frequency.
        """
        return None

    def fit(self, batches: Iterable[Features]) -> None:
        """Gather statistics over raw features of the training set; by default, nothing."""

    def freeze(self) -> None:
        """Train no parameter from now on, whatever the configuration says."""
        self.requires_grad_(False)
        self.train(self.training)

    def unfreeze(self) -> None:
        """Train what the configuration says: by default, every parameter."""
        self.requires_grad_(True)
        self.train(self.training)

    @property
    def frozen(self) -> bool:
        """Whether no parameter is trained now, so that raw features may be cached."""
        return not any(parameter.requires_grad for parameter in self.parameters())
