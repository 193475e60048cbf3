"""What a score is a function of, and is attributed to: features, or samples of the waveform.

Both are tensors (C, N, D) of one window. Of samples, C is 1, N counts blocks of one hop, and D the
samples of a block, so that every method works on either.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spoofscope.attribution.integrated import Function, score_function
from spoofscope.baselines import (
    BonafideFrames,
    baseline_features,
    baseline_waveforms,
    window_features,
)
from spoofscope.detector import Detector
from spoofscope.errors import DetectorError
from spoofscope.frontends.base import FrontEnd
from spoofscope.options.attribution import Baseline, Target, Wrt

Floats = npt.NDArray[np.float64]
Cached = Sequence[npt.NDArray[np.float32]]
"""Raw features (C, N, D) of each window of a clip."""

# As `grading`. Of 1, 2, 3, 4, 6 and 8, 4 left the smallest errors of untrained WavLM with MHFA.
_NEAR_SILENCE = 4


def reduce_map(frontend: FrontEnd, values: Tensor) -> Floats:
    """Attribution (C, N, D) to a map (rows, frames): layers, or bands and cepstral coefficients.

    The embedding dimensions of an SSL model have no meaning of their own and are summed; so are the
    channels (magnitude and sign) of spectral front-ends.
    """
    doubles = values.double().cpu()
    if frontend.dim_axis == "embedding":
        return doubles.sum(dim=2).numpy()
    return doubles.sum(dim=0).T.numpy()


class Domain(ABC):
    """What the scores of a detector are a function of.

    Attributes:
        detector: in evaluation mode.
        target: see `integrated.score_function`.
        hop_seconds, first_centre_seconds: of the N frames or blocks.
    """

    hop_seconds: float
    first_centre_seconds: float

    def __init__(self, detector: Detector, target: Target) -> None:
        self.detector, self.target = detector, target

    @abstractmethod
    def function(self, n_samples: int) -> Function:
        """From inputs (B, C, N, D) of windows of `n_samples` samples to what is explained (B,)."""

    @abstractmethod
    def inputs(self, windows: npt.NDArray[np.float32], cached: Cached | None) -> list[Tensor]:
        """What is fed for each window (n, n_samples): (C, N, D), on the detector's device."""

    @abstractmethod
    def baselines(
        self,
        kind: Baseline,
        windows: npt.NDArray[np.float32],
        inputs: Sequence[Tensor],
        centroid: Tensor | None,
        frames: BonafideFrames | None,
        seed_parts: tuple[int | str, ...],
    ) -> list[Tensor]:
        """What each window is compared with, see `baselines`."""

    @abstractmethod
    def rows(self) -> tuple[str, int]:
        """What the rows of a map are, and how many there are."""

    @abstractmethod
    def reduced(self, values: Tensor) -> Floats:
        """Attribution (C, N, D) to a map (rows, frames or blocks)."""

    @abstractmethod
    def values_per_input(self, n_samples: int) -> float:
        """Feature values that come of one value of an input."""

    @abstractmethod
    def grading(self, baseline: Baseline) -> int:
        """Of points on a path from a baseline, see `integrated.integrated_gradients`."""


