"""Networks that name the attack behind a spoof, and how unknown attacks are told."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.detectors import Train
from spoofscope.options.input import Input
from spoofscope.options.trials import Name, Scored

_OOD: dict[str, dict[str, Any]] = {
    "energy": {"type": "energy"},
    "msp": {"type": "msp"},
    "max_logit": {"type": "max_logit"},
    "nsd": {"type": "nsd"},
    "knn": {"type": "knn"},
    "mahalanobis": {"type": "mahalanobis"},
}


@dataclass(frozen=True, kw_only=True)
class Tracer(Options):
    """A network that the study trains to name attacks."""

    frontend: str = required()
    """A name of `frontends`."""
    backend: dict[str, Any] = required()
    """The back-end: its `type` and options; its read-out vector is what tells attacks apart."""
    input: Input = option(dict)
    """The input policy."""
    objective: dict[str, Any] = option(lambda: {"type": "cross_entropy"})
    """What it is trained for: its `type` and options."""
    seeds: tuple[Annotated[int, {"minimum": 0}], ...] = option(
        (1,), minItems=1, maxItems=100, uniqueItems=True
    )
    """Training seeds."""
    trace: tuple[Scored, ...] = optional(minItems=1)
    """The clips that it traces; default: the dev and eval splits of `tracing.corpora`."""
    ood: tuple[Name, ...] = optional(minItems=1, uniqueItems=True)
    """The detectors of unknown attacks that are fitted to it, by their names in `tracing.ood`;
    default: all."""
    decide_by: Name = optional()
    """The one of them whose decision counts; default: `tracing.decide_by`."""
    train: Train = required()
    """On what and how to train; the dev split needs clips of known and of unknown attacks."""


@dataclass(frozen=True, kw_only=True)
class Tracing(Options):
    """Which attack made a spoof, and whether it is one that was never seen."""

    corpora: tuple[str, ...] = required(minItems=1, uniqueItems=True)
    """Corpora whose attacks are traced; an attack is known when the train split has spoofs of
    it."""
    numbers: dict[str, str] = option(dict)
    """Corpus to a list with the numbers of its attacks, such as the label_assignment.txt of a
    published tracer; without it they are numbered as docs/tracing.md says."""
    ood: dict[str, dict[str, Any]] = option(lambda: dict(_OOD), minProperties=1)
    """Name to detector of unknown attacks: its `type` and options; all are fitted to every tracer
    that does not name some of them."""
    decide_by: Name = option("energy")
    """The one of them whose decision counts, of tracers that name no other."""
    bonafide_by: Name = optional()
    """A detector of the study: from its threshold on, a clip is bona fide whatever a tracer
    answers (REFD). It has to be scored on all that is traced."""
    threshold_by: Literal["eer", "known"] = option("eer")
    """On dev: as many known clips are called unknown as unknown ones known; or a share of the known
    clips is accepted, which needs no unknown attack in dev."""
    accept_known: float = option(0.95, exclusiveMinimum=0, exclusiveMaximum=1)
    """The share for `threshold_by: known`."""
    ambiguous: tuple[str, ...] = option(list, uniqueItems=True)
    """Attacks whose name does not say whether they are known, such as a new version of a known one;
    results are also given without them."""
    unit: Literal["attack", "source_text"] = option("attack")
    """What is drawn as a whole for intervals."""
    shown: tuple[str, ...] = optional(minItems=1, uniqueItems=True)
    """Tracers that figures show; by default all, unless they are too many."""
