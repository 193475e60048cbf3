"""Means of the checks of explanations: which clips, less which control, and how sure."""

import numpy as np
import polars as pl
import pytest

from spoofscope.attribution.checks import CHECKS, check_means
from spoofscope.errors import TableError


def explained(n: int = 24) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A third bona fide, the rest of the attacks A and B; six speakers of the first ten clips."""
    rng = np.random.default_rng(1)
    numbers = {name: rng.normal(0, 1, n) for name in CHECKS}
    numbers["deletion"] = numbers["deletion_control"] + 1 + 0.1 * rng.normal(0, 1, n)
    kinds = [("bonafide", "-"), ("spoof", "A"), ("spoof", "B")]
    table = pl.DataFrame(
        {
            "utt_id": [f"u{i}" for i in range(n)],
            "label": [kinds[i % 3][0] for i in range(n)],
            "attack": [kinds[i % 3][1] for i in range(n)],
            "chosen_by": "per_attack",
            **numbers,
        }
    ).with_columns(
        # Only the first utterances are compared with a randomised back-end.
        pl.when(pl.int_range(n) < 3).then("randomised_spearman").alias("randomised_spearman")
    )
    return table, table.select("utt_id", speaker=pl.format("s{}", pl.int_range(n) % 12))


def test_means_over_groups_and_their_intervals():
    table, trials = explained()
    found = check_means(table, trials, resamples=300, seed=1)
    rows = {(row["attack"], row["metric"]): row for row in found.iter_rows(named=True)}
    assert list(dict.fromkeys(found["attack"])) == ["all", "bonafide", "A", "B"]
    gain = rows["all", "deletion_gain"]
    assert gain["value"] == pytest.approx((table["deletion"] - table["deletion_control"]).mean())
    assert 0.9 < gain["ci_low"] < gain["value"] < gain["ci_high"] < 1.1
    assert (gain["n"], gain["clusters"]) == (24, 12)
    other = rows["all", "insertion_gain"]
    assert other["ci_low"] < 0 < other["ci_high"]
    own = table.filter(attack="A")["deletion"].mean()
    # Eight clips, of four speakers: too few for an interval.
    assert rows["A", "deletion"]["value"] == pytest.approx(own)
    assert (rows["A", "deletion"]["n"], rows["A", "deletion"]["clusters"]) == (8, 4)
    assert rows["A", "deletion"]["ci_low"] is None
    assert rows["all", "randomised_spearman"]["n"] == 3
    alone = check_means(table, trials, resamples=300, seed=1, cluster="none")
    clips = alone.filter(attack="A", metric="deletion").row(0, named=True)
    assert clips["clusters"] is None
    assert clips["ci_low"] < clips["value"] < clips["ci_high"]
    assert check_means(table, trials, resamples=0, seed=1)["ci_low"].null_count() == found.height
    # What was chosen by its score is left out, unless it is in the sample, too.
    reasons = ["per_attack+near_wrong", *["per_attack"] * 21, "near_wrong", "listed"]
    some = table.with_columns(chosen_by=pl.Series(reasons))
    of_sample = check_means(some, trials, resamples=0, seed=1).row(0, named=True)
    assert of_sample["n"] == 22


def test_utterances_that_are_no_trials_are_named():
    table, trials = explained()
    with pytest.raises(TableError, match=r"1 explained utterances are not in the manifest.*'u23'"):
        check_means(table, trials.head(23), resamples=0, seed=1)
