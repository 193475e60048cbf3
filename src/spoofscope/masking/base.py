"""What a mask is: of frames, or of waveforms."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from spoofscope.audio import Samples
from spoofscope.masks import MASKS
from spoofscope.names import BOTH
from spoofscope.options.masks import FrameOptions, MaskOptions
from spoofscope.places import times_within

_LEAST_ENERGY = 1e-12

Frames = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Segment(NamedTuple):
    """A stretch of an utterance: start and end (s), tier and label, and the band (Hz) that it is
    about, None where it is about all frequencies.
    """

    start: float
    end: float
    tier: str
    label: str
    low_hz: float | None = None
    high_hz: float | None = None


class Part(NamedTuple):
    """A part of a waveform. samples: (n,) what it has in it. share: of the spectrum."""

    samples: Floats
    share: float

    def softer(self, x: Samples, decibels: float) -> Samples:
        """The waveform (n,) with this part softer."""
        return (x + (10 ** (-decibels / 20) - 1) * self.samples).astype(np.float32)


@dataclass(frozen=True)
class Clip:
    """An utterance, and where the frames of a front-end lie on it.

    Attributes:
        samples: (n,) float32, at `sample_rate`, not normalised.
        sample_rate: Hz.
        segments: known ones; empty where none are.
        n_frames: on the time axis of the clip.
        first_centre, hop: seconds; frame i is centred at first_centre + i * hop.
        heard: (n_frames,) what a recogniser hears in each, see `heard`; None where no mask asks.
        band_edges: of the features, see `FrontEnd.band_edges`; None where they have no bands.
    """

    samples: Samples
    sample_rate: int
    segments: Sequence[Segment]
    n_frames: int
    first_centre: float
    hop: float
    heard: npt.NDArray[np.str_] | None = None
    band_edges: Sequence[float] | None = None

    @property
    def centres(self) -> Floats:
        """Of the frames, (n_frames,), in seconds, see `places.times_within`."""
        centres = self.first_centre + self.hop * np.arange(self.n_frames, dtype=np.float64)
        return times_within(centres, self.samples.size / self.sample_rate, self.hop)

    def energies(self, offset: float | None = None) -> Floats:
        """Energy of the samples of each frame, (n_frames,): a hop around its centre.

        Args:
            offset: where the first frame begins instead, in seconds.
        """
        start = self.first_centre - self.hop / 2 if offset is None else offset
        edges = (start + self.hop * np.arange(self.n_frames + 1)) * self.sample_rate
        places = np.clip(np.rint(edges).astype(np.int64), 0, self.samples.size)
        total = np.concatenate([[0.0], np.cumsum(np.square(self.samples, dtype=np.float64))])
        energies: Floats = np.diff(total[places])
        return energies

    def share_of_energy(self, energy: float) -> float:
        """An energy over that of the clip."""
        return energy / max(float(np.square(self.samples, dtype=np.float64).sum()), _LEAST_ENERGY)

    def between(self, start: float, end: float) -> Frames:
        """Frames whose centre is at or after `start` and before `end` (s)."""
        return (self.centres >= start) & (self.centres < end)

    def of_tier(self, tiers: Sequence[str]) -> list[Segment]:
        """Its segments of some tiers."""
        return [segment for segment in self.segments if segment.tier in tiers]


class Mask(ABC):
    """One way to take something out of a recording.

    Args:
        options: the entry of the study file without `type`; see `options.masks`.

    Attributes:
        name: the key in the registry.
        options: what it is told, with the values of the published form where that was asked for.
        is_published: whether it was.

    Raises:
        ConfigError: an unknown or impossible option.
    """

    name: ClassVar[str]
    declared: ClassVar[type[MaskOptions]]
    options: MaskOptions
    is_published: bool

    def __init__(self, options: Mapping[str, Any]) -> None:
        given = self.declared.from_dict(options, f"mask {self.name}")
        self.is_published = given.is_published
        self.options = given.settled()


class FrameMask(Mask):
    """Frames of the features are drawn towards a replacement, on all layers."""

    options: FrameOptions

    @abstractmethod
    def chosen(self, clip: Clip) -> dict[str, Frames]:
        """The frames (n_frames,) that are masked, by variant; `-` where there is a single one."""


class WaveformMask(Mask):
    """The waveform goes through effects.

    Attributes:
        matched: what its random masks have in common with it: both size and energy where they are
            its change, moved in time; where there are other targets, size, and it has parts.
    """

    matched: ClassVar[str] = BOTH

    @abstractmethod
    def targets(self, sample_rate: int) -> dict[str, Any]:
        """What is masked, by variant, as plain values; `-` where there is a single one.

        Args:
            sample_rate: Hz of the clips.
        """

    @abstractmethod
    def steps(self, target: Any, strength: float) -> list[dict[str, Any]]:
        """The effects of one strength, as in a chain of a study file; none change nothing."""

    def random_target(self, target: Any, clip: Clip, rng: np.random.Generator) -> Any | None:
        """Another target of the same size, at random; None where there is no other: then the change
        itself is moved in time.
        """
        return None

    def parts(self, target: Any, clip: Clip, rngs: Sequence[np.random.Generator]) -> list[Part]:
        """What random masks of the same energy make softer; none where `matched` is both."""
        return []

    def share(self, target: Any, sample_rate: int) -> float:
        """Share of the spectrum that a target is; 1 for all of it."""
        return 1.0


def build(entry: Mapping[str, Any]) -> Mask:
    """Build the mask of an entry of the section `masking.masks`.

    Raises:
        ConfigError: no such mask, or an option that it does not have.
    """
    options = dict(entry)
    mask: Mask = MASKS.member(options.pop("type", None))(options)
    return mask
