"""The mini corpus: what is planted is there, and nothing else separates the classes."""

import csv
import dataclasses
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from scipy import signal
from scipy.stats import mannwhitneyu

from folders import sha256_folder
from spoofscope.corpora import registry
from spoofscope.corpora.mini import generate
from spoofscope.corpora.mini.attacks import ATTACKS, BAND_EDGE, BUZZ_PITCH, SPIKE_SPACING
from spoofscope.corpora.mini.generate import generate_corpus
from spoofscope.corpora.mini.noise import generate_musan, generate_rirs
from spoofscope.corpora.mini.talker import (
    LANGUAGES,
    RECORDING_RMS,
    SAMPLE_RATE,
    VOWELS,
    Silences,
    make_sentence,
    make_speaker,
    speak,
)
from spoofscope.errors import ConfigError
from spoofscope.identity import rng_of
from spoofscope.tables import read_segments, read_table
from spoofscope.tracing.systems import systems

pytestmark = pytest.mark.slow

TINY = {
    "speakers": {"train": 1, "dev": 1, "eval": 1},
    "sentences": {"train": 4, "dev": 4, "eval": 4},
}
MEDIUM = {
    "speakers": {"train": 4, "dev": 2, "eval": 4},
    "sentences": {"train": 8, "dev": 8, "eval": 8},
}
ATTACK = {attack.name: attack for attack in ATTACKS}
LOCAL = sorted(attack.name for attack in ATTACKS if attack.scope == "local")


class Corpus:
    def __init__(self, root):
        self.root = root
        self.protocol = read_table(root / "protocol.tsv", {"utt_id": pl.String()})
        self.segments = read_segments(root / "segments.tsv")
        self.audio = {
            utt_id: soundfile.read(root / file)[0]
            for utt_id, file in self.protocol.select("utt_id", "file").iter_rows()
        }

    def pairs(self, attack):
        """Spoofs without codec, each with its bona fide recording and its artefact spans."""
        codec = dict(self.protocol.select("utt_id", "codec").iter_rows())
        rows = self.protocol.filter((pl.col("attack") == attack) & (pl.col("codec") == "-"))
        for utt_id, base in rows.select("utt_id", "base_utt").iter_rows():
            if codec[base] == "-":
                yield self.audio[utt_id], self.audio[base], self.spans(utt_id)

    def spans(self, utt_id):
        rows = self.segments.filter((pl.col("utt_id") == utt_id) & (pl.col("tier") == "artefact"))
        return [
            slice(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE))
            for start, end in rows.select("start", "end").iter_rows()
        ]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("mini") / "corpus"
    generate_corpus(root, MEDIUM, seed=1)
    return Corpus(root)


@pytest.fixture(scope="module")
def recording():
    speaker = make_speaker("someone", 1, "qaa", rng_of(3, "speaker"))
    sentence = make_sentence("qaa", 6, rng_of(3, "sentence"))
    return speak(speaker, sentence, 2.4, Silences(0.15, 0.15, 0.15), rng_of(3, "recording"))


# ---------------------------------------------------------------- the talker


def test_recording_has_the_level_and_length_asked_for(recording):
    assert recording.samples.shape == (int(2.4 * SAMPLE_RATE),)
    assert np.sqrt(np.mean(recording.samples**2)) == pytest.approx(RECORDING_RMS)
    assert abs(recording.samples.mean()) < 1e-12


def test_phones_and_silences_tile_the_recording(recording):
    tiles = [s for s in recording.segments if s.tier in ("phone", "silence")]
    assert tiles[0].start == 0
    assert tiles[-1].end == recording.samples.size
    for before, after in itertools.pairwise(tiles):
        assert before.end == after.start
        assert before.end > before.start


