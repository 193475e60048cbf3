"""Journals: what a job has finished, kept from a kill. The job that follows goes on from there.

A job that works on many utterances appends the result of each one to its journal. The journal is
deleted when the job's outputs are written. Where the work is cut into shards, the finished journal
of a shard is what its job makes, and the job that joins the shards reads them.

Each line of a journal has three fields: a checksum of the others, the key of the result, and the
result as JSON. The first line says which work it is of. A journal of other work is discarded, a
line that was torn by a kill is cut off, and a damaged line is never believed.
"""

import base64
import hashlib
import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import numpy as np

from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.identity import canonical_json
from spoofscope.pace import duration

_LOGGER = logging.getLogger(__name__)

_NAME = "journal.jsonl"
_CHECKSUM = 16
# Items that are sent to another process together: of many items more, but every process gets some
# batches, so that none waits long for the last one.
_AT_ONCE = (32, 128)
_BATCHES = 16
_PROGRESS_SECONDS = 30.0

Item = TypeVar("Item")


class Done(Protocol):
    """Results by key: a journal, the journals of all shards, or a dict where nothing is kept.

    A result is what JSON can hold, and NumPy arrays in it. It is read as it was written, to the
    last bit, but tuples are lists then.
    """

    def __contains__(self, key: object, /) -> bool: ...

    def __getitem__(self, key: str, /) -> Any: ...

    def __setitem__(self, key: str, result: Any, /) -> None: ...


def _packed(array: Any) -> dict[str, Any]:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"a journal cannot hold a {type(array).__name__}")
    data = base64.b64encode(array.tobytes()).decode("ascii")
    return {"dtype": array.dtype.str, "shape": array.shape, "base64": data}


def _unpacked(entry: dict[str, Any]) -> Any:
    if entry.keys() != {"dtype", "shape", "base64"}:
        return entry
    data = bytearray(base64.b64decode(entry["base64"]))
    return np.frombuffer(data, dtype=entry["dtype"]).reshape(entry["shape"])


def _line(key: str | None, result: Any) -> bytes:
    text = f"{json.dumps(key)}\t{json.dumps(result, default=_packed)}".encode()
    return _checked(text)


def _checked(text: bytes) -> bytes:
    """The line of a text, with its checksum before it."""
    checksum = hashlib.sha256(text).hexdigest()[:_CHECKSUM].encode()
    return checksum + b"\t" + text + b"\n"


def _fields(line: bytes) -> tuple[str | None, bytes] | None:
    """Key and result of a line; None of one that is torn or damaged."""
    text = line[_CHECKSUM + 1 : -1]
    if line != _checked(text):
        return None
    key, _, result = text.partition(b"\t")
    return json.loads(key), result


class _Lines:
    """The lines of a journal, up to the first one that is torn or damaged. Results are read when
    they are asked for.

    identity: of the work, as the first line says; None where there is none. end: of the last whole
    line, in bytes. damaged: number of the line that is damaged; None where none is.
    """

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.identity: str | None = None
        self.end = 0
        self.damaged: int | None = None
        self._path, self._stream = path, stream
        self._places: dict[str, tuple[int, int]] = {}
        for number, line in enumerate(stream, start=1):
            fields = _fields(line)
            if fields is None:
                self.damaged = number if line.endswith(b"\n") else None
                break
            key, result = fields
            if key is None:
                self.identity = json.loads(result)
            else:
                self._places[key] = (self.end, len(line))
            self.end += len(line)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __getitem__(self, key: str) -> Any:
        start, size = self._places[key]
        self._stream.seek(start)
        fields = _fields(self._stream.read(size))
        if fields is None:
            raise TableError(f"{self._path}: the line of {key!r} was damaged while it was in use")
        return json.loads(fields[1], object_hook=_unpacked)

    def keys(self) -> Iterable[str]:
        return self._places.keys()

    def append(self, key: str | None, result: Any) -> None:
        line = _line(key, result)
        self._stream.seek(self.end)
        self._stream.write(line)
        self._stream.flush()
        if key is not None:
            self._places[key] = (self.end, len(line))
        self.end += len(line)


