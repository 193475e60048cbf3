"""Averaged attributions: the right windows, the right Hz, sums that add up."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from noise_and_tones import SAMPLE_RATE, write_corpus
from spoofscope import audio, tables
from spoofscope.attribution.average import (
    SMALLEST_PROBABILITY,
    average,
    bands_table,
    choose_windows,
    explained_function,
    n_windows,
    shares,
    summary_table,
    write_averages,
)
from spoofscope.attribution.mean_store import read_means, write_means
from spoofscope.baselines import bonafide_centroid, window_features
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, DetectorError, TableError
from spoofscope.figures import style
from spoofscope.figures.attribution_mean import draw
from spoofscope.inputs import decoded_windows
from spoofscope.options.attribution import AverageOptions
from spoofscope.windows import InputPolicy

POLICY = InputPolicy(length=2000, tail="drop")
FRONT_ENDS = {
    "wavelet_packets": {"wavelet": "sym5", "level": 5},
    "stft": {"n_fft": 63, "hop": 64},
    "fbank": {"n_fft": 256, "hop": 64, "bands": 31},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("corpus")
    return tables.read_manifest(write_corpus(folder, {"eval": 16}))


def listening_to(frontend: str, band: int | slice) -> Detector:
    """A detector that looks at a single band, or all: logits that are linear in it."""
    config = {"type": frontend, "normalise": "none", **FRONT_ENDS[frontend]}
    detector = Detector(config, {"type": "linear"}, POLICY).eval()
    with torch.no_grad():
        for parameter in detector.backend.parameters():
            parameter.zero_()
        weight = next(p for p in detector.backend.parameters() if p.dim() == 2)
        weight[-1, band] = -0.05
    return detector


# --- which windows -------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", ["align", "drop"])
@pytest.mark.parametrize("hop", [None, 300])
def test_windows_are_counted_as_the_policy_cuts_them(tail, hop):
    policy = InputPolicy(length=1000, hop=hop, tail=tail)
    for n in (10, 999, 1000, 1001, 1300, 1999, 2000, 2001, 5700):
        cut = policy.windows(np.zeros(n, dtype=np.float32))
        assert n_windows(policy, n / policy.sample_rate) == len(cut.starts)
    assert n_windows(InputPolicy(length=1000, long="crop"), 60.0) == 1
    with pytest.raises(ConfigError, match="length: null"):
        n_windows(InputPolicy(length=None), 1.0)


def test_shares_are_as_equal_as_they_can_be():
    assert shares([10, 10, 10], 9) == [3, 3, 3]
    assert shares([1, 10, 10], 9) == [1, 4, 4]
    assert shares([10, 1, 3], 100) == [10, 1, 3]
    assert sum(shares([7, 8, 9], 11)) == 11
    assert shares([], 5) == []


def test_windows_are_drawn_evenly_over_attacks_and_by_the_seed_alone(corpus):
    chosen = choose_windows(corpus, POLICY, 10, 1)
    attack = dict(corpus.select("utt_id", "attack").iter_rows())
    drawn: dict[str, int] = {}
    for utt_id, places in chosen.items():
        assert places == sorted(set(places))
        drawn[attack[utt_id]] = drawn.get(attack[utt_id], 0) + len(places)
    assert drawn == {"-": 10, "A1": 5, "A3": 5}
    assert choose_windows(corpus.reverse(), POLICY, 10, 1) == chosen
    assert choose_windows(corpus, POLICY, 10, 2) != chosen
    # Not the first of each clip.
    assert any(places[0] > 0 for places in chosen.values())
    whole = choose_windows(corpus, POLICY, 10_000, 1)
    spoofs = choose_windows(corpus.filter(pl.col("label") == "spoof"), POLICY, 10, 1)
    assert spoofs == {utt_id: chosen[utt_id] for utt_id in chosen if attack[utt_id] != "-"}
    counts = [n_windows(POLICY, seconds) for seconds in corpus["duration"]]
    assert sum(map(len, whole.values())) == sum(counts)


# --- the mean ------------------------------------------------------------------------------------


@pytest.mark.parametrize("frontend", FRONT_ENDS)
@pytest.mark.parametrize("band", [3, 20])
def test_a_detector_of_one_band_is_found_at_its_frequency(frontend, band, corpus):
    detector = listening_to(frontend, band)
    settings, means = average(
        detector, corpus, AverageOptions(windows_per_class=6, steps=8), seed=1
    )
    table = bands_table(settings, means)
    # Filter k of the bank has its peak at k + 1 of 32 steps.
    hertz = {
        "wavelet_packets": (band + 0.5) * 250,
        "stft": band * SAMPLE_RATE / 63,
        "fbank": (band + 1) * 250,
    }[frontend]
    for mean in means:
        own = table.filter((pl.col("group") == mean.group) & (pl.col("attack") == mean.attack))
        strongest = own.row(int(own["attribution"].abs().arg_max()), named=True)
        assert strongest["low"] <= hertz < strongest["high"]
        assert strongest["band"] == band
        assert own.filter(pl.col("band") != band)["absolute"].max() == 0.0
    assert table["low"].to_list()[0] == 0.0
    assert table["high"].max() == SAMPLE_RATE / 2


@pytest.mark.parametrize("hertz", [700, 3100, 6600])
@pytest.mark.parametrize("frontend", FRONT_ENDS)
def test_a_tone_in_the_spoofs_is_found_at_its_frequency(frontend, hertz, tmp_path):
    rng = np.random.default_rng(hertz)
    time = np.arange(3 * POLICY.length) / SAMPLE_RATE
    rows = []
    for i in range(6):
        x = 0.01 * rng.standard_normal(time.size)
        if i % 2:
            x += 0.1 * np.sin(2 * np.pi * hertz * time)
        audio.write(tmp_path / f"{i}.wav", x, SAMPLE_RATE)
        label, attack = ("spoof", "tone") if i % 2 else ("bonafide", "-")
        rows.append((f"{i}", str(tmp_path / f"{i}.wav"), label, attack, time.size / SAMPLE_RATE))
    clips = pl.DataFrame(rows, ["utt_id", "path", "label", "attack", "duration"], orient="row")
    # It hears all bands alike, and loud ones as spoofed.
    detector = listening_to(frontend, slice(None))
    options = AverageOptions(
        windows_per_class=9, function="score", target="spoof", baseline="centroid", steps=4
    )
    centroid = bonafide_centroid(detector, clips)
    settings, means = average(detector, clips, options, centroid=centroid, seed=1)
    table = bands_table(settings, means).filter(pl.col("group") == "spoof")
    strongest = table.row(int(table["attribution"].arg_max()), named=True)
    assert strongest["low"] <= hertz < strongest["high"]
    assert strongest["attribution"] > 5 * table["attribution"].median()


@pytest.fixture(scope="module")
def trained(corpus) -> Detector:
    """A small CNN with statistics of the corpus and random weights."""
    torch.manual_seed(2)
    detector = Detector(
        {"type": "wavelet_packets", **FRONT_ENDS["wavelet_packets"]},
        {"type": "dcnn", "channels": [4, 4, 6, 6, 4], "dilation": False},
        POLICY,
    )
    frontend = detector.frontend
    windows = [list(w.values) for _, w in decoded_windows(corpus.head(4), POLICY)]
    waveform = torch.from_numpy(np.stack([w for clip in windows for w in clip]))
    lengths = torch.full((len(waveform),), POLICY.length)
    frontend.fit([frontend.raw(waveform, lengths)])
    # A random network is nearly constant; this one is sure of some windows.
    with torch.no_grad():
        for parameter in detector.backend.parameters():
            if parameter.dim() > 1:
                parameter.mul_(1.6)
    return detector


def by_hand(detector: Detector, rows: pl.DataFrame, chosen: dict[str, list[int]]) -> dict:
    """Per attack the attributions (windows, bands, frames) by 200 trapezoids, without captum."""
    function = explained_function(detector, "probability", "bonafide")
    found: dict[str, list[np.ndarray]] = {}
    for (utt_id, windows), attack in zip(
        decoded_windows(rows, POLICY), rows["attack"], strict=True
    ):
        kept = [windows.values[k] for k in chosen.get(utt_id, [])]
        for values in window_features(detector, kept):
            shares_of_path = torch.linspace(0, 1, 201)[:, None, None, None]
            points = (shares_of_path * values).requires_grad_()
            (gradients,) = torch.autograd.grad(function(points).sum(), points)
            mean = (gradients[:-1] + gradients[1:]).sum(0) / 2 / 200
            found.setdefault(attack, []).append((values * mean)[0].T.double().numpy())
    return {attack: np.stack(each) for attack, each in found.items()}


def assert_near(values: np.ndarray, expected: np.ndarray) -> None:
    # The function has kinks: sums over other points of the path differ a little.
    assert np.linalg.norm(values - expected) < 0.03 * np.linalg.norm(expected)


@pytest.mark.slow
def test_means_are_those_of_single_windows_and_complete(trained, corpus, tmp_path):
    options = AverageOptions(windows_per_class=2, steps=50, tolerance=0.01)
    # Dropout and batch statistics would make every pass another; it must not matter.
    trained.train()
    settings, means = average(trained, corpus, options, seed=3)
    expected = by_hand(trained, corpus, choose_windows(corpus, POLICY, 2, 3))
    groups = {
        "bonafide": expected["-"],
        "spoof": np.concatenate([expected["A1"], expected["A3"]]),
        "attack/A1": expected["A1"],
        "attack/A3": expected["A3"],
    }
    groups["both"] = np.concatenate([groups["bonafide"], groups["spoof"]])
    assert [mean.key for mean in means] == ["bonafide", "spoof", "both", "attack/A1", "attack/A3"]
    assert trained.frontend.n_frames(2000) == means[0].attribution.shape[1]
    for mean in means:
        single = groups[mean.key]
        assert mean.n_windows == len(single)
        assert_near(mean.attribution, single.mean(axis=0))
        assert_near(mean.absolute, np.abs(single).mean(axis=0))
        curves = single.sum(axis=2)
        assert_near(mean.frequency, curves.mean(axis=0))
        if len(single) > 1:
            assert_near(mean.frequency_error, curves.std(axis=0, ddof=1) / np.sqrt(len(curves)))
        else:
            assert np.isnan(mean.frequency_error).all()
        # Completeness holds for means as it does for windows.
        total = mean.output - mean.baseline_output + mean.delta
        assert mean.attribution.sum() == pytest.approx(total, abs=1e-6)
        assert mean.frequency.sum() == pytest.approx(total, abs=1e-6)
        assert mean.beyond == 0
        assert abs(mean.delta) < 0.01 * max(1.0, SMALLEST_PROBABILITY)

    paths = [tmp_path / name for name in ("m.safetensors", "bands.tsv", "summary.tsv")]
    write_averages(settings, means, *paths)
    again, read = read_means(paths[0])
    assert again == settings
    for mean, other in zip(means, read, strict=True):
        np.testing.assert_array_equal(mean.attribution, other.attribution)
        assert (mean.key, mean.delta, mean.n_utterances) == (
            other.key,
            other.delta,
            other.n_utterances,
        )
    summary = tables.read_table(paths[2], {"group": pl.String(), "n_windows": pl.Int64()})
    assert summary["n_windows"].to_list() == [2, 2, 4, 1, 1]
    before = [path.read_bytes() for path in paths]
    write_averages(*average(trained, corpus, options, seed=3), *paths)
    assert [path.read_bytes() for path in paths] == before


def test_targets_mirror_each_other_and_a_centroid_is_a_baseline(trained, corpus):
    spoof, bonafide = (
        average(trained, corpus, AverageOptions(windows_per_class=2, target=target), seed=1)[1]
        for target in ("spoof", "bonafide")
    )
    np.testing.assert_allclose(spoof[0].attribution, -bonafide[0].attribution, atol=1e-7)
    frontend = trained.frontend
    centroid = torch.full((frontend.n_channels, frontend.dim), 0.5)
    options = AverageOptions(windows_per_class=2, function="score", baseline="centroid")
    settings, means = average(trained, corpus, options, centroid=centroid, seed=1)
    assert (settings.function, settings.baseline) == ("score", "centroid")
    function = explained_function(trained.eval(), "score", "bonafide")
    baseline = centroid[None, :, None].expand(1, 1, means[0].image.shape[1], frontend.dim)
    assert means[0].baseline_output == pytest.approx(function(baseline).item(), rel=1e-4)


def test_windows_that_stay_incomplete_are_counted(trained, corpus, caplog):
    options = AverageOptions(windows_per_class=3, steps=1, max_steps=1, tolerance=1e-9)
    _, means = average(trained, corpus, options, seed=1)
    table = summary_table(means)
    assert table["beyond_share"].to_list() == [1.0] * len(means)
    assert "6 of 6 windows" in caplog.text


@pytest.mark.slow
def test_windows_that_stay_incomplete_are_marked_in_the_figure(
    trained, corpus, tmp_path, monkeypatch
):
    settings, means = average(trained, corpus, AverageOptions(windows_per_class=3), seed=1)
    frames: list[Any] = []
    monkeypatch.setattr(style.plt, "close", frames.append)
    outputs = {suffix: str(tmp_path / f"f.{suffix}") for suffix in ("pdf", "png", "tsv")}
    for beyond, ends in ((0, ["windows)"] * 3), (2, ["windows)", "windows, 2*)", "windows)"])):
        changed = [replace(m, beyond=beyond if m.group == "spoof" else 0) for m in means]
        write_means(tmp_path / "m.safetensors", settings, changed)
        draw(["d"], [str(tmp_path / "m.safetensors")], [None], outputs)
        drawn = frames.pop()
        titles = [axes.get_title().split("(")[1] for axes in drawn.axes[:3]]
        assert all(title.endswith(end) for title, end in zip(titles, ends, strict=True)), titles
        assert ("not complete" in drawn.subfigs[0].get_suptitle()) == bool(beyond)


def test_what_cannot_be_averaged_is_refused(trained, corpus, tmp_path: Path):
    cepstra = Detector(
        {"type": "lfcc", "n_filters": 10, "n_coefficients": 8}, {"type": "linear"}, POLICY
    )
    with pytest.raises(ConfigError, match="lfcc has no frequency axis"):
        average(cepstra, corpus, AverageOptions(), seed=1)
    with pytest.raises(TableError, match="no utterances"):
        average(trained, corpus.head(0), AverageOptions(), seed=1)
    for values, message in (
        ({"windows": 3}, "windows_per_class"),
        ({"windows_per_class": 0}, "at least 1"),
        ({"function": "logit"}, "'probability', 'score'"),
        ({"baseline": "noise"}, "'zeros', 'centroid'"),
        ({"steps": 9, "max_steps": 8}, "below steps"),
        ({"tolerance": 0.0}, "a number above 0, not 0.0"),
    ):
        with pytest.raises(ConfigError, match=message):
            AverageOptions.from_dict(values)
    (tmp_path / "none.safetensors").write_bytes(b"something else")
    with pytest.raises(DetectorError, match="no mean attributions"):
        read_means(tmp_path / "none.safetensors")
