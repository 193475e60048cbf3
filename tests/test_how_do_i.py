"""The page docs/how_do_i.md: its studies can be planned, and its commands are commands."""

import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

from detector_folders import write_detector
from planning import jobs_of, plan_of
from spoofscope.cli import _parsed
from spoofscope.plan.study_plan import load_study

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/how_do_i.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.removeprefix("$ ").startswith(".venv/bin/")
]


def jobs(name: str) -> Counter[str]:
    plan = plan_of(load_study(ROOT / f"config/studies/{name}.yaml"))
    return Counter(rule for rule, _ in jobs_of(plan.everything()))


def test_the_large_detector_is_planned():
    found = jobs("wavlm_large")
    assert (found["train"], found["score"], found["backbone"]) == (1, 20, 1)
    assert f"the {found.total()} jobs" in PAGE


def test_published_detectors_are_scored_where_they_are_imported_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ssl_aasist", "aasist"):
        folder = f"resources/detectors/{name}"
        assert f" {folder} " in f"{PAGE} ".replace("\n", " ")
        write_detector(tmp_path / folder)
    found = jobs("in_the_wild")
    assert (found["copy_pretrained"], found["score"], found["train"]) == (2, 8, 0)


def test_expected_numbers_are_those_of_the_studies():
    for name in ("in_the_wild", "wavlm_large"):
        study = load_study(ROOT / f"config/studies/{name}.yaml", absent_detectors=True)
        for entry in study.config["published"]:
            assert f"{entry['value']} %" in PAGE.replace("\n", " ")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_commands(command):
    program, *words = shlex.split(command)
    if program.endswith("spoofscope"):
        _parsed(words)
    else:
        assert program == ".venv/bin/snakemake"
        study = words[words.index("--configfile") + 1]
        assert (ROOT / study).is_file()
