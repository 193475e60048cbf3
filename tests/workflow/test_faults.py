"""Every kind of rule is killed, runs out of disk and gets damaged input; then all is repaired.

Afterwards every file is what it is after a run that nothing disturbed, and none is left over.

`make test` disturbs the rules with machinery of their own in all three ways. Of the others, which
share theirs, every one gets damaged input, and some are killed or run out of disk. `make
test-faults` disturbs every rule in every way.
"""

import hashlib
import http.server
import os
import re
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
import soundfile
from checkout import SPOKEN, WIDE_STUDY, WIDE_TARGETS, Checkout

from spoofscope.files import read_json
from spoofscope.identity import rng_of
from spoofscope.provenance.sidecars import sidecar_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# They resume, journal, write many files or come from elsewhere.
MACHINERY = ["download", "augment", "train", "score", "measure_artefacts_shard"]
# They keep a journal, as the last of these does; tests/test_shards.py kills each of them, too.
JOURNALS = [
    *("audit_corpus_shard", "audit_corpus", "measure_artefacts"),
    *("explain_shard", "explain", "average_attributions_shard", "average_attributions"),
    *("score_masked_shard", "score_masked"),
    *("score_cues_shard", "score_cues"),
    *("score_laundered_shard", "score_laundered"),
    *("measure_fingerprints_shard", "measure_fingerprints", "embed_clips"),
    *("align_shard", "align"),
]
OTHERS = [
    *("manifest", "extract_features", "compute_metrics", "correlate_artefacts", "report"),
    *("list_systems", "audit_tracing"),
    *("list_source_trials", "verify_sources", "verification_metrics"),
    *("train_tracer", "fit_tracer", "trace_clips", "tracing_metrics", "decide_clips"),
    *("rate_artefacts", "annotation_pack"),
    *(["speak_corpus"] if SPOKEN else []),
]
RULES = [*MACHINERY, *JOURNALS, *OTHERS]


def each_rule(
    always: list[str], without: tuple[str, ...] = (), rules: list[str] = RULES
) -> pytest.MarkDecorator:
    """A case of every rule; those that are not in `always` are left to `make test-faults`."""
    cases = [
        rule if rule in always else pytest.param(rule, marks=pytest.mark.every_fault)
        for rule in rules
        if rule not in without
    ]
    return pytest.mark.parametrize("case", cases, indirect=True)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves one file, slowly; a test may damage it."""

    content: ClassVar[bytes] = b""
    damaged: ClassVar[bool] = False

    def do_GET(self):
        content = type(self).content
        if type(self).damaged:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        step = len(content) // 20
        try:
            for start in range(0, len(content), step):
                self.wfile.write(content[start : start + step])
                time.sleep(0.02)
        except ConnectionError:
            pass  # the client was killed

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    """Where an archive with a few recordings is served."""
    folder = tmp_path_factory.mktemp("served")
    for i, name in enumerate(("bonafide/a.wav", "bonafide/b.wav", "spoof/synth/a.wav")):
        (folder / "field" / name).parent.mkdir(parents=True, exist_ok=True)
        samples = rng_of("field", i).uniform(-0.5, 0.5, 16000)
        soundfile.write(folder / "field" / name, samples, 16000)
    archive = folder / "field.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "field", arcname="field")
    Server.content = archive.read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/field.tar.gz"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def undisturbed(url, wide, tmp_path_factory) -> Checkout:
    """The study of every kind of rule, with a corpus that is downloaded besides."""
    checksum = hashlib.sha256(Server.content).hexdigest()
    fetched = {
        "type": "folder",
        "archives": [{"url": url, "sha256": checksum}],
        "subfolder": "field",
    }
    # Few other jobs need the manifest of the spoken corpus, so its audit is disturbed beside them.
    traced = [*SPOKEN, "talkers"]
    study = {
        **WIDE_STUDY,
        "corpora": {**WIDE_STUDY["corpora"], "fetched": fetched},
        "tracing": {**WIDE_STUDY["tracing"], "corpora": traced},
    }
    fetches = "results/tiny/manifests/fetched.tsv"
    audits = f"results/tiny/systems/{traced[0]}.audit.tsv"
    targets = (*WIDE_TARGETS, fetches, "annotation", audits)
    made = wide.copy(tmp_path_factory.mktemp("faults") / "checkout")
    made.make(*targets, "--notemp", "--configfile", made.write_study(study))
    return made


@dataclass(frozen=True)
class Case:
    """One job of the finished study, to be made again in a copy of it under bad conditions."""

    study: Checkout
    undisturbed: Checkout
    rule: str
    job: dict[str, Any]

    @property
    def outputs(self) -> list[str]:
        return [entry["path"] for entry in self.job["outputs"]]

    @property
    def arguments(self) -> list[str]:
        return ["--notemp", "--configfile", "study.yaml", "--", *self.outputs]

    def unmake(self) -> None:
        """Delete what the job made."""
        for output in self.outputs:
            (self.study.folder / output).unlink(missing_ok=True)
        if self.rule == "augment":
            shutil.rmtree(self.study.folder / self.job["parameters"]["folder"], ignore_errors=True)

    def repair(self) -> None:
        """Make it once more; then everything is as if nothing had happened."""
        self.study.make(*self.arguments)
        check_repaired(self.study, self.undisturbed)

    def made(self) -> list[str]:
        return [path for path in self.outputs if (self.study.folder / path).exists()]


def contents(study: Checkout) -> dict[str, bytes]:
    """All files of the study that are no records of times."""
    found = {}
    for top in ("results", "resources"):
        for path in sorted((study.folder / top).rglob("*")):
            name = path.relative_to(study.folder)
            kept = not {"benchmarks", "work"} & set(name.parts)
            if kept and path.is_file() and not path.name.endswith(".origin.json"):
                found[str(name)] = _COSTS.sub(b"", path.read_bytes())
    return found


# The part of the report that has measured times.
_COSTS = re.compile(rb'<section id="costs">.*?</section>', re.DOTALL)


def recorded(study: Checkout) -> list[dict[str, Any]]:
    """The records of all of its jobs."""
    return [read_json(path) for path in sorted(study.folder.rglob("*.origin.json"))]


def case_of(study: Checkout, undisturbed: Checkout, rule: str) -> Case:
    """The rule's job that has most inputs."""
    jobs = [job for job in recorded(undisturbed) if job["rule"] == rule]
    (job, *_) = sorted(jobs, key=lambda job: -len(job["inputs"]))
    return Case(study, undisturbed, rule, job)


