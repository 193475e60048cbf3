"""The audit of a study: would the present study file, code and data make every result as it is?

Snakemake knows which results it would make again. It does not know files that were edited by hand,
files that no rule makes, and the code and packages behind a result; the sidecars record these. The
audit asks Snakemake once, reads the sidecars, and writes nothing.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from spoofscope.errors import ProvenanceError, TableError
from spoofscope.labelling.store import LABEL_FILES
from spoofscope.locks import SHARED
from spoofscope.provenance.plan import Job, Plan, ask
from spoofscope.provenance.record import package_versions
from spoofscope.provenance.sidecars import (
    SUFFIX,
    Record,
    difference,
    end_of,
    read_sidecar,
    sidecar_path,
)
from spoofscope.recordings import (
    Changes,
    compare,
    hash_of,
    in_chunks,
    read_recordings,
    status_of,
)
from spoofscope.tables import read_table

LOCK = Path("envs/requirements.lock")

KINDS = {
    "stale": "made from other settings, code or inputs than the present ones",
    "missing": "not there",
    "altered": "not what the job wrote",
    "chain": "made from another version of an input than the one that is there",
    "unrecorded": "without a sidecar that says what made it",
    "unknown": "nothing in this study makes these files",
    "orphaned": "made under former settings; they harm nothing, delete them when you like",
    "uncommitted": "made from code that is in no commit",
    "environment": "made by other packages than the lock names",
}
"""Kinds of findings, in the order of the report, with their meaning."""

_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", re.MULTILINE)
_RUN_ID = re.compile(r"[A-Za-z0-9_]+-[0-9a-f]{8}")
_NOT_SETTINGS = ("code", "upstream")
# Rules that write audio besides their outputs, and the column of the first output that lists it;
# the column `sha256` is of that audio.
_LISTING = {
    "annotation_pack": "audio",
    "augment": "path",
    "find_disagreements": "audio",
    "fingerprint_audio": "path",
    "generate_noise": "file",
}
_MAX_CHANGES = 5


@dataclass(frozen=True)
class Finding:
    """A fault of one or more results.

    Attributes:
        kind: one of `KINDS`.
        path: the file, or the first of a job's files; None if the finding is about the environment.
        paths: all files of the finding.
        explanation: why, in words.
        rule: the rule that makes the file, where there is one.
        run: run id, fusion id or features id, where there is one.
        follows_from: files whose findings are the reason for this one.
    """

    kind: str
    path: str | None
    explanation: str
    paths: tuple[str, ...] = ()
    rule: str | None = None
    run: str | None = None
    follows_from: tuple[str, ...] = ()


@dataclass
class Audit:
    """The findings, and the numbers of jobs and files that were checked."""

    study: str
    verified: bool
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    recordings: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain types with the names of the attributes as keys; unchecked recordings are a note."""
        fields = asdict(self)
        del fields["recordings"]
        return {**fields, "notes": [*self.notes, *filter(None, [self.unchecked()])]}

    def unchecked(self) -> str:
        """The unchecked part of the recordings, in words; "" if all were checked."""
        if self.verified or not self.recordings:
            return ""
        return (
            f"{self.recordings} recordings compared by name, size and time, their contents are not "
            "checked (--verify does that)"
        )


def audit_study(configfiles: Sequence[str] = (), verify: bool = False) -> Audit:
    """Audit a study in the checkout that is the working directory.

    Args:
        configfiles: study files as given to Snakemake; none for the mini study.
        verify: whether to hash every output again, also those whose size and time have not changed.

    Raises:
        ProvenanceError: there is no checkout or no such study here, or it has not been run.
    """
    plan = ask(Path.cwd(), configfiles)
    if not Path(plan.root).is_dir():
        raise ProvenanceError(f"{plan.root} does not exist: study {plan.study} has not been run")
    return _Auditor(plan, verify).audit()


