"""Recordings on disk are compared with what was read of them."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoofscope.corpora.manifest import found_by, inspect_corpus
from spoofscope.corpora.registry import build
from spoofscope.errors import ProvenanceError
from spoofscope.outside import VARIABLE, Outside
from spoofscope.provenance.sidecars import write_sidecar
from spoofscope.recordings import (
    Changes,
    Hashes,
    Recording,
    compare,
    digest,
    look_at,
    portable_path,
    portable_paths,
    read_recordings,
    write_recordings,
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # Set by the code under test, in the environment of jobs to come.
    monkeypatch.setenv(VARIABLE, "{}")
    return tmp_path


def write(path: str, text: str = "a", when: float | None = None) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    if when is not None:
        os.utime(path, (when, when))
    return path


def known(*paths: str) -> dict[str, Recording]:
    return {path: look_at(path) for path in paths}


def never(path: str, status: os.stat_result) -> str:
    raise AssertionError(f"{path} was read")


# --- comparison ----------------------------------------------------------------------------------


def test_files_of_the_same_size_and_time_are_not_read() -> None:
    before = known(write("a.wav"), write("b.wav", "bb"))
    assert compare(before, hash_file=never) == Changes()
    assert compare(before, ["a.wav", "b.wav"], never) == Changes()


def test_added_replaced_and_deleted() -> None:
    before = known(*(write(f"{name}.wav", name, 1e9) for name in "abcde"))
    write("b.wav", "another size", 1e9)
    write("c.wav", "C", 2e9)
    write("e.wav", "e", 2e9)
    os.unlink("d.wav")
    found = ["a.wav", "b.wav", "c.wav", "e.wav", "new.wav"]
    wanted = Changes(("new.wav",), ("b.wav", "c.wav"), ("d.wav",))
    assert compare(before, found) == wanted
    # Without a look into the folder, new files are not seen.
    assert compare(before) == wanted._replace(added=())
    assert wanted.as_text() == (
        "1 recording added ('new.wav'), 2 recordings replaced ('b.wav', ...), "
        "1 recording deleted ('d.wav')"
    )


def test_an_older_file_is_another_one_as_well() -> None:
    before = known(write("a.wav", "a", 2e9))
    write("a.wav", "b", 1e9)
    assert compare(before).replaced == ("a.wav",)


def test_the_same_size_and_time_hide_a_content_from_all_but_verify() -> None:
    before = known(write("a.wav", "a", 1e9))
    write("a.wav", "b", 1e9)
    assert compare(before) == Changes()
    assert compare(before, verify=True).replaced == ("a.wav",)


def test_of_files_that_were_not_read_only_the_names_count() -> None:
    before = {"a.wav": Recording("a.wav", 0, None, None)}
    write("a.wav", "whatever")
    assert compare(before, ["a.wav"], never, verify=True) == Changes()
    assert compare(before, []).deleted == ("a.wav",)


def test_a_missing_file_that_comes_back_is_added() -> None:
    """With `on_bad_audio: exclude` a file of the protocol may be missing."""
    before = known("a.wav")
    assert before["a.wav"] == Recording("a.wav", None, None, None)
    assert compare(before) == Changes()
    assert compare(before, []) == Changes()
    write("a.wav")
    assert compare(before).added == ("a.wav",)


def test_files_without_a_recorded_time_are_read_when_they_are_newer() -> None:
    path = write("a.wav", "a", 1e9)
    before = {path: look_at(path, times=False)}
    assert before[path].mtime_ns is None
    assert compare(before, hash_file=never, until=1.5e9) == Changes()
    write("a.wav", "b", 2e9)
    assert compare(before, until=1.5e9).replaced == ("a.wav",)
    os.utime(path, (1e9, 1e9))
    assert compare(before, until=1.5e9) == Changes()
    assert compare(before).replaced == ("a.wav",)


def test_links_are_followed_and_pipes_are_not_opened() -> None:
    write("real/a.wav", "a", 1e9)
    os.symlink("real/a.wav", "link.wav")
    before = known("link.wav")
    write("real/a.wav", "b", 2e9)
    assert compare(before).replaced == ("link.wav",)
    os.mkfifo("pipe.wav")
    assert look_at("pipe.wav").sha256 is None


@settings(max_examples=20)
@given(names=st.lists(st.binary(min_size=1, max_size=20), unique=True, max_size=8))
def test_any_name_is_written_and_read_again(
    names: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    recordings = [Recording(os.fsdecode(name), 1, 2, "0" * 64) for name in names]
    path = tmp_path_factory.mktemp("list") / "recordings.json"
    write_recordings(path, recordings)
    assert sorted(read_recordings(path).values()) == sorted(recordings)


@pytest.mark.parametrize("content", ["", "{}x", "5", "[5]", "[[]]", '[["a", 1]]', "\xff"])
def test_a_damaged_list_is_named(content: str) -> None:
    Path("list.json").write_text(content, encoding="latin-1")
    with pytest.raises(ProvenanceError, match=r"list\.json is damaged"):
        read_recordings("list.json")


def test_the_digest_is_of_names_and_contents() -> None:
    pairs = [("b", "1"), ("a", "2"), ("c", None)]
    assert digest(pairs) == digest(reversed(pairs)) == digest(pairs[:2])
    assert len({digest(pairs), digest([("b", "2"), ("a", "1")]), digest([("a", "2")])}) == 3


def test_paths_below_a_folder_are_portable(here: Path) -> None:
    for root in ("own", str(here / "own"), "../elsewhere", "/data/own"):
        paths = [f"{root}/a.wav", f"{root}/x/b.wav"]
        assert portable_paths(paths, root) == [portable_path(path) for path in paths]


def test_hashes_are_kept_by_size_and_time() -> None:
    path = write("a.wav", "a", 1e9)
    hashes = Hashes(Path("hashes.json"))
    first = hashes.of(path, os.stat(path))
    hashes.save()
    write("a.wav", "b", 1e9)
    assert Hashes(Path("hashes.json")).of(path, os.stat(path)) == first
    os.utime(path, (2e9, 2e9))
    assert Hashes(Path("hashes.json")).of(path, os.stat(path)) != first
    Path("hashes.json").write_text('{"a.wav": 5}')
    assert Hashes(Path("hashes.json")).of(path, os.stat(path)) != first


# --- at a plan -----------------------------------------------------------------------------------


def sidecar(output: str, **parameters: object) -> None:
    record = {
        **{"rule": "manifest", "wildcards": {}, "parameters": parameters, "code": "c0de"},
        **{"inputs": [], "outputs": [{"path": output, "bytes": 1, "sha256": "0" * 64}]},
        **{"git": {"commit": None, "dirty": None}, "packages": {}, "device": "cpu"},
        **{"started": "2026-01-01T00:00:00+00:00", "seconds": 1.0},
    }
    write_sidecar(f"{output}.origin.json", record)


class Plans:
    """A folder corpus, its manifest's job, and the plans of one process each."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.splits: list[str] | None = None

    def plan(self, main: bool = True) -> str:
        self.told.clear()
        outside = Outside(main, self.told.append)
        options = {"type": "folder", "splits": self.splits}
        return outside.folder(
            "corpus own",
            "own",
            "own.json",
            "own.tsv",
            lambda: found_by(build(options, "own", key="own")),
        )

    def job(self, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from spoofscope import audio
        from spoofscope.corpora import manifest

        header = audio.AudioInfo(16000, 16000, 1)
        monkeypatch.setattr(manifest.audio, "info", lambda path: header)
        options = {"type": "folder", "splits": self.splits}
        write_recordings("own.json", inspect_corpus(build(options, "own", key="own")).recordings)
        sidecar("own.tsv", recordings=outcome)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> Plans:
    for split in ("train", "dev", "eval"):
        for name in ("bonafide/a", "bonafide/b", "spoof/synth/a"):
            write(f"own/{split}/{name}.wav", f"{split} {name}", 1e9)
    plans = Plans()
    plans.job(plans.plan(), monkeypatch)
    return plans


def test_an_outcome_stays_while_contents_do(plans: Plans) -> None:
    first = plans.plan()
    for path in Path("own").rglob("*.wav"):
        path.touch()
    write("own/README.txt")
    write("own/dev/notes.wav")
    assert plans.plan() == first
    assert plans.told == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda: write("own/dev/bonafide/c.wav"), "added ('own/dev/bonafide/c.wav')"),
        (lambda: write("own/dev/spoof/new/c.flac"), "added ('own/dev/spoof/new/c.flac')"),
        (lambda: write("own/dev/spoof/c.wav"), "added ('own/dev/spoof/c.wav')"),
        (lambda: write("own/dev/bonafide/a.wav", "x", 1e9), "replaced ('own/dev/bonafide/a.wav')"),
        (lambda: os.unlink("own/dev/bonafide/a.wav"), "deleted ('own/dev/bonafide/a.wav')"),
        (
            lambda: os.rename("own/dev/bonafide/a.wav", "own/dev/spoof/synth/c.wav"),
            "added ('own/dev/spoof/synth/c.wav'), 1 recording deleted",
        ),
    ],
)
def test_an_outcome_changes_with_the_recordings(
    plans: Plans, change: Callable[[], object], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plans.plan()
    change()
    second = plans.plan()
    assert second != first
    assert len(plans.told) == 1
    assert told in plans.told[0]
    assert plans.plan() == second
    plans.job(second, monkeypatch)
    assert plans.plan() == second
    assert plans.told == []


def test_splits_that_are_not_used_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for split in ("dev", "eval"):
        for name in ("bonafide/a", "spoof/synth/a"):
            write(f"own/{split}/{name}.wav")
    plans = Plans()
    plans.splits = ["dev"]
    plans.job(plans.plan(), monkeypatch)
    first = plans.plan()
    write("own/eval/bonafide/b.wav")
    write("own/eval/bonafide/a.wav", "another")
    assert plans.plan() == first
    write("own/dev/bonafide/b.wav")
    assert plans.plan() != first


def test_what_is_gone_altogether_cannot_be_compared(plans: Plans) -> None:
    first = plans.plan()
    os.rename("own", "elsewhere")
    assert plans.plan() == first
    os.mkdir("own")
    assert plans.plan() != first


def test_a_lost_sidecar_or_list_is_no_stop(plans: Plans) -> None:
    """The outcome is that of a first plan, so it is the same again and again."""
    Path("own.json").write_text("{")
    assert plans.plan() == plans.plan()
    Path("own.tsv.origin.json").unlink()
    assert plans.plan() == plans.plan()


def test_jobs_take_the_outcomes_of_their_main_process(plans: Plans) -> None:
    first = plans.plan()
    write("own/dev/bonafide/c.wav")
    assert plans.plan(main=False) == first
    assert plans.plan() != first


def test_a_first_plan_before_there_is_a_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = Plans()
    assert plans.plan() == plans.plan()
    outside = Outside(True, plans.told.append)
    outside.folder("corpus own", "own", "own.json", "own.tsv", lambda: None)
    assert outside.absent == {"corpus own": "own"}


def test_single_files_are_compared_by_content(plans: Plans) -> None:
    write("scores.tsv", "a", 2e9)
    first = Outside(True, print).files(["scores.tsv", "gone.tsv"])
    assert first["gone.tsv"] is None
    os.utime("scores.tsv", (1e9, 1e9))
    assert Outside(True, print).files(["scores.tsv", "gone.tsv"]) == first
    write("scores.tsv", "b", 1e9)
    assert Outside(True, print).files(["scores.tsv"]) != first


def test_what_the_workflow_made_is_made_again_where_it_is_another() -> None:
    """The job that made clips gets another parameter while they differ from what was read."""
    clips = [write(f"made/{name}.flac", name, 1e9) for name in "ab"]
    told: list[str] = []

    def plan() -> str | None:
        return Outside(True, told.append).made("corpus own", "own.json", "own.tsv", "made.tsv")

    assert plan() is None  # Nothing is made yet.
    sidecar("made.tsv")
    assert plan() is None  # Nobody has read it.
    write_recordings("own.json", [look_at(clip, times=False) for clip in clips])
    sidecar("own.tsv")
    assert plan() is None
    Path(clips[0]).touch()
    assert plan() is None
    write(clips[1], "c")
    changed = plan()
    assert changed is not None
    assert told == [
        "corpus own: 1 recording replaced ('made/b.flac') since own.tsv was made; it is made again"
    ]
    write(clips[1], "b")
    sidecar("made.tsv", recordings=changed)
    assert plan() == changed
    os.unlink(clips[1])
    assert plan() not in (None, changed)


def test_what_a_job_lists_is_made_again_where_it_is_another() -> None:
    """Generated noise and augmented copies are listed by the job that writes them."""
    told: list[str] = []

    def plan() -> str | None:
        return Outside(True, told.append).listed("noise x", "noise.tsv", "file", "made")

    hashes = {
        name: hashlib.sha256(Path(write(f"made/{name}.wav", name, 1e9)).read_bytes()).hexdigest()
        for name in "ab"
    }
    assert plan() is None
    lines = [f"{name}.wav\t{sha256}" for name, sha256 in hashes.items()]
    Path("noise.tsv").write_text("\n".join(["file\tsha256", *lines, ""]))
    assert plan() is None
    sidecar("noise.tsv")
    assert plan() is None
    Path("made/a.wav").touch()
    assert plan() is None
    write("made/b.wav", "c")
    changed = plan()
    assert changed is not None
    assert told == [
        "noise x: 1 recording replaced ('made/b.wav') since noise.tsv was made; it is made again"
    ]
    write("made/b.wav", "b")
    sidecar("noise.tsv", recordings=changed)
    assert plan() == changed
    os.unlink("made/a.wav")
    assert plan() not in (None, changed)
    assert "1 recording deleted ('made/a.wav')" in told[-1]
    Path("noise.tsv").write_text("file\n")
    assert plan() == changed
