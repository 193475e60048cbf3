"""Causal masking: what masks choose, their controls, exact nulls, and what is said about them."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from transformers import Wav2Vec2ForCTC

from detector_folders import write_detector
from noise_and_tones import SAMPLE_RATE, write_corpus
from planning import plan_of
from spoofscope.augmentation.band import band_of
from spoofscope.augmentation.compressor import reductions
from spoofscope.augmentation.registry import build as build_effect
from spoofscope.baselines import window_features
from spoofscope.detector import Detector
from spoofscope.errors import AudioError, ConfigError, DetectorError, SpoofscopeError, TableError
from spoofscope.figures.masking import draw
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.masking.base import Clip, Segment, WaveformMask, build
from spoofscope.masking.controls import (
    CLOSE,
    as_much_energy,
    moved_change,
    random_frames,
    run_lengths,
)
from spoofscope.masking.heard import Listener
from spoofscope.masking.scores import Masker, mask_utterances, profiles_of, replacement
from spoofscope.masking.tables import COLUMNS, UNMASKED, read_masked, write_masked
from spoofscope.metrics.correlation import holm
from spoofscope.metrics.masked import MASKED_METRICS, compare_masked
from spoofscope.metrics.rates import eer, error_rates, min_dcf
from spoofscope.options import masks as options
from spoofscope.options.effects.compressor import CompressorOptions
from spoofscope.plan.study_plan import checked
from spoofscope.report.masking import masking_section
from spoofscope.rescoring import random_shift
from spoofscope.study import MINI
from spoofscope.study.reading import read_config
from spoofscope.summaries.masking import make, read_masking
from spoofscope.tables import read_manifest, write_manifest, write_scores
from spoofscope.windows import InputPolicy

MASKS: dict[str, dict[str, Any]] = {
    "silence": {"type": "silence", "by": "level", "strengths": [0, 0.5, 1]},
    "phones": {"type": "phones", "replacement": "centroid"},
    "loudness": {"type": "phones", "as_published": True},
    "classes": {"type": "phone_classes", "classes": {"vowels": ["a"], "others": ["S1", "t"]}},
    "borders": {"type": "word_boundaries"},
    "loud": {"type": "loud_frames", "strengths": [0, 1]},
    "band": {"type": "band", "strengths": [0, 20]},
    "gain": {"type": "gain", "strengths": [0, 20]},
    "compressor": {"type": "compressor", "strengths": [0, 1]},
    "codec": {"type": "codec", "codecs": [{"name": "mulaw"}], "strengths": [0, 1, 2]},
}


def noise(n: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def clip_of(x: np.ndarray, segments: list[Segment] | None = None) -> Clip:
    return Clip(x, SAMPLE_RATE, segments or [], 1 + (x.size - 320) // 160, 0.01, 0.01)


# --- effects -------------------------------------------------------------------------------------


def test_the_static_compressor_has_the_published_values():
    x = np.array([0.01, 0.1, 0.2, 0.5, 1.0, -0.5, 0.0], dtype=np.float32)
    effect = build_effect("compressor", {"static": True}, {}, SAMPLE_RATE)
    y, _ = effect.apply(x, np.random.default_rng(0))
    assert y[:5] == pytest.approx([0.0316, 0.316, 0.376, 0.473, 0.562], abs=6e-4)
    assert y[5] == -y[3]
    assert y[6] == 0


def test_the_compressor_follows_the_level_with_attack_and_release():
    loud = np.concatenate([np.full(8000, 0.01), np.full(8000, 1.0), np.full(16000, 0.01)])
    options = CompressorOptions(attack=0.01, release=0.1)
    reduced = reductions(loud.astype(np.float32), SAMPLE_RATE, options)
    # 20 dB above the threshold, at a ratio of 4: 15 dB in the end, and 1 - 1/e of them after 10 ms.
    assert reduced[:7990] == pytest.approx(0, abs=1e-9)
    assert reduced[15900] == pytest.approx(15, abs=1e-3)
    assert reduced[8160] == pytest.approx(15 * (1 - np.exp(-1)), abs=1)
    assert reduced[16000 + 1600] == pytest.approx(15 * np.exp(-1), abs=0.3)


def test_a_band_is_scaled_as_by_pytorch():
    x = noise(20011)
    effect = build_effect("band", {"low": 600, "high": 1200, "gain": [-20, -20]}, {}, SAMPLE_RATE)
    y, _ = effect.apply(x, np.random.default_rng(0))
    window = torch.hann_window(1024)
    spectrum = torch.stft(torch.from_numpy(x), 1024, 256, window=window, return_complex=True)
    frequencies = torch.arange(513) * SAMPLE_RATE / 1024
    spectrum[(frequencies >= 600) & (frequencies <= 1200)] *= 0.1
    expected = torch.istft(spectrum, 1024, 256, window=window, length=x.size)
    np.testing.assert_allclose(y, expected.numpy(), atol=1e-5)
    assert band_of(x[:1], SAMPLE_RATE, 0, 8000) == pytest.approx(x[:1], abs=1e-6)


# --- what is chosen ------------------------------------------------------------------------------


def test_frames_of_segments_and_levels():
    x = np.concatenate([noise(16000), 1e-5 * noise(8000), noise(8000)])
    segments = [
        Segment(0.0, 0.5, "phone", "a1"),
        Segment(0.5, 1.0, "character", "s"),
        Segment(1.0, 1.5, "silence", "pause"),
        Segment(1.5, 2.0, "word", "as"),
    ]
    clip = clip_of(x, segments)

    def seconds(entry: dict[str, Any], variant: str = "-") -> tuple[float, float, int]:
        at = np.flatnonzero(build(entry).chosen(clip)[variant])
        return 0.01 + 0.01 * at.min(), 0.01 + 0.01 * at.max(), at.size

    assert seconds({"type": "silence"}) == pytest.approx((1.0, 1.49, 50))
    assert seconds({"type": "silence", "by": "level"}) == pytest.approx((1.01, 1.49, 49))
    assert seconds({"type": "phones"}) == pytest.approx((0.01, 0.99, 99))
    assert seconds({"type": "phones", "labels": ["a"]}) == pytest.approx((0.01, 0.49, 49))
    classes = {"type": "phone_classes", "classes": {"sibilants": ["S"], "vowels": ["a"]}}
    assert seconds(classes, "sibilants") == pytest.approx((0.5, 0.99, 50))
    # The letter s is no fricative.
    of_phones = {k: v.sum() for k, v in build({"type": "phone_classes"}).chosen(clip).items()}
    assert {name for name, n in of_phones.items() if n} == {"vowels"}
    assert of_phones["vowels"] == 49
    edges = np.flatnonzero(build({"type": "word_boundaries"}).chosen(clip)["-"])
    expected = [*np.arange(1.46, 1.535, 0.01), 1.96, 1.97, 1.98, 1.99]
    assert 0.01 + 0.01 * edges == pytest.approx(expected)
    loud = build({"type": "loud_frames", "loudest": 0.1}).chosen(clip)["-"]
    assert loud.sum() == pytest.approx(0.1 * clip.n_frames, abs=1)
    assert clip.energies()[loud].min() > clip.energies()[~loud].max()


def test_phones_as_published_are_loud_blocks():
    """The definition of the publication, worked out on its own."""
    x = noise(32000) * np.linspace(0.1, 1, 32000, dtype=np.float32)
    clip = Clip(x, SAMPLE_RATE, [], 99, 0.0125, 0.02)
    blocks = np.square(x[: 99 * 320].astype(np.float64)).reshape(99, 320).sum(axis=1)
    chosen = build({"type": "phones", "as_published": True}).chosen(clip)["-"]
    np.testing.assert_array_equal(chosen, blocks > np.quantile(blocks, 0.75))


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("recogniser")
    write_tiny_backbone(folder, "wav2vec2", {}, 1, recogniser=True)
    return {"family": "wav2vec2", "folder": str(folder)}


def test_a_recogniser_is_heard_as_by_transformers(recogniser):
    x = noise(16000)
    times = 0.0125 + 0.02 * np.arange(49)
    labels = Listener(recogniser, "cpu").labels(x, SAMPLE_RATE, times)
    network = Wav2Vec2ForCTC.from_pretrained(recogniser["folder"]).eval()
    with torch.no_grad():
        best = network(torch.from_numpy(x)[None]).logits[0].argmax(dim=-1)
    vocabulary = json.loads((Path(recogniser["folder"]) / "vocab.json").read_text())
    names = {place: name for name, place in vocabulary.items()} | {0: ""}
    assert labels.tolist() == [names[int(place)] for place in best]
    with pytest.raises(AudioError, match="too short"):
        Listener(recogniser, "cpu").labels(x[:300], SAMPLE_RATE, times)


def test_published_silences_and_borders_are_those_of_a_recogniser():
    heard = np.array(["A", "", "B", "B", "C", "", "|", "", "", "D"])
    clip = Clip(noise(1600), SAMPLE_RATE, [], 10, 0.005, 0.01, heard)
    silence = build({"type": "silence", "as_published": True})
    assert silence.options.strengths == (0.9,)
    assert silence.options.replacement == "profile"
    np.testing.assert_array_equal(np.flatnonzero(silence.chosen(clip)["-"]), [1, 5, 7, 8])
    borders = build({"type": "word_boundaries", "as_published": True})
    # Without the D at the end, the A at the beginning would have a blank before it, too.
    np.testing.assert_array_equal(np.flatnonzero(borders.chosen(clip)["-"]), [0, 2, 4, 6, 9])


def test_a_profile_is_the_mean_of_the_chosen_frames(rows):
    detector = detector_of(length=None)
    entry = {"type": "loud_frames", "replacement": "profile"}
    made = masker(detector, {"loud": entry})
    profile = profiles_of(made, rows, {})["loud", "-"]
    frames = []
    for path in rows.filter(label="bonafide")["path"]:
        x = detector.policy.read(path)
        (values,) = window_features(detector, [x])
        clip = Clip(x, SAMPLE_RATE, [], values.shape[1], 0.0125, 0.01)
        clip = replace(clip, first_centre=detector.frontend.first_centre_seconds)
        clip = replace(clip, hop=detector.frontend.hop_seconds)
        frames.append(values[:, build(entry).chosen(clip)["-"]])
    torch.testing.assert_close(profile, torch.cat(frames, dim=1).mean(dim=1))
    never = {"type": "phones", "replacement": "profile"}
    with pytest.raises(TableError, match=r"mask 'never': no frame of 4 bona fide"):
        profiles_of(masker(detector, {"never": never}), rows, {})


class EveryThird:
    """A recogniser that is silent in every third frame."""

    def labels(self, samples: Any, sample_rate: int, times: np.ndarray) -> np.ndarray:
        return np.where(np.arange(times.size) % 3 == 0, "", "A")


def test_published_silence_is_mixed_with_its_profile(rows):
    detector = detector_of(length=None)
    made = masker(detector, {"blanks": {"type": "silence", "as_published": True}})
    made = replace(made, listener=EveryThird())
    made = replace(made, profiles=profiles_of(made, rows, {}))
    x = detector.policy.read(rows["path"][0])
    (values,) = window_features(detector, [x])
    mixed = values.clone()
    mixed[:, ::3] = 0.1 * values[:, ::3] + 0.9 * made.profiles["blanks", "-"][:, None]
    with torch.no_grad():
        logits = detector.backend_logits(mixed[None], torch.tensor([values.shape[1]]))
    expected = float(detector.score_tensor(logits)[0])
    assert made.masked("u", x, [])["masked"][0][5] == pytest.approx(expected, abs=1e-5)


def test_frames_are_replaced_by_neighbours_or_the_centroid():
    values = torch.arange(12.0).reshape(1, 6, 2)
    chosen = np.array([True, False, True, True, False, True])
    replaced = replacement(values, chosen, None)
    assert replaced[0, :, 0].tolist() == [2, 2, 5, 5, 8, 8]
    centred = replacement(values, chosen, torch.full((1, 2), 7.0))
    assert centred[0, :, 1].tolist() == [7, 3, 7, 7, 9, 7]
    torch.testing.assert_close(replacement(values, np.ones(6, dtype=bool), None), values)


def test_bands_side_by_side():
    mask = build({"type": "band", "bands": [], "sweep": 4000})
    assert list(mask.targets(16000)) == ["0-4000 Hz", "4000-8000 Hz"]
    assert list(build({"type": "band"}).targets(16000)) == ["600-1200 Hz", "1000-1600 Hz"]


# --- controls ------------------------------------------------------------------------------------


def test_random_frames_are_as_many_in_as_many_runs():
    rng = np.random.default_rng(3)
    energies = rng.random(60)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        chosen = rng.random(60) < rng.uniform(0.05, 0.95)
        drawn = random_frames(chosen, energies, rng)
        assert sorted(run_lengths(drawn)) == sorted(run_lengths(chosen))
        assert drawn.sum() == chosen.sum()


def test_random_frames_are_uniform_over_places_where_energy_does_not_matter():
    chosen = np.array([True, True, False, False, False, False])
    counts = np.zeros(6)
    for seed in range(800):
        counts += random_frames(chosen, np.zeros(6), np.random.default_rng(seed))
    # Five places of a run of two.
    assert counts / 800 == pytest.approx(np.array([1, 2, 2, 2, 2, 1]) / 5, abs=0.06)


def test_the_control_that_is_nearest_in_energy_is_taken():
    chosen = np.arange(200) < 20
    energies = np.linspace(1, 100, 200)
    energy = [
        energies[random_frames(chosen, energies, np.random.default_rng(s))].sum() for s in range(50)
    ]
    assert np.mean(energy) < 0.5 * 20 * energies.mean()


def test_random_frames_hold_as_much_energy():
    """Whatever is masked: the loudest frames, the softest ones, any."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        energies = rng.exponential(size=200) ** 2
        for chosen in (
            rng.random(200) < rng.uniform(0.05, 0.95),
            energies > np.quantile(energies, 0.75),
            (energies < np.quantile(energies, 0.5)) & (np.arange(200) < 150),
        ):
            drawn = as_much_energy(chosen, energies, rng)
            wanted = energies[chosen].sum()
            assert energies[drawn].sum() == pytest.approx(wanted, rel=CLOSE)
            # Beside the mask, where that holds enough.
            assert not (drawn & chosen).any() or energies[~chosen].sum() < wanted


