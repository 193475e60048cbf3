"""7z archives, whole or cut into parts (`.7z.001`, `.7z.002`, ...), read with py7zr.

The parts are the archive, cut at any byte; only the first of them begins like one.
"""

import io
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import py7zr
from py7zr.exceptions import ArchiveError, PasswordRequired, UnsupportedCompressionMethodError

from spoofscope.corpora.joined import Joined
from spoofscope.errors import CorpusError

# What py7zr stumbles over in headers that are none.
_NONSENSE = (AssertionError, AttributeError, IndexError, KeyError, TypeError)
_MAGIC = b"7z\xbc\xaf\x27\x1c"
# Magic, version and checksum; place of the directory behind this, its size and its checksum.
_START = struct.Struct("<12s2QL")


def is_archive(path: Path) -> bool:
    """Whether a file begins like a 7z archive, or like the first part of one."""
    with open(path, "rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def parts_of(archives: Sequence[Path]) -> int:
    """How many of some files are the archive that the first of them begins.

    Its header says how long all parts are together (7zFormat.txt of the LZMA SDK, SignatureHeader).

    Raises:
        CorpusError: the files are shorter.
    """
    with open(archives[0], "rb") as stream:
        start = stream.read(_START.size)
    if len(start) < _START.size:
        return 1  # too short for an archive, which the reader says
    _, offset, size, _ = _START.unpack(start)
    needed = _START.size + offset + size
    have = 0
    for n_parts, part in enumerate(archives, start=1):
        have += part.stat().st_size
        if have >= needed:
            return n_parts
    raise CorpusError(
        f"{archives[0]}: a 7z archive of {needed:,} bytes, of which {have:,} are here; list all of "
        "its parts (.001, .002, ...) in their order, or fetch it again"
    )


def extract(parts: Sequence[Path], folder: Path, taken: Callable[[int], None]) -> None:
    """Unpack an archive into an existing folder.

    Args:
        parts: of the archive, in their order.
        folder: a file of the same name in it is replaced.
        taken: told the bytes of all members before the first one is written; raises where they
            are too many.

    Raises:
        CorpusError: damage, parts in another order, a password, a packing that py7zr cannot read,
            or a member that would be written outside of the folder (absolute, with ".."), or that
            is no file or folder.
        OSError: the folder cannot be written.
    """
    archive = parts[0]
    with (
        _understood(archive),
        io.BufferedReader(Joined(parts)) as joined,
        py7zr.SevenZipFile(joined) as opened,
    ):
        if opened.needs_password():
            raise PasswordRequired
        for member in opened.files:
            _check(archive, member)
        taken(sum(member.uncompressed for member in opened.files))
        opened.extractall(folder)
    # Not those that the archive asks for, which may be setuid, or lock a folder.
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _check(archive: Path, member: py7zr.py7zr.ArchiveFile) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    other = member.is_symlink or member.is_junction or member.is_socket
    if path.is_absolute() or ".." in path.parts or not path.parts or other:
        raise CorpusError(
            f"{archive}: refused: member {member.filename!r} is no file, has no name or lies "
            "outside of the folder"
        )


@contextmanager
def _understood(archive: Path) -> Iterator[None]:
    """What py7zr says of archives that it cannot read, in our words."""
    try:
        yield
    except (OSError, CorpusError):
        raise
    except UnsupportedCompressionMethodError as error:
        raise CorpusError(
            f"{archive}: packed in a way that py7zr cannot read ({error}); unpack it with 7-Zip "
            "(7z x FILE) and give the folder as `path`"
        ) from error
    except PasswordRequired as error:
        raise CorpusError(
            f"{archive}: it is encrypted; unpack it with its password (7z x)"
        ) from error
    except (ArchiveError, *_NONSENSE) as error:
        way_out = "list all of its parts in their order, or fetch it again"
        raise CorpusError(f"{archive}: damaged: {error}; {way_out}") from error
