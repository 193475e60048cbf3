"""What annotators are asked, and which answers there are.

A question without an answer has no row anywhere: nothing is stored that nobody chose. The value
None takes an answer back. Standard library only, because the study file is read with it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from spoofscope.errors import SpoofscopeError

CUES: Mapping[str, str] = {
    "glitch": "local glitch or artefact: clicks, buzz, robotic burst",
    "phoneme": "phoneme content or articulation",
    "transition": "voiced to unvoiced or back, onset, offset",
    "silence": "pause, also a gap between words",
    "breath": "breath or aspiration",
    "noise": "channel, codec or noise floor",
    "spectral": "missing bands, cut-offs",
    "unclear": "diffuse: nothing single can be named",
}
"""The vocabulary, in the order of its keys 1 to 8."""

OF_DETECTOR: Mapping[str, str] = {
    "regions": "where the evidence is, in seconds, with a cue of their own where it is another",
    "cue": "what is to be heard there",
    "locality": "1 spread over the clip, 5 a single spike",
    "audible": "whether the main cue can be heard",
    "comment": "on this explanation",
}
"""Questions about one detector's explanation of one clip."""

OF_CLIP: Mapping[str, str] = {
    "general": "on the clip, before the explanations are looked at",
    "comparison": "how the explanations of the detectors are alike, and how they differ",
    "state": "done, or skipped",
}
"""Questions about a clip."""

NO_DETECTOR = "-"
"""In place of the detector, of answers about a clip."""

NEEDED = ("regions", "cue")
"""Of each detector, before a clip is done; with two or more detectors also `comparison`."""

DONE, SKIPPED = "done", "skipped"

LONGEST_COMMENT = 5000
SHORTEST_REGION = 0.005
"""Seconds."""
_MOST_REGIONS = 100
_LARGEST_LOCALITY = 5
# Seconds that a page may be beyond the end by rounding.
_ROUNDING = 2e-3
_LONGEST_NAME = 64


class AnswerError(SpoofscopeError):
    """An answer that the question does not have, or a name that no annotator can have."""


def checked_name(name: Any) -> str:
    """The name of an annotator, without blanks around it.

    Raises:
        AnswerError: it holds anything but letters, digits, single blanks and `_ . - '`, or it is
            empty or longer than 64 characters.
    """
    if not isinstance(name, str):
        raise AnswerError("a name is a text")
    name = " ".join(name.split(" ")).strip()
    if not 0 < len(name) <= _LONGEST_NAME:
        raise AnswerError(f"a name has 1 to {_LONGEST_NAME} characters")
    if not name[0].isalnum() or not all(c.isalnum() or c in "_.-' " for c in name):
        raise AnswerError(
            "a name begins with a letter or digit, and has letters, digits, blanks and _ . - ' only"
        )
    return name


def checked_answer(detector: str, field: str, value: Any, duration: float) -> Any:
    """An answer in the form in which it is stored; None where there is none.

    Args:
        detector: a name, or :data:`NO_DETECTOR`.
        field: of :data:`OF_DETECTOR` or of :data:`OF_CLIP`.
        value: regions: a list of {start, end, cue}, where cue may be None; an empty list says that
            nothing stands out. cue: of :data:`CUES`. locality: 1 to 5. audible: true or false.
            state: done or skipped. Others: text.
        duration: of the clip in seconds; regions lie in [0, duration].

    Raises:
        AnswerError: no such question, or no answer to it.
    """
    if field not in (OF_CLIP if detector == NO_DETECTOR else OF_DETECTOR):
        kind = "a clip" if detector == NO_DETECTOR else "a detector"
        raise AnswerError(f"{field!r} is no question about {kind}")
    if value is None:
        return None
    match field:
        case "regions":
            return _regions(value, duration)
        case "cue":
            return _one_of(field, value, tuple(CUES))
        case "state":
            return _one_of(field, value, (DONE, SKIPPED))
        case "locality":
            if type(value) is not int or not 1 <= value <= _LARGEST_LOCALITY:
                raise AnswerError(f"locality is a whole number from 1 to {_LARGEST_LOCALITY}")
            return value
        case "audible":
            if not isinstance(value, bool):
                raise AnswerError("audible is true or false")
            return value
    return _comment(field, value)


def _one_of(field: str, value: Any, choices: Sequence[str]) -> str:
    if value not in choices:
        raise AnswerError(f"{field} is one of {', '.join(choices)}, not {value!r}")
    return str(value)


def _comment(field: str, value: Any) -> str | None:
    if not isinstance(value, str):
        raise AnswerError(f"{field} is a text")
    if len(value) > LONGEST_COMMENT:
        raise AnswerError(f"{field} has {len(value)} characters, at most {LONGEST_COMMENT} may be")
    if "\0" in value or not _is_unicode(value):
        raise AnswerError(f"{field} holds characters that are no text")
    return value.strip() or None


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _regions(value: Any, duration: float) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > _MOST_REGIONS:
        raise AnswerError(f"regions are a list of at most {_MOST_REGIONS}")
    return sorted((_region(each, duration) for each in value), key=lambda r: (r["start"], r["end"]))


def _region(value: Any, duration: float) -> dict[str, Any]:
    if not isinstance(value, dict) or not {"start", "end"} <= set(value) <= {"start", "end", "cue"}:
        raise AnswerError("a region has a start, an end and, if it has one, a cue")
    start, end = (_seconds(value[key]) for key in ("start", "end"))
    if start < -_ROUNDING or end > duration + _ROUNDING:
        raise AnswerError(
            f"the region from {start:g} s to {end:g} s is not inside the clip, which has "
            f"{duration:.3f} s"
        )
    start, end = round(max(start, 0.0), 4), round(min(end, duration), 4)
    if end - start < SHORTEST_REGION:
        raise AnswerError(
            f"the region from {start:g} s to {end:g} s is shorter than {1000 * SHORTEST_REGION:g} "
            "ms, or ends before it starts"
        )
    cue = value.get("cue")
    return {
        "start": start,
        "end": end,
        "cue": None if cue is None else _one_of("cue", cue, tuple(CUES)),
    }


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise AnswerError("start and end of a region are seconds")
    return float(value)


def lacking(answers: Mapping[tuple[str, str], Any], detectors: Sequence[str]) -> list[str]:
    """What is not answered of a clip and has to be before it is done, in words.

    Args:
        answers: (detector, field) to value.
        detectors: names of those that explain the clip.
    """
    missing = [
        f"{field} of explanation {place}"
        for place, detector in enumerate(detectors, start=1)
        for field in NEEDED
        if answers.get((detector, field)) is None
    ]
    if len(detectors) > 1 and answers.get((NO_DETECTOR, "comparison")) is None:
        missing.append("the comparison")
    return missing
