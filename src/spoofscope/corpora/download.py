"""Fetching archives so that a broken line costs nothing, and unpacking them safely."""

import contextlib
import email.utils
import errno
import hashlib
import http.client
import os
import re
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
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from spoofscope.corpora import seven_zip, split_zip
from spoofscope.errors import ConfigError, CorpusError
from spoofscope.files import atomic_folder, one_line, shown
from spoofscope.offline import OFFLINE, is_offline
from spoofscope.pace import duration

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


_LONGEST_PAUSE_SECONDS = 3600.0
_KINDS = {32: ("md5", "MD5"), 64: ("sha256", "SHA-256")}


class _Interrupted(Exception):
    """The transfer stopped early; what arrived is on disk.

    wait: seconds that the server asks to be left alone.
    """

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class _TooSlow(_Interrupted):
    """So little arrives that it is no transfer."""


class _DiskFull(CorpusError):
    """No other address helps."""


@dataclass(frozen=True)
class Checksum:
    """The checksum that a file has to have: 32 hexadecimal digits of MD5, or 64 of SHA-256.

    MD5 tells damaged files and other versions, as data archives publish it; it is no protection
    against files that somebody forged on purpose.

    Raises:
        ConfigError: it is neither.
    """

    digits: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "digits", self.digits.lower())
        if len(self.digits) not in _KINDS or set(self.digits) - set("0123456789abcdef"):
            raise ConfigError(
                f"{self.digits!r} is no SHA-256 (64 hexadecimal digits) and no MD5 (32)"
            )

    @property
    def kind(self) -> str:
        """MD5 or SHA-256."""
        return _KINDS[len(self.digits)][1]

    def of(self, path: Path) -> str:
        """This kind of checksum of a file."""
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, _KINDS[len(self.digits)][0]).hexdigest()


def file_name(url: str) -> str:
    """What a file is called at its source: the last part of the address that has a suffix."""
    path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
    names = [name for name in PurePosixPath(path).parts if "." in name.strip(".")]
    return names[-1] if names else "download"


def _aside(target: Path) -> Path:
    return target.with_name(f"{target.name}.kept")


def is_there(target: str | Path) -> bool:
    """Whether `fetch` finds a finished file, perhaps a kept one; its checksum is not compared."""
    return Path(target).is_file() or _aside(Path(target)).is_file()


def set_aside(target: str | Path) -> None:
    """Give a finished file another name, if it is there, under which `fetch` finds it again.

    For one that is about to be deleted only because its job runs again.
    """
    target = Path(target)
    if target.is_file():
        target.replace(_aside(target))


def hold(target: str | Path) -> None:
    """Let `fetch` find a finished file again should it be deleted before `release` is called."""
    target = Path(target)
    # Some file systems have no second names for a file.
    with contextlib.suppress(OSError):
        _aside(target).unlink(missing_ok=True)
        os.link(target, _aside(target))


def release(target: str | Path) -> None:
    """The file has no second name any more, see `hold`."""
    _aside(Path(target)).unlink(missing_ok=True)


def fetch(
    urls: str | Sequence[str],
    checksum: str,
    target: str | Path,
    size: int | None = None,
    *,
    name: str | None = None,
    attempts: int = 6,
    first_pause: float = 1.0,
) -> None:
    """Download a file, or do nothing when it is there already.

    A file that was kept (`set_aside`, `hold`), or that somebody put beside the target under the
    name that it has at its source, is taken instead. What arrives goes to `<target>.part`, which a
    later attempt, or a later call, continues with a Range request. The file gets its name only
    after its size and its checksum were found right. A line with the progress goes to standard
    error every few seconds.

    Args:
        urls: http or https addresses of the same file: the next one is asked when one fails.
        checksum: 64 hexadecimal digits of SHA-256, or 32 of MD5.
        target: the file to make; a file with another content is replaced.
        size: bytes, if known; lets a wrong file be refused before it is downloaded.
        name: what the file is called at its source; by default the last name in the first address.
        attempts: how often to ask in a row without receiving anything before giving up.
        first_pause: seconds before the second attempt; doubles with every further one. A server
            that says `Retry-After` is left alone as long as it says, up to an hour.

    Raises:
        ConfigError: no http(s) address that can be asked, or no checksum.
        CorpusError: an HTTP error, a wrong size, a wrong checksum (what was downloaded is deleted
            then), a disc without room, or `SPOOFSCOPE_OFFLINE` is set and the file is not there.
    """
    target = Path(target)
    urls = [urls] if isinstance(urls, str) else list(urls)
    for url in urls:
        _check_address(url)
    try:
        expected = Checksum(checksum)
    except ConfigError as error:
        raise ConfigError(f"{urls[0]}: {error}") from error
    if target.is_file() and expected.of(target) == expected.digits:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = _aside(target)
    if kept.is_file():
        if expected.of(kept) == expected.digits:
            kept.replace(target)
            return
        print(f"{target}: it was damaged; it is fetched again", file=sys.stderr, flush=True)
        kept.unlink()
    placed = target.with_name(file_name(urls[0]) if name is None else name)
    if placed != target and placed.exists():
        _check_placed(placed, expected, size)
        placed.replace(target)
        return
    if is_offline():
        what = f"{size} bytes, " if size is not None else ""
        raise CorpusError(
            f"{OFFLINE} is set, so nothing is downloaded: fetch {urls[0]} elsewhere and put the "
            f"file there as {placed} ({what}{expected.kind} {expected.digits})"
        )
    part = target.with_name(f"{target.name}.part")
    failures = []
    for url in urls:
        try:
            _fetch_from(url, part, expected, size, attempts, first_pause)
        except _DiskFull:
            raise
        except CorpusError as error:
            failures.append(error)
            if url != urls[-1]:
                print(f"{error}; asking the next address", file=sys.stderr, flush=True)
            continue
        part.replace(target)
        return
    if len(failures) == 1:
        raise failures[0]
    raise CorpusError(
        f"none of {len(failures)} addresses has the file: {'; '.join(map(str, failures))}"
    ) from failures[-1]


