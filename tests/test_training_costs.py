"""Hours and memory of trainings, as Snakemake measured them."""

import json

import polars as pl
import pytest

from spoofscope.cli import main
from spoofscope.errors import TableError
from spoofscope.training_costs import training_costs

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


@pytest.fixture
def results(tmp_path):
    for job, seconds in (("train/cnn-00000000", 7200), ("train_tracer/who-11111111", 900)):
        path = tmp_path / "benchmarks" / job / "seed3.tsv"
        path.parent.mkdir(parents=True)
        path.write_text(f"{HEADER}{seconds}.0\t2:00:00\t1000.0\t1\t1\t1\t-\t1\t150.0\t10800.0\n")
    sidecar = tmp_path / "detectors/cnn-00000000/seed3/model.safetensors.origin.json"
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text(json.dumps({"device": "NVIDIA H200"}))
    return tmp_path


def test_hours_and_memory_of_every_training(results, capsys):
    table = training_costs(results)
    assert table.rows(named=True)[0] == {
        **{"run": "cnn-00000000", "seed": "3", "hours": 2.0, "cpu_hours": 3.0},
        **{"memory_gb": 1.048576, "device": "NVIDIA H200"},
    }
    assert table.rows()[1] == ("who-11111111", "3", 0.25, 3.0, 1.048576, "-")
    assert main(["costs", str(results), "--out", str(results / "costs.tsv")]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["all", "2.25", "6", "1", "GB"]
    assert pl.read_csv(results / "costs.tsv", separator="\t")["hours"].to_list() == [2.0, 0.25]


def test_a_killed_measurement_is_named(results):
    (results / "benchmarks/train/cnn-00000000/seed3.tsv").write_text(HEADER)
    with pytest.raises(TableError, match=r"seed3\.tsv"):
        training_costs(results)
    with pytest.raises(TableError, match="has no measured training"):
        training_costs(results / "detectors")
