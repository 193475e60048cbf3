"""One recording explained: whether its explanation stands up to controls, and how it is written.

The controls of `attribution.verdicts` are means over clips with intervals. A single clip has none,
so its masks are ranked among many control masks of the same size. NumPy only.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope import __version__
from spoofscope.attribution.regions import smooth, top_regions
from spoofscope.attribution.store import Explanation
from spoofscope.attribution.verdicts import LARGEST_RANDOMISED, RANDOMISED, TITLES, Verdict
from spoofscope.attribution_methods import ADDS_UP, METHOD_TITLES, WITHOUT_BASELINE
from spoofscope.audio import Samples
from spoofscope.options.attribution import TARGETS

if TYPE_CHECKING:
    from spoofscope.judging import Judgement

Floats = npt.NDArray[np.float64]

MASKS, SHUFFLES = 39, 5
"""Control masks per mask, and back-ends with shuffled weights. With 39 masks, two of 40 are one in
20."""

LARGEST_RANK = 0.05
"""Share of the masks, its own among them, that may change the score as much as the explanation's
where it passes."""

FAILING_RANK = 0.5
"""From this share on it fails: half of the masks elsewhere do what its own does."""

_FEWEST_FRAMES = round(1 / LARGEST_RANK)

RULES = {
    "deletion_gain": f"passes if at most 1 in {1 / LARGEST_RANK:g} of the masks (its own and "
    f"{MASKS} of the same shape elsewhere in the clip) changes the score as much; fails if at "
    "least half of them do",
    "insertion_gain": "as deletion",
    RANDOMISED: f"passes if the correlation of magnitudes with the maps of {SHUFFLES} back-ends "
    f"with shuffled weights is below {LARGEST_RANDOMISED:g} for all of them; fails if it is above "
    "for all",
}
"""Of every control; all else is undecided."""


class Controlled(NamedTuple):
    """The explanation of one clip, and what it is held against.

    Attributes:
        explanation: with its masking curves.
        deletion, insertion: (controls,), of each control mask the mean over the shares of masked
            frames; what the mean of the explanation's own curve is compared with.
        shuffled: of each back-end with shuffled weights, the Spearman correlation of its map with
            the explanation's, by absolute value; None where one is constant.
    """

    explanation: Explanation
    deletion: Floats
    insertion: Floats
    shuffled: list[float | None]


class ClipControl(NamedTuple):
    """One control of the explanation of one clip.

    Attributes:
        control: a key of :data:`RULES`.
        value: of a mask the mean change of the score, of shuffled weights the mean correlation;
            None where it is not known.
        compared_with: mean change by the control masks; of shuffled weights None.
        rank: share of all masks, its own among them, that change the score at least as much; of
            shuffled weights None.
        verdict: by :data:`RULES`.
    """

    control: str
    value: float | None
    compared_with: float | None
    rank: float | None
    verdict: Verdict


class ExplainedRecording(NamedTuple):
    """A recording with its judgement and explanation.

    Attributes:
        path, sha256: the file, and its content as 64 hexadecimal digits.
        judgement: as `Detector.predict` gives it.
        explanation: of the score of that judgement.
        controls: what the explanation was held against.
        regions: see :func:`region_table`.
        windows: starts and ends of the explained windows in seconds, (n_windows, 2).
        window_scores: of each of them.
        samples: (n,) of what is explained, at the detector's rate.
        passage: from when to when it is explained, in seconds. Times of the explanation itself
            begin with it; all others are those of the recording.
    """

    path: str
    sha256: str
    judgement: "Judgement"
    explanation: Explanation
    controls: list[ClipControl]
    regions: pl.DataFrame
    windows: npt.NDArray[np.float64]
    window_scores: list[float]
    samples: Samples
    passage: tuple[float, float]

    @property
    def times(self) -> Floats:
        """The centres of the explanation's frames (n,) in the recording, in seconds."""
        return self.passage[0] + self.explanation.times

    @property
    def is_whole(self) -> bool:
        """Whether the whole recording is explained."""
        return self.passage == (0.0, self.judgement["duration_s"])

    @property
    def verdict(self) -> Verdict:
        """The verdict on all controls together: the worst."""
        verdicts = {control.verdict for control in self.controls}
        if "fails" in verdicts:
            return "fails"
        return "undecided" if "undecided" in verdicts else "passes"

    @property
    def is_complete(self) -> bool:
        """Whether the map adds up to what it explains; only some methods promise that."""
        return self.explanation.settings.method not in ADDS_UP or self.explanation.converged


