"""Zip archives that were cut into parts (`.z01`, `.z02`, ..., `.zip`), read as one.

The parts are the archive, cut at any byte, but the places in its directory count from the beginning
of the part that they are in. Python's reader knows no parts. So it is given all of them as one
file whose ending says where the directory begins in it, and then the places of the members are
corrected. Source: APPNOTE.TXT of PKWARE, 4.3.12 to 4.3.16 and 8.
"""

import io
import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from spoofscope.corpora.joined import Joined, starts_of
from spoofscope.errors import CorpusError

_MARK = b"PK\x07\x08"
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_END = _END.size + (1 << 16)


def is_part(path: Path) -> bool:
    """Whether a file begins like the first part of an archive that was cut."""
    with open(path, "rb") as stream:
        return stream.read(4) == _MARK


def parts_before(path: Path) -> int:
    """How many parts come before this one, which has to be the last; 0 where it is no part."""
    end = _last_record(path)
    return 0 if end is None else end[1]


def _last_record(path: Path) -> tuple[int, int, int, int, int, int] | None:
    """Of a zip archive: place of its last record, number of this part from 0, number of the part
    where the directory begins, and its entries, size and place.
    """
    n_bytes = path.stat().st_size
    with open(path, "rb") as stream:
        stream.seek(max(0, n_bytes - _LONGEST_END - _LOCATOR.size))
        first = stream.tell()
        tail = stream.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        return None
    _, this, start, _, entries, size, offset, comment = _END.unpack_from(tail, place)
    if len(tail) != place + _END.size + comment:
        return None
    return first + place, this, start, entries, size, offset


@contextmanager
def open_parts(parts: Sequence[Path]) -> Iterator[zipfile.ZipFile]:
    """All parts as one archive.

    Args:
        parts: in their order, the one that ends in `.zip` last.

    Raises:
        CorpusError: they do not belong together.
        zipfile.BadZipFile: damage.
    """
    starts = starts_of(parts)
    end = _last_record(parts[-1])
    if end is None or end[1] != len(parts) - 1:
        raise CorpusError(f"{parts[-1]}: it is not the last of {len(parts)} parts of a zip archive")
    place, _, start, entries, size, offset = end
    with open(parts[-1], "rb") as stream:
        stream.seek(max(0, place - _LOCATOR.size))
        before = stream.read(min(place, _LOCATOR.size))
    if len(before) == _LOCATOR.size and before.startswith(b"PK\x06\x07"):
        _, disk, at, _ = _LOCATOR.unpack(before)
        with open(parts[_checked(disk, parts)], "rb") as stream:
            stream.seek(at)
            record = stream.read(_END_64.size)
        if len(record) < _END_64.size or not record.startswith(b"PK\x06\x06"):
            raise zipfile.BadZipFile("its directory is not where it should be")
        *_, start, _, entries, size, offset = _END_64.unpack(record)
    directory = starts[_checked(start, parts)] + offset
    end_64 = directory + size
    ending = (
        _END_64.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, directory)
        + _LOCATOR.pack(b"PK\x06\x07", 0, end_64, 1)
        + _END.pack(b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    )
    if end_64 > sum(part.stat().st_size for part in parts):
        raise zipfile.BadZipFile("its directory is longer than the archive")
    with (
        io.BufferedReader(Joined(parts, end_64, ending)) as joined,
        zipfile.ZipFile(joined) as archive,
    ):
        for member in archive.infolist():
            member.header_offset += starts[_checked(member.volume, parts)]
        # Later versions of Python compare members with where the next one begins.
        following = directory
        for member in sorted(archive.infolist(), key=lambda one: -one.header_offset):
            if hasattr(member, "_end_offset"):
                member._end_offset = following
            following = member.header_offset
        yield archive


def _checked(number: int, parts: Sequence[Path]) -> int:
    if not 0 <= number < len(parts):
        raise zipfile.BadZipFile(f"it names part {number + 1} of {len(parts)}")
    return number
