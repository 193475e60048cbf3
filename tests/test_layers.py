"""The layer study: learned mixes, pooled layers, linear probes, depth curves, costs."""

import math
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import safetensors.numpy
import torch
from scipy.stats import entropy as scipy_entropy
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from noise_and_tones import write_corpus
from planning import plan_of
from spoofscope.backends import registry as backends
from spoofscope.errors import ConfigError, DetectorError, SpoofscopeError, TableError
from spoofscope.features import FeatureReader, extract
from spoofscope.figures import layer_pareto, style
from spoofscope.figures import layer_weights as layer_weights_figure
from spoofscope.frontends import registry as frontends
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.inputs import detector_inputs, policy_of
from spoofscope.layers.columns import WEIGHTS
from spoofscope.layers.costs import measure_costs
from spoofscope.layers.depth import depth_table, non_dominated, pareto_table
from spoofscope.layers.pooling import Pooled, pool_shard
from spoofscope.layers.probes import Trials, probe_layers
from spoofscope.layers.weights import layer_weights
from spoofscope.metrics.rates import eer
from spoofscope.options.layers import CostOptions, ProbeOptions
from spoofscope.plan.study_plan import checked
from spoofscope.study import Study
from spoofscope.tables import read_manifest, write_table
from spoofscope.windows import InputPolicy

torch.set_num_threads(1)

SIZES = {"n_channels": 3, "dim": 8, "n_frames": None}


# --- learned mixes -----------------------------------------------------------------------------


def mixing(backend: torch.nn.Module, embedding: bool = True) -> SimpleNamespace:
    """As much of a detector as its mixes are read from."""
    return SimpleNamespace(
        backend=backend, frontend=SimpleNamespace(config={"embedding": embedding})
    )


def test_mixes_are_given_raw_softmaxed_and_times_gain():
    backend = backends.build({"type": "aasist", "layer": "weighted"}, **SIZES)
    theta, gain = [1.0, 2.0, -0.5], [0.5, -2.0, 1.0]
    with torch.no_grad():
        backend.mix.copy_(torch.tensor(theta))
        backend.mix_norm.weight.copy_(torch.tensor(gain))
    table = layer_weights(mixing(backend), "run", 7)
    assert table.schema == pl.Schema(WEIGHTS)
    assert table["layer"].to_list() == [0, 1, 2]
    assert set(table["mix"]) == {"mix"}
    softmax = np.exp(theta) / np.exp(theta).sum()
    corrected = softmax * np.abs(gain) / (softmax * np.abs(gain)).sum()
    assert table["raw"].to_list() == theta
    assert table["weight"].to_list() == pytest.approx(softmax, abs=1e-7)
    assert table["corrected"].to_list() == pytest.approx(corrected, abs=1e-7)
    for name, shares in (("", softmax), ("corrected_", corrected)):
        nats = scipy_entropy(shares)
        assert table[f"{name}entropy"].to_list() == pytest.approx([nats] * 3, abs=1e-6)
        effective = table[f"{name}effective_layers"].to_list()
        assert effective == pytest.approx([math.exp(nats)] * 3, abs=1e-6)


def test_mixes_without_a_norm_and_without_the_embedding():
    backend = backends.build({"type": "mhfa"}, **SIZES)
    table = layer_weights(mixing(backend, embedding=False), "run", 1)
    assert table.select("mix", "layer").rows() == [
        (mix, layer) for mix in ("key", "value") for layer in (1, 2, 3)
    ]
    # Untrained mixes are uniform: as many effective layers as there are.
    assert table["weight"].to_list() == pytest.approx([1 / 3] * 6)
    assert table["corrected"].equals(table["weight"])
    assert table["effective_layers"].to_list() == pytest.approx([3.0] * 6)
    assert layer_weights(mixing(backends.build({"type": "aasist"}, **SIZES)), "r", 1).is_empty()


def test_a_mix_whose_parameters_are_not_told_is_refused():
    backend = backends.build({"type": "linear"}, **SIZES)
    backend.layer_logits = lambda: None
    with pytest.raises(DetectorError, match="linear: layer_logits lacks the mix 'mix'"):
        layer_weights(mixing(backend), "run", 1)


