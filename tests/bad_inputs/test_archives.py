"""Archives, downloads and published weights that attack, or are damaged: refused by name, or right.

Each case is made here. A refusal is one line that holds the given words, nothing is left behind,
and nothing lies outside of the folder.
"""

import gzip
import hashlib
import io
import os
import pickle
import stat
import struct
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from spoofscope.corpora import download
from spoofscope.corpora.download import fetch, unpack
from spoofscope.errors import SpoofscopeError
from spoofscope.published.importing import import_detector

pytestmark = [pytest.mark.timeout(60), pytest.mark.filterwarnings("ignore")]

Maker = Callable[[Path], None]
Member = tuple[str, dict[str, Any], bytes]


def tar(*members: Member, mode: str = "w") -> Maker:
    def make(path: Path) -> None:
        with tarfile.open(path, mode) as archive:
            for name, attributes, data in members:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                for key, value in attributes.items():
                    setattr(member, key, value)
                archive.addfile(member, io.BytesIO(data))

    return make


def file(name: str, **attributes: Any) -> Member:
    return name, attributes, b"x"


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    return name, {"type": kind, "linkname": target}, b""


def folder(name: str, mode: int = 0o755) -> Member:
    return name, {"type": tarfile.DIRTYPE, "mode": mode}, b""


def special(kind: bytes) -> Maker:
    return tar(("dev", {"type": kind, "devmajor": 1, "devminor": 3}, b""))


def zipped(*members: tuple[str, int], data: bytes = b"x" * 100) -> Maker:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, mode in members:
                member = zipfile.ZipInfo(name)
                member.external_attr = mode << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, data)

    return make


def patched_zip(*places: tuple[bytes, int, int]) -> Maker:
    """A zip file with two bytes set to a number, after signatures."""

    def make(path: Path) -> None:
        zipped(("a", 0))(path)
        content = bytearray(path.read_bytes())
        for signature, offset, number in places:
            at = content.find(signature) + offset
            content[at : at + 2] = struct.pack("<H", number)
        path.write_bytes(content)

    return make


def method(number: int) -> Maker:
    return patched_zip((b"PK\x03\x04", 8, number), (b"PK\x01\x02", 10, number))


def header(size: bytes, kind: bytes = b"0") -> bytes:
    """A GNU header with a size of 12 bytes as given."""
    block = bytearray(512)
    block[0:1] = b"s"
    block[100:108] = b"0000644\0"
    block[108:116] = block[116:124] = b"0000000\0"
    block[124:136] = size
    block[136:148] = b"00000000000\0"
    block[156:157] = kind
    block[257:265] = b"ustar  \0"
    return bytes(block)


def signed(block: bytes) -> bytes:
    changed = bytearray(block)
    changed[148:156] = b"        "
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


def blocks(*content: bytes) -> Maker:
    return lambda path: path.write_bytes(b"".join(content)) and None


def sparse_of_8_tb() -> bytes:
    block = bytearray(header(b"00000000000\0", b"S"))
    block[386:398] = block[398:410] = b"00000000000\0"
    block[483:495] = b"\x80\0\0\0\0\0" + (8 << 40).to_bytes(6, "big")
    return signed(bytes(block))


def gzip_of(name: str, kind: bytes, megabytes: int, after: int = 0) -> Maker:
    """A compressed archive with a member of zeros, and zeros after its end."""

    def make(path: Path) -> None:
        member = tarfile.TarInfo(name)
        member.type = kind
        member.size = megabytes << 20
        with gzip.open(path, "wb", 1) as stream:
            stream.write(member.tobuf(tarfile.GNU_FORMAT))
            for _ in range(megabytes):
                stream.write(bytes(1 << 20))
            stream.write(bytes(1024))
            for _ in range(after):
                stream.write(bytes(1 << 20))

    return make


def damaged_in_the_middle(path: Path) -> None:
    tar(file("a"), file("b"), file("c"))(path)
    content = bytearray(path.read_bytes())
    content[1024] ^= 0xFF  # the second header; tarfile takes that for the end
    path.write_bytes(content)


def cut_in_a_header(path: Path) -> None:
    tar(file("a"), file("b"))(path)
    path.write_bytes(path.read_bytes()[:1100])


