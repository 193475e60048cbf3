"""Verdicts on explanations: by which rules, and wherever explanations are shown."""

import struct
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from explanations import checks_of
from spoofscope.apps.views import explanation_note, explanation_numbers
from spoofscope.attribution.explain import compared_with_randomised
from spoofscope.attribution.store import Explanation, Settings
from spoofscope.attribution.verdicts import (
    conclusion,
    judged,
    note,
    of_controls,
    read_checks,
)
from spoofscope.figures import faithfulness as figure
from spoofscope.figures import localisation, style
from spoofscope.quality import DISQUALIFYING
from spoofscope.summaries import faithfulness as summary
from spoofscope.tables import write_table


@pytest.mark.parametrize(
    ("check", "low", "high", "scale", "verdict"),
    [
        ("deletion_gain", 0.1, 9.0, 5.0, "passes"),
        ("deletion_gain", -0.1, 9.0, 5.0, "undecided"),
        # Random frames would do as much: with many clips the interval is narrow around 0.
        ("insertion_gain", -0.3, 0.49, 5.0, "fails"),
        ("insertion_gain", -0.3, 0.51, 5.0, "undecided"),
        ("insertion_gain", -3.0, -1.0, 5.0, "fails"),
        ("insertion_gain", None, None, 5.0, "undecided"),
        ("occlusion_spearman", 0.01, 0.05, 1.0, "passes"),
        ("occlusion_spearman", -0.2, 0.09, 1.0, "fails"),
        ("randomised_spearman", 0.1, 0.49, 1.0, "passes"),
        ("randomised_spearman", 0.4, 0.6, 1.0, "undecided"),
        ("randomised_spearman", 0.51, 0.7, 1.0, "fails"),
    ],
)
def test_rules(check, low, high, scale, verdict):
    assert judged(check, low, high, scale) == verdict


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, str]:
    """Tables of checks that pass, fail by random frames, fail by shuffled weights, and are few."""
    folder = tmp_path_factory.mktemp("checks")
    return {
        "good": checks_of(folder, "good"),
        "blind": checks_of(folder, "blind", insertion=1.0),
        "fixed": checks_of(folder, "fixed", randomised_spearman=0.65),
        "few": checks_of(folder, "few", n=5),
        "never": checks_of(folder, "never", randomised_spearman=None),
    }


def test_the_worst_control_decides_and_the_sentence_says_why(made):
    checks = {name: read_checks(path) for name, path in made.items()}
    assert {name: of_controls(each) for name, each in checks.items()} == {
        **{"good": "passes", "blind": "fails", "fixed": "fails"},
        **{"few": "undecided", "never": "undecided"},
    }
    good = {check.check: check for check in checks["good"]}
    assert good["deletion_gain"].value == pytest.approx(1.5, abs=0.05)
    assert good["deletion_gain"].scale == pytest.approx(2.0, abs=0.05)
    assert good["deletion_gain"].clusters == good["deletion_gain"].n == 40
    said = {name: conclusion(name, each) for name, each in checks.items()}
    assert said["good"].startswith("The explanations of good pass their controls: deletion beyond")
    assert "The explanations of blind fail their controls" in said["blind"]
    assert "insertion beyond random frames" in said["blind"]
    assert "agreement with shuffled weights +0.6" in said["fixed"]
    assert said["few"].startswith("It is undecided whether the explanations of few pass")
    assert said["few"].count("is undecided (5 clips, no interval)") == 3
    assert "agreement with shuffled weights was not computed" in said["never"]


def test_a_method_that_differs_is_no_control(tmp_path):
    checks = read_checks(checks_of(tmp_path, "other", gradient_spearman=-0.5))
    verdicts = {check.check: check.verdict for check in checks}
    assert verdicts["gradient_spearman"] == "fails"
    assert of_controls(checks) == "passes"
    # All maps of a linear detector are alike, so that there is no interval.
    table = pl.read_csv(tmp_path / "other.checks.tsv", separator="\t")
    alike = pl.col("metric") == "gradient_spearman"
    exact = table.with_columns(
        pl.when(alike).then(1.0).otherwise("value").alias("value"),
        *(pl.when(~alike).then(name).alias(name) for name in ("ci_low", "ci_high")),
    )
    write_table(tmp_path / "exact.tsv", exact)
    assert read_checks(str(tmp_path / "exact.tsv"))[2].verdict == "passes"


