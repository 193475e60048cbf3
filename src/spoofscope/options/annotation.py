"""What people label."""

from dataclasses import dataclass

from spoofscope.options.declared import Options, option, optional


@dataclass(frozen=True, kw_only=True)
class Annotation(Options):
    """Explained clips that people label, and their labels; see labelling.md."""

    detectors: tuple[str, ...] = optional(minItems=1, uniqueItems=True)
    """Names of `attribution.detectors`, whose explanations by their first methods are shown;
    default: all of them. Clips are those that all of these explain."""
    clips: int | None = option(None, minimum=1)
    """How many clips, evenly over attacks and bona fide; null: all."""
    labels: tuple[str, ...] = option((), uniqueItems=True)
    """Tables that `spoofscope label --export` has written, one for each machine."""
