"""The views of `spoofscope demo`: HTML and pictures, made from judgements and files.

All text from files, file names and messages is escaped. Pictures are part of the HTML, so that no
file has to be served.
"""

import base64
import io
import math
import wave
from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import polars as pl
import soundfile
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from spoofscope import exhibits
from spoofscope.attribution.explained_recording import relative_to
from spoofscope.attribution.store import Explanation
from spoofscope.attribution.verdicts import Check, conclusion, of_controls
from spoofscope.errors import ConfigError
from spoofscope.figures.clips import EVIDENCE, draw_spectrogram, draw_waveform, label_from
from spoofscope.figures.style import PAGE, new_figure, settle
from spoofscope.figures.window_scores import JudgedWindow, window_figure
from spoofscope.judging import Failure, Judgement, as_cell, as_table, calibrated_cells
from spoofscope.quality import DISQUALIFYING, FLAGS
from spoofscope.selection.calibration import probability_text, supported_text
from spoofscope.support import Support, doubts_of
from spoofscope.tables import read_table
from spoofscope.tracing.judging import Enrolled, Neighbour, Trace
from spoofscope.tracing.validation import said_of

_SENTENCE = 40

DECISIONS = {"bonafide": "Bona fide", "spoof": "Spoof", "inconclusive": "Inconclusive"}

CSS = """
.verdict { border-left: 8px solid #777; padding: 0.6em 1em; }
.verdict.bonafide { border-color: #0072B2; }
.verdict.spoof { border-color: #D55E00; }
.verdict h2 { margin: 0 0 0.2em 0; }
.verdict audio { max-width: 100%; }
.doubt { color: #b00020; font-weight: 600; }
.problem { border-left: 8px solid #b00020; padding: 0.6em 1em; overflow-wrap: anywhere; }
.shown table { border-collapse: collapse; width: 100%; }
.shown th, .shown td { border: 1px solid #8886; padding: 0.25em 0.6em; text-align: left; }
.shown td { overflow-wrap: break-word; }
.shown td.text { min-width: 18em; }
.batch td.text { min-width: 0; }
.shown img { max-width: 100%; background: white; }
.shown pre { white-space: pre-wrap; }
.shown { overflow-x: auto; }
.shown tr.marked td { background: #0072B222; font-weight: 600; }
.shown td.failed { color: #b00020; overflow-wrap: anywhere; }
.facts { font-size: 0.85em; overflow-wrap: anywhere; }
/* As wide as the picture, or the windows would lie beside it. */
.windows { position: relative; width: fit-content; }
.windows button { position: absolute; top: 12%; height: 66%; cursor: pointer; padding: 0;
  background: transparent; border: 0; border-right: 1px dotted #8886; }
.windows button:hover, .windows button:focus { background: #0002; }
"""


def problem(message: str) -> str:
    """The reason of a failure, as HTML."""
    return f'<div class="problem" role="alert">{escape(" ".join(message.split()))}</div>'


def report(result: str, unexplained: str) -> str:
    """The result of a case report as HTML; unexplained: why it explains no passage, or empty."""
    without = problem(f"The report has no explanation. {unexplained}") if unexplained else ""
    return (
        f'<div class="verdict"><p>{escape(result)}</p><p>The report is ready to be downloaded.</p>'
        f"</div>{without}"
    )


def _facts(name: str | None, origin: Mapping[str, str], by: str) -> str:
    """What was judged, when and by what."""
    return (
        f'<p class="facts">{escape(name or "-")}, SHA-256 <code>{escape(origin["sha256"])}</code>, '
        f"judged {escape(origin['time'])} by {escape(by)}.</p>"
    )


