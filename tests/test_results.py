"""Types of columns in `spoofscope.results`; finished studies are read in tests/workflow."""

import pandas as pd
import polars as pl
import pytest

from spoofscope import results
from spoofscope.errors import ProvenanceError, TableError
from spoofscope.provenance.sidecars import write_sidecar
from spoofscope.tables import write_table, written_columns

FRAME = pl.DataFrame(
    {
        "speaker": ["0012", "7", "NA"],
        "remark": ["1.50", "", '"null'],
        "rate": [0.1, None, 1e-05],
        "clips": [3, None, 4],
        "known": [True, None, False],
        "lacking": [None, None, None],
    }
)


@pytest.fixture
def study(tmp_path) -> results.Results:
    folder = tmp_path / "results" / "small"
    (folder / "manifests").mkdir(parents=True)
    table = folder / "tables" / "some.tsv"
    table.parent.mkdir()
    write_table(table, FRAME)
    entry = {"path": "results/small/tables/some.tsv", "bytes": 1, "sha256": "0" * 64}
    record = {
        **{"rule": "table_some", "code": "", "device": "cpu", "started": "2026-01-01T00:00:00"},
        **{"wildcards": {}, "parameters": {}, "packages": {}, "inputs": [], "seconds": 1.0},
        "git": {"commit": None, "dirty": None},
        "outputs": [{**entry, "columns": written_columns(str(table))}],
    }
    write_sidecar(f"{table}.origin.json", record)
    return results.open(folder)


def check(frame: pd.DataFrame) -> None:
    assert frame["rate"].tolist()[::2] == [0.1, 1e-05]
    assert frame["rate"].isna().tolist() == [False, True, False]
    assert frame["clips"].dtype == "Int64"
    assert frame["clips"].isna().tolist() == [False, True, False]
    assert frame["known"].dtype == "boolean"
    assert frame["known"].tolist()[::2] == [True, False]
    assert frame["speaker"].tolist() == ["0012", "7", "NA"]
    assert frame["lacking"].isna().all()


def test_types_are_those_that_were_written(study):
    frame = study.table("some")
    check(frame)
    assert frame["remark"].tolist() == ["1.50", "", '"null']
    path = study.folder / "tables/some.tsv"
    pd.testing.assert_frame_equal(frame, pd.read_csv(path, **study.csv_options("tables/some.tsv")))
    # Which it does not read so by itself.
    assert pd.read_csv(path, sep="\t", quoting=3)["speaker"].isna().any()


def test_without_a_record_names_are_still_names(study):
    (study.folder / "tables/some.tsv.origin.json").unlink()
    check(results.open(study.folder).table("some"))
    write_table(study.folder / "tables/digits.tsv", pl.DataFrame({"utt_id": ["1", "2"]}))
    again = results.open(study.folder)
    assert again.columns("tables/digits.tsv") == {"utt_id": "string"}
    assert again.tables == ["digits", "some"]


def test_a_copy_elsewhere_knows_its_jobs(study, tmp_path):
    assert study.job_of("tables/some.tsv")["rule"] == "table_some"
    moved = results.open(study.folder.rename(tmp_path / "elsewhere"))
    assert moved.job_of("tables/some.tsv")["rule"] == "table_some"
    assert moved.jobs()["output"].tolist() == ["tables/some.tsv"]


def test_tracers_have_curves_and_answers_with_their_clips(study):
    """Columns that both tables have are those of the traces: bona fide speech has no attack."""
    root = study.folder
    of_tracer = "names-01234567/seed2"
    clips = {"utt_id": ["a", "b"], "split": ["eval"] * 2, "attack": ["-", "x"]}
    clips |= {"speaker": ["007", "8"]}
    write_table(root / "manifests/some.tsv", pl.DataFrame(clips))
    said = {"utt_id": ["b", "a"], "attack": ["x", "bonafide"], "known": ["no", "yes"]}
    said |= {"quadrant": ["-", "-"], "answer": ["unknown", "bonafide"], "ood_knn": [0.5, 0.25]}
    write_table(root / f"traces/{of_tracer}/some.eval.tsv", pl.DataFrame(said))
    attacks = pl.DataFrame({"attack": ["x"], "known": ["yes"], "global_id": [0]})
    write_table(root / "systems/some.tsv", attacks)
    write_table(root / "systems/some.audit.tsv", pl.DataFrame({"check": ["attacks"]}))
    history = pl.DataFrame({"epoch": [1], "dev_loss": [0.5]})
    write_table(root / f"tracers/{of_tracer}/network/history.tsv", history)
    write_table(root / "detectors/cnn-01234567/seed1/history.tsv", history)
    traces = study.traces("names", split="eval")
    assert traces.to_dict("records") == [
        {
            **{"system": "names-01234567", "name": "names", "seed": 2, "corpus": "some"},
            **{"split": "eval", "utt_id": "b", "attack": "x", "known": "no", "quadrant": "-"},
            **{"answer": "unknown", "ood_knn": 0.5, "speaker": "8"},
        },
        {
            **{"system": "names-01234567", "name": "names", "seed": 2, "corpus": "some"},
            **{"split": "eval", "utt_id": "a", "attack": "bonafide", "known": "yes"},
            **{"quadrant": "-", "answer": "bonafide", "ood_knn": 0.25, "speaker": "007"},
        },
    ]
    assert study.systems("some")["known"].tolist() == ["yes"]
    with pytest.raises(TableError, match="systems has no 'none'; valid are: some"):
        study.systems("none")
    curves = study.histories()
    assert curves[["name", "seed"]].to_numpy().tolist() == [["cnn", 1], ["names", 2]]


def test_what_is_not_there_is_refused(study, tmp_path):
    with pytest.raises(ProvenanceError, match="no folder `manifests`"):
        results.open(tmp_path)
    with pytest.raises(TableError, match="valid are: some"):
        study.table("sum")
    with pytest.raises(TableError, match="scores has nothing of any system"):
        study.scores()
    with pytest.raises(ProvenanceError, match="writes it last"):
        _ = study.study
    assert study.explanations().empty
    assert study.histories().empty
