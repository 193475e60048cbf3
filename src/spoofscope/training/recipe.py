"""The training recipe: every option, its default and its range."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spoofscope.errors import ConfigError
from spoofscope.options import check_keys
from spoofscope.options import training as options_of
from spoofscope.options.declared import chosen, option_names
from spoofscope.presets import with_values
from spoofscope.training.masks import Masks


@dataclass(frozen=True)
class Stage:
    """One stage of a training. Without the key `stages`, a recipe is its own single stage.

    Attributes:
        epochs: passes over the training set.
        freeze_frontend: train the back-end alone, with the front-end in evaluation mode.
        optimizer: "adam" (weight decay as an L2 term of the loss) or "adamw" (decoupled).
        lr: learning rate of the back-end.
        lr_frontend: of the front-end's trained parameters; the same as `lr` by default.
        weight_decay: of all trained parameters.
        batch_size: utterances per forward pass and process.
        accumulate: forward passes per optimiser step.
        schedule: "constant", "linear" or "cosine" decay to 0 at the last step, after the warm-up.
        warmup_steps: optimiser steps over which the learning rate rises linearly from 0.
        warmup_share: the same as a share of all steps of the stage, in place of `warmup_steps`.
        grad_clip: largest norm of the gradient, or None.
        patience: stop after so many epochs without a better result on dev, or None.
    """

    epochs: int
    freeze_frontend: bool
    optimizer: str
    lr: float
    lr_frontend: float
    weight_decay: float
    batch_size: int
    accumulate: int
    schedule: str
    warmup_steps: int
    warmup_share: float | None
    grad_clip: float | None
    patience: int | None

    def lr_factor(self, step: int, n_steps: int) -> float:
        """What the learning rates are multiplied with at optimiser step `step` of `n_steps`."""
        warmup = self.warmup_steps
        if self.warmup_share is not None:
            warmup = int(self.warmup_share * n_steps)
        if step < warmup:
            return step / warmup
        if self.schedule == "constant":
            return 1.0
        done = (step - warmup) / max(1, n_steps - warmup)
        return 1.0 - done if self.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        stages: one after the other, each from the best checkpoint of the one before.
        preset: name of the preset that the values come from where the study file says nothing
            else, or None.
        processes: so many train together on one machine, each on a GPU where there are any; a step
            sees `processes` times as many utterances.
        loss: "cross_entropy" (two logits) or "bce" (one); by default what the back-end needs.
        class_weights: label to weight, "balanced" (n / (2 n_class)) or "none".
        sampler: "shuffle" (every utterance once per epoch) or "balanced" (as many draws, with
            replacement, both classes equally likely).
        train_crop: which window of a longer clip an epoch sees: "random" or "start".
        select_by: "eer", "min_dcf" or "loss" on the development set; the lowest wins, among equals
            the lowest loss.
        spec_augment: blocks of time and of bands that are hidden in training, or None.
        recalibrate_norms: after the training, the statistics of the back-end's batch norms are
            estimated once more over the training set, without dropout and augmentation on the fly.
        mixed_precision: "no", "bf16", "fp16" (GPU only), or "auto": on a GPU bf16, or fp16 where it
            has no bf16, and on the CPU no.
        checkpoint_minutes: time between resume files within an epoch.
        num_workers: processes that prepare batches; 0 prepares them in the training process.
        cache_audio_mb: decoded audio is kept in memory where all of it fits into this.
    """

    stages: tuple[Stage, ...]
    preset: str | None
    processes: int
    loss: str | None
    class_weights: str | dict[str, float]
    sampler: str
    train_crop: str
    select_by: str
    spec_augment: Masks | None
    recalibrate_norms: bool
    mixed_precision: str
    checkpoint_minutes: float
    num_workers: int
    cache_audio_mb: float

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values."""
        return {**asdict(self), "stages": [asdict(stage) for stage in self.stages]}


def resolve_recipe(config: Mapping[str, Any]) -> Recipe:
    """Check a study file's `recipe` and fill in its preset and the defaults.

    Options of `Stage` that stand beside `stages` hold for every stage that does not say otherwise.
    Those that stand beside `preset` hold for all of the preset's stages; `stages` beside it changes
    them one by one.

    Raises:
        ConfigError: an unknown preset or option, or a value out of range.
    """
    owner = "recipe"
    name, config = _without_preset(with_values(config, owner), owner)
    shared = chosen(config, options_of.Stage)
    # The values of all stages are checked with them.
    given = {key: value for key, value in config.items() if key not in shared}
    options = options_of.Recipe.from_dict(given, owner).to_dict()
    entries = config.get("stages", [{}])
    stages = tuple(
        _stage({**shared, **stage}, f"{owner}.stages[{i}]" if "stages" in config else owner)
        for i, stage in enumerate(entries)
    )
    masks = options["spec_augment"]
    return Recipe(
        stages=stages,
        preset=name,
        processes=options["processes"],
        loss=options["loss"],
        class_weights=options["class_weights"],
        sampler=options["sampler"],
        train_crop=options["train_crop"],
        select_by=options["select_by"],
        spec_augment=None if masks is None else Masks(**masks),
        recalibrate_norms=options["recalibrate_norms"],
        mixed_precision=options["mixed_precision"],
        checkpoint_minutes=options["checkpoint_minutes"],
        num_workers=options["num_workers"],
        cache_audio_mb=options["cache_audio_mb"],
    )


def _without_preset(recipe: Mapping[str, Any], owner: str) -> tuple[str | None, dict[str, Any]]:
    """The name of the preset, and its values overlaid with what is given beside it."""
    overrides = {key: value for key, value in recipe.items() if key != "preset"}
    if recipe.get("preset") is None:
        return None, overrides
    preset = recipe["preset"]
    merged = {**preset["values"], **overrides}
    stages = preset["values"].get("stages")
    stage_options = option_names(options_of.Stage)
    if stages is not None:
        changes = overrides.get("stages", [{} for _ in stages])
        if not isinstance(changes, list) or len(changes) != len(stages):
            raise ConfigError(
                f"{owner}: preset {preset['name']} has {len(stages)} stages, so `stages` beside it "
                f"needs {len(stages)} entries ({{}} changes nothing)"
            )
        for i, change in enumerate(changes):
            check_keys(change, stage_options, f"{owner}.stages[{i}]")
        shared = {key: value for key, value in overrides.items() if key in stage_options}
        merged["stages"] = [
            {**stage, **shared, **change} for stage, change in zip(stages, changes, strict=True)
        ]
    return preset["name"], merged


def _stage(values: Mapping[str, Any], owner: str) -> Stage:
    options = options_of.Stage.from_dict(values, owner).to_dict()
    if options["lr_frontend"] is None:
        options["lr_frontend"] = options["lr"]
    return Stage(**options)
