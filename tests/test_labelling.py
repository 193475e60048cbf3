"""Packs, answers and their formats: nothing is stored that nobody said, and nothing is lost."""

import contextlib
import json
import multiprocessing
import signal
import sqlite3
import subprocess
import sys
import threading
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from annotation_packs import DETECTORS, clip, detector, make_pack
from explanations import explanation, settings
from spoofscope import audio
from spoofscope.errors import AudioError, ConfigError, SpoofscopeError, TableError
from spoofscope.labelling.collect import chosen, collect, read_reasons
from spoofscope.labelling.pack import CLIPS, CONTENT, Pack, write_pack
from spoofscope.labelling.questions import (
    NO_DETECTOR,
    OF_CLIP,
    OF_DETECTOR,
    AnswerError,
    checked_answer,
    checked_name,
    lacking,
)
from spoofscope.labelling.store import Conflict, Store, StoreFullError, newest
from spoofscope.labelling.tables import read_answers, write_answers
from spoofscope.labelling.transfer import export, import_answers
from spoofscope.plan.study_plan import checked
from spoofscope.study import MINI
from spoofscope.study.reading import read_config
from spoofscope.tables import write_table

REGION = {"start": 0.1, "end": 0.25, "cue": None}


@pytest.fixture
def pack(tmp_path):
    return make_pack(tmp_path / "pack")


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "labels.sqlite")
    opened.add_annotator("Ann")
    yield opened
    opened.close()


def save(store, field, value, base=0, annotator="Ann", utt_id="U0", detector="first"):
    question = (annotator, utt_id, detector, field)
    return store.save(question, value, base, seconds=1.5, blind=True, evidence="0" * 16)


# --- answers -------------------------------------------------------------------------------------


def test_regions_are_inside_the_clip_and_in_order():
    given = [{"start": 0.5, "end": 1.0012}, {"start": -0.001, "end": 0.2, "cue": "breath"}]
    assert checked_answer("d", "regions", given, 1.0) == [
        {"start": 0.0, "end": 0.2, "cue": "breath"},
        {"start": 0.5, "end": 1.0, "cue": None},
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("regions", [{"start": -0.1, "end": 0.2}]),
        ("regions", [{"start": 0.9, "end": 1.1}]),
        ("regions", [{"start": 0.5, "end": 0.5}]),
        ("regions", [{"start": 0.6, "end": 0.5}]),
        ("regions", [{"start": 0.1, "end": float("nan")}]),
        ("regions", [{"start": True, "end": 0.5}]),
        ("regions", [{"start": 0.1, "end": 0.2, "cue": "hum"}]),
        ("regions", [REGION] * 101),
        ("regions", {"start": 0.1, "end": 0.2}),
        ("cue", "hum"),
        ("cue", ["glitch"]),
        ("locality", 0),
        ("locality", 6),
        ("locality", 3.0),
        ("locality", True),
        ("audible", 1),
        ("comment", "x" * 5001),
        ("comment", "\ud800"),
        ("comment", 5),
        ("state", "done"),
        ("general", "about a clip, not about a detector"),
    ],
)
def test_what_is_no_answer_is_refused(field, value):
    with pytest.raises(AnswerError):
        checked_answer("d", field, value, 1.0)


def test_an_empty_text_is_no_answer_and_no_region_is_one():
    assert checked_answer("d", "comment", "  ", 1.0) is None
    assert checked_answer("d", "regions", [], 1.0) == []


@pytest.mark.parametrize("name", ["", " ", "<script>", "a/b", "..", "a\nb", "x" * 65, None, "_a"])
def test_names_that_nobody_has(name):
    with pytest.raises(AnswerError):
        checked_name(name)


def test_names_of_people():
    assert [checked_name(name) for name in (" Zoë O'Neill-2 ", "李 明")] == [
        "Zoë O'Neill-2",
        "李 明",
    ]


def test_what_a_clip_lacks():
    answers = {("first", "regions"): [], ("first", "cue"): "unclear", ("second", "cue"): "noise"}
    assert lacking(answers, DETECTORS) == ["regions of explanation 2", "the comparison"]
    assert lacking({("first", "regions"): [], ("first", "cue"): "noise"}, ["first"]) == []


