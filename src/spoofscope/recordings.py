"""Recordings on disk: what was read of each, and which are others since.

A corpus has up to millions of files, so they are compared as `make` and Git compare theirs: names,
sizes and times of modification first, and contents only where a time is another one.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from spoofscope.errors import ProvenanceError
from spoofscope.files import sha256_file, write_text

# Asking a file server takes its time, whatever the machine does meanwhile.
_WORKERS = 8
_CHUNK = 500

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Recording(NamedTuple):
    """What was known of a file when it was read.

    path: relative to the working directory when below it, else absolute. bytes: None where there
    was no file. mtime_ns: time of modification; None where it is no matter, because the workflow
    itself writes the file. sha256: of the content; None where it was not read, because only the
    file's name counts.
    """

    path: str
    bytes: int | None
    mtime_ns: int | None
    sha256: str | None


class Changes(NamedTuple):
    """Paths of files that are new, have another content, or are gone; each sorted."""

    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def as_text(self) -> str:
        """In words, each kind with its first file; "" where nothing has changed."""
        told = []
        for paths, what in (
            (self.added, "added"),
            (self.replaced, "replaced"),
            (self.deleted, "deleted"),
        ):
            if paths:
                more = ", ..." if len(paths) > 1 else ""
                noun = "recording" if len(paths) == 1 else "recordings"
                told.append(f"{len(paths)} {noun} {what} ({paths[0]!r}{more})")
        return ", ".join(told)


class Hashes:
    """SHA-256 of files by path, size and time of modification.

    Args:
        file: where they are kept for processes to come; None keeps them in this one.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, list[Any]] = {}
        self._is_new = False
        if file is not None:
            # What cannot be read is hashed again.
            with suppress(OSError, ValueError, TypeError):
                stored = json.loads(file.read_bytes())
                self._known = {str(path): list(entry) for path, entry in stored.items()}

    def of(self, path: str, status: os.stat_result) -> str | None:
        """SHA-256 of a file; None where it cannot be read, or is no regular file."""
        seen = [status.st_size, status.st_mtime_ns]
        known = self._known.get(path)
        if known is not None and known[:2] == seen:
            return str(known[2])
        sha256 = hash_of(path, status)
        if sha256 is not None:
            self._known[path] = [*seen, sha256]
            self._is_new = True
        return sha256

    def save(self) -> None:
        """Write the file; where its folder is missing, or the disk is full, nothing."""
        if self._file is None or not self._is_new or not self._file.parent.is_dir():
            return
        temporary = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        with suppress(OSError):
            try:
                temporary.write_text(json.dumps(self._known))
                temporary.replace(self._file)
            finally:
                temporary.unlink(missing_ok=True)


def hash_of(path: str, status: os.stat_result) -> str | None:
    """SHA-256 of a regular file; None of anything else, and of what cannot be read."""
    # Opening a pipe would wait for somebody who writes into it.
    if not stat.S_ISREG(status.st_mode):
        return None
    try:
        return sha256_file(path)
    except OSError:
        return None


def status_of(path: str) -> os.stat_result | None:
    """What the system says about a file; None where there is none."""
    try:
        return os.stat(path)
    except OSError:
        return None


def portable_path(path: str | Path) -> str:
    """Relative to the working directory when the path is below it, else absolute."""
    # Links are kept: data are often linked into the working directory from elsewhere.
    absolute = Path(os.path.abspath(path))
    here = Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def portable_paths(paths: Iterable[str], root: str | Path) -> list[str]:
    """:func:`portable_path` of many paths, most of them below a folder."""
    # Their common part is worked out once.
    above, name = f"{root}/", f"{portable_path(root)}/"
    return [
        f"{name}{path[len(above) :]}" if path.startswith(above) else portable_path(path)
        for path in paths
    ]


def look_at(path: str, times: bool = True) -> Recording:
    """What can be known of a file without decoding it."""
    name = portable_path(path)
    status = status_of(path)
    if status is None:
        return Recording(name, None, None, None)
    mtime_ns = status.st_mtime_ns if times else None
    return Recording(name, status.st_size, mtime_ns, hash_of(path, status))


