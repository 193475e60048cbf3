"""What jobs record, and how records are compared with what is there."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from spoofscope.errors import ProvenanceError
from spoofscope.files import sha256_file
from spoofscope.provenance import audit, sidecars
from spoofscope.provenance.audit import Audit, Finding, _files_below, as_text, audit_study
from spoofscope.provenance.crate import crate_metadata
from spoofscope.provenance.plan import Job, Plan
from spoofscope.provenance.record import file_record, git_state, package_versions
from spoofscope.provenance.sidecars import Sidecars, difference, read_sidecar, sidecar_path
from spoofscope.provenance.tree import as_text as tree_text
from spoofscope.provenance.tree import summary, trace


def git(folder: Path, *arguments: str) -> None:
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *author, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A repository with the files by which the code is known."""
    for name in ("Snakefile", "src/spoofscope/__init__.py", "workflow/rules/a.smk", "README.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "All")
    return tmp_path


def test_committed_code_is_clean(checkout):
    state = git_state(checkout)
    assert state["dirty"] is False
    assert state["changed"] == []
    assert len(state["commit"]) == 40


def test_changes_and_new_files_of_the_code_are_named(checkout):
    (checkout / "workflow/rules/a.smk").write_text("2\n")
    (checkout / "src/spoofscope/new module.py").write_text("3\n")
    assert git_state(checkout)["changed"] == [
        "src/spoofscope/new module.py",
        "workflow/rules/a.smk",
    ]


def test_other_files_are_no_code(checkout):
    (checkout / "README.md").write_text("2\n")
    (checkout / "paper.yaml").write_text("study: paper\n")
    assert git_state(checkout)["dirty"] is False


def test_git_state_writes_nothing(checkout):
    os.utime(checkout / "Snakefile")
    before = (checkout / ".git/index").read_bytes()
    git_state(checkout)
    assert (checkout / ".git/index").read_bytes() == before


def test_code_outside_version_control_has_no_commit(checkout, tmp_path_factory):
    plain = git_state(tmp_path_factory.mktemp("plain"))
    assert "not a git repository" in plain.pop("error")
    assert plain == {"commit": None, "dirty": None, "changed": None}
    # An environment within somebody else's repository.
    installed = checkout / "venv/lib"
    (installed / "src/spoofscope").mkdir(parents=True)
    (installed / "src/spoofscope/__init__.py").write_text("1\n")
    state = git_state(installed)
    assert "did not match any file" in state.pop("error")
    assert state == plain


def test_missing_git_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert git_state(checkout)["commit"] is None
    assert "No such file" in git_state(checkout)["error"]


def test_what_git_refuses_it_says_itself(checkout, monkeypatch):
    """A checkout that belongs to somebody else."""
    assert git_state(checkout)["error"] is None
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    state = git_state(checkout)
    assert state["commit"] is None
    assert state["error"].startswith("fatal: detected dubious ownership in repository at")
    assert "git config --global --add safe.directory" in state["error"]
    assert "\n" not in state["error"]


def test_versions_are_those_installed():
    import numpy

    assert package_versions()["numpy"] == numpy.__version__


# --- files against their records ---------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.tsv").write_text("one\n")
    return file_record("a.tsv")


def test_same_file(recorded):
    assert difference(recorded) is None
    assert difference(recorded, verify=True) is None


def test_touched_and_copied_files_are_the_same(recorded):
    os.utime("a.tsv", ns=(1, 1))
    assert difference(recorded) is None


def test_other_content_of_the_same_size(recorded):
    Path("a.tsv").write_text("two\n")
    os.utime("a.tsv", ns=(1, 1))
    assert "content" in (difference(recorded) or "")
    # At a time that is known to be that of the recorded content only --verify looks closer.
    assert difference(recorded, times=[1]) is None
    assert "content" in (difference(recorded, times=[1], verify=True) or "")


def test_other_size_and_no_file(recorded):
    Path("a.tsv").write_text("three\n")
    assert "6 bytes, and had 4" in (difference(recorded) or "")
    Path("a.tsv").unlink()
    assert difference(recorded) == "it is gone"


# --- sidecars ----------------------------------------------------------------------------------


def write_sidecar(rule: str, inputs: list[str], outputs: list[str], **parameters: object) -> None:
    record = {
        "rule": rule,
        "wildcards": {},
        "parameters": {"code": "c0de", **parameters},
        "code": "c0de",
        "sources": {},
        "inputs": [file_record(path) for path in inputs],
        "outputs": [file_record(path, always=True) for path in outputs],
        "git": {"commit": "0" * 40, "dirty": False, "changed": []},
        "packages": {"python": "3.11.7", "snakemake": "9.27.1", "torch": "2.11.0"},
        "device": "cpu",
        "host": "here",
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.5,
    }
    sidecars.write_sidecar(f"{outputs[0]}.origin.json", record)


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """Downloads, a backbone, a manifest and a table made from them."""
    monkeypatch.chdir(tmp_path)
    for name in ("archive", "weights", "manifest.tsv", "problems.tsv", "table.tsv"):
        path = Path("results/s") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    r = "results/s"
    archive = {"url": "https://example.org/corpus.zip", "sha256": "a" * 64}
    hub = {"family": "wavlm", "hub": "microsoft/wavlm-base", "revision": "4c66d48"}
    write_sidecar("download", [], [f"{r}/archive"], archive=archive)
    write_sidecar("backbone", [], [f"{r}/weights"], entry=hub)
    write_sidecar(
        "manifest",
        [f"{r}/archive"],
        [f"{r}/manifest.tsv", f"{r}/problems.tsv"],
        corpus="c",
        settings={"type": "folder", "archives": [archive], "path": "/secret/place"},
    )
    write_sidecar("table", [f"{r}/manifest.tsv", f"{r}/weights"], [f"{r}/table.tsv"], lr=0.1)
    return r


def test_jobs_behind_a_file_are_found_once(chain):
    found = Sidecars().behind([f"{chain}/table.tsv", f"{chain}/problems.tsv"])
    assert sorted(record["rule"] for record in found) == [
        "backbone",
        "download",
        "manifest",
        "table",
    ]


def test_a_file_without_sidecar_is_named(chain):
    Path(f"{chain}/table.tsv.origin.json").unlink()
    with pytest.raises(ProvenanceError, match=r"table\.tsv has no sidecar"):
        Sidecars().behind([f"{chain}/table.tsv"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("outputs", [{}]),
        ("outputs", []),
        ("outputs", [{"path": "a", "bytes": 1}]),
        ("inputs", [{"path": "a", "bytes": "1", "sha256": "0"}]),
        ("inputs", None),
        ("packages", None),
        ("packages", {"numpy": 1}),
        ("git", None),
        ("git", {"commit": 1, "dirty": False}),
        ("git", {"commit": None}),
        ("parameters", "lr"),
        ("started", "yesterday"),
        ("seconds", "long"),
    ],
)
def test_values_of_sidecars_are_checked(chain, key, value):
    path = Path(f"{chain}/table.tsv.origin.json")
    sidecars.write_sidecar(path, {**json.loads(path.read_text()), key: value})
    with pytest.raises(ProvenanceError, match="is damaged"):
        read_sidecar(path)
    found = Sidecars()
    assert found.of(f"{chain}/table.tsv") is None
    assert found.of(f"{chain}/manifest.tsv") is not None
    with pytest.raises(ProvenanceError, match=r"table\.tsv\.origin\.json is damaged"):
        found.behind([f"{chain}/table.tsv"])
    with pytest.raises(ProvenanceError, match=r"table\.tsv\.origin\.json is damaged"):
        trace(f"{chain}/table.tsv")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("0000000", "0000001", 1),
        lambda text: text.replace('"seconds": 1.5', '"seconds": 1.6'),
        lambda text: re.sub(r'  "record_sha256": "\w+",\n', "", text),
        lambda text: text.replace('"python": "3.11.7"', '"python": "3.11.7" '),
        lambda text: re.sub(r'("record_sha256": ")\w', r"\1g", text),
    ],
)
def test_a_changed_digit_of_a_sidecar_is_seen(chain, change):
    path = Path(f"{chain}/table.tsv.origin.json")
    text = path.read_text()
    assert change(text) != text
    assert read_sidecar(path)["seconds"] == 1.5
    path.write_text(change(text))
    with pytest.raises(ProvenanceError, match="is damaged: it is not as it was written"):
        read_sidecar(path)
    assert Sidecars().of(f"{chain}/table.tsv") is None


