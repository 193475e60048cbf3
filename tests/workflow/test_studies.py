"""Studies with detectors of others: pretrained ones, imported scores, and a fusion of all."""

import copy
import csv
import statistics
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import TINY_STUDY, Checkout

from spoofscope.selection.operating_points import eer
from spoofscope.tables import LABELS

pytestmark = pytest.mark.slow


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def scores_of(path: Path) -> dict[str, float]:
    return {row["utt_id"]: float(row["score"]) for row in rows_of(path)}


def write_scores_of_others(folder: Path, made: Path) -> None:
    """The scores of a study's detector as somebody might publish them: file names, high = spoof."""
    folder.mkdir()
    for split in ("dev", "eval"):
        scores = scores_of(made / f"talkers.{split}.tsv")
        lines = [f"flac/{utt_id}.flac\t{-score!r}\n" for utt_id, score in sorted(scores.items())]
        (folder / f"{split}.txt").write_text("filename\tcm-score\n" + "".join(lines))


def mixed_study(folder: str) -> dict[str, Any]:
    """The tiny study with one detector trained, its twin pretrained, and scores imported."""
    study = copy.deepcopy(TINY_STUDY)
    own = study["detectors"].pop("lfcc_linear")
    own["train"]["recipe"]["epochs"] = 1
    theirs = {"format": "asvspoof5", "higher": "spoof", "corpus": "talkers"}
    study["study"] = "mixed"
    study["detectors"] = {
        "lfcc_{epochs}": {
            **own,
            "grid": {"epochs": [1]},
            "train": {**own["train"], "recipe": {**own["train"]["recipe"], "epochs": "{epochs}"}},
        },
        "theirs": {"folder": folder, "reference": [{"corpus": "talkers"}]},
        "published": {
            "scores": [
                {**theirs, "split": split, "path": f"published/{split}.txt"}
                for split in ("dev", "eval")
            ]
        },
        "narrow": {"folder": folder, "score": [{"corpus": "talkers", "splits": ["dev"]}]},
    }
    study["fusion"] = {
        "all": {
            "detectors": ["lfcc_*", "theirs", "published"],
            "method": "mean",
            "fit": {"corpus": "talkers", "split": "dev"},
        },
    }
    study["figures"] = {"systems": ["theirs", "narrow", "all"]}
    trials = {"corpus": "talkers", "split": "eval"}
    study["artefacts"] = {"trials": [trials], "permutations": 100}
    chosen_on = {"corpus": "talkers", "split": "dev"}
    study["disagreements"] = [
        {
            "name": "others",
            "right": "published",
            "wrong": "lfcc_1",
            **trials,
            "threshold": chosen_on,
        }
    ]
    study["attribution"] = {
        **{"detectors": ["theirs"], **trials},
        **{"per_attack": 1, "steps": 4, "max_steps": 4, "tolerance": 10.0},
    }
    return study


@pytest.fixture(scope="module")
def mixed(tiny, tmp_path_factory) -> Checkout:
    """The tiny study, and a second one in the same checkout that takes its detector over."""
    made = tiny.copy(tmp_path_factory.mktemp("mixed") / "checkout")
    (folder,) = made.folder.glob("results/tiny/detectors/*/seed1")
    (scores,) = made.folder.glob("results/tiny/scores/*/seed1")
    write_scores_of_others(made.folder / "published", scores)
    study = mixed_study(str(folder.relative_to(made.folder)))
    made.make("--configfile", made.write_study(study, "mixed.yaml"))
    return made


@pytest.fixture
def mixed_copy(mixed, tmp_path) -> Checkout:
    return mixed.copy(tmp_path / "checkout")


def results(mixed: Checkout, pattern: str) -> Path:
    (found,) = mixed.folder.glob(f"results/mixed/{pattern}")
    return found


def test_detectors_of_others_are_scored_like_any_other(mixed):
    (tiny,) = mixed.folder.glob("results/tiny/scores/*/seed1/talkers.eval.tsv")
    expected = scores_of(tiny)
    assert scores_of(results(mixed, "scores/theirs-*/seed0/talkers.eval.tsv")) == expected
    assert scores_of(results(mixed, "scores/published-*/seed0/talkers.eval.tsv")) == expected
    assert len(set(expected.values())) > 1
    fused = scores_of(results(mixed, "scores/all-*/seed0/talkers.eval.tsv"))
    own = scores_of(results(mixed, "scores/lfcc_1-*/seed1/talkers.eval.tsv"))
    mean = [own[utt_id] + 2 * expected[utt_id] for utt_id in fused]
    assert statistics.correlation(mean, list(fused.values())) == pytest.approx(1)
    # A detector with test sets of its own is scored there alone.
    assert results(mixed, "scores/narrow-*/seed0/talkers.dev.tsv")
    assert not list(mixed.folder.glob("results/mixed/scores/narrow-*/seed0/talkers.eval.tsv"))
    # What is explained, and held against measures, is the pretrained one.
    assert results(mixed, "attributions/theirs-*/seed0/talkers.safetensors")
    assert results(mixed, "artefacts/published-*/seed0/talkers.eval.correlations.tsv")


