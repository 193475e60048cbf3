import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from noise_and_tones import write_corpus
from spoofscope import audio, tables
from spoofscope.detector import Detector
from spoofscope.errors import AudioError, DetectorError, TableError
from spoofscope.features import FeatureReader, extract
from spoofscope.gathering import gather_scores
from spoofscope.scoring import score_shard
from spoofscope.shards.parts import shard_rows
from spoofscope.windows import InputPolicy

# Networks this small are slower with several threads than with one.
torch.set_num_threads(1)


@pytest.fixture
def rows(tmp_path: Path) -> pl.DataFrame:
    return tables.read_manifest(write_corpus(tmp_path / "corpus", {"eval": 11}))


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    backend = {"type": "linear", "n_outputs": 2}
    Detector({"type": "lfcc"}, backend, InputPolicy(length=6000, hop=3000)).save(tmp_path / "d")
    return tmp_path / "d"


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_scores_are_those_of_predict(
    tmp_path: Path, rows: pl.DataFrame, detector: Path, batch_size: int
) -> None:
    out, windows = tmp_path / "s.tsv", tmp_path / "w.tsv"
    score_shard(
        detector,
        rows,
        out,
        tmp_path / "work",
        batch_size=batch_size,
        window_scores_path=windows,
    )
    scores = tables.read_scores(out)
    assert scores["utt_id"].to_list() == rows["utt_id"].to_list()
    loaded = Detector.load(detector)
    expected = [loaded.predict(path) for path in rows["path"]]
    assert scores["score"].to_list() == pytest.approx([p["score"] for p in expected], abs=1e-5)
    table = pl.read_csv(windows, separator="\t")
    for utt_id, prediction in zip(rows["utt_id"], expected, strict=True):
        own = table.filter(pl.col("utt_id") == utt_id)
        assert own["window"].to_list() == list(range(prediction["n_windows"]))
        assert own["score"].to_list() == pytest.approx(prediction["window_scores"], abs=1e-5)
    assert list((tmp_path / "work").iterdir()) == []


def test_one_by_one_the_cut_into_shards_changes_no_bit(
    tmp_path: Path, rows: pl.DataFrame, detector: Path
) -> None:
    files = {}
    manifest = tmp_path / "manifest.tsv"
    tables.write_manifest(manifest, rows)
    for n_shards in (1, 3):
        shards = [tmp_path / f"{i}-of-{n_shards}.tsv" for i in range(n_shards)]
        for i, shard in enumerate(shards):
            part = shard_rows(rows, i, n_shards)
            score_shard(detector, part, shard, tmp_path / "work", batch_size=1)
        gather_scores(shards, manifest, "eval", tmp_path / f"all-{n_shards}.tsv")
        files[n_shards] = (tmp_path / f"all-{n_shards}.tsv").read_bytes()
    assert files[1] == files[3]


def test_cached_features_give_the_same_scores(
    tmp_path: Path, rows: pl.DataFrame, detector: Path
) -> None:
    loaded = Detector.load(detector)
    extract(loaded.frontend, loaded.policy, rows, tmp_path / "f.safetensors")
    features = FeatureReader([tmp_path / "f.safetensors"])
    score_shard(detector, rows, tmp_path / "audio.tsv", tmp_path / "work")
    score_shard(detector, rows, tmp_path / "cache.tsv", tmp_path / "work", features=features)
    a, b = (tables.read_scores(tmp_path / name)["score"] for name in ("audio.tsv", "cache.tsv"))
    assert a.to_list() == pytest.approx(b.to_list(), abs=1e-4)

    extract(loaded.frontend, InputPolicy(length=7000), rows, tmp_path / "g.safetensors")
    with pytest.raises(DetectorError, match="other settings"):
        score_shard(
            detector,
            rows,
            tmp_path / "x.tsv",
            tmp_path / "work",
            features=FeatureReader([tmp_path / "g.safetensors"]),
        )