def test_no_text_of_a_job_is_taken_for_its_hash(tmp_path):
    told = f'"record_sha256": "{"a" * 64}"'
    path = tmp_path / "a.tsv.origin.json"
    sidecars.write_sidecar(path, {"rule": told, "outputs": [], told: told})
    with pytest.raises(ProvenanceError, match="its job has no outputs"):
        read_sidecar(path, ["rule"])
    made = [{"path": "a.tsv", "bytes": 1, "sha256": "b"}]
    sidecars.write_sidecar(path, {"rule": told, "outputs": made})
    assert read_sidecar(path, ["rule"])["rule"] == told


def test_recordings_are_named_with_their_digest(chain):
    """In the tree the folder as it was read, in the research object its name."""
    path = Path(f"{chain}/manifest.tsv.origin.json")
    read = {"folder": "/secret/place", "files": 3, "sha256": "d" * 64}
    sidecars.write_sidecar(path, {**json.loads(path.read_text()), "recordings": read})
    tree = trace(f"{chain}/table.tsv")
    assert tree["jobs"][f"{chain}/manifest.tsv"]["recordings"] == read
    assert f"3 files below /secret/place, SHA-256 over names and contents {'d' * 64}" in (
        tree_text(tree)
    )
    config = {"study": "s", "title": "A study", "corpora": {"c": {"type": "folder"}}}
    metadata = crate_metadata(
        Sidecars().behind([f"{chain}/table.tsv"]),
        config,
        chain,
        f"{chain}/provenance/Snakefile",
        f"{chain}/provenance/study.yaml",
    )
    entities = {entity["@id"]: entity for entity in metadata["@graph"]}
    assert entities["#corpus-c"]["hasPart"] == {"@id": "#recordings-c"}
    assert entities["#recordings-c"]["sha256"] == "d" * 64
    assert entities["#recordings-c"]["name"] == "recordings of corpus c, folder place"
    assert entities["#recordings-c"]["size"] == "3 files"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"rule": "train"}'])