def test_vowels_are_voiced_at_the_speakers_pitch_and_silences_are_quiet(recording):
    speaker = make_speaker("someone", 1, "qaa", rng_of(3, "speaker"))
    x = recording.samples
    periods = []
    for segment in recording.segments:
        part = x[segment.start : segment.end]
        if segment.tier == "silence":
            # Speech decays into a silence, and the voice sets in a little before its phone.
            middle = part[part.size // 3 : -part.size // 3]
            assert np.sqrt(np.mean(middle**2)) < 0.1 * RECORDING_RMS
        elif segment.label in VOWELS and part.size > 1200:
            part = part - part.mean()
            lags = signal.correlate(part, part)[part.size - 1 :] / np.sum(part**2)
            periods.append(40 + int(np.argmax(lags[40:240])))
    assert SAMPLE_RATE / np.median(periods) == pytest.approx(speaker.f0, rel=0.2)


def test_formants_are_where_they_were_asked_for():
    # One long "a" and one long "i" of the same man: the peaks of Peterson and Barney, scaled.
    speaker = make_speaker("someone", 1, "qaa", rng_of(8, "speaker"))
    sentence = generate.Sentence((("m", "a"), ("m", "i"), ("m", "u")), frozenset({1}))
    x = speak(speaker, sentence, 3.0, Silences(0.1, 0.1, 0.1), rng_of(8, "recording"))
    vowels = [s for s in x.segments if s.label in VOWELS]
    for vowel, (low, high), formant in zip(
        vowels, [(950, 1600), (1800, 2700)], [1090, 2290], strict=False
    ):
        part = x.samples[vowel.start : vowel.end]
        frequency, power = signal.welch(part, SAMPLE_RATE, nperseg=512)
        inside = (frequency > low) & (frequency < high)
        peak = frequency[inside][np.argmax(power[inside])]
        assert peak == pytest.approx(formant * speaker.formant_scale, rel=0.15)


@pytest.mark.parametrize("n_words", [3, 4, 6, 9])
def test_every_sentence_has_a_pause_and_two_words_in_a_row(n_words):
    for seed in range(20):
        for language in LANGUAGES:
            sentence = make_sentence(language, n_words, rng_of(seed, language))
            assert len(sentence.words) == n_words
            assert sentence.pauses
            assert any(index not in sentence.pauses for index in range(n_words - 1))
            assert sentence.text.count(",") == len(sentence.pauses)


# ---------------------------------------------------------------- the tree as a whole


@pytest.mark.slow
def test_same_seed_same_bytes_in_another_process_too(tmp_path):
    generate_corpus(tmp_path / "here", TINY, seed=5)
    program = (
        "import json, sys; from pathlib import Path;"
        "from spoofscope.corpora.mini.generate import generate_corpus;"
        "generate_corpus(Path(sys.argv[1]), json.loads(sys.argv[2]), seed=5)"
    )
    options = str(TINY).replace("'", '"')
    source = str(Path(generate.__file__).parents[3])
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "there"), options],
        check=True,
        env={"PYTHONPATH": source, "PYTHONHASHSEED": "77", "PATH": ""},
    )
    assert sha256_folder(tmp_path / "here") == sha256_folder(tmp_path / "there")
    generate_corpus(tmp_path / "here", TINY, seed=6)
    assert sha256_folder(tmp_path / "here") != sha256_folder(tmp_path / "there")


