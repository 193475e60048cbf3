"""Answers out of a store and into one, in the format that the path's suffix says."""

from pathlib import Path
from typing import Any

from spoofscope.errors import ConfigError, TableError
from spoofscope.labelling.audacity import read_tracks, write_tracks
from spoofscope.labelling.label_studio import Given, read_tasks, write_tasks
from spoofscope.labelling.pack import Pack
from spoofscope.labelling.questions import NO_DETECTOR, AnswerError, checked_answer
from spoofscope.labelling.store import Answer, Store, newest, now
from spoofscope.labelling.tables import read_answers, write_answers


def export(store: Store, pack: Pack, path: str | Path) -> tuple[int, int]:
    """Write the answers: `*.tsv` all revisions, `*.json` tasks of Label Studio, a folder Audacity.

    Returns:
        The number of answers in the file, and of all there are, without those that were taken back.

    Raises:
        ConfigError: the path has another suffix.
    """
    answers = store.history()
    written = there = len(newest(answers))
    match Path(path).suffix:
        case ".tsv":
            # The same answers are the same bytes, in whatever order they came.
            write_answers(path, sorted(answers, key=_place))
        case ".json":
            write_tasks(path, pack, answers)
        case "":
            written = write_tracks(path, pack, answers)
        case suffix:
            raise ConfigError(_refusal(path, suffix))
    return written, there


def import_answers(store: Store, pack: Pack, path: str | Path) -> int:
    """Add the answers of a file, all or none; see :func:`export`.

    Answers of Label Studio and Audacity become new revisions where they differ from those there.

    Returns:
        How many revisions were added.

    Raises:
        ConfigError: the path has another suffix, or is not there.
        SpoofscopeError: the file, or an answer in it, does not fit; nothing was added.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder")
    match path.suffix:
        case ".tsv":
            answers = sorted(read_answers(path), key=_place)
            for answer in answers:
                _check(pack, answer, path)
            return store.add_revisions(answers)
        case ".json":
            return _add(store, pack, read_tasks(path, pack), own_cues=True)
        case "":
            return _add(store, pack, read_tracks(path, pack), own_cues=False)
        case suffix:
            raise ConfigError(_refusal(path, suffix))


def _place(answer: Answer) -> tuple[str | int, ...]:
    return (*answer.question, answer.revision)


def _refusal(path: str | Path, suffix: str) -> str:
    return (
        f"{path}: no format has the suffix {suffix!r}; name *.tsv for a table, *.json for Label "
        "Studio, or a folder for Audacity"
    )


def _check(pack: Pack, answer: Answer, path: Path) -> None:
    clip = pack.of_utterance(answer.utt_id)
    if answer.detector not in (NO_DETECTOR, *pack.names):
        raise TableError(f"{path}: the pack has no detector {answer.detector!r}")
    try:
        checked_answer(answer.detector, answer.field, answer.value, clip.duration)
    except AnswerError as error:
        raise TableError(f"{path}: utterance {answer.utt_id!r}: {error}") from error


def _add(store: Store, pack: Pack, given: Given, own_cues: bool) -> int:
    """Add answers that differ from those there.

    Args:
        store, pack: where to.
        given: the answers.
        own_cues: whether they say which regions have a cue of their own. Label tracks have a cue in
            every line, also that of the explanation.
    """
    history = store.history()
    current = {question: answer.value for question, answer in newest(history).items()}
    # Of answers that were taken back, too.
    numbers: dict[tuple[str, str, str, str], int] = {}
    for answer in history:
        numbers[answer.question] = max(answer.revision, numbers.get(answer.question, 0))
    added = []
    for question, value in given.items():
        annotator, utt_id, detector, field = question
        if field == "regions" and value:
            of_cue = (annotator, utt_id, detector, "cue")
            main = given.get(of_cue, current.get(of_cue))
            # A cue of a region that is that of the explanation, too, says nothing else than none.
            plain = _without(value, main)
            if plain == _without(current.get(question), main):
                continue
            value = value if own_cues else plain
        if value == current.get(question):
            continue
        evidence = ""
        if detector != NO_DETECTOR:
            evidence = pack.digest(pack.of_utterance(utt_id).key, detector)
        number = numbers.get(question, 0) + 1
        added.append(Answer(*question, number, value, 0.0, None, evidence, now()))
    return store.add_revisions(added)


def _without(regions: Any, cue: Any) -> Any:
    """Regions without a cue of their own where it is that of the explanation."""
    if not regions:
        return regions
    return [
        {**region, "cue": None if region["cue"] == cue else region["cue"]} for region in regions
    ]
