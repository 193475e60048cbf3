"""What a study needs that is not made from its own files: corpora, noise, backbones, detectors, and
packages that few studies need.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spoofscope.distribution import NO_SIZE, Distribution, Size, of_noise, of_reader, size_of
from spoofscope.errors import SpoofscopeError, bounded
from spoofscope.files import one_line, shown
from spoofscope.pace import duration
from spoofscope.packages import ALIGNERS, EFFECTS, FRONTENDS
from spoofscope.study import Config, Study
from spoofscope.study.references import checksum_of

_BITS_PER_SECOND = 100e6

_INSTALLED = {"synthesizer": "command", "package": "package"}
"""What is installed instead of put somewhere: kind to what it is."""

_IMPORT = "published weights: `spoofscope import`; a study: its detectors/NAME-HASH/seedN"


@dataclass(frozen=True)
class Need:
    """One thing that a study reads and does not make.

    kind: corpus, archive, noise, backbone, alignment, detector, scores, verifier (scores of
    speakers), synthesizer (a command) or package (of Python). name: its name in the study file, or
    that of the command or package. place: the file or folder where it is looked for. source: where
    it is had; "-" where only the user knows. fetched:
    whether the workflow downloads it; otherwise it has to be put there. present: whether it is
    there. problem: why it cannot be used although something is there. size: of what is downloaded.
    """

    kind: str
    name: str
    place: str
    source: str
    fetched: bool
    present: bool
    problem: str = ""
    size: Size = NO_SIZE


def needs(study: Study) -> list[Need]:
    """Everything that a study reads and does not make, in the order of the study file.

    One that is missing hides no other: a study whose detectors are not all there yet is loaded with
    `absent_detectors`. A folder is present when there is something in it; what is in it is not
    looked at: the corpus' manifest and audit do that.
    """
    return [
        *_corpora(study),
        *_synthesizers(study),
        *_packages(study),
        *(
            _given_out("noise", kind, study.noise_root(kind), of_noise(kind))
            for kind in ("musan", "rirs")
            if "path" in study.config["noise"].get(kind, {})
        ),
        *(
            need
            for kind, entry in study.config["noise"].items()
            for need in _archives(study, kind, entry)
        ),
        *_backbones(study),
        *(
            _placed("alignment", name, entry["path"])
            for name, entry in study.config["aligners"].items()
            if "path" in entry
        ),
        *_of_others(study),
    ]


def missing(study: Study) -> list[Need]:
    """What has to be fetched or put in place before all of a study can be made."""
    return [need for need in needs(study) if not need.present]


@dataclass(frozen=True)
class KeptFeatures:
    """How much disc the kept output of a front-end needs.

    features: its id. n_bytes: None where it cannot be said, see `problem`. at_least: whether only
    the number of clips is known, and not their durations. sets: (corpus, split) of the clips.
    unknown: those whose number of clips is not known, which `n_bytes` leaves out.
    """

    features: str
    n_bytes: int | None
    at_least: bool
    sets: tuple[tuple[str, str], ...]
    unknown: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def kept_features(study: Study) -> list[KeptFeatures]:
    """The disc that kept output of frozen front-ends needs, by the manifests that are there, or by
    the published numbers of clips.
    """
    from spoofscope.features import bytes_of_windows
    from spoofscope.frontends.registry import build
    from spoofscope.inputs import policy_of
    from spoofscope.windows import InputPolicy

    found = []
    for features, sets in _kept_sets(study).items():
        settings = study.features(features)
        durations = {pair: _durations(study, *pair) for pair in sets}
        known = {pair: clips for pair, clips in durations.items() if clips is not None}
        unknown = tuple(pair for pair in sets if pair not in known)
        at_least = any(0.0 in clips for clips in known.values())
        try:
            frontend = build(settings["frontend"])
            policy = policy_of(frontend, InputPolicy.from_dict(settings["input"]))
        except SpoofscopeError as error:
            # Its size is in the configuration of a backbone that is still to be downloaded.
            found.append(KeptFeatures(features, None, False, sets, (), str(error)))
            continue
        n_bytes = bytes_of_windows(frontend, policy, [s for clips in known.values() for s in clips])
        found.append(KeptFeatures(features, n_bytes, at_least, sets, unknown))
    return found


def _kept_sets(study: Study) -> dict[str, tuple[tuple[str, str], ...]]:
    """Id of kept features to the sets of clips."""
    found: dict[str, dict[tuple[str, str], None]] = {}
    for run in [*study.runs, *study.tracers]:
        if not study.is_cached(run):
            continue
        name = study.run(run).detector
        pairs = [(source["corpus"], "dev") for source in study.dev_sources(name)]
        if study.trains_on_features(run):
            pairs += [(source["corpus"], "train") for source in study.train_sources(name)]
        pairs += study.traced_by(run) if run in study.tracers else study.scored_by(run)
        found.setdefault(study.features_id(run), {}).update(dict.fromkeys(pairs))
    return {features: tuple(sorted(pairs)) for features, pairs in found.items()}


def _durations(study: Study, corpus: str, split: str) -> list[float] | None:
    """Seconds of the clips of a split; 0 where only their number is known, None where nothing."""
    from spoofscope.corpora.registry import build
    from spoofscope.tables import read_manifest

    path = Path(study.layout.manifest(corpus))
    if path.is_file():
        return list(read_manifest(path).filter(split=split)["duration"])
    original = study.copies[corpus]["corpus"] if corpus in study.copies else corpus
    entry = study.corpora[original]
    options = {key: value for key, value in entry.items() if key != "archives"}
    counts = build(options, study.corpus_root(original), key=original).published_counts() or {}
    n = sum(count for (of_split, _), count in counts.items() if of_split == split)
    return [0.0] * n if n else None


def features_as_text(found: Sequence[KeptFeatures]) -> str:
    """One paragraph per front-end and input: how much disc, and of which clips."""
    lines = []
    for one in found:
        size = "of unknown size"
        if one.n_bytes is not None:
            size = f"{'at least ' if one.at_least or one.unknown else ''}{one.n_bytes / 1e9:.3g} GB"
        lines.append(f"kept features {one.features}: {size} of disc")
        lines.append(f"    {', '.join('.'.join(pair) for pair in one.sets)}")
        if one.unknown:
            sets = ", ".join(".".join(pair) for pair in one.unknown)
            lines.append(f"    without {sets}: how many clips these have is not known yet")
        if one.at_least:
            lines.append("    a window per clip: how long the clips are is not known yet")
        if one.problem:
            lines.append(f"    {one_line(one.problem)}")
    return "\n".join(lines)


def as_text(found: Sequence[Need]) -> str:
    """One paragraph per need: what, whether it is there, where it belongs and where it is had."""
    if not found:
        return "the study reads nothing that it does not make"
    lines = []
    for need in found:
        state = "present" if need.present else "to be downloaded by the workflow"
        if not need.present and not need.fetched:
            state = "missing: put it there, or link it"
            if need.kind in _INSTALLED:
                state = f"missing: install this {_INSTALLED[need.kind]}"
        lines += [f"{need.kind} {need.name}: {state}", f"    {bounded(shown(need.place))}"]
        if need.problem:
            lines.append(f"    {one_line(need.problem)}")
        if not need.present and need.source != "-":
            lines.append(f"    from {one_line(need.source)}")
        if not need.present and need.size.n_bytes:
            lines.append(f"    {_amount([need])}")
    for fetched, who in ((True, "by the workflow"), (False, "by you")):
        absent = [need for need in found if need.fetched is fetched and not need.present]
        if any(need.size.n_bytes for need in absent):
            lines.append(f"to be downloaded {who}: {_amount(absent)}")
    return "\n".join(lines)


def _amount(found: Sequence[Need]) -> str:
    """How much, and how long that takes; what several entries read from one place, once."""
    size = sum({need.place: need.size for need in found}.values(), Size(0))
    seconds = size.n_bytes * 8 / _BITS_PER_SECOND
    return f"{size}, {duration(seconds)} at 100 Mbit/s"


def _given_out(kind: str, name: str, place: str, given: Distribution | None) -> Need:
    """Data that somebody has to put in place, as their authors give them out."""
    if given is None:
        return _placed(kind, name, place)
    need = _placed(kind, name, place, given.obtain or "-")
    return replace(need, size=given.size)


def _placed(kind: str, name: str, place: str, source: str = "-") -> Need:
    try:
        present = os.path.isfile(place) or bool(os.path.isdir(place) and os.listdir(place))
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}"
        return Need(kind, name, place, source, False, False, problem)
    return Need(kind, name, place, source, False, present)


def _corpora(study: Study) -> list[Need]:
    from spoofscope.corpora.registry import source_of

    found = []
    for name, entry in study.corpora.items():
        if "path" in entry:
            need = _given_out("corpus", name, study.corpus_root(name), of_reader(entry["type"]))
            found.append(replace(need, source=source_of(entry["type"]) or "-"))
        found += _archives(study, name, entry)
    return found


def _archives(study: Study, name: str, entry: Config) -> list[Need]:
    """What the workflow fetches for an entry of `corpora` or `noise`."""
    from spoofscope.corpora.download import is_there

    found = []
    for archive in entry.get("archives", []):
        place = study.layout.archive(checksum_of(archive))
        need = Need("archive", name, place, archive["url"], True, is_there(place))
        size = Size(archive["size"]) if "size" in archive else size_of(checksum_of(archive))
        found.append(replace(need, size=size))
    return found


def _synthesizers(study: Study) -> list[Need]:
    """The commands that speak corpora, each once."""
    from spoofscope.corpora.tts.engines import ENGINES

    names = dict.fromkeys(
        voices["engine"]
        for entry in study.corpora.values()
        if entry["type"] == "tts"
        for voices in entry["engines"]
    )
    found = []
    for name in names:
        engine = ENGINES[name]
        source = f"{engine.install}; more voices: {engine.voice_packages}"
        present = shutil.which(engine.command) is not None
        found.append(Need("synthesizer", name, engine.command, source, False, present))
    return found


def _packages(study: Study) -> list[Need]:
    """The packages that components of the study read, each once."""
    config = study.config
    # Detectors of others bring front-ends of their own.
    theirs = [study.run(run).settings.get("frontend", {}) for run in study.runs]
    wanted = [
        *(EFFECTS.get(step["effect"]) for chain in config["chains"].values() for step in chain),
        *(FRONTENDS.get(entry["type"]) for entry in config["frontends"].values()),
        *(FRONTENDS.get(entry.get("type", "")) for entry in theirs),
        *(ALIGNERS.get(entry["type"]) for entry in config["aligners"].values()),
    ]
    return [
        Need(
            *("package", package.requirement, str(package.file or package.module)),
            *(package.install, False, package.file is not None),
        )
        for package in dict.fromkeys(wanted)
        if package is not None
    ]


def _backbones(study: Study) -> list[Need]:
    found = []
    for name, entry in study.config["backbones"].items():
        place = study.backbone_folder(name)
        if "folder" in entry:
            found.append(_placed("backbone", name, place))
        elif "hub" in entry:
            source = f"https://huggingface.co/{entry['hub']} at {entry['revision']}"
            present = (Path(place) / "config.json").is_file()
            found.append(Need("backbone", name, place, source, True, present))
    return found


def _of_others(study: Study) -> list[Need]:
    lacking = {(absent.kind, absent.name): absent for absent in study.absent}
    found = []
    for name, entry in study.config["detectors"].items():
        if "folder" in entry:
            need = _placed("detector", name, entry["folder"], _IMPORT)
            absent = lacking.get(("detector", name))
            if absent:
                # What is in the folder is said; that there is none needs no more words.
                problem = need.problem or (absent.message if need.present else "")
                need = Need("detector", name, need.place, _IMPORT, False, False, problem)
            found.append(need)
            if backbone := lacking.get(("backbone", name)):
                found.append(Need("backbone", name, backbone.place, "-", False, False))
        for scores in entry.get("scores", []):
            found.append(_placed("scores", name, scores["path"]))
    for entry in study.config["tdcf"]:
        if "scores" in entry:
            name = f"{entry['corpus']}.{entry['split']}"
            found.append(_placed("verifier", name, entry["scores"]))
    return found
