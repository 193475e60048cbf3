"""Fetching archives so that a broken line costs nothing, and unpacking them safely."""

import errno
import http.client
import os
import shutil
import ssl
import stat
import struct
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from spoofscope.errors import ConfigError, CorpusError
from spoofscope.files import atomic_folder, sha256_file, shown

_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 60
# Fewer bytes in that time are no transfer any more.
_FEW_BYTES = 1 << 16
_FEW_BYTES_SECONDS = 30
_PROGRESS_SECONDS = 5.0
# Answers after which asking again makes sense.
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

_SCHEMES = ("http", "https")

# Speech, and tables about it, shrink to a fifth at the very best. An archive that claims more is
# damaged, or made to fill disks.
_LARGEST_EXPANSION = 100
_SMALLEST_LIMIT = 100 << 20
_LARGEST_HEADER = 1 << 20

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_OTHER_METHODS = {9: "Deflate64", 93: "Zstandard", 95: "XZ", 99: "AES encryption"}

_NETWORK_ERRORS = (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError)


class _Interrupted(Exception):
    """The transfer stopped early; what arrived is on disk."""


class _TooSlow(_Interrupted):
    """So little arrives that it is no transfer."""


def fetch(
    url: str,
    sha256: str,
    target: str | Path,
    size: int | None = None,
    *,
    attempts: int = 6,
    first_pause: float = 1.0,
) -> None:
    """Download a file, or do nothing when it is there already.

    What arrives goes to `<target>.part`, which a later attempt, or a later call, continues with a
    Range request. The file gets its name only after its checksum was found right. A line with the
    progress goes to standard error every few seconds.

    Args:
        url: http or https.
        sha256: 64 hexadecimal digits.
        target: the file to make; a file with another content is replaced.
        size: bytes, if known; lets a wrong file be refused before it is downloaded.
        attempts: how often to ask in a row without receiving anything before giving up.
        first_pause: seconds before the second attempt; doubles with every further one.

    Raises:
        ConfigError: no http(s) address that can be asked, or no SHA-256.
        CorpusError: an HTTP error, a wrong size, or a wrong checksum (what was downloaded is
            deleted then).
    """
    target = Path(target)
    _check_address(url)
    if len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef"):
        raise ConfigError(f"{url}: {sha256!r} is no SHA-256 (64 hexadecimal digits)")
    if target.is_file() and sha256_file(target) == sha256.lower():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    fruitless, pause = 0, first_pause
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _transfer(url, part, size)
            break
        except _Interrupted as interruption:
            after = part.stat().st_size if part.exists() else 0
            if after > before and not isinstance(interruption, _TooSlow):
                fruitless, pause = 0, first_pause
            fruitless += 1
            if fruitless >= attempts:
                raise CorpusError(
                    f"{url}: gave up after {attempts} attempts: {interruption}; run again to go on "
                    f"after the {after} bytes in {part}"
                ) from interruption
            time.sleep(pause)
            pause *= 2
    digest = sha256_file(part)
    if digest != sha256.lower():
        part.unlink()
        raise CorpusError(
            f"{url}: the download has the SHA-256 {digest}, expected {sha256}; it was deleted. The "
            "file has changed at its source, or the checksum in the study file is wrong"
        )
    part.replace(target)