def test_damaged_sidecars_are_named(tmp_path, content):
    path = tmp_path / "a.tsv.origin.json"
    path.write_text(content)
    with pytest.raises(ProvenanceError, match="is damaged"):
        read_sidecar(path)


def test_tree_reaches_downloads_and_backbones(chain):
    tree = trace(f"{chain}/table.tsv")
    assert tree["jobs"][f"{chain}/archive"]["settings"]["archive"]["sha256"] == "a" * 64
    text = tree_text(tree)
    assert "https://example.org/corpus.zip" in text
    assert '"revision": "4c66d48"' in text
    assert "lr: 0.1" in text
    assert "not what was recorded" not in text
    short = summary(tree)
    assert "https://example.org/corpus.zip" in short
    assert '"revision": "4c66d48"' in short
    # The settings of the file's own job, and of those where it begins.
    assert short.count("lr: 0.1") == 1
    assert "changed since" not in short
    assert f"behind it, {len(tree['jobs']) - 1} jobs:" in short
    Path(f"{chain}/weights").write_text("other..\n")
    assert f"changed since:\n    {chain}/weights   [not what was recorded: its size is" in summary(
        trace(f"{chain}/table.tsv")
    )
    assert f"{chain}/weights   [not what was recorded: its size is" in tree_text(
        trace(f"{chain}/table.tsv")
    )


def test_crate_names_downloads_and_revisions_but_no_place(chain):
    config = {"study": "s", "title": "A study", "corpora": {}}
    for name in ("provenance/Snakefile", "provenance/study.yaml"):
        path = Path(chain) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n")
    metadata = crate_metadata(
        Sidecars().behind([f"{chain}/table.tsv"]),
        config,
        chain,
        f"{chain}/provenance/Snakefile",
        f"{chain}/provenance/study.yaml",
    )
    entities = {entity["@id"]: entity for entity in metadata["@graph"]}
    assert entities["https://example.org/corpus.zip"]["sha256"] == "a" * 64
    assert entities["https://huggingface.co/microsoft/wavlm-base/tree/4c66d48"]["version"]
    assert "/secret/place" not in json.dumps(entities["#corpus-c"])
    assert "rights reserved" in entities["./"]["license"]
    assert entities["pkg:pypi/torch@2.11.0"]["softwareVersion"] == "2.11.0"
    assert entities["pkg:generic/python@3.11.7"]["identifier"] == "pkg:generic/python@3.11.7"