def test_energies_that_cannot_be_matched():
    """Frames alike: as many. Nothing as soft: the softest one. All, or none: the mask itself."""
    rng = np.random.default_rng(1)
    chosen = np.arange(100) < 40
    assert as_much_energy(chosen, np.ones(100), rng).sum() == pytest.approx(40, abs=2)
    energies = np.where(chosen, 1e-6, 1.0)
    energies[70] = 0.5
    assert np.flatnonzero(as_much_energy(chosen, energies, rng)).tolist() == [70]
    for mask in (np.zeros(100, dtype=bool), np.ones(100, dtype=bool)):
        np.testing.assert_array_equal(as_much_energy(mask, energies, rng), mask)


def test_random_frames_of_the_energy_are_runs_anywhere():
    """Of frames alike, every frame beside the mask is as likely, and most are in whole runs."""
    chosen = (np.arange(60) >= 10) & (np.arange(60) < 20)
    counts, runs = np.zeros(60), []
    for seed in range(600):
        drawn = as_much_energy(chosen, np.ones(60), np.random.default_rng(seed))
        counts += drawn
        runs.append(run_lengths(drawn).size)
    assert not counts[chosen].any()
    assert counts[~chosen] / 600 == pytest.approx(0.2, abs=0.06)
    assert np.mean(runs) < 3


