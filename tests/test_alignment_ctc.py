"""Labels by a recogniser: best paths, frames, segments, and speech whose phones are known."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import transformers

from spoofscope import audio
from spoofscope.alignment.align import align_clips, build, gathered
from spoofscope.alignment.base import CLIP_COLUMNS, Given
from spoofscope.alignment.ctc import CtcAligner, FrameTimes, greedy, spikes, widened
from spoofscope.alignment.transcripts import TranscriptError, in_letters, in_phones
from spoofscope.errors import ConfigError, DetectorError
from spoofscope.files import read_json, write_json
from spoofscope.frontends.backbones import fetch_backbone, load_backbone, load_recogniser
from spoofscope.offline import OFFLINE
from spoofscope.tables import SEGMENT_COLUMNS, write_segments, write_table

RATE = 16000


# --- best paths --------------------------------------------------------------------------------


def best_score(emissions: np.ndarray, labels: list[int], blank: int) -> float:
    """Over all paths of CTC, one by one: the best sum of logarithms."""
    frames, n_labels = emissions.shape
    best = -np.inf
    for path in itertools.product(range(n_labels), repeat=frames):
        spelt = [label for label, _ in itertools.groupby(path) if label != blank]
        if spelt == labels:
            best = max(best, sum(emissions[i, label] for i, label in enumerate(path)))
    return best


@pytest.mark.parametrize("labels", [[1], [1, 2], [2, 2], [1, 2, 1], [2, 2, 1]])
def test_no_path_is_better(labels):
    rng = np.random.default_rng(len(labels) + labels[0])
    for _ in range(5):
        logits = rng.normal(size=(6, 3)).astype(np.float32) * 3
        emissions = torch.from_numpy(logits).log_softmax(dim=1).numpy()
        found = spikes(emissions, labels, blank=0)
        assert len(found) == len(labels)
        path = np.zeros(6, dtype=int)
        for label, spike in zip(labels, found, strict=True):
            path[spike.start : spike.end] = label
            own = np.exp(emissions[spike.start : spike.end, label]).mean()
            assert spike.probability == pytest.approx(own, rel=1e-5)
        score = emissions[np.arange(6), path].sum()
        assert score == pytest.approx(best_score(emissions, labels, 0), abs=1e-4)


def test_too_many_labels_for_the_frames():
    emissions = np.log(np.full((3, 3), 1 / 3, dtype=np.float32))
    assert len(spikes(emissions, [1, 2, 1], 0)) == 3
    with pytest.raises(TranscriptError, match="3 labels need 4 frames or more, and the clip has 3"):
        spikes(emissions, [1, 1, 2], 0)


def test_what_a_recogniser_hears():
    path = [0, 1, 1, 0, 1, 2, 2, 0, 0, 1]
    assert greedy(np.eye(3, dtype=np.float32)[path], 0) == [1, 1, 2, 1]
    assert greedy(np.eye(3, dtype=np.float32)[[0, 0]], 0) == []


# --- frames and segments -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def listener(tmp_path_factory) -> Path:
    """The folder of a small random recogniser."""
    folder = tmp_path_factory.mktemp("listener") / "w"
    fetch_backbone({"family": "wav2vec2", "tiny": {"norm": "layer"}, "head": "ctc"}, folder, 1)
    return folder


def test_frames_are_where_the_network_looks(listener):
    network = load_recogniser({"family": "wav2vec2", "folder": str(listener)}).network
    config = network.config
    times = FrameTimes.of(config.conv_kernel, config.conv_stride, RATE)
    assert (times.hop, times.field) == (320, 400)
    waveform = torch.randn(1, 2000, requires_grad=True)
    states = network.base_model.feature_extractor(waveform)
    for frame in range(states.shape[2]):
        (gradient,) = torch.autograd.grad(states[0, :, frame].sum(), waveform, retain_graph=True)
        seen = gradient[0].nonzero()[:, 0]
        assert (int(seen.min()), int(seen.max()) + 1) == (320 * frame, 320 * frame + 400)
        middle = (times.edge(frame) + times.edge(frame + 1)) / 2
        assert middle == pytest.approx((320 * frame + 200) / RATE)


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_emissions_are_those_of_transformers(norm, tmp_path):
    fetch_backbone({"family": "wav2vec2", "tiny": {"norm": norm}, "head": "ctc"}, tmp_path / "w", 1)
    samples = np.random.default_rng(1).normal(0.1, 0.1, 8000).astype(np.float32)
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(tmp_path / "w")
    network = transformers.Wav2Vec2ForCTC.from_pretrained(tmp_path / "w").eval()
    with torch.no_grad():
        inputs = extractor(samples, sampling_rate=RATE, return_tensors="pt")
        wanted = network(inputs.input_values).logits[0].log_softmax(dim=-1).numpy()
    aligner = build(CONFIG, given(tmp_path, tmp_path / "w"))
    assert isinstance(aligner, CtcAligner)
    np.testing.assert_allclose(aligner.emissions(samples), wanted, atol=1e-4)


def test_spikes_become_segments():
    """Four labels: two in one stretch of speech, one after a pause, one inside of a silence."""
    found = [(0.30, 0.32), (0.40, 0.42), (0.70, 0.72), (0.95, 0.99)]
    silences = [(0.0, 0.2), (0.5, 0.6), (0.9, 1.0)]
    rows = widened(found, [0.36, 0.56, 0.8, 1.0], silences, 1.0)
    assert rows == [
        (0.2, 0.36, False),
        (0.36, 0.5, False),
        (0.6, 0.9, False),
        (0.95, 0.99, True),
    ]
    # Without silences they share the clip.
    assert [row[:2] for row in widened(found, [0.36, 0.56, 0.8, 1.0], [], 1.0)] == [
        (0.0, 0.36),
        (0.36, 0.56),
        (0.56, 0.8),
        (0.8, 1.0),
    ]


# --- transcripts -------------------------------------------------------------------------------

LETTERS = {name: place for place, name in enumerate("-|ABCDEFGHIJKLMNOPQRSTUVWXYZ'")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don’t shoot, the cat!", ["DON'T", "SHOOT", "THE", "CAT"]),
        ("  well-known \t ‘quotes’ ", ["WELL", "KNOWN", "'QUOTES'"]),
        ("ﬁne — and/or", ["FINE", "AND", "OR"]),
        ('(he said: "yes" ...)', ["HE", "SAID", "YES"]),
    ],
)
def test_transcripts_in_letters(text, words):
    assert [word for word, _ in in_letters(text, LETTERS)] == words
    assert all("".join(letters) == word for word, letters in in_letters(text, LETTERS))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("in 1984", "digit '1' in '1984' is not one of the recogniser's"),
        ("café", "letter 'É' in 'CAFÉ'"),
        ("—", "no letter in the transcript"),
        ("-", "no transcript"),
        ("", "no transcript"),
    ],
)
def test_transcripts_that_are_refused(text, message):
    with pytest.raises(TranscriptError, match=message):
        in_letters(text, LETTERS)


def test_small_letters_and_no_apostrophe():
    small = {name.lower(): place for name, place in LETTERS.items() if name != "'"}
    assert [word for word, _ in in_letters("DON'T", small)] == ["dont"]


def test_transcripts_in_phones():
    vocabulary = {"pad": 0, "t": 1, "ʃ": 2, "iː": 3}
    assert in_phones("t iː |ʃ iː", vocabulary) == [("t iː", ("t", "iː")), ("ʃ iː", ("ʃ", "iː"))]
    with pytest.raises(TranscriptError, match="phone 'x' is not one"):
        in_phones("t x", vocabulary)


# --- the aligner -------------------------------------------------------------------------------

CONFIG = {"type": "ctc", "backbone": "w", "silence": "s", "transcript": "sentence"}


def given(folder: Path, network: Path, silences: list[tuple] = (), unknown: str = "-") -> Given:
    """What the aligner reads, of clips called `a`."""
    segments = pl.DataFrame(list(silences), schema=SEGMENT_COLUMNS, orient="row")
    write_segments(folder / "silences.tsv", segments)
    clips = pl.DataFrame([("a", "-", None, 0, unknown)], schema=CLIP_COLUMNS, orient="row")
    write_table(folder / "silences.clips.tsv", clips)
    return Given(
        table=str(folder / "silences.tsv"),
        clips=str(folder / "silences.clips.tsv"),
        backbone={"family": "wav2vec2", "folder": str(network)},
    )


def run(config: dict, files: Given, **columns) -> tuple[pl.DataFrame, dict]:
    rows = pl.DataFrame({"utt_id": ["a"], **{name: [value] for name, value in columns.items()}})
    done: dict = {}
    align_clips(rows, build(config, files), 1, done)
    segments, clips = gathered(rows, done)
    return segments, clips.row(0, named=True)


@pytest.fixture
def noise(tmp_path) -> dict:
    samples = np.random.default_rng(2).normal(0, 0.1, RATE)
    audio.write(tmp_path / "a.wav", samples, RATE)
    return {"path": str(tmp_path / "a.wav"), "duration": 1.0}


def test_a_transcript_is_aligned_and_silences_are_kept(listener, noise, tmp_path):
    silence = ("a", 0.0, 0.25, "silence", "leading")
    files = given(tmp_path, listener, [silence])
    segments, clip = run(CONFIG, files, sentence="Don't go", **noise)
    labels = segments.filter(tier="character")
    assert "".join(labels["label"]) == "DON'TGO"
    assert (labels["start"][1:] >= labels["end"][:-1]).all()
    words = segments.filter(tier="word")
    assert words["label"].to_list() == ["DON'T", "GO"]
    assert words["start"].to_list() == [labels["start"][0], labels["start"][5]]
    assert words["end"].to_list() == [labels["end"][4], labels["end"][6]]
    assert segments.rows()[-1] == silence
    inside = labels.filter(pl.col("end") <= 0.25)
    assert clip == {
        "utt_id": "a",
        "source": "transcript",
        "confidence": pytest.approx(1 / 32, rel=0.5),
        "in_silence": inside.height,
        "problem": "-",
    }


def test_without_a_transcript_what_is_heard_is_aligned(listener, noise, tmp_path):
    files = given(tmp_path, listener)
    config = {**CONFIG, "transcript": None}
    segments, clip = run(config, files, **noise)
    assert (clip["source"], clip["problem"]) == ("recognised", "-")
    heard = segments.filter(tier="character")["label"].to_list()
    aligner = build(config, files)
    best = aligner.emissions(audio.read(noise["path"])[0]).argmax(axis=1)
    names = {place: name for name, place in read_json(listener / "vocab.json").items()}
    spelt = [names[label] for label, _ in itertools.groupby(best)]
    assert heard == [name for name in spelt if len(name) == 1 and name != "|"]


def test_clips_that_are_not_aligned_say_why(listener, noise, tmp_path):
    files = given(tmp_path, listener)
    segments, clip = run(CONFIG, files, sentence="in 1984", **noise)
    assert segments.is_empty()
    assert clip["source"] == "-"
    assert clip["problem"] == "digit '1' in '1984' is not one of the recogniser's"
    config = {**CONFIG, "recognise_missing": True}
    segments, clip = run(config, files, sentence="in 1984", **noise)
    assert not segments.is_empty()
    assert clip["source"] == "recognised"
    assert clip["problem"].startswith("digit '1'")
    _, clip = run({**CONFIG, "longest": 0.5}, files, sentence="a", **noise)
    assert clip["problem"] == "longer than 0.5 s (key `longest`)"
    _, clip = run(CONFIG, files, sentence="so many words " * 8, **noise)
    assert clip["problem"].endswith("and the clip has 49")
    unknown = given(tmp_path, listener, unknown="not in the file")
    _, clip = run(CONFIG, unknown, sentence="a", **noise)
    assert clip["problem"] == "silence: not in the file"
    with pytest.raises(
        ConfigError, match="no column 'sentence' in its manifest; did you mean 'sen"
    ):
        run(CONFIG, files, sentences="a", **noise)


# --- recognisers -------------------------------------------------------------------------------


def test_a_recogniser_is_its_encoder_with_labels(listener, tmp_path):
    source = {"family": "wav2vec2", "folder": str(listener)}
    recogniser = load_recogniser(source)
    assert recogniser.blank == recogniser.vocabulary["<pad>"] == 0
    assert len(recogniser.vocabulary) == 32
    encoder = load_backbone(source).state_dict()
    inside = recogniser.network.base_model.state_dict()
    assert encoder.keys() == inside.keys()
    assert all(torch.equal(encoder[name], inside[name]) for name in encoder)
    fetch_backbone({"family": "wav2vec2", "tiny": {"norm": "layer"}}, tmp_path / "bare", 1)
    shutil.copy(listener / "vocab.json", tmp_path / "bare")
    with pytest.raises(DetectorError, match="missing"):
        load_recogniser({"family": "wav2vec2", "folder": str(tmp_path / "bare")})


def test_a_vocabulary_that_does_not_fit(listener, tmp_path):
    shutil.copytree(listener, tmp_path / "w")
    write_json(tmp_path / "w/vocab.json", {"<pad>": 0, "A": 1, "B": 1})
    with pytest.raises(DetectorError, match=r"vocab\.json has 3 labels, whose places"):
        load_recogniser({"family": "wav2vec2", "folder": str(tmp_path / "w")})


def test_recognisers_are_fetched_from_the_hub(listener, tmp_path, monkeypatch):
    import functools

    import huggingface_hub

    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "hub/models--lab--listener/snapshots" / commit
    shutil.copytree(listener, snapshot)
    cached = functools.partial(huggingface_hub.snapshot_download, cache_dir=tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    monkeypatch.setenv(OFFLINE, "1")
    entry = {"family": "wav2vec2", "hub": "lab/listener", "revision": commit, "head": "ctc"}
    fetch_backbone(entry, tmp_path / "got", 0)
    got = load_recogniser({"family": "wav2vec2", "folder": str(tmp_path / "got")})
    wanted = load_recogniser({"family": "wav2vec2", "folder": str(listener)})
    assert got.vocabulary == wanted.vocabulary
    for name, values in wanted.network.state_dict().items():
        assert torch.equal(got.network.state_dict()[name], values)
