"""Likelihood ratios of source verification, of right and of wrong claims."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from spoofscope.exhibits import Figure
from spoofscope.figures.fitting import shortened
from spoofscope.figures.style import (
    BONAFIDE,
    SPOOF,
    between,
    legend_below,
    panel_pages,
    people,
    percent,
    save,
)
from spoofscope.tracing.systems import KNOWN
from spoofscope.tracing.trials import TARGET
from spoofscope.tracing.verification import read_scored_trials, read_verification_metrics

FIGURE = Figure(
    title="Is it the claimed source?",
    shows="Likelihood ratios of right and wrong claims about the source of a clip (Tippett plot).",
    caption=(
        "Share of the trials whose natural-log likelihood ratio is at least the value on the axis "
        "(Tippett plot), where the clip is of the claimed source and where it is of another one. "
        "To the right of 0 a ratio supports the claim. So the blue curve should fall as far to the "
        "right as it can, and the orange one as far to the left. Solid lines are claims of sources "
        "that the tracer was trained on, dashed ones are claims of others. The ratios are "
        "calibrated on dev; they end where dev supports no larger ones. Each panel gives the "
        "number of claims and the EER of the cosines with its 95 % interval, for which whole "
        "claims are drawn again: with few claims, it says little about other sources."
    ),
    needs="shown_verifications",
    place=177,
    section="tracing",
)

_COLUMNS, _ROW = 4, 1.75
_STYLES = dict(zip(KNOWN, ("-", (0, (3, 1.5))), strict=True))
_COLOURS = dict(zip(TARGET, (BONAFIDE, SPOOF), strict=True))
_WORDS = dict(zip(TARGET, ("right claim", "wrong claim"), strict=True))
_MOST_POINTS = 500


def draw(verified: Sequence[Mapping[str, Any]], outputs: Mapping[str, str]) -> None:
    """Draw one panel per tracer, corpus and level, in two columns.

    Args:
        verified: name, seed, corpus, split and the files scores and metrics of each tracer and
            corpus, see `tracing.verification`.
        outputs: `pdf`, `png`, `tsv`.
    """
    corpora = {entry["corpus"] for entry in verified}
    panels = [
        (entry, str(level), trials)
        for entry in verified
        for (level,), trials in read_scored_trials(entry["scores"]).group_by(
            "level", maintain_order=True
        )
    ]
    columns = min(_COLUMNS, len(panels))
    figures, drawn = panel_pages(len(panels), _COLUMNS, _ROW, 0.55)
    rows: list[dict[str, Any]] = []
    handles: dict[str, Any] = {}
    for place, (axes, (entry, level, trials)) in enumerate(zip(drawn, panels, strict=True)):
        curves = _draw(axes, trials, handles)
        rows += [
            {
                **{key: entry[key] for key in ("name", "seed", "corpus", "split")},
                "level": level,
                **curve,
            }
            for curve in curves
        ]
        name = shortened(people().system(entry["name"]), 22)
        where = f", {shortened(people().corpus(entry['corpus']), 12)}" if len(corpora) > 1 else ""
        words = level.replace("_", " ")
        axes.set_title(f"{name}{where}\n{words}: {_measured(entry, level)}", fontsize=7)
        axes.tick_params(labelsize=7)
        if place % columns == 0:
            axes.set_ylabel("share of trials (%)", fontsize=7)
        if place + columns >= len(panels):
            axes.set_xlabel("natural-log likelihood ratio", fontsize=7)
    for figure in figures:
        legend_below(figure, list(handles.values()), list(handles))
    save(figures, outputs, pl.DataFrame(rows))


def _measured(entry: Mapping[str, Any], level: str) -> str:
    metrics = read_verification_metrics(entry["metrics"])
    eer = metrics.filter(level=level, trials="all", metric="eer").row(0, named=True)
    claims = f"{eer['n_claims']} claim{'' if eer['n_claims'] == 1 else 's'}"
    ends = {f"ci_{end}": eer[end] for end in ("low", "high")}
    return f"{claims}\nEER {percent(eer['estimate'])} %{between(ends)}"


def _draw(axes: Axes, trials: pl.DataFrame, handles: dict[str, Any]) -> list[dict[str, Any]]:
    """The curves of a panel, and their points."""
    points: list[dict[str, Any]] = []
    low, high = float(trials["llr"].min() or 0), float(trials["llr"].max() or 0)  # type: ignore[arg-type]
    # All ratios are 1 where dev tells nothing.
    edge = 0.08 * (high - low) or 0.5
    ends = min(low, 0.0) - edge, max(high, 0.0) + edge
    axes.axvline(0, color="black", linewidth=0.6)
    for known in KNOWN:
        for target in TARGET:
            ratios = np.sort(trials.filter(known=known, target=target)["llr"].to_numpy())
            if not ratios.size:
                continue
            values = np.concatenate([[ends[0]], ratios, [ends[1]]])
            shares = 100 * np.concatenate([[1], np.arange(ratios.size, 0, -1) / ratios.size, [0]])
            (line,) = axes.step(
                values,
                shares,
                where="pre",
                color=_COLOURS[target],
                linestyle=_STYLES[known],
                linewidth=1.2,
            )
            kind = "known" if known == KNOWN[0] else "unknown"
            handles.setdefault(f"{_WORDS[target]}, {kind} source", line)
            kept = np.unique(np.linspace(0, values.size - 1, _MOST_POINTS).round().astype(int))
            points += [
                {
                    "known": known,
                    "target": target,
                    "n_trials": ratios.size,
                    "llr": float(value),
                    "share": float(share) / 100,
                }
                for value, share in zip(values[kept], shares[kept], strict=True)
            ]
    axes.set_xlim(*ends)
    axes.set_ylim(-3, 103)
    return points
