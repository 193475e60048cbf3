"""Figures of source tracing: their numbers, and that they stay on a page."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spoofscope.figures import ood_curves, ood_histograms, tracing_confusion
from spoofscope.figures.embedding_map import projected
from spoofscope.figures.style import COLUMN, PAGE, TALLEST
from spoofscope.figures.traced import counted_names, short_names
from spoofscope.figures.tracing_confusion import answer_counts
from spoofscope.tracing.traces import read_traces
from traced_clips import write_traced

CLASSES = ("bonafide", "A", "B", *(f"tts_models--multilingual--long-{i}--vits" for i in range(24)))
CLIPS = dict.fromkeys(CLASSES, 4) | {f"suno--unknown--system {i}": 3 for i in range(43)}


@pytest.fixture(scope="module")
def traced(tmp_path_factory) -> list[dict]:
    folder: Path = tmp_path_factory.mktemp("traced")
    large = [
        write_traced(folder, name, CLASSES, CLIPS, strength=6, seed=seed, resamples=0)
        for seed, name in enumerate(("wavlm_mhfa", "lfcc_nearest"), start=1)
    ]
    # Tracers need not have the same detectors of unknown attacks.
    own = {"energy": {"type": "energy"}, "margin": {"type": "margin"}}
    small = write_traced(folder, "few", ("A", "B"), {"A": 5, "B": 4}, ood=own, resamples=0)
    alien = write_traced(folder, "alien", ("A", "B"), {"X": 5, "Y": 4}, resamples=0)
    alone = [{**small, "corpus": "known alone"}, {**alien, "corpus": "unknown alone"}]
    # The first table decides the types of others.
    return [alone[1], *large, alone[0]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("tracing_confusion", "ood_histograms", "ood_curves", "embedding_map"),
        *("tracing_attacks", "tracing_slices"),
    ],
)
def test_a_figure_fits_on_a_page(traced, name, tmp_path):
    outputs = {suffix: str(tmp_path / f"{name}.{suffix}") for suffix in ("pdf", "png", "tsv")}
    import_module(f"spoofscope.figures.{name}").draw(traced=traced, outputs=outputs)
    boxes = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", Path(outputs["pdf"]).read_bytes())
    assert boxes
    for width, height in boxes:
        assert round(float(width) / 72, 3) in (COLUMN, PAGE)
        assert float(height) / 72 <= TALLEST + 0.001
    assert pl.read_csv(outputs["tsv"], separator="\t").height


def test_bona_fide_speech_is_no_known_attack(tmp_path, monkeypatch):
    clips = {"bonafide": 9, "A": 5, "X": 4}
    entry = write_traced(tmp_path, "t", ("bonafide", "A"), clips, resamples=0)
    drawn = []
    monkeypatch.setattr(ood_histograms, "save", lambda figures, *_: drawn.extend(figures))
    ood_histograms.draw([entry], {})
    (axes,) = drawn[0].axes
    assert " of 14\n" in axes.get_title()
    assert axes.get_legend_handles_labels()[1] == ["known clips", "unknown clips", "threshold"]


def test_a_legend_promises_no_interval_that_is_not_there(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(ood_curves, "save", lambda figures, *_: drawn.extend(figures))
    clips = {"A": 9, "B": 8, "X": 9, "Y": 8}
    for resamples, expected in ((200, "AUROC [95 % interval]"), (0, "AUROC")):
        entry = write_traced(tmp_path, f"t{resamples}", ("A", "B"), clips, resamples=resamples)
        ood_curves.draw([entry], {})
        assert drawn[-1].axes[0].get_legend().get_title().get_text() == expected


def test_the_chosen_threshold_is_seen_on_its_curve_and_named(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(ood_curves, "save", lambda figures, *_: drawn.extend(figures))
    entry = write_traced(tmp_path, "t", ("A", "B"), {"A": 9, "B": 8, "X": 9}, resamples=0)
    ood_curves.draw([entry], {})
    (axes,) = drawn[0].axes
    (dot,) = (line for line in axes.lines if line.get_label() == "threshold of dev")
    (curve,) = (line for line in axes.lines if line.get_linewidth() == 2.0)
    assert dot.get_color() == curve.get_color() != dot.get_markeredgecolor()
    assert dot.get_markersize() > 2 * curve.get_linewidth()
    assert dot.get_zorder() > curve.get_zorder()
    (x,), (y,) = dot.get_data()
    assert any(abs(x - a) + abs(y - b) < 1e-9 for a, b in zip(*curve.get_data(), strict=True))


@pytest.mark.parametrize("figure", [ood_curves, ood_histograms])
def test_a_sign_that_dev_could_not_check_is_said(figure, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figure, "save", lambda figures, *_: drawn.extend(figures))
    clips = {"A": 9, "B": 8, "X": 9, "Y": 8}
    for dev_unknown in (True, False):
        entry = write_traced(
            tmp_path, f"t{dev_unknown}", ("A", "B"), clips, resamples=0, dev_unknown=dev_unknown
        )
        figure.draw([entry], {})
        words = "polarity not checked:\ndev has no unknown attack"
        assert (words in drawn[-1].axes[0].get_title()) is not dev_unknown


@pytest.mark.slow
@pytest.mark.parametrize("panels", [1, 3])
@pytest.mark.parametrize("figure", [ood_curves, ood_histograms])
def test_words_of_a_panel_stay_on_the_page(figure, panels, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figure, "save", lambda figures, *_: drawn.extend(figures))
    clips = {"A": 9, "B": 8, "X": 9, "Y": 8}
    ood = {name: {"type": name} for name in ("energy", "mahalanobis", "max_logit", "relation")}
    entry = write_traced(tmp_path, "t", ("A", "B"), clips, ood=ood, dev_unknown=False)
    figure.draw([entry] * panels, {})
    (page,) = drawn
    page.canvas.draw()
    for axes in page.axes:
        words = [axes.title, axes.xaxis.label, axes.yaxis.label]
        words += axes.get_legend().get_texts() if axes.get_legend() else []
        for box in (each.get_window_extent() for each in words):
            assert box.x0 >= 0
            assert box.x1 <= page.bbox.width


@pytest.mark.slow
def test_a_long_legend_lies_beside_its_panel_and_not_on_its_words(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(ood_curves, "save", lambda figures, *_: drawn.extend(figures))
    types = ("msp", "max_logit", "nsd", "nsd_per_class", "knn", "mahalanobis", "ssd", "kl", "vim")
    inverted = {name: {"type": name, "as_published": True} for name in types}
    inverted["knn"]["k"] = 3
    ood = {"energy": {"type": "energy"}, **inverted}
    clips = {"A": 9, "B": 8, "X": 9, "Y": 8}
    entries = [write_traced(tmp_path, name, ("A", "B", "C"), clips, ood=ood) for name in "st"]
    ood_curves.draw(entries, {})
    (figure,) = drawn
    figure.canvas.draw()
    for axes in figure.axes:
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert sum("other sign" in label for label in labels) >= 8
        legend = axes.get_legend().get_window_extent()
        for words in (axes.title, axes.xaxis.label):
            assert not words.get_window_extent().overlaps(legend), words.get_text()
        assert 0 <= legend.y0 <= legend.y1 <= figure.bbox.y1


def test_a_line_is_above_unknown_attacks_that_stand_alone(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(tracing_confusion, "save", lambda figure, *_: drawn.append(figure))
    for name, clips, expected in (
        ("both", {"A": 5, "X": 4}, [1.15]),
        ("alien", {"X": 5, "Y": 4}, [0.15]),
        ("known", {"A": 5, "B": 4}, []),
    ):
        tracing_confusion.draw([write_traced(tmp_path, name, ("A", "B"), clips, resamples=0)], {})
        lines = drawn[-1].axes[0].lines
        assert [line.get_ydata()[0] for line in lines] == pytest.approx(expected)


def test_counts_of_answers_are_all_clips(traced):
    clips = read_traces(traced[1]["traces"])
    attacks = list(dict.fromkeys(clips["attack"]))
    counts = answer_counts(clips, attacks, [*CLASSES, "unknown"])
    assert counts.sum(axis=1).tolist() == [CLIPS[attack] for attack in attacks]
    assert counts[:, -1].sum() == (clips["answer"] == "unknown").sum()


def test_a_map_keeps_what_varies_most():
    rng = np.random.default_rng(1)
    plane = rng.normal(size=(50, 2)) * [5, 2]
    points, shares = projected(np.pad(plane, ((0, 0), (0, 4))).astype(np.float32))
    centred = plane - plane.mean(axis=0)
    # Distances stay; the axes may turn.
    np.testing.assert_allclose(
        np.linalg.norm(points, axis=1), np.linalg.norm(centred, axis=1), atol=1e-5
    )
    assert sum(shares) == pytest.approx(1)
    alike, none = projected(np.ones((4, 3), dtype=np.float32))
    assert not alike.any()
    assert none == [0, 0]


def test_names_that_are_cut_alike_stay_different():
    names = [f"{'x' * 20}{i}{'y' * 20}" for i in range(3)]
    assert len({*short_names(names)}) == 3
    counted = counted_names(names, dict.fromkeys(names, 33791))
    assert all(name.endswith(" (33791)") for name in counted)
    assert counted_names(["quantised_envelope"], {"quantised_envelope": 20}) == [
        "quantised_envelope (20)"
    ]