def test_text_tells_reasons_before_consequences():
    audit = Audit("s", verified=True, checked={"jobs": 2, "files": 3, "sidecars": 2})
    audit.findings = [
        Finding("stale", "b", "made from a, ...", ("b",), follows_from=("a",)),
        Finding("stale", "a", "lr was 1, is 2", ("a",)),
    ]
    lines = as_text(audit).splitlines()
    assert [line.strip() for line in lines[1:5]] == [
        "a",
        "lr was 1, is 2",
        "b",
        "follows from these",
    ]
    assert lines[-1] == "study s: 2 stale; 2 jobs and 3 files checked, all contents read"


def test_a_folder_that_cannot_be_looked_into_is_told(tmp_path, monkeypatch):
    (tmp_path / "open").mkdir()
    (tmp_path / "open/a.tsv").write_text("a")
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    errors: list[OSError] = []
    found = list(_files_below(str(tmp_path), errors.append))
    assert found == [str(tmp_path / "open/a.tsv")]
    assert [error.filename for error in errors] == [str(tmp_path / "closed")]


def made_detector(study: str, run: str) -> tuple[str, ...]:
    """The outputs of a training, with its sidecar, in the working directory."""
    folder = Path(f"results/{study}/detectors/{run}/seed1")
    folder.mkdir(parents=True)
    outputs = tuple(str(folder / name) for name in ("model.safetensors", "detector.json"))
    for output in outputs:
        Path(output).write_text(study)
    entries = [
        {"path": output, "bytes": len(study), "sha256": sha256_file(output)} for output in outputs
    ]
    record = {
        **{"rule": "train", "wildcards": {}, "parameters": {}, "code": "0" * 12, "packages": {}},
        **{"inputs": [], "outputs": entries, "device": "cpu", "seconds": 1.0},
        **{"git": {"commit": "0" * 40, "dirty": False}, "started": "2026-01-01T00:00:00"},
    }
    sidecars.write_sidecar(sidecar_path(outputs[0]), record)
    return outputs


@pytest.fixture
def copied_detectors(tmp_path, monkeypatch) -> tuple[str, ...]:
    """The outputs of a training of a study in whose place those of another study were copied, and
    beside which another detector was; the audit of this study can be asked for."""
    monkeypatch.chdir(tmp_path)
    Path("envs").mkdir()
    Path("envs/requirements.lock").write_text("")
    outputs = made_detector("mine", "lcnn-00000001")
    theirs = Path(made_detector("theirs", "aasist-00000002")[0]).parent
    shutil.rmtree(Path(outputs[0]).parent)
    shutil.copytree(theirs, Path(outputs[0]).parent)
    shutil.copytree(theirs.parent, "results/mine/detectors/aasist-00000002")
    job = Job("train", {}, (), outputs, frozenset(), None, None, {}, "", interrupted=False)
    plan = Plan("mine", "results/mine", "resources", (job,), {})
    monkeypatch.setattr(audit, "ask", lambda *_: plan)
    return outputs


def test_a_detector_of_another_study_in_the_place_of_one(copied_detectors):
    found = [finding for finding in audit_study().findings if finding.rule == "train"]
    assert [(finding.kind, finding.paths) for finding in found] == [("altered", copied_detectors)]
    original = "results/theirs/detectors/aasist-00000002/seed1/model.safetensors"
    assert f"copied or moved here from {original}, as its sidecar" in found[0].explanation


def test_a_detector_of_another_study_beside_those_of_this_one(copied_detectors):
    """This study never asked for it, so it is not one of its former detectors."""
    found = [finding for finding in audit_study().findings if finding.rule is None]
    folder = "results/mine/detectors/aasist-00000002/seed1"
    names = ("detector.json", "model.safetensors", "model.safetensors.origin.json")
    assert [finding.path for finding in found] == [f"{folder}/{name}" for name in names]
    assert {(finding.kind, finding.explanation) for finding in found} == {
        (
            "unknown",
            "copied or moved here from results/theirs/detectors/aasist-00000002/seed1, as its "
            "sidecar says; no rule of this study makes it",
        )
    }