def test_thresholds_of_others_are_chosen_on_trials_that_the_study_names(mixed):
    counts = {
        row["label"]: row for row in rows_of(results(mixed, "disagreements/others.counts.tsv"))
    }
    trials = rows_of(results(mixed, "manifests/talkers.tsv"))
    dev = [row for row in trials if row["split"] == "dev"]
    scores = scores_of(results(mixed, "scores/published-*/seed0/talkers.dev.tsv"))
    given = ([scores[r["utt_id"]] for r in dev if r["label"] == label] for label in LABELS)
    assert float(counts["all"]["threshold_right"]) == eer(*given).threshold


def test_tables_and_report_say_where_detectors_come_from(mixed):
    runs = {row["detector"]: row for row in rows_of(results(mixed, "tables/runs.tsv"))}
    assert list(runs) == ["lfcc_1", "theirs", "published", "narrow"]
    assert runs["lfcc_1"]["source"] == "trained"
    assert runs["theirs"]["source"].startswith(
        "pretrained, from results/tiny/detectors/lfcc_linear-"
    )
    assert runs["published"]["source"] == "scores of published/dev.txt, published/eval.txt"
    assert [runs[name]["frontend"] for name in runs] == ["lfcc", "lfcc", "-", "lfcc"]
    headline = rows_of(results(mixed, "tables/headline.tsv"))
    cells = {(row["name"], row["split"]): row for row in headline}
    assert cells["theirs", "eval"]["trained_on"] == "talkers"
    assert cells["published", "eval"]["trained_on"] == "elsewhere"
    for metric in ("eer", "min_dcf", "auc", "cllr"):
        assert cells["theirs", "eval"][metric] == cells["published", "eval"][metric]
    # Nothing says how scores of others are to be read as likelihood ratios.
    assert cells["theirs", "eval"]["cllr_calibrated"]
    assert not cells["published", "eval"]["cllr_calibrated"]
    assert ("narrow", "dev") in cells
    assert ("narrow", "eval") not in cells
    page = results(mixed, "report/index.html").read_text()
    assert "pretrained, from results/tiny/detectors/lfcc_linear-" in page
    assert "scores of published/dev.txt, published/eval.txt" in page


def test_figures_show_the_systems_that_are_named_where_they_are_scored(mixed):
    for name in ("det_curves", "score_histograms", "eer_by_condition", "train_test_matrix"):
        rows = rows_of(results(mixed, f"figures/{name}.tsv"))
        assert {row["system"].rpartition("-")[0] for row in rows} == {"theirs", "all"}, name
    rows = rows_of(results(mixed, "figures/artefact_correlations.tsv"))
    assert {row["run"].rpartition("-")[0] for row in rows} == {"theirs"}
    assert "<code>figures.systems</code>" in results(mixed, "report/index.html").read_text()


def test_the_study_is_whole_and_stands_in_the_crate_as_it_was_written(mixed):
    assert mixed.plan("--configfile", "mixed.yaml") == []
    audit = mixed.spoofscope("audit", "--configfile", "mixed.yaml")
    assert audit.returncode == 0, audit.stdout + audit.stderr
    written = results(mixed, "provenance/study.yaml").read_text()
    assert yaml.safe_load(written) == yaml.safe_load((mixed.folder / "mixed.yaml").read_text())


def test_other_scores_make_what_follows_stale(mixed_copy):
    path = mixed_copy.folder / "published/eval.txt"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1].split("\t")[0] + "\t12.5\n", *lines[2:]]))
    stale = {job.rule for job in mixed_copy.plan("--configfile", "mixed.yaml")}
    assert {"import_scores", "apply_fusion", "compute_metrics", "report"} <= stale
    assert not {"copy_pretrained", "train", "score", "gather_scores"} & stale
    path.write_text("".join(lines[:-1]))
    (scores,) = (mixed_copy.folder / "results/mixed").glob("scores/published-*/seed0/*.eval.tsv")
    scores = str(scores.relative_to(mixed_copy.folder))
    refused = mixed_copy.refuse(scores, "--configfile", "mixed.yaml")
    missing = Path(lines[-1].split("\t")[0]).stem
    assert missing in refused


def test_a_damaged_or_missing_detector_is_refused(mixed_copy):
    (weights,) = mixed_copy.folder.glob("results/tiny/detectors/*/seed1/model.safetensors")
    elsewhere = mixed_copy.folder / "theirs"
    weights.parent.rename(elsewhere)
    assert "theirs.folder: results/tiny/detectors/" in mixed_copy.refuse(
        "-n", "--configfile", "mixed.yaml"
    )
    # Where a detector lies is no part of what it is.
    mixed_copy.write_study(mixed_study("theirs"), "mixed.yaml")
    (copying, _) = [
        job
        for job in mixed_copy.plan("--configfile", "mixed.yaml")
        if job.rule == "copy_pretrained"
    ]
    assert (mixed_copy.folder / copying.outputs[0]).exists()
    content = (elsewhere / "model.safetensors").read_bytes()
    (elsewhere / "model.safetensors").write_bytes(content[:-4] + b"\0\0\0\1")
    refused = mixed_copy.refuse(copying.outputs[0], "--configfile", "mixed.yaml")
    assert "theirs/model.safetensors is not the file that it was" in refused
