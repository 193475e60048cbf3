import copy
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from noise_and_tones import write_corpus
from spoofscope import audio, presets, tables
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, DetectorError, TableError, TrainingError
from spoofscope.features import FeatureReader, extract
from spoofscope.frontends import registry
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.objectives.base import epoch_order
from spoofscope.objectives.detection import Detection, detection_loss, one_class_loss
from spoofscope.options.objectives import OcSoftmax
from spoofscope.plan.study_plan import checked
from spoofscope.study import MINI
from spoofscope.study.reading import read_config
from spoofscope.trackers import trainings
from spoofscope.training import loop
from spoofscope.training.checkpoint import Checkpoints
from spoofscope.training.data import (
    Augmentation,
    Source,
    TrainingItems,
    load_audio_cache,
    plan_steps,
    training_window,
)
from spoofscope.training.loop import HISTORY_COLUMNS, TrainingJob, train
from spoofscope.training.masks import Masks, masked_in_training
from spoofscope.training.recipe import resolve_recipe
from spoofscope.windows import InputPolicy

# Networks this small are slower with several threads than with one.
torch.set_num_threads(1)

LFCC = {"type": "lfcc", "normalise": "global"}
LINEAR = {"type": "linear", "n_outputs": 2}
RECIPE = {"epochs": 2, "lr": 0.02, "batch_size": 4}
POLICY = InputPolicy(length=4000)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), {"train": 12, "dev": 8})


def make_job(manifest: Path, recipe: dict[str, Any] | None = None, **changes: Any) -> TrainingJob:
    settings: dict[str, Any] = {
        "frontend": LFCC,
        "backend": LINEAR,
        "policy": POLICY,
        "recipe": resolve_recipe({**RECIPE, **(recipe or {})}),
        "train": [Source(manifest, "train")],
        "dev": [Source(manifest, "dev")],
        "seed": 1,
    }
    return TrainingJob(objective=Detection, **{**settings, **changes})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return Detector.load(folder).state_dict()


def history(folder: Path) -> pl.DataFrame:
    return tables.read_table(folder / "history.tsv", HISTORY_COLUMNS)


def same_files(a: Path, b: Path) -> bool:
    names = sorted(path.name for path in a.iterdir())
    return names == sorted(path.name for path in b.iterdir()) and all(
        (a / name).read_bytes() == (b / name).read_bytes() for name in names
    )


# --- recipe ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"lr": "1e-4"}, r"write 1\.0e-3, not 1e-3"),
        ({"lr": -1.0}, "above 0"),
        ({"epochs": 0}, "at least 1"),
        ({"optimizer": "sgd"}, "optimizer must be one of"),
        ({"class_weights": {"bonafide": 1.0}}, "bonafide and spoof"),
        ({"stages": []}, "a list of at least 1 item"),
        ({"stages": [{"select_by": "eer"}]}, r"stages\[0\]: unknown key 'select_by'"),
        ({"num_workers": -1}, "num_workers"),
        ({"processes": 0}, "at least 1"),
        ({"spec_augment": {"masks": 2}}, "recipe.spec_augment: unknown key 'masks'"),
        (
            {"spec_augment": {"time_share": 1.5}},
            "time_share must be a number of at least 0",
        ),
    ],
)
def test_wrong_recipes_are_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_recipe(recipe)


