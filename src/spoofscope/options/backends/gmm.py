"""Gaussian mixtures."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.declared import Options, option


@dataclass(frozen=True, kw_only=True)
class GMMOptions(Options):
    """A Gaussian mixture per class, fitted once."""

    components: int = option(64, minimum=1, maximum=65536)
    """Gaussians per class."""
    initialisation: Literal["kmeans", "frames"] = option("kmeans")
    """Clusters of k-means; or frames drawn at random as means, unit variances and equal weights."""
    restarts: int = option(1, minimum=1, maximum=10000)
    """Fits from different initialisations; the one with the highest likelihood is kept."""
    max_iter: int = option(100, minimum=1, maximum=1_000_000)
    """Most rounds of expectation-maximisation."""
    tolerance: float = option(1e-3, exclusiveMinimum=0)
    """A fit ends when a round changes the mean log-likelihood per frame by less."""
    reg_covar: float = option(1e-6, exclusiveMinimum=0)
    """Added to the variances in each round."""
    max_clips: int | None = option(None, minimum=1)
    """Most clips per class to fit on, drawn at random; null takes all."""
    max_frames: int = option(200_000, minimum=1)
    """Frames per class to fit on, drawn at random."""
