"""What a study needs that is not made from its own files: corpora, noise, backbones, detectors."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spoofscope.errors import bounded
from spoofscope.files import one_line, shown
from spoofscope.study import Study

_NOISE = {
    "musan": "https://www.openslr.org/17 (musan.tar.gz)",
    "rirs": "https://www.openslr.org/28 (rirs_noises.zip)",
}


_IMPORT = "published weights: `spoofscope import`; a study: its detectors/NAME-HASH/seedN"


@dataclass(frozen=True)
class Need:
    """One thing that a study reads and does not make.

    kind: corpus, archive, noise, backbone, alignment, detector, scores or verifier (scores of
    speakers). name: its name in the study file. place: the file or folder where it is looked for.
    source: where it is had; "-" where only the user knows. fetched: whether the workflow downloads
    it; otherwise it has to be put there. present: whether it is there. problem: why it cannot be
    used although something is there.
    """

    kind: str
    name: str
    place: str
    source: str
    fetched: bool
    present: bool
    problem: str = ""


def needs(study: Study) -> list[Need]:
    """Everything that a study reads and does not make, in the order of the study file.

    One that is missing hides no other: a study whose detectors are not all there yet is loaded with
    `absent_detectors`. A folder is present when there is something in it; what is in it is not
    looked at: the corpus' manifest and audit do that.
    """
    return [
        *_corpora(study),
        *(
            _placed("noise", kind, study.noise_root(kind), source)
            for kind, source in _NOISE.items()
            if "path" in study.config["noise"].get(kind, {})
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


def as_text(found: Sequence[Need]) -> str:
    """One paragraph per need: what, whether it is there, where it belongs and where it is had."""
    lines = []
    for need in found:
        state = "present" if need.present else "to be downloaded by the workflow"
        if not need.present and not need.fetched:
            state = "missing: put it there, or link it"
        lines += [f"{need.kind} {need.name}: {state}", f"    {bounded(shown(need.place))}"]
        if need.problem:
            lines.append(f"    {one_line(need.problem)}")
        if not need.present and need.source != "-":
            lines.append(f"    from {one_line(need.source)}")
    return "\n".join(lines)


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
            source = source_of(entry["type"]) or "-"
            found.append(_placed("corpus", name, study.corpus_root(name), source))
        for archive in entry.get("archives", []):
            place = study.layout.archive(archive["sha256"])
            present = Path(place).is_file()
            found.append(Need("archive", name, place, archive["url"], True, present))
    return found


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
