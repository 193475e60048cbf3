"""From what a tracer's network gives to answers: thresholds, families, unknown attacks."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import safetensors.numpy

from spoofscope.errors import DetectorError, TableError, TrainingError
from spoofscope.ood.base import Outputs
from spoofscope.ood.thresholds import PolarityError
from spoofscope.tracing.fitted import FittedTracer, fit_temperature
from spoofscope.tracing.outputs import read_outputs, write_outputs
from spoofscope.tracing.traces import fit_from, in_order, measures, read_traces, traces

CLASSES = ("A", "B", "C")
OOD = {"energy": {"type": "energy"}, "msp": {"type": "msp"}, "knn": {"type": "knn", "k": 3}}
SETTINGS = {
    "ood": OOD,
    "decide_by": "energy",
    "threshold": "eer",
    "accept_known": 0.95,
    "where": "manifest.tsv",
    "name": "t",
}


def clips(attacks: str, split: str, seed: int) -> tuple[pl.DataFrame, Outputs]:
    """Clips of attacks whose logits say which they are; those of X say nothing."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(attacks), 3)).astype(np.float32)
    for row, attack in zip(logits, attacks, strict=True):
        if attack in CLASSES:
            row[CLASSES.index(attack)] += 9
    vectors = np.concatenate([logits, rng.normal(size=(len(attacks), 1))], axis=1)
    names = [f"{split}{i}" for i in range(len(attacks))]
    rows = pl.DataFrame(
        {
            "utt_id": names,
            "path": [f"{name}.wav" for name in names],
            "split": split,
            "label": ["bonafide" if attack == "-" else "spoof" for attack in attacks],
            "attack": list(attacks),
            "language": ["de" if i % 2 else "en" for i in range(len(attacks))],
        }
    )
    return rows, Outputs(vectors.astype(np.float32), logits)


@pytest.fixture
def tracer() -> FittedTracer:
    train, dev = clips("ABC" * 10, "train", 1), clips("ABCXX" * 6, "dev", 2)
    return fit_from(CLASSES, train, dev, {"A": "vits", "B": "vits", "C": "xtts"}, **SETTINGS)


def test_known_attacks_are_named_and_unknown_ones_are_not(tracer):
    rows, outputs = clips("ABCXX-" * 4, "eval", 3)
    table = traces(tracer, rows, "eval", outputs, [("A", "vits", "-", "-")])
    assert table["attack"].to_list() == list("ABCXX" * 4)
    known = table.filter(pl.col("known") == "yes")
    assert known["answer"].to_list() == known["attack"].to_list()
    assert set(table.filter(pl.col("known") == "no")["answer"]) == {"unknown"}
    assert known["family"].to_list() == ["vits", "-", "-"] * 4
    # Probabilities of a family are the sums over its attacks.
    of_a = known.filter(pl.col("attack") == "A")
    assert set(of_a["predicted_family"]) == {"vits"}
    assert (of_a["p_family"] >= of_a["p_max"]).all()


def test_measures_of_traces_are_perfect_where_nothing_is_mistaken(tracer, tmp_path: Path):
    rows, outputs = clips("ABCXY" * 6, "eval", 4)
    table = traces(tracer, rows, "eval", outputs, [])
    table.write_csv(tmp_path / "t.tsv", separator="\t")
    again = read_traces(tmp_path / "t.tsv")
    metrics = measures(
        again,
        tracer.thresholds,
        ambiguous=["Y", "not there"],
        unit="attack",
        resamples=0,
        seed=1,
    )
    overall = metrics.filter(
        (pl.col("slice") == "overall") & pl.col("detector").is_in(["-", "energy"])
    )
    values = dict(overall.select("metric", "estimate").iter_rows())
    assert values["accuracy"] == values["auroc"] == values["oscr"] == 1
    assert values["eer"] == values["fpr95"] == 0
    assert "without" in metrics["slice"]


