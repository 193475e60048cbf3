"""`spoofscope compare` as a user meets it."""

import json

import numpy as np
import polars as pl
import pytest

from spoofscope.cli import main
from spoofscope.metrics.paired import compare
from spoofscope.tables import read_scores, write_table


@pytest.fixture
def files(tmp_path):
    """Trials of 20 speakers, and the scores of a good, a bad and a mediocre detector."""
    rng = np.random.default_rng(1)
    rows = [
        (f"u{i:03}", ("bonafide", "spoof")[i % 2], f"s{i // 2 % 20}", ("dev", "eval")[i % 3 > 0])
        for i in range(240)
    ]
    trials = pl.DataFrame(rows, schema=["utt_id", "label", "speaker", "split"], orient="row")
    write_table(tmp_path / "trials.tsv", trials)
    paths = []
    for name, distance in (("good", 4.0), ("bad", 0.2), ("fair", 1.0)):
        means = np.where(trials["label"] == "bonafide", distance, 0.0)
        scores = trials.select("utt_id").with_columns(score=pl.Series(rng.normal(means)))
        folder = tmp_path / name / "seed1"
        folder.mkdir(parents=True)
        write_table(folder / "scores.tsv", scores)
        paths.append(str(folder / "scores.tsv"))
    return str(tmp_path / "trials.tsv"), paths


def run(capsys, *arguments):
    code = main(("compare", *arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_numbers_are_those_of_a_study(files, capsys):
    trials, paths = files
    code, out, err = run(capsys, *paths, "--trials", trials, "--bootstrap", "300", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    names = [path.split("/")[-3] for path in paths]
    systems = {name: read_scores(path) for name, path in zip(names, paths, strict=True)}
    expected = compare(systems, pl.read_csv(trials, separator="\t"), 300, 1)
    assert found == expected.to_dicts()
    assert found[0]["n_clusters"] == 20
    assert found[0]["p_holm"] < 0.05


def test_the_table_names_what_differs_in_the_paths(files, capsys):
    trials, paths = files
    code, out, _ = run(capsys, *paths[:2], "--trials", trials, "--bootstrap", "100")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["EER", "good", "bad"],
        ["minDCF", "good", "bad"],
    ]
    assert " -0." in lines[1]


def test_what_cannot_be_significant_is_said(tmp_path, files, capsys):
    trials, paths = files
    few = pl.read_csv(trials, separator="\t").head(8)
    write_table(tmp_path / "few.tsv", few)
    shorter = []
    for path in paths[:2]:
        scores = read_scores(path).filter(pl.col("utt_id").is_in(few["utt_id"].implode()))
        shorter.append(str(tmp_path / f"{path.split('/')[-3]}.tsv"))
        write_table(shorter[-1], scores)
    code, out, _ = run(capsys, *shorter, "--trials", str(tmp_path / "few.tsv"))
    assert code == 0
    assert "no difference can be significant: 1 pair, 4 speakers" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{good}", "--trials", "{trials}"), "a comparison needs two score files or more"),
        (("{good}", "{good}", "--trials", "{trials}"), "is named twice"),
        (
            ("{good}", "{bad}", "--trials", "{trials}", "--split", "eval"),
            "80 ids that are no trials",
        ),
        (("{good}", "{bad}", "--trials", "{trials}", "--split", "test"), "no trials of the split"),
        (("{good}", "{bad}", "--trials", "{trials}", "--bootstrap", "0"), "--bootstrap"),
        (("{good}", "{bad}", "--trials", "nowhere.tsv"), "nowhere.tsv"),
    ],
)
def test_bad_input_is_refused_in_a_line(files, capsys, arguments, message):
    trials, (good, bad, _) = files
    given = [part.format(good=good, bad=bad, trials=trials) for part in arguments]
    code, out, err = run(capsys, *given)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
