"""The record of a job: files, package versions, and the state of the code."""

import contextlib
import functools
import os
import platform
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

from spoofscope.checkout import CHECKOUT
from spoofscope.files import one_line, read_json, refusal, sha256_file

LAUNCH = "SPOOFSCOPE_LAUNCH"
"""Environment variable with the path of the record of a run's start (`launch.record_launch`), for
all jobs of the run."""

# Larger inputs (feature shards of big corpora) are recorded by size; hashing them would take longer
# than many jobs that read them. Outputs are always hashed.
_HASH_LIMIT = 1 << 30

CODE = ("Snakefile", "workflow", "src", "envs")
"""Paths that determine results besides the study file, relative to the checkout."""


def file_record(path: str, always: bool = False) -> dict[str, Any]:
    """Path, size, time and SHA-256 of a file.

    Files above 1 GiB are hashed only where `always` is set.
    """
    status = os.stat(path)
    entry: dict[str, Any] = {
        "path": path,
        "bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }
    if always or status.st_size <= _HASH_LIMIT:
        entry["sha256"] = sha256_file(path)
    return entry


@functools.cache
def required_packages() -> list[str]:
    """Names of the packages that spoofscope needs, sorted, without those of its tests."""
    project = CHECKOUT / "pyproject.toml"
    if project.is_file():
        requirements = tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]
    else:
        requirements = [
            text for text in metadata.requires("spoofscope") or [] if "extra ==" not in text
        ]
    return sorted((re.split(r"[^\w.-]", text)[0] for text in requirements), key=str.lower)


def package_versions() -> dict[str, str]:
    """Installed versions of Python and of the packages that spoofscope needs."""
    versions = {"python": platform.python_version()}
    for name in ("spoofscope", *required_packages()):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def git_state(checkout: Path = CHECKOUT) -> dict[str, Any]:
    """Commit of a checkout, and the files of its code that differ from the commit.

    Returns:
        `commit`, `dirty` (whether anything is changed), `changed` (the files, new ones included)
        and `error`. The first three are None where git is missing or refuses, or the code is not in
        version control; `error` then is git's own reason, and None otherwise.
    """
    errors: list[str] = []

    def git(*arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", str(checkout), *arguments],
                capture_output=True,
                text=True,
                # `status` would write what it found out into the index.
                env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            )
        except OSError as error:
            errors.append(f"git: {refusal(error)}")
            return ""
        if done.returncode:
            errors.append(one_line(done.stderr))
        return done.stdout

    # An environment with an installed copy may lie within somebody else's repository.
    git("ls-files", "--error-unmatch", "--", "Snakefile", "src/spoofscope/__init__.py")
    commit = git("rev-parse", "HEAD")
    status = git(
        "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *CODE
    )
    if errors:
        return {"commit": None, "dirty": None, "changed": None, "error": errors[0]}
    changed = sorted(entry[3:] for entry in status.split("\0") if entry)
    return {"commit": commit.strip(), "dirty": bool(changed), "changed": changed, "error": None}


def code_sources(code: str) -> dict[str, str]:
    """The source files behind a job with the digest of each one's syntax, as the run began.

    Empty where the run recorded no code, for instance when the rules are used from another
    workflow.
    """
    path = os.environ.get(LAUNCH)
    if path is None:
        return {}
    launch = read_json(path)
    return {
        os.path.relpath(file, CHECKOUT): launch["files"][file][1][:12]
        for file in launch["code"].get(code, [])
    }
