"""The plan of a study: nothing that decides a result is forgotten, and refusals say why."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from planning import Recordings, Versions, jobs_of, plan_of, study_with_everything
from spoofscope.errors import ConfigError
from spoofscope.plan.jobs import Job, Product, Rule
from spoofscope.plan.study_plan import Plan, checked
from spoofscope.study import MINI, Study
from spoofscope.study.reading import read_config

ROOT = Path(__file__).resolve().parents[1]
# What the README promises, but for rules that make one thing each.
TARGETS = sorted(
    {
        name
        for row in re.findall(
            r"^\| target \| makes \|\n\|---\|---\|\n((?:\|.*\n)+)",
            (ROOT / "README.md").read_text(encoding="utf-8"),
            re.MULTILINE,
        )[0].splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    - {"all", "report", "provenance"}
)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return study_with_everything(tmp_path_factory.mktemp("outside"))


@pytest.fixture(scope="module")
def plan(study) -> Plan:
    return plan_of(study)


@pytest.fixture(scope="module")
def jobs(plan) -> dict[tuple[str, tuple[Any, ...]], Job]:
    return jobs_of(plan.everything_kept())


def behind(job: Job) -> set[Job]:
    """A job and all jobs before it."""
    return {job, *jobs_of(job.products).values()}


# --- what decides a result ---------------------------------------------------------------------


def test_the_study_has_jobs_of_every_rule(plan, jobs):
    assert {rule for rule, _ in jobs} == set(plan.rules)


def test_every_input_has_a_maker_or_lies_outside(plan, jobs):
    for (rule, _), job in jobs.items():
        for product in job.products:
            below = product.startswith((f"{plan.layout.root}/", f"{plan.layout.data_root}/"))
            assert below == isinstance(product.maker, Job), f"{rule} reads {product}"


def test_no_job_names_a_file_twice(jobs):
    """Snakemake's record then has it twice, and one that is restored from a sidecar once."""
    for (rule, values), job in jobs.items():
        named = [str(path) for path in job.products]
        assert len(named) == len(set(named)), f"{rule} {values}: {sorted(named)}"


@pytest.mark.parametrize(
    ("baseline", "replacement", "kept"),
    [
        ("centroid", "nearest", False),
        ("bonafide", "nearest", True),
        ("centroid", "bonafide", True),
    ],
)
def test_frames_of_training_data_are_kept_where_they_stand_in(baseline, replacement, kept):
    path = ROOT / "config/studies/planted_truth.yaml"
    config = {key: dict(value) if isinstance(value, dict) else value
              for key, value in read_config(path).items()}  # fmt: skip
    config["attribution"]["baseline"] = baseline
    config["masking"]["masks"] = {"cue": {"type": "artefact", "replacement": replacement}}
    made = jobs_of(plan_of(checked(config)).everything())
    asked = {job.params["frames"] for (rule, _), job in made.items() if rule == "centroid"}
    assert asked == {kept}
    readers = [job for (rule, _), job in made.items() if rule in ("explain", "score_masked")]
    assert readers
    assert all("centroid" in job.work.inputs and job.work.inputs["centroid"] for job in readers)


def test_a_file_from_outside_decides_the_job_that_reads_it(study):
    outside = Recordings()
    before = jobs_of(plan_of(study, outside=outside).everything())
    outside = Recordings()
    outside.changed = " changed"
    after = jobs_of(plan_of(study, outside=outside).everything())
    for key, job in before.items():
        reads = any(not isinstance(product.maker, Job) for product in job.products)
        if reads:
            assert job.params != after[key].params, key


@pytest.mark.slow
def test_an_edited_script_decides_all_that_follows_and_nothing_else(study, plan, jobs):
    """Of every rule: the jobs whose parameters change are those that one of its jobs is before."""
    rules_behind = {key: {each.rule for each in behind(job)} for key, job in jobs.items()}
    versions = Versions()
    again = jobs_of(plan_of(study, versions).everything_kept())

    def stale() -> set[tuple[str, tuple[Any, ...]]]:
        assert again.keys() == jobs.keys()
        return {key for key, job in jobs.items() if job.params != again[key].params}

    assert stale() == set()
    for edited in plan.rules:
        versions.edited = edited
        for job in again.values():
            # What a job reads and is given names no version, so it stays.
            for value in ("params", "origin"):
                job.__dict__.pop(value, None)
        assert stale() == {key for key, rules in rules_behind.items() if edited in rules}, edited
    for edited in ("generate_corpus", "extract_features", "train", "score"):
        again = jobs_of(plan_of(study, Versions(edited)).everything_kept())
        assert stale() == {key for key, rules in rules_behind.items() if edited in rules}, edited


