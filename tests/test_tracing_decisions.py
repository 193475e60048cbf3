"""A detector and a tracer decide together: bona fide, a known attack, or an unknown one."""

import copy
from typing import Any

import numpy as np
import polars as pl
import pytest

from planning import jobs_of, plan_of
from spoofscope.errors import ConfigError
from spoofscope.metrics.decided import METRICS, measure_decisions
from spoofscope.plan.study_plan import checked
from spoofscope.study import MINI
from spoofscope.study.reading import read_config
from spoofscope.summaries import tracing_decisions
from spoofscope.tables import write_table
from spoofscope.tracing.decisions import decision_measures, decisions
from spoofscope.tracing.fitted import FittedTracer
from traced_clips import write_traced

ATTACKS = ("A", "B")
CLASSES = ("bonafide", *ATTACKS, "unknown")


def overall(table: pl.DataFrame) -> dict[str, float | None]:
    return dict(table.filter(pl.col("class") == "-").select("metric", "estimate").iter_rows())


@pytest.mark.parametrize("kinds", [CLASSES, CLASSES[1:], ("bonafide", "A")])
def test_rates_are_those_of_scikit_learn(kinds):
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

    rng = np.random.default_rng(1)
    truth = rng.choice(kinds, 300)
    said = np.where(rng.random(300) < 0.6, truth, rng.choice(CLASSES, 300))
    units = [f"{t}{n}" for t, n in zip(truth, rng.integers(4, size=300), strict=True)]
    table = measure_decisions(truth, said, ATTACKS, units, resamples=200, seed=1)
    values = overall(table)
    given = {"labels": list(kinds), "zero_division": 0}
    assert values["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro", **given))
    assert values["accuracy"] == pytest.approx(accuracy_score(truth, said))
    spoofs = truth != "bonafide"
    accepted = float((said[spoofs] == "bonafide").mean())
    assert values["spoof_accepted"] == pytest.approx(accepted)
    if "bonafide" in kinds:
        rejected = float((said[~spoofs] != "bonafide").mean())
        assert values["bonafide_rejected"] == pytest.approx(rejected)
    else:
        assert values["bonafide_rejected"] is None
        reasons = dict(table.select("metric", "reason").iter_rows())
        assert reasons["bonafide_rejected"] == "no bona fide clips"
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        rows = table.filter(pl.col("class") != "-", metric=name)
        assert rows["class"].to_list() == [kind for kind in CLASSES if kind in kinds]
        expected = score(truth, said, average=None, **given | {"labels": rows["class"].to_list()})
        np.testing.assert_allclose(rows["estimate"].to_numpy(), expected)
    inner = table.filter(pl.col("low").is_not_null())
    assert inner.filter(~pl.col("estimate").is_between("low", "high")).is_empty()
    assert set(inner["metric"]) >= {"macro_f1", "accuracy", "spoof_accepted"}


def test_whole_units_are_drawn():
    truth = ["bonafide"] * 40 + ["A"] * 40
    said = ["bonafide"] * 30 + ["A"] * 50
    single = [str(i) for i in range(80)]
    speakers = [f"s{i // 10}" for i in range(40)] + [str(i) for i in range(40)]

    def width(units: list[str]) -> float:
        table = measure_decisions(truth, said, ATTACKS, units, resamples=400, seed=1)
        low, high = table.filter(metric="bonafide_rejected").select("low", "high").row(0)
        return high - low

    # A whole speaker is rejected: of four, that says less than of forty clips.
    assert width(speakers) > 1.5 * width(single)
    table = measure_decisions(truth, said, ATTACKS, ["s"] * 40 + single[40:], resamples=0, seed=1)
    assert set(table.filter(pl.col("class") == "-", metric="accuracy")["reason"]) == {
        "no interval: none was asked for"
    }
    table = measure_decisions(truth, said, ATTACKS, ["s"] * 40 + single[40:], resamples=100, seed=1)
    (reason,) = table.filter(pl.col("class") == "-", metric="accuracy")["reason"]
    assert reason == "no interval: all bona fide clips are drawn as one"


