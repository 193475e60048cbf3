"""Files that are either whole or not there: atomic writes, JSON, hashes."""

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spoofscope.errors import SpoofscopeError


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


def one_line(text: object) -> str:
    """A message as one line that every terminal can print; what is not printable is escaped."""
    words = " ".join(str(text).split())
    return "".join(c if c.isprintable() else _escaped(c) for c in words)


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
    return path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")


@contextmanager
def _failure_named(path: Path, temporary: Path) -> Iterator[None]:
    """Say of what cannot be written that it is `path`, whose temporary name nobody knows."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except SpoofscopeError:
        raise
    except Exception as error:
        if isinstance(error, OSError):
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            if not full and error.filename in (str(temporary), str(path.parent)):
                raise SpoofscopeError(
                    f"{path} cannot be written ({error.strerror}); name another place"
                ) from error
        else:
            # torch and safetensors have exceptions of their own, without the system's number.
            full = shutil.disk_usage(path.parent).free < 1 << 16
        if full:
            raise SpoofscopeError(
                f"{path}: the disk is full; nothing was changed, make room and repeat"
            ) from error
        raise


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` that becomes `path` when the block succeeds.

    The temporary file has the same suffix. When the block raises, the temporary file is deleted
    and `path` stays as it was. The content is flushed to disk before the rename, so a full disk or
    a power cut never leaves a short file under the final name.

    Raises:
        SpoofscopeError: `path` is a folder or cannot be written, the block wrote nothing to the
            temporary name, or the disk is full.
    """
    path = Path(path)
    if path.is_dir():
        raise SpoofscopeError(f"{path} is a folder; name a file")
    temporary = _temporary_name(path)
    try:
        with _failure_named(path, temporary):
            yield temporary
            if not temporary.exists():
                raise SpoofscopeError(f"nothing was written for {path}")
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

    Raises:
        SpoofscopeError: `path` cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    retired = path.with_name(f".{path.name}.{os.getpid()}.old")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with _failure_named(path, temporary):
            temporary.mkdir()
            yield temporary
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


def remove_leftovers(path: str | Path) -> None:
    """Delete what killed processes left of `path`, or of the folder that it is in.

    For the one process that makes `path` now: of one that still writes it would take the file away.
    """
    path = Path(path)
    names = [(path, f".{glob.escape(path.stem)}.*.tmp{glob.escape(path.suffix)}")]
    names += [(path.parent, f".{glob.escape(path.parent.name)}.*.{end}") for end in ("tmp", "old")]
    for place, pattern in names:
        for leftover in place.parent.glob(pattern):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()


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
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
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


def sha256_folder(path: str | Path) -> str:
    """SHA-256 over the sorted relative names and contents of all files below a folder."""
    digest = hashlib.sha256()
    folder = Path(path)
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(folder).as_posix()}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()


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
            if entry.is_dir():
                yield from _below(entry.path, (*above, real))
            else:
                yield entry.path
