"""Hidden states of SSL encoders."""

from dataclasses import dataclass
from typing import Literal

from spoofscope.errors import ConfigError
from spoofscope.options.declared import option, required
from spoofscope.options.frontends.base import FrontEndOptions


@dataclass(frozen=True, kw_only=True)
class EncoderOptions(FrontEndOptions):
    """What is taken of an encoder, and what is trained of it."""

    n_layers: int | None = option(None, minimum=1, maximum=200)
    """Keep this many transformer layers; those above are deleted."""
    embedding: bool = option(True)
    """Whether the input of the first layer is in the stack."""
    states: Literal["all", "last"] = option("all")
    """Hand all hidden states to the back-end, or the uppermost alone, which needs a fraction of the
    disc where the output is kept."""
    fine_tune: Literal["none", "all", "top"] = option("none")
    """Train nothing of the backbone, everything, or its uppermost layers."""
    top_layers: int | None = option(None, minimum=1)
    """How many, with `fine_tune: top` only."""
    final_norm: bool = option(False)
    """Take the last hidden state after the final layer norm of a pre-norm encoder."""
    normalize: bool | None = option(None)
    """Whether clips have to have zero mean and unit variance; null: what the backbone's
    preprocessor says."""

    def check(self, place: str) -> None:
        """A number of layers is trained where that is asked for; trained ones keep no output."""
        super().check(place)
        if self.precision == "half" and self.fine_tune != "none":
            raise ConfigError(
                f"{place}: precision is that of kept output, and fine_tune: {self.fine_tune} keeps "
                "none"
            )
        if (self.fine_tune == "top") != (self.top_layers is not None):
            raise ConfigError(f"{place}: top_layers goes with fine_tune: top, and only with it")


@dataclass(frozen=True, kw_only=True)
class SSLOptions(EncoderOptions):
    """Hidden states of a wav2vec 2.0, XLS-R, HuBERT or WavLM encoder."""

    backbone: str = required()
    """A name of `backbones`."""
