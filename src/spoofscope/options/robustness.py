"""Robustness: recordings go through chains that launder them, and the threshold stays."""

from dataclasses import dataclass
from typing import Annotated

from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.trials import Trials

_Chains = Annotated[tuple[str, ...], {"minItems": 1, "uniqueItems": True}]


@dataclass(frozen=True, kw_only=True)
class RobustnessOptions(Options):
    """How recordings are changed and scored."""

    per_attack: int = option(50, minimum=1)
    """Utterances per attack; as many bona fide ones as spoofs."""
    batch_size: int = option(16, minimum=1, maximum=65536)
    """Windows that a detector sees at once."""


@dataclass(frozen=True, kw_only=True)
class Robustness(RobustnessOptions):
    """What recordings go through, and which detectors hear them; see robustness.md."""

    detectors: tuple[str, ...] = required(minItems=1, uniqueItems=True)
    """Names of `detectors`; of each the first seed."""
    trials: tuple[Trials, ...] = required(minItems=1)
    """Scored trials."""
    changes: dict[str, _Chains] = required(minProperties=1, propertyNames={"$ref": "#/$defs/name"})
    """Name of a change to names of `chains`, from the mildest to the most severe. All recordings of
    both classes go through each."""
    threshold: Trials = optional()
    """Scored trials at whose equal error rate the detectors decide; default: the threshold that
    each keeps from its own development data."""
    resamples: int = option(5000, minimum=100, maximum=1_000_000)
    """Bootstrap resamples of the intervals, clustered as `bootstrap` says."""
