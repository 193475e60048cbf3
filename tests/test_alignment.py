"""Where phones or characters, words and silences are in clips."""

import re
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from planning import plan_of
from spoofscope import audio
from spoofscope.alignment.align import align_clips, build, gathered
from spoofscope.alignment.base import Given
from spoofscope.alignment.pauses import runs, smoothed
from spoofscope.errors import ConfigError, TableError
from spoofscope.needs import needs
from spoofscope.plan.study_plan import checked
from spoofscope.tables import SEGMENT_COLUMNS, read_segments, write_segments, write_table

ROOT = Path(__file__).resolve().parents[1]
RATE = 16000


def rows_of(**clips: tuple[str, float]) -> pl.DataFrame:
    """Rows of a manifest, of clips by id: path and duration."""
    rows = [(utt_id, str(path), duration) for utt_id, (path, duration) in clips.items()]
    return pl.DataFrame(rows, schema=["utt_id", "path", "duration"], orient="row")


def aligned(rows: pl.DataFrame, config: dict, **files) -> tuple[pl.DataFrame, pl.DataFrame]:
    done: dict = {}
    align_clips(rows, build(config, Given(**files)), 1, done)
    return gathered(rows, done)


# --- silence by level --------------------------------------------------------------------------


def test_silences_of_tones(tmp_path):
    """Sounds from 0.2 to 0.5 s and from 0.8 to 0.95 s of one second, 60 dB above the rest."""
    level = np.full(RATE, 1e-4)
    level[3200:8000] = level[12800:15200] = 0.1
    samples = level * np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE)
    audio.write(tmp_path / "a.wav", samples, RATE)
    segments, clips = aligned(rows_of(a=(tmp_path / "a.wav", 1.0)), {"type": "energy"})
    assert segments.rows() == [
        ("a", 0.0, 0.2, "silence", "leading"),
        ("a", 0.5, 0.8, "silence", "pause"),
    ]
    assert clips.rows() == [("a", "-", None, 0, "-")]
    # The last 50 ms are shorter than silences are by default.
    options = {"type": "energy", "shortest_silence": 0.05}
    segments, _ = aligned(rows_of(a=(tmp_path / "a.wav", 1.0)), options)
    assert segments.rows()[2:] == [("a", 0.95, 1.0, "silence", "trailing")]
    # 60 dB are not 70.
    options = {"type": "energy", "below_db": 70}
    assert aligned(rows_of(a=(tmp_path / "a.wav", 1.0)), options)[0].is_empty()


def test_a_clip_without_signal_is_one_silence(tmp_path):
    audio.write(tmp_path / "a.wav", np.zeros(805), 8000)
    segments, _ = aligned(rows_of(a=(tmp_path / "a.wav", 805 / 8000)), {"type": "energy"})
    assert segments.rows() == [("a", 0.0, 0.1006, "silence", "leading")]


@given(
    frames=st.lists(st.booleans(), min_size=1, max_size=40),
    silence=st.integers(0, 6),
    speech=st.integers(0, 6),
)
def test_no_silence_is_too_short(frames, silence, speech):
    silent = np.array(frames)
    kept = smoothed(silent, silence, speech)
    assert kept.shape == silent.shape
    assert all(end - start >= silence for start, end in runs(kept)) or kept.all()
    if silence <= 1 and speech <= 1:
        assert (kept == silent).all()
    # What was long enough from the start stays.
    for start, end in runs(silent):
        assert end - start < silence or kept[start:end].all()


def test_sounds_are_dropped_before_silences():
    pause_with_a_click = np.array([0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0], dtype=bool)
    assert runs(smoothed(pause_with_a_click, 5, 2)) == [(3, 10)]
    assert runs(smoothed(pause_with_a_click, 5, 1)) == []


# --- imports -----------------------------------------------------------------------------------


def table(tmp_path, *rows: tuple) -> str:
    path = tmp_path / "segments.tsv"
    columns = ["utt_id", "start", "end", "tier", "label"]
    write_table(path, pl.DataFrame(rows, schema=columns, orient="row"))
    return str(path)


CLIP = rows_of(a=("a.wav", 1.0))


def test_an_imported_table(tmp_path):
    path = table(
        tmp_path,
        ("a", 0.0, 0.2, "segments", "SIL"),
        ("a", 0.6, 1.004, "segments", ""),
        ("a", 0.2, 0.4, "segments", "h"),
        ("a", 0.4, 0.6, "segments", "i"),
        ("a", 0.2, 0.6, "words", "hi"),
        ("a", 0.6, 1.0, "words", ""),
        ("a", 0.0, 1.0, "notes", "greeting"),
        ("b", 0.0, 9.0, "words", "other"),
    )
    rows = rows_of(a=("a.wav", 1.0), c=("c.wav", 1.0))
    config = {"type": "table", "tiers": {"segments": "phone", "words": "word"}}
    segments, clips = aligned(rows, config, table=path)
    assert segments.rows() == [
        ("a", 0.2, 0.4, "phone", "h"),
        ("a", 0.4, 0.6, "phone", "i"),
        ("a", 0.2, 0.6, "word", "hi"),
        ("a", 0.0, 0.2, "silence", "leading"),
        ("a", 0.6, 1.0, "silence", "trailing"),
    ]
    assert clips.rows() == [
        ("a", "file", None, 0, "-"),
        ("c", "-", None, 0, "not in the file"),
    ]
    write_segments(tmp_path / "out.tsv", segments)
    assert read_segments(tmp_path / "out.tsv").equals(segments)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 0.5, 0.4, "word", "x")], "line 2: segment from 0.5 to 0.4 s"),
        ([("a", 0.5, 1.1, "word", "x")], "line 2: a has a segment from 0.5 to 1.1 s, and 1.0 s"),
        (
            [
                ("a", 0.1, 0.5, "word", "x"),
                ("a", 0.2, 0.6, "phone", "y"),
                ("a", 0.4, 1, "word", ""),
            ],
            "lines 2 and 4: two segments of a in the tier word overlap",
        ),
    ],
)
def test_segments_that_cannot_be(tmp_path, rows, message):
    with pytest.raises(TableError, match=message):
        aligned(CLIP, {"type": "table"}, table=table(tmp_path, *rows))


