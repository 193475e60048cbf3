"""`spoofscope audit` and `spoofscope provenance` on finished studies: what is wrong is found."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import ROOT, TINY_STUDY, Checkout

from spoofscope.cli import main
from spoofscope.provenance.sidecars import write_sidecar

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

CODES = {0, 1}


def audit(study: Checkout, *arguments: str, configfile: str = "study.yaml") -> dict[str, Any]:
    done = study.spoofscope("audit", "--configfile", configfile, "--json", *arguments)
    assert done.returncode in CODES, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == bool(result["findings"])
    return result


def found(study: Checkout, *arguments: str) -> dict[str, dict[str, dict]]:
    """Findings by kind and path."""
    kinds: dict[str, dict[str, dict]] = {}
    for finding in audit(study, *arguments)["findings"]:
        kinds.setdefault(finding["kind"], {})[finding["path"]] = finding
    return kinds


def one(study: Checkout, pattern: str) -> str:
    (path,) = study.folder.glob(f"results/tiny/{pattern}")
    return str(path.relative_to(study.folder))


def change_study(study: Checkout, **values: Any) -> None:
    study.write_study({**TINY_STUDY, **values})


def planned(study: Checkout) -> set[str]:
    """First outputs of the jobs that Snakemake would run, temporary ones left out."""
    plan = study.plan("--configfile", "study.yaml")
    return {job.outputs[0] for job in plan if "/shards/" not in job.outputs[0]}


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_finished_study_is_clean(mini):
    """Not a finding on the mini study, which has every rule; and nothing is written."""
    before = everything(mini.folder)
    for arguments in ([], ["--verify"]):
        done = mini.spoofscope("audit", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith("study mini: nothing found; ")
    assert everything(mini.folder) == before


def test_json_is_stable(tiny):
    result = audit(tiny, "--verify")
    assert result == {
        "study": "tiny",
        "verified": True,
        "findings": [],
        "notes": [],
        "checked": {"jobs": 29, "files": result["checked"]["files"], "sidecars": 29},
    }
    assert result["checked"]["files"] > 30


def test_changed_setting(tiny_copy):
    """Stale is what Snakemake would make again, and the audit says which value changed."""
    change_study(tiny_copy, bootstrap={"resamples": 150}, title="Another title")
    kinds = found(tiny_copy)
    assert set(kinds) == {"stale"}
    assert set(kinds["stale"]) == planned(tiny_copy)
    metrics = kinds["stale"][one(tiny_copy, "metrics/*/seed1/talkers.eval.tsv")]
    assert metrics["explanation"] == "resamples was 100, is 150"
    assert metrics["rule"] == "compute_metrics"
    assert metrics["run"].startswith("lfcc_linear-")
    assert set(metrics) == {
        "kind",
        "path",
        "paths",
        "explanation",
        "rule",
        "run",
        "follows_from",
    }
    report = kinds["stale"]["results/tiny/report/index.html"]
    assert 'config.title was "A tiny study", is "Another title"' in report["explanation"]
    headline = kinds["stale"]["results/tiny/tables/headline.tsv"]
    assert metrics["path"] in headline["follows_from"]


def test_former_settings_are_orphans(tiny_copy):
    """With a new learning rate the old detector belongs to nothing, and going back clears it."""
    old = one(tiny_copy, "detectors/*/seed1/model.safetensors")
    detectors: Any = json.loads(json.dumps(TINY_STUDY["detectors"]))
    detectors["lfcc_linear"]["train"]["recipe"]["lr"] = 0.02
    change_study(tiny_copy, detectors=detectors)
    kinds = found(tiny_copy)
    assert set(kinds) == {"stale", "missing", "orphaned"}
    assert {*kinds["stale"], *kinds["missing"]} == planned(tiny_copy)
    assert kinds["orphaned"][old]["run"] == old.split("/")[3]
    assert "never made" in next(iter(kinds["missing"].values()))["explanation"]
    text = tiny_copy.spoofscope("audit", "--configfile", "study.yaml")
    assert "they harm nothing" in text.stdout
    change_study(tiny_copy)
    assert found(tiny_copy) == {}


def test_edited_code(tiny_copy):
    """An edit that counts is named with its file; what is made then is of uncommitted code."""
    name = "src/spoofscope/summaries/headline.py"
    module = tiny_copy.folder / name
    module.write_text(module.read_text() + "\nEXTRA = 1\n")
    kinds = found(tiny_copy)
    assert set(kinds) == {"stale"}
    assert set(kinds["stale"]) == planned(tiny_copy)
    headline = "results/tiny/tables/headline.tsv"
    assert kinds["stale"][headline]["explanation"] == (
        f"the code behind it has changed: {name} edited"
    )
    report = kinds["stale"]["results/tiny/report/index.html"]
    assert report["explanation"] == f"made from {headline}, which has to be made again"
    assert report["follows_from"] == [headline]
    tiny_copy.make("--configfile", "study.yaml")
    kinds = found(tiny_copy)
    assert set(kinds) == {"uncommitted"}
    assert f"with changes in {name}" in kinds["uncommitted"][headline]["explanation"]
    assert not any("/detectors/" in path for path in kinds["uncommitted"])


@pytest.mark.parametrize("size", ["same", "other"])
def test_edited_result(tiny_copy, size):
    """A hand edit is found; with the old size and time only --verify can."""
    scores = tiny_copy.folder / one(tiny_copy, "scores/*/seed1/talkers.eval.tsv")
    before = scores.stat()
    data = bytearray(scores.read_bytes())
    data[-3] = ord("1") if data[-3] != ord("1") else ord("2")
    scores.write_bytes(bytes(data) + (b"\n" if size == "other" else b""))
    path = str(scores.relative_to(tiny_copy.folder))
    kinds = found(tiny_copy)
    assert path in kinds["altered"]
    assert "content is not" in kinds["altered"][path]["explanation"] or size == "other"
    os.utime(scores, ns=(before.st_atime_ns, before.st_mtime_ns))
    if size == "same":
        assert found(tiny_copy) == {}
    assert set(found(tiny_copy, "--verify")["altered"]) == {path}


def test_a_generated_recording_that_was_replaced(tiny_copy):
    """By another clip: with a new time it is made again, with the old one --verify finds it."""
    clip, other, *_ = sorted(tiny_copy.folder.glob("resources/mini/*/flac/*.flac"))
    path = str(clip.relative_to(tiny_copy.folder))
    protocol = f"{clip.parents[1].relative_to(tiny_copy.folder)}/protocol.tsv"
    before = clip.read_bytes()
    replaced = other.read_bytes()[: len(before)].ljust(len(before), b"\0")
    clip.write_bytes(replaced)
    os.utime(clip, (1e9, 1e9))
    assert found(tiny_copy) == {}
    (finding,) = found(tiny_copy, "--verify")["altered"].values()
    assert (finding["path"], finding["rule"]) == (path, "generate_corpus")
    assert f"delete {protocol} and run the workflow" in finding["explanation"]
    for change in (clip.touch, clip.unlink):
        change()
        kinds = found(tiny_copy)
        assert set(kinds) == {"stale"}
        how = "deleted" if change == clip.unlink else "replaced"
        assert f"1 recording {how} ({path!r})" in kinds["stale"][protocol]["explanation"]
        # The same clip comes back, so that nothing else has to be made again.
        tiny_copy.make("manifests", "--configfile", "study.yaml")
        assert clip.read_bytes() == before
        assert found(tiny_copy, "--verify") == {}


def test_missing_unrecorded_and_unknown(tiny_copy):
    """Deleted results, a lost sidecar, a damaged one, and files that nobody asked for."""
    folder = tiny_copy.folder
    figure = "results/tiny/figures/det_curves.pdf"
    (folder / figure).unlink()
    detector = one(tiny_copy, "detectors/*/seed1/detector.json")
    (folder / detector).unlink()
    audits = "results/tiny/audits/talkers.tsv"
    (folder / f"{audits}.origin.json").unlink()
    runs = "results/tiny/tables/runs.tsv"
    (folder / f"{runs}.origin.json").write_text("{")
    (folder / "results/tiny/figures/mine.png").write_bytes(b"mine")
    (folder / "results/tiny/tables/.headline.4711.tmp.tsv").write_bytes(b"half")
    kinds = found(tiny_copy)
    assert {figure, detector} <= set(kinds["missing"])
    assert "gone since" in kinds["missing"][figure]["explanation"]
    assert "nothing needs it" in kinds["missing"][detector]["explanation"]
    assert kinds["unrecorded"][audits]["explanation"] == "no sidecar"
    assert "damaged" in kinds["unrecorded"][runs]["explanation"]
    assert set(kinds["unknown"]) == {
        "results/tiny/figures/mine.png",
        "results/tiny/tables/.headline.4711.tmp.tsv",
    }
    assert "killed" in kinds["unknown"]["results/tiny/tables/.headline.4711.tmp.tsv"]["explanation"]


def change_sidecars(study: Checkout, pattern: str, **values: Any) -> Iterator[str]:
    for path in sorted(study.folder.glob(f"results/tiny/{pattern}.origin.json")):
        record = json.loads(path.read_text())
        write_sidecar(path, {**record, **values})
        yield record["outputs"][0]["path"]


def test_other_packages_no_git_and_another_input(tiny_copy):
    """What was made elsewhere, by other packages, outside git, or from what is there no more."""
    sidecar = tiny_copy.folder / f"{one(tiny_copy, 'metrics/*/seed1/talkers.dev.tsv')}.origin.json"
    packages = {**json.loads(sidecar.read_text())["packages"], "numpy": "1.0.0"}
    old = list(change_sidecars(tiny_copy, "metrics/*/seed1/*.tsv", packages=packages))
    nowhere = {"commit": None, "dirty": None, "changed": None}
    unversioned = list(change_sidecars(tiny_copy, "figures/*.pdf", git=nowhere))
    scores = one(tiny_copy, "scores/*/seed1/talkers.eval.tsv")
    record = json.loads((tiny_copy.folder / f"{scores}.origin.json").read_text())
    made = [{**entry, "sha256": "0" * 64, "mtime_ns": 0} for entry in record["outputs"]]
    list(change_sidecars(tiny_copy, "scores/*/seed1/talkers.eval.tsv", outputs=made))
    kinds = found(tiny_copy)
    assert set(kinds) == {"environment", "uncommitted", "altered", "chain"}
    assert set(kinds["environment"]) == set(old)
    assert "numpy 1.0.0 (locked: " in kinds["environment"][old[0]]["explanation"]
    assert set(kinds["uncommitted"]) == set(unversioned)
    assert "no commit is known" in kinds["uncommitted"][unversioned[0]]["explanation"]
    assert set(kinds["altered"]) == {scores}
    assert "results/tiny/figures/det_curves.pdf" in kinds["chain"]


def test_present_environment(tiny_copy):
    lock = tiny_copy.folder / "envs/requirements.lock"
    lock.write_text(re.sub(r"^polars==\S+", "polars==0.1.0", lock.read_text(), flags=re.MULTILINE))
    findings = audit(tiny_copy)["findings"]
    assert {finding["kind"] for finding in findings} == {"environment"}
    (present,) = [finding for finding in findings if finding["path"] is None]
    assert present["explanation"].startswith("this environment is not that of the lock: polars ")


def test_copied_results_are_fresh(tiny, tmp_path):
    """A clone with copied results, new times in any order, and nothing of Snakemake's records."""
    subprocess.run(["git", "clone", "-q", tiny.folder, tmp_path / "clone"], check=True)
    clone = Checkout(tmp_path / "clone")
    clone.write_study(TINY_STUDY)
    for name in ("results", "resources"):
        subprocess.run(["cp", "-r", tiny.folder / name, clone.folder / name], check=True)
    files = sorted(path for path in (clone.folder / "results").rglob("*") if path.is_file())
    for i, path in enumerate(files):
        time = 1_700_000_000 + (i * 7919) % 100_000
        os.utime(path, (time, time))
    before = everything(clone.folder)
    assert found(clone) == {}
    assert everything(clone.folder) == before
    assert not (clone.folder / ".snakemake").exists()
    # Snakemake has no word on a changed setting here; the sidecars have.
    change_study(clone, bootstrap={"resamples": 150})
    stale = found(clone)["stale"]
    assert stale[one(clone, "metrics/*/seed1/talkers.eval.tsv")]["explanation"].startswith(
        "resamples was 100, is 150"
    )


