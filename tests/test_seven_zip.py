"""7z archives, whole and in parts."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import py7zr
import pytest

from spoofscope.corpora.download import unpack_all
from spoofscope.errors import CorpusError

FILES = {f"fake/{i}.wav": np.random.default_rng(i).bytes(3000 + 700 * i) for i in range(5)}
FILES["empty"] = b""


def packed(files: dict[str, bytes], **options: object) -> bytes:
    content = io.BytesIO()
    with py7zr.SevenZipFile(content, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(data, name)
    return content.getvalue()


def cut(folder: Path, content: bytes, n_parts: int) -> list[Path]:
    """The archive in parts, as 7-Zip names them."""
    parts = []
    size = -(-len(content) // n_parts)
    for i in range(n_parts):
        parts.append(folder / f"{i}.archive")
        parts[-1].write_bytes(content[i * size : (i + 1) * size])
    return parts


def files_in(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


METHODS = {
    "lzma2": [{"id": py7zr.FILTER_LZMA2, "preset": 1}],
    "bzip2": [{"id": py7zr.FILTER_BZIP2}],
    "deflate": [{"id": py7zr.FILTER_DEFLATE}],
    "copy": [{"id": py7zr.FILTER_COPY}],
    "zstd": [{"id": py7zr.FILTER_ZSTD}],
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method(tmp_path, method):
    (tmp_path / "a.7z").write_bytes(packed(FILES, filters=METHODS[method]))
    assert unpack_all([tmp_path / "a.7z"], tmp_path / "out") == len(FILES)
    assert files_in(tmp_path / "out") == FILES


@pytest.mark.parametrize("n_parts", [2, 3, 11])
def test_parts(tmp_path, n_parts):
    parts = cut(tmp_path, packed(FILES), n_parts)
    other = tmp_path / "other.7z"
    other.write_bytes(packed({"empty": b"later", "licence": b"free"}))
    assert unpack_all([*parts, other], tmp_path / "out") == len(FILES) + 1
    assert files_in(tmp_path / "out") == {**FILES, "empty": b"later", "licence": b"free"}


def test_parts_that_are_not_there_or_in_another_order(tmp_path):
    content = packed(FILES)
    first, second, third = cut(tmp_path, content, 3)
    with pytest.raises(CorpusError, match=f"0.archive: a 7z archive of {len(content):,} bytes"):
        unpack_all([first, second], tmp_path / "out")
    with pytest.raises(CorpusError, match=r"gone: no such archive"):
        unpack_all([first, tmp_path / "gone", third], tmp_path / "out")
    with pytest.raises(CorpusError, match=r"0\.archive: damaged: .* parts in their order"):
        unpack_all([first, third, second], tmp_path / "out")
    with pytest.raises(CorpusError, match=r"1\.archive: no tar, zip or 7z archive"):
        unpack_all([second, third], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_encrypted(tmp_path):
    (tmp_path / "a.7z").write_bytes(packed(FILES, password="secret"))
    with pytest.raises(CorpusError, match="encrypted"):
        unpack_all([tmp_path / "a.7z"], tmp_path / "out")
    (tmp_path / "a.7z").write_bytes(packed(FILES, password="secret", header_encryption=True))
    with pytest.raises(CorpusError, match="encrypted"):
        unpack_all([tmp_path / "a.7z"], tmp_path / "out")


def test_links_and_places_outside(tmp_path):
    (tmp_path / "in").mkdir()
    os.symlink("/etc/passwd", tmp_path / "in/link")
    with py7zr.SevenZipFile(tmp_path / "a.7z", "w") as archive:
        archive.writeall(tmp_path / "in", "in")
    with pytest.raises(CorpusError, match=r"member 'in/link' is no file"):
        unpack_all([tmp_path / "a.7z"], tmp_path / "out")
    (tmp_path / "a.7z").write_bytes(renamed("aa/evil", "../evil"))
    with pytest.raises(CorpusError, match=r"member '\.\./evil' .* lies outside"):
        unpack_all([tmp_path / "a.7z"], tmp_path / "out")
    (tmp_path / "a.7z").write_bytes(renamed("aa/evil", "/a/evil"))
    with pytest.raises(CorpusError, match=r"member '/a/evil' .* lies outside"):
        unpack_all([tmp_path / "a.7z"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def renamed(name: str, wanted: str) -> bytes:
    """An archive with a name that py7zr does not write."""
    content = io.BytesIO()
    with py7zr.SevenZipFile(content, "w") as archive:
        archive.set_encoded_header_mode(False)
        archive.writestr(b"x", name)
    packed = content.getvalue().replace(name.encode("utf-16-le"), wanted.encode("utf-16-le"))
    offset, size = struct.unpack_from("<2Q", packed, 12)
    header = packed[32 + offset : 32 + offset + size]
    start = struct.pack("<2QL", offset, size, zlib.crc32(header))
    return packed[:8] + struct.pack("<L", zlib.crc32(start)) + start + packed[32:]


def test_an_archive_that_grows_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("spoofscope.corpora.download._SMALLEST_LIMIT", 1000)
    (tmp_path / "a.7z").write_bytes(packed({"zeros": bytes(5_000_000)}))
    with pytest.raises(CorpusError, match="times its size"):
        unpack_all([tmp_path / "a.7z"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_damage_is_refused_or_does_not_matter(tmp_path):
    content = packed(FILES)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        place = int(rng.integers(len(content)))
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "a.7z").write_bytes(damaged)
        try:
            unpack_all([tmp_path / "a.7z"], tmp_path / "out")
        except CorpusError:
            refused += 1
        else:
            assert files_in(tmp_path / "out") == FILES
    assert refused > 140
    for length in range(6, len(content), 997):
        (tmp_path / "a.7z").write_bytes(content[:length])
        with pytest.raises(CorpusError):
            unpack_all([tmp_path / "a.7z"], tmp_path / "out")


def test_modes_of_the_archive_do_not_count(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/tool").write_bytes(b"x")
    (tmp_path / "in/tool").chmod(0o4777)
    with py7zr.SevenZipFile(tmp_path / "a.7z", "w") as archive:
        archive.writeall(tmp_path / "in", "in")
    unpack_all([tmp_path / "a.7z"], tmp_path / "out")
    assert (tmp_path / "out/in/tool").stat().st_mode & 0o7777 == 0o644
