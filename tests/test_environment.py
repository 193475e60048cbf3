"""The pins of the conda environment, the lock and the documentation agree."""

import re
from pathlib import Path

import yaml
from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+) *(?:; *([^\\]+?))? *\\?$", re.MULTILINE)


def direct_requirements() -> list[str]:
    lines = (ROOT / "envs/requirements.in").read_text().splitlines()
    return [line.split("==")[0].lower() for line in lines if line and not line.startswith("#")]


def locked(python: str) -> dict[str, str]:
    environment = {"python_full_version": f"{python}.0", "python_version": python}
    pins = {}
    for name, version, marker in PIN.findall((ROOT / "envs/requirements.lock").read_text()):
        if not marker or Marker(marker).evaluate(environment):
            pins[name.lower()] = version
    return pins


def test_conda_environment_has_the_locked_versions():
    content = yaml.safe_load((ROOT / "envs/environment.yaml").read_text())
    pins = dict(line.lower().split("==") for line in content["dependencies"][-1]["pip"])
    lock = locked("3.11")
    assert pins
    assert {name: lock[name] for name in pins} == pins


def test_everything_asked_for_is_locked_for_both_pythons():
    for python in ("3.11", "3.12"):
        assert set(direct_requirements()) <= set(locked(python))


def test_every_dependency_is_justified():
    documented = (ROOT / "docs/dependencies.md").read_text().lower()
    missing = [
        name
        for name in direct_requirements()
        if name not in documented and not name.startswith("types-")
    ]
    assert not missing


def test_lock_names_no_index():
    assert "http" not in re.sub(
        r"(safe)?http(core|x)2?", "", (ROOT / "envs/requirements.lock").read_text()
    )
