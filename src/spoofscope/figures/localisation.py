"""How well attributions find segments of known artefacts."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from spoofscope.attribution.verdicts import MARKS, of_controls, read_checks, wrapped_note
from spoofscope.exhibits import Figure
from spoofscope.figures.style import COLOURS, legend_below, new_figure, save
from spoofscope.names import ALL
from spoofscope.tables import read_table

FIGURE = Figure(
    title="Does attribution find the artefacts?",
    shows="Agreement of each detector's attribution with the planted segments, per attack.",
    caption=(
        "Area under the ROC curve of frame-wise evidence for spoof against the segments of known "
        "artefacts; 0.5 is chance. In the pointing game a clip counts if its strongest evidence "
        "lies in such a segment; the dotted line is the share of frames in such segments. Attacks "
        "whose artefact covers the whole clip are left out, because it cannot be localised. A mark "
        "behind a detector's name says that its explanations fail their controls (†), or that it "
        "is undecided whether they pass them (‡)."
    ),
    needs="found_segments",
    place=220,
)

_COLUMNS: dict[str, pl.DataType] = {"attack": pl.String(), "metric": pl.String(), "n": pl.Int64()}
_WITH_INTERVAL = dict.fromkeys(("value", "ci_low", "ci_high"), pl.Float64())
_METRICS = {
    "auc_evidence": ("AUC of spoof evidence", 0.5),
    "auc_magnitude": ("AUC of |attribution|", 0.5),
    "pointing": ("pointing game", None),
}


def draw(localised: Sequence[Mapping[str, str]], outputs: Mapping[str, str]) -> None:
    """Draw one panel per metric: a bar with its 95 % interval per attack and detector.

    Attacks without local artefacts have nothing to localise and are left out. Chance is 0.5 for the
    AUCs; for the pointing game it is the share of frames in artefacts, drawn as a tick per bar.

    Args:
        localised: run, detector (its name), `table`, the summary of its localisation, and `checks`
            of its explanations.
        outputs: `pdf`, `png`, `tsv`.
    """
    standings = {
        entry["detector"]: of_controls(read_checks(entry["checks"])) for entry in localised
    }
    names, tables = {}, []
    for entry in localised:
        standing = standings[entry["detector"]]
        names[entry["run"]] = f"{entry['detector']}{MARKS[standing]}"
        table = read_table(entry["table"], _COLUMNS, _WITH_INTERVAL)
        told = (pl.lit(entry["run"]).alias("run"), pl.lit(standing).alias("controls"))
        tables.append(table.select(*told, pl.all()))
    table = pl.concat(tables)
    local = table.filter((pl.col("n") > 0) & pl.col("value").is_not_null())
    runs = table["run"].unique(maintain_order=True).to_list()
    groups = sorted(set(local["attack"]) - {ALL}) + ([ALL] if local.height else [])
    figure = new_figure(7.2, 2.7)
    width = 0.8 / max(len(runs), 1)
    for panel, (metric, (title, chance)) in enumerate(_METRICS.items(), start=1):
        axes = figure.add_subplot(1, len(_METRICS), panel)
        for i, run in enumerate(runs):
            for j, group in enumerate(groups):
                of_run = local.filter((pl.col("run") == run) & (pl.col("attack") == group))
                cell = of_run.filter(pl.col("metric") == metric)
                if cell.is_empty():
                    continue
                x = j + (i - (len(runs) - 1) / 2) * width
                value, low, high = cell.select("value", "ci_low", "ci_high").row(0)
                axes.bar(
                    x,
                    value,
                    0.92 * width,
                    color=COLOURS[i % len(COLOURS)],
                    label=names[run] if j == 0 else None,
                )
                if low is not None:
                    axes.plot([x, x], [low, high], color="#222222", linewidth=1)
                covered = of_run.filter(pl.col("metric") == "coverage")
                if chance is None and covered.height:
                    level = covered["value"][0]
                    axes.plot([x - width / 2, x + width / 2], [level, level], "k:", linewidth=1)
        if chance is not None:
            axes.axhline(chance, color="#222222", linestyle=":", linewidth=1)
        axes.set_ylim(0, 1)
        labels = [f"{group.replace('_', ' ')}\n(n = {_count(local, group)})" for group in groups]
        axes.set_xticks(np.arange(len(groups)), labels, rotation=30, ha="right")
        axes.grid(visible=False, axis="x")
        axes.set_title(title)
    if groups:
        handles, shown = figure.axes[0].get_legend_handles_labels()
        legend_below(figure, handles, shown)
    else:
        figure.suptitle("no utterance with a local artefact was explained")
    doubts = wrapped_note(standings, figure.get_figwidth())
    if groups and doubts:
        figure.suptitle(doubts, fontsize=7, x=0.01, ha="left")
    save(figure, outputs, table)


def _count(local: pl.DataFrame, group: str) -> int:
    return int(local.filter(pl.col("attack") == group)["n"][0])
