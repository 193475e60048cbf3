"""Print environment.yaml, for conda: what pyproject.toml needs, in the versions of the lock.

    python envs/make_environment.py > envs/environment.yaml

It has no packages of tests, and pins for Python 3.11, which it installs.
"""

import re
import tomllib
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+) *(?:; *([^\\]+?))? *\\?$", re.MULTILINE)
HEAD = """\
# For `snakemake --sdm conda`. Generated from pyproject.toml and requirements.lock by
# envs/make_environment.py.
name: spoofscope
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def locked(python: str) -> dict[str, str]:
    """Versions in the lock, by names in lower case, for a Python such as 3.11."""
    environment = {"python_full_version": f"{python}.0", "python_version": python}
    return {
        name.lower(): version
        for name, version, marker in PIN.findall((ROOT / "envs/requirements.lock").read_text())
        if not marker or Marker(marker).evaluate(environment)
    }


def environment() -> str:
    """The content of environment.yaml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = locked("3.11")
    names = [requirement.partition("==")[0] for requirement in project["dependencies"]]
    return HEAD + "".join(f"      - {name}=={versions[name.lower()]}\n" for name in names)


if __name__ == "__main__":
    print(environment(), end="")
