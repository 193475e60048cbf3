"""Fetching archives so that a broken line costs nothing, and unpacking them safely."""

import http.client
import shutil
import ssl
import stat
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from spoofscope.errors import ConfigError, CorpusError
from spoofscope.files import atomic_folder, sha256_file

_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 60
_PROGRESS_SECONDS = 5.0
# Answers after which asking again makes sense.
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

_NETWORK_ERRORS = (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError)


class _Interrupted(Exception):
    """The transfer stopped early; what arrived is on disk."""


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
        ConfigError: no http(s) address, or no SHA-256.
        CorpusError: an HTTP error, a wrong size, or a wrong checksum (what was downloaded is
            deleted then).
    """
    target = Path(target)
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{url}: only http and https addresses can be downloaded")
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
            if after > before:
                fruitless, pause = 0, first_pause
            fruitless += 1
            if fruitless >= attempts:
                raise CorpusError(
                    f"{url}: gave up after {attempts} attempts: {interruption}; run again to go on "
                    f"after the {after} bytes in {part}"
                ) from interruption
            time.sleep(pause)
            pause *= 2
    found = sha256_file(part)
    if found != sha256.lower():
        part.unlink()
        raise CorpusError(
            f"{url}: the download has the SHA-256 {found}, expected {sha256}; it was deleted. The "
            "file has changed at its source, or the checksum in the study file is wrong"
        )
    part.replace(target)


def _transfer(url: str, part: Path, size: int | None) -> None:
    """Append to `part` until the server says that it is complete."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "spoofscope"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            if have and not _continues(answer, have):
                # The server sends the whole file whatever was asked.
                have = 0
            total = _total(answer, have)
            if size is not None and total is not None and total != size:
                part.unlink(missing_ok=True)
                raise CorpusError(f"{url}: the server has {total} bytes, expected {size}")
            with open(part, "ab" if have else "wb") as stream:
                got = _copy(answer, stream, url, have, total)
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
    if total is not None and got < total:
        raise _Interrupted(f"the connection closed after {got} of {total} bytes")


def _continues(answer: http.client.HTTPResponse, have: int) -> bool:
    span = answer.headers.get("Content-Range", "")
    return answer.status == 206 and span.startswith(f"bytes {have}-")


def _total(answer: http.client.HTTPResponse, have: int) -> int | None:
    length = answer.headers.get("Content-Length")
    return None if length is None else have + int(length)


def _copy(
    answer: http.client.HTTPResponse, stream: BinaryIO, url: str, have: int, total: int | None
) -> int:
    name = url.rsplit("/", 1)[-1]
    due = time.monotonic() + _PROGRESS_SECONDS
    while block := answer.read1(_BLOCK):
        stream.write(block)
        have += len(block)
        if time.monotonic() >= due:
            due = time.monotonic() + _PROGRESS_SECONDS
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
        CorpusError: no archive, a damaged one, or one with a member that would be written outside
            of the folder (absolute, with "..", through a link) or is a device.
    """
    with atomic_folder(folder) as temporary:
        for archive in archives:
            _unpack_into(archive, temporary)
        return sum(path.is_file() for path in temporary.rglob("*"))


def _unpack_into(archive: Path, folder: Path) -> None:
    if not archive.is_file():
        raise CorpusError(f"{archive}: no such archive")
    try:
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter=_refuse_outside)
                # tarfile stops at the end mark; the checksum of gzip comes after it.
                while tar.fileobj is not None and tar.fileobj.read(_BLOCK):
                    pass
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                _extract_zip(zipped, archive, folder)
        else:
            raise CorpusError(
                f"{archive}: neither a tar nor a zip archive, or a damaged one; fetch it again"
            )
    except tarfile.FilterError as error:
        raise CorpusError(f"{archive}: refused: {error}") from error
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, LZMAError) as error:
        raise CorpusError(f"{archive}: damaged: {error}; fetch it again") from error
    except OSError as error:
        # gzip and bz2 report damage so; errors of the file system have a number.
        if error.errno is not None:
            raise CorpusError(f"{folder}: cannot be written: {error}") from error
        raise CorpusError(f"{archive}: damaged: {error}; fetch it again") from error


def _refuse_outside(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    # The standard filter strips leading slashes; an archive that needs that is not what it claims.
    if member.name.startswith("/"):
        raise tarfile.AbsolutePathError(member)
    return tarfile.data_filter(member, folder)


def _extract_zip(zipped: zipfile.ZipFile, archive: Path, folder: Path) -> None:
    for member in zipped.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or is_link:
            raise CorpusError(
                f"{archive}: refused: member {member.filename!r} is a link or lies outside of the "
                "folder"
            )
        if member.flag_bits & 1:
            raise CorpusError(f"{archive}: member {member.filename!r} is encrypted")
        target = folder / path
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipped.open(member) as source, open(target, "wb") as stream:
            shutil.copyfileobj(source, stream, _BLOCK)
