"""The report: one self-contained HTML page."""

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import polars as pl

from spoofscope.attribution.checks import GAINS
from spoofscope.errors import SpoofscopeError
from spoofscope.files import write_text
from spoofscope.names import ALL, POOLED
from spoofscope.provenance.record import git_state, package_versions
from spoofscope.report.audits import attention, read_audit, sentences
from spoofscope.report.averages import averaged_runs
from spoofscope.report.disagreements import disagreement_sections
from spoofscope.report.fingerprints import fingerprint_section
from spoofscope.report.first import LOOKED_FOR, read_first
from spoofscope.summaries.comparisons import read_comparisons, within_reach
from spoofscope.summaries.generator_matrix import generator_summary
from spoofscope.tables import read_manifest, read_table

CAPTIONS = {
    "det_curves": (
        "Detection error trade-off",
        "How many bona fide clips are rejected for how many spoofs accepted, as the threshold "
        "moves; normal-deviate axes. Lower left is better; the diagonal marks equal error rates. A "
        "curve without errors, or with hardly anything else, lies beyond the axes (0.08 to 90 %), "
        "and has a star in the legend.",
    ),
    "score_histograms": (
        "Scores",
        "Distribution of scores per detector. The dashed line is the threshold at the equal error "
        "rate of the development set: what falls on the wrong side of it is what a user who fixed "
        "the threshold beforehand would get wrong.",
    ),
    "eer_by_condition": (
        "Error rates per condition",
        "Equal error rate with its 95 % bootstrap interval. An attack is compared with all "
        "bona fide clips; for other conditions both classes are of that level. In brackets: bona "
        "fide + spoofed clips. There is no interval where a class has fewer than two speakers (or "
        "clips, where these are resampled), nor of a macro average over such a level.",
    ),
    "train_test_matrix": (
        "Trained on, tested on",
        "Equal error rate (%) of every detector against every attack, below it the 95 % "
        "interval. Values above 50 % are real: that attack is ranked as more bona fide than real "
        "speech.",
    ),
    "generator_matrix": (
        "Trained on one generator, tested on another",
        "Equal error rate (%) of every detector on each generator against bona fide clips, mean "
        "over training seeds with the standard deviation over them (of the seeds themselves, not "
        "an estimate for more) and the 95 % interval of the first seed. Frames: what the detector "
        "knew of the generator. The mean of unseen leaves out what it was trained or selected on.",
    ),
    "comparisons": (
        "Which detectors differ",
        "Every two systems on the same resampled trials, row minus column; blue: the row is "
        "better. A star marks what stays significant (p < 0.05) after Holm's correction over the "
        "pairs of a set; no star is no proof of equality.",
    ),
    "reliability": (
        "Are the probabilities right?",
        "Of the clips with a predicted probability of bona fide, how many are; on the diagonal "
        "they are right. Raw takes scores for log-likelihood ratios, which nobody promises; "
        "calibrated is after the calibration fitted on the development set, within its bounds. "
        "Large dots stand for many clips, bars are 95 % intervals. ECE: mean distance from the "
        "diagonal, with its 95 % interval; that of a few clips is too large even where all "
        "probabilities are right.",
    ),
    "disagreements": (
        "Where two systems disagree",
        "Scores of a system that has to be right over those of one that has to be wrong; dashed "
        "are their thresholds, chosen on development data. In the corners: how many clips of each "
        "class, all of them, even where only some are drawn. Rings mark the clips that were "
        "exported as audio. McNemar's exact test asks whether the two systems err equally often; "
        "clips of a speaker count as one where speakers are known.",
    ),
    "attribution_examples": (
        "What the detectors react to",
        "Integrated Gradients over waveform and spectrogram, one clip per attack. Orange "
        "speaks for spoof, blue for bona fide; grey bars are segments that are known to be "
        "artefacts.",
    ),
    "localisation": (
        "Does attribution find the artefacts?",
        "Area under the ROC curve of frame-wise spoof evidence against the segments where an "
        "artefact is known to be; 0.5 is chance. Attacks whose artefact is everywhere are left "
        "out: there is nothing to localise.",
    ),
    "attribution_mean": (
        "At which frequencies the detectors listen",
        "Integrated Gradients, mean over windows that were drawn evenly over the attacks; "
        "blue is evidence for bona fide, orange for spoof. The three maps of a detector have one "
        "colour range, symmetric about zero and up to the largest magnitude in any of them (beside "
        "the bar); values are as computed. Below, sums over time with a band of one standard error "
        "over windows; in brackets: windows.",
    ),
    "layer_weights": (
        "Learned layer weights",
        "Softmax weight of each hidden state of the backbone. The dotted line is the uniform mix "
        "from which training starts; 'eff.' is the effective number of layers, the exponential of "
        "the weights' entropy. Where the layers are normed before they are mixed, the dashed line "
        "is the weight times the learned gain of that norm: what a layer really contributes.",
    ),
    "layer_weight_map": (
        "Learned layer weights, detectors side by side",
        "Mean over training seeds of the weights, as log2 of weight times number of layers: 0 "
        "(white) is the uniform mix, 1 is twice as much. All rows and maps have the same scale, "
        "which reaches at least from half to twice the uniform weight: a small preference looks "
        "small. The table has the weights with their standard deviations over seeds.",
    ),
    "layer_depth": (
        "Error rate against depth",
        "Equal error rate of detectors that keep only the lower layers of their backbone: mean "
        "over training seeds with their standard deviation (bars), and single trainings with their "
        "95 % bootstrap interval (small dots, thin lines).",
    ),
    "layer_probes": (
        "What each layer knows",
        "Equal error rate of a logistic regression on one layer alone (mean and standard deviation "
        "over time), with its 95 % bootstrap interval. Fitted on train, regularised by dev; the "
        "backbone is as it was pre-trained.",
    ),
    "layer_probe_map": (
        "What each layer knows, by condition",
        "Equal error rate of the linear probes; colours always run from 0 to 50 %. A dot marks the "
        "lowest of a row. In brackets: bona fide + spoofed clips.",
    ),
    "layer_pareto": (
        "Error rate against cost",
        "Equal error rate (mean over seeds, bars their standard deviation) over measured "
        "parameters, latency and peak memory; numbers are transformer layers. Filled points are "
        "not dominated: no other detector is better in one of both and at least as good in the "
        "other. Latency and memory are of one machine, and differ a little whenever they are "
        "measured.",
    ),
    "fingerprint_means": (
        "Fingerprints",
        "Mean magnitudes of wavelet packet coefficients by frequency, of every generator over the "
        "bona fide speech that it is compared to. Where there are more bands than points, the "
        "shade reaches from the lowest to the highest band of a point.",
    ),
    "fingerprint_differences": (
        "Differences to bona fide speech",
        "Logarithm of the mean magnitudes of bona fide speech less that of a generator; below "
        "zero the generator has more. Orange: wavelet packets; grey: short Fourier frames. In the "
        "titles: correlation of the differences made from disjoint halves of the clips, the share "
        "of permutations of the labels that reach it, corrected for the number of generators, and "
        "what it cannot be below. Every panel has its own scale.",
    ),
    "artefact_correlations": (
        "Scores and signal measures",
        "Spearman correlation of signal measures with detector scores, over all trials and within "
        "each class. A star marks what stays significant (p < 0.05) after Holm's correction over "
        "all tests of a detector; grey means that a measure is constant. Where speakers are known "
        "they are the unit of the tests, whose signs are flipped as wholes. Where detectors were "
        "explained, the last map correlates frame-wise evidence for bona fide with frame-level "
        "measures; its null shifts the evidence along the clip.",
    ),
}

