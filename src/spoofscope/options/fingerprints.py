"""What fingerprints of generators are made of."""

from dataclasses import InitVar, dataclass

from spoofscope.options.declared import Options, option, required
from spoofscope.options.trials import Split


@dataclass(frozen=True, kw_only=True)
class FingerprintOptions(Options):
    """Which clips are averaged, and how."""

    place: InitVar[str] = "fingerprints"

    splits: tuple[Split, ...] = option(("train", "dev", "eval"), minItems=1, uniqueItems=True)
    """Of the corpus."""
    attacks: tuple[str, ...] | None = option(None, minItems=1, uniqueItems=True)
    """Generators; null takes all."""
    wavelet: str = option("haar")
    """Of the wavelet packets: a discrete wavelet of PyWavelets."""
    level: int = option(14, minimum=1, maximum=16)
    """Of the wavelet packets: 2**level bands."""
    clips: int = option(2500, minimum=4)
    """At most so many of a source, drawn at random."""
    seconds: float = option(1.0, exclusiveMinimum=0)
    """Of each clip, from its start; shorter ones are left out."""
    sample_rate: int | None = option(None, minimum=1000, maximum=768_000)
    """Hz; null takes the files', which must agree."""
    match: str | None = option(None)
    """A manifest column, such as voice: a generator is compared with the bona fide clips that share
    its values; null compares with all."""
    equal_levels: bool = option(False)
    """Scale every clip to the same root mean square; otherwise loud ones count more, as in the
    publication."""
    group: str = option("speaker")
    """A manifest column whose values are never on both sides when clips are halved."""


@dataclass(frozen=True, kw_only=True)
class Fingerprints(FingerprintOptions):
    """Mean spectra of the generators of a corpus."""

    corpus: str = required()
    """A corpus or an augmented copy."""
    halves: int = option(100, minimum=2, maximum=100_000)
    """Random halves."""
    permutations: int = option(499, minimum=9, maximum=10_000_000)
    """Of the labels, behind the p values of halves."""
    sound_seconds: float = option(3.0, exclusiveMinimum=0, maximum=60)
    """Of the audible fingerprints."""
