"""Context-aware multi-head factorised attentive pooling (Peng et al., 2024)."""

from torch import Tensor, nn

from spoofscope.backends.mhfa import FactorisedAttention
from spoofscope.options.backends.ca_mhfa import CAMHFAOptions


class CAMHFA(FactorisedAttention):
    """Factorised attention whose heads read a stretch of the keys around each frame.

    Every head is one filter over all dimensions of `context_frames` + 1 neighbouring keys, without
    a bias. Beyond the ends of a clip, and so in padding, keys count as 0.

    For 13 hidden states of size 768 and 64 heads it has 213,275 parameters without context (then it
    is `mhfa` of as many heads), and 32,768 more with 4 context frames.
    """

    name = "ca_mhfa"
    declared = CAMHFAOptions
    options: CAMHFAOptions

    def _attention_layer(self, heads: int, compression: int) -> nn.Module:
        context = self.options.context_frames
        return nn.Conv1d(compression, heads, context + 1, padding=context // 2, bias=False)

    def attention_logits(self, keys: Tensor, valid: Tensor) -> Tensor:
        """Keys (B, N, compression) -> (B, N, heads)."""
        logits: Tensor = self.attention(keys.masked_fill(~valid, 0.0).transpose(1, 2))
        return logits.transpose(1, 2)