def test_only_what_does_not_pass_is_marked():
    assert note({"a": "passes"}) == ""
    assert note({"a": "fails", "b": "passes", "c": "fails", "d": "unchecked"}) == (
        "† Explanations of a, c fail their controls: do not rely on them. "
        "§ Explanations of d were not held against controls."
    )


def entries(made: dict[str, str]) -> list[dict]:
    of = {"seed": 1, "corpus": "mini", "split": "eval", "method": "integrated_gradients"}
    return [{"name": name, "checks": path, **of} for name, path in made.items()]


@pytest.mark.slow
def test_table_and_figure(made, tmp_path):
    summary.make(entries(made), {"table": str(tmp_path / "t.tsv")})
    table = pl.read_csv(tmp_path / "t.tsv", separator="\t")
    assert table.height == 5 * len(made)
    row = table.row(by_predicate=(pl.col("name") == "fixed") & (pl.col("check") == "deletion_gain"))
    assert (row[-3], row[-1]) == ("passes", "fails")
    assert "fails if it lies above" in table.filter(check="randomised_spearman")["rule"][0]
    outputs = {suffix: str(tmp_path / f"f.{suffix}") for suffix in ("pdf", "png", "tsv")}
    figure.draw(entries(made), outputs)
    width, _ = struct.unpack(">II", Path(outputs["png"]).read_bytes()[16:24])
    assert width / 200 == pytest.approx(7.2)
    assert pl.read_csv(outputs["tsv"], separator="\t")["verdict"].to_list() == (
        table["verdict"].to_list()
    )


@pytest.mark.slow
def test_every_dotted_line_of_the_figure_has_a_key(made, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figure, "save", lambda figures, *_: drawn.extend(figures))
    table = summary.faithfulness(entries(made))
    noise = table.filter(check="gradient_spearman").with_columns(check=pl.lit("noise_spearman"))
    for shown, keys in ((table, 1), (pl.concat([table, noise]), 2)):
        monkeypatch.setattr(figure, "faithfulness", lambda _, shown=shown: shown)
        figure.draw([], {})
        (legend,) = drawn.pop().legends
        right = [line for line in legend.get_lines() if line.get_linestyle() == ":"]
        assert len(right) == keys


def test_the_demo_says_whether_its_explanations_can_be_relied_upon(made):
    settings = Settings(
        "bonafide", "silence", "band", 1, (0.0, 8000.0), 16000, 0.01, 0.0, 1, (0.1,), 0.05
    )
    explanation = Explanation(
        *("u", "-", "-", 1.0, -17.02, 0.0, 0.0, 16, True, 0.0),
        map=np.zeros((1, 3), dtype=np.float32),
        coverage=np.ones(3, dtype=np.int64),
        maskings={},
        settings=settings,
    )
    judgement = {"duration_s": 1.0, "flags": dict.fromkeys(DISQUALIFYING, False)}
    checks = read_checks(made["blind"])
    text = explanation_note(explanation, (0.0, 1.0), judgement, checks, "silence")
    assert text.startswith("Do not rely on this picture. The explanations of this detector fail")
    assert "of explanations against the baseline" not in text
    assert "relative to silence, whose own score is -17: orange speaks for spoof" in text
    other = explanation_note(explanation, (0.0, 1.0), judgement, checks, "centroid")
    assert "against the baseline centroid; this one is against silence" in other
    assert "controls is not known" in explanation_note(
        explanation, (0.0, 1.0), judgement, None, None
    )
    numbers = explanation_numbers(explanation, checks, "zeros")
    assert (numbers["controls"], numbers["checks"][1]["verdict"]) == ("fails", "fails")
    assert explanation_numbers(explanation, None, None)["controls"] == "unchecked"


def test_what_is_compared_with_shuffled_weights_is_spread_over_speakers():
    rows = pl.DataFrame(
        {"utt_id": [f"u{i:02}" for i in range(60)], "speaker": [f"s{i % 10}" for i in range(60)]}
    )
    chosen = compared_with_randomised(rows, 20, 1)
    counts = rows.filter(pl.col("utt_id").is_in(chosen)).group_by("speaker").len()
    assert counts["len"].to_list() == [2] * 10
    assert compared_with_randomised(rows.reverse(), 20, 1) == chosen
    assert compared_with_randomised(rows, 20, 2) != chosen
    assert compared_with_randomised(rows, 0, 1) == set()
    assert len(compared_with_randomised(rows, 100, 1)) == 60


