"""From the scores of windows to that of a clip: the same everywhere, whatever the way."""

import json
import statistics
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from noise_and_tones import write_corpus
from spoofscope import tables
from spoofscope.attribution.explain import explain
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError
from spoofscope.inputs import Aggregation, aggregate_windows
from spoofscope.metrics.rates import eer
from spoofscope.objectives.detection import Detection
from spoofscope.options.attribution import ExplainOptions
from spoofscope.plan.study_plan import checked
from spoofscope.scoring import score_shard
from spoofscope.study.reading import read_config
from spoofscope.training.data import Source
from spoofscope.training.loop import TrainingJob, train
from spoofscope.training.recipe import resolve_recipe
from spoofscope.windows import InputPolicy

torch.set_num_threads(1)

WAYS = [Aggregation(), Aggregation("max"), Aggregation("top_k", 2), Aggregation("median")]


def test_closed_forms():
    scores = [3.0, -1.0, 5.0, 1.0]
    assert [aggregate_windows(scores, way) for way in WAYS] == [2.0, -1.0, 0.0, 2.0]
    assert aggregate_windows([3.0, -1.0, 5.0], Aggregation("median")) == 3.0
    assert aggregate_windows([4.0], Aggregation("top_k", 3)) == 4.0


@settings(deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=1, max_size=9), st.integers(1, 9))
def test_equals_the_definition(scores, k):
    expected = {
        "mean": statistics.fmean(scores),
        "median": statistics.median(scores),
        "max": min(scores),
        "top_k": statistics.fmean(sorted(scores)[:k]),
    }
    for method, value in expected.items():
        way = Aggregation(method, k if method == "top_k" else None)  # type: ignore[arg-type]
        assert aggregate_windows(scores, way) == pytest.approx(value, abs=1e-12)
        weights = way.weights(scores)
        assert weights @ np.array(scores) == pytest.approx(value, abs=1e-12)
        assert weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "maximum"}, "did you mean 'max'"),
        ({"method": "top_k"}, "top_k needs k"),
        ({"method": "mean", "k": 2}, "the others have none"),
        ({"method": "top_k", "k": 0}, "at least 1"),
        ({"methods": "max"}, "did you mean 'method'"),
    ],
)
def test_what_cannot_be_asked_for(values, message):
    with pytest.raises(ConfigError, match=message):
        Aggregation.from_dict(values)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    return write_corpus(folder, {"train": 8, "dev": 8}, samples=(6000, 24000))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory) -> Path:
    """A detector that takes the mean of the two lowest windows."""
    folder = tmp_path_factory.mktemp("detector")
    job = TrainingJob(
        objective=Detection,
        frontend={"type": "lfcc"},
        backend={"type": "linear", "n_outputs": 2},
        policy=InputPolicy(length=6000, hop=3000),
        recipe=resolve_recipe({"epochs": 1, "lr": 1.0e-2, "batch_size": 4}),
        train=[Source(corpus, "train")],
        dev=[Source(corpus, "dev")],
        seed=1,
        options={"aggregate": {"method": "top_k", "k": 2}},
    )
    train(job, folder / "d", folder / "work")
    return folder / "d"


@pytest.mark.slow
def test_training_prediction_scoring_and_explanation_agree(corpus, trained, tmp_path):
    rows = tables.read_manifest(corpus).filter(pl.col("split") == "dev")
    detector = Detector.load(trained)
    assert detector.aggregation == Aggregation("top_k", 2)
    predictions = [detector.predict(path) for path in rows["path"]]
    scores = [prediction["score"] for prediction in predictions]
    for prediction in predictions:
        lowest = sorted(prediction["window_scores"])[:2]
        assert prediction["score"] == pytest.approx(statistics.fmean(lowest), abs=1e-9)
    assert max(prediction["n_windows"] for prediction in predictions) > 3
    score_shard(trained, rows, tmp_path / "s.tsv", tmp_path / "work")
    assert tables.read_scores(tmp_path / "s.tsv")["score"].to_list() == pytest.approx(
        scores, abs=1e-5
    )
    # The threshold was chosen on the same scores.
    bonafide = np.array(scores)[(rows["label"] == "bonafide").to_numpy()]
    spoof = np.array(scores)[(rows["label"] == "spoof").to_numpy()]
    assert detector.meta["threshold"] == pytest.approx(eer(bonafide, spoof).threshold, abs=1e-4)
    files = tmp_path / "a.safetensors", tmp_path / "r.tsv", tmp_path / "e.tsv"
    options = ExplainOptions(baseline="zeros", controls=2, randomised=0)
    sample = pl.lit("per_attack").alias("chosen_by")
    rows = rows.with_columns(sample, score=pl.Series(scores)).head(2)
    explain(detector, rows, *files, options, seed=1)
    columns = dict.fromkeys(("score", "relative_error"), pl.Float64())
    explained = tables.read_table(files[2], columns)
    assert explained["score"].to_list() == pytest.approx(scores[:2], abs=1e-4)
    assert explained["relative_error"].max() < 0.05


def test_the_mean_is_written_down_too(trained, tmp_path):
    torch.manual_seed(1)
    detector = Detector({"type": "lfcc"}, {"type": "linear"}, InputPolicy(length=6000))
    detector.save(tmp_path / "d")
    settings = json.loads((tmp_path / "d" / "detector.json").read_text())
    assert settings["aggregate"] == {"method": "mean"}
    assert "the score is the mean over windows" in (tmp_path / "d" / "card.md").read_text()
    assert Detector.load(tmp_path / "d").aggregation == Aggregation()
    assert "mean of the 2 windows with the most" in (trained / "card.md").read_text()


def test_it_is_part_of_the_run_only_where_it_is_asked_for():
    config = read_config(Path(__file__).resolve().parents[1] / "config/config.yaml")
    before = {run.detector: run for run in checked(config).runs.values()}
    assert all("aggregate" not in run.settings for run in before.values())
    config["detectors"]["lfcc_lcnn"]["aggregate"] = {"method": "top_k", "k": 2}
    after = {run.detector: run for run in checked(config).runs.values()}
    assert {name for name in before if after[name].id != before[name].id} == {"lfcc_lcnn"}
    assert Aggregation.from_dict(after["lfcc_lcnn"].settings["aggregate"]) == WAYS[2]
    config["detectors"]["lfcc_lcnn"]["aggregate"] = {"method": "top_k"}
    with pytest.raises(ConfigError, match=r"detectors\.lfcc_lcnn\.aggregate: method top_k needs k"):
        checked(config)
