"""What masks can be told: what is taken out of a recording, and how much of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from spoofscope.errors import ConfigError
from spoofscope.options.declared import Options, option, required
from spoofscope.options.effects.codec import CodecChoice
from spoofscope.options.effects.compressor import CompressorSettings

_Share = Annotated[float, {"minimum": 0, "maximum": 1}]
_Decibels = Annotated[float, {"minimum": 0, "maximum": 120}]
_Passes = Annotated[int, {"minimum": 0, "maximum": 100}]
_Hertz = Annotated[float, {"minimum": 0}]
_Band = Annotated[tuple[_Hertz, _Hertz], {"minItems": 2, "maxItems": 2}]


@dataclass(frozen=True, kw_only=True)
class MaskOptions(Options):
    """What all masks have in common. unit: of the strengths, of which 0 changes nothing."""

    unit: ClassVar[str]

    strengths: tuple[float, ...] = option((1.0,), minItems=1, uniqueItems=True)

    @property
    def is_published(self) -> bool:
        """Whether this is a form of the publication, kept for comparison."""
        return False

    def settled(self) -> Self:
        """Itself, with the values of the published form where that was asked for."""
        return self


@dataclass(frozen=True, kw_only=True)
class PublishedOptions(MaskOptions):
    """Masks that were published in another form. published: the values of that form."""

    published: ClassVar[Mapping[str, Any]]

    as_published: bool = option(False)
    """The form of the publication, see masking.md; it has values of its own."""

    @property
    def is_published(self) -> bool:
        """Whether this is the form of the publication."""
        return self.as_published

    def settled(self) -> Self:
        """With the values of the published form where that was asked for, and without this key."""
        if not self.as_published:
            return self
        return replace(self, as_published=False, **self.published)

    def check(self, place: str) -> None:
        """The published form has its own values."""
        if not self.as_published:
            return
        given, default = self.to_dict(), type(self)().to_dict()
        for name, value in default.items():
            if name != "as_published" and given[name] != value:
                raise ConfigError(
                    f"{place}: the form `as_published` has values of its own; leave out {name!r}"
                )


# --- of frames ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FrameOptions(MaskOptions):
    """Frames of the features, on all layers, are drawn towards a replacement."""

    unit: ClassVar[str] = "share"

    strengths: tuple[_Share, ...] = option((1.0,), minItems=1, uniqueItems=True)
    """How far frames are drawn to their replacement; 1 replaces them, 0 changes nothing."""
    replacement: Literal["neighbour_mean", "centroid", "profile"] = option("neighbour_mean")
    """The mean of the nearest frames before and after that stay; mean bona fide features of the
    training data; or the mean of such frames in 48 bona fide utterances of the trials."""


@dataclass(frozen=True, kw_only=True)
class PhonesOptions(FrameOptions, PublishedOptions):
    """Phones, or characters, of the segments."""

    published: ClassVar[Mapping[str, Any]] = {"strengths": (1.0,)}

    labels: tuple[str, ...] | None = option(None, minItems=1, uniqueItems=True)
    """Only these; null takes all."""


@dataclass(frozen=True, kw_only=True)
class PhoneClassesOptions(FrameOptions):
    """Classes of phones, each by itself."""

    classes: dict[str, tuple[str, ...]] | None = option(None, minProperties=1)
    """Name to labels; capital letters and the digits of stress do not count. null: vowels,
    plosives, fricatives, nasals and approximants, by the ARPAbet of American English or by the
    International Phonetic Alphabet."""


@dataclass(frozen=True, kw_only=True)
class LoudFramesOptions(FrameOptions):
    """The loudest frames of a clip."""

    loudest: float = option(0.25, exclusiveMinimum=0, exclusiveMaximum=1)
    """Share of the frames."""


@dataclass(frozen=True, kw_only=True)
class SilenceOptions(FrameOptions, PublishedOptions):
    """Silent frames."""

    published: ClassVar[Mapping[str, Any]] = {"strengths": (0.9,), "replacement": "profile"}

    by: Literal["segments", "level"] = option("segments")
    """Segments of the tier silence, or frames far below the level of the clip."""
    below: float = option(35.0, exclusiveMinimum=0)
    """By level: dB below the 95 % quantile of the levels of a clip's frames."""


