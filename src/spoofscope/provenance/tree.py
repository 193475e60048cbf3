"""The tree behind one file: its job with settings and inputs, and the jobs behind these inputs."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spoofscope.errors import ProvenanceError
from spoofscope.pace import duration, words_of
from spoofscope.provenance.sidecars import SUFFIX, Record, Sidecars, difference, first_output

# In the text; JSON has all of it.
_MAX_LENGTH = 160

_GONE = "   [temporary, or deleted since]"

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


def summary(tree: Tree) -> str:
    """The file's own job, the jobs behind it by rule, where they begin, and what has changed."""
    jobs = tree["jobs"]
    own = jobs[_maker(tree)]
    behind = [job for job in jobs.values() if job is not own]
    lines = [tree["file"], *(f"    {line}" for line in _described(own))]
    if behind:
        lines += ["", f"behind it, {_count(len(behind), 'job')}:", *_by_rule(behind)]
    roots = [job for job in behind if not job["inputs"] or "recordings" in job]
    if roots:
        lines += ["", "where it begins:"]
    for job in roots:
        lines += [f"    {job['outputs'][0]['path']}"]
        lines += [f"        {line}" for line in _described(job)]
    outside = {
        entry["path"]: entry["sha256"]
        for job in jobs.values()
        for entry in job["inputs"]
        if entry["job"] is None
    }
    if outside:
        lines += ["", "from outside the workflow:"]
        lines += [f"    {path}, SHA-256 {digest}" for path, digest in sorted(outside.items())]
    flaws = {
        entry["path"]: flaw
        for job in jobs.values()
        for entry in (*job["inputs"], *job["outputs"])
        if (flaw := _flaw(entry))
    }
    changed = {path: flaw for path, flaw in flaws.items() if flaw != _GONE}
    if changed:
        lines += ["", "changed since:"]
        lines += [f"    {path}{flaw}" for path, flaw in sorted(changed.items())]
    if gone := len(flaws) - len(changed):
        were = "was temporary, or is" if gone == 1 else "were temporary, or are"
        lines += ["", f"{_count(gone, 'file')} {were} deleted since"]
    return "\n".join([*lines, "", "--all prints the settings and inputs of every job"])


def _by_rule(jobs: Sequence[Tree]) -> Iterator[str]:
    """A line for the jobs of a rule, and lines for what not all jobs share."""
    by_rule: defaultdict[str, list[Tree]] = defaultdict(list)
    for job in jobs:
        by_rule[job["rule"]].append(job)
    width = max(map(len, by_rule))
    for rule, some in sorted(by_rule.items(), key=lambda item: min(j["started"] for j in item[1])):
        seconds = sum(job["seconds"] for job in some)
        of = [words_of("", job["wildcards"]).strip() for job in some]
        line = f"    {rule:<{width}}  {_count(len(some), 'job'):>7}, {duration(seconds)}"
        yield line + (f": {_brief('; '.join(of))}" if any(of) else "")
    for value_of in (_commit, _device, _torch):
        counts = Counter(map(value_of, jobs))
        values = [
            value if len(counts) == 1 else f"{value} ({_count(n, 'job')})"
            for value, n in counts.most_common()
        ]
        yield f"    {', '.join(values)}"


def _count(n: int, of: str) -> str:
    return f"{n} {of}" if n == 1 else f"{n} {of}s"


def as_text(tree: Tree) -> str:
    """The tree, indented; it describes a job once and names it afterwards."""
    entry = next(
        entry for entry in tree["jobs"][_maker(tree)]["outputs"] if entry["path"] == tree["file"]
    )
    return "\n".join(_lines(tree["jobs"], entry, "", set()))


def _maker(tree: Tree) -> str:
    """The name of the job that made the file of a tree."""
    return next(
        name
        for name, job in tree["jobs"].items()
        if any(entry["path"] == tree["file"] for entry in job["outputs"])
    )


def _lines(jobs: Mapping[str, Tree], entry: Tree, indent: str, printed: set[str]) -> Iterator[str]:
    yield f"{indent}{entry['path']}{_flaw(entry)}"
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
    for line in _described(job):
        yield f"{indent}{line}"
    for made in job["inputs"]:
        yield from _lines(jobs, made, indent, printed)


def _flaw(entry: Tree) -> str:
    if not entry["differs"]:
        return ""
    if not os.path.exists(entry["path"]):
        return _GONE
    return f"   [not what was recorded: {entry['differs']}]"


def _described(job: Tree) -> Iterator[str]:
    yield (
        f"{job['rule']}, {_commit(job)}, {job['started']}, {job['seconds']} s, {_device(job)}, "
        f"{_torch(job)}"
    )
    for key, value in {**job["wildcards"], **job["settings"]}.items():
        yield f"{key}: {_brief(value)}"
    if read := job.get("recordings"):
        yield (
            f"recordings: {read['files']} files below {read['folder']}, SHA-256 over names and "
            f"contents {read['sha256']}"
        )


def _commit(job: Tree) -> str:
    code = f"commit {job['commit'][:12]}" if job["commit"] else "no commit known"
    return f"{code} with uncommitted changes" if job["dirty"] else code


def _device(job: Tree) -> str:
    return str(job["device"])


def _torch(job: Tree) -> str:
    return f"torch {job['packages'].get('torch')}"


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."
