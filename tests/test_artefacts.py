"""Signal measures on signals of known properties; rank statistics against SciPy."""

from itertools import permutations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.stats
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

from spoofscope import audio
from spoofscope.artefacts.correlations import (
    FrameSeries,
    frame_correlations,
    score_correlations,
    separation,
)
from spoofscope.artefacts.measures import (
    FRAME_MEASURES,
    MEASURES,
    frame_measures,
    measure,
    measure_utterances,
    read_measures,
    write_measures,
)
from spoofscope.artefacts.published import PUBLISHED, measure_as_published, published_eer
from spoofscope.artefacts.room import hum, reverberation
from spoofscope.corpora import cues
from spoofscope.errors import AudioError, SpoofscopeError, TableError
from spoofscope.metrics.correlation import (
    ENOUGH,
    circular_correlations,
    holm,
    mean_interval,
    permutation_spearman,
    spearman,
    spearman_interval,
    two_sided_p,
)
from spoofscope.metrics.flips import flipped_spearman
from spoofscope.metrics.rates import eer

RATE = 16000

tied = st.lists(st.integers(-3, 3), min_size=2, max_size=40)


# --- rank statistics ---------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=40))
def test_spearman_is_scipys_and_none_for_constants(pairs):
    x, y = np.array(pairs, dtype=float).T
    got = spearman(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert got is None
    else:
        assert got == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(3, 25))
def test_circular_correlations_are_those_of_every_roll(seed, n):
    rng = np.random.default_rng(seed)
    x, y = np.round(rng.standard_normal((2, n)), 1)
    got = circular_correlations(x, y)
    if got is None:
        assert spearman(x, y) is None
    else:
        slow = [scipy.stats.spearmanr(x, np.roll(y, shift)).statistic for shift in range(n)]
        assert got == pytest.approx(np.array(slow), abs=1e-9)


def test_the_permutation_p_is_that_of_all_permutations():
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    y = np.array([2.0, 1.0, 4.0, 3.0, 6.0, 5.0])
    observed = scipy.stats.spearmanr(x, y).statistic
    every = [scipy.stats.spearmanr(x, order).statistic for order in permutations(y)]
    exact = np.mean(np.abs(every) >= observed - 1e-9)
    ((rho, p),) = permutation_spearman(x[:, None], y, 20000, np.random.default_rng(0))
    assert rho == pytest.approx(observed)
    assert p == pytest.approx(exact, abs=4 * np.sqrt(exact / 20000))


def test_a_permutation_test_ends_when_enough_were_as_far():
    """Column by column it is the plain loop, ended after the fiftieth."""
    rng = np.random.default_rng(16)
    target = rng.standard_normal(30)
    columns = np.stack([rng.standard_normal(30), rng.standard_normal(30) + target], axis=1)
    got = permutation_spearman(columns, target, 800, np.random.default_rng(2))
    again, ranks = np.random.default_rng(2), scipy.stats.rankdata(target)
    observed = [scipy.stats.spearmanr(column, target).statistic for column in columns.T]
    far = np.zeros((800, 2), dtype=bool)
    for i in range(800):
        again.shuffle(ranks)
        null = [np.corrcoef(scipy.stats.rankdata(column), ranks)[0, 1] for column in columns.T]
        far[i] = np.abs(null) >= np.abs(observed) - 1e-9
    fiftieth = int(np.flatnonzero(far[:, 0])[ENOUGH - 1]) + 1
    assert far[:, 1].sum() < ENOUGH < fiftieth < 800
    assert got[0] == (pytest.approx(observed[0]), pytest.approx(ENOUGH / fiftieth))
    assert got[1] == (pytest.approx(observed[1]), pytest.approx((1 + far[:, 1].sum()) / 801))


def test_p_values_of_no_correlation_are_not_too_small():
    rng = np.random.default_rng(17)
    columns = rng.standard_normal((12, 2000))
    p = [found[1] for found in permutation_spearman(columns, rng.standard_normal(12), 400, rng)]
    for level in (0.01, 0.05, 0.2):
        share = np.mean(np.array(p) <= level)
        assert share <= level + 3 * np.sqrt(level / 2000)


