"""Which utterances are explained: a sample, those that a rule names, and those of the user."""

import numpy as np
import polars as pl
import pytest

from planning import Recordings, plan_of
from spoofscope.errors import ConfigError, TableError
from spoofscope.options.attribution import ExplainOptions
from spoofscope.plan.study_plan import checked
from spoofscope.selection.utterances import (
    listed_utterances,
    utterances_by_rule,
    utterances_to_explain,
)
from spoofscope.tables import MANIFEST_COLUMNS

# Distances from a threshold of 0: five near it on either side, and three far away on the right one.
NEAR = (0.1, 0.2, 0.3, 0.4, 0.5)
FAR = (7.0, 8.0, 9.0)


def judged() -> pl.DataFrame:
    """Both classes, mirror images of each other."""
    rows = []
    for label, attack, side in (("bonafide", "-", 1), ("spoof", "A", -1)):
        for i, score in enumerate((*NEAR, *(-x for x in NEAR), *FAR)):
            rows.append((f"{label}{i}", label, attack, side * score))
    return pl.DataFrame(rows, ["utt_id", "label", "attack", "score"], orient="row")


def names(*numbers: int) -> set[str]:
    return {f"{label}{i}" for label in ("bonafide", "spoof") for i in numbers}


def test_rules_find_both_classes_on_the_right_side_of_the_threshold():
    scored = judged()
    chosen = {
        rule: set(utterances_by_rule(scored, rule, 5, 1)) for rule in ("near_right", "near_wrong")
    }
    assert chosen == {"near_right": names(0, 1, 2, 3, 4), "near_wrong": names(5, 6, 7, 8, 9)}
    assert set(utterances_by_rule(scored, "confident_right", 3, 1)) == names(10, 11, 12)
    # The two farthest of those that are wrong.
    assert set(utterances_by_rule(scored, "confident_wrong", 2, 1)) == names(8, 9)
    # What the rules say of scores: right spoofs lie below all right bona fide.
    scores = dict(scored.select("utt_id", "score").iter_rows())
    of = {
        (rule, label): [scores[name] for name in ids if name.startswith(label)]
        for rule, ids in chosen.items()
        for label in ("bonafide", "spoof")
    }
    assert max(of["near_right", "spoof"] + of["near_wrong", "bonafide"]) < 0
    assert min(of["near_right", "bonafide"] + of["near_wrong", "spoof"]) > 0


def test_the_other_polarity_swaps_five_and_five():
    """A published list took class 1 for bona fide: its 5 + 5 right and 5 + 5 wrong were swapped."""
    near = judged().filter(pl.col("score").abs() < 1)
    swapped = near.with_columns(-pl.col("score"))
    for rule, other in (("near_right", "near_wrong"), ("near_wrong", "near_right")):
        chosen = set(utterances_by_rule(near, rule, 5, 1))
        assert len(chosen) == 10
        assert set(utterances_by_rule(swapped, other, 5, 1)) == chosen


def test_a_score_at_the_threshold_is_accepted():
    scored = pl.DataFrame(
        {"utt_id": ["b", "s"], "label": ["bonafide", "spoof"], "score": [1.0, 1.0]}
    )
    assert utterances_by_rule(scored, "near_right", 1, 1) == ["b"]
    assert utterances_by_rule(scored, "near_wrong", 1, 1) == ["s"]
    with pytest.raises(TableError, match="chosen by near_right: no spoof trials"):
        utterances_by_rule(scored.head(1), "near_right", 1, 1)


@pytest.mark.parametrize("gap", [2.0, 12.0])
def test_beyond_what_a_thousandth_of_the_other_class_reaches(gap: float):
    """The published rule: below T_low or above T_high of 0.1 %, and right or wrong there."""
    rng = np.random.default_rng(0)
    bonafide, spoof = rng.normal(gap, 1, 2000), rng.normal(-gap, 2, 5000)
    scored = pl.DataFrame(
        {
            "utt_id": [f"b{i}" for i in range(2000)] + [f"s{i}" for i in range(5000)],
            "label": ["bonafide"] * 2000 + ["spoof"] * 5000,
            "score": [*bonafide, *spoof],
        }
    )
    # Two of 2,000 bona fide may be below, five of 5,000 spoofs at or above.
    below, last = np.sort(bonafide)[2], np.sort(spoof)[-6]
    right, wrong = (
        set(utterances_by_rule(scored, rule, 10_000, 1))
        for rule in ("beyond_right", "beyond_wrong")
    )
    if below > last:
        assert (len(right), wrong) == (7000, set())
        return
    expected = {f"b{i}" for i in np.flatnonzero(bonafide > last)}
    assert right == expected | {f"s{i}" for i in np.flatnonzero(spoof < below)}
    expected = {f"b{i}" for i in np.flatnonzero(bonafide < below)}
    assert wrong == expected | {f"s{i}" for i in np.flatnonzero(spoof > last)}
    assert (len([name for name in wrong if name[0] == "b"]), len(wrong)) == (2, 7)
    few = utterances_by_rule(scored, "beyond_right", 3, 1)
    assert sorted(name[0] for name in few) == list("bbbsss")
    assert set(few) < right
    with pytest.raises(TableError, match=r"by beyond_wrong: 0.1 % of 999 bona fide trials is none"):
        utterances_by_rule(scored[1001:], "beyond_wrong", 1, 1)