@pytest.mark.slow
def test_each_method_has_the_mark_of_its_own_controls(tmp_path, made, monkeypatch):
    row = {
        "method": "integrated_gradients", "axis": "time", "attack": "A", "metric": "auc_evidence",
        "value": 0.9, "ci_low": None, "ci_high": None, "chance": 0.5, "chance_low": 0.45,
        "chance_high": 0.55, "n": 24, "clusters": 7, "n_global": 0, "n_without": 0,
    }  # fmt: skip
    entries = []
    for method, checks in (("integrated_gradients", "good"), ("occlusion_time", "fixed")):
        path = tmp_path / f"{method}.tsv"
        write_table(path, pl.DataFrame([{**row, "method": method}]))
        of = {"run": "cnn-1", "detector": "cnn", "table": str(path), "checks": made[checks]}
        entries.append(of)
    outputs = {suffix: str(tmp_path / f"f.{suffix}") for suffix in ("pdf", "png", "tsv")}
    drawn = []
    monkeypatch.setattr(style.plt, "close", drawn.append)
    localisation.draw(entries, outputs)
    (page,) = drawn
    assert page.get_suptitle().startswith("† Explanations of cnn, occlusion in time fail")
    assert [label.get_text() for label in page.axes[0].get_yticklabels()] == ["cnn †"]
    # Of 24 clips of seven speakers there is no interval.
    assert "n = 24, too few" in [text.get_text() for text in page.axes[-1].texts]
    assert pl.read_csv(outputs["tsv"], separator="\t")["controls"].to_list() == ["passes", "fails"]


@pytest.mark.slow
def test_counts_of_clips_stand_where_no_line_runs_through_them(tmp_path, made, monkeypatch):
    """Intervals that end just below zero had their number of clips on the line of zero."""
    blind = {"name": "cnn", "seed": 1, "corpus": "c", "split": "eval", "checks": made["blind"]}
    blind["method"] = "integrated_gradients"
    outputs = {suffix: str(tmp_path / f"f.{suffix}") for suffix in ("pdf", "png", "tsv")}
    drawn = []
    monkeypatch.setattr(style.plt, "close", drawn.append)
    figure.draw([blind], outputs)
    (page,) = drawn
    for axes in page.axes:
        counts = [text for text in axes.texts if text.get_text().startswith("n = ")]
        assert counts
        assert all(text.get_window_extent().x0 >= axes.bbox.x1 for text in counts)
        assert all(text.get_window_extent().x1 <= page.bbox.x1 for text in counts)


@pytest.mark.slow
def test_pages_say_which_attack_they_go_on_with(tmp_path, made, monkeypatch):
    """Detectors at the top of a page stood below no heading, or a page ended with one."""
    row = {
        "method": "integrated_gradients", "axis": "time", "metric": "auc_evidence",
        "value": 0.9, "ci_low": 0.8, "ci_high": 1.0, "chance": 0.5, "chance_low": 0.45,
        "chance_high": 0.55, "n": 24, "clusters": 12, "n_global": 0, "n_without": 0,
    }  # fmt: skip
    drawn = []
    monkeypatch.setattr(localisation, "save", lambda figures, *_: drawn.append(figures))
    monkeypatch.setattr(localisation, "_LINE", 0.8)
    # A page has nine such lines: the last one is of B, or the heading of C.
    for counts in ({"A": 2, "B": 7, "C": 1}, {"A": 2, "B": 4, "C": 3}):
        entries = []
        for i in range(max(counts.values())):
            path = tmp_path / f"{i}.tsv"
            of_attacks = [row | {"attack": name} for name, count in counts.items() if i < count]
            write_table(path, pl.DataFrame(of_attacks))
            of = {"run": f"cnn{i}-1", "detector": f"cnn{i}", "table": str(path)}
            entries.append(of | {"checks": made["good"]})
        localisation.draw(entries, {})
        seen: list[tuple[str, str]] = []
        assert len(drawn[-1]) == 2
        for page in drawn[-1]:
            axes = page.axes[0]
            assert page.get_size_inches()[1] <= style.TALLEST
            headings = {text.get_position()[1]: text.get_text() for text in axes.texts}
            assert max(headings) < max(axes.get_yticks())
            for y, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True):
                attack = headings[max(place for place in headings if place < y)]
                seen.append((attack, label.get_text()))
        assert seen == [
            (f"{name}, in time", f"cnn{i}") for name, count in counts.items() for i in range(count)
        ]
