"""Options of the detectors of unknown attacks (`ood/`), a class for each."""

from dataclasses import dataclass
from typing import Any

from spoofscope.options.declared import Options, option, required


@dataclass(frozen=True, kw_only=True)
class OodOptions(Options):
    """What every single detector has."""

    as_published: bool = option(False)
    """Invert the sign, as the source-tracing baseline of Interspeech 2025 does: what is most like
    the known attacks counts as unknown. An equal error rate e becomes 1 - e."""


@dataclass(frozen=True, kw_only=True)
class Nsd(OodOptions):
    """Energy times the mean similarity with the training clips (REFD)."""


@dataclass(frozen=True, kw_only=True)
class NsdPerClass(OodOptions):
    """Energy times the similarity with the nearest class mean."""


@dataclass(frozen=True, kw_only=True)
class Energy(OodOptions):
    """Free energy of the logits."""

    temperature: float = option(1.0, exclusiveMinimum=0)
    """Logits are divided by it."""


@dataclass(frozen=True, kw_only=True)
class SoftmaxEnergy(OodOptions):
    """Free energy of the probabilities."""

    temperature: float = option(1.0, exclusiveMinimum=0)
    """Probabilities are divided by it."""


@dataclass(frozen=True, kw_only=True)
class Msp(OodOptions):
    """How far the largest probability is from 1."""


@dataclass(frozen=True, kw_only=True)
class MaxLogit(OodOptions):
    """The largest logit, negated."""


@dataclass(frozen=True, kw_only=True)
class Kl(OodOptions):
    """Divergence of the probabilities from equal ones, negated."""


@dataclass(frozen=True, kw_only=True)
class Entropy(OodOptions):
    """Entropy of the probabilities."""


@dataclass(frozen=True, kw_only=True)
class Margin(OodOptions):
    """How far the two largest probabilities are from 1 and 0."""


@dataclass(frozen=True, kw_only=True)
class Knn(OodOptions):
    """Cosine distance to the k-th nearest training clip."""

    k: int = option(6, minimum=1)
    """Which neighbour."""


@dataclass(frozen=True, kw_only=True)
class KnnMean(OodOptions):
    """Mean cosine distance to the k nearest training clips (TADA, with one of them)."""

    k: int = option(1, minimum=1)
    """How many neighbours."""


@dataclass(frozen=True, kw_only=True)
class Mahalanobis(OodOptions):
    """Distance to the nearest class mean, in units of the spread within classes."""

    shrinkage: float | None = option(None, minimum=0, maximum=1)
    """Weight of a sphere in the covariance; null estimates it (Ledoit and Wolf)."""
    unit_length: bool = option(True)
    """Scale embeddings to length 1 first."""


@dataclass(frozen=True, kw_only=True)
class Ssd(OodOptions):
    """Distance to the mean of all training clips, in units of their spread."""

    shrinkage: float | None = option(None, minimum=0, maximum=1)
    """Weight of a sphere in the covariance; null estimates it (Ledoit and Wolf)."""
    unit_length: bool = option(True)
    """Scale embeddings to length 1 first."""


@dataclass(frozen=True, kw_only=True)
class Vim(OodOptions):
    """Virtual logit: what of an embedding lies outside of the main directions, less the energy."""

    rank: int | None = option(None, minimum=1)
    """Main directions; null takes as many as `explained_variance` needs."""
    explained_variance: float = option(0.9, exclusiveMinimum=0, exclusiveMaximum=1)
    """Share of the variance of the training embeddings that the main directions hold."""


@dataclass(frozen=True, kw_only=True)
class NnGuide(OodOptions):
    """Energy times the similarity with the nearest, and surest, training clips."""

    k: int = option(6, minimum=1)
    """How many of them."""


@dataclass(frozen=True, kw_only=True)
class Relation(OodOptions):
    """Mean relation to the training clips: alike in embedding and in probabilities."""

    least: float = option(0.03, minimum=0)
    """Weaker relations count as none."""


@dataclass(frozen=True, kw_only=True)
class Gate(Options):
    """Logistic regression over the scores of other detectors, fitted on dev."""

    members: tuple[dict[str, Any], ...] = required(minItems=1)
    """The detectors: the `type` and options of each."""
    ridge: float = option(1e-3, exclusiveMinimum=0)
    """Penalty of the squared weights, on standardised scores."""


OOD: dict[str, type[Options]] = {
    "energy": Energy,
    "entropy": Entropy,
    "gate": Gate,
    "kl": Kl,
    "knn": Knn,
    "knn_mean": KnnMean,
    "mahalanobis": Mahalanobis,
    "margin": Margin,
    "max_logit": MaxLogit,
    "msp": Msp,
    "nnguide": NnGuide,
    "nsd": Nsd,
    "nsd_per_class": NsdPerClass,
    "relation": Relation,
    "softmax_energy": SoftmaxEnergy,
    "ssd": Ssd,
    "vim": Vim,
}
"""The options of each detector of unknown attacks, by its name."""
