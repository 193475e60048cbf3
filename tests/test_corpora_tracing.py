"""Corpora for source tracing: MLAAD, STOPA, ADD 2023's third track, and the mini corpus' own."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spoofscope import audio
from spoofscope.corpora import mlaad, registry
from spoofscope.corpora.audit import audit
from spoofscope.corpora.base import Corpus
from spoofscope.corpora.families import families_of
from spoofscope.corpora.manifest import build_manifest
from spoofscope.errors import ConfigError, CorpusError, TableError, TrainingError
from spoofscope.objectives.base import Task
from spoofscope.objectives.detection import Detection
from spoofscope.tracing.audit import audit_tracing
from spoofscope.tracing.systems import quadrants, systems
from spoofscope.windows import InputPolicy

HEADER = (
    "path|original_file|language|is_original_language|duration|training_data|model_name|"
    "architecture|transcript"
)
SYSTEMS = {
    "en": ("vits", "tts_models/multi/bark"),
    "de": ("vits", "griffin_lim"),
    "fr": ("griffin_lim", "new"),
}


def clip(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(str(path)[-40:].encode()))
    audio.write(path, rng.uniform(-0.3, 0.3, 800), 16000)


def build(kind: str, root: Path, **options: object) -> Corpus:
    return registry.build({"type": kind, **options}, root, key="mine")


def mlaad_folder(root: Path, header: str = HEADER) -> None:
    """Three clips, t0 to t2, of every system."""
    for language, attacks in SYSTEMS.items():
        for attack in attacks:
            folder = Path("fake") / language / attack.replace("/", "_")
            lines = [header]
            for i in range(3):
                clip(root / folder / f"t{i}.wav")
                fields = {
                    "path": f"./{folder.as_posix()}/t{i}.wav",
                    "original_file": f"xx_YY/by_book/female/reader/book/wavs/t{i}.wav",
                    "language": language,
                    "is_original_language": str(language == "en"),
                    "training_data": "multi-dataset",
                    "model_name": attack,
                    "architecture": "arch",
                    # Quotes and bars are letters of a transcript.
                    "transcript": 'She said "No | maybe',
                }
                lines.append("|".join(fields.get(name, "0.05") for name in header.split("|")))
            (root / folder / "meta.csv").write_text("\n".join(lines) + "\n")


LISTS = {
    "train": ["en vits 0", "en vits 1", "de vits 0", "de griffin_lim 0"],
    "dev": ["de griffin_lim 1", "fr griffin_lim 0", "fr new 0"],
    "eval": ["fr new 1", "en tts_models/multi/bark 1", "fr new 1", "de vits 2"],
}


def write_lists(folder: Path, lists: dict[str, list[str]]) -> None:
    folder.mkdir(exist_ok=True)
    for split, rows in lists.items():
        lines = ["path,model_name"]
        for row in rows:
            language, attack, clip_number = row.split()
            place = f"./fake/{language}/{attack.replace('/', '_')}/t{clip_number}.wav"
            lines.append(f"{place},{attack}")
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    mlaad_folder(tmp_path)
    write_lists(tmp_path / "lists", LISTS)
    return tmp_path


def own(root: Path, **options: object) -> Corpus:
    return build("mlaad", root, protocol="lists", published_protocol=False, **options)


# --- MLAAD with its protocol ---------------------------------------------------------------------


def test_mlaad_by_a_protocol(root: Path) -> None:
    manifest, problems = build_manifest(own(root))
    assert manifest.height == 10
    row = manifest.row(by_predicate=pl.col("utt_id") == "fake-de-vits-t2", named=True)
    assert (
        row
        | {
            "split": "eval",
            "label": "spoof",
            "attack": "vits",
            "speaker": "-",
            "language": "de",
            "source_text": "t2",
            "protocol_line": "5",
            "architecture": "arch",
            "training_data": "multi-dataset",
            "original_language": "False",
        }
        == row
    )
    # The clip that is listed twice is there once, and somebody is told.
    assert [(p.utt_id, p.split, p.reason) for p in problems] == [
        ("fake-fr-new-t1", "eval", "line 4 of eval.csv repeats line 2")
    ]


def test_known_and_unknown_attacks_of_a_protocol(root: Path) -> None:
    manifest = own(root).trials()
    table = systems(manifest)
    # bark stands after `new` in eval, and before it in the manifest.
    assert table.select("attack", "known", "global_id").rows() == [
        *(("griffin_lim", "yes", 0), ("vits", "yes", 1)),
        *(("new", "no", 2), ("tts_models/multi/bark", "no", 3)),
    ]
    cells = dict(zip(manifest["utt_id"], quadrants(manifest), strict=True))
    assert cells["fake-fr-griffin_lim-t0"] == "language_unseen_attack_seen"
    assert cells["fake-en-tts_models_multi_bark-t1"] == "language_seen_attack_unseen"


@pytest.mark.parametrize("place", ["lists.zip", "lists"])
def test_the_published_lists_by_their_checksums(root: Path, place: str, monkeypatch) -> None:
    def pinned() -> Corpus:
        return build("mlaad", root, protocol=place)

    with zipfile.ZipFile(root / "lists.zip", "w") as archive:
        for split in LISTS:
            archive.write(root / "lists" / f"{split}.csv", f"{split}.csv")
    with pytest.raises(CorpusError, match=r"not the published protocol.*published_protocol to fal"):
        pinned().trials()

    def sha256(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    sums = {split: sha256(root / "lists" / f"{split}.csv") for split in LISTS}
    monkeypatch.setattr(mlaad, "PROTOCOL_SHA256", sums)
    monkeypatch.setattr(mlaad, "_ZIP_SHA256", sha256(root / "lists.zip"))
    monkeypatch.setattr(mlaad, "PROTOCOL_ROWS", {"train": 4, "dev": 3, "eval": 4})
    corpus = pinned()
    assert corpus.trials().equals(own(root).trials())
    manifest, problems = build_manifest(corpus)
    found = audit(manifest, problems, corpus.published_counts()).rows
    assert found.filter(check="counts", item="spoof").select("split", "status", "note").rows() == [
        ("train", "ok", "as published: 4"),
        ("dev", "ok", "as published: 3"),
        ("eval", "warn", "published 4; 1 left out"),
    ]


def test_known_attacks_in_files_for_unknown_ones(root: Path) -> None:
    (root / "lists/fine").mkdir()
    fine = root / "lists/fine/eval___lang_seen___model_not_seen.csv"
    fine.write_text("path,model_name\n./fake/de/vits/t2.wav,vits\n./fake/de/x/t2.wav,x\n")
    corpus = own(root)
    (found,) = corpus.misplaced(["griffin_lim", "vits"])
    assert (found.split, found.attack, found.n) == ("eval", "vits", 1)
    assert found.file == f"fine/{fine.name}"
    with zipfile.ZipFile(root / "lists.zip", "w") as archive:
        archive.write(fine, f"fine/{fine.name}")
    zipped = build("mlaad", root, protocol="lists.zip", published_protocol=False)
    assert zipped.misplaced(["vits"]) == [found]
    assert build("mlaad", root).misplaced(["vits"]) == []


def test_files_that_make_a_manifest_stale(root: Path) -> None:
    files = registry.label_files({"type": "mlaad", "protocol": "lists"}, root)
    assert {path.relative_to(root).as_posix() for path in files} == {
        *(f"lists/{split}.csv" for split in LISTS),
        *(
            f"fake/{language}/{attack.replace('/', '_')}/meta.csv"
            for language, attacks in SYSTEMS.items()
            for attack in attacks
        ),
    }
    # A list of one's own is missed where it is not there; the published one may come later.
    entry = {"type": "mlaad", "protocol": "a.zip"}
    assert root / "a.zip" in registry.label_files({**entry, "published_protocol": False}, root)
    assert root / "a.zip" not in registry.label_files(entry, root)
    (root / "a.zip").write_bytes(b"")
    assert root / "a.zip" in registry.label_files(entry, root)


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("./fake/xx/vits/t0.wav,vits", CorpusError, "for this language; valid are: de, en, fr"),
        ("./fake/en/vitts/t0.wav,vitts", CorpusError, "this attack; did you mean 'vits'"),
        ("./fake/en/vits/t0.wav,bark", CorpusError, "in the folder of another attack than 'bark'"),
        ("./fake/../../t0.wav,vits", CorpusError, "leads out of the corpus"),
        ("/fake/en/vits/t0.wav,vits", CorpusError, "paths are ./fake/<language>"),
        ("./other/en/vits/t0.wav,vits", CorpusError, "paths are ./fake/<language>"),
        ("./fake/en/vits/t0.wav,vits", CorpusError, r"in train, too \(line 2\)"),
        ("./fake/en/-/t0.wav,-", TableError, "an attack cannot be called '-'"),
        ("./fake/en/vits/t0.wav", TableError, "1 fields where the header has 2"),
    ],
)
def test_bad_lines_of_a_protocol(root: Path, line: str, error: type, message: str) -> None:
    with open(root / "lists/eval.csv", "a") as stream:
        stream.write(line + "\n")
    with pytest.raises(error, match=rf"eval\.csv: line 6.*{message}"):
        own(root).trials()


def test_a_line_without_audio(root: Path) -> None:
    (root / "fake/en/vits/t1.wav").unlink()
    with pytest.raises(CorpusError, match=r"1 of 10 audio files.*\n.*fake/en/vits/t1\.wav"):
        build_manifest(own(root))
    manifest, problems = build_manifest(own(root, on_bad_audio="exclude"))
    assert manifest.height == 9
    assert {problem.utt_id for problem in problems} == {"fake-en-vits-t1", "fake-fr-new-t1"}


def test_lists_that_are_not_there(root: Path) -> None:
    (root / "lists/dev.csv").unlink()
    with pytest.raises(CorpusError, match=r"dev\.csv: not found; corpora\.mine\.protocol"):
        own(root).trials()
    (root / "no.zip").write_text("text")
    with pytest.raises(CorpusError, match=r"no\.zip: no zip archive that can be read"):
        build("mlaad", root, protocol="no.zip", published_protocol=False).trials()


# --- MLAAD without it ----------------------------------------------------------------------------


def test_mlaad_below_a_folder_of_any_release(tmp_path: Path) -> None:
    # Columns stand elsewhere, and some are gone.
    mlaad_folder(tmp_path / "mlaad_v9", "model_name|original_file|path|transcript")
    corpus = build("mlaad", tmp_path)
    trials = corpus.trials()
    assert trials.height == 18
    assert set(trials["split"]) == {"eval"}
    assert trials["attack"].unique().sort().to_list() == [
        *("griffin_lim", "new", "tts_models/multi/bark", "vits")
    ]
    assert set(trials["architecture"]) == {"-"}
    assert trials["utt_id"][0] == "fake-de-griffin_lim-t0"
    assert corpus.published_counts() is None
    assert len(list(corpus.found())) == 18
    table = systems(trials)
    assert table["known"].unique().to_list() == ["no"]
    assert table["n_eval"].to_list() == [6, 6, 3, 3]


def test_texts_stay_together_and_attacks_can_be_held_out(tmp_path: Path) -> None:
    mlaad_folder(tmp_path)
    shares = {"train": 0.4, "dev": 0.3, "eval": 0.3}
    trials = build("mlaad", tmp_path, fractions=shares, only_test=["new"]).trials()
    assert trials.group_by("source_text").agg(pl.col("split").n_unique())["split"].max() == 1
    # Its clip of the text in train is left out.
    new = trials.filter(attack="new")
    assert sorted(new["split"]) == ["dev", "eval"]
    with pytest.raises(CorpusError, match=r"no clips of the attack 'nwe'.*did you mean 'new'"):
        build("mlaad", tmp_path, fractions=shares, only_test=["nwe"]).trials()
    # In dev alone: what eval had of it is left out, and nothing else moves.
    of_dev = build("mlaad", tmp_path, fractions=shares, only_dev=["new"]).trials()
    assert of_dev.equals(trials.filter((pl.col("attack") != "new") | (pl.col("split") == "dev")))
    assert of_dev.filter(attack="new")["split"].to_list() == ["dev"]
    for given, message in (
        ({"only_dev": ["nwe"]}, r"'nwe' \(corpora\..*only_dev\); did you mean 'new'"),
        (
            {"only_dev": ["new"], "fractions": {"train": 0.5, "eval": 0.5}},
            "'new' is left to choose",
        ),
        ({"only_test": ["new"], "fractions": {"train": 1}}, "'new' is left to test on"),
    ):
        with pytest.raises(CorpusError, match=message):
            build("mlaad", tmp_path, **{"fractions": shares, **given}).trials()


def test_lists_hold_attacks_out_by_themselves(tmp_path: Path) -> None:
    for option in ("only_test", "only_dev"):
        with pytest.raises(ConfigError, match=rf"{option}: the lists of `protocol` say"):
            build("mlaad", tmp_path, protocol="lists.zip", **{option: ["new"]})


def test_recordings_of_mlaad_tiny_are_bona_fide(tmp_path: Path) -> None:
    mlaad_folder(tmp_path)
    clip(tmp_path / "original/en/by_book/female/reader/book/wavs/t1.wav")
    shares = {"train": 0.4, "dev": 0.3, "eval": 0.3}
    with pytest.raises(CorpusError, match="has no bonafide utterances"):
        build("mlaad", tmp_path, fractions=shares).trials()
    trials = build("mlaad", tmp_path).trials()
    (real,) = trials.filter(label="bonafide").rows(named=True)
    assert (real["attack"], real["language"], real["source_text"]) == ("-", "en", "t1")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("path|model_name\n./fake/en/vits/t0.wav\n", CorpusError, "line 2: 1 fields where"),
        ("file|model_name\n", TableError, "'path' is missing"),
    ],
)
def test_bad_metadata(tmp_path: Path, text: str, error: type, message: str) -> None:
    mlaad_folder(tmp_path)
    (tmp_path / "fake/en/vits/meta.csv").write_text(text)
    with pytest.raises(error, match=rf"vits/meta\.csv: .*{message}"):
        build("mlaad", tmp_path).trials()


def test_no_folder_fake(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"neither it nor a folder in it has the folder fake"):
        build("mlaad", tmp_path).trials()


# --- corpora of spoofs only ----------------------------------------------------------------------


def test_spoofs_only_can_be_listed_and_audited_but_train_no_detector(root: Path) -> None:
    manifest, problems = build_manifest(own(root))
    found = audit(manifest, problems, None).rows
    assert "fail" not in set(found["status"])
    train, dev = (manifest.filter(split=split) for split in ("train", "dev"))
    with pytest.raises(TrainingError, match="has no bonafide utterance; both classes are needed"):
        Detection(Task({}, {}, InputPolicy(), train, dev, "m.tsv", "m.tsv", "none", 1, {}))


# --- others --------------------------------------------------------------------------------------


def test_stopa(tmp_path: Path) -> None:
    for name in (
        "EET/wav/LA_T_AA11_p1_c1",
        "TEE/wav/LA_D_AA01_p2_c1",
        "Trials/wav/LA_E_AA02_p3_s2",
    ):
        clip(tmp_path / f"{name}.wav")
    clip(tmp_path / "demo.wav")
    manifest, problems = build_manifest(build("stopa", tmp_path))
    columns = ("utt_id", "split", "attack", "speaker", "acoustic_model", "vocoder")
    assert manifest.select(columns).rows() == [
        ("LA_D_AA01_p2_c1", "dev", "AA01", "p2", "am01", "vm01"),
        ("LA_E_AA02_p3_s2", "eval", "AA02", "p3", "am01", "vm02"),
        ("LA_T_AA11_p1_c1", "train", "AA11", "p1", "am06", "vm06"),
    ]
    assert [problem.utt_id for problem in problems] == ["demo"]
    table = systems(manifest)
    assert table["acoustic_model"].to_list() == ["am06", "am01", "am01"]
    with pytest.raises(CorpusError, match=r"EET has 1 speaker, and `dev_speakers` needs 2"):
        build("stopa", tmp_path, dev_speakers=0.4).trials()
    # Speakers of EET may be dev, beside TEE; every attack that can be is in both.
    for attack, speaker in ((a, s) for a in ("AA11", "AA12", "AA13") for s in range(1, 6)):
        clip(tmp_path / f"EET/wav/LA_T_{attack}_p{speaker}_c1.wav")
    held, _ = build_manifest(build("stopa", tmp_path, dev_speakers=0.4))
    of_eet = held.filter(pl.col("utt_id").str.starts_with("LA_T_"))
    speakers = [set(of_eet.filter(split=split)["speaker"]) for split in ("train", "dev")]
    assert [len(each) for each in speakers] == [3, 2]
    assert speakers[0].isdisjoint(speakers[1])
    assert set(of_eet.filter(split="dev")["attack"]) == {"AA11", "AA12", "AA13"}
    clip(tmp_path / "LA_E_AA14_p3_s2.wav")
    with pytest.raises(CorpusError, match="has no attack 'AA14'"):
        build("stopa", tmp_path).trials()


@pytest.mark.parametrize("place", ["{}/label.txt", "Track3/label/{}.txt"])
def test_add2023_track3(tmp_path: Path, place: str) -> None:
    base = tmp_path / place.partition("label")[0].partition("{")[0]
    for split, numbers in (("train", "0126"), ("dev", "01"), ("eval", "017")):
        lines = []
        for number in numbers:
            name = f"{split}{number}.wav"
            clip(base / split / "wav" / name)
            lines.append(f"{name} {number}")
        path = tmp_path / place.format(split)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    manifest, _ = build_manifest(build("add2023_track3", tmp_path))
    table = systems(manifest)
    assert table.select("attack", "known", "n_train", "n_eval").rows() == [
        *(("system1", "yes", 1, 1), ("system2", "yes", 1, 0), ("system6", "yes", 1, 0)),
        ("unknown", "no", 0, 1),
    ]
    # By class as in the published list.
    assert sum(build("add2023_track3", tmp_path).published_counts().values()) == 79490
    path.write_text("eval0.wav 8\n")
    with pytest.raises(CorpusError, match=r"line 1: unknown system '8'"):
        build("add2023_track3", tmp_path).trials()


# --- corpora for detection, traced ---------------------------------------------------------------


def test_attacks_of_a_table_with_columns_for_tracing(tmp_path: Path) -> None:
    rows = [
        "path,label,attack,split,family,language,source_text",
        "a.wav,spoof,one,train,vits,en,t1",
        "b.wav,spoof,two,eval,-,de,t1",
        "c.wav,bonafide,,train,,en,t2",
    ]
    for name in "abc":
        clip(tmp_path / f"{name}.wav")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    corpus = build("table", tmp_path, file="labels.csv")
    table = systems(corpus.trials(), families_of("table"))
    assert table.select("attack", "known", "family", "languages").rows() == [
        ("one", "yes", "vits", "en"),
        ("two", "no", "-", "de"),
    ]
    cells = quadrants(corpus.trials()).to_list()
    assert cells == ["language_seen_attack_seen", "language_unseen_attack_unseen", "-"]


def test_attacks_of_asvspoof_2019(tmp_path: Path) -> None:
    attacks = {"train": ["A01", "A04"], "dev": ["A01", "A04"], "eval": ["A07", "A16"]}
    names = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}
    protocols = tmp_path / "ASVspoof2019_LA_cm_protocols"
    protocols.mkdir()
    for split, of_split in attacks.items():
        lines = []
        for attack in ["-", *of_split]:
            utt_id = f"{split}_{attack}"
            clip(tmp_path / f"ASVspoof2019_LA_{split}/flac/{utt_id}.flac")
            lines.append(f"S1 {utt_id} - {attack} {'bonafide' if attack == '-' else 'spoof'}")
        path = protocols / f"ASVspoof2019.LA.cm.{names[split]}.txt"
        path.write_text("\n".join(lines) + "\n")
    trials = build("asvspoof2019_la", tmp_path).trials()
    table = systems(trials, families_of("asvspoof2019_la"))
    assert table.select("attack", "known", "acoustic_model", "n_eval").rows() == [
        ("A01", "yes", "ar-rnn", 0),
        ("A04", "yes", "unit-selection", 0),
        ("A07", "no", "rnn", 1),
        ("A16", "no", "unit-selection", 1),
    ]
    # All of eval is unknown, and one attack is another's twin.
    notes = audit_tracing(trials, table).filter(split="eval", status="warn")["note"].to_list()
    assert notes == [
        "eval has no known attack: how often known ones are named cannot be said",
        "2 of 2 clips of unknown attacks are of a family that train has: tts",
    ]


def test_generators_of_wavefake_that_are_held_out(tmp_path: Path) -> None:
    for folder in ("A_real", "B_hifigan", "C_melgan"):
        for i in range(8):
            clip(tmp_path / folder / f"LJ{i}.flac")
    shares = {"train": 0.5, "dev": 0.25, "eval": 0.25}
    corpus = build("wavefake", tmp_path, only_test=["melgan"], fractions=shares)
    table = systems(corpus.trials(), families_of("wavefake"))
    assert table.select("attack", "known", "vocoder", "n_train", "n_dev", "n_eval").rows() == [
        ("hifigan", "yes", "hifigan", 4, 2, 2),
        ("melgan", "no", "melgan", 0, 2, 2),
    ]