def test_random_bands_of_the_energy_are_softer_by_as_much():
    """A tone in the masked band, and two of half its power elsewhere: both are taken."""
    t = np.arange(16000) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * f * t) for f in (900, 3000, 6000)]
    x = (tones[0] + np.sqrt(0.5) * (tones[1] + tones[2])).astype(np.float32)
    mask, clip = build({"type": "band", "bands": [[600, 1200]]}), clip_of(x)
    assert mask.share([600, 1200], SAMPLE_RATE) == pytest.approx(600 / 8000, abs=2 / 513)
    (part,) = mask.parts([600, 1200], clip, [np.random.default_rng(4)])
    y = part.softer(x, 20.0)
    expected = tones[0] + 0.1 * np.sqrt(0.5) * (tones[1] + tones[2])
    np.testing.assert_allclose(y[1000:-1000], expected[1000:-1000], atol=0.06)


@pytest.mark.parametrize("entry", MASKS.values(), ids=MASKS)
def test_every_mask_is_held_against_its_energy(rows, entry):
    """Size and energy of random masks are those that the scores say."""
    detector = detector_of(length=None)
    row = rows.row(1, named=True)
    segments = [Segment(*values) for values in segments_of(rows.head(1)).drop("utt_id").rows()]
    entry = {**entry, "strengths": [1 if entry["type"] != "band" else 20]}
    if entry.get("as_published"):
        del entry["strengths"]
    result = masker(detector, {"m": entry}).masked("u", detector.policy.read(row["path"]), segments)
    for variant in {form[1] for form in result["masked"]}:
        forms: dict[str, list[Any]] = {}
        for _, of_variant, _, matched, _, _, *size in result["masked"]:
            if of_variant == variant:
                forms.setdefault(matched, []).append(size)
        (mask,) = forms.pop("-")
        assert set(forms) in ({"size", "energy"}, {"both"})
        for matched, sizes in forms.items():
            assert len(sizes) == 2
            for share, energy in sizes:
                if matched in ("size", "both"):
                    assert share == pytest.approx(mask[0])
                if matched in ("energy", "both"):
                    assert energy == pytest.approx(mask[1], rel=0.06, abs=0.005)


