"""All rules used from another workflow, as docs/module.md shows it."""

import json
import subprocess
from pathlib import Path

import checkout
import pytest
import yaml
from checkout import TINY_STUDY, Checkout
from test_snakemake_report import embedded
from test_worked_examples import blocks, follow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PAGE = "module.md"
LOCAL = "../spoofscope/profiles/local"


def clone_beside(folder: Path) -> Checkout:
    """A folder for a workflow, with a clone of the repository beside it."""
    checkout.clone(folder / "spoofscope").with_environment()
    (folder / "paper").mkdir()
    return Checkout(folder / "paper")


def write_caller(caller: Checkout, study: dict, module: str = "", use: str = "") -> None:
    """The page's Snakefile with other lines, and a study."""
    text = next(block.text for block in blocks(PAGE) if block.path == "Snakefile")
    if module:
        assert text.count("module spoofscope:\n") == 1
        text = text.replace("module spoofscope:\n", f"module spoofscope:\n{module}")
    if use:
        line = "use rule * from spoofscope as spoofscope_*\n"
        assert text.count(line) == 1
        text = text.replace(line, use)
    (caller.folder / "Snakefile").write_text(text)
    config = {"columns": ["name", "eer"], "spoofscope": study}
    (caller.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.fixture(scope="module")
def caller(tmp_path_factory) -> Checkout:
    """The example of the page, followed to the letter."""
    caller = clone_beside(tmp_path_factory.mktemp("module"))
    follow(caller, PAGE)
    return caller


def results(folder: Path) -> dict[str, bytes]:
    """Scores and metrics below a folder of results, by path."""
    found = [path for name in ("scores", "metrics") for path in folder.glob(f"{name}/**/*.tsv")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_the_example_of_the_page(caller):
    done = caller.snakemake(profile=LOCAL)
    assert "Nothing to be done" in done.stdout
    assert not (caller.folder / "results/pilot/report").exists()
    assert len(results(caller.folder / "results/pilot")) == 4


def test_jobs_use_the_library_of_the_clone(caller):
    """And not the one that is installed in the environment."""
    git = ["git", "-C", str(caller.folder / "../spoofscope"), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    sidecars = list(caller.folder.glob("results/**/*.origin.json"))
    assert len(sidecars) > 5
    assert {json.loads(path.read_text())["git"]["commit"] for path in sidecars} == {commit}


def test_the_handler_records_what_the_run_was_started_with(caller):
    (record,) = caller.folder.glob(".snakemake/spoofscope/runs/*/study-*.json")
    study = yaml.safe_load((caller.folder / "config.yaml").read_text())["spoofscope"]
    assert json.loads(record.read_text()) == study


def test_report_of_the_caller(caller):
    done = caller.snakemake("--report", "report.html", profile=LOCAL)
    assert done.returncode == 0, done.stdout[-4000:]
    text = (caller.folder / "report.html").read_text()
    shown = embedded(text, "results")
    assert set(shown) == {"results/pilot/tables/headline.tsv"}
    # Captions read the module's study, not the configuration around it.
    assert "talkers" in shown["results/pilot/tables/headline.tsv"]["caption"]
    assert "Study <" not in text


def test_prefix(caller):
    """All that is made lies below the prefix, and is the same."""
    study = yaml.safe_load((caller.folder / "config.yaml").read_text())["spoofscope"]
    before = {path for path in caller.folder.rglob("*") if ".snakemake" not in path.parts}
    write_caller(caller, study, module='    prefix:\n        "below"\n')
    done = caller.snakemake("spoofscope_all", profile=LOCAL)
    assert done.returncode == 0, done.stdout[-6000:]
    after = {path for path in caller.folder.rglob("*") if ".snakemake" not in path.parts}
    new = {path.relative_to(caller.folder).parts[0] for path in after - before}
    assert new == {"below"}
    own = caller.folder / "below/results/pilot"
    assert (own / "report/index.html").is_file()
    assert (own / "ro-crate-metadata.json").is_file()
    assert results(own) == results(caller.folder / "results/pilot")
    assert "Nothing to be done" in caller.snakemake("spoofscope_all", profile=LOCAL).stdout


def test_a_prefix_leaves_the_users_files_alone(tmp_path):
    caller = clone_beside(tmp_path)
    corpus = {
        "type": "table",
        "path": "data",
        "file": "trials.csv",
        "columns": {"path": "file", "label": "label"},
    }
    study = {**TINY_STUDY, "corpora": {"talkers": corpus}}
    write_caller(caller, study, module='    prefix:\n        "below"\n')
    (caller.folder / "data").mkdir()
    (caller.folder / "data/trials.csv").write_text("file,label\na.wav,bonafide\n")
    jobs = caller.plan("spoofscope_manifests", profile=LOCAL)
    assert [job.rule for job in jobs] == ["spoofscope_manifest"]
    assert all(output.startswith("below/results/tiny/") for output in jobs[0].outputs)


def test_results_of_the_workflow_itself_are_fresh_for_a_module(tiny, tmp_path):
    caller = clone_beside(tmp_path)
    write_caller(caller, TINY_STUDY)
    for folder in ("results", "resources"):
        subprocess.run(["cp", "-r", tiny.folder / folder, caller.folder / folder], check=True)
    assert caller.plan("spoofscope_all", profile=LOCAL) == []


def test_slurm_profile_with_the_names_as_they_are(tmp_path):
    caller = clone_beside(tmp_path)
    write_caller(caller, TINY_STUDY, use="use rule * from spoofscope exclude all\n")
    done = caller.snakemake("-n", "detectors", profile="../spoofscope/profiles/slurm")
    assert done.returncode == 0, done.stdout[-4000:]
    training = done.stdout.split("\nrule train:\n", 1)[1].split("\n\n", 1)[0]
    assert "gpu=1" in training


def test_refused_without_the_rest_of_the_repository(tmp_path):
    caller = clone_beside(tmp_path)
    write_caller(caller, TINY_STUDY)
    snakefile = caller.folder / "Snakefile"
    text = snakefile.read_text()
    fetched = f"git+file://{(tmp_path / 'spoofscope').resolve()}/Snakefile@HEAD"
    assert text.count("../spoofscope/Snakefile") == 1
    snakefile.write_text(text.replace("../spoofscope/Snakefile", fetched))
    said = caller.snakemake("-n", profile=LOCAL)
    assert said.returncode == 1
    assert "clone its repository at the tag that you want" in said.stdout
