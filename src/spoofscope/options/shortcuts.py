"""Counterfactual audit of shortcuts: cues that are put on one class, and taken off the other."""

from dataclasses import dataclass

from spoofscope.errors import ConfigError
from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.trials import Label, Trials


@dataclass(frozen=True, kw_only=True)
class ShortcutOptions(Options):
    """How recordings are changed and scored."""

    per_attack: int = option(50, minimum=1)
    """Utterances per attack; as many bona fide ones as spoofs."""
    batch_size: int = option(16, minimum=1, maximum=65536)
    """Windows that a detector sees at once."""


@dataclass(frozen=True, kw_only=True)
class Cue(Options):
    """A suspected cue: what one class carries, and the other does not."""

    of: Label = required()
    """The class that carries it."""
    attacks: tuple[str, ...] | None = option(None, minItems=1, uniqueItems=True)
    """Only spoofs of these attacks carry it; null takes all."""
    put: str = required()
    """A name of `chains`: it puts the cue on a clip of the other class."""
    strip: str | None = option(None)
    """A name of `chains`: it takes the cue off a clip of its own class; null: it cannot be taken
    off."""
    put_control: str | None = option(None)
    """A name of `chains`: a change as large as `put` that puts no cue on; null takes the clip's own
    sound at another time, as strong as the change, or, where the length changes, the same at the
    other end."""
    strip_control: str | None = option(None)
    """The same for `strip`: a change as large that leaves the cue on."""

    def check(self, place: str) -> None:
        """Keys go together."""
        if self.of == "bonafide" and self.attacks is not None:
            raise ConfigError(
                f"{place}.attacks: bona fide speech is of no attack; leave it out, or say "
                "`of: spoof`"
            )
        if self.strip is None and self.strip_control is not None:
            raise ConfigError(f"{place}.strip_control: there is no `strip` to hold it against")


@dataclass(frozen=True, kw_only=True)
class Shortcuts(ShortcutOptions):
    """Which cues are suspected, and which detectors are audited; see shortcuts.md."""

    detectors: tuple[str, ...] = required(minItems=1, uniqueItems=True)
    """Names of `detectors`; of each the first seed."""
    trials: tuple[Trials, ...] = required(minItems=1)
    """Scored trials."""
    cues: dict[str, Cue] = required(minProperties=1, propertyNames={"$ref": "#/$defs/name"})
    """Name to cue."""
    threshold: Trials = optional()
    """Scored trials at whose equal error rate the detectors decide; default: the threshold that
    each keeps from its own development data."""
    resamples: int = option(5000, minimum=100, maximum=1_000_000)
    """Bootstrap resamples of the intervals, clustered as `bootstrap` says."""
