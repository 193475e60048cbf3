"""How scores are explained."""

from dataclasses import InitVar, dataclass
from typing import Literal, get_args

from spoofscope.errors import ConfigError
from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.trials import Split

Target = Literal["bonafide", "spoof"]
Baseline = Literal["centroid", "bonafide", "zeros", "silence", "noise"]
Selection = Literal[
    "confident_right",
    "confident_wrong",
    "near_right",
    "near_wrong",
    "beyond_right",
    "beyond_wrong",
]
Explained = Literal["probability", "score"]
Wrt = Literal["features", "waveform"]
Method = Literal[
    "integrated_gradients",
    "gradient_x_input",
    "gradient_shap",
    "occlusion_time",
    "occlusion_band",
    "attention_relevance",
]
BEYOND: tuple[Selection, ...] = ("beyond_right", "beyond_wrong")
"""Rules that ask what 0.1 % of a class reach."""
LEAST_BEYOND = 1000
"""Utterances of each class that they need, so that 0.1 % is at least one."""
TARGETS: tuple[Target, ...] = get_args(Target)
BASELINES: tuple[Baseline, ...] = get_args(Baseline)
TRAINED: tuple[Baseline, ...] = ("centroid", "bonafide")
"""Those that are made of features of training data."""
BASELINES_OF_DETECTORS: tuple[Baseline, ...] = ("silence", "zeros", "noise")
"""Those that need no training data."""
METHODS: tuple[Method, ...] = get_args(Method)
PATH_INTEGRAL: Method = "integrated_gradients"
"""The method whose files bear no method in their names."""


@dataclass(frozen=True, kw_only=True)
class PathOptions(Options):
    """Of the path that Integrated Gradients follow, see `attribution.integrated`."""

    steps: int = option(50, minimum=1, maximum=100_000)
    """Points on the path to begin with."""
    max_steps: int = option(400, minimum=1, maximum=100_000)
    """Points are doubled up to this where completeness is not reached: n become 2 n - 1, because
    those that were computed are used again."""
    tolerance: float = option(0.05, exclusiveMinimum=0)
    """Relative completeness error that is accepted."""
    target: Target = option("bonafide")
    """Positive attribution is evidence for this class."""
    largest_pass: int = option(2**26, minimum=1)
    """Feature values that are computed on at once, over all clips, windows and points. It bounds
    the memory; only a single point may have more."""

    def check(self, place: str) -> None:
        """Points are doubled, so there are no fewer at the end."""
        if self.max_steps < self.steps:
            raise ConfigError(f"{place}: max_steps must not be below steps")


@dataclass(frozen=True, kw_only=True)
class AverageOptions(PathOptions):
    """Means over many windows, by frequency and time."""

    place: InitVar[str] = "attribution.averages"

    windows_per_class: int = option(2500, minimum=1)
    """Windows of bona fide speech, and of spoofs, evenly over their attacks."""
    function: Explained = option("probability")
    """What is explained: the target's probability (softmax or sigmoid) or score. Where a detector
    is sure, its probability no longer moves, and such windows count little; its score goes on
    growing."""
    baseline: Literal["zeros", "centroid"] = option("zeros")
    """Where the path starts: zeros, which is the training mean where the front-end normalises, or
    mean bona fide features of the training data."""
    internal_batch: int = option(64, minimum=1, maximum=65536)
    """Points of the path computed at once."""


