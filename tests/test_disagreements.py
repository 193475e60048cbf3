"""Disagreements: who is right, McNemar's test, the draw, the exported audio."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest
import soundfile

from spoofscope import audio
from spoofscope.detector import Detector
from spoofscope.disagreements import (
    contingency,
    disagreements,
    drawn,
    export,
    judge,
    needed_threshold,
    threshold_at_eer,
)
from spoofscope.errors import AudioError, SpoofscopeError, TableError
from spoofscope.figures import disagreements as drawing
from spoofscope.figures import style
from spoofscope.figures.disagreements import draw
from spoofscope.files import write_json
from spoofscope.tables import write_manifest, write_scores, write_table
from spoofscope.windows import InputPolicy

THRESHOLDS = {"right": 0.0, "wrong": 10.0}


def trials(attacks: dict[str, int]) -> pl.DataFrame:
    rows = [
        (f"{attack}/{i}", f"{attack}{i}.wav", "bonafide" if attack == "-" else "spoof", attack)
        for attack, n in attacks.items()
        for i in range(n)
    ]
    return pl.DataFrame(rows, ["utt_id", "path", "label", "attack"], orient="row")


def scores(values: dict[str, float]) -> pl.DataFrame:
    return pl.DataFrame({"utt_id": list(values), "score": list(values.values())})


def test_each_system_is_judged_by_its_own_threshold_and_trials_meet_by_id():
    rows = trials({"-": 3, "A": 3})
    right = {"-/0": 1.0, "-/1": 0.0, "-/2": -1.0, "A/0": -1.0, "A/1": 1.0, "A/2": -2.0}
    wrong = {"A/2": 12.0, "A/1": 11.0, "A/0": 9.0, "-/2": 9.0, "-/1": 8.5, "-/0": 10.5}
    judged = judge(rows, {"right": scores(right), "wrong": scores(wrong)}, THRESHOLDS)
    # A score at the threshold is accepted as bona fide.
    assert judged["correct_right"].to_list() == [True, True, False, True, False, True]
    assert judged["correct_wrong"].to_list() == [True, False, False, True, False, False]
    assert judged["margin_right"].to_list() == [1.0, 0.0, -1.0, 1.0, -1.0, 2.0]
    assert judged["margin_wrong"].to_list() == [0.5, -1.5, -1.0, 1.0, -1.0, -2.0]
    # Bona fide speech may be disagreed about as well.
    assert disagreements(judged)["utt_id"].to_list() == ["-/1", "A/2"]
    counts = {row["label"]: row for row in contingency(judged).iter_rows(named=True)}
    names = ("n", "both_right", "only_right", "only_wrong", "both_wrong")
    assert [counts["bonafide"][name] for name in names] == [3, 1, 1, 0, 1]
    assert [counts["spoof"][name] for name in names] == [3, 1, 1, 0, 1]
    assert [counts["all"][name] for name in names] == [6, 2, 2, 0, 2]
    assert counts["all"]["mcnemar_p"] == 0.5
    assert counts["spoof"]["threshold_wrong"] == 10.0
    other = scores({**right, "B/0": 1.0})
    with pytest.raises(TableError, match="B/0"):
        judge(rows, {"right": other, "wrong": scores(wrong)}, THRESHOLDS)
    spoofs = contingency(judged.filter(pl.col("label") == "spoof"))
    assert spoofs["label"].to_list() == ["spoof", "all"]


def test_the_clips_of_a_speaker_count_as_one():
    """Of 10 speakers of a class, 9 clips each, two have all of the disagreements, all one way."""
    rows = trials({"-": 90, "A": 90}).with_columns(
        speaker=pl.concat_str(pl.lit("s"), (pl.int_range(180) // 9).cast(pl.String))
    )
    signs = {
        row["utt_id"]: (1.0 if row["label"] == "bonafide" else -1.0)
        for row in rows.iter_rows(named=True)
    }
    failing = set(rows.filter(pl.col("speaker").is_in(["s0", "s10"]))["utt_id"])
    wrong = {utt: 10 + (-sign if utt in failing else sign) for utt, sign in signs.items()}
    judged = judge(rows, {"right": scores(signs), "wrong": scores(wrong)}, THRESHOLDS)
    found = {row["label"]: row for row in contingency(judged).iter_rows(named=True)}
    assert (found["all"]["only_right"], found["all"]["only_wrong"]) == (18, 0)
    # Two speakers say the same by chance in every second draw.
    assert found["all"]["mcnemar_p"] == pytest.approx(0.5)
    assert [found[label]["n_clusters"] for label in ("bonafide", "spoof", "all")] == [10, 10, 10]
    assert found["bonafide"]["mcnemar_p"] == pytest.approx(1.0)
    (alone,) = contingency(judged, "none").filter(label="all").iter_rows(named=True)
    assert alone["mcnemar_p"] == pytest.approx(2.0**-17)
    assert alone["n_clusters"] is None


def test_the_draw_is_even_over_attacks_and_depends_on_seed_and_ids_alone():
    listed = trials({"-": 9, "A": 9, "B": 1})
    chosen = drawn(listed, 7, 1, "pair")
    attacks = [utt_id.split("/")[0] for utt_id in chosen]
    assert sorted(attacks) == ["-", "-", "-", "A", "A", "A", "B"]
    # One of each before the second of any.
    assert set(attacks[:3]) == {"-", "A", "B"}
    assert drawn(listed.reverse(), 7, 1, "pair") == chosen
    assert drawn(listed, 7, 2, "pair") != chosen
    assert drawn(listed, 7, 1, "another") != chosen
    assert len(drawn(listed, 100, 1, "pair")) == listed.height
    assert drawn(listed, 0, 1, "pair") == []


def judged_files(folder: Path) -> pl.DataFrame:
    """Three clips with audio: one at 8 kHz, one of 3 s at 16 kHz, one beyond full scale."""
    rng = np.random.default_rng(0)
    audio.write(folder / "-0.wav", rng.uniform(-1, 1, 4000), 8000)
    audio.write(folder / "A0.wav", rng.uniform(-1, 1, 48000), 16000)
    loud = (rng.uniform(-1.5, 1.5, 1600)).astype(np.float32)
    soundfile.write(folder / "A1.wav", loud, 16000, subtype="FLOAT")
    rows = trials({"-": 1, "A": 2}).with_columns(
        path=pl.format("{}/{}", pl.lit(str(folder)), "path")
    )
    ids = rows["utt_id"].to_list()
    good = scores(dict(zip(ids, (1.0, -1.0, -1.0), strict=True)))
    bad = scores(dict(zip(ids, (9.0, 11.0, 11.0), strict=True)))
    return disagreements(judge(rows, {"right": good, "wrong": bad}, THRESHOLDS))


def test_clips_are_exported_as_they_are_decoded(tmp_path):
    listed = judged_files(tmp_path)
    folder = tmp_path / "clips"
    (folder / "left").mkdir(parents=True)
    table = export(listed, ["A/0", "-/0"], folder, 1.0)
    assert table["utt_id"].to_list() == ["A/0", "-/0", "A/1"]
    first, second = folder / "01-A-A_0.wav", folder / "02-bonafide--_0.wav"
    assert table["audio"].to_list() == [str(first), str(second), "-"]
    # What an earlier run left is gone.
    assert sorted(folder.iterdir()) == [first, second]
    for path, source, n, rate in ((first, "A0", 16000, 16000), (second, "-0", 4000, 8000)):
        samples, found = audio.read(path)
        assert found == rate
        np.testing.assert_array_equal(samples, audio.read(tmp_path / f"{source}.wav")[0][:n])
    before = [path.read_bytes() for path in (first, second)]
    export(listed, ["A/0", "-/0"], folder, 1.0)
    assert [path.read_bytes() for path in (first, second)] == before


def test_a_clip_beyond_full_scale_becomes_quieter_as_a_whole(tmp_path):
    table = export(judged_files(tmp_path), ["A/1"], tmp_path / "clips", 10.0)
    samples = audio.read(table["audio"][0])[0]
    source = audio.read(tmp_path / "A1.wav")[0]
    np.testing.assert_allclose(samples, source / np.abs(source).max(), atol=1 / 32768)


def test_ids_that_are_longer_than_names_of_files_may_be(tmp_path):
    listed = judged_files(tmp_path)
    long = {utt_id: utt_id + "漢" * 100 for utt_id in listed["utt_id"]}
    listed = listed.with_columns(pl.col("utt_id").replace(long))
    table = export(listed, [long["A/0"], long["A/1"]], tmp_path / "clips", 1.0)
    assert all(Path(path).is_file() for path in table["audio"][:2])
    assert table["audio"][:2].n_unique() == 2


def test_without_clips_there_is_a_table_and_no_folder(tmp_path):
    listed = judged_files(tmp_path).head(0)
    table = export(listed, [], tmp_path / "clips", 1.0)
    assert table.height == 0
    assert "audio" in table.columns
    assert not (tmp_path / "clips").exists()


def test_a_clip_that_is_gone_leaves_the_former_export(tmp_path):
    listed = judged_files(tmp_path)
    export(listed, ["A/0"], tmp_path / "clips", 1.0)
    (tmp_path / "-0.wav").unlink()
    with pytest.raises(AudioError, match="-0"):
        export(listed, ["A/0", "-/0"], tmp_path / "clips", 1.0)
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["01-A-A_0.wav"]


def test_thresholds_are_those_of_development_data(tmp_path):
    parts = {"type": "lfcc"}, {"type": "linear"}, InputPolicy()
    Detector(*parts, {"threshold": 0.5}).save(tmp_path / "trained")
    Detector(*parts).save(tmp_path / "imported")
    write_json(tmp_path / "fusion.json", {"threshold": -0.25})
    assert needed_threshold(tmp_path / "trained/detector.json") == 0.5
    assert needed_threshold(tmp_path / "fusion.json") == -0.25
    with pytest.raises(SpoofscopeError, match="key `threshold`"):
        needed_threshold(tmp_path / "imported/detector.json")
    rows = trials({"-": 2, "A": 2})
    values = {"-/0": 3.0, "-/1": 2.0, "A/0": 1.0, "A/1": 0.0}
    assert threshold_at_eer(scores(values), rows, "dev scores") == 1.5


def test_corners_of_the_figure_hold_what_lies_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    rows = trials({"-": 40, "A": 50}).with_columns(
        split=pl.lit("eval"), speaker=pl.lit("s"), duration=1.0, sample_rate=16000
    )
    write_manifest("manifest.tsv", rows)
    given = {}
    for role, middle in THRESHOLDS.items():
        values = middle + rng.normal(size=rows.height)
        given[role] = scores(dict(zip(rows["utt_id"], values.tolist(), strict=True)))
        write_scores(f"{role}.tsv", given[role])
    judged = judge(rows, given, THRESHOLDS)
    counts = contingency(judged)
    write_table("counts.tsv", counts)
    write_table("list.tsv", export(disagreements(judged), [], Path("d"), 1.0))
    entry = {
        **{"name": "d", "corpus": "c", "split": "eval"},
        **{"manifest": "manifest.tsv", "list": "list.tsv", "counts": "counts.tsv"},
        "scores": {role: f"{role}.tsv" for role in THRESHOLDS},
    }
    systems = {role: [role, 1, role] for role in THRESHOLDS}
    drawn_figures = []
    monkeypatch.setattr(plt, "close", drawn_figures.append)
    outputs = {suffix: f"d.{suffix}" for suffix in ("pdf", "png", "tsv")}
    draw([{**entry, **systems}], outputs)
    (axes,) = drawn_figures[0].axes
    corners = [(text.xy, text.get_text()) for text in axes.texts]
    # Above and right of its threshold, a system accepts.
    assert ((1, 1), "both: bona fide") in corners
    assert ((1, 0), "only →: bona fide") in corners
    for label, name in (("bonafide", "bona fide"), ("spoof", "spoof")):
        own = judged.filter(pl.col("label") == label)
        for right in (False, True):
            for above in (False, True):
                there = ((own["score_right"] >= 0) == right) & ((own["score_wrong"] >= 10) == above)
                corner = [
                    text
                    for place, text in corners
                    if place == (right, above) and text.endswith(f" {name}") and text[0].isdigit()
                ]
                assert corner == [f"{int(there.sum())} {name}"]
    assert pl.read_csv("d.tsv", separator="\t").height == rows.height


def test_numbers_of_rings_in_a_heap_stand_in_one_label():
    figure = style.new_figure(3.5, 3)
    axes = figure.subplots()
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 10)
    rings = pl.DataFrame(
        {
            "score_right": [9.0, 1.0, 9.1, 8.9],
            "score_wrong": [5.0, 5.0, 5.1, 4.9],
            "exported": [4, 2, 1, 3],
        }
    )
    drawing._number(axes, rings)
    assert [text.get_text() for text in axes.texts] == ["1, 3, 4", "2"]
    assert [text.get_ha() for text in axes.texts] == ["right", "left"]
    style.plt.close(figure)