def check_repaired(study: Checkout, undisturbed: Checkout) -> None:
    ours, theirs = contents(study), contents(undisturbed)
    assert set(ours) == set(theirs)
    assert [name for name in theirs if ours[name] != theirs[name]] == []


@pytest.fixture
def case(request, tmp_path) -> Case:
    rule = request.param
    # The wide study is made without its report.
    undisturbed = request.getfixturevalue("tiny" if rule == "report" else "undisturbed")
    return case_of(undisturbed.copy(tmp_path / "checkout"), undisturbed, rule)


# --- kill ----------------------------------------------------------------------------------------


Kill = Callable[[Case, subprocess.Popen[str], psutil.Process], None]


def disturb(case: Case, kill: Kill) -> None:
    """Kill in the middle of the work; earlier, should the work have ended before."""
    fraction = rng_of("faults", case.rule, kill.__name__).uniform(0.1, 0.8)
    for _ in range(10):
        case.unmake()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # In the processes of a user a job is a child of the main process, and ends with it.
        start = kill is kill_main_process
        process = case.study.begin(*case.arguments, start=start, **quiet)
        while (script := case.study.working_script()) is None and process.poll() is None:
            time.sleep(0.005)
        if script is not None:
            time.sleep(fraction * case.job["seconds"])
            kill(case, process, script)
            process.wait()
            psutil.wait_procs([script], timeout=60)
        if process.returncode != 0 and not case.made():
            assert script is not None, "the workflow failed before the job began"
            return
        fraction /= 2
    raise AssertionError("the work was always over before it could be killed")


def kill_script(case: Case, process: subprocess.Popen[str], script: psutil.Process) -> None:
    if script.is_running():
        script.kill()


def kill_everything(case: Case, process: subprocess.Popen[str], script: psutil.Process) -> None:
    for each in case.study.processes():
        # One ends with another.
        with suppress(psutil.NoSuchProcess):
            each.kill()


def kill_main_process(case: Case, process: subprocess.Popen[str], script: psutil.Process) -> None:
    process.kill()


@each_rule(always=[*MACHINERY, "extract_features", "explain_shard"])
def test_killed(case):
    disturb(case, kill_script)
    assert case.made() == []
    disturb(case, kill_everything)
    case.repair()


@each_rule(always=[], rules=["train"])
def test_main_process_killed(case):
    """The job ends within a second; shorter ones than this training end by themselves.

    In every run test_one_run.py has such a training.
    """
    disturb(case, kill_main_process)
    case.repair()


