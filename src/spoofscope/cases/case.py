"""All that is found out about a recording for a case report."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoofscope import __version__, audio
from spoofscope.attribution.explain_recording import check_passage, explain_recording
from spoofscope.attribution.explained_recording import ExplainedRecording, as_json
from spoofscope.cases.scored_sets import NOT_AT_HAND, scored_sets, study_of, support_of
from spoofscope.cases.validation import MEANINGS, ValidatedSet, validate
from spoofscope.cases.windows import judged_windows, undecided_scores
from spoofscope.containers.kinds import kind_of
from spoofscope.containers.source import Source
from spoofscope.detector import Detector
from spoofscope.detector_folder import WEIGHTS
from spoofscope.errors import AudioError, ConfigError, SpoofscopeError
from spoofscope.figures.window_scores import JudgedWindow
from spoofscope.files import files_below, sha256_file, shown
from spoofscope.judging import Judgement
from spoofscope.metrics.measure import Measured
from spoofscope.options.attribution import PATH_INTEGRAL, Baseline
from spoofscope.settings import SETTINGS_FILE, read_settings
from spoofscope.support import Support
from spoofscope.tables import read_manifest
from spoofscope.tracing.enrolment import Enrolment
from spoofscope.tracing.judging import LoadedTracer, Trace, trace_recording

BASELINE: Baseline = "silence"
"""What explanations of a case are relative to."""


@dataclass(frozen=True)
class File:
    """The file of a recording.

    Attributes:
        name: without its folders. sha256: of its content. bytes: its size.
        kind: what its content is, such as `flac`. rate: Hz. channels.
    """

    name: str
    sha256: str
    bytes: int
    kind: str
    rate: int
    channels: int


@dataclass(frozen=True)
class Input:
    """A file that a report depends on: what it is, its name, and the SHA-256 of its content."""

    role: str
    name: str
    sha256: str


@dataclass(frozen=True)
class Case:
    """A recording, a question, and the answer of a detector.

    Attributes:
        question: what was asked, in the words of whoever asked.
        made: time of making, as text; None where none was given.
        file: the recording.
        judgement: as `Detector.predict` gives it, with the file's name for its path, and the
            validation by the sets of this case.
        settings: the detector's, see `settings.read_settings`.
        study: name of the study that the detector is from; None where it is in none.
        conditions: `COLUMN=LEVEL`, to which the validation is restricted.
        validation: of the scored sets of the study; empty where there is none.
        known_clip: corpus and split of a clip of the study that is this very file; None where none
            is.
        explained: the explanation; None where there is none, for the reason `unexplained`.
        windows: of the recording, each judged alone.
        undecided: scores between which the decision is inconclusive; they may be infinite.
        trace: of the recording; None where no tracer was given.
        inputs: all files.
    """

    question: str
    made: str | None
    file: File
    judgement: Judgement
    settings: dict[str, Any]
    study: str | None
    conditions: tuple[str, ...]
    validation: tuple[ValidatedSet, ...]
    known_clip: str | None
    explained: ExplainedRecording | None
    unexplained: str
    windows: tuple[JudgedWindow, ...]
    undecided: tuple[float, float]
    trace: Trace | None
    inputs: tuple[Input, ...]

    @property
    def validating(self) -> tuple[ValidatedSet, ...]:
        """The sets that validate; those that the detector was calibrated on do not."""
        return tuple(each for each in self.validation if not each.scored.own_dev)

    @property
    def is_supported(self) -> bool:
        """Whether there is a ratio, and every validating set supports it, of at least one."""
        said = self.judgement["validation"]
        return said is not None and said["supported"] is True


def make_case(
    detector: Detector,
    folder: str | Path,
    recording: str | os.PathLike[str],
    question: str,
    *,
    study: str | Path | None = None,
    corpora: Sequence[str] = (),
    conditions: Sequence[str] = (),
    tracer: LoadedTracer | None = None,
    enrolment: Enrolment | None = None,
    references: Sequence[str | Path] = (),
    passage: tuple[float, float] | None = None,
    made: str | None = None,
    longest: float | None = None,
) -> Case:
    """Judge, explain and trace a recording, and validate the detector for it.

    Args:
        detector: of `folder`.
        folder: the detector's.
        recording: the file.
        question: what was asked; not empty.
        study, corpora, conditions: see `scored_sets.study_of` and `scored_sets.scored_sets`.
        tracer, enrolment: see `tracing.judging.trace_recording`. The detector decides before the
            tracer does.
        references: the files behind the enrolment, for their hashes.
        passage: see `explain_recording`. All else is about the whole recording.
        made: time of making, as text.
        longest: see `Detector.predict`.

    Raises:
        AudioError: the recording cannot be read, or was written to meanwhile.
        ConfigError: the question is empty; corpora or conditions without a study; and as
            `scored_sets` and `explain_recording.check_passage`.
        ProvenanceError, TableError: as `scored_sets.scored_sets`.
        DetectorError: a value is not finite.
    """
    path, folder = Path(recording), Path(folder)
    if not question.strip():
        raise ConfigError("a case report answers a question; write what was asked")
    home = study_of(folder, study)
    if home is None and (corpora or conditions):
        raise ConfigError(
            "corpora and conditions select trials of a study, and the detector's is not known; "
            "name it, too"
        )
    scored, support = [], Support((), NOT_AT_HAND)
    if home is not None:
        scored = scored_sets(home, detector.calibration, corpora, conditions)
        support = support_of(scored)
    file = _file(path)
    judgement = detector.predict(path, longest=longest)
    if passage is not None:
        check_passage(detector, path, judgement["duration_s"], passage)
    judgement |= {"path": file.name, "validation": support.of(judgement["llr"])}
    validation = validate(scored, detector.calibration, judgement["score"])
    explained, unexplained = _explained(detector, path, file, judgement, passage)
    trace = None
    if tracer is not None:
        trace = trace_recording(
            tracer, path, longest=longest, enrolment=enrolment, detector=detector
        )
        trace["path"] = file.name
        if trace["bonafide_by"] is not None:
            trace["bonafide_by"]["validation"] = judgement["validation"]
        for clip in trace["nearest"]:
            clip["path"] = None if clip["path"] is None else Path(clip["path"]).name
    if sha256_file(path) != file.sha256:
        raise AudioError(f"{shown(path)}: the file was written to meanwhile; repeat the report")
    return Case(
        question=" ".join(question.split()),
        made=made,
        file=file,
        judgement=judgement,
        settings=read_settings(folder / SETTINGS_FILE),
        study=None if home is None else home.folder.resolve().name,
        conditions=tuple(conditions),
        validation=tuple(validation),
        known_clip=None if home is None else _known_clip(home.folder, file.sha256),
        explained=explained,
        unexplained=unexplained,
        windows=tuple(judged_windows(detector, judgement)),
        undecided=undecided_scores(detector),
        trace=trace,
        inputs=tuple(_inputs(file, folder, validation, tracer, references)),
    )


def _file(path: Path) -> File:
    clip = audio.Clip(path)
    with Source(path) as source:
        kind = kind_of(source)
    return File(
        path.name, sha256_file(path), path.stat().st_size, str(kind), clip.rate, clip.channels
    )


def _explained(
    detector: Detector,
    path: Path,
    file: File,
    judgement: Judgement,
    passage: tuple[float, float] | None,
) -> tuple[ExplainedRecording | None, str]:
    """The explanation, or None and why there is none."""
    try:
        explained = explain_recording(
            detector, path, PATH_INTEGRAL, BASELINE, regions=3, passage=passage
        )
    except SpoofscopeError as error:
        return None, str(error).replace(str(path), file.name)
    return explained._replace(path=file.name, judgement=judgement), ""


def _known_clip(study: Path, sha256: str) -> str | None:
    """Corpus and split of the study's clip that is this very file."""
    for manifest in sorted((study / "manifests").glob("*.tsv")):
        if manifest.stem.endswith(".problems"):
            continue
        table = read_manifest(manifest)
        if "sha256" in table.columns:
            same = table.filter(sha256=sha256)
            if same.height:
                row = same.row(0, named=True)
                return f"{row['utt_id']} of {manifest.stem}, split {row['split']}"
    return None


