"""The report: one self-contained HTML page."""

import base64
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
import polars as pl

from spoofscope.attribution.localisation import read_localisation
from spoofscope.attribution.verdicts import (
    JUDGED,
    RULES,
    SHORT_TITLES,
    TITLES,
    Standing,
    conclusion,
    note,
    of_controls,
    read_checks,
)
from spoofscope.attribution_methods import ADDS_UP, METHOD_TITLES, named
from spoofscope.display import DisplayNames
from spoofscope.files import write_text
from spoofscope.names import ALL, POOLED
from spoofscope.options.declared import filled
from spoofscope.options.input import Input
from spoofscope.p_values import p_number, p_text
from spoofscope.provenance.record import git_state, package_versions
from spoofscope.report.annotation import annotation_section
from spoofscope.report.audits import attention, read_audit, sentences
from spoofscope.report.averages import averaged_runs
from spoofscope.report.costs import cost_section, study_costs, write_costs
from spoofscope.report.cue_use import cue_use_section
from spoofscope.report.disagreements import disagreement_sections
from spoofscope.report.fingerprints import fingerprint_section
from spoofscope.report.first import LOOKED_FOR, read_first, said_once
from spoofscope.report.masking import masking_section
from spoofscope.report.methods import Paragraph, methods
from spoofscope.report.robustness import robustness_points, robustness_section
from spoofscope.report.shortcuts import shortcut_points, shortcut_section
from spoofscope.report.tracing import published_numbers, tracing_points, tracing_section
from spoofscope.report.tracing import tracing_audits as audited_tracing
from spoofscope.report.verification import verification_section
from spoofscope.report.written_methods import parts_of, write_methods
from spoofscope.summaries.comparisons import read_comparisons, within_reach
from spoofscope.summaries.generator_matrix import generator_summary
from spoofscope.summaries.operating_points import read_operating_points
from spoofscope.summaries.printed import HEADINGS
from spoofscope.summaries.published import read_published
from spoofscope.tables import read_manifest, read_table, write_table


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.2f}" if abs(value) < 0.1 else f"{100 * value:.1f}"


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _p(value: float | None) -> str:
    return "–" if value is None else p_text(value)


def _beside(value: float | None, published: str) -> str:
    """A number with the decimals of a published one, and one more."""
    return "–" if value is None else f"{value:.{len(published.partition('.')[2]) + 1}f}"


def _image(path: str) -> str:
    encoded = base64.b64encode(Path(path).read_bytes()).decode()
    return f"data:image/png;base64,{encoded}"


def _width(path: str) -> int:
    """Width in CSS pixels at which a figure's 8-point text is about as large as the page's."""
    header = Path(path).read_bytes()[:24]
    return round(int.from_bytes(header[16:20], "big") * 0.62)


def _counts(manifest: pl.DataFrame, people: DisplayNames) -> list[dict[str, Any]]:
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
                "attacks": ", ".join(sorted(map(people.attack, spoof["attack"].unique()))),
            }
        )
    return rows


def _corpora(
    config: Mapping[str, Any],
    manifests: Mapping[str, pl.DataFrame],
    audits: Mapping[str, pl.DataFrame],
    people: DisplayNames,
) -> list[dict[str, Any]]:
    corpora = []
    for name in [*config["corpora"], *config["augmented"]]:
        copy = config["augmented"].get(name)
        entry: dict[str, Any] = {
            "name": name,
            "kind": f"augmented copy of {people.corpus(copy['corpus'])} (chain {copy['chain']})"
            if copy
            else config["corpora"][name]["type"],
            "splits": _counts(manifests[name], people),
            "findings": [],
        }
        if name in audits:
            table = audits[name]
            entry["checks"] = table.height
            entry["attention"] = attention(table).height
            entry["findings"] = sentences(attention(table))
            entry["planted"] = table.filter(check="cue", status="planted").height
        corpora.append(entry)
    return corpora


