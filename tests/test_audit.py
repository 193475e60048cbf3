"""Trivial cues and their AUC against independent computations, and what an audit finds."""

import html.parser
import json
import math
import os
import re
import signal as signals
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, stats
from sklearn.metrics import roc_auc_score

from spoofscope import audio
from spoofscope.augmentation.chain import Chain
from spoofscope.augmentation.copies import make_copies
from spoofscope.corpora.audit import (
    AUDIT_COLUMNS,
    LEVEL_COLUMNS,
    STATUSES,
    _balance,
    _log_ways,
    audit,
    measure_manifest,
)
from spoofscope.corpora.base import Problem
from spoofscope.corpora.copies import is_step, with_steps
from spoofscope.corpora.counts import counts, unlike_published
from spoofscope.corpora.cues import (
    CUES,
    _places,
    _power_spectra,
    _spectrum_size,
    auc,
    auc_growth,
    auc_interval,
    evidence_of_speakers,
    measure,
    measure_all,
    percentile,
    silent_frames,
)
from spoofscope.errors import SpoofscopeError
from spoofscope.report.audit_page import write_audit
from spoofscope.shards.journal import in_processes
from spoofscope.tables import read_table

RATE = 16000


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (rng(seed).standard_normal(round(seconds * RATE)) * level).clip(-1, 1).astype(np.float32)


# --- cues ----------------------------------------------------------------------------------------


def test_cues_are_complete_and_ordered() -> None:
    assert tuple(measure(noise(0.5), RATE)) == CUES


def test_level_peak_and_dc_of_a_sine() -> None:
    t = np.arange(RATE) / RATE
    x = (0.5 * np.sin(2 * np.pi * 100 * t) + 0.1).astype(np.float32)
    cues = measure(x, RATE)
    assert cues["duration"] == 1.0
    assert cues["level"] == pytest.approx(10 * math.log10(0.5**2 / 2 + 0.1**2), abs=1e-4)
    assert cues["peak"] == pytest.approx(20 * math.log10(0.6), abs=1e-4)
    assert cues["dc"] == pytest.approx(0.1, abs=1e-6)
    assert measure(-x, RATE)["dc"] == pytest.approx(0.1, abs=1e-6)


def test_silence_at_both_ends() -> None:
    x = np.concatenate([noise(0.30, level=1e-5), noise(0.5), noise(0.20, 1, level=1e-5)])
    cues = measure(x, RATE)
    assert cues["leading_silence"] == pytest.approx(0.30)
    assert cues["trailing_silence"] == pytest.approx(0.20)
    assert cues["silence_ratio"] == pytest.approx(0.5)
    assert cues["zeros"] == 0.0


def test_silence_at_a_rate_without_whole_frames() -> None:
    x = np.zeros(22050, np.float32)
    x[11025:] = 0.2
    cues = measure(x, 22050)
    assert cues["leading_silence"] == pytest.approx(0.5, abs=0.01)
    assert cues["trailing_silence"] == 0.0
    assert cues["zeros"] == 0.5


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_a_constant_has_no_bandwidth(value: float) -> None:
    cues = measure(np.full(RATE, value, np.float32), RATE)
    assert cues["bandwidth_95"] == cues["bandwidth_99"] == cues["cutoff"] == 0.0
    silent = value == 0
    assert cues["silence_ratio"] == float(silent)
    assert cues["leading_silence"] == cues["trailing_silence"] == float(silent)
    assert cues["level"] == pytest.approx(-120 if silent else 20 * math.log10(value))


@pytest.mark.parametrize("n", [1, 7, 159, 161, 511])
def test_clips_shorter_than_any_window(n: int) -> None:
    cues = measure(noise(1.0)[:n], RATE)
    assert all(math.isfinite(value) for value in cues.values())
    assert cues["duration"] == n / RATE


def test_bandwidth_of_white_and_of_low_passed_noise() -> None:
    white = noise(4.0)
    cues = measure(white, RATE)
    assert cues["bandwidth_95"] == pytest.approx(0.95 * 8000, rel=0.01)
    assert cues["bandwidth_99"] == pytest.approx(0.99 * 8000, rel=0.01)
    assert cues["cutoff"] == 8000
    low = signal.sosfilt(signal.ellip(12, 0.1, 90, 3000, output="sos", fs=RATE), white)
    cues = measure(low.astype(np.float32), RATE)
    assert cues["bandwidth_95"] == pytest.approx(0.95 * 3000, rel=0.02)
    assert 3000 <= cues["cutoff"] <= 3300


