"""Shortcuts: cues that change sides, controls as large, exact tests, and what is said of them."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from detector_folders import write_detector
from planning import plan_of
from spoofscope import audio
from spoofscope.augmentation.band import band_of
from spoofscope.augmentation.base import power
from spoofscope.augmentation.chain import Chain
from spoofscope.augmentation.registry import build as build_effect
from spoofscope.errors import ConfigError, SpoofscopeError, TableError
from spoofscope.figures.shortcuts import draw
from spoofscope.metrics.bootstrap import Draws
from spoofscope.metrics.correlation import holm
from spoofscope.metrics.counterfactual import Flips, flip_rates, shortcut_index, sign_p
from spoofscope.options.shortcuts import Cue
from spoofscope.plan.study_plan import checked
from spoofscope.report.shortcuts import shortcut_points, shortcut_section
from spoofscope.shortcuts.controls import matched_control
from spoofscope.shortcuts.scores import Auditor, audit_utterances
from spoofscope.shortcuts.tables import read_audited, write_audited
from spoofscope.study import MINI
from spoofscope.study.reading import read_config
from spoofscope.summaries.shortcuts import make, read_shortcuts, verdict
from spoofscope.tables import MANIFEST_COLUMNS, read_manifest, write_manifest
from toy_detectors import Toy, level_db

RATE = 16000
CHAINS: dict[str, list[dict[str, Any]]] = {
    "quiet": [{"effect": "level", "level": [-40, -40]}],
    "loud": [{"effect": "level", "level": [-20, -20]}],
    "offset": [{"effect": "dc", "offset": [0.02, 0.02]}],
    "no_offset": [{"effect": "dc"}],
    "dull": [{"effect": "band", "low": 4000, "high": 8000, "gain": [-60, -60]}],
    "silence": [{"effect": "leading_silence", "seconds": [0.3, 0.3]}],
    "short": [{"effect": "length", "seconds": [0.5, 0.5]}],
    "hole": [{"effect": "time_mask", "share": [0.3, 0.3]}],
}
CUES: dict[str, dict[str, Any]] = {
    "level": {"of": "spoof", "put": "quiet", "strip": "loud"},
    "offset": {"of": "spoof", "put": "offset", "strip": "no_offset"},
    "band": {"of": "spoof", "put": "dull"},
    "silence": {"of": "spoof", "put": "silence"},
    "length": {"of": "spoof", "put": "short", "put_control": "hole"},
}


def noise(n: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


# --- effects -------------------------------------------------------------------------------------


def changed(effect: str, x: np.ndarray, **options: Any) -> np.ndarray:
    y, _ = build_effect(effect, options, {}, RATE).apply(x, np.random.default_rng(0))
    assert y.dtype == np.float32
    return y


def test_levels_offsets_and_lengths_are_set():
    x = noise(8000) + np.float32(0.01)
    assert 10 * np.log10(power(changed("level", x, level=[-31, -31]))) == pytest.approx(-31)
    assert changed("dc", x, offset=[0.02, 0.02]).mean() == pytest.approx(0.02, abs=1e-6)
    assert changed("dc", x).mean() == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(changed("length", x, seconds=[0.25, 0.25]), x[:4000])
    np.testing.assert_array_equal(changed("length", x, seconds=[1, 1])[8000:], np.zeros(8000))
    longer = changed("leading_silence", x, seconds=[0.5, 0.5])
    np.testing.assert_array_equal(longer, np.concatenate([np.zeros(8000, np.float32), x]))
    silence = np.zeros(100, np.float32)
    np.testing.assert_array_equal(changed("level", silence, level=[-31, -31]), silence)


@pytest.mark.parametrize(
    ("effect", "options", "message"),
    [
        ("length", {"seconds": [0, 1]}, "a length is above 0"),
        ("leading_silence", {"seconds": [-1, 1]}, "0 s or longer"),
        ("level", {"level": [-20, -30]}, "low <= high"),
        ("dc", {"offset": [1, 0]}, "low <= high"),
    ],
)
def test_ranges_that_make_no_sense(effect, options, message):
    with pytest.raises(ConfigError, match=message):
        build_effect(effect, options, {}, RATE)


# --- controls ------------------------------------------------------------------------------------


def test_a_control_is_as_strong_as_the_cue_and_carries_none():
    x = noise(16000)
    rng = np.random.default_rng(1)
    dull = changed("band", x, low=4000, high=8000, gain=[-60, -60])
    of_dull = matched_control(x, dull, rng)
    assert power(of_dull) == pytest.approx(power(x), rel=1e-4)
    upper = [power(band_of(z, RATE, 4200, 8000)) for z in (x, of_dull, dull)]
    assert upper[1] == pytest.approx(upper[0], rel=0.05)
    assert upper[2] < 0.01 * upper[0]
    of_offset = matched_control(x, x + np.float32(0.05), rng)
    assert abs(of_offset.mean()) < 0.01
    # Before it is scaled to the level of the clip, the change is as strong as that of the cue.
    strength = np.sqrt(power(dull - x) / power(x))
    scale = np.sqrt(1 + strength**2)
    assert power(of_dull * scale - x) == pytest.approx(power(dull - x), rel=0.05)


def test_a_change_of_length_is_made_at_the_other_end():
    x, silence = noise(8000), np.zeros(800, np.float32)
    rng = np.random.default_rng(1)
    before, behind = np.concatenate([silence, x]), np.concatenate([x, silence])
    np.testing.assert_array_equal(matched_control(x, before, rng), behind)
    np.testing.assert_array_equal(matched_control(x, behind, rng), before)
    np.testing.assert_array_equal(matched_control(x, x[800:], rng), x[:-800])
    np.testing.assert_array_equal(matched_control(x, x[:-800], rng), x[800:])


def test_what_changes_nothing_has_a_control_that_changes_nothing():
    x = noise(800)
    np.testing.assert_array_equal(matched_control(x, x, np.random.default_rng(1)), x)
    silence = np.zeros(800, np.float32)
    np.testing.assert_array_equal(
        matched_control(silence, silence + 1, np.random.default_rng(1)), silence
    )


# --- numbers -------------------------------------------------------------------------------------


def flips(cue: list[int], control: list[int], units: list[int] | None = None) -> Flips:
    own = range(len(cue)) if units is None else units
    return Flips(np.array(cue, dtype=bool), np.array(control, dtype=bool), np.array(list(own)))


def draws(n: int, clusters: list[int] | None = None) -> Draws:
    return Draws(np.ones(n, dtype=bool), clusters, 2000, np.random.default_rng(1))


def test_single_recordings_have_the_p_of_mcnemars_exact_test():
    rng = np.random.default_rng(3)
    for _ in range(20):
        cue, control = rng.random((2, 40)) < rng.random((2, 1))
        one, other = int((cue & ~control).sum()), int((control & ~cue).sum())
        expected = binomtest(one, one + other).pvalue if one + other else 1.0
        assert sign_p(flips(cue.tolist(), control.tolist())) == pytest.approx(expected)


def test_p_of_clusters_is_the_share_of_all_exchanges():
    rng = np.random.default_rng(4)
    units = rng.integers(6, size=50)
    cue, control = rng.random((2, 50)) < np.array([[0.6], [0.4]])
    net = cue.astype(int) - control.astype(int)
    differences = np.array([net[units == u].sum() for u in range(6)])
    signs = np.array([[1 if i >> u & 1 else -1 for u in range(6)] for i in range(64)])
    sums = np.abs(signs @ differences)
    expected = np.mean(sums >= abs(differences.sum()))
    found = sign_p(flips(cue.tolist(), control.tolist(), units.tolist()))
    assert found == pytest.approx(expected)


def test_rates_and_index_of_closed_forms():
    all_flip = flips([1] * 20, [0] * 20)
    row = flip_rates(all_flip, draws(20))
    assert (row["rate"], row["control_rate"], row["excess"]) == (1, 0, 1)
    # As many coins that fall alike, on both sides; and the exact interval of 20 in 20.
    assert row["p"] == pytest.approx(2**-19)
    assert row["ci_low"] == pytest.approx(0.025 ** (1 / 20))
    assert row["excess_low"] < row["ci_low"]
    fragile = flips([1] * 20, [1] * 20)
    row = flip_rates(fragile, draws(20))
    assert (row["rate"], row["excess"], row["p"]) == (1, 0, 1)
    assert row["excess_low"] < 0 < row["excess_high"]
    index = shortcut_index([all_flip, fragile], draws(20))
    assert index["index"] == 0.5
    assert -1 <= index["index_low"] < 0.5 < index["index_high"] <= 1
    assert shortcut_index([flips([0] * 9, [1] * 9), flips([], [])], draws(9))["index"] == -1


def test_one_speaker_gives_no_interval():
    one = flips([1] * 9, [0] * 9, [0] * 9)
    row = flip_rates(one, draws(18, [0] * 9 + [1] * 9))
    assert row["rate"] == 1
    assert row["ci_low"] is row["p"] is None
    index = shortcut_index([one], draws(18, [0] * 9 + [1] * 9))
    assert (index["index"], index["index_low"]) == (1, None)


def test_few_speakers_have_wider_intervals_than_many_recordings():
    cue = [1, 1, 0, 1] * 10
    single = flip_rates(flips(cue, [0] * 40), draws(40))
    gathered = [i // 10 for i in range(40)]
    clustered = flip_rates(flips(cue, [0] * 40, gathered), draws(40, gathered))
    for low, high in (("ci_low", "ci_high"), ("excess_low", "excess_high")):
        assert clustered[high] - clustered[low] > single[high] - single[low]
    assert clustered["p"] > single["p"]


def test_verdicts_are_no_surer_than_their_data():
    def test(p: float | None, least: float | None, excess: float | None = 0.5) -> dict[str, Any]:
        return {"p_holm": p, "p_smallest": least, "excess": excess}

    none = test(None, None, None)
    assert verdict([test(0.01, 0.01), none]) == "uses the cue"
    assert verdict([test(0.01, 0.01, -0.5), none]) == "no evidence"
    assert verdict([test(0.2, 0.01), test(1.0, 0.2)]) == "no evidence"
    assert verdict([test(0.06, 0.06), none]) == "too few"
    assert verdict([none, none]) == "too few"


# --- toy detectors -------------------------------------------------------------------------------


def at_random(x: np.ndarray) -> float:
    """Another score of every waveform."""
    number = int.from_bytes(hashlib.sha256(x.tobytes()).digest()[:4], "big")
    return -30 + 5 * (2 * number / 2**32 - 1)


def audited(
    folder: Path,
    score: Callable[[np.ndarray], float],
    cues: dict[str, dict[str, Any]] = CUES,
    *,
    name: str = "toy",
    speakers: int = 12,
    spoof_level: float = -40,
) -> dict[str, Any]:
    """Clips of both classes, loud and quiet, through the whole audit of a toy detector."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(4 * speakers):
        label = ("bonafide", "spoof")[i % 2]
        x = changed("level", noise(RATE, i), level=[(-20, spoof_level)[i % 2]] * 2)
        path = folder / f"{i}.wav"
        audio.write(path, x, RATE)
        attack = "A" if i % 2 else "-"
        row = (f"u{i:03d}", str(path), "eval", label, attack, f"s{i // 4}", 1.0, RATE)
        rows.append(row)
    write_manifest(folder / "manifest.tsv", pl.DataFrame(rows, MANIFEST_COLUMNS, orient="row"))
    manifest = read_manifest(folder / "manifest.tsv")
    toy: Any = Toy(score)
    own = [score(toy.policy.windows(toy.policy.read(path)).values[0]) for path in manifest["path"]]
    scored = manifest.with_columns(pl.Series("score", own, dtype=pl.Float64))
    auditor = Auditor(
        toy,
        {key: Cue.from_dict(cue) for key, cue in cues.items()},
        {key: Chain(steps, {}, RATE) for key, steps in CHAINS.items()},
        batch_size=4,
        seed=1,
    )
    done: dict[str, Any] = {}
    audit_utterances(auditor, scored, done)
    write_audited(folder / "audited.tsv", manifest["utt_id"].to_list(), done)
    write_detector(folder / "detector", meta={"threshold": -30.0})
    return {
        "name": name,
        "seed": 1,
        "corpus": "made",
        "split": "eval",
        "scores": str(folder / "audited.tsv"),
        "manifest": str(folder / "manifest.tsv"),
        "detector": str(folder / "detector" / "detector.json"),
    }