def controls_of(controlled: Controlled) -> list[ClipControl]:
    """The controls of an explanation with their verdicts, see :data:`RULES`."""
    maskings, n_frames = controlled.explanation.maskings, controlled.explanation.map.shape[1]
    controls = []
    for name, draws in (("deletion", controlled.deletion), ("insertion", controlled.insertion)):
        value = float(maskings[name].mean())
        rank = float(1 + np.count_nonzero(draws >= value)) / (1 + draws.size)
        # Shifted by so few frames, masks of a short clip are no others.
        verdict: Verdict = "undecided" if n_frames < _FEWEST_FRAMES else _ranked(rank)
        controls.append(ClipControl(f"{name}_gain", value, float(draws.mean()), rank, verdict))
    known = [value for value in controlled.shuffled if value is not None]
    mean = float(np.mean(known)) if known else None
    controls.append(ClipControl(RANDOMISED, mean, None, None, _shuffled(controlled.shuffled)))
    return controls


def _ranked(rank: float) -> Verdict:
    if rank <= LARGEST_RANK:
        return "passes"
    return "fails" if rank >= FAILING_RANK else "undecided"


def _shuffled(values: Sequence[float | None]) -> Verdict:
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return "undecided"
    if max(known) < LARGEST_RANDOMISED:
        return "passes"
    return "fails" if min(known) > LARGEST_RANDOMISED else "undecided"


def region_table(explanation: Explanation, duration: float, count: int) -> pl.DataFrame:
    """The stretches with the strongest evidence for each class, and where in frequency it is.

    Args:
        explanation: of a recording.
        duration: of the recording in seconds.
        count: stretches per class at most.

    Returns:
        evidence (bonafide or spoof), rank (1 = strongest peak), start and end (s), share (of all
        evidence for that class), low_hz and high_hz (the bands around the strongest of the stretch,
        as far as they have half of its evidence or more), band_share (of what speaks for that class
        in the stretch, in these bands). The last three are null where rows of the map are no bands.
    """
    settings = explanation.settings
    half, times = settings.hop_seconds / 2, explanation.times
    rows = []
    for label in TARGETS:
        evidence = smooth(explanation.evidence(label), settings.smoothing_frames)
        whole = float(evidence[evidence > 0].sum())
        sign = 1.0 if label == settings.target else -1.0
        for rank, region in enumerate(top_regions(evidence, count), start=1):
            frames = explanation.map[:, region.first : region.last + 1]
            by_row = sign * frames.sum(axis=1, dtype=np.float64)
            rows.append(
                {
                    "evidence": label,
                    "rank": rank,
                    "start": max(0.0, float(times[region.first]) - half),
                    "end": min(duration, float(times[region.last]) + half),
                    "share": region.total / whole,
                    **_bands(by_row, settings.band_edges),
                }
            )
    schema: dict[str, pl.DataType] = {
        **{"evidence": pl.String(), "rank": pl.Int64()},
        **dict.fromkeys(("start", "end", "low_hz", "high_hz", "share", "band_share"), pl.Float64()),
    }
    return pl.DataFrame(rows, schema=schema)


def _bands(by_row: npt.NDArray[np.float64], edges: Sequence[float]) -> dict[str, float]:
    positive = np.maximum(by_row, 0.0)
    if not edges or not positive.any():
        return {}
    strongest = int(np.argmax(positive))
    inside = positive >= positive[strongest] / 2
    first = last = strongest
    while first > 0 and inside[first - 1]:
        first -= 1
    while last + 1 < inside.size and inside[last + 1]:
        last += 1
    return {
        "low_hz": edges[first],
        "high_hz": edges[last + 1],
        "band_share": float(positive[first : last + 1].sum() / positive.sum()),
    }


def relative_to(explanation: Explanation) -> str:
    """What the evidence is relative to, and the score of that: where this is low, a spoof has
    evidence for bona fide, too. Empty for a method without a baseline.
    """
    settings = explanation.settings
    if settings.method in WITHOUT_BASELINE:
        return ""
    return f" relative to {settings.baseline}, whose own score is {explanation.baseline_score:+.3g}"


