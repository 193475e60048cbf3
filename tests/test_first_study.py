"""`spoofscope init`: a study of somebody's own recordings."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from spoofscope import audio
from spoofscope.cli import main
from spoofscope.corpora.manifest import inspect_corpus
from spoofscope.corpora.registry import build
from spoofscope.first_study import study_name
from spoofscope.plan.study_plan import load_study

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.chdir(folder)


def record(path: Path, rate: int = 16000, seconds: float = 0.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(abs(hash(path.name)) % 2**32)
    audio.write(path, 0.1 * rng.standard_normal(int(rate * seconds)), rate)


@pytest.fixture
def folders(tmp_path):
    """Eight speakers with three sentences each, said by them and by two voice cloners."""
    root = tmp_path / "My Corpus"
    for folder in ("real", "vits", "xtts"):
        for speaker in range(8):
            for sentence in range(3):
                record(root / folder / f"p{speaker}_{sentence}.flac")
    record(root / "musan" / "rain.wav")
    return root


def run(capsys, *arguments):
    code = main(("init", *map(str, arguments)))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def table(name):
    return pl.read_csv(f"{name}.tsv", separator="\t", infer_schema=False)


def test_folders_of_attacks_become_a_study(folders, capsys):
    code, out, err = run(capsys, folders)
    assert (code, err) == (0, "")
    rows = table("my_corpus")
    assert rows.height == 72
    assert rows.group_by("label", "attack").len().sort("attack").rows() == [
        ("bonafide", "-", 24),
        ("spoof", "vits", 24),
        ("spoof", "xtts", 24),
    ]
    assert rows["speaker"].n_unique() == 8
    # Whole speakers are dealt.
    assert rows.group_by("speaker").agg(pl.col("split").n_unique())["split"].to_list() == [1] * 8
    assert set(rows["split"]) == {"train", "dev", "eval"}
    for sentence in (
        "72 recordings, about 0.01 hours",
        "Left out, because noise is no speech: musan.",
        "Bona fide speech is in real, by the name.",
        "Speakers are guessed from names: real/p0_0.flac is of 'p0', and there are 8.",
        "they are dealt: 60% train, 20% dev, 20% eval.",
        ".venv/bin/spoofscope run my_corpus.yaml",
    ):
        assert sentence in out
    study = load_study("my_corpus.yaml")
    assert study.corpora["my_corpus"]["path"] == str(folders)
    assert [run.detector for run in study.runs.values()] == ["fbank_cnn", "lfcc_gmm"]


def test_the_study_reads_the_recordings_that_were_listed(folders, capsys):
    run(capsys, folders, "--name", "own")
    entry = load_study("own.yaml").corpora["own"]
    manifest, problems, _ = inspect_corpus(build(entry, entry["path"], key="own"))
    assert manifest.height == 72
    assert problems == []
    assert set(manifest["speaker"]) == {f"p{i}" for i in range(8)}


def test_what_is_in_comments_can_be_uncommented(folders, capsys):
    run(capsys, folders, "--name", "own")
    text = Path("own.yaml").read_text()
    block = text.partition("move the detector up.\n")[2].partition("\n\n")[0]
    more = yaml.safe_load("\n".join(line.removeprefix("# ") for line in block.splitlines()))
    config = yaml.safe_load(text)
    for section, entries in more.items():
        config.setdefault(section, {}).update(entries)
    Path("more.yaml").write_text(yaml.safe_dump(config))
    assert "wavlm_mhfa" in {run.detector for run in load_study("more.yaml").runs.values()}


def test_names_of_classes_can_be_told(folders, capsys):
    os.rename(folders / "real", folders / "studio")
    code, _, err = run(capsys, folders)
    assert code == 2
    assert (
        "which folder is bona fide speech cannot be told from the names studio, vits, xtts" in err
    )
    code, _, _ = run(capsys, folders, "--bonafide", "studio")
    assert code == 0
    assert set(table("my_corpus").filter(label="bonafide")["path"].str.slice(0, 6)) == {"studio"}


def test_a_folder_of_all_spoofs_holds_the_attacks(tmp_path, capsys):
    root = tmp_path / "set"
    for split in ("train", "dev", "test"):
        for i in range(2):
            record(root / split / "bonafide" / f"{split}{i}.wav")
            record(root / split / "fake" / "glow" / f"{split}{i}.wav")
            record(root / split / "fake" / f"loose{split}{i}.wav")
    code, out, _ = run(capsys, root)
    assert code == 0
    rows = table("set")
    assert dict(rows.group_by("split").len().rows()) == {"train": 6, "dev": 6, "eval": 6}
    assert set(rows["attack"]) == {"-", "glow", "unknown"}
    assert "The folders dev, test, train are the splits." in out
    assert "Speakers are not known" in out


def listed(folders, header, rows):
    path = folders / "list.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_table_is_read_by_the_names_of_its_columns(folders, capsys):
    rows = [
        f"{name}_{i},{folder}/p{name}_{i}.flac,{'real' if folder == 'real' else 'fake'},"
        f"{folder},s{name},{'test' if name < 4 else 'training'},{'m' if name % 2 else 'f'}"
        for folder in ("real", "vits")
        for name in range(8)
        for i in range(3)
    ]
    path = listed(folders, "utt_id,Path,label,generator,Speaker,subset,gender", rows)
    code, out, _ = run(capsys, path, "--name", "t")
    assert code == 0
    found = table("t")
    assert found.columns == ["path", "label", "attack", "speaker", "split", "gender"]
    assert set(found["speaker"]) == {f"s{i}" for i in range(8)}
    # What came as train is train or, because there was none, dev; speakers stay whole.
    of_split = dict(found.group_by("split").agg(pl.col("speaker").unique().sort()).rows())
    assert of_split["eval"] == ["s0", "s1", "s2", "s3"]
    assert sorted([*of_split["train"], *of_split["dev"]]) == ["s4", "s5", "s6", "s7"]
    assert len(of_split["dev"]) == 1
    assert "20% of train are dealt to it" in out
    assert set(found.filter(label="spoof")["attack"]) == {"vits"}
    assert "path = Path, label = label, attack = generator" in out
    assert "conditions: [attack, gender]" in Path("t.yaml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("file,kind", "real/p0_0.flac,real", "no column is called label or key"),
        ("file,label", "real/p0_0.flac,1", "line 2: the class '1' is none of"),
        ("file,label", "p0_0,real", "may be real/p0_0.flac or vits/p0_0.flac"),
        ("file,label", "real/lost.flac,real", "1 of 1 files are not below"),
        ("file,label,split", "real/p0_0.flac,real,later", "the split 'later' is none of"),
        ("file,label", "real/p0_0.flac,real,x", "line 2: 3 fields where the header has 2"),
        ("file,label", "real/p0_0.flac,real", "there are no spoofs"),
        ("file,label", "real/p0_0.flac,real\nreal/p0_0.flac,fake", "line 3: real/p0_0.flac is on"),
        ("file;label", "real/p0_0.flac;maybe", "line 2: the class 'maybe'"),
    ],
)
def test_bad_tables_are_refused_and_leave_nothing(folders, capsys, header, row, message):
    code, out, err = run(capsys, listed(folders, header, [row]), "--name", "t")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_nothing_is_overwritten(folders, capsys):
    Path("own.tsv").write_text("mine")
    code, _, err = run(capsys, folders, "--name", "own")
    assert code == 2
    assert "own.tsv is there already" in err
    assert Path("own.tsv").read_text() == "mine"


def test_what_cannot_be_read_is_said(folders, capsys):
    (folders / "vits" / "p0_0.flac").write_bytes(b"fLaC and no more")
    record(folders / "xtts" / "p0_0.flac", rate=8000)
    code, out, _ = run(capsys, folders)
    assert code == 0
    assert "1 of 72 recordings cannot be read, and the manifest would be refused" in out
    assert out.count(".flac: ") == 1
    for take in range(7):
        (folders / "real" / f"p{take}_1.flac").write_bytes(b"fLaC and no more")
    _, out, _ = run(capsys, folders, "--name", "more")
    assert "8 of 72 recordings cannot be read" in out
    assert out.count(".flac: ") == 5
    assert "; and 3 more" in out
    assert "Sample rates differ." in out


def test_a_study_that_could_not_train_is_not_written(tmp_path, capsys):
    """Three recordings, dealt to three splits, leave train with one class."""
    for name in ("real/a.wav", "fake/x/b.wav", "fake/y/c.wav"):
        record(tmp_path / name)
    code, out, err = run(capsys, tmp_path, "--name", "three")
    assert (code, out) == (2, "")
    assert "train has no bonafide recordings" in err
    assert list(Path().iterdir()) == []


def test_speakers_of_train_in_eval_are_said(tmp_path, capsys):
    for split in ("train", "dev", "test"):
        for folder in ("real", "fake"):
            for speaker in range(2):
                for take in range(2):
                    record(tmp_path / split / folder / f"p{speaker}_{take}.wav")
    code, out, _ = run(capsys, tmp_path, "--name", "known")
    assert code == 0
    assert "2 of 2 speakers of eval are in train too" in out


def test_a_name_that_is_no_key_is_refused(folders, capsys):
    code, _, err = run(capsys, folders, "--name", "My Study")
    assert code == 2
    assert "study" in err
    assert list(Path().iterdir()) == []


def test_names_of_studies():
    assert study_name(Path("/data/In-the-Wild (2022)")) == "in_the_wild_2022"
    assert study_name(Path("/data/2021.LA")) == "study_2021"
    assert study_name(Path("/data/声")) == "study"


def test_too_few_speakers_to_deal(tmp_path, capsys):
    for folder in ("real", "fake"):
        for take in range(6):
            record(tmp_path / folder / f"p{take % 2}_{take}.flac")
    assert main(("init", str(tmp_path), "--name", "few")) == 2
    error = capsys.readouterr().err
    assert (
        "2 speakers (or recordings of different names) cannot be dealt to train, dev, eval" in error
    )
    assert "give a table of the recordings with a column split" in error
    assert not Path("few.yaml").exists()
