"""Whether a clip and a few references have the same source: what is drawn as trials."""

from dataclasses import dataclass
from typing import Annotated, Literal

from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.trials import Split

Level = Literal["attack", "family", "acoustic_model", "vocoder"]
Count = Annotated[int, {"minimum": 1, "maximum": 1_000_000}]


@dataclass(frozen=True, kw_only=True)
class Verification(Options):
    """Trials of "made by the same source as these references"."""

    corpora: tuple[str, ...] = required(minItems=1, uniqueItems=True)
    """Corpora or augmented copies, for every tracer: their eval spoofs are tests, and their dev
    spoofs those that ratios are calibrated on."""
    levels: tuple[Level, ...] = option(("attack",), minItems=1, uniqueItems=True)
    """What a source is: an attack, or what attacks have in common."""
    enrol: Split = optional()
    """The split that references come from; default: that of the tests."""
    lists: str = optional(minLength=1)
    """Use the lists of references and trials that the corpus has, by their name, such as `co-100`
    of STOPA; then `enrol` and `references` count for nothing. Default: trials are drawn."""
    references: Count = option(5)
    """Clips that a source is known by; sources with fewer make no claims."""
    targets: Count = option(100)
    """At most so many tests of each claim are of the claimed source."""
    nontargets: Count = option(100)
    """At most so many are of other sources."""
    prior: float = option(0.5, exclusiveMinimum=0, exclusiveMaximum=1)
    """Of the claimed source, at which the calibration on dev is best."""
