"""Masks of frames: which frames they choose."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from spoofscope.masking.base import Clip, Floats, FrameMask, Frames, Segment
from spoofscope.masking.heard import BLANK, DELIMITER, Labels
from spoofscope.names import NONE
from spoofscope.options.masks import (
    FrameOptions,
    LoudFramesOptions,
    PhoneClassesOptions,
    PhonesOptions,
    SilenceOptions,
    WordBoundariesOptions,
)
from spoofscope.phones import ARPABET, bare_phone, classes_of

PHONES = ("phone", "character")
"""Tiers of what words are made of."""

_LOUD = 0.95
_PUBLISHED_LOUDEST = 0.25
_LEAST_ENERGY = 1e-12


def _within(clip: Clip, segments: Iterable[Segment]) -> Frames:
    frames: Frames = np.zeros(clip.n_frames, dtype=bool)
    for segment in segments:
        frames |= clip.between(segment.start, segment.end)
    return frames


def _loudest(energies: Floats, share: float) -> Frames:
    """Frames above a quantile of the energies."""
    loudest: Frames = energies > np.quantile(energies, 1 - share)
    return loudest


def _heard(clip: Clip) -> Labels:
    """What a recogniser hears; the plan gives one to masks that ask."""
    assert clip.heard is not None
    return clip.heard


class Silence(FrameMask):
    """Segments of silence, or frames far below the level of the clip. As published: frames that a
    recogniser calls blank, which most frames of speech are, too.
    """

    name: ClassVar[str] = "silence"
    declared: ClassVar[type[FrameOptions]] = SilenceOptions
    options: SilenceOptions

    def chosen(self, clip: Clip) -> dict[str, Frames]:
        """The silent frames."""
        if self.is_published:
            return {NONE: _heard(clip) == BLANK}
        if self.options.by == "segments":
            return {NONE: _within(clip, clip.of_tier(["silence"]))}
        levels = 10 * np.log10(clip.energies() + _LEAST_ENERGY)
        return {NONE: levels < np.quantile(levels, _LOUD) - self.options.below}


class Phones(FrameMask):
    """Frames of phones. As published: those above the 75 % quantile of a clip's energies, which are
    loud and need not be phones; block i of the energies begins at i hops.
    """

    name: ClassVar[str] = "phones"
    declared: ClassVar[type[FrameOptions]] = PhonesOptions
    options: PhonesOptions

    def chosen(self, clip: Clip) -> dict[str, Frames]:
        """The frames of the phones, all labels together."""
        if self.is_published:
            return {NONE: _loudest(clip.energies(offset=0.0), _PUBLISHED_LOUDEST)}
        labels = self.options.labels
        wanted = None if labels is None else {bare_phone(label) for label in labels}
        return {
            NONE: _within(
                clip,
                (
                    s
                    for s in clip.of_tier(PHONES)
                    if wanted is None or bare_phone(s.label) in wanted
                ),
            )
        }


class PhoneClasses(FrameMask):
    """Frames of each class of phones."""

    name: ClassVar[str] = "phone_classes"
    declared: ClassVar[type[FrameOptions]] = PhoneClassesOptions
    options: PhoneClassesOptions

    def chosen(self, clip: Clip) -> dict[str, Frames]:
        """The frames of the phones of each class."""
        phones = clip.of_tier(PHONES)
        named = self.options.classes
        if named is None:
            # A letter of a text is no phone.
            phones = clip.of_tier(["phone"])
            of_label = classes_of(segment.label for segment in phones)
            return {
                name: _within(clip, [s for s in phones if of_label.get(s.label) == name])
                for name in ARPABET
            }
        return {
            name: _within(
                clip, [s for s in phones if bare_phone(s.label) in {bare_phone(x) for x in labels}]
            )
            for name, labels in named.items()
        }


class WordBoundaries(FrameMask):
    """Frames around the begin and the end of every word. As published: frames in which a recogniser
    hears the delimiter of words, and those of labels beside a blank; the clip is a circle.
    """

    name: ClassVar[str] = "word_boundaries"
    declared: ClassVar[type[FrameOptions]] = WordBoundariesOptions
    options: WordBoundariesOptions

    def chosen(self, clip: Clip) -> dict[str, Frames]:
        """The frames within half of `seconds` of a boundary."""
        if self.is_published:
            blank = _heard(clip) == BLANK
            beside = ~blank & (np.roll(blank, 1) | np.roll(blank, -1))
            return {NONE: beside | (_heard(clip) == DELIMITER)}
        half = self.options.seconds / 2
        frames: Frames = np.zeros(clip.n_frames, dtype=bool)
        for word in clip.of_tier(["word"]):
            for edge in (word.start, word.end):
                frames |= clip.between(edge - half, edge + half)
        return {NONE: frames}


class LoudFrames(FrameMask):
    """The loudest frames of a clip."""

    name: ClassVar[str] = "loud_frames"
    declared: ClassVar[type[FrameOptions]] = LoudFramesOptions
    options: LoudFramesOptions

    def chosen(self, clip: Clip) -> dict[str, Frames]:
        """The frames above a quantile of the energies."""
        return {NONE: _loudest(clip.energies(), self.options.loudest)}
