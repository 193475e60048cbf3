"""Downloads from servers that misbehave, and archives that do."""

import bz2
import email.utils
import errno
import gzip
import hashlib
import io
import os
import re
import shutil
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spoofscope.corpora.download import (
    _progress,
    fetch,
    file_name,
    hold,
    release,
    set_aside,
    unpack,
    unpack_all,
)
from spoofscope.errors import ConfigError, CorpusError
from spoofscope.offline import OFFLINE

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server:
    """A local server whose behaviour a test chooses; it remembers the Range headers it got."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.ranges: list[str | None] = []
        self.status: list[int] = []  # answers to give before behaving
        self.cut_after: int | None = None  # bytes per answer before the line breaks
        self.honour_range = True
        self.send_length = True
        self.length_lie = 0  # bytes to add to the length that is sent
        self.retry_after: str | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                outer.ranges.append(asked)
                if outer.status:
                    self.send_response(outer.status.pop(0))
                    if outer.retry_after is not None:
                        self.send_header("Retry-After", outer.retry_after)
                    self.end_headers()
                    return
                start = 0
                if asked and outer.honour_range:
                    start = int(asked.removeprefix("bytes=").removesuffix("-"))
                    if start >= len(outer.content):
                        self.send_error(416)
                        return
                    self.send_response(206)
                    end = len(outer.content)
                    self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
                else:
                    self.send_response(200)
                body = outer.content[start:]
                if outer.send_length:
                    self.send_header("Content-Length", str(len(body) + outer.length_lie))
                self.end_headers()
                if outer.cut_after is not None:
                    body = body[: outer.cut_after]
                self.wfile.write(body)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/corpus.tar"


@pytest.fixture
def server() -> Iterator[Server]:
    instance = Server()
    thread = threading.Thread(target=instance.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield instance
    instance.server.shutdown()
    instance.server.server_close()
    thread.join()


def test_fetch_and_fetch_again(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "new/corpus.tar"
    fetch(server.url, SHA256, target, size=len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert os.listdir(target.parent) == ["corpus.tar"]
    fetch(server.url, SHA256.upper(), target)
    assert len(server.ranges) == 1


def test_a_file_with_another_content_is_replaced(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "corpus.tar"
    target.write_bytes(b"old")
    fetch(server.url, SHA256, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("keep", [set_aside, hold])
def test_a_whole_file_is_not_fetched_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: Callable[[Path], None]
) -> None:
    target = tmp_path / "corpus.tar"
    keep(target)
    fetch(server.url, SHA256, target)
    assert server.ranges == [None]
    keep(target)
    target.unlink(missing_ok=True)  # as Snakemake does before it runs a job again
    monkeypatch.setenv(OFFLINE, "1")
    fetch(server.url, SHA256, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None]
    hold(target)
    release(target)
    assert os.listdir(tmp_path) == ["corpus.tar"]


def test_a_damaged_file_is_fetched_again(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "corpus.tar"
    target.write_bytes(CONTENT[:-1] + b"?")
    set_aside(target)
    fetch(server.url, SHA256, target)
    assert target.read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["corpus.tar"]
    assert f"{target}: it was damaged" in capsys.readouterr().err


def test_file_systems_without_second_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refused)
    target = tmp_path / "corpus.tar"
    target.write_bytes(CONTENT)
    hold(target)
    release(target)
    assert os.listdir(tmp_path) == ["corpus.tar"]


def test_a_line_that_breaks_again_and_again_is_resumed(server: Server, tmp_path: Path) -> None:
    server.cut_after = 100_001
    fetch(server.url, SHA256, tmp_path / "f", first_pause=0.001)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100001-", "bytes=200002-"]


def test_more_breaks_than_attempts_are_fine_while_something_arrives(
    server: Server, tmp_path: Path
) -> None:
    server.cut_after = 20_000
    fetch(server.url, SHA256, tmp_path / "f", attempts=2, first_pause=0.001)
    assert len(server.ranges) == 15


def test_a_server_without_ranges_sends_everything_again(server: Server, tmp_path: Path) -> None:
    server.honour_range = False
    (tmp_path / "f.part").write_bytes(CONTENT[:1234])
    fetch(server.url, SHA256, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.ranges == ["bytes=1234-"]


def test_a_server_that_sends_nothing_is_given_up_and_what_arrived_is_kept(
    server: Server, tmp_path: Path
) -> None:
    server.cut_after = 0
    (tmp_path / "f.part").write_bytes(CONTENT[:5])
    with pytest.raises(CorpusError, match=r"gave up after 3 attempts.*after the 5 bytes"):
        fetch(server.url, SHA256, tmp_path / "f", attempts=3, first_pause=0.001)
    assert len(server.ranges) == 3
    server.cut_after = None
    fetch(server.url, SHA256, tmp_path / "f")
    assert server.ranges[-1] == "bytes=5-"


def test_the_rate_and_the_time_left_are_told(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("spoofscope.corpora.download._PROGRESS_SECONDS", 0.0)
    fetch(server.url, SHA256, tmp_path / "a")
    lines = capsys.readouterr().err.splitlines()
    told = re.compile(r"\S+: 0\.\d\d of 0\.30 MB \(\d+%\), [\d.e+]+ MB/s, \d+ s left")
    assert lines
    assert all(told.fullmatch(line) for line in lines)
    assert _progress(2 * 10**9, 8 * 10**9, 1e6) == "2000 of 8000 MB (25%), 1 MB/s, 1 h 40 min left"
    assert _progress(10**6, None, 1e5) == "1 MB, 0.1 MB/s"


def test_a_complete_part_needs_no_transfer(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(CONTENT)
    fetch(server.url, SHA256, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"", b"wrong beginning", CONTENT + b"and too long"])
def test_a_wrong_checksum_is_an_error_and_leaves_nothing(
    server: Server, tmp_path: Path, part: bytes
) -> None:
    expected = SHA256 if part else "0" * 64
    if part:
        (tmp_path / "f.part").write_bytes(part)
    with pytest.raises(CorpusError, match=r"has the SHA-256 [0-9a-f]{64}, expected.*was deleted"):
        fetch(server.url, expected, tmp_path / "f")
    assert os.listdir(tmp_path) == []


def test_a_wrong_size_is_refused_before_the_download(server: Server, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="the server has 300000 bytes, expected 5"):
        fetch(server.url, SHA256, tmp_path / "f", size=5)
    assert os.listdir(tmp_path) == []


def test_without_a_length_the_checksum_decides(server: Server, tmp_path: Path) -> None:
    server.send_length = False
    fetch(server.url, SHA256, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_busy_servers_are_asked_again_but_a_missing_file_is_not(
    server: Server, tmp_path: Path
) -> None:
    server.status = [503, 429]
    fetch(server.url, SHA256, tmp_path / "f", first_pause=0.001)
    assert len(server.ranges) == 3
    server.status = [404]
    with pytest.raises(CorpusError, match="HTTP 404"):
        fetch(server.url, SHA256, tmp_path / "g")
    assert len(server.ranges) == 4


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ("7", 7.0),
        ("soon", 0.001),
        ("-5", 0.001),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.001),
        (None, 0.001),
    ],
)
def test_a_server_that_says_when_is_left_alone_so_long(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    asked: str | None,
    waited: float,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    server.status, server.retry_after = [status], asked
    fetch(server.url, SHA256, tmp_path / "f", first_pause=0.001)
    assert pauses == [waited]


def test_a_time_of_day_to_come_back(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    server.status = [503]
    server.retry_after = email.utils.formatdate(time.time() + 100, usegmt=True)
    fetch(server.url, SHA256, tmp_path / "f", first_pause=0.001)
    assert 90 < pauses[0] <= 100


def test_a_server_that_wants_a_day_is_asked_tomorrow(server: Server, tmp_path: Path) -> None:
    server.status, server.retry_after = [429], "86400"
    with pytest.raises(CorpusError, match="asks to come back in 86400 s; run again then"):
        fetch(server.url, SHA256, tmp_path / "f")
    assert len(server.ranges) == 1


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="gave up after 2 attempts"):
        fetch("http://127.0.0.1:9/x", SHA256, tmp_path / "f", attempts=2, first_pause=0.001)


@pytest.mark.parametrize(
    ("url", "sha256", "match"),
    [
        ("file:///etc/passwd", SHA256, "only http and https"),
        ("http://127.0.0.1/x", "abc", "no SHA-256"),
        ("http://127.0.0.1/x", "g" * 32, "no MD5"),
        ("http://127.0.0.1/x", "g" * 64, "no SHA-256"),
    ],
)
def test_bad_arguments(tmp_path: Path, url: str, sha256: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        fetch(url, sha256, tmp_path / "f")


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_md5(server: Server, tmp_path: Path, size: int | None) -> None:
    fetch(server.url, MD5.upper(), tmp_path / "f", size)
    assert (tmp_path / "f").read_bytes() == CONTENT
    fetch(server.url, MD5, tmp_path / "f")
    assert len(server.ranges) == 1
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(CorpusError, match=f"has the MD5 [0-9a-f]{{32}}, expected {MD5}; it was"):
        fetch(server.url, MD5, tmp_path / "g")
    assert os.listdir(tmp_path) == ["f"]


def test_the_size_is_checked_after_the_download(server: Server, tmp_path: Path) -> None:
    # Its own length says nothing, and it ends early.
    server.send_length, server.content = False, CONTENT[:1000]
    with pytest.raises(CorpusError, match="the download has 1000 bytes, expected 300000; it was"):
        fetch(server.url, SHA256, tmp_path / "f", len(CONTENT))
    assert os.listdir(tmp_path) == []


def test_a_length_that_is_too_large(server: Server, tmp_path: Path) -> None:
    server.length_lie = 10
    with pytest.raises(CorpusError, match="server has 300010 bytes, expected 300000"):
        fetch(server.url, SHA256, tmp_path / "f", len(CONTENT))
    assert os.listdir(tmp_path) == []
    # Where no size is known, the server is asked for the rest, has none, and the checksum decides.
    fetch(server.url, SHA256, tmp_path / "f", first_pause=0.001)
    assert server.ranges[1:] == [None, "bytes=300000-"]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_length_that_is_too_small_is_found_by_the_checksum(
    server: Server, tmp_path: Path
) -> None:
    server.length_lie = -10
    with pytest.raises(CorpusError, match="has the SHA-256"):
        fetch(server.url, SHA256, tmp_path / "f")
    assert os.listdir(tmp_path) == []


def test_mirrors_are_asked_in_order(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status = [404, 403]
    fetch([f"{server.url}?1", f"{server.url}?2", server.url], SHA256, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert capsys.readouterr().err.splitlines() == [
        f"{server.url}?1: HTTP 404 Not Found; asking the next address",
        f"{server.url}?2: HTTP 403 Forbidden; asking the next address",
    ]


def test_a_mirror_continues_what_another_began(server: Server, tmp_path: Path) -> None:
    server.cut_after = 1000
    first = f"{server.url}?1"
    with pytest.raises(CorpusError, match="gave up after 1 attempts"):
        fetch(first, SHA256, tmp_path / "f", attempts=1)
    server.cut_after, server.status = None, [404]
    fetch([first, server.url], SHA256, tmp_path / "f")
    assert server.ranges == [None, "bytes=1000-", "bytes=1000-"]


def test_when_all_mirrors_fail_each_says_why(server: Server, tmp_path: Path) -> None:
    server.status = [404]
    with pytest.raises(CorpusError, match=r"none of 2 addresses.*HTTP 404.*has the SHA-256"):
        fetch([f"{server.url}?1", server.url], "0" * 64, tmp_path / "f")
    assert os.listdir(tmp_path) == []


def test_a_disc_without_room(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    with pytest.raises(CorpusError, match=r"needs 0\.0003 GB, and 0\.0001 GB are free; make room"):
        fetch([server.url, f"{server.url}?2"], SHA256, tmp_path / "f")
    # A mirror would not help.
    assert len(server.ranges) == 1
    monkeypatch.undo()
    fetch(server.url, SHA256, tmp_path / "f")


def test_offline_says_which_file_to_put_where(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OFFLINE, "1")
    target = tmp_path / f"{MD5}.archive"
    with pytest.raises(CorpusError) as refused:
        fetch(server.url, MD5, target, len(CONTENT))
    placed = tmp_path / "corpus.tar"
    assert f"fetch {server.url} elsewhere and put the file there as {placed} (" in str(
        refused.value
    )
    assert f"(300000 bytes, MD5 {MD5})" in str(refused.value)
    placed.write_bytes(CONTENT[:-1])
    with pytest.raises(CorpusError, match="has 299999 bytes, expected 300000"):
        fetch(server.url, MD5, target, len(CONTENT))
    placed.write_bytes(bytes(len(CONTENT)))
    with pytest.raises(CorpusError, match=r"corpus\.tar: it has the MD5 .*replace or remove it"):
        fetch(server.url, MD5, target, len(CONTENT))
    (tmp_path / "elsewhere").write_bytes(CONTENT)
    placed.unlink()
    placed.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorpusError, match="it is a link or no file"):
        fetch(server.url, MD5, target)
    placed.unlink()
    placed.write_bytes(CONTENT)
    fetch(server.url, MD5, target, len(CONTENT))
    assert sorted(os.listdir(tmp_path)) == [target.name, "elsewhere"]
    assert target.read_bytes() == CONTENT
    assert server.ranges == []


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x.org/files/a.tar.gz?download=1", "a.tar.gz"),
        ("https://x.org/files/a%20b.zip/content", "a b.zip"),
        ("https://x.org/api/bitstreams/1234/content", "download"),
        ("https://x.org/..", "download"),
    ],
)
def test_names_of_files(url: str, name: str) -> None:
    assert file_name(url) == name


# --- archives ------------------------------------------------------------------------------------

FILES = {"LA/flac/a.flac": b"audio" * 10_000, "LA/protocol.txt": b"a bonafide\n"}


def tar_with(path: Path, change: Callable[[tarfile.TarFile], None], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in FILES.items():
            add(tar, name, data)
        change(tar)
    return path


def add(tar: tarfile.TarFile, name: str, data: bytes = b"x", **attributes: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in attributes.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(data))


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_unpack_tar_whatever_its_name(tmp_path: Path, mode: str) -> None:
    unpack(tar_with(tmp_path / "x.archive", lambda tar: None, mode), tmp_path / "deep/out")
    assert tree(tmp_path / "deep/out") == FILES


def test_unpack_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.archive", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.mkdir("LA/empty")
        for name, data in FILES.items():
            zipped.writestr(name, data)
    unpack(tmp_path / "x.archive", tmp_path / "out")
    assert tree(tmp_path / "out") == FILES
    assert (tmp_path / "out/LA/empty").is_dir()


def test_several_archives_fill_one_folder_or_none(tmp_path: Path) -> None:
    first = tar_with(tmp_path / "1.tar", lambda tar: add(tar, "LICENSE", b"old"))
    second = tmp_path / "2.zip"
    with zipfile.ZipFile(second, "w") as zipped:
        zipped.writestr("LICENSE", b"new")
        zipped.writestr("LA/flac/b.flac", b"more")
    assert unpack_all([first, second], tmp_path / "out") == 4
    expected = {**FILES, "LICENSE": b"new", "LA/flac/b.flac": b"more"}
    assert tree(tmp_path / "out") == expected
    second.write_bytes(second.read_bytes()[:40])
    with pytest.raises(CorpusError, match=r"2\.zip"):
        unpack_all([first, second], tmp_path / "out")
    assert tree(tmp_path / "out") == expected


def test_messages_call_an_archive_as_people_do(tmp_path: Path) -> None:
    good, bad = tmp_path / "1.archive", tmp_path / "11.archive"
    tar_with(good, lambda tar: None)
    tar_with(bad, lambda tar: add(tar, "l", b"", type=tarfile.SYMTYPE, linkname="x"))
    names = ["corpora.la, good.tar", "corpora.la, bad.tar"]
    called = re.escape(f"corpora.la, bad.tar ({bad}): ")
    with pytest.raises(CorpusError, match=f"^{called}refused: member 'l' is a link"):
        unpack_all([good, bad], tmp_path / "out", names)
    bad.write_bytes(good.read_bytes()[:700])
    with pytest.raises(CorpusError, match=f"^{called}damaged"):
        unpack_all([good, bad], tmp_path / "out", names)
    bad.unlink()
    with pytest.raises(CorpusError, match=f"^{called}no such archive"):
        unpack_all([good, bad], tmp_path / "out", names)


def test_unpack_replaces_the_folder_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old.txt").write_text("old")
    unpack(tar_with(tmp_path / "x.tar", lambda tar: None), tmp_path / "out")
    assert tree(tmp_path / "out") == FILES


EVIL_TARS: dict[str, Callable[[tarfile.TarFile], None]] = {
    "parent": lambda tar: add(tar, "../evil"),
    "deep parent": lambda tar: add(tar, "LA/../../evil"),
    "absolute": lambda tar: add(tar, "/tmp/evil"),
    "link out": lambda tar: add(tar, "l", b"", type=tarfile.SYMTYPE, linkname="../evil"),
    "absolute link": lambda tar: add(tar, "l", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link out": lambda tar: add(tar, "l", b"", type=tarfile.LNKTYPE, linkname="../evil"),
    "device": lambda tar: add(tar, "d", b"", type=tarfile.CHRTYPE),
}


@pytest.mark.parametrize("kind", EVIL_TARS)
def test_tars_that_reach_outside_are_refused_as_a_whole(tmp_path: Path, kind: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old.txt").write_text("old")
    archive = tar_with(tmp_path / "x.tar", EVIL_TARS[kind])
    with pytest.raises(CorpusError, match=r"x\.tar: refused"):
        unpack(archive, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["out", "x.tar"]
    assert os.listdir(tmp_path / "out") == ["old.txt"]


def zip_member(name: str, mode: int = 0o644) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    return member


@pytest.mark.parametrize(
    "member",
    [
        zip_member("../evil"),
        zip_member("a/../../evil"),
        zip_member("/tmp/evil"),
        zip_member("..\\evil"),
        zip_member("link", stat.S_IFLNK | 0o777),
    ],
    ids=lambda member: member.filename,
)
def test_zips_that_reach_outside_are_refused(tmp_path: Path, member: zipfile.ZipInfo) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        zipped.writestr("good", b"x")
        zipped.writestr(member, b"/etc/passwd")
    with pytest.raises(CorpusError, match="refused"):
        unpack(tmp_path / "x.zip", tmp_path / "out")
    assert os.listdir(tmp_path) == ["x.zip"]


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_truncated_archives(tmp_path: Path, mode: str) -> None:
    archive = tar_with(
        tmp_path / "x.tar", lambda tar: add(tar, "big", np.random.default_rng(1).bytes(10**6)), mode
    )
    archive.write_bytes(archive.read_bytes()[:500_000])
    with pytest.raises(CorpusError, match=r"x\.tar: .*damaged.*fetch it again"):
        unpack(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == ["x.tar"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_archives_with_a_flipped_byte(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    plain = tar_with(
        tmp_path / "x.tar", lambda tar: add(tar, "big", np.random.default_rng(1).bytes(10**6))
    ).read_bytes()
    packed = bytearray(pack(plain))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "x.tar").write_bytes(packed)
    with pytest.raises(CorpusError, match=r"x\.tar: .*damaged"):
        unpack(tmp_path / "x.tar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such archive"):
        unpack(tmp_path / "x.tar", tmp_path / "out")
    (tmp_path / "x.tar").write_text("<html>Not found</html>")
    with pytest.raises(CorpusError, match="no tar, zip or 7z"):
        unpack(tmp_path / "x.tar", tmp_path / "out")
