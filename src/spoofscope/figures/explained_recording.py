"""The figure of `spoofscope explain`: a recording with what speaks for which class upon it."""

import textwrap
from collections.abc import Mapping

import polars as pl
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from spoofscope.attribution.explained_recording import ExplainedRecording, conclusion, relative_to
from spoofscope.attribution_methods import METHOD_TITLES
from spoofscope.figures.clips import (
    EVIDENCE,
    draw_spectrogram,
    draw_waveform,
    evidence_curve,
    label_from,
)
from spoofscope.figures.style import new_figure, save

_WIDTH, _HEIGHT, _LINE = 7.2, 3.6, 0.14


def draw_recording(explained: ExplainedRecording, name: str, outputs: Mapping[str, str]) -> None:
    """Draw waveform and spectrogram with the evidence, and say below whether to rely on it.

    Args:
        explained: the recording.
        name: of the recording, for the title.
        outputs: `pdf`, `png`, `tsv` (the drawn curve).
    """
    explanation = explained.explanation
    settings = explanation.settings
    said = f"{METHOD_TITLES[settings.method]}{relative_to(explanation)}. {conclusion(explained)}"
    curve = pl.DataFrame({"time": explained.times, "spoof_evidence": evidence_curve(explanation)})
    save(
        recording_figure(explained, name, said),
        outputs,
        curve.with_columns(pl.lit(explained.verdict).alias("controls")),
    )


def recording_figure(explained: ExplainedRecording, name: str, below: str) -> Figure:
    """Waveform and spectrogram with the evidence upon them.

    Args:
        explained: the recording.
        name: of the recording, for the title.
        below: a remark, wrapped; empty for none.
    """
    explanation, judgement = explained.explanation, explained.judgement
    rate = explanation.settings.sample_rate
    said = textwrap.wrap(below, int(_WIDTH / 0.055))
    figure = new_figure(_WIDTH, _HEIGHT + _LINE * len(said))
    upper, lower = figure.subplots(2, 1, height_ratios=[1, 1.4])
    draw_waveform(upper, explained.samples, rate, explanation)
    draw_spectrogram(lower, explained.samples, rate, explanation)
    label_from(explained.passage[0], upper, lower)
    score = f"{judgement['score']:+.3f}".replace("-", "−")
    decision = {"bonafide": "bona fide"}.get(judgement["decision"], judgement["decision"])
    upper.set_title(
        f"{name}\n{'' if explained.is_whole else 'whole recording: '}decision: {decision}, score "
        f"{score} (higher = more bona fide)",
        loc="left",
        fontsize=8,
    )
    lower.set_xlabel("seconds")
    lower.set_ylabel("kHz")
    bar = figure.colorbar(ScalarMappable(Normalize(-1, 1), EVIDENCE), ax=[upper, lower], aspect=40)
    bar.set_ticks([-1, 0, 1], labels=["bona fide", "0", "spoof"])
    bar.set_label("evidence (share of the largest)")
    if said:
        figure.supxlabel("\n".join(said), fontsize=7, x=0.01, ha="left")
    return figure
