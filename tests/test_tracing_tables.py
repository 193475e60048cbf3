"""Tables of source tracing."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import t, ttest_1samp

from spoofscope.errors import TableError
from spoofscope.metrics.open_set import auroc
from spoofscope.metrics.paired_tracing import compare_tracers
from spoofscope.report.tracing import tracing_section
from spoofscope.summaries import tracing, tracing_attacks, tracing_detectors, tracing_slices
from spoofscope.summaries.runs import runs_table
from spoofscope.summaries.tracing import tracing_pairs, tracing_table
from spoofscope.summaries.tracing_attacks import attacks_of
from spoofscope.summaries.tracing_detectors import detectors_table
from spoofscope.tables import read_table, write_table
from spoofscope.tracing.traces import read_traces
from traced_clips import write_traced

CLASSES = ("A", "B", "C", "D")
CLIPS = {"A": 30, "B": 20, "C": 10, "D": 10, "X": 25, "Y": 5, "Z": 15}


@pytest.fixture(scope="module")
def traced(tmp_path_factory) -> list[dict]:
    folder: Path = tmp_path_factory.mktemp("traced")
    sure = [
        write_traced(folder, "sure", CLASSES, CLIPS, strength=9, seed=seed, ambiguous=["Y"])
        for seed in (1, 2)
    ]
    unsure = write_traced(folder, "unsure", CLASSES, CLIPS, strength=1.5, ambiguous=["Y"])
    return [*sure, unsure]


@pytest.mark.slow
def test_a_row_is_the_mean_over_seeds_with_the_interval_of_the_first(traced):
    table = tracing_table(traced)
    assert table["attacks"].to_list() == ["overall", "without", "strict"] * 2
    row = table.row(0, named=True)
    assert (row["name"], row["n_seeds"], row["decides"]) == ("sure", 2, "energy")
    assert (row["n_known_attacks"], row["n_unknown_attacks"]) == (4, 3)
    assert set(table["n_unknown_in_dev"]) == {0}
    assert (row["n_known"], row["n_unknown"]) == (70, 45)
    areas = []
    for entry in traced[:2]:
        clips = read_traces(entry["traces"])
        by_kind = [clips.filter(known=word)["ood_energy"] for word in ("yes", "no")]
        areas.append(auroc(*by_kind))
    assert row["auroc"] == pytest.approx(np.mean(areas))
    assert row["auroc_sd"] == pytest.approx(np.std(areas, ddof=1))
    assert row["auroc_low"] < areas[0] <= row["auroc_high"]
    assert table.row(1, named=True)["n_unknown_attacks"] == 2
    assert table["accuracy_sd"].is_null().to_list() == [False] * 3 + [True] * 3


def test_the_inverted_sign_is_the_mirror(traced):
    table = detectors_table(traced).filter(name="unsure")
    rows = {row["detector"]: row for row in table.iter_rows(named=True)}
    assert rows["energy"]["decides"] == "yes"
    assert rows["inverted"]["as_published"] == "yes"
    assert rows["inverted"]["eer"] > 0.5
    # An EER above 50 % stands beside what the right sign would give.
    assert rows["inverted"]["eer_inverted"] == pytest.approx(rows["energy"]["eer"])
    assert rows["inverted"]["auroc_inverted"] == pytest.approx(rows["energy"]["auroc"])


def test_tables_say_how_the_sign_is_known(traced, tmp_path):
    ood = {
        "energy": {"type": "energy"},
        "mirror": {"type": "energy", "as_published": True},
    }
    gate = {"gate": {"type": "gate", "members": [{"type": "energy"}]}}
    told = {}
    for name, dev_unknown in (("with", True), ("without", False)):
        entry = write_traced(
            *(tmp_path, name, CLASSES, CLIPS),
            ood={**ood, **(gate if dev_unknown else {})},
            resamples=0,
            dev_unknown=dev_unknown,
        )
        rows = detectors_table([entry]).iter_rows(named=True)
        told[name] = {row["detector"]: row["polarity"] for row in rows}
        assert tracing_table([entry])["polarity"][0] == told[name]["energy"]
    assert told["with"] == {
        "energy": "checked on dev",
        "mirror": "inverted on purpose",
        "gate": "fitted on dev",
    }
    assert told["without"]["energy"] == "not checked: dev has no unknown attack"
    assert told["without"]["mirror"] == "inverted on purpose"


def test_every_language_has_a_row_of_its_own_clips(traced):
    table = tracing_slices.tracing_slices(traced).filter(name="sure", slice="language")
    assert table["value"].to_list() == ["de", "en"]
    german, english = table.rows(named=True)
    clips = [read_traces(entry["traces"]).filter(language="de") for entry in traced[:2]]
    kinds = [[part.filter(known=word)["ood_energy"] for word in ("yes", "no")] for part in clips]
    assert (german["n_known"], german["n_unknown"]) == tuple(map(len, kinds[0]))
    assert german["auroc"] == pytest.approx(np.mean([auroc(*both) for both in kinds]))
    right = [
        part.filter(known="yes").select((pl.col("predicted") == pl.col("known_id")).mean()).item()
        for part in clips
    ]
    assert german["accuracy"] == pytest.approx(np.mean(right))
    assert german["accuracy_low"] <= right[0] <= german["accuracy_high"]
    assert german["n_known"] + english["n_known"] == 70


def test_what_an_attack_is_taken_for():
    clips = pl.DataFrame(
        [
            ("A", "yes", 0, 0, "A", "A"),
            ("A", "yes", 0, 0, "A", "unknown"),
            ("A", "yes", 0, 1, "B", "B"),
            ("B", "yes", 1, 1, "B", "B"),
            ("X", "no", -1, 1, "B", "B"),
            ("X", "no", -1, 0, "A", "unknown"),
            ("X", "no", -1, 0, "A", "unknown"),
        ],
        schema=["attack", "known", "known_id", "predicted", "predicted_attack", "answer"],
        orient="row",
    ).with_columns(family=pl.lit("-"), ood_s=pl.Series([1.0, 5, 1, 1, 1, 3, 6]))
    rows = attacks_of(clips, "s").rows(named=True)
    of_a, of_b, of_x = rows
    assert (of_a["n"], of_a["recall"], of_a["precision"]) == (3, 2 / 3, 1)
    assert (of_a["called_unknown"], of_a["mistaken_for"]) == (1 / 3, "B")
    # Of the known clips two are said to be of B, and one is.
    assert (of_b["precision"], of_b["n_said"], of_b["mistaken_for"]) == (1 / 2, 2, "-")
    assert (of_x["recall"], of_x["called_unknown"], of_x["mistaken_for"]) == (None, 2 / 3, "B")
    assert of_x["mistaken_share"] == 1 / 3
    assert of_x["called_unknown_low"] < 2 / 3 < of_x["called_unknown_high"]
    # Of 12 pairs 7 are in order and 3 are ties.
    assert of_x["auroc"] == (7 + 3 / 2) / 12
    assert (of_a["auroc"], of_b["auroc_low"]) == (None, None)
    # Each end of the interval is 1.96 of its own standard errors away (Hanley and McNeil, 1982).
    for end in (of_x["auroc_low"], of_x["auroc_high"]):
        variance = end * (1 - end) * (1 + 2.5 * (1 - end) / (2 - end) + 2.5 * end / (1 + end)) / 12
        assert abs(end - 8.5 / 12) == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-6)
    alone = attacks_of(clips.filter(known="no"), "s")
    assert alone["auroc"].to_list() == [None]
    apart = attacks_of(clips.with_columns(ood_s=(pl.col("known") == "no").cast(pl.Float64)), "s")
    assert apart["auroc"].to_list()[2:] == [1.0]
    assert apart["auroc_low"][2] < 0.6


def test_an_unknown_attack_is_told_as_its_metrics_say(traced, tmp_path):
    """The tracer's detector that decides is meant, and no other."""
    tracing_attacks.make(traced[-1:], {"table": str(tmp_path / "t.tsv")})
    table = read_table(tmp_path / "t.tsv", {"attack": pl.String()}, rest=pl.String())
    said = table.filter(known="no").select("attack", pl.col("auroc").cast(pl.Float64))
    of_unsure = pl.read_csv(traced[-1]["metrics"], separator="\t")
    measured = of_unsure.filter(slice="attack", detector="energy", metric="auroc")
    assert said.rows() == measured.select("value", "estimate").rows()
    assert said["attack"].to_list() == ["X", "Y", "Z"]