def test_recordings_are_compared_and_not_inherited(study):
    """A manifest is stale when recordings changed; what follows is when it says something else."""
    outside = Recordings()
    outside.changed = " changed"
    before, after = plan_of(study), plan_of(study, outside=outside)
    manifests = [each.corpora.manifest("placed").params for each in (before, after)]
    assert manifests[0]["recordings"] != manifests[1]["recordings"]
    audits = [each.augmentation.audit_corpus("placed").params for each in (before, after)]
    assert audits[0] == audits[1]


def test_a_job_is_worked_out_once(plan):
    assert plan.training.train("x", 1) is plan.training.train("x", seed=1)
    product = plan.layers.mixes[0]
    assert isinstance(product.maker, Job)
    assert product.maker.work is product.maker.work


def test_snakemake_is_given_plain_texts(plan):
    wildcards = {"corpus": "mini", "split": "eval"}
    inputs = plan.artefacts.rate_artefacts.inputs(wildcards)
    assert inputs == {
        "manifest": "results/mini/manifests/mini.tsv",
        "measures": "results/mini/artefacts/mini.eval.measures.tsv",
    }
    assert {type(path) for path in inputs.values()} == {str}


def test_a_seed_among_wildcards_is_a_number(plan):
    run = plan.study.run_of("fbank_cnn").id
    params = plan.training.train.params({"run": run, "seed": "1"})
    assert params == plan.training.train(run, 1).params
    assert params["seed"] == 1


# --- what can be asked for ---------------------------------------------------------------------


def test_targets(plan):
    assert sorted(plan.targets) == TARGETS
    assert all(plan.targets[name].words for name in TARGETS)
    for name in TARGETS:
        products = plan.targets[name].products
        assert products, name
        assert all(isinstance(product, Product) for product in products)
        assert plan.lacking(name) is None
    no_results = ("features", "downloads", "backbones")
    kept = {path for name in no_results for path in plan.targets[name].products}
    targets = {path for name in TARGETS for path in plan.targets[name].products}
    assert targets - kept <= set(plan.everything())


def test_what_comes_from_elsewhere_is_asked_for_by_name(plan):
    unpacked = jobs_of(plan.targets["downloads"].products)
    assert {rule for rule, _ in unpacked} == {"download", "unpack"}
    backbones = jobs_of(plan.targets["backbones"].products)
    assert {rule for rule, _ in backbones} == {"backbone"}
    assert len(backbones) == len(plan.features.made_backbones) > 2


def test_everything_ends_in_the_research_object(plan, jobs):
    """It knows of all that was made but itself."""
    crate = plan.report.crate.maker
    assert isinstance(crate, Job)
    assert set(plan.results()) <= set(crate.products)