def _check_placed(placed: Path, expected: Checksum, size: int | None) -> None:
    if placed.is_symlink() or not placed.is_file():
        raise CorpusError(f"{placed}: it is a link or no file; put the file itself there")
    found = placed.stat().st_size
    if size is not None and found != size:
        raise CorpusError(f"{placed}: it has {found} bytes, expected {size}; replace or remove it")
    digest = expected.of(placed)
    if digest != expected.digits:
        raise CorpusError(
            f"{placed}: it has the {expected.kind} {digest}, expected {expected.digits}; replace "
            "or remove it"
        )


def _fetch_from(
    url: str,
    part: Path,
    expected: Checksum,
    size: int | None,
    attempts: int,
    first_pause: float,
) -> None:
    """Complete `part` from one address, and check it."""
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
            if interruption.wait > _LONGEST_PAUSE_SECONDS:
                raise CorpusError(
                    f"{url}: {interruption}: the server asks to come back in "
                    f"{interruption.wait:.0f} s; run again then, to go on after the {after} bytes "
                    f"in {part}"
                ) from interruption
            if fruitless >= attempts:
                raise CorpusError(
                    f"{url}: gave up after {attempts} attempts: {interruption}; run again to go on "
                    f"after the {after} bytes in {part}"
                ) from interruption
            time.sleep(max(pause, interruption.wait))
            pause *= 2
    found = part.stat().st_size
    if size is not None and found != size:
        part.unlink()
        raise CorpusError(f"{url}: the download has {found} bytes, expected {size}; it was deleted")
    digest = expected.of(part)
    if digest != expected.digits:
        part.unlink()
        raise CorpusError(
            f"{url}: the download has the {expected.kind} {digest}, expected {expected.digits}; it "
            "was deleted. The file has changed at its source, or the checksum in the study file is "
            "wrong"
        )


def _retry_after(headers: Any) -> float:
    """Seconds that a server asks to be left alone; 0 where it does not say, or not readably."""
    value = str(headers.get("Retry-After", "")).strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        then = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, then.timestamp() - time.time())