def test_failed_job_after_a_change(tiny_copy):
    """A manifest that fails after an edit of its settings leaves nothing that counts as fresh."""
    corpora: Any = json.loads(json.dumps(TINY_STUDY["corpora"]))
    corpora["talkers"]["options"]["speakers"]["eval"] = 3
    change_study(tiny_copy, corpora=corpora)
    script = tiny_copy.folder / "workflow/scripts/generate_corpus.py"
    text = script.read_text()
    script.write_text(f"raise SystemExit(1)\n{text}")
    assert tiny_copy.snakemake("--configfile", "study.yaml").returncode == 1
    script.write_text(text)
    kinds = found(tiny_copy)
    assert {*kinds["stale"], *kinds["missing"]} >= planned(tiny_copy)
    assert "results/tiny/report/index.html" in kinds["stale"]


def test_vanished_data(tiny_copy):
    """Results whose data are gone, so that no run could make them again."""
    corpora = {"talkers": {"type": "table", "path": "not_mounted", "file": "meta.csv"}}
    change_study(tiny_copy, corpora=corpora)
    kinds = found(tiny_copy)
    manifest = kinds["unknown"]["results/tiny/manifests/talkers.tsv"]
    assert "nothing can make it now" in manifest["explanation"]
    assert "results/tiny/audits/talkers.tsv" in kinds["stale"]


