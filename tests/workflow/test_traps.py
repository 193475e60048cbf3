"""Ways in which a workflow can call an old number fresh, or a fresh one old; none of them works.

What fails in these tests fails for real: a loss that is no number, a table that cannot be read,
code that raises.
"""

import copy
import json
import os
import random
import shutil
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from checkout import TINY_STUDY, Checkout

from spoofscope.plan.jobs import script_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FIGURE = "results/tiny/figures/det_curves.tsv"


def with_rate(lr: float) -> dict:
    study = copy.deepcopy(TINY_STUDY)
    study["detectors"]["lfcc_linear"]["train"]["recipe"]["lr"] = lr
    return study


def planned(study: Checkout, *targets: str) -> set[str]:
    return {job.rule for job in study.plan(*targets, "--configfile", "study.yaml")}


# --- jobs that fail once -----------------------------------------------------------------------


def test_training_that_fails_after_a_changed_setting(tiny, tmp_path):
    study = tiny.copy(tmp_path / "checkout")
    figure = study.folder / FIGURE
    former = figure.read_bytes()

    study.write_study(with_rate(3.0e37))
    assert "the training loss is nan" in study.refuse("--configfile", "study.yaml")
    # The figure is still there, but asked for it, nobody says that it is this study's.
    assert figure.read_bytes() == former
    again = study.refuse("figure_det_curves", "--configfile", "study.yaml")
    assert "the training loss is nan" in again

    study.write_study(with_rate(2.0e-2))
    study.make("figure_det_curves", "--configfile", "study.yaml")
    (run,) = {job.wildcards["run"] for job in tiny_trainings(study)}
    assert run not in former.decode()
    assert figure.read_bytes() != former

    # Going back trains nothing, and gives the former figure.
    study.write_study(TINY_STUDY)
    assert planned(study, "figure_det_curves") == {"figure_det_curves"}
    study.make("figure_det_curves", "--configfile", "study.yaml")
    assert figure.read_bytes() == former


def test_code_that_fails(tiny, tmp_path):
    """The run id is the same then, and so are all paths."""
    study = tiny.copy(tmp_path / "checkout")
    script = study.folder / "workflow/scripts/train.py"
    right = script.read_text()
    broken = right.replace(
        "    train_in_processes(", "    raise RuntimeError('broken')\n    train_in_processes("
    )
    assert broken != right
    script.write_text(broken)
    assert "broken" in study.refuse("--configfile", "study.yaml")
    assert not list(study.folder.glob("results/tiny/detectors/*/seed1/model.safetensors"))
    for target in ("all", "figure_det_curves", "table_headline"):
        assert {"train", "score", "gather_scores"} < planned(study, target)
    script.write_text(right + "\nANOTHER = 1\n")
    assert {"train", "score", "gather_scores"} < planned(study, "figure_det_curves")
    script.write_text(right)
    assert "train" in planned(study)


@pytest.fixture(scope="module")
def tabled(tiny, tmp_path_factory) -> Checkout:
    """The tiny study with a corpus of a table of the user's, scored and drawn."""
    study = tiny.copy(tmp_path_factory.mktemp("tabled") / "checkout")
    rows = ["file,kind,who"]
    rng = np.random.default_rng(1)
    (study.folder / "own").mkdir()
    for i in range(6):
        soundfile.write(study.folder / f"own/{i}.wav", 0.1 * rng.standard_normal(8000), 16000)
        rows.append(f"{i}.wav,{('bonafide', 'spoof')[i % 2]},speaker{i}")
    (study.folder / "own/labels.csv").write_text("\n".join(rows) + "\n")
    study.write_study(with_table({"path": "file", "label": "kind", "speaker": "who"}))
    study.make("figure_det_curves", "figure_eer_by_condition", "--configfile", "study.yaml")
    return study


def with_table(columns: dict[str, str]) -> dict:
    study = copy.deepcopy(TINY_STUDY)
    study["corpora"]["own"] = {
        "type": "table",
        "path": "own",
        "file": "labels.csv",
        "columns": columns,
    }
    study["score"].append({"corpus": "own", "splits": ["eval"]})
    return study


MANIFEST = "results/tiny/manifests/own.tsv"


def test_manifest_that_fails_after_a_changed_setting(tabled, tmp_path):
    """No run id tells a scored corpus of former settings from one of the present settings."""
    study = tabled.copy(tmp_path / "checkout")
    study.write_study(with_table({"path": "file", "label": "kind", "speaker": "whose"}))
    message = "'whose'"
    assert message in study.refuse("--configfile", "study.yaml")
    assert not (study.folder / MANIFEST).exists()
    for target in ("all", "figure_det_curves", "results/tiny/report/index.html"):
        assert message in study.refuse(target, "--configfile", "study.yaml")
    study.write_study(with_table({"path": "file", "label": "kind"}))
    assert {"manifest", "score", "compute_metrics"} < planned(study, "figure_eer_by_condition")
    # Nobody has been trained on that corpus.
    assert "train" not in planned(study)


