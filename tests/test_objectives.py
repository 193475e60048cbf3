"""What tracers are trained for: heads, losses, batches, and the network that comes of it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn import functional

from spoofscope.errors import ConfigError, DetectorError, TrainingError
from spoofscope.files import read_json
from spoofscope.identity import rng_of
from spoofscope.metrics.rates import auc
from spoofscope.objectives.base import Step, Task
from spoofscope.objectives.heads import GE2EHead, NearestHead, block_order, build_head
from spoofscope.objectives.tracing import Tracing
from spoofscope.ood.base import Outputs
from spoofscope.ood.registry import OOD_DETECTORS, build
from spoofscope.options.objectives import OBJECTIVES
from spoofscope.tracer import Tracer
from spoofscope.training.recipe import resolve_recipe
from spoofscope.windows import InputPolicy
from unknown_attacks import toy

torch.set_num_threads(1)

SIZES = {
    "ge2e": {"classes": 3, "clips": 2},
    "sup_con": {"classes": 3, "clips": 2},
    "nearest": {"k": 3},
}


def rows(*attacks: str) -> pl.DataFrame:
    names = [f"u{i}" for i in range(len(attacks))]
    labels = ["bonafide" if attack == "-" else "spoof" for attack in attacks]
    return pl.DataFrame({"utt_id": names, "label": labels, "attack": attacks})


def task(objective: dict[str, Any], train: pl.DataFrame, dev: pl.DataFrame, **changes: Any) -> Task:
    values: dict[str, Any] = {
        "frontend": {"type": "lfcc"},
        "backend": {"type": "linear", "layer": "last"},
        "policy": InputPolicy(length=4000),
        "train": train,
        "dev": dev,
        "train_from": "train.tsv (train)",
        "dev_from": "dev.tsv (dev)",
        "class_weights": "none",
        "seed": 1,
        "options": objective,
    }
    return Task(**{**values, **changes})


# --- losses --------------------------------------------------------------------------------------


def test_ge2e_is_the_formula_with_the_clip_left_out_of_its_own_centroid():
    torch.manual_seed(0)
    head = build_head("ge2e", OBJECTIVES["ge2e"](), 5, 3)
    e = torch.randn(3, 4, 5)  # class, clip, dimension
    classes = torch.tensor([0, 1, 2]).repeat_interleave(4)
    expected = []
    for j in range(3):
        for i in range(4):
            similarities = []
            for k in range(3):
                members = [e[k, m] for m in range(4) if not (k == j and m == i)]
                centroid = torch.stack(members).mean(dim=0)
                cosine = functional.cosine_similarity(e[j, i], centroid, dim=0)
                similarities.append(10.0 * cosine - 5.0)
            expected.append(-functional.log_softmax(torch.stack(similarities), dim=0)[j])
    losses = head.losses(e.reshape(12, 5), torch.empty(12, 3), classes)
    torch.testing.assert_close(losses, torch.stack(expected))


def test_scale_and_offset_of_ge2e_are_trained():
    head = build_head("ge2e", OBJECTIVES["ge2e"](), 5, 3)
    assert isinstance(head, GE2EHead)
    vectors = torch.randn(6, 5, requires_grad=True)
    head.losses(vectors, torch.empty(6, 3), torch.tensor([0, 0, 1, 1, 2, 2])).mean().backward()
    assert head.scale.grad is not None
    assert head.scale.grad.abs() > 0
    assert head.offset.grad is not None


def test_regmixup_is_half_the_loss_and_half_that_of_the_mixture():
    torch.manual_seed(3)
    train = rows(*"ABCAB")
    objective = Tracing(task({"type": "cross_entropy", "regmixup": 0.5}, train, train))
    values, lengths = torch.randn(5, 1, 9, 60), torch.full((5,), 9)
    step = objective.prepare(Step(values, lengths, torch.from_numpy(objective.targets)))
    classes, others, share = step.targets
    assert 0 <= share <= 1
    order = [[torch.equal(values[j], values[i]) for j in range(5)].index(True) for i in range(5)]
    assert order == list(range(5))
    torch.testing.assert_close(step.values[:5], values)
    partner = (step.values[5:] - share * values) / (1 - share)
    found = [int((partner[i] - values).abs().flatten(1).sum(dim=1).argmin()) for i in range(5)]
    assert others.tolist() == classes[found].tolist()

    output = objective.network.backend(step.values, step.lengths)
    logits = output[:, objective.network.n_vector :]
    ce = functional.cross_entropy
    expected = 0.5 * ce(logits[:5], classes) + 0.5 * (
        share * ce(logits[5:], classes) + (1 - share) * ce(logits[5:], others)
    )
    torch.testing.assert_close(objective.loss(output, step.targets, 5.0), expected)
    # With a share of 1 the mixture is the batch.
    same = torch.cat([output[:5], output[:5]])
    loss = objective.loss(same, (classes, others, 1.0), 5.0)
    torch.testing.assert_close(loss, ce(logits[:5], classes))


def test_weights_of_classes_are_those_of_cross_entropy():
    train = rows(*"AAAB")
    objective = Tracing(task({"type": "cross_entropy"}, train, train, class_weights="balanced"))
    assert objective.weights.tolist() == pytest.approx([4 / 6] * 3 + [2.0])
    step = objective.prepare(
        Step(torch.randn(4, 1, 9, 60), torch.full((4,), 9), torch.from_numpy(objective.targets))
    )
    output = objective.network.backend(step.values, step.lengths)
    expected = functional.cross_entropy(
        output[:, 60:], torch.tensor([0, 0, 0, 1]), weight=torch.tensor([4 / 6, 2.0])
    )
    loss = objective.loss(output, step.targets, float(objective.weights.sum()))
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, {}) for kind in OBJECTIVES if kind not in ("nearest", "likelihoods")),
        ("arcface", {"centers": 3}),
    ],
)
def test_every_loss_brings_separable_classes_apart(kind, options):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(3, 8))
    classes = torch.arange(3).repeat_interleave(20)
    inputs = torch.from_numpy(centres[classes] + rng.normal(size=(60, 8))).float()
    layer = torch.nn.Linear(8, 6)
    head = build_head(kind, OBJECTIVES[kind](**SIZES.get(kind, {}), **options), 6, 3)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
    losses = []
    for _ in range(60):
        vectors = layer(inputs)
        loss = head.losses(vectors, head(vectors), classes).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    with torch.no_grad():
        head.fit(layer(inputs), classes)
        assert (head(layer(inputs)).argmax(dim=1) == classes).float().mean() > 0.95


def test_nearest_clips_vote_as_scikit_learn_lets_them():
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(1)
    train = rng.normal(size=(80, 6)).astype(np.float32)
    classes = rng.integers(0, 4, 80)
    test = rng.normal(size=(30, 6)).astype(np.float32)
    head = build_head("nearest", OBJECTIVES["nearest"](k=5), 6, 4)
    assert isinstance(head, NearestHead)
    head.fit(torch.from_numpy(train), torch.from_numpy(classes))
    votes = (torch.exp(head(torch.from_numpy(test))) * 6 - 1 / 4).round().numpy()
    oracle = KNeighborsClassifier(5, metric="cosine").fit(train, classes).predict_proba(test) * 5
    np.testing.assert_array_equal(votes, oracle.round())


@pytest.mark.parametrize("name", [n for n in OOD_DETECTORS.available() if n != "gate"])
def test_votes_of_nearest_clips_are_logits_for_every_detector_of_unknown_attacks(name):
    """As in config/studies/source_tracing.yaml, where all tracers have all detectors."""
    data = toy()
    head = build_head("nearest", OBJECTIVES["nearest"](k=5), 12, 5)
    head.fit(torch.from_numpy(data.train.vectors), torch.from_numpy(data.classes))
    train, dev = (
        Outputs(some.vectors, head(torch.from_numpy(some.vectors)).numpy())
        for some in (data.train, data.dev)
    )
    scores = build({"type": name}).fit(train, data.classes).ood_scores(dev)
    assert auc(scores[~data.known], scores[data.known]) > 0.8


def test_blocks_have_clips_of_their_classes_and_small_classes_come_again():
    classes = np.array([0] * 50 + [1] * 3 + [2] * 10 + [3] * 7)
    order = block_order(classes, (3, 4), rng_of("test"))
    assert len(order) == 70 // 12 * 12
    for start in range(0, len(order), 12):
        _, counts = np.unique(classes[order[start : start + 12]], return_counts=True)
        assert counts.tolist() == [4, 4, 4]
    assert set(classes[order]) == {0, 1, 2, 3}
    assert (block_order(classes, (3, 4), rng_of("test")) == order).all()


# --- the objective -------------------------------------------------------------------------------


def test_classes_are_attacks_in_code_point_order_and_bona_fide_before_them():
    train = rows("b", "A", "-", "b")
    dev = rows("A", "unknown", "-")
    objective = Tracing(task({"type": "cross_entropy"}, train, dev))
    assert objective.network.classes == ("bonafide", "A", "b")
    assert objective.targets.tolist() == [2, 1, 0, 2]
    assert objective.dev["attack"].to_list() == ["A", "-"]
    without = Tracing(task({"type": "cross_entropy", "bonafide": "leave_out"}, train, dev))
    assert without.network.classes == ("A", "b")
    assert without.train["attack"].to_list() == ["b", "A", "b"]


def test_development_measures_are_cross_entropy_and_balanced_error():
    train, dev = rows(*"ABC"), rows(*"AAAB")
    objective = Tracing(task({"type": "cross_entropy"}, train, dev))
    values = np.array([[2.0, 0, 0], [2, 0, 0], [0, 1, 0], [0, 3, 0]])
    measures = objective.dev_result(values).measures
    expected = functional.cross_entropy(torch.from_numpy(values), torch.tensor([0, 0, 0, 1]))
    assert measures["loss"] == pytest.approx(float(expected))
    assert measures["error"] == pytest.approx(1 - (2 / 3 + 1) / 2)


@pytest.mark.parametrize(
    ("train", "dev", "message"),
    [
        ("AAA", "A", r"train\.tsv \(train\): .* 1 attack\(s\)"),
        ("AB", "XY", r"dev\.tsv \(dev\): none of the attacks of the training set \(A, B\)"),
    ],
)
def test_sets_that_do_not_suffice(train, dev, message):
    with pytest.raises(TrainingError, match=message):
        Tracing(task({"type": "cross_entropy"}, rows(*train), rows(*dev)))


@pytest.mark.parametrize(
    ("objective", "recipe", "message"),
    [
        ({"type": "cross_entropy"}, {"loss": "bce"}, "a tracer's loss is its objective"),
        ({"type": "ge2e", "clips": 4}, {"batch_size": 16}, "set batch_size to 8"),
        ({"type": "ge2e", "clips": 4}, {"batch_size": 8, "accumulate": 2}, "accumulate"),
    ],
)
def test_recipes_that_do_not_fit(objective, recipe, message):
    made = Tracing(task(objective, rows(*"AB"), rows(*"AB")))
    with pytest.raises(ConfigError, match=message):
        made.check(resolve_recipe(recipe))


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"type": "softmax"}, "no 'softmax'"),
        ({"type": "ge2e", "margin": 1}, "objective: unknown key 'margin'"),
        ({"type": "cross_entropy", "label_smoothing": 1.0}, "label_smoothing must be"),
    ],
)
def test_objectives_that_are_not_there(objective, message):
    with pytest.raises(ConfigError, match=message):
        Tracing(task(objective, rows(*"AB"), rows(*"AB")))


@pytest.mark.parametrize("name", ["unknown", "Unknown "])
def test_no_class_is_called_as_the_answer_for_other_attacks(name):
    train = rows("A", name)
    match = rf"called '{name}', .*rename it .*exclude_attacks: \[{name}\]"
    with pytest.raises(TrainingError, match=match):
        Tracing(task({"type": "cross_entropy"}, train, train))


def test_likelihoods_are_those_of_scikit_learn():
    from sklearn.mixture import GaussianMixture

    train = rows(*"ABCABC")
    backend = {"type": "gmm", "components": 2, "max_iter": 5}
    objective = Tracing(task({"type": "likelihoods"}, train, train, backend=backend))
    assert objective.network.backend.fitted_once
    rng = np.random.default_rng(3)
    frames = {
        utt: rng.normal(size=(40, 60)) + 3 * (ord(a) - 64)
        for utt, a in train.select("utt_id", "attack").iter_rows()
    }
    labels = objective.fitted_labels
    objective.network.backend.fit(((frames[u], labels[u]) for u in train["utt_id"]), 1)
    mixtures = []
    gmm = objective.network.backend.backend
    for k in range(3):
        oracle = GaussianMixture(2, covariance_type="diag")
        oracle.weights_ = np.exp(gmm.log_weights[k].double().numpy())
        oracle.means_ = gmm.means[k].double().numpy()
        oracle.covariances_ = gmm.variances[k].double().numpy()
        oracle.precisions_cholesky_ = 1 / np.sqrt(oracle.covariances_)
        mixtures.append(oracle)
    clip = frames["u1"].astype(np.float32)
    likelihoods = np.stack([oracle.score_samples(clip) for oracle in mixtures], axis=1)
    together = np.log(np.exp(likelihoods - likelihoods.max()).mean(axis=1)) + likelihoods.max()
    expected = (likelihoods - together[:, None]).mean(axis=0)
    output = objective.network.backend(torch.from_numpy(clip)[None, None], torch.tensor([40]))
    np.testing.assert_allclose(output[0, :3].numpy(), expected, rtol=1e-4)
    np.testing.assert_array_equal(output[0, :3], output[0, 3:])
    assert int(output[0, 3:].argmax()) == 1


def test_likelihoods_need_mixtures():
    with pytest.raises(ConfigError, match="needs the back-end gmm"):
        Tracing(task({"type": "likelihoods"}, rows(*"AB"), rows(*"AB")))


@pytest.mark.parametrize("kind", [kind for kind in OBJECTIVES if kind != "likelihoods"])
def test_a_network_is_the_same_after_saving(kind, tmp_path: Path):
    torch.manual_seed(1)
    train = rows(*"ABCABC")
    objective = Tracing(task({"type": kind, **SIZES.get(kind, {})}, train, train))
    rng = np.random.default_rng(2)
    windows = [rng.normal(size=4000).astype(np.float32) for _ in range(6)]
    objective.refit(
        lambda: ((utt, [window]) for utt, window in zip(train["utt_id"], windows, strict=True)), 4
    )
    tracer = objective.network
    expected = tracer.logits(windows, 4)
    assert expected.shape == (6, tracer.n_vector + 3)
    tracer.write_into(tmp_path)
    again = Tracer.load(tmp_path)
    np.testing.assert_array_equal(again.logits(windows, 4), expected)
    assert (again.classes, again.identity) == (tracer.classes, tracer.identity)
    vectors, logits = again.split(expected)
    assert vectors.shape == (6, tracer.n_vector)
    assert logits.shape == (6, 3)
    assert math.isfinite(float(vectors.sum()))

    text = (tmp_path / "network.json").read_text()
    (tmp_path / "network.json").write_text(text.replace('"A"', '"Z"'))
    with pytest.raises(DetectorError, match="not as it was written"):
        Tracer.load(tmp_path)
    (tmp_path / "network.json").write_text(text)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(DetectorError, match="altered or damaged"):
        Tracer.load(tmp_path)
    assert read_json(tmp_path / "network.json")["objective"]["type"] == kind
