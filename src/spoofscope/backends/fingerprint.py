"""The nearest fingerprint: mean log spectra of generators as a detector.

After the use of mean spectra as fingerprints by Marra et al. (MIPR 2019) and Gasenzer and Wolter
(TMLR 2024).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spoofscope.backends.base import BackEnd
from spoofscope.batches import valid_mask
from spoofscope.errors import ConfigError, DetectorError, TrainingError
from spoofscope.names import BONAFIDE
from spoofscope.options.backends.fingerprint import FingerprintBackEndOptions

_OWNER = "back-end fingerprint"
_REAL = "-"
# Of a band in which all training clips agree; features are logarithms.
_LEAST_VARIANCE = 1e-6


class Fingerprint(BackEnd):
    """How much closer a clip's mean log spectrum is to bona fide speech than to any generator.

    A clip is described by its features' mean over time, in `bands` equal bands, less the mean over
    bands, so that its level does not count. Fingerprints are the means of that over the training
    clips of bona fide speech and of every generator. All have Gaussian distributions of the same
    variances, one per band: the logit is log p(clip | bona fide) - max over generators of
    log p(clip | generator), divided by the number of bands. It is no calibrated likelihood ratio,
    because bands are far from independent.

    It takes front-ends with logarithmic magnitudes of bands of frequency and one channel.

    Attributes:
        sources: the names of the fingerprints once it is fitted: "bonafide", then the generators.
    """

    name = "fingerprint"
    declared = FingerprintBackEndOptions
    options: FingerprintBackEndOptions
    fitted_once = True
    fitted_to = "attack"
    outputs = ("bonafide",)
    means: Tensor
    variances: Tensor

    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        options = dict(config)
        # No option: the folder of a fitted detector says whose fingerprints its tensors hold.
        sources = tuple(options.pop("sources", ()))
        super().__init__(options, n_channels=n_channels, dim=dim, n_frames=n_frames)
        self.sources: tuple[str, ...] = sources
        if n_channels != 1:
            raise ConfigError(f"{_OWNER} takes features of one channel, not {n_channels}")
        self._bands = self.options.bands
        if dim % self._bands:
            raise ConfigError(
                f"{_OWNER}: bands: {self._bands} does not divide the {dim} bands of the front-end"
            )
        self.register_buffer("means", torch.full((len(self.sources), self._bands), torch.nan))
        self.register_buffer("variances", torch.full((self._bands,), torch.nan))
        if self.sources:
            self.config["sources"] = list(self.sources)

    def fit(self, values: Iterable[tuple[npt.NDArray[Any], str]], seed: int) -> None:
        """Average the clips of every source.

        Args:
            values: (features, attack) of each utterance or window: (N, D) valid frames, and the
                generator, "-" for bona fide speech. Read once.
            seed: not used, nothing is drawn.

        Raises:
            TrainingError: there is no bona fide clip, no generator, no more clips than sources, or
                features are not finite.
        """
        sums: dict[str, npt.NDArray[np.float64]] = {}
        squares = np.zeros(self._bands)
        counts: dict[str, int] = {}
        for frames, attack in values:
            if not np.isfinite(frames).all():
                raise TrainingError(f"{_OWNER}: a clip of {attack} has NaN or infinite features")
            length = torch.tensor([len(frames)])
            clip = self._profile(torch.from_numpy(frames)[None, None], length)[0].numpy()
            sums[attack] = sums.get(attack, 0.0) + clip
            squares += clip**2
            counts[attack] = counts.get(attack, 0) + 1
        generators = sorted(set(sums) - {_REAL})
        if _REAL not in sums or not generators:
            raise TrainingError(f"{_OWNER}: it needs bona fide clips and at least one generator")
        order = [_REAL, *generators]
        total = sum(counts.values())
        if total <= len(order):
            raise TrainingError(f"{_OWNER}: {total} clips of {len(order)} sources have no spread")
        means = np.stack([sums[source] / counts[source] for source in order])
        weights = np.array([counts[source] for source in order])
        within = (squares - weights @ means**2) / (total - len(order))
        device = self.means.device
        self.means = torch.from_numpy(means).float().to(device)
        self.variances = torch.from_numpy(np.maximum(within, _LEAST_VARIANCE)).float().to(device)
        self.sources = (BONAFIDE, *generators)
        self.config["sources"] = list(self.sources)

    def _profile(self, values: Tensor, lengths: Tensor) -> Tensor:
        """What describes each clip (B, bands) float64, of features (B, 1, N, D)."""
        x = values[:, 0].double()
        x = x.masked_fill(~valid_mask(lengths, x.shape[1])[:, :, None], 0.0)
        spectrum = x.sum(dim=1) / lengths[:, None]
        bands = spectrum.reshape(len(spectrum), self._bands, -1).mean(dim=2)
        return bands - bands.mean(dim=1, keepdim=True)

    def similarities(self, values: Tensor, lengths: Tensor) -> Tensor:
        """log p(clip | source) per band, up to what all sources share (B, sources) float64.

        Raises:
            DetectorError: it has not been fitted.
        """
        if not self.sources or self.means.isnan().any():
            raise DetectorError(f"{_OWNER} has not been fitted: train the detector first")
        away = self._profile(values, lengths)[:, None] - self.means.double()
        return -0.5 * (away.square() / self.variances.double()).mean(dim=2)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, 1) of features (B, 1, N, D) with `lengths` (B,) valid frames."""
        similarities = self.similarities(values, lengths)
        logits = similarities[:, :1] - similarities[:, 1:].amax(dim=1, keepdim=True)
        return logits.to(values.dtype)