# --- pooled layers -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("corpus")
    return read_manifest(write_corpus(folder, {"train": 12, "dev": 8, "eval": 8}))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("backbone") / "wavlm"
    options = {"hidden_size": 16, "layers": 3, "intermediate_size": 32}
    write_tiny_backbone(folder, "wavlm", options, seed=1)
    return {"family": "wavlm", "folder": str(folder)}


def front_end(backbone, **options):
    return frontends.build({"type": "ssl", "backbone": backbone, **options})


def shards(corpus, backbone, folder: Path, **options) -> dict[str, Pooled]:
    """The pooled layers of every split."""
    pooled = {}
    for split in ("train", "dev", "eval"):
        rows = corpus.filter(pl.col("split") == split)
        shard = folder / f"{split}.safetensors"
        pool_shard(front_end(backbone, **options), InputPolicy(length=6000), rows, shard)
        pooled[split] = Pooled([shard])
    return pooled


@pytest.fixture(scope="module")
def pooled(corpus, backbone, tmp_path_factory) -> dict[str, Pooled]:
    return shards(corpus, backbone, tmp_path_factory.mktemp("pooled"))


def whole(pooled: Pooled, layer: int) -> np.ndarray:
    return np.concatenate(list(pooled.blocks(layer)))


@pytest.mark.slow
def test_pooled_are_mean_and_deviation_over_all_frames(corpus, backbone, pooled):
    rows = corpus.filter(pl.col("split") == "dev")
    frontend = front_end(backbone)
    policy = policy_of(frontend, InputPolicy(length=6000))
    assert pooled["dev"].utt_ids == rows["utt_id"].to_list()
    assert list(pooled["dev"].layers) == [0, 1, 2, 3]
    several = 0
    for i, (_, windows) in enumerate(detector_inputs(rows, policy, None)):
        several += len(windows) > 1
        with torch.inference_mode():
            frames = np.concatenate(
                [
                    frontend.raw(torch.from_numpy(w[None]), torch.tensor([w.size]))
                    .values[0]
                    .numpy()
                    for w in windows
                ],
                axis=1,
            ).astype(np.float64)
        for layer in range(4):
            expected = np.concatenate([frames[layer].mean(axis=0), frames[layer].std(axis=0)])
            np.testing.assert_allclose(whole(pooled["dev"], layer)[i], expected, atol=2e-5)
    assert several


def test_pooled_from_the_cache_are_the_same(corpus, backbone, pooled, tmp_path):
    rows = corpus.filter(pl.col("split") == "dev")
    policy = InputPolicy(length=6000)
    extract(front_end(backbone), policy, rows, tmp_path / "cached.safetensors")
    cached = FeatureReader([tmp_path / "cached.safetensors"])
    parts = []
    # Two shards, cut elsewhere than batches end.
    for number, part in enumerate((rows[:3], rows[3:])):
        parts.append(tmp_path / f"{number}.safetensors")
        pool_shard(front_end(backbone), policy, part, parts[-1], features=cached, batch_size=2)
    joined = Pooled(parts)
    assert joined.utt_ids == pooled["dev"].utt_ids
    for layer in range(4):
        np.testing.assert_allclose(whole(joined, layer), whole(pooled["dev"], layer), atol=2e-5)
    with pytest.raises(DetectorError, match="made with other settings"):
        pool_shard(
            front_end(backbone, n_layers=2),
            policy,
            rows,
            tmp_path / "x.safetensors",
            features=cached,
        )
    assert not (tmp_path / "x.safetensors").exists()


def test_pooled_files_are_safetensors_and_repeat(corpus, backbone, pooled, tmp_path):
    again = shards(corpus, backbone, tmp_path, embedding=False)["dev"]
    values = safetensors.numpy.load_file(tmp_path / "dev.safetensors")["values"]
    assert values.shape == (3, 8, 2, 16)
    assert list(again.layers) == [1, 2, 3]
    for layer in again.layers:
        assert np.array_equal(whole(again, layer), whole(pooled["dev"], layer))
    bytes_per_clip = (tmp_path / "dev.safetensors").stat().st_size / 8
    assert bytes_per_clip == pytest.approx(3 * 2 * 16 * 4, rel=0.5)


