"""The answers that count in a study: the newest ones, about the explanations that it has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spoofscope.errors import TableError
from spoofscope.labelling.pack import Pack
from spoofscope.labelling.questions import NO_DETECTOR, SKIPPED, AnswerError, checked_answer
from spoofscope.labelling.store import Answer, newest
from spoofscope.labelling.tables import read_answers


class Label(NamedTuple):
    """What an annotator says about a detector's explanation of a clip.

    annotator, utt_id, detector: of whom, and of what. answers: question to answer; a question
    without an answer is not there.
    """

    annotator: str
    utt_id: str
    detector: str
    answers: Mapping[str, Any]


class Labels(NamedTuple):
    """All that annotators say.

    labels: in the order of annotators, clips and detectors. seconds: (annotator, utt_id) to
    seconds of work. skipped: clips that annotators skipped, each by each. outdated: answers about
    explanations that are others now, and about clips and detectors that are not in the pack; they
    do not count. not_blind: answers that count and were not blind, or are not known to be.
    """

    labels: list[Label]
    seconds: dict[tuple[str, str], float]
    skipped: int
    outdated: int
    not_blind: int


def read_labels(paths: Sequence[str | Path], pack: Pack) -> Labels:
    """Put tables of `spoofscope label --export` together.

    Args:
        paths: the tables.
        pack: that of the study.

    Raises:
        TableError: as `tables.read_answers`; a region outside its clip; two tables that have
            different answers by one name.
    """
    revisions = _together(paths)
    keys = {clip.utt_id: clip for clip in pack.clips.values()}
    current = newest(revisions.values())
    skipped = {
        (annotator, utt_id)
        for (annotator, utt_id, detector, field), answer in current.items()
        if (detector, field, answer.value) == (NO_DETECTOR, "state", SKIPPED) and utt_id in keys
    }
    seconds: dict[tuple[str, str], float] = {}
    for answer in revisions.values():
        if answer.utt_id in keys:
            place = (answer.annotator, answer.utt_id)
            seconds[place] = seconds.get(place, 0.0) + answer.seconds
    outdated = not_blind = 0
    digests: dict[tuple[str, str], str] = {}
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for (annotator, utt_id, detector, field), answer in sorted(
        current.items(), key=lambda item: item[0]
    ):
        if detector == NO_DETECTOR or (annotator, utt_id) in skipped:
            continue
        if utt_id not in keys or detector not in pack.names:
            outdated += 1
            continue
        if (utt_id, detector) not in digests:
            digests[utt_id, detector] = pack.digest(keys[utt_id].key, detector)
        if answer.evidence != digests[utt_id, detector]:
            outdated += 1
            continue
        try:
            value = checked_answer(detector, field, answer.value, keys[utt_id].duration)
        except AnswerError as error:
            raise TableError(
                f"{', '.join(map(str, paths))}: {annotator!r} on {utt_id!r}: {error}"
            ) from error
        not_blind += answer.blind is not True
        found.setdefault((annotator, utt_id, detector), {})[field] = value
    labels = [Label(*place, answers) for place, answers in found.items()]
    return Labels(labels, seconds, len(skipped), outdated, not_blind)


def _together(paths: Sequence[str | Path]) -> dict[tuple[Any, ...], Answer]:
    revisions: dict[tuple[Any, ...], Answer] = {}
    for path in paths:
        for answer in read_answers(path):
            place = (*answer.question, answer.revision)
            if revisions.setdefault(place, answer) != answer:
                raise TableError(
                    f"{path}: {answer.annotator!r} has another answer to {answer.field!r} of "
                    f"{answer.utt_id!r} in another table; two people have used one name, so give "
                    "one of them another name in the table"
                )
    return revisions
