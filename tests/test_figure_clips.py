"""Evidence upon a clip: at its time and at its frequency, and agreement of detectors."""

import numpy as np
import polars as pl
import pytest
from matplotlib.collections import QuadMesh

from explanations import explanation
from spoofscope.figures import clips
from spoofscope.figures.attribution_examples import agreement
from spoofscope.figures.clips import draw_spectrogram, evidence_curve
from spoofscope.figures.style import new_figure


def test_evidence_in_a_band_is_drawn_at_its_frequencies():
    # Filters of a mel scale are narrow below and wide above; a tenth of them is no tenth of 8 kHz.
    edges = [0, 100, 250, 500, 900, 1500, 2300, 3500, 5200, 8000]
    values = np.zeros((9, 20))
    values[4] = -1.0
    axes = new_figure(3.5, 2).add_subplot()
    samples = np.random.default_rng(0).standard_normal(3200).astype(np.float32)
    draw_spectrogram(axes, samples, 16000, explanation(values, edges))
    (mesh,) = (artist for artist in axes.collections if isinstance(artist, QuadMesh))
    heights = mesh.get_coordinates()[:, 0, 1]
    assert heights.tolist() == pytest.approx([edge / 1000 for edge in edges])
    opacity = np.asarray(mesh.get_array())[..., 3]
    # Smoothed over five bands.
    assert opacity[2:7] == pytest.approx(1.0)
    assert (opacity[[0, 1, 7, 8]] == 0).all()


def test_detectors_agree_by_the_ranks_of_their_evidence():
    rising, falling = np.arange(20.0), -np.arange(20.0)
    assert agreement([explanation(rising)]) is None
    assert agreement([explanation(rising), explanation(rising**2)]) == pytest.approx(1.0)
    assert agreement([explanation(rising), explanation(falling)]) == pytest.approx(-1.0)
    assert agreement(
        [explanation(rising), explanation(falling), explanation(rising)]
    ) == pytest.approx(-1 / 3)
    # Of another frame rate: compared at the same times.
    assert agreement(
        [explanation(rising), explanation(2 * rising[:10], hop=0.02)]
    ) == pytest.approx(1)
    assert agreement([explanation(rising), explanation(np.ones(20))]) is None


def test_the_curve_of_evidence_is_of_spoof_and_ends_at_one():
    curve = evidence_curve(explanation([1.0, -2.0, 0.5]))
    assert curve == pytest.approx([-0.5, 1.0, -0.25])


def test_an_explanation_that_is_not_complete_has_a_star_and_a_key():
    whole, part = explanation([1.0], score=-1.25), explanation([1.0], score=2.0, converged=False)
    assert [clips.score_of(item) for item in (whole, part)] == ["−1.2", "+2.0*"]
    assert clips.score_of(explanation([1.0], score=-0.04)) == "+0.0"
    assert clips.completeness_keys([whole]) == []
    (key,) = clips.completeness_keys(iter([whole, part]))
    assert key.get_label() == "*: the explanation is not complete"


def test_keys_name_the_segments_that_clips_have():
    known = pl.DataFrame({"utt_id": ["a"], "tier": ["artefact"]})
    tiers = pl.DataFrame({"utt_id": ["a", "b", "b"], "tier": ["silence", "silence", "phone"]})
    told = {
        clip: [key.get_label() for key in clips.tier_keys(known, tiers, [clip])] for clip in "abc"
    }
    assert told == {
        "a": ["known artefact", "silence"],
        "b": ["silence", "edge of a phone or word"],
        "c": [],
    }
    assert clips.tier_keys(known, None, ["b"]) == []
