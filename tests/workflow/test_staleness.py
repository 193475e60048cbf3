"""What a change makes stale: what it decides, what follows from that, and nothing else."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import yaml
from checkout import NOT_IN_MINI, Checkout, Job

from planning import plan_of
from spoofscope import exhibits
from spoofscope.plan.jobs import script_of
from spoofscope.plan.study_plan import load_study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

PAGES = {"report", "provenance"}


@pytest.fixture(scope="module")
def study(mini, tmp_path_factory) -> Checkout:
    """A copy of the finished mini study; every test leaves it as it was."""
    return mini.copy(tmp_path_factory.mktemp("staleness") / "checkout")


@contextmanager
def edited(study: Checkout, name: str, *changes: tuple[str, str]) -> Iterator[None]:
    """The study with every `before` in a file replaced by its `after`."""
    path = study.folder / name
    original = text = path.read_text()
    for before, after in changes:
        assert text.count(before) == 1, f"{name}: {before!r}"
        text = text.replace(before, after)
    path.write_text(text)
    yield
    path.write_text(original)


@contextmanager
def appended(study: Checkout, name: str, code: str) -> Iterator[None]:
    path = study.folder / name
    original = path.read_text()
    path.write_text(original + code)
    yield
    path.write_text(original)


def rules(jobs: list[Job]) -> set[str]:
    return {job.rule for job in jobs}


def changed(jobs: list[Job]) -> set[str]:
    """Rules whose own parameters changed, and that do not follow another job anyway."""
    return {job.rule for job in jobs if "Params have changed" in job.reason}


def rule_names(study: Checkout) -> set[str]:
    return set(re.findall(r"^(\w+)(?: \(.*)?$", study.make("--list-rules"), re.MULTILINE))


# --- code --------------------------------------------------------------------------------------


def test_documentation_makes_nothing_stale(study):
    first = '"""'
    path = study.folder / "src/spoofscope/metrics/rates.py"
    original = path.read_text()
    assert original.startswith(first)
    path.write_text("# A comment.\n" + original.replace(first, f"{first}Reworded. ", 1) + "\n\n")
    assert study.plan() == []
    path.write_text(original)


def test_code_of_metrics(study):
    """Whatever is edited there: the error rates and what follows them, but nothing is trained."""
    modules = sorted((study.folder / "src/spoofscope/metrics").glob("*.py"))
    assert len(modules) > 5
    with ExitStack() as edits:
        for path in modules:
            name = str(path.relative_to(study.folder))
            edits.enter_context(appended(study, name, "\nANOTHER = 1\n"))
        jobs = study.plan()
    assert {"compute_metrics", "figure_eer_by_condition", "table_headline"} <= rules(jobs)
    assert not rules(jobs) & {
        *("generate_corpus", "generate_noise", "manifest", "augment", "audit_corpus"),
        *("backbone", "extract_features", "train", "score", "gather_scores", "fit_fusion"),
        *("apply_fusion", "centroid", "layer_weights", "measure_artefacts", "table_runs"),
    }


def test_code_that_selects(study):
    """A checkpoint is selected by the EER on dev, so that code decides weights."""
    with appended(study, "src/spoofscope/selection/operating_points.py", "\nANOTHER = 1\n"):
        jobs = study.plan()
    trained = {(job.wildcards["run"], job.wildcards["seed"]) for job in jobs if job.rule == "train"}
    weights = study.folder.glob("results/mini/detectors/*/seed*/model.safetensors")
    assert trained == {(p.parts[-3], p.parts[-2].removeprefix("seed")) for p in weights}
    untouched = {
        *("generate_corpus", "generate_noise", "manifest", "augment", "audit_corpus"),
        *("backbone", "extract_features", "measure_artefacts", "table_runs"),
    }
    assert not rules(jobs) & untouched


def test_code_of_one_figure(study):
    with appended(study, "src/spoofscope/figures/det_curves.py", "\nANOTHER = 1\n"):
        jobs = study.plan()
    assert changed(jobs) == {"figure_det_curves"}
    assert Counter(job.rule for job in jobs) == {
        "figure_det_curves": 1,
        "report": 1,
        "provenance": 1,
    }


def test_code_of_one_backend(study):
    """Back-ends are found by name at run time; only the detectors that have this one are stale."""
    with appended(study, "src/spoofscope/backends/linear.py", "\nANOTHER = 1\n"):
        jobs = study.plan()
    trained = [job.wildcards["run"] for job in jobs if job.rule == "train"]
    assert len(trained) == 1
    assert trained[0].startswith("hubert_linear-")
    assert {j.wildcards["run"] for j in jobs if j.rule == "score"} == set(trained)


def test_script(study):
    with appended(study, "src/spoofscope/summaries/headline.py", "\nANOTHER = 1\n"):
        assert rules(study.plan()) == {"table_headline", *PAGES}
    with appended(study, "workflow/scripts/table.py", "\nANOTHER = 1\n"):
        made = changed(study.plan())
    assert made == {f"table_{name}" for name in exhibits.tables() if name not in NOT_IN_MINI}


