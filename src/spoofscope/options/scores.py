"""What a study file may ask about scores."""

from dataclasses import dataclass
from typing import Annotated, Literal

from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.tandem import TandemCosts
from spoofscope.options.trials import Matched, Name, Split, Trials


@dataclass(frozen=True, kw_only=True)
class Bootstrap(Options):
    """Intervals of the error rates."""

    resamples: int = option(1000, minimum=0, maximum=1_000_000)
    """0 turns intervals off, at least 100 otherwise."""
    cluster: str | None = optional()
    """Manifest column whose values are resampled as wholes (trials where it is unknown one by one);
    `none` resamples trials. Default: speaker, where at least two speakers of a set are known."""


@dataclass(frozen=True, kw_only=True)
class Fusion(Options):
    """Several detectors as one."""

    detectors: tuple[str, ...] = required(minItems=2, uniqueItems=True)
    """Names of `detectors`; of each the first seed."""
    method: Literal["logistic", "linear", "mean", "znorm_mean", "rank_mean"] = option("logistic")
    """How the scores are combined."""
    fit: Trials = required()
    """The scored trials that the fusion is fitted on; not eval."""


@dataclass(frozen=True, kw_only=True)
class Comparisons(Options):
    """Which systems are compared in pairs on the eval sets, by paired bootstrap; see scores.md."""

    systems: tuple[str, ...] = optional(minItems=2, uniqueItems=True)
    """Names of `detectors` and `fusion`, of each the first seed; default those that figures
    show."""
    resamples: int = option(2000, minimum=100, maximum=1_000_000)
    """Bootstrap resamples, clustered as `bootstrap` says; 2000 are enough for 10 systems."""


@dataclass(frozen=True, kw_only=True)
class Reliability(Options):
    """Reliability diagrams and calibration errors of the probabilities on the eval sets; see
    scores.md.
    """

    systems: tuple[str, ...] = optional(minItems=1, uniqueItems=True)
    """Names of `detectors` and `fusion`, of each the first seed; default those that figures
    show."""
    bins: int = option(15, minimum=1, maximum=1000)
    """Bins of the probability."""
    prior: float = option(0.5, exclusiveMinimum=0, exclusiveMaximum=1)
    """Of bona fide, to which the classes are weighted."""


@dataclass(frozen=True, kw_only=True)
class Disagreement(Options):
    """Clips that one system gets right and another wrong."""

    name: Name = optional()
    """Of the files; default: the names of the two systems with `_not_` between them."""
    right: str = required()
    """A name of `detectors` (of which the first seed) or `fusion`: it has to be right."""
    wrong: str = required()
    """Another: it has to be wrong."""
    threshold: Trials = optional()
    """Scored trials at whose EER each has its threshold; default: that of its own dev data, which
    detectors that come from elsewhere have none of."""
    corpus: str = required()
    """A corpus that both score."""
    split: Split = required()
    """One of its splits that both score."""
    clips: int = option(10, minimum=0, maximum=20)
    """Clips that are exported as audio, drawn evenly over the attacks and bona fide."""
    seconds: float = option(10.0, exclusiveMinimum=0)
    """Of each exported clip, from its start."""


@dataclass(frozen=True, kw_only=True)
class Generators(Options):
    """Every detector against every generator (attack) of eval sets, by what it was trained on; see
    generators.md.
    """

    systems: tuple[str, ...] = optional(minItems=1, uniqueItems=True)
    """Names of `detectors` and `fusion`, with all their seeds; default all."""
    trials: tuple[Matched, ...] = required(minItems=1)
    """The scored eval sets; of a corpus that none of them was trained on the figure shows all
    spoofs together."""
    threshold: Trials = optional()
    """Scored trials at whose equal error rate the systems decide, for those of others that have no
    threshold; default: what each keeps from its own development data."""


Share = Annotated[float, {"minimum": 0, "maximum": 1}]