def test_a_random_band_has_the_width_and_lies_beside_the_mask():
    mask = build({"type": "band"})
    clip = clip_of(noise(16000))
    for seed in range(50):
        low, high = mask.random_target([600, 1200], clip, np.random.default_rng(seed))
        assert high - low == pytest.approx(600)
        assert (low >= 1200 and high <= 8000) or (high <= 600 and low >= 0)
    assert mask.random_target([100, 7900], clip, np.random.default_rng(1)) is None


def test_a_moved_change_has_the_same_energy_elsewhere():
    x = noise(5000)
    y = x.copy()
    y[:100] = 0
    shift = random_shift(x.size, np.random.default_rng(1))
    z = moved_change(x, y, shift)
    assert 500 <= shift < 4500
    np.testing.assert_allclose(np.roll(z - x, -shift), y - x, atol=1e-7)


# --- scores --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> pl.DataFrame:
    manifest = read_manifest(write_corpus(tmp_path_factory.mktemp("corpus"), {"eval": 8}))
    return manifest.with_columns(score=pl.lit(0.0))


def detector_of(**policy: Any) -> Detector:
    torch.manual_seed(1)
    detector = Detector(
        {"type": "lfcc", "n_filters": 10, "n_coefficients": 8},
        {"type": "mhfa", "heads": 2},
        InputPolicy(**policy),
    )
    return detector.eval()


def masker(detector: Detector, masks: dict[str, dict[str, Any]]) -> Masker:
    centroid = torch.zeros(detector.frontend.n_channels, detector.frontend.dim)
    built = {name: build(entry) for name, entry in masks.items()}
    return Masker(detector, built, controls=2, batch_size=4, seed=1, centroid=centroid)


def scored(rows: pl.DataFrame, detector: Detector) -> pl.DataFrame:
    return rows.with_columns(score=pl.Series([detector.predict(p)["score"] for p in rows["path"]]))


def segments_of(rows: pl.DataFrame) -> pl.DataFrame:
    tiers = [("phone", "A"), ("phone", "s"), ("word", "as")]
    table = [
        (utt_id, 0.1 * i, 0.1 * i + 0.1, *tier)
        for utt_id in rows["utt_id"]
        for i, tier in enumerate(tiers)
    ]
    return pl.DataFrame(table, schema=["utt_id", *Segment._fields[:4]], orient="row")


