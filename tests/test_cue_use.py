"""Known cues: what replacing them does, and who is said to use them."""

import dataclasses
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from explanations import checks_of
from spoofscope import audio
from spoofscope.attribution.explain import explain
from spoofscope.attribution.localisation import localise, summarise
from spoofscope.attribution.store import Attributions
from spoofscope.baselines import (
    BonafideFrames,
    drawn_alike,
    window_features,
    write_centroid,
)
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, TableError
from spoofscope.figures import style
from spoofscope.figures.cue_use import draw
from spoofscope.masking.artefacts import Artefact
from spoofscope.masking.base import Clip, Segment, build
from spoofscope.masking.controls import run_lengths
from spoofscope.masking.scores import (
    Masker,
    mask_utterances,
    masker_of,
    refilled,
    replaced_within,
    replacement,
)
from spoofscope.masking.segments import segments_of
from spoofscope.masking.tables import COLUMNS, UNMASKED, read_masked, write_masked
from spoofscope.metrics.flips import flipped_mean
from spoofscope.options.attribution import ExplainOptions
from spoofscope.options.masking import MaskingOptions
from spoofscope.plan.study_plan import checked
from spoofscope.randomised import randomised_backend
from spoofscope.report.cue_use import cue_use_section, sentence
from spoofscope.summaries.cue_use import (
    CAUSE,
    DETECTION,
    LEARNING,
    LOCALISATION,
    NO_EVIDENCE,
    NOWHERE,
    USES,
    cue_use,
    drop_of,
    lacking,
    make,
    read_cue_use,
)
from spoofscope.tables import (
    BAND_COLUMNS,
    SEGMENT_COLUMNS,
    write_manifest,
    write_scores,
    write_segments,
    write_table,
)
from spoofscope.windows import InputPolicy

RATE = 16000
EDGES = [0.0, 1000.0, 2000.0, 4000.0, 8000.0]


