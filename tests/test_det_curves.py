"""DET curves: what is drawn, and what is said of a curve that cannot be."""

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest

from spoofscope.figures.det_curves import draw
from spoofscope.tables import write_manifest, write_scores

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
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    draw(SCORED, {s: f"d.{s}" for s in ("pdf", "png", "tsv")})
    legend = figures[0].axes[0].get_legend()
    return [legend.get_title().get_text(), *(text.get_text() for text in legend.get_texts())]


def test_a_curve_that_cannot_be_seen_says_why(legend):
    title, usual, perfect, inverted = legend
    assert title == "EER (*: the curve is beyond the axes)"
    assert usual.startswith("usual: ")
    assert usual.endswith(" %")
    assert perfect == "perfect: 0.00 %*"
    assert inverted == "inverted: 100.0 %*"