@dataclass(frozen=True, kw_only=True)
class Rates(Options):
    """Error rates of a speaker verifier, as shares."""

    p_miss: Share = required()
    """Targets rejected."""
    p_fa: Share = required()
    """Nontargets accepted."""
    p_fa_spoof: Share = required()
    """Spoofs accepted."""


@dataclass(frozen=True, kw_only=True)
class Tandem(Options):
    """A speaker verifier behind the detector."""

    corpus: str = required()
    """A corpus or an augmented copy."""
    split: Split = required()
    """One of its scored splits."""
    form: Literal["2019", "2021"] = required()
    """Of the t-DCF, quoted: that of ASVspoof 2019, or of 2021 and 5."""
    scores: str = optional()
    """The verifier's score file: lines that end in target, nontarget or spoof and the score."""
    rates: Rates = optional()
    """Instead of its scores, its error rates as shares."""
    costs: TandemCosts = option(TandemCosts)
    """Priors and costs; default: those of the challenges."""


Headline = Literal[
    "eer",
    "min_dcf",
    "act_dcf",
    "act_dcf_calibrated",
    "cllr",
    "cllr_calibrated",
    "min_cllr",
    "bonafide_rejected",
    "spoof_accepted",
    "hter",
    "auc",
    "min_tdcf",
    "act_tdcf",
    "act_tdcf_calibrated",
]


@dataclass(frozen=True, kw_only=True)
class Published(Options):
    """A number that others published, beside which the report sets that of a system here."""

    system: str = required()
    """A name of `detectors` or `fusion`: the one that is like the published system."""
    corpus: str = required()
    """A corpus or an augmented copy."""
    split: Split = required()
    """One of its splits that the system is scored on."""
    metric: Headline = required()
    """What was measured."""
    value: str = required(pattern=r"-?[0-9]+(\.[0-9]+)?", title="a quoted number")
    """The published value with all of its digits, quoted: "4.10" has one more than "4.1"."""
    unit: Literal["share", "percent"] = option("share")
    """Of the value."""
    seeds: int | None = optional(minimum=1)
    """Trainings that the value is the mean of; null where it is not said."""
    source: str = required()
    """The paper, as it is cited."""
    place: str = required()
    """Table, figure or page in it."""
    doi: str = optional(pattern=r"10\.[0-9]+/\S+", title="a DOI, such as 10.1000/182")
    """Its DOI."""
    unlike: str = optional()
    """Why the two numbers cannot be compared, if they cannot: the report says so instead of a
    verdict."""


@dataclass(frozen=True, kw_only=True)
class Exports(Options):
    """Scores in the submission format of ASVspoof 5."""

    systems: tuple[str, ...] = optional(minItems=1, uniqueItems=True)
    """Names of `detectors` and `fusion`, of each the first seed; default all."""
    trials: tuple[Trials, ...] = required(minItems=1)
    """The scored trials, for every system that scores them."""
    calibrated: bool = option(False)
    """Write calibrated log-likelihood ratios instead of the scores as they are."""


@dataclass(frozen=True, kw_only=True)
class Figures(Options):
    """What figures show that have a curve, a row or a panel per system; without it all systems, and
    no such figures where these are more than 48 with their seeds.
    """

    systems: tuple[str, ...] = required(minItems=1, uniqueItems=True)
    """Names of `detectors` and `fusion`."""


@dataclass(frozen=True, kw_only=True)
class Artefacts(Options):
    """Which signals are measured."""

    trials: tuple[Trials, ...] = required(minItems=1)
    """The scored trials whose signal is measured and correlated."""
    published_measures: bool = option(False)
    """Whether the ten measures of Staněk et al. (Interspeech 2026) are taken, too, with their
    faults, and the EER of each as it was published."""
    permutations: int = option(10_000, minimum=100, maximum=10_000_000)
    """Behind the p values of measures against scores where speakers are not known; Holm's
    correction needs many."""