# --- disk ----------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """The folder on a file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a small file system")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, free: int) -> Path:
    """Leave so many bytes free, in whole blocks."""
    filler = folder / "filler"
    space = os.statvfs(folder)
    with open(filler, "wb") as stream:
        os.posix_fallocate(
            stream.fileno(), 0, (space.f_bavail - free // space.f_bsize) * space.f_bsize
        )
    return filler


@each_rule(always=[*MACHINERY, "manifest", "report", "measure_fingerprints_shard"])
def test_full_disk(case):
    top = case.study.folder / Path(case.outputs[0]).parts[0]
    needed = sum(entry["bytes"] for entry in case.job["outputs"])
    with small_disk(top):
        case.unmake()
        filler = fill(top, int(needed * rng_of("disk", case.rule).uniform(0, 0.7)))
        text = case.study.refuse(*case.arguments)
        assert re.search("disk is full|is the disk full|No space left", text), text[-4000:]
        assert "Traceback" not in text
        assert case.made() == []
        filler.unlink()
        case.repair()


# --- damaged input -------------------------------------------------------------------------------


def damage(path: Path, truncate: bool) -> None:
    """Cut a file short, or flip one bit of it."""
    content = path.read_bytes()
    if truncate:
        path.write_bytes(content[: len(content) // 2])
    else:
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


def latest_input(job: dict[str, Any]) -> str:
    """What is further upstream concerns many jobs, which all would be made again."""
    latest: str = max(job["inputs"], key=lambda entry: entry["mtime_ns"])["path"]
    return latest


@each_rule(always=MACHINERY, without=("download",))
def test_damaged_input(case):
    """What another job made is compared with what that job has recorded."""
    path = latest_input(case.job)
    case.unmake()
    damage(case.study.folder / path, truncate=RULES.index(case.rule) % 2 == 0)
    text = case.study.refuse(*case.arguments)
    assert f"{path} is not what its job wrote" in text
    assert case.made() == []
    shutil.copy(case.undisturbed.folder / path, case.study.folder / path)
    case.repair()


def waves(cases: list[Case]) -> list[list[Case]]:
    """The cases in as few groups as a greedy choice needs, in each of which no job needs another
    one of it, nor what is damaged for another one.
    """
    makers = {
        entry["path"]: job for job in recorded(cases[0].undisturbed) for entry in job["outputs"]
    }

    def upstream(job: dict[str, Any]) -> set[str]:
        paths: set[str] = set()
        waiting = [entry["path"] for entry in job["inputs"]]
        while waiting:
            if (path := waiting.pop()) not in paths:
                paths.add(path)
                waiting += [entry["path"] for entry in makers.get(path, {"inputs": []})["inputs"]]
        return paths

    needs = {case.rule: upstream(case.job) for case in cases}
    groups: list[list[Case]] = []

    def disturbs(one: Case, other: Case) -> bool:
        return not needs[other.rule].isdisjoint([*one.outputs, latest_input(one.job)])

    for case in cases:
        for group in groups:
            if not any(disturbs(case, each) or disturbs(each, case) for each in group):
                group.append(case)
                break
        else:
            groups.append([case])
    return groups


def test_damaged_input_of_all_others(undisturbed, tmp_path):
    """As above, for the rules without machinery of their own, many at once."""
    study = undisturbed.copy(tmp_path / "checkout")
    others = [rule for rule in RULES if rule not in (*MACHINERY, "report")]
    cases = [case_of(study, undisturbed, rule) for rule in others]

    def arguments(group: list[Case]) -> list[str]:
        outputs = [output for case in group for output in case.outputs]
        return ["--keep-going", "--notemp", "--configfile", "study.yaml", "--", *outputs]

    for group in waves(cases):
        damaged = {case.rule: latest_input(case.job) for case in group}
        for case in group:
            case.unmake()
            damage(study.folder / damaged[case.rule], truncate=RULES.index(case.rule) % 2 == 0)
        text = study.refuse(*arguments(group))
        refused = {r for r, path in damaged.items() if f"{path} is not what its job wrote" in text}
        assert refused == set(damaged)
        assert [output for case in group for output in case.made()] == []
        lost = [path for case in group for path in (*case.outputs, sidecar_path(case.outputs[0]))]
        for path in [*damaged.values(), *lost]:
            (study.folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(undisturbed.folder / path, study.folder / path)
    for case in cases:
        case.unmake()
    study.make(*arguments(cases))
    check_repaired(study, undisturbed)


@pytest.mark.parametrize("case", ["download"], indirect=True)
def test_damaged_on_the_way(case, monkeypatch):
    case.unmake()
    monkeypatch.setattr(Server, "damaged", True)
    text = case.study.refuse(*case.arguments)
    assert "field.tar.gz: the download has the SHA-256" in text
    assert case.made() == []
    monkeypatch.setattr(Server, "damaged", False)
    case.repair()


@each_rule(always=["augment"], rules=["augment", "extract_features"])
def test_damaged_recording(case):
    """A recording that the workflow itself made is made again, before anything reads it."""
    manifest = next(entry["path"] for entry in case.job["inputs"] if "/manifests/" in entry["path"])
    split = case.job["parameters"].get("split", "train")
    rows = [line.split("\t") for line in (case.study.folder / manifest).read_text().splitlines()]
    row = dict(zip(rows[0], next(row for row in rows if split in row), strict=True))
    recording = row["path"]
    case.unmake()
    damage(case.study.folder / recording, truncate=True)
    planned = case.study.snakemake("-n", *case.arguments).stdout
    assert f"1 recording replaced ('{recording}')" in planned
    case.repair()
