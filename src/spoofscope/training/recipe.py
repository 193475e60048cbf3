"""The training recipe: every option, its default and its range."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spoofscope.components import one_of, positive_int, probability, resolve
from spoofscope.errors import ConfigError
from spoofscope.options import check_keys
from spoofscope.options import training as options_of
from spoofscope.options.declared import filled
from spoofscope.presets import with_values
from spoofscope.tables import LABELS
from spoofscope.training.masks import Masks

_STAGE_DEFAULTS = filled({}, options_of.Stage)
_RECIPE_DEFAULTS = {
    key: value for key, value in filled({}, options_of.Recipe).items() if key != "preset"
}
_MASK_DEFAULTS = filled({}, options_of.SpecAugment)


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
    options = resolve(config, {**_RECIPE_DEFAULTS, "stages": None}, owner)
    shared = {key: options[key] for key in _STAGE_DEFAULTS}
    entries = options["stages"]
    if entries is None:
        entries = [{}]
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{owner}: stages must be a list of at least one stage")
    stages = tuple(
        _stage(resolve(stage, shared, f"{owner}.stages[{i}]"), f"{owner}.stages[{i}]")
        for i, stage in enumerate(entries)
    )
    if options["loss"] is not None:
        one_of(options, "loss", ("cross_entropy", "bce"), owner)
    return Recipe(
        stages=stages,
        preset=name,
        processes=positive_int(options, "processes", owner),
        loss=options["loss"],
        class_weights=_class_weights(options["class_weights"]),
        sampler=one_of(options, "sampler", ("shuffle", "balanced"), owner),
        train_crop=one_of(options, "train_crop", ("random", "start"), owner),
        select_by=one_of(options, "select_by", ("eer", "min_dcf", "loss"), owner),
        spec_augment=_masks(options["spec_augment"], f"{owner}.spec_augment"),
        recalibrate_norms=one_of(options, "recalibrate_norms", (True, False), owner),
        mixed_precision=one_of(options, "mixed_precision", ("no", "bf16", "fp16", "auto"), owner),
        checkpoint_minutes=_number(options, "checkpoint_minutes", owner),
        num_workers=_count(options, "num_workers", owner),
        cache_audio_mb=_number(options, "cache_audio_mb", owner),
    )


def _masks(given: Mapping[str, Any] | None, owner: str) -> Masks | None:
    if given is None:
        return None
    options = resolve(given, _MASK_DEFAULTS, owner)
    return Masks(
        time_masks=_count(options, "time_masks", owner),
        time_share=probability(options, "time_share", owner),
        band_masks=_count(options, "band_masks", owner),
        band_share=probability(options, "band_share", owner),
    )


def _without_preset(recipe: Mapping[str, Any], owner: str) -> tuple[str | None, dict[str, Any]]:
    """The name of the preset, and its values overlaid with what is given beside it."""
    overrides = {key: value for key, value in recipe.items() if key != "preset"}
    if recipe.get("preset") is None:
        return None, overrides
    preset = recipe["preset"]
    merged = {**preset["values"], **overrides}
    stages = preset["values"].get("stages")
    if stages is not None:
        changes = overrides.get("stages", [{} for _ in stages])
        if not isinstance(changes, list) or len(changes) != len(stages):
            raise ConfigError(
                f"{owner}: preset {preset['name']} has {len(stages)} stages, so `stages` beside it "
                f"needs {len(stages)} entries ({{}} changes nothing)"
            )
        for i, change in enumerate(changes):
            check_keys(change, _STAGE_DEFAULTS, f"{owner}.stages[{i}]")
        shared = {key: value for key, value in overrides.items() if key in _STAGE_DEFAULTS}
        merged["stages"] = [
            {**stage, **shared, **change} for stage, change in zip(stages, changes, strict=True)
        ]
    return preset["name"], merged


def _stage(options: Mapping[str, Any], owner: str) -> Stage:
    lr = _number(options, "lr", owner)
    share = None
    if options["warmup_share"] is not None:
        share = _number(options, "warmup_share", owner)
        if share > 1:
            raise ConfigError(f"{owner}: warmup_share must be between 0 and 1, not {share!r}")
        if options["warmup_steps"]:
            raise ConfigError(f"{owner}: give warmup_steps or warmup_share, not both")
    return Stage(
        epochs=positive_int(options, "epochs", owner),
        freeze_frontend=one_of(options, "freeze_frontend", (True, False), owner),
        optimizer=one_of(options, "optimizer", ("adam", "adamw"), owner),
        lr=lr,
        lr_frontend=lr
        if options["lr_frontend"] is None
        else _number(options, "lr_frontend", owner),
        weight_decay=_number(options, "weight_decay", owner),
        batch_size=positive_int(options, "batch_size", owner),
        accumulate=positive_int(options, "accumulate", owner),
        schedule=one_of(options, "schedule", ("constant", "linear", "cosine"), owner),
        warmup_steps=_count(options, "warmup_steps", owner),
        warmup_share=share,
        grad_clip=None if options["grad_clip"] is None else _number(options, "grad_clip", owner),
        patience=None if options["patience"] is None else positive_int(options, "patience", owner),
    )


def _number(options: Mapping[str, Any], key: str, owner: str) -> float:
    value = options[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        # A text such as 1e-4 is what YAML makes of a number without a decimal point.
        hint = "; in YAML, write 1.0e-4 for 1e-4" if isinstance(value, str) else ""
        raise ConfigError(f"{owner}: {key} must be a number, not {value!r}{hint}")
    if not 0 <= value < math.inf:
        raise ConfigError(f"{owner}: {key} must be 0 or more, not {value!r}")
    return float(value)


def _count(options: Mapping[str, Any], key: str, owner: str) -> int:
    value = options[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(f"{owner}: {key} must be a whole number of 0 or more, not {value!r}")
    return value


def _class_weights(value: Any) -> str | dict[str, float]:
    if isinstance(value, Mapping):
        if set(value) != set(LABELS):
            raise ConfigError("recipe: class_weights needs the keys bonafide and spoof")
        return {label: _number(value, label, "recipe.class_weights") for label in LABELS}
    return str(one_of({"class_weights": value}, "class_weights", ("none", "balanced"), "recipe"))
