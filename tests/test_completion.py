"""What shells complete, as a real bash asks for it; zsh and fish get argcomplete's own scripts."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from spoofscope.cli import main
from spoofscope.plan.study_plan import target_names

ASK = """
eval "$(spoofscope completion bash)"
COMP_LINE={line}
COMP_POINT=${{#COMP_LINE}}
COMP_TYPE=9
_python_argcomplete spoofscope
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def complete(tmp_path):
    """The words that bash offers behind a beginning of a line, in a folder with two studies."""
    program = tmp_path / "bin/spoofscope"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m spoofscope.cli "$@"\n')
    program.chmod(0o755)
    folder = tmp_path / "checkout"
    (folder / "profiles/local").mkdir(parents=True)
    for name in ("own.yaml", "other.yml", "notes.txt", "results/own/tables/headline.tsv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()

    def words(line: str) -> list[str]:
        path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-c", ASK.format(line=shlex.quote(line))],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return sorted(word.strip() for word in done.stdout.splitlines())

    return words


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("spoofscope exp", ["explain", "export-scores"]),
        ("spoofscope run --pro", ["--profile"]),
        ("spoofscope run --profile ", ["local"]),
        ("spoofscope run o", ["other.yml", "own.yaml"]),
        ("spoofscope run own.yaml table_h", ["table_headline"]),
        ("spoofscope run results/own/tables/", ["results/own/tables/headline.tsv"]),
        ("spoofscope explain --method occ", ["occlusion_band", "occlusion_time"]),
        ("spoofscope predict n", ["notes.txt"]),
    ],
)
def test_bash(complete, line, words):
    assert complete(line) == words


@pytest.mark.parametrize(
    ("shell", "mark"), [("zsh", "#compdef spoofscope"), ("fish", "complete --command spoofscope")]
)
def test_other_shells(capsys, shell, mark):
    assert main(["completion", shell]) == 0
    assert mark in capsys.readouterr().out


@pytest.mark.slow
def test_names_are_those_of_the_workflow():
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "snakemake", "--list-target-rules"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    listed = [line.split()[0] for line in done.stdout.splitlines() if line[:1].isalpha()]
    # They are rules without wildcards, which make parts of `layers` and `annotation`.
    assert sorted({*target_names(), "annotation_pack", "layer_costs"}) == sorted(listed)