LONG = "a" * 300
NEGATIVE = b"\xff" * 12  # -1
LINK = stat.S_IFLNK | 0o777
PAX = {"pax_headers": {"size": "-512"}}

REFUSED: dict[str, tuple[Maker, str]] = {
    "tar ../outside": (tar(file("../outside")), "outside the destination"),
    "tar /outside": (tar(file("/outside")), "absolute path"),
    "tar a/../../outside": (tar(file("a/../../outside")), "outside the destination"),
    "tar link out": (tar(link("l", ".."), file("l/outside")), "is a link"),
    "tar chain of links": (
        tar(folder("d"), link("d/l", "."), link("d/l/m", "../.."), file("d/l/m/outside")),
        "is a link",
    ),
    "tar link to /etc": (tar(link("l", "/etc/passwd")), "is a link"),
    "tar hard link": (tar(link("l", "/etc/passwd", tarfile.LNKTYPE)), "is a link"),
    "tar hard link up": (tar(link("l", "../../a", tarfile.LNKTYPE)), "is a link"),
    "tar inner link": (tar(file("d/x"), link("l", "d")), "member 'l' is a link"),
    "tar character device": (special(tarfile.CHRTYPE), "special file"),
    "tar block device": (special(tarfile.BLKTYPE), "special file"),
    "tar fifo": (special(tarfile.FIFOTYPE), "special file"),
    "tar name of 5000": (tar(file("a" * 5000)), "File name too long"),
    "tar name of 300": (tar(file(LONG)), "File name too long"),
    "tar file and folder": (tar(file("a"), file("a/b")), "member a/b cannot be a file"),
    "tar folder and file": (tar(file("a/b"), file("a")), "member a cannot be a file"),
    "tar member .": (tar(file(".")), "cannot be a file"),
    "tar empty name": (tar(file("")), "cannot be a file"),
    "tar size -1": (blocks(signed(header(NEGATIVE)), bytes(1024)), "no tar, zip or 7z"),
    "tar size -1, second": (
        blocks(signed(header(b"00000000000\0")), signed(header(NEGATIVE)), bytes(1024)),
        "damaged: a header gives the size -1",
    ),
    "tar size -512 by pax": (tar(("x", PAX, b"")), "no tar, zip or 7z"),
    "tar damaged in the middle": (damaged_in_the_middle, "damaged: "),
    "tar cut in a header": (cut_in_a_header, "damaged: "),
    "tar sparse of 8 TB": (blocks(sparse_of_8_tb(), bytes(1024)), "more than 100 times"),
    "gz bomb": (gzip_of("zeros.wav", tarfile.REGTYPE, 20), "more than 100 times"),
    "gz bomb after the end": (gzip_of("x", tarfile.REGTYPE, 1, 20), "more than 100 times"),
    "gz bomb in a header": (
        gzip_of("x", tarfile.GNUTYPE_LONGNAME, 20),
        "no tar, zip or 7z",
    ),
    "gz bomb in a pax header": (gzip_of("x", tarfile.XHDTYPE, 20), "no tar, zip or 7z"),
    "zip ../outside": (zipped(("../outside", 0)), "outside of the folder"),
    "zip ..\\outside": (zipped(("..\\outside", 0)), "outside of the folder"),
    "zip /outside": (zipped(("/outside", 0)), "outside of the folder"),
    "zip link": (zipped(("l", LINK)), "is a link"),
    "zip file and folder": (zipped(("a", 0), ("a/b", 0)), "cannot be a file"),
    "zip folder and file": (zipped(("a/b", 0), ("a", 0)), "member a cannot be a file"),
    "zip empty name": (zipped(("", 0)), "has no name"),
    "zip member .": (zipped((".", 0)), "has no name"),
    "zip name of 300": (zipped((LONG, 0)), "File name too long"),
    "zip AES": (method(99), "packed with AES encryption"),
    "zip Deflate64": (method(9), "packed with Deflate64, which Python cannot read; unpack it with"),
    "zip PPMd": (method(98), "packed with method 98"),
    "zip of a later version": (patched_zip((b"PK\x01\x02", 6, 99)), "zip file version 9.9"),
    "zip encrypted": (
        patched_zip((b"PK\x03\x04", 6, 1), (b"PK\x01\x02", 8, 1)),
        "member 'a' is encrypted",
    ),
    "zip bomb": (zipped(("a", 0), data=bytes(20 << 20)), "more than 100 times"),
    "random bytes": (blocks(bytes(range(256)) * 4), "no tar, zip or 7z"),
    "empty": (blocks(b""), "no tar, zip or 7z"),
    "html": (blocks(b"<html>404"), "no tar, zip or 7z"),
    "gz of text": (blocks(gzip.compress(b"hello" * 1000)), "no tar, zip or 7z"),
    "rar": (blocks(b"Rar!\x1a\x07\x00" + bytes(100)), "a RAR archive, which is not unpacked here"),
    "7z": (blocks(b"7z\xbc\xaf\x27\x1c" + bytes(100)), "parts in their order"),
}