@dataclass(frozen=True, kw_only=True)
class WordBoundariesOptions(FrameOptions, PublishedOptions):
    """Where words begin and end."""

    published: ClassVar[Mapping[str, Any]] = {"strengths": (1.0,)}

    seconds: float = option(0.08, exclusiveMinimum=0)
    """Around each begin and end of a word."""


@dataclass(frozen=True, kw_only=True)
class ArtefactOptions(MaskOptions):
    """Known artefacts, which segments of the tier artefact say the places of: their frames, or
    bands of them, are replaced."""

    unit: ClassVar[str] = "share"

    strengths: tuple[_Share, ...] = option((1.0,), minItems=1, uniqueItems=True)
    """How far features are drawn to their replacement; 1 replaces them, 0 changes nothing."""
    replacement: Literal["nearest", "bonafide"] = option("nearest")
    """The mean of the nearest frames or bands that stay (bands at the end of the spectrum become
    mean bona fide features of the training data); or the same bands of passages, drawn and
    joined, of bona fide training clips that are as loud."""


# --- of waveforms ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BandMaskOptions(PublishedOptions):
    """Bands of frequencies are made softer."""

    unit: ClassVar[str] = "dB"
    published: ClassVar[Mapping[str, Any]] = {"bands": ((600.0, 1200.0),), "strengths": (20.0,)}

    strengths: tuple[_Decibels, ...] = option((20.0,), minItems=1, uniqueItems=True)
    """dB by which they are softer."""
    bands: tuple[_Band, ...] = option(((600.0, 1200.0), (1000.0, 1600.0)))
    """[low, high] in Hz: those of the code and of the text of the publication."""
    sweep: float | None = option(None, exclusiveMinimum=0)
    """Also bands of this width in Hz, side by side, from 0 Hz to the highest frequency."""

    def check(self, place: str) -> None:
        """There are bands, and none is empty."""
        super().check(place)
        if not self.bands and self.sweep is None:
            raise ConfigError(f"{place}: there is no band; name some, or a `sweep`")
        for i, (low, high) in enumerate(self.bands):
            if low >= high:
                raise ConfigError(f"{place}.bands[{i}]: expected [low, high] with low < high")


@dataclass(frozen=True, kw_only=True)
class GainMaskOptions(PublishedOptions):
    """The whole clip is made softer: a null control for what does not hear levels."""

    unit: ClassVar[str] = "dB"
    published: ClassVar[Mapping[str, Any]] = {"strengths": (20.0,)}

    strengths: tuple[_Decibels, ...] = option((20.0,), minItems=1, uniqueItems=True)
    """dB by which it is softer."""


@dataclass(frozen=True, kw_only=True)
class CompressorMaskOptions(PublishedOptions, CompressorSettings):
    """The dynamic range is compressed."""

    unit: ClassVar[str] = "share"
    published: ClassVar[Mapping[str, Any]] = {"static": True, "strengths": (1.0,)}

    strengths: tuple[_Share, ...] = option((1.0,), minItems=1, uniqueItems=True)
    """Share of the compressed signal; the rest is the signal as it was."""


@dataclass(frozen=True, kw_only=True)
class CodecMaskOptions(MaskOptions):
    """Round trips through codecs."""

    unit: ClassVar[str] = "round trips"

    strengths: tuple[_Passes, ...] = option((1,), minItems=1, uniqueItems=True)
    """How many, one after the other."""
    codecs: tuple[CodecChoice, ...] = required(minItems=1)
    """Codecs, each by itself."""


MASKS: dict[str, type[MaskOptions]] = {
    "silence": SilenceOptions,
    "phones": PhonesOptions,
    "phone_classes": PhoneClassesOptions,
    "word_boundaries": WordBoundariesOptions,
    "artefact": ArtefactOptions,
    "loud_frames": LoudFramesOptions,
    "band": BandMaskOptions,
    "gain": GainMaskOptions,
    "compressor": CompressorMaskOptions,
    "codec": CodecMaskOptions,
}
"""The options of each mask, by its name."""
