"""What is asked about the layers of SSL backbones."""

from dataclasses import InitVar, dataclass
from typing import Annotated, Any

from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.trials import Scored, Source

# Its defaults are filled in where it is read: ids are hashes of what is written.
InputAsWritten = Annotated[dict[str, Any], {"$ref": "#/$defs/input"}]


@dataclass(frozen=True, kw_only=True)
class ProbeOptions(Options):
    """How probes are fitted."""

    place: InitVar[str] = "layers.probes"

    regularisation: tuple[Annotated[float, {"exclusiveMinimum": 0}], ...] = option(
        (1e-4, 1e-3, 1e-2, 1e-1, 1.0), minItems=1, uniqueItems=True
    )
    """Inverse strengths of the L2 penalty (scikit-learn's C) to choose from: the one with the
    lowest EER on dev is taken, the smallest of equals."""
    utterances: int = option(20_000, minimum=2)
    """At most so many are trained on, drawn evenly from both classes; bounds memory, to 8 bytes per
    utterance and dimension."""


@dataclass(frozen=True, kw_only=True)
class Probe(ProbeOptions):
    """One logistic regression per layer, on mean and standard deviation over time of the layer as
    it was pre-trained.
    """

    frontend: str = required()
    """A name of `frontends`, of type ssl."""
    input: InputAsWritten = option(dict)
    """The input policy."""
    data: tuple[Source, ...] = required(minItems=1)
    """Train splits that are trained on."""
    dev: tuple[Source, ...] = optional(minItems=1)
    """Dev splits that choose the regularisation; default: the corpora of `data`."""
    score: tuple[Scored, ...] = optional(minItems=1)
    """The trials that probes are tested on; default: all eval trials of the study's detectors."""


@dataclass(frozen=True, kw_only=True)
class CostOptions(Options):
    """How costs are measured."""

    place: InitVar[str] = "layers.costs"

    batch_size: int = option(1, minimum=1, maximum=65536)
    """Windows per forward pass."""
    seconds: float = option(4.0, exclusiveMinimum=0)
    """Length of a window for detectors that take whole clips; others are measured at their own."""
    repeats: int = option(20, minimum=1, maximum=100_000)
    """Timed forward passes, after two that are not; the median counts."""


@dataclass(frozen=True, kw_only=True)
class Costs(CostOptions):
    """Measured in new processes, one detector after the other, on the GPU if there is one. Times
    differ from run to run.
    """

    detectors: tuple[str, ...] = optional(minItems=1, uniqueItems=True)
    """Names of `detectors`; default: all with an SSL front-end."""


Curve = Annotated[tuple[str, ...], {"minItems": 2, "uniqueItems": True}]


@dataclass(frozen=True, kw_only=True)
class Layers(Options):
    """What is asked about the layers of SSL backbones, besides the learned mixes, which are always
    read out.
    """

    curves: dict[str, Curve] = optional(propertyNames={"$ref": "#/$defs/name"})
    """Name to detectors whose error rates are compared by depth; default: families of detectors
    that differ in nothing but the `n_layers` of their front-end."""
    probes: dict[str, Probe] = option(dict, propertyNames={"$ref": "#/$defs/name"})
    """Name to linear probes of all layers of one backbone."""
    costs: Costs = optional()
    """Which detectors' parameters, latency and memory are measured."""
