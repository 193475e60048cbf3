"""Sidecars become Snakemake's records, where these are missing."""

import json
import os
import threading
import time
from pathlib import Path

import pytest
from snakemake.persistence.file import FilePersistence

from spoofscope.provenance.sidecars import write_sidecar
from spoofscope.records import restore_records, sidecars_below


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two jobs: one made `a` (its hash known, as of every output), the other `b` of it."""
    monkeypatch.chdir(tmp_path)
    folder = Path("results/s")
    (folder / "work").mkdir(parents=True)
    write_job(folder / "a", [], {"seed": 1})
    # Too large to be hashed once more as an input.
    write_job(folder / "b", [{"path": str(folder / "a"), "bytes": 2}], {"x": [1.5, None, True]})
    write_job(folder / "work" / "c", [], {})
    return folder


def write_job(output: Path, inputs: list[dict], parameters: dict) -> None:
    output.write_text("..")
    sidecar = {
        "rule": "r",
        "parameters": parameters,
        "inputs": inputs,
        "outputs": [{"path": str(output), "bytes": 2, "sha256": f"hash of {output.name}"}],
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 1.5,
    }
    write_sidecar(f"{output}.origin.json", sidecar)


def test_records_say_what_the_sidecars_say(study: Path) -> None:
    assert restore_records(sidecars_below(study, skipped=["work"])) == 2
    records = FilePersistence(nolock=True)
    a, b = (records._read_record(str(study / name)) for name in "ab")
    assert a is not None
    assert b is not None
    assert a.params == ["{'seed': 1}"]
    assert a.input == []
    assert b.params == ["{'x': [1.5, None, True]}"]
    assert b.input == [str(study / "a")]
    assert b.input_checksums == {str(study / "a"): "sha256:hash of a"}
    assert b.endtime is not None
    assert b.starttime is not None
    assert b.endtime - b.starttime == 1.5
    assert records._read_record(str(study / "work" / "c")) is None


def test_records_that_are_there_stay(study: Path) -> None:
    restore_records(sidecars_below(study, skipped=["work"]))
    write_job(study / "a", [], {"seed": 2})
    assert restore_records(sidecars_below(study, skipped=["work"])) == 0
    record = FilePersistence(nolock=True)._read_record(str(study / "a"))
    assert record is not None
    assert record.params == ["{'seed': 1}"]


def test_a_file_of_another_length_is_not_what_the_sidecar_tells_of(study: Path) -> None:
    (study / "a").write_text("longer")
    (study / "b").unlink()
    assert restore_records(sidecars_below(study, skipped=["work"])) == 1
    records = FilePersistence(nolock=True)
    assert records._read_record(str(study / "a")) is None
    assert records._read_record(str(study / "b")) is not None


def test_nothing_to_restore_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert restore_records(sidecars_below(Path("results/s"), skipped=[])) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"{", b"5", b"[]", b'{"params": 3}'])
def test_a_record_that_cannot_be_read_is_restored(study: Path, content: bytes) -> None:
    """What a full disk leaves; Snakemake itself would take such outputs for done, or stop."""
    restore_records(sidecars_below(study, skipped=["work"]))
    records = FilePersistence(nolock=True)
    path = Path(records._record_path(records._metadata_path, str(study / "b")))
    path.write_bytes(content)
    records._mark_incomplete("x", None)
    mark = Path(records._record_path(records._incomplete_path, "x"))
    mark.write_bytes(content)
    # One that was written just now would be waited for.
    for damaged in (path, mark):
        os.utime(damaged, (0, 0))
    assert restore_records(sidecars_below(study, skipped=["work"])) == 1
    record = FilePersistence(nolock=True)._read_record(str(study / "b"))
    assert record is not None
    assert record.params == ["{'x': [1.5, None, True]}"]
    assert json.loads(mark.read_bytes()).get("external_jobid") is None


DAMAGED = [
    b"",
    b"5",
    b"{}",
    b"\xff",
    b"[" * 100_000,
    b'{"outputs": [{}]}',
    json.dumps({"rule": "r", "parameters": 1}).encode(),
]


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("known", [True, False])
def test_a_damaged_sidecar_stops_nothing(study: Path, content: bytes, known: bool) -> None:
    """Its output gets a record that no job has, so that it is made again; the others get theirs."""
    if known:
        restore_records(sidecars_below(study, skipped=["work"]))
    (study / "a.origin.json").write_bytes(content)
    (study / "foreign.origin.json").write_bytes(content)
    assert restore_records(sidecars_below(study, skipped=["work"])) == (1 if known else 2)
    records = FilePersistence(nolock=True)
    a, b = (records._read_record(str(study / name)) for name in "ab")
    assert a is not None
    assert b is not None
    assert a.params == ["unknown: the sidecar is damaged"]
    assert b.params == ["{'x': [1.5, None, True]}"]
    assert records._read_record(str(study / "foreign")) is None


def test_thousands_of_damaged_sidecars_are_a_few_lines(
    study: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(40):
        write_job(study / f"job{i}", [], {})
        (study / f"job{i}.origin.json").write_text("{")
    restore_records(sidecars_below(study, skipped=["work"]))
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 6
    assert all("its job is made again" in message for message in messages[:5])
    assert messages[5] == "and 35 more sidecars are damaged"


def test_what_another_run_writes_just_now_stays(study: Path) -> None:
    """Snakemake writes records and marks in place, and takes marks away."""
    restore_records(sidecars_below(study, skipped=["work"]))
    records = FilePersistence(nolock=True)
    records._mark_incomplete("x", "7")
    record = Path(records._record_path(records._metadata_path, str(study / "a")))
    mark = Path(records._record_path(records._incomplete_path, "x"))
    whole = {path: path.read_text() for path in (record, mark)}
    places = {path: path.stat().st_ino for path in whole}

    def write() -> None:
        time.sleep(0.4)
        for path, text in whole.items():
            path.write_text(text)

    for path in whole:
        path.write_text("")
    writer = threading.Thread(target=write)
    writer.start()
    assert restore_records(sidecars_below(study, skipped=["work"])) == 0
    writer.join()
    for path, text in whole.items():
        assert path.read_text() == text
        assert path.stat().st_ino == places[path]


def test_a_mark_that_is_taken_away_meanwhile_does_not_come_back(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = FilePersistence(nolock=True)
    records._mark_incomplete("x", None)
    mark = Path(records._record_path(records._incomplete_path, "x"))
    read = Path.read_bytes

    def read_after_its_end(path: Path) -> bytes:
        if path == mark:
            mark.unlink()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_after_its_end)
    restore_records(sidecars_below(study, skipped=["work"]))
    assert not mark.exists()