def test_bandwidth_agrees_with_scipy_on_a_long_coloured_noise() -> None:
    # Longer than one block of frames.
    x = signal.lfilter([1], [1, -0.9], noise(20.0, level=0.05)).astype(np.float32)
    frequencies, power = signal.welch(
        x - x.mean(dtype=np.float64), RATE, window=np.hanning(512), noverlap=256, detrend=False
    )
    power[[0, -1]] *= 2  # welch's one-sided density halves the ends
    share = np.cumsum(power) / power.sum()
    assert measure(x, RATE)["bandwidth_95"] == frequencies[np.argmax(share >= 0.95)]


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("n", [1, 600, 16384, 40000])
def test_single_precision_decides_as_double_does(n: int, rate: int) -> None:
    clips, unsure = [], 0
    for seed in range(8):
        x = signal.lfilter([1], [1, -0.12 * seed], noise(3.0, seed)[:n] * 10.0 ** -(seed % 4))
        x = x.astype(np.float32) + np.float32(0.1 * seed)
        mean = float(x.mean(dtype=np.float64))
        power = _power_spectra([x], [mean], rate, "float64")[0]
        share = np.cumsum(power) / power.sum() if power.sum() > 1e-12 else None
        cues = measure(x, rate)
        step = rate / (2 * (power.size - 1))
        assert cues["bandwidth_95"] == (0 if share is None else step * np.argmax(share >= 0.95))
        loud = np.flatnonzero(power >= power.max() * 1e-6)
        assert cues["cutoff"] == (0 if share is None else step * loud[-1])
        single = _power_spectra([x], [mean], rate, "float32")
        unsure += bool((_places(single, 1) != _places(single, -1)).any())
        clips += [(x, rate), (x[: n // 2 + 1], 16000)]
    assert unsure <= (8 if n == 1 else 2)
    # Together they are measured as each alone, whatever their rates.
    assert measure_all(clips) == [measure(*clip) for clip in clips]


def test_frames_of_a_spectrum_are_quick_to_transform_at_every_rate() -> None:
    """At 22,050 Hz 32 ms are 706 samples, twice a prime."""
    sizes = {rate: _spectrum_size(rate) for rate in (8000, 16000, 22050, 24000, 44100, 48000, 1)}
    assert sizes == {8000: 256, 16000: 512, 22050: 720, 24000: 768, 44100: 1440, 48000: 1536, 1: 16}
    for rate in range(4000, 200000, 997):
        size = _spectrum_size(rate)
        assert 0.032 * rate - 1 <= size <= 1.1 * 0.032 * rate
        for factor in (2, 3, 5):
            while size % factor == 0:
                size //= factor
        assert size == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60).map(np.array))
def test_percentile_is_numpys(values: np.ndarray) -> None:
    assert percentile(values, 0.95) == np.percentile(values, 95)


def test_clipping_and_zeros() -> None:
    x = (noise(1.0, level=0.5) * 3).clip(-1, 32767 / 32768)
    x[:400] = 0
    cues = measure(x, RATE)
    assert cues["clipping"] == pytest.approx(np.mean((x == -1) | (x >= 32767 / 32768)), abs=1e-3)
    assert cues["clipping"] > 0.3
    assert cues["zeros"] == 400 / RATE


def test_one_clipped_channel_is_seen(tmp_path: Path) -> None:
    """The mean of both channels is nowhere near full scale."""
    loud, quiet = noise(0.5, level=2.0), noise(0.5, 1, 0.01)
    audio.write(tmp_path / "mono.wav", loud, RATE)
    soundfile.write(tmp_path / "both.wav", np.stack([quiet, loud], 1), RATE)
    assert np.abs(audio.read(tmp_path / "both.wav")[0]).max() < 0.9
    constant = {"split": "eval", "label": "spoof", "duration": 0.5}
    manifest = pl.DataFrame(
        {"utt_id": name, "path": str(tmp_path / f"{name}.wav"), **constant}
        for name in ("mono", "both")
    )
    measures, problems = measure_manifest(manifest, 1)
    mono, both = measures["clipping"]
    assert problems == []
    assert mono == both > 0.5


def test_files_have_the_cues_of_their_samples(tmp_path: Path) -> None:
    """The decoder's peak is that of a file of one channel, and not that of the mean of several."""
    rows = []
    for name, n_channels in (("mono", 1), ("both", 2), ("again", 1)):
        x = np.stack([noise(0.5, seed, 0.1) for seed in range(n_channels)], 1)
        soundfile.write(tmp_path / f"{name}.flac", x, RATE)
        rows.append((name, str(tmp_path / f"{name}.flac"), "eval", "spoof", 0.5))
    manifest = pl.DataFrame(rows, ["utt_id", "path", "split", "label", "duration"], orient="row")
    measures, _ = measure_manifest(manifest, 1)
    for found, path in zip(measures.iter_rows(named=True), manifest["path"], strict=True):
        expected = measure(*audio.read(path))
        assert {cue: found[cue] for cue in CUES} == expected
    assert measures["peak"][0] == measures["peak"][2] > measures["peak"][1]


def test_one_click_does_not_make_speech_silent() -> None:
    x = noise(1.0, level=0.002)
    x[8000] = 1.0
    assert silent_frames(x, RATE).mean() == 0.0


# --- AUC -----------------------------------------------------------------------------------------

values = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=40).map(np.array)


@pytest.mark.slow
@given(values, values)
def test_auc_agrees_with_scikit_learn_and_mann_whitney(a: np.ndarray, b: np.ndarray) -> None:
    labels = np.concatenate([np.ones(a.size), np.zeros(b.size)])
    expected = roc_auc_score(labels, np.concatenate([a, b]))
    assert auc(a, b) == pytest.approx(expected)
    assert auc(a, b) == pytest.approx(stats.mannwhitneyu(a, b).statistic / (a.size * b.size))
    assert auc(b, a) == pytest.approx(1 - auc(a, b))


