from pathlib import Path
from typing import Any

import pytest
import yaml

from spoofscope import presets
from spoofscope.errors import ConfigError
from spoofscope.plan.study_plan import checked
from spoofscope.study import Study
from spoofscope.training.recipe import resolve_recipe

STUDY = """
study: s
title: S
seed: 1
data_root: data
scatter_shards: {}
corpora: {c: {type: mini}}
backbones: {tiny: {family: wavlm, tiny: {}}}
frontends:
  frozen: {type: ssl, backbone: tiny}
  tuned: {type: ssl, backbone: tiny, fine_tune: all}
detectors:
  a: {frontend: frozen, backend: {type: linear}, train: {data: [{corpus: c}]}}
  b:
    frontend: tuned
    backend: {type: linear}
    train: {data: [{corpus: c}], recipe: {preset: joint_fine_tuning}}
  c: {frontend: frozen, backend: {type: linear}, train: {data: [{corpus: c}]}}
score: [{corpus: c, splits: [eval]}]
"""


def make_study(recipe: dict[str, Any]) -> Study:
    config = yaml.safe_load(STUDY)
    config["detectors"]["a"]["train"]["recipe"] = recipe
    return checked(config)


def settings_of(detector: str, recipe: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = make_study(recipe).run_of(detector).settings
    return settings


# --- what the papers say -------------------------------------------------------------------------


def test_joint_fine_tuning_is_that_of_the_paper() -> None:
    recipe = resolve_recipe({"preset": "joint_fine_tuning"})
    (stage,) = recipe.stages
    assert (stage.optimizer, stage.lr, stage.lr_frontend) == ("adamw", 1e-3, 1e-6)
    assert (stage.weight_decay, stage.epochs, stage.schedule) == (0.01, 10, "constant")
    assert stage.batch_size * stage.accumulate == 16
    assert (recipe.sampler, recipe.select_by, recipe.class_weights) == (
        "balanced",
        "min_dcf",
        "none",
    )


def test_frozen_and_warm_up_differ_from_it_in_what_is_trained() -> None:
    (frozen,) = resolve_recipe({"preset": "frozen_backbone"}).stages
    assert frozen.freeze_frontend
    first, second = resolve_recipe({"preset": "warm_up_unfreeze"}).stages
    assert (first.freeze_frontend, second.freeze_frontend) == (True, False)
    assert first.epochs + second.epochs == frozen.epochs == 10
    assert second.lr_frontend == 1e-6
    for stage in (frozen, first, second):
        assert (stage.optimizer, stage.lr, stage.weight_decay) == ("adamw", 1e-3, 0.01)
        assert stage.batch_size * stage.accumulate == 16


def test_layerwise_is_that_of_the_paper() -> None:
    recipe = resolve_recipe({"preset": "layerwise"})
    (stage,) = recipe.stages
    assert (stage.optimizer, stage.lr, stage.weight_decay) == ("adam", 1e-4, 1e-4)
    assert (stage.batch_size, stage.epochs, stage.patience) == (32, 50, 10)
    assert (recipe.select_by, recipe.train_crop, recipe.sampler) == ("loss", "start", "shuffle")


def test_two_stage_is_as_published() -> None:
    recipe = resolve_recipe({"preset": "two_stage"})
    head, tuning = recipe.stages
    assert (head.lr, head.batch_size, head.epochs, head.schedule) == (1e-3, 32, 5, "constant")
    assert (tuning.lr, tuning.lr_frontend, tuning.batch_size, tuning.epochs) == (1e-5, 1e-5, 16, 10)
    assert (head.freeze_frontend, tuning.freeze_frontend) == (True, False)
    for stage in recipe.stages:
        assert (stage.optimizer, stage.weight_decay) == ("adamw", 0.01)
        assert (stage.grad_clip, stage.patience) == (1.0, 3)
    assert (recipe.class_weights, recipe.select_by) == ("balanced", "eer")
    # 34,036 windows in batches of 16, 10 epochs: 21,280 steps, the first tenth of them warm-up.
    assert tuning.lr_factor(0, 21280) == 0.0
    assert tuning.lr_factor(1064, 21280) == 0.5
    assert tuning.lr_factor(2128, 21280) == 1.0
    assert tuning.lr_factor(11704, 21280) == pytest.approx(0.5)


# --- a preset and what stands beside it ----------------------------------------------------------


def test_what_stands_beside_a_preset_changes_it_in_every_stage() -> None:
    recipe = resolve_recipe({"preset": "two_stage", "epochs": 1, "class_weights": "none"})
    assert recipe.preset == "two_stage"
    assert [stage.epochs for stage in recipe.stages] == [1, 1]
    assert recipe.class_weights == "none"
    changed = {"preset": "two_stage", "epochs": 1, "stages": [{}, {"epochs": 3, "lr": 0.5}]}
    head, tuning = resolve_recipe(changed).stages
    assert (head.epochs, tuning.epochs) == (1, 3)
    assert (head.lr, tuning.lr, tuning.lr_frontend) == (1e-3, 0.5, 1e-5)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"preset": "two_stages"}, "'two_stages' is not known; did you mean 'two_stage'"),
        ({"preset": "two_stage", "stages": [{}]}, "needs 2 entries"),
        ({"preset": "two_stage", "stages": [{}, {"epoch": 1}]}, r"stages\[1\].*'epochs'"),
        ({"preset": "two_stage", "epoch": 1}, "did you mean 'epochs'"),
        ({"preset": "two_stage", "warmup_steps": 9}, "warmup_steps or warmup_share"),
        ({"warmup_share": 1.5}, "of at least 0 and of at most 1"),
    ],
)
def test_wrong_presets_and_changes_are_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_recipe(recipe)


