"""Shards become one table again: whole, in order, in little memory."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from spoofscope import tables
from spoofscope.errors import TableError
from spoofscope.gathering import gather_scores


def write_manifest(path: Path, n: int) -> Path:
    """`n` utterances of eval, with one of dev after each of them."""
    rows = [
        {
            "utt_id": f"{split}{i}",
            "path": f"{split}{i}.wav",
            "split": split,
            "label": "bonafide",
            "attack": "-",
            "speaker": "s",
            "duration": 1.0,
            "sample_rate": 16000,
        }
        for i in range(n)
        for split in ("eval", "dev")
    ]
    tables.write_manifest(path, pl.DataFrame(rows))
    return path


def write_shard(path: Path, first: int, last: int) -> Path:
    ids = [f"eval{i}" for i in range(first, last)]
    scores = [i / 3 for i in range(first, last)]
    tables.write_scores(path, pl.DataFrame({"utt_id": ids, "score": scores}))
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_manifest(tmp_path / "manifest.tsv", 10)


def test_shards_give_the_same_bytes_as_one_file(tmp_path: Path, manifest: Path) -> None:
    whole = write_shard(tmp_path / "whole.tsv", 0, 10)
    bounds = [0, 3, 4, 10]
    shards = [
        write_shard(tmp_path / f"{first}.tsv", first, last) for first, last in pairwise(bounds)
    ]
    gather_scores(shards, manifest, "eval", tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([(0, 5)], r"out\.tsv: 'eval5' and 4 more utterances .* in none of the 1 shards"),
        ([(0, 5), (6, 10)], r"part1\.tsv: line 2: a score of 'eval6' where .* with 'eval5'"),
        ([(0, 5), (4, 10)], r"part1\.tsv: line 2: a score of 'eval4' where .* with 'eval5'"),
        ([(5, 10), (0, 5)], r"part0\.tsv: line 2: a score of 'eval5' where .* with 'eval0'"),
        ([(0, 11)], r"part0\.tsv: line 12: a score of 'eval10' where .* nothing more of eval"),
    ],
    ids=["shard missing", "utterance missing", "twice", "order", "unknown"],
)
def test_shards_that_are_not_the_manifest(
    tmp_path: Path, manifest: Path, parts: list[tuple[int, int]], message: str
) -> None:
    shards = [
        write_shard(tmp_path / f"part{i}.tsv", first, last) for i, (first, last) in enumerate(parts)
    ]
    with pytest.raises(TableError, match=message):
        gather_scores(shards, manifest, "eval", tmp_path / "out.tsv")
    assert not (tmp_path / "out.tsv").exists()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("eval1\t", "line 3: column 'score' is empty"),
        ("eval1\tnan", "line 3: column 'score': 'nan' is not a finite number"),
        ("eval1\tx", "line 3: column 'score': 'x' is not a finite number"),
        ("eval1", "line 3: 1 fields where the header has 2"),
        ("\udcff\t1.0", "line 3: not UTF-8 text"),
    ],
)
def test_broken_shards(tmp_path: Path, manifest: Path, broken: str, message: str) -> None:
    shard = tmp_path / "shard.tsv"
    text = f"utt_id\tscore\neval0\t0.0\n{broken}\n"
    shard.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(TableError, match=message):
        gather_scores([shard], manifest, "eval", tmp_path / "out.tsv")
    assert not (tmp_path / "out.tsv").exists()


def test_table_without_the_column(tmp_path: Path, manifest: Path) -> None:
    shard = tmp_path / "shard.tsv"
    shard.write_text("utt_id\tvalue\neval0\t0.0\n")
    with pytest.raises(TableError, match=r"shard\.tsv: line 1: column 'score' is missing"):
        gather_scores([shard], manifest, "eval", tmp_path / "out.tsv")


MEASURE = """
import resource, sys
from spoofscope.gathering import gather_scores
gather_scores([sys.argv[1]], sys.argv[2], "eval", sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    peaks = []
    for n in (10, 200_000):
        manifest, shard, out = (tmp_path / f"{name}{n}" for name in ("m", "s", "o"))
        with open(manifest, "w") as stream, open(shard, "w") as scores:
            stream.write("utt_id\tpath\tsplit\n")
            scores.write("utt_id\tscore\n")
            for i in range(n):
                stream.write(f"utterance{i}\t{'x' * 100}/{i}.flac\teval\n")
                scores.write(f"utterance{i}\t{i / 7!r}\n")
        command = [sys.executable, "-c", MEASURE, str(shard), str(manifest), str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert out.read_bytes() == shard.read_bytes()
        peaks.append(int(done.stdout))
    # In kilobytes; the long tables have 30 MB.
    assert peaks[1] - peaks[0] < 8_000