def _check_room(folder: Path, needed: int, what: str) -> None:
    """There is room for so many more bytes."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise _DiskFull(
            f"{folder}: the disk is full: {what} needs {needed / 1e9:.3g} GB, and "
            f"{free / 1e9:.3g} GB are free; make room, or choose another data_root"
        )


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
            whole = size if total is None else total
            if whole is not None:
                _check_room(part.parent, whole - have, f"the rest of {url}")
            with open(part, "ab" if have else "wb") as stream:
                got = _copy(answer, stream, url, have, total, size)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            # Nothing is left to send; the checksum decides whether that is so.
            return
        if error.code in _TRANSIENT:
            raise _Interrupted(
                f"HTTP {error.code} {one_line(error.reason)}", _retry_after(error.headers)
            ) from error
        raise CorpusError(f"{url}: HTTP {error.code} {one_line(error.reason)}") from error
    except (OSError, http.client.HTTPException) as error:
        # A full disk will not be emptier at the next attempt; the network may be back.
        if isinstance(error, OSError) and not isinstance(error, _NETWORK_ERRORS):
            raise _DiskFull(f"{part}: cannot be written: {error}") from error
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
    began, at_first = time.monotonic(), have
    due = began + _PROGRESS_SECONDS
    slow, before = began + _FEW_BYTES_SECONDS, have
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
            rate = (have - at_first) / (now - began)
            print(f"{name}: {_progress(have, total, rate)}", file=sys.stderr, flush=True)
    return have


def _progress(have: int, total: int | None, rate: float) -> str:
    """How much of a file is there, how fast it comes (bytes a second), and how long that takes."""
    speed = f"{rate / 1e6:.3g} MB/s"
    if not total:
        return f"{have / 1e6:.3g} MB, {speed}"
    digits = 0 if total >= 1e8 else 2
    n = f"{have / 1e6:.{digits}f} of {total / 1e6:.{digits}f}"
    left = f", {duration((total - have) / rate)} left" if rate > 0 else ""
    return f"{n} MB ({have / total:.0%}), {speed}{left}"


def unpack(archive: str | Path, folder: str | Path) -> int:
    """Unpack one archive, see :func:`unpack_all`."""
    return unpack_all([Path(archive)], folder)


def unpack_all(
    archives: Sequence[Path], folder: str | Path, names: Sequence[str] | None = None
) -> int:
    """Unpack tar (plain, gz, bz2, xz), zip and 7z archives into one folder.

    The folder appears as a whole, or stays as it was.

    Args:
        archives: their kind is found from the content, not from the name. The parts of an archive
            that was cut (`.z01`, ..., `.zip`; `.7z.001`, `.7z.002`, ...) stand in their order.
            Where two hold a file of one name (a licence, a read-me), the later one is kept.
        folder: replaced if it exists.
        names: what people call the archives, for messages, where their files have other names.

    Returns:
        The number of files in the folder.

    Raises:
        CorpusError: no archive, a damaged one, one that grows more than a hundredfold or is packed
            in a way that Python cannot read, or one with a member that would be written outside of
            the folder (absolute, with ".."), is a link or a device; no room on the disc.
    """
    try:
        with atomic_folder(folder) as temporary:
            for parts in _whole_archives(archives):
                _unpack_into(parts, temporary)
            return sum(path.is_file() for path in temporary.rglob("*"))
    except CorpusError as error:
        if names is None:
            raise
        called = {str(archive): name for archive, name in zip(archives, names, strict=True)}
        # A file whose path begins another's is found last.
        paths = "|".join(map(re.escape, sorted(called, key=len, reverse=True)))
        message = re.sub(paths, lambda path: f"{called[path[0]]} ({path[0]})", str(error))
        raise CorpusError(message) from error


def _whole_archives(archives: Sequence[Path]) -> list[list[Path]]:
    """The archives, those that were cut with all of their parts, the last one last."""
    whole: list[list[Path]] = []
    left = 0
    for archive in archives:
        if not archive.is_file():
            raise CorpusError(f"{archive}: no such archive")
    for i, archive in enumerate(archives):
        if left:
            whole[-1].append(archive)
            left -= 1
            continue
        if seven_zip.is_archive(archive):
            whole.append([archive])
            left = seven_zip.parts_of(archives[i:]) - 1
            continue
        n_parts = split_zip.parts_before(archive)
        before = whole[len(whole) - n_parts :] if n_parts else []
        if n_parts > len(whole) or not all(len(one) == 1 for one in before):
            raise CorpusError(
                f"{archive}: it is part {n_parts + 1} of a zip archive; list all parts in their "
                "order, that which ends in .zip last"
            )
        del whole[len(whole) - len(before) :]
        whole.append([*(one[0] for one in before), archive])
    for parts in whole:
        if len(parts) == 1 and split_zip.is_part(parts[0]):
            raise CorpusError(
                f"{parts[0]}: it is the first part of a zip archive; list all parts in their "
                "order, that which ends in .zip last"
            )
    return whole


class _Room:
    """How much an archive may still grow."""

    def __init__(self, archive: Path, n_bytes: int) -> None:
        self._archive = archive
        self.left = max(_LARGEST_EXPANSION * n_bytes, _SMALLEST_LIMIT)

    def take(self, size: int) -> None:
        self.left -= size
        if size < 0 or self.left < 0:
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


def _unpack_into(parts: Sequence[Path], folder: Path) -> None:
    seven = seven_zip.is_archive(parts[0])
    archive = parts[0] if seven else parts[-1]
    n_bytes = sum(part.stat().st_size for part in parts)
    # What is packed is hardly larger than what it is packed into.
    _check_room(folder, n_bytes, f"what is in {archive}")
    room = _Room(archive, n_bytes)

    def take(size: int) -> None:
        if size <= room.left:
            _check_room(folder, size, f"what is in {archive}")
        room.take(size)

    try:
        if seven:
            seven_zip.extract(parts, folder, take)
        elif len(parts) > 1:
            with split_zip.open_parts(parts) as zipped:
                _extract_zip(zipped, archive, folder, room)
        elif zipfile.is_zipfile(archive) and not _begins_as_tar(archive):
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
        if member.issym() or member.islnk():
            raise CorpusError(f"{archive}: refused: member {member.name!r} is a link")
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
        if _begins_as_rar(archive):
            raise CorpusError(
                f"{archive}: a RAR archive, which is not unpacked here; unpack it with 7-Zip "
                "(7z x FILE, the first part of several) and give the folder as `path`"
            ) from error
        raise CorpusError(
            f"{archive}: no tar, zip or 7z archive, or a damaged one; fetch it again"
        ) from error


def _begins_as_rar(archive: Path) -> bool:
    with open(archive, "rb") as stream:
        return stream.read(6) == b"Rar!\x1a\x07"


def _begins_as_tar(archive: Path) -> bool:
    # A tar archive may hold a zip file at its end, where zip files are known by.
    with open(archive, "rb") as stream:
        return stream.read(512)[257:262] == b"ustar"


def _extract_zip(zipped: zipfile.ZipFile, archive: Path, folder: Path, room: _Room) -> None:
    size = sum(member.file_size for member in zipped.infolist())
    if size <= room.left:
        _check_room(folder, size, f"what is in {archive}")
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