def manifest(scored: pl.DataFrame) -> pl.DataFrame:
    paths = pl.lit("a.wav").alias("path"), pl.lit("eval").alias("split")
    more = pl.lit("s").alias("speaker"), pl.lit(1.0).alias("duration")
    whole = scored.with_columns(*paths, *more, sample_rate=pl.lit(16000))
    return whole.select(*MANIFEST_COLUMNS)


def test_reasons_are_joined_and_only_the_seed_decides():
    rng = np.random.default_rng(1)
    # Many scores are equal.
    scored = pl.concat([judged()] * 4).with_columns(
        utt_id=pl.format("u{}", pl.int_range(104)),
        score=pl.Series(np.round(rng.normal(0, 1, 104))),
    )
    scores, whole = scored.select("utt_id", "score"), manifest(scored)
    options = ExplainOptions(
        per_attack=30, select=("near_wrong", "confident_right"), per_rule=3, utterances=("u7",)
    )
    chosen = utterances_to_explain(whole, scores, options, 1)
    reasons = dict(chosen.select("utt_id", "chosen_by").iter_rows())
    assert "listed" in reasons["u7"].split("+")
    counts = {
        reason: sum(reason in why.split("+") for why in reasons.values())
        for reason in ("per_attack", "near_wrong", "confident_right")
    }
    assert counts == {"per_attack": 60, "near_wrong": 6, "confident_right": 6}
    assert any("+near_wrong" in why for why in reasons.values())
    assert chosen["utt_id"].to_list() == chosen.sort("attack", "utt_id")["utt_id"].to_list()
    shuffled = whole.sample(fraction=1, shuffle=True, seed=2), scores.reverse()
    assert utterances_to_explain(*shuffled, options, 1).equals(chosen)
    other = dict(
        utterances_to_explain(whole, scores, options, 2).select("utt_id", "chosen_by").rows()
    )
    assert other != reasons


def test_names_of_the_user(tmp_path):
    scored = judged()
    scores, whole = scored.select("utt_id", "score"), manifest(scored)
    path = tmp_path / "names.txt"
    path.write_text("spoof3\n\nbonafide0\nspoof3\n")
    options = ExplainOptions(per_attack=1, utterances=str(path))
    chosen = utterances_to_explain(whole, scores, options, 1, path)
    assert {"spoof3", "bonafide0"} <= set(chosen["utt_id"])
    assert chosen.height <= 4
    path.write_text("spoof3\nspoof33\n")
    with pytest.raises(TableError, match=r"/names\.txt: 'spoof33' is not among the 26"):
        utterances_to_explain(whole, scores, options, 1, path)
    path.write_text("\n")
    with pytest.raises(TableError, match=r"names\.txt: no utterances are listed"):
        listed_utterances(path)


def study(**attribution):
    detector = {
        "frontend": "lfcc",
        "backend": {"type": "linear"},
        "input": {"length": 16000},
        "train": {"data": [{"corpus": "c"}]},
    }
    explained = {"detectors": ["d"], "corpus": "c", "split": "eval", **attribution}
    return {
        "study": "s",
        "corpora": {"c": {"type": "mini"}},
        "frontends": {"lfcc": {"type": "lfcc"}},
        "detectors": {"d": detector},
        "score": [{"corpus": "c", "splits": ["eval"]}],
        "attribution": explained,
    }


def test_the_content_of_the_file_counts():
    outside = Recordings()

    def params(**options: object) -> dict:
        plan = plan_of(checked(study(**options)), outside=outside)
        (product,) = plan.attribution.files("safetensors")
        return product.maker.params

    in_file = {"utterances": "names.txt"}
    before, without = params(**in_file), params()
    assert before != without
    outside.changed = " edited"
    assert params(**in_file) != before
    assert params() == without
    with pytest.raises(ConfigError, match=r"select.*near_right"):
        checked(study(select=["near_rigth"]))
