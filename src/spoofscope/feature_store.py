"""Kept features that studies share: each shard once, under the address of all that decides it.

A store is a folder, which may lie on a disk that many machines see:

* `entries/{address}/` holds `values.safetensors`, `index.tsv` and `entry.json`, the record with
  their checksums. It appears when it is complete, and is not changed afterwards;
* `users/{address}/` names the links of studies that stand for its values;
* `planned/{origin}` says under which address a job with this lineage found or put its features.

An address is taken over contents alone: front-end, input policy, code, packages, backbone, and the
recordings of the shard in their order. `planned` is what a plan can know before it has a manifest.
It decides what is announced, and never what is taken.

Imported while the workflow is parsed: standard library only.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spoofscope.errors import SpoofscopeError
from spoofscope.files import atomic_folder, read_json, sha256_file, write_json, write_text
from spoofscope.identity import canonical_json
from spoofscope.locks import SHARED, claim, claim_if_free

VALUES = "values.safetensors"
INDEX = "index.tsv"
_RECORD = "entry.json"

_logger = logging.getLogger("spoofscope.feature_store")

Record = dict[str, Any]


def address_of(contents: Mapping[str, Any]) -> str:
    """64 hexadecimal digits over JSON-able values; of features, over all that decides them."""
    return hashlib.sha256(canonical_json(contents).encode()).hexdigest()


@dataclass(frozen=True)
class Files:
    """The two files of a shard in a study."""

    values: Path
    index: Path


@dataclass(frozen=True)
class Entry:
    """One shard in a store.

    record: what `entry.json` says, empty where it is damaged. n_bytes: of its files. used: when a
    job last took it or put it there, seconds since the epoch. users: links of studies that stand
    for it.
    """

    address: str
    record: Record
    n_bytes: int
    used: float
    users: tuple[str, ...]


class FeatureStore:
    """The store in a folder, which need not exist."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def _entry(self, address: str) -> Path:
        return self.root / "entries" / address

    def _plan(self, origin: str) -> Path:
        return self.root / "planned" / origin

    def expects(self, origin: str) -> bool:
        """Whether a job of this lineage has left features here. Its recordings may be others now,
        so this is a forecast.
        """
        try:
            address = self._plan(origin).read_text(encoding="utf-8")
        except OSError:
            return False
        return len(address) == 64 and (self._entry(address) / _RECORD).is_file()

    def plan_file(self, origin: str) -> str:
        """The path of that forecast."""
        return str(self._plan(origin))

    @contextmanager
    def claimed(self, address: str) -> Iterator[None]:
        """Alone with an address: who wants it, too, waits and then finds it there."""
        with claim(address, self.root / SHARED):
            yield

    def take(self, address: str, files: Files, origin: str) -> Record | None:
        """Let the files of a study be those of an entry: the values a link, the index a copy.

        The caller has the address claimed. A damaged entry is deleted, and a line of the log says
        so.

        Args:
            address: of the entry.
            files: of the study; neither is there.
            origin: lineage of the job.

        Returns:
            The entry's record; None where the store lacks it.
        """
        folder = self._entry(address)
        if not (folder / _RECORD).is_file():
            return None
        try:
            record = _intact(folder)
        except (OSError, SpoofscopeError) as error:
            _logger.warning("%s is damaged and is made again: %s", folder, error)
            self._delete(address)
            return None
        self._link(address, files.values)
        shutil.copyfile(folder / INDEX, files.index)
        self._remember(origin, address)
        return record

    def put(self, address: str, files: Files, origin: str, record: Record) -> None:
        """Keep the files of a study; its values become a link to what is kept.

        The caller has the address claimed, and has found no entry.

        Args:
            address: of the new entry.
            files: of the study, complete.
            origin: lineage of the job.
            record: about them: where they come from, in JSON-able values.

        Raises:
            SpoofscopeError: the store cannot be written.
        """
        with atomic_folder(self._entry(address)) as folder:
            _place(files.values, folder / VALUES)
            shutil.copyfile(files.index, folder / INDEX)
            sums = {name: sha256_file(folder / name) for name in (VALUES, INDEX)}
            content = {**record, "address": address, "sha256": sums}
            write_json(folder / _RECORD, {**content, "digest": address_of(content)})
        self._link(address, files.values)
        self._remember(origin, address)

    def _link(self, address: str, link: Path) -> None:
        # The user is named before the link is there, and counts from the moment when it is.
        place = os.path.abspath(link)
        name = hashlib.sha256(place.encode()).hexdigest()[:16]
        write_text(self.root / "users" / address / name, place)
        temporary = link.with_name(f".{link.name}.{os.getpid()}.link")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.abspath(self._entry(address) / VALUES))
        os.replace(temporary, link)

    def _remember(self, origin: str, address: str) -> None:
        write_text(self._plan(origin), address)

    def _delete(self, address: str) -> None:
        """Delete an entry; under its name it is there whole or not at all."""
        retired = self._entry(address).with_name(f".{address}.{os.getpid()}.old")
        os.replace(self._entry(address), retired)
        shutil.rmtree(retired)

    def _users(self, address: str) -> tuple[str, ...]:
        """Links that are there and lead to the entry."""
        found = []
        values = os.path.realpath(self._entry(address) / VALUES)
        for path in sorted((self.root / "users" / address).glob("[0-9a-f]*")):
            link = path.read_text(encoding="utf-8")
            if os.path.islink(link) and os.path.realpath(link) == values:
                found.append(link)
        return tuple(found)

    def entries(self) -> list[Entry]:
        """All entries, those first that were used longest ago."""
        found = []
        for folder in sorted((self.root / "entries").glob("[0-9a-f]*")):
            with suppress(FileNotFoundError):
                # One that another process deletes meanwhile is none.
                found.append(self._described(folder))
        return sorted(found, key=lambda entry: (entry.used, entry.address))

    def _described(self, folder: Path) -> Entry:
        files = [folder / name for name in (VALUES, INDEX, _RECORD)]
        marks = [folder / _RECORD, *(self.root / "users" / folder.name).glob("[0-9a-f]*")]
        try:
            record = _record_of(folder)
        except SpoofscopeError:
            # Whoever wants to take it makes it again.
            record = {}
        return Entry(
            folder.name,
            record,
            sum(path.stat().st_size for path in files),
            max(path.stat().st_mtime for path in marks),
            self._users(folder.name),
        )

    def remove(self, address: str) -> bool:
        """Delete an entry that no study refers to and no job is about to use.

        Returns:
            Whether it was deleted.
        """
        with claim_if_free(address, self.root / SHARED) as free:
            if not free or self._users(address) or not self._entry(address).is_dir():
                return False
            self._delete(address)
            shutil.rmtree(self.root / "users" / address, ignore_errors=True)
        for path in (self.root / "planned").glob("[0-9a-f]*"):
            with suppress(FileNotFoundError):
                if path.read_text(encoding="utf-8") == address:
                    path.unlink()
        return True

    def remove_leftovers(self) -> int:
        """Delete what killed jobs have left of entries; returns how many there were."""
        deleted = 0
        for folder in (self.root / "entries").glob(".*"):
            with claim_if_free(folder.name.split(".")[1], self.root / SHARED) as free:
                if free and folder.is_dir():
                    shutil.rmtree(folder)
                    deleted += 1
        return deleted


