"""Files that are either whole or not there: atomic writes, JSON, hashes."""

import errno
import glob
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from spoofscope.errors import SpoofscopeError, bounded

LOGS_ARE_SHOWN = "SPOOFSCOPE_LOGS_ARE_SHOWN"
"""Set in the environment of jobs whose progress is shown: they write into their logs alone."""

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of the system's errors that mean a full disk."""

_WAYS_OUT = {
    errno.ENOSPC: "; make room and repeat",
    errno.EDQUOT: "; make room and repeat",
    errno.EACCES: "; see its permissions and those of the folder that it is in",
    errno.EPERM: "; see its permissions and those of the folder that it is in",
    errno.EROFS: "; name a place that can be written",
    errno.ENAMETOOLONG: "; shorten the name, or name another place",
}
# Most file systems take 255 bytes, of which temporary names and suffixes need some.
_LONGEST_STEM = 200

# There is no way to read it but to set it. Importing is done by one thread.
_UMASK = os.umask(0o077)
os.umask(_UMASK)


def shown(name: str | os.PathLike[str]) -> str:
    r"""A name as text for a line that people read: one line, no codes for the terminal.

    Names of printable characters stay as they are. Others, and those that themselves begin with
    a quotation mark or end in a blank, are written in double quotes, with
    escapes: `"a\nb"`, `"caf\xe9"` for a byte that is no UTF-8.
    """
    text = os.fspath(name)
    if text.isprintable() and text == text.strip() and not text.startswith('"'):
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def no_file(path: Path, kind: str) -> str:
    """Why a path that is no regular file cannot be read as one, and the way out.

    Args:
        path: of the file.
        kind: what it should be, such as "table".
    """
    if path.is_dir():
        return f"{path}: a folder, not a {kind}"
    if path.exists():
        return (
            f"{path}: a pipe or a device, and a {kind} is read from a file; write it into one first"
        )
    return f"{path}: no such {kind}"


def one_line(text: object) -> str:
    """A message as one line that every terminal can print; what is not printable is escaped."""
    return printable(bounded(" ".join(str(text).split())))


def printable(text: str) -> str:
    """A text of any number of lines, in which what is not printable is escaped."""
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def is_text(name: str) -> bool:
    """Whether tables can hold a name: it is UTF-8, without tabs and line breaks."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return not any(c in name for c in "\t\n\r\0")


def _escaped(character: str) -> str:
    if character in '\\"':
        return f"\\{character}"
    if character.isprintable():
        return character
    # Python's stand-ins for bytes of file names that are not UTF-8 (PEP 383).
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if ord(character) < 128:
        return character.encode("unicode_escape").decode("ascii")
    return f"\\u{ord(character):04x}"


def _temporary_name(path: Path) -> Path:
    # The suffix is kept because soundfile, matplotlib and others choose the format by it.
    return path.with_name(f".{_cut(path.stem)}.{os.getpid()}.tmp{path.suffix}")


def refusal(error: OSError) -> str:
    """What the file system refused, and of which file, in one line with the way out."""
    what = error.strerror or str(error) or type(error).__name__
    where = "" if error.filename is None else f"{shown(error.filename)}: "
    return one_line(f"{where}{what}{_WAYS_OUT.get(error.errno or 0, '')}")


def file_stem(name: str) -> str:
    """A file's name, without its suffix, that file systems take, made of any text.

    A slash, which ids of some corpora have, and the percent sign are percent-encoded. What is
    longer than file systems take is cut, with a digest of the whole instead of the rest, so that
    different texts stay different names.
    """
    return _cut(name.replace("%", "%25").replace("/", "%2F"))


def _cut(stem: str) -> str:
    encoded = os.fsencode(stem)
    if len(encoded) <= _LONGEST_STEM:
        return stem
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    kept = encoded[: _LONGEST_STEM - len(digest) - 1].decode("utf-8", "ignore")
    return f"{kept}-{digest}"


def _is_full(error: Exception, folder: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in FULL
    # torch and safetensors have exceptions of their own, the second with the system's number. It
    # has deleted its file by then, so there may be room again.
    number = re.search(r"os error (\d+)", str(error))
    if number is not None:
        return int(number[1]) in FULL
    return shutil.disk_usage(folder).free < 1 << 16


@contextmanager
def _failure_named(path: Path, temporary: Path) -> Iterator[None]:
    """Say of what cannot be written that it is `path`, whose temporary name nobody knows."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except SpoofscopeError:
        raise
    except Exception as error:
        if _is_full(error, path.parent):
            raise SpoofscopeError(
                f"{path}: the disk is full; nothing was changed, make room and repeat"
            ) from error
        if isinstance(error, OSError) and error.filename in (str(temporary), str(path.parent)):
            raise SpoofscopeError(
                f"{path} cannot be written ({error.strerror}); name another place"
            ) from error
        raise