def test_a_tracer_is_the_same_after_saving(tracer, tmp_path: Path):
    tracer.write_into(tmp_path, "0" * 64)
    again = FittedTracer.load(tmp_path)
    _, outputs = clips("ABCXX", "eval", 5)
    assert again.answers(outputs).equals(tracer.answers(outputs))
    assert again.reference.paths == tracer.reference.paths
    np.testing.assert_array_equal(again.nearest(outputs, 2), tracer.nearest(outputs, 2))
    (tmp_path / "reference.safetensors").write_bytes(b"other")
    with pytest.raises(DetectorError, match="altered or damaged"):
        FittedTracer.load(tmp_path)
    (tmp_path / "tracer.json").write_text("{}")
    with pytest.raises(DetectorError, match="describes no tracer"):
        FittedTracer.load(tmp_path)
    (tmp_path / "tracer.json").unlink()
    with pytest.raises(DetectorError, match="it has no tracer"):
        FittedTracer.load(tmp_path)


def test_the_nearest_training_clips_are_those_of_the_largest_cosine(tracer):
    _, outputs = clips("A", "eval", 6)
    vectors = tracer.reference.outputs.vectors.astype(float)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(outputs.vectors[0])
    cosines = vectors @ outputs.vectors[0] / lengths
    places, alike = tracer.nearest(outputs, 3)
    assert places[0].tolist() == np.argsort(-cosines)[:3].tolist()
    np.testing.assert_allclose(alike[0], np.sort(cosines)[:-4:-1], rtol=1e-5)


def test_temperature_is_the_one_that_logits_were_divided_by():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20000, 4)) * 2
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    classes = np.array([rng.choice(4, p=p) for p in shares])
    assert fit_temperature((3 * logits).astype(np.float32), classes) == pytest.approx(3, rel=0.05)


def test_probabilities_are_no_surer_than_dev_allows(tracer):
    _, outputs = clips("A", "eval", 9)
    certain = Outputs(outputs.vectors, np.array([[500, 0, 0]], dtype=np.float32))
    shares = tracer.probabilities(certain)[0]
    n = tracer.meta["n_dev_known"]
    assert shares == pytest.approx([(n + 1 / 3) / (n + 1), *[1 / 3 / (n + 1)] * 2])
    assert shares.sum() == pytest.approx(1)


def test_dev_without_unknown_attacks_needs_another_threshold():
    train, dev = clips("ABC" * 10, "train", 1), clips("ABC" * 40, "dev", 2)
    with pytest.raises(DetectorError, match=r"no clips of unknown.*threshold_by: known"):
        fit_from(CLASSES, train, dev, {}, **SETTINGS)
    tracer = fit_from(CLASSES, train, dev, {}, **{**SETTINGS, "threshold": "known"})
    called = tracer.answers(dev[1])["answer"].to_list()
    assert called.count("unknown") / len(called) == pytest.approx(0.05, abs=0.01)


def test_dev_without_known_attacks_is_refused():
    train, dev = clips("ABC" * 10, "train", 1), clips("XXX", "dev", 2)
    with pytest.raises(TrainingError, match="no clip is of a known attack"):
        fit_from(CLASSES, train, dev, {}, **SETTINGS)


def test_a_detector_of_the_wrong_polarity_is_refused_and_inverted_where_asked():
    train, dev = clips("ABC" * 10, "train", 1), clips("ABCXX" * 6, "dev", 2)
    # Unknown clips with larger logits than any known one.
    loud = dev[1].logits.copy()
    loud[(dev[0]["attack"] == "X").to_numpy()] *= 40
    dev = dev[0], Outputs(dev[1].vectors, loud)
    with pytest.raises(PolarityError, match=r"tracer t: the polarities of energy .* are inverted"):
        fit_from(CLASSES, train, dev, {}, **SETTINGS)
    # As published or without it, the tracer is fitted.
    others = {"knn": OOD["knn"]}
    kept = fit_from(CLASSES, train, dev, {}, **{**SETTINGS, "ood": others, "decide_by": "knn"})
    assert list(kept.thresholds) == ["knn"]
    inverted = {"energy": {"type": "energy", "as_published": True}}
    tracer = fit_from(CLASSES, train, dev, {}, **{**SETTINGS, "ood": inverted})
    assert tracer.meta["dev_auroc"]["energy"] > 0.5