def table_of(
    folder: Path,
    *entries: dict[str, Any],
    cues: dict[str, dict[str, Any]] = CUES,
    cluster: str | None = None,
) -> str:
    path = str(folder / "shortcuts.tsv")
    make(entries, cues, {"table": path}, resamples=500, bootstrap_seed=1, cluster=cluster)
    return path


def verdicts(table: pl.DataFrame) -> dict[str, str]:
    return dict(table.select("cue", "verdict").unique(maintain_order=True).iter_rows())


@pytest.mark.slow
def test_a_detector_of_levels_is_named_for_level_and_nothing_else(tmp_path):
    table = read_shortcuts(table_of(tmp_path, audited(tmp_path / "level", level_db)))
    assert verdicts(table) == {"level": "uses the cue"} | dict.fromkeys(
        ("offset", "band", "silence", "length"), "no evidence"
    )
    put, strip = table.filter(cue="level").iter_rows(named=True)
    assert [put["measure"], strip["measure"]] == ["mark_to_frame", "strip_to_evade"]
    assert (put["rate"], put["control_rate"], put["n"], put["n_units"]) == (1, 0, 24, 12)
    assert (strip["rate"], strip["index"]) == (1, 1)
    assert put["energy"] == pytest.approx(0.81, abs=0.01)
    band = table.filter(cue="band", test="strip").row(0, named=True)
    assert (band["removable"], band["n"], band["rate"]) == ("no", 0, None)
    tests = table.filter(pl.col("p").is_not_null())
    assert tests.height == 7
    np.testing.assert_allclose(tests["p_holm"], holm(tests["p"]))
    assert tests["p_smallest"].to_list() == pytest.approx([7 * 2**-11] * 7)