class Reader:
    """Reads audio until it is told to break down, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.limit, self._read = 0, 10**6, audio.read
        monkeypatch.setattr("spoofscope.windows.read", self)

    def __call__(self, *arguments: Any) -> Any:
        if self.count >= self.limit:
            raise KeyboardInterrupt
        self.count += 1
        return self._read(*arguments)


def test_interrupted_shard_goes_on_and_gives_the_same_bytes(
    tmp_path: Path, rows: pl.DataFrame, detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(monkeypatch)
    score_shard(detector, rows, tmp_path / "whole.tsv", tmp_path / "w0", batch_size=4)
    assert reader.count == 11
    journal = tmp_path / "w1" / "journal.jsonl"
    for limit, finished in ((2, 0), (6, 4), (6, 8)):
        reader.count, reader.limit = 0, limit
        with pytest.raises(KeyboardInterrupt):
            score_shard(detector, rows, tmp_path / "s.tsv", tmp_path / "w1", batch_size=4)
        lines = journal.read_bytes().splitlines()
        assert len(lines) == 1 + finished
        with journal.open("ab") as stream:  # what a kill in the middle of a write leaves
            stream.write(lines[-1][: len(lines[-1]) // 2])
        reader.limit = 10**6
    reader.count = 0
    score_shard(detector, rows, tmp_path / "s.tsv", tmp_path / "w1", batch_size=4)
    assert reader.count == 3
    assert (tmp_path / "s.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()
    assert not journal.exists()


def test_group_that_was_half_written_is_computed_again_as_a_whole(
    tmp_path: Path, rows: pl.DataFrame, detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_shard(detector, rows, tmp_path / "whole.tsv", tmp_path / "w0", batch_size=4)
    reader = Reader(monkeypatch)
    reader.limit = 6
    with pytest.raises(KeyboardInterrupt):
        score_shard(detector, rows, tmp_path / "s.tsv", tmp_path / "w1", batch_size=4)
    journal = tmp_path / "w1" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:3]))
    reader.count, reader.limit = 0, 10**6
    score_shard(detector, rows, tmp_path / "s.tsv", tmp_path / "w1", batch_size=4)
    assert reader.count == 11
    assert (tmp_path / "s.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()


def test_journal_of_another_detector_is_not_used(
    tmp_path: Path, rows: pl.DataFrame, detector: Path
) -> None:
    score_shard(detector, rows, tmp_path / "whole.tsv", tmp_path / "w")
    fake = [{"identity": "other"}] + [
        {"utt_id": utt_id, "window_scores": [123.0]} for utt_id in rows["utt_id"]
    ]
    (tmp_path / "w" / "journal.jsonl").write_text("".join(json.dumps(x) + "\n" for x in fake))
    score_shard(detector, rows, tmp_path / "s.tsv", tmp_path / "w")
    assert (tmp_path / "s.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()


def test_journal_of_other_code_or_another_manifest_is_not_used(
    tmp_path: Path, rows: pl.DataFrame, detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(monkeypatch)
    described = rows.with_columns(augmentation=pl.lit("louder noise"))
    for trials, code in ((rows, "after"), (described, "before")):
        reader.limit, reader.count = 6, 0
        work = tmp_path / code
        with pytest.raises(KeyboardInterrupt):
            score_shard(detector, rows, tmp_path / "s", work, batch_size=4, code="before")
        assert (work / "journal.jsonl").is_file()
        reader.limit, reader.count = 10**6, 0
        score_shard(detector, trials, tmp_path / "s.tsv", work, batch_size=4, code=code)
        assert reader.count == 11


def test_unreadable_file_ends_the_job_with_its_name(
    tmp_path: Path, rows: pl.DataFrame, detector: Path
) -> None:
    Path(rows["path"][9]).write_bytes(b"RIFF")
    with pytest.raises(AudioError, match=r"eval9\.wav"):
        score_shard(detector, rows, tmp_path / "s.tsv", tmp_path / "w", batch_size=2)
    assert not (tmp_path / "s.tsv").exists()
    with pytest.raises(TableError, match="no utterances"):
        score_shard(detector, rows[:0], tmp_path / "s.tsv", tmp_path / "w")
