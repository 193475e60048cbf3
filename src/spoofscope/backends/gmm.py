"""Gaussian mixtures, one per class (the ASVspoof baseline, Todisco et al., 2019)."""

import heapq
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spoofscope.backends.base import BackEnd
from spoofscope.batches import valid_mask
from spoofscope.errors import ConfigError, DetectorError, TrainingError
from spoofscope.identity import rng_of, seed_of
from spoofscope.options.backends.gmm import GMMOptions

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


class _Clips:
    """At most `size` clips of a stream, each with the same chance, in their order."""

    def __init__(self, size: int, generator: np.random.Generator) -> None:
        self._size = size
        self._generator = generator
        self._held: list[tuple[float, int, npt.NDArray[Any]]] = []
        self._seen = 0

    def add(self, frames: npt.NDArray[Any]) -> None:
        # The clips with the smallest of uniform keys, as in _Sample; the second entry breaks ties.
        heapq.heappush(self._held, (-self._generator.random(), self._seen, frames))
        self._seen += 1
        if len(self._held) > self._size:
            heapq.heappop(self._held)

    def clips(self) -> list[npt.NDArray[Any]]:
        return [frames for _, _, frames in sorted(self._held, key=lambda held: held[1])]


class GMM(BackEnd):
    """Mean over frames of log p(frame | bona fide) - log p(frame | spoof).

    The mixtures have diagonal covariances and are fitted by scikit-learn, once. Their parameters
    are buffers, rounded to float32; likelihoods are computed in float64.
    The single logit is a mean per frame, not a calibrated log-likelihood ratio: frames are far from
    independent.

    With `components: 128`, `initialisation: frames`, `restarts: 10`, `max_clips: 1000`, enough
    `max_frames` and 60 rows of LFCC or MFCC before it, this is the baseline of WaveFake (Frank and
    Schonherr, NeurIPS Datasets and Benchmarks 2021), whose variances have no floor, though.
    """

    name = "gmm"
    declared = GMMOptions
    options: GMMOptions
    fitted_once = True
    outputs: tuple[str, ...] = ("bonafide",)
    log_weights: Tensor
    means: Tensor
    variances: Tensor

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        options = dict(config)
        # No option: the classes of a tracer.
        classes = options.pop("classes", None)
        super().__init__(options, n_channels=n_channels, dim=dim, n_frames=n_frames)
        self.classes: tuple[str, ...] = _CLASSES
        if classes is not None:
            self.classes, self.outputs = tuple(classes), ()
            self.readout_dim = len(self.classes)
        if n_channels != 1:
            raise ConfigError(f"{_OWNER} takes features of one channel, not {n_channels}")
        components = self.options.components
        # Rows: bona fide, spoof, or the classes of a tracer. NaN until fitted, so that an unfitted
        # detector cannot score.
        for name, shape in (
            ("log_weights", (len(self.classes), components)),
            ("means", (len(self.classes), components, dim)),
            ("variances", (len(self.classes), components, dim)),
        ):
            self.register_buffer(name, torch.full(shape, torch.nan))

    def fit(self, values: Iterable[tuple[npt.NDArray[Any], str]], seed: int) -> None:
        """Fit a mixture to every class.

        Args:
            values: (features, label) of each utterance or window: (N, D) valid frames, and
                `bonafide` or `spoof`, or a class of a tracer. Read once; at most 2 * `max_frames`
                per class are held, or `max_clips` clips.
            seed: of the drawing of clips and frames and of the initialisations.

        Raises:
            TrainingError: a class has fewer frames than components, a label is unknown, or frames
                have another size or are not finite.
        """
        components, dim = self.means.shape[1:]
        samples = {
            label: _Sample(self.options.max_frames, rng_of("gmm", seed, label, "frames"))
            for label in self.classes
        }
        for frames, label in self._drawn_clips(values, seed):
            if label not in samples:
                raise TrainingError(
                    f"{_OWNER}: label {label!r} is none of {', '.join(self.classes)}"
                )
            if frames.ndim != 2 or frames.shape[1] != dim:
                raise TrainingError(f"{_OWNER}: expected frames (N, {dim}), got {frames.shape}")
            if not np.isfinite(frames).all():
                raise TrainingError(f"{_OWNER}: a {label} clip has NaN or infinite features")
            samples[label].add(frames)
        for i, label in enumerate(self.classes):
            frames = samples[label].frames().astype(np.float64)
            if len(frames) < components:
                raise TrainingError(
                    f"{_OWNER}: {len(frames)} {label} frames do not make {components} components"
                )
            mixture = self._mixture(frames, label, seed)
            self.log_weights[i] = torch.from_numpy(np.log(mixture.weights_))
            self.means[i] = torch.from_numpy(mixture.means_)
            self.variances[i] = torch.from_numpy(mixture.covariances_)

    def _drawn_clips(
        self, values: Iterable[tuple[npt.NDArray[Any], str]], seed: int
    ) -> Iterable[tuple[npt.NDArray[Any], str]]:
        size = self.options.max_clips
        if size is None:
            return values
        clips_of: dict[str, _Clips] = {}
        for frames, label in values:
            if label not in clips_of:
                clips_of[label] = _Clips(size, rng_of("gmm", seed, label, "clips"))
            clips_of[label].add(frames)
        return [(frames, label) for label, clips in clips_of.items() for frames in clips.clips()]

    def _mixture(self, frames: npt.NDArray[np.float64], label: str, seed: int) -> Any:
        """scikit-learn's mixture, fitted to the frames (N, D) of a class."""
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        k, restarts = self.options.components, self.options.restarts
        settings = {
            "n_components": k,
            "covariance_type": "diag",
            "max_iter": self.options.max_iter,
            "tol": self.options.tolerance,
            "reg_covar": self.options.reg_covar,
        }
        # k-means adds up its threads' sums in whatever order they finish.
        with threadpool_limits(limits=1):
            if self.options.initialisation == "kmeans":
                state = seed_of("gmm", seed, label, "k-means") % 2**32
                return GaussianMixture(**settings, n_init=restarts, random_state=state).fit(frames)
            rng = rng_of("gmm", seed, label, "initial means")
            fits = [
                GaussianMixture(
                    **settings,
                    weights_init=np.full(k, 1 / k),
                    means_init=frames[rng.choice(len(frames), k, replace=False)],
                    precisions_init=np.ones((k, frames.shape[1])),
                ).fit(frames)
                for _ in range(restarts)
            ]
            return max(fits, key=lambda fit: float(fit.lower_bound_))

    def log_likelihoods(self, frames: Tensor) -> Tensor:
        """log p(frame) under every mixture: (..., D) -> (..., K) float64, bona fide first.

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
        """Logits (B, 1) of features (B, 1, N, D) with `lengths` (B,) valid frames.

        For a tracer the log-likelihood ratios (B, K) of every class against all classes together,
        as means per frame.
        """
        # Distances to all components of an hour's frames at once would be gigabytes.
        parts = torch.split(values[:, 0], _FRAMES_AT_ONCE, dim=1)
        likelihoods = torch.cat([self.log_likelihoods(part) for part in parts], dim=1)
        if self.outputs:
            ratios = likelihoods[..., :1] - likelihoods[..., 1:]
        else:
            together = likelihoods.logsumexp(dim=-1, keepdim=True) - math.log(len(self.classes))
            ratios = likelihoods - together
        ratios = ratios.masked_fill(~valid_mask(lengths, values.shape[2])[..., None], 0.0)
        return (ratios.sum(dim=1) / lengths[:, None]).to(values.dtype)