def verdict(judgement: Judgement, origin: Mapping[str, str]) -> str:
    """Decision, reasons, likelihood ratio and flags of one recording, as HTML.

    Args:
        judgement: of the recording.
        origin: its `sha256`, and the `time` of the judgement.
    """
    lines = [f"<h2>{DECISIONS[judgement['decision']]}</h2>"]
    lines += map(_doubt, doubts_of(judgement["validation"]))
    lines += [f"<p>Because {escape(reason)}.</p>" for reason in judgement["reasons"]]
    calibration, llr = judgement["calibration"], judgement["llr"]
    if calibration is None:
        lines.append("<p>No likelihood ratio: the detector is not calibrated.</p>")
    elif llr is None or judgement["p_bonafide"] is None:
        lines.append("<p>No likelihood ratio: the recording is none that can be judged.</p>")
    else:
        lines.append(
            f"<p>Calibrated likelihood ratio, bona fide over spoof: natural logarithm "
            f"<b>{llr:+.2f}</b>, to base 10 <b>{judgement['log10_llr']:+.2f}</b>. Probability of "
            f"bona fide, where it is {calibration['prior']:g} beforehand: "
            f"<b>{probability_text(judgement['p_bonafide'], calibration)}</b>. "
            f"{supported_text(calibration)}, so no more is said.</p>"
        )
    lines.append(_care(judgement["flags"]))
    lines.append(
        f"<p>Score {judgement['score']:+.3f}, higher = more bona fide; "
        f"{judgement['duration_s']:.2f} s in {judgement['n_windows']} window(s). "
        "What is said here compares a recording with the detector's data. It is no proof.</p>"
    )
    by = f"detector {judgement['detector']}, spoofscope {judgement['spoofscope']}"
    lines.append(_facts(judgement["path"], origin, by))
    return f'<div class="verdict {judgement["decision"]}">{"".join(lines)}</div>'


def _doubt(text: str) -> str:
    return f'<p class="doubt">{escape(text)}</p>'


def origin(trace: Trace, clips: Sequence[bytes | None], made: Mapping[str, str]) -> str:
    """Answer, ranked classes, and the nearest training clips of one recording, as HTML.

    Args:
        trace: of the recording.
        clips: WAV files of `trace["nearest"]`, None of those that are not there.
        made: `sha256` of the recording, and the `time` of the trace.
    """
    answer = trace["answer"]
    lines = [f"<h2>{escape(answer[:1].upper() + answer[1:])}</h2>"]
    lines += [f"<p>Because {escape(reason)}.</p>" for reason in trace["reasons"]]
    if trace["bonafide_by"] is not None:
        first = trace["bonafide_by"]
        ratio = first["log10_llr"]
        ratio_text = "" if ratio is None else f", log10 likelihood ratio {ratio:+.2f}"
        lines.append(
            f"<p>The detector was asked first: {DECISIONS[first['decision']].lower()}, score "
            f"{first['score']:+.3f}{ratio_text}.</p>"
        )
        lines += map(_doubt, doubts_of(first["validation"]))
    if trace["family"] is not None:
        name, said = trace["family"]["name"], trace["family"]["said"]
        lines.append(
            f"<p>If a known class made it, all of the family {escape(name)} together have a "
            f"probability of <b>{escape(said)}</b>.</p>"
        )
    ood = trace["ood"][trace["decided_by"]]
    lines.append(
        f"<p>Unknown from a score of {ood['threshold']:.4g} by {escape(trace['decided_by'])}; this "
        f"recording has {ood['score']:.4g}.</p>"
    )
    if trace["ranked"]:
        items = "".join(
            f"<li>{escape(candidate['name'])}: {escape(candidate['said'])}</li>"
            for candidate in trace["ranked"]
        )
        lines.append(
            f"<p>If one of these made it, the likeliest are ({trace['n_dev']} development clips "
            f"say no more):</p><ol>{items}</ol>"
        )
    if trace["enrolled"]:
        items = "".join(map(_enrolled, trace["enrolled"]))
        lines.append(f"<p>Enrolled systems:</p><ul>{items}</ul>")
    if trace["nearest"]:
        players = "".join(map(_neighbour, trace["nearest"], clips))
        lines.append(f"<p>Training clips that are most alike:</p><ul>{players}</ul>")
    lines += [f'<p class="errors">{escape(text)}</p>' for text in said_of(trace["validation"])]
    lines += [_care(trace["flags"]), *(f"<p>Note: {escape(note)}.</p>" for note in trace["notes"])]
    lines.append(
        "<p>What is said here compares a recording with the tracer's data. It is no proof.</p>"
    )
    by = f"tracer {trace['tracer']}, spoofscope {trace['spoofscope']}"
    lines.append(_facts(trace["path"], made, by))
    return f'<div class="verdict">{"".join(lines)}</div>'