_GRID = (
    "Error rates over a grid",
    "Mean equal error rate over training seeds of every point, first on the data that models were "
    "selected on. Marked: the points that were best there; the trials of an evaluation choose "
    "nothing. All metrics of all points: tables/, and grids/ for each point.",
)

# Measured times differ from run to run, and the page is the same bytes wherever it is made. So it
# leads to these figures and does not hold them.
BESIDE_THE_PAGE = ("layer_pareto",)


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.2f}" if abs(value) < 0.1 else f"{100 * value:.1f}"


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _image(path: str) -> str:
    encoded = base64.b64encode(Path(path).read_bytes()).decode()
    return f"data:image/png;base64,{encoded}"


def _width(path: str) -> int:
    """Width in CSS pixels at which a figure's 8-point text is about as large as the page's."""
    header = Path(path).read_bytes()[:24]
    return round(int.from_bytes(header[16:20], "big") * 0.62)


def _counts(manifest: pl.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for split in ("train", "dev", "eval"):
        part = manifest.filter(pl.col("split") == split)
        if part.is_empty():
            continue
        spoof = part.filter(pl.col("label") == "spoof")
        rows.append(
            {
                "split": split,
                "bonafide": part.height - spoof.height,
                "spoof": spoof.height,
                "speakers": part.filter(pl.col("speaker") != "-")["speaker"].n_unique() or "–",
                "hours": part["duration"].sum() / 3600,
                "attacks": ", ".join(sorted(spoof["attack"].unique().to_list())),
            }
        )
    return rows


def _corpora(
    config: Mapping[str, Any],
    manifests: Mapping[str, pl.DataFrame],
    audits: Mapping[str, pl.DataFrame],
) -> list[dict[str, Any]]:
    corpora = []
    for name in [*config["corpora"], *config.get("augmented", {})]:
        copy = config.get("augmented", {}).get(name)
        entry: dict[str, Any] = {
            "name": name,
            "kind": f"augmented copy of {copy['corpus']} (chain {copy['chain']})"
            if copy
            else config["corpora"][name]["type"],
            "splits": _counts(manifests[name]),
            "findings": [],
        }
        if name in audits:
            table = audits[name]
            entry["checks"] = table.height
            entry["attention"] = attention(table).height
            entry["findings"] = sentences(attention(table))
            entry["planted"] = table.filter(pl.col("status") == "planted").height
        corpora.append(entry)
    return corpora


def _parts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Front-end, back-end and input of a run in words; of scores of others none is known."""
    if "frontend" not in settings:
        return dict.fromkeys(("frontend", "backend", "input"), "unknown")
    frontend, policy = settings["frontend"], settings["input"]
    backbone = frontend.get("backbone") or {}
    # Folders of the workflow's own end in a hash; a detector that brings all weights names none.
    name = re.sub("-[0-9a-f]{8}$", "", Path(backbone.get("folder", "")).name)
    name = name or backbone.get("family", "")
    length = policy.get("length", 64600)
    seconds = 0 if length is None else length / policy.get("sample_rate", 16000)
    return {
        "frontend": frontend["type"] + (f" ({name})" if name else ""),
        "backend": settings["backend"]["type"],
        "input": f"{seconds:g} s windows" if seconds else "whole clips",
    }


def _detectors(
    runs: Sequence[Mapping[str, Any]], systems: Sequence[Mapping[str, Any]]
) -> list[Any]:
    rows = []
    for run in runs:
        name = run["detector"]
        rows.append(
            {
                "name": name,
                "source": run["source"],
                **_parts(run["settings"]),
                "ids": [
                    f"{system['id']} seed {system['seed']}"
                    for system in systems
                    if system["name"] == name
                ],
                "trained_on": next(s["trained_on"] for s in systems if s["name"] == name),
            }
        )
    return rows


_FAITHFUL = (*GAINS, "gradient_spearman", "occlusion_spearman", "randomised_spearman")


def _localised(path: str) -> dict[str, Any] | None:
    """The row over all attacks of a localisation summary; None where nothing could be localised."""
    table = read_table(path, {"attack": pl.String(), "metric": pl.String(), "n": pl.Int64()})
    rows = table.filter(
        (pl.col("attack") == ALL) & (pl.col("metric") == "auc_evidence") & (pl.col("n") > 0)
    )
    if rows.is_empty():
        return None
    return rows.with_columns(
        pl.col(name).replace("", None).cast(pl.Float64) for name in ("value", "ci_low", "ci_high")
    ).row(0, named=True)


def _checks(path: str) -> list[dict[str, Any]]:
    """Rows of the checks over all clips, in the order of :data:`_FAITHFUL`."""
    table = read_table(path, {"attack": pl.String(), "metric": pl.String(), "n": pl.Int64()})
    rows = table.filter(pl.col("attack") == ALL).with_columns(
        pl.col(name).cast(pl.String).replace("", None).cast(pl.Float64)
        for name in ("value", "ci_low", "ci_high")
    )
    return [rows.row(by_predicate=pl.col("metric") == name, named=True) for name in _FAITHFUL]


def _attributions(summaries: Sequence[str], localisation: Sequence[str]) -> list[dict[str, Any]]:
    required: dict[str, pl.DataType] = {
        "utt_id": pl.String(),
        "relative_error": pl.Float64(),
        "steps": pl.Int64(),
        "converged": pl.String(),
    }
    rows = []
    for path in summaries:
        table = read_table(path, required)
        failed = table.filter(pl.col("converged") != "true")
        localised = path.replace(".summary.tsv", ".localisation.tsv")
        rows.append(
            {
                "run": Path(path).parents[1].name,
                "clips": table.height,
                "median": table["relative_error"].median(),
                "worst": table["relative_error"].max(),
                "steps": table["steps"].max(),
                "failed": failed["utt_id"].to_list(),
                # Not whatever lies there: an earlier study file may have left one.
                "localised": _localised(localised) if localised in localisation else None,
                "checks": _checks(path.replace(".summary.tsv", ".checks.tsv")),
            }
        )
    return rows


def build_page(
    config: Mapping[str, Any],
    systems: Sequence[Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
    figures: Sequence[str],
    grids: Sequence[str],
    summaries: Sequence[str],
    localisation: Sequence[str],
    rates: Sequence[str],
    root: str,
    output: str,
    disagreements: Sequence[Mapping[str, Any]],
    fingerprints: Mapping[str, Any],
    averages: Sequence[str],
    dev: Mapping[str, Sequence[Mapping[str, Any]]],
    cluster: str | None,
) -> None:
    """Write the report.

    Args:
        config: the study file.
        systems: id, seed, name, kind and trained_on of every system.
        runs: run, detector, source and settings of every run.
        figures: names of the figures, in order.
        grids: names of the grids; `grid_{name}` is the name of its figure and of its table.
        summaries: attribution summaries.
        localisation: their localisation summaries, if the corpus says where its artefacts are.
        rates: tables of artefact rates.
        root: folder of the study's results.
        output: the page.
        disagreements: see `report.disagreements.disagreement_sections`.
        fingerprints: `parts` and `nearest`, see `report.fingerprints.fingerprint_section`.
        averages: summaries of averaged attributions.
        dev, cluster: see `report.first.read_first`.

    Raises:
        SpoofscopeError: a figure without a caption.
    """
    captions = CAPTIONS | {f"grid_{grid}": _GRID for grid in grids}
    missing = [name for name in figures if name not in captions]
    if missing:
        raise SpoofscopeError(f"figure {missing[0]!r} has no caption in spoofscope.report.page")
    # A study of corpora alone scores nothing.
    headline = pl.DataFrame()
    if systems:
        columns = {"name": pl.String(), "corpus": pl.String()}
        headline = read_table(f"{root}/tables/headline.tsv", columns)
    numbers = [name for name in headline.columns if name not in _TEXT_COLUMNS]
    headline = headline.with_columns(
        pl.col(name).replace("", None).cast(pl.Float64) for name in numbers
    )
    rows = list(headline.iter_rows(named=True))
    names = [*config["corpora"], *config.get("augmented", {})]
    manifests = {name: read_manifest(f"{root}/manifests/{name}.tsv") for name in names}
    audits = {name: read_audit(f"{root}/audits/{name}.tsv") for name in config["corpora"]}
    compared = (
        read_comparisons(f"{root}/tables/comparisons.tsv") if "comparisons" in figures else None
    )
    section = fingerprint_section(fingerprints["parts"], fingerprints["nearest"])
    explained = _attributions(summaries, localisation)
    points = read_first(
        caveats=config.get("caveats", []),
        headline=rows,
        manifests=manifests,
        dev=dev,
        audits=audits,
        comparisons=compared,
        agreement=(section or {}).get("agreement", []),
        explained=explained,
        cluster=cluster,
    )
    for row in rows:
        row["points"] = [i for i, point in enumerate(points, start=1) if point.concerns(row)]
    if compared is not None:
        title, caption = captions["comparisons"]
        captions["comparisons"] = title, " ".join([caption, *_out_of_reach(compared)])
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spoofscope"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "decimal": _decimal}
    page = environment.get_template("report.html.j2").render(
        config=config,
        headline=rows,
        points=points,
        cluster=cluster,
        looked_for=LOOKED_FOR,
        detectors=_detectors(runs, systems),
        systems=systems,
        corpora=_corpora(config, manifests, audits),
        figures=[
            {
                "name": name,
                "title": captions[name][0],
                "caption": captions[name][1],
                # What `snakemake` makes it again by.
                "target": f"{root}/figures/{name}.pdf"
                if name.startswith("grid_")
                else f"figure_{name}",
                "section": name.partition("_")[0]
                if name.startswith(("layer_", "grid_", "fingerprint_"))
                else "figures",
                "image": None
                if name in BESIDE_THE_PAGE
                else {
                    "source": _image(f"{root}/figures/{name}.png"),
                    "width": _width(f"{root}/figures/{name}.png"),
                },
            }
            for name in figures
        ],
        grids={grid: _chosen(f"{root}/tables/grid_{grid}.tsv") for grid in grids},
        attributions=explained,
        artefacts=_artefacts(rates),
        averages=averaged_runs(averages),
        disagreements=disagreement_sections(disagreements, root),
        fingerprints=section,
        tandem=bool(config.get("tdcf")),
        generators=generator_summary(f"{root}/tables/generator_matrix.tsv")
        if config.get("generators")
        else [],
        breakdowns=_breakdowns(f"{root}/tables/breakdowns.tsv")
        if config.get("conditions") and any(system["sets"] for system in systems)
        else [],
        git=git_state(),
        packages=package_versions(),
    )
    write_text(output, page)


def _out_of_reach(compared: pl.DataFrame) -> list[str]:
    """For each set on which no difference can be significant, a sentence that says so."""
    return [
        f"On {corpus}, {split}, {why}."
        for (corpus, split), own in compared.group_by("corpus", "split", maintain_order=True)
        if (why := within_reach(own)) is not None
    ]


_TEXT_COLUMNS = ("name", "kind", "trained_on", "corpus", "split")


def _breakdowns(path: str) -> list[dict[str, Any]]:
    """Macro average and worst level per condition; rates without a value are null."""
    table = read_table(path, {"name": pl.String(), "n_levels": pl.Int64()})
    rates = ("macro_eer", "macro_low", "macro_high", "worst_eer", "worst_low", "worst_high")
    return list(
        table.with_columns(
            pl.col(name).replace("", None).cast(pl.Float64) for name in rates
        ).iter_rows(named=True)
    )


def _chosen(path: str) -> list[dict[str, Any]]:
    """The points of a grid that were best on their development data, a row per scored set."""
    table = read_table(path, {"best": pl.String(), "name": pl.String(), "corpus": pl.String()})
    rates = ("dev_eer", "dev_eer_sd", "eer", "eer_sd", "eer_min", "eer_max", "eer_low", "eer_high")
    return list(
        table.filter(pl.col("best") == "yes")
        .with_columns(
            pl.col(name).cast(pl.String).replace("", None).cast(pl.Float64) for name in rates
        )
        .iter_rows(named=True)
    )


def _artefacts(paths: Sequence[str]) -> list[dict[str, Any]]:
    """The measures that alone separate the classes best, per set."""
    required: dict[str, pl.DataType] = {"measure": pl.String(), "attack": pl.String()}
    sets = []
    for path in paths:
        table = read_table(path, required).with_columns(
            pl.col(name).replace("", None).cast(pl.Float64)
            for name in ("auc", "ci_low", "ci_high", "eer", "eer_low", "eer_high")
        )
        pooled = table.filter(
            (pl.col("attack") == POOLED) & pl.col("auc").is_not_null()
        ).with_columns(strength=(pl.col("auc") - 0.5).abs())
        sets.append(
            {
                "name": Path(path).name.removesuffix(".rates.tsv"),
                "rows": list(
                    pooled.sort("strength", descending=True).head(8).iter_rows(named=True)
                ),
            }
        )
    return sets