def clip_of(x: np.ndarray, *segments: Segment, edges: list[float] | None = EDGES) -> Clip:
    return Clip(x.astype(np.float32), RATE, segments, x.size // 160, 0.005, 0.01, band_edges=edges)


def mask() -> Artefact:
    built = build({"type": "artefact"})
    assert isinstance(built, Artefact)
    return built


# --- cells ---------------------------------------------------------------------------------------


def test_cells_are_frames_times_bands_of_the_artefacts():
    x = np.random.default_rng(0).standard_normal(16000)
    local = Segment(0.2, 0.3, "artefact", "click")
    high = Segment(0.0, 1.0, "artefact", "edge", 4000.0, 8000.0)
    both = Segment(0.5, 0.6, "artefact", "whistle", 1500.0, 1600.0)
    word = Segment(0.0, 1.0, "word", "la")
    cells = mask().cells(clip_of(x, local, both, word))
    expected = np.zeros((100, 4), dtype=bool)
    expected[20:30] = True
    expected[50:60, 1] = True
    np.testing.assert_array_equal(cells, expected)
    assert mask().cells(clip_of(x, high)).any(axis=0).tolist() == [False, False, False, True]
    # Everywhere there is nothing to compare with; and without bands an edge is everywhere.
    assert not mask().cells(clip_of(x, Segment(0.0, 1.0, "artefact", "vocoder"))).any()
    assert not mask().cells(clip_of(x, high, edges=None)).any()
    assert mask().cells(clip_of(x, local, edges=None)).sum() == 10


def test_random_cells_are_as_many_elsewhere():
    x = np.random.default_rng(1).standard_normal(16000)
    local = mask().cells(clip_of(x, *(Segment(t, t + 0.1, "artefact", "c") for t in (0.2, 0.5))))
    bands = np.zeros((100, 40), dtype=bool)
    bands[:, 30:] = True
    whistle = np.zeros((100, 4), dtype=bool)
    whistle[10:20, 2] = True
    edges = np.linspace(0, 8000, 41).tolist()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        drawn = mask().random_cells(local, clip_of(x), rng)
        assert sorted(run_lengths(drawn[:, 0])) == sorted(run_lengths(local[:, 0])) == [10, 10]
        assert (drawn == drawn[:, :1]).all()
        moved = mask().random_cells(bands, clip_of(x, edges=edges), rng)
        assert moved.sum() == bands.sum()
        assert (moved == moved[:1]).all()
        assert (moved & bands).sum() <= bands.sum() / 2
        later = mask().random_cells(whistle, clip_of(x), rng)
        assert later.any(axis=0).tolist() == [False, False, True, False]
        assert later.sum() == 10
        assert (later & whistle).sum() <= 5


def test_random_cells_of_the_energy_are_frames_or_bands():
    """Soft first half, loud second half; the control of a loud run in the soft half is longer."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal(16000) * np.where(np.arange(16000) < 8000, 0.5, 1.0)
    clip = clip_of(x)
    local, whistle = np.zeros((2, 100, 4), dtype=bool)
    local[60:80] = True
    whistle[60:80, 2] = True
    edge = np.zeros((100, 4), dtype=bool)
    edge[:, 2] = True
    sizes = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        for cells in (local, whistle, edge):
            drawn = mask().cells_of_energy(cells, clip, rng)
            assert not (drawn & cells).any()
            if cells is edge:
                # A white spectrum: 2 to 4 kHz are as much as 0 to 2 kHz, and half of the rest.
                assert drawn.any(axis=0).tolist() == [True, True, False, False]
                continue
            wanted = mask().energy(cells, clip)
            assert mask().energy(drawn, clip) == pytest.approx(wanted, rel=0.06)
            assert drawn.any(axis=0).tolist() == cells.any(axis=0).tolist()
            sizes.append(drawn.any(axis=1).sum())
    # 20 frames of the loud half; or 8 of them and the soft half, which are as much as 12.
    assert 19 <= min(sizes) < 40 < max(sizes) <= 60
    nothing = np.zeros((100, 4), dtype=bool)
    assert not mask().cells_of_energy(nothing, clip, rng).any()
    # Nor in a front-end without bands.
    clip = dataclasses.replace(clip, band_edges=None)
    assert mask().cells_of_energy(nothing[:, :1], clip, rng).shape == (100, 1)


def test_random_cells_of_bands_that_miss_the_ends_of_a_clip_are_other_bands():
    """Long windows are centred before the start, and behind the end. A shift in time would leave
    the cells where they are, so that the control is the mask itself."""
    x = np.random.default_rng(1).standard_normal(16000)
    edges = np.linspace(0, 8000, 41).tolist()
    around = Clip(x.astype(np.float32), RATE, (), 112, -0.06, 0.01, band_edges=edges)
    assert (around.centres[:7] == 0).all()
    assert (around.centres[-6:] == 0.995).all()
    line = Segment(0.0, 1.0, "artefact", "lines", 2050.0, 2150.0)
    whole = mask().cells(dataclasses.replace(around, segments=[line]))
    assert whole.all(axis=0).sum() == whole.any(axis=0).sum() == 1
    most = whole.copy()
    most[:20] = most[-3:] = False
    for seed in range(30):
        for cells in (whole, most):
            drawn = mask().random_cells(cells, around, np.random.default_rng(seed))
            assert (drawn.sum(), (drawn & cells).sum()) == (cells.sum(), 0)


def test_the_energy_of_cells_is_that_of_their_frames_and_bands():
    time = np.arange(16000) / RATE
    x = np.sin(2 * np.pi * 500 * time) + 2 * np.sin(2 * np.pi * 3000 * time)
    clip = clip_of(x)
    cells = np.zeros((100, 4), dtype=bool)
    cells[:, 2] = True  # 2 to 4 kHz: amplitude 2, power 2
    assert mask().energy(cells, clip) == pytest.approx(2 * 16000, rel=0.01)
    half = cells.copy()
    half[50:] = False
    assert mask().energy(half, clip) == pytest.approx(16000, rel=0.01)
    half[:50] = True
    assert mask().energy(half, clip) == pytest.approx(2.5 * 8000, rel=0.01)
    assert mask().energy(np.zeros_like(cells), clip) == 0.0


# --- scores --------------------------------------------------------------------------------------


def network(seed: int) -> Detector:
    """Filter bank and convolutions that nobody trained."""
    torch.manual_seed(seed)
    return Detector(
        {"type": "fbank", "hop": 400, "bands": 20, "normalise": "none"},
        {"type": "cnn", "hidden": 8},
        InputPolicy(length=None),
    ).eval()


def test_cells_become_their_neighbours_and_copies_hear_the_same():
    detector = network(1)
    x = (0.1 * np.random.default_rng(2).standard_normal(8000)).astype(np.float32)
    centroid = torch.full((1, 20), 3.0)
    copies = [randomised_backend(detector.backend, seed) for seed in (1, 2)]
    masker = Masker(
        detector, {"cue": mask()}, controls=2, batch_size=4, seed=1, centroid=centroid,
        copies=copies,
    )  # fmt: skip
    places = [
        Segment(0.1, 0.2, "artefact", "c"),
        Segment(0.0, 0.6, "artefact", "e", 4000.0, 8000.0),
    ]
    found = masker.masked("u", x, places)
    (values,) = window_features(detector, [x])
    times = 0.025 * np.arange(values.shape[1])
    edges = np.array(detector.frontend.band_edges())
    replaced = values.clone()
    inside = np.flatnonzero((times >= 0.1) & (times < 0.2))
    around = values[:, inside[0] - 1] + values[:, inside[-1] + 1]
    # Every frame gets the mean of the nearest that stay.
    replaced[:, inside] = around[:, None] / 2
    replaced[:, :, torch.from_numpy((edges[:-1] < 8000) & (edges[1:] > 4000))] = 3.0

    def score(backend: Any) -> float:
        detector.backend = backend
        with torch.no_grad():
            logits = detector.backend_logits(replaced[None], torch.tensor([values.shape[1]]))
        return float(detector.score_tensor(logits)[0])

    trained = detector.backend
    assert found["masked"][0][:5] == ["cue", "-", 1.0, "-", 0]
    assert found["masked"][0][5] == pytest.approx(score(trained), abs=1e-5)
    families = [*[("energy", i) for i in (1, 2)], *[("size", i) for i in (1, 2)]]
    assert [tuple(row[3:5]) for row in found["masked"]] == [("-", 0), *families]
    for copy, own in zip(copies, found["copies"], strict=True):
        assert own["masked"][0][5] == pytest.approx(score(copy), abs=1e-5)
        assert {row[3] for row in own["masked"]} == {"-", "size"}
    detector.backend = trained
    assert masker.masked("u", x, places) == found


def test_artefacts_become_the_same_bands_of_bona_fide_frames():
    detector = network(1)
    x = (0.1 * np.random.default_rng(2).standard_normal(8000)).astype(np.float32)
    levels, firsts = np.linspace(-60.0, 0.0, 30), np.arange(0, 30, 5)
    frames = BonafideFrames(100 * torch.randn(30, 1, 20), levels, firsts)
    built = build({"type": "artefact", "replacement": "bonafide"})
    masker = Masker(
        detector, {"cue": built}, controls=1, batch_size=4, seed=1, centroid=torch.zeros(1, 20),
        frames=frames,
    )  # fmt: skip
    found = masker.masked("u", x, [Segment(0.1, 0.2, "artefact", "e", 4000.0, 8000.0)])
    (values,) = window_features(detector, [x])
    times = 0.025 * np.arange(values.shape[1])
    edges = np.array(detector.frontend.band_edges())
    cells = np.outer((times >= 0.1) & (times < 0.2), edges[1:] > 4000.0)
    (drawn,) = drawn_alike(detector, x[None], [values], frames, ("masking", 1, "u", "cue"))
    replaced = torch.where(torch.from_numpy(cells), drawn, values)
    with torch.no_grad():
        logits = detector.backend_logits(replaced[None], torch.tensor([values.shape[1]]))
    own = next(row for row in found["masked"] if row[4] == 0)
    assert own[5] == pytest.approx(float(detector.score_tensor(logits)[0]), abs=1e-5)
    assert own[5] != pytest.approx(found["unmasked"], abs=1e-4)
    without = Masker(detector, {"cue": built}, 1, 4, 1, centroid=torch.zeros(1, 20))
    with pytest.raises(ConfigError, match="needs frames"):
        without.masked("u", x, [Segment(0.1, 0.2, "artefact", "e")])


def test_artefacts_need_places(tmp_path):
    detector = network(1)
    audio.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(3).standard_normal(8000), RATE)
    rows = pl.DataFrame(
        {"utt_id": ["a"], "path": [str(tmp_path / "a.wav")], "label": ["spoof"], "duration": 0.5}
    ).with_columns(score=0.0)
    masker = Masker(detector, {"cue": mask()}, 1, 4, 1, centroid=torch.zeros(1, 20))
    words = pl.DataFrame([("a", 0.0, 0.1, "word", "x")], schema=SEGMENT_COLUMNS, orient="row")
    with pytest.raises(TableError, match=r"mask 'cue': no masked utterance has a segment of the"):
        mask_utterances(masker, rows, words, {})


def test_a_study_without_known_artefacts_cannot_mask_them():
    study = {
        "study": "s",
        "corpora": {"own": {"type": "folder", "path": "data"}},
        "frontends": {"f": {"type": "fbank"}},
        "detectors": {
            "d": {
                "frontend": "f",
                "backend": {"type": "cnn"},
                "train": {"data": [{"corpus": "own"}]},
            }
        },
        "score": [{"corpus": "own", "splits": ["eval"]}],
        "masking": {
            "detectors": ["d"],
            "trials": [{"corpus": "own", "split": "eval"}],
            "masks": {"cue": {"type": "artefact"}},
        },
    }
    with pytest.raises(ConfigError, match=r"masking\.masks\.cue: nothing says where artefacts"):
        checked(study)


def test_segments_are_of_an_aligner_and_artefacts_of_the_corpus(tmp_path):
    rows = [("a", 0.0, 0.1, "word", "x", None, None), ("a", 0.0, 1.0, "artefact", "e", 1.0, 2.0)]
    schema = {**SEGMENT_COLUMNS, **BAND_COLUMNS}
    write_segments(tmp_path / "c.tsv", pl.DataFrame(rows, schema=schema, orient="row"))
    phone = pl.DataFrame([("a", 0.2, 0.3, "phone", "a")], schema=SEGMENT_COLUMNS, orient="row")
    write_segments(tmp_path / "a.tsv", phone)
    found = segments_of(tmp_path / "a.tsv", tmp_path / "c.tsv")
    assert found is not None
    assert found["tier"].to_list() == ["phone", "artefact"]
    assert found["high_hz"].to_list() == [None, 2.0]
    assert segments_of("", "") is None


# --- numbers -------------------------------------------------------------------------------------


def test_the_p_of_a_mean_counts_flips_of_clusters():
    rng = np.random.default_rng(4)
    values, clusters = rng.standard_normal(12) + 0.4, np.repeat(list("abcdef"), 2)
    sums = values.reshape(6, 2).sum(axis=1)
    flips = np.array([abs(np.dot(signs, sums)) for signs in product((1, -1), repeat=6)])
    expected = np.mean(flips >= abs(sums.sum()) - 1e-9)
    assert flipped_mean(values, clusters) == pytest.approx(expected)
    assert flipped_mean([1.0, 2.0, 3.0, 4.0], list("abcd")) == 2 / 16
    assert flipped_mean([0.0, 0.0], list("ab")) == 1.0


def masked_table(
    beyond: float, copies: list[float], n: int = 24, spread: float = 1.0, seed: int = 5
) -> pl.DataFrame:
    """Spoofs of the attack A of n / 2 speakers, whose cue adds `beyond` more than controls do."""
    rng = np.random.default_rng(seed)
    rows = []
    for weights, effect in enumerate([beyond, *copies]):
        for i in range(n):
            bonafide = 2.0 + spread * (-1) ** i
            rows.append((f"b{i}", weights, UNMASKED, "-", 0.0, "-", 0, bonafide, 0.0, 0.0))
            for form in (("-", 0), ("size", 1), ("size", 2)):
                rows.append((f"b{i}", weights, "cue", "-", 1.0, *form, bonafide, 0.0, 0.0))
            score = -1.0 + 0.1 * rng.standard_normal()
            rows.append((f"s{i}", weights, UNMASKED, "-", 0.0, "-", 0, score, 0.0, 0.0))
            changed = [score + 0.5 + effect, score + 0.25, score + 0.75]
            for control, value in enumerate(changed):
                matched = "size" if control else "-"
                rows.append((f"s{i}", weights, "cue", "-", 1.0, matched, control, value, 0.1, 0.1))
            # Random masks of the energy are not of the table: as many others are.
            if not weights:
                for name in (f"b{i}", f"s{i}"):
                    rows.append((name, 0, "cue", "-", 1.0, "energy", 1, -99.0, 0.1, 0.1))
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def manifest_of(n: int = 24) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (f"{kind}{i}", f"{kind}{i}.flac", "eval", label, attack, f"S{i // 2}", 1.0, RATE)
            for kind, label, attack in (("b", "bonafide", "-"), ("s", "spoof", "A"))
            for i in range(n)
        ],
        schema=["utt_id", "path", "split", "label", "attack", "speaker", "duration", "sample_rate"],
        orient="row",
    )


def test_a_drop_is_held_against_controls_and_copies():
    table = masked_table(1.5, [0.1 * k for k in range(19)])
    drop = drop_of(table.join(manifest_of(), on="utt_id"), "A", "cue", 500, 1, None)
    assert drop.drop == pytest.approx(2.0)
    assert drop.control == pytest.approx(0.5)
    assert drop.beyond == pytest.approx(1.5)
    assert (drop.n, drop.units, drop.copies) == (24, 12, 19)
    assert drop.p == pytest.approx(2 / 2**12)
    # Those of 1.5 to 1.8, and the detector itself.
    assert drop.p_copies == pytest.approx((1 + 4) / 20)
    none = drop_of(masked_table(0.0, []).join(manifest_of(), on="utt_id"), "A", "cue", 500, 1, None)
    assert (none.beyond, none.p_copies) == (pytest.approx(0.0), None)
    # Bona fide scores that are all alike give no scale.
    flat = masked_table(1.0, [0.5], spread=0.0)
    assert drop_of(flat.join(manifest_of(), on="utt_id"), "A", "cue", 0, 1, None).p_copies is None


def localisation_of(folder: Path, found: bool, n: int = 24) -> Path:
    row = {
        "method": "integrated_gradients", "axis": "time", "attack": "A", "metric": "auc_evidence",
        "value": 0.9 if found else 0.5, "ci_low": 0.8 if found else 0.4, "ci_high": 0.95,
        "chance": 0.5, "chance_low": 0.45, "chance_high": 0.55, "n": n, "clusters": n // 2,
        "n_global": 0, "n_without": 0,
    }  # fmt: skip
    write_table(folder / "localisation.tsv", pl.DataFrame([row]))
    return folder / "localisation.tsv"


def entry_of(
    folder: Path, beyond: float = 1.5, found: bool = True, copies: int = 19, hears: bool = True
) -> dict[str, Any]:
    write_manifest(folder / "manifest.tsv", manifest_of())
    table = masked_table(beyond, [0.0] * copies)
    write_table(folder / "masked.tsv", table)
    scores = table.filter(mask=UNMASKED, weights=0).select("utt_id", "score")
    if not hears:
        scores = scores.with_columns(score=pl.Series(np.arange(48.0) % 7))
    write_scores(folder / "scores.tsv", scores)
    return {
        "name": "ears", "seed": 1, "corpus": "mini", "split": "eval", "mask": "cue",
        "scores": str(folder / "scores.tsv"), "manifest": str(folder / "manifest.tsv"),
        "masked": str(folder / "masked.tsv"),
        "localisations": [
            {"table": str(localisation_of(folder, found)), "checks": checks_of(folder, "ears")}
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({}, []),
        ({"hears": False}, [DETECTION]),
        ({"found": False}, [LOCALISATION]),
        ({"beyond": 0.0}, [CAUSE, LEARNING]),
        ({"beyond": -1.5}, [CAUSE, LEARNING]),
        ({"copies": 0}, [LEARNING]),
        # One in ten is not below 0.05.
        ({"copies": 9}, [LEARNING]),
    ],
)
def test_all_four_criteria_are_needed(tmp_path, changes, lacks):
    table = cue_use([entry_of(tmp_path, **changes)], 500, 1, None)
    (row,) = table.iter_rows(named=True)
    assert lacking(row) == lacks
    assert row["verdict"] == (NO_EVIDENCE if lacks else USES)
    assert row["lacks"] == (", ".join(lacks) or "-")


def test_less_harm_than_elsewhere_is_no_drop(tmp_path):
    entry = entry_of(tmp_path)
    table = pl.read_csv(tmp_path / "masked.tsv", separator="\t", schema_overrides=COLUMNS)
    # Whatever is replaced sounds like a spoof, the cue a little less.
    harmed = pl.col("label_is_spoof") & (pl.col("mask") == "cue")
    table = table.with_columns(label_is_spoof=pl.col("utt_id").str.starts_with("s"))
    table = table.with_columns(score=pl.when(harmed).then(pl.col("score") - 9).otherwise("score"))
    write_table(tmp_path / "masked.tsv", table.select(list(COLUMNS)))
    (row,) = cue_use([entry], 500, 1, None).iter_rows(named=True)
    assert row["drop"] == pytest.approx(-7.0)
    assert row["beyond"] == pytest.approx(1.5)
    assert row["lacks"] == CAUSE


def test_few_speakers_are_never_enough(tmp_path):
    entry = entry_of(tmp_path)
    first = pl.col("speaker") == "S0"
    two = manifest_of().with_columns(
        speaker=pl.when(first).then(pl.lit("x")).otherwise(pl.lit("y"))
    )
    write_manifest(tmp_path / "manifest.tsv", two)
    (row,) = cue_use([entry], 500, 1, None).iter_rows(named=True)
    assert row["verdict"] == NO_EVIDENCE
    assert row["beyond_low"] is None
    assert row["p"] == 0.5
    assert "by -2, and replacing as much elsewhere by -0.5: a drop of +1.5" in sentence(row)
    one = {**row, "p_holm": None, "n_units": 1}
    assert "a single clip or speaker gives no p value" in sentence(one)


@pytest.mark.slow
def test_the_table_is_corrected_over_detectors_and_read_as_written(tmp_path):
    entries = []
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        entries.append({**entry_of(tmp_path / name), "name": name})
    make(entries, {"table": str(tmp_path / "t.tsv")}, resamples=500, bootstrap_seed=1, cluster=None)
    table = read_cue_use(str(tmp_path / "t.tsv"))
    assert table["p_holm"].to_list() == pytest.approx([3 * p for p in table["p"]])
    sections = cue_use_section(str(tmp_path / "t.tsv"))
    assert [section["name"] for section in sections] == ["one", "two", "three"]
    (text,) = sections[0]["sentences"]
    assert text.startswith("one uses the cue of A: EER 0.0 %")
    assert "by Integrated Gradients of 24 clips" in text
    assert "19 copies with shuffled weights" in text
    outputs = {suffix: str(tmp_path / f"f.{suffix}") for suffix in ("pdf", "png", "tsv")}
    frames = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style.plt, "close", frames.append)
        draw(str(tmp_path / "t.tsv"), outputs)
    (axes,) = frames[0].axes
    # Four filled markers and a frame for each detector, and its rates.
    assert len(axes.lines) == 4 * 3
    assert {line.get_markerfacecolor() for line in axes.lines} == {"#333333"}
    assert len(axes.patches) == 3
    assert [text.get_text() for text in axes.texts] == [f"0 %, {table['auc'][0]:.2f}"] * 3
    assert pl.read_csv(outputs["tsv"], separator="\t").height == 3
    # A second method that finds nothing, and one that finds what the first does not.
    differs = table.filter(name="one").with_columns(
        method=pl.lit("occlusion_time"),
        verdict=pl.lit(NO_EVIDENCE),
        lacks=pl.lit("localisation"),
        controls=pl.lit("fails"),
    )
    write_table(tmp_path / "t.tsv", pl.concat([table.filter(name="one"), differs]))
    ((text,),) = [section["sentences"] for section in cue_use_section(str(tmp_path / "t.tsv"))]
    assert text.startswith("one uses the cue of A")
    assert "By another method it is not shown: evidence at the cue in time" in text
    assert "by occlusion in time of 24 clips (†: its explanations fail their controls)" in text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style.plt, "close", frames.append)
        draw(str(tmp_path / "t.tsv"), outputs)
    labels = [label.get_text() for label in frames[-1].axes[0].get_yticklabels()]
    assert labels == ["one\nIntegrated Gradients", "one\nocclusion in time †"]
    assert frames[-1].get_suptitle().startswith("† Explanations of one, occlusion in time fail")
    write_table(tmp_path / "t.tsv", pl.concat([differs, table.filter(name="one")]))
    ((text,),) = [section["sentences"] for section in cue_use_section(str(tmp_path / "t.tsv"))]
    assert text.startswith("No evidence that one uses the cue of A")
    assert "By another method it is shown: evidence at the cue" in text
    make([entry_of(tmp_path, found=False)], {"table": str(tmp_path / "t.tsv")}, resamples=500,
         bootstrap_seed=1, cluster=None)  # fmt: skip
    ((text,),) = [section["sentences"] for section in cue_use_section(str(tmp_path / "t.tsv"))]
    assert text.startswith("No evidence that ears uses the cue of A: localisation is not shown")
    assert cue_use_section(None) == []


def test_a_cue_without_a_place_says_nothing(tmp_path):
    entry = entry_of(tmp_path)
    table = pl.read_csv(tmp_path / "localisation.tsv", separator="\t")
    write_table(tmp_path / "localisation.tsv", table.with_columns(n=0, n_global=24))
    make([entry], {"table": str(tmp_path / "t.tsv")}, resamples=500, bootstrap_seed=1, cluster=None)
    (row,) = read_cue_use(str(tmp_path / "t.tsv")).iter_rows(named=True)
    assert (row["axis"], row["verdict"]) == (NOWHERE, NO_EVIDENCE)
    ((text,),) = [section["sentences"] for section in cue_use_section(str(tmp_path / "t.tsv"))]
    assert text.startswith("Nothing can be said of ears and the cue of A")


def test_cells_get_what_is_nearest_in_time_or_among_the_bands():
    values = torch.arange(24.0).reshape(1, 4, 6) ** 2
    vector = torch.full((1, 6), -1.0)
    cells = np.zeros((4, 6), dtype=bool)
    cells[1:3, 0] = True
    cells[0, 1] = True
    cells[:, 3] = cells[:, 5] = True
    filled = refilled(values, cells, vector)[0]
    expected = values[0].clone()
    expected[1:3, 0] = (values[0, 0, 0] + values[0, 3, 0]) / 2
    # At the ends there is one neighbour in time alone, and none above the last band.
    expected[0, 1] = values[0, 1, 1]
    expected[:, 3] = (values[0, :, 2] + values[0, :, 4]) / 2
    expected[:, 5] = -1.0
    assert torch.equal(filled, expected)
    assert torch.equal(refilled(values, np.zeros((4, 1), dtype=bool), vector), values)
    assert torch.equal(refilled(values, np.ones((4, 1), dtype=bool), vector)[0, 0], vector[0])


def test_appended_zeros_are_no_neighbours():
    values = torch.tensor([1.0, 2.0, 3.0, 99.0, 99.0]).reshape(1, 5, 1)
    places = np.array([0, 1, 2, -1, -1])
    last = np.array([False, False, True])
    filled = replaced_within(values, places, last, replacement, None)
    assert filled.flatten().tolist() == [1.0, 2.0, 2.0, 99.0, 99.0]
    cells = np.ones((3, 1), dtype=bool)
    filled = replaced_within(values, places, cells, refilled, torch.full((1, 1), 7.0))
    assert filled.flatten().tolist() == [7.0, 7.0, 7.0, 99.0, 99.0]


# --- weights that learned nothing ----------------------------------------------------------------


def planted(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Noise of 12 speakers, and spoofs with zeros in the middle or nothing above 4 kHz."""
    rng = np.random.default_rng(6)
    rows, segments = [], []
    for i in range(24):
        for attack in ("-", "zeros", "edge"):
            utt_id, x = f"{attack}{i}", 0.1 * rng.standard_normal(8000)
            if attack == "zeros":
                start = int(rng.integers(1600, 4800))
                x[start : start + 1600] = 0.0
                places = [(start / RATE, start / RATE + 0.1, None, None)]
            elif attack == "edge":
                spectrum = np.fft.rfft(x)
                spectrum[2000:] = 0.0
                x = np.fft.irfft(spectrum)
                places = [(0.0, 0.5, 4000.0, 8000.0)]
            else:
                places = []
            segments += [
                (utt_id, a, b, "artefact", attack, low, high) for a, b, low, high in places
            ]
            path = folder / f"{utt_id.replace('-', 'b')}.wav"
            audio.write(path, x, RATE)
            label = "bonafide" if attack == "-" else "spoof"
            rows.append((utt_id, str(path), "eval", label, attack, f"S{i // 2}", 0.5, RATE))
    columns = ["utt_id", "path", "split", "label", "attack", "speaker", "duration", "sample_rate"]
    return (
        pl.DataFrame(rows, schema=columns, orient="row"),
        pl.DataFrame(segments, schema={**SEGMENT_COLUMNS, **BAND_COLUMNS}, orient="row"),
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_weights_that_learned_nothing_are_not_said_to_use_a_cue(tmp_path, seed):
    manifest, segments = planted(tmp_path)
    detector = network(seed)
    detector.save(tmp_path / "detector")
    scores = [detector.predict(path)["score"] for path in manifest["path"]]
    rows = manifest.with_columns(score=pl.Series(scores), chosen_by=pl.lit("per_attack"))
    bonafide = [
        window_features(detector, [detector.policy.read(path)])[0].mean(dim=1)
        for path in rows.filter(label="bonafide")["path"]
    ]
    centroid = torch.stack(bonafide).mean(dim=0)
    write_centroid(tmp_path / "centroid.safetensors", centroid)
    options = ExplainOptions(steps=8, max_steps=8, controls=1, randomised=0)
    files = [tmp_path / name for name in ("a.safetensors", "regions.tsv", "summary.tsv")]
    explain(detector, rows, *files, options, centroid=centroid, seed=1)
    seconds = dict(manifest.select("utt_id", "duration").iter_rows())
    located = localise(Attributions(files[0]), segments, seconds)
    summary = summarise(located, manifest, resamples=300, seed=1)
    write_table(tmp_path / "localisation.tsv", summary)
    masker = masker_of(
        tmp_path / "detector", {"cue": {"type": "artefact"}},
        MaskingOptions(controls=2, randomised=19), seed=1,
        centroid=tmp_path / "centroid.safetensors",
    )  # fmt: skip
    done: dict[str, Any] = {}
    mask_utterances(masker, rows, segments, done)
    write_masked(tmp_path / "masked.tsv", rows["utt_id"].to_list(), done)
    assert set(read_masked(tmp_path / "masked.tsv")["weights"]) == set(range(20))
    write_manifest(tmp_path / "manifest.tsv", manifest)
    write_scores(tmp_path / "scores.tsv", rows.select("utt_id", "score"))
    entry = {
        **dict.fromkeys(("name", "corpus"), "x"), "seed": 1, "split": "eval", "mask": "cue",
        **{key: str(tmp_path / f"{key}.tsv") for key in ("scores", "manifest", "masked")},
        "localisations": [
            {"table": str(tmp_path / "localisation.tsv"), "checks": checks_of(tmp_path, "ears")}
        ],
    }  # fmt: skip
    table = cue_use([entry], 300, 1, None)
    assert sorted(table.select("attack", "axis").rows()) == [("edge", "band"), ("zeros", "time")]
    assert table["verdict"].to_list() == [NO_EVIDENCE] * 2
    assert table["n_localised"].to_list() == [24, 24]
