"""Localisation of attributions against known segments, in closed form and against scikit-learn."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, roc_auc_score

from spoofscope.attribution.localisation import (
    COVERAGE,
    LARGEST,
    METRICS,
    area_under_curve,
    average_precision,
    iou_of_largest,
    is_above_chance,
    localise,
    measured,
    pointing_game,
    read_localisation,
    shifted,
    summarise,
)
from spoofscope.attribution.store import MASKINGS, Explanation, Settings
from spoofscope.errors import TableError
from spoofscope.places import Place, positive_bands, positive_frames, times_within
from spoofscope.tables import BAND_COLUMNS, SEGMENT_COLUMNS, write_table

SETTINGS = Settings(
    target="bonafide",
    baseline="zeros",
    row_axis="layer",
    n_rows=2,
    band_edges=(),
    sample_rate=16000,
    hop_seconds=0.02,
    first_centre_seconds=0.0125,
    smoothing_frames=5,
    fractions=(0.5,),
    tolerance=0.05,
)


class _Long(dict[str, float]):
    """Durations of utterances that are longer than what is explained of them."""

    def __missing__(self, utt_id: str) -> float:
        return 9.0


LONG = _Long()


def explanation(
    utt_id: str, curve: np.ndarray, attack: str = "A", label: str = "spoof"
) -> Explanation:
    """`curve` is evidence for bona fide; the map splits it over two rows."""
    half = curve.astype(np.float32) / 2
    return Explanation(
        utt_id=utt_id,
        label=label,
        attack=attack,
        score=0.0,
        baseline_score=0.0,
        delta=0.0,
        relative_error=0.0,
        steps=50,
        converged=True,
        outside=0.0,
        map=np.stack([half, half]),
        coverage=np.ones(curve.size, dtype=np.int64),
        maskings={name: np.zeros(1) for name in MASKINGS},
        settings=SETTINGS,
    )


def segments(*rows: tuple[str, float, float, str]) -> pl.DataFrame:
    return pl.DataFrame([(*row, "buzz") for row in rows], schema=SEGMENT_COLUMNS, orient="row")


def test_a_frame_is_positive_when_its_centre_is_in_a_segment():
    times = np.array([0.0, 0.1, 0.2, 0.3])
    places = [Place(0.1, 0.2), Place(0.25, 9.0)]
    assert positive_frames(times, places).tolist() == [False, True, False, True]


def test_a_band_is_positive_when_it_overlaps_that_of_a_segment():
    edges = [0.0, 100.0, 200.0, 300.0, 400.0]
    # A band that ends where another begins does not overlap it.
    assert positive_bands(edges, [Place(0, 1, 150.0, 200.0)]).tolist() == [
        False,
        True,
        False,
        False,
    ]
    assert positive_bands(edges, [Place(0, 1, 199.0, 301.0)]).tolist() == [False, True, True, True]
    assert positive_bands(edges, [Place(0, 1, 350.0, 9000.0)]).tolist() == [False] * 3 + [True]
    assert positive_bands(edges, [Place(0, 1)]).all()
    assert not positive_bands(edges, []).any()


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30).filter(
        lambda frames: len({inside for _, inside in frames}) == 2
    )
)
def test_iou_with_ties_is_the_mean_over_all_orders_of_the_tied_frames(frames):
    values = np.array([value for value, _ in frames], dtype=float)
    positive = np.array([inside for _, inside in frames])
    count = int(positive.sum())
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(400):
        order = rng.permutation(values.size)
        chosen = order[np.argsort(-values[order], kind="stable")][:count]
        hits.append(positive[chosen].sum())
    # The expected hits are exact; the mean over 400 random orders is within its own noise of them.
    got = float(iou_of_largest(values, positive, count))
    expected_hits = 2 * count * got / (1 + got)
    assert expected_hits == pytest.approx(np.mean(hits), abs=5 * np.std(hits) / 20 + 1e-9)


def test_perfect_opposite_and_constant_evidence():
    positive = np.array([False, True, True, False, False])
    best, worst = positive.astype(float), 1.0 - positive
    assert iou_of_largest(best, positive, 2) == 1.0
    assert iou_of_largest(worst, positive, 2) == 0.0
    # 2 of 5 frames, each chosen with probability 2/5: 0.8 expected hits.
    assert iou_of_largest(np.zeros(5), positive, 2) == pytest.approx(0.8 / 3.2)
    # One frame of two, and all of five.
    assert iou_of_largest(best, positive, 1) == pytest.approx(1 / 2)
    assert iou_of_largest(best, positive, 5) == pytest.approx(2 / 5)
    assert area_under_curve(best, positive) == 1.0
    assert area_under_curve(worst, positive) == 0.0
    assert area_under_curve(np.zeros(5), positive) == 0.5
    assert average_precision(best, positive) == 1.0
    # Both positives at once, after all others: 2 of 5.
    assert average_precision(worst, positive) == pytest.approx(2 / 5)
    assert pointing_game(best, positive) == 1.0
    assert pointing_game(worst, positive) == 0.0
    assert pointing_game(np.zeros(5), positive) == pytest.approx(0.4)


_FRAMES = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30).filter(
    lambda frames: len({inside for _, inside in frames}) == 2
)


@given(_FRAMES)
def test_auc_and_average_precision_are_those_of_scikit_learn(frames):
    values = np.array([value for value, _ in frames], dtype=float)
    positive = np.array([inside for _, inside in frames])
    assert area_under_curve(values, positive) == pytest.approx(roc_auc_score(positive, values))
    assert average_precision(values, positive) == pytest.approx(
        average_precision_score(positive, values)
    )


def test_a_contrast_is_pointed_at_though_its_auc_lies_below_a_half():
    """A line, spread over three bands, heard as the middle less its neighbours."""
    spread = np.zeros(21)
    spread[9:12] = 0.5, 1.0, 0.5
    weights = np.zeros(21)
    weights[9:12] = -1.0, 2.0, -1.0
    found = measured(weights * spread, spread > 0)
    assert found["pointing"] == 1
    # One band above all 18 others, two below them.
    assert found["auc_evidence"] == pytest.approx(1 / 3)
    assert found["auc_magnitude"] == 1


@given(_FRAMES)
def test_by_chance_the_auc_is_a_half_and_the_pointing_game_the_share_of_positive_frames(frames):
    values = np.array([value for value, _ in frames], dtype=float)
    positive = np.array([inside for _, inside in frames])
    rows = shifted(positive)
    found = measured(values, rows)
    assert set(found) == set(METRICS)
    assert found["auc_evidence"].mean() == pytest.approx(0.5)
    assert found["auc_magnitude"].mean() == pytest.approx(0.5)
    assert found["pointing"].mean() == pytest.approx(positive.mean())
    # Row by row, each is the metric of one shift.
    for shift, row in enumerate(rows):
        assert row.tolist() == np.roll(positive, shift).tolist()
        alone = measured(values, row)
        for name in METRICS:
            assert found[name][shift] == pytest.approx(float(alone[name]))


def test_a_detector_that_hears_the_planted_artefact_is_told_from_one_that_does_not():
    rng = np.random.default_rng(5)
    frames = 100
    planted = slice(40, 60)
    table = segments(("hit", 0.8, 1.2, "artefact"), ("miss", 0.8, 1.2, "artefact"))
    curve = 0.01 * rng.standard_normal(frames)
    curve[planted] -= 1.0  # negative for bona fide is positive for spoof
    rows = localise([explanation("hit", curve), explanation("miss", -curve)], table, LONG)
    hit, miss = rows.row(0, named=True), rows.row(1, named=True)
    assert (hit["auc_evidence"], hit["pointing"], hit["iou"]) == (1.0, 1.0, 1.0)
    assert (miss["auc_evidence"], miss["pointing"], miss["iou"]) == (0.0, 0.0, 0.0)
    # The size of the attribution does not know for what it speaks.
    assert miss["auc_magnitude"] == hit["auc_magnitude"] == 1.0
    assert hit["coverage"] == 0.2


def test_the_auc_of_a_clip_agrees_with_scikit_learn_under_ties():
    rng = np.random.default_rng(6)
    curve = np.round(rng.standard_normal(80), 1)
    item = explanation("u", curve)
    table = localise(
        [item], segments(("u", 0.3, 0.7, "artefact"), ("u", 1.0, 1.1, "artefact")), LONG
    )
    truth = positive_frames(item.times, [Place(0.3, 0.7), Place(1.0, 1.1)])
    assert table["auc_evidence"][0] == pytest.approx(roc_auc_score(truth, item.evidence("spoof")))
    assert table["auc_magnitude"][0] == pytest.approx(
        roc_auc_score(truth, np.abs(item.evidence("spoof")))
    )


def test_frames_that_no_window_saw_do_not_count():
    curve = np.zeros(10)
    curve[2] = -1.0
    seen = explanation("u", curve)
    seen.coverage[5:] = 0
    # Frames 2 and 7 are in segments; frame 7 was never seen.
    table = localise(
        [seen], segments(("u", 0.05, 0.06, "artefact"), ("u", 0.15, 0.16, "artefact")), LONG
    )
    assert table["coverage"][0] == pytest.approx(1 / 5)
    assert table["iou"][0] == 1.0


def test_frames_centred_outside_of_the_recording_hear_its_ends():
    """Long windows of analysis are centred before the start, and behind the end."""
    times = np.array([-0.06, -0.02, 0.0, 0.02, 0.96, 0.99, 1.04])
    within = times_within(times, 1.0, 0.02)
    assert within.tolist() == [0.0, 0.0, 0.0, 0.02, 0.96, 0.99, 0.99]
    assert positive_frames(within, [Place(0.0, 1.0)]).all()
    assert positive_frames(within, [Place(0.0, 0.01)]).tolist() == [True] * 3 + [False] * 4
    early = explanation("u", np.array([-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0]))
    early = dataclasses.replace(
        early, settings=dataclasses.replace(SETTINGS, first_centre_seconds=-0.04)
    )
    ends = segments(("u", 0.0, 0.01, "artefact"), ("u", 0.09, 0.1, "artefact"))
    found = localise([early], ends, {"u": 0.1}).row(0, named=True)
    assert (found["auc_evidence"], found["coverage"]) == (1.0, 4 / 8)


def test_global_and_missing_artefacts_are_left_out_and_counted():
    rng = np.random.default_rng(7)
    items = [explanation(f"l{i}", rng.standard_normal(50), "local") for i in range(6)]
    items += [explanation("g", rng.standard_normal(50), "vocoder")]
    items += [explanation("n", rng.standard_normal(50), "local")]
    items += [explanation("b", rng.standard_normal(50), "-", label="bonafide")]
    table = segments(
        *((f"l{i}", 0.2, 0.5, "artefact") for i in range(6)),
        ("g", 0.0, 9.0, "artefact"),
        ("n", 0.0, 9.0, "word"),
    )
    rows = localise(items, table, LONG)
    assert dict(rows.select("utt_id", "status").iter_rows()) == {
        **{f"l{i}": "local" for i in range(6)},
        "g": "global",
        "n": "none",
    }
    trials = rows.select("utt_id")
    summary = summarise(rows, trials, resamples=200, seed=1)
    aucs = {
        row["attack"]: row
        for row in summary.iter_rows(named=True)
        if row["metric"] == "auc_evidence"
    }
    assert list(aucs) == ["all", "local", "vocoder"]
    assert (aucs["local"]["n"], aucs["local"]["n_without"]) == (6, 1)
    assert aucs["vocoder"]["value"] is None
    assert (aucs["vocoder"]["n"], aucs["vocoder"]["n_global"]) == (0, 1)
    expected = rows.filter(pl.col("status") == "local")["auc_evidence"].mean()
    assert aucs["local"]["value"] == pytest.approx(expected)
    assert summary.equals(summarise(rows, trials, resamples=200, seed=1))
    # Of six clips there is no interval.
    assert aucs["local"]["ci_low"] is None


def summarised(values: list[float], speakers: list[str] | None = None) -> dict:
    """The pointing game's row over all attacks, of utterances with these values."""
    ids = [f"u{i}" for i in range(len(values))]
    rows = pl.DataFrame(
        {
            "utt_id": ids,
            "attack": "A",
            "method": "m",
            "axis": "time",
            "status": "local",
            **dict.fromkeys((*METRICS, COVERAGE), values),
            **dict.fromkeys((f"{name}_chance" for name in METRICS), 0.25),
            **dict.fromkeys((f"{name}_variance" for name in METRICS), 0.09),
        },
        strict=False,
    )
    trials = pl.DataFrame({"utt_id": ids})
    if speakers is not None:
        trials = trials.with_columns(speaker=pl.Series(speakers))
    table = summarise(rows, trials, resamples=400, seed=1)
    return {row["metric"]: row for row in table.filter(attack="all").iter_rows(named=True)}


