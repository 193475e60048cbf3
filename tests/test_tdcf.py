"""Tandem costs: closed forms, and a count of every error at every threshold."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrations import calibration_of
from spoofscope.errors import ConfigError, SpoofscopeError, TableError
from spoofscope.metrics.tables import evaluate
from spoofscope.metrics.tdcf import (
    AsvRates,
    Tandem,
    act_tdcf,
    asv_rates,
    min_tdcf,
    read_asv_scores,
    tandem,
    tandem_from,
)
from spoofscope.options.tandem import TandemCosts

# What ASVspoof 5 publishes for its verifier.
ASVSPOOF5 = AsvRates(p_miss=0.0188014, p_fa=0.0188102, p_fa_spoof=0.4607083)
PERFECT = [2.0, 3.0], [0.0, 1.0]


def brute_force(bonafide, spoof, rates, form):
    """Expected cost per trial kind, from the decisions of both systems, threshold by threshold."""
    pi = {"target": 0.9405, "nontarget": 0.0095, "spoof": 0.05}
    costs = []
    for threshold in [-math.inf, *bonafide, *spoof, math.inf]:
        missed = sum(score < threshold for score in bonafide) / len(bonafide)
        accepted = sum(score >= threshold for score in spoof) / len(spoof)
        if form == "2021":
            # A target is lost by either; others get in only past both.
            cost = pi["target"] * 1 * (missed + (1 - missed) * rates.p_miss)
            cost += pi["nontarget"] * 10 * (1 - missed) * rates.p_fa
            cost += pi["spoof"] * 10 * accepted * rates.p_fa_spoof
        else:
            cost = pi["target"] * (1 * missed - 1 * missed * rates.p_miss)
            cost -= pi["nontarget"] * 10 * missed * rates.p_fa
            cost += pi["spoof"] * 10 * accepted * rates.p_fa_spoof
        costs.append(cost)
    return min(costs) / min(costs[0], costs[-1])


_SCORES = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=12)
_RATES = st.builds(AsvRates, st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.05, 1))


@settings(deadline=None)
@given(_SCORES, _SCORES, _RATES, st.sampled_from(["2019", "2021"]))
def test_equals_the_count_at_every_threshold(bonafide, spoof, rates, form):
    value = min_tdcf(bonafide, spoof, tandem(form, rates))
    assert value == pytest.approx(brute_force(bonafide, spoof, rates, form), abs=1e-12)


def test_closed_forms():
    old, new = tandem("2019", ASVSPOOF5), tandem("2021", ASVSPOOF5)
    floor = 0.9405 * 0.0188014 + 0.095 * 0.0188102
    assert new == pytest.approx((floor, 0.9405 - floor, 0.5 * 0.4607083))
    assert old == pytest.approx((0.0, 0.9405 - floor, 0.5 * 0.4607083))
    assert min_tdcf(*PERFECT, old) == 0.0
    assert min_tdcf(*PERFECT, new) == pytest.approx(floor / (floor + 0.5 * 0.4607083))
    useless = [1.0, 1.0], [1.0]
    assert min_tdcf(*useless, old) == min_tdcf(*useless, new) == pytest.approx(1.0)
    inverted = [0.0], [1.0]
    assert min_tdcf(*inverted, new) == pytest.approx(1.0)


def test_costs_are_those_asked_for():
    costs = TandemCosts(p_target=0.5, p_nontarget=0.25, p_spoof=0.25, c_fa_spoof=2, c_miss_cm=3)
    rates = AsvRates(0.1, 0.02, 0.4)
    assert tandem("2019", rates, costs) == pytest.approx((0.0, 1.5 - 0.05 - 0.05, 0.2))
    assert tandem("2021", rates, costs) == pytest.approx((0.1, 0.4, 0.2))


def test_actual_cost_is_that_of_the_bayes_threshold():
    cost = Tandem(0.1, 0.6, 0.3)
    threshold = math.log(0.5)
    bonafide, spoof = [threshold - 0.1, threshold, 5.0, 6.0], [threshold, -9.0]
    expected = (0.1 + 0.6 * 0.25 + 0.3 * 0.5) / 0.4
    assert act_tdcf(bonafide, spoof, cost) == pytest.approx(expected)
    # Of true likelihood ratios it is nearly the minimum.
    rng = np.random.default_rng(1)
    ratios = rng.normal(2, 2, 20000), rng.normal(-2, 2, 20000)
    assert act_tdcf(*ratios, cost) == pytest.approx(min_tdcf(*ratios, cost), abs=0.01)


def test_rates_of_the_verifier():
    rates = asv_rates([1.0, 2.0, 3.0, 4.0], [0.0, 0.5, 1.5, -1.0], [0.0, 1.2, 2.0, 3.0, 4.0])
    assert rates == (0.25, 0.25, 0.6)
    with pytest.raises(SpoofscopeError, match="nontarget"):
        asv_rates([1.0], [], [1.0])


def test_files_of_the_verifier(tmp_path):
    path = tmp_path / "asv.txt"
    path.write_text("- target 2\n- nontarget 0\n\nA07 spoof 1.5\n")
    assert {key: list(x) for key, x in read_asv_scores(path).items()} == {
        "target": [2.0],
        "nontarget": [0.0],
        "spoof": [1.5],
    }
    cost = tandem_from({"form": "2021", "costs": {"c_fa_spoof": 20}}, path)
    assert cost == pytest.approx((0.0, 0.9405, 1.0))
    for text, message in (
        ("- target 1\n- impostor 2\n", "line 2: '- impostor 2' does not end in a key"),
        ("- target nan\n", "line 1: 'nan' is no finite number"),
        ("- target 1\n- spoof 2\n", "no trials with key 'nontarget'"),
    ):
        path.write_text(text)
        with pytest.raises(TableError, match=message):
            read_asv_scores(path)
    with pytest.raises(TableError, match="no such file"):
        read_asv_scores(tmp_path / "none")


def test_what_makes_no_sense():
    with pytest.raises(ConfigError, match="form must be one of 2019, 2021"):
        tandem("2020", ASVSPOOF5)
    with pytest.raises(ConfigError, match="p_fa must be from 0 to 1"):
        tandem("2021", AsvRates(0.1, 1.5, 0.5))
    with pytest.raises(ConfigError, match="sum to 1"):
        tandem("2021", ASVSPOOF5, TandemCosts(p_spoof=0.5))
    with pytest.raises(SpoofscopeError, match="nothing to gain"):
        tandem("2021", AsvRates(1.0, 1.0, 1.0))
    with pytest.raises(ConfigError, match="did you mean 'c_miss'"):
        tandem_from({"form": "2021", "rates": ASVSPOOF5._asdict(), "costs": {"c_mis": 1}}, None)
    with pytest.raises(ConfigError, match="did you mean 'p_miss'"):
        tandem_from({"form": "2021", "rates": {"p_mis": 1}}, None)


def test_it_is_a_column_of_the_tables_of_metrics():
    rng = np.random.default_rng(5)
    label = ["bonafide"] * 40 + ["spoof"] * 60
    scores = np.concatenate([rng.normal(1, 1, 40), rng.normal(-1, 1, 60)])
    joined = pl.DataFrame(
        {
            "utt_id": [f"u{i:03}" for i in range(100)],
            "label": label,
            "score": scores,
            "attack": ["-"] * 40 + ["A", "B"] * 30,
        }
    )
    cost = tandem("2021", ASVSPOOF5)
    calibration = calibration_of(2.0, 0.5, n=10**9)
    table = evaluate(joined, ["attack"], 0, 1, calibration=calibration, tandem=cost)

    def value(metric, level="-"):
        found = table.filter((pl.col("metric") == metric) & (pl.col("level") == level))
        return found["value"].item()

    assert value("min_tdcf") == min_tdcf(scores[:40], scores[40:], cost)
    assert value("act_tdcf") == act_tdcf(scores[:40], scores[40:], cost)
    ratios = 2 * scores + 0.5
    assert value("act_tdcf_calibrated") == act_tdcf(ratios[:40], ratios[40:], cost)
    assert value("min_tdcf", "B") == min_tdcf(scores[:40], scores[41::2], cost)
    without = evaluate(joined.filter(pl.col("label") == "spoof"), [], 0, 1, tandem=cost)
    assert without.filter(pl.col("metric") == "min_tdcf")["value"].to_list() == [None]