class Journal:
    """The results that a job has finished, in a file that grows with them."""

    def __init__(self, folder: str | Path, identity: str) -> None:
        """Open the journal in a folder; what it holds of the same work is finished.

        Args:
            folder: of this journal alone; it is made.
            identity: what says which work it is.
        """
        self.path = Path(folder) / _NAME
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self._stream = open(self.path, "r+b")  # noqa: SIM115 (closed in close)
        self._lines = _Lines(self.path, self._stream)
        if self._lines.damaged is not None:
            _LOGGER.warning(
                "%s: line %d is damaged; what it and the lines after it hold is made again",
                self.path,
                self._lines.damaged,
            )
        self._stream.truncate(self._lines.end)
        if self._lines.identity != identity:
            if self._lines.identity is not None:
                _LOGGER.warning("%s belongs to other work: starting anew", self.path)
            self._stream.seek(0)
            self._stream.truncate(0)
            self._lines = _Lines(self.path, self._stream)
            self._lines.append(None, identity)

    def __contains__(self, key: object) -> bool:
        return key in self._lines

    def __getitem__(self, key: str) -> Any:
        return self._lines[key]

    def __setitem__(self, key: str, result: Any) -> None:
        self._lines.append(key, result)

    def close(self) -> None:
        """Close the file, which stays."""
        self._stream.close()


class _Parts:
    """The finished journals of all shards."""

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self._streams = [open(path, "rb") for path in paths]  # noqa: SIM115 (closed in close)
        self._parts = [str(path) for path in paths]
        self._of: dict[str, _Lines] = {}
        for path, stream in zip(map(Path, paths), self._streams, strict=True):
            lines = _Lines(path, stream)
            if lines.identity is None or lines.end != path.stat().st_size:
                raise TableError(f"{path} is damaged; delete it, and the next run makes it again")
            self._of.update(dict.fromkeys(lines.keys(), lines))

    def __contains__(self, key: object) -> bool:
        return key in self._of

    def __getitem__(self, key: str) -> Any:
        return self._of[key][key]

    def __setitem__(self, key: str, result: Any) -> None:
        # What the parts lack would be worked out here, in a job that shall only join them.
        raise TableError(
            f"{key!r} is in none of the {len(self._parts)} parts that are joined, such as "
            f"{self._parts[0]}; delete them, and the next run makes them again"
        )

    def close(self) -> None:
        for stream in self._streams:
            stream.close()


@contextmanager
def resumed(folder: str | Path, given: Any, parts: Sequence[str | Path] = ()) -> Iterator[Done]:
    """The results that are finished, for a job that makes its outputs of all of them.

    When the block ends well the journal is deleted; when it fails, or is killed, it stays.

    Args:
        folder: for the journal; see `layout.Layout.journal`.
        given: all that decides the results, as JSON-able values; a journal of something else is
            discarded.
        parts: the finished journals of the shards, see :func:`part`, where the work was cut; then
            the results are theirs, and there is no other journal.

    Raises:
        TableError: a part is damaged, or lacks a result that is asked for.
    """
    if parts:
        joined = _Parts(parts)
        try:
            yield joined
        finally:
            joined.close()
        return
    with _open(folder, given) as journal:
        yield journal
    journal.path.unlink()


@contextmanager
def part(folder: str | Path, given: Any, out: str | Path) -> Iterator[Done]:
    """The results that are finished of one shard; their journal becomes the file `out` at the end.

    Args:
        folder: as of :func:`resumed`, on the file system of `out`.
        given: as there.
        out: the finished journal.
    """
    with _open(folder, given) as journal:
        yield journal
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    os.replace(journal.path, out)


@contextmanager
def _open(folder: str | Path, given: Any) -> Iterator[Journal]:
    digest = hashlib.sha256(canonical_json(given).encode()).hexdigest()
    journal = Journal(folder, digest)
    try:
        yield journal
    finally:
        journal.close()