def test_what_cannot_be_pooled_or_read(corpus, backbone, tmp_path):
    policy, shard = InputPolicy(length=6000), tmp_path / "a.safetensors"
    with pytest.raises(ConfigError, match="is trained"):
        pool_shard(front_end(backbone, fine_tune="all"), policy, corpus, shard)
    with pytest.raises(TableError, match="no utterances"):
        pool_shard(front_end(backbone), policy, corpus[:0], shard)
    with pytest.raises(DetectorError, match="no such file"):
        Pooled([shard])
    shard.write_bytes(b"not a tensor")
    with pytest.raises(DetectorError, match="damaged"):
        Pooled([shard])
    pool_shard(front_end(backbone), policy, corpus[:3], shard)
    other = tmp_path / "b.safetensors"
    pool_shard(front_end(backbone, n_layers=1), policy, corpus[3:4], other)
    with pytest.raises(DetectorError, match="another front-end"):
        Pooled([shard, other])
    write_table(tmp_path / "a.tsv", corpus[:2].select("utt_id"))
    with pytest.raises(TableError, match="not the index"):
        Pooled([shard])


def test_pooling_on_a_full_disk(corpus, backbone, small_disk):
    """It says so, where a write through a memory map would end the process."""
    space = os.statvfs(small_disk)
    with open(small_disk / "filler", "wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, (space.f_bavail - 1) * space.f_bsize)
    with pytest.raises(SpoofscopeError, match=r"a\.safetensors: the disk is full"):
        pool_shard(
            front_end(backbone), InputPolicy(length=6000), corpus, small_disk / "a.safetensors"
        )
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


# --- probes ------------------------------------------------------------------------------------


def trials(corpus, pooled, split: str) -> Trials:
    return Trials("c", split, corpus.filter(pl.col("split") == split), pooled[split])


def test_a_probe_is_scikit_learns_logistic_regression(corpus, pooled):
    train, dev, test = (trials(corpus, pooled, split) for split in ("train", "dev", "eval"))
    options = ProbeOptions(regularisation=(1e-3, 1e-1))
    table = probe_layers(
        "p",
        [train],
        [dev],
        [test],
        options,
        seed=1,
        conditions=["attack", "nothing"],
        resamples=100,
    )
    overall = table.filter(pl.col("condition") == "pooled")
    assert overall["layer"].to_list() == [0, 1, 2, 3]
    assert (overall["ci_low"] <= overall["eer"]).all()
    assert (overall["ci_high"] >= overall["eer"]).all()
    assert set(table["condition"]) == {"pooled", "attack"}
    for row in overall.iter_rows(named=True):
        scaler = StandardScaler().fit(whole(train.pooled, row["layer"]).astype(np.float64))
        errors, candidates = [], []
        for c in options.regularisation:
            model = LogisticRegression(C=c, class_weight="balanced", tol=1e-8, max_iter=10000)
            model.fit(scaler.transform(whole(train.pooled, row["layer"])), train.bonafide)
            candidates.append(model)
            errors.append(error_rate(model, scaler, dev, row["layer"]))
        best = int(np.argmin(errors))
        assert row["c"] == options.regularisation[best]
        assert row["dev_eer"] == pytest.approx(errors[best])
        assert row["eer"] == pytest.approx(error_rate(candidates[best], scaler, test, row["layer"]))


def error_rate(model, scaler, entry: Trials, layer: int) -> float:
    scores = model.decision_function(scaler.transform(whole(entry.pooled, layer)))
    return eer(scores[entry.bonafide], scores[~entry.bonafide]).value


class Planted:
    """Pooled layers: only layer 2 tells the classes apart, and one dimension is constant."""

    layers = range(1, 4)
    dim = 4

    def __init__(self, bonafide: np.ndarray, rng: np.random.Generator) -> None:
        self.utt_ids = [f"u{i}" for i in range(bonafide.size)]
        self._values = {layer: rng.normal(size=(bonafide.size, 4)) for layer in self.layers}
        self._values[2][:, 1] += 4 * bonafide
        for values in self._values.values():
            values[:, 3] = 5.0

    def blocks(self, layer: int):
        yield from np.array_split(self._values[layer].astype(np.float32), 3)


def planted(seed: int, n: int, share: float = 0.5) -> Trials:
    rng = np.random.default_rng(seed)
    bonafide = rng.permutation(n) < share * n
    pooled = Planted(bonafide, rng)
    labels = np.where(bonafide, "bonafide", "spoof")
    rows = pl.DataFrame({"utt_id": pooled.utt_ids, "label": labels})
    # The trials stand in another order than the pooled layers.
    return Trials("c", "eval", rows.sample(fraction=1.0, shuffle=True, seed=seed), pooled)


def test_probes_find_the_layer_that_knows():
    sets = [planted(i, 300) for i in range(4)]
    table = probe_layers("p", sets[:2], sets[2:3], sets[3:], ProbeOptions(), seed=1, resamples=0)
    errors = dict(table.select("layer", "eer").rows())
    assert errors[2] < 0.05 < 0.35 < min(errors[1], errors[3])
    assert table["ci_low"].null_count() == 3
    assert table["n_train"].to_list() == [600] * 3


@pytest.mark.parametrize(("share", "expected"), [(0.5, (50, 50)), (0.1, (30, 70))])
def test_training_utterances_are_limited_evenly_by_class(share, expected, monkeypatch):
    """And the choice is the seed's alone."""
    from spoofscope.layers import probes

    seen = []
    fit = probes._fit
    monkeypatch.setattr(
        probes, "_fit", lambda v, bonafide, *rest: seen.append(bonafide) or fit(v, bonafide, *rest)
    )
    sets = [planted(1, 200, share), planted(2, 100, share)]
    options = ProbeOptions(regularisation=(1.0,), utterances=100)
    tables = [
        probe_layers("p", sets, [planted(3, 50)], [planted(4, 50)], options, seed=s, resamples=0)
        for s in (1, 1, 2)
    ]
    counts = {(int(b.sum()), int((~b).sum())) for b in seen}
    assert counts == {expected}
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_probes_need_both_classes_and_every_utterance(corpus, pooled):
    train, dev, test = (trials(corpus, pooled, split) for split in ("train", "dev", "eval"))
    spoofs = Trials("c", "dev", dev.trials.filter(pl.col("label") == "spoof"), dev.pooled)
    with pytest.raises(TableError, match="probe p: its dev set needs utterances of both classes"):
        probe_layers("p", [train], [spoofs], [test], ProbeOptions(), seed=1)
    # A set of one class has its uses, and no EER.
    with pytest.raises(TableError, match="its test set needs utterances of both classes"):
        probe_layers("p", [train], [dev], [spoofs], ProbeOptions(), seed=1)
    once = ProbeOptions(regularisation=(0.01,))
    table = probe_layers("p", [train], [dev], [spoofs, test], once, seed=1, resamples=0)
    assert table["split"].unique().to_list() == ["eval"]
    assert table["eer"].null_count() == 0
    astray = Trials("c", "eval", test.trials, dev.pooled)
    with pytest.raises(TableError, match="c, eval: 8 utterances have no pooled layers"):
        probe_layers("p", [train], [dev], [astray], ProbeOptions(), seed=1)


# --- depth and costs ---------------------------------------------------------------------------


def metrics(rows: list[tuple[str, int, str, float]]) -> pl.DataFrame:
    """Metrics of (system, seed, corpus, EER), and rows that are not asked for."""
    frame = pl.DataFrame(rows, schema=["system", "seed", "corpus", "value"], orient="row")
    base = frame.with_columns(
        split=pl.lit("eval"),
        condition=pl.lit("pooled"),
        level=pl.lit("-"),
        metric=pl.lit("eer"),
        ci_low=pl.col("value") / 2,
        ci_high=pl.col("value") * 2,
        n_bonafide=pl.lit(10),
        n_spoof=pl.lit(20),
    )
    others = [
        base.with_columns(metric=pl.lit("auc"), value=pl.lit(9.0)),
        base.with_columns(condition=pl.lit("attack"), value=pl.lit(9.0)),
    ]
    return pl.concat([base, *others])


MEASURED = metrics(
    [
        ("n2", 1, "la", 0.20), ("n2", 2, "la", 0.30), ("n2", 1, "df", 0.40), ("n2", 2, "df", 0.50),
        ("n6", 1, "la", 0.10), ("n6", 2, "la", 0.12), ("n6", 1, "df", 0.30), ("n6", 2, "df", 0.32),
        ("one", 1, "la", 0.05),
    ]
)  # fmt: skip
CURVES = {
    "both": [
        {"detector": "deep", "run": "n6", "n_layers": 6},
        {"detector": "short", "run": "n2", "n_layers": 2},
    ],
    "single": [{"detector": "solo", "run": "one", "n_layers": 6}],
}


def test_depth_curves_have_means_spreads_and_the_price_of_cutting():
    # A set of one class has no EER.
    spoofs = metrics([("n2", 1, "itw", 0.5), ("n6", 1, "itw", 0.5)])
    spoofs = spoofs.with_columns(pl.lit(None, pl.Float64).alias(n) for n in ("value", "ci_low"))
    table = depth_table(CURVES, pl.concat([MEASURED, spoofs]))
    assert table.filter(pl.col("curve") == "both").height == 2 * 3 * 2
    row = table.row(
        by_predicate=(pl.col("run") == "n2") & (pl.col("corpus") == "la") & (pl.col("seed") == 2),
        named=True,
    )
    assert (row["detector"], row["n_layers"], row["eer"]) == ("short", 2, 0.30)
    assert (row["ci_low"], row["ci_high"], row["n_seeds"]) == (0.15, 0.60, 2)
    assert row["mean"] == pytest.approx(0.25)
    assert row["sd"] == pytest.approx(0.1 / math.sqrt(2))
    assert row["above_deepest"] == pytest.approx(0.25 - 0.11)
    deepest = table.filter(pl.col("run") == "n6")
    assert deepest["above_deepest"].to_list() == [0.0] * 6
    # Over sets the mean is taken per seed, of the sets that a detector is tested on.
    both = table.filter((pl.col("corpus") == "mean of (df, la)") & (pl.col("run") == "n2"))
    assert both["eer"].to_list() == pytest.approx([0.30, 0.40])
    # 0.2 [0.1, 0.4] and 0.4 [0.2, 0.8]; 0.3 [0.15, 0.6] and 0.5 [0.25, 1].
    lows = 0.3 - math.hypot(0.1, 0.2) / 2, 0.4 - math.hypot(0.15, 0.25) / 2
    highs = 0.3 + math.hypot(0.2, 0.4) / 2, 0.4 + math.hypot(0.3, 0.5) / 2
    assert both["ci_low"].to_list() == pytest.approx(lows)
    assert both["ci_high"].to_list() == pytest.approx(highs)
    assert set(table["corpus"]) == {"la", "df", "mean of (df, la)"}
    # One seed has no spread, one set no average.
    solo = table.filter(pl.col("run") == "one")
    assert solo.select("corpus", "sd", "n_seeds").rows() == [("la", None, 1)]
    with pytest.raises(TableError, match="curve x: there is no EER of nobody"):
        depth_table({"x": [{"detector": "d", "run": "nobody", "n_layers": 1}]}, MEASURED)


def test_the_front_is_what_nothing_beats():
    costs = np.array([1.0, 2.0, 3.0, 2.0, 2.0, 5.0])
    errors = np.array([0.3, 0.2, 0.2, 0.2, 0.25, 0.1])
    # Equals do not dominate each other.
    assert non_dominated(costs, errors).tolist() == [True, True, False, True, False, True]
    rng = np.random.default_rng(1)
    costs, errors = rng.integers(0, 8, (2, 60)).astype(float)
    front = [
        not any(
            (c <= costs[i] and e < errors[i]) or (c < costs[i] and e <= errors[i])
            for c, e in zip(costs, errors, strict=True)
        )
        for i in range(60)
    ]
    assert non_dominated(costs, errors).tolist() == front


def test_costs_are_joined_with_error_rates():
    costs = pl.DataFrame({"run": ["n2", "n6"], "parameters": [10, 30], "ms": [1.0, 0.5]})
    table = pareto_table(costs, MEASURED, ["parameters", "ms"])
    la = table.filter(pl.col("corpus") == "la").sort("run")
    assert la["eer"].to_list() == pytest.approx([0.25, 0.11])
    assert la["parameters_front"].to_list() == [True, True]
    assert la["ms_front"].to_list() == [False, True]
    with pytest.raises(TableError, match="none of the detectors"):
        pareto_table(costs.with_columns(run=pl.lit("x")), MEASURED, ["ms"])


@pytest.mark.slow
def test_costs_are_measured_and_grow_with_depth(tmp_path):
    # Large enough for memory and parameters to show beside what a process takes anyway.
    folder = tmp_path / "b"
    options = {"hidden_size": 256, "layers": 6, "intermediate_size": 2048, "heads": 4}
    write_tiny_backbone(folder, "wav2vec2", options, seed=1)
    backbone = {"family": "wav2vec2", "folder": str(folder)}
    detectors = [
        {
            "frontend": {"type": "ssl", "backbone": backbone, "n_layers": n, "embedding": False},
            "backend": {"type": "linear"},
            "input": {"length": length},
        }
        for n, length in ((1, 16000), (6, None))
    ]
    short, deep = measure_costs(detectors, CostOptions(seconds=0.5, repeats=3), threads=1)
    assert (short["n_layers"], deep["n_layers"]) == (1, 6)
    # An attention of four projections, two linear layers and two norms, all with biases; a weight
    # per layer in the mix, and the layer from the mean to the logit.
    layer = 4 * (256 * 256 + 256) + 2 * 256 * 2048 + 2048 + 256 + 4 * 256
    assert deep["parameters"] - short["parameters"] == 5 * (layer + 1)
    assert (short["backend_parameters"], deep["backend_parameters"]) == (1 + 257, 6 + 257)
    weights = 4 * 5 * layer / 1e6
    assert deep["peak_memory_mb"] - short["peak_memory_mb"] == pytest.approx(weights, rel=0.5)
    for got, seconds in ((short, 1.0), (deep, 0.5)):
        assert got["seconds"] == seconds
        assert 0 < got["latency_low_ms"] <= got["latency_ms"] <= got["latency_high_ms"]
        assert got["ms_per_second"] == pytest.approx(got["latency_ms"] / seconds)
        assert got["device"]
        assert (got["threads"], got["batch_size"], got["repeats"]) == (1, 1, 3)


@pytest.mark.slow
def test_what_cannot_be_measured_says_why(backbone):
    broken = {
        "frontend": {"type": "ssl", "backbone": backbone, "n_layers": 99},
        "backend": {"type": "linear"},
        "input": {},
    }
    with pytest.raises(DetectorError, match="n_layers is 99, the backbone has 3"):
        measure_costs([broken], CostOptions(repeats=1), threads=1)


# --- the section of the study file -------------------------------------------------------------


def study(**layers) -> Study:
    detectors = {
        f"{name}_linear": {
            "frontend": name,
            "backend": {"type": "linear"},
            "train": {"data": [{"corpus": "mine"}]},
        }
        for name in ("whole", "lower", "lfcc")
    }
    ssl = {"type": "ssl", "backbone": "tiny"}
    return checked(
        {
            "study": "layers",
            "title": "Layers",
            "seed": 1,
            "data_root": "resources",
            "scatter_shards": {},
            "corpora": {"mine": {"type": "folder", "path": "/data", "splits": ["train", "dev"]}},
            "backbones": {"tiny": {"family": "hubert", "tiny": {}}},
            "frontends": {
                "whole": ssl,
                "lower": {**ssl, "n_layers": 1},
                "tuned": {**ssl, "fine_tune": "top", "top_layers": 1},
                "lfcc": {"type": "lfcc"},
            },
            "detectors": detectors,
            "score": [{"corpus": "mine", "splits": ["dev"]}],
            "layers": layers,
        }
    )


def probe(frontend: str, **more) -> dict:
    return {"p": {"frontend": frontend, "data": [{"corpus": "mine"}], **more}}


def test_probes_read_cached_frames_where_detectors_have_them():
    detector = study().run_of("whole_linear").id
    same = study(probes=probe("whole"))
    (pool,) = plan_of(same).layers.pools
    assert pool == same.features_id(detector)
    (other,) = plan_of(study(probes=probe("whole", input={"length": 8000}))).layers.pools
    assert other != pool
    # A tuned front-end is probed as it was before.
    (settings,) = plan_of(study(probes=probe("tuned"))).layers.pools.values()
    assert settings["frontend"].keys() == {"type", "backbone"}
    assert settings["input"] == {}


def test_detectors_of_the_section_may_be_patterns():
    expanded = study(curves={"c": ["whole_linear", "low*"]}, costs={"detectors": ["[lw][oh]*"]})
    assert expanded.config["layers"]["curves"] == {"c": ["whole_linear", "lower_linear"]}
    assert expanded.config["layers"]["costs"]["detectors"] == ["whole_linear", "lower_linear"]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            {"curves": {"c": ["whole_linear", "lfcc_linear"]}},
            r"curves.c\[1\]: 'lfcc_linear' has no",
        ),
        ({"curves": {"c": ["whole_linear", "lower_liner"]}}, r"did you mean 'lower_linear'"),
        (
            {"costs": {"detectors": ["lfcc_linear"]}},
            r"layers.costs.detectors\[0\]: .* has no layers",
        ),
        ({"costs": {"repeat": 3}}, r"layers.costs: unknown key 'repeat'; did you mean 'repeats'"),
        ({"probes": probe("lfcc")}, r"layers.probes.p.frontend: 'lfcc' has no layers"),
        ({"probes": probe("wole")}, r"layers.probes.p.frontend: .*did you mean 'whole'"),
        (
            {"probes": probe("whole", score=[{"corpus": "mine", "splits": ["eval"]}])},
            r"layers.probes.p.score\[0\].corpus: 'mine' is used for eval",
        ),
        (
            {"probes": probe("whole", dev=[{"corpus": "yours"}])},
            r"probes.p.dev\[0\].corpus: 'yours'",
        ),
    ],
)
def test_what_the_section_may_not_say(layers, message):
    with pytest.raises(ConfigError, match=message):
        study(**layers)