def test_intervals_of_means_need_eight_clips_or_speakers():
    values = [0.0, 1.0, 0.5, 1.0, 0.25, 1.0, 1.0, 0.5]
    assert summarised(values[:7])["auc_evidence"]["ci_low"] is None
    found = summarised(values)["auc_evidence"]
    assert found["ci_low"] < found["value"] < found["ci_high"]
    seven = [f"s{i % 7}" for i in range(21)]
    assert summarised(values[:7] * 3, seven)["auc_evidence"]["ci_low"] is None
    eight = summarised(values * 3, [f"s{i % 8}" for i in range(24)])["auc_evidence"]
    assert (eight["n"], eight["clusters"]) == (24, 8)
    # Three clips of one speaker with one value are worth no more than one clip.
    by_clip = summarised(values * 3)["auc_evidence"]
    assert by_clip["clusters"] is None
    assert eight["ci_high"] - eight["ci_low"] > 1.4 * (by_clip["ci_high"] - by_clip["ci_low"])


def test_the_pointing_game_that_is_always_right_has_a_bound():
    for n, speakers, units in ((12, None, 12), (24, [f"s{i % 8}" for i in range(24)], 8)):
        found = summarised([1.0] * n, speakers)
        low = binomtest(units, units).proportion_ci(method="exact").low
        for metric in ("pointing", "auc_evidence"):
            assert (found[metric]["ci_low"], found[metric]["ci_high"]) == pytest.approx((low, 1.0))
    mixed = summarised([1.0] * 9 + [0.0] * 3)["pointing"]
    exact = binomtest(9, 12).proportion_ci(method="exact")
    assert mixed["ci_low"] <= exact.low + 1e-9
    assert mixed["ci_high"] >= exact.high - 1e-9