def _parts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Front-end, back-end and input of a run in words; unknown for external scores."""
    if "frontend" not in settings:
        return dict.fromkeys(("frontend", "backend", "input"), "unknown")
    frontend, policy = settings["frontend"], settings["input"]
    backbone = frontend.get("backbone") or {}
    # Folders of the workflow's own end in a hash; a detector that brings all weights names none.
    name = re.sub("-[0-9a-f]{8}$", "", Path(backbone.get("folder", "")).name)
    name = name or backbone.get("family", "")
    policy = filled(policy, Input)
    length = policy["length"]
    seconds = 0 if length is None else length / policy["sample_rate"]
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


def _tracers(tracers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the page says of every tracer."""
    return [
        {
            "name": entry["detector"],
            **_parts(entry["settings"]),
            "objective": entry["settings"]["objective"]["type"],
            "trained_on": entry["trained_on"],
            "ids": [f"{entry['run']} seed {seed}" for seed in entry["seeds"]],
        }
        for entry in tracers
    ]


def _localised(path: str) -> dict[str, Any] | None:
    """The row over all attacks of a localisation summary; None if no artefact can be localised."""
    table = read_localisation(path)
    rows = table.filter(pl.col("n") > 0, axis="time", attack=ALL, metric="auc_evidence")
    return None if rows.is_empty() else rows.row(0, named=True)


