"""Corpora whose spoofs are in part real: PartialSpoof and HAD, with the places of what is fake."""

import os
import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spoofscope import audio
from spoofscope.corpora import registry
from spoofscope.corpora.base import Corpus
from spoofscope.corpora.manifest import build_manifest
from spoofscope.errors import CorpusError
from spoofscope.tables import SPLITS, read_segments, write_segments


def clip(path: Path, rate: int = 16000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.write(path, np.zeros(rate // 10, np.float32) + 0.1, rate)


def build(kind: str, root: Path, **options: object) -> Corpus:
    return registry.build({"type": kind, **options}, root, key="mine")


def labels_of(segments: pl.DataFrame) -> list[tuple[str, float, float]]:
    assert set(segments["tier"]) <= {"artefact"}
    return segments.select("utt_id", "start", "end").rows()


# --- PartialSpoof --------------------------------------------------------------------------------


def partialspoof(root: Path) -> Path:
    """Per split one whole utterance and one with two spoofed stretches; labels as numpy saves."""
    protocols = root / "protocols/PartialSpoof_LA_cm_protocols"
    for folder in (protocols, root / "segment_labels"):
        folder.mkdir(parents=True)
    for split in SPLITS:
        letter = split[0].upper()
        (protocols / f"PartialSpoof.LA.cm.{split}.trl.txt").write_text(
            f"LA_0079 LA_{letter}_1 - - bonafide\nLA_0079 CON_{letter}_2 - CON spoof\n"
        )
        for name in (f"LA_{letter}_1", f"CON_{letter}_2"):
            clip(root / split / "con_wav" / f"{name}.wav")
        labels = {
            f"LA_{letter}_1": np.array(["1"] * 10, dtype="<U21"),
            f"CON_{letter}_2": np.array(list("0011101000"), dtype="<U21"),
        }
        np.save(root / "segment_labels" / f"{split}_seglab_0.01.npy", labels)
    return root


@pytest.mark.parametrize("inside", ["", "database"])
def test_partialspoof(tmp_path: Path, inside: str) -> None:
    partialspoof(tmp_path / inside)
    corpus = build("partialspoof", tmp_path)
    manifest, problems = build_manifest(corpus)
    assert not problems
    assert manifest.select("utt_id", "split", "label", "attack", "speaker").rows()[:2] == [
        ("CON_D_2", "dev", "spoof", "CON", "LA_0079"),
        ("CON_E_2", "eval", "spoof", "CON", "LA_0079"),
    ]
    expected = [(0.0, 0.02), (0.05, 0.06), (0.07, 0.1)]
    assert labels_of(corpus.segments()) == [
        (f"CON_{letter}_2", start, end) for letter in "TDE" for start, end in expected
    ]
    write_segments(tmp_path / "segments.tsv", corpus.segments())
    assert read_segments(tmp_path / "segments.tsv").height == 9
    watched = registry.label_files({"type": "partialspoof"}, tmp_path)
    assert [path.suffix for path in watched] == [".txt"] * 3 + [".npy"] * 3
    assert sum(corpus.published_counts().values()) == 25380 + 24844 + 71237


def test_partialspoof_of_the_splits_that_were_downloaded(tmp_path: Path) -> None:
    partialspoof(tmp_path)
    (tmp_path / "segment_labels/train_seglab_0.01.npy").unlink()
    corpus = build("partialspoof", tmp_path, splits=["eval"])
    assert corpus.trials()["utt_id"].to_list() == ["CON_E_2", "LA_E_1"]
    assert set(corpus.segments()["utt_id"]) == {"CON_E_2"}
    with pytest.raises(CorpusError, match=r"train_seglab_0\.01\.npy: not found.*splits"):
        build("partialspoof", tmp_path).segments()


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("sprung",)


def test_segment_labels_never_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    partialspoof(tmp_path)
    path = tmp_path / "segment_labels/eval_seglab_0.01.npy"
    np.save(path, {"CON_E_2": _Trap()})
    with pytest.raises(CorpusError, match=r"eval_seglab_0\.01\.npy: .*would run posix\.mkdir"):
        build("partialspoof", tmp_path, splits=["eval"]).segments()
    assert not (tmp_path / "sprung").exists()
    # What is refused does work where nothing refuses it.
    with open(path, "rb") as stream:
        np.lib.format.read_magic(stream)
        np.lib.format.read_array_header_1_0(stream)
        pickle.load(stream)
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"CON_E_2": np.array(["0", "2"])}, "CON_E_2: segment labels must be a row of 0 and 1"),
        ({"CON_E_2": np.zeros((2, 2), int)}, "CON_E_2: segment labels must be a row of 0 and 1"),
        (["0", "1"], "not the segment labels"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: object, reason: str) -> None:
    partialspoof(tmp_path)
    holder = np.empty((), dtype=object)
    holder[()] = content
    np.save(tmp_path / "segment_labels/eval_seglab_0.01.npy", holder)
    with pytest.raises(CorpusError, match=rf"eval_seglab_0\.01\.npy: {reason}"):
        build("partialspoof", tmp_path, splits=["eval"]).segments()


def test_damaged_segment_labels(tmp_path: Path) -> None:
    partialspoof(tmp_path)
    path = tmp_path / "segment_labels/eval_seglab_0.01.npy"
    for damaged in (b"", path.read_bytes()[:150], b"no numbers"):
        path.write_bytes(damaged)
        with pytest.raises(CorpusError, match=r"eval_seglab_0\.01\.npy: not the segment labels"):
            build("partialspoof", tmp_path, splits=["eval"]).segments()


# --- HAD -----------------------------------------------------------------------------------------

REGIONS = {
    "train": "HAD_train_real_1 0.00-0.10-T 1\n"
    "HAD_train_fake_1 0.00-0.02-T/0.02-0.05-F/0.05-0.1-T 0\n",
    "dev": "HAD_dev_real_1 0-0.1-T 1\nHAD_dev_fake_1 0.00-0.02-F/0.02-0.02-T/0.02-0.1-F 0\n",
    "test": "HAD_test_1 0.00-0.1-T 1\nHAD_test_2 0.00-0.1-F 0\n",
}


def half_truth(root: Path) -> Path:
    for name, audio_folder in (("train", "train/conbine"), ("dev", "conbine"), ("test", "test")):
        folder = root / f"HAD_{name}"
        (folder / audio_folder).mkdir(parents=True)
        (folder / f"HAD_{name}_label.txt").write_text(REGIONS[name])
        for line in REGIONS[name].splitlines():
            clip(folder / audio_folder / f"{line.split()[0]}.wav", 44100)
    return root


def test_half_truth(tmp_path: Path) -> None:
    corpus = build("half_truth", half_truth(tmp_path))
    manifest, problems = build_manifest(corpus)
    assert not problems
    assert manifest["sample_rate"].unique().to_list() == [44100]
    assert manifest.select("utt_id", "split", "label", "attack").rows() == [
        ("HAD_dev_fake_1", "dev", "spoof", "full"),
        ("HAD_dev_real_1", "dev", "bonafide", "-"),
        ("HAD_test_1", "eval", "bonafide", "-"),
        ("HAD_test_2", "eval", "spoof", "full"),
        ("HAD_train_fake_1", "train", "spoof", "partial"),
        ("HAD_train_real_1", "train", "bonafide", "-"),
    ]
    assert labels_of(corpus.segments()) == [
        ("HAD_train_fake_1", 0.02, 0.05),
        ("HAD_dev_fake_1", 0.0, 0.02),
        ("HAD_dev_fake_1", 0.02, 0.1),
        ("HAD_test_2", 0.0, 0.1),
    ]
    watched = registry.label_files({"type": "half_truth"}, tmp_path)
    assert watched == sorted(tmp_path.glob("HAD_*/*.txt"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a 0-1-T 2", "unknown label '2'; 1 is real, 0 is fake"),
        ("a 0-1-F 1", "label 1 with the regions '0-1-F'"),
        ("a 0-1-T 0", "label 0 with the regions '0-1-T'"),
        ("a 0-1-T/1-0.5-F 0", "'1-0.5-F' is no region"),
        ("a 0-1-X 0", "'0-1-X' is no region"),
        ("a 0-1-F", "2 fields, expected 3"),
    ],
)
def test_half_truth_never_guesses(tmp_path: Path, line: str, reason: str) -> None:
    half_truth(tmp_path)
    (tmp_path / "HAD_test/HAD_test_label.txt").write_text(f"HAD_test_1 0-0.1-T 1\n{line}\n")
    with pytest.raises(CorpusError, match=rf"HAD_test_label\.txt: line 2: .*{reason}"):
        build("half_truth", tmp_path).trials()
