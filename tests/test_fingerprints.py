"""Fingerprints: packets against PyWavelets, planted lines found, heard and told from chance."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import pywt

from spoofscope import audio
from spoofscope.errors import ConfigError, TableError
from spoofscope.fingerprints.means import (
    BONAFIDE,
    Fingerprints,
    choose_clips,
    gather,
    read_fingerprints,
    write_fingerprints,
)
from spoofscope.fingerprints.sound import PEAK, inverse_packets, noise, packet_noise, write_sounds
from spoofscope.fingerprints.spectra import mean_power, packets, spectra
from spoofscope.fingerprints.stability import compare_halves
from spoofscope.options.fingerprints import FingerprintOptions as Options

RATE = 8000
LINES = (1000, 2000, 3000)
OPTIONS = Options(level=8, group="sentence")


def speech(rng: np.random.Generator, n: int = RATE) -> np.ndarray:
    """Noise with a falling spectrum that differs a little from clip to clip."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hertz = np.fft.rfftfreq(n, 1 / RATE)
    x = np.fft.irfft(spectrum / (1 + hertz / rng.uniform(200, 800)), n)
    return (0.1 * x / np.abs(x).max()).astype(np.float32)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> pl.DataFrame:
    """Bona fide, a vocoder that leaves lines at `LINES` Hz, and one that changes nothing."""
    folder = tmp_path_factory.mktemp("audio")
    rng = np.random.default_rng(3)
    seconds = np.arange(RATE) / RATE
    lines = sum(0.004 * np.sin(2 * np.pi * hertz * seconds) for hertz in LINES)
    rows = []
    for attack, planted in (("-", 0.0), ("honest", 0.0), ("lines", lines)):
        for i in range(32):
            path = folder / f"{attack}{i:02}.wav"
            audio.write(path, speech(rng) + planted, RATE)
            rows.append(
                {
                    "utt_id": path.stem,
                    "path": str(path),
                    "split": "train",
                    "label": "bonafide" if attack == "-" else "spoof",
                    "attack": attack,
                    "speaker": "one",
                    "duration": 1.0,
                    "sample_rate": RATE,
                    "sentence": str(i),
                    "voice": "low" if i < 8 else "high",
                }
            )
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def gathered(manifest) -> tuple[pl.DataFrame, Fingerprints, np.ndarray]:
    clips = choose_clips(manifest, OPTIONS, 1, "m.tsv")
    return clips, *gather(clips, OPTIONS)


# --- spectra -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wavelet", "n", "level"), [("haar", 22050, 14), ("haar", 1001, 5), ("sym5", 2205, 4)]
)
def test_packets_are_those_of_pywavelets(wavelet, n, level):
    x = np.random.default_rng(n).standard_normal(n)
    tree = pywt.WaveletPacket(x, wavelet, mode="reflect", maxlevel=level)
    expected = np.array([node.data for node in tree.get_level(level, order="freq")])
    assert packets(x, wavelet, level) == pytest.approx(expected, abs=1e-10)


def test_a_second_at_22050_hz_gives_two_coefficients_in_each_of_16384_packets():
    assert packets(np.zeros(22050), "haar", 14).shape == (16384, 2)


def test_bands_are_in_the_order_of_frequency():
    peaks = []
    for hertz in range(300, 3900, 400):
        tone = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
        strongest = spectra(tone, "db8", 6).packets.argmax()
        assert abs((strongest + 0.5) * RATE / 2**7 - hertz) < RATE / 2**7
        peaks.append(strongest)
    assert all(lower < higher for lower, higher in pairwise(peaks))


