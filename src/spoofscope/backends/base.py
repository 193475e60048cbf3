"""What every back-end is: a module that turns padded feature sequences into logits."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from spoofscope.options.backends.base import LogitOptions
from spoofscope.options.declared import Options

OUTPUTS: dict[int, tuple[str, ...]] = {0: (), 1: ("bonafide",), 2: ("spoof", "bonafide")}
"""Names of the logits for the option `n_outputs` of gradient-trained back-ends. With 0, which no
study file has, a back-end ends with its read-out vector: what stands behind it is the head of a
tracer, or a prototype of bona fide speech."""


class BackEnd(nn.Module, ABC):
    """From features (B, C, N, D) to logits (B, n_outputs).

    Attributes:
        name: the key in the registry.
        fitted_once: True where the back-end has a method `fit` and no gradient training.
        fitted_to: the manifest column that `fit` is told of every clip, "label" or "attack".
        outputs: names of the logits. A single output "bonafide" is the score; of
            two, the score is logit["bonafide"] - logit["spoof"]. Without names the back-end hands
            out its read-out vector instead of logits.
        readout_dim: size of the read-out vector in front of the last linear layer, None for a
            back-end that has no such vector.
        declared: the class of its options, see `options.backends`.
        options: what it is told.
        config: everything that rebuilds the back-end, defaults included, without the key `type`.
    """

    name: ClassVar[str]
    declared: ClassVar[type[Options]] = Options
    options: Options
    fitted_once: ClassVar[bool] = False
    fitted_to: ClassVar[Literal["label", "attack"]] = "label"
    outputs: tuple[str, ...]
    readout_dim: int | None = None
    config: dict[str, Any]

    @abstractmethod
    def __init__(
        self, config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
    ) -> None:
        """Build for features with these axes.

        Args:
            config: a resolved slice of the study file, without the key `type`.
            n_channels: C of the features.
            dim: D of the features.
            n_frames: N where the input policy fixes it, None where clips keep their lengths.

        Raises:
            ConfigError: an option is unknown or out of range, or does not fit the axes.
        """
        super().__init__()
        options = dict(config)
        # Tracers and prototypes stand behind a read-out vector; no study file asks for one.
        headless = issubclass(self.declared, LogitOptions) and options.get("n_outputs") == 0
        if headless:
            del options["n_outputs"]
        self.options = self.declared.from_dict(options, f"back-end {self.name}")
        self.config = self.options.to_dict()
        if isinstance(self.options, LogitOptions):
            self.config["n_outputs"] = 0 if headless else self.options.n_outputs
            self.outputs = OUTPUTS[self.config["n_outputs"]]

    def output_layer(self, size: int) -> nn.Module:
        """The last layer, from read-out vectors (B, size) to the logits, or none of either."""
        self.readout_dim = size
        return nn.Linear(size, len(self.outputs)) if self.outputs else nn.Identity()

    @property
    def width(self) -> int:
        """The number of values that `forward` gives for a clip."""
        return len(self.outputs) or self.readout_dim or 0

    @abstractmethod
    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of features (B, C, N, D) with `lengths` (B,) valid frames.

        With `n_outputs: 0` read-out vectors (B, readout_dim). In evaluation mode a row's logits
        depend neither on its padding nor on the other rows.
        """

    def layer_weights(self) -> dict[str, Tensor] | None:
        """Learned mixes over C, each softmax-normalised (C,), by name; None without such a mix.

        A mix behind a batch norm over C has a second entry, "mix_times_gain": see `gain_corrected`.
        """
        return None

    def layer_logits(self) -> dict[str, Tensor] | None:
        """The trained parameters behind `layer_weights`: for each softmax, its argument (C,)."""
        return None


def gain_corrected(mix: Tensor, gain: Tensor) -> Tensor:
    """What each layer contributes to a mix of batch-normalised layers.

    The gain of a layer's norm is trained as well, so the softmax weight alone is half of the story.

    Args:
        mix: (C,) softmax weights.
        gain: (C,) gains of the batch norm, of either sign.

    Returns:
        (C,) weight times size of the gain, of sum 1.
    """
    contribution = mix * gain.abs()
    return contribution / contribution.sum()