# --- presets in a study --------------------------------------------------------------------------


@pytest.mark.parametrize("name", presets.available())
def test_every_preset_passes_as_a_recipe_of_a_study(name: str) -> None:
    config = yaml.safe_load(STUDY)
    config["detectors"]["b"]["train"]["recipe"] = {"preset": name}
    settings = checked(config).run_of("b").settings
    resolved = resolve_recipe(settings["recipe"])
    assert resolved == resolve_recipe({"preset": name})
    assert resolved.to_dict()["preset"] == name


def test_presets_are_refused_when_the_study_is_read() -> None:
    with pytest.raises(ConfigError, match=r"detectors\.a\.train\.recipe\.preset: .*'layerwise'"):
        make_study({"preset": "layerwize"})
    with pytest.raises(ConfigError, match=r"frontends\.frozen has nothing to train.*fine_tune"):
        make_study({"preset": "two_stage"})


def test_an_edited_preset_makes_new_runs_of_the_detectors_that_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in presets.available():
        (tmp_path / f"{name}.yaml").write_text((presets.FOLDER / f"{name}.yaml").read_text())

    def run_ids() -> dict[str, str]:
        study = make_study({"preset": "layerwise", "epochs": 3})
        return {run.detector: run.id for run in study.runs.values()}

    monkeypatch.setattr(presets, "FOLDER", tmp_path)
    before = run_ids()
    file = tmp_path / "layerwise.yaml"
    file.write_text(f"# Another comment.\n{file.read_text()}")
    presets._read.cache_clear()
    assert run_ids() == before
    file.write_text(file.read_text().replace("patience: 10", "patience: 12"))
    presets._read.cache_clear()
    after = run_ids()
    assert [name for name in before if after[name] != before[name]] == ["a"]


def test_a_preset_with_a_misspelt_key_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text("epoch: 3\n")
    monkeypatch.setattr(presets, "FOLDER", tmp_path)
    with pytest.raises(ConfigError, match=r"preset mine: unknown key 'epoch'.*'epochs'"):
        make_study({"preset": "mine"})