def test_template(study):
    with edited(study, "src/spoofscope/templates/report.html.j2", ("</main>", "<hr></main>")):
        assert rules(study.plan()) == PAGES


def test_wrapper_of_the_scripts_decides_nothing(study):
    with appended(study, "src/spoofscope/job.py", "\nANOTHER = 1\n"):
        assert study.plan() == []


def test_new_times_make_nothing_stale(study):
    """A clone, a copy or a switched branch gives files new times, in any order."""
    for path in sorted(study.folder.rglob("*"), reverse=True):
        if path.is_file() and ".snakemake" not in path.parts and ".git" not in path.parts:
            path.touch()
    assert study.plan() == []


# --- study file --------------------------------------------------------------------------------


def run_ids(study: Checkout) -> dict[str, str]:
    folders = (study.folder / "results/mini/detectors").iterdir()
    return {folder.name.rsplit("-", 1)[0]: folder.name for folder in folders}


def test_learning_rate_of_one_detector(study):
    text = (study.folder / "config/config.yaml").read_text()
    entry = text[text.index("  wav2vec2_aasist:\n    frontend") :]
    line = re.search(r"recipe: \{.*\}", entry)[0]
    with edited(study, "config/config.yaml", (line, re.sub(r"\blr: [^,]*", "lr: 3.3e-3", line))):
        jobs = study.plan()
    old = run_ids(study)
    mentioned = {
        value for job in jobs for key, value in job.wildcards.items() if key in ("run", "system")
    }
    detectors = {name for name in mentioned if not name.startswith("all-")}
    assert len(detectors) == 1
    new = detectors.pop()
    assert new.startswith("wav2vec2_aasist-")
    assert new != old["wav2vec2_aasist"]
    counts = Counter(job.rule for job in jobs)
    assert counts["train"] == 1
    assert counts["gather_scores"] == 2
    # Its own two sets, and those of the fusion that it is part of.
    assert counts["compute_metrics"] == 4
    assert not set(counts) & {
        *("generate_corpus", "manifest", "augment", "backbone", "extract_features"),
        *("audit_corpus", "centroid", "explain", "check_explanations", "localise"),
        "measure_artefacts",
    }


def test_back_to_the_old_study(study):
    """Results of a study file that was tried before are still there."""
    assert study.plan() == []


def test_swapped_values(study):
    """The same numbers at other keys are another study."""
    config = yaml.safe_load((study.folder / "config/config.yaml").read_text())
    options = config["attribution"]
    keys = ("per_attack", "steps")
    lines = [f"  {key}: {options[key]}\n" for key in keys]
    swapped = [
        f"  {key}: {options[other]}\n" for key, other in zip(keys, reversed(keys), strict=True)
    ]
    assert lines != swapped
    changes = zip(lines, swapped, strict=True)
    with edited(study, "config/config.yaml", *changes):
        jobs = study.plan()
    assert changed(jobs) == {"explain"}
    assert "train" not in rules(jobs)

    recipe = config["detectors"]["wav2vec2_aasist"]["train"]["recipe"]
    epochs, warmup = recipe["epochs"], recipe["warmup_steps"]
    assert epochs != warmup
    text = (study.folder / "config/config.yaml").read_text()
    line = re.search(rf"recipe: .*epochs: {epochs},.*warmup_steps: {warmup}.*", text)[0]
    after = line.replace(f"epochs: {epochs}", f"epochs: {warmup}")
    after = after.replace(f"warmup_steps: {warmup}", f"warmup_steps: {epochs}")
    with edited(study, "config/config.yaml", (line, after)):
        jobs = study.plan()
    (training,) = (job for job in jobs if job.rule == "train")
    assert training.wildcards["run"].startswith("wav2vec2_aasist-")
    assert training.wildcards["run"] not in run_ids(study).values()


def test_text_of_the_report(study):
    with edited(study, "config/config.yaml", ("title: The mini study", "title: Another title")):
        assert rules(study.plan()) == PAGES


# --- profiles ----------------------------------------------------------------------------------


def test_every_rule_has_its_script(study):
    """It has the name of the rule; all figures share one, and so do all tables."""
    scripts = {path.stem for path in (study.folder / "workflow/scripts").glob("*.py")}
    # The targets make nothing by themselves.
    targets = {"all", *plan_of(load_study(study.folder / "config/config.yaml")).targets}
    assert not scripts & targets
    rules = rule_names(study)
    assert {script_of(rule) for rule in rules - targets} == scripts
    drawn = {f"figure_{name}" for name in exhibits.figures()}
    drawn |= {f"table_{name}" for name in exhibits.tables()}
    assert {rule for rule in rules - targets if script_of(rule) != rule} == drawn


def test_slurm_profile_sees_the_same_files_as_fresh(study):
    assert study.plan(profile="profiles/slurm") == []


def test_slurm_profile_plans_without_slurm(study, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with appended(study, "src/spoofscope/figures/det_curves.py", "\nANOTHER = 1\n"):
        assert rules(study.plan(profile="profiles/slurm")) == {"figure_det_curves", *PAGES}