def test_training_clips_are_those_of_the_network():
    train, dev = clips("AB" * 10, "train", 1), clips("ABX", "dev", 2)
    with pytest.raises(TrainingError, match="no clip of C"):
        fit_from(CLASSES, train, dev, {}, **SETTINGS)


def test_outputs_are_read_as_they_were_written(tmp_path: Path):
    rows, outputs = clips("ABC", "eval", 1)
    write_outputs(tmp_path / "o.safetensors", rows["utt_id"].to_list(), outputs)
    ids, again = read_outputs(tmp_path / "o.safetensors")
    assert ids == rows["utt_id"].to_list()
    np.testing.assert_array_equal(again.vectors, outputs.vectors)
    chosen = in_order(["eval2", "eval0"], [tmp_path / "o.safetensors"])
    np.testing.assert_array_equal(chosen.logits, outputs.logits[[2, 0]])
    with pytest.raises(TableError, match="'eval9'"):
        in_order(["eval9"], [tmp_path / "o.safetensors"])
    (tmp_path / "o.safetensors").write_bytes(b"x")
    with pytest.raises(TableError, match="damaged"):
        read_outputs(tmp_path / "o.safetensors")


def test_values_that_are_not_finite_are_refused():
    values = np.zeros((2, 3), dtype=np.float32)
    values[1, 0] = np.nan
    zeros = np.zeros((2, 3), dtype=np.float32)
    with pytest.raises(DetectorError, match="row 1"):
        Outputs(values, zeros)


@pytest.mark.parametrize("name", ["vectors", "logits"])
def test_a_file_with_values_that_are_not_finite_is_refused_by_clip(name, tmp_path: Path):
    path = tmp_path / "o.safetensors"
    write_outputs(path, ["a", "b"], Outputs(*np.zeros((2, 2, 3), dtype=np.float32)))
    arrays = safetensors.numpy.load_file(path)
    arrays[name][1, 2] = np.inf
    safetensors.numpy.save_file(arrays, path)
    expected = rf"o\.safetensors: the {name} of 1 of 2 clips are not finite, those of 'b' first"
    with pytest.raises(DetectorError, match=expected):
        read_outputs(path)


def test_bona_fide_speech_is_nothing_for_a_tracer_of_spoofs(tracer):
    rows, outputs = clips("---", "eval", 1)
    with pytest.raises(TableError, match="all clips are bona fide"):
        traces(tracer, rows, "eval", outputs, [])


def test_quadrants_are_about_the_training_and_not_the_traced_corpus(tracer):
    """A corpus of eval clips alone, such as a copy through a codec, is no less seen."""
    rows, outputs = clips("ABX", "eval", 4)
    rows = rows.with_columns(language=pl.Series(["en", "fr", "fr"]))
    assert traces(tracer, rows, "eval", outputs, [])["quadrant"].to_list() == [
        "language_seen_attack_seen",
        "language_unseen_attack_seen",
        "language_unseen_attack_unseen",
    ]
    train, dev = clips("ABC" * 10, "train", 1), clips("ABCXX" * 6, "dev", 2)
    silent = train[0].with_columns(language=pl.lit("-")), train[1]
    unlabelled = fit_from(CLASSES, silent, dev, {}, **SETTINGS)
    assert traces(unlabelled, rows, "eval", outputs, [])["quadrant"].to_list() == ["-"] * 3


def test_texts_of_traces_are_what_the_manifest_calls_so(tracer):
    """Intervals draw whole texts, and versions of one recording are no independent clips."""
    rows, outputs = clips("ABX", "eval", 4)
    rows = rows.drop("source_text", strict=False).with_columns(base_utt=pl.Series(list("rrs")))
    assert traces(tracer, rows, "eval", outputs, [])["source_text"].to_list() == ["r", "r", "s"]
