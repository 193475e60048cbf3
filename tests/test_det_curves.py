"""DET curves: what is drawn, and what is said of a curve that cannot be."""

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest

from spoofscope.figures import det_curves, rates_by_threshold, score_histograms
from spoofscope.figures.det_curves import draw
from spoofscope.files import write_json
from spoofscope.study import MOST_SHOWN
from spoofscope.summaries.inputs import METRIC_COLUMNS
from spoofscope.tables import write_manifest, write_scores, write_table

SCORED = [
    {
        **{"id": f"{name}-1", "seed": 1, "name": name, "kind": "detector"},
        **{"corpus": "c", "split": "eval", "scores": f"{name}.tsv", "manifest": "c.tsv"},
    }
    for name in ("usual", "perfect", "inverted")
]


@pytest.fixture
def legend(tmp_path, monkeypatch) -> list[str]:
    """The texts of a legend of a usual, a perfect and an inverted detector."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    bonafide = np.arange(80) % 2 == 0
    trials = pl.DataFrame(
        {
            "utt_id": [f"u{i}" for i in range(80)],
            "path": "x.wav",
            "split": "eval",
            "label": np.where(bonafide, "bonafide", "spoof"),
            "attack": np.where(bonafide, "-", "A"),
            "speaker": "-",
            "duration": 1.0,
            "sample_rate": 16000,
        }
    )
    write_manifest("c.tsv", trials)
    signs = np.where(bonafide, 1.0, -1.0)
    for name, values in (
        ("usual", signs + rng.normal(0, 1, 80)),
        ("perfect", signs),
        ("inverted", -signs),
    ):
        scores = trials.select("utt_id", score=pl.Series(values))
        write_scores(f"{name}.tsv", scores)
    metrics = [
        (entry["id"], 1, "c", "eval", "pooled", "pooled", "eer", rate, low, 0.2, 40, 40)
        for entry, rate, low in zip(SCORED, (0.15, 0.0, 1.0), (0.1, 0.0, None), strict=True)
    ]
    write_table("m.tsv", pl.DataFrame(metrics, schema=METRIC_COLUMNS, orient="row"))
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    draw(SCORED, ["m.tsv"], {s: f"d.{s}" for s in ("pdf", "png", "tsv")})
    (legend,) = figures[0].subfigs[0].legends
    stars = [line for line in figures[0].axes[0].lines if line.get_marker() == "*"]
    # A curve without errors has its star below at the left, one of errors above at the right.
    assert [line.get_xdata()[0] < 0.5 for line in stars] == [True, False]
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


def test_a_curve_that_cannot_be_seen_has_a_star(legend):
    assert legend == [
        "EER [95 % interval]",
        "usual: 15.0 % [10.0, 20.0]",
        "perfect: 0.00 % [0.00, 20.0]",
        "inverted: 100.0 %",
    ]


def test_histograms_name_the_intervals_of_the_curves(legend, monkeypatch):
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    scored = [{**entry, "detector": None} for entry in SCORED]
    score_histograms.draw(scored, ["m.tsv"], {s: f"h.{s}" for s in ("pdf", "png", "tsv")})
    (figure,) = figures
    titles = [axes.get_title() for axes in figure.axes if axes.axison]
    assert titles == [
        "usual\nEER 15.0 % [10.0, 20.0]",
        "perfect\nEER 0.00 % [0.00, 20.0]",
        "inverted\nEER 100.0 %",
    ]
    key = [text.get_text() for text in figure.legends[0].get_texts()]
    # Thresholds of scores that came from elsewhere are not known, and no key speaks of them.
    assert key == ["bona fide", "spoof", "→ higher score: more bona fide", "[95 % interval]"]


def test_a_key_names_the_threshold_of_dev_where_one_is_drawn(legend, monkeypatch):
    write_json("usual.json", {"threshold": 0.0})
    for figure, metrics in ((score_histograms, [["m.tsv"]]), (rates_by_threshold, [])):
        for detector in (None, "usual.json"):
            figures = []
            monkeypatch.setattr(plt, "close", figures.append)
            scored = [{**SCORED[0], "detector": detector}]
            figure.draw(scored, *metrics, {s: f"h.{s}" for s in ("pdf", "png", "tsv")})
            key = [text.get_text() for text in figures[0].legends[0].get_texts()]
            assert ("threshold, chosen on dev" in key) == (detector is not None)


@pytest.mark.slow
def test_the_legend_of_many_systems_fits_on_the_page(legend, monkeypatch):
    """Of more than can look different, the rest is drawn in grey and counted."""
    entry, metrics = SCORED[0], []
    many = [{**entry, "id": f"s{i}-1", "name": f"the_network_number_{i:03d}"} for i in range(120)]
    for each in many:
        metrics.append((each["id"], 1, "c", "eval", "pooled", "pooled", "eer", 0.1, 0, 0.2, 40, 40))
    write_table("m.tsv", pl.DataFrame(metrics, schema=METRIC_COLUMNS, orient="row"))
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    for n, named in ((25, 25), (48, 48), (120, 50)):
        draw(many[:n], ["m.tsv"], {s: f"d.{s}" for s in ("pdf", "png", "tsv")})
        (below,) = figures[-1].subfigs[0].legends
        assert len(below.get_texts()) == named
        edges = below.get_window_extent().transformed(figures[-1].transFigure.inverted())
        assert min(edges.x0, edges.y0) >= 0
        assert edges.x1 <= 1
        looks = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in below.get_lines()}
        assert len(looks) == named
        drawn = [line.get_color() for line in figures[-1].axes[0].lines[:-1]]
        assert drawn.count("#bbbbbb") == n - named
    assert below.get_title().get_text() == "EER [95 % interval]; grey: 70 more systems"


@pytest.mark.slow
def test_stars_of_many_systems_lie_in_the_panel_and_look_different(legend, monkeypatch):
    many = [{**SCORED[1], "id": f"s{i}-1", "name": f"s{i:02}"} for i in range(MOST_SHOWN)]
    metrics = [
        (each["id"], 1, "c", "eval", "pooled", "pooled", "eer", 0.0, 0.0, 0.2, 40, 40)
        for each in many
    ]
    write_table("m.tsv", pl.DataFrame(metrics, schema=METRIC_COLUMNS, orient="row"))
    figures = []
    monkeypatch.setattr(det_curves, "save", lambda sheets, *_: figures.extend(sheets))
    draw(many, ["m.tsv"], {})
    stars = [line for line in figures[0].axes[0].lines if line.get_linestyle() == "None"]
    places = {(line.get_xdata()[0], line.get_ydata()[0]) for line in stars}
    assert len(places) == len({(s.get_color(), s.get_marker()) for s in stars}) == len(many)
    assert all(0 < x < 1 and 0 < y < 0.2 for x, y in places)
    for figure in figures:
        plt.close(figure)
