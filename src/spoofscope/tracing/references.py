"""References from files: sources that a tracer is shown, and the trace of a recording over them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spoofscope.audio import has_suffix
from spoofscope.corpora.base import audio_paths
from spoofscope.errors import AudioError, ConfigError, DetectorError, TableError
from spoofscope.files import read_json, shown
from spoofscope.judging import Recording
from spoofscope.names import is_answer
from spoofscope.options import nearest
from spoofscope.tracing.enrolment import CALIBRATION_KEYS, Enrolment, enrol, read_enrolment
from spoofscope.tracing.judging import LoadedTracer, heard_outputs
from spoofscope.tracing.verification import unit_vectors


def enrol_recordings(
    tracer: LoadedTracer,
    references: Mapping[str, Sequence[Recording]],
    calibration: Mapping[str, Any] | None = None,
) -> Enrolment:
    """Enrol attacks by a few recordings of each; nothing is trained.

    Args:
        tracer: of `judging.load_tracer`.
        references: name of an attack to its recordings, see `Detector.predict`.
        calibration: of cosines at the level `attack`, see :func:`read_calibration`.

    Raises:
        TableError: as `enrolment.enrol`; a name is an answer of the tracer already.
        AudioError: a recording cannot be read or judged; a file is named.
    """
    for name in references:
        if name in tracer.fitted.classes or is_answer(name):
            raise TableError(
                f"{name!r} is an answer that this tracer gives already; enrol the references under "
                "another name"
            )
    parts, clips = [], {}
    for name, recordings in references.items():
        clips[name] = [f"{name}/{place}" for place in range(len(recordings))]
        for clip, recording in zip(clips[name], recordings, strict=True):
            heard, outputs = heard_outputs(tracer, recording)
            if heard.reasons:
                where = "a reference" if heard.path is None else shown(heard.path)
                raise AudioError(
                    f"{where}: no reference of {name!r}: {heard.reasons[0]}; take another recording"
                )
            parts.append(([clip], outputs))
    if not parts:
        raise TableError("there are no recordings to enrol sources by")
    identity = str(tracer.network.identity)
    return enrol(unit_vectors(parts), clips, "attack", identity, calibration)


def find_references(folders: Iterable[str | Path]) -> dict[str, list[str]]:
    """Name of an attack to its recordings, sorted.

    Args:
        folders: of recordings of one attack, whose name is the folder's; or of such folders.

    Raises:
        ConfigError: a folder is missing or without recordings, or has them beside folders; two
            attacks have the same name.
    """
    references: dict[str, list[str]] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise ConfigError(f"{shown(str(folder))}: there is no such folder of references")
        inner = sorted({Path(path).relative_to(folder).parts[0] for path in audio_paths(folder)})
        nested = [name for name in inner if (folder / name).is_dir()]
        if not inner:
            raise ConfigError(f"{shown(str(folder))}: there are no recordings to enrol")
        if nested and len(nested) < len(inner):
            raise ConfigError(
                f"{shown(str(folder))}: recordings lie beside folders of recordings; give each "
                "attack a folder of its own"
            )
        for inner_folder in [folder / name for name in nested] or [folder]:
            name = inner_folder.resolve().name
            if name in references:
                raise ConfigError(
                    f"{shown(str(inner_folder))}: references of {name!r} were already given"
                )
            references[name] = sorted(audio_paths(inner_folder))
    return references


def read_calibration(path: str | Path, tracer: LoadedTracer) -> dict[str, Any]:
    """The calibration of cosines at the level `attack` that a study made for a tracer.

    Args:
        path: a file `{corpus}.eval.calibration.json` of a study, see `verification.calibrate`.
        tracer: whose cosines they are.

    Raises:
        SpoofscopeError: the file is missing or is no JSON.
        TableError: it is no such file, has not this level, or lacks a key.
        DetectorError: it is of another tracer.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        isinstance(entry, dict) and "network" in entry for entry in content.values()
    ):
        raise TableError(
            f"{shown(str(path))} is no calibration of source verification; name the file "
            "`{corpus}.eval.calibration.json` that the target `verification` makes"
        )
    if "attack" not in content:
        raise TableError(
            f"{shown(str(path))} has no level 'attack'; {nearest('attack', content)}; add it to "
            "`verification.levels`"
        )
    calibration: dict[str, Any] = content["attack"]
    if calibration["network"] != tracer.network.identity:
        raise DetectorError(
            f"{shown(str(path))} was fitted to cosines of the tracer {calibration['network']}, and "
            f"this is {tracer.network.identity}; name the calibration of this one"
        )
    lacking = [key for key in CALIBRATION_KEYS if key not in calibration]
    if lacking:
        raise TableError(
            f"{shown(str(path))}: the level 'attack' has no key {lacking[0]!r}; make the file anew "
            "with the target `verification`"
        )
    return calibration


def enrolled_sources(
    tracer: LoadedTracer, paths: Sequence[str | Path], calibration: str | Path | None
) -> Enrolment:
    """What a command is shown: one file of enrolled sources, or folders of recordings.

    Raises:
        ConfigError: a file beside other things, with a calibration, or that is a recording; and as
            :func:`find_references`.
        SpoofscopeError: as the functions of this module and `enrolment.read_enrolment`.
    """
    files = [path for path in paths if Path(path).is_file()]
    if not files:
        given = None if calibration is None else read_calibration(calibration, tracer)
        return enrol_recordings(tracer, find_references(paths), given)
    if has_suffix(str(files[0])):
        raise ConfigError(
            f"{shown(str(files[0]))}: this is a recording; put the references of an attack, one or "
            "more, into a folder with its name, and give that folder"
        )
    if len(paths) > 1:
        raise ConfigError(
            f"{shown(str(files[0]))}: a file of enrolled sources stands alone; give that file, or "
            "folders of recordings"
        )
    if calibration is not None:
        raise ConfigError("a file of enrolled sources has its own calibration; leave the other out")
    return read_enrolment(files[0])