@pytest.mark.slow
def test_sets_of_one_kind_of_clips_have_all_tables(traced, tmp_path):
    """Every attack of STOPA's trials is unknown to a tracer of its training set."""
    alone = {"unknown alone": {"X": 5, "Y": 4}, "known alone": {"A": 5, "B": 4}}
    sets = [
        {**write_traced(tmp_path, name[:3], CLASSES, clips, resamples=100), "corpus": name}
        for name, clips in alone.items()
    ]
    # In either order: the first table decides the types of others.
    for order in (sets, [*reversed(sets), *traced]):
        paths = {name: str(tmp_path / f"{name}.tsv") for name in ("tracing", "pairs", "attacks")}
        both = {"table": paths["tracing"], "pairs": paths["pairs"]}
        tracing.make(order, unit="attack", resamples=100, bootstrap_seed=1, outputs=both)
        tracing_attacks.make(order, {"table": paths["attacks"]})
        for summary in (tracing_detectors, tracing_slices):
            summary.make(order, {"table": str(tmp_path / "t.tsv")})
        manifests = dict.fromkeys([*alone, "made"], pl.DataFrame({"split": ["eval"]}))
        said = {
            section["corpus"]: " ".join(section["sentences"])
            for section in tracing_section(paths, manifests, [], "attack")
        }
        assert "Without clips of unknown attacks, nothing is said" in said["known alone"]
        assert "No clip is of an attack in the training data" in said["unknown alone"]
        assert "Without clips of known attacks, nothing is said" in said["unknown alone"]
        for corpus, rate in (
            ("known alone", "known_rejected"),
            ("unknown alone", "unknown_accepted"),
        ):
            row = read_table(paths["tracing"], {"corpus": pl.String()}, rest=pl.String())
            value = float(row.filter(corpus=corpus, attacks="overall")[rate][0])
            assert f"{100 * value:.1f} %" in said[corpus]


