"""Regions as label tracks of Audacity: a line per region with start, end and cue.

https://manual.audacityteam.org/man/importing_and_exporting_labels.html; a track is the file
`{annotator}/{utterance}.{detector}.txt`. Lines that begin with a backslash hold frequencies, which
are left out.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.files import atomic_folder, file_stem
from spoofscope.labelling.label_studio import Given
from spoofscope.labelling.pack import Pack
from spoofscope.labelling.questions import CUES, AnswerError, checked_answer, checked_name
from spoofscope.labelling.store import Answer, newest
from spoofscope.rows import finite_number

_UNMARKED = "unmarked"


def _track(utt_id: str, detector: str) -> str:
    return f"{file_stem(f'{utt_id}.{detector}')}.txt"


def write_tracks(folder: str | Path, pack: Pack, answers: Sequence[Answer]) -> int:
    """Write the newest regions of all annotators, with a file per clip and detector.

    Args:
        folder: it is replaced.
        pack: the clips.
        answers: all revisions.

    Returns:
        The number of answers that are there: those with regions.

    Raises:
        SpoofscopeError: the folder holds anything but label tracks, which would be lost.
    """
    folder = Path(folder)
    if folder.exists() and any(p.is_file() and p.suffix != ".txt" for p in folder.rglob("*")):
        raise SpoofscopeError(f"{folder} holds other files than label tracks; name another folder")
    given = {question: answer.value for question, answer in newest(answers).items()}
    written = 0
    with atomic_folder(folder) as temporary:
        for (annotator, utt_id, detector, field), value in given.items():
            if field != "regions" or not value:
                continue
            pack.of_utterance(utt_id)
            main = given.get((annotator, utt_id, detector, "cue")) or _UNMARKED
            lines = [
                f"{region['start']:.6f}\t{region['end']:.6f}\t{region['cue'] or main}"
                for region in value
            ]
            path = temporary / annotator / _track(utt_id, detector)
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            written += 1
    return written


def read_tracks(folder: str | Path, pack: Pack) -> Given:
    """Read regions with their cues; the folder's folders are the annotators.

    Args:
        folder: as :func:`write_tracks` makes it.
        pack: whose clips they are about.

    Raises:
        TableError: a file that is of no clip and detector of the pack, or a line that is no region.
    """
    known = {
        _track(clip.utt_id, detector): (clip, detector)
        for clip in pack.clips.values()
        for detector in pack.names
    }
    paths = sorted(Path(folder).glob("*/*.txt"))
    if not paths:
        raise TableError(f"{folder}: there is no label track ANNOTATOR/UTTERANCE.DETECTOR.txt")
    given: Given = {}
    for path in paths:
        if path.name not in known:
            raise TableError(
                f"{path}: the pack has no such clip and detector; a track is called "
                "UTTERANCE.DETECTOR.txt"
            )
        clip, detector = known[path.name]
        try:
            annotator = checked_name(path.parent.name)
        except AnswerError as error:
            raise TableError(f"{path.parent}: {error}") from error
        regions = _regions(path)
        try:
            value = checked_answer(detector, "regions", regions, clip.duration)
        except AnswerError as error:
            raise TableError(f"{path}: {error}") from error
        given[annotator, clip.utt_id, detector, "regions"] = value
    return given


def _regions(path: Path) -> list[dict[str, Any]]:
    regions = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        fields = line.split("\t")
        start, end = (finite_number(text.replace(",", ".")) for text in (*fields, "", "")[:2])
        if start is None or end is None:
            raise TableError(
                f"{path}: line {number}: no start and end in seconds, with tabs between"
            )
        label = re.sub(r"\s+", " ", fields[2]).strip() if len(fields) > 2 else ""
        if label not in ("", _UNMARKED, *CUES):
            raise TableError(
                f"{path}: line {number}: {label!r} is no cue; there are {', '.join(CUES)}"
            )
        regions.append({"start": start, "end": end, "cue": label if label in CUES else None})
    return regions
