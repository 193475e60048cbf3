"""A corpus that synthesizers speak beside human recordings: made, audited, kept fresh."""

import copy
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from checkout import TINY_STUDY, Checkout, clone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed"),
]

TARGET = "results/tiny/audits/spoken.tsv"
SENTENCES = [f"This is the sentence with the number {i}." for i in range(9)]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Checkout:
    study = clone(tmp_path_factory.mktemp("speaking") / "checkout")
    rng = np.random.default_rng(1)
    for i in range(12):
        path = study.folder / f"data/people/bonafide/p{i % 6}_{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.05 * rng.standard_normal(40000 + 500 * i), 16000)
    (study.folder / "data/sentences.txt").write_text("\n".join(SENTENCES))
    return study


def written(study: Checkout, voices: list[str]) -> Path:
    config = copy.deepcopy(TINY_STUDY)
    config["corpora"]["people"] = {
        "type": "folder",
        "path": "data/people",
        "speaker": r"(?P<speaker>p\d)_",
    }
    config["corpora"]["spoken"] = {
        "type": "tts",
        "human": "people",
        "fractions": {"train": 0.4, "dev": 0.3, "eval": 0.3},
        "sentence_file": "data/sentences.txt",
        "engines": [{"engine": "flite", "voices": voices}],
    }
    return study.write_study(config)


def test_spoken_audited_and_made_again(fresh: Checkout) -> None:
    study = written(fresh, ["slt", "rms"])
    fresh.make(TARGET, "--configfile", study)
    manifest = pl.read_csv(fresh.folder / "results/tiny/manifests/spoken.tsv", separator="\t")
    counts = dict(manifest.group_by("attack").len().iter_rows())
    assert counts == {"-": 12, "flite_slt": 9, "flite_rms": 9}
    assert set(manifest.filter(label="spoof")["speaker"]) == {"flite_slt", "flite_rms"}
    segments = pl.read_csv(fresh.folder / "results/tiny/segments/spoken.tsv", separator="\t")
    assert set(segments["utt_id"]) == set(manifest.filter(label="spoof")["utt_id"])
    assert fresh.plan(TARGET, "--configfile", study) == []

    def rules() -> set[str]:
        return {job.rule for job in fresh.plan(TARGET, "--configfile", study)}

    everything = {"speak_corpus", "manifest", "audit_corpus", "audit_corpus_shard"}
    sentences = fresh.folder / "data/sentences.txt"
    sentences.write_text("\n".join(SENTENCES[:8]))
    assert rules() & everything == rules() >= {"speak_corpus", "manifest", "audit_corpus"}
    sentences.write_text("\n".join(SENTENCES))
    assert rules() == set()

    # A clip that is gone is spoken again, to the same bytes.
    clip = fresh.folder / manifest.filter(label="spoof")["path"][0]
    content = clip.read_bytes()
    clip.unlink()
    assert "speak_corpus" in rules()
    fresh.make(TARGET, "--configfile", study)
    assert clip.read_bytes() == content
    assert rules() == set()

    # So is the corpus when its recordings are others.
    recording = fresh.folder / "data/people/bonafide/p0_0.wav"
    soundfile.write(recording, 0.05 * np.random.default_rng(2).standard_normal(41000), 16000)
    assert {"speak_corpus", "manifest"} <= rules()


def test_a_voice_that_is_not_there(fresh: Checkout) -> None:
    text = fresh.refuse(TARGET, "--configfile", written(fresh, ["slt", "nobody"]))
    assert "flite has no voice 'nobody' on this machine; it has" in text
    assert "Traceback" not in text


def test_the_study_of_synthesizers_can_be_planned(fresh: Checkout) -> None:
    folder = fresh.folder / "resources/corpora/human"
    folder.mkdir(parents=True)
    (folder / "metadata.csv").write_text("path,speaker,label,text\na.wav,A,bonafide,Hello there\n")
    text = fresh.make("-n", "--quiet", "rules", "--configfile", "config/studies/real_tts.yaml")
    jobs = {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    # One corpus is spoken; two kinds of detector know one engine, the other, or both.
    wanted = {"speak_corpus": 1, "manifest": 2, "train": 6, "train_tracer": 1, "explain": 2}
    assert {rule: jobs.get(rule) for rule in wanted} == wanted
    assert {"table_generator_matrix", "tracing_metrics", "table_attribution_groups"} <= set(jobs)
