"""Causal masking: what is taken out of recordings, and which scores change."""

from dataclasses import dataclass
from typing import Any

from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.trials import Trials

_Entry = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class MaskingOptions(Options):
    """How utterances are masked."""

    per_attack: int = option(50, minimum=1)
    """Utterances per attack; as many bona fide ones as spoofs."""
    controls: int = option(2, minimum=1, maximum=1000)
    """Random masks of the same size for every mask, and as many of the same energy."""
    randomised: int = option(0, minimum=0, maximum=1000)
    """Copies of the detector with shuffled weights that hear the same masks: what is beyond them
    was learned. The table cue_use needs 19."""
    batch_size: int = option(16, minimum=1, maximum=65536)
    """Windows that a detector sees at once."""


@dataclass(frozen=True, kw_only=True)
class Masking(MaskingOptions):
    """What is taken out of recordings, and which scores change; see masking.md."""

    detectors: tuple[str, ...] = required(minItems=1, uniqueItems=True)
    """Names of `detectors`; of each the first seed."""
    trials: tuple[Trials, ...] = required(minItems=1)
    """Scored trials."""
    masks: dict[str, _Entry] = required(minProperties=1, propertyNames={"$ref": "#/$defs/name"})
    """Name to mask, see masking.md."""
    aligner: str = optional()
    """A name of `aligners`, which says where phones, words and silences are; default: the segments
    that come with the corpus."""
    threshold: Trials = optional()
    """Scored trials at whose equal error rate the detectors decide; default: the threshold that
    each keeps from its own development data."""
    resamples: int = option(5000, minimum=100, maximum=1_000_000)
    """Bootstrap resamples, clustered as `bootstrap` says; the correction for many tests needs at
    least 40 per test."""
