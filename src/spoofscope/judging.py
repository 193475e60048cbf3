"""From windows to logits, what a detector says about one recording, and why it may not decide.

Scoring, training and `predict` get the logits of clips from one loop, :func:`logits_of_clips`.

A recording is decoded, resampled and cut into windows as a stream, and on its way measured
(`quality`) and compared with the training recordings (`likeness`).
"""

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypedDict, final

import numpy as np
import numpy.typing as npt
import polars as pl
from torch import Tensor

from spoofscope import __version__, audio, likeness, quality
from spoofscope.audio import Samples
from spoofscope.errors import AudioError
from spoofscope.files import shown
from spoofscope.inputs import Aggregation, Inputs, aggregate_windows
from spoofscope.selection.calibration import posterior, probability_text, supported_text
from spoofscope.support import Support, Validation, doubts_of
from spoofscope.windows import InputPolicy, Window

LONGEST_SECONDS = 4 * 3600.0
"""Longer recordings are refused, unless :meth:`Detector.predict` is told otherwise."""
LONGEST_WHOLE_SECONDS = 3600.0
"""The same of detectors that take a recording as one window, and hold it in memory."""

_WINDOWS_AT_ONCE = 8
_BLOCK_SECONDS = 60.0

Logits = npt.NDArray[np.float32]
Waveform = npt.NDArray[Any] | Tensor
Recording = str | os.PathLike[str] | tuple[Waveform, int]
"""A file, or samples (n,) or (channels, n) with their rate in Hz, see `audio.as_mono`."""


@final
class Judgement(TypedDict):
    """What a detector says about one recording; JSON-able.

    path: the file, or None. decision: bonafide, spoof or inconclusive. reasons: why it is
    inconclusive, the first of them first. score: aggregated over windows, without a unit.
    llr: the calibrated natural-log likelihood ratio, bona fide over spoof, within the bounds that
    the development set supports; log10_llr: the same to base 10. p_bonafide: the posterior of `llr`
    at the calibration's prior. The three are None without a calibration, and where the recording is
    none that the detector can judge. calibration: see `Detector.calibration`. validation: whether
    the eval sets of the detector's study support `llr`; None where nobody asked, see
    `Detector.support`. flags: what speaks against relying on the score, by the names of
    `quality.FLAGS`; None where it is not known. measures: what the flags were raised on, see
    `quality.Measures`, and `distance` from the training data in units of the largest that is usual,
    None where it is not known.
    duration_s: of the recording. n_windows: how many windows it has. logits: their mean over
    windows, in the order of `outputs`. window_scores, window_logits, window_starts_s: of each.
    detector: 12 digits that name the detector: weights, settings and calibration; None for one
    that was never saved. spoofscope: the version that judged.
    """

    path: str | None
    decision: str
    reasons: list[str]
    score: float
    llr: float | None
    log10_llr: float | None
    p_bonafide: float | None
    calibration: dict[str, Any] | None
    validation: Validation | None
    flags: dict[str, bool | None]
    measures: dict[str, float | None]
    duration_s: float
    n_windows: int
    logits: list[float]
    window_scores: list[float]
    window_logits: list[list[float]]
    window_starts_s: list[float]
    detector: str | None
    spoofscope: str


@final
class Failure(TypedDict):
    """Why a file could not be judged; the detector that was asked, and the version: see
    `Judgement`.
    """

    path: str
    error: str
    detector: str | None
    spoofscope: str


class GivesLogits(Protocol):
    """A network with any number of outputs, see `detector.Detector.logits`."""

    def logits(
        self,
        windows: Sequence[npt.NDArray[np.float32]],
        batch_size: int,
        names: Sequence[str] | None = None,
    ) -> Logits:
        """Logits (n, n_outputs) of n windows; `names` says whose they are."""


class Listener(GivesLogits, Protocol):
    """What listening asks of a network; see the attributes of `network.Network`."""

    policy: InputPolicy
    likeness: likeness.Likeness | None


class Judge(Listener, Protocol):
    """What judging asks of a detector; see the attributes and methods of `detector.Detector`."""

    aggregation: Aggregation
    calibration: dict[str, Any] | None
    support: Support | None
    identity: str | None

    def scores_of(self, logits: Logits) -> npt.NDArray[np.float64]:
        """Scores (n,) from logits (n, n_outputs)."""

    def llr(self, score: float) -> float | None:
        """Calibrated log-likelihood ratio of a score."""

    def p_bonafide(self, score: float) -> float | None:
        """Posterior probability of bona fide."""

    def decide(self, score: float) -> str:
        """`bonafide`, `spoof` or `inconclusive`."""