@pytest.mark.slow
@pytest.mark.parametrize(
    "policy", [{"length": 4000}, {"length": None}, {"length": 9000, "short": "zero"}]
)
def test_what_is_not_changed_has_the_very_score(rows, policy, tmp_path):
    detector = detector_of(**policy)
    done: dict[str, Any] = {}
    whole = scored(rows, detector)
    mask_utterances(masker(detector, MASKS), whole, segments_of(rows), done)
    write_masked(tmp_path / "masked.tsv", rows["utt_id"].to_list(), done)
    table = read_masked(tmp_path / "masked.tsv")
    assert table.schema == COLUMNS
    unmasked = table.filter(mask=UNMASKED).select("utt_id", unmasked="score")
    assert unmasked["unmasked"].to_list() == pytest.approx(whole["score"].to_list(), abs=1e-4)
    joined = table.filter(pl.col("mask") != UNMASKED).join(unmasked, on="utt_id")
    none = joined.filter(strength=0.0)
    assert set(none["mask"]) == {"silence", "loud", "band", "gain", "compressor", "codec"}
    assert none["score"].equals(none["unmasked"].alias("score"))
    # And what is changed, is.
    changed = joined.filter(pl.col("strength") > 0, pl.col("share") > 0)
    assert (changed["score"] != changed["unmasked"]).all()


def test_gain_does_nothing_to_what_does_not_hear_levels(rows):
    detector = detector_of(length=4000, normalize=True)
    whole = scored(rows, detector)
    done: dict[str, Any] = {}
    mask_utterances(masker(detector, {"gain": {"type": "gain"}}), whole, None, done)
    for result in done.values():
        gain, *controls = (row[5] for row in result["masked"])
        assert gain == pytest.approx(result["unmasked"], abs=1e-3)
        assert all(control != result["unmasked"] for control in controls)


def test_a_masked_waveform_has_the_score_of_its_recording(rows):
    detector = detector_of(length=4000)
    row = rows.row(1, named=True)
    x = detector.policy.read(row["path"])
    result = masker(detector, {"gain": {"type": "gain", "as_published": True}}).masked("u", x, [])
    assert result["masked"][0][5] == pytest.approx(detector.score(0.1 * x, SAMPLE_RATE), abs=1e-5)


@pytest.mark.slow
def test_a_killed_job_goes_on_and_shards_join(rows, monkeypatch):
    detector = detector_of(length=4000)
    whole = scored(rows, detector)
    some = {name: MASKS[name] for name in ("band", "loud", "codec")}
    expected: dict[str, Any] = {}
    mask_utterances(masker(detector, some), whole, None, expected)
    done: dict[str, Any] = {}
    for shard in (1, 0, 2):
        mask_utterances(masker(detector, some), whole, None, done, (shard, 3))
    assert done == expected
    del done["eval3"]
    mask_utterances(masker(detector, some), whole, None, done)
    assert done == expected


def test_scores_of_another_run_are_refused(rows):
    detector = detector_of(length=4000)
    others = scored(rows, detector).with_columns(pl.col("score") + 1)
    with pytest.raises(DetectorError, match="'eval0': its score file says"):
        mask_utterances(masker(detector, {"gain": {"type": "gain"}}), others, None, {})


def test_a_table_that_lacks_a_score_is_refused(tmp_path):
    rows = [
        ("a", 0, "gain", "-", 1.0, "-", 0, 1.0, 1.0, 1.0),
        ("b", 0, UNMASKED, "-", 0.0, "-", 0, 1.0, 0.0, 0.0),
    ]
    path = tmp_path / "masked.tsv"
    pl.DataFrame(rows, schema=COLUMNS, orient="row").write_csv(path, separator="\t")
    with pytest.raises(TableError, match=r"1 scores under 0 gain - 1\.0 - 0 of 2 utterances"):
        read_masked(path)


# --- numbers -------------------------------------------------------------------------------------


def trials_of(n: int = 60) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "utt_id": [f"u{i:03d}" for i in range(n)],
            "label": ["bonafide" if i % 2 else "spoof" for i in range(n)],
            "speaker": [f"s{i // 4}" for i in range(n)],
        }
    )


def test_differences_are_those_of_the_error_rates():
    trials = trials_of()
    rng = np.random.default_rng(5)
    bonafide = (trials["label"] == "bonafide").to_numpy()
    unmasked = rng.standard_normal(60) + 2 * bonafide
    # The mask takes from bona fide clips what makes them sure; its controls do nothing.
    mask = unmasked - 3 * bonafide
    table = compare_masked(
        unmasked,
        [{"-": [mask], "size": [unmasked, unmasked], "energy": [mask]}, {"-": [unmasked]}],
        trials,
        1.0,
        resamples=500,
        seed=1,
    )
    first = table.filter(number=0)
    for against in ("unmasked", "size"):
        of = {row["metric"]: row for row in first.filter(against=against).iter_rows(named=True)}
        for scores, key in ((mask, "value"), (unmasked, "reference")):
            pair = scores[bonafide], scores[~bonafide]
            rates = error_rates(*pair, 1.0)
            assert of["bonafide_rejected"][key] == pytest.approx(rates.bonafide_rejected)
            assert of["spoof_accepted"][key] == pytest.approx(rates.spoof_accepted)
            assert of["eer"][key] == pytest.approx(eer(*pair).value)
            assert of["min_dcf"][key] == pytest.approx(min_dcf(*pair))
        rejected = of["bonafide_rejected"]
        assert rejected["difference"] > 0.5
        assert 0 < rejected["ci_low"] < rejected["difference"] < rejected["ci_high"] <= 1
        # Fifteen speakers, and 500 resamples.
        assert rejected["p"] == pytest.approx(2 / 501)
        assert of["spoof_accepted"]["difference"] == 0
        assert of["spoof_accepted"]["p"] == 1
        assert rejected["n_clusters"] == rejected["n_units"] == 15
    # Random masks that do as much show that it is due to their energy.
    assert (first.filter(against="energy")["difference"] == 0).all()
    nothing = table.filter(number=1)
    assert set(nothing["against"]) == {"unmasked"}
    assert (nothing["difference"] == 0).all()
    assert (nothing["p"] == 1).all()