def test_strata_hide_what_differs_between_them():
    rng = np.random.default_rng(18)
    strata = np.repeat(["clean", "mp3", "opus"], [30, 50, 20])
    of_stratum = np.repeat([0.0, 3.0, -2.0], [30, 50, 20])
    x, y = rng.standard_normal((2, 100)) + of_stratum
    planted = x + y
    got = permutation_spearman(
        np.stack([x, planted], axis=1), y, 2000, np.random.default_rng(1), strata
    )
    # By its definition: ranks within strata, on one scale, without their means.
    a, b = (
        np.concatenate(
            [
                (ranks := scipy.stats.rankdata(each[strata == s]) / (1 + sum(strata == s)))
                - ranks.mean()
                for s in ("clean", "mp3", "opus")
            ]
        )
        for each in (x, y)
    )
    assert spearman(x, y) > 0.4
    assert spearman(x, y, strata) == pytest.approx(np.corrcoef(a, b)[0, 1]) == got[0][0]
    assert got[0][1] > 0.05
    assert got[1][0] > 0.5
    assert got[1][1] == pytest.approx(1 / 2001)
    clusters = np.arange(100)
    rho, p = flipped_spearman(x, y, clusters, strata)
    assert (rho, p > 0.05) == (pytest.approx(got[0][0]), True)
    assert flipped_spearman(planted, y, clusters, strata)[1] < 1e-6
    low, high = spearman_interval(planted, y, 200, rng, None, strata)
    z = 1.959964 * np.sqrt((1 + got[1][0] ** 2 / 2) / (100 - 2 - 3))
    assert (low, high) == (
        pytest.approx(np.tanh(np.arctanh(got[1][0]) - z)),
        pytest.approx(np.tanh(np.arctanh(got[1][0]) + z)),
    )
    # Every clip a stratum of its own: nothing is left.
    assert spearman(x, y, np.arange(100)) is None


def test_the_shift_test_is_not_fooled_by_slow_series():
    # Two independent random walks: the usual p calls most of them significant.
    rng = np.random.default_rng(1)
    shifted, usual = [], []
    for _ in range(200):
        x, y = lfilter([1], [1, -0.95], rng.standard_normal((2, 200)))
        null = circular_correlations(x, y)
        assert null is not None
        shifted.append(two_sided_p(null[0], null[1:]))
        usual.append(scipy.stats.spearmanr(x, y).pvalue)
    assert np.mean(np.array(usual) < 0.05) > 0.4
    assert np.mean(np.array(shifted) < 0.05) < 0.12


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_corrections(p):
    strict = holm(p)
    # By its definition: reject in order of p until the first one that fails alpha / (m - i).
    for alpha in (0.01, 0.05, 0.3):
        rejected = set()
        for i, k in enumerate(np.argsort(p, kind="stable")):
            if p[k] * (len(p) - i) > alpha:
                break
            rejected.add(int(k))
        assert {k for k in range(len(p)) if strict[k] <= alpha} == rejected


def test_p_values_outside_the_unit_interval_are_refused():
    with pytest.raises(SpoofscopeError, match="p values"):
        holm([0.5, np.nan])


def test_the_interval_of_a_mean_covers_it():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        low, high = mean_interval(rng.exponential(size=40), 500, rng)
        covered += low <= 1.0 <= high
    assert covered == pytest.approx(190, abs=17)
    # Eight speakers with three clips each, which percentiles alone cover in 88 %.
    covered = 0
    for _ in range(400):
        values = rng.normal(size=(8, 1)) + rng.normal(size=(8, 3))
        interval = mean_interval(values.ravel(), 200, rng, np.repeat(np.arange(8), 3))
        covered += interval.low <= 0.0 <= interval.high
        assert values.min() <= interval.low < interval.high <= values.max()
    assert covered == pytest.approx(376, abs=12)


# --- measures ----------------------------------------------------------------------------------


def voice(f0: np.ndarray, seed: int = 0) -> np.ndarray:
    """Harmonics of a varying pitch (Hz, per sample), -6 dB per octave, and some noise."""
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    harmonics = range(1, int(4000 / f0.max()) + 1)
    x = sum(np.cos(k * phase) / k for k in harmonics)
    x = 0.1 * x / np.std(x) + 1e-3 * np.random.default_rng(seed).standard_normal(f0.size)
    return x.astype(np.float32)