class _Auditor:
    def __init__(self, plan: Plan, verify: bool) -> None:
        self.plan = plan
        self.result = Audit(plan.study, verify)
        self.producer = {path: job for job in plan.jobs for path in job.outputs}
        self.records: dict[str, Record] = {}
        self.damaged: dict[str, str] = {}
        # Outputs that came with the sidecar of another file, and that file.
        self.copied: dict[str, str] = {}
        for job in plan.jobs:
            name = job.outputs[0]
            try:
                record = read_sidecar(sidecar_path(name))
            except FileNotFoundError:
                continue
            except ProvenanceError as error:
                self.damaged[name] = str(error)
                continue
            if (original := _copied_from(name, record)) is None:
                self.records[name] = record
            else:
                self.copied[name] = original
        self.made = {
            entry["path"]: entry for record in self.records.values() for entry in record["outputs"]
        }
        # Snakemake touches outputs when their job has ended; the jobs that read them saw that time.
        self.times: dict[tuple[str, str], set[int]] = {}
        for record in self.records.values():
            for entry in record["inputs"]:
                if "sha256" in entry and "mtime_ns" in entry:
                    key = (entry["path"], entry["sha256"])
                    self.times.setdefault(key, set()).add(entry["mtime_ns"])
        # Recordings that were compared with what was read or written of them.
        self.recordings = 0
        # Jobs whose results would be different if they were made now.
        self.outdated: set[str] = set()
        self.files = 0

    def audit(self) -> Audit:
        pins = _pins(LOCK)
        for job in self.plan.jobs:
            record = self.records.get(job.outputs[0])
            self._job(job, record)
            if record is not None:
                self._circumstances(job, record, pins)
                if "recordings" in record:
                    self._recordings(job, record)
        self._strangers()
        for what, folder in self.plan.absent.items():
            self.result.notes.append(
                f"{what}: {folder} is not there; whether its recordings are those that were read "
                "was not checked"
            )
        wrong = _unpinned(package_versions(), pins)
        if wrong:
            self._find("environment", None, f"this environment is not that of the lock: {wrong}")
        self.result.checked = {
            "jobs": len(self.plan.jobs),
            "files": self.files,
            "sidecars": len(self.records),
        }
        self.result.recordings = self.recordings
        order = list(KINDS)
        self.result.findings.sort(key=lambda finding: order.index(finding.kind))
        return self.result

    def _find(
        self,
        kind: str,
        job: Job | None,
        explanation: str,
        paths: Sequence[str] = (),
        follows_from: Sequence[str] = (),
    ) -> None:
        if job is not None and not paths:
            paths = job.outputs
        self.result.findings.append(
            Finding(
                kind=kind,
                path=paths[0] if paths else None,
                explanation=explanation,
                paths=tuple(paths),
                rule=job.rule if job else None,
                run=_run_of(job) if job else None,
                follows_from=tuple(follows_from),
            )
        )

    # --- one job ---------------------------------------------------------------------------

    def _job(self, job: Job, record: Record | None) -> None:
        present = [path for path in job.outputs if os.path.exists(path)]
        missing = [path for path in job.outputs if path not in {*present, *job.temporary}]
        self.files += len(present)
        reasons = self._changes(job, record) if record else []
        if job.interrupted:
            reasons.append("its job was begun and not finished")
        versions = self._other_inputs(job, record) if record else []
        sources = sorted(
            {
                producer.outputs[0]
                for path in job.inputs
                if (producer := self.producer.get(path)) and producer.outputs[0] in self.outdated
            }
        )
        # The digest of the jobs before it is a parameter of every job.
        upstream = record is not None and _differ(job.parameters, record["parameters"], "upstream")
        if missing:
            self._missing(job, record, missing)
        elif not set(present) - job.temporary:
            # Nothing but temporary files: what was made from them says how they are.
            pass
        elif reasons or upstream or job.reason:
            reasons_to_rerun = reasons + versions
            if not reasons_to_rerun and sources:
                reasons_to_rerun = [f"made from {_some(sources)}, which has to be made again"]
            if not reasons_to_rerun and upstream:
                reasons_to_rerun = ["what its inputs are made from has changed"]
            if not reasons_to_rerun:
                reasons_to_rerun = [job.reason]
            if not job.reason:
                reasons_to_rerun.append(
                    "Snakemake does not see this: delete the file to have it made again"
                )
            self._find(
                "stale", job, "; ".join(reasons_to_rerun), follows_from=() if reasons else sources
            )
        elif versions:
            self._find("chain", job, "; ".join(versions))
        if job.reason or reasons or upstream or missing or job.outputs[0] in self.copied:
            self.outdated.add(job.outputs[0])
        self._contents(job, record, [path for path in present if path not in job.temporary])

    def _changes(self, job: Job, record: Record) -> list[str]:
        """How the present settings, code and inputs of a job differ from the recorded ones."""
        reasons = []
        if record["rule"] != job.rule:
            reasons.append(f"rule {record['rule']} made it")
        old = {k: v for k, v in record["parameters"].items() if k not in _NOT_SETTINGS}
        new = {k: v for k, v in job.parameters.items() if k not in _NOT_SETTINGS}
        recordings = str(new.get("recordings"))
        if recordings != old.get("recordings") and recordings in self.plan.changes:
            reasons.append(f"{self.plan.changes[recordings]} since it was made")
            old.pop("recordings", None)
            del new["recordings"]
        changes = list(_value_changes(old, new))
        reasons += changes[:_MAX_CHANGES]
        if len(changes) > _MAX_CHANGES:
            reasons.append(f"{len(changes) - _MAX_CHANGES} more settings differ")
        if _differ(job.parameters, record["parameters"], "code"):
            code = self.plan.sources.get(str(job.parameters["code"]), {})
            reasons.append(_code_change(record.get("sources", {}), code))
        used = {entry["path"] for entry in record["inputs"]}
        # Folders are no files, and not recorded.
        wanted = {path for path in job.inputs if not os.path.isdir(path)}
        if wanted - used:
            reasons.append(f"new inputs: {_some(wanted - used, 1)}")
        if used - wanted:
            reasons.append(f"no longer inputs: {_some(used - wanted, 1)}")
        return reasons

    def _other_inputs(self, job: Job, record: Record) -> list[str]:
        """Inputs that differ from those that the job has read."""
        reasons = []
        wanted = set(job.inputs)
        for entry in record["inputs"]:
            path = entry["path"]
            if path not in wanted:
                continue
            made = self.made.get(path)
            if made is None:
                if path not in self.producer and (how := self._difference(entry)):
                    reasons.append(f"its input {path} has changed since: {how}")
            elif any(made[key] != entry[key] for key in ("bytes", "sha256") if key in entry):
                when = self.records[self.producer[path].outputs[0]].get("started", "")
                reasons.append(f"{path} was another one then (the present one was made {when})")
        return reasons

    def _recordings(self, job: Job, record: Record) -> None:
        """Recordings that a job has read, where the plan does not compare them already."""
        listing = next((path for path in job.outputs if "/recordings/" in path), None)
        if listing is None or not os.path.exists(listing):
            return
        try:
            known = read_recordings(listing)
        except ProvenanceError as error:
            self._find("altered", job, str(error), [listing])
            return
        self.recordings += len(known)
        outside = "recordings" in job.parameters
        if outside and not self.result.verified:
            return
        folder = str(record["recordings"]["folder"])
        if not os.path.isdir(folder) or job.outputs[0] in self.outdated:
            # The plan has said so.
            return
        changes = compare(known, until=end_of(record), verify=self.result.verified)
        if changes == Changes():
            return
        if outside:
            explanation = (
                f"{changes.as_text()} since it was made, with the same size and time; touch "
            )
            self._find(
                "chain", job, f"{explanation}the recordings, and the next run makes it again"
            )
            return
        maker = next((self.producer[path] for path in job.inputs if path in self.producer), None)
        remedy = f"delete {maker.outputs[0]} and run the workflow" if maker else "make it again"
        for kind, paths, what in (
            ("altered", changes.replaced, "its content is not what was read"),
            ("missing", changes.deleted, f"{job.outputs[0]} lists it, and it is gone"),
        ):
            if paths:
                self._find(kind, maker, f"{what}; {remedy}", paths)

    def _missing(self, job: Job, record: Record | None, paths: Sequence[str]) -> None:
        inside = [path for path in paths if path.startswith(f"{self.plan.root}/")]
        if not inside and not job.reason:
            self.result.notes.append(
                f"{_some(paths)}: gone; nothing needs it as long as what was made from it is fresh"
            )
            return
        if record:
            explanation = f"made {record['started']} and gone since"
        else:
            explanation = "never made, or its job failed"
            if job.log and os.path.exists(job.log):
                explanation += f"; see {job.log}"
        if not job.reason:
            explanation += "; the next run does not make it again, because nothing needs it"
        self._find("missing", job, explanation, paths)

    def _contents(self, job: Job, record: Record | None, paths: Sequence[str]) -> None:
        """Compare files with their records."""
        if not paths:
            return
        if (original := self.copied.get(job.outputs[0])) is not None:
            self._find(
                "altered",
                job,
                f"copied or moved here from {original}, as its sidecar says; delete {paths[0]} and "
                "run the workflow",
                paths,
            )
            return
        if record is None:
            self._find("unrecorded", job, self.damaged.get(job.outputs[0], "no sidecar"), paths)
            return
        sidecar = sidecar_path(job.outputs[0])
        recorded = {entry["path"]: entry for entry in record["outputs"]}
        unnamed = [path for path in paths if path not in recorded]
        if unnamed:
            self._find("unrecorded", job, f"{sidecar} does not name it", unnamed)
        for path in paths:
            if path not in recorded:
                continue
            how = self._difference(recorded[path])
            if how is None:
                continue
            how += f"; it was written {_time(path)}, its job ended {_time(sidecar)}"
            self._find("altered", job, how, [path])

    def _difference(self, entry: Record) -> str | None:
        times = self.times.get((entry["path"], entry.get("sha256", "")), set())
        return difference(entry, times, self.result.verified)

    def _circumstances(self, job: Job, record: Record, pins: Mapping[str, frozenset[str]]) -> None:
        """Code and packages that a job has run with."""
        git = record["git"]
        if git["commit"] is None:
            # Sidecars of former versions have no reason.
            reason = git.get("error") or "there was no git, or no repository"
            self._find("uncommitted", job, f"no commit is known: {reason}")
        elif git["dirty"]:
            files = _some(git.get("changed") or ["files"], 5)
            self._find("uncommitted", job, f"commit {git['commit'][:12]} with changes in {files}")
        wrong = _unpinned(record["packages"], pins)
        if wrong:
            self._find("environment", job, wrong)

    # --- files that no job of the study makes ------------------------------------------------

    def _strangers(self) -> None:
        known = set(self.producer)
        known.update(f"{job.outputs[0]}{SUFFIX}" for job in self.plan.jobs)
        known.update(job.benchmark for job in self.plan.jobs if job.benchmark)
        folders = [job.parameters["work"] for job in self.plan.jobs if "work" in job.parameters]
        work = tuple(f"{folder}/" for folder in folders)
        for job in self.plan.jobs:
            if job.rule in _LISTING:
                known.update(self._listed(job))
            if job.rule == "annotation_pack":
                # People write them; a study reads what is exported.
                known.update(f"{job.parameters['folder']}/{name}" for name in LABEL_FILES)

        def unreadable(error: OSError) -> None:
            explanation = f"this folder cannot be looked into: {error.strerror}"
            self._find("unknown", None, explanation, [str(error.filename)])

        strangers = [
            path
            for path in _files_below(self.plan.root, unreadable)
            if path not in known and not path.startswith((*work, f"{self.plan.root}/{SHARED}/"))
        ]
        used = {path for job in self.plan.jobs for path in job.inputs}
        former: dict[str, Record] = {}
        copied: dict[str, str] = {}
        for path in strangers:
            if path.endswith(SUFFIX):
                try:
                    origin = read_sidecar(path)
                except ProvenanceError:
                    continue
                first = path.removesuffix(SUFFIX)
                if (original := _copied_from(first, origin)) is not None:
                    copied.update(_copies(first, origin))
                    copied[path] = f"{original}{SUFFIX}"
                    continue
                former[path] = origin
                former.update((entry["path"], origin) for entry in origin["outputs"])
        present_ids = _ids(self.producer)
        former_ids = _ids(former) - present_ids
        for path in strangers:
            ids = sorted(_ids([path]) & former_ids)
            top = path.removeprefix(f"{self.plan.root}/").split("/")[0]
            record = former.get(path)
            if path in used:
                # Snakemake takes a file that it cannot make, and that is there, as given.
                explanation = (
                    "jobs read it, and nothing can make it now: what it was made from is gone"
                )
                self._find("unknown", None, explanation, [path])
            elif path in copied:
                folder = os.path.dirname(copied[path])
                explanation = (
                    f"copied or moved here from {folder}, as its sidecar says; no rule of this "
                    "study makes it"
                )
                self._find("unknown", None, explanation, [path])
            elif record is not None or ids or top in ("benchmarks", "work"):
                explanation = "belongs to settings that the study file no longer has"
                if ids:
                    explanation = f"belongs to {ids[0]}, which the study file no longer asks for"
                self.result.findings.append(
                    Finding(
                        kind="orphaned",
                        path=path,
                        explanation=explanation,
                        paths=(path,),
                        rule=record["rule"] if record else None,
                        run=ids[0] if ids else None,
                    )
                )
            elif re.search(r"/\.[^/]*\.\d+\.(tmp|old)", path):
                self._find("unknown", None, "left by a job that was killed; delete it", [path])
            else:
                self._find("unknown", None, "no rule of the study makes it", [path])

    def _listed(self, job: Job) -> Iterator[str]:
        """The audio that a job writes besides its outputs, which the first of them lists."""
        table = job.outputs[0]
        column = _LISTING[job.rule]
        folder = str(job.parameters["folder"])
        if not os.path.exists(table):
            yield from _files_below(folder)
            return
        try:
            rows = read_table(table, {column: pl.String()})
        except TableError as error:
            self._find("altered", job, f"{error}: not the list that its job wrote", [table])
            yield from _files_below(folder)
            return
        listed = {
            # Lists of noise name their files relative to the folder.
            row[column] if column != "file" else f"{folder}/{row[column]}": row.get("sha256")
            for row in rows.iter_rows(named=True)
            if row[column] != "-"
        }
        there = set(_files_below(folder))
        gone = [path for path in listed if path not in there]
        if gone:
            self._find("missing", job, f"{table} lists it, and it is gone", gone)
        self._written(job, {path: sha256 for path, sha256 in listed.items() if path in there})
        yield from listed

    def _written(self, job: Job, listed: Mapping[str, str | None]) -> None:
        """Compare audio with the hashes that its list has; by content where it could be another."""
        record = self.records.get(job.outputs[0])
        until = end_of(record) if record and not self.result.verified else 0.0
        self.recordings += len(listed)

        def differs(item: tuple[str, str | None]) -> bool:
            path, sha256 = item
            status = status_of(path)
            if status is None or sha256 is None or status.st_mtime <= until:
                return False
            return hash_of(path, status) != sha256

        items = sorted(listed.items())
        odd = in_chunks(differs, items)
        altered = [path for (path, _), is_odd in zip(items, odd, strict=True) if is_odd]
        if altered:
            table = job.outputs[0]
            explanation = (
                f"its content is not what {table} says; delete {table} and run the workflow"
            )
            self._find("altered", job, explanation, altered)