def logits_of_clips(
    detector: GivesLogits, clips: Iterable[Inputs], batch_size: int
) -> Iterator[tuple[str, Logits]]:
    """The logits of every clip's windows, in the order of the clips.

    Args:
        detector: whose logits.
        clips: utt_id and windows of each, read as they are needed.
        batch_size: clips that are worked on together, and windows that the network sees at once. A
            logit may differ in its last digit with the windows beside it, so the same clips in the
            same order give the same bytes.

    Yields:
        utt_id and logits (n_windows, n_outputs) of a clip.

    Raises:
        DetectorError: a logit is not finite; the clip is named.
    """
    source = iter(clips)
    while group := list(itertools.islice(source, batch_size)):
        names = [utt_id for utt_id, windows in group for _ in windows]
        logits = detector.logits([w for _, windows in group for w in windows], batch_size, names)
        start = 0
        for utt_id, windows in group:
            yield utt_id, logits[start : start + len(windows)]
            start += len(windows)


class Heard(NamedTuple):
    """What a network gives for a recording, and what was noticed on the way.

    path: the file, or None. outputs: (n_windows, width), float32. starts_s: seconds, of each
    window. duration_s, flags, measures: see `Judgement`. reasons: why the recording is none that
    can be judged, the first of them first; empty where it can.
    """

    path: str | None
    outputs: Logits
    starts_s: list[float]
    duration_s: float
    flags: dict[str, bool | None]
    measures: dict[str, float | None]
    reasons: list[str]


def hear(network: Listener, recording: Recording, longest: float | None = None) -> Heard:
    """Let a detector or a tracer hear a recording, window by window.

    Args:
        network: which of them.
        recording: see `Detector.predict`.
        longest: see there.

    Raises:
        AudioError: the recording cannot be read, or is too long; a file is named.
        DetectorError: a value is not finite; a file is named.
    """
    if longest is None:
        longest = LONGEST_SECONDS if network.policy.length else LONGEST_WHOLE_SECONDS
    clip = None
    if isinstance(recording, str | os.PathLike):
        # Opened once, so that what its channels do is found out once.
        clip = audio.Clip(Path(recording), longest=longest)
    windows, listeners = listen(network, clip or recording, longest)
    rate = network.policy.sample_rate

    path = None if isinstance(recording, tuple) else str(recording)
    starts: list[int] = []
    extended = False

    def one_by_one() -> Iterator[Inputs]:
        nonlocal extended
        for window in windows:
            starts.append(window.start)
            extended |= window.valid < window.values.size
            yield path or "samples in memory", [window.values]

    # Window by window, so that a long recording is never in memory as a whole.
    parts = [logits for _, logits in logits_of_clips(network, one_by_one(), _WINDOWS_AT_ONCE)]
    meter, describer = listeners[-1]
    distance = None
    if network.likeness is not None and describer is not None:
        distance = network.likeness.distance(describer.description())
    measures = meter.measures()
    one_channel = None if clip is None else clip.one_channel
    if clip is not None and clip.channels > 1:
        # The mean of channels, which the meter was given, hides that one of them is clipped.
        measures = measures._replace(clipped_share=clip.clipped_share)
    flags = quality.flags(measures, rate, extended, distance, one_channel)
    return Heard(
        path,
        np.concatenate(parts),
        [start / rate for start in starts],
        measures.duration_s,
        flags,
        {**measures._asdict(), "distance": distance},
        [quality.FLAGS[name] for name in quality.DISQUALIFYING if flags[name]],
    )


def judge(detector: Judge, recording: Recording, longest: float | None = None) -> Judgement:
    """Judge a recording, see `Detector.predict`."""
    heard = hear(detector, recording, longest)
    scores = detector.scores_of(heard.outputs)
    score = aggregate_windows(scores, detector.aggregation)
    reasons = heard.reasons
    # Of a recording that it cannot judge, a detector's ratio says nothing.
    llr = None if reasons else detector.llr(score)
    decision = "inconclusive" if reasons else detector.decide(score)
    if decision == "inconclusive" and not reasons:
        reasons = [_undecided(detector)]
    return {
        "path": heard.path,
        "decision": decision,
        "reasons": reasons,
        "score": score,
        "llr": llr,
        "log10_llr": None if llr is None else llr / math.log(10),
        "p_bonafide": None if llr is None else detector.p_bonafide(score),
        "calibration": None if detector.calibration is None else dict(detector.calibration),
        "validation": None if detector.support is None else detector.support.of(llr),
        "flags": heard.flags,
        "measures": heard.measures,
        "duration_s": heard.duration_s,
        "n_windows": len(scores),
        "logits": heard.outputs.mean(axis=0, dtype=np.float64).tolist(),
        "window_scores": scores.tolist(),
        "window_logits": heard.outputs.astype(np.float64).tolist(),
        "window_starts_s": heard.starts_s,
        "detector": detector.identity,
        "spoofscope": __version__,
    }


def failure(detector: Judge, path: str | os.PathLike[str], error: object) -> Failure:
    """What stands in place of a judgement where there is none."""
    return {
        "path": str(path),
        "error": str(error),
        "detector": detector.identity,
        "spoofscope": __version__,
    }