def _enrolled(source: Enrolled) -> str:
    n, llr = source["n_references"], source["llr"]
    said = (
        "no likelihood ratio without --calibration"
        if llr is None
        else f"log10 likelihood ratio {llr / math.log(10):+.2f}"
    )
    references = f"{n} reference{'' if n == 1 else 's'}"
    text = f"{source['name']} ({references}): cosine {source['cosine']:.3f}, {said}"
    return f"<li>{escape(text)}</li>"


def _neighbour(clip: Neighbour, wav_file: bytes | None) -> str:
    text = escape(f"{clip['utt_id']} ({clip['attack']}), cosine {clip['cosine']:.3f}")
    if wav_file is None:
        return f"<li>{text}; its file is not there</li>"
    encoded = base64.b64encode(wav_file).decode()
    return f'<li>{text}<br><audio controls src="data:audio/wav;base64,{encoded}"></audio></li>'


def wav(samples: npt.NDArray[np.float32], rate: int) -> bytes:
    """Samples (n,) in [-1, 1] at `rate` Hz as a mono WAV file of 16 bits; beyond, they clip."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        scaled = np.clip(np.round(samples.astype(np.float64) * 32768), -32768, 32767)
        file.writeframes(scaled.astype("<i2").tobytes())
    return buffer.getvalue()


def flac(samples: npt.NDArray[np.float32], rate: int) -> bytes:
    """Samples (n,) in [-1, 1] at `rate` Hz as a mono FLAC file of 16 bits; beyond, they clip."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(samples, -1, 1), rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _care(flags: Mapping[str, bool | None]) -> str:
    """Flags that do not forbid a decision, and whether it is known if the recording is usual."""
    lines = []
    others = [name for name, flag in flags.items() if flag and name not in DISQUALIFYING]
    if others:
        lines.append("<p>Treat with care:</p>")
        items = "".join(f"<li>{escape(FLAGS[name])}</li>" for name in others)
        lines.append(f"<ul>{items}</ul>")
    if flags["out_of_distribution"] is None:
        lines.append(
            "<p>Whether the recording is like the training data is not known: there is no "
            "description of them.</p>"
        )
    return "".join(lines)


def _picture(figure: Figure, description: str) -> str:
    buffer = io.BytesIO()
    settle(figure, 130)
    figure.savefig(buffer, format="png", dpi=130)
    plt.close(figure)
    return _image(buffer.getvalue(), description)


def _image(content: bytes, description: str) -> str:
    encoded = base64.b64encode(content).decode()
    return f'<img alt="{escape(description)}" src="data:image/png;base64,{encoded}">'


def timeline(
    judgement: Judgement,
    windows: Sequence[JudgedWindow],
    band: tuple[float, float],
    sound: bytes,
) -> str:
    """Score of every window over time, as a picture in HTML; a click on a window plays it.

    Args:
        judgement: of the recording.
        windows: in their order.
        band: between these scores the decision is inconclusive; they may be infinite.
        sound: FLAC file of the whole recording.
    """
    duration = max(judgement["duration_s"], 1e-3)
    is_judged = not _disqualified(judgement)
    figure, axes = window_figure(windows, band, duration, is_judged=is_judged)
    picture = _picture(figure, "Score of each window over time")
    # Where the axes are in the picture, once it is drawn.
    place = axes.get_position()
    nexts = [*(window.start for window in windows[1:]), windows[-1].end]
    buttons = "".join(
        _window_button(
            window,
            place.x0 + place.width * window.start / duration,
            place.width * (following - window.start) / duration,
        )
        for window, following in zip(windows, nexts, strict=True)
    )
    return (
        f'<div class="shown"><div class="windows" onclick="{_PLAY}">{picture}{buttons}'
        f'<audio src="data:audio/flac;base64,{base64.b64encode(sound).decode()}" '
        'ontimeupdate="if (this.currentTime >= this.dataset.end) this.pause()"></audio></div>'
        "<p>Click a window to hear it. A colour says what the window alone speaks for.</p></div>"
    )