@pytest.mark.slow
def test_a_detector_at_random_is_not_named(tmp_path):
    """It changes its mind under every change, the controls among them."""
    table = read_shortcuts(table_of(tmp_path, audited(tmp_path / "random", at_random)))
    assert verdicts(table) == dict.fromkeys(CUES, "no evidence")
    put = table.filter(test="put")
    assert (put["rate"] > 0.2).all()
    assert (put["control_rate"] > 0.2).all()


def test_the_mirror_image_of_a_cue_of_bona_fide_speech(tmp_path):
    cues = {"level": {"of": "bonafide", "put": "loud", "strip": "quiet"}}
    entry = audited(tmp_path / "level", level_db, cues)
    table = read_shortcuts(table_of(tmp_path, entry, cues=cues))
    assert table["measure"].to_list() == ["mark_to_evade", "strip_to_frame"]
    assert table["rate"].to_list() == [1, 1]
    assert verdicts(table) == {"level": "uses the cue"}


@pytest.mark.slow
def test_scores_are_the_same_twice(tmp_path):
    entries = [audited(tmp_path / name, at_random) for name in ("one", "two")]
    one, two = (Path(entry["scores"]).read_bytes() for entry in entries)
    assert one == two


def test_few_speakers_are_too_few(tmp_path):
    cues = {"level": CUES["level"]}
    entry = audited(tmp_path / "few", level_db, cues, speakers=4)
    path = table_of(tmp_path, entry, cues=cues)
    assert verdicts(read_shortcuts(path)) == {"level": "too few"}
    (section,) = shortcut_section(path)
    (doubt,) = section["doubts"]
    assert "too few recordings or speakers for 2 tests" in doubt
    (point,) = shortcut_points([section])
    assert point.text == f"Shortcuts of toy on {section['corpus']}, eval: {doubt}"


