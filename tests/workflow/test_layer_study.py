"""The layer study of a small study: depth curves, learned mixes, probes, costs."""

from typing import Any

import polars as pl
import pytest
from checkout import TINY_STUDY, Checkout, clone

from spoofscope.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FRONT_END = {"type": "ssl", "backbone": "tiny", "cache": "none"}
TRAIN = {
    "data": [{"corpus": "talkers"}],
    "recipe": {"epochs": 1, "lr": 1.0e-2, "batch_size": 8},
}
DETECTOR = {"backend": {"type": "ffn"}, "input": {"length": 16000}, "seeds": [1, 2], "train": TRAIN}
STUDY: dict[str, Any] = {
    **TINY_STUDY,
    "study": "depth",
    "scatter_shards": {},
    "backbones": {"tiny": {"family": "wavlm", "tiny": {"hidden_size": 16, "layers": 3}}},
    # All layers of the first, which the study file does not count.
    "frontends": {"whole": FRONT_END, "lower": {**FRONT_END, "n_layers": 1}},
    "detectors": {
        "wavlm_whole_ffn": {"frontend": "whole", **DETECTOR},
        "wavlm_lower_ffn": {"frontend": "lower", **DETECTOR},
    },
    "score": [{"corpus": "talkers", "splits": ["eval"]}],
    "layers": {
        "probes": {
            "states": {
                "frontend": "whole",
                "input": {"length": 16000},
                "data": [{"corpus": "talkers"}],
                "regularisation": [0.01, 1.0],
            }
        },
        "costs": {"repeats": 3},
    },
}
FIGURES = ["weights", "weight_map", "depth", "probes", "probe_map", "pareto"]
TARGETS = ["layers", *(f"figure_layer_{name}" for name in FIGURES)]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Checkout:
    made = clone(tmp_path_factory.mktemp("layers") / "checkout")
    made.make(*TARGETS, "--configfile", made.write_study(STUDY))
    return made


def table(study: Checkout, name: str) -> pl.DataFrame:
    path = study.folder / "results/depth" / name
    return pl.read_csv(path, separator="\t", infer_schema_length=None)


def test_detectors_that_differ_in_depth_are_a_curve(study):
    depth = table(study, "figures/layer_depth.tsv")
    assert set(depth["curve"]) == {"wavlm_ffn"}
    assert depth.select("detector", "n_layers", "seed").rows() == [
        ("wavlm_lower_ffn", 1, 1),
        ("wavlm_lower_ffn", 1, 2),
        ("wavlm_whole_ffn", 3, 1),
        ("wavlm_whole_ffn", 3, 2),
    ]
    for row in depth.iter_rows(named=True):
        measured = table(study, f"metrics/{row['run']}/seed{row['seed']}/talkers.eval.tsv")
        is_eer = (pl.col("condition") == "pooled") & (pl.col("metric") == "eer")
        expected = measured.row(by_predicate=is_eer, named=True)
        for name, source in (("eer", "value"), ("ci_low", "ci_low"), ("ci_high", "ci_high")):
            assert row[name] == expected[source]
        assert row["n_seeds"] == 2
    # Deleted layers are no part of the detector.
    layers = {
        read_json(path)["frontend"]["n_layers"]
        for path in study.folder.glob("results/depth/detectors/*/seed1/detector.json")
    }
    assert layers == {None, 1}


def test_mixes_are_compared_over_seeds(study):
    weights = table(study, "figures/layer_weights.tsv")
    assert weights.group_by("run", "seed").agg(pl.col("weight").sum())["weight"].to_list() == (
        pytest.approx([1.0] * 4)
    )
    over_seeds = table(study, "figures/layer_weight_map.tsv")
    assert set(over_seeds["n_seeds"]) == {2}
    assert set(over_seeds["trained_on"]) == {"talkers"}
    for row in over_seeds.iter_rows(named=True):
        own = weights.filter((pl.col("run") == row["run"]) & (pl.col("layer") == row["layer"]))
        for name in ("raw", "weight", "corrected"):
            assert row[name] == pytest.approx(own[name].mean())
            assert row[f"{name}_sd"] == pytest.approx(own[name].std())


def test_every_layer_is_probed(study):
    probes = table(study, "layers/probes/states.tsv")
    pooled = probes.filter(pl.col("condition") == "pooled")
    assert pooled.select("probe", "layer", "corpus", "split").rows() == [
        ("states", layer, "talkers", "eval") for layer in range(4)
    ]
    assert pooled["ci_low"].null_count() == 0
    assert set(probes["c"]) <= {0.01, 1.0}
    manifest = table(study, "manifests/talkers.tsv")
    attacks = set(manifest.filter(pl.col("split") == "eval")["attack"]) - {"-"}
    assert set(probes.filter(pl.col("condition") == "attack")["level"]) == attacks
    assert set(table(study, "figures/layer_probe_map.tsv")["level"]) == {"-", *attacks}


def test_costs_are_measured_where_they_do_not_matter_to_bytes(study):
    costs = table(study, "benchmarks/layer_costs.tsv")
    assert costs.select("detector", "n_layers").rows() == [
        ("wavlm_whole_ffn", 3),
        ("wavlm_lower_ffn", 1),
    ]
    assert costs["parameters"][0] > costs["parameters"][1]
    assert (costs["latency_ms"] > 0).all()
    pareto = table(study, "figures/layer_pareto.tsv")
    depth = table(study, "figures/layer_depth.tsv")
    for row in pareto.iter_rows(named=True):
        assert row["eer"] == pytest.approx(depth.filter(pl.col("run") == row["run"])["eer"].mean())
    # The smaller one costs less, so nothing dominates it.
    lower = pareto.filter(pl.col("detector") == "wavlm_lower_ffn")
    assert lower["parameters_front"].to_list() == [True]


def test_what_a_change_makes_again(study):
    """Probes are no part of trainings, nor of each other's pooled layers."""
    assert study.plan(*TARGETS, "--configfile", "study.yaml") == []
    probe = {**STUDY["layers"]["probes"]["states"], "regularisation": [0.1]}
    changed = {**STUDY, "layers": {**STUDY["layers"], "probes": {"states": probe}}}
    name = study.write_study(changed, "changed.yaml")
    rules = [job.rule for job in study.plan(*TARGETS, "--configfile", name)]
    assert sorted(rules) == ["figure_layer_probe_map", "figure_layer_probes", "probe_layers"]
    probe = {**probe, "input": {"length": 8000}}
    changed = {**STUDY, "layers": {**STUDY["layers"], "probes": {"states": probe}}}
    name = study.write_study(changed, "changed.yaml")
    rules = [job.rule for job in study.plan(*TARGETS, "--configfile", name)]
    assert rules.count("pool_layers") == 3
    assert "train" not in rules