def test_the_score_comes_first(tmp_path):
    entry = write_traced(tmp_path, "t", ATTACKS, {"A": 1}, strength=20)
    tracer = FittedTracer.load(tmp_path / "t/1")
    logits = np.array([[9, 0], [0, 9], [9, 0], [0, 0], [0, 0], [9, 0]], dtype=np.float32)
    clips = pl.DataFrame(
        {
            "utt_id": list("abcdef"),
            "label": ["bonafide", "bonafide", "spoof", "spoof", "spoof", "spoof"],
            "attack": ["-", "-", "A", "X", "X", "A"],
            "speaker": ["s1", "s2", "-", "-", "-", "-"],
            "score": [0.5, 0.4, 0.4, 0.4, 0.9, 0.1],
        }
    )
    outputs = type(tracer.reference.outputs)(logits, 9 * logits)
    table = decisions(tracer, clips, outputs, 0.5)
    assert table.select("attack", "truth", "answer", "decision").rows() == [
        ("bonafide", "bonafide", "A", "bonafide"),
        ("bonafide", "bonafide", "B", "B"),
        ("A", "A", "A", "A"),
        ("X", "unknown", "unknown", "unknown"),
        ("X", "unknown", "unknown", "bonafide"),
        ("A", "A", "A", "A"),
    ]
    measured = decision_measures(table, clips, tracer.classes, unit="attack", resamples=0, seed=1)
    values = overall(measured)
    assert values["bonafide_rejected"] == 0.5
    assert values["spoof_accepted"] == 0.25
    assert values["f1_attacks"] == 1
    write_table(tmp_path / "m.tsv", measured)
    rows = tracing_decisions.decisions_table(
        [{**entry, "metrics": str(tmp_path / "m.tsv")}], "emphasis"
    )
    (row,) = rows.rows(named=True)
    assert (row["bonafide_by"], row["n"], row["n_classes"]) == ("emphasis", 6, 3)
    assert {name: row[name] for name in METRICS} == values
    # Rows in another order give the same numbers.
    order = [3, 1, 5, 0, 4, 2]
    again = decision_measures(
        table[order], clips[order], tracer.classes, unit="attack", resamples=0, seed=1
    )
    assert again.equals(measured)


@pytest.fixture(scope="module")
def mini() -> dict[str, Any]:
    return dict(read_config(MINI))


def test_decisions_are_planned_where_a_detector_is_named(mini):
    made = jobs_of(plan_of(checked(mini)).everything())
    assert len([rule for rule, _ in made if rule == "decide_clips"]) == 2
    without = copy.deepcopy(mini)
    del without["tracing"]["bonafide_by"]
    made = jobs_of(plan_of(checked(without)).everything())
    assert not {"decide_clips", "table_tracing_decisions"} & {rule for rule, _ in made}


def test_detectors_that_cannot_decide(mini, tmp_path):
    config = copy.deepcopy(mini)
    config["tracing"]["bonafide_by"] = "all"
    with pytest.raises(ConfigError, match=r"tracing\.bonafide_by: 'all' is not in detectors"):
        checked(config)
    config["tracing"]["bonafide_by"] = name = "lfcc_gmm_vocoders"
    del config["generators"], config["shortcuts"]
    config["detectors"][name]["score"] = [{"corpus": "mini", "splits": ["dev"]}]
    with pytest.raises(ConfigError, match=rf"bonafide_by: mini\.eval is not scored by {name}"):
        checked(config)
    given = {"path": "s.tsv", "format": "tsv", "higher": "bonafide"}
    config["detectors"]["theirs"] = {"scores": [{"corpus": "mini", "split": "eval", **given}]}
    config["tracing"]["bonafide_by"] = "theirs"
    with pytest.raises(ConfigError, match=r"bonafide_by: of theirs there are only scores"):
        checked(config)
