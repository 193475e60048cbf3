"""Zip archives in parts: cut here by hand, and by Info-ZIP."""

import io
import itertools
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from spoofscope.corpora.download import unpack_all
from spoofscope.errors import CorpusError

FILES = {f"fake/{i}.wav": np.random.default_rng(i).bytes(3000 + 700 * i) for i in range(12)}
FILES["empty"] = b""


def cut(folder: Path, places: list[int], zip64: bool = False) -> list[Path]:
    """The files, packed and cut at some places, with numbers as APPNOTE.TXT wants them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
        directory = archive.start_dir
    content = b"PK\x07\x08" + packed.getvalue()[:directory]
    bounds = [0, *places, len(content)]

    def split(place: int) -> tuple[int, int]:
        number = max(i for i, start in enumerate(bounds[:-1]) if start <= place)
        return number, place - bounds[number]

    entries, records = bytearray(packed.getvalue()[directory:]), 0
    at = 0
    while entries[at : at + 4] == b"PK\x01\x02":
        lengths = struct.unpack_from("<3H", entries, at + 28)
        (offset,) = struct.unpack_from("<L", entries, at + 42)
        number, local = split(offset + 4)
        struct.pack_into("<H", entries, at + 34, number)
        struct.pack_into("<L", entries, at + 42, local)
        at += 46 + sum(lengths)
        records += 1
    last, start = split(len(content))[0], len(content) - bounds[-2]
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", last, last, records, records, at, start, 0)
    if zip64:
        place = start + at
        big = (b"PK\x06\x06", 44, 45, 45, last, last, records, records, at, start)
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", last, last, 65535, 65535, at, 0xFFFFFFFF, 0)
        end = (
            struct.pack("<4sQ2H2L4Q", *big)
            + struct.pack("<4sLQL", b"PK\x06\x07", last, place, last + 1)
            + end
        )
    content += bytes(entries[:at]) + end
    bounds[-1] = len(content)
    paths = []
    for i, (first, stop) in enumerate(itertools.pairwise(bounds)):
        paths.append(folder / f"{i}.archive")
        paths[-1].write_bytes(content[first:stop])
    return paths


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("places", [[20_000], [9000, 9001, 40_000], list(range(500, 60_000, 4999))])
def test_parts_are_read_as_one(tmp_path: Path, places: list[int], zip64: bool) -> None:
    parts = cut(tmp_path, places, zip64)
    assert unpack_all(parts, tmp_path / "out") == len(FILES)
    assert tree(tmp_path / "out") == FILES


def test_beside_other_archives(tmp_path: Path) -> None:
    parts = cut(tmp_path, [9000, 30_000])
    for name in ("a", "b"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(name, name)
    unpack_all([tmp_path / "a", *parts, tmp_path / "b"], tmp_path / "out")
    assert tree(tmp_path / "out") == {**FILES, "a": b"a", "b": b"b"}


def test_parts_that_are_missing_or_in_another_order(tmp_path: Path) -> None:
    parts = cut(tmp_path, [9000, 30_000])
    for given, words in (
        (parts[1:], "it is part 3 of a zip archive; list all parts"),
        (parts[:1], "it is the first part of a zip archive; list all parts"),
        (parts[:2], "first part of a zip archive"),
        ([parts[1], parts[0], parts[2]], "damaged: "),
    ):
        with pytest.raises(CorpusError, match=words):
            unpack_all(given, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_damage_in_a_part(tmp_path: Path) -> None:
    parts = cut(tmp_path, [9000, 30_000])
    content = bytearray(parts[1].read_bytes())
    content[5000] ^= 1
    parts[1].write_bytes(content)
    with pytest.raises(CorpusError, match="damaged: "):
        unpack_all(parts, tmp_path / "out")
    parts[1].write_bytes(content[:-10])
    with pytest.raises(CorpusError, match="damaged: "):
        unpack_all(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(shutil.which("zip") is None, reason="Info-ZIP is not installed")
def test_archives_of_info_zip(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for i in range(9):
        (source / str(i)).mkdir(parents=True)
        (source / str(i) / "x.wav").write_bytes(np.random.default_rng(i).bytes(30_000))
    command = ["zip", "-q", "-r", "-s", "64k", "../split.zip", "."]
    subprocess.run(command, cwd=source, check=True)
    parts = [*sorted(tmp_path.glob("split.z0*")), tmp_path / "split.zip"]
    assert len(parts) == 5
    unpack_all(parts, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(source)