def test_an_interrupted_generation_leaves_the_old_corpus(tmp_path, monkeypatch):
    root = tmp_path / "corpus"
    root.mkdir()
    (root / "old").write_text("old")
    calls = []

    def failing(path, samples, sample_rate):
        calls.append(path)
        if len(calls) == 5:
            raise OSError("no space left on device")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    monkeypatch.setattr(generate.audio, "write", failing)
    with pytest.raises(OSError, match="no space"):
        generate_corpus(root, TINY, seed=1)
    assert len(calls) == 5
    assert [p.name for p in tmp_path.iterdir()] == ["corpus"]
    assert [p.name for p in root.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speaker": 3}, "speakers"),
        ({"speakers": {"test": 3}}, "test"),
        ({"speakers": {"dev": 0}}, "dev must be an integer"),
        ({"spoofs": 3}, "spoofs must be an integer .* divisible by 2, not 3"),
        ({"sentences": {"train": 5}}, "sentences: train must be .* divisible by 2"),
        ({"sentences": {"train": 2}, "spoofs": 4}, "sentences.train: 2 is less than `spoofs`, 4"),
        ({"codecs": ["mp4"]}, "mulaw', 'opus', 'mp3', not 'mp4'"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        generate_corpus(tmp_path / "corpus", options, seed=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_protocol_is_balanced_and_speakers_stay_in_their_split(corpus):
    protocol = corpus.protocol
    assert protocol["utt_id"].is_unique().all()
    assert (protocol.group_by("speaker").agg(pl.col("split").n_unique())["split"] == 1).all()
    for attack in ATTACKS:
        rows = protocol.filter(pl.col("attack") == attack.name)
        assert set(rows["split"]) == set(attack.splits)
        per_speaker = rows.group_by("speaker").len()["len"]
        assert set(per_speaker) == {2}
    bases = protocol.select("utt_id", base_label="label", base_speaker="speaker")
    joined = protocol.join(bases, left_on="base_utt", right_on="utt_id")
    assert joined.height == protocol.height
    assert (joined["base_label"] == "bonafide").all()
    assert (joined["base_speaker"] == joined["speaker"]).all()
    assert set(protocol["gender"]) == {"female", "male"}


def test_codecs_are_in_eval_only_and_in_equal_shares(corpus):
    assert set(corpus.protocol.filter(pl.col("split") != "eval")["codec"]) == {"-"}
    rows = corpus.protocol.filter(pl.col("split") == "eval")
    shares = rows.group_by("attack").agg((pl.col("codec") != "-").mean().alias("coded"))
    assert set(shares["coded"]) == {0.25}
    bonafide = rows.filter(pl.col("label") == "bonafide")["codec"].value_counts()
    assert set(bonafide["codec"]) == {"-", "mulaw", "opus", "mp3"}


def test_segments_lie_inside_their_utterances(corpus):
    lengths = {utt_id: x.size / SAMPLE_RATE for utt_id, x in corpus.audio.items()}
    assert set(corpus.segments["utt_id"]) == set(lengths)
    for utt_id, end in corpus.segments.group_by("utt_id").agg(pl.col("end").max()).iter_rows():
        assert end <= lengths[utt_id] + 1e-9
    artefacts = set(corpus.segments.filter(pl.col("tier") == "artefact")["utt_id"])
    assert artefacts == set(corpus.protocol.filter(pl.col("label") == "spoof")["utt_id"])


def test_attacks_table_says_what_the_audio_holds(corpus):
    table = read_table(corpus.root / "attacks.tsv", {"attack": pl.String()})
    assert table["attack"].to_list() == [attack.name for attack in ATTACKS]
    labels = corpus.segments.filter(pl.col("tier") == "artefact").join(
        corpus.protocol.select("utt_id", "attack"), on="utt_id"
    )
    found = labels.group_by("attack").agg(pl.col("label").unique())
    assert {attack: set(cues) for attack, cues in found.iter_rows()} == {
        attack: {cue} for attack, cue in table.select("attack", "cue").iter_rows()
    }


def test_cues_in_bands_say_in_which(corpus):
    artefacts = corpus.segments.filter(pl.col("tier") == "artefact").join(
        corpus.protocol.select("utt_id", "attack"), on="utt_id"
    )
    bands = {
        attack: sorted(set(rows.select("low_hz", "high_hz").rows()))
        for (attack,), rows in artefacts.group_by("attack")
    }
    lines = [(1000.0 * k - 50, 1000.0 * k + 50) for k in range(1, 8)]
    assert bands.pop("upsampling") == [*lines, (7950, 8000)]
    assert bands.pop("band_limit") == [(4000, 8000)]
    # All others are at all frequencies.
    assert set(map(tuple, bands.values())) == {((None, None),)}
    others = corpus.segments.filter(pl.col("tier") != "artefact")
    assert others["low_hz"].is_null().all()


def test_what_upsampling_adds_alone_lies_in_its_bands(recording):
    """A pause without noise holds the lines and nothing else."""
    bands = ATTACK["upsampling"].bands
    quiet = dataclasses.replace(recording, samples=np.full(16000, 1e-9))
    samples, _ = ATTACK["upsampling"].spoof(quiet, rng_of(1))
    power = np.abs(np.fft.rfft((samples - samples.mean()) * np.hanning(samples.size))) ** 2
    frequency = np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE)
    inside = np.any([(frequency >= low) & (frequency <= high) for low, high in bands], axis=0)
    assert power[inside].sum() > 0.999 * power[frequency > 1].sum()


def test_band_limit_leaves_nothing_in_its_band(recording):
    ((low, _),) = ATTACK["band_limit"].bands
    samples, _ = ATTACK["band_limit"].spoof(recording, rng_of(1))
    frequency = np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE)

    def above(x):
        return np.sum(np.abs(np.fft.rfft(x * np.hanning(x.size)))[frequency > low] ** 2)

    assert above(samples) < 1e-4 * above(recording.samples)


# ---------------------------------------------------------------- what must not separate


def leading_silence(x):
    frames = x[: x.size // 160 * 160].reshape(-1, 160)
    rms = np.sqrt(np.mean(frames**2, axis=1))
    return float(np.argmax(rms > np.percentile(rms, 95) * 0.01))


def bandwidth(x):
    frequency, power = signal.welch(x, SAMPLE_RATE, nperseg=512)
    share = np.cumsum(power) / np.sum(power)
    return float(frequency[np.argmax(share >= 0.99)])


TRIVIAL = {
    "duration": lambda x: x.size,
    "level": lambda x: np.mean(x**2),
    "peak": lambda x: np.max(np.abs(x)),
    "leading": leading_silence,
    "trailing": lambda x: leading_silence(x[::-1]),
    "clipping": lambda x: np.mean(np.abs(x) > 0.9999),
    "bandwidth": bandwidth,
}
PLANTED = {("band_limit", "bandwidth")}


def auc(bonafide, spoof):
    return mannwhitneyu(bonafide, spoof).statistic / (len(bonafide) * len(spoof))


@pytest.fixture(scope="module")
def cues(corpus):
    values = {name: [f(x) for x in corpus.audio.values()] for name, f in TRIVIAL.items()}
    return corpus.protocol.with_columns(**{k: pl.Series(k, v) for k, v in values.items()})


@pytest.mark.parametrize("cue", TRIVIAL)
def test_trivial_cues_do_not_separate_the_classes(cues, cue):
    for split in ("train", "dev", "eval"):
        rows = cues.filter(pl.col("split") == split)
        bonafide = rows.filter(pl.col("label") == "bonafide")[cue].to_numpy()
        spoof = rows.filter(pl.col("label") == "spoof")[cue].to_numpy()
        assert 0.4 <= auc(bonafide, spoof) <= 0.6, split
    for attack in ATTACKS:
        if (attack.name, cue) in PLANTED:
            continue
        rows = cues.filter(pl.col("split").is_in(attack.splits))
        bonafide = rows.filter(pl.col("label") == "bonafide")[cue].to_numpy()
        spoof = rows.filter(pl.col("attack") == attack.name)[cue].to_numpy()
        # Eight utterances of an eval-only attack leave a standard error of about 0.11.
        margin = 0.1 if len(spoof) > 8 else 0.2
        assert abs(auc(bonafide, spoof) - 0.5) <= margin, attack.name


def test_no_corpus_file_clips_or_hides_in_the_lowest_bits(corpus):
    for x in corpus.audio.values():
        assert 0.02 < np.max(np.abs(x)) < 0.999


def test_no_corpus_file_has_dc(corpus):
    # Opus itself wanders a little around zero.
    for utt_id, codec in corpus.protocol.select("utt_id", "codec").iter_rows():
        assert abs(np.mean(corpus.audio[utt_id])) < (1e-6 if codec == "-" else 1e-3)


# ---------------------------------------------------------------- what is planted


def test_digital_silence_is_exactly_zero_in_pauses_and_nowhere_else(corpus):
    pauses = corpus.segments.filter((pl.col("tier") == "silence") & (pl.col("label") == "pause"))
    n = 0
    for spoof, base, spans in corpus.pairs("digital_silence"):
        n += 1
        inside = np.zeros(spoof.size, dtype=bool)
        for span in spans:
            inside[span] = True
        assert (spoof[inside] == 0).all()
        assert np.mean(base[inside] == 0) < 0.3
        assert np.mean(spoof[~inside] == 0) < 0.1
    assert n > 6
    for utt_id in corpus.protocol.filter(pl.col("attack") == "digital_silence")["utt_id"]:
        own = pauses.filter(pl.col("utt_id") == utt_id)
        assert len(corpus.spans(utt_id)) == own.height
        for span in corpus.spans(utt_id):
            assert any(
                start <= span.start / SAMPLE_RATE < span.stop / SAMPLE_RATE <= end + 1e-9
                for start, end in own.select("start", "end").iter_rows()
            )


def test_buzz_repeats_at_its_own_pitch_in_some_vowels_only(corpus):
    lag = round(SAMPLE_RATE / BUZZ_PITCH)

    def periodicity(x):
        return np.corrcoef(x[:-lag], x[lag:])[0, 1]

    buzzing, natural = [], []
    for spoof, base, spans in corpus.pairs("buzz"):
        for span in spans:
            inner = slice(span.start + 128, span.stop - 128)
            if inner.stop - inner.start > 3 * lag:
                buzzing.append(periodicity(spoof[inner]))
                natural.append(periodicity(base[inner]))
        outside = np.ones(spoof.size, dtype=bool)
        for span in spans:
            outside[span] = False
        assert np.corrcoef(spoof[outside], base[outside])[0, 1] > 0.999
    assert len(buzzing) > 10
    assert np.median(buzzing) > 0.8
    assert np.median(buzzing) > np.median(natural) + 0.3
    for utt_id in corpus.protocol.filter(pl.col("attack") == "buzz")["utt_id"]:
        own = corpus.segments.filter((pl.col("utt_id") == utt_id) & (pl.col("tier") == "phone"))
        vowels = set(own.filter(pl.col("label").is_in(list(VOWELS)))["start"])
        starts = {span.start / SAMPLE_RATE for span in corpus.spans(utt_id)}
        assert starts
        assert starts < vowels


def test_splices_jump_at_word_borders(corpus):
    spoofed, original = [], []
    for spoof, base, spans in corpus.pairs("splice"):
        for span in spans:
            spoofed.append(np.max(np.abs(np.diff(spoof[span]))) / np.std(spoof[span]))
            original.append(np.max(np.abs(np.diff(base[span]))) / np.std(base[span]))
    assert auc(np.array(original), np.array(spoofed)) < 0.05
    for spoof, _, spans in corpus.pairs("splice"):
        # Every cut clicks nearly as loud as the loudest of the clip.
        loudest = np.max(np.abs(spoof))
        for span in spans:
            assert np.max(np.abs(spoof[span])) > 0.65 * loudest
    for utt_id in corpus.protocol.filter(pl.col("attack") == "splice")["utt_id"]:
        own = corpus.segments.filter((pl.col("utt_id") == utt_id) & (pl.col("tier") == "word"))
        borders = own["end"].to_numpy()
        assert corpus.spans(utt_id)
        for span in corpus.spans(utt_id):
            centre = (span.start + span.stop) / 2 / SAMPLE_RATE
            assert np.min(np.abs(borders - centre)) < 0.006


def test_band_limit_leaves_nothing_above_its_edge(corpus):
    for spoof, base, _ in corpus.pairs("band_limit"):
        for x, bound in ((spoof, -55), (base, None)):
            frequency, power = signal.welch(x, SAMPLE_RATE, nperseg=1024)
            above = 10 * np.log10(power[frequency > BAND_EDGE].max() / power.max())
            assert bound is None or above < bound
            assert bound is not None or above > -55


def test_upsampling_leaves_lines_and_other_attacks_do_not(corpus):
    def lines(x):
        # Quiet frames only: there the lines stand alone.
        frequency, _, power = signal.spectrogram(x, SAMPLE_RATE, nperseg=1024, noverlap=768)
        quiet = power[:, np.argsort(power.sum(axis=0))[: power.shape[1] // 5]].mean(axis=1)
        ratios = []
        for line in range(2 * SPIKE_SPACING, SAMPLE_RATE // 2, SPIKE_SPACING):
            centre = np.argmin(np.abs(frequency - line))
            around = np.r_[quiet[centre - 12 : centre - 3], quiet[centre + 4 : centre + 13]]
            ratios.append(quiet[centre] / np.median(around))
        return 10 * np.log10(np.median(ratios))

    for spoof, base, _ in corpus.pairs("upsampling"):
        assert lines(spoof) > lines(base) + 3
        assert lines(spoof) > 4


def mel_like(x):
    _, _, spectrum = signal.stft(x, SAMPLE_RATE, nperseg=512, noverlap=384)
    power = np.abs(spectrum[:256].reshape(32, 8, -1)) ** 2
    return 10 * np.log10(power.mean(axis=1) + 1e-12)


@pytest.mark.parametrize("attack", ["griffin_lim", "phase_smear"])
def test_phases_are_lost_but_bands_stay(recording, attack):
    samples, _ = ATTACK[attack].spoof(recording, rng_of(1))
    bands = [mel_like(x).ravel() for x in (samples, recording.samples)]
    assert np.corrcoef(*bands)[0, 1] > 0.9
    assert abs(np.corrcoef(samples, recording.samples)[0, 1]) < 0.85


def test_quantised_envelope_is_off_by_up_to_half_a_step(recording):
    samples, _ = ATTACK["quantised_envelope"].spoof(recording, rng_of(1))
    difference = mel_like(samples) - mel_like(recording.samples)
    # Rounding to 12 dB is off by a uniform error of 12 / sqrt(12) = 3.5 dB, less where a band of
    # this test averages over bands of the attack.
    assert 1.5 < np.std(difference) < 4
    assert np.corrcoef(samples, recording.samples)[0, 1] > 0.85


def test_over_smoothed_loses_the_fine_structure_of_the_envelope(recording):
    samples, _ = ATTACK["over_smoothed"].spoof(recording, rng_of(1))

    def contrast(x):
        _, _, spectrum = signal.stft(x, SAMPLE_RATE, nperseg=512, noverlap=384)
        cepstrum = np.fft.irfft(np.log(np.abs(spectrum) + 1e-9), axis=0)
        return np.mean(np.abs(cepstrum[8:20]))

    assert contrast(samples) < 0.7 * contrast(recording.samples)
    assert np.std(mel_like(samples).mean(axis=0) - mel_like(recording.samples).mean(axis=0)) < 2


@pytest.mark.parametrize("name", ATTACK)
def test_attacks_keep_length_and_timing(recording, name):
    samples, artefacts = ATTACK[name].spoof(recording, rng_of(1))
    assert samples.shape == recording.samples.shape
    assert artefacts
    assert all(0 <= a.start < a.end <= samples.size for a in artefacts)
    covered = sum(end - start for start, end in {(a.start, a.end) for a in artefacts})
    assert (covered == samples.size) == (name not in LOCAL)
    # The envelopes of spoof and recording move together: no cue shifts the timeline.
    loudness = [
        np.convolve(np.abs(x), np.ones(320) / 320, mode="same")
        for x in (samples, recording.samples)
    ]
    lags = signal.correlate(*(x - x.mean() for x in loudness))
    assert abs(int(np.argmax(lags)) - (samples.size - 1)) <= 80


# ---------------------------------------------------------------- source tracing


def read_tracing_protocol(path):
    with open(path, newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    assert set(rows[0]) == {"path", "model_name"}
    return rows


def test_tracing_view_is_in_the_layout_of_mlaad(corpus):
    root = corpus.root / "tracing"
    protocols = {s: read_tracing_protocol(root / f"{s}.csv") for s in ("train", "dev", "eval")}
    listed = set()
    for row in (row for rows in protocols.values() for row in rows):
        assert row["path"].startswith("./fake/")
        path = Path(row["path"])
        language, folder = path.parts[1:3]
        assert folder == row["model_name"].replace("/", "_")
        assert language in LANGUAGES
        assert soundfile.info(root / path).samplerate == SAMPLE_RATE
        listed.add(row["path"])
    described = {}
    for meta in root.glob("fake/*/*/meta.csv"):
        lines = [line.split("|") for line in meta.read_text().splitlines()]
        assert lines[0] == [
            "path", "original_file", "language", "is_original_language", "duration",
            "training_data", "model_name", "architecture", "transcript",
        ]  # fmt: skip
        assert {len(line) for line in lines} == {9}
        described |= {line[0]: line for line in lines[1:]}
    assert set(described) == listed == {f"./{p.relative_to(root)}" for p in root.rglob("*.wav")}
    assert all(described[r["path"]][6] == r["model_name"] for r in protocols["eval"])


def test_tracing_has_known_and_unknown_attacks(corpus):
    models = {
        s: {row["model_name"] for row in read_tracing_protocol(corpus.root / f"tracing/{s}.csv")}
        for s in ("train", "dev", "eval")
    }
    assert models["train"] < models["dev"] < models["eval"]
    assert len(models["dev"] - models["train"]) >= 1
    assert len(models["eval"] - models["dev"]) >= 2


def test_tracing_audio_is_the_spoof_before_any_codec(corpus):
    codec = dict(corpus.protocol.select("utt_id", "codec").iter_rows())
    seen = set()
    for path in (corpus.root / "tracing").rglob("*.wav"):
        same = np.array_equal(soundfile.read(path)[0], corpus.audio[path.stem])
        assert same == (codec[path.stem] == "-")
        seen.add(codec[path.stem])
    assert {"-", "mulaw"} <= seen


def test_tracing_has_its_own_view_of_the_corpus(corpus):
    read = registry.build({"type": "mini", "tracing": True}, corpus.root, key="mini").trials()
    assert set(read["label"]) == {"spoof"}
    assert set(read["codec"]) == {"-"}
    assert all("/tracing/fake/" in path for path in read["path"])
    table = systems(read)
    known = sorted(attack.name for attack in ATTACKS if attack.known)
    assert table.filter(known="yes")["attack"].to_list() == known
    assert table.height == len(ATTACKS)
    # The only one that dev adds.
    assert table["attack"][len(known)] == "band_limit"
    # The reader of MLAAD reads the same lists.
    options = {"type": "mlaad", "protocol": ".", "published_protocol": False}
    same = registry.build(options, corpus.root / "tracing", key="mlaad").trials()
    assert same["source_text"].n_unique() == read["sentence"].n_unique()
    lines = [sorted(frame.select("split", "protocol_line").rows()) for frame in (same, read)]
    assert lines[0] == lines[1]


# ---------------------------------------------------------------- noises and rooms


@pytest.mark.slow
def test_noise_folders_have_the_real_layouts_and_are_reproducible(tmp_path):
    for name in ("a", "b"):
        generate_musan(tmp_path / name / "m", seed=2)
        generate_rirs(tmp_path / name / "r", seed=2)
    assert sha256_folder(tmp_path / "a") == sha256_folder(tmp_path / "b")
    musan = tmp_path / "a" / "m" / "musan"
    for category, source in (("noise", "free-sound"), ("music", "fma"), ("speech", "us-gov")):
        files = sorted((musan / category / source).glob("*.wav"))
        assert files[0].name == f"{category}-{source}-0000.wav"
        # Babble sums up to seven voices.
        assert len(files) >= (7 if category == "speech" else 5)
        for file in files:
            info = soundfile.info(file)
            assert (info.samplerate, info.channels) == (SAMPLE_RATE, 1)
            assert info.duration >= 4
    rirs = tmp_path / "a" / "r" / "RIRS_NOISES"
    lists = sorted(rirs.rglob("*_list"))
    assert len(lists) == 6
    listed = {line.split()[-1] for path in lists for line in path.read_text().splitlines()}
    assert listed == {p.relative_to(rirs.parent).as_posix() for p in rirs.rglob("*.wav")}
    assert (rirs / "simulated_rirs/smallroom/Room001/Room001-00001.wav").is_file()


def test_larger_rooms_sound_longer(tmp_path):
    generate_rirs(tmp_path / "r", seed=4)

    def decay(size):
        """Time from the direct sound until 90 % of the later energy is over, in samples."""
        times = []
        for path in (tmp_path / "r/RIRS_NOISES/simulated_rirs" / size).rglob("*.wav"):
            x, _ = soundfile.read(path)
            direct = int(np.argmax(np.abs(x)))
            assert 0 < direct < 0.01 * SAMPLE_RATE
            energy = np.cumsum(x[direct + 1 :] ** 2)
            times.append(np.argmax(energy > 0.9 * energy[-1]))
        return np.mean(times)

    assert decay("smallroom") < decay("mediumroom") < decay("largeroom")