def left(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


@pytest.mark.parametrize("case", REFUSED)
def test_archives_that_are_refused(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bombs of 20 MB do.
    monkeypatch.setattr(download, "_SMALLEST_LIMIT", 1 << 20)
    make, words = REFUSED[case]
    archive = tmp_path / "a.archive"
    make(archive)
    start = time.monotonic()
    with pytest.raises(SpoofscopeError) as refused:
        unpack(archive, tmp_path / "out")
    assert time.monotonic() - start < 10
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert str(archive) in str(refused.value)
    assert left(tmp_path) == ["a.archive"]


UNPACKED: dict[str, tuple[Maker, set[bytes]]] = {
    "tar setuid and a closed folder": (
        tar(file("x.wav", mode=0o6777), folder("d", 0), file("d/y.wav")),
        {b"x.wav", b"d", b"d/y.wav"},
    ),
    "tar name that is not UTF-8": (
        tar(file(b"b\xff.wav".decode("utf-8", "surrogateescape"))),
        {b"b\xff.wav"},
    ),
    "tar line break": (tar(file("a\nb.wav")), {b"a\nb.wav"}),
    "zip device": (zipped(("l", stat.S_IFCHR | 0o777)), {b"l"}),
    "zip drive": (zipped(("C:\\outside", 0)), {b"C:", b"C:/outside"}),
    "zip line break": (zipped(("a\nb.wav", 0)), {b"a\nb.wav"}),
    "zip twice the same": (zipped(("a", 0), ("a", 0)), {b"a"}),
    "zip after a tar's content": (
        tar(("inner.zip", {}, b"PK\x05\x06" + bytes(18)), file("b")),
        {b"inner.zip", b"b"},
    ),
}


@pytest.mark.parametrize("case", UNPACKED)
def test_strange_archives_that_are_whole(tmp_path: Path, case: str) -> None:
    make, expected = UNPACKED[case]
    make(tmp_path / "a.archive")
    unpack(tmp_path / "a.archive", tmp_path / "out")
    top = os.fsencode(tmp_path / "out")
    found = set()
    for parent, folders, files in os.walk(top, followlinks=True):
        for name in (*folders, *files):
            path = os.path.join(parent, name)
            found.add(os.path.relpath(path, top))
            mode = os.stat(path).st_mode
            assert not mode & (stat.S_ISUID | stat.S_ISGID)
            assert stat.S_ISREG(mode) or stat.S_ISDIR(mode)
            assert os.stat(path).st_mode & 0o444 == 0o444
    assert found == expected
    assert left(tmp_path) == ["a.archive", "out"]


# --- addresses and servers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "only http and https"),
        ("ftp://127.0.0.1/x", "only http and https"),
        ("/etc/passwd", "only http and https"),
        ("", "only http and https"),
        ("http://", "names no host"),
        ("http:///x", "names no host"),
        ("http://127.0.0.1:99999/x", "this is no address: Port out of range"),
        ("http://127.0.0.1:x/x", "this is no address: Port could not be cast"),
        ("http://[::1/x", "this is no address: Invalid IPv6 URL"),
        ("http://127.0.0.1:9/a b", "percent-encode"),
        ("http://127.0.0.1:9/\r\nX: y", "percent-encode"),
        ("http://127.0.0.1:9/ü", "percent-encode"),
        ("http://bücher.example/x", "percent-encode"),
        ("http://u:p@127.0.0.1:9/x", "user names and passwords"),
        ("HTTP://127.0.0.1:9/x", "gave up after 1 attempts"),
    ],
)
def test_addresses(tmp_path: Path, url: str, words: str) -> None:
    with pytest.raises(SpoofscopeError) as refused:
        fetch(url, "0" * 64, tmp_path / "f", attempts=1)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert left(tmp_path) == []


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Answers as its paths say; the content is `x`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind = self.path.removeprefix("/")
            if kind == "loop":
                kind = "to=/loop"
            if kind.startswith("to="):
                self.send_response(302)
                self.send_header("Location", kind.removeprefix("to="))
                self.end_headers()
                return
            self.send_response(206 if kind == "partial" else 200)
            if kind.startswith("length="):
                self.send_header("Content-Length", kind.removeprefix("length="))
            if kind == "slow":
                self.send_header("Content-Length", "1000")
            if kind == "gzip":
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            try:
                if kind == "endless":
                    for _ in range(1000):
                        self.wfile.write(bytes(1 << 16))
                elif kind == "slow":
                    for _ in range(1000):
                        self.wfile.write(b"x")
                        self.wfile.flush()
                        time.sleep(0.01)
                else:
                    self.wfile.write(gzip.compress(b"x") if kind == "gzip" else b"x")
            except OSError:
                pass  # the other side has had enough

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("to=file:///etc/passwd", "is not allowed"),
        ("to=ftp://127.0.0.1/x", "the server sends on to ftp://127.0.0.1/x: only http and https"),
        ("to=http://[::1/x", "sends on to no address: Invalid IPv6 URL"),
        ("to=http://u:p@127.0.0.1/x", "user names and passwords"),
        ("to=/to=/", "has the SHA-256"),
        ("loop", "infinite loop"),
        ("gzip", "has the SHA-256"),
        ("endless", "sends more than the 1 bytes expected"),
        ("slow", "bytes came in 0.05 s"),
        ("length=abc", None),
        ("length=-5", None),
        ("length=1", None),
        ("partial", None),
        ("length=1_0", None),
        ("length=", None),
    ],
)
def test_servers(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, answer: str, words: str | None
) -> None:
    monkeypatch.setattr(download, "_FEW_BYTES_SECONDS", 0.05)
    target = tmp_path / "f"
    sha256 = hashlib.sha256(b"x" if answer != "to=/to=/" else b"y").hexdigest()
    size = 1 if answer == "endless" else None
    if words is None:
        fetch(server + answer, sha256, target, attempts=1)
        assert target.read_bytes() == b"x"
        return
    with pytest.raises(SpoofscopeError) as refused:
        fetch(server + answer, sha256, target, size, attempts=2, first_pause=0.01)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not target.exists()


