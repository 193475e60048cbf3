"""Files are whole or not there, whatever goes wrong while they are written."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from spoofscope import audio
from spoofscope.errors import AudioError, SpoofscopeError
from spoofscope.files import (
    atomic_folder,
    atomic_path,
    copy_checked,
    file_stem,
    files_below,
    one_line,
    printable,
    read_json,
    sha256_file,
    shown,
    write_json,
    write_text,
)
from spoofscope.tables import write_table


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_success_leaves_the_file_and_nothing_else(tmp_path):
    target = tmp_path / "deep" / "er" / "table.tsv"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".tsv"
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert names(target.parent) == ["table.tsv"]


def test_an_error_leaves_what_was_there(tmp_path):
    target = tmp_path / "table.tsv"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("ne")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["table.tsv"]


@pytest.mark.parametrize("name", ["folder", "file/table.tsv", "file/deep/table.tsv"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, name):
    """And not the temporary name, which means nothing to whoever reads the message."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    with pytest.raises(SpoofscopeError, match=f"{name} (is a folder|cannot be written)") as caught:
        write_text(tmp_path / name, "new")
    assert ".tmp" not in str(caught.value)
    assert names(tmp_path) == ["file", "folder"]
    assert names(tmp_path / "folder") == []


def test_writing_nothing_is_an_error(tmp_path):
    target = tmp_path / "table.tsv"
    with (
        pytest.raises(SpoofscopeError, match=r"nothing was written for .*table"),
        atomic_path(target),
    ):
        pass
    assert names(tmp_path) == []


