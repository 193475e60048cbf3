"""`spoofscope.results`: a finished study in pandas, and the notebook that works with it."""

import io
import json
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from checkout import ROOT, Checkout

from spoofscope import results
from spoofscope.errors import ProvenanceError, TableError
from spoofscope.tables import write_table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

NOTEBOOK = ROOT / "docs" / "results.ipynb"


def folder_of(study: Checkout) -> Path:
    (folder,) = (study.folder / "results").iterdir()
    return folder


@pytest.fixture(params=["tiny", "mini"])
def study(request) -> results.Results:
    return results.open(folder_of(request.getfixturevalue(request.param)))


def test_every_table_is_read_with_its_types_and_written_alike(study, tmp_path):
    """The bytes are the same again: no type is lost, no number rounded, no name mistaken."""
    paths = sorted(path.relative_to(study.folder) for path in study.folder.rglob("*.tsv"))
    paths = [path for path in paths if path.parts[0] != "work"]
    assert len(paths) > 20
    recorded = 0
    for path in paths:
        frame = study.read(path)
        pd.testing.assert_frame_equal(
            frame, pd.read_csv(study.folder / path, **study.csv_options(path))
        )
        if path.parts[0] == "benchmarks":
            # Snakemake writes them, in its own way.
            continue
        record = study.job_of(path)
        recorded += any("columns" in entry for entry in record["outputs"])
        columns = {name: [None if pd.isna(v) else v for v in frame[name]] for name in frame}
        write_table(tmp_path / "again.tsv", pl.DataFrame(columns, infer_schema_length=None))
        assert (tmp_path / "again.tsv").read_bytes() == (study.folder / path).read_bytes(), path
    assert recorded > len(paths) / 3


def test_every_table_has_a_form_for_papers_and_spreadsheets(study):
    """In LaTeX every row has the cells of the header; CSV has the rows and columns of the table."""
    page = (study.folder / "report/index.html").read_text(encoding="utf-8")
    for name in study.tables:
        table = study.table(name)
        rounded = pd.read_csv(study.folder / f"tables/{name}.csv", dtype=str)
        assert list(rounded) == list(table)
        assert len(rounded) == len(table)
        tex = (study.folder / f"tables/{name}.tex").read_text(encoding="utf-8")
        # A wide table is in parts: some of the columns each, and all of the rows.
        for body in re.findall(r"\\toprule\n(.*?)\\end\{(?:tabular|longtable)\}", tex, re.DOTALL):
            lines = [line for line in body.splitlines() if line.endswith("\\\\")]
            cells = [re.split(r"(?<!\\)&", line) for line in lines]
            assert len(cells) == len(table) + 1, name
            assert len({len(row) for row in cells}) == 1, name
        assert "\\toprule\n" in tex, name
        for suffix in ("tsv", "csv", "tex"):
            assert f'href="../tables/{name}.{suffix}"' in page


def test_scores_come_with_their_trials(study):
    scores = study.scores()
    assert {"system", "name", "seed", "corpus", "split", "utt_id", "score", "label", "attack"} <= {
        *scores
    }
    assert scores["label"].isin(["bonafide", "spoof"]).all()
    for (system, seed, corpus, split), rows in scores.groupby(
        ["system", "seed", "corpus", "split"]
    ):
        path = study.folder / f"scores/{system}/seed{seed}/{corpus}.{split}.tsv"
        lines = path.read_text().splitlines()[1:]
        written = [f"{u}\t{s!r}" for u, s in zip(rows["utt_id"], rows["score"], strict=True)]
        assert written == lines
    one = scores.iloc[0]
    alone = study.scores(name=one["name"], corpus=one["corpus"], split=one["split"])
    assert set(alone["name"]) == {one["name"]}
    with pytest.raises(TableError, match="nothing of nobody"):
        study.scores(name="nobody")


def test_metrics_are_those_of_the_headline(study):
    metrics = study.metrics(split="eval")
    pooled = metrics[(metrics["condition"] == "pooled") & (metrics["metric"] == "eer")]
    means = pooled.groupby("name")["value"].mean()
    headline = study.table("headline")
    rows = headline[headline["split"] == "eval"].set_index("name")
    assert rows["eer"].to_dict() == pytest.approx(means.to_dict())
    with pytest.raises(TableError, match="did you mean 'headline'"):
        study.table("headlin")


def test_jobs_and_the_job_behind_a_file(study):
    jobs = study.jobs()
    assert {"train", "score", "report"} <= set(jobs["rule"])
    assert (jobs["seconds"] >= 0).all()
    assert jobs["output"].is_unique
    record = study.job_of("figures/det_curves.pdf")
    assert record["rule"] == "figure_det_curves"
    with pytest.raises(ProvenanceError, match="names figures/none"):
        study.job_of("figures/none.pdf")
    assert study.study["study"] == study.name
    curves = study.histories()
    trained = list(study.folder.glob("detectors/*/seed*/history.tsv"))
    traced = list(study.folder.glob("tracers/*/seed*/network/history.tsv"))
    assert len(curves.groupby(["system", "seed"])) == len(trained) + len(traced) > 0


def test_traces_come_with_their_clips_and_attacks(mini):
    study = results.open(folder_of(mini))
    assert "names" in set(study.histories()["name"])
    traces = study.traces(corpus="mini", split="eval")
    assert {"known", "quadrant", "answer", "gender", "speaker", "label"} <= set(traces)
    assert list(traces).count("attack") == 1
    attacks = study.systems("mini").set_index("attack")
    # What the corpus has in train, and the tracer was not trained on.
    spoofs = traces[traces["label"] == "spoof"]
    differ = spoofs["known"] != spoofs["attack"].map(attacks["known"])
    assert set(spoofs["attack"][differ]) == {"buzz", "splice"}


def test_explanations_have_their_arrays(mini):
    study = results.open(folder_of(mini))
    clips = study.explanations()
    assert set(clips["name"]) == {"fbank_cnn", "wavlm_mhfa", "hubert_linear"}
    one = clips.iloc[0]
    found = study.explanation(one["utt_id"], one["name"])
    assert found.map.ndim == 2
    assert found.map.shape[1] == len(found.times) == len(found.coverage)
    # Completeness, as the class says.
    sign = -1 if one["target"] == "spoof" else 1
    total = found.map.sum(dtype=np.float64) + found.outside
    assert total == pytest.approx(
        sign * (found.score - found.baseline_score) + found.delta, abs=1e-3
    )
    with pytest.raises(TableError, match="no explanation of 'none'"):
        study.explanation("none", "fbank_cnn")


def test_the_notebook_runs_and_redraws_a_figure(mini, monkeypatch):
    """Its cells in their order, in one namespace and in its folder, as a kernel runs them."""
    monkeypatch.chdir(mini.folder / "docs")
    mpl.use("Agg")
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    names: dict = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)
    picture = io.BytesIO()
    names["figure"].savefig(picture)
    assert picture.tell() > 10_000
    drawn = {
        line.get_label(): line.get_xydata()[:, 0].tolist()
        for line in names["axes"].get_lines()
        if not line.get_label().startswith("_")
    }
    shown = names["shown"]
    assert len(drawn) == shown["name"].nunique() > 1
    for name, rows in shown.groupby("name"):
        assert drawn[name] == (100 * rows["eer"]).tolist()
