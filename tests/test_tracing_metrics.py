"""Closed-set and open-set metrics of traced attacks, and their table of slices."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from spoofscope.errors import ConfigError, SpoofscopeError, TableError
from spoofscope.metrics import open_set
from spoofscope.metrics.bootstrap import Draws, Sample
from spoofscope.metrics.closed_set import closed_set, confusion_matrix, per_class
from spoofscope.metrics.slices import CLOSED, OPEN, SCHEMA, SCORED, slices

# --- closed set ----------------------------------------------------------------------------------


def ids(seed=1, n=200, classes=6):
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 1, 2, 4], n)
    return truth, np.where(rng.random(n) < 0.6, truth, rng.integers(0, classes - 1, n))


def test_closed_set_metrics_are_those_of_scikit_learn():
    """Class 3 is predicted and never true, class 5 neither."""
    truth, predicted = ids()
    confusion = confusion_matrix(truth, predicted, 6)
    assert np.array_equal(confusion, sklearn.confusion_matrix(truth, predicted, labels=range(6)))
    found = closed_set(confusion)
    there = [0, 1, 2, 4]
    assert found.accuracy == pytest.approx(sklearn.accuracy_score(truth, predicted))
    recall = sklearn.recall_score(truth, predicted, labels=there, average="macro")
    assert found.balanced_accuracy == pytest.approx(recall)
    f1 = sklearn.f1_score(truth, predicted, labels=there, average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(f1)
    table = per_class(confusion, list("abcdef"))
    expected = sklearn.precision_recall_fscore_support(truth, predicted, labels=there)
    assert table["class"].to_list() == list("abce")
    for name, values in zip(("precision", "recall", "f1", "n"), expected, strict=True):
        assert np.allclose(table[name], values)


def test_a_class_that_is_never_predicted_counts_as_zero():
    confusion = confusion_matrix([0, 0, 1], [0, 0, 0], 2)
    assert closed_set(confusion).macro_f1 == pytest.approx((0.8 + 0) / 2)
    assert per_class(confusion, ["a", "b"]).row(1) == ("b", 0.0, 0.0, 0.0, 1)


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([0, 2], [0, 0], "truth: row 1 has the class 2; ids are from 0 to 1"),
        ([0, 1], [0, -1], "predicted: row 1 has the class -1"),
        ([0.5, 1], [0, 1], "expected class ids, got float64"),
        ([0], [0, 1], "2 predicted classes of 1 clips"),
        ([], [], "no clips"),
    ],
)
def test_ids_that_are_no_classes_are_refused(truth, predicted, message):
    with pytest.raises(SpoofscopeError, match=message):
        confusion_matrix(truth, predicted, 2)


# --- open set ------------------------------------------------------------------------------------


def tied_scores(seed=2):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 12, 90).astype(float), rng.integers(4, 16, 60).astype(float)


def test_detection_metrics_are_those_of_scikit_learn_with_ties():
    known, unknown = tied_scores()
    labels = np.repeat([0, 1], [90, 60])
    both = np.concatenate([known, unknown])
    assert open_set.auroc(known, unknown) == pytest.approx(sklearn.roc_auc_score(labels, both))
    assert open_set.aupr_unknown(known, unknown) == pytest.approx(
        sklearn.average_precision_score(labels, both)
    )
    assert open_set.aupr_known(known, unknown) == pytest.approx(
        sklearn.average_precision_score(1 - labels, -both)
    )
    accepted, taken, _ = sklearn.roc_curve(1 - labels, -both, drop_intermediate=False)
    assert open_set.fpr95(known, unknown) == pytest.approx(accepted[np.argmax(taken >= 0.95)])
    equal = open_set.eer(known, unknown).value
    gap = np.argmin(np.abs(accepted - (1 - taken)))
    assert abs(equal - (accepted[gap] + 1 - taken[gap]) / 2) < 0.1


def test_fpr95_counts_the_share_of_unknown_clips_that_pass():
    known = np.arange(20.0)
    assert open_set.fpr95(known, np.array([0.5, 17.5, 18.5, 19.5])) == 0.5
    assert open_set.fpr95(known, np.array([18.0, 19.0])) == 0.5
    assert open_set.fpr95(known, known + 100) == 0
    assert open_set.fpr95(known, known - 100) == 1


def test_oscr_is_accuracy_times_auroc_of_what_is_right():
    known, unknown = tied_scores()
    correct = np.arange(90) % 3 > 0
    area = open_set.oscr(known, correct, unknown)
    assert area == pytest.approx(correct.mean() * open_set.auroc(known[correct], unknown))
    curve = open_set.oscr_curve(known, correct, unknown)
    assert (curve.correct[0], curve.false[0]) == (0, 0)
    assert (curve.correct[-1], curve.false[-1]) == (pytest.approx(2 / 3), 1)
    middle = np.flatnonzero(curve.thresholds == 6)[0]
    assert curve.correct[middle] == np.mean(correct & (known < 6))
    assert curve.false[middle] == np.mean(unknown < 6)
    assert open_set.oscr(known, np.zeros(90, dtype=bool), unknown) == 0


def test_open_set_f1_is_that_of_scikit_learn():
    truth, predicted = ids()
    truth = np.where(np.arange(200) % 3 == 0, -1, truth)
    scores = np.random.default_rng(3).normal((truth < 0) * 1.5, 1)
    confusion = open_set.open_confusion(truth, predicted, scores, 0.7, 6)
    found = open_set.at_threshold(confusion)
    true, said = np.where(truth < 0, 6, truth), np.where(scores >= 0.7, 6, predicted)
    f1 = sklearn.f1_score(true, said, labels=[0, 1, 2, 4, 6], average="macro", zero_division=0)
    assert found.open_set_f1 == pytest.approx(f1)
    binary = sklearn.f1_score(truth < 0, scores >= 0.7, average=None)
    assert (found.f1_known, found.f1_unknown) == pytest.approx(tuple(binary))
    assert found.binary_f1 == pytest.approx(binary.mean())
    assert found.known_rejected == pytest.approx(np.mean(scores[truth >= 0] >= 0.7))
    assert found.unknown_accepted == pytest.approx(np.mean(scores[truth < 0] < 0.7))
    with pytest.raises(SpoofscopeError, match="no unknown trials"):
        open_set.at_threshold(open_set.open_confusion([0, 1], [0, 1], [0.0, 1.0], 0.5, 2))


def test_a_kind_that_is_missing_and_scores_that_are_no_numbers_are_refused():
    for metric in (open_set.auroc, open_set.eer, open_set.fpr95, open_set.aupr_known):
        with pytest.raises(SpoofscopeError, match="no unknown trials"):
            metric([1.0], [])
        with pytest.raises(SpoofscopeError, match="known scores: 1 of 2 are not finite"):
            metric([1.0, np.nan], [1.0])


lists = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(lists, lists, st.randoms(use_true_random=False))
def test_metrics_have_their_symmetries(known, unknown, random):
    step = 1 / min(len(known), len(unknown))
    swapped, negated = np.array(unknown), -np.array(known)
    mirrored = open_set.eer(negated, -swapped).value
    assert abs(mirrored - (1 - open_set.eer(known, unknown).value)) <= step + 1e-9
    assert open_set.auroc(negated, -swapped) == pytest.approx(1 - open_set.auroc(known, unknown))
    assert open_set.aupr_known(known, unknown) == pytest.approx(
        open_set.aupr_unknown(-swapped, negated)
    )
    shuffled = random.sample(known, len(known)), random.sample(unknown, len(unknown))
    for metric in (open_set.auroc, open_set.fpr95, open_set.aupr_known, open_set.aupr_unknown):
        assert metric(*shuffled) == metric(known, unknown)
        assert 0 <= metric(known, unknown) <= 1


def test_resampled_forms_are_the_metrics_of_the_resamples():
    known, unknown = tied_scores()
    is_unknown = np.repeat([False, True], [90, 60])
    clusters = np.arange(150) % 11
    draws = Draws(is_unknown, clusters, 20, np.random.default_rng(1))
    units = draws.units[is_unknown], draws.units[~is_unknown]
    sample = Sample(unknown, known, units, draws)
    forms = [metric.resampled for metric in SCORED.values()]
    found = sample.values(forms, [0.0] * len(forms))
    for each, times in enumerate(draws.times):
        drawn = np.repeat(unknown, times[units[0]]), np.repeat(known, times[units[1]])
        for (name, metric), values in zip(SCORED.items(), found, strict=True):
            assert values[each] == pytest.approx(metric.of(*drawn)), name


# --- slices --------------------------------------------------------------------------------------


def protocol(seed=1, per_attack=30):
    """Five known attacks, four unknown ones, of which `bark2` has the family of a known one."""
    rng = np.random.default_rng(seed)
    attacks = {"bark": "bark", "glow": "glow", "taco": "taco", "xtts": "xtts", "vits": "vits"}
    others = {"bark2": "bark", "mars": "mars", "nova": "nova", "orca": "-"}
    rows = []
    for place, (attack, family) in enumerate((attacks | others).items()):
        known = attack in attacks
        for i in range(per_attack):
            language = "en" if i % 3 else "de"
            right = rng.random() < 0.8
            rows.append(
                {
                    "utt_id": f"{attack}_{i}",
                    "attack": attack,
                    "known": known,
                    "known_id": place if known else -1,
                    "family": family,
                    "language": language if attack != "xtts" else "it",
                    "quadrant": f"{language}_{'seen' if known else 'unseen'}",
                    "source_text": f"text {i % 10}",
                    "predicted": place if known and right else int(rng.integers(5)),
                    "ood_knn": float(rng.normal(0 if known else 1.5, 1)),
                }
            )
    return pl.DataFrame(rows)


def row(table, metric, detector="knn", **where):
    found = table.filter(metric=metric, detector=detector, **where)
    assert found.height == 1, (metric, where)
    return found.row(0, named=True)


def test_a_table_of_slices_has_every_metric_of_every_slice():
    table = protocol()
    found = slices(table, {"knn": 0.7}, ambiguous=["bark2"])
    assert found.schema == SCHEMA
    values = found.select("slice", "value").unique(maintain_order=True).rows()
    assert values[:3] == [("overall", "-"), ("without", "bark2"), ("strict", "-")]
    assert values[3:6] == [("language", "de"), ("language", "en"), ("language", "it")]
    assert values[-4:] == [("attack", name) for name in ("bark2", "mars", "nova", "orca")]
    overall = found.filter(slice="overall")
    assert overall["metric"].to_list() == [*CLOSED, *OPEN]
    known, unknown = (table.filter(pl.col("known") == kind)["ood_knn"] for kind in (True, False))
    assert row(found, "auroc", slice="overall")["estimate"] == open_set.auroc(known, unknown)
    assert row(found, "auroc", slice="overall")["n_unknown"] == 120
    assert row(found, "auroc", slice="without")["n_unknown"] == 90
    # `orca` has no family, so nobody knows whether a known attack shares it.
    assert row(found, "auroc", slice="strict")["n_unknown"] == 60
    bark = row(found, "auroc", slice="family", value="bark")
    assert (bark["n_known"], bark["n_unknown"]) == (30, 30)
    mars = row(found, "auroc", slice="family", value="mars")
    assert (mars["n_known"], mars["n_unknown"]) == (150, 30)
    assert found.filter(slice="family", value="mars", detector="-").is_empty()
    accuracy = row(found, "accuracy", "-", slice="family", value="taco")["estimate"]
    taco = table.filter(attack="taco")
    assert accuracy == pytest.approx((taco["known_id"] == taco["predicted"]).mean())
    assert set(found["reason"]) == {"no interval: none was asked for", "no unknown clips"}
    assert row(found, "eer", slice="language", value="it")["estimate"] is None


@pytest.mark.parametrize("unit", ["attack", "source_text"])
def test_intervals_hold_the_estimate_and_say_why_there_is_none(unit):
    found = slices(protocol(), {"knn": 0.7}, unit=unit, resamples=100)
    with_interval = found.filter(pl.col("low").is_not_null())
    assert (with_interval["low"] <= with_interval["estimate"]).all()
    assert (with_interval["estimate"] <= with_interval["high"]).all()
    assert (with_interval["low"] >= 0).all()
    assert (with_interval["high"] <= 1).all()
    assert (with_interval["reason"] == "").all()
    assert (found.filter(pl.col("low").is_null())["reason"] != "").all()
    mars = row(found, "fpr95", slice="attack", value="mars")
    if unit == "attack":
        assert mars["low"] is None
        assert mars["reason"] == "no interval: all unknown clips are of one attack"
    else:
        assert mars["high"] > mars["low"]


def test_few_attacks_are_never_sure():
    """No error at all: an interval as wide as five attacks allow, not of width 0."""
    table = protocol().with_columns(
        predicted=pl.when("known").then("known_id").otherwise(0),
        ood_knn=pl.when("known").then(0.0).otherwise(1.0),
    )
    found = slices(table, {"knn": 0.5}, resamples=100).filter(slice="overall")
    accuracy = row(found, "accuracy", "-")
    assert accuracy["estimate"] == accuracy["high"] == 1
    assert accuracy["low"] == pytest.approx(0.025 ** (1 / 5))
    for metric in ("auroc", "oscr", "open_set_f1", "fpr95"):
        found_row = row(found, metric)
        width = found_row["high"] - found_row["low"]
        assert width == pytest.approx(1 - 0.025 ** (1 / 4)), metric


def test_resamples_without_a_kind_do_not_count():
    """One in ten lacks both of the two known attacks of a language, and rejects none of them."""
    table = protocol().with_columns(
        language=pl.when(pl.col("attack").is_in(["xtts", "vits", "mars", "nova"]))
        .then(pl.lit("it"))
        .otherwise("language"),
        ood_knn=pl.when("known").then(0.0).otherwise(1.0),
    )
    found = slices(table, {"knn": 0.5}, resamples=200)
    rejected = row(found, "known_rejected", slice="language", value="it")
    assert rejected["high"] == pytest.approx(1 - 0.025 ** (1 / 2))


def test_a_mean_over_attacks_is_as_unsure_as_its_attacks_are_few():
    """Attacks that are always right or always wrong: the spread is that of so many coins."""
    n = 40
    table = pl.concat(
        [
            protocol(per_attack=1)
            .filter(attack="bark")
            .with_columns(
                utt_id=pl.lit(f"u{i}"),
                attack=pl.lit(f"a{i}"),
                known_id=pl.lit(i, dtype=pl.Int64),
                predicted=pl.lit(i if i % 2 else n, dtype=pl.Int64),
            )
            for i in range(n)
        ]
    )
    found = slices(table, {"knn": 0.5}, resamples=1000).filter(slice="overall")
    share = row(found, "balanced_accuracy", "-")
    assert share["estimate"] == 0.5
    normal = 1.96 * np.sqrt(0.25 / n)
    assert share["high"] - 0.5 > 0.95 * normal
    assert share["high"] - 0.5 < 1.2 * normal


def test_the_order_of_rows_does_not_count():
    table = protocol()
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=4)
    first = slices(table, {"knn": 0.7}, resamples=100)
    assert first.equals(slices(shuffled, {"knn": 0.7}, resamples=100))


def test_all_clips_of_one_kind_are_a_defined_result():
    """All but the error rate of that kind needs both."""
    for known, kind, rate in (
        (False, "known", "unknown_accepted"),
        (True, "unknown", "known_rejected"),
    ):
        table = protocol().filter(pl.col("known") == known)
        found = slices(table, {"knn": 0.7}, resamples=1000).filter(slice="overall", detector="knn")
        others = found.filter(pl.col("metric") != rate)
        assert set(others["reason"]) == {f"no {kind} clips"}
        assert others["estimate"].is_null().all()
        wrong = (table["ood_knn"] >= 0.7) == known
        (error,) = found.filter(metric=rate).rows(named=True)
        assert error["estimate"] == pytest.approx(wrong.mean())
        # Against whole attacks that are drawn by hand.
        counts = table.with_columns(wrong=wrong).group_by("attack").agg(pl.len(), pl.sum("wrong"))
        drawn = np.random.default_rng(1).integers(counts.height, size=(20000, counts.height))
        n, n_wrong = (counts[name].to_numpy()[drawn].sum(axis=1) for name in ("len", "wrong"))
        ends = np.quantile(n_wrong / n, [0.025, 0.975])
        assert error["low"] <= ends[0] + 0.02
        assert error["high"] >= ends[1] - 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop("quadrant"), "no column 'quadrant'"),
        (lambda t: t.with_columns(known=pl.lit("yes")), "column 'known' has to be Boolean"),
        (lambda t: t.with_columns(ood_msp=pl.lit(0.0)), "scores of 'msp', and there is no thres"),
        (lambda t: t.with_columns(ood_knn=pl.lit(None)), "'ood_knn' has to have a number"),
        (lambda t: t.with_columns(known_id=pl.lit(0, pl.Int64)), "is unknown and has the known"),
        (lambda t: t.filter(attack="none"), "no traced clips"),
    ],
)
def test_tables_that_break_their_contract_are_refused(change, message):
    with pytest.raises(TableError, match=message):
        slices(change(protocol()), {"knn": 0.7})


def test_what_is_asked_for_is_checked():
    with pytest.raises(TableError, match=r"'brk2' is called ambiguous.*did you mean 'bark2'"):
        slices(protocol(), {"knn": 0.7}, ambiguous=["brk2"])
    with pytest.raises(ConfigError, match="50 resamples are too few"):
        slices(protocol(), {"knn": 0.7}, resamples=50)
