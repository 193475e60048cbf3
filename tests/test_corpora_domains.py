"""Corpora of other domains: found on the web, of a rivalry, in Spanish, of scenes, sung."""

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spoofscope import audio
from spoofscope.corpora import registry
from spoofscope.corpora.audit import audit
from spoofscope.corpora.base import Corpus
from spoofscope.corpora.manifest import build_manifest
from spoofscope.errors import ConfigError, CorpusError, TableError

TRIAL = ("utt_id", "split", "label", "attack", "speaker")


def clip(path: Path) -> None:
    """A noise of a tenth of a second that depends on the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(path.name.encode()))
    audio.write(path, rng.uniform(-0.3, 0.3, 1600), 16000)


def build(kind: str, root: Path, **options: object) -> Corpus:
    return registry.build({"type": kind, **options}, root, key="mine")


# --- In-the-Wild ---------------------------------------------------------------------------------


def in_the_wild(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name in ("0.wav", "1.wav", "2.wav"):
        clip(root / name)
    (root / "meta.csv").write_text(
        'file,speaker,label\n0.wav,Alec Guinness,spoof\n1.wav,"Orwell, George",bona-fide\n'
        "2.wav,Alec Guinness,spoof\n"
    )
    return root


@pytest.mark.parametrize("inside", ["", "release_in_the_wild"])
def test_in_the_wild(tmp_path: Path, inside: str) -> None:
    in_the_wild(tmp_path / inside)
    corpus = build("in_the_wild", tmp_path)
    manifest, problems = build_manifest(corpus)
    assert manifest.select(TRIAL).rows() == [
        ("0", "eval", "spoof", "unknown", "Alec Guinness"),
        ("1", "eval", "bonafide", "-", "Orwell, George"),
        ("2", "eval", "spoof", "unknown", "Alec Guinness"),
    ]
    assert registry.label_files({"type": "in_the_wild"}, tmp_path) == [
        tmp_path / inside / "meta.csv"
    ]
    # The audit says how far a copy is from what was published.
    counts = audit(manifest, problems, corpus.published_counts()).rows.filter(check="counts")
    assert counts.select("item", "status", "note").rows() == [
        ("bonafide", "fail", "published 19963, -19962 here"),
        ("spoof", "fail", "published 11816, -11814 here"),
    ]
    assert sum(corpus.published_counts().values()) == 31779


def test_in_the_wild_to_train_on(tmp_path: Path) -> None:
    names = [f"{i}.wav" for i in range(12)]
    for name in names:
        clip(tmp_path / name)
    lines = [f"{name},s{i // 2},{('spoof', 'bona-fide')[i % 2]}" for i, name in enumerate(names)]
    (tmp_path / "meta.csv").write_text("\n".join(["file,speaker,label", *lines]))
    shares = {"train": 0.5, "dev": 0.2, "eval": 0.3}
    corpus = build("in_the_wild", tmp_path, fractions=shares)
    trials = corpus.trials()
    assert set(trials["split"]) == {"train", "dev", "eval"}
    assert trials.group_by("speaker").agg(pl.col("split").n_unique())["split"].max() == 1
    assert corpus.published_counts() is None


def test_in_the_wild_never_guesses(tmp_path: Path) -> None:
    table = in_the_wild(tmp_path) / "meta.csv"
    table.write_text("file,speaker,label\n0.wav,A,bonafide\n")
    with pytest.raises(CorpusError, match=r"meta\.csv: line 2: unknown label 'bonafide'"):
        build("in_the_wild", tmp_path).trials()
    table.write_text("name,label\n0.wav,spoof\n")
    with pytest.raises(TableError, match=r"meta\.csv: line 1: column 'file' is missing"):
        build("in_the_wild", tmp_path).trials()


# --- ADD 2023 ------------------------------------------------------------------------------------


def add2023(root: Path) -> Path:
    for folder, tag in (("train", "T"), ("dev", "D"), ("testR1", "R1"), ("testR2", "R2")):
        names = [f"ADD2023_{tag}_{i}.wav" for i in (0, 1)]
        for name in names:
            clip(root / folder / "wav" / name)
        (root / folder / "label.txt").write_text(f"{names[0]} genuine\n{names[1]} fake\n")
    return root


@pytest.mark.parametrize("inside", ["", "Track1.2"])
def test_add2023_has_two_test_rounds(tmp_path: Path, inside: str) -> None:
    add2023(tmp_path / inside)
    first = build("add2023", tmp_path)
    manifest, _ = build_manifest(first)
    assert manifest.select(TRIAL[:-1]).rows() == [
        ("ADD2023_D_0", "dev", "bonafide", "-"),
        ("ADD2023_D_1", "dev", "spoof", "unknown"),
        ("ADD2023_R1_0", "eval", "bonafide", "-"),
        ("ADD2023_R1_1", "eval", "spoof", "unknown"),
        ("ADD2023_T_0", "train", "bonafide", "-"),
        ("ADD2023_T_1", "train", "spoof", "unknown"),
    ]
    second = build("add2023", tmp_path, round=2, splits=["eval"])
    assert second.trials()["utt_id"].to_list() == ["ADD2023_R2_0", "ADD2023_R2_1"]
    assert len(registry.label_files({"type": "add2023"}, tmp_path)) == 4


def test_add2023_refuses_other_rounds_and_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"corpora\.mine: round must be one of 1, 2, not 3"):
        build("add2023", tmp_path, round=3)
    (add2023(tmp_path) / "dev/label.txt").write_text("a.wav genuine\nb.wav real\n")
    with pytest.raises(CorpusError, match=r"dev/label\.txt: line 2: unknown label 'real'"):
        build("add2023", tmp_path).trials()


# --- HABLA ---------------------------------------------------------------------------------------

HABLA = (
    "Real/Chile/clf_07508/clf_07508_00799857148.wav",
    "Real/Argentina/arm_01523/arm_01523_020267.wav",
    "Real/Venezuela/vem_02484/vem_02484_00993837010.wav",
    "CycleGAN/Venezuela-Argentina/vem_02484-arm_01523/"
    "CycleGAN-vem_02484_00993837010-arm_01523_020267.wav",
    "TTS/Chile/TTS-clf_07508_1.wav",
    "TTS-Diff/Chile-Venezuela/clf_07508-vem_02484/x.wav",
)


def habla(root: Path) -> Path:
    for name in HABLA:
        clip(root / name)
    return root


@pytest.mark.parametrize("inside", ["", "FinalDataset_16khz"])
def test_habla(tmp_path: Path, inside: str) -> None:
    habla(tmp_path / inside)
    corpus = build("habla", tmp_path)
    trials = corpus.trials()
    assert set(trials["split"]) == {"eval"}
    assert trials.select("label", "attack", "speaker", "accent").rows() == [
        ("spoof", "CycleGAN", "arm_01523", "Argentina"),
        ("bonafide", "-", "arm_01523", "Argentina"),
        ("bonafide", "-", "clf_07508", "Chile"),
        ("bonafide", "-", "vem_02484", "Venezuela"),
        ("spoof", "TTS", "clf_07508", "Chile"),
        ("spoof", "TTS-Diff", "vem_02484", "Venezuela"),
    ]
    assert sum(corpus.published_counts().values()) == 80816
    shares = {"train": 1 / 3, "dev": 1 / 3, "eval": 1 / 3}
    split = build("habla", tmp_path, fractions=shares)
    per_speaker = split.trials().group_by("speaker").agg("split")
    assert all(len(set(splits)) == 1 for splits in per_speaker["split"])
    assert set(split.trials()["split"]) == {"train", "dev", "eval"}
    assert split.published_counts() is None
    orders = {
        tuple(build("habla", tmp_path, fractions=shares, seed=seed).trials()["split"])
        for seed in range(4)
    }
    assert len(orders) > 1


def test_habla_by_a_split_of_others(tmp_path: Path) -> None:
    habla(tmp_path)
    table = tmp_path / "split.csv"
    listed = {HABLA[0]: "train", HABLA[4]: "train", HABLA[1]: "eval"}
    with open(table, "w", newline="") as stream:
        csv.writer(stream).writerows([("path", "split"), *listed.items()])
    trials = build("habla", tmp_path, metadata="split.csv").trials()
    assert trials.select("label", "split").rows() == [
        ("bonafide", "eval"),
        ("bonafide", "train"),
        ("spoof", "train"),
    ]
    assert registry.label_files({"type": "habla", "metadata": "split.csv"}, tmp_path) == [table]
    table.write_text("path,split\nReal/none.wav,eval\n")
    with pytest.raises(CorpusError, match=r"split\.csv: line 2: .*none\.wav does not exist"):
        build("habla", tmp_path, metadata="split.csv").trials()
    table.write_text(f"path,split\n{HABLA[0]},eval\n{HABLA[0]},train\n")
    with pytest.raises(CorpusError, match=r"split\.csv: line 3: .*is there twice"):
        build("habla", tmp_path, metadata="split.csv").trials()


def test_habla_with_a_speaker_that_is_not_found(tmp_path: Path) -> None:
    clip(tmp_path / "Real/Peru/someone.wav")
    with pytest.raises(CorpusError, match=r"finds nothing in 'Real/Peru/someone\.wav'"):
        build("habla", tmp_path).trials()


def test_habla_has_six_attacks(tmp_path: Path) -> None:
    clip(habla(tmp_path) / "VITS/Peru/pef_00001/x.wav")
    with pytest.raises(CorpusError, match=r"VITS: HABLA has no such attack; it has CycleGAN"):
        build("habla", tmp_path).trials()


# --- SceneFake and FoR ---------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["", "SceneFake"])
def test_scenefake(tmp_path: Path, inside: str) -> None:
    for split in ("train", "dev", "eval"):
        for label in ("real", "fake"):
            clip(tmp_path / inside / split / label / "A_1.wav")
    assert build("scenefake", tmp_path).trials().select(TRIAL[:-1]).rows() == [
        ("dev-fake-A_1", "dev", "spoof", "unknown"),
        ("dev-real-A_1", "dev", "bonafide", "-"),
        ("eval-fake-A_1", "eval", "spoof", "unknown"),
        ("eval-real-A_1", "eval", "bonafide", "-"),
        ("train-fake-A_1", "train", "spoof", "unknown"),
        ("train-real-A_1", "train", "bonafide", "-"),
    ]
    with pytest.raises(CorpusError, match=r"train/real: not found.*corpora\.mine\.path"):
        build("scenefake", tmp_path / inside / "train").trials()
    # Of all splits together somebody has counted.
    assert sum(build("scenefake", tmp_path).published_levels().values()) == 58774
    assert build("scenefake", tmp_path, splits=["eval"]).published_levels() == {}


def test_fake_or_real(tmp_path: Path) -> None:
    for split in ("training", "validation", "testing"):
        for label in ("real", "fake"):
            clip(tmp_path / "for-norm" / split / label / "file1.wav")
    corpus = build("fake_or_real", tmp_path)
    assert corpus.trials().select(TRIAL[:-1]).rows() == [
        ("testing-fake-file1", "eval", "spoof", "unknown"),
        ("testing-real-file1", "eval", "bonafide", "-"),
        ("training-fake-file1", "train", "spoof", "unknown"),
        ("training-real-file1", "train", "bonafide", "-"),
        ("validation-fake-file1", "dev", "spoof", "unknown"),
        ("validation-real-file1", "dev", "bonafide", "-"),
    ]
    of_root = build("fake_or_real", tmp_path / "for-norm")
    assert corpus.published_counts() == of_root.published_counts()
    assert sum(corpus.published_counts().values()) == 69300
    # Known before there are any files, for what a study needs.
    assert build("fake_or_real", Path("nowhere/for-norm")).published_counts() is not None
    assert build("fake_or_real", Path("nowhere")).published_counts() is None
    # Other versions have other numbers.
    (tmp_path / "for-norm").rename(tmp_path / "for-2sec")
    assert build("fake_or_real", tmp_path / "for-2sec").published_counts() is None
    with pytest.raises(CorpusError, match=r"training/real: not found"):
        build("fake_or_real", tmp_path).trials()


# --- SpoofCeleb and DFADD ------------------------------------------------------------------------


def spoofceleb(root: Path) -> Path:
    for folder in ("train", "development", "evaluation"):
        lines = ["file,speaker,attack"]
        for attack in ("a00", "a07"):
            file = f"{attack}/id10318/YY-{folder}-006.flac"
            clip(root / "flac" / folder / file)
            lines.append(f"{file},id10318,{attack}")
        (root / "metadata").mkdir(exist_ok=True)
        (root / f"metadata/{folder}.csv").write_text("\n".join(lines) + "\n")
    return root


def test_spoofceleb(tmp_path: Path) -> None:
    corpus = build("spoofceleb", spoofceleb(tmp_path).parent / tmp_path.name)
    manifest, problems = build_manifest(corpus)
    assert not problems
    assert manifest.filter(split="eval").select(TRIAL).rows() == [
        ("a00-id10318-YY-evaluation-006", "eval", "bonafide", "-", "id10318"),
        ("a07-id10318-YY-evaluation-006", "eval", "spoof", "a07", "id10318"),
    ]
    assert len(registry.label_files({"type": "spoofceleb"}, tmp_path)) == 3
    assert sum(corpus.published_counts().values()) == 2_687_292
    whole = (tmp_path / "metadata/train.csv").read_text()
    for line, words in (
        ("real/id10318/x.flac,id10318,real", "unknown attack 'real'.*a00"),
        ("a00/id10318/x.flac,id10318,a07", "is not of attack 'a07'"),
        ("../../id10318/x.flac,id10318,a07", "is not of attack 'a07'"),
        (",id10318,a07", "is not of attack 'a07'"),
    ):
        (tmp_path / "metadata/train.csv").write_text(f"{whole}{line}\n")
        with pytest.raises(CorpusError, match=rf"train\.csv: line 4: .*{words}"):
            corpus.trials()
    (tmp_path / "metadata/train.csv").write_text("path,speaker,attack\n")
    with pytest.raises(TableError, match=r"train\.csv.*file"):
        corpus.trials()


def test_dfadd(tmp_path: Path) -> None:
    for number, folder in enumerate(("train", "valid", "test")):
        clip(tmp_path / "DATASET_VCTK_BONAFIDE" / folder / f"p227_00{number}.wav")
        clip(tmp_path / "DATASET_GradTTS" / folder / f"s5_00{number}_GradTTS.flac")
    corpus = build("dfadd", tmp_path)
    assert corpus.trials().filter(split="eval").select(TRIAL[2:]).rows() == [
        ("spoof", "GradTTS", "s5"),
        ("bonafide", "-", "p227"),
    ]
    # Numbers of the generators that are there.
    assert corpus.published_levels() == {("eval", "attack", "GradTTS"): 600}
    clip(tmp_path / "DATASET_GradTTS/test/p227_001.wav")
    with pytest.raises(CorpusError, match=r"test/p227_001\.wav.*take its clips out of them"):
        corpus.trials()
    (tmp_path / "DATASET_GradTTS/test/p227_001.wav").unlink()
    (tmp_path / "DATASET_gradtts").mkdir()
    with pytest.raises(CorpusError, match=r"DATASET_gradtts: no generator of the release"):
        corpus.trials()
    with pytest.raises(CorpusError, match=r"DATASET_VCTK_BONAFIDE/train: not found"):
        build("dfadd", tmp_path / "DATASET_GradTTS").trials()


# --- Codecfake -----------------------------------------------------------------------------------


def codecfake(root: Path) -> Path:
    for name in ("train", "dev", "C1", "A3"):
        folder = root / ("test/" if name[0] in "CA" else "") / name
        lines = []
        for word, kind in (("real", "0"), ("fake", "3")):
            clip(folder / f"{name}_p225_{word}.wav")
            lines.append(f"{name}_p225_{word}.wav {word} {kind}")
        (root / "label").mkdir(parents=True, exist_ok=True)
        (root / f"label/{name}.txt").write_text("\n".join(lines) + "\n")
    return root


def test_codecfake(tmp_path: Path) -> None:
    corpus = build("codecfake", codecfake(tmp_path))
    manifest, problems = build_manifest(corpus)
    assert not problems
    assert manifest.filter(split="eval").select(*TRIAL[:4], "set").rows() == [
        ("A3-A3_p225_fake", "eval", "spoof", "3", "A3"),
        ("A3-A3_p225_real", "eval", "bonafide", "-", "A3"),
        ("C1-C1_p225_fake", "eval", "spoof", "3", "C1"),
        ("C1-C1_p225_real", "eval", "bonafide", "-", "C1"),
    ]
    # Of the sets that are there; other tests may be fetched later.
    assert corpus.published_levels() == {
        ("train", "set", "train"): 740747,
        ("dev", "set", "dev"): 92596,
        ("eval", "set", "C1"): 26456,
        ("eval", "set", "A3"): 99112,
    }
    counted = audit(manifest, [], None, published_levels=corpus.published_levels()).rows
    (row,) = counted.filter(check="counts", item="set A3").to_dicts()
    assert (row["status"], row["note"]) == ("fail", "published 99112, -99110 here")
    whole = (tmp_path / "label/dev.txt").read_text()
    for line, words in (
        ("a.wav bonafide 0", "unknown label 'bonafide'"),
        ("a.wav fake", "2 fields, expected 3"),
        ("../a.wav fake 1", "is no file of"),
        ("a.wav fake all", "an attack cannot be called 'all'"),
    ):
        (tmp_path / "label/dev.txt").write_text(f"{whole}{line}\n")
        with pytest.raises((CorpusError, TableError), match=rf"dev\.txt: line 3: .*{words}"):
            corpus.trials()
    for name in ("C1", "A3"):
        (tmp_path / f"label/{name}.txt").unlink()
    with pytest.raises(CorpusError, match=r"label: no list of a test set, such as C1\.txt"):
        build("codecfake", tmp_path, splits=["eval"]).trials()


# --- CtrSVDD -------------------------------------------------------------------------------------


def ctrsvdd(root: Path, suffix: str = ".flac") -> Path:
    for name, letter in (("train", "T"), ("dev", "D"), ("test", "E")):
        lines = [
            f"m4singer CtrSVDD_0110 CtrSVDD_0110_{letter}_1 - - bonafide",
            f"jvsmusic CtrSVDD_0097 CtrSVDD_0097_{letter}_2 - A06 deepfake",
        ]
        (root / f"{name}.txt").write_text("\n".join(lines) + "\n")
        for line in lines:
            clip(root / f"{name}_set" / f"{line.split()[2]}{suffix}")
    return root


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_ctrsvdd(tmp_path: Path, suffix: str) -> None:
    corpus = build("ctrsvdd", ctrsvdd(tmp_path, suffix))
    manifest, problems = build_manifest(corpus)
    assert not problems
    assert manifest.filter(split="eval").select(*TRIAL, "source").rows() == [
        ("CtrSVDD_0097_E_2", "eval", "spoof", "A06", "CtrSVDD_0097", "jvsmusic"),
        ("CtrSVDD_0110_E_1", "eval", "bonafide", "-", "CtrSVDD_0110", "m4singer"),
    ]
    assert len(registry.label_files({"type": "ctrsvdd"}, tmp_path)) == 3
    assert sum(corpus.published_counts().values()) == 220798


def test_ctrsvdd_without_the_clips_that_licences_hold_back(tmp_path: Path) -> None:
    with open(ctrsvdd(tmp_path) / "train.txt", "a") as stream:
        stream.write("kiritan CtrSVDD_0059 CtrSVDD_0059_T_6 - - bonafide\n")
    with pytest.raises(CorpusError, match=r"CtrSVDD_0059_T_6\.flac"):
        build_manifest(build("ctrsvdd", tmp_path))
    manifest, problems = build_manifest(build("ctrsvdd", tmp_path, on_bad_audio="exclude"))
    assert [problem.utt_id for problem in problems] == ["CtrSVDD_0059_T_6"]
    assert manifest.height == 6


def test_ctrsvdd_never_guesses(tmp_path: Path) -> None:
    (ctrsvdd(tmp_path) / "dev.txt").write_text("a b c - A01 spoof\n")
    with pytest.raises(CorpusError, match=r"dev\.txt: line 1: unknown label 'spoof'"):
        build("ctrsvdd", tmp_path).trials()