# --- weights -------------------------------------------------------------------------------------


class Evil:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch outside",)


def zipped_pickle(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Evil()))
        archive.writestr("archive/version", b"3")


def many(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(20_001):
            archive.writestr(f"archive/data/{i}", b"")


def saved(value: Any) -> Maker:
    return lambda path: torch.save(value, path)


WEIGHTS: dict[str, tuple[Maker, str]] = {
    "a pickle that runs code": (blocks(pickle.dumps(Evil())), "cannot be read"),
    "torch.save with code": (saved({"a": Evil()}), "cannot be read"),
    "a zip with a pickle": (zipped_pickle, "cannot be read"),
    "other tensors": (saved({"a": torch.zeros(3)}), "missing"),
    "empty": (blocks(b""), "cannot be read"),
    "a list": (saved([1, 2]), "something else than tensors"),
    "numbers": (saved({1: torch.zeros(1)}), "something else than tensors"),
    "many entries": (many, "more than 20000 tensors"),
    "a view of 4 TB": (saved({"x": torch.zeros(1).expand(1 << 40)}), "less than the whole tensor"),
    "sparse": (saved({"x": torch.zeros(3).to_sparse()}), "special layout"),
    "NaN": (saved({"x": torch.tensor([float("nan")])}), "NaN or infinite"),
    "text": (saved({"x": "y"}), "something else than tensors"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", WEIGHTS)
def test_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.chdir(tmp_path)
    make, words = WEIGHTS[case]
    make(tmp_path / "w.pth")
    with pytest.raises(SpoofscopeError) as refused:
        import_detector("clovaai-aasist-l", tmp_path / "w.pth", tmp_path / "out")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert left(tmp_path) == ["w.pth"]