def test_every_cue_is_there_and_the_names_hold():
    x = voice(np.full(RATE, 120.0))
    got = measure(x, RATE)
    assert tuple(got) == MEASURES
    assert {name: got[name] for name in cues.CUES} == cues.measure(x, RATE)
    assert tuple(frame_measures(x, RATE, np.array([0.1, 0.2]))) == FRAME_MEASURES


@pytest.mark.parametrize("f0", [80.0, 120.0, 210.0, 330.0])
def test_pitch_of_a_constant_and_of_a_gliding_voice(f0):
    constant = measure(voice(np.full(RATE, f0)), RATE)
    assert constant["f0_median"] == pytest.approx(f0, rel=0.01)
    assert constant["f0_variation"] < 0.15
    assert constant["voiced_share"] > 0.95
    octaves = np.linspace(-0.1, 0.1, RATE)
    gliding = measure(voice(f0 * 2**octaves), RATE)
    # The middle 68 % of a uniform spread of 2.4 semitones.
    assert gliding["f0_variation"] == pytest.approx(0.68 * 2.4 / 2, rel=0.1)


def test_jitter_grows_with_the_wobble_of_the_pitch():
    rng = np.random.default_rng(3)
    wobble = np.repeat(rng.standard_normal(100), RATE // 100)
    calm, rough = (
        measure(voice(150.0 * (1 + depth * wobble)), RATE)["jitter"] for depth in (0.002, 0.03)
    )
    assert calm < 0.01 < rough


def test_hum_stands_out_as_far_as_its_power():
    rng = np.random.default_rng(11)
    time = np.arange(40 * RATE) / RATE
    noise = 0.01 * rng.standard_normal(time.size)
    assert abs(hum(noise.astype(np.float32), RATE)) < 1
    for mains in (50, 60):
        tone = sum(0.002 * np.sin(2 * np.pi * k * mains * time) for k in (1, 2, 3, 4))
        # A Hann window of n samples lifts a tone of amplitude a over white noise of variance v by
        # n a^2 / (6 v); the quartile of exponentially distributed power is -log(0.75) of its mean.
        expected = 10 * np.log10(8000 * 0.002**2 / (6 * 0.01**2) / -np.log(0.75))
        assert hum((noise + tone).astype(np.float32), RATE) == pytest.approx(expected, abs=1.5)
    # Tones beside the mains are none, and a short clip says nothing.
    beside = 0.01 * np.sin(2 * np.pi * 75 * time)
    assert abs(hum((noise + beside).astype(np.float32), RATE)) < 1
    assert hum(noise[:7999].astype(np.float32), RATE) is None


@pytest.mark.parametrize("seconds", [0.2, 0.4, 0.8])
def test_reverberation_is_the_decay_that_was_convolved(seconds):
    rng = np.random.default_rng(12)
    # Bursts of noise, each followed by a pause; alone they end within a frame.
    dry = rng.standard_normal((8, RATE // 2))
    dry[:, 2400:] = 0
    dry = dry.ravel()
    time = np.arange(int(1.2 * seconds * RATE)) / RATE
    room = rng.standard_normal(time.size) * 10 ** (-3 * time / seconds)
    wet = fftconvolve(dry, room)[: dry.size]
    assert measure(dry.astype(np.float32) / 10, RATE)["reverberation"] < 0.05
    got = measure((wet / np.abs(wet).max()).astype(np.float32), RATE)["reverberation"]
    assert got == pytest.approx(seconds, rel=0.1)


def test_a_level_that_never_falls_has_no_decay():
    noise = (0.1 * np.random.default_rng(4).standard_normal(RATE)).astype(np.float32)
    assert measure(noise, RATE)["reverberation"] is None


def test_a_drop_at_once_that_comes_back_is_no_decay():
    # The fitted line goes up: 15 dB below the maximum are reached, but not by a decay.
    drop = np.array([0.0, -14.9, -14.9, -14.9, -13.0, -13.0, -15.0, -14.0])
    assert reverberation(drop, 0.01) is None
    level = np.array([0.0, -14.0, -13.0, -13.0, -14.0, -15.5, -16.0])
    assert reverberation(level, 0.01) > 0


def test_the_measures_as_published():
    rng = np.random.default_rng(13)
    x = np.zeros(2 * RATE, dtype=np.float32)
    # The detector of speech hears none in a voice of constant pitch.
    x[RATE // 2 : 3 * RATE // 2] = voice(
        120 * 2 ** (np.sin(6 * np.pi * np.arange(RATE) / RATE) / 2)
    )
    x += (1e-5 * rng.standard_normal(x.size)).astype(np.float32)
    got = measure_as_published(x, RATE)
    assert tuple(got) == PUBLISHED
    # Frame i of the RMS is around sample 480 i.
    padded = np.pad(x.astype(float), 240)
    rms = [np.sqrt(np.mean(padded[i : i + 480] ** 2)) for i in range(0, x.size + 1, 480)]
    assert got["published_rmse_mean"] == pytest.approx(np.mean(rms))
    assert got["published_rmse_amplitude"] == pytest.approx(max(rms) - min(rms))
    assert got["published_rms_first_100ms"] == pytest.approx(np.mean(rms[:3]))
    lead, trail = got["published_leading_silence_s"], got["published_trailing_silence_s"]
    assert (lead, trail) == (pytest.approx(0.5, abs=0.15), pytest.approx(0.5, abs=0.3))
    assert got["published_speech_length_s"] == pytest.approx(2 - lead - trail)
    frames = [i for i in range(66) if lead <= 0.03 * i and 0.03 * (i + 1) <= 2 - trail]
    loud = sum(rms[i] > 0.05 for i in frames)
    assert got["published_voiced_frames"] == loud
    assert got["published_unvoiced_frames"] == len(frames) - loud
    # A quieter copy has no "voiced" frame; by periodicity it has as many as before.
    assert measure_as_published(0.1 * x, RATE)["published_voiced_frames"] == 0
    assert measure(0.1 * x, RATE)["voiced_share"] == measure(x, RATE)["voiced_share"]
    silence = measure_as_published(np.zeros(RATE, dtype=np.float32), RATE)
    assert silence["published_leading_silence_s"] == silence["published_trailing_silence_s"] == 1
    assert silence["published_speech_length_s"] == 0


def test_the_published_eer_takes_ties_for_errors():
    rng = np.random.default_rng(14)
    assert published_eer(np.zeros(48), np.zeros(84)) == 1.0
    assert eer(np.zeros(48), np.zeros(84)).value == 0.5
    mostly = [np.where(rng.random(n) < 0.8, 0.0, rng.random(n)) for n in (4800, 8400)]
    assert published_eer(*mostly) == pytest.approx(0.8, abs=0.03)
    assert eer(*mostly).value == pytest.approx(0.5, abs=0.02)
    # Without ties both are the same.
    apart = rng.standard_normal(400) + 1, rng.standard_normal(300)
    assert published_eer(*apart) == pytest.approx(eer(*apart).value, abs=0.005)


def test_noise_has_no_pitch():
    noise = (0.1 * np.random.default_rng(4).standard_normal(RATE)).astype(np.float32)
    got = measure(noise, RATE)
    assert got["voiced_share"] < 0.02
    # White noise: half of the power above a quarter of the rate, mean frequency there, too.
    assert got["high_band"] == pytest.approx(-3.0, abs=0.2)
    assert got["centroid"] == pytest.approx(4000, rel=0.02)
    # The log of exponentially distributed power has the mean -Euler's gamma: -2.5 dB.
    assert got["flatness"] == pytest.approx(-10 * np.euler_gamma / np.log(10), abs=0.15)


def test_level_and_noise_floor():
    rng = np.random.default_rng(5)
    loud = 0.1 * rng.standard_normal(RATE)
    loud[RATE // 2 :] *= 0.01
    got = measure(loud.astype(np.float32), RATE)
    assert got["snr"] == pytest.approx(40, abs=2.5)
    # Frames overlap, so the step of 40 dB takes three of them.
    assert 20 < got["largest_step"] < 40
    times = np.array([0.25, 0.75])
    energy = frame_measures(loud.astype(np.float32), RATE, times)["energy"]
    assert energy == pytest.approx([-20, -60], abs=2)


def test_spectral_spikes_and_clicks_are_found():
    rng = np.random.default_rng(6)
    clean = 0.05 * rng.standard_normal(2 * RATE)
    spike = clean + 0.02 * np.sin(2 * np.pi * 3000 * np.arange(clean.size) / RATE)
    assert measure(clean.astype(np.float32), RATE)["spikiness"] < 3
    assert measure(spike.astype(np.float32), RATE)["spikiness"] > 10
    smooth = sosfilt(butter(4, 1000, output="sos", fs=RATE), clean)
    clicks = smooth.copy()
    clicks[[5000, 12000, 20000, 28000]] += 0.3
    assert measure(smooth.astype(np.float32), RATE)["click_rate"] == 0
    assert measure(clicks.astype(np.float32), RATE)["click_rate"] == pytest.approx(4 / 2)


def test_frame_measures_follow_the_signal_and_the_given_grid():
    time = np.arange(2 * RATE) / RATE
    low_then_high = np.where(
        time < 1, np.sin(2 * np.pi * 200 * time), np.sin(2 * np.pi * 5000 * time)
    )
    times = 0.0125 + 0.02 * np.arange(99)
    got = frame_measures((0.1 * low_then_high).astype(np.float32), RATE, times)
    assert all(values.shape == (99,) for values in got.values())
    away = np.abs(times - 1) > 0.05
    away[[0, -1]] = False
    first, second = away & (times < 1), away & (times > 1)
    assert got["centroid"][first] == pytest.approx(200, abs=20)
    assert got["centroid"][second] == pytest.approx(5000, abs=20)
    assert got["zero_crossings"][first] == pytest.approx(400 / RATE, abs=0.005)
    assert got["zero_crossings"][second] == pytest.approx(10000 / RATE, abs=0.005)
    assert got["energy"][first] == pytest.approx(10 * np.log10(0.005), abs=0.3)
    assert (got["periodicity"][first] > 0.95).all()
    assert (got["high_band"][first] < -40).all()
    assert (got["high_band"][second] > -0.1).all()


@pytest.mark.parametrize("kind", ["silence", "constant", "impulse"])
def test_degenerate_clips_have_finite_or_undefined_measures(kind):
    x = np.zeros(RATE, dtype=np.float32)
    if kind == "constant":
        x += 0.5
    if kind == "impulse":
        x[8000] = 1.0
    got = measure(x, RATE)
    assert all(value is None or np.isfinite(value) for value in got.values())
    assert got["f0_median"] is None or kind != "silence"
    frames = frame_measures(x, RATE, np.array([0.0, 0.5, 1.0]))
    assert all(np.isfinite(values).all() for values in frames.values())


def test_tables_of_measures_survive_the_disk_and_name_bad_files(tmp_path: Path):
    rng = np.random.default_rng(7)
    clips = {"voice": voice(np.full(RATE, 130.0)), "noise": 0.1 * rng.standard_normal(9000)}
    rows = []
    for name, samples in clips.items():
        audio.write(tmp_path / f"{name}.wav", samples, RATE)
        rows.append((name, str(tmp_path / f"{name}.wav")))
    manifest = pl.DataFrame(rows, schema=["utt_id", "path"], orient="row")
    table = measure_utterances(manifest, workers=2)
    assert table.equals(measure_utterances(manifest, workers=1))
    write_measures(tmp_path / "m.tsv", table)
    assert read_measures(tmp_path / "m.tsv").equals(table)
    assert table.columns == ["utt_id", *MEASURES]
    published = measure_utterances(manifest, workers=1, as_published=True)
    assert published.columns == ["utt_id", *MEASURES, *PUBLISHED]

    # One clipped channel counts, as in the audit.
    quiet = 0.01 * np.sin(np.arange(RATE) / 20)
    both = np.stack([quiet, np.clip(1000 * quiet, -1, 1)], axis=1)
    soundfile.write(tmp_path / "both.wav", both, RATE, subtype="FLOAT")
    clipped = pl.DataFrame({"utt_id": ["b"], "path": [str(tmp_path / "both.wav")]})
    assert measure_utterances(clipped, workers=1)["clipping"][0] > 0.5

    audio.write(tmp_path / "short.wav", np.zeros(100), RATE)
    short = pl.DataFrame({"utt_id": ["s"], "path": [str(tmp_path / "short.wav")]})
    with pytest.raises(AudioError, match=r"short\.wav.*too short"):
        measure_utterances(short, workers=1)
    (tmp_path / "bad.tsv").write_text("utt_id\tlevel\nu\tloud\n")
    with pytest.raises(TableError, match=r"bad\.tsv: line 2: column 'level'"):
        read_measures(tmp_path / "bad.tsv")


# --- tables ------------------------------------------------------------------------------------


def trials(n: int) -> pl.DataFrame:
    """n bona fide, n spoofs of A, n of B."""
    labels = ["bonafide"] * n + ["spoof"] * (2 * n)
    attacks = ["-"] * n + ["A"] * n + ["B"] * n
    ids = [f"u{i}" for i in range(3 * n)]
    return pl.DataFrame({"utt_id": ids, "label": labels, "attack": attacks})


def test_separation_finds_the_measure_and_the_attack_that_plant_a_difference():
    n = 60
    rng = np.random.default_rng(8)
    table = trials(n)
    values = rng.standard_normal(3 * n)
    values[2 * n :] += 5  # B only
    measures = table.select("utt_id").with_columns(
        planted=pl.Series(values),
        nothing=pl.Series(rng.standard_normal(3 * n)),
        tied=pl.Series(np.zeros(3 * n)),
        mostly_zero=pl.Series(np.where(rng.random(3 * n) < 0.8, 0.0, rng.random(3 * n))),
        gone=pl.Series([None] * (3 * n), dtype=pl.Float64),
    )
    got = {
        (row["measure"], row["level"]): row
        for row in separation(measures, table, resamples=200, seed=1).iter_rows(named=True)
    }
    assert got["planted", "B"]["auc"] < 0.01
    assert got["planted", "B"]["higher"] == "spoof"
    assert got["planted", "B"]["eer"] < 0.02
    assert got["planted", "B"]["p_holm"] < 1e-6
    assert got["planted", "A"]["p_holm"] > 0.05
    assert got["planted", "-"]["auc"] == pytest.approx(
        (got["planted", "A"]["auc"] + got["planted", "B"]["auc"]) / 2
    )
    # No information is 0.5, ties or not.
    assert (got["tied", "-"]["auc"], got["tied", "-"]["eer"]) == (0.5, 0.5)
    assert (got["tied", "-"]["higher"], got["tied", "-"]["p"]) == ("-", 1.0)
    assert got["mostly_zero", "-"]["eer"] == pytest.approx(0.5, abs=0.06)
    assert got["mostly_zero", "-"]["ci_low"] < 0.5 < got["mostly_zero", "-"]["ci_high"]
    assert got["gone", "A"]["auc"] is None
    assert got["gone", "A"]["n_undefined"] == 2 * n


def test_score_correlations_tell_what_a_detector_listens_to_from_what_the_classes_differ_in():
    n = 80
    rng = np.random.default_rng(9)
    table = trials(n)
    bonafide = (table["label"] == "bonafide").to_numpy()
    heard, differs = rng.standard_normal(3 * n), rng.standard_normal(3 * n) + 3 * bonafide
    score = 4 * bonafide + heard
    holes = [None if i % 4 == 0 else value for i, value in enumerate(heard)]
    measures = table.select("utt_id").with_columns(
        heard=pl.Series(heard), differs=pl.Series(differs), holes=pl.Series(holes)
    )
    scores = table.select("utt_id").with_columns(score=pl.Series(score)).reverse()
    found = score_correlations(measures, table, scores, permutations=499, resamples=200, seed=1)
    got = {(row["measure"], row["group"]): row for row in found.iter_rows(named=True)}
    assert list(dict.fromkeys(found["group"])) == [
        *("pooled", "bonafide", "spoof", "A", "B"),
        "within",
    ]
    assert got["differs", "pooled"]["rho"] > 0.5
    assert got["differs", "pooled"]["p_bh"] < 0.01
    assert abs(got["differs", "bonafide"]["rho"]) < 0.25
    assert got["heard", "bonafide"]["rho"] == pytest.approx(1.0)
    assert got["heard", "A"]["rho"] == pytest.approx(1.0)
    assert (got["holes", "pooled"]["n"], got["holes", "pooled"]["n_undefined"]) == (180, 60)
    direct = scipy.stats.spearmanr(differs, score).statistic
    assert got["differs", "pooled"]["rho"] == pytest.approx(direct)
    assert got["differs", "pooled"]["ci_low"] < direct < got["differs", "pooled"]["ci_high"]
    # A permutation p cannot be below 1 / (permutations + 1).
    assert got["heard", "A"]["p"] == pytest.approx(1 / 500)
    again = score_correlations(measures, table, scores, permutations=499, resamples=200, seed=1)
    assert found.equals(again)


def test_what_differs_between_codecs_only_is_not_within_strata():
    n = 60
    rng = np.random.default_rng(19)
    table = trials(n).with_columns(
        codec=pl.Series(["-", "mp3"] * (3 * n // 2)), take=pl.Series(["1", "1", "2"] * n)
    )
    heard = rng.standard_normal(3 * n)
    of_codec = 2.0 * (table["codec"] == "mp3").to_numpy()
    measures = table.select("utt_id").with_columns(
        heard=pl.Series(heard), bandwidth=pl.Series(of_codec + rng.standard_normal(3 * n))
    )
    scores = table.select("utt_id").with_columns(score=pl.Series(heard + of_codec))

    def p(conditions, cluster="none", **values):
        found = score_correlations(
            measures,
            table.with_columns(**values),
            scores,
            conditions,
            permutations=499,
            resamples=200,
            seed=1,
            cluster=cluster,
        )
        rows = found.filter(group="within").iter_rows(named=True)
        return {row["measure"]: row["p"] for row in rows}

    # Strata of label and attack do not know the codec.
    assert p([]) == pytest.approx({"heard": 1 / 500, "bandwidth": 1 / 500})
    for conditions in (["codec"], ["codec+take"], ["attack", "codec"]):
        found = p(conditions)
        assert found["heard"] == pytest.approx(1 / 500)
        assert found["bandwidth"] > 0.02
    speaker = pl.Series([f"s{i // 6}" for i in range(3 * n)])
    assert p(["codec"], "speaker", speaker=speaker)["heard"] < 1e-4
    with pytest.raises(TableError, match="no column 'room'"):
        p(["room"])


def test_clips_of_a_speaker_are_one_to_the_tests():
    """A measure that differs between speakers, and not between the classes, is no finding."""
    rng = np.random.default_rng(12)
    table = trials(40).with_columns(
        speaker=pl.concat_str(pl.lit("s"), (pl.int_range(120) // 5).cast(pl.String))
    )
    of_speaker = np.repeat(rng.standard_normal(24), 5)
    of_speaker[:40] += 0.6
    measures = table.select("utt_id").with_columns(
        voice=pl.Series(of_speaker + 0.1 * rng.standard_normal(120)),
        planted=pl.Series(rng.standard_normal(120) - 6 * (np.arange(120) < 40)),
    )
    scores = table.select("utt_id").with_columns(score=pl.Series(of_speaker))

    def p(cluster, resamples=200):
        found = separation(measures, table, resamples=resamples, seed=1, cluster=cluster)
        own = found.filter(condition="pooled").sort("measure")
        return dict(zip(own["measure"], own.select("p", "n_clusters").rows(), strict=True))

    assert p("none")["voice"][0] < 0.01 < 0.05 < p(None)["voice"][0]
    # The class with fewer has 8 speakers, and they are counted without resamples, too.
    assert p(None)["planted"] == p(None, 0)["planted"] == (2.0**-7, 8)
    found = score_correlations(measures, table, scores, permutations=99, resamples=0, seed=1)
    own = {(row["measure"], row["group"]): row for row in found.iter_rows(named=True)}
    assert own["voice", "bonafide"]["p"] == 2.0**-7
    assert own["voice", "bonafide"]["n_clusters"] == 8
    # No p_holm is below its bound, and that of the smallest p reaches it.
    assert found.filter(pl.col("p_holm") < pl.col("p_smallest")).is_empty()
    assert found["p_holm"].min() >= found["p_smallest"].min()


def test_missing_measures_and_scores_are_named():
    table = trials(2)
    measures = table.select("utt_id").with_columns(level=pl.lit(1.0))
    scores = table.select("utt_id").with_columns(score=pl.lit(1.0))
    with pytest.raises(TableError, match="'u5'"):
        separation(measures.head(5), table, resamples=0, seed=1)
    with pytest.raises(TableError, match="no score, such as 'u4'"):
        score_correlations(measures, table, scores.head(4), permutations=9, resamples=0, seed=1)


def test_frame_correlations_find_the_part_that_follows_a_measure():
    rng = np.random.default_rng(10)
    series = []
    for i in range(24):
        n = 80 + i
        level, other = lfilter([1], [1, -0.9], rng.standard_normal((2, n)))
        # Evidence for spoof grows with the level; evidence for bona fide goes its own way.
        spoof_side = np.maximum(level, 0) + 0.1 * rng.random(n)
        bonafide_side = np.maximum(lfilter([1], [1, -0.9], rng.standard_normal(n)), 0)
        evidence = np.where(level > 0, -spoof_side, bonafide_side)
        label, attack = ("bonafide", "-") if i % 2 else ("spoof", "A")
        measures = {"level": level, "other": other, "flat": np.ones(n)}
        series.append(FrameSeries(f"u{i}", label, attack, evidence, measures, 0.02))
    found = frame_correlations(series, resamples=500, seed=1)
    got = {
        (row["measure"], row["part"], row["group"]): row
        for row in found.groups.filter(kind="attribution").iter_rows(named=True)
    }
    assert got["level", "spoof_evidence", "pooled"]["rho"] > 0.7
    assert got["level", "spoof_evidence", "pooled"]["p_holm"] < 0.05
    assert got["level", "signed", "pooled"]["rho"] < -0.5
    assert got["other", "spoof_evidence", "pooled"]["p"] > 0.05
    assert got["flat", "signed", "pooled"]["rho"] is None
    assert got["flat", "signed", "pooled"]["n_undefined"] == 24
    assert {group for _, _, group in got} == {"pooled", "bonafide", "spoof", "A"}

    first = found.utterances.filter(utt_id="u0", measure="level", part="signed").row(0, named=True)
    direct = scipy.stats.spearmanr(series[0].measures["level"], series[0].evidence).statistic
    assert first["rho"] == pytest.approx(direct)
    assert 1 / 80 - 1e-12 <= first["p"] <= 1
    z = [
        np.arctanh(scipy.stats.spearmanr(item.measures["level"], item.evidence).statistic)
        for item in series
    ]
    pooled = got["level", "signed", "pooled"]
    assert pooled["rho"] == pytest.approx(np.tanh(np.mean(z)))
    assert pooled["ci_low"] < pooled["rho"] < pooled["ci_high"]
    assert found.groups.equals(frame_correlations(series, resamples=500, seed=1).groups)


def test_the_best_lag_is_the_one_that_was_planted():
    rng = np.random.default_rng(15)
    series = []
    for i in range(16):
        n = 150 + i
        heard, *others = lfilter([1], [1, -0.8], rng.standard_normal((9, n)))
        # The evidence falls five frames after the measure rises.
        evidence = -np.roll(heard, 5) + 0.5 * rng.standard_normal(n)
        measures = {"heard": heard, "flat": np.ones(n)}
        measures |= {f"other {k}": other for k, other in enumerate(others)}
        series.append(FrameSeries(f"u{i}", "bonafide", "-", evidence, measures, 0.02))
    # Too short for lags of half a second.
    short = np.arange(40.0)
    series.append(
        FrameSeries("short", "bonafide", "-", short, dict.fromkeys(measures, short), 0.02)
    )
    groups = frame_correlations(series, resamples=0, seed=1).groups
    lagged = groups.filter(kind="best_lag", part="signed", group="pooled")
    got = {row["measure"]: row for row in lagged.iter_rows(named=True)}
    assert got["heard"]["lag"] == pytest.approx(0.1)
    direct = [
        scipy.stats.spearmanr(np.roll(item.measures["heard"], 5), item.evidence).statistic
        for item in series[:16]
    ]
    assert got["heard"]["rho"] == pytest.approx(np.tanh(np.mean(np.arctanh(direct))))
    assert got["heard"]["p"] == pytest.approx(1 / 1001)
    assert (got["heard"]["n"], got["heard"]["n_undefined"]) == (16, 1)
    # The best of 51 lags is no finding by itself.
    assert 0.2 < np.median([got[f"other {k}"]["p"] for k in range(8)]) < 0.8
    assert got["flat"]["lag"] is None
    assert set(groups.filter(kind="attribution")["lag"]) == {0.0}
    series[3] = series[3]._replace(hop=0.01)
    with pytest.raises(TableError, match=r"'u3' are 0.01 s apart, those before 0.02 s"):
        frame_correlations(series, resamples=0, seed=1)


def test_no_utterance_is_refused():
    with pytest.raises(TableError, match="no explained utterance"):
        frame_correlations([], resamples=0, seed=1)
