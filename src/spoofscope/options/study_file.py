"""All keys of a study file."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from spoofscope.options.annotation import Annotation
from spoofscope.options.attribution import Attribution
from spoofscope.options.declared import Options, option, optional, required
from spoofscope.options.fingerprints import Fingerprints
from spoofscope.options.layers import Layers
from spoofscope.options.masking import Masking
from spoofscope.options.robustness import Robustness
from spoofscope.options.scores import (
    Artefacts,
    Bootstrap,
    Comparisons,
    Disagreement,
    Exports,
    Figures,
    Fusion,
    Generators,
    Published,
    Reliability,
    Tandem,
)
from spoofscope.options.shortcuts import Shortcuts
from spoofscope.options.tracers import Tracing
from spoofscope.options.trials import Label, Name, Scored, Split
from spoofscope.options.verification import Verification

_NAMES = {"$ref": "#/$defs/name"}
_Entry = dict[str, Any]
# Its defaults are filled in where it is read: ids are hashes of what is written.
_Backbone = Annotated[_Entry, {"$ref": "#/$defs/backbone"}]
_Parts = Annotated[int, {"minimum": 1, "maximum": 1000}]
_Condition = Annotated[
    str, {"pattern": r"[^+]+(\+[^+]+)*", "title": "a column, or several with + between"}
]


@dataclass(frozen=True, kw_only=True)
class Author(Options):
    """Somebody who answers for the results."""

    name: str = required()
    """Full name."""
    affiliation: str = optional()
    """Organisation."""
    orcid: str = optional(pattern=r"^https://orcid\.org/[0-9X-]{19}$")
    """Address of the ORCID record."""


@dataclass(frozen=True, kw_only=True)
class Shards(Options):
    """Number of parts by split."""

    train: _Parts = option(1)
    """Parts of the train split."""
    dev: _Parts = option(1)
    """Parts of the dev split."""
    eval: _Parts = option(1)
    """Parts of the eval split."""


@dataclass(frozen=True, kw_only=True)
class Noise(Options):
    """Where a folder of noise comes from: one of these."""

    path: str = optional()
    """The folder."""
    generate: Literal["mini"] = optional()
    """Synthesise a small one."""
    archives: Literal["published"] = optional()
    """Download and unpack the archive of MUSAN or RIRS_NOISES; see [corpora.md](corpora.md)."""


@dataclass(frozen=True, kw_only=True)
class NoiseFolders(Options):
    """Folders of noise and of room responses."""

    musan: Noise = optional(minProperties=1, maxProperties=1)
    """Noise, music and speech for the effect musan."""
    rirs: Noise = optional(minProperties=1, maxProperties=1)
    """Room responses for the effect rir."""


@dataclass(frozen=True, kw_only=True)
class Copy(Options):
    """A copy of a corpus through an augmentation chain."""

    corpus: str = required()
    """The corpus that is copied."""
    chain: str = required()
    """The augmentation chain."""
    sample_rate: int = option(16000, minimum=1000, maximum=768_000)
    """Hz of the copies."""
    splits: tuple[Split, ...] = required(minItems=1, uniqueItems=True)
    """The splits to copy."""
    classes: tuple[Label, ...] = optional(minItems=1, uniqueItems=True)
    """Only clips of these classes go through the chain, others are copied as they are, which plants
    a cue; default: both."""


# One line that a figure has room for.
_Shown = Annotated[str, {"pattern": r"\S(.*\S)?", "maxLength": 60, "title": "a name in one line"}]


@dataclass(frozen=True, kw_only=True)
class Names(Options):
    """What figures, printed tables and the report call what the study file names."""

    systems: dict[str, _Shown] = option(dict)
    """Detector, fusion or tracer to its name for people."""
    corpora: dict[str, _Shown] = option(dict)
    """Corpus or augmented copy to its name for people."""
    attacks: dict[str, _Shown] = option(dict)
    """Attack to its name for people."""
    conditions: dict[str, _Shown] = option(dict)
    """Condition, a column of manifests, to its name for people."""
    levels: dict[str, dict[str, _Shown]] = option(dict)
    """Condition to the names of its levels for people."""


@dataclass(frozen=True, kw_only=True)
class StudyFile(Options):
    """A study."""

    study: Name = required()
    """Name of the study; results lie under results/{study}."""
    title: str = optional()
    """Heading of the report; default: the name of the study."""
    description: str = optional()
    """What the study asks, in a few sentences for the report."""
    names: Names = option(Names)
    """What figures, printed tables and the report call systems, corpora, attacks and conditions;
    scores, metrics and tables for machines keep the names of the study file."""
    caveats: tuple[str, ...] = option(list)
    """Sentences that the report prints beside the numbers."""
    authors: tuple[Author, ...] = option(list)
    """Who answers for the results; named in the research object."""
    license: str = optional()
    """Licence of the results: an SPDX identifier such as CC-BY-4.0, or an address."""
    seed: int = option(1, minimum=0)
    """Seeds everything but the trainings: generation, augmentation, bootstrap, selection."""
    data_root: str = option("resources")
    """Folder for downloads, generated corpora and backbones."""
    feature_store: str = optional()
    """Folder in which studies share the output of frozen front-ends, such as resources/features;
    see training.md."""
    scatter_shards: Shards = option(Shards)
    """Into how many jobs the work on the utterances of a split is cut."""
    corpora: dict[str, _Entry] = required(propertyNames=_NAMES)
    """Name to corpus."""
    noise: NoiseFolders = option(NoiseFolders)
    """Folders in MUSAN's and in RIRS_NOISES' layout."""
    chains: dict[str, Annotated[tuple[_Entry, ...], {"minItems": 1}]] = option(
        dict, propertyNames=_NAMES
    )
    """Name to augmentation chain: effects in order, each with its probability."""
    augmented: dict[str, Copy] = option(dict, propertyNames=_NAMES)
    """Name to offline augmented copy of a corpus; a copy is used like a corpus."""
    backbones: dict[str, _Backbone] = option(dict, propertyNames=_NAMES)
    """Name to SSL backbone."""
    frontends: dict[str, _Entry] = option(dict, propertyNames=_NAMES)
    """Name to front-end; a study that trains nothing needs none."""
    detectors: dict[str, _Entry] = option(dict, propertyNames=_NAMES)
    """Name to detector: front-end, back-end, input policy and training; or what others trained or
    scored. A study without one looks at corpora alone."""
    tracers: dict[str, _Entry] = option(dict, propertyNames=_NAMES)
    """Name to tracer: a network that names the attack behind a spoof; see tracing.md."""
    score: tuple[Scored, ...] = optional(minItems=1)
    """The trials that detectors are scored on; required where a detector has no `score` of its
    own."""
    conditions: tuple[_Condition, ...] = option(list, uniqueItems=True)
    """Manifest columns by which error rates are broken down, such as attack, codec or codec+attack;
    a corpus that lacks a column is not broken down by it."""
    bootstrap: Bootstrap = option(Bootstrap)
    """Intervals of the error rates."""
    fusion: dict[str, Fusion] = option(dict, propertyNames=_NAMES)
    """Name to score fusion."""
    comparisons: Comparisons = optional()
    """Which systems are compared in pairs on the eval sets, by paired bootstrap; see scores.md."""
    published: tuple[Published, ...] = option(list)
    """Numbers that others published, and the systems here that they are compared with; see
    papers.md."""
    reliability: Reliability = optional()
    """Reliability diagrams and calibration errors of the probabilities on the eval sets; see
    scores.md."""
    disagreements: tuple[Disagreement, ...] = option(list, minItems=1)
    """Clips that one system gets right and another wrong are listed, and some exported as audio;
    see explanations.md."""
    generators: Generators = optional()
    """Every detector against every generator (attack) of eval sets, by what it was trained on; see
    generators.md."""
    tdcf: tuple[Tandem, ...] = option(list)
    """Scored sets for which there is a speaker verifier, and so a tandem detection cost."""
    exports: Exports = optional()
    """Scores in the submission format of ASVspoof 5."""
    aligners: dict[str, _Entry] = option(dict, propertyNames=_NAMES)
    """Name to aligner: what finds phones or characters, words and silences in clips; see
    alignment.md."""
    attribution: Attribution = optional()
    """Which scores are explained, and how."""
    annotation: Annotation = optional()
    """Explained clips that people label, and what they have said; see labelling.md."""
    masking: Masking = optional()
    """Causal masking: what is taken out of recordings, and which scores change; see masking.md."""
    shortcuts: Shortcuts = optional()
    """Counterfactual audit: suspected cues change sides, and decisions follow or not; see
    shortcuts.md."""
    robustness: Robustness = optional()
    """Laundering: recordings go through chains, and the threshold stays; see robustness.md."""
    figures: Figures = optional()
    """What figures show that have a curve, a row or a panel per system; without it all systems, and
    no such figures where these are more than 48 with their seeds."""
    artefacts: Artefacts = optional()
    """Which signals are measured."""
    fingerprints: Fingerprints = optional()
    """Mean spectra of generators, see fingerprints.md."""
    tracing: Tracing = optional()
    """Source tracing: which attack made a spoof; see tracing.md."""
    verification: Verification = optional()
    """Source verification: whether clips and a few references have the same source; see
    tracing.md."""
    layers: Layers = option(Layers)
    """What is asked about the layers of SSL backbones, besides the learned mixes, which are always
    read out."""
