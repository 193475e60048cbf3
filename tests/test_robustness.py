"""Robustness: recordings that are laundered, thresholds that stay, worst cases and their ranks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile

from detector_folders import write_detector
from planning import plan_of
from spoofscope import audio
from spoofscope.augmentation.band import band_of
from spoofscope.augmentation.base import power
from spoofscope.augmentation.chain import Chain
from spoofscope.augmentation.registry import build as build_effect
from spoofscope.errors import ConfigError, SpoofscopeError, TableError
from spoofscope.figures import robustness as robustness_figure
from spoofscope.figures.robustness import draw
from spoofscope.metrics.limits import highest_difference_limits, highest_limits
from spoofscope.plan.study_plan import checked
from spoofscope.report.robustness import robustness_points, robustness_section
from spoofscope.robustness.scores import Launderer, launder_utterances
from spoofscope.robustness.tables import CLEAN, read_laundered, write_laundered
from spoofscope.study import MINI
from spoofscope.study.reading import read_config
from spoofscope.summaries.robustness import make, read_robustness, read_worst
from spoofscope.tables import MANIFEST_COLUMNS, read_manifest, write_manifest
from toy_detectors import Toy, level_db

RATE = 16000
CHAINS: dict[str, list[dict[str, Any]]] = {
    "mp3_64k": [{"effect": "codec", "codecs": [{"name": "mp3", "bit_rate": 64000}]}],
    "mp3_16k": [{"effect": "codec", "codecs": [{"name": "mp3", "bit_rate": 16000}]}],
    "quieter": [{"effect": "gain", "gain": [-1, -1]}],
    "quiet": [{"effect": "gain", "gain": [-5, -5]}],
}
CHANGES = {"mp3": ["mp3_64k", "mp3_16k"], "softer": ["quieter", "quiet"]}


def noise(n: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


# --- effects -------------------------------------------------------------------------------------


def test_another_rate_takes_the_upper_band_and_keeps_the_length():
    x = noise(RATE + 1)
    y, used = build_effect("resample", {"rate": 8000}, {}, RATE).apply(x, np.random.default_rng())
    assert y.size == x.size
    assert used == {"rate": 8000}
    lower, upper = ([power(band_of(z, RATE, *band)) for z in (x, y)] for band in BANDS)
    assert lower[1] == pytest.approx(lower[0], rel=0.02)
    assert upper[1] < 1e-3 * upper[0]


BANDS = ((100, 3500), (4300, 7900))


def test_speed_changes_length_and_pitch():
    t = np.arange(RATE) / RATE
    x = (0.1 * np.sin(2 * np.pi * 400 * t)).astype(np.float32)
    y, used = build_effect("speed", {"factor": [1.25, 1.25]}, {}, RATE).apply(
        x, np.random.default_rng()
    )
    assert (y.size, used) == (12800, {"factor": 1.25})
    spectrum = np.abs(np.fft.rfft(y))
    assert np.argmax(spectrum) * RATE / y.size == pytest.approx(500, abs=2)
    with pytest.raises(ConfigError, match=r"factor: a speed is from 0\.1 to 10"):
        build_effect("speed", {"factor": [0, 1]}, {}, RATE)


def test_enhancement_lowers_noise_and_leaves_speech():
    t = np.arange(3 * RATE) / RATE
    speaks = np.sin(2 * np.pi * 1.5 * t) > 0
    speech = (0.2 * np.sin(2 * np.pi * 440 * t) * speaks).astype(np.float32)
    noisy = speech + noise(speech.size, level=0.02)
    pause = np.sin(2 * np.pi * 1.5 * t) < -0.3
    for reduction in (6, 12):
        effect = build_effect("enhance", {"reduction": reduction}, {}, RATE)
        y, _ = effect.apply(noisy, np.random.default_rng())
        assert y.size == noisy.size
        lowered = level_db(noisy[pause]) - level_db(y[pause])
        assert lowered == pytest.approx(reduction, abs=0.3)
        assert level_db(y - speech) < level_db(noisy - speech) - 4
    same, _ = effect.apply(speech, np.random.default_rng())
    np.testing.assert_allclose(same, speech, atol=1e-6)
    short, _ = effect.apply(speech[:50], np.random.default_rng())
    assert short.size == 50


# --- toy detectors -------------------------------------------------------------------------------


def upper_band_db(x: np.ndarray) -> float:
    """What codecs take: fragile by construction."""
    return 10 * np.log10(power(band_of(x, RATE, 6000, 7900)) / power(x) + 1e-12)


def off_the_grid(x: np.ndarray) -> float:
    """The share of samples that 16 bits cannot hold."""
    steps = x.astype(np.float64) * 32768
    return float(np.mean(steps != np.round(steps)))


def laundered(
    folder: Path,
    score: Callable[[np.ndarray], float],
    *,
    name: str = "toy",
    threshold: float = -30.0,
    speakers: int = 6,
) -> dict[str, Any]:
    """Loud noise of all frequencies (bona fide) and soft noise without high ones (spoof), through
    the whole laundering of a toy detector.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(4 * speakers):
        label = ("bonafide", "spoof")[i % 2]
        x = noise(RATE // 2, i)
        if label == "spoof":
            x = 0.1 * (x - band_of(x, RATE, 5000, 8000))
        path = folder / f"{i}.wav"
        audio.write(path, x, RATE)
        attack = "A" if i % 2 else "-"
        rows.append((f"u{i:03d}", str(path), "eval", label, attack, f"s{i // 4}", 0.5, RATE))
    write_manifest(folder / "manifest.tsv", pl.DataFrame(rows, MANIFEST_COLUMNS, orient="row"))
    manifest = read_manifest(folder / "manifest.tsv")
    toy: Any = Toy(score)
    own = [score(toy.policy.windows(toy.policy.read(path)).values[0]) for path in manifest["path"]]
    done: dict[str, Any] = {}
    chains = {key: Chain(steps, {}, RATE) for key, steps in CHAINS.items()}
    launder_utterances(
        Launderer(toy, CHANGES, chains, batch_size=4, seed=1),
        manifest.with_columns(pl.Series("score", own, dtype=pl.Float64)),
        done,
    )
    write_laundered(folder / "laundered.tsv", manifest["utt_id"].to_list(), done)
    write_detector(folder / "detector", meta={"threshold": threshold})
    return {
        "name": name,
        "seed": 1,
        "corpus": "made",
        "split": "eval",
        "scores": str(folder / "laundered.tsv"),
        "manifest": str(folder / "manifest.tsv"),
        "detector": str(folder / "detector" / "detector.json"),
    }


def tables_of(folder: Path, *entries: dict[str, Any]) -> tuple[str, str]:
    table, worst = str(folder / "robustness.tsv"), str(folder / "robustness.worst.tsv")
    outputs = {"table": table, "worst": worst}
    make(entries, outputs, resamples=200, bootstrap_seed=1, cluster=None)
    return table, worst


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The tables of a detector that a codec breaks, and of one that hears the level alone."""
    folder = tmp_path_factory.mktemp("ranked")
    return tables_of(
        folder,
        laundered(folder / "level", level_db, name="steady"),
        laundered(folder / "band", upper_band_db, name="fragile", threshold=-20.0),
    )


@pytest.mark.slow
def test_a_detector_that_a_codec_breaks_is_ranked_worst(ranked):
    worst = read_worst(ranked[1])
    assert worst["name"].to_list() == ["fragile", "steady"]
    assert worst["rank"].to_list() == [1, 2]
    first, second = worst.iter_rows(named=True)
    assert (first["change"], first["chain"], first["n_changes"]) == ("mp3", "mp3_16k", 4)
    assert (first["clean_hter"], first["hter"], first["difference"]) == (0, 0.5, 0.5)
    # All bona fide recordings are rejected, and no spoof is accepted.
    assert (first["bonafide_rejected"], first["spoof_accepted"]) == (1, 0)
    assert first["hter_low"] < 0.5 < first["hter_high"]
    assert first["difference_low"] > 0
    assert (first["gap"], second["gap"]) == (0.5, None)
    assert first["gap_low"] > 0
    assert second["hter"] == second["difference"] == 0
    assert (first["n_bonafide"], first["n_spoof"], first["n_units"]) == (12, 12, 6)


@pytest.mark.slow
def test_rates_are_those_of_the_scores_at_the_threshold_that_was(ranked):
    table = read_robustness(ranked[0])
    assert table.height == 2 * 5 * 4
    clean = table.filter(change=CLEAN, name="fragile")
    assert clean["severity"].to_list() == [0] * 4
    assert clean["difference"].to_list() == [0] * 4
    assert clean["difference_low"].to_list() == [None] * 4
    scores = read_laundered(Path(ranked[0]).parent / "band" / "laundered.tsv")
    for row in table.filter(name="fragile", metric="bonafide_rejected").iter_rows(named=True):
        of_form = scores.filter(change=row["change"], severity=row["severity"]).sort("utt_id")
        own = of_form["score"].gather_every(2)
        assert row["value"] == (own < -20).mean()
    hter = table.filter(name="fragile", metric="hter", change="softer")
    assert hter["chain"].to_list() == ["quieter", "quiet"]
    assert hter["value"].to_list() == [0, 0]
    # Nothing changed, which few recordings do not prove.
    assert hter["difference_low"].max() < 0 < hter["difference_high"].min()


@pytest.mark.slow
def test_figure_and_report_say_what_the_tables_say(ranked, tmp_path):
    (section,) = robustness_section(ranked[1])
    assert section["about"] == "12 bona fide recordings and 12 spoofs, each under 4 chains."
    said = {entry["name"]: entry["sentence"] for entry in section["detectors"]}
    assert said["fragile"].startswith("worst under mp3, chain mp3_16k (severity 2): HTER 50.0 % (")
    assert "+50.0 points (" in said["fragile"]
    assert "bona fide rejected 100.0 %, spoofs accepted 0.0 %" in said["fragile"]
    assert said["fragile"].endswith("The next one is better by +50.0 points.")
    assert section["doubts"] == []
    (point,) = robustness_points([section])
    assert "the HTER rises from 0.0 % to 50.0 %" in point.text
    assert point.concerns({"name": "fragile"})
    assert not point.concerns({"name": "steady"})
    assert robustness_section(None) == []
    outputs = {suffix: str(tmp_path / f"figure.{suffix}") for suffix in ("pdf", "png", "tsv")}
    draw(ranked[0], outputs)
    assert pl.read_csv(outputs["tsv"], separator="\t").height == 2 * 5 * 2


@pytest.mark.slow
def test_many_chains_in_a_column_leave_room_for_each_detector(tmp_path, monkeypatch):
    """Three detectors under eight chains of one change: no interval covers another."""
    drawn = []
    monkeypatch.setattr(robustness_figure, "save", lambda figures, *_: drawn.extend(figures))
    forms = [(CLEAN, 0, "-"), *(("codec", k, f"codec_{k}") for k in range(1, 9))]
    rows = [
        (f"u{i}", "a.wav", "eval", *(("bonafide", "-") if i % 2 else ("spoof", "A")), f"s{i}")
        for i in range(12)
    ]
    manifest = pl.DataFrame([(*row, 0.5, RATE) for row in rows], MANIFEST_COLUMNS, orient="row")
    write_manifest(tmp_path / "manifest.tsv", manifest)
    write_detector(tmp_path / "detector", meta={"threshold": 0.0})
    entries = []
    for name in ("a", "b", "c"):
        done = {
            row[0]: {"laundered": [[*form, float(i % 2) - 0.5] for form in forms]}
            for i, row in enumerate(rows)
        }
        write_laundered(tmp_path / f"{name}.tsv", list(done), done)
        entries.append(
            {
                "name": name,
                "seed": 1,
                "corpus": "made",
                "split": "eval",
                "scores": str(tmp_path / f"{name}.tsv"),
                "manifest": str(tmp_path / "manifest.tsv"),
                "detector": str(tmp_path / "detector" / "detector.json"),
            }
        )
    table, _ = tables_of(tmp_path, *entries)
    draw(table, {})
    (figure,) = drawn
    figure.canvas.draw()
    (axes,) = figure.axes
    intervals = sorted({line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2})
    pixels = axes.transData.transform([(x, 0) for x in intervals])[:, 0] / figure.dpi
    assert len(pixels) == 3 * 9
    # Markers are 3.5 points wide.
    assert np.diff(pixels).min() > 3.5 / 72
    assert axes.get_window_extent().height / figure.dpi > 1.1


def test_equal_detectors_share_a_rank_and_their_order_is_not_known(tmp_path):
    entry = laundered(tmp_path / "one", level_db, name="one", speakers=2)
    entries = [entry, {**entry, "name": "two"}]
    _, worst = tables_of(tmp_path, *entries)
    assert read_worst(worst)["rank"].to_list() == [1, 1]
    (section,) = robustness_section(worst)
    sentence = section["detectors"][0]["sentence"]
    assert sentence.endswith("The data does not say whether the next one is better.")
    other = laundered(tmp_path / "three", level_db, name="three", speakers=1)
    with pytest.raises(TableError, match="judged on other recordings"):
        tables_of(tmp_path, *entries, other)


def test_the_worst_of_many_equal_chains_is_no_finding(tmp_path):
    """20 chains redraw every score, so none makes it worse; the worst of them seems to."""
    entries = []
    for name, seed in (("one", 17), ("two", 3)):
        rng = np.random.default_rng(seed)
        folder = tmp_path / name
        folder.mkdir()
        rows, done = [], {}
        for i in range(160):
            label, attack, mean = (("bonafide", "-", 1), ("spoof", "A", -1))[i % 2]
            rows.append((f"u{i:03d}", "a.wav", "eval", label, attack, "-", 0.5, RATE))
            forms = [(CLEAN, 0, "-"), *(("noise", k, f"noise_{k}") for k in range(1, 21))]
            done[f"u{i:03d}"] = {"laundered": [[*form, rng.normal(mean)] for form in forms]}
        write_manifest(folder / "manifest.tsv", pl.DataFrame(rows, MANIFEST_COLUMNS, orient="row"))
        write_laundered(folder / "laundered.tsv", list(done), done)
        write_detector(folder / "detector", meta={"threshold": 0.0})
        entries.append(
            {
                **{"name": name, "seed": 1, "corpus": "made", "split": "eval"},
                "scores": str(folder / "laundered.tsv"),
                "manifest": str(folder / "manifest.tsv"),
                "detector": str(folder / "detector" / "detector.json"),
            }
        )
    table, worst = tables_of(tmp_path, *entries)
    alone = read_robustness(table).filter(metric="hter", name="one").filter(pl.col("severity") > 0)
    assert (alone["difference_low"] > 0).any()
    for row in read_worst(worst).iter_rows(named=True):
        assert row["difference_low"] < 0 < row["difference"] < row["difference_high"]
        # The share of a normal variable beyond one standard deviation.
        assert row["hter_low"] < 0.1587 < row["hter"] < row["hter_high"]
        assert row["gap"] is None or row["gap_low"] < 0 < row["gap_high"]


def test_limits_of_the_highest_hold_it_as_often_as_they_say():
    """Simulated: 20 equal rates, of which each sample has its own errors and a common one."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(400):
        mixed = np.array([0.8, 0.6])
        seen = mixed @ [rng.standard_normal(20), np.full(20, rng.standard_normal())]
        common = np.broadcast_to(rng.standard_normal(200), (20, 200))
        drawn = seen[:, None] + 0.8 * rng.standard_normal((20, 200)) + 0.6 * common
        low, high = highest_limits(seen, drawn, 10**6)
        held.append((low <= 0, high >= 0))
    # The percentiles of the highest of each resample hold it in 60 to 90 %.
    assert np.all(held, axis=1).mean() >= 0.95
    # Of one each, the ends are those of the difference of two rates, turned around.
    first, second = rng.standard_normal((2, 1, 200))
    low, high = highest_difference_limits(np.ones(1), 1 + first, np.zeros(1), second, 10**6)
    ends = np.quantile(first - second, [0.025, 0.975])
    np.testing.assert_allclose((low, high), (1 - ends[1], 1 - ends[0]), rtol=1e-5)


def test_limits_of_the_highest_of_few_speakers_hold_it_as_student_says():
    """Simulated: 4 rates of the same 5 speakers, who are resampled; most errors are in common."""
    rng = np.random.default_rng(2)
    held: dict[int, list[bool]] = {5: [], 10**6: []}
    for _ in range(400):
        of_speakers = rng.standard_normal(5) + 0.1 * rng.standard_normal((4, 5))
        drawn = of_speakers[:, rng.integers(0, 5, (200, 5))].mean(axis=2)
        for units, found in held.items():
            low, high = highest_limits(of_speakers.mean(axis=1), drawn, units)
            found.append(bool(low <= 0 <= high))
    assert np.mean(held[5]) >= 0.95
    # Quantiles of the resamples alone are too short.
    assert np.mean(held[10**6]) < 0.9
    one = np.zeros(1), rng.standard_normal((1, 20_000)) * np.sqrt(2 / 3)
    assert highest_limits(*one, 3).high == pytest.approx(4.303, rel=0.03)


def test_nothing_but_the_chain_differs_from_clean(tmp_path):
    """A detector that hears rounding is told nothing: all forms are rounded, the clean one too."""
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(800), RATE, subtype="FLOAT")
    x, _ = audio.read(path)
    toy: Any = Toy(off_the_grid)
    chains = {key: Chain(steps, {}, RATE) for key, steps in CHAINS.items()}
    result = Launderer(toy, {"softer": ["quieter"]}, chains, 4, 1).laundered("a", x)
    assert result["unchanged"] > 0.9
    assert result["laundered"] == [[CLEAN, 0, "-", 0.0], ["softer", 1, "quieter", 0.0]]
    audio.write(path, x, RATE)
    np.testing.assert_array_equal(audio.read(path)[0], audio.as_written(x))


