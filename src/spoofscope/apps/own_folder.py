"""A folder for the uploads of a server, which is deleted with the server."""

import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spoofscope.locks import keep_lock, lock_if_free

_PREFIX = "spoofscope-demo-"
_LOCK = "lock"


def end_on_signals() -> None:
    """Treat SIGTERM and SIGHUP like Ctrl+C, so that what is open is put in order at the end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def _delete_if_left(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        return
    lock = folder / _LOCK
    if lock.is_file() and (held := lock_if_free(lock)) is not None:
        try:
            shutil.rmtree(folder)
        finally:
            os.close(held)


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for this process, deleted at its end, with the folders of killed processes."""
    for former in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # What goes at this moment is deleted by its own process, or by another that starts.
        with suppress(FileNotFoundError):
            _delete_if_left(former)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        keep_lock(Path(folder) / _LOCK, f"another page uses {folder}")
        yield Path(folder)
