"""How detectors are trained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from spoofscope.errors import ConfigError
from spoofscope.options.declared import Options, option, optional

_Weight = Annotated[float, {"minimum": 0}]


@dataclass(frozen=True, kw_only=True)
class Stage(Options):
    """One stage of a training."""

    epochs: int = option(10, minimum=1, maximum=100000)
    """Passes over the training set."""
    freeze_frontend: bool = option(False)
    """Train the back-end alone."""
    optimizer: Literal["adam", "adamw"] = option("adamw")
    """Weight decay as an L2 term of the loss, or decoupled."""
    lr: float = option(1e-3, exclusiveMinimum=0)
    """Learning rate of the back-end."""
    lr_frontend: float | None = option(None, exclusiveMinimum=0)
    """Of the front-end's trained parameters; default: lr."""
    weight_decay: float = option(0.0, minimum=0)
    """Of all trained parameters."""
    batch_size: int = option(16, minimum=1, maximum=65536)
    """Utterances per forward pass and process."""
    accumulate: int = option(1, minimum=1, maximum=65536)
    """Forward passes per optimiser step."""
    schedule: Literal["constant", "linear", "cosine"] = option("constant")
    """Decay to 0 at the last step, after the warm-up."""
    warmup_steps: int = option(0, minimum=0)
    """Steps over which the learning rate rises from 0."""
    warmup_share: float | None = option(None, minimum=0, maximum=1)
    """The same as a share of the stage's steps."""
    grad_clip: float | None = option(None, exclusiveMinimum=0)
    """Largest norm of the gradient."""
    patience: int | None = option(None, minimum=1)
    """Stop after so many epochs without a better result on dev."""

    def check(self, place: str) -> None:
        """The warm-up is said in one way."""
        if self.warmup_share is not None and self.warmup_steps:
            raise ConfigError(f"{place}: give warmup_steps or warmup_share, not both")


@dataclass(frozen=True, kw_only=True)
class SpecAugment(Options):
    """Blocks of time and of bands that are hidden from the back-end, in training only; what a
    block hides becomes 0."""

    time_masks: int = option(2, minimum=0)
    """Blocks of frames in a clip."""
    time_share: float = option(0.1, minimum=0, exclusiveMaximum=1)
    """The longest block, as a share of the frames."""
    band_masks: int = option(2, minimum=0)
    """Blocks of bands."""
    band_share: float = option(0.1, minimum=0, exclusiveMaximum=1)
    """The widest block, as a share of the bands."""


@dataclass(frozen=True, kw_only=True)
class Recipe(Stage):
    """How to train. The options of a stage, given here, hold for every stage that does not say
    otherwise.
    """

    preset: str | None = option(None)
    """Name of a recipe in `src/spoofscope/recipes`; what stands beside it changes it."""
    processes: int = option(1, minimum=1, maximum=1024)
    """So many train together, each with a GPU where there are any; a step sees so many times
    the utterances."""
    stages: tuple[Stage, ...] = optional(minItems=1)
    """One after the other, each from the best checkpoint of the one before."""
    loss: Literal["cross_entropy", "bce"] | None = option(None)
    """Default: what fits the back-end's outputs."""
    class_weights: str | dict[str, _Weight] = option("none")
    """none, balanced, or weights per label."""
    sampler: Literal["shuffle", "balanced"] = option("shuffle")
    """Every utterance once per epoch, or both classes equally likely."""
    train_crop: Literal["random", "start"] = option("random")
    """Which window of a longer clip an epoch sees."""
    select_by: Literal["eer", "min_dcf", "loss"] = option("eer")
    """The checkpoint with the lowest on dev wins."""
    spec_augment: SpecAugment | None = option(None)
    """Blocks of time and of bands that are hidden from the back-end, in training only; what a
    block hides becomes 0."""
    recalibrate_norms: bool = option(False)
    """After the training, statistics of the back-end's batch norms are estimated once more,
    without dropout."""
    mixed_precision: Literal["no", "bf16", "fp16", "auto"] = option("no")
    """fp16 on a GPU only; auto: on a GPU bf16, or else fp16."""
    checkpoint_minutes: float = option(10, exclusiveMinimum=0)
    """Time between resume files within an epoch."""
    num_workers: int = option(0, minimum=0, maximum=256)
    """Processes that prepare batches; 0: the training itself does."""
    cache_audio_mb: float = option(2000, minimum=0)
    """Decoded audio is kept in memory where all of it fits."""

    def check(self, place: str) -> None:
        """Weights are those of both labels, or have a name."""
        super().check(place)
        weights = self.class_weights
        if isinstance(weights, str):
            if weights not in ("none", "balanced"):
                raise ConfigError(
                    f"{place}: class_weights must be one of 'none', 'balanced', not {weights!r}"
                )
        elif set(weights) != {"bonafide", "spoof"}:
            raise ConfigError(f"{place}: class_weights needs the keys bonafide and spoof")