def test_manifest_that_fails_after_an_edited_table(tabled, tmp_path):
    study = tabled.copy(tmp_path / "checkout")
    labels = study.folder / "own/labels.csv"
    former = labels.read_text()
    labels.write_text(former.replace("1.wav,spoof", "1.wav,spof"))
    assert "unknown label 'spof'" in study.refuse("--configfile", "study.yaml")
    assert not (study.folder / MANIFEST).exists()
    assert "unknown label 'spof'" in study.refuse("--configfile", "study.yaml")
    labels.write_text(former.replace("1.wav,spoof", "1.wav,bonafide"))
    drawn = ("figure_det_curves", "figure_eer_by_condition")
    assert {"manifest", "score", *drawn} < planned(study, *drawn)


def test_whatever_job_fails(mini, tmp_path):
    """The code of all jobs of a level changed, and they failed. All their readers know.

    That a change of any rule is a change of all jobs that follow is held by tests/test_plan.py.
    """
    study = mini.copy(tmp_path / "checkout")
    sidecars = [json.loads(path.read_text()) for path in study.folder.rglob("*.origin.json")]
    maker = {entry["path"]: i for i, made in enumerate(sidecars) for entry in made["outputs"]}
    rule_inputs = defaultdict(set)
    for made in sidecars:
        before = {maker[entry["path"]] for entry in made["inputs"]}
        rule_inputs[made["rule"]] |= {sidecars[i]["rule"] for i in before}

    def level(rule: str) -> int:
        return 1 + max((level(before) for before in rule_inputs[rule]), default=-1)

    levels = defaultdict(set)
    for rule in rule_inputs:
        levels[level(rule)].add(rule)
    records = study.folder / ".snakemake/metadata"
    kept = tmp_path / "kept"
    shutil.copytree(records, kept / "metadata")
    reading = set()
    for failed in (levels[level("train")], levels[level("compute_metrics")]):
        scripts = {study.folder / f"workflow/scripts/{script_of(rule)}.py" for rule in failed}
        outputs = [
            study.folder / entry["path"]
            for made in sidecars
            for entry in made["outputs"]
            if made["rule"] in failed
        ]
        gone = {str(path.relative_to(study.folder)) for path in outputs}
        readers = [
            made
            for made in sidecars
            # Temporary files are asked for by their readers, and missing anyway.
            if "/shards/" not in made["outputs"][0]["path"]
            and gone & {entry["path"] for entry in made["inputs"]}
        ]
        reading |= {made["rule"] for made in readers}
        for script in scripts:
            script.write_text(script.read_text() + "\nANOTHER = 1\n")
        study.make("--cleanup-metadata", *gone)
        origins = [Path(f"{path}.origin.json") for path in outputs]
        moved = [path for path in [*outputs, *origins] if path.exists()]
        for path in moved:
            path.rename(path.with_name(path.name + ".away"))
        jobs = study.plan(*(made["outputs"][0]["path"] for made in readers))
        assert {made["outputs"][0]["path"] for made in readers} <= {j.outputs[0] for j in jobs}
        for path in moved:
            path.with_name(path.name + ".away").rename(path)
        for script in scripts:
            script.write_text(script.read_text().removesuffix("\nANOTHER = 1\n"))
        shutil.rmtree(records)
        shutil.copytree(kept / "metadata", records)
    assert {"layer_weights", "explain", "table_headline", "report", "provenance"} <= reading
    assert study.plan() == []


# --- values that change places -----------------------------------------------------------------