def _copied_from(first: str, record: Record) -> str | None:
    """The first output of the job that a record is of, if a file that lies beside the record is
    none of that job's outputs; else None."""
    names = [str(entry["path"]) for entry in record["outputs"]]
    return None if first in names else names[0]


def _copies(first: str, record: Record) -> Iterator[tuple[str, str]]:
    """Where the outputs of a job would lie if all of them were copied like the first, and the
    outputs."""
    names = [str(entry["path"]) for entry in record["outputs"]]
    for name in names:
        place = os.path.relpath(name, os.path.dirname(names[0]))
        yield os.path.normpath(os.path.join(os.path.dirname(first), place)), name


def _files_below(
    folder: str, unreadable: Callable[[OSError], object] | None = None
) -> Iterator[str]:
    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders.sort()
        for name in sorted(files):
            yield os.path.join(parent, name)


def _ids(paths: Iterable[str]) -> set[str]:
    """Run, fusion and features ids in paths."""
    parts = {part for path in paths for part in path.split("/")}
    parts |= {part.split(".")[0] for part in parts}
    return {part for part in parts if _RUN_ID.fullmatch(part)}


def _run_of(job: Job) -> str | None:
    for name in ("run", "system", "fusion", "features"):
        if name in job.wildcards:
            return job.wildcards[name]
    return None