def test_a_random_effect_is_rarely_significant():
    trials = trials_of(80)
    bonafide = (trials["label"] == "bonafide").to_numpy()
    p = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        base = rng.standard_normal(80) + bonafide
        forms = {name: [base + 0.5 * rng.standard_normal(80)] for name in ("-", "size")}
        table = compare_masked(base, [forms], trials, 0.5, resamples=200, seed=seed)
        p += table.filter(against="size", metric="bonafide_rejected")["p"].to_list()
    assert np.mean(np.array(p) < 0.05) <= 0.1


def write_made(
    folder: Path,
    effect: float,
    n: int = 120,
    by_energy: float = 0.0,
    by_size: float = 0.0,
    control_energy: float = 1.0,
) -> dict[str, Any]:
    """Scores under masks of which one matters, as a job writes them, and their manifest.

    by_energy, by_size: how much of the effect random masks have, too. control_energy: of those of
    the energy of this one, over that of the mask.
    """
    rng = np.random.default_rng(2)
    trials = trials_of(n).with_columns(
        path=pl.col("utt_id"),
        split=pl.lit("eval"),
        attack=pl.when(pl.col("label") == "spoof").then(pl.lit("A")).otherwise(pl.lit("-")),
        duration=pl.lit(1.0),
        sample_rate=pl.lit(16000),
    )
    write_manifest(folder / "manifest.tsv", trials)
    bonafide = (trials["label"] == "bonafide").to_numpy()
    base = rng.standard_normal(n) + 3 * bonafide
    done: dict[str, Any] = {}
    for i, utt_id in enumerate(trials["utt_id"]):
        rows = []
        for name, strengths in (("band", (0.0, 10.0, 20.0)), ("gain", (0.0, 20.0))):
            for strength in strengths:
                change = effect * strength / 20 * bonafide[i] if name == "band" else 0.0
                variant = "600-1200 Hz" if name == "band" else "-"
                families = {"-": (1.0, 1.0), "size": (by_size, 0.1)}
                families["energy"] = (by_energy, control_energy)
                if name == "gain":
                    families = {"-": (1.0, 1.0), "both": (0.0, 1.0)}
                for matched, (like, as_loud) in families.items():
                    score, energy = base[i] - like * change, as_loud * strength / 100
                    share = 0.4 if matched == "energy" else 0.1
                    for control in (0,) if matched == "-" else (1, 2):
                        form = (name, variant, strength, matched, control)
                        rows.append([*form, score, share, energy])
        done[utt_id] = {"unmasked": float(base[i]), "masked": rows, "copies": []}
    write_masked(folder / "masked.tsv", trials["utt_id"].to_list(), done)
    write_detector(folder / "detector", meta={"threshold": 1.5})
    return {
        "name": "ears",
        "seed": 1,
        "corpus": "made",
        "split": "eval",
        "scores": str(folder / "masked.tsv"),
        "manifest": str(folder / "manifest.tsv"),
        "detector": str(folder / "detector" / "detector.json"),
    }


MADE = {"band": {"type": "band"}, "gain": {"type": "gain", "as_published": True}}


def table_of(folder: Path, entry: dict[str, Any], resamples: int = 1500) -> str:
    path = str(folder / "masking.tsv")
    settings = {"resamples": resamples, "bootstrap_seed": 1, "cluster": None}
    make([entry], MADE, {"table": path}, **settings)
    return path


def test_the_table_corrects_for_all_tests(tmp_path):
    table = read_masking(table_of(tmp_path, write_made(tmp_path, 4.0)))
    tests = table.filter(pl.col("p").is_not_null())
    # Two strengths that change something, three references, four metrics.
    assert tests.height == 24
    idle = table.filter((pl.col("strength") == 0) | (pl.col("mask") == "gain"))
    assert idle["p_holm"].is_null().all()
    assert idle["difference"].to_list() == [0.0] * 28
    np.testing.assert_allclose(tests["p_holm"], holm(tests["p"]))
    assert (tests["p_smallest"] >= 24 * 2 / 1501).all()
    significant = tests.filter(pl.col("p_holm") < 0.05)
    assert set(significant["mask"]) == {"band"}
    assert set(significant["metric"]) == {"bonafide_rejected", "eer", "min_dcf"}
    assert table.filter(mask="gain")["as_published"].to_list() == ["yes"] * 16