def test_random_evidence_is_at_chance():
    rng = np.random.default_rng(8)
    items = [explanation(f"u{i}", rng.standard_normal(60)) for i in range(300)]
    table = segments(*((f"u{i}", 0.3, 0.6, "artefact") for i in range(300)))
    trials = pl.DataFrame({"utt_id": [f"u{i}" for i in range(300)]})
    summary = summarise(localise(items, table, LONG), trials, resamples=200, seed=1).filter(
        attack="all"
    )
    for row in summary.filter(pl.col("metric") != COVERAGE).iter_rows(named=True):
        assert row["value"] == pytest.approx(row["chance"], abs=0.07), row["metric"]
        assert row["chance_low"] < row["chance"] < row["chance_high"]
        assert not is_above_chance(row)
    coverage = summary.filter(metric=COVERAGE).row(0, named=True)
    assert (coverage["value"], coverage["chance"]) == (pytest.approx(0.25), None)
    assert summary.filter(metric="pointing")["chance"][0] == pytest.approx(0.25)


def test_the_interval_of_chance_holds_95_percent_of_random_shifts():
    rng = np.random.default_rng(9)
    # Evidence that changes slowly has few independent frames, and scatters much by chance.
    n, frames = 24, 120
    kernel = np.ones(15) / 15
    items = [
        explanation(f"u{i}", np.convolve(rng.standard_normal(frames + 14), kernel, mode="valid"))
        for i in range(n)
    ]
    table = segments(*((f"u{i}", 0.5, 0.9, "artefact") for i in range(n)))
    trials = pl.DataFrame({"utt_id": [f"u{i}" for i in range(n)]})
    row = (
        summarise(localise(items, table, LONG), trials, resamples=0, seed=1)
        .filter(attack="all", metric="auc_evidence")
        .row(0, named=True)
    )
    positive = positive_frames(items[0].times, [Place(0.5, 0.9)])
    aucs = np.stack([area_under_curve(item.evidence("spoof"), shifted(positive)) for item in items])
    means = np.mean([own[rng.integers(0, frames, 4000)] for own in aucs], axis=0)
    inside = np.mean((means > row["chance_low"]) & (means < row["chance_high"]))
    assert inside == pytest.approx(0.95, abs=0.015)