def test_devices_and_pipes_are_not_replaced(tmp_path):
    """A file in the place of /dev/null would hit every program on the machine."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for target in (pipe, link):
        with pytest.raises(SpoofscopeError, match="is a device or a pipe"), atomic_path(target):
            pytest.fail("nothing may be written")
        with pytest.raises(SpoofscopeError, match="is no folder"), atomic_folder(target):
            pytest.fail("nothing may be written")
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert names(tmp_path) == ["link", "pipe"]


def test_other_failures_of_the_system_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"), atomic_path(tmp_path / "new"):
        (tmp_path / "missing").read_text()
    assert names(tmp_path) == []


def test_folders_appear_whole(tmp_path):
    target = tmp_path / "detector"
    with atomic_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    with atomic_folder(target) as folder:
        (folder / "b").write_text("2")
        assert names(target) == ["a"]
    assert names(target) == ["b"]

    def fail() -> None:
        with atomic_folder(target) as folder:
            (folder / "c").write_text("3")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert names(target) == ["b"]
    assert names(tmp_path) == ["detector"]


def test_a_folder_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    target = tmp_path / "detector"
    with atomic_folder(target) as folder:
        (folder / "a").write_text("1")
    real = os.replace

    def refuse_new(source: Path, destination: Path) -> None:
        if str(source).endswith(".tmp"):
            raise PermissionError("no")
        real(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse_new)
        with pytest.raises(PermissionError), atomic_folder(target) as folder:
            (folder / "b").write_text("2")
    assert names(target) == ["a"]
    assert names(tmp_path) == ["detector"]


def test_json_is_sorted_readable_and_refuses_nan(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"b": 1, "a": [1.5, None, "é"]})
    assert path.read_text().index('"a"') < path.read_text().index('"b"')
    assert read_json(path) == {"a": [1.5, None, "é"], "b": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text())["b"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "x.json does not exist"),
        (b'{"a": 1,\n "b" 2}', r"x.json is not valid JSON: .*line 2"),
        (b"\xff", "x.json is not valid JSON"),
        (b"", "x.json is not valid JSON"),
    ],
)
def test_broken_json_is_named(tmp_path, content, message):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpoofscopeError, match=message):
        read_json(path)


def test_hashes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


# --- a full disk ---------------------------------------------------------------------------------


def fill_text(path: Path) -> None:
    write_text(path, "a" * 300_000)


def fill_json(path: Path) -> None:
    write_json(path, ["a" * 1000] * 300)


def fill_table(path: Path) -> None:
    write_table(path, pl.DataFrame({"a": ["b" * 1000] * 300}))


def fill_tensors(path: Path) -> None:
    # safetensors deletes what it has written before it tells.
    with atomic_path(path) as temporary:
        safetensors.numpy.save_file({"x": np.zeros(300_000, np.uint8)}, temporary)


def fill_tensors_of_torch(path: Path) -> None:
    with atomic_path(path) as temporary:
        safetensors.torch.save_file({"x": torch.zeros(300_000, dtype=torch.uint8)}, temporary)


def fill_checkpoint(path: Path) -> None:
    with atomic_path(path) as temporary:
        torch.save({"x": torch.zeros(300_000, dtype=torch.uint8)}, temporary)


@pytest.mark.parametrize(
    "fill",
    [fill_text, fill_json, fill_table, fill_tensors, fill_tensors_of_torch, fill_checkpoint],
)
def test_a_full_disk_is_said_and_leaves_the_old_file(small_disk, fill):
    target = small_disk / "x.txt"
    target.write_text("old")
    with pytest.raises(SpoofscopeError, match=r"x.txt: the disk is full"):
        fill(target)
    assert target.read_text() == "old"
    assert names(small_disk) == ["x.txt"]


def test_a_folder_on_a_full_disk(small_disk):
    with (
        pytest.raises(SpoofscopeError, match="detector: the disk is full"),
        atomic_folder(small_disk / "detector") as folder,
    ):
        safetensors.numpy.save_file({"x": np.zeros(300_000)}, folder / "model.safetensors")
    assert names(small_disk) == []


@pytest.mark.parametrize(
    ("message", "full"),
    [
        ("Error while serializing: I/O error: No space left on device (os error 28)", True),
        ("Disk quota exceeded (os error 122)", True),
        ("Permission denied (os error 13)", False),
        ("invalid header", False),
    ],
)
def test_what_libraries_say_of_a_full_disk(tmp_path, message, full):
    expected = SpoofscopeError if full else RuntimeError
    with pytest.raises(expected), atomic_path(tmp_path / "x"):
        raise RuntimeError(message)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_audio_on_a_full_disk(small_disk, suffix):
    noise = np.random.default_rng(1).uniform(-1, 1, 300_000)
    with pytest.raises(AudioError, match=f"x.{suffix}: cannot be written.*disk full"):
        audio.write(small_disk / f"x.{suffix}", noise, 16000)
    assert names(small_disk) == []


# --- names, modes, leftovers --------------------------------------------------------------------


def test_files_are_readable_as_the_umask_says(tmp_path):
    """In a process of its own: the umask is that of its start."""
    code = """
import os, sys
from pathlib import Path
import numpy as np
import safetensors.numpy
os.umask(int(sys.argv[1], 8))
from spoofscope.files import atomic_folder, atomic_path, write_text
with atomic_path("a.safetensors") as temporary:
    safetensors.numpy.save_file({"x": np.zeros(1)}, temporary)
write_text("a.txt", "x")
with atomic_folder("folder") as folder:
    safetensors.numpy.save_file({"x": np.zeros(1)}, folder / "b.safetensors")
    (folder / "private").mkdir(mode=0o700)
    (folder / "private/c").touch(mode=0o600)
    (folder / "program").touch(mode=0o700)
    (folder / "link").symlink_to("/etc/shadow")
for path in sorted(Path().rglob("*")):
    print(path, oct(path.lstat().st_mode & 0o777))