def unused_beyond(entries: list[Entry], budget: int) -> list[Entry]:
    """Which entries to delete, oldest first, so that the others have at most `budget` bytes.

    One that a study refers to is never among them, so the rest may be larger.

    Args:
        entries: as :meth:`FeatureStore.entries` gives them.
        budget: bytes that may stay.
    """
    excess = sum(entry.n_bytes for entry in entries) - budget
    chosen = []
    for entry in entries:
        if excess > 0 and not entry.users:
            chosen.append(entry)
            excess -= entry.n_bytes
    return chosen


def _place(source: Path, target: Path) -> None:
    """The same file under another name; a copy where that is on another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _record_of(folder: Path) -> Record:
    """The record of an entry.

    Raises:
        SpoofscopeError: it is missing, or is none.
    """
    content = read_json(folder / _RECORD)
    if not isinstance(content, dict) or content.get("digest") != address_of(
        {key: value for key, value in content.items() if key != "digest"}
    ):
        raise SpoofscopeError(f"{folder / _RECORD} is not as it was written")
    return content


def _intact(folder: Path) -> Record:
    """The record of an entry whose files are those that were put there.

    Raises:
        SpoofscopeError: a file has another content, or the record is none.
        OSError: a file cannot be read.
    """
    record = _record_of(folder)
    for name, sha256 in record["sha256"].items():
        if sha256_file(folder / name) != sha256:
            raise SpoofscopeError(f"{folder / name} has another SHA-256 than was recorded")
    return record
