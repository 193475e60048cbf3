"""What a study can ask about scores: exports, external scores, comparisons, reliability, t-DCF."""

import copy

import polars as pl
import pytest
from checkout import TINY_STUDY, Checkout

from spoofscope.metrics.tdcf import AsvRates, min_tdcf, tandem

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

TRIALS = {"corpus": "talkers", "split": "eval"}
RATES = {"p_miss": 0.0188014, "p_fa": 0.0188102, "p_fa_spoof": 0.4607083}


def rows(study: Checkout, path: str) -> pl.DataFrame:
    return pl.read_csv(study.folder / "results/tiny" / path, separator="\t")


@pytest.fixture(scope="module")
def study(tiny, tmp_path_factory) -> Checkout:
    """The tiny study with its own scores handed in, turned round, and taken for somebody else's."""
    study = tiny.copy(tmp_path_factory.mktemp("scores") / "checkout")
    config = copy.deepcopy(TINY_STUDY)
    config["exports"] = {"trials": [TRIALS]}
    study.make("exports", "--configfile", study.write_study(config))
    (exported,) = study.folder.glob("results/tiny/exports/lfcc_linear-*/seed1/talkers.eval.tsv")
    lines = exported.read_text().splitlines()
    assert lines[0] == "filename\tcm-score"
    turned = [f"wav/{name}.wav {-float(score)}" for name, score in map(str.split, lines[1:])]
    (study.folder / "theirs.txt").write_text("\n".join(reversed(turned)) + "\n")
    scores = {**TRIALS, "path": "theirs.txt", "format": "file_score", "higher": "spoof"}
    config["detectors"]["theirs"] = {"scores": [scores]}
    config["comparisons"] = {"resamples": 100}
    config["reliability"] = {"bins": 5}
    config["tdcf"] = [{**TRIALS, "form": "2021", "rates": RATES}]
    study.make("figures", "tables", "report", "exports", "--configfile", study.write_study(config))
    return study


def test_scores_that_went_out_and_came_back_are_the_same(study):
    own = next(study.folder.glob("results/tiny/scores/lfcc_linear-*/seed1/talkers.eval.tsv"))
    theirs = next(study.folder.glob("results/tiny/scores/theirs-*/seed0/talkers.eval.tsv"))
    assert own.read_bytes() == theirs.read_bytes()
    table = rows(study, "tables/comparisons.tsv")
    assert table.select("first", "second", "metric").rows() == [
        ("lfcc_linear", "theirs", "eer"),
        ("lfcc_linear", "theirs", "min_dcf"),
    ]
    assert table["difference"].to_list() == [0.0, 0.0]
    assert table["p_holm"].to_list() == [1.0, 1.0]
    # What came from others is not handed in again.
    assert [path.name for path in study.folder.glob("results/tiny/exports/*")] == [
        own.parents[1].name
    ]


def test_tandem_cost(study):
    (path,) = study.folder.glob("results/tiny/metrics/theirs-*/seed0/talkers.eval.tsv")
    metrics = pl.read_csv(path, separator="\t")
    trials = rows(study, "manifests/talkers.tsv").filter(pl.col("split") == "eval")
    joined = trials.join(
        rows(study, f"scores/{path.parents[1].name}/seed0/talkers.eval.tsv"), on="utt_id"
    )
    classes = [
        joined.filter(pl.col("label") == label)["score"].to_numpy()
        for label in ("bonafide", "spoof")
    ]
    expected = min_tdcf(*classes, tandem("2021", AsvRates(**RATES)))
    pooled = metrics.filter((pl.col("metric") == "min_tdcf") & (pl.col("condition") == "pooled"))
    assert pooled["value"].to_list() == [expected]
    headline = rows(study, "tables/headline.tsv").filter(pl.col("split") == "eval")
    assert headline["min_tdcf"].to_list() == [expected, expected]


def test_the_report_shows_what_there_is(study):
    page = (study.folder / "results/tiny/report/index.html").read_text()
    for words in (
        'id="figure-comparisons"',
        'id="figure-reliability"',
        'id="breakdowns"',
        "min t-DCF",
    ):
        assert words in page
    drawn = rows(study, "figures/reliability.tsv")
    kinds = drawn.select("name", "scores").unique(maintain_order=True).rows()
    assert ("theirs", "raw") in kinds
    assert ("theirs", "calibrated") not in kinds
    attacks = rows(study, "manifests/talkers.tsv").filter(pl.col("attack") != "-")["attack"]
    assert rows(study, "tables/breakdowns.tsv")["n_levels"].max() == attacks.n_unique()