def test_a_study_without_detectors_has_a_table_of_no_runs(tmp_path):
    assert runs_table([]).is_empty()
    write_table(tmp_path / "runs.tsv", runs_table([]))
    assert read_table(tmp_path / "runs.tsv", {"run": pl.String()}).is_empty()


def test_pairs_are_judged_on_the_same_clips(traced):
    pairs = tracing_pairs(traced, "attack", 200, 1)
    assert pairs["metric"].to_list() == ["balanced_accuracy", "auroc"]
    table = tracing_table([traced[0], traced[2]]).filter(attacks="overall")
    for row in pairs.iter_rows(named=True):
        assert (row["first"], row["second"]) == ("sure", "unsure")
        first, second = table[row["metric"]]
        assert row["difference"] == pytest.approx(first - second)
        assert row["low"] <= row["difference"] <= row["high"]
    # Three unknown attacks favour one side by chance once in four times.
    assert pairs.filter(metric="auroc")["p"][0] == 0.25
    assert pairs.filter(metric="balanced_accuracy")["p"][0] >= 0.125
    assert tracing_pairs(traced, "attack", 0, 1).is_empty()


def test_resampled_differences_are_those_of_drawn_attacks():
    """Against a resample by hand: recalls of the drawn attacks, averaged."""
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(12), 5)
    base = {"utt_id": [f"{i:03}" for i in range(60)], "attack": [f"A{i}" for i in truth]}
    frames = {}
    for name, rate in (("one", 0.8), ("other", 0.6)):
        said = np.where(rng.random(60) < rate, truth, (truth + 1) % 12)
        frames[name] = pl.DataFrame(base).with_columns(
            pl.lit(True).alias("known"),
            pl.Series("known_id", truth),
            pl.Series("predicted", said),
            pl.lit(0.0).alias("ood_score"),
        )
    row = compare_tracers(frames, unit="attack", resamples=4000, seed=1).row(0, named=True)
    recalls = [
        (frame["predicted"] == frame["known_id"]).to_numpy().reshape(12, 5).mean(axis=1)
        for frame in frames.values()
    ]
    gain = recalls[0] - recalls[1]
    drawn = gain[rng.integers(12, size=(20000, 12))].mean(axis=1)
    assert row["difference"] == pytest.approx(gain.mean())
    # No surer than Student's t of 12 attacks.
    reach = t.ppf(0.975, 11) * gain.std(ddof=1) / np.sqrt(12)
    low, high = np.quantile(drawn, [0.025, 0.975])
    expected = min(low, gain.mean() - reach), max(high, gain.mean() + reach)
    assert (row["low"], row["high"]) == pytest.approx(expected, abs=0.02)
    assert row["p"] >= 0.9 * ttest_1samp(gain, 0).pvalue
    other = frames["other"].with_columns(pl.col("attack").str.replace("A1$", "B"))
    with pytest.raises(TableError, match="known attacks are not those"):
        compare_tracers({**frames, "other": other}, unit="attack", resamples=100, seed=1)