def _time(path: str | Path) -> str:
    return datetime.fromtimestamp(os.path.getmtime(path), UTC).isoformat(timespec="seconds")


def _some(names: Iterable[str], most: int = 3) -> str:
    names = sorted(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _differ(new: Mapping[str, Any], old: Mapping[str, Any], key: str) -> bool:
    return bool(new.get(key) != old.get(key))


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _value_changes(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """How two values differ, each place with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            place = f"{where}.{key}" if where else key
            if key not in new:
                yield f"{place} was {_brief(old[key])} and is gone"
            elif key not in old:
                yield f"{place} is new: {_brief(new[key])}"
            else:
                yield from _value_changes(old[key], new[key], place)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (before, now) in enumerate(zip(old, new, strict=True)):
            yield from _value_changes(before, now, f"{where}[{i}]")
    elif old != new and isinstance(new, str) and "\n" in new:
        yield f"{where} is another text"
    elif old != new:
        yield f"{where} was {_brief(old)}, is {_brief(new)}"


def _code_change(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Which source files differ."""
    if not old or not new:
        return "the code behind it has changed"
    edited = [path for path in new if path in old and old[path] != new[path]]
    changes = []
    for files, what in (
        (edited, "edited"),
        ([path for path in new if path not in old], "new"),
        ([path for path in old if path not in new], "no longer used"),
    ):
        if files:
            changes.append(f"{_some(files)} {what}")
    return f"the code behind it has changed: {', '.join(changes)}"


def _pins(lock: Path) -> dict[str, frozenset[str]]:
    """Versions that the lock allows, by package; a package may have one for each platform."""
    pins: dict[str, set[str]] = {}
    for name, version in _PIN.findall(lock.read_text(encoding="utf-8")):
        pins.setdefault(name.lower(), set()).add(_public(version))
    return {name: frozenset(versions) for name, versions in pins.items()}


def _public(version: str) -> str:
    # What follows the + names a build, such as the one for a CUDA version.
    return version.split("+")[0]


def _unpinned(packages: Mapping[str, str], pins: Mapping[str, frozenset[str]]) -> str:
    wrong = [
        f"{name} {version} (locked: {' or '.join(sorted(pins[name.lower()]))})"
        for name, version in packages.items()
        if name.lower() in pins and _public(version) not in pins[name.lower()]
    ]
    return ", ".join(wrong)


# --- the report on the terminal ----------------------------------------------------------------

_MAX_PATHS = 5


def as_text(audit: Audit) -> str:
    """Findings by kind and by explanation, and one line that summarises them."""
    lines: list[str] = []
    counts = []
    for kind, meaning in KINDS.items():
        findings = [finding for finding in audit.findings if finding.kind == kind]
        if not findings:
            continue
        counts.append(f"{len(findings)} {kind}")
        lines.append(f"{kind}: {meaning}")
        # Reasons first, consequences last.
        groups: dict[str, list[str]] = {}
        for finding in sorted(findings, key=lambda one: (bool(one.follows_from), one.path or "")):
            explanation = "follows from these" if finding.follows_from else finding.explanation
            groups.setdefault(explanation, []).extend([finding.path] if finding.path else [])
        for explanation, paths in groups.items():
            lines += [f"  {path}" for path in paths[:_MAX_PATHS]]
            if len(paths) > _MAX_PATHS:
                lines.append(f"  and {len(paths) - _MAX_PATHS} more")
            lines.append(f"      {explanation}")
        lines.append("")
    for note in audit.notes:
        lines.append(f"note: {note}")
    looked = f"{audit.checked['jobs']} jobs and {audit.checked['files']} files checked"
    if audit.verified:
        looked += f", all contents {'read' if audit.findings else 'verified'}"
        looked += f", of {audit.recordings} recordings too" if audit.recordings else ""
    if unchecked := audit.unchecked():
        looked += f"; {unchecked}"
    lines.append(f"study {audit.study}: {', '.join(counts) or 'nothing found'}; {looked}")
    return "\n".join(lines)
