"""Published numbers of detectors beside those of a study."""

from pathlib import Path

import polars as pl
import pytest

from spoofscope.errors import ConfigError
from spoofscope.plan.study_plan import checked, load_study
from spoofscope.study import MINI
from spoofscope.study.reading import read_config
from spoofscope.summaries.inputs import METRIC_COLUMNS
from spoofscope.summaries.literature import WIDE, WIDE_AT_TOP, verdict
from spoofscope.summaries.published import make, published, read_published
from spoofscope.tables import write_table

ROOT = Path(__file__).resolve().parents[1]
METRICS = pl.DataFrame(
    [
        (name, seed, "la19", "eval", condition, "-", metric, value, low, high, 10, 20)
        for name, seed, condition, metric, value, low, high in [
            ("net-0", 1, "pooled", "eer", 0.0800, 0.0700, 0.0901),
            ("net-0", 2, "pooled", "eer", 0.0856, None, None),
            ("net-0", 1, "attack", "eer", 0.5, 0.4, 0.6),
            ("net-0", 1, "pooled", "min_dcf", 0.1042, 0.0981, 0.1102),
            ("fused-0", 0, "pooled", "eer", 0.05, None, None),
        ]
    ],
    schema=METRIC_COLUMNS,
    orient="row",
)
PAPER = {
    **{"system": "net", "corpus": "la19", "split": "eval", "metric": "eer", "unit": "percent"},
    **{"source": "A paper", "place": "Table 1"},
}


def row(**changes) -> dict:
    return published({"net": "net-0", "fused": "fused-0"}, METRICS, [{**PAPER, **changes}]).row(
        0, named=True
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": "8.28"}, "identical"),
        ({"value": "8.3"}, "identical"),
        ({"value": "8.30"}, "equivalent"),
        ({"value": "7.01"}, "equivalent"),
        ({"value": "9.02"}, "differs"),
        ({"value": "0.104", "metric": "min_dcf", "unit": "share"}, "identical"),
        ({"value": "0.0975", "metric": "min_dcf", "unit": "share"}, "differs"),
        ({"value": "8.28", "unlike": "another protocol"}, "not comparable"),
        ({"value": "5.00", "system": "fused"}, "identical"),
        ({"value": "5.01", "system": "fused"}, "not comparable"),
        ({"value": "0.1", "metric": "min_tdcf", "unit": "share"}, "not comparable"),
    ],
)
def test_verdicts(changes, said):
    assert row(**changes)["verdict"] == said


def test_both_numbers_have_one_unit_and_the_reason_is_there():
    found = row(value="8.10", seeds=1, doi="10.1000/182")
    ours = (found["ours"], found["ours_low"], found["ours_high"])
    assert ours == pytest.approx((8.28, 7.00, 9.01))
    assert (found["published"], found["seeds"], found["n_seeds"]) == ("8.10", "1", 2)
    assert (found["why"], found["doi"]) == ("-", "10.1000/182")
    assert row(value="8.28", unlike="another protocol")["why"] == "another protocol"
    assert row(value="5.01", system="fused")["why"] == "the number of the study has no interval"
    assert row(value="0.1", metric="min_tdcf")["why"] == "the study has no such number"
    assert row(value="0.1")["seeds"] == "-"


def test_few_trials_agree_with_every_number():
    said, why = verdict({"value": "3.45", "unlike": "-"}, 0.0, 0.0, 60.2)
    assert (said, why) == ("equivalent", WIDE)
    # Also where the digits are the same.
    assert verdict({"value": "3.45", "unlike": "-"}, 3.45, 0.0, 60.2) == ("identical", WIDE)
    assert verdict({"value": "3.45", "unlike": "-"}, 3.0, 2.0, 60.2) == ("equivalent", "-")
    # Twice an accuracy of 0.9 is none.
    accuracy = {"value": "0.90", "unlike": "-"}
    assert verdict(accuracy, 0.83, 0.3, 1.0) == ("equivalent", WIDE_AT_TOP.format(1))
    assert verdict(accuracy, 0.83, 0.3, 0.92) == ("equivalent", "-")
    assert verdict(accuracy | {"value": "90.0"}, 83.0, 81.0, 99.0, top=100.0)[1] == "-"
    assert verdict(accuracy | {"value": "90.0"}, 83.0, 79.0, 99.0, top=100.0)[1] != "-"


def test_the_table_keeps_published_digits(tmp_path):
    write_table(tmp_path / "metrics.tsv", METRICS)
    systems = [
        {"id": "net-0", "seed": seed, "name": "net", "kind": "detector", "trained_on": ["la19"]}
        for seed in (1, 2)
    ]
    outputs = {"table": str(tmp_path / "published.tsv")}
    make(systems, [str(tmp_path / "metrics.tsv")], [{**PAPER, "value": "8.10"}], outputs)
    found = read_published(outputs["table"]).row(0, named=True)
    assert found["published"] == "8.10"
    ours = (found["ours"], found["ours_low"], found["ours_high"], found["n_seeds"])
    assert ours == pytest.approx((8.28, 7.0, 9.01, 2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": 4.1}, r"published\[0\].value: expected string, found 4.1"),
        ({"value": "4,1"}, r"published\[0\].value: .*a quoted number"),
        ({"system": "nett"}, r"published\[0\].system: 'nett' is neither a detector nor a fusion"),
        ({"split": "train"}, r"published\[0\]: mini.train is not scored by fbank_cnn"),
        ({"metric": "err"}, r"published\[0\].metric: .*'eer'"),
        ({"doi": "https://doi.org/10.1/x"}, r"published\[0\].doi: .*a DOI"),
    ],
)
def test_numbers_of_nothing_are_refused(changes, message):
    entry = {**PAPER, "system": "fbank_cnn", "corpus": "mini", "value": "1.0"}
    with pytest.raises(ConfigError, match=message):
        checked({**read_config(MINI), "published": [{**entry, **changes}]})


def test_studies_of_papers_have_the_numbers_of_their_page():
    page = (ROOT / "docs/full_studies.md").read_text(encoding="utf-8")
    for name, n in (("ig_detectors", 8), ("two_stage", 4)):
        numbers = load_study(ROOT / f"config/studies/{name}.yaml").config["published"]
        assert len(numbers) == n
        assert all(one["value"] in page for one in numbers)