def test_a_table_with_other_tiers(tmp_path):
    path = table(tmp_path, ("a", 0.0, 0.5, "Phones", "x"))
    with pytest.raises(ConfigError, match=r"its tiers are 'Phones'; name them in the key `tiers`"):
        aligned(CLIP, {"type": "table"}, table=path)


times = st.lists(st.integers(0, 1000), min_size=2, max_size=12, unique=True).map(sorted)


@settings(max_examples=50)
@given(phones=times, words=times)
def test_what_an_aligner_wrote_is_imported_as_it_is(tmp_path_factory, phones, words):
    spans = [
        *((phones[i] / 1000, phones[i + 1] / 1000, "phone", "p") for i in range(len(phones) - 1)),
        *((words[i] / 1000, words[i + 1] / 1000, "word", "w") for i in range(len(words) - 1)),
    ]
    path = table(tmp_path_factory.mktemp("round"), *(("a", *span) for span in spans))
    segments, _ = aligned(CLIP, {"type": "table"}, table=path)
    assert list(segments.columns) == list(SEGMENT_COLUMNS)
    assert segments.rows() == [("a", *span) for span in spans]


# --- in a study --------------------------------------------------------------------------------


def study(**aligners) -> dict:
    return {
        "study": "s",
        "corpora": {"own": {"type": "folder", "path": "data"}, "mini": {"type": "mini"}},
        "backbones": {
            "plain": {"family": "wavlm", "tiny": {}},
            "listener": {"family": "wavlm", "tiny": {}, "head": "ctc"},
        },
        "aligners": aligners,
    }


TRIALS = [{"corpus": "own", "splits": ["eval"]}]
CTC = {"type": "ctc", "backbone": "listener", "silence": "pauses", "trials": TRIALS}


@pytest.mark.parametrize(
    ("aligners", "message"),
    [
        (
            {"a": {"type": "energi"}},
            r"aligners\.a\.type: 'energi' .*; did you mean 'energy'",
        ),
        ({"a": {"type": "energy", "below": 1}}, r"aligners\.a: unknown key 'below'"),
        (
            {"a": {"type": "energy", "trials": [{"corpus": "owm", "splits": ["dev"]}]}},
            r"aligners\.a\.trials\[0\]\.corpus: 'owm' .* did you mean 'own'",
        ),
        (
            {"a": {"type": "table", "trials": TRIALS}},
            r"aligners\.a\.trials\[0\]\.corpus: 'own' comes without segments; name a table",
        ),
        ({"a": CTC}, r"aligners\.a\.silence: 'pauses' is not in aligners"),
        (
            {"a": {**CTC, "backbone": "plain"}, "pauses": {"type": "energy"}},
            r"aligners\.a\.backbone: 'plain' has no labels; give it `head: ctc`",
        ),
        (
            {"a": {**CTC, "silence": "a"}},
            r"aligners\.a\.silence: 'a' is of type ctc, too, whose blanks are no silences",
        ),
        (
            {"a": CTC, "pauses": {"type": "table"}},
            r"aligners\.a\.trials\[0\]\.corpus: 'own' comes without segments",
        ),
    ],
)
def test_aligners_that_are_refused(aligners, message):
    with pytest.raises(ConfigError, match=message):
        checked(study(**aligners))


def test_a_recogniser_is_no_backbone_of_a_front_end():
    config = study() | {"frontends": {"a": {"type": "ssl", "backbone": "listener"}}}
    with pytest.raises(ConfigError, match=r"frontends\.a\.backbone: 'listener' is a recogniser"):
        checked(config)


def test_the_examples_of_the_page_are_studies():
    page = (ROOT / "docs/alignment.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert len(blocks) == 2
    for block in blocks:
        plan = plan_of(checked({"study": "s", "corpora": {"mini": {"type": "mini"}}, **block}))
        assert plan.lacking("alignments") is None
    assert next(iter(plan.alignment.recognisers)).startswith("listener-")
    assert [need.kind for need in needs(plan.study)] == ["corpus", "backbone"]


def test_others_may_ask_for_clips_that_an_aligner_does_not_list():
    plan = plan_of(checked(study(pauses={"type": "energy"}, letters=CTC)))
    inputs = plan.alignment.align("letters", "own", "eval").work.inputs
    assert inputs["table"] == plan.alignment.of("pauses", "own", "eval")
    assert plan.alignment.sets == [("letters", "own", "eval")]
    assert [path.rpartition("/")[2] for path in inputs["backbone"]][-1] == "vocab.json"


def test_a_package_that_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(ConfigError, match="pip install --no-deps"):
        build({"type": "vad"}, Given())


def test_figures_draw_the_aligner_with_labels():
    trials = {"trials": TRIALS}
    aligners = {"pauses": {"type": "energy", **trials}, "words": {"type": "table", "path": "x"}}
    plan = plan_of(checked(study(**aligners)))
    assert plan.alignment.drawn("own", "eval") == plan.alignment.of("pauses", "own", "eval")
    assert plan.alignment.drawn("own", "dev") == []
    aligners["words"] |= trials
    plan = plan_of(checked(study(**aligners)))
    assert plan.alignment.drawn("own", "eval") == plan.alignment.of("words", "own", "eval")