_PLAY = (
    "const window = event.target.closest('button'); if (!window) return; "
    "const sound = this.querySelector('audio'); sound.dataset.end = window.dataset.end; "
    "sound.currentTime = window.dataset.start; "
    # Another click, or the end of a short window, may stop it before it has begun.
    "sound.play().catch(() => {})"
)


def _window_button(window: JudgedWindow, left: float, width: float) -> str:
    said = f"Play {window.start:.2f} to {window.end:.2f} s, score {window.score:+.3f}"
    return (
        f'<button title="{said}" aria-label="{said}" data-start="{window.start:.4f}" '
        f'data-end="{window.end:.4f}" style="left: {100 * left:.3f}%; width: {100 * width:.3f}%">'
        "</button>"
    )


def _disqualified(judgement: Judgement) -> bool:
    return any(judgement["flags"][name] for name in DISQUALIFYING)


def clip(
    samples: npt.NDArray[np.float32],
    rate: int,
    explanation: Explanation | None,
    note: str,
    start: float,
) -> str:
    """Waveform and spectrogram with the evidence upon them, as a picture in HTML.

    Args:
        samples: (n,), the shown part.
        rate: Hz.
        explanation: evidence per frame, or None.
        note: remark about the explanation.
        start: where the shown part begins in the recording, in seconds.
    """
    figure = new_figure(PAGE, 3.4)
    upper, lower = figure.subplots(2, 1, height_ratios=[1, 1.4])
    draw_waveform(upper, samples, rate, explanation)
    draw_spectrogram(lower, samples, rate, explanation)
    upper.set_ylabel("waveform")
    lower.set_xlabel("seconds")
    lower.set_ylabel("kHz")
    label_from(start, upper, lower)
    if explanation is not None:
        key = figure.colorbar(
            ScalarMappable(Normalize(-1, 1), EVIDENCE), ax=[upper, lower], aspect=40
        )
        key.set_ticks([-1, 0, 1], labels=["bona fide", "0", "spoof"])
        key.set_label("evidence (share of the largest)")
    picture = _picture(figure, "Waveform and spectrogram")
    return f'<div class="shown">{picture}<p>{escape(note)}</p></div>'


def explanation_numbers(
    explanation: Explanation, checks: Sequence[Check] | None, checked_baseline: str | None
) -> dict[str, Any]:
    """How far an explanation can be trusted, as JSON.

    Args:
        explanation: of a recording.
        checks: of the explanations of this detector; None where there are none.
        checked_baseline: that of the explanations that were checked.
    """
    return {
        "controls": "unchecked" if checks is None else of_controls(checks),
        "checked_baseline": checked_baseline,
        "checks": None if checks is None else [check._asdict() for check in checks],
        "baseline": explanation.settings.baseline,
        "converged": explanation.converged,
        "relative_error": explanation.relative_error,
        "steps": explanation.steps,
    }