@given(st.floats(0, 1), st.integers(1, 500), st.integers(1, 500))
def test_interval_is_inside_the_unit_range_and_mirrors(value: float, n: int, m: int) -> None:
    low, high = auc_interval(value, n, m, 1.96)
    assert 0 <= low <= value <= high <= 1
    # Swapping the classes mirrors the scale; Newcombe's method 5 depends on n + m and n * m only.
    mirrored = auc_interval(1 - value, m, n, 1.96)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_interval_has_a_width_at_the_ends_and_shrinks() -> None:
    widths = [1 - auc_interval(1.0, n, n, 1.96)[0] for n in (2, 10, 100, 1000)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 0.4
    assert widths[-1] < 0.01


def test_interval_solves_the_equation_of_its_bounds() -> None:
    value, n, m, z = 0.7, 40, 25, 1.96
    for truth in auc_interval(value, n, m, z):
        mean = (n + m) / 2 - 1
        variance = truth * (1 - truth) / (n * m)
        variance *= 1 + mean * (1 - truth) / (2 - truth) + mean * truth / (1 + truth)
        assert abs(value - truth) == pytest.approx(z * math.sqrt(variance), rel=1e-6)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator, shift, n, m = rng(3), 1.0, 30, 15
    truth = stats.norm.cdf(shift / math.sqrt(2))
    covered = 0
    for _ in range(600):
        value = auc(generator.standard_normal(n) + shift, generator.standard_normal(m))
        low, high = auc_interval(value, n, m, 1.96)
        covered += low <= truth <= high
    assert 0.92 <= covered / 600 <= 0.985


@pytest.mark.parametrize("same_speakers", [False, True])
def test_interval_over_speakers_covers_the_truth_as_often_as_it_says(same_speakers: bool) -> None:
    # Speakers differ as much as clips of one do. The interval over clips covers far too seldom.
    generator, n_speakers, n_clips = rng(4), 12, 15
    speakers = np.repeat(np.arange(n_speakers), n_clips)
    others = speakers if same_speakers else speakers + n_speakers
    truth = stats.norm.cdf(1 / 2)
    covered, by_clips = 0, 0
    for _ in range(200):
        of_speaker = generator.standard_normal(2 * n_speakers)
        bonafide = 1 + of_speaker[speakers] + generator.standard_normal(speakers.size)
        spoof = of_speaker[others] + generator.standard_normal(others.size)
        value = auc(bonafide, spoof)
        evidence = evidence_of_speakers(bonafide, spoof, speakers, others)
        assert evidence.degrees == n_speakers - 1
        t = stats.t.ppf(0.975, evidence.degrees)
        low, high = auc_interval(value, evidence.n_bonafide, evidence.n_spoof, t)
        covered += low <= truth <= high
        low, high = auc_interval(value, bonafide.size, spoof.size, 1.96)
        by_clips += low <= truth <= high
    assert covered / 200 >= 0.93
    assert same_speakers or by_clips / 200 < 0.75


def test_evidence_of_speakers() -> None:
    bonafide, spoof = np.arange(6.0), np.arange(6.0) + 10
    # No clip is out of order: a speaker is worth a clip.
    pairs = np.array([0, 0, 0, 1, 1, 1])
    assert evidence_of_speakers(bonafide, spoof, pairs, pairs) == (2, 2, 1)
    # One clip out of order, of a speaker, says no more about the others.
    tens = np.repeat(np.arange(10), 100)
    x, y = np.arange(1000.0) + 2000, np.arange(1000.0)
    assert evidence_of_speakers(np.append(x[1:], -1), y, tens, tens + 10) == (10, 10, 9)
    # Speakers of one clip each are worth as many clips.
    x, y = rng(5).standard_normal(40), rng(6).standard_normal(30)
    alone = evidence_of_speakers(x, y, np.arange(40), np.arange(40, 70))
    assert alone == pytest.approx((40, 30, 29))
    # Clips that are there three times are worth one.
    tripled = evidence_of_speakers(
        np.repeat(x, 3),
        np.repeat(y, 3),
        np.repeat(np.arange(40), 3),
        np.repeat(np.arange(30), 3) + 40,
    )
    assert tripled[:2] == pytest.approx((40, 30), rel=0.03)


# --- audit ---------------------------------------------------------------------------------------


def corpus(root: Path, n: int = 20) -> pl.DataFrame:
    """Train and eval: n bona fide and n spoofs each, white noise without any cue."""
    rows = []
    for split in ("train", "eval"):
        for i in range(2 * n):
            label = "bonafide" if i < n else "spoof"
            utt_id = f"{split}{i:02d}"
            seed = i + 1000 * (split == "eval")
            x = noise(0.3 + 0.1 * rng(seed).random(), seed, 0.05 + 0.05 * rng(seed + 1).random())
            audio.write(root / f"{utt_id}.wav", x, RATE)
            rows.append(
                {
                    **{"utt_id": utt_id, "path": str(root / f"{utt_id}.wav"), "split": split},
                    **{"label": label, "attack": "-" if label == "bonafide" else f"S{i % 2}"},
                    **{
                        "speaker": f"{split}-{i % 4}",
                        "duration": x.size / RATE,
                        "sample_rate": RATE,
                    },
                }
            )
    return pl.DataFrame(rows)


def found(rows: pl.DataFrame, check: str, *, but: str = "ok") -> list[dict[str, object]]:
    return rows.filter((pl.col("check") == check) & (pl.col("status") != but)).to_dicts()


def rewrite(manifest: pl.DataFrame, utt_ids: list[str], change) -> None:
    for row in manifest.filter(pl.col("utt_id").is_in(utt_ids)).iter_rows(named=True):
        x, rate = audio.read(row["path"])
        audio.write(row["path"], change(x), rate)


def spoofs(manifest: pl.DataFrame, attack: str = "S0") -> list[str]:
    return manifest.filter(pl.col("attack") == attack)["utt_id"].to_list()


@pytest.mark.slow
def test_a_clean_corpus_raises_no_alarm(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    result = audit(
        manifest,
        [],
        {(s, c): 20 for s in ("train", "eval") for c in ("bonafide", "spoof")},
        workers=2,
    )
    assert result.count("warn") == result.count("fail") == result.count("planted") == 0
    cues = result.rows.filter(pl.col("check") == "cue")
    # Per split: all attacks together, S0 and S1.
    assert cues.height == 2 * 3 * len(CUES)
    assert result.rows.schema == pl.Schema(AUDIT_COLUMNS)
    assert set(result.rows["status"]) <= set(STATUSES)
    assert result.measures.height == manifest.height


@pytest.mark.slow
def test_many_small_random_corpora_do_not_cry_wolf(tmp_path: Path) -> None:
    # 20 AUCs of 6 spoofs each leave [0.4, 0.6] all the time by chance.
    manifest = corpus(tmp_path, n=6)
    shuffled = []
    for seed in range(10):
        order = rng(seed).permutation(manifest.height)
        frame = manifest.with_columns(path=manifest["path"].gather(order))
        shuffled.append(audit(frame, [], None, workers=2).rows.filter(pl.col("check") == "cue"))
    rows = pl.concat(shuffled)
    assert (~rows["value"].is_between(0.4, 0.6)).mean() > 0.3
    assert (rows["status"] != "ok").sum() == 0


@pytest.mark.slow
def test_a_cue_is_a_warning_unless_it_is_planted(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    rewrite(manifest, spoofs(manifest), lambda x: np.where(np.arange(x.size) < x.size // 3, 0, x))
    rows = audit(manifest, [], None, workers=2).rows
    warned = found(rows, "cue")
    assert {(r["split"], r["attack"]) for r in warned} >= {("train", "S0"), ("eval", "S0")}
    assert not [r for r in warned if r["attack"] == "S1"]
    assert {r["status"] for r in warned} == {"warn"}
    assert {"leading_silence", "silence_ratio", "zeros"} <= {r["item"] for r in warned}
    zeros = next(r for r in warned if r["item"] == "zeros" and r["attack"] == "S0")
    assert zeros["value"] == 0.0
    assert "of 20 bona fide clips, 33.3 % of 10 spoofs" in str(zeros["note"])
    # The clips leave no doubt; of four speakers, whether others would have it, nothing is known.
    assert str(zeros["note"]).endswith("; with 4 and 2 speakers it may be theirs alone")
    unknown = manifest.with_columns(speaker=pl.lit("-"))
    by_clips = audit(unknown, [], None, workers=2).cues.row(
        by_predicate=(pl.col("cue") == "zeros")
        & (pl.col("attack") == "S0")
        & (pl.col("split") == "train"),
        named=True,
    )
    assert (by_clips["speakers_bonafide"], by_clips["status"]) == (0, "warn")
    assert by_clips["high"] < 0.5

    planted = {"S0": {r["item"] for r in warned}, "S1": set()}
    again = found(audit(manifest, [], None, planted, workers=2).rows, "cue")
    assert [{**r, "status": "warn"} for r in again] == warned
    assert {r["status"] for r in again} == {"planted"}


@pytest.mark.slow
def test_sample_rate_is_a_cue(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    for row in manifest.filter(pl.col("label") == "spoof").iter_rows(named=True):
        x, _ = audio.read(row["path"])
        audio.write(row["path"], audio.resample(x, RATE, 24000), 24000)
    rows = audit(manifest, [], None, workers=2).rows
    assert {r["value"] for r in found(rows, "cue") if r["item"] == "sample_rate"} == {0.0}


def test_counts_of_levels_beside_the_published_ones(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, n=4).with_columns(codec=pl.lit("none"))
    problem = Problem("x", "x.wav", "eval", "spoof", "x.wav: cannot be decoded")
    levels = {("eval", "codec", "none"): 9, ("eval", "codec", "pstn"): 7, ("dev", "codec", "a"): 1}
    found_counts = list(counts(manifest, [problem], {("eval", "spoof"): 5}, levels))
    told = {(c.split, c.item): (c.n, c.status, c.note) for c in found_counts}
    assert told["eval", "codec none"] == (8, "warn", "published 9; 1 left out")
    assert told["eval", "codec pstn"] == (0, "fail", "published 7, -7 here")
    assert told["eval", "spoof"] == (4, "warn", "published 5; 1 left out")
    assert told["train", "spoof"] == (4, "ok", "no published count")
    assert unlike_published(found_counts) == [
        "not as many utterances as are published: eval spoof 4 (published 5; 1 left out), eval "
        "codec none 8 (published 9; 1 left out), eval codec pstn 0 (published 7, -7 here)"
    ]
    assert unlike_published([c for c in found_counts if c.status == "ok"]) == []


def test_counts_by_third_parties_look_no_surer_than_they_are(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, n=4)
    theirs = {("eval", "spoof"): 5, ("eval", "bonafide"): 4}
    found_counts = list(counts(manifest, [], theirs, counted_by="one third party"))
    assert [(c.status, c.note) for c in found_counts if c.split == "eval"] == [
        ("ok", "as one third party counted: 4"),
        ("warn", "one third party counted 5, -1 here"),
    ]
    assert unlike_published(found_counts) == [
        "not as many utterances as one third party counted, perhaps wrongly: eval spoof 4 "
        "(one third party counted 5, -1 here)"
    ]


def test_counts_against_the_published_ones(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, n=4)
    problem = Problem("x", "x.wav", "train", "spoof", "x.wav: no such\naudio file")
    published = {("train", "bonafide"): 4, ("train", "spoof"): 5, ("eval", "bonafide"): 9}
    rows = audit(manifest, [problem], published, workers=1).rows
    counts = rows.filter(pl.col("check") == "counts").select("split", "item", "value", "status")
    assert counts.rows() == [
        ("train", "bonafide", 4.0, "ok"),
        ("train", "spoof", 4.0, "warn"),
        ("eval", "bonafide", 4.0, "fail"),
        ("eval", "spoof", 4.0, "ok"),
    ]
    assert "published 9, -5 here" in found(rows, "counts")[1]["note"]
    assert found(rows, "audio") == [
        {
            **{"check": "audio", "split": "train", "attack": "-", "item": "x", "value": None},
            **{"status": "warn", "note": "left out: x.wav: no such audio file"},
        }
    ]


@pytest.mark.parametrize(
    ("kept", "note"), [(2000, "truncated: [0-9]+ bytes of its data are missing"), (0, "is empty")]
)
def test_a_file_that_breaks_after_the_manifest_was_made(
    tmp_path: Path, kept: int, note: str
) -> None:
    manifest = corpus(tmp_path, n=4)
    path = Path(manifest["path"][0])
    path.write_bytes(path.read_bytes()[:kept])
    result = audit(manifest, [], None, workers=2)
    (row,) = found(result.rows, "audio")
    assert row["status"] == "fail"
    assert row["item"] == "train00"
    assert re.search(note, str(row["note"]))
    assert result.measures.height == manifest.height - 1


def test_a_file_that_got_another_length_after_the_manifest_was_made(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, n=4)
    path = manifest["path"][0]
    x, rate = audio.read(path)
    audio.write(path, x[: rate // 16], rate)
    (row,) = found(audit(manifest, [], None, workers=2).rows, "audio")
    assert row["status"] == "fail"
    assert re.search(r"lasts 0\.06\d+ s, the manifest says 0\.3", str(row["note"]))


def copy_audio(manifest: pl.DataFrame, source: str, target: str, suffix: str = ".wav") -> None:
    paths = dict(manifest.select("utt_id", "path").iter_rows())
    x, rate = audio.read(paths[source])
    Path(paths[target]).unlink()
    audio.write(Path(paths[target]).with_suffix(suffix), x, rate)
    if suffix != ".wav":
        Path(paths[target]).symlink_to(Path(paths[target]).with_suffix(suffix))


def test_duplicates_are_found_whatever_the_container(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, n=6)
    copy_audio(manifest, "train00", "train01")
    copy_audio(manifest, "train02", "eval02", ".flac")
    copy_audio(manifest, "train03", "train09")
    rows = found(audit(manifest, [], None, workers=2).rows, "duplicates")
    assert [(r["split"], r["item"], r["value"], r["status"]) for r in rows] == [
        ("train", "train00", 2.0, "warn"),
        ("all", "train02", 2.0, "fail"),
        ("train", "train03", 2.0, "fail"),
    ]
    assert rows[1]["note"] == "the same audio is in eval and train: train02, eval02"
    assert rows[2]["note"] == "the same audio is bona fide and spoof: train03, train09"


@pytest.mark.slow
def test_a_condition_of_one_class_is_a_warning_unless_chance_explains_it(tmp_path: Path) -> None:
    manifest = corpus(tmp_path).with_columns(
        # All of "far" are spoofs, and two bona fide clips alone are "rare".
        room=pl.when((pl.col("label") == "spoof") & pl.col("utt_id").str.ends_with("5"))
        .then(pl.lit("far"))
        .when(pl.col("utt_id").str.ends_with("00"))
        .then(pl.lit("rare"))
        .otherwise(pl.lit("near")),
        vocoder=pl.when(pl.col("label") == "spoof").then(pl.lit("v")).otherwise(pl.lit("-")),
    )
    few = audit(manifest, [], None, workers=1)
    assert found(few.rows, "balance") == []
    assert set(few.levels["condition"]) == {"room", "type of file", "sample rate"}
    many = pl.concat(
        [manifest.with_columns(utt_id=pl.format("{}-{}", "utt_id", i)) for i in range(5)]
    )
    rows = found(audit(many, [], None, workers=2).rows, "balance")
    assert [(row["split"], row["item"], row["value"]) for row in rows] == [
        ("train", "room", 1.0),
        ("eval", "room", 1.0),
    ]
    end = "clips of one class only: far (10 spoof, 2 speakers: perhaps theirs alone)"
    assert str(rows[0]["note"]).endswith(end)


def test_chance_of_one_class_is_hypergeometric() -> None:
    for own, others, n in ((10, 5, 3), (96, 192, 4), (5, 5, 5)):
        expected = stats.hypergeom.logpmf(n, own + others, own, n)
        assert _log_ways(own, n) - _log_ways(own + others, n) == pytest.approx(expected)


def test_chance_counts_either_class() -> None:
    """5 of 20 clips are of one class, whichever it is, in 3.3 % of draws; of both levels, in 6.5 %.

    So they are no warning, and 6 (1.1 % and 2.2 %) are one.
    """
    for n, status in ((5, "ok"), (6, "warn")):
        rows = [("train", "room", "far", n, 0, None), ("train", "room", "near", 10 - n, 10, None)]
        (row,) = _balance(pl.DataFrame(rows, schema=LEVEL_COLUMNS, orient="row"))
        assert dict(zip(AUDIT_COLUMNS, row, strict=True))["status"] == status


def test_few_speakers_may_be_of_one_class_by_chance() -> None:
    # Of a half of all clips, 0.5 ** 6 is more than 0.05 / 4, 0.5 ** 7 is less.
    for speakers, end in ((6, "6 speakers: perhaps theirs alone)"), (7, "7 speakers)")):
        rows = [("train", "room", "far", 50, 0, speakers), ("train", "room", "near", 50, 100, 20)]
        (row,) = _balance(pl.DataFrame(rows, schema=LEVEL_COLUMNS, orient="row"))
        assert row[5] == "warn"
        assert row[6].endswith(f"far (50 bona fide, {end}")


def test_speakers_and_sentences_in_two_splits(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, n=4).with_columns(
        speaker=pl.when(pl.col("utt_id").is_in(["train00", "eval05"]))
        .then(pl.lit("Ann"))
        .otherwise("speaker"),
        base_utt=pl.lit("-"),
    )
    rows = audit(manifest, [], None, workers=1).rows
    leaks = rows.filter(pl.col("check") == "leakage").select("split", "item", "value", "status")
    assert leaks.rows() == [
        ("train+eval", "speaker", 1.0, "warn"),
        ("all", "sentence", None, "ok"),
    ]
    assert found(rows, "leakage")[0]["note"] == "in both: Ann"


def test_a_split_with_one_class(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, n=4).filter(
        (pl.col("split") == "train") | (pl.col("label") == "spoof")
    )
    result = audit(manifest, [], None, workers=1)
    (row,) = found(result.rows, "classes")
    assert (row["split"], row["status"]) == ("eval", "warn")
    assert set(result.rows.filter(pl.col("check") == "cue")["split"]) == {"train"}
    only = manifest.filter(pl.col("split") == "eval")
    write_audit(audit(only, [], None), only, tmp_path / "a.tsv", tmp_path / "a.html", "eval only")
    assert "No split has both classes" in (tmp_path / "a.html").read_text()


def test_the_result_does_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, n=10)
    Path(manifest["path"][0]).unlink()
    one, many = (measure_manifest(manifest, workers) for workers in (1, 2))
    assert one[0].equals(many[0])
    assert one[1] == many[1] != []


def test_a_process_that_is_killed_is_named_and_what_is_finished_stays() -> None:
    done: dict[str, int] = {}
    items = [(str(i), i) for i in range(200)]
    with pytest.raises(SpoofscopeError, match="was killed, perhaps for want of memory"):
        in_processes(items, die_of_150, done, 2)
    assert done == {str(i): i for i in range(len(done))}
    in_processes(items, list, done, 2)
    assert done == dict(items)


def die_of_150(values: list[int]) -> list[int]:
    if 150 in values:
        time.sleep(0.2)
        os.kill(os.getpid(), signals.SIGKILL)
    return values


def copies(
    originals: pl.DataFrame, folder: Path, steps: list[dict[str, object]], **given: Any
) -> pl.DataFrame:
    chain = Chain(steps, {}, RATE)
    return make_copies(originals, chain, folder, "copy", seed=1, **given)[0]


def test_a_chain_that_treats_both_classes_alike_raises_no_alarm(tmp_path: Path) -> None:
    originals = corpus(tmp_path, n=10).filter(split="eval")
    quieter = [{"effect": "gain", "gain": [-6, -3]}]
    result = audit(copies(originals, tmp_path / "c", quieter), [], None, originals=originals)
    assert set(result.rows["status"]) == {"ok"}
    rows = result.rows.filter(check="copies", split="eval")
    assert set(CUES) < set(rows["item"])
    (level,) = rows.filter(item="level").to_dicts()
    assert -6 < level["value"] < -3
    assert "level changes by -" in level["note"]
    (duration,) = rows.filter(item="duration").to_dicts()
    assert duration["value"] == 0
    assert "that of the original in all 20 clips" in duration["note"]


@pytest.mark.slow
def test_a_cue_that_the_chain_brings_in_is_told_from_one_that_was_there(tmp_path: Path) -> None:
    originals = corpus(tmp_path).filter(split="eval")
    # A cue of the originals: silence before spoofs. The chain makes spoofs quieter.
    rewrite(
        originals,
        originals.filter(label="spoof")["utt_id"].to_list(),
        lambda x: np.where(np.arange(x.size) < 800, 0, x),
    )
    made = copies(
        originals, tmp_path / "c", [{"effect": "gain", "gain": [-9, -9]}], classes=["spoof"]
    )
    by_accident = audit(made, [], None, originals=originals)
    # Of a quieter clip the mean is nearer to 0, too.
    brought = {row["item"] for row in found(by_accident.rows, "copies")}
    assert {"level", "peak"} <= brought <= {"level", "peak", "dc"}
    (row,) = found(by_accident.rows.filter(split="eval", item="level"), "copies")
    assert row["status"] == "warn"
    assert "with 4 and 4 speakers it may be theirs alone" in row["note"]
    cues = found(by_accident.rows.filter(split="eval", attack="all"), "cue")
    assert {"leading_silence", "level"} <= {row["item"] for row in cues}
    # The effect itself is one of one class.
    assert {row["item"] for row in found(by_accident.rows, "balance")} == {"gain of the chain"}
    planted = audit(made, [], None, originals=originals, classes=["spoof"])
    statuses = {
        (row["check"], row["item"]): row["status"] for row in planted.rows.iter_rows(named=True)
    }
    assert statuses["copies", "level"] == statuses["balance", "gain of the chain"] == "planted"
    levels = planted.rows.filter(check="cue", attack="all", item="level")
    assert set(levels["status"]) == {"planted"}
    silences = planted.rows.filter(check="cue", attack="all", item="leading_silence")
    assert set(silences["status"]) == {"warn"}
    write_audit(planted, made, tmp_path / "a.tsv", tmp_path / "a.html", "copy", originals)
    text = (tmp_path / "a.html").read_text()
    assert "What the chain changed" in text
    assert text.count("original of copy-") == 2


@pytest.mark.slow
def test_copies_that_are_damaged_or_cannot_be_compared(tmp_path: Path) -> None:
    originals = corpus(tmp_path, n=6).filter(split="eval")
    made = copies(originals, tmp_path / "c", [{"effect": "gain", "gain": [-1, -1]}])
    ids = made["utt_id"].to_list()
    rewrite(made, ids[:1], lambda x: 0 * x)
    rewrite(made, ids[1:3], lambda x: np.clip(40 * x, -1, 1))
    Path(originals["path"][3]).unlink()
    result = audit(made, [], None, originals=originals)
    notes = {row["item"]: row["note"] for row in found(result.rows, "copies")}
    assert notes["silenced"] == f"1 of 11 copies have no signal any more: {ids[0]}"
    assert notes["clipped"].startswith("2 of 11 copies are clipped by the chain")
    assert notes["clipped"].endswith(f": {ids[1]}, {ids[2]}")
    assert "1 of 12 copies could not be compared" in notes["pairs"]
    nothing = copies(
        originals.filter(pl.col("utt_id") != originals["utt_id"][3]),
        tmp_path / "n",
        [{"effect": "gain", "gain": [-1, -1], "probability": 0}],
    )
    rows = audit(nothing, [], None, originals=originals).rows
    (row,) = found(rows, "copies")
    assert row["note"] == "the chain took no step with 11 of 11 clips"
    for path in set(originals["path"]) - {originals["path"][3]}:
        Path(path).unlink()
    alone = audit(nothing, [], None, originals=originals)
    assert "no copy could be compared with its original" in alone.rows["note"].to_list()
    # The page plays the copies all the same.
    write_audit(alone, nothing, tmp_path / "a.tsv", tmp_path / "a.html", "copy", originals)
    assert "original of copy-" not in (tmp_path / "a.html").read_text()


def test_steps_of_a_chain_are_conditions_with_few_levels() -> None:
    done = [
        [{"effect": "stacked", "copy": "music", "room": f"simulated_rirs/{i}.wav"}]
        for i in range(60)
    ]
    done[1] = [{"effect": "level", "skipped": "silence"}]
    table = pl.DataFrame({"source_utt": "a", "augmentation": [json.dumps(each) for each in done]})
    steps = with_steps(table)
    assert set(steps["stacked of the chain"]) == {"music", "not taken"}
    assert set(steps["level of the chain"]) == {"not taken"}


def test_an_effect_that_is_taken_twice_has_two_conditions() -> None:
    mp3, opus = ({"effect": "codec", "codec": name} for name in ("mp3", "opus"))
    done = [[mp3, mp3], [opus, mp3], [mp3], [{"effect": "level", "skipped": "silence"}]]
    table = pl.DataFrame({"source_utt": "a", "augmentation": [json.dumps(each) for each in done]})
    steps = with_steps(table)
    assert steps.columns == ["codec of the chain", "level of the chain", "codec no. 2 of the chain"]
    assert steps["codec of the chain"].to_list() == ["mp3", "opus", "mp3", "not taken"]
    second = steps["codec no. 2 of the chain"]
    assert second.to_list() == ["mp3", "mp3", "not taken", "not taken"]
    assert all(is_step(column) for column in steps.columns)


def test_the_growth_of_an_auc_is_paired() -> None:
    before, after = rng(1).standard_normal((2, 300))
    before[:150] += 0.3
    after = before + 0.1 * after
    growth, error = auc_growth((before[:150], after[:150]), (before[150:], after[150:]))
    aucs = [auc(values[:150], values[150:]) for values in (before, after)]
    assert growth == pytest.approx(aucs[1] - aucs[0], abs=1e-12)
    # Far smaller than of two AUCs of different clips, and what a bootstrap of clips gives.
    drawn = []
    for i in range(300):
        mine, theirs = np.split(rng(i).integers(0, 150, 300), 2)
        each = [auc(values[mine], values[theirs + 150]) for values in (before, after)]
        drawn.append(each[1] - each[0])
    assert error == pytest.approx(np.std(drawn), rel=0.15)
    assert error < 0.01


def test_a_cue_that_changes_sides_grows_by_its_distance_from_chance() -> None:
    values = rng(2).standard_normal(300)
    far, near = values.copy(), -values
    far[:150] += 1.5
    near[:150] -= 0.7
    # From an AUC of 0.85 to one of 0.7 on the other side: it separates less.
    growth, error = auc_growth((far[:150], -near[:150] - 1.4), (far[150:], -near[150:]))
    aucs = auc(far[:150], far[150:]), auc(-near[:150] - 1.4, -near[150:])
    assert aucs[0] > 0.8 > 0.5 > aucs[1]
    assert growth == pytest.approx((0.5 - aucs[1]) - (aucs[0] - 0.5), abs=1e-12)
    assert growth < -3 * error


def test_the_error_of_a_growth_is_over_speakers() -> None:
    """Each speaker's clips change alike: as many clips as speakers say no more."""
    speakers = np.repeat(np.arange(8), 40)
    before = np.round(rng(3).standard_normal(320), 9)
    after = before + np.repeat(rng(4).standard_normal(8), 40)
    pairs = (before[:160], after[:160]), (before[160:], after[160:])
    of_clips = auc_growth(*pairs)
    of_speakers = auc_growth(*pairs, (speakers[:160], speakers[160:]))
    assert of_clips[0] == of_speakers[0]
    assert of_speakers[1] > 2 * of_clips[1]


@pytest.mark.slow
def test_what_few_speakers_show_is_not_said_to_be_the_chains_work(tmp_path: Path) -> None:
    originals = corpus(tmp_path, n=40).filter(split="eval")
    quieter = [{"effect": "gain", "gain": [-9, -9]}]
    made = copies(originals, tmp_path / "c", quieter, classes=["spoof"])
    told = {}
    for n in (2, 40):
        speaker = pl.format("{}", pl.int_range(pl.len()) % n)
        result = audit(
            made.with_columns(speaker=speaker),
            [],
            None,
            originals=originals.with_columns(speaker=speaker),
        )
        row = result.rows.filter(check="copies", item="level").row(0, named=True)
        assert row["status"] == "warn"
        told[n] = row["note"].rpartition(": ")[2]
    assert told == {
        2: "with 2 and 2 speakers it may be theirs alone",
        40: "the chain brought that in",
    }


class Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_table_and_page(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>"
    manifest = corpus(tmp_path, n=6)
    manifest = manifest.with_columns(
        speaker=pl.lit(evil),
        attack=pl.when(pl.col("attack") == "S0").then(pl.lit(evil)).otherwise(pl.col("attack")),
    )
    result = audit(manifest, [], None, workers=2)
    write_audit(result, manifest, tmp_path / "out/a.tsv", tmp_path / "out/a.html", evil)
    table = read_table(
        tmp_path / "out/a.tsv",
        {name: dtype for name, dtype in AUDIT_COLUMNS.items() if name != "value"},
    )
    assert table.height == result.rows.height
    assert table.columns == list(AUDIT_COLUMNS)
    text = (tmp_path / "out/a.html").read_text()
    page = Page()
    page.feed(text)
    tags = [tag for tag, _ in page.tags]
    assert "script" not in tags
    links = [a[name] for _, a in page.tags for name in ("src", "href") if name in a]
    # Players of the strongest cue, and of each class and split.
    assert len(links) == 2 + 4
    assert all(str(link).startswith("data:audio/flac;base64,") for link in links)
    # A plot of AUCs per split, boxes of every cue that differs, a bar per level.
    assert text.count("<circle ") == 2 * len(CUES)
    assert "<svg" in text
    assert "nan" not in text
    assert text.count("<td class=bar>") == result.levels.height
    # One coloured cell per cue, split and column (all, the evil attack, S1).
    cells = [a for tag, a in page.tags if tag == "td" and "title" in a]
    assert len(cells) == len(CUES) * 2 * 3
    assert {a["class"].removeprefix("n ") for a in cells} <= set(STATUSES)