def conclusion(explained: ExplainedRecording) -> str:
    """In words: whether the explanation may be relied on, and what it is of."""
    begins: dict[Verdict, str] = {
        "passes": "The explanation of this clip passes its controls",
        "fails": "Do not rely on this explanation: it fails its controls",
        "undecided": "It is undecided whether the explanation of this clip passes its controls",
    }
    parts = "; ".join(map(_part, explained.controls))
    sentences = [f"{begins[explained.verdict]}: {parts}."]
    if not explained.is_complete:
        sentences.insert(
            0,
            "Do not rely on this explanation: in some window it misses the difference of the "
            f"scores by more than {100 * explained.explanation.settings.tolerance:g} %.",
        )
    if not explained.is_whole:
        start, end = explained.passage
        sentences.append(
            f"Only {start:.2f} to {end:.2f} s are explained, with a score of "
            f"{explained.explanation.score:+.4f}; that of the whole recording is "
            f"{explained.judgement['score']:+.4f}."
        )
    if explained.judgement["flags"]["out_of_distribution"]:
        sentences.append(
            "The recording is not judged, so this shows what moves the score, and not what the "
            "recording is."
        )
    return " ".join(sentences)


def _part(control: ClipControl) -> str:
    title = TITLES[control.control]
    said = {"passes": "passes", "fails": "fails", "undecided": "is undecided"}[control.verdict]
    if control.value is None:
        return f"{title} was not computed, which leaves it undecided"
    if control.rank is None:
        return f"{title} {said} (mean correlation {control.value:+.2f})"
    others = round(control.rank * (MASKS + 1)) - 1
    return (
        f"{title} {said} ({control.value:+.3g} against {control.compared_with:+.3g} on average; "
        f"{others} of {MASKS} masks elsewhere do as much)"
    )


def arrays_of(explained: ExplainedRecording) -> dict[str, npt.NDArray[Any]]:
    """The numbers behind an explanation by name; :func:`axes_of` says what they are."""
    explanation = explained.explanation
    arrays: dict[str, npt.NDArray[Any]] = {
        "map": explanation.map,
        "time_s": explained.times,
        "coverage": explanation.coverage,
        "window_s": explained.windows,
        "window_score": np.array(explained.window_scores),
        "masked_share": np.array(explanation.settings.fractions),
        **explanation.maskings,
    }
    if explanation.settings.band_edges:
        arrays["band_edge_hz"] = np.array(explanation.settings.band_edges)
    return arrays


def axes_of(explained: ExplainedRecording) -> dict[str, str]:
    """Axes and unit of every array of :func:`arrays_of`."""
    settings = explained.explanation.settings
    rows = {"all": "one row", "band": "bands, see band_edge_hz"}.get(
        settings.row_axis, f"{settings.row_axis}s from 0 on"
    )
    meant = {
        "map": f"({rows}; frames, see time_s): contribution to the score, positive = for "
        f"{settings.target}, in units of the score",
        "time_s": "(frames): centre of each frame in seconds",
        "coverage": "(frames): how many frames of windows fell on each; 0 = never seen",
        "window_s": "(windows; start and end): seconds",
        "window_score": "(windows): score of each, without a unit, higher = more bona fide",
        "masked_share": "(shares): of the frames that are masked",
        "band_edge_hz": "(bands + 1): Hz; band k reaches from value k to k + 1",
        "deletion": "(shares): change of the score when the frames of most evidence are taken away",
        "deletion_control": f"(shares): the same, mean of {MASKS} masks elsewhere",
        "insertion": "(shares): change of the score when they are put into the baseline",
        "insertion_control": f"(shares): the same, mean of {MASKS} masks elsewhere",
    }
    return {name: meant[name] for name in arrays_of(explained)}


def as_json(explained: ExplainedRecording) -> dict[str, Any]:
    """An explanation but for its map, JSON-able."""
    explanation = explained.explanation
    settings = explanation.settings
    return {
        "clip": {"path": explained.path, "sha256": explained.sha256},
        "judgement": explained.judgement,
        "explanation": {
            "method": settings.method,
            "title": METHOD_TITLES[settings.method],
            "baseline": None if settings.method in WITHOUT_BASELINE else settings.baseline,
            "target": settings.target,
            "score": explanation.score,
            "baseline_score": explanation.baseline_score,
            "delta": explanation.delta,
            "relative_error": explanation.relative_error,
            "tolerance": settings.tolerance,
            "must_add_up": settings.method in ADDS_UP,
            "converged": explanation.converged,
            "steps": explanation.steps,
            "outside": explanation.outside,
            "passage_s": list(explained.passage),
            "windows_s": explained.windows.tolist(),
        },
        "controls": {
            "verdict": explained.verdict,
            "in_words": conclusion(explained),
            "checks": [
                {**control._asdict(), "rule": RULES[control.control]}
                for control in explained.controls
            ],
        },
        "arrays": axes_of(explained),
        "spoofscope": __version__,
    }
