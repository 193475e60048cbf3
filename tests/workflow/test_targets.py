"""What can be asked for by name: figures, tables and stages, each alone, explained, or refused."""

import json
import re
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import checkout
import psutil
import pytest
import warm_server
import yaml
from checkout import NOT_IN_MINI, ROOT, TINY_STUDY, Checkout
from warm import Warm

from planning import jobs_of, plan_of
from spoofscope import exhibits
from spoofscope.identity import code_closure
from spoofscope.plan.study_plan import Plan, load_study
from spoofscope.study import MINI

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# Those of grids have a wildcard, and are no targets by name.
ALL_DRAWN = sorted(
    [f"figure_{name}" for name in exhibits.figures() if name not in NOT_IN_MINI]
    + [f"table_{name}" for name in exhibits.tables() if name not in NOT_IN_MINI]
)
# No two detectors of the mini study differ in depth alone; those of test_layer_study.py do.
DRAWN = [name for name in ALL_DRAWN if name != "figure_layer_depth"]

# Of the mini study: a stage, and rules that make what belongs to it.
STAGES = {
    "annotation": {"annotation_pack"},
    "alignments": {"align"},
    "artefacts": {"rate_artefacts", "correlate_artefacts"},
    "attributions": {"explain", "check_explanations", "localise", "average_attributions"},
    "audits": {"audit_corpus"},
    "backbones": {"backbone"},
    "detectors": {"train"},
    "disagreements": {"find_disagreements"},
    "exports": {"export_scores"},
    "features": {"extract_features"},
    "fingerprints": {"measure_fingerprints", "fingerprint_audio"},
    "figures": {name for name in DRAWN if name.startswith("figure_")},
    "layers": {"layer_weights", "pool_layers", "probe_layers", "layer_costs"},
    "manifests": {"manifest", "augment"},
    "masking": {"score_masked"},
    "metrics": {"compute_metrics"},
    "robustness": {"score_laundered"},
    "scores": {"gather_scores", "apply_fusion"},
    "shortcuts": {"score_cues"},
    "systems": {"list_systems", "audit_tracing"},
    "traces": {"trace_clips", "tracing_metrics", "decide_clips"},
    "tracers": {"train_tracer", "fit_tracer"},
    "verification": {"list_source_trials", "verify_sources", "verification_metrics"},
    "tables": {name for name in DRAWN if name.startswith("table_")},
}

NOT_NEEDED = ("torch", "torchaudio", "transformers", "captum")
# Python reads this before anything else in a process that has its folder in the path.
WITHOUT_TORCH = f"""
import sys

sys.path.append({str(Path(warm_server.__file__).parent)!r})
from warm_server import Refuse

sys.path.pop()
sys.meta_path.insert(0, Refuse({NOT_NEEDED}))
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Checkout:
    """A checkout without results."""
    return checkout.clone(tmp_path_factory.mktemp("bare") / "checkout")


def test_the_list_of_targets_explains_itself(bare):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--list-target-rules"],
        cwd=bare.folder,
        env=bare.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    others = {"all", "annotation_pack", "downloads", "grids", "layer_costs", "report", "provenance"}
    own = {"figure_cue_use", "table_annotation", "table_cue_use", "table_published"}
    assert set(lines) == {*ALL_DRAWN, *own, *STAGES, *others}
    for name, words in lines.items():
        assert re.fullmatch(r"\([A-Z].*\.\)", words), name
        assert len(f"{name} {words}") <= 130, name
    assert len(set(lines.values())) == len(lines)


# --- figures and tables ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(mini, tmp_path_factory) -> Checkout:
    """A copy of the finished mini study in which nothing can import torch."""
    study = mini.copy(tmp_path_factory.mktemp("targets") / "checkout")
    (study.folder / "src/sitecustomize.py").write_text(WITHOUT_TORCH)
    return study


def sidecar(study: Checkout, rule: str) -> dict[str, Any]:
    """What a figure or table was made from, and its files."""
    kind, _, name = rule.partition("_")
    (path,) = (study.folder / f"results/mini/{kind}s").glob(f"{name}.*.origin.json")
    return json.loads(path.read_text())


def read_by(study: Checkout, rule: str) -> set[Path]:
    """The files from which a figure or table was drawn."""
    return {study.folder / entry["path"] for entry in sidecar(study, rule)["inputs"]}


def outputs(study: Checkout, rule: str) -> list[Path]:
    """The files of a figure or table."""
    return [study.folder / entry["path"] for entry in sidecar(study, rule)["outputs"]]


def rules_of(text: str) -> set[str]:
    """The rules of the jobs that a run or dry run prints."""
    return set(re.findall(r"^(?:local)?rule (\w+):$", text, re.MULTILINE))


def cpu_seconds(*servers: psutil.Process) -> float:
    """What child processes that have ended, and servers with theirs, have used until now."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = [p for server in servers for p in (server, *server.children(recursive=True))]
    return used.ru_utime + used.ru_stime + sum(sum(p.cpu_times()[:4]) for p in living)


