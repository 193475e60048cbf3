"""Where scores come from: detectors that are trained, or were, or only their scores."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.input import Input
from spoofscope.options.training import Recipe
from spoofscope.options.trials import Label, Scored, Source, Split
from spoofscope.settings import DEFAULT_BAND

ScoreFormat = Literal[
    "asvspoof2019",
    "asvspoof2021",
    "asvspoof5",
    "file_score",
    "file_score_label",
    "file_label_score",
    "csv",
    "tsv",
]


@dataclass(frozen=True, kw_only=True)
class Aggregate(Options):
    """How the scores of a clip's windows become its own, on dev and ever after."""

    method: Literal["mean", "max", "top_k", "median"] = required()
    """max: the window with the most evidence for spoof, which is the lowest score; top_k: the
    mean of the k lowest."""
    k: int = optional(minimum=1)
    """Windows of top_k."""


@dataclass(frozen=True, kw_only=True)
class Train(Options):
    """On what and how to train."""

    data: tuple[Source, ...] = required(minItems=1)
    """Train splits that are trained on."""
    dev: tuple[Source, ...] = optional(minItems=1)
    """Dev splits for model selection and calibration; default: the corpora of `data`."""
    chain: str = optional()
    """Augmentation on the fly: a name of `chains`."""
    chain_classes: tuple[Label, ...] = optional(minItems=1, uniqueItems=True)
    """Only clips of these classes go through the chain; default: both."""
    recipe: Recipe = option(Recipe)
    """How to train; not for gmm, which is fitted once."""


@dataclass(frozen=True, kw_only=True)
class Detector(Options):
    """A detector that the study trains."""

    frontend: str = required()
    """A name of `frontends`."""
    backend: dict[str, Any] = required()
    """The back-end: its `type` and options."""
    objective: dict[str, Any] = optional()
    """What it is trained for instead of cross-entropy: its `type` and options."""
    input: Input = option(Input)
    """The input policy."""
    abstain: float = option(DEFAULT_BAND, minimum=0, exclusiveMaximum=0.5)
    """Decide nothing where the calibrated probability is within this of one half."""
    aggregate: Aggregate = optional()
    """How the scores of a clip's windows become its own, on dev and ever after."""
    seeds: tuple[Annotated[int, {"minimum": 0}], ...] = option(
        (1,), minItems=1, maxItems=100, uniqueItems=True
    )
    """Training seeds."""
    score: tuple[Scored, ...] = optional(minItems=1)
    """The trials that this detector is scored on, instead of the study's."""
    train: Train = required()
    """On what and how to train."""


@dataclass(frozen=True, kw_only=True)
class Pretrained(Options):
    """A detector that was trained elsewhere: by another study, or imported from published
    weights (`spoofscope import`)."""

    folder: str = required()
    """The detector folder."""
    score: tuple[Scored, ...] = optional(minItems=1)
    """The trials that this detector is scored on, instead of the study's."""
    reference: tuple[Source, ...] = option(list, minItems=1)
    """Train splits whose bona fide clips give the baseline `centroid` of attribution: the
    nearest that there is to its training data."""


@dataclass(frozen=True, kw_only=True)
class Columns(Options):
    """For formats with a header: the names of its columns."""

    utt_id: str = optional()
    """Of the utterance."""
    score: str = optional()
    """Of the score."""
    label: str = optional()
    """Of the label, to have it checked."""


@dataclass(frozen=True, kw_only=True)
class ScoreFile(Options):
    """A score file of somebody else."""

    corpus: str = required()
    """A corpus or an augmented copy."""
    split: Split = required()
    """One of its splits; the file has to have a score for each of its trials."""
    path: str = required()
    """The score file."""
    format: ScoreFormat = required()
    """Its format, see scores.md."""
    higher: Literal["bonafide", "spoof"] = required()
    """What a higher score in the file speaks for."""
    columns: Columns = optional()
    """For formats with a header: the names of its columns."""
    ignore_others: bool = option(False)
    """Leave out scores of what is no trial of the split; otherwise they are an error."""


@dataclass(frozen=True, kw_only=True)
class ExternalScores(Options):
    """Scores of a detector that others keep to themselves."""

    scores: tuple[ScoreFile, ...] = required(minItems=1)
    """Score files; the detector is scored on these trials and no others."""