def test_all_severities_draw_the_same(tmp_path):
    drawn = {"gain": [-20, -1]}
    chains = {name: Chain([{"effect": "gain", **drawn}], {}, RATE) for name in ("one", "two")}
    toy: Any = Toy(level_db)
    launderer = Launderer(toy, {"softer": ["one", "two"], "again": ["one"]}, chains, 4, 1)
    _, *forms = launderer.laundered("a", noise(8000))["laundered"]
    scores = {(change, chain): score for change, _, chain, score in forms}
    assert scores["softer", "one"] == scores["softer", "two"] != scores["again", "one"]


def test_a_threshold_is_needed_and_both_classes(tmp_path):
    entry = laundered(tmp_path / "level", level_db, speakers=2)
    write_detector(tmp_path / "level" / "detector", meta={"threshold": None})
    with pytest.raises(SpoofscopeError, match=r"has no threshold.*`robustness\.threshold`"):
        tables_of(tmp_path, entry)
    manifest = read_manifest(entry["manifest"])
    write_manifest(
        Path(entry["manifest"]), manifest.with_columns(label=pl.lit("spoof"), attack=pl.lit("A"))
    )
    with pytest.raises(SpoofscopeError, match="all recordings are of one class"):
        tables_of(tmp_path, entry)
    write_manifest(Path(entry["manifest"]), manifest[1:])
    with pytest.raises(TableError, match="an utterance is not in"):
        tables_of(tmp_path, entry)