@pytest.fixture(scope="module")
def without_torch() -> Warm:
    """A server of processes in which nothing can import torch."""
    return Warm(*NOT_NEEDED)


def draw(study: Checkout, server: Warm, *targets: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake and its jobs in forks of a server; never raises for the exit code."""
    return subprocess.run(
        [str(server.client), *study.command(*targets)[1:]],
        cwd=study.folder,
        env={**study.environment(), **server.variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_torch_cannot_be_imported(study, without_torch, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import torch"],
        env=study.environment(),
        capture_output=True,
        text=True,
    )
    assert "torch is not needed here" in done.stderr
    # Continuous wavelet transforms are those of a toolbox that needs torch.
    other = study.copy(tmp_path / "checkout")
    for path in outputs(other, "figure_scalograms"):
        path.unlink()
    done = draw(other, without_torch, "figure_scalograms")
    assert "torch is not needed here" in done.stdout
    assert done.returncode == 1


def may_import_torch(target: str) -> bool:
    """Whether a module behind a figure or table imports torch anywhere, in a function too."""
    kind, _, name = target.partition("_")
    room = {"figure": "figures", "table": "summaries"}[kind]
    closure = code_closure(ROOT / f"workflow/scripts/{kind}.py", [f"spoofscope.{room}.{name}"])
    return any(_IMPORT_OF_TORCH.search(path.read_text(encoding="utf-8")) for path in closure)


_IMPORT_OF_TORCH = re.compile(rf"^\s*(import|from) ({'|'.join(NOT_NEEDED)})\b", re.MULTILINE)


def test_all_in_seconds_without_torch(study, without_torch, capsys):
    """All that could import it: the code behind the others nowhere does."""
    drawn = [name for name in DRAWN if may_import_torch(name)]
    drawn.remove("figure_scalograms")
    assert 10 < len(drawn) < len(DRAWN) / 2
    before = {path: path.read_bytes() for rule in drawn for path in outputs(study, rule)}
    for path in before:
        path.unlink()
    server = psutil.Process(without_torch.process.pid)
    used = cpu_seconds(server)
    done = draw(study, without_torch, *drawn)
    used = cpu_seconds(server) - used
    assert done.returncode == 0, done.stdout[-6000:]
    assert sorted(re.findall(r"^(?:local)?rule (\w+):$", done.stdout, re.MULTILINE)) == drawn
    # A PDF has the roundings of its layout, which its picture and its numbers have not.
    differing = [path for path, old in before.items() if path.read_bytes() != old]
    assert [path for path in differing if path.suffix != ".pdf"] == []
    with capsys.disabled():
        print(f"\n{len(drawn)} figures and tables: {used:.1f} s of CPU", end="")
    # Without the imports of the packages, which the next test has.
    assert used < 3 * len(drawn)


def test_one_alone_in_seconds(study):
    """As a user asks for it, in processes of its own."""
    files = outputs(study, "figure_det_curves")
    before = {path: path.read_bytes() for path in files}
    for path in files:
        path.unlink()
    used = cpu_seconds()
    text = study.make("figure_det_curves", start=True)
    assert cpu_seconds() - used < 30
    assert rules_of(text) == {"figure_det_curves"}
    assert {path: path.read_bytes() for path in files} == before


@contextmanager
def aside(study: Checkout, rules: list[str]) -> Iterator[list[str]]:
    """The study without the files of some figures or tables, whose paths are handed out."""
    moved = {path: Path(f"{path}.aside") for rule in rules for path in outputs(study, rule)}
    for path, away in moved.items():
        path.rename(away)
    yield [str(path.relative_to(study.folder)) for path in moved]
    for path, away in moved.items():
        away.rename(path)


@pytest.mark.parametrize("profile", ["profiles/local", "profiles/slurm"])
def test_by_path_and_by_name(study, profile):
    with aside(study, DRAWN) as paths:
        for targets in (DRAWN, paths):
            jobs = study.plan(*targets, profile=profile)
            assert sorted(job.rule for job in jobs) == DRAWN


@pytest.mark.parametrize("kind", ["figure_", "table_"])
def test_none_makes_another_again(study, kind):
    """A figure may read a table, which is there; no figure reads a figure, and no table a table."""
    rules = [rule for rule in DRAWN if rule.startswith(kind)]
    with aside(study, rules):
        assert sorted(job.rule for job in study.plan(*rules)) == rules
    drawn = {path for rule in rules for path in outputs(study, rule)}
    assert not any(drawn & read_by(study, rule) for rule in rules)


def test_none_needs_a_node_of_a_cluster():
    rules = (ROOT / "workflow/rules/report.smk").read_text()
    drawn = re.split(r"^ *rule\b", rules, flags=re.MULTILINE)[1:]
    # All figures, all tables, and the page.
    assert len(drawn) == 3
    assert [text for text in drawn if "    localrule: True\n" not in text] == []


# --- stages ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The mini study's."""
    return plan_of(load_study(MINI))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_what_it_says(plan, stage):
    made = plan.targets[stage].products
    planned = {rule for rule, _ in jobs_of(made)}
    assert STAGES[stage] <= planned
    folder = "resources" if stage == "backbones" else "results/mini"
    assert any(path.startswith(f"{folder}/{stage}/") for path in made)
    # What needs no detector trains none; bona fide speech among traces is a detector's to say.
    without = (
        "alignments",
        "audits",
        "backbones",
        "features",
        "fingerprints",
        "manifests",
        "systems",
    )
    without += ("tracers", "verification")
    assert ("train" in planned) == (stage not in without)


@pytest.mark.parametrize("stage", ["disagreements", "traces"])
def test_snakemake_plans_the_jobs_of_a_stage(bare, plan, stage):
    """What is asked of the plan above, Snakemake finds by way of the rules."""
    jobs = jobs_of(plan.targets[stage].products)
    assert Counter(job.rule for job in bare.plan(stage)) == Counter(rule for rule, _ in jobs)


def test_stages_of_a_finished_study_have_nothing_to_do(study):
    assert study.plan(*STAGES) == []


# --- refusals ----------------------------------------------------------------------------------

# A figure, a stage and a file; `tests/test_plan.py` asks for all of them.
NOTHING = {
    "figure_attribution_mean": "(section `attribution`, key `averages`)",
    "exports": "(section `exports`)",
    "results/tiny/figures/localisation.pdf": "(section `attribution`, and the key `segments`",
}


@pytest.mark.parametrize("target", NOTHING)
def test_what_the_study_has_nothing_for(bare, target):
    name = bare.write_study(TINY_STUDY)
    text = bare.refuse("-n", target, "--configfile", name)
    assert "ConfigError: study 'tiny' has nothing to make that from: no " in text
    assert NOTHING[target] in text
    # One line, without where the rules stand.
    assert text.rstrip().splitlines()[-1].startswith("ConfigError: ")
    assert not (bare.folder / "results").exists()


def test_all_is_what_the_study_can_make(bare):
    """Nothing is asked for that nothing is scored for, or that has no detectors."""
    dev = [{"corpus": "talkers", "splits": ["dev"]}]
    study = {**TINY_STUDY, "score": dev, "comparisons": {}, "reliability": {}}
    planned = {job.rule for job in bare.plan("all", "--configfile", bare.write_study(study))}
    assert {"compute_metrics", "table_headline", "report"} <= planned
    assert not planned & {"table_breakdowns", "table_comparisons", "figure_reliability"}
    corpora = {key: TINY_STUDY[key] for key in ("study", "corpora")}
    planned = {job.rule for job in bare.plan("all", "--configfile", bare.write_study(corpora))}
    assert {"audit_corpus", "report"} <= planned
    assert not planned & {"table_headline", "compute_metrics"}


def test_a_misspelt_target_or_option(bare):
    name = bare.write_study(TINY_STUDY)
    text = bare.refuse("-n", "figure_localisatoin", "--configfile", name)
    assert text.rstrip().splitlines()[-1] == (
        "ConfigError: 'figure_localisatoin' is no target; did you mean 'figure_localisation'?"
    )
    text = bare.refuse("-n", "--configfile", name, "--configfile", name)
    assert "ConfigError: --configfile is given twice" in text


def test_localisation_where_nothing_is_known(bare):
    """A study explains detectors, but its corpus does not say where artefacts are."""
    readme = (ROOT / "README.md").read_text()
    study = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)[0])
    study["attribution"] = {"detectors": ["fbank_cnn"], "corpus": "own", "split": "eval"}
    name = bare.write_study(study)
    assert "explain" in {job.rule for job in bare.plan("attributions", "--configfile", name)}
    text = bare.refuse("-n", "figure_localisation", "--configfile", name)
    assert "a corpus that says where its artefacts are" in text
