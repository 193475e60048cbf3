"""What tracers and detectors are trained for, and the options of each way."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.errors import ConfigError
from spoofscope.options.declared import Options, option

SelectBy = Literal["loss", "error"]


@dataclass(frozen=True, kw_only=True)
class TracingObjective(Options):
    """What all ways of tracing have."""

    bonafide: Literal["class", "leave_out"] = option("class")
    """What bona fide training clips are: a class of their own, or none."""
    select_by: SelectBy = option("loss")
    """The checkpoint with the lowest on dev clips of known attacks wins: the loss, or one less the
    balanced accuracy."""


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(TracingObjective):
    """A linear layer and cross-entropy."""

    label_smoothing: float = option(0.0, minimum=0, exclusiveMaximum=1)
    """Share of the target that all classes have in common."""
    regmixup: float | None = option(None, exclusiveMinimum=0)
    """Parameter of the Beta distribution that mixed copies of a batch are drawn with, which train
    beside the clips themselves; 0.5 in REFD. Null mixes none."""


@dataclass(frozen=True, kw_only=True)
class GE2E(TracingObjective):
    """Every batch has a few clips of a few classes; each clip is held against the centroids of the
    batch (generalised end-to-end loss)."""

    classes: int = option(10, minimum=2)
    """Of a batch."""
    clips: int = option(4, minimum=2)
    """Of each class of a batch."""
    scale: float = option(10.0, exclusiveMinimum=0)
    """What cosines are multiplied with at first; it is trained."""
    offset: float = option(-5.0)
    """What is added to them at first; it is trained."""


@dataclass(frozen=True, kw_only=True)
class ProxyAnchor(TracingObjective):
    """Every class has a proxy, which attracts its clips and repels others."""

    margin: float = option(0.1, minimum=0)
    """Of the cosine."""
    alpha: float = option(32.0, exclusiveMinimum=0)
    """Scale of the cosine."""


@dataclass(frozen=True, kw_only=True)
class ArcFace(TracingObjective):
    """Cross-entropy of angles with a margin."""

    margin: float = option(0.2, minimum=0, maximum=1.5)
    """Of the angle, in radians."""
    scale: float = option(30.0, exclusiveMinimum=0)
    """Of the cosine."""
    centers: int = option(1, minimum=1, maximum=64)
    """Of each class; the nearest counts."""


@dataclass(frozen=True, kw_only=True)
class SupCon(TracingObjective):
    """Clips of a class attract each other in batches of a few clips of a few classes (supervised
    contrastive loss)."""

    classes: int = option(10, minimum=2)
    """Of a batch."""
    clips: int = option(4, minimum=2)
    """Of each class of a batch."""
    temperature: float = option(0.1, exclusiveMinimum=0)
    """What cosines are divided by."""


@dataclass(frozen=True, kw_only=True)
class Nearest(TracingObjective):
    """Nothing is trained: the nearest training clips vote."""

    k: int = option(21, minimum=1)
    """So many vote."""


@dataclass(frozen=True, kw_only=True)
class Likelihoods(TracingObjective):
    """Every class has a Gaussian mixture, which the back-end `gmm` fits in one go."""


@dataclass(frozen=True, kw_only=True)
class OcSoftmax(Options):
    """The cosine to one prototype of bona fide speech is pushed above a margin for bona fide
    speech, and below another one for spoofs (one-class softmax)."""

    bonafide_margin: float = option(0.9, minimum=-1, maximum=1)
    """Bona fide clips are to have a higher cosine."""
    spoof_margin: float = option(0.2, minimum=-1, maximum=1)
    """Spoofs are to have a lower one."""
    alpha: float = option(20.0, exclusiveMinimum=0)
    """Scale of the cosine."""

    def check(self, place: str) -> None:
        """There is room between the margins."""
        if self.spoof_margin >= self.bonafide_margin:
            raise ConfigError(f"{place}: spoof_margin has to be below bonafide_margin")


DETECTION: dict[str, type[Options]] = {"oc_softmax": OcSoftmax}
"""The options of each way of detection but cross-entropy, by its name."""

OBJECTIVES: dict[str, type[TracingObjective]] = {
    "cross_entropy": CrossEntropy,
    "ge2e": GE2E,
    "proxy_anchor": ProxyAnchor,
    "arcface": ArcFace,
    "sup_con": SupCon,
    "nearest": Nearest,
    "likelihoods": Likelihoods,
}
"""The options of each way of tracing, by its name."""