def _open_to_readers(path: Path) -> None:
    """Let others read a file or folder as far as the umask lets them.

    safetensors makes files that nobody but their owner can read, archives say what they like.
    """
    mode = stat.S_IMODE(path.lstat().st_mode)
    wanted = mode | ((0o777 if path.is_dir() else 0o666) & ~_UMASK)
    if mode != wanted:
        path.chmod(wanted)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` that becomes `path` when the block succeeds.

    The temporary file has the same suffix. When the block raises, the temporary file is deleted
    and `path` stays as it was. The content is flushed to disk before the rename, so a full disk or
    a power cut never leaves a short file under the final name.

    Raises:
        SpoofscopeError: `path` is a folder, a device or a pipe, or cannot be written, the block
            wrote nothing to the temporary name, or the disk is full.
    """
    path = Path(path)
    if "\0" in str(path):
        raise SpoofscopeError(f"{shown(path)}: no file can have this name; it holds a NUL")
    if path.is_dir():
        raise SpoofscopeError(f"{path} is a folder; name a file")
    # A device would be gone, and a file of its name in its place, for all users of the machine.
    if path.exists() and not path.is_file():
        raise SpoofscopeError(
            f"{shown(path)} is a device or a pipe, and results are written to files; name one"
        )
    temporary = _temporary_name(path)
    try:
        with _failure_named(path, temporary):
            yield temporary
            if not temporary.exists():
                raise SpoofscopeError(f"nothing was written for {path}")
            _open_to_readers(temporary)
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, path)
    finally:
        # Not unlink's own test, which fails where a part of the path is a file.
        if temporary.exists():
            temporary.unlink()


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that replaces `path` when the block succeeds.

    When the block raises, the temporary folder is deleted and an existing `path` stays untouched.
    What killed processes of this machine left of it is deleted.

    Raises:
        SpoofscopeError: `path` is there and no folder, cannot be written, or the disk is full.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise SpoofscopeError(f"{shown(path)} is no folder; name one")
    for leftover in _leftover_folders(path):
        if not _is_alive(leftover):
            _delete(leftover)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    retired = path.with_name(f".{path.name}.{os.getpid()}.old")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with _failure_named(path, temporary):
            temporary.mkdir()
            yield temporary
            for parent, folders, files in os.walk(temporary):
                for name in (*folders, *files):
                    if not os.path.islink(made := os.path.join(parent, name)):
                        _open_to_readers(Path(made))
            if path.exists():
                os.replace(path, retired)
            try:
                os.replace(temporary, path)
            except OSError:
                if retired.exists():
                    os.replace(retired, path)
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)


def _leftover_folders(path: Path) -> list[Path]:
    name = glob.escape(path.name)
    return [found for end in ("tmp", "old") for found in path.parent.glob(f".{name}.*.{end}")]


def _is_alive(leftover: Path) -> bool:
    number = leftover.name.split(".")[-2]
    return number.isdecimal() and psutil.pid_exists(int(number))


def _delete(leftover: Path) -> None:
    if leftover.is_dir() and not leftover.is_symlink():
        shutil.rmtree(leftover)
    else:
        leftover.unlink()


def remove_leftovers(path: str | Path) -> None:
    """Delete what killed processes left of `path`, or of the folder that it is in.

    For the one process that makes `path` now: of one that still writes it would take the file away.
    """
    path = Path(path)
    pattern = f".{glob.escape(_cut(path.stem))}.*.tmp{glob.escape(path.suffix)}"
    for leftover in (*path.parent.glob(pattern), *_leftover_folders(path.parent)):
        _delete(leftover)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, obj: Any) -> None:
    """Write `obj` as JSON with sorted keys, atomically; NaN and infinities are refused."""
    write_text(path, json.dumps(obj, sort_keys=True, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        SpoofscopeError: the file is missing or is no JSON; the message names file and line.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpoofscopeError(f"{path} does not exist") from None
    except (ValueError, RecursionError) as error:
        raise SpoofscopeError(f"{path} is not valid JSON: {error}") from error


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy_checked(source: str | Path, target: str | Path, sha256: str) -> None:
    """Copy a file whose content is known, atomically.

    Args:
        source: the file.
        target: where the copy goes.
        sha256: of the content, 64 hexadecimal digits.

    Raises:
        SpoofscopeError: the content is another one.
    """
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
        found = sha256_file(temporary)
        if found != sha256:
            raise SpoofscopeError(
                f"{source} is not the file that it was, or should be: its SHA-256 is {found}, "
                f"expected {sha256}; it was altered or damaged: copy or import it again"
            )


def files_below(folder: str | Path) -> Iterator[Path]:
    """All files below a folder, in any order; hidden files and folders are left out.

    Linked folders are entered, except those that would lead back into themselves.
    """
    return map(Path, paths_below(folder))


def paths_below(folder: str | Path) -> Iterator[str]:
    """The same as text: of many files, objects take longer than the disk."""
    return _below(str(folder), ())


def _below(folder: str, above: tuple[str, ...]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above or not os.path.isdir(real):
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                is_folder = entry.is_dir()
            except OSError:
                # A link to itself; whoever opens it says so.
                is_folder = False
            if is_folder:
                yield from _below(entry.path, (*above, real))
            else:
                yield entry.path
