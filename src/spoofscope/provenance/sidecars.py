"""Reading sidecars: the JSON file beside a job's first output, which records how it was made."""

import datetime
import glob
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any

from spoofscope.errors import ProvenanceError
from spoofscope.files import sha256_file, write_text

SUFFIX = ".origin.json"

Record = dict[str, Any]

_KEYS = (
    *("rule", "wildcards", "parameters", "code", "inputs", "outputs", "git", "packages"),
    *("device", "started", "seconds"),
)
_KINDS: dict[str, type | UnionType] = {
    **dict.fromkeys(("rule", "code", "started", "device", "host"), str),
    **dict.fromkeys(("wildcards", "parameters", "git", "packages", "sources", "recordings"), dict),
    **dict.fromkeys(("inputs", "outputs", "warnings"), list),
    "seconds": int | float,
}


# The hash of the file with this value empty: of its very bytes, because thousands are read at every
# plan. Quotation marks within a JSON text are escaped, so no other text can look like it.
_HASH = "record_sha256"
_HASH_LINE = re.compile(rb'("%s": ")([0-9a-f]{64})(")' % _HASH.encode())


def write_sidecar(path: str | Path, record: Mapping[str, Any]) -> None:
    """Write the record of a job, which includes its own hash, atomically."""
    content = {**record, _HASH: ""}
    text = json.dumps(content, sort_keys=True, indent=2, allow_nan=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_text(path, text.replace(f'"{_HASH}": ""', f'"{_HASH}": "{digest}"'))


def _as_written(content: bytes) -> bool:
    hashes = _HASH_LINE.findall(content)
    if len(hashes) != 1:
        return False
    empty = _HASH_LINE.sub(rb"\1\3", content)
    return hashlib.sha256(empty).hexdigest().encode() == hashes[0][1]


def sidecar_path(output: str | Path) -> Path:
    """The sidecar of a job whose first output is `output`."""
    return Path(f"{output}{SUFFIX}")


def read_sidecar(path: str | Path, keys: Collection[str] = _KEYS) -> Record:
    """Read a sidecar and check it.

    Args:
        path: the sidecar.
        keys: required keys. Other keys are checked as well.

    Raises:
        ProvenanceError: it is damaged or altered, or is no sidecar.
        FileNotFoundError: there is none.
    """
    try:
        content = Path(path).read_bytes()
        record = json.loads(content)
    except ValueError as error:
        raise ProvenanceError(f"{path} is damaged: {error}") from error
    except RecursionError as error:
        raise ProvenanceError(f"{path} is damaged: it is nested without end") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ProvenanceError(f"{path} cannot be read: {error.strerror}") from error
    wrong = _fault(record, keys)
    if wrong is None and not _as_written(content):
        wrong = f"it is not as it was written (its {_HASH} is missing, or that of another content)"
    if wrong:
        raise ProvenanceError(f"{path} is damaged: {wrong}")
    return dict(record)


def _fault(record: Any, keys: Collection[str]) -> str | None:
    """The fault in the content of a sidecar, in words."""
    if not isinstance(record, dict):
        return "it describes no job"
    for key in keys:
        if key not in record:
            return f"{key!r} is missing"
    for key, kind in _KINDS.items():
        if key in record and not isinstance(record[key], kind):
            return f"{key!r} is {record[key]!r}"[:200]
    for key in ("inputs", "outputs"):
        for entry in record.get(key, ()):
            if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
                return f"a file of {key!r} has no path"
            if not isinstance(entry.get("bytes"), int) or not isinstance(
                entry.get("sha256", ""), str
            ):
                return f"size or hash of {entry['path']!r} is no such thing"
    if not record.get("outputs", True):
        return "its job has no outputs"
    for entry in record.get("outputs", ()):
        if "sha256" not in entry:
            return f"the hash of {entry['path']!r} is missing"
    if not all(isinstance(version, str) for version in record.get("packages", {}).values()):
        return "the version of a package is no text"
    git = record.get("git", {"commit": None, "dirty": None})
    if not {"commit", "dirty"} <= set(git) or not isinstance(git["commit"], str | None):
        return "'git' does not say which commit it was"
    if not isinstance(git.get("changed"), list | None):
        return "'git' does not say what was changed"
    try:
        datetime.datetime.fromisoformat(record.get("started", "2026-01-01"))
    except ValueError:
        return f"'started' is {record['started']!r}"
    return None


def end_of(record: Record) -> float:
    """When a job ended, in seconds since the epoch."""
    started = datetime.datetime.fromisoformat(record["started"])
    # The start is recorded in whole seconds, cut off.
    return float(started.timestamp() + record["seconds"] + 1.0)


class Sidecars:
    """The sidecars of the files that are asked about, each read once.

    A damaged one counts as missing; why it is damaged is in `damaged`.
    """

    def __init__(self) -> None:
        self.damaged: dict[str, str] = {}
        self._seen: set[Path] = set()
        self._by_output: dict[str, Record] = {}

    def of(self, path: str) -> Record | None:
        """The record of the job that made a file, or None when no sidecar names the file."""
        folder, name = Path(path).parent, glob.escape(Path(path).name)
        # Beside the file; beside the first output of its job; or, where that is in another folder,
        # beside the file of the same name there, as for a manifest and its segments.
        for places in (
            [sidecar_path(path)],
            self._unless_seen(folder),
            folder.parent.glob(f"*/{name}{SUFFIX}"),
        ):
            for sidecar in places:
                self._read(sidecar)
            if path in self._by_output:
                break
        return self._by_output.get(path)

    def _unless_seen(self, folder: Path) -> Iterator[Path]:
        if folder not in self._seen:
            self._seen.add(folder)
            yield from folder.glob(f"*{SUFFIX}")

    def _read(self, sidecar: Path) -> None:
        if sidecar in self._seen:
            return
        self._seen.add(sidecar)
        try:
            record = read_sidecar(sidecar)
        except FileNotFoundError:
            # There is none, or its job has just begun anew.
            return
        except ProvenanceError as error:
            self.damaged[str(sidecar)] = str(error)
            return
        self._by_output.update((entry["path"], record) for entry in record["outputs"])

    def behind(self, outputs: list[str]) -> list[Record]:
        """The sidecars of the given files and of all files behind them, each once.

        Inputs without a sidecar come from outside the workflow.

        Raises:
            ProvenanceError: one of the given files has no sidecar, or a damaged one.
        """
        missing = [path for path in outputs if self.of(path) is None]
        if missing:
            sidecar = str(sidecar_path(missing[0]))
            raise ProvenanceError(
                f"{self.damaged[sidecar]}; "
                if sidecar in self.damaged
                else f"{missing[0]} has no sidecar (*{SUFFIX}) that says what made it; "
                "delete the file and run the workflow again"
            )
        records: dict[str, Record] = {}
        pending = list(outputs)
        while pending:
            record = self.of(pending.pop())
            if record is not None and first_output(record) not in records:
                records[first_output(record)] = record
                pending.extend(entry["path"] for entry in record["inputs"])
        return [records[name] for name in sorted(records)]


def first_output(record: Record) -> str:
    """The output that names a job."""
    return str(record["outputs"][0]["path"])


def difference(entry: Record, times: Collection[int] = (), verify: bool = False) -> str | None:
    """How a file differs from its record, in words; None when it does not.

    A file of the recorded size and time counts as the same; a file with another time is compared
    by its content, so copies and touched files count as the same.

    Args:
        entry: what was recorded: path, size, time and SHA-256.
        times: further times of modification, in ns, at which the file had that content.
        verify: whether to compare contents whatever the time is.
    """
    try:
        status = os.stat(entry["path"])
    except FileNotFoundError:
        return "it is gone"
    if status.st_size != entry["bytes"]:
        return f"it has {status.st_size} bytes, and had {entry['bytes']} when it was recorded"
    if not verify and status.st_mtime_ns in (entry.get("mtime_ns"), *times):
        return None
    if "sha256" in entry and sha256_file(entry["path"]) != entry["sha256"]:
        return "its size is the recorded one, its content is not"
    return None
