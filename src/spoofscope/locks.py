"""Locks that end with the process that holds them.

They are kernel locks (flock) on files: a process that is killed gives its lock back at once, so
nothing has to be unlocked by hand. Between machines they hold on file systems that pass them on,
as NFS version 4 does.
"""

import atexit
import contextlib
import datetime
import fcntl
import hashlib
import json
import logging
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from spoofscope.errors import SpoofscopeError
from spoofscope.files import refusal

FOLDER = Path(".snakemake/spoofscope")
"""Where locks and records of launches lie, relative to the working directory."""

SHARED = ".spoofscope"
"""The folder of locks in a folder that runs may share: of results, or of corpora."""

LOCK = "run.lock"
"""The file that a run holds, in a folder of locks."""

_logger = logging.getLogger("spoofscope.locks")

# Locks that are held until the process ends; closing the file would give them back.
_kept: list[int] = []


def _open_locked(path: Path, wait: bool) -> int | None:
    """Descriptor of the locked file, or None when another process has it and `wait` is false."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # os.open makes descriptors that programs started from here do not inherit.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise SpoofscopeError(
                f"the file of a lock cannot be written: {refusal(error)}"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # The holder before may have deleted the file while this process waited for it.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                note = {
                    "host": platform.node(),
                    "pid": os.getpid(),
                    "since": datetime.datetime.now().isoformat(" ", "seconds"),
                    "command": " ".join(sys.argv),
                }
                os.truncate(descriptor, 0)
                os.write(descriptor, json.dumps(note).encode())
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(descriptor)
            raise SpoofscopeError(
                f"{path}: this file cannot be locked ({error}); without locks two runs could write "
                "the same files. Mount the file system with locks, or use a folder on one that has "
                "them"
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _holder(path: Path) -> str:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        return f"process {note['pid']} on {note['host']}, since {note['since']}"
    except (OSError, ValueError, KeyError):
        # It is about to write the note, or about to end.
        return "a process that has just started or ended"


def keep_lock(path: Path, what: str) -> None:
    """Lock `path` for the rest of this process' life; at its end the file is deleted.

    Raises:
        SpoofscopeError: another process has the lock; the message says `what` goes on there, and
            names host, process and time. Or the file system has no locks.
    """
    descriptor = _open_locked(path, wait=False)
    if descriptor is None:
        raise SpoofscopeError(
            f"{what}: {_holder(path)}. Let it end, or stop it with Ctrl-C or kill -INT; after a "
            "crash there is nothing to unlock"
        )
    _kept.append(descriptor)
    atexit.register(_delete_kept, path.absolute(), os.getpid())


def _delete_kept(path: Path, holder: int) -> None:
    # A process that was forked has not got the lock.
    if os.getpid() == holder:
        path.unlink(missing_ok=True)


def lock_if_free(path: Path) -> int | None:
    """Lock `path` unless another process has it.

    Returns:
        A descriptor, whose closing gives the lock back; None when another process has the lock.

    Raises:
        SpoofscopeError: the file system has no locks.
    """
    return _open_locked(path, wait=False)


def is_held(path: Path) -> bool:
    """Whether a process holds this lock; this one, or another."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def forget_claims(folder: Path = FOLDER) -> None:
    """Delete the files of claims that killed processes have left."""
    for path in (folder / "claims").glob("*"):
        descriptor = lock_if_free(path)
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _claim_on(output: str | Path, folder: Path) -> Path:
    return folder / "claims" / hashlib.sha256(str(output).encode()).hexdigest()[:16]


@contextlib.contextmanager
def claim(output: str | Path, folder: Path = FOLDER) -> Iterator[None]:
    """Make `output`, and what belongs to it, alone: wait until no other process does.

    A job of a run that was killed may still be at work, as may one on a node that a cluster has
    given up.
    """
    path = _claim_on(output, folder)
    descriptor = _open_locked(path, wait=False)
    if descriptor is None:
        _logger.warning("%s is still being made by %s; waiting for its end", output, _holder(path))
        descriptor = _open_locked(path, wait=True)
        assert descriptor is not None
        _logger.info("the other process has ended")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


@contextlib.contextmanager
def claim_if_free(output: str | Path, folder: Path = FOLDER) -> Iterator[bool]:
    """:func:`claim`, without waiting; yields whether it was free, and does no more where not."""
    path = _claim_on(output, folder)
    descriptor = _open_locked(path, wait=False)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)