def test_words_of_points_beside_each_other_stand_above_and_below():
    points = pl.DataFrame(
        {"run": ["a", "b", "c"], "eer": [0.42, 0.44, 0.40], "memory": [64.3, 64.1, 59.0]}
    )
    below = [layer_pareto._is_below(row, points, "memory") for row in points.to_dicts()]
    assert below == [True, False, False]
    same = points.with_columns(eer=0.4, memory=1.0)
    below = [layer_pareto._is_below(row, same, "memory") for row in same.to_dicts()]
    assert below == [True, True, False]


def test_the_key_names_the_line_of_the_uniform_mix():
    axes = style.new_figure(style.COLUMN, 2.0).add_subplot()
    line = pl.DataFrame(
        {
            **{"seed": [1, 1], "mix": ["mix", "mix"], "layer": [0, 1]},
            **{key: [0.5, 0.5] for key in ("weight", "corrected")},
            **{key: [2.0, 2.0] for key in ("effective_layers", "corrected_effective_layers")},
        }
    )
    layer_weights_figure._panel(axes, line, {1: False})
    key = [text.get_text() for text in axes.get_legend().get_texts()]
    assert key == ["mix: 2.00 layers", "uniform mix"]
    assert axes.lines[-1].get_ydata()[0] == 0.5
    style.plt.close(axes.figure)