def test_a_damaged_table_of_scores_is_refused(ranked, tmp_path):
    lines = (Path(ranked[0]).parent / "band" / "laundered.tsv").read_text().splitlines(True)
    damaged = tmp_path / "laundered.tsv"
    damaged.write_text("".join(line for i, line in enumerate(lines) if i != 2))
    with pytest.raises(TableError, match="23 scores under mp3 1 mp3_64k of 24 utterances; delete"):
        read_laundered(damaged)
    with pytest.raises(TableError, match="no utterances to launder"):
        write_laundered(tmp_path / "none.tsv", [], {})


# --- study files ---------------------------------------------------------------------------------


def study_with(**section: Any) -> dict[str, Any]:
    config = read_config(MINI)
    config["robustness"] |= section
    return config


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"detectors": ["fbank"]}, r"robustness\.detectors\[0\]: .*'fbank_cnn'"),
        ({"trials": [{"corpus": "mini", "split": "train"}]}, r"trials\[0\]: mini\.train is not"),
        ({"changes": {"a": ["dul"]}}, r"robustness\.changes\.a\[0\]: .*'dull'"),
        ({"changes": {"a": []}}, r"robustness\.changes\.a"),
        (
            {"changes": {"a": ["dull", "field"]}},
            r"changes\.a\[1\]: chain 'field' has a step of probability 0\.4",
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


def test_a_study_names_a_job_for_every_detector_and_set():
    plan = plan_of(checked(study_with(changes={"music": ["music_5db"]})))
    first, second = plan.robustness.robustness.products
    assert first.maker.params["chains"].keys() == {"music_5db"}
    assert first.maker.params["noise"].keys() == {"musan"}
    assert second.maker.params["changes"] == {"music": ["music_5db"]}