# --- the store -----------------------------------------------------------------------------------


def test_revisions_are_kept_and_the_newest_counts(store):
    assert save(store, "cue", "glitch") == 1
    assert save(store, "cue", "noise", base=1) == 2
    assert save(store, "cue", None, base=2) == 3
    assert [answer.value for answer in store.history()] == ["glitch", "noise", None]
    assert newest(store.history()) == {}
    assert [(a.field, a.revision, a.value) for a in store.answers("Ann", "U0")] == [
        ("cue", 3, None)
    ]
    assert store.states("Ann") == {}
    assert store.seconds("Ann") == {"U0": 4.5}


def test_an_answer_from_an_old_page_is_a_conflict_and_replaces_nothing(store):
    save(store, "cue", "glitch")
    save(store, "cue", "noise", base=1)
    with pytest.raises(Conflict) as conflict:
        save(store, "cue", "breath", base=1)
    assert conflict.value.current.value == "noise"
    # A request that is sent again, because its answer was lost, is none.
    assert save(store, "cue", "noise", base=1) == 2
    assert len(store.history()) == 2


def test_states(store):
    save(store, "comment", "hm")
    save(store, "state", "skipped", utt_id="U1", detector=NO_DETECTOR)
    save(store, "state", "done", utt_id="U2", detector=NO_DETECTOR)
    save(store, "cue", "noise", utt_id="U2")
    assert store.states("Ann") == {"U0": "started", "U1": "skipped", "U2": "done"}
    assert store.states("Bob") == {}