"""
    for umask, file in (("022", 0o644), ("027", 0o640), ("077", 0o600)):
        done = subprocess.run(
            [sys.executable, "-c", code, umask], cwd=tmp_path, capture_output=True, text=True
        )
        modes = dict(line.split() for line in done.stdout.splitlines())
        assert modes.pop("folder/program") == oct(0o700 | file)
        assert modes.pop("folder/link") == "0o777"
        folders = [modes.pop(name) for name in ("folder", "folder/private")]
        assert folders == [oct(0o777 & ~int(umask, 8))] * 2
        assert set(modes.values()) == {oct(file)}, (umask, modes)
        assert len(modes) == 4


@pytest.mark.slow
@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_stems_are_names_that_file_systems_take(name):
    stem = file_stem(name)
    assert len(stem.encode()) <= 200
    assert "/" not in stem
    if len(stem.encode()) < 200:
        assert stem.replace("%2F", "/").replace("%25", "%") == name


def test_long_stems_are_cut_and_stay_different():
    first, second = ("漢" * 100 + end for end in "ab")
    assert file_stem(first) != file_stem(second)
    assert file_stem(first) == file_stem(first)
    assert file_stem(first).startswith("漢" * 50)
    assert file_stem("short/id %") == "short%2Fid %25"


def test_names_as_long_as_the_file_system_takes_are_written(tmp_path):
    path = tmp_path / ("n" * 250 + ".tsv")
    write_text(path, "x")
    assert names(tmp_path) == [path.name]


def test_a_folder_forgets_what_killed_makers_left(tmp_path):
    living = tmp_path / f".sounds.{os.getppid()}.tmp"
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = [tmp_path / f".sounds.{dead.pid}.{end}" for end in ("tmp", "old")]
    other = tmp_path / f".sounds2.{dead.pid}.tmp"
    for path in (living, other, *left):
        path.mkdir()
        (path / "x").write_text("half")
    with atomic_folder(tmp_path / "sounds"):
        pass
    assert names(tmp_path) == sorted(["sounds", living.name, other.name])


def test_a_copy_has_the_content_that_is_known(tmp_path):
    source, target = tmp_path / "model", tmp_path / "copies" / "model"
    source.write_bytes(b"weights")
    copy_checked(source, target, sha256_file(source))
    assert target.read_bytes() == b"weights"
    with pytest.raises(SpoofscopeError, match=r"model is not the file that it was.*expected 0000"):
        copy_checked(source, target, "0" * 64)
    assert target.read_bytes() == b"weights"
    assert names(target.parent) == ["model"]


def test_linked_folders_are_entered_but_no_circles(tmp_path):
    for name in ("real/a.wav", "real/deep/b.wav", "real/.cache/c.wav", "real/deep/._b.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "own").mkdir()
    (tmp_path / "own/linked").symlink_to(tmp_path / "real")
    (tmp_path / "own/again").symlink_to("linked")
    (tmp_path / "real/deep/circle").symlink_to(tmp_path / "real")
    found = sorted(
        str(path.relative_to(tmp_path / "own")) for path in files_below(tmp_path / "own")
    )
    assert found == ["again/a.wav", "again/deep/b.wav", "linked/a.wav", "linked/deep/b.wav"]
    assert list(files_below(tmp_path / "nowhere")) == []


# --- names as people read them -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a b.wav", "a b.wav"),
        ("ü ж 語 $x_{%[1]*?~:.wav", "ü ж 語 $x_{%[1]*?~:.wav"),
        ("a\\b.wav", "a\\b.wav"),
        ("new\nline.wav", '"new\\nline.wav"'),
        ("\x1b[31mred.wav", '"\\x1b[31mred.wav"'),
        ('say "x\\".wav\t', '"say \\"x\\\\\\".wav\\t"'),
        (os.fsdecode(b"caf\xe9.wav"), '"caf\\xe9.wav"'),
        ("evil\u202egnp.wav", '"evil\\u202egnp.wav"'),
        ("end.wav ", '"end.wav "'),
    ],
)
def test_names_are_shown_in_one_line_without_codes(name, text):
    assert shown(name) == text
    assert shown(Path(name)) == text
    text.encode("utf-8")


@given(st.text(st.characters(), max_size=30))
def test_every_name_and_message_can_be_printed(text):
    for line in (shown(text), one_line(text)):
        assert line.isprintable()
        line.encode("utf-8")
    printable(text).encode("utf-8")
    assert printable(text).replace("\n", "").replace("\t", "").isprintable()


@given(st.binary(min_size=1, max_size=10), st.binary(min_size=1, max_size=10))
def test_different_names_are_shown_differently(first, second):
    names = os.fsdecode(first), os.fsdecode(second)
    assert (shown(names[0]) == shown(names[1])) == (first == second)
