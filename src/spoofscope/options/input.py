"""How a clip becomes windows."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.options.declared import Options, option, optional


@dataclass(frozen=True, kw_only=True)
class Input(Options):
    """The input policy: how a clip becomes windows, in training, scoring and attribution
    alike."""

    sample_rate: int = option(16000, minimum=1000, maximum=768000)
    """Hz."""
    length: int | None = option(64600, minimum=1, maximum=100000000)
    """Samples per window; null takes whole clips."""
    hop: int | None = option(None, minimum=1)
    """Samples from window to window; null: no overlap."""
    long: Literal["window", "crop"] = option("window")
    """Longer clips: all windows, or the first."""
    tail: Literal["align", "drop"] = option("align")
    """A remainder: a window aligned to the end, or dropped."""
    short: Literal["tile", "zero", "refuse"] = option("tile")
    """Shorter clips: repeated, filled with silence, or an error."""
    min_samples: int = option(1040, minimum=1)
    """With `length: null`, shorter clips are extended to this."""
    normalize: bool = optional()
    """Zero mean and unit variance per clip; default: what the backbone expects."""
    resample: Literal["clip", "window"] = option("clip")
    """Clips are resampled as a whole, or cut at their own rate and each window resampled by
    itself."""