def test_what_is_found_always_is_above_chance_and_what_is_found_nowhere_is_not():
    items = []
    for i in range(12):
        curve = np.zeros(50)
        curve[10:20] = -1.0
        items.append(explanation(f"u{i}", curve))
    trials = pl.DataFrame({"utt_id": [f"u{i}" for i in range(12)]})
    for place, above in (((0.2, 0.4), True), ((0.6, 0.8), False)):
        table = segments(*((f"u{i}", *place, "artefact") for i in range(12)))
        summary = summarise(localise(items, table, LONG), trials, resamples=200, seed=1)
        rows = {row["metric"]: row for row in summary.filter(attack="all").iter_rows(named=True)}
        assert is_above_chance(rows["auc_evidence"]) is above
        assert rows["pointing"]["value"] == float(above)
    few = summarise(localise(items[:7], table, LONG), trials, resamples=200, seed=1)
    row = few.filter(attack="all", metric="auc_evidence").row(0, named=True)
    assert is_above_chance(row) is None
    assert row["chance_low"] is None


def test_evidence_in_a_band_is_found_over_frequency_and_not_in_time():
    edges = [0.0, 1000.0, 2000.0, 3000.0, 4000.0]
    settings = dataclasses.replace(SETTINGS, row_axis="band", n_rows=4, band_edges=tuple(edges))
    item = explanation("u", np.zeros(20))
    values = np.zeros((4, 20), dtype=np.float32)
    values[2] = -0.5  # negative for bona fide is positive for spoof
    item = dataclasses.replace(item, map=values, settings=settings)
    places = pl.DataFrame(
        [("u", 0.0, 9.0, "artefact", "band", 2100.0, 2900.0)],
        schema={**SEGMENT_COLUMNS, **BAND_COLUMNS},
        orient="row",
    )
    rows = {row["axis"]: row for row in localise([item], places, LONG).iter_rows(named=True)}
    assert rows["time"]["status"] == "global"
    band = rows["band"]
    assert (band["status"], band["coverage"]) == ("local", 0.25)
    assert (band["auc_evidence"], band["average_precision"], band["pointing"], band["iou"]) == (
        *(1.0, 1.0, 1.0, 1.0),
    )
    # With target spoof the map has the opposite sign.
    other = dataclasses.replace(
        item, map=-values, settings=dataclasses.replace(settings, target="spoof")
    )
    assert localise([other], places, LONG).filter(axis="band")["auc_evidence"][0] == 1.0
    # A cue at all frequencies cannot be found over them.
    whole = places.with_columns(low_hz=pl.lit(None, pl.Float64), high_hz=pl.lit(None, pl.Float64))
    assert localise([item], whole, LONG).filter(axis="band")["status"][0] == "global"
    # A method with one value per frame has no bands.
    one = dataclasses.replace(settings, row_axis="all", n_rows=1)
    summed = dataclasses.replace(item, map=values.sum(axis=0, keepdims=True), settings=one)
    assert localise([summed], places, LONG)["axis"].to_list() == ["time"]


def test_the_table_of_localisation_is_read_as_it_was_written(tmp_path):
    rng = np.random.default_rng(3)
    items = [explanation(f"u{i}", rng.standard_normal(40)) for i in range(9)]
    table = segments(*((f"u{i}", 0.2, 0.4, "artefact") for i in range(9)))
    trials = pl.DataFrame({"utt_id": [f"u{i}" for i in range(9)]})
    summary = summarise(localise(items, table, LONG), trials, resamples=100, seed=1)
    write_table(tmp_path / "t.tsv", summary)
    assert read_localisation(tmp_path / "t.tsv").equals(summary)
    assert set(summary["metric"]) == {*METRICS, COVERAGE}
    assert {f"iou_{share}" for share in LARGEST} <= set(METRICS)


def test_a_corpus_without_artefact_segments_is_refused():
    with pytest.raises(TableError, match="artefact"):
        localise([explanation("u", np.ones(9))], segments(("u", 0.0, 0.1, "word")), LONG)