def _explained(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    required: dict[str, pl.DataType] = {
        "utt_id": pl.String(),
        "relative_error": pl.Float64(),
        "steps": pl.Int64(),
        "converged": pl.String(),
    }
    rows = []
    methods = [entry["method"] for entry in entries]
    for entry in entries:
        table = read_table(entry["summary"], required)
        failed = table.filter(pl.col("converged") != "true")
        localisation = entry["localisation"]
        method = entry["method"]
        checks = read_checks(entry["checks"], method)
        name = named(entry["detector"], method, methods)
        rows.append(
            {
                "name": name,
                "run": entry["run"],
                "detector": entry["detector"],
                "first": entry["first"],
                "method": METHOD_TITLES[method] if len(set(methods)) > 1 else None,
                "adds_up": method in ADDS_UP,
                "clips": table.height,
                "median": table["relative_error"].median(),
                "worst": table["relative_error"].max(),
                "steps": table["steps"].max(),
                "failed": failed["utt_id"].to_list(),
                "localised": None if localisation is None else _localised(localisation),
                "by_check": {check.check: check for check in checks},
                "controls": of_controls(checks),
                "conclusion": conclusion(name, checks),
            }
        )
    return rows


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the page is made of: paths of tables, and facts of the plan."""

    config: Mapping[str, Any]
    """The study file."""
    systems: Sequence[Mapping[str, Any]]
    """id, seed, name, kind and trained_on of every system."""
    runs: Sequence[Mapping[str, Any]]
    """run, detector, source and settings of every run."""
    tracers: Sequence[Mapping[str, Any]]
    """The same of every tracer, with seeds, trained_on, and what tells unknown attacks."""
    dev: Mapping[str, Sequence[Mapping[str, Any]]]
    """See `report.first.read_first`."""
    cluster: str | None
    """See `report.first.read_first`."""
    weights: Mapping[str, str]
    """Name of a detector to the weights of its first seed, where it has any."""
    manifests: Mapping[str, str]
    """Of every corpus and copy."""
    audits: Mapping[str, str]
    """Of every corpus."""
    tables: Mapping[str, str | None]
    """`headline`, `operating_points`, `published`, `comparisons`, `breakdowns` and
    `generator_matrix`, each None if the study lacks it."""
    grids: Sequence[Mapping[str, str]]
    """Name of every grid, and its table."""
    listed: Sequence[Mapping[str, Any]]
    """Of every table name, title and `more_names`, the names of its further parts."""
    figures: Sequence[Mapping[str, Any]]
    """In order: name, title, caption, section, target (with which `snakemake` makes it again) and
    image (a PNG)."""
    explained: Sequence[Mapping[str, Any]]
    """run, detector, method, whether it is the detector's first, summary, checks and localisation
    (None without known artefacts) of all explanations."""
    averages: Sequence[Mapping[str, str]]
    """run, detector and summary of every detector whose attributions are averaged."""
    artefacts: Sequence[Mapping[str, str]]
    """Trials (`{corpus}.{split}`), and the table of rates of their measures."""
    disagreements: Sequence[Mapping[str, Any]]
    """See `report.disagreements.disagreement_sections`."""
    fingerprints: Mapping[str, Any]
    """`parts` and `nearest`, see `report.fingerprints.fingerprint_section`."""
    verified: str | None
    """See `report.verification.verification_section`."""
    masked: str | None
    """See `report.masking.masking_section`."""
    shortcuts: str | None
    """See `report.shortcuts.shortcut_section`."""
    robustness: str | None
    """See `report.robustness.robustness_section`."""
    cues: str | None
    """See `report.cue_use.cue_use_section`."""
    labelled: Mapping[str, str]
    """See `report.annotation.annotation_section`."""
    traced: Mapping[str, str]
    """See `report.tracing.tracing_section`."""
    tracing_audits: Mapping[str, str]
    """Of every corpus whose attacks are traced."""
    measured: Mapping[str, Any]
    """See `report.costs.study_costs`. What it reads is no input: jobs depend on no times."""


def build_page(outputs: Mapping[str, str], inputs: Inputs) -> None:
    """Write the report.

    Args:
        outputs: `page`, the methods as `md`, `tex` and `bib`, and the costs as `costs_tsv`,
            `costs_csv` and `costs_tex`.
        inputs: what it is made of.
    """
    names = inputs.config["names"]
    people = DisplayNames(names)
    costs = study_costs(**{**inputs.measured, "results": Path(inputs.measured["results"])})
    with tempfile.TemporaryDirectory() as folder:
        page, paragraphs = _page(Displayed(people, Path(folder)).inputs(inputs), people, costs)
    write_costs(costs, outputs, names)
    write_methods(paragraphs, outputs)
    write_text(outputs["page"], page)


_ROLES = ("right", "wrong")


class Displayed:
    """Inputs of the page with names for people in the place of those of the study file.

    Args:
        people: the names.
        folder: for tables in which names are replaced.
    """

    def __init__(self, people: DisplayNames, folder: Path) -> None:
        self._people = people
        self._folder = folder

    def table(self, path: str) -> str:
        """The same table with these names, in a file of its own where there are any."""
        if not self._people:
            return path
        texts = read_table(path, {})
        rows = [
            {column: self._people.of_column(column, text, row) for column, text in row.items()}
            for row in texts.iter_rows(named=True)
        ]
        target = self._folder / f"{len(list(self._folder.iterdir()))}.tsv"
        write_table(target, pl.DataFrame(rows, schema=texts.schema))
        return str(target)

    def entries(self, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The same entries of the plan, whose keys are called like columns."""
        return [
            {
                key: self._people.of_column(key, value, entry) if isinstance(value, str) else value
                for key, value in entry.items()
            }
            for entry in entries
        ]

    def inputs(self, inputs: Inputs) -> Inputs:
        """All inputs with these names but those that the page looks up in the study file."""
        people = self._people

        def tables(paths: Mapping[str, str]) -> dict[str, str]:
            return {part: self.table(path) for part, path in paths.items()}

        def table(path: str | None) -> str | None:
            return None if path is None else self.table(path)

        return replace(
            inputs,
            systems=[
                {
                    **system,
                    "name": people.system(system["name"]),
                    "trained_on": [people.trained_on(text) for text in system["trained_on"]],
                }
                for system in inputs.systems
            ],
            runs=self.entries(inputs.runs),
            tracers=[
                {**entry, "trained_on": [people.trained_on(text) for text in entry["trained_on"]]}
                for entry in self.entries(inputs.tracers)
            ],
            dev={people.system(name): sources for name, sources in inputs.dev.items()},
            weights={people.system(name): path for name, path in inputs.weights.items()},
            audits=tables(inputs.audits),
            tables={name: table(path) for name, path in inputs.tables.items()},
            grids=[{**grid, "table": self.table(grid["table"])} for grid in inputs.grids],
            explained=self.entries(inputs.explained),
            averages=self.entries(inputs.averages),
            disagreements=[
                {
                    **entry,
                    **{role: [*entry[role][:2], people.system(entry[role][2])] for role in _ROLES},
                }
                for entry in inputs.disagreements
            ],
            fingerprints={
                "parts": tables(inputs.fingerprints["parts"]),
                "nearest": [
                    {**entry, "table": self.table(entry["table"])}
                    for entry in self.entries(inputs.fingerprints["nearest"])
                ],
            },
            verified=table(inputs.verified),
            masked=table(inputs.masked),
            shortcuts=table(inputs.shortcuts),
            robustness=table(inputs.robustness),
            cues=table(inputs.cues),
            traced=tables(inputs.traced),
            labelled=tables(inputs.labelled),
        )


def _page(inputs: Inputs, people: DisplayNames, costs: pl.DataFrame) -> tuple[str, list[Paragraph]]:
    """The page, of inputs that have the names for people, and its methods."""
    config, tables = inputs.config, inputs.tables
    detectors = _detectors(inputs.runs, inputs.systems)
    git, packages = git_state(), package_versions()
    rows = _headline(tables["headline"])
    trials = {name: read_manifest(path) for name, path in inputs.manifests.items()}
    # Sources of data have the names of the study file, tables those for people.
    of_both = {**trials, **{people.corpus(name): table for name, table in trials.items()}}
    audited = {name: read_audit(path) for name, path in inputs.audits.items()}
    compared = read_comparisons(tables["comparisons"]) if tables["comparisons"] else None
    section = fingerprint_section(inputs.fingerprints["parts"], inputs.fingerprints["nearest"])
    explanations = _explained(inputs.explained)
    sections: list[dict[str, Any]] = []
    if tracing := config.get("tracing"):
        ambiguous = [people.attack(name) for name in tracing["ambiguous"]]
        sections = tracing_section(inputs.traced, of_both, ambiguous, tracing["unit"])
    verifications = verification_section(inputs.verified)
    points = read_first(
        caveats=config["caveats"],
        headline=rows,
        manifests=of_both,
        dev=inputs.dev,
        audits=audited,
        people=people,
        comparisons=compared,
        agreement=(section or {}).get("agreement", []),
        explained=explanations,
        cluster=inputs.cluster,
    )
    points += tracing_points([*sections, *verifications])
    of_masks = masking_section(inputs.masked)
    points += said_once("Masking", of_masks, "#masking")
    of_cues = shortcut_section(inputs.shortcuts)
    points += shortcut_points(of_cues)
    of_laundering = robustness_section(inputs.robustness)
    points += robustness_points(of_laundering)
    doubts = _doubts_by_figure(explanations, inputs.averages)
    for row in rows:
        row["points"] = [i for i, point in enumerate(points, start=1) if point.concerns(row)]
    corpora = _corpora(config, trials, audited, people)
    paragraphs = methods(
        corpora=[{**corpus, "name": people.corpus(corpus["name"])} for corpus in corpora],
        detectors=detectors,
        runs=inputs.runs,
        weights=inputs.weights,
        fusions={
            people.system(name): {
                **entry,
                "detectors": [people.system(each) for each in entry["detectors"]],
                "fit": {**entry["fit"], "corpus": people.corpus(entry["fit"]["corpus"])},
            }
            for name, entry in config["fusion"].items()
        },
        tracers=[
            {**entry, **shown}
            for entry, shown in zip(inputs.tracers, _tracers(inputs.tracers), strict=True)
        ],
        bootstrap={**config["bootstrap"], "cluster": inputs.cluster},
        packages=packages,
        commit=git["commit"],
        parts=parts_of(config, inputs.runs),
    )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spoofscope"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "decimal": _decimal, "fixed": _beside}
    environment.filters |= {"p": _p, "least_p": p_number}
    environment.filters["heading"] = lambda metric: HEADINGS.get(metric, metric.replace("_", " "))
    environment.filters |= {
        "system": people.system,
        "corpus": people.corpus,
        "attack": people.attack,
        "condition": people.condition,
    }
    page = environment.get_template("report.html.j2").render(
        config=config,
        headline=rows,
        points=points,
        cluster=inputs.cluster,
        looked_for=LOOKED_FOR,
        detectors=detectors,
        tracers=_tracers(inputs.tracers),
        costs=cost_section(costs),
        systems=inputs.systems,
        listed=inputs.listed,
        corpora=corpora,
        methods=paragraphs,
        figures=[_figure(figure, compared, doubts) for figure in inputs.figures],
        grids={grid["name"]: _chosen(grid["table"]) for grid in inputs.grids},
        attributions=explanations,
        rules=_rules(explanations),
        judged=[(check, SHORT_TITLES[check]) for check in _made(explanations)],
        artefacts=_artefacts(inputs.artefacts, people),
        averages=averaged_runs(inputs.averages),
        disagreements=disagreement_sections(inputs.disagreements, people),
        fingerprints=section,
        traced=sections,
        verified=verifications,
        masked=of_masks,
        shortcuts=of_cues,
        robustness=of_laundering,
        cues=cue_use_section(inputs.cues),
        labelled=annotation_section(inputs.labelled, _standings(explanations)),
        tracing_audits=audited_tracing(inputs.tracing_audits),
        published=published_numbers(inputs.traced),
        beside_others=read_published(tables["published"]).to_dicts() if tables["published"] else [],
        tandem=bool(config["tdcf"]),
        generators=generator_summary(tables["generator_matrix"])
        if tables["generator_matrix"]
        else [],
        operating_points=_operating_points(tables["operating_points"]),
        breakdowns=_breakdowns(tables["breakdowns"]) if tables["breakdowns"] else [],
        git=git,
        packages=packages,
    )
    return page, paragraphs


def _headline(path: str | None) -> list[dict[str, Any]]:
    """Rows of the table, and whether each has the lowest EER of its set; a study without detectors
    has none.
    """
    if path is None:
        return []
    texts = dict.fromkeys(_TEXT_COLUMNS, pl.String())
    table = read_table(path, texts, rest=pl.Float64())
    lowest = pl.col("eer").min().over("corpus", "split")
    alone = pl.len().over("corpus", "split") == 1
    return table.with_columns(lowest=(pl.col("eer") == lowest) & ~alone).to_dicts()


def _made(explanations: Sequence[Mapping[str, Any]]) -> list[str]:
    """The checks that were made of some explanations, in the order of verdicts."""
    return [check for check in JUDGED if any(check in each["by_check"] for each in explanations)]


def _rules(explanations: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Every rule of verdicts, and the checks that it is for."""
    rules: dict[str, list[str]] = {}
    for check in _made(explanations):
        rules.setdefault(RULES[check], []).append(TITLES[check])
    return list(rules.items())


_EXPLAINING = (
    *("attribution_examples", "attribution_groups", "attribution_maps"),
    "artefact_correlations",
)
"""Figures of explanations of single clips, by the first method of each detector."""

_BY_ALL_METHODS = ("localisation", "cue_use")
"""Such figures by all methods."""


def _standings(explanations: Sequence[Mapping[str, Any]]) -> dict[str, Standing]:
    """Of the explanations of each detector by its first method."""
    return {each["detector"]: each["controls"] for each in explanations if each["first"]}


def _doubts_by_figure(
    explanations: Sequence[Mapping[str, Any]], averages: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """What is to be said below figures that show explanations, by the figure's name."""
    standings = _standings(explanations)
    averaged = {each["detector"]: standings.get(each["detector"], "unchecked") for each in averages}
    by_method: dict[str, Standing] = {each["name"]: each["controls"] for each in explanations}
    return {
        **dict.fromkeys(_EXPLAINING, note(standings)),
        **dict.fromkeys(_BY_ALL_METHODS, note(by_method)),
        "attribution_mean": note(averaged),
    }


def _figure(
    figure: Mapping[str, Any], compared: pl.DataFrame | None, doubts: Mapping[str, str]
) -> dict[str, Any]:
    """A figure with its picture and its caption, which includes facts about this study."""
    image = figure["image"]
    more = [doubts[figure["name"]]] if doubts.get(figure["name"]) else []
    if figure["name"] == "comparisons" and compared is not None:
        more += _out_of_reach(compared)
    return {
        **figure,
        "caption": " ".join([figure["caption"], *more]),
        "image": {"source": _image(image), "width": _width(image)},
    }


def _out_of_reach(compared: pl.DataFrame) -> list[str]:
    """For each set on which no difference can be significant, a sentence that says so."""
    return [
        f"On {corpus}, {split}, {why}."
        for (corpus, split), of_set in compared.group_by("corpus", "split", maintain_order=True)
        if (why := within_reach(of_set)) is not None
    ]


_TEXT_COLUMNS = ("name", "kind", "trained_on", "corpus", "split")


_HELD = {"spoof_accepted": "spoofs accepted", "bonafide_rejected": "bona fide rejected"}


def _operating_points(path: str | None) -> list[dict[str, Any]]:
    """A row per system and set, with its `points`; none without scores."""
    if path is None:
        return []
    table = read_operating_points(path)
    keys = ("name", "seed", "corpus", "split")
    return [
        {
            **dict(zip(keys, values, strict=True)),
            "n_bonafide": rows["n_bonafide"][0],
            "n_spoof": rows["n_spoof"][0],
            "points": rows.with_columns(pl.col("held_error").replace_strict(_HELD)).to_dicts(),
        }
        for values, rows in table.group_by(keys, maintain_order=True)
    ]


def _breakdowns(path: str) -> list[dict[str, Any]]:
    """Macro average and worst level per condition; rates without a value are null."""
    rates = ("macro_eer", "macro_low", "macro_high", "worst_eer", "worst_low", "worst_high")
    required: dict[str, pl.DataType] = {"name": pl.String(), "n_levels": pl.Int64()}
    given = {**dict.fromkeys(rates, pl.Float64()), "n_worst": pl.Int64()}
    return list(read_table(path, required, given).iter_rows(named=True))


def _chosen(path: str) -> list[dict[str, Any]]:
    """The points of a grid that were best on their development data, a row per scored set."""
    rates = ("dev_eer", "dev_eer_sd", "eer", "eer_sd", "eer_min", "eer_max", "eer_low", "eer_high")
    texts = dict.fromkeys(("best", "name", "corpus"), pl.String())
    table = read_table(path, texts, dict.fromkeys(rates, pl.Float64()))
    return list(table.filter(pl.col("best") == "yes").iter_rows(named=True))


def _artefacts(entries: Sequence[Mapping[str, str]], people: DisplayNames) -> list[dict[str, Any]]:
    """The measures that alone separate the classes best, per set."""
    required: dict[str, pl.DataType] = {"measure": pl.String(), "condition": pl.String()}
    sets = []
    for entry in entries:
        rates = ("auc", "ci_low", "ci_high", "eer", "eer_low", "eer_high")
        table = read_table(entry["rates"], required, dict.fromkeys(rates, pl.Float64()))
        pooled = table.filter(
            (pl.col("condition") == POOLED) & pl.col("auc").is_not_null()
        ).with_columns(strength=(pl.col("auc") - 0.5).abs())
        sets.append(
            {
                "name": people.trials(*entry["trials"].rsplit(".", 1)),
                "rows": list(
                    pooled.sort("strength", descending=True).head(8).iter_rows(named=True)
                ),
            }
        )
    return sets
