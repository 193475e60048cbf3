"""Hours and memory of trainings, as Snakemake measured them."""

import json

import polars as pl
import pytest

from spoofscope.cli import main
from spoofscope.errors import TableError
from spoofscope.report.costs import cost_section, study_costs, training_costs, write_costs

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


def test_of_short_trainings_no_memory_is_known(results, capsys):
    for path in (results / "benchmarks").glob("*/*/*.tsv"):
        path.write_text(f"{HEADER}36.0\t0:00:36" + 8 * "\tNA" + "\n")
    assert main(["costs", str(results)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["all", "0.02", "-", "-"]


def test_a_killed_measurement_is_named(results):
    path = results / "benchmarks/train/cnn-00000000/seed3.tsv"
    path.write_text(f"{HEADER}9.0\t0:00:09\tmuch\t1\t1\t1\t-\t1\t150.0\t9.0\n")
    with pytest.raises(TableError, match=r"seed3\.tsv: column 'max_rss' is 'much', no number"):
        training_costs(results)
    path.write_text(HEADER)
    with pytest.raises(TableError, match=r"seed3\.tsv: 0 measurements, expected 1"):
        training_costs(results)
    with pytest.raises(TableError, match="has no measured training"):
        training_costs(results / "detectors")
    with pytest.raises(TableError, match="mimi: there is no such folder"):
        training_costs(results / "mimi")


def test_what_stages_have_taken(results):
    """Of what the study has now, with all its jobs; a short one has no memory."""
    for job, numbers in (
        ("score/cnn-00000000/seed3/la.eval-1-of-2", "30.0\t0:00:30\t500.0\t1\t1\t1\t-\t1\t9\t24.0"),
        ("score/cnn-00000000/seed3/la.eval-2-of-2", "6.0\t0:00:06\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA"),
        ("explain_shard/cnn-00000000/seed3/x-1", "60.0\t0:01:00\t600.0\t1\t1\t1\t-\t1\t9\t60.0"),
        ("explain/cnn-00000000/seed3/x", "6.0\t0:00:06\t100.0\t1\t1\t1\t-\t1\t9\t6.0"),
        ("score/old-22222222/seed3/la.eval-1-of-1", "9.0\t0:00:09\t500.0\t1\t1\t1\t-\t1\t9\t9.0"),
        (
            "extract_features/lfcc-33333333/la.train-1-of-1",
            "36.0\t0:00:36\t1e3\t1\t1\t1\t-\t1\t9\t72.0",
        ),
    ):
        path = results / f"benchmarks/{job}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEADER}{numbers}\n")
    systems = [{"name": "cnn", "id": "cnn-00000000", "seed": 3}]
    table = study_costs(results, systems, ["lfcc-33333333"])
    rows = {row.pop("stage"): row for row in table.to_dicts()}
    assert {stage: row["jobs"] for stage, row in rows.items()} == {
        **{"train": 1, "score": 2, "explain": 2, "extract_features": 1}
    }
    assert rows["score"]["hours"] == pytest.approx(0.01)
    assert rows["score"]["cpu_hours"] == pytest.approx(24 / 3600)
    assert rows["score"]["memory_gb"] == pytest.approx(500 * 2**20 / 1e9)
    assert rows["extract_features"]["name"] == "lfcc"
    section = cost_section(table)
    assert section["stages"] == ["extract features", "train", "score", "explain"]
    assert section["unit"] == "h"
    assert [cell and cell["time"] for cell in section["rows"][1]["cells"]] == pytest.approx(
        [None, 2.0, 0.01, 66 / 3600]
    )
    outputs = {f"costs_{suffix}": str(results / f"c.{suffix}") for suffix in ("tsv", "csv", "tex")}
    write_costs(table, outputs, {"systems": {"cnn": "A & B"}})
    assert "A \\& B & 3 & score & 2 & 0.01 &" in (results / "c.tex").read_text()
    # What was made before anything was measured, or elsewhere.
    nothing = study_costs(results, [], [])
    assert cost_section(nothing) is None
    write_costs(nothing, outputs, {})
    assert (results / "c.tsv").read_text().startswith("name\trun\tseed\tstage")