def test_rows_cannot_be_changed_by_anybody(store, tmp_path):
    save(store, "cue", "glitch")
    with sqlite3.connect(tmp_path / "labels.sqlite") as other:
        for statement in ("UPDATE answers SET value = '1'", "DELETE FROM answers"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                other.execute(statement)
    other.close()


def test_a_file_of_something_else_stays_as_it_is(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(SpoofscopeError, match=r"other\.sqlite: no answers of this version"):
        Store(path)
    assert path.read_bytes() == before
    (tmp_path / "text.sqlite").write_text("no database " * 100)
    with pytest.raises(SpoofscopeError, match=r"text\.sqlite: file is not a database; name"):
        Store(tmp_path / "text.sqlite")
    with pytest.raises(SpoofscopeError, match="answers cannot be kept here"):
        Store(tmp_path / "absent" / "labels.sqlite")


def write_many(path, annotator, count):
    store = Store(path)
    store.add_annotator(annotator)
    for i in range(count):
        save(store, "comment", f"{annotator} {i}", base=i, annotator=annotator)
    store.close()


@pytest.mark.slow
def test_processes_and_threads_write_at_once(tmp_path):
    path = tmp_path / "labels.sqlite"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_many, args=(path, f"P{i}", 40)) for i in range(2)]
    for process in processes:
        process.start()
    store = Store(path)

    def write(annotator):
        store.add_annotator(annotator)
        for i in range(40):
            save(store, "comment", f"{annotator} {i}", base=i, annotator=annotator)

    threads = [threading.Thread(target=write, args=(f"T{i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
    for worker in (*threads, *processes):
        worker.join()
    assert [process.exitcode for process in processes] == [0, 0]
    history = store.history()
    assert len(history) == 5 * 40
    for name in ("P0", "P1", "T0", "T1", "T2"):
        own = [answer.value for answer in history if answer.annotator == name]
        assert own == [f"{name} {i}" for i in range(40)]
    store.close()


WRITER = """
import sys
from spoofscope.labelling.store import Store
store = Store(sys.argv[1])
store.add_annotator("Ann")
for i in range(len(store.history()), 100_000):
    store.save(("Ann", "U0", "first", "comment"), f"{i}", i, seconds=0, blind=True, evidence="")
    print(i, flush=True)
"""


@pytest.mark.slow
def test_what_was_confirmed_survives_a_killed_process(tmp_path):
    path = tmp_path / "labels.sqlite"
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            confirmed = [int(process.stdout.readline()) for _ in range(50)][-1]
            process.send_signal(signal.SIGKILL)
        kept = [answer.value for answer in Store(path).history()]
        assert kept == [f"{i}" for i in range(len(kept))]
        assert len(kept) > confirmed


def test_a_full_disk_is_named_and_loses_nothing(small_disk):
    store = Store(small_disk / "labels.sqlite")
    store.add_annotator("Ann")
    saved = 0
    with contextlib.suppress(StoreFullError):
        while saved < 1000:
            save(store, "comment", f"{saved} {'x' * 4000}", base=saved)
            saved += 1
    assert 5 < saved < 1000
    with pytest.raises(StoreFullError, match=r"labels\.sqlite: the disk is full"):
        save(store, "comment", "x" * 5000, base=saved)
    assert len(store.history()) == saved
    # Room is made: the same answer is saved by the same store.
    subprocess.run(["mount", "-o", "remount,size=2m", str(small_disk)], check=True)
    assert save(store, "comment", "again", base=saved) == saved + 1
    store.close()
    again = Store(small_disk / "labels.sqlite")
    assert len(again.history()) == saved + 1
    again.close()


# --- packs ---------------------------------------------------------------------------------------


def test_a_pack_says_what_it_was_given(pack, tmp_path):
    assert pack.names == list(DETECTORS)
    assert [pack.of_utterance(f"U{i}").utt_id for i in range(3)] == ["U0", "U1", "U2"]
    clip = pack.of_utterance("U0")
    assert clip.duration == 1.0
    assert clip.scores == {"first": -1.25, "second": -1.25}
    assert clip.about == {
        "split": "eval",
        "label": "spoof",
        "attack": "A01",
        "speaker": "S1",
        "codec": "none",
    }
    evidence = pack.evidence(clip.key, "first")
    assert (evidence[40], evidence[60]) == (1.5, -0.5)
    assert np.isnan(evidence[95:]).all()
    samples, rate = audio.read(pack.audio(clip.key))
    original, _ = audio.read(tmp_path / "clip0.wav")
    assert rate == 16000
    np.testing.assert_allclose(samples, original, atol=2**-15)


def test_names_in_a_pack_give_nothing_away(pack):
    for path in pack.folder.rglob("*.wav"):
        assert path.stem in pack.clips
        assert not any(word in path.stem for word in ("U0", "spoof", "A01"))
    assert list(pack.clips) == sorted(pack.clips)


def test_another_pack_of_the_study_keeps_the_labels_in_its_folder(pack, tmp_path):
    labels = Store(pack.folder / "labels.sqlite")
    labels.add_annotator("Ann")
    save(labels, "cue", "noise")
    labels.close()
    digest = pack.digest(pack.of_utterance("U0").key, "first")
    again = make_pack(pack.folder, n=2)
    assert len(again.clips) == 2
    assert again.digest(again.of_utterance("U0").key, "first") == digest
    assert [a.value for a in Store(pack.folder / "labels.sqlite").history()] == ["noise"]


def test_digests_change_with_what_an_explanation_looks_like(tmp_path):
    curve = np.array([0.0, 1.0, -0.52, np.nan, 0.3], np.float32)
    digests = {}
    for name, values in {
        "same": curve,
        "other last digits": curve * np.float32(1 + 1e-6),
        "louder": 3 * curve,
        "other sign": -curve,
        "other shape": curve[::-1],
        "seen": np.nan_to_num(curve),
        "nothing": 0 * np.nan_to_num(curve),
        "never seen": curve * np.nan,
    }.items():
        row, scores, _ = clip(tmp_path / "clip.wav", "U0")
        audio.write(row["path"], np.full(1600, 0.25), 16000)
        found = [(row, scores, dict.fromkeys(DETECTORS, values))]
        about = {"study": "s", "corpus": "c", "split": "eval"}
        write_pack(tmp_path / name, about, 1, [detector(each) for each in DETECTORS], found)
        made = Pack(tmp_path / name)
        digests[name] = made.digest(made.of_utterance("U0").key, "first")
    assert digests["same"] == digests["other last digits"] == digests["louder"]
    assert len(set(digests.values())) == 6


def test_a_pack_that_cannot_be_made_leaves_the_former_one(pack):
    before = {path: path.read_bytes() for path in pack.folder.rglob("*") if path.is_file()}

    def broken():
        yield clip(pack.audio(next(iter(pack.clips))), "U7")
        yield clip(pack.folder / "absent.wav", "U8")

    with pytest.raises(AudioError, match=r"absent\.wav"):
        write_pack(pack.folder, {}, 1, pack.detectors, broken())
    assert before == {path: path.read_bytes() for path in pack.folder.rglob("*") if path.is_file()}


def test_what_is_no_pack(pack, tmp_path):
    with pytest.raises(SpoofscopeError, match=r"no pack of clips; pack\.json is missing"):
        Pack(tmp_path)
    table = (pack.folder / CLIPS).read_text().splitlines()
    (pack.folder / CLIPS).write_text("\n".join([*table, table[-1]]) + "\n")
    with pytest.raises(TableError, match=r"clips\.tsv: a clip is there twice"):
        Pack(pack.folder)
    (pack.folder / CONTENT).write_text('{"format": 2}')
    with pytest.raises(SpoofscopeError, match=r"pack\.json has format 2"):
        Pack(pack.folder)
    (pack.folder / CONTENT).write_text('{"format": 1}')
    with pytest.raises(SpoofscopeError, match=r"pack\.json is damaged"):
        Pack(pack.folder)


def explanations(utt_ids, **changes):
    """Of one detector, as `attribution.store` reads them."""

    class Explanations(dict):
        utt_ids = property(list)
        settings = settings()

    made = {u: explanation([1.0, -2.0, 3.0, 4.0], utt_id=u, score=0.5, **changes) for u in utt_ids}
    return Explanations(made)


def of_study(tmp_path, n=6):
    rows = []
    for i in range(n):
        path = tmp_path / f"own{i}.wav"
        audio.write(path, np.full(1600, 0.25), 16000)
        rows.append(clip(path, f"U{i}", *(("bonafide", "-") if i < 3 else ("spoof", f"A{i}")))[0])
    return pl.DataFrame(rows)


def test_the_pack_of_a_study_has_the_clips_that_all_detectors_explain(tmp_path, caplog):
    manifest = of_study(tmp_path)
    unseen = np.array([1, 1, 0, 1])
    detectors = [
        {
            **{"name": name, "run": f"{name}-0", "seed": 1, "threshold": 0.0},
            "attributions": explanations(utt_ids, coverage=unseen),
            "reasons": dict.fromkeys(utt_ids, reasons),
        }
        for name, utt_ids, reasons in (
            ("a", ["U1", "U0", "U4"], "per_attack"),
            ("b", ["U4", "U1", "U5"], "per_attack+near_wrong"),
        )
    ]
    about = {"study": "s", "corpus": "c", "split": "eval"}
    collect(tmp_path / "pack", about, manifest, detectors, None, 1)
    pack = Pack(tmp_path / "pack")
    assert {clip.utt_id for clip in pack.clips.values()} == {"U1", "U4"}
    assert "2 clips are not explained by all detectors" in caplog.text
    found = pack.of_utterance("U4")
    assert (found.duration, found.sample_rate, found.scores) == (0.1, 16000, {"a": 0.5, "b": 0.5})
    assert found.about["chosen_by"] == "per_attack+near_wrong"
    # For spoof, though the study explains bona fide.
    np.testing.assert_array_equal(pack.evidence(found.key, "b"), [-1, 2, np.nan, -4])
    detectors[0]["attributions"] = explanations(["U2"])
    with pytest.raises(SpoofscopeError, match="no clip is explained by all of a, b"):
        collect(tmp_path / "none", about, manifest, detectors, None, 1)
    with pytest.raises(TableError, match="the explained clip 'U4' is not in the manifest"):
        collect(tmp_path / "none", about, manifest.head(2), detectors[1:], None, 1)
    assert not (tmp_path / "none").exists()


def test_why_clips_were_chosen_is_read_from_summaries(tmp_path):
    summary = tmp_path / "summary.tsv"
    rows = {"utt_id": ["U2", "U1"], "score": [0.5, 1.0], "chosen_by": ["per_attack", "near_right"]}
    write_table(summary, pl.DataFrame(rows))
    assert read_reasons(summary) == {"U2": "per_attack", "U1": "near_right"}


def test_clips_are_chosen_evenly_over_attacks():
    attacks = ["-"] * 40 + ["A"] * 20 + ["B"] * 2
    rows = pl.DataFrame({"utt_id": [f"U{i:02}" for i in range(62)], "attack": attacks})
    counts = dict(chosen(rows, 12, seed=1).group_by("attack").len().iter_rows())
    assert counts == {"-": 5, "A": 5, "B": 2}
    again = chosen(rows.sample(fraction=1, shuffle=True, seed=3), 12, seed=1)
    assert again.equals(chosen(rows, 12, seed=1))
    assert not again.equals(chosen(rows, 12, seed=2))
    assert chosen(rows, None, seed=1).height == chosen(rows, 99, seed=1).height == 62


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({}, "annotation: people label explained clips, and nothing is explained"),
        (
            {"attribution": {"detectors": ["fbank_cnn"], "corpus": "mini", "split": "eval"}},
            r"annotation\.detectors\[0\]: 'fbank_cmm' is not among .* did you mean 'fbank_cnn'",
        ),
    ],
)
def test_a_study_without_explanations_has_nothing_to_label(sections, message):
    study = read_config(MINI)
    del study["attribution"], study["masking"]
    study["annotation"] = {"detectors": ["fbank_cmm"]}
    with pytest.raises(ConfigError, match=message):
        checked({**study, **sections})


# --- formats -------------------------------------------------------------------------------------


@pytest.fixture
def answered(store):
    """Answers of every kind by two annotators."""
    store.add_annotator("Bob")
    save(store, "cue", "glitch")
    save(store, "cue", "noise", base=1)
    save(store, "regions", [REGION, {"start": 0.5, "end": 0.75, "cue": "breath"}])
    save(store, "locality", 4)
    save(store, "audible", False)
    save(store, "comment", 'tab\there, "quotes", a line\nbreak, <b>é</b>')
    save(store, "general", "quiet", detector=NO_DETECTOR)
    save(store, "comparison", "alike", detector=NO_DETECTOR)
    save(store, "state", "done", detector=NO_DETECTOR)
    save(store, "regions", [], annotator="Bob", detector="second")
    save(store, "regions", [REGION], annotator="Bob")
    save(store, "audible", True, annotator="Bob", utt_id="U1", detector="second")
    save(store, "state", "skipped", annotator="Bob", utt_id="U2", detector=NO_DETECTOR)
    save(store, "locality", 2, annotator="Bob")
    save(store, "locality", None, base=1, annotator="Bob")
    asked = {(a.detector == NO_DETECTOR, a.field) for a in store.history()}
    assert asked == {(False, f) for f in OF_DETECTOR} | {(True, f) for f in OF_CLIP}
    return store


def values(store):
    return {question: answer.value for question, answer in newest(store.history()).items()}


def in_order(store):
    return sorted(store.history(), key=lambda answer: (answer.question, answer.revision))


def test_a_table_holds_every_revision(answered, pack, tmp_path):
    assert export(answered, pack, tmp_path / "labels.tsv") == (12, 12)
    other = Store(tmp_path / "other.sqlite")
    assert import_answers(other, pack, tmp_path / "labels.tsv") == 15
    assert in_order(other) == in_order(answered)
    export(other, pack, tmp_path / "again.tsv")
    assert (tmp_path / "again.tsv").read_bytes() == (tmp_path / "labels.tsv").read_bytes()
    # Again it adds nothing.
    assert import_answers(other, pack, tmp_path / "labels.tsv") == 0
    other.close()


def test_two_people_of_one_name_are_not_mixed(answered, pack, tmp_path):
    other = Store(tmp_path / "other.sqlite")
    other.add_annotator("Ann")
    save(other, "audible", True)
    save(other, "locality", 1)
    export(answered, pack, tmp_path / "labels.tsv")
    with pytest.raises(SpoofscopeError, match="two people have used one name"):
        import_answers(other, pack, tmp_path / "labels.tsv")
    assert len(other.history()) == 2
    assert other.annotators() == ["Ann"]
    other.close()


@pytest.mark.parametrize("name", ["tasks.json", "tracks"])
def test_formats_of_others_come_back(answered, pack, tmp_path, name):
    export(answered, pack, tmp_path / name)
    other = Store(tmp_path / "other.sqlite")
    import_answers(other, pack, tmp_path / name)
    expected = values(answered)
    if name == "tracks":
        expected = {q: v for q, v in expected.items() if q[3] == "regions" and v}
        # A track has a cue in every line.
        expected["Ann", "U0", "first", "regions"] = [
            {**REGION, "cue": "noise"},
            {"start": 0.5, "end": 0.75, "cue": "breath"},
        ]
    assert values(other) == expected
    # Where the answers came from, nothing is new.
    before = answered.history()
    assert import_answers(answered, pack, tmp_path / name) == 0
    assert answered.history() == before
    other.close()


def test_a_region_whose_own_cue_is_that_of_the_explanation_comes_back(store, pack, tmp_path):
    save(store, "cue", "breath")
    own = [REGION, {"start": 0.5, "end": 0.75, "cue": "breath"}]
    save(store, "regions", own)
    for name in ("tasks.json", "tracks"):
        export(store, pack, tmp_path / name)
        # It says nothing else, so it is no new answer, of which nobody knows whether it was blind.
        assert import_answers(store, pack, tmp_path / name) == 0
    other = Store(tmp_path / "other.sqlite")
    import_answers(other, pack, tmp_path / "tasks.json")
    assert values(other)["Ann", "U0", "first", "regions"] == own
    other.close()


def test_label_studio_reads_what_we_write(answered, pack, tmp_path):
    """The tags of its interface are those that the results name, with choices that it has."""
    export(answered, pack, tmp_path / "tasks.json")
    root = ElementTree.parse(tmp_path / "tasks.xml").getroot()
    kinds = {"labels": "Labels", "choices": "Choices", "rating": "Rating", "textarea": "TextArea"}
    tags = {element.get("name"): element for element in root if element.get("name")}
    results = [
        result
        for task in json.loads((tmp_path / "tasks.json").read_text())
        for annotation in task["annotations"]
        for result in annotation["result"]
    ]
    assert {result["type"] for result in results} == set(kinds)
    for result in results:
        tag = tags[result["from_name"]]
        assert tag.tag == kinds[result["type"]]
        assert tag.get("toName") == result["to_name"]
        chosen = [*result["value"].get("labels", []), *result["value"].get("choices", [])]
        assert set(chosen) <= {child.get("value") for child in tag}
    for task in json.loads((tmp_path / "tasks.json").read_text()):
        assert (pack.folder / task["data"]["audio"]).is_file()


def test_a_label_track_is_audacitys(answered, pack, tmp_path):
    export(answered, pack, tmp_path / "tracks")
    track = (tmp_path / "tracks/Ann/U0.first.txt").read_text()
    assert track == "0.100000\t0.250000\tnoise\n0.500000\t0.750000\tbreath\n"
    # Audacity adds lines with frequencies.
    (tmp_path / "tracks/Ann/U0.first.txt").write_text("0.1\t0.3\tglitch\n\\\t100\t200\n")
    assert import_answers(answered, pack, tmp_path / "tracks") == 1
    region = values(answered)["Ann", "U0", "first", "regions"]
    assert region == [{"start": 0.1, "end": 0.3, "cue": "glitch"}]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("value", '"hum"', "line 2: column 'value': cue is one of"),
        ("value", "{", "line 2: column 'value' is no JSON"),
        ("value", "NaN", "line 2: column 'value' is no JSON: NaN is no number"),
        ("annotator", "<b>", "line 2: column 'annotator'"),
        ("field", "mood", "line 2: column 'value': 'mood' is no question"),
        ("revision", "0", "line 2: revisions count from 1"),
        ("blind", "maybe", "line 2: column 'blind'"),
        ("saved", "yesterday", "line 2: column 'saved'"),
        ("utt_id", "U9", "the pack has no utterance 'U9'"),
        ("detector", "third", "the pack has no detector 'third'"),
    ],
)
def test_a_damaged_table_is_refused_whole(answered, pack, tmp_path, column, value, message):
    path = tmp_path / "labels.tsv"
    write_answers(path, answered.history())
    header, line, *rest = [row.split("\t") for row in path.read_text().splitlines()]
    line[header.index(column)] = value
    path.write_text("\n".join("\t".join(row) for row in [header, line, *rest]) + "\n")
    other = Store(tmp_path / "other.sqlite")
    with pytest.raises(SpoofscopeError, match=message):
        import_answers(other, pack, path)
    assert other.history() == []
    other.close()


