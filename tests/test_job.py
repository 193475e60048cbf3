"""The wrapper of the scripts: what it records, what it refuses, and how a script ends."""

import hashlib
import json
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from spoofscope.corpora.download import set_aside
from spoofscope.files import LOGS_ARE_SHOWN
from spoofscope.job import job, sidecar_path

ROOT = Path(__file__).resolve().parents[1]


class Named(list):
    """Stands for Snakemake's lists of files and wildcards."""

    def items(self):
        return []


def snakemake(output: str, *inputs: str) -> SimpleNamespace:
    return SimpleNamespace(
        threads=1,
        log=Named(["job.log"]),
        params=SimpleNamespace(cfg={"code": "0" * 12}),
        output=Named([output, f"{output}.second"]),
        input=Named(inputs),
        rule="some_rule",
        wildcards=Named(),
    )


def make(output: str, *inputs: str) -> None:
    with job(snakemake(output, *inputs)):
        for path in (output, f"{output}.second"):
            Path(path).parent.mkdir(exist_ok=True)
            Path(path).write_text("made")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sidecar_says_what_was_read_and_written():
    Path("given.txt").write_text("from outside")
    make("a/one", "given.txt")
    make("b/two", "a/one", "a/one.second")
    record = json.loads(sidecar_path("b/two").read_text())
    assert [entry["path"] for entry in record["inputs"]] == ["a/one", "a/one.second"]
    assert [entry["path"] for entry in record["outputs"]] == ["b/two", "b/two.second"]
    # printf made | sha256sum
    assert {entry["sha256"] for entry in record["outputs"]} == {
        "ea0890697a77af0a2e054cccec587c8a42feb5cf38e778c6c6e2a96bfb945c0b"
    }


@pytest.mark.parametrize("damaged", ["a/one", "a/one.second"])
@pytest.mark.parametrize("content", ["mad", "mode"])
def test_an_input_that_is_not_what_its_job_wrote_is_refused(damaged, content):
    make("a/one")
    Path(damaged).write_text(content)
    with pytest.raises(SystemExit) as ended:
        make("b/two", "a/one", "a/one.second")
    assert ended.value.code == 1
    assert f"{damaged} is not what its job wrote" in Path("job.log").read_text()
    assert not Path("b").exists()
    make("a/one")
    make("b/two", "a/one", "a/one.second")


def test_outputs_in_several_folders_belong_together():
    both = snakemake("manifests/c.tsv")
    both.output[1] = "segments/c.tsv"
    with job(both):
        for path in both.output:
            Path(path).parent.mkdir()
            Path(path).write_text("made")
    make("b/one", "segments/c.tsv")
    Path("segments/c.tsv").write_text("more")
    with pytest.raises(SystemExit):
        make("b/two", "segments/c.tsv")
    assert "segments/c.tsv is not what its job wrote" in Path("job.log").read_text()


def test_an_input_without_a_record_is_taken_as_it_is():
    make("a/one")
    sidecar_path("a/one").unlink()
    Path("a/one").write_text("by hand")
    make("b/two", "a/one", "a/one.second")


def test_a_failed_job_leaves_no_sidecar_of_its_former_success():
    make("a/one")
    with pytest.raises(ValueError, match="broken"), job(snakemake("a/one")):
        raise ValueError("broken")
    assert not sidecar_path("a/one").exists()
    assert "ValueError: broken" in Path("job.log").read_text()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "x/in.tsv"), "x/in.tsv: Permission denied; see "),
        (
            OSError(36, "File name too long", "x/n\n.wav"),
            r'"x/n\n.wav": File name too long; shorten',
        ),
        (IsADirectoryError(21, "Is a directory", "x"), "x: Is a directory"),
        (OSError(30, "Read-only file system", "y"), "y: Read-only file system; name a place"),
        (OSError(28, "No space left on device"), "No space left on device; make room"),
        (OSError(5, "Input/output error", "z"), "z: Input/output error"),
    ],
)
def test_what_the_file_system_refuses_is_one_line(error, said):
    with pytest.raises(SystemExit) as ended, job(snakemake("a/one")):
        raise error
    assert ended.value.code == 1
    (line,) = Path("job.log").read_text().splitlines()
    assert said in line


def test_an_input_that_cannot_be_read_is_one_line(monkeypatch):
    Path("given.txt").write_text("x")

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("spoofscope.job.file_record", refuse)
    with pytest.raises(SystemExit):
        make("a/one", "given.txt")
    (line,) = Path("job.log").read_text().splitlines()
    assert "given.txt: Permission denied" in line


def test_a_log_that_cannot_be_written_is_said(capsys):
    both = snakemake("a/one")
    Path("logs").write_text("a file")
    both.log[0] = "logs/job.log"
    with pytest.raises(SystemExit) as ended, job(both):
        pass
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the log cannot be written: logs" in line


def test_a_job_whose_progress_is_shown_writes_into_its_log_alone(capsys, monkeypatch):
    make("a/one")
    assert "done in" in capsys.readouterr().err
    monkeypatch.setenv(LOGS_ARE_SHOWN, "1")
    make("a/two")
    assert capsys.readouterr().err == ""
    assert "done in" in Path("job.log").read_text()


def test_what_killed_processes_left_is_deleted(folder):
    (folder / "a").mkdir()
    leftovers = ["a/.one.123.tmp", "a/.one.4.tmp.second", ".a.5.tmp", ".a.6.old"]
    leftovers.append("a/.one.origin.8.tmp.json")
    (folder / "a/.one.origin.8.tmp.json").write_text("half")
    (folder / "a/.one.123.tmp").write_text("half")
    (folder / "a/.one.4.tmp.second").write_text("half")
    for name in leftovers[2:4]:
        (folder / name).mkdir()
        (folder / name / "part").write_text("half")
    (folder / "a/.another.7.tmp").write_text("of another job")
    make("a/one")
    assert not [name for name in leftovers if (folder / name).exists()]
    assert (folder / "a/.another.7.tmp").exists()


SCRIPT = """
import sys, time
sys.path.insert(0, {here!r})
from test_job import job, snakemake
from spoofscope.files import atomic_path
with job(snakemake("a/one")), atomic_path("a/one") as temporary:
    temporary.write_text("half")
    print("at work", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_script_with_one_line_and_no_litter(folder, number):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(here=str(Path(__file__).parent))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "at work\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert said.splitlines()[-1].endswith(f"ERROR spoofscope: stopped by {number.name}")
    assert "Traceback" not in said
    assert list((folder / "a").iterdir()) == []
    make("a/one")


def test_an_archive_that_is_fetched_again_although_it_was_whole(folder):
    archive, script = Path("downloads/a.archive"), ROOT / "workflow/scripts/download.py"
    md5 = hashlib.md5(b"packed").hexdigest()
    given = snakemake(str(archive))
    given.output.pop()
    given.params.cfg["archive"] = {"url": "https://example.org/field.zip", "md5": md5}
    given.config = {"corpora": {}}
    said = []
    # Snakemake deletes the archive before the second job, its own launch gives the third another
    # name for it.
    for before in (lambda: None, archive.unlink, lambda: set_aside(archive)):
        before()
        archive.parent.mkdir(exist_ok=True)
        (archive.parent / "field.zip").write_bytes(b"packed")
        runpy.run_path(str(script), {"snakemake": given})
        said.append(f"{archive} was whole, and is gone" in Path("job.log").read_text())
        assert archive.read_bytes() == b"packed"
    assert said == [False, True, False]