class _Progress:
    """Logs every half minute how many results there are, and how long the others take."""

    def __init__(self, n_all: int, n_left: int) -> None:
        self._all, self._left, self._finished = n_all, n_left, 0
        self._began = self._told = time.monotonic()

    def add(self, n: int) -> None:
        """So many results more are there."""
        self._finished += n
        now = time.monotonic()
        if now - self._told < _PROGRESS_SECONDS or self._finished == self._left:
            return
        self._told = now
        rest = (self._left - self._finished) * (now - self._began) / self._finished
        done = self._all - self._left + self._finished
        _LOGGER.info("%d of %d clips, %s left", done, self._all, duration(rest))


def work_through(
    items: Iterable[tuple[str, Item]], function: Callable[[Item], Any], done: Done, workers: int
) -> None:
    """Put the result of every item that is not done yet into `done`, in the order of the items.

    Args:
        items: keys and what the function takes.
        function: decoding and FFTs run outside of Python's global lock.
        done: the results.
        workers: threads.
    """
    items = list(items)
    left = [(key, item) for key, item in items if key not in done]
    progress = _Progress(len(items), len(left))
    ahead: deque[tuple[str, Future[Any]]] = deque()

    def take() -> None:
        key, future = ahead.popleft()
        done[key] = future.result()
        progress.add(1)

    with ThreadPoolExecutor(workers) as pool:
        for key, item in left:
            ahead.append((key, pool.submit(function, item)))
            # A few wait, so that no thread does.
            if len(ahead) > 2 * workers:
                take()
        while ahead:
            take()


def in_processes(
    items: Iterable[tuple[str, Item]],
    function: Callable[[Sequence[Item]], Sequence[Any]],
    done: Done,
    workers: int,
) -> dict[str, Any]:
    """As :func:`work_through`, for much work on short clips, which Python's global lock would slow.

    Args:
        items: keys and what the function takes; both are sent to other processes.
        function: takes some items and gives the result of each. Of a module, so that other
            processes find it. It may start no threads of its own.
        done: the results.
        workers: processes; one is this process, and so is a short list's.

    Returns:
        The results that were not done yet, by key: to read them in a journal again takes time.

    Raises:
        SpoofscopeError: a process was killed, such as by the system for want of memory.
    """
    items = list(items)
    left = [(key, item) for key, item in items if key not in done]
    progress = _Progress(len(items), len(left))
    fewest, most = _AT_ONCE
    size = min(most, max(fewest, len(left) // (_BATCHES * workers)))
    batches = [left[start : start + size] for start in range(0, len(left), size)]
    ahead: deque[tuple[list[tuple[str, Item]], Future[Sequence[Any]]]] = deque()

    new: dict[str, Any] = {}

    def keep(batch: list[tuple[str, Item]], results: Sequence[Any]) -> None:
        for (key, _), result in zip(batch, results, strict=True):
            done[key] = new[key] = result
        progress.add(len(batch))

    def take() -> None:
        batch, future = ahead.popleft()
        keep(batch, future.result())

    if workers == 1 or len(batches) <= 1:
        for batch in batches:
            keep(batch, function([item for _, item in batch]))
        return new

    # Forked processes import nothing again. They decode and compute, and touch no Polars, whose
    # threads they lack.
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(workers, context, _end_with, (os.getpid(),)) as pool:
            for batch in batches:
                ahead.append((batch, pool.submit(function, [item for _, item in batch])))
                if len(ahead) > 2 * workers:
                    take()
            while ahead:
                take()
    except BrokenProcessPool as error:
        raise SpoofscopeError(
            "a process that worked on clips was killed, perhaps for want of memory; what is "
            "finished is kept: run again, with fewer threads or more memory"
        ) from error
    return new


def _end_with(parent: int) -> None:
    """Let this process end as its parent does, even if that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent").start()