def test_swapped_values(mini, tmp_path):
    study = mini.copy(tmp_path / "checkout")
    config = yaml.safe_load((study.folder / "config/config.yaml").read_text())

    def jobs(changed: dict) -> list:
        (study.folder / "config/config.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
        return study.plan()

    # The same study with its keys in another order is the same study.
    assert jobs(dict(sorted(config.items()))) == []

    changed = copy.deepcopy(config)
    recipes = [
        changed["detectors"][name]["train"]["recipe"] for name in ("hubert_linear", "packets_dcnn")
    ]
    recipes[0]["batch_size"], recipes[1]["batch_size"] = 16, 8
    assert sorted(r["batch_size"] for r in recipes) == [8, 16]
    assert trained(jobs(changed)) == {"hubert_linear", "packets_dcnn"}

    changed = copy.deepcopy(config)
    first, second, _ = changed["chains"]["field"]
    first["probability"], second["probability"] = second["probability"], first["probability"]
    assert first["probability"] != second["probability"]
    plan = jobs(changed)
    assert "augment" in {job.rule for job in plan}
    on_copies = {
        name
        for name, entry in config["detectors"].items()
        if {"corpus": "mini_field"} in entry["train"]["data"]
    }
    assert trained(plan) == on_copies

    changed = copy.deepcopy(config)
    changed["conditions"] = [*config["conditions"][1:], config["conditions"][0]]
    rules = {job.rule for job in jobs(changed)}
    assert "compute_metrics" in rules
    assert not rules & {"train", "score", "gather_scores"}


def trained(jobs: list) -> set[str]:
    return {job.wildcards["run"].rsplit("-", 1)[0] for job in jobs if job.rule == "train"}


def tiny_trainings(study: Checkout) -> list:
    jobs = study.plan("--configfile", "study.yaml", "--forceall")
    return [job for job in jobs if job.rule == "train"]


# --- copies and clones -------------------------------------------------------------------------


def shuffle_times(study: Checkout) -> None:
    """New times for all files, in any order."""
    paths = [p for p in study.folder.rglob("*") if p.is_file() and ".git" not in p.parts]
    random.Random(1).shuffle(paths)
    now = time.time()
    for i, path in enumerate(paths):
        os.utime(path, (now - i, now - i))


def with_results(finished: Checkout, folder: Path, *more: str) -> Checkout:
    """A fresh clone into which results were copied."""
    subprocess.run(["git", "clone", "-q", str(finished.folder), str(folder)], check=True)
    for name in ("results", "resources", *more):
        subprocess.run(
            ["cp", "-r", "--reflink=auto", str(finished.folder / name), str(folder)], check=True
        )
    made = Checkout(folder)
    shuffle_times(made)
    return made


def test_clone_with_copied_results(mini, tmp_path):
    """Without Snakemake's records: the sidecars know."""
    study = with_results(mini, tmp_path / "clone")
    assert study.plan() == []
    # It is no blindness: what a change makes stale is known there, too.
    script = study.folder / "src/spoofscope/summaries/headline.py"
    script.write_text(script.read_text() + "\nANOTHER = 1\n")
    assert {job.rule for job in study.plan()} == {"table_headline", "report", "provenance"}


def test_clone_with_copied_results_and_records(tiny, tmp_path):
    study = with_results(tiny, tmp_path / "clone", ".snakemake", "study.yaml")
    assert planned(study) == set()
    table = study.folder / "results/tiny/manifests/talkers.tsv"
    table.write_text(table.read_text().replace("\tdev\t", "\teval\t", 1))
    assert "train" in planned(study)


def test_changed_input_in_a_clone(tiny, tmp_path):
    """An input that differs from what the sidecars say is not what the results were made from."""
    study = with_results(tiny, tmp_path / "clone", "study.yaml")
    (protocol,) = study.folder.glob("resources/mini/*/protocol.tsv")
    protocol.write_text(protocol.read_text() + "\n")
    assert "manifest" in planned(study)


# --- edits during a run ------------------------------------------------------------------------


def test_study_edited_during_a_run(tiny, tmp_path):
    """The run goes on with what it was started with, and records that."""
    study = tiny.copy(tmp_path / "checkout")
    started = with_rate(3.0e-2)
    started["bootstrap"]["resamples"] = 150
    study.write_study(started)
    target = ("table_headline", "--configfile", "study.yaml")
    (training,) = (j for j in study.plan(*target) if j.rule == "train")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = study.begin(*target, **quiet)
    log = study.folder / f"logs/tiny/train/{training.wildcards['run']}/seed1.log"
    deadline = time.monotonic() + 120
    while not log.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    edited = with_rate(4.0e-2)
    edited["bootstrap"]["resamples"] = 250
    study.write_study(edited)
    assert process.wait(timeout=300) == 0
    run = training.wildcards["run"]
    path = study.folder / f"results/tiny/metrics/{run}/seed1/talkers.eval.tsv.origin.json"
    assert json.loads(path.read_text())["parameters"]["resamples"] == 150
    path = study.folder / f"results/tiny/detectors/{run}/seed1/detector.json"
    assert json.loads(path.read_text())["meta"]
    jobs = study.plan(*target)
    assert run not in {job.wildcards["run"] for job in jobs if job.rule == "train"}
    assert {"train", "compute_metrics", "table_headline"} < {job.rule for job in jobs}
    study.write_study(started)
    assert study.plan(*target) == []