@pytest.mark.slow
def test_the_report_concludes_from_the_numbers(tmp_path):
    (section,) = masking_section(table_of(tmp_path, write_made(tmp_path, 4.0)))
    text = " ".join(section["sentences"])
    assert "60 bona fide and 60 spoofed clips of 30 speakers (or other" in text
    assert "ears hears what band (600-1200 Hz) at 20 dB masks: bona fide rejected is +" in text
    assert "beyond random masks of the same size (+" in text
    assert "beyond random masks of the same energy (+" in text
    assert len(section["doubts"]) == 1
    (published,) = section["published"]
    assert published.startswith("gain: the form is the same")
    assert "bona fide rejected +0.0 and spoof accepted +0.0 points, bona fide" in published
    assert published.endswith("the study has no corrected form beside it.")
    (section,) = masking_section(table_of(tmp_path, write_made(tmp_path, 0.0)))
    assert section["sentences"][1:] == [
        "Nothing is masked by band (600-1200 Hz): every score is as it was.",
        "No mask can be held against random masks, so nothing shows what is heard.",
    ]
    (section,) = masking_section(table_of(tmp_path, write_made(tmp_path, 0.1)))
    assert "No mask is shown to change the decisions of ears" in " ".join(section["sentences"])


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        ({"by_energy": 1.0}, "no more is shown than that any mask of the same energy does so."),
        ({"by_size": 1.0}, "no more is shown than that any mask of the same size does so."),
        # Random masks that do even more show nothing, either.
        (
            {"by_size": 2.0, "by_energy": 2.0},
            "no more is shown than that any mask of the same size or energy does so.",
        ),
    ],
)
def test_what_random_masks_do_as_well_is_not_heard(tmp_path, effects, said):
    (section,) = masking_section(table_of(tmp_path, write_made(tmp_path, 2.0, **effects)))
    text = " ".join(section["sentences"])
    assert "ears hears" not in text
    assert f"band (600-1200 Hz) at 20 dB changes its decisions, and {said}" in text
    assert "No mask is shown to change the decisions of ears more than random masks" in text


def test_random_masks_of_another_energy_or_size_are_doubted(tmp_path):
    entry = write_made(tmp_path, 4.0, control_energy=0.3)
    loud, large = masking_section(table_of(tmp_path, entry))[0]["doubts"]
    assert "as much energy as those of band (600-1200 Hz) (0.06 against 0.2), in" in loud
    assert "for band (600-1200 Hz) (0.4 against 0.1), in shares of the frames" in large
    table = read_masking(str(tmp_path / "masking.tsv")).filter(mask="band", strength=20.0)
    sizes = dict.fromkeys(("size", "energy"), ())
    for row in table.filter(metric="eer").iter_rows(named=True):
        sizes[row["against"]] = row["control_share"], row["control_energy"]
    assert sizes["unmasked"] == (None, None)
    assert sizes["size"] == pytest.approx((0.1, 0.02))
    assert sizes["energy"] == pytest.approx((0.4, 0.06))


def test_few_clips_prove_nothing(tmp_path):
    (section,) = masking_section(table_of(tmp_path, write_made(tmp_path, 4.0, n=24)))
    doubt, _ = section["doubts"]
    assert doubt.startswith("no difference can be significant")


@pytest.mark.slow
def test_the_figure_shows_doses_and_responses(tmp_path):
    outputs = {suffix: str(tmp_path / f"figure.{suffix}") for suffix in ("pdf", "png", "tsv")}
    draw(table_of(tmp_path, write_made(tmp_path, 4.0)), outputs)
    assert all(Path(path).stat().st_size for path in outputs.values())


def test_a_threshold_is_needed_and_may_be_chosen_on_other_trials(tmp_path):
    entry = write_made(tmp_path, 0.0)
    write_detector(tmp_path / "detector", meta={"threshold": None})
    with pytest.raises(SpoofscopeError, match=r"has no threshold.*`masking\.threshold`"):
        table_of(tmp_path, entry, resamples=100)
    unmasked = read_masked(entry["scores"]).filter(mask=UNMASKED).select("utt_id", "score")
    write_scores(tmp_path / "scores.tsv", unmasked)
    chosen = {"dev_manifest": entry["manifest"], "dev_split": "eval"}
    chosen["dev_scores"] = str(tmp_path / "scores.tsv")
    table = read_masking(table_of(tmp_path, {**entry, **chosen}, resamples=100))
    values = table.filter(mask="gain", against="unmasked", strength=0.0)
    rates = dict(values.select("metric", "value").iter_rows())
    assert rates["bonafide_rejected"] == pytest.approx(rates["eer"], abs=0.02)


def test_corrected_forms_stand_beside_the_published_ones(tmp_path):
    masks = {"band": {"type": "gain"}, "gain": {"type": "gain", "as_published": True}}
    path = str(tmp_path / "masking.tsv")
    settings = {"resamples": 100, "bootstrap_seed": 1, "cluster": None}
    make([write_made(tmp_path, 4.0)], masks, {"table": path}, **settings)
    ((text,),) = (section["published"] for section in masking_section(path))
    assert "; by band (600-1200 Hz), bona fide rejected +" in text
    assert text.count("beyond random masks of the same size and energy") == 1
    assert text.count("beyond random masks of the same energy") == 1


# --- study files ---------------------------------------------------------------------------------