def in_chunks(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Results in the order of the items, from some threads at once."""
    items = list(items)
    chunks = [items[i : i + _CHUNK] for i in range(0, len(items), _CHUNK)]
    with ThreadPoolExecutor(_WORKERS) as pool:
        return [
            result
            for results in pool.map(lambda chunk: list(map(function, chunk)), chunks)
            for result in results
        ]


def compare(
    known: Mapping[str, Recording],
    found: Collection[str] | None = None,
    hash_file: Callable[[str, os.stat_result], str | None] = hash_of,
    *,
    until: float | None = None,
    verify: bool = False,
) -> Changes:
    """How the files on disk differ from what was read.

    A file of the same size and time is taken for the same one. A file with another time is the same
    when its content is.

    Args:
        known: what was read, by path.
        found: paths of all files that would be read now; None where these are the known ones.
        hash_file: gives the SHA-256 of a file.
        until: seconds since the epoch. Files without a recorded time are taken for the same when
            they were not modified after it; None compares their contents.
        verify: whether to compare all contents.
    """
    present = set(known) if found is None else set(found)
    added = [path for path in present if path not in known]
    deleted = [
        path for path, entry in known.items() if path not in present and entry.bytes is not None
    ]
    # Of files that were there and not read only the names count.
    asked = [
        entry
        for path, entry in known.items()
        if path in present and (entry.bytes is None or entry.sha256 is not None)
    ]
    replaced = []
    doubtful = []
    statuses = in_chunks(status_of, [entry.path for entry in asked])
    for entry, status in zip(asked, statuses, strict=True):
        if entry.bytes is None:
            if status is not None:
                added.append(entry.path)
        elif status is None:
            deleted.append(entry.path)
        elif status.st_size != entry.bytes:
            replaced.append(entry.path)
        elif verify or not _same_time(entry, status, until):
            doubtful.append((entry, status))
    contents = in_chunks(lambda pair: hash_file(pair[0].path, pair[1]), doubtful)
    replaced += [
        entry.path
        for (entry, _), sha256 in zip(doubtful, contents, strict=True)
        if sha256 != entry.sha256
    ]
    return Changes(tuple(sorted(added)), tuple(sorted(replaced)), tuple(sorted(deleted)))


def _same_time(entry: Recording, status: os.stat_result, until: float | None) -> bool:
    if entry.mtime_ns is not None:
        return bool(status.st_mtime_ns == entry.mtime_ns)
    return until is not None and status.st_mtime <= until


def digest(recordings: Iterable[tuple[str, str | None]]) -> str:
    """SHA-256 over names and contents, in the order of the names.

    Args:
        recordings: names (relative to their folder) and the SHA-256 of their contents; those
            without one are left out.
    """
    total = hashlib.sha256()
    for name, sha256 in sorted(pair for pair in recordings if pair[1] is not None):
        # Names on disk need not be text.
        total.update(os.fsencode(name) + f"\0{sha256}\n".encode())
    return total.hexdigest()


def write_recordings(path: str | Path, recordings: Sequence[Recording]) -> None:
    """Write what was read of each file as JSON, a line each, in the order of their paths."""
    lines = ",\n".join(json.dumps(list(entry)) for entry in sorted(recordings))
    write_text(path, f"[\n{lines}\n]\n" if lines else "[]\n")


def read_recordings(path: str | Path) -> dict[str, Recording]:
    """Read what :func:`write_recordings` wrote, by path.

    Raises:
        FileNotFoundError: there is no such file.
        ProvenanceError: it holds something else.
    """
    content = Path(path).read_bytes()
    try:
        return {entry[0]: Recording(*entry) for entry in json.loads(content)}
    except (ValueError, TypeError, LookupError) as error:
        raise ProvenanceError(f"{path} is damaged: {error}") from error