def listen(
    network: Listener, recording: Recording | audio.Clip, longest: float | None
) -> tuple[Iterator[Window], list[tuple[quality.Meter, likeness.Describer | None]]]:
    """The windows of a recording as a stream, and what listens to it.

    The last of the listeners has heard what has passed.

    Raises:
        AudioError: the recording cannot be read; perhaps only after some windows.
    """
    blocks = _opened(recording, longest)
    rate = network.policy.sample_rate
    listeners: list[tuple[quality.Meter, likeness.Describer | None]] = []
    passes = 2 if network.policy.normalize else 1

    def heard() -> Iterator[Samples]:
        # A clip that is normalised is opened twice, the first time for its mean and variance.
        last = len(listeners) + 1 == passes
        describer = likeness.Describer(rate) if network.likeness is not None and last else None
        listeners.append((meter := quality.Meter(rate), describer))
        first, stored_rate = next(decoded := blocks())
        stored = itertools.chain([first], (samples for samples, _ in decoded))
        samples = meter.heard(network.policy.resampled(meter.stored(stored), stored_rate))
        return samples if describer is None else describer.heard(samples)

    return network.policy.stream(heard), listeners


def _opened(
    recording: Recording | audio.Clip, longest: float | None
) -> Callable[[], Iterator[tuple[Samples, int]]]:
    """A function that opens a recording as `audio.decode` does."""
    if isinstance(recording, str | os.PathLike):
        recording = audio.Clip(Path(recording), longest=longest)
    if isinstance(recording, audio.Clip):
        clip = recording
        return lambda: ((block, clip.rate) for block in clip.blocks(_BLOCK_SECONDS))
    if not isinstance(recording, tuple) or len(recording) != 2:
        raise AudioError(
            "a recording is a path, or a pair of samples and their rate in Hz; "
            f"got {type(recording).__name__}"
        )
    waveform, rate = recording
    if isinstance(rate, bool) or rate != int(rate) or rate <= 0:
        raise AudioError(f"a sample rate is a positive whole number of Hz, not {rate!r}")
    samples, whole_rate = audio.as_mono(waveform), int(rate)
    size = round(_BLOCK_SECONDS * whole_rate)
    return lambda: (
        (samples[start : start + size], whole_rate) for start in range(0, samples.size, size)
    )


def _undecided(detector: Judge) -> str:
    if detector.calibration is None:
        return "the detector has neither a calibration nor a threshold"
    band = detector.calibration["band"]
    near = f"the probability is within {band:g} of one half"
    prior = detector.calibration["prior"]
    extremes = (posterior(detector.calibration[end], prior) for end in ("lower", "upper"))
    if all(abs(extreme - 0.5) < band for extreme in extremes):
        return f"{near}, as that of every recording: {supported_text(detector.calibration)}"
    return near


_SUPPORTED = {True: "yes", False: "no", None: "not known"}


def calibrated_cells(judgement: Judgement, absent: str) -> dict[str, str]:
    """What the calibration says, with the digits that it supports: llr, log10_llr, p_bonafide; and
    whether the validation supports that.

    Args:
        judgement: of a recording.
        absent: what stands where nothing is said.
    """
    calibration, probability = judgement["calibration"], judgement["p_bonafide"]
    if calibration is None or probability is None:
        return dict.fromkeys(("llr", "log10_llr", "p_bonafide", "supported"), absent)
    validation = judgement["validation"]
    return {
        "llr": f"{judgement['llr']:.2f}",
        "log10_llr": f"{judgement['log10_llr']:.2f}",
        "p_bonafide": probability_text(probability, calibration),
        "supported": _SUPPORTED[None if validation is None else validation["supported"]],
    }


# Characters that begin a formula in spreadsheets, including full-width ones.
_FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def as_cell(text: str) -> str:
    """A text for a cell of a table that people open: one line, and no formula.

    A name that a spreadsheet would take for a formula begins with `./`, which names the same file.
    Numbers stay as they are.
    """
    line = " ".join(text.split())
    try:
        float(line)
    except ValueError:
        return f"./{line}" if line.startswith(_FORMULAS) else line
    return line


COLUMNS = (
    *("file", "decision", "reasons", "score", "llr", "log10_llr", "p_bonafide", "supported"),
    *("doubts", "duration_s", "n_windows", "flags", "error", "detector", "spoofscope"),
)
"""Of a table of judgements; all text."""


def as_table(results: Sequence[Judgement | Failure]) -> pl.DataFrame:
    """One row per file with the columns :data:`COLUMNS`; an inapplicable field is empty."""
    rows = []
    for result in results:
        row = dict.fromkeys(COLUMNS, "")
        row["file"] = shown(str(result["path"]))
        row |= {"detector": result["detector"] or "", "spoofscope": result["spoofscope"]}
        if "error" in result:
            row["error"] = result["error"]
        else:
            row["decision"] = result["decision"]
            row["score"] = f"{result['score']:.6f}"
            row.update(calibrated_cells(result, ""))
            row["doubts"] = " ".join(doubts_of(result["validation"]))
            row["duration_s"] = f"{result['duration_s']:.3f}"
            row["n_windows"] = str(result["n_windows"])
            row["flags"] = ",".join(name for name, flag in result["flags"].items() if flag)
            row["reasons"] = "; ".join(result["reasons"])
        # A tab or a line break would make two cells or two rows of one.
        rows.append({key: as_cell(value) for key, value in row.items()})
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))