def test_a_revision_twice_and_a_region_outside(answered, pack, tmp_path):
    path = tmp_path / "labels.tsv"
    write_answers(path, answered.history())
    text = path.read_text()
    path.write_text(text + text.splitlines()[1] + "\n")
    with pytest.raises(TableError, match="this revision is in line 2, too"):
        read_answers(path)
    path.write_text(text.replace('"end": 0.75', '"end": 1.75'))
    with pytest.raises(TableError, match=r"'U0': the region from 0\.5 s to 1\.75 s is not"):
        import_answers(answered, pack, path)


@pytest.mark.parametrize("name", ["labels.csv", "absent.tsv"])
def test_other_suffixes_and_absent_files(answered, pack, tmp_path, name):
    if name == "labels.csv":
        (tmp_path / name).write_text("")
        with pytest.raises(ConfigError, match="no format has the suffix"):
            export(answered, pack, tmp_path / name)
    with pytest.raises(ConfigError):
        import_answers(answered, pack, tmp_path / name)


def test_a_folder_of_something_else_is_not_replaced(answered, pack, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.odt").write_text("years of work")
    with pytest.raises(SpoofscopeError, match="holds other files than label tracks"):
        export(answered, pack, tmp_path / "mine")
    assert (tmp_path / "mine/thesis.odt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Ann/U9.first.txt", "0.1\t0.2\tnoise", "the pack has no such clip and detector"),
        ("Ann/U0.first.txt", "0.1\t0.2\thum", r"line 1: 'hum' is no cue"),
        ("Ann/U0.first.txt", "0.1 0.2 noise", "line 1: no start and end"),
        ("Ann/U0.first.txt", "0.1\t7\tnoise", "not inside the clip"),
        ("#/U0.first.txt", "0.1\t0.2\tnoise", "a name begins with"),
        ("readme", "", "there is no label track"),
    ],
)
def test_tracks_that_do_not_fit(store, pack, tmp_path, name, text, message):
    path = tmp_path / "tracks" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(TableError, match=message):
        import_answers(store, pack, tmp_path / "tracks")
    assert store.history() == []


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({}, "no list of tasks"),
        ([{"data": {}}], "task 1: not as Label Studio writes it"),
        ([{"data": {"utt_id": "U9"}}], "no utterance 'U9'"),
        ([{"data": {"utt_id": "U0"}, "annotations": [{"result": []}]}], "task 1: not as"),
        (
            [
                {
                    "data": {"utt_id": "U0"},
                    "annotations": [
                        {
                            "completed_by": 1,
                            "result": [
                                {
                                    "from_name": "cue: third",
                                    "type": "choices",
                                    "value": {"choices": ["noise"]},
                                }
                            ],
                        }
                    ],
                }
            ],
            "no detector 'third'",
        ),
    ],
)
def test_tasks_that_do_not_fit(store, pack, tmp_path, tasks, message):
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    with pytest.raises(SpoofscopeError, match=message):
        import_answers(store, pack, tmp_path / "tasks.json")
    assert store.history() == []