@dataclass(frozen=True, kw_only=True)
class Averages(AverageOptions):
    """Means over many windows, by frequency and time, for detectors on bands."""

    detectors: tuple[str, ...] = required(minItems=1, uniqueItems=True)
    """Names of `detectors` with a frequency axis (front-ends fbank, stft and wavelet_packets) and
    windows of a fixed length; of each the first seed."""
    corpus: str = optional()
    """A corpus; default: that of `attribution`."""
    split: Split = optional()
    """One of its splits; default: that of `attribution`."""


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(PathOptions):
    """Attribution of the scores of chosen utterances."""

    place: InitVar[str] = "attribution"

    per_attack: int = option(4, minimum=1)
    """Utterances per attack, and of bona fide: a random sample. The checks of explanations are
    means over this sample."""
    select: tuple[Selection, ...] = option((), uniqueItems=True)
    """Rules by which more utterances are explained, by each detector's own score: those farthest
    from its threshold on the right or the wrong side; nearest to it on either side; or any beyond
    the thresholds that 0.1 % of the other class reach."""
    per_rule: int = option(4, minimum=1)
    """Utterances of each class by every rule of `select`."""
    utterances: str | tuple[str, ...] = option((), uniqueItems=True)
    """More utterances to explain, by name: a list, or a text file with one in each line."""
    baseline: Baseline = option("centroid")
    """Where the path starts: mean bona fide features of the training data, drawn frames of it that
    are as loud, zeros, or the features of digital silence or white noise."""
    other_baselines: tuple[Baseline, ...] = option((), uniqueItems=True)
    """More baselines. A check compares the map relative to each with that relative to `baseline`;
    gradient_shap draws from all of them."""
    wrt: Wrt = option("features")
    """What scores are attributed to: the features that the back-end sees, or samples."""
    noise_snr_db: float | None = option(None)
    """Signal-to-noise ratio of inaudible noise, such as 60. With it, a control compares maps with
    those of the same clips with noise; without, there is no such control."""
    internal_batch: int = option(16, minimum=1, maximum=65536)
    """Points computed at once, over all clips, windows and points of a path."""
    smoothing_seconds: float = option(0.1, exclusiveMinimum=0)
    """Moving average behind the regions; the nearest odd number of frames."""
    regions: int = option(3, minimum=0)
    """Top regions per utterance and class."""
    block_seconds: float = option(0.1, exclusiveMinimum=0)
    """What occlusion replaces at once."""
    controls: int = option(2, minimum=1, maximum=100_000)
    """Random masks per deletion and insertion mask."""
    randomised: int = option(20, minimum=0)
    """Utterances, of as many speakers as possible, whose map is compared with that of a randomised
    back-end. From fewer than eight nothing follows."""

    def check(self, place: str) -> None:
        """As of paths; and baselines differ, and are waveforms where samples are explained."""
        super().check(place)
        if self.baseline in self.other_baselines:
            raise ConfigError(
                f"{place}: other_baselines holds {self.baseline!r}, which is the baseline itself"
            )
        of_features = [kind for kind in (self.baseline, *self.other_baselines) if kind in TRAINED]
        if self.wrt == "waveform" and of_features:
            raise ConfigError(
                f"{place}: the baseline {of_features[0]!r} is made of features and no waveform; "
                "with wrt: waveform, choose silence or noise"
            )
        if self.wrt == "waveform" and {"zeros", "silence"} <= {
            self.baseline,
            *self.other_baselines,
        }:
            raise ConfigError(f"{place}: zeros and silence are the same waveform; name one of them")


@dataclass(frozen=True, kw_only=True)
class Attribution(ExplainOptions):
    """What in a clip moves its score, by Integrated Gradients and other methods."""

    detectors: tuple[str, ...] = required(minItems=1, uniqueItems=True)
    """Names of `detectors`; of each the first seed."""
    corpus: str = required()
    """A scored corpus."""
    split: Split = required()
    """One of its scored splits."""
    methods: tuple[Method, ...] = option((PATH_INTEGRAL,), minItems=1, uniqueItems=True)
    """Methods that explain the scores, side by side. Figures of maps show the first."""
    method_detectors: dict[str, tuple[str, ...]] = option(dict)
    """Of methods that not all detectors are explained by: the names of those that are."""
    averages: Averages = optional()
    """Means over many windows, by frequency and time, for detectors on bands."""
