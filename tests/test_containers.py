"""The recipes of containers: the packages of the lock, and all of the repository."""

import fnmatch
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCKER = (ROOT / "Dockerfile").read_text(encoding="utf-8")
APPTAINER = (ROOT / "apptainer.def").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def instructions() -> list[list[str]]:
    """The Dockerfile's, in order, each as its words."""
    joined = "\n".join(lines_of(DOCKER)).replace("\\\n", " ")
    return [line.split() for line in joined.splitlines()]


def test_both_install_the_lock_as_the_makefile_does():
    setup = (ROOT / "envs/setup.sh").read_text(encoding="utf-8")
    assert re.search(r"pip sync [^|]*--require-hashes \\\n +envs/requirements\.lock", setup)
    assert "sh envs/setup.sh" in (ROOT / "Makefile").read_text(encoding="utf-8")
    for recipe in (DOCKER, APPTAINER):
        assert "sh envs/setup.sh" in recipe
        assert not re.search(r"pip3? install|conda ", recipe)


def test_the_installation_has_what_it_reads():
    copied = []
    for name, *words in instructions():
        if name == "COPY":
            copied += [word.rstrip("/") for word in words[:-1]]
        if words[:2] == ["sh", "envs/setup.sh"]:
            break
    read = [PROJECT["readme"], "pyproject.toml", "LICENSE", "envs", "src"]
    assert sorted(copied) == sorted(read)
    assert all((ROOT / name).exists() for name in copied)
    assert ["COPY", ".", "."] in instructions()
    assert re.search(r"^%files\n    \. /opt/spoofscope$", APPTAINER, re.MULTILINE)


def test_both_have_a_python_that_the_lock_is_for_and_the_same_packages():
    base = re.search(r"^FROM (\S+)$", DOCKER, re.MULTILINE)
    assert base is not None
    assert f"From: {base[1]}\n" in APPTAINER
    assert base[1].startswith("python:3.11-")
    packages = {
        recipe: re.search(r"--no-install-recommends ([a-z0-9 -]+)", recipe)[1].strip()
        for recipe in (DOCKER, APPTAINER)
    }
    assert len(set(packages.values())) == 1


def test_an_image_has_what_git_keeps_and_nothing_else():
    ignored = lines_of((ROOT / ".dockerignore").read_text(encoding="utf-8"))
    kept_out = lines_of((ROOT / ".gitignore").read_text(encoding="utf-8"))
    assert {line.removeprefix("**/") for line in ignored} == {line.strip("/") for line in kept_out}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    tops = {name.partition("/")[0] for name in tracked}
    assert not [top for top in tops for one in ignored if fnmatch.fnmatch(top, one)]
    assert ".git" not in ignored


def test_whoever_runs_an_image_has_a_name():
    """`docker run -u` gives a number that is in no list of users, and Snakemake asks for a name."""
    (environment,) = [words for name, *words in instructions() if name == "ENV"]
    assert {"USER=spoofscope", "XDG_CACHE_HOME=/tmp/cache"} < set(environment)