def test_stages_inherit_what_they_do_not_say() -> None:
    stages = [{"epochs": 2, "freeze_frontend": True}, {"lr": 0.5}]
    first, second = resolve_recipe({"lr": 0.1, "lr_frontend": 0.2, "stages": stages}).stages
    assert (first.epochs, first.lr, first.freeze_frontend) == (2, 0.1, True)
    assert (second.epochs, second.lr, second.freeze_frontend) == (10, 0.5, False)
    assert first.lr_frontend == second.lr_frontend == 0.2
    assert resolve_recipe({"lr": 0.3}).stages[0].lr_frontend == 0.3


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_schedules_are_those_of_transformers(schedule: str) -> None:
    from transformers import get_scheduler

    stage = resolve_recipe({"schedule": schedule, "warmup_steps": 5}).stages[0]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = get_scheduler(schedule, optimizer, num_warmup_steps=5, num_training_steps=20)
    for step in range(20):
        assert stage.lr_factor(step, 20) == pytest.approx(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()


# --- data --------------------------------------------------------------------------------------


@given(
    n=st.integers(1, 60),
    batch_size=st.integers(1, 7),
    accumulate=st.integers(1, 3),
    n_processes=st.integers(1, 4),
)
def test_processes_share_every_step(
    n: int, batch_size: int, accumulate: int, n_processes: int
) -> None:
    order = np.random.default_rng(n).permutation(n)
    if n < n_processes:
        with pytest.raises(TrainingError, match="processes"):
            plan_steps(order, batch_size, accumulate, 0, n_processes)
        return
    plans = [
        plan_steps(order, batch_size, accumulate, process, n_processes)
        for process in range(n_processes)
    ]
    step_size = batch_size * accumulate * n_processes
    assert all(len(plan) == max(1, n // step_size) for plan in plans)
    used = [row for plan in plans for step in plan for batch in step for row in batch]
    assert len(used) == len(set(used))
    assert len(used) == (n // step_size * step_size or n - n % n_processes)
    for step in range(len(plans[0])):
        sizes = [[len(batch) for batch in plan[step]] for plan in plans]
        assert all(size == sizes[0] for size in sizes)
        assert max(sizes[0]) <= batch_size
        members = {row for plan in plans for batch in plan[step] for row in batch}
        assert members == set(order[step * step_size :][: len(members)].tolist())


def test_balanced_sampler_draws_both_classes_alike() -> None:
    is_bonafide = np.arange(2000) < 100
    order = epoch_order(is_bonafide, "balanced", 1, 1)
    assert order.size == 2000
    assert is_bonafide[order].mean() == pytest.approx(0.5, abs=0.05)
    shuffled = epoch_order(is_bonafide, "shuffle", 1, 1)
    assert sorted(shuffled) == list(range(2000))
    assert not np.array_equal(shuffled, epoch_order(is_bonafide, "shuffle", 1, 2))
    assert not np.array_equal(shuffled, epoch_order(is_bonafide, "shuffle", 2, 1))


def test_training_window_is_a_stretch_of_the_normalised_clip() -> None:
    clip = (3 + np.random.default_rng(0).standard_normal(500)).astype(np.float32)
    policy = InputPolicy(length=100, min_samples=50, normalize=True)
    normalised = InputPolicy(length=None, min_samples=50, normalize=True).windows(clip).values[0]
    starts = set()
    for seed in range(40):
        window = training_window(clip, policy, "random", np.random.default_rng(seed))
        start = int(np.flatnonzero(normalised == window[0])[0])
        np.testing.assert_array_equal(window, normalised[start : start + 100])
        starts.add(start)
    assert len(starts) > 20
    first = training_window(clip, policy, "start", np.random.default_rng(0))
    np.testing.assert_array_equal(first, normalised[:100])
    short = training_window(clip[:30], policy, "random", np.random.default_rng(0))
    np.testing.assert_array_equal(short, policy.windows(clip[:30]).values[0])


def test_attacks_choose_spoofs_and_keep_all_bona_fide(manifest: Path) -> None:
    rows = Source(manifest, "train", ("A1",)).rows()
    assert set(rows["attack"]) == {"-", "A1"}
    assert (rows["label"] == "bonafide").sum() == 6
    with pytest.raises(TableError, match=r"'train' has no attack 'A2'; valid are: A1, A3"):
        Source(manifest, "train", ("A1", "A2")).rows()
    source = Source(manifest, "train", exclude_attacks=("A1",))
    assert set(source.rows()["attack"]) == {"-", "A3"}
    assert source.describe()["exclude_attacks"] == ["A1"]
    assert source.describe()["n_spoof"] == source.rows().height - 6
    with pytest.raises(TrainingError, match="no utterances in split 'eval'"):
        Source(manifest, "eval").rows()


def test_audio_is_kept_in_memory_only_where_it_fits(manifest: Path) -> None:
    rows = tables.read_manifest(manifest)
    needed = rows["duration"].sum() * 16000 * 4 / 1e6
    clips = load_audio_cache(rows, InputPolicy(), needed * 1.01, 2)
    assert list(clips) == rows["utt_id"].to_list()
    np.testing.assert_array_equal(clips["train3"], audio.read(rows["path"][3])[0])
    assert load_audio_cache(rows, InputPolicy(), needed * 0.99, 2) == {}


# --- batch norms -------------------------------------------------------------------------------


@pytest.mark.slow
def test_batch_norms_are_estimated_again_without_the_noise_of_dropout(
    manifest: Path, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {
        "frontend": {"type": "wavelet_packets", "wavelet": "haar"},
        "backend": {"type": "dcnn", "channels": [4, 4, 4, 4, 4]},
        "policy": InputPolicy(length=4000, long="crop"),
    }
    recipe = {"epochs": 2, "batch_size": 12, "train_crop": "start"}
    for name, recalibrate in (("as_trained", False), ("again", True)):
        settings = {**recipe, "recalibrate_norms": recalibrate}
        train(make_job(manifest, settings, **changes), tmp_path / name, tmp_path / f"w_{name}")
    trained, again = weights(tmp_path / "as_trained"), weights(tmp_path / "again")
    statistics = {name for name, value in again.items() if not torch.equal(value, trained[name])}
    assert statistics == {name for name in again if name.endswith(("_mean", "_var", "_tracked"))}

    # What the batch norm behind the dropout is given has the mean and variance that it expects.
    detector = Detector.load(tmp_path / "again")
    given: list[torch.Tensor] = []
    norm: Any = detector.backend.get_submodule("dil_conv.0")
    norm.register_forward_hook(lambda module, inputs, output: given.append(inputs[0]))
    rows = tables.read_manifest(manifest).filter(pl.col("split") == "train")
    windows = [detector.policy.windows(audio.read(path)[0]).values[0] for path in rows["path"]]
    detector.logits(windows, batch_size=12)
    std, mean = torch.std_mean(given[0], dim=(0, 2, 3))
    torch.testing.assert_close(norm.running_mean, mean, rtol=0.01, atol=0.01)
    torch.testing.assert_close(norm.running_var.sqrt(), std, rtol=0.01, atol=0)

    job = make_job(manifest, {"recalibrate_norms": True})
    with pytest.raises(ConfigError, match="back-end linear has no batch norm"):
        train(job, tmp_path / "x", tmp_path / "w_x")


# --- loss --------------------------------------------------------------------------------------


def test_loss_is_the_weighted_cross_entropy_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    is_bonafide = torch.tensor([True, False, False, True, False])
    weight = {"bonafide": 4.9, "spoof": 0.56}
    logits = torch.randn(5, 2, generator=generator)
    for outputs in (("spoof", "bonafide"), ("bonafide", "spoof")):
        target = torch.tensor([outputs.index("bonafide" if b else "spoof") for b in is_bonafide])
        expected = torch.nn.CrossEntropyLoss(torch.tensor([weight[name] for name in outputs]))
        loss = detection_loss(logits, is_bonafide, outputs, weight)
        assert loss.item() == pytest.approx(expected(logits, target).item())
    one = detection_loss(logits[:, :1], is_bonafide, ("bonafide",), {"bonafide": 1, "spoof": 1})
    expected_one = torch.nn.BCEWithLogitsLoss()(logits[:, 0], is_bonafide.float())
    assert one.item() == pytest.approx(expected_one.item())
    # Two logits of which one is 0 are the same model as one logit.
    two = torch.stack([torch.zeros(5), logits[:, 0]], dim=1)
    assert detection_loss(two, is_bonafide, ("spoof", "bonafide"), weight).item() == pytest.approx(
        detection_loss(logits[:, :1], is_bonafide, ("bonafide",), weight).item()
    )


# --- training ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend",
    [{"type": "linear"}, LINEAR, {"type": "gmm", "components": 2}],
    ids=["one logit", "two logits", "gmm"],
)
def test_detector_learns_what_the_classes_differ_in(
    tmp_path: Path, manifest: Path, backend: dict[str, Any]
) -> None:
    job = make_job(manifest, {"epochs": 8, "lr": 0.05}, backend=backend)
    train(job, tmp_path / "d", tmp_path / "w")
    detector = Detector.load(tmp_path / "d")
    rows = tables.read_manifest(manifest).filter(pl.col("split") == "dev")
    assert detector.meta["dev_eer"] == 0.0
    assert detector.calibration is not None
    assert detector.calibration["scale"] > 0
    detector.calibration = None  # now the threshold decides
    decisions = [detector.predict(path)["decision"] for path in rows["path"]]
    assert decisions == rows["label"].to_list()
    source = detector.meta["trained_on"][0]
    assert (source["n_bonafide"], source["n_spoof"], source["split"]) == (6, 6, "train")
    files = sorted(path.name for path in (tmp_path / "d").iterdir())
    assert files == ["card.md", "detector.json", "history.tsv", "model.safetensors"]
    assert not list((tmp_path / "w").glob("*.pt")) + list((tmp_path / "w").glob("*.safetensors"))


@pytest.mark.slow
def test_same_job_gives_the_same_bytes_and_another_seed_does_not(
    tmp_path: Path, manifest: Path
) -> None:
    global_state = torch.get_rng_state()
    train(make_job(manifest), tmp_path / "a", tmp_path / "wa")
    assert torch.equal(torch.get_rng_state(), global_state)
    torch.manual_seed(99)
    train(make_job(manifest), tmp_path / "b", tmp_path / "wb")
    assert same_files(tmp_path / "a", tmp_path / "b")
    train(make_job(manifest, seed=2), tmp_path / "c", tmp_path / "wc")
    assert not torch.equal(
        weights(tmp_path / "a")["backend.output.weight"],
        weights(tmp_path / "c")["backend.output.weight"],
    )


@pytest.mark.slow
def test_workers_and_memory_change_nothing(tmp_path: Path, manifest: Path) -> None:
    train(make_job(manifest), tmp_path / "a", tmp_path / "wa")
    for name, change in (("b", {"num_workers": 2}), ("c", {"cache_audio_mb": 0})):
        train(make_job(manifest, change), tmp_path / name, tmp_path / f"w{name}")
        model = tmp_path / name / "model.safetensors"
        assert model.read_bytes() == (tmp_path / "a" / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_cached_features_train_the_same_detector(tmp_path: Path, manifest: Path) -> None:
    rows = tables.read_manifest(manifest)
    extract(registry.build(LFCC), POLICY, rows, tmp_path / "f.safetensors")
    features = FeatureReader([tmp_path / "f.safetensors"])
    start = {"train_crop": "start"}
    train(make_job(manifest, start), tmp_path / "audio", tmp_path / "w1")
    job = make_job(manifest, start, train_features=features, dev_features=features)
    train(job, tmp_path / "cache", tmp_path / "w2")
    for name, tensor in weights(tmp_path / "audio").items():
        torch.testing.assert_close(weights(tmp_path / "cache")[name], tensor, atol=1e-4, rtol=1e-3)

    chain = Augmentation([{"effect": "rawboost", "algorithm": 5}], {}, 1)
    with pytest.raises(TrainingError, match="needs audio"):
        train(
            make_job(manifest, train_features=features, augmentation=chain),
            tmp_path / "x",
            tmp_path / "w3",
        )
    with pytest.raises(DetectorError, match="other settings"):
        train(
            make_job(manifest, train_features=features, policy=InputPolicy(length=9000)),
            tmp_path / "x",
            tmp_path / "w3",
        )


@pytest.mark.slow
def test_accumulated_batches_are_one_large_batch(tmp_path: Path, manifest: Path) -> None:
    # Batches of 2 have one class or both: the weights must be normalised over the step.
    weighted = {"class_weights": {"bonafide": 4.9, "spoof": 0.56}}
    large, small = {"batch_size": 6, **weighted}, {"batch_size": 2, "accumulate": 3, **weighted}
    train(make_job(manifest, large), tmp_path / "a", tmp_path / "wa")
    train(make_job(manifest, small), tmp_path / "b", tmp_path / "wb")
    for name, tensor in weights(tmp_path / "a").items():
        torch.testing.assert_close(weights(tmp_path / "b")[name], tensor, atol=1e-5, rtol=1e-5)
    losses = (history(tmp_path / name)["train_loss"].to_list() for name in "ab")
    assert next(losses) == pytest.approx(next(losses), abs=1e-6)


@pytest.mark.slow
def test_augmentation_changes_the_training_and_repeats(tmp_path: Path, manifest: Path) -> None:
    chain = Augmentation([{"effect": "rawboost", "algorithm": 5}], {}, 1)
    train(make_job(manifest), tmp_path / "plain", tmp_path / "w0")
    for name, workers in (("a", 0), ("b", 2)):
        job = make_job(manifest, {"num_workers": workers}, augmentation=chain)
        train(job, tmp_path / name, tmp_path / f"w{name}")
    a, b = (tmp_path / name / "model.safetensors" for name in "ab")
    assert a.read_bytes() == b.read_bytes()
    assert a.read_bytes() != (tmp_path / "plain" / "model.safetensors").read_bytes()


def test_augmentation_can_be_that_of_one_class(manifest: Path) -> None:
    rows = tables.read_manifest(manifest).filter(split="train").head(4)
    targets = np.zeros(rows.height, dtype=np.int64)
    steps = [{"effect": "gain", "gain": [-20, -20]}]

    def values(augmentation: Augmentation | None) -> list[np.ndarray]:
        policy = InputPolicy(length=4000)
        items = TrainingItems(rows, policy, "start", 1, targets=targets, augmentation=augmentation)
        return [items[i].values for i in range(rows.height)]

    plain, marked = values(None), values(Augmentation(steps, {}, 1, ("spoof",)))
    for label, one, other in zip(rows["label"], plain, marked, strict=True):
        np.testing.assert_allclose(other, one * (0.1 if label == "spoof" else 1), rtol=1e-5)


def test_augmentation_is_refused_where_it_would_be_ignored(tmp_path: Path, manifest: Path) -> None:
    chain = Augmentation([{"effect": "rawboost", "algorithm": 5}], {}, 1)
    job = make_job(manifest, backend={"type": "gmm", "components": 2}, augmentation=chain)
    with pytest.raises(TrainingError, match="fitted in one go"):
        train(job, tmp_path / "d", tmp_path / "w")


def test_balanced_weights_are_inverse_to_class_counts(tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path / "c", {"train": 8, "dev": 4})
    rows = tables.read_manifest(manifest)
    tables.write_manifest(manifest, rows.filter(~pl.col("utt_id").is_in(["train0", "train2"])))
    job = make_job(manifest, {"class_weights": "balanced"})
    accelerator = loop._accelerator(job)
    training = loop._Training(job, accelerator, tmp_path / "w")
    assert training.objective.class_weights == {"bonafide": 6 / 4, "spoof": 6 / 8}


@pytest.mark.slow
def test_whole_clips_of_different_lengths_train(tmp_path: Path, manifest: Path) -> None:
    policy = InputPolicy(length=None)
    train(make_job(manifest, policy=policy), tmp_path / "d", tmp_path / "w")
    rows = tables.read_manifest(manifest)
    prediction = Detector.load(tmp_path / "d").predict(rows["path"][0])
    assert prediction["n_windows"] == 1


# --- stages ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_stage_starts_from_the_best_epoch_of_the_one_before(tmp_path: Path, manifest: Path) -> None:
    # A learning rate that overshoots: the best epoch of the first stage is not its last.
    stages = [{"epochs": 5, "lr": 10.0}, {"epochs": 1, "lr": 1e-30}]
    train(
        make_job(manifest, {"select_by": "loss", "stages": stages}), tmp_path / "d", tmp_path / "w"
    )
    table = history(tmp_path / "d")
    assert table["stage"].to_list() == [1, 1, 1, 1, 1, 2]
    assert table["epoch"].to_list() == [1, 2, 3, 4, 5, 6]
    assert table["step"].to_list() == [3, 6, 9, 12, 15, 18]
    losses = table["dev_loss"].to_list()
    assert losses[5] == min(losses[:5]) != losses[4]


@pytest.mark.slow
def test_stage_starts_with_the_bytes_of_that_epoch_and_a_fresh_optimiser(
    tmp_path: Path, manifest: Path
) -> None:
    first = {"epochs": 5, "lr": 0.7, "select_by": "loss"}
    train(make_job(manifest, first), tmp_path / "first", tmp_path / "w1")

    def then(name: str, **second: Any) -> Path:
        stages = [{}, {"epochs": 1, "optimizer": "adam", **second}]
        train(
            make_job(manifest, {**first, "stages": stages}), tmp_path / name, tmp_path / f"w{name}"
        )
        return tmp_path / name / "model.safetensors"

    best = tmp_path / "first" / "model.safetensors"
    assert then("still", lr=1e-30).read_bytes() == best.read_bytes()
    # The first step of a fresh Adam moves every parameter by its learning rate, whatever the
    # gradient; with the momentum of the first stage it would be another way.
    before, after = load_file(best), load_file(then("step", lr=1e-3, batch_size=12))
    for name in ("backend.output.weight", "backend.output.bias"):
        moved = (after[name] - before[name]).abs()
        torch.testing.assert_close(moved, torch.full_like(moved, 1e-3), atol=2e-5, rtol=0.0)


@pytest.mark.slow
def test_patience_ends_a_stage(tmp_path: Path, manifest: Path) -> None:
    recipe = {"epochs": 9, "lr": 1e-30, "patience": 2}
    train(make_job(manifest, recipe), tmp_path / "d", tmp_path / "w")
    assert history(tmp_path / "d").height == 3


@pytest.mark.slow
def test_frozen_stage_leaves_the_front_end_alone(tmp_path: Path, manifest: Path) -> None:
    write_tiny_backbone(tmp_path / "b", "wavlm", {"hidden_size": 16, "layers": 1}, 1)
    backbone = {"family": "wavlm", "folder": str(tmp_path / "b")}
    frontend = {"type": "ssl", "backbone": backbone, "fine_tune": "all"}
    original = registry.build(frontend).state_dict()
    changed = {}
    for name, stages in (
        ("frozen", [{"freeze_frontend": True}]),
        ("both", [{"freeze_frontend": True}, {"lr_frontend": 1e-3}]),
    ):
        job = make_job(
            manifest, {"epochs": 1, "batch_size": 6, "stages": stages}, frontend=frontend
        )
        train(job, tmp_path / name, tmp_path / f"w{name}")
        state = load_file(tmp_path / name / "model.safetensors")
        changed[name] = [
            key for key in original if not torch.equal(state[f"frontend.{key}"], original[key])
        ]
    assert changed["frozen"] == []
    assert any("feature_extractor" in key for key in changed["both"])
    assert any("encoder.layers.0" in key for key in changed["both"])


def test_hidden_blocks_are_of_all_channels_and_only_in_training() -> None:
    masks = Masks(time_masks=1, time_share=0.5, band_masks=1, band_share=0.25)
    values = 1 + torch.rand(200, 2, 30, 16, generator=torch.Generator().manual_seed(1))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        masked = masks.apply(values)
    hidden = masked == 0
    assert torch.equal(masked[~hidden], values[~hidden])
    assert torch.equal(hidden[:, 0], hidden[:, 1])
    frames, bands = hidden[:, 0].all(dim=2), hidden[:, 0].all(dim=1)
    assert torch.equal(hidden[:, 0], frames[:, :, None] | bands[:, None, :])
    for blocks, longest in ((frames, 15), (bands, 4)):
        width = blocks.sum(dim=1)
        assert 0 <= width.min() < longest / 4
        assert longest / 2 < width.max() <= longest
        # One block each: it begins at most once.
        begins = blocks[:, 0].int() + (blocks[:, 1:] & ~blocks[:, :-1]).sum(dim=1)
        assert begins.max() == 1
        # And may lie anywhere; it ends at the very last frame once in a while only.
        assert blocks.any(dim=0)[:-1].all()

    module = torch.nn.Identity()
    seen = []
    module.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with masked_in_training(module, masks):
        module.train()(values)
        module.eval()(values)
    module.train()(values)
    assert not torch.equal(seen[0], values)
    assert torch.equal(seen[1], values)
    assert torch.equal(seen[2], values)


@pytest.mark.slow
def test_masks_repeat_and_are_no_part_of_the_detector(tmp_path: Path, manifest: Path) -> None:
    train(make_job(manifest), tmp_path / "plain", tmp_path / "w0")
    masks = {"spec_augment": {"time_share": 0.5, "band_share": 0.5}}
    for name in "ab":
        train(make_job(manifest, masks), tmp_path / name, tmp_path / f"w{name}")
    assert same_files(tmp_path / "a", tmp_path / "b")
    plain, masked = (history(tmp_path / name)["train_loss"][-1] for name in ("plain", "a"))
    assert masked != plain
    # Dev is heard whole: what the history says of it, the saved detector says again.
    detector = Detector.load(tmp_path / "a")
    assert detector.meta["recipe"]["spec_augment"]["band_share"] == 0.5
    assert detector.meta["dev_eer"] == min(history(tmp_path / "a")["dev_eer"])


@pytest.mark.slow
@pytest.mark.parametrize("preset", presets.available())
def test_every_preset_trains_what_it_says(tmp_path: Path, manifest: Path, preset: str) -> None:
    options = {"hidden_size": 16, "layers": 3, "intermediate_size": 16, "conv_dim": 8}
    write_tiny_backbone(tmp_path / "b", "wav2vec2", options, 1)
    backbone = {"family": "wav2vec2", "folder": str(tmp_path / "b")}
    frontend: dict[str, Any] = {"type": "ssl", "backbone": backbone, "fine_tune": "all"}
    if preset == "two_stage":
        frontend |= {"fine_tune": "top", "top_layers": 2}
    original = registry.build(frontend).state_dict()
    # Rates as in the preset; batches of 4 give the twelve clips three steps.
    changes = {"preset": preset, "epochs": 1, "batch_size": 4, "accumulate": 1}
    job = make_job(manifest, frontend=frontend)
    job = replace(job, recipe=resolve_recipe(changes))
    train(job, tmp_path / "d", tmp_path / "w")

    record = json.loads((tmp_path / "d" / "detector.json").read_text())["meta"]
    assert record["recipe"] == job.recipe.to_dict()
    assert record["recipe"]["preset"] == preset
    assert record["mixed_precision"] == "no"
    state = Detector.load(tmp_path / "d").state_dict()
    changed = {
        key.split(".conv_layers.")[0].removeprefix("model.")
        for key in original
        if not torch.equal(state[f"frontend.{key}"], original[key])
    }
    layers = {key.split(".")[2] for key in changed if key.startswith("encoder.layers.")}
    if preset in ("frozen_backbone", "layerwise"):
        assert changed == set()
    elif preset == "two_stage":
        assert layers == {"1", "2"}
        assert all(key.startswith("encoder.layers.") for key in changed)
    else:
        assert layers == {"0", "1", "2"}
        assert "feature_extractor" in changed
    assert history(tmp_path / "d").height == len(job.recipe.stages)


# --- refusals ----------------------------------------------------------------------------------


class BrokenFeatures:
    """Features of which one utterance's are NaN."""

    def __init__(self, features: FeatureReader) -> None:
        self.features, self.settings = features, features.settings

    def __getitem__(self, utt_id: str) -> list[np.ndarray]:
        values = self.features[utt_id]
        return [v * np.float32(np.nan) for v in values] if utt_id == "train5" else values


def test_loss_that_is_not_finite_names_the_utterances(tmp_path: Path, manifest: Path) -> None:
    frontend = {"type": "lfcc"}
    rows = tables.read_manifest(manifest)
    extract(registry.build(frontend), POLICY, rows, tmp_path / "f.safetensors")
    features = BrokenFeatures(FeatureReader([tmp_path / "f.safetensors"]))
    job = make_job(manifest, frontend=frontend, train_features=features)
    with pytest.raises(TrainingError, match=r"loss is nan in stage 1, epoch 1, step \d.*train5"):
        train(job, tmp_path / "d", tmp_path / "w")
    assert not (tmp_path / "d").exists()


def test_diverged_training_is_stopped(tmp_path: Path, manifest: Path) -> None:
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train(make_job(manifest, {"lr": 3e37}), tmp_path / "d", tmp_path / "w")


def test_sets_without_both_classes_are_refused(tmp_path: Path, manifest: Path) -> None:
    rows = tables.read_manifest(manifest)
    one_class = tmp_path / "one.tsv"
    tables.write_manifest(one_class, rows.filter(pl.col("label") == "spoof"))
    for change in ({"train": [Source(one_class, "train")]}, {"dev": [Source(one_class, "dev")]}):
        with pytest.raises(TrainingError, match="no bonafide utterance"):
            train(make_job(manifest, **change), tmp_path / "d", tmp_path / "w")
    with pytest.raises(TrainingError, match="has no source"):
        train(make_job(manifest, train=[]), tmp_path / "d", tmp_path / "w")
    twice = [Source(manifest, "train"), Source(manifest, "train")]
    with pytest.raises(TrainingError, match="'train0' is in two of them"):
        train(make_job(manifest, train=twice), tmp_path / "d", tmp_path / "w")


def test_settings_that_do_not_fit_are_refused(tmp_path: Path, manifest: Path) -> None:
    with pytest.raises(ConfigError, match="needs cross_entropy"):
        train(make_job(manifest, {"loss": "bce"}), tmp_path / "d", tmp_path / "w")
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        train(make_job(manifest, {"mixed_precision": "fp16"}), tmp_path / "d", tmp_path / "w")
    gmm = {"type": "gmm", "components": 2}
    with pytest.raises(ConfigError, match="processes is 2, but 1"):
        train(make_job(manifest, {"processes": 2}, backend=gmm), tmp_path / "d", tmp_path / "w")
    with pytest.raises(ConfigError, match="device"):
        train(make_job(manifest, device="gpu"), tmp_path / "d", tmp_path / "w")
    with pytest.raises(TrainingError, match="must not be inside"):
        train(make_job(manifest), tmp_path / "d", tmp_path / "d" / "w")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "notes.txt").touch()
    with pytest.raises(DetectorError, match=r"notes\.txt"):
        train(make_job(manifest), tmp_path / "d", tmp_path / "w")


# --- interruptions -----------------------------------------------------------------------------

DROPOUT = {"type": "lcnn"}
RESUMED = {
    "checkpoint_minutes": 1e-9,
    "schedule": "linear",
    "batch_size": 6,
    "stages": [{"epochs": 2, "lr": 1e-3}, {"epochs": 1, "lr": 1e-4}],
}


class Killed(BaseException):
    pass


@pytest.mark.slow
def test_interrupted_after_any_checkpoint_it_ends_the_same(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(
        registry.build(LFCC), POLICY, tables.read_manifest(manifest), tmp_path / "f.safetensors"
    )
    features = FeatureReader([tmp_path / "f.safetensors"])
    cached = {"train_features": features, "dev_features": features}
    job = make_job(manifest, RESUMED, backend=DROPOUT, **cached)
    train(job, tmp_path / "whole", tmp_path / "w0")
    save = Checkpoints.save

    def save_and_die(self: Checkpoints, *arguments: Any) -> None:
        save(self, *arguments)
        raise Killed

    monkeypatch.setattr(Checkpoints, "save", save_and_die)
    seen = []
    while not (tmp_path / "resumed").exists():
        try:
            train(job, tmp_path / "resumed", tmp_path / "study/work/lcnn/seed1")
        except Killed:
            # What `spoofscope track --follow` sees of it.
            seen += trainings(tmp_path / "study")
    # After every step and every epoch; a training has its name by its first epoch.
    assert [len(training.points) for training in seen] == [1, 1, 1, 2, 2, 2, 3]
    assert same_files(tmp_path / "whole", tmp_path / "resumed")
    # The folder of the work has the same name there as that of the result.
    (tmp_path / "study/detectors/lcnn").mkdir(parents=True)
    (tmp_path / "resumed").rename(tmp_path / "study/detectors/lcnn/seed1")
    (finished,) = trainings(tmp_path / "study")
    assert finished == seen[-1]._replace(finished=True)
    events = EventAccumulator(str(tmp_path / "study/work/lcnn/seed1/tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in events.Scalars("dev/eer")] == [2, 4, 6]


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"seed": 7}, {"code": "other"}])
def test_resume_file_of_another_training_is_not_used(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    def die(*_: Any) -> None:
        raise Killed

    train(make_job(manifest), tmp_path / "whole", tmp_path / "w0")
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "remove", die)
        with pytest.raises(Killed):
            train(make_job(manifest, **change), tmp_path / "other", tmp_path / "w1")
    assert (tmp_path / "w1" / "resume.pt").is_file()
    train(make_job(manifest), tmp_path / "d", tmp_path / "w1")
    assert same_files(tmp_path / "whole", tmp_path / "d")

    (tmp_path / "w1" / "resume.pt").write_bytes(b"torn")
    with pytest.raises(TrainingError, match="delete it"):
        train(make_job(manifest), tmp_path / "d", tmp_path / "w1")


SCRIPT = """
import json, sys
from pathlib import Path
from spoofscope.windows import InputPolicy
from spoofscope.objectives.detection import Detection
from spoofscope.training.data import Source
from spoofscope.training.loop import TrainingJob, train
from spoofscope.training.recipe import resolve_recipe

if __name__ == "__main__":
    manifest, out, work, recipe, backend = sys.argv[1:]
    train(
        TrainingJob(
            Detection,
            {"type": "lfcc", "normalise": "global"}, {"type": backend}, InputPolicy(length=4000),
            resolve_recipe(json.loads(recipe)),
            [Source(Path(manifest), "train")], [Source(Path(manifest), "dev")], 1,
        ),
        out, work,
    )
"""


@pytest.fixture
def command(tmp_path: Path, manifest: Path) -> Callable[..., list[str]]:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)

    def arguments(name: str, recipe: dict[str, Any], backend: str) -> list[str]:
        folders = [str(tmp_path / name), str(tmp_path / f"work-{name}")]
        return [str(script), str(manifest), *folders, json.dumps({**RECIPE, **recipe}), backend]

    return arguments


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_kill_9_at_any_time_ends_in_the_same_weights(
    tmp_path: Path, command: Callable[..., list[str]]
) -> None:
    recipe = {"checkpoint_minutes": 1e-9, "epochs": 6, "lr": 1e-3}

    def start(name: str) -> subprocess.Popen[bytes]:
        arguments = command(name, recipe, "lcnn")
        return subprocess.Popen([sys.executable, *arguments], env=ENVIRONMENT)

    assert start("whole").wait() == 0
    resume = tmp_path / "work-killed" / "resume.pt"
    kills = 0
    for delay in (0.03, 0.07, 0.11):
        process = start("killed")
        before = resume.stat().st_mtime_ns if resume.exists() else 0
        while process.poll() is None and not (
            resume.exists() and resume.stat().st_mtime_ns != before
        ):
            time.sleep(0.005)
        time.sleep(delay)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
    assert kills == 3
    assert not (tmp_path / "killed").exists()
    assert start("killed").wait() == 0
    assert same_files(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_half_precision_trains_and_is_saved_in_single(
    tmp_path: Path, command: Callable[..., list[str]]
) -> None:
    # In a process of its own: accelerate keeps one precision per process.
    arguments = command("bf16", {"mixed_precision": "bf16", "epochs": 6}, "linear")
    subprocess.run([sys.executable, *arguments], env=ENVIRONMENT, check=True)
    assert {tensor.dtype for tensor in weights(tmp_path / "bf16").values()} == {torch.float32}
    losses = history(tmp_path / "bf16")["train_loss"].to_list()
    assert losses[-1] < 0.8 * losses[0]


# --- one class ----------------------------------------------------------------------------------


def test_one_class_loss_in_closed_form():
    cosines, is_bonafide = [0.95, 0.1, 0.3, -0.5], [True, True, False, False]
    excess = np.array([0.9 - 0.95, 0.9 - 0.1, 0.3 - 0.2, -0.5 - 0.2])
    losses, weights = np.log1p(np.exp(20 * excess)), np.array([3.0, 3, 1, 1])
    loss = one_class_loss(
        torch.tensor(cosines),
        torch.tensor(is_bonafide),
        OcSoftmax(),
        {"bonafide": 3.0, "spoof": 1.0},
    )
    assert float(loss) == pytest.approx((losses * weights).sum() / weights.sum(), rel=1e-5)
    with pytest.raises(ConfigError, match="spoof_margin has to be below bonafide_margin"):
        OcSoftmax(bonafide_margin=0.2, spoof_margin=0.2)


@pytest.mark.slow
def test_bona_fide_speech_is_pulled_to_the_prototype(manifest: Path, tmp_path: Path):
    job = make_job(
        manifest,
        {"epochs": 30, "lr": 0.03, "batch_size": 12},
        backend={"type": "cnn", "hidden": 8, "dropout": 0.0},
        options={"objective": {"type": "oc_softmax"}},
    )
    train(job, tmp_path / "d", tmp_path / "w")
    detector = Detector.load(tmp_path / "d")
    rows = tables.read_manifest(manifest).filter(pl.col("split") == "dev")
    cosines = {"bonafide": [], "spoof": []}
    for path, label in rows.select("path", "label").iter_rows():
        cosines[label].append(detector.predict(path)["score"])
    assert np.mean(cosines["bonafide"]) > 0.85
    assert np.mean(cosines["spoof"]) < 0.25
    assert detector.calibration is not None
    assert "the cosine to a prototype" in (tmp_path / "d/card.md").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backend": {"type": "gmm"}}, "oc_softmax needs a back-end that is trained"),
        ({"backend": {"type": "cnn", "n_outputs": 2}}, "oc_softmax has one output"),
        ({"recipe": {"loss": "bce"}}, "recipe.loss: it is that of `objective`"),
        ({"objective": {"type": "oc_softmax", "alpha": 0}}, "objective.alpha"),
        ({"objective": {"type": "softmax"}}, "objective.type: 'softmax'"),
    ],
)
def test_one_class_and_what_does_not_fit(change, message):
    config = copy.deepcopy(read_config(MINI))
    detector = config["detectors"]["fbank_cnn"]
    detector["objective"] = change.get("objective", {"type": "oc_softmax"})
    detector["backend"] = change.get("backend", detector["backend"])
    detector["train"]["recipe"] |= change.get("recipe", {})
    with pytest.raises(ConfigError, match=re.escape(message)):
        checked(config)