def study_with(**section: Any) -> dict[str, Any]:
    config = read_config(MINI)
    trials = [{"corpus": "mini", "split": "eval"}]
    masks = {"gain": {"type": "gain"}}
    config["masking"] = {"detectors": ["fbank_cnn"], "trials": trials, "masks": masks, **section}
    return config


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"detectors": ["fbank"]}, r"masking\.detectors\[0\]: .*'fbank_cnn'"),
        ({"trials": [{"corpus": "mini", "split": "train"}]}, r"trials\[0\]: mini\.train is not"),
        ({"masks": {"a": {"type": "bands"}}}, r"masks\.a\.type: .*did you mean 'band'"),
        ({"masks": {"a": {"type": "band", "bands": [[9, 8]]}}}, r"a\.bands\[0\]: .*low < high"),
        ({"masks": {"a": {"type": "band", "bands": []}}}, "no band; name some, or a `sweep`"),
        (
            {"masks": {"a": {"type": "band", "as_published": True, "sweep": 500}}},
            "`as_published` has values of its own; leave out 'sweep'",
        ),
        ({"masks": {"a": {"type": "silence", "strengths": [2]}}}, r"masking\.masks\.a"),
        ({"threshold": {"corpus": "mini", "split": "eval"}}, "a threshold is not chosen on eval"),
    ],
)
def test_what_cannot_be_masked_is_refused(section, message):
    with pytest.raises(ConfigError, match=message):
        checked(study_with(**section))


def test_shipped_studies_have_resamples_for_their_tests():
    """40 per test, or none can be significant."""
    studies = [MINI, *sorted((MINI.parent / "studies").glob("*.yaml"))]
    sections = {path.stem: read_config(path).get("masking") for path in studies}
    masked = {name: section for name, section in sections.items() if section is not None}
    assert {"config", "ig_detectors", "planted_truth"} <= masked.keys()
    short = {
        name: needed
        for name, section in masked.items()
        if (needed := 40 * _tests_of(section)) > section["resamples"]
    }
    assert short == {}


def _tests_of(section):
    """Of all masks and detectors of a section `masking`."""
    tests = 0
    for entry in section["masks"].values():
        mask = build(entry)
        named = getattr(mask.options, "classes", None) or getattr(mask.options, "codecs", None)
        variants = mask.targets(SAMPLE_RATE) if isinstance(mask, WaveformMask) else named or "-"
        references = 2 if getattr(mask, "matched", "size") == "both" else 3
        strengths = sum(strength > 0 for strength in mask.options.strengths)
        tests += len(variants) * references * strengths * len(MASKED_METRICS)
    return tests * len(section["detectors"])


def test_the_example_of_the_page_is_a_study(tmp_path):
    page = (Path(__file__).parents[1] / "docs/masking.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    section = yaml.safe_load(example)["masking"]
    config = study_with(**section)
    with pytest.raises(ConfigError, match=r"masking\.aligner: no aligner 'letters'"):
        checked(config)
    config["backbones"]["listener"] = {"family": "wav2vec2", "tiny": {}, "head": "ctc"}
    letters = {"type": "ctc", "backbone": "listener", "silence": "pauses"}
    config["aligners"]["letters"] = letters
    unnamed = {"type": "phone_classes"}
    config["masking"] = {**section, "masks": {**section["masks"], "classes": unnamed}}
    with pytest.raises(ConfigError, match=r"masks\.classes: .*'letters' finds letters.*`classes`"):
        checked(config)
    config["masking"] = section
    assert checked(config).config["masking"]["per_attack"] == 20
    types = {entry["type"] for entry in section["masks"].values()}
    assert types == set(options.MASKS)
    for entry in section["masks"].values():
        build(entry)
    # Every type is in the tables of the page, and those with a published form in both.
    for name, cls in options.MASKS.items():
        rows = len(re.findall(rf"^\| `{name}` \|", page, re.MULTILINE))
        published = issubclass(cls, options.PublishedOptions)
        assert rows == (3 if name == "band" else 1 + published), name


def test_segments_are_those_of_the_aligner():
    config = study_with(masks={"a": {"type": "phones"}})
    for aligner, end in (({}, "segments/mini.tsv"), ({"aligner": "own"}, "own/mini.eval.tsv")):
        config["aligners"]["own"] = {"type": "table"}
        plan = plan_of(checked({**config, "masking": {**config["masking"], **aligner}}))
        (scoring,) = plan.masking.heard
        job = plan.masking.of(scoring).maker
        assert str(job.work.inputs["segments"]).endswith(end)


def test_phones_need_segments(tmp_path):
    config = study_with(masks={"a": {"type": "silence"}})
    config["corpora"]["own"] = {"type": "folder", "path": str(tmp_path)}
    config["score"].append({"corpus": "own", "splits": ["eval"]})
    config["masking"]["trials"] = [{"corpus": "own", "split": "eval"}]
    with pytest.raises(ConfigError, match=r"masks\.a: .* in 'own'.*`masking\.aligner`.*level`"):
        checked(config)
    config["masking"]["aligner"] = "pause"
    with pytest.raises(ConfigError, match=r"masking\.aligner: .*did you mean 'pauses'"):
        checked(config)
    config["masking"]["aligner"] = "pauses"
    checked(config)
    config["masking"]["masks"]["b"] = {"type": "phones"}
    with pytest.raises(ConfigError, match=r"masks\.b: .*'pauses' of type energy finds silences"):
        checked(config)
    del config["masking"]["masks"]["b"], config["masking"]["aligner"]
    config["masking"]["masks"]["a"]["by"] = "level"
    checked(config)
