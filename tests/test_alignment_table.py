"""Silences, phones and words of either class, in one table."""

import polars as pl
import pytest

from spoofscope.alignment.base import CLIP_COLUMNS
from spoofscope.figures.clips import draw_tiers
from spoofscope.figures.style import new_figure
from spoofscope.metrics.rates import auc
from spoofscope.summaries.alignment import alignment_table, clip_measures
from spoofscope.tables import SEGMENT_COLUMNS, write_manifest, write_segments, write_table

N = 12
# Of clip i: bona fide if even; seconds of silence at the start, in a pause, at the end.
SILENCES = [(0.1 + 0.01 * i, 0.05 * (i % 3), 0.0 if i % 2 else 0.2) for i in range(N)]


def manifest() -> pl.DataFrame:
    genuine = [i % 2 == 0 for i in range(N)]
    return pl.DataFrame(
        {
            "utt_id": [f"u{i}" for i in range(N)],
            "path": [f"u{i}.wav" for i in range(N)],
            "split": "eval",
            "label": ["bonafide" if g else "spoof" for g in genuine],
            "attack": ["-" if g else f"A{i % 4}" for i, g in enumerate(genuine)],
            "speaker": "-",
            "duration": 2.0,
            "sample_rate": 16000,
        }
    )


def segments() -> pl.DataFrame:
    rows = []
    for i, (leading, pause, trailing) in enumerate(SILENCES):
        if i == 5:
            continue
        rows.append((f"u{i}", 0.0, leading, "silence", "leading"))
        if pause:
            rows.append((f"u{i}", 1.0, 1.0 + pause, "silence", "pause"))
        if trailing:
            rows.append((f"u{i}", 2 - trailing, 2.0, "silence", "trailing"))
        if i != 4:
            rows += [(f"u{i}", 0.5, 0.7, "word", "a"), (f"u{i}", 0.7, 0.8, "word", "b")]
    return pl.DataFrame(rows, schema=SEGMENT_COLUMNS, orient="row")


def clips() -> pl.DataFrame:
    problems = {4: "digit '1' in '1' is not one of the recogniser's", 5: "not in the file"}
    rows = [(f"u{i}", "-", None, 0, problems.get(i, "-")) for i in range(N)]
    return pl.DataFrame(rows, schema=CLIP_COLUMNS, orient="row")


def test_measures_of_clips():
    found = clip_measures(manifest(), segments(), clips())
    assert found.columns == [
        *("utt_id", "silence_share", "leading", "pauses", "trailing"),
        *("word_rate", "word_length"),
    ]
    for i, row in enumerate(found.iter_rows(named=True)):
        if i == 5:
            # Nothing is known of it.
            assert all(value is None for name, value in row.items() if name != "utt_id")
            continue
        leading, pause, trailing = SILENCES[i]
        assert (row["leading"], row["pauses"]) == pytest.approx((leading, pause))
        assert row["trailing"] == pytest.approx(trailing)
        assert row["silence_share"] == pytest.approx(sum(SILENCES[i]) / 2)
        if i == 4:
            assert row["word_rate"] is None
        else:
            assert (row["word_rate"], row["word_length"]) == pytest.approx((1.0, 0.15))


def test_an_aligner_without_silences_says_nothing_of_them():
    words = segments().filter(tier="word")
    columns = clip_measures(manifest(), words, clips()).columns
    assert columns == ["utt_id", "word_rate", "word_length"]


def test_the_table(tmp_path):
    write_manifest(tmp_path / "manifest.tsv", manifest())
    write_segments(tmp_path / "s.tsv", segments())
    write_table(tmp_path / "c.tsv", clips())
    entry = {
        "aligner": "pauses",
        "corpus": "own",
        "split": "eval",
        "segments": str(tmp_path / "s.tsv"),
        "clips": str(tmp_path / "c.tsv"),
        "manifest": str(tmp_path / "manifest.tsv"),
    }
    table = alignment_table([entry], resamples=100, cluster=None, bootstrap_seed=1)
    assert table.columns[:7] == [
        *("aligner", "corpus", "split", "measure", "attack", "mean_bonafide", "mean_spoof"),
    ]
    row = table.row(
        by_predicate=(pl.col("measure") == "trailing") & (pl.col("attack") == "pooled"), named=True
    )
    assert (row["mean_bonafide"], row["mean_spoof"]) == pytest.approx((0.2, 0.0))
    assert (row["auc"], row["higher"]) == (1.0, "bonafide")
    assert (row["n_bonafide"], row["n_spoof"], row["n_undefined"]) == (6, 5, 1)
    row = table.row(
        by_predicate=(pl.col("measure") == "leading") & (pl.col("attack") == "A1"), named=True
    )
    spoofs = [SILENCES[i][0] for i in (1, 9)]
    genuine = [SILENCES[i][0] for i in range(0, N, 2)]
    assert row["mean_spoof"] == pytest.approx(sum(spoofs) / 2)
    assert row["auc"] == pytest.approx(
        auc(pl.Series(genuine).to_numpy(), pl.Series(spoofs).to_numpy())
    )


def test_tiers_are_drawn_under_attributions():
    axes = new_figure(3.5, 2).add_subplot()
    axes.set_ylim(-1, 1)
    rows = [
        ("a", 0.0, 0.2, "silence", "leading"),
        ("a", 0.2, 0.3, "phone", "p"),
        ("a", 0.3, 0.5, "phone", "q"),
        ("a", 0.2, 0.5, "word", "pq"),
    ]
    draw_tiers(axes, pl.DataFrame(rows, schema=SEGMENT_COLUMNS, orient="row"))
    (band,) = axes.patches
    assert (band.get_x(), band.get_width()) == pytest.approx((0.0, 0.2))
    phones, words = (
        {tuple(map(tuple, line.round(6).tolist())) for line in lines.get_segments()}
        for lines in axes.collections
    )
    assert phones == {((x, -1), (x, -0.8)) for x in (0.2, 0.3, 0.5)}
    assert words == {((x, -1), (x, -0.56)) for x in (0.2, 0.5)}