@pytest.mark.slow
def test_recordings_without_speakers_count_one_by_one(tmp_path):
    cues = {"level": CUES["level"]}
    entry = audited(tmp_path / "few", level_db, cues, speakers=4)
    manifest = read_manifest(entry["manifest"]).with_columns(pl.lit("-").alias("speaker"))
    write_manifest(Path(entry["manifest"]), manifest)
    table = read_shortcuts(table_of(tmp_path, entry, cues=cues))
    assert table["n_units"].to_list() == [8, 8]
    assert verdicts(table) == {"level": "uses the cue"}


@pytest.mark.slow
def test_where_every_recording_is_decided_wrongly_nothing_is_said(tmp_path):
    cues = {"level": CUES["level"]}
    entry = audited(tmp_path / "wrong", lambda x: -level_db(x) - 60, cues)
    path = table_of(tmp_path, entry, cues=cues)
    table = read_shortcuts(path)
    assert table["n"].to_list() == [0, 0]
    assert verdicts(table) == {"level": "too few"}
    assert table["index"].to_list() == [None, None]
    (section,) = shortcut_section(path)
    assert "so there is no rate" in " ".join(section["cues"][0]["sentences"])
    draw(path, {suffix: str(tmp_path / f"f.{suffix}") for suffix in ("pdf", "png", "tsv")})


@pytest.mark.slow
def test_the_report_and_the_figure_say_what_the_table_says(tmp_path):
    entry = audited(tmp_path / "level", level_db)
    path = table_of(tmp_path, entry)
    (section,) = shortcut_section(path)
    said = {cue["name"]: " ".join(cue["sentences"]) for cue in section["cues"]}
    assert said["level"].startswith("toy uses the cue: decisions follow it")
    assert "Shortcut index +1.00 (" in said["level"]
    assert "mark-to-frame 100.0 % (" in said["level"]
    assert "of 24 bona fide recordings that are accepted as they are" in said["level"]
    assert said["band"].startswith("no evidence that toy uses the cue, which does not prove")
    assert "Not removable" in said["band"]
    (point,) = shortcut_points([section])
    assert point.text == "toy uses a shortcut: its decisions follow the cue level."
    assert point.concerns({"name": "toy"})
    # What several detectors do is said once.
    (point,) = shortcut_points([section, {**section, "name": "other"}, section])
    assert point.text == "toy and other use a shortcut: their decisions follow the cue level."
    assert point.concerns({"name": "other"})
    assert not point.concerns({"name": "third"})
    outputs = {suffix: str(tmp_path / f"figure.{suffix}") for suffix in ("pdf", "png", "tsv")}
    draw(path, outputs)
    assert all(Path(drawn).stat().st_size for drawn in outputs.values())