def explanation_note(
    explanation: Explanation,
    passage: tuple[float, float],
    judgement: Judgement,
    checks: Sequence[Check] | None,
    checked_baseline: str | None,
) -> str:
    """The remark about an explanation: whether those of the detector pass their controls, its
    content, the explained part, and its exactness.

    Args:
        explanation, checks, checked_baseline: as for :func:`explanation_numbers`.
        passage: from when to when it is, in seconds.
        judgement: of the recording.
    """
    trust = "Whether the explanations of this detector pass their controls is not known."
    if checks is not None:
        trust = conclusion("this detector", checks)
        if of_controls(checks) == "fails":
            trust = f"Do not rely on this picture. {trust}"
        baseline = explanation.settings.baseline
        if checked_baseline != baseline:
            trust += (
                f" These controls are of explanations against the baseline {checked_baseline}; "
                f"this one is against {baseline}."
            )
    duration = judgement["duration_s"]
    tolerance = f"{100 * explanation.settings.tolerance:g} %"
    exact = (
        f"In every window they add up to the score's difference from silence within {tolerance}"
        if explanation.converged
        else "Do not rely on this picture: in some windows they miss the score's difference from "
        f"silence by more than {tolerance}"
    )
    start, end = passage
    whole = start == 0 and end >= duration
    part = "" if whole else f" Only {start:.2f} to {end:.2f} s are explained."
    unjudged = (
        " The recording is not judged, so the picture shows what moves the score, and not what "
        "the recording is."
        if _disqualified(judgement)
        else ""
    )
    return (
        f"{trust} Integrated Gradients{relative_to(explanation)}: orange speaks for spoof, "
        f"blue for bona fide. {exact} (all together by {100 * explanation.relative_error:.1f} %, "
        f"with up to {explanation.steps} steps).{part}{unjudged}"
    )


def batch_table(
    results: Sequence[Judgement | Failure], origins: Sequence[Mapping[str, str]]
) -> pl.DataFrame:
    """One row per file, to download; visitors know their files by names alone.

    Args:
        results: of the files.
        origins: `sha256` of each, and the `time` of the judgement.
    """
    table = as_table(results)
    names = [as_cell(Path(str(result["path"])).name) for result in results]
    return table.with_columns(
        pl.Series("file", names, pl.String),
        pl.Series("sha256", [origin["sha256"] for origin in origins], pl.String),
        pl.Series("time", [origin["time"] for origin in origins], pl.String),
    )


def batch_html(
    results: Sequence[Judgement | Failure],
    origins: Sequence[Mapping[str, str]],
    support: Support | None,
) -> str:
    """One row per file, for people; why a file was not judged stands in place of its numbers.

    Args:
        results, origins: as for :func:`batch_table`.
        support: the detector's.
    """
    rows, by, doubted = [], dict[str, None](), False
    for result, origin in zip(results, origins, strict=True):
        name = as_cell(Path(str(result["path"])).name)
        done = "tried" if "error" in result else "judged"
        first = (
            f'<td>{escape(name)}<p class="facts">SHA-256 <code>{escape(origin["sha256"] or "-")}'
            f"</code>, {done} {escape(origin['time'] or '-')}</p></td>"
        )
        by[f"detector {result['detector']}, spoofscope {result['spoofscope']}"] = None
        if "error" in result:
            why = escape(" ".join(result["error"].split()))
            rows.append(
                f'<tr>{first}<td class="failed" colspan="{len(_BATCH) - 1}">Not judged: {why}</td>'
                "</tr>"
            )
            continue
        cells = (
            DECISIONS[result["decision"]],
            f"{result['score']:+.3f}",
            *calibrated_cells(result, "-").values(),
            f"{result['duration_s']:.2f}",
            ", ".join(flag.replace("_", " ") for flag, raised in result["flags"].items() if raised)
            or "-",
            "; ".join(result["reasons"]) or "-",
        )
        rows.append(f"<tr>{first}{''.join(map(_cell, cells))}</tr>")
        doubted |= bool(doubts_of(result["validation"]))
    head = "".join(f"<th>{title}</th>" for title in _BATCH)
    doubts = support.in_words() if doubted and support is not None else []
    said = "".join(map(_doubt, doubts))
    judged = f'<p class="facts">By {escape("; ".join(by))}.</p>'
    return (
        f'<div class="shown batch">{said}<table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>{judged}</div>"
    )


_BATCH = (
    *("file", "decision", "score", "LLR", "log10 LR", "p(bona fide)", "supported", "s", "flags"),
    "because",
)