def _inputs(
    file: File,
    folder: Path,
    validation: Sequence[ValidatedSet],
    tracer: LoadedTracer | None,
    references: Sequence[str | Path],
) -> list[Input]:
    inputs = [Input("recording", file.name, file.sha256)]
    inputs += [
        Input("detector", name, sha256_file(folder / name)) for name in (SETTINGS_FILE, WEIGHTS)
    ]
    for each in validation:
        inputs += [
            Input("scores", each.scored.scores.name, sha256_file(each.scored.scores)),
            Input("trials", each.scored.manifest.name, sha256_file(each.scored.manifest)),
        ]
    if tracer is not None:
        inputs += [
            Input("tracer's errors", path.name, sha256_file(path))
            for path in ([] if tracer.traced is None else tracer.traced.files)
        ]
        inputs += [
            Input("tracer", path.relative_to(tracer.folder).as_posix(), sha256_file(path))
            for path in sorted(files_below(tracer.folder))
            if not path.name.endswith(".origin.json")
        ]
    inputs += [Input("references", Path(path).name, sha256_file(path)) for path in references]
    # Several sets are of one manifest.
    return list(dict.fromkeys(inputs))


def numbers_of(case: Case) -> dict[str, Any]:
    """All numbers of a case, JSON-able."""
    return {
        "question": case.question,
        "made": case.made,
        "recording": {**vars(case.file), "duration_s": case.judgement["duration_s"]},
        "judgement": case.judgement,
        "study": case.study,
        "conditions": list(case.conditions),
        "validation": [_numbers_of_set(each) for each in case.validation],
        "known_clip": case.known_clip,
        "explanation": None if case.explained is None else as_json(case.explained),
        "unexplained": case.unexplained or None,
        "trace": case.trace,
        "inputs": [vars(each) for each in case.inputs],
        "spoofscope": __version__,
    }


def _numbers_of_set(each: ValidatedSet) -> dict[str, Any]:
    def written(measured: Measured) -> dict[str, Any]:
        low, high = measured.interval or (None, None)
        return {"value": measured.value, "ci_low": low, "ci_high": high}

    diagram, supported = each.reliability, each.scored.supported
    return {
        "corpus": each.scored.corpus,
        "split": each.scored.split,
        "condition": each.scored.condition or None,
        "own_dev": each.scored.own_dev,
        "n_bonafide": each.n_bonafide,
        "n_spoof": each.n_spoof,
        "n_speakers": each.n_speakers,
        "n_attacks": each.n_attacks,
        "unit": each.unit,
        "numbers": {
            name: {**written(each.measured[name]), "meaning": MEANINGS[name]}
            for name in each.measured
        },
        "reliability": None if diagram is None else diagram.table.to_dicts(),
        "supported": None if supported is None else supported.limits,
    }