def test_mean_power_of_a_tone_is_in_its_bin():
    tone = np.cos(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    power = mean_power(tone)
    assert power.argmax() == 1000 / (RATE / 256)
    # A Hann window passes half of the amplitude, of which a bin of 256 samples holds 128.
    assert power.max() == pytest.approx((128 / 2) ** 2, rel=1e-6)


# --- means -------------------------------------------------------------------------------------


def test_means_are_those_of_all_clips_at_once(manifest, gathered):
    clips, fingerprints, bands = gathered
    assert fingerprints.sources == (BONAFIDE, "honest", "lines")
    assert fingerprints.n_clips == (32, 32, 32)
    for i, source in enumerate(fingerprints.sources):
        paths = clips.filter(pl.col("source") == source)["path"]
        waves = np.stack([audio.read(path)[0] for path in paths]).astype(np.float64)
        tree = np.stack([np.abs(packets(wave, "haar", 8)).mean(axis=1) for wave in waves])
        assert fingerprints.means["packets"][i] == pytest.approx(tree.mean(axis=0), rel=1e-12)
        fourier = np.abs(np.fft.rfft(waves, axis=1)).mean(axis=0)
        assert fingerprints.magnitudes("fourier")[0][i] == pytest.approx(fourier, rel=1e-9)
        coherent = np.abs(np.fft.rfft(waves.mean(axis=0)))
        assert fingerprints.magnitudes("coherent")[0][i] == pytest.approx(coherent, abs=1e-9)
        own = (clips["source"] == source).to_numpy()
        assert bands[own] == pytest.approx(tree, rel=1e-6)


def test_differences_are_bona_fide_less_generator(gathered):
    _, fingerprints, _ = gathered
    real, honest, lines = fingerprints.means["packets"]
    assert fingerprints.differences("packets") == pytest.approx(
        np.log(real) - np.log([honest, lines])
    )
    assert fingerprints.average_difference("packets") == pytest.approx(
        np.log(real) - np.log((honest + lines) / 2)
    )


@pytest.mark.parametrize("kind", ["packets", "fourier", "coherent"])
def test_planted_lines_are_where_the_difference_is_lowest(gathered, kind):
    _, fingerprints, _ = gathered
    honest, lines = fingerprints.differences(kind)
    hertz = fingerprints.frequencies(kind)
    width = hertz[1] - hertz[0]
    upper = hertz > 500
    for planted in LINES:
        near = np.abs(hertz - planted) <= 2 * width
        assert lines[near].min() == pytest.approx(
            lines[upper & (np.abs(hertz - planted) < 400)].min()
        )
        assert lines[near].min() < honest[near].min() - 0.2


def test_generators_are_compared_with_bona_fide_speech_of_their_voices(manifest):
    low = (pl.col("attack") != "lines") | (pl.col("voice") == "low")
    options = Options(level=6, group="sentence", match="voice")
    clips = choose_clips(manifest.filter(low), options, 1, "m.tsv")
    fingerprints, _ = gather(clips, options)
    paths = manifest.filter((pl.col("attack") == "-") & (pl.col("voice") == "low"))["path"]
    expected = [np.abs(packets(audio.read(path)[0], "haar", 6)).mean(axis=1) for path in paths]
    assert fingerprints.references["packets"][2] == pytest.approx(np.mean(expected, axis=0))
    # All voices of bona fide speech are among the honest vocoder's, in the same shares.
    for row in (0, 1):
        assert fingerprints.references["packets"][row] == pytest.approx(
            fingerprints.means["packets"][0]
        )


def test_clips_of_equal_levels_count_alike(manifest, tmp_path):
    quiet = audio.read(manifest["path"][0])[0] / 16
    audio.write(tmp_path / "quiet.wav", quiet, RATE)
    options = Options(level=6, group="sentence", equal_levels=True)
    clips = choose_clips(manifest, options, 1, "m.tsv")
    one = clips.unique("source", keep="first", maintain_order=True)
    audio.write(tmp_path / "loud.wav", quiet * 8, RATE)
    paths = [str(tmp_path / f"{name}.wav") for name in ("quiet", "loud", "loud")]
    fingerprints, _ = gather(one.with_columns(path=pl.Series(paths)), options)
    # The quiet one has been rounded to steps of 16 bits.
    assert fingerprints.differences("packets") == pytest.approx(0, abs=0.02)
    unequal, _ = gather(one.with_columns(path=pl.Series(paths)), Options(level=6))
    assert np.median(unequal.differences("packets")) == pytest.approx(-np.log(8), abs=0.02)


def test_pairs_stay_pairs_however_few_are_drawn(manifest):
    """Bona fide recordings that no generator copied do not displace those that one did."""
    copied = manifest.filter((pl.col("attack") == "-") | (pl.col("sentence").cast(int) >= 20))
    options = Options(clips=5, group="speaker", match="sentence")
    clips = choose_clips(copied, options, 1, "m.tsv")
    drawn = [set(own["voice"]) for _, own in clips.group_by("source", maintain_order=True)]
    assert len(drawn) == 3
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(drawn[0]) == 5


def test_the_same_groups_are_drawn_of_all_sources(manifest):
    clips = choose_clips(manifest, Options(clips=7, group="sentence"), 1, "m.tsv")
    drawn = [set(own["group"]) for _, own in clips.group_by("source")]
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(drawn[0]) == 7
    one_speaker = choose_clips(manifest, Options(clips=7), 1, "m.tsv")
    assert one_speaker["source"].value_counts()["count"].to_list() == [7, 7, 7]


def test_clips_are_drawn_by_the_seed_and_sorted(manifest):
    options = Options(clips=5, attacks=("lines",), group="sentence")
    first, again, other = (choose_clips(manifest, options, seed, "m.tsv") for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
    assert first["source"].to_list() == [BONAFIDE] * 5 + ["lines"] * 5
    assert first["utt_id"].to_list() == sorted(first["utt_id"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(attacks=("lnies",)), "no attack 'lnies'.*'lines'"),
        (Options(group="sentense"), "no column 'sentense'.*'sentence'"),
        (Options(seconds=1.5), "no honest clip of 1.5 s"),
        (Options(splits=("eval",), attacks=None), "no generators in eval"),
    ],
)
def test_what_is_not_there_is_named(manifest, options, message):
    with pytest.raises(ConfigError, match=message):
        choose_clips(manifest, options, 1, "m.tsv")


def test_a_voice_without_bona_fide_speech_is_refused(manifest):
    alone = manifest.filter((pl.col("attack") != "-") | (pl.col("voice") == "low"))
    with pytest.raises(ConfigError, match=r"fingerprints\.match: honest.*voice 'high'"):
        choose_clips(alone, Options(match="voice"), 1, "m.tsv")


def test_rates_that_differ_and_clips_that_end_early_are_refused(manifest):
    clips = choose_clips(manifest, OPTIONS, 1, "m.tsv")
    mixed = clips.with_columns(
        sample_rate=pl.when(pl.col("source") == "lines").then(16000).otherwise(RATE)
    )
    with pytest.raises(ConfigError, match=r"8000 and 16000 Hz.*sample_rate"):
        gather(mixed, OPTIONS)
    with pytest.raises(TableError, match=r"00\.wav: it has 1\.000 s"):
        gather(clips, Options(seconds=2.0, level=6))
    with pytest.raises(ConfigError, match="'haarr' is no discrete wavelet"):
        gather(clips, Options(wavelet="haarr"))


def test_files_hold_what_was_written_and_others_are_refused(gathered, tmp_path):
    _, fingerprints, _ = gathered
    paths = [tmp_path / name for name in ("a.safetensors", "b.safetensors")]
    for path in paths:
        write_fingerprints(path, fingerprints)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    read = read_fingerprints(paths[0])
    assert read.sources == fingerprints.sources
    assert np.array_equal(read.differences("energy"), fingerprints.differences("energy"))
    paths[0].write_bytes(paths[0].read_bytes()[:-9])
    for path in (paths[0], tmp_path / "none"):
        with pytest.raises(TableError, match="holds no fingerprints"):
            read_fingerprints(path)


# --- stability ---------------------------------------------------------------------------------


def test_halves_agree_on_a_planted_pattern_and_not_on_chance(gathered):
    clips, _, bands = gathered
    table = compare_halves(clips, bands, halves=20, permutations=99, seed=1)
    again = compare_halves(clips, bands, halves=20, permutations=99, seed=1)
    assert table.equals(again)
    own = table.filter(pl.col("generator") == pl.col("other"))
    for structure in ("whole", "fine"):
        chance, honest, lines = own.filter(pl.col("structure") == structure).iter_rows(named=True)
        assert (chance["generator"], honest["generator"]) == (BONAFIDE, "honest")
        assert lines["pearson"] > 0.7 > chance["pearson_high"]
        assert lines["p"] == 0.01
        assert lines["p_holm"] == 0.02
        assert lines["own_closest"] == 1
        assert honest["p"] > 0.05
        assert chance["pearson_low"] < 0 < chance["pearson_high"]
        assert chance["p"] is None


def test_p_is_no_smaller_than_the_groups_can_carry(gathered):
    """Three speakers agree by chance in every fourth draw, however many clips they have."""
    clips, _, bands = gathered
    group = pl.concat_str(pl.lit("g"), pl.col("utt_id").str.tail(1).cast(pl.Int64) % 3)
    table = compare_halves(
        clips.with_columns(group=group), bands, halves=5, permutations=99, seed=1
    )
    own = table.filter((pl.col("generator") == pl.col("other")) & (pl.col("generator") == "lines"))
    assert own["n_groups"].to_list() == [3, 3]
    assert own["p"].to_list() == [0.25, 0.25]
    assert own["p_holm"].to_list() == own["p_smallest"].to_list() == [0.5, 0.5]


def test_correlations_are_numpys(gathered):
    """With two groups there are two halves, each the other's complement."""
    clips, _, bands = gathered
    clips = clips.with_columns(group="voice" + (pl.col("utt_id").str.tail(2) < "16").cast(str))
    table = compare_halves(clips, bands, halves=3, permutations=9, seed=1)
    first = (clips["group"] == clips["group"][0]).to_numpy()

    def difference(source: str, half: np.ndarray) -> np.ndarray:
        real, fake = ((clips["source"] == name).to_numpy() & half for name in (BONAFIDE, source))
        return np.log(bands[real].mean(axis=0)) - np.log(bands[fake].mean(axis=0))

    r = {
        (one, other): np.corrcoef(difference(one, first), difference(other, ~first))[0, 1]
        for one in ("honest", "lines")
        for other in ("honest", "lines")
    }
    found = {
        (row["generator"], row["other"]): row["pearson"]
        for row in table.filter(pl.col("structure") == "whole").iter_rows(named=True)
    }
    assert found["lines", "lines"] == pytest.approx(r["lines", "lines"], abs=1e-5)
    mixed = (r["honest", "lines"] + r["lines", "honest"]) / 2
    assert found["honest", "lines"] == pytest.approx(mixed, abs=1e-5)


def test_groups_that_cannot_be_halved_are_refused(gathered):
    clips, _, bands = gathered
    with pytest.raises(ConfigError, match=r"fingerprints\.group: its 1 values.*utt_id"):
        compare_halves(
            clips.with_columns(group=pl.lit("one")), bands, halves=2, permutations=9, seed=1
        )


# --- sound -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [800, 801])
def test_noise_has_the_spectrum_that_was_asked_for(n):
    magnitudes = np.linspace(1, 0, n // 2 + 1) ** 2
    sound = noise(magnitudes, n, 2 * n / RATE, RATE, seed=1)
    assert np.abs(sound).max() == pytest.approx(PEAK)
    # Two periods, without a seam: every second bin of the whole.
    spectrum = np.abs(np.fft.rfft(sound))
    assert spectrum[1::2] == pytest.approx(0, abs=1e-9)
    assert spectrum[::2] / spectrum[0] == pytest.approx(magnitudes, abs=1e-9)


@pytest.mark.parametrize(
    ("wavelet", "n", "level"), [("haar", 512, 9), ("haar", 1001, 5), ("sym5", 2205, 4)]
)
def test_inverse_packets_are_those_of_pywavelets(wavelet, n, level):
    rng = np.random.default_rng(n)
    signal = rng.standard_normal(n)
    nodes = packets(signal, wavelet, level)
    other = rng.standard_normal(nodes.shape)
    tree = pywt.WaveletPacket(None, wavelet, mode="reflect", maxlevel=level)
    for name, values in zip(
        pywt.WaveletPacket(np.zeros(n), wavelet, maxlevel=level).get_level(level, "freq"),
        other,
        strict=True,
    ):
        tree[name.path] = values
    made = inverse_packets(np.stack([nodes, other]), wavelet, n)
    assert made[0] == pytest.approx(signal, abs=1e-10)
    assert made[1] == pytest.approx(tree.reconstruct(update=False)[:n], abs=1e-10)


@pytest.mark.parametrize(("wavelet", "inner"), [("haar", slice(None)), ("sym5", slice(9, -9))])
def test_noise_of_packets_has_the_magnitudes_that_were_asked_for(wavelet, inner):
    magnitudes = np.stack([np.linspace(1, 0.1, 32), np.zeros(32)])
    sound, silence = packet_noise(magnitudes, wavelet, 0.256, RATE, seed=1)
    assert np.abs(sound).max() == pytest.approx(PEAK)
    assert not silence.any()
    # Filters of more than two taps reach over the ends.
    found = np.abs(packets(sound, wavelet, 5))[:, inner]
    assert found / found[0, 0] == pytest.approx(
        np.broadcast_to(magnitudes[0][:, None], found.shape)
    )


def test_sounds_are_written_for_every_source_and_difference(gathered, tmp_path):
    _, fingerprints, _ = gathered
    folder = tmp_path / "sounds"
    folder.mkdir()
    (folder / "former.mean.wav").touch()
    table = write_sounds(fingerprints, folder, 2.0, seed=1)
    assert sorted(table["path"]) == sorted(map(str, folder.iterdir()))
    assert [Path(path).name for path in table["path"]] == [
        "bonafide.mean.wav",
        "bonafide.packets.wav",
        "honest.mean.wav",
        "honest.packets.wav",
        "honest.difference.wav",
        "lines.mean.wav",
        "lines.packets.wav",
        "lines.difference.wav",
    ]
    samples, rate = audio.read(folder / "lines.difference.wav")
    assert (samples.size, rate) == (2 * RATE, RATE)
    spectrum = np.abs(np.fft.rfft(samples[:RATE]))
    assert set(np.argsort(spectrum[500:])[-3:] + 500) == set(LINES)


def test_sounds_of_attacks_with_any_name(gathered, tmp_path):
    names = {"lines": "漢" * 100, "honest": "a/b %"}
    _, fingerprints, _ = gathered
    sources = tuple(names.get(source, source) for source in fingerprints.sources)
    renamed = replace(fingerprints, sources=sources)
    table = write_sounds(renamed, tmp_path / "sounds", 0.1, seed=1)
    assert set(table["source"]) == {"bonafide", *names.values()}
    assert table["path"].n_unique() == 8
    for path in table["path"]:
        assert audio.read(path)[0].size == RATE // 10


# --- the nearest fingerprint as a detector -----------------------------------------------------


@pytest.fixture(scope="module")
def detector(manifest):
    """A detector fitted to the first half of the clips."""
    from spoofscope.detector import Detector
    from spoofscope.inputs import detector_inputs
    from spoofscope.training.fit_once import fit_backend
    from spoofscope.windows import InputPolicy

    made = Detector(
        {
            "type": "wavelet_packets",
            "wavelet": "db8",
            "level": 8,
            "sample_rate": RATE,
            "normalise": "none",
        },
        {"type": "fingerprint", "bands": 128},
        InputPolicy(sample_rate=RATE, length=None),
    )
    rows = manifest.filter(pl.col("utt_id").str.tail(2).cast(int) < 16)
    attacks = dict(rows.select("utt_id", "attack").iter_rows())
    fit_backend(made, detector_inputs(rows, made.policy, None), attacks, seed=1)
    return made


def test_scores_are_log_likelihood_ratios_to_the_nearest_generator(detector, manifest):
    import torch
    from scipy.stats import multivariate_normal

    backend = detector.backend
    assert backend.sources == (BONAFIDE, "honest", "lines")
    samples = audio.read(manifest["path"][90])[0]
    values, _ = detector.frontend(torch.from_numpy(samples)[None], torch.tensor([samples.size]))
    profile = values[0, 0].double().mean(dim=0).reshape(128, 2).mean(dim=1).numpy()
    profile -= profile.mean()
    bonafide, *generators = (
        multivariate_normal.logpdf(profile, mean, np.diag(backend.variances.double()))
        for mean in backend.means.double().numpy()
    )
    expected = (bonafide - max(generators)) / 128
    assert detector.score(samples, RATE) == pytest.approx(expected, rel=1e-4)


def test_level_does_not_count(detector, manifest):
    samples = audio.read(manifest["path"][0])[0]
    assert detector.score(0.1 * samples, RATE) == pytest.approx(
        detector.score(samples, RATE), abs=1e-3
    )


def test_unseen_clips_are_named_after_their_generator(detector, manifest, tmp_path):
    from spoofscope.detector import Detector
    from spoofscope.fingerprints.nearest import confusion, nearest_sources

    detector.save(tmp_path / "detector")
    loaded = Detector.load(tmp_path / "detector")
    rows = manifest.filter(pl.col("utt_id").str.tail(2).cast(int) >= 16)
    named = nearest_sources(loaded, rows)
    assert named["utt_id"].to_list() == rows["utt_id"].to_list()
    lines = named.filter(pl.col("source") == "lines")
    assert (lines["nearest"] == "lines").mean() > 0.9
    assert (named.filter(pl.col("source") == BONAFIDE)["nearest"] != "lines").mean() > 0.9
    for row, path in zip(named.rows(named=True), rows["path"], strict=True):
        score = row[BONAFIDE] - max(row["honest"], row["lines"])
        assert loaded.predict(path)["score"] == pytest.approx(score, abs=1e-5)

    # A generator that was not trained on is never named rightly, and counts in no accuracy.
    strange = named.with_columns(source=pl.col("source").replace("honest", "stranger"))
    table = confusion(strange)
    shares = {row[:2]: row[3] for row in table.rows()}
    right = [shares.get((name, name), 0.0) for name in (BONAFIDE, "lines")]
    assert table["balanced_accuracy"].unique().to_list() == [pytest.approx(np.mean(right))]
    assert set(table.filter(pl.col("known") == "no")["source"]) == {"stranger"}
    assert table["n"].sum() == rows.height


def test_bands_that_do_not_fit_and_sources_that_lack_are_refused():
    from spoofscope.backends import registry
    from spoofscope.errors import DetectorError, TrainingError

    with pytest.raises(ConfigError, match="100 does not divide the 256 bands"):
        registry.build({"type": "fingerprint", "bands": 100}, n_channels=1, dim=256, n_frames=None)
    backend = registry.build(
        {"type": "fingerprint", "bands": 8}, n_channels=1, dim=16, n_frames=None
    )
    frames = np.zeros((2, 16), dtype=np.float32)
    with pytest.raises(TrainingError, match="at least one generator"):
        backend.fit([(frames, "-"), (frames, "-")], seed=1)
    import torch

    with pytest.raises(DetectorError, match="train the detector first"):
        backend(torch.zeros(1, 1, 2, 16), torch.tensor([2]))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"corpus": "mni"}, r"fingerprints\.corpus: 'mni' is neither.*'mini'"),
        ({"corpus": "mini_field", "splits": ["eval"]}, r"fingerprints\.corpus: .* used for eval"),
        ({"corpus": "mini", "levle": 3}, r"fingerprints: unknown key 'levle'.*'level'"),
    ],
)
def test_study_files_are_checked(entry, message):
    from spoofscope.plan.study_plan import checked
    from spoofscope.study.reading import read_config

    config = read_config(Path(__file__).parents[1] / "config/config.yaml")
    with pytest.raises(ConfigError, match=message):
        checked({**config, "fingerprints": entry})