def test_refusals(tiny, tmp_path):
    outside = Checkout(tmp_path)
    cases = [
        (tiny, ["--configfile", "no.yaml"], "there is no study file no.yaml"),
        (tiny, [], "study mini has not been run"),
    ]
    for study, arguments, message in cases:
        done = study.spoofscope("audit", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    done = subprocess.run(
        [*Checkout(tiny.folder).command()[:2], "spoofscope.cli", "audit"],
        cwd=outside.folder,
        env=tiny.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "is no checkout of spoofscope" in done.stderr


def test_refused_study(tiny_copy):
    """A study file with a mistake is refused with the study's own message."""
    study = {**TINY_STUDY, "detectors": {**TINY_STUDY["detectors"]}, "sead": 1}
    tiny_copy.write_study(study)
    done = tiny_copy.spoofscope("audit", "--configfile", "study.yaml")
    assert done.returncode == 2
    assert "unknown key 'sead'" in done.stderr


# --- spoofscope provenance --------------------------------------------------------------------


def test_tree_reaches_corpora_and_backbones(mini):
    done = mini.spoofscope("provenance", "results/mini/figures/layer_weights.pdf", "--json")
    assert done.returncode == 0, done.stderr
    tree = json.loads(done.stdout)
    rules = {job["rule"] for job in tree["jobs"].values()}
    assert {"figure_layer_weights", "train", "backbone", "generate_corpus", "manifest"} <= rules
    for job in tree["jobs"].values():
        for entry in job["inputs"]:
            assert entry["job"] in tree["jobs"], entry
            assert entry["differs"] in (None, "it is gone")
    backbone = next(job for job in tree["jobs"].values() if job["rule"] == "backbone")
    assert "tiny" in backbone["settings"]["entry"]
    trained = next(job for job in tree["jobs"].values() if job["rule"] == "train")
    config = yaml.safe_load((mini.folder / "config/config.yaml").read_text())
    recipes = [entry["train"].get("recipe", {}) for entry in config["detectors"].values()]
    recipe = trained["settings"]["settings"]["recipe"]
    preset = recipe["preset"]
    assert {**recipe, "preset": preset["name"]} in recipes
    text = (mini.folder / f"src/spoofscope/recipes/{preset['name']}.yaml").read_text()
    assert preset["values"] == yaml.safe_load(text)
    text = mini.spoofscope("provenance", "results/mini/figures/layer_weights.pdf", "--all").stdout
    assert text.startswith(
        "results/mini/figures/layer_weights.pdf\n    figure_layer_weights, commit"
    )
    # Every job is told once.
    assert len(re.findall(r", commit [0-9a-f]{12}, ", text)) == len(tree["jobs"])


def test_tree_says_what_is_altered(tiny_copy):
    manifest = tiny_copy.folder / "results/tiny/manifests/talkers.tsv"
    manifest.write_text(manifest.read_text() + "\n")
    done = tiny_copy.spoofscope("provenance", "results/tiny/figures/det_curves.png")
    lines = [line for line in done.stdout.splitlines() if "not what was recorded" in line]
    assert lines
    assert all(line.strip().startswith("results/tiny/manifests/talkers.tsv") for line in lines)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("study.yaml", " bytes) was not made by a job"),
        ("nothing.tsv", "nothing.tsv does not exist"),
        ("results/tiny", "results/tiny is a folder"),
        ("/etc/hostname", "is not below this folder"),
    ],
)
def test_tree_of_other_files(tiny, monkeypatch, capsys, file, message):
    monkeypatch.chdir(tiny.folder)
    assert main(["provenance", file]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


# --- docs/auditing.md ------------------------------------------------------------------------


def without_numbers(text: str) -> list[str]:
    """Lines without hashes, times, counts, and the machine."""
    text = re.sub(r"\b[0-9a-f]{8,64}\b", "#", text)
    text = re.sub(r"\d[\d.:T+-]*", "#", text)
    text = re.sub(r"# (h # )?min\b", "# s", text)
    return [re.sub(r"(, # s, ).*", r"\1", line) for line in text.splitlines()]


def test_session_of_the_page(mini, tmp_path):
    """The commands of docs/auditing.md, one after the other, print what the page shows."""
    page = (ROOT / "docs/auditing.md").read_text(encoding="utf-8")
    block = page.partition("```console\n")[2].partition("```")[0]
    study = mini.copy(tmp_path / "checkout").with_environment()
    steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    assert len(steps) > 8
    for command, shown in steps:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=study.folder,
            env=study.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert without_numbers(done.stdout) == without_numbers(shown), (command, done.stdout)
