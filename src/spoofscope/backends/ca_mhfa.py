"""Context-aware multi-head factorised attentive pooling (Peng et al., 2024)."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from spoofscope.backends.mhfa import FactorisedAttention
from spoofscope.errors import ConfigError


class CAMHFA(FactorisedAttention):
    """Factorised attention whose heads read a stretch of the keys around each frame.

    Every head is one filter over all dimensions of `context_frames` + 1 neighbouring keys, without
    a bias. Beyond the ends of a clip, and so in padding, keys count as 0.

    Options:
        heads: attention heads.
        context_frames: frames that a head sees besides the one that it weighs, half of them on
            either side: an even number. 0 takes the context away; so configured is the detector of
            "What do deepfake speech detectors actually hear?" (Interspeech 2026), with 64 heads.
        compression: size of the compressed keys and values.
        n_outputs: 1 or 2 logits, see `base.OUTPUTS`.

    For 13 hidden states of size 768 and 64 heads it has 213,275 parameters without context (then it
    is `mhfa` of as many heads), and 32,768 more with 4 context frames.
    """

    name = "ca_mhfa"
    defaults: ClassVar[Mapping[str, Any]] = {
        "heads": 64,
        "context_frames": 4,
        "compression": 128,
        "n_outputs": 1,
    }

    def _attention_layer(self, owner: str, heads: int, compression: int) -> nn.Module:
        context = self.config["context_frames"]
        if isinstance(context, bool) or not isinstance(context, int) or context < 0 or context % 2:
            raise ConfigError(
                f"{owner}: context_frames must be an even number such as 0 or 4, not {context!r}: "
                "half of the context lies on either side of a frame"
            )
        return nn.Conv1d(compression, heads, context + 1, padding=context // 2, bias=False)

    def attention_logits(self, keys: Tensor, valid: Tensor) -> Tensor:
        """Keys (B, N, compression) -> (B, N, heads)."""
        logits: Tensor = self.attention(keys.masked_fill(~valid, 0.0).transpose(1, 2))
        return logits.transpose(1, 2)