def as_html(table: pl.DataFrame, marked: Collection[int] = ()) -> str:
    """A table as HTML, every cell escaped.

    Args:
        table: the table.
        marked: numbers of rows that stand out.
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    body = "".join(
        f"<tr{' class=marked' if place in marked else ''}>{''.join(map(_cell, row))}</tr>"
        for place, row in enumerate(table.iter_rows())
    )
    return (
        f'<div class="shown"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(value: object) -> str:
    text = str(value)
    # A sentence is not squeezed into a column of words.
    kind = ' class="text"' if len(text) > _SENTENCE else ""
    return f"<td{kind}>{escape(text)}</td>"


def card(detector: str | Path) -> str:
    """A detector's model card, as it was written, as HTML."""
    path = Path(detector) / "card.md"
    if not path.is_file():
        return problem("This detector has no model card.")
    parts: list[str] = []
    # Paragraphs are parted by empty lines; a line that begins another item ends the one before.
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        if block.startswith("# "):
            parts.append(f"<h2>{escape(block[2:].strip())}</h2>")
        elif block.startswith("- "):
            items = f"\n{block}".split("\n- ")[1:]
            parts.append(f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>")
        elif block.strip():
            parts.append(f"<p>{escape(block)}</p>")
    return f'<div class="shown">{"".join(parts)}</div>'


# Column of headline.tsv to its heading here, and the factor and decimals that it is shown with.
_HEADLINE: Mapping[str, tuple[str, float, int] | str] = {
    "name": "detector",
    "trained_on": "trained on",
    "corpus": "corpus",
    "split": "split",
    "n_seeds": "seeds",
    "eer": ("EER %", 100, 1),
    "eer_low": ("95 % from", 100, 1),
    "eer_high": ("to", 100, 1),
    "min_dcf": ("minDCF", 1, 3),
    "auc": ("AUC", 1, 3),
}


def performance(study: str | Path | None, run: str | None) -> str:
    """Main metrics and figures of a study's results, as HTML.

    Args:
        study: a folder such as results/mini, or None.
        run: of the detector that is being shown; None where it is not of this study.

    Raises:
        ConfigError: the folder holds no results of a study.
    """
    if study is None:
        return problem("Started without --study: there are no results to show.")
    folder = Path(study)
    headline = folder / "tables" / "headline.tsv"
    # In the order of the report; unknown figures come last.
    known = exhibits.figures()
    order = [*known]
    figures = sorted(
        folder.glob("figures/*.png"),
        key=lambda path: (order.index(path.stem) if path.stem in order else len(order), path.stem),
    )
    if not headline.is_file() and not figures:
        raise ConfigError(
            f"{folder} holds neither tables/headline.tsv nor figures; "
            "give the results of a study, such as results/mini"
        )
    parts = [
        f"<p>Results of the study <b>{escape(folder.resolve().name)}</b>. The detector of this "
        f"page is {'<b>not</b> one of its detectors' if run is None else 'one of its own'}.</p>"
    ]
    if headline.is_file():
        table = _headline(headline)
        own = None if run is None else run.rpartition("-")[0]
        names = table["detector"].to_list() if "detector" in table.columns else []
        marked = [place for place, name in enumerate(names) if name == own]
        parts.append(as_html(table, marked))
        if marked:
            parts.append("<p>The marked rows are those of the detector of this page.</p>")
    for path in figures:
        record = known.get(path.stem)
        title, caption = path.stem.replace("_", " "), ""
        if record is not None:
            title, caption = record.title, record.caption
        parts.append(
            f"<h3>{escape(title)}</h3>{_image(path.read_bytes(), title)}<p>{escape(caption)}</p>"
        )
    return f'<div class="shown">{"".join(parts)}</div>'


def _headline(path: Path) -> pl.DataFrame:
    table = read_table(path, {})
    columns = []
    for name, shown in _HEADLINE.items():
        if name not in table.columns:
            continue
        if isinstance(shown, str):
            columns.append(table[name].alias(shown))
        else:
            title, factor, decimals = shown
            values = [f"{factor * float(x):.{decimals}f}" if x else "-" for x in table[name]]
            columns.append(pl.Series(title, values))
    return pl.DataFrame(columns)