def _check_address(url: str) -> None:
    what = None
    try:
        parts = urllib.parse.urlsplit(url)
        # The port is looked at only when it is asked for.
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        what = f"this is no address: {error}"
    else:
        if parts.scheme not in _SCHEMES:
            what = "only http and https addresses can be downloaded"
        elif not url.isascii() or not url.isprintable() or " " in url:
            what = "an address has no blanks and no letters beyond ASCII: percent-encode them"
        elif not host:
            what = "the address names no host"
        elif "@" in parts.netloc:
            what = "user names and passwords in addresses are not supported"
    if what is not None:
        raise ConfigError(f"{shown(url)}: {what}")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Redirects to where a study file could not point either are refused."""

    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str
    ) -> Any:
        try:
            _check_address(newurl)
        except ConfigError as error:
            raise CorpusError(f"{req.full_url}: the server sends on to {error}") from error
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _transfer(url: str, part: Path, size: int | None) -> None:
    """Append to `part` until the server says that it is complete."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "spoofscope"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        opener = urllib.request.build_opener(_Redirects)
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            if have and not _continues(answer, have):
                # The server sends the whole file whatever was asked.
                have = 0
            total = _total(answer, have)
            if size is not None and total is not None and total != size:
                part.unlink(missing_ok=True)
                raise CorpusError(f"{url}: the server has {total} bytes, expected {size}")
            with open(part, "ab" if have else "wb") as stream:
                got = _copy(answer, stream, url, have, total, size)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            # Nothing is left to send; the checksum decides whether that is so.
            return
        if error.code in _TRANSIENT:
            raise _Interrupted(f"HTTP {error.code} {error.reason}") from error
        raise CorpusError(f"{url}: HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        # A full disk will not be emptier at the next attempt; the network may be back.
        if isinstance(error, OSError) and not isinstance(error, _NETWORK_ERRORS):
            raise CorpusError(f"{part}: cannot be written: {error}") from error
        raise _Interrupted(str(error)) from error
    except ValueError as error:
        raise CorpusError(f"{url}: the server sends on to no address: {error}") from error
    if total is not None and got < total:
        raise _Interrupted(f"the connection closed after {got} of {total} bytes")


def _continues(answer: http.client.HTTPResponse, have: int) -> bool:
    span = answer.headers.get("Content-Range", "")
    return answer.status == 206 and span.startswith(f"bytes {have}-")


def _total(answer: http.client.HTTPResponse, have: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    # What is no number says nothing; the checksum decides.
    return have + int(length) if length.isascii() and length.isdigit() else None


def _copy(
    answer: http.client.HTTPResponse,
    stream: BinaryIO,
    url: str,
    have: int,
    total: int | None,
    size: int | None,
) -> int:
    name = url.rsplit("/", 1)[-1]
    due = time.monotonic() + _PROGRESS_SECONDS
    slow, before = time.monotonic() + _FEW_BYTES_SECONDS, have
    while block := answer.read1(_BLOCK):
        stream.write(block)
        have += len(block)
        now = time.monotonic()
        if size is not None and have > size:
            raise CorpusError(f"{url}: the server sends more than the {size} bytes expected")
        if now >= slow:
            if have - before < _FEW_BYTES:
                raise _TooSlow(f"only {have - before} bytes came in {_FEW_BYTES_SECONDS:g} s")
            slow, before = now + _FEW_BYTES_SECONDS, have
        if now >= due:
            due = now + _PROGRESS_SECONDS
            share = f" of {total / 1e6:.0f} MB ({have / total:.0%})" if total else " MB"
            print(f"{name}: {have / 1e6:.0f}{share}", file=sys.stderr, flush=True)
    return have


def unpack(archive: str | Path, folder: str | Path) -> int:
    """Unpack one archive, see :func:`unpack_all`."""
    return unpack_all([Path(archive)], folder)


def unpack_all(archives: Sequence[Path], folder: str | Path) -> int:
    """Unpack tar (plain, gz, bz2, xz) and zip archives into one folder.

    The folder appears as a whole, or stays as it was.

    Args:
        archives: their kind is found from the content, not from the name. Where two hold a file of
            one name (a licence, a read-me), the later one is kept.
        folder: replaced if it exists.

    Returns:
        The number of files in the folder.

    Raises:
        CorpusError: no archive, a damaged one, one that grows more than a hundredfold or is packed
            in a way that Python cannot read, or one with a member that would be written outside of
            the folder (absolute, with "..", through a link) or is a device.
    """
    with atomic_folder(folder) as temporary:
        for archive in archives:
            _unpack_into(archive, temporary)
        return sum(path.is_file() for path in temporary.rglob("*"))


class _Room:
    """How much an archive may still grow."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._left = max(_LARGEST_EXPANSION * archive.stat().st_size, _SMALLEST_LIMIT)

    def take(self, size: int) -> None:
        self._left -= size
        if size < 0 or self._left < 0:
            raise CorpusError(
                f"{self._archive}: refused: it would grow to more than {_LARGEST_EXPANSION} times "
                "its size, as no corpus does; it is damaged, or made to fill disks"
            )


class _Member(tarfile.TarInfo):
    """A header of a tar archive that is not believed.

    tarfile takes a header that it cannot read for the end of the archive, unless it is the first,
    reads extended headers of any size into memory, and goes back where a size is negative.
    """

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "_Member":
        try:
            return super().fromtarfile(tar)
        except tarfile.HeaderError as error:
            if type(error) not in _BROKEN_HEADERS:  # the end of the archive
                raise
            raise tarfile.ReadError(str(error)) from error

    def _proc_member(self, tar: tarfile.TarFile) -> "_Member":
        is_extension = self.type in _EXTENSIONS
        if self.size < 0 or (is_extension and self.size > _LARGEST_HEADER):
            raise tarfile.ReadError(f"a header gives the size {self.size}")
        member: _Member = super()._proc_member(tar)  # type: ignore[misc]
        if member.size < 0:
            raise tarfile.ReadError(f"a header gives the size {member.size}")
        return member


_BROKEN_HEADERS = (
    tarfile.InvalidHeaderError,  # type: ignore[attr-defined]
    tarfile.TruncatedHeaderError,  # type: ignore[attr-defined]
)
_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


def _unpack_into(archive: Path, folder: Path) -> None:
    if not archive.is_file():
        raise CorpusError(f"{archive}: no such archive")
    room = _Room(archive)
    try:
        if zipfile.is_zipfile(archive) and not _begins_as_tar(archive):
            with zipfile.ZipFile(archive) as zipped:
                _extract_zip(zipped, archive, folder, room)
        else:
            _extract_tar(archive, folder, room)
    except tarfile.FilterError as error:
        raise CorpusError(f"{archive}: refused: {error}") from error
    except OSError as error:
        # gzip and bz2 report damage so; errors of the file system have a number.
        if error.errno is None:
            raise CorpusError(f"{archive}: damaged: {error}; fetch it again") from error
        if error.errno in _BAD_NAMES and error.filename is not None:
            member = shown(os.path.relpath(error.filename, folder))
            raise CorpusError(
                f"{archive}: refused: member {member} cannot be a file ({error.strerror})"
            ) from error
        raise CorpusError(f"{folder}: cannot be written: {error}") from error
    except NotImplementedError as error:
        raise CorpusError(
            f"{archive}: Python cannot read it ({error}); unpack it with another program (7-Zip) "
            "and pack it as tar, or give the folder"
        ) from error
    except _DAMAGE as error:
        raise CorpusError(f"{archive}: damaged: {error}; fetch it again") from error


# What a file system says of names that are too long, or are those of a file and of a folder.
_BAD_NAMES = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL)
# The last ones: what Python's readers make of numbers and names that cannot be.
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    LZMAError,
    struct.error,
    ValueError,
    OverflowError,
    MemoryError,
)


def _extract_tar(archive: Path, folder: Path, room: _Room) -> None:
    def checked(member: tarfile.TarInfo, place: str) -> tarfile.TarInfo:
        room.take(member.size)
        # The standard filter strips leading slashes; an archive that needs that is not what it
        # claims.
        if member.name.startswith("/"):
            raise tarfile.AbsolutePathError(member)
        return tarfile.data_filter(member, place)

    opened = False
    try:
        with tarfile.open(archive, tarinfo=_Member) as tar:
            opened = True
            tar.extractall(folder, filter=checked)
            # tarfile stops at the end mark; the checksum of gzip comes after it.
            while tar.fileobj is not None and (block := tar.fileobj.read(_BLOCK)):
                room.take(len(block))
    except tarfile.ReadError as error:
        if opened:
            raise
        raise CorpusError(
            f"{archive}: neither a tar nor a zip archive, or a damaged one; fetch it again"
        ) from error


def _begins_as_tar(archive: Path) -> bool:
    # A tar archive may hold a zip file at its end, where zip files are known by.
    with open(archive, "rb") as stream:
        return stream.read(512)[257:262] == b"ustar"


def _extract_zip(zipped: zipfile.ZipFile, archive: Path, folder: Path, room: _Room) -> None:
    for member in zipped.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or not path.parts or is_link:
            raise CorpusError(
                f"{archive}: refused: member {member.filename!r} is a link, has no name or lies "
                "outside of the folder"
            )
        if member.compress_type not in _METHODS:
            method = _OTHER_METHODS.get(member.compress_type, f"method {member.compress_type}")
            raise CorpusError(
                f"{archive}: member {member.filename!r} is packed with {method}, which Python "
                "cannot read; unpack it with another program (7-Zip) and pack it as tar, or give "
                "the folder"
            )
        if member.flag_bits & 1:
            raise CorpusError(f"{archive}: member {member.filename!r} is encrypted")
        room.take(member.file_size)
        target = folder / path
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipped.open(member) as source, open(target, "wb") as stream:
            shutil.copyfileobj(source, stream, _BLOCK)
