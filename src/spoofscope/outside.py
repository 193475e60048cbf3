"""What a study reads and does not make: whether it is still what the results were made from.

Snakemake compares files that rules name as inputs, and of those only the ones that are newer than
what was made from them. Recordings are too many to be named, and a file that is copied with its old
time is not newer. So the main process compares them whenever the workflow is planned, a dry run
included, and puts the outcome among the parameters of the jobs that read them: a parameter that has
changed makes a job stale.
"""

import atexit
import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from spoofscope.errors import ProvenanceError, SpoofscopeError, TableError
from spoofscope.identity import hash8
from spoofscope.locks import FOLDER
from spoofscope.provenance.sidecars import Record, end_of, read_sidecar, sidecar_path
from spoofscope.recordings import (
    Changes,
    Hashes,
    Recording,
    compare,
    in_chunks,
    read_recordings,
    status_of,
)
from spoofscope.rows import check_columns, read_header

VARIABLE = "SPOOFSCOPE_OUTSIDE"
"""Environment variable with the outcomes, for processes of jobs that read the workflow again."""


def known_recordings(
    recordings: str | Path, output: str | Path
) -> tuple[dict[str, Recording], Record] | None:
    """What a job has read, and its sidecar; None where one of them is missing or damaged.

    Args:
        recordings: the job's list of recordings.
        output: the job's first output.
    """
    try:
        return read_recordings(recordings), read_sidecar(sidecar_path(output))
    except (OSError, ProvenanceError):
        return None


def _listed(table: str, column: str, folder: str) -> tuple[dict[str, Recording], Record] | None:
    """The recordings in a table, and its sidecar; None where one of them is missing or damaged.

    The table does not say how large they were, so that they are taken for as large as they are.
    """
    try:
        sidecar = read_sidecar(sidecar_path(table))
        listed = read_header(table, "\t")
        check_columns(table, listed.header, (column, "sha256"))
        hashes = {
            os.path.join(folder, row[column]): row["sha256"]
            for _, row in listed.records((column, "sha256"))
        }
    except (OSError, ProvenanceError, TableError):
        return None
    statuses = dict(zip(hashes, in_chunks(status_of, hashes), strict=True))
    known = {
        path: Recording(path, status.st_size if (status := statuses[path]) else 0, None, sha256)
        for path, sha256 in hashes.items()
    }
    return known, sidecar


