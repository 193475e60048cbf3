"""`spoofscope run` on real Snakemake: what people see of a run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import Checkout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(study: Checkout, *arguments: str, folder: Path | None = None) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-m", "spoofscope.cli", "run", *arguments],
        cwd=folder or study.folder,
        env=study.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout.splitlines()


def test_a_line_per_job_and_what_failed(tiny_copy):
    (tiny_copy.folder / "results/tiny/tables/headline.tsv").unlink()
    code, lines = run(tiny_copy, "study.yaml", "table_headline", "--cores", "1")
    assert code == 0
    jobs = [line for line in lines if line.startswith("[")]
    assert len(jobs) == 1
    assert re.fullmatch(r"\[1 of \d, +\d+ %.*\]  table headline, \d+ s", jobs[0])
    # Nothing of the jobs' own, and no plan.
    assert len(lines) < 10
    assert any(line.startswith("Complete log(s): ") for line in lines)
    code, lines = run(tiny_copy, "study.yaml", "table_headline")
    assert code == 0
    assert any("Nothing to be done" in line for line in lines)

    scores = next(tiny_copy.folder.glob("results/tiny/metrics/*/seed1/*.tsv"))
    scores.write_text(scores.read_text() + "torn\n")
    (tiny_copy.folder / "results/tiny/tables/headline.tsv").unlink()
    code, lines = run(tiny_copy, "study.yaml", "table_headline")
    assert code != 0
    start = lines.index("failed: table headline")
    assert any("is not what its job wrote" in line for line in lines[start : start + 16])
    assert any(line.startswith("  the whole log: logs/tiny/") for line in lines)


def test_a_dry_run_and_refusals(tiny_copy, tmp_path):
    code, lines = run(tiny_copy, "study.yaml", "-n")
    assert code == 0
    assert any("Nothing to be done" in line for line in lines)
    code, lines = run(tiny_copy, "nothing_of_that_name.yaml")
    assert (code, lines) == (
        2,
        ["spoofscope run: nothing_of_that_name.yaml: there is no such study file"],
    )
    code, lines = run(tiny_copy, "table_headline", folder=tmp_path)
    assert code == 2
    assert "there is no workflow/Snakefile here" in lines[0]


def test_a_page(tiny_copy):
    """What the plugin is told of real jobs is on the page, and makes it again."""
    for name in ("headline", "runs"):
        (tiny_copy.folder / f"results/tiny/tables/{name}.tsv").unlink()
    code, lines = run(tiny_copy, "study.yaml", "table_headline", "table_runs", "--page")
    assert code == 0
    assert "page: logs/tiny/run.html" in lines
    page = tiny_copy.folder / "logs/tiny/run.html"
    text = page.read_text()
    assert "The run is finished" in text
    assert "2 of 2 jobs, 100 % of the work" in text
    assert "<td>table headline</td>" in text
    done = tiny_copy.spoofscope("page", "study.yaml")
    assert (done.returncode, done.stdout) == (0, "logs/tiny/run.html: finished\n")
    assert page.read_text() == text
