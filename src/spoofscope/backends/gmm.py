"""Two Gaussian mixtures, one per class (the ASVspoof baseline, Todisco et al., 2019)."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spoofscope.backends.base import BackEnd
from spoofscope.batches import valid_mask
from spoofscope.components import positive_int, resolve
from spoofscope.errors import ConfigError, DetectorError, TrainingError
from spoofscope.identity import rng_of, seed_of

_OWNER = "back-end gmm"
_FRAMES_AT_ONCE = 16384
_CLASSES = ("bonafide", "spoof")


class _Sample:
    """At most `size` frames of a stream, each with the same chance, in their order."""

    def __init__(self, size: int, generator: np.random.Generator) -> None:
        self._size = size
        self._generator = generator
        self._blocks: list[npt.NDArray[Any]] = []
        self._keys: list[npt.NDArray[np.float64]] = []
        self._held = 0

    def add(self, frames: npt.NDArray[Any]) -> None:
        self._blocks.append(frames)
        self._keys.append(self._generator.random(len(frames)))
        self._held += len(frames)
        if self._held > 2 * self._size:
            self._prune()

    def _prune(self) -> None:
        keys = np.concatenate(self._keys)
        # The frames with the smallest of uniform keys are a uniform sample without replacement.
        kept = np.sort(np.argsort(keys, kind="stable")[: self._size])
        self._blocks, self._keys = [np.concatenate(self._blocks)[kept]], [keys[kept]]
        self._held = len(kept)

    def frames(self) -> npt.NDArray[Any]:
        if self._held == 0:
            return np.empty((0, 0))
        self._prune()
        return self._blocks[0]


class GMM(BackEnd):
    """Mean over frames of log p(frame | bona fide) - log p(frame | spoof).

    The mixtures have diagonal covariances and are fitted by scikit-learn, once, starting from
    k-means. Their parameters are buffers, rounded to float32; likelihoods are computed in float64.
    The single logit is a mean per frame, not a calibrated log-likelihood ratio: frames are far from
    independent.

    Options:
        components: Gaussians per class.
        max_iter: most rounds of expectation-maximisation.
        reg_covar: added to the variances in each round.
        max_frames: most frames per class to fit on, drawn at random from all.
    """

    name = "gmm"
    fitted_once = True
    outputs = ("bonafide",)
    log_weights: Tensor
    means: Tensor
    variances: Tensor

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        super().__init__(config, n_channels=n_channels, dim=dim, n_frames=n_frames)
        self.config = resolve(
            config,
            {"components": 64, "max_iter": 100, "reg_covar": 1e-6, "max_frames": 200_000},
            _OWNER,
        )
        if n_channels != 1:
            raise ConfigError(f"{_OWNER} takes features of one channel, not {n_channels}")
        components = positive_int(self.config, "components", _OWNER)
        positive_int(self.config, "max_iter", _OWNER)
        positive_int(self.config, "max_frames", _OWNER)
        reg_covar = self.config["reg_covar"]
        if not isinstance(reg_covar, int | float) or not reg_covar > 0:
            raise ConfigError(f"{_OWNER}: reg_covar must be positive, not {reg_covar!r}")
        # Rows: bona fide, spoof. NaN until fitted, so that an unfitted detector cannot score.
        for name, shape in (
            ("log_weights", (2, components)),
            ("means", (2, components, dim)),
            ("variances", (2, components, dim)),
        ):
            self.register_buffer(name, torch.full(shape, torch.nan))

    def fit(self, values: Iterable[tuple[npt.NDArray[Any], str]], seed: int) -> None:
        """Fit both mixtures.

        Args:
            values: (features, label) of each utterance or window: (N, D) valid frames, label
                `bonafide` or `spoof`. Read once; at most 2 * `max_frames` per class are held.
            seed: of the drawing of frames and of k-means.

        Raises:
            TrainingError: a class has fewer frames than components, a label is unknown, or frames
                have another size or are not finite.
        """
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        components, dim = self.means.shape[1:]
        samples = {
            label: _Sample(self.config["max_frames"], rng_of("gmm", seed, label, "frames"))
            for label in _CLASSES
        }
        for frames, label in values:
            if label not in samples:
                raise TrainingError(f"{_OWNER}: label {label!r} is neither bonafide nor spoof")
            if frames.ndim != 2 or frames.shape[1] != dim:
                raise TrainingError(f"{_OWNER}: expected frames (N, {dim}), got {frames.shape}")
            if not np.isfinite(frames).all():
                raise TrainingError(f"{_OWNER}: a {label} clip has NaN or infinite features")
            samples[label].add(frames)
        for i, label in enumerate(_CLASSES):
            frames = samples[label].frames().astype(np.float64)
            if len(frames) < components:
                raise TrainingError(
                    f"{_OWNER}: {len(frames)} {label} frames do not make {components} components"
                )
            mixture = GaussianMixture(
                n_components=components,
                covariance_type="diag",
                max_iter=self.config["max_iter"],
                reg_covar=self.config["reg_covar"],
                random_state=seed_of("gmm", seed, label, "k-means") % 2**32,
            )
            # k-means adds up its threads' sums in whatever order they finish.
            with threadpool_limits(limits=1):
                mixture.fit(frames)
            self.log_weights[i] = torch.from_numpy(np.log(mixture.weights_))
            self.means[i] = torch.from_numpy(mixture.means_)
            self.variances[i] = torch.from_numpy(mixture.covariances_)

    def log_likelihoods(self, frames: Tensor) -> Tensor:
        """log p(frame) under both mixtures: (..., D) -> (..., 2) float64, bona fide first.

        Raises:
            DetectorError: the mixtures have not been fitted.
        """
        if self.means.isnan().any():
            raise DetectorError(f"{_OWNER} has not been fitted: train the detector first")
        x = frames.double()
        means, precisions = self.means.double(), self.variances.double().reciprocal()
        constant = self.log_weights.double() + 0.5 * (
            precisions.log().sum(dim=2) - means.shape[2] * math.log(2 * math.pi)
        )
        # Per class and component: sum over D of (x - mean)^2 / variance, multiplied out.
        distances = (
            torch.einsum("...d,kmd->...km", x.square(), precisions)
            - 2 * torch.einsum("...d,kmd->...km", x, means * precisions)
            + (means.square() * precisions).sum(dim=2)
        )
        return (constant - 0.5 * distances).logsumexp(dim=-1)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, 1) of features (B, 1, N, D) with `lengths` (B,) valid frames."""
        # Distances to all components of an hour's frames at once would be gigabytes.
        parts = torch.split(values[:, 0], _FRAMES_AT_ONCE, dim=1)
        likelihoods = torch.cat([self.log_likelihoods(part) for part in parts], dim=1)
        ratios = likelihoods[..., 0] - likelihoods[..., 1]
        ratios = ratios.masked_fill(~valid_mask(lengths, values.shape[2]), 0.0)
        return (ratios.sum(dim=1) / lengths)[:, None].to(values.dtype)