def test_a_threshold_is_needed(tmp_path):
    cues = {"level": CUES["level"]}
    entry = audited(tmp_path / "level", level_db, cues)
    write_detector(tmp_path / "level" / "detector", meta={"threshold": None})
    with pytest.raises(SpoofscopeError, match=r"has no threshold.*`shortcuts\.threshold`"):
        table_of(tmp_path, entry, cues=cues)


def test_what_the_trials_lack_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"cues\.band\.attacks: .*'B'; there are A"):
        audited(tmp_path, level_db, {"band": {**CUES["band"], "attacks": ["B"]}})
    manifest = read_manifest(tmp_path / "manifest.tsv")
    one_class = manifest.filter(label="spoof").with_columns(pl.lit(-40.0).alias("score"))
    toy: Any = Toy(level_db)
    with pytest.raises(ConfigError, match=r"shortcuts\.trials: there is no bonafide recording"):
        audit_utterances(Auditor(toy, {}, {}, 4, 1), one_class, {})


def test_a_damaged_table_of_scores_is_refused(tmp_path):
    entry = audited(tmp_path, level_db, {"band": CUES["band"]}, speakers=2)
    lines = Path(entry["scores"]).read_text().splitlines(keepends=True)
    assert read_audited(entry["scores"]).height == len(lines) - 1
    Path(entry["scores"]).write_text("".join(line for i, line in enumerate(lines) if i != 2))
    with pytest.raises(TableError, match="do not fit; delete it"):
        read_audited(entry["scores"])
    with pytest.raises(TableError, match="no utterances to audit"):
        write_audited(tmp_path / "none.tsv", [], {})


# --- study files ---------------------------------------------------------------------------------


def study_with(**section: Any) -> dict[str, Any]:
    config = read_config(MINI)
    config["chains"] |= CHAINS
    trials = [{"corpus": "mini", "split": "eval"}]
    given = {"detectors": ["fbank_cnn"], "trials": trials, "cues": {"band": CUES["band"]}}
    config["shortcuts"] = {**given, **section}
    return config


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"detectors": ["fbank"]}, r"shortcuts\.detectors\[0\]: .*'fbank_cnn'"),
        ({"trials": [{"corpus": "mini", "split": "train"}]}, r"trials\[0\]: mini\.train is not"),
        ({"cues": {"a": {"of": "fake", "put": "dull"}}}, r"cues\.a\.of.*bonafide"),
        ({"cues": {"a": {"of": "spoof", "put": "dul"}}}, r"cues\.a\.put: .*'dull'"),
        ({"cues": {"a": {"of": "spoof"}}}, r"cues\.a: .*'put'"),
        (
            {"cues": {"a": {"of": "bonafide", "put": "dull", "attacks": ["x"]}}},
            r"cues\.a\.attacks: bona fide speech is of no attack",
        ),
        (
            {"cues": {"a": {"of": "spoof", "put": "short"}}},
            r"cues\.a\.put_control: .*would carry the length",
        ),
        (
            {"cues": {"a": {"of": "spoof", "put": "dull", "strip_control": "dull"}}},
            r"cues\.a\.strip_control: there is no `strip`",
        ),
        (
            {"threshold": {"corpus": "mini", "split": "eval"}},
            r"threshold\.split: a threshold is not chosen on eval",
        ),
    ],
)
def test_studies_that_cannot_be_made(section, message):
    with pytest.raises(ConfigError, match=message):
        checked(study_with(**section))


def test_an_unknown_effect_is_named():
    config = study_with()
    config["chains"]["mark"] = [{"effect": "watermarks"}]
    with pytest.raises(ConfigError, match=r"chains\.mark\[0\]\.effect: .*'watermark'"):
        checked(config)


def test_classes_without_a_chain_are_refused():
    config = study_with()
    config["detectors"]["fbank_cnn"]["train"]["chain_classes"] = ["spoof"]
    with pytest.raises(ConfigError, match=r"train\.chain_classes: there is no chain"):
        checked(config)


def test_a_study_names_a_job_for_every_detector_and_set():
    plan = plan_of(checked(study_with(detectors=["fbank_cnn", "lfcc_gmm"])))
    assert len(plan.shortcuts.shortcuts.products) == 2