class Outside:
    """Compares what lies outside of the workflow with what was read of it.

    Args:
        main: whether this is the main process of a run; others take its outcomes.
        tell: is given a sentence for everything that has changed.
    """

    def __init__(self, main: bool, tell: Callable[[str], object]) -> None:
        self._main = main
        self._tell = tell
        self._outcomes: dict[str, Any] = {}
        if not main:
            self._outcomes = json.loads(os.environ.get(VARIABLE, "{}"))
        self._hashes = Hashes(FOLDER / "hashes.json")
        if main:
            atexit.register(self.save)
        self.changes: dict[str, str] = {}
        """What has changed, in words, by the outcome."""
        self.absent: dict[str, str] = {}
        """Folders that are not there, so that nothing could be compared, by what is in them."""

    def save(self) -> None:
        """Leave what was hashed for processes to come, as happens at the end of this one."""
        self._hashes.save()

    def keep_nothing(self) -> None:
        """Leave nothing for processes to come."""
        atexit.unregister(self.save)

    def _outcome(self, key: str, work_out: Callable[[], Any]) -> Any:
        if key not in self._outcomes:
            self._outcomes[key] = work_out()
            if self._main:
                # Jobs on a cluster work their parameters out again, when files may be others.
                os.environ[VARIABLE] = json.dumps(self._outcomes)
        return self._outcomes[key]

    def files(self, paths: Iterable[str]) -> dict[str, str | None]:
        """SHA-256 of some files by path; None of those that are not there."""
        return {path: self._outcome(f"file {path}", partial(self._sha256, path)) for path in paths}

    def _sha256(self, path: str) -> str | None:
        status = status_of(path)
        return None if status is None else self._hashes.of(path, status)

    def folder(
        self,
        what: str,
        root: str,
        recordings: str,
        output: str,
        find: Callable[[], Collection[str] | None],
    ) -> str:
        """A text that is another one when recordings are others than those that a job has read.

        It stays what it is while names, sizes and times are those that were read, or the contents
        are. Where nothing was read yet it depends on names, sizes and times.

        Args:
            what: name of the folder's content, for the sentence.
            root: the folder. Where there is none, nothing can be compared.
            recordings: the job's list of recordings.
            output: the job's first output.
            find: gives the paths of all files that would be read now; None where these are the
                known ones.
        """
        return str(
            self._outcome(
                f"folder {output}", lambda: self._folder(what, root, recordings, output, find)
            )
        )

    def made(self, what: str, recordings: str, reader: str, output: str) -> str | None:
        """A text that is another one when what a job made is not what another job has read of it.

        None while nobody has read it, or all is as it was read and no text was ever needed.

        Args:
            what: name of what was made, for the sentence.
            recordings: the list of recordings of the job that reads them.
            reader: that job's first output.
            output: the first output of the job that made them.
        """
        outcome = self._outcome(
            f"made {output}",
            lambda: self._made(what, partial(known_recordings, recordings, reader), reader, output),
        )
        return None if outcome is None else str(outcome)

    def listed(self, what: str, table: str, column: str, folder: str = "") -> str | None:
        """As :meth:`made`, of recordings that their own job lists with hashes in its first output.

        Args:
            what: name of the recordings, for the sentence.
            table: the first output. Its column `sha256` is of the contents.
            column: the column of `table` with their paths.
            folder: what these are relative to; "" for the working directory.
        """
        outcome = self._outcome(
            f"made {table}",
            lambda: self._made(what, partial(_listed, table, column, folder), table, table),
        )
        return None if outcome is None else str(outcome)

    def _made(
        self,
        what: str,
        read: Callable[[], tuple[dict[str, Recording], Record] | None],
        reader: str,
        output: str,
    ) -> str | None:
        try:
            own = read_sidecar(sidecar_path(output))
        except (OSError, ProvenanceError):
            # The job is to be done again for that.
            return None
        recorded: str | None = own["parameters"].get("recordings")
        found = read()
        if found is None:
            return recorded
        known, sidecar = found
        # What was made anew since has new times, and the same contents.
        changes = compare(known, None, self._hashes.of, until=end_of(sidecar))
        if changes == Changes():
            return recorded
        outcome = _text_of(known)
        self.changes[outcome] = changes.as_text()
        self._tell(f"{what}: {changes.as_text()} since {reader} was made; it is made again")
        return outcome

    def _folder(
        self,
        what: str,
        root: str,
        recordings: str,
        output: str,
        find: Callable[[], Collection[str] | None],
    ) -> str:
        read = known_recordings(recordings, output)
        known: Mapping[str, Recording] = read[0] if read else {}
        sidecar: Record = read[1] if read else {}
        recorded = sidecar.get("parameters", {}).get("recordings")
        there = os.path.isdir(root)
        if not there:
            self.absent[what] = root
        if not there and recorded is not None:
            return str(recorded)
        found: Collection[str] | None = ()
        if there:
            try:
                found = find()
            except SpoofscopeError:
                # The job says what is wrong with the folder.
                found = ()
        if recorded is None:
            return _text_of(list(known) if found is None else found)
        started = time.monotonic()
        changes = compare(known, found, self._hashes.of, until=end_of(sidecar))
        if time.monotonic() - started > 10:
            self._tell(f"{what}: {len(known)} recordings were compared with what was read of them")
        if changes == Changes():
            return str(recorded)
        outcome = _text_of({*known, *(known if found is None else found)})
        self.changes[outcome] = changes.as_text()
        self._tell(f"{what}: {changes.as_text()} since {output} was made")
        return outcome


def _text_of(paths: Collection[str]) -> str:
    """A text that depends on names, sizes and times."""
    seen = []
    for path in sorted(paths):
        status = status_of(path)
        seen.append(
            [os.fsencode(path).hex(), *((status.st_size, status.st_mtime_ns) if status else ())]
        )
    return hash8(seen)