class FeatureDomain(Domain):
    """Normalised features, which the back-end scores. The front-end is no part of the function."""

    def __init__(self, detector: Detector, target: Target) -> None:
        super().__init__(detector, target)
        self.hop_seconds = detector.frontend.hop_seconds
        self.first_centre_seconds = detector.frontend.first_centre_seconds

    def function(self, n_samples: int) -> Function:
        """See the base class; the same for all lengths."""
        return score_function(self.detector, self.target)

    def inputs(self, windows: npt.NDArray[np.float32], cached: Cached | None) -> list[Tensor]:
        """See the base class. Cached features are normalised, others are computed.

        Raises:
            DetectorError: there are not as many cached windows as windows.
        """
        if cached is not None and len(cached) != len(windows):
            raise DetectorError(
                f"{len(cached)} windows have cached features, but the clip has {len(windows)}; "
                "extract the features again"
            )
        return window_features(self.detector, list(windows) if cached is None else cached)

    def baselines(
        self,
        kind: Baseline,
        windows: npt.NDArray[np.float32],
        inputs: Sequence[Tensor],
        centroid: Tensor | None,
        frames: BonafideFrames | None,
        seed_parts: tuple[int | str, ...],
    ) -> list[Tensor]:
        """See the base class."""
        return baseline_features(
            kind,
            self.detector,
            windows,
            inputs,
            centroid=centroid,
            frames=frames,
            seed_parts=seed_parts,
        )

    def rows(self) -> tuple[str, int]:
        """Layers, or what the dimensions of spectral features are."""
        frontend = self.detector.frontend
        if frontend.dim_axis == "embedding":
            return frontend.channel_axis, frontend.n_channels
        return frontend.dim_axis, frontend.dim

    def reduced(self, values: Tensor) -> Floats:
        """See :func:`reduce_map`."""
        return reduce_map(self.detector.frontend, values)

    def values_per_input(self, n_samples: int) -> float:
        """One."""
        return 1.0

    def grading(self, baseline: Baseline) -> int:
        """None."""
        return 1


class WaveformDomain(Domain):
    """Samples, which front-end and back-end score. Blocks last as long as a hop of the front-end,
    and the first begins with the window; zeros fill the last one and are not fed.
    """

    def __init__(self, detector: Detector, target: Target) -> None:
        super().__init__(detector, target)
        rate = detector.policy.sample_rate
        self._block = max(1, round(detector.frontend.hop_seconds * rate))
        self.hop_seconds = self._block / rate
        self.first_centre_seconds = self.hop_seconds / 2

    def function(self, n_samples: int) -> Function:
        """See the base class."""
        detector = self.detector
        score = score_function(detector, self.target)

        def function(blocks: Tensor) -> Tensor:
            waveforms = blocks.flatten(1)[:, :n_samples]
            lengths = torch.full((len(waveforms),), n_samples, device=waveforms.device)
            return score(detector.frontend(waveforms, lengths).values)

        return function

    def _blocks(self, windows: npt.NDArray[np.float32]) -> list[Tensor]:
        padding = -windows.shape[1] % self._block
        padded = np.pad(windows, ((0, 0), (0, padding)))
        blocks = torch.from_numpy(padded).view(len(windows), 1, -1, self._block)
        return list(blocks.to(self.detector.device))

    def inputs(self, windows: npt.NDArray[np.float32], cached: Cached | None) -> list[Tensor]:
        """See the base class; cached features are of no use."""
        return self._blocks(windows)

    def baselines(
        self,
        kind: Baseline,
        windows: npt.NDArray[np.float32],
        inputs: Sequence[Tensor],
        centroid: Tensor | None,
        frames: BonafideFrames | None,
        seed_parts: tuple[int | str, ...],
    ) -> list[Tensor]:
        """See the base class.

        Raises:
            ConfigError: the centroid or frames, which are no waveforms.
        """
        return self._blocks(baseline_waveforms(kind, windows, seed_parts))

    def rows(self) -> tuple[str, int]:
        """One value per block."""
        return "all", 1

    def reduced(self, values: Tensor) -> Floats:
        """Sums over the samples of each block."""
        sums: Floats = values.double().cpu().sum(dim=2).numpy()
        return sums

    def values_per_input(self, n_samples: int) -> float:
        """Features of a window over its samples."""
        frontend = self.detector.frontend
        return frontend.n_channels * frontend.n_frames(n_samples) * frontend.dim / n_samples

    def grading(self, baseline: Baseline) -> int:
        """Denser near silence, where networks that normalise change most."""
        return 1 if baseline == "noise" else _NEAR_SILENCE


DOMAINS: dict[Wrt, type[Domain]] = {"features": FeatureDomain, "waveform": WaveformDomain}