NOTHING = {
    "figure_artefact_correlations": "(section `artefacts`)",
    "figure_artefact_rates": "(section `artefacts`)",
    "figure_attribution_examples": "(section `attribution`)",
    "figure_attribution_groups": "(section `attribution`)",
    "figure_attribution_maps": "(section `attribution`)",
    "table_attribution_groups": "(section `attribution`)",
    "figure_faithfulness": "(section `attribution`)",
    "table_faithfulness": "(section `attribution`)",
    "table_annotation": "(section `annotation`, key `labels`)",
    "table_cue_use": "a mask of type artefact in the section `masking`",
    "figure_attribution_mean": "(section `attribution`, key `averages`)",
    "table_published": "(section `published`)",
    "figure_consensus": "no two of the detectors that figures show are trained in this study",
    "figure_fusion_value": "(section `fusion`)",
    "table_consensus": "no two of the detectors that figures show are trained in this study",
    "table_fusion_value": "(section `fusion`)",
    "table_operating_points": "no system is scored on an eval split",
    "figure_comparisons": "(section `comparisons`)",
    "figure_disagreements": "(section `disagreements`)",
    "figure_fingerprint_means": "(section `fingerprints`)",
    "figure_scalograms": "(section `fingerprints`)",
    "figure_generator_matrix": "(section `generators`)",
    "table_comparisons": "(section `comparisons`)",
    "table_generator_matrix": "(section `generators`)",
    "figure_reliability": "(section `reliability`)",
    "backbones": "(section `backbones`)",
    "downloads": "(key `archives` in the section `corpora` or `noise`)",
    "exports": "(section `exports`)",
    "grids": "(an entry with the key `grid`, of more than one point)",
    "layer_costs": "(section `layers`, key `costs`)",
    "figure_layer_depth": "no detectors differ only in the `n_layers`",
    "figure_layer_pareto": "(section `layers`, key `costs`)",
    "figure_layer_probes": "(section `layers`, key `probes`)",
    "figure_layer_weights": "no detector has an SSL front-end",
    "align": "(section `aligners`)",
    "table_alignment": "(section `aligners`)",
    "read_textgrids": "(section `aligners`, type `textgrid`)",
    "recogniser": "(section `aligners`, type `ctc`)",
    "alignments": "(section `aligners`)",
    "annotation": "(section `annotation`)",
    "annotation_pack": "(section `annotation`)",
    "attributions": "(section `attribution`)",
    "figure_localisation": "(section `attribution`, and the key `segments`",
    "figure_det_curves": "no system is scored on an eval split",
    "table_breakdowns": "no conditions are given (section `conditions`)",
    "table_headline": "no system is scored",
    "features": "no front-end is both frozen and cached",
    "explain": "(section `attribution`)",
    "average_attributions": "(section `attribution`, key `averages`)",
    "measure_fingerprints": "(section `fingerprints`)",
    "list_systems": "(section `tracing`)",
    "audit_tracing": "(section `tracing`)",
    "systems": "(section `tracing`)",
    "train_tracer": "(section `tracers`)",
    "traces": "(section `tracers`)",
    "verify_sources": "(section `verification`)",
    "verification": "(section `verification`)",
    "export_scores": "(section `exports`)",
}


@pytest.fixture(scope="module")
def bare() -> Plan:
    mini = read_config(MINI)
    return plan_of(checked({"study": "bare", "corpora": mini["corpora"]}))


@pytest.mark.parametrize("name", NOTHING)
def test_what_the_study_has_nothing_for(name, bare, plan):
    message = bare.lacking(name)
    assert message is not None
    assert message.startswith("study 'bare' has nothing to make that from: no")
    assert NOTHING[name] in message
    assert plan.lacking(name) is None


def test_a_study_without_anything_to_draw_draws_nothing(bare):
    assert bare.figures.described == []
    tables = [Path(path).name for path in bare.targets["tables"].products]
    assert tables == ["runs.tsv", "runs.tex", "runs.csv"]
    assert bare.targets["figures"].products == []
    with pytest.raises(ConfigError, match="has nothing to make that from: no attributions"):
        bare.attribution.average_attributions.inputs(
            {"run": "x", "seed": "1", "corpus": "mini", "split": "eval"}
        )


def test_figures_stand_in_the_order_of_the_report(plan):
    names = [figure["name"] for figure in plan.figures.described]
    assert names[:4] == [
        "det_curves",
        "score_histograms",
        "eer_by_condition",
        "train_test_matrix",
    ]
    assert names[-1] == "grid_wider_n"
    assert len(names) == len(set(names)) == 41


def test_an_unknown_point_of_a_grid(plan):
    with pytest.raises(ConfigError, match="grid 'wider_n' has no point 'n~1600'; did you mean"):
        plan.grids.grid_point.inputs({"grid": "wider_n", "point": "n~1600"})


def test_parameters_are_plain(jobs):
    for job in jobs.values():
        assert json.loads(json.dumps(job.params)) == job.params


def test_rules_know_their_wildcards(plan):
    rule: Rule[...] = plan.scoring.compute_metrics
    assert rule.wildcards == ("system", "seed", "corpus", "split")
