"""Answers as tasks of Label Studio, and back: https://labelstud.io/guide/export.

A task is a clip, an annotation of it is what one person answered. Answers about a detector have the
tag `{field}: {detector}`, those about the clip `{field}`. Regions are `labels`; the cue of a region
that has none of its own is that of the detector. That nothing stands out is a choice.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from spoofscope.errors import TableError
from spoofscope.files import read_json, write_json, write_text
from spoofscope.labelling.pack import Pack, PackedClip
from spoofscope.labelling.questions import (
    CUES,
    DONE,
    NO_DETECTOR,
    OF_CLIP,
    OF_DETECTOR,
    SKIPPED,
    AnswerError,
    checked_answer,
    checked_name,
)
from spoofscope.labelling.store import Answer, newest

Given = dict[tuple[str, str, str, str], Any]
"""Question (annotator, utt_id, detector, field) to answer."""

_UNMARKED = "unmarked"
_YES, _NO = "yes", "no"
# The tag, and the choice, where there is no region to mark.
_NO_REGION, _NOTHING = "no region", "nothing stands out"


def write_tasks(path: str | Path, pack: Pack, answers: Sequence[Answer]) -> None:
    """Write the newest answers as tasks (JSON), and beside them the labelling interface (XML).

    Args:
        path: of the tasks, `*.json`; the interface is `*.xml`.
        pack: the clips; a clip without answers is a task without annotations.
        answers: all revisions.
    """
    given = {question: answer.value for question, answer in newest(answers).items()}
    tasks = [_task(pack, clip, given) for clip in pack.clips.values()]
    path = Path(path)
    write_json(path, tasks)
    write_text(path.with_suffix(".xml"), interface(pack.names))


def _task(pack: Pack, clip: PackedClip, given: Given) -> dict[str, Any]:
    by_person: dict[str, dict[tuple[str, str], Any]] = {}
    for (annotator, utt_id, detector, field), value in given.items():
        if utt_id == clip.utt_id:
            by_person.setdefault(annotator, {})[detector, field] = value
    return {
        "data": {
            "audio": str(pack.audio(clip.key).relative_to(pack.folder)),
            "utt_id": clip.utt_id,
        },
        "annotations": [
            {
                "annotator": annotator,
                "result": list(_results(clip, answers)),
                "was_cancelled": answers.get((NO_DETECTOR, "state")) == SKIPPED,
            }
            for annotator, answers in sorted(by_person.items())
        ],
    }


def _results(clip: PackedClip, answers: Mapping[tuple[str, str], Any]) -> Iterator[dict[str, Any]]:
    for (detector, field), value in sorted(answers.items()):
        name = field if detector == NO_DETECTOR else f"{field}: {detector}"
        if field == "regions" and value:
            for place, region in enumerate(value):
                cue = region["cue"] or answers.get((detector, "cue")) or _UNMARKED
                yield {
                    **_result(clip, name, "labels", place),
                    "original_length": clip.duration,
                    "value": {
                        "start": region["start"],
                        "end": region["end"],
                        "channel": 0,
                        "labels": [cue],
                    },
                    "meta": {"own_cue": region["cue"] is not None},
                }
        elif field in ("comment", "general", "comparison"):
            yield {**_result(clip, name, "textarea"), "value": {"text": [value]}}
        elif field == "locality":
            yield {**_result(clip, name, "rating"), "value": {"rating": value}}
        elif field == "regions":
            named = _result(clip, f"{_NO_REGION}: {detector}", "choices")
            yield {**named, "value": {"choices": [_NOTHING]}}
        else:
            choice = (_YES if value else _NO) if field == "audible" else value
            yield {**_result(clip, name, "choices"), "value": {"choices": [choice]}}


def _result(clip: PackedClip, name: str, kind: str, place: int = 0) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps([clip.key, name, place]).encode()).hexdigest()
    return {"id": digest[:10], "from_name": name, "to_name": "audio", "type": kind}


def interface(detectors: Sequence[str]) -> str:
    """The labelling interface of Label Studio that the tasks fit."""
    lines = ["<View>", '  <Audio name="audio" value="$audio"/>', _tag("TextArea", "general")]
    for detector in detectors:
        lines += [
            f"  <Header value={quoteattr(detector)}/>",
            _tag("Labels", f"regions: {detector}", (*CUES, _UNMARKED)),
            _tag("Choices", f"{_NO_REGION}: {detector}", [_NOTHING]),
            _tag("Choices", f"cue: {detector}", CUES),
            _tag("Rating", f"locality: {detector}"),
            _tag("Choices", f"audible: {detector}", (_YES, _NO)),
            _tag("TextArea", f"comment: {detector}"),
        ]
    lines += [_tag("TextArea", "comparison"), _tag("Choices", "state", (DONE, SKIPPED))]
    return "\n".join([*lines, "</View>", ""])


def _tag(kind: str, name: str, values: Iterable[str] = ()) -> str:
    head = f'  <{kind} name={quoteattr(name)} toName="audio"'
    inner = "".join(f"\n    <{kind[:-1]} value={quoteattr(value)}/>" for value in values)
    return f"{head}>{inner}\n  </{kind}>" if inner else f"{head}/>"


def read_tasks(path: str | Path, pack: Pack) -> Given:
    """Read the answers in tasks that Label Studio, or :func:`write_tasks`, has written.

    Args:
        path: JSON.
        pack: whose clips they are about.

    Raises:
        TableError: the file is no such list, or an answer is none; the message names the task.
    """
    tasks = read_json(path)
    if not isinstance(tasks, list):
        raise TableError(f"{path}: no list of tasks; export as JSON")
    given: Given = {}
    for number, task in enumerate(tasks):
        where = f"{path}: task {number + 1}"
        try:
            clip = pack.of_utterance(task["data"]["utt_id"])
            for annotation in task.get("annotations", []):
                annotator = _annotator(annotation)
                for (detector, field), value in _read(annotation["result"]).items():
                    question = (annotator, clip.utt_id, detector, field)
                    if question in given:
                        raise TableError(f"{where}: {annotator!r} has annotated it twice")
                    if detector not in (NO_DETECTOR, *pack.names):
                        raise TableError(f"{where}: the pack has no detector {detector!r}")
                    given[question] = checked_answer(detector, field, value, clip.duration)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise TableError(f"{where}: not as Label Studio writes it: {error!r}") from error
        except AnswerError as error:
            raise TableError(f"{where}: {error}") from error
    return given


def _annotator(annotation: Mapping[str, Any]) -> str:
    if "annotator" in annotation:
        return checked_name(annotation["annotator"])
    person = annotation["completed_by"]
    # Label Studio names people by number, or by their address.
    name = person.get("email", person.get("id")) if isinstance(person, dict) else person
    return checked_name(str(name).replace("@", " at "))


def _read(results: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Any]:
    answers: dict[tuple[str, str], Any] = {}
    regions: dict[str, list[tuple[dict[str, Any], bool | None]]] = {}
    for result in results:
        if "from_name" not in result:
            continue  # a relation between regions
        name, _, detector = str(result["from_name"]).partition(": ")
        field = "regions" if name == _NO_REGION else name
        if not (field in OF_DETECTOR if detector else field in OF_CLIP):
            raise AnswerError(f"{result['from_name']!r} is no tag of the interface")
        value, kind = result["value"], result["type"]
        question = (detector or NO_DETECTOR, field)
        if kind == "labels":
            (label,) = value["labels"]
            region = {"start": value["start"], "end": value["end"], "cue": label}
            own = result.get("meta", {}).get("own_cue")
            regions.setdefault(detector, []).append((region, own))
        elif kind == "textarea":
            text = value["text"]
            answers[question] = text if isinstance(text, str) else "\n".join(text)
        elif kind == "rating":
            answers[question] = value["rating"]
        else:
            (choice,) = value["choices"]
            meanings = {_YES: True, _NO: False, _NOTHING: []}
            answers[question] = meanings.get(choice, choice)
    for detector, found in regions.items():
        main = answers.get((detector, "cue"))
        answers[detector, "regions"] = [
            {**region, "cue": None if _is_main(region["cue"], main, own) else region["cue"]}
            for region, own in found
        ]
    return answers


def _is_main(cue: str, main: str | None, own: bool | None) -> bool:
    return cue == _UNMARKED or (cue == main and not own)
