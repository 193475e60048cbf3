"""The tree behind one file: its job with settings and inputs, and the jobs behind these inputs."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spoofscope.errors import ProvenanceError
from spoofscope.provenance.sidecars import SUFFIX, Record, Sidecars, difference, first_output

# In the text; JSON has all of it.
_MAX_LENGTH = 160

# Parameters that name a job and its folders; the others are its settings.
_NOT_SETTINGS = (
    *("code", "upstream", "folder", "work", "root", "run", "corpus", "split", "shard"),
    # What says whether recordings have changed; which they were is told apart.
    *("recordings", "labels", "files"),
)

Tree = dict[str, Any]


def trace(path: str) -> Tree:
    """Everything behind a file, down to what comes from outside the workflow.

    Args:
        path: a file that the workflow made, relative to the checkout (the working directory) or
            absolute.

    Returns:
        `file` (the path) and `jobs`, the jobs behind it by the name of their first output, each
        once: `rule`, `wildcards`, `settings`, `code`, `commit`, `dirty`, `packages`, `device`,
        `host`, `started`, `seconds`, `inputs` and `outputs` (each `path`, `sha256`, `job`, the
        first output of the job that made it, or None, and `differs`, how the file on disk is not
        what was recorded, or None); of jobs that list recordings also `recordings`: their `folder`,
        the number of `files` and a `sha256` over names and contents.

    Raises:
        ProvenanceError: there is no such file, or no sidecar records its job.
    """
    path = os.path.relpath(path)
    sidecars = Sidecars()
    record = sidecars.of(path)
    if record is None:
        raise ProvenanceError(sidecars.damaged.get(f"{path}{SUFFIX}", _unknown(path)))
    jobs: dict[str, Tree] = {}
    pending = [record]
    while pending:
        record = pending.pop()
        name = first_output(record)
        if name in jobs:
            continue
        makers = {entry["path"]: sidecars.of(entry["path"]) for entry in record["inputs"]}
        jobs[name] = _job(record, makers)
        pending.extend(maker for maker in makers.values() if maker)
    return {"file": path, "jobs": dict(sorted(jobs.items()))}


def _unknown(path: str) -> str:
    if path.endswith(SUFFIX):
        return f"{path} is a sidecar itself; name the file that it is about"
    if Path(path).is_dir():
        return f"{path} is a folder; name a file in it"
    if not Path(path).exists():
        return f"{path} does not exist, and no sidecar says what made it"
    size = os.path.getsize(path)
    if path.startswith("..") or os.path.isabs(path):
        return f"{path} ({size} bytes) is not below this folder; run this in the checkout it is of"
    return (
        f"{path} ({size} bytes) was not made by a job, or its sidecar is lost: no *{SUFFIX} in its "
        "folder names it. `spoofscope audit` says whether a rule makes it"
    )


def _job(record: Record, makers: Mapping[str, Record | None]) -> Tree:
    def described(entry: Record, maker: Record | None) -> Tree:
        return {
            "path": entry["path"],
            "sha256": entry.get("sha256"),
            "job": first_output(maker) if maker else None,
            "differs": difference(entry),
        }

    recordings = {"recordings": record["recordings"]} if "recordings" in record else {}
    return {
        **recordings,
        "rule": record["rule"],
        "wildcards": record["wildcards"],
        "settings": {
            key: value for key, value in record["parameters"].items() if key not in _NOT_SETTINGS
        },
        "code": record["code"],
        "commit": record["git"]["commit"],
        "dirty": record["git"]["dirty"],
        "packages": record["packages"],
        "device": record.get("device"),
        "host": record.get("host"),
        "started": record.get("started"),
        "seconds": record.get("seconds"),
        "inputs": [described(entry, makers[entry["path"]]) for entry in record["inputs"]],
        "outputs": [described(entry, record) for entry in record["outputs"]],
    }


def as_text(tree: Tree) -> str:
    """The tree, indented; it describes a job once and names it afterwards."""
    makers = {entry["path"]: name for name, job in tree["jobs"].items() for entry in job["outputs"]}
    entry = next(
        entry
        for entry in tree["jobs"][makers[tree["file"]]]["outputs"]
        if entry["path"] == tree["file"]
    )
    return "\n".join(_lines(tree["jobs"], entry, "", set()))


def _lines(jobs: Mapping[str, Tree], entry: Tree, indent: str, printed: set[str]) -> Iterator[str]:
    flaw = ""
    if entry["differs"]:
        flaw = f"   [not what was recorded: {entry['differs']}]"
        if not os.path.exists(entry["path"]):
            flaw = "   [temporary, or deleted since]"
    yield f"{indent}{entry['path']}{flaw}"
    indent += "    "
    name = entry["job"]
    if name is None:
        yield f"{indent}from outside the workflow, SHA-256 {entry['sha256']}"
        return
    job = jobs[name]
    if name in printed:
        yield f"{indent}{job['rule']}, see above"
        return
    printed.add(name)
    code = f"commit {job['commit'][:12]}" if job["commit"] else "no commit known"
    dirty = " with uncommitted changes" if job["dirty"] else ""
    yield (
        f"{indent}{job['rule']}, {code}{dirty}, {job['started']}, {job['seconds']} s, "
        f"{job['device']}, torch {job['packages'].get('torch')}"
    )
    for key, value in {**job["wildcards"], **job["settings"]}.items():
        yield f"{indent}{key}: {_brief(value)}"
    if read := job.get("recordings"):
        yield (
            f"{indent}recordings: {read['files']} files below {read['folder']}, SHA-256 over names "
            f"and contents {read['sha256']}"
        )
    for made in job["inputs"]:
        yield from _lines(jobs, made, indent, printed)


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."
